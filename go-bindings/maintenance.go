package lnkeep

import (
	"context"
	"strings"
	"time"
)

// Finding is one thing that a check found wrong.
type Finding struct {
	// Page is the page of the file it was found on; 0 when it concerns the file or a table as a
	// whole.
	Page uint64
	// Table is the name of the table, as docs/format.md lists them; empty when it concerns none.
	Table string
	// Key is the key of the row; empty when it concerns none.
	Key []byte
	// Fault is what is wrong, one line of text.
	Fault string
	// RowOnly: only this row is damaged. The store opens, and reading the row is ErrCorruptRecord.
	RowOnly bool
}

// CheckReport is what a check found. Figures that a damaged file does not give are 0.
type CheckReport struct {
	// Findings are what is wrong, at most 1,000; empty for a sound store.
	Findings []Finding
	// Truncated: more is wrong than Findings holds.
	Truncated bool
	// Unusable: Open refuses the file (ErrCorruptStore), since more than single rows is damaged.
	Unusable bool
	// Live: the store was open while it was checked, here or in another process.
	Live bool
	// EndedCleanly: the last holder closed the store; never set while it is open.
	EndedCleanly bool
	// Copied: the files are a copy, and Attempts.AcknowledgeRestore was not called since.
	Copied bool
	// Restored: the files were restored, and Attempts.AcknowledgeRestore was not called since.
	Restored bool
	// Epoch is that of the last open.
	Epoch uint64
	// StoreID is the identity of the store.
	StoreID StoreID
	// CommitNumber is the number of the last commit, over all opens.
	CommitNumber uint64
	// Rows counts rows of all tables.
	Rows uint64
	// Pages counts pages in use or free inside the file.
	Pages uint64
	// PageBytes is the size of a page.
	PageBytes uint64
	// FileBytes is the length of the file, space allocated ahead included.
	FileBytes uint64
	// BlockHeight is what Tick last told.
	BlockHeight uint32
	// Time is what Tick last told, to the millisecond; zero when unknown.
	Time time.Time
}

// Sound reports whether nothing is wrong.
func (r *CheckReport) Sound() bool { return len(r.Findings) == 0 }

// Check looks at every page, tree, free page, checksum, order, count and digest of the store in a
// directory, or of a backup file, and at what rows say about each other. The file may be damaged
// in any way. Nothing is written and no lock is taken: a store that is open, here or in another
// process, goes on. It takes about as long as reading the file. What is wrong stands in the report
// and is no error.
//
// The context is looked at before the check begins. Errors, when nothing could be looked at:
// ErrNotFound, ErrIO; ErrBusy when another process commits too fast: check in that process;
// ErrInvalidArgument, also for a path that is empty or holds a NUL byte; ErrCanceled; ErrNoCgo.
func Check(ctx context.Context, path string) (*CheckReport, error) {
	if err := refusePaths(ctx, "check", path); err != nil {
		return nil, err
	}
	return cCheck(path)
}

// Backup writes the newest commit of the store to a new file, without free pages and with mode
// 0600: flushed, checked, and only then given its name; until then it lies in a directory path +
// ".partial-" and eight digits, which a crash leaves behind for you to remove. Reads and commits go
// on meanwhile, but that a growth of the map waits for it. The report is of a check of the new file; damaged single rows
// are copied as they are and are in it. The file may hold failure messages and preimages: keep it
// as the store.
//
// A backup is for the loss of the disk alone: it does not know what was dispatched after it.
//
// The context is looked at before the backup begins and while it waits its turn. Errors, after
// which there is no new file: ErrTargetExists when path exists, it is not touched; ErrNoSpace;
// ErrNotFound when the directory of path is missing; ErrUnsafePlace when it cannot be written to or
// is the store's own; ErrIO, after which the store goes on, although its class is ErrFatal;
// ErrCorruptStore when the copy does not check; ErrInvalidArgument, ErrClosed, ErrPoisoned,
// ErrCanceled.
func (s *Store) Backup(ctx context.Context, path string) (report *CheckReport, err error) {
	if err := refusePaths(ctx, "backup", path); err != nil {
		return nil, err
	}
	err = s.core.turn(ctx, "backup", func() (err error) {
		report, err = cStoreBackup(s.core.handle, path)
		return err
	})
	return report, err
}

// RestoreOptions are choices at a restore. Zero everywhere is the safe choice.
type RestoreOptions struct {
	// AnyFileSystem accepts a network or FUSE file system, although it may lose flushed data.
	AnyFileSystem bool
}

// Restore makes a store of a backup, which is a file or the directory of a closed store, in a
// directory that holds none; the directory is made when it is missing. The backup is checked
// first, the report is of that, and it stays as it is. Files and directory are durable when the
// error is nil.
//
// Whoever opens the store next finds Report.Restored: new attempts are refused
// (ErrNotAcknowledged) until Attempts.AcknowledgeRestore gave a floor, because the newer store,
// lost by now, may have used ids that the backup does not know.
//
// The context is looked at before the restore begins. Errors, after which there is no store in the
// directory: ErrTargetExists when it holds one, which is not touched; ErrCorruptStore when the
// backup is damaged in more than single rows; ErrLocked when the backup is a store that is open;
// ErrNotFound, ErrUnsafePlace, ErrFormatTooNew, ErrNoSpace, ErrIO; ErrInvalidArgument,
// ErrCanceled, ErrNoCgo.
func Restore(
	ctx context.Context, backup, directory string, options RestoreOptions,
) (*CheckReport, error) {
	if err := refusePaths(ctx, "restore", backup, directory); err != nil {
		return nil, err
	}
	return cStoreRestore(backup, directory, options)
}

// refusePaths answers for what C cannot be told, and for a context that has ended.
func refusePaths(ctx context.Context, op string, paths ...string) *Error {
	for _, path := range paths {
		if strings.IndexByte(path, 0) >= 0 {
			return invalid(op, "the path holds a NUL byte")
		}
	}
	if err := ctx.Err(); err != nil {
		return canceled(op, err)
	}
	return nil
}

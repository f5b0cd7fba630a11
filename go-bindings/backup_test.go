package lnkeep_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// restored opens a store made of a backup.
func restored(t testing.TB, backup string) (*lnkeep.Store, *lnkeep.Attempts) {
	t.Helper()
	path := newPath(t)
	_, err := lnkeep.Restore(soon(t), backup, path, lnkeep.RestoreOptions{})
	must(t, err)
	store := openStore(t, path, nil)
	return store, openAttempts(t, store, nil)
}

func TestStore_Backup_HoldsWhatWasDoneBeforeItWhileOthersGoOn(t *testing.T) {
	store, attempts := newAttempts(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	var done [8]atomic.Uint64
	for worker := range done {
		group.Go(func() {
			for i := uint64(0); ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				outcome, err := attempts.Init(context.Background(), request(i*8+uint64(worker)))
				if err != nil || !outcome.Done {
					t.Errorf("%+v", outcome)
					return
				}
				done[worker].Store(i + 1)
			}
		})
	}
	directory := t.TempDir()
	for round := range 3 {
		var before [8]uint64
		for worker := range done {
			eventually(t, "progress", func() bool { return done[worker].Load() > uint64(round)*20 })
			before[worker] = done[worker].Load()
		}
		path := filepath.Join(directory, string(rune('a'+round)))
		report, err := store.Backup(soon(t), path)
		must(t, err)
		if sound(t, report); report.Live || report.StoreID != store.Report().StoreID {
			t.Fatalf("%+v", report)
		}
		_, copied := restored(t, path)
		for worker, n := range before {
			for i := range n {
				_, err := copied.Get(key(i*8 + uint64(worker)))
				must(t, err)
			}
		}
	}
	close(stop)
	group.Wait()
	entries, err := os.ReadDir(directory)
	must(t, err)
	if len(entries) != 3 {
		t.Fatal("something was left behind:", entries)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		must(t, err)
		if info.Mode() != 0o600 {
			t.Fatal(info.Name(), info.Mode())
		}
		sound(t, checkOf(t, filepath.Join(directory, entry.Name())))
	}
}

func TestStore_Backup_Refuses(t *testing.T) {
	store, attempts := newAttempts(t)
	initDone(t, attempts, 1)
	directory := t.TempDir()
	existing := filepath.Join(directory, "existing")
	must(t, os.WriteFile(existing, []byte("precious"), 0o600))
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name, path string
		ctx        context.Context
		sentinels  []error
	}{
		{"a file", existing, soon(t), []error{lnkeep.ErrTargetExists, lnkeep.ErrRefused}},
		{"a directory", directory, soon(t), []error{lnkeep.ErrTargetExists}},
		{"no directory", filepath.Join(directory, "x", "y"), soon(t), []error{lnkeep.ErrNotFound, fs.ErrNotExist}},
		{"below a file", filepath.Join(existing, "y"), soon(t), []error{lnkeep.ErrUnsafePlace}},
		{"an empty path", "", soon(t), []error{lnkeep.ErrInvalidArgument}},
		{"a NUL in the path", "a\x00b", soon(t), []error{lnkeep.ErrInvalidArgument}},
		{"an ended context", filepath.Join(directory, "new"), ended, []error{lnkeep.ErrCanceled, context.Canceled}},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := store.Backup(c.ctx, c.path)
			if report != nil || err == nil {
				t.Fatalf("%+v, %v", report, err)
			}
			for _, sentinel := range c.sentinels {
				want(t, err, sentinel)
			}
			t.Log(err)
		})
	}
	if content, err := os.ReadFile(existing); err != nil || string(content) != "precious" {
		t.Fatalf("%q, %v", content, err)
	}
	initDone(t, attempts, 2)
	must(t, store.Close())
	_, err := store.Backup(soon(t), filepath.Join(directory, "late"))
	want(t, err, lnkeep.ErrClosed)
}

func TestStore_Backup_OfSeveralToOneFileOneMakesIt(t *testing.T) {
	store := openStore(t, newPath(t), nil)
	register(t, store, 0, 5000)
	path := filepath.Join(t.TempDir(), "backup")
	var made atomic.Int32
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			_, err := store.Backup(context.Background(), path)
			switch {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, lnkeep.ErrBusy) && !errors.Is(err, lnkeep.ErrTargetExists):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if made.Load() != 1 {
		t.Fatal(made.Load(), "backups were made")
	}
	sound(t, checkOf(t, path))
}

func TestStore_Close_DuringABackup(t *testing.T) {
	for range 5 {
		store := openStore(t, newPath(t), nil)
		register(t, store, 0, 5000)
		path := filepath.Join(t.TempDir(), "backup")
		begun, answer := make(chan struct{}), make(chan error)
		go func() {
			close(begun)
			_, err := store.Backup(context.Background(), path)
			answer <- err
		}()
		<-begun
		must(t, store.Close())
		if err := <-answer; err == nil {
			sound(t, checkOf(t, path))
		} else {
			want(t, err, lnkeep.ErrClosed)
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal("there is a file, although the backup failed:", err)
			}
		}
	}
}

func TestRestore_NewIDsWaitForAFloor(t *testing.T) {
	store, attempts := newAttempts(t)
	initDone(t, attempts, 5)
	backup := filepath.Join(t.TempDir(), "backup")
	made, err := store.Backup(soon(t), backup)
	must(t, err)
	initDone(t, attempts, 6)
	id := store.Report().StoreID
	must(t, store.Close())

	path := newPath(t)
	report, err := lnkeep.Restore(soon(t), backup, path, lnkeep.RestoreOptions{})
	must(t, err)
	if sound(t, report); report.StoreID != id || report.CommitNumber != made.CommitNumber {
		t.Fatalf("%+v of %+v", report, made)
	}
	if at := sound(t, checkOf(t, path)); !at.Restored || at.Copied || at.Live {
		t.Fatalf("%+v", at)
	}
	store = openStore(t, path, nil)
	if found := store.Report(); !found.Restored || found.Copied || found.StoreID != id {
		t.Fatalf("%+v", found)
	}
	attempts = openAttempts(t, store, nil)
	again(t)(attempts.Init(soon(t), request(5)))
	refused(t, lnkeep.ErrNotAcknowledged)(attempts.Init(soon(t), request(6)))
	refused(t, lnkeep.ErrNotAcknowledged)(attempts.Init(soon(t), request(7000)))
	want(t, second(attempts.AcknowledgeRestore(soon(t))), lnkeep.ErrInvalidArgument)
	do(t)(attempts.AcknowledgeRestore(soon(t), lnkeep.IDFloor{Floor: 1000}))
	refused(t, lnkeep.ErrBelowFloor)(attempts.Init(soon(t), request(6)))
	refused(t, lnkeep.ErrBelowFloor)(attempts.Init(soon(t), request(999)))
	initDone(t, attempts, 1000, 1001)
	must(t, store.Close())

	again := openStore(t, path, nil)
	if found := again.Report(); found.Restored {
		t.Fatalf("%+v", found)
	}
	refused(t, lnkeep.ErrBelowFloor)(openAttempts(t, again, nil).Init(soon(t), request(6)))
	if at := sound(t, checkOf(t, path)); at.Restored || !at.Live {
		t.Fatalf("%+v", at)
	}
}

func second(_ lnkeep.Outcome, err error) error { return err }

func TestRestore_Refuses(t *testing.T) {
	source := closedStore(t, 10)
	good := filepath.Join(t.TempDir(), "good")
	store := openStore(t, source, nil)
	_, err := store.Backup(soon(t), good)
	must(t, err)
	directory := t.TempDir()
	damaged := filepath.Join(directory, "damaged")
	must(t, os.WriteFile(damaged, make([]byte, 100_000), 0o600))
	shared := filepath.Join(directory, "shared")
	must(t, os.Mkdir(shared, 0o700))
	must(t, os.Chmod(shared, 0o777))
	free := filepath.Join(directory, "free")
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name, backup, directory string
		ctx                     context.Context
		sentinel                error
	}{
		{"a directory with a store", good, closedStore(t, 1), soon(t), lnkeep.ErrTargetExists},
		{"no backup", filepath.Join(directory, "none"), free, soon(t), lnkeep.ErrNotFound},
		{"a damaged backup", damaged, free, soon(t), lnkeep.ErrCorruptStore},
		{"an open store", source, free, soon(t), lnkeep.ErrLocked},
		{"into the open store", good, source, soon(t), lnkeep.ErrLocked},
		{"a directory for everybody", good, shared, soon(t), lnkeep.ErrUnsafePlace},
		{"into nowhere", good, filepath.Join(directory, "x", "y"), soon(t), lnkeep.ErrNotFound},
		{"a NUL in the path", good, "a\x00b", soon(t), lnkeep.ErrInvalidArgument},
		{"an empty path", "", free, soon(t), lnkeep.ErrInvalidArgument},
		{"an ended context", good, free, ended, context.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := lnkeep.Restore(c.ctx, c.backup, c.directory, lnkeep.RestoreOptions{})
			want(t, err, c.sentinel)
			if report != nil {
				t.Fatalf("%+v", report)
			}
			if _, err := os.Stat(filepath.Join(free, "data.mdb")); !errors.Is(err, fs.ErrNotExist) {
				t.Fatal("there is a store after all:", err)
			}
			t.Log(err)
		})
	}
	// What was refused left nothing that keeps the next one from it, and a closed store is a
	// backup.
	must(t, store.Close())
	_, err = lnkeep.Restore(soon(t), source, free, lnkeep.RestoreOptions{AnyFileSystem: true})
	must(t, err)
	_, err = openAttempts(t, openStore(t, free, nil), nil).Get(key(9))
	must(t, err)
}

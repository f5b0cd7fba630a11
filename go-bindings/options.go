package lnkeep

import "time"

// StoreID is the random identity of a store, the same for its whole life.
type StoreID [16]byte

// StoreOptions are choices at the open of a store. Zero everywhere is the safe choice.
type StoreOptions struct {
	// MustExist refuses to create a store (ErrNotFound).
	MustExist bool
	// AnyFileSystem accepts a network or FUSE file system, although it may lose flushed data.
	AnyFileSystem bool
	// LNDCompat repeats lnd's rules where they are questionable; recorded in the store.
	LNDCompat bool
	// Convert accepts a store created in another mode, and changes its mode.
	Convert bool
	// Verify walks the whole file at every open, not only after an unclean end or a write since the close.
	Verify bool
	// Compact rewrites the file without its free pages, after a walk of it; takes about as long as copying
	// it. Without disk space for the copy the store opens as it is: Report.Compacted says which.
	Compact bool
	// EpochMin refuses a store last opened in an epoch below this one, which the host keeps elsewhere
	// (ErrRolledBack).
	EpochMin uint64
	// ExpectedStoreID refuses another store (ErrRolledBack); nil accepts any.
	ExpectedStoreID *StoreID
	// MapBytesMax is the largest size of the memory map, and so of the data; 0 means 1 TiB.
	MapBytesMax uint64
	// MapBytes is the first size of the memory map; 0 means 1 GiB of address space.
	MapBytes uint64
	// QueueOperationsMax is how many operations may wait for the disk; 0 means 16,384.
	QueueOperationsMax uint64
	// Events is which kinds of event are recorded; 0 means the library's choice.
	Events EventMask
	// EventsBytesMax is how much disk unread events may pin; 0 means 256 MiB.
	EventsBytesMax uint64
	// EventsAgeMax is the age after which unread events are cut, in whole seconds rounded up; 0 means
	// never.
	EventsAgeMax time.Duration
	// Seed is where all randomness is taken from, for replays; nil for real randomness.
	Seed *[32]byte
	// Direct makes each call its own call of C, without the submitter: a caller then holds an operating
	// system thread while it waits for the disk. For programs with few goroutines.
	Direct bool
}

// Report is what an open found.
type Report struct {
	// Epoch rises by one at each open; keep it elsewhere and pass it as StoreOptions.EpochMin.
	Epoch uint64
	// StoreID is the identity of the store.
	StoreID StoreID
	// Created: the files were made by this open.
	Created bool
	// Unclean: the last holder crashed or was killed. Call Attempts.Recover, then Payments.Resume.
	Unclean bool
	// Copied: the files are a copy; new attempts and payments wait for Attempts.AcknowledgeRestore.
	Copied bool
	// Restored: the files were restored; new attempts and payments wait for Attempts.AcknowledgeRestore.
	Restored bool
	// Tmpfs: the directory lies in memory and dies with the machine.
	Tmpfs bool
	// Overlay: the directory lies on an overlay; the lower layers decide about durability.
	Overlay bool
	// Compacted: the file was rewritten without its free pages, as StoreOptions.Compact asks.
	Compacted bool
	// BlockHeight is what Tick last told before.
	BlockHeight uint32
	// Time is what Tick last told before, to the millisecond; zero when unknown.
	Time time.Time
}

// Stats are figures of a store since its open.
type Stats struct {
	// Commits counts commits.
	Commits uint64
	// Operations counts operations applied, or found applied.
	Operations uint64
	// OperationsRefused counts operations refused.
	OperationsRefused uint64
	// CommitP50 is the median duration of a commit.
	CommitP50 time.Duration
	// CommitP99 is the 99th percentile of the same.
	CommitP99 time.Duration
	// CommitMax is the longest of the same.
	CommitMax time.Duration
	// QueueDepth counts operations waiting for the disk.
	QueueDepth uint64
	// PagesUsed counts pages of data.mdb in use, free ones inside it included.
	PagesUsed uint64
	// PageBytes is the size of a page.
	PageBytes uint64
	// AllocatedBytes is how much of data.mdb is backed by disk space.
	AllocatedBytes uint64
	// MapBytes is the size of the memory map.
	MapBytes uint64
	// MapBytesMax is the largest size the map may grow to.
	MapBytesMax uint64
	// Readers counts reader slots in use or resting.
	Readers uint64
	// OldestRead is how long the oldest running read has lasted.
	OldestRead time.Duration
	// MapGrowths counts how often the map grew.
	MapGrowths uint64
	// StaleReadersCleared counts reader slots of dead processes that were cleared.
	StaleReadersCleared uint64
	// CommitNumber is the number of the last commit, over all opens.
	CommitNumber uint64
	// NoSpace: the disk is full; new intents are refused, results may still be stored.
	NoSpace bool
	// MapNearlyFull: the data fills more than 80 % of MapBytesMax.
	MapNearlyFull bool
}

// AttemptsOptions are choices at the open of attempts. Zero everywhere is the safe choice. They hold
// until the store is closed: opening with others before that is ErrAlreadyOpen.
type AttemptsOptions struct {
	// External: an external router owns the attempts; a later open without it is ErrExternalMarker.
	External bool
	// UnmarkedHost: the host never calls MarkHandedOff; Recover then needs its complete circuit list.
	UnmarkedHost bool
	// AckedRetention is how long an acknowledged record is kept in full, in whole seconds rounded up;
	// 0 means until deleted.
	AckedRetention time.Duration
	// TombstoneRetention is how long a tombstone keeps its id burned, in whole seconds rounded up;
	// 0 means for good.
	TombstoneRetention time.Duration
	// TombstonesMax is how many tombstones are kept; 0 means all.
	TombstonesMax uint64
	// SubscriptionsMax is how many subscriptions may be open; 0 means 65,536.
	SubscriptionsMax uint64
}

// PaymentsOptions are choices at the open of payments. Zero everywhere is the safe choice. They hold
// until the store is closed: opening with others before that is ErrAlreadyOpen.
type PaymentsOptions struct {
	// CheckTotals refuses attempts whose multi-part or blinded total is not the payment's amount
	// (ErrMPPTotalMismatch, ErrBlindedTotalMismatch), and AMP attempts of another set than those in flight
	// (ErrMPPAddrMismatch).
	CheckTotals bool
	// FinishedRetention is how long Sweep keeps a finished payment, in whole seconds rounded up; 0 means
	// until deleted.
	FinishedRetention time.Duration
	// FinishedMax is how many finished payments Sweep keeps; 0 means all.
	FinishedMax uint64
	// HistoryBytesMax is how many bytes payments and their attempts may take in the store before Sweep
	// deletes the oldest finished ones; 0 means any.
	HistoryBytesMax uint64
	// TombstoneRetention is how long the hash of a paid and deleted payment stays refused, and an
	// idempotency key known, in whole seconds rounded up; 0 means for good.
	TombstoneRetention time.Duration
	// SubscriptionsMax is how many subscriptions may be open; 0 means 65,536.
	SubscriptionsMax uint64
}

func (o *StoreOptions) check() *Error {
	if o != nil && o.EventsAgeMax < 0 {
		return invalid("open", "EventsAgeMax is negative")
	}
	return nil
}

func (o *AttemptsOptions) check() *Error {
	if o.AckedRetention < 0 || o.TombstoneRetention < 0 {
		return invalid("open attempts", "a retention is negative")
	}
	return nil
}

func (o *PaymentsOptions) check() *Error {
	if o.FinishedRetention < 0 || o.TombstoneRetention < 0 {
		return invalid("open payments", "a retention is negative")
	}
	return nil
}

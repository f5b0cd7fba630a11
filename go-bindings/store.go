package lnkeep

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Store is one open store: a directory that one process at a time holds. All methods are safe for
// concurrent use. After Close they answer ErrClosed.
type Store struct {
	core  *core
	alarm runtime.Cleanup
}

// core is what goroutines of the package hold, so that a Store nobody holds can be noticed.
type core struct {
	handle    uint64
	report    Report
	submitter *submitter
	// turns bounds the operating system threads that wait for the disk in calls of C.
	turns chan struct{}
	// commits is held by the one commit of monitors that is under way.
	commits chan struct{}

	// life is held by calls that make children and, alone, by close: none is made after that.
	life   sync.RWMutex
	closed atomic.Bool
	once   sync.Once
	result error

	// mu guards the children below.
	mu           sync.Mutex
	async        *asynchronous
	attempts     *sharedAttempts
	payments     *sharedPayments
	cursors      map[*cursor]struct{}
	monitors     map[*monitorsHandle]struct{}
	resources    map[*resourcesHandle]struct{}
	backups      map[*backupHandle]struct{}
	peerStorages map[*peerStorageHandle]struct{}
}

// turnsMax is how many calls may wait for the disk in C at once, beside the submitter. The library
// groups what waits into shared commits, so more would not be faster.
const turnsMax = 16

// Open opens the store of a directory, creating directory (mode 0700) and files (mode 0600) when there
// are none; nil options are the safe defaults. It returns when the new epoch is durable: what a crash
// left undecided is decided by then.
//
// Errors: ErrLocked when it is open elsewhere; ErrUnsafePlace, ErrNotFound, ErrWrongMode,
// ErrRolledBack, ErrFormatTooNew, ErrCorruptStore, ErrNoSpace, ErrABIMismatch, ErrWrongEngine, ErrIO;
// ErrInvalidArgument, also for a path that is empty or holds a NUL byte; ErrNoCgo.
// Close the store. No other code may open, copy or lock the files of the directory meanwhile.
func Open(path string, options *StoreOptions) (*Store, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	if strings.IndexByte(path, 0) >= 0 {
		return nil, invalid("open", "the path holds a NUL byte")
	}
	if options == nil {
		options = &StoreOptions{}
	}
	handle, report, err := cStoreOpen(path, options)
	if err != nil {
		return nil, err
	}
	c := &core{
		handle: handle, report: report, turns: make(chan struct{}, turnsMax), commits: make(chan struct{}, 1),
		cursors: map[*cursor]struct{}{}, monitors: map[*monitorsHandle]struct{}{},
		resources: map[*resourcesHandle]struct{}{}, backups: map[*backupHandle]struct{}{},
		peerStorages: map[*peerStorageHandle]struct{}{},
	}
	c.submitter = newSubmitter(handle, options)
	store := &Store{core: c}
	store.alarm = setAlarm(store, c, 2, "Store", path)
	return store, nil
}

// Report is what the open found.
func (s *Store) Report() Report { return s.core.report }

// IsOpen reports whether the store is open; another goroutine may close it right after.
func (s *Store) IsOpen() bool { return !s.core.closed.Load() && cStoreIsOpen(s.core.handle) }

// Close refuses new calls, commits what was accepted, answers every waiting caller, closes channels and
// everything that was opened on the store, and releases the files. It waits for all of that. What is queued
// in Monitors and was not committed is lost, as in a crash: close those first. Calling it again, also at the
// same time, gives the same answer and does nothing else.
//
// Errors: ErrPoisoned when an earlier commit had failed; ErrNoSpace or ErrBusy when the last decisions of
// Resources, or blobs that waited in PeerStorage, could not be written and are lost, as in a crash. The files
// are released all the same.
func (s *Store) Close() error {
	s.alarm.Stop()
	s.core.once.Do(func() { s.core.result = s.core.close() })
	return s.core.result
}

func (c *core) close() error {
	c.life.Lock()
	c.closed.Store(true)
	c.life.Unlock()

	c.submitter.close()
	c.mu.Lock()
	async, attempts, payments, cursors, monitors := c.async, c.attempts, c.payments, c.cursors, c.monitors
	c.async, c.attempts, c.payments, c.cursors, c.monitors = nil, nil, nil, nil, nil
	resources, peerStorages, backups := c.resources, c.peerStorages, c.backups
	c.resources, c.peerStorages, c.backups = nil, nil, nil
	c.mu.Unlock()
	if async != nil {
		async.close()
	}
	for cursor := range cursors {
		_ = cursor.close()
	}
	if attempts != nil {
		_ = attempts.close()
	}
	if payments != nil {
		_ = payments.close()
	}
	for monitor := range monitors {
		_ = monitor.close(true)
	}
	for backup := range backups {
		_ = backup.close()
	}
	var lost error
	for resource := range resources {
		if err := resource.close(); err != nil {
			lost = err
		}
	}
	for peerStorage := range peerStorages {
		if err := peerStorage.close(); err != nil {
			lost = err
		}
	}
	if err := cStoreClose(c.handle); err != nil {
		return err
	}
	return lost
}

// Tick tells the store what time and block height it is: stamps later records, and lets rules by age
// work. Numbers only rise, a smaller one is ignored; the zero time and height are unknown. Cheap, and
// durable with the next commit: call it for every block and every few seconds.
//
// Errors: ErrClosed, ErrPoisoned; ErrInvalidArgument for a time before 1970.
func (s *Store) Tick(now time.Time, blockHeight uint32) error {
	if s.core.closed.Load() {
		return closed("tick", "store")
	}
	milli, ok := unixMilli(now)
	if !ok {
		return invalid("tick", "the time lies before 1970")
	}
	return cStoreTick(s.core.handle, milli, blockHeight)
}

// Sync waits until everything accepted before it is durable, asynchronous submissions and blobs that wait in
// PeerStorage included. The context bounds the wait for a turn, not the commit.
//
// Errors: ErrClosed; ErrPoisoned when a commit failed; ErrNotDurable when what Resources acknowledged,
// ErrNoSpace or ErrBusy when what waits in PeerStorage cannot be written yet: ask again; ErrCanceled.
func (s *Store) Sync(ctx context.Context) error {
	return s.core.turn(ctx, "sync", func() error { return cStoreSync(s.core.handle) })
}

// Stats are figures since the open. Errors: ErrClosed, ErrPoisoned, ErrBusy.
func (s *Store) Stats() (Stats, error) {
	if s.core.closed.Load() {
		return Stats{}, closed("stats", "store")
	}
	return cStoreStats(s.core.handle)
}

// refuse answers for a store that is closed and for a context that has ended.
func (c *core) refuse(ctx context.Context, op string) *Error {
	if c.closed.Load() {
		return closed(op, "store")
	}
	if err := ctx.Err(); err != nil {
		return canceled(op, err)
	}
	return nil
}

// turn runs a call of C that waits for the disk, when fewer than turnsMax are running.
func (c *core) turn(ctx context.Context, op string, call func() error) error {
	if err := c.refuse(ctx, op); err != nil {
		return err
	}
	select {
	case c.turns <- struct{}{}:
	case <-ctx.Done():
		return canceled(op, ctx.Err())
	}
	defer func() { <-c.turns }()
	return call()
}

// child runs open unless the store is closed, and keeps it from closing meanwhile.
func (c *core) child(op string, open func() error) error {
	c.life.RLock()
	defer c.life.RUnlock()
	if c.closed.Load() {
		return closed(op, "store")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return open()
}

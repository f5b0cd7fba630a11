package lnkeep_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestOpen_CreatesAStoreAndReportsIt(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	first := store.Report()
	if !first.Created || first.Unclean || first.Epoch == 0 || first.StoreID == (lnkeep.StoreID{}) {
		t.Fatalf("%+v", first)
	}
	at := time.UnixMilli(1_700_000_000_123)
	must(t, store.Tick(at, 800_000))
	initDone(t, openAttempts(t, store, nil), 1)
	must(t, store.Close())

	second := openStore(t, path, nil).Report()
	if second.Created || second.Unclean || second.Epoch != first.Epoch+1 || second.StoreID != first.StoreID {
		t.Fatalf("%+v after %+v", second, first)
	}
	if second.BlockHeight != 800_000 || !second.Time.Equal(at) {
		t.Fatalf("the clock is %v at %d", second.Time, second.BlockHeight)
	}
}

func TestOpen_RefusesWhatCannotWork(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	shared := filepath.Join(dir, "shared")
	must(t, os.Mkdir(shared, 0o700))
	must(t, os.Chmod(shared, 0o777))
	good := filepath.Join(dir, "good")
	must(t, openStore(t, good, nil).Close())
	compat := filepath.Join(dir, "compat")
	must(t, openStore(t, compat, &lnkeep.StoreOptions{LNDCompat: true}).Close())

	for _, c := range []struct {
		name, path string
		options    *lnkeep.StoreOptions
		err        error
	}{
		{"an empty path", "", nil, lnkeep.ErrInvalidArgument},
		{"a NUL in the path", dir + "\x00/x", nil, lnkeep.ErrInvalidArgument},
		{"no store", filepath.Join(dir, "none"), &lnkeep.StoreOptions{MustExist: true}, lnkeep.ErrNotFound},
		{"a file", file, nil, lnkeep.ErrUnsafePlace},
		{"below a file", filepath.Join(file, "x"), nil, syscall.ENOTDIR},
		{"a missing parent", filepath.Join(dir, "none", "x"), nil, fs.ErrNotExist},
		{"a directory for everybody", shared, nil, lnkeep.ErrUnsafePlace},
		{"another store", good, &lnkeep.StoreOptions{ExpectedStoreID: &lnkeep.StoreID{1}}, lnkeep.ErrRolledBack},
		{"a later epoch", good, &lnkeep.StoreOptions{EpochMin: 1000}, lnkeep.ErrRolledBack},
		{"another mode", compat, nil, lnkeep.ErrWrongMode},
		{"a negative age", good, &lnkeep.StoreOptions{EventsAgeMax: -1}, lnkeep.ErrInvalidArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			store, err := lnkeep.Open(c.path, c.options)
			if err == nil || store != nil {
				t.Fatal("it was opened")
			}
			want(t, err, c.err)
			t.Log(err)
		})
	}
	must(t, openStore(t, compat, &lnkeep.StoreOptions{Convert: true}).Close())
	must(t, openStore(t, compat, &lnkeep.StoreOptions{Verify: true}).Close())
}

func TestOpen_SecondTimeIsLocked(t *testing.T) {
	path := newPath(t)
	openStore(t, path, nil)
	_, err := lnkeep.Open(path, nil)
	want(t, err, lnkeep.ErrLocked)
	want(t, err, lnkeep.ErrRetry)
	if lnkeep.ClassOf(err) != lnkeep.ClassRetry {
		t.Fatal(lnkeep.ClassOf(err))
	}
	var detail *lnkeep.Error
	if !errors.As(err, &detail) || detail.Op != "open" || detail.Code != lnkeep.StatusLocked || detail.Msg == "" {
		t.Fatalf("%#v", detail)
	}
}

func TestOpen_InTwoProcessesIsLocked(t *testing.T) {
	path := newPath(t)
	child, answer := openInChild(t, path)
	if !strings.Contains(answer, `"ok":true`) {
		t.Fatal(answer)
	}
	_, err := lnkeep.Open(path, nil)
	want(t, err, lnkeep.ErrLocked)
	want(t, err, lnkeep.ErrRetry)
	if report := sound(t, checkOf(t, path)); !report.Live {
		t.Fatalf("%+v", report)
	}
	_, err = lnkeep.Restore(soon(t), path, newPath(t), lnkeep.RestoreOptions{})
	want(t, err, lnkeep.ErrLocked)

	// The lock ends with the process that held it, however that ended.
	child.kill()
	if report := openStore(t, path, nil).Report(); !report.Unclean {
		t.Fatalf("%+v", report)
	}
	if _, answer := openInChild(t, path); !strings.Contains(answer, "LOCKED") {
		t.Fatal(answer)
	}
}

func openInChild(t *testing.T, path string) (child *worker, answer string) {
	t.Helper()
	child = suites[0].newWorker(t, path, false)
	t.Cleanup(child.kill)
	_, err := io.WriteString(child.input, `{"op": "open"}`+"\n")
	must(t, err)
	answer, err = child.output.ReadString('\n')
	must(t, err)
	return child, answer
}

func TestStore_Close_IsIdempotentAndEverythingAnswersErrClosed(t *testing.T) {
	ctx := soon(t)
	store, attempts := newAttempts(t)
	events, err := store.OpenEvents("cursor", nil)
	must(t, err)
	channel := events.Channel()
	subscription, err := attempts.Subscribe(key(1))
	must(t, err)
	op := attempts.OpInit(request(1))
	if !store.IsOpen() || !attempts.IsOpen() || !events.IsOpen() {
		t.Fatal("something is not open")
	}

	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	must(t, store.Close())
	must(t, attempts.Close())
	must(t, attempts.Close())
	must(t, events.Close())
	must(t, events.Close())
	must(t, subscription.Close())
	must(t, subscription.Close())
	if store.IsOpen() || attempts.IsOpen() || events.IsOpen() {
		t.Fatal("something is open")
	}
	if _, open := <-channel; open {
		t.Fatal("the channel is open")
	}
	if _, open := <-events.Channel(); open || events.Err() != nil {
		t.Fatal("the channel is open, or has an error:", events.Err())
	}

	for name, err := range closedAnswers(ctx, store, attempts, events, op) {
		if !errors.Is(err, lnkeep.ErrClosed) {
			t.Errorf("%s answers %v", name, err)
		}
	}
	if state, _, err := subscription.Poll(); state != lnkeep.PollClosed || err != nil {
		t.Errorf("poll answers %v, %v", state, err)
	}
	_, err = subscription.Wait(ctx)
	want(t, err, lnkeep.ErrClosed)
}

// closedAnswers calls everything that may be called.
func closedAnswers(
	ctx context.Context, store *lnkeep.Store, a *lnkeep.Attempts, events *lnkeep.Events, op lnkeep.Operation,
) map[string]error {
	answers := map[string]error{
		"tick":     store.Tick(time.Now(), 1),
		"sync":     store.Sync(ctx),
		"unsub":    a.UnsubscribeAll(),
		"unregist": events.Unregister(ctx),
	}
	note := func(name string) func(any, error) {
		return func(_ any, err error) { answers[name] = err }
	}
	note("stats")(store.Stats())
	note("backup")(store.Backup(ctx, "x"))
	note("submit")(store.Submit(ctx, op))
	note("atomic")(store.SubmitAtomic(ctx, op))
	note("async")(store.SubmitAsync(op))
	note("open attempts")(store.OpenAttempts(nil))
	note("open events")(store.OpenEvents("x", nil))
	note("init")(a.Init(ctx, request(1)))
	note("mark")(a.MarkHandedOff(ctx, key(1)))
	note("store")(a.StoreResult(ctx, key(1), lnkeep.Fail(nil)))
	note("fail")(a.FailPending(ctx, key(1), lnkeep.Failure{}))
	note("ack")(a.Ack(ctx, key(1)))
	note("ack below")(a.AckBelow(ctx, lnkeep.Namespace{}, 1))
	note("delete")(a.Delete(ctx, key(1)))
	note("forget")(a.Forget(ctx, key(1)))
	note("clean")(a.Clean(ctx, lnkeep.CleanOptions{}))
	note("quarantine")(a.Quarantine(ctx, key(1)))
	note("allocate")(a.Allocate(ctx, lnkeep.Namespace{}, []byte("x")))
	note("sweep")(a.Sweep(ctx))
	note("disable")(a.DisableExternal(ctx))
	note("acknowledge")(a.AcknowledgeRestore(ctx))
	note("recover")(a.Recover(ctx, lnkeep.RecoverOptions{}))
	note("get")(a.Get(key(1)))
	note("result")(a.Result(key(1)))
	note("has result")(a.HasResult(key(1)))
	note("list")(a.List(lnkeep.Query{}))
	note("counts")(a.Counts(lnkeep.Namespace{}))
	note("counts of all")(a.CountsOfAll())
	note("external")(a.IsExternal())
	note("wait")(a.WaitResult(ctx, key(1)))
	note("subscribe")(a.Subscribe(key(1)))
	note("subscribe known")(a.SubscribeKnown(key(1)))
	note("waiters")(a.Waiters(key(1)))
	note("take")(events.Take(1))
	note("ack event")(events.Ack(ctx, 1))
	note("first")(events.FirstAvailable())
	return answers
}

func TestStore_Close_AnswersEveryCaller(t *testing.T) {
	store, attempts := newAttempts(t)
	var group sync.WaitGroup
	var mu sync.Mutex
	applied := map[uint64]bool{}
	for worker := range uint64(16) {
		group.Go(func() {
			for i := range uint64(1000) {
				id := worker*1000 + i
				outcome, err := attempts.Init(context.Background(), request(id))
				if err != nil {
					if !errors.Is(err, lnkeep.ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				applied[id] = outcome.Done
				mu.Unlock()
			}
		})
	}
	time.Sleep(30 * time.Millisecond)
	must(t, store.Close())
	group.Wait()
	if len(applied) == 0 {
		t.Fatal("nothing was applied before the close")
	}
}

func TestStore_Tick_StampsRecordsAndRefusesTheDistantPast(t *testing.T) {
	store, attempts := newAttempts(t)
	must(t, store.Tick(time.Time{}, 0))
	at := time.UnixMilli(1_700_000_000_000)
	must(t, store.Tick(at, 5))
	want(t, store.Tick(time.Unix(-5, 0), 5), lnkeep.ErrInvalidArgument)
	initDone(t, attempts, 1)
	must(t, store.Sync(soon(t)))
	attempt, err := attempts.Get(key(1))
	must(t, err)
	if !attempt.Created.Equal(at) || !attempt.Updated.Equal(at) {
		t.Fatalf("%+v", attempt)
	}
}

func TestStore_Stats_CountsCommits(t *testing.T) {
	store, attempts := newAttempts(t)
	initDone(t, attempts, 1)
	stats, err := store.Stats()
	must(t, err)
	if stats.Commits == 0 || stats.Operations == 0 || stats.PageBytes == 0 || stats.CommitMax <= 0 || stats.NoSpace {
		t.Fatalf("%+v", stats)
	}
}

func TestVersion_MatchesTheHeader(t *testing.T) {
	header, err := os.ReadFile("../include/lnkeep.h")
	must(t, err)
	if lnkeep.ABIVersion() == 0 || !strings.Contains(string(header), "#define LNKEEP_ABI_VERSION 1") {
		t.Fatal("the ABI is", lnkeep.ABIVersion())
	}
	if strings.Count(lnkeep.Version(), ".") != 2 {
		t.Fatal(lnkeep.Version())
	}
}

func TestContext_EndedBeforeTheCallAppliesNothing(t *testing.T) {
	store, attempts := newAttempts(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	op := attempts.OpInit(request(1))
	answers := map[string]error{"sync": store.Sync(ctx)}
	note := func(name string) func(any, error) {
		return func(_ any, err error) { answers[name] = err }
	}
	note("check")(lnkeep.Check(ctx, "x"))
	note("backup")(store.Backup(ctx, "x"))
	note("restore")(lnkeep.Restore(ctx, "x", "y", lnkeep.RestoreOptions{}))
	note("init")(attempts.Init(ctx, request(1)))
	note("submit")(store.Submit(ctx, op))
	note("atomic")(store.SubmitAtomic(ctx, op))
	note("recover")(attempts.Recover(ctx, lnkeep.RecoverOptions{}))
	note("wait")(attempts.WaitResult(ctx, key(1)))
	for name, err := range answers {
		if !errors.Is(err, context.Canceled) || !errors.Is(err, lnkeep.ErrRetry) || !errors.Is(err, lnkeep.ErrCanceled) {
			t.Errorf("%s answers %v", name, err)
		}
	}
	_, err := attempts.Get(key(1))
	want(t, err, lnkeep.ErrNotFound)
}

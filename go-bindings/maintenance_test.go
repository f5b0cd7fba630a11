package lnkeep_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// register gives the store attempts with the ids from first on, a thousand in one commit; their
// fingerprints are easily found in the file.
func register(t testing.TB, store *lnkeep.Store, first, n uint64) {
	t.Helper()
	attempts := openAttempts(t, store, nil)
	for n > 0 {
		batch := make([]lnkeep.Operation, min(n, 1000))
		for i := range batch {
			r := request(first + uint64(i))
			r.Fingerprint = fingerprint(r.Key.ID)
			batch[i] = attempts.OpInit(r)
		}
		_, err := store.Submit(soon(t), batch...)
		must(t, err)
		first, n = first+uint64(len(batch)), n-uint64(len(batch))
	}
}

const marker = "a fingerprint of ours, no."

func fingerprint(id uint64) (f *[32]byte) {
	f = new([32]byte)
	copy(f[:], marker)
	binary.BigEndian.PutUint32(f[28:], uint32(id))
	return f
}

// closedStore makes a store with the ids 0 to n-1 and closes it.
func closedStore(t testing.TB, n uint64) (path string) {
	t.Helper()
	path = newPath(t)
	store := openStore(t, path, nil)
	register(t, store, 0, n)
	must(t, store.Close())
	return path
}

func checkOf(t testing.TB, path string) *lnkeep.CheckReport {
	t.Helper()
	report, err := lnkeep.Check(soon(t), path)
	must(t, err)
	if report.Sound() != (len(report.Findings) == 0) || report.Unusable && report.Sound() {
		t.Fatalf("%+v", report)
	}
	return report
}

func sound(t testing.TB, report *lnkeep.CheckReport) *lnkeep.CheckReport {
	t.Helper()
	if !report.Sound() || report.Unusable || report.Truncated {
		t.Fatalf("%+v", report)
	}
	return report
}

func TestCheck_TellsALiveStoreFromAClosedOne(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	at := time.UnixMilli(1_700_000_000_123)
	must(t, store.Tick(at, 800_000))
	register(t, store, 0, 100)
	live := sound(t, checkOf(t, path))
	stats, err := store.Stats()
	must(t, err)
	if !live.Live || live.EndedCleanly || live.Copied || live.Restored || live.Rows < 100 {
		t.Fatalf("%+v", live)
	}
	found := store.Report()
	if live.StoreID != found.StoreID || live.Epoch != found.Epoch ||
		live.CommitNumber != stats.CommitNumber || live.PageBytes != stats.PageBytes ||
		live.BlockHeight != 800_000 || !live.Time.Equal(at) {
		t.Fatalf("%+v, and the store says %+v, %+v", live, found, stats)
	}
	must(t, store.Close())

	closed := sound(t, checkOf(t, path))
	if closed.Live || !closed.EndedCleanly || closed.CommitNumber < live.CommitNumber {
		t.Fatalf("%+v", closed)
	}
	file, err := os.Stat(filepath.Join(path, "data.mdb"))
	must(t, err)
	if closed.FileBytes != uint64(file.Size()) || closed.Pages*closed.PageBytes > closed.FileBytes {
		t.Fatalf("%+v of %d bytes", closed, file.Size())
	}
	openStore(t, path, &lnkeep.StoreOptions{MustExist: true})
}

func TestCheck_RefusesWhatCannotBeLookedAt(t *testing.T) {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, c := range []struct {
		name, path string
		ctx        context.Context
		sentinels  []error
	}{
		{"nothing", newPath(t), soon(t), []error{lnkeep.ErrNotFound, fs.ErrNotExist}},
		{"a directory without a store", t.TempDir(), soon(t), []error{fs.ErrNotExist}},
		{"an empty path", "", soon(t), []error{lnkeep.ErrInvalidArgument}},
		{"a NUL in the path", "a\x00b", soon(t), []error{lnkeep.ErrInvalidArgument}},
		{"an ended context", newPath(t), ended, []error{lnkeep.ErrCanceled, context.Canceled}},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, err := lnkeep.Check(c.ctx, c.path)
			if report != nil {
				t.Fatalf("%+v", report)
			}
			for _, sentinel := range c.sentinels {
				want(t, err, sentinel)
			}
			t.Log(err)
		})
	}
}

// TestCheck_FindsADamagedByte changes a byte in the header of every page, and one in its middle.
func TestCheck_FindsADamagedByte(t *testing.T) {
	path := closedStore(t, 1500)
	before := sound(t, checkOf(t, path))
	file := filepath.Join(path, "data.mdb")
	unnoticed, rows, structures := 0, 0, 0
	for i := range int64(2 * before.Pages) {
		at := i * int64(before.PageBytes) / 2
		if i%2 == 0 {
			at += 12 // how far the page is filled
		}
		flip(t, file, at)
		report := checkOf(t, path)
		switch {
		case report.Sound():
			unnoticed++
		case report.Unusable:
			if structures == 0 {
				refuses(t, path)
			}
			structures++
		default:
			rows++
		}
		for _, f := range report.Findings {
			if f.Fault == "" || f.RowOnly && (f.Table == "" || len(f.Key) == 0) {
				t.Fatalf("byte %d: %+v", at, f)
			}
		}
		flip(t, file, at)
	}
	t.Logf("%d pages: %d times a row was damaged, %d times the structure, %d times nothing in use",
		before.Pages, rows, structures, unnoticed)
	if rows == 0 || structures == 0 {
		t.Fatal("one kind of damage was never met")
	}
	sound(t, checkOf(t, path))
}

// refuses fails unless an open that looks at the whole file finds its structure damaged.
func refuses(t testing.TB, path string) {
	t.Helper()
	_, err := lnkeep.Open(path, &lnkeep.StoreOptions{Verify: true})
	want(t, err, lnkeep.ErrCorruptStore)
	want(t, err, lnkeep.ErrFatal)
}

func flip(t testing.TB, path string, at int64) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var one [1]byte
	_, err = file.ReadAt(one[:], at)
	must(t, err)
	one[0] ^= 0xff
	_, err = file.WriteAt(one[:], at)
	must(t, err)
	must(t, file.Close())
}

func TestCheck_NamesDamagedRowsAndTheRestStaysInUse(t *testing.T) {
	path := closedStore(t, 1500)
	file := filepath.Join(path, "data.mdb")
	damage(t, file, fingerprint(3)[:])
	report := checkOf(t, path)
	if report.Unusable || report.Truncated || len(report.Findings) == 0 {
		t.Fatalf("%+v", report)
	}
	third := binary.BigEndian.AppendUint64(make([]byte, 16), 3)
	for _, finding := range report.Findings {
		if finding.Table == "attempts" && !bytes.Equal(finding.Key, third) || !finding.RowOnly {
			t.Fatalf("%+v", finding)
		}
	}
	attempts := openAttempts(t, openStore(t, path, &lnkeep.StoreOptions{Verify: true}), nil)
	_, err := attempts.Get(key(3))
	want(t, err, lnkeep.ErrCorruptRecord)
	again(t)(attempts.Init(soon(t), request(4)))
	do(t)(attempts.Quarantine(soon(t), key(3)))

	// A list is cut after a thousand findings; a backup carries the damage along.
	path = closedStore(t, 1500)
	damage(t, filepath.Join(path, "data.mdb"), []byte(marker))
	report = checkOf(t, path)
	if len(report.Findings) != 1000 || !report.Truncated || report.Unusable {
		t.Fatalf("%d findings: %+v", len(report.Findings), report)
	}
	copied, err := openStore(t, path, nil).Backup(soon(t), path+".backup")
	must(t, err)
	if len(copied.Findings) != 1000 || !copied.Truncated || copied.Unusable {
		t.Fatalf("%d findings: %+v", len(copied.Findings), copied)
	}
}

// damage changes the first byte of every place where the file holds something.
func damage(t testing.TB, path string, what []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	changed := append([]byte{what[0] ^ 0xff}, what[1:]...)
	if !bytes.Contains(content, what) {
		t.Fatalf("%s does not hold %q", path, what)
	}
	must(t, os.WriteFile(path, bytes.ReplaceAll(content, what, changed), 0o600))
}

func TestCheck_FindsATruncatedFile(t *testing.T) {
	path := closedStore(t, 1500)
	whole := checkOf(t, path)
	used := int64(whole.Pages * whole.PageBytes)
	for _, bytesLeft := range []int64{used - 1, used / 2, int64(whole.PageBytes), 100, 0} {
		must(t, os.Truncate(filepath.Join(path, "data.mdb"), bytesLeft))
		report := checkOf(t, path)
		if !report.Unusable || report.Findings[0].Fault == "" {
			t.Fatalf("%d bytes left: %+v", bytesLeft, report)
		}
		refuses(t, path)
		_, err := lnkeep.Restore(soon(t), path, newPath(t), lnkeep.RestoreOptions{})
		want(t, err, lnkeep.ErrCorruptStore)
	}
}

func TestOpen_Compact_ShrinksTheFileAndKeepsRecords(t *testing.T) {
	path := newPath(t)
	store := openStore(t, path, nil)
	const deleted, kept = 20_000, 100
	register(t, store, 0, deleted+kept)
	attempts := openAttempts(t, store, nil)
	for first := uint64(0); first < deleted; first += 1000 {
		var ops []lnkeep.Operation
		for id := first; id < first+1000; id++ {
			ops = append(ops, attempts.OpFailPending(key(id), lnkeep.Failure{}))
		}
		_, err := store.Submit(soon(t), ops...)
		must(t, err)
		keys := make([]lnkeep.Key, 1000)
		for i := range keys {
			keys[i] = key(first + uint64(i))
		}
		_, err = attempts.Forget(soon(t), keys...)
		must(t, err)
	}
	must(t, store.Close())
	before := sound(t, checkOf(t, path))
	if plain := openStore(t, path, nil); plain.Report().Compacted || plain.Close() != nil {
		t.Fatal("it was compacted without being asked")
	}

	store = openStore(t, path, &lnkeep.StoreOptions{Compact: true})
	found := store.Report()
	if !found.Compacted || found.Copied || found.Restored || found.StoreID != before.StoreID {
		t.Fatalf("%+v", found)
	}
	after := sound(t, checkOf(t, path))
	t.Logf("%d pages, and %d after compaction", before.Pages, after.Pages)
	if after.Pages >= before.Pages/2 {
		t.Fatal("it did not shrink")
	}
	attempts = openAttempts(t, store, nil)
	for id := uint64(deleted); id < deleted+kept; id++ {
		attempt, err := attempts.Get(key(id))
		must(t, err)
		if attempt.State != lnkeep.StateIntent || *attempt.Fingerprint != *fingerprint(id) {
			t.Fatalf("%+v", attempt)
		}
	}
	_, err := attempts.Get(key(0))
	want(t, err, lnkeep.ErrNotFound)
	initDone(t, attempts, deleted+kept)
}

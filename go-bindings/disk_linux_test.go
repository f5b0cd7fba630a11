package lnkeep_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// diskBytes holds a store, which takes 21 MiB at once, and what the tests add to it.
const diskBytes = 64 << 20

// mountsVariable is set in the process that may mount what it likes: no other process sees it, and
// it is gone with the process, however that ends.
const mountsVariable = "LNKEEP_TEST_MOUNTS"

func inOwnMounts(t *testing.T) {
	command := exec.Command(os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), mountsVariable+"=yes")
	command.SysProcAttr = &syscall.SysProcAttr{
		Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	output, err := command.CombinedOutput()
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("SKIPPED, a full disk was not tested: it needs root:", err)
	}
	// Whoever counts results in the log must not count the child's.
	t.Logf("| %s", bytes.ReplaceAll(output, []byte("\n"), []byte("\n| ")))
	must(t, err)
	if bytes.Contains(output, []byte("--- SKIP")) {
		t.Skip("SKIPPED, not every full disk was tested: see above")
	}
}

// TestFullDisk_IntentsAreRefusedAndResultsAreStored on file systems of its own, which need root.
func TestFullDisk_IntentsAreRefusedAndResultsAreStored(t *testing.T) {
	if os.Getenv(mountsVariable) == "" {
		inOwnMounts(t)
		return
	}
	t.Run("tmpfs", func(t *testing.T) {
		at := t.TempDir()
		if err := syscall.Mount("lnkeep-test", at, "tmpfs", 0, "size=64m,mode=700"); err != nil {
			t.Skip("SKIPPED, a full disk was not tested: cannot mount a tmpfs:", err)
		}
		t.Cleanup(func() { must(t, syscall.Unmount(at, 0)) })
		fillAndDrain(t, at)
	})
	t.Run("ext4", func(t *testing.T) {
		image, at := filepath.Join(t.TempDir(), "image"), t.TempDir()
		must(t, os.WriteFile(image, nil, 0o600))
		must(t, os.Truncate(image, diskBytes))
		for _, command := range [][]string{
			{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, at},
		} {
			if output, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				t.Skipf("SKIPPED, a full disk was not tested: %v: %v: %s", command, err, output)
			}
		}
		t.Cleanup(func() { must(t, exec.Command("umount", at).Run()) })
		fillAndDrain(t, at)
	})
}

// fillAndDrain takes a store through a full disk: before it, on it, over a restart, and after it.
func fillAndDrain(t *testing.T, disk string) {
	path, ballast := filepath.Join(disk, "store"), filepath.Join(disk, "ballast")
	store := openStore(t, path, nil)
	register(t, store, 0, 100)
	fill(t, ballast)
	next := intentsUntilRefused(t, store, 100)

	attempts := openAttempts(t, store, nil)
	finish(t, attempts, 0)
	if stats, err := store.Stats(); err != nil || !stats.NoSpace {
		t.Fatalf("%+v, %v", stats, err)
	}
	_, err := store.Backup(soon(t), filepath.Join(disk, "backup"))
	want(t, err, lnkeep.ErrNoSpace)
	left, err := filepath.Glob(filepath.Join(disk, "backup*"))
	if must(t, err); left != nil {
		t.Fatal("the backup left something behind:", left)
	}
	must(t, store.Close())

	fill(t, ballast)
	store = openStore(t, path, &lnkeep.StoreOptions{Compact: true})
	if store.Report().Compacted {
		t.Fatal("it was compacted on a full disk")
	}
	attempts = openAttempts(t, store, nil)
	finish(t, attempts, 20)
	refused(t, lnkeep.ErrNoSpace)(attempts.Init(soon(t), request(next)))

	must(t, os.Remove(ballast))
	initDone(t, attempts, next, next+1)
	if stats, err := store.Stats(); err != nil || stats.NoSpace {
		t.Fatalf("%+v, %v", stats, err)
	}
	for id := range uint64(100) {
		attempt, err := attempts.Get(key(id))
		must(t, err)
		if (attempt.State != lnkeep.StateIntent) != (id < 40) {
			t.Fatalf("%+v", attempt)
		}
	}
	_, err = store.Backup(soon(t), filepath.Join(disk, "backup"))
	must(t, err)
	sound(t, checkOf(t, path))
}

// fill takes all space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	for size := 1 << 20; size > 0; size /= 4 {
		for err = nil; err == nil; {
			_, err = file.Write(make([]byte, size))
		}
		want(t, err, syscall.ENOSPC)
	}
	must(t, file.Close())
}

// intentsUntilRefused uses up what the store has allocated ahead, by large commits and then by
// the smallest; it gives the id that was refused.
func intentsUntilRefused(t *testing.T, store *lnkeep.Store, next uint64) uint64 {
	t.Helper()
	attempts := openAttempts(t, store, nil)
	for n := uint64(100); n > 0; n /= 3 {
		for err := error(nil); err == nil; {
			ops := make([]lnkeep.Operation, n)
			for i := range ops {
				ops[i] = attempts.OpInit(request(next + uint64(i)))
			}
			var outcomes []lnkeep.Outcome
			if outcomes, err = store.Submit(soon(t), ops...); err == nil {
				next += n
				continue
			}
			for _, outcome := range outcomes {
				want(t, outcome.Err, lnkeep.ErrNoSpace)
				want(t, outcome.Err, lnkeep.ErrRetry)
			}
			want(t, err, lnkeep.ErrRetry)
			t.Log(err)
		}
	}
	return next
}

// finish gives results to 20 attempts.
func finish(t *testing.T, attempts *lnkeep.Attempts, first uint64) {
	t.Helper()
	ctx := soon(t)
	for id := first; id < first+10; id++ {
		do(t)(attempts.MarkHandedOff(ctx, key(id)))
		do(t)(attempts.StoreResult(ctx, key(id), lnkeep.Settle(preimage(byte(id)))))
		do(t)(attempts.Ack(ctx, key(id)))
	}
	for id := first + 10; id < first+20; id++ {
		do(t)(attempts.FailPending(ctx, key(id), lnkeep.Failure{Message: []byte("no route")}))
	}
}

// TestPermissions_AreAnErrorOfTheOperatingSystem below a directory that only another user may
// write to.
func TestPermissions_AreAnErrorOfTheOperatingSystem(t *testing.T) {
	store, _ := newAttempts(t)
	parent := t.TempDir()
	must(t, os.Chmod(parent, 0o500))
	asNobody(t, func() {
		_, open := lnkeep.Open(filepath.Join(parent, "store"), nil)
		_, backup := store.Backup(soon(t), filepath.Join(parent, "backup"))
		for _, err := range []error{open, backup} {
			if !errors.Is(err, fs.ErrPermission) {
				t.Error(err)
			}
			t.Log(err)
		}
		if !errors.Is(open, lnkeep.ErrUnsafePlace) || !errors.Is(open, lnkeep.ErrRefused) {
			t.Error(open)
		}
	})
}

// asNobody runs a function without the right of root to write anywhere.
func asNobody(t *testing.T, run func()) {
	if os.Getuid() != 0 {
		run()
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const nobody = 65534
	set := func(id uintptr) {
		// Of this thread alone; threads it starts inherit it.
		if _, _, number := syscall.RawSyscall(syscall.SYS_SETFSUID, id, 0, 0); number != 0 {
			t.Error(number)
		}
	}
	set(nobody)
	defer set(0)
	run()
}

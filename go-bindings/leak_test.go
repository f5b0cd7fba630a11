package lnkeep_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestLeaks_AreToldAndOnlyLeaks(t *testing.T) {
	leaks := make(chan lnkeep.Leak, 100)
	lnkeep.SetLeakHandler(func(leak lnkeep.Leak) { leaks <- leak })
	defer lnkeep.SetLeakHandler(nil)
	path := newPath(t)
	func() {
		store, err := lnkeep.Open(path+"-closed", nil)
		must(t, err)
		attempts, err := store.OpenAttempts(nil)
		must(t, err)
		payments, err := store.OpenPayments(nil)
		must(t, err)
		following, err := payments.SubscribeAll()
		must(t, err)
		events, err := store.OpenEvents("silent", nil)
		must(t, err)
		monitors, _, err := store.OpenMonitors(nil)
		must(t, err)
		resources, _, err := store.OpenResources(nil)
		must(t, err)
		storage, _, err := store.OpenPeerStorage(nil)
		must(t, err)
		backup, _, err := store.OpenBackup(&testSecret, nil)
		must(t, err)
		must(t, store.Close())
		runtime.KeepAlive([]any{attempts, following, payments, events, monitors, resources, storage, backup})
	}()
	attempts := forgotten(t, path)
	told := map[string]lnkeep.Leak{}
	eventually(t, "nine leaks", func() bool {
		runtime.GC()
		select {
		case leak := <-leaks:
			told[leak.Kind] = leak
		default:
		}
		return len(told) == 9
	})
	initDone(t, attempts, 1)
	for kind, name := range map[string]string{
		"Store": path, "Events": "forgotten", "Subscription": "attempt 4", "Payments": "payments",
		"PaymentSubscription": "all payments", "Monitors": "monitors",
		"Resources": "resources", "PeerStorage": "peer storage", "Backup": "backup",
	} {
		leak := told[kind]
		if leak.Name != name || !strings.Contains(leak.Opened, "leak_test.go:") {
			t.Errorf("%s: %+v", kind, leak)
		}
		if !strings.Contains(leak.String(), fmt.Sprintf("%s %q", kind, name)) {
			t.Error(leak)
		}
	}
	must(t, attempts.Close())
}

// forgotten opens one of everything and closes nothing.
func forgotten(t *testing.T, path string) *lnkeep.Attempts {
	store, err := lnkeep.Open(path, nil)
	must(t, err)
	_, err = store.OpenEvents("forgotten", nil)
	must(t, err)
	attempts, err := store.OpenAttempts(nil)
	must(t, err)
	_, err = attempts.Subscribe(key(4))
	must(t, err)
	payments, err := store.OpenPayments(nil)
	must(t, err)
	_, err = payments.SubscribeAll()
	must(t, err)
	_, _, err = store.OpenMonitors(nil)
	must(t, err)
	_, _, err = store.OpenResources(nil)
	must(t, err)
	_, _, err = store.OpenPeerStorage(nil)
	must(t, err)
	_, _, err = store.OpenBackup(&testSecret, nil)
	must(t, err)
	return attempts
}

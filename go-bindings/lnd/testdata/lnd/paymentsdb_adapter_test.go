package paymentsdb_test

// The adapter under lnd's own tests. The names of the tests that opened it go into the file that
// LNKEEP_OPENED names, so that a test which passes without it is noticed.

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	adapter "github.com/lnkeep/lnkeep/go-bindings/lnd"
)

var opened sync.Map

func TestMain(m *testing.M) {
	paymentsdb.Open = func(t *testing.T) paymentsdb.DB {
		name, _, _ := strings.Cut(t.Name(), "/")
		opened.Store(name, true)
		db, err := adapter.Open(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
	status := m.Run()
	var names strings.Builder
	opened.Range(func(name, _ any) bool {
		fmt.Fprintln(&names, name)
		return true
	})
	if err := os.WriteFile(os.Getenv("LNKEEP_OPENED"), []byte(names.String()), 0o600); err != nil {
		fmt.Println("LNKEEP_OPENED:", err)
		status = 1
	}
	os.Exit(status)
}

package routing

// The database under lnd's tests of its control tower.

import (
	"testing"

	"github.com/lightningnetwork/lnd/channeldb"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	adapter "github.com/lnkeep/lnkeep/go-bindings/lnd"
)

// adapterFor takes the place of lnd's key-value store.
func adapterFor(t *testing.T, _ *channeldb.DB) (paymentsdb.DB, error) {
	db, err := adapter.Open(t.TempDir(), nil)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db, nil
}

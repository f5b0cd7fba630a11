package lnd

// What a read costs, with attempts whose session keys only lnd can set.

import (
	"fmt"
	"testing"

	"github.com/lightningnetwork/lnd/lntypes"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
)

// BenchmarkDB_FetchPayment reads a payment with all its attempts. "onion" is one call of lnd's
// NewHtlcAttempt, which each attempt would take if its session key came that way.
func BenchmarkDB_FetchPayment(b *testing.B) {
	db, err := Open(b.TempDir(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	for number, count := range []uint64{1, 10, 100} {
		hash := hashOf(uint64(number))
		if err := db.InitPayment(b.Context(), hash, &paymentsdb.PaymentCreationInfo{
			PaymentIdentifier: hash, Value: 1000,
		}); err != nil {
			b.Fatal(err)
		}
		for id := range count {
			if _, err := db.RegisterAttempt(b.Context(), hash, part(id, 10)); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprintf("attempts=%d", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.FetchPayment(b.Context(), hash); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("onion", func(b *testing.B) {
		attempt := part(1, 10)
		key := newSource(1).sessionKey()
		attempt.Route.Hops[0].PubKeyBytes = [33]byte(key.PubKey().SerializeCompressed())
		hash := lntypes.Hash{1}
		for b.Loop() {
			_, err := paymentsdb.NewHtlcAttempt(1, key, attempt.Route, attempt.AttemptTime, &hash)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

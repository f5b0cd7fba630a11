package lnd_test

// The database in lnd's own words.

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/lightningnetwork/lnd/lntypes"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lightningnetwork/lnd/routing/route"
	"github.com/lnkeep/lnkeep/go-bindings/lnd"
)

// A hash that was paid is not paid again, also when its history is gone.
func ExampleOpen() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "payments")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	db, err := lnd.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	preimage := lntypes.Preimage{7}
	info := &paymentsdb.PaymentCreationInfo{PaymentIdentifier: preimage.Hash(), Value: 1000}
	if err := db.InitPayment(ctx, preimage.Hash(), info); err != nil {
		log.Fatal(err)
	}
	attempt := &paymentsdb.HTLCAttemptInfo{AttemptID: 1, Route: route.Route{
		TotalAmount: 1002, TotalTimeLock: 800_000, Hops: []*route.Hop{{AmtToForward: 1000}},
	}}
	if _, err := db.RegisterAttempt(ctx, preimage.Hash(), attempt); err != nil {
		log.Fatal(err)
	}
	settle := &paymentsdb.HTLCSettleInfo{Preimage: preimage}
	payment, err := db.SettleAttempt(ctx, preimage.Hash(), 1, settle)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(payment.Status, payment.State.FeesPaid)

	if err := db.DeletePayment(ctx, preimage.Hash(), false); err != nil {
		log.Fatal(err)
	}
	err = db.InitPayment(ctx, preimage.Hash(), info)
	fmt.Println(errors.Is(err, paymentsdb.ErrAlreadyPaid))
	// Output:
	// Succeeded 2 mSAT
	// true
}

package lnkeep_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"time"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// Paying: initiate, register every attempt before it is sent, and tell how it ended. Payment and attempt
// record change in one transaction.
func ExamplePayments() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	preimage := lnkeep.Preimage{1}
	hash := lnkeep.PaymentHash(sha256.Sum256(preimage[:]))
	_, outcome, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 21_000,
		Created: time.Now()})
	switch {
	case errors.Is(err, lnkeep.ErrAlreadyPaid):
		log.Fatal("it was paid before")
	case err != nil:
		log.Fatal("not paid: ", err)
	case outcome.Already:
		log.Fatal("somebody may be paying it: look at the payment")
	}

	k := lnkeep.DefaultKey(7)
	_, outcome, err = payments.RegisterAndInit(ctx, hash, lnkeep.PaymentAttemptRequest{
		Key: k, AmountMsat: 21_000, FeeMsat: 20, HopCount: 3, CLTVExpiry: 800_144, Sent: time.Now(),
	})
	if err != nil || outcome.Already {
		log.Fatal("not sent: ", err)
	}
	if _, err := attempts.MarkHandedOff(ctx, k); err != nil {
		log.Fatal("the HTLC must not leave: ", err)
	}
	fmt.Println("commitment_signed is released")
	// The peer answered. The switch stores that before it forgets it; the payment takes it after.
	if _, err := attempts.StoreResult(ctx, k, lnkeep.Settle(preimage)); err != nil {
		log.Fatal("the circuit must stay: ", err)
	}
	payment, _, err := payments.Settle(ctx, hash, k, lnkeep.AttemptSettle{Preimage: preimage, Time: time.Now()})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(payment.Status, "fees:", payment.FeesMsat, "msat, remaining:", payment.RemainingMsat)
	_, _, err = payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 21_000})
	fmt.Println("never again:", errors.Is(err, lnkeep.ErrAlreadyPaid))
	// Output:
	// commitment_signed is released
	// succeeded fees: 20 msat, remaining: 0
	// never again: true
}

// openNode opens what a node that pays needs.
func openNode(path string) (*lnkeep.Store, *lnkeep.Payments, *lnkeep.Attempts) {
	store, err := lnkeep.Open(path, nil)
	if err != nil {
		log.Fatal(err)
	}
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	attempts, err := store.OpenAttempts(nil)
	if err != nil {
		log.Fatal(err)
	}
	return store, payments, attempts
}

// Pay, crash, resume: what was in flight is finished, and nothing new is sent.
func ExamplePayments_Resume() {
	ctx := context.Background()
	directory, remove := temporaryDirectory()
	defer remove()
	preimage := lnkeep.Preimage{1}
	hash := lnkeep.PaymentHash(sha256.Sum256(preimage[:]))
	path := filepath.Join(directory, "payments")
	store, payments, attempts := openNode(path)
	if _, _, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000}); err != nil {
		log.Fatal(err)
	}
	for id := range uint64(2) {
		_, _, err := payments.RegisterAndInit(ctx, hash, lnkeep.PaymentAttemptRequest{
			Key: lnkeep.DefaultKey(id), AmountMsat: 500, HopCount: 2, MPP: &lnkeep.MPP{TotalMsat: 1000},
		})
		if err != nil {
			log.Fatal(err)
		}
		if _, err := attempts.MarkHandedOff(ctx, lnkeep.DefaultKey(id)); err != nil {
			log.Fatal(err)
		}
	}
	// One result arrived; then the node went down.
	if _, err := attempts.StoreResult(ctx, lnkeep.DefaultKey(0), lnkeep.Settle(preimage)); err != nil {
		log.Fatal(err)
	}
	_ = store.Close()

	store, payments, attempts = openNode(path)
	defer store.Close()
	resume := func() {
		resumption, err := payments.Resume(ctx, lnkeep.ResumeOptions{})
		if err != nil {
			log.Fatal(err)
		}
		payment, err := payments.Fetch(hash)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(resumption.Payments[0].Outcome, payment.Status, "in flight:", payment.InFlight)
	}
	resume()
	if _, err := attempts.StoreResult(ctx, lnkeep.DefaultKey(1), lnkeep.Settle(preimage)); err != nil {
		log.Fatal(err)
	}
	resume()
	// Output:
	// waiting in_flight in flight: 1
	// done succeeded in flight: 0
}

// A client that lost the answer asks again, with the same key: nothing starts over.
func ExamplePayments_Init_idempotencyKey() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	request := lnkeep.PaymentInit{
		Hash: lnkeep.PaymentHash{1}, AmountMsat: 1000, IdempotencyKey: []byte("order 4711"),
	}
	for range 2 {
		payment, outcome, err := payments.Init(ctx, request)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("pay:", outcome.Done, "look:", outcome.Already, payment.Status)
		if _, _, err := payments.Fail(ctx, request.Hash, lnkeep.FailureReasonNoRoute); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// pay: true look: false initiated
	// pay: false look: true failed
}

func ExamplePayments_All() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	for n := range byte(3) {
		_, _, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: lnkeep.PaymentHash{n},
			AmountMsat: 1000 * uint64(n+1)})
		if err != nil {
			log.Fatal(err)
		}
	}
	// The newest first, ten at a time: memory stays flat however many there are.
	for payment, err := range payments.All(lnkeep.PaymentQuery{Reversed: true, Limit: 10}) {
		if errors.Is(err, lnkeep.ErrCorruptRecord) {
			fmt.Println("damaged:", payment.Sequence)
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(payment.Sequence, payment.Status, payment.Init.AmountMsat)
	}
	// Output:
	// 3 initiated 3000
	// 2 initiated 2000
	// 1 initiated 1000
}

func ExamplePayments_Subscribe() {
	ctx := context.Background()
	store, done := temporaryStore(nil)
	defer done()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		log.Fatal(err)
	}
	hash := lnkeep.PaymentHash{1}
	if _, _, err := payments.Init(ctx, lnkeep.PaymentInit{Hash: hash, AmountMsat: 1000}); err != nil {
		log.Fatal(err)
	}
	follower, err := payments.Subscribe(hash)
	if err != nil {
		log.Fatal(err)
	}
	defer follower.Close()
	go func() {
		_, _, _ = payments.Fail(ctx, hash, lnkeep.FailureReasonTimeout)
	}()
	for {
		payment, err := follower.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(payment.Status, payment.FailureReason)
	}
	// Output:
	// initiated none
	// failed timeout
}

func ExampleVerifyAttempt() {
	half := lnkeep.PaymentAttemptRequest{
		Key: lnkeep.DefaultKey(1), AmountMsat: 500, HopCount: 2, MPP: &lnkeep.MPP{TotalMsat: 1000},
	}
	payment := lnkeep.Verification{AmountMsat: 1000, InFlight: []lnkeep.PaymentAttemptRequest{half}}
	fmt.Println(lnkeep.VerifyAttempt(payment, half))
	half.AmountMsat = 501
	fmt.Println(errors.Is(lnkeep.VerifyAttempt(payment, half), lnkeep.ErrValueExceeds))
	// Output:
	// <nil>
	// true
}

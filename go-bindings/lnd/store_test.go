package lnd

// The store under the database: opened again, of another mode, strict, damaged.

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/lightningnetwork/lnd/lnwire"
	paymentsdb "github.com/lightningnetwork/lnd/payments/db"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// open opens an empty database.
func open(t *testing.T, options *Options) *DB {
	t.Helper()
	return openAt(t, t.TempDir(), options)
}

func openAt(t *testing.T, path string, options *Options) *DB {
	t.Helper()
	db, err := Open(path, options)
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

// foreign initiates a payment with bytes of another program.
func (s sender) foreign(number uint64) {
	s.Helper()
	_, _, err := s.db.payments.Init(s.Context(), lnkeep.PaymentInit{
		Hash: lnkeep.PaymentHash(hashOf(number)), AmountMsat: 1000, FirstHopRecords: []byte("?"),
	})
	if err != nil {
		s.Fatal(err)
	}
}

func TestOpen_WhatWasStoredIsThereAgain(t *testing.T) {
	path := t.TempDir()
	s := sender{t, openAt(t, path, nil)}
	info := newSource(5).creationInfo()
	if err := s.db.InitPayment(t.Context(), info.PaymentIdentifier, info); err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(40) {
		attempt := &newSource(seed).attempt(t).HTLCAttemptInfo
		attempt.AttemptID = seed
		final := attempt.Route.FinalHop()
		final.AmtToForward, final.EncryptedData, final.TotalAmtMsat = 1, []byte{1}, 9
		final.MPP = nil
		if _, err := s.db.RegisterAttempt(t.Context(), info.PaymentIdentifier, attempt); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
	want, err := s.db.Fail(t.Context(), info.PaymentIdentifier, paymentsdb.FailureReasonCanceled)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(info, want.Info) || len(want.HTLCs) != 40 {
		t.Fatalf("%+v with %d attempts", want.Info, len(want.HTLCs))
	}
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := openAt(t, path, nil).FetchPayment(t.Context(), info.PaymentIdentifier)
	if err != nil || !reflect.DeepEqual(want, got) {
		t.Errorf("%v\nwant %+v\ngot  %+v", err, want, got)
	}
}

func TestOpen_StoreOfAnotherModeIsRefused(t *testing.T) {
	path := t.TempDir()
	store, err := lnkeep.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	given := &lnkeep.StoreOptions{}
	if _, err := Open(path, &Options{Store: given}); !errors.Is(err, lnkeep.ErrWrongMode) {
		t.Errorf("%v", err)
	}
	if given.LNDCompat {
		t.Error("the host's options were changed")
	}
}

func TestOpen_OptionsAreThoseGiven(t *testing.T) {
	options := &Options{
		Store:    &lnkeep.StoreOptions{MustExist: true},
		Payments: &lnkeep.PaymentsOptions{CheckTotals: true},
	}
	path := t.TempDir()
	if _, err := Open(path, options); !errors.Is(err, lnkeep.ErrNotFound) {
		t.Fatalf("MustExist: %v", err)
	}
	options.Store = nil
	s := sender{t, openAt(t, path, options)}
	s.init(1)
	attempt := part(1, 10)
	attempt.Route.Hops[0].EncryptedData, attempt.Route.Hops[0].MPP = []byte{1}, nil
	attempt.Route.Hops[0].TotalAmtMsat = 999
	_, err := s.db.RegisterAttempt(t.Context(), hashOf(1), attempt)
	if !errors.Is(err, paymentsdb.ErrBlindedPaymentTotalAmountMismatch) {
		t.Errorf("CheckTotals: %v", err)
	}
}

// TestNew_StrictStore: the database of a host's own store keeps that store's stricter rules.
func TestNew_StrictStore(t *testing.T) {
	store, err := lnkeep.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	payments, err := store.OpenPayments(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := sender{t, New(payments, &Options{Namespace: lnkeep.Namespace{4}})}
	s.init(1)
	s.init(2)
	s.register(1, part(1, 400))
	for _, number := range []uint64{1, 2} {
		_, err := s.db.RegisterAttempt(t.Context(), hashOf(number), part(1, 400))
		if !errors.Is(err, lnkeep.ErrAttemptIDExists) {
			t.Errorf("payment %d takes a second attempt of the id: %v", number, err)
		}
	}
	wrong := &paymentsdb.HTLCSettleInfo{Preimage: preimageOf(9)}
	if _, err := s.db.SettleAttempt(t.Context(), hashOf(1), 1, wrong); !errors.Is(err, lnkeep.ErrBadPreimage) {
		t.Errorf("another preimage: %v", err)
	}
	s.settle(1, 1)
	_, err = s.db.Fail(t.Context(), hashOf(1), paymentsdb.FailureReasonError)
	if !errors.Is(err, paymentsdb.ErrPaymentAlreadySucceeded) {
		t.Errorf("a reason of failure after success: %v", err)
	}
	if s.db.Store() != nil || s.db.Payments() != payments {
		t.Error("not the host's payments")
	}
	if err := s.db.Close(); err != nil || !payments.IsOpen() {
		t.Errorf("closed what the host opened, %v", err)
	}
}

// TestDB_DamagedPaymentStopsNobody flips bits of one payment in the file.
func TestDB_DamagedPaymentStopsNobody(t *testing.T) {
	path := t.TempDir()
	s := sender{t, openAt(t, path, nil)}
	s.init(1)
	info := &paymentsdb.PaymentCreationInfo{PaymentIdentifier: hashOf(2), PaymentRequest: []byte("lnbc of two")}
	if err := s.db.InitPayment(t.Context(), hashOf(2), info); err != nil {
		t.Fatal(err)
	}
	s.init(3)
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(path, "data.mdb"), info.PaymentRequest)

	var told []Unreadable
	s.db = openAt(t, path, &Options{OnUnreadable: func(u Unreadable) { told = append(told, u) }})
	inFlight, err := s.db.FetchInFlightPayments(t.Context())
	if err != nil || len(inFlight) != 2 {
		t.Errorf("%d unfinished payments, %v", len(inFlight), err)
	}
	if len(told) != 1 || *told[0].PaymentHash != hashOf(2) || !errors.Is(told[0].Err, lnkeep.ErrCorruptRecord) {
		t.Errorf("told of %+v", told)
	}
	if _, err := s.db.FetchPayment(t.Context(), hashOf(2)); !errors.Is(err, lnkeep.ErrCorruptRecord) {
		t.Errorf("asked for itself: %v", err)
	}
	if _, err := s.db.Payments().Quarantine(t.Context(), lnkeep.PaymentHash(hashOf(2))); err != nil {
		t.Fatal(err)
	}
	if err := s.db.InitPayment(t.Context(), hashOf(2), info); !errors.Is(err, paymentsdb.ErrAlreadyPaid) {
		t.Errorf("paid again after its record was lost: %v", err)
	}
}

// damage changes every copy of some bytes in a file.
func damage(t *testing.T, path string, what []byte) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(content, what) {
		t.Fatalf("%q is not in %s", what, path)
	}
	content = bytes.ReplaceAll(content, what, bytes.Repeat([]byte{'?'}, len(what)))
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDB_EndedContext(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	ended, end := context.WithCancel(t.Context())
	end()
	hash, attempt := hashOf(1), part(1, 1000)
	for name, call := range map[string]func() error{
		"InitPayment": func() error {
			info := &paymentsdb.PaymentCreationInfo{PaymentIdentifier: hashOf(2)}
			return s.db.InitPayment(ended, hashOf(2), info)
		},
		"RegisterAttempt": func() error { _, err := s.db.RegisterAttempt(ended, hash, attempt); return err },
		"Fail": func() error {
			_, err := s.db.Fail(ended, hash, paymentsdb.FailureReasonError)
			return err
		},
		"FetchPayment":          func() error { _, err := s.db.FetchPayment(ended, hash); return err },
		"FetchInFlightPayments": func() error { _, err := s.db.FetchInFlightPayments(ended); return err },
		"QueryPayments": func() error {
			_, err := s.db.QueryPayments(ended, paymentsdb.Query{MaxPayments: 1})
			return err
		},
		"DeletePayment":  func() error { return s.db.DeletePayment(ended, hash, false) },
		"DeletePayments": func() error { _, err := s.db.DeletePayments(ended, false, false); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	payment, err := s.db.FetchPayment(t.Context(), hash)
	if err != nil || payment.Status != paymentsdb.StatusInitiated {
		t.Errorf("something was applied: %+v, %v", payment, err)
	}
}

func TestDB_ValuesWithoutAPlaceAreRefused(t *testing.T) {
	s := sender{t, open(t, nil)}
	s.init(1)
	s.register(1, part(1, 400))
	if _, err := s.db.Fail(t.Context(), hashOf(1), 77); !errors.Is(err, ErrNotLNDs) {
		t.Errorf("a reason that lnd does not have: %v", err)
	}
	info := &paymentsdb.HTLCFailInfo{Reason: 77}
	if _, err := s.db.FailAttempt(t.Context(), hashOf(1), 1, info); !errors.Is(err, ErrNotLNDs) {
		t.Errorf("an attempt's reason that lnd does not have: %v", err)
	}
	long := part(2, 400)
	long.Route.FirstHopWireCustomRecords = lnwire.CustomRecords{
		lnwire.MinCustomRecordsTlvType: make([]byte, 70_000),
	}
	if _, err := s.db.RegisterAttempt(t.Context(), hashOf(1), long); !errors.Is(err, lnkeep.ErrTooBig) {
		t.Errorf("records of 70,000 bytes: %v", err)
	}
}

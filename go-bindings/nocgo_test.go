//go:build !cgo

package lnkeep_test

import (
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestNoCgo_EverythingAnswersOneError(t *testing.T) {
	store, err := lnkeep.Open(newPath(t), nil)
	want(t, err, lnkeep.ErrNoCgo)
	if store != nil || lnkeep.ClassOf(err) != lnkeep.ClassRefused {
		t.Fatal(store, err)
	}
	_, err = lnkeep.Check(t.Context(), "x")
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.Restore(t.Context(), "x", "y", lnkeep.RestoreOptions{})
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.EncodeClientID(1, 1)
	want(t, err, lnkeep.ErrNoCgo)
	_, _, err = lnkeep.DecodeClientID(1)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.Fail(nil).Classify(lnkeep.DecryptorNone)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.ComputeState(1, nil, 0)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.PaymentState{}.Allows()
	want(t, err, lnkeep.ErrNoCgo)
	want(t, lnkeep.VerifyAttempt(lnkeep.Verification{}, lnkeep.PaymentAttemptRequest{}), lnkeep.ErrNoCgo)
	_, err = lnkeep.EncodePeerStorage(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.EncodePeerStorageRetrieval(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.DecodeWire(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.DecodeWireStrict(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, _, err = lnkeep.StorageFeature(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.OpenEnvelope(&testSecret, lnkeep.NodeID{}, nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.SealEnvelope(&testSecret, lnkeep.NodeID{}, lnkeep.EnvelopeHeader{}, nil, lnkeep.SizeClass1024,
		[16]byte{})
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.EncodeStripe(1, 1, nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.DecodeStripe(1, 1, 1, nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, err = lnkeep.DecodeShareRecords(nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, _, err = lnkeep.DecodeRoster(0, nil)
	want(t, err, lnkeep.ErrNoCgo)
	_, _, err = lnkeep.PayloadMax(lnkeep.SizeClass1024)
	want(t, err, lnkeep.ErrNoCgo)
	if lnkeep.Version() != "" || lnkeep.ABIVersion() != 0 {
		t.Fatal(lnkeep.Version(), lnkeep.ABIVersion())
	}
}

func TestNoCgo_ClassesAreThoseOfTheLibrary(t *testing.T) {
	for status, class := range map[lnkeep.Status]lnkeep.Class{
		0: lnkeep.ClassDone, 1: lnkeep.ClassAlready, -1: lnkeep.ClassRefused, -99: lnkeep.ClassRefused,
		-100: lnkeep.ClassRetry, -199: lnkeep.ClassRetry, -200: lnkeep.ClassUnknown, -299: lnkeep.ClassUnknown,
		-300: lnkeep.ClassFatal, -1 << 31: lnkeep.ClassFatal,
	} {
		if status.Class() != class {
			t.Errorf("%d has class %d", status, status.Class())
		}
	}
}

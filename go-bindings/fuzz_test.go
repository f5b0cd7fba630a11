package lnkeep_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// Fuzz targets for what callers hand over. Whatever it is, the answer is an outcome or an *Error whose
// class says that nothing was applied, and what was stored comes back as it was.

func definite(t *testing.T, err error) {
	t.Helper()
	var known *lnkeep.Error
	if err != nil && (!errors.As(err, &known) || known.Class != lnkeep.ClassRefused || known.Msg == "") {
		t.Fatalf("%#v: %v", err, err)
	}
}

func FuzzOperation(f *testing.F) {
	f.Add(uint32(257), uint64(1), []byte("namespace"), uint32(0), uint16(0), []byte(nil), byte(0))
	f.Add(uint32(259), uint64(1<<63), []byte{}, uint32(2), uint16(8194), []byte("reason"), byte(3))
	all := bytes.Repeat([]byte{0xff}, 16)
	f.Add(uint32(259), uint64(0), all, uint32(1), uint16(0), make([]byte, 70_000), byte(255))
	f.Add(uint32(260), uint64(5), []byte(nil), uint32(0), uint16(65_535), []byte{0}, byte(1))
	f.Add(uint32(264), uint64(5), []byte(nil), uint32(0), uint16(0), make([]byte, 65), byte(1))
	store := openStore(f, newPath(f), nil)
	attempts := openAttempts(f, store, nil)
	f.Fuzz(func(
		t *testing.T, kind uint32, id uint64, ns []byte, resultKind uint32, code uint16, message []byte, bits byte,
	) {
		k := lnkeep.Key{ID: id}
		copy(k.Namespace[:], ns)
		result := lnkeep.Result{
			Kind: lnkeep.ResultKind(resultKind), Unencrypted: bits&1 != 0, Resolution: bits&2 != 0,
			FailureCode: code, Preimage: preimage(bits & 4), Message: message,
		}
		var fingerprint, hash *[32]byte
		if bits&8 != 0 {
			fingerprint = &[32]byte{bits}
		}
		if bits&16 != 0 {
			hash = &[32]byte{bits}
		}
		ops := []lnkeep.Operation{
			attempts.OpInit(lnkeep.Request{Key: k, Fingerprint: fingerprint, PaymentHash: hash, AmountMsat: id}),
			attempts.OpMarkHandedOff(k), attempts.OpStoreResult(k, result),
			attempts.OpFailPending(k, lnkeep.Failure{Code: code, Message: message, Forced: bits&32 != 0}),
			attempts.OpAck(k), attempts.OpDelete(k), attempts.OpQuarantine(k), attempts.OpAllocate(k.Namespace, message),
		}
		op := ops[kind%uint32(len(ops))]
		submit := store.Submit
		if bits&64 != 0 {
			submit = store.SubmitAtomic
		}
		outcomes, err := submit(soon(t), op)
		definite(t, err)
		if len(outcomes) != 1 || (outcomes[0].Err == nil) != (outcomes[0].Done || outcomes[0].Already) {
			t.Fatalf("%+v", outcomes)
		}
		if kind%uint32(len(ops)) == 2 && outcomes[0].Done {
			stored, err := attempts.Result(k)
			if len(message) == 0 {
				result.Message = nil
			}
			if err != nil || !reflect.DeepEqual(stored, result) {
				t.Fatalf("stored %+v, not %+v: %v", stored, result, err)
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add([]byte{1, 2}, true, uint64(0), uint32(0), uint32(0), false)
	f.Add([]byte{31, 32, 255}, false, ^uint64(0), ^uint32(0), ^uint32(0), true)
	attempts := openAttempts(f, openStore(f, newPath(f), nil), nil)
	initDone(f, attempts, 1, 2, 3)
	f.Fuzz(func(t *testing.T, states []byte, all bool, after uint64, height, limit uint32, hasAfter bool) {
		query := lnkeep.Query{AllNamespaces: all, ExpiredAtHeight: height, Limit: limit}
		for _, state := range states {
			query.States = append(query.States, lnkeep.State(state))
		}
		if hasAfter {
			query.After = &lnkeep.Key{ID: after}
		}
		page, err := attempts.List(query)
		definite(t, err)
		if len(page.Attempts) > 3 {
			t.Fatal(page)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "a", "a\x00b", "\x00", strings.Repeat("x", 33), "\xff\xfe", "../../x"} {
		f.Add(name)
	}
	store := openStore(f, newPath(f), nil)
	f.Fuzz(func(t *testing.T, name string) {
		events, err := store.OpenEvents(name, nil)
		definite(t, err)
		if err == nil {
			must(t, events.Unregister(soon(t)))
			must(t, events.Close())
		}
		if strings.Contains(name, "\x00") {
			want(t, err, lnkeep.ErrInvalidArgument)
			_, err = lnkeep.Open(name, &lnkeep.StoreOptions{MustExist: true})
			want(t, err, lnkeep.ErrInvalidArgument)
		}
	})
}

func FuzzClassify(f *testing.F) {
	f.Add(uint32(1), uint32(0), []byte(nil), byte(0))
	f.Add(uint32(2), uint32(2), []byte{0, 2, 0x20, 2, 0, 0}, byte(1))
	f.Add(uint32(9), uint32(9), make([]byte, 70_000), byte(3))
	f.Fuzz(func(t *testing.T, kind, decryptor uint32, message []byte, bits byte) {
		result := lnkeep.Result{
			Kind: lnkeep.ResultKind(kind), Unencrypted: bits&1 != 0, Resolution: bits&2 != 0, Message: message,
		}
		classified, err := result.Classify(lnkeep.Decryptor(decryptor))
		definite(t, err)
		if err == nil && (classified < lnkeep.ClassifiedSettled || classified > lnkeep.ClassifiedOnchainTimeout) {
			t.Fatal(classified)
		}
	})
}

func FuzzClientID(f *testing.F) {
	f.Add(byte(0), uint64(0))
	f.Add(byte(255), uint64(1)<<56-1)
	f.Add(byte(1), uint64(1)<<56)
	f.Fuzz(func(t *testing.T, client byte, raw uint64) {
		id, err := lnkeep.EncodeClientID(client, raw)
		if raw >= 1<<56 {
			want(t, err, lnkeep.ErrIDOutOfRange)
			return
		}
		must(t, err)
		gotClient, gotRaw, err := lnkeep.DecodeClientID(id)
		if err != nil || gotClient != client || gotRaw != raw {
			t.Fatal(gotClient, gotRaw, err)
		}
	})
}

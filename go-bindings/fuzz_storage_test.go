package lnkeep_test

import (
	"bytes"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// FuzzWireDecode gives any bytes to both decoders, and holds them against each other and the encoder.
func FuzzWireDecode(f *testing.F) {
	for _, seed := range []string{
		"", "\x00", "\x00\x07", "\x00\x07\x00\x00", "\x00\x09\x00\x02ab", "\x00\x07\x00\x03ab", "\x00\x08\x00\x00",
		"\x00\x07\x00\x01a\x01\x00", "\x00\x07\x00\x01a\x02\x00", "\x00\x07\x00\x00\xfd\x00\x01\x00",
		"\x00\x09\xff\xff", "\x00\x07\x00\x00\x03\x00\x01\x00",
		"\x00\x07\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, message []byte) {
		before := bytes.Clone(message)
		lenient, err := lnkeep.DecodeWire(message)
		strict, strictErr := lnkeep.DecodeWireStrict(message)
		if !bytes.Equal(before, message) {
			t.Fatal("decoding changed the message")
		}
		for _, err := range []error{err, strictErr} {
			fault := lnkeep.WireFaultOf(err)
			if (err == nil) != (fault == 0) || err != nil && !is(err, lnkeep.ErrBadMessage) {
				t.Fatalf("%v, %v", err, fault)
			}
		}
		if err != nil {
			if strictErr == nil || lnkeep.WireFaultOf(strictErr) != lnkeep.WireFaultOf(err) {
				t.Fatalf("%v, and %v when it is strict", err, strictErr)
			}
			return
		}
		if strictErr == nil && (strict.Kind != lenient.Kind || !bytes.Equal(strict.Blob, lenient.Blob)) {
			t.Fatalf("%v, and %v when it is strict", lenient, strict)
		}
		encoded, err := encodeKind(lenient.Kind.String(), lenient.Blob)
		must(t, err)
		if !bytes.Equal(append(encoded, lenient.Extension...), message) {
			t.Fatalf("%v is not what was decoded", lenient)
		}
	})
}

// FuzzEnvelopeOpen gives any bytes to a node that expects one of its own envelopes, alone and in front of
// one.
func FuzzEnvelopeOpen(f *testing.F) {
	whole, err := lnkeep.SealEnvelope(&testSecret, node(1), testHeader, []byte("payload"), lnkeep.SizeClass1024,
		[16]byte{1})
	must(f, err)
	f.Add([]byte{}, uint16(0))
	f.Add(whole, uint16(0))
	f.Add(whole[:135], uint16(1))
	f.Add(whole[:1023], uint16(1023))
	f.Add(append(bytes.Clone(whole), 0), uint16(24))
	f.Add(make([]byte, 1024), uint16(9))
	f.Fuzz(func(t *testing.T, blob []byte, at uint16) {
		opened, err := lnkeep.OpenEnvelope(&testSecret, node(1), blob)
		switch {
		case err == nil:
			// Nobody else has the key.
			if !bytes.Equal(blob, whole) || string(opened.Payload) != "payload" {
				t.Fatalf("%d bytes opened to %+v", len(blob), opened)
			}
		case !is(err, lnkeep.ErrBadEnvelope) || lnkeep.EnvelopeFaultOf(err) == 0 || opened != nil:
			t.Fatalf("%+v, %v", opened, err)
		}
		changed := bytes.Clone(whole)
		n := copy(changed[int(at)%len(changed):], blob)
		if n > 0 && bytes.Equal(changed, whole) {
			return
		}
		if opened, err := lnkeep.OpenEnvelope(&testSecret, node(1), changed); (err == nil) != (n == 0) {
			t.Fatalf("%+v, %v", opened, err)
		}
	})
}

// FuzzStorage gives what any peer may send to both ends, and asks them for what they know of it.
func FuzzStorage(f *testing.F) {
	f.Add(byte(0), int64(0), []byte("blob"))
	f.Add(byte(3), int64(-1), []byte{})
	f.Add(byte(7), int64(1<<62), bytes.Repeat([]byte{9}, 70_000))
	f.Add(byte(12), int64(5_000), make([]byte, 1024))
	store := openStore(f, newPath(f), nil)
	storage, _ := openPeerStorage(f, store, nil)
	must(f, storage.ClaimsComplete(soon(f), channelsWith(node(0), node(1)), 1))
	backup, _ := openBackup(f, store, &lnkeep.BackupOptions{SizeClass: lnkeep.SizeClass1024, PeersMax: 4})
	must(f, backup.SetPayload([]byte("payload")))
	f.Fuzz(func(t *testing.T, what byte, at int64, blob []byte) {
		peer := node(what >> 5)
		_, err := storage.Store(soon(t), ms(at), peer, blob)
		definite(t, err)
		if err == nil {
			if kept, err := storage.Export(peer); err != nil || !bytes.Equal(kept, blob) {
				t.Fatal(len(kept), err)
			}
		}
		definite(t, backup.Connected(ms(at), peer, what&1 == 0))
		if what&2 == 0 {
			concluded, opened, err := backup.Retrieval(soon(t), ms(at), peer, blob)
			definite(t, err)
			if opened != nil || concluded.Failure != nil || concluded.Action == lnkeep.ActionAlertStateLoss {
				t.Fatalf("%+v, %+v", concluded, opened)
			}
		} else {
			_, err = backup.ReestablishBegun(soon(t), ms(at), peer)
			definite(t, err)
		}
		sealed, err := backup.Seal(soon(t), ms(at), peer, 1)
		definite(t, err)
		if err == nil {
			if _, err := lnkeep.OpenEnvelope(&testSecret, peer, sealed.Blob); err != nil {
				t.Fatal(err)
			}
		}
		if what&4 == 0 {
			definite(t, backup.Disconnected(peer))
		}
		if what&24 == 24 {
			_, err = backup.Acknowledge(soon(t))
			must(t, err)
			_, err = backup.Forget(soon(t), peer)
			definite(t, err)
		}
	})
}

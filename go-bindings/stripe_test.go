package lnkeep_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// TestStripe_EveryChoiceOfEnoughSharesRestores makes five shares, and restores from any three of them.
func TestStripe_EveryChoiceOfEnoughSharesRestores(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 100_000} {
		object := bytes.Repeat([]byte{7, 1, 200}, n/3+1)[:n]
		shares, err := lnkeep.EncodeStripe(3, 5, object)
		must(t, err)
		if len(shares) != 5 || len(shares[4].Bytes) != max(1, (n+2)/3) {
			t.Fatalf("%d shares", len(shares))
		}
		for choice := range 1 << len(shares) {
			var have []lnkeep.StripeShare
			for i := range shares {
				if choice>>(4-i)&1 == 1 {
					have = append(have, shares[4-i])
				}
			}
			restored, err := lnkeep.DecodeStripe(3, 5, n, have)
			if len(have) < 3 {
				want(t, err, lnkeep.ErrNotEnoughShares)
				if lnkeep.SharesHeld(err) != len(have) || restored != nil {
					t.Fatal(lnkeep.SharesHeld(err), len(have))
				}
				continue
			}
			if must(t, err); !bytes.Equal(restored, object) {
				t.Fatalf("%d bytes, choice %b", n, choice)
			}
		}
	}
}

func TestStripe_WrongArgumentsAreRefused(t *testing.T) {
	share := []lnkeep.StripeShare{{Index: 1, Bytes: []byte{1, 2}}}
	for _, code := range [][2]int{{0, 0}, {2, 1}, {1, 33}, {-1, 2}, {1, -1}, {1<<32 + 1, 1<<32 + 2}} {
		_, err := lnkeep.EncodeStripe(code[0], code[1], []byte{1})
		want(t, err, lnkeep.ErrInvalidArgument)
		_, err = lnkeep.DecodeStripe(code[0], code[1], 2, share)
		want(t, err, lnkeep.ErrInvalidArgument)
	}
	for _, index := range []int{2, -1, 32, 1<<32 + 1} {
		_, err := lnkeep.DecodeStripe(1, 2, 2, []lnkeep.StripeShare{{Index: index, Bytes: []byte{1, 2}}})
		want(t, err, lnkeep.ErrInvalidArgument)
	}
	for _, n := range []int{0, 1, 3} {
		_, err := lnkeep.DecodeStripe(1, 2, n, share)
		want(t, err, lnkeep.ErrInvalidArgument)
	}
	for _, n := range []int{-1, 2_096_993, math.MaxInt} {
		_, err := lnkeep.DecodeStripe(1, 2, n, share)
		want(t, err, lnkeep.ErrTooBig)
	}
	_, err := lnkeep.EncodeStripe(1, 1, make([]byte, 2_096_993))
	want(t, err, lnkeep.ErrTooBig)
	_, err = lnkeep.DecodeStripe(1, 2, 2, nil)
	want(t, err, lnkeep.ErrNotEnoughShares)
	restored, err := lnkeep.DecodeStripe(1, 2, 2, share)
	if must(t, err); !bytes.Equal(restored, []byte{1, 2}) {
		t.Fatal(len(restored))
	}
}

func TestStripe_SharesAreNotPrinted(t *testing.T) {
	share := lnkeep.StripeShare{Index: 3, Bytes: []byte("abc")}
	record := lnkeep.ShareRecord{StripeShare: share, Generation: 77}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, printed := range []string{
			fmt.Sprintf(verb, share), fmt.Sprintf(verb, &share), fmt.Sprintf(verb, record), fmt.Sprintf(verb, &record),
			fmt.Sprintf(verb, []lnkeep.ShareRecord{record}),
		} {
			if !strings.Contains(printed, "redacted") || strings.Contains(printed, "97") ||
				strings.Contains(printed, "abc") || strings.Contains(printed, "616263") {
				t.Errorf("%s prints %s", verb, printed)
			}
		}
	}
	if !strings.Contains(fmt.Sprint(record), "77") {
		t.Error("the generation is not printed")
	}
}

// rosterPayload is "content" with a roster of generation 9: a peer with share 31 at an address, one without.
func rosterPayload() []byte {
	payload := append([]byte("content"), 0, 0, 0, 0, 0, 0, 0, 9, 0, 2)
	payload = append(append(payload, bytes.Repeat([]byte{2}, 33)...), 31, 7, 1, 127, 0, 0, 1, 0x26, 0x07)
	payload = append(append(payload, bytes.Repeat([]byte{3}, 33)...), 255, 0)
	return append(payload, 0, byte(len(payload)-7))
}

func TestRoster_IsPartedFromTheContent(t *testing.T) {
	payload := rosterPayload()
	for flags := range uint16(4) {
		content, roster, err := lnkeep.DecodeRoster(flags, payload)
		must(t, err)
		if flags&lnkeep.EnvelopeHasRoster == 0 {
			if roster != nil || !bytes.Equal(content, payload) {
				t.Fatalf("%+v", roster)
			}
			continue
		}
		if string(content) != "content" || roster.Generation != 9 || len(roster.Peers) != 2 {
			t.Fatalf("%+v", roster)
		}
		one, other := roster.Peers[0], roster.Peers[1]
		if one.Index != 31 || one.Peer[32] != 2 || !bytes.Equal(one.Address, payload[52:59]) ||
			other.Index != lnkeep.NoShare || other.Peer[0] != 3 || len(other.Address) != 0 {
			t.Fatalf("%+v", roster)
		}
	}
	content, roster, err := lnkeep.DecodeRoster(lnkeep.EnvelopeHasSnapshot, nil)
	if must(t, err); len(content) != 0 || roster != nil {
		t.Fatal(len(content), roster)
	}
}

func TestRoster_FaultsAreTold(t *testing.T) {
	faulty := func(flags uint16, payload []byte, fault lnkeep.ShareFault) {
		t.Helper()
		content, roster, err := lnkeep.DecodeRoster(flags, payload)
		want(t, err, lnkeep.ErrBadShare)
		if content != nil || roster != nil || lnkeep.ShareFaultOf(err) != fault {
			t.Fatalf("%v, %v", lnkeep.ShareFaultOf(err), err)
		}
	}
	payload := rosterPayload()
	for bit := 2; bit < 16; bit++ {
		faulty(1<<bit, payload, lnkeep.RosterBadFlags)
	}
	faulty(1, nil, lnkeep.RosterTruncated)
	faulty(1, payload[:len(payload)-1], lnkeep.RosterTruncated)
	payload[16] = 1
	faulty(1, payload, lnkeep.RosterTrailingBytes)
	payload[50] = 32
	faulty(1, payload, lnkeep.RosterBadIndex)
	for fault, name := range map[lnkeep.ShareFault]string{
		1: "truncated", 6: "trailing_bytes", 16: "bad_flags", 32: "truncated", 0: "share fault 0", 7: "share fault 7",
	} {
		if fault.String() != name {
			t.Errorf("%v is not %s", fault, name)
		}
	}
	for _, err := range []error{nil, lnkeep.ErrBadShare, errors.New("other")} {
		if lnkeep.ShareFaultOf(err) != 0 || lnkeep.SharesHeld(err) != 0 {
			t.Error("no error tells a fault")
		}
	}
}

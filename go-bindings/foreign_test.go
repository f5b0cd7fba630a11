package lnkeep_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// foreignKey is what the samples are sealed with.
var foreignKey = lnkeep.Secret(bytes.Repeat([]byte{7}, 32))

var sampleIPv4 = []byte{1, 127, 0, 0, 1, 0x26, 7}

func isFilled(b []byte, n int, with byte) bool { return bytes.Equal(b, bytes.Repeat([]byte{with}, n)) }

func TestForeign_MonitorsOfLDKComeOut(t *testing.T) {
	opened, err := lnkeep.OpenLDK(&foreignKey, unhex(sampleLDK))
	must(t, err)
	if len(opened.Monitors) != 2 || opened.Nonce == [12]byte{} {
		t.Fatalf("%+v", opened)
	}
	first, second := opened.Monitors[0], opened.Monitors[1]
	if !isFilled(first.ChannelID[:], 32, 3) || !isFilled(first.Counterparty[:], 33, 2) ||
		first.MinSeenSecret != 1<<48-3 || string(first.Monitor) != "first" || len(second.Monitor) != 0 {
		t.Fatalf("%+v", opened)
	}
	if shown := fmt.Sprintf("%+v %#v", opened, opened); strings.Contains(shown, "first") {
		t.Fatal("a monitor is shown")
	}
}

func TestForeign_ChannelsOfCLNComeOut(t *testing.T) {
	opened, err := lnkeep.OpenCLN(&foreignKey, unhex(sampleCLN))
	must(t, err)
	if opened.Format != lnkeep.CLNChannelsWithTLVs || opened.Version != 1 ||
		opened.TimestampUnixSecs != 1_700_000_000 || len(opened.Channels) != 2 {
		t.Fatalf("%+v", opened)
	}
	c := opened.Channels[0]
	if c.DBID != 7 || !isFilled(c.ChannelID[:], 32, 4) || !isFilled(c.NodeID[:], 33, 2) ||
		!bytes.Equal(c.Address, sampleIPv4) || !isFilled(c.FundingTxID[:], 32, 5) || c.FundingVout != 6 ||
		c.FundingSats != 1_000_000 || !bytes.Equal(c.ChannelType, []byte{0x10, 0}) {
		t.Fatalf("%+v", c)
	}
	chain := c.Shachain
	if chain == nil || chain.MinIndex != 9 || len(chain.Entries) != 2 || chain.Entries[1].Index != 10 ||
		!isFilled(chain.Entries[1].Secret[:], 32, 0xdd) {
		t.Fatalf("%+v", chain)
	}
	points := c.Basepoints
	if points == nil || !isFilled(points.Revocation[:], 33, 0x31) || !isFilled(points.Payment[:], 33, 0x32) ||
		!isFilled(points.HTLC[:], 33, 0x33) || !isFilled(points.DelayedPayment[:], 33, 0x34) {
		t.Fatalf("%+v", points)
	}
	if *c.Opener != 1 || *c.ToSelfDelayBlocks != 300 {
		t.Fatalf("%d, %d", *c.Opener, *c.ToSelfDelayBlocks)
	}
	if shown := fmt.Sprintf("%+v", chain.Entries); strings.Contains(shown, "221") {
		t.Fatalf("a secret is shown: %s", shown)
	}
	checkWithoutTLVs(t, &opened.Channels[1])
	older, err := lnkeep.OpenCLN(&foreignKey, unhex(sampleCLNOLD))
	must(t, err)
	if older.Format != lnkeep.CLNChannels || len(older.Channels) != 1 {
		t.Fatalf("%+v", older)
	}
	checkWithoutTLVs(t, &older.Channels[0])
}

func checkWithoutTLVs(t *testing.T, c *lnkeep.CLNChannel) {
	t.Helper()
	if c.Shachain != nil || c.Basepoints != nil || c.Opener != nil || c.ToSelfDelayBlocks != nil ||
		!bytes.Equal(c.Address, sampleIPv4) {
		t.Fatalf("%+v", c)
	}
}

func TestForeign_ChannelsOfLNDComeOutBesideWhatDoesNotDecode(t *testing.T) {
	opened, err := lnkeep.OpenLND(&foreignKey, unhex(sampleLND))
	must(t, err)
	if opened.Version != 0 || opened.Count != 4 || len(opened.Singles) != 3 ||
		string(opened.Rest) != "\x00\xff\xffrest" {
		t.Fatalf("%+v", opened)
	}
	later := opened.Singles[1]
	if later.Version != 9 || later.HasCloseTx || later.Channel != nil || string(later.Bytes) != "later" {
		t.Fatalf("%+v", later)
	}
	taproot, lease := opened.Singles[0], opened.Singles[2]
	if taproot.Version != 6 || !taproot.HasCloseTx || lease.Version != 4 || lease.HasCloseTx {
		t.Fatalf("%+v, %+v", taproot, lease)
	}
	checkLNDCommon(t, taproot.Channel)
	checkLNDCommon(t, lease.Channel)
	closeTx := taproot.Channel.CloseTx
	if closeTx == nil || len(closeTx.CommitTx) != 94 || !isFilled(closeTx.CommitSignature, 70, 0x30) ||
		*closeTx.CommitHeight != 41 || !isFilled(closeTx.TapscriptRoot[:], 32, 0x66) {
		t.Fatalf("%+v", closeTx)
	}
	if a := taproot.Channel.Addresses; len(a) != 2 || !bytes.Equal(a[0], sampleIPv4) || len(a[1]) != 38 {
		t.Fatalf("%x", a)
	}
	if taproot.Channel.ShachainRoot != nil || taproot.Channel.LeaseExpiryHeight != nil ||
		!isFilled(lease.Channel.ShachainRoot[:], 33, 3) || *lease.Channel.LeaseExpiryHeight != 800_000 ||
		lease.Channel.CloseTx != nil || lease.Channel.Addresses != nil {
		t.Fatalf("%+v, %+v", taproot.Channel, lease.Channel)
	}
}

func checkLNDCommon(t *testing.T, c *lnkeep.LNDChannel) {
	t.Helper()
	if !c.Initiator || !isFilled(c.ChainHash[:], 32, 0x11) || !isFilled(c.FundingTxID[:], 32, 0x12) ||
		c.FundingVout != 0x0102 || c.ShortChannelID != 0x0a00000b00000c || !isFilled(c.NodeID[:], 33, 2) ||
		c.CapacitySat != 1_000_000 || c.LocalCSVDelayBlocks != 144 || c.RemoteCSVDelayBlocks != 720 ||
		c.ShachainRootLocator != (lnkeep.LNDKeyLocator{Family: 5, Index: 9}) {
		t.Fatalf("%+v", c)
	}
	for i := range c.LocalKeys {
		place := lnkeep.LNDKeyLocator{Family: uint32(i), Index: uint32(i) + 100}
		if c.LocalKeys[i] != place || !isFilled(c.RemoteKeys[i][:], 33, byte(0x21+i)) {
			t.Fatalf("%+v", c)
		}
	}
}

// foreignOpeners are the four under one face.
var foreignOpeners = map[string]func(*lnkeep.Secret, []byte) error{
	sampleLDK: func(key *lnkeep.Secret, b []byte) error { _, err := lnkeep.OpenLDK(key, b); return err },
	sampleCLN: func(key *lnkeep.Secret, b []byte) error { _, err := lnkeep.OpenCLN(key, b); return err },
	sampleKMP: func(key *lnkeep.Secret, b []byte) error { _, err := lnkeep.OpenLightningKMP(key, b); return err },
	sampleLND: func(key *lnkeep.Secret, b []byte) error { _, err := lnkeep.OpenLND(key, b); return err },
}

func TestForeign_WhatDoesNotBelongToTheKeyDoesNotOpen(t *testing.T) {
	faulty := func(err error, fault lnkeep.ForeignFault) {
		t.Helper()
		want(t, err, lnkeep.ErrBadForeign)
		if lnkeep.ForeignFaultOf(err) != fault || lnkeep.EnvelopeFaultOf(err) != 0 {
			t.Fatal(err)
		}
	}
	for sample, open := range foreignOpeners {
		blob := unhex(sample)
		must(t, open(&foreignKey, blob))
		faulty(open(&lnkeep.Secret{1}, blob), lnkeep.ForeignAuthFailed)
		faulty(open(&foreignKey, nil), lnkeep.ForeignTooShort)
		faulty(open(&foreignKey, blob[:28]), lnkeep.ForeignTooShort)
		faulty(open(&foreignKey, blob[1:]), lnkeep.ForeignAuthFailed)
		want(t, open(nil, blob), lnkeep.ErrInvalidArgument)
		for other := range foreignOpeners {
			if other != sample {
				faulty(open(&foreignKey, unhex(other)), lnkeep.ForeignAuthFailed)
			}
		}
	}
	faulty(foreignOpeners[sampleLDK](&foreignKey, unhex(sampleLDKBAD)), lnkeep.ForeignBadPayload)
	faulty(foreignOpeners[sampleCLN](&foreignKey, unhex(sampleCLNVersion)), lnkeep.ForeignBadVersion)
	faulty(foreignOpeners[sampleKMP](&foreignKey, unhex(sampleKMP9)), lnkeep.ForeignUnknownVersion)
}

func TestForeign_WrongArgumentsAreRefused(t *testing.T) {
	_, err := lnkeep.LDKKey(nil)
	want(t, err, lnkeep.ErrInvalidArgument)
	for _, n := range []int{0, 31, 33, 63, 65} {
		key, err := lnkeep.CLNKey(make([]byte, n))
		want(t, err, lnkeep.ErrInvalidArgument)
		if key != (lnkeep.Secret{}) {
			t.Fatal("a key came with an error")
		}
	}
	one, err := lnkeep.CLNKey(make([]byte, 32))
	must(t, err)
	other, err := lnkeep.CLNKey(make([]byte, 64))
	must(t, err)
	if one == other {
		t.Fatal("two secrets give one key")
	}
	for fault, name := range map[lnkeep.ForeignFault]string{
		1: "too_short", 2: "auth_failed", 3: "bad_payload", 4: "bad_version", 5: "unknown_version",
		0: "foreign fault 0", 6: "foreign fault 6",
	} {
		if fault.String() != name {
			t.Errorf("%v is not %s", fault, name)
		}
	}
	if lnkeep.ForeignFaultOf(nil) != 0 || lnkeep.ForeignFaultOf(lnkeep.ErrBadForeign) != 0 {
		t.Error("no error tells a fault")
	}
	if lnkeep.CLNFormat(1).String() != "cln format 1" {
		t.Error(lnkeep.CLNFormat(1))
	}
}

// A node moves from Core Lightning: what its peers still keep tells which channels to close.
func ExampleOpenCLN() {
	key := lnkeep.Secret(bytes.Repeat([]byte{7}, 32))
	backup, err := lnkeep.OpenCLN(&key, unhex(sampleCLN))
	if err != nil {
		fmt.Println(lnkeep.ForeignFaultOf(err))
		return
	}
	for _, channel := range backup.Channels {
		fmt.Println(channel.DBID, channel.FundingSats, channel.Shachain != nil)
	}
	_, err = lnkeep.OpenCLN(&lnkeep.Secret{}, unhex(sampleCLN))
	fmt.Println(lnkeep.ForeignFaultOf(err), errors.Is(err, lnkeep.ErrBadForeign))
	// Output:
	// 7 1000000 true
	// 7 1000000 false
	// auth_failed true
}

func TestForeign_ARecoveryTellsWhoseABlobIs(t *testing.T) {
	r, err := lnkeep.BeginRecovery(&lnkeep.Secret{9}, lnkeep.RecoveryOptions{})
	must(t, err)
	defer r.Close()
	samples := []string{sampleLDK, sampleCLN, sampleKMP, sampleLND}
	feed := func(sample string) lnkeep.Fed {
		fed, err := r.Feed(lnkeep.NodeID{2}, unhex(sample))
		must(t, err)
		return fed
	}
	for _, sample := range samples {
		if fed := feed(sample); fed.Outcome != lnkeep.FedUnreadable {
			t.Fatal(fed)
		}
	}
	keys := lnkeep.ForeignKeys{LDK: &foreignKey, CLN: &foreignKey, LightningKMP: &foreignKey, LND: &foreignKey}
	must(t, r.SetForeignKeys(keys))
	for i, sample := range samples {
		fed := feed(sample)
		if fed.Outcome != lnkeep.FedForeign || lnkeep.Software(fed.Fault) != lnkeep.SoftwareLDK+lnkeep.Software(i) {
			t.Fatal(i, fed)
		}
	}
	if shown := fmt.Sprintf("%v %+v %#v", keys, keys, keys); strings.Contains(shown, "7, 7") || strings.Contains(shown, "0x7") {
		t.Fatal("a key is shown:", shown)
	}
}

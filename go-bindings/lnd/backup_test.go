package lnd

// The file channel.backup as lnd's own package packs it, of every version, opened by lnkeep.

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcutil"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/btcsuite/btcd/wire"
	"github.com/lightningnetwork/lnd/chanbackup"
	"github.com/lightningnetwork/lnd/channeldb"
	"github.com/lightningnetwork/lnd/fn/v2"
	"github.com/lightningnetwork/lnd/keychain"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/tor"
	"github.com/lnkeep/lnkeep/go-bindings"
)

// backupRing derives the one key that a backup takes, at the place where lnd asks for it.
type backupRing struct {
	keychain.KeyRing
	key *btcec.PublicKey
}

func (r backupRing) DeriveKey(place keychain.KeyLocator) (keychain.KeyDescriptor, error) {
	if place != (keychain.KeyLocator{Family: 7, Index: 0}) {
		return keychain.KeyDescriptor{}, errors.New("lnd asks for another key")
	}
	return keychain.KeyDescriptor{KeyLocator: place, PubKey: r.key}, nil
}

func (s source) publicKey() *btcec.PublicKey {
	_, key := btcec.PrivKeyFromBytes(s.bytes(32))
	return key
}

func (s source) local() keychain.KeyDescriptor {
	return keychain.KeyDescriptor{
		KeyLocator: keychain.KeyLocator{Family: keychain.KeyFamily(s.Uint32()), Index: s.Uint32()},
	}
}

func (s source) remote() keychain.KeyDescriptor { return keychain.KeyDescriptor{PubKey: s.publicKey()} }

// addresses are of every kind that lnd writes, or none.
func (s source) addresses() []net.Addr {
	all := []net.Addr{
		&net.TCPAddr{IP: net.IP{1, 2, 3, 4}, Port: 9735},
		&net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 9736},
		&tor.OnionAddr{OnionService: "3g2upl4pq6kufc4m.onion", Port: 9737},
		&tor.OnionAddr{
			OnionService: "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd.onion", Port: 9738,
		},
	}
	return all[:s.IntN(len(all)+1)]
}

func (s source) config(side func() keychain.KeyDescriptor) channeldb.ChannelConfig {
	return channeldb.ChannelConfig{
		CommitmentParams:    channeldb.CommitmentParams{CsvDelay: uint16(s.Uint32())},
		MultiSigKey:         side(),
		RevocationBasePoint: side(),
		PaymentBasePoint:    side(),
		DelayBasePoint:      side(),
		HtlcBasePoint:       side(),
	}
}

func (s source) single(version chanbackup.SingleBackupVersion, withCloseTx bool) chanbackup.Single {
	single := chanbackup.Single{
		Version:         version,
		IsInitiator:     s.IntN(2) == 0,
		ChainHash:       s.hash(),
		FundingOutpoint: wire.OutPoint{Hash: s.hash(), Index: uint32(s.IntN(1 << 16))},
		ShortChannelID:  lnwire.NewShortChanIDFromInt(s.Uint64()),
		RemoteNodePub:   s.publicKey(),
		Addresses:       s.addresses(),
		Capacity:        btcutil.Amount(s.Int64()),
		LocalChanCfg:    s.config(s.local),
		RemoteChanCfg:   s.config(s.remote),
		ShaChainRootDesc: keychain.KeyDescriptor{
			KeyLocator: keychain.KeyLocator{Family: keychain.KeyFamilyRevocationRoot, Index: s.Uint32()},
		},
	}
	if s.IntN(2) == 0 {
		single.ShaChainRootDesc.PubKey = s.publicKey()
	}
	if version == chanbackup.ScriptEnforcedLeaseVersion {
		single.LeaseExpiry = s.Uint32()
	}
	if withCloseTx {
		single.CloseTxInputs = fn.Some(s.closeTx(version))
	}
	return single
}

func (s source) closeTx(version chanbackup.SingleBackupVersion) chanbackup.CloseTxInputs {
	tx := wire.NewMsgTx(2)
	for range 1 + s.IntN(2) {
		in := wire.NewTxIn(&wire.OutPoint{Hash: s.hash()}, s.bytes(s.IntN(3)), nil)
		if s.IntN(4) == 0 {
			in.Witness = wire.TxWitness{s.bytes(72), nil, s.bytes(300)}
		}
		tx.AddTxIn(in)
	}
	for range s.IntN(300) {
		tx.AddTxOut(wire.NewTxOut(s.Int64(), s.bytes(34)))
	}
	inputs := chanbackup.CloseTxInputs{CommitTx: tx, CommitSig: s.bytes(64 + s.IntN(9))}
	if version.IsTaproot() {
		inputs.CommitHeight = s.Uint64()
	}
	if version.HasTapscriptRoot() {
		inputs.TapscriptRoot = fn.Some(chainhash.Hash(s.hash()))
	}
	return inputs
}

// TestBackup_FilesOfLNDOpen packs files with channels of every version, one file without any, and one through
// the file that lnd writes.
func TestBackup_FilesOfLNDOpen(t *testing.T) {
	s := newSource(7)
	ring := backupRing{key: s.publicKey()}
	key, err := lnkeep.LNDKey([33]byte(ring.key.SerializeCompressed()))
	if err != nil {
		t.Fatal(err)
	}
	var all []chanbackup.Single
	for version := chanbackup.SingleBackupVersion(0); version <= chanbackup.SimpleTaprootFinalVersion; version++ {
		for range 4 {
			all = append(all, s.single(version, false), s.single(version, true))
		}
	}
	for _, singles := range [][]chanbackup.Single{nil, all[:1], all} {
		var file bytes.Buffer
		if err := (chanbackup.Multi{StaticBackups: singles}).PackToWriter(&file, ring); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "channel.backup")
		written := chanbackup.NewMultiFile(path, true)
		if err := written.UpdateAndSwap(chanbackup.PackedMulti(file.Bytes())); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		checkOpened(t, &key, content, singles)
	}
	_, err = lnkeep.OpenLND(&lnkeep.Secret{1}, make([]byte, 45))
	if lnkeep.ForeignFaultOf(err) != lnkeep.ForeignAuthFailed {
		t.Fatal(err)
	}
}

func checkOpened(t *testing.T, key *lnkeep.Secret, file []byte, singles []chanbackup.Single) {
	t.Helper()
	opened, err := lnkeep.OpenLND(key, file)
	if err != nil {
		t.Fatal(err)
	}
	if opened.Version != 0 || int(opened.Count) != len(singles) || len(opened.Singles) != len(singles) ||
		len(opened.Rest) != 0 {
		t.Fatalf("%d of %d channels, %d bytes left", len(opened.Singles), len(singles), len(opened.Rest))
	}
	for i := range singles {
		single, found := &singles[i], &opened.Singles[i]
		if found.Version != uint8(single.Version) || found.HasCloseTx != single.CloseTxInputs.IsSome() ||
			found.Channel == nil {
			t.Fatalf("%d: version %d, %+v", i, single.Version, found)
		}
		checkChannel(t, single, found.Channel)
		checkCloseTx(t, single, found.Channel.CloseTx)
	}
}

func checkChannel(t *testing.T, single *chanbackup.Single, found *lnkeep.LNDChannel) {
	t.Helper()
	if found.Initiator != single.IsInitiator || found.ChainHash != single.ChainHash ||
		found.FundingTxID != single.FundingOutpoint.Hash ||
		uint32(found.FundingVout) != single.FundingOutpoint.Index ||
		uint64(found.ShortChannelID) != single.ShortChannelID.ToUint64() ||
		found.NodeID != [33]byte(single.RemoteNodePub.SerializeCompressed()) ||
		found.CapacitySat != uint64(single.Capacity) ||
		found.LocalCSVDelayBlocks != single.LocalChanCfg.CsvDelay ||
		found.RemoteCSVDelayBlocks != single.RemoteChanCfg.CsvDelay {
		t.Fatalf("%+v, and not %+v", found, single)
	}
	checkKeys(t, single, found)
	var written bytes.Buffer
	for _, address := range single.Addresses {
		if err := lnwire.WriteElement(&written, address); err != nil {
			t.Fatal(err)
		}
	}
	if len(found.Addresses) != len(single.Addresses) ||
		!bytes.Equal(bytes.Join(found.Addresses, nil), written.Bytes()) {
		t.Fatalf("%x, and not %x", found.Addresses, written.Bytes())
	}
	lease := single.Version == chanbackup.ScriptEnforcedLeaseVersion
	if lease != (found.LeaseExpiryHeight != nil) || lease && *found.LeaseExpiryHeight != single.LeaseExpiry {
		t.Fatalf("a lease until %v", found.LeaseExpiryHeight)
	}
}

func keysOf(c *channeldb.ChannelConfig) [5]keychain.KeyDescriptor {
	return [5]keychain.KeyDescriptor{
		c.MultiSigKey, c.RevocationBasePoint, c.PaymentBasePoint, c.DelayBasePoint, c.HtlcBasePoint,
	}
}

func placeOf(key keychain.KeyDescriptor) lnkeep.LNDKeyLocator {
	return lnkeep.LNDKeyLocator{Family: uint32(key.Family), Index: key.Index}
}

func checkKeys(t *testing.T, single *chanbackup.Single, found *lnkeep.LNDChannel) {
	t.Helper()
	local, remote := keysOf(&single.LocalChanCfg), keysOf(&single.RemoteChanCfg)
	for i := range local {
		if found.LocalKeys[i] != placeOf(local[i]) ||
			found.RemoteKeys[i] != [33]byte(remote[i].PubKey.SerializeCompressed()) {
			t.Fatalf("key %d of %+v", i, found)
		}
	}
	root := single.ShaChainRootDesc
	if found.ShachainRootLocator != placeOf(root) || (found.ShachainRoot != nil) != (root.PubKey != nil) ||
		root.PubKey != nil && *found.ShachainRoot != [33]byte(root.PubKey.SerializeCompressed()) {
		t.Fatalf("the root of %+v", found)
	}
}

func checkCloseTx(t *testing.T, single *chanbackup.Single, found *lnkeep.LNDCloseTx) {
	t.Helper()
	if found == nil {
		if single.CloseTxInputs.IsSome() {
			t.Fatal("no closing transaction")
		}
		return
	}
	inputs := single.CloseTxInputs.UnsafeFromSome()
	var written bytes.Buffer
	if err := inputs.CommitTx.Serialize(&written); err != nil {
		t.Fatal(err)
	}
	taproot, rooted := single.Version.IsTaproot(), single.Version.HasTapscriptRoot()
	if !bytes.Equal(found.CommitTx, written.Bytes()) ||
		!bytes.Equal(found.CommitSignature, inputs.CommitSig) ||
		taproot != (found.CommitHeight != nil) || taproot && *found.CommitHeight != inputs.CommitHeight ||
		rooted != (found.TapscriptRoot != nil) ||
		rooted && *found.TapscriptRoot != inputs.TapscriptRoot.UnsafeFromSome() {
		t.Fatalf("%+v, and not %+v", found, inputs)
	}
}

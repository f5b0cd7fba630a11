package lnkeep

// ForeignFault is why a backup of other software does not open.
type ForeignFault uint32

// The faults of a backup of other software, the first that holds.
const (
	// ForeignTooShort: shorter than any blob of this software.
	ForeignTooShort ForeignFault = 1
	// ForeignAuthFailed: not made with this key, or changed since.
	ForeignAuthFailed ForeignFault = 2
	// ForeignBadPayload: authentic, and its text is not what this software writes.
	ForeignBadPayload ForeignFault = 3
	// ForeignBadVersion: authentic, of a version of Core Lightning's format that cannot be read.
	ForeignBadVersion ForeignFault = 4
	// ForeignUnknownVersion: authentic, of a version of lightning-kmp's format that is not known. The version is
	// the blob's first byte.
	ForeignUnknownVersion ForeignFault = 5
)

// String is a name such as "auth_failed", or the number of a fault this version does not know.
func (f ForeignFault) String() string {
	return named(uint32(f), "foreign fault", "", "too_short", "auth_failed", "bad_payload", "bad_version",
		"unknown_version")
}

// ForeignFaultOf is the fault that an error of OpenLDK, OpenCLN, OpenLightningKMP or OpenLND tells; 0 for every
// other error.
func ForeignFaultOf(err error) ForeignFault { return ForeignFault(faultOf(err, StatusBadForeign)) }

// LDKBackup is what a peer kept for an LDK node. With it channels are closed and swept; none is continued.
type LDKBackup struct {
	// Nonce is what the blob was sealed with.
	Nonce [12]byte
	// Monitors are its channels, in the order of the blob.
	Monitors []LDKMonitor
}

// LDKMonitor is one channel of an LDKBackup.
type LDKMonitor struct {
	// ChannelID is which channel.
	ChannelID ChannelID
	// Counterparty is its other end.
	Counterparty NodeID
	// MinSeenSecret is the index of the last commitment secret that the counterparty revealed: it counts down
	// from 2^48.
	MinSeenSecret uint64
	// Monitor is a serialised ChannelMonitor, which only LDK reads. It holds secrets.
	Monitor HostBytes
}

// LDKKey makes the key that OpenLDK takes from the seed of an LDK node with the stock KeysManager. A node with
// a signer of its own gives get_peer_storage_key() of it instead. The seed is lent for the call.
//
// Errors: ErrInvalidArgument, ErrNoCgo.
func LDKKey(seed *Secret) (Secret, error) { return cForeignLDKKey(seed) }

// OpenLDK opens what a peer kept for an LDK node (its peer storage), and takes it apart. The key is lent for
// the call. Safe for concurrent use, as all functions on backups of other software.
//
// Errors: ErrBadForeign, and ForeignFaultOf says why; ErrInvalidArgument, ErrNoCgo.
func OpenLDK(key *Secret, blob []byte) (*LDKBackup, error) { return cForeignLDKOpen(key, blob) }

// CLNFormat is which of its two messages Core Lightning wrote.
type CLNFormat uint32

// The messages of Core Lightning.
const (
	// CLNChannels is the older, static_chan_backup: its channels have no TLVs.
	CLNChannels CLNFormat = 6135
	// CLNChannelsWithTLVs is static_chan_backup_with_tlvs.
	CLNChannelsWithTLVs CLNFormat = 6137
)

// String is Core Lightning's name of the message, or the number of one that this version does not know.
func (f CLNFormat) String() string {
	switch f {
	case CLNChannels:
		return "static_chan_backup"
	case CLNChannelsWithTLVs:
		return "static_chan_backup_with_tlvs"
	}
	return named(uint32(f), "cln format")
}

// CLNBackup is a static channel backup of Core Lightning's. With it channels are closed and swept; none is
// continued.
type CLNBackup struct {
	// Format is which message it is.
	Format CLNFormat
	// Version is as found.
	Version uint64
	// TimestampUnixSecs is when it was written.
	TimestampUnixSecs uint32
	// Channels are in the order of the backup.
	Channels []CLNChannel
}

// CLNChannel is one channel of a CLNBackup. What is nil was not written: the older format has no TLVs.
type CLNChannel struct {
	// DBID is Core Lightning's number of the channel, which its keys are derived with.
	DBID uint64
	// ChannelID is which channel.
	ChannelID ChannelID
	// NodeID is its other end.
	NodeID NodeID
	// Address is where that was reached last: type byte, address, port (BOLT 7).
	Address []byte
	// FundingTxID is the transaction that funded it, in the byte order of the chain, not as it is shown.
	FundingTxID [32]byte
	// FundingVout is the output that funded it.
	FundingVout uint32
	// FundingSats is its capacity.
	FundingSats uint64
	// ChannelType are the feature bits of its type.
	ChannelType []byte
	// Shachain is what penalties take.
	Shachain *CLNShachain
	// Basepoints are what our output in the counterparty's commitment takes.
	Basepoints *CLNBasepoints
	// Opener is who opened it: 0 we, 1 the counterparty, as found.
	Opener *uint8
	// ToSelfDelayBlocks is the delay of the counterparty's own output.
	ToSelfDelayBlocks *uint16
}

// CLNShachain are secrets of revoked commitments that the counterparty revealed, in compact form (BOLT 3).
type CLNShachain struct {
	// MinIndex is the index of the last one revealed: it counts down from 2^48.
	MinIndex uint64
	// Entries are index and secret of each.
	Entries []CLNShachainEntry
}

// CLNShachainEntry is one secret of a CLNShachain.
type CLNShachainEntry struct {
	// Index is that of the commitment.
	Index uint64
	// Secret is what revoked it.
	Secret Secret
}

// CLNBasepoints are the counterparty's (BOLT 3).
type CLNBasepoints struct {
	// Revocation is the base of revocation keys.
	Revocation [33]byte
	// Payment is the base of its payment key.
	Payment [33]byte
	// HTLC is the base of its HTLC keys.
	HTLC [33]byte
	// DelayedPayment is the base of its delayed payment keys.
	DelayedPayment [33]byte
}

// CLNKey makes the key that OpenCLN takes from the secret of a Core Lightning node: the 32 bytes of a file
// hsm_secret that is not encrypted, or the 64-byte BIP39 seed of a node that was made from a mnemonic. A node
// that runs gives the same by its command makesecret with the string "scb secret". The secret is lent for the
// call.
//
// Errors: ErrInvalidArgument, also for a secret of another length; ErrNoCgo.
func CLNKey(hsmSecret []byte) (Secret, error) { return cForeignCLNKey(hsmSecret) }

// OpenCLN opens a static channel backup of Core Lightning's, as its peers keep it and its file
// emergency.recover has it, and takes it apart. The key is lent for the call.
//
// Errors: ErrBadForeign, and ForeignFaultOf says why; ErrInvalidArgument, ErrNoCgo.
func OpenCLN(key *Secret, blob []byte) (*CLNBackup, error) { return cForeignCLNOpen(key, blob) }

// LightningKMPBackup is what a peer keeps for a lightning-kmp node, such as Phoenix.
type LightningKMPBackup struct {
	// Version is that of the payload: 4 or 5.
	Version uint8
	// Payload are the states of all channels, which only lightning-kmp of this version reads.
	Payload HostBytes
}

// OpenLightningKMP opens what a peer keeps for a lightning-kmp node. The node's private key is lent for the call.
//
// Errors: ErrBadForeign, and ForeignFaultOf says why; ErrInvalidArgument, ErrNoCgo.
func OpenLightningKMP(nodeKey *Secret, blob []byte) (*LightningKMPBackup, error) {
	return cForeignLightningKMPOpen(nodeKey, blob)
}

// LNDBackup is lnd's file channel.backup. With it channels are closed and swept; none is continued.
type LNDBackup struct {
	// Version is that of the file. Only of version 0 channels are given.
	Version uint8
	// Count is how many channels the file says that it has.
	Count uint32
	// Singles are the channels' parts: fewer than Count when the file ends before.
	Singles []LNDSingle
	// Rest is what follows the last of them: nothing in a file of lnd's.
	Rest HostBytes
	// Plaintext is the whole text.
	Plaintext HostBytes
}

// LNDSingle is one channel's part of an LNDBackup.
type LNDSingle struct {
	// Version is that of the layout, 0 to 7 being known: it tells the type of the channel.
	Version uint8
	// HasCloseTx: the inputs of a closing transaction follow the channel.
	HasCloseTx bool
	// Bytes are what follows version and length.
	Bytes HostBytes
	// Channel is nil when this version is not known, or its fields do not fill the bytes.
	Channel *LNDChannel
}

// LNDKeyLocator is the place of a key in lnd's wallet.
type LNDKeyLocator struct {
	// Family is the key family.
	Family uint32
	// Index is that in it.
	Index uint32
}

// LNDChannel is one channel, decoded. Keys of the node itself are places in its wallet: only the seed makes
// them.
type LNDChannel struct {
	// Initiator: we opened it.
	Initiator bool
	// ChainHash is that of its chain's first block, in the byte order of the chain.
	ChainHash [32]byte
	// FundingTxID is the transaction that funded it, in the byte order of the chain, not as it is shown.
	FundingTxID [32]byte
	// FundingVout is the output that funded it.
	FundingVout uint16
	// ShortChannelID is its place in the chain; with only a block while it was not confirmed: the one at which
	// it was published.
	ShortChannelID ShortChannelID
	// NodeID is its other end.
	NodeID NodeID
	// Addresses are where that was reached, each: type byte, address, port (BOLT 7).
	Addresses [][]byte
	// CapacitySat is its capacity.
	CapacitySat uint64
	// LocalCSVDelayBlocks is the delay of our own output.
	LocalCSVDelayBlocks uint16
	// LocalKeys are ours: multisig, revocation, payment, delayed payment, HTLC.
	LocalKeys [5]LNDKeyLocator
	// RemoteCSVDelayBlocks is the delay of the counterparty's own output.
	RemoteCSVDelayBlocks uint16
	// RemoteKeys are the counterparty's, in the order of LocalKeys.
	RemoteKeys [5][33]byte
	// ShachainRoot is the public key of the root that our revocation secrets come from, of old channels.
	ShachainRoot *[33]byte
	// ShachainRootLocator is the place of that root.
	ShachainRootLocator LNDKeyLocator
	// LeaseExpiryHeight is the block at which a lease ends.
	LeaseExpiryHeight *uint32
	// CloseTx is what the latest commitment can be published from.
	CloseTx *LNDCloseTx
}

// LNDCloseTx is what a commitment can be published from, with the wallet's key. Published after a later one,
// the counterparty takes everything.
type LNDCloseTx struct {
	// CommitTx is the commitment, without our signature.
	CommitTx HostBytes
	// CommitSignature is the counterparty's.
	CommitSignature HostBytes
	// CommitHeight is the number of the commitment, for taproot channels.
	CommitHeight *uint64
	// TapscriptRoot is that of the funding output's scripts, for the taproot channels that have one.
	TapscriptRoot *[32]byte
}

// LNDKey makes the key that OpenLND takes: SHA-256 of the compressed public key at lnd's key family 7, index
// 0. Keep that public key as secret as the file.
//
// Errors: ErrInvalidArgument, ErrNoCgo.
func LNDKey(publicKey [33]byte) (Secret, error) { return cForeignLNDKey(&publicKey) }

// OpenLND opens lnd's file channel.backup and takes it apart. A channel that does not decode does not hide the
// others: it is given as bytes. The key is lent for the call.
//
// Errors: ErrBadForeign, and ForeignFaultOf says why; ErrInvalidArgument, ErrNoCgo.
func OpenLND(key *Secret, file []byte) (*LNDBackup, error) { return cForeignLNDOpen(key, file) }

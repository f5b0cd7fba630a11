package lnkeep

import "fmt"

// SizeClass is the length of a sealed blob in bytes: whatever it holds, it is one of four.
type SizeClass uint32

// The size classes.
const (
	// SizeClass1024 is the shortest, all that some nodes keep.
	SizeClass1024 SizeClass = 1024
	// SizeClass4096 is the next.
	SizeClass4096 SizeClass = 4096
	// SizeClass16384 is the one after.
	SizeClass16384 SizeClass = 16384
	// SizeClass65531 is all that a message has room for: what BOLT 1 asks for, and the default.
	SizeClass65531 SizeClass = BlobBytesMax
)

// envelopeBytes is what nonce, header and tag take of a blob.
const envelopeBytes = 136

// PayloadMax is the length of the longest payload that a class has room for.
func (c SizeClass) PayloadMax() int { return max(0, int(c)-envelopeBytes) }

// EnvelopeKind is what a payload is.
type EnvelopeKind uint8

// What a payload may be.
const (
	// EnvelopePayload: a whole payload.
	EnvelopePayload EnvelopeKind = 0
	// EnvelopeShares: records of shares.
	EnvelopeShares EnvelopeKind = 1
	// EnvelopeJournal: HTLCs since an older state.
	EnvelopeJournal EnvelopeKind = 2
)

// EnvelopeHeader is what an envelope says of its payload.
type EnvelopeHeader struct {
	// Seq is the sequence number, strictly increasing for one node over all its peers.
	Seq uint64
	// CreatedUnixSecs is when it is sealed.
	CreatedUnixSecs uint64
	// BlockHeight is that of the best block then.
	BlockHeight uint32
	// Kind is what the payload is.
	Kind EnvelopeKind
	// Flags are EnvelopeHasRoster and EnvelopeHasSnapshot, or 0.
	Flags uint16
	// Instance is random, made once per database.
	Instance [16]byte
	// SetID is whose shares these are; zero for a whole payload.
	SetID [16]byte
}

// Opened is a blob that was opened. Kind, flags, set id and the reserved number are as found.
type Opened struct {
	// EnvelopeHeader is what the envelope says.
	EnvelopeHeader
	// Reserved is 0 in what this version seals.
	Reserved uint32
	// Payload is what was sealed: DecodeRoster parts it into the content and whom else to ask. Keep it out of
	// logs, and clear it when it was dealt with.
	Payload HostBytes
	// PayloadSHA256 is its hash.
	PayloadSHA256 [32]byte
}

// plainOpened has no methods, so that fmt writes its fields.
type plainOpened Opened

// Format writes the fields, the payload redacted, whatever the verb.
func (o Opened) Format(state fmt.State, verb rune) { formatPlain(state, verb, plainOpened(o)) }

// EnvelopeFault is why a blob does not open.
type EnvelopeFault uint32

// The faults of a blob, the first that holds.
const (
	// EnvelopeTooShort: shorter than an empty envelope.
	EnvelopeTooShort EnvelopeFault = 1
	// EnvelopeAuthFailed: not sealed for this peer with this secret, or changed since.
	EnvelopeAuthFailed EnvelopeFault = 2
	// EnvelopeBadVersion: sealed in a layout that this version does not know.
	EnvelopeBadVersion EnvelopeFault = 3
	// EnvelopeBadLength: the payload is longer than the blob.
	EnvelopeBadLength EnvelopeFault = 4
	// EnvelopeBadChecksum: the payload does not have the stated hash.
	EnvelopeBadChecksum EnvelopeFault = 5
	// EnvelopeBadPadding: the padding is not zero.
	EnvelopeBadPadding EnvelopeFault = 6
)

// String is a name such as "auth_failed", or the number of a fault this version does not know.
func (f EnvelopeFault) String() string {
	return named(uint32(f), "envelope fault", "", "too_short", "auth_failed", "bad_version", "bad_length",
		"bad_checksum", "bad_padding")
}

// EnvelopeFaultOf is the fault that an error of OpenEnvelope tells; 0 for every other error.
func EnvelopeFaultOf(err error) EnvelopeFault { return EnvelopeFault(faultOf(err, StatusBadEnvelope)) }

// OpenEnvelope opens a blob that a peer returned, without a store: what recovery begins with. Nothing is
// concluded from it; with a store, Backup.Retrieval does both. The secret is lent for the call, as for
// Store.OpenBackup; peer is who kept the blob. Safe for concurrent use.
//
// Errors: ErrBadEnvelope, and EnvelopeFaultOf says why; ErrInvalidArgument, ErrNoCgo.
func OpenEnvelope(secret *Secret, peer NodeID, blob []byte) (*Opened, error) {
	return cEnvelopeOpen(secret, &peer, blob)
}

// SealEnvelope seals a payload for a peer, without a store: for tools and tests. Whoever calls it keeps the
// sequence number, durably, before, and never uses one twice; Backup.Seal does that. The secret is lent for
// the call. entropy are 16 random bytes: with equal ones, equal payloads give equal blobs, and nothing worse.
// Safe for concurrent use.
//
// Errors: ErrTooBig when the payload does not fit (SizeClass.PayloadMax); ErrInvalidArgument, also for a
// length that is no size class; ErrNoCgo.
func SealEnvelope(
	secret *Secret, peer NodeID, header EnvelopeHeader, payload []byte, class SizeClass, entropy [16]byte,
) ([]byte, error) {
	return cEnvelopeSeal(secret, &peer, &header, payload, class, &entropy)
}

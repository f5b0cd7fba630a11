package lnkeep

import "fmt"

// SharesMax is the most shares that an object may have.
const SharesMax = 32

// Flags of an EnvelopeHeader.
const (
	// EnvelopeHasRoster: a roster comes after the content. DecodeRoster parts them.
	EnvelopeHasRoster uint16 = 1
	// EnvelopeHasSnapshot, with EnvelopePayload: after the payload comes a snapshot of the HTLCs, and the
	// snapshot's length in four bytes.
	EnvelopeHasSnapshot uint16 = 2
)

// StripeShare is a share of an object.
type StripeShare struct {
	// Index is which, from 0 on.
	Index int
	// Bytes is the share. The first shares are the object itself: keep them out of logs.
	Bytes HostBytes
}

// plainStripeShare has no methods, so that fmt writes its fields.
type plainStripeShare StripeShare

// Format writes the fields, the share redacted, whatever the verb.
func (s StripeShare) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainStripeShare(s))
}

// ShareRecord is a share, and what is said of it.
type ShareRecord struct {
	// StripeShare is the share.
	StripeShare
	// Generation is of which state of the object it is: shares of different ones do not go together.
	Generation uint64
	// DataShares is how many shares restore the object.
	DataShares int
	// Shares is how many were made.
	Shares int
	// ObjectBytes is the length of the object.
	ObjectBytes uint32
	// ObjectSHA256 is its hash: what is restored is the object only if it has this hash.
	ObjectSHA256 [32]byte
}

// plainShareRecord has no methods, so that fmt writes its fields.
type plainShareRecord struct {
	Share        plainStripeShare
	Generation   uint64
	DataShares   int
	Shares       int
	ObjectBytes  uint32
	ObjectSHA256 [32]byte
}

// Format writes the fields, the share redacted, whatever the verb.
func (r ShareRecord) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainShareRecord{
		plainStripeShare(r.StripeShare), r.Generation, r.DataShares, r.Shares, r.ObjectBytes, r.ObjectSHA256,
	})
}

// NoShare is the index of a peer that keeps no share.
const NoShare = -1

// RosterPeer is a peer that may be asked.
type RosterPeer struct {
	// Peer is which.
	Peer NodeID
	// Index is the share that it keeps, or NoShare.
	Index int
	// Address is where it was last reached: an address descriptor of BOLT 7 (type, address, port), or nothing.
	Address []byte
}

// Roster is who keeps the shares of a generation, and other peers that may know.
type Roster struct {
	// Generation is whose shares the indexes speak of.
	Generation uint64
	// Peers are the peers, those to be asked first before others.
	Peers []RosterPeer
}

// ShareFault is why bytes are no records of shares, no roster, or no object.
type ShareFault uint32

// The faults, the first that is met.
const (
	// ShareTruncated: a record, or its share, runs past the end.
	ShareTruncated ShareFault = 1
	// ShareBadCount: neither one record nor two.
	ShareBadCount ShareFault = 2
	// ShareBadParams: no code has these numbers, or no share this index.
	ShareBadParams ShareFault = 3
	// ShareBadReserved: the reserved byte is not zero.
	ShareBadReserved ShareFault = 4
	// ShareBadLength: the share is not as long as code and object say.
	ShareBadLength ShareFault = 5
	// ShareTrailingBytes: bytes after the last record.
	ShareTrailingBytes ShareFault = 6
	// RosterBadFlags: a flag that this version does not know.
	RosterBadFlags ShareFault = 16
	// RosterTruncated: the roster is longer than the payload, or its entries than the roster.
	RosterTruncated ShareFault = 17
	// RosterBadIndex: an index that no share has.
	RosterBadIndex ShareFault = 18
	// RosterTrailingBytes: bytes after the last entry.
	RosterTrailingBytes ShareFault = 19
	// ObjectTruncated: the snapshot is longer than the object that it is in.
	ObjectTruncated ShareFault = 32
)

// shareFaults are the names of faults, without those of the numbers between.
var shareFaults = map[ShareFault]string{
	ShareTruncated: "truncated", ShareBadCount: "bad_count", ShareBadParams: "bad_params",
	ShareBadReserved: "bad_reserved", ShareBadLength: "bad_share_len", ShareTrailingBytes: "trailing_bytes",
	RosterBadFlags: "bad_flags", RosterTruncated: "truncated", RosterBadIndex: "bad_index",
	RosterTrailingBytes: "trailing_bytes", ObjectTruncated: "truncated",
}

// String is a name such as "bad_count", or the number of a fault this version does not know.
func (f ShareFault) String() string {
	if name, known := shareFaults[f]; known {
		return name
	}
	return fmt.Sprintf("share fault %d", uint32(f))
}

// ShareFaultOf is the fault that an error with ErrBadShare tells; 0 for every other error.
func ShareFaultOf(err error) ShareFault { return ShareFault(faultOf(err, StatusBadShare)) }

// SharesHeld is how many different shares there were where an error has ErrNotEnoughShares; 0 for every other
// error.
func SharesHeld(err error) int { return int(faultOf(err, StatusNotEnoughShares)) }

// EncodeStripe makes every share of an object, without a store: for tools and tests. Any dataShares of them
// restore it; nothing in a share is encrypted. Safe for concurrent use.
//
// Errors: ErrTooBig for an object of more than 2,096,992 bytes; ErrInvalidArgument unless
// 1 <= dataShares <= shares <= SharesMax; ErrNoCgo.
func EncodeStripe(dataShares, shares int, object []byte) ([]StripeShare, error) {
	return cStripeEncode(dataShares, shares, object)
}

// DecodeStripe restores an object of objectBytes from some of its shares, in any order, without a store; the
// first share of an index counts. Compare the object's hash with that of a record: the code cannot tell false
// shares from true ones. Safe for concurrent use.
//
// Errors: ErrNotEnoughShares, and SharesHeld says how many there are; ErrTooBig for an object of more than
// 2,096,992 bytes; ErrInvalidArgument, also for an index that no share has, and for a share that is not as long
// as dataShares and objectBytes say; ErrNoCgo.
func DecodeStripe(dataShares, shares, objectBytes int, have []StripeShare) (HostBytes, error) {
	return cStripeDecode(dataShares, shares, objectBytes, have)
}

// DecodeShareRecords reads the records of shares in the content of an envelope with EnvelopeShares: of
// DecodeRoster, after OpenEnvelope. Safe for concurrent use.
//
// Errors: ErrBadShare, and ShareFaultOf says why; ErrNoCgo.
func DecodeShareRecords(content []byte) ([]ShareRecord, error) { return cShareRecordsDecode(content) }

// DecodeRoster parts the payload of an envelope, whose flags are given as they are, into its content and the
// roster; nil where the envelope has none. Safe for concurrent use.
//
// Errors: ErrBadShare, and ShareFaultOf says why; ErrNoCgo.
func DecodeRoster(flags uint16, payload []byte) (content HostBytes, roster *Roster, err error) {
	return cRosterDecode(flags, payload)
}

package lnkeep

import (
	"fmt"
	"io"
	"iter"
	"time"
)

// BackupOptions are choices at the open of a backup. Zero everywhere is the safe choice. They hold until the
// last Backup of the store is closed: opening with others before that is ErrAlreadyOpen.
type BackupOptions struct {
	// SizeClass is the length of the blobs that are sent, whatever they hold; 0 means SizeClass65531 (BOLT 1). A
	// payload that fits into one goes whole to every peer; a longer one is cut into shares (PayloadMax).
	SizeClass SizeClass
	// PeersMax is how many peers something may be known of; 0 means 4,096.
	PeersMax uint32
	// Hold is how long a peer has time to return our blob, in whole milliseconds rounded up; 0 means ten
	// seconds.
	Hold time.Duration
	// ResendInterval is the shortest time between two blobs for one peer that Backup.Tick asks for, in whole
	// milliseconds rounded up; 0 means a minute.
	ResendInterval time.Duration
	// HTLCProfile is which HTLCs are told to peers.
	HTLCProfile HTLCProfile
	// JournalSizeClass is the length of the blobs that journals of HTLCs are sent in; 0 means SizeClass16384.
	JournalSizeClass SizeClass
	// JournalInterval is the time between two journals, spread by a fifth to both sides, in whole milliseconds
	// rounded up; 0 means a minute.
	JournalInterval time.Duration
	// UrgentMsat is the amount from which on an HTLC whose preimage became known, or that expires within 144
	// blocks, does not wait for the next journal; 0 means 10,000,000.
	UrgentMsat uint64
	// DustMsat is the amount below which an HTLC is not worth its sweep, and is left out; 0 means 330,000.
	DustMsat uint64
	// JournalKeepers is how many peers keep journals, and nothing else; 0 means 3.
	JournalKeepers uint32
	// PeerUploadsPerMinute is how many journals a minute one peer is sent; 0 means 1.
	PeerUploadsPerMinute uint32
	// PeerBytesPerDay is how many bytes of journals a day one peer is sent; 0 means 30,000,000.
	PeerBytesPerDay uint64
	// BytesPerDay is how many bytes of journals a day all peers are sent; 0 means 200,000,000.
	BytesPerDay uint64
	// Entropy is where instance and nonces come from, for tests; nil for real randomness.
	Entropy *Secret
}

func (o *BackupOptions) check() *Error {
	if o.Hold < 0 || o.ResendInterval < 0 || o.JournalInterval < 0 {
		return invalid("open backup", "a duration is negative")
	}
	return nil
}

// plainBackupOptions has no methods, so that fmt writes its fields.
type plainBackupOptions BackupOptions

// Format writes the fields, the entropy redacted, whatever the verb.
func (o BackupOptions) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainBackupOptions(o))
}

// HTLCProfile is which HTLCs are told to peers.
type HTLCProfile uint32

// The profiles.
const (
	// HTLCsOnChainOnly: only HTLCs of channels that were closed by force: their outputs are on chain and have to
	// be swept.
	HTLCsOnChainOnly HTLCProfile = 0
	// HTLCsAll: all HTLCs: a restored node also knows what is in a commitment that its peer publishes.
	HTLCsAll HTLCProfile = 1
)

// String is a name such as "onchain_only", or the number of a profile this version does not know.
func (p HTLCProfile) String() string {
	return named(uint32(p), "HTLC profile", "onchain_only", "all_htlcs")
}

// BackupReport is what the open of a backup found.
type BackupReport struct {
	// Peers counts peers that something is known of.
	Peers uint64
	// Damaged counts rows that cannot be read: what those peers hold is not overwritten before they return an
	// authentic blob.
	Damaged uint64
	// Fresh: nothing was ever sent from this database: it is new, or what was known is lost.
	Fresh bool
	// Blocked: a peer showed that this node lost state, and nobody acknowledged it. Nothing may be sent.
	Blocked bool
}

// BackupState is what a peer is believed to hold.
type BackupState uint32

// What a peer may be believed to hold.
const (
	// BackupIdle: nothing was sent, nothing is known.
	BackupIdle BackupState = 0
	// BackupHold: it is connected, and may still return a blob: nothing is sent.
	BackupHold BackupState = 1
	// BackupClear: it has nothing of ours, or may be overwritten.
	BackupClear BackupState = 2
	// BackupSent: it was sent a blob that it did not confirm yet.
	BackupSent BackupState = 3
	// BackupCommitted: it returned the last blob it was sent.
	BackupCommitted BackupState = 4
	// BackupLagging: it returned an older blob, not older than one confirmed: BOLT 1 lets it delay.
	BackupLagging BackupState = 5
	// BackupStale: it returned an older blob than one it had confirmed.
	BackupStale BackupState = 6
	// BackupLost: it returned nothing, though it had confirmed a blob.
	BackupLost BackupState = 7
	// BackupCorrupt: it returned something that does not open, though it was sent a blob.
	BackupCorrupt BackupState = 8
	// BackupUnconfirmed: it returned nothing and never confirmed a blob.
	BackupUnconfirmed BackupState = 9
	// BackupAhead: it returned a blob of ours that we know nothing of: we lost state.
	BackupAhead BackupState = 10
	// BackupUnreadable: it holds something that we cannot read and did not send, which is never overwritten.
	BackupUnreadable BackupState = 11
	// BackupUnsupported: it offers no storage.
	BackupUnsupported BackupState = 12
)

// String is a name such as "committed", or the number of a state this version does not know.
func (s BackupState) String() string {
	return named(uint32(s), "backup state", "idle", "hold", "clear", "sent", "committed", "lagging", "stale",
		"lost", "corrupt", "unconfirmed", "ahead", "unreadable", "unsupported")
}

// BackupAction is what is asked of the host about a peer.
type BackupAction uint32

// What may be asked.
const (
	// ActionNone: nothing.
	ActionNone BackupAction = 0
	// ActionFirstSendAllowed: the first blob may be sent.
	ActionFirstSendAllowed BackupAction = 1
	// ActionResend: the newest blob should be sent; Backup.Tick says when.
	ActionResend BackupAction = 2
	// ActionAlertUnreadable: keep what the peer returned, and ask the operator. It may be a backup of other
	// software, or of a former installation.
	ActionAlertUnreadable BackupAction = 3
	// ActionAlertStateLoss: this node lost state that the peer still has: recover before channel_reestablish is
	// answered.
	ActionAlertStateLoss BackupAction = 4
	// ActionSend: seal a blob for this peer now (Backup.Seal) and send it.
	ActionSend BackupAction = 5
)

// String is a name such as "resend", or the number of an action this version does not know.
func (a BackupAction) String() string {
	return named(uint32(a), "backup action", "none", "first_send_allowed", "resend", "alert_unreadable",
		"alert_state_loss", "send")
}

// Concluded is what follows from what a peer returned, or from its silence.
type Concluded struct {
	// State is what the peer is believed to hold now.
	State BackupState
	// Action is what is asked of the host.
	Action BackupAction
	// Failure is why the conclusion could not be made durable, such as ErrNoSpace; nil when that was not
	// tried or went well. It holds until the store is closed.
	Failure error
}

// Sealed is a blob to hand to a peer.
type Sealed struct {
	// Blob is what peer_storage carries, of exactly the size class that this peer is sent.
	Blob []byte
	// Seq is its sequence number, durable before the blob was given.
	Seq uint64
}

// Format writes number and length, whatever the verb: no log is the place for a blob.
func (s Sealed) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, fmt.Sprintf("Sealed(seq %d, blob of %d bytes)", s.Seq, len(s.Blob)))
}

// PeerAction is something to do about a peer.
type PeerAction struct {
	// Peer is which.
	Peer NodeID
	// State is what it is believed to hold.
	State BackupState
	// Action is what is asked of the host.
	Action BackupAction
}

// BackupTick is what a tick of a backup found.
type BackupTick struct {
	// Actions are about peers that returned nothing in time, then about peers that are due for a blob.
	Actions []PeerAction
	// NextDue is when the next tick has something to do; the zero time when it has nothing.
	NextDue time.Time
	// Failure is why the first conclusion that could not be made durable was not; nil without one.
	Failure error
}

// BackupCopy is how a peer's copy stands to the payload of now.
type BackupCopy uint32

// How a copy may stand.
const (
	// CopyNone: the peer holds nothing of ours, or something older.
	CopyNone BackupCopy = 0
	// CopyUnconfirmed: the peer was sent this payload and did not return it yet.
	CopyUnconfirmed BackupCopy = 1
	// CopyConfirmed: the peer returned this payload.
	CopyConfirmed BackupCopy = 2
)

// String is a name such as "confirmed", or the number of one this version does not know.
func (c BackupCopy) String() string {
	return named(uint32(c), "copy", "none", "unconfirmed", "confirmed")
}

// BackupContent is what a blob of ours carried.
type BackupContent uint32

// What a blob may carry.
const (
	// ContentNothing: nothing, or nothing that is known.
	ContentNothing BackupContent = 0
	// ContentWhole: the whole payload.
	ContentWhole BackupContent = 1
	// ContentShare: a share of the payload.
	ContentShare BackupContent = 2
	// ContentTwoShares: a share of the payload, and one of an older one that is known to be restorable.
	ContentTwoShares BackupContent = 3
	// ContentJournal: HTLCs since an older state.
	ContentJournal BackupContent = 4
	// ContentRoster: only whom else to ask.
	ContentRoster BackupContent = 5
)

// String is a name such as "two_shares", or the number of one this version does not know.
func (c BackupContent) String() string {
	return named(uint32(c), "content", "nothing", "whole", "share", "two_shares", "journal", "roster")
}

// BackupPeer is what is known of a peer.
type BackupPeer struct {
	// Peer is which.
	Peer NodeID
	// State is what it is believed to hold.
	State BackupState
	// SentSeq is the sequence number of the last blob sent to it, 0 for none.
	SentSeq uint64
	// CommittedSeq is the greatest sequence number it confirmed, 0 for none.
	CommittedSeq uint64
	// Strikes counts how often it lost, rolled back or damaged a blob.
	Strikes uint32
	// RecentStrikes is how many of the last three of these are less than 30 days old: with three it should be
	// replaced.
	RecentStrikes uint32
	// Protected: it holds what we cannot read and did not send.
	Protected bool
	// Connected: it is connected.
	Connected bool
	// OffersStorage: it offered storage when it connected last.
	OffersStorage bool
	// Copy is how its copy stands to the payload of now.
	Copy BackupCopy
	// SizeClass is the length of the blobs it is sent: SizeClass1024 once it twice did not keep longer ones.
	SizeClass SizeClass
	// Sent is the host's time when it was last sent a blob; the zero time for never.
	Sent time.Time
	// SentContent is what that blob carried.
	SentContent BackupContent
	// HeldContent is what the last blob that it returned carried.
	HeldContent BackupContent
	// ShareIndex is which share it keeps of a payload that is longer than a blob, or NoShare.
	ShareIndex int
	// KeepsJournal: it keeps journals of HTLCs, and nothing else.
	KeepsJournal bool
	// HasFacts: the host told facts of it (Backup.SetFacts), and ScorePPM is known.
	HasFacts bool
	// ScorePPM is how good a keeper it is, in parts per million; 0 without HasFacts.
	ScorePPM uint32
}

// BackupStanding is where a backup stands.
type BackupStanding struct {
	// Instance is random, made once per database.
	Instance [16]byte
	// NextSeq is the sequence number of the next blob. Until the first after an adoption it moves with the
	// host's time.
	NextSeq uint64
	// PayloadBytes is the length of the payload, 0 without one.
	PayloadBytes uint64
	// Peers counts peers that something is known of.
	Peers uint64
	// ConfirmedCopies counts peers that returned the payload of now.
	ConfirmedCopies uint64
	// UnconfirmedCopies counts peers that were sent it and did not return it yet.
	UnconfirmedCopies uint64
	// Fresh: nothing was ever sent from this database.
	Fresh bool
	// Blocked: a peer showed that this node lost state, and nobody acknowledged it. Nothing may be sent.
	Blocked bool
	// Cut: the payload is longer than a blob, and is cut into shares.
	Cut bool
	// NeededPeers is how many suitable peers the payload needs, when there are too few; else 0. Nothing of it is
	// sent then.
	NeededPeers uint32
	// Generation is what peers are sent: the number of the first blob that carried it, 0 before one did.
	Generation uint64
	// BaseGeneration is the newest older one that is known to be restorable, and goes along; 0 without one.
	BaseGeneration uint64
	// DataShares is how many shares restore Generation: 1 when it goes whole, 0 before one was sealed.
	DataShares uint32
	// Shares is how many shares there are of it: 1 when it goes whole, 0 before one was sealed.
	Shares uint32
	// Placed counts peers that have a place for a share.
	Placed uint32
	// ConfirmedShares counts distinct shares of Generation that came back and were not replaced since.
	ConfirmedShares uint32
	// SentShares counts distinct shares of Generation that were sent and not replaced since.
	SentShares uint32
	// JournalKeepers counts peers that keep journals of HTLCs.
	JournalKeepers uint32
	// CoveredHTLCs counts HTLCs that the last journal told, 0 before one was sealed.
	CoveredHTLCs uint32
	// UncoveredHTLCs counts HTLCs worth their sweep that it had no room for.
	UncoveredHTLCs uint32
	// UncoveredMsat is the sum of their amounts, in millisatoshi.
	UncoveredMsat uint64
}

// Peers gives what is known of peers, in the order of their ids. An error is given last.
func (b *Backup) Peers() iter.Seq2[BackupPeer, error] {
	return pages(b.peersAfter, func(peer *BackupPeer) *NodeID { return &peer.Peer })
}

func (b *Backup) peersAfter(after *NodeID) ([]BackupPeer, error) {
	if err := b.handle.refuse("peers"); err != nil {
		return nil, err
	}
	return cBackupList(b.handle.bits, after, peersPage)
}

// Standing tells how many peers hold the payload of now, or shares of it, and whether anything may be sent.
func (b *Backup) Standing() (BackupStanding, error) {
	if err := b.handle.refuse("standing"); err != nil {
		return BackupStanding{}, err
	}
	return cBackupStanding(b.handle.bits)
}

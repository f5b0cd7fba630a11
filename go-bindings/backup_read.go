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
	// SizeClass is the length of the blobs that are sent, whatever they hold; 0 means SizeClass65531 (BOLT 1).
	SizeClass SizeClass
	// PeersMax is how many peers something may be known of; 0 means 4,096.
	PeersMax uint32
	// Hold is how long a peer has time to return our blob, in whole milliseconds rounded up; 0 means ten
	// seconds.
	Hold time.Duration
	// ResendInterval is the shortest time between two blobs for one peer that Backup.Tick asks for, in whole
	// milliseconds rounded up; 0 means a minute.
	ResendInterval time.Duration
	// Entropy is where instance and nonces come from, for tests; nil for real randomness.
	Entropy *Secret
}

func (o *BackupOptions) check() *Error {
	if o.Hold < 0 || o.ResendInterval < 0 {
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
	// Blob is what peer_storage carries, of exactly the size class.
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
}

// BackupStanding is where a backup stands.
type BackupStanding struct {
	// Instance is random, made once per database.
	Instance [16]byte
	// NextSeq is the sequence number of the next blob.
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

// Standing tells how many peers hold the payload of now, and whether anything may be sent.
func (b *Backup) Standing() (BackupStanding, error) {
	if err := b.handle.refuse("standing"); err != nil {
		return BackupStanding{}, err
	}
	return cBackupStanding(b.handle.bits)
}

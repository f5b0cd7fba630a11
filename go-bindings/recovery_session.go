package lnkeep

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// RecoverySession collects what peers keep of a node that has only its secret. It needs no store. Ask the
// peers that NextPeer names, one at a time, and Feed what they return, in any order and any number of times;
// what comes out is for closing and sweeping only. Safe for concurrent use. Close it.
type RecoverySession struct {
	handle *recoveryHandle
	alarm  runtime.Cleanup
}

// recoveryHandle is apart from RecoverySession, so that a forgotten session is noticed.
type recoveryHandle struct {
	bits   uint64
	closed atomic.Bool
	once   sync.Once
	result error
}

// RecoveryOptions are choices for a recovery; the zero value is good.
type RecoveryOptions struct {
	// Deadline, if set: from then on nobody is waited for, and a newest generation that is complete is final.
	Deadline time.Time
	// Answer is the time that a peer has to be reached; 0 means a minute.
	Answer time.Duration
	// Blob is the time that a connected peer has to return a blob; 0 means ten seconds.
	Blob time.Duration
	// CandidatesMax is how many peers may be known; 0 means 10,000, which is also the most.
	CandidatesMax uint32
}

// Candidate is a peer that may keep something of ours.
type Candidate struct {
	// Peer is its node id.
	Peer NodeID
	// Announced: the public graph shows a channel with it.
	Announced bool
	// Address is an address descriptor of BOLT 7 (type, address, port), at most 255 bytes; nil if none is known.
	Address []byte
}

// NextKind is what to do next.
type NextKind uint32

// What may be done next.
const (
	// NextNone: there is nobody left to ask.
	NextNone NextKind = 0
	// NextAsk: connect to this peer and report.
	NextAsk NextKind = 1
	// NextWait: nothing before the time given.
	NextWait NextKind = 2
)

// String is a name such as "ask", or the number of one this version does not know.
func (k NextKind) String() string { return named(uint32(k), "next", "none", "ask", "wait") }

// NextPeer is what to do next in a recovery.
type NextPeer struct {
	// Kind is what to do.
	Kind NextKind
	// Peer is whom to ask, with NextAsk.
	Peer NodeID
	// Address is where it may be found, with NextAsk: a descriptor of BOLT 7; nil if none is known.
	Address []byte
	// Until is when to ask again, with NextWait.
	Until time.Time
}

// PeerResult is what the host found out about a peer.
type PeerResult uint32

// What may be found out.
const (
	// PeerConnected: its blob may follow.
	PeerConnected PeerResult = 0
	// PeerFailed: it could not be reached, or the connection ended before it answered.
	PeerFailed PeerResult = 1
	// PeerNoStorage: it offers no storage.
	PeerNoStorage PeerResult = 2
	// PeerNoBlob: it began channel_reestablish, or let its time pass, without a blob.
	PeerNoBlob PeerResult = 3
)

// String is a name such as "no_blob", or the number of one this version does not know.
func (r PeerResult) String() string {
	return named(uint32(r), "peer result", "connected", "failed", "no_storage", "no_blob")
}

// FedOutcome is what a blob brought.
type FedOutcome uint32

// What a blob may bring.
const (
	// FedAccepted: something that was missing: a share, a payload, a journal or a roster.
	FedAccepted FedOutcome = 0
	// FedDuplicate: nothing that was not there.
	FedDuplicate FedOutcome = 1
	// FedOld: only generations below one that can be restored already, or below all that is kept of this peer.
	FedOld FedOutcome = 2
	// FedInconsistent: it is ours and contradicts what came first of its generation.
	FedInconsistent FedOutcome = 3
	// FedUnreadable: it does not open; the fault is an EnvelopeFault.
	FedUnreadable FedOutcome = 4
	// FedBadShare: it is ours, and its shares, roster or object are malformed.
	FedBadShare FedOutcome = 5
	// FedBadJournal: it is ours, and its journal is malformed.
	FedBadJournal FedOutcome = 6
	// FedUnknownKind: it is ours, of a kind that this version does not know; the fault is the kind.
	FedUnknownKind FedOutcome = 7
	// FedForeign: it is a backup of other software, which a key of SetForeignKeys opens; the fault is the
	// Software. Open it with the function of that, and keep it.
	FedForeign FedOutcome = 8
)

// Software is what a backup may have been made by.
type Software uint32

// Software whose backups can be opened.
const (
	SoftwareLDK          Software = 1
	SoftwareCLN          Software = 2
	SoftwareLightningKMP Software = 3
	SoftwareLND          Software = 4
)

// String is a name such as "ldk", or the number of one this version does not know.
func (s Software) String() string {
	return named(uint32(s), "software", "none", "ldk", "cln", "lightning_kmp", "lnd")
}

// ForeignKeys are keys of software that a node ran before; those that are nil are not tried.
type ForeignKeys struct {
	// LDK is what LDKKey gives.
	LDK *Secret
	// CLN is what CLNKey gives.
	CLN *Secret
	// LightningKMP is the private key of the node.
	LightningKMP *Secret
	// LND is what LNDKey gives.
	LND *Secret
}

// String shows nothing.
func (ForeignKeys) String() string { return "ForeignKeys(..)" }

// GoString shows nothing.
func (ForeignKeys) GoString() string { return "ForeignKeys(..)" }

// String is a name such as "accepted", or the number of one this version does not know.
func (o FedOutcome) String() string {
	return named(uint32(o), "fed", "accepted", "duplicate", "old", "inconsistent", "unreadable", "bad_share",
		"bad_journal", "unknown_kind", "foreign")
}

// Fed is what a blob brought, with the number of its fault, 0 without one.
type Fed struct {
	// Outcome is what it brought.
	Outcome FedOutcome
	// Fault is why it brought nothing.
	Fault uint32
}

// RecoveryStatus is how far a recovery is.
type RecoveryStatus uint32

// How far a recovery may be.
const (
	// RecoveryEmpty: no share was found.
	RecoveryEmpty RecoveryStatus = 0
	// RecoveryCollecting: no generation can be restored.
	RecoveryCollecting RecoveryStatus = 1
	// RecoveryCompleteOlder: one can be restored, and a newer one is known of.
	RecoveryCompleteOlder RecoveryStatus = 2
	// RecoveryComplete: the newest generation known of can be restored.
	RecoveryComplete RecoveryStatus = 3
	// RecoveryCompleteFinal: so it can, and everybody known has answered, failed three times, or had the time.
	RecoveryCompleteFinal RecoveryStatus = 4
)

// String is a name such as "complete_older", or the number of one this version does not know.
func (s RecoveryStatus) String() string {
	return named(uint32(s), "recovery status", "empty", "collecting", "complete_older", "complete",
		"complete_final")
}

// SetProgress is what was gathered of one generation.
type SetProgress struct {
	// SetID is of which object; zero for whole payloads.
	SetID [16]byte
	// Generation is which version of it.
	Generation uint64
	// Have counts distinct shares found; Need restore it, of Shares that were made.
	Have, Need, Shares uint32
}

// RecoveryProgress is how far a recovery is, in numbers.
type RecoveryProgress struct {
	// Status is it in one word.
	Status RecoveryStatus
	// Best is the greatest generation that can be restored; nil without one.
	Best *uint64
	// NewestSeen is the greatest generation known of; nil without one.
	NewestSeen *uint64
	// Sets are the generations that a share was found of, the highest first.
	Sets []SetProgress
	// PeersKnown are all candidates.
	PeersKnown uint32
	// PeersAsked are those that were asked, or reported of.
	PeersAsked uint32
	// PeersAnswered are those that answered, whatever they said.
	PeersAnswered uint32
	// PeersPending are those whose answer is awaited.
	PeersPending uint32
	// PeersUnreachable are those that failed three times and did not answer.
	PeersUnreachable uint32
	// PeersWithBlob are those that returned a blob of ours.
	PeersWithBlob uint32
	// PeersUnreadable are those that returned something that does not open.
	PeersUnreadable uint32
	// Blobs are the blobs that are kept.
	Blobs uint32
}

// Recovered is a payload that was restored: for closing and sweeping only. Peers may hold later states, and a
// channel that goes on from an earlier state than its peer's is lost to a penalty.
type Recovered struct {
	// Payload is what the host gave. Keep it out of logs, and clear it when it was dealt with.
	Payload HostBytes
	// Generation is which version of it.
	Generation uint64
	// CreatedUnixSecs is when the oldest of the blobs that bring it was sealed.
	CreatedUnixSecs uint64
	// BlockHeight is that of the best block then.
	BlockHeight uint32
	// Status says how sure it is that there is no newer one.
	Status RecoveryStatus
	// CloseAndSweepOnly is always true.
	CloseAndSweepOnly bool
	// SetID is of which object; zero for a whole payload.
	SetID [16]byte
}

// plainRecovered has no methods, so that fmt writes its fields.
type plainRecovered Recovered

// Format writes the fields, the payload redacted, whatever the verb.
func (r Recovered) Format(state fmt.State, verb rune) { formatPlain(state, verb, plainRecovered(r)) }

// RecoveredHTLCs are HTLCs as they were when the last thing was sent that is left of them.
type RecoveredHTLCs struct {
	// HTLCs are in the order of channel and direction.
	HTLCs []BackupHTLC
	// Points are the per-commitment points of channels.
	Points map[ChannelID][33]byte
	// Base is the generation whose snapshot they begin with; nil if the journal is complete by itself.
	Base *uint64
	// JournalSeq is the number of the journal; nil if there is only the snapshot.
	JournalSeq *uint64
	// CreatedUnixSecs is when the journal, or without one the snapshot, was sealed.
	CreatedUnixSecs uint64
	// BlockHeight is that of the best block then.
	BlockHeight uint32
	// UncoveredCount is how many HTLCs were worth their sweep and did not fit into the journal.
	UncoveredCount uint32
	// UncoveredMsat is their amount.
	UncoveredMsat uint64
	// Newest: no newer journal and no newer snapshot is known of.
	Newest bool
}

// BeginRecovery begins with nothing but the secret that the lost node gave its backup, which is lent for the
// call.
//
// Errors: ErrInvalidArgument, ErrBusy, ErrNoCgo.
func BeginRecovery(secret *Secret, options RecoveryOptions) (*RecoverySession, error) {
	return openRecovery(func(deadlineMs uint64) (uint64, error) {
		return cRecoveryBegin(secret, &options, deadlineMs)
	}, &options)
}

// ResumeRecovery goes on with what Export saved: it answers as the session that was saved would.
//
// Errors: ErrInvalidArgument for bytes that are no export, damaged, or of another secret; ErrUnsupported for an
// export of a later version; ErrTooBig for more candidates than the options allow; ErrBusy, ErrNoCgo.
func ResumeRecovery(secret *Secret, options RecoveryOptions, saved []byte) (*RecoverySession, error) {
	return openRecovery(func(deadlineMs uint64) (uint64, error) {
		return cRecoveryResume(secret, &options, deadlineMs, saved)
	}, &options)
}

func openRecovery(open func(uint64) (uint64, error), options *RecoveryOptions) (*RecoverySession, error) {
	const op = "begin recovery"
	if options.Answer < 0 || options.Blob < 0 {
		return nil, invalid(op, "a duration is negative")
	}
	var deadlineMs uint64
	if !options.Deadline.IsZero() {
		var err error
		if deadlineMs, err = hostTime(op, options.Deadline); err != nil {
			return nil, err
		}
	}
	bits, err := open(deadlineMs)
	if err != nil {
		return nil, err
	}
	r := &RecoverySession{handle: &recoveryHandle{bits: bits}}
	r.alarm = setAlarm(r, new(core), 3, "RecoverySession", "recovery")
	return r, nil
}

// Close ends the session; what was not exported is lost. Calling it again gives the same answer and does
// nothing else.
func (r *RecoverySession) Close() error {
	h := r.handle
	r.alarm.Stop()
	h.once.Do(func() {
		h.closed.Store(true)
		h.result = cRecoveryClose(h.bits)
	})
	return h.result
}

// IsOpen reports whether the session is open; another goroutine may close it right after.
func (r *RecoverySession) IsOpen() bool {
	return !r.handle.closed.Load() && cRecoveryIsOpen(r.handle.bits)
}

func (r *RecoverySession) refuse(op string) error {
	if r.handle.closed.Load() {
		return closed(op, "recovery session")
	}
	return nil
}

// AddCandidates adds peers that may keep something of ours. One that is known already keeps its state.
//
// Errors: ErrTooBig, and none is added, when they are more than the options allow; ErrInvalidArgument.
func (r *RecoverySession) AddCandidates(candidates []Candidate) error {
	const op = "add candidates"
	if err := r.refuse(op); err != nil {
		return err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryAddCandidates(r.handle.bits, candidates)
}

// NextPeer says whom to ask next: holders that a roster names first, then announced neighbours, then the
// rest; one at a time.
func (r *RecoverySession) NextPeer(now time.Time) (NextPeer, error) {
	const op = "next peer"
	nowMs, err := r.time(op, now)
	if err != nil {
		return NextPeer{}, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryNextPeer(r.handle.bits, nowMs)
}

func (r *RecoverySession) time(op string, now time.Time) (uint64, error) {
	if err := r.refuse(op); err != nil {
		return 0, err
	}
	return hostTime(op, now)
}

// PeerResult takes what the host found out about a peer, asked for or not.
func (r *RecoverySession) PeerResult(now time.Time, peer NodeID, result PeerResult) error {
	nowMs, err := r.time("peer result", now)
	if err != nil {
		return err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryPeerResult(r.handle.bits, nowMs, &peer, result)
}

// SetForeignKeys gives keys of software that the node ran before, instead of those given before: Feed says
// FedForeign of what one of them opens. They are not exported: give them again after ResumeRecovery.
//
// Errors: none but those of every call.
func (r *RecoverySession) SetForeignKeys(keys ForeignKeys) error {
	if err := r.refuse("set foreign keys"); err != nil {
		return err
	}
	defer runtime.KeepAlive(r)
	return cRecoverySetForeignKeys(r.handle.bits, &keys)
}

// Feed takes what a peer returned. Whatever the blob is, it is no error: Fed says what it brought.
//
// Errors: ErrTooBig for what no message can carry.
func (r *RecoverySession) Feed(peer NodeID, blob []byte) (Fed, error) {
	if err := r.refuse("feed"); err != nil {
		return Fed{}, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryFeed(r.handle.bits, &peer, blob)
}

// Progress says how far the recovery is.
func (r *RecoverySession) Progress(now time.Time) (RecoveryProgress, error) {
	nowMs, err := r.time("progress", now)
	if err != nil {
		return RecoveryProgress{}, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryProgress(r.handle.bits, nowMs)
}

// Payload gives the greatest generation that can be restored, for closing and sweeping only. With
// acceptsOlder, also one that a newer one is known of.
//
// Errors: ErrNotEnoughShares; ErrBadShare when the shares do not give what they name.
func (r *RecoverySession) Payload(acceptsOlder bool) (*Recovered, error) {
	if err := r.refuse("payload"); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryPayload(r.handle.bits, acceptsOlder)
}

// HTLCs gives the newest HTLCs that can be made of what peers returned.
//
// Errors: ErrNotEnoughShares when nothing can be restored; ErrNotFound when no HTLCs were backed up;
// ErrBadShare as for Payload.
func (r *RecoverySession) HTLCs() (*RecoveredHTLCs, error) {
	if err := r.refuse("htlcs"); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryHTLCs(r.handle.bits)
}

// Export gives the session as bytes, for ResumeRecovery after a restart: sealed blobs as they came, and where
// each candidate stands.
func (r *RecoverySession) Export() ([]byte, error) {
	if err := r.refuse("export"); err != nil {
		return nil, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryExport(r.handle.bits)
}

// Finish says with which sequence number the node goes on. Only after this may anything be sent, and then it
// overwrites what peers keep: so it is refused while the newest generation is incomplete, unless that is
// accepted.
//
// Errors: ErrNotEnoughShares; ErrTooBig when no numbers are left.
func (r *RecoverySession) Finish(acceptsIncomplete bool) (seqFloor uint64, err error) {
	if err := r.refuse("finish"); err != nil {
		return 0, err
	}
	defer runtime.KeepAlive(r)
	return cRecoveryFinish(r.handle.bits, acceptsIncomplete)
}

package lnkeep

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"
)

// PeerFacts is what a host knows of a peer that it has a channel with.
type PeerFacts struct {
	// CapacitySat is the capacity of all open channels with it.
	CapacitySat uint64
	// ChannelAge is the age of the oldest of them, in whole seconds rounded down.
	ChannelAge time.Duration
	// OpenChannel: there is an open channel with it.
	OpenChannel bool
	// Closing: the last channel with it is being closed, by force or not.
	Closing bool
	// Announced: a channel with it is announced, so that a node that lost its data finds it in the public graph.
	Announced bool
	// Operator is who runs it, nil if not known: any number, equal for peers of one operator. While there are
	// peers enough, no two of one operator keep shares of one payload.
	Operator *uint64
	// Software is the class of its software, as the host guesses it; 0 if not known. While there are peers
	// enough, not more than half of the shares lie with one class.
	Software uint8
	// Address is its address descriptor (BOLT 7, as in node_announcement: type, address, port), which is told to
	// the other peers, encrypted; empty if not known. One of more than 255 bytes is not told.
	Address []byte
	// Latency is the round trip of a ping, in whole milliseconds rounded up; 0 if not known.
	Latency time.Duration
}

// latencyMax is the longest that the library takes.
const latencyMax = math.MaxUint32 * time.Millisecond

func (f *PeerFacts) check() *Error {
	if f == nil {
		return nil
	}
	if f.ChannelAge < 0 || f.Latency < 0 {
		return invalid("set facts", "a duration is negative")
	}
	if f.Latency > latencyMax {
		return invalid("set facts", "the latency is longer than 4,294,967,295 milliseconds")
	}
	return nil
}

// Format writes what is no secret, whatever the verb: whom a node has channels with, and how large, belongs
// into no log.
func (f PeerFacts) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "PeerFacts(open channel %t, closing %t, announced %t, address of %d bytes)",
		f.OpenChannel, f.Closing, f.Announced, len(f.Address))
}

// HTLCKey names an HTLC: the two ends of a channel count theirs apart (BOLT 2).
type HTLCKey struct {
	// ChannelID is its channel.
	ChannelID ChannelID
	// Incoming: the peer offered it.
	Incoming bool
	// HTLCID is the id of update_add_htlc.
	HTLCID uint64
}

// BackupHTLC is an HTLC as a sweep needs it. Printing it, in any format and inside other values, shows its
// names alone.
type BackupHTLC struct {
	// HTLCKey names it.
	HTLCKey
	// PaymentHash is the SHA-256 of the preimage.
	PaymentHash PaymentHash
	// AmountMsat is its amount, in millisatoshi.
	AmountMsat uint64
	// CLTVExpiry is the block height of its expiry.
	CLTVExpiry uint32
	// Preimage is nil while it is not known. One that was told stays: nil takes nothing back.
	Preimage *Preimage
	// OutputIndex is its output in the commitment that is on chain, nil if not known.
	OutputIndex *uint32
}

// Format writes the name and whether the preimage is known, whatever the verb.
func (h BackupHTLC) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, fmt.Sprintf("BackupHTLC(%d of channel %v, incoming %t, preimage known %t)",
		h.HTLCID, h.ChannelID, h.Incoming, h.Preimage != nil))
}

// PayloadMax is the length of the longest payload with blobs of a class: one that goes whole to every peer,
// and one that is cut into shares, 31 of 32 at most. Safe for concurrent use.
//
// Errors: ErrInvalidArgument for a length that is no size class; ErrNoCgo.
func PayloadMax(class SizeClass) (whole, cut int, err error) { return cBackupPayloadMax(class) }

// SetFacts tells what the host knows of a peer that it has a channel with; nil when it has none with it any
// more. Shares of a payload that is longer than a blob, journals of HTLCs, and the list of whom else to ask
// go only to peers of which this was told: tell it after each open, and when it changes. The address is
// copied. It may wait for a call about the same peer. Durable is how much of the time the peer is connected,
// once an hour; facts are not.
//
// Errors: ErrQuotaPeers when something is known of too many peers; ErrInvalidArgument, also for a duration
// that is negative.
func (b *Backup) SetFacts(now time.Time, peer NodeID, facts *PeerFacts) error {
	nowMs, err := hostTime("set facts", now)
	if err != nil {
		return err
	}
	if err := facts.check(); err != nil {
		return err
	}
	return b.handle.durable(context.Background(), "set facts", func() error {
		return cBackupSetFacts(b.handle.bits, nowMs, &peer, facts)
	})
}

// SetHTLC tells an HTLC, or what became known of it: a preimage, its output. Which HTLCs are told to peers is
// BackupOptions.HTLCProfile. Journals begin with the first one. It is kept in memory only: tell all that are
// pending again after each open.
//
// Errors: ErrBusy when there are too many; ErrInvalidArgument, also for a preimage of another payment hash.
func (b *Backup) SetHTLC(now time.Time, htlc BackupHTLC) error {
	nowMs, err := hostTime("set HTLC", now)
	if err != nil {
		return err
	}
	if err := b.handle.refuse("set HTLC"); err != nil {
		return err
	}
	return cBackupSetHTLC(b.handle.bits, nowMs, &htlc)
}

// RemoveHTLC tells that an HTLC is in neither commitment any more, irrevocably: both sides revoked the
// commitments that had it. Do not call it earlier, for either may be the one that is published. It answers
// whether the HTLC was known.
func (b *Backup) RemoveHTLC(key HTLCKey) (known bool, err error) {
	if err := b.handle.refuse("remove HTLC"); err != nil {
		return false, err
	}
	return cBackupRemoveHTLC(b.handle.bits, &key)
}

// SetCommitmentPoint tells the per-commitment point of the peer's newest commitment of a channel, which
// sweeping needs. It is kept in memory only.
//
// Errors: ErrBusy when there are too many channels.
func (b *Backup) SetCommitmentPoint(channel ChannelID, point [33]byte) error {
	if err := b.handle.refuse("set commitment point"); err != nil {
		return err
	}
	return cBackupSetCommitmentPoint(b.handle.bits, &channel, &point)
}

// ChannelForceClosed tells that a commitment of a channel is on chain, or on its way there: its HTLCs do not
// wait for the next journal. It is kept in memory only: tell it again after each open, until ChannelResolved.
//
// Errors: ErrBusy when there are too many channels.
func (b *Backup) ChannelForceClosed(channel ChannelID) error {
	if err := b.handle.refuse("channel force closed"); err != nil {
		return err
	}
	return cBackupChannelForceClosed(b.handle.bits, &channel)
}

// ChannelResolved tells that nothing of a channel is left to sweep: its HTLCs and its point are forgotten. It
// answers whether anything was known of it.
func (b *Backup) ChannelResolved(channel ChannelID) (known bool, err error) {
	if err := b.handle.refuse("channel resolved"); err != nil {
		return false, err
	}
	return cBackupChannelResolved(b.handle.bits, &channel)
}

// BlockConnected tells the height of the best block: an HTLC that expires within 144 blocks does not wait for
// its journal. 0 changes nothing.
func (b *Backup) BlockConnected(blockHeight uint32) error {
	if err := b.handle.refuse("block connected"); err != nil {
		return err
	}
	return cBackupBlockConnected(b.handle.bits, blockHeight)
}

// Adopt says that what a recovery found was taken over: sending is allowed, numbers go on above seqFloor, and
// what peers still hold of the former database up to there is no state loss any more. seqFloor is what
// RecoverySession.Finish gave. The number of the first blob after it is at least the host's Unix milliseconds
// times 2^14, so that what a peer hid from the recovery lies below. Already when nothing changed. Durable when the error is nil.
//
// Errors: ErrInvalidArgument for a floor above 2^63, which no recovery gives; ErrNoSpace, ErrBusy,
// ErrCanceled: nothing was changed; ErrUnknown.
func (b *Backup) Adopt(ctx context.Context, seqFloor uint64) (outcome Outcome, err error) {
	err = b.handle.durable(ctx, "adopt", func() (err error) {
		outcome, err = cBackupAdopt(b.handle.bits, seqFloor)
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

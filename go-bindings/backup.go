package lnkeep

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Backup keeps a node's own data at its peers (BOLT 1 option_provide_storage, the other end): sealed, for
// each peer under keys of its own, so that a node that lost its disk finds it there. It tells which peers
// hold what, and, before a channel goes on from an older state, that this node is the one that lost state.
// It is safe for concurrent use. After Close, also of the store, its methods answer ErrClosed.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A call under way is waited for, whatever becomes of the
// context. Every call may answer ErrInvalidArgument, ErrClosed and ErrPoisoned.
//
// Times are the host's, to the millisecond. One that is earlier than that of a call before is taken for
// that of the call before; one before 1970 is ErrInvalidArgument.
type Backup struct {
	handle *backupHandle
	alarm  runtime.Cleanup
}

// backupHandle is what the store holds of an open Backup. Each has a handle of its own, so that the library
// decides which close is the last one.
type backupHandle struct {
	core   *core
	bits   uint64
	closed atomic.Bool
	once   sync.Once
	result error
}

// OpenBackup opens the backup of the store: what is known of each peer is as it was, and all count as
// disconnected. While it is open, opening it again with the same secret and equal options gives another value
// on the same. nil options are the safe defaults. Close it.
//
// The secret is one that can be derived from the node's seed alone, and is used for nothing else. It is lent
// for the call: the package makes no copy of it. Clear yours after the call: clear(secret[:]).
//
// Errors: ErrWrongMode with another secret than the store's backup was made with; ErrAlreadyOpen when it is
// open with other options; ErrIO without random numbers; ErrUnsupported, ErrNoSpace, ErrBusy, ErrUnknown. A
// damaged row is no error: the report counts it.
func (s *Store) OpenBackup(secret *Secret, options *BackupOptions) (*Backup, BackupReport, error) {
	if options == nil {
		options = &BackupOptions{}
	}
	if err := options.check(); err != nil {
		return nil, BackupReport{}, err
	}
	h := &backupHandle{core: s.core}
	var report BackupReport
	err := s.core.child("open backup", func() (err error) {
		if h.bits, report, err = cBackupOpen(s.core.handle, secret, options); err == nil {
			s.core.backups[h] = struct{}{}
		}
		return err
	})
	if err != nil {
		return nil, BackupReport{}, err
	}
	b := &Backup{handle: h}
	b.alarm = setAlarm(b, s.core, 2, "Backup", "backup")
	return b, report, nil
}

// Close ends the use of this value; with the last one open the library clears payload and keys. Calling it
// again, also at the same time, gives the same answer and does nothing else.
func (b *Backup) Close() error {
	h := b.handle
	b.alarm.Stop()
	h.core.mu.Lock()
	delete(h.core.backups, h)
	h.core.mu.Unlock()
	return h.close()
}

func (h *backupHandle) close() error {
	h.once.Do(func() {
		h.closed.Store(true)
		if err := cBackupClose(h.bits); err != nil && !isClosed(err) {
			h.result = err
		}
	})
	return h.result
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (b *Backup) IsOpen() bool {
	h := b.handle
	return !h.closed.Load() && !h.core.closed.Load() && cBackupIsOpen(h.bits)
}

// refuse answers for a backup that is closed.
func (h *backupHandle) refuse(op string) error {
	if h.core.closed.Load() {
		return closed(op, "store")
	}
	if h.closed.Load() {
		return closed(op, "value of Backup")
	}
	return nil
}

// durable runs a call of C that waits for the disk.
func (h *backupHandle) durable(ctx context.Context, op string, call func() error) error {
	if err := h.refuse(op); err != nil {
		return err
	}
	return h.core.turn(ctx, op, call)
}

// SetPayload sets what is to be kept by peers from now on: the host's own bytes, for which every peer is due.
// What fits into one blob goes whole to all of them; what is longer is cut into shares, for peers of which
// SetFacts was called. That too few of these are suitable is no error here: BackupStanding.NeededPeers tells
// it. The bytes are copied, and kept in memory only: set them again after each open. Equal ones change
// nothing.
//
// Errors: ErrTooBig when no shares in blobs of the size class hold them (PayloadMax); ErrInvalidArgument,
// also without bytes.
func (b *Backup) SetPayload(payload []byte) error {
	if err := b.handle.refuse("set payload"); err != nil {
		return err
	}
	return cBackupSetPayload(b.handle.bits, payload)
}

// Connected says that a peer connected, and whether it offers storage: what StorageFeature finds in its init.
// If it does, nothing is sent to it until it returned a blob, began channel_reestablish, or its time is up: a
// node that lost its data must not overwrite its own backup. It may wait for a call about the same peer.
//
// Errors: ErrQuotaPeers when something is known of too many peers: nothing is sent to this one.
func (b *Backup) Connected(now time.Time, peer NodeID, offersStorage bool) error {
	nowMs, err := hostTime("connected", now)
	if err != nil {
		return err
	}
	return b.handle.durable(context.Background(), "connected", func() error {
		return cBackupConnected(b.handle.bits, nowMs, &peer, offersStorage)
	})
}

// Disconnected says that a peer is gone. It may wait for a call about the same peer.
func (b *Backup) Disconnected(peer NodeID) error {
	return b.handle.durable(context.Background(), "disconnected", func() error {
		return cBackupDisconnected(b.handle.bits, &peer)
	})
}

// Retrieval takes the blob that a peer returned (peer_storage_retrieval). Call it before
// channel_reestablish is answered: with ActionAlertStateLoss this node lost state that the peer still has,
// and a channel must not go on from what is left. An empty blob counts as none.
//
// Durable when it returns is that state was lost, and that a peer holds what cannot be read, unless
// Concluded.Failure says otherwise; other conclusions at most once per resend interval and peer, else with a
// later Tick.
//
// The second answer is what the blob held: the payload, a share of it (DecodeShareRecords), or a journal, and
// whom else to ask (DecodeRoster); nil when it is none of ours, which is no error. It is for closing and
// sweeping only: never resume a channel from it.
//
// Errors: ErrQuotaPeers for a stranger when something is known of too many peers; ErrCanceled.
func (b *Backup) Retrieval(
	ctx context.Context, now time.Time, peer NodeID, blob []byte,
) (concluded Concluded, opened *Opened, err error) {
	nowMs, err := hostTime("retrieval", now)
	if err != nil {
		return Concluded{}, nil, err
	}
	err = b.handle.durable(ctx, "retrieval", func() (err error) {
		concluded, opened, err = cBackupRetrieval(b.handle.bits, nowMs, &peer, blob)
		return err
	})
	return concluded, opened, err
}

// ReestablishBegun says that a peer began channel_reestablish: if it did not return a blob by now, it has
// none (BOLT 1). Durable as the conclusions of Retrieval.
//
// Errors: ErrCanceled.
func (b *Backup) ReestablishBegun(
	ctx context.Context, now time.Time, peer NodeID,
) (concluded Concluded, err error) {
	nowMs, err := hostTime("reestablish begun", now)
	if err != nil {
		return Concluded{}, err
	}
	err = b.handle.durable(ctx, "reestablish begun", func() (err error) {
		concluded, err = cBackupReestablishBegun(b.handle.bits, nowMs, &peer)
		return err
	})
	return concluded, err
}

// ChannelReady says that a channel with this peer became usable: its copy is written anew at the next tick.
// It may wait for a call about the same peer.
func (b *Backup) ChannelReady(peer NodeID) error {
	return b.handle.durable(context.Background(), "channel ready", func() error {
		return cBackupChannelReady(b.handle.bits, &peer)
	})
}

// Seal seals for a peer what it is to keep: the payload or a share of it, a journal of HTLCs, or only whom
// else to ask. When the error is nil, the blob's number is durable: hand the blob to the connection at once
// (EncodePeerStorage), for it is not kept. now is told in the envelope, and blockHeight is that of the best
// block.
//
// Errors: ErrStateLoss, ErrPeerUnavailable, ErrHold, ErrUnreadable, ErrNoSpace, ErrBusy, ErrIO without random
// numbers, ErrCanceled; ErrNoPayload, also for a peer that keeps nothing of this payload; ErrTooFewPeers, and
// Error.Value says how many are needed; ErrConflict while the peer holds what nothing newer replaces yet,
// also after ActionSend: a later Tick asks again; ErrTooBig when the numbers are used up: nothing was
// changed. ErrUnknown: send nothing, open the store again.
func (b *Backup) Seal(
	ctx context.Context, now time.Time, peer NodeID, blockHeight uint32,
) (sealed Sealed, err error) {
	nowMs, err := hostTime("seal", now)
	if err != nil {
		return Sealed{}, err
	}
	err = b.handle.durable(ctx, "seal", func() (err error) {
		sealed, err = cBackupSeal(b.handle.bits, nowMs, &peer, blockHeight)
		return err
	})
	return sealed, err
}

// Tick concludes about peers that returned nothing in time, and says which are due for a blob (ActionSend):
// because the payload is another one than they hold, because they were to be sent it again, or because a
// channel with them became usable, at most once per resend interval and peer; or because a journal is due.
// Arm a timer for BackupTick.NextDue. Durable are conclusions about peers of which none was written within a
// resend interval, 1,024 at a time, unless BackupTick.Failure says otherwise.
//
// Errors: ErrCanceled.
func (b *Backup) Tick(ctx context.Context, now time.Time) (tick BackupTick, err error) {
	nowMs, err := hostTime("tick backup", now)
	if err != nil {
		return BackupTick{}, err
	}
	err = b.handle.durable(ctx, "tick backup", func() (err error) {
		tick, err = cBackupTick(b.handle.bits, nowMs)
		return err
	})
	return tick, err
}

// Acknowledge says that the operator has seen that state was lost, or that peers hold what cannot be read,
// and lets the node go on: sending is no longer refused, and those peers' blobs may be overwritten. Numbers
// go on far above any that was seen. Already when there was nothing to acknowledge. Durable when the error
// is nil.
//
// Errors: ErrNoSpace, ErrBusy, ErrCanceled: nothing was changed; ErrUnknown.
func (b *Backup) Acknowledge(ctx context.Context) (outcome Outcome, err error) {
	err = b.handle.durable(ctx, "acknowledge", func() (err error) {
		outcome, err = cBackupAcknowledge(b.handle.bits)
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

// Forget forgets a peer that is not connected and was never sent anything: a stranger. What it holds may be
// overwritten when it comes back. Already when nothing was known of it. Durable when the error is nil.
//
// Errors: ErrConflict when it is connected, or was sent a blob, which it may return; ErrNoSpace, ErrBusy,
// ErrCanceled: nothing was changed; ErrUnknown.
func (b *Backup) Forget(ctx context.Context, peer NodeID) (outcome Outcome, err error) {
	err = b.handle.durable(ctx, "forget", func() (err error) {
		outcome, err = cBackupForget(b.handle.bits, &peer)
		return err
	})
	if err != nil {
		return failed(err), err
	}
	return outcome, nil
}

package lnkeep

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// PeerStorage keeps the blobs of other nodes and returns them (BOLT 1 option_provide_storage): who may store,
// how much and how often, until when. It is safe for concurrent use. After Close, also of the store, its
// methods answer ErrClosed.
//
// Methods with a context wait for the disk. The context is looked at before the call and while the call
// waits its turn: ErrCanceled, nothing was applied. A call under way is waited for, whatever becomes of the
// context. Every call may answer ErrInvalidArgument, ErrClosed and ErrPoisoned.
//
// Times are the host's, to the millisecond. One that is earlier than that of a call before is taken for
// that of the call before; one before 1970 is ErrInvalidArgument.
type PeerStorage struct {
	handle *peerStorageHandle
	alarm  runtime.Cleanup
}

// peerStorageHandle is what the store holds of an open PeerStorage. Each has a handle of its own, so that the
// library decides which close is the last one.
type peerStorageHandle struct {
	core   *core
	bits   uint64
	closed atomic.Bool
	once   sync.Once
	result error
}

// OpenPeerStorage opens the peer storage of the store. While it is open, opening it again with equal options
// gives another value on the same. nil options are the safe defaults. Claims are not stored: report every
// peer's, then call ClaimsComplete. Close it.
//
// Errors: ErrAlreadyOpen when it is open with other options; ErrUnsupported, ErrBusy. A damaged record is no
// error: the report counts it.
func (s *Store) OpenPeerStorage(options *PeerStorageOptions) (*PeerStorage, PeerStorageReport, error) {
	if options == nil {
		options = &PeerStorageOptions{}
	}
	if err := options.check(); err != nil {
		return nil, PeerStorageReport{}, err
	}
	h := &peerStorageHandle{core: s.core}
	var report PeerStorageReport
	err := s.core.child("open peer storage", func() (err error) {
		if h.bits, report, err = cPeerStorageOpen(s.core.handle, options); err == nil {
			s.core.peerStorages[h] = struct{}{}
		}
		return err
	})
	if err != nil {
		return nil, PeerStorageReport{}, err
	}
	p := &PeerStorage{handle: h}
	p.alarm = setAlarm(p, s.core, 2, "PeerStorage", "peer storage")
	return p, report, nil
}

// Close ends the use of this value; the last one open writes what waits. Calling it again, also at the same
// time, gives the same answer and does nothing else.
//
// Errors: ErrNoSpace, ErrPoisoned, ErrBusy while others keep the queue full: closed, and what waited in memory is lost, as after a crash.
func (p *PeerStorage) Close() error {
	h := p.handle
	p.alarm.Stop()
	h.core.mu.Lock()
	delete(h.core.peerStorages, h)
	h.core.mu.Unlock()
	return h.close()
}

func (h *peerStorageHandle) close() error {
	h.once.Do(func() {
		h.closed.Store(true)
		if err := cPeerStorageClose(h.bits); err != nil && !isClosed(err) {
			h.result = err
		}
	})
	return h.result
}

// IsOpen reports whether this value and its store are open; another goroutine may close them right after.
func (p *PeerStorage) IsOpen() bool {
	h := p.handle
	return !h.closed.Load() && !h.core.closed.Load() && cPeerStorageIsOpen(h.bits)
}

// refuse answers for peer storage that is closed.
func (h *peerStorageHandle) refuse(op string) error {
	if h.core.closed.Load() {
		return closed(op, "store")
	}
	if h.closed.Load() {
		return closed(op, "value of PeerStorage")
	}
	return nil
}

// durable runs a call of C that waits for the disk.
func (h *peerStorageHandle) durable(ctx context.Context, op string, call func() error) error {
	if err := h.refuse(op); err != nil {
		return err
	}
	return h.core.turn(ctx, op, call)
}

// Store takes a blob that a peer sent (peer_storage). It is written at once unless the peer's last write is
// less than a cooldown ago; then the newest is written when the cooldown ends. Either way it is what is
// returned from now on. The blob is not kept: it may change after the call. Durable with StoredCommitted.
//
// Errors: ErrStorageNotOffered, ErrNoClaim, ErrTooBig, ErrQuotaPeers, ErrQuotaTotal, or ErrBusy when too much
// waits in memory. Nothing was changed by them: say nothing to the peer, and never disconnect for them.
// ErrNoSpace, ErrUnknown, ErrCanceled.
func (p *PeerStorage) Store(
	ctx context.Context, now time.Time, peer NodeID, blob []byte,
) (stored Stored, err error) {
	err = p.at(ctx, "store blob", now, func(nowMs uint64) (err error) {
		stored, err = cPeerStorageStore(p.handle.bits, nowMs, &peer, blob)
		return err
	})
	return stored, err
}

// at is durable for a call that is told the time.
func (p *PeerStorage) at(ctx context.Context, op string, now time.Time, call func(nowMs uint64) error) error {
	nowMs, err := hostTime(op, now)
	if err != nil {
		return err
	}
	return p.handle.durable(ctx, op, func() error { return call(nowMs) })
}

// hostTime is a time in milliseconds.
func hostTime(op string, now time.Time) (uint64, error) {
	nowMs, ok := unixMilli(now)
	if !ok {
		return 0, invalid(op, "the time lies before 1970")
	}
	return nowMs, nil
}

// Connected gives the blob to return to a peer that connected (peer_storage_retrieval): after init, before
// channel_reestablish, before any message of this peer is handled, also when it has no channel left. What
// waits in memory is written first, as at a disconnection and at most as often: a peer takes what it is
// returned for confirmed. What cannot be written is returned all the same. nil when there is nothing to
// send; an empty blob is not nil, and is sent.
//
// Errors: ErrCorruptRecord when the blob does not pass its check: send nothing; ErrBusy, ErrCanceled.
func (p *PeerStorage) Connected(ctx context.Context, now time.Time, peer NodeID) (blob []byte, err error) {
	err = p.at(ctx, "connected", now, func(nowMs uint64) (err error) {
		blob, err = cPeerStorageConnected(p.handle.bits, nowMs, &peer)
		return err
	})
	return blob, err
}

// Disconnected writes what waits for a peer that disconnected, unless its last write was a moment ago; then a
// later Tick does. It answers whether it wrote something, which is durable then. Give it a context that
// outlives the connection.
//
// Errors: ErrBusy, ErrNoSpace: it still waits; ErrUnknown, ErrCanceled.
func (p *PeerStorage) Disconnected(
	ctx context.Context, now time.Time, peer NodeID,
) (written bool, err error) {
	err = p.at(ctx, "disconnected", now, func(nowMs uint64) (err error) {
		written, err = cPeerStorageDisconnected(p.handle.bits, nowMs, &peer)
		return err
	})
	return written, err
}

// Tick writes every blob whose cooldown is over, in as few commits as their bytes allow. Arm a timer for
// StorageTick.NextDue, here and after each StoredDeferred. Durable is what StorageTick.Committed names.
//
// Errors: ErrCanceled. That single blobs could not be written is no error: see StorageTick.Failed.
func (p *PeerStorage) Tick(ctx context.Context, now time.Time) (tick StorageTick, err error) {
	return p.tick(ctx, now, false)
}

// Flush writes every blob that waits, whatever its cooldown. Close does so too.
//
// Errors: those of Tick.
func (p *PeerStorage) Flush(ctx context.Context, now time.Time) (tick StorageTick, err error) {
	return p.tick(ctx, now, true)
}

func (p *PeerStorage) tick(ctx context.Context, now time.Time, all bool) (tick StorageTick, err error) {
	err = p.at(ctx, "tick peer storage", now, func(nowMs uint64) (err error) {
		tick, err = cPeerStorageTick(p.handle.bits, nowMs, all)
		return err
	})
	return tick, err
}

// ReportClaim says what changed about a peer's claims: why it may have a blob kept. Report before its
// messages are handled. A channel counts from the moment its funding is pending: some nodes send their
// first blob then and not again. Where the last claim ends, the retention begins with the height, which is
// that of the best block. Claims themselves are not stored; when the last one ended is, when the error is
// nil.
//
// Errors: ErrBusy, ErrNoSpace, ErrCanceled: nothing was changed, report it again; ErrUnknown.
func (p *PeerStorage) ReportClaim(
	ctx context.Context, peer NodeID, change ClaimChange, blockHeight uint32,
) error {
	return p.handle.durable(ctx, "report claim", func() error {
		return cPeerStorageReportClaim(p.handle.bits, &peer, change, blockHeight)
	})
}

// ClaimsComplete says that every claim was reported, singly or here: these peers have these claims and no
// others. Until then nothing is collected, because every peer would look unclaimed. A peer with a blob and
// without a claim is kept for the retention from this height on.
//
// Errors: ErrDuplicateID when a peer is named twice: nothing was changed; ErrBusy, ErrNoSpace, ErrCanceled:
// call it again; ErrUnknown.
func (p *PeerStorage) ClaimsComplete(ctx context.Context, claims []PeerClaims, blockHeight uint32) error {
	return p.handle.durable(ctx, "claims complete", func() error {
		return cPeerStorageClaimsComplete(p.handle.bits, claims, blockHeight)
	})
}

// BlockConnected tells the height of the best block, removes every blob whose time is over, and answers
// whose, in the order of their ids. Heights may be told again, and may jump; a lower one delays. Durable
// when the error is nil.
//
// Errors: ErrClaimsIncomplete before ClaimsComplete: nothing was removed; ErrBusy, ErrNoSpace: what was not
// removed is at the next block; ErrUnknown, ErrCanceled.
func (p *PeerStorage) BlockConnected(
	ctx context.Context, blockHeight uint32,
) (collected []NodeID, err error) {
	err = p.handle.durable(ctx, "block connected", func() (err error) {
		collected, err = cPeerStorageBlockConnected(p.handle.bits, blockHeight)
		return err
	})
	return collected, err
}

// Prune removes a peer's blob at the operator's word, and answers whether there was one. Its claims stay.
// Durable when the error is nil.
//
// Errors: ErrBusy, ErrNoSpace, ErrUnknown, ErrCanceled.
func (p *PeerStorage) Prune(ctx context.Context, peer NodeID) (removed bool, err error) {
	pruned, err := p.prune(ctx, &peer)
	return len(pruned) > 0, err
}

// PruneUnclaimed removes every blob whose peer has no claim, and answers whose, in the order of their ids.
// Durable when the error is nil.
//
// Errors: ErrClaimsIncomplete before ClaimsComplete: nothing was removed; ErrBusy, ErrNoSpace, ErrUnknown,
// ErrCanceled.
func (p *PeerStorage) PruneUnclaimed(ctx context.Context) (removed []NodeID, err error) {
	return p.prune(ctx, nil)
}

func (p *PeerStorage) prune(ctx context.Context, peer *NodeID) (pruned []NodeID, err error) {
	err = p.handle.durable(ctx, "prune", func() (err error) {
		pruned, err = cPeerStoragePrune(p.handle.bits, peer)
		return err
	})
	return pruned, err
}

// SetOffered begins or ends to offer storage, without a restart. What is kept stays until it is collected;
// while nothing is offered, nothing is accepted and nothing is returned. PeerStorageOptions.Off decides at
// the next open.
func (p *PeerStorage) SetOffered(offered bool) error {
	if err := p.handle.refuse("set offered"); err != nil {
		return err
	}
	return cPeerStorageSetOffered(p.handle.bits, offered)
}

//! Peer storage: other nodes' blobs, kept for them and returned (BOLT 1 messages 7 and 9).
//!
//! The rules SR1 to SR5 are in `rules`, reading SL1 to SL2 in `load`, writing SW1 to SW3 in `shared`.
//! No clock, no thread, no lmdb here. Called by `ffi` and Rust hosts; calls `store` and `events`.

mod commands;
mod load;
mod options;
mod record;
pub(crate) mod references;
mod rules;
mod shared;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use self::commands::Tell;
pub use self::options::{
    ClaimChange, Claims, PeerEntry, PeerStorageOptions, PeerStorageReport, PeerStorageStats,
    Stored, Ticked,
};
use self::record::{Record, sha256_of};
use self::rules::{Accepted, Pending, Provider};
use self::shared::{Shared, State};
use crate::error::{Class, Error, Result, Status};
use crate::events::EventKind;
use crate::limits::{PAGE_ROWS_MAX, PEER_BLOB_BYTES_MAX};
use crate::memory::copied;
use crate::store::volatile::Held;
use crate::store::{Store, WriteBehind, refuse_forked_child};
use crate::types::NodeId;

/// The blobs of a store's peers. Cheap to share: every method takes `&self` and may be called from any
/// thread.
pub struct PeerStorage {
    store: Arc<Store>,
    shared: Arc<Shared>,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for PeerStorage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PeerStorage").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

impl PeerStorage {
    /// Opens the peer storage of a store. While it is open, opening again with equal options gives the same
    /// instance. Claims are not stored: report them, then call [`PeerStorage::claims_complete`].
    ///
    /// # Errors
    /// `InvalidArgument` for a length or share out of range; `AlreadyOpen` with other options; the store's
    /// errors.
    pub fn open(store: &Arc<Store>, options: PeerStorageOptions) -> Result<PeerStorage> {
        check(&options)?;
        let has_ended = |shared: &Shared| shared.state.hold_broken().has_ended;
        let shared = loop {
            store.check_open()?;
            let shared = store.component_unless(has_ended, || Shared::open(store, options))?;
            let mut state = shared.state.hold()?;
            // The last handle went, and is still writing what this one would read.
            if state.is_over {
                while !state.has_ended {
                    shared.state.wait(&mut state)?;
                }
                continue;
            }
            if shared.options != options {
                let fact = "the peer storage of this store is open with other options";
                return Err(Error::new(Status::AlreadyOpen, fact));
            }
            state.handles += 1;
            drop(state);
            break shared;
        };
        let journal: Weak<dyn WriteBehind> = Arc::<Shared>::downgrade(&shared);
        let opened =
            PeerStorage { store: Arc::clone(store), shared, is_closed: AtomicBool::new(false) };
        store.add_journal(journal).map(|()| opened)
    }

    /// The store these blobs live in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What the open found.
    pub fn report(&self) -> PeerStorageReport {
        self.shared.report
    }

    fn hold(&self) -> Result<Held<'_, State>> {
        self.check_open(self.shared.state.hold()?)
    }

    fn hold_idle(&self, peer: NodeId) -> Result<Held<'_, State>> {
        self.check_open(self.shared.hold_idle(peer)?)
    }

    fn check_open<'held>(&self, state: Held<'held, State>) -> Result<Held<'held, State>> {
        self.store.check_open()?;
        if state.is_over || self.is_closed.load(Ordering::Acquire) {
            return Err(Status::Closed.into());
        }
        Ok(state)
    }

    /// Takes a blob that a peer sent. It is written at once unless the peer's last write is less than a
    /// cooldown ago; then the newest is written when the cooldown ends. Either way it is what is returned
    /// from now on.
    ///
    /// # Errors
    /// Nothing was changed: `StorageNotOffered`, `NoClaim`, `TooBig`, `QuotaPeers`, `QuotaTotal`; `Busy` when
    /// too much waits in memory. On the wire all of these are silence: never disconnect for them. `Unknown`
    /// and the store's errors.
    pub fn store_blob(&self, now_ms: u64, peer: NodeId, blob: &[u8]) -> Result<Stored> {
        // Who may not store does not make us look at its bytes.
        let mut state = self.hold()?;
        let now_ms = state.provider.observe(now_ms)?;
        let allowed = state.provider.check(peer, blob.len() as u64);
        self.told_if_refused(state, peer, allowed)?;
        let copy = Arc::new(copied(blob)?);
        let sha256 = sha256_of(blob);
        self.check_equal(peer, &sha256, blob)?;
        let mut state = self.hold_idle(peer)?;
        let now_ms = state.provider.observe(now_ms)?;
        let pending = Pending { blob: copy, sha256, received_ms: now_ms };
        match state.provider.store(now_ms, peer, pending) {
            Ok(Accepted::Unchanged) => Ok(Stored::Unchanged),
            Ok(Accepted::Deferred { due_ms }) => Ok(Stored::Deferred { due_ms, failure: None }),
            Ok(Accepted::Due) => {
                let ticked = self.shared.write_peers(&self.store, state, &[peer], now_ms)?;
                match ticked.failed.into_iter().next() {
                    None => Ok(Stored::Committed),
                    Some((_, error)) => self.deferred_by(now_ms, peer, &sha256, error),
                }
            }
            Err(refusal) => self.told_if_refused(state, peer, Err(refusal)),
        }
    }

    /// Tells a refusal for a quota, the first time.
    fn told_if_refused<T>(
        &self,
        mut state: Held<'_, State>,
        peer: NodeId,
        outcome: Result<T>,
    ) -> Result<T> {
        let is_quota =
            |refusal: &Error| matches!(refusal.status(), Status::QuotaPeers | Status::QuotaTotal);
        let tells = outcome.as_ref().is_err_and(is_quota) && state.provider.tells_refusal(peer);
        drop(state);
        if tells {
            self.tell(peer, EventKind::PeerBlobRefused);
        }
        outcome
    }

    /// A write that was due and definitely did not happen leaves the blob waiting.
    fn deferred_by(
        &self,
        now_ms: u64,
        peer: NodeId,
        sha256: &[u8; 32],
        error: Error,
    ) -> Result<Stored> {
        if error.class() != Class::Retry {
            return Err(error);
        }
        let state = self.shared.state.hold()?;
        let waiting = state.provider.peer(peer).pending;
        match waiting.is_some_and(|pending| pending.sha256 == *sha256) {
            true => {
                let due_ms = state.provider.due_ms(peer).max(now_ms);
                Ok(Stored::Deferred { due_ms, failure: Some(error) })
            }
            // Too much waits already.
            false => Err(error),
        }
    }

    /// Whether a blob that seems to be on disk already can be read there: if not, it is written anew.
    fn check_equal(&self, peer: NodeId, sha256: &[u8; 32], blob: &[u8]) -> Result<()> {
        let known = self.hold()?.provider.peer(peer);
        if let Some(record) = known.stored.filter(|_| known.has_stored(sha256, blob.len())) {
            drop(self.checked(peer, &record)?);
        }
        Ok(())
    }

    /// The blob of a record; when it does not pass its check, that is remembered and told once.
    fn checked(&self, peer: NodeId, record: &Record) -> Result<Option<Vec<u8>>> {
        let blob = self.store.read(|view| load::checked_blob(view, peer, record))?;
        if blob.is_none() {
            let mut state = self.shared.hold_idle(peer)?;
            // Another blob may have replaced it meanwhile.
            let is_same = state.provider.peer(peer).stored.is_some_and(|now| now == *record);
            let is_new = is_same && state.provider.found_damaged(peer);
            drop(state);
            if is_new {
                self.tell(peer, EventKind::PeerBlobCorrupt);
            }
        }
        Ok(blob)
    }

    /// An event that cannot be written is not worth failing a call for.
    fn tell(&self, peer: NodeId, kind: EventKind) {
        drop(self.store.submit_one(Tell { peer, kind }));
    }

    /// Writes every blob whose cooldown is over.
    ///
    /// # Errors
    /// The store's errors; what single peers met is in [`Ticked::failed`].
    pub fn tick(&self, now_ms: u64) -> Result<Ticked> {
        let mut state = self.check_open(self.shared.hold_turn()?)?;
        let now_ms = state.provider.observe(now_ms)?;
        let due = state.provider.due(now_ms);
        let ticked = self.shared.write_peers(&self.store, state, &due, now_ms)?;
        self.with_next_due(ticked)
    }

    fn with_next_due(&self, ticked: Ticked) -> Result<Ticked> {
        let next_due_ms = self.shared.state.hold()?.provider.next_due_ms();
        Ok(Ticked { next_due_ms, ..ticked })
    }

    /// Writes every blob that waits, whatever its cooldown.
    ///
    /// # Errors
    /// As [`PeerStorage::tick`].
    pub fn flush(&self, now_ms: u64) -> Result<Ticked> {
        drop(self.hold()?);
        let ticked = self.shared.write_all(&self.store, Some(now_ms))?;
        self.with_next_due(ticked)
    }

    /// When the next tick has something to write.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn next_due_ms(&self) -> Result<Option<u64>> {
        Ok(self.hold()?.provider.next_due_ms())
    }

    /// The blob to return to a peer that connected: after `init`, before `channel_reestablish`, before any
    /// message of this peer is handled, also when it has no channel left. `None`: send nothing. What waits in
    /// memory is written first, as at a disconnection: a peer takes what it is returned for confirmed.
    ///
    /// # Errors
    /// `CorruptRecord` when the blob does not pass its check: send nothing; the store's errors.
    pub fn connected(&self, now_ms: u64, peer: NodeId) -> Result<Option<Vec<u8>>> {
        let mut state = self.hold_idle(peer)?;
        let now_ms = state.provider.observe(now_ms)?;
        if state.provider.is_off {
            return Ok(None);
        }
        let is_written_first = !self.shared.options.returns_unwritten
            && state.provider.is_due_at_disconnect(now_ms, peer);
        if is_written_first {
            // What cannot be written is returned all the same: it is the newest.
            drop(self.shared.write_peers(&self.store, state, &[peer], now_ms)?);
        } else {
            drop(state);
        }
        self.export(peer)
    }

    /// The newest blob of a peer, whatever is offered.
    ///
    /// # Errors
    /// As [`PeerStorage::connected`].
    pub fn export(&self, peer: NodeId) -> Result<Option<Vec<u8>>> {
        loop {
            let known = self.hold()?.provider.peer(peer);
            if let Some(pending) = &known.pending {
                return copied(&pending.blob).map(Some);
            }
            let Some(record) = known.stored else { return Ok(None) };
            if let Some(blob) = self.checked(peer, &record)? {
                return Ok(Some(blob));
            }
            let now = self.hold()?.provider.peer(peer);
            if now.pending.is_none() && now.stored.is_some_and(|now| now == record) {
                return Err(load::damaged(peer));
            }
        }
    }

    /// Writes what waits for a peer that disconnected, unless its last write was a moment ago. Answers
    /// whether something was written.
    ///
    /// # Errors
    /// `NoSpace`, `Busy`: it still waits; the store's errors.
    pub fn disconnected(&self, now_ms: u64, peer: NodeId) -> Result<bool> {
        let mut state = self.hold_idle(peer)?;
        let now_ms = state.provider.observe(now_ms)?;
        if !state.provider.is_due_at_disconnect(now_ms, peer) {
            return Ok(false);
        }
        let ticked = self.shared.write_peers(&self.store, state, &[peer], now_ms)?;
        match ticked.failed.into_iter().next() {
            Some((_, error)) => Err(error),
            None => Ok(!ticked.committed.is_empty()),
        }
    }

    /// Says what changed about a peer's claims. The height matters where a claim ends.
    ///
    /// # Errors
    /// The store's errors: nothing was changed, report it again.
    pub fn report_claim(&self, peer: NodeId, change: ClaimChange, block_height: u32) -> Result<()> {
        let state = self.hold_idle(peer)?;
        let after = state.provider.after_claim(peer, change, block_height);
        self.shared.mark_all(&self.store, state, vec![(peer, after)])
    }

    /// Says that every claim was reported, by itself or here: these peers have these claims and no others. A
    /// peer with a blob and without a claim is kept for the retention from this height on.
    ///
    /// # Errors
    /// `DuplicateId` when a peer is named twice: nothing was changed; the store's errors: call it again.
    pub fn claims_complete(&self, claims: &[Claims], block_height: u32) -> Result<()> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = claims.iter().find(|claims| !seen.insert(claims.peer)) {
            return Err(Error::new(
                Status::DuplicateId,
                format!("peer {}: named twice", twice.peer),
            ));
        }
        let mut state = self.check_open(self.shared.hold_all_idle()?)?;
        claims.iter().for_each(|claims| state.provider.set_claims(claims));
        state.provider.set_height(block_height);
        let wrong = state.provider.wrong_marks(block_height);
        self.shared.mark_all(&self.store, state, wrong)?;
        self.hold()?.provider.complete_claims();
        Ok(())
    }

    /// Tells the height of the chain and removes every blob whose time is over; answers whose. Heights may be
    /// told again, and may jump.
    ///
    /// # Errors
    /// `ClaimsIncomplete`: nothing was removed; the store's errors: what was not removed is at the next
    /// block.
    pub fn block_connected(&self, block_height: u32) -> Result<Vec<NodeId>> {
        let mut state = self.hold()?;
        state.provider.check_claims_complete()?;
        state.provider.set_height(block_height);
        drop(state);
        let told_as = Some(EventKind::PeerBlobCollected);
        let over = |provider: &Provider| Ok(provider.collectable(block_height));
        let collected = self.shared.remove_all(&self.store, told_as, over)?;
        self.shared.state.hold()?.provider.counted.collected += collected.len() as u64;
        Ok(collected)
    }

    /// Removes a peer's blob at the operator's word; answers whether there was one. Its claims stay.
    ///
    /// # Errors
    /// The store's errors: it was not removed.
    pub fn prune(&self, peer: NodeId) -> Result<bool> {
        drop(self.hold()?);
        let its =
            |provider: &Provider| Ok(provider.has_blob(peer).then_some(peer).into_iter().collect());
        let removed = self.shared.remove_all(&self.store, None, its)?;
        Ok(!removed.is_empty())
    }

    /// Removes every blob whose peer has no claim; answers whose.
    ///
    /// # Errors
    /// `ClaimsIncomplete`: nothing was removed; the store's errors.
    pub fn prune_unclaimed(&self) -> Result<Vec<NodeId>> {
        drop(self.hold()?);
        self.shared.remove_all(&self.store, None, Provider::unclaimed)
    }

    /// Begins or ends to offer storage. What is kept stays until it is collected; while nothing is offered,
    /// nothing is accepted and nothing is returned.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn set_offered(&self, is_offered: bool) -> Result<()> {
        self.hold()?.provider.is_off = !is_offered;
        Ok(())
    }

    /// Peers with a blob, in the order of their ids, at most `limit` (capped at 1,000) after one of them.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn list(&self, after: Option<NodeId>, limit: usize) -> Result<Vec<PeerEntry>> {
        Ok(self.hold()?.provider.entries(after, limit.min(PAGE_ROWS_MAX)))
    }

    /// Figures since the open, and of now.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn stats(&self) -> Result<PeerStorageStats> {
        Ok(self.hold()?.provider.stats())
    }

    /// Ends this handle; the last one writes what waits. Ending it twice is harmless.
    ///
    /// # Errors
    /// `NoSpace`, `Poisoned`, `Busy` while others keep the queue full for a thousand tries: closed, and what
    /// waited in memory is lost, as after a crash.
    pub fn close(&self) -> Result<()> {
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        // The lock may be held by a thread that a forked child does not have.
        refuse_forked_child()?;
        let mut state = self.shared.state.hold_broken();
        state.handles -= 1;
        let is_last = state.handles == 0;
        state.is_over |= is_last;
        drop(state);
        if is_last { self.shared.end_all() } else { Ok(()) }
    }
}

impl Drop for PeerStorage {
    fn drop(&mut self) {
        drop(self.close());
    }
}

fn check(options: &PeerStorageOptions) -> Result<()> {
    let refuse = |fact: String| Err(Error::new(Status::InvalidArgument, fact));
    if options.blob_bytes_max as usize > PEER_BLOB_BYTES_MAX {
        let bytes = options.blob_bytes_max;
        return refuse(format!("a message has room for {PEER_BLOB_BYTES_MAX} bytes, not {bytes}"));
    }
    if options.without_channel_percent > 100 {
        return refuse(format!("a share of {} percent", options.without_channel_percent));
    }
    Ok(())
}

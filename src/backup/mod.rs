//! Backup: our own data, sealed, kept by our peers (BOLT 1 messages 7 and 9, the other end).
//!
//! Keys BK1 to BK3 are in [`keys`], the envelope BE1 to BE5 in [`envelope`], the states BR1 to BR7 in
//! [`rules`], what is known of all peers BL1 to BL3 in `ledger`, the rows BC1 in `commands`.
//! A payload that is longer than a blob is cut: the code SC in [`stripe`], records BX in [`share`], rosters
//! BN in [`roster`], who keeps what BP1, BP2 in `sends` (by the choice BQ in [`choose`]), what is due BP3 in
//! `due`, what must not be overwritten BS in `stripes`, generations BG in `generation`.
//! Journals of HTLCs: BJ in [`journal`] and `journals`, BH in [`htlcs`], BZ in `cadence`, BU in [`budget`].
//! Here:
//! BW1 a blob leaves only after its number and what it holds are durable: a crash may skip numbers, none that
//! left is given again, and what a peer returns is never taken for a state that we lost. BW2 that we lost
//! state stops all sending at once, before it is durable. BW3 the lock is never held over a commit. BW4 the
//! first number after an adoption follows the clock, so that what a peer hid from the recovery is old.
//! No clock, no thread, no lmdb here. Called by `ffi` and Rust hosts; calls `store` and `events`.

pub mod budget;
mod cadence;
pub mod choose;
mod commands;
mod compose;
mod content;
mod diversity;
mod due;
pub mod envelope;
mod generation;
mod hosted;
pub mod htlcs;
pub mod journal;
mod journals;
pub mod keys;
mod ledger;
mod load;
pub mod object;
mod options;
mod record;
pub(crate) mod references;
pub mod roster;
pub mod rules;
pub mod score;
mod sends;
pub mod share;
pub mod stripe;
mod stripes;
#[cfg(test)]
mod tests;
pub mod uptime;
mod views;

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use self::commands::{Change, no_entropy};
use self::compose::{Frame, compose};
use self::content::Content;
use self::due::SendPlan;
use self::envelope::{Opened, SizeClass};
use self::keys::{BackupKeys, SET_CHANNELS, Secret};
use self::ledger::{Known, Ledger};
pub use self::options::{
    BackupOptions, BackupReport, Concluded, Copy, PeerStatus, Sealed, Standing, Ticked,
};

pub use self::content::{Content as BlobContent, ShareId};
pub use self::generation::Generation;
pub use self::rules::{Action, PeerState};
use self::rules::{Event, Retrieval};
use self::sends::{Made, Payload};
use crate::error::{Error, Result, Status};
use crate::limits::{BACKUP_PEERS_MAX, BATCH_OPS_MAX, PAGE_ROWS_MAX};
use crate::memory::copied;
use crate::store::Store;
use crate::store::batch::Space;
use crate::store::volatile::{Held, Volatile};
use crate::types::NodeId;

struct State {
    ledger: Ledger,
    /// Peers about whom something is being written (BW3).
    busy: BTreeSet<NodeId>,
    /// Somebody waits until nothing is written: nobody begins to write meanwhile.
    waits_for_all: bool,
    entropy: Option<ChaCha20Rng>,
}

/// What every opener of a store's backup shares.
struct Shared {
    keys: BackupKeys,
    options: BackupOptions,
    report: BackupReport,
    state: Volatile<State>,
}

/// Our data at our peers. Cheap to share: every method takes `&self` and may be called from any thread.
pub struct Backup {
    store: Arc<Store>,
    shared: Arc<Shared>,
}

impl std::fmt::Debug for Backup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backup").field("options", &self.shared.options).finish_non_exhaustive()
    }
}

/// A peer that this thread made busy.
struct Busy<'shared> {
    shared: &'shared Shared,
    peer: NodeId,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.state.hold_broken().busy.remove(&self.peer);
        self.shared.state.notify();
    }
}

impl Shared {
    fn open(store: &Arc<Store>, secret: &Secret, options: BackupOptions) -> Result<Shared> {
        let keys = BackupKeys::new(secret);
        let mut entropy = options.entropy.map(ChaCha20Rng::from_seed);
        let instance = draw(entropy.as_mut())?;
        let (ledger, report) = load::load(store, &keys, &options, instance)?;
        let state = State { ledger, busy: BTreeSet::new(), waits_for_all: false, entropy };
        Ok(Shared { keys, options, report, state: Volatile::new(state) })
    }

    fn make_busy(&self, state: &mut State, peer: NodeId) -> Busy<'_> {
        state.busy.insert(peer);
        Busy { shared: self, peer }
    }
}

/// Bytes of the longest payload that shares in blobs of this class hold.
pub fn cut_payload_max(class: SizeClass) -> usize {
    choose::object_bytes_max(class).saturating_sub(object::OBJECT_TAIL_BYTES)
}

/// What an operator lets us do, as rows.
fn acknowledged(peers: &[(NodeId, Known)], after: record::State) -> Change {
    let rows = peers.iter().filter(|(_, known)| known.row.is_some());
    let peers = rows.map(|(peer, known)| (*peer, known.encode())).collect();
    Change { peers, state: Some(after), acknowledges: true, ..Change::default() }
}

/// Random bytes.
fn draw<const BYTES: usize>(entropy: Option<&mut ChaCha20Rng>) -> Result<[u8; BYTES]> {
    let mut drawn = [0; BYTES];
    match entropy {
        Some(entropy) => entropy.fill_bytes(&mut drawn),
        None => getrandom::fill(&mut drawn).map_err(|error| no_entropy(&error))?,
    }
    Ok(drawn)
}

impl Backup {
    /// Opens the backup of a store. While it is open, opening again with the same secret and equal options
    /// gives the same instance. Every peer counts as disconnected.
    ///
    /// # Errors
    /// `WrongMode` with another secret than the store's backup was made with; `AlreadyOpen` with other
    /// options; `NoSpace`; the store's errors.
    pub fn open(store: &Arc<Store>, secret: &Secret, options: BackupOptions) -> Result<Backup> {
        store.check_open()?;
        if options.peers_max > BACKUP_PEERS_MAX {
            let fact = format!("peers_max is {}, at most {BACKUP_PEERS_MAX}", options.peers_max);
            return Err(Error::new(Status::InvalidArgument, fact));
        }
        let shared = store.component(|| Shared::open(store, secret, options.clone()))?;
        if !shared.keys.matches(&BackupKeys::new(secret).check_value()) {
            let fact = "the backup of this store is open with another secret";
            return Err(Error::new(Status::WrongMode, fact));
        }
        if shared.options != options {
            let fact = "the backup of this store is open with other options";
            return Err(Error::new(Status::AlreadyOpen, fact));
        }
        Ok(Backup { store: Arc::clone(store), shared })
    }

    /// The store this backup lives in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What the open found.
    pub fn report(&self) -> BackupReport {
        self.shared.report
    }

    fn hold(&self) -> Result<Held<'_, State>> {
        self.store.check_open()?;
        self.shared.state.hold()
    }

    fn hold_idle(&self, peer: NodeId) -> Result<Held<'_, State>> {
        let mut state = self.hold()?;
        while state.waits_for_all || state.busy.contains(&peer) {
            self.shared.state.wait(&mut state)?;
        }
        self.store.check_open()?;
        Ok(state)
    }

    /// Locks the state once nothing is written. Whoever comes later waits, so that this ends.
    fn hold_all_idle(&self) -> Result<Held<'_, State>> {
        let mut state = self.hold()?;
        while state.waits_for_all {
            self.shared.state.wait(&mut state)?;
        }
        state.waits_for_all = true;
        let mut waited = Ok(());
        while waited.is_ok() && !state.busy.is_empty() {
            waited = self.shared.state.wait(&mut state);
        }
        state.waits_for_all = false;
        self.shared.state.notify();
        waited.map(|()| state)
    }

    /// What is to be kept by peers from now on: the host's own bytes, for which every peer is due. What fits
    /// into one blob goes whole to all of them; what is longer is cut into shares, for peers that the host
    /// told facts of. It is kept in memory only: set it again after each open. An equal one changes nothing.
    ///
    /// # Errors
    /// `TooBig` when no shares of this size class hold it; `InvalidArgument` when it is empty; `Closed`,
    /// `Poisoned`, `Forked`. That too few peers could keep it is no error here: [`Standing::needed_peers`].
    pub fn set_payload(&self, payload: &[u8]) -> Result<()> {
        let class = self.shared.options.size_class;
        let most = class.payload_max().max(cut_payload_max(class));
        if payload.len() > most {
            let fact = format!("a payload of {} bytes, at most {most}", payload.len());
            return Err(Error::new(Status::TooBig, fact));
        }
        if payload.is_empty() {
            return Err(Error::new(Status::InvalidArgument, "an empty payload restores nothing"));
        }
        let sha256 = sends::digest(payload);
        let bytes = Arc::new(Zeroizing::new(copied(payload)?));
        self.hold()?.ledger.set_payload(Payload { bytes, sha256 });
        Ok(())
    }

    /// A peer connected, and its `init` says whether it offers storage (BOLT 9 bits 42 and 43). If it does,
    /// nothing is sent to it until it returned a blob, began channel_reestablish, or its time is up.
    ///
    /// # Errors
    /// `QuotaPeers` when something is known of too many peers: nothing is sent to this one; `Closed`,
    /// `Poisoned`, `Forked`.
    pub fn connected(&self, now_ms: u64, peer: NodeId, offers_storage: bool) -> Result<PeerStatus> {
        let mut state = self.hold_idle(peer)?;
        if offers_storage {
            state.ledger.check_room(peer)?;
        }
        state.ledger.observe(now_ms)?;
        let plan = state.ledger.plan(peer, Event::Connected { offers_storage }, Content::Nothing);
        state.ledger.set(peer, plan.known);
        state.ledger.observe_uptime(peer);
        Ok(state.ledger.status_of(peer, &plan.known))
    }

    /// A peer is gone.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn disconnected(&self, peer: NodeId) -> Result<PeerStatus> {
        let mut state = self.hold_idle(peer)?;
        let plan = state.ledger.plan(peer, Event::Disconnected, Content::Nothing);
        state.ledger.set(peer, plan.known);
        state.ledger.observe_uptime(peer);
        Ok(state.ledger.status_of(peer, &plan.known))
    }

    /// A peer returned a blob. Call it before channel_reestablish is answered: with
    /// [`Action::AlertStateLoss`] we lost state that this peer still has, and a channel must not go on from
    /// what is left. An empty blob counts as none.
    ///
    /// # Errors
    /// `QuotaPeers` for a stranger when something is known of too many peers; `Closed`, `Poisoned`,
    /// `Forked`. That the conclusion could not be made durable is no error: [`Concluded::failure`].
    pub fn retrieval(&self, now_ms: u64, peer: NodeId, blob: &[u8]) -> Result<Concluded> {
        drop(self.hold()?);
        let opened = envelope::open(&self.shared.keys.peer(peer), blob).ok();
        let shown = opened.as_ref().map_or(Content::Nothing, Content::of);
        let event = match &opened {
            Some(Opened { header, .. }) if self.hold()?.ledger.is_adopted(header) => {
                Event::Deadline
            }
            Some(Opened { header, .. }) => {
                let (instance, seq) = (header.instance, header.seq);
                Event::Retrieved(Retrieval::Authentic { instance, seq })
            }
            None if blob.is_empty() => Event::Deadline,
            None => Event::Retrieved(Retrieval::Unauthentic),
        };
        let mut concluded = self.conclude(now_ms, peer, event, shown)?;
        concluded.opened = opened;
        Ok(concluded)
    }

    /// A peer began channel_reestablish: if it did not return a blob by now, it has none (BOLT 1).
    ///
    /// # Errors
    /// As [`Backup::retrieval`].
    pub fn reestablish_begun(&self, now_ms: u64, peer: NodeId) -> Result<Concluded> {
        self.conclude(now_ms, peer, Event::Deadline, Content::Nothing)
    }

    fn conclude(
        &self,
        now_ms: u64,
        peer: NodeId,
        event: Event,
        shown: Content,
    ) -> Result<Concluded> {
        let mut state = self.hold_idle(peer)?;
        state.ledger.observe(now_ms)?;
        self.conclude_held(state, peer, event, shown)
    }

    /// BW2, BW3, BL1.
    fn conclude_held<'held>(
        &'held self,
        mut state: Held<'held, State>,
        peer: NodeId,
        event: Event,
        shown: Content,
    ) -> Result<Concluded> {
        if event == Event::Retrieved(Retrieval::Unauthentic) {
            state.ledger.check_room_for_stranger(peer)?;
        }
        let plan = state.ledger.plan(peer, event, shown);
        let failure = match plan.is_written {
            false => {
                state.ledger.set(peer, plan.known);
                None
            }
            true => {
                let now_ms = state.ledger.now_ms();
                let known = plan.known.tried(now_ms);
                state.ledger.set(peer, known);
                let change = Change {
                    peers: vec![(peer, known.encode())],
                    state: Some(state.ledger.state),
                    told: plan.told.map(|kind| (kind, peer)).into_iter().collect(),
                    ..Change::default()
                };
                let busy = self.shared.make_busy(&mut state, peer);
                drop(state);
                let written = self.write(change, &[(peer, known)]);
                drop(busy);
                state = self.shared.state.hold()?;
                written.err()
            }
        };
        let status = state.ledger.status(peer);
        Ok(Concluded { peer: status, action: plan.action, opened: None, failure })
    }

    /// Makes a change durable and remembers what rows say then.
    fn write(&self, change: Change, peers: &[(NodeId, Known)]) -> Result<()> {
        let wrote = change.state;
        let revision = change.stripe.as_ref().map(|stripe| stripe.revision);
        self.store.submit_one(change)?;
        let mut state = self.shared.state.hold()?;
        state.ledger.sends.is_durable(revision);
        if let Some(wrote) = wrote {
            state.ledger.is_durable(wrote);
        }
        for (peer, known) in peers {
            let known = state.ledger.with_times_of_now(*peer, known.durable());
            state.ledger.set(*peer, known);
        }
        Ok(())
    }

    /// A channel with this peer became usable: its copy is written anew (CLN #7931).
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn channel_ready(&self, peer: NodeId) -> Result<()> {
        self.hold_idle(peer)?.ledger.want(peer);
        Ok(())
    }

    /// Concludes about peers that returned nothing in time, writes what is not durable yet, and says which
    /// peers are due for a blob.
    ///
    /// # Errors
    /// `InvalidArgument` for a time that no clock shows; `Closed`, `Poisoned`, `Forked`.
    pub fn tick(&self, now_ms: u64) -> Result<Ticked> {
        let mut state = self.hold()?;
        state.ledger.observe(now_ms)?;
        let silent = state.ledger.silent();
        drop(state);
        let mut ticked = Ticked::default();
        for peer in silent {
            let state = self.hold_idle(peer)?;
            // It may have returned a blob, or be there anew, since its time was looked at.
            if !state.ledger.is_silent(peer) {
                continue;
            }
            let concluded = self.conclude_held(state, peer, Event::Deadline, Content::Nothing)?;
            ticked.actions.push((peer, concluded.peer.state, concluded.action));
            ticked.failure = ticked.failure.or(concluded.failure);
        }
        let mut state = self.hold()?;
        let random = match state.ledger.sends.journals.is_active() {
            true => u64::from_le_bytes(draw(state.entropy.as_mut())?),
            false => 0,
        };
        state.ledger.begin_round(random);
        drop(state);
        let caught_up = self.write_dirty().and_then(|()| self.secure());
        ticked.failure = ticked.failure.or(caught_up.err());
        let mut state = self.hold()?;
        let (due, send_ms) = state.ledger.due();
        ticked.actions.extend(due.into_iter().map(|(peer, known)| (peer, known, Action::Send)));
        let look_ms = state.ledger.next_look_ms();
        ticked.next_due_ms = [send_ms, look_ms].into_iter().flatten().min();
        Ok(ticked)
    }

    /// Makes the newest generation the base, durably, once enough of it came back (BS3).
    fn secure(&self) -> Result<()> {
        let Some(made) = self.hold()?.ledger.secured() else { return Ok(()) };
        let staged = self.store.blobs().stage(&made.object, Space::Grows)?;
        let mut state = self.hold_all_idle()?;
        let is_still = |now: Made| now.generation == made.generation;
        if !state.ledger.secured().is_some_and(is_still) {
            return Ok(());
        }
        let mut stripe = state.ledger.sends.stripe.clone();
        stripe.revision = stripe.revision.saturating_add(1);
        stripe.base = Some(made.generation);
        let (of_row, base) = (Some(stripe.clone()), Some(staged));
        let change = Change { stripe: of_row, base, grows: true, ..Change::default() };
        // BW3 does not hold here: nobody may give places from the stripe before, and nobody waits long.
        self.store.submit_one(change)?;
        state.ledger.sends.set_base(stripe, &made);
        Ok(())
    }

    /// Conclusions that were not worth a commit of their own (BL1), or met a full disk.
    fn write_dirty(&self) -> Result<()> {
        let mut state = self.hold_all_idle()?;
        let now_ms = state.ledger.now_ms();
        let dirty = state.ledger.dirty_peers(BATCH_OPS_MAX);
        if dirty.is_empty() && !state.ledger.is_dirty() && !state.ledger.sends.is_dirty() {
            return Ok(());
        }
        let tried: Vec<_> =
            dirty.into_iter().map(|(peer, known)| (peer, known.tried(now_ms))).collect();
        for (peer, known) in &tried {
            state.ledger.set(*peer, *known);
        }
        let rows = tried.iter().map(|(peer, known)| (*peer, known.encode())).collect();
        let change = Change {
            peers: rows,
            state: Some(state.ledger.state),
            stripe: state.ledger.sends.dirty_stripe(),
            ..Change::default()
        };
        let busy: Vec<_> =
            tried.iter().map(|(peer, _)| self.shared.make_busy(&mut state, *peer)).collect();
        drop(state);
        let written = self.write(change, &tried);
        drop(busy);
        written
    }

    /// Seals the payload for a peer; when this returns, the blob's number is durable. Hand it to the
    /// connection at once: it is not kept.
    ///
    /// # Errors
    /// Nothing was changed: `StateLoss`, `PeerUnavailable`, `Hold`, `Unreadable`, `NoPayload`, also for a
    /// peer that keeps nothing of this payload; `TooFewPeers`; `Conflict` while the peer holds what nothing
    /// newer replaces yet (BS1); `TooBig` when the numbers are used up; `NoSpace`, `Io` without random
    /// numbers; the store's errors. `Unknown`: do not send, reopen.
    pub fn seal(&self, now_ms: u64, peer: NodeId, block_height: u32) -> Result<Sealed> {
        let (mut state, now_ms) = self.hold_secured(now_ms, peer)?;
        let entropy = draw(state.entropy.as_mut())?;
        let plan = state.ledger.plan_send(peer)?;
        let (known, seq) = (plan.known, plan.seq);
        let frame = Frame {
            created_unix_secs: now_ms / 1_000,
            block_height,
            instance: state.ledger.state.instance,
            set_id: self.shared.keys.set_id(SET_CHANNELS, 0),
            entropy,
        };
        let stripe = match plan.stores_newest {
            true => Some(state.ledger.sends.stripe.clone()),
            false => state.ledger.sends.dirty_stripe(),
        };
        let change = Change {
            peers: vec![(peer, known.encode())],
            state: Some(record::State { is_fresh: false, ..state.ledger.state }),
            stripe,
            grows: true,
            ..Change::default()
        };
        let busy = self.shared.make_busy(&mut state, peer);
        drop(state);
        let sealed = self.seal_durably(peer, &plan, &frame, change);
        // While the peer is busy: nobody may take over what was only on its way.
        let ended = self.shared.state.hold().map(|mut state| match &sealed {
            Ok(_) => state.ledger.left(peer, &plan),
            Err(_) => state.ledger.failed(peer),
        });
        drop(busy);
        let blob = sealed?;
        ended?;
        let mut state = self.shared.state.hold()?;
        state.ledger.state.is_fresh = false;
        if state.ledger.state.is_blocked {
            let fact = "a peer showed that we lost state while this was sealed; do not send it";
            return Err(Error::new(Status::StateLoss, fact));
        }
        Ok(Sealed { blob, seq })
    }

    /// Locks the state once nothing that is known to be restorable would be forgotten by what is sealed next.
    fn hold_secured(&self, now_ms: u64, peer: NodeId) -> Result<(Held<'_, State>, u64)> {
        loop {
            let mut state = self.hold_idle(peer)?;
            let now_ms = state.ledger.observe(now_ms)?;
            state.ledger.review();
            if state.ledger.secured().is_none() {
                return Ok((state, now_ms));
            }
            drop(state);
            self.secure()?;
        }
    }

    fn seal_durably(
        &self,
        peer: NodeId,
        plan: &SendPlan,
        frame: &Frame,
        change: Change,
    ) -> Result<Vec<u8>> {
        let blob = compose(&self.shared.keys.peer(peer), plan, frame)?;
        let newest = match &plan.newest {
            Some(made) if plan.stores_newest && !made.generation.is_whole => {
                Some(self.store.blobs().stage(&made.object, Space::Grows)?)
            }
            _ => None,
        };
        self.write(Change { newest, ..change }, &[(peer, plan.known)])?;
        Ok(blob)
    }

    /// An operator has seen that state was lost, or that peers hold what we cannot read, and lets us go on:
    /// sending is no longer refused, and those peers' blobs may be overwritten. Numbers go on far above any
    /// that was seen. Answers whether anything had to be acknowledged.
    ///
    /// # Errors
    /// The store's errors: nothing was changed.
    pub fn acknowledge(&self) -> Result<bool> {
        let mut state = self.hold_all_idle()?;
        let (after, peers) = state.ledger.plan_acknowledge();
        if after == state.ledger.state && peers.is_empty() {
            return Ok(false);
        }
        let is_changed =
            |(peer, after): &(NodeId, Known)| state.ledger.known(*peer).peer != after.peer;
        let was_blocked = after.is_blocked != state.ledger.state.is_blocked;
        let is_needed = was_blocked || peers.iter().any(is_changed);
        // BW3 does not hold here: nobody may decide from the state before, and nobody waits long.
        self.store.submit_one(acknowledged(&peers, after))?;
        state.ledger.settle(after, peers);
        Ok(is_needed)
    }

    /// Forgets a peer that is not connected and was never sent anything: a stranger. What it holds may be
    /// overwritten when it comes back. Answers whether anything was known.
    ///
    /// # Errors
    /// `Conflict` when it is connected, or was sent a blob, which it may return; the store's errors: nothing
    /// was changed.
    pub fn forget(&self, peer: NodeId) -> Result<bool> {
        let mut state = self.hold_idle(peer)?;
        let known = state.ledger.known(peer);
        if known.peer.is_connected || known.peer.sent_seq != 0 {
            let fact = "is connected or may return a blob of ours; nothing was forgotten";
            return Err(Error::new(Status::Conflict, format!("peer {peer} {fact}")));
        }
        if known.row.is_none() {
            state.ledger.forget(peer);
            return Ok(known.has_facts);
        }
        let busy = self.shared.make_busy(&mut state, peer);
        drop(state);
        self.store.submit_one(Change { forgotten: vec![peer], ..Change::default() })?;
        self.shared.state.hold()?.ledger.forget(peer);
        drop(busy);
        Ok(true)
    }

    /// What is known of peers, in the order of their ids, at most `limit` (capped at 1,000) after one of
    /// them.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn peers(&self, after: Option<NodeId>, limit: usize) -> Result<Vec<PeerStatus>> {
        Ok(self.hold()?.ledger.statuses(after, limit.min(PAGE_ROWS_MAX)))
    }

    /// Where the backup stands.
    ///
    /// # Errors
    /// `Closed`, `Poisoned`, `Forked`.
    pub fn standing(&self) -> Result<Standing> {
        Ok(self.hold()?.ledger.standing())
    }
}

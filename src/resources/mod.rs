//! Resources: which HTLC to forward, in which bucket and with which signal, against channel jamming.
//!
//! Arithmetic RR, averages RA, slots RS, buckets RB, channels RC, decisions RD, effects RY and entries RE
//! are pure; shards RH, the ring RG, calls RN, the journal RJ, loading RL and rows RT keep them. Above all
//! of them: RX1 decisions survive a restart exactly: what is found is what a prefix of the acknowledged
//! calls left. RX2 a forward waits for no disk unless it asks to. Origin: bolts #1280, rust-lightning
//! #4409. Called by `ffi` and Rust hosts; calls `store`. No clock here; one thread that writes.

mod apply;
pub mod average;
pub mod bucket;
mod channel;
mod decide;
mod decisions;
mod engine;
mod entry;
mod history;
mod htlcs;
mod journal;
mod load;
mod opening;
mod options;
mod reconcile;
mod record;
pub(crate) mod references;
mod ring;
pub mod rules;
mod scribe;
mod shards;
pub mod slots;
#[cfg(test)]
mod tests;
mod view;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

pub use self::bucket::{Allocation, ChannelLimits, Usage};
pub use self::channel::BucketKind;
pub use self::decide::{AddRequest, Decision, Reason, Upgrade, Verdict};
use self::decisions::Decisions;
use self::engine::{Engine, Numbered};
pub use self::options::{
    Ack, ForwardRow, Imported, LiveHtlc, Reconciled, Removal, Resolution, ResolveRequest,
    ResourcesOptions, ResourcesReport, ResourcesStats,
};
pub use self::rules::{Mode, Settings};
pub use self::view::{ChannelView, Explanation, Facts, PairView, PendingView};
use crate::error::{Error, Result, Status};
use crate::limits::RESOURCES_JOURNAL_ENTRIES_MAX;
use crate::os;
use crate::store::{Store, WriteBehind, refuse_forked_child};
use crate::types::ShortChannelId;

/// What every opener of a store's resources shares.
pub(crate) struct Shared {
    options: ResourcesOptions,
    report: ResourcesReport,
    engine: Engine,
    decisions: Option<Decisions>,
    handles: AtomicU32,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    /// The last handle went, or the store was closed.
    has_ended: bool,
    thread: Option<std::thread::JoinHandle<()>>,
    answer: Option<Error>,
}

impl WriteBehind for Shared {
    fn flush(&self) -> Result<()> {
        self.engine.journal.as_ref().map_or(Ok(()), |journal| journal.flush())
    }

    fn end(&self) -> Result<()> {
        self.end_unless(|_| false)
    }
}

impl Shared {
    /// Ends all calls and writes what they left, unless so many handles speak against it: an opener counts
    /// itself under the same lock.
    fn end_unless(&self, spares: impl FnOnce(u32) -> bool) -> Result<()> {
        let mut end = self.end.lock();
        if !end.has_ended && spares(self.handles.load(Ordering::Acquire)) {
            return Ok(());
        }
        if !end.has_ended {
            end.has_ended = true;
            self.engine.shards.close();
            if let Some(journal) = &self.engine.journal {
                journal.end();
                end.answer = journal.wait_for_end().err();
            }
            if let Some(thread) = end.thread.take() {
                drop(thread.join());
            }
        }
        end.answer.clone().map_or(Ok(()), Err)
    }
}

/// The resources of a store. Cheap to share: every method takes `&self` and may be called from any thread;
/// calls about different channels do not wait for each other.
pub struct Resources {
    store: Arc<Store>,
    shared: Arc<Shared>,
    is_closed: AtomicBool,
}

impl std::fmt::Debug for Resources {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resources").field("report", &self.shared.report).finish_non_exhaustive()
    }
}

impl Resources {
    /// Opens the resources of a store: loads every channel and HTLC as they were. While they are open,
    /// opening again with equal options joins them.
    ///
    /// # Errors `InvalidArgument` for settings that no decision can be made with; `WrongMode` when the
    /// store's mode is another and `convert` is not set; `ChannelLimits` when a channel cannot be divided
    /// by the new settings: nothing was changed; `AlreadyOpen` with other options; `CorruptRecord` when the
    /// settings' row is damaged; the store's errors. Damaged channels are no error: see
    /// [`Resources::report`].
    pub fn open(store: &Arc<Store>, options: ResourcesOptions) -> Result<Resources> {
        store.check_usable()?;
        options.settings.check()?;
        if options.journal_entries_max > RESOURCES_JOURNAL_ENTRIES_MAX {
            let fact = format!(
                "journal_entries_max is {}; at most {RESOURCES_JOURNAL_ENTRIES_MAX}",
                options.journal_entries_max
            );
            return Err(Error::new(Status::InvalidArgument, fact));
        }
        loop {
            let over = |shared: &Shared| shared.end.lock().has_ended;
            let shared = store.component_unless(over, || opening::begin(store, &options))?;
            if !is_equal(&shared.options, &options) {
                let fact = "the resources of this store are open with other options";
                return Err(Error::new(Status::AlreadyOpen, fact));
            }
            let end = shared.end.lock();
            // Its last handle may have gone since.
            if end.has_ended {
                continue;
            }
            shared.handles.fetch_add(1, Ordering::AcqRel);
            drop(end);
            let journal: Weak<dyn WriteBehind> = Arc::<Shared>::downgrade(&shared);
            let is_closed = AtomicBool::new(false);
            let opened = Resources { store: Arc::clone(store), shared, is_closed };
            return store.add_journal(journal).map(|()| opened);
        }
    }

    /// Whether the journals that this thread opens from now on write channels after each few entries, in rows
    /// and commits of few: what takes millions of calls otherwise.
    #[cfg(feature = "failpoints")]
    pub fn write_channels_often(often: bool) {
        let few = journal::Sizes {
            delay: std::time::Duration::ZERO,
            block_entries: 3,
            slice_bytes: 1_024,
            journal_bytes: 256,
            journal_per_channels: 0,
        };
        journal::SIZES.set(often.then_some(few));
    }

    /// What the open found.
    pub fn report(&self) -> &ResourcesReport {
        &self.shared.report
    }

    /// The store these resources live in.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The options they are open with.
    pub fn options(&self) -> &ResourcesOptions {
        &self.shared.options
    }

    /// Closes this handle. The last one writes what was acknowledged.
    ///
    /// # Errors
    /// `NoSpace`, `Poisoned`: the last calls acknowledged from memory are lost, as after a crash.
    pub fn close(&self) -> Result<()> {
        refuse_forked_child()?;
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.shared.handles.fetch_sub(1, Ordering::AcqRel);
        self.shared.end_unless(|handles| handles != 0)
    }

    fn engine(&self) -> Result<&Engine> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Status::Closed.into());
        }
        self.store.check_usable()?;
        Ok(&self.shared.engine)
    }

    /// Waits for the disk if the caller wants that.
    fn acknowledge(&self, number: Option<u64>, ack: Ack) -> Result<()> {
        match (ack, number, &self.shared.engine.journal) {
            (Ack::Durable, Some(number), Some(journal)) => journal.wait_for(number),
            _ => Ok(()),
        }
    }

    /// Lets a channel take part, in both directions. Answers how it is divided, and whether it was known with
    /// these limits before. Durable when this returns.
    ///
    /// # Errors `ChannelLimits`, whose value is the bound; `DuplicateChannel` when it is known with other
    /// limits (see [`Resources::resize_channel`]) or is closing; `Busy`; `NotDurable`: done, and kept in
    /// memory; `Poisoned`, `Closed`.
    pub fn add_channel(
        &self,
        channel: ShortChannelId,
        limits: ChannelLimits,
        unix_secs: u64,
    ) -> Result<(Allocation, bool)> {
        let Numbered { answer, number } = self.engine()?.add_channel(channel, limits, unix_secs)?;
        self.acknowledge(number, Ack::Durable)?;
        Ok(answer)
    }

    /// Gives a channel other limits, as a splice does. No HTLC is evicted: a smaller bucket takes new ones
    /// when old ones have left. Durable when this returns.
    ///
    /// # Errors `ChannelLimits`, `UnknownChannel`, `ChannelClosing`; `Busy`; `NotDurable`: done, and kept
    /// in memory; `Poisoned`, `Closed`.
    pub fn resize_channel(
        &self,
        channel: ShortChannelId,
        limits: ChannelLimits,
    ) -> Result<Allocation> {
        let Numbered { answer, number } = self.engine()?.resize_channel(channel, limits)?;
        self.acknowledge(number, Ack::Durable)?;
        Ok(answer)
    }

    /// Forgets a channel, at once or when its last HTLC resolves. Durable when this returns.
    ///
    /// # Errors
    /// `UnknownChannel`; `Busy`; `NotDurable`: done, and kept in memory; `Poisoned`, `Closed`.
    pub fn remove_channel(&self, channel: ShortChannelId) -> Result<Removal> {
        let removed = self.engine()?.remove_channel(channel);
        if matches!(&removed, Err(error) if error.status() == Status::UnknownChannel) {
            // An earlier call may have removed it without becoming durable.
            self.sync()?;
        }
        let Numbered { answer, number } = removed?;
        self.acknowledge(number, Ack::Durable)?;
        Ok(answer)
    }

    /// Decides about an HTLC, and takes what it uses. To fail it is a verdict and no error. A repeat answers
    /// what was decided, marked as such.
    ///
    /// # Errors `OutgoingExceedsIncoming`, `ExpiryNotAfterHeight`, `UnknownChannel`, `ChannelClosing`
    /// (whose value is the channel), `DuplicateHtlc`, `SlotAssignment` in `compat` mode, `Busy`: nothing
    /// was decided. With [`Ack::Durable`] also `NotDurable`: decided, and kept in memory; repeat the call.
    /// `Poisoned`, `Closed`.
    pub fn add(&self, request: &AddRequest, ack: Ack) -> Result<Decision> {
        if self.shared.decisions.is_some() {
            return self.add_explained(request, ack).map(|explained| explained.decision);
        }
        let Numbered { answer, number } = self.engine()?.add(request)?;
        let decision = answer?;
        self.acknowledge(number, ack)?;
        Ok(decision)
    }

    /// As [`Resources::add`], with the grounds of the decision.
    ///
    /// # Errors
    /// As [`Resources::add`].
    pub fn add_explained(&self, request: &AddRequest, ack: Ack) -> Result<Explanation> {
        let (answered, facts) = self.engine()?.add_explained(request)?;
        let decision = answered.answer?;
        let explanation = Explanation { decision, facts };
        if let Some(decisions) = self.shared.decisions.as_ref().filter(|_| !decision.already) {
            decisions.keep(request, &explanation);
        }
        self.acknowledge(answered.number, ack)?;
        Ok(explanation)
    }

    /// Decides about several HTLCs in order, waiting for the disk once at most.
    pub fn add_all(&self, requests: &[AddRequest], ack: Ack) -> Vec<Result<Decision>> {
        let mut answers: Vec<_> =
            requests.iter().map(|request| self.add(request, Ack::Memory)).collect();
        self.acknowledge_all(&mut answers, ack);
        answers
    }

    fn acknowledge_all<T>(&self, answers: &mut [Result<T>], ack: Ack) {
        if ack == Ack::Memory {
            return;
        }
        if let Err(error) = self.sync() {
            for answer in answers.iter_mut().filter(|answer| answer.is_ok()) {
                *answer = Err(error.clone());
            }
        }
    }

    /// What [`Resources::add`] would answer, and why. Changes nothing.
    ///
    /// # Errors
    /// As [`Resources::add`], but for `Busy` and `NotDurable`.
    pub fn dry_run(&self, request: &AddRequest) -> Result<Explanation> {
        self.engine()?.dry_run(request)
    }

    /// Ends an HTLC: releases what it took, and lets it count for the outgoing channel's reputation and the
    /// incoming one's revenue. A repeat of one of a channel's last resolutions is answered as such.
    ///
    /// # Errors `UnknownChannel`, `UnknownHtlc`: there is nothing to release; `ResolvedBeforeAdded` in
    /// `compat` mode: it was released and counts for nothing; `Busy`: nothing was done. With
    /// [`Ack::Durable`] also `NotDurable`: done, and kept in memory; repeat the call. `Poisoned`, `Closed`.
    pub fn resolve(&self, request: &ResolveRequest, ack: Ack) -> Result<Resolution> {
        let Numbered { answer, number } = self.engine()?.resolve(request)?;
        // What is released and counts for nothing has a number too.
        self.acknowledge(number, ack)?;
        answer
    }

    /// Ends several HTLCs in order, waiting for the disk once at most.
    pub fn resolve_all(&self, requests: &[ResolveRequest], ack: Ack) -> Vec<Result<Resolution>> {
        let mut answers: Vec<_> =
            requests.iter().map(|request| self.resolve(request, Ack::Memory)).collect();
        self.acknowledge_all(&mut answers, ack);
        answers
    }

    /// Compares what was pending before this session with the HTLCs that the node has: releases those that it
    /// has no more, with no effect on any reputation, and tracks those that are not known. Decides nothing.
    /// To be called after every open, with all HTLCs that were forwarded and are not resolved. Durable when
    /// this returns; a repeat finishes what an error left.
    ///
    /// # Errors `DuplicateId`, `OutgoingExceedsIncoming`, `InvalidArgument`: nothing was done.
    /// `NotDurable`; `Poisoned`, `Closed`.
    pub fn reconcile(&self, live: &[LiveHtlc]) -> Result<Reconciled> {
        let report = self.engine()?.reconcile(live)?;
        self.sync()?;
        Ok(report)
    }

    /// Takes forwards of the past, in any order, into the averages of the channels that are known. Each
    /// average takes a history once. Durable when this returns.
    ///
    /// # Errors
    /// `NotDurable`, `Poisoned`, `Closed`: some channels may have their history; a repeat does the others.
    pub fn import_history(&self, rows: &[ForwardRow]) -> Result<Imported> {
        let report = self.engine()?.import(rows)?;
        self.sync()?;
        Ok(report)
    }

    /// One channel, with its averages as of a time.
    ///
    /// # Errors
    /// `UnknownChannel`; `Poisoned`, `Closed`.
    pub fn channel(&self, channel: ShortChannelId, unix_secs: u64) -> Result<ChannelView> {
        let engine = self.engine()?;
        let mut held = engine.shards.hold(channel)?;
        let known = held.shard().channels.get(&channel).ok_or_else(|| decide::unknown(channel))?;
        let mut view = view::channel(&engine.settings, known, unix_secs);
        drop(held);
        view.pairs.retain(|pair| pair.is_told(engine.shards.added_at(pair.outgoing)));
        Ok(view)
    }

    /// All channels by id, with their averages as of a time. Each is consistent in itself.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn channels(&self, unix_secs: u64) -> Result<Vec<ChannelView>> {
        let engine = self.engine()?;
        engine.shards.check_open()?;
        let mut channels = Vec::new();
        engine.shards.each(|shard| {
            let view = |channel| view::channel(&engine.settings, channel, unix_secs);
            channels.extend(shard.channels.values().map(|channel| view(channel)));
        });
        channels.sort_unstable_by_key(|channel| channel.channel);
        for channel in &mut channels {
            channel.pairs.retain(|pair| pair.is_told(engine.shards.added_at(pair.outgoing)));
        }
        Ok(channels)
    }

    /// All pending HTLCs, by outgoing channel, incoming channel, id.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn pending(&self) -> Result<Vec<PendingView>> {
        let engine = self.engine()?;
        engine.shards.check_open()?;
        let mut pending = Vec::new();
        engine.shards.each(|shard| {
            for channel in shard.channels.values() {
                let view = |htlc| view::pending(&engine.settings, channel.id, htlc);
                pending.extend(channel.incoming.pending().map(view));
            }
        });
        pending.sort_unstable_by_key(|htlc| (htlc.outgoing, htlc.incoming, htlc.htlc_id));
        Ok(pending)
    }

    /// The kept decisions after a number as JSON lines, at most so many, and the number of the last one. They
    /// are kept if `decisions_kept` says so, and not stored.
    ///
    /// # Errors
    /// `WrongMode` when none are kept; `Poisoned`, `Closed`.
    pub fn decisions(&self, after: u64, max: usize) -> Result<(String, u64)> {
        self.engine()?.shards.check_open()?;
        let none = || Error::new(Status::WrongMode, "opened without decisions_kept: none are kept");
        Ok(self.shared.decisions.as_ref().ok_or_else(none)?.lines(after, max))
    }

    /// Returns when everything acknowledged before is durable.
    ///
    /// # Errors
    /// `NotDurable`: not yet, ask again; `Poisoned`, `Closed`.
    pub fn sync(&self) -> Result<()> {
        self.engine()?;
        self.shared.flush()
    }

    /// Figures since the open.
    ///
    /// # Errors
    /// `Poisoned`, `Closed`.
    pub fn stats(&self) -> Result<ResourcesStats> {
        let engine = self.engine()?;
        engine.shards.check_open()?;
        let counts = engine.shards.counts();
        let journal = engine.journal.as_ref();
        Ok(ResourcesStats {
            forwarded: counts.forwarded,
            failed: counts.failed,
            would_fail: counts.would_fail,
            repeated: counts.repeated,
            resolved: counts.resolved,
            clock_clamped: counts.clock_clamped,
            journal_waiting: journal.map_or(0, |journal| journal.waiting()),
            journal_next: journal.map_or(0, |journal| journal.ring.next()),
            journal_durable_below: journal.map_or(0, |journal| journal.durable_below()),
        })
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        if !os::is_forked_child() {
            drop(self.close());
        }
    }
}

/// Whether two openers want the same; where a new salt would come from and whether a mode may change matters
/// to the first alone.
fn is_equal(known: &ResourcesOptions, asked: &ResourcesOptions) -> bool {
    let ResourcesOptions { convert, entropy, .. } = known;
    *known == ResourcesOptions { convert: *convert, entropy: *entropy, ..asked.clone() }
}

//! Journals of HTLCs: which peers keep them, and which of these are still to be sent the one of now.
//!
//! BJ5 all keepers of journals are sent one at the same time, each as soon as it may be sent something and
//! its budget allows. Pure: no clock, no I/O. Called by the ledger's `sends` and `due`.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::budget::{Budget, Upload, upload_bytes};
use super::choose::{self, Candidate, Placement, roster_bytes_max};
use super::generation::Generation;
use super::htlcs::{Coverage, HtlcSet};
use super::journal::{BASE_AGE_MS, Base, Journal};
use super::options::BackupOptions;
use super::sends::Made;
use crate::error::Result;
use crate::types::NodeId;

/// Peers with a whole payload that are never made keepers of journals.
const WHOLE_KEEPERS_MIN: usize = 2;

/// Everything about journals.
pub(super) struct Journals {
    pub(super) journal: Journal,
    options: BackupOptions,
    budget: Budget,
    set_id: [u8; 16],
    keepers: Vec<NodeId>,
    /// Keepers that are still to be sent the journal of now, and when their budget allows it.
    waiting: BTreeMap<NodeId, (Upload, u64)>,
    /// What the last journal told and what it had to leave out.
    coverage: Coverage,
    /// HTLCs did not fit beside the payload: another generation would be no better.
    has_no_room: bool,
}

impl Journals {
    pub(super) fn new(options: &BackupOptions, set_id: [u8; 16]) -> Result<Journals> {
        Ok(Journals {
            journal: Journal::new(options.journal)?,
            budget: Budget::new(options.budget)?,
            options: options.clone(),
            set_id,
            keepers: Vec::new(),
            waiting: BTreeMap::new(),
            coverage: Coverage::default(),
            has_no_room: false,
        })
    }

    /// Journals begin with the first HTLC that is told.
    pub(super) fn is_active(&self) -> bool {
        self.journal.next_due_ms().is_some()
    }

    pub(super) fn keeps(&self, node: NodeId) -> bool {
        self.is_active() && self.keepers.contains(&node)
    }

    /// How many peers keep them.
    pub(super) fn keepers(&self) -> usize {
        if self.is_active() { self.keepers.len() } else { 0 }
    }

    pub(super) fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// A peer that was sent a journal last goes on to keep them, where it still can.
    pub(super) fn remember_keeper(&mut self, node: NodeId) {
        self.keepers.push(node);
    }

    /// Chooses keepers among those that have no place. While the payload goes whole to everyone, two at least
    /// keep that.
    pub(super) fn choose(&mut self, placement: &Placement, candidates: &[Candidate]) {
        if !self.is_active() {
            return;
        }
        let class = self.options.journal.size_class;
        let most = self.options.journal_keepers as usize;
        let rank = |count: usize| {
            choose::rank_for_journal(placement, &self.keepers, candidates, class, count)
        };
        let is_whole = placement.iter().next().is_none();
        let count = match is_whole {
            true => most.min(rank(usize::MAX).len().saturating_sub(WHOLE_KEEPERS_MIN)),
            false => most,
        };
        self.keepers = rank(count);
        self.waiting.retain(|node, _| self.keepers.contains(node));
    }

    /// HTLCs beside a payload, in so many bytes; nothing while there are no journals.
    pub(super) fn snapshot(&mut self, bytes_max: usize) -> Result<Zeroizing<Vec<u8>>> {
        let htlcs = self.journal.snapshot();
        if !self.is_active() || htlcs.is_empty() || bytes_max < super::htlcs::EMPTY_BYTES {
            return Ok(Zeroizing::default());
        }
        let diff = htlcs.diff(&HtlcSet::default());
        let (snapshot, coverage) = diff.encode_within(bytes_max, self.options.journal.dust_msat)?;
        // Part of them would be taken for all: journals tell them, relative to nothing.
        let is_whole = coverage.uncovered_count == 0;
        self.has_no_room = !is_whole;
        Ok(if is_whole { snapshot } else { Zeroizing::default() })
    }

    /// Journals are relative to this generation from now on.
    pub(super) fn set_base(&mut self, made: &Made) {
        let Generation { number, made_ms, .. } = made.generation;
        let base = Base { set_id: self.set_id, generation: number, made_ms, htlcs: made.htlcs() };
        debug_assert!(number != 0);
        if number != 0 {
            // What named the base before is of no use once its shares are replaced: the next one does not
            // wait.
            self.journal.clear_base();
            // It only fails for generation 0, which no blob has.
            let _ = self.journal.set_base(base);
        }
    }

    /// Generation that journals are relative to, 0 for none.
    pub(super) fn base_generation(&self) -> u64 {
        self.journal.base_generation()
    }

    /// Journals are complete by themselves from now on: what they were relative to goes along no more.
    pub(super) fn clear_base(&mut self) {
        self.journal.clear_base();
    }

    /// Whether journals would be shorter with a new generation, and none is on its way already.
    pub(super) fn wants_base(&self, now_ms: u64, newest: &Generation, base: Option<u64>) -> bool {
        let is_old = now_ms.saturating_sub(newest.made_ms) >= BASE_AGE_MS;
        let is_settled = base == Some(newest.number) && !self.has_no_room;
        let may_be_replaced = is_settled || is_old;
        !newest.is_whole
            && self.is_active()
            && may_be_replaced
            && !self.keepers.is_empty()
            && self.journal.wants_new_base(now_ms)
    }

    /// Begins a round when one is due; `random` spreads the next one's time.
    pub(super) fn begin_round(&mut self, now_ms: u64, random: u64) {
        if !self.journal.is_due(now_ms) {
            return;
        }
        let upload = match self.journal.is_urgent(now_ms) {
            true => Upload::Urgent,
            false => Upload::Regular,
        };
        for node in &self.keepers {
            let waits_urgently = matches!(self.waiting.get(node), Some((Upload::Urgent, _)));
            let upload = if waits_urgently { Upload::Urgent } else { upload };
            self.waiting.insert(*node, (upload, now_ms));
        }
        self.journal.sent(now_ms, random);
    }

    /// Asks the budget anew: what was sent to one keeper may make another wait.
    pub(super) fn ask_budget(&mut self, now_ms: u64) {
        let bytes = upload_bytes(self.options.journal.size_class);
        let mut budget = self.budget.clone();
        for (node, (upload, ready_ms)) in &mut self.waiting {
            *ready_ms = budget.ready_ms(*node, now_ms, bytes, *upload);
            if *ready_ms <= now_ms {
                budget.take(*node, now_ms, bytes, *upload);
            }
        }
    }

    /// When a keeper is to be sent the journal of now.
    pub(super) fn due_ms(&self, node: NodeId) -> Option<u64> {
        self.waiting.get(&node).map(|(_, ready_ms)| *ready_ms)
    }

    /// When the next round begins.
    pub(super) fn next_round_ms(&self) -> Option<u64> {
        self.journal.next_due_ms()
    }

    /// The journal of now.
    pub(super) fn content(&mut self) -> Result<Zeroizing<Vec<u8>>> {
        let class = self.options.journal.size_class;
        let room = class.payload_max().saturating_sub(roster_bytes_max(class));
        let (content, coverage) = self.journal.content(room)?;
        self.coverage = coverage;
        Ok(content)
    }

    /// A keeper is sent the journal of now.
    pub(super) fn sent(&mut self, node: NodeId, now_ms: u64) {
        let upload = self.waiting.remove(&node).map_or(Upload::Urgent, |(upload, _)| upload);
        let bytes = upload_bytes(self.options.journal.size_class);
        self.budget.take(node, now_ms, bytes, upload);
    }
}

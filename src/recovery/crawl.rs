//! Whom to ask next for what it keeps of ours.
//!
//! RW1 one peer is asked at a time: no second `Ask` before the first has answered, failed, or had its time,
//! which no peer can prolong.
//! RW2 holders of shares come first, then others of the rosters, then announced neighbours, then the rest.
//! RW3 after each failure a peer rests twice as long, and after the last it is left alone: the crawl ends.
//! RW4 whoever answered is not asked again, and no later report takes its answer back.
//! RW5 time never goes back: a smaller time counts as the greatest seen.
//! Source: spec of peer storage, 5. Pure: no clock, no I/O. Called by the session.

use std::collections::{BTreeMap, BTreeSet};

use crate::backup::roster::Roster;
use crate::error::{Error, Result, Status};
use crate::types::NodeId;

/// Failures after which a peer is not waited for: the payload can be final without it.
pub const FAILURES_FINAL: u8 = 3;
/// Failures after which a peer is not asked again. With the rests between, that takes two hours.
pub const FAILURES_MAX: u8 = 8;
/// Rest after the first failure.
pub const REST_FIRST_MS: u64 = 60_000;
/// The longest rest.
pub const REST_MAX_MS: u64 = 3_600_000;
/// Bytes of the longest address: one byte tells its length, in rosters and exports.
pub const ADDRESS_BYTES_MAX: usize = 255;

/// Where a candidate is known from: the smaller is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Origin {
    /// A roster names it as the holder of a share.
    Holder = 0,
    /// A roster names it.
    Roster = 1,
    /// A neighbour that the public graph shows.
    Announced = 2,
    /// The operator's list, a file, or it came by itself.
    Other = 3,
}

impl Origin {
    /// Every origin, in the order of its number.
    pub const ALL: [Origin; 4] = [Origin::Holder, Origin::Roster, Origin::Announced, Origin::Other];
}

/// What a peer had to say, the more telling the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Answer {
    /// It offers no storage.
    NoStorage = 0,
    /// It keeps nothing of ours.
    NoBlob = 1,
    /// What it returned does not open.
    Unreadable = 2,
    /// It returned a blob of ours.
    Blob = 3,
}

impl Answer {
    /// Every answer, in the order of its number.
    pub const ALL: [Answer; 4] =
        [Answer::NoStorage, Answer::NoBlob, Answer::Unreadable, Answer::Blob];
}

/// What the host reports of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PeerResult {
    /// Connected: its blob may follow.
    Connected = 0,
    /// Could not be reached, or the connection ended before it answered. Counts once, and only for a peer
    /// that was asked or had connected.
    Failed = 1,
    /// Offers no storage.
    NoStorage = 2,
    /// Began channel_reestablish, or let its time pass, without a blob.
    NoBlob = 3,
}

impl PeerResult {
    /// Every result, in the order of its number.
    pub const ALL: [PeerResult; 4] =
        [PeerResult::Connected, PeerResult::Failed, PeerResult::NoStorage, PeerResult::NoBlob];
}

/// Whom to ask, and where it may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The peer.
    pub node: NodeId,
    /// A BOLT 7 address descriptor, empty if none is known. After a failure, another one if there is one.
    pub address: Vec<u8>,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Connect to this peer and report.
    Ask(Ask),
    /// Nothing before this time, in the host's milliseconds.
    Wait {
        /// When to ask again.
        until_ms: u64,
    },
    /// There is nobody left to ask.
    None,
}

/// A peer that may keep something of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its node id.
    pub node: NodeId,
    /// Whether the public graph shows a channel with it.
    pub is_announced: bool,
    /// A BOLT 7 address descriptor; may be empty.
    pub address: Vec<u8>,
}

/// How many peers are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerCounts {
    /// Peers known of.
    pub known: u32,
    /// Peers that were asked, or reported of.
    pub asked: u32,
    /// Peers that answered, whatever they said.
    pub answered: u32,
    /// Peers whose answer is awaited: the one that was asked, and those that connected by themselves.
    pub pending: u32,
    /// Peers that failed three times and did not answer.
    pub unreachable: u32,
    /// Peers that returned a blob of ours.
    pub with_blob: u32,
    /// Peers that returned something that does not open.
    pub unreadable: u32,
}

/// An answer that is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) until_ms: u64,
    /// Whether the peer is connected, so that only its blob is missing.
    pub(super) is_connected: bool,
}

/// Where one candidate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) origin: Origin,
    pub(super) answer: Option<Answer>,
    pub(super) failures: u8,
    pub(super) was_asked: bool,
    pub(super) awaited: Option<Awaited>,
    /// When it may be asked next.
    pub(super) next_ms: u64,
    /// What the host says of its address.
    pub(super) address: Vec<u8>,
    /// Generation of the roster that names it last, and what that says of its address.
    pub(super) roster_generation: u64,
    pub(super) roster_address: Vec<u8>,
}

impl Standing {
    fn new(origin: Origin) -> Standing {
        Standing {
            origin,
            answer: None,
            failures: 0,
            was_asked: false,
            awaited: None,
            next_ms: 0,
            address: Vec::new(),
            roster_generation: 0,
            roster_address: Vec::new(),
        }
    }

    /// The host's address is the newer one as a rule; after every other failure the roster's is tried.
    fn address(&self) -> Vec<u8> {
        let (first, second) = match self.failures % 2 {
            0 => (&self.address, &self.roster_address),
            _ => (&self.roster_address, &self.address),
        };
        if first.is_empty() { second.clone() } else { first.clone() }
    }

    fn fail(&mut self, now_ms: u64) {
        let was_awaited = self.awaited.take().is_some();
        if was_awaited && self.may_be_asked() {
            let doublings = u32::from(self.failures);
            let rest_ms = (REST_FIRST_MS << doublings).min(REST_MAX_MS);
            self.failures += 1;
            self.next_ms = now_ms.saturating_add(rest_ms);
        }
    }

    fn take(&mut self, answer: Answer) {
        self.awaited = None;
        self.was_asked = true;
        self.answer = self.answer.max(Some(answer));
    }

    /// When it may be asked, at the earliest: one that connected by itself may answer without being asked.
    fn ready_ms(&self) -> u64 {
        self.awaited.map_or(self.next_ms, |awaited| awaited.until_ms)
    }

    fn connect(&mut self, until_ms: u64) {
        let is_connected = self.awaited.is_some_and(|awaited| awaited.is_connected);
        if self.answer.is_none() && !is_connected {
            self.awaited = Some(Awaited { until_ms, is_connected: true });
        }
    }

    fn may_be_asked(&self) -> bool {
        self.answer.is_none() && self.failures < FAILURES_MAX
    }
}

const _: () = assert!(REST_FIRST_MS << (FAILURES_MAX - 1) > REST_MAX_MS);

/// All candidates and who is being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crawl {
    pub(super) now_ms: u64,
    pub(super) candidates: BTreeMap<NodeId, Standing>,
    /// Who was asked last: while its answer is awaited, nobody else is asked (RW1).
    pub(super) asked: Option<NodeId>,
    answer_ms: u64,
    blob_ms: u64,
    candidates_max: usize,
}

impl Crawl {
    pub(super) fn new(answer_ms: u64, blob_ms: u64, candidates_max: usize) -> Crawl {
        let candidates = BTreeMap::new();
        Crawl { now_ms: 0, candidates, asked: None, answer_ms, blob_ms, candidates_max }
    }

    pub(super) fn add(&mut self, given: &[Candidate]) -> Result<()> {
        let is_new = |candidate: &&Candidate| !self.candidates.contains_key(&candidate.node);
        let added: BTreeSet<NodeId> =
            given.iter().filter(is_new).map(|candidate| candidate.node).collect();
        let (known, most) = (self.candidates.len(), self.candidates_max);
        if known.saturating_add(added.len()) > most {
            let count = added.len();
            let why = format!("{known} candidates and {count} more: a recovery takes {most}");
            return Err(Error::new(Status::TooBig, why));
        }
        if let Some(long) = given.iter().find(|given| given.address.len() > ADDRESS_BYTES_MAX) {
            let (node, bytes) = (long.node, long.address.len());
            let why = format!("the address of {node} has {bytes} bytes: a descriptor is shorter");
            return Err(Error::new(Status::InvalidArgument, why));
        }
        for candidate in given {
            let origin = if candidate.is_announced { Origin::Announced } else { Origin::Other };
            let standing =
                self.candidates.entry(candidate.node).or_insert_with(|| Standing::new(origin));
            standing.origin = standing.origin.min(origin);
            if !candidate.address.is_empty() {
                standing.address.clone_from(&candidate.address);
            }
        }
        Ok(())
    }

    /// Adds whom a roster names. One that no longer fits is left out: a roster is authentic, so that only a
    /// host that filled the list before can be the cause.
    pub(super) fn add_roster(&mut self, roster: &Roster) {
        for peer in &roster.peers {
            let origin = if peer.index.is_some() { Origin::Holder } else { Origin::Roster };
            let Some(standing) = self.entry(peer.node, origin) else {
                continue;
            };
            standing.origin = standing.origin.min(origin);
            let newer = (roster.generation, &peer.address)
                > (standing.roster_generation, &standing.roster_address);
            if newer && !peer.address.is_empty() && peer.address.len() <= ADDRESS_BYTES_MAX {
                standing.roster_generation = roster.generation;
                standing.roster_address.clone_from(&peer.address);
            }
        }
    }

    fn entry(&mut self, node: NodeId, origin: Origin) -> Option<&mut Standing> {
        let has_room = self.candidates.len() < self.candidates_max;
        if !has_room && !self.candidates.contains_key(&node) {
            return None;
        }
        Some(self.candidates.entry(node).or_insert_with(|| Standing::new(origin)))
    }

    /// Moves the time on; whoever let its time pass has failed (RW5).
    pub(super) fn advance(&mut self, now_ms: u64) {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        for standing in self.candidates.values_mut() {
            if standing.awaited.is_some_and(|awaited| awaited.until_ms <= now_ms) {
                standing.fail(now_ms);
            }
        }
    }

    pub(super) fn next(&mut self, now_ms: u64) -> Next {
        self.advance(now_ms);
        let now_ms = self.now_ms;
        let asked = self.asked.and_then(|node| self.candidates.get(&node)?.awaited);
        if let Some(Awaited { until_ms, .. }) = asked {
            return Next::Wait { until_ms };
        }
        let open = self.candidates.iter_mut().filter(|(_, standing)| standing.may_be_asked());
        let chosen = open.min_by_key(|(node, standing)| {
            let rest_ms = standing.ready_ms().saturating_sub(now_ms);
            (rest_ms, standing.origin, standing.failures, **node)
        });
        let Some((node, standing)) = chosen else {
            return Next::None;
        };
        if standing.ready_ms() > now_ms {
            return Next::Wait { until_ms: standing.ready_ms() };
        }
        standing.was_asked = true;
        let until_ms = now_ms.saturating_add(self.answer_ms);
        standing.awaited = Some(Awaited { until_ms, is_connected: false });
        self.asked = Some(*node);
        Next::Ask(Ask { node: *node, address: standing.address() })
    }

    pub(super) fn report(&mut self, now_ms: u64, node: NodeId, result: PeerResult) {
        self.advance(now_ms);
        let (now_ms, blob_ms) = (self.now_ms, self.blob_ms);
        let Some(standing) = self.entry(node, Origin::Other) else {
            return;
        };
        standing.was_asked = true;
        match result {
            PeerResult::Connected => standing.connect(now_ms.saturating_add(blob_ms)),
            PeerResult::Failed => standing.fail(now_ms),
            PeerResult::NoStorage => standing.take(Answer::NoStorage),
            PeerResult::NoBlob => standing.take(Answer::NoBlob),
        }
    }

    /// Takes note of what a peer returned.
    pub(super) fn answered(&mut self, node: NodeId, answer: Answer) {
        if let Some(standing) = self.entry(node, Origin::Other) {
            standing.take(answer);
        }
    }

    /// Whether everybody has answered or failed three times.
    pub(super) fn is_exhausted(&self) -> bool {
        self.candidates
            .values()
            .all(|standing| standing.answer.is_some() || standing.failures >= FAILURES_FINAL)
    }

    pub(super) fn counts(&self) -> PeerCounts {
        let count = |is_counted: &dyn Fn(&Standing) -> bool| {
            let counted = self.candidates.values().filter(|standing| is_counted(standing)).count();
            u32::try_from(counted).unwrap_or(u32::MAX)
        };
        PeerCounts {
            known: count(&|_| true),
            asked: count(&|standing| standing.was_asked),
            answered: count(&|standing| standing.answer.is_some()),
            pending: count(&|standing| standing.awaited.is_some()),
            unreachable: count(&|standing| {
                standing.answer.is_none() && standing.failures >= FAILURES_FINAL
            }),
            with_blob: count(&|standing| standing.answer == Some(Answer::Blob)),
            unreadable: count(&|standing| standing.answer == Some(Answer::Unreadable)),
        }
    }
}

//! The journal of HTLCs: what changed in them since the base that peers hold, and when to send it again.
//!
//! BJ1 a journal is cumulative: with its base alone, or with nothing where it names none, it gives the HTLCs
//! of its time; no earlier journal is needed, for a provider keeps one blob. BJ2 it goes at the same cadence
//! whether or not something changed, from the first HTLC on: its times tell a peer nothing of the traffic.
//! BJ3 an urgent change goes at once, but urgent journals have a shortest distance. BJ4 what the profile does
//! not back up neither enters a journal nor makes one urgent.
//! Pure: no clock, no I/O, no randomness. Called by the component; docs/backup-format.md has the bytes.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use zeroize::Zeroizing;

use super::cadence::Cadence;
use super::envelope::SizeClass;
use super::htlcs::{
    BackupHtlc, CHANNELS_MAX, CommitmentPoint, Coverage, EMPTY_BYTES, HtlcDiff, HtlcKey, HtlcSet,
    HtlcsFault,
};
use crate::error::{Error, Result, Status};
use crate::types::ChannelId;

/// Kind of an envelope that holds a journal.
pub const KIND_JOURNAL: u8 = 2;
/// Bytes before the HTLCs: the base's set id and generation, count and amount of what did not fit.
pub const JOURNAL_HEAD_BYTES: usize = 36;
/// Time between two journals: the rate that BOLT 1 lets a provider clamp to.
pub const JOURNAL_INTERVAL_MS: u64 = 60_000;
/// Blocks before its expiry from which on an HTLC that no journal has told yet does not wait: a day.
pub const NEAR_EXPIRY_BLOCKS: u32 = 144;
/// Age from which on a base is made anew, if anything changed.
pub const BASE_AGE_MS: u64 = 3_600_000;
/// Part of a blob's payload that a journal may fill before a new base is wanted.
pub const JOURNAL_FILL_PERCENT: usize = 50;

/// What a journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalContent {
    /// The striped object that holds the base; zero where there is none.
    pub base_set_id: [u8; 16],
    /// Its generation; 0: relative to nothing, complete by itself.
    pub base_generation: u64,
    /// HTLCs that were worth their sweep and did not fit.
    pub uncovered_count: u32,
    /// Their amounts.
    pub uncovered_msat: u64,
    /// What changed since the base.
    pub diff: HtlcDiff,
}

impl JournalContent {
    /// Reads the content of an envelope of kind 2.
    pub fn decode(bytes: &[u8]) -> Result<JournalContent, JournalFault> {
        let (head, htlcs) =
            bytes.split_first_chunk::<JOURNAL_HEAD_BYTES>().ok_or(JournalFault::Truncated)?;
        let base_set_id = field(head, 0);
        let base_generation = u64::from_be_bytes(field(head, 16));
        if base_generation == 0 && base_set_id != [0; 16] {
            return Err(JournalFault::BadBase);
        }
        let diff = HtlcDiff::decode(htlcs).map_err(JournalFault::Htlcs)?;
        // Nothing cannot be taken away from.
        if base_generation == 0 && diff.takes_away() {
            return Err(JournalFault::BadBase);
        }
        Ok(JournalContent {
            base_set_id,
            base_generation,
            uncovered_count: u32::from_be_bytes(field(head, 24)),
            uncovered_msat: u64::from_be_bytes(field(head, 28)),
            diff,
        })
    }
}

/// Bytes of a head from a constant offset on.
fn field<const BYTES: usize>(head: &[u8; JOURNAL_HEAD_BYTES], at: usize) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes.copy_from_slice(&head[at..at + BYTES]);
    bytes
}

/// Why bytes are no journal, in the order in which they are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JournalFault {
    /// Shorter than a head.
    #[error("shorter than the head of a journal")]
    Truncated,
    /// It names a set without a generation, or removes something from nothing.
    #[error("it is relative to nothing, and names a base or removes something")]
    BadBase,
    /// Its HTLCs cannot be read.
    #[error("its htlcs: {0}")]
    Htlcs(HtlcsFault),
}

impl JournalFault {
    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            JournalFault::Truncated => "truncated",
            JournalFault::BadBase => "bad_base",
            JournalFault::Htlcs(fault) => fault.name(),
        }
    }

    /// The number in the C ABI: those of the HTLCs, then the one of a base.
    pub fn number(self) -> u64 {
        match self {
            JournalFault::Truncated => HtlcsFault::Truncated.number(),
            JournalFault::BadBase => HtlcsFault::ALL.len() as u64 + 1,
            JournalFault::Htlcs(fault) => fault.number(),
        }
    }
}

/// A generation of the striped object, and the HTLCs that it holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Base {
    /// Id of the striped object.
    pub set_id: [u8; 16],
    /// Which generation of it, never 0.
    pub generation: u64,
    /// When it was made.
    pub made_ms: u64,
    /// The HTLCs in it, as the journal of its time gave them.
    pub htlcs: HtlcSet,
}

/// Which HTLCs are backed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum Profile {
    /// Those of channels that were closed by force: their outputs are on chain, and a restored node has to
    /// sweep them.
    #[default]
    OnchainOnly = 0,
    /// All of them: a restored node then also knows what is in a commitment that its peer publishes.
    AllHtlcs = 1,
}

/// What a host chooses for its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalOptions {
    /// Which HTLCs are backed up.
    pub profile: Profile,
    /// Time between two journals, before it is spread by a fifth to both sides.
    pub interval_ms: u64,
    /// Length of a journal's blob.
    pub size_class: SizeClass,
    /// Amount from which on an HTLC does not wait for the next journal: one whose preimage became known, or
    /// that expires soon.
    pub urgent_msat: u64,
    /// Amount below which an HTLC is not worth its sweep.
    pub dust_msat: u64,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions {
            profile: Profile::OnchainOnly,
            interval_ms: JOURNAL_INTERVAL_MS,
            size_class: SizeClass::Bytes16384,
            urgent_msat: 10_000_000,
            // Bitcoin Core relays no smaller output to a script hash (BOLT 3 "Dust Limits").
            dust_msat: 330_000,
        }
    }
}

/// What is known of the HTLCs, and of the journals that told it.
pub struct Journal {
    options: JournalOptions,
    live: HtlcSet,
    /// Channels that were closed by force.
    on_chain: BTreeSet<ChannelId>,
    base: Option<Base>,
    /// When the base was made or, before there is one, when the first HTLC came.
    since_ms: u64,
    cadence: Cadence,
    /// HTLCs told since the last journal.
    untold: BTreeSet<HtlcKey>,
    /// 0 while unknown.
    block_height: u32,
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_generation = self.base.as_ref().map_or(0, |base| base.generation);
        write!(f, "Journal({:?}, base generation {base_generation})", self.live)
    }
}

impl Journal {
    /// A journal of nothing, which is not due before an HTLC is told.
    pub fn new(options: JournalOptions) -> Result<Journal> {
        let cadence = Cadence::new(options.interval_ms)?;
        Ok(Journal {
            options,
            live: HtlcSet::default(),
            on_chain: BTreeSet::new(),
            base: None,
            since_ms: 0,
            cadence,
            untold: BTreeSet::new(),
            block_height: 0,
        })
    }

    /// Tells an HTLC, or what became known of it.
    pub fn put(&mut self, key: HtlcKey, htlc: BackupHtlc, now_ms: u64) -> Result<()> {
        let had_preimage = self.live.get(key).is_some_and(|known| known.preimage.is_some());
        let learned = htlc.preimage.is_some() && !had_preimage && key.is_incoming;
        let is_large = htlc.amount_msat >= self.options.urgent_msat;
        let before = self.live.get(key).cloned();
        self.live.put(key, htlc)?;
        if !self.cadence.is_active() {
            self.since_ms = now_ms;
            self.cadence.activate(now_ms);
        }
        if self.live.get(key) != before.as_ref() {
            self.untold.insert(key);
        }
        let became_claimable = learned && is_large && self.backs_up(key.channel_id);
        if became_claimable || self.expires_untold(key) {
            self.cadence.urge();
        }
        Ok(())
    }

    /// Tells the point of the peer's commitment.
    pub fn set_point(&mut self, channel_id: ChannelId, point: CommitmentPoint) -> Result<()> {
        self.live.set_point(channel_id, point)
    }

    /// Tells that an HTLC is irrevocably removed.
    pub fn remove(&mut self, key: HtlcKey) -> bool {
        self.untold.remove(&key);
        self.live.remove(key)
    }

    /// Tells that a channel is no more, and none of its outputs is left to sweep.
    pub fn remove_channel(&mut self, channel_id: ChannelId) -> bool {
        self.untold.retain(|key| key.channel_id != channel_id);
        let was_on_chain = self.on_chain.remove(&channel_id);
        self.live.remove_channel(channel_id) || was_on_chain
    }

    /// Tells that a commitment of the channel is on chain, or on its way there.
    pub fn force_closed(&mut self, channel_id: ChannelId) -> Result<()> {
        if self.on_chain.contains(&channel_id) {
            return Ok(());
        }
        if self.on_chain.len() >= CHANNELS_MAX {
            let why = format!("at most {CHANNELS_MAX} channels on chain are backed up");
            return Err(Error::new(Status::Busy, why).of_channel(Some(channel_id), None));
        }
        self.on_chain.insert(channel_id);
        if self.options.profile == Profile::OnchainOnly {
            let htlcs = self.live.iter().map(|(key, _)| key);
            self.untold.extend(htlcs.filter(|key| key.channel_id == channel_id));
        }
        self.cadence.urge();
        Ok(())
    }

    /// Tells the height of the best block; 0 is no height.
    pub fn set_block_height(&mut self, block_height: u32) {
        if block_height != 0 {
            self.block_height = block_height;
            if self.untold.iter().any(|key| self.expires_untold(*key)) {
                self.cadence.urge();
            }
        }
    }

    /// Whether a journal should go now.
    pub fn is_due(&self, now_ms: u64) -> bool {
        self.cadence.is_due(now_ms)
    }

    /// Whether what is due now may not wait for the uploads of a minute.
    pub fn is_urgent(&self, now_ms: u64) -> bool {
        self.cadence.is_urgent(now_ms)
    }

    /// When the next journal is due, if nothing becomes urgent before.
    pub fn next_due_ms(&self) -> Option<u64> {
        self.cadence.next_due_ms()
    }

    /// What the next base should hold: the HTLCs that the profile backs up.
    pub fn snapshot(&self) -> HtlcSet {
        self.backed_up().into_owned()
    }

    /// The content of a journal of now in at most so many bytes, and what it had to leave out.
    pub fn content(&self, bytes_max: usize) -> Result<(Zeroizing<Vec<u8>>, Coverage)> {
        let htlcs_bytes_max = bytes_max.checked_sub(JOURNAL_HEAD_BYTES);
        let Some(htlcs_bytes_max) = htlcs_bytes_max.filter(|bytes| *bytes >= EMPTY_BYTES) else {
            let why = format!("{bytes_max} bytes do not hold the head of a journal");
            return Err(Error::new(Status::TooBig, why));
        };
        let (set_id, generation) = match &self.base {
            Some(base) => (base.set_id, base.generation),
            None => ([0; 16], 0),
        };
        let (htlcs, coverage) =
            self.diff().encode_within(htlcs_bytes_max, self.options.dust_msat)?;
        // At its full length from the start: a buffer that grew would leave preimages behind in freed memory.
        let mut content = Zeroizing::new(Vec::with_capacity(JOURNAL_HEAD_BYTES + htlcs.len()));
        content.extend_from_slice(&set_id);
        content.extend_from_slice(&generation.to_be_bytes());
        content.extend_from_slice(&coverage.uncovered_count.to_be_bytes());
        content.extend_from_slice(&coverage.uncovered_msat.to_be_bytes());
        content.extend_from_slice(&htlcs);
        Ok((content, coverage))
    }

    /// Notes that the content of now was handed on; `random` spreads the next one's time.
    pub fn sent(&mut self, now_ms: u64, random: u64) {
        self.untold.clear();
        self.cadence.sent(now_ms, random);
    }

    /// Makes the journals relative to a generation: one that enough peers confirmed.
    pub fn set_base(&mut self, base: Base) -> Result<()> {
        if base.generation == 0 {
            return Err(Error::new(Status::InvalidArgument, "a base has a generation above 0"));
        }
        self.since_ms = base.made_ms;
        self.base = Some(base);
        Ok(())
    }

    /// Makes the journals complete by themselves: what they were relative to may be replaced. The next one
    /// does not wait.
    pub fn clear_base(&mut self) {
        if self.base.take().is_some() {
            self.cadence.urge();
        }
    }

    /// Generation that the journals are relative to, 0 for none.
    pub fn base_generation(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.generation)
    }

    /// Whether a new base would make the journals shorter: they fill too much of their blobs, or the base is
    /// old and differs from what is live.
    pub fn wants_new_base(&self, now_ms: u64) -> bool {
        let diff = self.diff();
        if diff.is_empty() {
            return false;
        }
        let filled_bytes = JOURNAL_HEAD_BYTES.saturating_add(diff.bytes());
        let filled_percent_bytes = filled_bytes.saturating_mul(100);
        let is_full =
            filled_percent_bytes > self.options.size_class.payload_max() * JOURNAL_FILL_PERCENT;
        is_full || now_ms.saturating_sub(self.since_ms) >= BASE_AGE_MS
    }

    fn backed_up(&self) -> Cow<'_, HtlcSet> {
        match self.options.profile {
            Profile::AllHtlcs => Cow::Borrowed(&self.live),
            Profile::OnchainOnly => Cow::Owned(self.live.only(&self.on_chain)),
        }
    }

    fn diff(&self) -> HtlcDiff {
        let none = HtlcSet::default();
        let base = self.base.as_ref().map_or(&none, |base| &base.htlcs);
        self.backed_up().diff(base)
    }

    fn backs_up(&self, channel_id: ChannelId) -> bool {
        self.options.profile == Profile::AllHtlcs || self.on_chain.contains(&channel_id)
    }

    /// Whether an HTLC that no journal has told expires soon. One that was told would not be safer for being
    /// told again.
    fn expires_untold(&self, key: HtlcKey) -> bool {
        let soon = self.block_height.saturating_add(NEAR_EXPIRY_BLOCKS);
        let is_known = self.block_height != 0 && self.untold.contains(&key);
        let htlc = self.live.get(key).filter(|_| is_known && self.backs_up(key.channel_id));
        htlc.is_some_and(|htlc| {
            htlc.cltv_expiry <= soon && htlc.amount_msat >= self.options.urgent_msat
        })
    }
}

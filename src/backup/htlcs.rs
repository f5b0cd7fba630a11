//! HTLCs that a restored node has to know: a set of them, the difference of two sets, and its bytes.
//!
//! BH1 a base with the difference of a later set applied is that set, whatever the two are. BH2 an HTLC
//! stays until it is irrevocably removed: while a commitment with it may reach the chain, it is here. One
//! that came and went between two differences is in neither. BH3 a preimage once told stays as long as
//! its HTLC. BH4 one difference has one encoding; whatever decodes encodes to the same bytes. BH5
//! decoding takes memory in proportion to the bytes that are there, never to a count that they state, and
//! cannot panic. BH6 what does not fit is counted; what fits is chosen by value alone, removals before
//! all else. Pure: no clock, no I/O. Called by the journal and by recovery; `bytes` and
//! docs/backup-format.md have the bytes.

mod bytes;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub use self::bytes::{Coverage, EMPTY_BYTES, HtlcsFault, REMOVAL_BYTES};
use crate::error::{Error, Result, Status};
use crate::types::{ChannelId, PaymentHash, Preimage};

/// HTLCs of a set, and entries of its encoding: a count has two bytes.
pub const HTLCS_MAX: usize = u16::MAX as usize;
/// Channels of a set, and rows of the table of its encoding.
pub const CHANNELS_MAX: usize = u16::MAX as usize;
const POINT_BYTES: usize = 33;

/// Name of an HTLC: BOLT 2 counts them per channel and offerer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HtlcKey {
    /// Channel that it is in.
    pub channel_id: ChannelId,
    /// The peer offered it.
    pub is_incoming: bool,
    /// BOLT 2 `id`.
    pub htlc_id: u64,
}

impl HtlcKey {
    fn place(self) -> Place {
        Place { is_incoming: self.is_incoming, htlc_id: self.htlc_id }
    }
}

/// Name of an HTLC within its channel; in this order they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    is_incoming: bool,
    htlc_id: u64,
}

/// What it takes to claim an HTLC, or to wait for its expiry, from a commitment on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupHtlc {
    /// BOLT 2 `payment_hash`.
    pub payment_hash: PaymentHash,
    /// BOLT 2 `amount_msat`.
    pub amount_msat: u64,
    /// BOLT 2 `cltv_expiry`: a block height.
    pub cltv_expiry: u32,
    /// The preimage, once it is known.
    pub preimage: Option<Preimage>,
    /// Its output in the commitment transaction that is on chain.
    pub output_index: Option<u32>,
}

/// Per-commitment point of the peer's commitment (BOLT 3): what its outputs' keys are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitmentPoint(pub [u8; POINT_BYTES]);

/// A channel has a point or an HTLC; one with neither is not kept.
#[derive(Clone, PartialEq, Eq, Default)]
struct Channel {
    point: Option<CommitmentPoint>,
    htlcs: BTreeMap<Place, BackupHtlc>,
}

impl Channel {
    fn is_empty(&self) -> bool {
        self.point.is_none() && self.htlcs.is_empty()
    }
}

/// The HTLCs of a node, and the point of each of its channels that one is known of.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HtlcSet {
    channels: BTreeMap<ChannelId, Channel>,
    htlcs: usize,
}

impl fmt::Debug for HtlcSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HtlcSet({} htlcs in {} channels)", self.htlcs, self.channels.len())
    }
}

impl HtlcSet {
    /// Adds an HTLC, or replaces what is known of it. A preimage that is known stays where none is told.
    pub fn put(&mut self, key: HtlcKey, htlc: BackupHtlc) -> Result<()> {
        if let Some(preimage) = &htlc.preimage
            && preimage.payment_hash() != htlc.payment_hash
        {
            let why = format!("the preimage is not that of htlc {}", key.htlc_id);
            let error = Error::new(Status::InvalidArgument, why);
            return Err(error.of_channel(Some(key.channel_id), Some(key.htlc_id)));
        }
        if self.get(key).is_none() {
            self.check_room(key.channel_id, self.htlcs < HTLCS_MAX)?;
        }
        self.insert(key, htlc);
        Ok(())
    }

    /// Notes the point of the peer's commitment; a later one replaces it.
    pub fn set_point(&mut self, channel_id: ChannelId, point: CommitmentPoint) -> Result<()> {
        self.check_room(channel_id, true)?;
        self.channels.entry(channel_id).or_default().point = Some(point);
        Ok(())
    }

    /// Drops an HTLC that is irrevocably removed: no commitment that may reach the chain has it.
    pub fn remove(&mut self, key: HtlcKey) -> bool {
        let Entry::Occupied(mut channel) = self.channels.entry(key.channel_id) else {
            return false;
        };
        let was_there = channel.get_mut().htlcs.remove(&key.place()).is_some();
        if channel.get().is_empty() {
            channel.remove();
        }
        self.htlcs -= usize::from(was_there);
        was_there
    }

    /// Drops a channel that has nothing on chain any more, with its HTLCs and its point.
    pub fn remove_channel(&mut self, channel_id: ChannelId) -> bool {
        let gone = self.channels.remove(&channel_id);
        self.htlcs -= gone.as_ref().map_or(0, |channel| channel.htlcs.len());
        gone.is_some()
    }

    /// What is known of an HTLC.
    pub fn get(&self, key: HtlcKey) -> Option<&BackupHtlc> {
        self.channels.get(&key.channel_id)?.htlcs.get(&key.place())
    }

    /// The point of a channel.
    pub fn point(&self, channel_id: ChannelId) -> Option<CommitmentPoint> {
        self.channels.get(&channel_id)?.point
    }

    /// Channels that something is known of, in order.
    pub fn channels(&self) -> impl Iterator<Item = ChannelId> + '_ {
        self.channels.keys().copied()
    }

    /// Every HTLC, in order of its key.
    pub fn iter(&self) -> impl Iterator<Item = (HtlcKey, &BackupHtlc)> {
        self.channels.iter().flat_map(|(channel_id, channel)| {
            channel.htlcs.iter().map(|(place, htlc)| (key_of(*channel_id, *place), htlc))
        })
    }

    /// Number of HTLCs.
    pub fn len(&self) -> usize {
        self.htlcs
    }

    /// Whether neither an HTLC nor a point is known.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// The part of it that lies in these channels.
    pub fn only(&self, channels: &BTreeSet<ChannelId>) -> HtlcSet {
        let inside = |channel_id: &ChannelId| Some((*channel_id, self.channels.get(channel_id)?));
        let kept = channels.iter().filter_map(inside);
        let channels: BTreeMap<_, _> = kept.map(|(id, channel)| (id, channel.clone())).collect();
        let htlcs = channels.values().map(|channel| channel.htlcs.len()).sum();
        HtlcSet { channels, htlcs }
    }

    /// What makes this set of the base.
    pub fn diff(&self, base: &HtlcSet) -> HtlcDiff {
        let none = Channel::default();
        let mut diff = HtlcDiff::default();
        let channels: BTreeSet<_> = self.channels.keys().chain(base.channels.keys()).collect();
        for channel_id in channels {
            let new = self.channels.get(channel_id).unwrap_or(&none);
            let old = base.channels.get(channel_id).unwrap_or(&none);
            let change = ChannelDiff::between(new, old);
            if change != ChannelDiff::default() {
                diff.channels.insert(*channel_id, change);
            }
        }
        diff
    }

    /// This set with a difference applied. What it removes and this set does not have is passed over.
    pub fn applied(&self, diff: &HtlcDiff) -> HtlcSet {
        let mut set = self.clone();
        for (channel_id, change) in &diff.channels {
            let channel = set.channels.entry(*channel_id).or_default();
            match change.point {
                PointChange::Same => {}
                PointChange::Set(point) => channel.point = Some(point),
                PointChange::Gone => channel.point = None,
            }
            for (place, htlc) in &change.htlcs {
                match htlc {
                    Some(htlc) => channel.htlcs.insert(*place, htlc.clone()),
                    None => channel.htlcs.remove(place),
                };
            }
        }
        set.channels.retain(|_, channel| !channel.is_empty());
        set.htlcs = set.channels.values().map(|channel| channel.htlcs.len()).sum();
        set
    }

    fn check_room(&self, channel_id: ChannelId, has_room_for_htlc: bool) -> Result<()> {
        let is_known = self.channels.contains_key(&channel_id);
        if has_room_for_htlc && (is_known || self.channels.len() < CHANNELS_MAX) {
            return Ok(());
        }
        let why = format!("at most {HTLCS_MAX} htlcs in {CHANNELS_MAX} channels are backed up");
        Err(Error::new(Status::Busy, why).of_channel(Some(channel_id), None))
    }

    fn insert(&mut self, key: HtlcKey, mut htlc: BackupHtlc) {
        let channel = self.channels.entry(key.channel_id).or_default();
        match channel.htlcs.entry(key.place()) {
            Entry::Vacant(free) => {
                free.insert(htlc);
                self.htlcs += 1;
            }
            Entry::Occupied(mut known) => {
                let is_same = known.get().payment_hash == htlc.payment_hash;
                if htlc.preimage.is_none() && is_same {
                    htlc.preimage = known.get_mut().preimage.take();
                }
                known.insert(htlc);
            }
        }
    }
}

fn key_of(channel_id: ChannelId, place: Place) -> HtlcKey {
    HtlcKey { channel_id, is_incoming: place.is_incoming, htlc_id: place.htlc_id }
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum PointChange {
    #[default]
    Same,
    Set(CommitmentPoint),
    Gone,
}

#[derive(Clone, PartialEq, Eq, Default)]
struct ChannelDiff {
    point: PointChange,
    /// None: removed.
    htlcs: BTreeMap<Place, Option<BackupHtlc>>,
}

impl ChannelDiff {
    fn between(new: &Channel, old: &Channel) -> ChannelDiff {
        let point = match new.point {
            point if point == old.point => PointChange::Same,
            Some(point) => PointChange::Set(point),
            None => PointChange::Gone,
        };
        let changed = new.htlcs.iter().filter(|(place, htlc)| old.htlcs.get(place) != Some(htlc));
        let changed = changed.map(|(place, htlc)| (*place, Some(htlc.clone())));
        let gone = old.htlcs.keys().filter(|place| !new.htlcs.contains_key(place));
        let htlcs = changed.chain(gone.map(|place| (*place, None))).collect();
        ChannelDiff { point, htlcs }
    }
}

/// What has to be changed in a base to have the set of a later time.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct HtlcDiff {
    channels: BTreeMap<ChannelId, ChannelDiff>,
}

impl fmt::Debug for HtlcDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HtlcDiff({} entries in {} channels)", self.len(), self.channels.len())
    }
}

impl HtlcDiff {
    /// Number of HTLCs that it adds, changes or removes.
    pub fn len(&self) -> usize {
        self.channels.values().map(|change| change.htlcs.len()).sum()
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.channels.is_empty()
    }

    /// Whether it removes an HTLC or a point: then it says nothing without its base.
    pub fn takes_away(&self) -> bool {
        self.channels.values().any(|change| {
            change.point == PointChange::Gone || change.htlcs.values().any(Option::is_none)
        })
    }
}

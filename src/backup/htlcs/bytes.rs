//! The bytes of HTLCs: a table of channels, then the HTLCs, in order; as many as a blob takes.
//!
//! BH4, BH5 and BH6 of [`super`] are kept here. Pure: no clock, no I/O.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use zeroize::Zeroizing;

use super::{
    BackupHtlc, CHANNELS_MAX, ChannelDiff, CommitmentPoint, HTLCS_MAX, HtlcDiff, HtlcSet,
    POINT_BYTES, Place, PointChange,
};
use crate::error::{Error, Result, Status};
use crate::types::{ChannelId, PaymentHash, Preimage};

/// Bytes of an encoding without anything: the two counts.
pub const EMPTY_BYTES: usize = 4;
/// Bytes of a removal, and of what comes before the body of an HTLC.
pub const REMOVAL_BYTES: usize = 11;
/// Bytes of a channel's row without its point.
const ROW_BYTES: usize = 33;
/// Payment hash, amount and expiry.
const BODY_BYTES: usize = 44;
const PREIMAGE_BYTES: usize = 32;
const OUTPUT_BYTES: usize = 4;

/// In a row's flags: the channel's point follows.
const ROW_POINT: u8 = 1;
/// In a row's flags: the base knows a point, and there is none any more.
const ROW_POINT_GONE: u8 = 2;
/// In an entry's flags: the peer offered the HTLC.
const INCOMING: u8 = 1;
/// In an entry's flags: the preimage follows.
const WITH_PREIMAGE: u8 = 2;
/// In an entry's flags: the base knows the HTLC, and it is irrevocably removed.
const REMOVED: u8 = 4;
/// In an entry's flags: the place of its output in the commitment transaction follows.
const WITH_OUTPUT: u8 = 8;

/// What an encoding of bounded length holds, and what it had to leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// HTLCs that are in it.
    pub covered_count: u32,
    /// Their amounts.
    pub covered_msat: u64,
    /// HTLCs that are worth their sweep and did not fit.
    pub uncovered_count: u32,
    /// Their amounts: what a restored node would not know of.
    pub uncovered_msat: u64,
    /// HTLCs that are not worth their sweep: they are always left out.
    pub dust_count: u32,
    /// Their amounts.
    pub dust_msat: u64,
    /// Removals that did not fit: a restored node would still know these HTLCs.
    pub unremoved_count: u32,
    /// Channels whose change of point did not fit: BOLT 2 channel_reestablish tells it as well.
    pub points_left_count: u32,
}

impl Coverage {
    /// Whether nothing but dust was left out.
    pub fn is_whole(&self) -> bool {
        self.uncovered_count == 0 && self.unremoved_count == 0 && self.points_left_count == 0
    }
}

impl HtlcSet {
    /// Its bytes: those of its difference to nothing.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.diff(&HtlcSet::default()).encode()
    }

    /// The set of such bytes; they must not remove anything.
    pub fn decode(bytes: &[u8]) -> Result<HtlcSet, HtlcsFault> {
        let diff = HtlcDiff::decode(bytes)?;
        if diff.takes_away() {
            return Err(HtlcsFault::BadFlags);
        }
        Ok(HtlcSet::default().applied(&diff))
    }
}

impl HtlcDiff {
    /// Bytes of its encoding.
    pub fn bytes(&self) -> usize {
        let channels = self.channels.values().map(|change| {
            let entries = change.htlcs.values().map(|htlc| entry_bytes(htlc.as_ref()));
            change.row_bytes() + entries.sum::<usize>()
        });
        EMPTY_BYTES + channels.sum::<usize>()
    }

    /// Its bytes.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>> {
        let (bytes, coverage) = self.encode_within(usize::MAX, 0)?;
        if coverage.is_whole() {
            return Ok(bytes);
        }
        let (most, channels) = (HTLCS_MAX, CHANNELS_MAX);
        let why = format!("more than {most} changes of htlcs, or in more than {channels} channels");
        Err(Error::new(Status::TooBig, why))
    }

    /// As many of its bytes as a blob takes: every removal, for without one a restored base would show an
    /// HTLC that is gone; then the HTLCs by value, the largest first, of one value in order of their keys;
    /// then points of channels that nothing else is told of. What does not fit is passed over for the next.
    pub fn encode_within(
        &self,
        bytes_max: usize,
        dust_msat: u64,
    ) -> Result<(Zeroizing<Vec<u8>>, Coverage)> {
        if bytes_max < EMPTY_BYTES {
            let why = format!("{bytes_max} bytes do not hold the counts of htlcs");
            return Err(Error::new(Status::TooBig, why));
        }
        let mut kept = Kept::new(bytes_max);
        let mut coverage = Coverage::default();
        let mut by_value = Vec::new();
        for (channel_id, change) in &self.channels {
            for (place, htlc) in &change.htlcs {
                match htlc {
                    Some(htlc) => by_value.push((*channel_id, *place, htlc)),
                    None if kept.take(*channel_id, change, *place, None) => {}
                    None => count(&mut coverage.unremoved_count),
                }
            }
        }
        // Stable: HTLCs of one value stay in order of their keys.
        by_value.sort_by_key(|(_, _, htlc)| Reverse(htlc.amount_msat));
        for (channel_id, place, htlc) in by_value {
            let Some(change) = self.channels.get(&channel_id) else { continue };
            let (number, sum_msat) = if htlc.amount_msat < dust_msat {
                (&mut coverage.dust_count, &mut coverage.dust_msat)
            } else if kept.take(channel_id, change, place, Some(htlc)) {
                (&mut coverage.covered_count, &mut coverage.covered_msat)
            } else {
                (&mut coverage.uncovered_count, &mut coverage.uncovered_msat)
            };
            count(number);
            *sum_msat = sum_msat.saturating_add(htlc.amount_msat);
        }
        for (channel_id, change) in &self.channels {
            if change.point != PointChange::Same && !kept.take_row(*channel_id, change) {
                count(&mut coverage.points_left_count);
            }
        }
        Ok((kept.write(), coverage))
    }

    /// The difference of such bytes.
    pub fn decode(bytes: &[u8]) -> Result<HtlcDiff, HtlcsFault> {
        let mut reader = Reader { rest: bytes };
        let mut rows = reader.rows()?;
        reader.entries(&mut rows)?;
        if rows.iter().any(|(_, change)| *change == ChannelDiff::default()) {
            return Err(HtlcsFault::BadChannel);
        }
        if !reader.rest.is_empty() {
            return Err(HtlcsFault::TrailingBytes);
        }
        Ok(HtlcDiff { channels: rows.into_iter().collect() })
    }
}

impl BackupHtlc {
    fn body_bytes(&self) -> usize {
        let preimage_bytes = if self.preimage.is_some() { PREIMAGE_BYTES } else { 0 };
        let output_bytes = if self.output_index.is_some() { OUTPUT_BYTES } else { 0 };
        BODY_BYTES + preimage_bytes + output_bytes
    }
}

impl ChannelDiff {
    fn row_bytes(&self) -> usize {
        let has_point = matches!(self.point, PointChange::Set(_));
        ROW_BYTES + if has_point { POINT_BYTES } else { 0 }
    }
}

fn count(number: &mut u32) {
    *number = number.saturating_add(1);
}

fn entry_bytes(htlc: Option<&BackupHtlc>) -> usize {
    REMOVAL_BYTES + htlc.map_or(0, BackupHtlc::body_bytes)
}

/// What of a difference fits.
struct Kept<'diff> {
    rows: BTreeMap<ChannelId, Row<'diff>>,
    entries: usize,
    bytes: usize,
    bytes_max: usize,
}

struct Row<'diff> {
    point: PointChange,
    htlcs: BTreeMap<Place, Option<&'diff BackupHtlc>>,
}

impl<'diff> Kept<'diff> {
    fn new(bytes_max: usize) -> Kept<'diff> {
        Kept { rows: BTreeMap::new(), entries: 0, bytes: EMPTY_BYTES, bytes_max }
    }

    fn take(
        &mut self,
        channel_id: ChannelId,
        change: &'diff ChannelDiff,
        place: Place,
        htlc: Option<&'diff BackupHtlc>,
    ) -> bool {
        let bytes = entry_bytes(htlc);
        if self.entries == HTLCS_MAX || !self.make_row(channel_id, change, bytes) {
            return false;
        }
        if let Some(row) = self.rows.get_mut(&channel_id) {
            row.htlcs.insert(place, htlc);
            self.entries += 1;
        }
        true
    }

    fn take_row(&mut self, channel_id: ChannelId, change: &'diff ChannelDiff) -> bool {
        self.make_row(channel_id, change, 0)
    }

    /// Takes so many bytes and, where the channel has none, a row for it; or nothing if they do not fit.
    fn make_row(
        &mut self,
        channel_id: ChannelId,
        change: &'diff ChannelDiff,
        bytes: usize,
    ) -> bool {
        let rows = self.rows.len();
        let left_bytes = self.bytes_max - self.bytes;
        match self.rows.entry(channel_id) {
            Entry::Occupied(_) if bytes <= left_bytes => self.bytes += bytes,
            Entry::Vacant(free) if rows < CHANNELS_MAX => {
                let bytes = bytes + change.row_bytes();
                if bytes > left_bytes {
                    return false;
                }
                free.insert(Row { point: change.point, htlcs: BTreeMap::new() });
                self.bytes += bytes;
            }
            _ => return false,
        }
        true
    }

    fn write(&self) -> Zeroizing<Vec<u8>> {
        // At its full length from the start: a buffer that grew would leave preimages behind in freed memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes));
        bytes.extend_from_slice(&number_of(self.rows.len()));
        for (channel_id, row) in &self.rows {
            bytes.extend_from_slice(&channel_id.0);
            match row.point {
                PointChange::Same => bytes.push(0),
                PointChange::Gone => bytes.push(ROW_POINT_GONE),
                PointChange::Set(point) => {
                    bytes.push(ROW_POINT);
                    bytes.extend_from_slice(&point.0);
                }
            }
        }
        bytes.extend_from_slice(&number_of(self.entries));
        for (channel, row) in self.rows.values().enumerate() {
            for (place, htlc) in &row.htlcs {
                write_entry(&mut bytes, channel, *place, *htlc);
            }
        }
        debug_assert_eq!(bytes.len(), self.bytes);
        bytes
    }
}

/// Counts and places are bounded by what has a two-byte number.
fn number_of(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes()
}

fn write_entry(bytes: &mut Vec<u8>, channel: usize, place: Place, htlc: Option<&BackupHtlc>) {
    let preimage = htlc.and_then(|htlc| htlc.preimage.as_ref());
    let output_index = htlc.and_then(|htlc| htlc.output_index);
    let flags = [
        (place.is_incoming, INCOMING),
        (preimage.is_some(), WITH_PREIMAGE),
        (htlc.is_none(), REMOVED),
        (output_index.is_some(), WITH_OUTPUT),
    ];
    bytes.extend_from_slice(&number_of(channel));
    bytes.push(flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).sum());
    bytes.extend_from_slice(&place.htlc_id.to_be_bytes());
    if let Some(htlc) = htlc {
        bytes.extend_from_slice(&htlc.payment_hash.0);
        bytes.extend_from_slice(&htlc.amount_msat.to_be_bytes());
        bytes.extend_from_slice(&htlc.cltv_expiry.to_be_bytes());
    }
    if let Some(preimage) = preimage {
        bytes.extend_from_slice(preimage.expose());
    }
    if let Some(output_index) = output_index {
        bytes.extend_from_slice(&output_index.to_be_bytes());
    }
}

/// Why bytes are no encoding of HTLCs; of each row and entry in the order in which it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u8)]
pub enum HtlcsFault {
    /// They end too early.
    #[error("the bytes end too early")]
    Truncated = 1,
    /// A flag is unknown or contradicts another, or a set removes something.
    #[error("a flag is unknown, or contradicts another")]
    BadFlags = 2,
    /// An entry names no row of the table, or a row says nothing.
    #[error("an entry names no channel of the table, or a channel is there for nothing")]
    BadChannel = 3,
    /// A channel or an HTLC does not come after the one before it, or comes twice.
    #[error("a channel or htlc is not after the one before it")]
    BadOrder = 4,
    /// Something follows the last entry.
    #[error("something follows the last htlc")]
    TrailingBytes = 5,
}

impl HtlcsFault {
    /// Every fault, in the order of its number.
    pub const ALL: [HtlcsFault; 5] = [
        HtlcsFault::Truncated,
        HtlcsFault::BadFlags,
        HtlcsFault::BadChannel,
        HtlcsFault::BadOrder,
        HtlcsFault::TrailingBytes,
    ];

    /// The name in documents and logs.
    pub fn name(self) -> &'static str {
        match self {
            HtlcsFault::Truncated => "truncated",
            HtlcsFault::BadFlags => "bad_flags",
            HtlcsFault::BadChannel => "bad_channel",
            HtlcsFault::BadOrder => "bad_order",
            HtlcsFault::TrailingBytes => "trailing_bytes",
        }
    }

    /// The number in the C ABI.
    pub fn number(self) -> u64 {
        self as u64
    }
}

struct Reader<'bytes> {
    rest: &'bytes [u8],
}

impl Reader<'_> {
    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], HtlcsFault> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(HtlcsFault::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn rows(&mut self) -> Result<Vec<(ChannelId, ChannelDiff)>, HtlcsFault> {
        let count = u16::from_be_bytes(self.take()?);
        let mut rows: Vec<(ChannelId, ChannelDiff)> = Vec::new();
        for _ in 0..count {
            let channel_id = ChannelId(self.take()?);
            let [flags] = self.take()?;
            if flags > ROW_POINT_GONE {
                return Err(HtlcsFault::BadFlags);
            }
            if rows.last().is_some_and(|(last, _)| channel_id <= *last) {
                return Err(HtlcsFault::BadOrder);
            }
            let point = match flags {
                ROW_POINT => PointChange::Set(CommitmentPoint(self.take()?)),
                ROW_POINT_GONE => PointChange::Gone,
                _ => PointChange::Same,
            };
            rows.push((channel_id, ChannelDiff { point, htlcs: BTreeMap::new() }));
        }
        Ok(rows)
    }

    fn entries(&mut self, rows: &mut [(ChannelId, ChannelDiff)]) -> Result<(), HtlcsFault> {
        let count = u16::from_be_bytes(self.take()?);
        let mut last = None;
        for _ in 0..count {
            let channel = u16::from_be_bytes(self.take()?);
            let [flags] = self.take()?;
            let htlc_id = u64::from_be_bytes(self.take()?);
            let carries = flags & (WITH_PREIMAGE | WITH_OUTPUT) != 0;
            let is_removal = flags & REMOVED != 0;
            if flags > 15 || is_removal && carries {
                return Err(HtlcsFault::BadFlags);
            }
            let row = rows.get_mut(usize::from(channel)).ok_or(HtlcsFault::BadChannel)?;
            let place = Place { is_incoming: flags & INCOMING != 0, htlc_id };
            if last.is_some_and(|last| (channel, place) <= last) {
                return Err(HtlcsFault::BadOrder);
            }
            last = Some((channel, place));
            let htlc = if is_removal { None } else { Some(self.htlc(flags)?) };
            row.1.htlcs.insert(place, htlc);
        }
        Ok(())
    }

    fn htlc(&mut self, flags: u8) -> Result<BackupHtlc, HtlcsFault> {
        let payment_hash = PaymentHash(self.take()?);
        let amount_msat = u64::from_be_bytes(self.take()?);
        let cltv_expiry = u32::from_be_bytes(self.take()?);
        let has_preimage = flags & WITH_PREIMAGE != 0;
        let preimage =
            if has_preimage { Some(Preimage::new(self.take::<PREIMAGE_BYTES>()?)) } else { None };
        let has_output = flags & WITH_OUTPUT != 0;
        let output_index = if has_output { Some(u32::from_be_bytes(self.take()?)) } else { None };
        Ok(BackupHtlc { payment_hash, amount_msat, cltv_expiry, preimage, output_index })
    }
}

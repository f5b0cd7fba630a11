//! Bytes of the rows of channels, journal blocks and settings. Numbers are little-endian.
//!
//! RT1 a channel's row holds everything but what follows from HTLCs (use of congestion and protected, sums of
//! the outgoing side): that is reckoned again, so that it cannot contradict them.
//! Called by `journal`, `load` and `references`; docs/format.md describes the same bytes.

use super::average::{DecayingAverage, Revenue};
use super::bucket::ChannelLimits;
use super::channel::{Channel, Marks, Parts, Pending, Resolved};
use super::entry::{ENTRY_BYTES, ENTRY_WORDS, Entry, average, average_words};
use super::htlcs::Htlcs;
use super::rules::{Mode, Settings};
use super::slots::{NodeSalt, PAIR_SLOTS_MAX};
use crate::limits::{HTLC_SLOTS_MAX, RESOLUTIONS_KEPT};
use crate::store::bytes::Reader;
use crate::types::ShortChannelId;

/// Key of the only row of settings.
pub(super) const STATE_KEY: &[u8] = b"state";

/// What the store keeps of the resources as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    pub(super) salt: NodeSalt,
    pub(super) settings: Settings,
    /// How often the settings changed.
    pub(super) division: u32,
    /// The settings before, while channels' rows are being rewritten.
    pub(super) before: Option<Settings>,
}

impl State {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        body.extend_from_slice(self.salt.expose());
        body.extend_from_slice(&self.division.to_le_bytes());
        encode_settings(&mut body, &self.settings);
        body.push(u8::from(self.before.is_some()));
        if let Some(before) = &self.before {
            encode_settings(&mut body, before);
        }
        body
    }

    pub(super) fn decode(body: &[u8]) -> Option<State> {
        let mut reader = Reader::new(body);
        let salt = NodeSalt::new(reader.array()?);
        let division = reader.u32()?;
        let settings = decode_settings(&mut reader)?;
        let before = match reader.u8()? {
            0 => None,
            1 => Some(decode_settings(&mut reader)?),
            _ => return None,
        };
        reader.is_at_end().then_some(State { salt, settings, division, before })
    }
}

fn encode_settings(body: &mut Vec<u8>, settings: &Settings) {
    body.push(settings.mode as u8);
    body.push(settings.general_percent);
    body.push(settings.congestion_percent);
    body.push(u8::from(settings.spills_over));
    body.extend_from_slice(&settings.reputation_multiplier.to_le_bytes());
    body.extend_from_slice(&settings.default_fee_ppm.to_le_bytes());
    for number in [
        settings.resolution_period_secs,
        settings.revenue_window_secs,
        settings.default_fee_base_msat,
    ] {
        body.extend_from_slice(&number.to_le_bytes());
    }
}

fn decode_settings(reader: &mut Reader<'_>) -> Option<Settings> {
    let mode = Mode::from_number(u32::from(reader.u8()?))?;
    let (general_percent, congestion_percent) = (reader.u8()?, reader.u8()?);
    let spills_over = reader.u8()?;
    let (reputation_multiplier, default_fee_ppm) = (reader.u32()?, reader.u32()?);
    let settings = Settings {
        mode,
        general_percent,
        congestion_percent,
        resolution_period_secs: reader.u64()?,
        revenue_window_secs: reader.u64()?,
        reputation_multiplier,
        default_fee_base_msat: reader.u64()?,
        default_fee_ppm,
        spills_over: spills_over == 1,
    };
    (spills_over <= 1 && settings.check().is_ok()).then_some(settings)
}

/// Beyond any number that a journal reaches, and far from where numbers end.
pub(super) const NUMBER_MAX: u64 = 1 << 62;
/// More slots than all HTLCs of a channel can be counted with.
const CARRIED_MAX: u32 = HTLC_SLOTS_MAX as u32 * u8::MAX as u32;

const IS_CLOSING: u8 = 1;
const REPUTATION_IMPORTED: u8 = 2;
const REVENUE_IMPORTED: u8 = 4;

/// A channel's row. `division` says which settings its slots belong to.
pub(super) fn encode_channel(channel: &Channel, division: u32) -> Vec<u8> {
    let incoming = &channel.incoming;
    let mut body = Vec::with_capacity(192 + 42 * incoming.pending_count());
    let flag = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    body.push(
        flag(channel.is_closing, IS_CLOSING)
            | flag(channel.reputation_imported, REPUTATION_IMPORTED)
            | flag(channel.revenue_imported, REVENUE_IMPORTED),
    );
    body.extend_from_slice(&division.to_le_bytes());
    let mut number = |number: u64| body.extend_from_slice(&number.to_le_bytes());
    number(channel.added_at);
    number(channel.changed_below);
    number(incoming.limits.max_in_flight_msat);
    average_words(channel.outgoing.reputation).into_iter().for_each(&mut number);
    average_words(incoming.revenue.total).into_iter().for_each(&mut number);
    number(incoming.revenue.start_secs);
    body.extend_from_slice(&incoming.limits.max_accepted_htlcs.to_le_bytes());
    encode_slots(&mut body, channel);
    encode_htlcs(&mut body, channel);
    body
}

fn count(body: &mut Vec<u8>, count: usize) {
    body.extend_from_slice(&(count as u32).to_le_bytes());
}

fn encode_slots(body: &mut Vec<u8>, channel: &Channel) {
    let incoming = &channel.incoming;
    body.extend_from_slice(&incoming.general.carried().to_le_bytes());
    let mut pairs: Vec<_> = incoming
        .general
        .pairs()
        .filter(|(_, pair)| pair.used != 0 || pair.looked_below != 0)
        .collect();
    pairs.sort_unstable_by_key(|(outgoing, _)| *outgoing);
    count(body, pairs.len());
    for (outgoing, pair) in pairs {
        body.extend_from_slice(&outgoing.0.to_le_bytes());
        body.extend_from_slice(&pair.used.to_le_bytes());
        body.extend_from_slice(&pair.looked_below.to_le_bytes());
    }
    count(body, incoming.misuse.len());
    for (outgoing, at_secs) in &incoming.misuse {
        body.extend_from_slice(&outgoing.0.to_le_bytes());
        body.extend_from_slice(&at_secs.to_le_bytes());
    }
}

fn encode_htlcs(body: &mut Vec<u8>, channel: &Channel) {
    let incoming = &channel.incoming;
    count(body, incoming.resolved.len());
    for resolved in &incoming.resolved {
        body.extend_from_slice(&resolved.htlc_id.to_le_bytes());
        body.extend_from_slice(&resolved.outgoing.0.to_le_bytes());
        body.push(u8::from(resolved.settled));
    }
    count(body, incoming.parts.len());
    for (htlc_id, parts) in &incoming.parts {
        body.extend_from_slice(&htlc_id.to_le_bytes());
        body.extend_from_slice(&parts.protected_msat.to_le_bytes());
        body.extend_from_slice(&parts.congestion_msat.to_le_bytes());
    }
    let mut pending: Vec<&Pending> = incoming.pending().collect();
    pending.sort_unstable_by_key(|htlc| (htlc.htlc_id, htlc.outgoing));
    count(body, pending.len());
    for htlc in pending {
        for number in [
            htlc.htlc_id,
            htlc.outgoing.0,
            htlc.incoming_amount_msat,
            htlc.fee_msat,
            htlc.added_unix_secs,
        ] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&htlc.blocks.to_le_bytes());
        body.push(htlc.general_slots);
        body.push(htlc.marks.with(Marks::RECOVERED, false).0);
    }
}

/// A channel's row, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ChannelRow {
    pub(super) is_closing: bool,
    pub(super) reputation_imported: bool,
    pub(super) revenue_imported: bool,
    pub(super) division: u32,
    pub(super) added_at: u64,
    pub(super) changed_below: u64,
    pub(super) limits: ChannelLimits,
    pub(super) reputation: DecayingAverage,
    pub(super) revenue: Revenue,
    pub(super) carried: u32,
    /// Slots in use, and the entry that looked last.
    pub(super) pairs: Vec<(ShortChannelId, (u32, u64))>,
    pub(super) misuse: Vec<(ShortChannelId, u64)>,
    pub(super) resolved: Vec<Resolved>,
    pub(super) parts: Vec<(u64, Parts)>,
    pub(super) pending: Vec<Pending>,
}

impl ChannelRow {
    pub(super) fn decode(body: &[u8]) -> Option<ChannelRow> {
        let mut reader = Reader::new(body);
        let flags = reader.u8()?;
        let division = reader.u32()?;
        let (added_at, changed_below) = (reader.u64()?, reader.u64()?);
        let max_in_flight_msat = reader.u64()?;
        let reputation = decode_average(&mut reader)?;
        let total = decode_average(&mut reader)?;
        let revenue = Revenue { total, start_secs: reader.u64()? };
        let limits = ChannelLimits { max_in_flight_msat, max_accepted_htlcs: reader.u16()? };
        let carried = reader.u32()?;
        let pairs = decode_pairs(&mut reader)?;
        let misuse =
            list(&mut reader, 16, |reader| Some((ShortChannelId(reader.u64()?), reader.u64()?)))?;
        let resolved = list(&mut reader, 17, |reader| {
            let (htlc_id, outgoing) = (reader.u64()?, ShortChannelId(reader.u64()?));
            let settled = reader.u8()?;
            let resolved = Resolved { htlc_id, outgoing, settled: settled == 1 };
            (settled <= 1).then_some(resolved)
        })?;
        let parts = list(&mut reader, 24, |reader| {
            let htlc_id = reader.u64()?;
            let parts = Parts { protected_msat: reader.u64()?, congestion_msat: reader.u64()? };
            Some((htlc_id, parts))
        })?;
        let pending = list(&mut reader, 46, decode_htlc)?;
        let numbered = added_at < NUMBER_MAX && changed_below < NUMBER_MAX;
        let carries = carried <= CARRIED_MAX;
        let known = numbered
            && carries
            && flags & !(IS_CLOSING | REPUTATION_IMPORTED | REVENUE_IMPORTED) == 0;
        let slots = limits.max_accepted_htlcs <= HTLC_SLOTS_MAX;
        let kept = resolved.len() <= RESOLUTIONS_KEPT && pending.len() < Htlcs::MAX;
        (reader.is_at_end() && known && slots && kept).then_some(ChannelRow {
            is_closing: flags & IS_CLOSING != 0,
            reputation_imported: flags & REPUTATION_IMPORTED != 0,
            revenue_imported: flags & REVENUE_IMPORTED != 0,
            division,
            added_at,
            changed_below,
            limits,
            reputation,
            revenue,
            carried,
            pairs,
            misuse,
            resolved,
            parts,
            pending,
        })
    }
}

fn decode_pairs(reader: &mut Reader<'_>) -> Option<Vec<(ShortChannelId, (u32, u64))>> {
    list(reader, 20, |reader| {
        let (outgoing, used) = (ShortChannelId(reader.u64()?), reader.u32()?);
        let looked_below = reader.u64()?;
        (used >> PAIR_SLOTS_MAX == 0).then_some((outgoing, (used, looked_below)))
    })
}

fn decode_average(reader: &mut Reader<'_>) -> Option<DecayingAverage> {
    average(reader.u64()?, reader.u64()?, reader.u64()?)
}

fn decode_htlc(reader: &mut Reader<'_>) -> Option<Pending> {
    let htlc = Pending {
        htlc_id: reader.u64()?,
        outgoing: ShortChannelId(reader.u64()?),
        incoming_amount_msat: reader.u64()?,
        fee_msat: reader.u64()?,
        added_unix_secs: reader.u64()?,
        blocks: reader.u32()?,
        general_slots: reader.u8()?,
        marks: Marks(reader.u8()?),
    };
    htlc.marks.is_known().then_some(htlc)
}

/// A counted list whose elements have at least so many bytes: a damaged count asks for no memory.
fn list<T>(
    reader: &mut Reader<'_>,
    bytes_min: usize,
    mut element: impl FnMut(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = reader.u32()? as usize;
    if count.checked_mul(bytes_min)? > reader.left() {
        return None;
    }
    (0..count).map(|_| element(reader)).collect()
}

/// Entries of one block as they lie on disk.
pub(super) fn encode_entry(body: &mut Vec<u8>, words: [u64; ENTRY_WORDS]) {
    words.iter().for_each(|word| body.extend_from_slice(&word.to_le_bytes()));
}

/// The entries of a block, and how many they are, if all are readable.
pub(super) fn decode_block(body: &[u8]) -> Option<(u64, impl Iterator<Item = Entry>)> {
    let (entries, rest) = body.as_chunks::<ENTRY_BYTES>();
    let is_whole = !entries.is_empty() && rest.is_empty();
    let is_readable = is_whole && entries.iter().all(|entry| decode_entry(entry).is_some());
    is_readable.then(|| (entries.len() as u64, entries.iter().filter_map(decode_entry)))
}

fn decode_entry(bytes: &[u8; ENTRY_BYTES]) -> Option<Entry> {
    let (words, _) = bytes.as_chunks::<8>();
    let words: [[u8; 8]; ENTRY_WORDS] = words.try_into().ok()?;
    Entry::from_words(words.map(u64::from_le_bytes))
}

/// Number of the first entry of a block.
pub(super) fn decode_block_key(key: &[u8]) -> Option<u64> {
    decode_key(key).filter(|number| *number < NUMBER_MAX)
}

/// Number of the first entry of a block, or a channel's id.
pub(super) fn key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

pub(super) fn decode_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::channel::BucketKind;

    fn channel() -> Channel {
        let limits = ChannelLimits { max_in_flight_msat: 1_000_000_000, max_accepted_htlcs: 50 };
        let settings = Settings::default();
        let mut channel = Channel::new(&settings, ShortChannelId(7), limits, 5).unwrap();
        channel.changed_below = 9;
        (channel.is_closing, channel.revenue_imported) = (true, true);
        let incoming = &mut channel.incoming;
        incoming.misuse.insert(ShortChannelId(8), 3);
        incoming.parts.insert(4, Parts { protected_msat: 1, congestion_msat: 2 });
        let outgoing = ShortChannelId(8);
        incoming.remember_resolved(Resolved { htlc_id: 1, outgoing, settled: true });
        for htlc_id in 0..3 {
            incoming.insert(Pending {
                htlc_id,
                outgoing,
                incoming_amount_msat: 1,
                fee_msat: 2,
                added_unix_secs: 3,
                blocks: 4,
                general_slots: 1,
                marks: Marks::new(BucketKind::General, false),
            });
        }
        channel
    }

    #[test]
    fn a_channel_reads_back_and_every_truncation_is_refused() {
        let body = encode_channel(&channel(), 2);
        for length in 0..body.len() {
            assert_eq!(ChannelRow::decode(&body[..length]), None, "length {length}");
        }
        let row = ChannelRow::decode(&body).unwrap();
        assert_eq!((row.division, row.changed_below, row.is_closing), (2, 9, true));
        assert_eq!((row.revenue_imported, row.reputation_imported), (true, false));
        assert_eq!((row.pending.len(), row.parts.len(), row.resolved.len()), (3, 1, 1));
        assert_eq!(row.misuse, [(ShortChannelId(8), 3)]);
    }

    #[test]
    fn settings_read_back_and_every_truncation_is_refused() {
        let settings = Settings { general_percent: 41, ..Settings::default() };
        for before in [None, Some(Settings { mode: Mode::Compat, ..settings })] {
            let state = State { salt: NodeSalt::new([3; 32]), settings, division: 4, before };
            let body = state.encode();
            for length in 0..body.len() {
                assert_eq!(State::decode(&body[..length]), None, "length {length}");
            }
            assert_eq!(State::decode(&body), Some(state));
        }
    }

    #[test]
    fn a_block_is_whole_entries() {
        let entry = Entry::RemoveChannel { channel: ShortChannelId(1), is_gone: true };
        let mut body = Vec::new();
        assert!(decode_block(&body).is_none());
        encode_entry(&mut body, entry.to_words());
        encode_entry(&mut body, entry.to_words());
        let (count, entries) = decode_block(&body).unwrap();
        assert_eq!((count, entries.collect()), (2, vec![entry, entry]));
        assert!(decode_block(&body[1..]).is_none());
        body[ENTRY_BYTES..].fill(0xff);
        assert!(decode_block(&body).is_none(), "an entry that is none");
    }
}

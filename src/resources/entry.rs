//! What one call changed: the journal's entry, as an enum and as seven words.
//!
//! RE1 an entry holds results (bucket, slots, signal, effect on an average), so that applying it decides
//! nothing. RE2 live calls and a recovery apply the same entries with the same code (`apply`). RE3 an entry's
//! effects on the incoming and on the outgoing channel are apart, and each can be applied without the other.
//! Pure. docs/format.md describes the same words.

use super::average::{DecayingAverage, Revenue};
use super::bucket::ChannelLimits;
use super::channel::{Marks, Parts, Pending};
use crate::types::ShortChannelId;

/// Words of an encoded entry.
pub(super) const ENTRY_WORDS: usize = 7;
/// Bytes of an encoded entry.
pub(super) const ENTRY_BYTES: usize = ENTRY_WORDS * 8;

/// What a decision looked at, which in `compat` mode changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Looked(pub(super) u8);

impl Looked {
    /// The outgoing reputation was read.
    pub(super) const REPUTATION: u8 = 1;
    /// The incoming revenue was read.
    pub(super) const REVENUE: u8 = 2;
    /// The pair's slots were looked at.
    pub(super) const PAIR: u8 = 4;
    /// A mark of misuse was found to be too old.
    pub(super) const OLD_MARK: u8 = 8;
    /// The HTLC counts as one in a congestion bucket. Here, because the outgoing channel knows no parts.
    pub(super) const IN_CONGESTION: u8 = 16;

    pub(super) fn note(&mut self, what: u8) {
        self.0 |= what;
    }

    pub(super) fn has(self, what: u8) -> bool {
        self.0 & what != 0
    }
}

/// What a resolution did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Effects(pub(super) u16);

impl Effects {
    pub(super) const SETTLED: u16 = 1;
    /// It had been sent out accountable.
    pub(super) const ACCOUNTABLE: u16 = 2;
    /// It had been counted in a congestion bucket.
    pub(super) const IN_CONGESTION: u16 = 4;
    /// The outgoing reputation changed by the entry's effective fee.
    pub(super) const REPUTATION: u16 = 8;
    /// The incoming revenue rose by the entry's fee.
    pub(super) const REVENUE: u16 = 16;
    /// It held the congestion bucket for too long.
    pub(super) const MISUSED: u16 = 32;
    /// The closing incoming channel had nothing left.
    pub(super) const INCOMING_GONE: u16 = 64;
    /// The closing outgoing channel had nothing left.
    pub(super) const OUTGOING_GONE: u16 = 128;
    /// A reconciliation found that it is gone: nobody resolved it.
    pub(super) const DROPPED: u16 = 256;

    pub(super) fn with(self, what: u16, is_set: bool) -> Effects {
        Effects(if is_set { self.0 | what } else { self.0 })
    }

    pub(super) fn has(self, what: u16) -> bool {
        self.0 & what != 0
    }
}

/// A resolved HTLC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Resolve {
    pub(super) incoming: ShortChannelId,
    pub(super) outgoing: ShortChannelId,
    pub(super) htlc_id: u64,
    pub(super) unix_secs: u64,
    /// What the outgoing reputation changed by.
    pub(super) effective_fee_msat: i64,
    /// The fee that its delay was charged with.
    pub(super) charged_msat: u64,
    pub(super) blocks: u32,
    pub(super) effects: Effects,
}

/// What one call changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Entry {
    AddChannel {
        channel: ShortChannelId,
        limits: ChannelLimits,
        unix_secs: u64,
    },
    ResizeChannel {
        channel: ShortChannelId,
        limits: ChannelLimits,
    },
    RemoveChannel {
        channel: ShortChannelId,
        is_gone: bool,
    },
    /// Precedes the addition of an HTLC in several buckets.
    Parts {
        incoming: ShortChannelId,
        htlc_id: u64,
        parts: Parts,
    },
    Add {
        incoming: ShortChannelId,
        htlc: Pending,
        looked: Looked,
    },
    /// A call that was refused, or an HTLC that was failed, in `compat` mode.
    Look {
        incoming: ShortChannelId,
        outgoing: ShortChannelId,
        unix_secs: u64,
        looked: Looked,
    },
    Resolve(Resolve),
    ImportReputation {
        channel: ShortChannelId,
        average: DecayingAverage,
    },
    ImportRevenue {
        channel: ShortChannelId,
        revenue: Revenue,
    },
}

const ADD_CHANNEL: u8 = 1;
const RESIZE_CHANNEL: u8 = 2;
const REMOVE_CHANNEL: u8 = 3;
const PARTS: u8 = 4;
const ADD: u8 = 5;
const LOOK: u8 = 6;
const RESOLVE: u8 = 7;
const IMPORT_REPUTATION: u8 = 8;
const IMPORT_REVENUE: u8 = 9;

/// The first word: kind, three small numbers, and one of 32 bits.
fn head(kind: u8, first: u8, second: u8, third: u8, number: u32) -> u64 {
    let small = u32::from_le_bytes([kind, first, second, third]);
    u64::from(small) | u64::from(number) << 32
}

impl Entry {
    /// The channels whose state it changes, the incoming one first.
    pub(super) fn channels(&self) -> (ShortChannelId, Option<ShortChannelId>) {
        match self {
            Entry::AddChannel { channel, .. }
            | Entry::ResizeChannel { channel, .. }
            | Entry::RemoveChannel { channel, .. }
            | Entry::ImportReputation { channel, .. }
            | Entry::ImportRevenue { channel, .. } => (*channel, None),
            Entry::Parts { incoming, .. } => (*incoming, None),
            Entry::Add { incoming, htlc, .. } => (*incoming, Some(htlc.outgoing)),
            Entry::Look { incoming, outgoing, .. } => (*incoming, Some(*outgoing)),
            Entry::Resolve(resolve) => (resolve.incoming, Some(resolve.outgoing)),
        }
    }

    pub(super) fn to_words(self) -> [u64; ENTRY_WORDS] {
        match self {
            Entry::AddChannel { channel, limits, unix_secs } => {
                let first = head(ADD_CHANNEL, 0, 0, 0, u32::from(limits.max_accepted_htlcs));
                [first, channel.0, limits.max_in_flight_msat, unix_secs, 0, 0, 0]
            }
            Entry::ResizeChannel { channel, limits } => {
                let first = head(RESIZE_CHANNEL, 0, 0, 0, u32::from(limits.max_accepted_htlcs));
                [first, channel.0, limits.max_in_flight_msat, 0, 0, 0, 0]
            }
            Entry::RemoveChannel { channel, is_gone } => {
                [head(REMOVE_CHANNEL, u8::from(is_gone), 0, 0, 0), channel.0, 0, 0, 0, 0, 0]
            }
            Entry::Parts { incoming, htlc_id, parts } => {
                let Parts { protected_msat, congestion_msat } = parts;
                let first = head(PARTS, 0, 0, 0, 0);
                [first, incoming.0, htlc_id, protected_msat, congestion_msat, 0, 0]
            }
            Entry::Add { incoming, htlc, looked } => [
                head(ADD, htlc.marks.0, looked.0, htlc.general_slots, htlc.blocks),
                incoming.0,
                htlc.outgoing.0,
                htlc.htlc_id,
                htlc.incoming_amount_msat,
                htlc.fee_msat,
                htlc.added_unix_secs,
            ],
            Entry::Look { incoming, outgoing, unix_secs, looked } => {
                [head(LOOK, 0, looked.0, 0, 0), incoming.0, outgoing.0, unix_secs, 0, 0, 0]
            }
            Entry::Resolve(resolve) => resolve.to_words(),
            Entry::ImportReputation { channel, average } => {
                let [value, remainder, last_update] = average_words(average);
                let first = head(IMPORT_REPUTATION, 0, 0, 0, 0);
                [first, channel.0, value, remainder, last_update, 0, 0]
            }
            Entry::ImportRevenue { channel, revenue } => {
                let [value, remainder, last_update] = average_words(revenue.total);
                let first = head(IMPORT_REVENUE, 0, 0, 0, 0);
                [first, channel.0, value, remainder, last_update, revenue.start_secs, 0]
            }
        }
    }

    /// The entry of such words; `None` when they are not one.
    pub(super) fn from_words(words: [u64; ENTRY_WORDS]) -> Option<Entry> {
        let [first, one, two, three, four, five, six] = words;
        let [kind, a, b, c] = (first as u32).to_le_bytes();
        let number = (first >> 32) as u32;
        let channel = ShortChannelId(one);
        Some(match kind {
            ADD_CHANNEL => {
                Entry::AddChannel { channel, limits: limits(number, two)?, unix_secs: three }
            }
            RESIZE_CHANNEL => Entry::ResizeChannel { channel, limits: limits(number, two)? },
            REMOVE_CHANNEL => Entry::RemoveChannel { channel, is_gone: a != 0 },
            PARTS => Entry::Parts {
                incoming: channel,
                htlc_id: two,
                parts: Parts { protected_msat: three, congestion_msat: four },
            },
            ADD => {
                let marks = Marks(a);
                let htlc = Pending {
                    htlc_id: three,
                    outgoing: ShortChannelId(two),
                    incoming_amount_msat: four,
                    fee_msat: five,
                    added_unix_secs: six,
                    blocks: number,
                    general_slots: c,
                    marks,
                };
                marks.is_known().then_some(Entry::Add {
                    incoming: channel,
                    htlc,
                    looked: Looked(b),
                })?
            }
            LOOK => Entry::Look {
                incoming: channel,
                outgoing: ShortChannelId(two),
                unix_secs: three,
                looked: Looked(b),
            },
            RESOLVE => Entry::Resolve(Resolve {
                incoming: channel,
                outgoing: ShortChannelId(two),
                htlc_id: three,
                unix_secs: four,
                effective_fee_msat: five as i64,
                charged_msat: six,
                blocks: number,
                effects: Effects(u16::from_le_bytes([a, b])),
            }),
            IMPORT_REPUTATION => {
                Entry::ImportReputation { channel, average: average(two, three, four)? }
            }
            IMPORT_REVENUE => {
                let total = average(two, three, four)?;
                Entry::ImportRevenue { channel, revenue: Revenue { total, start_secs: five } }
            }
            _ => return None,
        })
    }
}

impl Resolve {
    fn to_words(self) -> [u64; ENTRY_WORDS] {
        let [low, high] = self.effects.0.to_le_bytes();
        [
            head(RESOLVE, low, high, 0, self.blocks),
            self.incoming.0,
            self.outgoing.0,
            self.htlc_id,
            self.unix_secs,
            self.effective_fee_msat as u64,
            self.charged_msat,
        ]
    }
}

fn limits(slots: u32, max_in_flight_msat: u64) -> Option<ChannelLimits> {
    let max_accepted_htlcs = u16::try_from(slots).ok()?;
    Some(ChannelLimits { max_in_flight_msat, max_accepted_htlcs })
}

pub(super) fn average_words(average: DecayingAverage) -> [u64; 3] {
    [average.value_msat as u64, average.remainder.to_bits(), average.last_update_secs]
}

/// An average of its words, unless its remainder is none.
pub(super) fn average(
    value: u64,
    remainder: u64,
    last_update_secs: u64,
) -> Option<DecayingAverage> {
    let remainder = f64::from_bits(remainder);
    let average = DecayingAverage { value_msat: value as i64, remainder, last_update_secs };
    (remainder.abs() <= 0.5).then_some(average)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::channel::BucketKind;

    #[test]
    fn entries_read_back() {
        let (incoming, outgoing) = (ShortChannelId(1), ShortChannelId(u64::MAX));
        let limits = ChannelLimits { max_in_flight_msat: 7, max_accepted_htlcs: 483 };
        let average = DecayingAverage { value_msat: -5, remainder: -0.25, last_update_secs: 9 };
        let htlc = Pending {
            htlc_id: 3,
            outgoing,
            incoming_amount_msat: 4,
            fee_msat: 5,
            added_unix_secs: 6,
            blocks: u32::MAX,
            general_slots: 25,
            marks: Marks::new(BucketKind::Several, true).with(Marks::WOULD_FAIL, true),
        };
        let resolve = Resolve {
            incoming,
            outgoing,
            htlc_id: 3,
            unix_secs: 4,
            effective_fee_msat: i64::MIN,
            charged_msat: 6,
            blocks: 7,
            effects: Effects(Effects::SETTLED | Effects::DROPPED),
        };
        for entry in [
            Entry::AddChannel { channel: incoming, limits, unix_secs: 1 },
            Entry::ResizeChannel { channel: incoming, limits },
            Entry::RemoveChannel { channel: incoming, is_gone: true },
            Entry::Parts {
                incoming,
                htlc_id: 1,
                parts: Parts { protected_msat: 2, congestion_msat: 3 },
            },
            Entry::Add { incoming, htlc, looked: Looked(Looked::PAIR) },
            Entry::Look { incoming, outgoing, unix_secs: 2, looked: Looked(15) },
            Entry::Resolve(resolve),
            Entry::ImportReputation { channel: incoming, average },
            Entry::ImportRevenue {
                channel: incoming,
                revenue: Revenue { total: average, start_secs: 2 },
            },
        ] {
            assert_eq!(Entry::from_words(entry.to_words()), Some(entry));
        }
        assert_eq!(Entry::from_words([0; ENTRY_WORDS]), None);
        assert_eq!(Entry::from_words([u64::MAX; ENTRY_WORDS]), None);
    }
}

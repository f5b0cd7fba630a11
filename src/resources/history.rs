//! Takes forwards of the past into the averages, so that a node does not start with no reputation at all.
//!
//! RO1 a channel takes a history once: a repeat changes nothing. RO2 a forward counts as if it had been
//! decided then, unaccountable: its fee for the revenue, and for the reputation if it settled in time.
//! Called by `mod`.

use std::collections::BTreeMap;

use super::apply::apply_incoming;
use super::average::{DecayingAverage, signed};
use super::channel::Channel;
use super::decide::unknown;
use super::engine::{Engine, append};
use super::entry::Entry;
use super::options::{ForwardRow, Imported};
use super::rules::{Mode, Settings, check_time};
use crate::error::Result;
use crate::types::ShortChannelId;

/// What one channel earned, by the time that it settled at.
#[derive(Default)]
struct Past {
    as_outgoing: Vec<(u64, i64)>,
    as_incoming: Vec<(u64, i64)>,
    first_added_secs: Option<u64>,
}

impl Engine {
    /// See [`super::Resources::import_history`].
    pub(super) fn import(&self, rows: &[ForwardRow]) -> Result<Imported> {
        self.shards.check_open()?;
        for row in rows {
            check_time(self.settings.mode, row.added_unix_secs.max(row.settled_unix_secs))?;
        }
        let mut report = Imported::default();
        let mut pasts: BTreeMap<ShortChannelId, Past> = BTreeMap::new();
        for row in rows {
            let in_order = row.added_unix_secs <= row.settled_unix_secs;
            let [has_incoming, has_outgoing] =
                [row.incoming, row.outgoing].map(|id| in_order && self.is_open(id));
            if has_incoming {
                let past = pasts.entry(row.incoming).or_default();
                past.as_incoming.push((row.settled_unix_secs, signed(row.fee_msat)));
                let first = past.first_added_secs.get_or_insert(row.added_unix_secs);
                *first = (*first).min(row.added_unix_secs);
            }
            if has_outgoing {
                let held_secs = row.settled_unix_secs - row.added_unix_secs;
                let (fee, settings) = (row.fee_msat, &self.settings);
                let effect = settings.effective_fee_msat(false, true, held_secs, fee, fee);
                let past = pasts.entry(row.outgoing).or_default();
                past.as_outgoing.push((row.settled_unix_secs, effect));
            }
            let counts = has_incoming || has_outgoing;
            report.rows += u64::from(counts);
            report.rows_passed_over += u64::from(!counts);
        }
        for (id, past) in pasts {
            self.import_one(id, past, &mut report)?;
        }
        Ok(report)
    }

    fn is_open(&self, id: ShortChannelId) -> bool {
        let mut is_open = false;
        self.shards.change(id, |channel| is_open = !channel.is_closing);
        is_open
    }

    fn import_one(&self, id: ShortChannelId, mut past: Past, report: &mut Imported) -> Result<()> {
        past.as_outgoing.sort_unstable();
        past.as_incoming.sort_unstable();
        let mut claim = self.claim_patiently(2)?;
        let mut held = self.shards.hold(id)?;
        let channel = held.shard().channels.get_mut(&id).ok_or_else(|| unknown(id))?;
        let entries = entries_of(&self.settings, channel, &past);
        report.channels += u64::from(!entries.is_empty());
        report.channels_before += u64::from(entries.is_empty());
        let mut number = None;
        for entry in &entries {
            let given = append(&mut claim, &[*entry]);
            apply_incoming(self.rules(), channel, entry, given);
            channel.changed_below = given.saturating_add(1);
            number = Some(given);
        }
        drop((held, claim));
        self.note(number);
        Ok(())
    }
}

/// The averages with their past, of those that have taken none yet.
fn entries_of(settings: &Settings, channel: &Channel, past: &Past) -> Vec<Entry> {
    let mut entries = Vec::new();
    let rounded = |mut average: DecayingAverage| {
        if settings.mode == Mode::Compat {
            average.remainder = 0.0;
        }
        average
    };
    if !past.as_outgoing.is_empty() && !channel.reputation_imported {
        let mut average = channel.outgoing.reputation;
        for (settled_secs, effect_msat) in &past.as_outgoing {
            average.add_past(settings.reputation_window_secs(), *effect_msat, *settled_secs);
        }
        entries.push(Entry::ImportReputation { channel: channel.id, average: rounded(average) });
    }
    if let (Some(first_secs), false) = (past.first_added_secs, channel.revenue_imported) {
        let mut revenue = channel.incoming.revenue;
        for (settled_secs, fee_msat) in &past.as_incoming {
            let window_secs = settings.revenue_windows().tracked_secs;
            revenue.total.add_past(window_secs, *fee_msat, *settled_secs);
        }
        revenue.total = rounded(revenue.total);
        revenue.start_secs = revenue.start_secs.min(first_secs);
        entries.push(Entry::ImportRevenue { channel: channel.id, revenue });
    }
    entries
}

//! What the monitors' rows must say about each other (MC1, MT1 to MT3), for a check of the whole file.
//!
//! Some 60 bytes of each channel are kept until its row is met, which comes after its snapshot and updates.

use std::collections::BTreeMap;

use super::channel::Channel;
use super::record::{ChannelRow, MANAGER_KEY, STATE_KEY, State, decode_output, decode_update_key};
use super::table::channel_of_snapshot;
use crate::store::blob::Owner;
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::walk::References;
use crate::types::ChannelId;

type Disagreement = (Table, Vec<u8>, String);

/// What was met of a channel before its row.
#[derive(Debug, Default)]
struct Parts {
    has_snapshot: bool,
    /// First and last id of its updates, and how many there are.
    updates: Option<(u64, u64, u64)>,
    is_excused: bool,
}

/// Rows of monitors as a walk meets them: pointers of snapshots, outputs, updates, channels, the state.
#[derive(Debug, Default)]
pub(crate) struct MonitorReferences {
    parts: BTreeMap<ChannelId, Parts>,

    advanced_at: u64,
    manager_at: u64,
    has_manager: bool,
    manager_is_excused: bool,
    has_rows: bool,
    state: Option<State>,
    state_is_excused: bool,
}

impl MonitorReferences {
    /// A pointer among the large values, damaged or not: it leads to a manager, a snapshot, or is not of
    /// monitors.
    pub(crate) fn pointer(&mut self, key: &[u8]) {
        if let Some(channel) = channel_of_snapshot(key) {
            self.parts.entry(channel).or_default().has_snapshot = true;
        }
        self.has_manager |= key.first() == Some(&(Owner::Manager as u8));
    }

    fn update(&mut self, key: &[u8]) -> Option<()> {
        let (channel, update_id) = decode_update_key(key)?;
        let parts = self.parts.entry(channel).or_default();
        parts.updates = Some(match parts.updates {
            Some((first, _, count)) => (first, update_id, count + 1),
            None => (update_id, update_id, 1),
        });
        Some(())
    }

    fn channel(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        let channel = ChannelId(key.try_into().ok()?);

        let parts = self.parts.remove(&channel).unwrap_or_default();
        match ChannelRow::decode(body) {
            None => Some("the row does not decode".to_owned()),
            Some(ChannelRow::Purged { commit_sequence }) => {
                self.advanced_at = self.advanced_at.max(commit_sequence);
                let left = parts.has_snapshot || parts.updates.is_some();
                left.then(|| "a purged channel has a snapshot or updates".to_owned())
            }
            Some(ChannelRow::Known(known)) => {
                self.advanced_at = self.advanced_at.max(known.advanced_at);
                if parts.is_excused { None } else { disagreement(&known, &parts) }
            }
        }
    }

    fn state_row(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        if key == STATE_KEY {
            self.state = State::decode(body);
            return self.state.is_none().then(|| "the row does not decode".to_owned());
        }
        if key == MANAGER_KEY {
            let number = body.try_into().map(u64::from_le_bytes);
            self.manager_at = number.unwrap_or(0);
            return number.is_err().then(|| "the row does not decode".to_owned());
        }
        Some("a row of an unknown name".to_owned())
    }
}

fn disagreement(known: &Channel, parts: &Parts) -> Option<String> {
    if !parts.has_snapshot {
        return Some("the channel has no snapshot".to_owned());
    }
    let expected = match known.latest_id - known.base_id {
        0 => None,
        count => Some((known.base_id + 1, known.latest_id, count)),
    };
    let show = |updates: Option<(u64, u64, u64)>| match updates {
        Some((first, last, count)) => format!("{count} updates from {first} to {last}"),
        None => "no updates".to_owned(),
    };
    (parts.updates != expected)
        .then(|| format!("the channel needs {}, and has {}", show(expected), show(parts.updates)))
}

impl References for MonitorReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        self.has_rows = true;
        match table {
            Table::MonitorUpdates => {
                self.update(key)?;
                None
            }
            Table::MonitorOutputs => match decode_output(body) {
                Some(_) => None,
                None => Some("the row does not decode".to_owned()),
            },
            Table::Monitors => self.channel(key, body),
            Table::MonitorsState => self.state_row(key, body),
            _ => None,
        }
    }

    fn damaged(&mut self, table: Table, key: &[u8]) {
        self.has_rows = true;
        match table {
            Table::MonitorUpdates => {
                self.update(key);
                if let Some((channel, _)) = decode_update_key(key) {
                    self.parts.entry(channel).or_default().is_excused = true;
                }
            }
            Table::Monitors => {
                if let Ok(channel) = key.try_into() {
                    self.parts.remove(&ChannelId(channel));
                }
            }
            Table::MonitorsState if key == MANAGER_KEY => self.manager_is_excused = true,
            Table::MonitorsState => self.state_is_excused = true,
            _ => {}
        }
    }

    fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        let mut found = Vec::new();
        for (channel, parts) in &self.parts {
            let (table, what) = match parts.updates {
                Some(_) => (Table::MonitorUpdates, "updates of a channel that has no row"),
                None => (Table::Blobs, "a snapshot of a channel that has no row"),
            };
            found.push((table, channel.0.to_vec(), what.to_owned()));
        }
        let mut state = |key: &[u8], what: String| {
            found.push((Table::MonitorsState, key.to_vec(), what));
        };
        match self.state {
            Some(known) => {
                let latest = self.advanced_at.max(self.manager_at);
                if latest > known.commit_sequence {
                    let counted = known.commit_sequence;
                    state(STATE_KEY, format!("a row names commit {latest}, the counter {counted}"));
                }
            }
            None if self.has_rows && !self.state_is_excused => {
                state(STATE_KEY, "the row is missing".to_owned());
            }
            None => {}
        }
        if self.has_manager != (self.manager_at != 0) && !self.manager_is_excused {
            state(
                MANAGER_KEY,
                "the manager and the number of its commit need each other".to_owned(),
            );
        }
        found
    }
}

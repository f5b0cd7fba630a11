//! What the resources' rows must say about each other (RJ2, RT1), for a check of the whole file.
//!
//! Keeps one number per channel with a row, and the last number of the journal.

use super::record::{ChannelRow, STATE_KEY, State, decode_block, decode_block_key, decode_key};
use crate::store::heads::Heads;
use crate::store::tables::Table;

type Disagreement = (Table, Vec<u8>, String);

/// Rows of the resources as a walk meets them: settings, channels, the journal.
#[derive(Debug, Default)]
pub(crate) struct ResourceReferences {
    state: Option<State>,
    has_rows: bool,
    is_excused: bool,
    /// Number after the last entry that was met.
    next: u64,
    overlaps: Vec<u64>,
}

impl ResourceReferences {
    pub(crate) fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::ResourcesState => self.state(key, body),
            Table::ResourcesChannels => self.channel(key, body),
            Table::ResourcesJournal => self.block(key, body),
            _ => None,
        }
    }

    fn state(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        self.state = State::decode(body);
        let is_known = key == STATE_KEY && self.state.is_some();
        (!is_known).then(|| "no settings of the resources".to_owned())
    }

    fn channel(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        self.has_rows = true;
        let is_known = decode_key(key).is_some() && ChannelRow::decode(body).is_some();
        (!is_known).then(|| "no channel of the resources".to_owned())
    }

    fn block(&mut self, key: &[u8], body: &[u8]) -> Option<String> {
        self.has_rows = true;
        let Some((first, (entries, _))) = decode_block_key(key).zip(decode_block(body)) else {
            return Some("no entries of the resources' journal".to_owned());
        };
        if first < self.next {
            self.overlaps.push(first);
        }
        self.next = first.saturating_add(entries);
        None
    }

    pub(crate) fn damaged(&mut self, table: Table, _key: &[u8]) {
        self.is_excused |= table == Table::ResourcesState;
    }

    pub(crate) fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        let mut found: Vec<Disagreement> = std::mem::take(&mut self.overlaps)
            .into_iter()
            .map(|first| {
                let fact = format!("entry {first} is in the block before too");
                (Table::ResourcesJournal, first.to_be_bytes().to_vec(), fact)
            })
            .collect();
        if self.has_rows && self.state.is_none() && !self.is_excused {
            let fact = "channels or entries without settings of the resources".to_owned();
            found.push((Table::ResourcesState, STATE_KEY.to_vec(), fact));
        }
        found
    }
}

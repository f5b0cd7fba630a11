//! What the rows of the event log must say about each other, for a check of the whole file.

use super::cursor::{decode_cursor, sequence_of};
use super::record::Event;
use crate::store::heads::Heads;
use crate::store::tables::Table;
use crate::store::walk::References;

/// Cursors, as a walk meets them.
#[derive(Debug, Default)]
pub(crate) struct EventReferences {
    cursors: Vec<(Vec<u8>, u64)>,
}

impl References for EventReferences {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::EventCursors => match decode_cursor(body) {
                Some(acknowledged) => self.cursors.push((key.to_vec(), acknowledged)),
                None => return Some("the cursor does not decode".to_owned()),
            },
            Table::Events if Event::decode(sequence_of(key)?, body).is_none() => {
                return Some("the event does not decode".to_owned());
            }
            _ => {}
        }
        None
    }

    fn damaged(&mut self, _table: Table, _key: &[u8]) {}

    fn disagreements(&mut self, heads: &Heads) -> Vec<(Table, Vec<u8>, String)> {
        let newest = sequence_of(&heads.of(Table::Events).last_key).unwrap_or(0);
        let ahead = self.cursors.drain(..).filter(|(_, acknowledged)| *acknowledged > newest);
        ahead
            .map(|(name, acknowledged)| {
                let fault =
                    format!("acknowledged event {acknowledged}, and {newest} is the newest");
                (Table::EventCursors, name, fault)
            })
            .collect()
    }
}

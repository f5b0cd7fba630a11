//! What the backup's rows must say about each other, for a check of the whole file: no peer was sent a number
//! that the row of the database does not know to be used.

use super::generation::{STRIPE_KEY, Stripe};
use super::record::{STATE_KEY, State, decode_peer};
use crate::store::heads::Heads;
use crate::store::tables::Table;

type Disagreement = (Table, Vec<u8>, String);

/// Rows of the backup as a walk meets them: peers, then the state, or the other way round.
#[derive(Debug, Default)]
pub(crate) struct BackupReferences {
    next_seq: Option<u64>,
    is_excused: bool,
    /// The peer that was sent the greatest number, and that number.
    greatest: Option<(u64, Vec<u8>)>,
    has_peers: bool,
}

impl BackupReferences {
    pub(crate) fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::BackupState if key == STRIPE_KEY => {
                Stripe::decode(body).is_none().then(|| "no stripe of the backup".to_owned())
            }
            Table::BackupState => {
                let state = State::decode(body).filter(|_| key == STATE_KEY);
                self.next_seq = state.map(|state| state.next_seq);
                self.is_excused |= state.is_none();
                state.is_none().then(|| "no state of the backup".to_owned())
            }
            Table::BackupPeers => {
                self.has_peers = true;
                let Some((peer, _)) = decode_peer(body) else {
                    return Some("no peer of the backup".to_owned());
                };
                let one = Some((peer.sent_seq, key.to_vec()));
                self.greatest = self.greatest.take().max(one);
                None
            }
            _ => None,
        }
    }

    pub(crate) fn damaged(&mut self, table: Table, _key: &[u8]) {
        self.is_excused |= table == Table::BackupState;
        self.has_peers |= table == Table::BackupPeers;
    }

    pub(crate) fn disagreements(&mut self, _heads: &Heads) -> Vec<Disagreement> {
        if self.is_excused {
            return Vec::new();
        }
        match (self.next_seq, self.greatest.take()) {
            (None, _) if self.has_peers => {
                let fact = "peers of the backup without its state".to_owned();
                vec![(Table::BackupState, STATE_KEY.to_vec(), fact)]
            }
            (Some(next_seq), Some((seq, key))) if seq >= next_seq => {
                let fact = format!("was sent number {seq}, and {next_seq} is the next one");
                vec![(Table::BackupPeers, key, fact)]
            }
            _ => Vec::new(),
        }
    }
}

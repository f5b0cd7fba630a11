//! Reading the backup's rows at open.

use std::sync::Arc;

use super::commands::Change;
use super::keys::BackupKeys;
use super::ledger::Ledger;
use super::options::{BackupOptions, BackupReport};
use super::record::{STATE_KEY, Sent, State, decode_peer};
use super::rules::{Peer, PeerState};
use crate::error::{Error, Result, Status};
use crate::limits::BACKUP_RESTORED_SEQUENCE_JUMP;
use crate::store::Store;
use crate::store::batch::Rows;
use crate::store::tables::Table;
use crate::types::NodeId;

/// A peer's row, `None` when it does not decode.
type Row = (NodeId, Option<(Peer, Sent)>);

struct Found {
    /// `None` when there is none, or it is damaged.
    state: Option<State>,
    state_is_damaged: bool,
    peers: Vec<Row>,
}

/// Everything that is durable. A new database gets its instance, durably, before this answers; so does one
/// whose row is damaged, which then counts as one that lost its state.
pub(super) fn load(
    store: &Arc<Store>,
    keys: &BackupKeys,
    options: &BackupOptions,
    instance: [u8; 16],
) -> Result<(Ledger, BackupReport)> {
    let found = read(store)?;
    let greatest = found.peers.iter().filter_map(|(_, row)| Some(row.as_ref()?.0.sent_seq)).max();
    let below = store.doubt_below_epoch();
    let known = found.state;
    if known.is_some_and(|state| !keys.matches(&state.check)) {
        let fact = "the backup of this store was made with another secret; nothing was changed";
        return Err(Error::new(Status::WrongMode, fact));
    }
    let mut state = known.unwrap_or(State {
        instance,
        check: keys.check_value(),
        next_seq: greatest.unwrap_or(0).saturating_add(1),
        foreign_seq: 0,
        jumped_below_epoch: 0,
        is_fresh: true,
        is_blocked: false,
    });
    // A newer store, now lost, or the one that this is a copy of, may have used the next numbers.
    if below > state.jumped_below_epoch || found.state_is_damaged {
        state.next_seq = state.next_seq.saturating_add(BACKUP_RESTORED_SEQUENCE_JUMP);
        state.jumped_below_epoch = below;
    }
    // Without the row nobody knows whether an operator had to be asked.
    let is_ahead = |(_, row): &Row| row.is_some_and(|(peer, _)| peer.state == PeerState::Ahead);
    state.is_blocked |= found.state_is_damaged || found.peers.iter().any(is_ahead);
    if known != Some(state) {
        store.submit_one(Change { state: Some(state), ..Change::default() })?;
    }
    let damaged = found.peers.iter().filter(|(_, row)| row.is_none()).count();
    let mut ledger = Ledger::new(options.clone(), state);
    for (node, row) in &found.peers {
        match row {
            Some((peer, sent)) => ledger.load(*node, *peer, *sent),
            None => ledger.load_damaged(*node),
        }
    }
    let report = BackupReport {
        peers: found.peers.len() as u64,
        damaged: damaged as u64 + u64::from(found.state_is_damaged),
        is_fresh: state.is_fresh,
        is_blocked: state.is_blocked,
    };
    Ok((ledger, report))
}

fn read(store: &Store) -> Result<Found> {
    store.read(|view| {
        let had_row = view.heads()?.of(Table::BackupState).rows != 0;
        let state = match view.row(Table::BackupState, STATE_KEY) {
            Ok(body) => body.as_deref().and_then(State::decode),
            Err(error) if error.status() == Status::CorruptRecord => None,
            Err(error) => return Err(error),
        };
        let mut peers = Vec::new();
        view.scan(Table::BackupPeers, &[], |key, body| {
            if let Ok(node) = key.try_into() {
                peers.push((NodeId(node), body.ok().and_then(decode_peer)));
            }
            true
        })?;
        Ok(Found { state_is_damaged: had_row && state.is_none(), state, peers })
    })
}

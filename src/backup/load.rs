//! Reading the backup's rows at open.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::commands::{BASE_NAME, Change, NEWEST_NAME, object_key};
use super::generation::{Generation, STRIPE_KEY, Stripe};
use super::journals::Journals;
use super::keys::{BackupKeys, SET_CHANNELS};
use super::ledger::Ledger;
use super::options::{BackupOptions, BackupReport};
use super::record::{History, STATE_KEY, State, decode_peer};
use super::rules::{Peer, PeerState};
use super::sends::{Bytes, Objects, Sends, digest};
use crate::error::{Error, Result, Status};
use crate::limits::{BACKUP_RESTORED_SEQUENCE_JUMP, BACKUP_RESTORED_SEQUENCE_STRIDE};
use crate::store::Store;
use crate::store::batch::Rows;
use crate::store::blob;
use crate::store::tables::Table;
use crate::types::NodeId;

/// A peer's row, `None` when it does not decode.
type Row = (NodeId, Option<(Peer, History)>);

struct Found {
    /// `None` when there is none, or it is damaged.
    state: Option<State>,
    state_is_damaged: bool,
    peers: Vec<Row>,
    stripe: Option<Stripe>,
    stripe_is_damaged: bool,
    objects: Objects,
}

/// Everything that is durable. A new database gets its instance, durably, before this answers; so does one
/// whose row is damaged, which then counts as one that lost its state.
pub(super) fn load(
    store: &Arc<Store>,
    keys: &BackupKeys,
    options: &BackupOptions,
    drawn: [u8; 16],
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
        instance: drawn,
        check: keys.check_value(),
        next_seq: greatest.unwrap_or(0).saturating_add(1),
        foreign_seq: 0,
        adopted_seq: 0,
        jumped_below_epoch: 0,
        is_fresh: true,
        is_blocked: false,
    });
    // A newer store, now lost, or the one that this is a copy of, may have used the next numbers.
    if below > state.jumped_below_epoch || found.state_is_damaged {
        state.next_seq = state.next_seq.saturating_add(restored_jump(drawn));
        state.jumped_below_epoch = below;
    }
    // Without the row nobody knows whether an operator had to be asked.
    let is_ahead = |(_, row): &Row| row.is_some_and(|(peer, _)| peer.state == PeerState::Ahead);
    state.is_blocked |= found.state_is_damaged || found.peers.iter().any(is_ahead);
    if known != Some(state) {
        store.submit_one(Change { state: Some(state), ..Change::default() })?;
    }
    let damaged = found.peers.iter().filter(|(_, row)| row.is_none()).count();
    let journals = Journals::new(options, keys.set_id(SET_CHANNELS, 0))?;
    let sends = Sends::new(found.stripe.unwrap_or_default(), found.objects, journals);
    let mut ledger = Ledger::new(options.clone(), state, sends);
    for (node, row) in &found.peers {
        match row {
            Some((peer, history)) => ledger.load(*node, *peer, *history),
            None => ledger.load_damaged(*node),
        }
    }
    ledger.look_after_base();
    let report = BackupReport {
        peers: found.peers.len() as u64,
        damaged: damaged as u64
            + u64::from(found.state_is_damaged)
            + u64::from(found.stripe_is_damaged),
        is_fresh: state.is_fresh,
        is_blocked: state.is_blocked,
    };
    Ok((ledger, report))
}

/// A copy may be restored twice, and neither knows of the other: a constant would give both the same numbers.
fn restored_jump(drawn: [u8; 16]) -> u64 {
    let [first, second, third, fourth, ..] = drawn;
    let apart = u32::from_le_bytes([first, second, third, fourth]);
    BACKUP_RESTORED_SEQUENCE_JUMP + u64::from(apart) * BACKUP_RESTORED_SEQUENCE_STRIDE
}

fn read(store: &Store) -> Result<Found> {
    store.read(|view| {
        let rows = view.heads()?.of(Table::BackupState).rows;
        let state = decoded(view.row(Table::BackupState, STATE_KEY), State::decode)?;
        let stripe = decoded(view.row(Table::BackupState, STRIPE_KEY), Stripe::decode)?;
        let mut peers = Vec::new();
        view.scan(Table::BackupPeers, &[], |key, body| {
            if let Ok(node) = key.try_into() {
                peers.push((NodeId(node), body.ok().and_then(decode_peer)));
            }
            true
        })?;
        let (stripe, stripe_is_damaged) = (stripe.row, stripe.is_damaged);
        let newest = stripe.as_ref().and_then(|stripe| stripe.newest);
        let base = stripe.as_ref().and_then(|stripe| stripe.base);
        let objects = Objects {
            newest: object(view, NEWEST_NAME, newest.filter(|newest| !newest.is_whole))?,
            base: object(view, BASE_NAME, base)?,
        };
        let base_is_damaged = base.is_some() && objects.base.is_none();
        Ok(Found {
            state_is_damaged: state.is_damaged || (state.row.is_none() && rows != 0),
            state: state.row,
            peers,
            stripe,
            stripe_is_damaged: stripe_is_damaged || base_is_damaged,
            objects,
        })
    })
}

/// What a generation is made of, `None` when it is not there whole.
fn object(rows: &impl Rows, name: &[u8], of: Option<Generation>) -> Result<Option<Bytes>> {
    let Some(generation) = of else { return Ok(None) };
    let found = match blob::read(rows, &object_key(name)?) {
        Ok(found) => found.map(|bytes| Arc::new(Zeroizing::new(bytes))),
        Err(error) if error.status() == Status::CorruptRecord => None,
        Err(error) => return Err(error),
    };
    Ok(found.filter(|object| digest(object) == generation.object_sha256))
}

struct Decoded<T> {
    row: Option<T>,
    is_damaged: bool,
}

fn decoded<T, B: AsRef<[u8]>>(
    body: Result<Option<B>>,
    decode: fn(&[u8]) -> Option<T>,
) -> Result<Decoded<T>> {
    let row = match body {
        Ok(None) => return Ok(Decoded { row: None, is_damaged: false }),
        Ok(Some(body)) => decode(body.as_ref()),
        Err(error) if error.status() == Status::CorruptRecord => None,
        Err(error) => return Err(error),
    };
    Ok(Decoded { is_damaged: row.is_none(), row })
}

//! What a check of the whole file says when rows of monitors disagree with each other.

use super::super::channel::{Block, Urgency};
use super::super::record::{MANAGER_KEY, STATE_KEY, update_key};
use super::super::table::snapshot_key;
use super::super::{Monitors, MonitorsOptions};
use super::id;
use super::world::Rewrite;
use crate::store::record;
use crate::store::tables::Table;
use crate::store::{Store, StoreOptions};

type Row = (Table, Vec<u8>, Option<Vec<u8>>);

fn gone(table: Table, key: &[u8]) -> Row {
    (table, key.to_vec(), None)
}

/// A row whose checksum holds.
fn sealed(table: Table, key: &[u8], body: &[u8]) -> Row {
    (table, key.to_vec(), Some(record::seal(table, key, body)))
}

fn garbled(table: Table, key: &[u8]) -> Row {
    (table, key.to_vec(), Some(b"garbage".to_vec()))
}

/// What a check finds after an edit of a store with a manager, and a channel with two updates.
fn findings(rows: Vec<Row>) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    let monitors = Monitors::open(&store, MonitorsOptions::default()).unwrap();
    let urgency = Urgency::Ordinary;
    monitors.queue_new(id(1), 0, b"base", Block::default(), urgency).unwrap();
    for update_id in [1, 2] {
        monitors.queue_update(id(1), update_id, b"update", urgency).unwrap();
    }
    let capture = monitors.capture().unwrap();
    monitors.commit(capture, Some(b"manager"), &[]).unwrap();
    let check = || crate::maintenance::check(&path).unwrap();
    assert!(check().is_sound(), "{:?}", check().findings);
    store.submit_one(Rewrite(rows)).unwrap();
    let named = |finding: crate::Finding| format!("{}: {}", finding.table, finding.fault);
    check().findings.into_iter().map(named).collect()
}

#[test]
fn a_check_finds_rows_that_disagree_with_each_other() {
    let channel = id(1).0;
    let (first, second) = (update_key(id(1), 1), update_key(id(1), 2));
    let updates =
        || vec![gone(Table::MonitorUpdates, &first), gone(Table::MonitorUpdates, &second)];
    let state = |body: &[u8]| vec![sealed(Table::MonitorsState, STATE_KEY, body)];
    let manager = |body: &[u8]| vec![sealed(Table::MonitorsState, MANAGER_KEY, body)];
    let cases = [
        (
            vec![gone(Table::MonitorUpdates, &first)],
            "monitors: the channel needs 2 updates from 1 to 2, and has 1 updates from 2 to 2",
        ),
        (updates(), "monitors: the channel needs 2 updates from 1 to 2, and has no updates"),
        (
            vec![gone(Table::Blobs, &snapshot_key(id(1)).unwrap())],
            "monitors: the channel has no snapshot",
        ),
        (
            vec![gone(Table::Monitors, &channel)],
            "monitor_updates: updates of a channel that has no row",
        ),
        (
            [updates(), vec![gone(Table::Monitors, &channel)]].concat(),
            "blobs: a snapshot of a channel that has no row",
        ),
        (vec![sealed(Table::Monitors, &channel, b"nonsense")], "monitors: the row does not decode"),
        (
            vec![sealed(Table::MonitorOutputs, &[0; 8], b"x")],
            "monitor_outputs: the row does not decode",
        ),
        (vec![gone(Table::MonitorsState, STATE_KEY)], "monitors_state: the row is missing"),
        (state(b"nonsense"), "monitors_state: the row does not decode"),
        (manager(b"short"), "monitors_state: the row does not decode"),
        (manager(&99_u64.to_le_bytes()), "monitors_state: a row names commit 99, the counter 1"),
        (
            vec![gone(Table::MonitorsState, MANAGER_KEY)],
            "monitors_state: the manager and the number of its commit need each other",
        ),
        (
            vec![sealed(Table::MonitorsState, b"other", b"")],
            "monitors_state: a row of an unknown name",
        ),
    ];
    for (rows, expected) in cases {
        let found = findings(rows);
        assert!(found.iter().any(|finding| finding == expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_damaged_row_is_the_only_finding_about_it() {
    let rows = [
        garbled(Table::MonitorUpdates, &update_key(id(1), 1)),
        garbled(Table::Monitors, &id(1).0),
        garbled(Table::MonitorsState, STATE_KEY),
        garbled(Table::MonitorsState, MANAGER_KEY),
    ];
    for row in rows {
        let what = row.0;
        let found = findings(vec![row]);
        assert_eq!(found.len(), 1, "{what:?}: {found:?}");
    }
}

//! Everything that a store holds, as text: rows of each table by the engine, then what the components say.

use std::fmt::Write;
use std::path::Path;

use lmdb::{Cursor, Environment, EnvironmentFlags, Transaction};
use lnkeep::attempts::{Attempt, Attempts, AttemptsOptions, Ending, Query};
use lnkeep::backup::Backup;
use lnkeep::backup::keys::Secret;
use lnkeep::events::{Events, Start};
use lnkeep::limits::{BACKUP_RESTORED_SEQUENCE_JUMP, BACKUP_RESTORED_SEQUENCE_STRIDE};
use lnkeep::monitors::{Monitors, MonitorsOptions, Stage};
use lnkeep::payments::{AttemptOutcome, Payment, Payments, PaymentsOptions};
use lnkeep::peer_storage::{PeerStorage, PeerStorageOptions};
use lnkeep::resources::{Resources, ResourcesOptions};
use lnkeep::store::tables::SPECS;
use lnkeep::{Namespace, Store, StoreOptions};
use sha2::{Digest, Sha256};

use super::write;

/// Of bytes that are secret, or long, and so not shown by themselves.
fn hash(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{} bytes {hex}", bytes.len())
}

pub fn everything(directory: &Path) -> String {
    let mut text = String::new();
    rows(directory, &mut text);
    let options = StoreOptions { must_exist: true, verify_always: true, ..write::store_options() };
    let store = Store::open(directory, &options).unwrap();
    writeln!(text, "clock {:?}", store.clock()).unwrap();
    writeln!(text, "host blob {}", hash(&store.blobs().get(b"host").unwrap().unwrap())).unwrap();
    let attempts = Attempts::open(&store, AttemptsOptions::default()).unwrap();
    for attempt in attempts.list(&Query::default()).unwrap().attempts {
        one_attempt(&attempt, &mut text);
    }
    for namespace in [Namespace::default(), write::NAMESPACE] {
        writeln!(text, "counts {:?}", attempts.counts(Some(namespace)).unwrap()).unwrap();
    }
    let events = Events::open(&store, b"reader", Start::Oldest).unwrap();
    for event in events.take(1_000).unwrap() {
        writeln!(text, "{event:?}").unwrap();
    }
    let payments = Payments::open(&store, PaymentsOptions::default()).unwrap();
    for payment in payments.query(&lnkeep::payments::Query::default()).unwrap().payments {
        one_payment(&payment, &mut text);
    }
    writeln!(text, "{:?}", payments.counts().unwrap()).unwrap();
    monitors(&Monitors::open(&store, MonitorsOptions::default()).unwrap(), &mut text);
    let options = ResourcesOptions { settings: write::settings(), ..ResourcesOptions::default() };
    resources(&Resources::open(&store, options).unwrap(), &mut text);
    peers(&PeerStorage::open(&store, PeerStorageOptions::default()).unwrap(), &mut text);
    let secret = Secret::new(write::SECRET);
    backup(&Backup::open(&store, &secret, write::backup_options()).unwrap(), &mut text);
    drop(events);
    store.close().unwrap();
    text
}

fn rows(directory: &Path, text: &mut String) {
    let flags = EnvironmentFlags::READ_ONLY | EnvironmentFlags::NO_LOCK;
    let tables = SPECS.len() as u32 + 2;
    let environment =
        Environment::new().set_flags(flags).set_max_dbs(tables).open(directory).unwrap();
    for spec in SPECS {
        let table = environment.open_db(Some(spec.name)).unwrap();
        let transaction = environment.begin_ro_txn().unwrap();
        let count = transaction.open_ro_cursor(table).unwrap().iter().count();
        writeln!(text, "rows {} {count}", spec.name).unwrap();
    }
}

fn one_attempt(attempt: &Attempt, text: &mut String) {
    writeln!(text, "{attempt:?}").unwrap();
    let Some(result) = &attempt.result else { return };
    writeln!(text, "    message {}", hash(result.message.expose())).unwrap();
    if let Ending::Settle(preimage) = &result.ending {
        writeln!(text, "    preimage {}", hash(preimage.expose())).unwrap();
    }
}

fn one_payment(payment: &Payment, text: &mut String) {
    writeln!(text, "{payment:?}").unwrap();
    writeln!(text, "    request {}", hash(payment.init.payment_request.expose())).unwrap();
    for attempt in &payment.attempts {
        writeln!(text, "    route {}", hash(attempt.request.route.expose())).unwrap();
        writeln!(text, "    session key {}", hash(attempt.request.session_key.expose())).unwrap();
        match &attempt.outcome {
            AttemptOutcome::InFlight => {}
            AttemptOutcome::Settled(settle) => {
                writeln!(text, "    preimage {}", hash(settle.preimage.expose())).unwrap();
            }
            AttemptOutcome::Failed(failure) => {
                writeln!(text, "    failure {}", hash(failure.message.expose())).unwrap();
            }
        }
    }
}

fn monitors(monitors: &Monitors, text: &mut String) {
    writeln!(text, "manager {}", hash(&monitors.manager().unwrap().unwrap())).unwrap();
    writeln!(text, "{:?}", monitors.standing().unwrap()).unwrap();
    for stage in [Stage::Active, Stage::Archived] {
        for summary in monitors.channels(stage, None, 1_000).unwrap() {
            let loaded = monitors.load(summary.channel).unwrap();
            writeln!(text, "{:?} {summary:?}", loaded.stage).unwrap();
            writeln!(text, "    snapshot {}", hash(&loaded.snapshot.unwrap())).unwrap();
            for (id, update) in loaded.updates {
                writeln!(text, "    update {id} {}", hash(&update)).unwrap();
            }
        }
    }
    assert!(monitors.load(write::channel(write::PURGED)).is_err());
    for output in monitors.take_outputs(1_000).unwrap() {
        let (id, tag) = (output.output_id, output.tag);
        writeln!(text, "output {id:?} {tag} {}", hash(&output.payload)).unwrap();
    }
}

fn resources(resources: &Resources, text: &mut String) {
    let mut channels = resources.channels(write::SECS + 1_000).unwrap();
    channels.sort_by_key(|channel| channel.channel);
    for channel in channels {
        writeln!(text, "{channel:?}").unwrap();
    }
    let mut pending = resources.pending().unwrap();
    pending.sort_by_key(|htlc| (htlc.incoming, htlc.htlc_id));
    for htlc in pending {
        writeln!(text, "{htlc:?}").unwrap();
    }
}

fn peers(storage: &PeerStorage, text: &mut String) {
    for peer in storage.list(None, 1_000).unwrap() {
        let blob = storage.connected(write::NOW_MS, peer.claims.peer).unwrap().unwrap();
        writeln!(text, "{peer:?}\n    blob {}", hash(&blob)).unwrap();
    }
}

fn backup(backup: &Backup, text: &mut String) {
    for peer in backup.peers(None, 1_000).unwrap() {
        writeln!(text, "{peer:?}").unwrap();
    }
    let mut standing = backup.standing().unwrap();
    // What is read is a copy: its numbers go on a random number of strides further on.
    let beyond = standing.next_seq.checked_sub(BACKUP_RESTORED_SEQUENCE_JUMP).unwrap();
    standing.next_seq = BACKUP_RESTORED_SEQUENCE_JUMP + beyond % BACKUP_RESTORED_SEQUENCE_STRIDE;
    writeln!(text, "{standing:?}").unwrap();
}

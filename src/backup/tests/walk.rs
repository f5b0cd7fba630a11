//! Random calls, faults and crashes against what must hold of a backup whatever happens: no number twice, no
//! blob overwritten that cannot be read, blocked until acknowledged, no false alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::envelope::{Header, SizeClass};
use super::super::*;
use crate::store::StoreOptions;
use crate::store::failpoints::Fault;

const PEERS: u64 = 5;

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// What a peer really has, and what must be true of us.
#[derive(Default, Clone)]
struct Truth {
    held: Vec<Vec<u8>>,
    /// An alert about it was durable, and nothing lifted it.
    is_protected: bool,
    offers_storage: bool,
    is_connected: bool,
    /// It returned something, or its time ended, since it connected.
    is_free: bool,
}

struct Walk {
    random: Random,
    directory: tempfile::TempDir,
    store: Arc<Store>,
    backup: Backup,
    truth: BTreeMap<NodeId, Truth>,
    sealed: BTreeSet<u64>,
    must_be_blocked: bool,
    now_ms: u64,
    log: Vec<String>,
}

fn node(number: u64) -> NodeId {
    NodeId([number as u8 + 2; 33])
}

fn options() -> BackupOptions {
    BackupOptions { size_class: SizeClass::Bytes1024, ..BackupOptions::default() }
}

fn open(directory: &tempfile::TempDir) -> (Arc<Store>, Backup) {
    let store = Store::open(directory.path(), &StoreOptions::default()).unwrap();
    let backup = Backup::open(&store, &Secret::new([7; 32]), options()).unwrap();
    backup.set_payload(b"payload").unwrap();
    (store, backup)
}

impl Walk {
    fn new(seed: u64) -> Walk {
        let directory = tempfile::tempdir().unwrap();
        let (store, backup) = open(&directory);
        Walk {
            random: Random(seed),
            directory,
            store,
            backup,
            truth: (0..PEERS).map(|number| (node(number), Truth::default())).collect(),
            sealed: BTreeSet::new(),
            must_be_blocked: false,
            now_ms: 1,
            log: Vec::new(),
        }
    }

    fn crash(&mut self) {
        self.store.crash();
        let nothing = tempfile::tempdir().unwrap();
        let (store, backup) = open(&nothing);
        drop(std::mem::replace(&mut self.backup, backup));
        drop(std::mem::replace(&mut self.store, store));
        let (store, backup) = open(&self.directory);
        self.backup = backup;
        self.store = store;
        for truth in self.truth.values_mut() {
            truth.is_connected = false;
            truth.is_free = false;
        }
        if self.must_be_blocked {
            assert!(self.backup.report().is_blocked, "blocked no more\n{}", self.log.join("\n"));
        }
        let greatest = self.sealed.last().copied().unwrap_or(0);
        assert!(self.backup.standing().unwrap().next_seq > greatest);
    }

    fn step(&mut self) {
        let peer = node(self.random.below(PEERS));
        self.now_ms += self.random.below(5_000);
        let fault = match self.random.below(40) {
            0 => Some(Fault::NoSpace),
            1 => Some(Fault::CommitFailsBefore),
            2 => Some(Fault::CommitFailsAfter),
            3 => Some(Fault::WriteFails(self.random.below(3))),
            _ => None,
        };
        self.store.inject(fault);
        let call = self.random.below(12);
        self.log.push(format!("{call} {peer} fault {fault:?}"));
        match call {
            0 | 1 => {
                let offers = self.random.below(8) != 0;
                let told = self.backup.connected(self.now_ms, peer, offers);
                if told.is_ok() {
                    let truth = self.truth.get_mut(&peer).unwrap();
                    (truth.offers_storage, truth.is_connected, truth.is_free) =
                        (offers, true, false);
                }
            }
            2 => {
                if self.backup.disconnected(peer).is_ok() {
                    self.truth.get_mut(&peer).unwrap().is_connected = false;
                }
            }
            3..=5 => self.retrieve(peer),
            6 => {
                if self.backup.reestablish_begun(self.now_ms, peer).is_ok() {
                    self.truth.get_mut(&peer).unwrap().is_free = true;
                }
            }
            7..=9 => {
                if self.random.below(2) == 0
                    && self.backup.reestablish_begun(self.now_ms, peer).is_ok()
                {
                    self.truth.get_mut(&peer).unwrap().is_free = true;
                }
                self.seal(peer);
            }
            10 => drop(self.backup.tick(self.now_ms).map(|_| {
                // whose time is up, is told by the states alone
                for status in self.backup.peers(None, 100).unwrap() {
                    if status.state != PeerState::Hold {
                        self.truth.get_mut(&status.peer).unwrap().is_free = true;
                    }
                }
            })),
            _ => self.rare(),
        }
        self.store.inject(None);
        if self.store.stats().is_err() {
            self.crash();
        }
    }

    fn rare(&mut self) {
        match self.random.below(6) {
            0..=2 => {
                // Of an unknown outcome nobody knows.
                if self.backup.acknowledge().is_ok() || self.store.stats().is_err() {
                    self.must_be_blocked = false;
                    self.truth.values_mut().for_each(|truth| truth.is_protected = false);
                }
            }
            3 | 4 => drop(self.backup.set_payload(&[(self.now_ms as u8).max(1); 9])),
            _ => self.crash(),
        }
    }

    fn retrieve(&mut self, peer: NodeId) {
        let held = self.truth[&peer].held.clone();
        let kind = self.random.below(40);
        let (blob, is_ours, is_foreign) = match kind {
            0 => (foreign(peer, self.random.below(1 << 30)), false, true),
            1 | 2 => (vec![1; 200], false, false),
            _ if held.is_empty() => return,
            3 => (held[self.random.below(held.len() as u64) as usize].clone(), true, false),
            _ => (held.last().unwrap().clone(), true, false),
        };
        self.log.push(format!("   ours {is_ours} foreign {is_foreign}"));
        let Ok(told) = self.backup.retrieval(self.now_ms, peer, &blob) else { return };
        let log = || self.log.join("\n");
        let truth = self.truth.get_mut(&peer).unwrap();
        truth.is_free = true;
        if is_ours {
            assert!(told.action != Action::AlertStateLoss, "false alarm\n{}", log());
        }
        if is_foreign {
            assert_eq!(told.action, Action::AlertStateLoss, "\n{}", log());
            self.must_be_blocked = self.must_be_blocked || told.failure.is_none();
        }
        if is_ours || is_foreign {
            truth.is_protected = false;
        } else if told.action == Action::AlertUnreadable && told.failure.is_none() {
            truth.is_protected = true;
        }
        assert!(told.peer.committed_seq <= told.peer.sent_seq);
    }

    fn seal(&mut self, peer: NodeId) {
        let Ok(sealed) = self.backup.seal(self.now_ms, peer, 1) else { return };
        let log = || self.log.join("\n");
        let truth = self.truth.get_mut(&peer).unwrap();
        assert!(
            self.sealed.last().is_none_or(|last| sealed.seq > *last),
            "a number twice\n{}",
            log()
        );
        self.sealed.insert(sealed.seq);
        assert!(!self.must_be_blocked, "sent while blocked\n{}", log());
        assert!(!truth.is_protected, "overwrites what cannot be read\n{}", log());
        assert!(truth.is_connected && truth.offers_storage, "\n{}", log());
        assert!(truth.is_free, "sent within the hold\n{}", log());
        truth.held.push(sealed.blob);
    }
}

fn foreign(peer: NodeId, seq: u64) -> Vec<u8> {
    let keys = BackupKeys::new(&Secret::new([7; 32])).peer(peer);
    let header = Header { seq, instance: [9; 16], ..Header::default() };
    envelope::seal(&keys, &header, b"former", SizeClass::Bytes1024, [1; 16]).unwrap()
}

#[test]
fn nothing_is_overwritten_repeated_or_forgotten() {
    let steps: u64 =
        std::env::var("LNKEEP_MODEL_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(400);
    let seeds: u64 =
        std::env::var("LNKEEP_MODEL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let mut sealed = 0;
    for seed in 0..seeds {
        let mut walk = Walk::new(seed);
        for _ in 0..steps {
            walk.step();
        }
        sealed += walk.sealed.len();
    }
    eprintln!("{sealed} sealed");
    assert!(sealed > 0);
}

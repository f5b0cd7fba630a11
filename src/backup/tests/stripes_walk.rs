//! Striping and journals against a naive world: peers that really hold bytes, and what must be restorable.
//!
//! TS1 what was ever known to be restorable can be restored from what honest peers hold, or something
//! newer can. TS2 one number is one blob; a generation is one object with one code. TS3 no blob lowers
//! what is known to be restorable. TS4 a tick asks for what seal then does, and never to be called
//! again for nothing. TS5 in a quiet time every share of the newest generation leaves, comes back, and
//! becomes the base. TS6 the greatest journal that is held gives the HTLCs of its time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::budget::BudgetOptions;
use super::super::envelope::{KIND_PAYLOAD, SizeClass};
use super::super::htlcs::{BackupHtlc, HtlcKey, HtlcSet};
use super::super::journal::{JournalContent, JournalOptions, KIND_JOURNAL, Profile};
use super::super::object::split_object;
use super::super::roster::{self, FLAG_SNAPSHOT};
use super::super::score::PeerFacts;
use super::super::share;
use super::super::stripe::Code;
use super::super::*;
use crate::store::StoreOptions;
use crate::store::failpoints::Fault;
use crate::types::{ChannelId, PaymentHash};

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn is(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A share, or a whole payload as the only share of its generation.
#[derive(Clone)]
struct Piece {
    generation: u64,
    index: u8,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Whole,
    Shares,
    Journal,
    Roster,
}

struct Blob {
    bytes: Vec<u8>,
    seq: u64,
    kind: Kind,
    pieces: Vec<Piece>,
    journal: Option<JournalContent>,
}

/// What a generation is, from the first blob that carried it.
struct Truth {
    code: Code,
    object_bytes: usize,
    object_sha256: [u8; 32],
    is_object: bool,
    payload: Vec<u8>,
}

#[derive(Default)]
struct PeerWorld {
    sent: Vec<Blob>,
    /// Which of them it really holds.
    holds: Option<usize>,
    /// Which of them it returned last: it may hold that or any later one.
    returned: Option<usize>,
    /// It loses and rolls back.
    is_liar: bool,
    is_connected: bool,
    has_facts: bool,
}

impl PeerWorld {
    fn held(&self) -> Option<&Blob> {
        self.holds.and_then(|at| self.sent.get(at))
    }

    /// Shares that it holds if it is honest, whichever blob it took.
    fn sure(&self) -> Vec<(u64, u8)> {
        let Some(returned) = self.returned else { return Vec::new() };
        let ids = |blob: &Blob| -> BTreeSet<(u64, u8)> {
            blob.pieces.iter().map(|piece| (piece.generation, piece.index)).collect()
        };
        let mut all = ids(&self.sent[returned]);
        for blob in &self.sent[returned..] {
            let these = ids(blob);
            all.retain(|id| these.contains(id));
        }
        all.into_iter().collect()
    }
}

#[derive(Clone, Copy)]
struct Config {
    class: SizeClass,
    peers: u64,
    has_liars: bool,
    has_faults: bool,
    has_htlcs: bool,
}

struct World {
    config: Config,
    random: Random,
    directory: tempfile::TempDir,
    store: Option<Arc<Store>>,
    backup: Option<Backup>,
    peers: BTreeMap<NodeId, PeerWorld>,
    payload: Vec<u8>,
    generations: BTreeMap<u64, Truth>,
    seqs: BTreeSet<u64>,
    /// HTLCs at the time of each journal.
    journals: BTreeMap<u64, HtlcSet>,
    live: BTreeMap<HtlcKey, BackupHtlc>,
    next_htlc: u64,
    /// The greatest generation that was known to be restorable.
    floor: u64,
    now_ms: u64,
    log: Vec<String>,
    excused: u64,
    conflicts: u64,
    sealed: u64,
    promoted: u64,
}

fn node(number: u64) -> NodeId {
    NodeId([number as u8 + 2; 33])
}

fn secret() -> Secret {
    Secret::new([7; 32])
}

fn options(class: SizeClass) -> BackupOptions {
    BackupOptions {
        size_class: class,
        journal: JournalOptions {
            profile: Profile::AllHtlcs,
            size_class: SizeClass::Bytes4096,
            ..JournalOptions::default()
        },
        budget: BudgetOptions::default(),
        ..BackupOptions::default()
    }
}

fn facts() -> PeerFacts {
    PeerFacts {
        capacity_sat: 5_000_000,
        channel_age_secs: 10_000_000,
        has_open_channel: true,
        is_announced: true,
        ..PeerFacts::default()
    }
}

impl World {
    fn new(seed: u64, config: Config) -> World {
        let directory = tempfile::tempdir().unwrap();
        let mut world = World {
            config,
            random: Random(seed),
            directory,
            store: None,
            backup: None,
            peers: (0..config.peers).map(|number| (node(number), PeerWorld::default())).collect(),
            payload: vec![1; 20],
            generations: BTreeMap::new(),
            seqs: BTreeSet::new(),
            journals: BTreeMap::new(),
            live: BTreeMap::new(),
            next_htlc: 0,
            floor: 0,
            now_ms: 1_700_000_000_000,
            log: Vec::new(),
            excused: 0,
            conflicts: 0,
            sealed: 0,
            promoted: 0,
        };
        if config.has_liars {
            let liars: Vec<bool> = world.peers.keys().map(|_| world.random.is(30)).collect();
            for (peer, is_liar) in world.peers.values_mut().zip(liars) {
                peer.is_liar = is_liar;
            }
        }
        world.open();
        world.set_payload();
        world
    }

    fn backup(&self) -> &Backup {
        self.backup.as_ref().unwrap()
    }

    fn fail(&self, fact: &str) -> ! {
        let from = self.log.len().saturating_sub(60);
        panic!("{fact}\n{}", self.log[from..].join("\n"))
    }

    fn note(&mut self, line: String) {
        self.log.push(format!("{} {line}", self.now_ms));
    }

    fn open(&mut self) {
        let store = Store::open(self.directory.path(), &StoreOptions::default()).unwrap();
        let backup = Backup::open(&store, &secret(), options(self.config.class)).unwrap();
        backup.set_payload(&self.payload).unwrap();
        for (key, htlc) in &self.live {
            backup.set_htlc(self.now_ms, *key, htlc.clone()).unwrap();
        }
        (self.store, self.backup) = (Some(store), Some(backup));
    }

    fn restart(&mut self, is_crash: bool) {
        self.note(format!("restart, crash {is_crash}"));
        if is_crash {
            self.store.as_ref().unwrap().crash();
        }
        self.backup = None;
        self.store = None;
        for peer in self.peers.values_mut() {
            (peer.is_connected, peer.has_facts) = (false, false);
        }
        self.open();
    }

    fn set_payload(&mut self) {
        let class_bytes = self.config.class.payload_max() as u64;
        let bytes = match self.random.below(5) {
            0 => 1 + self.random.below(class_bytes / 2),
            _ => class_bytes + 1 + self.random.below(class_bytes / 2),
        };
        let fill = self.random.below(256) as u8;
        self.payload = (0..bytes).map(|at| (at as u8).wrapping_mul(7).wrapping_add(fill)).collect();
        self.note(format!("payload of {bytes} bytes"));
        self.backup().set_payload(&self.payload).unwrap();
    }

    fn step(&mut self) {
        self.now_ms += match self.random.below(20) {
            0 => 7_200_000,
            1..=9 => 61_000,
            _ => self.random.below(5_000),
        };
        let fault = match self.random.below(60) {
            0 if self.config.has_faults => Some(Fault::NoSpace),
            1 if self.config.has_faults => Some(Fault::CommitFailsBefore),
            2 if self.config.has_faults => Some(Fault::CommitFailsAfter),
            3 if self.config.has_faults => Some(Fault::WriteFails(self.random.below(4))),
            _ => None,
        };
        self.store.as_ref().unwrap().inject(fault);
        let peer = node(self.random.below(self.config.peers));
        match self.random.below(16) {
            0..=3 => self.connect(peer),
            4 => self.disconnect(peer),
            5..=8 => self.tick(fault.is_none()),
            9 => self.seal(peer),
            10 => self.toggle_facts(peer),
            11 if self.random.is(40) => self.set_payload(),
            12 if self.random.is(20) => {
                let is_crash = self.random.is(50);
                self.restart(is_crash);
            }
            13 => self.change_htlcs(),
            14 => self.lose(peer),
            _ => drop(self.backup().reestablish_begun(self.now_ms, peer)),
        }
        if let Some(store) = &self.store {
            store.inject(None);
            if store.stats().is_err() {
                self.restart(true);
            }
        }
        self.check();
    }

    fn toggle_facts(&mut self, peer: NodeId) {
        let is_on = self.random.is(80);
        self.note(format!("{peer} facts {is_on}"));
        if self.backup().set_facts(self.now_ms, peer, is_on.then(facts)).is_ok() {
            self.peers.get_mut(&peer).unwrap().has_facts = is_on;
        }
    }

    fn change_htlcs(&mut self) {
        if !self.config.has_htlcs {
            return;
        }
        let gone = self.live.keys().copied().nth(self.random.below(8) as usize);
        if let Some(key) = gone.filter(|_| self.live.len() > 3) {
            self.live.remove(&key);
            self.backup().remove_htlc(key).unwrap();
            return;
        }
        self.next_htlc += 1;
        let key = HtlcKey {
            channel_id: ChannelId([(self.next_htlc % 3) as u8 + 1; 32]),
            is_incoming: self.next_htlc.is_multiple_of(2),
            htlc_id: self.next_htlc,
        };
        let htlc = BackupHtlc {
            payment_hash: PaymentHash([self.next_htlc as u8; 32]),
            amount_msat: 1_000_000 + self.next_htlc,
            cltv_expiry: 900_000,
            preimage: None,
            output_index: None,
        };
        self.live.insert(key, htlc.clone());
        self.backup().set_htlc(self.now_ms, key, htlc).unwrap();
    }

    /// What a peer does with its bytes without being asked.
    fn lose(&mut self, peer: NodeId) {
        let loses = self.random.is(50);
        let peer = self.peers.get_mut(&peer).unwrap();
        if peer.is_liar {
            peer.holds = if loses { None } else { peer.holds.and_then(|at| at.checked_sub(1)) };
        } else if !peer.sent.is_empty() {
            // A slow one took the last one at last.
            peer.holds = Some(peer.sent.len() - 1);
        }
    }

    fn connect(&mut self, id: NodeId) {
        if self.random.is(85) && !self.peers[&id].has_facts {
            let told = self.backup().set_facts(self.now_ms, id, Some(facts()));
            self.peers.get_mut(&id).unwrap().has_facts |= told.is_ok();
        }
        if self.backup().connected(self.now_ms, id, true).is_err() {
            return;
        }
        self.peers.get_mut(&id).unwrap().is_connected = true;
        self.note(format!("{id} connects, holds {:?}", self.peers[&id].holds));
        let blob = self.peers[&id].held().map(|blob| blob.bytes.clone());
        match blob {
            Some(blob) => {
                let told = self.backup().retrieval(self.now_ms, id, &blob);
                let Ok(told) = told else { return };
                if told.action == Action::AlertStateLoss {
                    self.fail("a false alarm");
                }
                let peer = self.peers.get_mut(&id).unwrap();
                peer.returned = peer.holds;
            }
            None => {
                let told = self.backup().reestablish_begun(self.now_ms, id);
                if told.is_ok() {
                    self.peers.get_mut(&id).unwrap().returned = None;
                }
                return;
            }
        }
        if self.random.is(50) {
            drop(self.backup().reestablish_begun(self.now_ms, id));
        }
    }

    fn disconnect(&mut self, id: NodeId) {
        if self.backup().disconnected(id).is_ok() {
            self.note(format!("{id} is gone"));
            self.peers.get_mut(&id).unwrap().is_connected = false;
        }
    }

    fn tick(&mut self, is_clean: bool) {
        let before = self.backup().standing().map(|it| it.base.map(|base| base.number));
        let Ok(ticked) = self.backup().tick(self.now_ms) else { return };
        if self.backup().standing().map(|it| it.base.map(|base| base.number)).ok() != before.ok() {
            self.promoted += 1;
            self.note("promoted".to_owned());
        }
        let due: Vec<NodeId> = ticked
            .actions
            .iter()
            .filter(|(_, _, action)| *action == Action::Send)
            .map(|(peer, _, _)| *peer)
            .collect();
        self.note(format!("tick: {} due, next {:?}", due.len(), ticked.next_due_ms));
        let is_idle = |ticked: &Ticked| ticked.actions.is_empty() && ticked.failure.is_none();
        let is_past = |ticked: &Ticked| ticked.next_due_ms.is_some_and(|ms| ms <= self.now_ms);
        if is_clean && is_idle(&ticked) && is_past(&ticked) {
            let again = self.backup().tick(self.now_ms).unwrap();
            if is_idle(&again) && is_past(&again) {
                self.fail("asks to be called again for nothing (TS4)");
            }
        }
        for peer in due {
            let before = self.sealed;
            let error = self.seal_as(peer);
            match error {
                None => assert_eq!(self.sealed, before + 1),
                Some(error) if error.status() == Status::Conflict => self.conflicts += 1,
                Some(error) if is_clean => {
                    self.fail(&format!("{peer} was due, yet {error:?} (TS4)"))
                }
                Some(_) => {}
            }
            if self.store.as_ref().unwrap().stats().is_err() {
                return;
            }
        }
    }

    fn seal(&mut self, peer: NodeId) {
        self.seal_as(peer);
    }

    fn surely(&self, is_known: impl Fn(u64) -> bool) -> (u64, usize) {
        let mut found: BTreeMap<u64, BTreeSet<u8>> = BTreeMap::new();
        for (generation, index) in self.peers.values().flat_map(PeerWorld::sure) {
            found.entry(generation).or_default().insert(index);
        }
        let needed = |number: &u64| self.generations[number].code.data_shares();
        let best = found
            .iter()
            .rev()
            .find(|(number, indexes)| is_known(**number) && indexes.len() >= needed(number));
        best.map_or((0, 0), |(number, _)| (*number, needed(number)))
    }

    /// Of generations that were given up before enough of them came back, nobody knows.
    fn known(&self) -> (u64, usize) {
        let standing = self.backup().standing().ok();
        let told = standing.map(|it| [it.newest, it.base]).into_iter().flatten().flatten();
        let told: BTreeSet<u64> = told.map(|it| it.number).collect();
        let is_whole = |number: u64| self.generations[&number].code.shares() == 1;
        self.surely(|number| told.contains(&number) || is_whole(number))
    }

    fn seal_as(&mut self, id: NodeId) -> Option<Error> {
        let (before, needed) = self.known();
        let sealed = match self.backup().seal(self.now_ms, id, 1) {
            Ok(sealed) => sealed,
            Err(error) => return Some(error),
        };
        self.sealed += 1;
        if !self.seqs.insert(sealed.seq) {
            self.fail("a number twice (TS2)");
        }
        let blob = self.read(id, sealed);
        self.note(format!(
            "{id} is sent {} {:?} {:?}",
            blob.seq,
            blob.kind,
            blob.pieces.iter().map(|it| (it.generation, it.index)).collect::<Vec<_>>()
        ));
        if blob.kind == Kind::Shares && !self.may_have_share(id) {
            self.fail("a share for a peer without a place or facts");
        }
        let takes = self.random.is(80);
        let peer = self.peers.get_mut(&id).unwrap();
        peer.sent.push(blob);
        if takes {
            peer.holds = Some(peer.sent.len() - 1);
        }
        let (after, _) = self.surely(|_| true);
        if after < before {
            let standing = self.backup().standing().unwrap();
            let newest = standing.newest.unwrap();
            let rest = (standing.placed as usize).saturating_sub(needed);
            let is_endless = rest < newest.code.data_shares();
            let is_whole = self.peers[&id].sent.last().unwrap().kind == Kind::Whole;
            if !is_endless && !is_whole {
                let status = self.backup().peers(None, 100).unwrap();
                for one in status {
                    let sure = self.peers[&one.peer].sure();
                    self.note(format!(
                        "{} held {:?} sent {:?}, sure {sure:?}",
                        one.peer, one.held, one.sent
                    ));
                }
                self.note(format!("{standing:?}, needed {needed}"));
                self.fail(&format!("{before} was known to be restorable, now {after} is (TS3)"));
            }
            self.excused += 1;
            if !is_whole {
                self.floor = after;
            }
        }
        None
    }

    fn may_have_share(&self, id: NodeId) -> bool {
        // Without facts since the restart a keeper stays.
        let status = self.backup().peers(None, 100).unwrap();
        status.iter().any(|one| one.peer == id && one.share_index.is_some())
    }

    /// Reads a blob as a recovery does, and checks what it says against all before it (TS2).
    fn read(&mut self, id: NodeId, sealed: Sealed) -> Blob {
        let keys = BackupKeys::new(&secret()).peer(id);
        let opened = envelope::open(&keys, &sealed.blob).unwrap();
        let header = opened.header;
        let (content, _) = roster::split(header.flags, opened.payload()).unwrap();
        let mut blob = Blob {
            bytes: sealed.blob.clone(),
            seq: header.seq,
            kind: Kind::Roster,
            pieces: Vec::new(),
            journal: None,
        };
        assert_eq!(header.seq, sealed.seq);
        match header.kind {
            KIND_PAYLOAD if content.is_empty() => {}
            KIND_PAYLOAD => {
                blob.kind = Kind::Whole;
                let number = self.backup().standing().unwrap().newest.unwrap().number;
                let truth = Truth {
                    code: Code::new(1, 1).unwrap(),
                    object_bytes: content.len(),
                    object_sha256: sends::digest(content),
                    is_object: header.flags & FLAG_SNAPSHOT != 0,
                    payload: self.payload.clone(),
                };
                self.register(number, truth, header.seq);
                blob.pieces.push(Piece { generation: number, index: 0, bytes: content.to_vec() });
            }
            KIND_JOURNAL => {
                blob.kind = Kind::Journal;
                blob.journal = Some(JournalContent::decode(content).unwrap());
                let mut set = HtlcSet::default();
                for (key, htlc) in &self.live {
                    set.put(*key, htlc.clone()).unwrap();
                }
                self.journals.insert(header.seq, set);
            }
            _ => {
                blob.kind = Kind::Shares;
                for record in share::decode(content).unwrap() {
                    let number = record.header.generation;
                    let truth = Truth {
                        code: record.header.code,
                        object_bytes: record.header.object_bytes as usize,
                        object_sha256: record.header.object_sha256,
                        is_object: true,
                        payload: self.payload.clone(),
                    };
                    self.register(number, truth, header.seq);
                    let (index, bytes) = (record.header.index, record.bytes.to_vec());
                    blob.pieces.push(Piece { generation: number, index, bytes });
                }
            }
        }
        blob
    }

    fn register(&mut self, number: u64, truth: Truth, seq: u64) {
        let same = self
            .generations
            .get(&number)
            .map(|known| known.code == truth.code && known.object_sha256 == truth.object_sha256);
        match same {
            Some(true) => {}
            Some(false) => self.fail(&format!("generation {number} is two objects (TS2)")),
            None if number > seq => self.fail(&format!("generation {number} in blob {seq}")),
            None => drop(self.generations.insert(number, truth)),
        }
    }

    /// The object of a generation, from what honest peers really hold.
    fn restored(&self, number: u64) -> Option<Vec<u8>> {
        let truth = self.generations.get(&number)?;
        let honest = self.peers.values().filter(|peer| !peer.is_liar);
        let pieces = honest.filter_map(PeerWorld::held).flat_map(|blob| &blob.pieces);
        let pieces: BTreeMap<u8, &[u8]> = pieces
            .filter(|piece| piece.generation == number)
            .map(|piece| (piece.index, &piece.bytes[..]))
            .collect();
        if truth.code.shares() == 1 {
            return pieces.values().next().map(|bytes| bytes.to_vec());
        }
        let shares: Vec<_> =
            pieces.iter().map(|(index, bytes)| (usize::from(*index), *bytes)).collect();
        let object = truth.code.decode(truth.object_bytes, &shares).ok()?;
        if sends::digest(&object) != truth.object_sha256 {
            self.fail(&format!("generation {number} restores to something else"));
        }
        let payload = match truth.is_object {
            true => split_object(&object).unwrap().0,
            false => &object[..],
        };
        assert_eq!(payload, truth.payload, "the payload of generation {number}");
        Some(object.to_vec())
    }

    fn check(&mut self) {
        if self.config.has_liars {
            return;
        }
        self.floor = self.floor.max(self.known().0);
        let restorable =
            self.generations.keys().rev().find(|number| self.restored(**number).is_some());
        if restorable.copied().unwrap_or(0) < self.floor {
            self.fail(&format!("{restorable:?} can be restored, {} was known (TS1)", self.floor));
        }
        self.check_journals();
    }

    /// TS6, by the rule of a recovery.
    fn check_journals(&self) {
        let held = self.peers.values().filter(|peer| !peer.is_liar).filter_map(PeerWorld::held);
        let journals = held.filter_map(|blob| Some((blob.seq, blob.journal.as_ref()?)));
        let Some((seq, journal)) = journals.max_by_key(|(seq, _)| *seq) else { return };
        let base = match journal.base_generation {
            0 => HtlcSet::default(),
            number => {
                let Some(object) = self.restored(number) else {
                    // A newer snapshot says more than it.
                    let newer = self.generations.range(seq..).map(|(number, _)| *number);
                    if newer.into_iter().any(|number| self.restored(number).is_some())
                        || self.is_on_its_way(seq)
                    {
                        return;
                    }
                    self.fail(&format!("journal {seq} names {number}, which is no more (TS6)"))
                };
                if self.generations[&number].code.shares() == 1 {
                    self.fail(&format!("journal {seq} names the whole payload {number} (TS6)"));
                }
                HtlcSet::decode(split_object(&object).unwrap().1).unwrap_or_default()
            }
        };
        if journal.uncovered_count == 0 && base.applied(&journal.diff) != self.journals[&seq] {
            self.fail(&format!("journal {seq} gives other HTLCs than there were (TS6)"));
        }
    }

    /// A keeper was sent a later journal that needs no other base, and takes it late (BOLT 1).
    fn is_on_its_way(&self, seq: u64) -> bool {
        let sent = self.peers.values().flat_map(|peer| &peer.sent).filter(|blob| blob.seq > seq);
        let journals = sent.filter_map(|blob| blob.journal.as_ref());
        let mut bases = journals.map(|journal| journal.base_generation);
        bases.any(|base| base == 0 || self.restored(base).is_some())
    }

    /// TS5: everybody is there, honest, and told of.
    fn quiet(&mut self) {
        self.store.as_ref().unwrap().inject(None);
        self.config.has_faults = false;
        let ids: Vec<NodeId> = self.peers.keys().copied().collect();
        for id in &ids {
            self.peers.get_mut(id).unwrap().is_liar = false;
            self.backup().set_facts(self.now_ms, *id, Some(facts())).unwrap();
        }
        for _ in 0..6 {
            self.now_ms += 61_000;
            for id in &ids {
                self.disconnect(*id);
                self.connect(*id);
            }
            for _ in 0..20 {
                self.now_ms += 5_001;
                self.tick(true);
                self.take_all();
            }
        }
        let standing = self.backup().standing().unwrap();
        if standing.needed_peers > 0 {
            return;
        }
        let statuses = self.backup().peers(None, 100).unwrap();
        if standing.is_striped {
            let newest = standing.newest.unwrap();
            let whole = standing.placed.min(newest.code.shares() as u32);
            if standing.confirmed_shares < whole || standing.base != standing.newest {
                self.fail(&format!("never secure: {standing:#?} (TS5)"));
            }
        } else {
            let keepers =
                statuses.iter().filter(|one| !one.keeps_journal && one.copy == Copy::Confirmed);
            let others = statuses.iter().filter(|one| one.keeps_journal).count();
            if keepers.count() + others < ids.len() {
                self.fail(&format!("not kept by everybody: {statuses:#?} (TS5)"));
            }
        }
    }

    fn take_all(&mut self) {
        for peer in self.peers.values_mut().filter(|peer| !peer.sent.is_empty()) {
            peer.holds = Some(peer.sent.len() - 1);
        }
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn walk(config: Config) {
    let (steps, seeds) = (number("LNKEEP_MODEL_STEPS", 250), number("LNKEEP_MODEL_SEEDS", 3));
    let first = number("LNKEEP_MODEL_SEED", 0);
    let (mut sealed, mut promoted, mut excused, mut conflicts) = (0, 0, 0, 0);
    for seed in first..first + seeds {
        let mut random = Random(seed ^ 0x5eed);
        let config = Config {
            peers: 5 + random.below(8),
            class: if random.is(70) { SizeClass::Bytes1024 } else { SizeClass::Bytes4096 },
            ..config
        };
        eprintln!("seed {seed}, {} peers, {:?}", config.peers, config.class);
        let mut world = World::new(seed, config);
        for _ in 0..steps {
            world.step();
        }
        world.quiet();
        sealed += world.sealed;
        promoted += world.promoted;
        excused += world.excused;
        conflicts += world.conflicts;
    }
    eprintln!("{sealed} sealed, {promoted} promoted, {excused} excused, {conflicts} conflicts");
    assert!(sealed > seeds * 20 && promoted > 0);
}

const PLAIN: Config = Config {
    class: SizeClass::Bytes1024,
    peers: 0,
    has_liars: false,
    has_faults: false,
    has_htlcs: false,
};

#[test]
fn what_is_known_to_be_restorable_stays_so() {
    walk(PLAIN);
}

#[test]
fn what_is_known_to_be_restorable_survives_faults() {
    walk(Config { has_faults: true, ..PLAIN });
}

#[test]
fn liars_neither_stop_nor_confuse_it() {
    walk(Config { has_liars: true, has_faults: true, ..PLAIN });
}

#[test]
fn the_greatest_journal_gives_the_htlcs_of_its_time() {
    walk(Config { has_htlcs: true, ..PLAIN });
}

#[test]
fn journals_survive_faults() {
    walk(Config { has_htlcs: true, has_faults: true, ..PLAIN });
}

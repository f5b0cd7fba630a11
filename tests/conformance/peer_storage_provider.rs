//! The cases of `provider` (FORMAT.md sections 3 and 9), on a real store and in four ways: as it stands; with
//! a restored backup compared after steps that leave nothing waiting; with the store closed and
//! reopened wherever the commit times that are lost by that cannot be seen; over two handles in turn.
//!
//! Claims are not stored: as a host does, the harness keeps the counts and supplies them after every open.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use lnkeep::peer_storage::{
    ClaimChange, Claims, PeerEntry, PeerStorage, PeerStorageOptions, Stored, Ticked,
};
use lnkeep::types::NodeId;
use lnkeep::{Status, Store, StoreOptions, maintenance};
use serde_json::{Map, Value, json};

use super::directory;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    Restored,
    Reopened,
    TwoHandles,
}

const WAYS: [Way; 4] = [Way::Plain, Way::Restored, Way::Reopened, Way::TwoHandles];

/// Steps between two backups of a case, which take longer than all the rest.
const STEPS_PER_RESTORE: usize = 4;

/// What is open, and ends together.
struct Opened {
    handles: Vec<PeerStorage>,
    store: Arc<Store>,
}

/// A provider, and what its host knows.
struct Host {
    way: Way,
    root: tempfile::TempDir,
    options: PeerStorageOptions,
    opened: Option<Opened>,
    claims: BTreeMap<NodeId, Claims>,
    height: u32,
    clock_ms: u64,
    last_commit_ms: BTreeMap<String, u64>,
    writes: BTreeMap<String, u64>,
    calls: usize,
    restored: usize,
}

pub fn run_provider(case: &Value) -> Result<(), String> {
    let steps = case["steps"].as_array().filter(|steps| !steps.is_empty()).ok_or("no steps")?;
    for way in WAYS {
        run_way(case, steps, way).map_err(|why| format!("{way:?}: {why}"))?;
    }
    Ok(())
}

fn run_way(case: &Value, steps: &[Value], way: Way) -> Result<(), String> {
    let mut host = Host::new(way, options_of(&case["config"])?)?;
    for (number, step) in steps.iter().enumerate() {
        let told = |why: String| format!("step {number} {step}: {why}");
        let actual = host.step(step).map_err(told)?;
        let expected = step.get("expect").cloned().unwrap_or_else(|| json!({}));
        if actual != expected {
            return Err(told(format!("got {actual}")));
        }
        host.after_step(&steps[number + 1..]).map_err(told)?;
    }
    host.finish(&case["final"])
}

fn options_of(config: &Value) -> Result<PeerStorageOptions, String> {
    let mut options = PeerStorageOptions {
        disconnect_interval_ms: 0,
        without_channel_percent: 100,
        returns_unwritten: true,
        ..PeerStorageOptions::default()
    };
    options.cooldown_without_channel_ms = options.cooldown_ms;
    let empty = Map::new();
    for (key, value) in config.as_object().unwrap_or(&empty) {
        match key.as_str() {
            "feature" => options.is_off = !flag(value)?,
            "cooldown_ms" => {
                options.cooldown_ms = number(value)?;
                options.cooldown_without_channel_ms = options.cooldown_ms;
            }
            "gc_blocks" => options.retention_blocks = number(value)? as u32,
            "max_blob" => options.blob_bytes_max = number(value)? as u32,
            "max_peers" => options.peers_max = number(value)? as u32,
            "max_total_bytes" => options.total_bytes_max = number(value)?,
            "accept_pending" => options.refuses_pending_channels = !flag(value)?,
            "accept_in_grace" => options.accepts_in_grace = flag(value)?,
            _ => return Err(format!("the option {key} is not known")),
        }
    }
    Ok(options)
}

fn flag(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("{value} is no truth value"))
}

fn number(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("{value} is no number"))
}

/// A node id that sorts as the name does.
fn node(name: &str) -> NodeId {
    let mut id = [0; 33];
    id[0] = 2;
    id[1..=name.len()].copy_from_slice(name.as_bytes());
    NodeId(id)
}

fn name(node: NodeId) -> String {
    let bytes = node.0[1..].iter().copied().take_while(|byte| *byte != 0);
    String::from_utf8(bytes.collect()).expect("made of a name")
}

fn names(nodes: &[NodeId]) -> Value {
    nodes.iter().map(|node| name(*node)).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    let bytes = (0..text.len()).step_by(2).map(byte).collect::<Option<_>>();
    bytes.ok_or_else(|| format!("{text} is not hex"))
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn told(error: lnkeep::Error) -> String {
    format!("{:?}: {error}", error.status())
}

impl Host {
    fn new(way: Way, options: PeerStorageOptions) -> Result<Host, String> {
        let mut host = Host {
            way,
            root: directory(),
            options,
            opened: None,
            claims: BTreeMap::new(),
            height: 0,
            clock_ms: 0,
            last_commit_ms: BTreeMap::new(),
            writes: BTreeMap::new(),
            calls: 0,
            restored: 0,
        };
        host.open()?;
        Ok(host)
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("store")
    }

    fn open(&mut self) -> Result<(), String> {
        let handles = if self.way == Way::TwoHandles { 2 } else { 1 };
        self.opened = Some(self.open_at(self.place(), handles)?);
        Ok(())
    }

    fn open_at(&self, place: PathBuf, handles: usize) -> Result<Opened, String> {
        let store = Store::open(place, &StoreOptions::default()).map_err(told)?;
        let open = |_| PeerStorage::open(&store, self.options).map_err(told);
        let handles = (0..handles).map(open).collect::<Result<Vec<_>, _>>()?;
        let claims: Vec<_> = self.claims.values().copied().collect();
        handles[0].claims_complete(&claims, self.height).map_err(told)?;
        Ok(Opened { handles, store })
    }

    fn opened(&self) -> &Opened {
        self.opened.as_ref().expect("open between steps")
    }

    fn storage(&self) -> &PeerStorage {
        let handles = &self.opened().handles;
        &handles[self.calls % handles.len()]
    }

    fn entries(&self) -> Result<Vec<PeerEntry>, String> {
        entries(self.storage())
    }

    fn step(&mut self, step: &Value) -> Result<Value, String> {
        self.calls += 1;
        if let Some(t) = step.get("t") {
            self.clock_ms = self.clock_ms.max(number(t)?);
        }
        let op = step["op"].as_str().ok_or("a step without an op")?;
        let peer = step["peer"].as_str().map(node);
        match (op, peer) {
            ("store", Some(peer)) => self.store(step, peer),
            ("tick", _) => {
                let t = number(&step["t"])?;
                self.committing(|storage| storage.tick(t)).map(|done| json!({"committed": done}))
            }
            ("flush", _) => {
                let t = number(&step["t"])?;
                self.committing(|storage| storage.flush(t)).map(|done| json!({"committed": done}))
            }
            ("disconnect", Some(peer)) => {
                let t = number(&step["t"])?;
                let disconnect = |storage: &PeerStorage| {
                    let committed = storage.disconnected(t, peer)?.then_some(peer);
                    Ok(Ticked { committed: committed.into_iter().collect(), ..Ticked::default() })
                };
                self.committing(disconnect).map(|done| json!({"committed": done}))
            }
            ("connect", Some(peer)) => {
                let blob = self.storage().connected(number(&step["t"])?, peer).map_err(told)?;
                Ok(json!({"retrieval": blob.map(|blob| to_hex(&blob))}))
            }
            ("prune", Some(peer)) => {
                let pruned = self.storage().prune(peer).map_err(told)?;
                self.last_commit_ms.remove(&name(peer));
                Ok(json!({"pruned": pruned}))
            }
            ("block", _) => self.block(number(&step["height"])? as u32),
            ("crash", _) => self.crash(),
            (_, Some(peer)) => self.claim(op, peer, step),
            _ => Err(format!("no operation is called {op}")),
        }
    }

    fn store(&mut self, step: &Value, peer: NodeId) -> Result<Value, String> {
        let blob = from_hex(step["blob"].as_str().ok_or("a store without a blob")?)?;
        let t = number(&step["t"])?;
        let (before, commits) = (self.entries()?, self.commits()?);
        let stored = self.storage().store_blob(t, peer, &blob);
        let made = self.commits()? - commits;
        let (answer, writes) = match stored {
            Ok(Stored::Committed) => {
                self.wrote(peer);
                (json!({"result": "committed"}), 1)
            }
            Ok(Stored::Deferred { due_ms, failure: None }) => {
                (json!({"result": "deferred", "due": due_ms}), 0)
            }
            Ok(Stored::Unchanged) => (json!({"result": "unchanged"}), 0),
            Ok(Stored::Deferred { failure: Some(error), .. }) => return Err(told(error)),
            Err(error) => {
                if self.entries()? != before {
                    return Err("a refusal changed something".into());
                }
                return Ok(json!({"result": "rejected", "reason": reason(error)?}));
            }
        };
        if made != writes {
            return Err(format!("{made} commits for {answer}"));
        }
        Ok(answer)
    }

    /// Runs what writes every blob that is due, in one commit; answers whose.
    fn committing(
        &mut self,
        call: impl FnOnce(&PeerStorage) -> lnkeep::Result<Ticked>,
    ) -> Result<Value, String> {
        let commits = self.commits()?;
        let ticked = call(self.storage()).map_err(told)?;
        if let Some((_, error)) = ticked.failed.into_iter().next() {
            return Err(told(error));
        }
        let made = self.commits()? - commits;
        if made != u64::from(!ticked.committed.is_empty()) {
            return Err(format!("{made} commits for {} blobs", ticked.committed.len()));
        }
        ticked.committed.iter().for_each(|peer| self.wrote(*peer));
        Ok(names(&ticked.committed))
    }

    fn commits(&self) -> Result<u64, String> {
        Ok(self.opened().store.stats().map_err(told)?.commits)
    }

    fn wrote(&mut self, peer: NodeId) {
        *self.writes.entry(name(peer)).or_default() += 1;
        self.last_commit_ms.insert(name(peer), self.clock_ms);
    }

    fn block(&mut self, height: u32) -> Result<Value, String> {
        self.height = height;
        let collected = self.storage().block_connected(height).map_err(told)?;
        for peer in &collected {
            self.last_commit_ms.remove(&name(*peer));
        }
        Ok(json!({"collected": names(&collected)}))
    }

    fn crash(&mut self) -> Result<Value, String> {
        let waiting = self.entries()?.into_iter().filter(|entry| entry.is_pending);
        let lost: Vec<_> = waiting.map(|entry| entry.claims.peer).collect();
        self.opened().store.crash();
        self.opened = None;
        self.clock_ms = 0;
        self.last_commit_ms.clear();
        self.open()?;
        Ok(json!({"lost_pending": names(&lost)}))
    }

    fn claim(&mut self, op: &str, peer: NodeId, step: &Value) -> Result<Value, String> {
        let height = step.get("height").map_or(Ok(0), number)? as u32;
        let none = Claims { peer, open_channels: 0, pending_channels: 0, is_allowed: false };
        let known = self.claims.entry(peer).or_insert(none);
        let change = match op {
            "channel_pending" => {
                known.pending_channels += 1;
                ClaimChange::PendingChannel
            }
            "channel_open" => {
                known.pending_channels = known.pending_channels.saturating_sub(1);
                known.open_channels += 1;
                ClaimChange::OpenChannel
            }
            "channel_closed" => {
                known.open_channels = known.open_channels.saturating_sub(1);
                ClaimChange::ClosedChannel
            }
            "pending_failed" => {
                known.pending_channels = known.pending_channels.saturating_sub(1);
                ClaimChange::FailedChannel
            }
            "allow" => {
                known.is_allowed = true;
                ClaimChange::Allowed
            }
            "disallow" => {
                known.is_allowed = false;
                ClaimChange::Disallowed
            }
            _ => return Err(format!("no operation is called {op}")),
        };
        self.height = self.height.max(height);
        self.storage().report_claim(peer, change, height).map_err(told)?;
        Ok(json!({}))
    }

    fn after_step(&mut self, left: &[Value]) -> Result<(), String> {
        let entries = self.entries()?;
        for entry in &entries {
            let known = self.claims.get(&entry.claims.peer).copied();
            if known.is_some_and(|known| known != entry.claims) {
                return Err(format!("claims {:?}, told were {known:?}", entry.claims));
            }
        }
        if entries.iter().any(|entry| entry.is_pending) {
            return Ok(());
        }
        match self.way {
            Way::Restored if self.calls.is_multiple_of(STEPS_PER_RESTORE) || left.is_empty() => {
                self.compare_restored(&entries)
            }
            Way::Reopened if self.forgets_unseen(left) => self.reopen(&entries),
            _ => Ok(()),
        }
    }

    /// A backup, restored elsewhere, keeps what this store keeps.
    fn compare_restored(&mut self, entries: &[PeerEntry]) -> Result<(), String> {
        self.restored += 1;
        let backup = self.root.path().join(format!("backup-{}", self.restored));
        let place = self.root.path().join(format!("restored-{}", self.restored));
        maintenance::backup(&self.opened().store, &backup).map_err(told)?;
        let options = lnkeep::RestoreOptions::default();
        maintenance::restore(&backup, &place, options).map_err(told)?;
        let twin = self.open_at(place.clone(), 1)?;
        self.same(&twin, entries)?;
        drop(twin);
        std::fs::remove_file(backup).map_err(|error| error.to_string())?;
        std::fs::remove_dir_all(place).map_err(|error| error.to_string())
    }

    fn same(&self, twin: &Opened, before: &[PeerEntry]) -> Result<(), String> {
        // Blobs that were accepted since the last write are counted with the next one.
        let of_disk = |entry: &PeerEntry| PeerEntry { blocks_left: None, updates: 0, ..*entry };
        let found: Vec<_> = entries(&twin.handles[0])?.iter().map(of_disk).collect();
        let known: Vec<_> = before.iter().map(of_disk).collect();
        if found != known {
            return Err(format!("reopened: {found:?}, before: {known:?}"));
        }
        for entry in before {
            let found = twin.handles[0].export(entry.claims.peer).map_err(told)?;
            let known =
                self.opened.as_ref().map(|opened| opened.handles[0].export(entry.claims.peer));
            if known.transpose().map_err(told)?.is_some_and(|known| known != found) {
                return Err(format!("the blob of {}", entry.claims.peer));
            }
        }
        Ok(())
    }

    /// Whether every cooldown is over at the next step that has a time.
    fn forgets_unseen(&self, left: &[Value]) -> bool {
        let next = left.iter().find_map(|step| step["t"].as_u64()).unwrap_or(u64::MAX);
        let now_ms = next.max(self.clock_ms);
        let is_over = |last: &u64| now_ms >= last.saturating_add(self.options.cooldown_ms);
        self.last_commit_ms.values().all(is_over)
    }

    fn reopen(&mut self, entries: &[PeerEntry]) -> Result<(), String> {
        let opened = self.opened.take().expect("open");
        opened.handles.iter().try_for_each(PeerStorage::close).map_err(told)?;
        drop(opened.handles);
        opened.store.close().map_err(told)?;
        drop(opened.store);
        self.open()?;
        self.storage().tick(self.clock_ms).map_err(told)?;
        self.same(self.opened(), entries)
    }

    fn finish(mut self, expected: &Value) -> Result<(), String> {
        let waiting = self.waiting()?;
        let closed_at = self.closed_at()?;
        self.opened().store.crash();
        self.opened = None;
        self.check()?;
        self.open()?;
        let actual = json!({
            "stored": self.blobs(&self.entries()?)?,
            "pending": waiting,
            "writes": self.writes,
            "closed_at": closed_at,
        });
        if actual != *expected {
            return Err(format!("final: got {actual}, expected {expected}"));
        }
        if self.closed_at()? != closed_at {
            return Err("an end of claims is another one after a crash".into());
        }
        self.opened = None;
        self.check()
    }

    fn waiting(&self) -> Result<Value, String> {
        let waiting = self.entries()?.into_iter().filter(|entry| entry.is_pending);
        self.blobs(&waiting.collect::<Vec<_>>())
    }

    fn blobs(&self, entries: &[PeerEntry]) -> Result<Value, String> {
        let mut blobs = Map::new();
        for entry in entries {
            let blob = self.storage().export(entry.claims.peer).map_err(told)?;
            let blob = blob.ok_or("an entry without a blob")?;
            blobs.insert(name(entry.claims.peer), to_hex(&blob).into());
        }
        Ok(blobs.into())
    }

    fn closed_at(&self) -> Result<Value, String> {
        let heights = self
            .entries()?
            .into_iter()
            .filter_map(|entry| Some((name(entry.claims.peer), Value::from(entry.closed_at?))));
        Ok(heights.collect::<Map<_, _>>().into())
    }

    /// What is on disk, while nobody has it open.
    fn check(&self) -> Result<(), String> {
        let report = maintenance::check(self.place()).map_err(told)?;
        match report.is_sound() {
            true => Ok(()),
            false => Err(format!("check: {:?}", report.findings)),
        }
    }
}

/// Every entry, in pages of two, and the sums that must be theirs.
fn entries(storage: &PeerStorage) -> Result<Vec<PeerEntry>, String> {
    let mut all: Vec<PeerEntry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.claims.peer);
        let page = storage.list(after, 2).map_err(told)?;
        if page.is_empty() {
            break;
        }
        all.extend(page);
    }
    let stats = storage.stats().map_err(told)?;
    let bytes: u64 = all.iter().map(|entry| u64::from(entry.blob_bytes)).sum();
    let waiting = all.iter().filter(|entry| entry.is_pending).count() as u64;
    if (stats.peers, stats.bytes, stats.pending) != (all.len() as u64, bytes, waiting) {
        return Err(format!("{stats:?} of {all:?}"));
    }
    Ok(all)
}

fn reason(error: lnkeep::Error) -> Result<&'static str, String> {
    match error.status() {
        Status::StorageNotOffered => Ok("feature_off"),
        Status::NoClaim => Ok("no_channel"),
        Status::TooBig => Ok("too_large"),
        Status::QuotaPeers => Ok("quota_peers"),
        Status::QuotaTotal => Ok("quota_total"),
        _ => Err(told(error)),
    }
}

//! Runs the cases of `vectors/deferred` and `vectors/deferred_more`; FORMAT.md beside them is the contract.
//!
//! A crash ends the store inside the process: nothing is marked as closed, and whatever a transaction had
//! written before it is rolled back by the engine, as at the next open after a real one. Damage is noted by
//! `tamper` and done at the next `open`, before the monitors read the store: an open of its own would count
//! as an epoch.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use lnkeep::monitors::tamper::{Tampering, tamper};
use lnkeep::monitors::{
    Block, Capture, CompletionKind, Damage, LastClose, ManagerRelation, Monitors, MonitorsOptions,
    OutputClass, Queued, Stage, Urgency,
};
use lnkeep::store::failpoints::Fault;
use lnkeep::{ChannelId, Class, Error, Result, Status, Store, StoreOptions};
use serde_json::{Map, Value, json};

use super::Verdict;

/// What the harness can do beyond the calls.
const ABILITIES: [&str; 3] = ["crash_point", "fault", "tamper"];

/// Bytes of a large value that are stored as one row.
const CHUNK_BYTES: u64 = 256 << 10;

pub fn run(case: &Value) -> Verdict {
    for need in case["needs"].as_array().into_iter().flatten() {
        if !ABILITIES.iter().any(|ability| need == ability) {
            return Verdict::Skipped(format!("needs {need}"));
        }
    }
    // A panic is told with the case that it met.
    match std::panic::catch_unwind(|| run_steps(case)) {
        Ok(Ok(())) => Verdict::Passed,
        Ok(Err(why)) => Verdict::Failed(why),
        Err(_) => Verdict::Failed("panicked as told above".into()),
    }
}

fn run_steps(case: &Value) -> std::result::Result<(), String> {
    let steps = case["steps"].as_array().filter(|steps| !steps.is_empty()).ok_or("no steps")?;
    let mut world = World::new();
    for (number, step) in steps.iter().enumerate() {
        let op = step["op"].as_str().ok_or("a step without an op")?;
        let expected = plain(&step["expect"]);
        let actual = world.step(op, &Args(&step["args"])).unwrap_or_else(|error| {
            let mut answer = refusal(op, &error);
            answer.insert("rc".into(), name_of(error.status()).into());
            Value::Object(answer)
        });
        if actual != expected {
            return Err(format!("step {number} {step}: got {actual}"));
        }
    }
    Ok(())
}

/// Arguments of a step, with the defaults of the format.
struct Args<'case>(&'case Value);

impl Args<'_> {
    fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or("")
    }

    fn is_set(&self, name: &str) -> bool {
        self.0[name] == true
    }

    fn blob(&self) -> Vec<u8> {
        bytes_of(&self.0["blob"])
    }

    fn update_id(&self) -> u64 {
        self.number("id").expect("a step without an id")
    }

    fn channel(&self) -> ChannelId {
        channel_of(self.text("chan"))
    }

    fn block(&self) -> Option<Block> {
        let height = u32::try_from(self.number("height")?).expect("a height");
        Some(Block { height, ..Block::default() })
    }

    fn urgency(&self) -> Urgency {
        if self.is_set("critical") { Urgency::Critical } else { Urgency::Ordinary }
    }

    fn max(&self) -> usize {
        self.number("max").map_or(usize::MAX, |max| max as usize)
    }

    /// The view, from the greatest channel to the smallest: its order must not matter.
    fn view(&self) -> Vec<(ChannelId, u64)> {
        let mut view: Vec<_> = self.0["view"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(channel, known)| (channel_of(channel), known.as_u64().expect("an update id")))
            .collect();
        view.sort_unstable();
        view.reverse();
        view
    }
}

/// A queued entry as far as crash points need it: the row that it writes at least.
struct Entry {
    ticket: u64,
    row: Option<String>,
}

struct World {
    directory: tempfile::TempDir,
    store: Option<Arc<Store>>,
    /// Kept when it was closed, to answer so.
    monitors: Option<Monitors>,
    is_open: bool,
    captures: HashMap<String, Capture>,
    tamperings: Vec<Tampering>,
    queued: Vec<Entry>,
}

impl World {
    fn new() -> World {
        World {
            directory: super::directory(),
            store: None,
            monitors: None,
            is_open: false,
            captures: HashMap::new(),
            tamperings: Vec::new(),
            queued: Vec::new(),
        }
    }

    fn step(&mut self, op: &str, args: &Args<'_>) -> Result<Value> {
        match op {
            "open" => self.open(&args.0["options"]),
            "close" => self.close(args.is_set("discard")),
            "crash" => Ok(self.crash()),
            "tamper" => Ok(self.note_tampering(args)),
            "commit" | "commit_ext" => self.commit(op, args),
            "queue_new" | "queue_update" | "queue_snapshot" | "queue_archive" | "output" => {
                self.queue(op, args)
            }
            "capture" => {
                let capture = self.monitors()?.capture()?;
                self.captures.insert(args.text("name").to_owned(), capture);
                Ok(json!({ "rc": "OK", "upto": capture.upto_ticket() }))
            }
            _ => read_or_note(self.monitors()?, op, args),
        }
    }

    fn monitors(&self) -> Result<&Monitors> {
        self.monitors.as_ref().ok_or(Status::Closed.into())
    }

    fn open(&mut self, options: &Value) -> Result<Value> {
        let path = self.directory.path().join("store");
        let store = Store::open(path, &StoreOptions::default())?;
        for tampering in self.tamperings.drain(..) {
            tamper(&store, tampering).expect("the tampering is possible");
        }
        let monitors = Monitors::open(&store, options_of(options))?;
        let answer = opened(&store, &monitors);
        (self.store, self.monitors, self.is_open) = (Some(store), Some(monitors), true);
        self.queued.clear();
        Ok(answer)
    }

    fn close(&mut self, discard: bool) -> Result<Value> {
        // To close twice is no error for a Rust host; the format speaks of a call without a handle.
        let is_open = self.is_open;
        let monitors = self.monitors().ok().filter(|_| is_open).ok_or(Status::Closed)?;
        monitors.close(discard)?;
        if let Some(store) = self.store.take() {
            // A store poisoned by an injected fault says so at its close; it is closed all the same.
            drop(store.close());
        }
        self.is_open = false;
        Ok(json!({ "rc": "OK" }))
    }

    fn crash(&mut self) -> Value {
        if let Some(store) = self.store.take() {
            store.crash();
        }
        (self.monitors, self.is_open) = (None, false);
        json!({ "rc": "CRASHED" })
    }

    fn note_tampering(&mut self, args: &Args<'_>) -> Value {
        assert!(!self.is_open, "tamper needs a closed store");
        self.tamperings.push(match args.text("kind") {
            "drop_update" => Tampering::DropUpdate(args.channel(), args.update_id()),
            "add_update" => Tampering::AddUpdate(args.channel(), args.update_id(), args.blob()),
            "flip_snapshot" => Tampering::FlipSnapshot(args.channel()),
            "drop_snapshot" => Tampering::DropSnapshot(args.channel()),
            "drop_manager" => Tampering::DropManager,
            "old_manager" => Tampering::OldManager(args.update_id(), args.blob()),
            other => panic!("tampering {other:?} is unknown"),
        });
        json!({ "rc": "OK" })
    }

    fn queue(&mut self, op: &str, args: &Args<'_>) -> Result<Value> {
        let monitors = self.monitors()?;
        let mut row = Some(format!("channel {}", args.text("chan")));
        let ticket = match op {
            "output" => {
                let class = match args.text("class") {
                    "volatile" => OutputClass::Volatile,
                    "durable" => OutputClass::Durable,
                    other => panic!("class {other:?} is unknown"),
                };
                let ticket = monitors.queue_output(class, 0, &args.blob())?;
                row = (class == OutputClass::Durable).then(|| format!("output {ticket}"));
                ticket
            }
            "queue_new" => {
                let block = args.block().unwrap_or_default();
                let (channel, update_id) = (args.channel(), args.update_id());
                monitors.queue_new(channel, update_id, &args.blob(), block, args.urgency())?
            }
            "queue_update" => {
                let (channel, update_id) = (args.channel(), args.update_id());
                match monitors.queue_update(channel, update_id, &args.blob(), args.urgency())? {
                    Queued::Ticket(ticket) => ticket,
                    Queued::AlreadyQueued => return Ok(already(false)),
                    Queued::AlreadyDurable => return Ok(already(true)),
                }
            }
            "queue_snapshot" => {
                let (channel, block, urgency) = (args.channel(), args.block(), args.urgency());
                monitors.queue_snapshot(channel, args.update_id(), &args.blob(), block, urgency)?
            }
            _ => monitors.queue_archive(args.channel())?,
        };
        self.queued.push(Entry { ticket, row });
        Ok(json!({ "rc": "QUEUED", "ticket": ticket }))
    }

    /// Commits with the fault that the step names. What a check refuses meets no fault and no crash.
    fn commit(&mut self, op: &str, args: &Args<'_>) -> Result<Value> {
        let monitors = self.monitors()?;
        // A handle that is poisoned already says so instead of crashing.
        monitors.standing()?;
        let capture = match self.captures.get(args.text("token")) {
            Some(capture) => *capture,
            None => foreign_capture(),
        };
        let manager = args.0.get("manager").map(bytes_of);
        let crash_at = args.0.get("crash_at").map(|_| args.text("crash_at"));
        let fault = match (crash_at, args.text("fault")) {
            (None, "") => None,
            (None, "no_space") => Some(Fault::NoSpace),
            (None, "io_lost") => Some(Fault::CommitFailsBefore),
            (None, "io_kept") => Some(Fault::CommitFailsAfter),
            (Some(point), "") => Some(self.crash_point(point, capture, manager.as_deref())?),
            (_, fault) => panic!("fault {fault:?} is unknown"),
        };
        let store = monitors.store();
        store.inject(fault);
        let committed = match op {
            "commit" => monitors.commit(capture, manager.as_deref(), &args.view()),
            _ => monitors.commit_external(capture, args.number("manager_gen"), &args.view()),
        };
        store.inject(None);
        match committed {
            Err(error) if crash_at.is_some() && is_of_the_fault(&error) => Ok(self.crash()),
            Err(error) => Err(error),
            Ok(_) if fault.is_some() => panic!("the commit did not meet its {fault:?}"),
            Ok(committed) => {
                self.queued.retain(|entry| entry.ticket > capture.upto_ticket());
                let need: Vec<_> = committed.need_snapshot.iter().map(letter_of).collect();
                Ok(json!({ "rc": "OK", "commit_seq": committed.commit_sequence,
                    "applied": committed.applied, "need_snapshot": need }))
            }
        }
    }

    /// Where the commit has to fail so that the process may be said to have died there.
    fn crash_point(&self, point: &str, capture: Capture, manager: Option<&[u8]>) -> Result<Fault> {
        let manager_rows = match manager {
            Some(manager) => {
                let earlier = self.monitors()?.manager()?;
                // Its chunks and its pointer, the chunks of the earlier one, and which commit wrote it.
                chunks_of(manager) + 1 + earlier.map_or(0, |earlier| chunks_of(&earlier)) + 1
            }
            None => 0,
        };
        let covered = self.queued.iter().filter(|entry| entry.ticket <= capture.upto_ticket());
        let rows: BTreeSet<_> = covered.filter_map(|entry| entry.row.as_deref()).collect();
        Ok(match point {
            "before_txn" => Fault::NoSpace,
            "after_manager_put" => Fault::WriteFails(manager_rows),
            "mid_ops" => Fault::WriteFails(manager_rows + (rows.len() as u64).div_ceil(2)),
            "before_commit" => Fault::CommitFailsBefore,
            "after_commit" => Fault::CommitFailsAfter,
            other => panic!("crash point {other:?} is unknown"),
        })
    }
}

/// Calls that queue and commit nothing.
fn read_or_note(monitors: &Monitors, op: &str, args: &Args<'_>) -> Result<Value> {
    Ok(match op {
        "can_queue" => {
            let (ops, bytes) = (args.number("ops").unwrap_or(0), args.number("bytes").unwrap_or(0));
            monitors.can_queue(ops, bytes, args.urgency())?;
            json!({ "rc": "OK" })
        }
        "pending" => {
            let pending = monitors.standing()?.pending;
            json!({ "rc": "OK", "ops": pending.operations, "bytes": pending.bytes })
        }
        "status" => {
            let is_durable = monitors.is_durable(args.number("ticket").expect("a ticket"))?;
            json!({ "rc": "OK", "state": if is_durable { "DURABLE" } else { "PENDING" } })
        }
        "check_manager" => {
            let relation =
                match monitors.check_manager(args.number("gen").expect("a generation"))? {
                    ManagerRelation::Equal => "equal",
                    ManagerRelation::Ahead => "ahead",
                };
            json!({ "rc": "OK", "relation": relation })
        }
        "completions" => completions(monitors, args.max())?,
        "take" => take(monitors, args.max())?,
        "ack" => {
            monitors.acknowledge(args.number("out_id").expect("an output id"))?;
            json!({ "rc": "OK" })
        }
        "purge" => {
            let commit_sequence = monitors.purge(args.channel())?;
            json!({ "rc": "OK", "commit_seq": commit_sequence })
        }
        "recover" => recover(monitors)?,
        other => panic!("operation {other:?} is unknown"),
    })
}

fn options_of(given: &Value) -> MonitorsOptions {
    let number = |name: &str, default: u64| given[name].as_u64().unwrap_or(default);
    let small = |name: &str, default| u32::try_from(number(name, default)).expect("a small number");
    MonitorsOptions {
        external_manager: given["mode"] == "external",
        manager_optional: given["require_manager"] == false,
        replays_nothing: given["inflight_replay"] == false,
        pending_ops_max: small("max_pending_ops", 1_024),
        pending_bytes_max: number("max_pending_bytes", 1_048_576),
        critical_reserve_ops: small("critical_reserve_ops", 64),
        snapshot_every_updates: small("snapshot_every", 100),
        updates_max: small("max_updates", 1_000),
        snapshot_growth_percent: 0,
        snapshot_age_secs: 0,
        ..MonitorsOptions::default()
    }
}

fn opened(store: &Store, monitors: &Monitors) -> Value {
    let report = monitors.report();
    let last_close = match report.last_close {
        LastClose::New => "new",
        LastClose::Clean => "clean",
        LastClose::Unclean => "unclean",
    };
    let damaged = report.damaged.iter().map(|(id, damage)| json!([letter_of(id), damage.name()]));
    let store_damage = [
        report.manager_missing.then_some("MANAGER_MISSING"),
        report.manager_behind.then_some("MANAGER_BEHIND"),
    ];
    json!({
        "rc": "OK",
        "epoch": store.report().epoch,
        "commit_seq": report.commit_sequence,
        "last_close": last_close,
        "damaged": damaged.collect::<Vec<_>>(),
        "store_damage": store_damage.iter().flatten().collect::<Vec<_>>(),
        "outbox": report.outputs,
    })
}

fn completions(monitors: &Monitors, max: usize) -> Result<Value> {
    let list: Vec<_> = monitors
        .completions(max)?
        .iter()
        .map(|completion| {
            let kind = match completion.kind {
                CompletionKind::New => "new",
                CompletionKind::Update => "upd",
                CompletionKind::Snapshot => "snap",
                CompletionKind::Archive => "arch",
            };
            json!([letter_of(&completion.channel), completion.update_id, kind])
        })
        .collect();
    Ok(json!({ "rc": "OK", "list": list }))
}

fn take(monitors: &Monitors, max: usize) -> Result<Value> {
    let list: Vec<_> = monitors
        .take_outputs(max)?
        .iter()
        .map(|output| {
            let class = if output.output_id.is_some() { "durable" } else { "volatile" };
            json!({ "blob": blob_of(&output.payload), "class": class, "out_id": output.output_id })
        })
        .collect();
    Ok(json!({ "rc": "OK", "list": list }))
}

fn recover(monitors: &Monitors) -> Result<Value> {
    let outbox = monitors.stored_outputs()?;
    let outbox: Vec<_> = outbox.iter().map(|(id, blob)| json!([id, blob_of(blob)])).collect();
    let standing = monitors.standing()?;
    let mut answer = json!({
        "rc": "OK",
        "commit_seq": standing.commit_sequence,
        "channels": channels(monitors, Stage::Active)?,
        "archived": channels(monitors, Stage::Archived)?,
        "outbox": outbox,
        "rescan_from": standing.rescan_height,
    });
    if monitors.options().external_manager {
        answer["manager_gen"] = json!(standing.manager_generation);
    } else {
        answer["manager"] = json!(monitors.manager()?.map(|manager| blob_of(&manager)));
    }
    Ok(answer)
}

/// Channels as their rows say, which must be what the session says too.
fn channels(monitors: &Monitors, stage: Stage) -> Result<Value> {
    let mut channels = Map::new();
    for summary in monitors.channels(stage, None, usize::MAX)? {
        let stored = monitors.load(summary.channel)?;
        assert_eq!(
            (stored.stage, stored.summary),
            (stage, summary),
            "memory differs from the disk"
        );
        let updates = stored.updates.iter().map(|(id, update)| json!([id, blob_of(update)]));
        let channel = json!({
            "base_id": summary.base_id,
            "base": stored.snapshot.as_deref().map(blob_of),
            "latest_id": summary.latest_id,
            "updates": updates.collect::<Vec<_>>(),
            "height": summary.block.height,
        });
        channels.insert(letter_of(&summary.channel), channel);
    }
    Ok(Value::Object(channels))
}

/// A capture that no session of the case gave out.
fn foreign_capture() -> Capture {
    let directory = super::directory();
    let store = Store::open(directory.path().join("store"), &StoreOptions::default()).unwrap();
    let monitors = Monitors::open(&store, MonitorsOptions::default()).unwrap();
    monitors.capture().unwrap()
}

fn already(durable: bool) -> Value {
    json!({ "rc": "ALREADY", "durable": durable })
}

/// Whether an error says that the commit met a fault, not that a check refused it.
fn is_of_the_fault(error: &Error) -> bool {
    error.status() == Status::NoSpace || matches!(error.class(), Class::Unknown | Class::Fatal)
}

/// The format's name of a status.
fn name_of(status: Status) -> &'static str {
    match status {
        Status::InvalidArgument => "INVALID_ARG",
        Status::Unknown => "INDETERMINATE",
        status => status.name(),
    }
}

/// What an error says beside its name.
fn refusal(op: &str, error: &Error) -> Map<String, Value> {
    let channel = error.channel().map(|channel| letter_of(&channel));
    let fields = match (op, error.status()) {
        ("queue_update", Status::UpdateStale | Status::UpdateConflict)
        | ("queue_snapshot", Status::SnapshotAhead | Status::SnapshotStale) => {
            json!({ "latest_id": error.value() })
        }
        ("queue_update", Status::UpdateGap) => json!({ "expected": error.value() }),
        (_, Status::ChannelDamaged) => json!({ "why": error.value().map(damage_of) }),
        ("close", Status::PendingOps) => json!({ "ops": error.value() }),
        ("check_manager", Status::ManagerBehind) | (_, Status::StaleManager) => {
            json!({ "stored_gen": error.value() })
        }
        ("commit" | "commit_ext", Status::UnknownChannel) => json!({ "chan": channel }),
        (_, Status::LostUpdate) => json!({ "chan": channel, "queued_to": error.value() }),
        (_, Status::ManagerBehind | Status::ManagerAhead) => {
            json!({ "chan": channel, "would_be": error.value() })
        }
        _ => json!({}),
    };
    fields.as_object().cloned().unwrap_or_default()
}

fn damage_of(number: u64) -> &'static str {
    let all = [Damage::UpdateGap, Damage::OrphanUpdate, Damage::Checksum, Damage::MissingSnapshot];
    let known = all.into_iter().find(|damage| *damage as u64 == number);
    known.expect("a kind of damage").name()
}

fn channel_of(letter: &str) -> ChannelId {
    assert_eq!(letter.len(), 1, "a channel is one letter");
    ChannelId([letter.as_bytes()[0]; 32])
}

fn letter_of(channel: &ChannelId) -> String {
    assert_eq!(channel.0, [channel.0[0]; 32], "a channel of no case");
    char::from(channel.0[0]).to_string()
}

fn chunks_of(value: &[u8]) -> u64 {
    (value.len() as u64).div_ceil(CHUNK_BYTES).max(1)
}

fn bytes_of(blob: &Value) -> Vec<u8> {
    match (blob.as_str(), blob["fill"].as_str(), blob["len"].as_u64()) {
        (Some(text), _, _) => text.as_bytes().to_vec(),
        (None, Some(fill), Some(len)) => {
            vec![u8::from_str_radix(fill, 16).expect("a hex byte"); len as usize]
        }
        _ => panic!("{blob} is no blob"),
    }
}

/// Bytes as an answer shows them; bytes that are no text never equal any.
fn blob_of(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "bytes": bytes }),
    }
}

/// An expectation in which every repeated byte is written out.
fn plain(expected: &Value) -> Value {
    match expected {
        Value::Object(fields) if fields.len() == 2 && fields.contains_key("fill") => {
            blob_of(&bytes_of(expected))
        }
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

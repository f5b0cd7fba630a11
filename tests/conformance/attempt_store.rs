//! Runs the cases of `vectors/attempt_store`; FORMAT.md beside them is the contract.
//!
//! Profiles `core`, `dispatch`, `fault`, `raw`, `classify` and `proposal` must hold under both rule sets, so
//! such a case runs twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use lnkeep::attempts::classify::{self, Classified, Decryptor};
use lnkeep::attempts::dispatch::{
    Certainty, Dispatched, Dispatcher, Invalid, Reason, Sent, dispatch,
};
use lnkeep::attempts::rules::{Circuit, InitRequest, Retain, Rollback};
use lnkeep::attempts::{AttemptResult, Attempts, AttemptsOptions, Ending, InitAnswer, Polled};
use lnkeep::store::failpoints::Fault;
use lnkeep::{
    AttemptKey, Error, Fingerprint, Namespace, Preimage, RawMessage, Reply, Status, Store,
    StoreOptions,
};
use serde_json::{Map, Value, json};

use super::{Verdict, matches};

/// An operation's answer, or the code of its refusal.
type Answer = Result<Value, String>;

pub fn run(case: &Value) -> Verdict {
    let rule_sets: &[bool] = match case["profile"].as_str().unwrap_or("") {
        "lnd" => &[true],
        "strict" => &[false],
        "core" | "dispatch" | "fault" | "raw" | "classify" | "proposal" => &[false, true],
        other => return Verdict::Failed(format!("profile {other:?} is unknown")),
    };
    for &lnd in rule_sets {
        if let Err(why) = run_under(case, lnd) {
            let rules = if lnd { "lnd" } else { "strict" };
            return Verdict::Failed(format!("under {rules} rules: {why}"));
        }
    }
    Verdict::Passed
}

fn run_under(case: &Value, lnd: bool) -> Result<(), String> {
    let mut world = World::new(lnd);
    for (number, step) in case["steps"].as_array().ok_or("no steps")?.iter().enumerate() {
        let actual = match world.step(step) {
            Ok(value) => value,
            Err(code) => json!({ "err": code }),
        };
        let expected = &step["expect"];
        let is_error = actual.get("err").is_some();
        let wants_error = expected.get("err").is_some();
        if is_error != wants_error || !matches(expected, &actual) {
            return Err(format!("step {number} {step}: got {actual}"));
        }
    }
    Ok(())
}

struct World {
    lnd: bool,
    directory: tempfile::TempDir,
    store: Option<Arc<Store>>,
    attempts: Option<Attempts>,
    handles: HashMap<String, Option<u64>>,
    faults: HashMap<String, bool>,
    /// How the store was last opened.
    external: bool,
}

impl World {
    fn new(lnd: bool) -> World {
        World {
            lnd,
            directory: super::directory(),
            store: None,
            attempts: None,
            handles: HashMap::new(),
            faults: HashMap::new(),
            external: false,
        }
    }

    fn step(&mut self, step: &Value) -> Answer {
        let op = step["op"].as_str().unwrap_or("");
        match op {
            "open" => self.open(step["lifecycle"] == "external"),
            "restart" => self.restart(step["how"] == "crash", step["lifecycle"] == "external"),
            "inject_fault" => self.remember_fault(step),
            "encode_id" => encode_id(step),
            "decode_id" => decode_id(step),
            "classify" => classify_result(step),
            "poll" => self.poll(step),
            _ => self.with_fault(op, step),
        }
    }

    fn open(&mut self, external: bool) -> Answer {
        self.external = external;
        let options = StoreOptions { lnd_compat: self.lnd, ..StoreOptions::default() };
        let path = self.directory.path().join("store");
        let store = Store::open(path, &options).map_err(|error| self.code("open", &error))?;
        self.store = Some(Arc::clone(&store));
        let options =
            AttemptsOptions { external, unmarked_host: true, ..AttemptsOptions::default() };
        match Attempts::open(&store, options) {
            Ok(attempts) => self.attempts = Some(attempts),
            Err(error) => {
                self.close(false);
                return Err(self.code("open", &error));
            }
        }
        Ok(json!({ "ok": true }))
    }

    fn close(&mut self, crash: bool) {
        self.attempts = None;
        if let Some(store) = self.store.take() {
            if crash {
                store.crash();
            } else {
                // A store poisoned by an injected fault says so at its close; it is closed all the same.
                drop(store.close());
            }
        }
    }

    fn restart(&mut self, crash: bool, external: bool) -> Answer {
        self.close(crash);
        self.handles.values_mut().for_each(|handle| *handle = None);
        self.faults.clear();
        self.open(external)
    }

    fn remember_fault(&mut self, step: &Value) -> Answer {
        let target = step["target"].as_str().unwrap_or("").to_owned();
        self.faults.insert(target, step["when"] == "after_commit");
        Ok(json!({ "ok": true }))
    }

    /// Runs an operation with the fault that waits for it, if one does.
    fn with_fault(&mut self, op: &str, step: &Value) -> Answer {
        let target = if op.starts_with("dispatch") || op.starts_with("init") { "init" } else { op };
        let fault = self.faults.remove(target);
        let ambiguous = target == "init";
        let store = self.store.clone().ok_or("NOT_OPEN")?;
        store.inject(fault.map(|after| match (ambiguous, after) {
            (true, false) => Fault::CommitFailsBefore,
            (true, true) => Fault::CommitFailsAfter,
            (false, false) => Fault::NoSpace,
            (false, true) => Fault::NoSpaceAfter,
        }));
        let answer = self.operation(op, step);
        store.inject(None);
        if fault.is_some() && ambiguous {
            let external = self.external;
            drop(store);
            self.restart(true, external)?;
        }
        answer
    }

    fn operation(&mut self, op: &str, step: &Value) -> Answer {
        let key = key_of(step);
        let namespace = namespace_of(step);
        let attempts = self.attempts.as_ref().ok_or("NOT_OPEN")?;
        let fail = |error: Error| self.code(op, &error);
        match op {
            "init" => match attempts.init(&request_of(step)).map_err(fail)? {
                InitAnswer::Granted => Ok(json!({ "ok": true })),
                InitAnswer::AlreadyExists => Err("ALREADY_EXISTS".into()),
            },
            "init_concurrent" => Ok(self.init_concurrent(attempts, step)),
            "store" => {
                let result = result_of(&step["result"])?;
                Ok(reply_of(attempts.store_result(key, result).map_err(fail)?))
            }
            "fail_pending" => {
                attempts.fail_pending(key, Rollback::default()).map(reply_of).map_err(fail)
            }
            "get" => Ok(json!({ "result": json_of(&attempts.result(key).map_err(fail)?) })),
            "has_result" => Ok(json!({ "value": attempts.has_result(key).map_err(fail)? })),
            "fetch_pending" => Ok(ids_of("ids", &attempts.pending(namespace).map_err(fail)?)),
            "subscribe" | "track" => self.subscribe(op, step),
            "unsubscribe" => self.unsubscribe(step),
            "waiters" => Ok(json!({ "count": attempts.waiters(key) })),
            "shutdown" => {
                attempts.unsubscribe_all();
                Ok(json!({ "ok": true }))
            }
            "clean" => {
                let keep = list_of(&step["keep"]).into_iter().collect();
                attempts.clean(namespace, &keep, Retain::Forget).map_err(fail)?;
                Ok(json!({ "ok": true }))
            }
            "delete" => self.delete(step),
            "recover" => {
                let circuits = circuits_of(&step["circuits"]);
                let recovered = attempts.recover(namespace, Some(&circuits), true).map_err(fail)?;
                Ok(ids_of("failed", &recovered.failed))
            }
            "marker" => Ok(json!({ "present": attempts.is_external().map_err(fail)? })),
            "disable_external" => attempts.disable_external().map(reply_of).map_err(fail),
            "write_raw" => {
                let value = bytes_of(&step["value"]);
                attempts.write_raw(key, &value).map(reply_of).map_err(fail)
            }
            "dispatch" => Ok(dispatched(&dispatch_once(attempts, step))),
            "dispatch_concurrent" => Ok(dispatch_concurrent(attempts, step)),
            other => Err(format!("operation {other:?} is unknown")),
        }
    }

    fn subscribe(&mut self, op: &str, step: &Value) -> Answer {
        let attempts = self.attempts.as_ref().ok_or("NOT_OPEN")?;
        let require_known = match op {
            "track" => step["circuit"] != true,
            _ => step["require_known"] == true,
        };
        let id = attempts
            .subscribe(key_of(step), require_known)
            .map_err(|error| self.code(op, &error))?;
        self.handles.insert(handle_of(step), Some(id));
        Ok(json!({ "ok": true }))
    }

    fn unsubscribe(&mut self, step: &Value) -> Answer {
        let attempts = self.attempts.as_ref().ok_or("NOT_OPEN")?;
        if let Some(id) = self.handles.insert(handle_of(step), None).flatten() {
            // Closed already when the attempt was deleted: then there is nothing to cancel.
            drop(attempts.unsubscribe(id));
        }
        Ok(json!({ "ok": true }))
    }

    fn poll(&mut self, step: &Value) -> Answer {
        let handle = self.handles.get(&handle_of(step)).copied().flatten();
        let polled = match (handle, &self.attempts) {
            (Some(id), Some(attempts)) => attempts.poll(id),
            _ => Polled::Closed,
        };
        Ok(match polled {
            Polled::Waiting => json!({ "state": "waiting" }),
            Polled::Result(result) => json!({ "state": "result", "result": json_of(&result) }),
            Polled::Done => json!({ "state": "done" }),
            Polled::Closed => json!({ "state": "closed" }),
        })
    }

    fn delete(&self, step: &Value) -> Answer {
        let attempts = self.attempts.as_ref().ok_or("NOT_OPEN")?;
        let namespace = namespace_of(step);
        let mut ids = list_of(&step["ids"]);
        if step["dedupe"] == true {
            let mut seen = std::collections::HashSet::new();
            ids.retain(|id| seen.insert(*id));
        }
        let keys: Vec<_> = ids.iter().map(|id| AttemptKey::new(namespace, *id)).collect();
        let retain = if step["retain"] == "tombstone" { Retain::Tombstone } else { Retain::Forget };
        let outcomes =
            attempts.delete_many(&keys, retain).map_err(|error| self.code("delete", &error))?;
        let mut statuses = Map::new();
        for (id, outcome) in ids.iter().zip(outcomes) {
            let status = match outcome {
                Ok(_) => "OK",
                Err(error) => match error.status() {
                    Status::Pending => "PENDING",
                    Status::NotFound => "NOT_FOUND",
                    Status::CorruptRecord => "FAILED",
                    _ => return Err(self.code("delete", &error)),
                },
            };
            statuses.insert(id.to_string(), status.into());
        }
        Ok(json!({ "statuses": statuses }))
    }

    fn init_concurrent(&self, attempts: &Attempts, step: &Value) -> Value {
        let request = request_of(step);
        counted(step, || match attempts.init(&request) {
            Ok(InitAnswer::Granted) => "ok".to_owned(),
            Ok(InitAnswer::AlreadyExists) => "ALREADY_EXISTS".to_owned(),
            Err(error) => self.code("init", &error),
        })
    }

    /// The FORMAT's name of an error. A full disk is its STORAGE; lnd calls an unreadable record so too.
    fn code(&self, op: &str, error: &Error) -> String {
        match (error.status(), op) {
            (Status::Unknown, "init") => "AMBIGUOUS_INIT".into(),
            (Status::NoSpace, _) => "STORAGE".into(),
            (Status::CorruptRecord, _) if self.lnd => "STORAGE".into(),
            (status, _) => status.name().into(),
        }
    }
}

fn dispatch_concurrent(attempts: &Attempts, step: &Value) -> Value {
    counted(step, || {
        let answer = dispatched(&dispatch_once(attempts, step));
        answer["code"].as_str().unwrap_or("").to_owned()
    })
}

fn counted(step: &Value, call: impl Fn() -> String + Sync) -> Value {
    let n = step["n"].as_u64().unwrap_or(0);
    let names: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..n).map(|_| scope.spawn(&call)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_insert(0u64) += 1;
    }
    json!({ "counts": counts })
}

struct Script<'a>(&'a Value);

impl Dispatcher for Script<'_> {
    fn validate(&self) -> Result<(), Invalid> {
        match self.0["request"].as_str().unwrap_or("valid") {
            "malformed" => Err(Invalid::Malformed),
            "no_channel" => Err(Invalid::NoChannel),
            _ => Ok(()),
        }
    }

    fn send(&self) -> Sent {
        match self.0["dispatcher"].as_str().unwrap_or("ok") {
            "duplicate" => Sent::Duplicate,
            "link_error" => Sent::LinkError,
            "internal" => Sent::Internal,
            "exiting" => Sent::Exiting,
            _ => Sent::Accepted,
        }
    }
}

fn dispatch_once(attempts: &Attempts, step: &Value) -> Dispatched {
    dispatch(attempts, &request_of(step), &Script(step))
}

fn dispatched(answer: &Dispatched) -> Value {
    let code = match answer {
        Dispatched::Sent => "OK",
        Dispatched::AlreadyExists => "ALREADY_EXISTS",
        Dispatched::InvalidArgument => "INVALID_ARGUMENT",
        Dispatched::FailedPrecondition(_) => "FAILED_PRECONDITION",
        Dispatched::Unavailable(_) => "UNAVAILABLE",
    };
    let mut value = json!({ "code": code });
    if let Some(certainty) = answer.certainty() {
        let definite = certainty == Certainty::Definite;
        value["class"] = if definite { "definite" } else { "indefinite" }.into();
    }
    if let Dispatched::Unavailable(reason) = answer {
        value["reason"] = match reason {
            Reason::InitFailed => "HTLC_INIT_FAILED",
            Reason::Exiting => "SWITCH_EXITING",
            Reason::Unknown => "REASON_UNKNOWN",
        }
        .into();
    }
    value
}

fn encode_id(step: &Value) -> Answer {
    let client = step["client"].as_u64().and_then(|client| u8::try_from(client).ok());
    let raw = number_of(&step["raw"]);
    match client.map(|client| classify::encode_client_id(client, raw)) {
        Some(Ok(id)) => Ok(json!({ "id": id.to_string() })),
        Some(Err(error)) => Err(error.status().name().into()),
        None => Err("ID_OUT_OF_RANGE".into()),
    }
}

fn decode_id(step: &Value) -> Answer {
    let (client, raw) = classify::decode_client_id(number_of(&step["id"]));
    Ok(json!({ "client": client, "raw": raw.to_string() }))
}

fn classify_result(step: &Value) -> Answer {
    let result = result_of(&step["result"])?;
    let decryptor = match step["decryptor"].as_str().unwrap_or("none") {
        "ok" => Decryptor::Ok,
        "fails" => Decryptor::Fails,
        _ => Decryptor::None,
    };
    let outcome = match classify::classify(&result, decryptor) {
        Classified::Settled => "settled",
        Classified::Encrypted => "encrypted",
        Classified::ForwardingFailure => "forwarding_failure",
        Classified::Unreadable => "unreadable",
        Classified::LocalFailure => "local_failure",
        Classified::LocalFailureUndecodable => "local_failure_undecodable",
        Classified::OnchainTimeout => "onchain_timeout",
    };
    Ok(json!({ "outcome": outcome }))
}

fn reply_of(reply: Reply) -> Value {
    json!({ "ok": true, "changed": reply.changed(), "conflict": reply.conflict() })
}

fn result_of(value: &Value) -> Result<AttemptResult, String> {
    let ending = match value["kind"].as_str().unwrap_or("") {
        "settle" => {
            let preimage: [u8; 32] =
                bytes_of(&value["preimage"]).try_into().map_err(|_| "preimage length")?;
            Ending::Settle(Preimage::new(preimage))
        }
        "fail" => Ending::Fail { failure_code: value["code"].as_u64().unwrap_or(0) as u16 },
        _ => return Err("UNKNOWN_RESULT_KIND".into()),
    };
    Ok(AttemptResult {
        ending,
        unencrypted: value["unencrypted"] == true,
        resolution: value["resolution"] == true,
        message: RawMessage::new(bytes_of(&value["reason"])),
    })
}

fn json_of(result: &AttemptResult) -> Value {
    let mut value = json!({ "unencrypted": result.unencrypted, "resolution": result.resolution });
    match &result.ending {
        Ending::Settle(preimage) => {
            value["kind"] = "settle".into();
            value["preimage"] = hex_of(preimage.expose()).into();
        }
        Ending::Fail { failure_code } => {
            value["kind"] = "fail".into();
            value["reason"] = hex_of(result.message.expose()).into();
            if *failure_code != 0 {
                value["code"] = (*failure_code).into();
            }
        }
    }
    value
}

fn request_of(step: &Value) -> InitRequest {
    let mut request = InitRequest::new(key_of(step));
    if step["fingerprint"].is_string() {
        let hash = bytes_of(&step["fingerprint"]).try_into().expect("32 bytes of fingerprint");
        request.fingerprint = Some(Fingerprint(hash));
    }
    request
}

fn circuits_of(value: &Value) -> HashMap<u64, Circuit> {
    let entries = value.as_object().into_iter().flatten();
    entries
        .map(|(id, state)| {
            let open = state == "open";
            (id.parse().unwrap(), if open { Circuit::Open } else { Circuit::HalfOpen })
        })
        .collect()
}

fn ids_of(name: &str, ids: &[u64]) -> Value {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    json!({ name: ids.iter().map(u64::to_string).collect::<Vec<_>>(), "ok": true })
}

fn key_of(step: &Value) -> AttemptKey {
    AttemptKey::new(namespace_of(step), number_of(&step["id"]))
}

fn namespace_of(step: &Value) -> Namespace {
    let mut bytes = [0; 16];
    // Names longer than a namespace are folded.
    for (at, byte) in step["ns"].as_str().unwrap_or("").bytes().enumerate() {
        bytes[at % 16] ^= byte.rotate_left((at / 16) as u32);
    }
    Namespace(bytes)
}

fn handle_of(step: &Value) -> String {
    step["handle"].as_str().unwrap_or("").to_owned()
}

fn number_of(value: &Value) -> u64 {
    value.as_str().map_or(0, |text| text.parse().expect("a decimal number"))
}

fn list_of(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().map(number_of).collect()
}

fn bytes_of(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or("");
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

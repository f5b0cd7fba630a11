//! Runs the cases of `vectors/control_tower`; FORMAT.md beside them is the contract.
//!
//! Profiles `core`, `pure` and `resume` must hold under both rule sets, so such a case runs twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use lnkeep::payments::resume::{Answer as Told, ResumeDispatcher, ResumeOptions, ResumeOutcome};
use lnkeep::payments::rules;
use lnkeep::payments::{
    AttemptFailure, AttemptRequest, Changed, DeleteFilter, Failure, Next, Payment, PaymentAttempt,
    PaymentInit, PaymentStatus, Payments, PaymentsOptions, Query, Statuses,
};
use lnkeep::{Error, PaymentHash, Status, Store, StoreOptions};
use serde_json::{Map, Value, json};

use super::payment_values::{
    SECOND_NS, attempt_of, decimal, failure_of, hash_of, hashes_of, hex_of, init_of, key_of,
    list_of, number_of, preimage_of, reason_of, retain_of, settle_of, state_view, status_name,
    status_of, strictness_of, sum_of, text_of, view_of,
};
use super::{Verdict, matches};

/// An operation's answer, or the code of its refusal.
type Answer = Result<Value, String>;

pub fn run(case: &Value) -> Verdict {
    let rule_sets: &[bool] = match case["profile"].as_str().unwrap_or("") {
        "lnd" => &[true],
        "strict" => &[false],
        "core" | "pure" | "resume" => &[false, true],
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
        if !agree(&step["op"], &step["expect"], &actual) {
            return Err(format!("step {number} {step}: got {actual}"));
        }
    }
    Ok(())
}

/// Sets of hashes are compared sorted; an outcome that did not occur may be absent from `counts`.
fn agree(op: &Value, expected: &Value, actual: &Value) -> bool {
    let (mut expected, mut actual) = (expected.clone(), actual.clone());
    if expected.get("err").is_some() != actual.get("err").is_some() {
        return false;
    }
    if op == "fetch_in_flight" {
        for side in [&mut expected, &mut actual] {
            if let Some(Value::Array(hashes)) = side.get_mut("hashes") {
                hashes.sort_by_key(Value::to_string);
            }
        }
    }
    if let Some(Value::Object(counts)) = actual.get_mut("counts") {
        for name in expected["counts"].as_object().into_iter().flat_map(Map::keys) {
            counts.entry(name.as_str()).or_insert(0.into());
        }
    }
    matches(&expected, &actual)
}

struct World {
    lnd: bool,
    directory: tempfile::TempDir,
    store: Option<Arc<Store>>,
    payments: Option<Payments>,
    handles: HashMap<String, Option<u64>>,
    /// The newest sequence number of every hash, kept when its payment is deleted: a query may name it.
    sequences: HashMap<PaymentHash, u64>,
    /// What `remember_seq` named.
    remembered: HashMap<String, u64>,
}

impl World {
    fn new(lnd: bool) -> World {
        World {
            lnd,
            directory: super::directory(),
            store: None,
            payments: None,
            handles: HashMap::new(),
            sequences: HashMap::new(),
            remembered: HashMap::new(),
        }
    }

    fn step(&mut self, step: &Value) -> Answer {
        match step["op"].as_str().unwrap_or("") {
            "open" => self.open(),
            "restart" => self.restart(step["how"] == "crash"),
            "init" => self.init(step),
            "init_concurrent" => self.init_concurrent(step),
            "register" => register(self.payments()?, hash_of(&step["hash"])?, &attempt_of(step)?),
            "register_concurrent" => self.register_concurrent(step),
            "settle" => settle(self.payments()?, step),
            "settle_concurrent" => {
                let payments = self.payments()?;
                Ok(counted(&repeated(step)?, |()| settle(payments, step)))
            }
            "fail_attempt" => fail_attempt(self.payments()?, step),
            "fail" => {
                let reason = reason_of(step)?;
                changed(self.payments()?.fail(hash_of(&step["hash"])?, reason))
            }
            "fetch" => Ok(json!({ "payment": view_of(&self.fetch(&step["hash"])?) })),
            "fetch_in_flight" => self.fetch_in_flight(),
            "delete" if step["failed_attempts_only"] != true => {
                let retain = retain_of(step);
                done(self.payments()?.delete(hash_of(&step["hash"])?, retain))
            }
            "delete" | "delete_failed_attempts" => {
                done(self.payments()?.delete_failed_attempts(hash_of(&step["hash"])?))
            }
            "delete_all" => self.delete_all(step),
            "query" => self.query(step),
            "remember_seq" => self.remember_sequence(step),
            "seq_after" => self.sequence_is_after(step),
            "seq_greater" => {
                let sequence = self.fetch(&step["hash"])?.sequence;
                Ok(json!({ "value": sequence > self.fetch(&step["than"])?.sequence }))
            }
            "subscribe" => self.subscribe(step, Some(hash_of(&step["hash"])?)),
            "subscribe_all" => self.subscribe(step, None),
            "unsubscribe" => self.unsubscribe(step),
            "next" => self.next(step),
            "drain" => self.drain(step),
            "resume" => self.resume(step),
            _ => decide(step),
        }
    }

    fn open(&mut self) -> Answer {
        let options = StoreOptions { lnd_compat: self.lnd, ..StoreOptions::default() };
        let path = self.directory.path().join("store");
        let store = Store::open(path, &options).map_err(|error| code(&error))?;
        let payments = Payments::open(&store, PaymentsOptions::default());
        self.payments = Some(payments.map_err(|error| code(&error))?);
        self.store = Some(store);
        Ok(json!({ "ok": true }))
    }

    fn restart(&mut self, crash: bool) -> Answer {
        self.payments = None;
        let store = self.store.take().ok_or("NOT_OPEN")?;
        if crash {
            store.crash();
        } else {
            store.close().map_err(|error| code(&error))?;
        }
        drop(store);
        self.handles.values_mut().for_each(|handle| *handle = None);
        self.open()
    }

    fn payments(&self) -> Result<&Payments, String> {
        self.payments.as_ref().ok_or_else(|| "NOT_OPEN".into())
    }

    fn fetch(&self, hash: &Value) -> Result<Payment, String> {
        self.payments()?.fetch(hash_of(hash)?).map_err(|error| code(&error))
    }

    fn init(&mut self, step: &Value) -> Answer {
        let request = init_of(step)?;
        let answer = init(self.payments()?, &request);
        self.note_sequence(request.hash);
        answer
    }

    fn init_concurrent(&mut self, step: &Value) -> Answer {
        let request = init_of(step)?;
        let payments = self.payments()?;
        let counts = counted(&repeated(step)?, |()| init(payments, &request));
        self.note_sequence(request.hash);
        Ok(counts)
    }

    fn note_sequence(&mut self, hash: PaymentHash) {
        if let Some(Ok(payment)) = self.payments.as_ref().map(|payments| payments.fetch(hash)) {
            self.sequences.insert(hash, payment.sequence);
        }
    }

    fn register_concurrent(&self, step: &Value) -> Answer {
        let (payments, hash) = (self.payments()?, hash_of(&step["hash"])?);
        let attempt = |id| {
            let mut attempt = step.clone();
            attempt["id"] = Value::clone(id);
            attempt_of(&attempt)
        };
        let ids = step["ids"].as_array().ok_or("ids is no list")?;
        let attempts = ids.iter().map(attempt).collect::<Result<Vec<_>, _>>()?;
        Ok(counted(&attempts, |attempt| register(payments, hash, attempt)))
    }

    fn fetch_in_flight(&self) -> Answer {
        let page = self.payments()?.unfinished().map_err(|error| code(&error))?;
        refuse_unreadable(&page.unreadable)?;
        Ok(json!({ "hashes": hashes_of(&page.payments) }))
    }

    fn delete_all(&self, step: &Value) -> Answer {
        let payments = self.payments()?;
        let failed_attempts_only = step["failed_attempts_only"] == true;
        let statuses = match (step["failed_only"] == true, step["include_initiated"] == true) {
            (true, _) => Statuses::FAILED,
            (false, asked) if self.lnd || asked => {
                Statuses(Statuses::FINISHED.0 | Statuses::of(PaymentStatus::Initiated).0)
            }
            _ => Statuses::FINISHED,
        };
        let retain = retain_of(step);
        let filter = DeleteFilter { statuses, created_to_unix_ns: 0, failed_attempts_only, retain };
        let (mut deleted, mut after) = (0, None);
        loop {
            let step = payments.delete_many(&filter, after).map_err(|error| code(&error))?;
            deleted += step.payments;
            after = step.next;
            if after.is_none() {
                break;
            }
        }
        // The library tells how many payments it pruned, FORMAT.md wants those deleted.
        Ok(json!({ "deleted": if failed_attempts_only { 0 } else { deleted } }))
    }

    fn query(&self, step: &Value) -> Answer {
        let payments = self.payments()?;
        let bound = |value: &Value| match value {
            Value::Null => Ok(0),
            value => number_of(value).map(|secs| secs.saturating_mul(SECOND_NS)),
        };
        let incomplete = step["include_incomplete"] == true;
        let mut query = Query {
            offset: self.offset(&step["offset"])?,
            reversed: step["reversed"] == true,
            statuses: if incomplete { Statuses::default() } else { Statuses::SUCCEEDED },
            created_from_unix_ns: bound(&step["created_from"])?,
            created_to_unix_ns: bound(&step["created_to"])?,
            ..Query::default()
        };
        let max = usize::try_from(number_of(&step["max"])?).map_err(|error| error.to_string())?;
        let mut found = Vec::new();
        while found.len() < max {
            query.limit = max - found.len();
            let page = payments.query(&query).map_err(|error| code(&error))?;
            refuse_unreadable(&page.unreadable)?;
            let at = if query.reversed { 0 } else { found.len() };
            found.splice(at..at, page.payments);
            query.offset = page.next;
            if page.next.is_none() {
                break;
            }
        }
        let hashes = hashes_of(&found);
        let total = match step["count_total"] == true {
            true => payments.counts().map_err(|error| code(&error))?.payments,
            false => 0,
        };
        let (first, last) = (hashes.first(), hashes.last());
        Ok(json!({ "hashes": hashes, "first": first, "last": last, "total": total }))
    }

    fn offset(&self, offset: &Value) -> Result<Option<u64>, String> {
        match offset.as_str() {
            None if offset.is_null() => Ok(None),
            Some("beyond") => Ok(Some(u64::MAX)),
            _ => {
                let known = self.sequences.get(&hash_of(offset)?);
                known.copied().map(Some).ok_or_else(|| format!("{offset} was never initiated"))
            }
        }
    }

    fn remember_sequence(&mut self, step: &Value) -> Answer {
        let sequence = self.fetch(&step["hash"])?.sequence;
        self.remembered.insert(text_of(&step["name"])?, sequence);
        Ok(json!({ "ok": true }))
    }

    fn sequence_is_after(&self, step: &Value) -> Answer {
        let name = text_of(&step["name"])?;
        let remembered = self.remembered.get(&name).ok_or("nothing is remembered by this name")?;
        Ok(json!({ "value": self.fetch(&step["hash"])?.sequence > *remembered }))
    }

    fn subscribe(&mut self, step: &Value, hash: Option<PaymentHash>) -> Answer {
        let payments = self.payments()?;
        let id = match hash {
            Some(hash) => payments.subscribe(hash),
            None => payments.subscribe_all(),
        };
        let id = id.map_err(|error| code(&error))?;
        self.handles.insert(text_of(&step["handle"])?, Some(id));
        Ok(json!({ "ok": true }))
    }

    fn unsubscribe(&mut self, step: &Value) -> Answer {
        if let Some(id) = self.handles.insert(text_of(&step["handle"])?, None).flatten() {
            self.payments()?.unsubscribe(id).map_err(|error| code(&error))?;
        }
        Ok(json!({ "ok": true }))
    }

    fn take(&self, step: &Value) -> Result<Next, String> {
        let payments = self.payments()?;
        let handle = self.handles.get(&text_of(&step["handle"])?).copied().flatten();
        Ok(handle.map_or(Next::Closed, |id| payments.next(id)))
    }

    fn next(&self, step: &Value) -> Answer {
        let (event, none, closed) = match self.take(step)? {
            Next::View(payment) => (view_of(&payment), false, false),
            Next::Waiting => (Value::Null, true, false),
            Next::Closed => (Value::Null, false, true),
            Next::Missed(events) => return Err(format!("{events} events were dropped")),
        };
        Ok(json!({ "event": event, "none": none, "closed": closed }))
    }

    fn drain(&self, step: &Value) -> Answer {
        let mut statuses = Vec::new();
        let closed = loop {
            match self.take(step)? {
                Next::View(payment) => statuses.push(status_name(payment.status)),
                Next::Waiting => break false,
                Next::Closed => break true,
                Next::Missed(events) => return Err(format!("{events} events were dropped")),
            }
        };
        Ok(json!({ "statuses": statuses, "count": statuses.len(), "closed": closed }))
    }

    fn resume(&self, step: &Value) -> Answer {
        let keep_failed_attempts = step["keep_failed_attempts"] == true;
        let options = ResumeOptions { keep_failed_attempts, ..ResumeOptions::default() };
        let resumed =
            self.payments()?.resume(&Script::of(step)?, options).map_err(|error| code(&error))?;
        let mut outcomes = Map::new();
        for payment in &resumed.payments {
            let name = match payment.outcome {
                ResumeOutcome::Done => "done",
                ResumeOutcome::Waiting => "waiting",
                ResumeOutcome::Internal => "internal_error",
                ResumeOutcome::MaySend => return Err("a resume without intents may send".into()),
                ResumeOutcome::Unreadable => return Err("CORRUPT_RECORD".into()),
            };
            let hash = payment.hash.ok_or("a resumed payment has no hash")?;
            outcomes.insert(hex_of(&hash.0), name.into());
        }
        let keep: Vec<_> = resumed.keep.iter().map(|key| key.id.0.to_string()).collect();
        Ok(json!({ "keep": keep, "outcome": outcomes }))
    }
}

/// What the dispatcher of a `resume` step says of each attempt.
struct Script {
    told: HashMap<u64, Told>,
    closed: HashSet<u64>,
    skipped: HashSet<u64>,
}

impl Script {
    fn of(step: &Value) -> Result<Script, String> {
        let entries = |name: &str| step[name].as_object().into_iter().flatten();
        let ids = |name: &str, word: &str| {
            let chosen = entries(name).filter(|(_, value)| *value == word);
            chosen.map(|(id, _)| decimal(id)).collect::<Result<HashSet<_>, _>>()
        };
        let told =
            entries("dispatcher").map(|(id, answer)| Ok((decimal(id)?, Script::told(answer)?)));
        Ok(Script {
            told: told.collect::<Result<_, String>>()?,
            closed: ids("first_hop", "closed")?,
            skipped: ids("reconcile", "error")?,
        })
    }

    fn told(answer: &Value) -> Result<Told, String> {
        if let Some(preimage) = answer.get("preimage") {
            return Ok(Told::Settled(preimage_of(preimage)?));
        }
        let failure = Failure::new(AttemptFailure::Message);
        match text_of(answer)?.as_str() {
            "fail" => Ok(Told::Failed(failure)),
            "fail_final" => Ok(Told::FailedFinal(failure)),
            "error" => Ok(Told::Error),
            "unknown" => Ok(Told::Unknown),
            "pending" => Ok(Told::Pending),
            other => Err(format!("the dispatcher cannot say {other:?}")),
        }
    }
}

impl ResumeDispatcher for Script {
    fn answer(&self, _payment: &Payment, attempt: &PaymentAttempt) -> Told {
        self.told.get(&attempt.request.key.id.0).cloned().unwrap_or(Told::Unknown)
    }

    fn first_hop_is_closed(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.closed.contains(&attempt.request.key.id.0)
    }

    fn skip(&self, _payment: &Payment, attempt: &PaymentAttempt) -> bool {
        self.skipped.contains(&attempt.request.key.id.0)
    }
}

/// FORMAT.md has one code for a repeat with the same content and one with other content.
fn init(payments: &Payments, request: &PaymentInit) -> Answer {
    match payments.init(request.clone()) {
        Ok(changed) if changed.reply.status == Status::Done => Ok(json!({ "ok": true })),
        Ok(_) => Err(Status::PaymentExists.name().into()),
        Err(error) => Err(code(&error)),
    }
}

fn register(payments: &Payments, hash: PaymentHash, attempt: &AttemptRequest) -> Answer {
    match payments.register(hash, attempt.clone()) {
        Ok(known) if known.reply.status == Status::AlreadyExists => {
            Err(Status::AttemptIdExists.name().into())
        }
        outcome => changed(outcome),
    }
}

fn settle(payments: &Payments, step: &Value) -> Answer {
    let (hash, key) = (hash_of(&step["hash"])?, key_of(step)?);
    changed(payments.settle(hash, key, settle_of(step)?, strictness_of(step)))
}

fn fail_attempt(payments: &Payments, step: &Value) -> Answer {
    let (hash, key) = (hash_of(&step["hash"])?, key_of(step)?);
    changed(payments.fail_attempt(hash, key, failure_of(step)?, strictness_of(step)))
}

fn changed(outcome: Result<Changed, Error>) -> Answer {
    let changed = outcome.map_err(|error| code(&error))?;
    Ok(json!({ "payment": view_of(&changed.payment), "changed": changed.reply.changed() }))
}

fn done<T>(outcome: Result<T, Error>) -> Answer {
    outcome.map(|_| json!({ "ok": true })).map_err(|error| code(&error))
}

/// The FORMAT's name of an error.
fn code(error: &Error) -> String {
    match error.status() {
        Status::BadPreimage => "PREIMAGE_MISMATCH".into(),
        status => status.name().into(),
    }
}

fn refuse_unreadable(unreadable: &[(u64, Option<PaymentHash>)]) -> Result<(), String> {
    if unreadable.is_empty() { Ok(()) } else { Err(Status::CorruptRecord.name().into()) }
}

/// One call for each of `n` threads.
fn repeated(step: &Value) -> Result<Vec<()>, String> {
    Ok(vec![(); usize::try_from(number_of(&step["n"])?).map_err(|error| error.to_string())?])
}

fn counted<T: Sync>(calls: &[T], call: impl Fn(&T) -> Answer + Sync) -> Value {
    let call = &call;
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let threads: Vec<_> = calls.iter().map(|each| scope.spawn(move || call(each))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut counts = BTreeMap::new();
    for answer in answers {
        let name = answer.err().unwrap_or_else(|| "ok".to_owned());
        *counts.entry(name).or_insert(0u64) += 1;
    }
    json!({ "counts": counts })
}

/// The decisions that need no store.
fn decide(step: &Value) -> Answer {
    let status = || status_of(&step["status"]);
    let remaining_msat = || number_of(&step["remaining_msat"]);
    let settled = step["has_settled"] == true;
    let failed = step["payment_failed"] == true;
    let refused = |error: Error| code(&error);
    let word =
        |outcome: Result<(), Error>| outcome.map_or_else(|error| code(&error), |()| "ok".into());
    match step["op"].as_str().unwrap_or("") {
        "decide_status" => {
            let any = |name: &str| list_of(&step["attempts"]).any(|state| state == name);
            let reason = step["failed_reason"] == true;
            let status =
                rules::decide_status(any("in_flight"), any("settled"), any("failed"), reason);
            Ok(json!({ "status": status_name(status) }))
        }
        "status_actions" => {
            let action = |may: fn(PaymentStatus) -> Result<(), Error>| match status() {
                Ok(status) => word(may(status)),
                Err(unknown) => unknown,
            };
            let (init, update) = (action(rules::may_init), action(rules::may_update));
            Ok(json!({ "init": init, "update": update, "remove": action(rules::may_remove) }))
        }
        "can_register" => {
            let result = match status() {
                Ok(status) => word(rules::can_register(status, settled, failed)),
                Err(unknown) => unknown,
            };
            Ok(json!({ "result": result }))
        }
        "need_wait" => {
            let value = rules::need_wait(status()?, remaining_msat()?, settled, failed);
            Ok(json!({ "value": value.map_err(refused)? }))
        }
        "allow_more" => {
            let Ok(status) = status() else { return Ok(json!({ "value": false })) };
            let value = rules::allow_more(status, remaining_msat()?, settled, failed);
            Ok(json!({ "value": value.map_err(refused)? }))
        }
        "compute_state" => {
            let attempts = list_of(&step["attempts"]).map(sum_of).collect::<Result<Vec<_>, _>>()?;
            let (amount_msat, reason) = (number_of(&step["amt_msat"])?, &step["failure_reason"]);
            let state = rules::compute_state(amount_msat, &attempts, !reason.is_null());
            Ok(json!({ "state": state_view(&state.map_err(refused)?) }))
        }
        other => Err(format!("operation {other:?} is unknown")),
    }
}

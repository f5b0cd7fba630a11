//! The values of `vectors/control_tower` in the library's words, and back.
//!
//! Values that FORMAT.md calls optional are shown as null where there is none, because a pattern's null means
//! "no value". A case that is malformed is answered with what is wrong with it.

use lnkeep::attempts::rules::Retain;
use lnkeep::payments::rules::{self, AttemptSum, PaymentState, Strictness, Terminal};
use lnkeep::payments::{
    Amp, AttemptFailure, AttemptOutcome, AttemptRequest, AttemptState, Failure, FailureReason, Mpp,
    Payment, PaymentAttempt, PaymentInit, PaymentStatus, Secret, Settle,
};
use lnkeep::{AttemptKey, Namespace, PaymentHash, Preimage, RawMessage, Status};
use serde_json::{Value, json};

/// FORMAT.md tells times in seconds.
pub const SECOND_NS: u64 = 1_000_000_000;

/// Names of the statuses 1 to 4; any other name stands for a number that is no status.
const STATUSES: [&str; 4] = ["INITIATED", "IN_FLIGHT", "SUCCEEDED", "FAILED"];

const STATES: [(&str, AttemptState); 3] = [
    ("in_flight", AttemptState::InFlight),
    ("settled", AttemptState::Settled),
    ("failed", AttemptState::Failed),
];

const REASONS: [(&str, FailureReason); 6] = [
    ("TIMEOUT", FailureReason::Timeout),
    ("NO_ROUTE", FailureReason::NoRoute),
    ("ERROR", FailureReason::Error),
    ("INCORRECT_PAYMENT_DETAILS", FailureReason::IncorrectPaymentDetails),
    ("INSUFFICIENT_BALANCE", FailureReason::InsufficientBalance),
    ("CANCELED", FailureReason::Canceled),
];

const ATTEMPT_FAILURES: [(&str, AttemptFailure); 4] = [
    ("UNKNOWN", AttemptFailure::Unknown),
    ("UNREADABLE", AttemptFailure::Unreadable),
    ("INTERNAL", AttemptFailure::Internal),
    ("MESSAGE", AttemptFailure::Message),
];

pub fn sum_of(attempt: &Value) -> Result<AttemptSum, String> {
    Ok(AttemptSum {
        state: named(&STATES, &attempt["state"])?,
        amount_msat: number_of(&attempt["amt_msat"])?,
        fee_msat: number_of(&attempt["fee_msat"])?,
    })
}

pub fn view_of(payment: &Payment) -> Value {
    let terminal = match rules::terminal(payment) {
        Terminal::None => json!({ "kind": "none" }),
        Terminal::Settled(attempt, settle) => json!({
            "kind": "settled",
            "attempt": attempt.request.key.id.0.to_string(),
            "preimage": hex_of(settle.preimage.expose()),
        }),
        Terminal::Failed(reason) => {
            json!({ "kind": "failed", "reason": name_of(&REASONS, reason) })
        }
    };
    json!({
        "status": status_name(payment.status),
        "amt_msat": payment.init.amount_msat,
        "created": payment.init.created_unix_ns / SECOND_NS,
        "failure_reason": payment.failure_reason.map(|reason| name_of(&REASONS, reason)),
        "attempts": payment.attempts.iter().map(attempt_view).collect::<Vec<_>>(),
        "state": state_view(&payment.state()),
        "terminal": terminal,
    })
}

pub fn state_view(state: &PaymentState) -> Value {
    json!({
        "in_flight": state.in_flight,
        "remaining_msat": state.remaining_msat,
        "fees_msat": state.fees_msat,
        "has_settled": state.has_settled,
        "payment_failed": state.payment_failed,
    })
}

fn attempt_view(attempt: &PaymentAttempt) -> Value {
    let request = &attempt.request;
    let mpp = request.mpp.as_ref();
    let amp = request.amp.as_ref();
    let mut view = json!({
        "id": request.key.id.0.to_string(),
        "state": name_of(&STATES, attempt.state()),
        "amt_msat": request.amount_msat,
        "fee_msat": request.fee_msat,
        "mpp": mpp.map(|mpp| json!({
            "addr": hex_of(&mpp.payment_address), "total_msat": mpp.total_msat,
        })),
        "amp": amp.map(|amp| json!({
            "set_id": hex_of(&amp.set_id), "child": amp.child_index,
        })),
        "blinded": request.blinded_total_msat.map(|total| json!({ "total_msat": total })),
        "attempt_hash": request.attempt_hash.map(|hash| hex_of(&hash.0)),
        "first_hop": first_hop_view(request),
        "preimage": null,
        "settle_time": null,
        "fail_reason": null,
        "fail_source": null,
        "fail_msg": null,
        "fail_time": null,
    });
    match &attempt.outcome {
        AttemptOutcome::InFlight => {}
        AttemptOutcome::Settled(settle) => {
            view["preimage"] = hex_of(settle.preimage.expose()).into();
            view["settle_time"] = (settle.settled_unix_ns / SECOND_NS).into();
        }
        AttemptOutcome::Failed(failure) => {
            let message = failure.message.expose();
            view["fail_reason"] = name_of(&ATTEMPT_FAILURES, failure.reason).into();
            view["fail_source"] = failure.source_index.into();
            view["fail_msg"] = (!message.is_empty()).then(|| hex_of(message)).into();
            view["fail_time"] = (failure.failed_unix_ns / SECOND_NS).into();
        }
    }
    view
}

/// The amount in its own field, everything else as the host's bytes: here their JSON text.
fn put_first_hop(request: &mut AttemptRequest, first_hop: &Value) -> Result<(), String> {
    let Some(entries) = first_hop.as_object() else { return Ok(()) };
    let mut entries = entries.clone();
    request.first_hop_amount_msat = match entries.remove("amt_msat") {
        Some(amount) => Some(number_of(&amount)?),
        None => None,
    };
    request.first_hop_records = RawMessage::new(Value::Object(entries).to_string());
    Ok(())
}

fn first_hop_view(request: &AttemptRequest) -> Value {
    let records = request.first_hop_records.expose();
    if records.is_empty() {
        return Value::Null;
    }
    let mut view: Value = serde_json::from_slice(records).expect("records as they were put");
    view["amt_msat"] = request.first_hop_amount_msat.into();
    view
}

pub fn init_of(step: &Value) -> Result<PaymentInit, String> {
    let mut request = PaymentInit::new(hash_of(&step["hash"])?, number_of(&step["amt_msat"])?);
    request.created_unix_ns = time_of(&step["created"])?;
    Ok(request)
}

pub fn attempt_of(step: &Value) -> Result<AttemptRequest, String> {
    let amount_msat = number_of(&step["amt_msat"])?;
    let mut request =
        AttemptRequest::new(key_of(step)?, amount_msat, number_of(&step["fee_msat"])?);
    if let mpp @ Value::Object(_) = &step["mpp"] {
        let total_msat = number_of(&mpp["total_msat"])?;
        request.mpp = Some(Mpp { payment_address: array_of(&mpp["addr"])?, total_msat });
    }
    if let amp @ Value::Object(_) = &step["amp"] {
        let child = number_of(&amp["child"])?;
        request.amp = Some(Amp {
            root_share: Secret::new([0; 32]),
            set_id: array_of(&amp["set_id"])?,
            child_index: child.try_into().map_err(|_| "the child is no index")?,
        });
    }
    if let blinded @ Value::Object(_) = &step["blinded"] {
        request.blinded_total_msat = Some(number_of(&blinded["total_msat"])?);
    }
    if !step["attempt_hash"].is_null() {
        request.attempt_hash = Some(PaymentHash(array_of(&step["attempt_hash"])?));
    }
    if !step["hops"].is_null() {
        let hops = number_of(&step["hops"])?;
        request.hop_count = hops.try_into().map_err(|_| "the hops are no count")?;
    }
    put_first_hop(&mut request, &step["first_hop"])?;
    Ok(request)
}

pub fn status_of(name: &Value) -> Result<PaymentStatus, String> {
    let place = STATUSES.iter().position(|known| name == known);
    let number = place.map_or(0, |place| place as u8 + 1);
    PaymentStatus::from_number(number).ok_or_else(|| Status::UnknownStatus.name().into())
}

pub fn status_name(status: PaymentStatus) -> &'static str {
    STATUSES[status as usize - 1]
}

fn named<T: Copy>(names: &[(&str, T)], name: &Value) -> Result<T, String> {
    let known = names.iter().find(|(known, _)| name == known);
    known.map(|(_, value)| *value).ok_or_else(|| format!("the name {name} is unknown"))
}

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: T) -> &'static str {
    names.iter().find(|(_, known)| *known == value).expect("every value has a name").0
}

pub fn reason_of(step: &Value) -> Result<FailureReason, String> {
    named(&REASONS, &step["reason"])
}

pub fn preimage_of(value: &Value) -> Result<Preimage, String> {
    array_of(value).map(Preimage::new)
}

pub fn hashes_of(payments: &[Payment]) -> Vec<String> {
    payments.iter().map(|payment| hex_of(&payment.hash().0)).collect()
}

pub fn key_of(step: &Value) -> Result<AttemptKey, String> {
    Ok(AttemptKey::new(Namespace::default(), decimal(&text_of(&step["id"])?)?))
}

pub fn hash_of(value: &Value) -> Result<PaymentHash, String> {
    array_of(value).map(PaymentHash)
}

pub fn list_of(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub fn text_of(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{value} is no text"))
}

pub fn decimal(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text:?} is no 64-bit decimal"))
}

pub fn number_of(value: &Value) -> Result<u64, String> {
    value.as_u64().ok_or_else(|| format!("{value} is no 64-bit number"))
}

/// Nanoseconds of a time in seconds, 0 without one.
fn time_of(value: &Value) -> Result<u64, String> {
    if value.is_null() {
        return Ok(0);
    }
    let secs = number_of(value)?;
    secs.checked_mul(SECOND_NS).ok_or_else(|| format!("{secs} s have too many nanoseconds"))
}

fn bytes_of(value: &Value) -> Result<Vec<u8>, String> {
    let text = text_of(value)?;
    let byte = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    bytes.ok_or_else(|| format!("{value} is no hex"))
}

fn array_of(value: &Value) -> Result<[u8; 32], String> {
    bytes_of(value)?.try_into().map_err(|_| format!("{value} is not 32 bytes"))
}

pub fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn strictness_of(step: &Value) -> Strictness {
    let refuse_repeat = step["idempotent"] != true;
    Strictness { refuse_repeat, ..Strictness::FIRST_RESULT_ONLY }
}

pub fn retain_of(step: &Value) -> Retain {
    if step["retain"] == "tombstone" { Retain::Tombstone } else { Retain::Forget }
}

pub fn settle_of(step: &Value) -> Result<Settle, String> {
    let preimage = preimage_of(&step["preimage"])?;
    Ok(Settle { preimage, settled_unix_ns: time_of(&step["time"])? })
}

pub fn failure_of(step: &Value) -> Result<Failure, String> {
    let source = if step["source"].is_null() { 0 } else { number_of(&step["source"])? };
    let message = if step["msg"].is_null() { Vec::new() } else { bytes_of(&step["msg"])? };
    Ok(Failure {
        reason: named(&ATTEMPT_FAILURES, &step["reason"])?,
        source_index: source.try_into().map_err(|_| "the source is no index of a hop")?,
        message: RawMessage::new(message),
        failed_unix_ns: time_of(&step["time"])?,
    })
}

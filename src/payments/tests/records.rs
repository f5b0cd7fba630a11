//! Bytes of payments: golden encodings after docs/format.md, round trips, and damage that never panics.

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::super::record::*;
use super::*;

// No memory is short here.

fn encode_details(init: &PaymentInit) -> Vec<u8> {
    record::encode_details(init).unwrap()
}

fn decode_details(head: &Head, body: &[u8]) -> Option<PaymentInit> {
    record::decode_details(head, body).unwrap()
}

fn encode_attempt(attempt: &PaymentAttempt) -> Vec<u8> {
    record::encode_attempt(attempt).unwrap()
}

fn decode_attempt(key: AttemptKey, body: &[u8]) -> Option<PaymentAttempt> {
    record::decode_attempt(key, body).unwrap()
}

fn encode_outcome(attempt: &PaymentAttempt) -> Option<Vec<u8>> {
    record::encode_outcome(attempt).unwrap()
}

fn decode_outcome(attempt: &mut PaymentAttempt, body: &[u8]) -> bool {
    record::decode_outcome(attempt, body).unwrap()
}

/// Bytes of a drawing: pairs of hex digits, and `n*xx` for a byte that stands n times.
fn bytes(drawing: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in drawing.split_whitespace() {
        let (times, digits) = word.split_once('*').unwrap_or(("1", word));
        let times: usize = times.parse().unwrap();
        let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let parsed: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        bytes.extend(parsed.repeat(times));
    }
    bytes
}

/// A payment with every field set: one attempt in flight, one settled late, one failed by force.
fn full() -> Payment {
    let mut init = PaymentInit::new(PaymentHash([0xaa; 32]), 1_000);
    init.created_unix_ns = 2;
    init.idempotency_key = vec![1, 2];
    init.payment_request = RawMessage::new(vec![3]);
    init.first_hop_records = RawMessage::new(vec![4, 5]);
    init.intent = Some(Intent {
        deadline_unix_ns: 6,
        fee_limit_msat: 7,
        destination: Some([8; 33]),
        amp_root_share: Some(Secret::new([9; 32])),
        data: RawMessage::new(vec![10]),
    });
    let mut payment = super::super::rules::new_payment(&init, 0x0102, 0);
    payment.revision = 11;
    payment.updated_unix_ms = 12;
    payment.marks = Marks(Marks::LATE_SETTLE | Marks::FORCED);
    payment.failure_reason = Some(FailureReason::Canceled);
    payment.first_failure_reason = Some(FailureReason::Timeout);
    payment.attempts = vec![full_attempt(), settled_late(), forced()];
    payment.status = super::super::rules::status_of(&payment);
    payment
}

fn full_attempt() -> PaymentAttempt {
    let request = AttemptRequest {
        key: AttemptKey::new(Namespace([0xee; 16]), 0x0304),
        amount_msat: 1,
        fee_msat: 2,
        attempt_hash: Some(PaymentHash([0xbb; 32])),
        mpp: Some(Mpp { payment_address: [0xcc; 32], total_msat: 3 }),
        amp: Some(Amp { root_share: Secret::new([0xdd; 32]), set_id: [0xee; 32], child_index: 4 }),
        blinded_total_msat: Some(5),
        hop_count: 6,
        first_hop_scid: 7,
        first_hop_amount_msat: Some(8),
        cltv_expiry: 9,
        sent_unix_ns: 10,
        route: RawMessage::new(vec![11]),
        session_key: RawMessage::new(vec![12, 13]),
        first_hop_records: RawMessage::new(vec![14]),
    };
    let (marks, outcome) = (Marks(Marks::TRACKED), AttemptOutcome::InFlight);
    PaymentAttempt { request, marks, outcome, note: RawMessage::default() }
}

fn settled_late() -> PaymentAttempt {
    let settle = Settle { preimage: Preimage::new([0xff; 32]), settled_unix_ns: 1 };
    PaymentAttempt {
        request: AttemptRequest::new(AttemptKey::new(Namespace([0xee; 16]), 0x0305), 1, 0),
        marks: Marks(Marks::TRACKED | Marks::LATE_SETTLE),
        outcome: AttemptOutcome::Settled(settle),
        note: RawMessage::default(),
    }
}

fn forced() -> PaymentAttempt {
    let failure = Failure {
        reason: AttemptFailure::Internal,
        source_index: 2,
        message: RawMessage::new(vec![3]),
        failed_unix_ns: 4,
    };
    PaymentAttempt {
        request: AttemptRequest::new(AttemptKey::new(Namespace([0xee; 16]), 0x0306), 1, 0),
        marks: Marks(Marks::FORCED),
        outcome: AttemptOutcome::Failed(failure),
        note: RawMessage::new(vec![5, 6]),
    }
}

#[test]
fn a_head_on_disk() {
    let golden = bytes(
        "02 06 06 01  01000000 01000000 01000000  32*aa
         e803000000000000  0200000000000000  0c00000000000000  0b00000000000000",
    );
    assert_eq!(Head::of(&full()).encode()[..], golden);
    assert_eq!(golden.len(), Head::BYTES);
}

#[test]
fn details_on_disk() {
    let golden = bytes(
        "02000000 0102  01000000 03  02000000 0405  01
         0600000000000000  0700000000000000  01 33*08  01 32*09  01000000 0a",
    );
    assert_eq!(encode_details(&full().init), golden);
    let nothing = PaymentInit::new(PaymentHash([0; 32]), 0);
    assert_eq!(encode_details(&nothing), bytes("13*00"));
    let intent = PaymentInit { intent: Some(Intent::default()), ..nothing };
    assert_eq!(encode_details(&intent), bytes("12*00 01 22*00"));
}

#[test]
fn attempts_on_disk() {
    let golden = bytes(
        "01 0100000000000000 0200000000000000 0700000000000000 0a00000000000000 06000000 09000000
         01 32*bb  01 32*cc 0300000000000000  01 32*ee 32*dd 04000000
         01 0500000000000000  01 0800000000000000  01000000 0b  02000000 0c0d  01000000 0e",
    );
    assert_eq!(encode_attempt(&full_attempt()), golden);
    let nothing = AttemptRequest { hop_count: 0, ..AttemptRequest::new(key(0), 0, 0) };
    let nothing = PaymentAttempt { request: nothing, marks: Marks::default(), ..full_attempt() };
    assert_eq!(encode_attempt(&nothing), bytes("58*00"));
}

#[test]
fn outcomes_on_disk() {
    let settle = bytes("02 02 0100000000000000 32*ff 00000000");
    let failure = bytes("03 04 0400000000000000 03 02000000 01000000 03 02000000 0506");
    assert_eq!(encode_outcome(&settled_late()), Some(settle));
    assert_eq!(encode_outcome(&forced()), Some(failure));
    assert_eq!(encode_outcome(&full_attempt()), None);
}

#[test]
fn rows_of_hashes_and_keys_on_disk() {
    assert_eq!(HashRow::Live(0x0102).encode()[..], bytes("01 0201000000000000"));
    let paid = HashRow::Tombstone { quarantined: false, unix_ms: 3 };
    let burned = HashRow::Tombstone { quarantined: true, unix_ms: 3 };
    assert_eq!(paid.encode()[..], bytes("02 0300000000000000"));
    assert_eq!(burned.encode()[..], bytes("03 0300000000000000"));
    let row = KeyRow { hash: PaymentHash([0xaa; 32]), sequence: 1, unix_ms: 2 };
    assert_eq!(row.encode()[..], bytes("32*aa 0100000000000000 0200000000000000"));
    assert_eq!(HashRow::decode(&bytes("00 0201000000000000")), None);
    assert_eq!(HashRow::decode(&bytes("04 0201000000000000")), None);
}

#[test]
fn keys_grow_by_sequence_then_id_and_find_their_way_back() {
    let attempt = full_attempt().request.key;
    let row = attempt_row_key(0x0102, attempt);
    assert_eq!(row[..], bytes("0000000000000102 0000000000000304 16*ee"));
    assert_eq!(decode_attempt_row_key(&row), Some((0x0102, attempt)));
    assert_eq!(decode_attempt_row_key(&row[..31]), None);
    assert_eq!(id_row_key(0x0102, attempt)[..], bytes("16*ee 0000000000000304 0000000000000102"));
    assert!(attempt_row_key(1, key(u64::MAX)) < attempt_row_key(2, key(0)));
    assert!(attempt_row_key(1, key(255)) < attempt_row_key(1, key(256)));
}

/// Whether a whole body reads back, and no prefix and no longer one does.
fn assert_exact<T: PartialEq + std::fmt::Debug>(
    body: &[u8],
    value: T,
    decode: impl Fn(&[u8]) -> Option<T>,
) {
    assert_eq!(decode(body).as_ref(), Some(&value));
    for length in 0..body.len() {
        assert_eq!(decode(&body[..length]), None, "{length} of {} bytes", body.len());
    }
    let longer = [body, &[0]].concat();
    assert_eq!(decode(&longer), None);
}

#[test]
fn every_row_reads_back_whole_or_not_at_all() {
    let payment = full();
    let head = Head::of(&payment);
    assert_exact(&head.encode(), head, Head::decode);
    let details = |body: &[u8]| decode_details(&head, body);
    assert_exact(&encode_details(&payment.init), payment.init.clone(), details);
    for attempt in [full_attempt(), settled_late(), forced()] {
        let key = attempt.request.key;
        let registered = PaymentAttempt {
            marks: Marks(attempt.marks.0 & Marks::TRACKED),
            outcome: AttemptOutcome::InFlight,
            note: RawMessage::default(),
            ..attempt.clone()
        };
        let body = encode_attempt(&attempt);
        assert_exact(&body, registered.clone(), |body| decode_attempt(key, body));
        let Some(outcome) = encode_outcome(&attempt) else { continue };
        assert_exact(&outcome, attempt.clone(), |body| {
            let mut read = registered.clone();
            decode_outcome(&mut read, body).then_some(read)
        });
        assert_exact(&outcome, attempt.state(), decode_state);
    }
    let assembled =
        assemble(payment.sequence, &head, payment.init.clone(), payment.attempts.clone());
    assert_eq!(assembled, Some(payment));
}

#[test]
fn a_payment_is_assembled_only_of_the_rows_its_head_counts() {
    let payment = full();
    let head = Head::of(&payment);
    let with = |head: &Head, attempts: &[PaymentAttempt]| {
        assemble(payment.sequence, head, payment.init.clone(), attempts.to_vec())
    };
    assert!(with(&head, &payment.attempts).is_some());
    assert_eq!(with(&head, &payment.attempts[..2]), None);
    let in_flight = PaymentAttempt { outcome: AttemptOutcome::InFlight, ..forced() };
    assert_eq!(with(&head, &[full_attempt(), settled_late(), in_flight]), None);
    let other_hash = Head { hash: PaymentHash([1; 32]), ..head };
    assert_eq!(with(&other_hash, &payment.attempts), None);
}

#[test]
fn numbers_that_mean_nothing_are_damage() {
    let body = Head::of(&full()).encode();
    for (place, number) in [(0, 0), (0, 5), (2, 7), (3, 7)] {
        let mut damaged = body;
        damaged[place] = number;
        assert_eq!(Head::decode(&damaged), None, "byte {place} is {number}");
    }
    let damaged = |body: &[u8], place: usize, number: u8| {
        let mut body = body.to_vec();
        body[place] = number;
        body
    };
    let decode = |attempt: &PaymentAttempt, body: &[u8]| decode_outcome(&mut attempt.clone(), body);
    let failure = encode_outcome(&forced()).unwrap();
    assert!(decode(&full_attempt(), &failure));
    for (place, number) in [(0, 0), (0, 1), (0, 4), (1, Marks::TRACKED), (10, 0), (10, 5)] {
        assert!(!decode(&full_attempt(), &damaged(&failure, place, number)), "{place}: {number}");
    }
    let attempt = encode_attempt(&full_attempt());
    let read = |body: &[u8]| decode_attempt(full_attempt().request.key, body).is_some();
    assert!(read(&attempt));
    for (place, number) in [(0, 2), (0, Marks::FORCED), (41, 2), (41, 0xff)] {
        assert!(!read(&damaged(&attempt, place, number)), "{place}: {number}");
    }
}

#[test]
fn lengths_above_the_limits_are_damage_before_they_are_read() {
    let long = |bytes: usize| RawMessage::new(vec![0; bytes]);
    let head = Head::of(&full());
    let details = |change: &dyn Fn(&mut PaymentInit)| {
        let mut init = full().init;
        change(&mut init);
        decode_details(&head, &encode_details(&init)).is_some()
    };
    use crate::limits::SESSION_KEY_BYTES_MAX;
    use crate::limits::{IDEMPOTENCY_KEY_BYTES_MAX, MESSAGE_BYTES_MAX, NOTE_BYTES_MAX};
    assert!(details(&|init| init.payment_request = long(MESSAGE_BYTES_MAX)));
    assert!(!details(&|init| init.payment_request = long(MESSAGE_BYTES_MAX + 1)));
    assert!(details(&|init| init.idempotency_key = vec![0; IDEMPOTENCY_KEY_BYTES_MAX]));
    assert!(!details(&|init| init.idempotency_key = vec![0; IDEMPOTENCY_KEY_BYTES_MAX + 1]));
    let attempt = |bytes| {
        let mut attempt = full_attempt();
        attempt.request.session_key = long(bytes);
        decode_attempt(attempt.request.key, &encode_attempt(&attempt)).is_some()
    };
    assert!(attempt(SESSION_KEY_BYTES_MAX) && !attempt(SESSION_KEY_BYTES_MAX + 1));
    let note = |bytes| {
        let attempt = PaymentAttempt { note: long(bytes), ..forced() };
        decode_outcome(&mut attempt.clone(), &encode_outcome(&attempt).unwrap())
    };
    assert!(note(NOTE_BYTES_MAX) && !note(NOTE_BYTES_MAX + 1));
}

#[test]
fn secrets_of_a_payment_never_show_in_debug() {
    let shown = format!("{:?}", full());
    // Preimage, root shares, payment address, invoice: nobody's log may hold them.
    for secret in ["255, 255", "ffff", "9, 9, 9", "0909", "221, 221", "dddd", "204, 204", "cccc"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    // What is hidden is named, or nobody would miss it.
    for name in ["Secret(..)", "Mpp { total_msat: ", "RawMessage("] {
        assert!(shown.contains(name), "no {name} in {shown}");
    }
}

#[test]
fn debug_of_payments_shows_their_options() {
    let text = format!("{:?}", World::new().open().payments);
    assert!(text.starts_with("Payments { options: PaymentsOptions {"), "{text}");
}

/// Bytes that begin like a row, so that decoding gets somewhere.
fn like(row: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = row.len();
    let edits = vec((0..length, any::<u8>()), 0..6);
    (edits, 0..=length, vec(any::<u8>(), 0..40)).prop_map(move |(edits, keep, tail)| {
        let mut bytes = row.clone();
        edits.into_iter().for_each(|(place, byte)| bytes[place] = byte);
        bytes.truncate(keep);
        bytes.extend(tail);
        bytes
    })
}

/// Rows at random, and rows with a few bytes changed, cut and continued.
fn bodies(row: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    proptest::prop_oneof![vec(any::<u8>(), 0..200), like(row)]
}

proptest! {
    #[test]
    fn any_bytes_are_a_head_that_encodes_to_them_or_none(
        body in bodies(Head::of(&full()).encode().to_vec()),
    ) {
        if let Some(head) = Head::decode(&body) {
            prop_assert_eq!(&head.encode()[..], &body[..]);
        }
        if let Some(row) = HashRow::decode(&body) {
            prop_assert_eq!(&row.encode()[..], &body[..]);
        }
        if let Some(row) = KeyRow::decode(&body) {
            prop_assert_eq!(&row.encode()[..], &body[..]);
        }
        decode_attempt_row_key(&body).map(|(sequence, key)| attempt_row_key(sequence, key));
    }

    #[test]
    fn any_bytes_are_details_that_encode_to_them_or_none(
        body in bodies(encode_details(&full().init)),
    ) {
        if let Some(init) = decode_details(&Head::of(&full()), &body) {
            prop_assert_eq!(encode_details(&init), body);
        }
    }

    #[test]
    fn any_bytes_are_an_attempt_that_encodes_to_them_or_none(
        body in bodies(encode_attempt(&full_attempt())),
    ) {
        if let Some(attempt) = decode_attempt(full_attempt().request.key, &body) {
            prop_assert_eq!(encode_attempt(&attempt), body);
        }
    }

    #[test]
    fn any_bytes_are_an_outcome_that_encodes_to_them_or_none(
        body in bodies(encode_outcome(&forced()).unwrap()),
        settled in bodies(encode_outcome(&settled_late()).unwrap()),
    ) {
        for body in [body, settled] {
            let mut attempt = full_attempt();
            if decode_outcome(&mut attempt, &body) {
                prop_assert!(attempt.state() != AttemptState::InFlight);
                prop_assert_eq!(encode_outcome(&attempt), Some(body));
            }
        }
    }
}

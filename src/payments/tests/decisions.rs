//! The tables of the specification, row by row, and what the tables alone do not say.

use super::super::rules::*;
use super::*;

use AttemptState::{Failed as AttemptFailed, InFlight as Out, Settled as Paid};

fn attempt(request: AttemptRequest, state: AttemptState, byte: u8) -> PaymentAttempt {
    let outcome = match state {
        AttemptState::InFlight => AttemptOutcome::InFlight,
        AttemptState::Settled => AttemptOutcome::Settled(settled(byte)),
        AttemptState::Failed => AttemptOutcome::Failed(failure()),
    };
    PaymentAttempt { request, marks: Marks::default(), outcome, note: RawMessage::default() }
}

/// A payment of 1,000 msat with these attempts.
fn payment(attempts: &[(AttemptRequest, AttemptState)], reason: bool) -> Payment {
    let mut payment = new_payment(&PaymentInit::new(hash(1), 1_000), 1, 0);
    let attempts = attempts.iter().map(|(request, state)| attempt(request.clone(), *state, 1));
    payment.attempts = attempts.collect();
    payment.failure_reason = reason.then_some(FailureReason::Error);
    payment.status = status_of(&payment);
    payment
}

#[test]
fn the_sixteen_rows_of_a_status() {
    // In flight, settled, failed, reason.
    const ROWS: &str = "
        .... Initiated   ...r Failed     ..f. InFlight   ..fr Failed
        .s.. Succeeded   .s.r Succeeded  .sf. Succeeded  .sfr Succeeded
        i... InFlight    i..r InFlight   i.f. InFlight   i.fr InFlight
        is.. InFlight    is.r InFlight   isf. InFlight   isfr InFlight";
    let words: Vec<_> = ROWS.split_whitespace().collect();
    assert_eq!(words.len(), 32);
    for row in words.chunks(2) {
        let has = |letter| row[0].contains(letter);
        let status = decide_status(has('i'), has('s'), has('f'), has('r'));
        assert_eq!(format!("{status:?}"), row[1], "{}", row[0]);
        let states = [('i', Out), ('s', Paid), ('f', AttemptFailed)];
        let attempts: Vec<_> = states
            .into_iter()
            .filter(|(letter, _)| has(*letter))
            .map(|(_, state)| (part(state as u64, 100, 1_000), state))
            .collect();
        assert_eq!(status_of(&payment(&attempts, has('r'))), status, "{}", row[0]);
    }
}

fn told<T>(answer: Result<T>) -> &'static str {
    answer.map_or_else(|error| error.status().name(), |_| "ok")
}

#[test]
fn what_each_status_allows() {
    const ROWS: &str = "
        Initiated PAYMENT_EXISTS    ok                        ok
        InFlight  PAYMENT_IN_FLIGHT ok                        PAYMENT_IN_FLIGHT
        Succeeded ALREADY_PAID      PAYMENT_ALREADY_SUCCEEDED ok
        Failed    ok                PAYMENT_ALREADY_FAILED    ok";
    let words: Vec<_> = ROWS.split_whitespace().collect();
    assert_eq!(words.len(), 4 * PaymentStatus::ALL.len());
    let rows = PaymentStatus::ALL.iter().map(|status| {
        let answers =
            [told(may_init(*status)), told(may_update(*status)), told(may_remove(*status))];
        (format!("{status:?}"), answers)
    });
    for ((status, answers), row) in rows.zip(words.chunks(4)) {
        assert_eq!((status.as_str(), &answers[..]), (row[0], &row[1..]));
    }
}

#[test]
fn the_senders_loop_as_a_table() {
    // Status, what remains, settled flag, failed flag: may register, should make more, must wait.
    const ROWS: &str = "
        Initiated 1 . . ok                        true             false
        Initiated 0 . . ok                        PAYMENT_INTERNAL PAYMENT_INTERNAL
        InFlight  1 . . ok                        true             false
        InFlight  1 s . PAYMENT_PENDING_SETTLED   false            true
        InFlight  1 . f PAYMENT_PENDING_FAILED    false            true
        InFlight  1 s f PAYMENT_PENDING_SETTLED   false            true
        InFlight  0 . . ok                        false            true
        InFlight  0 s . PAYMENT_PENDING_SETTLED   false            true
        InFlight  0 . f PAYMENT_PENDING_FAILED    false            true
        Succeeded 1 s . PAYMENT_ALREADY_SUCCEEDED PAYMENT_INTERNAL PAYMENT_INTERNAL
        Succeeded 0 s . PAYMENT_ALREADY_SUCCEEDED false            false
        Failed    1 . f PAYMENT_ALREADY_FAILED    false            false
        Failed    0 . f PAYMENT_ALREADY_FAILED    false            PAYMENT_INTERNAL";
    let yes_or_no = |answer: Result<bool>| match answer {
        Ok(yes) => yes.to_string(),
        Err(error) => error.status().name().to_owned(),
    };
    for row in ROWS.lines().skip(1) {
        let cells: Vec<_> = row.split_whitespace().collect();
        let named = |status: &&PaymentStatus| format!("{status:?}") == cells[0];
        let status = *PaymentStatus::ALL.iter().find(named).unwrap();
        let remaining = cells[1].parse().unwrap();
        let (settled, failed) = (cells[2] == "s", cells[3] == "f");
        assert_eq!(told(can_register(status, settled, failed)), cells[4], "{row}");
        assert_eq!(yes_or_no(allow_more(status, remaining, settled, failed)), cells[5], "{row}");
        assert_eq!(yes_or_no(need_wait(status, remaining, settled, failed)), cells[6], "{row}");
    }
}

fn verified(others: &[AttemptRequest], new: &AttemptRequest) -> Status {
    let attempts: Vec<_> = others.iter().map(|other| (other.clone(), Out)).collect();
    let answer = verify_attempt(&payment(&attempts, false), new, Checks::default());
    answer.map_or_else(|error| error.status(), |()| Status::Done)
}

fn blinded(id: u64, amount_msat: u64, total_msat: u64) -> AttemptRequest {
    AttemptRequest { blinded_total_msat: Some(total_msat), ..whole(id, amount_msat) }
}

#[test]
fn a_new_attempt_is_checked_in_the_order_of_the_specification() {
    let other_address = AttemptRequest {
        mpp: Some(Mpp { payment_address: [2; 32], total_msat: 7 }),
        ..part(9, 1, 7)
    };
    let both = |total| AttemptRequest { blinded_total_msat: Some(total), ..part(9, 5_000, 7) };
    // Each new attempt also breaks every rule after the one that refuses it.
    let rows = [
        (vec![part(1, 100, 1_000)], both(0), Status::BlindedMissingTotal),
        (vec![part(1, 100, 1_000)], both(7), Status::MppRecordInBlinded),
        (vec![part(1, 100, 1_000)], blinded(9, 5_000, 7), Status::MppRecordInBlinded),
        (vec![whole(1, 1_000)], blinded(9, 5_000, 7), Status::MixedBlinded),
        (vec![blinded(1, 100, 1_000)], part(9, 5_000, 7), Status::MixedBlinded),
        (vec![blinded(1, 100, 1_000)], blinded(9, 5_000, 7), Status::BlindedTotalMismatch),
        (vec![part(1, 100, 1_000)], whole(9, 5_000), Status::MppPayment),
        (vec![whole(1, 1_000)], part(9, 5_000, 7), Status::NonMppPayment),
        (vec![part(1, 100, 1_000)], other_address, Status::MppAddrMismatch),
        (vec![part(1, 100, 1_000)], part(9, 5_000, 7), Status::MppTotalMismatch),
        (vec![], whole(9, 5_000), Status::ValueMismatch),
        (vec![], whole(9, 999), Status::ValueMismatch),
        (vec![part(1, 100, 1_000)], part(9, 901, 1_000), Status::ValueExceeds),
        (vec![blinded(1, 100, 1_000)], blinded(9, 901, 1_000), Status::ValueExceeds),
        (vec![part(1, 100, 1_000)], part(9, 900, 1_000), Status::Done),
        (vec![blinded(1, 100, 1_000)], blinded(9, 900, 1_000), Status::Done),
        (vec![], whole(9, 1_000), Status::Done),
    ];
    for (others, new, expected) in rows {
        assert_eq!(verified(&others, &new), expected, "{others:?} and {new:?}");
    }
}

#[test]
fn only_attempts_in_flight_are_compared_and_only_failed_ones_do_not_count() {
    let new = part(9, 600, 1_000);
    let beside = |state| {
        let payment = payment(&[(blinded(1, 500, 1_000), state)], false);
        told(verify_attempt(&payment, &new, Checks::default()))
    };
    assert_eq!(beside(Out), "MIXED_BLINDED");
    assert_eq!(beside(Paid), "VALUE_EXCEEDS");
    assert_eq!(beside(AttemptFailed), "ok");
}

#[test]
fn amounts_that_would_wrap_exceed() {
    let mut payment = payment(&[(part(1, 1, 1_000), Out)], false);
    payment.init.amount_msat = u64::MAX;
    let mut new = part(9, u64::MAX, 1_000);
    assert_eq!(told(verify_attempt(&payment, &new, Checks::default())), "VALUE_EXCEEDS");
    new.amount_msat = u64::MAX - 1;
    assert_eq!(told(verify_attempt(&payment, &new, Checks::default())), "ok");
    let sum = |state, amount_msat| AttemptSum { state, amount_msat, fee_msat: u64::MAX };
    let wraps = [sum(Out, u64::MAX), sum(Paid, 2)];
    assert_eq!(refusal(compute_state(u64::MAX, &wraps, false)), Status::SentExceedsTotal);
    assert_eq!(refusal(compute_state(4, &[sum(Out, 5)], false)), Status::SentExceedsTotal);
    let state =
        compute_state(7, &[sum(Out, 3), sum(Paid, 4), sum(AttemptFailed, 9)], true).unwrap();
    assert_eq!((state.in_flight, state.remaining_msat, state.fees_msat), (1, 0, u64::MAX));
    assert!(state.has_settled && !state.payment_failed);
    assert!(compute_state(7, &[], true).unwrap().payment_failed);
}

#[test]
fn totals_are_compared_with_the_amount_only_when_asked_for() {
    let totals = Checks { totals: true };
    let amp = |set: u8| {
        let root_share = Secret::new([0; 32]);
        Some(Amp { root_share, set_id: [set; 32], child_index: 0 })
    };
    let in_set = |id, set| AttemptRequest { amp: amp(set), ..part(id, 100, 1_000) };
    let rows = [
        (vec![], part(9, 100, 999), "MPP_TOTAL_MISMATCH"),
        (vec![], blinded(9, 100, 999), "BLINDED_TOTAL_MISMATCH"),
        (vec![(in_set(1, 1), Out)], in_set(9, 2), "MPP_ADDR_MISMATCH"),
        (vec![(in_set(1, 1), Out)], part(9, 100, 1_000), "MPP_ADDR_MISMATCH"),
        (vec![(in_set(1, 1), AttemptFailed)], in_set(9, 2), "ok"),
        (vec![(in_set(1, 1), Out)], in_set(9, 1), "ok"),
    ];
    for (others, new, expected) in rows {
        let payment = payment(&others, false);
        assert_eq!(told(verify_attempt(&payment, &new, totals)), expected, "{new:?}");
        assert_eq!(told(verify_attempt(&payment, &new, Checks::default())), "ok", "{new:?}");
    }
}

#[test]
fn registering_looks_at_the_status_then_the_route_then_the_id() {
    let register = |payment: &Payment, new: &AttemptRequest, taken| {
        let decision = register(Profile::Strict, payment, new, false, taken, Checks::default());
        match decision {
            Ok(Decision::Repeat(status)) => status.name(),
            other => told(other),
        }
    };
    let no_hop = |id| AttemptRequest { hop_count: 0, ..whole(id, 5) };
    let settled = payment(&[(part(1, 100, 1_000), Paid), (part(2, 100, 1_000), Out)], true);
    let given_up = payment(&[(part(2, 100, 1_000), Out)], true);
    let open = payment(&[(part(2, 100, 1_000), Out)], false);
    assert_eq!(register(&settled, &no_hop(1), true), "PAYMENT_PENDING_SETTLED");
    assert_eq!(register(&given_up, &no_hop(1), true), "PAYMENT_PENDING_FAILED");
    assert_eq!(register(&open, &no_hop(1), true), "INVALID_ROUTE");
    assert_eq!(register(&open, &whole(1, 5), true), "ATTEMPT_ID_EXISTS");
    assert_eq!(register(&open, &part(2, 101, 1_000), false), "ATTEMPT_ID_EXISTS");
    assert_eq!(register(&open, &part(2, 100, 1_000), false), "ALREADY_EXISTS");
    assert_eq!(register(&open, &part(3, 900, 1_000), false), "ok");
}

fn settle_of(payment: &Payment, byte: u8, strictness: Strictness) -> Result<Decision> {
    settle(Profile::Strict, payment, key(1), &settled(byte), strictness)
}

/// The state that a decision leads to, or the status of a repeat or a refusal.
fn leads_to(decision: Result<Decision>) -> String {
    match decision {
        Ok(Decision::Attempt(attempt, kind)) => format!("{:?} {kind:?}", attempt.state()),
        Ok(Decision::GiveUp(reason, kind)) => format!("{reason:?} {}", kind.is_some()),
        Ok(Decision::Repeat(status)) => status.name().to_owned(),
        Err(error) => error.status().name().to_owned(),
    }
}

#[test]
fn the_result_of_an_attempt_by_what_is_stored_and_how_strict_the_caller_is() {
    const ROWS: &str = "
        stored         settle            settle_strictly      fail                 fail_strictly
        none           NOT_FOUND         NOT_FOUND            NOT_FOUND            NOT_FOUND
        out            settles           settles              fails                fails
        paid           ALREADY           PAYMENT_SUCCEEDED    PAYMENT_SUCCEEDED    PAYMENT_SUCCEEDED
        paid+out       ALREADY           ATTEMPT_SETTLED      ATTEMPT_SETTLED      ATTEMPT_SETTLED
        failed         late              ATTEMPT_FAILED       ALREADY              ATTEMPT_FAILED
        failed+reason  late              PAYMENT_FAILED       ALREADY              PAYMENT_FAILED
        failed+paid    late              PAYMENT_SUCCEEDED    ALREADY              PAYMENT_SUCCEEDED";
    let short = |told: String| match told.as_str() {
        "Settled PaymentAttemptSettled" => "settles".to_owned(),
        "Settled PaymentLateSettle" => "late".to_owned(),
        "Failed PaymentAttemptFailed" => "fails".to_owned(),
        "ATTEMPT_NOT_FOUND" => "NOT_FOUND".to_owned(),
        told => told.replace("_ALREADY", ""),
    };
    for row in ROWS.lines().skip(2) {
        let cells: Vec<_> = row.split_whitespace().collect();
        let first = match cells[0].split('+').next().unwrap() {
            "out" => Some(Out),
            "paid" => Some(Paid),
            "failed" => Some(AttemptFailed),
            _ => None,
        };
        let second = if cells[0].ends_with("+out") { Some(Out) } else { None };
        let second = if cells[0].ends_with("+paid") { Some(Paid) } else { second };
        let attempts = [(1, first), (2, second)].into_iter();
        let attempts: Vec<_> =
            attempts.filter_map(|(id, state)| Some((part(id, 100, 1_000), state?))).collect();
        let payment = payment(&attempts, cells[0].ends_with("+reason"));
        let strictly = Strictness::FIRST_RESULT_ONLY;
        let fail = |strictness| fail_attempt(&payment, key(1), &failure(), strictness);
        let answers = [
            leads_to(settle_of(&payment, 1, Strictness::default())),
            leads_to(settle_of(&payment, 1, strictly)),
            leads_to(fail(Strictness::default())),
            leads_to(fail(strictly)),
        ];
        assert_eq!(answers.map(short)[..], cells[1..], "{row}");
    }
}

#[test]
fn a_repeat_is_the_same_result_at_whatever_time() {
    let paid = payment(&[(part(1, 100, 1_000), Paid), (part(2, 100, 1_000), Out)], false);
    let later = Settle { settled_unix_ns: 6, ..settled(1) };
    let told = |settle: &Settle| {
        leads_to(super::super::rules::settle(
            Profile::Strict,
            &paid,
            key(1),
            settle,
            Strictness::default(),
        ))
    };
    assert_eq!(told(&later), "ALREADY");
    assert_eq!(told(&settled(2)), "ATTEMPT_ALREADY_SETTLED");
    let failed = payment(&[(part(1, 100, 1_000), AttemptFailed)], false);
    let told =
        |failure: &Failure| leads_to(fail_attempt(&failed, key(1), failure, Strictness::default()));
    assert_eq!(told(&Failure { failed_unix_ns: 6, ..failure() }), "ALREADY");
    let others = [
        Failure { source_index: 1, ..failure() },
        Failure { reason: AttemptFailure::Internal, ..failure() },
        Failure { message: RawMessage::new(vec![8]), ..failure() },
    ];
    for other in others {
        assert_eq!(told(&other), "ATTEMPT_ALREADY_FAILED", "{other:?}");
    }
}

#[test]
fn a_settle_needs_the_preimage_of_the_attempts_own_hash() {
    let own = AttemptRequest { attempt_hash: Some(hash(2)), ..part(1, 100, 1_000) };
    for state in [Out, AttemptFailed] {
        let plain = payment(&[(part(1, 100, 1_000), state)], false);
        assert_eq!(refusal(settle_of(&plain, 2, Strictness::default())), Status::BadPreimage);
        assert!(settle_of(&plain, 1, Strictness::default()).is_ok());
        let amp = payment(&[(own.clone(), state)], false);
        assert_eq!(refusal(settle_of(&amp, 1, Strictness::default())), Status::BadPreimage);
        assert!(settle_of(&amp, 2, Strictness::default()).is_ok());
    }
    // lnd looks at no preimage, but what undoes a failure is money that moved: that is always proved.
    let lnd = |state| {
        let payment = payment(&[(part(1, 100, 1_000), state)], false);
        leads_to(settle(Profile::Lnd, &payment, key(1), &settled(2), Strictness::default()))
    };
    assert_eq!(lnd(Out), "Settled PaymentAttemptSettled");
    assert_eq!(lnd(AttemptFailed), "BAD_PREIMAGE");
}

#[test]
fn a_late_settle_makes_a_failed_payment_succeed_and_keeps_its_reasons() {
    let failed =
        payment(&[(part(1, 600, 1_000), AttemptFailed), (part(2, 600, 1_000), Paid)], true);
    let decision = settle_of(&failed, 1, Strictness::default()).unwrap();
    let after = decided(failed.clone(), decision, 9);
    assert_eq!(after.status, PaymentStatus::Succeeded);
    assert_eq!(after.failure_reason, Some(FailureReason::Error));
    assert!(after.marks.has(Marks::LATE_SETTLE));
    assert!(after.attempts[0].marks.has(Marks::LATE_SETTLE));
    assert_eq!((after.revision, after.updated_unix_ms), (failed.revision + 1, 9));
    // Both parts were paid after all: more than the amount, and nothing remains.
    assert_eq!(after.state().remaining_msat, 0);
}

#[test]
fn giving_up_by_status_and_by_whose_rules_hold() {
    let at = |states: &[AttemptState], reason| {
        let attempts = states.iter().map(|state| (part(*state as u64, 100, 1_000), *state));
        payment(&attempts.collect::<Vec<_>>(), reason)
    };
    let rows = [
        (at(&[], false), "Error true", "Error true"),
        (at(&[Out], false), "Error true", "Error true"),
        (at(&[Out], true), "Error true", "Error true"),
        (at(&[AttemptFailed], false), "Error true", "Error true"),
        (at(&[Paid], false), "PAYMENT_ALREADY_SUCCEEDED", "Error true"),
        (at(&[], true), "ALREADY", "Error true"),
    ];
    for (payment, strict, lnd) in rows {
        let by = |profile| leads_to(give_up(profile, &payment, FailureReason::Error));
        assert_eq!((by(Profile::Strict).as_str(), by(Profile::Lnd).as_str()), (strict, lnd));
    }
    let failed = at(&[], true);
    let other = give_up(Profile::Strict, &failed, FailureReason::Timeout);
    assert_eq!(leads_to(other), "Timeout false", "recorded, and announced once only");
}

#[test]
fn the_first_reason_is_kept_beside_the_last() {
    let mut payment = payment(&[(part(1, 100, 1_000), Out)], false);
    for reason in [FailureReason::Timeout, FailureReason::Canceled] {
        let decision = give_up(Profile::Strict, &payment, reason).unwrap();
        payment = decided(payment, decision, 0);
    }
    assert_eq!(payment.first_failure_reason, Some(FailureReason::Timeout));
    assert_eq!(payment.failure_reason, Some(FailureReason::Canceled));
    assert_eq!(payment.status, PaymentStatus::InFlight);
}

#[test]
fn a_forced_failure_keeps_its_note_and_repeats_only_as_itself() {
    let out = payment(&[(part(1, 100, 1_000), Out)], false);
    let forced = decided(
        out.clone(),
        force_fail(&out, key(1), &failure(), b"why", Strictness::default()).unwrap(),
        0,
    );
    assert!(forced.marks.has(Marks::FORCED) && forced.attempts[0].marks.has(Marks::FORCED));
    assert_eq!(forced.attempts[0].note.expose(), b"why");
    let again =
        |note| leads_to(force_fail(&forced, key(1), &failure(), note, Strictness::default()));
    assert_eq!(again(b"why"), "ALREADY");
    assert_eq!(again(b"who"), "ATTEMPT_ALREADY_FAILED");
    let plain = payment(&[(part(1, 100, 1_000), AttemptFailed)], false);
    let after_plain =
        leads_to(force_fail(&plain, key(1), &failure(), b"why", Strictness::default()));
    assert_eq!(after_plain, "ATTEMPT_ALREADY_FAILED");
}

#[test]
fn an_id_used_again_under_lnds_rules_keeps_how_it_ended() {
    let out = payment(&[(part(1, 100, 1_000), Out)], false);
    let forced = decided(
        out.clone(),
        force_fail(&out, key(1), &failure(), b"why", Strictness::default()).unwrap(),
        0,
    );
    let new = part(1, 200, 1_000);
    let again = register(Profile::Lnd, &forced, &new, false, true, Checks::default()).unwrap();
    let after = decided(forced.clone(), again, 0);
    let attempt = &after.attempts[0];
    assert_eq!(attempt.request, new);
    assert_eq!(attempt.outcome, forced.attempts[0].outcome);
    // The row of the result stays as it is, so a view that said otherwise would be wrong after a restart.
    assert_eq!(attempt.note.expose(), b"why");
    assert!(attempt.marks.has(Marks::FORCED));
}

fn keyed(key: &[u8], amount_msat: u64) -> PaymentInit {
    PaymentInit { idempotency_key: key.to_vec(), ..PaymentInit::new(hash(1), amount_msat) }
}

#[test]
fn initiating_by_what_lies_under_the_hash_and_whose_the_key_is() {
    let at = |states: &[AttemptState], reason| {
        let attempts = states.iter().map(|state| (part(*state as u64, 100, 1_000), *state));
        let mut payment = payment(&attempts.collect::<Vec<_>>(), reason);
        payment.init = keyed(b"k", 1_000);
        payment
    };
    let [new, out, paid, failed] =
        [at(&[], false), at(&[Out], false), at(&[Paid], false), at(&[AttemptFailed], true)];
    let (free, ours) = (KeyOwner::Free, KeyOwner::Of(hash(1), 1));
    let (earlier, elsewhere) = (KeyOwner::Of(hash(1), 9), KeyOwner::Of(hash(2), 1));
    let same = keyed(b"k", 1_000);
    let rows = [
        (Stored::Absent, free, &same, "starts"),
        (Stored::Absent, ours, &same, "DELETED"),
        (Stored::Absent, elsewhere, &same, "FINGERPRINT_MISMATCH"),
        (Stored::Tombstone, free, &same, "ALREADY_PAID"),
        (Stored::Tombstone, ours, &same, "ALREADY_PAID"),
        (Stored::Tombstone, elsewhere, &same, "FINGERPRINT_MISMATCH"),
        (Stored::Unreadable, free, &same, "CORRUPT_RECORD"),
        (Stored::Unreadable, ours, &same, "CORRUPT_RECORD"),
        (Stored::Unreadable, elsewhere, &same, "CORRUPT_RECORD"),
        (Stored::Found(&new), free, &keyed(b"other", 1_000), "PAYMENT_EXISTS"),
        (Stored::Found(&new), free, &same, "ALREADY_EXISTS"),
        (Stored::Found(&out), free, &same, "PAYMENT_IN_FLIGHT"),
        (Stored::Found(&paid), free, &same, "ALREADY_PAID"),
        (Stored::Found(&failed), free, &same, "starts"),
        (Stored::Found(&new), ours, &same, "ALREADY_EXISTS"),
        (Stored::Found(&out), ours, &same, "ALREADY_EXISTS"),
        (Stored::Found(&paid), ours, &same, "ALREADY_EXISTS"),
        (Stored::Found(&failed), ours, &same, "ALREADY_EXISTS"),
        (Stored::Found(&paid), ours, &keyed(b"k", 999), "FINGERPRINT_MISMATCH"),
        (Stored::Found(&failed), earlier, &same, "PAYMENT_ALREADY_FAILED"),
        (Stored::Found(&paid), elsewhere, &same, "FINGERPRINT_MISMATCH"),
    ];
    for (stored, owner, request, expected) in rows {
        let answer = match init(stored, owner, request) {
            Ok(None) => "starts",
            Ok(Some(status)) => status.name(),
            Err(error) => error.status().name(),
        };
        assert_eq!(answer, expected, "{stored:?} {owner:?}");
    }
}

#[test]
fn how_a_payment_ended_is_told_by_its_lowest_settled_attempt() {
    let ids =
        [(part(1, 1, 1_000), AttemptFailed), (part(2, 1, 1_000), Paid), (part(3, 1, 1_000), Paid)];
    let paid = payment(&ids, true);
    assert!(
        matches!(terminal(&paid), Terminal::Settled(attempt, _) if attempt.request.key == key(2))
    );
    let failed = payment(&ids[..1], true);
    assert_eq!(terminal(&failed), Terminal::Failed(FailureReason::Error));
    assert_eq!(terminal(&payment(&ids[..1], false)), Terminal::None);
}

#[test]
fn sending_is_resumed_only_with_an_intent_and_before_its_deadline() {
    let until = |deadline_unix_ns| Intent { deadline_unix_ns, ..Intent::default() };
    assert!(!may_resume_sending(None, 0));
    assert!(may_resume_sending(Some(&until(0)), u64::MAX));
    assert!(may_resume_sending(Some(&until(10)), 9));
    assert!(!may_resume_sending(Some(&until(10)), 10));
}

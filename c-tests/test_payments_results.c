/* Settling, failing, giving up: each success, each refusal, the record beside the attempt, and who wins. */

#include "payments.h"

#include <stdlib.h>

static lnkeep_status mark(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    return lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL);
}

/* Whether the record of an attempt is in this state and acknowledged. */
static int is_acked(uint64_t id, uint32_t state) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt *record = NULL;
    if (!CHECK_DONE(lnkeep_attempts_get(attempts, &key, &record, NULL))) return 0;
    int held = CHECK_EQUAL(record->state, state) && (record->flags & LNKEEP_ATTEMPT_ACKED);
    lnkeep_attempt_free(record);
    return held;
}

static void settle_follows_the_table(void) {
    begin();
    make_each_status();
    static const lnkeep_status wanted[] = {
        LNKEEP_PAYMENT_NOT_INITIATED,     LNKEEP_ATTEMPT_NOT_FOUND, LNKEEP_ATTEMPT_NOT_FOUND,
        LNKEEP_ATTEMPT_NOT_FOUND,         LNKEEP_ATTEMPT_NOT_FOUND, LNKEEP_ATTEMPT_NOT_FOUND,
        LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED, LNKEEP_PAYMENT_NOT_INITIATED,
    };
    for (uint64_t number = ABSENT; number <= TOMBSTONE; number++) {
        CHECK_STATUS(settle(number, 999, 0), wanted[number - ABSENT]);
        CHECK_STATUS(fail_attempt(number, 999, 0), wanted[number - ABSENT]);
    }
    /* The same settle again, whatever the payment's status, and another one. */
    CHECK_STATUS(settle(SUCCEEDED, SUCCEEDED, 0), LNKEEP_ALREADY);
    CHECK_STATUS(settle(HALF_SETTLED, HALF_SETTLED, 0), LNKEEP_ALREADY);
    CHECK_STATUS(settle(SUCCEEDED, SUCCEEDED, LNKEEP_RESULT_REFUSE_REPEAT), LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_STATUS(settle(HALF_SETTLED, HALF_SETTLED, LNKEEP_RESULT_REFUSE_REPEAT),
                 LNKEEP_ATTEMPT_ALREADY_SETTLED);
    /* Who tells it again may have a new clock, but not another preimage. */
    CHECK_STATUS(settle_by(HALF_SETTLED, HALF_SETTLED, preimage_of(HALF_SETTLED).bytes, 2000, 0), LNKEEP_ALREADY);
    CHECK_STATUS(settle_by(SUCCEEDED, SUCCEEDED, preimage_of(SUCCEEDED).bytes, 2000, 0), LNKEEP_ALREADY);
    CHECK_STATUS(settle_by(HALF_SETTLED, HALF_SETTLED, preimage_of(1).bytes, 1000, 0),
                 LNKEEP_ATTEMPT_ALREADY_SETTLED);
    CHECK_STATUS(settle_by(SUCCEEDED, SUCCEEDED, preimage_of(1).bytes, 1000, 0),
                 LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_STATUS(settle_by(IN_FLIGHT, IN_FLIGHT, preimage_of(GIVEN_UP).bytes, 1, 0), LNKEEP_BAD_PREIMAGE);
    check_each_status();
    CHECK_DONE(settle(IN_FLIGHT, IN_FLIGHT, 0));
    CHECK_EQUAL(last.flags, LNKEEP_OUTCOME_CHANGED);
    CHECK_DONE(settle(HALF_SETTLED, 60, LNKEEP_RESULT_REFUSE_LATE | LNKEEP_RESULT_REFUSE_REPEAT));
    CHECK_EQUAL(status_of(HALF_SETTLED), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

static void a_settled_attempt_shows_its_preimage(void) {
    begin();
    lnkeep_payment_attempt_request request = part_of(2, 400, AMOUNT);
    CHECK_DONE(init_payment(1, AMOUNT));
    /* A hash of its own needs a preimage of its own. */
    request.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_HASH;
    memcpy(request.attempt_hash, h_hash_of_ones, 32);
    CHECK_DONE(register_with(1, &request, 0));
    CHECK_DONE(register_part(1, 1, 600, AMOUNT));
    uint8_t ones[32];
    memset(ones, 1, sizeof ones);
    CHECK_STATUS(settle(1, 2, 0), LNKEEP_BAD_PREIMAGE);
    CHECK_STATUS(settle_by(1, 1, ones, 5, 0), LNKEEP_BAD_PREIMAGE);
    CHECK_DONE(settle_by(1, 2, ones, 5, 0));
    CHECK_DONE(settle_by(1, 1, preimage_of(1).bytes, UINT64_MAX, 0));
    reopen();
    lnkeep_payment *payment = fetch(1);
    if (payment && CHECK_EQUAL(payment->attempts_len, 2)) {
        CHECK(memcmp(attempt_of(payment, 0)->preimage, preimage_of(1).bytes, 32) == 0);
        CHECK_EQUAL(attempt_of(payment, 0)->settled_unix_ns, UINT64_MAX);
        CHECK(memcmp(attempt_of(payment, 1)->preimage, ones, 32) == 0);
        CHECK_EQUAL(attempt_of(payment, 1)->settled_unix_ns, 5);
        CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_SUCCEEDED);
        CHECK_EQUAL(payment->terminal, LNKEEP_PAYMENT_TERMINAL_SETTLED);
        CHECK_EQUAL(payment->terminal_attempt, 0);
        CHECK_EQUAL(payment->fees_msat, 2);
        CHECK_EQUAL(payment->remaining_msat | payment->in_flight, 0);
    }
    lnkeep_payment_free(payment);
    end();
}

static void fail_attempt_follows_the_table(void) {
    begin();
    make_each_status();
    lnkeep_payment_failure other = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "another");
    lnkeep_payment_failure later = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "no luck");
    later.failed_unix_ns = 2000;
    CHECK_STATUS(fail_attempt(RETRYABLE, RETRYABLE, 0), LNKEEP_ALREADY);
    CHECK_STATUS(fail_attempt(FAILED, FAILED, 0), LNKEEP_ALREADY);
    CHECK_STATUS(fail_by(FAILED, FAILED, &later, "", 0), LNKEEP_ALREADY);
    later.source_index = 1;
    CHECK_STATUS(fail_by(FAILED, FAILED, &later, "", 0), LNKEEP_PAYMENT_ALREADY_FAILED);
    CHECK_STATUS(fail_attempt(RETRYABLE, RETRYABLE, LNKEEP_RESULT_REFUSE_REPEAT),
                 LNKEEP_ATTEMPT_ALREADY_FAILED);
    CHECK_STATUS(fail_attempt(FAILED, FAILED, LNKEEP_RESULT_REFUSE_REPEAT), LNKEEP_PAYMENT_ALREADY_FAILED);
    CHECK_STATUS(fail_by(RETRYABLE, RETRYABLE, &other, "", 0), LNKEEP_ATTEMPT_ALREADY_FAILED);
    CHECK_STATUS(fail_by(FAILED, FAILED, &other, "", 0), LNKEEP_PAYMENT_ALREADY_FAILED);
    CHECK_STATUS(fail_attempt(HALF_SETTLED, HALF_SETTLED, 0), LNKEEP_ATTEMPT_ALREADY_SETTLED);
    CHECK_STATUS(fail_attempt(SUCCEEDED, SUCCEEDED, 0), LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    /* An attempt belongs to its payment. */
    CHECK_STATUS(fail_attempt(IN_FLIGHT, GIVEN_UP, 0), LNKEEP_ATTEMPT_NOT_FOUND);
    CHECK_STATUS(settle(IN_FLIGHT, GIVEN_UP, 0), LNKEEP_ATTEMPT_NOT_FOUND);
    check_each_status();
    CHECK_DONE(fail_attempt(IN_FLIGHT, IN_FLIGHT, 0));
    CHECK_EQUAL(status_of(IN_FLIGHT), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_DONE(fail_attempt(GIVEN_UP, GIVEN_UP, LNKEEP_RESULT_REFUSE_REPEAT));
    CHECK_EQUAL(status_of(GIVEN_UP), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_DONE(fail_attempt(HALF_SETTLED, 60, 0));
    CHECK_EQUAL(status_of(HALF_SETTLED), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

static void a_failed_attempt_shows_why(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint32_t reason = 1; reason <= 4; reason++) {
        lnkeep_payment_failure failure = failure_of(reason, reason == 4 ? "\x10\x07" : "");
        failure.source_index = reason + 10;
        failure.failed_unix_ns = UINT64_C(1700000000000000000) + reason;
        CHECK_DONE(register_whole(1, reason, AMOUNT, 0));
        CHECK_DONE(fail_by(1, reason, &failure, "", 0));
    }
    reopen();
    lnkeep_payment *payment = fetch(1);
    if (payment && CHECK_EQUAL(payment->attempts_len, 4)) {
        for (uint32_t reason = 1; reason <= 4; reason++) {
            const lnkeep_payment_failure *failure = &attempt_of(payment, reason - 1)->failure;
            CHECK_EQUAL(failure->reason, reason);
            CHECK_EQUAL(failure->source_index, reason + 10);
            CHECK_EQUAL(failure->failed_unix_ns, UINT64_C(1700000000000000000) + reason);
            CHECK_EQUAL(failure->message.len, reason == 4 ? 2 : 0);
        }
        CHECK_EQUAL(payment->fees_msat, 0);
        CHECK_EQUAL(payment->remaining_msat, AMOUNT);
        CHECK_EQUAL(payment->revision, 9);
    }
    lnkeep_payment_free(payment);
    end();
}

static void unknown_reasons_are_refused(void) {
    begin();
    static const uint32_t numbers[] = {0, 5, 7, 256, 257, UINT32_MAX};
    make_each_status();
    for (size_t i = 0; i < H_COUNT(numbers); i++) {
        lnkeep_payment_failure failure = failure_of(numbers[i], "");
        CHECK_STATUS(fail_by(IN_FLIGHT, IN_FLIGHT, &failure, "", 0), LNKEEP_INVALID_ARGUMENT);
        CHECK_STATUS(fail_by(IN_FLIGHT, IN_FLIGHT, &failure, "", LNKEEP_FAIL_FORCED),
                     LNKEEP_INVALID_ARGUMENT);
        if (numbers[i] != 5) CHECK_STATUS(give_up(IN_FLIGHT, numbers[i]), LNKEEP_INVALID_ARGUMENT);
    }
    check_each_status();
    end();
}

static void giving_up_follows_the_table(void) {
    begin();
    make_each_status();
    CHECK_STATUS(give_up(ABSENT, 1), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(give_up(TOMBSTONE, 1), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(give_up(SUCCEEDED, 1), LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_STATUS(give_up(FAILED, LNKEEP_PAYMENT_REASON_NO_ROUTE), LNKEEP_ALREADY);
    check_each_status();
    /* The last reason counts and the first one is kept. A payment that failed is not announced again. */
    CHECK_DONE(give_up(FAILED, LNKEEP_PAYMENT_REASON_CANCELED));
    CHECK_EQUAL(last.event_sequence, 0);
    lnkeep_payment *payment = fetch(FAILED);
    if (payment) {
        CHECK_EQUAL(payment->failure_reason, LNKEEP_PAYMENT_REASON_CANCELED);
        CHECK_EQUAL(payment->first_failure_reason, LNKEEP_PAYMENT_REASON_NO_ROUTE);
        CHECK_EQUAL(payment->terminal, LNKEEP_PAYMENT_TERMINAL_FAILED);
    }
    lnkeep_payment_free(payment);
    for (uint32_t reason = 1; reason <= 6; reason++) {
        CHECK_DONE(give_up(IN_FLIGHT, reason));
        CHECK(last.event_sequence > 0);
    }
    CHECK_EQUAL(status_of(IN_FLIGHT), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_DONE(give_up(INITIATED, LNKEEP_PAYMENT_REASON_INSUFFICIENT_BALANCE));
    CHECK_DONE(give_up(RETRYABLE, LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS));
    CHECK_EQUAL(status_of(INITIATED), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(status_of(RETRYABLE), LNKEEP_PAYMENT_STATUS_FAILED);
    /* What was given up and settles all the same succeeded, and keeps its reason. */
    CHECK_DONE(settle(GIVEN_UP, GIVEN_UP, 0));
    payment = fetch(GIVEN_UP);
    if (payment) {
        CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_SUCCEEDED);
        CHECK_EQUAL(payment->failure_reason, LNKEEP_PAYMENT_REASON_TIMEOUT);
        CHECK_EQUAL(payment->terminal, LNKEEP_PAYMENT_TERMINAL_SETTLED);
    }
    lnkeep_payment_free(payment);
    end();
}

/* Money moved after all: the settle wins, is marked, and says so in its outcome. */
static void a_late_settle_wins(void) {
    begin();
    make_each_status();
    static const uint64_t late[] = {RETRYABLE, FAILED};
    for (size_t i = 0; i < H_COUNT(late); i++) {
        uint64_t number = late[i];
        CHECK_STATUS(settle_by(number, number, preimage_of(1).bytes, 1, 0), LNKEEP_BAD_PREIMAGE);
        lnkeep_status refused =
            number == FAILED ? LNKEEP_PAYMENT_ALREADY_FAILED : LNKEEP_ATTEMPT_ALREADY_FAILED;
        CHECK_STATUS(settle(number, number, LNKEEP_RESULT_REFUSE_LATE), refused);
        CHECK_DONE(settle(number, number, 0));
        CHECK_EQUAL(last.flags, LNKEEP_OUTCOME_CHANGED | LNKEEP_OUTCOME_CONFLICT);
        CHECK(last.event_sequence > 0);
        CHECK_STATUS(settle(number, number, 0), LNKEEP_ALREADY);
        CHECK_EQUAL(last.flags, 0);
        lnkeep_payment *payment = fetch(number);
        if (payment) {
            CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_SUCCEEDED);
            CHECK_EQUAL(payment->marks, LNKEEP_PAYMENT_MARK_LATE_SETTLE);
            CHECK_EQUAL(attempt_of(payment, 0)->marks, LNKEEP_PAYMENT_MARK_LATE_SETTLE);
            CHECK_EQUAL(payment->failure_reason, number == FAILED ? LNKEEP_PAYMENT_REASON_NO_ROUTE : 0);
        }
        lnkeep_payment_free(payment);
        CHECK_STATUS(init_payment(number, AMOUNT), LNKEEP_ALREADY_PAID);
    }
    end();
}

/* Both the attempt that had failed and the one that took its place settled: more than the amount is gone. */
static void a_late_settle_may_exceed_the_amount(void) {
    begin();
    make_each_status();
    CHECK_DONE(register_whole(RETRYABLE, 100, AMOUNT, 0));
    CHECK_DONE(settle(RETRYABLE, 100, 0));
    CHECK_DONE(settle(RETRYABLE, RETRYABLE, 0));
    CHECK_EQUAL(last.flags, LNKEEP_OUTCOME_CHANGED | LNKEEP_OUTCOME_CONFLICT);
    lnkeep_payment *payment = fetch(RETRYABLE);
    if (payment) {
        CHECK_EQUAL(payment->remaining_msat, 0);
        CHECK_EQUAL(payment->terminal_attempt, 0);
        CHECK_EQUAL(payment->fees_msat, 2);
        CHECK_EQUAL(attempt_of(payment, 1)->marks, 0);
    }
    lnkeep_payment_free(payment);
    end();
}

static void the_record_is_settled_with_the_attempt(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 4; id++) {
        lnkeep_payment_attempt_request request = part_of(id, 250, AMOUNT);
        CHECK_DONE(register_with(1, &request, LNKEEP_REGISTER_WITH_RECORD));
    }
    lnkeep_attempt_result result = h_settle(0);
    lnkeep_attempt_key fourth = h_key(4);
    memcpy(result.preimage, preimage_of(1).bytes, 32);
    CHECK_DONE(mark(2));
    CHECK_DONE(h_store(attempts, 3, result));
    CHECK_DONE(h_store(attempts, 4, h_fail("of the network")));
    CHECK_STATUS(settle_by(1, 1, preimage_of(2).bytes, 0, 0), LNKEEP_BAD_PREIMAGE);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    for (uint64_t id = 1; id <= 4; id++) {
        CHECK_DONE(settle(1, id, 0));
        CHECK(is_acked(id, LNKEEP_STATE_SETTLED));
    }
    /* It held a failure of the network: both sides tell that it was replaced. */
    lnkeep_attempt *record = NULL;
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &fourth, &record, NULL))) {
        CHECK(record->flags & LNKEEP_ATTEMPT_CONFLICT);
        CHECK(memcmp(record->result.preimage, preimage_of(1).bytes, 32) == 0);
        lnkeep_attempt_free(record);
    }
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

/* An attempt that may still settle is not failed. */
static void the_record_decides_whether_an_attempt_may_fail(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 5; id++) {
        lnkeep_payment_attempt_request request = part_of(id, 200, AMOUNT);
        CHECK_DONE(register_with(1, &request, LNKEEP_REGISTER_WITH_RECORD));
        if (id > 1) CHECK_DONE(mark(id));
    }
    lnkeep_attempt_result result = h_settle(0);
    memcpy(result.preimage, preimage_of(1).bytes, 32);
    CHECK_DONE(h_store(attempts, 3, result));
    CHECK_DONE(h_store(attempts, 4, h_fail("of the network")));
    CHECK_DONE(fail_attempt(1, 1, 0));
    CHECK(is_acked(1, LNKEEP_STATE_FAILED));
    CHECK_STATUS(mark(1), LNKEEP_NOT_PENDING);
    CHECK_STATUS(fail_attempt(1, 2, 0), LNKEEP_HANDED_OFF);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_HANDED_OFF);
    CHECK_STATUS(fail_attempt(1, 3, 0), LNKEEP_CONFLICT);
    CHECK_EQUAL(h_state(attempts, 3), LNKEEP_STATE_SETTLED);
    CHECK(!is_acked(3, LNKEEP_STATE_SETTLED));
    CHECK_DONE(fail_attempt(1, 4, 0));
    CHECK(is_acked(4, LNKEEP_STATE_FAILED));
    CHECK_EQUAL(attempt_state(1, 2), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    CHECK_EQUAL(attempt_state(1, 3), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    CHECK_DONE(settle(1, 3, 0));
    CHECK_DONE(settle(1, 2, 0));
    CHECK_DONE(settle(1, 5, 0));
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

/* The result of a payment's attempt is not lost before the payment took it. */
static void a_record_waits_for_its_payment(void) {
    begin();
    lnkeep_attempt_key key = h_key(1);
    lnkeep_outcome outcome;
    lnkeep_attempt *record = NULL;
    uint64_t removed = 9;
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &key, &record, NULL))) {
        CHECK_EQUAL(record->flags, LNKEEP_ATTEMPT_OF_PAYMENT);
        lnkeep_attempt_free(record);
    }
    lnkeep_attempt_result result = h_settle(0);
    memcpy(result.preimage, preimage_of(1).bytes, 32);
    CHECK_DONE(h_store(attempts, 1, result));
    CHECK_STATUS(lnkeep_attempts_delete(attempts, &key, 1, LNKEEP_DELETE_FORGET, &outcome, NULL), LNKEEP_BATCH);
    CHECK_STATUS(outcome.status, LNKEEP_PENDING);
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, 0, &removed, NULL, NULL));
    CHECK_EQUAL(removed, 0);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_SETTLED);
    CHECK_DONE(settle(1, 1, 0));
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, 0, &removed, NULL, NULL));
    CHECK_EQUAL(removed, 1);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_DELETED);
    /* A record that is gone holds up nothing. */
    CHECK_STATUS(settle(1, 1, 0), LNKEEP_ALREADY);
    end();
}

/* The operator's word and why: kept beside the failure, and no hindrance to the truth. */
static void a_forced_failure_leaves_a_note(void) {
    begin();
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    const char *note = "closed on chain in block 800000, ticket 42";
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    CHECK_DONE(mark(1));
    CHECK_STATUS(fail_by(1, 1, &failure, "", 0), LNKEEP_HANDED_OFF);
    CHECK_STATUS(fail_by(1, 1, &failure, note, 0), LNKEEP_INVALID_ARGUMENT);
    CHECK_DONE(fail_by(1, 1, &failure, note, LNKEEP_FAIL_FORCED));
    CHECK(last.event_sequence > 0);
    CHECK(is_acked(1, LNKEEP_STATE_FAILED));
    lnkeep_attempt_key key = h_key(1);
    lnkeep_attempt *record = NULL;
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &key, &record, NULL))) {
        CHECK(record->flags & LNKEEP_ATTEMPT_FORCED);
        lnkeep_attempt_free(record);
    }
    reopen();
    for (int settled = 0; settled < 2; settled++) {
        lnkeep_payment *payment = fetch(1);
        if (payment) {
            uint32_t late = settled ? LNKEEP_PAYMENT_MARK_LATE_SETTLE : 0;
            CHECK_EQUAL(payment->marks, LNKEEP_PAYMENT_MARK_FORCED | late);
            CHECK(is_same_bytes(attempt_of(payment, 0)->note, h_text(note)));
            CHECK(attempt_of(payment, 0)->marks & LNKEEP_PAYMENT_MARK_FORCED);
        }
        lnkeep_payment_free(payment);
        if (!settled) CHECK_DONE(settle(1, 1, 0));
    }
    CHECK(is_acked(1, LNKEEP_STATE_SETTLED));
    end();
}

static void a_forced_failure_follows_the_table(void) {
    begin();
    make_each_status();
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    uint32_t force = LNKEEP_FAIL_FORCED;
    CHECK_STATUS(fail_by(ABSENT, 1, &failure, "n", force), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(fail_by(INITIATED, 1, &failure, "n", force), LNKEEP_ATTEMPT_NOT_FOUND);
    CHECK_STATUS(fail_by(RETRYABLE, RETRYABLE, &failure, "n", force), LNKEEP_ATTEMPT_ALREADY_FAILED);
    CHECK_STATUS(fail_by(HALF_SETTLED, HALF_SETTLED, &failure, "n", force), LNKEEP_ATTEMPT_ALREADY_SETTLED);
    CHECK_STATUS(fail_by(SUCCEEDED, SUCCEEDED, &failure, "n", force), LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_STATUS(fail_by(FAILED, FAILED, &failure, "n", force), LNKEEP_PAYMENT_ALREADY_FAILED);
    check_each_status();
    CHECK_DONE(fail_by(IN_FLIGHT, IN_FLIGHT, &failure, "", force));
    CHECK_DONE(fail_by(GIVEN_UP, GIVEN_UP, &failure, "n", force));
    CHECK_EQUAL(status_of(GIVEN_UP), LNKEEP_PAYMENT_STATUS_FAILED);
    end();
}

/* After UNKNOWN the same call again is no refusal, also when the payment ended with it. */
static void a_forced_failure_may_be_repeated(void) {
    begin();
    make_each_status();
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    static const uint64_t forced[] = {IN_FLIGHT, GIVEN_UP};
    for (size_t i = 0; i < H_COUNT(forced); i++) {
        CHECK_DONE(fail_by(forced[i], forced[i], &failure, "why", LNKEEP_FAIL_FORCED));
        CHECK_STATUS(fail_by(forced[i], forced[i], &failure, "why", LNKEEP_FAIL_FORCED), LNKEEP_ALREADY);
        lnkeep_status other =
            forced[i] == GIVEN_UP ? LNKEEP_PAYMENT_ALREADY_FAILED : LNKEEP_ATTEMPT_ALREADY_FAILED;
        CHECK_STATUS(fail_by(forced[i], forced[i], &failure, "other", LNKEEP_FAIL_FORCED), other);
    }
    end();
}

static void a_forced_repeat_is_refused_when_asked_for(void) {
    begin();
    make_each_status();
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    uint32_t flags = LNKEEP_FAIL_FORCED | LNKEEP_RESULT_REFUSE_REPEAT;
    CHECK_DONE(fail_by(IN_FLIGHT, IN_FLIGHT, &failure, "why", flags));
    CHECK_STATUS(fail_by(IN_FLIGHT, IN_FLIGHT, &failure, "why", flags), LNKEEP_ATTEMPT_ALREADY_FAILED);
    end();
}

/* Every change has the next number; what changes nothing has none. */
static void outcomes_number_their_events(void) {
    begin();
    uint64_t sequence = 0;
    CHECK_DONE(init_payment(1, AMOUNT));
    sequence = last.event_sequence;
    CHECK_DONE(register_part(1, 1, 400, AMOUNT));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_STATUS(register_part(1, 1, 400, AMOUNT), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(register_part(1, 2, 4000, AMOUNT), LNKEEP_VALUE_EXCEEDS);
    CHECK_DONE(register_part(1, 2, 600, AMOUNT));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_DONE(fail_attempt(1, 1, 0));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_STATUS(fail_attempt(1, 1, 0), LNKEEP_ALREADY);
    CHECK_DONE(give_up(1, LNKEEP_PAYMENT_REASON_TIMEOUT));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_DONE(settle(1, 2, 0));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_STATUS(settle(1, 2, 0), LNKEEP_ALREADY);
    CHECK_DONE(delete_payment(1, LNKEEP_DELETE_FAILED_ATTEMPTS));
    CHECK_EQUAL(last.event_sequence, 0);
    CHECK_DONE(delete_payment(1, 0));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    CHECK_STATUS(delete_payment(1, LNKEEP_DELETE_FAILED_ATTEMPTS), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_DONE(delete_payment(1, LNKEEP_DELETE_TOMBSTONE));
    CHECK_EQUAL(last.event_sequence, 0);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_EQUAL(last.event_sequence, ++sequence);
    end();
}

/* Of the attempt's record and its payment, the outcome names the payment's event. */
static void an_outcome_names_the_event_of_the_payment(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = UINT64_MAX;
    directory = h_directory();
    open_with(&options, NULL);
    lnkeep_events events;
    lnkeep_event taken[8];
    size_t len = 0;
    CHECK_DONE(lnkeep_events_open(store, h_text("all"), 0, &events, NULL));
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    uint64_t registered = last.event_sequence;
    CHECK_DONE(settle(1, 1, 0));
    uint64_t settled = last.event_sequence;
    CHECK_DONE(lnkeep_events_take(events, taken, 8, &len, NULL));
    unsigned kinds = 0;
    for (size_t i = 0; i < len; i++) {
        kinds |= 1u << taken[i].kind;
        uint32_t kind = taken[i].kind;
        if (kind == LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED) CHECK_EQUAL(taken[i].sequence, registered);
        if (kind == LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED) CHECK_EQUAL(taken[i].sequence, settled);
    }
    static const unsigned wanted[] = {LNKEEP_EVENT_ATTEMPT_INIT, LNKEEP_EVENT_ATTEMPT_RESOLVED,
                                      LNKEEP_EVENT_PAYMENT_INITIATED, LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED,
                                      LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED};
    CHECK_EQUAL(len, H_COUNT(wanted));
    for (size_t i = 0; i < H_COUNT(wanted); i++) CHECK(kinds >> wanted[i] & 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

/* What lnd does where that is questionable, for hosts that must repeat it. */
static void lnd_compat_follows_lnd(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_LND_COMPAT;
    directory = h_directory();
    open_with(&options, NULL);
    lnkeep_payment_attempt_request request = request_of(1, AMOUNT, 1);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(init_payment(2, AMOUNT));
    request.hop_count = 0;
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_payments_register(payments, hash_of(1).bytes, &request, 0, NULL, &outcome, NULL));
    /* The id is not unique over payments, and a preimage is not looked at. */
    CHECK_DONE(register_whole(2, 1, AMOUNT, 0));
    CHECK_DONE(settle_by(2, 1, preimage_of(77).bytes, 0, 0));
    CHECK_DONE(give_up(2, LNKEEP_PAYMENT_REASON_ERROR));
    lnkeep_payment *payment = fetch(2);
    if (payment) {
        CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_SUCCEEDED);
        CHECK_EQUAL(payment->failure_reason, LNKEEP_PAYMENT_REASON_ERROR);
    }
    lnkeep_payment_free(payment);
    end();
    lnkeep_status status = lnkeep_store_open(directory, NULL, &store, NULL, NULL);
    CHECK_STATUS(status, LNKEEP_WRONG_MODE);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(settle_follows_the_table),
        H_TEST(a_settled_attempt_shows_its_preimage),
        H_TEST(fail_attempt_follows_the_table),
        H_TEST(a_failed_attempt_shows_why),
        H_TEST(unknown_reasons_are_refused),
        H_TEST(giving_up_follows_the_table),
        H_TEST(a_late_settle_wins),
        H_TEST(a_late_settle_may_exceed_the_amount),
        H_TEST(the_record_is_settled_with_the_attempt),
        H_TEST(the_record_decides_whether_an_attempt_may_fail),
        H_TEST(a_record_waits_for_its_payment),
        H_TEST(a_forced_failure_leaves_a_note),
        H_TEST(a_forced_failure_follows_the_table),
        H_TEST(a_forced_failure_may_be_repeated),
        H_TEST(a_forced_repeat_is_refused_when_asked_for),
        H_TEST(outcomes_number_their_events),
        H_TEST(an_outcome_names_the_event_of_the_payment),
        H_TEST(lnd_compat_follows_lnd),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

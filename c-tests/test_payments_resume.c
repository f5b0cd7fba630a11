/* After a restart: what becomes of each unfinished payment, by answers and by records; what is stuck. */

#define _GNU_SOURCE
#include "payments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static lnkeep_resume_answer answers[32];
static size_t answers_len;

static lnkeep_resume_answer *answer(uint64_t id, uint32_t kind) {
    lnkeep_resume_answer *added = &answers[answers_len++];
    memset(added, 0, sizeof *added);
    added->key = h_key(id);
    added->answer = kind;
    added->failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "of the network");
    added->failure.source_index = 3;
    return added;
}

static void answer_settled(uint64_t number, uint64_t id) {
    memcpy(answer(id, LNKEEP_ANSWER_SETTLED)->preimage, preimage_of(number).bytes, 32);
}

static struct {
    uint64_t kept[64];
    size_t kept_len;
    lnkeep_resumed payments[64];
    size_t payments_len;
} resumed;

/* Resumes with the answers collected, and forgets them. */
static void resume(uint32_t flags) {
    lnkeep_resume *done = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    memset(&resumed, 0, sizeof resumed);
    lnkeep_status status = lnkeep_payments_resume(payments, answers, answers_len, flags, &done, &err);
    answers_len = 0;
    if (!CHECK_DONE(status)) {
        fprintf(stderr, "%s\n", err.message);
        return;
    }
    CHECK_EQUAL(done->size, sizeof *done);
    for (size_t i = 0; i < done->keep_len && i < 64; i++) {
        resumed.kept[resumed.kept_len++] = done->keep[i].id;
        if (i > 0) CHECK(is_before(&done->keep[i - 1], &done->keep[i]));
    }
    for (size_t i = 0; i < done->payments_len && i < 64; i++) {
        resumed.payments[resumed.payments_len++] = done->payments[i];
        CHECK_EQUAL(done->payments[i].has_hash, 1);
        if (i > 0) CHECK(done->payments[i].sequence > done->payments[i - 1].sequence);
    }
    lnkeep_resume_free(done);
}

/* What the last resume made of a payment, 0 when it was not among the unfinished. */
static uint32_t outcome_of(uint64_t number) {
    for (size_t i = 0; i < resumed.payments_len; i++) {
        if (memcmp(resumed.payments[i].payment_hash, hash_of(number).bytes, 32) == 0) {
            return resumed.payments[i].outcome;
        }
    }
    return 0;
}

static uint32_t reason_of(uint64_t number) {
    lnkeep_payment *payment = fetch(number);
    uint32_t reason = payment ? payment->failure_reason : 99;
    lnkeep_payment_free(payment);
    return reason;
}

static void nothing_new_is_sent(void) {
    begin();
    make_each_status();
    resume(LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS);
    CHECK_EQUAL(resumed.payments_len, 5);
    CHECK_EQUAL(outcome_of(INITIATED), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(outcome_of(IN_FLIGHT), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(outcome_of(RETRYABLE), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(outcome_of(GIVEN_UP), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(outcome_of(HALF_SETTLED), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(outcome_of(SUCCEEDED) | outcome_of(FAILED), 0);
    CHECK_EQUAL(status_of(INITIATED), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(status_of(RETRYABLE), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(reason_of(INITIATED), LNKEEP_PAYMENT_REASON_NO_ROUTE);
    CHECK_EQUAL(reason_of(RETRYABLE), LNKEEP_PAYMENT_REASON_NO_ROUTE);
    CHECK_EQUAL(reason_of(GIVEN_UP), LNKEEP_PAYMENT_REASON_TIMEOUT);
    CHECK_EQUAL(reason_of(IN_FLIGHT), 0);
    CHECK_EQUAL(attempt_state(RETRYABLE, RETRYABLE), LNKEEP_PAYMENT_ATTEMPT_FAILED);
    /* Every attempt of what was unfinished, ended ones included, and no other. */
    static const uint64_t kept[] = {IN_FLIGHT, RETRYABLE, GIVEN_UP, HALF_SETTLED, 60};
    CHECK_EQUAL(resumed.kept_len, H_COUNT(kept));
    CHECK(memcmp(resumed.kept, kept, sizeof kept) == 0);
    /* Again: what is done is no longer looked at. */
    resume(0);
    CHECK_EQUAL(resumed.payments_len, 3);
    CHECK_EQUAL(outcome_of(IN_FLIGHT), LNKEEP_RESUME_WAITING);
    CHECK_DONE(lnkeep_payments_resume(payments, NULL, 0, 0, NULL, NULL));
    lnkeep_resume_free(NULL);
    end();
}

static void failed_attempts_are_pruned_unless_kept(void) {
    begin();
    make_each_status();
    resume(0);
    CHECK_EQUAL(attempt_state(RETRYABLE, RETRYABLE), LNKEEP_ATTEMPT_NOT_FOUND);
    CHECK_EQUAL(status_of(RETRYABLE), LNKEEP_PAYMENT_STATUS_FAILED);
    /* What was finished before is not touched. */
    CHECK_EQUAL(attempt_state(FAILED, FAILED), LNKEEP_PAYMENT_ATTEMPT_FAILED);
    end();
}

/* A part is out: what could be sent is given up, and a settle of the part counts all the same. */
static void a_part_that_is_out_is_waited_for(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_part(1, 1, 400, AMOUNT));
    resume(0);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(reason_of(1), LNKEEP_PAYMENT_REASON_NO_ROUTE);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    answer_settled(1, 1);
    resume(0);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_INTERNAL);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(reason_of(1), LNKEEP_PAYMENT_REASON_NO_ROUTE);
    resume(0);
    CHECK_EQUAL(resumed.payments_len, 0);
    end();
}

static void each_answer_has_its_consequence(void) {
    begin();
    static const uint32_t kinds[] = {LNKEEP_ANSWER_SETTLED, LNKEEP_ANSWER_FAILED, LNKEEP_ANSWER_FAILED_FINAL,
                                     LNKEEP_ANSWER_ERROR, LNKEEP_ANSWER_UNKNOWN, LNKEEP_ANSWER_PENDING};
    static const uint32_t reasons[] = {0,
                                       LNKEEP_PAYMENT_REASON_NO_ROUTE,
                                       LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS,
                                       LNKEEP_PAYMENT_REASON_ERROR,
                                       LNKEEP_PAYMENT_REASON_NO_ROUTE,
                                       0};
    static const uint32_t failures[] = {0,
                                        LNKEEP_ATTEMPT_FAILURE_MESSAGE,
                                        LNKEEP_ATTEMPT_FAILURE_MESSAGE,
                                        LNKEEP_ATTEMPT_FAILURE_INTERNAL,
                                        LNKEEP_ATTEMPT_FAILURE_INTERNAL,
                                        0};
    CHECK_DONE(lnkeep_store_tick(store, 5000, 1, NULL));
    for (uint64_t number = 1; number <= H_COUNT(kinds); number++) {
        CHECK_DONE(init_payment(number, AMOUNT));
        CHECK_DONE(register_whole(number, number, AMOUNT, 0));
        if (number == 1) answer_settled(1, 1);
        else answer(number, kinds[number - 1]);
    }
    resume(LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS);
    for (uint64_t number = 1; number <= H_COUNT(kinds); number++) {
        lnkeep_payment *payment = fetch(number);
        if (!payment) continue;
        const lnkeep_payment_attempt *attempt = attempt_of(payment, 0);
        int waits = kinds[number - 1] == LNKEEP_ANSWER_PENDING;
        CHECK_EQUAL(outcome_of(number), waits ? LNKEEP_RESUME_WAITING : LNKEEP_RESUME_DONE);
        CHECK_EQUAL(payment->failure_reason, reasons[number - 1]);
        CHECK_EQUAL(attempt->failure.reason, failures[number - 1]);
        if (failures[number - 1] == LNKEEP_ATTEMPT_FAILURE_MESSAGE) {
            CHECK(is_same_bytes(attempt->failure.message, h_text("of the network")));
            CHECK_EQUAL(attempt->failure.source_index, 3);
        }
        if (failures[number - 1]) CHECK_EQUAL(attempt->failure.failed_unix_ns, 5000000000);
        if (number == 1) CHECK_EQUAL(attempt->settled_unix_ns, 5000000000);
        lnkeep_payment_free(payment);
    }
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

/* Several attempts: all answers are applied, whatever their order, and the rest is waited for. */
static void parts_are_answered_one_by_one(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 4; id++) CHECK_DONE(register_part(1, id, 250, AMOUNT));
    answer(4, LNKEEP_ANSWER_FAILED);
    answer_settled(1, 2);
    answer(99, LNKEEP_ANSWER_ERROR);
    resume(LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(attempt_state(1, 1), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    CHECK_EQUAL(attempt_state(1, 2), LNKEEP_PAYMENT_ATTEMPT_SETTLED);
    CHECK_EQUAL(attempt_state(1, 4), LNKEEP_PAYMENT_ATTEMPT_FAILED);
    answer_settled(1, 1);
    answer_settled(1, 3);
    resume(0);
    /* The receiver claimed three parts of four. */
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_INTERNAL);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

static void answers_are_checked_before_anything_changes(void) {
    begin();
    make_each_status();
    lnkeep_resume *done = (lnkeep_resume *)(void *)&store;
    answer(IN_FLIGHT, LNKEEP_ANSWER_PENDING);
    for (int mistake = 0; mistake < 6; mistake++) {
        lnkeep_resume_answer *last_one = answer(GIVEN_UP, LNKEEP_ANSWER_FAILED);
        lnkeep_status wanted = LNKEEP_INVALID_ARGUMENT;
        if (mistake == 0) last_one->answer = 0;
        if (mistake == 1) last_one->answer = 7;
        if (mistake == 2) last_one->flags = 2;
        if (mistake == 3) last_one->failure.reason = 0;
        if (mistake == 4) last_one->failure.message = h_bytes(NULL, 5);
        if (mistake == 5) last_one->key = h_key(IN_FLIGHT);
        if (mistake == 5) wanted = LNKEEP_DUPLICATE_ID;
        CHECK_STATUS(lnkeep_payments_resume(payments, answers, answers_len, 0, &done, NULL), wanted);
        answers_len--;
    }
    for (uint32_t flag = 4; flag != 0; flag <<= 1) {
        CHECK_STATUS(lnkeep_payments_resume(payments, answers, 1, flag, &done, NULL),
                     LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_STATUS(lnkeep_payments_resume(payments, answers, SIZE_MAX / 16, 0, &done, NULL),
                 LNKEEP_INVALID_ARGUMENT);
    CHECK(done == (lnkeep_resume *)(void *)&store);
    answers_len = 0;
    check_each_status();
    end();
}

static void a_closed_first_hop_ends_what_has_no_result(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 4; id++) CHECK_DONE(register_part(1, id, 250, AMOUNT));
    answer(1, LNKEEP_ANSWER_PENDING)->flags = LNKEEP_ANSWER_FIRST_HOP_CLOSED;
    answer(2, LNKEEP_ANSWER_UNKNOWN)->flags = LNKEEP_ANSWER_FIRST_HOP_CLOSED;
    answer_settled(1, 3);
    answers[answers_len - 1].flags = LNKEEP_ANSWER_FIRST_HOP_CLOSED;
    answer(4, LNKEEP_ANSWER_FAILED)->flags = LNKEEP_ANSWER_FIRST_HOP_CLOSED;
    resume(LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS);
    lnkeep_payment *payment = fetch(1);
    if (payment && CHECK_EQUAL(payment->attempts_len, 4)) {
        CHECK_EQUAL(attempt_of(payment, 0)->failure.reason, LNKEEP_ATTEMPT_FAILURE_UNKNOWN);
        CHECK_EQUAL(attempt_of(payment, 1)->failure.reason, LNKEEP_ATTEMPT_FAILURE_UNKNOWN);
        CHECK_EQUAL(attempt_of(payment, 2)->state, LNKEEP_PAYMENT_ATTEMPT_SETTLED);
        CHECK_EQUAL(attempt_of(payment, 3)->failure.reason, LNKEEP_ATTEMPT_FAILURE_MESSAGE);
    }
    lnkeep_payment_free(payment);
    end();
}

/* A host that kept what its sender needs is handed the payment back, as long as the deadline lies ahead. */
static void an_intent_may_go_on(void) {
    begin();
    static const uint64_t deadlines[] = {0, 9000000000, 9000000001, 1};
    for (uint64_t number = 1; number <= 5; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        if (number <= 4) init.present = LNKEEP_PAYMENT_HAS_INTENT;
        if (number <= 4) init.intent_deadline_unix_ns = deadlines[number - 1];
        CHECK_DONE(init_with(&init));
    }
    CHECK_DONE(register_part(1, 1, 400, AMOUNT));
    CHECK_DONE(lnkeep_store_tick(store, 9000, 1, NULL));
    resume(LNKEEP_RESUME_SENDING);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_MAY_SEND);
    CHECK_EQUAL(outcome_of(2), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(outcome_of(3), LNKEEP_RESUME_MAY_SEND);
    CHECK_EQUAL(outcome_of(4), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(outcome_of(5), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(status_of(3), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_EQUAL(reason_of(1) | reason_of(3), 0);
    CHECK_EQUAL(status_of(2), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_DONE(register_part(1, 2, 600, AMOUNT));
    resume(LNKEEP_RESUME_SENDING);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_WAITING);
    resume(0);
    CHECK_EQUAL(status_of(3), LNKEEP_PAYMENT_STATUS_FAILED);
    end();
}

/* Results that are there count before a payment is handed back: a part that settled ends the sending. */
static void an_intent_goes_on_behind_its_results(void) {
    begin();
    for (uint64_t number = 1; number <= 2; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        init.present = LNKEEP_PAYMENT_HAS_INTENT;
        CHECK_DONE(init_with(&init));
        CHECK_DONE(register_part(number, number, 400, AMOUNT));
        CHECK_DONE(register_part(number, 10 + number, 300, AMOUNT));
    }
    answer(1, LNKEEP_ANSWER_FAILED);
    answer_settled(2, 2);
    resume(LNKEEP_RESUME_SENDING);
    CHECK_EQUAL(outcome_of(1), LNKEEP_RESUME_MAY_SEND);
    CHECK_EQUAL(attempt_state(1, 1), LNKEEP_PAYMENT_ATTEMPT_FAILED);
    CHECK_EQUAL(reason_of(1), 0);
    CHECK_EQUAL(outcome_of(2), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(attempt_state(2, 2), LNKEEP_PAYMENT_ATTEMPT_SETTLED);
    end();
}

static void mark(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL));
}

/* Attempts of one payment each, with records in every state a crash may leave. */
enum { INTENT = 1, HANDED_OFF, SETTLED_THERE, FAILED_THERE, ROLLED_BACK, LAST_RECORD = ROLLED_BACK };

static void make_records(void) {
    for (uint64_t number = 1; number <= LAST_RECORD; number++) {
        CHECK_DONE(init_payment(number, AMOUNT));
        CHECK_DONE(register_whole(number, number, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
        if (number >= HANDED_OFF && number != ROLLED_BACK) mark(number);
    }
    lnkeep_attempt_result result = h_settle(0);
    lnkeep_attempt_key rolled_back = h_key(ROLLED_BACK);
    memcpy(result.preimage, preimage_of(SETTLED_THERE).bytes, 32);
    CHECK_DONE(h_store(attempts, SETTLED_THERE, result));
    CHECK_DONE(h_store(attempts, FAILED_THERE, h_fail("of the network")));
    CHECK_DONE(lnkeep_attempts_fail_pending(attempts, &rolled_back, 0, h_text("no link"), 0, NULL, NULL));
}

static void check_records(void) {
    CHECK_EQUAL(status_of(SETTLED_THERE), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(status_of(FAILED_THERE), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(status_of(ROLLED_BACK), LNKEEP_PAYMENT_STATUS_FAILED);
}

static void records_answer_without_the_host(void) {
    begin();
    make_records();
    resume(LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS);
    CHECK_EQUAL(outcome_of(INTENT), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(outcome_of(HANDED_OFF), LNKEEP_RESUME_WAITING);
    for (uint64_t number = SETTLED_THERE; number <= LAST_RECORD; number++) {
        CHECK_EQUAL(outcome_of(number), LNKEEP_RESUME_DONE);
    }
    check_records();
    lnkeep_payment *failed = fetch(FAILED_THERE);
    if (failed) {
        CHECK_EQUAL(attempt_of(failed, 0)->failure.reason, LNKEEP_ATTEMPT_FAILURE_MESSAGE);
        CHECK(is_same_bytes(attempt_of(failed, 0)->failure.message, h_text("of the network")));
    }
    lnkeep_payment_free(failed);
    for (uint64_t id = SETTLED_THERE; id <= LAST_RECORD; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_attempt *record = NULL;
        if (!CHECK_DONE(lnkeep_attempts_get(attempts, &key, &record, NULL))) continue;
        CHECK(record->flags & LNKEEP_ATTEMPT_ACKED);
        lnkeep_attempt_free(record);
    }
    end();
}

/* The record says that it may settle: neither ignorance nor an error of the host ends it. */
static void records_count_before_answers(void) {
    begin();
    static const uint32_t kinds[] = {LNKEEP_ANSWER_UNKNOWN, LNKEEP_ANSWER_ERROR, LNKEEP_ANSWER_FAILED,
                                     LNKEEP_ANSWER_FAILED_FINAL};
    make_records();
    for (size_t i = 0; i < H_COUNT(kinds); i++) {
        answer(HANDED_OFF, kinds[i])->flags = LNKEEP_ANSWER_FIRST_HOP_CLOSED;
        resume(0);
        CHECK_EQUAL(outcome_of(HANDED_OFF), LNKEEP_RESUME_WAITING);
        CHECK_EQUAL(attempt_state(HANDED_OFF, HANDED_OFF), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
        CHECK_EQUAL(h_state(attempts, HANDED_OFF), LNKEEP_STATE_HANDED_OFF);
        CHECK_EQUAL(reason_of(HANDED_OFF), 0);
    }
    check_records();
    /* What never left may be ended by ignorance, and a preimage is one wherever it comes from. */
    answer(INTENT, LNKEEP_ANSWER_UNKNOWN);
    answer_settled(HANDED_OFF, HANDED_OFF);
    resume(0);
    CHECK_EQUAL(status_of(INTENT), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(h_state(attempts, INTENT), LNKEEP_STATE_FAILED);
    CHECK_EQUAL(status_of(HANDED_OFF), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(h_state(attempts, HANDED_OFF), LNKEEP_STATE_SETTLED);
    end();
}

static int child_dies_while_paying(const char *path) {
    directory = path;
    open_with(NULL, NULL);
    make_records();
    CHECK_DONE(init_payment(20, AMOUNT));
    return 0;
}

static void a_crash_is_finished_after_it(void) {
    directory = h_directory();
    CHECK_EQUAL(h_run_child("child_dies_while_paying", directory), 0);
    open_with(NULL, NULL);
    /* First the records of what certainly never left, then the payments. */
    CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, 0, NULL, NULL));
    resume(0);
    CHECK_EQUAL(resumed.payments_len, LAST_RECORD + 1);
    CHECK_EQUAL(outcome_of(INTENT), LNKEEP_RESUME_DONE);
    CHECK_EQUAL(status_of(INTENT), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(outcome_of(HANDED_OFF), LNKEEP_RESUME_WAITING);
    CHECK_EQUAL(status_of(SETTLED_THERE), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(status_of(20), LNKEEP_PAYMENT_STATUS_FAILED);
    end();
}

/* An answer that the rules refuse is the host's mistake: the payment waits, and the call comes to its end. */
static int child_answers_wrongly(const char *path) {
    static uint8_t room[65536];
    directory = path;
    open_with(NULL, NULL);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    alarm(20);
    if (strstr(path, "preimage")) answer_settled(2, 1);
    else answer(1, LNKEEP_ANSWER_FAILED)->failure.message = h_bytes(room, sizeof room);
    lnkeep_status status = lnkeep_payments_resume(payments, answers, answers_len, 0, NULL, NULL);
    CHECK(status == LNKEEP_DONE || lnkeep_status_class(status) == LNKEEP_CLASS_REFUSED);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_EQUAL(attempt_state(1, 1), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    end();
    return 0;
}

/* In a child, because a call that never returns has to be ended from outside. */
static void check_ends(const char *mistake) {
    CHECK_EQUAL(h_run_child("child_answers_wrongly", h_path(h_directory(), mistake)), 0);
}

static void a_wrong_preimage_does_not_hold_up(void) { check_ends("preimage"); }

static void a_failure_too_long_does_not_hold_up(void) { check_ends("message"); }

static lnkeep_stuck found[600];
static size_t found_len;

/* All that is stuck, over all pages; answers how many pages there were. */
static unsigned find_stuck(lnkeep_stuck_query query) {
    unsigned pages = 0;
    uint32_t more = 1;
    for (found_len = 0; more && pages < 100; pages++) {
        lnkeep_stuck_list *list = NULL;
        if (!CHECK_DONE(lnkeep_payments_stuck(payments, &query, &list, NULL))) break;
        CHECK_EQUAL(list->size, sizeof *list);
        CHECK_EQUAL(list->reserved, 0);
        for (size_t i = 0; i < list->found_len && found_len < H_COUNT(found); i++) {
            found[found_len++] = list->found[i];
        }
        if (list->has_more) CHECK(list->next > query.after);
        else CHECK_EQUAL(list->next, 0);
        more = list->has_more;
        query.after = list->next;
        lnkeep_stuck_list_free(list);
    }
    lnkeep_stuck_list_free(NULL);
    return pages;
}

/* Reason for which a payment is stuck, 0 when it is not. */
static uint32_t stuck_reason(uint64_t number) {
    for (size_t i = 0; i < found_len; i++) {
        if (memcmp(found[i].payment_hash, hash_of(number).bytes, 32) == 0) return found[i].reason;
    }
    return 0;
}

static void every_way_of_being_stuck_is_found(void) {
    begin();
    lnkeep_stuck_query query = LNKEEP_STUCK_QUERY_INIT;
    lnkeep_attempt_key gone = h_key(ROLLED_BACK);
    lnkeep_outcome outcome;
    make_records();
    /* A record that was acknowledged by hand and deleted is missed by its payment. */
    CHECK_DONE(lnkeep_attempts_ack(attempts, &gone, NULL, NULL));
    CHECK_DONE(lnkeep_attempts_delete(attempts, &gone, 1, LNKEEP_DELETE_FORGET, &outcome, NULL));
    CHECK_EQUAL(find_stuck(query), 1);
    CHECK_EQUAL(stuck_reason(INTENT) | stuck_reason(HANDED_OFF), 0);
    CHECK_EQUAL(stuck_reason(SETTLED_THERE), LNKEEP_STUCK_RESULT_NOT_COLLECTED);
    CHECK_EQUAL(stuck_reason(FAILED_THERE), LNKEEP_STUCK_RESULT_NOT_COLLECTED);
    CHECK_EQUAL(stuck_reason(ROLLED_BACK), LNKEEP_STUCK_NO_RECORD);
    CHECK_EQUAL(found_len, 3);
    for (size_t i = 0; i < found_len; i++) {
        CHECK_EQUAL(found[i].sequence, SETTLED_THERE + i);
        CHECK_EQUAL(found[i].attempt.id, SETTLED_THERE + i);
        CHECK_EQUAL(found[i].cltv_expiry, 0);
    }
    /* The operator's way out of each. */
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    CHECK_DONE(fail_by(ROLLED_BACK, ROLLED_BACK, &failure, "looked at the channel", LNKEEP_FAIL_FORCED));
    resume(0);
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    lnkeep_stuck_list *list = NULL;
    CHECK_DONE(lnkeep_payments_stuck(payments, NULL, &list, NULL));
    lnkeep_stuck_list_free(list);
    end();
}

static void an_expired_attempt_is_stuck_after_its_grace(void) {
    begin();
    lnkeep_stuck_query query = LNKEEP_STUCK_QUERY_INIT;
    static const uint32_t expiries[] = {800000, 800001, 0, UINT32_MAX};
    for (uint64_t number = 1; number <= 4; number++) {
        lnkeep_payment_attempt_request request = request_of(number, AMOUNT, 0);
        request.cltv_expiry = expiries[number - 1];
        CHECK_DONE(init_payment(number, AMOUNT));
        CHECK_DONE(register_with(number, &request, number == 2 ? LNKEEP_REGISTER_WITH_RECORD : 0));
    }
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    query.block_height = 800000;
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    query.block_height = 800001;
    find_stuck(query);
    CHECK_EQUAL(found_len, 1);
    CHECK_EQUAL(stuck_reason(1), LNKEEP_STUCK_PAST_EXPIRY);
    CHECK_EQUAL(found[0].cltv_expiry, 800000);
    query.block_height = 800144;
    query.grace_blocks = 144;
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    /* Without a height, that of the store counts. */
    query.block_height = 0;
    CHECK_DONE(lnkeep_store_tick(store, 1, 800146, NULL));
    find_stuck(query);
    CHECK_EQUAL(found_len, 2);
    CHECK_EQUAL(stuck_reason(2), LNKEEP_STUCK_PAST_EXPIRY);
    query.block_height = UINT32_MAX;
    query.grace_blocks = UINT32_MAX;
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    end();
}

static void an_untouched_payment_is_abandoned(void) {
    begin();
    lnkeep_stuck_query query = LNKEEP_STUCK_QUERY_INIT;
    CHECK_DONE(lnkeep_store_tick(store, 1000, 1, NULL));
    make_each_status();
    CHECK_DONE(lnkeep_store_tick(store, 2000, 1, NULL));
    CHECK_DONE(init_payment(20, AMOUNT));
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    query.untouched_since_unix_ms = 1000;
    find_stuck(query);
    CHECK_EQUAL(found_len, 0);
    query.untouched_since_unix_ms = 1001;
    find_stuck(query);
    CHECK_EQUAL(found_len, 2);
    CHECK_EQUAL(stuck_reason(INITIATED), LNKEEP_STUCK_ABANDONED);
    CHECK_EQUAL(stuck_reason(RETRYABLE), LNKEEP_STUCK_ABANDONED);
    CHECK(is_zero(&found[0].attempt, sizeof found[0].attempt));
    end();
}

/* At most 256 payments per call, whatever is found among them. */
static void stuck_payments_come_in_pages(void) {
    begin();
    lnkeep_stuck_query query = LNKEEP_STUCK_QUERY_INIT;
    CHECK_DONE(lnkeep_store_tick(store, 1000, 1, NULL));
    init_many(h_rounds(520, 260), 0);
    query.untouched_since_unix_ms = 2000;
    CHECK_EQUAL(find_stuck(query), h_rounds(3, 2));
    CHECK_EQUAL(found_len, h_rounds(520, 260));
    for (size_t i = 0; i < found_len; i++) CHECK_EQUAL(found[i].sequence, i + 1);
    end();
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_dies_while_paying", child_dies_while_paying},
                                       {"child_answers_wrongly", child_answers_wrongly}};
    static const h_test tests[] = {
        H_TEST(nothing_new_is_sent),
        H_TEST(failed_attempts_are_pruned_unless_kept),
        H_TEST(a_part_that_is_out_is_waited_for),
        H_TEST(each_answer_has_its_consequence),
        H_TEST(parts_are_answered_one_by_one),
        H_TEST(answers_are_checked_before_anything_changes),
        H_TEST(a_closed_first_hop_ends_what_has_no_result),
        H_TEST(an_intent_may_go_on),
        H_TEST(an_intent_goes_on_behind_its_results),
        H_TEST(records_answer_without_the_host),
        H_TEST(records_count_before_answers),
        H_TEST(a_crash_is_finished_after_it),
        H_TEST(a_wrong_preimage_does_not_hold_up),
        H_TEST(a_failure_too_long_does_not_hold_up),
        H_TEST(every_way_of_being_stuck_is_found),
        H_TEST(an_expired_attempt_is_stuck_after_its_grace),
        H_TEST(an_untouched_payment_is_abandoned),
        H_TEST(stuck_payments_come_in_pages),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

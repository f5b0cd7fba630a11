/* Payments in submissions: every kind in one commit, groups of both components, waited for or not. */

#include "payments.h"

#include <stdio.h>
#include <stdlib.h>

static lnkeep_op ops[16];
static lnkeep_outcome outcomes[16];
static size_t len;
/* What operations point to; read during the call only. */
static lnkeep_payment_init inits[16];
static lnkeep_payment_attempt_request requests[16];

static lnkeep_op *add(uint32_t kind, uint32_t flags) {
    lnkeep_op *op = &ops[len++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->flags = flags;
    op->component = kind < LNKEEP_OP_PAYMENT_INIT ? attempts.bits : payments.bits;
    return op;
}

static lnkeep_op *add_init(uint64_t number, uint64_t amount_msat) {
    inits[len] = init_of(number, amount_msat);
    const lnkeep_payment_init *init = &inits[len];
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_INIT, 0);
    op->body.payment_init.init = init;
    return op;
}

static lnkeep_op *add_register(uint64_t number, uint64_t id, uint64_t amount_msat, uint32_t flags) {
    requests[len] = part_of(id, amount_msat, AMOUNT);
    const lnkeep_payment_attempt_request *request = &requests[len];
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_REGISTER, flags);
    memcpy(op->body.payment_register.payment_hash, hash_of(number).bytes, 32);
    op->body.payment_register.attempt = request;
    return op;
}

static lnkeep_op *add_settle(uint64_t number, uint64_t id, uint32_t flags) {
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_SETTLE, flags);
    memcpy(op->body.payment_settle.payment_hash, hash_of(number).bytes, 32);
    memcpy(op->body.payment_settle.preimage, preimage_of(number).bytes, 32);
    op->body.payment_settle.key = h_key(id);
    op->body.payment_settle.settled_unix_ns = 1000;
    return op;
}

static lnkeep_op *add_fail_attempt(uint64_t number, uint64_t id, uint32_t flags) {
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_FAIL_ATTEMPT, flags);
    memcpy(op->body.payment_fail_attempt.payment_hash, hash_of(number).bytes, 32);
    op->body.payment_fail_attempt.key = h_key(id);
    op->body.payment_fail_attempt.failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "no luck");
    if (flags & LNKEEP_FAIL_FORCED) op->body.payment_fail_attempt.note = h_text("a note");
    return op;
}

static lnkeep_op *add_fail(uint64_t number, uint32_t reason) {
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_FAIL, 0);
    memcpy(op->body.payment_fail.payment_hash, hash_of(number).bytes, 32);
    op->body.payment_fail.reason = reason;
    return op;
}

static lnkeep_op *add_delete(uint64_t number, uint32_t flags) {
    lnkeep_op *op = add(LNKEEP_OP_PAYMENT_DELETE, flags);
    memcpy(op->body.payment_delete.payment_hash, hash_of(number).bytes, 32);
    return op;
}

static lnkeep_op *add_mark(uint64_t id) {
    lnkeep_op *op = add(LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, 0);
    op->body.attempt_key = h_key(id);
    return op;
}

/* Submits what was added, and forgets it. */
static lnkeep_status submit(uint32_t flags) {
    memset(outcomes, 0xee, sizeof outcomes);
    lnkeep_status status = lnkeep_submit(store, ops, len, flags, outcomes, NULL);
    len = 0;
    return status;
}

/* Each sees what came before it, in one commit. */
static void every_kind_in_order_in_one_commit(void) {
    begin();
    lnkeep_stats before = LNKEEP_STATS_INIT, after = LNKEEP_STATS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    add_init(1, AMOUNT);
    add_init(1, AMOUNT);
    add_register(1, 1, 400, LNKEEP_REGISTER_WITH_RECORD);
    add_register(1, 2, 601, 0);
    add_register(1, 2, 600, 0);
    add_mark(1);
    add_fail_attempt(1, 1, 0);
    add_fail_attempt(1, 2, 0);
    add_settle(1, 1, 0);
    add_settle(1, 2, LNKEEP_RESULT_REFUSE_LATE);
    add_fail(1, LNKEEP_PAYMENT_REASON_ERROR);
    add_delete(1, LNKEEP_DELETE_FAILED_ATTEMPTS);
    add_delete(1, 0);
    static const lnkeep_status wanted[] = {
        LNKEEP_DONE, LNKEEP_ALREADY_EXISTS, LNKEEP_DONE, LNKEEP_VALUE_EXCEEDS, LNKEEP_DONE, LNKEEP_DONE,
        LNKEEP_HANDED_OFF, LNKEEP_DONE, LNKEEP_DONE, LNKEEP_PAYMENT_ALREADY_SUCCEEDED,
        LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_DONE, LNKEEP_DONE,
    };
    CHECK_DONE(lnkeep_store_stats(store, &before, NULL));
    memset(outcomes, 0xee, sizeof outcomes);
    CHECK_STATUS(lnkeep_submit(store, ops, len, 0, outcomes, &err), LNKEEP_BATCH);
    CHECK_EQUAL(lnkeep_status_class(err.status), LNKEEP_CLASS_REFUSED);
    CHECK_DONE(lnkeep_store_stats(store, &after, NULL));
    CHECK_EQUAL(after.commits, before.commits + 1);
    CHECK_EQUAL(len, H_COUNT(wanted));
    for (size_t i = 0; i < len; i++) {
        if (!CHECK_STATUS(outcomes[i].status, wanted[i])) printf("operation %d\n", (int)i);
        CHECK_EQUAL(outcomes[i].flags & LNKEEP_OUTCOME_CHANGED, wanted[i] == LNKEEP_DONE);
        CHECK_EQUAL(outcomes[i].reserved | outcomes[i].value, 0);
    }
    len = 0;
    CHECK_STATUS(status_of(1), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(init_payment(1, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_SETTLED);
    end();
}

/* A payment, its attempt, the record and the mark, or none of them, wherever the refusal stands. */
static void a_group_of_both_components_is_all_or_none(void) {
    begin();
    for (size_t refused = 0; refused < 5; refused++) {
        size_t at = 0;
        if (refused == at++) add_fail(77, LNKEEP_PAYMENT_REASON_ERROR);
        add_init(1, AMOUNT);
        if (refused == at++) add_mark(99);
        add_register(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD);
        if (refused == at++) add_register(1, 2, 1, 0);
        add_mark(1);
        if (refused == at++) add_settle(1, 1, 0)->body.payment_settle.preimage[0] ^= 1;
        lnkeep_op *init = add(LNKEEP_OP_ATTEMPT_INIT, 0);
        init->body.attempt_init = h_request(50);
        if (refused == at++) add_fail_attempt(1, 1, 0);
        CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
        unsigned aborted = 0;
        for (size_t i = 0; i < 5; i++) {
            aborted += outcomes[i].status == LNKEEP_ABORTED;
            CHECK(outcomes[i].status < 0);
            CHECK_EQUAL(outcomes[i].flags | outcomes[i].event_sequence, 0);
        }
        CHECK_EQUAL(aborted, 4);
        CHECK_STATUS(status_of(1), LNKEEP_PAYMENT_NOT_INITIATED);
        CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
        CHECK_STATUS(h_state(attempts, 50), LNKEEP_NOT_FOUND);
        CHECK_EQUAL(counts_now().payments + counts_now().attempts, 0);
    }
    add_init(1, AMOUNT);
    add_register(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD);
    add_mark(1);
    CHECK_DONE(submit(LNKEEP_SUBMIT_ATOMIC));
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_HANDED_OFF);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    end();
}

/* What is paid at once, such as to another account of this node: registered and settled in one group. */
static void registering_and_settling_are_one_group(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    add_register(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD);
    add_settle(1, 1, 0)->body.payment_settle.preimage[31] ^= 1;
    CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_ABORTED);
    CHECK_STATUS(outcomes[1].status, LNKEEP_BAD_PREIMAGE);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_INITIATED);
    add_register(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD);
    add_settle(1, 1, 0);
    CHECK_DONE(submit(LNKEEP_SUBMIT_ATOMIC));
    CHECK_EQUAL(outcomes[1].event_sequence > outcomes[0].event_sequence, 1);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_SETTLED);
    add_settle(1, 1, 0);
    CHECK_DONE(submit(LNKEEP_SUBMIT_ATOMIC));
    CHECK_STATUS(outcomes[0].status, LNKEEP_ALREADY);
    end();
}

/* Two payments that trade places: both or none. */
static void groups_reach_over_payments(void) {
    begin();
    make_each_status();
    add_settle(IN_FLIGHT, IN_FLIGHT, 0);
    add_fail_attempt(GIVEN_UP, GIVEN_UP, 0);
    add_settle(SUCCEEDED, SUCCEEDED, LNKEEP_RESULT_REFUSE_REPEAT);
    CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[2].status, LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    check_each_status();
    add_settle(IN_FLIGHT, IN_FLIGHT, 0);
    add_fail_attempt(GIVEN_UP, GIVEN_UP, 0);
    add_settle(SUCCEEDED, SUCCEEDED, 0);
    CHECK_DONE(submit(LNKEEP_SUBMIT_ATOMIC));
    CHECK_STATUS(outcomes[2].status, LNKEEP_ALREADY);
    CHECK_EQUAL(status_of(IN_FLIGHT), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(status_of(GIVEN_UP), LNKEEP_PAYMENT_STATUS_FAILED);
    end();
}

/* One mistake each in an otherwise right operation; none of them reaches the store. */
static size_t add_malformed(int which) {
    const void *misaligned = (const char *)inits + 1;
    lnkeep_op *op = NULL;
    switch (which) {
    case 0: op = add_init(1, AMOUNT), op->body.payment_init.init = NULL; break;
    case 1: op = add_init(1, AMOUNT), op->flags = 1; break;
    case 2: op = add_init(1, AMOUNT), inits[len - 1].size = 4; break;
    case 3: op = add_init(1, AMOUNT), inits[len - 1].present = 8; break;
    case 4: op = add_register(2, 9, 1, 2); break;
    case 5: op = add_register(2, 9, 1, 0), op->body.payment_register.attempt = NULL; break;
    case 6: op = add_register(2, 9, 1, 0), requests[len - 1].present = 32; break;
    case 7: op = add_register(2, 9, 1, 0), requests[len - 1].route.len = 7; break;
    case 8: op = add_settle(2, 9, LNKEEP_FAIL_FORCED); break;
    case 9: op = add_fail_attempt(2, 9, LNKEEP_RESULT_REFUSE_LATE); break;
    case 10: op = add_fail_attempt(2, 9, 0), op->body.payment_fail_attempt.note = h_text("n"); break;
    case 11: op = add_fail_attempt(2, 9, 0), op->body.payment_fail_attempt.failure.reason = 5; break;
    case 12: op = add_fail(2, 7); break;
    case 13: op = add_fail(2, 0); break;
    case 14: op = add_fail(2, 1), op->body.payment_fail.reserved = 1; break;
    case 15: op = add_fail(2, 1), op->flags = 1; break;
    case 16: op = add_delete(2, LNKEEP_DELETE_FORGET | LNKEEP_DELETE_TOMBSTONE); break;
    case 17: op = add_delete(2, 8); break;
    case 18: op = add_fail(2, 1), op->kind = LNKEEP_OP_PAYMENT_DELETE + 1; break;
    case 19: op = add_fail(2, 1), op->kind = LNKEEP_OP_PAYMENT_INIT - 1; break;
    case 20: op = add_init(1, AMOUNT), op->body.payment_init.init = misaligned; break;
    default: break;
    }
    return op != NULL;
}

static void malformed_operations_are_refused_one_by_one(void) {
    begin();
    CHECK_DONE(init_payment(2, AMOUNT));
    int which = 0;
    for (; add_malformed(which); which++) {
        add_init(100 + (uint64_t)which, AMOUNT);
        CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
        if (!CHECK_STATUS(outcomes[0].status, LNKEEP_INVALID_ARGUMENT)) printf("mistake %d\n", which);
        CHECK_STATUS(outcomes[1].status, LNKEEP_ABORTED);
        add_malformed(which);
        add_init(100 + (uint64_t)which, AMOUNT);
        CHECK_STATUS(submit(0), LNKEEP_BATCH);
        CHECK_STATUS(outcomes[0].status, LNKEEP_INVALID_ARGUMENT);
        CHECK_DONE(outcomes[1].status);
    }
    CHECK_EQUAL(which, 21);
    CHECK_EQUAL(status_of(2), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_STATUS(status_of(1), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_EQUAL(counts_now().payments, 22);
    end();
}

static void components_are_checked(void) {
    begin();
    lnkeep_store other = h_open(h_directory());
    lnkeep_payments foreign = h_payments(other), closed = h_payments(store);
    add_init(1, AMOUNT)->component = foreign.bits;
    add_init(2, AMOUNT)->component = 0;
    add_init(3, AMOUNT)->component = store.bits;
    add_init(4, AMOUNT)->component = attempts.bits;
    add_init(5, AMOUNT)->component = closed.bits;
    add_init(6, AMOUNT)->component = UINT64_MAX;
    add_mark(1)->component = payments.bits;
    h_close_payments(&closed);
    CHECK_STATUS(submit(0), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_INVALID_ARGUMENT);
    for (int i = 1; i < 7; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_BAD_HANDLE);
    CHECK_EQUAL(counts_now().payments, 0);
    /* The other store is closed: its payments are known all the same, and not of this store. */
    h_close(&other);
    add_init(1, AMOUNT)->component = foreign.bits;
    CHECK_STATUS(submit(0), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_INVALID_ARGUMENT);
    h_close_payments(&foreign);
    end();
}

static size_t take(lnkeep_completion *taken, size_t capacity) {
    size_t taken_len = 99;
    CHECK_DONE(lnkeep_completions_take(store, taken, capacity, &taken_len, NULL));
    return taken_len;
}

/* Everything an operation points to may go as soon as the call returned. */
static void completions_come_with_their_cookie(void) {
    begin();
    lnkeep_completion taken[8];
    char *invoice = (char *)malloc(8), *note = (char *)malloc(8);
    memcpy(invoice, "lnbc1..", 8);
    memcpy(note, "because", 8);
    add_init(1, AMOUNT);
    inits[0].payment_request = h_text(invoice);
    add_register(1, 1, AMOUNT, 0);
    add_fail_attempt(1, 1, LNKEEP_FAIL_FORCED)->body.payment_fail_attempt.note = h_text(note);
    add_settle(1, 2, 0);
    CHECK_DONE(lnkeep_submit_async(store, ops, len, 0, 4711, NULL));
    memset(ops, 0xee, sizeof ops);
    memset(inits, 0xee, sizeof inits);
    memset(requests, 0xee, sizeof requests);
    memset(invoice, 'x', 7);
    memset(note, 'x', 7);
    free(invoice);
    free(note);
    len = 0;
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    static const lnkeep_status wanted[] = {LNKEEP_DONE, LNKEEP_DONE, LNKEEP_DONE, LNKEEP_ATTEMPT_NOT_FOUND};
    CHECK_EQUAL(take(taken, 8), 4);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK_EQUAL(taken[i].cookie, 4711);
        CHECK_EQUAL(taken[i].index, i);
        CHECK_EQUAL(taken[i].operations, 4);
        CHECK_STATUS(taken[i].outcome.status, wanted[i]);
        CHECK_EQUAL(taken[i].outcome.event_sequence > 0, i < 3);
    }
    lnkeep_payment *payment = fetch(1);
    if (payment && CHECK_EQUAL(payment->attempts_len, 1)) {
        CHECK(is_same_bytes(payment->init.payment_request, h_text("lnbc1..")));
        CHECK(is_same_bytes(attempt_of(payment, 0)->note, h_text("because")));
    }
    lnkeep_payment_free(payment);
    end();
}

static void an_asynchronous_group_is_all_or_none(void) {
    begin();
    lnkeep_completion taken[8];
    for (uint64_t cookie = 1; cookie <= 2; cookie++) {
        add_init(1, AMOUNT);
        add_register(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD);
        add_mark(cookie == 1 ? 2 : 1);
        CHECK_DONE(lnkeep_submit_async(store, ops, len, LNKEEP_SUBMIT_ATOMIC, cookie, NULL));
        len = 0;
    }
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_EQUAL(take(taken, 8), 6);
    for (int i = 0; i < 6; i++) {
        lnkeep_status refused = taken[i].index == 2 ? LNKEEP_NOT_FOUND : LNKEEP_ABORTED;
        CHECK_STATUS(taken[i].outcome.status, taken[i].cookie == 1 ? refused : LNKEEP_DONE);
    }
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_HANDED_OFF);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    end();
}

/* 1,024 operations in one commit, and not one more; nor more than 4 MiB of what they point to. */
static void limits_are_exact(void) {
    begin();
    enum { MOST = 1024 };
    lnkeep_op *many = (lnkeep_op *)calloc(MOST + 1, sizeof *many);
    lnkeep_outcome *answers = (lnkeep_outcome *)calloc(MOST + 1, sizeof *answers);
    lnkeep_payment_init *given = (lnkeep_payment_init *)calloc(MOST + 1, sizeof *given);
    static uint8_t room[65535];
    for (uint64_t i = 0; i <= MOST; i++) {
        given[i] = init_of(i + 1, AMOUNT);
        many[i].kind = LNKEEP_OP_PAYMENT_INIT;
        many[i].component = payments.bits;
        many[i].body.payment_init.init = &given[i];
    }
    CHECK_STATUS(lnkeep_submit(store, many, MOST + 1, 0, answers, NULL), LNKEEP_TOO_BIG);
    for (uint64_t i = 0; i < 80; i++) given[i].payment_request = h_bytes(room, sizeof room);
    CHECK_STATUS(lnkeep_submit(store, many, 80, 0, answers, NULL), LNKEEP_TOO_BIG);
    for (int i = 0; i < 80; i++) CHECK_STATUS(answers[i].status, LNKEEP_TOO_BIG);
    CHECK_EQUAL(counts_now().payments, 0);
    CHECK_DONE(lnkeep_submit(store, many, 60, 0, answers, NULL));
    for (uint64_t i = 0; i < 80; i++) given[i].payment_request.len = 0;
    CHECK_STATUS(lnkeep_submit(store, many, MOST, 0, answers, NULL), LNKEEP_BATCH);
    for (int i = 0; i < MOST; i++) {
        CHECK_STATUS(answers[i].status, i < 60 ? LNKEEP_PAYMENT_EXISTS : LNKEEP_DONE);
    }
    CHECK_EQUAL(counts_now().payments, MOST);
    free(given);
    free(answers);
    free(many);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_kind_in_order_in_one_commit),
        H_TEST(a_group_of_both_components_is_all_or_none),
        H_TEST(registering_and_settling_are_one_group),
        H_TEST(groups_reach_over_payments),
        H_TEST(malformed_operations_are_refused_one_by_one),
        H_TEST(components_are_checked),
        H_TEST(completions_come_with_their_cookie),
        H_TEST(an_asynchronous_group_is_all_or_none),
        H_TEST(limits_are_exact),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Batches: independent, all or none, waited for or answered later. */

#include "harness.h"

#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_attempts attempts;

static void begin(void) {
    store = h_open(h_directory());
    attempts = h_attempts(store);
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static lnkeep_op op_of(uint32_t kind) {
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    op.kind = kind;
    op.component = attempts.bits;
    return op;
}

static lnkeep_op init_op(uint64_t id) {
    lnkeep_op op = op_of(LNKEEP_OP_ATTEMPT_INIT);
    op.body.attempt_init = h_request(id);
    return op;
}

static lnkeep_op key_op(uint32_t kind, uint64_t id) {
    lnkeep_op op = op_of(kind);
    op.body.attempt_key = h_key(id);
    return op;
}

static lnkeep_op result_op(uint64_t id, lnkeep_attempt_result result) {
    lnkeep_op op = op_of(LNKEEP_OP_ATTEMPT_STORE_RESULT);
    op.body.attempt_result.key = h_key(id);
    op.body.attempt_result.result = result;
    return op;
}

static void every_kind_in_order_in_one_commit(void) {
    begin();
    lnkeep_op ops[10];
    lnkeep_outcome outcomes[10];
    lnkeep_stats before = LNKEEP_STATS_INIT, after = LNKEEP_STATS_INIT;
    ops[0] = init_op(1);
    ops[1] = init_op(1);
    ops[2] = key_op(LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, 1);
    ops[3] = result_op(1, h_settle(1));
    ops[4] = key_op(LNKEEP_OP_ATTEMPT_ACK, 1);
    ops[5] = key_op(LNKEEP_OP_ATTEMPT_DELETE, 1);
    ops[6] = init_op(2);
    ops[7] = op_of(LNKEEP_OP_ATTEMPT_FAIL_PENDING);
    ops[7].body.attempt_rollback.key = h_key(2);
    ops[7].body.attempt_rollback.message = h_text("no route");
    ops[8] = key_op(LNKEEP_OP_ATTEMPT_QUARANTINE, 2);
    ops[9] = op_of(LNKEEP_OP_ATTEMPT_ALLOCATE);
    ops[9].body.attempt_allocate.external_key = h_text("key");
    CHECK_DONE(lnkeep_store_stats(store, &before, NULL));
    lnkeep_error err = LNKEEP_ERROR_INIT;
    memset(outcomes, 0xee, sizeof outcomes);
    CHECK_STATUS(lnkeep_submit(store, ops, 10, 0, outcomes, &err), LNKEEP_BATCH);
    CHECK_STATUS(err.status, LNKEEP_CONFLICT);
    CHECK_DONE(lnkeep_store_stats(store, &after, NULL));
    CHECK_EQUAL(after.commits, before.commits + 1);
    for (int i = 0; i < 10; i++) {
        lnkeep_status wanted = i == 1 ? LNKEEP_ALREADY_EXISTS : i == 8 ? LNKEEP_CONFLICT : LNKEEP_DONE;
        CHECK_STATUS(outcomes[i].status, wanted);
        CHECK_EQUAL(outcomes[i].flags, wanted == LNKEEP_DONE ? LNKEEP_OUTCOME_CHANGED : 0);
        CHECK_EQUAL(outcomes[i].reserved, 0);
        CHECK_EQUAL(outcomes[i].value != 0, i == 9);
    }
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_DELETED);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_FAILED);
    end();
}

static void positive_answers_are_done(void) {
    begin();
    lnkeep_op ops[2] = {init_op(1), init_op(1)};
    lnkeep_outcome outcomes[2];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    CHECK_DONE(lnkeep_submit(store, ops, 2, 0, outcomes, &err));
    CHECK_DONE(lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, &err));
    CHECK_STATUS(outcomes[0].status, LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(lnkeep_submit(store, NULL, 0, 0, NULL, &err));
    CHECK_EQUAL(err.status, 0);
    end();
}

static void atomic_is_all_or_none(void) {
    begin();
    lnkeep_op ops[3] = {init_op(1), result_op(2, h_fail("")), key_op(LNKEEP_OP_ATTEMPT_ACK, 99)};
    lnkeep_outcome outcomes[3];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    CHECK_STATUS(lnkeep_submit(store, ops, 3, LNKEEP_SUBMIT_ATOMIC, outcomes, &err), LNKEEP_BATCH);
    CHECK_EQUAL(lnkeep_status_class(err.status), LNKEEP_CLASS_REFUSED);
    CHECK_STATUS(outcomes[0].status, LNKEEP_ABORTED);
    CHECK_STATUS(outcomes[1].status, LNKEEP_ABORTED);
    CHECK_STATUS(outcomes[2].status, LNKEEP_NOT_FOUND);
    CHECK_EQUAL(outcomes[1].event_sequence, 0);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    CHECK_STATUS(h_state(attempts, 2), LNKEEP_NOT_FOUND);
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.intent + counts.failed, 0);
    ops[2] = key_op(LNKEEP_OP_ATTEMPT_ACK, 2);
    CHECK_DONE(lnkeep_submit(store, ops, 3, LNKEEP_SUBMIT_ATOMIC, outcomes, &err));
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_FAILED);
    end();
}

/* In the middle of the group, and several refusals at once. */
static void an_aborted_group_leaves_its_neighbours_alone(void) {
    begin();
    lnkeep_op ops[64];
    lnkeep_outcome outcomes[64];
    for (uint64_t i = 0; i < 64; i++) ops[i] = init_op(i + 1);
    ops[20] = key_op(LNKEEP_OP_ATTEMPT_ACK, 999);
    ops[40].kind = 9999;
    CHECK_STATUS(lnkeep_submit(store, ops, 64, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL), LNKEEP_BATCH);
    unsigned aborted = 0;
    for (int i = 0; i < 64; i++) aborted += outcomes[i].status == LNKEEP_ABORTED;
    CHECK_EQUAL(aborted, 63);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_submit(store, ops, 64, 0, outcomes, NULL), LNKEEP_BATCH);
    CHECK_DONE(outcomes[19].status);
    CHECK_STATUS(outcomes[20].status, LNKEEP_NOT_FOUND);
    CHECK_STATUS(outcomes[40].status, LNKEEP_INVALID_ARGUMENT);
    CHECK_DONE(outcomes[63].status);
    end();
}

/* Each is one mistake in an otherwise right operation. */
static size_t malformed_ops(lnkeep_op *bad) {
    size_t len = 0;
    static const uint32_t keyed[] = {LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, LNKEEP_OP_ATTEMPT_ACK,
                                     LNKEEP_OP_ATTEMPT_DELETE, LNKEEP_OP_ATTEMPT_QUARANTINE};
    static const uint32_t kinds[] = {0, 256, 265, 512, 519, 768, 770, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(keyed); i++) {
        bad[len] = key_op(keyed[i], 1);
        bad[len++].flags = 2;
    }
    for (size_t i = 0; i < H_COUNT(kinds); i++) bad[len++] = key_op(kinds[i], 1);
    bad[len] = init_op(5);
    bad[len++].flags = 1;
    bad[len] = init_op(5);
    bad[len++].body.attempt_init.present = LNKEEP_HAS_RESULT;
    bad[len] = result_op(1, h_settle(1));
    bad[len++].flags = 1;
    bad[len] = result_op(1, h_settle(1));
    bad[len++].body.attempt_result.result.reserved = 1;
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_FAIL_PENDING);
    bad[len++].flags = 2;
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_FAIL_PENDING);
    bad[len++].body.attempt_rollback.reserved = 1;
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_FAIL_PENDING);
    bad[len++].body.attempt_rollback.failure_code = 65536;
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_ALLOCATE);
    bad[len++].body.attempt_allocate.external_key = h_text("");
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_ALLOCATE);
    bad[len++].body.attempt_allocate.external_key.len = 3;
    bad[len] = op_of(LNKEEP_OP_ATTEMPT_ALLOCATE);
    bad[len].flags = 1;
    bad[len++].body.attempt_allocate.external_key = h_text("k");
    return len;
}

static void malformed_operations_are_refused_one_by_one(void) {
    begin();
    lnkeep_op bad[32];
    lnkeep_outcome outcomes[32];
    size_t len = malformed_ops(bad);
    CHECK_DONE(h_init(attempts, 1));
    CHECK_STATUS(lnkeep_submit(store, bad, len, 0, outcomes, NULL), LNKEEP_BATCH);
    for (size_t i = 0; i < len; i++) {
        if (!CHECK_STATUS(outcomes[i].status, LNKEEP_INVALID_ARGUMENT)) CHECK_EQUAL(i, 1000);
    }
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    CHECK_STATUS(h_state(attempts, 5), LNKEEP_NOT_FOUND);
    end();
}

static void components_are_checked(void) {
    begin();
    lnkeep_store other = h_open(h_directory());
    lnkeep_attempts foreign = h_attempts(other), closed = h_attempts(other);
    lnkeep_op ops[4] = {init_op(1), init_op(2), init_op(3), init_op(4)};
    lnkeep_outcome outcomes[4];
    ops[0].component = foreign.bits;
    ops[1].component = 0;
    ops[2].component = store.bits;
    ops[3].component = closed.bits;
    h_close_attempts(&closed);
    CHECK_STATUS(lnkeep_submit(store, ops, 4, 0, outcomes, NULL), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_INVALID_ARGUMENT);
    for (int i = 1; i < 4; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_BAD_HANDLE);
    CHECK_STATUS(h_state(foreign, 1), LNKEEP_NOT_FOUND);
    h_close_attempts(&foreign);
    h_close(&other);
    end();
}

static void limits_are_exact(void) {
    begin();
    lnkeep_op *ops = (lnkeep_op *)calloc(1025, sizeof *ops);
    lnkeep_outcome *outcomes = (lnkeep_outcome *)calloc(1025, sizeof *outcomes);
    static uint8_t message[65536];
    for (uint64_t i = 0; i < 1025; i++) ops[i] = init_op(i);
    CHECK_STATUS(lnkeep_submit(store, ops, 1025, 0, outcomes, NULL), LNKEEP_TOO_BIG);
    CHECK_STATUS(h_state(attempts, 0), LNKEEP_NOT_FOUND);
    CHECK_DONE(lnkeep_submit(store, ops, 1024, 0, outcomes, NULL));
    for (uint64_t i = 0; i < 80; i++) {
        ops[i] = result_op(i, h_fail(""));
        ops[i].body.attempt_result.result.message = h_bytes(message, 65535);
    }
    /* 80 messages are more than 4 MiB. */
    CHECK_STATUS(lnkeep_submit(store, ops, 80, 0, outcomes, NULL), LNKEEP_TOO_BIG);
    for (int i = 0; i < 80; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_TOO_BIG);
    CHECK_EQUAL(h_state(attempts, 0), LNKEEP_STATE_INTENT);
    CHECK_DONE(lnkeep_submit(store, ops, 60, 0, outcomes, NULL));
    ops[60].body.attempt_result.result.message.len = 65536;
    CHECK_STATUS(lnkeep_submit(store, &ops[60], 1, 0, outcomes, NULL), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_TOO_BIG);
    free(ops);
    free(outcomes);
    end();
}

static void refused_calls_say_so_in_every_outcome(void) {
    begin();
    lnkeep_op ops[3] = {init_op(1), init_op(2), init_op(3)};
    lnkeep_outcome outcomes[3];
    memset(outcomes, 0xee, sizeof outcomes);
    CHECK_STATUS(lnkeep_submit(store, ops, 3, 2, outcomes, NULL), LNKEEP_INVALID_ARGUMENT);
    for (int i = 0; i < 3; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_INVALID_ARGUMENT);
    lnkeep_store none = LNKEEP_STORE_NONE;
    CHECK_STATUS(lnkeep_submit(none, ops, 3, 0, outcomes, NULL), LNKEEP_BAD_HANDLE);
    for (int i = 0; i < 3; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_submit(store, NULL, 3, 0, outcomes, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_submit(store, ops, 3, 0, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    end();
}

static size_t take(lnkeep_completion *completions, size_t capacity) {
    size_t len = 99;
    CHECK_DONE(lnkeep_completions_take(store, completions, capacity, &len, NULL));
    return len;
}

static void completions_come_with_their_cookie(void) {
    begin();
    int descriptor = -1;
    lnkeep_completion taken[8];
    CHECK_DONE(lnkeep_completions_descriptor(store, &descriptor, NULL));
    CHECK(!h_readable(descriptor, 0));
    CHECK_EQUAL(take(taken, 8), 0);
    lnkeep_op *ops = (lnkeep_op *)calloc(3, sizeof *ops);
    uint8_t *message = (uint8_t *)calloc(1, 100);
    ops[0] = init_op(1);
    ops[1] = key_op(LNKEEP_OP_ATTEMPT_ACK, 77);
    ops[2] = result_op(2, h_fail(""));
    ops[2].body.attempt_result.result.message = h_bytes(message, 100);
    CHECK_DONE(lnkeep_submit_async(store, ops, 3, 0, 4711, NULL));
    /* Everything stays the caller's and may go as soon as the call returned. */
    memset(ops, 0xee, 3 * sizeof *ops);
    free(ops);
    free(message);
    CHECK(h_readable(descriptor, 10000));
    CHECK_EQUAL(take(taken, 2), 2);
    CHECK(h_readable(descriptor, 0));
    CHECK_EQUAL(take(taken + 2, 6), 1);
    CHECK(!h_readable(descriptor, 0));
    static const lnkeep_status wanted[3] = {LNKEEP_DONE, LNKEEP_NOT_FOUND, LNKEEP_DONE};
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQUAL(taken[i].cookie, 4711);
        CHECK_EQUAL(taken[i].index, i);
        CHECK_EQUAL(taken[i].operations, 3);
        CHECK_STATUS(taken[i].outcome.status, wanted[i]);
    }
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_FAILED);
    end();
}

static void sync_waits_for_what_was_accepted(void) {
    begin();
    lnkeep_completion taken[200];
    uint64_t rounds = h_rounds(200, 50);
    for (uint64_t id = 1; id <= rounds; id++) {
        lnkeep_op op = init_op(id);
        CHECK_DONE(lnkeep_submit_async(store, &op, 1, 0, id, NULL));
    }
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_EQUAL(h_state(attempts, rounds), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(take(taken, 200), rounds);
    for (uint64_t i = 0; i < rounds; i++) CHECK_EQUAL(taken[i].cookie, i + 1);
    end();
}

static void an_asynchronous_group_is_all_or_none(void) {
    begin();
    lnkeep_completion taken[4];
    lnkeep_op ops[2] = {init_op(1), key_op(LNKEEP_OP_ATTEMPT_ACK, 9)};
    CHECK_DONE(lnkeep_submit_async(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, 1, NULL));
    ops[1].kind = 12345;
    CHECK_DONE(lnkeep_submit_async(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, 2, NULL));
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_EQUAL(take(taken, 4), 4);
    for (int i = 0; i < 4; i++) {
        lnkeep_status refused = taken[i].cookie == 1 ? LNKEEP_NOT_FOUND : LNKEEP_INVALID_ARGUMENT;
        CHECK_STATUS(taken[i].outcome.status, taken[i].index == 0 ? LNKEEP_ABORTED : refused);
    }
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    end();
}

static void malformed_asynchronous_calls_are_not_accepted(void) {
    begin();
    lnkeep_op op = init_op(1);
    lnkeep_completion taken[1];
    lnkeep_op *many = (lnkeep_op *)calloc(1025, sizeof *many);
    CHECK_STATUS(lnkeep_submit_async(store, &op, 0, 0, 1, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_submit_async(store, &op, 1, 2, 1, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_submit_async(store, many, 1025, 0, 1, NULL), LNKEEP_TOO_BIG);
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_EQUAL(take(taken, 1), 0);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    free(many);
    end();
}

/* Completions that nobody takes are bounded, and taking them makes room again. */
static void untaken_completions_are_bounded(void) {
    begin();
    lnkeep_op *ops = (lnkeep_op *)calloc(1024, sizeof *ops);
    lnkeep_completion *taken = (lnkeep_completion *)calloc(1024, sizeof *taken);
    for (uint64_t i = 0; i < 1024; i++) ops[i] = key_op(LNKEEP_OP_ATTEMPT_ACK, i);
    unsigned accepted = 0;
    lnkeep_status status = LNKEEP_DONE;
    while (accepted <= 64) {
        status = lnkeep_submit_async(store, ops, 1024, 0, accepted, NULL);
        if (status != LNKEEP_DONE) break;
        accepted++;
        CHECK_DONE(lnkeep_store_sync(store, NULL));
    }
    CHECK_STATUS(status, LNKEEP_BUSY);
    CHECK_EQUAL(accepted, 64);
    CHECK_EQUAL(take(taken, 1024), 1024);
    CHECK_DONE(lnkeep_submit_async(store, ops, 1024, 0, 65, NULL));
    free(ops);
    free(taken);
    end();
}

static void a_full_queue_is_busy(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.queue_operations_max = 4;
    store = h_open_with(h_directory(), &options);
    attempts = h_attempts(store);
    lnkeep_op ops[8];
    lnkeep_outcome outcomes[8];
    lnkeep_completion taken[64];
    lnkeep_status status = LNKEEP_DONE;
    uint64_t id = 0, accepted = 0, answered = 0;
    size_t len = 1;
    /* Faster than the disk: sooner or later one finds the queue full. */
    for (; status == LNKEEP_DONE && id < 8 * 5000; id += 8) {
        for (uint64_t i = 0; i < 8; i++) ops[i] = init_op(id + i);
        status = lnkeep_submit_async(store, ops, 8, 0, id, NULL);
        if (status == LNKEEP_DONE) accepted += 8;
    }
    CHECK_STATUS(status, LNKEEP_BUSY);
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_STATUS(h_state(attempts, id - 1), LNKEEP_NOT_FOUND);
    for (; len > 0; answered += len) len = take(taken, 64);
    CHECK_EQUAL(answered, accepted);
    /* An empty queue takes one submission of any size, or a small limit would refuse it for ever. */
    CHECK_DONE(lnkeep_submit(store, ops, 8, 0, outcomes, NULL));
    end();
}

static void close_commits_what_was_accepted(void) {
    const char *directory = h_directory();
    uint64_t rounds = h_rounds(300, 60);
    store = h_open(directory);
    attempts = h_attempts(store);
    for (uint64_t id = 1; id <= rounds; id++) {
        lnkeep_op op = init_op(id);
        CHECK_DONE(lnkeep_submit_async(store, &op, 1, 0, id, NULL));
    }
    h_close(&store);
    h_close_attempts(&attempts);
    store = h_open(directory);
    attempts = h_attempts(store);
    for (uint64_t id = 1; id <= rounds; id++) CHECK_EQUAL(h_state(attempts, id), LNKEEP_STATE_INTENT);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_kind_in_order_in_one_commit),
        H_TEST(positive_answers_are_done),
        H_TEST(atomic_is_all_or_none),
        H_TEST(an_aborted_group_leaves_its_neighbours_alone),
        H_TEST(malformed_operations_are_refused_one_by_one),
        H_TEST(components_are_checked),
        H_TEST(limits_are_exact),
        H_TEST(refused_calls_say_so_in_every_outcome),
        H_TEST(completions_come_with_their_cookie),
        H_TEST(sync_waits_for_what_was_accepted),
        H_TEST(an_asynchronous_group_is_all_or_none),
        H_TEST(malformed_asynchronous_calls_are_not_accepted),
        H_TEST(untaken_completions_are_bounded),
        H_TEST(a_full_queue_is_busy),
        H_TEST(close_commits_what_was_accepted),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

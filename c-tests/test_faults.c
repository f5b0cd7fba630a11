/*
 * A disk that fails: what nobody knows is UNKNOWN, everything after it POISONED, and a reopen decides. The program
 * takes the place of the two system calls by which the library reaches the disk.
 */

#define _GNU_SOURCE
#include "calls.h"
#include "failing_disk.h"

#include <pthread.h>

static void begin(void) {
    atomic_store(&flush_fails, 0);
    atomic_store(&disk_is_full, 0);
    make_world();
}

/* Closes a poisoned world and opens its store again. */
static void reopen(void) {
    atomic_store(&flush_fails, 0);
    CHECK_DONE(lnkeep_events_close(&world.events, NULL));
    CHECK_STATUS(lnkeep_monitors_close(&world.monitors, 0, NULL), LNKEEP_POISONED);
    CHECK_DONE(lnkeep_monitors_close(&world.monitors, LNKEEP_MONITORS_DISCARD, NULL));
    /* Nothing waited in its journal. */
    CHECK_DONE(lnkeep_resources_close(&world.resources, NULL));
    /* No blob waited. */
    close_world_storage();
    end_world_recovery();
    h_close_payments(&world.payments);
    h_close_attempts(&world.attempts);
    CHECK_STATUS(lnkeep_store_close(&world.store, NULL), LNKEEP_POISONED);
    CHECK_EQUAL(world.store.bits, 0);
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    CHECK_DONE(lnkeep_store_open(world.directory, NULL, &world.store, &report, NULL));
    CHECK(report.flags & LNKEEP_REPORT_UNCLEAN);
    world.attempts = h_attempts(world.store);
    world.payments = h_payments(world.store);
    CHECK_DONE(lnkeep_events_open(world.store, h_text("world"), 0, &world.events, NULL));
    open_world_monitors();
    open_world_resources();
    open_world_storage();
    begin_world_recovery();
}

static void a_failed_flush_is_unknown(void) {
    begin();
    lnkeep_attempt_request request = h_request(2);
    lnkeep_outcome outcome = {77, 77, 77, 77, 77, 77};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(lnkeep_attempts_init(world.attempts, &request, &outcome, &err), LNKEEP_UNKNOWN);
    CHECK_STATUS(err.status, LNKEEP_UNKNOWN);
    CHECK_EQUAL(err.os_errno, EIO);
    CHECK_EQUAL(outcome.status, 77);
    /* A disk that works again changes nothing: a later flush says nothing about the failed one. */
    atomic_store(&flush_fails, 0);
    CHECK_STATUS(lnkeep_attempts_init(world.attempts, &request, NULL, &err), LNKEEP_POISONED);
    reopen();
    /* The same identifier again: DONE or ALREADY, never a refusal. */
    lnkeep_status status = lnkeep_attempts_init(world.attempts, &request, NULL, NULL);
    CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(h_state(world.attempts, 2), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(h_state(world.attempts, 1), LNKEEP_STATE_INTENT);
    end_world();
}

/* By the table of calls: what looks at the store is POISONED, what is in memory goes on. */
static void a_poisoned_store_answers_nothing_else(void) {
    begin();
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(h_init(world.attempts, 2), LNKEEP_UNKNOWN);
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        const call_row *row = &CALLS[i];
        int is_memory = row->works_when_closed || row->on == ON_NOTHING;
        int closes = strstr(row->name, "_close") != NULL;
        int completions = strstr(row->name, "_completions_") != NULL;
        if (is_memory || closes || completions) continue;
        fill_arguments();
        if (!CHECK_STATUS(row->call(), LNKEEP_POISONED)) h_check(0, row->name, 0, "on a poisoned store");
    }
    reopen();
    end_world();
}

static void a_batch_names_the_unknown(void) {
    begin();
    lnkeep_op ops[2];
    lnkeep_outcome outcomes[2];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    memset(ops, 0, sizeof ops);
    for (uint64_t i = 0; i < 2; i++) {
        ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
        ops[i].component = world.attempts.bits;
        ops[i].body.attempt_init = h_request(10 + i);
    }
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(lnkeep_submit(world.store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, &err), LNKEEP_BATCH);
    CHECK_EQUAL(lnkeep_status_class(err.status), LNKEEP_CLASS_UNKNOWN);
    for (int i = 0; i < 2; i++) {
        CHECK_STATUS(outcomes[i].status, LNKEEP_UNKNOWN);
        CHECK_EQUAL(outcomes[i].os_errno, EIO);
    }
    CHECK_STATUS(lnkeep_submit(world.store, ops, 2, 0, outcomes, &err), LNKEEP_POISONED);
    CHECK_STATUS(outcomes[1].status, LNKEEP_POISONED);
    CHECK_STATUS(lnkeep_submit_async(world.store, ops, 2, 0, 1, &err), LNKEEP_POISONED);
    reopen();
    /* All or none, whatever happened. */
    CHECK_EQUAL(h_state(world.attempts, 10), h_state(world.attempts, 11));
    end_world();
}

static void a_completion_names_the_unknown(void) {
    begin();
    lnkeep_completion taken[2];
    size_t len = 0;
    int descriptor = -1;
    CHECK_DONE(lnkeep_completions_descriptor(world.store, &descriptor, NULL));
    atomic_store(&flush_fails, 1);
    fill_arguments();
    arg.op.body.attempt_init = h_request(5);
    CHECK_DONE(lnkeep_submit_async(world.store, &arg.op, 1, 0, 9, NULL));
    CHECK(h_readable(descriptor, 10000));
    CHECK_DONE(lnkeep_completions_take(world.store, taken, 2, &len, NULL));
    if (CHECK_EQUAL(len, 1)) {
        CHECK_EQUAL(taken[0].cookie, 9);
        CHECK_STATUS(taken[0].outcome.status, LNKEEP_UNKNOWN);
    }
    CHECK_STATUS(lnkeep_store_sync(world.store, NULL), LNKEEP_POISONED);
    reopen();
    end_world();
}

/* Whoever waited in the same commit, or behind it, is answered; nobody is told that it worked. */
static atomic_uint unknown, poisoned, other;

static void *init_until_refused(void *number) {
    for (uint64_t id = (uint64_t)(uintptr_t)number << 32 | 1;; id++) {
        lnkeep_status status = h_init(world.attempts, id);
        if (status == LNKEEP_DONE) continue;
        atomic_fetch_add(status == LNKEEP_UNKNOWN ? &unknown : status == LNKEEP_POISONED ? &poisoned : &other, 1);
        return (void *)(uintptr_t)(id & UINT32_MAX);
    }
}

static void every_waiter_is_answered(void) {
    begin();
    pthread_t threads[8];
    void *refused[8];
    for (uintptr_t i = 0; i < 8; i++) pthread_create(&threads[i], NULL, init_until_refused, (void *)(i + 1));
    h_sleep_ms(h_rounds(30, 200));
    atomic_store(&flush_fails, 1);
    for (int i = 0; i < 8; i++) pthread_join(threads[i], &refused[i]);
    CHECK(atomic_load(&unknown) >= 1);
    CHECK_EQUAL(atomic_load(&unknown) + atomic_load(&poisoned), 8);
    CHECK_EQUAL(atomic_load(&other), 0);
    reopen();
    for (uint64_t thread = 1; thread <= 8; thread++) {
        for (uint64_t id = 1; id < (uint64_t)(uintptr_t)refused[thread - 1]; id++) {
            if (!CHECK_EQUAL(h_state(world.attempts, thread << 32 | id), LNKEEP_STATE_INTENT)) break;
        }
    }
    end_world();
}

/* Subscribers hear of results that are on disk, not of those that nobody knows. */
static void an_unknown_result_wakes_nobody(void) {
    begin();
    lnkeep_attempt_key key = h_key(1);
    uint64_t subscription;
    uint32_t state = 9;
    lnkeep_attempt_result *result = NULL;
    CHECK_DONE(lnkeep_attempts_subscribe(world.attempts, &key, 0, &subscription, NULL));
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(h_store(world.attempts, 1, h_settle(1)), LNKEEP_UNKNOWN);
    CHECK_DONE(lnkeep_attempts_poll(world.attempts, subscription, &state, &result, NULL));
    CHECK(state != LNKEEP_POLL_RESULT && result == NULL);
    reopen();
    lnkeep_status status = h_store(world.attempts, 1, h_settle(1));
    CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY);
    end_world();
}

/* Status of the payment of the hash of ones, or of the refusal. */
static int payment_status(void) {
    lnkeep_payment *payment = NULL;
    lnkeep_status status = lnkeep_payments_fetch(world.payments, h_hash_of_ones, &payment, NULL);
    if (status != LNKEEP_DONE) return status;
    int found = (int)payment->status;
    lnkeep_payment_free(payment);
    return found;
}

static lnkeep_status register_whole(void) {
    fill_arguments();
    arg.part.amount_msat = 10;
    return lnkeep_payments_register(world.payments, arg.hash, &arg.part, LNKEEP_REGISTER_WITH_RECORD, NULL,
                                    NULL, NULL);
}

/* A payment's attempt and its record are there together or not at all, and the same call again finds out. */
static void an_unknown_registration_is_repeated(void) {
    begin();
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(register_whole(), LNKEEP_UNKNOWN);
    reopen();
    int is_registered = payment_status() == LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    CHECK_STATUS(h_state(world.attempts, 7), is_registered ? LNKEEP_STATE_INTENT : LNKEEP_NOT_FOUND);
    CHECK_STATUS(register_whole(), is_registered ? LNKEEP_ALREADY_EXISTS : LNKEEP_DONE);
    CHECK_EQUAL(payment_status(), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_EQUAL(h_state(world.attempts, 7), LNKEEP_STATE_INTENT);
    end_world();
}

/* Each change in turn: UNKNOWN, then the same again, and the payment comes to its end. */
static void unknown_changes_of_a_payment_are_repeated(void) {
    begin();
    lnkeep_payment *view = NULL;
    lnkeep_outcome outcome = {77, 77, 77, 77, 77, 77};
    for (int step = 0; step < 4; step++) {
        for (int again = 0; again < 2; again++) {
            lnkeep_status status = LNKEEP_DONE;
            fill_arguments();
            arg.key = h_key(7);
            atomic_store(&flush_fails, !again);
            if (step == 0) {
                memcpy(arg.payment_init.payment_hash, h_hash_of_twos, 32);
                status = lnkeep_payments_init(world.payments, &arg.payment_init, &view, &outcome, NULL);
            } else if (step == 1) {
                status = register_whole();
            } else if (step == 2) {
                status = lnkeep_payments_settle(world.payments, arg.hash, &arg.key, arg.preimage, 9, 0, &view,
                                                &outcome, NULL);
            } else {
                status = lnkeep_payments_fail(world.payments, h_hash_of_twos, LNKEEP_PAYMENT_REASON_ERROR,
                                              &view, &outcome, NULL);
            }
            if (!again) {
                CHECK_STATUS(status, LNKEEP_UNKNOWN);
                CHECK(view == NULL && outcome.status == 77);
                reopen();
                continue;
            }
            CHECK(lnkeep_status_class(status) <= LNKEEP_CLASS_ALREADY);
            lnkeep_payment_free(view);
            view = NULL;
            outcome.status = 77;
        }
    }
    CHECK_EQUAL(payment_status(), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(h_state(world.attempts, 7), LNKEEP_STATE_SETTLED);
    end_world();
}

/* Followers hear of changes that are on disk; the poisoned store closes their streams. */
static void an_unknown_change_is_told_to_nobody(void) {
    begin();
    uint64_t subscription = 0;
    uint32_t state = 9;
    lnkeep_payment *view = NULL;
    CHECK_DONE(lnkeep_payments_subscribe(world.payments, h_hash_of_ones, &subscription, NULL));
    CHECK_DONE(lnkeep_payments_next(world.payments, subscription, &state, &view, NULL, NULL));
    CHECK_EQUAL(state, LNKEEP_NEXT_PAYMENT);
    lnkeep_payment_free(view);
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(register_whole(), LNKEEP_UNKNOWN);
    CHECK_DONE(lnkeep_payments_next(world.payments, subscription, &state, &view, NULL, NULL));
    CHECK(state != LNKEEP_NEXT_PAYMENT && view == NULL);
    reopen();
    end_world();
}

static void an_open_that_cannot_flush_is_no_success(void) {
    begin();
    const char *directory = world.directory, *fresh = h_path(h_directory(), "fresh");
    end_world();
    lnkeep_store store = {5};
    atomic_store(&flush_fails, 1);
    CHECK(lnkeep_store_open(directory, NULL, &store, NULL, NULL) < 0);
    CHECK_EQUAL(store.bits, 0);
    CHECK(lnkeep_store_open(fresh, NULL, &store, NULL, NULL) < 0);
    atomic_store(&flush_fails, 0);
    store = h_open(fresh);
    h_close(&store);
    store = h_open(directory);
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    h_close_attempts(&attempts);
    h_close(&store);
}

/* The same as on a real full disk, for hosts of the tests that may not mount one. */
static void a_full_disk_refuses_intents_first(void) {
    begin();
    uint64_t results = 0;
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    atomic_store(&disk_is_full, 1);
    uint64_t refused = h_init_until_full(world.store, world.attempts, 2);
    CHECK_STATUS(h_init(world.attempts, refused), LNKEEP_NO_SPACE);
    CHECK_STATUS(h_state(world.attempts, refused), LNKEEP_NOT_FOUND);
    CHECK_DONE(lnkeep_store_stats(world.store, &stats, NULL));
    CHECK(stats.flags & LNKEEP_STATS_NO_SPACE);
    while (results < 300 && h_store(world.attempts, results + 1, h_settle(1)) == LNKEEP_DONE) results++;
    CHECK_EQUAL(results, 300);
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(h_init(world.attempts, refused));
    CHECK_DONE(lnkeep_store_stats(world.store, &stats, NULL));
    CHECK(!(stats.flags & LNKEEP_STATS_NO_SPACE));
    end_world();
}

/* What sends something new is refused first; what ends a payment, and deleting one, has a reserve. */
static void a_full_disk_refuses_new_payments_first(void) {
    begin();
    CHECK_DONE(register_whole());
    atomic_store(&disk_is_full, 1);
    h_init_until_full(world.store, world.attempts, 100);
    fill_arguments();
    lnkeep_status status = lnkeep_payments_init(world.payments, &arg.payment_init, NULL, NULL, NULL);
    CHECK_STATUS(status, LNKEEP_NO_SPACE);
    arg.key = h_key(7);
    CHECK_DONE(lnkeep_payments_settle(world.payments, arg.hash, &arg.key, arg.preimage, 0, 0, NULL, NULL,
                                      NULL));
    CHECK_EQUAL(payment_status(), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_DONE(lnkeep_payments_delete(world.payments, arg.hash, 0, NULL, NULL));
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(lnkeep_payments_init(world.payments, &arg.payment_init, NULL, NULL, NULL));
    end_world();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_failed_flush_is_unknown),
        H_TEST(a_poisoned_store_answers_nothing_else),
        H_TEST(a_batch_names_the_unknown),
        H_TEST(a_completion_names_the_unknown),
        H_TEST(every_waiter_is_answered),
        H_TEST(an_unknown_result_wakes_nobody),
        H_TEST(an_unknown_registration_is_repeated),
        H_TEST(unknown_changes_of_a_payment_are_repeated),
        H_TEST(an_unknown_change_is_told_to_nobody),
        H_TEST(an_open_that_cannot_flush_is_no_success),
        H_TEST(a_full_disk_refuses_intents_first),
        H_TEST(a_full_disk_refuses_new_payments_first),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Waiting for results without a thread: subscribe, the descriptor, poll, cancel. */

#include "harness.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_attempts attempts;

static void begin_with(uint64_t subscriptions_max) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.subscriptions_max = subscriptions_max;
    store = h_open(h_directory());
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
}

static void begin(void) { begin_with(0); }

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static uint64_t subscribe(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    uint64_t subscription = 0;
    CHECK_DONE(lnkeep_attempts_subscribe(attempts, &key, 0, &subscription, NULL));
    return subscription;
}

static uint64_t waiters(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    uint64_t waiting = 99;
    CHECK_DONE(lnkeep_attempts_waiters(attempts, &key, &waiting, NULL));
    return waiting;
}

/* State of a subscription; a result is compared with `settled` and freed. */
static uint32_t poll_for(uint64_t subscription, int settled) {
    uint32_t state = 99;
    lnkeep_attempt_result *result = (lnkeep_attempt_result *)&state;
    CHECK_DONE(lnkeep_attempts_poll(attempts, subscription, &state, &result, NULL));
    CHECK((result != NULL) == (state == LNKEEP_POLL_RESULT));
    if (result) CHECK_EQUAL(result->kind, settled ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL);
    lnkeep_attempt_result_free(result);
    return state;
}

static size_t ready(uint64_t *subscriptions, size_t capacity) {
    size_t len = 99;
    CHECK_DONE(lnkeep_attempts_ready(attempts, subscriptions, capacity, &len, NULL));
    return len;
}

static int doorbell(void) {
    int descriptor = -1;
    CHECK_DONE(lnkeep_attempts_ready_descriptor(attempts, &descriptor, NULL));
    return descriptor;
}

static void a_result_wakes_and_is_given_out_once(void) {
    begin();
    uint64_t told[4];
    CHECK_DONE(h_init(attempts, 1));
    uint64_t first = subscribe(1), second = subscribe(1), other = subscribe(2);
    CHECK(first != second && second != other && first != 0);
    CHECK_EQUAL(waiters(1), 2);
    CHECK_EQUAL(poll_for(first, 1), LNKEEP_POLL_WAITING);
    CHECK(!h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 4), 0);
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    CHECK(h_readable(doorbell(), 10000));
    CHECK_EQUAL(ready(told, 1), 1);
    /* One is left, so the descriptor stays readable. */
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told + 1, 3), 1);
    CHECK(told[0] + told[1] == first + second);
    CHECK(!h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 4), 0);
    CHECK_EQUAL(poll_for(first, 1), LNKEEP_POLL_RESULT);
    CHECK_EQUAL(poll_for(first, 1), LNKEEP_POLL_DONE);
    CHECK_EQUAL(poll_for(other, 1), LNKEEP_POLL_WAITING);
    CHECK_EQUAL(waiters(1), 0);
    CHECK_DONE(lnkeep_attempts_unsubscribe(attempts, first, NULL));
    CHECK_STATUS(lnkeep_attempts_unsubscribe(attempts, first, NULL), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(poll_for(first, 1), LNKEEP_POLL_CLOSED);
    CHECK_EQUAL(poll_for(12345, 1), LNKEEP_POLL_CLOSED);
    end();
}

static void a_stored_result_is_served_at_once(void) {
    begin();
    CHECK_DONE(h_store(attempts, 1, h_fail("x")));
    uint64_t subscription = subscribe(1);
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(poll_for(subscription, 0), LNKEEP_POLL_RESULT);
    end();
}

static void a_rollback_wakes(void) {
    begin();
    lnkeep_attempt_key key = h_key(1);
    CHECK_DONE(h_init(attempts, 1));
    uint64_t subscription = subscribe(1);
    CHECK_DONE(lnkeep_attempts_fail_pending(attempts, &key, 0, h_text("why"), 0, NULL, NULL));
    CHECK_EQUAL(poll_for(subscription, 0), LNKEEP_POLL_RESULT);
    CHECK_DONE(h_init(attempts, 2));
    subscription = subscribe(2);
    CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, LNKEEP_RECOVER_CURRENT_EPOCH, NULL, NULL));
    CHECK_EQUAL(poll_for(subscription, 0), LNKEEP_POLL_RESULT);
    end();
}

static void a_submission_wakes(void) {
    begin();
    lnkeep_op op;
    lnkeep_outcome outcome;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_ATTEMPT_STORE_RESULT;
    op.component = attempts.bits;
    op.body.attempt_result.key = h_key(1);
    op.body.attempt_result.result = h_settle(1);
    uint64_t subscription = subscribe(1);
    CHECK_DONE(lnkeep_submit(store, &op, 1, LNKEEP_SUBMIT_ATOMIC, &outcome, NULL));
    CHECK_EQUAL(poll_for(subscription, 1), LNKEEP_POLL_RESULT);
    end();
}

static void a_refused_result_wakes_nobody(void) {
    begin();
    lnkeep_attempt_request request = h_request(1);
    request.present = LNKEEP_HAS_PAYMENT_HASH;
    memcpy(request.payment_hash, h_hash_of_ones, 32);
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    uint64_t subscription = subscribe(1);
    CHECK_STATUS(h_store(attempts, 1, h_settle(2)), LNKEEP_BAD_PREIMAGE);
    CHECK_EQUAL(poll_for(subscription, 1), LNKEEP_POLL_WAITING);
    end();
}

static void require_known_refuses_strangers(void) {
    begin();
    lnkeep_attempt_key absent = h_key(1), deleted = h_key(2), pending = h_key(3);
    lnkeep_outcome outcome;
    uint64_t subscription = 0;
    uint32_t flag = LNKEEP_SUBSCRIBE_REQUIRE_KNOWN;
    CHECK_DONE(h_store(attempts, 2, h_fail("")));
    CHECK_DONE(lnkeep_attempts_delete(attempts, &deleted, 1, 0, &outcome, NULL));
    CHECK_DONE(h_init(attempts, 3));
    CHECK_STATUS(lnkeep_attempts_subscribe(attempts, &absent, flag, &subscription, NULL), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_attempts_subscribe(attempts, &deleted, flag, &subscription, NULL), LNKEEP_DELETED);
    CHECK_EQUAL(subscription, 0);
    CHECK_EQUAL(waiters(1) + waiters(2), 0);
    CHECK_DONE(lnkeep_attempts_subscribe(attempts, &pending, flag, &subscription, NULL));
    CHECK_STATUS(lnkeep_attempts_subscribe(attempts, &pending, 2, &subscription, NULL), LNKEEP_INVALID_ARGUMENT);
    /* Without the flag a tombstone is accepted and closed, and named as ready: it never gets a result. */
    uint64_t closed = subscribe(2), told[4];
    CHECK_EQUAL(ready(told, 4), 1);
    CHECK_EQUAL(told[0], closed);
    CHECK_EQUAL(poll_for(closed, 0), LNKEEP_POLL_CLOSED);
    end();
}

static void cancelling_all_keeps_what_is_ready(void) {
    begin();
    uint64_t waiting = subscribe(1), served = subscribe(2), told[4];
    CHECK_DONE(h_store(attempts, 2, h_settle(1)));
    CHECK_EQUAL(ready(told, 4), 1);
    CHECK(!h_readable(doorbell(), 0));
    CHECK_DONE(lnkeep_attempts_unsubscribe_all(attempts, NULL));
    CHECK_EQUAL(waiters(1), 0);
    /* Whoever waits at the descriptor must learn that nothing will come. */
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 4), 1);
    CHECK_EQUAL(told[0], waiting);
    CHECK_EQUAL(poll_for(waiting, 0), LNKEEP_POLL_CLOSED);
    CHECK_EQUAL(poll_for(served, 1), LNKEEP_POLL_RESULT);
    end();
}

static void a_full_table_is_busy(void) {
    begin_with(2);
    lnkeep_attempt_key key = h_key(3);
    uint64_t first = subscribe(1), subscription;
    subscribe(2);
    CHECK_STATUS(lnkeep_attempts_subscribe(attempts, &key, 0, &subscription, NULL), LNKEEP_BUSY);
    CHECK_DONE(lnkeep_attempts_unsubscribe(attempts, first, NULL));
    CHECK_DONE(lnkeep_attempts_subscribe(attempts, &key, 0, &subscription, NULL));
    end();
}

static void a_zero_capacity_takes_nothing(void) {
    begin();
    uint64_t told[1];
    uint64_t subscription = subscribe(1);
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    CHECK_EQUAL(ready(told, 0), 0);
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 1), 1);
    CHECK_EQUAL(told[0], subscription);
    end();
}

/* Handles on one instance share the subscriptions; the last one takes them with it. */
static void the_last_handle_takes_the_subscriptions(void) {
    begin();
    lnkeep_attempts other = h_attempts(store);
    uint64_t subscription = subscribe(1);
    h_close_attempts(&attempts);
    attempts = h_attempts(store);
    h_close_attempts(&other);
    CHECK_EQUAL(waiters(1), 1);
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    CHECK_EQUAL(poll_for(subscription, 1), LNKEEP_POLL_RESULT);
    subscription = subscribe(2);
    h_close_attempts(&attempts);
    attempts = h_attempts(store);
    CHECK_EQUAL(waiters(2), 0);
    CHECK_DONE(h_store(attempts, 2, h_settle(1)));
    CHECK_EQUAL(poll_for(subscription, 1), LNKEEP_POLL_CLOSED);
    end();
}

static uint64_t rounds;

static void *store_results(void *unused) {
    for (uint64_t id = 1; id <= rounds; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    return unused;
}

/* No result may fall between subscribing and storing, whoever comes first. */
static void no_result_is_missed(void) {
    begin();
    rounds = h_rounds(400, 40);
    uint64_t *open = (uint64_t *)calloc(rounds + 1, sizeof *open);
    pthread_t thread;
    pthread_create(&thread, NULL, store_results, NULL);
    for (uint64_t id = rounds; id >= 1; id--) open[id] = subscribe(id);
    pthread_join(thread, NULL);
    for (uint64_t id = 1; id <= rounds; id++) {
        if (!CHECK_EQUAL(poll_for(open[id], 1), LNKEEP_POLL_RESULT)) break;
    }
    uint64_t told[1000];
    CHECK_EQUAL(ready(told, 1000), rounds);
    free(open);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_result_wakes_and_is_given_out_once),
        H_TEST(a_stored_result_is_served_at_once),
        H_TEST(a_rollback_wakes),
        H_TEST(a_submission_wakes),
        H_TEST(a_refused_result_wakes_nobody),
        H_TEST(require_known_refuses_strangers),
        H_TEST(cancelling_all_keeps_what_is_ready),
        H_TEST(a_full_table_is_busy),
        H_TEST(a_zero_capacity_takes_nothing),
        H_TEST(the_last_handle_takes_the_subscriptions),
        H_TEST(no_result_is_missed),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

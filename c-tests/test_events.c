/* Named cursors on the durable log of changes. */

#include "harness.h"

#include <stdlib.h>
#include <string.h>

#define ALL_KINDS UINT64_C(0x3f)

static lnkeep_store store;
static lnkeep_attempts attempts;
static lnkeep_events events;
static const char *directory;
static lnkeep_event taken[2000];

static void open_store(uint64_t kinds, uint64_t bytes_max, uint64_t age_max) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = kinds == UINT64_MAX ? 0 : LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = kinds == UINT64_MAX ? 0 : kinds;
    options.events_bytes_max = bytes_max;
    options.events_age_max_secs = age_max;
    store = h_open_with(directory, &options);
    attempts = h_attempts(store);
}

static void open_cursor(uint32_t flags) {
    CHECK_DONE(lnkeep_events_open(store, h_text("cursor"), flags, &events, NULL));
}

static void begin(uint64_t kinds) {
    directory = h_directory();
    open_store(kinds, 0, 0);
    open_cursor(0);
}

static void close_all(void) {
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    h_close_attempts(&attempts);
    h_close(&store);
}

static size_t take(size_t capacity) {
    size_t len = 9999;
    CHECK_DONE(lnkeep_events_take(events, taken, capacity, &len, NULL));
    return len;
}

static lnkeep_status take_status(void) {
    size_t len = 0;
    return lnkeep_events_take(events, taken, 2000, &len, NULL);
}

static uint64_t first_available(void) {
    uint64_t sequence = 0;
    CHECK_DONE(lnkeep_events_first_available(events, &sequence, NULL));
    return sequence;
}

static void delete_one(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_attempts_delete(attempts, &key, 1, 0, &outcome, NULL));
}

static void check_event(size_t at, uint32_t kind, uint32_t state, uint64_t id) {
    CHECK_EQUAL(taken[at].kind, kind);
    CHECK_EQUAL(taken[at].state, state);
    CHECK_EQUAL(taken[at].attempt_id, id);
}

static void every_change_is_told_in_order(void) {
    begin(ALL_KINDS);
    lnkeep_attempt_request request = h_request(5);
    request.key = h_key_in(9, 5);
    request.amount_msat = 4321;
    lnkeep_attempt_result failure = h_fail("");
    failure.failure_code = 0x1007;
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_store_tick(store, 777000, 123, NULL));
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, &outcome, NULL));
    CHECK(outcome.event_sequence > 0);
    CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &request.key, NULL, NULL));
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &request.key, &failure, NULL, NULL));
    lnkeep_attempt_result settle = h_settle(1);
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &request.key, &settle, NULL, NULL));
    CHECK_DONE(lnkeep_attempts_delete(attempts, &request.key, 1, 0, &outcome, NULL));
    /* Refusals and repetitions tell nothing. */
    CHECK_STATUS(lnkeep_attempts_init(attempts, &request, NULL, NULL), LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(take(2000), 5);
    check_event(0, LNKEEP_EVENT_ATTEMPT_INIT, LNKEEP_STATE_INTENT, 5);
    check_event(1, LNKEEP_EVENT_ATTEMPT_HANDED_OFF, LNKEEP_STATE_HANDED_OFF, 5);
    check_event(2, LNKEEP_EVENT_ATTEMPT_RESOLVED, LNKEEP_STATE_FAILED, 5);
    check_event(3, LNKEEP_EVENT_ATTEMPT_CONFLICT, LNKEEP_STATE_SETTLED, 5);
    check_event(4, LNKEEP_EVENT_ATTEMPT_DELETED, LNKEEP_STATE_DELETED, 5);
    CHECK_EQUAL(taken[2].failure_code, 0x1007);
    CHECK_EQUAL(taken[3].failure_code, 0);
    for (size_t i = 0; i < 5; i++) {
        CHECK_EQUAL(taken[i].sequence, taken[0].sequence + i);
        CHECK_EQUAL(taken[i].unix_ms, 777000);
        CHECK_EQUAL(taken[i].block_height, 123);
        CHECK(memcmp(taken[i].subject, request.key.namespace_bytes, 16) == 0);
        CHECK(memcmp(taken[i].namespace_bytes, request.key.namespace_bytes, 16) == 0);
        /* What only payments have. */
        CHECK_EQUAL(taken[i].attempt_state | taken[i].failure_reason | taken[i].flags | taken[i].reserved, 0);
        CHECK_EQUAL(taken[i].remaining_msat | taken[i].fees_msat, 0);
        if (i < 4) CHECK_EQUAL(taken[i].amount_msat, 4321);
    }
    CHECK_EQUAL(taken[4].sequence, outcome.event_sequence);
    CHECK_EQUAL(take(2000), 0);
    close_all();
}

static void kinds_are_chosen(void) {
    begin(UINT64_MAX);
    CHECK_DONE(h_init(attempts, 1));
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    /* Init and mark are not recorded unless asked for. */
    CHECK_EQUAL(take(10), 1);
    CHECK_EQUAL(taken[0].kind, LNKEEP_EVENT_ATTEMPT_RESOLVED);
    close_all();
    open_store(0, 0, 0);
    open_cursor(0);
    lnkeep_attempt_key key = h_key(2);
    lnkeep_attempt_result result = h_fail("");
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &key, &result, &outcome, NULL));
    CHECK_EQUAL(outcome.event_sequence, 0);
    CHECK_EQUAL(take(10), 1); /* the one not acknowledged */
    close_all();
    open_store(UINT64_C(1) << LNKEEP_EVENT_ATTEMPT_DELETED, 0, 0);
    open_cursor(0);
    delete_one(2);
    CHECK_EQUAL(take(10), 2);
    CHECK_EQUAL(taken[1].kind, LNKEEP_EVENT_ATTEMPT_DELETED);
    close_all();
}

static void a_cursor_goes_on_after_a_restart(void) {
    begin(UINT64_MAX);
    for (uint64_t id = 1; id <= 10; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_EQUAL(take(4), 4);
    uint64_t third = taken[2].sequence;
    CHECK_DONE(lnkeep_events_ack(events, third, NULL));
    CHECK_STATUS(lnkeep_events_ack(events, third, NULL), LNKEEP_ALREADY);
    CHECK_STATUS(lnkeep_events_ack(events, third - 1, NULL), LNKEEP_ALREADY);
    CHECK_STATUS(lnkeep_events_ack(events, third + 1000, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(take(4), 4);
    close_all();
    open_store(UINT64_MAX, 0, 0);
    /* Its place is its own, whatever the flag says. */
    open_cursor(LNKEEP_EVENTS_FROM_NEWEST);
    CHECK_EQUAL(take(2000), 7);
    CHECK_EQUAL(taken[0].sequence, third + 1);
    CHECK_EQUAL(taken[6].attempt_id, 10);
    close_all();
}

static void new_cursors_start_where_they_ask(void) {
    begin(UINT64_MAX);
    lnkeep_events newest, oldest;
    size_t len = 0;
    for (uint64_t id = 1; id <= 3; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_DONE(lnkeep_events_open(store, h_text("n"), LNKEEP_EVENTS_FROM_NEWEST, &newest, NULL));
    CHECK_DONE(lnkeep_events_open(store, h_text("o"), 0, &oldest, NULL));
    CHECK_DONE(h_store(attempts, 4, h_settle(1)));
    CHECK_DONE(lnkeep_events_take(newest, taken, 10, &len, NULL));
    CHECK_EQUAL(len, 1);
    CHECK_EQUAL(taken[0].attempt_id, 4);
    CHECK_DONE(lnkeep_events_take(oldest, taken, 10, &len, NULL));
    CHECK_EQUAL(len, 4);
    CHECK_EQUAL(take(10), 4);
    CHECK_DONE(lnkeep_events_close(&newest, NULL));
    CHECK_DONE(lnkeep_events_close(&oldest, NULL));
    close_all();
}

static void the_descriptor_is_readable_while_there_is_work(void) {
    begin(UINT64_MAX);
    int descriptor = -1;
    CHECK_DONE(lnkeep_events_descriptor(events, &descriptor, NULL));
    CHECK(!h_readable(descriptor, 0));
    for (uint64_t id = 1; id <= 3; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK(h_readable(descriptor, 10000));
    CHECK_EQUAL(take(2), 2);
    CHECK(h_readable(descriptor, 0));
    CHECK_EQUAL(take(0), 0);
    CHECK(h_readable(descriptor, 0));
    CHECK_EQUAL(take(2), 1);
    CHECK(!h_readable(descriptor, 0));
    close_all();
    open_store(UINT64_MAX, 0, 0);
    open_cursor(0);
    CHECK_DONE(lnkeep_events_descriptor(events, &descriptor, NULL));
    /* Nothing was acknowledged. */
    CHECK(h_readable(descriptor, 0));
    close_all();
}

static void unread_events_are_cut_and_told_once(void) {
    directory = h_directory();
    open_store(UINT64_MAX, 4096, 0);
    open_cursor(0);
    for (uint64_t id = 1; id <= 400; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_STATUS(take_status(), LNKEEP_TRUNCATED);
    uint64_t first = first_available();
    CHECK(first > 1);
    size_t len = take(2000);
    CHECK_EQUAL(taken[0].sequence, first);
    CHECK_EQUAL(taken[len - 1].attempt_id, 400);
    CHECK(len < 400);
    CHECK_EQUAL(take(2000), 0);
    close_all();
    open_store(UINT64_MAX, 4096, 0);
    open_cursor(0);
    /* Nothing was acknowledged, so the cursor is still behind the cut. */
    CHECK_STATUS(take_status(), LNKEEP_TRUNCATED);
    len = take(2000);
    CHECK_DONE(lnkeep_events_ack(events, taken[len - 1].sequence, NULL));
    close_all();
    open_store(UINT64_MAX, 4096, 0);
    open_cursor(0);
    CHECK_EQUAL(take(2000), 0);
    close_all();
}

static void old_events_are_cut_by_age(void) {
    directory = h_directory();
    open_store(UINT64_MAX, 0, 60);
    open_cursor(0);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 0, NULL));
    for (uint64_t id = 1; id <= 100; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_EQUAL(take(50), 50);
    CHECK_DONE(lnkeep_store_tick(store, 2000000, 0, NULL));
    for (uint64_t id = 101; id <= 300; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_STATUS(take_status(), LNKEEP_TRUNCATED);
    CHECK_EQUAL(first_available(), 101);
    CHECK_EQUAL(take(2000), 200);
    close_all();
}

static void acknowledged_events_are_not_kept(void) {
    begin(UINT64_MAX);
    CHECK_EQUAL(first_available(), 1);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t id = 1; id <= 100; id++) CHECK_DONE(h_store(attempts, round * 100 + id, h_settle(1)));
        size_t len = take(2000);
        CHECK_EQUAL(len, 100);
        CHECK_DONE(lnkeep_events_ack(events, taken[len - 1].sequence, NULL));
    }
    CHECK(first_available() > 100);
    close_all();
}

static void an_unregistered_cursor_is_gone(void) {
    begin(UINT64_MAX);
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    CHECK_EQUAL(take(10), 1);
    CHECK_DONE(lnkeep_events_unregister(events, NULL));
    CHECK_STATUS(lnkeep_events_unregister(events, NULL), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_events_ack(events, taken[0].sequence, NULL), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(lnkeep_events_is_open(events), 1);
    close_all();
    open_store(UINT64_MAX, 0, 0);
    open_cursor(LNKEEP_EVENTS_FROM_NEWEST);
    CHECK_EQUAL(take(10), 0);
    close_all();
}

static void names_and_their_number_are_bounded(void) {
    begin(UINT64_MAX);
    lnkeep_events other = {7};
    char name[33];
    memset(name, 'n', sizeof name);
    CHECK_STATUS(lnkeep_events_open(store, h_bytes(name, 33), 0, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(other.bits, 0);
    CHECK_STATUS(lnkeep_events_open(store, h_text(""), 0, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_events_open(store, h_bytes(NULL, 4), 0, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_events_open(store, h_text("x"), 2, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    for (unsigned i = 0; i < 255; i++) {
        name[0] = (char)i;
        if (!CHECK_DONE(lnkeep_events_open(store, h_bytes(name, 32), 0, &other, NULL))) break;
        CHECK_DONE(lnkeep_events_close(&other, NULL));
        CHECK_EQUAL(other.bits, 0);
    }
    CHECK_STATUS(lnkeep_events_open(store, h_text("one more"), 0, &other, NULL), LNKEEP_TOO_BIG);
    CHECK_DONE(lnkeep_events_open(store, h_bytes(name, 32), 0, &other, NULL));
    CHECK_DONE(lnkeep_events_unregister(other, NULL));
    CHECK_DONE(lnkeep_events_close(&other, NULL));
    CHECK_DONE(lnkeep_events_open(store, h_text("one more"), 0, &other, NULL));
    CHECK_DONE(lnkeep_events_close(&other, NULL));
    close_all();
}

static void a_thousand_come_at_once(void) {
    begin(UINT64_MAX);
    lnkeep_op *ops = (lnkeep_op *)calloc(1024, sizeof *ops);
    lnkeep_outcome *outcomes = (lnkeep_outcome *)calloc(1024, sizeof *outcomes);
    for (uint64_t i = 0; i < 1024; i++) {
        ops[i].kind = LNKEEP_OP_ATTEMPT_STORE_RESULT;
        ops[i].component = attempts.bits;
        ops[i].body.attempt_result.key = h_key(i + 1);
        ops[i].body.attempt_result.result = h_settle(1);
    }
    CHECK_DONE(lnkeep_submit(store, ops, 1024, 0, outcomes, NULL));
    for (uint64_t i = 1; i < 1024; i++) CHECK_EQUAL(outcomes[i].event_sequence, outcomes[0].event_sequence + i);
    CHECK_EQUAL(take(2000), 1000);
    CHECK_EQUAL(take(2000), 24);
    free(ops);
    free(outcomes);
    close_all();
}

static void a_closed_store_is_told(void) {
    begin(UINT64_MAX);
    uint64_t sequence;
    h_close(&store);
    CHECK_STATUS(take_status(), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_events_ack(events, 1, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_events_unregister(events, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_events_first_available(events, &sequence, NULL), LNKEEP_CLOSED);
    CHECK_EQUAL(lnkeep_events_is_open(events), 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    CHECK_EQUAL(lnkeep_events_is_open(events), 0);
    h_close_attempts(&attempts);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_change_is_told_in_order),
        H_TEST(kinds_are_chosen),
        H_TEST(a_cursor_goes_on_after_a_restart),
        H_TEST(new_cursors_start_where_they_ask),
        H_TEST(the_descriptor_is_readable_while_there_is_work),
        H_TEST(unread_events_are_cut_and_told_once),
        H_TEST(old_events_are_cut_by_age),
        H_TEST(acknowledged_events_are_not_kept),
        H_TEST(an_unregistered_cursor_is_gone),
        H_TEST(names_and_their_number_are_bounded),
        H_TEST(a_thousand_come_at_once),
        H_TEST(a_closed_store_is_told),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

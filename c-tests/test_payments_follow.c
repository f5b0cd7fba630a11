/* Following payments without a thread: the streams in memory, their doorbell, and the events that last. */

#include "payments.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t subscribe(uint64_t number) {
    uint64_t subscription = 0;
    CHECK_DONE(lnkeep_payments_subscribe(payments, hash_of(number).bytes, &subscription, NULL));
    return subscription;
}

static uint64_t subscribe_all(void) {
    uint64_t subscription = 0;
    CHECK_DONE(lnkeep_payments_subscribe(payments, NULL, &subscription, NULL));
    return subscription;
}

/* What the last view said. */
static struct {
    uint64_t sequence, revision, missed;
    uint32_t status;
    hash hash;
} viewed;

static uint32_t next(uint64_t subscription) {
    uint32_t state = 99;
    lnkeep_payment *payment = UNTOUCHED;
    uint64_t missed = 99;
    CHECK_DONE(lnkeep_payments_next(payments, subscription, &state, &payment, &missed, NULL));
    CHECK((payment != NULL) == (state == LNKEEP_NEXT_PAYMENT));
    CHECK((missed != 0) == (state == LNKEEP_NEXT_MISSED));
    viewed.missed = missed;
    if (!payment || !check_view(payment)) return state;
    viewed.sequence = payment->sequence;
    viewed.revision = payment->revision;
    viewed.status = payment->status;
    memcpy(viewed.hash.bytes, payment->init.payment_hash, 32);
    lnkeep_payment_free(payment);
    return state;
}

/* The next one is a view of this payment with this status and revision. */
static int is_next(uint64_t subscription, uint64_t number, uint32_t status, uint64_t revision) {
    if (!CHECK_EQUAL(next(subscription), LNKEEP_NEXT_PAYMENT)) return 0;
    int held = CHECK(memcmp(viewed.hash.bytes, hash_of(number).bytes, 32) == 0);
    held &= CHECK_EQUAL(viewed.status, status);
    return held & CHECK_EQUAL(viewed.revision, revision);
}

static size_t ready(uint64_t *subscriptions, size_t capacity) {
    size_t len = 99;
    CHECK_DONE(lnkeep_payments_ready(payments, subscriptions, capacity, &len, NULL));
    return len;
}

static int doorbell(void) {
    int descriptor = -1;
    CHECK_DONE(lnkeep_payments_ready_descriptor(payments, &descriptor, NULL));
    return descriptor;
}

enum { I = LNKEEP_PAYMENT_STATUS_INITIATED, F = LNKEEP_PAYMENT_STATUS_IN_FLIGHT };
enum { S = LNKEEP_PAYMENT_STATUS_SUCCEEDED, X = LNKEEP_PAYMENT_STATUS_FAILED };

static void a_stream_has_the_present_then_every_change_and_closes(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t early = subscribe(1);
    CHECK(is_next(early, 1, I, 1));
    CHECK_EQUAL(next(early), LNKEEP_NEXT_WAITING);
    CHECK_DONE(register_part(1, 1, 400, AMOUNT));
    CHECK_DONE(register_part(1, 2, 600, AMOUNT));
    uint64_t late = subscribe(1);
    CHECK(late != early && early != 0);
    CHECK_DONE(fail_attempt(1, 1, 0));
    CHECK_STATUS(fail_attempt(1, 1, 0), LNKEEP_ALREADY);
    CHECK_STATUS(register_part(1, 3, 9999, AMOUNT), LNKEEP_VALUE_EXCEEDS);
    CHECK_DONE(settle(1, 2, 0));
    CHECK(is_next(late, 1, F, 3));
    CHECK(is_next(late, 1, F, 4));
    CHECK(is_next(late, 1, S, 5));
    CHECK_EQUAL(next(late), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(next(late), LNKEEP_NEXT_CLOSED);
    for (uint64_t revision = 2; revision <= 4; revision++) CHECK(is_next(early, 1, F, revision));
    CHECK(is_next(early, 1, S, 5));
    CHECK_EQUAL(next(early), LNKEEP_NEXT_CLOSED);
    /* What ended has an end at once. A late settle after the end reaches no closed stream. */
    uint64_t ended = subscribe(1);
    CHECK_DONE(settle(1, 1, 0));
    CHECK(is_next(ended, 1, S, 5));
    CHECK_EQUAL(next(ended), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(next(early), LNKEEP_NEXT_CLOSED);
    end();
}

static void strangers_cannot_be_followed(void) {
    begin();
    make_each_status();
    static const uint64_t strangers[] = {ABSENT, TOMBSTONE};
    for (size_t i = 0; i < H_COUNT(strangers); i++) {
        uint64_t subscription = 77;
        hash hash = hash_of(strangers[i]);
        lnkeep_status status = lnkeep_payments_subscribe(payments, hash.bytes, &subscription, NULL);
        CHECK_STATUS(status, LNKEEP_PAYMENT_NOT_INITIATED);
        CHECK_EQUAL(subscription, 77);
    }
    CHECK_EQUAL(next(12345), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(next(0), LNKEEP_NEXT_CLOSED);
    CHECK_STATUS(lnkeep_payments_unsubscribe(payments, 12345, NULL), LNKEEP_NOT_FOUND);
    end();
}

static void unsubscribing_drops_what_was_not_taken(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t subscription = subscribe(1), told[4];
    CHECK_DONE(lnkeep_payments_unsubscribe(payments, subscription, NULL));
    CHECK_STATUS(lnkeep_payments_unsubscribe(payments, subscription, NULL), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(next(subscription), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(ready(told, 4), 0);
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    CHECK_EQUAL(ready(told, 4), 0);
    /* Numbers are not given again. */
    CHECK(subscribe(1) > subscription);
    end();
}

/* A deletion closes the streams of its payment, whoever deletes it; those of all payments are not told. */
static void a_deletion_closes_the_stream(void) {
    begin();
    uint64_t all = subscribe_all(), streams[3], told[8];
    for (uint64_t number = 1; number <= 3; number++) {
        CHECK_DONE(init_payment(number, AMOUNT));
        streams[number - 1] = subscribe(number);
    }
    CHECK_DONE(delete_payment(1, 0));
    lnkeep_payment_delete_filter filter = LNKEEP_PAYMENT_DELETE_FILTER_INIT;
    filter.statuses = 1 << LNKEEP_PAYMENT_STATUS_INITIATED;
    CHECK_DONE(lnkeep_payments_delete_many(payments, &filter, 0, NULL, NULL, NULL, NULL));
    CHECK_EQUAL(ready(told, 8), 4);
    for (uint64_t number = 1; number <= 3; number++) {
        CHECK(is_next(streams[number - 1], number, I, 1));
        CHECK_EQUAL(next(streams[number - 1]), LNKEEP_NEXT_CLOSED);
        CHECK(is_next(all, number, I, 1));
    }
    CHECK_EQUAL(next(all), LNKEEP_NEXT_WAITING);
    /* The hash starts over and the old stream stays closed. */
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_EQUAL(next(streams[0]), LNKEEP_NEXT_CLOSED);
    CHECK(is_next(all, 1, I, 1));
    end();
}

static void the_stream_of_all_begins_with_the_unfinished(void) {
    begin();
    make_each_status();
    uint64_t all = subscribe_all();
    CHECK(is_next(all, INITIATED, I, 1));
    CHECK(is_next(all, IN_FLIGHT, F, 2));
    CHECK(is_next(all, RETRYABLE, F, 3));
    CHECK(is_next(all, GIVEN_UP, F, 3));
    CHECK(is_next(all, HALF_SETTLED, F, 4));
    CHECK_EQUAL(next(all), LNKEEP_NEXT_WAITING);
    CHECK_DONE(settle(IN_FLIGHT, IN_FLIGHT, 0));
    CHECK_DONE(init_payment(ABSENT, AMOUNT));
    CHECK_DONE(init_payment(FAILED, AMOUNT));
    CHECK_DONE(settle(RETRYABLE, RETRYABLE, 0));
    CHECK(is_next(all, IN_FLIGHT, S, 3));
    CHECK(is_next(all, ABSENT, I, 1));
    CHECK(is_next(all, FAILED, I, 1));
    CHECK(is_next(all, RETRYABLE, S, 4));
    /* A terminal view is no end of it, and what failed twice is told once. */
    CHECK_DONE(give_up(ABSENT, LNKEEP_PAYMENT_REASON_ERROR));
    CHECK_DONE(give_up(ABSENT, LNKEEP_PAYMENT_REASON_TIMEOUT));
    CHECK(is_next(all, ABSENT, X, 2));
    CHECK_EQUAL(next(all), LNKEEP_NEXT_WAITING);
    end();
}

static lnkeep_op fail_op(uint64_t number, uint32_t reason) {
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_PAYMENT_FAIL;
    op.component = payments.bits;
    memcpy(op.body.payment_fail.payment_hash, hash_of(number).bytes, 32);
    op.body.payment_fail.reason = reason;
    return op;
}

/* Submissions tell as calls do, once they are on disk; an aborted group tells nobody. */
static void submissions_are_told(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    uint64_t one = subscribe(1), all = subscribe_all();
    CHECK(is_next(one, 1, F, 2));
    CHECK(is_next(all, 1, F, 2));
    lnkeep_op ops[2] = {fail_op(1, LNKEEP_PAYMENT_REASON_TIMEOUT), fail_op(2, LNKEEP_PAYMENT_REASON_TIMEOUT)};
    lnkeep_outcome outcomes[2];
    CHECK_STATUS(lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL), LNKEEP_BATCH);
    CHECK_EQUAL(next(one), LNKEEP_NEXT_WAITING);
    CHECK_EQUAL(next(all), LNKEEP_NEXT_WAITING);
    CHECK_STATUS(lnkeep_submit(store, ops, 2, 0, outcomes, NULL), LNKEEP_BATCH);
    CHECK(is_next(one, 1, F, 3));
    CHECK(is_next(all, 1, F, 3));
    ops[1] = fail_op(1, LNKEEP_PAYMENT_REASON_ERROR);
    CHECK_DONE(lnkeep_submit_async(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, 1, NULL));
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    for (uint64_t revision = 4; revision <= 5; revision++) {
        CHECK(is_next(one, 1, F, revision));
        CHECK(is_next(all, 1, F, revision));
    }
    CHECK_EQUAL(next(one), LNKEEP_NEXT_WAITING);
    end();
}

static void the_descriptor_is_readable_while_there_is_news(void) {
    begin();
    uint64_t told[4];
    CHECK(!h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 4), 0);
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t first = subscribe(1), second = subscribe(1);
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 1), 1);
    /* One is left, so the descriptor stays readable. */
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told + 1, 3), 1);
    CHECK(told[0] + told[1] == first + second);
    CHECK(!h_readable(doorbell(), 0));
    /* Not read empty yet: it is not named again, and nothing is lost. */
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    CHECK_EQUAL(ready(told, 4), 0);
    for (int stream = 0; stream < 2; stream++) {
        uint64_t subscription = stream ? second : first;
        CHECK(is_next(subscription, 1, I, 1));
        CHECK(is_next(subscription, 1, F, 2));
        CHECK_EQUAL(next(subscription), LNKEEP_NEXT_WAITING);
    }
    CHECK_DONE(settle(1, 1, 0));
    CHECK(h_readable(doorbell(), 10000));
    CHECK_EQUAL(ready(told, 4), 2);
    CHECK(is_next(first, 1, S, 3));
    CHECK_EQUAL(next(first), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(ready(told, 4), 0);
    end();
}

/* A host that only asks each stream must not make the list of ready ones grow. */
static void a_stream_is_ready_once(void) {
    begin();
    uint64_t told[64];
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    uint64_t subscription = subscribe(1);
    for (uint64_t round = 0; round < 20; round++) {
        CHECK_DONE(give_up(1, 1 + round % 6));
        while (next(subscription) == LNKEEP_NEXT_PAYMENT) {}
    }
    CHECK(ready(told, H_COUNT(told)) <= 1);
    end();
}

/* Views that nobody takes are bounded; the newest ones stay, and how many went is told once. */
static void dropped_views_are_counted(void) {
    begin();
    static lnkeep_op ops[1000];
    static lnkeep_outcome outcomes[1000];
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    uint64_t one = subscribe(1), told[4];
    for (size_t i = 0; i < H_COUNT(ops); i++) ops[i] = fail_op(1, (uint32_t)(1 + i % 6));
    for (int batch = 0; batch < 2; batch++) CHECK_DONE(lnkeep_submit(store, ops, 1000, 0, outcomes, NULL));
    CHECK_DONE(settle(1, 1, 0));
    CHECK_EQUAL(ready(told, 4), 1);
    /* The present, 2,000 changes and the end, as the revisions count: 2 to 2,003. */
    if (!CHECK_EQUAL(next(one), LNKEEP_NEXT_MISSED)) return;
    CHECK(viewed.missed >= 2002 - 1100 && viewed.missed <= 2002 - 1000);
    uint64_t revision = 2 + viewed.missed, views = 0;
    while (next(one) == LNKEEP_NEXT_PAYMENT) {
        if (!CHECK_EQUAL(viewed.revision, revision++)) break;
        views++;
    }
    CHECK_EQUAL(revision, 2004);
    CHECK_EQUAL(viewed.status, S);
    CHECK_EQUAL(next(one), LNKEEP_NEXT_CLOSED);
    end();
}

static void subscriptions_are_bounded(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.subscriptions_max = 2;
    begin_with(&options);
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t one = subscribe(1), all = subscribe_all(), refused = 77;
    hash hash = hash_of(1);
    CHECK_STATUS(lnkeep_payments_subscribe(payments, hash.bytes, &refused, NULL), LNKEEP_BUSY);
    CHECK_STATUS(lnkeep_payments_subscribe(payments, NULL, &refused, NULL), LNKEEP_BUSY);
    CHECK_EQUAL(refused, 77);
    CHECK_DONE(lnkeep_payments_unsubscribe(payments, all, NULL));
    CHECK(subscribe(1) != one);
    /* A refused one takes no place. */
    CHECK_DONE(lnkeep_payments_unsubscribe(payments, one, NULL));
    hash = hash_of(9);
    for (int i = 0; i < 3; i++) {
        lnkeep_status status = lnkeep_payments_subscribe(payments, hash.bytes, &refused, NULL);
        CHECK_STATUS(status, LNKEEP_PAYMENT_NOT_INITIATED);
    }
    subscribe_all();
    end();
}

static size_t memory_in_use(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* Whoever asks for hashes that are not there must not be able to fill the memory of the node. */
static void a_refused_subscription_leaves_nothing(void) {
    if (h_is_valgrind()) {
        h_skip("a_refused_subscription_leaves_nothing", "valgrind's allocator tells no figures");
        return;
    }
    begin();
    uint64_t number = 0, subscription;
    size_t before = 0;
    for (int round = 0; round < 5; round++) {
        /* What the first round made stays for reuse. */
        if (round == 1) before = memory_in_use();
        for (int i = 0; i < 20000; i++) {
            hash stranger = preimage_of(++number);
            lnkeep_status status = lnkeep_payments_subscribe(payments, stranger.bytes, &subscription, NULL);
            if (!CHECK_STATUS(status, LNKEEP_PAYMENT_NOT_INITIATED)) break;
        }
    }
    CHECK(memory_in_use() < before + (1 << 20));
    end();
}

static void handles_share_the_streams(void) {
    begin();
    lnkeep_payments second = h_payments(store);
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t subscription = subscribe(1);
    size_t len = 0;
    uint64_t told[2];
    CHECK_DONE(lnkeep_payments_ready(second, told, 2, &len, NULL));
    CHECK_EQUAL(len, 1);
    h_close_payments(&payments);
    payments = second;
    CHECK(is_next(subscription, 1, I, 1));
    CHECK_DONE(lnkeep_payments_unsubscribe(payments, subscription, NULL));
    end();
}

/* Whoever waits at the descriptor of a closed store learns that nothing will come. */
static void a_closed_store_closes_the_streams(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    uint64_t one = subscribe(1), all = subscribe_all(), told[4], refused = 77;
    CHECK_EQUAL(ready(told, 4), 2);
    CHECK(is_next(all, 1, I, 1));
    CHECK_EQUAL(next(all), LNKEEP_NEXT_WAITING);
    h_close(&store);
    CHECK(h_readable(doorbell(), 0));
    CHECK_EQUAL(ready(told, 4), 1);
    CHECK_EQUAL(told[0], all);
    CHECK(is_next(one, 1, I, 1));
    CHECK_EQUAL(next(one), LNKEEP_NEXT_CLOSED);
    CHECK_EQUAL(next(all), LNKEEP_NEXT_CLOSED);
    CHECK_STATUS(lnkeep_payments_subscribe(payments, NULL, &refused, NULL), LNKEEP_CLOSED);
    CHECK_DONE(lnkeep_payments_unsubscribe(payments, one, NULL));
    h_close_payments(&payments);
    h_close_attempts(&attempts);
}

static lnkeep_events events;
static lnkeep_event taken[64];

static size_t take(void) {
    size_t len = 0;
    CHECK_DONE(lnkeep_events_take(events, taken, H_COUNT(taken), &len, NULL));
    return len;
}

static void open_cursor(void) { CHECK_DONE(lnkeep_events_open(store, h_text("watch"), 0, &events, NULL)); }

/* One event as it must be; what it is compared with is what the header says of each field. */
typedef struct wanted_event {
    uint32_t kind, state, attempt_state, reason, flags;
    uint64_t attempt_id, amount_msat, remaining_msat, fees_msat;
} wanted_event;

static void check_events(const wanted_event *wanted, size_t len, uint64_t number) {
    CHECK_EQUAL(take(), len);
    for (size_t i = 0; i < len; i++) {
        const lnkeep_event *event = &taken[i];
        int held = CHECK_EQUAL(event->sequence, taken[0].sequence + i);
        held &= CHECK_EQUAL(event->kind, wanted[i].kind);
        held &= CHECK_EQUAL(event->state, wanted[i].state);
        held &= CHECK_EQUAL(event->attempt_state, wanted[i].attempt_state);
        held &= CHECK_EQUAL(event->failure_reason, wanted[i].reason);
        held &= CHECK_EQUAL(event->flags, wanted[i].flags);
        held &= CHECK_EQUAL(event->attempt_id, wanted[i].attempt_id);
        held &= CHECK_EQUAL(event->amount_msat, wanted[i].amount_msat);
        held &= CHECK_EQUAL(event->remaining_msat, wanted[i].remaining_msat);
        held &= CHECK_EQUAL(event->fees_msat, wanted[i].fees_msat);
        held &= CHECK_EQUAL(event->failure_code | event->reserved, 0);
        held &= CHECK_EQUAL(event->block_height, 800000);
        held &= CHECK_EQUAL(event->unix_ms, 777000);
        held &= CHECK(memcmp(event->subject, hash_of(number).bytes, 32) == 0);
        uint8_t wanted_namespace[16] = {0};
        if (wanted[i].attempt_id) wanted_namespace[15] = 9;
        held &= CHECK(memcmp(event->namespace_bytes, wanted_namespace, 16) == 0);
        if (!held) printf("event %d\n", (int)i);
    }
}

/* A change of the attempt `id` in namespace 9. */
static lnkeep_status change_in_nine(uint64_t number, uint64_t id, uint32_t kind) {
    lnkeep_payment_attempt_request request = part_of(id, 300, AMOUNT);
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNREADABLE, "");
    hash hash = hash_of(number), preimage = preimage_of(number);
    request.key = h_key_in(9, id);
    switch (kind) {
    case LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED:
        return lnkeep_payments_register(payments, hash.bytes, &request, 0, NULL, NULL, NULL);
    case LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED:
        return lnkeep_payments_settle(payments, hash.bytes, &request.key, preimage.bytes, 0, 0, NULL, NULL,
                                      NULL);
    case LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED:
        return lnkeep_payments_fail_attempt(payments, hash.bytes, &request.key, &failure, h_text(""), 0, NULL,
                                            NULL, NULL);
    default:
        return lnkeep_payments_fail_attempt(payments, hash.bytes, &request.key, &failure, h_text("why"),
                                            LNKEEP_FAIL_FORCED, NULL, NULL, NULL);
    }
}

/* IN_FLIGHT, SETTLED and FAILED of attempts, by the letters above for payments. */
enum { OUT = LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, WON = LNKEEP_PAYMENT_ATTEMPT_SETTLED };
enum { LOST = LNKEEP_PAYMENT_ATTEMPT_FAILED, TIMEOUT = LNKEEP_PAYMENT_REASON_TIMEOUT };
enum { END = LNKEEP_EVENT_TERMINAL, LATE = LNKEEP_EVENT_HAD_LATE_SETTLE };

static void every_change_is_an_event_with_every_field(void) {
    begin();
    open_cursor();
    CHECK_DONE(lnkeep_store_tick(store, 777000, 800000, NULL));
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 3; id++) {
        CHECK_DONE(change_in_nine(1, id, LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED));
    }
    CHECK_DONE(change_in_nine(1, 1, LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED));
    CHECK_DONE(give_up(1, TIMEOUT));
    CHECK_DONE(change_in_nine(1, 2, LNKEEP_EVENT_PAYMENT_FORCED));
    CHECK_DONE(change_in_nine(1, 3, LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED));
    CHECK_DONE(change_in_nine(1, 1, LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED));
    CHECK_DONE(delete_payment(1, 0));
    /* What changes nothing, or only what a tombstone says, is no event. */
    CHECK_STATUS(init_payment(1, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_DONE(delete_payment(1, LNKEEP_DELETE_TOMBSTONE));
    const wanted_event wanted[] = {
        {LNKEEP_EVENT_PAYMENT_INITIATED, I, 0, 0, 0, 0, AMOUNT, AMOUNT, 0},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED, F, OUT, 0, 0, 1, 300, 700, 1},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED, F, OUT, 0, 0, 2, 300, 400, 2},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED, F, OUT, 0, 0, 3, 300, 100, 3},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED, F, LOST, 0, 0, 1, 300, 400, 2},
        {LNKEEP_EVENT_PAYMENT_FAILED, F, 0, TIMEOUT, 0, 0, AMOUNT, 400, 2},
        {LNKEEP_EVENT_PAYMENT_FORCED, F, LOST, TIMEOUT, 0, 2, 300, 700, 1},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED, S, WON, TIMEOUT, END, 3, 300, 700, 1},
        {LNKEEP_EVENT_PAYMENT_LATE_SETTLE, S, WON, TIMEOUT, LATE, 1, 300, 400, 2},
        {LNKEEP_EVENT_PAYMENT_DELETED, S, 0, TIMEOUT, LATE, 0, AMOUNT, 400, 2},
    };
    check_events(wanted, H_COUNT(wanted), 1);
    CHECK_EQUAL(take(), 0);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

/* The end is told once, with the event that brings it, whichever that is. */
static void the_end_is_told_once(void) {
    begin();
    open_cursor();
    CHECK_DONE(lnkeep_store_tick(store, 777000, 800000, NULL));
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(change_in_nine(1, 1, LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED));
    CHECK_DONE(give_up(1, TIMEOUT));
    CHECK_DONE(change_in_nine(1, 1, LNKEEP_EVENT_PAYMENT_FORCED));
    CHECK_DONE(give_up(1, LNKEEP_PAYMENT_REASON_ERROR));
    CHECK_DONE(init_payment(1, 50));
    CHECK_DONE(give_up(1, TIMEOUT));
    const wanted_event wanted[] = {
        {LNKEEP_EVENT_PAYMENT_INITIATED, I, 0, 0, 0, 0, AMOUNT, AMOUNT, 0},
        {LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED, F, OUT, 0, 0, 1, 300, 700, 1},
        {LNKEEP_EVENT_PAYMENT_FAILED, F, 0, TIMEOUT, 0, 0, AMOUNT, 700, 1},
        {LNKEEP_EVENT_PAYMENT_FORCED, X, LOST, TIMEOUT, END, 1, 300, AMOUNT, 0},
        {LNKEEP_EVENT_PAYMENT_INITIATED, I, 0, 0, 0, 0, 50, 50, 0},
        {LNKEEP_EVENT_PAYMENT_FAILED, X, 0, TIMEOUT, END, 0, 50, 50, 0},
    };
    check_events(wanted, H_COUNT(wanted), 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

static void events_go_on_after_a_restart(void) {
    begin();
    open_cursor();
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    CHECK_EQUAL(take(), 2);
    CHECK_DONE(lnkeep_events_ack(events, taken[0].sequence, NULL));
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    reopen();
    CHECK_DONE(settle(1, 1, 0));
    open_cursor();
    CHECK_EQUAL(take(), 2);
    CHECK_EQUAL(taken[0].kind, LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED);
    CHECK_EQUAL(taken[1].kind, LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED);
    CHECK_EQUAL(taken[1].flags, LNKEEP_EVENT_TERMINAL);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

static void kinds_of_payments_are_chosen(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = UINT64_C(1) << LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED;
    directory = h_directory();
    open_with(&options, NULL);
    open_cursor();
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_EQUAL(last.event_sequence, 0);
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    CHECK_DONE(settle(1, 1, 0));
    CHECK_EQUAL(take(), 1);
    CHECK_EQUAL(taken[0].kind, LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED);
    CHECK_EQUAL(taken[0].sequence, last.event_sequence);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_stream_has_the_present_then_every_change_and_closes),
        H_TEST(strangers_cannot_be_followed),
        H_TEST(unsubscribing_drops_what_was_not_taken),
        H_TEST(a_deletion_closes_the_stream),
        H_TEST(the_stream_of_all_begins_with_the_unfinished),
        H_TEST(submissions_are_told),
        H_TEST(the_descriptor_is_readable_while_there_is_news),
        H_TEST(a_stream_is_ready_once),
        H_TEST(dropped_views_are_counted),
        H_TEST(subscriptions_are_bounded),
        H_TEST(a_refused_subscription_leaves_nothing),
        H_TEST(handles_share_the_streams),
        H_TEST(a_closed_store_closes_the_streams),
        H_TEST(every_change_is_an_event_with_every_field),
        H_TEST(the_end_is_told_once),
        H_TEST(events_go_on_after_a_restart),
        H_TEST(kinds_of_payments_are_chosen),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

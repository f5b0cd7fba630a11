/* Many threads at once: on the same ids, on handles that another thread closes, on handles that come and go. */

#include "harness.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 16
#define IDS_MAX 4000

static lnkeep_store store;
static lnkeep_attempts attempts;
static atomic_int stop;
static atomic_uint running;

static void begin(void) {
    store = h_open(h_directory());
    attempts = h_attempts(store);
    atomic_store(&stop, 0);
    atomic_store(&running, 0);
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static void on_threads(unsigned len, void *(*run)(void *)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < len; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (unsigned i = 0; i < len; i++) pthread_join(threads[i], NULL);
}

static atomic_uint granted[IDS_MAX], settled[IDS_MAX];
static uint64_t ids;

/* Half of the threads ask one by one, the others in batches and from the other end. */
static void *race_init(void *number) {
    uint64_t thread = (uint64_t)(uintptr_t)number;
    for (uint64_t i = 0; i < ids; i++) {
        uint64_t id = thread % 2 ? i : ids - 1 - i;
        lnkeep_status status = h_init(attempts, id);
        if (status == LNKEEP_DONE) atomic_fetch_add(&granted[id], 1);
        else CHECK_STATUS(status, LNKEEP_ALREADY_EXISTS);
    }
    return NULL;
}

static void *race_submit(void *number) {
    lnkeep_op ops[32];
    lnkeep_outcome outcomes[32];
    uint32_t flags = (uintptr_t)number % 2 ? LNKEEP_SUBMIT_ATOMIC : 0;
    memset(ops, 0, sizeof ops);
    for (uint64_t from = 0; from + 32 <= ids; from += 32) {
        for (uint64_t i = 0; i < 32; i++) {
            ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
            ops[i].component = attempts.bits;
            ops[i].body.attempt_init = h_request(from + i);
        }
        CHECK_DONE(lnkeep_submit(store, ops, 32, flags, outcomes, NULL));
        for (uint64_t i = 0; i < 32; i++) {
            if (outcomes[i].status == LNKEEP_DONE) atomic_fetch_add(&granted[from + i], 1);
        }
    }
    return NULL;
}

static void check_granted_once(void) {
    for (uint64_t id = 0; id < ids; id++) {
        if (!CHECK_EQUAL(atomic_load(&granted[id]), 1)) break;
        atomic_store(&granted[id], 0);
    }
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.intent, ids);
}

static void exactly_one_thread_may_dispatch_each_id(void) {
    begin();
    ids = h_rounds(1024, 96);
    on_threads(THREADS, race_init);
    check_granted_once();
    end();
}

static void exactly_one_batch_may_dispatch_each_id(void) {
    begin();
    ids = h_rounds(4000, 320) / 32 * 32;
    on_threads(THREADS, race_submit);
    check_granted_once();
    end();
}

/* Settles against rollbacks: whoever comes first, a settle is final. */
static void *race_results(void *number) {
    for (uint64_t id = 0; id < ids; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_status status;
        if ((uintptr_t)number % 2) {
            status = h_store(attempts, id, h_settle(1));
            if (status == LNKEEP_DONE) atomic_fetch_add(&settled[id], 1);
            else CHECK_STATUS(status, LNKEEP_ALREADY);
        } else {
            status = lnkeep_attempts_fail_pending(attempts, &key, 0, h_text(""), 0, NULL, NULL);
            if (status != LNKEEP_DONE) CHECK_STATUS(status, LNKEEP_NOT_PENDING);
        }
    }
    return NULL;
}

static void a_settle_is_final_in_every_order(void) {
    begin();
    ids = h_rounds(500, 60);
    for (uint64_t id = 0; id < ids; id++) CHECK_DONE(h_init(attempts, id));
    on_threads(8, race_results);
    for (uint64_t id = 0; id < ids; id++) {
        CHECK_EQUAL(h_state(attempts, id), LNKEEP_STATE_SETTLED);
        CHECK_EQUAL(atomic_load(&settled[id]), 1);
        atomic_store(&settled[id], 0);
    }
    end();
}

/* Calls until the handle is gone; every answer must be one that the header names for it. */
static void *call_until_closed(void *number) {
    uint64_t id = (uint64_t)(uintptr_t)number << 32;
    lnkeep_attempts mine = attempts;
    lnkeep_store whole = store;
    atomic_fetch_add(&running, 1);
    for (;;) {
        lnkeep_status status = h_init(mine, ++id);
        if (status == LNKEEP_CLOSED || status == LNKEEP_BAD_HANDLE) break;
        if (!CHECK_DONE(status)) break;
        int state = h_state(mine, id);
        if (state == LNKEEP_CLOSED || state == LNKEEP_BAD_HANDLE) break;
        if (!CHECK_EQUAL(state, LNKEEP_STATE_INTENT)) break;
        lnkeep_stats stats = LNKEEP_STATS_INIT;
        status = lnkeep_store_stats(whole, &stats, NULL);
        if (status != LNKEEP_DONE && status != LNKEEP_CLOSED) CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
        status = lnkeep_store_sync(whole, NULL);
        if (status != LNKEEP_DONE && status != LNKEEP_CLOSED) CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
    }
    return (void *)(uintptr_t)(id & UINT32_MAX);
}

static void start(pthread_t *threads, unsigned len, void *(*run)(void *)) {
    for (uintptr_t i = 0; i < len; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    while (atomic_load(&running) < len) h_sleep_ms(1);
}

static void the_store_closes_under_running_calls(void) {
    for (unsigned round = 0; round < h_rounds(30, 3); round++) {
        pthread_t threads[8];
        begin();
        start(threads, 8, call_until_closed);
        h_sleep_ms(round % 10);
        lnkeep_store copy = store;
        CHECK_DONE(lnkeep_store_close(&copy, NULL));
        for (unsigned i = 0; i < 8; i++) pthread_join(threads[i], NULL);
        h_close_attempts(&attempts);
    }
}

/* What was answered DONE before the close is there after it. */
static void what_was_acknowledged_survives_the_close(void) {
    pthread_t threads[8];
    void *reached[8];
    const char *directory = h_directory();
    store = h_open(directory);
    attempts = h_attempts(store);
    atomic_store(&running, 0);
    start(threads, 8, call_until_closed);
    h_sleep_ms(h_rounds(50, 300));
    lnkeep_store copy = store;
    CHECK_DONE(lnkeep_store_close(&copy, NULL));
    for (unsigned i = 0; i < 8; i++) pthread_join(threads[i], &reached[i]);
    h_close_attempts(&attempts);
    store = h_open(directory);
    attempts = h_attempts(store);
    for (uint64_t thread = 0; thread < 8; thread++) {
        uint64_t refused = (uint64_t)(uintptr_t)reached[thread];
        for (uint64_t id = 1; id < refused; id++) {
            if (!CHECK_EQUAL(h_state(attempts, thread << 32 | id), LNKEEP_STATE_INTENT)) break;
        }
    }
    end();
}

static void attempts_close_under_running_calls(void) {
    for (unsigned round = 0; round < h_rounds(30, 3); round++) {
        pthread_t threads[8];
        begin();
        start(threads, 8, call_until_closed);
        h_sleep_ms(round % 5);
        lnkeep_attempts copy = attempts;
        h_close_attempts(&copy);
        for (unsigned i = 0; i < 8; i++) pthread_join(threads[i], NULL);
        CHECK_EQUAL(lnkeep_attempts_is_open(attempts), 0);
        h_close(&store);
    }
}

/* Every thread closes the same handle: one of them does it. */
static lnkeep_attempts shared_handle;
static atomic_uint closed;

static void *race_close(void *unused) {
    lnkeep_attempts copy = shared_handle;
    lnkeep_status status = lnkeep_attempts_close(&copy, NULL);
    if (status == LNKEEP_DONE) atomic_fetch_add(&closed, 1);
    else CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
    return unused;
}

static void one_thread_closes(void) {
    begin();
    for (unsigned round = 0; round < h_rounds(100, 10); round++) {
        shared_handle = h_attempts(store);
        atomic_store(&closed, 0);
        on_threads(8, race_close);
        CHECK_EQUAL(atomic_load(&closed), 1);
    }
    end();
}

static void *open_and_close(void *number) {
    char name[2] = {(char)('a' + (int)(uintptr_t)number), 0};
    lnkeep_attempts stale = LNKEEP_ATTEMPTS_NONE;
    for (unsigned round = 0; round < h_rounds(200, 15); round++) {
        lnkeep_attempts mine = h_attempts(store);
        lnkeep_events events;
        uint64_t sequence;
        CHECK_EQUAL(lnkeep_attempts_is_open(stale), 0);
        CHECK_STATUS(h_state(stale, 1), LNKEEP_BAD_HANDLE);
        CHECK_EQUAL(h_state(mine, 1), LNKEEP_STATE_INTENT);
        if (CHECK_DONE(lnkeep_events_open(store, h_text(name), 0, &events, NULL))) {
            CHECK_DONE(lnkeep_events_first_available(events, &sequence, NULL));
            CHECK_DONE(lnkeep_events_close(&events, NULL));
        }
        stale = mine;
        h_close_attempts(&mine);
    }
    return NULL;
}

static void handles_come_and_go(void) {
    begin();
    CHECK_DONE(h_init(attempts, 1));
    on_threads(THREADS, open_and_close);
    end();
}

static void *open_stores(void *number) {
    const char *directory = h_directory();
    for (unsigned round = 0; round < h_rounds(10, 2); round++) {
        lnkeep_store mine = h_open(directory);
        lnkeep_attempts own = h_attempts(mine);
        CHECK_DONE(h_init(own, round));
        h_close(&mine);
        CHECK_STATUS(h_init(own, round), LNKEEP_CLOSED);
        h_close_attempts(&own);
    }
    return number;
}

static void stores_come_and_go(void) { on_threads(8, open_stores); }

/* One directory, many threads: at any time one of them has it. */
static const char *contested;
static atomic_int owners;

static void *contest(void *unused) {
    for (unsigned round = 0; round < h_rounds(40, 5); round++) {
        lnkeep_store mine;
        lnkeep_status status = lnkeep_store_open(contested, NULL, &mine, NULL, NULL);
        if (status == LNKEEP_DONE) {
            CHECK_EQUAL(atomic_fetch_add(&owners, 1), 0);
            atomic_fetch_sub(&owners, 1);
            h_close(&mine);
        } else {
            CHECK_STATUS(status, LNKEEP_LOCKED);
        }
    }
    return unused;
}

static void one_thread_owns_a_directory(void) {
    contested = h_directory();
    on_threads(8, contest);
}

/* Readers beside a writer that makes the map grow. */
static void *read_all_the_time(void *unused) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&stop)) {
        lnkeep_attempt_page *page = NULL;
        lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
        if (CHECK_DONE(lnkeep_attempts_list(attempts, &query, &page, NULL))) lnkeep_attempt_page_free(page);
        CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
        h_state(attempts, 1);
    }
    return unused;
}

static void reading_beside_a_growing_map(void) {
    static uint8_t message[60000];
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_attempt_result result = h_fail("");
    pthread_t threads[8];
    options.map_bytes = 1 << 20;
    store = h_open_with(h_directory(), &options);
    attempts = h_attempts(store);
    atomic_store(&stop, 0);
    atomic_store(&running, 0);
    result.message = h_bytes(message, sizeof message);
    start(threads, 8, read_all_the_time);
    for (uint64_t id = 1; id <= h_rounds(200, 40); id++) CHECK_DONE(h_store(attempts, id, result));
    atomic_store(&stop, 1);
    for (unsigned i = 0; i < 8; i++) pthread_join(threads[i], NULL);
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    CHECK(stats.map_growths > 0);
    end();
}

/* Cancelling everything while results arrive: each subscription is told once, served or closed. */
static uint64_t subscribed;

static void *cancel_all(void *unused) {
    atomic_fetch_add(&running, 1);
    while (!atomic_load(&stop)) CHECK_DONE(lnkeep_attempts_unsubscribe_all(attempts, NULL));
    return unused;
}

static void a_subscription_is_told_once(void) {
    begin();
    pthread_t thread;
    uint64_t told = 0, ready[64];
    subscribed = h_rounds(3000, 200);
    start(&thread, 1, cancel_all);
    for (uint64_t id = 1; id <= subscribed; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_op op;
        uint64_t subscription;
        size_t len = 0;
        memset(&op, 0, sizeof op);
        op.kind = LNKEEP_OP_ATTEMPT_STORE_RESULT;
        op.component = attempts.bits;
        op.body.attempt_result.key = key;
        op.body.attempt_result.result = h_settle(1);
        lnkeep_completion completion;
        CHECK_DONE(lnkeep_submit_async(store, &op, 1, 0, id, NULL));
        CHECK_DONE(lnkeep_attempts_subscribe(attempts, &key, 0, &subscription, NULL));
        CHECK_DONE(lnkeep_store_sync(store, NULL));
        CHECK_DONE(lnkeep_attempts_ready(attempts, ready, 64, &len, NULL));
        told += len;
        CHECK_DONE(lnkeep_completions_take(store, &completion, 1, &len, NULL));
    }
    atomic_store(&stop, 1);
    pthread_join(thread, NULL);
    size_t len = 0;
    CHECK_DONE(lnkeep_attempts_ready(attempts, ready, 64, &len, NULL));
    CHECK_EQUAL(told + len, subscribed);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(exactly_one_thread_may_dispatch_each_id),
        H_TEST(exactly_one_batch_may_dispatch_each_id),
        H_TEST(a_settle_is_final_in_every_order),
        H_TEST(the_store_closes_under_running_calls),
        H_TEST(what_was_acknowledged_survives_the_close),
        H_TEST(attempts_close_under_running_calls),
        H_TEST(one_thread_closes),
        H_TEST(handles_come_and_go),
        H_TEST(stores_come_and_go),
        H_TEST(one_thread_owns_a_directory),
        H_TEST(reading_beside_a_growing_map),
        H_TEST(a_subscription_is_told_once),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

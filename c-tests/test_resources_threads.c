/* Resources on many threads: calls on overlapping channels, repeats that race, handles and stores that go. */

#include "resources.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 6
#define CHANNELS 6

static atomic_int stop;
static atomic_uint sum, forwarded, others;
static uint64_t ids;

static void on_threads(unsigned len, void *(*run)(void *)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < len; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (unsigned i = 0; i < len; i++) pthread_join(threads[i], NULL);
}

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

/* What is decided in one call; the journal may be behind. */
static lnkeep_status add_patiently(const lnkeep_htlc_request *requests, size_t len, uint32_t flags,
                                   lnkeep_decision *decisions) {
    for (;;) {
        lnkeep_status status = lnkeep_resources_add(resources, requests, len, flags, decisions, NULL, NULL);
        if (status != LNKEEP_BUSY) return status;
        h_sleep_ms(1);
    }
}

static lnkeep_status resolve_patiently(const lnkeep_resolve_request *request, uint32_t flags) {
    lnkeep_resolution answer;
    for (;;) {
        lnkeep_status status = lnkeep_resources_resolve(resources, request, 1, flags, &answer, NULL);
        if (status != LNKEEP_BUSY) return status;
        h_sleep_ms(1);
    }
}

/* HTLCs between random channels, some of them durable, one of ten held until others have come. */
static void *forward_and_resolve(void *number) {
    enum { HELD = 8 };
    lnkeep_htlc_request held[HELD];
    uint32_t state = (uint32_t)(uintptr_t)number + 1;
    size_t held_len = 0;
    for (uint64_t id = 0; id < ids; id++) {
        uint32_t chance = next_random(&state) >> 8;
        lnkeep_htlc_request request = htlc(1 + chance % CHANNELS, 1 + chance / 7 % CHANNELS,
                                           (uintptr_t)number << 32 | id, 1 + chance % (2 * SLOT_MSAT));
        request.outgoing_amount_msat = 0;
        request.flags = chance % 3 == 0;
        uint32_t flags = chance % 64 == 0 ? LNKEEP_RESOURCES_DURABLE : 0;
        lnkeep_decision made;
        if (!CHECK_DONE(add_patiently(&request, 1, flags, &made))) break;
        if (made.verdict == LNKEEP_VERDICT_FAIL) continue;
        atomic_fetch_add(&forwarded, 1);
        held[held_len++] = request;
        if (held_len < HELD && id + 1 < ids) continue;
        while (held_len > 0) {
            lnkeep_resolve_request over = ended(held[--held_len], chance % 2, 0);
            CHECK_DONE(resolve_patiently(&over, flags));
        }
    }
    while (held_len > 0) {
        lnkeep_resolve_request over = ended(held[--held_len], 0, 0);
        CHECK_DONE(resolve_patiently(&over, 0));
    }
    return NULL;
}

/* No bucket is ever fuller than it is, whenever one looks. */
static void *look_at_everything(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        lnkeep_resources_snapshot *snapshot = NULL;
        if (!CHECK_DONE(lnkeep_resources_take_snapshot(resources, START_SECS, &snapshot, NULL))) break;
        CHECK_EQUAL(snapshot->channels_len, CHANNELS);
        for (size_t i = 0; i < snapshot->channels_len; i++) {
            const lnkeep_resources_channel *channel = channel_at(snapshot, i);
            const lnkeep_allocation *share = &channel->allocation;
            CHECK(channel->general_slots_used <= share->general_slots);
            CHECK(channel->congestion_slots_used <= share->congestion_slots);
            CHECK(channel->protected_slots_used <= share->protected_slots);
            CHECK(channel->congestion_used_msat <= share->congestion_liquidity_msat);
            CHECK(channel->protected_used_msat <= share->protected_liquidity_msat);
            CHECK(channel->outgoing_in_congestion <= 1);
            CHECK(channel->pending_outgoing <= THREADS * 8);
        }
        lnkeep_resources_snapshot_free(snapshot);
        atomic_fetch_add(&sum, 1);
    }
    return NULL;
}

static void threads_share_channels(void) {
    for (int is_small = 0; is_small < 2; is_small++) {
        lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
        /* A journal with little room makes callers wait for the disk. */
        options.journal_entries_max = is_small ? 16 : 0;
        begin_with(&options);
        add_channels(CHANNELS);
        for (uint64_t channel = 1; channel <= CHANNELS / 2; channel++) earn(channel, UINT64_C(1) << 50);
        ids = h_rounds(is_small ? 1500 : 8000, 150);
        atomic_store(&stop, 0), atomic_store(&sum, 0), atomic_store(&forwarded, 0);
        pthread_t looker;
        CHECK_EQUAL(pthread_create(&looker, NULL, look_at_everything, NULL), 0);
        on_threads(THREADS, forward_and_resolve);
        atomic_store(&stop, 1);
        pthread_join(looker, NULL);
        lnkeep_resources_stats stats = stats_now();
        CHECK_EQUAL(stats.forwarded, atomic_load(&forwarded));
        CHECK_EQUAL(stats.resolved, stats.forwarded);
        CHECK_EQUAL(stats.forwarded + stats.failed, THREADS * ids);
        CHECK(stats.forwarded > THREADS * ids / 4 && atomic_load(&sum) > 0);
        CHECK_EQUAL(stats.clock_clamped | stats.repeated, 0);
        lnkeep_resources_snapshot *snapshot = take_snapshot();
        if (snapshot) CHECK_EQUAL(snapshot->pending_len | snapshot->pairs_len, 0);
        for (size_t i = 0; snapshot && i < snapshot->channels_len; i++) {
            const lnkeep_resources_channel *channel = channel_at(snapshot, i);
            CHECK_EQUAL(channel->general_slots_used | channel->congestion_slots_used, 0);
            CHECK_EQUAL(channel->protected_slots_used | channel->outgoing_in_congestion, 0);
            CHECK_EQUAL(channel->protected_used_msat | channel->congestion_used_msat, 0);
            CHECK_EQUAL(channel->in_flight_risk_msat, 0);
        }
        reopen_with(&options);
        CHECK(is_unchanged_since(snapshot));
        end();
    }
}

/* Every thread asks the same: one of them decides, the others are told what was decided. */
static void *ask_the_same(void *number) {
    for (uint64_t id = 0; id < ids; id++) {
        lnkeep_htlc_request request = htlc(1, 2, id, 1000);
        lnkeep_resolve_request over = ended(request, LNKEEP_RESOLVE_SETTLED, 1);
        lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT);
        lnkeep_decision made;
        uint32_t flags = (id + (uintptr_t)number) % 16 == 0 ? LNKEEP_RESOURCES_DURABLE : 0;
        lnkeep_status status = lnkeep_resources_add_channel(resources, 10 + id, &limits, START_SECS, NULL,
                                                            NULL);
        if (status == LNKEEP_DONE) atomic_fetch_add(&others, 1);
        else CHECK_STATUS(status, LNKEEP_ALREADY);
        status = add_patiently(&request, 1, flags, &made);
        /* Whoever comes after its end begins it anew. */
        if (status == LNKEEP_DONE) atomic_fetch_add(&forwarded, 1);
        else CHECK_STATUS(status, LNKEEP_ALREADY);
        CHECK_EQUAL(made.verdict, LNKEEP_VERDICT_FORWARD);
        status = resolve_patiently(&over, flags);
        if (status == LNKEEP_DONE) atomic_fetch_add(&sum, 1);
        else CHECK(status == LNKEEP_ALREADY || status == LNKEEP_UNKNOWN_HTLC);
    }
    return NULL;
}

static void repeats_that_race_are_one(void) {
    begin(0);
    CHECK_DONE(add_channel_at(1, 483, IN_FLIGHT_MSAT, START_SECS));
    CHECK_DONE(add_channel_at(2, 483, IN_FLIGHT_MSAT, START_SECS));
    ids = h_rounds(300, 40);
    atomic_store(&sum, 0), atomic_store(&forwarded, 0), atomic_store(&others, 0);
    on_threads(THREADS, ask_the_same);
    CHECK_EQUAL(atomic_load(&others), ids);
    CHECK(atomic_load(&forwarded) >= ids);
    CHECK_EQUAL(atomic_load(&sum), atomic_load(&forwarded));
    lnkeep_resources_stats stats = stats_now();
    CHECK_EQUAL(stats.forwarded, atomic_load(&forwarded));
    CHECK_EQUAL(stats.resolved, stats.forwarded);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 1000 * stats.resolved);
    CHECK_EQUAL(lookup(1).pending_incoming, 0);
    reopen_with(NULL);
    CHECK_EQUAL(report.channels, 2 + ids);
    CHECK_EQUAL(report.pending, 0);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 1000 * stats.resolved);
    end();
}

/* One HTLC after the other needs the only slots of a pair: they are given to one thread at a time. */
static void *fight_for_the_slots(void *number) {
    for (uint64_t id = 0; id < ids; id++) {
        lnkeep_htlc_request request = htlc(1, 2, (uintptr_t)number << 32 | id, PAIR_MSAT);
        lnkeep_decision made;
        if (!CHECK_DONE(add_patiently(&request, 1, 0, &made))) break;
        if (made.verdict != LNKEEP_VERDICT_FORWARD) continue;
        CHECK_EQUAL(made.bucket, LNKEEP_BUCKET_GENERAL);
        CHECK_EQUAL(atomic_fetch_add(&others, 1), 0);
        atomic_fetch_sub(&others, 1);
        atomic_fetch_add(&forwarded, 1);
        lnkeep_resolve_request over = ended(request, 0, 0);
        CHECK_DONE(resolve_patiently(&over, 0));
    }
    return NULL;
}

static void slots_are_given_to_one_at_a_time(void) {
    begin(2);
    ids = h_rounds(5000, 200);
    atomic_store(&forwarded, 0), atomic_store(&others, 0);
    on_threads(THREADS, fight_for_the_slots);
    CHECK(atomic_load(&forwarded) > 0);
    CHECK_EQUAL(lookup(1).general_slots_used | lookup(1).pending_incoming, 0);
    end();
}

static int is_of_a_closing_handle(lnkeep_status status) {
    return status >= 0 || status == LNKEEP_BAD_HANDLE || status == LNKEEP_CLOSED || status == LNKEEP_BUSY ||
           status == LNKEEP_UNKNOWN_HTLC;
}

/* The last HTLC of each thread that was forwarded and acknowledged. */
static atomic_ullong acknowledged[THREADS];

static void *call_until_closed(void *number) {
    uintptr_t thread = (uintptr_t)number;
    lnkeep_status status = LNKEEP_DONE;
    for (uint64_t id = 1; status != LNKEEP_BAD_HANDLE && id < 1000000; id++) {
        /* The store may have gone before the handle does. */
        if (status == LNKEEP_CLOSED) h_sleep_ms(1);
        lnkeep_htlc_request request = htlc(1 + thread, 2 + thread, id, 1000);
        lnkeep_resolve_request over = ended(request, 0, 1);
        lnkeep_resources_snapshot *snapshot = NULL;
        lnkeep_resources_channel found;
        lnkeep_decision made;
        lnkeep_resolution answer;
        uint32_t durable = thread % 2 ? LNKEEP_RESOURCES_DURABLE : 0;
        switch (id % 4) {
        case 0: status = lnkeep_resources_take_snapshot(resources, 1, &snapshot, NULL); break;
        case 1: status = lnkeep_resources_lookup(resources, 1, 1, &found, NULL); break;
        case 2:
            status = lnkeep_resources_add(resources, &request, 1, durable, &made, NULL, NULL);
            if (status == LNKEEP_DONE && made.verdict == LNKEEP_VERDICT_FORWARD) {
                atomic_store(&acknowledged[thread], id);
            }
            break;
        default:
            over.htlc_id--;
            /* Every eighth stays. */
            if (id % 32 == 3) break;
            status = lnkeep_resources_resolve(resources, &over, 1, durable, &answer, NULL);
            break;
        }
        lnkeep_resources_snapshot_free(snapshot);
        if (!CHECK(is_of_a_closing_handle(status))) fprintf(stderr, "%s\n", lnkeep_status_name(status));
    }
    CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
    return NULL;
}

static void start_calls(pthread_t *threads) {
    for (uintptr_t i = 0; i < 4; i++) {
        atomic_store(&acknowledged[i], 0);
        CHECK_EQUAL(pthread_create(&threads[i], NULL, call_until_closed, (void *)i), 0);
    }
}

/* What was acknowledged before a close that answered DONE is there, or its end is. */
static void check_acknowledged(void) {
    for (uintptr_t thread = 0; thread < 4; thread++) {
        lnkeep_htlc_request request = htlc(1 + thread, 2 + thread, atomic_load(&acknowledged[thread]), 1000);
        if (request.htlc_id == 0) continue;
        lnkeep_pending_htlc found;
        lnkeep_status status = fail(request, 1);
        CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY);
        CHECK(!find_pending(request.incoming, request.htlc_id, &found));
    }
    CHECK_DONE(lnkeep_resources_reconcile(resources, NULL, 0, NULL, NULL));
}

/* With another handle on the resources, and as the last one; the store goes on either way. */
static void a_close_meets_calls_of_other_threads(void) {
    begin(5);
    for (unsigned round = 0; round < h_rounds(30, 4); round++) {
        lnkeep_resources other = LNKEEP_RESOURCES_NONE;
        pthread_t threads[4];
        if (round % 2) CHECK_DONE(lnkeep_resources_open(store, NULL, &other, NULL, NULL));
        start_calls(threads);
        h_sleep_ms(round % 5);
        lnkeep_resources closing = resources;
        CHECK_DONE(lnkeep_resources_close(&closing, NULL));
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        CHECK_EQUAL(lnkeep_resources_is_open(resources), 0);
        if (round % 2) CHECK_EQUAL(lnkeep_resources_is_open(other), 1);
        if (round % 2) CHECK_DONE(lnkeep_resources_close(&other, NULL));
        CHECK_DONE(open_resources(NULL));
        CHECK_EQUAL(report.damaged, 0);
        check_acknowledged();
        CHECK_EQUAL(lookup(5).pending_outgoing | lookup(1).pending_incoming, 0);
    }
    end();
}

/* The store's end, too, writes what was acknowledged, and its components answer CLOSED after it. */
static void a_store_closes_under_calls(void) {
    begin(5);
    for (unsigned round = 0; round < h_rounds(12, 3); round++) {
        pthread_t threads[4];
        start_calls(threads);
        h_sleep_ms(round % 5 + 1);
        h_close(&store);
        lnkeep_resources_channel found;
        CHECK_STATUS(lnkeep_resources_lookup(resources, 1, 1, &found, NULL), LNKEEP_CLOSED);
        lnkeep_htlc_request request = htlc(1, 2, UINT64_MAX, 1000);
        lnkeep_decision made;
        CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, &made, NULL, NULL), LNKEEP_CLOSED);
        CHECK_STATUS(lnkeep_resources_reconcile(resources, NULL, 0, NULL, NULL), LNKEEP_CLOSED);
        CHECK_STATUS(lnkeep_resources_import_history(resources, NULL, 0, NULL, NULL), LNKEEP_CLOSED);
        CHECK_EQUAL(lnkeep_resources_is_open(resources), 1);
        lnkeep_resources closing = resources;
        CHECK_DONE(lnkeep_resources_close(&closing, NULL));
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        store = h_open(directory);
        CHECK_DONE(open_resources(NULL));
        CHECK_EQUAL(report.damaged | report.flags, 0);
        check_acknowledged();
    }
    end();
}

static void *open_and_close(void *number) {
    for (uint64_t id = 1; id <= ids; id++) {
        lnkeep_resources mine;
        lnkeep_decision made;
        lnkeep_htlc_request request = htlc(1, 2, (uintptr_t)number << 32 | id, 1);
        if (!CHECK_DONE(lnkeep_resources_open(store, NULL, &mine, NULL, NULL))) break;
        CHECK_DONE(lnkeep_resources_add(mine, &request, 1, 0, &made, NULL, NULL));
        if (made.verdict == LNKEEP_VERDICT_FORWARD) atomic_fetch_add(&forwarded, 1);
        CHECK_DONE(lnkeep_resources_close(&mine, NULL));
    }
    return NULL;
}

/* The last of them to go writes, the next to come loads; no HTLC is lost in between. */
static void handles_come_and_go_on_many_threads(void) {
    begin(2);
    CHECK_DONE(close_resources());
    ids = h_rounds(40, 5);
    atomic_store(&forwarded, 0);
    on_threads(THREADS, open_and_close);
    CHECK_DONE(open_resources(NULL));
    /* Five slots of the pair, and one of congestion. */
    CHECK_EQUAL(atomic_load(&forwarded), 6);
    CHECK_EQUAL(lookup(1).pending_incoming, 6);
    CHECK_EQUAL(lookup(1).congestion_slots_used, 1);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(threads_share_channels),
        H_TEST(repeats_that_race_are_one),
        H_TEST(slots_are_given_to_one_at_a_time),
        H_TEST(a_close_meets_calls_of_other_threads),
        H_TEST(a_store_closes_under_calls),
        H_TEST(handles_come_and_go_on_many_threads),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

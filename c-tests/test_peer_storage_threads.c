/* Peer storage and backups used by many threads at once: no blob is mixed up, none acknowledged is lost. */

#define _GNU_SOURCE
#include "backup.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 6, OWN_PEERS = 4 };

static unsigned rounds;
static atomic_int stop;
static atomic_ullong calls, clock_ms;

/* Runs a function on each of several threads, with its number. */
static void on_threads(void *(*run)(void *)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static uint32_t own_peer(uintptr_t thread, unsigned i) { return (uint32_t)(1 + thread * OWN_PEERS + i); }

/* Since nobody else stores for these peers, what is returned is what was stored last. */
static void *store_and_fetch(void *number) {
    uintptr_t thread = (uintptr_t)number;
    for (unsigned round = 0; round < rounds; round++) {
        node_id peer = node(own_peer(thread, round % OWN_PEERS));
        uint64_t now_ms = atomic_fetch_add(&clock_ms, 30);
        size_t len = 1 + (round * 37 + thread * 11) % 3000;
        lnkeep_bytes blob = blob_of(thread << 32 | round, len);
        lnkeep_stored became_what = LNKEEP_STORED_INIT;
        lnkeep_buf *back = NULL;
        CHECK_DONE(lnkeep_peer_storage_store(provider, now_ms, peer.bytes, blob, &became_what, NULL));
        CHECK_EQUAL((uint32_t)became_what.failure, 0);
        if (round % 7 == 3) {
            lnkeep_status status = lnkeep_peer_storage_disconnected(provider, now_ms, peer.bytes, NULL);
            CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY);
        }
        CHECK_DONE(lnkeep_peer_storage_connected(provider, now_ms, peer.bytes, &back, NULL));
        blob = blob_of(thread << 32 | round, len);
        if (CHECK(back != NULL)) CHECK(back->len == len && memcmp(back->ptr, blob.ptr, len) == 0);
        lnkeep_buf_free(back);
        atomic_fetch_add(&calls, 1);
    }
    return NULL;
}

/* Ticks, blocks, lists, syncs: none of them disturbs the others. */
static void *tick_and_look(void *unused) {
    (void)unused;
    for (unsigned round = 0; !atomic_load(&stop); round++) {
        lnkeep_peer_page *page = NULL;
        lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
        uint64_t now_ms = atomic_load(&clock_ms), bytes = 0;
        uint32_t flags = round % 5 == 0 ? LNKEEP_TICK_ALL : 0;
        CHECK_DONE(lnkeep_peer_storage_tick(provider, now_ms, flags, NULL, NULL, NULL));
        CHECK_DONE(lnkeep_peer_storage_block_connected(provider, HEIGHT + round, NULL, NULL));
        if (round % 3 == 0) CHECK_DONE(lnkeep_store_sync(store, NULL));
        CHECK_DONE(lnkeep_peer_storage_list(provider, NULL, 0, &page, NULL));
        for (size_t i = 0; page && i < page->peers_len; i++) bytes += entry_at(page, i)->blob_bytes;
        CHECK(bytes <= THREADS * OWN_PEERS * 3000);
        lnkeep_peer_page_free(page);
        CHECK_DONE(lnkeep_peer_storage_read_stats(provider, &stats, NULL));
        CHECK(stats.peers <= THREADS * OWN_PEERS && stats.pending <= stats.peers);
        h_sleep_ms(1);
    }
    return NULL;
}

static void threads_keep_their_blobs_apart(void) {
    pthread_t looker;
    rounds = h_rounds(300, 25);
    atomic_store(&stop, 0), atomic_store(&calls, 0), atomic_store(&clock_ms, T0);
    begin(THREADS * OWN_PEERS);
    CHECK_EQUAL(pthread_create(&looker, NULL, tick_and_look, NULL), 0);
    on_threads(store_and_fetch);
    atomic_store(&stop, 1);
    pthread_join(looker, NULL);
    CHECK_EQUAL(atomic_load(&calls), THREADS * rounds);
    lnkeep_peer_storage_stats stats = stats_now();
    CHECK_EQUAL(stats.peers, THREADS * OWN_PEERS);
    CHECK(stats.commits + stats.deferred >= stats.peers && stats.collected == 0);
    reopen_with(NULL);
    /* The last blob of each peer, whether it waited or not. */
    for (uintptr_t thread = 0; thread < THREADS; thread++) {
        for (unsigned i = 0; i < OWN_PEERS; i++) {
            unsigned last = (rounds - 1) - (rounds - 1 - i) % OWN_PEERS;
            lnkeep_bytes wanted = blob_of(thread << 32 | last, 1 + (last * 37 + thread * 11) % 3000);
            CHECK(serves_bytes(T0, own_peer(thread, last % OWN_PEERS), &wanted, __FILE__, __LINE__));
        }
    }
    end();
}

/* All threads store for one peer: one write a cooldown, whoever it is. */
static void *fight_for_a_peer(void *number) {
    node_id peer = node(1);
    for (unsigned round = 0; round < rounds; round++) {
        lnkeep_stored became_what = LNKEEP_STORED_INIT;
        char text[32];
        int len = snprintf(text, sizeof text, "%u of %u", round, (unsigned)(uintptr_t)number);
        lnkeep_bytes blob = h_bytes(text, (size_t)len);
        CHECK_DONE(lnkeep_peer_storage_store(provider, T0, peer.bytes, blob, &became_what, NULL));
        if (became_what.result == LNKEEP_STORED_COMMITTED) atomic_fetch_add(&calls, 1);
        else CHECK_EQUAL(became_what.due_ms, T0 + COOLDOWN_MS);
    }
    return NULL;
}

static void one_peer_costs_one_write(void) {
    rounds = h_rounds(500, 50);
    atomic_store(&calls, 0);
    begin(1);
    on_threads(fight_for_a_peer);
    CHECK_EQUAL(atomic_load(&calls), 1);
    lnkeep_peer_storage_stats stats = stats_now();
    CHECK_EQUAL(stats.commits, 1);
    CHECK_EQUAL(stats.deferred, THREADS * rounds - 1);
    CHECK_PEERS(tick(T0 + COOLDOWN_MS), 1);
    CHECK_EQUAL(entry_of(1).updates, THREADS * rounds);
    end();
}

/* The last blob of each thread that was acknowledged as durable. */
static atomic_ullong durable[THREADS];

static void *store_until_closed(void *number) {
    uintptr_t thread = (uintptr_t)number;
    node_id peer = node((uint32_t)thread + 1);
    lnkeep_status status = LNKEEP_DONE;
    for (uint64_t round = 1; status != LNKEEP_BAD_HANDLE && round < 1000000; round++) {
        lnkeep_stored became_what = LNKEEP_STORED_INIT;
        /* The store may have gone before the handle does. */
        if (status == LNKEEP_CLOSED) h_sleep_ms(1);
        status = lnkeep_peer_storage_store(provider, T0 + round, peer.bytes, h_bytes(&round, sizeof round),
                                           &became_what, NULL);
        int is_known = status == LNKEEP_DONE || status == LNKEEP_BAD_HANDLE || status == LNKEEP_CLOSED;
        if (!CHECK(is_known)) fprintf(stderr, "%s\n", lnkeep_status_name(status));
        /* An end that answered DONE writes what was deferred, too. */
        if (status == LNKEEP_DONE) atomic_store(&durable[thread], round);
    }
    CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
    return NULL;
}

static void an_end_keeps_what_was_acknowledged(void) {
    begin(THREADS);
    for (unsigned round = 0; round < h_rounds(16, 4); round++) {
        pthread_t threads[THREADS];
        for (uintptr_t i = 0; i < THREADS; i++) {
            atomic_store(&durable[i], 0);
            CHECK_EQUAL(pthread_create(&threads[i], NULL, store_until_closed, (void *)i), 0);
        }
        h_sleep_ms(round % 5 + 1);
        lnkeep_peer_storage closing = provider;
        if (round % 2) h_close(&store);
        CHECK_DONE(lnkeep_peer_storage_close(&closing, NULL));
        for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
        if (round % 2) store = h_open(directory);
        CHECK_DONE(open_provider(NULL));
        CHECK_EQUAL(report.damaged, 0);
        for (uint32_t number = 1; number <= THREADS; number++) {
            uint64_t last = atomic_load(&durable[number - 1]);
            lnkeep_bytes wanted = h_bytes(&last, sizeof last);
            if (last) CHECK(serves_bytes(T0, number, &wanted, __FILE__, __LINE__));
        }
        claim_channels(THREADS);
        /* So that the next round begins with other blobs than these. */
        for (uint32_t number = 1; number <= THREADS; number++) {
            node_id peer = node(number);
            CHECK_DONE(lnkeep_peer_storage_prune(provider, peer.bytes, NULL, NULL));
        }
    }
    end();
}

/* Numbers of one database over all peers: none twice, each thread's own ones rising. */
static uint64_t numbers[THREADS][512];

static void *seal_for_own_peer(void *number) {
    uintptr_t thread = (uintptr_t)number;
    node_id peer = node((uint32_t)thread + 1);
    for (unsigned round = 0; round < rounds; round++) {
        lnkeep_buf *blob = NULL;
        CHECK_DONE(lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, &numbers[thread][round], NULL));
        if (round) CHECK(numbers[thread][round] > numbers[thread][round - 1]);
        if (!CHECK(blob != NULL)) break;
        if (round % 4 == 0) {
            lnkeep_concluded found = LNKEEP_CONCLUDED_INIT;
            lnkeep_bytes back = h_bytes(blob->ptr, blob->len);
            CHECK_DONE(lnkeep_backup_retrieval(backup, T0, peer.bytes, back, &found, NULL, NULL));
            CHECK_EQUAL(found.state, LNKEEP_BACKUP_STATE_COMMITTED);
        }
        if (round % 16 == 5) {
            lnkeep_backup_actions *actions = NULL;
            CHECK_DONE(lnkeep_backup_tick(backup, T0, &actions, NULL));
            lnkeep_backup_actions_free(actions);
        }
        lnkeep_buf_free(blob);
    }
    return NULL;
}

static int compare(const void *one, const void *other) {
    uint64_t a, b;
    memcpy(&a, one, sizeof a);
    memcpy(&b, other, sizeof b);
    return a < b ? -1 : a > b;
}

static void numbers_are_shared_by_all_threads(void) {
    static uint64_t all[THREADS * 512];
    size_t len = 0;
    rounds = h_rounds(120, 20);
    begin_backup();
    CHECK_DONE(set_text("x"));
    for (uint32_t number = 1; number <= THREADS; number++) greet(T0, number);
    on_threads(seal_for_own_peer);
    for (int thread = 0; thread < THREADS; thread++) {
        for (unsigned round = 0; round < rounds; round++) all[len++] = numbers[thread][round];
    }
    qsort(all, len, sizeof all[0], compare);
    for (size_t i = 1; i < len; i++) CHECK(all[i] > all[i - 1]);
    CHECK(standing_now().next_seq > all[len - 1]);
    CHECK_EQUAL(standing_now().flags, 0);
    end_backup();
}

/* A peer that shows a lost state stops everybody at once. */
static void *seal_until_stopped(void *number) {
    node_id peer = node((uint32_t)(uintptr_t)number + 1);
    lnkeep_status status = LNKEEP_DONE;
    for (unsigned round = 0; status == LNKEEP_DONE && round < 100000; round++) {
        lnkeep_buf *blob = NULL;
        /* Begun after the alarm was answered: nothing may be given out. */
        int is_late = atomic_load(&stop);
        status = lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, NULL, NULL);
        CHECK_EQUAL(blob != NULL, status == LNKEEP_DONE);
        if (is_late) CHECK(blob == NULL);
        lnkeep_buf_free(blob);
    }
    CHECK_STATUS(status, LNKEEP_STATE_LOSS);
    return NULL;
}

static void a_lost_state_stops_every_thread(void) {
    static const uint8_t entropy[16] = {0};
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    pthread_t threads[THREADS];
    node_id shower = node(1000);
    lnkeep_buf *foreign = NULL;
    header.seq = UINT64_C(1) << 40;
    atomic_store(&stop, 0);
    CHECK_DONE(lnkeep_envelope_seal(SECRET, shower.bytes, &header, h_text("newer"), 1024, entropy, &foreign,
                                    NULL));
    begin_backup();
    CHECK_DONE(set_text("x"));
    for (uint32_t number = 1; number <= THREADS; number++) greet(T0, number);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, seal_until_stopped, (void *)i), 0);
    }
    h_sleep_ms(20);
    CHECK_DONE(arrive(T0, 1000));
    CHECK_CONCLUDED(returned(T0, 1000, h_bytes(foreign->ptr, foreign->len), NULL), AHEAD, ALERT_STATE_LOSS);
    atomic_store(&stop, 1);
    for (uint32_t number = 1; number <= THREADS; number++) {
        CHECK_STATUS(refused_seal(T0, number), LNKEEP_STATE_LOSS);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    CHECK_EQUAL(standing_now().flags, LNKEEP_BACKUP_BLOCKED);
    lnkeep_buf_free(foreign);
    end_backup();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(threads_keep_their_blobs_apart),
        H_TEST(one_peer_costs_one_write),
        H_TEST(an_end_keeps_what_was_acknowledged),
        H_TEST(numbers_are_shared_by_all_threads),
        H_TEST(a_lost_state_stops_every_thread),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

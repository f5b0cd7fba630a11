/* Why a peer's blob is kept and until when: claims in every order, the collection, the operator's list. */

#include "peer_storage.h"

#include <pthread.h>

static const lnkeep_peer_storage_options DEFAULTS = LNKEEP_PEER_STORAGE_OPTIONS_INIT;

static lnkeep_peer_claims claims_of(uint32_t number, uint32_t open, uint32_t pending, uint32_t flags) {
    lnkeep_peer_claims made;
    node_id peer = node(number);
    memset(&made, 0, sizeof made);
    memcpy(made.node_id, peer.bytes, sizeof made.node_id);
    made.open_channels = open, made.pending_channels = pending, made.flags = flags;
    return made;
}

/* Whether a peer may store now; it has a blob then. */
static int may_store(uint64_t now_ms, uint32_t number, const char *text) {
    lnkeep_status status = keep_text(now_ms, number, text);
    CHECK(status == LNKEEP_DONE || status == LNKEEP_NO_CLAIM);
    return status == LNKEEP_DONE;
}

/* A model of one peer's claims, by the words of the header. */
typedef struct model {
    uint32_t open, pending, is_allowed;
    int has_mark;
    uint32_t mark;
} model;

static int model_has_claim(const model *peer) { return peer->open || peer->pending || peer->is_allowed; }

static void model_change(model *peer, uint32_t change, uint32_t height) {
    switch (change) {
    case LNKEEP_CLAIM_PENDING_CHANNEL: peer->pending++, peer->has_mark = 0; return;
    case LNKEEP_CLAIM_OPEN_CHANNEL:
        peer->pending -= peer->pending > 0, peer->open++, peer->has_mark = 0;
        return;
    case LNKEEP_CLAIM_ALLOWED: peer->is_allowed = 1, peer->has_mark = 0; return;
    case LNKEEP_CLAIM_CLOSED_CHANNEL: peer->open -= peer->open > 0; break;
    case LNKEEP_CLAIM_FAILED_CHANNEL: peer->pending -= peer->pending > 0; break;
    default: peer->is_allowed = 0; break;
    }
    if (model_has_claim(peer) || peer->has_mark) return;
    peer->has_mark = 1, peer->mark = height;
}

static void check_model(const model *peer, uint32_t number) {
    lnkeep_peer_entry entry = entry_of(number);
    CHECK_EQUAL(entry.open_channels, peer->open);
    CHECK_EQUAL(entry.pending_channels, peer->pending);
    CHECK_EQUAL((entry.flags & LNKEEP_PEER_ALLOWED) != 0, peer->is_allowed);
    CHECK_EQUAL((entry.flags & LNKEEP_PEER_HAS_CLOSED_AT) != 0, peer->has_mark);
    if (peer->has_mark) CHECK_EQUAL(entry.closed_at, peer->mark);
}

/* Three changes, of any kind each: every fifth of their orders, which has each pair of kinds. */
static void claims_in_any_order_are_counted(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    const uint32_t orders = h_rounds(6 * 6 * 6 / 5, 12);
    options.without_channel_percent = 100;
    begin_with(&options, 0);
    lnkeep_node_ids *none = NULL;
    for (uint32_t order = 0; order < orders; order++) {
        uint32_t number = order + 1, left = order * 5;
        model peer = {1, 0, 0, 0, 0};
        CHECK_DONE(claim(number, LNKEEP_CLAIM_OPEN_CHANNEL));
        CHECK(may_store(T0, number, "a"));
        for (uint32_t step = 0; step < 3; step++, left /= 6) {
            uint32_t change = left % 6 + 1, height = HEIGHT + 10 * step;
            CHECK_DONE(claim_at(number, change, height));
            model_change(&peer, change, height);
            check_model(&peer, number);
        }
        CHECK_EQUAL(may_store(T0 + 100000 * number, number, "b"), model_has_claim(&peer));
        check_model(&peer, number);
        /* Every claim ends: the mark is there in the end, and only once. */
        for (uint32_t change = 0; change < 8; change++) {
            static const uint32_t ends[] = {LNKEEP_CLAIM_CLOSED_CHANNEL, LNKEEP_CLAIM_FAILED_CHANNEL,
                                            LNKEEP_CLAIM_DISALLOWED};
            CHECK_DONE(claim_at(number, ends[change % 3], HEIGHT + 100 + change));
            model_change(&peer, ends[change % 3], HEIGHT + 100 + change);
        }
        CHECK_DONE(claim_at(number, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT + 200));
        model_change(&peer, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT + 200);
        CHECK(peer.has_mark);
        check_model(&peer, number);
    }
    CHECK_DONE(lnkeep_peer_storage_prune(provider, NULL, &none, NULL));
    if (CHECK(none != NULL)) CHECK_EQUAL(none->ids_len, orders);
    lnkeep_node_ids_free(none);
    CHECK_EQUAL(stats_now().peers | stats_now().bytes, 0);
    end();
}

static void unknown_changes_are_refused(void) {
    static const uint32_t wrong[] = {0, 7, 8, UINT32_MAX};
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    for (size_t i = 0; i < H_COUNT(wrong); i++) CHECK_STATUS(claim(1, wrong[i]), LNKEEP_INVALID_ARGUMENT);
    lnkeep_peer_claims given[2] = {claims_of(1, 0, 0, 0), claims_of(2, 1, 0, 0)};
    for (uint32_t bit = 1; bit < 32; bit++) {
        given[1].flags = UINT32_C(1) << bit;
        CHECK_STATUS(lnkeep_peer_storage_claims_complete(provider, given, 2, HEIGHT, &err),
                     LNKEEP_INVALID_ARGUMENT);
    }
    given[1].flags = 0;
    for (int i = 0; i < 3; i++) {
        given[1].reserved_bytes[i] = 1;
        CHECK_STATUS(lnkeep_peer_storage_claims_complete(provider, given, 2, HEIGHT, &err),
                     LNKEEP_INVALID_ARGUMENT);
        given[1].reserved_bytes[i] = 0;
    }
    given[1] = given[0];
    CHECK_STATUS(lnkeep_peer_storage_claims_complete(provider, given, 2, HEIGHT, &err), LNKEEP_DUPLICATE_ID);
    CHECK_STATUS(lnkeep_peer_storage_claims_complete(provider, given, SIZE_MAX, HEIGHT, &err),
                 LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_peer_storage_claims_complete(provider, NULL, 1, HEIGHT, &err),
                 LNKEEP_INVALID_ARGUMENT);
    /* The first of the two was not taken over either. */
    CHECK_EQUAL(entry_of(1).open_channels, 1);
    CHECK_EQUAL(entry_of(1).flags, 0);
    end();
}

/* After a restart nobody has a claim until the host said so: that must not look like an end. */
static void nothing_is_collected_before_all_claims_are_there(void) {
    begin(3);
    for (uint32_t number = 1; number <= 3; number++) CHECK_COMMITTED(keep_text(T0, number, "a"));
    reopen_with(NULL);
    lnkeep_node_ids *ids = NULL;
    CHECK_STATUS(lnkeep_peer_storage_block_connected(provider, UINT32_MAX, &ids, &err),
                 LNKEEP_CLAIMS_INCOMPLETE);
    CHECK_STATUS(lnkeep_peer_storage_prune(provider, NULL, &ids, &err), LNKEEP_CLAIMS_INCOMPLETE);
    CHECK(ids == NULL);
    for (uint32_t number = 1; number <= 3; number++) CHECK_SERVES(T0, number, "a");
    /* Singly, and all at once: the last word about a peer counts. */
    CHECK_DONE(claim(1, LNKEEP_CLAIM_OPEN_CHANNEL));
    CHECK_DONE(claim(2, LNKEEP_CLAIM_OPEN_CHANNEL));
    lnkeep_peer_claims given[2] = {claims_of(2, 0, 2, LNKEEP_PEER_ALLOWED), claims_of(7, 3, 0, 0)};
    CHECK_DONE(lnkeep_peer_storage_claims_complete(provider, given, 2, HEIGHT + 5, &err));
    lnkeep_peer_entry one = entry_of(1), two = entry_of(2), three = entry_of(3);
    CHECK(one.open_channels == 1 && one.flags == 0);
    CHECK(two.open_channels == 0 && two.pending_channels == 2 && two.flags == LNKEEP_PEER_ALLOWED);
    CHECK(three.flags == LNKEEP_PEER_HAS_CLOSED_AT && three.closed_at == HEIGHT + 5);
    CHECK_EQUAL(three.blocks_left, RETENTION_BLOCKS);
    CHECK_COMMITTED(keep_text(T0, 7, "new"));
    CHECK_NO_PEERS(block(HEIGHT + 5 + RETENTION_BLOCKS - 1));
    CHECK_EQUAL(entry_of(3).blocks_left, 1);
    CHECK_PEERS(block(HEIGHT + 5 + RETENTION_BLOCKS), 3);
    CHECK_SERVES(T0, 3, NULL);
    CHECK_SERVES(T0, 1, "a");
    end();
}

/* To the block; heights may jump, be told again, and go back. */
static void collection_is_to_the_block(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    lnkeep_events events;
    options.retention_blocks = 10;
    begin_with(&options, 4);
    CHECK_DONE(lnkeep_events_open(store, h_text("e"), 0, &events, NULL));
    for (uint32_t number = 1; number <= 4; number++) CHECK_COMMITTED(keep_text(T0, number, "a"));
    CHECK_DEFERRED(keep_text(T0 + 1, 2, "waits"), T0 + 1000);
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, 100));
    CHECK_DONE(claim_at(2, LNKEEP_CLAIM_CLOSED_CHANNEL, 100));
    CHECK_DONE(claim_at(3, LNKEEP_CLAIM_CLOSED_CHANNEL, 105));
    CHECK_NO_PEERS(block(109));
    CHECK_NO_PEERS(block(50));
    CHECK_EQUAL(entry_of(1).blocks_left, 60);
    /* Somebody comes back, and begins anew when he goes again. */
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_PENDING_CHANNEL, 109));
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_FAILED_CHANNEL, 112));
    CHECK_PEERS(block(110), 2);
    CHECK_NO_PEERS(tick(T0 + 5000));
    CHECK_SERVES(T0 + 5000, 2, NULL);
    CHECK_NO_PEERS(block(110));
    CHECK_PEERS(block(1000), 1, 3);
    CHECK_NO_PEERS(block(UINT32_MAX));
    CHECK_EQUAL(stats_now().collected, 3);
    CHECK_EQUAL(stats_now().peers, 1);
    uint32_t told[4];
    CHECK_EQUAL(take_events(events, LNKEEP_EVENT_PEER_BLOB_COLLECTED, told, 4), 3);
    CHECK(told[0] == 2 && told[1] == 1 && told[2] == 3);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    /* The output may be left out, and the peer may come again. */
    CHECK_DONE(lnkeep_peer_storage_block_connected(provider, 1001, NULL, NULL));
    CHECK_DONE(claim_at(2, LNKEEP_CLAIM_OPEN_CHANNEL, 1001));
    CHECK_COMMITTED(keep_text(T0 + 5000, 2, "again"));
    end();
}

/* A retention near the last height does not wrap around. */
static void the_last_heights_collect_nothing_early(void) {
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, UINT32_MAX - 1));
    CHECK_NO_PEERS(block(UINT32_MAX));
    CHECK_NO_PEERS(block(RETENTION_BLOCKS));
    CHECK_SERVES(T0, 1, "a");
    end();
}

static void grace_and_pending_channels_are_choices(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    options.flags = LNKEEP_PEER_STORAGE_ACCEPT_IN_GRACE | LNKEEP_PEER_STORAGE_REFUSE_PENDING_CHANNELS;
    begin_with(&options, 1);
    CHECK_DONE(claim(2, LNKEEP_CLAIM_PENDING_CHANNEL));
    CHECK_STATUS(keep_text(T0, 2, "a"), LNKEEP_NO_CLAIM);
    CHECK_DONE(claim(2, LNKEEP_CLAIM_OPEN_CHANNEL));
    CHECK_COMMITTED(keep_text(T0, 2, "a"));
    CHECK_EQUAL(entry_of(2).pending_channels, 0);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, 10));
    CHECK_COMMITTED(keep_text(T0 + SLOW_COOLDOWN_MS, 1, "b"));
    CHECK_EQUAL(entry_of(1).closed_at, 10);
    CHECK_PEERS(block(10 + RETENTION_BLOCKS), 1);
    /* Who has no blob any more is in no grace. */
    CHECK_STATUS(keep_text(T0 + 2 * SLOW_COOLDOWN_MS, 1, "c"), LNKEEP_NO_CLAIM);
    end();
}

static void an_operator_removes_blobs(void) {
    begin(3);
    lnkeep_node_ids *pruned = NULL;
    node_id one = node(1), nobody = node(99);
    for (uint32_t number = 1; number <= 3; number++) CHECK_COMMITTED(keep_text(T0, number, "a"));
    CHECK_DONE(lnkeep_peer_storage_prune(provider, one.bytes, &pruned, &err));
    CHECK_PEERS(pruned, 1);
    CHECK_DONE(lnkeep_peer_storage_prune(provider, one.bytes, &pruned, &err));
    CHECK_NO_PEERS(pruned);
    CHECK_DONE(lnkeep_peer_storage_prune(provider, nobody.bytes, NULL, &err));
    /* The claim stays, and no cooldown does. */
    CHECK_COMMITTED(keep_text(T0 + 1, 1, "again"));
    CHECK_DONE(lnkeep_peer_storage_prune(provider, NULL, &pruned, &err));
    CHECK_NO_PEERS(pruned);
    CHECK_DONE(claim(2, LNKEEP_CLAIM_CLOSED_CHANNEL));
    CHECK_DONE(claim(3, LNKEEP_CLAIM_CLOSED_CHANNEL));
    CHECK_DONE(lnkeep_peer_storage_prune(provider, NULL, &pruned, &err));
    CHECK_PEERS(pruned, 2, 3);
    CHECK_EQUAL(stats_now().collected, 0);
    CHECK_EQUAL(stats_now().peers, 1);
    reopen_with(NULL);
    CHECK_EQUAL(report.peers, 1);
    CHECK_EQUAL(report.bytes, 5);
    end();
}

enum { LISTED = 1030, THREADS = 8 };

/* Even numbers, each thread its share: together they need few commits. */
static void *keep_many(void *thread) {
    for (uint32_t number = 2 * (uint32_t)(uintptr_t)thread + 2; number <= 2 * LISTED; number += 2 * THREADS) {
        node_id peer = node(number);
        lnkeep_bytes blob = blob_of(number, 3);
        const uint32_t opened = LNKEEP_CLAIM_OPEN_CHANNEL;
        CHECK_DONE(lnkeep_peer_storage_report_claim(provider, peer.bytes, opened, 1, NULL));
        CHECK_DONE(lnkeep_peer_storage_store(provider, T0, peer.bytes, blob, NULL, NULL));
    }
    return NULL;
}

/* Every page begins after the one before, in the order of the ids, and none is left out. */
static void the_list_is_paged(void) {
    pthread_t threads[THREADS];
    begin(0);
    lnkeep_peer_page *page = list(NULL, 0);
    CHECK_EQUAL(page->peers_len, 0);
    lnkeep_peer_page_free(page);
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, keep_many, (void *)i), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    static const size_t limits[] = {0, 7, 1000, 1001, SIZE_MAX};
    for (size_t i = 0; i < H_COUNT(limits); i++) {
        node_id after = node(0);
        uint32_t seen = 0;
        for (;;) {
            page = list(seen ? after.bytes : NULL, limits[i]);
            size_t most = limits[i] == 0 || limits[i] > 1000 ? 1000 : limits[i];
            CHECK(page->peers_len <= most);
            if (page->peers_len < most) CHECK_EQUAL(seen + page->peers_len, LISTED);
            for (size_t at = 0; at < page->peers_len; at++) {
                CHECK_EQUAL(number_of(entry_at(page, at)->node_id), 2 * ++seen);
                memcpy(after.bytes, entry_at(page, at)->node_id, 33);
            }
            size_t len = page->peers_len;
            lnkeep_peer_page_free(page);
            if (len == 0) break;
        }
        CHECK_EQUAL(seen, LISTED);
    }
    /* After an id that is not there, too. */
    node_id odd = node(3);
    page = list(odd.bytes, 1);
    CHECK_EQUAL(number_of(entry_at(page, 0)->node_id), 4);
    lnkeep_peer_page_free(page);
    lnkeep_peer_page_free(NULL);
    lnkeep_node_ids_free(NULL);
    end();
}

static void an_entry_tells_everything(void) {
    begin(1);
    uint8_t hash[32];
    CHECK_COMMITTED(keep_text(T0, 1, "first"));
    CHECK_DEFERRED(keep_text(T0 + 5, 1, "second one"), T0 + 1000);
    h_sha256((const uint8_t *)"second one", 10, hash);
    lnkeep_peer_entry entry = entry_of(1);
    CHECK_EQUAL(entry.flags, LNKEEP_PEER_PENDING);
    CHECK(memcmp(entry.sha256, hash, sizeof hash) == 0);
    CHECK(entry.blob_bytes == 10 && entry.open_channels == 1 && entry.pending_channels == 0);
    CHECK(entry.received_ms == T0 + 5 && entry.committed_ms == T0);
    CHECK(entry.updates == 2 && entry.commits == 1);
    CHECK_PEERS(tick(T0 + 1500), 1);
    entry = entry_of(1);
    CHECK_EQUAL(entry.flags, 0);
    CHECK(entry.received_ms == T0 + 5 && entry.committed_ms == T0 + 1500 && entry.commits == 2);
    /* A peer that is claimed and has nothing is not listed. */
    CHECK_DONE(claim(2, LNKEEP_CLAIM_OPEN_CHANNEL));
    CHECK_EQUAL(entry_of(2).open_channels, 0);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(claims_in_any_order_are_counted),
        H_TEST(unknown_changes_are_refused),
        H_TEST(nothing_is_collected_before_all_claims_are_there),
        H_TEST(collection_is_to_the_block),
        H_TEST(the_last_heights_collect_nothing_early),
        H_TEST(grace_and_pending_channels_are_choices),
        H_TEST(an_operator_removes_blobs),
        H_TEST(the_list_is_paged),
        H_TEST(an_entry_tells_everything),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

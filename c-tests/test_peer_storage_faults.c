/*
 * Peer storage and backups on a disk that is full or fails: a blob that is due waits and is returned all the
 * same, nothing leaves without its number, and a reopen finds what was acknowledged. The program takes the
 * place of the two system calls by which the library reaches the disk.
 */

#define _GNU_SOURCE
#include "backup.h"
#include "failing_disk.h"

/* A blob a peer, ever shorter ones, until not even the shortest has room; answers the first peer refused. */
static uint32_t fill_disk(uint32_t number) {
    static const size_t lens[] = {60000, 10000, 1500, 1};
    atomic_store(&disk_is_full, 1);
    for (size_t i = 0; i < H_COUNT(lens); i++) {
        for (unsigned count = 0; count < 4000; count++, number++) {
            CHECK_DONE(claim(number, LNKEEP_CLAIM_OPEN_CHANNEL));
            CHECK_DONE(keep(T0, number, blob_of(number, lens[i])));
            if (stored.result == LNKEEP_STORED_DEFERRED) break;
        }
        CHECK_EQUAL((uint32_t)stored.failure, (uint32_t)LNKEEP_NO_SPACE);
        if (i + 1 < H_COUNT(lens)) {
            node_id peer = node(number);
            CHECK_DONE(lnkeep_peer_storage_prune(provider, peer.bytes, NULL, NULL));
        }
    }
    return number;
}

static void begin_full(void) {
    atomic_store(&flush_fails, 0);
    atomic_store(&disk_is_full, 0);
    begin(0);
    CHECK_DONE(claim(1, LNKEEP_CLAIM_OPEN_CHANNEL));
    CHECK_COMMITTED(keep_text(T0, 1, "old"));
}

static int kept_for_want_of_space(lnkeep_status status, uint64_t due_ms) {
    int held = CHECK_DONE(status) & CHECK_EQUAL(stored.result, LNKEEP_STORED_DEFERRED);
    held &= CHECK_EQUAL((uint32_t)stored.failure, (uint32_t)LNKEEP_NO_SPACE);
    return held & CHECK_EQUAL(stored.due_ms, due_ms);
}

/* Accepted, returned, and written once there is space; what was on disk is there all the time. */
static void what_has_no_space_waits(void) {
    begin_full();
    uint32_t last = fill_disk(100);
    lnkeep_bytes newest = blob_of(77, 30000);
    uint64_t now_ms = T0 + 10 * COOLDOWN_MS;
    kept_for_want_of_space(keep(now_ms, 1, newest), now_ms + COOLDOWN_MS);
    newest = blob_of(77, 30000);
    CHECK(serves_bytes(now_ms, 1, &newest, __FILE__, __LINE__));
    lnkeep_peer_storage_stats stats = stats_now();
    CHECK_EQUAL(stats.pending, 2);
    CHECK_EQUAL(stats.pending_bytes, 30001);
    /* Ticks try again once a cooldown, not more often; the smallest may find room. */
    CHECK_STATUS(gone(now_ms + COOLDOWN_MS, 1), LNKEEP_NO_SPACE);
    newest = blob_of(77, 30000);
    CHECK(serves_bytes(now_ms + COOLDOWN_MS, 1, &newest, __FILE__, __LINE__));
    lnkeep_node_ids_free(tick(now_ms + 2 * COOLDOWN_MS));
    CHECK(ticked.failed >= 1 && ticked.failure == LNKEEP_NO_SPACE);
    CHECK(ticked.flags == LNKEEP_TICKED_HAS_NEXT_DUE && ticked.next_due_ms > now_ms + 2 * COOLDOWN_MS);
    CHECK_EQUAL(entry_of(1).flags, LNKEEP_PEER_PENDING);
    atomic_store(&disk_is_full, 0);
    lnkeep_node_ids_free(tick(now_ms + 4 * COOLDOWN_MS));
    CHECK_EQUAL(ticked.failed, 0);
    CHECK_EQUAL(stats_now().pending | stats_now().pending_bytes, 0);
    reopen_with(NULL);
    newest = blob_of(77, 30000);
    CHECK(serves_bytes(T0, 1, &newest, __FILE__, __LINE__));
    CHECK(report.peers >= last - 100);
    end();
}

/* What finishes or removes something has room kept for it. */
static void ends_and_removals_go_on(void) {
    begin_full();
    uint32_t last = fill_disk(100);
    CHECK_DONE(claim_at(100, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT));
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT));
    CHECK_DONE(complete_at(HEIGHT));
    CHECK_PEERS(block(HEIGHT + RETENTION_BLOCKS), 1, 100);
    node_id peer = node(101);
    lnkeep_node_ids *pruned = NULL;
    CHECK_DONE(lnkeep_peer_storage_prune(provider, peer.bytes, &pruned, &err));
    CHECK_PEERS(pruned, 101);
    CHECK_DONE(claim(1, LNKEEP_CLAIM_OPEN_CHANNEL));
    /* What they gave back is no room: only a file that can grow has some for new blobs. */
    kept_for_want_of_space(keep(T0, 1, blob_of(1, 60000)), T0 + COOLDOWN_MS);
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(keep_text(T0 + COOLDOWN_MS, 1, "new"));
    CHECK_EQUAL(stored.result, LNKEEP_STORED_COMMITTED);
    CHECK_SERVES(T0 + COOLDOWN_MS, 1, "new");
    CHECK(last > 101);
    end();
}

/* As after a crash: what waited is lost, the close says so, and what was on disk is what is left. */
static void a_close_without_space_says_so(void) {
    begin_full();
    fill_disk(100);
    kept_for_want_of_space(keep(T0 + 10 * COOLDOWN_MS, 1, blob_of(5, 30000)), T0 + 11 * COOLDOWN_MS);
    lnkeep_status synced = lnkeep_store_sync(store, NULL);
    CHECK(synced == LNKEEP_NO_SPACE || synced == LNKEEP_NOT_DURABLE);
    lnkeep_peer_storage closing = provider;
    CHECK_STATUS(close_provider(), LNKEEP_NO_SPACE);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(closing), 0);
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(open_provider(NULL));
    CHECK_EQUAL(report.damaged, 0);
    CHECK_SERVES(T0, 1, "old");
    end();
}

/* Nothing is sealed without its number on disk, and no number is lost for it. */
static void a_seal_needs_space(void) {
    atomic_store(&disk_is_full, 0);
    begin(0);
    /* Both in one store: the provider's blobs take the room. */
    own_store = store, own_directory = directory;
    CHECK_DONE(open_backup());
    CHECK_DONE(set_text("x"));
    fill_disk(100);
    lnkeep_status status = LNKEEP_DONE;
    uint32_t number = 1;
    for (; status == LNKEEP_DONE && number < 3000; number++) {
        lnkeep_buf *blob = NULL;
        node_id peer = node(number);
        greet(T0, number);
        status = lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, NULL, &err);
        check_err(status);
        CHECK_EQUAL(blob != NULL, status == LNKEEP_DONE);
        lnkeep_buf_free(blob);
    }
    CHECK_STATUS(status, LNKEEP_NO_SPACE);
    uint32_t refused = number - 1;
    CHECK_EQUAL(known_of(refused).state, LNKEEP_BACKUP_STATE_CLEAR);
    CHECK_EQUAL(known_of(refused).sent_seq, 0);
    /* That a peer holds what we cannot read is remembered all the same, on disk or until there is space. */
    greet(T0, 4000);
    CHECK_DONE(returned(T0, 4000, h_text("not ours"), NULL));
    CHECK_EQUAL(concluded.state, LNKEEP_BACKUP_STATE_UNREADABLE);
    CHECK(concluded.failure == 0 || concluded.failure == LNKEEP_NO_SPACE);
    CHECK_EQUAL(known_of(4000).flags & LNKEEP_BACKUP_PEER_PROTECTED, LNKEEP_BACKUP_PEER_PROTECTED);
    atomic_store(&disk_is_full, 0);
    uint64_t seq = 0;
    lnkeep_buf_free(sealed(T0, refused, &seq));
    CHECK(seq >= refused);
    lnkeep_backup_actions_free(tick_backup(T0 + RESEND_MS));
    CHECK_DONE(close_backup());
    CHECK_DONE(open_backup());
    CHECK_EQUAL(known_of(4000).flags, LNKEEP_BACKUP_PEER_PROTECTED);
    CHECK_EQUAL(known_of(refused).sent_seq, seq);
    CHECK_DONE(close_backup());
    end();
}

static lnkeep_status call_poisoned(int which) {
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
    lnkeep_peer_storage second;
    switch (which) {
    case 0: return lnkeep_peer_storage_store(provider, T0, peer.bytes, h_text("x"), NULL, NULL);
    case 1: return lnkeep_peer_storage_connected(provider, T0, peer.bytes, &blob, NULL);
    case 2: return lnkeep_peer_storage_tick(provider, T0, LNKEEP_TICK_ALL, NULL, NULL, NULL);
    case 3: return lnkeep_peer_storage_read_stats(provider, &stats, NULL);
    case 4: return lnkeep_peer_storage_open(store, NULL, &second, NULL, NULL);
    case 5: return lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, NULL, NULL);
    case 6: return lnkeep_backup_connected(backup, T0, peer.bytes, 1, NULL);
    default: return lnkeep_backup_read_standing(backup, &standing, NULL);
    }
}

/* Nobody knows whether the last write is there: everything ends, and a reopen finds one of the two. */
static void a_failed_flush_ends_the_session(void) {
    for (unsigned round = 0; round < h_rounds(4, 2); round++) {
        int seals = round % 2;
        atomic_store(&flush_fails, 0);
        begin(2);
        own_store = store, own_directory = directory;
        CHECK_DONE(open_backup());
        CHECK_DONE(set_text("x"));
        greet(T0, 1);
        CHECK_COMMITTED(keep_text(T0, 1, "old"));
        uint64_t first = 0;
        lnkeep_buf_free(sealed(T0, 1, &first));
        atomic_store(&flush_fails, 1);
        node_id peer = node(1);
        lnkeep_buf *blob = NULL;
        lnkeep_status status = seals ? lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, NULL, &err)
                                     : keep_text(T0 + COOLDOWN_MS, 1, "new");
        CHECK(status == LNKEEP_UNKNOWN || status == LNKEEP_POISONED);
        CHECK(blob == NULL);
        /* A disk that works again changes nothing. */
        atomic_store(&flush_fails, 0);
        for (int which = 0; which < 8; which++) {
            if (!CHECK_STATUS(call_poisoned(which), LNKEEP_POISONED)) printf("call %d\n", which);
        }
        lnkeep_peer_storage closing = provider;
        status = lnkeep_peer_storage_close(&closing, NULL);
        CHECK(status == LNKEEP_DONE || status == LNKEEP_POISONED);
        CHECK_EQUAL(closing.bits, 0);
        CHECK_DONE(close_backup());
        CHECK_STATUS(lnkeep_store_close(&store, NULL), LNKEEP_POISONED);
        own_store = store = h_open(directory);
        CHECK_DONE(open_provider(NULL));
        CHECK_EQUAL(report.damaged, 0);
        claim_channels(1);
        status = keep_text(T0 + 2 * COOLDOWN_MS, 1, seals ? "old" : "new");
        CHECK(status == LNKEEP_ALREADY || (!seals && stored.result == LNKEEP_STORED_COMMITTED));
        CHECK_DONE(open_backup());
        CHECK_DONE(set_text("x"));
        greet(T0, 2);
        uint64_t seq = 0;
        lnkeep_buf_free(sealed(T0, 2, &seq));
        CHECK(seq > first);
        if (seals) CHECK(known_of(1).sent_seq == first ? seq == first + 1 : seq == first + 2);
        CHECK_DONE(close_backup());
        end();
    }
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(what_has_no_space_waits),
        H_TEST(ends_and_removals_go_on),
        H_TEST(a_close_without_space_says_so),
        H_TEST(a_seal_needs_space),
        H_TEST(a_failed_flush_ends_the_session),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Peer storage over restarts: a close loses nothing, a kill what was deferred; damage is never returned. */

#define _GNU_SOURCE
#include "peer_storage.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void a_close_loses_nothing(void) {
    begin(4);
    for (uint32_t number = 1; number <= 4; number++) CHECK_COMMITTED(keep_text(T0, number, "old"));
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "by the handle"), T0 + 1000);
    CHECK_DONE(claim_at(4, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT + 7));
    lnkeep_peer_storage second;
    CHECK_DONE(lnkeep_peer_storage_open(store, NULL, &second, NULL, NULL));
    /* Not the last one: nothing is written for its sake. */
    CHECK_DONE(lnkeep_peer_storage_close(&second, NULL));
    CHECK_EQUAL(stats_now().pending, 1);
    CHECK_DONE(close_provider());
    CHECK_DONE(open_provider(NULL));
    CHECK_EQUAL(report.peers, 4);
    claim_channels(3);
    CHECK_UNCHANGED(keep_text(T0 + 2, 1, "by the handle"));
    CHECK_EQUAL(entry_of(4).closed_at, HEIGHT + 7);
    end();
}

/* Each way in which a host may end: the handle, the store, a sync of the store. */
static void each_end_writes_what_waits(void) {
    for (int way = 0; way < 3; way++) {
        begin(2);
        CHECK_COMMITTED(keep_text(T0, 1, "old"));
        CHECK_DEFERRED(keep_text(T0 + 1, 1, "new"), T0 + 1000);
        if (way == 1) CHECK_DONE(lnkeep_store_sync(store, NULL));
        if (way == 1) CHECK_EQUAL(stats_now().pending, 0);
        if (way == 0) CHECK_DONE(close_provider());
        h_close(&store);
        if (way != 0) {
            CHECK_STATUS(keep_text(T0 + 2, 1, "late"), LNKEEP_CLOSED);
            CHECK_DONE(close_provider());
        }
        store = h_open(directory);
        CHECK_DONE(open_provider(NULL));
        CHECK(report.peers == 1 && report.bytes == 3 && report.damaged == 0);
        CHECK_SERVES(T0, 1, "new");
        end();
    }
}

/* The end of the last claim is durable; claims are not, and are said again. */
static void the_end_of_a_claim_survives(void) {
    begin(2);
    CHECK_COMMITTED(keep_text(T0, 1, "one"));
    CHECK_COMMITTED(keep_text(T0, 2, "two"));
    CHECK_DONE(claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT + 3));
    lnkeep_peer_entry before = entry_of(2);
    reopen_with(NULL);
    lnkeep_peer_entry one = entry_of(1), two = entry_of(2);
    CHECK(one.flags == LNKEEP_PEER_HAS_CLOSED_AT && one.closed_at == HEIGHT + 3);
    CHECK(two.flags == 0 && two.open_channels == 0);
    CHECK(memcmp(before.sha256, two.sha256, 32) == 0 && two.commits == before.commits);
    CHECK(two.received_ms == before.received_ms && two.committed_ms == before.committed_ms);
    CHECK_DONE(claim(2, LNKEEP_CLAIM_OPEN_CHANNEL));
    /* A later height does not move the mark. */
    CHECK_DONE(complete_at(HEIGHT + 500));
    CHECK_EQUAL(entry_of(1).closed_at, HEIGHT + 3);
    CHECK_NO_PEERS(block(HEIGHT + 2 + RETENTION_BLOCKS));
    CHECK_PEERS(block(HEIGHT + 3 + RETENTION_BLOCKS), 1);
    reopen_with(NULL);
    CHECK_EQUAL(report.peers, 1);
    CHECK_SERVES(T0, 1, NULL);
    end();
}

/* What a child was told, outside the store: a blob's number, and whether it was durable. */
typedef struct note {
    uint32_t peer, is_durable;
    uint64_t number;
} note;

enum { PEERS = 3 };

typedef struct notes {
    uint64_t durable[PEERS + 1], given[PEERS + 1];
    size_t len;
} notes;

static notes noted(const char *of) {
    notes found;
    uint8_t *bytes;
    size_t len;
    memset(&found, 0, sizeof found);
    if (!h_read_file(h_path(of, "notes"), &bytes, &len)) return found;
    found.len = len / sizeof(note);
    for (size_t i = 0; i < found.len; i++) {
        note each;
        memcpy(&each, bytes + i * sizeof each, sizeof each);
        found.given[each.peer] = each.number;
        if (each.is_durable) found.durable[each.peer] = each.number;
    }
    free(bytes);
    return found;
}

/* A blob that says its number, so that what is found after a kill says how far it came. */
static lnkeep_bytes numbered(uint64_t number, uint8_t *room) {
    memcpy(room, &number, sizeof number);
    for (size_t i = 8; i < 3000; i++) room[i] = (uint8_t)(number + i);
    return h_bytes(room, 3000);
}

static int child_stores_for_ever(const char *of) {
    static uint8_t room[3000];
    int out = open(h_path(of, "notes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    notes before = noted(of);
    uint64_t number = 0;
    for (int peer = 1; peer <= PEERS; peer++) {
        if (before.given[peer] > number) number = before.given[peer];
    }
    directory = of;
    store = h_open(of);
    if (open_provider(NULL) != LNKEEP_DONE) return 1;
    claim_channels(PEERS);
    for (;;) {
        uint32_t peer = (uint32_t)(++number % PEERS) + 1;
        uint64_t now_ms = T0 + number * 10;
        note now = {peer, 0, number};
        /* Told before, because it may be on disk without our being told. */
        if (write(out, &now, sizeof now) != (ssize_t)sizeof now) return 2;
        if (keep(now_ms, peer, numbered(number, room)) != LNKEEP_DONE) return 3;
        now.is_durable = stored.result == LNKEEP_STORED_COMMITTED;
        if (now.is_durable && write(out, &now, sizeof now) != (ssize_t)sizeof now) return 4;
        if (number % 40 == 0 && gone(now_ms, peer) == LNKEEP_DONE) {
            now.is_durable = 1;
            if (write(out, &now, sizeof now) != (ssize_t)sizeof now) return 5;
        }
    }
}

/* Whole, one that was sent, and none older than the last durable one. */
static void check_peer(uint32_t peer, const notes *told) {
    static uint8_t room[3000];
    node_id id = node(peer);
    lnkeep_buf *blob = NULL;
    CHECK_DONE(lnkeep_peer_storage_connected(provider, T0, id.bytes, &blob, NULL));
    if (told->durable[peer]) CHECK(blob != NULL);
    if (blob && CHECK_EQUAL(blob->len, 3000)) {
        uint64_t number;
        memcpy(&number, blob->ptr, sizeof number);
        CHECK(number >= told->durable[peer] && number <= told->given[peer]);
        CHECK_EQUAL(number % PEERS + 1, peer);
        CHECK(memcmp(numbered(number, room).ptr, blob->ptr, 3000) == 0);
    }
    lnkeep_buf_free(blob);
}

static void a_kill_keeps_what_was_committed(void) {
    const char *of = h_directory();
    size_t before = 0;
    for (unsigned round = 0; round < h_rounds(6, 2); round++) {
        pid_t child = h_spawn("child_stores_for_ever", of);
        for (unsigned waited = 0; noted(of).len < before + 400 && waited < 20000; waited++) h_sleep_ms(2);
        h_sleep_ms(round * 3);
        kill(child, SIGKILL);
        CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
        notes told = noted(of);
        CHECK(told.len >= before + 400);
        before = told.len;
        directory = of;
        store = h_open(of);
        CHECK_DONE(open_provider(NULL));
        CHECK_EQUAL(report.damaged, 0);
        for (uint32_t peer = 1; peer <= PEERS; peer++) check_peer(peer, &told);
        end();
    }
}

static int child_marks_and_dies(const char *of) {
    directory = of;
    store = h_open(of);
    if (open_provider(NULL) != LNKEEP_DONE) return 1;
    claim_channels(3);
    for (uint32_t number = 1; number <= 3; number++) {
        if (keep_text(T0, number, "committed") != LNKEEP_DONE) return 2;
        if (stored.result != LNKEEP_STORED_COMMITTED) return 3;
    }
    if (keep_text(T0 + 1, 2, "deferred") != LNKEEP_DONE) return 4;
    if (claim_at(1, LNKEEP_CLAIM_CLOSED_CHANNEL, HEIGHT + 9) != LNKEEP_DONE) return 5;
    node_id three = node(3);
    if (lnkeep_peer_storage_prune(provider, three.bytes, NULL, NULL) != LNKEEP_DONE) return 6;
    kill(getpid(), SIGKILL);
    return 7;
}

static void marks_and_removals_survive_a_kill_at_once(void) {
    directory = h_directory();
    CHECK_EQUAL(h_run_child("child_marks_and_dies", directory), 256 + SIGKILL);
    store = h_open(directory);
    CHECK_DONE(open_provider(NULL));
    CHECK(report.peers == 2 && report.damaged == 0);
    CHECK_SERVES(T0, 1, "committed");
    /* As after any crash: what waited in memory is gone, and what it was to replace is there. */
    CHECK_SERVES(T0, 2, "committed");
    CHECK_SERVES(T0, 3, NULL);
    CHECK_EQUAL(entry_of(1).closed_at, HEIGHT + 9);
    CHECK_EQUAL(entry_of(2).flags, 0);
    end();
}

static lnkeep_status served(uint32_t number) {
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_peer_storage_connected(provider, T0, peer.bytes, &blob, &err);
    check_err(status);
    CHECK(blob == NULL || status == LNKEEP_DONE);
    lnkeep_buf_free(blob);
    blob = NULL;
    CHECK_STATUS(lnkeep_peer_storage_export(provider, peer.bytes, &blob, NULL), status);
    lnkeep_buf_free(blob);
    return status;
}

/* A blob that does not pass its check is not returned, told once, and replaced by the peer's next one. */
static void a_damaged_blob_is_not_returned(void) {
    static const char marked[] = "MARKED-BLOB-OF-PEER-2";
    begin(3);
    for (uint32_t number = 1; number <= 3; number++) {
        CHECK_COMMITTED(keep_text(T0, number, number == 2 ? marked : "sound"));
    }
    CHECK_DONE(close_provider());
    h_close(&store);
    CHECK(h_damage(directory, (const uint8_t *)marked, sizeof marked - 1) > 0);
    store = h_open(directory);
    CHECK_DONE(open_provider(NULL));
    claim_channels(3);
    lnkeep_events events;
    CHECK_DONE(lnkeep_events_open(store, h_text("e"), 0, &events, NULL));
    for (int round = 0; round < 3; round++) CHECK_STATUS(served(2), LNKEEP_CORRUPT_RECORD);
    CHECK_SERVES(T0, 1, "sound");
    CHECK_SERVES(T0, 3, "sound");
    CHECK_EQUAL(stats_now().damaged, 1);
    CHECK_EQUAL(entry_of(2).flags, LNKEEP_PEER_DAMAGED);
    uint32_t told[4];
    CHECK_EQUAL(take_events(events, LNKEEP_EVENT_PEER_BLOB_CORRUPT, told, 4), 1);
    CHECK_EQUAL(told[0], 2);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    /* The same bytes again are written: they are not on disk any more. */
    CHECK_COMMITTED(keep_text(T0, 2, marked));
    CHECK_SERVES(T0, 2, marked);
    CHECK_EQUAL(stats_now().damaged, 0);
    end();
}

/* A blob whose peer sends it again is looked at before it is called unchanged. */
static void an_equal_blob_is_looked_at(void) {
    static const char marked[] = "ANOTHER-MARKED-BLOB";
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, marked));
    CHECK_DONE(close_provider());
    h_close(&store);
    CHECK(h_damage(directory, (const uint8_t *)marked, sizeof marked - 1) > 0);
    store = h_open(directory);
    CHECK_DONE(open_provider(NULL));
    claim_channels(1);
    CHECK_COMMITTED(keep_text(T0, 1, marked));
    reopen_with(NULL);
    CHECK_SERVES(T0, 1, marked);
    end();
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_stores_for_ever", child_stores_for_ever},
                                       {"child_marks_and_dies", child_marks_and_dies}};
    static const h_test tests[] = {
        H_TEST(a_close_loses_nothing),
        H_TEST(each_end_writes_what_waits),
        H_TEST(the_end_of_a_claim_survives),
        H_TEST(a_kill_keeps_what_was_committed),
        H_TEST(marks_and_removals_survive_a_kill_at_once),
        H_TEST(a_damaged_blob_is_not_returned),
        H_TEST(an_equal_blob_is_looked_at),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

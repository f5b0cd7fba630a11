/*
 * What the tests of peer storage share: a store with its peer storage, peers by number, short forms of calls,
 * and checks that every answer must pass.
 */

#ifndef LNKEEP_TEST_PEER_STORAGE_H
#define LNKEEP_TEST_PEER_STORAGE_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_peer_storage provider;
static const char *directory;
/* Of the last open, store, tick, call. */
static lnkeep_peer_storage_report report;
static lnkeep_stored stored;
static lnkeep_ticked ticked;
static lnkeep_error err = LNKEEP_ERROR_INIT;

enum { BLOB_MAX = 65531, COOLDOWN_MS = 1000, SLOW_COOLDOWN_MS = 60000, RETENTION_BLOCKS = 2016 };

/* Where most tests begin; whole seconds. */
#define HEIGHT UINT32_C(800000)
#define T0 UINT64_C(1700000000000)

typedef struct node_id {
    uint8_t bytes[33];
} node_id;

/* Sorts as the numbers do. */
static inline node_id node(uint32_t number) {
    node_id made = {{2}};
    for (int i = 0; i < 4; i++) made.bytes[32 - i] = (uint8_t)(number >> 8 * i);
    return made;
}

static inline uint32_t number_of(const uint8_t *id) {
    uint32_t number = 0;
    for (int i = 29; i < 33; i++) number = number << 8 | id[i];
    return number;
}

/* Bytes that depend on a seed, up to the longest blob. */
static inline lnkeep_bytes blob_of(uint64_t seed, size_t len) {
    static _Thread_local uint8_t bytes[BLOB_MAX + 1];
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < len; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
        bytes[i] = (uint8_t)(state >> 56);
    }
    return h_bytes(bytes, len);
}

/* What the header says of every lnkeep_error, where these bits may be present. */
static inline int check_err_with(lnkeep_status status, uint32_t present) {
    int held = CHECK_EQUAL(err.size, sizeof err);
    held &= CHECK_STATUS(err.status, status < 0 ? status : 0);
    held &= CHECK_EQUAL(err.message[0] != 0, status < 0);
    held &= CHECK(memchr(err.message, 0, sizeof err.message) != NULL);
    return held & CHECK_EQUAL(err.present & ~present, 0);
}

static inline int check_err(lnkeep_status status) { return check_err_with(status, LNKEEP_ERROR_HAS_VALUE); }

static inline lnkeep_status open_provider(const lnkeep_peer_storage_options *options) {
    static const lnkeep_peer_storage_report fresh = LNKEEP_PEER_STORAGE_REPORT_INIT;
    report = fresh;
    lnkeep_status status = lnkeep_peer_storage_open(store, options, &provider, &report, &err);
    check_err(status);
    CHECK_EQUAL(provider.bits != 0, status == LNKEEP_DONE);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(provider), status == LNKEEP_DONE);
    CHECK_EQUAL(report.size, sizeof report);
    return status;
}

static inline lnkeep_status close_provider(void) {
    lnkeep_status status = lnkeep_peer_storage_close(&provider, &err);
    check_err(status);
    CHECK_EQUAL(provider.bits, 0);
    return status;
}

static inline lnkeep_status claim_at(uint32_t number, uint32_t change, uint32_t height) {
    node_id peer = node(number);
    lnkeep_status status = lnkeep_peer_storage_report_claim(provider, peer.bytes, change, height, &err);
    check_err(status);
    return status;
}

static inline lnkeep_status claim(uint32_t number, uint32_t change) {
    return claim_at(number, change, HEIGHT);
}

static inline lnkeep_status complete_at(uint32_t height) {
    return lnkeep_peer_storage_claims_complete(provider, NULL, 0, height, &err);
}

/* Peers from 1 to a number have a channel, and that is all. */
static inline void claim_channels(uint32_t count) {
    for (uint32_t number = 1; number <= count; number++) {
        CHECK_DONE(claim(number, LNKEEP_CLAIM_OPEN_CHANNEL));
    }
    CHECK_DONE(complete_at(HEIGHT));
}

static inline void begin_with(const lnkeep_peer_storage_options *options, uint32_t peers) {
    directory = h_directory();
    store = h_open(directory);
    CHECK_DONE(open_provider(options));
    CHECK_EQUAL(report.peers | report.bytes | report.damaged, 0);
    claim_channels(peers);
}

static inline void begin(uint32_t peers) { begin_with(NULL, peers); }

/* Closes everything; what is on disk afterwards is without fault. */
static inline void end(void) {
    CHECK_DONE(close_provider());
    h_close(&store);
    lnkeep_check_report *found = h_check_report(directory);
    if (found) CHECK_EQUAL(found->findings_len, 0);
    lnkeep_check_report_free(found);
}

/* As after a restart of the host: the claims are to be reported again. */
static inline void reopen_with(const lnkeep_peer_storage_options *options) {
    CHECK_DONE(close_provider());
    h_close(&store);
    store = h_open(directory);
    CHECK_DONE(open_provider(options));
    CHECK_EQUAL(report.damaged, 0);
}

static inline lnkeep_status keep(uint64_t now_ms, uint32_t number, lnkeep_bytes blob) {
    static const lnkeep_stored fresh = LNKEEP_STORED_INIT;
    node_id peer = node(number);
    stored = fresh;
    lnkeep_status status = lnkeep_peer_storage_store(provider, now_ms, peer.bytes, blob, &stored, &err);
    check_err(status);
    CHECK_EQUAL(stored.size, sizeof stored);
    if (status < 0) CHECK_EQUAL(stored.result | (uint32_t)stored.failure | stored.due_ms, 0);
    else CHECK_EQUAL(status == LNKEEP_ALREADY, stored.result == LNKEEP_STORED_UNCHANGED);
    if (stored.result != LNKEEP_STORED_DEFERRED) CHECK_EQUAL((uint32_t)stored.failure | stored.due_ms, 0);
    return status;
}

static inline lnkeep_status keep_text(uint64_t now_ms, uint32_t number, const char *text) {
    return keep(now_ms, number, h_text(text));
}

static inline int became(lnkeep_status status, uint32_t result, uint64_t due_ms, const char *file, int line,
                         const char *what) {
    lnkeep_status wanted = result == LNKEEP_STORED_UNCHANGED ? LNKEEP_ALREADY : LNKEEP_DONE;
    int held = h_check_status(status, wanted, file, line, what);
    held &= h_check_equal(stored.result, result, file, line, "what became of the blob");
    held &= h_check_equal((uint32_t)stored.failure, 0, file, line, "failure");
    return held & h_check_equal(stored.due_ms, due_ms, file, line, "when it is due");
}

#define CHECK_COMMITTED(call) became(call, LNKEEP_STORED_COMMITTED, 0, __FILE__, __LINE__, #call)
#define CHECK_UNCHANGED(call) became(call, LNKEEP_STORED_UNCHANGED, 0, __FILE__, __LINE__, #call)
#define CHECK_DEFERRED(call, due_ms) \
    became(call, LNKEEP_STORED_DEFERRED, due_ms, __FILE__, __LINE__, #call)

/* Whether a call gave these bytes, or none; frees them. */
static inline int gave(lnkeep_status status, lnkeep_buf *blob, const lnkeep_bytes *wanted, const char *file,
                       int line) {
    int held = h_check_status(status, LNKEEP_DONE, file, line, "the newest blob");
    held &= h_check((blob != NULL) == (wanted != NULL), file, line, blob ? "is something" : "is nothing");
    if (blob && wanted) {
        int is_same = blob->len == wanted->len;
        if (is_same && wanted->len) is_same = memcmp(blob->ptr, wanted->ptr, wanted->len) == 0;
        held &= h_check(is_same, file, line, "is the newest blob");
    }
    lnkeep_buf_free(blob);
    return held;
}

static inline int serves_bytes(uint64_t now_ms, uint32_t number, const lnkeep_bytes *wanted, const char *file,
                               int line) {
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_peer_storage_connected(provider, now_ms, peer.bytes, &blob, &err);
    int held = gave(status, blob, wanted, file, line);
    blob = NULL;
    status = lnkeep_peer_storage_export(provider, peer.bytes, &blob, &err);
    return held & gave(status, blob, wanted, file, line);
}

static inline int serves_text(uint64_t now_ms, uint32_t number, const char *text, const char *file,
                              int line) {
    lnkeep_bytes wanted = h_text(text ? text : "");
    return serves_bytes(now_ms, number, text ? &wanted : NULL, file, line);
}

/* Returned to the peer, and exported: this text; NULL for nothing. */
#define CHECK_SERVES(now_ms, number, text) serves_text(now_ms, number, text, __FILE__, __LINE__)

/* Whether these are the peers of the numbers; frees them. */
static inline int are_peers(lnkeep_node_ids *ids, const uint32_t *wanted, size_t wanted_len, const char *file,
                            int line) {
    if (!h_check(ids != NULL, file, line, "ids were given")) return 0;
    int held = h_check_equal(ids->size, sizeof *ids, file, line, "size");
    held &= h_check_equal(ids->ids_len, wanted_len, file, line, "how many peers");
    held &= h_check((ids->ids != NULL) == (ids->ids_len != 0), file, line, "NULL without any");
    for (size_t i = 0; i < ids->ids_len && i < wanted_len; i++) {
        held &= h_check_equal(number_of(ids->ids + 33 * i), wanted[i], file, line, "which peer");
    }
    lnkeep_node_ids_free(ids);
    return held;
}

#define CHECK_PEERS(ids, ...) \
    are_peers(ids, (const uint32_t[]){__VA_ARGS__}, H_COUNT(((const uint32_t[]){__VA_ARGS__})), __FILE__, \
              __LINE__)
#define CHECK_NO_PEERS(ids) are_peers(ids, NULL, 0, __FILE__, __LINE__)

static inline lnkeep_node_ids *tick_with(uint64_t now_ms, uint32_t flags) {
    static const lnkeep_ticked fresh = LNKEEP_TICKED_INIT;
    lnkeep_node_ids *committed = NULL;
    ticked = fresh;
    CHECK_DONE(lnkeep_peer_storage_tick(provider, now_ms, flags, &ticked, &committed, &err));
    check_err(LNKEEP_DONE);
    CHECK_EQUAL(ticked.size, sizeof ticked);
    CHECK_EQUAL(ticked.failure != 0, ticked.failed != 0);
    CHECK_EQUAL(ticked.flags & ~(uint32_t)LNKEEP_TICKED_HAS_NEXT_DUE, 0);
    if (!ticked.flags) CHECK_EQUAL(ticked.next_due_ms, 0);
    if (CHECK(committed != NULL)) CHECK_EQUAL(committed->ids_len, ticked.committed);
    return committed;
}

static inline lnkeep_node_ids *tick(uint64_t now_ms) { return tick_with(now_ms, 0); }

static inline lnkeep_status gone(uint64_t now_ms, uint32_t number) {
    node_id peer = node(number);
    lnkeep_status status = lnkeep_peer_storage_disconnected(provider, now_ms, peer.bytes, &err);
    check_err(status);
    return status;
}

static inline lnkeep_node_ids *block(uint32_t height) {
    lnkeep_node_ids *collected = NULL;
    CHECK_DONE(lnkeep_peer_storage_block_connected(provider, height, &collected, &err));
    check_err(LNKEEP_DONE);
    return collected;
}

static inline lnkeep_peer_storage_stats stats_now(void) {
    lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
    CHECK_DONE(lnkeep_peer_storage_read_stats(provider, &stats, &err));
    CHECK_EQUAL(stats.size, sizeof stats);
    CHECK(stats.pending <= stats.peers && stats.pending_bytes <= stats.bytes);
    CHECK(stats.bytes_without_channel <= stats.bytes && stats.damaged <= stats.peers);
    return stats;
}

static inline lnkeep_peer_page *list(const uint8_t *after, size_t limit) {
    lnkeep_peer_page *page = NULL;
    CHECK_DONE(lnkeep_peer_storage_list(provider, after, limit, &page, &err));
    if (!CHECK(page != NULL)) abort();
    CHECK_EQUAL(page->size, sizeof *page);
    CHECK(page->peer_stride >= sizeof(lnkeep_peer_entry));
    CHECK_EQUAL(page->peers != NULL, page->peers_len != 0);
    return page;
}

static inline const lnkeep_peer_entry *entry_at(const lnkeep_peer_page *page, size_t i) {
    return (const lnkeep_peer_entry *)(const void *)((const char *)page->peers + i * page->peer_stride);
}

/* Of one peer; zero when it is not listed. */
static inline lnkeep_peer_entry entry_of(uint32_t number) {
    lnkeep_peer_entry found;
    node_id before = node(number - 1), peer = node(number);
    memset(&found, 0, sizeof found);
    lnkeep_peer_page *page = list(before.bytes, 1);
    int is_listed = page->peers_len && memcmp(entry_at(page, 0)->node_id, peer.bytes, 33) == 0;
    if (is_listed) found = *entry_at(page, 0);
    lnkeep_peer_page_free(page);
    const uint8_t *zeros = found.reserved_bytes;
    CHECK_EQUAL(found.reserved | zeros[0] | zeros[1] | zeros[2], 0);
    if (!(found.flags & LNKEEP_PEER_HAS_CLOSED_AT)) CHECK_EQUAL(found.closed_at | found.blocks_left, 0);
    return found;
}

/* The next events of a kind of peer's events, oldest first: their peers by number. Acknowledges all. */
static inline size_t take_events(lnkeep_events events, uint32_t kind, uint32_t *numbers, size_t room) {
    lnkeep_event taken[64];
    size_t len = 0, found = 0;
    do {
        CHECK_DONE(lnkeep_events_take(events, taken, H_COUNT(taken), &len, NULL));
        for (size_t i = 0; i < len; i++) {
            if (taken[i].kind != kind) continue;
            uint8_t id[33];
            id[0] = (uint8_t)taken[i].state;
            memcpy(id + 1, taken[i].subject, 32);
            CHECK_EQUAL(id[0], 2);
            CHECK_EQUAL(taken[i].attempt_id | taken[i].amount_msat | taken[i].flags, 0);
            if (found < room) numbers[found] = number_of(id);
            found++;
        }
        if (len) CHECK_DONE(lnkeep_events_ack(events, taken[len - 1].sequence, NULL));
    } while (len);
    return found;
}

#endif

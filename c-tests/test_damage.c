/* One damaged record: everything else goes on, and quarantine burns its id. A row of a newer format is refused. */

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_attempts attempts;
static const char *directory;

enum { PENDING = 1, FINISHED = 2, SOUND = 3 };

static void reopen(void) {
    store = h_open(directory);
    attempts = h_attempts(store);
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

/* A pending and a finished record whose bytes are changed on the disk, so that their checksums fail. */
static void make_damaged(void) {
    static const char pattern[] = "lnkeep-test: these bytes are only in one record";
    lnkeep_attempt_request request = h_request(PENDING);
    request.present = LNKEEP_HAS_FINGERPRINT;
    memcpy(request.fingerprint, "pending-record-of-the-test-suite", 32);
    directory = h_directory();
    reopen();
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    CHECK_DONE(h_store(attempts, FINISHED, h_fail(pattern)));
    CHECK_DONE(h_init(attempts, SOUND));
    end();
    CHECK(h_damage(directory, request.fingerprint, 32) > 0);
    CHECK(h_damage(directory, (const uint8_t *)pattern, sizeof pattern - 1) > 0);
    reopen();
}

static void every_call_on_a_damaged_record_says_so(void) {
    make_damaged();
    for (uint64_t id = PENDING; id <= FINISHED; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_attempt_result *result = NULL;
        lnkeep_outcome outcome;
        uint32_t has = 9;
        uint64_t subscription;
        lnkeep_status wanted = LNKEEP_CORRUPT_RECORD;
        CHECK_STATUS(h_state(attempts, id), wanted);
        CHECK_STATUS(lnkeep_attempts_result(attempts, &key, &result, NULL), wanted);
        CHECK_DONE(lnkeep_attempts_has_result(attempts, &key, &has, NULL));
        CHECK_EQUAL(has, 0);
        CHECK_STATUS(h_init(attempts, id), wanted);
        CHECK_STATUS(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL), wanted);
        CHECK_STATUS(h_store(attempts, id, h_settle(1)), wanted);
        CHECK_STATUS(lnkeep_attempts_fail_pending(attempts, &key, 0, h_text(""), 0, NULL, NULL), wanted);
        CHECK_STATUS(lnkeep_attempts_ack(attempts, &key, NULL, NULL), wanted);
        CHECK_STATUS(lnkeep_attempts_delete(attempts, &key, 1, 0, &outcome, NULL), LNKEEP_BATCH);
        CHECK_STATUS(outcome.status, wanted);
        uint32_t known = LNKEEP_SUBSCRIBE_REQUIRE_KNOWN;
        CHECK_STATUS(lnkeep_attempts_subscribe(attempts, &key, known, &subscription, NULL), wanted);
    }
    CHECK_EQUAL(h_state(attempts, SOUND), LNKEEP_STATE_INTENT);
    CHECK_DONE(h_store(attempts, SOUND, h_settle(1)));
    end();
}

static void bulk_calls_leave_damaged_records_alone(void) {
    make_damaged();
    uint64_t removed = 9, unreadable = 9;
    lnkeep_recovery *recovery = NULL;
    if (CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, LNKEEP_RECOVER_CURRENT_EPOCH, &recovery,
                                           NULL))) {
        CHECK_EQUAL(recovery->failed_len, 1);
        CHECK_EQUAL(recovery->unreadable_len, 1);
        CHECK_EQUAL(recovery->unreadable[0], PENDING);
        lnkeep_recovery_free(recovery);
    }
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_attempt_page *page = NULL;
    if (CHECK_DONE(lnkeep_attempts_list(attempts, &query, &page, NULL))) {
        CHECK_EQUAL(page->attempts_len, 1);
        CHECK_EQUAL(page->unreadable_len, 2);
        CHECK_EQUAL(page->unreadable[0].id, PENDING);
        CHECK_EQUAL(page->unreadable[1].id, FINISHED);
        lnkeep_attempt_page_free(page);
    }
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, 0, &removed, &unreadable, NULL));
    CHECK_EQUAL(removed, 1);
    CHECK_EQUAL(unreadable, 2);
    uint64_t acked = 9;
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, 100, &acked, NULL));
    CHECK_EQUAL(acked, 0);
    CHECK_STATUS(h_init(attempts, FINISHED), LNKEEP_CORRUPT_RECORD);
    end();
}

static void check_quarantined(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    CHECK_STATUS(h_state(attempts, id), LNKEEP_DELETED);
    CHECK_STATUS(h_init(attempts, id), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(lnkeep_attempts_quarantine(attempts, &key, NULL, NULL), LNKEEP_ALREADY);
}

static void quarantine_burns_the_id(void) {
    make_damaged();
    lnkeep_attempt_key absent = h_key(100), sound = h_key(SOUND);
    CHECK_STATUS(lnkeep_attempts_quarantine(attempts, &absent, NULL, NULL), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_attempts_quarantine(attempts, &sound, NULL, NULL), LNKEEP_CONFLICT);
    for (uint64_t id = PENDING; id <= FINISHED; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_outcome outcome;
        CHECK_DONE(lnkeep_attempts_quarantine(attempts, &key, &outcome, NULL));
        CHECK_EQUAL(outcome.flags, LNKEEP_OUTCOME_CHANGED);
        CHECK(outcome.event_sequence > 0);
        check_quarantined(id);
    }
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.intent, 1);
    CHECK_EQUAL(counts.failed, 0);
    CHECK_EQUAL(counts.deleted, 2);
    end();
    reopen();
    check_quarantined(PENDING);
    check_quarantined(FINISHED);
    end();
}

static void quarantine_is_an_event(void) {
    make_damaged();
    lnkeep_events events;
    lnkeep_event taken[4];
    lnkeep_attempt_key key = h_key(FINISHED);
    size_t len = 0;
    CHECK_DONE(lnkeep_events_open(store, h_text("watch"), LNKEEP_EVENTS_FROM_NEWEST, &events, NULL));
    CHECK_DONE(lnkeep_attempts_quarantine(attempts, &key, NULL, NULL));
    CHECK_DONE(lnkeep_events_take(events, taken, 4, &len, NULL));
    if (CHECK_EQUAL(len, 1)) {
        CHECK_EQUAL(taken[0].kind, LNKEEP_EVENT_ATTEMPT_CORRUPT);
        CHECK_EQUAL(taken[0].state, LNKEEP_STATE_DELETED);
        CHECK_EQUAL(taken[0].attempt_id, FINISHED);
    }
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

/* Checksum of a row as docs/format.md says: table, envelope version, flags, key, body. */
static uint32_t row_checksum(uint8_t table, const uint8_t *row, const char *key, size_t body_len) {
    uint8_t head[3] = {table, row[0], row[1]};
    uint32_t crc = h_crc32c(0, head, 3);
    return h_crc32c(h_crc32c(crc, (const uint8_t *)key, strlen(key)), row + 6, body_len);
}

/*
 * Raises the major format number of one copy of the meta row; answers whether it was one. Which table it is, and
 * how long the row, is found by the checksum that is stored.
 */
static int raise_format(uint8_t *row) {
    uint32_t stored;
    memcpy(&stored, row + 2, 4);
    for (unsigned table = 0; table < 64; table++) {
        for (size_t len = 60; len < 120; len++) {
            if (row_checksum((uint8_t)table, row, "store", len) != stored) continue;
            row[6 + 8] = 99;
            stored = row_checksum((uint8_t)table, row, "store", len);
            memcpy(row + 2, &stored, 4);
            return 1;
        }
    }
    return 0;
}

static void a_newer_format_is_refused_and_kept(void) {
    static const uint8_t magic[8] = {'l', 'n', 'k', 'e', 'e', 'p', 0, 1};
    uint8_t *bytes, *after;
    size_t len, after_len;
    unsigned raised = 0;
    directory = h_directory();
    reopen();
    end();
    const char *file = h_path(directory, "data.mdb");
    if (!CHECK(h_read_file(file, &bytes, &len))) return;
    for (size_t at = 6; at + 120 < len; at++) {
        if (memcmp(bytes + at, magic, 8) == 0) raised += (unsigned)raise_format(bytes + at - 6);
    }
    CHECK(raised > 0);
    CHECK(h_write_file(file, bytes, len));
    CHECK_STATUS(lnkeep_store_open(directory, NULL, &store, NULL, NULL), LNKEEP_FORMAT_TOO_NEW);
    CHECK_EQUAL(store.bits, 0);
    if (CHECK(h_read_file(file, &after, &after_len))) {
        CHECK(after_len == len && memcmp(bytes, after, len) == 0);
        free(after);
    }
    free(bytes);
}

/* A store as a crash leaves it: its next open walks the whole file. */
static int child_fills(const char *path) {
    directory = path;
    reopen();
    for (uint64_t id = 1; id <= 400; id++) {
        if (h_init(attempts, id) != LNKEEP_DONE) return 1;
        if (id % 2 && h_store(attempts, id, h_fail("reason")) != LNKEEP_DONE) return 2;
    }
    return 0;
}

/* Whatever the file holds: a refusal, or a store that works. Only a crash is wrong. */
static int child_uses(const char *path) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_attempt_page *page = NULL;
    lnkeep_recovery *recovery = NULL;
    if (lnkeep_store_open(path, NULL, &store, NULL, NULL) != LNKEEP_DONE) return 0;
    attempts = h_attempts(store);
    if (lnkeep_attempts_list(attempts, &query, &page, NULL) == LNKEEP_DONE) lnkeep_attempt_page_free(page);
    uint32_t flags = LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    if (lnkeep_attempts_recover(attempts, NULL, NULL, 0, flags, &recovery, NULL) == LNKEEP_DONE) {
        lnkeep_recovery_free(recovery);
    }
    for (uint64_t id = 1; id < 500; id += 7) {
        if (lnkeep_status_class(h_init(attempts, id)) == LNKEEP_CLASS_UNKNOWN) return 3;
        if (lnkeep_status_class(h_store(attempts, id, h_settle(1))) == LNKEEP_CLASS_UNKNOWN) return 4;
    }
    end();
    return 0;
}

/* Damages one page in one of four ways; the same number does the same. */
static void damage_page(uint8_t *page, unsigned number) {
    uint32_t dice = number * 2654435761u;
    switch (number % 4) {
    case 0: memset(page, 0, 4096); break;
    case 1:
        for (int i = 0; i < 4096; i++) page[i] = (uint8_t)((dice = dice * 1664525u + 1013904223u) >> 24);
        break;
    case 2:
        for (int i = 0; i < 8; i++) page[(dice = dice * 1664525u + 1013904223u) >> 26] ^= (uint8_t)(1u << i);
        break;
    default: page[dice >> 20] ^= 0x40; break;
    }
}

static void a_damaged_file_never_ends_the_host(void) {
    const char *path = h_directory(), *sound = h_directory();
    uint8_t *bytes, page[4096];
    size_t len;
    CHECK_EQUAL(h_run_child("child_fills", path), 0);
    const char *file = h_path(path, "data.mdb");
    if (!CHECK(h_read_file(file, &bytes, &len))) return;
    /* What was allocated ahead need not be copied every time. */
    while (len > 0 && bytes[len - 1] == 0) len--;
    len = len / 4096 * 4096 + 9 * 4096;
    CHECK(h_write_file(h_path(sound, "data.mdb"), bytes, len));
    store = h_open(sound);
    h_close(&store);
    for (unsigned number = 0; number < h_rounds(120, 20); number++) {
        uint8_t *at = bytes + (size_t)4096 * (2 + number * 7 % 53);
        memcpy(page, at, 4096);
        damage_page(at, number);
        const char *copy = h_directory();
        CHECK(h_write_file(h_path(copy, "data.mdb"), bytes, len));
        memcpy(at, page, 4096);
        if (!CHECK_EQUAL(h_run_child("child_uses", copy), 0)) fprintf(stderr, "damage number %u\n", number);
        h_remove(copy);
    }
    free(bytes);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_fills", child_fills}, {"child_uses", child_uses}};
    static const h_test tests[] = {
        H_TEST(every_call_on_a_damaged_record_says_so),
        H_TEST(bulk_calls_leave_damaged_records_alone),
        H_TEST(quarantine_burns_the_id),
        H_TEST(quarantine_is_an_event),
        H_TEST(a_newer_format_is_refused_and_kept),
        H_TEST(a_damaged_file_never_ends_the_host),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

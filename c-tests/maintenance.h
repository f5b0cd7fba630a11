/* What the tests of backups, restores and compaction share: a store, and all that it says as bytes. */

#ifndef MAINTENANCE_H
#define MAINTENANCE_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static lnkeep_store store;
static lnkeep_attempts attempts;

static inline uint32_t open_with(const char *directory, uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    options.flags = flags;
    lnkeep_status status = lnkeep_store_open(directory, &options, &store, &report, &err);
    if (!CHECK_DONE(status)) fprintf(stderr, "%s\n", err.message);
    attempts = h_attempts(store);
    return report.flags & ~(uint32_t)(LNKEEP_REPORT_OVERLAY | LNKEEP_REPORT_TMPFS);
}

static inline void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static inline const char *filled_store(unsigned rounds) {
    const char *directory = h_directory();
    open_with(directory, 0);
    h_fill(store, attempts, rounds);
    end();
    return directory;
}

static inline const char *backup_of(const char *directory) {
    const char *file = h_path(h_directory(), "backup");
    open_with(directory, 0);
    CHECK_DONE(lnkeep_store_backup(store, file, NULL, NULL));
    end();
    return file;
}

static inline int is_there(const char *path) {
    struct stat facts;
    return lstat(path, &facts) == 0;
}

/* Everything that the attempts of a store say, as bytes. */
typedef struct dump {
    uint8_t *bytes;
    size_t len;
} dump;

static inline void add_to(dump *all, const void *bytes, size_t len) {
    all->bytes = (uint8_t *)realloc(all->bytes, all->len + len + 1);
    if (len) memcpy(all->bytes + all->len, bytes, len);
    all->len += len;
}

static inline dump dump_attempts(void) {
    dump all = {NULL, 0};
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_attempt_page *page = NULL;
    query.flags = LNKEEP_QUERY_ALL_NAMESPACES;
    for (int more = 1; more;) {
        if (!CHECK_DONE(lnkeep_attempts_list(attempts, &query, &page, NULL))) break;
        const uint8_t *at = (const uint8_t *)page->attempts;
        for (size_t i = 0; i < page->attempts_len; i++, at += page->stride) {
            lnkeep_attempt attempt;
            memcpy(&attempt, at, sizeof attempt);
            add_to(&all, attempt.result.message.ptr, attempt.result.message.len);
            attempt.result.message.ptr = NULL;
            add_to(&all, &attempt, sizeof attempt);
        }
        more = page->has_more != 0;
        query.flags |= LNKEEP_QUERY_AFTER;
        query.after = page->next;
        CHECK_EQUAL(page->unreadable_len, 0);
        lnkeep_attempt_page_free(page);
    }
    return all;
}

/* The events that a cursor has to read, and what is counted, behind the attempts. */
static inline dump dump_store(void) {
    static lnkeep_event taken[1000];
    dump all = dump_attempts();
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_events events;
    size_t len = 0;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    add_to(&all, &counts, sizeof counts);
    CHECK_DONE(lnkeep_events_open(store, h_text("cursor"), 0, &events, NULL));
    do {
        CHECK_DONE(lnkeep_events_take(events, taken, 1000, &len, NULL));
        add_to(&all, taken, len * sizeof *taken);
    } while (len > 0);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    CHECK(all.len > sizeof counts);
    return all;
}

static inline void check_same(dump one, dump other) {
    CHECK_EQUAL(one.len, other.len);
    CHECK(one.len == other.len && memcmp(one.bytes, other.bytes, one.len) == 0);
    free(one.bytes);
    free(other.bytes);
}

/* A file and what it held, to see whether it still does. */
static inline dump dump_file(const char *path) {
    dump file = {NULL, 0};
    CHECK(h_read_file(path, &file.bytes, &file.len));
    return file;
}

/* What a report's pointer is before a call: a call that fails writes no output. */
#define UNTOUCHED ((lnkeep_check_report *)(uintptr_t)64)

static inline lnkeep_status check_answer(lnkeep_status status, const lnkeep_error *err,
                                         lnkeep_check_report *report) {
    CHECK_EQUAL(err->status, status);
    CHECK_EQUAL(err->message[0] != 0, status != LNKEEP_DONE);
    CHECK_EQUAL(report == UNTOUCHED, status != LNKEEP_DONE);
    if (report == UNTOUCHED) return status;
    h_is_well_formed(report);
    lnkeep_check_report_free(report);
    return status;
}

static inline lnkeep_status restore(const char *backup, const char *directory) {
    lnkeep_check_report *report = UNTOUCHED;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_restore(backup, directory, 0, &report, &err);
    return check_answer(status, &err, report);
}

static inline void check_sound(const char *path, uint32_t flags) {
    lnkeep_check_report *report = h_check_report(path);
    if (!report) return;
    CHECK_EQUAL(report->flags, flags);
    if (!CHECK_EQUAL(report->findings_len, 0)) fprintf(stderr, "%s\n", report->findings->fault);
    lnkeep_check_report_free(report);
}

enum { FIRST = 10001, PER_MEGABYTE = 17 };

/* Some megabytes of results, under ids from FIRST on. */
static inline void fill_megabytes(unsigned megabytes) {
    static uint8_t message[60000];
    lnkeep_attempt_result result = h_fail("");
    result.message = h_bytes(message, sizeof message);
    for (uint64_t id = FIRST; id < FIRST + megabytes * PER_MEGABYTE; id++) {
        message[id % sizeof message]++;
        CHECK_DONE(h_store(attempts, id, result));
    }
}

static const uint64_t LEFT[] = {0, 4096, 8192, 65536, 1 << 20, 3 << 20};

#endif

/* A check says what is wrong with a file: nothing with a sound one, and no damage ends it. */

#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

static lnkeep_store store;
static lnkeep_attempts attempts;

static lnkeep_store_report open_and_report(const char *directory) {
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    CHECK_DONE(lnkeep_store_open(directory, NULL, &store, &report, NULL));
    attempts = h_attempts(store);
    return report;
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

/* Flags of a report of a store with nothing wrong. */
static uint32_t sound_flags(const char *path) {
    lnkeep_check_report *report = h_check_report(path);
    if (!report) return UINT32_MAX;
    uint32_t flags = report->flags;
    if (!CHECK_EQUAL(report->findings_len, 0)) fprintf(stderr, "%s\n", report->findings->fault);
    lnkeep_check_report_free(report);
    return flags;
}

static const char *filled_store(unsigned rounds) {
    const char *directory = h_directory();
    open_and_report(directory);
    h_fill(store, attempts, rounds);
    end();
    return directory;
}

/* The data file, without what was allocated ahead: its name, and what it holds. */
typedef struct image {
    const char *directory;
    const char *file;
    uint8_t *bytes;
    size_t len;
    size_t pages;
} image;

static image image_of(const char *directory) {
    image of = {directory, h_path(directory, "data.mdb"), NULL, 0, 0};
    lnkeep_check_report *report = h_check_report(directory);
    size_t len = 0;
    if (!report) return of;
    of.pages = (size_t)report->pages;
    CHECK_EQUAL(report->page_bytes, PAGE);
    lnkeep_check_report_free(report);
    if (!CHECK(h_read_file(of.file, &of.bytes, &len)) || !CHECK(len >= of.pages * PAGE)) return of;
    of.len = of.pages * PAGE;
    CHECK_EQUAL(truncate(of.file, (off_t)of.len), 0);
    return of;
}

static void patch(const image *of, size_t at, const uint8_t *bytes, size_t len) {
    int descriptor = open(of->file, O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(descriptor, bytes, len, (off_t)at) == (ssize_t)len);
    close(descriptor);
}

static void a_failed_check_leaves_the_report_alone(void) {
    lnkeep_check_report *const untouched = (lnkeep_check_report *)(uintptr_t)64, *report = untouched;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const char *missing = h_path(h_directory(), "missing");
    CHECK_STATUS(lnkeep_check(missing, &report, &err), LNKEEP_NOT_FOUND);
    CHECK(report == untouched);
    CHECK_EQUAL(err.status, LNKEEP_NOT_FOUND);
    CHECK(err.message[0] != 0);
    CHECK_STATUS(lnkeep_check("", &report, &err), LNKEEP_INVALID_ARGUMENT);
    CHECK(report == untouched);
    CHECK_STATUS(lnkeep_check(NULL, &report, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK(report == untouched);
    CHECK_STATUS(lnkeep_check(missing, NULL, &err), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(err.status, LNKEEP_INVALID_ARGUMENT);
    const char *directory = filled_store(1);
    CHECK_DONE(lnkeep_check(directory, &report, &err));
    CHECK_EQUAL(err.status | err.os_errno | err.message[0], 0);
    lnkeep_check_report_free(report);
    lnkeep_check_report_free(NULL);
}

static void what_is_no_store_is_not_found(void) {
    lnkeep_check_report *report = NULL;
    const char *directory = h_directory(), *link = h_path(directory, "link");
    CHECK_STATUS(lnkeep_check(directory, &report, NULL), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(symlink("nowhere", link), 0);
    CHECK_STATUS(lnkeep_check(link, &report, NULL), LNKEEP_NOT_FOUND);
    /* Looking for a store makes none. */
    CHECK(access(h_path(directory, "owner.lock"), F_OK) != 0);
    const char *file = h_path(directory, "file");
    CHECK(h_write_file(file, (const uint8_t *)"x", 1));
    CHECK_STATUS(lnkeep_check(h_path(file, "below"), &report, NULL), LNKEEP_IO);
    CHECK(report == NULL);
}

/* Numbers of an open store are those of the store itself. */
static void a_sound_live_store_is_reported_as_it_is(void) {
    const char *directory = h_directory();
    lnkeep_store_report opened = open_and_report(directory);
    struct stat facts;
    CHECK_DONE(lnkeep_store_tick(store, 5000, 70, NULL));
    h_fill(store, attempts, 20);
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    lnkeep_check_report *report = h_check_report(directory);
    if (report) {
        CHECK_EQUAL(report->findings_len, 0);
        CHECK_EQUAL(report->flags, LNKEEP_CHECK_LIVE);
        CHECK_EQUAL(report->commit_number, stats.commit_number);
        CHECK_EQUAL(report->pages, stats.pages_used);
        CHECK_EQUAL(report->page_bytes, stats.page_bytes);
        CHECK_EQUAL(report->epoch, opened.epoch);
        CHECK_EQUAL(report->unix_ms, 5000);
        CHECK_EQUAL(report->block_height, 70);
        CHECK(memcmp(report->store_id, opened.store_id, 16) == 0);
        CHECK_EQUAL(stat(h_path(directory, "data.mdb"), &facts), 0);
        CHECK_EQUAL(report->file_bytes, facts.st_size);
        lnkeep_check_report_free(report);
    }
    /* The check pins nothing when it is over. */
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    CHECK_EQUAL(stats.oldest_read_ns, 0);
    end();
}

static uint64_t rows_of(const char *path) {
    lnkeep_check_report *report = h_check_report(path);
    uint64_t rows = report ? report->rows : 0;
    lnkeep_check_report_free(report);
    return rows;
}

/* An intent is a record and its place among the pending ones; a failure is an event. */
static void every_row_of_every_table_counts(void) {
    const char *directory = h_directory();
    open_and_report(directory);
    CHECK_DONE(h_init(attempts, 1));
    uint64_t before = rows_of(directory);
    for (uint64_t id = 2; id <= 11; id++) CHECK_DONE(h_init(attempts, id));
    CHECK_EQUAL(rows_of(directory), before + 20);
    lnkeep_attempt_key key = h_key(1);
    CHECK_DONE(lnkeep_attempts_fail_pending(attempts, &key, 0, h_text(""), 0, NULL, NULL));
    /* No longer pending, and one event more. */
    CHECK_EQUAL(rows_of(directory), before + 20);
    end();
}

static void a_closed_store_ended_cleanly(void) {
    const char *directory = filled_store(20);
    CHECK_EQUAL(sound_flags(directory), LNKEEP_CHECK_ENDED_CLEANLY);
    /* The file itself and any name of the directory mean the same store. */
    const char *link = h_path(h_directory(), "link");
    CHECK_EQUAL(symlink(directory, link), 0);
    CHECK_EQUAL(sound_flags(link), LNKEEP_CHECK_ENDED_CLEANLY);
    CHECK_EQUAL(sound_flags(h_path(directory, "data.mdb")), LNKEEP_CHECK_ENDED_CLEANLY);
    open_and_report(directory);
    CHECK_EQUAL(sound_flags(link), LNKEEP_CHECK_LIVE);
    CHECK_EQUAL(sound_flags(h_path(directory, "data.mdb")), LNKEEP_CHECK_LIVE);
    end();
}

/* Names, sizes and times of everything in a directory, in one number. */
static uint64_t trace_of(const char *directory) {
    uint64_t trace = 0;
    DIR *entries = opendir(directory);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        struct stat facts;
        if (entry->d_name[0] == '.' && entry->d_name[1] == '.') continue;
        if (stat(h_path(directory, entry->d_name), &facts) != 0) continue;
        uint64_t one = (uint64_t)facts.st_ino * 31 + (uint64_t)facts.st_size;
        one = one * 31 + (uint64_t)facts.st_mtim.tv_sec;
        trace += one * 31 + (uint64_t)facts.st_mtim.tv_nsec;
    }
    if (entries) closedir(entries);
    return trace;
}

static void a_check_writes_nothing_and_keeps_nobody_out(void) {
    const char *directory = filled_store(5);
    uint8_t *before, *after;
    size_t before_len, after_len;
    CHECK(h_read_file(h_path(directory, "data.mdb"), &before, &before_len));
    uint64_t trace = trace_of(directory);
    lnkeep_check_report *kept = h_check_report(directory);
    CHECK_EQUAL(trace_of(directory), trace);
    CHECK(h_read_file(h_path(directory, "data.mdb"), &after, &after_len));
    CHECK(before_len == after_len && memcmp(before, after, after_len) == 0);
    free(before);
    free(after);
    /* A report is no claim on the store it tells of. */
    open_and_report(directory);
    CHECK_DONE(h_init(attempts, 100000));
    end();
    lnkeep_check_report_free(kept);
}

/* 0 sound, 1 BUSY, 2 anything else. It must say LIVE. */
static int child_checks(const char *path) {
    lnkeep_check_report *report = NULL;
    lnkeep_status status = lnkeep_check(path, &report, NULL);
    if (status == LNKEEP_BUSY) return report == NULL ? 1 : 2;
    if (status != LNKEEP_DONE) return 2;
    int sound = h_is_well_formed(report) && report->findings_len == 0;
    if (!sound && report->findings_len) fprintf(stderr, "%s\n", report->findings->fault);
    sound = sound && report->flags == LNKEEP_CHECK_LIVE && report->rows > 2;
    lnkeep_check_report_free(report);
    return sound ? 0 : 2;
}

static volatile sig_atomic_t writing_ends;

static void *write_every(void *pause_ms) {
    lnkeep_attempt_result result = h_fail("a reason that takes some room in the row");
    uint32_t forget = LNKEEP_DELETE_FORGET;
    for (uint64_t i = 0; !writing_ends; i++) {
        lnkeep_attempt_key key = h_key(500000 + i % 1000);
        lnkeep_outcome outcome;
        if (!CHECK_DONE(h_init(attempts, key.id))) break;
        if (!CHECK_DONE(h_store(attempts, key.id, result))) break;
        if (!CHECK_DONE(lnkeep_attempts_delete(attempts, &key, 1, forget, &outcome, NULL))) break;
        if (*(unsigned *)pause_ms) h_sleep_ms(*(unsigned *)pause_ms);
    }
    return NULL;
}

/* How often a check in another process answered 0, 1 and 2 while this one commits. */
static void check_beside_commits(unsigned pause_ms, unsigned checks, unsigned *answers) {
    const char *directory = h_directory();
    pthread_t writer;
    open_and_report(directory);
    h_fill(store, attempts, 20);
    writing_ends = 0;
    CHECK_EQUAL(pthread_create(&writer, NULL, write_every, &pause_ms), 0);
    for (unsigned i = 0; i < checks; i++) {
        int answer = h_run_child("child_checks", directory);
        if (CHECK(answer >= 0 && answer <= 2)) answers[answer]++;
    }
    writing_ends = 1;
    pthread_join(writer, NULL);
    CHECK_EQUAL(sound_flags(directory), LNKEEP_CHECK_LIVE);
    end();
}

static void another_process_checks_a_store_that_commits_slowly(void) {
    unsigned answers[3] = {0, 0, 0}, checks = h_rounds(10, 3);
    check_beside_commits(400, checks, answers);
    CHECK_EQUAL(answers[0], checks);
}

/* It may give up. It never takes a commit for damage. */
static void another_process_checks_a_store_that_commits_fast(void) {
    unsigned answers[3] = {0, 0, 0};
    check_beside_commits(0, h_rounds(40, 5), answers);
    CHECK_EQUAL(answers[2], 0);
    CHECK(answers[0] + answers[1] > 0);
}

/* Rows enough that a commit into memory is over long before a walk. */
static void fill_many(void) {
    static lnkeep_op ops[1000];
    static lnkeep_outcome outcomes[1000];
    for (uint64_t from = 100000; from < 105000; from += 1000) {
        for (uint64_t i = 0; i < 1000; i++) {
            memset(&ops[i], 0, sizeof ops[i]);
            ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
            ops[i].component = attempts.bits;
            ops[i].body.attempt_init = h_request(from + i);
        }
        CHECK_DONE(lnkeep_submit(store, ops, 1000, 0, outcomes, NULL));
    }
}

/* In the owner's own process a check always comes to an end, and sees one commit. */
static void the_owner_checks_while_it_commits_faster_than_a_walk(void) {
    const char *test = "the_owner_checks_while_it_commits_faster_than_a_walk";
    const char *mounted = h_mount_small(test, 128);
    unsigned pause_ms = 0, others[3] = {0, 0, 0};
    pthread_t writer;
    uint64_t last = 0;
    if (!mounted) return;
    const char *directory = h_path(mounted, "store");
    open_and_report(directory);
    fill_many();
    writing_ends = 0;
    CHECK_EQUAL(pthread_create(&writer, NULL, write_every, &pause_ms), 0);
    for (unsigned i = 0; i < h_rounds(30, 5); i++) {
        lnkeep_check_report *report = h_check_report(directory);
        if (!report) break;
        if (!CHECK_EQUAL(report->findings_len, 0)) fprintf(stderr, "%s\n", report->findings->fault);
        CHECK_EQUAL(report->flags, LNKEEP_CHECK_LIVE);
        CHECK(report->commit_number >= last);
        last = report->commit_number;
        lnkeep_check_report_free(report);
        int answer = h_run_child("child_checks", directory);
        if (CHECK(answer >= 0 && answer <= 2)) others[answer]++;
    }
    writing_ends = 1;
    pthread_join(writer, NULL);
    CHECK_EQUAL(others[2], 0);
    end();
    h_unmount(mounted);
}

static int child_writes_for_ever(const char *directory) {
    open_and_report(directory);
    h_fill(store, attempts, 2);
    CHECK(h_write_file(h_path(directory, "notes"), (const uint8_t *)"x", 1));
    for (uint64_t id = 1000;; id++) {
        if (h_init(attempts, id) != LNKEEP_DONE) return 1;
    }
}

static void a_killed_owner_leaves_a_sound_store_that_did_not_end_cleanly(void) {
    const char *directory = h_directory();
    pid_t child = h_spawn("child_writes_for_ever", directory);
    for (int waited = 0; waited < 20000; waited++) {
        if (access(h_path(directory, "notes"), F_OK) == 0) break;
        h_sleep_ms(1);
    }
    h_sleep_ms(20);
    kill(child, SIGKILL);
    CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
    CHECK_EQUAL(sound_flags(directory), 0);
    /* Looking at it repairs nothing and hides nothing. */
    CHECK_EQUAL(sound_flags(directory), 0);
    CHECK(open_and_report(directory).flags & LNKEEP_REPORT_UNCLEAN);
    CHECK_EQUAL(sound_flags(directory), LNKEEP_CHECK_LIVE);
    end();
    CHECK_EQUAL(sound_flags(directory), LNKEEP_CHECK_ENDED_CLEANLY);
}

static void a_copy_is_one_from_its_open_to_its_acknowledgement(void) {
    const char *copy = h_copy_store(filled_store(1));
    CHECK_EQUAL(sound_flags(copy), LNKEEP_CHECK_ENDED_CLEANLY);
    CHECK(open_and_report(copy).flags & LNKEEP_REPORT_COPIED);
    CHECK_EQUAL(sound_flags(copy), LNKEEP_CHECK_LIVE | LNKEEP_CHECK_COPIED);
    lnkeep_id_floor floors[3];
    memset(floors, 0, sizeof floors);
    for (uint8_t i = 0; i < 3; i++) {
        floors[i].namespace_bytes[15] = i;
        floors[i].id_floor = 1000;
    }
    CHECK_DONE(lnkeep_attempts_acknowledge_restore(attempts, floors, 3, NULL));
    CHECK_EQUAL(sound_flags(copy), LNKEEP_CHECK_LIVE);
    end();
}

/* A file that gives no figures: the report says so and holds zeros. */
static void check_unreadable(const char *file) {
    lnkeep_check_report *report = h_check_report(file);
    if (!report) return;
    CHECK_EQUAL(report->flags, LNKEEP_CHECK_UNUSABLE);
    CHECK(report->findings_len > 0);
    CHECK_EQUAL(report->epoch | report->commit_number | report->rows | report->pages, 0);
    CHECK_EQUAL(report->unix_ms | report->block_height | report->store_id[0], 0);
    lnkeep_check_report_free(report);
}

static void any_bytes_are_a_report(void) {
    static const size_t lengths[] = {0, 1, 40, 151, 152, 4096, 4248, 8192, 100000};
    static uint8_t bytes[100000];
    uint32_t dice = 1;
    const char *directory = h_directory(), *file = h_path(directory, "data.mdb");
    for (int kind = 0; kind < 3; kind++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            dice = dice * 1664525u + 1013904223u;
            bytes[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (uint8_t)(dice >> 24);
        }
        for (size_t i = 0; i < H_COUNT(lengths); i++) {
            CHECK(h_write_file(file, bytes, lengths[i]));
            check_unreadable(file);
            check_unreadable(directory);
        }
    }
    CHECK_EQUAL(unlink(file), 0);
    CHECK_EQUAL(mkdir(file, 0700), 0);
    check_unreadable(directory);
}

static void a_truncated_file_is_unusable(void) {
    image of = image_of(filled_store(10));
    CHECK(of.pages > 10);
    for (size_t pages = 0; pages < of.pages; pages++) {
        size_t len = pages * PAGE + pages % 3 * 1000;
        CHECK_EQUAL(truncate(of.file, (off_t)len), 0);
        check_unreadable(of.directory);
    }
    CHECK(h_write_file(of.file, of.bytes, of.len));
    CHECK_EQUAL(sound_flags(of.directory), LNKEEP_CHECK_ENDED_CLEANLY);
    free(of.bytes);
}

enum { DAMAGES = 6 };

/* Damages a page in one of several ways. */
static void damage_page(uint8_t *page, const image *of, size_t number, unsigned kind) {
    uint32_t dice = (uint32_t)(number * DAMAGES + kind) * 2654435761u;
    switch (kind) {
    case 0: memset(page, 0, PAGE); break;
    case 1: memset(page, 0xff, PAGE); break;
    case 2: page[(dice >> 8) % 64] ^= (uint8_t)(1u << (dice & 7)); break;
    case 3: memcpy(page, of->bytes + (dice >> 8) % of->pages * PAGE, PAGE); break;
    case 4:
        for (int i = 0; i < 16; i++) {
            dice = dice * 1664525u + 1013904223u;
            page[dice >> 20] ^= (uint8_t)(dice >> 8 | 1);
        }
        break;
    default: page[dice >> 20] ^= (uint8_t)(1u << (dice & 7)); break;
    }
}

static lnkeep_status try_open(const char *directory) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store opened = LNKEEP_STORE_NONE;
    options.flags = LNKEEP_STORE_VERIFY;
    lnkeep_status status = lnkeep_store_open(directory, &options, &opened, NULL, NULL);
    if (status == LNKEEP_DONE) h_close(&opened);
    return status;
}

/* An open that looks at everything comes to the same verdict. */
static void check_open_agrees(const image *of, uint32_t flags) {
    const char *copy = h_directory(), *file = h_path(copy, "data.mdb");
    uint8_t *bytes, *after;
    size_t len, after_len;
    CHECK(h_read_file(of->file, &bytes, &len));
    CHECK(h_write_file(file, bytes, len));
    if (flags & LNKEEP_CHECK_UNUSABLE) {
        CHECK_STATUS(try_open(copy), LNKEEP_CORRUPT_STORE);
        CHECK(h_read_file(file, &after, &after_len));
        CHECK(len == after_len && memcmp(bytes, after, len) == 0);
        free(after);
    } else {
        CHECK_DONE(try_open(copy));
    }
    free(bytes);
    h_remove(copy);
}

/* Every page, in use or free, the meta pages too. */
static void no_damage_ends_the_process_and_the_open_agrees(void) {
    image of = image_of(filled_store(h_rounds(40, 4)));
    unsigned unusable = 0, row_only = 0, sound = 0, every = h_rounds(11, 23);
    for (size_t number = 0; number < of.pages; number++) {
        for (unsigned kind = 0; kind < DAMAGES; kind++) {
            uint8_t page[PAGE];
            memcpy(page, of.bytes + number * PAGE, PAGE);
            damage_page(page, &of, number, kind);
            patch(&of, number * PAGE, page, PAGE);
            lnkeep_check_report *report = h_check_report(of.directory);
            if (!report) return;
            uint32_t flags = report->flags;
            if (flags & LNKEEP_CHECK_UNUSABLE) unusable++;
            else if (report->findings_len) row_only++;
            else sound++;
            lnkeep_check_report_free(report);
            if ((number * DAMAGES + kind) % every == 0) check_open_agrees(&of, flags);
            patch(&of, number * PAGE, of.bytes + number * PAGE, PAGE);
        }
    }
    /* Otherwise this showed nothing. */
    CHECK(unusable > of.pages && row_only > 0 && sound > 0);
    CHECK_EQUAL(sound_flags(of.directory), LNKEEP_CHECK_ENDED_CLEANLY);
    free(of.bytes);
}

static int state_in(uint8_t name_space, uint64_t id) {
    lnkeep_attempt_key key = h_key_in(name_space, id);
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(attempts, &key, &attempt, NULL);
    int state = status == LNKEEP_DONE ? (int)attempt->state : status;
    lnkeep_attempt_free(attempt);
    return state;
}

/* What no finding tells of reads as it was written. */
static void a_flipped_bit_is_found_or_harmless(void) {
    image of = image_of(filled_store(2));
    unsigned harmless = 0, rounds = h_rounds(40, 4);
    uint32_t dice = 7;
    for (unsigned tries = 0; harmless < rounds && tries < rounds * 50; tries++) {
        dice = dice * 1664525u + 1013904223u;
        size_t at = 2 * PAGE + dice % (of.len - 2 * PAGE);
        uint8_t flipped = of.bytes[at] ^ (uint8_t)(1u << (tries & 7));
        patch(&of, at, &flipped, 1);
        lnkeep_check_report *report = h_check_report(of.directory);
        size_t findings = report ? report->findings_len : 1;
        lnkeep_check_report_free(report);
        if (findings == 0) {
            harmless++;
            const char *copy = h_copy_store(of.directory);
            open_and_report(copy);
            for (uint64_t id = 1; id <= 16; id++) {
                static const int states[] = {LNKEEP_STATE_INTENT,  LNKEEP_STATE_HANDED_OFF,
                                             LNKEEP_STATE_SETTLED, LNKEEP_STATE_SETTLED,
                                             LNKEEP_STATE_FAILED,  LNKEEP_STATE_FAILED,
                                             LNKEEP_STATE_FAILED,  LNKEEP_DELETED};
                CHECK_EQUAL(state_in((uint8_t)(id % 3), id), states[id % 8]);
            }
            end();
            h_remove(copy);
        }
        patch(&of, at, &of.bytes[at], 1);
    }
    CHECK_EQUAL(harmless, rounds);
    free(of.bytes);
}

/* Registers an attempt whose row holds a pattern, and damages that row on the disk. */
static const char *store_with_a_damaged_row(uint64_t id) {
    const char *directory = h_directory();
    lnkeep_attempt_request request = h_request(id);
    request.key = h_key_in(9, id);
    request.present = LNKEEP_HAS_FINGERPRINT;
    memcpy(request.fingerprint, "row-of-the-check-in-the-c-tests!", 32);
    open_and_report(directory);
    for (uint64_t other = 1; other <= 50; other++) CHECK_DONE(h_init(attempts, other));
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    end();
    CHECK(h_damage(directory, request.fingerprint, 32) > 0);
    return directory;
}

static void a_damaged_row_is_named_and_bars_nobody(void) {
    const char *directory = store_with_a_damaged_row(0x0102030405060708u);
    static const uint8_t key[24] = {[15] = 9, [16] = 1, 2, 3, 4, 5, 6, 7, 8};
    lnkeep_check_report *report = h_check_report(directory);
    unsigned named = 0;
    if (!report) return;
    CHECK_EQUAL(report->flags, LNKEEP_CHECK_ENDED_CLEANLY);
    const uint8_t *at = (const uint8_t *)report->findings;
    for (size_t i = 0; i < report->findings_len; i++, at += report->stride) {
        const lnkeep_finding *finding = (const lnkeep_finding *)(const void *)at;
        CHECK_EQUAL(finding->flags, LNKEEP_FINDING_ROW_ONLY);
        if (strcmp(finding->table, "attempts") != 0) continue;
        named++;
        CHECK(finding->page > 1 && finding->page < report->pages);
        CHECK(finding->key.len == 24 && memcmp(finding->key.ptr, key, 24) == 0);
    }
    CHECK_EQUAL(named, 1);
    lnkeep_check_report_free(report);
    CHECK_DONE(try_open(directory));
    open_and_report(directory);
    CHECK_EQUAL(state_in(9, 0x0102030405060708u), LNKEEP_CORRUPT_RECORD);
    CHECK_EQUAL(state_in(0, 50), LNKEEP_STATE_INTENT);
    /* And the way out of it leaves a sound store. */
    lnkeep_attempt_key damaged = h_key_in(9, 0x0102030405060708u);
    CHECK_DONE(lnkeep_attempts_quarantine(attempts, &damaged, NULL, NULL));
    CHECK_EQUAL(sound_flags(directory), LNKEEP_CHECK_LIVE);
    end();
}

/* One finding that says this, and a store that is refused for it. */
static void check_unusable_because(const char *directory, const char *fault) {
    lnkeep_check_report *report = h_check_report(directory);
    unsigned told = 0;
    if (!report) return;
    CHECK(report->flags & LNKEEP_CHECK_UNUSABLE);
    const uint8_t *at = (const uint8_t *)report->findings;
    for (size_t i = 0; i < report->findings_len; i++, at += report->stride) {
        told += strstr(((const lnkeep_finding *)(const void *)at)->fault, fault) != NULL;
    }
    CHECK_EQUAL(told, 1);
    lnkeep_check_report_free(report);
    CHECK_STATUS(try_open(directory), LNKEEP_CORRUPT_STORE);
}

/* As a write that the disk lost would leave it: every checksum is right, and the content is not. */
static void a_row_with_a_right_checksum_and_another_content_is_found(void) {
    const char *directory = h_directory();
    static const uint8_t key[24] = {[15] = 3, [16] = 8, 7, 6, 5, 4, 3, 2, 1}, head[3] = {4, 1, 0};
    lnkeep_attempt_request request = h_request(0x0807060504030201u);
    request.key.namespace_bytes[15] = 3;
    open_and_report(directory);
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    end();
    image of = image_of(directory);
    unsigned changed = 0;
    uint32_t start = h_crc32c(h_crc32c(0, head, 3), key, 24);
    for (size_t at = 2 * PAGE + 8; of.bytes && at + 24 + 6 + 48 < of.len; at++) {
        uint8_t *row = of.bytes + at + 24;
        /* The length of the value stands before its key, and its checksum says that it is one. */
        size_t len = of.bytes[at - 8] | (size_t)of.bytes[at - 7] << 8;
        uint32_t crc;
        memcpy(&crc, row + 2, 4);
        if (memcmp(of.bytes + at, key, 24) != 0 || len < 6 + 48 || len > PAGE / 2) continue;
        if (at + 24 + len > of.len || crc != h_crc32c(start, row + 6, len - 6)) continue;
        row[6 + 32] ^= 1; /* the amount */
        crc = h_crc32c(start, row + 6, len - 6);
        memcpy(row + 2, &crc, 4);
        changed++;
    }
    CHECK(changed > 0 && h_write_file(of.file, of.bytes, of.len));
    free(of.bytes);
    check_unusable_because(directory, "digest");
}

/* A page that nothing uses and no list of free pages names is space that is gone for good. */
static void a_lost_page_is_found(void) {
    image of = image_of(filled_store(10));
    if (!of.bytes) return;
    uint64_t first, second, root, count;
    memcpy(&first, of.bytes + 144, 8);
    memcpy(&second, of.bytes + PAGE + 144, 8);
    /* The tree of free pages begins in the newer meta page. */
    memcpy(&root, of.bytes + (second > first ? PAGE : 0) + 80, 8);
    if (CHECK(root < of.pages)) {
        uint8_t *page = of.bytes + root * PAGE;
        size_t node = page[16] | (size_t)page[17] << 8;
        CHECK_EQUAL(page[10] & 0x0f, 2);
        memcpy(&count, page + node + 16, 8);
        CHECK(count > 0 && count < of.pages);
        count--;
        memcpy(page + node + 16, &count, 8);
        CHECK(h_write_file(of.file, of.bytes, of.len));
        check_unusable_because(of.directory, "neither used nor free");
    }
    free(of.bytes);
}

/* The list ends, and says that it does. */
static void more_findings_than_the_list_holds_are_truncated(void) {
    const char *directory = h_directory();
    static lnkeep_op ops[1000];
    static lnkeep_outcome outcomes[1000];
    static const char pattern[] = "one-of-many-rows-with-this-text!";
    open_and_report(directory);
    for (uint64_t from = 0; from < 2000; from += 1000) {
        for (uint64_t i = 0; i < 1000; i++) {
            memset(&ops[i], 0, sizeof ops[i]);
            ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
            ops[i].component = attempts.bits;
            ops[i].body.attempt_init = h_request(from + i);
            ops[i].body.attempt_init.present = LNKEEP_HAS_FINGERPRINT;
            memcpy(ops[i].body.attempt_init.fingerprint, pattern, 32);
        }
        CHECK_DONE(lnkeep_submit(store, ops, 1000, 0, outcomes, NULL));
    }
    end();
    CHECK(h_damage(directory, (const uint8_t *)pattern, 32) >= 2000);
    lnkeep_check_report *report = h_check_report(directory);
    if (report) {
        CHECK_EQUAL(report->findings_len, 1000);
        CHECK_EQUAL(report->flags, LNKEEP_CHECK_ENDED_CLEANLY | LNKEEP_CHECK_TRUNCATED);
        lnkeep_check_report_free(report);
    }
    CHECK_DONE(try_open(directory));
}

int main(int argc, char **argv) {
    static const h_child children[] = {
        {"child_checks", child_checks},
        {"child_writes_for_ever", child_writes_for_ever},
    };
    static const h_test tests[] = {
        H_TEST(a_failed_check_leaves_the_report_alone),
        H_TEST(what_is_no_store_is_not_found),
        H_TEST(a_sound_live_store_is_reported_as_it_is),
        H_TEST(every_row_of_every_table_counts),
        H_TEST(a_closed_store_ended_cleanly),
        H_TEST(a_check_writes_nothing_and_keeps_nobody_out),
        H_TEST(another_process_checks_a_store_that_commits_slowly),
        H_TEST(another_process_checks_a_store_that_commits_fast),
        H_TEST(the_owner_checks_while_it_commits_faster_than_a_walk),
        H_TEST(a_killed_owner_leaves_a_sound_store_that_did_not_end_cleanly),
        H_TEST(a_copy_is_one_from_its_open_to_its_acknowledgement),
        H_TEST(any_bytes_are_a_report),
        H_TEST(a_truncated_file_is_unusable),
        H_TEST(no_damage_ends_the_process_and_the_open_agrees),
        H_TEST(a_flipped_bit_is_found_or_harmless),
        H_TEST(a_damaged_row_is_named_and_bars_nobody),
        H_TEST(a_row_with_a_right_checksum_and_another_content_is_found),
        H_TEST(a_lost_page_is_found),
        H_TEST(more_findings_than_the_list_holds_are_truncated),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

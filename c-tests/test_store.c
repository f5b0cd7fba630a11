/* Opening, refusing to open, closing, and what a store tells about itself. */

#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The status of an open; a store that did open is closed. */
static lnkeep_status try_open(const char *path, const lnkeep_store_options *options) {
    lnkeep_store store = {12345};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_open(path, options, &store, NULL, &err);
    CHECK_EQUAL(err.status, status);
    if (status == LNKEEP_DONE) {
        h_close(&store);
    } else {
        CHECK_EQUAL(store.bits, 0);
        CHECK(err.message[0] != 0);
    }
    return status;
}

static lnkeep_store_options with_flags(uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = flags;
    return options;
}

static lnkeep_store_report open_and_report(const char *path, const lnkeep_store_options *options) {
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_store store;
    if (CHECK_DONE(lnkeep_store_open(path, options, &store, &report, NULL))) h_close(&store);
    return report;
}

static void open_creates_and_close_releases(void) {
    const char *path = h_path(h_directory(), "new");
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    err.status = 99;
    CHECK_DONE(lnkeep_store_open(path, NULL, &store, &report, &err));
    CHECK_EQUAL(err.status, 0);
    CHECK_EQUAL(report.size, sizeof report);
    CHECK(report.flags & LNKEEP_REPORT_CREATED);
    CHECK(!(report.flags & (LNKEEP_REPORT_UNCLEAN | LNKEEP_REPORT_COPIED | LNKEEP_REPORT_RESTORED)));
    CHECK_EQUAL(lnkeep_store_is_open(store), 1);
    lnkeep_store copy = store;
    h_close(&store);
    CHECK_EQUAL(store.bits, 0);
    CHECK_EQUAL(lnkeep_store_is_open(copy), 0);
    CHECK_STATUS(lnkeep_store_close(&copy, NULL), LNKEEP_BAD_HANDLE);
    CHECK(!(open_and_report(path, NULL).flags & LNKEEP_REPORT_CREATED));
}

static void epoch_rises_and_identity_stays(void) {
    const char *path = h_directory();
    lnkeep_store_report first = open_and_report(path, NULL), second = open_and_report(path, NULL);
    CHECK_EQUAL(second.epoch, first.epoch + 1);
    CHECK(memcmp(first.store_id, second.store_id, 16) == 0);
    lnkeep_store_report other = open_and_report(h_directory(), NULL);
    CHECK(memcmp(first.store_id, other.store_id, 16) != 0);
}

static mode_t mode_of(const char *path) {
    struct stat facts;
    return stat(path, &facts) == 0 ? facts.st_mode & 07777 : 0;
}

/* A host with a loose umask must not publish its payments. */
static void files_are_private(void) {
    mode_t before = umask(0);
    const char *path = h_path(h_directory(), "store");
    lnkeep_store store = h_open(path);
    CHECK_EQUAL(mode_of(path), 0700);
    DIR *directory = opendir(path);
    unsigned files = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        files++;
        if (!CHECK_EQUAL(mode_of(h_path(path, entry->d_name)), 0600)) puts(entry->d_name);
    }
    CHECK(files >= 2);
    closedir(directory);
    h_close(&store);
    umask(before);
}

/* Descriptors above those of stdio that a program started by the host would inherit. */
static unsigned inheritable_descriptors(void) {
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        int descriptor = atoi(entry->d_name);
        if (descriptor <= 2 || descriptor == dirfd(directory)) continue;
        if (!(fcntl(descriptor, F_GETFD) & FD_CLOEXEC)) count++;
    }
    if (directory) closedir(directory);
    return count;
}

static void descriptors_are_closed_on_exec(void) {
    unsigned before = inheritable_descriptors();
    lnkeep_store store = h_open(h_directory());
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_events events;
    int descriptor;
    CHECK_DONE(lnkeep_events_open(store, h_text("x"), 0, &events, NULL));
    CHECK_DONE(lnkeep_completions_descriptor(store, &descriptor, NULL));
    CHECK_EQUAL(inheritable_descriptors(), before);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    h_close_attempts(&attempts);
    h_close(&store);
}

static unsigned open_descriptors(void) {
    unsigned count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory && readdir(directory)) count++;
    if (directory) closedir(directory);
    return count;
}

static void nothing_stays_open_after_close(void) {
    const char *path = h_directory();
    lnkeep_store store = h_open(path);
    h_close(&store);
    unsigned before = open_descriptors();
    for (unsigned i = 0; i < h_rounds(20, 3); i++) {
        store = h_open(path);
        lnkeep_attempts attempts = h_attempts(store);
        CHECK_DONE(h_init(attempts, i + 1));
        h_close(&store);
        h_close_attempts(&attempts);
    }
    CHECK_EQUAL(open_descriptors(), before);
}

static int child_tries_open(const char *path) { return try_open(path, NULL) == LNKEEP_LOCKED ? 0 : 1; }

static void a_second_open_is_locked_out(void) {
    const char *path = h_directory(), *link = h_path(h_directory(), "link");
    lnkeep_store store = h_open(path);
    CHECK_EQUAL(symlink(path, link), 0);
    CHECK_STATUS(try_open(path, NULL), LNKEEP_LOCKED);
    CHECK_STATUS(try_open(link, NULL), LNKEEP_LOCKED);
    CHECK_STATUS(try_open(h_path(path, "."), NULL), LNKEEP_LOCKED);
    CHECK_EQUAL(h_run_child("child_tries_open", path), 0);
    CHECK_EQUAL(h_run_child("child_tries_open", link), 0);
    /* The refused opens must not have taken the lock away from the owner. */
    CHECK_STATUS(try_open(path, NULL), LNKEEP_LOCKED);
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_DONE(h_init(attempts, 1));
    h_close(&store);
    h_close_attempts(&attempts);
    CHECK_DONE(try_open(link, NULL));
}

static void an_unsafe_place_is_refused_and_stays_empty(void) {
    static const mode_t modes[] = {0770, 0720, 0702, 0777, 01777};
    for (size_t i = 0; i < H_COUNT(modes); i++) {
        const char *path = h_directory();
        CHECK_EQUAL(chmod(path, modes[i]), 0);
        CHECK_STATUS(try_open(path, NULL), LNKEEP_UNSAFE_PLACE);
        CHECK(access(h_path(path, "data.mdb"), F_OK) != 0);
        CHECK(access(h_path(path, "owner.lock"), F_OK) != 0);
    }
    const char *file = h_path(h_directory(), "file");
    CHECK(h_write_file(file, (const uint8_t *)"x", 1));
    CHECK_STATUS(try_open(file, NULL), LNKEEP_UNSAFE_PLACE);
    const char *readable = h_directory();
    CHECK_EQUAL(chmod(readable, 0755), 0);
    CHECK_DONE(try_open(readable, NULL));
}

static void another_owner_is_refused(void) {
    const char *path = h_directory();
    if (geteuid() != 0 || chown(path, 12345, 12345) != 0) {
        h_skip("another_owner_is_refused", "only root can give a directory away");
        return;
    }
    CHECK_STATUS(try_open(path, NULL), LNKEEP_UNSAFE_PLACE);
}

/* The directory was looked at and its files were not: whoever may write to data.mdb changes what was paid. A
 * copy made by cp, which others may read, is opened as before. */
static void files_that_others_may_write_to_are_refused(void) {
    static const char *const names[] = {"data.mdb", "owner.lock", "lock.mdb"};
    static const mode_t refused[] = {0620, 0602, 0666}, taken[] = {0644, 0600};
    const char *path = h_directory();
    CHECK_DONE(try_open(path, NULL));
    for (size_t i = 0; i < H_COUNT(names); i++) {
        const char *file = h_path(path, names[i]);
        for (size_t m = 0; m < H_COUNT(refused); m++) {
            CHECK_EQUAL(chmod(file, refused[m]), 0);
            CHECK_STATUS(try_open(path, NULL), LNKEEP_UNSAFE_PLACE);
        }
        for (size_t m = 0; m < H_COUNT(taken); m++) {
            CHECK_EQUAL(chmod(file, taken[m]), 0);
            CHECK_DONE(try_open(path, NULL));
        }
    }
}

static void files_of_another_owner_are_refused(void) {
    static const char *const names[] = {"data.mdb", "owner.lock", "lock.mdb"};
    const char *path = h_directory();
    CHECK_DONE(try_open(path, NULL));
    for (size_t i = 0; i < H_COUNT(names); i++) {
        const char *file = h_path(path, names[i]);
        if (geteuid() != 0 || chown(file, 12345, 12345) != 0) {
            h_skip("files_of_another_owner_are_refused", "only root can give a file away");
            return;
        }
        CHECK_STATUS(try_open(path, NULL), LNKEEP_UNSAFE_PLACE);
        CHECK_EQUAL(chown(file, 0, 0), 0);
        CHECK_DONE(try_open(path, NULL));
    }
}

static void must_exist_creates_nothing(void) {
    lnkeep_store_options options = with_flags(LNKEEP_STORE_MUST_EXIST);
    const char *path = h_path(h_directory(), "missing");
    CHECK_STATUS(try_open(path, &options), LNKEEP_NOT_FOUND);
    CHECK(access(path, F_OK) != 0);
    const char *empty = h_directory();
    CHECK_STATUS(try_open(empty, &options), LNKEEP_NOT_FOUND);
    CHECK_DONE(try_open(empty, NULL));
    CHECK_DONE(try_open(empty, &options));
    CHECK_STATUS(try_open(h_path(path, "below"), NULL), LNKEEP_NOT_FOUND);
}

static void a_store_may_be_verified_at_every_open(void) {
    lnkeep_store_options options = with_flags(LNKEEP_STORE_VERIFY);
    const char *path = h_directory();
    CHECK_DONE(try_open(path, &options));
    CHECK_DONE(try_open(path, &options));
}

static void a_mode_is_kept_until_converted(void) {
    lnkeep_store_options compat = with_flags(LNKEEP_STORE_LND_COMPAT);
    lnkeep_store_options convert = with_flags(LNKEEP_STORE_CONVERT);
    const char *path = h_directory();
    CHECK_DONE(try_open(path, NULL));
    CHECK_STATUS(try_open(path, &compat), LNKEEP_WRONG_MODE);
    compat.flags |= LNKEEP_STORE_CONVERT;
    CHECK_DONE(try_open(path, &compat));
    CHECK_STATUS(try_open(path, NULL), LNKEEP_WRONG_MODE);
    CHECK_DONE(try_open(path, &convert));
    CHECK_DONE(try_open(path, NULL));
}

static void an_older_or_another_store_is_rolled_back(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    const char *path = h_directory();
    lnkeep_store_report report = open_and_report(path, NULL);
    options.epoch_min = report.epoch;
    CHECK_DONE(try_open(path, &options));
    options.epoch_min = report.epoch + 2;
    CHECK_STATUS(try_open(path, &options), LNKEEP_ROLLED_BACK);
    options = with_flags(LNKEEP_STORE_EXPECT_ID);
    memcpy(options.expected_store_id, report.store_id, 16);
    CHECK_DONE(try_open(path, &options));
    options.expected_store_id[7] ^= 1;
    CHECK_STATUS(try_open(path, &options), LNKEEP_ROLLED_BACK);
    /* Without the flag the field is not read. */
    options.flags = 0;
    CHECK_DONE(try_open(path, &options));
}

static void a_seed_makes_the_identity_repeatable(void) {
    lnkeep_store_options options = with_flags(LNKEEP_STORE_SEEDED);
    memset(options.seed, 7, sizeof options.seed);
    lnkeep_store_report one = open_and_report(h_directory(), &options);
    lnkeep_store_report same = open_and_report(h_directory(), &options);
    options.seed[0] = 8;
    lnkeep_store_report other = open_and_report(h_directory(), &options);
    CHECK(memcmp(one.store_id, same.store_id, 16) == 0);
    CHECK(memcmp(one.store_id, other.store_id, 16) != 0);
}

/* A closed store with some records, to be damaged. */
static const char *filled_store(void) {
    const char *path = h_directory();
    lnkeep_store store = h_open(path);
    lnkeep_attempts attempts = h_attempts(store);
    for (uint64_t id = 1; id <= 100; id++) CHECK_DONE(h_init(attempts, id));
    h_close_attempts(&attempts);
    h_close(&store);
    return path;
}

static void check_corrupt(const char *path) {
    uint8_t *before, *after;
    size_t before_len, after_len;
    const char *file = h_path(path, "data.mdb");
    int had_file = h_read_file(file, &before, &before_len);
    CHECK_STATUS(try_open(path, NULL), LNKEEP_CORRUPT_STORE);
    CHECK_EQUAL(h_read_file(file, &after, &after_len), had_file);
    /* Nothing may be written into a store that is damaged. */
    CHECK(!had_file || (before_len == after_len && memcmp(before, after, after_len) == 0));
    free(before);
    free(after);
}

static void truncated_files_are_corrupt(void) {
    static const long lengths[] = {0, 1, 100, 4096, 4200, 8191, 8192, 12288, 16384};
    for (size_t i = 0; i < H_COUNT(lengths); i++) {
        const char *path = filled_store();
        CHECK_EQUAL(truncate(h_path(path, "data.mdb"), lengths[i]), 0);
        check_corrupt(path);
    }
}

static void garbage_is_corrupt(void) {
    uint8_t *garbage = (uint8_t *)malloc(100000);
    for (size_t i = 0; i < 100000; i++) garbage[i] = (uint8_t)(i * 2654435761u >> 13);
    const char *path = filled_store();
    CHECK(h_write_file(h_path(path, "data.mdb"), garbage, 100000));
    check_corrupt(path);
    /* Both meta pages well formed and everything behind them gone. */
    path = filled_store();
    FILE *file = fopen(h_path(path, "data.mdb"), "r+b");
    struct stat facts;
    if (CHECK(file != NULL && fstat(fileno(file), &facts) == 0)) {
        fseek(file, 8192, SEEK_SET);
        for (long at = 8192; at < (long)facts.st_size; at += 4096) fwrite(garbage, 1, 4096, file);
        fclose(file);
        check_corrupt(path);
    }
    free(garbage);
}

/* An empty store in the place of a lost one would forget every attempt. */
static void a_missing_data_file_is_corrupt(void) {
    const char *path = filled_store();
    CHECK_EQUAL(unlink(h_path(path, "data.mdb")), 0);
    check_corrupt(path);
    check_corrupt(path);
}

static void another_abi_is_refused(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    const char *path = h_path(h_directory(), "store");
    options.abi_version = LNKEEP_ABI_VERSION + 1;
    CHECK_STATUS(try_open(path, &options), LNKEEP_ABI_MISMATCH);
    options.abi_version = 0;
    CHECK_STATUS(try_open(path, &options), LNKEEP_ABI_MISMATCH);
    CHECK(access(path, F_OK) != 0);
}

static void time_only_rises_and_survives(void) {
    const char *path = h_directory();
    lnkeep_store store = h_open(path);
    CHECK_DONE(lnkeep_store_tick(store, 5000, 70, NULL));
    CHECK_DONE(lnkeep_store_tick(store, 4000, 69, NULL));
    CHECK_DONE(lnkeep_store_tick(store, 0, 0, NULL));
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_DONE(h_init(attempts, 1));
    h_close_attempts(&attempts);
    h_close(&store);
    lnkeep_store_report report = open_and_report(path, NULL);
    CHECK_EQUAL(report.unix_ms, 5000);
    CHECK_EQUAL(report.block_height, 70);
}

static void stats_count(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.map_bytes = 1 << 20;
    options.map_bytes_max = 64 << 20;
    lnkeep_store store = h_open_with(h_directory(), &options);
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_stats before = LNKEEP_STATS_INIT, after = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &before, NULL));
    CHECK_DONE(h_init(attempts, 1));
    CHECK_STATUS(h_init(attempts, 1), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(h_store(attempts, 1, h_settle(1)), LNKEEP_DONE);
    CHECK_STATUS(h_store(attempts, 1, h_settle(2)), LNKEEP_CONFLICT);
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_DONE(lnkeep_store_stats(store, &after, NULL));
    CHECK_EQUAL(after.size, sizeof after);
    CHECK_EQUAL(after.operations - before.operations, 3);
    CHECK_EQUAL(after.operations_refused - before.operations_refused, 1);
    CHECK(after.commits > before.commits && after.commit_number > before.commit_number);
    CHECK(after.commit_p50_ns > 0 && after.commit_p50_ns <= after.commit_p99_ns);
    CHECK(after.commit_max_ns > 0);
    CHECK(after.page_bytes >= 4096 && after.pages_used > 2);
    CHECK(after.allocated_bytes >= after.pages_used * after.page_bytes);
    CHECK_EQUAL(after.map_bytes_max, 64 << 20);
    CHECK_EQUAL(after.queue_depth, 0);
    CHECK_EQUAL(after.flags | after.reserved, 0);
    h_close_attempts(&attempts);
    h_close(&store);
}

/* The first size of the map is no limit. */
static void the_map_grows(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    static uint8_t message[60000];
    options.map_bytes = 1 << 20;
    lnkeep_store store = h_open_with(h_directory(), &options);
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_attempt_result result = h_fail("");
    result.message = h_bytes(message, sizeof message);
    for (uint64_t id = 1; id <= 100; id++) CHECK_DONE(h_store(attempts, id, result));
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    CHECK(stats.map_growths > 0 && stats.map_bytes > 1 << 20);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_FAILED);
    h_close_attempts(&attempts);
    h_close(&store);
}

/* A map that may not grow is a full disk: nothing is lost, and room that was made is used. */
static void a_full_map_is_no_space_and_heals(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    static uint8_t message[60000];
    options.map_bytes = options.map_bytes_max = 8 << 20;
    lnkeep_store store = h_open_with(h_directory(), &options);
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_attempt_result result = h_fail("");
    result.message = h_bytes(message, sizeof message);
    uint64_t stored = 0;
    lnkeep_status status;
    while ((status = h_store(attempts, stored + 1, result)) == LNKEEP_DONE && stored < 200) stored++;
    CHECK_STATUS(status, LNKEEP_NO_SPACE);
    CHECK(stored > 80 && stored < 140);
    CHECK_STATUS(h_init(attempts, 1000), LNKEEP_NO_SPACE);
    CHECK_STATUS(h_state(attempts, stored + 1), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(h_state(attempts, stored), LNKEEP_STATE_FAILED);
    lnkeep_attempt_key keys[60];
    lnkeep_outcome outcomes[60];
    for (uint64_t i = 0; i < 60; i++) keys[i] = h_key(i + 1);
    CHECK_DONE(lnkeep_attempts_delete(attempts, keys, 60, LNKEEP_DELETE_FORGET, outcomes, NULL));
    CHECK_DONE(h_init(attempts, 1000));
    CHECK_DONE(h_store(attempts, 1000, result));
    h_close_attempts(&attempts);
    h_close(&store);
}

static void closed_components_say_so(void) {
    lnkeep_store store = h_open(h_directory());
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_attempts late;
    CHECK_DONE(h_init(attempts, 1));
    lnkeep_store copy = store;
    h_close(&store);
    CHECK_STATUS(h_init(attempts, 2), LNKEEP_CLOSED);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_CLOSED);
    CHECK_EQUAL(lnkeep_attempts_is_open(attempts), 1);
    CHECK_STATUS(lnkeep_attempts_open(copy, NULL, &late, NULL), LNKEEP_BAD_HANDLE);
    CHECK_EQUAL(late.bits, 0);
    CHECK_STATUS(lnkeep_store_tick(copy, 1, 1, NULL), LNKEEP_BAD_HANDLE);
    h_close_attempts(&attempts);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_tries_open", child_tries_open}};
    static const h_test tests[] = {
        H_TEST(open_creates_and_close_releases),
        H_TEST(epoch_rises_and_identity_stays),
        H_TEST(files_are_private),
        H_TEST(descriptors_are_closed_on_exec),
        H_TEST(nothing_stays_open_after_close),
        H_TEST(a_second_open_is_locked_out),
        H_TEST(an_unsafe_place_is_refused_and_stays_empty),
        H_TEST(another_owner_is_refused),
        H_TEST(files_that_others_may_write_to_are_refused),
        H_TEST(files_of_another_owner_are_refused),
        H_TEST(must_exist_creates_nothing),
        H_TEST(a_store_may_be_verified_at_every_open),
        H_TEST(a_mode_is_kept_until_converted),
        H_TEST(an_older_or_another_store_is_rolled_back),
        H_TEST(a_seed_makes_the_identity_repeatable),
        H_TEST(truncated_files_are_corrupt),
        H_TEST(garbage_is_corrupt),
        H_TEST(a_missing_data_file_is_corrupt),
        H_TEST(another_abi_is_refused),
        H_TEST(time_only_rises_and_survives),
        H_TEST(stats_count),
        H_TEST(the_map_grows),
        H_TEST(a_full_map_is_no_space_and_heals),
        H_TEST(closed_components_say_so),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

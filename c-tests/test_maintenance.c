/* Backup and restore: what is acknowledged is in them, and a failure leaves nothing. */

#define _GNU_SOURCE
#include "maintenance.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static unsigned entries_of(const char *directory) {
    unsigned count = 0;
    DIR *entries = opendir(directory);
    while (entries && readdir(entries)) count++;
    if (entries) closedir(entries);
    return count - 2;
}

/* Whether a directory was left as if nothing had been restored into it. */
static void check_no_store(const char *directory) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store none = LNKEEP_STORE_NONE;
    CHECK(!is_there(h_path(directory, "data.mdb")));
    options.flags = LNKEEP_STORE_MUST_EXIST;
    lnkeep_status status = lnkeep_store_open(directory, &options, &none, NULL, NULL);
    CHECK_STATUS(status, LNKEEP_NOT_FOUND);
}

static lnkeep_status acknowledge(uint64_t id_floor) {
    lnkeep_id_floor floors[3];
    memset(floors, 0, sizeof floors);
    for (uint8_t i = 0; i < 3; i++) {
        floors[i].namespace_bytes[15] = i;
        floors[i].id_floor = id_floor;
    }
    return lnkeep_attempts_acknowledge_restore(attempts, floors, 3, NULL);
}

static lnkeep_status backup(const char *path) {
    lnkeep_check_report *report = UNTOUCHED;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_backup(store, path, &report, &err);
    return check_answer(status, &err, report);
}

static void a_failure_leaves_the_report_alone_and_tells_the_error(void) {
    const char *directory = filled_store(1), *target = h_path(h_directory(), "target");
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_check_report *report = UNTOUCHED;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    CHECK_STATUS(restore("", target), bad);
    CHECK_STATUS(restore(directory, ""), bad);
    CHECK_STATUS(restore(NULL, target), bad);
    CHECK_STATUS(restore(directory, NULL), bad);
    CHECK_STATUS(lnkeep_store_restore(directory, target, 1, &report, &err), bad);
    CHECK(report == UNTOUCHED);
    CHECK_EQUAL(err.status, bad);
    open_with(directory, 0);
    CHECK_STATUS(backup(""), bad);
    CHECK_STATUS(backup(NULL), bad);
    CHECK_STATUS(backup(".."), LNKEEP_TARGET_EXISTS);
    CHECK(backup(h_path(h_directory(), "missing/..")) < 0);
    /* What is not wanted need not be given. */
    CHECK_DONE(lnkeep_store_backup(store, target, NULL, NULL));
    lnkeep_store copy = store;
    end();
    CHECK_DONE(lnkeep_store_restore(target, h_path(h_directory(), "new"), 0, NULL, NULL));
    report = UNTOUCHED;
    const char *late = h_path(h_directory(), "late");
    CHECK_STATUS(lnkeep_store_backup(copy, late, &report, &err), LNKEEP_BAD_HANDLE);
    CHECK(report == UNTOUCHED && !is_there(late));
    CHECK_EQUAL(err.status, LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_store_backup(LNKEEP_STORE_NONE, late, NULL, NULL), LNKEEP_BAD_HANDLE);
    CHECK(!is_there(late));
}

static volatile int writing_ends;
/* Each writer's last acknowledged id. */
static uint64_t written[4];

static void *write_on(void *own) {
    uint64_t *last = (uint64_t *)own, writer = (uint64_t)(last - written);
    while (!__atomic_load_n(&writing_ends, __ATOMIC_RELAXED)) {
        uint64_t id = *last + 1;
        lnkeep_attempt_request request = h_request(id);
        request.key = h_key_in((uint8_t)(10 + writer), id);
        CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
        if (id % 2) {
            lnkeep_attempt_result result = h_fail("failed");
            lnkeep_attempt_key key = request.key;
            CHECK_DONE(lnkeep_attempts_store_result(attempts, &key, &result, NULL, NULL));
        }
        __atomic_store_n(last, id, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* Restores a backup and looks for what had been acknowledged before it began. */
static void check_holds(const char *file, const uint64_t *acknowledged) {
    const char *directory = h_directory();
    CHECK_DONE(restore(file, directory));
    open_with(directory, 0);
    for (uint8_t writer = 0; writer < 4; writer++) {
        for (uint64_t id = 1; id <= acknowledged[writer]; id++) {
            lnkeep_attempt_key key = h_key_in((uint8_t)(10 + writer), id);
            lnkeep_attempt *attempt = NULL;
            if (!CHECK_DONE(lnkeep_attempts_get(attempts, &key, &attempt, NULL))) break;
            CHECK_EQUAL(attempt->state, id % 2 ? LNKEEP_STATE_FAILED : LNKEEP_STATE_INTENT);
            lnkeep_attempt_free(attempt);
        }
    }
    end();
}

/* Until each writer has begun and ended an attempt since the call. */
static void wait_for_writers(uint64_t *acknowledged) {
    for (int i = 0; i < 4; i++) {
        uint64_t now = __atomic_load_n(&written[i], __ATOMIC_ACQUIRE);
        acknowledged[i] = now;
        for (int waited = 0; acknowledged[i] < now + 2 && waited < 60000; waited++) {
            h_sleep_ms(1);
            acknowledged[i] = __atomic_load_n(&written[i], __ATOMIC_ACQUIRE);
        }
        CHECK(acknowledged[i] >= now + 2);
    }
}

static void a_backup_beside_writers_holds_what_was_acknowledged_before(void) {
    const char *directory = h_directory(), *targets = h_directory();
    pthread_t writers[4];
    uint64_t acknowledged[4] = {0, 0, 0, 0}, commit = 0;
    open_with(directory, 0);
    h_fill(store, attempts, 5);
    memset(written, 0, sizeof written);
    writing_ends = 0;
    for (int i = 0; i < 4; i++) pthread_create(&writers[i], NULL, write_on, &written[i]);
    for (unsigned round = 0; round < h_rounds(8, 2); round++) {
        char name[32];
        lnkeep_check_report *report = NULL;
        struct stat facts;
        snprintf(name, sizeof name, "backup-%u", round);
        const char *file = h_path(targets, name);
        wait_for_writers(acknowledged);
        if (!CHECK_DONE(lnkeep_store_backup(store, file, &report, NULL))) break;
        CHECK_EQUAL(report->findings_len | report->flags, 0);
        CHECK(report->commit_number > commit);
        commit = report->commit_number;
        CHECK_EQUAL(stat(file, &facts), 0);
        CHECK_EQUAL(report->file_bytes, facts.st_size);
        CHECK_EQUAL(report->pages * report->page_bytes, facts.st_size);
        lnkeep_check_report_free(report);
        CHECK_EQUAL(entries_of(targets), round + 1);
    }
    __atomic_store_n(&writing_ends, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) pthread_join(writers[i], NULL);
    end();
    check_sound(h_path(targets, "backup-1"), 0);
    check_holds(h_path(targets, h_is_valgrind() ? "backup-1" : "backup-7"), acknowledged);
}

static void a_backup_overwrites_nothing(void) {
    const char *targets = h_directory(), *file = h_path(targets, "file");
    const char *link = h_path(targets, "link"), *directory = h_path(targets, "directory");
    CHECK(h_write_file(file, (const uint8_t *)"precious", 8));
    CHECK_EQUAL(symlink("nowhere", link), 0);
    CHECK_EQUAL(mkdir(directory, 0700), 0);
    open_with(h_directory(), 0);
    CHECK_STATUS(backup(file), LNKEEP_TARGET_EXISTS);
    CHECK_STATUS(backup(link), LNKEEP_TARGET_EXISTS);
    CHECK_STATUS(backup(directory), LNKEEP_TARGET_EXISTS);
    dump kept = dump_file(file);
    CHECK(kept.len == 8 && memcmp(kept.bytes, "precious", 8) == 0);
    free(kept.bytes);
    CHECK_EQUAL(entries_of(targets), 3);
    CHECK_EQUAL(entries_of(directory), 0);
    end();
}

static void a_backup_without_a_place_leaves_nothing(void) {
    const char *targets = h_directory(), *file = h_path(targets, "file");
    open_with(h_directory(), 0);
    CHECK_STATUS(backup(h_path(targets, "missing/backup")), LNKEEP_NOT_FOUND);
    CHECK(h_write_file(file, (const uint8_t *)"x", 1));
    CHECK_STATUS(backup(h_path(file, "backup")), LNKEEP_UNSAFE_PLACE);
    char long_name[300];
    memset(long_name, 'n', sizeof long_name);
    long_name[250] = 0;
    /* The name would fit, the unfinished one does not. */
    CHECK(backup(h_path(targets, long_name)) < 0);
    CHECK(backup(h_path(targets, "new/")) < 0);
    CHECK_EQUAL(entries_of(targets), 1);
    CHECK_DONE(h_init(attempts, 1));
    CHECK_DONE(backup(h_path(targets, "backup")));
    CHECK_EQUAL(entries_of(targets), 2);
    end();
}

static void a_backup_is_private(void) {
    struct stat facts;
    mode_t before = umask(0);
    const char *targets = h_directory(), *file = h_path(targets, "backup");
    open_with(h_directory(), 0);
    CHECK_DONE(backup(file));
    umask(before);
    CHECK_EQUAL(stat(file, &facts), 0);
    CHECK_EQUAL(facts.st_mode & 07777, 0600);
    CHECK_EQUAL(entries_of(targets), 1);
    end();
}

static void a_backup_may_have_a_relative_path(void) {
    const char *targets = h_directory();
    char *before = getcwd(NULL, 0);
    open_with(h_directory(), 0);
    if (CHECK_EQUAL(chdir(targets), 0)) {
        CHECK_DONE(backup("backup"));
        CHECK_DONE(restore("backup", "restored"));
        check_sound("restored", LNKEEP_CHECK_ENDED_CLEANLY | LNKEEP_CHECK_RESTORED);
        CHECK_EQUAL(chdir(before), 0);
    }
    CHECK_EQUAL(entries_of(targets), 2);
    free(before);
    end();
}

/* Nothing beside the target is taken over, whoever made it: neither a finished backup of that name nor a
 * link that leads elsewhere. */
static void a_backup_touches_nothing_beside_it(void) {
    const char *targets = h_directory(), *file = h_path(targets, "backup");
    const char *other = h_path(targets, "other"), *partial = h_path(targets, "backup.partial");
    CHECK(h_write_file(other, (const uint8_t *)"precious", 8));
    CHECK_EQUAL(symlink(other, partial), 0);
    open_with(h_directory(), 0);
    CHECK_DONE(backup(file));
    end();
    check_sound(file, 0);
    dump kept = dump_file(other);
    CHECK(kept.len == 8 && memcmp(kept.bytes, "precious", 8) == 0);
    free(kept.bytes);
    CHECK_EQUAL(entries_of(targets), 3);
}

static void a_backup_does_not_lie_in_the_store(void) {
    const char *directory = h_directory();
    open_with(directory, 0);
    unsigned before = (unsigned)entries_of(directory);
    CHECK_STATUS(backup(h_path(directory, "creating")), LNKEEP_UNSAFE_PLACE);
    CHECK_EQUAL(entries_of(directory), before);
    end();
}

/* Put in place by hand, it must not pass for the store it was made of. */
static void a_backup_over_its_own_store_is_a_copy(void) {
    const char *directory = filled_store(1);
    dump bytes = dump_file(backup_of(directory));
    CHECK(h_write_file(h_path(directory, "data.mdb"), bytes.bytes, bytes.len));
    free(bytes.bytes);
    CHECK(open_with(directory, 0) & LNKEEP_REPORT_COPIED);
    CHECK_STATUS(h_init(attempts, 5000), LNKEEP_NOT_ACKNOWLEDGED);
    end();
}

static unsigned findings_in(const lnkeep_check_report *report, const char *table) {
    const uint8_t *at = (const uint8_t *)report->findings;
    unsigned found = 0;
    for (size_t i = 0; i < report->findings_len; i++, at += report->stride) {
        const lnkeep_finding *finding = (const lnkeep_finding *)(const void *)at;
        found += strcmp(finding->table, table) == 0;
    }
    return found;
}

/* Whoever wants a backup of a damaged store gets one, and is told. */
static void a_damaged_row_is_copied_and_reported(void) {
    static const char reason[] = "the reason of the row that is damaged";
    const char *directory = h_directory(), *file = h_path(h_directory(), "backup");
    lnkeep_check_report *report = NULL;
    open_with(directory, 0);
    CHECK_DONE(h_store(attempts, 1, h_fail(reason)));
    CHECK_DONE(h_init(attempts, 2));
    end();
    CHECK(h_damage(directory, (const uint8_t *)reason, sizeof reason - 1) > 0);
    open_with(directory, 0);
    if (CHECK_DONE(lnkeep_store_backup(store, file, &report, NULL))) {
        h_is_well_formed(report);
        CHECK_EQUAL(report->flags, 0);
        CHECK_EQUAL(findings_in(report, "attempts"), 1);
        lnkeep_check_report_free(report);
    }
    end();
    const char *restored = h_directory();
    CHECK_DONE(restore(file, restored));
    open_with(restored, 0);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_CORRUPT_RECORD);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_INTENT);
    end();
}
static uint64_t room_on(const char *path) {
    struct statvfs facts;
    return statvfs(path, &facts) == 0 ? (uint64_t)facts.f_bavail * facts.f_frsize : 0;
}

static void a_full_disk_has_no_backup(void) {
    const char *mounted = h_mount_small("a_full_disk_has_no_backup", 32);
    if (!mounted) return;
    const char *file = h_path(mounted, "backup");
    open_with(h_directory(), 0);
    fill_megabytes(4);
    for (size_t i = 0; i < H_COUNT(LEFT); i++) {
        const char *filler = h_fill_disk(mounted, LEFT[i]);
        uint64_t room = room_on(mounted);
        CHECK_STATUS(backup(file), LNKEEP_NO_SPACE);
        CHECK_EQUAL(entries_of(mounted), 1);
        CHECK_EQUAL(room_on(mounted), room);
        CHECK_EQUAL(unlink(filler), 0);
    }
    /* The store itself has lost nothing by it. */
    CHECK_DONE(h_init(attempts, 100000));
    CHECK_DONE(backup(file));
    end();
    check_sound(file, 0);
    h_unmount(mounted);
}

static void a_restored_store_waits_for_a_floor(void) {
    const char *file = backup_of(filled_store(4));
    const char *parent = h_directory(), *fresh = h_path(parent, "new"), *empty = h_directory();
    struct stat facts;
    dump before = dump_file(file);
    CHECK_DONE(restore(file, fresh));
    CHECK_DONE(restore(file, empty));
    check_same(before, dump_file(file));
    CHECK_EQUAL(stat(fresh, &facts), 0);
    CHECK_EQUAL(facts.st_mode & 07777, 0700);
    CHECK_EQUAL(stat(h_path(fresh, "data.mdb"), &facts), 0);
    CHECK_EQUAL(facts.st_mode & 07777, 0600);
    CHECK(!is_there(h_path(fresh, "creating")));
    check_sound(empty, LNKEEP_CHECK_ENDED_CLEANLY | LNKEEP_CHECK_RESTORED);
    for (int opens = 0; opens < 2; opens++) {
        /* Waiting does not wear off. */
        CHECK_EQUAL(open_with(fresh, 0), LNKEEP_REPORT_RESTORED);
        uint64_t id;
        CHECK_STATUS(h_init(attempts, 5000), LNKEEP_NOT_ACKNOWLEDGED);
        lnkeep_status status = lnkeep_attempts_allocate(attempts, NULL, h_text("k"), &id, NULL);
        CHECK_STATUS(status, LNKEEP_NOT_ACKNOWLEDGED);
        CHECK_STATUS(h_init(attempts, 3), LNKEEP_ALREADY_EXISTS);
        if (opens == 0) end();
    }
    CHECK_DONE(acknowledge(1000));
    CHECK_STATUS(h_init(attempts, 999), LNKEEP_BELOW_FLOOR);
    CHECK_STATUS(h_init(attempts, 3), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(h_init(attempts, 1000));
    check_sound(fresh, LNKEEP_CHECK_LIVE);
    end();
    CHECK_EQUAL(open_with(fresh, 0), 0);
    CHECK_STATUS(h_init(attempts, 998), LNKEEP_BELOW_FLOOR);
    end();
}

static void everything_in_the_backup_reads_back_equal(void) {
    const char *directory = filled_store(h_rounds(150, 10)), *restored = h_directory();
    const char *file = h_path(h_directory(), "backup");
    uint64_t id = 7, given = 0, same = 0;
    lnkeep_bytes key = h_bytes(&id, sizeof id);
    open_with(directory, 0);
    CHECK_DONE(lnkeep_store_tick(store, 9000, 800, NULL));
    CHECK_DONE(h_init(attempts, 90000));
    dump before = dump_store();
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, key, &given, NULL), LNKEEP_ALREADY);
    CHECK_DONE(backup(file));
    end();
    CHECK_DONE(restore(file, restored));
    lnkeep_check_report *report = h_check_report(restored);
    if (report) {
        CHECK_EQUAL(report->unix_ms, 9000);
        CHECK_EQUAL(report->block_height, 800);
        lnkeep_check_report_free(report);
    }
    open_with(restored, 0);
    check_same(before, dump_store());
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, key, &same, NULL), LNKEEP_ALREADY);
    CHECK_EQUAL(same, given);
    end();
}

/* Number of the event that the next change writes. */
static uint64_t next_event(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt_result result = h_settle(1);
    lnkeep_outcome outcome;
    memset(&outcome, 0, sizeof outcome);
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &key, &result, &outcome, NULL));
    return outcome.event_sequence;
}

static void a_restored_store_repeats_no_event_number(void) {
    const char *directory = filled_store(2), *restored = h_directory();
    const char *file = backup_of(directory);
    uint64_t lost = 0;
    open_with(directory, 0);
    for (uint64_t id = 100; id < 200; id++) lost = next_event(id);
    end();
    CHECK(lost > 100);
    CHECK_DONE(restore(file, restored));
    open_with(restored, 0);
    CHECK_DONE(acknowledge(1000));
    uint64_t first = next_event(9);
    /* Far beyond whatever the lost store may have written. */
    CHECK(first > lost && first >= UINT64_C(1) << 32);
    CHECK_EQUAL(next_event(2001), first + 1);
    end();
    check_sound(restored, LNKEEP_CHECK_ENDED_CLEANLY);
}

/* The lost store may have handed off what is an intent in the backup. */
static void intents_of_a_backup_are_in_doubt(void) {
    const char *directory = h_directory(), *restored = h_directory();
    lnkeep_recovery *recovery = NULL;
    open_with(directory, 0);
    CHECK_DONE(h_init(attempts, 10));
    end();
    CHECK_DONE(restore(backup_of(directory), restored));
    open_with(restored, 0);
    if (CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, 0, &recovery, NULL))) {
        CHECK_EQUAL(recovery->failed_len, 0);
        CHECK(recovery->unresolved_len == 1 && recovery->unresolved[0] == 10);
        lnkeep_recovery_free(recovery);
    }
    end();
}

static void a_store_that_is_there_is_not_replaced(void) {
    const char *file = backup_of(filled_store(2)), *directory = h_directory();
    open_with(directory, 0);
    CHECK_DONE(h_init(attempts, 77));
    CHECK_STATUS(restore(file, directory), LNKEEP_LOCKED);
    end();
    dump before = dump_file(h_path(directory, "data.mdb"));
    unsigned entries = entries_of(directory);
    CHECK_STATUS(restore(file, directory), LNKEEP_TARGET_EXISTS);
    check_same(before, dump_file(h_path(directory, "data.mdb")));
    CHECK_EQUAL(entries_of(directory), entries);
    CHECK_EQUAL(open_with(directory, 0), 0);
    CHECK_EQUAL(h_state(attempts, 77), LNKEEP_STATE_INTENT);
    CHECK_DONE(h_init(attempts, 78));
    end();
    /* Nor is what does not even look like a store any more. */
    CHECK(h_write_file(h_path(directory, "data.mdb"), (const uint8_t *)"x", 1));
    CHECK_STATUS(restore(file, directory), LNKEEP_TARGET_EXISTS);
}

/* The way out of a directory that has lost its data. */
static void a_lost_data_file_is_replaced(void) {
    const char *directory = filled_store(2), *file = backup_of(directory);
    CHECK_EQUAL(unlink(h_path(directory, "data.mdb")), 0);
    CHECK_DONE(restore(file, directory));
    CHECK_EQUAL(open_with(directory, 0), LNKEEP_REPORT_RESTORED);
    CHECK_STATUS(h_init(attempts, 5000), LNKEEP_NOT_ACKNOWLEDGED);
    end();
}

static void a_damaged_backup_is_not_restored(void) {
    const char *file = backup_of(filled_store(10)), *parent = h_directory();
    const char *damaged = h_path(parent, "damaged"), *target = h_path(parent, "target");
    dump sound = dump_file(file);
    for (unsigned kind = 0; kind < 6; kind++) {
        dump bytes = {NULL, 0};
        add_to(&bytes, sound.bytes, sound.len);
        if (kind == 0) memset(bytes.bytes + bytes.len - 4096, 0, 4096);
        if (kind == 1) bytes.len -= 4096;
        if (kind == 2) bytes.len = 0;
        if (kind == 3) memset(bytes.bytes, 0xa5, bytes.len);
        if (kind == 4) memcpy(bytes.bytes + 8192, bytes.bytes + 12288, 4096);
        if (kind == 5) memset(bytes.bytes + 4096, 0, 4096);
        CHECK(h_write_file(damaged, bytes.bytes, bytes.len));
        CHECK_STATUS(restore(damaged, target), LNKEEP_CORRUPT_STORE);
        free(bytes.bytes);
        check_no_store(target);
        const char *empty = h_directory();
        CHECK_STATUS(restore(damaged, empty), LNKEEP_CORRUPT_STORE);
        CHECK_EQUAL(entries_of(empty), 0);
    }
    CHECK(!is_there(target));
    free(sound.bytes);
    CHECK_DONE(restore(file, target));
}

static void what_is_not_there_is_not_restored(void) {
    const char *parent = h_directory(), *target = h_path(parent, "target");
    CHECK_STATUS(restore(h_path(parent, "missing"), target), LNKEEP_NOT_FOUND);
    CHECK_STATUS(restore(h_directory(), target), LNKEEP_NOT_FOUND);
    CHECK(!is_there(target));
}

static void an_unsafe_place_is_not_restored_into(void) {
    const char *file = backup_of(filled_store(1)), *open_to_all = h_directory();
    const char *in_the_way = h_path(h_directory(), "file");
    CHECK_EQUAL(chmod(open_to_all, 0777), 0);
    CHECK_STATUS(restore(file, open_to_all), LNKEEP_UNSAFE_PLACE);
    CHECK_EQUAL(entries_of(open_to_all), 0);
    CHECK(h_write_file(in_the_way, (const uint8_t *)"x", 1));
    CHECK_STATUS(restore(file, in_the_way), LNKEEP_UNSAFE_PLACE);
    CHECK_STATUS(restore(file, h_path(open_to_all, "missing/below")), LNKEEP_NOT_FOUND);
}

static int child_restores_live(const char *directory) {
    const char *target = h_path(h_directory(), "target");
    lnkeep_status status = restore(directory, target);
    if (status != LNKEEP_LOCKED || is_there(target)) return 1;
    status = restore(h_path(directory, "data.mdb"), target);
    return status == LNKEEP_LOCKED && !is_there(target) ? 0 : 2;
}

static void a_live_store_is_no_backup(void) {
    const char *directory = h_directory();
    open_with(directory, 0);
    CHECK_DONE(h_init(attempts, 1));
    CHECK_EQUAL(child_restores_live(directory), 0);
    CHECK_EQUAL(h_run_child("child_restores_live", directory), 0);
    CHECK_DONE(h_init(attempts, 2));
    end();
}

static void a_closed_store_is_a_backup(void) {
    const char *directory = filled_store(3), *restored = h_directory();
    dump file = dump_file(h_path(directory, "data.mdb"));
    CHECK_DONE(restore(directory, restored));
    check_same(file, dump_file(h_path(directory, "data.mdb")));
    CHECK_EQUAL(open_with(restored, 0), LNKEEP_REPORT_RESTORED);
    dump copy = dump_store();
    end();
    CHECK_EQUAL(open_with(directory, 0), 0);
    check_same(copy, dump_store());
    end();
}

/* In a child, because a page of a mapped file that the disk has no room for is a SIGBUS. */
static int child_restores(const char *mounted) {
    const char *target = h_path(mounted, "target");
    lnkeep_status status = restore(h_path(mounted, "backup"), target);
    if (status == LNKEEP_DONE) return 0;
    CHECK_STATUS(status, LNKEEP_NO_SPACE);
    return is_there(h_path(target, "data.mdb")) ? 2 : 1;
}

static void a_full_disk_has_no_restored_store(void) {
    static const int beyond[] = {-65536, -4096, 0, 4096, 8192, 12288, 16384, 32768, 65536};
    const char *mounted = h_mount_small("a_full_disk_has_no_restored_store", 40);
    if (!mounted) return;
    const char *file = h_path(mounted, "backup"), *target = h_path(mounted, "target");
    open_with(h_directory(), 0);
    fill_megabytes(4);
    CHECK_DONE(backup(file));
    end();
    struct stat facts;
    CHECK_EQUAL(stat(file, &facts), 0);
    unsigned refused = 0;
    for (size_t i = 0; i < H_COUNT(LEFT) + H_COUNT(beyond); i++) {
        uint64_t left = i < H_COUNT(LEFT) ? LEFT[i] : 0;
        if (i >= H_COUNT(LEFT)) left = (uint64_t)(facts.st_size + beyond[i - H_COUNT(LEFT)]);
        const char *filler = h_fill_disk(mounted, left);
        int answer = h_run_child("child_restores", mounted);
        if (!CHECK(answer == 0 || answer == 1)) {
            fprintf(stderr, "answer %d with %llu bytes left\n", answer, (unsigned long long)left);
        }
        refused += answer == 1;
        CHECK_EQUAL(unlink(filler), 0);
        if (answer == 1 && is_there(target)) check_no_store(target);
        if (answer == 1) CHECK_DONE(restore(file, target));
        check_sound(target, LNKEEP_CHECK_ENDED_CLEANLY | LNKEEP_CHECK_RESTORED);
        h_remove(target);
    }
    CHECK(refused >= H_COUNT(LEFT));
    h_unmount(mounted);
}

int main(int argc, char **argv) {
    static const h_child children[] = {
        {"child_restores_live", child_restores_live},
        {"child_restores", child_restores},
    };
    static const h_test tests[] = {
        H_TEST(a_failure_leaves_the_report_alone_and_tells_the_error),
        H_TEST(a_backup_beside_writers_holds_what_was_acknowledged_before),
        H_TEST(a_backup_overwrites_nothing),
        H_TEST(a_backup_without_a_place_leaves_nothing),
        H_TEST(a_backup_is_private),
        H_TEST(a_backup_may_have_a_relative_path),
        H_TEST(a_backup_touches_nothing_beside_it),
        H_TEST(a_backup_does_not_lie_in_the_store),
        H_TEST(a_backup_over_its_own_store_is_a_copy),
        H_TEST(a_damaged_row_is_copied_and_reported),
        H_TEST(a_full_disk_has_no_backup),
        H_TEST(a_restored_store_waits_for_a_floor),
        H_TEST(everything_in_the_backup_reads_back_equal),
        H_TEST(a_restored_store_repeats_no_event_number),
        H_TEST(intents_of_a_backup_are_in_doubt),
        H_TEST(a_store_that_is_there_is_not_replaced),
        H_TEST(a_lost_data_file_is_replaced),
        H_TEST(a_damaged_backup_is_not_restored),
        H_TEST(what_is_not_there_is_not_restored),
        H_TEST(an_unsafe_place_is_not_restored_into),
        H_TEST(a_live_store_is_no_backup),
        H_TEST(a_closed_store_is_a_backup),
        H_TEST(a_full_disk_has_no_restored_store),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

/* Compaction: it gives space back, keeps all that is acknowledged, and a failure leaves the store as it was. */

#define _GNU_SOURCE
#include "maintenance.h"

#include <unistd.h>

static off_t bytes_of(const char *directory) {
    struct stat facts;
    return stat(h_path(directory, "data.mdb"), &facts) == 0 ? facts.st_size : 0;
}

/* A large store of which most was deleted, for good; the first of its large results stays. */
static void make_sparse(const char *directory, unsigned megabytes) {
    lnkeep_attempt_key keys[PER_MEGABYTE];
    lnkeep_outcome outcomes[PER_MEGABYTE];
    open_with(directory, 0);
    h_fill(store, attempts, 10);
    fill_megabytes(megabytes);
    for (uint64_t from = FIRST + 1; from < FIRST + megabytes * PER_MEGABYTE; from += PER_MEGABYTE) {
        size_t len = 0;
        for (uint64_t id = from; id < from + PER_MEGABYTE; id++) {
            if (id < FIRST + megabytes * PER_MEGABYTE) keys[len++] = h_key(id);
        }
        uint32_t forget = LNKEEP_DELETE_FORGET;
        CHECK_DONE(lnkeep_attempts_delete(attempts, keys, len, forget, outcomes, NULL));
    }
    end();
}

static void compaction_gives_the_space_back_and_keeps_the_rest(void) {
    const char *directory = h_directory();
    make_sparse(directory, 30);
    off_t large = bytes_of(directory);
    CHECK(large > 30 << 20);
    CHECK_EQUAL(open_with(directory, 0), 0);
    dump before = dump_store();
    end();
    /* Nothing but a compaction makes it smaller. */
    CHECK(bytes_of(directory) >= large);
    CHECK_EQUAL(open_with(directory, LNKEEP_STORE_COMPACT), LNKEEP_REPORT_COMPACTED);
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    CHECK(stats.pages_used * stats.page_bytes < 1 << 20);
    CHECK_EQUAL(stats.allocated_bytes, bytes_of(directory));
    /* What is left is mostly the reserve for a full disk. */
    CHECK(bytes_of(directory) < large - (20 << 20));
    check_same(before, dump_store());
    CHECK_STATUS(h_init(attempts, FIRST), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(h_init(attempts, FIRST + 1));
    check_sound(directory, LNKEEP_CHECK_LIVE);
    end();
    CHECK_EQUAL(open_with(directory, 0), 0);
    CHECK_EQUAL(h_state(attempts, FIRST + 1), LNKEEP_STATE_INTENT);
    CHECK_DONE(h_init(attempts, FIRST + 2));
    end();
    CHECK(!is_there(h_path(directory, "creating")));
    check_sound(directory, LNKEEP_CHECK_ENDED_CLEANLY);
}

static void compaction_of_a_new_store_is_harmless(void) {
    const char *directory = h_path(h_directory(), "new");
    uint32_t flags = open_with(directory, LNKEEP_STORE_COMPACT);
    CHECK(flags & LNKEEP_REPORT_CREATED);
    CHECK(!(flags & (LNKEEP_REPORT_COPIED | LNKEEP_REPORT_RESTORED)));
    CHECK_DONE(h_init(attempts, 1));
    end();
    CHECK_EQUAL(open_with(directory, 0), 0);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    end();
}

static struct stat facts_of(const char *directory) {
    struct stat facts;
    CHECK_EQUAL(stat(h_path(directory, "data.mdb"), &facts), 0);
    return facts;
}

static void a_compacted_store_is_still_locked_and_private(void) {
    const char *directory = filled_store(1);
    struct stat before = facts_of(directory);
    lnkeep_store second = LNKEEP_STORE_NONE;
    open_with(directory, LNKEEP_STORE_COMPACT);
    struct stat after = facts_of(directory);
    CHECK(before.st_ino != after.st_ino);
    CHECK_EQUAL(after.st_mode & 07777, 0600);
    CHECK_STATUS(lnkeep_store_open(directory, NULL, &second, NULL, NULL), LNKEEP_LOCKED);
    /* The lock is on the new file too: another name of it is no way around. */
    const char *other = h_directory();
    CHECK_EQUAL(link(h_path(directory, "data.mdb"), h_path(other, "data.mdb")), 0);
    CHECK_STATUS(lnkeep_store_open(other, NULL, &second, NULL, NULL), LNKEEP_LOCKED);
    CHECK_EQUAL(unlink(h_path(other, "data.mdb")), 0);
    end();
}

/* What waits for a floor goes on waiting, and a copy cannot pass for the original. */
static void compaction_hides_neither_copy_nor_restore(void) {
    const char *directory = filled_store(2), *restored = h_directory();
    const char *copy = h_copy_store(directory);
    uint32_t compacted = LNKEEP_REPORT_COMPACTED;
    CHECK_EQUAL(open_with(copy, LNKEEP_STORE_COMPACT), compacted | LNKEEP_REPORT_COPIED);
    CHECK_STATUS(h_init(attempts, 5000), LNKEEP_NOT_ACKNOWLEDGED);
    end();
    CHECK_DONE(restore(backup_of(directory), restored));
    for (int opens = 0; opens < 2; opens++) {
        uint32_t flags = open_with(restored, LNKEEP_STORE_COMPACT);
        CHECK_EQUAL(flags, compacted | LNKEEP_REPORT_RESTORED);
        CHECK_STATUS(h_init(attempts, 5000), LNKEEP_NOT_ACKNOWLEDGED);
        end();
    }
}

/* A damaged row comes along; a damaged structure is not touched. */
static void compaction_of_a_damaged_store(void) {
    static const char reason[] = "the reason of the row that is damaged";
    const char *directory = h_directory(), *file = h_path(directory, "data.mdb");
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    open_with(directory, 0);
    CHECK_DONE(h_store(attempts, 1, h_fail(reason)));
    CHECK_DONE(h_init(attempts, 2));
    end();
    CHECK(h_damage(directory, (const uint8_t *)reason, sizeof reason - 1) > 0);
    CHECK_EQUAL(open_with(directory, LNKEEP_STORE_COMPACT), LNKEEP_REPORT_COMPACTED);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_CORRUPT_RECORD);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_INTENT);
    end();
    lnkeep_check_report *report = h_check_report(directory);
    size_t last = report ? (size_t)report->pages - 1 : 0;
    lnkeep_check_report_free(report);
    dump bytes = dump_file(file);
    memset(bytes.bytes + 2 * 4096, 0, (last - 1) * 4096);
    CHECK(h_write_file(file, bytes.bytes, bytes.len));
    options.flags = LNKEEP_STORE_COMPACT;
    lnkeep_status status = lnkeep_store_open(directory, &options, &store, NULL, NULL);
    CHECK_STATUS(status, LNKEEP_CORRUPT_STORE);
    check_same(bytes, dump_file(file));
    CHECK(!is_there(h_path(directory, "creating")));
}

/* In a child, since a page without room is a SIGBUS. 0 compacted, 1 opened as it was, else a failure. */
static int child_compacts(const char *mounted) {
    uint32_t flags = open_with(h_path(mounted, "store"), LNKEEP_STORE_COMPACT);
    CHECK_EQUAL(flags & ~(uint32_t)LNKEEP_REPORT_COMPACTED, 0);
    CHECK_EQUAL(h_state(attempts, FIRST), LNKEEP_STATE_FAILED);
    CHECK_DONE(h_store(attempts, FIRST, h_settle(1)));
    end();
    return flags & LNKEEP_REPORT_COMPACTED ? 0 : 1;
}

static void without_space_for_the_copy_a_store_opens_as_it_is(void) {
    const char *mounted = h_mount_small("without_space_for_the_copy_a_store_opens_as_it_is", 64);
    if (!mounted) return;
    const char *directory = h_path(mounted, "store");
    for (size_t i = 0; i < H_COUNT(LEFT); i++) {
        open_with(directory, 0);
        fill_megabytes(4);
        dump before = dump_attempts();
        CHECK_DONE(lnkeep_store_sync(store, NULL));
        end();
        struct stat facts = facts_of(directory);
        const char *filler = h_fill_disk(mounted, LEFT[i]);
        if (!CHECK_EQUAL(h_run_child("child_compacts", mounted), 1)) {
            fprintf(stderr, "with %llu bytes left\n", (unsigned long long)LEFT[i]);
        }
        CHECK(facts_of(directory).st_ino == facts.st_ino);
        CHECK(!is_there(h_path(directory, "creating")));
        CHECK_EQUAL(unlink(filler), 0);
        check_sound(directory, LNKEEP_CHECK_ENDED_CLEANLY);
        CHECK_EQUAL(open_with(directory, LNKEEP_STORE_COMPACT), LNKEEP_REPORT_COMPACTED);
        dump after = dump_attempts();
        /* Only what the child settled is another: its message is gone. */
        CHECK(after.len < before.len && after.len > before.len / 2);
        CHECK_EQUAL(h_state(attempts, FIRST), LNKEEP_STATE_SETTLED);
        CHECK_EQUAL(h_state(attempts, FIRST + 1), LNKEEP_STATE_FAILED);
        free(before.bytes);
        free(after.bytes);
        end();
        h_remove(directory);
    }
    h_unmount(mounted);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_compacts", child_compacts}};
    static const h_test tests[] = {
        H_TEST(compaction_gives_the_space_back_and_keeps_the_rest),
        H_TEST(compaction_of_a_new_store_is_harmless),
        H_TEST(a_compacted_store_is_still_locked_and_private),
        H_TEST(compaction_hides_neither_copy_nor_restore),
        H_TEST(compaction_of_a_damaged_store),
        H_TEST(without_space_for_the_copy_a_store_opens_as_it_is),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

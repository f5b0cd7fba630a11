/* What is durable of monitors, read back: pages of channels, whole channels, values of many megabytes. */

#include "monitors.h"

static const uint8_t *const FROM_START = NULL;

static size_t list(uint32_t stage, const uint8_t *after, lnkeep_channel *channels, size_t capacity) {
    size_t len = 77;
    memset(channels, 0xee, capacity * sizeof *channels);
    CHECK_DONE(lnkeep_monitors_list(monitors, stage, after, channels, capacity, &len, &err));
    CHECK(len <= capacity);
    return len;
}

static void queue_numbered(uint32_t number, uint64_t update_id) {
    channel id = numbered(number);
    CHECK_DONE(lnkeep_monitors_queue_new(monitors, id.id, update_id, h_bytes(&number, sizeof number), NULL, 0,
                                         NULL, NULL));
}

/* Every page size gives every channel once, in the order of ids, wherever it begins. */
static void channels_are_listed_in_pages(void) {
    begin();
    unsigned count = h_rounds(100, 24);
    lnkeep_channel page[101];
    /* Queued backwards: the order is that of the ids. */
    for (uint32_t number = count; number > 0; number--) queue_numbered(number * 2, number);
    CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, FROM_START, page, 101), 0);
    known = state_now();
    last_ticket = count;
    CHECK_DONE(commit_all("m"));
    static const size_t capacities[] = {1, 7, 12, 100, 101};
    for (size_t i = 0; i < H_COUNT(capacities); i++) {
        size_t capacity = capacities[i], len = capacity;
        uint32_t number = 0;
        channel after = numbered(0);
        while (len == capacity) {
            len = list(LNKEEP_STAGE_ACTIVE, number ? after.id : NULL, page, capacity);
            for (size_t at = 0; at < len; at++) {
                number++;
                CHECK(memcmp(page[at].channel_id, numbered(number * 2).id, 32) == 0);
                CHECK_EQUAL(page[at].snapshot_update_id, number);
                CHECK_EQUAL(page[at].latest_update_id, number);
                CHECK_EQUAL(page[at].snapshot_bytes, 4);
                CHECK_EQUAL(page[at].update_bytes | page[at].block_height | page[at].damage, 0);
            }
            if (len > 0) memcpy(after.id, page[len - 1].channel_id, 32);
        }
        CHECK_EQUAL(number, count);
    }
    /* After an id that is not there, and after the last one. */
    CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, numbered(3).id, page, 1), 1);
    CHECK(memcmp(page[0].channel_id, numbered(4).id, 32) == 0);
    CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, numbered(count * 2).id, page, 4), 0);
    CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, channel_of((char)0xff).id, page, 4), 0);
    CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, FROM_START, page, 0), 0);
    CHECK_EQUAL(list(LNKEEP_STAGE_ARCHIVED, FROM_START, page, 4), 0);
    end();
}

static void archived_channels_are_listed_apart(void) {
    begin();
    lnkeep_channel page[4];
    lnkeep_block block = block_of(5);
    CHECK_DONE(new_with('a', 1, h_text("a"), &block, 0));
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_all("m"));
    for (int session = 0; session < 2; session++) {
        if (CHECK_EQUAL(list(LNKEEP_STAGE_ACTIVE, FROM_START, page, 4), 1)) {
            CHECK(is_channel(page[0].channel_id, 'b'));
        }
        if (CHECK_EQUAL(list(LNKEEP_STAGE_ARCHIVED, FROM_START, page, 4), 1)) {
            CHECK(is_channel(page[0].channel_id, 'a'));
            CHECK_EQUAL(page[0].snapshot_update_id, 1);
            CHECK_EQUAL(page[0].latest_update_id, 2);
            CHECK_EQUAL(page[0].update_bytes, 3);
            CHECK_EQUAL(page[0].block_height, 5);
            CHECK(memcmp(page[0].block_hash, block.hash, 32) == 0);
        }
        lnkeep_monitor *monitor = load('a');
        if (monitor) {
            CHECK_EQUAL(monitor->stage, LNKEEP_STAGE_ARCHIVED);
            CHECK(memcmp(&monitor->channel, page, sizeof *page) == 0);
        }
        lnkeep_monitor_free(monitor);
        reopen();
    }
    CHECK_DONE(lnkeep_monitors_purge(monitors, channel_of('a').id, NULL, NULL));
    CHECK_EQUAL(list(LNKEEP_STAGE_ARCHIVED, FROM_START, page, 4), 0);
    static const uint32_t wrong[] = {0, 3, UINT32_MAX, (uint32_t)LNKEEP_CHANNEL_ARCHIVED};
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        size_t len = 77;
        lnkeep_status status = lnkeep_monitors_list(monitors, wrong[i], NULL, page, 4, &len, &err);
        CHECK_STATUS(status, LNKEEP_INVALID_ARGUMENT);
        CHECK_EQUAL(len, 77);
    }
    end();
}

static void what_was_never_there_is_not_found(void) {
    begin();
    CHECK(is_absent('a'));
    CHECK(is_manager(NULL));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK(is_absent('a'));
    CHECK_DONE(commit_all("m"));
    CHECK(is_absent('b'));
    lnkeep_monitor_free(NULL);
    lnkeep_buf_free(NULL);
    end();
}

static void check_snapshot(char letter, size_t len, uint32_t seed) {
    uint8_t *bytes = pattern(len, seed);
    lnkeep_monitor *monitor = load(letter);
    if (monitor) CHECK(is_same_bytes(monitor->snapshot, h_bytes(bytes, len)));
    lnkeep_monitor_free(monitor);
    free(bytes);
}

static void check_large_manager(size_t len, uint32_t seed) {
    uint8_t *bytes = pattern(len, seed);
    lnkeep_buf *manager = NULL;
    CHECK_DONE(lnkeep_monitors_load_manager(monitors, &manager, NULL));
    if (CHECK(manager != NULL)) {
        CHECK(is_same_bytes(h_bytes(manager->ptr, manager->len), h_bytes(bytes, len)));
    }
    lnkeep_buf_free(manager);
    free(bytes);
}

/* Commits everything with a manager of a pattern. */
static void commit_large(size_t len, uint32_t seed) {
    uint8_t *bytes = pattern(len, seed);
    lnkeep_monitors_commit commit = commit_of(capture(), NULL);
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = h_bytes(bytes, len);
    CHECK_DONE(commit_with(&commit));
    free(bytes);
}

/* A snapshot of 40 MiB and a manager of 3, replaced by others of other sizes, and purged. */
static void large_values_come_back_whole(void) {
    begin();
    size_t large = h_rounds(40u << 20, 5u << 20), manager = 3u << 20;
    uint8_t *bytes = pattern(large, 1);
    CHECK_DONE(new_with('a', 1, h_bytes(bytes, large), NULL, 0));
    free(bytes);
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(message(1, "channel_ready"));
    commit_large(manager, 2);
    CHECK_EQUAL(committed.applied, 3);
    CHECK(check_outputs("0:1:channel_ready"));
    check_snapshot('a', large, 1);
    check_large_manager(manager, 2);
    reopen();
    check_snapshot('a', large, 1);
    check_large_manager(manager, 2);
    bytes = pattern(large - 7, 3);
    CHECK_DONE(snapshot_with('a', 2, h_bytes(bytes, large - 7), NULL, 0));
    free(bytes);
    /* What a refusal staged is gone. */
    lnkeep_monitors_commit commit = commit_of(capture(), "m");
    lnkeep_channel_tip tip = tip_of('a', 1);
    commit.view = &tip;
    commit.view_len = 1;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_MANAGER_BEHIND, 'a', 2);
    commit_large(manager + 1, 4);
    check_snapshot('a', large - 7, 3);
    check_large_manager(manager + 1, 4);
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_all("small"));
    CHECK(is_manager("small"));
    CHECK_DONE(lnkeep_monitors_purge(monitors, channel_of('a').id, NULL, NULL));
    known = state_now();
    CHECK(is_absent('a'));
    reopen();
    CHECK(is_absent('a'));
    CHECK(is_manager("small"));
    end();
}

/* Sizes around the borders of chunks, and of what a commit writes itself. */
static void values_of_every_size_come_back_whole(void) {
    begin();
    static const size_t sizes[] = {1,        4095,           262143,   262144,        262145,
                                   1u << 20, (1u << 20) + 1, 2u << 20, (2u << 20) + 1};
    for (size_t i = 0; i < H_COUNT(sizes); i++) {
        uint8_t *bytes = pattern(sizes[i], (uint32_t)i);
        CHECK_DONE(new_with((char)('a' + i), 1, h_bytes(bytes, sizes[i]), NULL, 0));
        free(bytes);
        commit_large(sizes[i], 50 + (uint32_t)i);
        check_snapshot((char)('a' + i), sizes[i], (uint32_t)i);
        check_large_manager(sizes[i], 50 + (uint32_t)i);
    }
    reopen();
    for (size_t i = 0; i < H_COUNT(sizes); i++) check_snapshot((char)('a' + i), sizes[i], (uint32_t)i);
    check_large_manager(sizes[H_COUNT(sizes) - 1], 50 + (uint32_t)H_COUNT(sizes) - 1);
    end();
}

/* Many channels in one commit, and again after a reopen. */
static void a_commit_of_many_channels(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 4000;
    begin_with(&options);
    unsigned count = h_rounds(1000, 60);
    for (uint32_t number = 1; number <= count; number++) queue_numbered(number, 1);
    last_ticket = count;
    known = state_now();
    CHECK_DONE(commit_all("m"));
    for (uint32_t number = 1; number <= count; number++) {
        for (uint64_t id = 2; id < 5; id++) {
            lnkeep_bytes bytes = h_bytes(&id, sizeof id);
            CHECK_DONE(lnkeep_monitors_queue_update(monitors, numbered(number).id, id, bytes, 0, NULL, NULL));
        }
    }
    last_ticket = count * 4;
    known = state_now();
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.applied, count * 3);
    reopen_with(&options);
    for (uint32_t number = 1; number <= count; number++) {
        lnkeep_monitor *monitor = NULL;
        CHECK_DONE(lnkeep_monitors_load(monitors, numbered(number).id, &monitor, NULL));
        if (!monitor || !CHECK_EQUAL(monitor->updates_len, 3)) break;
        check_monitor(monitor);
        CHECK(is_same_bytes(monitor->snapshot, h_bytes(&number, sizeof number)));
        lnkeep_monitor_free(monitor);
    }
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(channels_are_listed_in_pages),
        H_TEST(archived_channels_are_listed_apart),
        H_TEST(what_was_never_there_is_not_found),
        H_TEST(large_values_come_back_whole),
        H_TEST(values_of_every_size_come_back_whole),
        H_TEST(a_commit_of_many_channels),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

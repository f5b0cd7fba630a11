/* Sessions of monitors: open, several handles, close, crashes, and damage below one channel. */

#define _GNU_SOURCE
#include "monitors.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void two_handles_are_one_session(void) {
    begin();
    lnkeep_monitors first = monitors, second;
    lnkeep_monitors_report again = LNKEEP_MONITORS_REPORT_INIT;
    CHECK_DONE(lnkeep_monitors_open(store, NULL, &second, &again, NULL));
    CHECK(second.bits != first.bits);
    CHECK_EQUAL(again.last_close, LNKEEP_LAST_CLOSE_NEW);
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_capture taken = capture();
    monitors = second;
    CHECK_STATUS(new_channel('a', 1, "a"), LNKEEP_DUPLICATE_CHANNEL);
    CHECK_DONE(update('a', 2, "two"));
    lnkeep_monitors_commit commit = commit_of(taken, "m");
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.applied, 1);
    CHECK(check_completions("na1"));
    monitors = first;
    CHECK(check_completions(""));
    /* It is not the last one: what is queued waits for the other. */
    CHECK_DONE(close_monitors(0));
    monitors = second;
    CHECK_EQUAL(state_now().pending_operations, 1);
    CHECK_REFUSED(close_monitors(0), LNKEEP_PENDING_OPS, 0, 1);
    CHECK_DONE(commit_all("m2"));
    CHECK_DONE(close_monitors(0));
    CHECK_DONE(open_monitors(NULL));
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_CLEAN);
    CHECK_EQUAL(report.commit_sequence, 2);
    CHECK(check_channel('a', 1, "a", "two"));
    end();
}

/* Each option counts: another value is another session. */
static void other_options_are_refused_while_it_is_open(void) {
    begin();
    lnkeep_monitors second;
    lnkeep_monitors_report untouched;
    for (int i = 0; i < 13; i++) {
        lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
        switch (i) {
        case 0: options.flags = LNKEEP_MONITORS_EXTERNAL_MANAGER; break;
        case 1: options.flags = LNKEEP_MONITORS_MANAGER_OPTIONAL; break;
        case 2: options.flags = LNKEEP_MONITORS_REPLAYS_NOTHING; break;
        case 3: options.flags = LNKEEP_MONITORS_NO_CRITICAL_RESERVE; break;
        case 4: options.flags = LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH; break;
        case 5: options.flags = LNKEEP_MONITORS_WITHOUT_COMPLETIONS; break;
        case 6: options.pending_ops_max = 5; break;
        case 7: options.pending_bytes_max = 5; break;
        case 8: options.critical_reserve_ops = 5; break;
        case 9: options.snapshot_every_updates = 5; break;
        case 10: options.updates_max = 5; break;
        case 11: options.snapshot_growth_percent = 5; break;
        default: options.snapshot_age_secs = 5; break;
        }
        memset(&untouched, 0xee, sizeof untouched);
        untouched.size = sizeof untouched;
        second.bits = 1;
        lnkeep_status status = lnkeep_monitors_open(store, &options, &second, &untouched, &err);
        if (!CHECK_STATUS(status, LNKEEP_ALREADY_OPEN)) printf("option %d\n", i);
        CHECK_EQUAL(second.bits, 0);
        CHECK_EQUAL(untouched.last_close, 0xeeeeeeee);
    }
    /* The defaults said aloud are the same options. */
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 1024;
    options.pending_bytes_max = 64u << 20;
    options.critical_reserve_ops = 64;
    options.snapshot_every_updates = 100;
    options.updates_max = 1000;
    options.snapshot_growth_percent = 400;
    CHECK_DONE(lnkeep_monitors_open(store, &options, &second, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_close(&second, 0, NULL));
    /* A number beside the flag that says there is none. */
    options.flags = LNKEEP_MONITORS_NO_CRITICAL_RESERVE;
    CHECK_STATUS(lnkeep_monitors_open(store, &options, &second, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    options.flags = LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH;
    CHECK_STATUS(lnkeep_monitors_open(store, &options, &second, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    end();
}

static void a_close_keeps_what_is_queued_unless_told(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(event(1, "x"));
    CHECK_REFUSED(close_monitors(0), LNKEEP_PENDING_OPS, 0, 2);
    /* It goes on as if nothing had been asked. */
    CHECK_DONE(update('a', 2, "two"));
    CHECK_REFUSED(close_monitors(0), LNKEEP_PENDING_OPS, 0, 3);
    CHECK_STATUS(close_monitors(2), LNKEEP_INVALID_ARGUMENT);
    lnkeep_monitors copy = monitors;
    CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
    CHECK_STATUS(lnkeep_monitors_close(&copy, 0, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(close_monitors(0), LNKEEP_BAD_HANDLE);
    CHECK_DONE(open_monitors(NULL));
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_UNCLEAN);
    CHECK_EQUAL(report.outputs, 0);
    CHECK_EQUAL(known.pending_operations | known.commit_sequence, 0);
    CHECK(is_absent('a'));
    CHECK(check_outputs(""));
    CHECK_DONE(new_channel('a', 9, "again"));
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
    CHECK_DONE(open_monitors(NULL));
    /* There was nothing to discard. */
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_CLEAN);
    CHECK(check_channel('a', 9, "again", ""));
    end();
}

/* The store goes first: its monitors answer so, and can be closed. */
static void monitors_of_a_closed_store_can_be_closed(void) {
    for (int queued = 0; queued < 2; queued++) {
        begin();
        if (queued) CHECK_DONE(new_channel('a', 1, "a"));
        lnkeep_store closed = store;
        h_close(&closed);
        lnkeep_monitors copy = monitors;
        CHECK_STATUS(new_channel('b', 1, "b"), LNKEEP_CLOSED);
        CHECK_EQUAL(lnkeep_monitors_is_open(copy), 1);
        if (queued) CHECK_REFUSED(close_monitors(0), LNKEEP_PENDING_OPS, 0, 1);
        CHECK_DONE(close_monitors(queued ? LNKEEP_MONITORS_DISCARD : 0));
        CHECK_EQUAL(lnkeep_monitors_is_open(copy), 0);
        open_with(NULL);
        CHECK(report.last_close != LNKEEP_LAST_CLOSE_NEW);
        CHECK(is_absent('a'));
        end();
    }
}

/* What a session that crashes leaves: two commits, and much that is not durable. */
static int child_leaves_entries(const char *given) {
    directory = given;
    open_with(NULL);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(event(1, "an event"));
    CHECK_DONE(event(2, "another"));
    CHECK_DONE(message(3, "a message"));
    CHECK_DONE(commit_all("m1"));
    lnkeep_capture early = capture();
    CHECK_DONE(update('a', 3, "three"));
    CHECK_DONE(event(4, "lost with its update"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(lnkeep_monitors_acknowledge(monitors, 1, NULL));
    lnkeep_monitors_commit commit = commit_of(early, "m2");
    CHECK_DONE(commit_with(&commit));
    CHECK_DONE(lnkeep_monitors_acknowledge(monitors, 2, NULL));
    fflush(NULL);
    raise(SIGKILL);
    return 1;
}

static void a_crash_takes_what_was_not_committed_and_nothing_else(void) {
    directory = h_directory();
    CHECK_EQUAL(h_run_child("child_leaves_entries", directory), 256 + SIGKILL);
    open_with(NULL);
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_UNCLEAN);
    CHECK_EQUAL(report.commit_sequence, 2);
    CHECK_EQUAL(report.outputs, 1);
    CHECK_EQUAL(report.damaged | report.flags, 0);
    CHECK_EQUAL(known.pending_operations, 0);
    CHECK(check_channel('a', 1, "a", "two"));
    CHECK(is_absent('b'));
    CHECK(is_manager("m2"));
    CHECK(check_completions(""));
    /* The message was volatile; the first event was acknowledged by the last commit. */
    CHECK(check_outputs("2:2:another"));
    /* The host replays what its manager knows. */
    CHECK_STATUS(update('a', 2, "two"), LNKEEP_ALREADY);
    CHECK_REFUSED(update('a', 2, "TWO"), LNKEEP_UPDATE_CONFLICT, 'a', 2);
    CHECK_DONE(update('a', 3, "three"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(commit_all("m3"));
    CHECK_EQUAL(committed.commit_sequence, 3);
    CHECK_DONE(close_monitors(0));
    CHECK_DONE(open_monitors(NULL));
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_CLEAN);
    CHECK(check_channel('a', 1, "a", "two,three"));
    end();
}

/* Bytes that say which number they belong to. */
static lnkeep_bytes bytes_of(char *room, const char *what, uint64_t number) {
    int len = snprintf(room, 64, "%s %llu", what, (unsigned long long)number);
    return h_bytes(room, (size_t)len);
}

/*
 * Commits one update after the other, each with a manager and an output that name it, until it is killed.
 * What left is noted outside the store: a note of a number says that its output was taken.
 */
static int child_commits_for_ever(const char *given) {
    char room[3][64];
    directory = given;
    int notes = open(h_path(directory, "notes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    open_with(NULL);
    lnkeep_monitor *monitor = load('a');
    uint64_t number = monitor ? monitor->channel.latest_update_id : 0;
    lnkeep_monitor_free(monitor);
    for (number++;; number++) {
        if (update_with('a', number, bytes_of(room[0], "update", number), 0) != LNKEEP_DONE) return 1;
        if (output_with(1 + number % 2, number, bytes_of(room[1], "output", number)) != LNKEEP_DONE) return 2;
        lnkeep_bytes whole = bytes_of(room[0], "snapshot", number);
        if (number % 40 == 0 && snapshot_with('a', number, whole, NULL, 0) != LNKEEP_DONE) return 3;
        lnkeep_monitors_commit commit = commit_of(capture(), NULL);
        commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
        commit.manager = bytes_of(room[2], "manager", number);
        if (commit_with(&commit) != LNKEEP_DONE) return 4;
        lnkeep_outputs *outputs = take_outputs(16);
        for (size_t i = 0; outputs && i < outputs->outputs_len; i++) {
            const lnkeep_output *output = output_at(outputs, i);
            if (write(notes, &output->tag, sizeof output->tag) != 8) return 5;
            if (output->output_id && output->tag + 5 < number) {
                if (lnkeep_monitors_acknowledge(monitors, output->output_id, NULL) != LNKEEP_DONE) return 6;
            }
        }
        lnkeep_outputs_free(outputs);
        lnkeep_monitor_completion taken[8];
        size_t len;
        if (lnkeep_monitors_completions(monitors, taken, 8, &len, NULL) != LNKEEP_DONE) return 7;
    }
}

/* The greatest number that left the process. */
static uint64_t noted(void) {
    uint8_t *bytes;
    size_t len;
    uint64_t greatest = 0;
    if (!h_read_file(h_path(directory, "notes"), &bytes, &len)) return 0;
    for (size_t at = 0; at + 8 <= len; at += 8) {
        uint64_t tag;
        memcpy(&tag, bytes + at, 8);
        if (tag > greatest) greatest = tag;
    }
    free(bytes);
    return greatest;
}

/* The channel, the manager and the events are of one commit, and not older than what left. */
static uint64_t check_one_unit(uint64_t left) {
    char room[64];
    lnkeep_buf *manager = NULL;
    lnkeep_monitor *monitor = load('a');
    if (!monitor) return 0;
    uint64_t tip = monitor->channel.latest_update_id, base = monitor->channel.snapshot_update_id;
    CHECK(tip >= left);
    CHECK_DONE(lnkeep_monitors_load_manager(monitors, &manager, NULL));
    if (CHECK(manager != NULL)) {
        CHECK(is_same_bytes(h_bytes(manager->ptr, manager->len), bytes_of(room, "manager", tip)));
    }
    CHECK(is_same_bytes(monitor->snapshot, bytes_of(room, "snapshot", base)));
    CHECK_EQUAL(monitor->updates_len, tip - base);
    for (size_t i = 0; i < monitor->updates_len; i++) {
        lnkeep_bytes wanted = bytes_of(room, "update", base + 1 + i);
        if (!CHECK(is_same_bytes(update_at(monitor, i)->update, wanted))) break;
    }
    CHECK_EQUAL(known.commit_sequence, tip + 1);
    lnkeep_buf_free(manager);
    lnkeep_monitor_free(monitor);
    return tip;
}

/* Of the events up to the tip those that come again are the last ones, each once. */
static void check_redelivered(uint64_t tip) {
    lnkeep_outputs *outputs = take_outputs(1024);
    uint64_t last = 0;
    for (size_t i = 0; outputs && i < outputs->outputs_len; i++) {
        const lnkeep_output *output = output_at(outputs, i);
        char room[64];
        CHECK(output->output_id > 0 && output->tag % 2 == 1);
        CHECK(output->tag > last && output->tag <= tip);
        CHECK(is_same_bytes(output->payload, bytes_of(room, "output", output->tag)));
        last = output->tag;
    }
    if (outputs) CHECK_EQUAL(outputs->outputs_len, report.outputs);
    CHECK(tip < 1 || last >= tip - 1);
    lnkeep_outputs_free(outputs);
}

static void nothing_left_that_a_kill_undoes(void) {
    begin();
    CHECK_DONE(new_channel('a', 0, "snapshot 0"));
    CHECK_DONE(commit_all("manager 0"));
    close_all();
    uint64_t before = 0;
    for (unsigned round = 0; round < h_rounds(12, 3); round++) {
        pid_t child = h_spawn("child_commits_for_ever", directory);
        for (unsigned waited = 0; noted() <= before + round && waited < 20000; waited++) h_sleep_ms(1);
        h_sleep_ms(round * 2);
        kill(child, SIGKILL);
        CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
        uint64_t left = noted();
        CHECK(left > before);
        open_with(NULL);
        CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_UNCLEAN);
        CHECK_EQUAL(report.damaged | report.flags, 0);
        before = check_one_unit(left);
        check_redelivered(before);
        close_all();
        check_store();
    }
}

static const char SNAPSHOT_TEXT[] = "lnkeep-test: a snapshot that is in one channel only";
static const char UPDATE_TEXT[] = "lnkeep-test: an update that is in one channel only";

static void damage(const char *text) {
    close_all();
    CHECK(h_damage(directory, (const uint8_t *)text, strlen(text)) > 0);
    open_with(NULL);
}

/* One channel whose snapshot is damaged and one whose update is; all others go on. */
static void one_damaged_channel_bars_no_other(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, SNAPSHOT_TEXT));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(update('b', 2, UPDATE_TEXT));
    CHECK_DONE(update('b', 3, "three"));
    CHECK_DONE(new_channel('c', 1, "c"));
    CHECK_DONE(commit_all("m"));
    damage(SNAPSHOT_TEXT);
    damage(UPDATE_TEXT);
    CHECK_EQUAL(report.damaged, 2);
    CHECK_EQUAL(report.flags, 0);
    for (char letter = 'a'; letter <= 'b'; letter++) {
        uint64_t tip = letter == 'a' ? 1 : 3;
        CHECK_REFUSED(update(letter, tip + 1, "x"), LNKEEP_CHANNEL_DAMAGED, letter, LNKEEP_DAMAGE_CHECKSUM);
        CHECK_REFUSED(update(letter, tip, "x"), LNKEEP_CHANNEL_DAMAGED, letter, LNKEEP_DAMAGE_CHECKSUM);
        CHECK_REFUSED(archive(letter), LNKEEP_CHANNEL_DAMAGED, letter, LNKEEP_DAMAGE_CHECKSUM);
        CHECK_REFUSED(new_channel(letter, 1, "x"), LNKEEP_DUPLICATE_CHANNEL, letter, NO_VALUE);
        CHECK_REFUSED(snapshot(letter, tip - 1, "x"), LNKEEP_SNAPSHOT_STALE, letter, tip);
        CHECK_REFUSED(snapshot(letter, UINT64_MAX, "x"), LNKEEP_BAD_UPDATE_ID, letter, NO_VALUE);
        lnkeep_monitor *monitor = load(letter);
        if (monitor) {
            CHECK_EQUAL(monitor->channel.damage, LNKEEP_DAMAGE_CHECKSUM);
            CHECK_EQUAL(monitor->channel.latest_update_id, tip);
        }
        /* What can be read is there. */
        if (monitor && letter == 'b' && CHECK_EQUAL(monitor->updates_len, 1)) {
            CHECK(is_text(monitor->snapshot, "b"));
            CHECK_EQUAL(monitor->updates->update_id, 3);
        }
        lnkeep_monitor_free(monitor);
    }
    lnkeep_channel channels[4];
    size_t len = 0;
    CHECK_DONE(lnkeep_monitors_list(monitors, LNKEEP_STAGE_ACTIVE, NULL, channels, 4, &len, NULL));
    if (CHECK_EQUAL(len, 3)) {
        for (int i = 0; i < 3; i++) CHECK_EQUAL(channels[i].damage, i < 2 ? LNKEEP_DAMAGE_CHECKSUM : 0);
    }
    CHECK_DONE(update('c', 2, "two"));
    CHECK_DONE(commit_all("m2"));
    CHECK(check_channel('c', 1, "c", "two"));
    /* A snapshot at or past the tip mends; it advances, so that the manager is needed. */
    CHECK_DONE(snapshot('a', 1, "a again"));
    CHECK_DONE(snapshot('b', 9, "b at nine"));
    CHECK_REFUSED(commit_all(NULL), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(update('b', 10, "ten"));
    CHECK_DONE(commit_all("m3"));
    CHECK(check_channel('a', 1, "a again", ""));
    CHECK(check_channel('b', 9, "b at nine", "ten"));
    reopen();
    CHECK_EQUAL(report.damaged, 0);
    CHECK(check_channel('b', 9, "b at nine", "ten"));
    end();
}

static const char MANAGER_TEXT[] = "lnkeep-test: the bytes of the manager";

static void a_damaged_manager_is_told(void) {
    begin();
    CHECK_DONE(commit_all(MANAGER_TEXT));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all(MANAGER_TEXT));
    damage(MANAGER_TEXT);
    CHECK_EQUAL(report.flags, LNKEEP_MONITORS_MANAGER_MISSING);
    CHECK_EQUAL(report.damaged, 0);
    lnkeep_buf *untouched = (lnkeep_buf *)(void *)&store, *manager = untouched;
    CHECK_STATUS(lnkeep_monitors_load_manager(monitors, &manager, &err), LNKEEP_CORRUPT_RECORD);
    check_err(LNKEEP_CORRUPT_RECORD);
    CHECK(manager == untouched);
    CHECK(check_channel('a', 1, "a", ""));
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(commit_all("a new one"));
    CHECK(is_manager("a new one"));
    reopen();
    CHECK_EQUAL(report.flags, 0);
    end();
}

static const uint64_t GENERATION = UINT64_C(0x1badb0021badb002);

/* Nobody can tell how old the host's manager is: it counts as an older copy until a commit gives one. */
static void a_damaged_generation_is_told(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_EXTERNAL_MANAGER;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_monitors_commit commit = generation_of(capture(), GENERATION);
    CHECK_DONE(commit_with(&commit));
    close_all();
    CHECK(h_damage(directory, (const uint8_t *)&GENERATION, sizeof GENERATION) > 0);
    for (int session = 0; session < 2; session++) {
        uint32_t relation = 77;
        open_with(&options);
        CHECK_EQUAL(report.flags, LNKEEP_MONITORS_MANAGER_IS_BEHIND);
        CHECK_EQUAL(report.commit_sequence, 1);
        CHECK(!(known.flags & LNKEEP_MONITORS_HAS_GENERATION));
        CHECK_STATUS(lnkeep_monitors_check_manager(monitors, GENERATION, &relation, &err),
                     LNKEEP_CORRUPT_RECORD);
        check_err(LNKEEP_CORRUPT_RECORD);
        CHECK_EQUAL(relation, 77);
        CHECK(check_channel('a', 1, "a", ""));
        if (session == 0) close_all();
    }
    CHECK_DONE(update('a', 2, "two"));
    commit = generation_of(capture(), 5);
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.commit_sequence, 2);
    CHECK_EQUAL(known.manager_generation, 5);
    reopen_with(&options);
    CHECK_EQUAL(report.flags, 0);
    end();
}

static const char EVENT_TEXT[] = "lnkeep-test: an event of the application";

/* What it said is lost, that there was one is not: the host can deal with it and acknowledge it. */
static void a_damaged_event_comes_without_its_bytes(void) {
    begin();
    CHECK_DONE(event(7, "sound"));
    CHECK_DONE(event(8, EVENT_TEXT));
    CHECK_DONE(commit_all(NULL));
    damage(EVENT_TEXT);
    CHECK_EQUAL(report.outputs, 2);
    lnkeep_outputs *outputs = take_outputs(8);
    if (outputs && CHECK_EQUAL(outputs->outputs_len, 2)) {
        CHECK(is_text(output_at(outputs, 0)->payload, "sound"));
        CHECK_EQUAL(output_at(outputs, 1)->output_id, 2);
        CHECK(output_at(outputs, 1)->payload.ptr == NULL && output_at(outputs, 1)->payload.len == 0);
    }
    lnkeep_outputs_free(outputs);
    CHECK_DONE(lnkeep_monitors_acknowledge(monitors, 2, NULL));
    CHECK_DONE(commit_all(NULL));
    reopen();
    CHECK_EQUAL(report.outputs, 1);
    CHECK(check_outputs("1:7:sound"));
    end();
}

/* The process that has the store open may not open its files. */
static int child_damages_the_snapshot(const char *given) {
    return h_damage(given, (const uint8_t *)SNAPSHOT_TEXT, strlen(SNAPSHOT_TEXT)) > 0 ? 0 : 1;
}

/* What goes wrong while the store is open is found by whoever reads it. */
static void a_damage_after_the_open_is_found_by_a_load(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, SNAPSHOT_TEXT));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('a', 1, SNAPSHOT_TEXT, ""));
    CHECK_EQUAL(h_run_child("child_damages_the_snapshot", directory), 0);
    lnkeep_monitor *monitor = load('a');
    if (monitor) CHECK_EQUAL(monitor->channel.damage, LNKEEP_DAMAGE_CHECKSUM);
    lnkeep_monitor_free(monitor);
    CHECK(check_channel('b', 1, "b", ""));
    close_all();
    open_with(NULL);
    CHECK_EQUAL(report.damaged, 1);
    CHECK_DONE(snapshot('a', 1, "mended"));
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('a', 1, "mended", ""));
    end();
}

/* Channels that advanced without the manager that now is wanted: there is none, then it is an older one. */
static void a_manager_that_is_missing_or_older_is_told(void) {
    lnkeep_monitors_options optional = LNKEEP_MONITORS_OPTIONS_INIT;
    optional.flags = LNKEEP_MONITORS_MANAGER_OPTIONAL;
    begin_with(&optional);
    CHECK_DONE(commit_all(NULL));
    reopen();
    CHECK_EQUAL(report.flags, 0);
    reopen_with(&optional);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all(NULL));
    reopen();
    CHECK_EQUAL(report.flags, LNKEEP_MONITORS_MANAGER_MISSING);
    CHECK_DONE(commit_all("the first"));
    reopen();
    CHECK_EQUAL(report.flags, 0);
    reopen_with(&optional);
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(commit_all(NULL));
    CHECK_EQUAL(report.flags, 0);
    reopen();
    CHECK_EQUAL(report.flags, LNKEEP_MONITORS_MANAGER_IS_BEHIND);
    CHECK(is_manager("the first"));
    /* What is archived needs no manager. */
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_all("the second"));
    reopen();
    CHECK_EQUAL(report.flags, 0);
    end();
}

/* A store that is a copy may be older than what peers have seen. */
static void a_copied_store_may_be_stale(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all("m"));
    close_all();
    directory = h_copy_store(directory);
    open_with(NULL);
    CHECK_EQUAL(report.flags, LNKEEP_MONITORS_MAY_BE_STALE);
    CHECK(check_channel('a', 1, "a", ""));
    end();
}

static int child_is_forked(lnkeep_status wanted) {
    lnkeep_monitors copy = monitors;
    lnkeep_capture taken;
    int right = lnkeep_monitors_is_open(monitors) == 0;
    right &= lnkeep_monitors_capture(monitors, &taken, NULL) == wanted;
    right &= lnkeep_monitors_queue_output(monitors, 1, 1, h_text("x"), NULL, NULL) == wanted;
    right &= lnkeep_monitors_close(&copy, LNKEEP_MONITORS_DISCARD, NULL) == wanted;
    return right && copy.bits == monitors.bits ? 0 : 1;
}

static void a_forked_child_is_turned_away(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) _exit(child_is_forked(LNKEEP_FORKED));
    int answer = h_wait(child);
    /* Valgrind counts the memory of threads that the child does not have. */
    CHECK(answer == 0 || (h_is_valgrind() && answer == 99));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.applied, 1);
    end();
}

int main(int argc, char **argv) {
    static const h_child children[] = {
        {"child_leaves_entries", child_leaves_entries},
        {"child_commits_for_ever", child_commits_for_ever},
        {"child_damages_the_snapshot", child_damages_the_snapshot},
    };
    static const h_test tests[] = {
        H_TEST(two_handles_are_one_session),
        H_TEST(other_options_are_refused_while_it_is_open),
        H_TEST(a_close_keeps_what_is_queued_unless_told),
        H_TEST(monitors_of_a_closed_store_can_be_closed),
        H_TEST(a_crash_takes_what_was_not_committed_and_nothing_else),
        H_TEST(nothing_left_that_a_kill_undoes),
        H_TEST(one_damaged_channel_bars_no_other),
        H_TEST(a_damaged_manager_is_told),
        H_TEST(a_damaged_generation_is_told),
        H_TEST(a_damaged_event_comes_without_its_bytes),
        H_TEST(a_damage_after_the_open_is_found_by_a_load),
        H_TEST(a_manager_that_is_missing_or_older_is_told),
        H_TEST(a_copied_store_may_be_stale),
        H_TEST(a_forked_child_is_turned_away),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

/*
 * Commits of monitors on a disk that fails or is full: UNKNOWN lets nothing go, NO_SPACE keeps queue and
 * capture. The program takes the place of the two system calls by which the library reaches the disk.
 */

#define _GNU_SOURCE
#include "monitors.h"
#include "failing_disk.h"


/* Closes poisoned monitors and their store, and opens both again. */
static void reopen_poisoned(void) {
    atomic_store(&flush_fails, 0);
    CHECK_STATUS(close_monitors(0), LNKEEP_POISONED);
    CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
    CHECK_STATUS(lnkeep_store_close(&store, NULL), LNKEEP_POISONED);
    open_with(NULL);
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_UNCLEAN);
    CHECK_EQUAL(report.damaged | report.flags, 0);
}

static lnkeep_status call_poisoned(int which) {
    lnkeep_outputs *outputs = NULL;
    lnkeep_monitor_completion completion;
    lnkeep_monitors second;
    lnkeep_capture taken;
    size_t len;
    switch (which) {
    case 0: return lnkeep_monitors_take_outputs(monitors, 8, &outputs, NULL);
    case 1: return lnkeep_monitors_completions(monitors, &completion, 1, &len, NULL);
    case 2: return lnkeep_monitors_capture(monitors, &taken, NULL);
    case 3: return lnkeep_monitors_open(store, NULL, &second, NULL, NULL);
    default: return new_channel('z', 1, "z");
    }
}

/* Nobody knows whether the commit is there: nothing leaves, and a reopen finds all of it or nothing. */
static void an_unknown_commit_lets_nothing_go(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all("m1"));
    for (unsigned round = 0; round < h_rounds(6, 2); round++) {
        uint64_t tip = known.commit_sequence;
        CHECK_DONE(update('a', tip + 1, "u"));
        CHECK_DONE(event(tip, "an event"));
        CHECK_DONE(message(tip, "a message"));
        lnkeep_monitors_commit commit = commit_of(capture(), "m2");
        atomic_store(&flush_fails, 1);
        CHECK_STATUS(commit_with(&commit), LNKEEP_UNKNOWN);
        CHECK_EQUAL(err.os_errno, EIO);
        for (int which = 0; which < 5; which++) CHECK_STATUS(call_poisoned(which), LNKEEP_POISONED);
        /* A disk that works again changes nothing. */
        atomic_store(&flush_fails, 0);
        CHECK_STATUS(commit_with(&commit), LNKEEP_POISONED);
        reopen_poisoned();
        int is_there = known.commit_sequence == tip + 1;
        CHECK_EQUAL(known.commit_sequence, tip + (is_there ? 1 : 0));
        CHECK_STATUS(update('a', tip + 1, "u"), is_there ? LNKEEP_ALREADY : LNKEEP_DONE);
        CHECK(check_completions(""));
        lnkeep_outputs *outputs = take_outputs(8);
        if (outputs) CHECK_EQUAL(outputs->outputs_len, report.outputs);
        lnkeep_outputs_free(outputs);
        if (is_there) CHECK(report.outputs > 0);
        if (!is_there) CHECK_DONE(commit_all("m2"));
        CHECK(is_manager("m2"));
        lnkeep_monitor *monitor = load('a');
        if (monitor) CHECK_EQUAL(monitor->channel.latest_update_id, tip + 1);
        lnkeep_monitor_free(monitor);
    }
    end();
}

/* A group with an attempt's record: there together or not at all. */
static void an_unknown_group_is_all_or_none(void) {
    begin();
    lnkeep_attempts attempts = h_attempts(store);
    lnkeep_op ops[2];
    lnkeep_outcome outcomes[2];
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_monitors_commit commit = commit_of(capture(), "m");
    memset(ops, 0, sizeof ops);
    ops[0].kind = LNKEEP_OP_ATTEMPT_INIT;
    ops[0].component = attempts.bits;
    ops[0].body.attempt_init = h_request(1);
    ops[1].kind = LNKEEP_OP_MONITORS_COMMIT;
    ops[1].component = monitors.bits;
    ops[1].body.monitors_commit.commit = &commit;
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL), LNKEEP_BATCH);
    for (int i = 0; i < 2; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_UNKNOWN);
    h_close_attempts(&attempts);
    reopen_poisoned();
    attempts = h_attempts(store);
    int is_there = known.commit_sequence == 1;
    CHECK_STATUS(h_state(attempts, 1), is_there ? LNKEEP_STATE_INTENT : LNKEEP_NOT_FOUND);
    if (is_there) CHECK(check_channel('a', 1, "a", ""));
    else CHECK(is_absent('a'));
    CHECK(is_manager(is_there ? "m" : NULL));
    h_close_attempts(&attempts);
    end();
}

/* An unknown purge, too, is done or not. */
static void an_unknown_purge_is_repeated(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_all("m"));
    uint64_t number = UNTOUCHED;
    atomic_store(&flush_fails, 1);
    CHECK_STATUS(lnkeep_monitors_purge(monitors, channel_of('a').id, &number, NULL), LNKEEP_UNKNOWN);
    CHECK_EQUAL(number, UNTOUCHED);
    reopen_poisoned();
    lnkeep_status status = lnkeep_monitors_purge(monitors, channel_of('a').id, &number, NULL);
    if (known.commit_sequence == 1) CHECK_DONE(status);
    else CHECK_STATUS(status, LNKEEP_NOT_ARCHIVED);
    CHECK(is_absent('a'));
    CHECK_EQUAL(state_now().commit_sequence, 2);
    end();
}

/* What can wait for space is not queued; what peers act on has a reserve. */
static void a_full_disk_refuses_new_channels_and_snapshots(void) {
    begin();
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(commit_all("m"));
    atomic_store(&disk_is_full, 1);
    h_init_until_full(store, attempts, 1);
    CHECK_REFUSED(new_channel('a', 1, "a"), LNKEEP_NO_SPACE, 0, NO_VALUE);
    /* The refusal made the writer look again, and it may have found room for something small. */
    lnkeep_status again = snapshot('b', 1, "b again");
    CHECK(again == LNKEEP_NO_SPACE || again == LNKEEP_DONE);
    CHECK_DONE(snapshot_with('b', 1, h_text("b again"), NULL, LNKEEP_MONITORS_CRITICAL));
    CHECK_DONE(update('b', 2, "two"));
    CHECK_DONE(message(1, "revoke_and_ack"));
    CHECK_DONE(commit_all("m2"));
    CHECK(check_outputs("0:1:revoke_and_ack"));
    CHECK(check_channel('b', 1, "b again", "two"));
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(commit_all("m3"));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all("m4"));
    CHECK(check_channel('a', 1, "a", ""));
    h_close_attempts(&attempts);
    end();
}

/* What does not fit into the reserve either leaves queue and capture as they were. */
static void a_commit_without_space_may_be_repeated(void) {
    begin();
    size_t large = h_rounds(40u << 20, 24u << 20);
    uint8_t *bytes = pattern(large, 1);
    CHECK_DONE(commit_all("m"));
    atomic_store(&disk_is_full, 1);
    CHECK_DONE(new_with('a', 1, h_bytes(bytes, large), NULL, LNKEEP_MONITORS_CRITICAL));
    CHECK_DONE(event(2, "an event"));
    lnkeep_monitors_commit commit = commit_of(capture(), "m2");
    for (int round = 0; round < 2; round++) {
        CHECK_STATUS(commit_with(&commit), LNKEEP_NO_SPACE);
        CHECK(is_absent('a'));
        CHECK(is_manager("m"));
        CHECK(check_outputs(""));
        CHECK(check_completions(""));
    }
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.applied, 2);
    CHECK(check_outputs("1:2:an event"));
    CHECK(check_completions("na1"));
    lnkeep_monitor *monitor = load('a');
    if (monitor) CHECK(is_same_bytes(monitor->snapshot, h_bytes(bytes, large)));
    lnkeep_monitor_free(monitor);
    free(bytes);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(an_unknown_commit_lets_nothing_go),
        H_TEST(an_unknown_group_is_all_or_none),
        H_TEST(an_unknown_purge_is_repeated),
        H_TEST(a_full_disk_refuses_new_channels_and_snapshots),
        H_TEST(a_commit_without_space_may_be_repeated),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

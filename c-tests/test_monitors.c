/* The queue of monitors: what is accepted, what is refused and why, its limits, what a commit makes of it. */

#include "monitors.h"

static void a_channel_lives_and_ends(void) {
    begin();
    lnkeep_block block = block_of(700);
    CHECK_DONE(new_with('a', 5, h_text("base"), &block, 0));
    CHECK_DONE(update('a', 6, "six"));
    CHECK(is_absent('a'));
    CHECK(is_manager(NULL));
    CHECK_DONE(commit_all("m1"));
    CHECK_EQUAL(committed.applied, 2);
    CHECK_EQUAL(committed.commit_sequence, 1);
    CHECK_EQUAL(committed.need_snapshot, 0);
    CHECK(check_channel('a', 5, "base", "six"));
    CHECK(is_manager("m1"));
    CHECK_DONE(update('a', 7, "seven"));
    CHECK_DONE(update('a', 8, "eight"));
    CHECK_DONE(snapshot('a', 7, "at seven"));
    CHECK(check_channel('a', 5, "base", "six"));
    CHECK_DONE(commit_all("m2"));
    CHECK(check_channel('a', 7, "at seven", "eight"));
    CHECK_DONE(archive('a'));
    CHECK_REFUSED(update('a', 9, "nine"), LNKEEP_CHANNEL_ARCHIVED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m3"));
    CHECK(check_channel('a', 7, "at seven", "eight"));
    CHECK(check_completions("na5 ua6 ua7 ua8 sa7 aa0"));
    CHECK(check_completions(""));
    uint64_t number = 0;
    CHECK_DONE(lnkeep_monitors_purge(monitors, channel_of('a').id, &number, &err));
    CHECK_EQUAL(number, 4);
    known = state_now();
    CHECK(is_absent('a'));
    CHECK_REFUSED(new_channel('a', 1, "again"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK_REFUSED(update('a', 9, "nine"), LNKEEP_UNKNOWN_CHANNEL, 'a', NO_VALUE);
    reopen();
    CHECK_EQUAL(report.commit_sequence, 4);
    CHECK(is_absent('a'));
    CHECK_REFUSED(new_channel('a', 1, "again"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK(is_manager("m3"));
    end();
}

/* What a caller hands over may go as soon as the call returned. */
static void everything_stays_the_callers(void) {
    begin();
    channel *id = (channel *)malloc(sizeof *id);
    char *bytes = (char *)malloc(8);
    lnkeep_block *block = (lnkeep_block *)malloc(sizeof *block);
    for (uint64_t at = 0; at < 5; at++) {
        uint64_t ticket;
        *id = channel_of('a');
        *block = block_of(9);
        memcpy(bytes, "payload", 8);
        lnkeep_bytes view = h_text(bytes);
        lnkeep_status status =
            at == 0   ? lnkeep_monitors_queue_new(monitors, id->id, 1, view, block, 0, &ticket, NULL)
            : at == 1 ? lnkeep_monitors_queue_update(monitors, id->id, 2, view, 0, &ticket, NULL)
            : at == 2 ? lnkeep_monitors_queue_snapshot(monitors, id->id, 2, view, NULL, 0, &ticket, NULL)
            : at == 3 ? lnkeep_monitors_queue_update(monitors, id->id, 3, view, 0, &ticket, NULL)
                      : lnkeep_monitors_queue_output(monitors, LNKEEP_OUTPUT_DURABLE, 4, view, &ticket, NULL);
        CHECK_DONE(status);
        CHECK_EQUAL(ticket, at + 1);
        memset(id, 'z', sizeof *id);
        memset(bytes, 'z', 8);
        memset(block, 0xee, sizeof *block);
    }
    free(block);
    free(bytes);
    free(id);
    last_ticket = 5;
    known = state_now();
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('a', 2, "payload", "payload"));
    CHECK(check_outputs("1:4:payload"));
    CHECK_EQUAL(state_now().rescan_height, 9);
    end();
}

/* Outputs that nobody wants may be NULL in every call. */
static void tickets_and_errors_are_optional(void) {
    begin();
    channel id = channel_of('a');
    lnkeep_bytes view = h_text("x");
    CHECK_DONE(lnkeep_monitors_queue_new(monitors, id.id, 1, view, NULL, 0, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_queue_update(monitors, id.id, 2, view, 0, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_queue_snapshot(monitors, id.id, 2, view, NULL, 0, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_queue_output(monitors, LNKEEP_OUTPUT_VOLATILE, 0, view, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_queue_archive(monitors, id.id, NULL, NULL));
    lnkeep_capture taken;
    CHECK_DONE(lnkeep_monitors_capture(monitors, &taken, NULL));
    lnkeep_monitors_commit commit = commit_of(taken, "m");
    CHECK_DONE(lnkeep_monitors_commit_captured(monitors, &commit, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_purge(monitors, id.id, NULL, NULL));
    lnkeep_monitors second;
    CHECK_DONE(lnkeep_monitors_open(store, NULL, &second, NULL, NULL));
    CHECK_DONE(lnkeep_monitors_close(&second, 0, NULL));
    CHECK_EQUAL(state_now().commit_sequence, 2);
    end();
}

static void a_new_channel_is_refused_when_its_id_was_ever_used(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_REFUSED(new_channel('a', 1, "a"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_REFUSED(new_channel('a', 2, "b"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK_DONE(archive('a'));
    CHECK_REFUSED(new_channel('a', 2, "b"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_REFUSED(new_channel('a', 2, "b"), LNKEEP_DUPLICATE_CHANNEL, 'a', NO_VALUE);
    CHECK_REFUSED(new_channel('b', UINT64_MAX, "b"), LNKEEP_BAD_UPDATE_ID, 'b', NO_VALUE);
    CHECK_REFUSED(new_channel('b', 1, ""), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    lnkeep_bytes huge = h_bytes("x", (UINT64_C(1) << 30) + 1);
    CHECK_REFUSED(new_with('b', 1, huge, NULL, 0), LNKEEP_TOO_BIG, 0, NO_VALUE);
    CHECK_DONE(new_channel('b', UINT64_MAX - 1, "b"));
    CHECK_REFUSED(update('b', UINT64_MAX, "b"), LNKEEP_BAD_UPDATE_ID, 'b', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('b', UINT64_MAX - 1, "b", ""));
    end();
}

/* Each refusal of an update, on what is durable and on what is only queued. */
static void updates_are_strictly_in_order(void) {
    for (int is_durable = 0; is_durable < 2; is_durable++) {
        begin();
        CHECK_DONE(new_channel('a', 5, "base"));
        CHECK_DONE(update('a', 6, "six"));
        CHECK_DONE(update('a', 7, "seven"));
        CHECK_DONE(archive('a'));
        CHECK_REFUSED(update('a', 8, "eight"), LNKEEP_CHANNEL_ARCHIVED, 'a', NO_VALUE);
        CHECK_DONE(new_channel('b', 5, "base"));
        CHECK_DONE(update('b', 6, "six"));
        CHECK_DONE(update('b', 7, "seven"));
        if (is_durable) CHECK_DONE(commit_all("m"));
        lnkeep_status repeat = is_durable ? LNKEEP_ALREADY : LNKEEP_ALREADY_QUEUED;
        CHECK_STATUS(update('b', 6, "six"), repeat);
        CHECK_STATUS(update('b', 7, "seven"), repeat);
        CHECK_REFUSED(update('b', 6, "SIX"), LNKEEP_UPDATE_CONFLICT, 'b', 7);
        CHECK_REFUSED(update('b', 7, "seve"), LNKEEP_UPDATE_CONFLICT, 'b', 7);
        CHECK_REFUSED(update('b', 7, "sevenn"), LNKEEP_UPDATE_CONFLICT, 'b', 7);
        CHECK_REFUSED(update('b', 5, "base"), LNKEEP_UPDATE_STALE, 'b', 7);
        CHECK_REFUSED(update('b', 0, "base"), LNKEEP_UPDATE_STALE, 'b', 7);
        CHECK_REFUSED(update('b', 9, "nine"), LNKEEP_UPDATE_GAP, 'b', 8);
        CHECK_REFUSED(update('b', UINT64_MAX - 1, "far"), LNKEEP_UPDATE_GAP, 'b', 8);
        CHECK_REFUSED(update('b', UINT64_MAX, "x"), LNKEEP_BAD_UPDATE_ID, 'b', NO_VALUE);
        CHECK_REFUSED(update('b', 8, ""), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
        CHECK_REFUSED(update('c', 1, "x"), LNKEEP_UNKNOWN_CHANNEL, 'c', NO_VALUE);
        CHECK_DONE(update('b', 8, "eight"));
        CHECK_DONE(snapshot('b', 7, "at seven"));
        CHECK_REFUSED(update('b', 7, "seven"), LNKEEP_UPDATE_STALE, 'b', 8);
        CHECK_STATUS(update('b', 8, "eight"), LNKEEP_ALREADY_QUEUED);
        end();
    }
}

static void the_bounds_of_a_payload_are_exact(void) {
    begin();
    size_t most = (4u << 20) - 64;
    uint8_t *bytes = pattern(most + 1, 3);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_REFUSED(update_with('a', 2, h_bytes(bytes, most + 1), 0), LNKEEP_TOO_BIG, 0, NO_VALUE);
    CHECK_REFUSED(output_with(LNKEEP_OUTPUT_DURABLE, 1, h_bytes(bytes, most + 1)), LNKEEP_TOO_BIG, 0,
                  NO_VALUE);
    CHECK_DONE(update_with('a', 2, h_bytes(bytes, most), 0));
    CHECK_DONE(output_with(LNKEEP_OUTPUT_DURABLE, 9, h_bytes(bytes, most)));
    CHECK_DONE(commit_all("m"));
    lnkeep_monitor *monitor = load('a');
    if (monitor && CHECK_EQUAL(monitor->updates_len, 1)) {
        CHECK(is_same_bytes(update_at(monitor, 0)->update, h_bytes(bytes, most)));
    }
    lnkeep_monitor_free(monitor);
    reopen();
    lnkeep_outputs *outputs = take_outputs(1);
    if (outputs && CHECK_EQUAL(outputs->outputs_len, 1)) {
        CHECK(is_same_bytes(output_at(outputs, 0)->payload, h_bytes(bytes, most)));
    }
    lnkeep_outputs_free(outputs);
    lnkeep_bytes huge = h_bytes("x", (UINT64_C(1) << 30) + 1);
    CHECK_REFUSED(snapshot_with('a', 2, huge, NULL, 0), LNKEEP_TOO_BIG, 0, NO_VALUE);
    free(bytes);
    end();
}

static void a_snapshot_replaces_what_it_includes(void) {
    begin();
    CHECK_DONE(new_channel('a', 2, "two"));
    CHECK_DONE(commit_all("m"));
    for (uint64_t id = 3; id <= 6; id++) CHECK_DONE(update('a', id, "u"));
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(update('a', 7, "seven"));
    CHECK_REFUSED(snapshot('a', 8, "x"), LNKEEP_SNAPSHOT_AHEAD, 'a', 7);
    CHECK_REFUSED(snapshot('a', UINT64_MAX, "x"), LNKEEP_SNAPSHOT_AHEAD, 'a', 7);
    CHECK_REFUSED(snapshot('a', 1, "x"), LNKEEP_SNAPSHOT_STALE, 'a', 7);
    CHECK_REFUSED(snapshot('a', 5, ""), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    CHECK_REFUSED(snapshot('b', 5, "x"), LNKEEP_UNKNOWN_CHANNEL, 'b', NO_VALUE);
    CHECK_DONE(snapshot('a', 2, "two again"));
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('a', 2, "two again", "u,u,u,u,seven"));
    CHECK_DONE(snapshot('a', 4, "four"));
    CHECK_REFUSED(snapshot('a', 3, "x"), LNKEEP_SNAPSHOT_STALE, 'a', 7);
    /* A snapshot that mends nothing advances nothing: no manager is needed. */
    CHECK_DONE(commit_all(NULL));
    CHECK(check_channel('a', 4, "four", "u,u,seven"));
    CHECK_DONE(snapshot('a', 7, "whole"));
    CHECK_DONE(commit_all(NULL));
    CHECK(check_channel('a', 7, "whole", ""));
    CHECK_DONE(archive('a'));
    CHECK_REFUSED(snapshot('a', 7, "x"), LNKEEP_CHANNEL_ARCHIVED, 'a', NO_VALUE);
    CHECK_REFUSED(archive('a'), LNKEEP_CHANNEL_ARCHIVED, 'a', NO_VALUE);
    CHECK_REFUSED(archive('b'), LNKEEP_UNKNOWN_CHANNEL, 'b', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_REFUSED(archive('a'), LNKEEP_CHANNEL_ARCHIVED, 'a', NO_VALUE);
    reopen();
    CHECK(check_channel('a', 7, "whole", ""));
    end();
}

/* Number of a refusal of a purge, as it must be. */
static lnkeep_status purge(char letter) {
    uint64_t number = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_purge(monitors, channel_of(letter).id, &number, &err);
    check_err(status);
    if (status == LNKEEP_DONE) {
        CHECK_EQUAL(number, known.commit_sequence + 1);
        known = state_now();
        CHECK_EQUAL(known.commit_sequence, number);
        return status;
    }
    CHECK_EQUAL(number, UNTOUCHED);
    check_unchanged();
    return status;
}

static void only_what_is_archived_is_purged(void) {
    begin();
    CHECK_REFUSED(purge('a'), LNKEEP_NOT_ARCHIVED, 'a', NO_VALUE);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_REFUSED(purge('a'), LNKEEP_NOT_ARCHIVED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_REFUSED(purge('a'), LNKEEP_NOT_ARCHIVED, 'a', NO_VALUE);
    CHECK_DONE(archive('a'));
    CHECK_REFUSED(purge('a'), LNKEEP_NOT_ARCHIVED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    /* What is queued meanwhile stays queued. */
    CHECK_DONE(update('b', 2, "two"));
    CHECK_DONE(purge('a'));
    CHECK_REFUSED(purge('a'), LNKEEP_NOT_ARCHIVED, 'a', NO_VALUE);
    CHECK_EQUAL(known.pending_operations, 1);
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('b', 1, "b", "two"));
    CHECK_EQUAL(committed.commit_sequence, 4);
    end();
}

static void tickets_tell_what_is_durable(void) {
    begin();
    int is_durable = 7;
    CHECK_DONE(new_channel('a', 1, "a"));
    uint64_t first = last_ticket;
    lnkeep_capture taken = capture();
    CHECK_DONE(update('a', 2, "b"));
    uint64_t second = last_ticket;
    lnkeep_monitors_commit commit = commit_of(taken, "m");
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.applied, 1);
    CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, first, &is_durable, NULL));
    CHECK_EQUAL(is_durable, 1);
    CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, second, &is_durable, NULL));
    CHECK_EQUAL(is_durable, 0);
    is_durable = 7;
    uint64_t unknown[] = {0, second + 1, UINT64_MAX};
    for (size_t i = 0; i < H_COUNT(unknown); i++) {
        CHECK_STATUS(lnkeep_monitors_ticket_is_durable(monitors, unknown[i], &is_durable, &err),
                     LNKEEP_BAD_TICKET);
        check_err(LNKEEP_BAD_TICKET);
        CHECK_EQUAL(is_durable, 7);
    }
    CHECK_DONE(commit_all("m"));
    reopen();
    /* Tickets of another session say nothing. */
    CHECK_STATUS(lnkeep_monitors_ticket_is_durable(monitors, first, &is_durable, &err), LNKEEP_BAD_TICKET);
    end();
}

static lnkeep_status can_queue(uint64_t operations, uint64_t bytes, uint32_t flags) {
    lnkeep_status status = lnkeep_monitors_can_queue(monitors, operations, bytes, flags, &err);
    check_err(status);
    check_unchanged();
    return status;
}

static void the_queue_is_bounded_by_entries_with_a_reserve(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 4;
    options.critical_reserve_ops = 2;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    for (uint64_t id = 2; id <= 4; id++) CHECK_DONE(update('a', id, "u"));
    CHECK_REFUSED(update('a', 5, "u"), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(new_channel('b', 5, "u"), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(snapshot('a', 4, "u"), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(archive('a'), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(message(1, "u"), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(event(1, "u"), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_EQUAL(lnkeep_status_class(LNKEEP_QUEUE_FULL), LNKEEP_CLASS_RETRY);
    /* A repeat needs no room. */
    CHECK_STATUS(update('a', 4, "u"), LNKEEP_ALREADY_QUEUED);
    CHECK_REFUSED(can_queue(1, 0, 0), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_DONE(can_queue(0, 0, 0));
    CHECK_DONE(can_queue(2, 1, LNKEEP_MONITORS_CRITICAL));
    CHECK_REFUSED(can_queue(3, 1, LNKEEP_MONITORS_CRITICAL), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_REFUSED(can_queue(UINT64_MAX, 1, LNKEEP_MONITORS_CRITICAL), LNKEEP_QUEUE_FULL, 0, 4);
    CHECK_DONE(update_with('a', 5, h_text("u"), LNKEEP_MONITORS_CRITICAL));
    CHECK_DONE(snapshot_with('a', 5, h_text("u"), NULL, LNKEEP_MONITORS_CRITICAL));
    CHECK_REFUSED(new_with('b', 1, h_text("b"), NULL, LNKEEP_MONITORS_CRITICAL), LNKEEP_QUEUE_FULL, 0, 6);
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(can_queue(4, 0, 0));
    CHECK_REFUSED(can_queue(5, 0, 0), LNKEEP_QUEUE_FULL, 0, 0);
    CHECK_DONE(new_with('b', 1, h_text("b"), NULL, LNKEEP_MONITORS_CRITICAL));
    end();
}

static void the_queue_is_bounded_by_bytes(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_bytes_max = 100;
    static const uint8_t room[200];
    begin_with(&options);
    CHECK_DONE(new_with('a', 1, h_bytes(room, 60), NULL, 0));
    CHECK_DONE(update_with('a', 2, h_bytes(room, 40), 0));
    CHECK_EQUAL(known.pending_bytes, 100);
    CHECK_REFUSED(update_with('a', 3, h_bytes(room, 1), 0), LNKEEP_QUEUE_FULL, 0, 2);
    CHECK_REFUSED(can_queue(1, 1, 0), LNKEEP_QUEUE_FULL, 0, 2);
    CHECK_REFUSED(can_queue(1, UINT64_MAX, 0), LNKEEP_QUEUE_FULL, 0, 2);
    CHECK_DONE(can_queue(1, UINT64_MAX, LNKEEP_MONITORS_CRITICAL));
    CHECK_DONE(update_with('a', 3, h_bytes(room, 200), LNKEEP_MONITORS_CRITICAL));
    CHECK_REFUSED(archive('a'), LNKEEP_QUEUE_FULL, 0, 3);
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(known.pending_bytes | known.pending_operations, 0);
    CHECK_DONE(can_queue(1, 100, 0));
    CHECK_REFUSED(can_queue(1, 101, 0), LNKEEP_QUEUE_FULL, 0, 0);
    end();
}

static void a_channel_has_only_so_many_updates(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.updates_max = 3;
    options.critical_reserve_ops = 2;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(update('a', 2, "u"));
    CHECK_DONE(update('a', 3, "u"));
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(update('a', 4, "u"));
    CHECK_REFUSED(update('a', 5, "u"), LNKEEP_SNAPSHOT_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(update_with('a', 5, h_text("u"), LNKEEP_MONITORS_CRITICAL));
    CHECK_DONE(update_with('a', 6, h_text("u"), LNKEEP_MONITORS_CRITICAL));
    CHECK_REFUSED(update_with('a', 7, h_text("u"), LNKEEP_MONITORS_CRITICAL), LNKEEP_SNAPSHOT_REQUIRED, 'a',
                  NO_VALUE);
    CHECK_DONE(snapshot('a', 4, "four"));
    CHECK_DONE(update('a', 7, "seven"));
    CHECK_REFUSED(update('a', 8, "u"), LNKEEP_SNAPSHOT_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK(check_channel('a', 4, "four", "u,u,seven"));
    CHECK_REFUSED(update('a', 8, "u"), LNKEEP_SNAPSHOT_REQUIRED, 'a', NO_VALUE);
    end();
}

static void without_a_reserve_critical_calls_wait_too(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 2;
    options.flags = LNKEEP_MONITORS_NO_CRITICAL_RESERVE;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(update_with('a', 2, h_text("b"), LNKEEP_MONITORS_CRITICAL));
    CHECK_REFUSED(update_with('a', 3, h_text("c"), LNKEEP_MONITORS_CRITICAL), LNKEEP_QUEUE_FULL, 0, 2);
    end();
}

static size_t needing(lnkeep_channel *channels, size_t capacity) {
    size_t len = 77;
    CHECK_DONE(lnkeep_monitors_need_snapshot(monitors, channels, capacity, &len, &err));
    CHECK(len <= capacity);
    return len;
}

static void snapshots_are_asked_for_by_count_and_by_bytes(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.snapshot_every_updates = 3;
    options.snapshot_growth_percent = 200;
    lnkeep_channel channels[4];
    begin_with(&options);
    CHECK_DONE(new_channel('c', 1, "a snapshot of some length, so that few bytes are little"));
    CHECK_DONE(new_channel('b', 1, "1234567890"));
    CHECK_DONE(new_channel('a', 1, "1234567890"));
    CHECK_DONE(update('b', 2, "1234567890123456789"));
    CHECK_DONE(update('c', 2, "u"));
    CHECK_DONE(update('c', 3, "u"));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.need_snapshot, 0);
    CHECK_EQUAL(needing(channels, 4), 0);
    CHECK_DONE(update('b', 3, "0"));
    CHECK_DONE(update('c', 4, "u"));
    CHECK_EQUAL(needing(channels, 4), 0);
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.need_snapshot, 2);
    if (CHECK_EQUAL(needing(channels, 4), 2)) {
        CHECK(is_channel(channels[0].channel_id, 'b') && is_channel(channels[1].channel_id, 'c'));
        CHECK_EQUAL(channels[0].update_bytes, 20);
        CHECK_EQUAL(channels[0].snapshot_bytes, 10);
        CHECK_EQUAL(channels[1].latest_update_id, 4);
        CHECK_EQUAL(channels[1].snapshot_update_id, 1);
    }
    CHECK_EQUAL(needing(channels, 1), 1);
    CHECK(is_channel(channels[0].channel_id, 'b'));
    reopen_with(&options);
    CHECK_EQUAL(needing(channels, 4), 2);
    CHECK_DONE(snapshot('b', 3, "whole"));
    CHECK_DONE(archive('c'));
    CHECK_EQUAL(needing(channels, 4), 2);
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.need_snapshot, 0);
    CHECK_EQUAL(needing(channels, 4), 0);
    end();
}

static void snapshots_are_asked_for_by_age(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.snapshot_age_secs = 60;
    options.flags = LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH;
    lnkeep_channel channels[2];
    begin_with(&options);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 100, NULL));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(new_channel('b', 1, "b"));
    CHECK_DONE(update('a', 2, "an update that is much longer than its snapshot"));
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(lnkeep_store_tick(store, 1059999, 100, NULL));
    CHECK_EQUAL(needing(channels, 2), 0);
    CHECK_DONE(lnkeep_store_tick(store, 1060000, 100, NULL));
    if (CHECK_EQUAL(needing(channels, 2), 1)) CHECK(is_channel(channels[0].channel_id, 'a'));
    CHECK_DONE(snapshot('a', 1, "a"));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(needing(channels, 2), 0);
    end();
}

/* The lowest block that a snapshot has seen; without one in a snapshot the one before stays. */
static void the_block_to_look_from_is_told(void) {
    begin();
    lnkeep_block block = block_of(100), higher = block_of(300), nothing = block_of(0);
    CHECK(!(known.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT));
    CHECK_DONE(new_with('a', 1, h_text("a"), &block, 0));
    CHECK_DONE(new_with('b', 1, h_text("b"), &higher, 0));
    CHECK(!(known.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT));
    CHECK_DONE(commit_all("m"));
    CHECK(known.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT);
    CHECK_EQUAL(known.rescan_height, 100);
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(snapshot('a', 2, "kept"));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(known.rescan_height, 100);
    block = block_of(200);
    CHECK_DONE(snapshot_with('a', 2, h_text("moved"), &block, 0));
    CHECK_DONE(commit_all(NULL));
    CHECK_EQUAL(known.rescan_height, 200);
    reopen();
    CHECK_EQUAL(known.rescan_height, 200);
    lnkeep_monitor *monitor = load('a');
    if (monitor) {
        CHECK_EQUAL(monitor->channel.block_height, 200);
        CHECK(memcmp(monitor->channel.block_hash, block.hash, 32) == 0);
    }
    lnkeep_monitor_free(monitor);
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(known.rescan_height, 300);
    CHECK_DONE(snapshot_with('b', 1, h_text("unknown"), &nothing, 0));
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(known.rescan_height, 0);
    CHECK(known.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT);
    CHECK_DONE(archive('b'));
    CHECK_DONE(commit_all("m"));
    CHECK(!(known.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT));
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_channel_lives_and_ends),
        H_TEST(everything_stays_the_callers),
        H_TEST(tickets_and_errors_are_optional),
        H_TEST(a_new_channel_is_refused_when_its_id_was_ever_used),
        H_TEST(updates_are_strictly_in_order),
        H_TEST(the_bounds_of_a_payload_are_exact),
        H_TEST(a_snapshot_replaces_what_it_includes),
        H_TEST(only_what_is_archived_is_purged),
        H_TEST(tickets_tell_what_is_durable),
        H_TEST(the_queue_is_bounded_by_entries_with_a_reserve),
        H_TEST(the_queue_is_bounded_by_bytes),
        H_TEST(a_channel_has_only_so_many_updates),
        H_TEST(without_a_reserve_critical_calls_wait_too),
        H_TEST(snapshots_are_asked_for_by_count_and_by_bytes),
        H_TEST(snapshots_are_asked_for_by_age),
        H_TEST(the_block_to_look_from_is_told),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/*
 * Resources on a disk that is full or fails: what holds in memory goes on, what asks to be durable is told,
 * and a reopen finds a prefix. The program takes the place of the two system calls by which the library
 * reaches the disk.
 */

#define _GNU_SOURCE
#include "resources.h"
#include "failing_disk.h"

/* Snapshots of channels, ever smaller ones, until not even the smallest has room; entries may have some. */
static void fill_disk(void) {
    static uint8_t bytes[1 << 20];
    uint8_t id[32] = {0};
    for (size_t len = sizeof bytes; len >= 4096; len /= 4) {
        lnkeep_status status = LNKEEP_DONE;
        lnkeep_monitors monitors;
        CHECK_DONE(lnkeep_monitors_open(store, NULL, &monitors, NULL, NULL));
        for (unsigned count = 0; status == LNKEEP_DONE && count < 1000; count++) {
            lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
            id[0]++, id[1] += id[0] == 0, id[2] = (uint8_t)(len >> 12);
            status = lnkeep_monitors_queue_new(monitors, id, 1, h_bytes(bytes, len), NULL, 0, NULL, NULL);
            if (status != LNKEEP_DONE) break;
            CHECK_DONE(lnkeep_monitors_capture(monitors, &commit.capture, NULL));
            commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
            status = lnkeep_monitors_commit_captured(monitors, &commit, NULL, NULL);
        }
        CHECK_STATUS(status, LNKEEP_NO_SPACE);
        CHECK_DONE(lnkeep_monitors_close(&monitors, LNKEEP_MONITORS_DISCARD, NULL));
    }
}

/* Two channels on a disk that is full from now on. */
static void begin_full(const lnkeep_resources_options *options) {
    atomic_store(&flush_fails, 0);
    atomic_store(&disk_is_full, 0);
    begin_with(options);
    add_channels(2);
    atomic_store(&disk_is_full, 1);
    fill_disk();
}

/* Adds and ends HTLCs from memory until the disk has no room for the journal; answers the first id after. */
static uint64_t fill_journal(uint64_t id) {
    lnkeep_status status = LNKEEP_DONE;
    for (; status == LNKEEP_DONE && id < 2000000; id++) {
        lnkeep_htlc_request request = htlc(1, 2, id, 1000);
        CHECK_GENERAL(add(request));
        CHECK_DONE(settle(request, 1));
        if (id % 256 == 0) status = lnkeep_store_sync(store, NULL);
    }
    CHECK_STATUS(status, LNKEEP_NOT_DURABLE);
    return id;
}

/* Of several, each that was done says that it is not durable; what was refused stays refused. */
static void check_batches(uint64_t id) {
    lnkeep_htlc_request requests[3] = {htlc(1, 2, id, 1000), htlc(1, 9, id, 1000),
                                       htlc(1, 2, id + 1, PAIR_MSAT)};
    lnkeep_resolve_request over[2] = {ended(requests[0], 0, 1), ended(requests[1], 0, 1)};
    lnkeep_decision decisions[3];
    lnkeep_resolution answers[2];
    CHECK_REFUSED(lnkeep_resources_add(resources, requests, 3, LNKEEP_RESOURCES_DURABLE, decisions, NULL,
                                       &err),
                  LNKEEP_BATCH, NO_VALUE);
    CHECK_STATUS(decisions[0].status, LNKEEP_NOT_DURABLE);
    CHECK_EQUAL(decisions[0].verdict, LNKEEP_VERDICT_FORWARD);
    CHECK_STATUS(decisions[1].status, LNKEEP_UNKNOWN_CHANNEL);
    CHECK_EQUAL(decisions[2].verdict, LNKEEP_VERDICT_FAIL);
    for (int i = 0; i < 3; i++) is_well_formed_decision(&decisions[i]);
    CHECK_REFUSED(lnkeep_resources_resolve(resources, over, 2, LNKEEP_RESOURCES_DURABLE, answers, &err),
                  LNKEEP_BATCH, NO_VALUE);
    CHECK_STATUS(answers[0].status, LNKEEP_NOT_DURABLE);
    CHECK_STATUS(answers[1].status, LNKEEP_UNKNOWN_CHANNEL);
}

/* It is decided all the same, and a repeat after there is space says that it is durable. */
static void durable_calls_are_told_of_a_full_disk(void) {
    begin_full(NULL);
    uint64_t id = fill_journal(1);
    lnkeep_htlc_request request = htlc(1, 2, id, SLOT_MSAT), other = htlc(1, 2, id + 1, SLOT_MSAT);
    for (int round = 0; round < 2; round++) {
        CHECK_REFUSED(add_with(&request, LNKEEP_RESOURCES_DURABLE), LNKEEP_NOT_DURABLE, NO_VALUE);
        lnkeep_pending_htlc found;
        if (CHECK(find_pending(1, id, &found))) CHECK_EQUAL(found.bucket, LNKEEP_BUCKET_GENERAL);
        CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FORWARD);
        CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_GENERAL);
        CHECK_EQUAL(grounds.general_slots_needed, 1);
    }
    CHECK(stats_now().journal_durable_below < stats_now().journal_next);
    /* From memory everything goes on. */
    CHECK_GENERAL(add(other));
    lnkeep_resolve_request over = ended(other, LNKEEP_RESOLVE_SETTLED, 1);
    CHECK_REFUSED(resolve_with(&over, LNKEEP_RESOURCES_DURABLE), LNKEEP_NOT_DURABLE, NO_VALUE);
    CHECK_EQUAL(resolution.effective_fee_msat, FEE_MSAT);
    check_batches(id + 2);
    CHECK_REFUSED(resolve_with(&over, LNKEEP_RESOURCES_DURABLE), LNKEEP_NOT_DURABLE, NO_VALUE);
    CHECK_STATUS(settle(other, 1), LNKEEP_ALREADY);
    CHECK_STATUS(lnkeep_store_sync(store, NULL), LNKEEP_NOT_DURABLE);
    atomic_store(&disk_is_full, 0);
    CHECK_STATUS(add_with(&request, LNKEEP_RESOURCES_DURABLE), LNKEEP_ALREADY);
    CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_GENERAL);
    CHECK_STATUS(resolve_with(&over, LNKEEP_RESOURCES_DURABLE), LNKEEP_ALREADY);
    CHECK_EQUAL(stats_now().journal_waiting, 0);
    CHECK_EQUAL(stats_now().journal_durable_below, stats_now().journal_next);
    lnkeep_resources_snapshot *before = take_snapshot();
    reopen_with(NULL);
    CHECK_EQUAL(report.pending, 1);
    CHECK(is_unchanged_since(before));
    end();
}

/* Calls that are always durable hold in memory, and are repeated. */
static void channels_on_a_full_disk_are_repeated(void) {
    begin_full(NULL);
    fill_journal(1);
    lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT), larger = limits_of(200, IN_FLIGHT_MSAT);
    lnkeep_forward_row row = {1, 2, 5000, START_SECS, START_SECS};
    lnkeep_live_htlc live;
    uint32_t removal = 77;
    memset(&live, 0, sizeof live);
    live.incoming = 1, live.outgoing = 2, live.htlc_id = UINT64_MAX, live.incoming_cltv_expiry = 1;
    CHECK_REFUSED(lnkeep_resources_add_channel(resources, 3, &limits, START_SECS, NULL, &err),
                  LNKEEP_NOT_DURABLE, NO_VALUE);
    CHECK_EQUAL(lookup(3).limits.max_accepted_htlcs, SLOTS);
    CHECK_REFUSED(lnkeep_resources_resize_channel(resources, 3, &larger, NULL, &err), LNKEEP_NOT_DURABLE,
                  NO_VALUE);
    CHECK_EQUAL(lookup(3).limits.max_accepted_htlcs, 200);
    CHECK_REFUSED(lnkeep_resources_import_history(resources, &row, 1, NULL, &err), LNKEEP_NOT_DURABLE,
                  NO_VALUE);
    CHECK_REFUSED(lnkeep_resources_reconcile(resources, &live, 1, NULL, &err), LNKEEP_NOT_DURABLE, NO_VALUE);
    CHECK_REFUSED(lnkeep_resources_remove_channel(resources, 2, &removal, &err), LNKEEP_NOT_DURABLE,
                  NO_VALUE);
    /* The repeat of a removal, too, is not durable yet. */
    CHECK_REFUSED(lnkeep_resources_remove_channel(resources, 2, &removal, &err), LNKEEP_NOT_DURABLE,
                  NO_VALUE);
    CHECK_EQUAL(removal, 77);
    CHECK_EQUAL(lookup(2).flags, LNKEEP_RESOURCES_IS_CLOSING);
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 2, &removal, &err));
    CHECK_EQUAL(removal, LNKEEP_RESOURCES_CLOSING);
    CHECK_STATUS(lnkeep_resources_add_channel(resources, 3, &larger, START_SECS, NULL, &err), LNKEEP_ALREADY);
    CHECK_DONE(lnkeep_resources_resize_channel(resources, 3, &larger, NULL, &err));
    lnkeep_imported imported = LNKEEP_IMPORTED_INIT;
    CHECK_DONE(lnkeep_resources_import_history(resources, &row, 1, &imported, &err));
    CHECK_EQUAL(imported.channels_before, 1);
    lnkeep_resources_snapshot *before = take_snapshot();
    reopen_with(NULL);
    CHECK(is_unchanged_since(before));
    end();
}

/* Without another call, too: whoever acknowledged from memory does not come back. */
static void what_waits_is_written_when_there_is_space(void) {
    begin_full(NULL);
    fill_journal(1);
    atomic_store(&disk_is_full, 0);
    for (int waited = 0; waited < 500 && stats_now().journal_durable_below < stats_now().journal_next;
         waited++) {
        h_sleep_ms(10);
    }
    CHECK_EQUAL(stats_now().journal_durable_below, stats_now().journal_next);
    CHECK_EQUAL(stats_now().journal_waiting, 0);
    end();
}

/* When the journal's memory is full as well, nothing is decided. */
static void a_full_journal_decides_nothing(void) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.journal_entries_max = 64;
    begin_full(&options);
    lnkeep_htlc_request request = htlc(1, 2, 0, 1000);
    lnkeep_status status = LNKEEP_DONE;
    uint64_t waited = 0;
    int is_pending = 0;
    /* What a drain takes may still find room, so that it is busy for good only after some time. */
    while (waited < 100) {
        if (!is_pending) request.htlc_id++;
        status = is_pending ? settle(request, 1) : add(request);
        if (status == LNKEEP_DONE) is_pending = !is_pending;
        waited = status == LNKEEP_BUSY ? waited + 1 : 0;
        if (status == LNKEEP_BUSY) h_sleep_ms(5);
        else if (!CHECK_DONE(status)) break;
    }
    CHECK_STATUS(status, LNKEEP_BUSY);
    lnkeep_resources_snapshot *before = take_snapshot();
    lnkeep_resources_stats stats = stats_now();
    lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT);
    uint32_t removal;
    for (uint64_t id = 0; id < 20; id++) {
        request.htlc_id = UINT64_MAX - id;
        CHECK_REFUSED(add(request), LNKEEP_BUSY, NO_VALUE);
        CHECK_REFUSED(add_with(&request, LNKEEP_RESOURCES_DURABLE), LNKEEP_BUSY, NO_VALUE);
        /* A trial needs no room. */
        CHECK_GENERAL(add_with(&request, LNKEEP_RESOURCES_DRY_RUN));
    }
    lnkeep_resolve_request over[2] = {ended(request, 0, 1), ended(request, 0, 1)};
    lnkeep_resolution answers[2];
    lnkeep_status many = lnkeep_resources_resolve(resources, over, 2, 0, answers, &err);
    CHECK(many == LNKEEP_BATCH && answers[0].status < 0 && answers[1].status < 0);
    CHECK_REFUSED(lnkeep_resources_add_channel(resources, 3, &limits, 1, NULL, &err), LNKEEP_BUSY, NO_VALUE);
    CHECK_REFUSED(lnkeep_resources_remove_channel(resources, 1, &removal, &err), LNKEEP_BUSY, NO_VALUE);
    CHECK_EQUAL(stats_now().forwarded, stats.forwarded);
    CHECK_EQUAL(stats_now().journal_next, stats.journal_next);
    CHECK(is_unchanged_since(before));
    atomic_store(&disk_is_full, 0);
    for (waited = 0; (status = add(request)) == LNKEEP_BUSY && waited < 500; waited++) h_sleep_ms(10);
    CHECK_GENERAL(status);
    CHECK_DONE(add_channel_at(3, SLOTS, IN_FLIGHT_MSAT, START_SECS));
    end();
}

/* As after a crash: the last calls acknowledged from memory are lost, and the close says so. */
static void a_close_on_a_full_disk_loses_the_last(void) {
    begin_full(NULL);
    uint64_t id = fill_journal(1);
    lnkeep_htlc_request request = htlc(1, 2, id, SLOT_MSAT);
    CHECK_REFUSED(add_with(&request, LNKEEP_RESOURCES_DURABLE), LNKEEP_NOT_DURABLE, NO_VALUE);
    uint64_t durable = stats_now().journal_durable_below;
    lnkeep_resources closing = resources;
    CHECK_STATUS(close_resources(), LNKEEP_NO_SPACE);
    CHECK_EQUAL(lnkeep_resources_is_open(closing), 0);
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(open_resources(NULL));
    CHECK_EQUAL(report.channels, 2);
    CHECK_EQUAL(report.damaged, 0);
    CHECK_EQUAL(stats_now().journal_next, durable);
    CHECK_DONE(add(request));
    CHECK_EQUAL(decision.reason, LNKEEP_REASON_GENERAL);
    end();
}

/* The settings of new resources need room; without it nothing was opened. */
static void an_open_needs_space(void) {
    atomic_store(&disk_is_full, 0);
    directory = h_directory();
    store = h_open(directory);
    lnkeep_attempts attempts = h_attempts(store);
    atomic_store(&disk_is_full, 1);
    h_init_until_full(store, attempts, 1);
    lnkeep_status status = open_resources(NULL);
    if (status == LNKEEP_DONE) {
        /* The refusals made the writer look again, and it found room for a small row. */
        CHECK_DONE(close_resources());
    } else {
        CHECK_REFUSED(status, LNKEEP_NO_SPACE, NO_VALUE);
    }
    atomic_store(&disk_is_full, 0);
    CHECK_DONE(open_resources(NULL));
    add_channels(2);
    h_close_attempts(&attempts);
    end();
}

static lnkeep_status call_poisoned(int which) {
    lnkeep_htlc_request request = htlc(1, 2, 99, 1000);
    lnkeep_resolve_request over = ended(request, 0, 1);
    lnkeep_resources_snapshot *snapshot = NULL;
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    lnkeep_resources_channel found;
    lnkeep_resources second;
    switch (which) {
    case 0: return lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, NULL);
    case 1: return lnkeep_resources_add(resources, &request, 1, 1, &decision, NULL, NULL);
    case 2: return lnkeep_resources_resolve(resources, &over, 1, 0, &resolution, NULL);
    case 3: return lnkeep_resources_lookup(resources, 1, 1, &found, NULL);
    case 4: return lnkeep_resources_take_snapshot(resources, 1, &snapshot, NULL);
    case 5: return lnkeep_resources_read_stats(resources, &stats, NULL);
    case 6: return lnkeep_resources_reconcile(resources, NULL, 0, NULL, NULL);
    default: return lnkeep_resources_open(store, NULL, &second, NULL, NULL);
    }
}

/* Nobody knows whether the last entries are there: everything ends, and a reopen finds a prefix of them. */
static void a_failed_flush_ends_the_session(void) {
    for (unsigned round = 0; round < h_rounds(6, 2); round++) {
        atomic_store(&flush_fails, 0);
        atomic_store(&disk_is_full, 0);
        begin(2);
        for (uint64_t id = 1; id <= 3; id++) {
            lnkeep_htlc_request request = htlc(1, 2, id, 1000);
            CHECK_GENERAL(add_with(&request, id < 3 ? LNKEEP_RESOURCES_DURABLE : 0));
        }
        CHECK_DONE(lnkeep_store_sync(store, NULL));
        atomic_store(&flush_fails, 1);
        lnkeep_htlc_request request = htlc(1, 2, 4, 1000);
        lnkeep_status status = lnkeep_resources_add(resources, &request, 1, LNKEEP_RESOURCES_DURABLE,
                                                    &decision, NULL, &err);
        CHECK(status == LNKEEP_UNKNOWN || status == LNKEEP_POISONED);
        CHECK_STATUS(err.status, status);
        /* A disk that works again changes nothing. */
        atomic_store(&flush_fails, 0);
        for (int which = 0; which < 8; which++) {
            if (!CHECK_STATUS(call_poisoned(which), LNKEEP_POISONED)) printf("call %d\n", which);
        }
        lnkeep_resources closing = resources;
        status = lnkeep_resources_close(&closing, NULL);
        CHECK(status == LNKEEP_POISONED || status == LNKEEP_UNKNOWN);
        CHECK_EQUAL(closing.bits, 0);
        CHECK_STATUS(lnkeep_store_close(&store, NULL), LNKEEP_POISONED);
        store = h_open(directory);
        CHECK_DONE(open_resources(NULL));
        CHECK(report.pending == 3 || report.pending == 4);
        CHECK_EQUAL(report.damaged, 0);
        /* The same call again: what was recorded, or decided now. */
        status = add_with(&request, LNKEEP_RESOURCES_DURABLE);
        CHECK_STATUS(status, report.pending == 4 ? LNKEEP_ALREADY : LNKEEP_DONE);
        CHECK_EQUAL(lookup(1).pending_incoming, 4);
        end();
    }
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(durable_calls_are_told_of_a_full_disk),
        H_TEST(channels_on_a_full_disk_are_repeated),
        H_TEST(what_waits_is_written_when_there_is_space),
        H_TEST(a_full_journal_decides_nothing),
        H_TEST(a_close_on_a_full_disk_loses_the_last),
        H_TEST(an_open_needs_space),
        H_TEST(a_failed_flush_ends_the_session),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

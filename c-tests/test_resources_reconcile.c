/* What a node tells after a restart: the HTLCs that it has, and the forwards of its past. */

#include "resources.h"

static lnkeep_reconciled done;

static lnkeep_live_htlc live_of(lnkeep_htlc_request request, uint32_t flags) {
    lnkeep_live_htlc live;
    memset(&live, 0, sizeof live);
    live.incoming = request.incoming;
    live.outgoing = request.outgoing;
    live.htlc_id = request.htlc_id;
    live.incoming_amount_msat = request.incoming_amount_msat;
    live.outgoing_amount_msat = request.outgoing_amount_msat;
    live.added_unix_secs = request.unix_secs;
    live.incoming_cltv_expiry = request.incoming_cltv_expiry;
    live.block_height = request.block_height;
    live.flags = flags;
    return live;
}

static lnkeep_status reconcile(const lnkeep_live_htlc *live, size_t len) {
    static const lnkeep_reconciled fresh = LNKEEP_RECONCILED_INIT;
    done = fresh;
    lnkeep_status status = lnkeep_resources_reconcile(resources, live, len, &done, &err);
    check_err(status);
    CHECK_EQUAL(done.size, sizeof done);
    if (status != LNKEEP_DONE) {
        CHECK_EQUAL(done.kept | done.dropped | done.added | done.unknown_channel | done.different, 0);
    }
    return status;
}

static void check_counts(uint64_t kept, uint64_t dropped, uint64_t added, uint64_t unknown,
                         uint64_t different) {
    CHECK_EQUAL(done.kept, kept);
    CHECK_EQUAL(done.dropped, dropped);
    CHECK_EQUAL(done.added, added);
    CHECK_EQUAL(done.unknown_channel, unknown);
    CHECK_EQUAL(done.different, different);
}

static void each_htlc_is_counted_once(void) {
    begin(3);
    earn(2, 10 * RISK_MSAT);
    lnkeep_htlc_request requests[6];
    for (uint64_t id = 0; id < 6; id++) requests[id] = htlc(1, 2, id, SLOT_MSAT);
    requests[2].flags = LNKEEP_HTLC_ACCOUNTABLE;
    for (int i = 0; i < 4; i++) CHECK_DONE(add(requests[i]));
    reopen_with(NULL);
    CHECK_EQUAL(report.pending, 4);
    lnkeep_live_htlc live[5];
    live[0] = live_of(requests[0], 0);
    live[1] = live_of(requests[3], 0);
    live[1].incoming_amount_msat++;
    live[2] = live_of(requests[4], 0);
    live[3] = live_of(requests[5], 0);
    live[3].outgoing = 9;
    live[4] = live_of(requests[5], 0);
    live[4].incoming = 9;
    /* Two that are gone, one of them accountable: released, and on no reputation. */
    CHECK_DONE(reconcile(live, 5));
    check_counts(1, 2, 1, 2, 1);
    lnkeep_resources_channel one = lookup(1), two = lookup(2);
    CHECK_EQUAL(one.pending_incoming, 3);
    CHECK_EQUAL(one.general_slots_used, 3);
    CHECK_EQUAL(one.protected_used_msat | one.protected_slots_used | one.revenue_total_msat, 0);
    CHECK_EQUAL(two.reputation_msat, 10 * RISK_MSAT);
    CHECK_EQUAL(two.in_flight_risk_msat, 0);
    lnkeep_pending_htlc found;
    CHECK(!find_pending(1, 1, &found) && !find_pending(1, 2, &found) && !find_pending(1, 5, &found));
    if (CHECK(find_pending(1, 3, &found))) CHECK_EQUAL(found.incoming_amount_msat, SLOT_MSAT);
    /* Dropped is not resolved: its end is that of an HTLC not known. */
    CHECK_STATUS(settle(requests[1], 1), LNKEEP_UNKNOWN_HTLC);
    lnkeep_resources_snapshot *before = take_snapshot();
    CHECK_DONE(reconcile(live, 5));
    check_counts(2, 0, 0, 2, 1);
    CHECK(is_unchanged_since(before));
    CHECK_EQUAL(stats_now().journal_waiting, 0);
    reopen_with(NULL);
    CHECK_EQUAL(report.pending, 3);
    CHECK_DONE(reconcile(NULL, 0));
    check_counts(0, 3, 0, 0, 0);
    CHECK_EQUAL(lookup(1).general_slots_used | lookup(1).pending_incoming, 0);
    end();
}

/* An id of an incoming channel is one HTLC: out through another channel it is known with other content. */
static void another_way_out_is_a_difference(void) {
    begin(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    reopen_with(NULL);
    lnkeep_live_htlc live = live_of(htlc(1, 3, 1, SLOT_MSAT), 0);
    CHECK_DONE(reconcile(&live, 1));
    check_counts(0, 0, 0, 0, 1);
    CHECK_EQUAL(lookup(2).pending_outgoing, 1);
    CHECK_EQUAL(lookup(3).pending_outgoing, 0);
    end();
    /* In compat mode it is another one. */
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = LNKEEP_RESOURCES_COMPAT;
    begin_with(&options);
    add_channels(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    reopen_with(&options);
    CHECK_DONE(reconcile(&live, 1));
    check_counts(0, 1, 1, 0, 0);
    CHECK_EQUAL(lookup(2).pending_outgoing, 0);
    CHECK_EQUAL(lookup(3).pending_outgoing, 1);
    end();
}

/* What was added since the open is newer than the list may be. */
static void what_was_added_since_is_never_dropped(void) {
    begin(2);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_DONE(reconcile(NULL, 0));
    check_counts(0, 0, 0, 0, 0);
    CHECK_EQUAL(lookup(1).pending_incoming, 1);
    reopen_with(NULL);
    CHECK_GENERAL(add(htlc(1, 2, 2, SLOT_MSAT)));
    CHECK_DONE(reconcile(NULL, 0));
    check_counts(0, 1, 0, 0, 0);
    lnkeep_pending_htlc found;
    CHECK(find_pending(1, 2, &found));
    end();
}

/* In the bucket of its signal while there is room, and in none after that; its own data say what it costs. */
static void what_only_the_node_knows_is_tracked(void) {
    begin(2);
    lnkeep_live_htlc live[4];
    live[0] = live_of(htlc(1, 2, 1, PAIR_MSAT), 0);
    live[1] = live_of(htlc(1, 2, 2, SLOT_MSAT), 0);
    live[2] = live_of(htlc(1, 2, 3, 40 * SLOT_MSAT), LNKEEP_HTLC_ACCOUNTABLE);
    live[3] = live_of(htlc(1, 2, 4, SLOT_MSAT), LNKEEP_HTLC_ACCOUNTABLE);
    live[3].block_height += 93;
    CHECK_DONE(reconcile(live, 4));
    check_counts(0, 0, 4, 0, 0);
    static const uint32_t buckets[] = {LNKEEP_BUCKET_GENERAL, LNKEEP_BUCKET_NONE, LNKEEP_BUCKET_PROTECTED,
                                       LNKEEP_BUCKET_NONE};
    static const uint64_t risks[] = {RISK_MSAT, RISK_MSAT, RISK_MSAT, 411000};
    lnkeep_pending_htlc found;
    for (uint64_t id = 1; id <= 4; id++) {
        if (!CHECK(find_pending(1, id, &found))) continue;
        CHECK_EQUAL(found.bucket, buckets[id - 1]);
        CHECK_EQUAL(found.risk_msat, risks[id - 1]);
        CHECK_EQUAL(found.fee_msat, FEE_MSAT);
        CHECK_EQUAL(found.general_slots, id == 1 ? 5 : 0);
        CHECK_EQUAL(found.flags, id > 2 ? LNKEEP_PENDING_ACCOUNTABLE : 0);
        CHECK_EQUAL(found.added_unix_secs, START_SECS);
    }
    CHECK_EQUAL(lookup(2).in_flight_risk_msat, RISK_MSAT + 411000);
    /* It counts as any other, also where it took nothing. */
    CHECK_DONE(fail(htlc(1, 2, 4, SLOT_MSAT), 270));
    CHECK_EQUAL(resolution.effective_fee_msat, -2 * (int64_t)FEE_MSAT);
    CHECK_DONE(settle(htlc(1, 2, 2, SLOT_MSAT), 10));
    CHECK_EQUAL(resolution.effective_fee_msat, FEE_MSAT);
    CHECK_DONE(settle(htlc(1, 2, 1, PAIR_MSAT), 10));
    CHECK_DONE(settle(htlc(1, 2, 3, 40 * SLOT_MSAT), 10));
    CHECK_EQUAL(lookup(1).general_slots_used | lookup(1).protected_used_msat, 0);
    end();
}

/* What orphans held is free for those that have to be tracked. */
static void orphans_make_room_first(void) {
    begin(2);
    CHECK_GENERAL(add(htlc(1, 2, 1, PAIR_MSAT)));
    reopen_with(NULL);
    lnkeep_live_htlc live = live_of(htlc(1, 2, 2, PAIR_MSAT), 0);
    CHECK_DONE(reconcile(&live, 1));
    check_counts(0, 1, 1, 0, 0);
    lnkeep_pending_htlc found;
    if (CHECK(find_pending(1, 2, &found))) CHECK_EQUAL(found.bucket, LNKEEP_BUCKET_GENERAL);
    CHECK_EQUAL(lookup(1).general_slots_used, 5);
    end();
}

static void a_list_without_sense_is_refused(void) {
    begin(2);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    reopen_with(NULL);
    lnkeep_live_htlc live[3];
    lnkeep_resources_snapshot *before = take_snapshot();
    for (uint64_t id = 0; id < 3; id++) live[id] = live_of(htlc(1, 2, 7 + id, SLOT_MSAT), 0);
    live[2].htlc_id = 7;
    CHECK_REFUSED(reconcile(live, 3), LNKEEP_DUPLICATE_ID, NO_VALUE);
    live[2].htlc_id = 9;
    live[2].outgoing_amount_msat = SLOT_MSAT + 1;
    CHECK_REFUSED(reconcile(live, 3), LNKEEP_OUTGOING_EXCEEDS_INCOMING, NO_VALUE);
    live[2].outgoing_amount_msat = 0;
    live[2].added_unix_secs = LAST_SECS + 1;
    CHECK_REFUSED(reconcile(live, 3), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    live[2].added_unix_secs = START_SECS;
    for (uint32_t bit = 1; bit < 32; bit++) {
        live[2].flags = UINT32_C(1) << bit;
        CHECK_REFUSED(reconcile(live, 3), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    }
    live[2].flags = 0;
    live[2].reserved = 1;
    CHECK_REFUSED(reconcile(live, 3), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    CHECK_REFUSED(reconcile(live, SIZE_MAX / 8), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    CHECK(is_unchanged_since(before));
    end();
}

/* A closing channel whose last HTLC the node has no more is gone. */
static void a_closing_channel_goes_with_its_last_orphan(void) {
    begin(3);
    uint32_t removal = 0;
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 2, &removal, NULL));
    CHECK_EQUAL(removal, LNKEEP_RESOURCES_CLOSING);
    reopen_with(NULL);
    lnkeep_live_htlc live = live_of(htlc(1, 2, 1, SLOT_MSAT), 0);
    CHECK_DONE(reconcile(&live, 1));
    check_counts(1, 0, 0, 0, 0);
    CHECK_EQUAL(lookup(2).flags, LNKEEP_RESOURCES_IS_CLOSING);
    CHECK_DONE(reconcile(NULL, 0));
    check_counts(0, 1, 0, 0, 0);
    lnkeep_resources_channel found;
    CHECK_STATUS(lnkeep_resources_lookup(resources, 2, 1, &found, NULL), LNKEEP_UNKNOWN_CHANNEL);
    reopen_with(NULL);
    CHECK_EQUAL(report.channels, 2);
    end();
}

/* As many as a node of many channels has, more than one batch may hold. */
static void a_long_list_is_one_call(void) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.journal_entries_max = 64;
    begin_with(&options);
    enum { LONG = 5000 };
    size_t len = h_rounds(LONG, 1500);
    static lnkeep_live_htlc live[LONG];
    for (uint64_t channel = 1; channel <= 20; channel++) {
        CHECK_DONE(add_channel_at(channel, 483, IN_FLIGHT_MSAT, START_SECS));
    }
    for (uint64_t i = 0; i < len; i++) live[i] = live_of(htlc(1 + i % 20, 1 + i / 20 % 20, i, 1000), i % 2);
    CHECK_DONE(reconcile(live, len));
    check_counts(0, 0, len, 0, 0);
    CHECK_EQUAL(stats_now().journal_waiting, 0);
    reopen_with(&options);
    CHECK_EQUAL(report.pending, len);
    CHECK_DONE(reconcile(live, len / 2));
    check_counts(len / 2, len - len / 2, 0, 0, 0);
    end();
}

static lnkeep_imported imported;

static lnkeep_status import_rows(const lnkeep_forward_row *rows, size_t len) {
    static const lnkeep_imported fresh = LNKEEP_IMPORTED_INIT;
    imported = fresh;
    lnkeep_status status = lnkeep_resources_import_history(resources, rows, len, &imported, &err);
    check_err(status);
    CHECK_EQUAL(imported.size, sizeof imported);
    return status;
}

static void check_imported(uint64_t channels, uint64_t before, uint64_t rows, uint64_t passed_over) {
    CHECK_EQUAL(imported.channels, channels);
    CHECK_EQUAL(imported.channels_before, before);
    CHECK_EQUAL(imported.rows, rows);
    CHECK_EQUAL(imported.rows_passed_over, passed_over);
}

/* Each forward counts as if it had been decided then: after one mean lifetime, exp(-1) of its fee is left. */
static void the_past_counts_as_if_it_had_been_seen(void) {
    const uint64_t lifetime_secs = 12 * TWO_WEEKS_SECS, tracked_secs = 6 * TWO_WEEKS_SECS;
    const uint64_t then = START_SECS - lifetime_secs, later = START_SECS - tracked_secs;
    const lnkeep_forward_row rows[] = {
        {9, 2, 1000000000, then, then + 90},   {1, 9, 1000000000, later, later + 1000},
        {9, 8, 7, then, then},                 {1, 2, 5, START_SECS, START_SECS - 1},
        {9, 3, 1000000, then, then + 91},
    };
    begin(3);
    CHECK_DONE(import_rows(rows, 5));
    check_imported(3, 0, 3, 2);
    /* 1e9 * exp(-(lifetime - 90) / lifetime); what took too long earned its channel nothing. */
    CHECK_EQUAL(lookup(2).reputation_msat, 367881722);
    CHECK_EQUAL(lookup(3).reputation_msat, 0);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 367930134);
    CHECK_EQUAL(lookup(1).revenue_start_unix_secs, later);
    CHECK_EQUAL(lookup(1).reputation_msat | lookup(2).revenue_total_msat, 0);
    lnkeep_resources_snapshot *before = take_snapshot();
    CHECK_DONE(import_rows(rows, 5));
    check_imported(0, 3, 3, 2);
    reopen_with(NULL);
    CHECK_DONE(import_rows(rows, 5));
    check_imported(0, 3, 3, 2);
    CHECK(is_unchanged_since(before));
    /* The other average of a channel has taken none yet. */
    const lnkeep_forward_row other = {2, 1, 1000, START_SECS, START_SECS};
    CHECK_DONE(import_rows(&other, 1));
    check_imported(2, 0, 1, 0);
    CHECK_EQUAL(lookup(1).reputation_msat, 1000);
    CHECK_EQUAL(lookup(2).revenue_total_msat, 1000);
    CHECK_DONE(import_rows(NULL, 0));
    check_imported(0, 0, 0, 0);
    CHECK_DONE(lnkeep_resources_import_history(resources, rows, 5, NULL, NULL));
    CHECK_REFUSED(import_rows(rows, SIZE_MAX / 8), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    end();
    /* One time that is none, and no row counts. */
    begin(3);
    lnkeep_forward_row late[2] = {rows[0], rows[0]};
    late[1].settled_unix_secs = LAST_SECS + 1;
    CHECK_REFUSED(import_rows(late, 2), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
    CHECK_EQUAL(lookup(2).reputation_msat, 0);
    end();
}

/* The order of the rows says nothing, and what is earned since stays. */
static void a_history_may_come_in_any_order(void) {
    enum { ROWS = 500 };
    static lnkeep_forward_row rows[ROWS], turned[ROWS];
    lnkeep_resources_channel one[2], two[2];
    for (uint64_t i = 0; i < ROWS; i++) {
        lnkeep_forward_row row = {1 + i % 3, 1 + i % 2, 1000 + i * 17, START_SECS - i * 7919 % 100000, 0};
        row.settled_unix_secs = row.added_unix_secs + i % 120;
        rows[i] = turned[ROWS - 1 - i] = row;
    }
    for (int order = 0; order < 2; order++) {
        begin(3);
        CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
        CHECK_DONE(settle(htlc(1, 2, 1, SLOT_MSAT), 5));
        CHECK_DONE(import_rows(order ? turned : rows, ROWS));
        check_imported(3, 0, ROWS, 0);
        one[order] = lookup(1), two[order] = lookup(2);
        CHECK(two[order].reputation_msat > 500000);
        end();
    }
    CHECK(memcmp(&one[0], &one[1], sizeof one[0]) == 0);
    CHECK(memcmp(&two[0], &two[1], sizeof two[0]) == 0);
}

/* A channel that closes takes no history. */
static void a_closing_channel_takes_no_history(void) {
    begin(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 2, NULL, NULL));
    const lnkeep_forward_row rows[] = {{3, 2, 1000, START_SECS, START_SECS},
                                       {2, 2, 1000, START_SECS, START_SECS}};
    CHECK_DONE(import_rows(rows, 2));
    check_imported(1, 0, 1, 1);
    CHECK_EQUAL(lookup(2).reputation_msat | lookup(2).revenue_total_msat, 0);
    CHECK_EQUAL(lookup(3).revenue_total_msat, 1000);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(each_htlc_is_counted_once),
        H_TEST(another_way_out_is_a_difference),
        H_TEST(what_was_added_since_is_never_dropped),
        H_TEST(what_only_the_node_knows_is_tracked),
        H_TEST(orphans_make_room_first),
        H_TEST(a_list_without_sense_is_refused),
        H_TEST(a_closing_channel_goes_with_its_last_orphan),
        H_TEST(a_long_list_is_one_call),
        H_TEST(the_past_counts_as_if_it_had_been_seen),
        H_TEST(a_history_may_come_in_any_order),
        H_TEST(a_closing_channel_takes_no_history),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

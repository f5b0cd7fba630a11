/* Ends of HTLCs: what they release, what they do to reputation and revenue; and many requests in one call. */

#include "resources.h"

#define SIGNAL LNKEEP_DECISION_ACCOUNTABLE
#define SETTLED LNKEEP_RESOLVE_SETTLED

static void begin_mode(uint32_t flags, uint64_t channels) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = flags;
    begin_with(&options);
    add_channels(channels);
}

typedef struct effect {
    int is_accountable, is_settled;
    uint64_t after_secs;
    int64_t reputation_msat, revenue_msat;
} effect;

#define F ((int64_t)FEE_MSAT)

/* By hand, for a fee F: what is held beyond 90 s costs F for each further 90 s. */
static const effect EFFECTS[] = {
    {0, 1, 0, F, F},      {0, 1, 90, F, F},      {0, 1, 91, 0, F},       {0, 1, 100000, 0, F},
    {0, 0, 0, 0, 0},      {0, 0, 91, 0, 0},      {0, 0, 100000, 0, 0},
    {1, 1, 0, F, F},      {1, 1, 90, F, F},      {1, 1, 91, F - 100, F}, {1, 1, 135, F - F / 2, F},
    {1, 1, 180, 0, F},    {1, 1, 900, F - 9 * F, F},
    {1, 0, 0, 0, 0},      {1, 0, 90, 0, 0},      {1, 0, 180, -F, 0},     {1, 0, 900, -9 * F, 0},
};

/* Two outgoing channels, one with a reputation; each effect on fresh channels of its own. */
static void each_end_has_its_effect(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        begin_mode(mode, 2);
        for (uint64_t i = 0; i < H_COUNT(EFFECTS); i++) {
            const effect *wanted = &EFFECTS[i];
            uint64_t incoming = 100 + 2 * i, outgoing = 101 + 2 * i, now = START_SECS + wanted->after_secs;
            CHECK_DONE(add_channel_at(incoming, SLOTS, IN_FLIGHT_MSAT, START_SECS));
            CHECK_DONE(add_channel_at(outgoing, SLOTS, IN_FLIGHT_MSAT, START_SECS));
            if (wanted->is_accountable) earn(outgoing, RISK_MSAT);
            lnkeep_htlc_request request = htlc(incoming, outgoing, i, SLOT_MSAT);
            request.flags = wanted->is_accountable ? LNKEEP_HTLC_ACCOUNTABLE : 0;
            CHECK_DONE(add(request));
            CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FORWARD);
            int64_t before = lookup_at(outgoing, now).reputation_now_msat;
            lnkeep_resolve_request end_of_it = ended(request, wanted->is_settled ? SETTLED : 0,
                                                     wanted->after_secs);
            CHECK_DONE(resolve_with(&end_of_it, 0));
            CHECK_EQUAL(resolution.effective_fee_msat, wanted->reputation_msat);
            lnkeep_resources_channel to = lookup_at(outgoing, now), from = lookup_at(incoming, now);
            CHECK_EQUAL(to.reputation_now_msat - before, wanted->reputation_msat);
            CHECK_EQUAL(from.revenue_now_msat, wanted->revenue_msat);
            CHECK_EQUAL(from.revenue_total_msat, wanted->revenue_msat);
            CHECK_EQUAL(from.reputation_msat | to.revenue_total_msat, 0);
            CHECK_EQUAL(from.pending_incoming | from.general_slots_used | from.protected_slots_used, 0);
            CHECK_EQUAL(from.protected_used_msat | to.pending_outgoing | to.in_flight_risk_msat, 0);
            if (wanted->is_settled) CHECK_EQUAL(from.revenue_updated_unix_secs, now);
        }
        CHECK_EQUAL(stats_now().resolved, H_COUNT(EFFECTS));
        end();
    }
}

/* It earns nothing, and its delay costs what the default fee would have been: 1,000 and 1 per million. */
static void an_htlc_without_a_fee_pays_for_its_delay(void) {
    begin(2);
    earn(2, 100 * RISK_MSAT);
    lnkeep_htlc_request request = accountable(1, 2, 1, 2 * SLOT_MSAT);
    request.outgoing_amount_msat = request.incoming_amount_msat;
    CHECK_FORWARD(add(request), REPUTATION, PROTECTED, SIGNAL);
    CHECK_EQUAL(lookup(2).in_flight_risk_msat, 666998);
    lnkeep_pending_htlc found;
    if (CHECK(find_pending(1, 1, &found))) {
        CHECK_EQUAL(found.fee_msat, 0);
        CHECK_EQUAL(found.risk_msat, 666998);
    }
    CHECK_DONE(settle(request, 90));
    CHECK_EQUAL(resolution.effective_fee_msat, 0);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 0);
    request.htlc_id = 2;
    CHECK_DONE(add(request));
    CHECK_DONE(settle(request, 270));
    CHECK_EQUAL(resolution.effective_fee_msat, -2004);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 0);
    /* A millisatoshi is earned, and charged no less than nothing is. */
    request.htlc_id = 3, request.outgoing_amount_msat--;
    CHECK_DONE(add(request));
    CHECK_DONE(settle(request, 270));
    CHECK_EQUAL(resolution.effective_fee_msat, -2003);
    CHECK_EQUAL(lookup(1).revenue_total_msat, 1);
    end();
}

/* 1e9 after one mean lifetime, and three of the revenue's: exp(-1), exp(-3), over 6 windows warmed up. */
static void averages_decay_when_asked_and_not_when_read(void) {
    begin(3);
    const uint64_t lifetime_secs = 12 * TWO_WEEKS_SECS, tracked_secs = 6 * TWO_WEEKS_SECS;
    lnkeep_forward_row rows[] = {{9, 2, 1000000000, START_SECS, START_SECS},
                                 {1, 9, 1000000000, START_SECS, START_SECS}};
    CHECK_DONE(lnkeep_resources_import_history(resources, rows, 2, NULL, NULL));
    lnkeep_resources_snapshot *before = take_snapshot();
    for (uint64_t secs = 0; secs < 1000; secs++) {
        CHECK(lookup_at(2, START_SECS + secs).reputation_now_msat > 999900000);
        CHECK(lookup_at(1, START_SECS + secs).revenue_now_msat > 999800000);
    }
    CHECK_EQUAL(lookup_at(2, START_SECS + lifetime_secs).reputation_now_msat, 367879441);
    CHECK_EQUAL(lookup_at(2, START_SECS + lifetime_secs).reputation_msat, 1000000000);
    CHECK_EQUAL(lookup_at(1, START_SECS + tracked_secs).revenue_now_msat, 96996118);
    CHECK_EQUAL(lookup_at(1, START_SECS + 3 * tracked_secs).revenue_now_msat, 8732616);
    CHECK_EQUAL(lookup_at(1, START_SECS + 3 * tracked_secs).revenue_total_msat, 1000000000);
    /* An earlier time counts as the last one. */
    CHECK_EQUAL(lookup_at(2, 0).reputation_now_msat, 1000000000);
    CHECK_EQUAL(lookup_at(1, 0).revenue_now_msat, 1000000000);
    CHECK(is_unchanged_since(before));
    end();
}

static void a_repeat_is_answered_as_such_for_a_while(void) {
    begin(3);
    lnkeep_htlc_request request = htlc(1, 2, 0, 1000);
    for (request.htlc_id = 0; request.htlc_id < 18; request.htlc_id++) {
        CHECK_GENERAL(add(request));
        CHECK_DONE(request.htlc_id % 2 ? settle(request, 1) : fail(request, 1));
    }
    lnkeep_resources_snapshot *before = take_snapshot();
    for (request.htlc_id = 0; request.htlc_id < 18; request.htlc_id++) {
        int is_settled = request.htlc_id % 2, is_kept = request.htlc_id >= 2;
        lnkeep_status same = is_settled ? settle(request, 5) : fail(request, 5);
        CHECK_STATUS(same, is_kept ? LNKEEP_ALREADY : LNKEEP_UNKNOWN_HTLC);
        /* The other outcome is another matter. */
        CHECK_REFUSED(is_settled ? fail(request, 1) : settle(request, 1), LNKEEP_UNKNOWN_HTLC, NO_VALUE);
    }
    CHECK(is_unchanged_since(before));
    CHECK_EQUAL(stats_now().resolved, 18);
    CHECK_EQUAL(stats_now().repeated, 16);
    reopen_with(NULL);
    request.htlc_id = 17;
    CHECK_STATUS(settle(request, 5), LNKEEP_ALREADY);
    /* The same id again, as a peer gives it never: it is pending, so its end is not a repeat. */
    CHECK_GENERAL(add(request));
    CHECK_DONE(settle(request, 1));
    end();
}

static void what_is_not_pending_cannot_end(void) {
    begin(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, 1000)));
    lnkeep_resources_snapshot *before = take_snapshot();
    CHECK_REFUSED(settle(htlc(1, 9, 1, 1000), 1), LNKEEP_UNKNOWN_CHANNEL, 9);
    CHECK_EQUAL(resolution.value, 9);
    CHECK_REFUSED(settle(htlc(9, 2, 1, 1000), 1), LNKEEP_UNKNOWN_HTLC, NO_VALUE);
    CHECK_REFUSED(settle(htlc(1, 3, 1, 1000), 1), LNKEEP_UNKNOWN_HTLC, NO_VALUE);
    CHECK_REFUSED(settle(htlc(2, 1, 1, 1000), 1), LNKEEP_UNKNOWN_HTLC, NO_VALUE);
    CHECK_REFUSED(fail(htlc(1, 2, 2, 1000), 1), LNKEEP_UNKNOWN_HTLC, NO_VALUE);
    CHECK(is_unchanged_since(before));
    CHECK_EQUAL(stats_now().resolved | stats_now().repeated, 0);
    end();
}

static void check_mark(uint64_t misused_unix_secs) {
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    if (!snapshot) return;
    if (CHECK_EQUAL(snapshot->marks_len, misused_unix_secs ? 1 : 0) && misused_unix_secs) {
        CHECK_EQUAL(mark_at(snapshot, 0)->incoming, 1);
        CHECK_EQUAL(mark_at(snapshot, 0)->outgoing, 2);
        CHECK_EQUAL(mark_at(snapshot, 0)->misused_unix_secs, misused_unix_secs);
    }
    lnkeep_resources_snapshot_free(snapshot);
}

/* Who holds an HTLC there for more than 90 s may not use the bucket for two weeks. */
static void a_slow_htlc_in_congestion_is_remembered(void) {
    begin(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, PAIR_MSAT)));
    lnkeep_htlc_request request = htlc(1, 2, 2, SLOT_MSAT);
    CHECK_FORWARD(add(request), CONGESTION, CONGESTION, SIGNAL);
    CHECK_EQUAL(lookup(1).congestion_used_msat, SLOT_MSAT);
    CHECK_DONE(settle(request, 90));
    CHECK_EQUAL(lookup(1).congestion_used_msat | lookup(1).congestion_slots_used, 0);
    CHECK_EQUAL(lookup(2).outgoing_in_congestion, 0);
    check_mark(0);
    CHECK_FORWARD(add(request), CONGESTION, CONGESTION, SIGNAL);
    CHECK_DONE(fail(request, 91));
    check_mark(START_SECS + 91);
    reopen_with(NULL);
    check_mark(START_SECS + 91);
    static const uint64_t still[] = {0, 91, 91 + TWO_WEEKS_SECS - 1};
    for (size_t i = 0; i < H_COUNT(still); i++) {
        request.unix_secs = START_SECS + still[i];
        CHECK_FAIL(add(request), CONGESTION_MISUSED);
    }
    request.unix_secs = START_SECS + 91 + TWO_WEEKS_SECS;
    CHECK_FORWARD(add(request), CONGESTION, CONGESTION, SIGNAL);
    /* Held for long again: the mark is as new as its end. */
    CHECK_DONE(settle(request, 1000));
    check_mark(request.unix_secs + 1000);
    request.unix_secs += 1000;
    CHECK_FAIL(add(request), CONGESTION_MISUSED);
    /* The other channel's bucket is another one. */
    CHECK_GENERAL(add(htlc(3, 2, 1, PAIR_MSAT)));
    CHECK_FORWARD(add(htlc(3, 2, 2, SLOT_MSAT)), CONGESTION, CONGESTION, SIGNAL);
    end();
}

/* A clock that runs backwards is clamped and counted; compat mode refuses an end before its beginning. */
static void time_that_runs_backwards_is_clamped(void) {
    begin(2);
    lnkeep_htlc_request request = htlc(1, 2, 1, 1000000);
    CHECK_GENERAL(add(request));
    lnkeep_resolve_request early = ended(request, SETTLED, 0);
    early.unix_secs = START_SECS - 500;
    CHECK_DONE(resolve_with(&early, 0));
    CHECK_EQUAL(resolution.effective_fee_msat, FEE_MSAT);
    CHECK_EQUAL(lookup(2).reputation_updated_unix_secs, START_SECS);
    CHECK_EQUAL(stats_now().clock_clamped, 1);
    request.htlc_id = 2, request.unix_secs = START_SECS - 1;
    CHECK_GENERAL(add(request));
    CHECK_EQUAL(stats_now().clock_clamped, 2);
    end();
    begin_mode(LNKEEP_RESOURCES_COMPAT, 2);
    request.unix_secs = START_SECS;
    CHECK_GENERAL(add(request));
    early.htlc_id = 2;
    CHECK_REFUSED(resolve_with(&early, 0), LNKEEP_RESOLVED_BEFORE_ADDED, NO_VALUE);
    CHECK_EQUAL(lookup(1).general_slots_used | lookup(1).pending_incoming | lookup(2).pending_outgoing, 0);
    CHECK_EQUAL(lookup(2).reputation_msat | lookup(1).revenue_total_msat, 0);
    /* It is over, so the repeat is one. */
    CHECK_STATUS(resolve_with(&early, 0), LNKEEP_ALREADY);
    end();
}

enum { MOST = 1024 };
static lnkeep_htlc_request requests[MOST + 1];
static lnkeep_decision decisions[MOST + 1];
static lnkeep_grounds all_grounds[MOST + 1];
static lnkeep_resolve_request ends[MOST + 1];
static lnkeep_resolution resolutions[MOST + 1];

static lnkeep_status add_many(size_t len, uint32_t flags) {
    memset(decisions, 0x77, sizeof decisions);
    memset(all_grounds, 0x77, sizeof all_grounds);
    lnkeep_status status = lnkeep_resources_add(resources, requests, len, flags, decisions, all_grounds,
                                                &err);
    check_err(status);
    if (status == LNKEEP_DONE || status == LNKEEP_BATCH) {
        for (size_t i = 0; i < len; i++) is_well_formed_decision(&decisions[i]);
    }
    CHECK_EQUAL(decisions[len < MOST ? len : MOST].verdict, 0x77777777);
    CHECK_EQUAL(all_grounds[len < MOST ? len : MOST].general_slots, 0x77777777);
    return status;
}

static lnkeep_status resolve_many(size_t len, uint32_t flags) {
    memset(resolutions, 0x77, sizeof resolutions);
    lnkeep_status status = lnkeep_resources_resolve(resources, ends, len, flags, resolutions, &err);
    check_err(status);
    CHECK_EQUAL(resolutions[len < MOST ? len : MOST].status, 0x77777777);
    return status;
}

/* In order: each sees what those before it took. */
static void a_batch_answers_each_request(void) {
    for (uint32_t flags = 0; flags < 2; flags++) {
        begin(3);
        requests[0] = htlc(1, 2, 1, 3 * SLOT_MSAT);
        requests[1] = htlc(1, 2, 2, 2 * SLOT_MSAT);
        requests[2] = htlc(1, 2, 3, SLOT_MSAT);
        requests[3] = htlc(1, 2, 1, 3 * SLOT_MSAT);
        requests[4] = htlc(1, 2, 4, SLOT_MSAT);
        CHECK_DONE(add_many(5, flags));
        static const uint32_t reasons[] = {LNKEEP_REASON_GENERAL, LNKEEP_REASON_GENERAL,
                                           LNKEEP_REASON_CONGESTION, LNKEEP_REASON_RECORDED,
                                           LNKEEP_REASON_OUTGOING_IN_CONGESTION};
        static const uint32_t free_slots[] = {5, 2, 0, 0, 0};
        for (size_t i = 0; i < 5; i++) {
            CHECK_STATUS(decisions[i].status, i == 3 ? LNKEEP_ALREADY : LNKEEP_DONE);
            CHECK_EQUAL(decisions[i].reason, reasons[i]);
            CHECK_EQUAL(all_grounds[i].pair_slots_free, free_slots[i]);
        }
        requests[1] = htlc(1, 9, 5, 1);
        requests[2] = htlc(1, 2, 1, 1);
        requests[3] = htlc(1, 3, 6, SLOT_MSAT);
        CHECK_REFUSED(add_many(5, flags), LNKEEP_BATCH, NO_VALUE);
        static const lnkeep_status wanted[] = {LNKEEP_ALREADY, LNKEEP_UNKNOWN_CHANNEL, LNKEEP_DUPLICATE_HTLC,
                                               LNKEEP_DONE, LNKEEP_DONE};
        for (size_t i = 0; i < 5; i++) CHECK_STATUS(decisions[i].status, wanted[i]);
        CHECK_EQUAL(decisions[1].value, 9);
        CHECK_EQUAL(decisions[2].value, 0);
        CHECK_EQUAL(decisions[3].bucket, LNKEEP_BUCKET_GENERAL);
        CHECK_EQUAL(decisions[4].verdict, LNKEEP_VERDICT_FAIL);
        CHECK_EQUAL(lookup(1).pending_incoming, 4);
        if (flags == LNKEEP_RESOURCES_DURABLE) CHECK_EQUAL(stats_now().journal_waiting, 0);
        end();
    }
}

static void a_batch_ends_each_htlc(void) {
    for (uint32_t flags = 0; flags < 2; flags++) {
        begin(3);
        for (uint64_t id = 0; id < 4; id++) requests[id] = htlc(1, 2, id, SLOT_MSAT);
        CHECK_DONE(add_many(4, flags));
        for (size_t i = 0; i < 3; i++) ends[i] = ended(requests[i], SETTLED, 1);
        ends[3] = ends[0];
        CHECK_DONE(resolve_many(4, flags));
        for (size_t i = 0; i < 4; i++) {
            CHECK_STATUS(resolutions[i].status, i == 3 ? LNKEEP_ALREADY : LNKEEP_DONE);
            CHECK_EQUAL(resolutions[i].effective_fee_msat, i == 3 ? 0 : FEE_MSAT);
            CHECK_EQUAL(resolutions[i].reserved | resolutions[i].value, 0);
        }
        ends[1] = ended(htlc(1, 9, 0, 1), 0, 0);
        ends[2] = ended(htlc(1, 3, 0, 1), 0, 0);
        ends[3] = ended(requests[3], 0, 1);
        CHECK_REFUSED(resolve_many(4, flags), LNKEEP_BATCH, NO_VALUE);
        static const lnkeep_status wanted[] = {LNKEEP_ALREADY, LNKEEP_UNKNOWN_CHANNEL, LNKEEP_UNKNOWN_HTLC,
                                               LNKEEP_DONE};
        for (size_t i = 0; i < 4; i++) CHECK_STATUS(resolutions[i].status, wanted[i]);
        CHECK_EQUAL(resolutions[1].value, 9);
        CHECK_EQUAL(lookup(1).pending_incoming, 0);
        end();
    }
}

/* A call takes 1,024; one more, and nothing is decided. None at all are none. */
static void a_batch_has_a_limit(void) {
    begin(0);
    CHECK_DONE(add_channel_at(1, 483, UINT64_C(1) << 60, START_SECS));
    for (uint64_t channel = 2; channel < 300; channel++) {
        CHECK_DONE(add_channel_at(channel, SLOTS, IN_FLIGHT_MSAT, START_SECS));
    }
    for (uint64_t i = 0; i <= MOST; i++) {
        requests[i] = htlc(1, 2 + i % 298, i, SLOT_MSAT);
        ends[i] = ended(requests[i], SETTLED, 1);
    }
    CHECK_REFUSED(add_many(MOST + 1, 0), LNKEEP_TOO_BIG, NO_VALUE);
    CHECK_REFUSED(resolve_many(MOST + 1, 0), LNKEEP_TOO_BIG, NO_VALUE);
    CHECK_EQUAL(decisions[0].status & resolutions[0].status, 0x77777777);
    CHECK_EQUAL(stats_now().forwarded | stats_now().failed | stats_now().resolved, 0);
    CHECK_DONE(add_many(MOST, LNKEEP_RESOURCES_DURABLE));
    uint64_t forwarded = stats_now().forwarded;
    CHECK_EQUAL(forwarded + stats_now().failed, MOST);
    /* No more than the general and the congestion bucket have slots. */
    CHECK(forwarded > 97 && forwarded <= 193 + 97);
    CHECK_REFUSED(resolve_many(MOST, LNKEEP_RESOURCES_DURABLE), LNKEEP_BATCH, NO_VALUE);
    CHECK_EQUAL(stats_now().resolved, forwarded);
    for (size_t i = 0; i < MOST; i++) {
        int was_forwarded = decisions[i].verdict == LNKEEP_VERDICT_FORWARD;
        CHECK_STATUS(resolutions[i].status, was_forwarded ? LNKEEP_DONE : LNKEEP_UNKNOWN_HTLC);
    }
    CHECK_EQUAL(lookup(1).general_slots_used | lookup(1).congestion_slots_used | lookup(1).pending_incoming,
                0);
    CHECK_DONE(lnkeep_resources_add(resources, NULL, 0, 0, NULL, NULL, &err));
    CHECK_DONE(lnkeep_resources_resolve(resources, NULL, 0, LNKEEP_RESOURCES_DURABLE, NULL, &err));
    end();
}

/* One malformed request of several: none was decided, and nothing was written. */
static void a_malformed_request_stops_the_whole_batch(void) {
    begin(2);
    lnkeep_resources_snapshot *before = take_snapshot();
    for (int which = 0; which < 4; which++) {
        for (uint64_t i = 0; i < 3; i++) requests[i] = htlc(1, 2, i, 1000);
        for (size_t i = 0; i < 3; i++) ends[i] = ended(requests[i], 0, 0);
        switch (which) {
        case 0: requests[2].flags = 16, ends[2].flags = 2; break;
        case 1: requests[2].reserved = 1, ends[2].reserved = 1; break;
        case 2: requests[2].policy_fee_msat = 1, ends[2].flags = UINT32_C(1) << 31; break;
        default: requests[2].flags = LNKEEP_HTLC_UPGRADE_PRESENT | LNKEEP_HTLC_UPGRADE_ABSENT,
            ends[2].flags = 4;
        }
        CHECK_REFUSED(add_many(3, 0), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
        CHECK_REFUSED(resolve_many(3, 0), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
        CHECK_EQUAL(decisions[0].status & resolutions[0].status, 0x77777777);
    }
    CHECK(is_unchanged_since(before));
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(each_end_has_its_effect),
        H_TEST(an_htlc_without_a_fee_pays_for_its_delay),
        H_TEST(averages_decay_when_asked_and_not_when_read),
        H_TEST(a_repeat_is_answered_as_such_for_a_while),
        H_TEST(what_is_not_pending_cannot_end),
        H_TEST(a_slow_htlc_in_congestion_is_remembered),
        H_TEST(time_that_runs_backwards_is_clamped),
        H_TEST(a_batch_answers_each_request),
        H_TEST(a_batch_ends_each_htlc),
        H_TEST(a_batch_has_a_limit),
        H_TEST(a_malformed_request_stops_the_whole_batch),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

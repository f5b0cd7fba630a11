/* Decisions about HTLCs: each verdict, reason and status, and the numbers that they are made from. */

#include "resources.h"

#define SIGNAL LNKEEP_DECISION_ACCOUNTABLE

static void begin_flags(uint32_t flags, uint64_t channels) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = flags;
    begin_with(&options);
    add_channels(channels);
}

/* Takes all general slots of the pair of an incoming and an outgoing channel. */
static void fill_pair(uint64_t incoming, uint64_t outgoing) {
    lnkeep_allocation shares = lookup(incoming).allocation;
    CHECK_GENERAL(add(htlc(incoming, outgoing, outgoing << 32, shares.pair_slots * shares.slot_msat)));
}

static void the_general_bucket_takes_a_pair_of_slots(void) {
    begin(3);
    for (uint64_t id = 0; id < 5; id++) {
        CHECK_GENERAL(add(htlc(1, 2, id, id % 2 ? SLOT_MSAT : 1)));
        CHECK_EQUAL(grounds.general_slots_needed, 1);
        CHECK_EQUAL(grounds.pair_slots_free, 5 - id);
        CHECK_EQUAL(grounds.general_slots_used, id);
        CHECK_EQUAL(grounds.general_slots, 40);
    }
    CHECK_FORWARD(add(htlc(1, 2, 5, SLOT_MSAT)), CONGESTION, CONGESTION, SIGNAL);
    CHECK_EQUAL(grounds.pair_slots_free, 0);
    /* Slots for each begun million; the whole pair, and a millisatoshi more than a pair carries. */
    CHECK_GENERAL(add(htlc(2, 1, 0, SLOT_MSAT + 1)));
    CHECK_EQUAL(grounds.general_slots_needed, 2);
    CHECK_GENERAL(add(htlc(2, 1, 1, 3 * SLOT_MSAT)));
    CHECK_EQUAL(grounds.general_slots_needed, 3);
    CHECK_FAIL(add(htlc(2, 3, 2, PAIR_MSAT + 1)), ABOVE_CONGESTION_LIMIT);
    CHECK_EQUAL(grounds.general_slots_needed, 6);
    CHECK_GENERAL(add(htlc(2, 3, 2, 0)));
    /* A channel may forward to itself. */
    CHECK_GENERAL(add(htlc(3, 3, 1, PAIR_MSAT)));
    CHECK_EQUAL(lookup(3).pending_incoming, 1);
    CHECK_EQUAL(lookup(3).pending_outgoing, 2);
    CHECK_EQUAL(lookup(2).general_slots_used, 6);
    CHECK_EQUAL(stats_now().forwarded, 10);
    CHECK_EQUAL(stats_now().failed, 1);
    end();
}

/* By hand: 100 blocks of 600 s are 665.67 periods of 90 s beyond the first, so the risk is as many fees. */
static void grounds_are_the_numbers_of_the_rules(void) {
    begin(3);
    earn(2, 7 * RISK_MSAT);
    lnkeep_htlc_request request = accountable(1, 2, 1, 2 * SLOT_MSAT);
    CHECK_FORWARD(add(request), REPUTATION, PROTECTED, SIGNAL);
    CHECK_EQUAL(grounds.fee_msat, FEE_MSAT);
    CHECK_EQUAL(grounds.charged_fee_msat, FEE_MSAT);
    CHECK_EQUAL(grounds.htlc_risk_msat, RISK_MSAT);
    CHECK_EQUAL(grounds.outgoing_reputation_msat, 7 * RISK_MSAT);
    CHECK_EQUAL(grounds.outgoing_in_flight_risk_msat | grounds.incoming_revenue_msat, 0);
    CHECK_EQUAL(grounds.protected_slots_used | grounds.protected_used_msat, 0);
    CHECK_EQUAL(grounds.protected_slots, 40);
    CHECK_EQUAL(grounds.protected_liquidity_msat, 40 * SLOT_MSAT);
    CHECK_EQUAL(grounds.congestion_slots, 20);
    CHECK_EQUAL(grounds.congestion_liquidity_msat, 20 * SLOT_MSAT);
    CHECK_EQUAL(grounds.flags, LNKEEP_GROUNDS_HAS_REPUTATION);
    request = accountable(1, 2, 2, SLOT_MSAT);
    request.incoming_cltv_expiry = HEIGHT + 7;
    CHECK_FORWARD(add(request), REPUTATION, PROTECTED, SIGNAL);
    /* (7 * 600 - 90) / 90 * 9,000. */
    CHECK_EQUAL(grounds.htlc_risk_msat, 411000);
    CHECK_EQUAL(grounds.outgoing_in_flight_risk_msat, RISK_MSAT);
    CHECK_EQUAL(grounds.protected_slots_used, 1);
    CHECK_EQUAL(grounds.protected_used_msat, 2 * SLOT_MSAT);
    fill_pair(1, 3);
    CHECK_FORWARD(add(htlc(1, 3, 3, SLOT_MSAT)), CONGESTION, CONGESTION, SIGNAL);
    CHECK_EQUAL(grounds.flags, 0);
    CHECK_EQUAL(grounds.pair_slots_free, 0);
    CHECK_FAIL(add(htlc(1, 3, 4, SLOT_MSAT)), OUTGOING_IN_CONGESTION);
    CHECK_EQUAL(grounds.flags, LNKEEP_GROUNDS_OUTGOING_IN_CONGESTION);
    CHECK_EQUAL(grounds.congestion_slots_used, 1);
    CHECK_EQUAL(grounds.congestion_used_msat, SLOT_MSAT);
    CHECK_EQUAL(grounds.protected_slots_used, 2);
    CHECK_EQUAL(grounds.general_slots_used, 5);
    CHECK_EQUAL(grounds.outgoing_in_flight_risk_msat, RISK_MSAT);
    CHECK_EQUAL(lookup(2).in_flight_risk_msat, RISK_MSAT + 411000);
    end();
}

/* Reputation less the risk in flight less the HTLC's is at least the incoming channel's revenue. */
static void the_threshold_is_the_revenue(void) {
    begin(3);
    const uint64_t revenue_msat = 12345678;
    lnkeep_forward_row row = {1, UINT64_MAX, revenue_msat, START_SECS, START_SECS};
    CHECK_DONE(lnkeep_resources_import_history(resources, &row, 1, NULL, NULL));
    earn(2, revenue_msat + 2 * RISK_MSAT);
    earn(3, revenue_msat + RISK_MSAT - 1);
    CHECK_FAIL(add(accountable(1, 3, 1, SLOT_MSAT)), NO_REPUTATION);
    CHECK_EQUAL(grounds.incoming_revenue_msat, revenue_msat);
    CHECK_FORWARD(add(accountable(1, 2, 2, SLOT_MSAT)), REPUTATION, PROTECTED, SIGNAL);
    /* Equality is enough. */
    CHECK_FORWARD(add(accountable(1, 2, 3, SLOT_MSAT)), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FAIL(add(accountable(1, 2, 4, SLOT_MSAT)), NO_REPUTATION);
    /* What goes out unaccountable adds no risk. */
    CHECK_GENERAL(add(htlc(1, 3, 5, SLOT_MSAT)));
    CHECK_EQUAL(lookup(3).in_flight_risk_msat, 0);
    /* From a channel without revenue the threshold is nothing. */
    CHECK_FORWARD(add(accountable(2, 3, 1, SLOT_MSAT)), REPUTATION, PROTECTED, SIGNAL);
    end();
}

/* Buckets of 5, 2 and 5 slots, of 200,000 msat a slot in congestion. */
static void unaccountable_htlcs_fail_for_each_reason(void) {
    begin(6);
    CHECK_DONE(add_channel_at(10, 12, 2000000, START_SECS));
    CHECK_DONE(add_channel_at(11, 11, 1100000, START_SECS));
    fill_pair(10, 1);
    CHECK_FAIL(add(htlc(10, 2, 1, 200001)), ABOVE_CONGESTION_LIMIT);
    CHECK_FORWARD(add(htlc(10, 2, 2, 200000)), CONGESTION, CONGESTION, SIGNAL);
    CHECK_FAIL(add(htlc(10, 2, 3, 1)), OUTGOING_IN_CONGESTION);
    CHECK_FORWARD(add(htlc(10, 3, 4, 200000)), CONGESTION, CONGESTION, SIGNAL);
    CHECK_FAIL(add(htlc(10, 4, 5, 1)), CONGESTION_FULL);
    /* In the congestion bucket of one channel, an outgoing channel may use that of no other. */
    fill_pair(1, 2);
    CHECK_FAIL(add(htlc(1, 2, 6, 1)), OUTGOING_IN_CONGESTION);
    fill_pair(11, 5);
    CHECK_FAIL(add(htlc(11, 5, 7, 1)), NO_CONGESTION_BUCKET);
    /* Reputation: protected, and when that is full nothing is left. */
    earn(4, 100 * RISK_MSAT);
    CHECK_FORWARD(add(htlc(10, 4, 8, 800000)), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FAIL(add(htlc(10, 4, 9, 1)), NO_ROOM);
    CHECK_EQUAL(stats_now().failed, 6);
    end();
}

static void accountable_htlcs_need_a_reputation(void) {
    begin_flags(LNKEEP_RESOURCES_NO_SPILL_OVER, 3);
    CHECK_FAIL(add(accountable(1, 2, 1, 1)), NO_REPUTATION);
    earn(2, 1000 * RISK_MSAT);
    CHECK_FORWARD(add(accountable(1, 2, 1, 38 * SLOT_MSAT)), REPUTATION, PROTECTED, SIGNAL);
    /* Without room in protected they take general slots, accountable still. */
    CHECK_FAIL(add(accountable(1, 2, 2, 5 * SLOT_MSAT + 1)), NO_ROOM);
    CHECK_FORWARD(add(accountable(1, 2, 3, 5 * SLOT_MSAT)), REPUTATION, GENERAL, SIGNAL);
    CHECK_FAIL(add(accountable(1, 2, 4, 2 * SLOT_MSAT + 1)), NO_ROOM);
    CHECK_FORWARD(add(accountable(1, 2, 5, 2 * SLOT_MSAT)), REPUTATION, PROTECTED, SIGNAL);
    /* Never congestion, which is for those without reputation. */
    CHECK_FAIL(add(accountable(1, 2, 6, 1)), NO_ROOM);
    CHECK_EQUAL(lookup(1).congestion_slots_used, 0);
    CHECK_EQUAL(lookup(1).protected_used_msat, 40 * SLOT_MSAT);
    CHECK_EQUAL(lookup(1).general_slots_used, 5);
    end();
}

/* The protected bucket's rest, then the pair's general slots, then the congestion bucket. */
static void one_htlc_may_use_several_buckets(void) {
    begin(2);
    earn(2, 1000 * RISK_MSAT);
    lnkeep_htlc_request first = accountable(1, 2, 1, 38 * SLOT_MSAT), second = accountable(1, 2, 2, 5500000);
    lnkeep_htlc_request third = htlc(1, 2, 3, SLOT_MSAT + 1);
    CHECK_FORWARD(add(first), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FORWARD(add(second), SEVERAL, SEVERAL, SIGNAL);
    lnkeep_resources_channel now = lookup(1);
    CHECK_EQUAL(now.protected_used_msat, 40 * SLOT_MSAT);
    CHECK_EQUAL(now.protected_slots_used, 2);
    CHECK_EQUAL(now.general_slots_used, 4);
    CHECK_EQUAL(now.congestion_used_msat | now.congestion_slots_used, 0);
    CHECK_FORWARD(add(third), SEVERAL, SEVERAL, SIGNAL);
    now = lookup(1);
    CHECK_EQUAL(now.protected_slots_used, 2);
    CHECK_EQUAL(now.general_slots_used, 5);
    CHECK_EQUAL(now.congestion_used_msat, 1);
    CHECK_EQUAL(lookup(2).outgoing_in_congestion, 1);
    CHECK_FAIL(add(htlc(1, 2, 4, 2)), NO_ROOM);
    CHECK_FAIL(add(accountable(1, 2, 4, 40 * SLOT_MSAT)), NO_ROOM);
    reopen_with(NULL);
    CHECK_STATUS(add(second), LNKEEP_ALREADY);
    CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_SEVERAL);
    CHECK_DONE(settle(second, 1));
    now = lookup(1);
    CHECK_EQUAL(now.protected_used_msat, 38 * SLOT_MSAT);
    CHECK_EQUAL(now.general_slots_used, 1);
    CHECK_DONE(settle(third, 1));
    CHECK_DONE(settle(first, 1));
    now = lookup(1);
    CHECK_EQUAL(now.protected_slots_used | now.general_slots_used | now.congestion_slots_used, 0);
    CHECK_EQUAL(now.protected_used_msat | now.congestion_used_msat, 0);
    CHECK_EQUAL(lookup(2).outgoing_in_congestion, 0);
    end();
}

/* With all slots of general and protected taken, an HTLC without an amount is no exception. */
static void an_htlc_of_nothing_needs_a_slot(void) {
    begin(1);
    CHECK_DONE(add_channel_at(2, 12, 12000000, START_SECS));
    earn(1, 1000 * RISK_MSAT);
    fill_pair(2, 1);
    for (uint64_t id = 1; id <= 5; id++) {
        CHECK_FORWARD(add(accountable(2, 1, id, 0)), REPUTATION, PROTECTED, SIGNAL);
    }
    CHECK_FAIL(add(accountable(2, 1, 6, 0)), NO_ROOM);
    end();
}

static lnkeep_status add_flags(uint64_t id, uint64_t msat, uint32_t flags) {
    lnkeep_htlc_request request = htlc(1, 2, id, msat);
    request.flags = flags;
    return add(request);
}

/* The signal rises only if the sender allowed it, and never on the way to us. */
static void the_sender_says_whether_the_signal_may_rise(void) {
    begin(2);
    earn(2, 1000 * RISK_MSAT);
    CHECK_GENERAL(add_flags(1, PAIR_MSAT, LNKEEP_HTLC_UPGRADE_ABSENT));
    CHECK_FAIL(add_flags(2, 1, LNKEEP_HTLC_UPGRADE_ABSENT), UPGRADE_NOT_ALLOWED);
    CHECK_FORWARD(add_flags(2, 1, LNKEEP_HTLC_UPGRADE_PRESENT), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FORWARD(add_flags(3, 1, 0), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FAIL(add_flags(4, 1, LNKEEP_HTLC_ACCOUNTABLE | LNKEEP_HTLC_UPGRADE_ABSENT), SIGNAL_TAMPERED);
    CHECK_FORWARD(add_flags(4, 1, LNKEEP_HTLC_ACCOUNTABLE | LNKEEP_HTLC_UPGRADE_PRESENT), REPUTATION,
                  PROTECTED, SIGNAL);
    end();
    /* The reference does not look. */
    begin_flags(LNKEEP_RESOURCES_COMPAT, 2);
    earn(2, 1000 * RISK_MSAT);
    CHECK_GENERAL(add_flags(1, 5 * PAIR_MSAT, 0));
    CHECK_FORWARD(add_flags(2, 1, LNKEEP_HTLC_UPGRADE_ABSENT), REPUTATION, PROTECTED, SIGNAL);
    CHECK_FORWARD(add_flags(3, 1, LNKEEP_HTLC_ACCOUNTABLE | LNKEEP_HTLC_UPGRADE_ABSENT), REPUTATION,
                  PROTECTED, SIGNAL);
    end();
}

static lnkeep_status add_fee(uint64_t id, uint64_t paid_msat, int has_policy, uint64_t policy_msat) {
    lnkeep_htlc_request request = htlc(1, 2, id, 2000000 + paid_msat);
    request.outgoing_amount_msat = 2000000;
    request.flags = has_policy ? LNKEEP_HTLC_HAS_POLICY_FEE : 0;
    request.policy_fee_msat = policy_msat;
    return add_with(&request, LNKEEP_RESOURCES_DRY_RUN);
}

static void check_fee(uint64_t fee_msat, uint64_t charged_msat, uint64_t risk_msat) {
    CHECK_EQUAL(grounds.fee_msat, fee_msat);
    CHECK_EQUAL(grounds.charged_fee_msat, charged_msat);
    CHECK_EQUAL(grounds.htlc_risk_msat, risk_msat);
}

/* What is paid beyond our policy counts for nothing; who pays less is charged 1,000 and 1 per million. */
static void only_our_own_fee_counts(void) {
    begin(2);
    CHECK_GENERAL(add_fee(1, 9000, 0, 0));
    check_fee(9000, 9000, RISK_MSAT);
    CHECK_GENERAL(add_fee(1, 90000, 1, 9000));
    check_fee(9000, 9000, RISK_MSAT);
    CHECK_GENERAL(add_fee(1, 9000, 1, UINT64_MAX));
    check_fee(9000, 9000, RISK_MSAT);
    CHECK_GENERAL(add_fee(1, 0, 0, 0));
    check_fee(0, 1002, 666998);
    CHECK_GENERAL(add_fee(1, 9000, 1, 0));
    check_fee(0, 1002, 666998);
    /* What pays next to nothing risks as much. */
    CHECK_GENERAL(add_fee(1, 1, 0, 0));
    check_fee(1, 1002, 666998);
    CHECK_GENERAL(add_fee(1, 1003, 0, 0));
    check_fee(1003, 1003, 667664);
    end();
    /* In compat mode what is paid counts, and nothing is a free pass. */
    begin_flags(LNKEEP_RESOURCES_COMPAT, 2);
    CHECK_GENERAL(add_fee(1, 90000, 1, 9000));
    check_fee(90000, 90000, 10 * RISK_MSAT);
    CHECK_GENERAL(add_fee(1, 0, 0, 0));
    check_fee(0, 0, 0);
    lnkeep_htlc_request request = accountable(1, 2, 1, 1);
    request.outgoing_amount_msat = 1;
    CHECK_FORWARD(add(request), REPUTATION, PROTECTED, SIGNAL);
    end();
    begin(2);
    CHECK_FAIL(add(request), NO_REPUTATION);
    end();
}

/* Fees of all money there is, and the longest expiry: nothing wraps. */
static void extreme_numbers_saturate(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        begin_flags(mode, 2);
        earn(2, UINT64_MAX);
        CHECK_EQUAL(lookup(2).reputation_msat, INT64_MAX);
        lnkeep_htlc_request request = accountable(1, 2, UINT64_MAX, UINT64_MAX);
        request.outgoing_amount_msat = 0;
        request.incoming_cltv_expiry = UINT32_MAX;
        request.block_height = 0;
        request.unix_secs = mode ? UINT64_MAX : LAST_SECS;
        CHECK_DONE(add(request));
        CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FAIL);
        CHECK_EQUAL(grounds.fee_msat, UINT64_MAX);
        CHECK_EQUAL(grounds.htlc_risk_msat, UINT64_MAX);
        CHECK_EQUAL(grounds.outgoing_reputation_msat, 0);
        request.incoming_amount_msat = SLOT_MSAT;
        request.flags = 0;
        CHECK_GENERAL(add(request));
        CHECK_DONE(settle(request, 0));
        CHECK_EQUAL(lookup_at(2, request.unix_secs).reputation_now_msat, SLOT_MSAT);
        end();
    }
}

/* Milliseconds in place of seconds would keep averages and marks from ever moving again. */
static void a_time_that_is_none_is_refused(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        begin_flags(mode, 2);
        lnkeep_htlc_request request = htlc(1, 2, 1, SLOT_MSAT), late = request;
        lnkeep_status wanted = mode ? LNKEEP_DONE : LNKEEP_INVALID_ARGUMENT;
        late.unix_secs = LAST_SECS + 1;
        CHECK_STATUS(add(late), wanted);
        CHECK_STATUS(add(request), mode ? LNKEEP_ALREADY : LNKEEP_DONE);
        late.htlc_id = 2;
        CHECK_STATUS(add_with(&late, LNKEEP_RESOURCES_DRY_RUN), wanted);
        late.htlc_id = 1;
        lnkeep_resources_snapshot *before = take_snapshot();
        if (!mode) CHECK_STATUS(settle(late, 0), LNKEEP_INVALID_ARGUMENT);
        CHECK(is_unchanged_since(before));
        CHECK_DONE(mode ? settle(late, 0) : settle(request, 0));
        end();
    }
}

/* What would be failed goes out as it came in, takes nothing, and tells on its channel by how it ends. */
static void who_only_watches_forwards_everything(void) {
    begin_flags(LNKEEP_RESOURCES_ONLY_WATCH, 2);
    lnkeep_pending_htlc found;
    lnkeep_htlc_request first = accountable(1, 2, 1, SLOT_MSAT), second = htlc(1, 2, 2, PAIR_MSAT + 1);
    const uint32_t both = LNKEEP_DECISION_WOULD_FAIL | SIGNAL;
    CHECK_FORWARD(add_with(&first, LNKEEP_RESOURCES_DRY_RUN), NO_REPUTATION, NONE, both);
    CHECK_FORWARD(add(first), NO_REPUTATION, NONE, both);
    CHECK_FORWARD(add(second), ABOVE_CONGESTION_LIMIT, NONE, LNKEEP_DECISION_WOULD_FAIL);
    CHECK_GENERAL(add(htlc(1, 2, 3, PAIR_MSAT)));
    CHECK_FORWARD(add(htlc(1, 2, 4, SLOT_MSAT)), CONGESTION, CONGESTION, SIGNAL);
    reopen_with(NULL);
    /* The choice holds for new ones; what went out is remembered. */
    CHECK_FAIL(add(accountable(1, 2, 5, 1)), NO_REPUTATION);
    CHECK_STATUS(add(first), LNKEEP_ALREADY);
    CHECK_EQUAL(decision.flags, both);
    CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_NONE);
    if (CHECK(find_pending(1, 1, &found))) {
        CHECK_EQUAL(found.flags, LNKEEP_PENDING_ACCOUNTABLE | LNKEEP_PENDING_WOULD_FAIL);
        CHECK_EQUAL(found.bucket | found.general_slots, 0);
        CHECK_EQUAL(found.risk_msat, RISK_MSAT);
    }
    if (CHECK(find_pending(1, 2, &found))) CHECK_EQUAL(found.flags, LNKEEP_PENDING_WOULD_FAIL);
    CHECK_EQUAL(lookup(2).in_flight_risk_msat, 2 * RISK_MSAT);
    CHECK_EQUAL(lookup(1).general_slots_used, 5);
    CHECK_DONE(fail(first, 270));
    CHECK_EQUAL(resolution.effective_fee_msat, -2 * (int64_t)FEE_MSAT);
    CHECK_EQUAL(lookup(2).in_flight_risk_msat, RISK_MSAT);
    end();
    begin_flags(LNKEEP_RESOURCES_ONLY_WATCH, 2);
    CHECK_FORWARD(add(first), NO_REPUTATION, NONE, both);
    CHECK_EQUAL(stats_now().would_fail, 1);
    CHECK_EQUAL(stats_now().forwarded | stats_now().failed, 0);
    end();
}

/* The first that applies is answered, in the order of the checks, and grounds stay empty. */
static void requests_without_sense_are_refused(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        begin_flags(mode, 3);
        static const lnkeep_grounds none;
        lnkeep_htlc_request request = htlc(8, 9, 1, 1000);
        CHECK_GENERAL(add(htlc(1, 2, 1, 1000)));
        lnkeep_resources_snapshot *before = take_snapshot();
        request.outgoing_amount_msat = 1001;
        request.block_height = request.incoming_cltv_expiry;
        CHECK_REFUSED(add(request), LNKEEP_OUTGOING_EXCEEDS_INCOMING, NO_VALUE);
        CHECK(memcmp(&grounds, &none, sizeof none) == 0);
        request.outgoing_amount_msat = 1000;
        CHECK_REFUSED(add(request), LNKEEP_EXPIRY_NOT_AFTER_HEIGHT, NO_VALUE);
        request.block_height = UINT32_MAX;
        CHECK_REFUSED(add(request), LNKEEP_EXPIRY_NOT_AFTER_HEIGHT, NO_VALUE);
        CHECK_REFUSED(add(htlc(8, 9, 1, 1000)), LNKEEP_UNKNOWN_CHANNEL, 9);
        CHECK_EQUAL(decision.value, 9);
        CHECK_REFUSED(add(htlc(1, 9, 1, 1000)), LNKEEP_UNKNOWN_CHANNEL, 9);
        CHECK(memcmp(&grounds, &none, sizeof none) == 0);
        CHECK_REFUSED(add(htlc(1, 2, 1, 1001)), LNKEEP_DUPLICATE_HTLC, NO_VALUE);
        if (!mode) CHECK_REFUSED(add(htlc(1, 3, 1, 1000)), LNKEEP_DUPLICATE_HTLC, NO_VALUE);
        /* In compat mode even a refusal decays an average; at the same time it is the same. */
        CHECK_REFUSED(add(htlc(8, 2, 1, 1000)), LNKEEP_UNKNOWN_CHANNEL, 8);
        CHECK_EQUAL(decision.value, 8);
        CHECK(is_unchanged_since(before));
        CHECK_EQUAL(stats_now().forwarded, 1);
        if (mode) CHECK_GENERAL(add(htlc(1, 3, 1, 1000)));
        end();
    }
}

/* With this salt the reference finds too few slots for the pair; the mended rules always find some. */
static void a_pair_without_slots_is_an_error_in_compat_alone(void) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    for (uint32_t mode = 0; mode < 2; mode++) {
        options.flags = LNKEEP_RESOURCES_HAS_ENTROPY | mode;
        memset(options.entropy, 7, sizeof options.entropy);
        begin_with(&options);
        CHECK_DONE(add_channel_at(1, 12, 1000000, START_SECS));
        CHECK_DONE(add_channel_at(4547, SLOTS, IN_FLIGHT_MSAT, START_SECS));
        lnkeep_htlc_request request = htlc(1, 4547, 1, 1);
        if (mode) CHECK_REFUSED(add(request), LNKEEP_SLOT_ASSIGNMENT, NO_VALUE);
        else CHECK_GENERAL(add(request));
        if (mode) CHECK_FAIL(add(accountable(1, 4547, 1, 2)), NO_REPUTATION);
        end();
    }
}

/* Amount and way tell a repeat; time, height and the rest may have moved on. */
static void a_repeat_answers_what_was_decided(void) {
    begin(2);
    lnkeep_htlc_request request = htlc(1, 2, 1, PAIR_MSAT), congested = htlc(1, 2, 2, 1);
    CHECK_GENERAL(add(request));
    CHECK_FORWARD(add(congested), CONGESTION, CONGESTION, SIGNAL);
    lnkeep_resources_snapshot *before = take_snapshot();
    for (uint32_t flags = 0; flags < 4; flags++) {
        request.unix_secs++;
        request.block_height++;
        request.outgoing_amount_msat--;
        CHECK_STATUS(add_with(&request, flags), LNKEEP_ALREADY);
        CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FORWARD);
        CHECK_EQUAL(decision.reason, LNKEEP_REASON_RECORDED);
        CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_GENERAL);
        CHECK_EQUAL(decision.flags, 0);
        CHECK_STATUS(add_with(&congested, flags), LNKEEP_ALREADY);
        CHECK_EQUAL(decision.bucket, LNKEEP_BUCKET_CONGESTION);
        CHECK_EQUAL(decision.flags, SIGNAL);
    }
    CHECK(is_unchanged_since(before));
    /* A dry run is not counted. */
    CHECK_EQUAL(stats_now().repeated, 4);
    CHECK_EQUAL(stats_now().forwarded, 2);
    /* One that was failed is decided anew. */
    CHECK_FAIL(add(htlc(1, 2, 3, SLOT_MSAT)), OUTGOING_IN_CONGESTION);
    CHECK_FAIL(add(htlc(1, 2, 3, SLOT_MSAT)), OUTGOING_IN_CONGESTION);
    end();
}

static void a_dry_run_changes_nothing(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        begin_flags(mode, 3);
        earn(2, 1000 * RISK_MSAT);
        lnkeep_htlc_request requests[4] = {htlc(1, 2, 1, SLOT_MSAT), accountable(1, 2, 2, SLOT_MSAT),
                                           accountable(1, 3, 3, SLOT_MSAT), htlc(1, 9, 4, SLOT_MSAT)};
        lnkeep_resources_snapshot *before = take_snapshot();
        for (uint32_t flags = 2; flags < 4; flags++) {
            for (size_t i = 0; i < 4; i++) requests[i].unix_secs += 1000;
            CHECK_GENERAL(add_with(&requests[0], flags));
            CHECK_FORWARD(add_with(&requests[1], flags), REPUTATION, PROTECTED, SIGNAL);
            CHECK_EQUAL(grounds.htlc_risk_msat, RISK_MSAT);
            CHECK_FAIL(add_with(&requests[2], flags), NO_REPUTATION);
            CHECK_REFUSED(add_with(&requests[3], flags), LNKEEP_UNKNOWN_CHANNEL, 9);
        }
        lnkeep_resources_stats stats = stats_now();
        CHECK_EQUAL(stats.forwarded | stats.failed | stats.repeated | stats.clock_clamped, 0);
        CHECK(is_unchanged_since(before));
        end();
    }
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(the_general_bucket_takes_a_pair_of_slots),
        H_TEST(grounds_are_the_numbers_of_the_rules),
        H_TEST(the_threshold_is_the_revenue),
        H_TEST(unaccountable_htlcs_fail_for_each_reason),
        H_TEST(accountable_htlcs_need_a_reputation),
        H_TEST(one_htlc_may_use_several_buckets),
        H_TEST(an_htlc_of_nothing_needs_a_slot),
        H_TEST(the_sender_says_whether_the_signal_may_rise),
        H_TEST(only_our_own_fee_counts),
        H_TEST(extreme_numbers_saturate),
        H_TEST(a_time_that_is_none_is_refused),
        H_TEST(who_only_watches_forwards_everything),
        H_TEST(requests_without_sense_are_refused),
        H_TEST(a_pair_without_slots_is_an_error_in_compat_alone),
        H_TEST(a_repeat_answers_what_was_decided),
        H_TEST(a_dry_run_changes_nothing),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

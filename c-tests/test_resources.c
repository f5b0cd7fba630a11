/* Resources: choices at the open, handles on them, channels that come, are resized and go. */

#include "resources.h"

static lnkeep_resources_options options_of(uint32_t flags) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = flags;
    return options;
}

/* An open that is refused gives no handle and leaves a report alone. */
static void check_open_refused(const lnkeep_resources_options *options, lnkeep_status wanted,
                               uint64_t value) {
    lnkeep_resources_report told = {sizeof told, 7, 7, 7, 7, 7, 7};
    lnkeep_resources opened = {UINT64_MAX};
    lnkeep_status status = lnkeep_resources_open(store, options, &opened, &told, &err);
    CHECK_REFUSED(status, wanted, value);
    CHECK_EQUAL(opened.bits, 0);
    CHECK_EQUAL(told.channels & told.pending & told.replayed & told.damaged & told.flags & told.reserved, 7);
}

static void refuse(lnkeep_resources_options options) {
    check_open_refused(&options, LNKEEP_INVALID_ARGUMENT, NO_VALUE);
}

static void options_without_sense_are_refused(void) {
    store = h_open(directory = h_directory());
    lnkeep_resources_options options = options_of(0);
    for (uint32_t bit = 7; bit < 32; bit++) refuse(options_of(UINT32_C(1) << bit));
    options.reserved = 1;
    refuse(options);
    options = options_of(0);
    options.entropy[31] = 1;
    refuse(options);
    static const uint32_t percents[][2] = {{80, 0}, {0, 60}, {100, 0}, {50, 50}, {255, 255}, {256, 1},
                                           {1, 256}, {UINT32_MAX, 0}, {0, UINT32_MAX}, {300, 300}};
    for (size_t i = 0; i < H_COUNT(percents); i++) {
        options = options_of(0);
        options.general_percent = percents[i][0];
        options.congestion_percent = percents[i][1];
        refuse(options);
    }
    options = options_of(LNKEEP_RESOURCES_ZEROS_COUNT);
    options.general_percent = 100;
    refuse(options);
    /* Nothing of it was recorded. */
    CHECK_DONE(open_resources(NULL));
    CHECK_EQUAL(report.flags, 0);
    end();
}

/* Each is accepted for itself, and a channel can be divided and used under it. */
static void extreme_options_are_accepted(void) {
    for (int which = 0; which < 9; which++) {
        lnkeep_resources_options options = options_of(which > 4 ? LNKEEP_RESOURCES_ZEROS_COUNT : 0);
        switch (which) {
        case 0: options.resolution_period_secs = UINT64_MAX; break;
        case 1: options.revenue_window_secs = UINT64_MAX; break;
        case 2: options.reputation_multiplier = UINT32_MAX; break;
        case 3: options.journal_entries_max = 1; break;
        case 4: options.general_percent = 79; break;
        case 5: options.default_fee_base_msat = UINT64_MAX, options.default_fee_ppm = UINT32_MAX; break;
        case 6: options.general_percent = 99; break;
        case 7: options.congestion_percent = 99; break;
        default: options.flags |= LNKEEP_RESOURCES_HAS_ENTROPY, options.entropy[0] = 1; break;
        }
        begin_with(&options);
        add_channels(2);
        lnkeep_htlc_request request = htlc(1, 2, 1, FEE_MSAT + 1);
        CHECK_DONE(add(request));
        if (decision.verdict == LNKEEP_VERDICT_FORWARD) CHECK_DONE(settle(request, 10));
        end();
    }
}

/* A zero means the default unless it is said to count. */
static void zeros_count_when_asked(void) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_ZEROS_COUNT);
    options.general_percent = 50;
    begin_with(&options);
    add_channels(2);
    lnkeep_allocation made = lookup(1).allocation;
    CHECK_EQUAL(made.general_slots, 50);
    CHECK_EQUAL(made.congestion_slots | made.congestion_liquidity_msat, 0);
    CHECK_EQUAL(made.protected_slots, 50);
    /* Nothing is charged for what pays nothing. */
    lnkeep_htlc_request request = htlc(1, 2, 1, 1000);
    request.outgoing_amount_msat = 1000;
    CHECK_GENERAL(add(request));
    CHECK_EQUAL(grounds.fee_msat | grounds.charged_fee_msat | grounds.htlc_risk_msat, 0);
    CHECK_DONE(fail(request, 1));
    CHECK_GENERAL(add(htlc(1, 2, 2, 5 * SLOT_MSAT)));
    /* As without history nothing is enough, there is room in protected, and no congestion bucket. */
    request.htlc_id = 3;
    CHECK_FORWARD(add(request), REPUTATION, PROTECTED, LNKEEP_DECISION_ACCOUNTABLE);
    CHECK_FAIL(add(htlc(1, 2, 4, SLOT_MSAT)), NO_CONGESTION_BUCKET);
    end();
}

/* Equal options join; which mode it was converted from, and where a salt came from, are equal enough. */
static void equal_options_share_the_resources(void) {
    lnkeep_resources_options options = options_of(0);
    begin_with(&options);
    add_channels(2);
    static const uint32_t equal[] = {0, LNKEEP_RESOURCES_CONVERT, LNKEEP_RESOURCES_HAS_ENTROPY};
    for (size_t i = 0; i < H_COUNT(equal); i++) {
        lnkeep_resources second;
        lnkeep_allocation made;
        lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT);
        options.flags = equal[i];
        CHECK_DONE(lnkeep_resources_open(store, &options, &second, NULL, NULL));
        CHECK(second.bits != resources.bits);
        CHECK_STATUS(lnkeep_resources_add_channel(second, 1, &limits, START_SECS, &made, NULL),
                     LNKEEP_ALREADY);
        CHECK_DONE(lnkeep_resources_close(&second, NULL));
        CHECK_EQUAL(lookup(2).channel, 2);
    }
    for (int which = 0; which < 8; which++) {
        lnkeep_resources_options other = options_of(0);
        switch (which) {
        case 0: other.flags = LNKEEP_RESOURCES_ONLY_WATCH; break;
        case 1: other.flags = LNKEEP_RESOURCES_WITHOUT_JOURNAL; break;
        case 2: other.flags = LNKEEP_RESOURCES_NO_SPILL_OVER; break;
        case 3: other.general_percent = 41; break;
        case 4: other.decisions_kept = 1; break;
        case 5: other.journal_entries_max = 8; break;
        case 6: other.default_fee_base_msat = 7; break;
        default: other.flags = LNKEEP_RESOURCES_COMPAT; break;
        }
        check_open_refused(&other, LNKEEP_ALREADY_OPEN, NO_VALUE);
    }
    /* The numbers of the defaults are the defaults. */
    options = options_of(LNKEEP_RESOURCES_ZEROS_COUNT);
    options.general_percent = 40, options.congestion_percent = 20;
    options.resolution_period_secs = 90, options.revenue_window_secs = TWO_WEEKS_SECS;
    options.reputation_multiplier = 12, options.journal_entries_max = 65536;
    options.default_fee_base_msat = 1000, options.default_fee_ppm = 1;
    lnkeep_resources same;
    CHECK_DONE(lnkeep_resources_open(store, &options, &same, NULL, NULL));
    CHECK_DONE(lnkeep_resources_close(&same, NULL));
    end();
}

static void a_handle_outlives_the_other(void) {
    begin(2);
    lnkeep_resources first = resources;
    CHECK_DONE(open_resources(NULL));
    /* The report is that of the open which loaded them. */
    CHECK_EQUAL(report.channels, 0);
    CHECK_DONE(lnkeep_resources_close(&first, NULL));
    CHECK_EQUAL(first.bits, 0);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    /* After the last one, with other choices: nothing is lost, and the settings are recorded. */
    CHECK_DONE(close_resources());
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_ONLY_WATCH);
    CHECK_DONE(open_resources(&options));
    CHECK_EQUAL(report.channels, 2);
    CHECK_EQUAL(report.pending, 1);
    CHECK_EQUAL(report.flags, 0);
    end();
}

static void another_mode_needs_to_be_asked_for(void) {
    begin(1);
    CHECK_DONE(close_resources());
    lnkeep_resources_options compat = options_of(LNKEEP_RESOURCES_COMPAT), strict = options_of(0);
    check_open_refused(&compat, LNKEEP_WRONG_MODE, NO_VALUE);
    compat.flags |= LNKEEP_RESOURCES_CONVERT;
    CHECK_DONE(open_resources(&compat));
    CHECK_EQUAL(report.flags, LNKEEP_RESOURCES_DIVIDED_ANEW);
    CHECK_EQUAL(lookup(1).allocation.slot_msat, 5 * SLOT_MSAT);
    reopen_with(&compat);
    CHECK_EQUAL(report.flags, 0);
    CHECK_DONE(close_resources());
    check_open_refused(&strict, LNKEEP_WRONG_MODE, NO_VALUE);
    compat.flags = LNKEEP_RESOURCES_COMPAT;
    CHECK_DONE(open_resources(&compat));
    CHECK_EQUAL(report.flags, 0);
    CHECK_DONE(close_resources());
    strict.flags = LNKEEP_RESOURCES_CONVERT;
    CHECK_DONE(open_resources(&strict));
    CHECK_EQUAL(report.flags, LNKEEP_RESOURCES_DIVIDED_ANEW);
    CHECK_EQUAL(lookup(1).allocation.slot_msat, SLOT_MSAT);
    end();
}

/* A channel that cannot be divided so keeps the open from changing anything. */
static void settings_that_a_channel_cannot_have_change_nothing(void) {
    begin(1);
    CHECK_DONE(add_channel_at(2, 11, 2000000, START_SECS));
    CHECK_DONE(close_resources());
    lnkeep_resources_options compat = options_of(LNKEEP_RESOURCES_COMPAT | LNKEEP_RESOURCES_CONVERT);
    check_open_refused(&compat, LNKEEP_CHANNEL_LIMITS, 12);
    CHECK_DONE(open_resources(NULL));
    CHECK_EQUAL(report.flags, 0);
    CHECK_EQUAL(report.channels, 2);
    uint32_t removal = 0;
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 2, &removal, NULL));
    CHECK_DONE(add_channel_at(2, 12, 1000000, START_SECS));
    CHECK_DONE(close_resources());
    compat.general_percent = 30;
    check_open_refused(&compat, LNKEEP_CHANNEL_LIMITS, NO_VALUE);
    compat.general_percent = 0;
    CHECK_DONE(open_resources(&compat));
    CHECK_EQUAL(report.flags, LNKEEP_RESOURCES_DIVIDED_ANEW);
    end();
}

typedef struct division {
    uint32_t slots;
    uint64_t msat;
    lnkeep_allocation wanted;
} division;

/* By hand: shares rounded, 5 % of the general slots and at least 5 for a pair, a slot's liquidity cut. */
static const division STRICT[] = {
    {12, 1000000, {400000, 80000, 200000, 400000, 5, 5, 2, 5}},
    {13, 1000000000, {400000000, 80000000, 200000000, 400000000, 5, 5, 3, 5}},
    {50, 1000000000, {400000000, 20000000, 200000000, 400000000, 20, 5, 10, 20}},
    {114, 5000000000, {2000000000, 43478260, 1000000000, 2000000000, 46, 5, 23, 45}},
    {483, 5000000000, {2000000000, 10362694, 1000000000, 2000000000, 193, 10, 97, 193}},
    /* Too small to be divided: one general bucket. */
    {11, 5000000000, {5000000000, 454545454, 0, 0, 11, 5, 0, 0}},
    {3, 3, {3, 1, 0, 0, 3, 3, 0, 0}},
    {1, 1, {1, 1, 0, 0, 1, 1, 0, 0}},
    {12, 999999, {999999, 83333, 0, 0, 12, 5, 0, 0}},
    {256, 999999, {999999, 3906, 0, 0, 256, 13, 0, 0}},
    {260, 999999, {999999, 3846, 0, 0, 260, 13, 0, 0}},
    {483, 999999, {999999, 2070, 0, 0, 483, 25, 0, 0}},
};

static const division COMPAT[] = {
    {12, 1000000, {400000, 400000, 200000, 400000, 5, 5, 2, 5}},
    {114, 5000000000, {2000000000, 217391304, 1000000000, 2000000000, 46, 5, 23, 45}},
    {483, 5000000000, {2000000000, 103626943, 1000000000, 2000000000, 193, 10, 97, 193}},
};

static void check_divisions(const division *divisions, size_t len) {
    for (size_t i = 0; i < len; i++) {
        lnkeep_channel_limits limits = limits_of(divisions[i].slots, divisions[i].msat);
        const lnkeep_allocation *wanted = &divisions[i].wanted;
        lnkeep_allocation made;
        uint64_t channel = i + 1;
        CHECK_DONE(lnkeep_resources_add_channel(resources, channel, &limits, START_SECS, &made, &err));
        if (!CHECK(memcmp(&made, wanted, sizeof made) == 0)) printf("%u slots\n", divisions[i].slots);
        memset(&made, 0x77, sizeof made);
        CHECK_STATUS(lnkeep_resources_add_channel(resources, channel, &limits, START_SECS, &made, &err),
                     LNKEEP_ALREADY);
        CHECK(memcmp(&made, wanted, sizeof made) == 0);
        memset(&made, 0x77, sizeof made);
        CHECK_DONE(lnkeep_resources_resize_channel(resources, channel, &limits, &made, &err));
        CHECK(memcmp(&made, wanted, sizeof made) == 0);
        lnkeep_resources_channel found = lookup(channel);
        CHECK(memcmp(&found.allocation, wanted, sizeof made) == 0);
        CHECK(memcmp(&found.limits, &limits, sizeof limits) == 0);
    }
}

static void channels_are_divided_by_the_rules(void) {
    begin_with(NULL);
    check_divisions(STRICT, H_COUNT(STRICT));
    end();
    lnkeep_resources_options compat = options_of(LNKEEP_RESOURCES_COMPAT);
    begin_with(&compat);
    check_divisions(COMPAT, H_COUNT(COMPAT));
    end();
}

/* All slots of a channel without shares can be used. */
static void a_small_channel_takes_what_it_can(void) {
    begin(1);
    CHECK_DONE(add_channel_at(2, 260, 999999, START_SECS));
    CHECK_DONE(add_channel_at(3, 1, 20000, START_SECS));
    for (uint64_t id = 0; id < 13; id++) CHECK_GENERAL(add(htlc(2, 1, id, 3846)));
    CHECK_FAIL(add(htlc(2, 1, 13, 1)), NO_CONGESTION_BUCKET);
    CHECK_GENERAL(add(htlc(3, 1, 1, 20000)));
    CHECK_FAIL(add(htlc(3, 1, 2, 1)), NO_CONGESTION_BUCKET);
    end();
}

/* Each bound, one beyond it, and the bound in the error; the others of two that are wrong do not count. */
static void check_bounds(lnkeep_status (*call)(const lnkeep_channel_limits *), int is_compat) {
    const uint64_t supply = UINT64_C(2100000000000000000);
    static const uint32_t too_many[] = {484, 65535, 65536, 65536 + 100, UINT32_MAX};
    lnkeep_channel_limits limits;
    for (size_t i = 0; i < H_COUNT(too_many); i++) {
        limits = limits_of(too_many[i], supply);
        CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, 483);
    }
    limits = limits_of(0, supply);
    CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, supply);
    limits = limits_of(483, UINT64_MAX);
    CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, supply);
    limits = limits_of(0, 0);
    CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, is_compat ? 12 : 1);
    limits = limits_of(is_compat ? 11 : 0, 5000000);
    CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, is_compat ? 12 : 1);
    limits = limits_of(100, is_compat ? 999999 : 99);
    CHECK_REFUSED(call(&limits), LNKEEP_CHANNEL_LIMITS, is_compat ? 1000000 : 100);
    limits = limits_of(100, 1000000);
    limits.reserved = 1;
    CHECK_REFUSED(call(&limits), LNKEEP_INVALID_ARGUMENT, NO_VALUE);
}

static uint64_t asked_for;

static lnkeep_status add_limits(const lnkeep_channel_limits *limits) {
    lnkeep_allocation made = {7, 7, 7, 7, 7, 7, 7, 7};
    lnkeep_status status = lnkeep_resources_add_channel(resources, asked_for, limits, 1, &made, &err);
    CHECK_EQUAL(made.general_liquidity_msat & made.slot_msat & made.pair_slots & made.protected_slots, 7);
    return status;
}

static lnkeep_status resize_to(const lnkeep_channel_limits *limits) {
    lnkeep_allocation made = {7, 7, 7, 7, 7, 7, 7, 7};
    lnkeep_status status = lnkeep_resources_resize_channel(resources, asked_for, limits, &made, &err);
    CHECK_EQUAL(made.general_liquidity_msat & made.slot_msat & made.pair_slots & made.protected_slots, 7);
    return status;
}

static void limits_out_of_bounds_are_refused(void) {
    for (int is_compat = 0; is_compat < 2; is_compat++) {
        lnkeep_resources_options options = options_of(is_compat ? LNKEEP_RESOURCES_COMPAT : 0);
        begin_with(&options);
        add_channels(1);
        lnkeep_resources_snapshot *before = take_snapshot();
        asked_for = 2;
        check_bounds(add_limits, is_compat);
        check_bounds(resize_to, is_compat);
        /* A channel that is known, as well: what is wrong with the limits comes first. */
        asked_for = 1;
        check_bounds(add_limits, is_compat);
        check_bounds(resize_to, is_compat);
        lnkeep_channel_limits limits = limits_of(100, 1000000);
        CHECK_REFUSED(add_limits(&limits), LNKEEP_DUPLICATE_CHANNEL, 1);
        asked_for = 2;
        CHECK_REFUSED(resize_to(&limits), LNKEEP_UNKNOWN_CHANNEL, 2);
        CHECK(is_unchanged_since(before));
        /* The last ones within. */
        CHECK_DONE(add_channel_at(2, 483, UINT64_C(2099999999999999999), START_SECS));
        if (is_compat) CHECK_DONE(add_channel_at(3, 12, 1000000, START_SECS));
        else CHECK_DONE(add_channel_at(3, 483, 483, START_SECS));
        CHECK_DONE(add_channel_at(0, 100, 1000000, 0));
        lnkeep_status late = add_channel_at(UINT64_MAX, 100, 1000000, LAST_SECS + 1);
        CHECK_STATUS(late, is_compat ? LNKEEP_DONE : LNKEEP_INVALID_ARGUMENT);
        late = add_channel_at(UINT64_MAX, 100, 1000000, LAST_SECS);
        CHECK_STATUS(late, is_compat ? LNKEEP_ALREADY : LNKEEP_DONE);
        end();
    }
}

/* The reference's general bucket has at least 5 slots, and each carries something. */
static void compat_refuses_a_general_bucket_that_is_too_small(void) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_COMPAT);
    options.general_percent = 30;
    begin_with(&options);
    lnkeep_channel_limits limits = limits_of(12, 1000000);
    asked_for = 1;
    CHECK_REFUSED(add_limits(&limits), LNKEEP_CHANNEL_LIMITS, NO_VALUE);
    CHECK_DONE(add_channel_at(1, 15, 1000000, START_SECS));
    CHECK_REFUSED(resize_to(&limits), LNKEEP_CHANNEL_LIMITS, NO_VALUE);
    end();
}

/* Nobody is evicted: what no longer fits is counted until it has left. */
static void a_smaller_channel_evicts_nobody(void) {
    begin(2);
    earn(2, 100 * RISK_MSAT);
    lnkeep_htlc_request first = htlc(1, 2, 1, PAIR_MSAT), second = accountable(1, 2, 2, 30 * SLOT_MSAT);
    CHECK_GENERAL(add(first));
    CHECK_FORWARD(add(second), REPUTATION, PROTECTED, LNKEEP_DECISION_ACCOUNTABLE);
    lnkeep_channel_limits smaller = limits_of(12, 12000000), larger = limits_of(483, 10 * IN_FLIGHT_MSAT);
    CHECK_DONE(lnkeep_resources_resize_channel(resources, 1, &smaller, NULL, NULL));
    lnkeep_resources_channel now = lookup(1);
    CHECK_EQUAL(now.allocation.slot_msat, 960000);
    CHECK_EQUAL(now.allocation.general_slots, 5);
    CHECK_EQUAL(now.general_slots_used, 6);
    CHECK_EQUAL(now.protected_used_msat, 30 * SLOT_MSAT);
    CHECK_EQUAL(now.pending_incoming, 2);
    /* One more than an HTLC may take of the congestion bucket. */
    CHECK_FAIL(add(accountable(1, 2, 3, 1200001)), NO_ROOM);
    reopen_with(NULL);
    lnkeep_resources_channel found = lookup(1);
    CHECK(memcmp(&found, &now, sizeof now) == 0);
    CHECK_DONE(fail(first, 1));
    CHECK_EQUAL(lookup(1).general_slots_used, 0);
    CHECK_GENERAL(add(htlc(1, 2, 4, 4800000)));
    CHECK_DONE(lnkeep_resources_resize_channel(resources, 1, &larger, NULL, NULL));
    now = lookup(1);
    /* 4,800,000 of slots that carry 2,072,538 each. */
    CHECK_EQUAL(now.general_slots_used, 3);
    CHECK_EQUAL(now.protected_used_msat, 30 * SLOT_MSAT);
    CHECK_DONE(fail(second, 1));
    CHECK_EQUAL(lookup(1).protected_used_msat | lookup(1).protected_slots_used, 0);
    end();
}

static void an_unused_channel_is_gone_at_once(void) {
    begin(3);
    earn(2, 1000);
    uint32_t removal = 77;
    CHECK_REFUSED(lnkeep_resources_remove_channel(resources, 4, &removal, &err), LNKEEP_UNKNOWN_CHANNEL, 4);
    CHECK_EQUAL(removal, 77);
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 2, &removal, &err));
    CHECK_EQUAL(removal, LNKEEP_RESOURCES_REMOVED);
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 3, NULL, &err));
    CHECK_REFUSED(lnkeep_resources_remove_channel(resources, 2, &removal, &err), LNKEEP_UNKNOWN_CHANNEL, 2);
    lnkeep_resources_channel found;
    CHECK_REFUSED(lnkeep_resources_lookup(resources, 2, 1, &found, &err), LNKEEP_UNKNOWN_CHANNEL, 2);
    reopen_with(NULL);
    CHECK_EQUAL(report.channels, 1);
    /* One of the same id is another channel. */
    CHECK_DONE(add_channel_at(2, 50, IN_FLIGHT_MSAT, START_SECS + 5));
    found = lookup(2);
    CHECK_EQUAL(found.reputation_msat, 0);
    CHECK_EQUAL(found.revenue_start_unix_secs, START_SECS + 5);
    end();
}

/* In use as the incoming one, the outgoing one, or both at once. */
static void a_channel_in_use_waits_for_its_last_htlc(void) {
    for (int which = 0; which < 3; which++) {
        begin(3);
        uint64_t gone = 2, incoming = which == 0 ? 1 : 2, outgoing = which == 1 ? 1 : 2;
        lnkeep_htlc_request first = htlc(incoming, outgoing, 1, SLOT_MSAT);
        lnkeep_htlc_request last = htlc(incoming, outgoing, 2, 1);
        lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT);
        lnkeep_resources_channel found;
        uint32_t removal = 0;
        CHECK_GENERAL(add(first));
        CHECK_GENERAL(add(last));
        for (int round = 0; round < 2; round++) {
            CHECK_DONE(lnkeep_resources_remove_channel(resources, gone, &removal, &err));
            CHECK_EQUAL(removal, LNKEEP_RESOURCES_CLOSING);
            CHECK_EQUAL(lookup(gone).flags, LNKEEP_RESOURCES_IS_CLOSING);
            CHECK_REFUSED(add(htlc(gone, 3, 9, 1)), LNKEEP_CHANNEL_CLOSING, gone);
            CHECK_EQUAL(decision.value, gone);
            CHECK_REFUSED(add(htlc(3, gone, 9, 1)), LNKEEP_CHANNEL_CLOSING, gone);
            CHECK_EQUAL(decision.value, gone);
            CHECK_REFUSED(lnkeep_resources_resize_channel(resources, gone, &limits, NULL, &err),
                          LNKEEP_CHANNEL_CLOSING, gone);
            CHECK_REFUSED(lnkeep_resources_add_channel(resources, gone, &limits, 1, NULL, &err),
                          LNKEEP_DUPLICATE_CHANNEL, gone);
            reopen_with(NULL);
        }
        CHECK_DONE(settle(first, 10));
        CHECK_EQUAL(lookup(gone).pending_incoming + lookup(gone).pending_outgoing, which == 2 ? 2 : 1);
        CHECK_DONE(settle(last, 10));
        CHECK_REFUSED(lnkeep_resources_lookup(resources, gone, 1, &found, &err), LNKEEP_UNKNOWN_CHANNEL,
                      gone);
        CHECK_EQUAL(lookup(3).pending_incoming | lookup(3).pending_outgoing, 0);
        CHECK_DONE(add_channel_at(gone, SLOTS, IN_FLIGHT_MSAT, START_SECS));
        end();
    }
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(options_without_sense_are_refused),
        H_TEST(extreme_options_are_accepted),
        H_TEST(zeros_count_when_asked),
        H_TEST(equal_options_share_the_resources),
        H_TEST(a_handle_outlives_the_other),
        H_TEST(another_mode_needs_to_be_asked_for),
        H_TEST(settings_that_a_channel_cannot_have_change_nothing),
        H_TEST(channels_are_divided_by_the_rules),
        H_TEST(a_small_channel_takes_what_it_can),
        H_TEST(limits_out_of_bounds_are_refused),
        H_TEST(compat_refuses_a_general_bucket_that_is_too_small),
        H_TEST(a_smaller_channel_evicts_nobody),
        H_TEST(an_unused_channel_is_gone_at_once),
        H_TEST(a_channel_in_use_waits_for_its_last_htlc),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* What resources tell: one channel, a snapshot of everything, decisions as lines of JSON, figures. */

#include "resources.h"

#include <inttypes.h>

#define SIGNAL LNKEEP_DECISION_ACCOUNTABLE

static void begin_keeping(uint32_t decisions_kept) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.decisions_kept = decisions_kept;
    begin_with(&options);
    add_channels(4);
}

static void a_snapshot_of_nothing_is_empty(void) {
    begin(0);
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    if (snapshot) {
        CHECK_EQUAL(snapshot->channels_len | snapshot->pending_len, 0);
        CHECK_EQUAL(snapshot->pairs_len | snapshot->marks_len, 0);
    }
    lnkeep_resources_snapshot_free(snapshot);
    lnkeep_resources_snapshot_free(NULL);
    lnkeep_resources_channel found;
    memset(&found, 0x77, sizeof found);
    CHECK_REFUSED(lnkeep_resources_lookup(resources, 1, 1, &found, &err), LNKEEP_UNKNOWN_CHANNEL, 1);
    CHECK_EQUAL(found.channel, UINT64_C(0x7777777777777777));
    end();
}

static void check_pending(const lnkeep_pending_htlc *given, lnkeep_htlc_request wanted, uint32_t bucket,
                          uint32_t slots, uint32_t flags) {
    CHECK_EQUAL(given->incoming, wanted.incoming);
    CHECK_EQUAL(given->outgoing, wanted.outgoing);
    CHECK_EQUAL(given->htlc_id, wanted.htlc_id);
    CHECK_EQUAL(given->incoming_amount_msat, wanted.incoming_amount_msat);
    CHECK_EQUAL(given->added_unix_secs, wanted.unix_secs);
    CHECK_EQUAL(given->fee_msat, FEE_MSAT);
    CHECK_EQUAL(given->risk_msat, RISK_MSAT);
    CHECK_EQUAL(given->bucket, bucket);
    CHECK_EQUAL(given->general_slots, slots);
    CHECK_EQUAL(given->flags, flags);
}

/* Everything in it is what the calls before it made, in the order of the ids. */
static void a_snapshot_tells_everything(void) {
    begin(4);
    earn(3, 2 * RISK_MSAT);
    lnkeep_htlc_request general = htlc(2, 1, 7, 3 * SLOT_MSAT), other = htlc(2, 1, 5, SLOT_MSAT);
    lnkeep_htlc_request held = accountable(1, 3, 9, SLOT_MSAT), slow = htlc(2, 1, 6, SLOT_MSAT);
    held.unix_secs = START_SECS + 10;
    CHECK_GENERAL(add(general));
    CHECK_GENERAL(add(other));
    CHECK_GENERAL(add(htlc(2, 1, 8, SLOT_MSAT)));
    CHECK_FORWARD(add(slow), CONGESTION, CONGESTION, SIGNAL);
    CHECK_DONE(fail(slow, 91));
    CHECK_DONE(fail(htlc(2, 1, 8, 0), 1));
    CHECK_FORWARD(add(held), REPUTATION, PROTECTED, SIGNAL);
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 1, NULL, NULL));
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    if (!snapshot) return;
    CHECK_EQUAL(snapshot->channels_len, 4);
    for (size_t i = 0; i < snapshot->channels_len; i++) {
        lnkeep_resources_channel found = lookup(i + 1);
        CHECK(memcmp(channel_at(snapshot, i), &found, sizeof found) == 0);
        CHECK_EQUAL(found.channel, i + 1);
        CHECK_EQUAL(found.limits.max_accepted_htlcs, SLOTS);
        CHECK_EQUAL(found.limits.max_in_flight_msat, IN_FLIGHT_MSAT);
        CHECK_EQUAL(found.flags, i == 0 ? LNKEEP_RESOURCES_IS_CLOSING : 0);
        CHECK_EQUAL(found.revenue_start_unix_secs, START_SECS);
    }
    if (CHECK_EQUAL(snapshot->pending_len, 3)) {
        check_pending(pending_at(snapshot, 0), held, LNKEEP_BUCKET_PROTECTED, 0, LNKEEP_PENDING_ACCOUNTABLE);
        check_pending(pending_at(snapshot, 1), other, LNKEEP_BUCKET_GENERAL, 1, 0);
        check_pending(pending_at(snapshot, 2), general, LNKEEP_BUCKET_GENERAL, 3, 0);
    }
    if (CHECK_EQUAL(snapshot->pairs_len, 1)) {
        const lnkeep_resources_pair *pair = pair_at(snapshot, 0);
        CHECK_EQUAL(pair->incoming, 2);
        CHECK_EQUAL(pair->outgoing, 1);
        CHECK_EQUAL(pair->slots_len, 5);
        /* Of five, the first in use was given back. */
        CHECK_EQUAL(pair->used, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
    }
    if (CHECK_EQUAL(snapshot->marks_len, 1)) {
        CHECK_EQUAL(mark_at(snapshot, 0)->incoming, 2);
        CHECK_EQUAL(mark_at(snapshot, 0)->outgoing, 1);
        CHECK_EQUAL(mark_at(snapshot, 0)->misused_unix_secs, START_SECS + 91);
    }
    lnkeep_resources_snapshot_free(snapshot);
    end();
}

/* It is the caller's: what happens later, even the end of the store, does not touch it. */
static void a_snapshot_outlives_everything(void) {
    begin(2);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    CHECK_DONE(settle(htlc(1, 2, 1, SLOT_MSAT), 1));
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 1, NULL, NULL));
    end();
    if (!snapshot) return;
    CHECK_EQUAL(snapshot->channels_len, 2);
    CHECK_EQUAL(channel_at(snapshot, 0)->pending_incoming, 1);
    CHECK_EQUAL(pending_at(snapshot, 0)->htlc_id, 1);
    CHECK_EQUAL(pair_at(snapshot, 0)->used, 1);
    lnkeep_resources_snapshot_free(snapshot);
}

/* The time asked for moves the figures of now, and nothing else. */
static void the_time_asked_for_moves_the_figures_of_now(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
        lnkeep_resources_snapshot *before, *later = NULL;
        options.flags = mode;
        begin_with(&options);
        add_channels(2);
        lnkeep_forward_row row = {1, 2, 1000000000, START_SECS, START_SECS};
        CHECK_DONE(lnkeep_resources_import_history(resources, &row, 1, NULL, NULL));
        before = take_snapshot();
        uint64_t at = START_SECS + 12 * TWO_WEEKS_SECS;
        CHECK_DONE(lnkeep_resources_take_snapshot(resources, at, &later, NULL));
        if (CHECK(later != NULL)) {
            lnkeep_resources_channel one = *channel_at(later, 0), two = *channel_at(later, 1);
            CHECK_EQUAL(two.reputation_now_msat, 367879441);
            /* 1e9 * exp(-2) / (6 * (1 - exp(-2))). */
            CHECK_EQUAL(one.revenue_now_msat, 26086274);
            one.revenue_now_msat = channel_at(before, 0)->revenue_now_msat;
            two.reputation_now_msat = channel_at(before, 1)->reputation_now_msat;
            CHECK(memcmp(&one, channel_at(before, 0), sizeof one) == 0);
            CHECK(memcmp(&two, channel_at(before, 1), sizeof two) == 0);
        }
        lnkeep_resources_snapshot_free(later);
        CHECK(is_unchanged_since(before));
        end();
    }
}

/* The reference never forgets a pair that it looked at. */
static void compat_lists_pairs_that_use_nothing(void) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = LNKEEP_RESOURCES_COMPAT;
    begin_with(&options);
    add_channels(3);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_DONE(fail(htlc(1, 2, 1, SLOT_MSAT), 1));
    CHECK_DONE(add(htlc(1, 3, 1, IN_FLIGHT_MSAT)));
    CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FAIL);
    for (int round = 0; round < 2; round++) {
        lnkeep_resources_snapshot *snapshot = take_snapshot();
        if (snapshot && CHECK_EQUAL(snapshot->pairs_len, 2)) {
            CHECK_EQUAL(pair_at(snapshot, 0)->outgoing, 2);
            CHECK_EQUAL(pair_at(snapshot, 1)->outgoing, 3);
            CHECK_EQUAL(pair_at(snapshot, 0)->used | pair_at(snapshot, 1)->used, 0);
        }
        lnkeep_resources_snapshot_free(snapshot);
        reopen_with(&options);
    }
    end();
}

/* The value of a member of one line: a number, a truth value as 1 or 0. */
static int64_t number_of(const char *line, const char *name) {
    char member[64];
    snprintf(member, sizeof member, "\"%s\":", name);
    const char *at = strstr(line, member);
    if (!CHECK(at != NULL)) {
        printf("no %s\n", name);
        return INT64_MIN;
    }
    at += strlen(member);
    /* Named once. */
    CHECK(strstr(at, member) == NULL);
    if (strncmp(at, "true", 4) == 0) return 1;
    if (strncmp(at, "false", 5) == 0) return 0;
    char *last;
    int64_t value = *at == '-' ? (int64_t)strtoll(at, &last, 10) : (int64_t)strtoull(at, &last, 10);
    CHECK(last != at && (*last == ',' || *last == '}'));
    return value;
}

static int has_text(const char *line, const char *name, const char *wanted) {
    char member[96];
    snprintf(member, sizeof member, "\"%s\":\"%s\"", name, wanted);
    return strstr(line, member) != NULL;
}

/* A line names what the structures name. */
static void check_line(const char *line, const lnkeep_htlc_request *request, const lnkeep_decision *made,
                       const lnkeep_grounds *of) {
#define SAME(given, name) CHECK_EQUAL(number_of(line, #name), given->name)
    SAME(request, unix_secs);
    SAME(request, incoming);
    SAME(request, outgoing);
    SAME(request, htlc_id);
    SAME(request, incoming_amount_msat);
    SAME(request, outgoing_amount_msat);
    SAME(request, incoming_cltv_expiry);
    SAME(request, block_height);
    SAME(of, fee_msat);
    SAME(of, charged_fee_msat);
    SAME(of, htlc_risk_msat);
    SAME(of, outgoing_reputation_msat);
    SAME(of, outgoing_in_flight_risk_msat);
    SAME(of, incoming_revenue_msat);
    SAME(of, general_slots_needed);
    SAME(of, pair_slots_free);
    SAME(of, general_slots_used);
    SAME(of, general_slots);
    SAME(of, congestion_slots_used);
    SAME(of, congestion_slots);
    SAME(of, congestion_used_msat);
    SAME(of, congestion_liquidity_msat);
    SAME(of, protected_slots_used);
    SAME(of, protected_slots);
    SAME(of, protected_used_msat);
    SAME(of, protected_liquidity_msat);
#undef SAME
    CHECK_EQUAL(number_of(line, "incoming_accountable"), request->flags & LNKEEP_HTLC_ACCOUNTABLE);
    CHECK_EQUAL(number_of(line, "outgoing_accountable"), made->flags & LNKEEP_DECISION_ACCOUNTABLE);
    CHECK_EQUAL(number_of(line, "would_fail"), (made->flags & LNKEEP_DECISION_WOULD_FAIL) != 0);
    CHECK_EQUAL(number_of(line, "has_reputation"), of->flags & LNKEEP_GROUNDS_HAS_REPUTATION);
    CHECK(has_text(line, "verdict", made->verdict == LNKEEP_VERDICT_FORWARD ? "forward" : "fail"));
    static const char *const buckets[] = {"none", "general", "congestion", "protected", "several"};
    CHECK(has_text(line, "bucket", buckets[made->bucket]));
}

/* One object, of names and values, with nothing in it that would need an escape. */
static int is_one_object(const char *line, size_t len) {
    int held = CHECK(len > 2 && line[0] == '{' && line[len - 1] == '}');
    int quotes = 0;
    for (size_t i = 1; held && i + 1 < len; i++) {
        held &= CHECK(line[i] >= ' ' && line[i] < 127 && !strchr("{}[]\\", line[i]));
        quotes += line[i] == '"';
    }
    return held & CHECK_EQUAL(quotes % 2, 0);
}

static uint64_t last_number;

/* Lines after a number, as one text that ends with a zero; the caller frees it. */
static char *lines_after(uint64_t after, size_t max, size_t *count) {
    lnkeep_buf *buf = NULL;
    last_number = UINT64_MAX;
    *count = 0;
    CHECK_DONE(lnkeep_resources_decisions(resources, after, max, &buf, &last_number, &err));
    char *text = (char *)calloc(buf ? buf->len + 1 : 1, 1);
    if (!CHECK(buf && text)) return text;
    if (buf->len) memcpy(text, buf->ptr, buf->len);
    if (buf->len) CHECK_EQUAL(text[buf->len - 1], '\n');
    lnkeep_buf_free(buf);
    for (char *at = text, *next; (next = strchr(at, '\n')) != NULL; at = next + 1) {
        *next = 0;
        is_one_object(at, (size_t)(next - at));
        ++*count;
    }
    return text;
}

static const char *line_at(const char *lines, size_t index) {
    for (; index > 0; index--) lines += strlen(lines) + 1;
    return lines;
}

enum { KEPT = 10 };

static void decisions_are_told_with_their_grounds(void) {
    lnkeep_htlc_request requests[KEPT];
    lnkeep_decision made[KEPT];
    lnkeep_grounds of[KEPT];
    size_t count;
    begin_keeping(100);
    earn(3, 3 * RISK_MSAT);
    free(lines_after(0, 100, &count));
    CHECK_EQUAL(count | last_number, 0);
    for (uint64_t i = 0; i < KEPT; i++) {
        requests[i] = htlc(1, 2 + i % 3, i, (1 + i % 6) * SLOT_MSAT);
        requests[i].flags = i % 4 == 3;
        requests[i].htlc_id += i % 5 ? 0 : UINT64_MAX - KEPT;
        CHECK_DONE(add(requests[i]));
        made[i] = decision, of[i] = grounds;
        /* Neither a repeat nor a trial is a decision, nor is a refusal. */
        if (decision.verdict == LNKEEP_VERDICT_FORWARD) CHECK_STATUS(add(requests[i]), LNKEEP_ALREADY);
        add_with(&requests[i], LNKEEP_RESOURCES_DRY_RUN);
        CHECK_STATUS(add(htlc(1, 9, i, 1)), LNKEEP_UNKNOWN_CHANNEL);
    }
    char *lines = lines_after(0, SIZE_MAX, &count);
    CHECK_EQUAL(last_number, KEPT);
    for (size_t i = 0; i < KEPT && CHECK_EQUAL(count, KEPT); i++) {
        const char *line = line_at(lines, i);
        CHECK_EQUAL(number_of(line, "number"), i + 1);
        check_line(line, &requests[i], &made[i], &of[i]);
    }
    free(lines);
    end();
}

static void decisions_are_paged_and_bounded(void) {
    size_t count;
    begin_keeping(3);
    for (uint64_t id = 1; id <= 8; id++) {
        lnkeep_htlc_request request = htlc(1, 2, id, 1000);
        /* Without grounds asked for they are kept all the same. */
        CHECK_DONE(lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, &err));
        CHECK_DONE(settle(request, 1));
    }
    static const uint64_t asked[][4] = {{0, 100, 3, 8}, {0, 2, 2, 7}, {7, 2, 1, 8},
                                        {8, 9, 0, 8},   {6, 0, 0, 6}, {9, 9, 0, 9}};
    for (size_t i = 0; i < H_COUNT(asked); i++) {
        char *lines = lines_after(asked[i][0], (size_t)asked[i][1], &count);
        CHECK_EQUAL(count, asked[i][2]);
        CHECK_EQUAL(last_number, asked[i][3]);
        if (count) {
            uint64_t first = asked[i][0] < 5 ? 6 : asked[i][0] + 1;
            CHECK_EQUAL(number_of(lines, "number"), first);
            CHECK_EQUAL(number_of(lines, "htlc_id"), first);
        }
        free(lines);
    }
    end();
    /* None are kept unless they are asked for, and none are stored. */
    lnkeep_buf *untouched = (lnkeep_buf *)(void *)&store, *buf = untouched;
    begin(2);
    last_number = 77;
    CHECK_REFUSED(lnkeep_resources_decisions(resources, 0, 9, &buf, &last_number, &err), LNKEEP_WRONG_MODE,
                  NO_VALUE);
    CHECK(buf == untouched);
    CHECK_EQUAL(last_number, 77);
    end();
}

static const struct {
    uint32_t reason;
    const char *name;
} NAMES[] = {
    {LNKEEP_REASON_GENERAL, "general"},
    {LNKEEP_REASON_REPUTATION, "reputation"},
    {LNKEEP_REASON_CONGESTION, "congestion"},
    {LNKEEP_REASON_SEVERAL, "several"},
    {LNKEEP_REASON_NO_REPUTATION, "no_reputation"},
    {LNKEEP_REASON_NO_ROOM, "no_room"},
    {LNKEEP_REASON_OUTGOING_IN_CONGESTION, "outgoing_in_congestion"},
    {LNKEEP_REASON_NO_CONGESTION_BUCKET, "no_congestion_bucket"},
    {LNKEEP_REASON_CONGESTION_MISUSED, "congestion_misused"},
    {LNKEEP_REASON_CONGESTION_FULL, "congestion_full"},
    {LNKEEP_REASON_ABOVE_CONGESTION_LIMIT, "above_congestion_limit"},
    {LNKEEP_REASON_UPGRADE_NOT_ALLOWED, "upgrade_not_allowed"},
    {LNKEEP_REASON_SIGNAL_TAMPERED, "signal_tampered"},
};

/* Decides and checks that the newest line names the reason. */
static void check_reason(lnkeep_htlc_request request, uint32_t flags, uint32_t reason) {
    size_t count;
    request.flags = flags;
    CHECK_DONE(add(request));
    CHECK_EQUAL(decision.reason, reason);
    uint64_t before = last_number;
    char *lines = lines_after(before, 1, &count);
    CHECK_EQUAL(count, 1);
    CHECK_EQUAL(last_number, before + 1);
    for (size_t i = 0; i < H_COUNT(NAMES); i++) {
        CHECK_EQUAL(has_text(lines, "reason", NAMES[i].name), NAMES[i].reason == reason);
    }
    free(lines);
}

static void every_reason_has_a_name(void) {
    begin_keeping(100);
    CHECK_DONE(add_channel_at(10, 12, 12000000, START_SECS));
    CHECK_DONE(add_channel_at(11, 1, 12000000, START_SECS));
    earn(3, 1000 * RISK_MSAT);
    last_number = 0;
    lnkeep_htlc_request slow = htlc(10, 1, 3, SLOT_MSAT);
    check_reason(htlc(10, 1, 1, 4800000), 0, LNKEEP_REASON_GENERAL);
    check_reason(htlc(10, 1, 2, 2 * SLOT_MSAT), 0, LNKEEP_REASON_ABOVE_CONGESTION_LIMIT);
    check_reason(slow, 0, LNKEEP_REASON_CONGESTION);
    check_reason(htlc(10, 1, 4, SLOT_MSAT), 0, LNKEEP_REASON_OUTGOING_IN_CONGESTION);
    CHECK_DONE(fail(slow, 91));
    check_reason(htlc(10, 1, 4, SLOT_MSAT), 0, LNKEEP_REASON_CONGESTION_MISUSED);
    check_reason(htlc(10, 1, 4, SLOT_MSAT), LNKEEP_HTLC_UPGRADE_ABSENT, LNKEEP_REASON_UPGRADE_NOT_ALLOWED);
    check_reason(htlc(10, 1, 4, SLOT_MSAT), 1 | LNKEEP_HTLC_UPGRADE_ABSENT, LNKEEP_REASON_SIGNAL_TAMPERED);
    check_reason(htlc(10, 1, 4, SLOT_MSAT), 1, LNKEEP_REASON_NO_REPUTATION);
    check_reason(htlc(10, 2, 5, SLOT_MSAT), 0, LNKEEP_REASON_CONGESTION);
    check_reason(htlc(10, 4, 6, SLOT_MSAT), 0, LNKEEP_REASON_CONGESTION);
    check_reason(htlc(10, 10, 7, SLOT_MSAT), 0, LNKEEP_REASON_CONGESTION_FULL);
    check_reason(htlc(10, 3, 8, 4 * SLOT_MSAT), 0, LNKEEP_REASON_REPUTATION);
    check_reason(htlc(10, 3, 9, SLOT_MSAT), 0, LNKEEP_REASON_NO_ROOM);
    check_reason(htlc(10, 3, 9, 800000), 0, LNKEEP_REASON_REPUTATION);
    check_reason(htlc(1, 3, 1, 38 * SLOT_MSAT), 1, LNKEEP_REASON_REPUTATION);
    check_reason(htlc(1, 3, 2, 6 * SLOT_MSAT), 1, LNKEEP_REASON_SEVERAL);
    check_reason(htlc(11, 3, 1, SLOT_MSAT), 0, LNKEEP_REASON_GENERAL);
    check_reason(htlc(11, 2, 2, SLOT_MSAT), 0, LNKEEP_REASON_OUTGOING_IN_CONGESTION);
    CHECK_DONE(fail(htlc(10, 2, 5, SLOT_MSAT), 1));
    check_reason(htlc(11, 2, 2, SLOT_MSAT), 0, LNKEEP_REASON_NO_CONGESTION_BUCKET);
    end();
}

static void figures_count_what_happened(void) {
    begin(2);
    lnkeep_resources_stats stats = stats_now();
    CHECK_EQUAL(stats.forwarded | stats.failed | stats.would_fail | stats.repeated | stats.resolved, 0);
    CHECK_EQUAL(stats.journal_next, 2);
    CHECK_EQUAL(stats.journal_durable_below, 2);
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_FAIL(add(htlc(1, 2, 2, PAIR_MSAT)), ABOVE_CONGESTION_LIMIT);
    CHECK_STATUS(add(htlc(1, 2, 1, SLOT_MSAT)), LNKEEP_ALREADY);
    CHECK_STATUS(add(htlc(1, 9, 1, SLOT_MSAT)), LNKEEP_UNKNOWN_CHANNEL);
    CHECK_DONE(settle(htlc(1, 2, 1, SLOT_MSAT), 1));
    CHECK_STATUS(settle(htlc(1, 2, 1, SLOT_MSAT), 1), LNKEEP_ALREADY);
    CHECK_STATUS(settle(htlc(1, 2, 9, SLOT_MSAT), 1), LNKEEP_UNKNOWN_HTLC);
    CHECK_GENERAL(add(htlc(1, 2, 3, SLOT_MSAT)));
    stats = stats_now();
    CHECK_EQUAL(stats.forwarded, 2);
    CHECK_EQUAL(stats.failed, 1);
    CHECK_EQUAL(stats.repeated, 2);
    CHECK_EQUAL(stats.resolved, 1);
    CHECK_EQUAL(stats.would_fail, 0);
    /* The last one came a second before the end of the first. */
    CHECK_EQUAL(stats.clock_clamped, 1);
    CHECK_EQUAL(stats.journal_next, 5);
    /* They are those of the open. */
    reopen_with(NULL);
    stats = stats_now();
    CHECK_EQUAL(stats.forwarded | stats.failed | stats.repeated | stats.resolved | stats.clock_clamped, 0);
    CHECK_EQUAL(stats.journal_next, 5);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_snapshot_of_nothing_is_empty),
        H_TEST(a_snapshot_tells_everything),
        H_TEST(a_snapshot_outlives_everything),
        H_TEST(the_time_asked_for_moves_the_figures_of_now),
        H_TEST(compat_lists_pairs_that_use_nothing),
        H_TEST(decisions_are_told_with_their_grounds),
        H_TEST(decisions_are_paged_and_bounded),
        H_TEST(every_reason_has_a_name),
        H_TEST(figures_count_what_happened),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

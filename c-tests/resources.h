/*
 * What the tests of resources share: a store with its resources, channels by number, short forms of calls,
 * and checks that every answer must pass: a refusal says what it is about, a snapshot does not contradict
 * itself, a call that changes nothing leaves everything as it was.
 */

#ifndef LNKEEP_TEST_RESOURCES_H
#define LNKEEP_TEST_RESOURCES_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_resources resources;
static const char *directory;
/* Of the last open, add, call. */
static lnkeep_resources_report report;
static lnkeep_decision decision;
static lnkeep_grounds grounds;
static lnkeep_resolution resolution;
static lnkeep_error err = LNKEEP_ERROR_INIT;

/* The time at which channels are added, and the height of then. */
#define START_SECS UINT64_C(1700000000)
#define HEIGHT UINT32_C(800000)
#define TWO_WEEKS_SECS UINT64_C(1209600)
/* The last second of the year 9999: what is later is no time in seconds. */
#define LAST_SECS UINT64_C(253402300799)

/*
 * The channel that most tests use: general 40 slots of 1,000,000 msat, of which a pair has 5; congestion 20
 * slots and 20,000,000 msat; protected 40 slots and 40,000,000 msat.
 */
#define SLOTS 100
#define IN_FLIGHT_MSAT UINT64_C(100000000)
#define SLOT_MSAT UINT64_C(1000000)
#define PAIR_MSAT (5 * SLOT_MSAT)

/* A fee above every default, and the risk of an HTLC that pays it and expires after 100 blocks. */
#define FEE_MSAT UINT64_C(9000)
#define BLOCKS 100
#define RISK_MSAT UINT64_C(5991000)

static inline lnkeep_channel_limits limits_of(uint32_t slots, uint64_t in_flight_msat) {
    lnkeep_channel_limits limits = {in_flight_msat, slots, 0};
    return limits;
}

/* What the header says of every lnkeep_error. */
static inline int check_err(lnkeep_status status) {
    int held = CHECK_EQUAL(err.size, sizeof err);
    held &= CHECK_STATUS(err.status, status < 0 ? status : 0);
    held &= CHECK_EQUAL(err.message[0] != 0, status < 0);
    held &= CHECK(memchr(err.message, 0, sizeof err.message) != NULL);
    held &= CHECK_EQUAL(err.present & ~(uint32_t)LNKEEP_ERROR_HAS_VALUE, 0);
    if (!(err.present & LNKEEP_ERROR_HAS_VALUE)) held &= CHECK_EQUAL(err.value, 0);
    if (status >= 0) held &= CHECK_EQUAL(err.present, 0);
    return held;
}

#define NO_VALUE UINT64_MAX

/* Whether a call was refused with this status, and its error carries this number. */
static inline int refused(lnkeep_status status, lnkeep_status wanted, uint64_t value, const char *file,
                          int line, const char *what) {
    int counts = (err.present & LNKEEP_ERROR_HAS_VALUE) != 0;
    int held = h_check_status(status, wanted, file, line, what) & check_err(status);
    held &= h_check(counts == (value != NO_VALUE), file, line, counts ? "has no number" : "has a number");
    if (counts) held &= h_check_equal(err.value, value, file, line, "the number of the refusal");
    return held;
}

#define CHECK_REFUSED(call, wanted, value) refused(call, wanted, value, __FILE__, __LINE__, #call)

static inline lnkeep_status open_resources(const lnkeep_resources_options *options) {
    static const lnkeep_resources_report fresh = LNKEEP_RESOURCES_REPORT_INIT;
    report = fresh;
    lnkeep_status status = lnkeep_resources_open(store, options, &resources, &report, &err);
    check_err(status);
    CHECK_EQUAL(resources.bits != 0, status == LNKEEP_DONE);
    CHECK_EQUAL(lnkeep_resources_is_open(resources), status == LNKEEP_DONE);
    CHECK_EQUAL(report.size, sizeof report);
    CHECK_EQUAL(report.reserved | (report.flags & ~(uint32_t)LNKEEP_RESOURCES_DIVIDED_ANEW), 0);
    return status;
}

static inline lnkeep_status close_resources(void) {
    lnkeep_status status = lnkeep_resources_close(&resources, &err);
    check_err(status);
    CHECK_EQUAL(resources.bits, 0);
    return status;
}

static inline void begin_with(const lnkeep_resources_options *options) {
    directory = h_directory();
    store = h_open(directory);
    CHECK_DONE(open_resources(options));
    CHECK_EQUAL(report.channels | report.pending | report.replayed | report.damaged | report.flags, 0);
}

/* Closes everything; what is on disk afterwards is without fault. */
static inline void end(void) {
    CHECK_DONE(close_resources());
    h_close(&store);
    lnkeep_check_report *found = h_check_report(directory);
    if (found) CHECK_EQUAL(found->findings_len, 0);
    lnkeep_check_report_free(found);
}

static inline void reopen_with(const lnkeep_resources_options *options) {
    CHECK_DONE(close_resources());
    h_close(&store);
    store = h_open(directory);
    CHECK_DONE(open_resources(options));
    CHECK_EQUAL(report.damaged, 0);
}

static inline lnkeep_status add_channel_at(uint64_t channel, uint32_t slots, uint64_t msat,
                                           uint64_t unix_secs) {
    lnkeep_channel_limits limits = limits_of(slots, msat);
    lnkeep_allocation made;
    lnkeep_status status = lnkeep_resources_add_channel(resources, channel, &limits, unix_secs, &made, &err);
    check_err(status);
    if (status < 0) return status;
    CHECK_EQUAL(made.general_slots + made.congestion_slots + made.protected_slots, slots);
    uint64_t whole_msat = made.general_liquidity_msat + made.congestion_liquidity_msat;
    CHECK_EQUAL(whole_msat + made.protected_liquidity_msat, msat);
    return status;
}

/* Channels from 1 to a number, with the limits that most tests use. */
static inline void add_channels(uint64_t count) {
    for (uint64_t channel = 1; channel <= count; channel++) {
        CHECK_DONE(add_channel_at(channel, SLOTS, IN_FLIGHT_MSAT, START_SECS));
    }
}

static inline void begin(uint64_t channels) {
    begin_with(NULL);
    add_channels(channels);
}

/* An HTLC that pays FEE_MSAT and arrives unaccountable at the start. */
static inline lnkeep_htlc_request htlc(uint64_t incoming, uint64_t outgoing, uint64_t htlc_id,
                                       uint64_t msat) {
    lnkeep_htlc_request request;
    memset(&request, 0, sizeof request);
    request.incoming = incoming;
    request.outgoing = outgoing;
    request.htlc_id = htlc_id;
    request.incoming_amount_msat = msat;
    request.outgoing_amount_msat = msat > FEE_MSAT ? msat - FEE_MSAT : 0;
    request.unix_secs = START_SECS;
    request.incoming_cltv_expiry = HEIGHT + BLOCKS;
    request.block_height = HEIGHT;
    return request;
}

static inline lnkeep_htlc_request accountable(uint64_t incoming, uint64_t outgoing, uint64_t id,
                                              uint64_t msat) {
    lnkeep_htlc_request request = htlc(incoming, outgoing, id, msat);
    request.flags = LNKEEP_HTLC_ACCOUNTABLE;
    return request;
}

/* What every decision must keep, whatever it says. */
static inline int is_well_formed_decision(const lnkeep_decision *given) {
    int held = CHECK_EQUAL(given->reserved, 0);
    if (given->status < 0 && given->status != LNKEEP_NOT_DURABLE) {
        held &= CHECK_EQUAL(given->verdict | given->reason | given->bucket | given->flags, 0);
        return held;
    }
    held &= CHECK_EQUAL(given->value, 0);
    if (given->verdict == LNKEEP_VERDICT_FAIL) {
        held &= CHECK(given->status != LNKEEP_ALREADY && given->reason >= LNKEEP_REASON_NO_REPUTATION);
        held &= CHECK_EQUAL(given->bucket | given->flags, 0);
        return held;
    }
    held &= CHECK_EQUAL(given->verdict, LNKEEP_VERDICT_FORWARD);
    if (given->status >= 0) {
        held &= CHECK_EQUAL(given->reason == LNKEEP_REASON_RECORDED, given->status == LNKEEP_ALREADY);
    }
    if (given->flags & LNKEEP_DECISION_WOULD_FAIL) held &= CHECK_EQUAL(given->bucket, LNKEEP_BUCKET_NONE);
    return held;
}

/* Decides about one HTLC, with grounds. */
static inline lnkeep_status add_with(const lnkeep_htlc_request *request, uint32_t flags) {
    memset(&decision, 0x77, sizeof decision);
    memset(&grounds, 0x77, sizeof grounds);
    lnkeep_status status = lnkeep_resources_add(resources, request, 1, flags, &decision, &grounds, &err);
    check_err(status);
    CHECK_STATUS(decision.status, status);
    is_well_formed_decision(&decision);
    return status;
}

static inline lnkeep_status add(lnkeep_htlc_request request) { return add_with(&request, 0); }

static inline int decided(lnkeep_status status, uint32_t verdict, uint32_t reason, uint32_t bucket,
                          uint32_t flags, const char *file, int line, const char *what) {
    int held = h_check_status(status, LNKEEP_DONE, file, line, what);
    held &= h_check_equal(decision.verdict, verdict, file, line, "verdict");
    held &= h_check_equal(decision.reason, reason, file, line, "reason");
    held &= h_check_equal(decision.bucket, bucket, file, line, "bucket");
    held &= h_check_equal(decision.flags, flags, file, line, "flags of the decision");
    return held;
}

#define CHECK_FORWARD(call, reason, bucket, flags)                                                     \
    decided(call, LNKEEP_VERDICT_FORWARD, LNKEEP_REASON_##reason, LNKEEP_BUCKET_##bucket, flags, __FILE__, \
            __LINE__, #call)
#define CHECK_FAIL(call, reason)                                                                    \
    decided(call, LNKEEP_VERDICT_FAIL, LNKEEP_REASON_##reason, LNKEEP_BUCKET_NONE, 0, __FILE__,     \
            __LINE__, #call)
#define CHECK_GENERAL(call) CHECK_FORWARD(call, GENERAL, GENERAL, 0)

static inline lnkeep_resolve_request ended(lnkeep_htlc_request request, uint32_t flags, uint64_t after_secs) {
    lnkeep_resolve_request made;
    memset(&made, 0, sizeof made);
    made.incoming = request.incoming;
    made.outgoing = request.outgoing;
    made.htlc_id = request.htlc_id;
    made.unix_secs = request.unix_secs + after_secs;
    made.flags = flags;
    return made;
}

static inline lnkeep_status resolve_with(const lnkeep_resolve_request *request, uint32_t flags) {
    memset(&resolution, 0x77, sizeof resolution);
    lnkeep_status status = lnkeep_resources_resolve(resources, request, 1, flags, &resolution, &err);
    check_err(status);
    CHECK_STATUS(resolution.status, status);
    CHECK_EQUAL(resolution.reserved, 0);
    int is_done = status == LNKEEP_DONE || status == LNKEEP_NOT_DURABLE;
    if (!is_done) CHECK_EQUAL(resolution.effective_fee_msat, 0);
    if (is_done || status > 0) CHECK_EQUAL(resolution.value, 0);
    return status;
}

/* Ends an HTLC some seconds after it was added. */
static inline lnkeep_status settle(lnkeep_htlc_request request, uint64_t after_secs) {
    lnkeep_resolve_request made = ended(request, LNKEEP_RESOLVE_SETTLED, after_secs);
    return resolve_with(&made, 0);
}

static inline lnkeep_status fail(lnkeep_htlc_request request, uint64_t after_secs) {
    lnkeep_resolve_request made = ended(request, 0, after_secs);
    return resolve_with(&made, 0);
}

/* Gives a channel a reputation and nobody a revenue: its forwards came in through a channel not known. */
static inline void earn(uint64_t channel, uint64_t msat) {
    lnkeep_forward_row row = {UINT64_MAX, channel, msat, START_SECS, START_SECS};
    lnkeep_imported imported = LNKEEP_IMPORTED_INIT;
    CHECK_DONE(lnkeep_resources_import_history(resources, &row, 1, &imported, NULL));
    CHECK_EQUAL(imported.channels, 1);
}

static inline lnkeep_resources_channel lookup_at(uint64_t channel, uint64_t unix_secs) {
    lnkeep_resources_channel found;
    memset(&found, 0x77, sizeof found);
    CHECK_DONE(lnkeep_resources_lookup(resources, channel, unix_secs, &found, &err));
    return found;
}

static inline lnkeep_resources_channel lookup(uint64_t channel) { return lookup_at(channel, START_SECS); }

static inline lnkeep_resources_stats stats_now(void) {
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    CHECK_DONE(lnkeep_resources_read_stats(resources, &stats, NULL));
    CHECK(stats.journal_durable_below <= stats.journal_next);
    return stats;
}

/* Elements of a snapshot, found by the strides that the library told. */
#define ELEMENT(type, array, stride, index) \
    ((const type *)(const void *)((const char *)(snapshot->array) + (index) * (snapshot->stride)))

static inline const lnkeep_resources_channel *channel_at(const lnkeep_resources_snapshot *snapshot,
                                                         size_t i) {
    return ELEMENT(lnkeep_resources_channel, channels, channel_stride, i);
}

static inline const lnkeep_pending_htlc *pending_at(const lnkeep_resources_snapshot *snapshot, size_t i) {
    return ELEMENT(lnkeep_pending_htlc, pending, pending_stride, i);
}

static inline const lnkeep_resources_pair *pair_at(const lnkeep_resources_snapshot *snapshot, size_t i) {
    return ELEMENT(lnkeep_resources_pair, pairs, pair_stride, i);
}

static inline const lnkeep_resources_mark *mark_at(const lnkeep_resources_snapshot *snapshot, size_t i) {
    return ELEMENT(lnkeep_resources_mark, marks, mark_stride, i);
}

/* What its pending HTLCs say that a channel must say too. */
static inline void check_sums(const lnkeep_resources_snapshot *snapshot,
                              const lnkeep_resources_channel *channel) {
    uint64_t incoming = 0, outgoing = 0, slots = 0, risk_msat = 0, in_congestion = 0, protected_msat = 0;
    int several = 0;
    for (size_t i = 0; i < snapshot->pending_len; i++) {
        const lnkeep_pending_htlc *each = pending_at(snapshot, i);
        int is_accountable = (each->flags & LNKEEP_PENDING_ACCOUNTABLE) != 0;
        several |= each->bucket == LNKEEP_BUCKET_SEVERAL;
        if (each->outgoing == channel->channel) {
            outgoing++;
            risk_msat += is_accountable ? each->risk_msat : 0;
            in_congestion += each->bucket == LNKEEP_BUCKET_CONGESTION;
        }
        if (each->incoming != channel->channel) continue;
        incoming++;
        slots += each->general_slots;
        if (each->bucket == LNKEEP_BUCKET_PROTECTED) protected_msat += each->incoming_amount_msat;
    }
    CHECK_EQUAL(channel->pending_incoming, incoming);
    CHECK_EQUAL(channel->pending_outgoing, outgoing);
    CHECK_EQUAL(channel->general_slots_used, slots);
    CHECK_EQUAL(channel->in_flight_risk_msat, risk_msat);
    CHECK_EQUAL(channel->reserved | channel->limits.reserved, 0);
    if (several) return;
    CHECK_EQUAL(channel->outgoing_in_congestion, in_congestion);
    CHECK_EQUAL(channel->protected_used_msat, protected_msat);
}

/* Slots of a pair are different ones of the general bucket, and no two pairs use the same. */
static inline void check_pairs(const lnkeep_resources_snapshot *snapshot) {
    for (size_t i = 0; i < snapshot->pairs_len; i++) {
        const lnkeep_resources_pair *pair = pair_at(snapshot, i);
        uint32_t slots = lookup(pair->incoming).allocation.general_slots;
        CHECK(pair->slots_len > 0 && pair->slots_len <= H_COUNT(pair->slots));
        CHECK_EQUAL(pair->used >> pair->slots_len, 0);
        for (size_t n = 0; n < pair->slots_len; n++) {
            CHECK(pair->slots[n] < slots);
            for (size_t m = 0; m < n; m++) CHECK(pair->slots[m] != pair->slots[n]);
            for (size_t other = 0; pair->used >> n & 1 && other < i; other++) {
                const lnkeep_resources_pair *before = pair_at(snapshot, other);
                if (before->incoming != pair->incoming) continue;
                for (size_t m = 0; m < before->slots_len; m++) {
                    CHECK(!(before->used >> m & 1) || before->slots[m] != pair->slots[n]);
                }
            }
        }
        for (size_t n = pair->slots_len; n < H_COUNT(pair->slots); n++) CHECK_EQUAL(pair->slots[n], 0);
    }
}

static inline int is_ordered(const uint64_t *one, const uint64_t *next, int keys) {
    for (int i = 0; i < keys; i++) {
        if (one[i] != next[i]) return one[i] < next[i];
    }
    return 0;
}

/* What the header says of every snapshot, and what its parts say of each other. */
static inline void check_snapshot(const lnkeep_resources_snapshot *snapshot) {
    CHECK_EQUAL(snapshot->size, sizeof *snapshot);
    CHECK(snapshot->channel_stride >= sizeof(lnkeep_resources_channel));
    CHECK(snapshot->pending_stride >= sizeof(lnkeep_pending_htlc));
    CHECK(snapshot->pair_stride >= sizeof(lnkeep_resources_pair));
    CHECK(snapshot->mark_stride >= sizeof(lnkeep_resources_mark));
    for (size_t i = 0; i < snapshot->channels_len; i++) {
        const lnkeep_resources_channel *channel = channel_at(snapshot, i);
        if (i > 0) CHECK(channel_at(snapshot, i - 1)->channel < channel->channel);
        check_sums(snapshot, channel);
    }
    for (size_t i = 0; i < snapshot->pending_len; i++) {
        const lnkeep_pending_htlc *each = pending_at(snapshot, i);
        if (i > 0) CHECK(is_ordered(&pending_at(snapshot, i - 1)->incoming, &each->incoming, 3));
        CHECK_EQUAL(each->reserved | (each->flags & ~UINT32_C(3)), 0);
    }
    for (size_t i = 1; i < snapshot->pairs_len; i++) {
        CHECK(is_ordered(&pair_at(snapshot, i - 1)->incoming, &pair_at(snapshot, i)->incoming, 2));
    }
    for (size_t i = 1; i < snapshot->marks_len; i++) {
        CHECK(is_ordered(&mark_at(snapshot, i - 1)->incoming, &mark_at(snapshot, i)->incoming, 2));
    }
    check_pairs(snapshot);
}

static inline lnkeep_resources_snapshot *take_snapshot(void) {
    lnkeep_resources_snapshot *snapshot = NULL;
    CHECK_DONE(lnkeep_resources_take_snapshot(resources, START_SECS, &snapshot, &err));
    if (CHECK(snapshot != NULL)) check_snapshot(snapshot);
    return snapshot;
}

static inline int is_same_array(const void *one, size_t one_len, const void *other, size_t other_len,
                                size_t size) {
    return one_len == other_len && (one_len == 0 || memcmp(one, other, one_len * size) == 0);
}

/* Whether two snapshots say the same: their structures have no holes. */
static inline int is_same_snapshot(const lnkeep_resources_snapshot *one,
                                   const lnkeep_resources_snapshot *other) {
    int same = CHECK(is_same_array(one->channels, one->channels_len, other->channels, other->channels_len,
                                   one->channel_stride));
    same &= CHECK(is_same_array(one->pending, one->pending_len, other->pending, other->pending_len,
                                one->pending_stride));
    same &= CHECK(is_same_array(one->pairs, one->pairs_len, other->pairs, other->pairs_len,
                                one->pair_stride));
    same &= CHECK(is_same_array(one->marks, one->marks_len, other->marks, other->marks_len,
                                one->mark_stride));
    return same;
}

/* Frees the one taken before; answers whether nothing changed since. */
static inline int is_unchanged_since(lnkeep_resources_snapshot *before) {
    lnkeep_resources_snapshot *now = take_snapshot();
    int same = before && now && is_same_snapshot(before, now);
    lnkeep_resources_snapshot_free(before);
    lnkeep_resources_snapshot_free(now);
    return same;
}

/* Whether an HTLC is pending, and what is known of it then. */
static inline int find_pending(uint64_t incoming, uint64_t htlc_id, lnkeep_pending_htlc *found) {
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    int is_there = 0;
    memset(found, 0, sizeof *found);
    for (size_t i = 0; snapshot && i < snapshot->pending_len; i++) {
        const lnkeep_pending_htlc *each = pending_at(snapshot, i);
        if (each->incoming != incoming || each->htlc_id != htlc_id) continue;
        *found = *each;
        is_there = 1;
    }
    lnkeep_resources_snapshot_free(snapshot);
    return is_there;
}

#endif

/* Resources in the stores that are damaged: channels, decisions, resolutions, what is pending. */

#include "damage.h"

#include <stdlib.h>
#include <string.h>

enum {
    START_SECS = 1700000000,
    READ_SECS = 1700100000,
    SECS_OF_EACH = 3,
    HEIGHT = 800000,
    HISTORY_ROWS = 120,
    FIRST_HTLCS = 360,
    SECOND_HTLCS = 200,
    LAST_HTLCS = 24,
    PENDING = 12, /* so many are under way before one is resolved */
};

lnkeep_status resources_open_at(struct parts *p, unsigned stage, lnkeep_resources_report *report) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = LNKEEP_RESOURCES_HAS_ENTROPY;
    memset(options.entropy, 0x17, sizeof options.entropy);
    /* Others divide all channels anew, which writes a row of each: a short journal never does. */
    options.reputation_multiplier = stage == 0 ? 12 : 11;
    return lnkeep_resources_open(p->store, &options, &p->resources, report, NULL);
}

lnkeep_htlc_request resources_request(const struct parts *p, size_t number) {
    size_t len = p->truth->len;
    lnkeep_htlc_request request = {.incoming = FIRST_CHANNEL + number % len};
    request.outgoing = FIRST_CHANNEL + (number * 7 + 1 + number / len) % len;
    if (number % 2 == 0) {
        /* Half of the traffic meets on a few pairs, which fills their buckets. */
        request.incoming = FIRST_CHANNEL + number / 2 % 4;
        request.outgoing = FIRST_CHANNEL + 6 + number / 8 % 3;
    }
    if (request.outgoing == request.incoming) request.outgoing = FIRST_CHANNEL + (number + 1) % len;
    request.htlc_id = number;
    request.incoming_amount_msat = 200000 + number % 50 * 60000;
    request.outgoing_amount_msat = request.incoming_amount_msat - 2000 - number % 3000;
    request.unix_secs = START_SECS + number * SECS_OF_EACH;
    request.incoming_cltv_expiry = HEIGHT + 100 + (uint32_t)(number % 40);
    request.block_height = HEIGHT;
    request.flags = number % 4 == 0 ? LNKEEP_HTLC_ACCOUNTABLE : 0;
    return request;
}

static int is_expected(lnkeep_status status) {
    return status == LNKEEP_DONE || status == LNKEEP_ALREADY || status == LNKEEP_UNKNOWN_CHANNEL ||
           status == LNKEEP_CHANNEL_CLOSING || status == LNKEEP_UNKNOWN_HTLC;
}

static lnkeep_status add_channels(struct parts *p) {
    lnkeep_forward_row rows[HISTORY_ROWS];
    lnkeep_status status = LNKEEP_DONE;
    for (size_t i = 0; i < p->truth->len && status == LNKEEP_DONE; i++) {
        lnkeep_channel_limits limits = {20000000, 40, 0};
        if (i % 4 == 0) limits = (lnkeep_channel_limits){1000000000, 483, 0};
        status = lnkeep_resources_add_channel(p->resources, FIRST_CHANNEL + i, &limits,
                                              START_SECS - 1, NULL, NULL);
    }
    for (size_t i = 0; i < HISTORY_ROWS; i++) {
        /* Two of the three outgoing channels of the busy pairs have earned a reputation. */
        rows[i] = (lnkeep_forward_row){FIRST_CHANNEL + 4 + i % 2, FIRST_CHANNEL + 6 + i % 2,
                                       500000 + i * 100, START_SECS - 100000 + i * 500,
                                       START_SECS - 99990 + i * 500};
    }
    if (status != LNKEEP_DONE) return status;
    return lnkeep_resources_import_history(p->resources, rows, HISTORY_ROWS, NULL, NULL);
}

/* Some settle in time, some late, some fail. */
static lnkeep_status resolve(struct parts *p, size_t number, int is_late, uint32_t flags) {
    lnkeep_htlc_request request = resources_request(p, number);
    lnkeep_resolve_request done = {request.incoming, request.outgoing, number,
                                   request.unix_secs + (is_late ? 900 : 20),
                                   number % 2 ? LNKEEP_RESOLVE_SETTLED : 0, 0};
    lnkeep_resolution resolution;
    lnkeep_status status =
        lnkeep_resources_resolve(p->resources, &done, 1, flags, &resolution, NULL);
    return is_expected(status) ? LNKEEP_DONE : status;
}

static lnkeep_status forward(struct parts *p, size_t len, uint32_t flags) {
    struct resources_truth *truth = &p->truth->resources;
    lnkeep_status status = LNKEEP_DONE;
    for (size_t i = 0; i < len && status == LNKEEP_DONE; i++) {
        size_t number = truth->made_htlcs++;
        lnkeep_htlc_request request = resources_request(p, number);
        lnkeep_decision decision = {0};
        status = lnkeep_resources_add(p->resources, &request, 1, flags, &decision, NULL, NULL);
        if (!is_expected(status)) return status;
        status = LNKEEP_DONE;
        /* Who holds an HTLC of a congestion bucket for too long is remembered. */
        int misuses = decision.bucket == LNKEEP_BUCKET_CONGESTION &&
                      (request.outgoing + p->truth->len) % 2 == 1;
        if (misuses) status = resolve(p, number, 1, flags);
        /* A third of the others stay. */
        size_t before = number - PENDING;
        if (number < PENDING || before % 3 == 0 || status != LNKEEP_DONE) continue;
        status = resolve(p, before, before % 7 == 0, flags);
    }
    return status;
}

lnkeep_status resources_fill(struct parts *p, unsigned stage) {
    lnkeep_status status = LNKEEP_DONE;
    if (stage < 2) status = resources_open_at(p, stage, NULL);
    if (status == LNKEEP_DONE && stage == 0) status = add_channels(p);
    if (status != LNKEEP_DONE) return status;
    if (stage == 0) return forward(p, FIRST_HTLCS, 0);
    if (stage == 2) return forward(p, LAST_HTLCS, LNKEEP_RESOURCES_DURABLE);
    lnkeep_channel_limits limits = {15000000, 30, 0};
    status = lnkeep_resources_resize_channel(p->resources, FIRST_CHANNEL + 3, &limits, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    status = lnkeep_resources_remove_channel(p->resources, FIRST_CHANNEL + 5, NULL, NULL);
    return status == LNKEEP_DONE ? forward(p, SECOND_HTLCS, 0) : status;
}

/* --- Reading all of it, in an order that does not depend on chance. */

static int by_channel(const void *one, const void *other) {
    const lnkeep_resources_channel *a = one, *b = other;
    return (a->channel > b->channel) - (a->channel < b->channel);
}

static int by_htlc(const void *one, const void *other) {
    const lnkeep_pending_htlc *a = one, *b = other;
    if (a->incoming != b->incoming) return a->incoming > b->incoming ? 1 : -1;
    return (a->htlc_id > b->htlc_id) - (a->htlc_id < b->htlc_id);
}

static int by_pair(const void *one, const void *other) {
    const lnkeep_resources_pair *a = one, *b = other;
    if (a->incoming != b->incoming) return a->incoming > b->incoming ? 1 : -1;
    return (a->outgoing > b->outgoing) - (a->outgoing < b->outgoing);
}

static int by_mark(const void *one, const void *other) {
    const lnkeep_resources_mark *a = one, *b = other;
    if (a->incoming != b->incoming) return a->incoming > b->incoming ? 1 : -1;
    return (a->outgoing > b->outgoing) - (a->outgoing < b->outgoing);
}

static size_t take(void *to, size_t max, size_t bytes, const void *from, size_t len, size_t stride,
                   int (*order)(const void *, const void *)) {
    const uint8_t *at = from;
    uint8_t *place = to;
    if (len > max) return max + 1;
    for (size_t i = 0; i < len; i++) memcpy(place + i * bytes, at + i * stride, bytes);
    qsort(to, len, bytes, order);
    return len;
}

int resources_read(struct parts *p, struct resources_truth *now) {
    lnkeep_resources_snapshot *all = NULL;
    lnkeep_status status = lnkeep_resources_take_snapshot(p->resources, READ_SECS, &all, NULL);
    if (status != LNKEEP_DONE) return 0;
    now->channels_len = take(now->channels, RESOURCE_CHANNELS_MAX, sizeof now->channels[0],
                             all->channels, all->channels_len, all->channel_stride, by_channel);
    now->pending_len = take(now->pending, HTLCS_MAX, sizeof now->pending[0], all->pending,
                            all->pending_len, all->pending_stride, by_htlc);
    now->pairs_len = take(now->pairs, PAIRS_MAX, sizeof now->pairs[0], all->pairs, all->pairs_len,
                          all->pair_stride, by_pair);
    now->marks_len = take(now->marks, MARKS_MAX, sizeof now->marks[0], all->marks, all->marks_len,
                          all->mark_stride, by_mark);
    lnkeep_resources_snapshot_free(all);
    return now->channels_len <= RESOURCE_CHANNELS_MAX && now->pending_len <= HTLCS_MAX &&
           now->pairs_len <= PAIRS_MAX && now->marks_len <= MARKS_MAX;
}

int resources_learn(struct parts *p) {
    struct resources_truth *truth = &p->truth->resources;
    lnkeep_resources_report report = LNKEEP_RESOURCES_REPORT_INIT;
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    if (resources_open_at(p, 1, &report) != LNKEEP_DONE) return 1;
    if (report.damaged != 0 || report.flags != 0 || report.replayed == 0) return 2;
    if (!resources_read(p, truth)) return 3;
    if (lnkeep_resources_read_stats(p->resources, &stats, NULL) != LNKEEP_DONE) return 4;
    truth->journal_next = stats.journal_next;
    /* Only channels that hold something, of every kind, show that nothing is lost. */
    return truth->pending_len < 20 || truth->pairs_len == 0 || truth->marks_len == 0 ? 5 : 0;
}

/* Judges what resources of a damaged store answer: as they were, or damaged and within bounds. */

#include "damage.h"

#include <string.h>

enum { NEW_HTLCS = 40 };

struct judging {
    const struct reading *reading;
    const struct resources_truth *truth;
    struct parts *p;
    struct resources_truth *now;
    lnkeep_resources_report report;
};

#define IS_SAME(j, list)                                    \
    ((j)->now->list##_len == (j)->truth->list##_len &&      \
     memcmp((j)->now->list, (j)->truth->list,               \
            (j)->truth->list##_len * sizeof(j)->truth->list[0]) == 0)

static int read_now(struct judging *j) {
    if (resources_read(j->p, j->now)) return 1;
    found(j->reading, FOUND_WRONG, "resources hold more than was ever told");
    return 0;
}

static const lnkeep_resources_channel *channel_of(const struct resources_truth *in,
                                                  uint64_t channel) {
    for (size_t i = 0; i < in->channels_len; i++) {
        if (in->channels[i].channel == channel) return &in->channels[i];
    }
    return NULL;
}

static uint64_t larger(uint64_t one, uint64_t other) { return one > other ? one : other; }

/* No bucket carries more than it has; after a resize it may still carry what it did. */
static void judge_bounds(const struct judging *j, const char *when) {
    for (size_t i = 0; i < j->now->channels_len; i++) {
        const lnkeep_resources_channel *now = &j->now->channels[i], none = {0};
        const lnkeep_resources_channel *was = channel_of(j->truth, now->channel);
        const lnkeep_allocation *has = &now->allocation;
        if (!was) was = &none;
        int is_within =
            now->general_slots_used <= larger(has->general_slots, was->general_slots_used) &&
            now->congestion_slots_used <=
                larger(has->congestion_slots, was->congestion_slots_used) &&
            now->congestion_used_msat <=
                larger(has->congestion_liquidity_msat, was->congestion_used_msat) &&
            now->protected_slots_used <=
                larger(has->protected_slots, was->protected_slots_used) &&
            now->protected_used_msat <=
                larger(has->protected_liquidity_msat, was->protected_used_msat);
        if (is_within) continue;
        found(j->reading, FOUND_WRONG, "channel %llu holds more than it has, %s",
              (unsigned long long)now->channel, when);
    }
}

/* What is pending is counted once in each of its two channels. */
static void judge_sums(const struct judging *j, const char *when) {
    for (size_t i = 0; i < j->now->channels_len; i++) {
        const lnkeep_resources_channel *now = &j->now->channels[i];
        uint32_t incoming = 0, outgoing = 0;
        for (size_t n = 0; n < j->now->pending_len; n++) {
            incoming += j->now->pending[n].incoming == now->channel;
            outgoing += j->now->pending[n].outgoing == now->channel;
        }
        if (incoming == now->pending_incoming && outgoing == now->pending_outgoing) continue;
        found(j->reading, FOUND_WRONG, "channel %llu counts other HTLCs than it has, %s",
              (unsigned long long)now->channel, when);
    }
}

static int had_channel(const struct judging *j, uint64_t channel) {
    return channel >= FIRST_CHANNEL && channel < FIRST_CHANNEL + j->p->truth->len;
}

/* Where rows are damaged, what is left is of the channels and HTLCs that were told. */
static void judge_what_is_left(const struct judging *j) {
    for (size_t i = 0; i < j->now->channels_len; i++) {
        if (had_channel(j, j->now->channels[i].channel)) continue;
        found(j->reading, FOUND_WRONG, "channel %llu was never told",
              (unsigned long long)j->now->channels[i].channel);
    }
    for (size_t i = 0; i < j->now->pending_len; i++) {
        const lnkeep_pending_htlc *now = &j->now->pending[i];
        lnkeep_htlc_request request = resources_request(j->p, (size_t)now->htlc_id);
        uint64_t fee_msat = request.incoming_amount_msat - request.outgoing_amount_msat;
        if (now->htlc_id < j->truth->made_htlcs && now->incoming == request.incoming &&
            now->outgoing == request.outgoing && now->fee_msat == fee_msat &&
            now->incoming_amount_msat == request.incoming_amount_msat) {
            continue;
        }
        found(j->reading, FOUND_WRONG, "HTLC %llu was never told",
              (unsigned long long)now->htlc_id);
    }
}

static void judge_state(struct judging *j) {
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    if (!read_now(j)) return;
    judge_sums(j, "after the open");
    if (j->report.damaged) {
        report_damage(j->reading);
        judge_what_is_left(j);
        return;
    }
    if (j->now->channels_len < j->truth->channels_len) {
        found(j->reading, FOUND_LOST, "%zu channels are left of %zu", j->now->channels_len,
              j->truth->channels_len);
    } else if (!IS_SAME(j, channels)) {
        found(j->reading, FOUND_WRONG, "channels are not as they were");
    }
    if (!IS_SAME(j, pending)) found(j->reading, FOUND_WRONG, "other HTLCs are pending");
    if (!IS_SAME(j, pairs)) found(j->reading, FOUND_WRONG, "other slots are in use");
    if (!IS_SAME(j, marks)) found(j->reading, FOUND_WRONG, "other marks of misuse");
    lnkeep_status status = heard(lnkeep_resources_read_stats(j->p->resources, &stats, NULL));
    if (status != LNKEEP_DONE || stats.journal_next != j->truth->journal_next) {
        found(j->reading, FOUND_WRONG, "the journal goes on at another number");
    }
}

/* Those that were forwarded and are not resolved, as the node's channels know them. */
static void judge_reconciled(struct judging *j) {
    static lnkeep_live_htlc live[HTLCS_MAX];
    lnkeep_reconciled report = LNKEEP_RECONCILED_INIT;
    memset(live, 0, sizeof live);
    for (size_t i = 0; i < j->truth->pending_len; i++) {
        const lnkeep_pending_htlc *was = &j->truth->pending[i];
        lnkeep_htlc_request request = resources_request(j->p, (size_t)was->htlc_id);
        live[i].incoming = was->incoming;
        live[i].outgoing = was->outgoing;
        live[i].htlc_id = was->htlc_id;
        live[i].incoming_amount_msat = was->incoming_amount_msat;
        live[i].outgoing_amount_msat = was->incoming_amount_msat - was->fee_msat;
        live[i].added_unix_secs = was->added_unix_secs;
        live[i].incoming_cltv_expiry = request.incoming_cltv_expiry;
        live[i].block_height = request.block_height;
        live[i].flags = was->flags & LNKEEP_PENDING_ACCOUNTABLE ? LNKEEP_HTLC_ACCOUNTABLE : 0;
    }
    lnkeep_status status = heard(lnkeep_resources_reconcile(
        j->p->resources, live, j->truth->pending_len, &report, NULL));
    if (!is_done(j->reading, status, "a reconciliation")) return;
    if (!j->report.damaged && (report.kept != j->truth->pending_len || report.dropped != 0 ||
                               report.added != 0 || report.different != 0)) {
        found(j->reading, FOUND_WRONG, "a reconciliation found a difference");
    }
    if (!read_now(j)) return;
    judge_sums(j, "after a reconciliation");
    judge_bounds(j, "after a reconciliation");
    /* One whose outgoing channel is lost stays where it came in, if known there; none is added. */
    size_t least = 0, most = 0;
    for (size_t i = 0; i < j->truth->pending_len; i++) {
        int has_incoming = channel_of(j->now, j->truth->pending[i].incoming) != NULL;
        most += has_incoming;
        least += has_incoming && channel_of(j->now, j->truth->pending[i].outgoing) != NULL;
    }
    if (j->now->pending_len < least || j->now->pending_len > most) {
        found(j->reading, FOUND_WRONG, "%zu HTLCs are pending when reconciled, not %zu to %zu",
              j->now->pending_len, least, most);
    }
}

/* What is decided from here on keeps within the channels as well. */
static void judge_decisions(struct judging *j) {
    size_t first = j->truth->made_htlcs;
    for (size_t number = first; number < first + NEW_HTLCS; number++) {
        lnkeep_htlc_request request = resources_request(j->p, number);
        lnkeep_decision decision = {0};
        request.incoming_amount_msat *= 5;
        request.outgoing_amount_msat = request.incoming_amount_msat - 5000;
        lnkeep_status status =
            heard(lnkeep_resources_add(j->p->resources, &request, 1, 0, &decision, NULL, NULL));
        int is_known =
            channel_of(j->truth, request.incoming) && channel_of(j->truth, request.outgoing);
        if (status == LNKEEP_DONE || status == LNKEEP_CHANNEL_CLOSING) continue;
        if (status == LNKEEP_UNKNOWN_CHANNEL && (!is_known || j->report.damaged)) continue;
        found(j->reading, FOUND_STATUS, "a decision: %s", lnkeep_status_name(status));
    }
    if (!read_now(j)) return;
    judge_sums(j, "after decisions");
    judge_bounds(j, "after decisions");
}

void resources_judge(const struct reading *reading, struct parts *p) {
    static struct resources_truth now;
    struct judging j = {.reading = reading, .truth = &reading->truth->parts.resources, .p = p};
    j.now = &now;
    j.report = (lnkeep_resources_report)LNKEEP_RESOURCES_REPORT_INIT;
    lnkeep_status status = heard(resources_open_at(p, 1, &j.report));
    if (!is_done_or_told(reading, status, "the open of resources")) return;
    if (is_restored(reading)) {
        if (read_now(&j)) judge_sums(&j, "in an old store");
        return;
    }
    judge_state(&j);
    judge_reconciled(&j);
    judge_decisions(&j);
}

/* Operations on resources: channels, HTLCs that are decided about and resolved, history, what is
 * known. */

#include "operations.h"

#include <string.h>

static uint64_t pick_channel(struct turn *t) {
    uint32_t choice = pick(t, 64);
    return choice < 62 ? 1 + choice % 3 : choice == 62 ? 0 : UINT64_MAX;
}

static uint64_t pick_secs(struct turn *t) {
    uint64_t now_ms = pick_time_ms(t);
    return now_ms == UINT64_MAX ? now_ms : now_ms / 1000;
}

static lnkeep_channel_limits pick_limits(struct turn *t) {
    lnkeep_channel_limits limits;
    memset(&limits, 0, sizeof limits);
    limits.max_in_flight_msat = seldom(t, 8) ? pick_amount(t) : 1000000000;
    limits.max_accepted_htlcs = seldom(t, 8) ? pick(t, 600) : 50;
    limits.reserved = pick_reserved(t);
    return limits;
}

OPERATION(resources_open) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = seldom(t, 3) ? pick_flags(t, 127) : 0;
    if (seldom(t, 8)) options.general_percent = pick(t, 110);
    if (seldom(t, 8)) options.congestion_percent = pick(t, 110);
    if (seldom(t, 8)) options.reputation_multiplier = pick(t, 100);
    if (seldom(t, 8)) options.resolution_period_secs = pick(t, 256);
    if (seldom(t, 8)) options.revenue_window_secs = pick_secs(t);
    if (seldom(t, 8)) options.journal_entries_max = 1 + pick(t, 64);
    /* Made in advance, so the default costs as much as many calls. */
    else options.journal_entries_max = 256;
    options.decisions_kept = pick(t, 3) * 8;
    memset(options.entropy, options.flags & LNKEEP_RESOURCES_HAS_ENTROPY ? 3 : 0, 32);
    options.reserved = pick_reserved(t);
    lnkeep_resources *resources = OUT_HANDLE(lnkeep_resources);
    lnkeep_status status = CALL(resources_open, STORE, SIZED_IN_PREFERRED(options), resources,
                                SIZED_OUT_OPTIONAL(lnkeep_resources_report), ERR);
    opened_handle(t, ON_RESOURCES, status, resources);
}

OPERATION(resources_close) {
    lnkeep_resources *copy = CLOSING(lnkeep_resources, ON_RESOURCES);
    lnkeep_status status = CALL(resources_close, copy, ERR);
    closed_handle(t, ON_RESOURCES, status, copy);
}

OPERATION(resources_is_open) {
    lnkeep_resources resources = RESOURCES;
    check_is_open(t, "lnkeep_resources_is_open", lnkeep_resources_is_open(resources));
}

OPERATION(resources_add_channel) {
    lnkeep_channel_limits limits = pick_limits(t);
    uint64_t channel = pick_channel(t);
    CALL(resources_add_channel, RESOURCES, channel, IN(limits), pick_secs(t),
         OUT_OPTIONAL(lnkeep_allocation), ERR);
}

OPERATION(resources_resize_channel) {
    lnkeep_channel_limits limits = pick_limits(t);
    CALL(resources_resize_channel, RESOURCES, pick_channel(t), IN(limits),
         OUT_OPTIONAL(lnkeep_allocation), ERR);
}

OPERATION(resources_remove_channel) {
    uint64_t channel = seldom(t, 2) ? 3 : pick_channel(t);
    CALL(resources_remove_channel, RESOURCES, channel, OUT_OPTIONAL(uint32_t), ERR);
}

static lnkeep_htlc_request make_htlc(struct turn *t) {
    lnkeep_htlc_request htlc;
    memset(&htlc, 0, sizeof htlc);
    htlc.incoming = pick_channel(t);
    htlc.outgoing = pick_channel(t);
    htlc.htlc_id = pick(t, 6);
    htlc.incoming_amount_msat = seldom(t, 4) ? pick_amount(t) : 1000000;
    htlc.outgoing_amount_msat = seldom(t, 8) ? pick_amount(t) : htlc.incoming_amount_msat / 2;
    htlc.flags = pick_flags(t, 15);
    uint32_t both = LNKEEP_HTLC_UPGRADE_PRESENT | LNKEEP_HTLC_UPGRADE_ABSENT;
    if ((htlc.flags & both) == both) t->doubts = 1;
    if (htlc.flags & LNKEEP_HTLC_HAS_POLICY_FEE) htlc.policy_fee_msat = pick_amount(t);
    htlc.unix_secs = pick_secs(t);
    htlc.block_height = pick_height(t);
    htlc.incoming_cltv_expiry = seldom(t, 16) ? pick_height(t) : t->height + 100;
    htlc.reserved = pick_reserved(t);
    return htlc;
}

enum { HTLCS_MAX = 4 };

OPERATION(resources_add) {
    lnkeep_htlc_request requests[HTLCS_MAX];
    size_t count = seldom(t, 32) ? 0 : 1 + pick(t, HTLCS_MAX);
    for (size_t i = 0; i < count; i++) requests[i] = make_htlc(t);
    uint32_t flags = pick_flags(t, LNKEEP_RESOURCES_DURABLE | LNKEEP_RESOURCES_DRY_RUN);
    lnkeep_decision *decisions = OUT_BATCH(lnkeep_decision, count);
    lnkeep_grounds *grounds =
        batch_output(t, count * sizeof(lnkeep_grounds), _Alignof(lnkeep_grounds), 1);
    CALL(resources_add, RESOURCES, IN_ARRAY(requests, count), count, flags, decisions, grounds,
         ERR);
}

OPERATION(resources_resolve) {
    lnkeep_resolve_request requests[HTLCS_MAX];
    size_t count = seldom(t, 32) ? 0 : 1 + pick(t, HTLCS_MAX);
    memset(requests, 0, sizeof requests);
    for (size_t i = 0; i < count; i++) {
        requests[i].incoming = pick_channel(t);
        requests[i].outgoing = pick_channel(t);
        requests[i].htlc_id = pick(t, 6);
        requests[i].unix_secs = pick_secs(t);
        requests[i].flags = pick_flags(t, LNKEEP_RESOLVE_SETTLED);
    }
    CALL(resources_resolve, RESOURCES, IN_ARRAY(requests, count), count,
         pick_flags(t, LNKEEP_RESOURCES_DURABLE), OUT_BATCH(lnkeep_resolution, count), ERR);
}

OPERATION(resources_reconcile) {
    lnkeep_live_htlc live[HTLCS_MAX];
    size_t count = pick(t, HTLCS_MAX + 1);
    memset(live, 0, sizeof live);
    for (size_t i = 0; i < count; i++) {
        lnkeep_htlc_request htlc = make_htlc(t);
        live[i].incoming = htlc.incoming, live[i].outgoing = htlc.outgoing,
        live[i].htlc_id = htlc.htlc_id;
        live[i].incoming_amount_msat = htlc.incoming_amount_msat;
        live[i].outgoing_amount_msat = htlc.outgoing_amount_msat;
        live[i].added_unix_secs = htlc.unix_secs;
        live[i].incoming_cltv_expiry = htlc.incoming_cltv_expiry;
        live[i].block_height = htlc.block_height;
        live[i].flags = pick_flags(t, LNKEEP_HTLC_ACCOUNTABLE);
    }
    CALL(resources_reconcile, RESOURCES, IN_ARRAY(live, count), count,
         SIZED_OUT_OPTIONAL(lnkeep_reconciled), ERR);
}

OPERATION(resources_import_history) {
    lnkeep_forward_row rows[HTLCS_MAX];
    size_t count = pick(t, HTLCS_MAX + 1);
    for (size_t i = 0; i < count; i++) {
        rows[i].incoming = pick_channel(t);
        rows[i].outgoing = pick_channel(t);
        rows[i].fee_msat = pick_amount(t);
        rows[i].added_unix_secs = pick_secs(t);
        rows[i].settled_unix_secs = pick_secs(t);
    }
    CALL(resources_import_history, RESOURCES, IN_ARRAY(rows, count), count,
         SIZED_OUT_OPTIONAL(lnkeep_imported), ERR);
}

OPERATION(resources_lookup) {
    uint64_t channel = pick_channel(t);
    CALL(resources_lookup, RESOURCES, channel, pick_secs(t), OUT(lnkeep_resources_channel), ERR);
}

OPERATION(resources_take_snapshot) {
    lnkeep_resources_snapshot **snapshot = OUT(lnkeep_resources_snapshot *);
    lnkeep_status status = CALL(resources_take_snapshot, RESOURCES, pick_secs(t), snapshot, ERR);
    KEEP(status, A_SNAPSHOT, snapshot);
}

OPERATION(resources_decisions) {
    lnkeep_buf **lines = OUT(lnkeep_buf *);
    uint64_t after = pick(t, 8);
    lnkeep_status status =
        CALL(resources_decisions, RESOURCES, after, pick(t, 32), lines, OUT(uint64_t), ERR);
    KEEP(status, A_BUF, lines);
}

OPERATION(resources_read_stats) {
    CALL(resources_read_stats, RESOURCES, SIZED_OUT(lnkeep_resources_stats), ERR);
}

const struct operation resources_operations[] = {
    ROW(resources_open),
    ROW(resources_add_channel),
    ROW(resources_resize_channel),
    ROW(resources_remove_channel),
    ROW(resources_add),
    ROW(resources_resolve),
    ROW(resources_reconcile),
    ROW(resources_import_history),
    ROW(resources_lookup),
    ROW(resources_take_snapshot),
    ROW(resources_decisions),
    ROW(resources_read_stats),
    ROW(resources_close),
    ROW(resources_is_open),
    /* Twice, for they are what the others count. */
    ROW(resources_add),
    ROW(resources_add_channel),
};
TABLE(resources);

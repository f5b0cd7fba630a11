/* Resources of the workload in the words of the library, and one digest of all that they say. */

#include "resources.h"

#include "common.h"

#include <string.h>

#define START_SECS UINT64_C(1700000000)
enum {
    HEIGHT = 800000,
    BLOCKS = 100,
    STEP_SECS = 40,
    FEE_MSAT = 9000,
    SLOT_MSAT = 1000000,
    SLOTS_OF_CHANNEL = 30,
    HISTORY_MSAT = 2000000000,
};

int htlc_is_in(const struct htlc_set *set, unsigned htlc) {
    return (int)(set->words[htlc / 64] >> htlc % 64 & 1);
}

void htlc_put(struct htlc_set *set, unsigned htlc, int is_in) {
    uint64_t bit = UINT64_C(1) << htlc % 64;
    if (is_in) set->words[htlc / 64] |= bit;
    else set->words[htlc / 64] &= ~bit;
}

lnkeep_resources_options resources_options(int is_compat) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    /* One salt, so that another store decides the same. */
    options.flags = LNKEEP_RESOURCES_HAS_ENTROPY | (is_compat ? LNKEEP_RESOURCES_COMPAT : 0);
    memset(options.entropy, 5, sizeof options.entropy);
    return options;
}

static uint64_t number_of(unsigned channel) { return 100 + channel; }

static uint64_t htlc_incoming(unsigned htlc) { return number_of(htlc % RESOURCES_CHANNELS); }

static uint64_t htlc_outgoing(unsigned htlc) {
    return number_of((htlc + 1 + htlc / RESOURCES_CHANNELS % 3) % RESOURCES_CHANNELS);
}

static uint64_t htlc_msat(unsigned htlc) {
    return (uint64_t)SLOT_MSAT / 2 * (1 + htlc % 7);
}

static lnkeep_channel_limits limits_of(const struct resources_call *call) {
    lnkeep_channel_limits limits = {(uint64_t)SLOTS_OF_CHANNEL * SLOT_MSAT, SLOTS_OF_CHANNEL, 0};
    if (call->seed & SEED_LARGER) limits.max_accepted_htlcs += 20;
    return limits;
}

static uint64_t time_of(const struct resources_call *call) {
    return START_SECS + (uint64_t)call->step * STEP_SECS;
}

static lnkeep_htlc_request request_of(const struct resources_call *call) {
    lnkeep_htlc_request request = {
        .incoming = htlc_incoming(call->htlc),
        .outgoing = htlc_outgoing(call->htlc),
        .htlc_id = call->htlc,
        .incoming_amount_msat = htlc_msat(call->htlc) + (call->seed & SEED_OTHER ? 1 : 0),
        .outgoing_amount_msat = htlc_msat(call->htlc) - FEE_MSAT,
        .unix_secs = time_of(call),
        .incoming_cltv_expiry = HEIGHT + BLOCKS,
        .block_height = HEIGHT,
        .flags = call->htlc % 5 == 0 ? LNKEEP_HTLC_ACCOUNTABLE : 0,
    };
    return request;
}

static void note_decision(struct resources_call *call, const lnkeep_decision *decision) {
    call->status = decision->status;
    call->answer = digest_add(DIGEST_START, &decision->verdict, sizeof decision->verdict);
    call->answer = digest_add(call->answer, &decision->bucket, sizeof decision->bucket);
    call->answer = digest_add(call->answer, &decision->flags, sizeof decision->flags);
    int is_forwarded = call_holds(call) && decision->verdict == LNKEEP_VERDICT_FORWARD;
    int is_accountable = (decision->flags & LNKEEP_DECISION_ACCOUNTABLE) != 0;
    htlc_put(&call->live, call->htlc, is_forwarded && !(call->seed & SEED_DRY_RUN));
    htlc_put(&call->accountable, call->htlc, is_accountable);
}

static void add(lnkeep_resources resources, struct resources_call *call, uint32_t flags) {
    lnkeep_htlc_request request = request_of(call);
    lnkeep_decision decision = {0};
    if (call->seed & SEED_DRY_RUN) flags = LNKEEP_RESOURCES_DRY_RUN;
    lnkeep_status status =
        lnkeep_resources_add(resources, &request, 1, flags, &decision, NULL, NULL);
    if (decision.status != status) {
        finding(FOUND_STATUS, "an add answered %s, and its decision %s", lnkeep_status_name(status),
                lnkeep_status_name(decision.status));
    }
    note_decision(call, &decision);
}

void resources_make_several(lnkeep_resources resources, struct resources_call *calls,
                            uint32_t flags) {
    lnkeep_htlc_request requests[SEVERAL];
    lnkeep_decision decisions[SEVERAL] = {0};
    for (int i = 0; i < SEVERAL; i++) requests[i] = request_of(&calls[i]);
    lnkeep_status status =
        lnkeep_resources_add(resources, requests, SEVERAL, flags, decisions, NULL, NULL);
    int is_whole = status == LNKEEP_DONE || status == LNKEEP_BATCH;
    for (int i = 0; i < SEVERAL; i++) {
        /* What was not reached has the answer of all. */
        if (!is_whole && decisions[i].status == LNKEEP_DONE && decisions[i].verdict == 0) {
            decisions[i].status = status;
        }
        note_decision(&calls[i], &decisions[i]);
    }
}

static void resolve(lnkeep_resources resources, struct resources_call *call, uint32_t flags) {
    lnkeep_resolve_request request = {
        .incoming = htlc_incoming(call->htlc),
        .outgoing = htlc_outgoing(call->htlc),
        .htlc_id = call->htlc,
        .unix_secs = time_of(call),
        .flags = call->seed & SEED_SETTLES ? LNKEEP_RESOLVE_SETTLED : 0,
    };
    lnkeep_resolution resolution = {0};
    lnkeep_status status =
        lnkeep_resources_resolve(resources, &request, 1, flags, &resolution, NULL);
    if (resolution.status != status) {
        finding(FOUND_STATUS, "a resolve answered %s, and its resolution %s",
                lnkeep_status_name(status), lnkeep_status_name(resolution.status));
    }
    call->status = status;
    call->answer = digest_add(DIGEST_START, &resolution.effective_fee_msat,
                              sizeof resolution.effective_fee_msat);
}

static void reconcile(lnkeep_resources resources, struct resources_call *call) {
    lnkeep_live_htlc live[FORWARDS];
    lnkeep_reconciled report = LNKEEP_RECONCILED_INIT;
    size_t len = 0;
    for (unsigned htlc = 0; htlc < FORWARDS; htlc++) {
        if (!htlc_is_in(&call->live, htlc)) continue;
        live[len++] = (lnkeep_live_htlc){
            .incoming = htlc_incoming(htlc),
            .outgoing = htlc_outgoing(htlc),
            .htlc_id = htlc,
            .incoming_amount_msat = htlc_msat(htlc),
            .outgoing_amount_msat = htlc_msat(htlc) - FEE_MSAT,
            .added_unix_secs = time_of(call),
            .incoming_cltv_expiry = HEIGHT + BLOCKS,
            .block_height = HEIGHT,
            .flags = htlc_is_in(&call->accountable, htlc) ? LNKEEP_HTLC_ACCOUNTABLE : 0,
        };
    }
    call->status = lnkeep_resources_reconcile(resources, live, len, &report, NULL);
    call->answer = digest_add(DIGEST_START, &report, sizeof report);
}

static void import(lnkeep_resources resources, struct resources_call *call) {
    lnkeep_imported report = LNKEEP_IMPORTED_INIT;
    /* Its forwards came in through a channel that is not known, so that it is one change. */
    lnkeep_forward_row row = {UINT64_MAX, number_of(call->channel), HISTORY_MSAT, START_SECS,
                              START_SECS};
    call->status = lnkeep_resources_import_history(resources, &row, 1, &report, NULL);
    call->answer = digest_add(DIGEST_START, &report, sizeof report);
}

void resources_make(lnkeep_store store, lnkeep_resources resources, struct resources_call *call,
                    uint32_t flags) {
    lnkeep_channel_limits limits = limits_of(call);
    lnkeep_allocation allocation = {0};
    uint64_t number = number_of(call->channel);
    uint32_t removal = 0;
    call->answer = 0;
    switch ((enum resources_op)call->kind) {
    case RESOURCES_ADD_CHANNEL:
        call->status = lnkeep_resources_add_channel(resources, number, &limits, time_of(call),
                                                    &allocation, NULL);
        call->answer = digest_add(DIGEST_START, &allocation, sizeof allocation);
        break;
    case RESOURCES_RESIZE:
        call->status =
            lnkeep_resources_resize_channel(resources, number, &limits, &allocation, NULL);
        call->answer = digest_add(DIGEST_START, &allocation, sizeof allocation);
        break;
    case RESOURCES_REMOVE:
        call->status = lnkeep_resources_remove_channel(resources, number, &removal, NULL);
        call->answer = removal;
        break;
    case RESOURCES_IMPORT: import(resources, call); break;
    case RESOURCES_ADD:
    case RESOURCES_ADD_SEVERAL: add(resources, call, flags); break;
    case RESOURCES_RESOLVE: resolve(resources, call, flags); break;
    case RESOURCES_SYNC: call->status = lnkeep_store_sync(store, NULL); break;
    case RESOURCES_RECONCILE: reconcile(resources, call); break;
    case RESOURCES_OPEN:
    case RESOURCES_CLOSE: break;
    }
}

int call_holds(const struct resources_call *call) {
    return lnkeep_status_class(call->status) <= LNKEEP_CLASS_REFUSED ||
           call->status == LNKEEP_NOT_DURABLE;
}

/* Arrays of structures without holes, as many as there are. */
static uint64_t add_array(uint64_t digest, const void *array, size_t len, size_t stride) {
    digest = digest_add(digest, &len, sizeof len);
    return len ? digest_add(digest, array, len * stride) : digest;
}

uint64_t resources_digest(lnkeep_resources resources, struct htlc_set *pending) {
    lnkeep_resources_snapshot *all = NULL;
    uint64_t digest = DIGEST_START;
    lnkeep_status status = lnkeep_resources_take_snapshot(resources, START_SECS, &all, NULL);
    memset(pending, 0, sizeof *pending);
    if (status != LNKEEP_DONE) return 0;
    digest = add_array(digest, all->channels, all->channels_len, all->channel_stride);
    digest = add_array(digest, all->pending, all->pending_len, all->pending_stride);
    digest = add_array(digest, all->pairs, all->pairs_len, all->pair_stride);
    digest = add_array(digest, all->marks, all->marks_len, all->mark_stride);
    for (size_t i = 0; i < all->pending_len; i++) {
        const void *at = (const char *)all->pending + i * all->pending_stride;
        const lnkeep_pending_htlc *htlc = at;
        if (htlc->htlc_id < FORWARDS) htlc_put(pending, (unsigned)htlc->htlc_id, 1);
    }
    lnkeep_resources_snapshot_free(all);
    return digest ? digest : 1;
}

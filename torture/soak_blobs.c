/* Threads of the soak that keep bytes: channels and their manager, forwards, blobs of peers and ours. */

#include "soak.h"

#include "common.h"

#include <stdio.h>
#include <string.h>

enum {
    UPDATES_MAX = 60, /* of a channel, until it is given a snapshot */
    OUTPUTS_WAITING = 16,
    OUTPUTS_TAKEN = 64,
    FIRST_CHANNEL = 11,
    FORWARD_CHANNELS = 4,
    DURABLE_EVERY = 16, /* forwards: each that is durable is a row until the journal is written anew */
    HEIGHT = 800000,
    EXPIRY = 800100,
    COOLDOWN_MS = 2000,
    HOLD_MS = 1000,
    RESEND_MS = 2000,
    PAYLOAD_BYTES = 1500,
    BYTES_UPDATE = 10000, /* kinds of bytes; each of them a range, for the numbers of channels and peers */
    BYTES_SNAPSHOT = 11000,
    BYTES_MANAGER = 12000,
    BYTES_OUTPUT = 13000,
    BYTES_BLOB = 14000,
    BYTES_PAYLOAD = 15000,
};

static void stop(struct host *host) { atomic_store(&host->soak->has_stopped, 1); }

/* The call under way changes something else than it was thought to; SOAK_EARLY has acknowledged it. */
static void amend(struct host *host, unsigned lane, const void *after, size_t len) {
    struct lane *noted = &host->soak->state.lanes[lane];
    if (atomic_load(&noted->is_busy)) memcpy(noted->after, after, len);
    else memcpy((uint8_t *)&host->soak->state + noted->place, after, len);
}

/* --- Monitors: one commit changes channels, their manager and what may leave. */

static struct channels *channels_of(struct host *host) { return &host->soak->state.channels; }

static void channel_id(unsigned channel, uint8_t id[32]) {
    memset(id, 0x40 + (int)channel, 32);
}

static lnkeep_bytes update_bytes(unsigned channel, uint64_t id) {
    return soak_bytes(BYTES_UPDATE + channel, id, 100 + id % 400);
}

static lnkeep_bytes snapshot_bytes(unsigned channel, uint64_t id) {
    return soak_bytes(BYTES_SNAPSHOT + channel, id, 2000 + id % 5000);
}

/* Now and then one that is staged in chunks before its commit. */
static lnkeep_bytes manager_bytes(uint64_t round) {
    return soak_bytes(BYTES_MANAGER, round, round % 64 == 0 ? 600000 : 1000 + round % 9000);
}

static lnkeep_bytes output_bytes(uint64_t tag) { return soak_bytes(BYTES_OUTPUT, tag, 50 + tag % 200); }

static lnkeep_status queue_for(struct host *host, unsigned channel, struct channels *after) {
    uint8_t id[32];
    uint64_t tip = after->tip[channel];
    channel_id(channel, id);
    if (tip == 0) {
        after->tip[channel] = after->snapshot[channel] = 1;
        return lnkeep_monitors_queue_new(host->monitors, id, 1, snapshot_bytes(channel, 1), NULL, 0,
                                         NULL, NULL);
    }
    uint64_t updates = tip - after->snapshot[channel];
    if (updates >= UPDATES_MAX || (updates > 0 && lane_chance(host, LANE_MONITORS, 16) == 0)) {
        after->snapshot[channel] = tip;
        return lnkeep_monitors_queue_snapshot(host->monitors, id, tip, snapshot_bytes(channel, tip),
                                              NULL, 0, NULL, NULL);
    }
    after->tip[channel] = tip + 1;
    return lnkeep_monitors_queue_update(host->monitors, id, tip + 1, update_bytes(channel, tip + 1),
                                        0, NULL, NULL);
}

/* What left is acknowledged from the front, with the next commit; and something is to leave. */
static lnkeep_status queue_outputs(struct host *host, struct channels *after, unsigned *acked) {
    lnkeep_status status = LNKEEP_DONE;
    *acked = 0;
    while (*acked < host->outputs_len && status == LNKEEP_DONE &&
           lane_chance(host, LANE_MONITORS, 3) != 0) {
        status = lnkeep_monitors_acknowledge(host->monitors, host->outputs[(*acked)++], NULL);
        after->output_from++;
    }
    if (status == LNKEEP_DONE && after->output_to - after->output_from < OUTPUTS_WAITING) {
        uint64_t tag = after->output_to++;
        status = lnkeep_monitors_queue_output(host->monitors, LNKEEP_OUTPUT_DURABLE, tag,
                                              output_bytes(tag), NULL, NULL);
    }
    return status;
}

/* Outputs come in the order of their tags, those of earlier sessions first; `tag` is the next one. */
static lnkeep_status take_outputs(struct host *host, uint64_t tag) {
    lnkeep_status status = LNKEEP_DONE;
    size_t len = 1;
    while (status == LNKEEP_DONE && len > 0) {
        lnkeep_outputs *outputs = NULL;
        status = lnkeep_monitors_take_outputs(host->monitors, OUTPUTS_TAKEN, &outputs, NULL);
        len = status == LNKEEP_DONE ? outputs->outputs_len : 0;
        for (size_t at = 0; at < len; at++, tag++) {
            const void *place = (const char *)outputs->outputs + at * outputs->stride;
            const lnkeep_output *output = place;
            int is_next = output->tag == tag && host->outputs_len < OUTPUTS_TAKEN;
            if (!is_next || !bytes_are(output->payload, output_bytes(tag))) {
                finding(FOUND_WRONG, "output %llu leaves where %llu should",
                        (unsigned long long)output->tag, (unsigned long long)tag);
                stop(host);
            }
            if (is_next) host->outputs[host->outputs_len++] = output->output_id;
        }
        lnkeep_outputs_free(outputs);
    }
    return status;
}

static lnkeep_status commit(struct host *host, const struct channels *after) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_channel_tip view[CHANNELS];
    lnkeep_status status = lnkeep_monitors_capture(host->monitors, &commit.capture, NULL);
    if (status != LNKEEP_DONE) return status;
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        if (after->tip[channel] == 0) continue;
        channel_id(channel, view[commit.view_len].channel_id);
        view[commit.view_len++].update_id = after->tip[channel];
    }
    commit.view = view;
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = manager_bytes(after->round);
    return lnkeep_monitors_commit_captured(host->monitors, &commit, NULL, NULL);
}

void monitors_step(struct host *host, unsigned lane) {
    struct channels *channels = channels_of(host), after = *channels;
    lnkeep_monitor_completion completions[OUTPUTS_TAKEN];
    unsigned changes = 1 + (unsigned)lane_chance(host, lane, 4), acked;
    size_t len = 1;
    for (unsigned i = 0; i < changes; i++) {
        lnkeep_status status = queue_for(host, (unsigned)lane_chance(host, lane, CHANNELS), &after);
        if (!call_is(host, status, LNKEEP_DONE, "queueing a channel", lane, after.round)) return;
    }
    lnkeep_status status = queue_outputs(host, &after, &acked);
    if (!call_is(host, status, LNKEEP_DONE, "queueing an output", lane, after.output_to)) return;
    uint64_t tag = channels->output_to;
    after.round++;
    if (!CALL(host, lane, channels, after, after.round, LNKEEP_DONE, commit(host, &after))) return;
    host->outputs_len -= acked;
    memmove(host->outputs, host->outputs + acked, host->outputs_len * sizeof host->outputs[0]);
    status = take_outputs(host, tag);
    while (status == LNKEEP_DONE && len > 0) {
        status = lnkeep_monitors_completions(host->monitors, completions, OUTPUTS_TAKEN, &len, NULL);
    }
    (void)call_is(host, status, LNKEEP_DONE, "taking what left", lane, after.round);
}

static int channel_holds(struct host *host, unsigned channel, const struct channels *wanted) {
    uint8_t id[32];
    lnkeep_monitor *found = NULL;
    uint64_t tip = wanted->tip[channel], snapshot = wanted->snapshot[channel];
    channel_id(channel, id);
    lnkeep_status status = lnkeep_monitors_load(host->monitors, id, &found, NULL);
    if (tip == 0) return status == LNKEEP_UNKNOWN_CHANNEL;
    if (status != LNKEEP_DONE) return 0;
    int holds = found->channel.damage == 0 && found->channel.snapshot_update_id == snapshot &&
                found->updates_len == tip - snapshot &&
                bytes_are(found->snapshot, snapshot_bytes(channel, snapshot));
    for (size_t at = 0; at < found->updates_len && holds; at++) {
        const void *place = (const char *)found->updates + at * found->update_stride;
        const lnkeep_monitor_update *update = place;
        holds = update->update_id == snapshot + 1 + at &&
                bytes_are(update->update, update_bytes(channel, update->update_id));
    }
    lnkeep_monitor_free(found);
    return holds;
}

/* Those that waited when the store was opened. */
static uint64_t tags[OUTPUTS_TAKEN];

static int channels_hold(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const struct channels *wanted = thing;
    lnkeep_buf *manager = NULL;
    (void)lane;
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        if (channel_holds(host, channel, wanted)) continue;
        snprintf(why, 200, "channel %u is not at update %llu", channel,
                 (unsigned long long)wanted->tip[channel]);
        return 0;
    }
    lnkeep_status status = lnkeep_monitors_load_manager(host->monitors, &manager, NULL);
    int holds = status == LNKEEP_DONE && (manager != NULL) == (wanted->round != 0);
    if (holds && manager) {
        holds = bytes_are((lnkeep_bytes){manager->ptr, manager->len}, manager_bytes(wanted->round));
    }
    lnkeep_buf_free(manager);
    if (!holds) snprintf(why, 200, "the manager is not that of round %llu",
                         (unsigned long long)wanted->round);
    uint64_t waiting = wanted->output_to - wanted->output_from;
    for (uint64_t at = 0; at < waiting && host->outputs_len == waiting && holds; at++) {
        holds = tags[at] == wanted->output_from + at;
    }
    if (holds && host->outputs_len == waiting) return 1;
    if (holds) snprintf(why, 200, "%u outputs wait, not %u", host->outputs_len, (unsigned)waiting);
    return 0;
}

/* The first one says which they are; that they are the right ones is looked at with the channels. */
static int monitors_open(struct host *host) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    lnkeep_outputs *outputs = NULL;
    options.updates_max = 2 * UPDATES_MAX;
    lnkeep_status status =
        lnkeep_monitors_open(host->store, &options, &host->monitors, NULL, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_monitors_take_outputs(host->monitors, OUTPUTS_TAKEN, &outputs, NULL);
    }
    if (status != LNKEEP_DONE) {
        finding(FOUND_REOPEN, "monitors: %s", lnkeep_status_name(status));
        return 0;
    }
    for (size_t at = 0; at < outputs->outputs_len; at++) {
        const void *place = (const char *)outputs->outputs + at * outputs->stride;
        const lnkeep_output *output = place;
        host->outputs[host->outputs_len] = output->output_id;
        tags[host->outputs_len++] = output->tag;
    }
    lnkeep_outputs_free(outputs);
    return 1;
}

/* --- Resources. */

static struct forward *forward_of(struct host *host, unsigned slot) {
    return &host->soak->state.forwards[slot];
}

static uint64_t incoming_of(uint64_t id) { return FIRST_CHANNEL + id % FORWARD_CHANNELS; }

static uint64_t outgoing_of(uint64_t id) { return FIRST_CHANNEL + (id + 1) % FORWARD_CHANNELS; }

static lnkeep_status add_forward(struct host *host, uint64_t id, uint32_t flags,
                                 lnkeep_decision *decision) {
    lnkeep_htlc_request request = {
        .incoming = incoming_of(id), .outgoing = outgoing_of(id), .htlc_id = id,
        .incoming_amount_msat = 1000, .outgoing_amount_msat = 900,
        .unix_secs = soak_now_ms(host) / 1000, .incoming_cltv_expiry = EXPIRY,
        .block_height = HEIGHT,
    };
    return lnkeep_resources_add(host->resources, &request, 1, flags, decision, NULL, NULL);
}

static lnkeep_status resolve_forward(struct host *host, uint64_t id, uint32_t flags) {
    lnkeep_resolution resolution;
    lnkeep_resolve_request request = {
        .incoming = incoming_of(id), .outgoing = outgoing_of(id), .htlc_id = id,
        .unix_secs = soak_now_ms(host) / 1000, .flags = id % 2 ? LNKEEP_RESOLVE_SETTLED : 0,
    };
    return lnkeep_resources_resolve(host->resources, &request, 1, flags, &resolution, NULL);
}

/* What is durable takes with it everything that was answered before, from memory too. */
static void all_are_sure(struct host *host) {
    for (unsigned slot = 0; slot < FORWARDS; slot++) forward_of(host, slot)->is_unsure = 0;
}

void resources_step(struct host *host, unsigned lane) {
    struct forward *forward = forward_of(host, (unsigned)lane_chance(host, lane, FORWARDS));
    uint32_t flags = lane_chance(host, lane, DURABLE_EVERY) ? 0 : LNKEEP_RESOURCES_DURABLE;
    struct forward before = *forward, after = before;
    lnkeep_decision decision = {0};
    lnkeep_status status;
    /* With another HTLC in its place we would forget one that a crash may bring back. */
    if (!before.is_pending && before.is_unsure) return;
    after.is_unsure = !flags;
    after.is_pending = !before.is_pending;
    if (after.is_pending) after.id = ++host->soak->state.lanes[lane].next;
    call_begin(host, lane, forward, &after, sizeof after);
    status = after.is_pending ? add_forward(host, after.id, flags, &decision)
                              : resolve_forward(host, after.id, flags);
    if (!call_is(host, status, LNKEEP_DONE, "a forward", lane, after.id)) return;
    if (after.is_pending && decision.verdict != LNKEEP_VERDICT_FORWARD) {
        after.is_pending = 0;
        amend(host, lane, &after, sizeof after);
    }
    call_end(host, lane);
    if (flags) all_are_sure(host);
}

static uint64_t pending_ids[4 * FORWARDS];
static size_t pending_len;

static int is_pending(uint64_t id) {
    for (size_t at = 0; at < pending_len; at++) {
        if (pending_ids[at] == id) return 1;
    }
    return 0;
}

static int forward_holds(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const struct forward *forward = thing;
    int found = is_pending(forward->id);
    (void)host;
    (void)lane;
    if (forward->is_unsure || found == (int)forward->is_pending) return 1;
    snprintf(why, 200, "forward %llu is %spending", (unsigned long long)forward->id,
             found ? "" : "not ");
    return 0;
}

static int read_pending(struct host *host) {
    lnkeep_resources_snapshot *snapshot = NULL;
    lnkeep_status status = lnkeep_resources_take_snapshot(
        host->resources, soak_now_ms(host) / 1000, &snapshot, NULL);
    if (status != LNKEEP_DONE) return 0;
    for (size_t at = 0; at < snapshot->pending_len && pending_len < 4 * FORWARDS; at++) {
        const void *place = (const char *)snapshot->pending + at * snapshot->pending_stride;
        const lnkeep_pending_htlc *pending = place;
        pending_ids[pending_len++] = pending->htlc_id;
    }
    lnkeep_resources_snapshot_free(snapshot);
    return 1;
}

/* As a host does after every open: the library is told what there is, and has to know it already. */
static void reconcile(struct host *host) {
    lnkeep_live_htlc live[FORWARDS];
    lnkeep_reconciled report = LNKEEP_RECONCILED_INIT;
    size_t len = 0;
    for (unsigned slot = 0; slot < FORWARDS; slot++) {
        const struct forward *forward = forward_of(host, slot);
        if (!forward->is_pending) continue;
        live[len++] = (lnkeep_live_htlc){
            .incoming = incoming_of(forward->id), .outgoing = outgoing_of(forward->id),
            .htlc_id = forward->id, .incoming_amount_msat = 1000, .outgoing_amount_msat = 900,
            .added_unix_secs = soak_now_ms(host) / 1000, .incoming_cltv_expiry = EXPIRY,
            .block_height = HEIGHT,
        };
    }
    lnkeep_status status = lnkeep_resources_reconcile(host->resources, live, len, &report, NULL);
    if (status == LNKEEP_DONE && report.kept == len && report.dropped + report.added == 0) return;
    finding(FOUND_WRONG, "a reconcile of %u: %s, %u kept, %u dropped, %u added", (unsigned)len,
            lnkeep_status_name(status), (unsigned)report.kept, (unsigned)report.dropped,
            (unsigned)report.added);
    stop(host);
}

static void resources_verify(struct host *host) {
    if (!read_pending(host)) finding(FOUND_STATUS, "no snapshot of the resources");
    for (unsigned slot = 0; slot < FORWARDS; slot++) {
        struct forward *forward = forward_of(host, slot);
        thing_verify(host, LANE_RESOURCES, forward, sizeof *forward, forward_holds);
        if (forward->is_unsure) forward->is_pending = (uint32_t)is_pending(forward->id);
        forward->is_unsure = 0;
    }
    reconcile(host);
}

static int resources_open(struct host *host) {
    lnkeep_channel_limits limits = {.max_in_flight_msat = 1000000000, .max_accepted_htlcs = 483};
    lnkeep_status status = lnkeep_resources_open(host->store, NULL, &host->resources, NULL, NULL);
    for (unsigned channel = 0; channel < FORWARD_CHANNELS && status >= LNKEEP_DONE; channel++) {
        status = lnkeep_resources_add_channel(host->resources, FIRST_CHANNEL + channel, &limits,
                                              soak_now_ms(host) / 1000, NULL, NULL);
    }
    if (status < LNKEEP_DONE) finding(FOUND_REOPEN, "resources: %s", lnkeep_status_name(status));
    return status >= LNKEEP_DONE;
}

/* --- Blobs of peers. Each begins with its number, so that what is found tells which one it is. */

static void node_id(unsigned peer, uint8_t id[33]) {
    memset(id, 0x70 + (int)peer, 33);
    id[0] = 2;
}

static lnkeep_bytes blob_bytes(unsigned peer, uint64_t number) {
    size_t len = number % 16 == 0 ? 65000 : 500 + number % 4000;
    lnkeep_bytes bytes = soak_bytes(BYTES_BLOB + peer, number, len);
    memcpy((uint8_t *)(uintptr_t)bytes.ptr, &number, sizeof number);
    return bytes;
}

static void store_blob(struct host *host, unsigned lane, unsigned peer) {
    struct provided *provided = &host->soak->state.provided[peer];
    struct provided after = {provided->durable, provided->newest + 1};
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    uint8_t id[33];
    node_id(peer, id);
    lnkeep_bytes blob = blob_bytes(peer, after.newest);
    call_begin(host, lane, provided, &after, sizeof after);
    lnkeep_status status =
        lnkeep_peer_storage_store(host->provider, soak_now_ms(host), id, blob, &stored, NULL);
    if (!call_is(host, status, LNKEEP_DONE, "peer_storage_store", lane, after.newest)) return;
    if (stored.result == LNKEEP_STORED_COMMITTED) after.durable = after.newest;
    amend(host, lane, &after, sizeof after);
    call_end(host, lane);
}

static void tick_provider(struct host *host, unsigned lane) {
    lnkeep_node_ids *committed = NULL;
    lnkeep_status status = lnkeep_peer_storage_tick(host->provider, soak_now_ms(host), 0, NULL,
                                                    &committed, NULL);
    if (!call_is(host, status, LNKEEP_DONE, "peer_storage_tick", lane, 0)) return;
    for (size_t at = 0; at < committed->ids_len; at++) {
        unsigned peer = committed->ids[at * 33 + 1] - 0x70u;
        struct provided *provided = &host->soak->state.provided[peer];
        if (peer < PROVIDED) provided->durable = provided->newest;
    }
    lnkeep_node_ids_free(committed);
    status = lnkeep_peer_storage_block_connected(host->provider, soak_height(host), NULL, NULL);
    (void)call_is(host, status, LNKEEP_DONE, "peer_storage_block_connected", lane, 0);
}

lnkeep_status provider_sync(struct host *host) {
    struct provided *provided = host->soak->state.provided;
    uint64_t accepted[PROVIDED];
    for (unsigned peer = 0; peer < PROVIDED; peer++) accepted[peer] = provided[peer].newest;
    lnkeep_status status = lnkeep_store_sync(host->store, NULL);
    for (unsigned peer = 0; peer < PROVIDED && status == LNKEEP_DONE; peer++) {
        if (provided[peer].durable < accepted[peer]) provided[peer].durable = accepted[peer];
    }
    return status;
}

/* The peer comes back and is given what it sent last, written or not. */
static void return_blob(struct host *host, unsigned peer) {
    uint64_t newest = host->soak->state.provided[peer].newest;
    lnkeep_buf *blob = NULL;
    uint8_t id[33];
    node_id(peer, id);
    lnkeep_status status =
        lnkeep_peer_storage_connected(host->provider, soak_now_ms(host), id, &blob, NULL);
    int is_same = status == LNKEEP_DONE && (blob != NULL) == (newest != 0);
    if (is_same && blob) {
        is_same = bytes_are((lnkeep_bytes){blob->ptr, blob->len}, blob_bytes(peer, newest));
    }
    if (!is_same) {
        finding(FOUND_BLOB, "peer %u is not returned its blob %llu: %s", peer,
                (unsigned long long)newest, lnkeep_status_name(status));
        stop(host);
    }
    lnkeep_buf_free(blob);
}

void provider_step(struct host *host, unsigned lane) {
    unsigned peer = (unsigned)lane_chance(host, lane, PROVIDED);
    switch (lane_chance(host, lane, 8)) {
    case 0: tick_provider(host, lane); break;
    case 1: return_blob(host, peer); break;
    default: store_blob(host, lane, peer); break;
    }
}

/* 0 when there is none; -1 when it is not whole. */
static int64_t number_found(struct host *host, unsigned peer) {
    lnkeep_buf *blob = NULL;
    uint8_t id[33];
    uint64_t number = 0;
    node_id(peer, id);
    if (lnkeep_peer_storage_export(host->provider, id, &blob, NULL) != LNKEEP_DONE) return -1;
    if (!blob) return 0;
    if (blob->len >= sizeof number) memcpy(&number, blob->ptr, sizeof number);
    int is_whole = bytes_are((lnkeep_bytes){blob->ptr, blob->len}, blob_bytes(peer, number));
    lnkeep_buf_free(blob);
    return is_whole ? (int64_t)number : -1;
}

static int blob_holds(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const struct provided *provided = thing;
    const struct soak_state *state = &host->soak->state;
    /* Of a call under way this is a copy, so that the note says whose it is. */
    const void *first = state->provided;
    size_t place = (const uint8_t *)thing - (const uint8_t *)first;
    if (place >= sizeof state->provided) {
        place = state->lanes[lane].place - offsetof(struct soak_state, provided);
    }
    unsigned peer = (unsigned)(place / sizeof *provided);
    int64_t found = number_found(host, peer);
    if (found >= (int64_t)provided->durable && found <= (int64_t)provided->newest) return 1;
    snprintf(why, 200, "peer %u: blob %lld, not %llu to %llu", peer, (long long)found,
             (unsigned long long)provided->durable, (unsigned long long)provided->newest);
    return 0;
}

static void provider_verify(struct host *host) {
    for (unsigned peer = 0; peer < PROVIDED; peer++) {
        struct provided *provided = &host->soak->state.provided[peer];
        thing_verify(host, LANE_PROVIDER, provided, sizeof *provided, blob_holds);
        int64_t found = number_found(host, peer);
        if (found >= 0) provided->durable = provided->newest = (uint64_t)found;
    }
}

static int provider_open(struct host *host) {
    lnkeep_peer_storage_options options = {.size = sizeof options, .cooldown_ms = COOLDOWN_MS};
    lnkeep_peer_claims claims[PROVIDED] = {0};
    lnkeep_status status =
        lnkeep_peer_storage_open(host->store, &options, &host->provider, NULL, NULL);
    for (unsigned peer = 0; peer < PROVIDED; peer++) {
        node_id(peer, claims[peer].node_id);
        claims[peer].open_channels = 1;
    }
    if (status == LNKEEP_DONE) {
        status = lnkeep_peer_storage_claims_complete(host->provider, claims, PROVIDED,
                                                     soak_height(host), NULL);
    }
    if (status != LNKEEP_DONE) finding(FOUND_REOPEN, "provider: %s", lnkeep_status_name(status));
    return status == LNKEEP_DONE;
}

/* --- Our own blob at peers. */

static lnkeep_bytes payload_bytes(uint64_t number) {
    return soak_bytes(BYTES_PAYLOAD, number, PAYLOAD_BYTES);
}

/* A peer returns what it holds: none of ours may look as if we had lost state. */
static lnkeep_status meet(struct host *host, unsigned keeper) {
    const struct kept *kept = &host->soak->state.kept[keeper];
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_opened *opened = NULL;
    uint64_t now_ms = soak_now_ms(host);
    uint8_t id[33];
    node_id(keeper, id);
    lnkeep_status status = lnkeep_backup_connected(host->backup, now_ms, id, 1, NULL);
    if (status != LNKEEP_DONE) return status;
    if (kept->seq == 0) {
        status = lnkeep_backup_reestablish_begun(host->backup, now_ms, id, &concluded, NULL);
    } else {
        lnkeep_bytes blob = {host->soak->state.sealed[keeper][kept->slot], SEALED_BYTES};
        status = lnkeep_backup_retrieval(host->backup, now_ms, id, blob, &concluded, &opened, NULL);
        int is_ours = opened && opened->seq == kept->seq &&
                      bytes_are(opened->payload, payload_bytes(kept->payload));
        if (status == LNKEEP_DONE && !is_ours) {
            finding(FOUND_RESTORE, "peer %u returns number %llu, which does not open", keeper,
                    (unsigned long long)kept->seq);
            stop(host);
        }
    }
    if (concluded.action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS ||
        concluded.action == LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE) {
        finding(FOUND_ALARM, "peer %u returned number %llu: action %u", keeper,
                (unsigned long long)kept->seq, concluded.action);
        stop(host);
    }
    lnkeep_opened_free(opened);
    return status;
}

/* Sealed and handed over; a host that is killed between the two sent nothing. */
static lnkeep_status seal_for(struct host *host, unsigned lane, unsigned keeper) {
    struct soak_state *state = &host->soak->state;
    struct kept *kept = &state->kept[keeper];
    lnkeep_buf *blob = NULL;
    uint64_t seq = 0;
    uint8_t id[33];
    node_id(keeper, id);
    lnkeep_status status = lnkeep_backup_seal(host->backup, soak_now_ms(host), id,
                                              soak_height(host), &blob, &seq, NULL);
    if (status != LNKEEP_DONE) return status;
    if (seq <= state->seq_last || blob->len != SEALED_BYTES) {
        finding(FOUND_NUMBER, "number %llu was sealed after %llu, of %u bytes",
                (unsigned long long)seq, (unsigned long long)state->seq_last, (unsigned)blob->len);
        stop(host);
        return LNKEEP_DONE;
    }
    struct kept after = {.seq = seq, .payload = state->payload, .slot = !kept->slot};
    state->seq_last = seq;
    memcpy(state->sealed[keeper][after.slot], blob->ptr, SEALED_BYTES);
    lnkeep_buf_free(blob);
    call_begin(host, lane, kept, &after, sizeof after);
    call_end(host, lane);
    return LNKEEP_DONE;
}

static lnkeep_status tick_backup(struct host *host, unsigned lane) {
    lnkeep_backup_actions *found = NULL;
    lnkeep_status status = lnkeep_backup_tick(host->backup, soak_now_ms(host), &found, NULL);
    for (size_t at = 0; status == LNKEEP_DONE && at < found->actions_len; at++) {
        const void *place = (const char *)found->actions + at * found->action_stride;
        const lnkeep_backup_action *action = place;
        unsigned keeper = action->node_id[1] - 0x70u;
        if (action->action != LNKEEP_BACKUP_ACTION_SEND || keeper >= KEEPERS) continue;
        status = seal_for(host, lane, keeper);
    }
    lnkeep_backup_actions_free(found);
    return status;
}

void consumer_step(struct host *host, unsigned lane) {
    struct soak_state *state = &host->soak->state;
    unsigned choice = (unsigned)lane_chance(host, lane, 16);
    lnkeep_status status = LNKEEP_DONE;
    if (choice == 0) {
        unsigned keeper = (unsigned)lane_chance(host, lane, KEEPERS);
        uint8_t id[33];
        node_id(keeper, id);
        status = lnkeep_backup_disconnected(host->backup, id, NULL);
        if (status == LNKEEP_DONE) status = meet(host, keeper);
    } else if (choice < 4) {
        state->payload++;
        status = lnkeep_backup_set_payload(host->backup, payload_bytes(state->payload), NULL);
    }
    if (!call_is(host, status, LNKEEP_DONE, "a payload or a peer", lane, state->payload)) return;
    status = tick_backup(host, lane);
    if (!call_is(host, status, LNKEEP_DONE, "a tick of the backup", lane, state->seq_last)) return;
    sleep_us(2000);
}

static int kept_holds(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const struct kept *kept = thing;
    lnkeep_backup_peers *page = NULL;
    uint64_t known = 0;
    (void)lane;
    if (kept->seq == 0) return 1;
    lnkeep_status status = lnkeep_backup_list(host->backup, NULL, 0, &page, NULL);
    for (size_t at = 0; status == LNKEEP_DONE && at < page->peers_len; at++) {
        const void *place = (const char *)page->peers + at * page->peer_stride;
        const lnkeep_backup_peer *peer = place;
        /* Each number goes to one peer, so that the greatest known one covers it. */
        if (peer->sent_seq > known) known = peer->sent_seq;
    }
    lnkeep_backup_peers_free(page);
    if (known >= kept->seq) return 1;
    snprintf(why, 200, "number %llu was sent, and %llu is known", (unsigned long long)kept->seq,
             (unsigned long long)known);
    return 0;
}

static void consumer_verify(struct host *host) {
    struct soak_state *state = &host->soak->state;
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_status status = lnkeep_backup_read_standing(host->backup, &standing, NULL);
    if (status != LNKEEP_DONE || standing.next_seq <= state->seq_last) {
        finding(FOUND_NUMBER, "number %llu was used, and %llu is the next one: %s",
                (unsigned long long)state->seq_last, (unsigned long long)standing.next_seq,
                lnkeep_status_name(status));
        stop(host);
    }
    for (unsigned keeper = 0; keeper < KEEPERS; keeper++) {
        struct kept *kept = &state->kept[keeper];
        thing_verify(host, LANE_CONSUMER, kept, sizeof *kept, kept_holds);
        status = meet(host, keeper);
        (void)call_is(host, status, LNKEEP_DONE, "meeting a peer", LANE_CONSUMER, keeper);
    }
}

static int consumer_open(struct host *host) {
    static const uint8_t secret[32] = {5, 0, 0xa, 0xc};
    lnkeep_backup_options options = {
        .size = sizeof options, .size_class = SEALED_BYTES, .hold_ms = HOLD_MS,
        .resend_interval_ms = RESEND_MS,
    };
    struct soak_state *state = &host->soak->state;
    lnkeep_status status =
        lnkeep_backup_open(host->store, secret, &options, &host->backup, NULL, NULL);
    if (state->payload == 0) state->payload = 1;
    if (status == LNKEEP_DONE) {
        status = lnkeep_backup_set_payload(host->backup, payload_bytes(state->payload), NULL);
    }
    if (status != LNKEEP_DONE) finding(FOUND_REOPEN, "consumer: %s", lnkeep_status_name(status));
    return status == LNKEEP_DONE;
}

/* --- All of them. */

int blobs_open(struct host *host) {
    return monitors_open(host) && resources_open(host) && provider_open(host) &&
           consumer_open(host);
}

void blobs_verify(struct host *host) {
    struct channels *channels = channels_of(host);
    thing_verify(host, LANE_MONITORS, channels, sizeof *channels, channels_hold);
    resources_verify(host);
    provider_verify(host);
    consumer_verify(host);
}

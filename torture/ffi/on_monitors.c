/* Operations on monitors: queued, captured, committed, let out, loaded; and on events. */

#include "operations.h"

#include <string.h>

/* The next update of a channel, seldom another one. */
static uint64_t pick_update_id(struct turn *t, size_t channel) {
    uint32_t choice = pick(t, 32);
    uint64_t tip = t->tips[channel];
    if (t->is_steady) return tip + 1;
    return choice < 24    ? tip + 1
           : choice < 28  ? tip
           : choice < 30  ? tip + 2
           : choice == 30 ? 0
                          : UINT64_MAX;
}

static lnkeep_block pick_block(struct turn *t) {
    lnkeep_block block_seen;
    memset(&block_seen, 0, sizeof block_seen);
    block_seen.height = pick_height(t);
    memset(block_seen.hash, (int)block_seen.height, 32);
    block_seen.reserved = pick_reserved(t);
    return block_seen;
}

OPERATION(monitors_open) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = seldom(t, 2) ? pick_flags(t, 63) : 0;
    if (seldom(t, 8)) options.pending_ops_max = 1 + pick(t, 8);
    if (seldom(t, 8)) options.pending_bytes_max = 1 + pick(t, 4096);
    if (seldom(t, 4)) options.snapshot_every_updates = 1 + pick(t, 4);
    if (seldom(t, 4)) options.updates_max = 1 + pick(t, 8);
    if (seldom(t, 4)) options.snapshot_growth_percent = 1 + pick(t, 200);
    if (seldom(t, 4)) options.snapshot_age_secs = 1 + pick(t, 64);
    lnkeep_monitors *monitors = OUT_HANDLE(lnkeep_monitors);
    const lnkeep_monitors_options *given = SIZED_IN_OPTIONAL(options);
    lnkeep_status status = CALL(monitors_open, STORE, given, monitors,
                                SIZED_OUT_OPTIONAL(lnkeep_monitors_report), ERR);
    opened_handle(t, ON_MONITORS, status, monitors);
    if (succeeded(t, status))
        t->has_external_manager = given && options.flags & LNKEEP_MONITORS_EXTERNAL_MANAGER;
}

OPERATION(monitors_close) {
    lnkeep_monitors *monitors = CLOSING(lnkeep_monitors, ON_MONITORS);
    lnkeep_status status =
        CALL(monitors_close, monitors, pick_flags(t, LNKEEP_MONITORS_DISCARD), ERR);
    closed_handle(t, ON_MONITORS, status, monitors);
}

OPERATION(monitors_is_open) {
    lnkeep_monitors monitors = MONITORS;
    check_is_open(t, "lnkeep_monitors_is_open", lnkeep_monitors_is_open(monitors));
}

static void queued(struct turn *t, lnkeep_status status, const uint64_t *ticket, size_t channel,
                   uint64_t tip) {
    if (!succeeded(t, status)) return;
    if (status == LNKEEP_DONE && ticket) remember(&t->tickets, *ticket);
    t->tips[channel] = tip;
}

OPERATION(monitors_queue_new) {
    size_t channel = pick_channel_id(t);
    uint64_t update_id = seldom(t, 4) ? pick_update_id(t, channel) : 1,
             *ticket = OUT_OPTIONAL(uint64_t);
    lnkeep_block seen = pick_block(t);
    lnkeep_bytes snapshot = view(t);
    lnkeep_status status =
        CALL(monitors_queue_new, MONITORS, IN_BYTES(channel_ids[channel], 32), update_id, snapshot,
             IN_OPTIONAL(seen), pick_flags(t, LNKEEP_MONITORS_CRITICAL), ticket, ERR);
    queued(t, status, ticket, channel, update_id);
}

OPERATION(monitors_queue_update) {
    size_t channel = pick_channel_id(t);
    uint64_t update_id = pick_update_id(t, channel), *ticket = OUT_OPTIONAL(uint64_t);
    /* Of one id mostly the same bytes, so that a repeat is one. */
    uint8_t bytes[9] = "update";
    bytes[6] = (uint8_t)update_id;
    lnkeep_bytes update = seldom(t, 8) ? view(t) : view_of(t, bytes, sizeof bytes);
    /* What is answered ALREADY leaves the ticket as it was. */
    lnkeep_status status =
        CALL(monitors_queue_update, MONITORS, IN_BYTES(channel_ids[channel], 32), update_id, update,
             pick_flags(t, LNKEEP_MONITORS_CRITICAL), ticket, ERR);
    queued(t, status, ticket, channel, update_id);
}

OPERATION(monitors_queue_snapshot) {
    size_t channel = pick_channel_id(t);
    uint64_t tip = t->tips[channel], update_id = seldom(t, 4) ? pick_update_id(t, channel) : tip;
    uint64_t *ticket = OUT_OPTIONAL(uint64_t);
    lnkeep_block seen = pick_block(t);
    lnkeep_bytes snapshot = view(t);
    lnkeep_status status =
        CALL(monitors_queue_snapshot, MONITORS, IN_BYTES(channel_ids[channel], 32), update_id,
             snapshot, IN_OPTIONAL(seen), pick_flags(t, LNKEEP_MONITORS_CRITICAL), ticket, ERR);
    queued(t, status, ticket, channel, update_id > tip ? update_id : tip);
}

OPERATION(monitors_queue_archive) {
    size_t channel = pick_channel_id(t);
    uint64_t *ticket = OUT_OPTIONAL(uint64_t);
    lnkeep_status status =
        CALL(monitors_queue_archive, MONITORS, IN_BYTES(channel_ids[channel], 32), ticket, ERR);
    queued(t, status, ticket, channel, t->tips[channel]);
}

OPERATION(monitors_queue_output) {
    uint32_t output_class = pick_enum(t, LNKEEP_OUTPUT_VOLATILE, LNKEEP_OUTPUT_DURABLE);
    uint64_t *ticket = OUT_OPTIONAL(uint64_t);
    lnkeep_bytes payload = view(t);
    lnkeep_status status =
        CALL(monitors_queue_output, MONITORS, output_class, pick(t, 8), payload, ticket, ERR);
    if (succeeded(t, status) && ticket) remember(&t->tickets, *ticket);
}

OPERATION(monitors_can_queue) {
    uint64_t operations = pick_amount(t) % 2000;
    CALL(monitors_can_queue, MONITORS, operations, pick_amount(t),
         pick_flags(t, LNKEEP_MONITORS_CRITICAL), ERR);
}

OPERATION(monitors_ticket_is_durable) {
    CALL(monitors_ticket_is_durable, MONITORS, pick_number(t, &t->tickets), OUT(int), ERR);
}

OPERATION(monitors_capture) {
    lnkeep_capture *capture = OUT(lnkeep_capture);
    lnkeep_status status = CALL(monitors_capture, MONITORS, capture, ERR);
    if (succeeded(t, status)) t->captures[t->captures_next++ % CAPTURES_MAX] = *capture;
}

lnkeep_monitors_commit make_commit(struct turn *t) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    uint32_t choice = t->is_steady ? 0 : pick(t, 16);
    unsigned newest = (t->captures_next + CAPTURES_MAX - 1) % CAPTURES_MAX;
    commit.capture = t->captures[choice < 13 ? newest : choice % CAPTURES_MAX];
    if (choice == 15) commit.capture.check ^= 1;
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    if (t->has_external_manager)
        commit.flags = LNKEEP_COMMIT_EXTERNAL | LNKEEP_COMMIT_HAS_GENERATION;
    if (seldom(t, 8)) commit.flags = pick_flags(t, 7);
    if (commit.flags & LNKEEP_COMMIT_HAS_MANAGER) commit.manager = view(t);
    if (commit.flags & LNKEEP_COMMIT_HAS_GENERATION) {
        t->generation += pick(t, 3);
        commit.manager_generation = seldom(t, 16) ? 0 : t->generation;
    }
    if (seldom(t, 8)) {
        lnkeep_channel_tip view_given[2];
        size_t channel = pick_channel_id(t);
        memset(view_given, 0, sizeof view_given);
        commit.view_len = 1 + pick(t, 2);
        for (size_t i = 0; i < commit.view_len; i++) {
            size_t at = seldom(t, 16) ? channel : (channel + i) % CHANNELS;
            memcpy(view_given[i].channel_id, channel_ids[at], 32);
            view_given[i].update_id = seldom(t, 4) ? pick_update_id(t, at) : t->tips[at];
        }
        commit.view = block(t, view_given, commit.view_len * sizeof *view_given);
    }
    commit.reserved = pick_reserved(t);
    return commit;
}

OPERATION(monitors_commit_captured) {
    lnkeep_monitors_commit commit = make_commit(t);
    CALL(monitors_commit_captured, MONITORS, SIZED_IN(commit),
         SIZED_OUT_OPTIONAL(lnkeep_monitors_committed), ERR);
}

OPERATION(monitors_check_manager) {
    CALL(monitors_check_manager, MONITORS, seldom(t, 4) ? 0 : t->generation + pick(t, 2),
         OUT(uint32_t), ERR);
}

OPERATION(monitors_completions) {
    size_t capacity = pick(t, 9), *taken = OUT(size_t);
    lnkeep_monitor_completion *completions = OUT_ARRAY(lnkeep_monitor_completion, capacity);
    lnkeep_status status = CALL(monitors_completions, MONITORS, completions, capacity, taken, ERR);
    if (succeeded(t, status) && *taken > capacity)
        violation(t, FOUND_WRONG, "more taken than there is room");
}

OPERATION(monitors_take_outputs) {
    lnkeep_outputs **outputs = OUT(lnkeep_outputs *);
    size_t max = seldom(t, 16) ? pick(t, 2000) : 1 + pick(t, 8);
    lnkeep_status status = CALL(monitors_take_outputs, MONITORS, max, outputs, ERR);
    KEEP(status, SOME_OUTPUTS, outputs);
}

OPERATION(monitors_acknowledge) {
    CALL(monitors_acknowledge, MONITORS, pick_number(t, &t->outputs), ERR);
}

OPERATION(monitors_purge) {
    CALL(monitors_purge, MONITORS, IN_BYTES(channel_ids[pick_channel_id(t)], 32),
         OUT_OPTIONAL(uint64_t), ERR);
}

OPERATION(monitors_descriptor) { CALL(monitors_descriptor, MONITORS, OUT(int), ERR); }

OPERATION(monitors_read_state) {
    CALL(monitors_read_state, MONITORS, SIZED_OUT(lnkeep_monitors_state), ERR);
}

OPERATION(monitors_load_manager) {
    lnkeep_buf **manager = OUT(lnkeep_buf *);
    lnkeep_status status = CALL(monitors_load_manager, MONITORS, manager, ERR);
    KEEP(status, A_BUF, manager);
}

OPERATION(monitors_list) {
    size_t capacity = 1 + pick(t, 6), *len = OUT(size_t);
    uint32_t stage = pick_enum(t, LNKEEP_STAGE_ACTIVE, LNKEEP_STAGE_ARCHIVED);
    const uint8_t *after =
        seldom(t, 2) ? IN_BYTES_OPTIONAL(channel_ids[pick_channel_id(t)], 32) : NULL;
    lnkeep_channel *channels = OUT_ARRAY(lnkeep_channel, capacity);
    lnkeep_status status =
        CALL(monitors_list, MONITORS, stage, after, channels, capacity, len, ERR);
    if (succeeded(t, status) && *len > capacity)
        violation(t, FOUND_WRONG, "more listed than there is room");
}

OPERATION(monitors_need_snapshot) {
    size_t capacity = 1 + pick(t, 6), *len = OUT(size_t);
    lnkeep_channel *channels = OUT_ARRAY(lnkeep_channel, capacity);
    lnkeep_status status = CALL(monitors_need_snapshot, MONITORS, channels, capacity, len, ERR);
    if (succeeded(t, status) && *len > capacity)
        violation(t, FOUND_WRONG, "more listed than there is room");
}

OPERATION(monitors_load) {
    lnkeep_monitor **monitor = OUT(lnkeep_monitor *);
    lnkeep_status status =
        CALL(monitors_load, MONITORS, IN_BYTES(channel_ids[pick_channel_id(t)], 32), monitor, ERR);
    KEEP(status, A_MONITOR, monitor);
}

const struct operation monitors_operations[] = {
    ROW(monitors_open),          ROW(monitors_queue_new),
    ROW(monitors_queue_update),  ROW(monitors_queue_snapshot),
    ROW(monitors_queue_archive), ROW(monitors_queue_output),
    ROW(monitors_can_queue),     ROW(monitors_ticket_is_durable),
    ROW(monitors_capture),       ROW(monitors_commit_captured),
    ROW(monitors_check_manager), ROW(monitors_completions),
    ROW(monitors_take_outputs),  ROW(monitors_acknowledge),
    ROW(monitors_purge),         ROW(monitors_descriptor),
    ROW(monitors_read_state),    ROW(monitors_load_manager),
    ROW(monitors_list),          ROW(monitors_need_snapshot),
    ROW(monitors_load),          ROW(monitors_close),
    ROW(monitors_is_open),
};
TABLE(monitors);

OPERATION(events_open) {
    static const char names[] = "cursor-a";
    lnkeep_bytes name = seldom(t, 8) ? view(t) : view_of(t, names, 6 + pick(t, 3));
    lnkeep_events *events = OUT_HANDLE(lnkeep_events);
    lnkeep_status status =
        CALL(events_open, STORE, name, pick_flags(t, LNKEEP_EVENTS_FROM_NEWEST), events, ERR);
    opened_handle(t, ON_EVENTS, status, events);
}

OPERATION(events_close) {
    lnkeep_events *copy = CLOSING(lnkeep_events, ON_EVENTS);
    lnkeep_status status = CALL(events_close, copy, ERR);
    closed_handle(t, ON_EVENTS, status, copy);
}

OPERATION(events_is_open) {
    lnkeep_events events = EVENTS;
    check_is_open(t, "lnkeep_events_is_open", lnkeep_events_is_open(events));
}

OPERATION(events_take) {
    size_t capacity = pick(t, 9), *taken_len = OUT(size_t);
    lnkeep_event *taken = OUT_ARRAY(lnkeep_event, capacity);
    lnkeep_status status = CALL(events_take, EVENTS, taken, capacity, taken_len, ERR);
    if (!succeeded(t, status)) return;
    if (*taken_len > capacity) violation(t, FOUND_WRONG, "more taken than there is room");
    else for (size_t i = 0; i < *taken_len; i++) remember(&t->events, taken[i].sequence);
}

OPERATION(events_ack) { CALL(events_ack, EVENTS, pick_number(t, &t->events), ERR); }

OPERATION(events_unregister) { CALL(events_unregister, EVENTS, ERR); }

OPERATION(events_first_available) { CALL(events_first_available, EVENTS, OUT(uint64_t), ERR); }

OPERATION(events_descriptor) { CALL(events_descriptor, EVENTS, OUT(int), ERR); }

const struct operation events_operations[] = {
    ROW(events_open),
    ROW(events_take),
    ROW(events_ack),
    ROW(events_unregister),
    ROW(events_first_available),
    ROW(events_descriptor),
    ROW(events_close),
    ROW(events_is_open),
};
TABLE(events);

/* After the last life: channels and their manager are of one commit, and outputs come back. */

#include "common.h"
#include "life.h"

#include <stdio.h>
#include <string.h>

enum { LAST_MANAGER = 60001 };

static const lnkeep_monitor_update *update_at(const lnkeep_monitor *monitor, size_t index) {
    const void *at = (const char *)monitor->updates + index * monitor->update_stride;
    return at;
}

/* Whether bytes are what was queued under some seed, to the last one; the seed is the first. */
static int is_queued(unsigned kind, unsigned channel, uint64_t update_id, lnkeep_bytes bytes) {
    if (bytes.len == 0) return 0;
    lnkeep_bytes wanted = monitor_bytes(kind, channel, update_id, bytes.ptr[0]);
    return wanted.len == bytes.len && memcmp(wanted.ptr, bytes.ptr, bytes.len) == 0;
}

static void read_updates(unsigned number, const lnkeep_monitor *monitor, struct channel *seen) {
    for (size_t i = 0; i < monitor->updates_len && i < CHANNEL_UPDATES_MAX; i++) {
        const lnkeep_monitor_update *update = update_at(monitor, i);
        if (update->update_id != seen->snapshot_id + 1 + i) {
            finding(FOUND_LOST, "channel %u: update %llu in place %zu after %llu", number,
                    (unsigned long long)update->update_id, i + 1,
                    (unsigned long long)seen->snapshot_id);
        }
        if (!is_queued(MONITORS_UPDATE, number, update->update_id, update->update)) {
            finding(FOUND_WRONG, "channel %u: update %llu has other bytes", number,
                    (unsigned long long)update->update_id);
        }
        seen->update_seeds[i] = update->update.len ? update->update.ptr[0] : 0;
    }
    uint64_t updates = seen->tip - seen->snapshot_id;
    if (monitor->updates_len != updates || updates > CHANNEL_UPDATES_MAX) {
        finding(FOUND_LOST, "channel %u: %zu updates from %llu to %llu", number,
                monitor->updates_len, (unsigned long long)seen->snapshot_id,
                (unsigned long long)seen->tip);
        seen->tip = seen->snapshot_id;
    }
}

static void read_channel(struct session *session, unsigned number, struct channel *seen) {
    lnkeep_monitor *monitor = NULL;
    uint8_t id[32];
    channel_id(number, id);
    lnkeep_status status = lnkeep_monitors_load(session->monitors, id, &monitor, NULL);
    if (status == LNKEEP_UNKNOWN_CHANNEL) return;
    if (status != LNKEEP_DONE) {
        finding(FOUND_LOST, "channel %u: load answered %s", number, lnkeep_status_name(status));
        return;
    }
    const lnkeep_channel *facts = &monitor->channel;
    lnkeep_block block = snapshot_block(facts->snapshot_update_id);
    if (facts->damage) finding(FOUND_LOST, "channel %u: damage %u", number, facts->damage);
    if (!is_queued(MONITORS_SNAPSHOT, number, facts->snapshot_update_id, monitor->snapshot)) {
        finding(FOUND_WRONG, "channel %u: snapshot at %llu has other bytes", number,
                (unsigned long long)facts->snapshot_update_id);
    }
    if (memcmp(facts->block_hash, block.hash, sizeof block.hash) != 0) {
        finding(FOUND_WRONG, "channel %u: another block", number);
    }
    seen->stage = (uint8_t)monitor->stage;
    seen->snapshot_seed = monitor->snapshot.len ? monitor->snapshot.ptr[0] : 0;
    seen->snapshot_id = facts->snapshot_update_id;
    seen->tip = facts->latest_update_id;
    seen->height = facts->block_height;
    read_updates(number, monitor, seen);
    lnkeep_monitor_free(monitor);
}

/* The list of a stage names what can be loaded, with the same facts. */
static void check_list(struct session *session, uint32_t stage, const struct monitors *seen) {
    lnkeep_channel listed[CHANNELS + 1];
    size_t len = 0, wanted = 0;
    lnkeep_status status = lnkeep_monitors_list(session->monitors, stage, NULL, listed,
                                                CHANNELS + 1, &len, NULL);
    for (unsigned i = 0; i < CHANNELS; i++) wanted += seen->durable[i].stage == stage;
    if (status != LNKEEP_DONE || len != wanted) {
        finding(FOUND_WRONG, "a list of %zu channels answered %s, and %zu can be loaded", len,
                lnkeep_status_name(status), wanted);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        unsigned channel = channel_of(listed[i].channel_id);
        if (channel < CHANNELS && seen->durable[channel].stage == stage &&
            seen->durable[channel].tip == listed[i].latest_update_id && listed[i].damage == 0) {
            continue;
        }
        finding(FOUND_WRONG, "channel %u is listed as it cannot be loaded", channel);
    }
}

/* Whatever the model says: no channel is newer or older than what its manager's commit captured. */
static void check_manager(const struct monitors *seen, const struct manager_head *head) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        const struct channel *channel = &seen->durable[i];
        int is_over = channel->stage == LNKEEP_STAGE_ARCHIVED;
        uint64_t tip = channel->stage == LNKEEP_STAGE_ACTIVE ? channel->tip : 0;
        if (tip == head->captured[i] || is_over) continue;
        finding(FOUND_HALF, "channel %u is at update %llu, and its manager's commit at %llu", i,
                (unsigned long long)tip, (unsigned long long)head->captured[i]);
    }
}

static void read_manager(struct session *session, struct monitors *seen) {
    struct manager_head head = {0};
    lnkeep_buf *manager = NULL;
    lnkeep_status status = lnkeep_monitors_load_manager(session->monitors, &manager, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_LOST, "the manager: %s", lnkeep_status_name(status));
    } else if (manager && !manager_read((lnkeep_bytes){manager->ptr, manager->len}, &head)) {
        finding(FOUND_WRONG, "the manager has other bytes");
    }
    lnkeep_buf_free(manager);
    seen->manager = head.number;
    if (status == LNKEEP_DONE) check_manager(seen, &head);
}

/* Nothing left before it was durable. */
static void check_peers(struct session *session, const struct monitors *seen) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        uint64_t known = session->life->ledger->peer_knows[i];
        const struct channel *channel = &seen->durable[i];
        int was_purged = session->model.monitors.durable[i].stage == STAGE_PURGED ||
                         session->model.monitors.durable[i].stage == LNKEEP_STAGE_ARCHIVED;
        if (known <= channel->tip || (channel->stage == 0 && was_purged)) continue;
        finding(FOUND_LOST, "a peer knows update %llu of channel %u, which is at %llu",
                (unsigned long long)known, i, (unsigned long long)channel->tip);
    }
}

static void check_rescan(const lnkeep_monitors_state *state, const struct monitors *seen) {
    uint32_t lowest = UINT32_MAX;
    for (unsigned i = 0; i < CHANNELS; i++) {
        const struct channel *channel = &seen->durable[i];
        int counts = channel->stage == LNKEEP_STAGE_ACTIVE && channel->height < lowest;
        if (counts) lowest = channel->height;
    }
    int is_known = (state->flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT) != 0;
    if (is_known == (lowest != UINT32_MAX) && (!is_known || state->rescan_height == lowest)) return;
    finding(FOUND_WRONG, "rescan from %u, not from %u", state->rescan_height, lowest);
}

/* Durable outputs that a commit released and nobody took yet. */
static void take_the_rest(struct session *session) {
    static struct answers answers;
    struct step take = {.kind = STEP_TAKE};
    struct expect expect[OPS_MAX];
    session_call_monitors(session, &take, NULL, &answers);
    model_apply(&session->model, &take, 0, expect);
}

void read_monitors(struct session *session, struct model *model) {
    struct monitors *seen = &model->monitors;
    lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    /* Before, nothing was committed in this session. */
    if (session->model.monitors.session == session->number) take_the_rest(session);
    lnkeep_status status = lnkeep_monitors_read_state(session->monitors, &state, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_LOST, "the state of monitors: %s", lnkeep_status_name(status));
    }
    seen->commit_sequence = state.commit_sequence;
    /* The host of this control makes more commits than the script says. */
    if (session->life->control == CONTROL_SPLIT) {
        seen->commit_sequence = session->model.monitors.commit_sequence;
    }
    for (unsigned i = 0; i < CHANNELS; i++) read_channel(session, i, &seen->durable[i]);
    read_manager(session, seen);
    check_list(session, LNKEEP_STAGE_ACTIVE, seen);
    check_list(session, LNKEEP_STAGE_ARCHIVED, seen);
    check_rescan(&state, seen);
    /* Peers know more than a store that was restored. */
    if (!(session->report.flags & LNKEEP_REPORT_RESTORED)) check_peers(session, seen);
    seen->outputs_len = session->outputs_len;
    memcpy(seen->outputs, session->outputs, sizeof seen->outputs);
}

static void note_made(struct session *session, struct entry *entry, unsigned made,
                      const struct model *model) {
    if (entry->cut_offs == CUT_OFFS_MAX) give_up("a step was cut off too often");
    session->model = *model;
    entry->cut_off[entry->cut_offs] = made;
    entry->cut_off_sessions[entry->cut_offs] = entry->session;
    entry->cut_offs++;
    entry->state = ENTRY_MADE;
    session->life->ledger->found_made++;
}

void session_find_commit(struct session *session, unsigned at) {
    static struct model seen, tried;
    const struct step *step = &session->life->script->steps[at];
    struct entry *entry = &session->life->ledger->entries[at];
    char why[300] = "";
    session_read(session, &seen);
    for (unsigned made = 0; made < 4; made++) {
        char other[300];
        int is_answered = (made & entry->made) != entry->made || (made & entry->unmade) != 0;
        tried = session->model;
        if (is_answered || !model_commit_in_part(&tried, step, made)) continue;
        if (model_differs(&tried, &seen, *why ? other : why, sizeof why)) continue;
        if (made) note_made(session, entry, made, &tried);
        else entry->tries = 0;
        return;
    }
    finding(FOUND_LOST, "step %u, in doubt, is at none of its commits (answered %u): %s", at,
            entry->made, why);
}

void check_monitors_report(struct session *session, int was_closed) {
    const lnkeep_monitors_report *report = &session->monitors_report;
    if (report->damaged || report->flags || report->outputs != session->outputs_len) {
        finding(FOUND_LOST, "monitors opened with %llu damaged, flags %u, %llu outputs of %u",
                (unsigned long long)report->damaged, report->flags,
                (unsigned long long)report->outputs, session->outputs_len);
    }
    if (was_closed && report->last_close != LNKEEP_LAST_CLOSE_CLEAN) {
        finding(FOUND_WRONG, "after a clean close monitors say %u", report->last_close);
    }
}

static void ask(struct session *session, struct step *step, unsigned kind, unsigned channel) {
    step->ops[step->ops_len++] = (struct op){(uint8_t)kind, 77, (uint8_t)channel, 0};
    if (step->ops_len < OPS_MAX) return;
    session_perform(session, step);
    step->ops_len = 0;
}

void ask_monitors_again(struct session *session) {
    struct step step = {.kind = STEP_QUEUE}, commit = {.kind = STEP_COMMIT, .ops_len = 1};
    struct step take = {.kind = STEP_TAKE};
    commit.ops[OPS_MAX - 1].slot = LAST_MANAGER;
    monitors_enter(&session->model.monitors, session->number);
    take_the_rest(session);
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        const struct channel *known = &session->model.monitors.projected[channel];
        if (known->stage) ask(session, &step, MONITORS_NEW, channel);
        ask(session, &step, MONITORS_AGAIN, channel);
        ask(session, &step, MONITORS_OTHER, channel);
        ask(session, &step, MONITORS_GAP, channel);
        ask(session, &step, MONITORS_UPDATE, channel);
        ask(session, &step, MONITORS_MESSAGE, channel);
    }
    if (step.ops_len != 0) session_perform(session, &step);
    session_perform(session, &commit);
    session_perform(session, &take);
}

int meddle_with_monitors(lnkeep_store store) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_monitors monitors;
    lnkeep_outputs *outputs = NULL;
    if (lnkeep_monitors_open(store, NULL, &monitors, NULL, NULL) != LNKEEP_DONE) return 1;
    lnkeep_status status = lnkeep_monitors_take_outputs(monitors, OUTPUTS_MAX, &outputs, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < outputs->outputs_len; i++) {
        const void *at = (const char *)outputs->outputs + i * outputs->stride;
        const lnkeep_output *output = at;
        status = lnkeep_monitors_acknowledge(monitors, output->output_id, NULL);
    }
    lnkeep_outputs_free(outputs);
    if (status == LNKEEP_DONE) status = lnkeep_monitors_capture(monitors, &commit.capture, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_monitors_commit_captured(monitors, &commit, NULL, NULL);
    }
    if (status == LNKEEP_DONE) status = lnkeep_monitors_close(&monitors, 0, NULL);
    return status != LNKEEP_DONE;
}

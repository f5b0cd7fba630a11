/* What monitors must answer, and what a commit makes durable. */

#include "model.h"

#include "common.h"

#include <stdio.h>
#include <string.h>

void monitors_enter(struct monitors *monitors, unsigned session) {
    if (monitors->session == session) return;
    monitors->session = session;
    monitors->entries_len = monitors->released_len = monitors->completed_len = 0;
    memcpy(monitors->projected, monitors->durable, sizeof monitors->projected);
    for (unsigned i = 0; i < monitors->outputs_len; i++) monitors->outputs[i].is_acked = 0;
}

static lnkeep_status check_active(const struct channel *channel) {
    if (channel->stage == LNKEEP_STAGE_ARCHIVED) return LNKEEP_CHANNEL_ARCHIVED;
    return channel->stage == LNKEEP_STAGE_ACTIVE ? LNKEEP_DONE : LNKEEP_UNKNOWN_CHANNEL;
}

static lnkeep_status look_at_update(const struct channel *channel, struct monitor_entry *entry) {
    entry->update_id = channel->tip + 1;
    uint64_t updates = channel->tip - channel->snapshot_id;
    return updates >= CHANNEL_UPDATES_MAX ? LNKEEP_SNAPSHOT_REQUIRED : LNKEEP_DONE;
}

/* The newest update once more, or other bytes in its place. */
static lnkeep_status look_at_repeat(const struct monitors *monitors, const struct channel *channel,
                                    const struct op *op, struct monitor_entry *entry) {
    entry->update_id = channel->tip;
    if (channel->tip == channel->snapshot_id) return LNKEEP_UPDATE_STALE;
    entry->seed = channel->update_seeds[channel->tip - channel->snapshot_id - 1];
    if (op->kind == MONITORS_OTHER) entry->seed ^= 1;
    if (op->kind == MONITORS_OTHER) return LNKEEP_UPDATE_CONFLICT;
    for (unsigned i = 0; i < monitors->entries_len; i++) {
        const struct monitor_entry *queued = &monitors->entries[i];
        if (queued->kind == MONITORS_UPDATE && queued->channel == entry->channel &&
            queued->update_id == entry->update_id) {
            return LNKEEP_ALREADY_QUEUED;
        }
    }
    return LNKEEP_ALREADY;
}

static lnkeep_status look_at_snapshot(const struct channel *channel, const struct op *op,
                                      struct monitor_entry *entry) {
    int is_below = op->slot == 1 && channel->tip > channel->snapshot_id;
    entry->update_id = channel->tip - (is_below ? 1 : 0);
    if (op->kind == MONITORS_SNAPSHOT_AHEAD) entry->update_id = channel->tip + 1;
    if (op->kind == MONITORS_SNAPSHOT_AHEAD) return LNKEEP_SNAPSHOT_AHEAD;
    if (op->kind == MONITORS_SNAPSHOT_STALE) entry->update_id = channel->snapshot_id - 1;
    return op->kind == MONITORS_SNAPSHOT_STALE ? LNKEEP_SNAPSHOT_STALE : LNKEEP_DONE;
}

/* The number of an output that waits, or of none. */
static lnkeep_status look_at_ack(const struct monitors *monitors, const struct op *op,
                                 struct monitor_entry *entry) {
    entry->update_id = monitors->output_last + 7;
    if (monitors->outputs_len == 0 || op->seed % 16 == 15) return LNKEEP_UNKNOWN_OUTPUT;
    const struct monitor_output *output = &monitors->outputs[op->seed % monitors->outputs_len];
    entry->update_id = output->id;
    return output->is_acked ? LNKEEP_UNKNOWN_OUTPUT : LNKEEP_DONE;
}

lnkeep_status monitors_look(const struct monitors *monitors, const struct op *op,
                            struct monitor_entry *entry) {
    const struct channel *channel = &monitors->projected[op->payment];
    lnkeep_status active = check_active(channel);
    *entry = (struct monitor_entry){op->kind, op->payment, op->seed, 0};
    switch ((enum monitors_op)op->kind) {
    case MONITORS_NEW:
        entry->update_id = 1;
        return channel->stage ? LNKEEP_DUPLICATE_CHANNEL : LNKEEP_DONE;
    case MONITORS_MESSAGE:
    case MONITORS_EVENT:
        entry->update_id = output_tag(op->payment, channel->tip, op->seed);
        return LNKEEP_DONE;
    case MONITORS_ACKNOWLEDGE: return look_at_ack(monitors, op, entry);
    default: break;
    }
    entry->update_id = 2;
    if (active != LNKEEP_DONE) return active;
    switch ((enum monitors_op)op->kind) {
    case MONITORS_UPDATE: return look_at_update(channel, entry);
    case MONITORS_AGAIN:
    case MONITORS_OTHER: return look_at_repeat(monitors, channel, op, entry);
    case MONITORS_GAP: entry->update_id = channel->tip + 2; return LNKEEP_UPDATE_GAP;
    case MONITORS_ARCHIVE: entry->update_id = 0; return LNKEEP_DONE;
    default: return look_at_snapshot(channel, op, entry);
    }
}

/* A channel after an entry of it. */
static void apply(struct channel *channel, const struct monitor_entry *entry) {
    uint64_t included;
    switch ((enum monitors_op)entry->kind) {
    case MONITORS_NEW:
        *channel = (struct channel){.stage = LNKEEP_STAGE_ACTIVE,
                                    .snapshot_seed = entry->seed,
                                    .snapshot_id = entry->update_id,
                                    .tip = entry->update_id,
                                    .height = snapshot_block(entry->update_id).height};
        break;
    case MONITORS_UPDATE:
        channel->update_seeds[channel->tip - channel->snapshot_id] = entry->seed;
        channel->tip = entry->update_id;
        break;
    case MONITORS_SNAPSHOT:
        included = entry->update_id - channel->snapshot_id;
        memmove(channel->update_seeds, channel->update_seeds + included,
                (size_t)(channel->tip - entry->update_id));
        channel->snapshot_id = entry->update_id;
        channel->snapshot_seed = entry->seed;
        channel->height = snapshot_block(entry->update_id).height;
        break;
    case MONITORS_ARCHIVE: channel->stage = LNKEEP_STAGE_ARCHIVED; break;
    default: break;
    }
}

static void acknowledge(struct monitors *monitors, uint64_t id) {
    for (unsigned i = 0; i < monitors->outputs_len; i++) {
        if (monitors->outputs[i].id == id) monitors->outputs[i].is_acked = 1;
    }
}

lnkeep_status monitors_queue(struct monitors *monitors, const struct op *op) {
    struct monitor_entry entry;
    lnkeep_status status = monitors_look(monitors, op, &entry);
    if (status != LNKEEP_DONE) return status;
    if (op->kind == MONITORS_ACKNOWLEDGE) {
        acknowledge(monitors, entry.update_id);
        return status;
    }
    if (monitors->entries_len == ENTRIES_MAX) give_up("the script queues too much");
    monitors->entries[monitors->entries_len++] = entry;
    apply(&monitors->projected[entry.channel], &entry);
    return status;
}

int entry_advances(const struct monitor_entry *entry) {
    return entry->kind == MONITORS_NEW || entry->kind == MONITORS_UPDATE ||
           entry->kind == MONITORS_ARCHIVE;
}

static int is_output(const struct monitor_entry *entry) {
    return entry->kind == MONITORS_MESSAGE || entry->kind == MONITORS_EVENT;
}

static void release(struct monitors *monitors, const struct monitor_entry *entry) {
    struct monitor_output output = {0, entry->update_id, 0};
    if (entry->kind == MONITORS_EVENT) output.id = ++monitors->output_last;
    int is_full = monitors->released_len == RELEASED_MAX ||
                  (output.id && monitors->outputs_len == OUTPUTS_MAX);
    if (is_full) give_up("the script makes too many outputs");
    if (output.id) monitors->outputs[monitors->outputs_len++] = output;
    monitors->released[monitors->released_len++] = output;
}

void monitors_commit(struct monitors *monitors, unsigned entries_len, unsigned manager) {
    unsigned kept = 0;
    for (unsigned i = 0; i < monitors->outputs_len; i++) {
        if (!monitors->outputs[i].is_acked) monitors->outputs[kept++] = monitors->outputs[i];
    }
    monitors->outputs_len = kept;
    for (unsigned i = 0; i < entries_len; i++) {
        const struct monitor_entry *entry = &monitors->entries[i];
        if (is_output(entry)) {
            release(monitors, entry);
            continue;
        }
        if (monitors->completed_len == RELEASED_MAX) give_up("the script completes too much");
        monitors->completed[monitors->completed_len++] = *entry;
        apply(&monitors->durable[entry->channel], entry);
    }
    monitors->entries_len -= entries_len;
    memmove(monitors->entries, monitors->entries + entries_len,
            monitors->entries_len * sizeof monitors->entries[0]);
    monitors->commit_sequence++;
    if (manager) monitors->manager = manager;
}

static uint64_t tip_of(const struct channel *channel) {
    return channel->stage == LNKEEP_STAGE_ACTIVE ? channel->tip : 0;
}

void manager_describe(const struct monitors *monitors, unsigned captured, unsigned number,
                      struct manager_head *head) {
    struct channel after[CHANNELS];
    memcpy(after, monitors->durable, sizeof after);
    for (unsigned i = 0; i < captured; i++) {
        const struct monitor_entry *entry = &monitors->entries[i];
        if (!is_output(entry)) apply(&after[entry->channel], entry);
    }
    *head = (struct manager_head){.number = number};
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        head->captured[channel] = tip_of(&after[channel]);
        head->known[channel] = tip_of(&monitors->projected[channel]);
    }
}

unsigned channel_to_lie_about(const struct monitors *monitors) {
    unsigned channel = 0;
    while (channel < CHANNELS && tip_of(&monitors->projected[channel]) == 0) channel++;
    return channel;
}

int spare_update(const struct monitors *monitors, unsigned seed, struct op *op) {
    for (unsigned i = 0; i < CHANNELS; i++) {
        struct monitor_entry entry;
        unsigned channel = (seed + i) % CHANNELS;
        *op = (struct op){MONITORS_UPDATE, (uint8_t)seed, (uint8_t)channel, 0};
        if (monitors_look(monitors, op, &entry) == LNKEEP_DONE) return 1;
    }
    return 0;
}

static lnkeep_status refusal_of(const struct monitors *monitors, unsigned manner) {
    int may_lie = channel_to_lie_about(monitors) < CHANNELS;
    switch ((enum commit_manner)manner) {
    case COMMIT_WITHOUT_MANAGER:
        for (unsigned i = 0; i < monitors->entries_len; i++) {
            if (entry_advances(&monitors->entries[i])) return LNKEEP_MANAGER_REQUIRED;
        }
        return LNKEEP_DONE;
    case COMMIT_LOST: return may_lie ? LNKEEP_LOST_UPDATE : LNKEEP_DONE;
    case COMMIT_TOO_OLD: return may_lie ? LNKEEP_MANAGER_BEHIND : LNKEEP_DONE;
    case COMMIT_TWICE: return may_lie ? LNKEEP_DUPLICATE_ID : LNKEEP_DONE;
    case COMMIT_STRANGE: return LNKEEP_UNKNOWN_CHANNEL;
    default: return LNKEEP_DONE;
    }
}

static struct expect apply_commit(struct monitors *monitors, const struct step *step) {
    const struct op *how = &step->ops[0];
    struct op spare;
    unsigned captured = monitors->entries_len;
    lnkeep_status status = refusal_of(monitors, how->kind);
    if (status != LNKEEP_DONE) return expect_answer(status);
    if (how->kind == COMMIT_BEHIND && spare_update(monitors, how->seed, &spare)) {
        monitors_queue(monitors, &spare);
    }
    unsigned manager = how->kind == COMMIT_WITHOUT_MANAGER ? 0 : step_manager(step);
    monitors_commit(monitors, captured, manager);
    return expect_answer(LNKEEP_DONE);
}

/* Two commits at once: the first captured what was queued, the second one update more. */
static int apply_race(struct monitors *monitors, const struct step *step, unsigned made) {
    const struct op *how = &step->ops[0];
    struct op spare;
    unsigned captured = monitors->entries_len;
    if (spare_update(monitors, how->seed, &spare)) monitors_queue(monitors, &spare);
    if (made & 1) monitors_commit(monitors, captured, step_manager(step));
    if (made & 2) monitors_commit(monitors, monitors->entries_len, step_manager(step) + 1);
    return 1;
}

static struct expect apply_purge(struct monitors *monitors, const struct step *step) {
    struct channel *channel = &monitors->durable[step->ops[0].payment];
    if (channel->stage != LNKEEP_STAGE_ARCHIVED) return expect_answer(LNKEEP_NOT_ARCHIVED);
    *channel = (struct channel){.stage = STAGE_PURGED};
    monitors->projected[step->ops[0].payment] = *channel;
    monitors->commit_sequence++;
    return expect_answer(LNKEEP_DONE);
}

void model_monitors(struct model *model, const struct step *step, unsigned left_out,
                    struct expect *expect) {
    struct monitors *monitors = &model->monitors;
    switch ((enum step_kind)step->kind) {
    case STEP_QUEUE:
        for (unsigned i = 0; i < step->ops_len; i++) {
            if (left_out >> i & 1) continue;
            expect[i] = expect_answer(monitors_queue(monitors, &step->ops[i]));
        }
        break;
    case STEP_COMMIT: expect[0] = apply_commit(monitors, step); break;
    case STEP_GROUP:
        for (unsigned i = 0; i < step->ops_len; i++) {
            if (expect[i].status < 0) return;
        }
        monitors_commit(monitors, monitors->entries_len, step_manager(step));
        break;
    case STEP_RACE: apply_race(monitors, step, left_out ? 2 : 3); break;
    case STEP_PURGE: expect[0] = apply_purge(monitors, step); break;
    case STEP_TAKE: monitors->released_len = monitors->completed_len = 0; break;
    default: break;
    }
}

unsigned step_manager(const struct step *step) { return step->ops[OPS_MAX - 1].slot; }

int step_is_commit(const struct step *step) {
    return step->kind == STEP_COMMIT || step->kind == STEP_GROUP || step->kind == STEP_RACE ||
           step->kind == STEP_PURGE;
}

int model_commit_in_part(struct model *model, const struct step *step, unsigned made) {
    struct expect expect[OPS_MAX];
    if (made == 0) return 1;
    if (step->kind == STEP_RACE) return apply_race(&model->monitors, step, made);
    if (made != 1) return 0;
    uint64_t before = model->monitors.commit_sequence;
    model_apply(model, step, 0, expect);
    return model->monitors.commit_sequence != before;
}

static int is_gone(const struct channel *channel) {
    return channel->stage == 0 || channel->stage == STAGE_PURGED;
}

/* One that was purged reads as one that never was, until its id is asked for again. */
static int channels_differ(const struct channel *one, const struct channel *two) {
    if (is_gone(one) && is_gone(two)) return 0;
    if (one->stage != two->stage) return 1;
    return one->snapshot_seed != two->snapshot_seed || one->snapshot_id != two->snapshot_id ||
           one->tip != two->tip || one->height != two->height ||
           memcmp(one->update_seeds, two->update_seeds, one->tip - one->snapshot_id) != 0;
}

static int outputs_differ(const struct monitors *one, const struct monitors *two) {
    if (one->outputs_len != two->outputs_len) return 1;
    for (unsigned i = 0; i < one->outputs_len; i++) {
        const struct monitor_output *left = &one->outputs[i], *right = &two->outputs[i];
        if (left->id != right->id || left->tag != right->tag) return 1;
    }
    return 0;
}

int model_monitors_differ(const struct model *wanted, const struct model *given, char *why,
                          size_t len) {
    const struct monitors *one = &wanted->monitors, *two = &given->monitors;
    for (unsigned i = 0; i < CHANNELS; i++) {
        const struct channel *left = &one->durable[i], *right = &two->durable[i];
        if (!channels_differ(left, right)) continue;
        snprintf(why, len, "channel %u: stage %u, updates %llu to %llu; not stage %u, %llu to %llu",
                 i, right->stage, (unsigned long long)right->snapshot_id,
                 (unsigned long long)right->tip, left->stage,
                 (unsigned long long)left->snapshot_id, (unsigned long long)left->tip);
        return 1;
    }
    if (one->commit_sequence != two->commit_sequence || one->manager != two->manager) {
        snprintf(why, len, "commit %llu of monitors, manager %u; not commit %llu, manager %u",
                 (unsigned long long)two->commit_sequence, two->manager,
                 (unsigned long long)one->commit_sequence, one->manager);
        return 1;
    }
    if (!outputs_differ(one, two)) return 0;
    snprintf(why, len, "%u outputs wait, from number %llu; not %u, from number %llu",
             two->outputs_len, two->outputs_len ? (unsigned long long)two->outputs[0].id : 0,
             one->outputs_len, one->outputs_len ? (unsigned long long)one->outputs[0].id : 0);
    return 1;
}

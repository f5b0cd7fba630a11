/* Monitors in the stores that are damaged: channels, updates, outputs and the manager. */

#include "damage.h"

#include <string.h>

enum {
    FIRST_UPDATE = 10,
    UPDATE_BYTES = 150,
    SNAPSHOT_BYTES = 1400,
    BIG_SNAPSHOTS = 2,
    BIG_SNAPSHOT_BYTES = 300000, /* two chunks, of many overflow pages */
    MANAGER_BYTES = 40000,
    BATCH = 12,
    TAKEN_MAX = 64,
};

lnkeep_bytes monitors_snapshot(size_t channel, uint64_t update_id) {
    static uint8_t bytes[BIG_SNAPSHOT_BYTES + 64];
    size_t more = (size_t)(channel * 37 + update_id * 11) % SNAPSHOT_BYTES;
    size_t len = channel < BIG_SNAPSHOTS ? BIG_SNAPSHOT_BYTES + more % 64 : 100 + more;
    part_bytes(1u << 30 | channel << 12 | update_id, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_bytes monitors_update(size_t channel, uint64_t update_id) {
    static uint8_t bytes[9100];
    size_t len = 20 + (size_t)(channel * 13 + update_id * 7) % UPDATE_BYTES;
    if (channel == 2 && update_id % 3 == 0) len += 9000 - UPDATE_BYTES;
    part_bytes(2u << 30 | channel << 12 | update_id, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_bytes monitors_payload(uint64_t tag) {
    static uint8_t bytes[8200];
    size_t len = tag % 17 == 5 ? 8100 : 30 + (size_t)tag % 90;
    part_bytes((uint64_t)3 << 30 | tag, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_bytes monitors_manager(uint64_t number) {
    static uint8_t bytes[MANAGER_BYTES + 100];
    size_t len = MANAGER_BYTES + (size_t)number % 100;
    part_bytes((uint64_t)4 << 30 | number, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_status monitors_commit(struct parts *p, const struct monitors_truth *now, uint64_t manager) {
    lnkeep_channel_tip view[CHANNELS_MAX];
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_status status = lnkeep_monitors_capture(p->monitors, &commit.capture, NULL);
    if (status != LNKEEP_DONE) return status;
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = monitors_manager(manager);
    for (size_t number = 0; number < now->channels_len; number++) {
        const struct known_channel *channel = &now->channels[number];
        if (channel->stage != LNKEEP_STAGE_ACTIVE) continue;
        memcpy(view[commit.view_len].channel_id, channel->id, sizeof channel->id);
        view[commit.view_len++].update_id = channel->tip;
    }
    commit.view = view;
    return lnkeep_monitors_commit_captured(p->monitors, &commit, NULL, NULL);
}

static lnkeep_status acknowledge_some(struct parts *p) {
    lnkeep_outputs *outputs = NULL;
    lnkeep_status status = lnkeep_monitors_take_outputs(p->monitors, TAKEN_MAX, &outputs, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < outputs->outputs_len; i++) {
        const uint8_t *at = (const uint8_t *)outputs->outputs + i * outputs->stride;
        uint64_t id = ((const lnkeep_output *)(const void *)at)->output_id;
        if (id % 3 != 0) status = lnkeep_monitors_acknowledge(p->monitors, id, NULL);
    }
    lnkeep_outputs_free(outputs);
    return status;
}

static lnkeep_status commit_and_take(struct parts *p) {
    struct monitors_truth *truth = &p->truth->monitors;
    lnkeep_status status = monitors_commit(p, truth, ++truth->managers);
    return status == LNKEEP_DONE ? acknowledge_some(p) : status;
}

static lnkeep_status update(struct parts *p, size_t number, unsigned updates) {
    struct known_channel *channel = &p->truth->monitors.channels[number];
    lnkeep_status status = LNKEEP_DONE;
    for (unsigned i = 0; i < updates && status == LNKEEP_DONE; i++) {
        channel->tip++;
        status = lnkeep_monitors_queue_update(p->monitors, channel->id, channel->tip,
                                              monitors_update(number, channel->tip), 0, NULL, NULL);
    }
    return status;
}

static lnkeep_status snapshot(struct parts *p, size_t number, int is_new) {
    struct known_channel *channel = &p->truth->monitors.channels[number];
    lnkeep_block block = {.height = (uint32_t)(800000 + number + channel->tip)};
    memset(block.hash, (int)number + 1, sizeof block.hash);
    channel->base = channel->tip;
    lnkeep_bytes bytes = monitors_snapshot(number, channel->tip);
    return is_new ? lnkeep_monitors_queue_new(p->monitors, channel->id, channel->tip, bytes, &block,
                                              0, NULL, NULL)
                  : lnkeep_monitors_queue_snapshot(p->monitors, channel->id, channel->tip, bytes,
                                                   &block, 0, NULL, NULL);
}

static lnkeep_status begin(struct parts *p, size_t number) {
    struct monitors_truth *truth = &p->truth->monitors;
    struct known_channel *channel = &truth->channels[truth->channels_len++];
    part_id("channel", number, channel->id);
    channel->stage = LNKEEP_STAGE_ACTIVE;
    channel->tip = FIRST_UPDATE + number % 3;
    lnkeep_status status = snapshot(p, number, 1);
    return status == LNKEEP_DONE ? update(p, number, 3) : status;
}

/* What the second and the third stage do to a channel. */
static lnkeep_status go_on(struct parts *p, size_t number, unsigned stage) {
    struct known_channel *channel = &p->truth->monitors.channels[number];
    lnkeep_status status = LNKEEP_DONE;
    if (stage == 1 && number % 6 == 5) {
        channel->stage = LNKEEP_STAGE_ARCHIVED;
        return lnkeep_monitors_queue_archive(p->monitors, channel->id, NULL, NULL);
    }
    if (number % 6 == 5) {
        if (number % 12 != 5) return LNKEEP_DONE;
        channel->stage = 0;
        return lnkeep_monitors_purge(p->monitors, channel->id, NULL, NULL);
    }
    if (stage == 1 || number % 2 == 0) status = update(p, number, stage == 1 ? 4 : 1);
    int is_due = stage == 1 ? number % 3 == 1 : number % 5 == 0;
    if (status == LNKEEP_DONE && is_due) status = snapshot(p, number, 0);
    return status;
}

lnkeep_status monitors_fill(struct parts *p, unsigned stage) {
    struct monitors_truth *truth = &p->truth->monitors;
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    lnkeep_status status = LNKEEP_DONE;
    options.flags = LNKEEP_MONITORS_WITHOUT_COMPLETIONS;
    if (stage < 2) status = lnkeep_monitors_open(p->store, &options, &p->monitors, NULL, NULL);
    size_t queued = 0;
    for (size_t number = 0; number < p->truth->len && status == LNKEEP_DONE; number++) {
        status = stage == 0 ? begin(p, number) : go_on(p, number, stage);
        uint64_t tag = ++truth->made_outputs;
        if (status == LNKEEP_DONE) {
            status = lnkeep_monitors_queue_output(p->monitors, LNKEEP_OUTPUT_DURABLE, tag,
                                                  monitors_payload(tag), NULL, NULL);
        }
        if (++queued < (stage == 2 ? 2 : BATCH) || status != LNKEEP_DONE) continue;
        status = commit_and_take(p);
        queued = 0;
    }
    /* The last commit makes what was acknowledged durable. */
    if (status == LNKEEP_DONE) status = commit_and_take(p);
    if (status == LNKEEP_DONE) status = monitors_commit(p, truth, ++truth->managers);
    return status;
}

/* --- Learning: a sound store holds what was made. */

static int is_bytes(lnkeep_bytes given, lnkeep_bytes wanted) {
    return given.len == wanted.len && memcmp(given.ptr, wanted.ptr, wanted.len) == 0;
}

static int learn_channel(struct parts *p, size_t number) {
    struct known_channel *channel = &p->truth->monitors.channels[number];
    lnkeep_monitor *monitor = NULL;
    lnkeep_status status = lnkeep_monitors_load(p->monitors, channel->id, &monitor, NULL);
    if (channel->stage == 0) return status != LNKEEP_UNKNOWN_CHANNEL;
    if (status != LNKEEP_DONE || monitor->stage != channel->stage) return 1;
    channel->facts = monitor->channel;
    int is_right = channel->facts.damage == 0 && channel->facts.latest_update_id == channel->tip &&
                   is_bytes(monitor->snapshot, monitors_snapshot(number, channel->base)) &&
                   monitor->updates_len == channel->tip - channel->base &&
                   monitor->updates_len <= UPDATES_KEPT_MAX;
    channel->snapshot = part_digest(monitor->snapshot.ptr, monitor->snapshot.len);
    for (size_t i = 0; is_right && i < monitor->updates_len; i++) {
        const uint8_t *at = (const uint8_t *)monitor->updates + i * monitor->update_stride;
        const lnkeep_monitor_update *one = (const void *)at;
        is_right = one->update_id == channel->base + 1 + i &&
                   is_bytes(one->update, monitors_update(number, one->update_id));
        channel->updates[i] = part_digest(one->update.ptr, one->update.len);
    }
    lnkeep_monitor_free(monitor);
    return !is_right;
}

static int learn_outputs(struct parts *p) {
    struct monitors_truth *truth = &p->truth->monitors;
    size_t taken = 1;
    int is_right = 1;
    while (taken > 0) {
        lnkeep_outputs *outputs = NULL;
        lnkeep_status status = lnkeep_monitors_take_outputs(p->monitors, TAKEN_MAX, &outputs, NULL);
        if (status != LNKEEP_DONE) return 1;
        taken = outputs->outputs_len;
        for (size_t i = 0; i < taken && truth->outputs_len < OUTPUTS_MAX; i++) {
            const uint8_t *at = (const uint8_t *)outputs->outputs + i * outputs->stride;
            const lnkeep_output *one = (const void *)at;
            is_right &= one->output_id > truth->last_output && one->output_id % 3 == 0 &&
                        is_bytes(one->payload, monitors_payload(one->tag));
            uint64_t digest = part_digest(one->payload.ptr, one->payload.len);
            truth->last_output = one->output_id;
            truth->outputs[truth->outputs_len++] =
                (struct known_output){one->output_id, one->tag, digest};
        }
        lnkeep_outputs_free(outputs);
    }
    return !is_right || truth->outputs_len == 0 || truth->outputs_len == OUTPUTS_MAX;
}

int monitors_learn(struct parts *p) {
    struct monitors_truth *truth = &p->truth->monitors;
    lnkeep_monitors_report report = LNKEEP_MONITORS_REPORT_INIT;
    lnkeep_buf *manager = NULL;
    if (lnkeep_monitors_open(p->store, NULL, &p->monitors, &report, NULL) != LNKEEP_DONE) return 1;
    if (report.damaged != 0 || report.flags != 0) return 2;
    truth->commit_sequence = report.commit_sequence;
    for (size_t number = 0; number < truth->channels_len; number++) {
        if (learn_channel(p, number)) return 3;
    }
    if (lnkeep_monitors_load_manager(p->monitors, &manager, NULL) != LNKEEP_DONE) return 4;
    lnkeep_bytes bytes = {manager->ptr, manager->len};
    int is_right = is_bytes(bytes, monitors_manager(truth->managers));
    truth->manager = part_digest(manager->ptr, manager->len);
    lnkeep_buf_free(manager);
    return !is_right ? 5 : learn_outputs(p) ? 6 : 0;
}

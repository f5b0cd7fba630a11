/* A node whose channels are updated: its checkpoints, one after the other, and how lnkeep keeps them. */
#include "monitors.h"

#include "lnkeep_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Channels that are folded in one commit. */
#define FOLD_CHANNELS 50

static struct node node;
static char *store_folder;
static lnkeep_store store;
static lnkeep_monitors monitors;
static lnkeep_channel_tip view[CHANNELS];

void channel_id(unsigned channel, uint8_t id[CHANNEL_ID_BYTES])
{
    fill_bytes(id, CHANNEL_ID_BYTES, channel);
}

void fill_bytes(uint8_t *bytes, size_t len, uint64_t seed)
{
    for (size_t at = 0; at < len; at += sizeof seed) {
        seed = scatter(seed);
        memcpy(bytes + at, &seed, len - at < sizeof seed ? len - at : sizeof seed);
    }
}

static void next_checkpoint(struct node *of, unsigned channels)
{
    struct checkpoint *checkpoint = &of->checkpoint;
    if (of->checkpoints++ == 0)
        fill_bytes(checkpoint->manager, MANAGER_BYTES, 0);
    fill_bytes(checkpoint->manager, UPDATE_BYTES, of->checkpoints);
    checkpoint->len = channels;
    for (unsigned i = 0; i < channels; i++) {
        unsigned channel = of->next;
        of->next = (channel + 1) % CHANNELS;
        checkpoint->channels[i] = channel;
        channel_id(channel, checkpoint->ids[i]);
        checkpoint->update_ids[i] = ++of->tips[channel];
        fill_bytes(checkpoint->updates[i], UPDATE_BYTES, of->tips[channel]);
    }
}

struct round checkpoints_round(struct node *of, void (*commit)(const struct checkpoint *),
                               unsigned channels, uint64_t round_ns)
{
    struct round round = {0};
    must(channels <= CHANNELS, "a checkpoint: number of channels");
    while (round.length_ns < round_ns) {
        next_checkpoint(of, channels);
        uint64_t before = now_ns();
        commit(&of->checkpoint);
        uint64_t took = now_ns() - before;
        samples_add(&round.samples, took);
        round.length_ns += took;
        round.operations++;
    }
    return round;
}

void fold_updates(struct node *of, const char *folder,
                  void (*fold)(const unsigned *channels, size_t len))
{
    unsigned channels[FOLD_CHANNELS];
    size_t len = 0;
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        if (of->folded[channel] < of->tips[channel])
            channels[len++] = channel;
        if (len == FOLD_CHANNELS || (channel == CHANNELS - 1 && len > 0)) {
            fold(channels, len);
            for (size_t i = 0; i < len; i++)
                of->folded[channels[i]] = of->tips[channels[i]];
            len = 0;
        }
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(fd >= 0 && syncfs(fd) == 0 && close(fd) == 0, "syncfs");
}

/* What was queued, with a manager, as one commit; then its completions, which a host has to take. */
static void commit_queued(const uint8_t *manager, size_t channels)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    keep_must(lnkeep_monitors_capture(monitors, &commit.capture, &err), &err);
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = (lnkeep_bytes){manager, MANAGER_BYTES};
    commit.view = view;
    commit.view_len = CHANNELS;
    keep_must(lnkeep_monitors_commit_captured(monitors, &commit, NULL, &err), &err);
    static lnkeep_monitor_completion taken[CHANNELS];
    size_t len = 0;
    keep_must(lnkeep_monitors_completions(monitors, taken, CHANNELS, &len, &err), &err);
    must(len == channels, "the completions of a checkpoint");
}

static void checkpoint(const struct checkpoint *checkpoint)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (unsigned i = 0; i < checkpoint->len; i++) {
        lnkeep_channel_tip *tip = &view[checkpoint->channels[i]];
        lnkeep_bytes update = {checkpoint->updates[i], UPDATE_BYTES};
        tip->update_id = checkpoint->update_ids[i];
        keep_must(lnkeep_monitors_queue_update(monitors, tip->channel_id, tip->update_id, update, 0,
                                               NULL, &err),
                  &err);
    }
    commit_queued(checkpoint->manager, checkpoint->len);
}

static void fold(const unsigned *channels, size_t len)
{
    static uint8_t snapshot[SNAPSHOT_BYTES];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (size_t i = 0; i < len; i++) {
        const lnkeep_channel_tip *tip = &view[channels[i]];
        fill_bytes(snapshot, sizeof snapshot, tip->update_id);
        keep_must(lnkeep_monitors_queue_snapshot(monitors, tip->channel_id, tip->update_id,
                                                 (lnkeep_bytes){snapshot, sizeof snapshot}, NULL, 0,
                                                 NULL, &err),
                  &err);
    }
    commit_queued(node.checkpoint.manager, len);
}

static void open_lnkeep(const char *folder, uint64_t rows)
{
    (void)rows;
    static uint8_t snapshot[SNAPSHOT_BYTES];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    /* Nothing asks for a snapshot: rounds are measured without them, whatever keeps the checkpoints. */
    options.snapshot_every_updates = options.updates_max = UINT32_MAX;
    options.flags = LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH;
    store_folder = path_in(folder, "store");
    keep_must(lnkeep_store_open(store_folder, NULL, &store, NULL, &err), &err);
    keep_must(lnkeep_monitors_open(store, &options, &monitors, NULL, &err), &err);
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        channel_id(channel, view[channel].channel_id);
        fill_bytes(snapshot, sizeof snapshot, channel);
        keep_must(lnkeep_monitors_queue_new(monitors, view[channel].channel_id, 0,
                                            (lnkeep_bytes){snapshot, sizeof snapshot}, NULL, 0, NULL,
                                            &err),
                  &err);
    }
    commit_queued(node.checkpoint.manager, CHANNELS);
}

static void prepare_lnkeep(unsigned channels, uint64_t round_ns)
{
    (void)channels;
    (void)round_ns;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    fold_updates(&node, store_folder, fold);
    /* Chunks of the earlier snapshots are removed in the background. */
    keep_must(lnkeep_store_sync(store, &err), &err);
}

static struct round round_lnkeep(unsigned channels, uint64_t round_ns)
{
    return checkpoints_round(&node, checkpoint, channels, round_ns);
}

static void close_lnkeep(void)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_monitors_close(&monitors, 0, &err), &err);
    keep_must(lnkeep_store_close(&store, &err), &err);
    free(store_folder);
}

const struct contestant checkpoint_contestants[] = {
    {.name = "checkpoint_lnkeep", .open = open_lnkeep, .prepare = prepare_lnkeep,
     .round = round_lnkeep, .close = close_lnkeep},
    {0},
};

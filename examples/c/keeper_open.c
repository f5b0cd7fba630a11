/*
 * From the disk: the channels as they are there, and what the node's own view knows beyond them.
 */
#include "broken.h"
#include "keeper.h"
#include "life.h"
#include "outcome.h"
#include "views.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { SNAPSHOT_EVERY_UPDATES = 50 };

static void give_up(const char *what, uint64_t number)
{
    fprintf(stderr, "node: %s: %" PRIu64 "\n", what, number);
    _exit(EXIT_COULD_NOT_RUN);
}

static void open_monitors(struct node *node)
{
    lnkeep_monitors_report found = LNKEEP_MONITORS_REPORT_INIT;
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.snapshot_every_updates = SNAPSHOT_EVERY_UPDATES;
    options.flags = node->broken == BROKEN_TWO_COMMITS ? LNKEEP_MONITORS_MANAGER_OPTIONAL : 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_open(node->store, &options, &node->monitors, &found, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open monitors", status, &err);
    if (found.damaged > 0) {
        give_up("damaged channels", found.damaged);
    }
    if (found.flags != 0) {
        /* Missing, or older than the channels: whoever restored it must not go on with them. */
        give_up("the manager does not belong to the channels", found.flags);
    }
}

static void make_channels(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        const struct monitor *monitor = &keeper->monitors[channel];
        const lnkeep_bytes snapshot = {
            .ptr = (const uint8_t *)monitor,
            .len = monitor_bytes(monitor),
        };
        uint8_t channel_id[WIRE_CHANNEL_ID_BYTES];
        wire_channel_id(channel, channel_id);
        lnkeep_status status = lnkeep_monitors_queue_new(
            node->monitors, channel_id, monitor->commitment_number, snapshot, NULL, 0, NULL, &err);
        outcome_expect("queue channel", status, &err);
    }
}

static void load_monitor(struct node *node, unsigned channel)
{
    struct monitor *monitor = &node->keeper.monitors[channel];
    lnkeep_monitor *found = NULL;
    uint8_t channel_id[WIRE_CHANNEL_ID_BYTES];
    wire_channel_id(channel, channel_id);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_load(node->monitors, channel_id, &found, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("load channel", status, &err);
    bool good = monitor_read(monitor, found->snapshot.ptr, found->snapshot.len);
    for (size_t i = 0; i < found->updates_len && good; i++) {
        const lnkeep_monitor_update *update = update_at(found, i);
        struct change change;
        good = change_read(&change, update->update.ptr, update->update.len) &&
               monitor_apply(monitor, &change);
    }
    if (!good || monitor->commitment_number != found->channel.latest_update_id) {
        give_up("a channel that cannot be read", channel);
    }
    lnkeep_monitor_free(found);
}

/* The view may know changes that did not become durable: nothing that depends on them has left, and
 * they are made again, under the numbers they had. */
static void replay(struct node *node, const struct manager *stored, unsigned channel)
{
    struct monitor *monitor = &node->keeper.monitors[channel];
    const uint64_t newest = stored->commitment_numbers[channel];
    if (monitor->commitment_number > newest) {
        give_up("a channel that is newer than the node knows", channel);
    }
    while (monitor->commitment_number < newest) {
        const struct change *change =
            manager_find(stored, channel, monitor->commitment_number + 1);
        if (change == NULL) {
            give_up("changes are missing in channel", channel);
        }
        keeper_queue_change(node, channel, change);
    }
}

/* False when this is the first life. */
static bool load_manager(struct node *node, struct manager *stored)
{
    lnkeep_buf *bytes = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_load_manager(node->monitors, &bytes, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("load manager", status, &err);
    if (bytes == NULL) {
        return false;
    }
    if (!manager_read(stored, bytes->ptr, bytes->len)) {
        give_up("a manager of another program, bytes", bytes->len);
    }
    lnkeep_buf_free(bytes);
    return true;
}

void keeper_open(struct node *node)
{
    static struct manager stored;
    struct keeper *keeper = &node->keeper;
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_cond_init(&keeper->queued, NULL);
    pthread_cond_init(&keeper->durable, NULL);
    open_monitors(node);
    if (!load_manager(node, &stored)) {
        make_channels(node);
        keeper_commit(node);
        return;
    }
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        load_monitor(node, channel);
        keeper->manager.commitment_numbers[channel] = keeper->monitors[channel].commitment_number;
    }
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        if (node->broken != BROKEN_TWO_COMMITS) {
            replay(node, &stored, channel);
        }
    }
    if (keeper->has_entries) {
        keeper_commit(node);
    }
}

void keeper_close(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("close monitors", lnkeep_monitors_close(&node->monitors, 0, &err), &err);
    pthread_cond_destroy(&keeper->durable);
    pthread_cond_destroy(&keeper->queued);
    pthread_mutex_destroy(&keeper->lock);
}

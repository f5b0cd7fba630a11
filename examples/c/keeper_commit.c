/*
 * One commit of the channels: capture, then write down the node's own view, then store both, and
 * what belongs to them in other components, in one transaction.
 *
 * The capture comes first. What other threads queue after it may already stand in the view, which
 * therefore carries every change that was not durable yet; a restarted node makes those again. The
 * other way round, a channel would be newer on disk than the node knows.
 */
#define _XOPEN_SOURCE 700
#include "broken.h"
#include "keeper.h"
#include "life.h"
#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COMPLETIONS_MAX = 64, SERIALISE_US = 300 };

/* Operations of other threads belong to this commit if their updates do: both under one lock. */
static void capture(struct node *node, struct batch *batch)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    pthread_mutex_lock(&keeper->lock);
    outcome_expect("capture", lnkeep_monitors_capture(node->monitors, &batch->capture, &err), &err);
    if (node->broken == BROKEN_TWO_COMMITS) {
        broken_capture(node);
    }
    memcpy(batch->steps, keeper->steps, keeper->steps_len * sizeof *keeper->steps);
    batch->steps_len = keeper->steps_len;
    keeper->steps_len = 0;
    keeper->has_entries = false;
    keeper->acknowledged = false; /* the commit covers them */
    pthread_mutex_unlock(&keeper->lock);
}

/* The view of this moment, with all that is in flight. A node with many channels needs a while to
 * write it down; here the pause stands for it, so that others do queue changes meanwhile. */
static void write_manager(struct keeper *keeper, struct manager *manager)
{
    const struct timespec while_writing = {.tv_nsec = SERIALISE_US * 1000L};
    nanosleep(&while_writing, NULL);
    pthread_mutex_lock(&keeper->lock);
    memcpy(manager, &keeper->manager, manager_bytes(&keeper->manager));
    pthread_mutex_unlock(&keeper->lock);
}

static lnkeep_monitors_commit commit_of(const struct batch *batch, const struct manager *manager,
                                        lnkeep_channel_tip view[WIRE_CHANNELS])
{
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    commit.capture = batch->capture;
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = (lnkeep_bytes){.ptr = (const uint8_t *)manager, .len = manager_bytes(manager)};
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        wire_channel_id(channel, view[channel].channel_id);
        view[channel].update_id = manager->commitment_numbers[channel];
    }
    commit.view = view;
    commit.view_len = WIRE_CHANNELS;
    return commit;
}

static void finish(struct step *step, const lnkeep_outcome *outcome)
{
    step->outcome = *outcome;
    step->has_op = false;
}

/* The steps' operations and, last, the commit. Notes whose operations they are. */
static size_t list_ops(struct node *node, struct batch *batch, const lnkeep_monitors_commit *commit,
                       lnkeep_op ops[], struct step *owners[])
{
    size_t len = 0;
    for (size_t i = 0; i < batch->steps_len; i++) {
        if (batch->steps[i]->has_op) {
            owners[len] = batch->steps[i];
            ops[len++] = batch->steps[i]->op;
        }
    }
    ops[len] = (lnkeep_op){
        .kind = LNKEEP_OP_MONITORS_COMMIT,
        .component = node->monitors.bits,
        .body.monitors_commit = {.commit = commit},
    };
    return len + 1;
}

/* Without a mark its HTLC must not leave, and the message that takes it is queued already. */
static bool can_do_without(const struct node *node, const lnkeep_op *op)
{
    return op->kind != LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF || broken_sends_early(node);
}

/*
 * Nothing was applied, since the transaction is all or nothing. A payment's operation that was
 * refused has its answer, such as that the payment ended otherwise, and the others go without it.
 * Returns the status to try again for, or DONE when the same capture can go at once.
 */
static lnkeep_status set_aside_refused(const struct node *node, struct step *owners[],
                                       const lnkeep_outcome outcomes[], size_t len,
                                       const lnkeep_error *err)
{
    lnkeep_status again = LNKEEP_DONE;
    for (size_t i = 0; i < len; i++) {
        const lnkeep_status status = outcomes[i].status;
        const lnkeep_class class = lnkeep_status_class(status);
        if (status == LNKEEP_ABORTED || class == LNKEEP_CLASS_DONE ||
            class == LNKEEP_CLASS_ALREADY) {
            continue;
        }
        if (class == LNKEEP_CLASS_RETRY) {
            again = status;
        } else if (class == LNKEEP_CLASS_REFUSED && i + 1 < len &&
                   can_do_without(node, &owners[i]->op)) {
            finish(owners[i], &outcomes[i]);
        } else {
            /* Refused: the memory of this process is ahead of what can be made durable, and nothing
             * of it has left. The next life begins from the disk. */
            outcome_class("commit", status, err);
            _exit(EXIT_START_AGAIN);
        }
    }
    return again;
}

static void submit(struct node *node, struct batch *batch, const lnkeep_monitors_commit *commit)
{
    lnkeep_op ops[STEPS_MAX + 1];
    lnkeep_outcome outcomes[STEPS_MAX + 1];
    struct step *owners[STEPS_MAX];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    for (;;) {
        size_t len = list_ops(node, batch, commit, ops, owners);
        lnkeep_status status =
            lnkeep_submit(node->store, ops, len, LNKEEP_SUBMIT_ATOMIC, outcomes, &err);
        if (status == LNKEEP_DONE) {
            for (size_t i = 0; i + 1 < len; i++) {
                finish(owners[i], &outcomes[i]);
            }
            return;
        }
        lnkeep_status again = set_aside_refused(node, owners, outcomes, len, &err);
        if (again != LNKEEP_DONE && !outcome_try_again(again, &patience)) {
            outcome_class("commit", again, &err);
            _exit(EXIT_START_AGAIN);
        }
    }
}

/* Changes that are durable need not be carried on. */
static void take_completions(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_monitor_completion completions[COMPLETIONS_MAX];
    size_t taken_len;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    do {
        lnkeep_status status = lnkeep_monitors_completions(node->monitors, completions,
                                                           COMPLETIONS_MAX, &taken_len, &err);
        outcome_expect("completions", status, &err);
        for (size_t i = 0; i < taken_len; i++) {
            unsigned channel;
            if (wire_read_channel_id(completions[i].channel_id, &channel)) {
                manager_forget(&keeper->manager, channel, completions[i].update_id);
            }
        }
    } while (taken_len == COMPLETIONS_MAX);
}

/* Channels with many updates since their last snapshot get another one, with the next commit. */
static void queue_snapshots(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_channel channels[WIRE_CHANNELS];
    size_t channels_len;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_monitors_need_snapshot(node->monitors, channels, WIRE_CHANNELS,
                                                         &channels_len, &err);
    outcome_expect("need snapshot", status, &err);
    for (size_t i = 0; i < channels_len; i++) {
        unsigned channel;
        if (!wire_read_channel_id(channels[i].channel_id, &channel)) {
            continue;
        }
        const struct monitor *monitor = &keeper->monitors[channel];
        const lnkeep_bytes snapshot = {
            .ptr = (const uint8_t *)monitor,
            .len = monitor_bytes(monitor),
        };
        status = lnkeep_monitors_queue_snapshot(node->monitors, channels[i].channel_id,
                                                monitor->commitment_number, snapshot, NULL, 0, NULL,
                                                &err);
        /* QUEUE_FULL: it is asked for again. */
        if (outcome_class("queue snapshot", status, &err) == LNKEEP_CLASS_DONE) {
            keeper->has_entries = true;
        }
    }
}

static void note_durable(struct node *node, struct batch *batch)
{
    struct keeper *keeper = &node->keeper;
    pthread_mutex_lock(&keeper->lock);
    take_completions(node);
    queue_snapshots(node);
    for (size_t i = 0; i < batch->steps_len; i++) {
        batch->steps[i]->is_done = true;
    }
    pthread_cond_broadcast(&keeper->durable);
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_commit(struct node *node)
{
    static struct manager manager; /* one committer, and before it one thread */
    lnkeep_channel_tip view[WIRE_CHANNELS];
    struct batch batch;
    capture(node, &batch);
    write_manager(&node->keeper, &manager);
    lnkeep_monitors_commit commit = commit_of(&batch, &manager, view);
    if (node->broken == BROKEN_TWO_COMMITS) {
        broken_commit_manager(node, &commit);
    }
    submit(node, &batch, &commit);
    note_durable(node, &batch);
}

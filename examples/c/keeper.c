/*
 * Changes of channels: the state moves at once, in memory and in the queue of lnkeep; what follows
 * from it waits for the commit.
 */
#include "keeper.h"

#include "broken.h"
#include "life.h"
#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The most that one step queues: an update, a message, a notice, and their bytes. */
enum { ENTRIES_MAX = 3, BYTES_MAX = 4096 };

/* Asks before anything changes: what is queued cannot be taken back. */
static bool has_room(struct node *node)
{
    const struct keeper *keeper = &node->keeper;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (keeper->steps_len == STEPS_MAX || keeper->manager.in_flight_len == IN_FLIGHT_MAX) {
        return false;
    }
    lnkeep_status status =
        lnkeep_monitors_can_queue(node->monitors, ENTRIES_MAX, BYTES_MAX, 0, &err);
    if (status == LNKEEP_QUEUE_FULL) {
        return false;
    }
    outcome_expect("room for a change", status, &err);
    return true;
}

static void lock_with_room(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    pthread_mutex_lock(&keeper->lock);
    while (!has_room(node)) {
        pthread_cond_signal(&keeper->queued);
        pthread_cond_wait(&keeper->durable, &keeper->lock);
    }
}

void keeper_queue_change(struct node *node, unsigned channel, const struct change *change)
{
    struct keeper *keeper = &node->keeper;
    struct monitor *monitor = &keeper->monitors[channel];
    uint8_t channel_id[WIRE_CHANNEL_ID_BYTES];
    wire_channel_id(channel, channel_id);
    if (!monitor_apply(monitor, change)) {
        fprintf(stderr, "node: a change that does not fit its channel\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    const uint64_t number = monitor->commitment_number;
    const lnkeep_bytes update = {.ptr = (const uint8_t *)change, .len = sizeof *change};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_queue_update(node->monitors, channel_id, number, update, 0, NULL,
                                              &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("queue update", status, &err);
    keeper->manager.commitment_numbers[channel] = number;
    keeper->manager.in_flight[keeper->manager.in_flight_len++] = (struct in_flight){
        .channel = channel,
        .commitment_number = number,
        .change = *change,
    };
    keeper->has_entries = true;
    if (change->kind == HTLC_SETTLED) {
        /* A restarted node that makes this change again queues its notice again, too. */
        status = lnkeep_monitors_queue_output(node->monitors, LNKEEP_OUTPUT_DURABLE, 0, update,
                                              NULL, &err);
        outcome_expect("queue notice", status, &err);
    }
}

/* It leaves after the commit. Lost in a crash before that it does no harm: after a reconnect both
 * sides begin from what they have on disk. */
static void queue_message(struct node *node, const uint8_t *message, size_t len)
{
    const lnkeep_bytes payload = {.ptr = message, .len = len};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (broken_sends_early(node)) {
        broken_send(node, message, len);
        return;
    }
    lnkeep_status status = lnkeep_monitors_queue_output(
        node->monitors, LNKEEP_OUTPUT_VOLATILE, 0, payload, NULL, &err);
    outcome_expect("queue message", status, &err);
    node->keeper.has_entries = true;
}

/* Waits until the step is durable, and unlocks. */
static void finish(struct keeper *keeper, struct step *step)
{
    keeper->steps[keeper->steps_len++] = step;
    pthread_cond_signal(&keeper->queued);
    while (!step->is_done) {
        pthread_cond_wait(&keeper->durable, &keeper->lock);
    }
    pthread_mutex_unlock(&keeper->lock);
}

static struct step step_of(const lnkeep_op *op)
{
    struct step step = {.has_op = op != NULL};
    if (op != NULL) {
        step.op = *op;
    }
    return step;
}

bool keeper_add_htlc(struct node *node, struct wire_add *add, const lnkeep_op *mark)
{
    struct keeper *keeper = &node->keeper;
    struct step step = step_of(mark);
    struct change change = {.kind = HTLC_ADDED, .htlc_id = add->id};
    uint8_t message[WIRE_COMMITTED_ADD_BYTES];
    memcpy(change.payment_hash, add->payment_hash, sizeof change.payment_hash);
    add->channel = monitor_channel_of(add->id);
    lock_with_room(node);
    const struct monitor *monitor = &keeper->monitors[add->channel];
    if (monitor->htlcs_len == MONITOR_HTLCS_MAX) {
        pthread_mutex_unlock(&keeper->lock);
        return false;
    }
    keeper_queue_change(node, add->channel, &change);
    wire_write_add(message, add, monitor->commitment_number);
    queue_message(node, message, sizeof message);
    finish(keeper, &step);
    return true;
}

lnkeep_outcome keeper_remove_htlc(struct node *node, const struct change *change,
                                  const lnkeep_op *conclude)
{
    struct keeper *keeper = &node->keeper;
    struct step step = step_of(conclude);
    struct wire_forget forget = {
        .channel = monitor_channel_of(change->htlc_id),
        .id = change->htlc_id,
    };
    uint8_t message[WIRE_FORGET_BYTES];
    lock_with_room(node);
    const struct monitor *monitor = &keeper->monitors[forget.channel];
    if (monitor_has(monitor, change->htlc_id)) {
        keeper_queue_change(node, forget.channel, change);
    }
    forget.commitment_number = monitor->commitment_number;
    wire_write_forget(message, &forget);
    queue_message(node, message, sizeof message);
    finish(keeper, &step);
    return step.outcome;
}

static bool is_held(const uint64_t *held, size_t held_len, uint64_t id)
{
    for (size_t i = 0; i < held_len; i++) {
        if (held[i] == id) {
            return true;
        }
    }
    return false;
}

/* True when there are more than fit into one commit. */
static bool drop_some(struct node *node, unsigned channel, const uint64_t *held, size_t held_len)
{
    struct keeper *keeper = &node->keeper;
    const struct monitor before = keeper->monitors[channel];
    for (uint64_t i = 0; i < before.htlcs_len; i++) {
        if (is_held(held, held_len, before.htlc_ids[i])) {
            continue;
        }
        if (!has_room(node)) {
            return true;
        }
        /* No message: the peer never had it. */
        const struct change change = {.kind = HTLC_NEVER_LEFT, .htlc_id = before.htlc_ids[i]};
        keeper_queue_change(node, channel, &change);
    }
    return false;
}

void keeper_drop_unsent(struct node *node, const uint64_t *held, size_t held_len)
{
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        while (drop_some(node, channel, held, held_len)) {
            keeper_commit(node);
        }
    }
    if (node->keeper.has_entries) {
        keeper_commit(node);
    }
}

void keeper_stop(struct node *node)
{
    struct keeper *keeper = &node->keeper;
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&keeper->queued);
    pthread_mutex_unlock(&keeper->lock);
}

/* False when it is to end: nobody changes a channel any more, and nothing waits. */
static bool wait_for_work(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->has_entries && keeper->steps_len == 0 && !keeper->stopping) {
        pthread_cond_wait(&keeper->queued, &keeper->lock);
    }
    bool has_work = keeper->has_entries || keeper->steps_len > 0 || keeper->acknowledged;
    pthread_mutex_unlock(&keeper->lock);
    return has_work;
}

void *keeper_run(void *argument)
{
    struct node *node = argument;
    /* Notices that an earlier life did not get acknowledged come first. */
    keeper_release(node);
    while (wait_for_work(&node->keeper)) {
        keeper_commit(node);
        keeper_release(node);
    }
    return NULL;
}

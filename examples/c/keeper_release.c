/*
 * What may leave after a commit: messages to the peer, and notices of settles to the client.
 *
 * lnkeep hands out only what a commit covers. Messages are lost with the process, and a reconnect
 * makes them again. Notices stay on disk until they are acknowledged, so that each is told at least
 * once, always under the same number.
 */
#include "broken.h"
#include "channels.h"
#include "keeper.h"
#include "life.h"
#include "outcome.h"
#include "views.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAKEN_MAX = 64 };

static void send_message(struct node *node, const lnkeep_output *output)
{
    if (!channel_send(node->peer_fd, output->payload.ptr, output->payload.len)) {
        /* It may have left or not; what it tells is durable, and the next life asks the peer. */
        _exit(EXIT_START_AGAIN);
    }
}

static void tell(struct node *node, const lnkeep_output *output)
{
    struct change change;
    if (!change_read(&change, output->payload.ptr, output->payload.len)) {
        fprintf(stderr, "node: a notice of another program\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    struct report report = {.kind = REPORT_NOTICE, .a = output->output_id, .b = change.htlc_id};
    memcpy(report.bytes, change.payment_hash, sizeof report.bytes);
    if (node->broken == BROKEN_EARLY_ACK) {
        broken_hold_notice(&report);
    } else {
        report_send(node, &report);
    }
}

/* From the next commit on it does not come back. The client has it: it outlives this node. */
static void acknowledge(struct node *node, uint64_t output_id)
{
    struct keeper *keeper = &node->keeper;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_acknowledge(node->monitors, output_id, &err);
    } while (outcome_try_again(status, &patience));
    outcome_class("acknowledge notice", status, &err);
    pthread_mutex_lock(&keeper->lock);
    keeper->acknowledged = true;
    pthread_mutex_unlock(&keeper->lock);
}

/* Returns how many there were. */
static size_t release_some(struct node *node)
{
    lnkeep_outputs *outputs = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_monitors_take_outputs(node->monitors, TAKEN_MAX, &outputs, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("take outputs", status, &err);
    const size_t len = outputs->outputs_len;
    for (size_t i = 0; i < len; i++) {
        const lnkeep_output *output = output_at(outputs, i);
        if (output->output_id == 0) {
            send_message(node, output);
        } else {
            tell(node, output);
            acknowledge(node, output->output_id);
        }
    }
    lnkeep_outputs_free(outputs);
    return len;
}

void keeper_release(struct node *node)
{
    if (node->broken == BROKEN_EARLY_ACK) {
        broken_tell_held(node);
    }
    while (release_some(node) > 0) {
    }
}

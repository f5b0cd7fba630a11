/*
 * What the mistakes about channels look like.
 */
#include "broken.h"

#include "channels.h"
#include "outcome.h"

#include <string.h>
#include <unistd.h>

enum { HELD_MAX = 64 };

bool broken_sends_early(const struct node *node)
{
    return node->broken == BROKEN_EARLY || node->broken == BROKEN_EARLY_MESSAGE;
}

void broken_send(struct node *node, const uint8_t *message, size_t len)
{
    if (!channel_send(node->peer_fd, message, len)) {
        _exit(EXIT_START_AGAIN);
    }
}

void broken_forget(struct node *node, uint64_t htlc_id)
{
    struct keeper *keeper = &node->keeper;
    struct wire_forget forget = {.channel = monitor_channel_of(htlc_id), .id = htlc_id};
    uint8_t message[WIRE_FORGET_BYTES];
    pthread_mutex_lock(&keeper->lock);
    forget.commitment_number = keeper->monitors[forget.channel].commitment_number;
    wire_write_forget(message, &forget);
    broken_send(node, message, sizeof message);
    pthread_mutex_unlock(&keeper->lock);
}

/* Of the committer alone. */
static lnkeep_capture spare, next_spare;

void broken_capture(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("capture", lnkeep_monitors_capture(node->monitors, &next_spare, &err), &err);
}

void broken_commit_manager(struct node *node, lnkeep_monitors_commit *commit)
{
    const lnkeep_capture capture = spare;
    spare = next_spare;
    if (capture.number == 0) {
        return; /* the first commit of a life */
    }
    static struct manager manager;
    memcpy(&manager, commit->manager.ptr, commit->manager.len);
    manager.in_flight_len = 0;
    lnkeep_monitors_commit alone = LNKEEP_MONITORS_COMMIT_INIT;
    alone.capture = capture;
    alone.flags = LNKEEP_COMMIT_HAS_MANAGER;
    alone.manager = (lnkeep_bytes){
        .ptr = (const uint8_t *)&manager,
        .len = manager_bytes(&manager),
    };
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_monitors_commit_captured(node->monitors, &alone, NULL, &err);
    outcome_expect("commit manager", status, &err);
    const lnkeep_capture rest = commit->capture;
    *commit = (lnkeep_monitors_commit)LNKEEP_MONITORS_COMMIT_INIT;
    commit->capture = rest;
}

/* Those that were acknowledged before the last commit, and those since. */
static struct report held[2][HELD_MAX];
static size_t held_len[2];

void broken_hold_notice(const struct report *report)
{
    if (held_len[1] < HELD_MAX) {
        held[1][held_len[1]++] = *report;
    }
}

void broken_tell_held(struct node *node)
{
    for (size_t i = 0; i < held_len[0]; i++) {
        report_send(node, &held[0][i]);
    }
    memcpy(held[0], held[1], sizeof held[0]);
    held_len[0] = held_len[1];
    held_len[1] = 0;
}

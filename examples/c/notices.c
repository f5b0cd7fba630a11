/*
 * The log of events, told to the client: every change of a payment once, in order, over all lives.
 *
 * The cursor is a name in the store. Events are acknowledged after they were told, so that a kill
 * in between tells some of them again, under the numbers they had. Whoever listens keeps the number
 * of the last event it dealt with beside what it made of it; then it deals with each exactly once.
 */
#define _XOPEN_SOURCE 700
#include "life.h"
#include "outcome.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { TAKEN_MAX = 64, WAIT_MS = 5 };

static void tell(struct node *node, const lnkeep_event *event)
{
    struct report report = {
        .kind = REPORT_EVENT,
        .payment_status = event->state,
        .failure_reason = event->flags,
        .a = event->sequence,
        .b = event->kind,
    };
    memcpy(report.bytes, event->subject, sizeof report.bytes);
    report_send(node, &report);
}

/* Tells what there is; returns how much that was. */
static size_t tell_events(struct node *node)
{
    lnkeep_event taken[TAKEN_MAX];
    size_t taken_len = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_events_take(node->events, taken, TAKEN_MAX, &taken_len, &err);
    if (status == LNKEEP_TRUNCATED) {
        /* Nobody listened for so long that the store cut the log: a listener has to read the
         * payments anew. The gap in the numbers tells this one. */
        fprintf(stderr, "node: events were cut\n");
        return 0;
    }
    if (outcome_class("take events", status, &err) != LNKEEP_CLASS_DONE || taken_len == 0) {
        return 0;
    }
    for (size_t i = 0; i < taken_len; i++) {
        tell(node, &taken[i]);
    }
    /* RETRY: they will come again, and the next acknowledgement covers them. */
    status = lnkeep_events_ack(node->events, taken[taken_len - 1].sequence, &err);
    outcome_class("acknowledge events", status, &err);
    return taken_len;
}

void *notices_run(void *argument)
{
    struct node *node = argument;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct pollfd doorbell = {.events = POLLIN};
    lnkeep_status status = lnkeep_events_descriptor(node->events, &doorbell.fd, &err);
    outcome_expect("events descriptor", status, &err);
    for (;;) {
        /* Looked at before taking: what was committed before it was set is told. */
        bool stopping = atomic_load(&node->stopping);
        if (tell_events(node) > 0) {
            continue;
        }
        if (stopping) {
            return NULL;
        }
        poll(&doorbell, 1, WAIT_MS);
    }
}

/*
 * What the node tells its client. Callers tell only what lnkeep has answered with DONE or ALREADY,
 * or what they have read from it: that is durable.
 */
#include "channels.h"
#include "life.h"
#include "outcome.h"
#include "views.h"

#include <string.h>
#include <unistd.h>

void report_send(struct node *node, const struct report *report)
{
    if (!channel_send(node->orders_fd, report, sizeof *report)) {
        /* Nobody is left to hear anything; whatever was acknowledged is on disk. */
        _exit(EXIT_START_AGAIN);
    }
}

/* The preimage is the client's receipt. */
static void add_receipt(struct report *report, const lnkeep_payment *payment)
{
    const lnkeep_payment_attempt *settled = attempt_at(payment, payment->terminal_attempt);
    memcpy(report->bytes, settled->preimage, sizeof report->bytes);
}

static void add_state(struct report *report, const lnkeep_payment *payment)
{
    report->sequence = payment->sequence;
    report->revision = payment->revision;
    report->payment_status = payment->status;
    report->failure_reason = payment->failure_reason;
    if (payment->terminal == LNKEEP_PAYMENT_TERMINAL_SETTLED) {
        add_receipt(report, payment);
    }
}

void report_order(struct node *node, const struct order *order, lnkeep_status status,
                  const lnkeep_payment *payment)
{
    struct report report = {.kind = REPORT_ORDER, .status = status, .key = order->key};
    if (payment != NULL) {
        add_state(&report, payment);
    }
    report_send(node, &report);
}

void report_ended(struct node *node, const lnkeep_payment *payment)
{
    struct report report = {.kind = REPORT_ENDED};
    /* The client's own key comes back, whichever life took the order. */
    memcpy(&report.key, payment->init.idempotency_key.ptr, sizeof report.key);
    add_state(&report, payment);
    report_send(node, &report);
}

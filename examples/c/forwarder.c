/*
 * HTLCs of others: asks lnkeep whether to forward each, and with which signal.
 *
 * Two rules keep the resources in step with the channels whatever a crash takes along. An HTLC is
 * asked about BEFORE it leaves: if the node dies in between, nobody holds it, the next life's
 * reconcile drops it, and it is offered again. It is resolved AFTER its answer has left: if the
 * node dies in between, reconcile drops it, and it counts for nothing. The other way round it
 * would be answered, and count, twice.
 *
 * One thread does all of this, and tells the state after each call, so that the parent can compare
 * what a restart finds with every state that there was. lnkeep takes calls from any thread.
 */
#include "channels.h"
#include "life.h"
#include "outcome.h"

#include <string.h>
#include <unistd.h>

/* Most nodes never wait for the disk here: what a crash takes costs no funds. This one does for one
 * HTLC of so many, so that both acknowledgements are tried. */
enum { DURABLE_EVERY = 16 };

/* What our policy asks for; whatever is paid beyond it earns no reputation (messages of BOLT 7). */
enum { FEE_BASE_MSAT = 1000, FEE_PPM = 1000 };

void forwarder_tell(struct node *node, struct forward_report *report)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (report->kind != FORWARD_RELEASED &&
        !forward_state_read(node->resources, &report->state, &err)) {
        outcome_expect("read resources", err.status, &err);
    }
    if (!channel_send(node->forwards_fd, report, sizeof *report)) {
        _exit(EXIT_START_AGAIN);
    }
}

static struct forward_report report_of(const struct forward *htlc, enum forward_report_kind kind)
{
    return (struct forward_report){
        .kind = kind,
        .channel = htlc->incoming,
        .htlc_id = htlc->htlc_id,
        .durable = htlc->htlc_id % DURABLE_EVERY == 0,
    };
}

static lnkeep_htlc_request request_of(const struct forward *htlc, uint64_t unix_secs)
{
    lnkeep_htlc_request request = {
        .incoming = htlc->incoming,
        .outgoing = htlc->outgoing,
        .htlc_id = htlc->htlc_id,
        .incoming_amount_msat = htlc->incoming_amount_msat,
        .outgoing_amount_msat = htlc->outgoing_amount_msat,
        .policy_fee_msat = FEE_BASE_MSAT + htlc->outgoing_amount_msat * FEE_PPM / 1000000,
        .unix_secs = unix_secs,
        .incoming_cltv_expiry = htlc->cltv_expiry,
        .block_height = FORWARD_BLOCK_HEIGHT,
        .flags = LNKEEP_HTLC_HAS_POLICY_FEE | LNKEEP_HTLC_UPGRADE_PRESENT,
    };
    request.flags |= htlc->accountable ? LNKEEP_HTLC_ACCOUNTABLE : 0;
    return request;
}

/* An HTLC was offered, or the peer replays one that is out: then the answer is the recorded one. */
static void decide(struct node *node, const struct forward_order *order)
{
    const lnkeep_htlc_request request = request_of(&order->htlc, order->unix_secs);
    struct forward_report report = report_of(&order->htlc, FORWARD_DECIDED);
    const uint32_t flags = report.durable ? LNKEEP_RESOURCES_DURABLE : 0;
    lnkeep_decision decision = {0};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    do {
        report.status = lnkeep_resources_add(node->resources, &request, 1, flags, &decision, NULL,
                                             &err);
    } while (report.status != LNKEEP_NOT_DURABLE && outcome_try_again(report.status, &patience));
    if (report.status == LNKEEP_NOT_DURABLE) {
        /* A full disk. The decision holds, lnkeep goes on trying, and nobody waits for that. */
        const bool known = decision.reason == LNKEEP_REASON_RECORDED;
        report.status = known ? LNKEEP_ALREADY : LNKEEP_DONE;
        report.durable = 0;
    }
    outcome_class("decide", report.status, &err);
    /* Without a decision there is no slot for it: fail it as if there were none. */
    report.verdict = report.status < 0 ? LNKEEP_VERDICT_FAIL : decision.verdict;
    report.bucket = decision.bucket;
    report.accountable = (decision.flags & LNKEEP_DECISION_ACCOUNTABLE) != 0;
    /* Nothing is kept of an HTLC that fails. */
    report.durable &= report.verdict == LNKEEP_VERDICT_FORWARD;
    forwarder_tell(node, &report);
}

/* The outgoing channel settled or failed the HTLC. */
static void pass_back(struct node *node, const struct forward_order *order)
{
    struct forward_report released = report_of(&order->htlc, FORWARD_RELEASED);
    released.durable = 0;
    forwarder_tell(node, &released);

    struct forward_report report = report_of(&order->htlc, FORWARD_RESOLVED);
    const uint32_t flags = report.durable ? LNKEEP_RESOURCES_DURABLE : 0;
    const lnkeep_resolve_request request = {
        .incoming = order->htlc.incoming,
        .outgoing = order->htlc.outgoing,
        .htlc_id = order->htlc.htlc_id,
        .unix_secs = order->unix_secs,
        .flags = order->settled ? LNKEEP_RESOLVE_SETTLED : 0,
    };
    lnkeep_resolution resolution = {0};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    do {
        report.status =
            lnkeep_resources_resolve(node->resources, &request, 1, flags, &resolution, &err);
    } while (report.status != LNKEEP_NOT_DURABLE && outcome_try_again(report.status, &patience));
    if (report.status == LNKEEP_NOT_DURABLE) {
        report.status = LNKEEP_DONE;
        report.durable = 0;
    }
    outcome_class("resolve", report.status, &err);
    forwarder_tell(node, &report);
}

void *forwarder_run(void *argument)
{
    struct node *node = argument;
    struct forward_order order;
    size_t len;
    while (channel_receive(node->forwards_fd, &order, sizeof order, &len) == CHANNEL_OK) {
        if (order.kind == FORWARD_OFFER) {
            decide(node, &order);
        } else {
            pass_back(node, &order);
        }
    }
    return NULL;
}

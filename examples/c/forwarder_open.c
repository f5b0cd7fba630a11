/*
 * The resources from open to close: which channels take part, and what a restart finds.
 */
#include "broken.h"
#include "channels.h"
#include "life.h"
#include "outcome.h"

#include <stdio.h>
#include <unistd.h>

/* As the two ends of each channel agreed on (BOLT 2 open_channel): some have little room. */
static const lnkeep_channel_limits LIMITS[FORWARD_CHANNELS] = {
    {.max_in_flight_msat = 2000000000, .max_accepted_htlcs = 483},
    {.max_in_flight_msat = 400000000, .max_accepted_htlcs = 60},
    {.max_in_flight_msat = 200000000, .max_accepted_htlcs = 30},
    {.max_in_flight_msat = 200000000, .max_accepted_htlcs = 25},
    {.max_in_flight_msat = 150000000, .max_accepted_htlcs = 20},
    {.max_in_flight_msat = 100000000, .max_accepted_htlcs = 8}, /* too few to be divided */
};

/* Since when the channels earn: any time before the first HTLC will do. */
enum { CHANNELS_SINCE_UNIX_SECS = 1700000000 };

static void open_resources(struct node *node)
{
    lnkeep_resources_options choices = forward_options();
    choices.flags |= broken_resources_flags(node);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_resources_open(node->store, &choices, &node->resources, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open resources", status, &err);
    struct forward_report report = {.kind = FORWARD_OPENED};
    forwarder_tell(node, &report);
}

/* Told at every start: what is known already answers ALREADY and keeps its reputation. */
static void add_channel(struct node *node, unsigned channel)
{
    struct forward_report report = {
        .kind = FORWARD_CHANNEL,
        .channel = forward_channel(channel),
        .durable = 1,
    };
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    do {
        report.status =
            lnkeep_resources_add_channel(node->resources, report.channel, &LIMITS[channel],
                                         CHANNELS_SINCE_UNIX_SECS, NULL, &err);
    } while (outcome_try_again(report.status, &patience));
    outcome_expect("add channel", report.status, &err);
    forwarder_tell(node, &report);
}

/* The HTLCs that are out, as the channels know: those that left and whose answers did not. */
static size_t receive_live(struct node *node, lnkeep_live_htlc live[FORWARDS_MAX])
{
    static struct forward_held held;
    size_t len;
    if (channel_receive(node->forwards_fd, &held, sizeof held, &len) != CHANNEL_OK) {
        _exit(EXIT_START_AGAIN);
    }
    if (len != sizeof held || held.len > FORWARDS_MAX) {
        fprintf(stderr, "node: the neighbours did not say which HTLCs are out\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    for (size_t i = 0; i < held.len; i++) {
        const struct forward *htlc = &held.htlcs[i];
        live[i] = (lnkeep_live_htlc){
            .incoming = htlc->incoming,
            .outgoing = htlc->outgoing,
            .htlc_id = htlc->htlc_id,
            .incoming_amount_msat = htlc->incoming_amount_msat,
            .outgoing_amount_msat = htlc->outgoing_amount_msat,
            .added_unix_secs = htlc->added_unix_secs,
            .incoming_cltv_expiry = htlc->cltv_expiry,
            .block_height = FORWARD_BLOCK_HEIGHT,
            .flags = htlc->accountable ? LNKEEP_HTLC_ACCOUNTABLE : 0,
        };
    }
    return held.len;
}

/* The last calls before a crash may be lost, and HTLCs may have ended since: the channels know. */
static void reconcile(struct node *node)
{
    static lnkeep_live_htlc live[FORWARDS_MAX];
    const size_t live_len = receive_live(node, live);
    lnkeep_reconciled found = LNKEEP_RECONCILED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status = LNKEEP_DONE;
    while (node->broken != BROKEN_NO_RECONCILE) {
        status = lnkeep_resources_reconcile(node->resources, live, live_len, &found, &err);
        if (!outcome_try_again(status, &patience)) {
            break;
        }
    }
    outcome_expect("reconcile", status, &err);
    struct forward_report report = {
        .kind = FORWARD_RECONCILED,
        .status = status,
        .durable = node->broken != BROKEN_NO_RECONCILE,
        .kept = found.kept,
        .dropped = found.dropped,
        .added = found.added,
        .other = found.unknown_channel + found.different,
    };
    forwarder_tell(node, &report);
}

void forwarder_open(struct node *node)
{
    open_resources(node);
    for (unsigned i = 0; i < FORWARD_CHANNELS; i++) {
        add_channel(node, i);
    }
    reconcile(node);
}

void forwarder_close(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("close resources", lnkeep_resources_close(&node->resources, &err), &err);
}

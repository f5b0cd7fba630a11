/*
 * The receivers of the invoices: they hold the parts of a payment until all are there, as BOLT 4
 * says, then claim all of them, or fail them when the rest does not come.
 */
#define _XOPEN_SOURCE 700
#include "network.h"

#include "clock.h"

/* BOLT 4 says at least 60 seconds; the demo has a minute in all. */
enum { PARTS_WAIT_US = 150000 };

static struct ledger_invoice *invoice_of(const struct network *network, const struct htlc *htlc)
{
    return ledger_invoice(network->ledger, htlc->invoice);
}

static uint64_t amount_of(const struct network *network, const struct htlc *htlc)
{
    return ledger_attempt(network->ledger, htlc->id)->receiver_msat;
}

/* From here on everybody on the way knows the preimage, and the money has moved. */
static void claim(struct network *network, struct htlc *htlc)
{
    invoice_of(network, htlc)->received_msat += amount_of(network, htlc);
    network_decide(network, htlc, 0);
}

static bool waits_beside(const struct htlc *htlc, const struct htlc *other)
{
    return other->place == HTLC_AT_RECEIVER && other->invoice == htlc->invoice &&
           other->total_msat == htlc->total_msat;
}

static void claim_if_complete(struct network *network, const struct htlc *htlc)
{
    uint64_t arrived_msat = 0;
    for (size_t i = 0; i < network->held_len; i++) {
        if (waits_beside(htlc, &network->held[i])) {
            arrived_msat += amount_of(network, &network->held[i]);
        }
    }
    if (arrived_msat < htlc->total_msat) {
        return;
    }
    const struct htlc complete = *htlc; /* claiming changes what waits beside it */
    for (size_t i = 0; i < network->held_len; i++) {
        if (waits_beside(&complete, &network->held[i])) {
            claim(network, &network->held[i]);
        }
    }
}

void receiver_take(struct network *network, struct htlc *htlc)
{
    const struct ledger_invoice *invoice = invoice_of(network, htlc);
    const struct ledger_attempt *attempt = ledger_attempt(network->ledger, htlc->id);
    const uint64_t amount_msat = invoice->order.invoice.amount_msat;
    if (invoice->received_msat > 0) {
        /* A receiver would reject it, but nodes on the way know the preimage by now and keep it. So
         * paying twice costs money, and here it is counted. */
        claim(network, htlc);
    } else if (invoice->unknown_to_receiver) {
        network_decide(network, htlc, WIRE_UNKNOWN_OR_INCORRECT_DETAILS);
    } else if (attempt->in_parts && htlc->total_msat == amount_msat) {
        htlc->place = HTLC_AT_RECEIVER;
        htlc->due_us = now_us() + PARTS_WAIT_US;
        claim_if_complete(network, htlc);
    } else if (!attempt->in_parts && attempt->receiver_msat >= amount_msat) {
        claim(network, htlc);
    } else {
        network_decide(network, htlc, WIRE_UNKNOWN_OR_INCORRECT_DETAILS);
    }
}

void receiver_give_up(struct network *network, struct htlc *htlc)
{
    network_decide(network, htlc, WIRE_MPP_TIMEOUT);
}

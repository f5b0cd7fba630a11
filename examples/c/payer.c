/*
 * An order of the client becomes a payment, and the payment parts, until it has ended.
 *
 * Several threads run this at once, also for one payment: two parts may fail at the same moment.
 * No lock keeps them apart. lnkeep_payments_register refuses, in its own transaction, what would
 * exceed the amount or comes after the end, and whoever was refused leaves the payment to the
 * other.
 *
 * Two rules stand behind every branch:
 *   a payment goes on from the state that the last call answered, never from what this process
 *   remembers, so that a later life can go on with it as well as this one;
 *   the client is told that a payment ended only when lnkeep says so.
 */
#define _XOPEN_SOURCE 700
#include "broken.h"
#include "channels.h"
#include "clock.h"
#include "life.h"
#include "outcome.h"
#include "views.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What this node can send in all; some of the client's orders are larger. */
enum { BALANCE_MSAT = 100000000 };

/* Where a sender stops to try. */
enum { ATTEMPTS_MAX = 12, PARTS_MAX = 4, WHOLE_MSAT_MAX = 3000000 };

struct invoice payer_invoice(const lnkeep_payment *payment)
{
    struct invoice invoice;
    if (payment->init.payment_request.len != sizeof invoice) {
        fprintf(stderr, "node: a payment request of another program\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    memcpy(&invoice, payment->init.payment_request.ptr, sizeof invoice);
    return invoice;
}

bool payer_takes_parts(const struct invoice *invoice)
{
    static const uint8_t no_secret[32];
    return memcmp(invoice->payment_secret, no_secret, sizeof no_secret) != 0;
}

/* DONE to one caller in all lives: that one sends it. */
static lnkeep_status init(struct node *node, const struct order *order, lnkeep_payment **payment)
{
    lnkeep_payment_init request = LNKEEP_PAYMENT_INIT_INIT;
    memcpy(request.payment_hash, order->invoice.payment_hash, sizeof request.payment_hash);
    request.amount_msat = order->invoice.amount_msat;
    request.created_unix_ns = unix_ns();
    request.idempotency_key.ptr = (const uint8_t *)&order->key;
    request.idempotency_key.len = sizeof order->key;
    request.payment_request.ptr = (const uint8_t *)&order->invoice;
    request.payment_request.len = sizeof order->invoice;
    if (order->may_be_resumed) {
        request.present = LNKEEP_PAYMENT_HAS_INTENT;
        request.intent_deadline_unix_ns = order->deadline_unix_ns;
        request.intent_fee_limit_msat = order->fee_limit_msat;
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = node->broken == BROKEN_NOT
                     ? lnkeep_payments_init(node->payments, &request, payment, NULL, &err)
                     : broken_init(node, &request, payment, &err);
    } while (outcome_try_again(status, &patience));
    if (lnkeep_status_class(status) != LNKEEP_CLASS_REFUSED) {
        outcome_class("init", status, &err); /* a refusal is the client's business */
    }
    return status;
}

lnkeep_payment *payer_fetch(struct node *node, const uint8_t payment_hash[32])
{
    lnkeep_payment *payment = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_fetch(node->payments, payment_hash, &payment, &err);
    } while (outcome_try_again(status, &patience));
    outcome_class("fetch", status, &err);
    return payment;
}

lnkeep_payment *payer_give_up(struct node *node, const uint8_t payment_hash[32], uint32_t reason)
{
    lnkeep_payment *payment = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_fail(node->payments, payment_hash, reason, &payment, NULL, &err);
    } while (outcome_try_again(status, &patience));
    if (!outcome_was_overtaken(status)) {
        outcome_class("give up", status, &err);
    }
    return payment;
}

static bool has_ended(const lnkeep_payment *payment)
{
    return payment->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED ||
           payment->status == LNKEEP_PAYMENT_STATUS_FAILED;
}

/* Asks the rules that lnkeep_payments_register applies, so that the sender does not repeat them. */
static bool may_send_more(const lnkeep_payment *payment)
{
    lnkeep_payment_rules rules = LNKEEP_PAYMENT_RULES_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool settled = payment->terminal == LNKEEP_PAYMENT_TERMINAL_SETTLED;
    bool given_up = payment->terminal == LNKEEP_PAYMENT_TERMINAL_FAILED;
    uint32_t flags = (settled ? LNKEEP_PAYMENT_STATE_HAS_SETTLED : 0) |
                     (given_up ? LNKEEP_PAYMENT_STATE_GIVEN_UP : 0);
    lnkeep_status status =
        lnkeep_payment_allows(payment->status, payment->remaining_msat, flags, &rules, &err);
    outcome_expect("rules", status, &err);
    return rules.allow_more_status == LNKEEP_DONE && rules.allow_more != 0;
}

static size_t failed_attempts(const lnkeep_payment *payment)
{
    size_t failed = 0;
    for (size_t i = 0; i < payment->attempts_len; i++) {
        failed += attempt_at(payment, i)->state == LNKEEP_PAYMENT_ATTEMPT_FAILED;
    }
    return failed;
}

/* The more has failed, the smaller the parts: what one route does not carry, several may. */
static uint64_t next_part_msat(const lnkeep_payment *payment)
{
    const struct invoice invoice = payer_invoice(payment);
    const uint64_t amount_msat = payment->init.amount_msat;
    if (!payer_takes_parts(&invoice)) {
        return amount_msat;
    }
    uint64_t parts = 1 + (amount_msat > WHOLE_MSAT_MAX) + failed_attempts(payment);
    parts = parts < PARTS_MAX ? parts : PARTS_MAX;
    uint64_t part_msat = (amount_msat + parts - 1) / parts;
    return part_msat < payment->remaining_msat ? part_msat : payment->remaining_msat;
}

/* The cheapest routes are tried first. */
static uint64_t fee_msat_of(const lnkeep_payment *payment, uint64_t part_msat)
{
    return part_msat * (2 + payment->attempts_len) / 1000;
}

/* Why no other attempt is to be made: LNKEEP_PAYMENT_REASON_*, or 0. */
static uint32_t reason_to_give_up(const struct node *node, const lnkeep_payment *payment)
{
    const lnkeep_payment_init *asked = &payment->init;
    const bool has_intent = asked->present & LNKEEP_PAYMENT_HAS_INTENT;
    if (asked->amount_msat > BALANCE_MSAT) {
        return LNKEEP_PAYMENT_REASON_INSUFFICIENT_BALANCE;
    }
    if (has_intent && unix_ns() >= asked->intent_deadline_unix_ns) {
        return LNKEEP_PAYMENT_REASON_TIMEOUT;
    }
    if (!has_intent && payment->sequence <= node->newest_before) {
        return LNKEEP_PAYMENT_REASON_NO_ROUTE; /* its sender died with its life of the node */
    }
    uint64_t fees_msat = payment->fees_msat + fee_msat_of(payment, next_part_msat(payment));
    bool too_dear = has_intent && fees_msat > asked->intent_fee_limit_msat;
    return too_dear || payment->attempts_len >= ATTEMPTS_MAX ? LNKEEP_PAYMENT_REASON_NO_ROUTE : 0;
}

void payer_go_on(struct node *node, lnkeep_payment *payment)
{
    while (payment != NULL && !has_ended(payment) && may_send_more(payment)) {
        uint32_t reason = reason_to_give_up(node, payment);
        lnkeep_payment *next;
        if (reason != 0) {
            next = payer_give_up(node, payment->init.payment_hash, reason);
        } else {
            uint64_t part_msat = next_part_msat(payment);
            next = dispatch_part(node, payment, part_msat, fee_msat_of(payment, part_msat));
        }
        lnkeep_payment_free(payment);
        payment = next;
    }
    /* Neither ended nor to be sent: its attempts are out, and their answers go on with it. */
    if (payment != NULL && has_ended(payment)) {
        report_ended(node, payment);
    }
    lnkeep_payment_free(payment);
}

static void take_order(struct node *node, const struct order *order)
{
    lnkeep_payment *payment = NULL;
    lnkeep_status status = init(node, order, &payment);
    report_order(node, order, status, payment);
    switch (lnkeep_status_class(status)) {
    case LNKEEP_CLASS_DONE:
        if (node->broken == BROKEN_EARLY) {
            payment = broken_wait_for(node, order->invoice.payment_hash);
        }
        payer_go_on(node, payment);
        break;
    default:
        /* ALREADY: an earlier life or another thread has it, and its parts may be on their way; the
         * client was told its state. REFUSED, RETRY: nothing was recorded and nothing leaves. The
         * client was told the status and knows whether the same order may be given again. */
        lnkeep_payment_free(payment);
        break;
    }
}

/* False when nothing of earlier lives is left. */
static bool take_resumed(struct node *node)
{
    size_t next = atomic_fetch_add(&node->resumed_next, 1);
    if (next >= node->resumed->payments_len) {
        return false;
    }
    const lnkeep_resumed *resumed = &node->resumed->payments[next];
    if (resumed->outcome == LNKEEP_RESUME_MAY_SEND) {
        payer_go_on(node, payer_fetch(node, resumed->payment_hash));
    }
    return true;
}

void *payer_run(void *argument)
{
    struct node *node = argument;
    struct order order;
    size_t len;
    while (take_resumed(node)) {
    }
    while (channel_receive(node->orders_fd, &order, sizeof order, &len) == CHANNEL_OK) {
        if (len != sizeof order) {
            fprintf(stderr, "node: an order of %zu bytes\n", len);
            _exit(EXIT_COULD_NOT_RUN);
        }
        take_order(node, &order);
    }
    return NULL;
}

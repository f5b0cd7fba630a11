/*
 * Payments: each invoice has one, it ended as the client was told, and receivers have the amount or
 * nothing.
 */
#include "verify.h"

#include "views.h"

#include <lnkeep.h>
#include <string.h>

/* Whether an attempt of a payment is what left the node, and ended as the network answered. */
static bool is_true(const struct run *run, const struct ledger_invoice *entry,
                    const lnkeep_payment_attempt *attempt)
{
    const struct ledger_attempt *truth = ledger_attempt(&run->ledger, attempt->request.key.id);
    bool failed = attempt->state == LNKEEP_PAYMENT_ATTEMPT_FAILED;
    if (truth == NULL) {
        return failed;
    }
    return truth->invoice == entry->order.key.invoice &&
           truth->receiver_msat == attempt->request.amount_msat &&
           failed == (truth->answer == WIRE_UPDATE_FAIL_HTLC) &&
           memcmp(attempt->preimage, failed ? (const uint8_t[32]){0} : entry->preimage, 32) == 0;
}

static void compare_attempts(const struct run *run, const struct ledger_invoice *entry,
                             const lnkeep_payment *payment, struct tally *tally)
{
    uint64_t settled = 0, settled_msat = 0;
    for (size_t i = 0; i < payment->attempts_len; i++) {
        const lnkeep_payment_attempt *attempt = attempt_at(payment, i);
        bool has_settled = attempt->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED;
        settled += has_settled;
        settled_msat += has_settled ? attempt->request.amount_msat : 0;
        tally->inconsistent += !is_true(run, entry, attempt);
    }
    tally->inconsistent += settled_msat != entry->received_msat;
    tally->succeeded_in_parts += settled > 1;
}

static void compare_request(struct ledger_invoice *entry, const lnkeep_payment *payment)
{
    const struct order *order = &entry->order;
    const lnkeep_payment_init *init = &payment->init;
    entry->lost |= init->amount_msat != order->invoice.amount_msat ||
                   init->payment_request.len != sizeof order->invoice ||
                   memcmp(init->payment_request.ptr, &order->invoice, sizeof order->invoice) != 0 ||
                   init->idempotency_key.len != sizeof order->key ||
                   memcmp(init->idempotency_key.ptr, &order->key, sizeof order->key) != 0;
}

static void compare(struct run *run, const lnkeep_payment *payment, struct tally *tally)
{
    struct ledger_invoice *entry = ledger_invoice_of(&run->ledger, payment->init.payment_hash);
    tally->payments++;
    if (entry == NULL || entry->stored) {
        tally->inconsistent++;
        return;
    }
    entry->stored = true;
    bool succeeded = payment->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    bool failed = payment->status == LNKEEP_PAYMENT_STATUS_FAILED;
    tally->succeeded += succeeded;
    tally->failed += failed;
    tally->failed_of[failed ? payment->failure_reason % TALLY_REASONS : 0]++;
    tally->unfinished += !succeeded && !failed;
    tally->ended_otherwise += (succeeded && entry->received_msat == 0) ||
                              (failed && entry->received_msat > 0);
    entry->lost |= payment->sequence != entry->told_sequence ||
                   payment->status != entry->told_status ||
                   payment->failure_reason != entry->told_reason;
    compare_request(entry, payment);
    compare_attempts(run, entry, payment, tally);
}

/* What the ledger alone tells, and what it has that the store has not. */
static void count_ledger(struct run *run, struct tally *tally)
{
    for (uint64_t i = 0; i < run->ledger.invoices_len; i++) {
        const struct ledger_invoice *entry = &run->ledger.invoices[i];
        const uint64_t requests = entry->order.key.request;
        const uint64_t amount_msat = entry->order.invoice.amount_msat;
        tally->overpaid += entry->received_msat > amount_msat;
        tally->paid_in_part += entry->received_msat > 0 && entry->received_msat < amount_msat;
        tally->unfinished += entry->requests_ended < requests;
        tally->events_wrong += entry->events_initiated != requests ||
                               entry->events_terminal != requests;
        tally->repeats_wrong += entry->mistold;
        tally->lost += entry->lost || (!entry->stored && entry->acknowledged_request != 0);
    }
}

/* The numbers that lnkeep keeps itself must be the ones counted here. */
static bool compare_counts(lnkeep_payments payments, struct tally *tally)
{
    lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_payments_counts(payments, &counts, &err) != LNKEEP_DONE) {
        return verify_failed(&err);
    }
    tally->inconsistent += counts.payments != tally->payments;
    tally->inconsistent += counts.unfinished != 0;
    tally->inconsistent += counts.tombstones != 0;
    return true;
}

bool verify_payments(struct run *run, lnkeep_payments payments, struct tally *tally)
{
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool has_more = true;
    while (has_more) {
        lnkeep_payment_page *page = NULL;
        if (lnkeep_payments_list(payments, &query, &page, &err) != LNKEEP_DONE) {
            return verify_failed(&err);
        }
        for (size_t i = 0; i < page->payments_len; i++) {
            compare(run, payment_at(page, i), tally);
        }
        tally->inconsistent += page->unreadable_len;
        has_more = page->has_more != 0;
        query.flags |= LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        lnkeep_payment_page_free(page);
    }
    count_ledger(run, tally);
    return compare_counts(payments, tally);
}

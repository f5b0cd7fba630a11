/*
 * Every contradiction is marked in the ledger; nothing here knows which part of the node to blame.
 */
#define _XOPEN_SOURCE 700
#include "told.h"

#include "sha256.h"
#include "wire.h"

#include <lnkeep.h>
#include <string.h>

static bool is_end(uint32_t payment_status)
{
    return payment_status == LNKEEP_PAYMENT_STATUS_SUCCEEDED ||
           payment_status == LNKEEP_PAYMENT_STATUS_FAILED;
}

static bool is_end_told(const struct ledger_invoice *entry, const struct report *report)
{
    return report->sequence == entry->told_sequence &&
           report->payment_status == entry->told_status &&
           report->failure_reason == entry->told_reason;
}

/* The preimage is the receipt: without it nobody can show that he paid. */
static bool has_receipt(const struct ledger_invoice *entry, const struct report *report)
{
    uint8_t hash[32];
    sha256(report->bytes, sizeof report->bytes, hash);
    return memcmp(hash, entry->order.invoice.payment_hash, 32) == 0;
}

static void note_end(struct client *client, struct ledger_invoice *entry,
                     const struct report *report)
{
    bool succeeded = report->payment_status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    client->unexpected += succeeded && !has_receipt(entry, report);
    client->succeeded += succeeded;
    client->failed += !succeeded;
    entry->requests_ended++;
    entry->told_status = report->payment_status;
    entry->told_reason = report->failure_reason;
    entry->told_sequence = report->sequence;
    entry->told_revision = report->revision;
}

/* True when the payment has ended. A state from before the end may be told after it, because the
 * node has many threads; one from behind it may not. */
static bool note_state(struct client *client, struct ledger_invoice *entry,
                       const struct report *report)
{
    bool known = entry->told_sequence == report->sequence && report->sequence != 0;
    if (!is_end(report->payment_status)) {
        entry->lost |= known && report->revision > entry->told_revision;
        return known;
    }
    if (known) {
        entry->lost |= !is_end_told(entry, report);
    } else {
        note_end(client, entry, report);
    }
    return true;
}

/* Of one key, one order is answered DONE in all lives, and none that was answered before. */
static void note_done(struct client *client, struct ledger_invoice *entry,
                      const struct open_order *open, const struct report *report)
{
    uint64_t request = report->key.request;
    bool before_this_life =
        entry->acknowledged_request == request && entry->acknowledged_life < client->lives;
    entry->lost |= entry->done_request == request || before_this_life;
    entry->done_request = request;
    client->repeated_done += open != NULL && open->given_before;
    client->retried += request > 1;
}

static void note_acknowledged(struct client *client, struct ledger_invoice *entry,
                              const struct report *report)
{
    if (entry->acknowledged_request != report->key.request) {
        entry->acknowledged_request = report->key.request;
        entry->acknowledged_life = client->lives;
    }
}

/* The answer to an order for an invoice whose payment had ended when it was asked for. */
static bool told_again(struct client *client, struct ledger_invoice *entry,
                       const struct open_order *open, const struct report *report)
{
    if (open->purpose == PURPOSE_OTHER_KEY) {
        bool refused = report->status == LNKEEP_ALREADY_PAID;
        client->refused_paid += refused;
        entry->mistold |= !refused;
        return true;
    }
    if (report->status == LNKEEP_ALREADY_EXISTS && report->sequence == entry->told_sequence &&
        report->revision < entry->told_revision) {
        return false; /* it was asked before the end, when the same key was sent twice */
    }
    bool same = report->status == LNKEEP_ALREADY_EXISTS && is_end_told(entry, report);
    client->asked_after_end += same;
    entry->mistold |= !same;
    return true;
}

/* The second answer to an order that was sent twice and is answered. */
static void told_late(struct client *client, struct ledger_invoice *entry,
                      const struct report *report)
{
    bool paid = entry->told_status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    if (report->status == LNKEEP_ALREADY_EXISTS) {
        note_state(client, entry, report);
    } else if (lnkeep_status_class(report->status) != LNKEEP_CLASS_RETRY) {
        entry->mistold |= report->status != LNKEEP_ALREADY_PAID || !paid;
    }
}

bool told_order(struct client *client, struct ledger_invoice *entry, struct open_order *open,
                const struct report *report)
{
    if (open == NULL) {
        told_late(client, entry, report);
        return false;
    }
    lnkeep_class class = lnkeep_status_class(report->status);
    if (class == LNKEEP_CLASS_RETRY) {
        /* Nothing was registered, such as on a full disk: the same order again. */
        open->given_before = true;
        open->given = false;
        return false;
    }
    if (open->purpose != PURPOSE_PAY) {
        return told_again(client, entry, open, report);
    }
    if (class == LNKEEP_CLASS_DONE) {
        note_done(client, entry, open, report);
    } else if (class == LNKEEP_CLASS_ALREADY && open->given_before) {
        client->repeated_already++;
    } else {
        client->unexpected++;
        return true;
    }
    note_acknowledged(client, entry, report);
    return note_state(client, entry, report);
}

bool told_end(struct client *client, struct ledger_invoice *entry, const struct report *report)
{
    return note_state(client, entry, report);
}

void told_resumed(struct client *client, const struct report *report)
{
    client->sent_on += report->status == LNKEEP_RESUME_MAY_SEND;
    client->waited += report->status == LNKEEP_RESUME_WAITING;
    client->ended_by_resume += report->status == LNKEEP_RESUME_DONE;
    client->unexpected += report->status == LNKEEP_RESUME_UNREADABLE;
}

void told_event(struct client *client, const struct report *report)
{
    if (report->a <= client->last_event) {
        client->events_again++;
        return;
    }
    client->events_missed += report->a - client->last_event - 1;
    client->last_event = report->a;
    struct ledger_invoice *entry = ledger_invoice_of(client->ledger, report->bytes);
    if (entry == NULL) {
        client->unexpected++;
        return;
    }
    entry->events_initiated += report->b == LNKEEP_EVENT_PAYMENT_INITIATED;
    entry->events_terminal += (report->failure_reason & LNKEEP_EVENT_TERMINAL) != 0;
    client->late_settles += report->b == LNKEEP_EVENT_PAYMENT_LATE_SETTLE;
}

void told_notice(struct client *client, const struct report *report)
{
    if (report->a <= client->last_notice) {
        client->notices_again++;
        return;
    }
    client->notices_missed += report->a - client->last_notice - 1;
    client->last_notice = report->a;
    struct ledger_attempt *attempt = ledger_attempt(client->ledger, report->b);
    const struct ledger_invoice *entry = ledger_invoice_of(client->ledger, report->bytes);
    if (attempt == NULL || entry == NULL || attempt->invoice != entry->order.key.invoice ||
        attempt->answer != WIRE_UPDATE_FULFILL_HTLC) {
        client->unexpected++;
        return;
    }
    attempt->notices++;
}

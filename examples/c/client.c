/*
 * What the client asks for; what it is told is in told.c.
 */
#define _XOPEN_SOURCE 700
#include "client.h"

#include "channels.h"
#include "clock.h"
#include "messages.h"
#include "sha256.h"
#include "told.h"

#include <inttypes.h>
#include <lnkeep.h>
#include <stdio.h>
#include <string.h>

/* More than the node has; the others are less. */
enum { TOO_LARGE_MSAT = 150000000 };

/* One invoice of so many. */
enum {
    TOO_LARGE_EVERY = 40,
    UNKNOWN_TO_RECEIVER_EVERY = 23,
    IN_ONE_PART_EVERY = 7,
    NOT_RESUMED_EVERY = 3, /* its sender does not outlive the node's life */
    HURRIED_EVERY = 17,
};

enum { DEADLINE_MS = 60000, HURRIED_DEADLINE_MS = 30 };

/* One order of so many is for an invoice that was ordered before, and one is sent twice at once. */
enum { OLD_INVOICE_EVERY = 10, SENT_TWICE_EVERY = 8 };

static void write_secret(uint64_t number, uint8_t secret[32])
{
    char text[64];
    int len = snprintf(text, sizeof text, "lnkeep demo payment secret %" PRIu64, number);
    sha256(text, (size_t)len, secret);
}

static uint64_t add_invoice(struct client *client)
{
    struct ledger_invoice *entry = ledger_add_invoice(client->ledger);
    struct order *order = &entry->order;
    uint64_t number = order->key.invoice;
    bool in_one_part = number % IN_ONE_PART_EVERY == 0;
    entry->too_large = number % TOO_LARGE_EVERY == 0;
    entry->unknown_to_receiver = number % UNKNOWN_TO_RECEIVER_EVERY == 0;
    order->invoice.amount_msat = 1000 * (number * 7919 % (in_one_part ? 1000 : 5000) + 1);
    if (entry->too_large) {
        order->invoice.amount_msat = TOO_LARGE_MSAT;
    }
    if (!in_one_part) {
        write_secret(number, order->invoice.payment_secret);
    }
    order->may_be_resumed = number % NOT_RESUMED_EVERY != 0;
    return number;
}

/* A request to pay it: the first, or a new one after the last failed. */
static struct order_key new_request(struct ledger_invoice *entry)
{
    struct order *order = &entry->order;
    uint64_t number = order->key.invoice;
    uint64_t ms = number % HURRIED_EVERY == 0 ? HURRIED_DEADLINE_MS : DEADLINE_MS;
    order->key.request++;
    order->deadline_unix_ns = order->may_be_resumed ? unix_ns() + 1000000 * ms : 0;
    order->fee_limit_msat = order->may_be_resumed ? order->invoice.amount_msat / 50 : 0;
    return order->key;
}

/* What to ask about an invoice whose last request has ended. */
static struct open_order ask_again(struct client *client, struct ledger_invoice *entry)
{
    struct open_order again = {
        .invoice = entry->order.key.invoice,
        .key = entry->order.key,
        .purpose = PURPOSE_SAME_KEY,
    };
    bool same_key = chance_below(client->chance, 2) == 0;
    if (!same_key && entry->told_status == LNKEEP_PAYMENT_STATUS_FAILED) {
        again.purpose = PURPOSE_PAY;
        again.key = new_request(entry);
    } else if (!same_key) {
        again.purpose = PURPOSE_OTHER_KEY;
        again.key.request++;
    }
    return again;
}

static struct open_order next_order(struct client *client)
{
    struct ledger *ledger = client->ledger;
    if (ledger->invoices_len > 0 && chance_below(client->chance, OLD_INVOICE_EVERY) == 0) {
        uint64_t number = 1 + chance_below(client->chance, ledger->invoices_len);
        struct ledger_invoice *old = ledger_invoice(ledger, number);
        if (!old->open) {
            return ask_again(client, old);
        }
    }
    uint64_t number = add_invoice(client);
    struct open_order order = {.invoice = number, .purpose = PURPOSE_PAY};
    order.key = new_request(ledger_invoice(ledger, number));
    return order;
}

static void add_orders(struct client *client)
{
    while (!client->closing && client->open_len < CLIENT_OPEN_MAX) {
        struct open_order order = next_order(client);
        ledger_invoice(client->ledger, order.invoice)->open = true;
        client->open[client->open_len++] = order;
    }
}

static bool give(struct client *client, struct open_order *open, int fd)
{
    struct order order = ledger_invoice(client->ledger, open->invoice)->order;
    order.key = open->key;
    if (channel_try_send(fd, &order, sizeof order) != CHANNEL_OK) {
        return false;
    }
    if (chance_below(client->chance, SENT_TWICE_EVERY) == 0) {
        /* A double click. It is a repeat like any other. */
        open->given_before |= channel_try_send(fd, &order, sizeof order) == CHANNEL_OK;
    }
    open->given = true;
    return true;
}

void client_give_orders(struct client *client, int fd)
{
    add_orders(client);
    for (size_t i = 0; i < client->open_len; i++) {
        if (!client->open[i].given && !give(client, &client->open[i], fd)) {
            return;
        }
    }
}

static struct open_order *find_open(struct client *client, const struct order_key *key)
{
    for (size_t i = 0; i < client->open_len; i++) {
        if (memcmp(&client->open[i].key, key, sizeof *key) == 0) {
            return &client->open[i];
        }
    }
    return NULL;
}

static void take_answer(struct client *client, const struct report *report)
{
    struct ledger_invoice *entry = ledger_invoice(client->ledger, report->key.invoice);
    if (entry == NULL) {
        client->unexpected++;
        return;
    }
    struct open_order *open = find_open(client, &report->key);
    bool answered;
    if (report->kind == REPORT_ORDER) {
        answered = told_order(client, entry, open, report);
    } else {
        answered = told_end(client, entry, report) && open != NULL &&
                   open->purpose == PURPOSE_PAY;
    }
    if (answered && open != NULL) {
        entry->open = false;
        *open = client->open[--client->open_len];
    }
}

void client_note_report(struct client *client, const struct report *report)
{
    switch (report->kind) {
    case REPORT_ORDER:
    case REPORT_ENDED:
        take_answer(client, report);
        break;
    case REPORT_RESUMED:
        told_resumed(client, report);
        break;
    case REPORT_EVENT:
        told_event(client, report);
        break;
    case REPORT_NOTICE:
        told_notice(client, report);
        break;
    default:
        client->unexpected++;
        break;
    }
}

void client_node_died(struct client *client)
{
    client->lives++;
    for (size_t i = 0; i < client->open_len; i++) {
        client->open[i].given_before |= client->open[i].given;
        client->open[i].given = false;
    }
}

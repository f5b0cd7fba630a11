#include "client.h"

#include <lnkeep.h>
#include <string.h>

/* Above what the node's channel carries; the others are below. */
enum { TOO_LARGE_MSAT = 150000000, CLTV_EXPIRY = 900144 };

/* One order of so many is too large, so that attempts are failed before they leave, too. */
enum { TOO_LARGE_EVERY = 40 };

static struct order order_of(const struct client *client, uint64_t id, uint64_t recorded_below)
{
    struct order order = {
        .id = id,
        .amount_msat = id % TOO_LARGE_EVERY == 0 ? TOO_LARGE_MSAT : 1000 * (id % 5000 + 1),
        .recorded_below = recorded_below,
        .cltv_expiry = CLTV_EXPIRY,
    };
    memcpy(order.payment_hash, messages_payment_hash(client->messages, id),
           sizeof order.payment_hash);
    return order;
}

/* Every attempt below the oldest open one has its result in the ledger. */
static uint64_t recorded_below(const struct client *client)
{
    uint64_t below = client->ledger->len + 1;
    for (size_t i = 0; i < client->open_len; i++) {
        if (client->open[i].id < below) {
            below = client->open[i].id;
        }
    }
    return below;
}

static void add_orders(struct client *client)
{
    while (!client->closing && client->open_len < CLIENT_OPEN_MAX) {
        uint64_t id = ledger_add(client->ledger);
        ledger_find(client->ledger, id)->too_large = id % TOO_LARGE_EVERY == 0;
        client->open[client->open_len++] = (struct open_order){.id = id};
    }
}

void client_give_orders(struct client *client, int fd)
{
    add_orders(client);
    uint64_t below = recorded_below(client);
    for (size_t i = 0; i < client->open_len; i++) {
        if (client->open[i].given) {
            continue;
        }
        struct order order = order_of(client, client->open[i].id, below);
        if (channel_try_send(fd, &order, sizeof order) != CHANNEL_OK) {
            return;
        }
        client->open[i].given = true;
    }
}

static void note_init(struct client *client, struct entry *entry, lnkeep_status status)
{
    lnkeep_class class = lnkeep_status_class(status);
    if (class == LNKEEP_CLASS_DONE) {
        /* DONE for an id that was acknowledged before: the store had forgotten it. */
        entry->lost |= entry->init_acknowledged;
        client->repeated_done += entry->given_again;
    } else if (class == LNKEEP_CLASS_ALREADY && entry->given_again) {
        client->repeated_already++;
    } else {
        client->unexpected++;
        return;
    }
    entry->init_acknowledged = true;
}

/* The same result may be told twice, by the answer and by tracking; another one may not. */
static void note_result(struct client *client, struct entry *entry, const struct report *report)
{
    bool local = report->local != 0;
    if (entry->result_kind != 0) {
        entry->lost |= entry->result_kind != report->result_kind || entry->result_local != local;
        return;
    }
    entry->result_kind = (uint8_t)report->result_kind;
    entry->result_local = local;
    client->settled += report->result_kind == LNKEEP_RESULT_SETTLE;
    client->failed += report->result_kind == LNKEEP_RESULT_FAIL && !local;
    client->failed_here += local;
}

static struct open_order *find_order(struct client *client, uint64_t id)
{
    for (size_t i = 0; i < client->open_len; i++) {
        if (client->open[i].id == id) {
            return &client->open[i];
        }
    }
    return NULL;
}

void client_note_report(struct client *client, const struct report *report)
{
    struct entry *entry = ledger_find(client->ledger, report->id);
    if (entry == NULL) {
        return;
    }
    struct open_order *order = find_order(client, report->id);
    if (report->kind == REPORT_RESULT) {
        note_result(client, entry, report);
        if (order != NULL) {
            *order = client->open[--client->open_len];
        }
    } else if (lnkeep_status_class(report->status) != LNKEEP_CLASS_RETRY) {
        note_init(client, entry, report->status);
    } else if (order != NULL) {
        /* Nothing was registered, such as on a full disk: the same order again. */
        entry->given_again = true;
        order->given = false;
    }
}

void client_node_died(struct client *client)
{
    for (size_t i = 0; i < client->open_len; i++) {
        struct entry *entry = ledger_find(client->ledger, client->open[i].id);
        entry->given_again |= client->open[i].given;
        client->open[i].given = false;
    }
}

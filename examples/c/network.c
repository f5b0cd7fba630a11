/*
 * The peer and the routes behind it; the receivers are in receiver.c.
 */
#define _XOPEN_SOURCE 700
#include "network.h"

#include "channels.h"
#include "clock.h"

#include <string.h>

/* A real network takes a second; the demo has a minute. */
enum { HOPS_US_MAX = 15000, ANSWER_US_MAX = 8000 };

/* One HTLC of so many meets a slow hop, so that its answer comes late, often to another life. */
enum { SLOW_EVERY = 16, SLOW_US = 150000 };

/* Of 10 HTLCs, this many fail on their way, and another route might do. */
enum { FAIL_OF_TEN = 2 };

static struct htlc *find(struct network *network, uint64_t id)
{
    for (size_t i = 0; i < network->held_len; i++) {
        if (network->held[i].id == id) {
            return &network->held[i];
        }
    }
    return NULL;
}

static uint64_t in_a_while(struct network *network, uint64_t us_max)
{
    return now_us() + chance_below(network->chance, us_max);
}

/* What left the node counts, wherever it goes. */
static struct ledger_attempt *count(struct network *network, const struct wire_add *add,
                                    const struct ledger_invoice *invoice)
{
    struct ledger_attempt *attempt = ledger_attempt(network->ledger, add->id);
    if (attempt == NULL) {
        attempt = ledger_add_attempt(network->ledger, add->id);
        attempt->invoice = invoice->order.key.invoice;
        attempt->receiver_msat = add->receiver_msat;
        attempt->in_parts = add->total_msat != 0;
    }
    attempt->dispatched++;
    return attempt;
}

static void take_add(struct network *network, const struct wire_add *add)
{
    const struct ledger_invoice *invoice = ledger_invoice_of(network->ledger, add->payment_hash);
    if (invoice == NULL || add->receiver_msat == 0 || add->receiver_msat > add->amount_msat) {
        network->malformed++;
        return;
    }
    const struct ledger_attempt *attempt = count(network, add, invoice);
    if (attempt->in_parts &&
        memcmp(add->payment_secret, invoice->order.invoice.payment_secret, 32) != 0) {
        network->malformed++;
    }
    if (find(network, add->id) != NULL || network->held_len == WIRE_HELD_MAX) {
        return;
    }
    uint64_t due_us = in_a_while(network, HOPS_US_MAX);
    due_us += chance_below(network->chance, SLOW_EVERY) == 0 ? SLOW_US : 0;
    network->held[network->held_len++] = (struct htlc){
        .id = add->id,
        .invoice = invoice->order.key.invoice,
        .place = HTLC_ON_THE_WAY,
        .total_msat = add->total_msat,
        .due_us = due_us,
    };
}

static void take_forget(struct network *network, uint64_t id)
{
    struct htlc *htlc = find(network, id);
    if (htlc != NULL) {
        network->malformed += htlc->place != HTLC_ANSWERED;
        ledger_attempt(network->ledger, id)->confirmed = true;
        *htlc = network->held[--network->held_len];
    }
}

/* Numbers rise. One that comes again for another commitment would be the end of the channel. The
 * newest may be told again, when it takes nothing new along. */
static void take_number(struct network *network, unsigned channel, uint64_t number, bool is_new)
{
    uint64_t *highest = &network->commitment_numbers[channel];
    network->numbers_reused += number < *highest || (is_new && number == *highest);
    *highest = number > *highest ? number : *highest;
}

void network_take(struct network *network, const uint8_t *message, size_t len)
{
    struct wire_add add;
    struct wire_forget forget;
    uint64_t number;
    if (wire_read_add(message, len, &add, &number)) {
        take_number(network, add.channel, number, true);
        take_add(network, &add);
    } else if (wire_read_forget(message, len, &forget)) {
        take_number(network, forget.channel, forget.commitment_number, false);
        take_forget(network, forget.id);
    } else {
        network->malformed++;
    }
}

void network_decide(struct network *network, struct htlc *htlc, unsigned failure_code)
{
    struct ledger_attempt *attempt = ledger_attempt(network->ledger, htlc->id);
    attempt->answer = failure_code == 0 ? WIRE_UPDATE_FULFILL_HTLC : WIRE_UPDATE_FAIL_HTLC;
    attempt->failure_code = failure_code;
    htlc->place = HTLC_ANSWERED;
    htlc->due_us = in_a_while(network, ANSWER_US_MAX);
}

static bool answer(struct network *network, struct htlc *htlc, int fd)
{
    const struct ledger_attempt *attempt = ledger_attempt(network->ledger, htlc->id);
    struct message message;
    if (attempt->answer == WIRE_UPDATE_FULFILL_HTLC) {
        const struct ledger_invoice *invoice = ledger_invoice(network->ledger, htlc->invoice);
        messages_fulfill(network->messages, htlc->id, invoice->preimage, &message);
    } else {
        messages_fail(network->messages, htlc->id, attempt->failure_code, &message);
    }
    htlc->told = channel_try_send(fd, message.bytes, message.len) == CHANNEL_OK;
    return htlc->told;
}

/* False when the node's socket is full. */
static bool move_on(struct network *network, struct htlc *htlc, int fd)
{
    switch (htlc->place) {
    case HTLC_ON_THE_WAY:
        if (chance_below(network->chance, 10) < FAIL_OF_TEN) {
            network_decide(network, htlc, WIRE_TEMPORARY_CHANNEL_FAILURE);
        } else {
            receiver_take(network, htlc);
        }
        return true;
    case HTLC_AT_RECEIVER:
        receiver_give_up(network, htlc);
        return true;
    default:
        return htlc->told || answer(network, htlc, fd);
    }
}

void network_answer(struct network *network, int fd)
{
    uint64_t now = now_us();
    for (size_t i = 0; i < network->held_len; i++) {
        if (network->held[i].due_us <= now && !move_on(network, &network->held[i], fd)) {
            return;
        }
    }
}

bool network_reconnect(struct network *network, int fd)
{
    static uint8_t message[WIRE_HELD_BYTES_MAX];
    static uint64_t ids[WIRE_HELD_MAX];
    for (size_t i = 0; i < network->held_len; i++) {
        ids[i] = network->held[i].id;
    }
    size_t len = wire_write_held(message, ids, network->held_len);
    return channel_try_send(fd, message, len) == CHANNEL_OK;
}

void network_node_died(struct network *network)
{
    for (size_t i = 0; i < network->held_len; i++) {
        struct htlc *htlc = &network->held[i];
        htlc->told = false;
        if (htlc->place == HTLC_ANSWERED) {
            htlc->due_us = in_a_while(network, ANSWER_US_MAX);
        }
        ledger_attempt(network->ledger, htlc->id)->held_over_a_death = true;
    }
}

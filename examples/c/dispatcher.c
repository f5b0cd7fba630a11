/*
 * An order of the client becomes an HTLC, at most once: init, validate, mark, send.
 *
 * Several threads run this at once; their calls share commits inside lnkeep, so that more threads
 * mean more payments per flush of the disk, not more flushes.
 *
 * Every answer of lnkeep is read by its class. The rule behind each branch is one of two:
 *   the HTLC leaves only after init answered DONE to this thread and mark answered DONE or ALREADY;
 *   the client is told that an attempt failed only when the failure is durable.
 */
#include "broken.h"
#include "channels.h"
#include "life.h"
#include "outcome.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the channel can carry; some of the client's orders are larger. */
enum { CHANNEL_BALANCE_MSAT = 100000000 };

/* BOLT 4: UPDATE | 7. */
enum { TEMPORARY_CHANNEL_FAILURE = 0x1007 };

static lnkeep_attempt_request request_of(const struct order *order)
{
    lnkeep_attempt_request request = {
        .key = key_of(order->id),
        .present = LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH,
        .cltv_expiry = order->cltv_expiry,
        .amount_msat = order->amount_msat,
    };
    memcpy(request.payment_hash, order->payment_hash, sizeof request.payment_hash);
    /* A node hashes the whole request here, the onion included, so that another request under the
     * same id is told from a repeat. The few fields of this example fit without a hash. */
    memcpy(request.fingerprint, order->payment_hash, 20);
    memcpy(request.fingerprint + 20, &order->amount_msat, 8);
    memcpy(request.fingerprint + 28, &order->cltv_expiry, 4);
    return request;
}

/* Step 1. DONE: this thread, and nobody else, may dispatch the id. */
static lnkeep_status init(struct node *node, const struct order *order)
{
    lnkeep_attempt_request request = request_of(order);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = node->broken ? broken_init(node, &request, &err)
                              : lnkeep_attempts_init(node->attempts, &request, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_class("init", order->id, status, &err);
    return status;
}

/* Step 3. DONE or ALREADY: the HTLC may leave. */
static lnkeep_class mark(struct node *node, uint64_t id)
{
    lnkeep_attempt_key key = key_of(id);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = node->broken ? broken_mark(node, &key, &err)
                              : lnkeep_attempts_mark_handed_off(node->attempts, &key, NULL, &err);
    } while (outcome_try_again(status, &patience));
    return outcome_class("mark", id, status, &err);
}

/* Step 4. In a node: release the commitment_signed that covers the HTLC. */
static void send_htlc(struct node *node, const struct order *order)
{
    struct wire_add add = {
        /* BOLT 2 numbers the HTLCs of a channel one after the other, and a node's circuit map knows
         * which attempt a number belongs to. Here they are the same, so that the network can count
         * how often an attempt left. */
        .id = order->id,
        .amount_msat = order->amount_msat,
        .cltv_expiry = order->cltv_expiry,
    };
    memcpy(add.payment_hash, order->payment_hash, sizeof add.payment_hash);
    uint8_t message[WIRE_ADD_BYTES];
    wire_write_add(message, &add);
    if (!channel_send(node->peer_fd, message, sizeof message)) {
        /* It may have left or not; the mark is durable, so that the next life asks the peer. */
        _exit(EXIT_START_AGAIN);
    }
}

/* For an attempt whose HTLC has not left. The client hears of it once the failure is stored. */
static void fail_here(struct node *node, uint64_t id)
{
    lnkeep_attempt_key key = key_of(id);
    lnkeep_bytes no_message = {0};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_attempts_fail_pending(node->attempts, &key, TEMPORARY_CHANNEL_FAILURE,
                                              no_message, 0, NULL, &err);
    } while (outcome_try_again(status, &patience));
    switch (outcome_class("fail", id, status, &err)) {
    case LNKEEP_CLASS_DONE:
    case LNKEEP_CLASS_ALREADY:
        report_stored_result(node, id);
        break;
    case LNKEEP_CLASS_REFUSED:
        /* NOT_PENDING: it has a result, which is the one to tell. HANDED_OFF: it may settle, so
         * that nobody may call it failed; nothing is told. */
        report_stored_result(node, id);
        break;
    default:
        /* RETRY: the attempt stays an intent. Recovery fails it at the next start, and then the
         * client is told. */
        break;
    }
}

/* Step 2. */
static bool is_valid(const struct order *order)
{
    return order->amount_msat <= CHANNEL_BALANCE_MSAT;
}

/* Steps 2 to 4, for the one thread whose init was answered DONE. */
static void dispatch(struct node *node, const struct order *order)
{
    if (!is_valid(order)) {
        fail_here(node, order->id);
        return;
    }
    switch (mark(node, order->id)) {
    case LNKEEP_CLASS_DONE:
    case LNKEEP_CLASS_ALREADY:
        send_htlc(node, order);
        break;
    case LNKEEP_CLASS_REFUSED:
        /* The attempt ended meanwhile. The HTLC must not leave; the result is the one stored. */
        report_stored_result(node, order->id);
        break;
    default:
        /* RETRY: not marked, so it must not leave, and certainly has not. */
        fail_here(node, order->id);
        break;
    }
}

static void take_order(struct node *node, const struct order *order)
{
    lnkeep_status status = init(node, order);
    struct report report = {.kind = REPORT_INIT, .status = status, .id = order->id};
    report_send(node, &report);
    switch (lnkeep_status_class(status)) {
    case LNKEEP_CLASS_DONE:
        dispatch(node, order);
        break;
    case LNKEEP_CLASS_ALREADY:
        /* An earlier life or another thread registered it, and the HTLC may be on its way: track
         * it. If it is still pending, the answer of the peer or recovery ends it. */
        report_stored_result(node, order->id);
        break;
    default:
        /* REFUSED, RETRY: nothing was recorded and nothing leaves. The client was told the status
         * and knows whether the same order may be given again. */
        break;
    }
}

/* The client's word that results below an id are on its own record lets lnkeep forget them. */
static void note_recorded(struct node *node, uint64_t below)
{
    uint64_t known = atomic_load(&node->recorded_below);
    while (below > known && !atomic_compare_exchange_weak(&node->recorded_below, &known, below)) {
    }
}

void *dispatcher_run(void *argument)
{
    struct node *node = argument;
    struct order order;
    size_t len;
    while (channel_receive(node->orders_fd, &order, sizeof order, &len) == CHANNEL_OK) {
        if (len != sizeof order) {
            fprintf(stderr, "node: an order of %zu bytes\n", len);
            _exit(EXIT_COULD_NOT_RUN);
        }
        note_recorded(node, order.recorded_below);
        take_order(node, &order);
    }
    return NULL;
}

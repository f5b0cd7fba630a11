/*
 * A part of a payment becomes an HTLC, at most once: register, validate, commit, send.
 *
 * The HTLC leaves only after register answered DONE to this thread, and after the commit that makes
 * it part of its channel and marks its attempt as handed off, both or neither. An attempt is called
 * failed only when lnkeep has made sure that it did not leave, or when the network said so.
 */
#define _XOPEN_SOURCE 700
#include "broken.h"
#include "clock.h"
#include "life.h"
#include "outcome.h"

#include <string.h>

/* What the channel's other end takes in one HTLC (BOLT 7 htlc_maximum_msat). */
enum { HTLC_MAXIMUM_MSAT = 2200000 };

enum { CLTV_EXPIRY = 900144, FIRST_HOP_SCID = 0x0a0b0c };

lnkeep_attempt_key key_of(uint64_t id)
{
    lnkeep_attempt_key key = {.id = id};
    return key;
}

/* Never used before: an epoch belongs to one open of the store, and lnkeep_store_open told it. */
static uint64_t new_attempt_id(struct node *node)
{
    return node->epoch << 32 | atomic_fetch_add(&node->attempts_made, 1);
}

static lnkeep_payment_attempt_request request_of(struct node *node, const lnkeep_payment *payment,
                                                 uint64_t receiver_msat, uint64_t fee_msat)
{
    const struct invoice invoice = payer_invoice(payment);
    lnkeep_payment_attempt_request request = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    request.key = key_of(new_attempt_id(node));
    request.amount_msat = receiver_msat;
    request.fee_msat = fee_msat;
    request.hop_count = ROUTE_HOPS;
    request.cltv_expiry = CLTV_EXPIRY;
    request.first_hop_scid = FIRST_HOP_SCID;
    request.sent_unix_ns = unix_ns();
    if (payer_takes_parts(&invoice)) {
        request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
        request.mpp_total_msat = invoice.amount_msat;
        memcpy(request.mpp_payment_address, invoice.payment_secret, 32);
    }
    return request;
}

/* Steps 1 of the payment and of the attempt in one transaction. DONE: this thread, and nobody else,
 * may dispatch the attempt. */
static lnkeep_class register_attempt(struct node *node, const uint8_t payment_hash[32],
                                     const lnkeep_payment_attempt_request *request,
                                     lnkeep_payment **after, bool *overtaken)
{
    const uint32_t flags = node->broken == BROKEN_NO_RECORD ? 0 : LNKEEP_REGISTER_WITH_RECORD;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_register(node->payments, payment_hash, request, flags, after, NULL,
                                          &err);
    } while (outcome_try_again(status, &patience));
    *overtaken = outcome_was_overtaken(status);
    return *overtaken ? LNKEEP_CLASS_REFUSED : outcome_class("register", status, &err);
}

/* Steps 3 and 4. False when the channel has no room: the HTLC has not left, and will not. */
static bool hand_off(struct node *node, const uint8_t payment_hash[32],
                     const lnkeep_payment_attempt_request *request)
{
    struct wire_add add = {
        /* BOLT 2 numbers the HTLCs of a channel one after the other, and a node's circuit map knows
         * which attempt a number belongs to. Here they are the same, so that the network can count
         * how often an attempt left. */
        .id = request->key.id,
        .amount_msat = request->amount_msat + request->fee_msat,
        .cltv_expiry = request->cltv_expiry,
        .receiver_msat = request->amount_msat,
        .total_msat = request->mpp_total_msat,
    };
    const lnkeep_op mark = {
        .kind = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF,
        .component = node->attempts.bits,
        .body.attempt_key = request->key,
    };
    memcpy(add.payment_hash, payment_hash, sizeof add.payment_hash);
    memcpy(add.payment_secret, request->mpp_payment_address, sizeof add.payment_secret);
    return keeper_add_htlc(node, &add, broken_marks_otherwise(node, &mark) ? NULL : &mark);
}

/* For an attempt whose HTLC has not left: the payment's attempt fails and the record is rolled back
 * in one transaction. lnkeep refuses it for one that was marked. */
static lnkeep_payment *fail_here(struct node *node, const uint8_t payment_hash[32],
                                 const lnkeep_attempt_key *key)
{
    const lnkeep_payment_failure failure = {
        .reason = LNKEEP_ATTEMPT_FAILURE_INTERNAL,
        .failed_unix_ns = unix_ns(),
    };
    const lnkeep_bytes no_note = {0};
    lnkeep_payment *after = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_fail_attempt(node->payments, payment_hash, key, &failure, no_note,
                                              0, &after, NULL, &err);
    } while (outcome_try_again(status, &patience));
    /* RETRY: it stays an intent, which the next start rolls back. REFUSED: HANDED_OFF, it may
     * settle, so nobody may call it failed, and its answer goes on with the payment. */
    if (!outcome_was_overtaken(status)) {
        outcome_class("fail attempt", status, &err);
    }
    return after;
}

/* Steps 2 to 4. Takes over the payment as it is after the registration. */
static lnkeep_payment *dispatch(struct node *node, lnkeep_payment *after,
                                const lnkeep_payment_attempt_request *request)
{
    bool valid = request->amount_msat + request->fee_msat <= HTLC_MAXIMUM_MSAT;
    if (valid && hand_off(node, after->init.payment_hash, request)) {
        return after;
    }
    /* Not marked, so it must not leave, and certainly has not. */
    lnkeep_payment *failed = fail_here(node, after->init.payment_hash, &request->key);
    lnkeep_payment_free(after);
    return failed;
}

lnkeep_payment *dispatch_part(struct node *node, const lnkeep_payment *payment,
                              uint64_t receiver_msat, uint64_t fee_msat)
{
    const lnkeep_payment_attempt_request request =
        request_of(node, payment, receiver_msat, fee_msat);
    lnkeep_payment *after = NULL;
    bool overtaken;
    switch (register_attempt(node, payment->init.payment_hash, &request, &after, &overtaken)) {
    case LNKEEP_CLASS_DONE:
        return dispatch(node, after, &request);
    case LNKEEP_CLASS_ALREADY:
        /* Somebody registered this very attempt: it may be on its way, and must not leave again. */
        return after;
    default:
        /* Nothing was recorded and nothing leaves. Unless another thread goes on with the payment,
         * this node cannot, such as on a full disk; giving up and results have a reserve there. */
        return overtaken ? NULL
                         : payer_give_up(node, payment->init.payment_hash,
                                         LNKEEP_PAYMENT_REASON_ERROR);
    }
}

/*
 * An answer of the peer becomes a result, and the result goes to its payment: parse, store, and
 * then commit the channel without the HTLC, the payment with its attempt settled or failed, and
 * what is to be told of it.
 *
 * Storing comes first, because the peer's answer is the only one there is. The rest is one
 * transaction, which also acknowledges the stored result, and after which the peer may forget the
 * HTLC. When the node dies in between, the peer repeats its answer to every new life; lnkeep
 * answers ALREADY to the store then, and that is as good as DONE.
 *
 * Several threads run this at once; their calls share commits inside lnkeep.
 */
#include "broken.h"
#include "channels.h"
#include "life.h"
#include "outcome.h"
#include "wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool answers_is_final(const lnkeep_attempt_result *result)
{
    struct wire_answer answer;
    return result->kind == LNKEEP_RESULT_FAIL && !(result->flags & LNKEEP_RESULT_UNENCRYPTED) &&
           wire_read_answer(result->message.ptr, result->message.len, &answer) &&
           answer.failure_code == WIRE_UNKNOWN_OR_INCORRECT_DETAILS;
}

lnkeep_payment_failure answers_failure_of(const lnkeep_attempt *attempt)
{
    bool ours = attempt->result.flags & LNKEEP_RESULT_UNENCRYPTED;
    bool receivers = answers_is_final(&attempt->result);
    lnkeep_payment_failure failure = {
        .reason = ours ? LNKEEP_ATTEMPT_FAILURE_INTERNAL : LNKEEP_ATTEMPT_FAILURE_MESSAGE,
        .source_index = ours ? 0 : receivers ? ROUTE_HOPS : 1,
        /* The time of the result, not of this call, so that a repeat says the same. */
        .failed_unix_ns = attempt->updated_unix_ms * 1000000,
        .message = attempt->result.message,
    };
    return failure;
}

lnkeep_attempt *answers_record(struct node *node, const lnkeep_attempt_key *key)
{
    lnkeep_attempt *attempt = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_attempts_get(node->attempts, key, &attempt, &err);
    } while (outcome_try_again(status, &patience));
    if (status != LNKEEP_NOT_FOUND) {
        outcome_class("get", status, &err);
    }
    return attempt;
}

/* The operation that takes a stored result to its payment. It borrows from the record. */
static lnkeep_op conclusion_of(struct node *node, const uint8_t payment_hash[32],
                               const lnkeep_attempt *attempt)
{
    lnkeep_op op = {.component = node->payments.bits};
    if (attempt->result.kind == LNKEEP_RESULT_SETTLE) {
        op.kind = LNKEEP_OP_PAYMENT_SETTLE;
        op.body.payment_settle = (lnkeep_op_payment_settle){
            .key = attempt->key,
            .settled_unix_ns = attempt->updated_unix_ms * 1000000,
        };
        memcpy(op.body.payment_settle.payment_hash, payment_hash, 32);
        memcpy(op.body.payment_settle.preimage, attempt->result.preimage, 32);
    } else {
        op.kind = LNKEEP_OP_PAYMENT_FAIL_ATTEMPT;
        op.body.payment_fail_attempt = (lnkeep_op_payment_fail_attempt){
            .key = attempt->key,
            .failure = answers_failure_of(attempt),
        };
        memcpy(op.body.payment_fail_attempt.payment_hash, payment_hash, 32);
    }
    return op;
}

static void check_outcome(const lnkeep_outcome *outcome, const lnkeep_attempt_key *key)
{
    if (outcome->flags & LNKEEP_OUTCOME_CONFLICT) {
        /* The client may have paid again. It hears of the settle; people should, too. */
        fprintf(stderr, "node: attempt %" PRIu64 " settled after it was called failed\n", key->id);
    }
    if (!outcome_was_overtaken(outcome->status)) {
        const lnkeep_error err = {.size = sizeof err};
        outcome_class("conclude", outcome->status, &err);
    }
}

/* Which payment an attempt belongs to: its record knows, since it was made with it. */
static bool hash_of(struct node *node, const lnkeep_attempt *attempt, uint8_t payment_hash[32])
{
    if (node->broken == BROKEN_NO_RECORD) {
        return broken_hash_of(node, &attempt->key, payment_hash);
    }
    memcpy(payment_hash, attempt->payment_hash, 32);
    return attempt->present & LNKEEP_HAS_PAYMENT_HASH;
}

/* Of an attempt that has a result. */
static lnkeep_payment *conclude(struct node *node, const lnkeep_attempt *attempt)
{
    const bool settled = attempt->result.kind == LNKEEP_RESULT_SETTLE;
    struct change change = {
        .kind = settled ? HTLC_SETTLED : HTLC_FAILED,
        .htlc_id = attempt->key.id,
    };
    /* ACKED: the payment has it. That was the same transaction. */
    if (!hash_of(node, attempt, change.payment_hash) || attempt->flags & LNKEEP_ATTEMPT_ACKED) {
        keeper_remove_htlc(node, &change, NULL);
        return NULL;
    }
    if (answers_is_final(&attempt->result)) {
        /* The payment first, so that no thread makes another attempt in between. */
        lnkeep_payment_free(payer_give_up(node, change.payment_hash,
                                          LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS));
    }
    const lnkeep_op op = conclusion_of(node, change.payment_hash, attempt);
    const lnkeep_outcome outcome = keeper_remove_htlc(node, &change, &op);
    check_outcome(&outcome, &attempt->key);
    const lnkeep_class class = lnkeep_status_class(outcome.status);
    return class == LNKEEP_CLASS_DONE || class == LNKEEP_CLASS_ALREADY
               ? payer_fetch(node, change.payment_hash)
               : NULL;
}

lnkeep_payment *answers_conclude(struct node *node, const lnkeep_attempt_key *key)
{
    lnkeep_payment *payment = NULL;
    lnkeep_attempt *attempt = answers_record(node, key);
    if (attempt != NULL && attempt->present & LNKEEP_HAS_RESULT) {
        payment = conclude(node, attempt);
    }
    lnkeep_attempt_free(attempt);
    return payment;
}

static lnkeep_status store(struct node *node, const lnkeep_attempt_key *key,
                           const lnkeep_attempt_result *result)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = node->broken == BROKEN_EARLY
                     ? broken_store_result(node, key, result, &err)
                     : lnkeep_attempts_store_result(node->attempts, key, result, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_class("store result", status, &err);
    return status;
}

static void take_result(struct node *node, const lnkeep_attempt_key *key,
                        const lnkeep_attempt_result *result)
{
    lnkeep_status status = store(node, key, result);
    switch (lnkeep_status_class(status)) {
    case LNKEEP_CLASS_REFUSED:
        /* CONFLICT: another result is final, such as a settle before a late failure, and this
         * answer is of no use to anybody. Any other refusal, such as a wrong preimage, is the fault
         * of the peer: its answer stays unconfirmed, and a node fails the channel. */
        if (status != LNKEEP_CONFLICT) {
            return;
        }
        break;
    case LNKEEP_CLASS_RETRY:
        /* Not stored, so the peer must keep it. It answers again after a reconnect. */
        return;
    default:
        break;
    }
    if (node->broken == BROKEN_EARLY) {
        broken_forget(node, key->id);
        broken_wait(node);
    }
    payer_go_on(node, answers_conclude(node, key));
}

/* Keeps the message as it came: it is the host's own record. */
static void take_answer(struct node *node, const uint8_t *message, size_t len)
{
    struct wire_answer answer;
    if (!wire_read_answer(message, len, &answer)) {
        fprintf(stderr, "node: the peer sent a malformed message of type %u\n",
                wire_type(message, len));
        _exit(EXIT_COULD_NOT_RUN);
    }
    const lnkeep_attempt_key key = key_of(answer.id);
    lnkeep_attempt_result result = {
        .kind = answer.type == WIRE_UPDATE_FULFILL_HTLC ? LNKEEP_RESULT_SETTLE
                                                        : LNKEEP_RESULT_FAIL,
        .message = {.ptr = message, .len = len},
    };
    /* Zero for a failure. For a settle lnkeep compares its hash with the one registered. */
    memcpy(result.preimage, answer.preimage, sizeof result.preimage);
    take_result(node, &key, &result);
}

void *answers_run(void *argument)
{
    struct node *node = argument;
    uint8_t message[WIRE_ANSWER_BYTES_MAX];
    size_t len;
    while (channel_receive(node->peer_fd, message, sizeof message, &len) == CHANNEL_OK) {
        take_answer(node, message, len);
    }
    return NULL;
}

/*
 * An answer of the peer becomes a result, and the result goes to its payment: parse, store, let the
 * peer forget it, and then settle or fail the payment's attempt.
 *
 * Storing comes first, because the peer's answer is the only one there is. The payment follows in a
 * transaction of its own, which also acknowledges the stored result; when the node dies in between,
 * lnkeep_payments_resume or answers_conclude finds it. The peer repeats what was not confirmed to
 * every new life of the node; lnkeep answers ALREADY then, and that is as good as DONE.
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

static lnkeep_payment *settle(struct node *node, const uint8_t payment_hash[32],
                              const lnkeep_attempt *attempt)
{
    lnkeep_payment *payment = NULL;
    lnkeep_outcome outcome = {0};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_settle(node->payments, payment_hash, &attempt->key,
                                        attempt->result.preimage,
                                        attempt->updated_unix_ms * 1000000, 0, &payment, &outcome,
                                        &err);
    } while (outcome_try_again(status, &patience));
    if (outcome.flags & LNKEEP_OUTCOME_CONFLICT) {
        /* The client may have paid again. It hears of the settle; people should, too. */
        fprintf(stderr, "node: attempt %" PRIu64 " settled after it was called failed\n",
                attempt->key.id);
    }
    if (!outcome_was_overtaken(status)) {
        outcome_class("settle", status, &err);
    }
    return payment;
}

static lnkeep_payment *fail(struct node *node, const uint8_t payment_hash[32],
                            const lnkeep_attempt *attempt)
{
    if (answers_is_final(&attempt->result)) {
        /* The payment first, so that no thread makes another attempt in between. */
        lnkeep_payment_free(payer_give_up(node, payment_hash,
                                          LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS));
    }
    const lnkeep_payment_failure failure = answers_failure_of(attempt);
    const lnkeep_bytes no_note = {0};
    lnkeep_payment *payment = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_fail_attempt(node->payments, payment_hash, &attempt->key, &failure,
                                              no_note, 0, &payment, NULL, &err);
    } while (outcome_try_again(status, &patience));
    if (!outcome_was_overtaken(status)) {
        outcome_class("fail attempt", status, &err);
    }
    return payment;
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

lnkeep_payment *answers_conclude(struct node *node, const lnkeep_attempt_key *key)
{
    lnkeep_payment *payment = NULL;
    lnkeep_attempt *attempt = answers_record(node, key);
    uint8_t payment_hash[32];
    /* ACKED: the payment has it. That was the same transaction. */
    if (attempt != NULL && attempt->present & LNKEEP_HAS_RESULT &&
        !(attempt->flags & LNKEEP_ATTEMPT_ACKED) && hash_of(node, attempt, payment_hash)) {
        payment = attempt->result.kind == LNKEEP_RESULT_SETTLE
                      ? settle(node, payment_hash, attempt)
                      : fail(node, payment_hash, attempt);
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
        status = node->broken == BROKEN_NOT
                     ? lnkeep_attempts_store_result(node->attempts, key, result, NULL, &err)
                     : broken_store_result(node, key, result, &err);
    } while (outcome_try_again(status, &patience));
    outcome_class("store result", status, &err);
    return status;
}

/* From here on the peer may forget the HTLC, and with it the answer. */
static void let_peer_forget(struct node *node, uint64_t id)
{
    uint8_t message[WIRE_FORGET_BYTES];
    wire_write_forget(message, id);
    if (!channel_send(node->peer_fd, message, sizeof message)) {
        _exit(EXIT_START_AGAIN);
    }
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
    let_peer_forget(node, key->id);
    if (node->broken == BROKEN_EARLY) {
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

/*
 * An answer of the peer becomes a result: parse, store, and only then let the peer forget it.
 *
 * One thread, and yet no commit for each answer: it takes what has arrived and stores it with one
 * lnkeep_submit. The peer repeats what was not confirmed to every new life of the node, so that the
 * same answer may come again; lnkeep answers ALREADY then, and that is as good as DONE.
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

enum { BATCH_MAX = 32 };

struct batch {
    size_t len;
    lnkeep_op ops[BATCH_MAX];
    lnkeep_outcome outcomes[BATCH_MAX];
    uint8_t messages[BATCH_MAX][WIRE_ANSWER_BYTES_MAX]; /* the ops point into them */
};

lnkeep_op result_op(const struct node *node, uint64_t id, const lnkeep_attempt_result *result)
{
    lnkeep_op op = {
        .kind = LNKEEP_OP_ATTEMPT_STORE_RESULT,
        .component = node->attempts.bits,
        .body.attempt_result = {.key = key_of(id), .result = *result},
    };
    return op;
}

/* Whether a batch must be submitted again: the status of an operation that may succeed then. */
static lnkeep_status status_to_retry(const lnkeep_outcome *outcomes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lnkeep_status_class(outcomes[i].status) == LNKEEP_CLASS_RETRY) {
            return outcomes[i].status;
        }
    }
    return LNKEEP_DONE;
}

void store_results(struct node *node, const lnkeep_op *ops, size_t ops_len,
                   lnkeep_outcome *outcomes)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    /* The whole batch again, not the part that is left: what was done answers ALREADY. */
    do {
        status = node->broken ? broken_submit(node, ops, ops_len, outcomes, &err)
                              : lnkeep_submit(node->store, ops, ops_len, 0, outcomes, &err);
    } while (outcome_try_again(status_to_retry(outcomes, ops_len), &patience));
    /* LNKEEP_BATCH only says that the outcomes must be read; the detail is of the worst one. */
    for (size_t i = 0; i < ops_len && status != LNKEEP_DONE; i++) {
        outcome_class("store result", ops[i].body.attempt_result.key.id, outcomes[i].status, &err);
    }
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

static void finish(struct node *node, const lnkeep_op_attempt_result *stored,
                   const lnkeep_outcome *outcome)
{
    uint64_t id = stored->key.id;
    switch (lnkeep_status_class(outcome->status)) {
    case LNKEEP_CLASS_DONE:
        if (outcome->flags & LNKEEP_OUTCOME_CONFLICT) {
            /* The client may have paid again. It hears of the settle below; people should, too. */
            fprintf(stderr, "node: attempt %" PRIu64 " settled after it was called failed\n", id);
        }
        let_peer_forget(node, id);
        report_result(node, id, &stored->result);
        break;
    case LNKEEP_CLASS_ALREADY:
        let_peer_forget(node, id);
        report_result(node, id, &stored->result);
        break;
    case LNKEEP_CLASS_REFUSED:
        /* CONFLICT: another result is final, such as a settle before a late failure. It is the one
         * to tell, and this answer is of no use to anybody. Any other refusal, such as a wrong
         * preimage, is the peer's fault: its answer stays unconfirmed, and a node fails the
         * channel. */
        if (outcome->status == LNKEEP_CONFLICT) {
            let_peer_forget(node, id);
            report_stored_result(node, id);
        }
        break;
    default:
        /* RETRY: not stored, so the peer must keep it. It answers again after a reconnect. */
        break;
    }
}

/* Adds a message to the batch. Keeps the bytes as they came: they are the host's own record. */
static void add_answer(struct node *node, struct batch *batch, size_t message_len)
{
    const uint8_t *message = batch->messages[batch->len];
    struct wire_answer answer;
    if (!wire_read_answer(message, message_len, &answer)) {
        fprintf(stderr, "node: the peer sent a malformed message of type %u\n",
                wire_type(message, message_len));
        _exit(EXIT_COULD_NOT_RUN);
    }
    lnkeep_attempt_result result = {
        .kind = answer.type == WIRE_UPDATE_FULFILL_HTLC ? LNKEEP_RESULT_SETTLE
                                                        : LNKEEP_RESULT_FAIL,
        .message = {.ptr = message, .len = message_len},
    };
    /* Zero for a failure. For a settle lnkeep compares its hash with the one given to init. */
    memcpy(result.preimage, answer.preimage, sizeof result.preimage);
    batch->ops[batch->len++] = result_op(node, answer.id, &result);
}

/* Waits for one message, then takes what else has arrived. False when the peer is gone. */
static bool receive_answers(struct node *node, struct batch *batch)
{
    size_t len;
    batch->len = 0;
    if (channel_receive(node->peer_fd, batch->messages[0], WIRE_ANSWER_BYTES_MAX, &len) !=
        CHANNEL_OK) {
        return false;
    }
    do {
        add_answer(node, batch, len);
    } while (batch->len < BATCH_MAX &&
             channel_try_receive(node->peer_fd, batch->messages[batch->len], WIRE_ANSWER_BYTES_MAX,
                                 &len) == CHANNEL_OK);
    return true;
}

void *answers_run(void *argument)
{
    struct node *node = argument;
    static struct batch batch; /* of the one thread that runs this */
    while (receive_answers(node, &batch)) {
        store_results(node, batch.ops, batch.len, batch.outcomes);
        for (size_t i = 0; i < batch.len; i++) {
            finish(node, &batch.ops[i].body.attempt_result, &batch.outcomes[i]);
        }
    }
    return NULL;
}

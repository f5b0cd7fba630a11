/*
 * After every start: ends what the last life left, as far as that is known.
 *
 *   1. recover          attempts that certainly never left are failed
 *   2. ask the peer     attempts that were marked and are not at the peer never left either, and
 *                       their HTLCs come out of the channels
 *   3. resume payments  with every result that is stored, each payment ends, waits, or goes on
 */
#include "broken.h"
#include "channels.h"
#include "life.h"
#include "outcome.h"
#include "views.h"
#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Operations of one submission; lnkeep takes up to 1,024. */
enum { SUBMISSION_MAX = 256 };

/*
 * Fails what was registered and certainly never left. This node marks before it sends, so that no
 * circuit list is needed: an intent without a mark has not left, whatever the peer says later.
 * Attempts with a mark are never touched; without circuits all of them are listed as unresolved.
 */
static lnkeep_recovery *recover(struct node *node)
{
    lnkeep_recovery *recovery = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_attempts_recover(node->attempts, NULL, NULL, 0,
                                         broken_recover_flags(node), &recovery, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("recover", status, &err);
    return recovery;
}

/* After a reconnect, channel_reestablish tells both sides which HTLCs the channel holds. */
static size_t receive_held(struct node *node, uint64_t held[WIRE_HELD_MAX])
{
    static uint8_t message[WIRE_BYTES_MAX];
    size_t len, held_len;
    if (channel_receive(node->peer_fd, message, sizeof message, &len) != CHANNEL_OK) {
        _exit(EXIT_START_AGAIN);
    }
    if (!wire_read_held(message, len, held, &held_len)) {
        fprintf(stderr, "node: the peer did not say which HTLCs it holds\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    return held_len;
}

static bool is_held(const uint64_t *held, size_t held_len, uint64_t id)
{
    for (size_t i = 0; i < held_len; i++) {
        if (held[i] == id) {
            return true;
        }
    }
    return false;
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

/* Stores a failure of this node as the result of attempts whose HTLC did not leave, in one commit.
 * An attempt that has another result keeps it. */
static void fail_all(struct node *node, const uint64_t *ids, size_t ids_len)
{
    static lnkeep_op ops[SUBMISSION_MAX];
    static lnkeep_outcome outcomes[SUBMISSION_MAX];
    const lnkeep_attempt_result failure = {
        .kind = LNKEEP_RESULT_FAIL,
        .flags = LNKEEP_RESULT_UNENCRYPTED,
        .failure_code = WIRE_TEMPORARY_NODE_FAILURE,
    };
    for (size_t i = 0; i < ids_len; i++) {
        ops[i] = (lnkeep_op){
            .kind = LNKEEP_OP_ATTEMPT_STORE_RESULT,
            .component = node->attempts.bits,
            .body.attempt_result = {.key = key_of(ids[i]), .result = failure},
        };
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    /* The whole batch again, not the part that is left: what was done answers ALREADY. */
    do {
        status = lnkeep_submit(node->store, ops, ids_len, 0, outcomes, &err);
    } while (outcome_try_again(status_to_retry(outcomes, ids_len), &patience));
    /* LNKEEP_BATCH only says that the outcomes must be read; the detail is of the worst one. */
    for (size_t i = 0; i < ids_len && status != LNKEEP_DONE; i++) {
        outcome_class("store result", outcomes[i].status, &err);
    }
}

/*
 * Ends the attempts that were marked and then, because the node died in between, never sent. Only
 * the peer's word makes that certain; those it holds stay pending, and it answers them again.
 */
static void fail_what_peer_never_got(struct node *node, const lnkeep_recovery *recovery)
{
    static uint64_t held[WIRE_HELD_MAX], gone[SUBMISSION_MAX];
    size_t held_len = receive_held(node, held), gone_len = 0;
    for (size_t i = 0; i < recovery->unresolved_len; i++) {
        if (is_held(held, held_len, recovery->unresolved[i])) {
            continue;
        }
        gone[gone_len++] = recovery->unresolved[i];
        if (gone_len == SUBMISSION_MAX) {
            fail_all(node, gone, gone_len);
            gone_len = 0;
        }
    }
    if (gone_len > 0) {
        fail_all(node, gone, gone_len);
    }
    keeper_drop_unsent(node, held, held_len);
}

/* What this node's dispatcher knows of attempts in flight. The answers borrow from the records. */
struct answers {
    size_t len, capacity;
    lnkeep_resume_answer *answers;
    lnkeep_attempt **records;
};

static void make_room(struct answers *known)
{
    if (known->len < known->capacity) {
        return;
    }
    known->capacity = known->capacity == 0 ? 256 : 2 * known->capacity;
    known->answers = realloc(known->answers, known->capacity * sizeof *known->answers);
    known->records = realloc(known->records, known->capacity * sizeof *known->records);
    if (known->answers == NULL || known->records == NULL) {
        fprintf(stderr, "node: no memory for %zu answers\n", known->capacity);
        _exit(EXIT_COULD_NOT_RUN);
    }
}

static void free_answers(struct answers *known)
{
    for (size_t i = 0; i < known->len; i++) {
        lnkeep_attempt_free(known->records[i]);
    }
    free(known->answers);
    free(known->records);
}

/* lnkeep reads an attempt's record by itself and would take every stored failure for one of the
 * way; that the receiver refused, and no route will do, only the host can read in its message. */
static void add_answer(struct node *node, struct answers *known, const lnkeep_attempt_key *key)
{
    make_room(known);
    lnkeep_attempt *record = answers_record(node, key);
    lnkeep_resume_answer answer = {.key = *key, .answer = LNKEEP_ANSWER_PENDING};
    if (record == NULL) {
        answer.answer = LNKEEP_ANSWER_UNKNOWN;
    } else if (record->present & LNKEEP_HAS_RESULT) {
        bool settled = record->result.kind == LNKEEP_RESULT_SETTLE;
        bool final = answers_is_final(&record->result);
        answer.answer = settled ? LNKEEP_ANSWER_SETTLED
                        : final ? LNKEEP_ANSWER_FAILED_FINAL
                                : LNKEEP_ANSWER_FAILED;
        if (settled) {
            memcpy(answer.preimage, record->result.preimage, sizeof answer.preimage);
        } else {
            answer.failure = answers_failure_of(record);
        }
    }
    known->answers[known->len] = answer;
    known->records[known->len++] = record;
}

static void add_answers(struct node *node, struct answers *known, const lnkeep_payment *payment)
{
    for (size_t i = 0; i < payment->attempts_len; i++) {
        const lnkeep_payment_attempt *attempt = attempt_at(payment, i);
        if (attempt->state == LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT) {
            add_answer(node, known, &attempt->request.key);
        }
    }
}

/* Looks up all attempts in flight. Reads the unfinished payments alone, whatever the history. */
static struct answers ask_dispatcher(struct node *node)
{
    struct answers known = {0};
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.statuses =
        1 << LNKEEP_PAYMENT_STATUS_INITIATED | 1 << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool has_more = true;
    while (has_more) {
        lnkeep_payment_page *page = NULL;
        struct patience patience = {0};
        lnkeep_status status;
        do {
            status = lnkeep_payments_list(node->payments, &query, &page, &err);
        } while (outcome_try_again(status, &patience));
        outcome_expect("list unfinished", status, &err);
        for (size_t i = 0; i < page->payments_len; i++) {
            add_answers(node, &known, payment_at(page, i));
        }
        has_more = page->has_more != 0;
        query.flags |= LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        lnkeep_payment_page_free(page);
    }
    return known;
}

/* Nothing is sent here: payments that may go on are handed back, to the payers. */
static void decide(struct node *node)
{
    struct answers known = ask_dispatcher(node);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_payments_resume(
            node->payments, known.answers, known.len,
            LNKEEP_RESUME_SENDING | LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS, &node->resumed, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("resume", status, &err);
    free_answers(&known);
}

static void tell_client(struct node *node, const lnkeep_resumed *resumed)
{
    struct report report = {.kind = REPORT_RESUMED, .status = (int32_t)resumed->outcome};
    report_send(node, &report);
    bool ended = resumed->outcome == LNKEEP_RESUME_DONE ||
                 resumed->outcome == LNKEEP_RESUME_INTERNAL;
    lnkeep_payment *payment = ended ? payer_fetch(node, resumed->payment_hash) : NULL;
    if (payment != NULL) {
        report_ended(node, payment);
    }
    lnkeep_payment_free(payment);
}

void resume_payments(struct node *node)
{
    lnkeep_recovery *recovery = recover(node);
    fail_what_peer_never_got(node, recovery);
    lnkeep_recovery_free(recovery);
    if (node->broken == BROKEN_NEW_PAYMENT) {
        broken_forget_payments(node);
    }
    decide(node);
    for (size_t i = 0; i < node->resumed->payments_len; i++) {
        tell_client(node, &node->resumed->payments[i]);
    }
}

/* The calls of a history in the words of the library, and what the library gives back. */

#include "history.h"

#include "common.h"

#include <string.h>

#define SOME_UNIX_NS 2000000000000000000u

enum { FIRST_ID = 1000 };

/* --- Names and requests, which follow from the history's number. */

static lnkeep_attempt_key key_of(const struct history *history, const struct act *act) {
    lnkeep_attempt_key key = {.id = FIRST_ID + 10u * act->key + act->part};
    memcpy(key.namespace_bytes, &history->number, sizeof history->number);
    return key;
}

static void preimage_of(const struct history *history, const struct act *act, uint8_t bytes[32]) {
    memset(bytes, 0x5a, 32);
    memcpy(bytes, &history->number, sizeof history->number);
    bytes[31] = act->key;
}

static void hash_of(const struct history *history, const struct act *act, uint8_t hash[32]) {
    uint8_t preimage[32];
    preimage_of(history, act, preimage);
    sha256(preimage, sizeof preimage, hash);
}

static const uint8_t variants[2] = {1, 2};

static lnkeep_bytes variant_bytes(const struct act *act) {
    return (lnkeep_bytes){&variants[act->variant], 1};
}

static lnkeep_attempt_request request_of(const struct history *history, const struct act *act) {
    lnkeep_attempt_request request = {
        .key = key_of(history, act),
        .present = LNKEEP_HAS_FINGERPRINT,
        .amount_msat = 1000,
    };
    request.fingerprint[0] = variants[act->variant];
    return request;
}

static lnkeep_attempt_result result_of(const struct history *history, const struct act *act) {
    lnkeep_attempt_result result = {.kind = LNKEEP_RESULT_FAIL, .message = variant_bytes(act)};
    if (act->what == ASK_FAIL) return result;
    result = (lnkeep_attempt_result){.kind = LNKEEP_RESULT_SETTLE};
    preimage_of(history, act, result.preimage);
    return result;
}

static lnkeep_payment_init init_of(const struct history *history, const struct act *act) {
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    hash_of(history, act, init.payment_hash);
    init.amount_msat = amount_of(act->variant);
    init.created_unix_ns = SOME_UNIX_NS;
    init.payment_request = variant_bytes(act);
    return init;
}

static lnkeep_payment_attempt_request part_of(const struct history *history,
                                              const struct act *act) {
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    part.key = key_of(history, act);
    part.amount_msat = part_amount_of(act->variant);
    part.hop_count = 2;
    part.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    part.mpp_total_msat = AMOUNT_MSAT;
    part.sent_unix_ns = SOME_UNIX_NS;
    part.route = variant_bytes(act);
    return part;
}

static lnkeep_payment_failure failure_of(const struct act *act) {
    return (lnkeep_payment_failure){
        .reason = LNKEEP_ATTEMPT_FAILURE_MESSAGE,
        .source_index = 1 + act->variant,
        .failed_unix_ns = SOME_UNIX_NS,
    };
}

static lnkeep_bytes note_of(const struct act *act) {
    static const uint8_t note[] = "gone";
    int is_forced = act->what == ASK_PART_FORCE;
    return is_forced ? (lnkeep_bytes){note, sizeof note - 1} : (lnkeep_bytes){0};
}

/* --- What the library gives back. */

static struct answer answer_of(const lnkeep_outcome *outcome, lnkeep_status status) {
    return (struct answer){
        .status = status,
        .conflict = (outcome->flags & LNKEEP_OUTCOME_CONFLICT) != 0,
        .event = outcome->event_sequence,
        .view = VIEW_NONE,
    };
}

static uint8_t result_number(const lnkeep_attempt_result *result) {
    if (result->kind == LNKEEP_RESULT_SETTLE) return RESULT_SETTLE;
    if (result->kind != LNKEEP_RESULT_FAIL) return RESULT_NONE;
    return result->message.len ? (uint8_t)(RESULT_FAIL + result->message.ptr[0] - 1)
                               : RESULT_ROLLBACK;
}

static uint64_t read_record(const lnkeep_attempt *attempt, const struct act *act) {
    struct record_state record = {
        .state = (uint8_t)attempt->state,
        .flags = (uint8_t)attempt->flags,
        .result = result_number(&attempt->result),
    };
    if (attempt->present & LNKEEP_HAS_FINGERPRINT) {
        record.request = act->key < ATTEMPT_KEYS
                             ? (uint8_t)(REQUEST_FIRST + attempt->fingerprint[0] - 1)
                             : REQUEST_PART;
    }
    return view_of_record(&record);
}

static uint8_t marks_of(uint32_t marks) {
    return (uint8_t)((marks & LNKEEP_PAYMENT_MARK_FORCED ? MARK_FORCED : 0) |
                     (marks & LNKEEP_PAYMENT_MARK_LATE_SETTLE ? MARK_LATE : 0));
}

static uint64_t read_payment(const lnkeep_payment *payment) {
    struct key_state seen = {
        .status = (uint8_t)payment->status,
        .variant = payment->init.payment_request.ptr[0] - 1,
        .marks = marks_of(payment->marks),
        .reason = (uint8_t)payment->failure_reason,
        .first_reason = (uint8_t)payment->first_failure_reason,
        .revision = (uint16_t)payment->revision,
    };
    for (size_t at = 0; at < payment->attempts_len; at++) {
        const void *place = (const uint8_t *)payment->attempts + at * payment->attempt_stride;
        const lnkeep_payment_attempt *part = place;
        unsigned number = (unsigned)(part->request.key.id - FIRST_ID) % 10;
        if (number >= PARTS) return 0;
        seen.parts[number] = (struct part_state){
            .state = (uint8_t)part->state,
            .variant = part->request.route.ptr[0] - 1,
            .marks = marks_of(part->marks),
        };
        if (part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED) {
            seen.parts[number].failure = (uint8_t)part->failure.source_index;
        }
    }
    return view_of_payment(&seen);
}

/* --- One operation by its own call. */

static struct answer get(const struct opened *opened, const struct history *history,
                         const struct act *act) {
    lnkeep_attempt_key key = key_of(history, act);
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(opened->attempts, &key, &attempt, NULL);
    struct answer answer = {.status = status, .view = VIEW_NONE};
    if (status == LNKEEP_DONE) answer.view = read_record(attempt, act);
    lnkeep_attempt_free(attempt);
    return answer;
}

static struct answer fetch(const struct opened *opened, const struct history *history,
                           const struct act *act) {
    uint8_t hash[32];
    lnkeep_payment *payment = NULL;
    hash_of(history, act, hash);
    lnkeep_status status = lnkeep_payments_fetch(opened->payments, hash, &payment, NULL);
    struct answer answer = {.status = status, .view = VIEW_NONE};
    if (status == LNKEEP_DONE) answer.view = read_payment(payment);
    lnkeep_payment_free(payment);
    return answer;
}

static struct answer ask_record(const struct opened *opened, const struct history *history,
                                const struct act *act) {
    lnkeep_attempts attempts = opened->attempts;
    lnkeep_attempt_key key = key_of(history, act);
    lnkeep_attempt_request request;
    lnkeep_attempt_result result;
    lnkeep_outcome outcome = {0};
    lnkeep_status status;
    uint32_t flags = act->what == ASK_FORGET ? LNKEEP_DELETE_FORGET : 0;
    const lnkeep_bytes none = {0};
    switch ((enum what)act->what) {
    case ASK_GET: return get(opened, history, act);
    case ASK_INIT:
        request = request_of(history, act);
        status = lnkeep_attempts_init(attempts, &request, &outcome, NULL);
        break;
    case ASK_MARK: status = lnkeep_attempts_mark_handed_off(attempts, &key, &outcome, NULL); break;
    case ASK_SETTLE:
    case ASK_FAIL:
        result = result_of(history, act);
        status = lnkeep_attempts_store_result(attempts, &key, &result, &outcome, NULL);
        break;
    case ASK_ROLLBACK:
        status = lnkeep_attempts_fail_pending(attempts, &key, 0, none, 0, &outcome, NULL);
        break;
    case ASK_ACK: status = lnkeep_attempts_ack(attempts, &key, &outcome, NULL); break;
    default:
        status = lnkeep_attempts_delete(attempts, &key, 1, flags, &outcome, NULL);
        if (status == LNKEEP_BATCH) status = outcome.status;
        break;
    }
    return answer_of(&outcome, status);
}

static struct answer ask_payment(const struct opened *opened, const struct history *history,
                                 const struct act *act) {
    lnkeep_payments payments = opened->payments;
    lnkeep_attempt_key key = key_of(history, act);
    lnkeep_payment_init init;
    lnkeep_payment_attempt_request part;
    lnkeep_payment_failure failure = failure_of(act);
    uint8_t hash[32], preimage[32];
    lnkeep_payment *view = NULL;
    lnkeep_outcome outcome = {0};
    lnkeep_status status;
    uint32_t forced = act->what == ASK_PART_FORCE ? LNKEEP_FAIL_FORCED : 0;
    hash_of(history, act, hash);
    preimage_of(history, act, preimage);
    switch ((enum what)act->what) {
    case ASK_FETCH: return fetch(opened, history, act);
    case ASK_PAYMENT_INIT:
        init = init_of(history, act);
        status = lnkeep_payments_init(payments, &init, &view, &outcome, NULL);
        break;
    case ASK_REGISTER:
        part = part_of(history, act);
        status = lnkeep_payments_register(payments, hash, &part, LNKEEP_REGISTER_WITH_RECORD, &view,
                                          &outcome, NULL);
        break;
    case ASK_PART_SETTLE:
        status = lnkeep_payments_settle(payments, hash, &key, preimage, SOME_UNIX_NS, 0, &view,
                                        &outcome, NULL);
        break;
    case ASK_PART_FAIL:
    case ASK_PART_FORCE:
        status = lnkeep_payments_fail_attempt(payments, hash, &key, &failure, note_of(act), forced,
                                              &view, &outcome, NULL);
        break;
    case ASK_GIVE_UP:
        status = lnkeep_payments_fail(payments, hash, LNKEEP_PAYMENT_REASON_TIMEOUT + act->variant,
                                      &view, &outcome, NULL);
        break;
    default:
        status = lnkeep_payments_delete(
            payments, hash, act->what == ASK_PAYMENT_FORGET ? LNKEEP_DELETE_FORGET : 0, &outcome,
            NULL);
        break;
    }
    struct answer answer = answer_of(&outcome, status);
    if (view) answer.view = read_payment(view);
    lnkeep_payment_free(view);
    return answer;
}

struct answer history_ask(const struct opened *opened, const struct history *history,
                          const struct act *act) {
    return act->what < ASK_PAYMENT_INIT ? ask_record(opened, history, act)
                                        : ask_payment(opened, history, act);
}

/* --- Several operations in one call. */

/* What an operation for the library points to. */
struct words {
    lnkeep_payment_init init;
    lnkeep_payment_attempt_request part;
};

static void set_record_op(lnkeep_op *op, const struct history *history, const struct act *act) {
    op->body.attempt_key = key_of(history, act);
    switch ((enum what)act->what) {
    case ASK_INIT:
        op->kind = LNKEEP_OP_ATTEMPT_INIT;
        op->body.attempt_init = request_of(history, act);
        break;
    case ASK_MARK: op->kind = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF; break;
    case ASK_SETTLE:
    case ASK_FAIL:
        op->kind = LNKEEP_OP_ATTEMPT_STORE_RESULT;
        op->body.attempt_result.key = key_of(history, act);
        op->body.attempt_result.result = result_of(history, act);
        break;
    case ASK_ROLLBACK:
        op->kind = LNKEEP_OP_ATTEMPT_FAIL_PENDING;
        op->body.attempt_rollback.key = key_of(history, act);
        break;
    case ASK_ACK: op->kind = LNKEEP_OP_ATTEMPT_ACK; break;
    default:
        op->kind = LNKEEP_OP_ATTEMPT_DELETE;
        op->flags = act->what == ASK_FORGET ? LNKEEP_DELETE_FORGET : 0;
        break;
    }
}

static void set_payment_op(lnkeep_op *op, const struct history *history, const struct act *act,
                           struct words *words) {
    hash_of(history, act, op->body.payment_delete.payment_hash);
    switch ((enum what)act->what) {
    case ASK_PAYMENT_INIT:
        words->init = init_of(history, act);
        op->kind = LNKEEP_OP_PAYMENT_INIT;
        op->body.payment_init.init = &words->init;
        break;
    case ASK_REGISTER:
        words->part = part_of(history, act);
        op->kind = LNKEEP_OP_PAYMENT_REGISTER;
        op->flags = LNKEEP_REGISTER_WITH_RECORD;
        op->body.payment_register.attempt = &words->part;
        break;
    case ASK_PART_SETTLE:
        op->kind = LNKEEP_OP_PAYMENT_SETTLE;
        op->body.payment_settle.key = key_of(history, act);
        op->body.payment_settle.settled_unix_ns = SOME_UNIX_NS;
        preimage_of(history, act, op->body.payment_settle.preimage);
        break;
    case ASK_PART_FAIL:
    case ASK_PART_FORCE:
        op->kind = LNKEEP_OP_PAYMENT_FAIL_ATTEMPT;
        op->flags = act->what == ASK_PART_FORCE ? LNKEEP_FAIL_FORCED : 0;
        op->body.payment_fail_attempt.key = key_of(history, act);
        op->body.payment_fail_attempt.failure = failure_of(act);
        op->body.payment_fail_attempt.note = note_of(act);
        break;
    case ASK_GIVE_UP:
        op->kind = LNKEEP_OP_PAYMENT_FAIL;
        op->body.payment_fail.reason = LNKEEP_PAYMENT_REASON_TIMEOUT + act->variant;
        break;
    default:
        op->kind = LNKEEP_OP_PAYMENT_DELETE;
        op->flags = act->what == ASK_PAYMENT_FORGET ? LNKEEP_DELETE_FORGET : 0;
        break;
    }
}

void history_submit(const struct opened *opened, const struct history *history, struct call *call) {
    struct words words[ACTS_MAX];
    lnkeep_op ops[ACTS_MAX];
    lnkeep_outcome outcomes[ACTS_MAX];
    memset(ops, 0, sizeof ops);
    for (unsigned at = 0; at < call->acts_len; at++) {
        const struct act *act = &call->acts[at];
        int is_record = act->what < ASK_PAYMENT_INIT;
        ops[at].component = is_record ? opened->attempts.bits : opened->payments.bits;
        if (is_record) set_record_op(&ops[at], history, act);
        else set_payment_op(&ops[at], history, act, &words[at]);
    }
    uint32_t flags = call->grouping == GROUP_ATOMIC ? LNKEEP_SUBMIT_ATOMIC : 0;
    lnkeep_status status =
        lnkeep_submit(opened->store, ops, call->acts_len, flags, outcomes, NULL);
    for (unsigned at = 0; at < call->acts_len; at++) {
        call->answers[at] = answer_of(&outcomes[at], outcomes[at].status);
        if (status != LNKEEP_DONE && status != LNKEEP_BATCH) call->answers[at].status = status;
    }
}

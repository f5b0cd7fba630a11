/* The calls about payments, and what they give back against what was asked for. */

#include "life.h"

#include "common.h"
#include "words.h"

#include <stdlib.h>
#include <string.h>

static int bytes_differ(lnkeep_bytes one, lnkeep_bytes two) {
    return one.len != two.len || (one.len != 0 && memcmp(one.ptr, two.ptr, one.len) != 0);
}

/* The request comes back as it was given. */
static void check_init(unsigned payment, unsigned seed, const lnkeep_payment_init *given) {
    static struct op_words words;
    lnkeep_payment_init wanted = init_request(payment, seed, &words);
    int differs = wanted.amount_msat != given->amount_msat ||
                  wanted.created_unix_ns != given->created_unix_ns ||
                  wanted.present != given->present ||
                  wanted.intent_deadline_unix_ns != given->intent_deadline_unix_ns ||
                  wanted.intent_fee_limit_msat != given->intent_fee_limit_msat ||
                  memcmp(wanted.intent_amp_root_share, given->intent_amp_root_share, 32) != 0 ||
                  memcmp(wanted.intent_destination, given->intent_destination, 33) != 0 ||
                  bytes_differ(wanted.idempotency_key, given->idempotency_key) ||
                  bytes_differ(wanted.payment_request, given->payment_request) ||
                  bytes_differ(wanted.first_hop_records, given->first_hop_records) ||
                  bytes_differ(wanted.intent_data, given->intent_data);
    if (differs) finding(FOUND_WRONG, "payment %u reads as another request", payment);
}

static void check_part(unsigned payment, unsigned slot, unsigned seed,
                       const lnkeep_payment_attempt_request *given) {
    static struct op_words words;
    lnkeep_payment_attempt_request wanted = part_request(payment, slot, seed, &words);
    int differs = wanted.amount_msat != given->amount_msat || wanted.fee_msat != given->fee_msat ||
                  wanted.present != given->present || wanted.hop_count != given->hop_count ||
                  wanted.mpp_total_msat != given->mpp_total_msat ||
                  wanted.amp_child_index != given->amp_child_index ||
                  wanted.cltv_expiry != given->cltv_expiry ||
                  wanted.blinded_total_msat != given->blinded_total_msat ||
                  wanted.first_hop_scid != given->first_hop_scid ||
                  wanted.first_hop_amount_msat != given->first_hop_amount_msat ||
                  wanted.sent_unix_ns != given->sent_unix_ns ||
                  memcmp(wanted.attempt_hash, given->attempt_hash, 32) != 0 ||
                  memcmp(wanted.mpp_payment_address, given->mpp_payment_address, 32) != 0 ||
                  memcmp(wanted.amp_root_share, given->amp_root_share, 32) != 0 ||
                  memcmp(wanted.amp_set_id, given->amp_set_id, 32) != 0 ||
                  bytes_differ(wanted.route, given->route) ||
                  bytes_differ(wanted.session_key, given->session_key) ||
                  bytes_differ(wanted.first_hop_records, given->first_hop_records);
    if (differs) finding(FOUND_WRONG, "payment %u, slot %u reads as another one", payment, slot);
}

static const lnkeep_payment_attempt *part_at(const lnkeep_payment *view, size_t at) {
    const void *place = (const uint8_t *)view->attempts + at * view->attempt_stride;
    return place;
}

static void read_part(const struct session *session, unsigned payment,
                      const lnkeep_payment_attempt *given, struct model *seen) {
    const lnkeep_attempt_key *key = &given->request.key;
    unsigned slot = slot_of(&session->model, key->namespace_bytes, key->id);
    if (slot < PARTS_FROM || slot == SLOTS || given->request.route.len == 0) {
        finding(FOUND_WRONG, "payment %u has an attempt of another one's id", payment);
        return;
    }
    struct part *part = &seen->parts[slot];
    part->payment = (uint8_t)(payment + 1);
    part->state = (uint8_t)given->state;
    part->marks = (uint8_t)given->marks;
    part->seed = given->request.route.ptr[0];
    int is_apart = session->life->control == CONTROL_APART;
    if (is_apart && part_is_tracked(part->seed)) part->marks |= LNKEEP_PAYMENT_MARK_TRACKED;
    part->note_digest = note_digest(given->note);
    if (part->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED) {
        part->result_digest = settle_digest(given->preimage);
        part->result_unix_ns = given->settled_unix_ns;
    } else if (part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED) {
        part->result_digest = failure_digest(&given->failure);
        part->result_unix_ns = given->failure.failed_unix_ns;
    }
    check_part(payment, slot, part->seed, &given->request);
}

/* What the library derives from the attempts, and that never more than the amount is out. */
static void check_sums(const struct model *seen, unsigned payment, const lnkeep_payment *view,
                       enum control control) {
    struct sums sums = payment_sums(seen, payment);
    uint64_t out_msat = 0;
    int has_settled = 0;
    for (size_t at = 0; at < view->attempts_len; at++) {
        const lnkeep_payment_attempt *part = part_at(view, at);
        has_settled |= part->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED;
        if (part->state != LNKEEP_PAYMENT_ATTEMPT_FAILED) out_msat += part->request.amount_msat;
    }
    int is_late = (view->marks & LNKEEP_PAYMENT_MARK_LATE_SETTLE) != 0 && control != CONTROL_LATE;
    if (out_msat > view->init.amount_msat && !is_late) {
        finding(FOUND_PAID_TWICE, "payment %u: %llu msat are out of %llu", payment,
                (unsigned long long)out_msat, (unsigned long long)view->init.amount_msat);
    }
    uint32_t terminal = has_settled             ? LNKEEP_PAYMENT_TERMINAL_SETTLED
                        : view->failure_reason ? LNKEEP_PAYMENT_TERMINAL_FAILED
                                               : LNKEEP_PAYMENT_TERMINAL_NONE;
    if (view->in_flight != sums.in_flight || view->remaining_msat != sums.remaining_msat ||
        view->fees_msat != sums.fees_msat || view->terminal != terminal) {
        finding(FOUND_WRONG, "payment %u: in flight %llu, remaining %llu, fees %llu, terminal %u",
                payment, (unsigned long long)view->in_flight,
                (unsigned long long)view->remaining_msat, (unsigned long long)view->fees_msat,
                view->terminal);
    }
}

unsigned read_payment(const struct session *session, const lnkeep_payment *view,
                      struct model *seen) {
    unsigned payment = payment_of(view->init.payment_hash);
    if (payment == PAYMENTS || view->init.payment_request.len == 0) {
        finding(FOUND_WRONG, "a payment that nobody initiated");
        return PAYMENTS;
    }
    struct payment *read = &seen->payments[payment];
    read->status = (uint8_t)view->status;
    read->marks = (uint8_t)view->marks;
    read->reason = (uint8_t)view->failure_reason;
    read->first_reason = (uint8_t)view->first_failure_reason;
    read->seed = view->init.payment_request.ptr[0];
    read->sequence = view->sequence;
    read->revision = view->revision;
    read->amount_msat = view->init.amount_msat;
    check_init(payment, read->seed, &view->init);
    for (size_t at = 0; at < view->attempts_len; at++) {
        read_part(session, payment, part_at(view, at), seen);
    }
    check_sums(seen, payment, view, session->life->control);
    return payment;
}

lnkeep_status session_fetch(struct session *session, unsigned payment) {
    static struct model seen;
    uint8_t hash[32];
    char why[300];
    lnkeep_payment *view = NULL;
    payment_hash(payment, hash);
    memset(&seen, 0, sizeof seen);
    lnkeep_status status = lnkeep_payments_fetch(session->payments, hash, &view, NULL);
    if (status == LNKEEP_DONE) read_payment(session, view, &seen);
    lnkeep_payment_free(view);
    if (status != LNKEEP_DONE && status != LNKEEP_PAYMENT_NOT_INITIATED) return status;
    if (model_payment_differs(&session->model, &seen, payment, why, sizeof why)) {
        finding(FOUND_WRONG, "fetch: %s", why);
    }
    return LNKEEP_DONE;
}

/* --- A single operation by its own call. */

static lnkeep_status call_delete(struct session *session, const lnkeep_op *op,
                                 lnkeep_outcome *outcome) {
    const uint8_t *hash = op->body.payment_delete.payment_hash;
    return lnkeep_payments_delete(session->payments, hash, op->flags, outcome, NULL);
}

static lnkeep_status call_one(struct session *session, const lnkeep_op *op, lnkeep_payment **view,
                              lnkeep_outcome *outcome) {
    lnkeep_payments payments = session->payments;
    const lnkeep_op_body *body = &op->body;
    const lnkeep_op_payment_settle *settle = &body->payment_settle;
    const lnkeep_op_payment_fail_attempt *fail = &body->payment_fail_attempt;
    switch (op->kind) {
    case LNKEEP_OP_PAYMENT_INIT:
        return lnkeep_payments_init(payments, body->payment_init.init, view, outcome, NULL);
    case LNKEEP_OP_PAYMENT_REGISTER:
        return lnkeep_payments_register(payments, body->payment_register.payment_hash,
                                        body->payment_register.attempt, op->flags, view, outcome,
                                        NULL);
    case LNKEEP_OP_PAYMENT_SETTLE:
        return lnkeep_payments_settle(payments, settle->payment_hash, &settle->key,
                                      settle->preimage, settle->settled_unix_ns, op->flags, view,
                                      outcome, NULL);
    case LNKEEP_OP_PAYMENT_FAIL_ATTEMPT:
        return lnkeep_payments_fail_attempt(payments, fail->payment_hash, &fail->key,
                                            &fail->failure, fail->note, op->flags, view, outcome,
                                            NULL);
    case LNKEEP_OP_PAYMENT_FAIL:
        return lnkeep_payments_fail(payments, body->payment_fail.payment_hash,
                                    body->payment_fail.reason, view, outcome, NULL);
    default: return call_delete(session, op, outcome);
    }
}

/* The control: the record of a part in transactions of its own, before the payment's. */
static void change_record_apart(struct session *session, const struct op *op,
                                const lnkeep_op *given) {
    lnkeep_attempts attempts = session->attempts;
    lnkeep_attempt_key key = slot_key(&session->model, op->slot);
    const struct record *record = &session->model.records[op->slot];
    uint32_t forced = op->kind == OP_PART_FORCE ? LNKEEP_FAIL_FORCED : 0;
    lnkeep_status status;
    if (op->kind == OP_REGISTER) {
        lnkeep_attempt_request request = {.key = key, .present = LNKEEP_HAS_FINGERPRINT};
        request.amount_msat = part_amount_msat(op->payment, op->seed) +
                              part_fee_msat(op->slot, op->seed);
        status = lnkeep_attempts_init(attempts, &request, NULL, NULL);
    } else if (op->kind == OP_PART_SETTLE) {
        lnkeep_attempt_result result = {.kind = LNKEEP_RESULT_SETTLE};
        memcpy(result.preimage, given->body.payment_settle.preimage, sizeof result.preimage);
        status = record->state == LNKEEP_STATE_SETTLED
                     ? LNKEEP_DONE
                     : lnkeep_attempts_store_result(attempts, &key, &result, NULL, NULL);
    } else {
        lnkeep_bytes none = {0};
        status = record_is_final(record)
                     ? LNKEEP_DONE
                     : lnkeep_attempts_fail_pending(attempts, &key, 0, none, forced, NULL, NULL);
    }
    if (op->kind != OP_REGISTER && status >= 0) {
        status = lnkeep_attempts_ack(attempts, &key, NULL, NULL);
    }
    /* A host that was killed in between meets what it did before: it goes on all the same. */
    if (lnkeep_status_class(status) > LNKEEP_CLASS_REFUSED) {
        finding(FOUND_STATUS, "the control's own call answered %s", lnkeep_status_name(status));
    }
}

static int is_apart(const struct session *session, const struct op *op) {
    int is_register = op->kind == OP_REGISTER;
    int is_result = op->kind == OP_PART_SETTLE || op->kind == OP_PART_FAIL ||
                    op->kind == OP_PART_FORCE;
    unsigned seed = is_register ? op->seed : session->model.parts[op->slot].seed;
    return session->life->control == CONTROL_APART && (is_register || is_result) &&
           part_is_tracked(seed);
}

void session_call_payment(struct session *session, const struct op *op,
                          const struct expect *wanted, struct answers *answers) {
    static struct op_words words;
    lnkeep_outcome *outcome = &answers->outcomes[0];
    lnkeep_op given = op_for_library(&session->model, op, session->attempts.bits,
                                     session->payments.bits, &words);
    if (is_apart(session, op)) {
        /* What would be refused for the record's sake, this host does not even try. */
        outcome->status = wanted->status;
        if (wanted->status < 0) return;
        if (wanted->status == LNKEEP_DONE) change_record_apart(session, op, &given);
        if (op->kind == OP_REGISTER) given.flags = 0;
    }
    lnkeep_status status = call_one(session, &given, &answers->view, outcome);
    outcome->status = status;
}

/* --- Resuming after a restart. */

struct asked {
    size_t len;
    lnkeep_resume_answer answers[SLOTS];
    uint8_t messages[SLOTS - PARTS_FROM][MESSAGE_MAX];
};

/* What the dispatcher says of one part; of some it says nothing. */
static void answer_part(const struct session *session, unsigned seed, const lnkeep_payment *view,
                        const lnkeep_attempt_key *key, struct asked *asked) {
    unsigned payment = payment_of(view->init.payment_hash);
    unsigned slot = slot_of(&session->model, key->namespace_bytes, key->id);
    if (payment == PAYMENTS || slot < PARTS_FROM || slot == SLOTS) return;
    uint32_t says = resume_answer(seed, slot);
    if (says == 0) return;
    lnkeep_resume_answer *answer = &asked->answers[asked->len++];
    memset(answer, 0, sizeof *answer);
    answer->key = *key;
    answer->answer = says;
    answer->flags = resume_hop_is_closed(seed, slot) ? LNKEEP_ANSWER_FIRST_HOP_CLOSED : 0;
    if (says == LNKEEP_ANSWER_SETTLED) part_preimage(payment, slot, answer->preimage);
    if (says != LNKEEP_ANSWER_FAILED && says != LNKEEP_ANSWER_FAILED_FINAL) return;
    answer->failure = part_failure(slot, seed);
    uint8_t *message = asked->messages[slot - PARTS_FROM];
    memcpy(message, answer->failure.message.ptr, answer->failure.message.len);
    answer->failure.message.ptr = message;
}

/* Lists what is in flight, as a host does to ask its dispatcher. */
static lnkeep_status ask_dispatcher(struct session *session, unsigned seed, struct asked *asked) {
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    uint32_t has_more = 1;
    query.statuses = 1u << LNKEEP_PAYMENT_STATUS_INITIATED | 1u << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    asked->len = 0;
    while (has_more) {
        lnkeep_payment_page *page = NULL;
        lnkeep_status status = lnkeep_payments_list(session->payments, &query, &page, NULL);
        if (status != LNKEEP_DONE) return status;
        for (size_t i = 0; i < page->payments_len; i++) {
            const void *at = (const uint8_t *)page->payments + i * page->stride;
            const lnkeep_payment *view = at;
            for (size_t part = 0; part < view->attempts_len; part++) {
                const lnkeep_payment_attempt *one = part_at(view, part);
                if (one->state != LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT) continue;
                answer_part(session, seed, view, &one->request.key, asked);
            }
        }
        has_more = page->has_more;
        query.flags = LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        lnkeep_payment_page_free(page);
    }
    return LNKEEP_DONE;
}

static void check_resumed(const struct resumption *wanted, const lnkeep_resume *given) {
    int differs = wanted->len != given->payments_len;
    for (unsigned i = 0; !differs && i < wanted->len; i++) {
        const lnkeep_resumed *one = &given->payments[i];
        differs = one->sequence != wanted->payments[i].sequence ||
                  one->outcome != wanted->payments[i].outcome || !one->has_hash ||
                  payment_of(one->payment_hash) != wanted->payments[i].payment;
        if (differs) {
            finding(FOUND_WRONG, "the resume made %u of payment %u, not %u", one->outcome,
                    wanted->payments[i].payment, wanted->payments[i].outcome);
        }
    }
    if (wanted->len != given->payments_len) {
        finding(FOUND_WRONG, "the resume met %zu payments, not %u", given->payments_len,
                wanted->len);
    }
}

lnkeep_status session_resume(struct session *session, const struct step *step) {
    static struct asked asked;
    static struct model after;
    struct resumption wanted;
    lnkeep_resume *resume = NULL;
    unsigned seed = step->ops[0].seed;
    lnkeep_status status = ask_dispatcher(session, seed, &asked);
    if (status != LNKEEP_DONE) return status;
    status = lnkeep_payments_resume(session->payments, asked.answers, asked.len,
                                    resume_flags(seed), &resume, NULL);
    if (status != LNKEEP_DONE) return status;
    after = session->model;
    model_resume(&after, step, UINT32_MAX, &wanted);
    check_resumed(&wanted, resume);
    lnkeep_resume_free(resume);
    return LNKEEP_DONE;
}

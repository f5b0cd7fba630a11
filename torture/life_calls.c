/* The calls that a step of the script makes, and what can be judged at once. */

#include "life.h"

#include "common.h"
#include "words.h"

#include <string.h>

enum { TAKEN_MAX = 64 };

struct past_event read_event(const struct model *model, const lnkeep_event *event) {
    struct past_event seen = {
        .kind = (uint8_t)event->kind,
        .state = (uint8_t)event->state,
        .payment = PAYMENTS,
        .slot = SLOTS,
    };
    if (event->kind < LNKEEP_EVENT_PAYMENT_INITIATED) {
        seen.slot = (uint16_t)slot_of(model, event->subject, event->attempt_id);
        return seen;
    }
    seen.payment = (uint8_t)payment_of(event->subject);
    if (event->attempt_id != 0) {
        seen.slot = (uint16_t)slot_of(model, event->namespace_bytes, event->attempt_id);
    }
    seen.part_state = (uint8_t)event->attempt_state;
    seen.reason = (uint8_t)event->failure_reason;
    seen.flags = (uint8_t)event->flags;
    seen.amount_msat = event->amount_msat;
    seen.remaining_msat = event->remaining_msat;
    seen.fees_msat = event->fees_msat;
    return seen;
}

static void check_event(struct session *session, const struct model *model,
                        const lnkeep_event *event) {
    unsigned long long number = event->sequence;
    if (session->event_taken != 0 && number != session->event_taken + 1) {
        finding(FOUND_EVENT, "event %llu follows %llu", number,
                (unsigned long long)session->event_taken);
    }
    session->event_taken = number;
    if (number == 0 || number > model->events_len) {
        finding(FOUND_EVENT, "event %llu; only %u were acknowledged", number, model->events_len);
        return;
    }
    char why[300];
    struct past_event seen = read_event(model, event);
    if (model_event_differs(&model->events[number - 1], &seen, why, sizeof why)) {
        finding(FOUND_EVENT, "event %llu: %s", number, why);
    }
}

/* Takes what is new up to a number, and acknowledges the number. */
static lnkeep_status call_events(struct session *session, const struct step *step) {
    lnkeep_event taken[TAKEN_MAX];
    uint64_t until = step->ops[0].slot;
    size_t len = 1;
    if (until > session->model.events_len) until = session->model.events_len;
    while (session->event_taken < until && len > 0) {
        uint64_t left = until - session->event_taken;
        size_t room = left < TAKEN_MAX ? (size_t)left : TAKEN_MAX;
        lnkeep_status status = lnkeep_events_take(session->work, taken, room, &len, NULL);
        if (status != LNKEEP_DONE) return status;
        for (size_t i = 0; i < len; i++) check_event(session, &session->model, &taken[i]);
    }
    /* Nothing can be acknowledged before there is an event. */
    if (until == 0) return LNKEEP_ALREADY;
    return lnkeep_events_ack(session->work, until, NULL);
}

static lnkeep_status call_recover(struct session *session, uint8_t number) {
    lnkeep_recovery *recovery = NULL;
    uint8_t name_space[16] = {[15] = number};
    uint32_t flags = LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    lnkeep_status status =
        lnkeep_attempts_recover(session->attempts, name_space, NULL, 0, flags, &recovery, NULL);
    if (status == LNKEEP_DONE && recovery->unreadable_len != 0) {
        finding(FOUND_LOST, "recovery met %zu unreadable records", recovery->unreadable_len);
    }
    lnkeep_recovery_free(recovery);
    return status;
}

static lnkeep_status call_read(struct session *session, unsigned slot) {
    lnkeep_attempt_key key = slot_key(&session->model, slot);
    const struct record *record = &session->model.records[slot];
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(session->attempts, &key, &attempt, NULL);
    lnkeep_status wanted = record->state == 0                      ? LNKEEP_NOT_FOUND
                           : record->state == LNKEEP_STATE_DELETED ? LNKEEP_DELETED
                                                                   : LNKEEP_DONE;
    if (status != wanted) return status == LNKEEP_DONE ? LNKEEP_CONFLICT : status;
    if (status == LNKEEP_DONE && attempt->state != record->state) {
        finding(FOUND_WRONG, "slot %u reads as state %u, not %u", slot, attempt->state,
                record->state);
    }
    lnkeep_attempt_free(attempt);
    return LNKEEP_DONE;
}

static lnkeep_status call_clean(struct session *session, uint8_t number) {
    uint8_t name_space[16] = {[15] = number};
    return lnkeep_attempts_clean(session->attempts, name_space, NULL, 0, 0, NULL, NULL, NULL);
}

static lnkeep_status call_reopen(struct session *session) {
    session_close(session);
    return session_open(session, 0);
}

/* Retention has nothing to delete; what is left of deleted payments goes, which nobody sees. */
static lnkeep_status call_sweep(struct session *session) {
    uint64_t handled = 1;
    lnkeep_status status = LNKEEP_DONE;
    while (status == LNKEEP_DONE && handled != 0) {
        status = lnkeep_payments_sweep(session->payments, &handled, NULL);
    }
    return status;
}

static void call_submit(struct session *session, const struct step *step, struct answers *answers) {
    static struct op_words words[OPS_MAX];
    lnkeep_op ops[OPS_MAX];
    uint32_t flags = step->kind == STEP_ATOMIC ? LNKEEP_SUBMIT_ATOMIC : 0;
    for (unsigned i = 0; i < step->ops_len; i++) {
        ops[i] = op_for_library(&session->model, &step->ops[i], session->attempts.bits,
                                session->payments.bits, &words[i]);
    }
    lnkeep_status status = lnkeep_submit(session->store, ops, step->ops_len, flags,
                                         answers->outcomes, NULL);
    if (status == LNKEEP_DONE || status == LNKEEP_BATCH) return;
    for (unsigned i = 0; i < step->ops_len; i++) {
        if (answers->outcomes[i].status == status) continue;
        finding(FOUND_STATUS, "submit answered %s and outcome %u %s", lnkeep_status_name(status), i,
                lnkeep_status_name(answers->outcomes[i].status));
    }
}

void session_call(struct session *session, const struct step *step, unsigned at,
                  const struct expect *wanted, struct answers *answers) {
    lnkeep_outcome *first = &answers->outcomes[0];
    const struct op *op = &step->ops[0];
    memset(answers, 0, sizeof *answers);
    switch ((enum step_kind)step->kind) {
    case STEP_SINGLE:
        if (op_is_payment(op)) session_call_payment(session, op, wanted, answers);
        else call_submit(session, step, answers);
        break;
    case STEP_BATCH:
    case STEP_ATOMIC: call_submit(session, step, answers); break;
    case STEP_TICK:
        first->status = lnkeep_store_tick(session->store, 1000000 + 1000 * at, 800000 + at, NULL);
        break;
    case STEP_EVENTS: first->status = call_events(session, step); break;
    case STEP_CLEAN: first->status = call_clean(session, op->seed); break;
    case STEP_RECOVER: first->status = call_recover(session, op->seed); break;
    case STEP_REOPEN: first->status = call_reopen(session); break;
    case STEP_READ: first->status = call_read(session, op->slot); break;
    case STEP_FETCH: first->status = session_fetch(session, op->payment); break;
    case STEP_SWEEP: first->status = call_sweep(session); break;
    case STEP_RESUME: first->status = session_resume(session, step); break;
    case STEP_GROUP:
    case STEP_QUEUE:
    case STEP_COMMIT:
    case STEP_RACE:
    case STEP_PURGE:
    case STEP_TAKE:
        session_call_monitors(session, step, &session->life->ledger->entries[at], answers);
        break;
    case STEP_RESOURCES: first->status = session_call_resources(session, step, at); break;
    case STEP_PROVIDE: first->status = session_provide(session, step, at); break;
    case STEP_CONSUME: first->status = session_consume(session, step, at); break;
    }
}

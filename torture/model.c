#include "model.h"

#include "common.h"
#include "words.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

int record_is_pending(const struct record *record) {
    return record->state == LNKEEP_STATE_INTENT || record->state == LNKEEP_STATE_HANDED_OFF;
}

int record_is_final(const struct record *record) {
    return record->state == LNKEEP_STATE_SETTLED || record->state == LNKEEP_STATE_FAILED;
}

uint64_t model_add_event(struct model *model, struct past_event event) {
    if (model->events_len == EVENTS_MAX) give_up("the script makes too many events");
    model->events[model->events_len++] = event;
    return model->events_len;
}

struct expect expect_answer(lnkeep_status status) { return (struct expect){.status = status}; }

static struct expect changed(struct model *model, unsigned slot, unsigned kind) {
    const struct record *record = &model->records[slot];
    struct past_event event = {
        .kind = (uint8_t)kind,
        /* The record of a forgotten attempt is gone; its event says deleted. */
        .state = record->state ? record->state : LNKEEP_STATE_DELETED,
        .payment = PAYMENTS,
        .slot = (uint16_t)slot,
    };
    uint64_t event_sequence = model_add_event(model, event);
    int is_conflict = kind == LNKEEP_EVENT_ATTEMPT_CONFLICT;
    return (struct expect){LNKEEP_DONE, is_conflict, event_sequence};
}

static struct expect apply_init(struct model *model, unsigned slot) {
    struct record *record = &model->records[slot];
    if (record->state) return expect_answer(LNKEEP_ALREADY_EXISTS);
    *record = (struct record){.state = LNKEEP_STATE_INTENT, .has_request = 1};
    return changed(model, slot, LNKEEP_EVENT_ATTEMPT_INIT);
}

static struct expect apply_mark(struct model *model, unsigned slot) {
    struct record *record = &model->records[slot];
    switch (record->state) {
    case 0: return expect_answer(LNKEEP_NOT_FOUND);
    case LNKEEP_STATE_INTENT:
        record->state = LNKEEP_STATE_HANDED_OFF;
        return changed(model, slot, LNKEEP_EVENT_ATTEMPT_HANDED_OFF);
    case LNKEEP_STATE_HANDED_OFF: return expect_answer(LNKEEP_ALREADY);
    case LNKEEP_STATE_DELETED: return expect_answer(LNKEEP_DELETED);
    default: return expect_answer(LNKEEP_NOT_PENDING);
    }
}

struct expect model_resolve(struct model *model, const struct op *op, unsigned event) {
    lnkeep_attempt_result result = op_result(op);
    struct record *record = &model->records[op->slot];
    int settles = result.kind == LNKEEP_RESULT_SETTLE;
    record->state = settles ? LNKEEP_STATE_SETTLED : LNKEEP_STATE_FAILED;
    record->result_digest = result_digest(&result);
    record->result_seed = op->seed;
    return changed(model, op->slot, event);
}

static struct expect apply_result(struct model *model, const struct op *op) {
    struct record *record = &model->records[op->slot];
    lnkeep_attempt_result result = op_result(op);
    if (record->state == LNKEEP_STATE_DELETED) return expect_answer(LNKEEP_CONFLICT);
    if (!record_is_final(record)) return model_resolve(model, op, LNKEEP_EVENT_ATTEMPT_RESOLVED);
    if (record->result_digest == result_digest(&result)) return expect_answer(LNKEEP_ALREADY);
    if (record->state == LNKEEP_STATE_SETTLED || op->kind == OP_FAIL) {
        return expect_answer(LNKEEP_CONFLICT);
    }
    /* Money moved after a failure was reported, so the host has to look again. */
    record->flags |= LNKEEP_ATTEMPT_CONFLICT;
    record->flags &= (uint8_t)~LNKEEP_ATTEMPT_ACKED;
    return model_resolve(model, op, LNKEEP_EVENT_ATTEMPT_CONFLICT);
}

static struct expect apply_rollback(struct model *model, const struct op *op) {
    struct record *record = &model->records[op->slot];
    switch (record->state) {
    case LNKEEP_STATE_INTENT:
        record->flags |= LNKEEP_ATTEMPT_ROLLED_BACK;
        return model_resolve(model, op, LNKEEP_EVENT_ATTEMPT_RESOLVED);
    case LNKEEP_STATE_HANDED_OFF: return expect_answer(LNKEEP_HANDED_OFF);
    case 0:
    case LNKEEP_STATE_DELETED: return expect_answer(LNKEEP_NOT_FOUND);
    default: return expect_answer(LNKEEP_NOT_PENDING);
    }
}

static struct expect apply_ack(struct model *model, unsigned slot) {
    struct record *record = &model->records[slot];
    if (!record->state) return expect_answer(LNKEEP_NOT_FOUND);
    if (record_is_pending(record)) return expect_answer(LNKEEP_RESULT_PENDING);
    int repeated = !record_is_final(record) || record->flags & LNKEEP_ATTEMPT_ACKED;
    record->flags |= record_is_final(record) ? LNKEEP_ATTEMPT_ACKED : 0;
    return expect_answer(repeated ? LNKEEP_ALREADY : LNKEEP_DONE);
}

static struct expect apply_delete(struct model *model, unsigned slot, int forget) {
    struct record *record = &model->records[slot];
    if (record_is_pending(record)) return expect_answer(LNKEEP_PENDING);
    if (!record_is_final(record)) return expect_answer(LNKEEP_NOT_FOUND);
    /* Its payment has not taken the result yet. */
    int is_acked = (record->flags & LNKEEP_ATTEMPT_ACKED) != 0;
    if (record->flags & LNKEEP_ATTEMPT_OF_PAYMENT && !is_acked) {
        return expect_answer(LNKEEP_PENDING);
    }
    *record = (struct record){.state = forget ? 0 : LNKEEP_STATE_DELETED, .burned = !forget};
    return changed(model, slot, LNKEEP_EVENT_ATTEMPT_DELETED);
}

struct expect model_record_op(struct model *model, const struct op *op) {
    switch ((enum op_kind)op->kind) {
    case OP_INIT: return apply_init(model, op->slot);
    case OP_MARK: return apply_mark(model, op->slot);
    case OP_SETTLE:
    case OP_FAIL: return apply_result(model, op);
    case OP_ROLLBACK: return apply_rollback(model, op);
    case OP_ACK: return apply_ack(model, op->slot);
    case OP_DELETE:
    case OP_FORGET: return apply_delete(model, op->slot, op->kind == OP_FORGET);
    default: break;
    }
    /* Which id it is, the library says; the caller of the model notes it. */
    return expect_answer(model->allocated[op->slot] ? LNKEEP_ALREADY : LNKEEP_DONE);
}

int op_is_payment(const struct op *op) { return op->kind >= OP_PAYMENT_INIT; }

static struct expect apply_op(struct model *model, const struct op *op) {
    return op_is_payment(op) ? model_payment_op(model, op) : model_record_op(model, op);
}

static void apply_atomic(struct model *model, const struct step *step, struct expect *expect) {
    struct model tried = *model;
    for (unsigned i = 0; i < step->ops_len; i++) {
        expect[i] = apply_op(&tried, &step->ops[i]);
        if (expect[i].status >= 0) continue;
        for (unsigned other = 0; other < step->ops_len; other++) {
            if (other != i) expect[other] = expect_answer(LNKEEP_ABORTED);
        }
        return;
    }
    *model = tried;
}

/* Recovery rolls back what was not handed off, clean removes what ended; both in order of ids. */
static void apply_to_namespace(struct model *model, uint8_t name_space, int is_clean) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        struct record *record = &model->records[slot];
        if (slot_key(model, slot).namespace_bytes[15] != name_space) continue;
        if (is_clean && record_is_final(record)) apply_delete(model, slot, 0);
        if (!is_clean && record->state == LNKEEP_STATE_INTENT) {
            /* Seed 0 has no message, as a recovery's failure has none. */
            struct op rollback = {.kind = OP_ROLLBACK, .slot = (uint16_t)slot};
            apply_rollback(model, &rollback);
        }
    }
}

void model_apply(struct model *model, const struct step *step, unsigned left_out,
                 struct expect *expect) {
    expect[0] = expect_answer(LNKEEP_DONE);
    switch ((enum step_kind)step->kind) {
    case STEP_SINGLE:
    case STEP_BATCH:
        for (unsigned i = 0; i < step->ops_len; i++) {
            if (!(left_out >> i & 1)) expect[i] = apply_op(model, &step->ops[i]);
        }
        break;
    case STEP_ATOMIC: apply_atomic(model, step, expect); break;
    case STEP_GROUP:
        apply_atomic(model, step, expect);
        model_monitors(model, step, left_out, expect);
        break;
    case STEP_QUEUE:
    case STEP_COMMIT:
    case STEP_RACE:
    case STEP_PURGE:
    case STEP_TAKE: model_monitors(model, step, left_out, expect); break;
    case STEP_EVENTS: {
        uint64_t before = model->cursor_acked;
        uint64_t until = step->ops[0].slot;
        if (until > model->events_len) until = model->events_len;
        if (until <= before) expect[0] = expect_answer(LNKEEP_ALREADY);
        else model->cursor_acked = until;
        break;
    }
    case STEP_CLEAN: apply_to_namespace(model, step->ops[0].seed, 1); break;
    case STEP_RECOVER: apply_to_namespace(model, step->ops[0].seed, 0); break;
    case STEP_RESUME: model_resume(model, step, UINT_MAX, NULL); break;
    case STEP_TICK:
    case STEP_REOPEN:
    case STEP_READ:
    case STEP_FETCH:
    case STEP_SWEEP:
    case STEP_RESOURCES:
    case STEP_PROVIDE:
    case STEP_CONSUME: break;
    }
}

unsigned step_outcomes(const struct step *step) {
    return step->kind <= STEP_ATOMIC || step->kind == STEP_QUEUE ? step->ops_len : 1;
}

int step_is_possible(const struct model *model, const struct step *step) {
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        const struct op *op = &step->ops[i];
        int is_allocated = op->slot >= CHOSEN_SLOTS && op->slot < PARTS_FROM;
        if (op->kind == OP_ALLOCATE || !is_allocated) continue;
        if (!model->allocated[op->slot]) return 0;
    }
    return 1;
}

static int records_differ(const struct record *wanted, const struct record *given) {
    if (wanted->state != given->state) return 1;
    if (!record_is_pending(wanted) && !record_is_final(wanted)) return 0;
    return wanted->flags != given->flags || wanted->has_request != given->has_request ||
           wanted->result_digest != given->result_digest;
}

static int events_differ(const struct past_event *one, const struct past_event *two) {
    return one->kind != two->kind || one->state != two->state || one->slot != two->slot ||
           one->payment != two->payment || one->part_state != two->part_state ||
           one->reason != two->reason || one->flags != two->flags ||
           one->amount_msat != two->amount_msat || one->remaining_msat != two->remaining_msat ||
           one->fees_msat != two->fees_msat;
}

static void describe_event(const struct past_event *event, char *text, size_t len) {
    snprintf(text, len,
             "kind %u state %u slot %u payment %u part state %u reason %u flags %u amount %llu "
             "remaining %llu fees %llu",
             event->kind, event->state, event->slot, event->payment, event->part_state,
             event->reason, event->flags, (unsigned long long)event->amount_msat,
             (unsigned long long)event->remaining_msat, (unsigned long long)event->fees_msat);
}

int model_event_differs(const struct past_event *wanted, const struct past_event *given, char *why,
                        size_t len) {
    char one[200], two[200];
    if (!events_differ(wanted, given)) return 0;
    describe_event(given, one, sizeof one);
    describe_event(wanted, two, sizeof two);
    snprintf(why, len, "%s; not %s", one, two);
    return 1;
}

int model_differs(const struct model *wanted, const struct model *given, char *why, size_t len) {
    char text[300];
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        const struct record *one = &wanted->records[slot], *two = &given->records[slot];
        if (!records_differ(one, two)) continue;
        snprintf(why, len, "slot %u: state %u flags %u, not state %u flags %u%s", slot, two->state,
                 two->flags, one->state, one->flags,
                 one->result_digest != two->result_digest ? ", another result" : "");
        return 1;
    }
    for (unsigned payment = 0; payment < PAYMENTS; payment++) {
        if (model_payment_differs(wanted, given, payment, why, len)) return 1;
    }
    if (model_monitors_differ(wanted, given, why, len)) return 1;
    if (wanted->cursor_acked != given->cursor_acked || wanted->events_len != given->events_len) {
        snprintf(why, len, "%u events, cursor at %llu; not %u events, cursor at %llu",
                 given->events_len, (unsigned long long)given->cursor_acked, wanted->events_len,
                 (unsigned long long)wanted->cursor_acked);
        return 1;
    }
    for (unsigned i = 0; i < wanted->events_len; i++) {
        if (model_event_differs(&wanted->events[i], &given->events[i], text, sizeof text)) {
            snprintf(why, len, "event %u: %s", i + 1, text);
            return 1;
        }
    }
    return 0;
}

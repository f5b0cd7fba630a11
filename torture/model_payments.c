/* The rules of payments once more, plainly: what the store must answer and what becomes of it. */

#include "common.h"
#include "words.h"

#include <stdio.h>

static int is_terminal(unsigned status) {
    return status == LNKEEP_PAYMENT_STATUS_SUCCEEDED || status == LNKEEP_PAYMENT_STATUS_FAILED;
}

static int is_of(const struct model *model, unsigned slot, unsigned payment) {
    return model->parts[slot].payment == payment + 1;
}

struct sums payment_sums(const struct model *model, unsigned payment) {
    struct sums sums = {0};
    uint64_t out_msat = 0;
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        const struct part *part = &model->parts[slot];
        if (!is_of(model, slot, payment)) continue;
        sums.in_flight += part->state == LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT;
        sums.settled += part->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED;
        sums.failed += part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED;
        if (part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED) continue;
        out_msat += part_amount_msat(payment, part->seed);
        sums.fees_msat += part_fee_msat(slot, part->seed);
    }
    /* Late settles may cover more than the amount. */
    uint64_t amount_msat = model->payments[payment].amount_msat;
    sums.remaining_msat = out_msat < amount_msat ? amount_msat - out_msat : 0;
    return sums;
}

static uint8_t status_of(const struct model *model, unsigned payment) {
    struct sums sums = payment_sums(model, payment);
    if (sums.in_flight) return LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    if (sums.settled) return LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    if (model->payments[payment].reason) return LNKEEP_PAYMENT_STATUS_FAILED;
    return sums.failed ? LNKEEP_PAYMENT_STATUS_IN_FLIGHT : LNKEEP_PAYMENT_STATUS_INITIATED;
}

/* The event of a change; slot is SLOTS where it is about no part. */
static uint64_t announce(struct model *model, unsigned payment, unsigned slot, unsigned kind,
                         int ended) {
    const struct payment *after = &model->payments[payment];
    struct sums sums = payment_sums(model, payment);
    const struct part *part = slot < SLOTS ? &model->parts[slot] : NULL;
    unsigned flags = ended ? LNKEEP_EVENT_TERMINAL : 0;
    if (after->marks & LNKEEP_PAYMENT_MARK_LATE_SETTLE) flags |= LNKEEP_EVENT_HAD_LATE_SETTLE;
    return model_add_event(
        model, (struct past_event){
                   .kind = (uint8_t)kind,
                   .state = after->status,
                   .payment = (uint8_t)payment,
                   .part_state = part ? part->state : 0,
                   .reason = after->reason,
                   .flags = (uint8_t)flags,
                   .slot = (uint16_t)slot,
                   .amount_msat = part ? part_amount_msat(payment, part->seed) : after->amount_msat,
                   .remaining_msat = sums.remaining_msat,
                   .fees_msat = sums.fees_msat,
               });
}

/* After a change of the payment or of one of its parts: revision, status and event. */
static struct expect changed(struct model *model, unsigned payment, unsigned slot, unsigned kind) {
    struct payment *after = &model->payments[payment];
    int was_terminal = is_terminal(after->status);
    after->revision++;
    after->status = status_of(model, payment);
    int ended = is_terminal(after->status) && !was_terminal;
    int is_conflict = kind == LNKEEP_EVENT_PAYMENT_LATE_SETTLE;
    uint64_t event_sequence = announce(model, payment, slot, kind, ended);
    return (struct expect){LNKEEP_DONE, is_conflict, event_sequence};
}

/* What was failed by force stays with its payment: the note is the audit, and it may still settle. */
static int may_prune(const struct part *part) {
    return part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED &&
           !(part->marks & LNKEEP_PAYMENT_MARK_FORCED);
}

/* Answers how many there were. */
static unsigned let_parts_go(struct model *model, unsigned payment, int failed_only) {
    unsigned gone = 0;
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        struct part *part = &model->parts[slot];
        if (!is_of(model, slot, payment) || (failed_only && !may_prune(part))) continue;
        *part = (struct part){0};
        gone++;
    }
    return gone;
}

static struct expect create(struct model *model, unsigned payment, unsigned seed) {
    struct payment *made = &model->payments[payment];
    let_parts_go(model, payment, 0);
    made->status = LNKEEP_PAYMENT_STATUS_INITIATED;
    made->marks = made->reason = made->first_reason = 0;
    made->seed = (uint8_t)seed;
    made->sequence = ++model->sequence_last;
    made->revision = 1;
    made->amount_msat = init_amount_msat(payment, seed);
    if (init_has_key(payment)) made->keys[init_generation(seed)] = made->sequence;
    uint64_t event = announce(model, payment, SLOTS, LNKEEP_EVENT_PAYMENT_INITIATED, 0);
    return (struct expect){LNKEEP_DONE, 0, event};
}

/* The idempotency key was used before: its payment answers, whatever became of it. */
static struct expect answer_by_key(const struct payment *known, unsigned seed) {
    if (known->is_tombstone) return expect_answer(LNKEEP_ALREADY_PAID);
    if (!known->status) return expect_answer(LNKEEP_DELETED);
    if (known->sequence != known->keys[init_generation(seed)]) {
        return expect_answer(LNKEEP_PAYMENT_ALREADY_FAILED);
    }
    /* Requests of different seeds are different ones. */
    int same = known->seed == seed;
    return expect_answer(same ? LNKEEP_ALREADY_EXISTS : LNKEEP_FINGERPRINT_MISMATCH);
}

static struct expect apply_init(struct model *model, unsigned payment, unsigned seed) {
    const struct payment *known = &model->payments[payment];
    if (init_has_key(payment) && known->keys[init_generation(seed)]) {
        return answer_by_key(known, seed);
    }
    if (known->is_tombstone) return expect_answer(LNKEEP_ALREADY_PAID);
    switch (known->status) {
    case LNKEEP_PAYMENT_STATUS_INITIATED:
        return expect_answer(known->seed == seed ? LNKEEP_ALREADY_EXISTS : LNKEEP_PAYMENT_EXISTS);
    case LNKEEP_PAYMENT_STATUS_IN_FLIGHT: return expect_answer(LNKEEP_PAYMENT_IN_FLIGHT);
    case LNKEEP_PAYMENT_STATUS_SUCCEEDED: return expect_answer(LNKEEP_ALREADY_PAID);
    default: return create(model, payment, seed);
    }
}

/* Whether a payment takes new parts or results; LNKEEP_DONE when it does. */
static lnkeep_status may_update(const struct payment *known) {
    switch (known->status) {
    case 0: return LNKEEP_PAYMENT_NOT_INITIATED;
    case LNKEEP_PAYMENT_STATUS_SUCCEEDED: return LNKEEP_PAYMENT_ALREADY_SUCCEEDED;
    case LNKEEP_PAYMENT_STATUS_FAILED: return LNKEEP_PAYMENT_ALREADY_FAILED;
    default: return LNKEEP_DONE;
    }
}

static lnkeep_status may_register(const struct model *model, unsigned payment, unsigned slot,
                                  unsigned seed) {
    const struct payment *known = &model->payments[payment];
    const struct part *part = &model->parts[slot];
    struct sums sums = payment_sums(model, payment);
    lnkeep_status status = may_update(known);
    if (status != LNKEEP_DONE) return status;
    if (sums.settled) return LNKEEP_PAYMENT_PENDING_SETTLED;
    if (known->reason) return LNKEEP_PAYMENT_PENDING_FAILED;
    if (is_of(model, slot, payment) && part->seed == seed) return LNKEEP_ALREADY_EXISTS;
    if (part->payment) return LNKEEP_ATTEMPT_ID_EXISTS;
    uint64_t amount_msat = part_amount_msat(payment, seed);
    int is_whole = payment % KINDS_OF_PARTS == 2;
    if (is_whole && amount_msat != known->amount_msat) return LNKEEP_VALUE_MISMATCH;
    if (amount_msat > sums.remaining_msat) return LNKEEP_VALUE_EXCEEDS;
    int has_record = model->records[slot].state != 0;
    return part_is_tracked(seed) && has_record ? LNKEEP_ATTEMPT_ID_EXISTS : LNKEEP_DONE;
}

static struct expect apply_register(struct model *model, const struct op *op) {
    lnkeep_status status = may_register(model, op->payment, op->slot, op->seed);
    if (status != LNKEEP_DONE) return expect_answer(status);
    int is_tracked = part_is_tracked(op->seed);
    if (is_tracked) {
        model_record_op(model, &(struct op){.kind = OP_INIT, .slot = op->slot});
        model->records[op->slot].flags |= LNKEEP_ATTEMPT_OF_PAYMENT;
    }
    model->parts[op->slot] = (struct part){
        .payment = (uint8_t)(op->payment + 1),
        .state = LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT,
        .marks = is_tracked ? LNKEEP_PAYMENT_MARK_TRACKED : 0,
        .seed = op->seed,
    };
    return changed(model, op->payment, op->slot, LNKEEP_EVENT_PAYMENT_ATTEMPT_REGISTERED);
}

/* A part that has no result yet, or why there is none. */
static lnkeep_status find_open(const struct model *model, unsigned payment, unsigned slot) {
    lnkeep_status status = may_update(&model->payments[payment]);
    if (status != LNKEEP_DONE) return status;
    if (!is_of(model, slot, payment)) return LNKEEP_ATTEMPT_NOT_FOUND;
    switch (model->parts[slot].state) {
    case LNKEEP_PAYMENT_ATTEMPT_FAILED: return LNKEEP_ATTEMPT_ALREADY_FAILED;
    case LNKEEP_PAYMENT_ATTEMPT_SETTLED: return LNKEEP_ATTEMPT_ALREADY_SETTLED;
    default: return LNKEEP_DONE;
    }
}

static int is_right(unsigned payment, unsigned slot, const uint8_t *preimage) {
    uint8_t right[32];
    part_preimage(payment, slot, right);
    return settle_digest(right) == settle_digest(preimage);
}

/* The record of a tracked part, where there is one that can still change. */
static struct record *linked_record(struct model *model, unsigned slot) {
    struct record *record = &model->records[slot];
    int is_tracked = model->parts[slot].marks & LNKEEP_PAYMENT_MARK_TRACKED;
    int is_there = record_is_pending(record) || record_is_final(record);
    return is_tracked && is_there ? record : NULL;
}

static void settle_record(struct model *model, unsigned payment, unsigned slot) {
    struct record *record = linked_record(model, slot);
    if (!record) return;
    struct op settle = {OP_SETTLE, 0, (uint8_t)payment, (uint16_t)slot};
    if (record->state != LNKEEP_STATE_SETTLED) model_record_op(model, &settle);
    record->flags |= LNKEEP_ATTEMPT_ACKED;
}

struct expect model_part_settle(struct model *model, unsigned payment, unsigned slot,
                                const uint8_t *preimage, uint64_t unix_ns) {
    struct part *part = &model->parts[slot];
    int is_known = is_of(model, slot, payment);
    /* Who tells it again may have a new clock. */
    int is_same = part->result_digest == settle_digest(preimage);
    if (!model->payments[payment].status) return expect_answer(LNKEEP_PAYMENT_NOT_INITIATED);
    if (is_known && part->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED && is_same) {
        return expect_answer(LNKEEP_ALREADY);
    }
    int is_late = is_known && part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED;
    lnkeep_status status = is_late ? LNKEEP_DONE : find_open(model, payment, slot);
    if (status != LNKEEP_DONE) return expect_answer(status);
    if (!is_right(payment, slot, preimage)) return expect_answer(LNKEEP_BAD_PREIMAGE);
    settle_record(model, payment, slot);
    part->state = LNKEEP_PAYMENT_ATTEMPT_SETTLED;
    part->result_digest = settle_digest(preimage);
    part->result_unix_ns = unix_ns;
    if (!is_late) return changed(model, payment, slot, LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED);
    part->marks |= LNKEEP_PAYMENT_MARK_LATE_SETTLE;
    model->payments[payment].marks |= LNKEEP_PAYMENT_MARK_LATE_SETTLE;
    return changed(model, payment, slot, LNKEEP_EVENT_PAYMENT_LATE_SETTLE);
}

/* What the record says against a failure; LNKEEP_DONE when it ended with it. */
static lnkeep_status fail_record(struct model *model, unsigned slot, int is_forced) {
    struct record *record = linked_record(model, slot);
    if (!record) return LNKEEP_DONE;
    if (record->state == LNKEEP_STATE_SETTLED) return LNKEEP_CONFLICT;
    int was_handed_off = record->state == LNKEEP_STATE_HANDED_OFF;
    if (was_handed_off && !is_forced) return LNKEEP_HANDED_OFF;
    if (was_handed_off) record->flags |= LNKEEP_ATTEMPT_FORCED;
    if (record_is_pending(record)) {
        record->state = LNKEEP_STATE_INTENT;
        model_record_op(model, &(struct op){.kind = OP_ROLLBACK, .slot = (uint16_t)slot});
    }
    record->flags |= LNKEEP_ATTEMPT_ACKED;
    return LNKEEP_DONE;
}

struct expect model_part_fail(struct model *model, unsigned payment, unsigned slot,
                              const lnkeep_payment_failure *failure, const lnkeep_bytes *note) {
    struct part *part = &model->parts[slot];
    int is_known = is_of(model, slot, payment);
    uint64_t digest = failure_digest(failure);
    int is_forced = (part->marks & LNKEEP_PAYMENT_MARK_FORCED) != 0;
    int is_same = part->result_digest == digest &&
                  (!note || (is_forced && part->note_digest == note_digest(*note)));
    if (!model->payments[payment].status) return expect_answer(LNKEEP_PAYMENT_NOT_INITIATED);
    if (is_known && part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED && is_same) {
        return expect_answer(LNKEEP_ALREADY);
    }
    lnkeep_status status = find_open(model, payment, slot);
    if (status == LNKEEP_DONE) status = fail_record(model, slot, note != NULL);
    if (status != LNKEEP_DONE) return expect_answer(status);
    part->state = LNKEEP_PAYMENT_ATTEMPT_FAILED;
    part->result_digest = digest;
    part->result_unix_ns = failure->failed_unix_ns;
    part->note_digest = note ? note_digest(*note) : 0;
    if (!note) return changed(model, payment, slot, LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED);
    part->marks |= LNKEEP_PAYMENT_MARK_FORCED;
    model->payments[payment].marks |= LNKEEP_PAYMENT_MARK_FORCED;
    return changed(model, payment, slot, LNKEEP_EVENT_PAYMENT_FORCED);
}

struct expect model_give_up(struct model *model, unsigned payment, unsigned reason) {
    struct payment *known = &model->payments[payment];
    if (!known->status) return expect_answer(LNKEEP_PAYMENT_NOT_INITIATED);
    if (known->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED) {
        return expect_answer(LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    }
    int is_failed = known->status == LNKEEP_PAYMENT_STATUS_FAILED;
    if (is_failed && known->reason == reason) return expect_answer(LNKEEP_ALREADY);
    known->reason = (uint8_t)reason;
    if (!known->first_reason) known->first_reason = (uint8_t)reason;
    if (!is_failed) {
        return changed(model, payment, SLOTS, LNKEEP_EVENT_PAYMENT_FAILED);
    }
    /* It was told that it failed, and is not told so again. */
    known->revision++;
    return expect_answer(LNKEEP_DONE);
}

static struct expect apply_delete(struct model *model, unsigned payment, int forget) {
    struct payment *known = &model->payments[payment];
    if (!known->status) return expect_answer(LNKEEP_PAYMENT_NOT_INITIATED);
    if (known->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT) {
        return expect_answer(LNKEEP_PAYMENT_IN_FLIGHT);
    }
    uint64_t event = announce(model, payment, SLOTS, LNKEEP_EVENT_PAYMENT_DELETED, 0);
    known->is_tombstone = known->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED && !forget;
    if (forget && init_has_key(payment)) known->keys[init_generation(known->seed)] = 0;
    known->status = 0;
    let_parts_go(model, payment, 0);
    return (struct expect){LNKEEP_DONE, 0, event};
}

struct expect model_prune(struct model *model, unsigned payment) {
    struct payment *known = &model->payments[payment];
    if (!known->status) return expect_answer(LNKEEP_PAYMENT_NOT_INITIATED);
    if (known->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT) {
        return expect_answer(LNKEEP_PAYMENT_IN_FLIGHT);
    }
    if (let_parts_go(model, payment, 1) == 0) return expect_answer(LNKEEP_ALREADY);
    known->revision++;
    return expect_answer(LNKEEP_DONE);
}

static struct expect apply_drop(struct payment *known) {
    if (known->status) return expect_answer(LNKEEP_ENTRIES_EXIST);
    int was_there = known->is_tombstone;
    known->is_tombstone = 0;
    return expect_answer(was_there ? LNKEEP_DONE : LNKEEP_ALREADY);
}

static struct expect apply_result(struct model *model, const struct op *op) {
    uint8_t preimage[32];
    lnkeep_payment_failure failure = part_failure(op->slot, op->seed);
    char text[48];
    lnkeep_bytes note = force_note(op->seed, text);
    switch ((enum op_kind)op->kind) {
    case OP_PART_SETTLE:
        op_preimage(op, preimage);
        return model_part_settle(model, op->payment, op->slot, preimage, settle_unix_ns(op->slot));
    case OP_PART_FORCE: return model_part_fail(model, op->payment, op->slot, &failure, &note);
    default: return model_part_fail(model, op->payment, op->slot, &failure, NULL);
    }
}

struct expect model_payment_op(struct model *model, const struct op *op) {
    switch ((enum op_kind)op->kind) {
    case OP_PAYMENT_INIT: return apply_init(model, op->payment, op->seed);
    case OP_REGISTER: return apply_register(model, op);
    case OP_GIVE_UP: return model_give_up(model, op->payment, give_up_reason(op->seed));
    case OP_PAYMENT_DELETE: return apply_delete(model, op->payment, 0);
    case OP_PAYMENT_FORGET: return apply_delete(model, op->payment, 1);
    case OP_PRUNE: return model_prune(model, op->payment);
    case OP_DROP_TOMBSTONE: return apply_drop(&model->payments[op->payment]);
    default: return apply_result(model, op);
    }
}

static int parts_differ(const struct part *wanted, const struct part *given) {
    return wanted->payment != given->payment || wanted->state != given->state ||
           wanted->marks != given->marks || wanted->seed != given->seed ||
           wanted->result_digest != given->result_digest ||
           wanted->note_digest != given->note_digest ||
           /* 0: the store's own time, which a crash may have taken back. */
           (wanted->result_unix_ns != 0 && wanted->result_unix_ns != given->result_unix_ns);
}

int model_payment_differs(const struct model *wanted, const struct model *given, unsigned payment,
                          char *why, size_t len) {
    const struct payment *one = &wanted->payments[payment], *two = &given->payments[payment];
    int differs = one->status != two->status;
    if (one->status && two->status) {
        differs |= one->marks != two->marks || one->reason != two->reason ||
                   one->first_reason != two->first_reason || one->seed != two->seed ||
                   one->sequence != two->sequence || one->revision != two->revision ||
                   one->amount_msat != two->amount_msat;
    }
    if (differs) {
        snprintf(why, len,
                 "payment %u: status %u marks %u reason %u sequence %llu revision %llu, "
                 "not status %u marks %u reason %u sequence %llu revision %llu",
                 payment, two->status, two->marks, two->reason, (unsigned long long)two->sequence,
                 (unsigned long long)two->revision, one->status, one->marks, one->reason,
                 (unsigned long long)one->sequence, (unsigned long long)one->revision);
        return 1;
    }
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        const struct part *mine = &wanted->parts[slot], *other = &given->parts[slot];
        if (mine->payment != payment + 1 && other->payment != payment + 1) continue;
        if (!parts_differ(mine, other)) continue;
        snprintf(why, len, "payment %u, slot %u: state %u marks %u seed %u, not state %u marks %u "
                 "seed %u%s", payment, slot, other->state, other->marks, other->seed, mine->state,
                 mine->marks, mine->seed,
                 mine->result_digest != other->result_digest ? ", another result" : "");
        return 1;
    }
    return 0;
}

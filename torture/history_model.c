/* The rules of one key, plainly: an attempt of its own, or a payment with its parts. */

#include "history.h"

#include <string.h>

const char *const ask_names[ASKS] = {
    "init",      "mark",       "settle",  "fail",       "rollback",   "ack",
    "delete",    "forget",     "get",     "pay-init",   "register",   "part-settle",
    "part-fail", "part-force", "give-up", "pay-delete", "pay-forget", "fetch",
};

uint64_t amount_of(unsigned variant) { return variant ? AMOUNT_MSAT * 2 / 3 : AMOUNT_MSAT; }

uint64_t part_amount_of(unsigned variant) { return variant ? AMOUNT_MSAT / 3 : AMOUNT_MSAT / 2; }

static struct answer told(int32_t status) {
    return (struct answer){.status = status, .view = VIEW_NONE};
}

/* --- Records. */

static int is_pending(const struct record_state *record) {
    return record->state == LNKEEP_STATE_INTENT || record->state == LNKEEP_STATE_HANDED_OFF;
}

static int is_final(const struct record_state *record) {
    return record->state == LNKEEP_STATE_SETTLED || record->state == LNKEEP_STATE_FAILED;
}

uint64_t view_of_record(const struct record_state *record) {
    return (uint64_t)record->state | (uint64_t)record->result << 8 |
           (uint64_t)record->request << 16 | (uint64_t)record->flags << 24;
}

static struct answer record_init(struct record_state *record, unsigned variant) {
    uint8_t request = (uint8_t)(REQUEST_FIRST + variant);
    if (record->state == 0) {
        *record = (struct record_state){.state = LNKEEP_STATE_INTENT, .request = request};
        return told(LNKEEP_DONE);
    }
    int is_other = record->request != REQUEST_NONE && record->request != request;
    return told(is_other ? LNKEEP_FINGERPRINT_MISMATCH : LNKEEP_ALREADY_EXISTS);
}

static struct answer record_mark(struct record_state *record) {
    switch (record->state) {
    case 0: return told(LNKEEP_NOT_FOUND);
    case LNKEEP_STATE_INTENT: record->state = LNKEEP_STATE_HANDED_OFF; return told(LNKEEP_DONE);
    case LNKEEP_STATE_HANDED_OFF: return told(LNKEEP_ALREADY);
    case LNKEEP_STATE_DELETED: return told(LNKEEP_DELETED);
    default: return told(LNKEEP_NOT_PENDING);
    }
}

static struct answer record_end(struct record_state *record, unsigned result) {
    struct answer answer = told(LNKEEP_DONE);
    int settles = result == RESULT_SETTLE;
    if (record->state == LNKEEP_STATE_DELETED) return told(LNKEEP_CONFLICT);
    if (is_final(record)) {
        if (record->result == result) return told(LNKEEP_ALREADY);
        if (record->state == LNKEEP_STATE_SETTLED || !settles) return told(LNKEEP_CONFLICT);
        record->flags |= LNKEEP_ATTEMPT_CONFLICT;
        record->flags &= (uint8_t)~LNKEEP_ATTEMPT_ACKED;
        answer.conflict = 1;
    }
    record->state = settles ? LNKEEP_STATE_SETTLED : LNKEEP_STATE_FAILED;
    record->result = (uint8_t)result;
    return answer;
}

static struct answer record_rollback(struct record_state *record) {
    switch (record->state) {
    case LNKEEP_STATE_INTENT:
        record->flags |= LNKEEP_ATTEMPT_ROLLED_BACK;
        return record_end(record, RESULT_ROLLBACK);
    case LNKEEP_STATE_HANDED_OFF: return told(LNKEEP_HANDED_OFF);
    case LNKEEP_STATE_SETTLED:
    case LNKEEP_STATE_FAILED: return told(LNKEEP_NOT_PENDING);
    default: return told(LNKEEP_NOT_FOUND);
    }
}

static struct answer record_ack(struct record_state *record) {
    if (record->state == 0) return told(LNKEEP_NOT_FOUND);
    if (is_pending(record)) return told(LNKEEP_RESULT_PENDING);
    if (!is_final(record) || record->flags & LNKEEP_ATTEMPT_ACKED) return told(LNKEEP_ALREADY);
    record->flags |= LNKEEP_ATTEMPT_ACKED;
    return told(LNKEEP_DONE);
}

static struct answer record_delete(struct record_state *record, int forgets) {
    if (is_pending(record)) return told(LNKEEP_PENDING);
    if (!is_final(record)) return told(LNKEEP_NOT_FOUND);
    int is_held = record->flags & LNKEEP_ATTEMPT_OF_PAYMENT;
    if (is_held && !(record->flags & LNKEEP_ATTEMPT_ACKED)) return told(LNKEEP_PENDING);
    *record = (struct record_state){.state = forgets ? 0 : LNKEEP_STATE_DELETED};
    return told(LNKEEP_DONE);
}

static struct answer record_get(const struct record_state *record) {
    struct answer answer = told(record->state == 0                      ? LNKEEP_NOT_FOUND
                                : record->state == LNKEEP_STATE_DELETED ? LNKEEP_DELETED
                                                                        : LNKEEP_DONE);
    if (answer.status == LNKEEP_DONE) answer.view = view_of_record(record);
    return answer;
}

/* --- Payments. */

static unsigned count_parts(const struct key_state *state, unsigned wanted) {
    unsigned count = 0;
    for (unsigned part = 0; part < PARTS; part++) count += state->parts[part].state == wanted;
    return count;
}

static uint64_t out_msat(const struct key_state *state) {
    uint64_t sum_msat = 0;
    for (unsigned at = 0; at < PARTS; at++) {
        const struct part_state *part = &state->parts[at];
        int is_out = part->state != 0 && part->state != LNKEEP_PAYMENT_ATTEMPT_FAILED;
        if (is_out) sum_msat += part_amount_of(part->variant);
    }
    return sum_msat;
}

uint64_t view_of_payment(const struct key_state *state) {
    uint64_t view = state->status;
    if (!state->status) return VIEW_NONE;
    view = view << 3 | state->reason;
    view = view << 3 | state->first_reason;
    view = view << 2 | state->marks;
    view = view << 1 | state->variant;
    view = view << 16 | state->revision;
    for (unsigned at = 0; at < PARTS; at++) {
        const struct part_state *part = &state->parts[at];
        view = view << 2 | part->state;
        view = view << 1 | part->variant;
        view = view << 2 | part->marks;
        view = view << 3 | part->failure;
    }
    return view;
}

static struct answer paid(const struct key_state *state, int32_t status) {
    struct answer answer = told(status);
    if (status >= 0) answer.view = view_of_payment(state);
    return answer;
}

static struct answer changed(struct key_state *state) {
    int has_settled = count_parts(state, LNKEEP_PAYMENT_ATTEMPT_SETTLED) != 0;
    int has_failed = count_parts(state, LNKEEP_PAYMENT_ATTEMPT_FAILED) != 0;
    state->revision++;
    if (count_parts(state, LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT)) {
        state->status = LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    } else if (has_settled) {
        state->status = LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    } else if (state->reason) {
        state->status = LNKEEP_PAYMENT_STATUS_FAILED;
    } else {
        state->status = has_failed ? LNKEEP_PAYMENT_STATUS_IN_FLIGHT
                                   : LNKEEP_PAYMENT_STATUS_INITIATED;
    }
    return paid(state, LNKEEP_DONE);
}

static struct answer payment_init(struct key_state *state, unsigned variant) {
    if (state->is_tombstone) return told(LNKEEP_ALREADY_PAID);
    switch (state->status) {
    case LNKEEP_PAYMENT_STATUS_INITIATED:
        return paid(state, state->variant == variant ? LNKEEP_ALREADY_EXISTS
                                                     : LNKEEP_PAYMENT_EXISTS);
    case LNKEEP_PAYMENT_STATUS_IN_FLIGHT: return told(LNKEEP_PAYMENT_IN_FLIGHT);
    case LNKEEP_PAYMENT_STATUS_SUCCEEDED: return told(LNKEEP_ALREADY_PAID);
    default: break;
    }
    memset(state->parts, 0, sizeof state->parts);
    state->status = LNKEEP_PAYMENT_STATUS_INITIATED;
    state->marks = state->reason = state->first_reason = 0;
    state->variant = (uint8_t)variant;
    state->revision = 1;
    return paid(state, LNKEEP_DONE);
}

static int32_t may_change(const struct key_state *state) {
    switch (state->status) {
    case 0: return LNKEEP_PAYMENT_NOT_INITIATED;
    case LNKEEP_PAYMENT_STATUS_SUCCEEDED: return LNKEEP_PAYMENT_ALREADY_SUCCEEDED;
    case LNKEEP_PAYMENT_STATUS_FAILED: return LNKEEP_PAYMENT_ALREADY_FAILED;
    default: return LNKEEP_DONE;
    }
}

static int32_t may_register(const struct key_state *state, const struct act *act) {
    const struct part_state *part = &state->parts[act->part];
    int32_t status = may_change(state);
    if (status != LNKEEP_DONE) return status;
    if (count_parts(state, LNKEEP_PAYMENT_ATTEMPT_SETTLED)) return LNKEEP_PAYMENT_PENDING_SETTLED;
    if (state->reason) return LNKEEP_PAYMENT_PENDING_FAILED;
    if (part->state) {
        return part->variant == act->variant ? LNKEEP_ALREADY_EXISTS : LNKEEP_ATTEMPT_ID_EXISTS;
    }
    uint64_t out = out_msat(state) + part_amount_of(act->variant);
    if (out > amount_of(state->variant)) return LNKEEP_VALUE_EXCEEDS;
    return state->records[act->part].state ? LNKEEP_ATTEMPT_ID_EXISTS : LNKEEP_DONE;
}

static struct answer part_register(struct key_state *state, const struct act *act) {
    int32_t status = may_register(state, act);
    if (status != LNKEEP_DONE) return paid(state, status);
    state->records[act->part] = (struct record_state){
        .state = LNKEEP_STATE_INTENT,
        .flags = LNKEEP_ATTEMPT_OF_PAYMENT,
        .request = REQUEST_PART,
    };
    state->parts[act->part] = (struct part_state){
        .state = LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT,
        .variant = act->variant,
    };
    return changed(state);
}

static int32_t may_end(const struct key_state *state, const struct part_state *part) {
    int32_t status = may_change(state);
    if (status != LNKEEP_DONE) return status;
    switch (part->state) {
    case 0: return LNKEEP_ATTEMPT_NOT_FOUND;
    case LNKEEP_PAYMENT_ATTEMPT_FAILED: return LNKEEP_ATTEMPT_ALREADY_FAILED;
    case LNKEEP_PAYMENT_ATTEMPT_SETTLED: return LNKEEP_ATTEMPT_ALREADY_SETTLED;
    default: return LNKEEP_DONE;
    }
}

static struct answer part_settle(struct key_state *state, unsigned at) {
    struct part_state *part = &state->parts[at];
    struct record_state *record = &state->records[at];
    if (!state->status) return told(LNKEEP_PAYMENT_NOT_INITIATED);
    if (part->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED) return paid(state, LNKEEP_ALREADY);
    int is_late = part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED;
    int32_t status = is_late ? LNKEEP_DONE : may_end(state, part);
    if (status != LNKEEP_DONE) return told(status);
    if (is_pending(record) || is_final(record)) {
        if (record->state != LNKEEP_STATE_SETTLED) record_end(record, RESULT_SETTLE);
        record->flags |= LNKEEP_ATTEMPT_ACKED;
    }
    part->state = LNKEEP_PAYMENT_ATTEMPT_SETTLED;
    part->failure = 0;
    if (is_late) {
        part->marks |= MARK_LATE;
        state->marks |= MARK_LATE;
    }
    struct answer answer = changed(state);
    answer.conflict = (uint32_t)is_late;
    return answer;
}

/* What the record says against a failure; LNKEEP_DONE when it ended with it. */
static int32_t fail_record(struct record_state *record, int is_forced) {
    if (!is_pending(record) && !is_final(record)) return LNKEEP_DONE;
    if (record->state == LNKEEP_STATE_SETTLED) return LNKEEP_CONFLICT;
    int was_handed_off = record->state == LNKEEP_STATE_HANDED_OFF;
    if (was_handed_off && !is_forced) return LNKEEP_HANDED_OFF;
    if (was_handed_off) record->flags |= LNKEEP_ATTEMPT_FORCED;
    if (is_pending(record)) {
        record->flags |= LNKEEP_ATTEMPT_ROLLED_BACK;
        record_end(record, RESULT_ROLLBACK);
    }
    record->flags |= LNKEEP_ATTEMPT_ACKED;
    return LNKEEP_DONE;
}

/* A failure is told by its variant, and by whether it was forced. */
static struct answer part_fail(struct key_state *state, const struct act *act) {
    struct part_state *part = &state->parts[act->part];
    int is_forced = act->what == ASK_PART_FORCE;
    uint8_t failure = (uint8_t)(1 + act->variant);
    if (!state->status) return told(LNKEEP_PAYMENT_NOT_INITIATED);
    int is_same = part->state == LNKEEP_PAYMENT_ATTEMPT_FAILED && part->failure == failure &&
                  (!is_forced || part->marks & MARK_FORCED);
    if (is_same) return paid(state, LNKEEP_ALREADY);
    int32_t status = may_end(state, part);
    if (status == LNKEEP_DONE) status = fail_record(&state->records[act->part], is_forced);
    if (status != LNKEEP_DONE) return told(status);
    part->state = LNKEEP_PAYMENT_ATTEMPT_FAILED;
    part->failure = failure;
    if (is_forced) {
        part->marks |= MARK_FORCED;
        state->marks |= MARK_FORCED;
    }
    return changed(state);
}

static struct answer give_up_payment(struct key_state *state, unsigned reason) {
    if (!state->status) return told(LNKEEP_PAYMENT_NOT_INITIATED);
    if (state->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED) {
        return told(LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    }
    int is_failed = state->status == LNKEEP_PAYMENT_STATUS_FAILED;
    if (is_failed && state->reason == reason) return paid(state, LNKEEP_ALREADY);
    state->reason = (uint8_t)reason;
    if (!state->first_reason) state->first_reason = (uint8_t)reason;
    return changed(state);
}

static struct answer payment_delete(struct key_state *state, int forgets) {
    if (!state->status) return told(LNKEEP_PAYMENT_NOT_INITIATED);
    if (state->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT) return told(LNKEEP_PAYMENT_IN_FLIGHT);
    state->is_tombstone = state->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED && !forgets;
    state->status = state->variant = state->marks = state->reason = state->first_reason = 0;
    state->revision = 0;
    memset(state->parts, 0, sizeof state->parts);
    return told(LNKEEP_DONE);
}

struct answer model_act(struct key_state *state, const struct act *act) {
    struct record_state *record = &state->records[act->part];
    switch ((enum what)act->what) {
    case ASK_INIT: return record_init(record, act->variant);
    case ASK_MARK: return record_mark(record);
    case ASK_SETTLE: return record_end(record, RESULT_SETTLE);
    case ASK_FAIL: return record_end(record, RESULT_FAIL + act->variant);
    case ASK_ROLLBACK: return record_rollback(record);
    case ASK_ACK: return record_ack(record);
    case ASK_DELETE: return record_delete(record, 0);
    case ASK_FORGET: return record_delete(record, 1);
    case ASK_GET: return record_get(record);
    case ASK_PAYMENT_INIT: return payment_init(state, act->variant);
    case ASK_REGISTER: return part_register(state, act);
    case ASK_PART_SETTLE: return part_settle(state, act->part);
    case ASK_PART_FAIL:
    case ASK_PART_FORCE: return part_fail(state, act);
    case ASK_GIVE_UP: return give_up_payment(state, LNKEEP_PAYMENT_REASON_TIMEOUT + act->variant);
    case ASK_PAYMENT_DELETE: return payment_delete(state, 0);
    case ASK_PAYMENT_FORGET: return payment_delete(state, 1);
    case ASK_FETCH:
        return state->status ? paid(state, LNKEEP_DONE) : told(LNKEEP_PAYMENT_NOT_INITIATED);
    case ASKS: break;
    }
    return told(LNKEEP_INTERNAL);
}

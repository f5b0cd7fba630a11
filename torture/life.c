#define _GNU_SOURCE
#include "life.h"

#include "common.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TRIES_MAX = 4, TAKEN_MAX = 64 };

static void note_allocation(struct session *session, const struct step *step, uint64_t value) {
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        if (step->ops[i].kind == OP_ALLOCATE) session->model.allocated[step->ops[i].slot] = value;
    }
}

unsigned session_replay(struct session *session, const struct life *life) {
    struct expect expect[OPS_MAX];
    memset(session, 0, sizeof *session);
    session->life = life;
    for (unsigned at = 0; at < life->script->steps_len; at++) {
        const struct step *step = &life->script->steps[at];
        const struct entry *entry = &life->ledger->entries[at];
        if (entry->state == ENTRY_FRESH || entry->state == ENTRY_STARTED) return at;
        if (entry->state != ENTRY_ANSWERED) continue;
        model_apply(&session->model, step, entry->left_out, expect);
        note_allocation(session, step, entry->allocated);
    }
    return life->script->steps_len;
}

lnkeep_status session_open(struct session *session, uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_bytes keep = {(const uint8_t *)"keep", 4}, work = {(const uint8_t *)"work", 4};
    lnkeep_events kept;
    options.flags = flags | LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = 0x3f; /* all of them */
    session->report = (lnkeep_store_report)LNKEEP_STORE_REPORT_INIT;
    session->event_taken = 0;
    lnkeep_status status = lnkeep_store_open(session->life->directory, &options, &session->store,
                                             &session->report, NULL);
    session->life->ledger->internals += status == LNKEEP_INTERNAL;
    if (status != LNKEEP_DONE) return status;
    status = lnkeep_attempts_open(session->store, NULL, &session->attempts, NULL);
    /* This cursor never acknowledges, so that every event stays to be compared. */
    if (status == LNKEEP_DONE) status = lnkeep_events_open(session->store, keep, 0, &kept, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_events_close(&kept, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_events_open(session->store, work, 0, &session->work, NULL);
    }
    if (status != LNKEEP_DONE) session_close(session);
    return status;
}

void session_close(struct session *session) {
    if (session->attempts.bits != 0 && lnkeep_attempts_close(&session->attempts, NULL) < 0) {
        finding(FOUND_STATUS, "closing attempts was refused");
    }
    if (session->work.bits != 0 && lnkeep_events_close(&session->work, NULL) < 0) {
        finding(FOUND_STATUS, "closing events was refused");
    }
    lnkeep_status status = lnkeep_store_close(&session->store, NULL);
    int poisoned = session->life->policy != POLICY_NONE && status == LNKEEP_POISONED;
    if (status != LNKEEP_DONE && !poisoned) {
        finding(FOUND_STATUS, "close answered %s", lnkeep_status_name(status));
    }
}

/* What a call gave: one outcome per operation, or one for the whole call. */
struct answers {
    lnkeep_outcome outcomes[OPS_MAX];
};

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
    const struct past_event *past = &model->events[number - 1];
    unsigned slot = slot_of(model, event->subject, event->attempt_id);
    if (past->kind != event->kind || past->state != event->state || past->slot != slot) {
        finding(FOUND_EVENT, "event %llu: kind %u state %u slot %u, not kind %u state %u slot %u",
                number, event->kind, event->state, slot, past->kind, past->state, past->slot);
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

static lnkeep_status call_recover(struct session *session) {
    lnkeep_recovery *recovery = NULL;
    uint32_t flags = LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    lnkeep_status status =
        lnkeep_attempts_recover(session->attempts, NULL, NULL, 0, flags, &recovery, NULL);
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

static lnkeep_status call_clean(struct session *session) {
    uint8_t name_space[16] = {[15] = 1};
    return lnkeep_attempts_clean(session->attempts, name_space, NULL, 0, 0, NULL, NULL, NULL);
}

static lnkeep_status call_reopen(struct session *session) {
    session_close(session);
    return session_open(session, 0);
}

static void call_submit(struct session *session, const struct step *step, struct answers *answers) {
    lnkeep_op ops[OPS_MAX];
    static uint8_t messages[OPS_MAX][MESSAGE_MAX];
    uint32_t flags = step->kind == STEP_ATOMIC ? LNKEEP_SUBMIT_ATOMIC : 0;
    for (unsigned i = 0; i < step->ops_len; i++) {
        const struct op *op = &step->ops[i];
        ops[i] = op_for_library(&session->model, op, session->attempts.bits);
        lnkeep_bytes *message = NULL;
        if (op->kind == OP_SETTLE || op->kind == OP_FAIL) {
            message = &ops[i].body.attempt_result.result.message;
        } else if (op->kind == OP_ROLLBACK) {
            message = &ops[i].body.attempt_rollback.message;
        }
        if (!message) continue;
        memcpy(messages[i], message->ptr, message->len);
        message->ptr = messages[i];
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

static void call(struct session *session, const struct step *step, unsigned at,
                 struct answers *answers) {
    lnkeep_outcome *first = &answers->outcomes[0];
    memset(answers, 0, sizeof *answers);
    switch ((enum step_kind)step->kind) {
    case STEP_TICK:
        first->status = lnkeep_store_tick(session->store, 1000000 + 1000 * at, 800000 + at, NULL);
        break;
    case STEP_EVENTS: first->status = call_events(session, step); break;
    case STEP_CLEAN: first->status = call_clean(session); break;
    case STEP_RECOVER: first->status = call_recover(session); break;
    case STEP_REOPEN: first->status = call_reopen(session); break;
    case STEP_READ: first->status = call_read(session, step->ops[0].slot); break;
    default: call_submit(session, step, answers); break;
    }
}

static int fits(const struct step *step, const struct expect *expect,
                const struct answers *answers, unsigned left_out) {
    for (unsigned i = 0; i < step_outcomes(step); i++) {
        if (left_out >> i & 1) continue;
        const lnkeep_outcome *outcome = &answers->outcomes[i];
        if (outcome->status != expect[i].status) return 0;
        if (step->kind > STEP_ATOMIC || outcome->status != LNKEEP_DONE) continue;
        if (outcome->event_sequence != expect[i].event_sequence) return 0;
    }
    return 1;
}

/* Each DONE of an init is a permission to dispatch, also when its answer is judged wrong below. */
static void count_grants(struct session *session, const struct step *step,
                         const struct answers *answers) {
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        const struct op *op = &step->ops[i];
        if (op->kind != OP_INIT || answers->outcomes[i].status != LNKEEP_DONE) continue;
        if (++session->life->ledger->grants[op->slot] == 2) {
            finding(FOUND_GRANTED_TWICE, "slot %u was granted twice", op->slot);
        }
    }
}

/* What the worst outcome lets the host conclude. */
static lnkeep_status worst_of(const struct step *step, const struct answers *answers) {
    lnkeep_status worst = LNKEEP_DONE;
    for (unsigned i = 0; i < step_outcomes(step); i++) {
        lnkeep_status status = answers->outcomes[i].status;
        if (lnkeep_status_class(status) == LNKEEP_CLASS_UNKNOWN) return status;
        if (status < worst) worst = status;
    }
    return worst;
}

static int finish_step(struct session *session, unsigned at, const struct model *after,
                       const struct answers *answers) {
    const struct step *step = &session->life->script->steps[at];
    struct entry *entry = &session->life->ledger->entries[at];
    session->model = *after;
    entry->allocated = answers->outcomes[0].value;
    note_allocation(session, step, entry->allocated);
    for (unsigned slot = CHOSEN_SLOTS; entry->allocated != 0 && slot < SLOTS; slot++) {
        if (slot == step->ops[0].slot || session->model.allocated[slot] != entry->allocated) {
            continue;
        }
        finding(FOUND_GRANTED_TWICE, "two keys were given id %llu",
                (unsigned long long)entry->allocated);
    }
    entry->state = ENTRY_ANSWERED;
    session->life->ledger->answered++;
    return LIFE_ENDED;
}

/* Closes and opens the store; the fault may still be there. */
static int reopen_for_repeat(struct session *session) {
    if (session->store.bits != 0) session_close(session);
    for (int tries = 0; tries < 3; tries++) {
        if (session_open(session, 0) == LNKEEP_DONE) return 1;
    }
    return 0;
}

/* What the two histories of a step in doubt would answer. */
struct branches {
    struct model fresh, applied;
    struct expect expect_fresh[OPS_MAX], expect_applied[OPS_MAX];
};

static void branch(const struct session *session, const struct step *step,
                   struct branches *branches) {
    branches->fresh = session->model;
    model_apply(&branches->fresh, step, 0, branches->expect_fresh);
    branches->applied = branches->fresh;
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        /* Any number: an allocation that was made answers ALREADY, whichever id it gave. */
        if (step->ops[i].kind == OP_ALLOCATE) branches->applied.allocated[step->ops[i].slot] = 1;
    }
    model_apply(&branches->applied, step, 0, branches->expect_applied);
}

static void report_misfit(unsigned at, const struct step *step, const struct branches *branches,
                          const struct answers *answers) {
    for (unsigned i = 0; i < step_outcomes(step); i++) {
        const lnkeep_outcome *outcome = &answers->outcomes[i];
        const struct expect *wanted = &branches->expect_fresh[i];
        int same_event = outcome->event_sequence == wanted->event_sequence;
        if (outcome->status == wanted->status && same_event) continue;
        finding(FOUND_WRONG, "step %u (kind %u) operation %u (kind %u): %s event %llu, not %s %llu",
                at, step->kind, i, step->ops[i].kind, lnkeep_status_name(outcome->status),
                (unsigned long long)outcome->event_sequence, lnkeep_status_name(wanted->status),
                (unsigned long long)wanted->event_sequence);
        return;
    }
}

/*
 * A batch of which some operations were applied and the others refused for want of space: the
 * reserve of a full disk is for what finishes or removes. The host gives the refused ones up.
 */
static int finish_partly(struct session *session, unsigned at, const struct answers *answers) {
    const struct step *step = &session->life->script->steps[at];
    struct model after = session->model;
    struct expect expect[OPS_MAX];
    unsigned left_out = 0;
    for (unsigned i = 0; i < step->ops_len && step->kind == STEP_BATCH; i++) {
        lnkeep_status status = answers->outcomes[i].status;
        if (lnkeep_status_class(status) == LNKEEP_CLASS_RETRY) left_out |= 1u << i;
    }
    if (left_out == 0 || left_out + 1 == 1u << step->ops_len) return 0;
    model_apply(&after, step, left_out, expect);
    if (!fits(step, expect, answers, left_out)) return 0;
    session->life->ledger->entries[at].left_out = left_out;
    return finish_step(session, at, &after, answers) == LIFE_ENDED;
}

/* What the header tells a host to do. Answers 1 to repeat, 0 to stop. */
static int go_on_after(struct session *session, lnkeep_status worst) {
    if (session->life->policy == POLICY_STOP) return 0;
    lnkeep_class class = lnkeep_status_class(worst);
    if (class == LNKEEP_CLASS_RETRY && session->store.bits != 0) return 1;
    return reopen_for_repeat(session);
}

int session_step(struct session *session, unsigned at) {
    const struct life *life = session->life;
    const struct step *step = &life->script->steps[at];
    struct entry *entry = &life->ledger->entries[at];
    struct branches branches;
    struct answers answers;
    int doubt = entry->state == ENTRY_STARTED;
    if (!step_is_possible(&session->model, step)) {
        entry->state = ENTRY_LEFT_OUT;
        return LIFE_ENDED;
    }
    branch(session, step, &branches);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        entry->state = life->control == CONTROL_EARLY ? ENTRY_ANSWERED : ENTRY_STARTED;
        call(session, step, at, &answers);
        count_grants(session, step, &answers);
        if (fits(step, branches.expect_fresh, &answers, 0)) {
            return finish_step(session, at, &branches.fresh, &answers);
        }
        if (doubt && fits(step, branches.expect_applied, &answers, 0)) {
            return finish_step(session, at, &branches.fresh, &answers);
        }
        if (!doubt && life->policy != POLICY_NONE && finish_partly(session, at, &answers)) {
            return LIFE_ENDED;
        }
        lnkeep_status worst = worst_of(step, &answers);
        lnkeep_class class = lnkeep_status_class(worst);
        int refused = class <= LNKEEP_CLASS_REFUSED && step->kind != STEP_REOPEN;
        if (life->policy == POLICY_NONE || refused) {
            report_misfit(at, step, &branches, &answers);
            return LIFE_STOPPED;
        }
        life->ledger->status_seen = worst;
        life->ledger->internals += worst == LNKEEP_INTERNAL;
        doubt |= class == LNKEEP_CLASS_UNKNOWN && life->control != CONTROL_UNKNOWN;
        if (!doubt) entry->state = ENTRY_REFUSED;
        if (life->control == CONTROL_UNKNOWN || !go_on_after(session, worst)) return LIFE_STOPPED;
    }
    return doubt || session->store.bits == 0 ? LIFE_STOPPED : LIFE_ENDED;
}

struct life life_new(const struct script *script, enum policy policy, enum control control) {
    static struct ledger *ledger;
    static pid_t owner;
    struct life life = {.script = script, .policy = policy, .control = control};
    if (owner != getpid()) ledger = shared_memory(sizeof *ledger);
    owner = getpid();
    memset((void *)ledger, 0, sizeof *ledger);
    life.ledger = ledger;
    scratch_path(life.directory, sizeof life.directory, "store");
    remove_tree(life.directory);
    return life;
}

int life_run(void *context) {
    const struct life *life = context;
    static struct session session;
    unsigned at = session_replay(&session, life);
    life->ledger->lives++;
    lnkeep_status status = session_open(&session, 0);
    if (status != LNKEEP_DONE) {
        life->ledger->status_seen = status;
        if (life->policy == POLICY_NONE) {
            finding(FOUND_REOPEN, "open answered %s", lnkeep_status_name(status));
            return LIFE_STOPPED;
        }
        if (life->policy == POLICY_STOP || !reopen_for_repeat(&session)) return LIFE_STOPPED;
    }
    for (; at < life->script->steps_len; at++) {
        if (session_step(&session, at) != LIFE_ENDED) return LIFE_STOPPED;
    }
    session_close(&session);
    return LIFE_ENDED;
}

/* How a host goes through its script: what it concludes from answers, and when it repeats. */

#define _GNU_SOURCE
#include "life.h"

#include "common.h"
#include "words.h"

#include <string.h>
#include <unistd.h>

enum { TRIES_MAX = 4, POISONED_ID = 5001 /* of no slot, nor of a fresh id of a check */ };

void ledger_note(struct ledger *ledger, lnkeep_status status) {
    ledger->internals += status == LNKEEP_INTERNAL;
}

static void note_allocation(struct session *session, const struct step *step, uint64_t value) {
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        if (step->ops[i].kind == OP_ALLOCATE) session->model.allocated[step->ops[i].slot] = value;
    }
}

/* What a try made that nobody was answered for. */
static void apply_cut_off(struct session *session, const struct step *step, unsigned made) {
    if (step_is_commit(step)) model_commit_in_part(&session->model, step, made);
    else model_resume(&session->model, step, made, NULL);
}

unsigned session_replay(struct session *session, const struct life *life) {
    struct expect expect[OPS_MAX];
    memset(session, 0, sizeof *session);
    session->life = life;
    for (unsigned at = 0; at < life->script->steps_len; at++) {
        const struct step *step = &life->script->steps[at];
        const struct entry *entry = &life->ledger->entries[at];
        for (unsigned i = 0; i < entry->cut_offs; i++) {
            monitors_enter(&session->model.monitors, entry->cut_off_sessions[i]);
            apply_cut_off(session, step, entry->cut_off[i]);
        }
        if (entry->state == ENTRY_FRESH) return at;
        if (entry->state != ENTRY_STARTED && entry->state != ENTRY_ANSWERED) continue;
        monitors_enter(&session->model.monitors, entry->session);
        if (entry->state == ENTRY_STARTED) return at;
        for (unsigned time = 0; time <= entry->applied_before; time++) {
            model_apply(&session->model, step, entry->left_out, expect);
            note_allocation(session, step, entry->allocated);
        }
    }
    return life->script->steps_len;
}

/* A store that was restored is an older one: nobody promised its peers anything. */
static lnkeep_status open_peers(struct session *session) {
    if (session->report.flags & LNKEEP_REPORT_RESTORED) return LNKEEP_DONE;
    lnkeep_status status = provider_open(session);
    return status == LNKEEP_DONE ? consumer_open(session) : status;
}

static lnkeep_status open_components(struct session *session) {
    lnkeep_bytes keep = {(const uint8_t *)"keep", 4}, work = {(const uint8_t *)"work", 4};
    lnkeep_events kept;
    lnkeep_status status = lnkeep_attempts_open(session->store, NULL, &session->attempts, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_payments_open(session->store, NULL, &session->payments, NULL);
    }
    /* This cursor never acknowledges, so that every event stays to be compared. */
    if (status == LNKEEP_DONE) status = lnkeep_events_open(session->store, keep, 0, &kept, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_events_close(&kept, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_events_open(session->store, work, 0, &session->work, NULL);
    }
    if (status == LNKEEP_DONE) status = session_open_monitors(session);
    if (status == LNKEEP_DONE) status = session_open_resources(session);
    if (status == LNKEEP_DONE) status = open_peers(session);
    return status;
}

lnkeep_status session_open(struct session *session, uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = flags | LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = EVENT_KINDS_ALL;
    session->report = (lnkeep_store_report)LNKEEP_STORE_REPORT_INIT;
    session->event_taken = 0;
    session->is_poisoned = 0;
    memset(&session->provider, 0, sizeof session->provider);
    memset(&session->consumer, 0, sizeof session->consumer);
    lnkeep_status status = lnkeep_store_open(session->life->directory, &options, &session->store,
                                             &session->report, NULL);
    ledger_note(session->life->ledger, status);
    if (status != LNKEEP_DONE) return status;
    status = open_components(session);
    ledger_note(session->life->ledger, status);
    if (status != LNKEEP_DONE) session_close(session);
    return status;
}

void session_close(struct session *session) {
    session_close_resources(session);
    session_close_monitors(session);
    if (session->attempts.bits != 0 && lnkeep_attempts_close(&session->attempts, NULL) < 0) {
        finding(FOUND_STATUS, "closing attempts was refused");
    }
    if (session->payments.bits != 0 && lnkeep_payments_close(&session->payments, NULL) < 0) {
        finding(FOUND_STATUS, "closing payments was refused");
    }
    if (session->work.bits != 0 && lnkeep_events_close(&session->work, NULL) < 0) {
        finding(FOUND_STATUS, "closing events was refused");
    }
    lnkeep_status status = lnkeep_store_close(&session->store, NULL);
    ledger_note(session->life->ledger, status);
    if (session->is_poisoned && status != LNKEEP_POISONED) {
        finding(FOUND_STATUS, "the close of a poisoned store answered %s",
                lnkeep_status_name(status));
    }
    /* What peers are to be kept and still waits may find no space any more. */
    int may_fail = status == LNKEEP_POISONED || lnkeep_status_class(status) == LNKEEP_CLASS_RETRY;
    if (status != LNKEEP_DONE && !(may_fail && session->life->policy != POLICY_NONE)) {
        finding(FOUND_STATUS, "close answered %s", lnkeep_status_name(status));
    }
    if (status == LNKEEP_DONE) provider_is_flushed(session);
    if (session->provider.storage.bits != 0) {
        status = lnkeep_peer_storage_close(&session->provider.storage, NULL);
        ledger_note(session->life->ledger, status);
        if (status == LNKEEP_BAD_HANDLE) finding(FOUND_STATUS, "closing peer storage was refused");
    }
    if (session->consumer.backup.bits != 0) {
        status = lnkeep_backup_close(&session->consumer.backup, NULL);
        ledger_note(session->life->ledger, status);
        if (status == LNKEEP_BAD_HANDLE) finding(FOUND_STATUS, "closing the backup was refused");
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
        int is_conflict = (outcome->flags & LNKEEP_OUTCOME_CONFLICT) != 0;
        if (is_conflict != expect[i].is_conflict) return 0;
    }
    return 1;
}

/* A permission to dispatch: each slot may get one, and no hash that was paid. */
static void count_grant(struct ledger *ledger, const struct op *op) {
    int is_part = op->kind == OP_REGISTER && part_is_tracked(op->seed);
    if ((op->kind == OP_INIT || is_part) && ++ledger->grants[op->slot] == 2) {
        finding(FOUND_GRANTED_TWICE, "slot %u was granted twice", op->slot);
    }
    if (op->kind == OP_PAYMENT_INIT && ledger->is_paid[op->payment]) {
        finding(FOUND_PAID_TWICE, "payment %u was paid and may be paid again", op->payment);
    }
}

/* Whatever was answered counts, also when it is judged wrong below. */
static void count_grants(struct session *session, const struct step *step,
                         const struct answers *answers) {
    struct ledger *ledger = session->life->ledger;
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        const struct op *op = &step->ops[i];
        if (answers->outcomes[i].status < 0) continue;
        if (answers->outcomes[i].status == LNKEEP_DONE) count_grant(ledger, op);
        if (op->kind == OP_PART_SETTLE) ledger->is_paid[op->payment] = 1;
        if (op->kind == OP_PAYMENT_FORGET || op->kind == OP_DROP_TOMBSTONE) {
            ledger->is_paid[op->payment] = 0;
        }
    }
}

/* A change answers the payment as it is after it, from the same transaction. */
static void check_view(struct session *session, const struct step *step,
                       struct answers *answers) {
    static struct model seen;
    const struct op *op = &step->ops[0];
    char why[300];
    if (step->kind != STEP_SINGLE || !op_is_payment(op)) return;
    int has_none = op->kind >= OP_PAYMENT_DELETE || answers->outcomes[0].status < 0;
    if (has_none != (answers->view == NULL)) {
        finding(FOUND_WRONG, "operation %u on a payment, view %p", op->kind,
                (void *)answers->view);
    }
    if (!answers->view) return;
    memset(&seen, 0, sizeof seen);
    unsigned payment = read_payment(session, answers->view, &seen);
    if (payment != op->payment) {
        finding(FOUND_WRONG, "a view of payment %u, not %u", payment, op->payment);
    } else if (model_payment_differs(&session->model, &seen, payment, why, sizeof why)) {
        finding(FOUND_WRONG, "a view: %s", why);
    }
    lnkeep_payment_free(answers->view);
    answers->view = NULL;
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
                       struct answers *answers) {
    const struct step *step = &session->life->script->steps[at];
    struct entry *entry = &session->life->ledger->entries[at];
    int is_allocation = step->kind == STEP_SINGLE && step->ops[0].kind == OP_ALLOCATE;
    session->model = *after;
    check_view(session, step, answers);
    entry->allocated = is_allocation ? answers->outcomes[0].value : 0;
    note_allocation(session, step, entry->allocated);
    for (unsigned slot = CHOSEN_SLOTS; entry->allocated != 0 && slot < PARTS_FROM; slot++) {
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

/* One history of a step: what the call answers, and what comes of it. */
struct branch {
    struct model after;
    struct expect expect[OPS_MAX];
};

/* The step is carried out once more after it was some times: 0 for the first. */
static void branch_after(const struct session *session, const struct step *step, unsigned times,
                         unsigned left_out, struct branch *branch) {
    branch->after = session->model;
    for (unsigned time = 0; time <= times; time++) {
        model_apply(&branch->after, step, left_out, branch->expect);
        for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
            /* Any number: an allocation that was made answers ALREADY, whichever id it gave. */
            const struct op *op = &step->ops[i];
            if (op->kind == OP_ALLOCATE) branch->after.allocated[op->slot] = 1;
        }
    }
}

static void report_misfit(unsigned at, const struct step *step, const struct branch *first,
                          const struct answers *answers) {
    for (unsigned i = 0; i < step_outcomes(step); i++) {
        const lnkeep_outcome *outcome = &answers->outcomes[i];
        const struct expect *wanted = &first->expect[i];
        int same_event = outcome->event_sequence == wanted->event_sequence;
        if (outcome->status == wanted->status && same_event) continue;
        finding(FOUND_WRONG, "step %u (kind %u) operation %u (kind %u): %s event %llu, not %s %llu",
                at, step->kind, i, step->ops[i].kind, lnkeep_status_name(outcome->status),
                (unsigned long long)outcome->event_sequence, lnkeep_status_name(wanted->status),
                (unsigned long long)wanted->event_sequence);
        return;
    }
}

static int may_be_partly(const struct step *step) {
    return step->kind == STEP_BATCH || step->kind == STEP_QUEUE;
}

/*
 * A batch of which some operations were applied and the others refused for want of space: the
 * reserve of a full disk is for what finishes or removes. The host gives the refused ones up.
 */
static int finish_partly(struct session *session, unsigned at, struct answers *answers) {
    const struct step *step = &session->life->script->steps[at];
    struct model after = session->model;
    struct expect expect[OPS_MAX];
    unsigned left_out = 0;
    for (unsigned i = 0; i < step->ops_len && may_be_partly(step); i++) {
        lnkeep_status status = answers->outcomes[i].status;
        if (lnkeep_status_class(status) == LNKEEP_CLASS_RETRY) left_out |= 1u << i;
    }
    if (left_out == 0 || left_out + 1 == 1u << step->ops_len) return 0;
    model_apply(&after, step, left_out, expect);
    if (!fits(step, expect, answers, left_out)) return 0;
    session->life->ledger->entries[at].left_out = left_out;
    return finish_step(session, at, &after, answers) == LIFE_ENDED;
}

/*
 * A commit has failed: on this handle nothing more may be granted, nor read, before it is closed. An UNKNOWN
 * of a commit says so, whichever component made it; a POISONED may be of a component alone, after a bug.
 */
static void ask_poisoned(struct session *session, lnkeep_status worst) {
    lnkeep_attempt_request request = {.key.id = POISONED_ID};
    lnkeep_attempt *attempt = NULL;
    struct ledger *ledger = session->life->ledger;
    int is_poisoned = worst == LNKEEP_UNKNOWN || (worst == LNKEEP_POISONED && !ledger->internals);
    if (!is_poisoned || session->store.bits == 0) return;
    /* Control: as if the store went on after what failed. */
    if (session->life->control == CONTROL_HEALS) {
        session_close(session);
        if (session_open(session, 0) != LNKEEP_DONE) return;
    }
    session->is_poisoned = session->life->control != CONTROL_HEALS;
    ledger->asked_poisoned++;
    lnkeep_status status = lnkeep_attempts_init(session->attempts, &request, NULL, NULL);
    ledger_note(ledger, status);
    if (status != LNKEEP_POISONED) {
        finding(FOUND_STATUS, "after %s an init answered %s", lnkeep_status_name(worst),
                lnkeep_status_name(status));
    }
    status = lnkeep_attempts_get(session->attempts, &request.key, &attempt, NULL);
    lnkeep_attempt_free(attempt);
    ledger_note(ledger, status);
    if (status != LNKEEP_POISONED) {
        finding(FOUND_STATUS, "after %s a read answered %s", lnkeep_status_name(worst),
                lnkeep_status_name(status));
    }
}

/* What the header tells a host to do. Answers 1 to repeat, 0 to stop. */
static int go_on_after(struct session *session, const struct step *step, lnkeep_status worst) {
    if (session->life->policy == POLICY_STOP) return 0;
    int may_repeat = lnkeep_status_class(worst) == LNKEEP_CLASS_RETRY ||
                     worst == LNKEEP_NOT_DURABLE;
    /* Of two commits at once one may have been made, which an open tells. */
    if (may_repeat && session->store.bits != 0 && step->kind != STEP_RACE) return 1;
    return reopen_for_repeat(session);
}

/* What the host of this control cannot do apart, or what its records do not protect it from. */
static int is_beyond_control(const struct life *life, const struct step *step) {
    int is_beyond = step->kind == STEP_RESUME || step->kind == STEP_CLEAN;
    for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
        const struct op *op = &step->ops[i];
        is_beyond |= op_is_payment(op) && step->kind != STEP_SINGLE;
        is_beyond |= op->kind == OP_DELETE && op->slot >= PARTS_FROM;
    }
    return life->control == CONTROL_APART && is_beyond;
}

/* Answers whether the step is finished: by an answer that the model has, after any of its tries. */
static int is_settled(struct session *session, unsigned at, struct answers *answers, int doubt) {
    static struct branch branch;
    const struct life *life = session->life;
    const struct step *step = &life->script->steps[at];
    struct entry *entry = &life->ledger->entries[at];
    unsigned earlier = doubt && entry->tries > 1 ? entry->tries - 1 : 0;
    for (unsigned times = 0; times <= earlier; times++) {
        branch_after(session, step, times, answers->left_out, &branch);
        if (!fits(step, branch.expect, answers, 0)) continue;
        entry->applied_before = times;
        entry->left_out = answers->left_out;
        return finish_step(session, at, &branch.after, answers) == LIFE_ENDED;
    }
    return !doubt && life->policy != POLICY_NONE && finish_partly(session, at, answers);
}

/* Whatever such a step answers, the commits before may have been made. */
static int has_commits(const struct step *step) {
    return step->kind == STEP_RESUME || step->kind == STEP_RACE;
}

static void begin_try(const struct session *session, struct entry *entry) {
    entry->session = session->number;
    entry->made = entry->unmade = 0;
    entry->state =
        session->life->control == CONTROL_EARLY ? ENTRY_ANSWERED : ENTRY_STARTED;
    entry->tries++;
}

/* What the store tells of a step in doubt. Answers whether nothing is left to do. */
static int find_out(struct session *session, unsigned at) {
    const struct step *step = &session->life->script->steps[at];
    if (step->kind == STEP_RESUME) session_find_cut_off(session, at);
    else if (step_is_commit(step)) session_find_commit(session, at);
    return session->life->ledger->entries[at].state == ENTRY_MADE;
}

/* Repeats what has to be repeated. Answers LIFE_STOPPED when the host cannot or may not go on. */
static int try_step(struct session *session, unsigned at, int doubt) {
    static struct branch first;
    static struct answers answers;
    const struct life *life = session->life;
    const struct step *step = &life->script->steps[at];
    struct entry *entry = &life->ledger->entries[at];
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        monitors_enter(&session->model.monitors, session->number);
        branch_after(session, step, 0, 0, &first);
        begin_try(session, entry);
        session_call(session, step, at, first.expect, &answers);
        count_grants(session, step, &answers);
        if (is_settled(session, at, &answers, doubt)) return LIFE_ENDED;
        lnkeep_payment_free(answers.view);
        lnkeep_status worst = worst_of(step, &answers);
        lnkeep_class class = lnkeep_status_class(worst);
        int refused = class <= LNKEEP_CLASS_REFUSED && step->kind != STEP_REOPEN;
        if (life->policy == POLICY_NONE || refused) {
            report_misfit(at, step, &first, &answers);
            return LIFE_STOPPED;
        }
        life->ledger->status_seen = worst;
        for (unsigned i = 0; i < step_outcomes(step); i++) {
            ledger_note(life->ledger, answers.outcomes[i].status);
        }
        ask_poisoned(session, worst);
        doubt |= has_commits(step) || class == LNKEEP_CLASS_UNKNOWN;
        doubt &= life->control != CONTROL_UNKNOWN;
        /* What was definitely not applied is not counted among the tries that may have been. */
        if (class != LNKEEP_CLASS_UNKNOWN && !has_commits(step)) entry->tries--;
        if (!doubt) entry->state = ENTRY_REFUSED;
        if (life->control == CONTROL_UNKNOWN || !go_on_after(session, step, worst)) {
            return LIFE_STOPPED;
        }
        if (doubt && find_out(session, at)) return LIFE_ENDED;
    }
    return doubt || session->store.bits == 0 ? LIFE_STOPPED : LIFE_ENDED;
}

int session_step(struct session *session, unsigned at) {
    const struct step *step = &session->life->script->steps[at];
    struct entry *entry = &session->life->ledger->entries[at];
    int doubt = entry->state == ENTRY_STARTED;
    if (!step_is_possible(&session->model, step) || is_beyond_control(session->life, step)) {
        entry->state = ENTRY_LEFT_OUT;
        return LIFE_ENDED;
    }
    if (doubt && find_out(session, at)) return LIFE_ENDED;
    return try_step(session, at, doubt);
}

void session_perform(struct session *session, const struct step *step) {
    static struct branch first;
    static struct answers answers;
    monitors_enter(&session->model.monitors, session->number);
    branch_after(session, step, 0, 0, &first);
    session_call(session, step, STEPS_MAX, first.expect, &answers);
    count_grants(session, step, &answers);
    if (!fits(step, first.expect, &answers, 0)) {
        report_misfit(STEPS_MAX, step, &first, &answers);
    }
    session->model = first.after;
    check_view(session, step, &answers);
}

struct life life_new(const struct script *script, enum policy policy, enum control control) {
    static struct ledger *ledger;
    static pid_t owner;
    struct life life = {.script = script, .policy = policy, .control = control};
    if (owner != getpid()) ledger = shared_memory(sizeof *ledger);
    owner = getpid();
    memset((void *)ledger, 0, sizeof *ledger);
    life.ledger = ledger;
    provider_begin(&ledger->provider);
    consumer_begin(&ledger->consumer);
    scratch_path(life.directory, sizeof life.directory, "store");
    remove_tree(life.directory);
    return life;
}

int life_run(void *context) {
    const struct life *life = context;
    static struct session session;
    unsigned at = session_replay(&session, life);
    life->ledger->lives++;
    if (life->control == CONTROL_OLDER && at == 0) life_drop_copy(life);
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
        int is_kept = life->control == CONTROL_OLDER && at == life->script->steps_len / 2;
        if (is_kept) life_keep_copy(life);
        if (session_step(&session, at) != LIFE_ENDED) return LIFE_STOPPED;
    }
    session_close(&session);
    return LIFE_ENDED;
}

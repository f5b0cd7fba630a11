/* A host's calls on its resources, each noted before it is made, and its answer after. */

#include "life.h"

#include "common.h"

#include <stdatomic.h>
#include <string.h>

/* A kill falls between any two instructions: what is noted first has to be there first. */
static void in_order(void) { atomic_signal_fence(memory_order_seq_cst); }

static struct resources_call *begin_call(struct session *session, struct resources_call call) {
    struct resources_log *log = &session->life->ledger->resources;
    if (log->len == RESOURCES_CALLS_MAX) give_up("too many calls of resources");
    struct resources_call *noted = &log->calls[log->len];
    *noted = call;
    in_order();
    log->len++;
    in_order();
    return noted;
}

/* What a durable answer promises stays durable whatever comes. */
static int is_durable_call(const struct session *session, const struct resources_call *call) {
    int is_asked = (call->seed & SEED_DURABLE) != 0 || session->life->control == CONTROL_MEMORY;
    int may_choose = call->kind == RESOURCES_ADD || call->kind == RESOURCES_ADD_SEVERAL ||
                     call->kind == RESOURCES_RESOLVE;
    return may_choose ? is_asked && !(call->seed & SEED_DRY_RUN) : 1;
}

static void end_call(struct session *session, struct resources_call *noted,
                     const struct resources_call *made) {
    struct htlc_set pending;
    lnkeep_class class = lnkeep_status_class(made->status);
    ledger_note(session->life->ledger, made->status);
    noted->status = made->status;
    noted->answer = made->answer;
    if (made->kind != RESOURCES_RECONCILE) {
        noted->live = made->live;
        noted->accountable = made->accountable;
    }
    noted->digest = resources_digest(session->resources, &pending);
    noted->is_durable = class <= LNKEEP_CLASS_ALREADY && is_durable_call(session, noted);
    if (noted->digest == 0 && session->life->policy == POLICY_NONE) {
        finding(FOUND_STATUS, "resources cannot be read");
    }
    in_order();
    noted->is_answered = 1;
}

/* HTLCs that the node forwarded, and that are not over as its channels know. */
static void list_live(const struct session *session, struct resources_call *call) {
    const struct resources_log *log = &session->life->ledger->resources;
    for (unsigned i = 0; i < log->len; i++) {
        const struct resources_call *before = &log->calls[i];
        int is_add = before->kind == RESOURCES_ADD || before->kind == RESOURCES_ADD_SEVERAL;
        if (before->kind == RESOURCES_RESOLVE) htlc_put(&call->live, before->htlc, 0);
        if (!is_add || !before->is_answered || !htlc_is_in(&before->live, before->htlc)) continue;
        htlc_put(&call->live, before->htlc, 1);
        htlc_put(&call->accountable, before->htlc,
                 htlc_is_in(&before->accountable, before->htlc));
    }
}

static lnkeep_status make_call(struct session *session, struct resources_call call) {
    /* Control: it does not wait for the disk, and says that it did. */
    int is_waiting = call.seed & SEED_DURABLE && session->life->control != CONTROL_MEMORY;
    uint32_t flags = is_waiting ? LNKEEP_RESOURCES_DURABLE : 0;
    call.is_made = 1;
    struct resources_call *noted = begin_call(session, call);
    resources_make(session->store, session->resources, &call, flags);
    if (call.kind == RESOURCES_SYNC) provider_is_synced(session, call.status);
    end_call(session, noted, &call);
    return call.status;
}

static lnkeep_status make_several(struct session *session, struct resources_call call) {
    struct resources_call calls[SEVERAL], *noted[SEVERAL];
    lnkeep_status worst = LNKEEP_DONE;
    call.seed &= SEED_DURABLE | SEED_OTHER;
    call.is_made = 1;
    for (int i = 0; i < SEVERAL; i++) {
        calls[i] = call;
        calls[i].htlc = (uint16_t)((call.htlc + i * 5) % FORWARDS);
        noted[i] = begin_call(session, calls[i]);
    }
    int is_waiting = call.seed & SEED_DURABLE && session->life->control != CONTROL_MEMORY;
    resources_make_several(session->resources, calls, is_waiting ? LNKEEP_RESOURCES_DURABLE : 0);
    for (int i = 0; i < SEVERAL; i++) {
        end_call(session, noted[i], &calls[i]);
        /* Nobody looked between them. */
        if (i + 1 < SEVERAL) noted[i]->digest = 0;
        lnkeep_class class = lnkeep_status_class(calls[i].status);
        if (class > LNKEEP_CLASS_REFUSED) worst = calls[i].status;
    }
    return worst;
}

/* After every open, before anything is forwarded. */
static lnkeep_status reconcile(struct session *session, unsigned at) {
    struct resources_call call = {.kind = RESOURCES_RECONCILE, .step = (uint16_t)at};
    list_live(session, &call);
    lnkeep_status status = make_call(session, call);
    session->is_reconciled = status == LNKEEP_DONE;
    return status;
}

lnkeep_status session_call_resources(struct session *session, const struct step *step,
                                     unsigned at) {
    lnkeep_status status = session->is_reconciled ? LNKEEP_DONE : reconcile(session, at);
    for (unsigned i = 0; i < step->ops_len && status == LNKEEP_DONE; i++) {
        const struct op *op = &step->ops[i];
        struct resources_call call = {.kind = op->kind,
                                      .seed = op->seed,
                                      .channel = op->payment,
                                      .htlc = op->slot,
                                      .step = (uint16_t)at};
        status = op->kind == RESOURCES_ADD_SEVERAL ? make_several(session, call)
                                                   : make_call(session, call);
        /* Whether an answer is the right one is judged after the last life. */
        if (lnkeep_status_class(status) <= LNKEEP_CLASS_REFUSED) status = LNKEEP_DONE;
    }
    return status;
}

lnkeep_status session_open_resources(struct session *session) {
    lnkeep_resources_options options = resources_options(session->life->script->is_compat);
    lnkeep_resources_report report = LNKEEP_RESOURCES_REPORT_INIT;
    struct resources_call call = {.kind = RESOURCES_OPEN, .is_made = 1};
    session->is_reconciled = 0;
    /* A store that was restored is an older one, and no opening of this node's. */
    if (session->report.flags & LNKEEP_REPORT_RESTORED) return LNKEEP_DONE;
    lnkeep_status status =
        lnkeep_resources_open(session->store, &options, &session->resources, &report, NULL);
    if (status != LNKEEP_DONE) return status;
    if (report.damaged || report.flags) {
        finding(FOUND_LOST, "resources opened with %llu damaged rows, flags %u",
                (unsigned long long)report.damaged, report.flags);
    }
    uint64_t digest = resources_digest(session->resources, &call.live);
    if (digest == 0) return LNKEEP_POISONED;
    call.digest = digest;
    call.is_answered = 1;
    begin_call(session, call);
    return LNKEEP_DONE;
}

void session_close_resources(struct session *session) {
    if (session->resources.bits == 0) return;
    struct resources_call call = {.kind = RESOURCES_CLOSE, .is_made = 1};
    struct resources_call *noted = begin_call(session, call);
    noted->status = lnkeep_resources_close(&session->resources, NULL);
    in_order();
    noted->is_answered = 1;
    ledger_note(session->life->ledger, noted->status);
    if (noted->status != LNKEEP_DONE && session->life->policy == POLICY_NONE) {
        finding(FOUND_STATUS, "closing resources: %s", lnkeep_status_name(noted->status));
    }
}

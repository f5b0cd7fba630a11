/*
 * Judges the log of all calls on resources by a second store, which makes the same calls and is
 * never disturbed. What an opening found has to be the state after a call: after the last one where
 * the store was closed, else after no earlier one than the last that was durable.
 */

#include "common.h"
#include "life.h"

#include <string.h>

struct kept_call {
    unsigned at; /* in the log */
    uint64_t digest;
    struct htlc_set pending;
};

struct judge {
    const struct life *life;
    const struct resources_log *log;
    char directory[4096];
    lnkeep_store store;
    lnkeep_resources resources;
    /* Calls whose changes are there, in their order; openings among them. */
    unsigned kept_len, durable_len;
    struct kept_call kept[RESOURCES_CALLS_MAX];
    /* A reconcile that a crash cut in two is finished by the next one, which says less. */
    int is_half;
    int is_vague; /* an opening may have come after either of two calls */
};

static void open_reference(struct judge *judge) {
    lnkeep_resources_options options = resources_options(judge->life->script->is_compat);
    lnkeep_status status =
        lnkeep_resources_open(judge->store, &options, &judge->resources, NULL, NULL);
    if (status != LNKEEP_DONE) give_up("the reference of resources");
}

static void close_reference(struct judge *judge) {
    if (lnkeep_resources_close(&judge->resources, NULL) != LNKEEP_DONE) {
        give_up("closing the reference of resources");
    }
}

static void begin_reference(struct judge *judge) {
    remove_tree(judge->directory);
    lnkeep_status status = lnkeep_store_open(judge->directory, NULL, &judge->store, NULL, NULL);
    if (status != LNKEEP_DONE) give_up("the store of the reference");
    open_reference(judge);
}

static void end_reference(struct judge *judge) {
    close_reference(judge);
    if (lnkeep_store_close(&judge->store, NULL) != LNKEEP_DONE) give_up("closing the reference");
    remove_tree(judge->directory);
}

static void note_digest(struct judge *judge, struct kept_call *kept) {
    kept->digest = resources_digest(judge->resources, &kept->pending);
}

/* Makes a call on the reference; an opening closes and opens it. */
static struct resources_call make_again(struct judge *judge, unsigned at) {
    struct resources_call call = judge->log->calls[at];
    struct htlc_set live = call.live, accountable = call.accountable;
    if (call.kind == RESOURCES_OPEN) {
        close_reference(judge);
        open_reference(judge);
        return call;
    }
    if (call.kind != RESOURCES_RECONCILE) {
        memset(&call.live, 0, sizeof call.live);
        memset(&call.accountable, 0, sizeof call.accountable);
    }
    resources_make(judge->store, judge->resources, &call, 0);
    if (call.kind == RESOURCES_RECONCILE) {
        call.live = live;
        call.accountable = accountable;
    }
    return call;
}

static struct resources_call keep(struct judge *judge, unsigned at) {
    struct resources_call made = make_again(judge, at);
    struct kept_call *kept = &judge->kept[judge->kept_len++];
    kept->at = at;
    note_digest(judge, kept);
    return made;
}

/* The state of the reference is that after the first calls, and after no other. */
static void keep_only(struct judge *judge, unsigned len) {
    if (judge->kept_len == len) return;
    end_reference(judge);
    begin_reference(judge);
    judge->kept_len = len;
    for (unsigned i = 0; i < len; i++) make_again(judge, judge->kept[i].at);
}

static uint64_t digest_after(const struct judge *judge, unsigned len) {
    return judge->kept[len - 1].digest;
}

/* A reconcile drops and adds one by one: between what was pending before it and after it. */
static int is_half_reconciled(const struct judge *judge, const struct resources_call *opened) {
    if (judge->kept_len < 2) return 0;
    const struct kept_call *last = &judge->kept[judge->kept_len - 1];
    const struct resources_call *call = &judge->log->calls[last->at];
    const struct htlc_set *before = &judge->kept[judge->kept_len - 2].pending;
    if (call->kind != RESOURCES_RECONCILE || call->is_durable) return 0;
    for (unsigned htlc = 0; htlc < FORWARDS; htlc++) {
        int was = htlc_is_in(before, htlc), wanted = htlc_is_in(&last->pending, htlc);
        int is = htlc_is_in(&opened->live, htlc);
        if (was == wanted && is != was) return 0;
    }
    return 1;
}

static void say_lost(const struct judge *judge, unsigned at, int was_closed) {
    const struct resources_call *opened = &judge->log->calls[at];
    for (unsigned len = judge->durable_len; len > 0; len--) {
        if (digest_after(judge, len) != opened->digest) continue;
        finding(FOUND_LOST, "resources are at call %u of %u, of which %u were durable%s",
                judge->kept[len - 1].at, at, judge->kept[judge->durable_len - 1].at,
                was_closed ? " and all were closed" : "");
        return;
    }
    finding(FOUND_LOST, "resources are after none of their %u calls, of which %u were durable", at,
            judge->kept[judge->durable_len - 1].at);
}

/* Which call the opening came after. Answers 0 when after none. */
static int judge_opening(struct judge *judge, unsigned at, int was_closed) {
    const struct resources_call *opened = &judge->log->calls[at];
    unsigned len = judge->kept_len, least = was_closed ? judge->kept_len : judge->durable_len;
    while (len >= least && digest_after(judge, len) != opened->digest) len--;
    if (len >= least) {
        for (unsigned shorter = len; shorter-- > least && !judge->is_vague;) {
            judge->is_vague = digest_after(judge, shorter) == opened->digest;
        }
        keep_only(judge, len);
    } else if (!was_closed && is_half_reconciled(judge, opened)) {
        judge->is_half = 1;
    } else {
        say_lost(judge, at, was_closed);
        return 0;
    }
    keep(judge, at);
    judge->durable_len = judge->kept_len;
    return 1;
}

/* The same calls get the same answers, and leave the same. */
static int judge_answer(struct judge *judge, unsigned at, const struct resources_call *made) {
    const struct resources_call *given = &judge->log->calls[at];
    int is_finishing = judge->is_half && given->kind == RESOURCES_RECONCILE;
    int is_late = given->status == LNKEEP_NOT_DURABLE;
    uint64_t digest = digest_after(judge, judge->kept_len);
    if (is_finishing) judge->is_half = 0;
    /* Digests do not tell which resolves are remembered: one that failed leaves nothing else. */
    int is_forgotten = judge->is_vague && given->kind == RESOURCES_RESOLVE &&
                       given->status == LNKEEP_UNKNOWN_HTLC && made->status == LNKEEP_ALREADY;
    int is_same = is_late || is_finishing || is_forgotten ||
                  (given->status == made->status && given->answer == made->answer);
    if (is_same && (given->digest == 0 || given->digest == digest)) return 1;
    finding(FOUND_WRONG, "call %u of resources (kind %u, seed %u, HTLC %u, channel %u, step %u): "
            "%s, not %s; %s answer, %s state", at, given->kind, given->seed, given->htlc,
            given->channel, given->step, lnkeep_status_name(given->status),
            lnkeep_status_name(made->status),
            given->answer == made->answer ? "the same" : "another",
            given->digest == digest ? "the same" : "another");
    return 0;
}

/* Definitely not applied, as its class says. */
static int is_refused(const struct resources_call *call) {
    lnkeep_class class = lnkeep_status_class(call->status);
    return call->is_answered && (class == LNKEEP_CLASS_RETRY || class == LNKEEP_CLASS_FATAL);
}

static int judge_call(struct judge *judge, unsigned at) {
    const struct resources_call *call = &judge->log->calls[at];
    if (is_refused(call)) return 1;
    struct resources_call made = keep(judge, at);
    /* Nobody was told: it may be there or not. */
    if (!call->is_answered || !call_holds(call)) return 1;
    if (call->is_durable) judge->durable_len = judge->kept_len;
    return judge_answer(judge, at, &made);
}

void judge_resources(const struct life *life) {
    static struct judge judge;
    int was_closed = 0;
    memset(&judge, 0, sizeof judge);
    judge.life = life;
    judge.log = &life->ledger->resources;
    if (judge.log->len == 0) return;
    scratch_path(judge.directory, sizeof judge.directory, "reference");
    begin_reference(&judge);
    /* Before the first call nothing is there: the reference's own opening. */
    keep(&judge, 0);
    judge.durable_len = 1;
    int goes_on = 1;
    if (judge.log->calls[0].digest != judge.kept[0].digest) {
        finding(FOUND_WRONG, "new resources are not empty");
        goes_on = 0;
    }
    for (unsigned at = 1; at < judge.log->len && goes_on; at++) {
        const struct resources_call *call = &judge.log->calls[at];
        if (call->kind == RESOURCES_OPEN) {
            goes_on = judge_opening(&judge, at, was_closed);
        } else if (call->kind != RESOURCES_CLOSE) {
            goes_on = judge_call(&judge, at);
        }
        was_closed = call->kind == RESOURCES_CLOSE && call->is_answered &&
                     call->status == LNKEEP_DONE;
    }
    end_reference(&judge);
}

void ask_resources_again(struct session *session) {
    struct step step = {.kind = STEP_RESOURCES, .ops_len = OPS_MAX};
    const struct resources_log *log = &session->life->ledger->resources;
    unsigned len = 0;
    /* The newest of what was asked before, and their ends. */
    for (unsigned i = log->len; i-- > 0 && len < OPS_MAX;) {
        const struct resources_call *call = &log->calls[i];
        if (call->kind != RESOURCES_ADD && call->kind != RESOURCES_RESOLVE) continue;
        step.ops[len++] = (struct op){call->kind, call->seed, 0, call->htlc};
    }
    step.ops_len = (uint8_t)len;
    lnkeep_status status = session_call_resources(session, &step, STEPS_MAX + 1);
    if (status != LNKEEP_DONE) {
        finding(FOUND_STATUS, "resources were answered %s", lnkeep_status_name(status));
    }
}

int meddle_with_resources(lnkeep_store store, int is_compat) {
    lnkeep_resources_options options = resources_options(is_compat);
    lnkeep_resources resources;
    struct htlc_set pending;
    if (lnkeep_resources_open(store, &options, &resources, NULL, NULL) != LNKEEP_DONE) return 1;
    resources_digest(resources, &pending);
    for (unsigned htlc = 0; htlc < FORWARDS; htlc++) {
        struct resources_call call = {.kind = RESOURCES_RESOLVE, .htlc = (uint16_t)htlc};
        if (htlc_is_in(&pending, htlc)) resources_make(store, resources, &call, 0);
    }
    return lnkeep_resources_close(&resources, NULL) != LNKEEP_DONE;
}

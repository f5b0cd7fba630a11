/* Commits of monitors that meet others: two at once, and one in a transaction with attempts. */

#include "life.h"

#include "common.h"
#include "words.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct racer {
    struct session *session;
    struct commit_words words;
    uint8_t *manager;
    lnkeep_status status;
};

/* Managers are serialised in the order of their captures; commits meet in any order. */
static lnkeep_status line_up(struct session *session, const struct monitors *monitors,
                             unsigned number, struct racer *racer) {
    racer->session = session;
    lnkeep_status status = commit_prepare(session, monitors, number, 0, &racer->words);
    lnkeep_bytes *manager = &racer->words.commit.manager;
    racer->manager = malloc(manager->len);
    if (!racer->manager) give_up("memory");
    memcpy(racer->manager, manager->ptr, manager->len);
    manager->ptr = racer->manager;
    return status;
}

static void *commit(void *context) {
    struct racer *racer = context;
    racer->status = lnkeep_monitors_commit_captured(racer->session->monitors,
                                                    &racer->words.commit, NULL, NULL);
    return NULL;
}

/* Whoever was answered DONE may let its outputs go, whatever becomes of the other. */
static lnkeep_status judge_race(struct racer *first, struct racer *second, struct entry *entry,
                                unsigned *left_out) {
    int was_late = first->status == LNKEEP_STALE_CAPTURE;
    if (first->status == LNKEEP_DONE) entry->made |= 1;
    if (second->status == LNKEEP_DONE) entry->made |= 2;
    if (was_late || lnkeep_status_class(first->status) == LNKEEP_CLASS_RETRY) entry->unmade |= 1;
    if (lnkeep_status_class(second->status) == LNKEEP_CLASS_RETRY) entry->unmade |= 2;
    *left_out = was_late;
    if (second->status != LNKEEP_DONE) return second->status;
    return was_late ? LNKEEP_DONE : first->status;
}

lnkeep_status session_race(struct session *session, const struct step *step, struct entry *entry,
                           unsigned *left_out) {
    static struct monitors monitors;
    static struct racer first, second;
    struct op spare;
    pthread_t thread;
    monitors = session->model.monitors;
    lnkeep_status status = line_up(session, &monitors, step_manager(step), &first);
    if (status == LNKEEP_DONE && spare_update(&monitors, step->ops[0].seed, &spare)) {
        status = call_monitors_op(session, &monitors, &spare);
        monitors_queue(&monitors, &spare);
    }
    lnkeep_status next = line_up(session, &monitors, step_manager(step) + 1, &second);
    if (status == LNKEEP_DONE) status = next;
    if (status == LNKEEP_DONE) {
        /* A thread that cannot be made is one commit after the other. */
        int is_alone = pthread_create(&thread, NULL, commit, &first) != 0;
        if (is_alone) commit(&first);
        commit(&second);
        if (!is_alone) pthread_join(thread, NULL);
        ledger_note(session->life->ledger, first.status);
        status = judge_race(&first, &second, entry, left_out);
    }
    free(first.manager);
    free(second.manager);
    first.manager = second.manager = NULL;
    return status;
}

void session_group(struct session *session, const struct step *step, struct entry *entry,
                   struct answers *answers) {
    static struct op_words op_words[OPS_MAX];
    static struct commit_words words;
    lnkeep_outcome outcomes[OPS_MAX + 1] = {0};
    lnkeep_op ops[OPS_MAX + 1] = {0};
    unsigned len = step->ops_len;
    for (unsigned i = 0; i < len; i++) {
        ops[i] = op_for_library(&session->model, &step->ops[i], session->attempts.bits,
                                session->payments.bits, &op_words[i]);
    }
    lnkeep_status status = commit_prepare(session, &session->model.monitors, step_manager(step), 0,
                                          &words);
    ops[len].kind = LNKEEP_OP_MONITORS_COMMIT;
    ops[len].component = session->monitors.bits;
    ops[len].body.monitors_commit.commit = &words.commit;
    if (status == LNKEEP_DONE) {
        status = lnkeep_submit(session->store, ops, len + 1, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL);
    } else {
        for (unsigned i = 0; i <= len; i++) outcomes[i].status = status;
    }
    memcpy(answers->outcomes, outcomes, len * sizeof outcomes[0]);
    lnkeep_status committed = outcomes[len].status;
    int is_made = committed == LNKEEP_DONE;
    for (unsigned i = 0; i < len; i++) {
        /* All were made, or none was. */
        if (is_made != (outcomes[i].status >= 0)) {
            finding(FOUND_HALF, "a commit answered %s, and operation %u of its group %s",
                    lnkeep_status_name(committed), i, lnkeep_status_name(outcomes[i].status));
        }
    }
    if (!is_made) {
        /* What the commit met is the answer of all that waited for it. */
        int is_aborted = committed == LNKEEP_ABORTED;
        for (unsigned i = 0; i < len && !is_aborted; i++) answers->outcomes[i].status = committed;
        return;
    }
    entry->made = 1;
    if (outcomes[len].value != session->model.monitors.commit_sequence + 1 &&
        session->life->control != CONTROL_SPLIT) {
        finding(FOUND_WRONG, "a group's commit has number %llu",
                (unsigned long long)outcomes[len].value);
    }
    forget_acknowledged(session);
}

/* After the last life: everything acknowledged is there, and every id is asked for again. */

#include "common.h"
#include "life.h"
#include "words.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TAKEN_MAX = 256, FRESH_ID = 5000, AFTER_ALL_STEPS = STEPS_MAX + 1 };

/* Reads an attempt into what the model knows of one. */
static void read_attempt(struct session *session, unsigned slot, struct record *seen) {
    lnkeep_attempt_key key = slot_key(&session->model, slot);
    lnkeep_attempt_request request = slot_request(&session->model, slot);
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(session->attempts, &key, &attempt, NULL);
    if (status == LNKEEP_DELETED) seen->state = LNKEEP_STATE_DELETED;
    if (status == LNKEEP_DONE) {
        seen->state = (uint8_t)attempt->state;
        seen->flags = (uint8_t)attempt->flags;
        seen->has_request = (attempt->present & LNKEEP_HAS_FINGERPRINT) != 0;
        if (attempt->present & LNKEEP_HAS_RESULT) {
            seen->result_digest = result_digest(&attempt->result);
        }
        int is_apart = session->life->control == CONTROL_APART && slot >= PARTS_FROM;
        if (is_apart && seen->has_request) seen->flags |= LNKEEP_ATTEMPT_OF_PAYMENT;
        const struct part *part = &session->model.parts[slot];
        /* The HTLC of a part carries its fee as well; of a part that is gone nobody knows it. */
        uint64_t amount_msat = request.amount_msat;
        if (part->payment) {
            amount_msat = part_amount_msat(part->payment - 1u, part->seed) +
                          part_fee_msat(slot, part->seed);
        }
        int is_known = slot < PARTS_FROM || part->payment;
        if (seen->has_request && is_known && attempt->amount_msat != amount_msat) {
            finding(FOUND_WRONG, "slot %u: another amount", slot);
        }
    } else if (status != LNKEEP_DELETED && status != LNKEEP_NOT_FOUND) {
        finding(FOUND_LOST, "slot %u: get answered %s", slot, lnkeep_status_name(status));
    }
    lnkeep_attempt_free(attempt);
}

/* All events that the cursor "keep" has pinned: from the first one on, without a hole. */
static void read_events(struct session *session, struct model *seen) {
    lnkeep_event taken[TAKEN_MAX];
    lnkeep_bytes name = {(const uint8_t *)"keep", 4};
    lnkeep_events keep;
    size_t len = 1;
    lnkeep_status status = lnkeep_events_open(session->store, name, 0, &keep, NULL);
    while (status == LNKEEP_DONE && len > 0) {
        status = lnkeep_events_take(keep, taken, TAKEN_MAX, &len, NULL);
        for (size_t i = 0; status == LNKEEP_DONE && i < len; i++) {
            unsigned at = seen->events_len++;
            if (taken[i].sequence != at + 1 || at == EVENTS_MAX) {
                finding(FOUND_EVENT, "event %llu in place %u",
                        (unsigned long long)taken[i].sequence, at + 1);
                return;
            }
            seen->events[at] = read_event(&session->model, &taken[i]);
        }
    }
    if (status == LNKEEP_DONE) status = lnkeep_events_close(&keep, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_EVENT, "reading events: %s", lnkeep_status_name(status));
    }
}

/* Where the cursor "work" goes on: after what it acknowledged. */
static void read_cursor(struct session *session, struct model *seen) {
    lnkeep_bytes name = {(const uint8_t *)"work", 4};
    lnkeep_events work;
    lnkeep_event next;
    size_t len = 0;
    lnkeep_status status = lnkeep_events_open(session->store, name, 0, &work, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_events_take(work, &next, 1, &len, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_events_close(&work, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_EVENT, "reading the cursor: %s", lnkeep_status_name(status));
    }
    seen->cursor_acked = len == 1 ? next.sequence - 1 : seen->events_len;
}

/* The counts that the store keeps have to agree with what it holds. */
static void check_counts(struct session *session, const struct model *seen) {
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    uint64_t states[6] = {0};
    for (unsigned slot = 0; slot < SLOTS; slot++) states[seen->records[slot].state]++;
    lnkeep_status status = lnkeep_attempts_counts(session->attempts, NULL, &counts, NULL);
    if (status != LNKEEP_DONE || counts.intent != states[LNKEEP_STATE_INTENT] ||
        counts.handed_off != states[LNKEEP_STATE_HANDED_OFF] ||
        counts.settled != states[LNKEEP_STATE_SETTLED] ||
        counts.failed != states[LNKEEP_STATE_FAILED] ||
        counts.deleted != states[LNKEEP_STATE_DELETED]) {
        finding(FOUND_WRONG, "the counts do not agree with the records");
    }
}

static int is_allocated(unsigned slot) { return slot >= CHOSEN_SLOTS && slot < PARTS_FROM; }

void session_read(struct session *session, struct model *seen) {
    memset(seen, 0, sizeof *seen);
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (!is_allocated(slot) || session->model.allocated[slot] != 0) {
            read_attempt(session, slot, &seen->records[slot]);
        }
    }
    read_payments(session, seen);
    read_monitors(session, seen);
    read_events(session, seen);
    read_cursor(session, seen);
    check_counts(session, seen);
    check_pairs(seen);
}

void session_find_cut_off(struct session *session, unsigned at) {
    static struct model seen, tried;
    const struct step *step = &session->life->script->steps[at];
    struct entry *entry = &session->life->ledger->entries[at];
    char why[300] = "";
    unsigned commits = 0;
    session_read(session, &seen);
    for (;; commits++) {
        tried = session->model;
        unsigned made = model_resume(&tried, step, commits, NULL);
        if (!model_differs(&tried, &seen, why, sizeof why)) break;
        if (made == commits) continue;
        finding(FOUND_LOST, "step %u, cut off, is at none of its commits: %s", at, why);
        return;
    }
    if (commits == 0) return;
    if (entry->cut_offs == CUT_OFFS_MAX) give_up("a step was cut off too often");
    session->model = tried;
    entry->cut_off[entry->cut_offs] = commits;
    entry->cut_offs++;
    session->life->ledger->cut_offs++;
}

static int is_in_doubt(const struct life *life, unsigned at) {
    return at < life->script->steps_len && life->ledger->entries[at].state == ENTRY_STARTED;
}

/* Either the step in doubt was applied, or it was not: anything else is a loss. */
static void check_prefix(struct session *session, unsigned at) {
    static struct model seen;
    static struct model applied;
    struct expect expect[OPS_MAX];
    const struct life *life = session->life;
    char why[300];
    int doubt = is_in_doubt(life, at);
    if (doubt && life->script->steps[at].kind == STEP_RESUME) {
        session_find_cut_off(session, at);
        return;
    }
    if (doubt && step_is_commit(&life->script->steps[at])) {
        session_find_commit(session, at);
        return;
    }
    session_read(session, &seen);
    if (!model_differs(&session->model, &seen, why, sizeof why)) return;
    applied = session->model;
    for (unsigned tries = doubt ? life->ledger->entries[at].tries : 0; tries > 0; tries--) {
        char other[300];
        model_apply(&applied, &life->script->steps[at], 0, expect);
        if (!model_differs(&applied, &seen, other, sizeof other)) return;
    }
    finding(FOUND_LOST, "after step %u%s: %s", at, doubt ? ", in doubt" : "", why);
}

static void check_id(struct session *session, unsigned slot) {
    lnkeep_attempt_request request = slot_request(&session->model, slot);
    const struct record *record = &session->model.records[slot];
    int known = record->state != 0;
    /* An id that the host promised never to use again would be granted, rightly. */
    if (!known) return;
    lnkeep_status status = lnkeep_attempts_init(session->attempts, &request, NULL, NULL);
    if (status == LNKEEP_ALREADY_EXISTS) return;
    finding(status == LNKEEP_DONE ? FOUND_GRANTED_TWICE : FOUND_WRONG,
            "slot %u, state %u: init answered %s", slot, record->state, lnkeep_status_name(status));
}

static void check_key(struct session *session, unsigned slot) {
    char text[16];
    uint8_t name_space[16] = {[15] = 2};
    uint64_t id = 0, before = is_allocated(slot) ? session->model.allocated[slot] : 0;
    if (before == 0) return;
    lnkeep_bytes key = slot_external_key(slot, text);
    lnkeep_status status =
        lnkeep_attempts_allocate(session->attempts, name_space, key, &id, NULL);
    if (status == LNKEEP_ALREADY && id == before) return;
    finding(FOUND_GRANTED_TWICE, "the key of slot %u: %s, id %llu, not %llu", slot,
            lnkeep_status_name(status), (unsigned long long)id, (unsigned long long)before);
}

static void check_fresh_id(struct session *session) {
    lnkeep_attempt_request request = {.key.id = FRESH_ID};
    lnkeep_status status = lnkeep_attempts_init(session->attempts, &request, NULL, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_STATUS, "a fresh id was answered %s", lnkeep_status_name(status));
    }
}

static void check_report(const struct session *session, unsigned at) {
    uint32_t wrong = LNKEEP_REPORT_COPIED | LNKEEP_REPORT_RESTORED;
    if (at > 0) wrong |= LNKEEP_REPORT_CREATED;
    if (session->report.flags & wrong) {
        finding(FOUND_LOST, "the open reports flags %u", session->report.flags & wrong);
    }
}

static int open_for_check(struct session *session, uint32_t flags) {
    lnkeep_status status = session_open(session, flags);
    if (status == LNKEEP_DONE) return 1;
    finding(FOUND_REOPEN, "the open of the check answered %s", lnkeep_status_name(status));
    return 0;
}

/* The file itself, before anybody opens it and after the last one closed it. */
static void check_file(const struct life *life, unsigned at) {
    lnkeep_check_report *report = NULL;
    char path[4200];
    snprintf(path, sizeof path, "%s/data.mdb", life->directory);
    /* A host that died before its first answer may not have got as far as a store. */
    if (at == 0 && access(path, F_OK) != 0) return;
    lnkeep_status status = lnkeep_check(life->directory, &report, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_WRONG, "the check answered %s", lnkeep_status_name(status));
    } else if (report->findings_len != 0) {
        finding(FOUND_WRONG, "the check found %zu things, first in table '%s': %s",
                report->findings_len, report->findings[0].table, report->findings[0].fault);
    }
    lnkeep_check_report_free(report);
}

static void check_all(struct session *session, const char *when) {
    static struct model seen;
    char why[300];
    session_read(session, &seen);
    if (model_differs(&session->model, &seen, why, sizeof why)) {
        finding(FOUND_LOST, "after %s: %s", when, why);
    }
}

/* What a host does after a restart, and its dispatcher answers anything that it may. */
static void restart_payments(struct session *session, unsigned at) {
    struct step recover = {STEP_RECOVER, 1, {{0, 3, 0, 0}}};
    struct step resume = {STEP_RESUME, 1, {{0, (uint8_t)(at * 7), 0, 0}}};
    session_perform(session, &recover);
    session_perform(session, &resume);
}

void life_judge(const struct life *life) {
    unsigned internals = life->ledger->internals;
    if (internals && !life->may_be_internal) {
        finding(FOUND_STATUS, "lnkeep met a bug of its own: INTERNAL %u times", internals);
    }
}

int life_verify(void *context) {
    struct life life = *(const struct life *)context;
    static struct session session;
    life.policy = POLICY_NONE;
    if (life.control == CONTROL_EARLY || life.control == CONTROL_UNKNOWN ||
        life.control == CONTROL_HEALS) {
        life.control = CONTROL_NONE;
    }
    life_judge(&life);
    unsigned at = session_replay(&session, &life);
    check_file(&life, at);
    if (!open_for_check(&session, LNKEEP_STORE_VERIFY)) return 0;
    check_report(&session, at);
    check_monitors_report(&session, 0);
    check_prefix(&session, at);
    /* The same call again, as after every crash: it changes nothing that was changed before. */
    if (is_in_doubt(&life, at) && session_step(&session, at) == LIFE_ENDED) {
        check_all(&session, "the repeat");
    }
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        check_id(&session, slot);
        check_key(&session, slot);
    }
    if (life.control != CONTROL_APART) {
        ask_payments_again(&session);
        restart_payments(&session, at);
    }
    ask_monitors_again(&session);
    ask_resources_again(&session);
    provider_meet_all(&session, AFTER_ALL_STEPS);
    consumer_meet_all(&session, AFTER_ALL_STEPS);
    session_close(&session);
    if (!open_for_check(&session, 0)) return 0;
    check_monitors_report(&session, 1);
    check_all(&session, "a clean close");
    check_fresh_id(&session);
    session_close(&session);
    check_file(&life, life.script->steps_len);
    judge_resources(&life);
    return 0;
}

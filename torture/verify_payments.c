/* After the last life: what payments say, and whether they may be paid again. */

#include "common.h"
#include "life.h"
#include "words.h"

#include <string.h>

static int is_unfinished(const struct payment *payment) {
    return payment->status == LNKEEP_PAYMENT_STATUS_INITIATED ||
           payment->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
}

/* A list has what was fetched, each payment once, in the order of their initiation. */
static void check_list(struct session *session, const struct model *seen, uint32_t statuses,
                       unsigned wanted) {
    static struct model listed;
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    char why[300];
    uint64_t before = 0;
    query.statuses = statuses;
    memset(&listed, 0, sizeof listed);
    lnkeep_status status = lnkeep_payments_list(session->payments, &query, &page, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_LOST, "list answered %s", lnkeep_status_name(status));
        return;
    }
    for (size_t i = 0; i < page->payments_len; i++) {
        const void *at = (const uint8_t *)page->payments + i * page->stride;
        const lnkeep_payment *view = at;
        unsigned payment = read_payment(session, view, &listed);
        if (view->sequence <= before || payment == PAYMENTS) {
            finding(FOUND_WRONG, "sequence %llu is listed after %llu",
                    (unsigned long long)view->sequence, (unsigned long long)before);
        } else if (model_payment_differs(seen, &listed, payment, why, sizeof why)) {
            finding(FOUND_WRONG, "list: %s", why);
        }
        before = view->sequence;
    }
    if (page->payments_len != wanted || page->unreadable_len != 0 || page->has_more) {
        finding(FOUND_LOST, "%zu payments are listed, %zu of them unreadable, not %u",
                page->payments_len + page->unreadable_len, page->unreadable_len, wanted);
    }
    lnkeep_payment_page_free(page);
}

/* What is counted has to agree with what there is; rows that a sweep removes may be left. */
static void check_counts(struct session *session, const struct model *seen, unsigned payments,
                         unsigned unfinished) {
    lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    uint64_t parts = 0;
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) parts += seen->parts[slot].payment != 0;
    lnkeep_status status = lnkeep_payments_counts(session->payments, &counts, NULL);
    if (status != LNKEEP_DONE || counts.payments != payments || counts.unfinished != unfinished ||
        counts.attempts < parts || (counts.doomed == 0 && counts.attempts != parts)) {
        finding(FOUND_WRONG, "counts: %llu payments, %llu unfinished, %llu attempts, %llu doomed; "
                "not %u, %u, %llu", (unsigned long long)counts.payments,
                (unsigned long long)counts.unfinished, (unsigned long long)counts.attempts,
                (unsigned long long)counts.doomed, payments, unfinished,
                (unsigned long long)parts);
    }
}

void read_payments(struct session *session, struct model *seen) {
    unsigned payments = 0, unfinished = 0;
    for (unsigned payment = 0; payment < PAYMENTS; payment++) {
        uint8_t hash[32];
        lnkeep_payment *view = NULL;
        payment_hash(payment, hash);
        lnkeep_status status = lnkeep_payments_fetch(session->payments, hash, &view, NULL);
        if (status == LNKEEP_DONE) read_payment(session, view, seen);
        else if (status != LNKEEP_PAYMENT_NOT_INITIATED) {
            finding(FOUND_LOST, "payment %u: fetch answered %s", payment,
                    lnkeep_status_name(status));
        }
        lnkeep_payment_free(view);
        payments += seen->payments[payment].status != 0;
        unfinished += is_unfinished(&seen->payments[payment]);
    }
    uint32_t open = 1u << LNKEEP_PAYMENT_STATUS_INITIATED | 1u << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    check_list(session, seen, 0, payments);
    check_list(session, seen, open, unfinished);
    check_counts(session, seen, payments, unfinished);
}

/*
 * Registered together, ended together: what one side says, the other has to. The host acknowledges
 * no part's record itself, so that this holds between any two of its calls.
 */
static int agree(const struct part *part, const struct record *record) {
    int is_acked = (record->flags & LNKEEP_ATTEMPT_ACKED) != 0;
    int is_conflict = (record->flags & LNKEEP_ATTEMPT_CONFLICT) != 0;
    int is_open = part->payment && part->state == LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT;
    /* It may go once its payment took the result, and no sooner. */
    if (record->state == LNKEEP_STATE_DELETED) return !is_open;
    if (!part->payment) {
        /* The payment was deleted, or the part: it had ended, and so has its record. */
        return is_acked || (record->state == LNKEEP_STATE_SETTLED && is_conflict);
    }
    switch (part->state) {
    case LNKEEP_PAYMENT_ATTEMPT_SETTLED: return record->state == LNKEEP_STATE_SETTLED && is_acked;
    case LNKEEP_PAYMENT_ATTEMPT_FAILED:
        /* A later settle takes the acknowledgement back, until the payment has it too. */
        if (record->state == LNKEEP_STATE_SETTLED) return is_conflict && !is_acked;
        return record->state == LNKEEP_STATE_FAILED && is_acked;
    default: return record->state != 0 && !is_acked;
    }
}

void check_pairs(const struct model *seen) {
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        const struct part *part = &seen->parts[slot];
        const struct record *record = &seen->records[slot];
        int is_tracked = part->payment && part_is_tracked(part->seed);
        if (!is_tracked && !(record->flags & LNKEEP_ATTEMPT_OF_PAYMENT)) continue;
        if (part->payment && !is_tracked) {
            finding(FOUND_HALF, "slot %u: a record, and a part registered without one", slot);
        } else if (!agree(part, record)) {
            finding(FOUND_HALF, "slot %u: part of payment %d, state %u; record state %u flags %u",
                    slot, part->payment - 1, part->state, record->state, record->flags);
        }
    }
}

static void ask(struct session *session, struct step *step, struct op op) {
    if (step->ops_len == OPS_MAX) {
        session_perform(session, step);
        step->ops_len = 0;
    }
    step->ops[step->ops_len++] = op;
}

void ask_payments_again(struct session *session) {
    struct step step = {.kind = STEP_BATCH};
    static struct model before;
    before = session->model;
    for (unsigned payment = 0; payment < PAYMENTS; payment++) {
        uint8_t number = (uint8_t)payment, seed = before.payments[payment].seed;
        const struct payment *known = &before.payments[payment];
        if (!known->status && !known->is_tombstone) continue;
        ask(session, &step, (struct op){OP_PAYMENT_INIT, seed, number, 0});
        /* With another key and request too; only what failed may start over. */
        ask(session, &step, (struct op){OP_PAYMENT_INIT, (uint8_t)(seed ^ 3), number, 0});
    }
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        const struct part *part = &before.parts[slot];
        if (!part->payment) continue;
        uint8_t number = (uint8_t)(part->payment - 1);
        ask(session, &step, (struct op){OP_REGISTER, part->seed, number, (uint16_t)slot});
        if (part->state != LNKEEP_PAYMENT_ATTEMPT_SETTLED) continue;
        ask(session, &step, (struct op){OP_PART_SETTLE, 0, number, (uint16_t)slot});
    }
    if (step.ops_len != 0) session_perform(session, &step);
}

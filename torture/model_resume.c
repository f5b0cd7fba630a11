/* What a resume decides, commit by commit: a crash leaves what the first commits made. */

#include "common.h"
#include "words.h"

#include <string.h>

struct resuming {
    struct model *model;
    unsigned seed, commits, commits_max;
    int stopped; /* the next commit is one too many */
};

/* Answers whether another commit may be made, and counts it. */
static int may_commit(struct resuming *r) {
    r->stopped |= r->commits == r->commits_max;
    r->commits += !r->stopped;
    return !r->stopped;
}

/* What was tried becomes so where it is a change and may be made; answers whether it did. */
static int commit(struct resuming *r, const struct model *tried, struct expect expect) {
    if (expect.status != LNKEEP_DONE || !may_commit(r)) return 0;
    *r->model = *tried;
    return 1;
}

static int is_in_flight(const struct model *model, unsigned payment, unsigned slot) {
    const struct part *part = &model->parts[slot];
    return part->payment == payment + 1 && part->state == LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT;
}

/* What is known of a part: its record counts before what the dispatcher says. */
struct known {
    uint32_t answer;
    uint8_t preimage[32];
    lnkeep_payment_failure failure; /* its message lives until the next one is made */
};

static struct known told(const struct resuming *r, unsigned payment, unsigned slot) {
    struct known known = {.answer = resume_answer(r->seed, slot)};
    if (known.answer == 0) known.answer = LNKEEP_ANSWER_PENDING;
    part_preimage(payment, slot, known.preimage);
    known.failure = part_failure(slot, r->seed);
    return known;
}

static struct known known_of(const struct resuming *r, unsigned payment, unsigned slot) {
    struct known known = told(r, payment, slot);
    const struct record *record = &r->model->records[slot];
    if (!(r->model->parts[slot].marks & LNKEEP_PAYMENT_MARK_TRACKED)) return known;
    switch (record->state) {
    case LNKEEP_STATE_SETTLED: known.answer = LNKEEP_ANSWER_SETTLED; break;
    case LNKEEP_STATE_HANDED_OFF:
        if (known.answer != LNKEEP_ANSWER_SETTLED) known.answer = LNKEEP_ANSWER_PENDING;
        break;
    case LNKEEP_STATE_FAILED:
        /* The dispatcher knows more about a failure, and a settle beats it. */
        if (known.answer != LNKEEP_ANSWER_PENDING && known.answer != LNKEEP_ANSWER_UNKNOWN) break;
        known.answer = LNKEEP_ANSWER_FAILED;
        known.failure = (lnkeep_payment_failure){
            .reason = record->flags & LNKEEP_ATTEMPT_ROLLED_BACK
                          ? LNKEEP_ATTEMPT_FAILURE_INTERNAL
                          : LNKEEP_ATTEMPT_FAILURE_MESSAGE,
            .message = seed_message(record->result_seed),
        };
        break;
    default: break;
    }
    return known;
}

static int fail_part(struct resuming *r, unsigned payment, unsigned slot,
                     const lnkeep_payment_failure *failure) {
    struct model tried = *r->model;
    struct expect expect = model_part_fail(&tried, payment, slot, failure, NULL);
    return commit(r, &tried, expect);
}

static void give_payment_up(struct resuming *r, unsigned payment, unsigned reason) {
    struct model tried = *r->model;
    struct expect expect = model_give_up(&tried, payment, reason);
    commit(r, &tried, expect);
}

static void fail_over_closed_channels(struct resuming *r, unsigned payment) {
    uint8_t lost[SLOTS] = {0};
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        if (!is_in_flight(r->model, payment, slot)) continue;
        if (!resume_hop_is_closed(r->seed, slot)) continue;
        uint32_t answer = known_of(r, payment, slot).answer;
        lost[slot] = answer == LNKEEP_ANSWER_UNKNOWN || answer == LNKEEP_ANSWER_PENDING;
    }
    for (unsigned slot = PARTS_FROM; slot < SLOTS && !r->stopped; slot++) {
        lnkeep_payment_failure failure = {.reason = LNKEEP_ATTEMPT_FAILURE_UNKNOWN};
        if (lost[slot]) fail_part(r, payment, slot, &failure);
    }
}

/* Answers whether the part ended. */
static int apply_answer(struct resuming *r, unsigned payment, unsigned slot, struct known known) {
    lnkeep_payment_failure own = {.reason = LNKEEP_ATTEMPT_FAILURE_INTERNAL};
    struct model tried = *r->model;
    struct expect expect;
    switch (known.answer) {
    case LNKEEP_ANSWER_SETTLED:
        expect = model_part_settle(&tried, payment, slot, known.preimage, 0);
        return commit(r, &tried, expect);
    case LNKEEP_ANSWER_FAILED_FINAL:
        give_payment_up(r, payment, LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS);
        if (r->stopped) return 0;
        return fail_part(r, payment, slot, &known.failure);
    case LNKEEP_ANSWER_FAILED: return fail_part(r, payment, slot, &known.failure);
    case LNKEEP_ANSWER_ERROR:
        give_payment_up(r, payment, LNKEEP_PAYMENT_REASON_ERROR);
        if (r->stopped) return 0;
        return fail_part(r, payment, slot, &own);
    default: return fail_part(r, payment, slot, &own);
    }
}

/* Answers whether there was an answer that had not been refused before. */
static int apply_one_answer(struct resuming *r, unsigned payment, uint8_t *refused) {
    for (unsigned slot = PARTS_FROM; slot < SLOTS && !r->stopped; slot++) {
        if (refused[slot] || !is_in_flight(r->model, payment, slot)) continue;
        struct known known = known_of(r, payment, slot);
        if (known.answer == LNKEEP_ANSWER_PENDING) continue;
        refused[slot] = !apply_answer(r, payment, slot, known);
        return 1;
    }
    return 0;
}

static uint8_t finish(struct resuming *r, unsigned payment) {
    if (resume_flags(r->seed) & LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS) return LNKEEP_RESUME_DONE;
    struct model tried = *r->model;
    struct expect expect = model_prune(&tried, payment);
    commit(r, &tried, expect);
    return LNKEEP_RESUME_DONE;
}

/* What remains to be done about a payment that never gets a new part. */
static uint8_t resume_one(struct resuming *r, unsigned payment) {
    const struct payment *known = &r->model->payments[payment];
    uint8_t refused[SLOTS] = {0};
    while (!r->stopped) {
        struct sums sums = payment_sums(r->model, payment);
        int is_going_on = known->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
        int given_up = known->reason && !sums.settled;
        int is_open = known->status == LNKEEP_PAYMENT_STATUS_INITIATED ||
                      (is_going_on && !sums.settled && !given_up);
        if (sums.remaining_msat == 0 && known->status == LNKEEP_PAYMENT_STATUS_INITIATED) {
            return LNKEEP_RESUME_INTERNAL;
        }
        if (sums.remaining_msat != 0 && known->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED) {
            return LNKEEP_RESUME_INTERNAL;
        }
        if (sums.remaining_msat != 0 && is_open) {
            int may_send = (resume_flags(r->seed) & LNKEEP_RESUME_SENDING) != 0 &&
                           init_has_intent(known->seed);
            if (!may_send) give_payment_up(r, payment, LNKEEP_PAYMENT_REASON_NO_ROUTE);
            /* What is known counts first: a part that settled ends the sending. */
            else if (!apply_one_answer(r, payment, refused)) return LNKEEP_RESUME_MAY_SEND;
            continue;
        }
        if (!is_going_on) return finish(r, payment);
        if (!apply_one_answer(r, payment, refused)) return LNKEEP_RESUME_WAITING;
    }
    return 0;
}

/* The unfinished payment with the next sequence number; PAYMENTS when there is none. */
static unsigned oldest_after(const struct model *model, uint64_t sequence) {
    unsigned found = PAYMENTS;
    for (unsigned payment = 0; payment < PAYMENTS; payment++) {
        const struct payment *one = &model->payments[payment];
        int is_unfinished = one->status == LNKEEP_PAYMENT_STATUS_INITIATED ||
                            one->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
        if (!is_unfinished || one->sequence <= sequence) continue;
        if (found == PAYMENTS || one->sequence < model->payments[found].sequence) found = payment;
    }
    return found;
}

unsigned model_resume(struct model *model, const struct step *step, unsigned commits_max,
                      struct resumption *made) {
    struct resuming r = {.model = model, .seed = step->ops[0].seed, .commits_max = commits_max};
    struct resumption ignored;
    uint64_t sequence = 0;
    if (!made) made = &ignored;
    memset(made, 0, sizeof *made);
    for (;;) {
        unsigned payment = oldest_after(model, sequence), at = made->len;
        if (payment == PAYMENTS) break;
        sequence = model->payments[payment].sequence;
        made->payments[at].payment = (uint8_t)payment;
        made->payments[at].sequence = sequence;
        made->len++;
    }
    for (unsigned at = 0; at < made->len && !r.stopped; at++) {
        fail_over_closed_channels(&r, made->payments[at].payment);
    }
    for (unsigned at = 0; at < made->len && !r.stopped; at++) {
        made->payments[at].outcome = resume_one(&r, made->payments[at].payment);
    }
    return r.commits;
}

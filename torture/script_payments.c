/* Makes the part of the workload that is about payments: first a tour, then chance. */

#include "script.h"

#include "common.h"
#include "words.h"

enum {
    TOUR_PAYMENTS = 8,
    TOUR_PARTS = 14,
    RECENT = 5, /* chance mostly goes on with the newest payments */
    NO_SLOT = SLOTS,
};

/* Seeds of registrations: with a record; of which share. */
enum { QUARTER = 1, HALF = 1 + (2 << 3), WHOLE = 1 + (3 << 3), UNTRACKED = 3 << 3 };

#define ATTEMPT(op, seed, slot) {op, seed, 0, slot}
#define PAYMENT(op, seed, payment) {op, seed, payment, 0}
#define PART(op, seed, payment, part) {op, seed, payment, PARTS_FROM + (part)}

static const struct step tour[] = {
    /* In two parts, each with its record: one settles, the other fails. */
    {STEP_SINGLE, 1, {PAYMENT(OP_PAYMENT_INIT, 8, 0)}},
    {STEP_SINGLE, 1, {PART(OP_REGISTER, HALF, 0, 0)}},
    {STEP_SINGLE, 1, {PART(OP_REGISTER, HALF, 0, 1)}},
    {STEP_SINGLE, 1, {PART(OP_REGISTER, QUARTER, 0, 2)}}, /* more than the amount */
    {STEP_BATCH, 2, {PART(OP_MARK, 0, 0, 0), PART(OP_MARK, 0, 0, 1)}},
    {STEP_SINGLE, 1, {PART(OP_SETTLE, 2, 0, 0)}},
    {STEP_SINGLE, 1, {PART(OP_PART_SETTLE, 0, 0, 0)}},
    {STEP_BATCH, 2, {PART(OP_FAIL, 3, 0, 1), PART(OP_PART_FAIL, 3, 0, 1)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_PRUNE, 0, 0)}},
    /* Ended by force, given up, and settled all the same. */
    {STEP_ATOMIC,
     4,
     {PAYMENT(OP_PAYMENT_INIT, 0, 1), PART(OP_REGISTER, WHOLE, 1, 3), ATTEMPT(OP_INIT, 0, 110),
      PART(OP_MARK, 0, 1, 3)}},
    {STEP_SINGLE, 1, {PART(OP_PART_FORCE, 4, 1, 3)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_GIVE_UP, 0, 1)}},
    {STEP_SINGLE, 1, {PART(OP_PART_SETTLE, 0, 1, 3)}},
    /* Forced, sent again, and both settle: more than the amount went out after all. */
    {STEP_BATCH, 2, {PAYMENT(OP_PAYMENT_INIT, 0, 7), PART(OP_REGISTER, WHOLE, 7, 12)}},
    {STEP_SINGLE, 1, {PART(OP_PART_FORCE, 8, 7, 12)}},
    {STEP_ATOMIC, 2, {PART(OP_REGISTER, WHOLE, 7, 13), PART(OP_PART_SETTLE, 0, 7, 13)}},
    {STEP_SINGLE, 1, {PART(OP_PART_SETTLE, 0, 7, 12)}},
    /* Failed, initiated again, paid in one call, deleted, and refused for good. */
    {STEP_BATCH, 2, {PAYMENT(OP_PAYMENT_INIT, 0, 2), PART(OP_REGISTER, UNTRACKED, 2, 4)}},
    {STEP_SINGLE, 1, {PART(OP_PART_FAIL, 5, 2, 4)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_GIVE_UP, 1, 2)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_PAYMENT_INIT, 1, 2)}},
    {STEP_ATOMIC,
     4,
     {PART(OP_REGISTER, WHOLE, 2, 5), PART(OP_MARK, 0, 2, 5), ATTEMPT(OP_MARK, 0, 110),
      PART(OP_PART_SETTLE, 0, 2, 5)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_PAYMENT_DELETE, 0, 2)}},
    {STEP_SINGLE, 1, {PAYMENT(OP_PAYMENT_INIT, 2, 2)}},
    /* All or none: the last one exceeds the amount. */
    {STEP_BATCH, 2, {PAYMENT(OP_PAYMENT_INIT, 32, 3), PAYMENT(OP_PAYMENT_INIT, 0, 4)}},
    {STEP_ATOMIC,
     3,
     {PART(OP_REGISTER, HALF, 3, 6), PART(OP_REGISTER, WHOLE, 4, 7),
      PART(OP_REGISTER, HALF, 4, 8)}},
    {STEP_BATCH, 2, {PART(OP_REGISTER, HALF, 3, 6), PART(OP_REGISTER, WHOLE, 4, 7)}},
    {STEP_BATCH, 2, {PART(OP_PART_FAIL, 6, 3, 6), PART(OP_MARK, 0, 4, 7)}},
    {STEP_SINGLE, 1, {PART(OP_REGISTER, QUARTER, 3, 9)}},
    /* What a restart meets: an intent, a failure and a settle that nobody collected, what is still
       out, and what was never sent. */
    {STEP_BATCH, 2, {PAYMENT(OP_GIVE_UP, 2, 4), PAYMENT(OP_PAYMENT_INIT, 0, 5)}},
    {STEP_BATCH, 2, {PAYMENT(OP_PAYMENT_INIT, 0, 6), PART(OP_FAIL, 7, 4, 7)}},
    {STEP_BATCH, 2, {PART(OP_REGISTER, HALF, 6, 10), PART(OP_REGISTER, HALF, 6, 11)}},
    {STEP_BATCH, 2, {PART(OP_MARK, 0, 6, 10), PART(OP_MARK, 0, 6, 11)}},
    {STEP_SINGLE, 1, {PART(OP_SETTLE, 1, 6, 10)}},
    {STEP_REOPEN, 0, {{0}}},
    {STEP_RECOVER, 1, {{0, 3, 0, 0}}},
    {STEP_RESUME, 1, {{0, 6, 0, 0}}},
};

enum { TOUR_STEPS = sizeof tour / sizeof tour[0] };

static uint8_t dice(struct writing *w, unsigned below) {
    return (uint8_t)chance_below(&w->chance, below);
}

int write_tour_step(struct writing *w, struct step *step) {
    if (w->tour_at == TOUR_STEPS) return 0;
    *step = tour[w->tour_at++];
    return 1;
}

static unsigned new_part(struct writing *w) {
    unsigned part = TOUR_PARTS + w->parts_used;
    if (PARTS_FROM + part + 1 < SLOTS) w->parts_used++;
    return PARTS_FROM + part;
}

/* A part of the payment in a state, mostly the first one; NO_SLOT when there is none. */
static unsigned part_in(const struct writing *w, unsigned payment, unsigned state) {
    for (unsigned slot = PARTS_FROM; slot < SLOTS; slot++) {
        const struct part *part = &w->model.parts[slot];
        if (part->payment == payment + 1 && part->state == state) return slot;
    }
    return NO_SLOT;
}

static struct op about(struct writing *w, unsigned kind, unsigned payment, unsigned slot) {
    return (struct op){(uint8_t)kind, dice(w, 256), (uint8_t)payment, (uint16_t)slot};
}

static struct op register_op(struct writing *w, unsigned payment) {
    struct op op = about(w, OP_REGISTER, payment, new_part(w));
    unsigned known = part_in(w, payment, LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    /* Mostly what fits the payment; else any request, or one made before. */
    if (dice(w, 8) != 0) {
        int is_doubled = w->model.payments[payment].seed & 4;
        op.seed = (uint8_t)(1 + dice(w, 7) + (dice(w, 4) << 3) + (is_doubled ? 32 : 0));
    } else if (known != NO_SLOT && dice(w, 2)) {
        op.slot = (uint16_t)known;
        op.seed = w->model.parts[known].seed;
    }
    return op;
}

static struct op init_op(struct writing *w, unsigned payment) {
    struct op op = about(w, OP_PAYMENT_INIT, payment, 0);
    if (dice(w, 4) == 0) op.seed = w->model.payments[payment].seed;
    return op;
}

/* Mostly what a host does next with a part in flight, by what its record says. */
static struct op op_in_flight(struct writing *w, unsigned payment, unsigned slot) {
    static const uint8_t next[5][6] = {
        {OP_PART_SETTLE, OP_PART_FAIL, OP_PART_SETTLE, OP_PART_FAIL, OP_GIVE_UP, OP_PART_FORCE},
        {OP_MARK, OP_MARK, OP_MARK, OP_PART_FAIL, OP_PART_SETTLE, OP_ROLLBACK},
        {OP_SETTLE, OP_FAIL, OP_SETTLE, OP_PART_SETTLE, OP_PART_FORCE, OP_PART_FAIL},
        {OP_PART_SETTLE, OP_PART_SETTLE, OP_PART_SETTLE, OP_PART_FAIL, OP_GIVE_UP, OP_DELETE},
        {OP_PART_FAIL, OP_PART_FAIL, OP_PART_FAIL, OP_PART_SETTLE, OP_SETTLE, OP_DELETE},
    };
    int is_tracked = w->model.parts[slot].marks & LNKEEP_PAYMENT_MARK_TRACKED;
    unsigned state = is_tracked ? w->model.records[slot].state : 0;
    if (dice(w, 4) == 0) return register_op(w, payment);
    return about(w, next[state][dice(w, 6)], payment, slot);
}

/* A settle after the failure: of the part, or of its record alone, or when that is gone. */
static struct op late_op(struct writing *w, unsigned payment, unsigned slot) {
    static const uint8_t next[4] = {OP_SETTLE, OP_PART_SETTLE, OP_DELETE, OP_PART_SETTLE};
    int is_tracked = w->model.parts[slot].marks & LNKEEP_PAYMENT_MARK_TRACKED;
    int is_in_record = is_tracked && w->model.records[slot].state == LNKEEP_STATE_FAILED;
    return about(w, is_in_record ? next[dice(w, 4)] : OP_PART_SETTLE, payment, slot);
}

static struct op op_after_failures(struct writing *w, unsigned payment) {
    static const uint8_t next[6] = {OP_GIVE_UP, OP_GIVE_UP, OP_PRUNE,
                                    OP_PAYMENT_INIT, OP_PAYMENT_DELETE, OP_GIVE_UP};
    if (dice(w, 2)) return register_op(w, payment);
    return about(w, next[dice(w, 6)], payment, 0);
}

static struct op op_when_ended(struct writing *w, unsigned payment) {
    static const uint8_t paid[6] = {OP_PAYMENT_INIT, OP_PRUNE, OP_PAYMENT_DELETE,
                                    OP_GIVE_UP, OP_PAYMENT_DELETE, OP_REGISTER};
    static const uint8_t failed[6] = {OP_PAYMENT_INIT, OP_PRUNE, OP_PAYMENT_DELETE,
                                      OP_GIVE_UP, OP_PAYMENT_INIT, OP_PAYMENT_FORGET};
    int is_paid = w->model.payments[payment].status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    uint8_t kind = (is_paid ? paid : failed)[dice(w, 6)];
    if (kind == OP_REGISTER) return register_op(w, payment);
    return kind == OP_PAYMENT_INIT ? init_op(w, payment) : about(w, kind, payment, 0);
}

static struct op random_payment_op(struct writing *w, unsigned payment) {
    const struct payment *known = &w->model.payments[payment];
    unsigned out = part_in(w, payment, LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    unsigned failed = part_in(w, payment, LNKEEP_PAYMENT_ATTEMPT_FAILED);
    if (known->is_tombstone && dice(w, 8) == 0) return about(w, OP_DROP_TOMBSTONE, payment, 0);
    if (!known->status) return init_op(w, payment);
    if (out != NO_SLOT) return op_in_flight(w, payment, out);
    if (failed != NO_SLOT && dice(w, 3) == 0) return late_op(w, payment, failed);
    if (known->status == LNKEEP_PAYMENT_STATUS_IN_FLIGHT) return op_after_failures(w, payment);
    if (known->status != LNKEEP_PAYMENT_STATUS_INITIATED) return op_when_ended(w, payment);
    static const uint8_t next[4] = {OP_GIVE_UP, OP_PAYMENT_INIT, OP_PAYMENT_DELETE, OP_PART_SETTLE};
    if (dice(w, 4)) return register_op(w, payment);
    return about(w, next[dice(w, 4)], payment, PARTS_FROM);
}

static unsigned any_payment(struct writing *w) {
    unsigned used = TOUR_PAYMENTS + w->payments_used;
    /* The payments of the tour are left alone until it has ended. */
    unsigned old = w->tour_at < TOUR_STEPS ? w->payments_used : used;
    if (used < PAYMENTS && (w->payments_used == 0 || dice(w, 6) == 0)) {
        w->payments_used++;
        return used;
    }
    return used - 1 - dice(w, old < RECENT || dice(w, 4) == 0 ? old : RECENT);
}

/* Mostly one about which something is left to do. */
static unsigned unpaid_payment(struct writing *w) {
    unsigned payment = any_payment(w);
    for (unsigned tries = 0; tries < 4; tries++) {
        const struct payment *known = &w->model.payments[payment];
        int is_over = known->is_tombstone || known->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
        if (!is_over || dice(w, 4) == 0) break;
        payment = any_payment(w);
    }
    return payment;
}

/* The whole life of one payment in one call, together with an attempt of its own. */
static void write_payment_life(struct writing *w, struct step *step) {
    static const uint8_t kinds[] = {OP_PAYMENT_INIT, OP_REGISTER, OP_MARK, OP_PART_SETTLE, OP_INIT};
    unsigned payment = any_payment(w), slot = new_part(w);
    step->ops_len = (uint8_t)(2 + dice(w, 4));
    for (unsigned i = 0; i < step->ops_len; i++) step->ops[i] = about(w, kinds[i], payment, slot);
    int is_doubled = step->ops[0].seed & 4;
    step->ops[1].seed = (uint8_t)(WHOLE + (is_doubled ? 32 : 0));
    step->ops[3].seed = 0;
    if (step->ops_len == 5) step->ops[4].slot = (uint16_t)new_slot(w);
}

/* Different payments and attempts, so that a repeat of the whole call changes nothing. */
static void write_payment_batch(struct writing *w, struct step *step) {
    uint8_t is_used[PAYMENTS] = {0};
    step->ops_len = (uint8_t)(2 + dice(w, OPS_MAX - 1));
    for (unsigned i = 0; i < step->ops_len; i++) {
        unsigned payment = any_payment(w);
        int is_other = i % 3 == 2 || is_used[payment];
        unsigned slot = is_other ? new_slot(w) : SLOTS;
        if (is_in_step(step, i, slot)) step->ops_len = (uint8_t)i; /* all slots are used up */
        else step->ops[i] = is_other ? random_op(w, slot) : random_payment_op(w, payment);
        is_used[payment] = 1;
    }
}

void write_payment_step(struct writing *w, struct step *step) {
    uint8_t chosen = dice(w, 100);
    step->kind = chosen < 66   ? STEP_SINGLE
                 : chosen < 77 ? STEP_BATCH
                 : chosen < 84 ? STEP_ATOMIC
                 : chosen < 89 ? STEP_FETCH
                 : chosen < 90 ? STEP_SWEEP
                 : chosen < 91 ? STEP_CLEAN
                 : chosen < 95 ? STEP_RECOVER
                               : STEP_RESUME;
    step->ops_len = 1;
    switch ((enum step_kind)step->kind) {
    case STEP_SINGLE: step->ops[0] = random_payment_op(w, unpaid_payment(w)); break;
    case STEP_BATCH: write_payment_batch(w, step); break;
    case STEP_ATOMIC: write_payment_life(w, step); break;
    case STEP_FETCH: step->ops[0].payment = (uint8_t)any_payment(w); break;
    case STEP_CLEAN:
    case STEP_RECOVER: step->ops[0].seed = 3; break;
    case STEP_RESUME: step->ops[0].seed = dice(w, 256); break;
    default: break;
    }
}

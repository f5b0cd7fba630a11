/* Makes the workload: attempts here, payments in script_payments.c. */

#include "script.h"

#include "common.h"

#include <string.h>

unsigned new_slot(struct writing *w) {
    /* Batches go ahead, so that what is new may be forgotten already. */
    while (w->forgotten[w->slots_used] && w->slots_used + 1 < CHOSEN_SLOTS) w->slots_used++;
    unsigned slot = w->slots_used;
    if (slot + 1 < CHOSEN_SLOTS) w->slots_used++;
    return slot;
}

unsigned old_slot(struct writing *w) {
    unsigned slot = (unsigned)chance_below(&w->chance, w->slots_used + 1);
    while (w->forgotten[slot]) slot = (slot + 1) % CHOSEN_SLOTS;
    return slot;
}

struct op random_op(struct writing *w, unsigned slot) {
    /* Mostly what a host does next, sometimes what it should not do. */
    static const uint8_t next[6][4] = {
        {OP_INIT, OP_INIT, OP_INIT, OP_FAIL},      {OP_MARK, OP_MARK, OP_ROLLBACK, OP_SETTLE},
        {OP_SETTLE, OP_FAIL, OP_SETTLE, OP_ROLLBACK}, {OP_ACK, OP_DELETE, OP_FAIL, OP_ACK},
        {OP_ACK, OP_SETTLE, OP_DELETE, OP_FORGET}, {OP_INIT, OP_MARK, OP_ACK, OP_SETTLE},
    };
    uint8_t kind = next[w->model.records[slot].state][chance_below(&w->chance, 4)];
    if (kind == OP_FORGET) w->forgotten[slot] = 1;
    uint8_t seed = (uint8_t)chance_below(&w->chance, 256);
    return (struct op){kind, seed, 0, (uint16_t)slot};
}

/* The whole life of one attempt in one call. */
static void write_life(struct writing *w, struct step *step) {
    static const uint8_t kinds[] = {OP_INIT, OP_MARK, OP_FAIL, OP_SETTLE, OP_ACK};
    uint16_t slot = (uint16_t)new_slot(w);
    step->ops_len = (uint8_t)(2 + chance_below(&w->chance, 4));
    for (unsigned i = 0; i < step->ops_len; i++) step->ops[i] = (struct op){kinds[i], 1, 0, slot};
    /* Repeated, an acknowledgement that a settle took back would be given again. */
    if (step->ops_len == 5) step->ops_len = 4;
}

int is_in_step(const struct step *step, unsigned len, unsigned slot) {
    for (unsigned i = 0; i < len; i++) {
        if (step->ops[i].slot == slot) return 1;
    }
    return 0;
}

/* Different attempts, so that a repeat of the whole call changes nothing. */
static void write_batch(struct writing *w, struct step *step) {
    step->ops_len = (uint8_t)(2 + chance_below(&w->chance, OPS_MAX - 1));
    unsigned slot = old_slot(w);
    for (unsigned i = 0; i < step->ops_len; i++) {
        step->ops[i] = random_op(w, slot);
        slot = i % 2 ? new_slot(w) : (slot + 7) % CHOSEN_SLOTS;
        while (w->forgotten[slot] || is_in_step(step, i + 1, slot)) {
            slot = (slot + 1) % CHOSEN_SLOTS;
        }
    }
}

static void write_single(struct writing *w, struct step *step) {
    uint64_t dice = chance_below(&w->chance, 10);
    step->ops_len = 1;
    if (dice == 0 && w->allocated_used < PARTS_FROM - CHOSEN_SLOTS) {
        uint16_t slot = (uint16_t)(CHOSEN_SLOTS + w->allocated_used++);
        step->ops[0] = (struct op){OP_ALLOCATE, 0, 0, slot};
    } else if (dice <= 2 && w->allocated_used > 0) {
        unsigned slot = CHOSEN_SLOTS + (unsigned)chance_below(&w->chance, w->allocated_used);
        struct op op = random_op(w, slot);
        step->ops[0] = w->forgotten[slot] ? (struct op){OP_ALLOCATE, 0, 0, (uint16_t)slot} : op;
    } else {
        step->ops[0] = random_op(w, dice <= 5 ? new_slot(w) : old_slot(w));
    }
}

static void write_attempt_step(struct writing *w, struct step *step) {
    uint64_t dice = chance_below(&w->chance, 100);
    step->kind = dice < 58   ? STEP_SINGLE
                 : dice < 76 ? STEP_BATCH
                 : dice < 84 ? STEP_ATOMIC
                 : dice < 87 ? STEP_TICK
                 : dice < 91 ? STEP_EVENTS
                 : dice < 93 ? STEP_CLEAN
                 : dice < 94 ? STEP_RECOVER
                 : dice < 97 ? STEP_REOPEN
                             : STEP_READ;
    switch ((enum step_kind)step->kind) {
    case STEP_SINGLE: write_single(w, step); break;
    case STEP_BATCH:
    case STEP_ATOMIC: dice % 2 ? write_life(w, step) : write_batch(w, step); break;
    case STEP_EVENTS: {
        /* An absolute number: a repeat must not acknowledge more than the first try did. */
        unsigned ahead = 1 + (unsigned)chance_below(&w->chance, 16);
        step->ops[0].slot = (uint16_t)(w->model.cursor_acked + ahead);
        break;
    }
    case STEP_READ: step->ops[0].slot = (uint16_t)old_slot(w); break;
    case STEP_CLEAN: step->ops[0].seed = 1; break;
    default: break;
    }
}

/*
 * Of each six steps one is about monitors and one about resources. Of five others three are of the
 * tour, until it has ended: then mostly three by chance.
 */
static void write_step(struct writing *w, struct step *step) {
    unsigned at = w->script->steps_len;
    memset(step, 0, sizeof *step);
    if (at % 6 == 2) {
        write_monitors_step(w, step);
        return;
    }
    if (at % 6 == 5) {
        write_resources_step(w, step);
        return;
    }
    if (at % 5 == 4) {
        write_peers_step(w, step);
        return;
    }
    if (at % 5 < 3 && write_tour_step(w, step)) return;
    if (chance_below(&w->chance, 5) < 3) write_payment_step(w, step);
    else write_attempt_step(w, step);
}

void script_make(struct script *script, uint64_t seed, unsigned steps_len) {
    static struct writing w;
    struct expect expect[OPS_MAX];
    memset(&w, 0, sizeof w);
    w.script = script;
    w.chance = seed;
    if (steps_len > STEPS_MAX) give_up("the script is too long");
    memset(script, 0, sizeof *script);
    script->is_compat = seed % 2 == 0;
    struct step late = {0};
    for (script->steps_len = 0; script->steps_len < steps_len; script->steps_len++) {
        struct step *step = &script->steps[script->steps_len];
        int is_last = script->steps_len + 1 == steps_len;
        if (late.kind == STEP_REOPEN) *step = late;
        else write_step(&w, step);
        late.kind = STEP_SINGLE;
        if (step->kind == STEP_REOPEN || is_last) {
            struct step before = *step;
            if (write_monitors_end(&w, step)) late = before;
        }
        model_apply(&w.model, step, 0, expect);
        for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
            struct op *op = &step->ops[i];
            if (op->kind == OP_ALLOCATE) w.model.allocated[op->slot] = op->slot;
        }
    }
}

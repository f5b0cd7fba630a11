/* Makes the part of the workload that is about resources: first a tour, then chance. */

#include "script.h"

#include "common.h"

enum { HASTE = 0, WAIT = SEED_DURABLE, SETTLED = SEED_SETTLES };

#define OF_CHANNEL(op, seed, channel) {op, seed, channel, 0}
#define OF_HTLC(op, seed, htlc) {op, seed, 0, htlc}
#define CALLS(len, ...) {STEP_RESOURCES, len, {__VA_ARGS__}}

static const struct step tour[] = {
    CALLS(4, OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 0), OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 1),
          OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 2), OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 3)),
    CALLS(6, OF_HTLC(RESOURCES_ADD, HASTE, 0), OF_HTLC(RESOURCES_ADD, WAIT, 1),
          OF_HTLC(RESOURCES_ADD, HASTE, 2), OF_HTLC(RESOURCES_ADD, HASTE, 6),
          OF_HTLC(RESOURCES_RESOLVE, SETTLED, 1), OF_CHANNEL(RESOURCES_IMPORT, 0, 2)),
    CALLS(4, OF_HTLC(RESOURCES_ADD_SEVERAL, HASTE, 7), OF_HTLC(RESOURCES_ADD, SEED_OTHER, 0),
          OF_HTLC(RESOURCES_RESOLVE, WAIT, 2), OF_HTLC(RESOURCES_ADD, SEED_DRY_RUN, 8)),
    CALLS(4, OF_CHANNEL(RESOURCES_RESIZE, SEED_LARGER, 1), OF_HTLC(RESOURCES_ADD, HASTE, 13),
          OF_CHANNEL(RESOURCES_REMOVE, 0, 3), OF_CHANNEL(RESOURCES_SYNC, 0, 0)),
    CALLS(4, OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 4), OF_CHANNEL(RESOURCES_ADD_CHANNEL, 0, 5),
          OF_HTLC(RESOURCES_RESOLVE, HASTE, 0), OF_HTLC(RESOURCES_ADD_SEVERAL, WAIT, 18)),
};

enum { TOUR_STEPS = sizeof tour / sizeof tour[0] };

static uint8_t dice(struct writing *w, unsigned below) {
    return (uint8_t)chance_below(&w->chance, below);
}

/* HTLCs come and go within a window that moves on: mostly new ones, and ends of older ones. */
static struct op htlc_op(struct writing *w) {
    unsigned at = w->htlcs_used, chosen = dice(w, 16);
    uint8_t seed = dice(w, 4) == 0 ? SEED_DURABLE : 0;
    if (chosen < 7) {
        w->htlcs_used++;
        return (struct op){RESOURCES_ADD, seed, 0, (uint16_t)(at % FORWARDS)};
    }
    unsigned older = (at + FORWARDS - 1 - dice(w, 20)) % FORWARDS;
    if (chosen < 14) {
        seed |= dice(w, 3) ? SEED_SETTLES : 0;
        return (struct op){RESOURCES_RESOLVE, seed, 0, (uint16_t)older};
    }
    if (chosen == 14) return (struct op){RESOURCES_ADD_SEVERAL, seed, 0, (uint16_t)(at % FORWARDS)};
    seed |= dice(w, 2) ? SEED_OTHER : SEED_DRY_RUN;
    return (struct op){RESOURCES_ADD, seed, 0, (uint16_t)older};
}

static struct op channel_op(struct writing *w) {
    static const uint8_t kinds[8] = {
        RESOURCES_ADD_CHANNEL, RESOURCES_ADD_CHANNEL, RESOURCES_ADD_CHANNEL, RESOURCES_RESIZE,
        RESOURCES_RESIZE,      RESOURCES_REMOVE,      RESOURCES_IMPORT,      RESOURCES_SYNC,
    };
    uint8_t seed = dice(w, 3) == 0 ? SEED_LARGER : 0;
    return (struct op){kinds[dice(w, 8)], seed, dice(w, RESOURCES_CHANNELS), 0};
}

void write_resources_step(struct writing *w, struct step *step) {
    if (w->resources_tour_at < TOUR_STEPS) {
        *step = tour[w->resources_tour_at++];
        w->htlcs_used = 24;
        return;
    }
    step->kind = STEP_RESOURCES;
    step->ops_len = (uint8_t)(2 + dice(w, OPS_MAX - 1));
    for (unsigned i = 0; i < step->ops_len; i++) {
        step->ops[i] = dice(w, 8) == 0 ? channel_op(w) : htlc_op(w);
    }
}

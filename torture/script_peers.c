/* Makes the workload that is about blobs: of other nodes, and our own at other nodes. */

#include "script.h"

#include "common.h"

/* Seeds: nobody drops what it was sent, and some are late; a second blob that waits. */
enum { TOUR_MEET = 2, WAITS = 64 };

#define PROVIDE(call, seed, peer) {STEP_PROVIDE, 1, {{call, seed, peer, 0}}}
#define CONSUME(call, seed, slot) {STEP_CONSUME, 1, {{call, seed, 0, slot}}}

/* Whatever may happen, once each, so that a short script has it too. */
static const struct step peers_tour[] = {
    CONSUME(CONSUMER_PAYLOAD, 0, 0),
    PROVIDE(PROVIDER_CLAIM, CLAIM_OPEN, 0),
    CONSUME(CONSUMER_MEET, TOUR_MEET, ALL_KEEPERS),
    PROVIDE(PROVIDER_STORE, WAITS, 0),
    CONSUME(CONSUMER_HTLC, 1, 1),
    CONSUME(CONSUMER_HTLC, 4, 1),
    CONSUME(CONSUMER_MEET, TOUR_MEET, ALL_KEEPERS), /* journals come back */
    PROVIDE(PROVIDER_READ, 0, 0),
    CONSUME(CONSUMER_STRANGER, 0, 0),
    PROVIDE(PROVIDER_MEET, 1, 0),
    CONSUME(CONSUMER_PAYLOAD, 0, 0), /* the first one that is cut */
    PROVIDE(PROVIDER_TICK, 1, 0),
    CONSUME(CONSUMER_MEET, TOUR_MEET, ALL_KEEPERS),
    PROVIDE(PROVIDER_STORE, WAITS, 0),
    CONSUME(CONSUMER_LOSS, 1, 0),
    PROVIDE(PROVIDER_SYNC, 1, 0),
    CONSUME(CONSUMER_ADOPT, 0, 0),
    PROVIDE(PROVIDER_CLAIM, CLAIM_NONE, 0),
    CONSUME(CONSUMER_MEET, TOUR_MEET, ALL_KEEPERS), /* what came back goes with what is newer */
    PROVIDE(PROVIDER_PRUNE, 0, 0),
    CONSUME(CONSUMER_PAYLOAD, 0, 0),
    PROVIDE(PROVIDER_CLAIM, CLAIM_PENDING, 1),
    CONSUME(CONSUMER_LOSS, 0, 0),
    PROVIDE(PROVIDER_STORE, WAITS, 1),
    CONSUME(CONSUMER_ACKNOWLEDGE, 0, 0),
    PROVIDE(PROVIDER_BLOCK, 0, 0),
    CONSUME(CONSUMER_HTLC, 4, 0),
    PROVIDE(PROVIDER_CLAIM, CLAIM_ALLOWED, 2),
    CONSUME(CONSUMER_LIAR, 1, 0),
    PROVIDE(PROVIDER_CLAIM, CLAIM_OPEN, 3),
};

enum { TOUR_STEPS = sizeof peers_tour / sizeof peers_tour[0] };

static uint8_t dice(struct writing *w, unsigned below) {
    return (uint8_t)chance_below(&w->chance, below);
}

/* Mostly one that may store. */
static uint8_t provider_peer(struct writing *w) {
    uint8_t peer = dice(w, PROVIDER_PEERS);
    for (unsigned tries = 0; tries < 6 && !w->claims[peer] && dice(w, 8); tries++) {
        peer = dice(w, PROVIDER_PEERS);
    }
    return peer;
}

static void write_provider_step(struct writing *w, struct step *step) {
    static const uint8_t calls[] = {PROVIDER_STORE, PROVIDER_STORE, PROVIDER_STORE, PROVIDER_STORE,
                                    PROVIDER_STORE, PROVIDER_MEET, PROVIDER_MEET, PROVIDER_CLAIM,
                                    PROVIDER_CLAIM, PROVIDER_CLAIM, PROVIDER_CLAIM, PROVIDER_CLAIM,
                                    PROVIDER_TICK, PROVIDER_SYNC, PROVIDER_BLOCK, PROVIDER_READ,
                                    PROVIDER_PRUNE, PROVIDER_PRUNE_ALL, PROVIDER_STORE,
                                    PROVIDER_BLOCK, PROVIDER_TICK};
    uint8_t call = calls[dice(w, sizeof calls)];
    step->kind = STEP_PROVIDE;
    step->ops[0] = (struct op){call, dice(w, 256), provider_peer(w), 0};
    if (call != PROVIDER_CLAIM) return;
    /* Mostly one more that may store, so that they compete for what there is. */
    struct op *op = &step->ops[0];
    if (dice(w, 3)) op->payment = dice(w, PROVIDER_PEERS);
    op->seed = w->claims[op->payment] && dice(w, 2) ? CLAIM_NONE : (uint8_t)(1 + dice(w, 3));
    w->claims[op->payment] = op->seed;
}

static void write_consumer_step(struct writing *w, struct step *step) {
    static const uint8_t calls[] = {
        CONSUMER_MEET, CONSUMER_MEET, CONSUMER_MEET, CONSUMER_MEET, CONSUMER_MEET, CONSUMER_MEET,
        CONSUMER_PAYLOAD, CONSUMER_PAYLOAD, CONSUMER_LIAR, CONSUMER_LIAR, CONSUMER_STRANGER,
        CONSUMER_LOSS, CONSUMER_ACKNOWLEDGE, CONSUMER_ACKNOWLEDGE, CONSUMER_ADOPT,
        CONSUMER_FORGET, CONSUMER_READY, CONSUMER_HTLC, CONSUMER_HTLC};
    static const uint8_t masks[] = {ALL_KEEPERS, ALL_KEEPERS, 0x0f, 0xf0, 0x55, 0x3c, 0x03, 0x81};
    uint8_t call = calls[dice(w, sizeof calls)], seed = dice(w, 256), peer = dice(w, KEEPERS);
    uint16_t slot = call == CONSUMER_MEET ? masks[dice(w, sizeof masks)] : dice(w, 3) != 0;
    step->kind = STEP_CONSUME;
    step->ops[0] = (struct op){call, seed, peer, slot};
}

void write_peers_step(struct writing *w, struct step *step) {
    if (w->peers_at < TOUR_STEPS) {
        *step = peers_tour[w->peers_at++];
        const struct op *op = &step->ops[0];
        int is_claim = step->kind == STEP_PROVIDE && op->kind == PROVIDER_CLAIM;
        if (is_claim) w->claims[op->payment] = op->seed;
        return;
    }
    step->ops_len = 1;
    if (w->peers_at++ % 2) write_provider_step(w, step);
    else write_consumer_step(w, step);
}

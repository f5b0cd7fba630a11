/* What the writers of the workload share. */

#ifndef TORTURE_SCRIPT_H
#define TORTURE_SCRIPT_H

#include "model.h"
#include "resources.h"
#include "peers.h"

/* How far the script is written, what will have become of it, and what is used up. */
struct writing {
    struct script *script;
    struct model model;
    uint64_t chance;
    unsigned monitors_tour_at, resources_tour_at, htlcs_used;
    unsigned slots_used, allocated_used, parts_used, payments_used, tour_at, peers_at;
    uint8_t claims[PROVIDER_PEERS]; /* of peers whose blobs are kept, as the host has them */
    uint8_t forgotten[SLOTS]; /* the host promised never to use the id again */
};

unsigned new_slot(struct writing *w);
/* A slot that was used before, and whose id may be used again without breaking a promise. */
unsigned old_slot(struct writing *w);
struct op random_op(struct writing *w, unsigned slot);
/* Whether one of the first operations is about the slot. */
int is_in_step(const struct step *step, unsigned len, unsigned slot);

/* Whatever may happen to payments, once each; answers 0 when the tour has ended. */
int write_tour_step(struct writing *w, struct step *step);
void write_payment_step(struct writing *w, struct step *step);
/* script_peers.c: as a provider and as a consumer in turn. */
void write_peers_step(struct writing *w, struct step *step);

/* Monitors: a tour, then chance. */
void write_monitors_step(struct writing *w, struct step *step);
/* What is queued is committed before a host closes; answers 0 when nothing is. */
int write_monitors_end(struct writing *w, struct step *step);
void write_resources_step(struct writing *w, struct step *step);

#endif

/*
 * Resources of the workload, and the log of all calls on them, which outlives the process: after a
 * crash the state has to be that after some of them, in order, and after all that were durable.
 */

#ifndef TORTURE_RESOURCES_H
#define TORTURE_RESOURCES_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

struct op;

enum {
    RESOURCES_CHANNELS = 6,
    FORWARDS = 128,
    FORWARD_WORDS = FORWARDS / 64,
    RESOURCES_CALLS_MAX = 1600,
};

/* An operation of STEP_RESOURCES; op.payment is the channel, op.slot the HTLC. */
enum resources_op {
    RESOURCES_ADD_CHANNEL,
    RESOURCES_RESIZE,
    RESOURCES_REMOVE,
    RESOURCES_IMPORT,
    RESOURCES_ADD,
    RESOURCES_ADD_SEVERAL, /* three HTLCs in one call */
    RESOURCES_RESOLVE,
    RESOURCES_SYNC,
    RESOURCES_RECONCILE, /* these are the host's own */
    RESOURCES_OPEN,
    RESOURCES_CLOSE,
};

/* Bits of op.seed. */
enum { SEED_DURABLE = 1, SEED_SETTLES = 2, SEED_OTHER = 4, SEED_DRY_RUN = 8, SEED_LARGER = 16 };

enum { SEVERAL = 3 };

struct htlc_set {
    uint64_t words[FORWARD_WORDS];
};

struct resources_call {
    volatile uint8_t is_made, is_answered;
    uint8_t kind, seed, is_durable;
    uint16_t channel, htlc, step;
    int32_t status;
    uint64_t answer; /* digest of what it said */
    uint64_t digest; /* of everything that could be read after it; 0 is not known */
    /* Of an open: what is pending. Of a reconcile: what the node has, and with which signal. */
    struct htlc_set live, accountable;
};

struct resources_log {
    volatile unsigned len;
    struct resources_call calls[RESOURCES_CALLS_MAX];
};

int htlc_is_in(const struct htlc_set *set, unsigned htlc);
void htlc_put(struct htlc_set *set, unsigned htlc, int is_in);

/* Two modes: resources repeat the rules' reference with its defects, or mend them. */
lnkeep_resources_options resources_options(int is_compat);
/* Makes a call on any resources, with or without waiting for the disk; fills status and answer. */
void resources_make(lnkeep_store store, lnkeep_resources resources, struct resources_call *call,
                    uint32_t flags);
/* Several at once. */
void resources_make_several(lnkeep_resources resources, struct resources_call *calls,
                            uint32_t flags);
/* Everything that can be read; 0 when it cannot. */
uint64_t resources_digest(lnkeep_resources resources, struct htlc_set *pending);
/* Whether the answer says that the change holds in memory at least, and whether it was judged. */
int call_holds(const struct resources_call *call);

#endif

/*
 * The state of a node's resources in some numbers, so that what a restart finds can be compared
 * with what was there after each call.
 */
#ifndef FORWARD_STATE_H
#define FORWARD_STATE_H

#include <lnkeep.h>
#include <stdbool.h>
#include <stdint.h>

enum { FORWARD_CHANNELS = 6 };

struct forward_state {
    uint64_t journal_next; /* number of the next entry: which call this is the state after */
    uint64_t digest;       /* of everything below and everything else */
    uint64_t averages[FORWARD_CHANNELS]; /* digests of reputation and revenue; 0: not known */
    uint64_t pending;
    uint64_t pending_sum; /* of forward_identity */
    uint64_t in_use;      /* slots, liquidity and risk, of all buckets of all channels */
};

/* Short channel id of one of the FORWARD_CHANNELS. */
uint64_t forward_channel(unsigned i);

/* A number for an HTLC; that of a set of HTLCs is their sum. */
uint64_t forward_identity(uint64_t incoming, uint64_t outgoing, uint64_t htlc_id,
                          uint64_t incoming_amount_msat);

/* Settings of the demo, for whoever opens the store. */
lnkeep_resources_options forward_options(void);

/* Reads the state; false, with the reason in err. */
bool forward_state_read(lnkeep_resources resources, struct forward_state *state,
                        lnkeep_error *err);

#endif

/*
 * What became of everything, counted by comparing the store with the ledger.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>

enum { TALLY_REASONS = 8 };

struct tally {
    uint64_t payments;
    uint64_t succeeded;
    uint64_t succeeded_in_parts;
    uint64_t failed_of[TALLY_REASONS]; /* by LNKEEP_PAYMENT_REASON_* */
    uint64_t failed;

    uint64_t attempts;
    uint64_t dispatched_once;
    uint64_t dispatched_twice;
    uint64_t settled;
    uint64_t failed_by_network;
    uint64_t failed_unmarked;   /* too large for the channel, or rolled back by recovery */
    uint64_t marked_never_left; /* the node died before it sent */
    uint64_t held_over_a_death;
    uint64_t commitments; /* of all channels */

    /* What must be 0. */
    uint64_t overpaid;        /* receivers got more than the amount */
    uint64_t paid_in_part;    /* something, and less than the amount */
    uint64_t ended_otherwise; /* SUCCEEDED and nothing was received, or FAILED and something was */
    uint64_t lost;            /* acknowledged, and gone or different */
    uint64_t failed_though_left;
    uint64_t unfinished; /* payments */
    uint64_t unresolved; /* attempts */
    uint64_t events_wrong;
    uint64_t repeats_wrong;
    uint64_t notices_wrong; /* an HTLC's settle not told under exactly one number */
    uint64_t inconsistent; /* the store contradicts itself or the orders */
};

#endif

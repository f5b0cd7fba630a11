/*
 * The truth, kept outside the node: what it acknowledged, and what left it. No kill touches this.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One attempt as the world outside saw it. */
struct entry {
    uint32_t dispatched;    /* how often its HTLC reached the network */
    uint8_t result_kind;    /* LNKEEP_RESULT_* as the node told it, 0 if it told none */
    bool result_local;      /* the node said: failed here, the HTLC did not leave */
    bool init_acknowledged; /* the node said that it is registered */
    bool too_large;         /* ordered with an amount that the node must refuse to send */
    bool given_again;       /* the order was repeated to another life of the node */
    bool stored;            /* the store has a record; set when both are compared */
    bool lost;              /* something acknowledged was gone or had changed */
    bool held_over_a_death; /* the network held its HTLC while no node was alive */
};

/* Ids begin with 1 and rise by one. */
struct ledger {
    struct entry *entries;
    uint64_t len;
    uint64_t capacity;
    uint64_t foreign; /* ids that nobody ordered and that appeared all the same */
};

/* The next attempt. Ends the program when memory is out. */
uint64_t ledger_add(struct ledger *ledger);

/* NULL for an id that was never ordered, which is counted. */
struct entry *ledger_find(struct ledger *ledger, uint64_t id);

void ledger_free(struct ledger *ledger);

/* What became of all attempts, counted by comparing the store with the ledger. */
struct tally {
    uint64_t attempts;
    uint64_t dispatched_once;
    uint64_t dispatched_twice;
    uint64_t never_left;
    uint64_t settled;
    uint64_t failed_by_network;
    uint64_t failed_validation;
    uint64_t rolled_back;        /* by recovery: registered, never marked */
    uint64_t marked_never_left;  /* marked, and the node died before it sent */
    uint64_t held_over_a_death;
    uint64_t lost;               /* acknowledged, and gone or different */
    uint64_t rolled_back_though_left;
    uint64_t unresolved;
    uint64_t inconsistent;       /* the store contradicts itself or the orders */
};

#endif

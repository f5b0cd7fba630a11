/*
 * The truth, kept outside the node: what was ordered, what left it, what receivers got, what it
 * told. No kill touches this, and nothing of it is read from the store.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include "lookup.h"
#include "orders.h"

/* One invoice, and all that the world saw of its payment. */
struct ledger_invoice {
    struct order order; /* the newest request */
    uint8_t preimage[32];
    bool unknown_to_receiver; /* who therefore rejects every part */
    bool too_large;           /* more than the node has */
    bool open;                /* the client waits for an answer */
    uint64_t received_msat;   /* claimed by whoever knows the preimage */

    uint64_t acknowledged_request; /* newest request that the node said it has */
    uint64_t acknowledged_life;    /* and the life of the node that said so first */
    uint64_t done_request;         /* newest request that the node said it began */
    uint32_t told_status;          /* LNKEEP_PAYMENT_STATUS_* of its end, 0 if it told none */
    uint32_t told_reason;
    uint64_t told_sequence; /* of the payment, and its revision then */
    uint64_t told_revision;

    uint32_t requests_ended; /* requests whose end the node told: each a payment of its own */
    uint32_t events_initiated, events_terminal;
    bool stored;  /* the store has it; set when both are compared */
    bool lost;    /* something acknowledged was gone or had changed */
    bool mistold; /* a repeat was answered with another state than the first */
};

/* One attempt whose HTLC left the node. */
struct ledger_attempt {
    uint64_t id;
    uint64_t invoice;
    uint64_t receiver_msat;
    uint32_t dispatched;    /* how often its HTLC reached the network */
    uint32_t answer;        /* WIRE_UPDATE_FULFILL_HTLC, _FAIL_HTLC, or 0 while there is none */
    uint32_t failure_code;
    bool in_parts;          /* it carried a total and a payment secret */
    bool confirmed;         /* the node said that the answer may be forgotten */
    uint32_t notices;       /* of its settle, told to the client under different numbers */
    bool held_over_a_death; /* the network held it while no node was alive */
    bool stored;
    bool lost;
};

/* Numbers of invoices begin with 1 and rise by one. */
struct ledger {
    struct ledger_invoice *invoices;
    uint64_t invoices_len, invoices_capacity;
    struct ledger_attempt *attempts;
    uint64_t attempts_len, attempts_capacity;
    struct lookup by_hash, by_id;
};

/* The next invoice, with a hash and nothing else. Pointers into the ledger are valid until the next
 * add. Ends the program when memory is out. */
struct ledger_invoice *ledger_add_invoice(struct ledger *ledger);

struct ledger_attempt *ledger_add_attempt(struct ledger *ledger, uint64_t id);

/* NULL for what nobody ordered, or what never left. */
struct ledger_invoice *ledger_invoice(const struct ledger *ledger, uint64_t number);
struct ledger_invoice *ledger_invoice_of(const struct ledger *ledger, const uint8_t hash[32]);
struct ledger_attempt *ledger_attempt(const struct ledger *ledger, uint64_t id);

void ledger_free(struct ledger *ledger);

#endif

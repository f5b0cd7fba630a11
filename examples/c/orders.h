/*
 * What the client asks of the node, and what the node tells it: structures, because both ends are
 * the same program.
 */
#ifndef ORDERS_H
#define ORDERS_H

#include <stdint.h>

/* The client's idempotency key: which of its requests this is. The same request carries the same
 * key for ever, and "try that invoice again" is another one. */
struct order_key {
    uint64_t invoice; /* the client's number of the invoice */
    uint64_t request; /* counts the requests to pay it, from 1 */
};

/* What the receiver gave to be paid: in a node the BOLT 11 or BOLT 12 text. Its bytes are the
 * payment request that lnkeep keeps, so that a later life of the node can go on sending. */
struct invoice {
    uint64_t amount_msat;
    uint8_t payment_hash[32];
    uint8_t payment_secret[32]; /* zero in an invoice that takes one part only */
};

/* "Pay this." Sent again, with the SAME key, to every restarted node until the client knows how the
 * payment ended: the node must be able to tell a repeat from a new order. */
struct order {
    struct order_key key;
    struct invoice invoice;
    uint64_t may_be_resumed; /* 1: a later life may go on sending; else it gives up */
    uint64_t deadline_unix_ns;
    uint64_t fee_limit_msat;
};

enum report_kind {
    REPORT_READY = 1, /* recovered and about to take orders; a is the store's epoch */
    REPORT_RESUMED,   /* what lnkeep_payments_resume made of a payment: status is LNKEEP_RESUME_* */
    REPORT_ORDER,     /* what lnkeep_payments_init answered to an order: status, and the payment */
    REPORT_ENDED,     /* the payment ended */
    REPORT_EVENT,     /* event number a of kind b about the payment hash in bytes */
    REPORT_NOTICE,    /* notice number a: HTLC b for the payment hash in bytes was settled */
    REPORT_STATS,     /* a commits and b operations since this open */
};

/* What the node tells the client, always right after lnkeep answered, never before. */
struct report {
    uint32_t kind;
    int32_t status;
    struct order_key key;
    uint64_t sequence; /* of the payment, 0 when the report tells of none */
    uint64_t revision;
    uint32_t payment_status; /* LNKEEP_PAYMENT_STATUS_* */
    uint32_t failure_reason; /* LNKEEP_PAYMENT_REASON_*, or flags of an event */
    uint64_t a;
    uint64_t b;
    uint8_t bytes[32]; /* preimage of a payment that succeeded, payment hash of an event */
};

#endif

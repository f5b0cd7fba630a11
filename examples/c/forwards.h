/*
 * HTLCs of others: what the neighbours ask of the node, and what it tells them. Structures, because
 * both ends are the same program.
 *
 * They come and go through channels of their own, whose commitments are not acted out here: an HTLC
 * that is offered is committed on its incoming channel, and one that the node forwards is committed
 * on its outgoing channel when the message has left the node.
 */
#ifndef FORWARDS_H
#define FORWARDS_H

#include "forward_state.h"

enum { FORWARDS_MAX = 48, FORWARD_BLOCK_HEIGHT = 900000 };

/* update_add_htlc of the incoming channel, and where its onion wants it to go. */
struct forward {
    uint64_t incoming;
    uint64_t outgoing;
    uint64_t htlc_id;
    uint64_t incoming_amount_msat;
    uint64_t outgoing_amount_msat;
    uint64_t added_unix_secs; /* when the node was asked to forward it */
    uint32_t cltv_expiry;
    uint32_t accountable; /* 1: the signal as it came in, or went out if the HTLC is out */
};

/* After every reconnect, channel_reestablish tells which HTLCs are out. It comes first. */
struct forward_held {
    uint64_t len;
    struct forward htlcs[FORWARDS_MAX];
};

enum forward_order_kind {
    FORWARD_OFFER = 1, /* "forward this" */
    FORWARD_ANSWER,    /* "what you forwarded was settled, or failed" */
};

struct forward_order {
    uint32_t kind;
    uint32_t settled;   /* of an answer */
    uint64_t unix_secs; /* the time of now */
    struct forward htlc;
};

enum forward_report_kind {
    FORWARD_OPENED = 1, /* the state is what the node found on its disk */
    FORWARD_CHANNEL,    /* a channel takes part; status */
    FORWARD_RECONCILED, /* with the HTLCs that are out; kept, dropped, added, other */
    FORWARD_DECIDED,    /* an offer leaves through its outgoing channel, or fails */
    FORWARD_RELEASED,   /* an answer leaves through the incoming channel */
    FORWARD_RESOLVED,   /* and counts; status */
};

/* What the node tells; each but RELEASED with the state of its resources right after. */
struct forward_report {
    uint32_t kind;
    int32_t status; /* as lnkeep answered */
    uint32_t verdict, bucket; /* LNKEEP_VERDICT_*, LNKEEP_BUCKET_* */
    uint32_t accountable;     /* the signal that it goes out with */
    uint32_t durable;         /* 1: lnkeep was asked to make it so, and everything before it */
    uint64_t channel, htlc_id; /* the incoming channel, and the id there */
    uint64_t kept, dropped, added, other;
    struct forward_state state;
};

#endif

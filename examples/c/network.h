/*
 * The simulated network: the peer at the other end of the channel, the routes behind it and the
 * receivers. It counts how often each HTLC left the node, holds HTLCs and their answers over the
 * node's death, and answers again after a reconnect until the node says that the result is stored.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "chance.h"
#include "ledger.h"
#include "messages.h"

enum htlc_place {
    HTLC_ON_THE_WAY,
    HTLC_AT_RECEIVER, /* which waits for the other parts */
    HTLC_ANSWERED,    /* the ledger has the answer */
};

struct network {
    struct ledger *ledger;
    const struct messages *messages;
    struct chance *chance;
    struct htlc {
        uint64_t id;
        uint64_t invoice;
        enum htlc_place place;
        uint64_t total_msat;
        uint64_t due_us; /* when it arrives, is given up by the receiver, or is answered */
        bool told;       /* the answer, to the node that lives now */
    } held[WIRE_HELD_MAX];
    size_t held_len;
    uint64_t commitment_numbers[WIRE_CHANNELS]; /* highest that left the node, in all lives */
    uint64_t numbers_reused; /* a commitment under a number that another one had */
    uint64_t malformed;
};

/* Takes a message of the node. */
void network_take(struct network *network, const uint8_t *message, size_t len);

/* Moves HTLCs on, and sends the answers that are due. */
void network_answer(struct network *network, int fd);

/* Tells a restarted node which HTLCs are held; their answers come again. */
bool network_reconnect(struct network *network, int fd);

void network_node_died(struct network *network);

/* Decides the answer to an HTLC; it is sent when it is due. code is 0 for a settle. */
void network_decide(struct network *network, struct htlc *htlc, unsigned failure_code);

/* The HTLC arrived at its receiver (receiver.c). */
void receiver_take(struct network *network, struct htlc *htlc);

/* Its other parts did not come in time. */
void receiver_give_up(struct network *network, struct htlc *htlc);

#endif

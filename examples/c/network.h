/*
 * The simulated network: the peer at the other end of the channel. It counts how often each HTLC
 * left the node, holds HTLCs and their answers over the node's death, and answers again after a
 * reconnect until the node says that the result is stored.
 */
#ifndef NETWORK_H
#define NETWORK_H

#include "chance.h"
#include "ledger.h"
#include "messages.h"

struct network {
    struct ledger *ledger;
    const struct messages *messages;
    struct chance *chance;
    struct htlc {
        uint64_t id;
        uint64_t due_us; /* when the answer comes */
        bool answered;   /* to the node that lives now */
    } held[WIRE_HELD_MAX];
    size_t held_len;
    uint64_t malformed;
};

/* Takes a message of the node. */
void network_take(struct network *network, const uint8_t *message, size_t len);

/* Sends the answers that are due. */
void network_answer(struct network *network, int fd);

/* Tells a restarted node which HTLCs are held; their answers come again. */
bool network_reconnect(struct network *network, int fd);

void network_node_died(struct network *network);

#endif

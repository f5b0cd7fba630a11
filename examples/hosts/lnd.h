/*
 * A host with the shape of lnd, and the world around it.
 */
#ifndef LND_H
#define LND_H

#include "circuits.h"

/* One line to the peer of each link, and one to who follows events. */
enum { EVENTS_LINE = LINKS, LND_LINES };

enum lnd_kind {
    LND_REESTABLISH = 1, /* from the node: a HTLCs came in, b of them fulfilled, c went out */
    LND_ADD,             /* either way: HTLC a; to the node also b, the link to forward it on */
    LND_REVOKE,          /* from the node: HTLC a is committed */
    LND_FULFIL,          /* either way: HTLC a; from the node also b, the link it went out on */
    LND_EVENT,           /* from the node: HTLC b of link a was forwarded; c its output id */
    LND_ACK,             /* to the node: output id a */
    LND_STATS,           /* from the node: a steps, b commits, c waits for room */
};

/* The node: returns when its peers are gone. */
int lnd_node(const char *directory, const char *broken);

#endif

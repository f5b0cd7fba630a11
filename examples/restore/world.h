/*
 * Names and addresses: who the peers are, where they listen, and what the public graph shows of
 * them.
 */
#ifndef WORLD_H
#define WORLD_H

#include "restore.h"

enum {
    WORLD_NODE_ID_BYTES = 33,
    WORLD_ADDRESS_BYTES = 7, /* BOLT 7, type 1: type, IPv4, port */
    WORLD_SOCKET_BYTES = 32,
    WORLD_NEIGHBOURS = 8,    /* that the graph shows; the last of them is gone for good */
    WORLD_NOBODY = 99,
    WORLD_BLOCK_HEIGHT = 900000,
};

/* The node that lost its data, as its peers know it. */
extern const uint8_t WORLD_NODE_ID[WORLD_NODE_ID_BYTES];

void world_node_id(unsigned peer, uint8_t node_id[WORLD_NODE_ID_BYTES]);

/* WORLD_NOBODY for a stranger. */
unsigned world_peer_of(const uint8_t *node_id);

/* Every one in another /16: lnkeep keeps no two shares in one. */
void world_address(unsigned peer, uint8_t address[WORLD_ADDRESS_BYTES]);

/* The socket in the current folder that stands for an address. False for an address that is none of
 * this network. */
bool world_socket(const uint8_t *address, size_t len, char name[WORLD_SOCKET_BYTES]);

/* The peers that the graph shows: those whose channels with the node are announced. The others can
 * only be found in the rosters that blobs carry. */
bool world_is_announced(unsigned peer);

#endif

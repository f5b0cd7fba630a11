/*
 * A network of Unix sockets, with the names and addresses of a real one.
 */
#include "world.h"

#include <stdio.h>
#include <string.h>

enum { PORT = 9735, NODE_ID_PREFIX_BYTES = 32 };

/* Opaque to lnkeep: any 33 bytes. */
const uint8_t WORLD_NODE_ID[WORLD_NODE_ID_BYTES] = "\x03" "the node that loses its data    ";

void world_node_id(unsigned peer, uint8_t node_id[WORLD_NODE_ID_BYTES])
{
    memcpy(node_id, "\x02" "a peer that keeps the backup   ", NODE_ID_PREFIX_BYTES);
    node_id[NODE_ID_PREFIX_BYTES] = (uint8_t)peer;
}

unsigned world_peer_of(const uint8_t *node_id)
{
    uint8_t prefix[WORLD_NODE_ID_BYTES];
    world_node_id(0, prefix);
    const bool is_peer = memcmp(node_id, prefix, NODE_ID_PREFIX_BYTES) == 0;
    return is_peer ? node_id[NODE_ID_PREFIX_BYTES] : WORLD_NOBODY;
}

void world_address(unsigned peer, uint8_t address[WORLD_ADDRESS_BYTES])
{
    const uint8_t descriptor[WORLD_ADDRESS_BYTES] = {
        1, 10, (uint8_t)(1 + peer), 0, 1, PORT >> 8, PORT & 0xff,
    };
    memcpy(address, descriptor, sizeof descriptor);
}

bool world_socket(const uint8_t *address, size_t len, char name[WORLD_SOCKET_BYTES])
{
    if (len != WORLD_ADDRESS_BYTES || address[0] != 1) {
        return false;
    }
    const unsigned port = (unsigned)address[5] << 8 | address[6];
    snprintf(name, WORLD_SOCKET_BYTES, "%u.%u.%u.%u:%u", address[1], address[2], address[3],
             address[4], port);
    return true;
}

bool world_is_announced(unsigned peer)
{
    return peer < WORLD_NEIGHBOURS - 1;
}

/*
 * What the nodes and the world around them say to each other: one packet, one message. Both ends
 * are the same program, so a packet is sent as it is. What is stored is little-endian.
 */
#ifndef PACKET_H
#define PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet {
    uint64_t kind;
    uint64_t a, b, c, d; /* as the kind says */
};

/* False when the other side is gone. */
bool packet_send(int fd, const struct packet *packet);

/* Waits for the next packet; false when the other side is gone. */
bool packet_receive(int fd, struct packet *packet);

static inline size_t put_u64(uint8_t *to, size_t at, uint64_t value)
{
    for (int byte = 0; byte < 8; byte++) {
        to[at++] = (uint8_t)(value >> (8 * byte));
    }
    return at;
}

static inline uint64_t get_u64(const uint8_t *from)
{
    uint64_t value = 0;
    for (int byte = 7; byte >= 0; byte--) {
        value = value << 8 | from[byte];
    }
    return value;
}

#endif

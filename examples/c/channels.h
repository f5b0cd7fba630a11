/*
 * The two connections of the node to the world outside, which survives it: `orders` to the client
 * that wants payments made, `peer` to the node at the other end of the channel.
 *
 * Both are sockets that keep the borders of messages (SOCK_SEQPACKET, as Linux has it), so that a
 * kill never leaves half of one, and what a killed node had sent can still be read. The peer's
 * messages are in wire.h, the client's here: structures, because both ends are the same program.
 */
#ifndef CHANNELS_H
#define CHANNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "Dispatch attempt id". Sent again, with the SAME id, to every restarted node until the client
 * knows the result: the node must be able to tell a repeat from a new order. */
struct order {
    uint64_t id;
    uint64_t amount_msat;
    uint64_t recorded_below; /* the client has every result below this id on record */
    uint32_t cltv_expiry;
    uint8_t payment_hash[32];
};

enum report_kind {
    REPORT_READY = 1, /* recovered and about to take orders; a is the store's epoch */
    REPORT_INIT,      /* what lnkeep answered to the init of id: status */
    REPORT_RESULT,    /* the result of id is durable: result_kind and local */
    REPORT_STATS,     /* a commits and b operations since this open */
};

/* What the node tells the client, always right after lnkeep answered, never before. */
struct report {
    uint32_t kind;
    int32_t status;
    uint64_t id;
    uint32_t result_kind; /* LNKEEP_RESULT_* */
    uint32_t local;       /* 1 for a failure of this node itself: the HTLC did not leave */
    uint64_t a;
    uint64_t b;
};

/* A connected pair; the second end is inherited by a child, the first is not. */
bool channel_pair(int ends[2]);

/* Sends one message and waits while the other end is slow. False when it is gone. */
bool channel_send(int fd, const void *message, size_t len);

enum channel_state { CHANNEL_OK, CHANNEL_WOULD_WAIT, CHANNEL_CLOSED };

/* The same without waiting. */
enum channel_state channel_try_send(int fd, const void *message, size_t len);
enum channel_state channel_try_receive(int fd, void *message, size_t capacity, size_t *len);

/* Receives one message, waiting for it. CHANNEL_CLOSED when the other end is gone. */
enum channel_state channel_receive(int fd, void *message, size_t capacity, size_t *len);

#endif

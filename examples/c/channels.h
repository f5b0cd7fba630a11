/*
 * The two connections of the node to the world outside, which survives it: `orders` to the client
 * that wants payments made, `peer` to the node at the other end of the channel.
 *
 * Both are sockets that keep the borders of messages (SOCK_SEQPACKET, as Linux has it), so that a
 * kill never leaves half of one, and what a killed node had sent can still be read. The peer's
 * messages are in wire.h, the client's in orders.h.
 */
#ifndef CHANNELS_H
#define CHANNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

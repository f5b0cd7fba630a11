/*
 * The wire: takes connections of the consumer, carries their messages to the provider and back, and
 * shows each of them to the judge. A peer cannot tell it from a network.
 */
#ifndef PEERS_RELAY_H
#define PEERS_RELAY_H

#include "frames.h"
#include "peers_judge.h"

#include <poll.h>

/* One direction: a message is read whole, then written whole. */
struct relay_way {
    struct frame_reader reader;
    bool is_writing;
    size_t written;
};

struct relay {
    int listen_fd;
    int consumer_fd, provider_fd; /* -1 without a connection */
    struct relay_way to_provider, to_consumer;
};

bool relay_open(struct relay *relay);
void relay_close(struct relay *relay);

/* Takes the next connection if there is none and one waits. True when there is a new one: what the
 * consumer said before it is to be heard before anything on it is judged. */
bool relay_accept(struct relay *relay);

/* Carries what there is, and waits at most so long for something. `hear` is called before a message
 * is judged: what its sender said before. */
void relay_carry(struct relay *relay, struct judge *judge, void (*hear)(void *), void *argument);

/* Descriptors to wait for; how many. */
unsigned relay_poll(const struct relay *relay, struct pollfd fds[2]);

/* Breaks the connection, whatever is under way. */
void relay_drop(struct relay *relay);

#endif

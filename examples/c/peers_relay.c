/*
 * Reading, showing and writing of what two connections carry.
 */
#define _XOPEN_SOURCE 700
#include "peers_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

bool relay_open(struct relay *relay)
{
    relay->consumer_fd = relay->provider_fd = -1;
    relay->listen_fd = frame_listen(PEERS_WIRE_SOCKET);
    return relay->listen_fd >= 0;
}

void relay_drop(struct relay *relay)
{
    if (relay->consumer_fd >= 0) {
        close(relay->consumer_fd);
        close(relay->provider_fd);
    }
    relay->consumer_fd = relay->provider_fd = -1;
}

void relay_close(struct relay *relay)
{
    relay_drop(relay);
    close(relay->listen_fd);
}

static void restart(struct relay_way *way)
{
    way->reader.len = 0;
    way->is_writing = false;
    way->written = 0;
}

bool relay_accept(struct relay *relay)
{
    struct pollfd waits = {.fd = relay->listen_fd, .events = POLLIN};
    if (relay->consumer_fd >= 0 || poll(&waits, 1, 0) != 1) {
        return false;
    }
    relay->consumer_fd = frame_accept(relay->listen_fd);
    if (relay->consumer_fd < 0) {
        return false;
    }
    relay->provider_fd = frame_connect(PEERS_PROVIDER_SOCKET);
    if (relay->provider_fd < 0) {
        close(relay->consumer_fd); /* the provider is dead: the consumer tries again */
        relay->consumer_fd = -1;
        return false;
    }
    restart(&relay->to_provider);
    restart(&relay->to_consumer);
    return true;
}

/* Writes what the other end takes without waiting. False when it is gone. */
static bool write_on(struct relay_way *way, int to)
{
    while (way->written < way->reader.len) {
        const ssize_t sent = send(to, way->reader.bytes + way->written,
                                  way->reader.len - way->written, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0) {
            way->written += (size_t)sent;
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else if (sent < 0 && errno != EINTR) {
            return false;
        }
    }
    way->is_writing = false;
    return true;
}

/* One way, as far as it goes. False at the end of the connection. */
static bool carry_all(struct relay *relay, bool is_back, struct judge *judge, void (*hear)(void *),
                      void *argument)
{
    struct relay_way *way = is_back ? &relay->to_consumer : &relay->to_provider;
    const int from = is_back ? relay->provider_fd : relay->consumer_fd;
    const int to = is_back ? relay->consumer_fd : relay->provider_fd;
    for (;;) {
        lnkeep_bytes message;
        if (way->is_writing && !write_on(way, to)) {
            return false;
        }
        if (way->is_writing) {
            return true;
        }
        switch (frame_read(from, &way->reader, &message)) {
        case FRAME_WHOLE:
            way->is_writing = true;
            way->written = 0;
            hear(argument);
            (is_back ? judge_from_provider : judge_from_consumer)(judge, message);
            break;
        case FRAME_PARTIAL:
            return true;
        case FRAME_GONE:
            return false;
        }
    }
}

void relay_carry(struct relay *relay, struct judge *judge, void (*hear)(void *), void *argument)
{
    if (relay->consumer_fd < 0) {
        return;
    }
    const bool lives = carry_all(relay, false, judge, hear, argument) &&
                       carry_all(relay, true, judge, hear, argument);
    if (!lives) {
        relay_drop(relay);
    }
}

static short events(const struct relay_way *way, const struct relay_way *back)
{
    return (short)((way->is_writing ? 0 : POLLIN) | (back->is_writing ? POLLOUT : 0));
}

unsigned relay_poll(const struct relay *relay, struct pollfd fds[2])
{
    if (relay->consumer_fd < 0) {
        fds[0] = (struct pollfd){.fd = relay->listen_fd, .events = POLLIN};
        return 1;
    }
    const struct relay_way *there = &relay->to_provider, *back = &relay->to_consumer;
    fds[0] = (struct pollfd){.fd = relay->consumer_fd, .events = events(there, back)};
    fds[1] = (struct pollfd){.fd = relay->provider_fd, .events = events(back, there)};
    return 2;
}

/*
 * The calls of sockets that the demo needs, with every EINTR and dead end dealt with.
 */
#define _XOPEN_SOURCE 700
#include "channels.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

bool channel_pair(int ends[2])
{
    /* A dead node must not look alive because somebody else holds its end of the socket, so only
     * the child that is meant to inherits it. */
    return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0 &&
           fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0;
}

static enum channel_state transmit(int fd, const void *message, size_t len, int flags)
{
    for (;;) {
        ssize_t sent = send(fd, message, len, flags | MSG_NOSIGNAL);
        if (sent >= 0) {
            return CHANNEL_OK;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHANNEL_WOULD_WAIT;
        }
        if (errno != EINTR) {
            return CHANNEL_CLOSED;
        }
    }
}

static enum channel_state receive(int fd, void *message, size_t capacity, size_t *len, int flags)
{
    for (;;) {
        ssize_t received = recv(fd, message, capacity, flags);
        if (received > 0) {
            *len = (size_t)received;
            return CHANNEL_OK;
        }
        if (received == 0) {
            return CHANNEL_CLOSED;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return CHANNEL_WOULD_WAIT;
        }
        /* ECONNRESET: the other end died with unread messages; its own may still be queued here. */
        if (errno != EINTR && errno != ECONNRESET) {
            return CHANNEL_CLOSED;
        }
    }
}

bool channel_send(int fd, const void *message, size_t len)
{
    return transmit(fd, message, len, 0) == CHANNEL_OK;
}

enum channel_state channel_try_send(int fd, const void *message, size_t len)
{
    return transmit(fd, message, len, MSG_DONTWAIT);
}

enum channel_state channel_receive(int fd, void *message, size_t capacity, size_t *len)
{
    return receive(fd, message, capacity, len, 0);
}

enum channel_state channel_try_receive(int fd, void *message, size_t capacity, size_t *len)
{
    return receive(fd, message, capacity, len, MSG_DONTWAIT);
}

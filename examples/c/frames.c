/*
 * Reading and writing of messages, with every EINTR and dead end dealt with.
 */
#define _XOPEN_SOURCE 700
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FEATURE_BYTES = 6, BACKLOG = 4 };

static size_t get_u16(const uint8_t *at)
{
    return (size_t)at[0] << 8 | at[1];
}

static void put_u16(uint8_t *at, size_t number)
{
    at[0] = (uint8_t)(number >> 8);
    at[1] = (uint8_t)number;
}

enum frame_state frame_read(int fd, struct frame_reader *reader, lnkeep_bytes *message)
{
    if (reader->len >= 2 && reader->len == 2 + get_u16(reader->bytes)) {
        reader->len = 0; /* the message before was read to its end */
    }
    for (;;) {
        const size_t whole = reader->len < 2 ? 2 : 2 + get_u16(reader->bytes);
        if (reader->len >= 2 && reader->len == whole) {
            *message = (lnkeep_bytes){.ptr = reader->bytes + 2, .len = whole - 2};
            return FRAME_WHOLE;
        }
        const ssize_t got =
            recv(fd, reader->bytes + reader->len, whole - reader->len, MSG_DONTWAIT);
        if (got > 0) {
            reader->len += (size_t)got;
        } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return FRAME_PARTIAL;
        } else if (got == 0 || errno != EINTR) {
            return FRAME_GONE;
        }
    }
}

static bool send_all(int fd, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        const ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
    }
    return true;
}

bool frame_send(int fd, lnkeep_bytes message)
{
    uint8_t head[2];
    put_u16(head, message.len);
    return message.len < FRAME_BYTES_MAX - 1 && send_all(fd, head, sizeof head) &&
           send_all(fd, message.ptr, message.len);
}

unsigned frame_type(lnkeep_bytes message)
{
    return message.len < 2 ? 0 : (unsigned)get_u16(message.ptr);
}

void frame_write_init(uint8_t message[FRAME_INIT_BYTES], bool offers_storage)
{
    memset(message, 0, FRAME_INIT_BYTES);
    put_u16(message, FRAME_INIT);
    put_u16(message + 4, FEATURE_BYTES); /* after the old, empty vector of global features */
    if (offers_storage) {
        /* Bit 43, counted from the end: the odd bit, for nobody has to understand it. */
        message[6 + FEATURE_BYTES - 1 - 43 / 8] |= 1u << 43 % 8;
    }
}

bool frame_read_init(lnkeep_bytes message, lnkeep_bytes *features)
{
    if (frame_type(message) != FRAME_INIT || message.len < 4) {
        return false;
    }
    const size_t features_at = 4 + get_u16(message.ptr + 2);
    if (message.len < features_at + 2) {
        return false;
    }
    const size_t len = get_u16(message.ptr + features_at);
    if (message.len < features_at + 2 + len) {
        return false;
    }
    *features = (lnkeep_bytes){.ptr = message.ptr + features_at + 2, .len = len};
    return true;
}

void frame_write_reestablish(uint8_t message[FRAME_REESTABLISH_BYTES], uint64_t commitment_number)
{
    memset(message, 0, FRAME_REESTABLISH_BYTES);
    put_u16(message, FRAME_CHANNEL_REESTABLISH);
    memset(message + 2, 0x11, 32); /* the channel's id */
    for (unsigned i = 0; i < 8; i++) {
        message[2 + 32 + i] = (uint8_t)(commitment_number >> (8 * (7 - i)));
    }
}

static int make_socket(const char *name, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(name) >= sizeof address->sun_path) {
        return -1;
    }
    strcpy(address->sun_path, name);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int frame_listen(const char *name)
{
    struct sockaddr_un address;
    const int fd = make_socket(name, &address);
    unlink(name);
    if (fd >= 0 && (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
                    listen(fd, BACKLOG) != 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int frame_accept(int listen_fd)
{
    const int fd = accept(listen_fd, NULL, NULL);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int frame_connect(const char *name)
{
    struct sockaddr_un address;
    const int fd = make_socket(name, &address);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

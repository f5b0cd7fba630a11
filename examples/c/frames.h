/*
 * Messages of BOLT 1 on a stream socket: two bytes of length, then the message, which begins with
 * two bytes of type. A real connection encrypts both (BOLT 8).
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <lnkeep.h>
#include <stdbool.h>

enum {
    FRAME_INIT = 16,
    FRAME_CHANNEL_REESTABLISH = 136,
    FRAME_INIT_BYTES = 12,
    FRAME_REESTABLISH_BYTES = 115,
    FRAME_BYTES_MAX = 2 + 65535,
};

/* Start with {0}; one for each connection. */
struct frame_reader {
    size_t len;
    uint8_t bytes[FRAME_BYTES_MAX];
};

enum frame_state { FRAME_WHOLE, FRAME_PARTIAL, FRAME_GONE };

/* Reads what is there of one message, without waiting. With FRAME_WHOLE the message is a view into
 * the reader, valid until the next call. */
enum frame_state frame_read(int fd, struct frame_reader *reader, lnkeep_bytes *message);

/* Sends one message and waits while the other end is slow. False when it is gone. */
bool frame_send(int fd, lnkeep_bytes message);

/* 0 for a message without a type. */
unsigned frame_type(lnkeep_bytes message);

/* The first message on a connection. Only a provider offers storage (BOLT 9). */
void frame_write_init(uint8_t message[FRAME_INIT_BYTES], bool offers_storage);

/* Finds the feature vector in an init. */
bool frame_read_init(lnkeep_bytes message, lnkeep_bytes *features);

/* A channel_reestablish (BOLT 2), whose points and secrets are no matter here. */
void frame_write_reestablish(uint8_t message[FRAME_REESTABLISH_BYTES], uint64_t commitment_number);

/* A listening socket in the current folder, in place of one that a killed process left; -1. */
int frame_listen(const char *name);

/* The next connection to it, which there must be; -1 when it is gone already. */
int frame_accept(int listen_fd);

/* A connection to one; -1 when nobody listens. */
int frame_connect(const char *name);

#endif

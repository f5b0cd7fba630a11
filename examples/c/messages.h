/*
 * bolt2-messages.txt in memory: what the answers of the simulated network look like.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "wire.h"

enum { MESSAGES_FULFILLS = 256, MESSAGES_FAILS_MAX = 64 };

struct message {
    size_t len;
    uint8_t bytes[WIRE_ANSWER_BYTES_MAX];
};

struct messages {
    struct message fulfills[MESSAGES_FULFILLS];
    struct message fails[MESSAGES_FAILS_MAX];
    size_t fulfills_len;
    size_t fails_len;
};

/* Reads the file; prints what is wrong with it and returns false if it cannot be used. */
bool messages_load(struct messages *messages, const char *path);

/* The preimage of an invoice, by the rule that the file states and goes on with beyond its end. */
void messages_preimage(uint64_t number, uint8_t preimage[32]);

/* The answers to the HTLC of this id. Always the same, so that what was kept can be checked. */
void messages_fulfill(const struct messages *messages, uint64_t id, const uint8_t preimage[32],
                      struct message *answer);
void messages_fail(const struct messages *messages, uint64_t id, unsigned failure_code,
                   struct message *answer);

#endif

/*
 * bolt2-messages.txt in memory: the answers of the simulated network, and which one an HTLC gets.
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
    uint8_t payment_hashes[MESSAGES_FULFILLS][32];
    struct message fulfills[MESSAGES_FULFILLS];
    struct message fails[MESSAGES_FAILS_MAX];
    size_t fulfills_len;
    size_t fails_len;
};

/* Reads the file; prints what is wrong with it and returns false if it cannot be used. */
bool messages_load(struct messages *messages, const char *path);

/* Payment hash of the attempt with this id. */
const uint8_t *messages_payment_hash(const struct messages *messages, uint64_t id);

/* The answer to the HTLC of this id. Always the same, so that what was kept can be checked. */
void messages_answer(const struct messages *messages, uint64_t id, struct message *answer);

#endif

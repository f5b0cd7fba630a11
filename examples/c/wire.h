/*
 * BOLT 2 messages as bytes: what leaves the node and what its peer answers.
 *
 * Knows nothing of lnkeep. Both processes of the demo use it: the node writes update_add_htlc and
 * reads answers, the simulated network the other way round.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_UPDATE_ADD_HTLC = 128,
    WIRE_UPDATE_FULFILL_HTLC = 130,
    WIRE_UPDATE_FAIL_HTLC = 131,
    WIRE_COMMITMENT_SIGNED = 132,

    /* Stand-ins, in the range for experiments (32768 and above), for what the demo does not act
     * out: channel_reestablish, which tells after a reconnect which HTLCs the peer holds, and
     * revoke_and_ack, after which the peer forgets one. */
    WIRE_HTLCS_HELD = 65001,
    WIRE_HTLC_FORGET = 65003,
};

/* All with the same peer. */
enum { WIRE_CHANNELS = 4, WIRE_CHANNEL_ID_BYTES = 32 };

enum {
    WIRE_ID_OFFSET = 2 + 32,       /* of the HTLC's id, the same in every message above */
    WIRE_PREIMAGE_OFFSET = WIRE_ID_OFFSET + 8, /* in a fulfill */
    WIRE_ONION_BYTES = 1366,       /* BOLT 4 */
    WIRE_ADD_BYTES = 2 + 32 + 8 + 8 + 32 + 4 + WIRE_ONION_BYTES,
    WIRE_SIGNED_BYTES = 2 + 32 + 64 + 2, /* without HTLC signatures */
    WIRE_COMMITTED_ADD_BYTES = WIRE_ADD_BYTES + WIRE_SIGNED_BYTES,
    WIRE_FORGET_BYTES = 2 + 32 + 8 + 8,
    WIRE_HELD_MAX = 1024,
    WIRE_HELD_BYTES_MAX = 2 + 32 + 8 * WIRE_HELD_MAX,
    WIRE_BYTES_MAX = WIRE_HELD_BYTES_MAX,
    WIRE_ANSWER_BYTES_MAX = 2048,  /* of the answers in bolt2-messages.txt, with room */
};

/* Failure codes of BOLT 4. */
enum {
    WIRE_TEMPORARY_NODE_FAILURE = 0x2002,
    WIRE_TEMPORARY_CHANNEL_FAILURE = 0x1007,
    WIRE_UNKNOWN_OR_INCORRECT_DETAILS = 0x400f, /* by the receiver: no other route will do */
    WIRE_MPP_TIMEOUT = 0x0017,                  /* by the receiver: the other parts did not come */
};

struct wire_add {
    unsigned channel;
    uint64_t id;
    uint64_t amount_msat; /* of the HTLC on our channel: what the receiver gets, and the fees */
    uint8_t payment_hash[32];
    uint32_t cltv_expiry;
    /* What the onion tells the hops and the receiver. Encryption is no subject of this example: it
     * lies in the clear, at fixed places. */
    uint64_t receiver_msat;
    uint64_t total_msat;       /* payment_data, with the secret; 0 without it */
    uint8_t payment_secret[32];
};

/* revoke_and_ack for the removal of an HTLC. */
struct wire_forget {
    unsigned channel;
    uint64_t id;
    uint64_t commitment_number;
};

/* A fulfill or a fail; the message itself stays with the caller. */
struct wire_answer {
    unsigned type;
    unsigned channel;
    uint64_t id;
    uint8_t preimage[32];  /* of a fulfill */
    unsigned failure_code; /* of a fail */
};

/* Type of a message, 0 if it is too short to have one. */
unsigned wire_type(const uint8_t *message, size_t len);

/* Channels are told apart by the last byte of their ids. */
void wire_channel_id(unsigned channel, uint8_t id[WIRE_CHANNEL_ID_BYTES]);
bool wire_read_channel_id(const uint8_t id[WIRE_CHANNEL_ID_BYTES], unsigned *channel);

/* update_add_htlc and, right behind it, the commitment_signed that covers it. Signatures are no
 * subject of this example either: the commitment's number stands where its signature would be. */
void wire_write_add(uint8_t message[WIRE_COMMITTED_ADD_BYTES], const struct wire_add *add,
                    uint64_t commitment_number);
bool wire_read_add(const uint8_t *message, size_t len, struct wire_add *add,
                   uint64_t *commitment_number);

/* Accepts exactly what BOLT 2 allows: every length right, the channel ours, TLV records well formed
 * and none of an even type, since this node knows none. */
bool wire_read_answer(const uint8_t *message, size_t len, struct wire_answer *answer);

/* Writes a channel, an id, a preimage or a failure code over the one in an answer. A code lies
 * where BOLT 4 has it when every hop's encryption is taken off; this example knows none. */
void wire_set_channel(uint8_t *message, unsigned channel);
void wire_set_id(uint8_t *message, uint64_t id);
void wire_set_preimage(uint8_t *message, const uint8_t preimage[32]);
void wire_set_failure_code(uint8_t *message, unsigned code);

void wire_write_forget(uint8_t message[WIRE_FORGET_BYTES], const struct wire_forget *forget);
bool wire_read_forget(const uint8_t *message, size_t len, struct wire_forget *forget);

/* Of all channels. At most WIRE_HELD_MAX ids; returns the length of the message. */
size_t wire_write_held(uint8_t message[WIRE_HELD_BYTES_MAX], const uint64_t *ids, size_t ids_len);
bool wire_read_held(const uint8_t *message, size_t len, uint64_t ids[WIRE_HELD_MAX],
                    size_t *ids_len);

#endif

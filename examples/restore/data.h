/*
 * The node's own data at each of its versions: a payload, which stands for a static channel backup
 * with what penalties need, and the HTLCs in flight. Drawn from a seed, so that the parent knows it
 * too.
 */
#ifndef DATA_H
#define DATA_H

#include "restore.h"

enum {
    DATA_BLOCK_BYTES = 64,
    DATA_PAYLOAD_BYTES_MAX = 1344 * DATA_BLOCK_BYTES,
    DATA_HTLCS_MAX = 48,
    DATA_CHANNEL_ID_BYTES = 32,
    DATA_POINT_BYTES = 33,
};

/* Begins every block of a payload: what must not be found on a peer's disk. */
#define DATA_MARK "channel state of"

/* Without gaps, so that two can be compared as bytes. */
struct data_htlc {
    uint64_t id;
    uint64_t amount_msat;
    uint32_t cltv_expiry;
    uint8_t channel;
    uint8_t is_incoming;
    uint8_t has_preimage;
    uint8_t reserved;
    uint8_t payment_hash[32];
    uint8_t preimage[32]; /* zero without */
};

/* Bytes of the payload of a version, 1 and up; how many. */
size_t data_payload(uint64_t seed, unsigned version, uint8_t bytes[DATA_PAYLOAD_BYTES_MAX]);

/* The version that a block of a payload says it is of; 0 for no block. */
unsigned data_version_of(const uint8_t block[DATA_BLOCK_BYTES]);

/* HTLC number `i` as it is in a version; false when it is not in flight then. */
bool data_htlc(uint64_t seed, unsigned i, unsigned version, struct data_htlc *htlc);

/* Its preimage, whoever knows it by then. */
void data_preimage(uint64_t seed, unsigned i, uint8_t preimage[32]);

void data_channel_id(unsigned channel, uint8_t id[DATA_CHANNEL_ID_BYTES]);

/* The channel of an id; RESTORE_PEERS for none of ours. */
unsigned data_channel_of(const uint8_t *id);

#endif

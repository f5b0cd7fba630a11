/*
 * Fields of messages, each at its place.
 */
#include "wire.h"

#include <string.h>

/* The channel of bolt2-messages.txt: SHA-256 of "lnkeep demo channel". It is the first of ours; the
 * others have the next last bytes. */
static const uint8_t CHANNEL_ID[32] = {
    0xc7, 0x32, 0x37, 0xc6, 0x6c, 0x8f, 0xdc, 0xb2, 0x86, 0xc4, 0x6f, 0x58, 0x06, 0xb1, 0x05, 0xa2,
    0x46, 0x0e, 0xd7, 0x90, 0xb2, 0x2a, 0x01, 0xa5, 0xbe, 0xe9, 0xa4, 0x10, 0x5a, 0x0b, 0xa6, 0x13,
};

/* BOLT 4: a failure on its way back is hmac 32, length 2, message and padding 256 + 2. The message
 * begins with its code. */
enum {
    REASON_BYTES = 292,
    REASON_OFFSET = WIRE_ID_OFFSET + 8 + 2,
    FAILURE_LENGTH_OFFSET = REASON_OFFSET + 32,
    FAILURE_CODE_OFFSET = FAILURE_LENGTH_OFFSET + 2,
};

/* Where the parts of the onion lie. */
enum { ONION_AMOUNT = 0, ONION_TOTAL = 8, ONION_SECRET = 16, ONION_END = 48 };

static void put(uint8_t *at, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    }
}

static uint64_t get(const uint8_t *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++) {
        number = number << 8 | at[i];
    }
    return number;
}

void wire_channel_id(unsigned channel, uint8_t id[WIRE_CHANNEL_ID_BYTES])
{
    memcpy(id, CHANNEL_ID, sizeof CHANNEL_ID);
    id[WIRE_CHANNEL_ID_BYTES - 1] = (uint8_t)(id[WIRE_CHANNEL_ID_BYTES - 1] + channel);
}

bool wire_read_channel_id(const uint8_t id[WIRE_CHANNEL_ID_BYTES], unsigned *channel)
{
    const size_t last = WIRE_CHANNEL_ID_BYTES - 1;
    *channel = (unsigned)(id[last] - CHANNEL_ID[last]);
    return memcmp(id, CHANNEL_ID, last) == 0 && *channel < WIRE_CHANNELS;
}

/* Writes what every message begins with; returns where the next field goes. */
static uint8_t *put_head(uint8_t *message, unsigned type, unsigned channel, uint64_t id)
{
    put(message, type, 2);
    wire_channel_id(channel, message + 2);
    put(message + WIRE_ID_OFFSET, id, 8);
    return message + WIRE_ID_OFFSET + 8;
}

static bool is_ours(const uint8_t *message, size_t len, unsigned *channel)
{
    return len >= WIRE_ID_OFFSET && wire_read_channel_id(message + 2, channel);
}

unsigned wire_type(const uint8_t *message, size_t len)
{
    return len < 2 ? 0 : (unsigned)get(message, 2);
}

void wire_set_channel(uint8_t *message, unsigned channel)
{
    wire_channel_id(channel, message + 2);
}

void wire_set_id(uint8_t *message, uint64_t id)
{
    put(message + WIRE_ID_OFFSET, id, 8);
}

void wire_set_preimage(uint8_t *message, const uint8_t preimage[32])
{
    memcpy(message + WIRE_PREIMAGE_OFFSET, preimage, 32);
}

void wire_set_failure_code(uint8_t *message, unsigned code)
{
    put(message + FAILURE_LENGTH_OFFSET, 2, 2);
    put(message + FAILURE_CODE_OFFSET, code, 2);
}

/* The number goes to the front of the signature. */
static void write_signed(uint8_t message[WIRE_SIGNED_BYTES], unsigned channel, uint64_t number)
{
    memset(message, 0, WIRE_SIGNED_BYTES);
    put_head(message, WIRE_COMMITMENT_SIGNED, channel, number);
}

static bool read_signed(const uint8_t *message, unsigned channel, uint64_t *number)
{
    unsigned signed_channel;
    *number = get(message + WIRE_ID_OFFSET, 8);
    return wire_type(message, WIRE_SIGNED_BYTES) == WIRE_COMMITMENT_SIGNED &&
           is_ours(message, WIRE_SIGNED_BYTES, &signed_channel) && signed_channel == channel;
}

void wire_write_add(uint8_t message[WIRE_COMMITTED_ADD_BYTES], const struct wire_add *add,
                    uint64_t commitment_number)
{
    uint8_t *at = put_head(message, WIRE_UPDATE_ADD_HTLC, add->channel, add->id);
    put(at, add->amount_msat, 8);
    memcpy(at + 8, add->payment_hash, 32);
    put(at + 40, add->cltv_expiry, 4);
    uint8_t *onion = at + 44;
    put(onion + ONION_AMOUNT, add->receiver_msat, 8);
    put(onion + ONION_TOTAL, add->total_msat, 8);
    memcpy(onion + ONION_SECRET, add->payment_secret, 32);
    memset(onion + ONION_END, 0, WIRE_ONION_BYTES - ONION_END);
    write_signed(message + WIRE_ADD_BYTES, add->channel, commitment_number);
}

bool wire_read_add(const uint8_t *message, size_t len, struct wire_add *add,
                   uint64_t *commitment_number)
{
    if (len != WIRE_COMMITTED_ADD_BYTES || wire_type(message, len) != WIRE_UPDATE_ADD_HTLC ||
        !is_ours(message, len, &add->channel) ||
        !read_signed(message + WIRE_ADD_BYTES, add->channel, commitment_number)) {
        return false;
    }
    const uint8_t *at = message + WIRE_ID_OFFSET;
    add->id = get(at, 8);
    add->amount_msat = get(at + 8, 8);
    memcpy(add->payment_hash, at + 16, 32);
    add->cltv_expiry = (uint32_t)get(at + 48, 4);
    const uint8_t *onion = at + 52;
    add->receiver_msat = get(onion + ONION_AMOUNT, 8);
    add->total_msat = get(onion + ONION_TOTAL, 8);
    memcpy(add->payment_secret, onion + ONION_SECRET, 32);
    return true;
}

/* Reads a BigSize of BOLT 1, which must be written in the shortest way. */
static bool read_bigsize(const uint8_t **at, const uint8_t *end, uint64_t *number)
{
    if (*at == end) {
        return false;
    }
    uint8_t first = *(*at)++;
    if (first < 0xfd) {
        *number = first;
        return true;
    }
    size_t bytes = (size_t)2 << (first - 0xfd);
    if ((size_t)(end - *at) < bytes) {
        return false;
    }
    *number = get(*at, bytes);
    *at += bytes;
    uint64_t least = first == 0xfd ? 0xfd : (uint64_t)1 << (4 * bytes);
    return *number >= least;
}

/* BOLT 1: types rise, lengths stay inside, and an unknown even type must be refused. */
static bool tlv_records_are_acceptable(const uint8_t *at, const uint8_t *end)
{
    bool first = true;
    uint64_t previous = 0;
    while (at < end) {
        uint64_t type, len;
        if (!read_bigsize(&at, end, &type) || !read_bigsize(&at, end, &len)) {
            return false;
        }
        bool rises = first || type > previous;
        if (!rises || type % 2 == 0 || len > (uint64_t)(end - at)) {
            return false;
        }
        first = false;
        previous = type;
        at += len;
    }
    return true;
}

bool wire_read_answer(const uint8_t *message, size_t len, struct wire_answer *answer)
{
    const size_t body = WIRE_ID_OFFSET + 8;
    unsigned channel;
    if (len < body || !is_ours(message, len, &channel)) {
        return false;
    }
    memset(answer, 0, sizeof *answer);
    answer->channel = channel;
    answer->type = wire_type(message, len);
    answer->id = get(message + WIRE_ID_OFFSET, 8);
    const uint8_t *at = message + body, *end = message + len;
    size_t left = len - body;
    switch (answer->type) {
    case WIRE_UPDATE_FULFILL_HTLC:
        if (left < 32) {
            return false;
        }
        memcpy(answer->preimage, at, 32);
        return tlv_records_are_acceptable(at + 32, end);
    case WIRE_UPDATE_FAIL_HTLC:
        if (left < 2 + REASON_BYTES || get(at, 2) != REASON_BYTES) {
            return false;
        }
        answer->failure_code = (unsigned)get(message + FAILURE_CODE_OFFSET, 2);
        return tlv_records_are_acceptable(at + 2 + REASON_BYTES, end);
    default:
        return false;
    }
}

void wire_write_forget(uint8_t message[WIRE_FORGET_BYTES], const struct wire_forget *forget)
{
    uint8_t *at = put_head(message, WIRE_HTLC_FORGET, forget->channel, forget->id);
    put(at, forget->commitment_number, 8);
}

bool wire_read_forget(const uint8_t *message, size_t len, struct wire_forget *forget)
{
    if (len != WIRE_FORGET_BYTES || wire_type(message, len) != WIRE_HTLC_FORGET ||
        !is_ours(message, len, &forget->channel)) {
        return false;
    }
    forget->id = get(message + WIRE_ID_OFFSET, 8);
    forget->commitment_number = get(message + WIRE_ID_OFFSET + 8, 8);
    return true;
}

size_t wire_write_held(uint8_t message[WIRE_HELD_BYTES_MAX], const uint64_t *ids, size_t ids_len)
{
    put(message, WIRE_HTLCS_HELD, 2);
    memcpy(message + 2, CHANNEL_ID, sizeof CHANNEL_ID);
    for (size_t i = 0; i < ids_len; i++) {
        put(message + WIRE_ID_OFFSET + 8 * i, ids[i], 8);
    }
    return WIRE_ID_OFFSET + 8 * ids_len;
}

bool wire_read_held(const uint8_t *message, size_t len, uint64_t ids[WIRE_HELD_MAX],
                    size_t *ids_len)
{
    unsigned channel;
    if (wire_type(message, len) != WIRE_HTLCS_HELD || !is_ours(message, len, &channel) ||
        len > WIRE_HELD_BYTES_MAX || (len - WIRE_ID_OFFSET) % 8 != 0) {
        return false;
    }
    *ids_len = (len - WIRE_ID_OFFSET) / 8;
    for (size_t i = 0; i < *ids_len; i++) {
        ids[i] = get(message + WIRE_ID_OFFSET + 8 * i, 8);
    }
    return true;
}

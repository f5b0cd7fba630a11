/*
 * Data that shows what became of it: every block of a payload names its version and its place, so
 * that a mixture of two versions, or a block at the wrong place, cannot look right.
 */
#include "data.h"

#include "chance.h"
#include "sha256.h"
#include "world.h"

#include <string.h>

enum {
    BLOCKS_MIN = 1100, /* more than one blob holds, so that it is cut into shares */
    MARK_BYTES = sizeof DATA_MARK - 1,
    AMOUNT_MSAT_MIN = 400000, /* worth a sweep */
    AMOUNT_MSAT_MAX = 60000000,
};

static struct chance chance_of(uint64_t seed, uint64_t what, uint64_t which)
{
    struct chance chance = {.state = seed ^ what << 48 ^ which << 16};
    chance.state ^= chance_below(&chance, UINT64_MAX);
    return chance;
}

static void put_u32(uint8_t *at, uint32_t number)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(number >> (8 * (3 - i)));
    }
}

static void fill(struct chance *chance, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)chance_below(chance, 256);
    }
}

size_t data_payload(uint64_t seed, unsigned version, uint8_t bytes[DATA_PAYLOAD_BYTES_MAX])
{
    struct chance chance = chance_of(seed, 1, version);
    const uint64_t spread = DATA_PAYLOAD_BYTES_MAX / DATA_BLOCK_BYTES - BLOCKS_MIN + 1;
    const size_t blocks = BLOCKS_MIN + (size_t)chance_below(&chance, spread);
    for (size_t i = 0; i < blocks; i++) {
        uint8_t *block = bytes + i * DATA_BLOCK_BYTES;
        memcpy(block, DATA_MARK, MARK_BYTES);
        put_u32(block + MARK_BYTES, version);
        put_u32(block + MARK_BYTES + 4, (uint32_t)i);
        fill(&chance, block + MARK_BYTES + 8, DATA_BLOCK_BYTES - MARK_BYTES - 8);
    }
    return blocks * DATA_BLOCK_BYTES;
}

unsigned data_version_of(const uint8_t block[DATA_BLOCK_BYTES])
{
    unsigned version = 0;
    for (unsigned i = 0; i < 4; i++) {
        version = version << 8 | block[MARK_BYTES + i];
    }
    return memcmp(block, DATA_MARK, MARK_BYTES) == 0 ? version : 0;
}

void data_preimage(uint64_t seed, unsigned i, uint8_t preimage[32])
{
    struct chance chance = chance_of(seed, 2, i);
    fill(&chance, preimage, 32);
}

bool data_htlc(uint64_t seed, unsigned i, unsigned version, struct data_htlc *htlc)
{
    struct chance chance = chance_of(seed, 3, i);
    const unsigned added = 1 + (unsigned)chance_below(&chance, RESTORE_VERSIONS + 1);
    const unsigned removed = added + 1 + (unsigned)chance_below(&chance, RESTORE_VERSIONS + 1);
    const unsigned known = added + (unsigned)chance_below(&chance, 3);
    memset(htlc, 0, sizeof *htlc);
    htlc->id = i;
    htlc->channel = (uint8_t)chance_below(&chance, RESTORE_PEERS);
    htlc->is_incoming = (uint8_t)chance_below(&chance, 2);
    htlc->amount_msat =
        AMOUNT_MSAT_MIN + chance_below(&chance, AMOUNT_MSAT_MAX - AMOUNT_MSAT_MIN);
    htlc->cltv_expiry = WORLD_BLOCK_HEIGHT + 40 + (uint32_t)chance_below(&chance, 2000);
    uint8_t preimage[32];
    data_preimage(seed, i, preimage);
    sha256(preimage, sizeof preimage, htlc->payment_hash);
    /* A node learns the preimage of what it forwarded, and of what it is to receive. */
    htlc->has_preimage = htlc->is_incoming && version >= known;
    if (htlc->has_preimage) {
        memcpy(htlc->preimage, preimage, sizeof preimage);
    }
    return version >= added && version < removed;
}

void data_channel_id(unsigned channel, uint8_t id[DATA_CHANNEL_ID_BYTES])
{
    memset(id, 0xc0, DATA_CHANNEL_ID_BYTES);
    id[DATA_CHANNEL_ID_BYTES - 1] = (uint8_t)channel;
}

unsigned data_channel_of(const uint8_t *id)
{
    uint8_t expected[DATA_CHANNEL_ID_BYTES];
    const unsigned channel = id[DATA_CHANNEL_ID_BYTES - 1];
    data_channel_id(channel, expected);
    const bool is_ours = channel < RESTORE_PEERS && memcmp(id, expected, sizeof expected) == 0;
    return is_ours ? channel : RESTORE_PEERS;
}

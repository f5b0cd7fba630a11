/* Monitors of the workload in the words of the library: ids, bytes, managers. */

#include "monitors.h"

#include "common.h"

#include <string.h>

enum { ID_FIRST = 0x40, HEIGHT_FIRST = 700000, MANAGER_BYTES_MAX = VALUE_BYTES_MAX };

void channel_id(unsigned channel, uint8_t id[32]) { memset(id, ID_FIRST + (int)channel, 32); }

unsigned channel_of(const uint8_t id[32]) {
    uint8_t wanted[32];
    unsigned channel = 0;
    for (; channel < CHANNELS; channel++) {
        channel_id(channel, wanted);
        if (memcmp(wanted, id, sizeof wanted) == 0) break;
    }
    return channel;
}

static size_t bytes_len(unsigned kind, unsigned seed) {
    if (kind != MONITORS_SNAPSHOT) return 8 + seed * 7;
    /* Among them such as need overflow pages of the engine, and slices of their own. */
    return seed == LARGE_SEED ? VALUE_BYTES_MAX : 16 + seed * 40;
}

lnkeep_bytes monitor_bytes(unsigned kind, unsigned channel, uint64_t update_id, unsigned seed) {
    static uint8_t bytes[MONITOR_BYTES_MAX];
    /* The first snapshot of a channel is one as any other. */
    unsigned what = kind == MONITORS_UPDATE ? MONITORS_UPDATE : MONITORS_SNAPSHOT;
    size_t len = bytes_len(what, seed);
    uint64_t chance = chance_seed(what * 64 + channel, update_id * 256 + seed);
    chance_fill(&chance, bytes, len);
    bytes[0] = (uint8_t)seed;
    return (lnkeep_bytes){bytes, len};
}

uint64_t output_tag(unsigned channel, uint64_t tip, unsigned seed) {
    return (uint64_t)channel << 56 | tip << 8 | seed;
}

unsigned tag_channel(uint64_t tag) { return (unsigned)(tag >> 56); }

uint64_t tag_tip(uint64_t tag) { return tag << 8 >> 16; }

lnkeep_bytes output_bytes(uint64_t tag) {
    static uint8_t bytes[16 + 255 * 9];
    size_t len = 16 + (size_t)(tag & 255) * 9;
    uint64_t chance = tag;
    chance_fill(&chance, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_block snapshot_block(uint64_t update_id) {
    lnkeep_block block = {.height = (uint32_t)(HEIGHT_FIRST + update_id)};
    memset(block.hash, (int)update_id, sizeof block.hash);
    return block;
}

/* The head, and then what follows from its number. */
static void fill_manager(uint8_t *bytes, size_t len, const struct manager_head *head) {
    uint64_t chance = head->number;
    memcpy(bytes, head, sizeof *head);
    chance_fill(&chance, bytes + sizeof *head, len - sizeof *head);
}

lnkeep_bytes manager_bytes(const struct manager_head *head, int is_large) {
    static uint8_t bytes[MANAGER_BYTES_MAX];
    size_t len = is_large ? MANAGER_BYTES_MAX : sizeof *head + head->number % 7 * 900;
    fill_manager(bytes, len, head);
    return (lnkeep_bytes){bytes, len};
}

int manager_read(lnkeep_bytes bytes, struct manager_head *head) {
    static uint8_t wanted[MANAGER_BYTES_MAX];
    if (bytes.len < sizeof *head || bytes.len > sizeof wanted) return 0;
    memcpy(head, bytes.ptr, sizeof *head);
    fill_manager(wanted, bytes.len, head);
    return memcmp(wanted, bytes.ptr, bytes.len) == 0;
}

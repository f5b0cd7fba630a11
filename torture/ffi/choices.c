/* What the bytes of a sequence choose: numbers, keys, flags, times, views, paths, from small pools.
 */

#define _GNU_SOURCE
#include "ffi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint8_t hashes[HASHES][32], preimages[KNOWN_PREIMAGES][32];
uint8_t nodes[NODES][33], channel_ids[CHANNELS][32], secrets[SECRETS][32], sevens[64];

static const uint8_t name_spaces[4][16] = {{0},
                                           {1, 2, 3},
                                           {9},
                                           {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* Two bytes where one does not reach; 0 when there are no more. */
uint32_t pick(struct turn *turn, uint32_t below) {
    uint32_t value = 0;
    if (turn->at < turn->end) value = *turn->at++;
    if (below > 256 && turn->at < turn->end) value |= (uint32_t)*turn->at++ << 8;
    return below ? value % below : 0;
}

int seldom(struct turn *turn, uint32_t of) { return pick(turn, of) == of - 1 && !turn->is_steady; }

void remember(struct numbers *numbers, uint64_t number) {
    numbers->given[numbers->next++ % NUMBERS_MAX] = number;
}

uint64_t pick_number(struct turn *turn, const struct numbers *numbers) {
    uint32_t choice = pick(turn, 32);
    if (turn->is_steady) return numbers->given[(numbers->next + NUMBERS_MAX - 1) % NUMBERS_MAX];
    if (choice == 31) return UINT64_MAX;
    if (choice == 30) return 0;
    if (choice == 29) return pick(turn, 256);
    return numbers->given[choice % NUMBERS_MAX];
}

uint64_t pick_amount(struct turn *turn) {
    static const uint64_t amounts[] = {1000,    1000,     5000,      10000,     1000000, 20000000,
                                       1,       330000,   10000000,  10000000,  0,       5000,
                                       1000000, 1u << 30, INT64_MAX, UINT64_MAX};
    return amounts[pick(turn, sizeof amounts / sizeof *amounts)];
}

/* The host's clock runs, and now and then answers nonsense. */
uint64_t pick_time_ms(struct turn *turn) {
    static const uint64_t steps_ms[] = {0, 1, 100, 1000, 10000, 60000, 600000, 3600000, 86400000};
    uint32_t choice = pick(turn, 64);
    if (turn->is_steady) choice %= 60;
    if (choice == 63) return UINT64_MAX;
    if (choice == 62) return 0;
    if (choice == 61) return turn->now_ms / 2;
    turn->now_ms += steps_ms[choice % (sizeof steps_ms / sizeof *steps_ms)];
    return turn->now_ms;
}

uint32_t pick_height(struct turn *turn) {
    static const uint32_t steps[] = {0, 1, 1, 6, 144, 2016, 0, 1};
    uint32_t choice = pick(turn, 64);
    if (turn->is_steady) choice %= 8;
    if (choice == 63) return UINT32_MAX;
    if (choice == 62) return 0;
    turn->height += steps[choice % 8];
    return turn->height;
}

uint32_t pick_flags(struct turn *turn, uint32_t known) {
    uint32_t choice = pick(turn, 64);
    if (choice < 24 || turn->is_steady) return 0;
    if (choice == 63) {
        turn->doubts = 1;
        return known + 1 + (1u << 31);
    }
    return pick(turn, 256) & known;
}

uint32_t pick_enum(struct turn *turn, uint32_t first, uint32_t last) {
    uint32_t choice = pick(turn, 64);
    if (choice < 60 || turn->is_steady) return first + choice % (last - first + 1);
    turn->doubts = 1;
    return choice == 60 ? first - 1 : choice == 61 ? last + 1 : choice == 62 ? UINT32_MAX : 0;
}

uint32_t pick_reserved(struct turn *turn) {
    if (!seldom(turn, 128)) return 0;
    turn->doubts = 1;
    return 1;
}

lnkeep_attempt_key pick_key(struct turn *turn) {
    lnkeep_attempt_key key;
    uint32_t choice = pick(turn, 128);
    memset(&key, 0, sizeof key);
    if (turn->is_steady) {
        key.id = 1 + turn->steady % 6;
        return key;
    }
    if (choice >= 96) memcpy(key.namespace_bytes, name_spaces[choice / 8 % 4], 16);
    if (choice >= 120) turn->doubts = 1;
    choice = pick(turn, 64);
    key.id = choice < 48   ? 1 + choice % 6
             : choice < 58 ? turn->ids.given[choice % NUMBERS_MAX]
             : choice < 60 ? 0
             : choice < 62 ? (uint64_t)7 << 56 | 3
                           : UINT64_MAX;
    return key;
}

const uint8_t *pick_namespace(struct turn *turn) {
    uint32_t choice = pick(turn, 32);
    if (turn->is_steady) return NULL;
    if (choice == 31) turn->doubts = 1;
    return choice < 20 ? NULL : name_spaces[choice < 28 ? choice % 3 : choice % 4];
}

size_t pick_node(struct turn *turn) {
    size_t node = pick(turn, NODES);
    return turn->is_steady ? turn->steady % NODES : node;
}

size_t pick_channel_id(struct turn *turn) {
    size_t channel = pick(turn, CHANNELS);
    return turn->is_steady ? turn->steady % CHANNELS : channel;
}

const uint8_t *pick_hash(struct turn *turn) {
    uint32_t choice = pick(turn, 32);
    if (turn->is_steady) return hashes[turn->steady % KNOWN_PREIMAGES];
    return hashes[choice < 28 ? choice % KNOWN_PREIMAGES : choice % HASHES];
}

const uint8_t *pick_preimage(struct turn *turn) { return preimages[pick(turn, KNOWN_PREIMAGES)]; }

lnkeep_bytes view_of(struct turn *turn, const void *bytes, size_t len) {
    lnkeep_bytes made = {block(turn, bytes, len), len};
    return made;
}

static lnkeep_bytes filled_view(struct turn *turn, size_t len) {
    lnkeep_bytes made = {NULL, len};
    uint8_t *bytes = block(turn, NULL, len);
    uint8_t filler = (uint8_t)pick(turn, 256);
    memset(bytes, filler, len);
    if (len > 2) bytes[len / 2] = (uint8_t)(filler + 1), bytes[len - 1] = 0;
    made.ptr = bytes;
    return made;
}

lnkeep_bytes view(struct turn *turn) {
    static const uint32_t lengths[] = {0,  1,  5,   32,  33,   64,    65,    65,    100,   5,    1,
                                       32, 64, 300, 888, 1024, 1025,  3000,  16384, 65531, 65532,
                                       65535, 65536, 70000, 5, 32, 100, 300, 1, 12, 40, 0};
    lnkeep_bytes none = {NULL, 0};
    uint32_t choice = pick(turn, 256);
    if (turn->is_steady) return filled_view(turn, 1 + choice);
    if (choice == 255) {
        FAULT(turn);
        none.len = 9;
        return none;
    }
    if (choice == 254) return none;
    /* Long ones cost time, and are as good when they are few. */
    size_t len = lengths[choice % 32];
    return filled_view(turn, len >= 3000 && choice >= 64 ? 7 : len);
}

lnkeep_bytes short_view(struct turn *turn) { return filled_view(turn, 1 + pick(turn, 40)); }

lnkeep_bytes pick_blob(struct turn *turn, unsigned *node) {
    uint32_t choice = pick(turn, 64);
    if (turn->is_steady) choice = (turn->blobs_next + BLOBS_MAX - 1) % BLOBS_MAX;
    const struct blob *blob = &turn->blobs[choice % BLOBS_MAX];
    *node = blob->node;
    if (choice >= 60 || !blob->bytes) return view(turn);
    lnkeep_bytes made = {NULL, blob->len};
    uint8_t *bytes = block(turn, blob->bytes, blob->len);
    made.ptr = bytes;
    if (choice >= 54 && blob->len)
        bytes[pick(turn, (uint32_t)blob->len)] ^= (uint8_t)(1 + pick(turn, 255));
    if (choice == 53) made.len -= made.len / 3;
    if (choice == 52) *node = (*node + 1) % NODES;
    return made;
}

const char *path_of(struct turn *turn, const char *name) {
    char path[PATH_BYTES * 2];
    int wrote = snprintf(path, sizeof path, "%s/%s", turn->directory, name);
    return block(turn, path, (size_t)wrote + 1);
}

const char *pick_path(struct turn *turn, const char *const *names, uint32_t names_len) {
    uint32_t choice = pick(turn, 128);
    if (choice < 122) return path_of(turn, names[choice % names_len]);
    if (choice == 122) return path_of(turn, "missing/below");
    if (choice == 123) {
        turn->names_no_store = 1;
        return path_of(turn, "a-file");
    }
    if (choice == 125) return path_of(turn, "\xff\xfe\x01");
    turn->doubts = 1;
    if (choice == 124) {
        char *path = block(turn, NULL, 5000);
        memset(path, 'x', 4999);
        path[4999] = 0;
        return path;
    }
    FAULT(turn);
    return choice == 126 ? NULL : block(turn, "", 1);
}

/* Arguments: pointers right and wrong, sizes right and wrong, handles open, closed, forged and of
 * other types. */

#define _GNU_SOURCE
#include "ffi.h"

#include <stdlib.h>
#include <string.h>

enum { PATTERN = 0xa5 };

/* One of its own for each argument, so that the sanitizer sees a byte too many. */
void *block(struct turn *turn, const void *bytes, size_t len) {
    if (turn->blocks_len == BLOCKS_MAX) give_up("an operation has too many arguments");
    uint8_t *made = malloc(len ? len : 1);
    if (!made) give_up("memory");
    turn->blocks[turn->blocks_len++] = made;
    if (bytes) memcpy(made, bytes, len);
    else memset(made, 0, len ? len : 1);
    return made;
}

/* --- Pointers. */

/* NULL for 1, misaligned for 2; misaligned ones have room all the same. */
static int pick_mistake(struct turn *turn, size_t align) {
    uint32_t choice = pick(turn, 256);
    if (turn->is_steady) return 0;
    if (choice == 255) return 1;
    if (choice == 254 && align > 1) return 2;
    return 0;
}

static void *misaligned(struct turn *turn, const void *value, size_t len) {
    uint8_t *made = block(turn, NULL, len + 1);
    if (value) memcpy(made + 1, value, len);
    FAULT(turn);
    return made + 1;
}

void *input(struct turn *turn, const void *value, size_t len, size_t align, int is_optional) {
    if (is_optional && pick(turn, 4) == 0) return NULL;
    switch (value ? pick_mistake(turn, align) : 1) {
    case 1:
        if (!is_optional) FAULT(turn);
        return NULL;
    case 2: return misaligned(turn, value, len);
    default: return block(turn, value, len);
    }
}

void *inputs(struct turn *turn, const void *values, size_t count, size_t len, size_t align) {
    if (count == 0) {
        /* Nothing is read, so any pointer will do. */
        return pick(turn, 2) ? NULL : block(turn, NULL, 0);
    }
    switch (pick_mistake(turn, align)) {
    case 1: FAULT(turn); return NULL;
    case 2: return misaligned(turn, values, count * len);
    default: return block(turn, values, count * len);
    }
}

/* Mostly the structure as it is, else one of another version, or of a wrong size. */
void *sized_input(struct turn *turn, const void *value, size_t len, int is_optional) {
    uint32_t choice = pick(turn, 256);
    uint8_t *made;
    size_t size = len;
    if (turn->is_steady) choice = 200;
    if (is_optional == 1 && choice < 64) return NULL;
    if (choice == 255) {
        if (!is_optional) FAULT(turn);
        return NULL;
    }
    if (choice == 254) return misaligned(turn, value, len);
    if (choice == 253) size = len + 8;
    if (choice == 252) size = len + 40;
    if (choice == 251) size = len - 8;
    if (choice == 250) size = sizeof(size_t);
    /* What is malformed may lie in what is cut off. */
    if (size < len) turn->fault = 0, turn->doubts = 1;
    made = block(turn, NULL, size);
    memcpy(made, value, size < len ? size : len);
    if (choice == 252) made[len + 39] = 1, FAULT(turn);
    if (choice == 249) size = 0, FAULT(turn);
    if (choice == 248) size = (size_t)-1, FAULT(turn);
    memcpy(made, &size, sizeof size);
    return made;
}

static void watch(struct turn *turn, uint8_t *bytes, size_t from, size_t len, int is_handle) {
    if (turn->watched_len == WATCHED_MAX) give_up("an operation has too many outputs");
    turn->watched[turn->watched_len++] = (struct watched){bytes, from, len, is_handle};
}

static void *pattern(struct turn *turn, size_t len) {
    void *made = block(turn, NULL, len);
    memset(made, PATTERN, len);
    return made;
}

void *batch_output(struct turn *turn, size_t len, size_t align, int is_optional) {
    if (is_optional && pick(turn, 4) == 0) return NULL;
    switch (pick_mistake(turn, align)) {
    case 1:
        if (!is_optional && len) FAULT(turn);
        return NULL;
    case 2:
        if (len) return misaligned(turn, NULL, len);
        return NULL;
    default: return pattern(turn, len);
    }
}

void *output(struct turn *turn, size_t len, size_t align, int is_optional) {
    void *made = batch_output(turn, len, align, is_optional);
    int is_pattern = made && len && *(uint8_t *)made == PATTERN;
    if (is_pattern) watch(turn, made, 0, len, 0);
    return made;
}

void *handle_output(struct turn *turn) {
    void *made = batch_output(turn, sizeof(uint64_t), _Alignof(uint64_t), 0);
    if (made && *(uint8_t *)made == PATTERN) watch(turn, made, 0, sizeof(uint64_t), 1);
    return made;
}

void *sized_output(struct turn *turn, size_t len, int is_optional) {
    uint32_t choice = pick(turn, 256);
    uint8_t *made;
    size_t size = len;
    if (turn->is_steady) choice = 200;
    if (is_optional && choice < 64) return NULL;
    if (choice == 255) {
        if (!is_optional) FAULT(turn);
        return NULL;
    }
    if (choice == 254) return misaligned(turn, NULL, len);
    if (choice == 253) size = len + 16;
    if (choice == 252) size = len - 8;
    if (choice == 251) size = sizeof(size_t);
    made = pattern(turn, size > 8 ? size : 8);
    if (choice == 250) size = 7, FAULT(turn);
    if (choice == 249) size = 1u << 20, FAULT(turn);
    memcpy(made, &size, sizeof size);
    if (size > sizeof(size_t) && size < 1u << 20) watch(turn, made, sizeof(size_t), size, 0);
    return made;
}

lnkeep_error *error_output(struct turn *turn) {
    uint32_t choice = pick(turn, 128);
    size_t size = sizeof(lnkeep_error);
    turn->err = NULL;
    turn->err_is_whole = 0;
    if (choice < 16) return NULL;
    if (choice == 127) return misaligned(turn, NULL, size);
    if (choice == 126) size += 24;
    uint8_t *made = pattern(turn, size);
    turn->err = (lnkeep_error *)(void *)made;
    turn->err_is_whole = choice != 125;
    if (choice == 125) size = 16, FAULT(turn);
    memcpy(made, &size, sizeof size);
    return turn->err;
}

/* --- Handles. */

static struct held *held_of(struct turn *turn, enum handle_kind kind, uint64_t bits) {
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (bits && turn->held[kind][i].bits == bits) return &turn->held[kind][i];
    }
    return NULL;
}

int is_open_by_model(const struct turn *turn, enum handle_kind kind, uint64_t bits) {
    for (size_t i = 0; i < HELD_MAX; i++) {
        const struct held *held = &turn->held[kind][i];
        if (bits && held->bits == bits) return held->is_open;
    }
    return 0;
}

static struct held *newest_open(struct turn *turn, enum handle_kind kind) {
    for (unsigned back = 1; back <= HELD_MAX; back++) {
        struct held *held = &turn->held[kind][(turn->held_next[kind] + HELD_MAX - back) % HELD_MAX];
        int has_store = !held->store || is_open_by_model(turn, ON_STORE, held->store);
        if (held->is_open && has_store) return held;
    }
    return NULL;
}

uint64_t other_handle(struct turn *turn, enum handle_kind kind) {
    uint32_t choice = pick(turn, 64);
    struct held *held = newest_open(turn, kind);
    if (turn->is_steady) choice = 0;
    if (choice < 52 && held) return held->bits;
    if (choice < 60) return turn->held[kind][choice % HELD_MAX].bits;
    if (choice == 60) return 0;
    /* Of another type. */
    if (choice == 61) return turn->held[(kind + 1) % HANDLE_KINDS][0].bits;
    /* A slot and a generation that may well exist, under a type that may be the right one. */
    if (choice == 62)
        return ((uint64_t)(0x51 + kind) << 56) | ((uint64_t)pick(turn, 8) << 32) | pick(turn, 64);
    return ((uint64_t)pick(turn, 256) << 56) | ((uint64_t)pick(turn, 65536) << 32) |
           pick(turn, 65536);
}

static void aim(struct turn *turn, enum handle_kind kind, uint64_t bits) {
    struct held *held = held_of(turn, kind, bits);
    turn->target_held = held;
    if (turn->is_racing) turn->target = TARGET_UNSURE;
    else if (held) turn->target = held->is_open ? TARGET_OPEN : TARGET_DEAD;
    /* A forged one may hit what the sequence forgot. */
    else turn->target = bits == 0 ? TARGET_DEAD : TARGET_UNSURE;
}

uint64_t handle(struct turn *turn, enum handle_kind kind) {
    uint64_t bits = other_handle(turn, kind);
    /* Of two operations in one call only a batch has handles beside its own. */
    aim(turn, kind, bits);
    if (turn->target == TARGET_UNSURE && bits && bits >> 56 != (uint64_t)(0x51 + kind)) {
        turn->target = turn->is_racing ? TARGET_UNSURE : TARGET_DEAD;
    }
    return bits;
}

uint64_t *handle_to_close(struct turn *turn, enum handle_kind kind) {
    uint64_t bits = handle(turn, kind);
    /* What is closed too often leaves nothing to work with. */
    return input(turn, &bits, sizeof bits, _Alignof(uint64_t), 0);
}

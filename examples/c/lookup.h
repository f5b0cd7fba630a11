/*
 * From a 64-bit key to a place in an array: what the ledger finds its entries by.
 */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lookup {
    struct lookup_slot {
        uint64_t key;
        uint64_t place_plus_one; /* 0 in a slot that is free */
    } *slots;
    size_t capacity; /* a power of two */
    size_t len;
};

/* A key must not be added twice. Ends the program when memory is out. */
void lookup_add(struct lookup *lookup, uint64_t key, uint64_t place);

bool lookup_find(const struct lookup *lookup, uint64_t key, uint64_t *place);

void lookup_free(struct lookup *lookup);

#endif

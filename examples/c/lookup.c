/*
 * Open addressing, at most half full. Keys are spread by a multiplication, because attempt ids are
 * neighbours.
 */
#include "lookup.h"

#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>

enum { CAPACITY_MIN = 4096 };

static struct lookup_slot *slot_of(const struct lookup *lookup, uint64_t key)
{
    uint64_t at = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 20;
    for (;; at++) {
        struct lookup_slot *slot = &lookup->slots[at & (lookup->capacity - 1)];
        if (slot->place_plus_one == 0 || slot->key == key) {
            return slot;
        }
    }
}

static void grow(struct lookup *lookup)
{
    struct lookup old = *lookup;
    lookup->capacity = old.capacity == 0 ? CAPACITY_MIN : 2 * old.capacity;
    lookup->slots = calloc(lookup->capacity, sizeof *lookup->slots);
    if (lookup->slots == NULL) {
        fprintf(stderr, "no memory for the ledger\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].place_plus_one != 0) {
            *slot_of(lookup, old.slots[i].key) = old.slots[i];
        }
    }
    free(old.slots);
}

void lookup_add(struct lookup *lookup, uint64_t key, uint64_t place)
{
    if (2 * lookup->len >= lookup->capacity) {
        grow(lookup);
    }
    *slot_of(lookup, key) = (struct lookup_slot){.key = key, .place_plus_one = place + 1};
    lookup->len++;
}

bool lookup_find(const struct lookup *lookup, uint64_t key, uint64_t *place)
{
    if (lookup->capacity == 0) {
        return false;
    }
    const struct lookup_slot *slot = slot_of(lookup, key);
    *place = slot->place_plus_one - 1;
    return slot->place_plus_one != 0;
}

void lookup_free(struct lookup *lookup)
{
    free(lookup->slots);
    *lookup = (struct lookup){0};
}

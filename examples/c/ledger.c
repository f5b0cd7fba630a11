#include "ledger.h"

#include "outcome.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t ledger_add(struct ledger *ledger)
{
    if (ledger->len == ledger->capacity) {
        uint64_t capacity = ledger->capacity == 0 ? 4096 : 2 * ledger->capacity;
        struct entry *entries = realloc(ledger->entries, capacity * sizeof *entries);
        if (entries == NULL) {
            fprintf(stderr, "no memory for the ledger\n");
            exit(EXIT_COULD_NOT_RUN);
        }
        ledger->entries = entries;
        ledger->capacity = capacity;
    }
    ledger->entries[ledger->len] = (struct entry){0};
    return ++ledger->len;
}

struct entry *ledger_find(struct ledger *ledger, uint64_t id)
{
    if (id == 0 || id > ledger->len) {
        ledger->foreign++;
        return NULL;
    }
    return &ledger->entries[id - 1];
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->entries);
    *ledger = (struct ledger){0};
}

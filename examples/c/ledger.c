/*
 * Arrays that grow, and two ways into them.
 */
#include "ledger.h"

#include "messages.h"
#include "outcome.h"
#include "sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY_MIN = 4096 };

static void *grown(void *entries, size_t len, uint64_t *capacity, size_t entry_bytes)
{
    if (len < *capacity) {
        return entries;
    }
    *capacity = *capacity == 0 ? CAPACITY_MIN : 2 * *capacity;
    entries = realloc(entries, *capacity * entry_bytes);
    if (entries == NULL) {
        fprintf(stderr, "no memory for the ledger\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    return entries;
}

/* Hashes are spread already: the beginning of one is as good as the whole to find it by. */
static uint64_t beginning_of(const uint8_t hash[32])
{
    uint64_t beginning;
    memcpy(&beginning, hash, sizeof beginning);
    return beginning;
}

struct ledger_invoice *ledger_add_invoice(struct ledger *ledger)
{
    ledger->invoices = grown(ledger->invoices, ledger->invoices_len, &ledger->invoices_capacity,
                             sizeof *ledger->invoices);
    struct ledger_invoice *invoice = &ledger->invoices[ledger->invoices_len++];
    *invoice = (struct ledger_invoice){.order.key.invoice = ledger->invoices_len};
    messages_preimage(ledger->invoices_len, invoice->preimage);
    uint8_t *hash = invoice->order.invoice.payment_hash;
    sha256(invoice->preimage, sizeof invoice->preimage, hash);
    lookup_add(&ledger->by_hash, beginning_of(hash), ledger->invoices_len - 1);
    return invoice;
}

struct ledger_attempt *ledger_add_attempt(struct ledger *ledger, uint64_t id)
{
    ledger->attempts = grown(ledger->attempts, ledger->attempts_len, &ledger->attempts_capacity,
                             sizeof *ledger->attempts);
    struct ledger_attempt *attempt = &ledger->attempts[ledger->attempts_len++];
    *attempt = (struct ledger_attempt){.id = id};
    lookup_add(&ledger->by_id, id, ledger->attempts_len - 1);
    return attempt;
}

struct ledger_invoice *ledger_invoice(const struct ledger *ledger, uint64_t number)
{
    return number == 0 || number > ledger->invoices_len ? NULL : &ledger->invoices[number - 1];
}

struct ledger_invoice *ledger_invoice_of(const struct ledger *ledger, const uint8_t hash[32])
{
    uint64_t place;
    if (!lookup_find(&ledger->by_hash, beginning_of(hash), &place)) {
        return NULL;
    }
    struct ledger_invoice *invoice = &ledger->invoices[place];
    return memcmp(invoice->order.invoice.payment_hash, hash, 32) == 0 ? invoice : NULL;
}

struct ledger_attempt *ledger_attempt(const struct ledger *ledger, uint64_t id)
{
    uint64_t place;
    return lookup_find(&ledger->by_id, id, &place) ? &ledger->attempts[place] : NULL;
}

void ledger_free(struct ledger *ledger)
{
    free(ledger->invoices);
    free(ledger->attempts);
    lookup_free(&ledger->by_hash);
    lookup_free(&ledger->by_id);
    *ledger = (struct ledger){0};
}

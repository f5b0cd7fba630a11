/*
 * A million payments in lnkeep, phase by phase; the same phases with bbolt are in go-bindings/bench. Of
 * the payments 1 to COUNT, every COUNT/100th stays in flight, all others succeed.
 */
#include "payments.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNFINISHED 100
#define PAGE_PAYMENTS 100
/* Payments that have several attempts, for each number of attempts. */
#define SAMPLES 64
/* Attempts that are read while fetches are timed. */
#define ATTEMPTS_READ 40000

static char *store_folder;
static struct tower tower;
/* Payments 1 to this one exist; those of `fetch` are beyond. */
static uint64_t payments;
static uint64_t memory_most;

static int is_unfinished(uint64_t payment)
{
    return payment % (payments / UNFINISHED) == 0;
}

static void insert_all(const uint64_t *ids, size_t len)
{
    uint64_t finished[FILL_ROWS];
    size_t finished_len = 0;
    for (size_t i = 0; i < len; i++)
        if (!is_unfinished(ids[i]))
            finished[finished_len++] = ids[i];
    tower_init_all(&tower, ids, len);
    tower_register_all(&tower, ids, ids, len, 1);
    tower_hand_off_all(&tower, ids, len);
    tower_settle_all(&tower, finished, finished, finished_len);
}

/* Every phase answers its figure and is timed, or times a part of itself and sets `ns`. */

static uint64_t insert(uint64_t count, uint64_t *ns)
{
    (void)ns;
    payments = count;
    fill(count, insert_all);
    return count;
}

/* Goes on with a store that an earlier worker filled. */
static uint64_t attach(uint64_t count, uint64_t *ns)
{
    (void)ns;
    payments = count;
    return count;
}

static uint64_t reopen(uint64_t count, uint64_t *ns)
{
    (void)count;
    tower_close(&tower);
    uint64_t before = now_ns();
    tower_open(&tower, store_folder, LNKEEP_STORE_MUST_EXIST);
    *ns = now_ns() - before;
    return 1;
}

static uint64_t unfinished(uint64_t count, uint64_t *ns)
{
    (void)count;
    (void)ns;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    query.statuses =
        1u << LNKEEP_PAYMENT_STATUS_INITIATED | 1u << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    keep_must(lnkeep_payments_list(tower.payments, &query, &page, &err), &err);
    uint64_t found = page->payments_len;
    must(found == UNFINISHED && !page->has_more, "a list of the unfinished");
    lnkeep_payment_page_free(page);
    return found;
}

/* From a closed store to the unfinished payments, as a node starts. */
static uint64_t start(uint64_t count, uint64_t *ns)
{
    tower_close(&tower);
    uint64_t before = now_ns();
    tower_open(&tower, store_folder, LNKEEP_STORE_MUST_EXIST);
    uint64_t found = unfinished(count, ns);
    *ns = now_ns() - before;
    return found;
}

static void read_page(lnkeep_payment_query query)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment_page *page = NULL;
    query.limit = PAGE_PAYMENTS;
    keep_must(lnkeep_payments_list(tower.payments, &query, &page, &err), &err);
    must(page->payments_len == PAGE_PAYMENTS && page->payments->attempts_len == 1, "a page");
    lnkeep_payment_page_free(page);
}

static uint64_t first_pages(uint64_t count, uint64_t *ns)
{
    (void)ns;
    for (uint64_t turn = 0; turn < count; turn++)
        read_page((lnkeep_payment_query)LNKEEP_PAYMENT_QUERY_INIT);
    return count;
}

static uint64_t middle_pages(uint64_t count, uint64_t *ns)
{
    (void)ns;
    for (uint64_t turn = 0; turn < count; turn++) {
        lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
        query.flags = LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = 1 + scatter(turn) % (payments - PAGE_PAYMENTS);
        read_page(query);
    }
    return count;
}

static uint64_t newest_pages(uint64_t count, uint64_t *ns)
{
    (void)ns;
    for (uint64_t turn = 0; turn < count; turn++) {
        lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
        query.flags = LNKEEP_PAYMENT_QUERY_OFFSET | LNKEEP_PAYMENT_QUERY_REVERSED;
        query.offset = payments + 1;
        read_page(query);
    }
    return count;
}

/* A field of /proc/self/status, which is in KiB. */
static uint64_t status_bytes(const char *field)
{
    FILE *status = fopen("/proc/self/status", "r");
    must(status != NULL, "open of /proc/self/status");
    char line[256];
    uint64_t kib = 0;
    int found = 0;
    while (!found && fgets(line, sizeof line, status))
        found = strncmp(line, field, strlen(field)) == 0 &&
                sscanf(line + strlen(field), ": %" SCNu64 " kB", &kib) == 1;
    fclose(status);
    must(found, field);
    return kib * 1024;
}

/* What the process holds beside the file that it maps, which the kernel takes back when it needs to. */
static uint64_t memory(uint64_t count, uint64_t *ns)
{
    (void)count;
    *ns = 0;
    return status_bytes("RssAnon");
}

static uint64_t memory_peak(uint64_t count, uint64_t *ns)
{
    (void)count;
    *ns = 0;
    return memory_most;
}

static uint64_t mapped(uint64_t count, uint64_t *ns)
{
    (void)count;
    *ns = 0;
    return status_bytes("RssFile");
}

/* Every payment with its attempts, page by page, each page freed before the next. */
static uint64_t list_all(uint64_t count, uint64_t *ns)
{
    (void)count;
    (void)ns;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    uint64_t found = 0, has_more = 1;
    memory_most = 0;
    while (has_more) {
        lnkeep_payment_page *page = NULL;
        keep_must(lnkeep_payments_list(tower.payments, &query, &page, &err), &err);
        found += page->payments_len;
        has_more = page->has_more;
        query.flags = LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        uint64_t held = status_bytes("RssAnon");
        memory_most = held > memory_most ? held : memory_most;
        lnkeep_payment_page_free(page);
    }
    must(found >= payments, "a list of all");
    return found;
}

static void fetch(uint64_t payment, size_t attempts)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment *found = NULL;
    uint8_t hash[32];
    tower_hash(payment, hash);
    keep_must(lnkeep_payments_fetch(tower.payments, hash, &found, &err), &err);
    must(found->attempts_len == attempts && found->remaining_msat == 0, "a fetch");
    lnkeep_payment_free(found);
}

/* The first of SAMPLES payments with so many attempts; their ids lie beyond those of all others. */
static uint64_t first_sample(uint64_t parts)
{
    return (UINT64_C(1) << 40) + (parts << 20);
}

/* Makes them, all parts settled. */
static uint64_t make_samples(uint64_t parts, uint64_t *ns)
{
    (void)ns;
    must(parts <= FILL_ROWS, "the number of attempts");
    for (uint64_t sample = 0; sample < SAMPLES; sample++) {
        uint64_t ids[FILL_ROWS], attempts[FILL_ROWS];
        for (uint64_t part = 0; part < parts; part++) {
            ids[part] = first_sample(parts) + sample;
            attempts[part] = (first_sample(parts) << 10) + sample * FILL_ROWS + part;
        }
        tower_init_all(&tower, ids, 1);
        tower_register_all(&tower, ids, attempts, parts, (unsigned)parts);
        tower_hand_off_all(&tower, attempts, parts);
        tower_settle_all(&tower, ids, attempts, parts);
    }
    return SAMPLES;
}

static uint64_t fetch_samples(uint64_t parts, uint64_t *ns)
{
    (void)ns;
    uint64_t turns = ATTEMPTS_READ / parts;
    for (uint64_t turn = 0; turn < turns; turn++)
        fetch(first_sample(parts) + turn % SAMPLES, parts);
    return turns;
}

static uint64_t fetch_any(uint64_t count, uint64_t *ns)
{
    (void)ns;
    for (uint64_t turn = 0; turn < count; turn++)
        fetch(scatter(turn) % payments + 1, 1);
    return count;
}

static uint64_t size_on_disk(uint64_t count, uint64_t *ns)
{
    (void)count;
    tower_close(&tower);
    uint64_t bytes = data_bytes(store_folder);
    tower_open(&tower, store_folder, LNKEEP_STORE_MUST_EXIST);
    *ns = 0;
    return bytes;
}

static const struct phase phases[] = {
    {"payments_insert", insert},
    {"payments_attach", attach},
    {"payments_open", reopen},
    {"payments_unfinished", unfinished},
    {"payments_start", start},
    {"payments_first_pages", first_pages},
    {"payments_middle_pages", middle_pages},
    {"payments_newest_pages", newest_pages},
    {"payments_list_all", list_all},
    {"payments_memory", memory},
    {"payments_memory_peak", memory_peak},
    {"payments_mapped", mapped},
    {"payments_make_samples", make_samples},
    {"payments_fetch", fetch_samples},
    {"payments_fetch_any", fetch_any},
    {"payments_size", size_on_disk},
    {0},
};

static void open_store(const char *folder)
{
    if (store_folder)
        return;
    store_folder = path_in(folder, "payments-million");
    tower_open(&tower, store_folder, 0);
}

static void close_store(void)
{
    if (store_folder)
        tower_close(&tower);
    free(store_folder);
}

const struct phases payment_phases = {phases, open_store, close_store};

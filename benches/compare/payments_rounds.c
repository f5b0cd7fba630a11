/*
 * Rounds of one change of payments after the other, through the C ABI: registering an attempt with its
 * record, settling it, and a whole payment. What a round takes from is made before it is timed.
 */
#include "payments.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* More than any disk lets 16 callers use up. */
#define READY_PER_MS 128

/* Payments that wait for their next change. */
struct ready {
    uint64_t *payments;
    size_t len;
    _Atomic size_t taken;
};

static struct tower tower;
static struct ready initiated, handed_off;

/* Finished payments, so that the tables are not empty. */
static void finish_all(const uint64_t *ids, size_t len)
{
    tower_init_all(&tower, ids, len);
    tower_register_all(&tower, ids, ids, len, 1);
    tower_hand_off_all(&tower, ids, len);
    tower_settle_all(&tower, ids, ids, len);
}

static void open_tower(const char *folder, uint64_t rows)
{
    tower_open(&tower, folder, 0);
    fill(rows, finish_all);
}

static void close_tower(void)
{
    tower_close(&tower);
    free(initiated.payments);
    free(handed_off.payments);
}

static void make_initiated(const uint64_t *ids, size_t len)
{
    tower_init_all(&tower, ids, len);
}

static void make_handed_off(const uint64_t *ids, size_t len)
{
    tower_init_all(&tower, ids, len);
    tower_register_all(&tower, ids, ids, len, 1);
    tower_hand_off_all(&tower, ids, len);
}

/* Keeps what earlier rounds left and adds as many as a round may need. */
static void make_ready(struct ready *ready, uint64_t round_ns,
                       void (*make)(const uint64_t *ids, size_t len))
{
    size_t wanted = READY_PER_MS * (round_ns / MS_NS + 1) + CALLERS_MAX;
    size_t taken = atomic_exchange(&ready->taken, 0);
    ready->len -= taken;
    if (ready->len)
        memmove(ready->payments, ready->payments + taken, ready->len * sizeof *ready->payments);
    size_t room = (ready->len > wanted ? ready->len : wanted) + FILL_ROWS;
    ready->payments = realloc(ready->payments, room * sizeof *ready->payments);
    must(ready->payments != NULL, "realloc");
    while (ready->len < wanted) {
        uint64_t *ids = ready->payments + ready->len;
        uint64_t first = fresh_ids(FILL_ROWS);
        for (uint64_t i = 0; i < FILL_ROWS; i++)
            ids[i] = first + i;
        make(ids, FILL_ROWS);
        ready->len += FILL_ROWS;
    }
}

static uint64_t take(struct ready *ready)
{
    size_t index = atomic_fetch_add(&ready->taken, 1);
    must(index < ready->len, "a round: it used up every payment that was ready");
    return ready->payments[index];
}

static void prepare_register(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    make_ready(&initiated, round_ns, make_initiated);
}

static void put_register(unsigned caller, uint64_t id)
{
    (void)caller;
    (void)id;
    tower_register(&tower, take(&initiated));
}

static void prepare_settle(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    make_ready(&handed_off, round_ns, make_handed_off);
}

static void put_settle(unsigned caller, uint64_t id)
{
    (void)caller;
    (void)id;
    tower_settle(&tower, take(&handed_off));
}

static void put_whole(unsigned caller, uint64_t id)
{
    (void)caller;
    tower_init(&tower, id);
    tower_register(&tower, id);
    tower_hand_off(&tower, id);
    tower_settle(&tower, id);
}

const struct contestant payment_contestants[] = {
    {.name = "register_lnkeep", .open = open_tower, .prepare = prepare_register, .put = put_register,
     .close = close_tower},
    {.name = "settle_lnkeep", .prepare = prepare_settle, .put = put_settle},
    {.name = "whole_lnkeep", .put = put_whole},
    {0},
};

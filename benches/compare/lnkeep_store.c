#include "lnkeep_store.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct keep threads_store, flight_store;

const uint8_t keep_settle_hash[32] = {
    0x4b, 0xb0, 0x6f, 0x8e, 0x4e, 0x3a, 0x77, 0x15,
    0xd2, 0x01, 0xd5, 0x73, 0xd0, 0xaa, 0x42, 0x37,
    0x62, 0xe5, 0x5d, 0xab, 0xd6, 0x1a, 0x2c, 0x02,
    0x27, 0x8f, 0xa5, 0x6c, 0xc6, 0xd2, 0x94, 0xe0,
};

void keep_must(lnkeep_status status, const lnkeep_error *err)
{
    if (status == LNKEEP_DONE)
        return;
    fprintf(stderr, "worker: lnkeep: %s: %s\n", lnkeep_status_name(status), err->message);
    exit(1);
}

uint32_t keep_open(struct keep *keep, const char *folder, uint32_t flags)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    options.flags = flags;
    keep_must(lnkeep_store_open(folder, &options, &keep->store, &report, &err), &err);
    keep_must(lnkeep_attempts_open(keep->store, NULL, &keep->attempts, &err), &err);
    return report.flags;
}

void keep_close(struct keep *keep)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_attempts_close(&keep->attempts, &err), &err);
    keep_must(lnkeep_store_close(&keep->store, &err), &err);
}

lnkeep_attempt_request keep_request(uint64_t id)
{
    lnkeep_attempt_request request = {
        .key.id = id,
        .present = LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH,
        .cltv_expiry = 900000,
        .amount_msat = 1000 + id,
        .first_hop_scid = UINT64_C(7) << 40,
    };
    memset(request.fingerprint, (int)(id & 0xff), sizeof request.fingerprint);
    memcpy(request.payment_hash, keep_settle_hash, sizeof request.payment_hash);
    return request;
}

static lnkeep_op init_operation(const struct keep *keep, uint64_t id)
{
    return (lnkeep_op){
        .kind = LNKEEP_OP_ATTEMPT_INIT,
        .component = keep->attempts.bits,
        .body.attempt_init = keep_request(id),
    };
}

void keep_init_all(const struct keep *keep, const uint64_t *ids, size_t len)
{
    static lnkeep_op ops[FILL_ROWS];
    static lnkeep_outcome outcomes[FILL_ROWS];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (size_t i = 0; i < len; i++)
        ops[i] = init_operation(keep, ids[i]);
    keep_must(lnkeep_submit(keep->store, ops, len, 0, outcomes, &err), &err);
}

static void threads_fill(const uint64_t *ids, size_t len)
{
    keep_init_all(&threads_store, ids, len);
}

static void threads_open(const char *folder, uint64_t rows)
{
    keep_open(&threads_store, folder, 0);
    fill(rows, threads_fill);
}

static void threads_put(unsigned caller, uint64_t id)
{
    (void)caller;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_attempt_request request = keep_request(id);
    keep_must(lnkeep_attempts_init(threads_store.attempts, &request, NULL, &err), &err);
}

static void threads_close(void)
{
    keep_close(&threads_store);
}

static void flight_fill(const uint64_t *ids, size_t len)
{
    keep_init_all(&flight_store, ids, len);
}

static void flight_open(const char *folder, uint64_t rows)
{
    keep_open(&flight_store, folder, 0);
    fill(rows, flight_fill);
}

static void flight_close(void)
{
    keep_close(&flight_store);
}

/* One call with so many inits. The cookie is the time: a completion tells how long it took. */
static void submit(unsigned count)
{
    static lnkeep_op ops[CALLERS_MAX];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    uint64_t first = fresh_ids(count);
    for (unsigned i = 0; i < count; i++)
        ops[i] = init_operation(&flight_store, first + i);
    keep_must(lnkeep_submit_async(flight_store.store, ops, count, 0, now_ns(), &err), &err);
}

/* Waits for completions and takes all there are; those after the deadline count as samples only. */
static unsigned take(struct round *round, uint64_t deadline)
{
    static lnkeep_completion taken[CALLERS_MAX];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct pollfd ready = {.events = POLLIN};
    keep_must(lnkeep_completions_descriptor(flight_store.store, &ready.fd, &err), &err);
    while (poll(&ready, 1, -1) != 1) {
    }
    size_t len = 0;
    keep_must(lnkeep_completions_take(flight_store.store, taken, CALLERS_MAX, &len, &err), &err);
    uint64_t now = now_ns();
    for (size_t i = 0; i < len; i++) {
        must(taken[i].outcome.status == LNKEEP_DONE, "an asynchronous init");
        samples_add(&round->samples, now - taken[i].cookie);
    }
    if (now <= deadline)
        round->operations += len;
    return (unsigned)len;
}

/* One thread that keeps so many operations in flight, in place of so many threads with one each. */
static struct round flight_round(unsigned in_flight, uint64_t round_ns)
{
    struct round round = {.length_ns = round_ns};
    uint64_t deadline = now_ns() + round_ns;
    unsigned open = in_flight;
    submit(in_flight);
    while (open > 0) {
        unsigned taken = take(&round, deadline);
        open -= taken;
        if (taken > 0 && now_ns() < deadline) {
            submit(taken);
            open += taken;
        }
    }
    return round;
}

const struct contestant lnkeep_contestants[] = {
    {.name = "lnkeep", .open = threads_open, .put = threads_put, .close = threads_close},
    {.name = "lnkeep_async", .open = flight_open, .round = flight_round, .close = flight_close},
    {0},
};

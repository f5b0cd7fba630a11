/*
 * Uses lnkeep and its neighbours by turns in one process, then reads back what each of them kept.
 * Compiled with WITH_LMDB, WITH_RUST or both; the argument is an empty folder.
 */

#include "host.h"

#include <stdio.h>
#include <stdlib.h>

#include <lnkeep.h>

enum { ATTEMPTS = 64 };

static const neighbour *const neighbours[] = {
#ifdef WITH_LMDB
    &lmdb_neighbour,
#endif
#ifdef WITH_RUST
    &rust_neighbour,
#endif
};
static const size_t neighbours_len = sizeof neighbours / sizeof neighbours[0];

static lnkeep_store store;
static lnkeep_attempts attempts;

void require(int held, const char *file, int line, const char *what) {
    if (held) return;
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
    exit(1);
}

static void open_attempts(const char *path) {
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_open(path, NULL, &store, NULL, &err);
    if (status != LNKEEP_DONE)
        fprintf(stderr, "open: %s: %s\n", lnkeep_status_name(status), err.message);
    REQUIRE(status == LNKEEP_DONE);
    REQUIRE(lnkeep_attempts_open(store, NULL, &attempts, NULL) == LNKEEP_DONE);
}

static void close_attempts(void) {
    REQUIRE(lnkeep_attempts_close(&attempts, NULL) == LNKEEP_DONE);
    REQUIRE(lnkeep_store_close(&store, NULL) == LNKEEP_DONE);
}

static lnkeep_status init(uint64_t id) {
    lnkeep_attempt_request request = {.key = {.id = id}, .amount_msat = id};
    return lnkeep_attempts_init(attempts, &request, NULL, NULL);
}

static lnkeep_status get(uint64_t id, uint64_t *amount_msat) {
    lnkeep_attempt_key key = {.id = id};
    lnkeep_attempt *attempt;
    lnkeep_status status = lnkeep_attempts_get(attempts, &key, &attempt, NULL);
    if (status != LNKEEP_DONE) return status;
    *amount_msat = attempt->amount_msat;
    lnkeep_attempt_free(attempt);
    return status;
}

/* The panic is caught where it belongs, tells nobody else, and leaves the store usable. */
static void lnkeep_catches_its_own_panic(uint64_t id) {
    uint64_t amount_msat;
    clock_fails = 1;
    lnkeep_status status = get(id, &amount_msat);
    clock_fails = 0;
    REQUIRE(status == LNKEEP_INTERNAL);
    REQUIRE(get(id, &amount_msat) == LNKEEP_DONE && amount_msat == id);
}

int main(int argc, char **argv) {
    char path[4096];
    REQUIRE(argc == 2);
    snprintf(path, sizeof path, "%s/store", argv[1]);
    for (size_t i = 0; i < neighbours_len; i++) neighbours[i]->begin(argv[1]);

    open_attempts(path);
    for (uint64_t id = 1; id <= ATTEMPTS; id++) {
        REQUIRE(init(id) == LNKEEP_DONE);
        for (size_t i = 0; i < neighbours_len; i++) neighbours[i]->step(id);
    }
    lnkeep_catches_its_own_panic(ATTEMPTS);
    close_attempts();

    open_attempts(path);
    for (uint64_t id = 1; id <= ATTEMPTS; id++) {
        uint64_t amount_msat;
        REQUIRE(init(id) == LNKEEP_ALREADY_EXISTS);
        REQUIRE(get(id, &amount_msat) == LNKEEP_DONE && amount_msat == id);
    }
    for (size_t i = 0; i < neighbours_len; i++) neighbours[i]->end();
    close_attempts();
    puts("all of it works");
    return 0;
}

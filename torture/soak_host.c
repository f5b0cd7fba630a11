/* The host of the soak: its threads, and what each notes about the call that it makes. */

#define _GNU_SOURCE
#include "soak.h"

#include "common.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
    PACE_US = 400,      /* between two steps of a thread, so that none starves the others */
    CLOCK_FACTOR = 20,  /* the host's time runs faster, so that cooldowns and blocks go by */
    TOMBSTONES_MAX = 1024,
    FIRST_HEIGHT = 800000,
    BLOCK_MS = 600000,
    UPKEEP_US = 20000,
    SYNC_EVERY = 64,
};

#define FIRST_MS UINT64_C(1700000000000)

/* --- Notes. */

void call_begin(struct host *host, unsigned lane, void *thing, const void *after, size_t len) {
    struct soak_state *state = &host->soak->state;
    struct lane *noted = &state->lanes[lane];
    if (len > THING_BYTES) give_up("a thing is too long");
    noted->place = (uint32_t)((uint8_t *)thing - (uint8_t *)state);
    noted->len = (uint32_t)len;
    memcpy(noted->before, thing, len);
    memcpy(noted->after, after, len);
    noted->since_us = now_us();
    atomic_store(&noted->is_busy, 1);
    if (host->soak->control == SOAK_EARLY) call_end(host, lane);
}

void call_end(struct host *host, unsigned lane) {
    struct lane *noted = &host->soak->state.lanes[lane];
    if (atomic_load(&noted->is_busy) == 0) return;
    /* Until the last line the kill finds both versions in the note, and looks at those alone. */
    memcpy((uint8_t *)&host->soak->state + noted->place, noted->after, noted->len);
    noted->calls++;
    atomic_store(&noted->is_busy, 0);
}

int call_is(struct host *host, lnkeep_status given, lnkeep_status wanted, const char *call,
            unsigned lane, uint64_t which) {
    if (given == wanted) return 1;
    enum finding kind = given == LNKEEP_DONE && wanted == LNKEEP_ALREADY_EXISTS ? FOUND_GRANTED_TWICE
                        : given == LNKEEP_DONE && wanted == LNKEEP_ALREADY_PAID ? FOUND_PAID_TWICE
                        : lnkeep_status_class(given) > LNKEEP_CLASS_REFUSED     ? FOUND_STATUS
                                                                                : FOUND_WRONG;
    finding(kind, "thread %u, %llu: %s, not %s, by %.120s", lane, (unsigned long long)which,
            lnkeep_status_name(given), lnkeep_status_name(wanted), call);
    atomic_store(&host->soak->has_stopped, 1);
    return 0;
}

void thing_verify(struct host *host, unsigned lane, void *thing, size_t len, thing_holds holds) {
    struct soak *soak = host->soak;
    struct lane *noted = &soak->state.lanes[lane];
    uint32_t place = (uint32_t)((uint8_t *)thing - (uint8_t *)&soak->state);
    char why[200] = "", why_before[200] = "";
    if (atomic_load(&noted->is_busy) == 0 || noted->place != place || noted->len != len) {
        if (holds(host, lane, thing, why)) return;
        finding(FOUND_LOST, "thread %u: %s", lane, why);
        atomic_store(&soak->has_stopped, 1);
        return;
    }
    if (holds(host, lane, noted->after, why)) {
        memcpy(thing, noted->after, len);
        atomic_fetch_add(&soak->made, 1);
    } else if (holds(host, lane, noted->before, why_before)) {
        memcpy(thing, noted->before, len);
        atomic_fetch_add(&soak->unmade, 1);
    } else {
        finding(FOUND_LOST, "thread %u, of a call under way: neither (%s) nor (%s)", lane, why,
                why_before);
        atomic_store(&soak->has_stopped, 1);
    }
    atomic_store(&noted->is_busy, 0);
}

uint64_t lane_chance(struct host *host, unsigned lane, uint64_t below) {
    return chance_below(&host->soak->state.lanes[lane].chance, below);
}

uint64_t soak_now_ms(const struct host *host) {
    return FIRST_MS + atomic_load(&host->soak->state.clock_ms);
}

uint32_t soak_height(const struct host *host) {
    return FIRST_HEIGHT + (uint32_t)(atomic_load(&host->soak->state.clock_ms) / BLOCK_MS);
}

lnkeep_bytes soak_bytes(uint64_t kind, uint64_t number, size_t len) {
    static _Thread_local uint8_t bytes[1 << 20];
    uint64_t chance = chance_seed(kind, number);
    if (len > sizeof bytes) give_up("too many bytes");
    /* Eight at a time: most of them only have to differ from all others. */
    for (size_t at = 0; at < len; at += sizeof chance) {
        uint64_t word = chance_next(&chance);
        memcpy(bytes + at, &word, len - at < sizeof word ? len - at : sizeof word);
    }
    return (lnkeep_bytes){bytes, len};
}

int bytes_are(lnkeep_bytes given, lnkeep_bytes wanted) {
    return given.len == wanted.len && (given.len == 0 || memcmp(given.ptr, wanted.ptr, given.len) == 0);
}

/* --- Threads. */

static void upkeep_step(struct host *host, unsigned lane) {
    static uint64_t told_us;
    struct lane *noted = &host->soak->state.lanes[lane];
    uint64_t handled = 1, at_us = now_us();
    if (told_us != 0) {
        atomic_fetch_add(&host->soak->state.clock_ms, (at_us - told_us) * CLOCK_FACTOR / 1000);
    }
    told_us = at_us;
    lnkeep_status status =
        lnkeep_store_tick(host->store, soak_now_ms(host), soak_height(host), NULL);
    if (!call_is(host, status, LNKEEP_DONE, "tick", lane, 0)) return;
    while (handled && status == LNKEEP_DONE) {
        status = lnkeep_attempts_sweep(host->attempts, &handled, NULL);
    }
    if (!call_is(host, status, LNKEEP_DONE, "attempts_sweep", lane, 0)) return;
    for (handled = 1; handled && status == LNKEEP_DONE;) {
        status = lnkeep_payments_sweep(host->payments, &handled, NULL);
    }
    if (!call_is(host, status, LNKEEP_DONE, "payments_sweep", lane, 0)) return;
    if (++noted->next % SYNC_EVERY == 0) {
        status = provider_sync(host);
        if (!call_is(host, status, LNKEEP_DONE, "store_sync", lane, 0)) return;
    }
    noted->calls++;
    sleep_us(UPKEEP_US);
}

static void (*const steps[LANES])(struct host *, unsigned) = {
    attempts_step,  attempts_step, payments_step, payments_step, monitors_step,
    resources_step, provider_step, consumer_step, events_step,   upkeep_step,
};

struct worker {
    struct host *host;
    unsigned lane;
    pthread_t thread;
};

static void *work(void *context) {
    const struct worker *worker = context;
    struct soak *soak = worker->host->soak;
    while (!atomic_load(&soak->is_to_end) && !atomic_load(&soak->has_stopped)) {
        steps[worker->lane](worker->host, worker->lane);
        sleep_us(PACE_US);
    }
    return NULL;
}

static int run_threads(struct host *host) {
    struct worker workers[LANES];
    for (unsigned lane = 0; lane < LANES; lane++) {
        workers[lane] = (struct worker){.host = host, .lane = lane};
        if (pthread_create(&workers[lane].thread, NULL, work, &workers[lane]) != 0) {
            give_up("pthread_create");
        }
    }
    for (unsigned lane = 0; lane < LANES; lane++) pthread_join(workers[lane].thread, NULL);
    return 0;
}

/* --- A life. */

static void check_file(struct soak *soak) {
    lnkeep_check_report *report = NULL;
    lnkeep_status status = lnkeep_check(soak->directory, &report, NULL);
    if (status == LNKEEP_NOT_FOUND && soak->state.lives == 0) return;
    if (status != LNKEEP_DONE) {
        finding(FOUND_REOPEN, "lnkeep_check answered %s", lnkeep_status_name(status));
        return;
    }
    for (size_t i = 0; i < report->findings_len && i < 3; i++) {
        const void *at = (const uint8_t *)report->findings + i * report->stride;
        const lnkeep_finding *found = at;
        finding(FOUND_WRONG, "lnkeep_check: page %llu, table %s: %s", (unsigned long long)found->page,
                found->table ? found->table : "none", found->fault);
    }
    atomic_store(&soak->rows, report->rows);
    atomic_store(&soak->used_bytes, report->pages * report->page_bytes);
    atomic_store(&soak->file_bytes, report->file_bytes);
    lnkeep_check_report_free(report);
}

static int open_store(struct host *host) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_attempts_options of_attempts = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = EVENT_KINDS_ALL;
    of_attempts.tombstones_max = TOMBSTONES_MAX;
    lnkeep_status status =
        lnkeep_store_open(host->soak->directory, &options, &host->store, &report, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_attempts_open(host->store, &of_attempts, &host->attempts, NULL);
    }
    if (status != LNKEEP_DONE) {
        finding(FOUND_REOPEN, "the store opens with %s", lnkeep_status_name(status));
        return 0;
    }
    return money_open(host) && blobs_open(host);
}

static int close_store(struct host *host) {
    int is_done = 1;
    /* What is queued after the last commit nobody was promised. */
    is_done &= lnkeep_monitors_close(&host->monitors, LNKEEP_MONITORS_DISCARD, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_resources_close(&host->resources, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_peer_storage_close(&host->provider, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_backup_close(&host->backup, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_events_close(&host->events, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_payments_close(&host->payments, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_attempts_close(&host->attempts, NULL) == LNKEEP_DONE;
    is_done &= lnkeep_store_close(&host->store, NULL) == LNKEEP_DONE;
    if (!is_done) finding(FOUND_STATUS, "the store did not close well");
    return is_done;
}

int soak_live(void *context) {
    static struct host host;
    host.soak = context;
    /* Who interrupts the run interrupts the supervisor, which ends this life in good order. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    check_file(host.soak);
    if (findings_total() != 0 || !open_store(&host)) return 0;
    money_verify(&host);
    blobs_verify(&host);
    /* A call that no thing was found for is a mistake of the harness. */
    for (unsigned lane = 0; lane < LANES; lane++) {
        if (atomic_load(&host.soak->state.lanes[lane].is_busy)) give_up("a call was not looked at");
    }
    atomic_store(&host.soak->is_verified, 1);
    run_threads(&host);
    close_store(&host);
    return 0;
}

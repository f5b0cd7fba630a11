/*
 * A flush that does not return: everything that only reads goes on answering, and nothing that waits for
 * the flush is acknowledged before it. A flush is held until each reader has made a number of reads; a
 * reader that waits for it never does.
 */

#define _GNU_SOURCE
#include "common.h"

#include <fcntl.h>
#include <lnkeep.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { READS_PER_STALL = 50, KINDS_MAX = 24, BLOB_BYTES = 40000, SECS = 1700000000, SLOW_US = 1000 };

static const uint8_t payment_hash[32] = {7};
static const uint8_t channel_id[32] = {9};
static const uint8_t node_id[33] = {2, 5};
static const uint8_t secret[32] = {1, 2, 3};

static struct {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    lnkeep_peer_storage peer_storage;
    lnkeep_backup backup;
    lnkeep_events events;
} node;

/* --- The flush that is held. */

static atomic_int is_armed, is_held, is_let_go, is_writing, readers_stop;
static atomic_uint reads[KINDS_MAX];
/* Of each reader's own, and read when it has ended. */
static uint64_t reads_beside[KINDS_MAX], slow_reads[KINDS_MAX], slowest_us[KINDS_MAX];

/* The first flush, or the first write that is one, is held until the parent lets it go. */
static void hold(void) {
    int armed = 1;
    if (!atomic_compare_exchange_strong(&is_armed, &armed, 0)) return;
    atomic_store(&is_held, 1);
    while (!atomic_load(&is_let_go)) sleep_us(200);
    atomic_store(&is_held, 0);
}

int fdatasync(int descriptor) {
    hold();
    return (int)syscall(SYS_fdatasync, descriptor);
}

/* LMDB writes a commit's last page through a descriptor of its own that flushes. */
ssize_t pwrite(int descriptor, const void *bytes, size_t len, off_t at) {
    if (fcntl(descriptor, F_GETFL) & O_DSYNC) hold();
    return syscall(SYS_pwrite64, descriptor, bytes, len, at);
}

/* --- What reads, one function each. */

static lnkeep_attempt_key key_of(uint64_t id) {
    lnkeep_attempt_key key = {.id = id};
    return key;
}

static lnkeep_status read_attempt(void) {
    lnkeep_attempt *attempt = NULL;
    lnkeep_attempt_key key = key_of(1);
    lnkeep_status status = lnkeep_attempts_get(node.attempts, &key, &attempt, NULL);
    lnkeep_attempt_free(attempt);
    return status;
}

static lnkeep_status read_has_result(void) {
    uint32_t has_result;
    lnkeep_attempt_key key = key_of(1);
    return lnkeep_attempts_has_result(node.attempts, &key, &has_result, NULL);
}

static lnkeep_status read_attempt_counts(void) {
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    return lnkeep_attempts_counts(node.attempts, NULL, &counts, NULL);
}

static lnkeep_status read_payment(void) {
    lnkeep_payment *payment = NULL;
    lnkeep_status status = lnkeep_payments_fetch(node.payments, payment_hash, &payment, NULL);
    lnkeep_payment_free(payment);
    return status;
}

static lnkeep_status read_payment_counts(void) {
    lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    return lnkeep_payments_counts(node.payments, &counts, NULL);
}

static lnkeep_status read_monitors_state(void) {
    lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    return lnkeep_monitors_read_state(node.monitors, &state, NULL);
}

static lnkeep_status read_monitor(void) {
    lnkeep_monitor *monitor = NULL;
    lnkeep_status status = lnkeep_monitors_load(node.monitors, channel_id, &monitor, NULL);
    lnkeep_monitor_free(monitor);
    return status;
}

static lnkeep_status read_manager(void) {
    lnkeep_buf *manager = NULL;
    lnkeep_status status = lnkeep_monitors_load_manager(node.monitors, &manager, NULL);
    lnkeep_buf_free(manager);
    return status;
}

static lnkeep_status read_resources_channel(void) {
    lnkeep_resources_channel found;
    return lnkeep_resources_lookup(node.resources, 11, SECS, &found, NULL);
}

static lnkeep_status read_resources_stats(void) {
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    return lnkeep_resources_read_stats(node.resources, &stats, NULL);
}

static lnkeep_status read_peers(void) {
    lnkeep_peer_page *page = NULL;
    lnkeep_status status = lnkeep_peer_storage_list(node.peer_storage, NULL, 10, &page, NULL);
    lnkeep_peer_page_free(page);
    return status;
}

static lnkeep_status read_backup_standing(void) {
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    return lnkeep_backup_read_standing(node.backup, &standing, NULL);
}

static lnkeep_status read_events(void) {
    lnkeep_event taken[8];
    size_t len;
    return lnkeep_events_take(node.events, taken, 8, &len, NULL);
}

static lnkeep_status read_store_stats(void) {
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    return lnkeep_store_stats(node.store, &stats, NULL);
}

/* What decides in memory counts among the readers: a decision without DURABLE waits for nothing. */
static lnkeep_status decide(void) {
    static atomic_uint_fast64_t number = 1000;
    lnkeep_htlc_request request = {
        .incoming = 11, .outgoing = 12, .htlc_id = atomic_fetch_add(&number, 1),
        .incoming_amount_msat = 1000, .outgoing_amount_msat = 900,
        .unix_secs = SECS, .incoming_cltv_expiry = 800100, .block_height = 800000,
    };
    lnkeep_decision decision;
    return lnkeep_resources_add(node.resources, &request, 1, 0, &decision, NULL, NULL);
}

/* The control: a reader that has to wait for the flush. */
static lnkeep_status read_after_a_write(void) {
    static atomic_uint_fast64_t id = 1u << 30;
    lnkeep_attempt_request request = {.key = key_of(atomic_fetch_add(&id, 1))};
    lnkeep_outcome outcome;
    return lnkeep_attempts_init(node.attempts, &request, &outcome, NULL);
}

struct kind {
    const char *name;
    lnkeep_status (*read)(void);
};

static const struct kind kinds[] = {
    {"attempts_get", read_attempt},
    {"attempts_has_result", read_has_result},
    {"attempts_counts", read_attempt_counts},
    {"payments_fetch", read_payment},
    {"payments_counts", read_payment_counts},
    {"monitors_read_state", read_monitors_state},
    {"monitors_load", read_monitor},
    {"monitors_load_manager", read_manager},
    {"resources_lookup", read_resources_channel},
    {"resources_read_stats", read_resources_stats},
    {"resources_add", decide},
    {"peer_storage_list", read_peers},
    {"backup_read_standing", read_backup_standing},
    {"events_take", read_events},
    {"store_stats", read_store_stats},
    {"attempts_init", read_after_a_write},
};
enum { CONTROL_KIND = sizeof kinds / sizeof kinds[0] - 1 };

static unsigned kinds_len = CONTROL_KIND;

/* A read that began and ended beside one held flush, or beside two. */
static void note_beside(unsigned at, uint64_t took_us) {
    reads_beside[at]++;
    if (took_us > SLOW_US) slow_reads[at]++;
    if (took_us > slowest_us[at]) slowest_us[at] = took_us;
}

static void *read_on(void *context) {
    unsigned at = (unsigned)(uintptr_t)context;
    while (!atomic_load(&readers_stop)) {
        uint64_t began_us = now_us();
        int was_held = atomic_load(&is_held);
        lnkeep_status status = kinds[at].read();
        if (was_held && atomic_load(&is_held)) note_beside(at, now_us() - began_us);
        /* What is refused reads nothing. */
        if (status != LNKEEP_DONE) {
            finding(FOUND_STATUS, "%s answered %s", kinds[at].name, lnkeep_status_name(status));
            break;
        }
        atomic_fetch_add(&reads[at], 1);
        sleep_us(50);
    }
    return NULL;
}

/* --- What waits for the flush. */

static lnkeep_status write_attempt(uint64_t number) {
    lnkeep_attempt_request request = {.key = key_of(2 + number)};
    lnkeep_outcome outcome;
    return lnkeep_attempts_init(node.attempts, &request, &outcome, NULL);
}

static lnkeep_status write_payment(uint64_t number) {
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    lnkeep_payment *payment = NULL;
    lnkeep_outcome outcome;
    memcpy(init.payment_hash, &number, sizeof number);
    init.payment_hash[31] = 1;
    init.amount_msat = 1000;
    lnkeep_status status = lnkeep_payments_init(node.payments, &init, &payment, &outcome, NULL);
    lnkeep_payment_free(payment);
    return status;
}

static lnkeep_status write_manager(uint64_t number) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_bytes manager = {(const uint8_t *)&number, sizeof number};
    lnkeep_status status = lnkeep_monitors_capture(node.monitors, &commit.capture, NULL);
    if (status != LNKEEP_DONE) return status;
    commit.manager = manager;
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    return lnkeep_monitors_commit_captured(node.monitors, &commit, NULL, NULL);
}

static lnkeep_status write_peer(uint64_t number) {
    static uint8_t blob[BLOB_BYTES];
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    memcpy(blob, &number, sizeof number);
    uint64_t now_ms = (uint64_t)SECS * 1000 + number * 3600000;
    return lnkeep_peer_storage_store(node.peer_storage, now_ms, node_id,
                                     (lnkeep_bytes){blob, sizeof blob}, &stored, NULL);
}

static lnkeep_status (*const writes[])(uint64_t) = {write_attempt, write_payment, write_manager,
                                                    write_peer};
enum { WRITES = sizeof writes / sizeof writes[0] };

struct writing {
    uint64_t number, which;
    lnkeep_status status;
};

static void *write_one(void *context) {
    struct writing *writing = context;
    writing->status = writes[writing->which](writing->number);
    atomic_store(&is_writing, 0);
    return NULL;
}

/* --- One stall: the flush of one write is held while everybody reads. */

static int everybody_has_read(const unsigned *before) {
    for (unsigned at = 0; at < kinds_len; at++) {
        if (atomic_load(&reads[at]) - before[at] < READS_PER_STALL) return 0;
    }
    return 1;
}

static void name_who_waits(const unsigned *before) {
    for (unsigned at = 0; at < kinds_len; at++) {
        unsigned made = atomic_load(&reads[at]) - before[at];
        if (made >= READS_PER_STALL) continue;
        finding(FOUND_HANG, "%s made %u reads beside a flush that was held", kinds[at].name, made);
    }
}

static void stall(uint64_t number, uint64_t which) {
    struct writing writing = {.number = number, .which = which};
    unsigned before[KINDS_MAX];
    pthread_t writer;
    atomic_store(&is_let_go, 0);
    atomic_store(&is_writing, 1);
    atomic_store(&is_armed, 1);
    if (pthread_create(&writer, NULL, write_one, &writing) != 0) give_up("pthread_create");
    while (!atomic_load(&is_held) && atomic_load(&is_writing)) sleep_us(100);
    if (!atomic_load(&is_held)) finding(FOUND_LOST, "write %llu ended without a flush",
                                        (unsigned long long)which);
    for (unsigned at = 0; at < kinds_len; at++) before[at] = atomic_load(&reads[at]);
    uint64_t until_us = now_us() + HANG_MS * 1000;
    while (!everybody_has_read(before) && now_us() < until_us) sleep_us(500);
    name_who_waits(before);
    if (atomic_load(&is_held) && !atomic_load(&is_writing)) {
        finding(FOUND_LOST, "write %llu was answered before its flush", (unsigned long long)which);
    }
    atomic_store(&is_let_go, 1);
    pthread_join(writer, NULL);
    if (writing.status != LNKEEP_DONE) {
        finding(FOUND_STATUS, "write %llu answered %s", (unsigned long long)which,
                lnkeep_status_name(writing.status));
    }
}

/* --- A node of all components, in a process of its own. */

static void must(lnkeep_status status, const char *what) {
    if (status >= 0) return;
    fprintf(stderr, "stall: %s answered %s\n", what, lnkeep_status_name(status));
    exit(70);
}

static void add_channels(void) {
    lnkeep_channel_limits limits = {.max_in_flight_msat = 1000000000, .max_accepted_htlcs = 483};
    for (uint64_t channel = 11; channel <= 12; channel++) {
        must(lnkeep_resources_add_channel(node.resources, channel, &limits, SECS, NULL, NULL),
             "adding a channel");
    }
    uint64_t ticket;
    lnkeep_bytes snapshot = {payment_hash, sizeof payment_hash};
    must(lnkeep_monitors_queue_new(node.monitors, channel_id, 1, snapshot, NULL, 0, &ticket, NULL),
         "a new monitor");
    must(write_manager(0), "the first commit");
}

static void begin(const char *directory) {
    lnkeep_bytes cursor = {(const uint8_t *)"stall", 5};
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    lnkeep_payment *payment = NULL;
    lnkeep_outcome outcome;
    must(lnkeep_store_open(directory, NULL, &node.store, NULL, NULL), "store");
    must(lnkeep_attempts_open(node.store, NULL, &node.attempts, NULL), "attempts");
    must(lnkeep_payments_open(node.store, NULL, &node.payments, NULL), "payments");
    must(lnkeep_monitors_open(node.store, NULL, &node.monitors, NULL, NULL), "monitors");
    must(lnkeep_resources_open(node.store, NULL, &node.resources, NULL, NULL), "resources");
    must(lnkeep_peer_storage_open(node.store, NULL, &node.peer_storage, NULL, NULL), "peer storage");
    must(lnkeep_backup_open(node.store, secret, NULL, &node.backup, NULL, NULL), "backup");
    must(lnkeep_events_open(node.store, cursor, 0, &node.events, NULL), "events");
    lnkeep_attempt_request request = {.key = key_of(1)};
    must(lnkeep_attempts_init(node.attempts, &request, &outcome, NULL), "attempt");
    memcpy(init.payment_hash, payment_hash, sizeof payment_hash);
    init.amount_msat = 1000;
    must(lnkeep_payments_init(node.payments, &init, &payment, &outcome, NULL), "payment");
    lnkeep_payment_free(payment);
    must(lnkeep_peer_storage_report_claim(node.peer_storage, node_id, LNKEEP_CLAIM_OPEN_CHANNEL,
                                          800000, NULL), "claim");
    add_channels();
}

struct stalls {
    uint64_t seed, points, made, reads_beside, slow_reads, slowest_us;
};

static void sum_up(struct stalls *stalls) {
    for (unsigned at = 0; at < kinds_len; at++) {
        stalls->reads_beside += reads_beside[at];
        stalls->slow_reads += slow_reads[at];
        if (slowest_us[at] > stalls->slowest_us) stalls->slowest_us = slowest_us[at];
    }
}

static int run_stalls(void *context) {
    struct stalls *stalls = context;
    pthread_t readers[KINDS_MAX];
    char directory[4096];
    scratch_path(directory, sizeof directory, "store");
    begin(directory);
    for (unsigned at = 0; at < kinds_len; at++) {
        if (pthread_create(&readers[at], NULL, read_on, (void *)(uintptr_t)at) != 0) {
            give_up("pthread_create");
        }
    }
    for (; stalls->made < stalls->points && findings_total() == 0; stalls->made++) {
        uint64_t chance = chance_seed(stalls->seed, stalls->made);
        stall(stalls->made, chance_below(&chance, WRITES));
    }
    atomic_store(&readers_stop, 1);
    for (unsigned at = 0; at < kinds_len; at++) pthread_join(readers[at], NULL);
    sum_up(stalls);
    must(lnkeep_store_close(&node.store, NULL), "closing the store");
    return 0;
}

int main(int argc, char **argv) {
    static const struct option_name names[] = {{"--seed", 1}, {"--points", 1}, {"--control", 1}};
    char details[160];
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    struct stalls *stalls = shared_memory(sizeof *stalls);
    uint64_t seed = option_seed(argc, argv), points = option_number(argc, argv, "--points", 20);
    *stalls = (struct stalls){.seed = seed, .points = points};
    const char *control = option_text(argc, argv, "--control", NULL);
    if (control && strcmp(control, "waits") == 0) kinds_len++;
    findings_silent(control != NULL);
    findings_start();
    findings_at("build/torture/stall --points %llu --seed %llu", (unsigned long long)points,
                (unsigned long long)seed);
    scratch_start();
    struct ended ended = run_child(run_stalls, stalls, (int)(points + 4) * 4 * HANG_MS);
    expect_done(ended, "the host");
    if (control) return findings_report_control("stall", control, seed, stalls->made, FOUND_HANG);
    snprintf(details, sizeof details,
             "%u kinds of reads, %llu reads beside a held flush, %llu took over 1 ms, the longest %llu us",
             kinds_len, (unsigned long long)stalls->reads_beside,
             (unsigned long long)stalls->slow_reads, (unsigned long long)stalls->slowest_us);
    return findings_report("stall", seed, stalls->made, details);
}

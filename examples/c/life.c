/*
 * One life of the node, from open to close: recover first, then dispatch.
 */
#define _XOPEN_SOURCE 700
#include "life.h"

#include "broken.h"
#include "channels.h"
#include "outcome.h"
#include "wire.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DISPATCHERS = 8, HOUSEKEEPING_MS = 5, BLOCK_HEIGHT = 900000 };

/* Operations of one submission; lnkeep takes up to 1,024. */
enum { SUBMISSION_MAX = 256 };

static void open_store(struct node *node, const struct node_options *options,
                       lnkeep_store_report *found)
{
    lnkeep_store_options choices = LNKEEP_STORE_OPTIONS_INIT;
    /* A store older than the world outside remembers was restored from a copy: its ids may have
     * been dispatched after the copy was made, so the open is refused. */
    choices.epoch_min = options->epoch_min;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(options->directory, &choices, &node->store, found, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open store", status, &err);
    status = lnkeep_attempts_open(node->store, NULL, &node->attempts, &err);
    outcome_expect("open attempts", status, &err);
}

/*
 * Fails what was registered and certainly never left. This node marks before it sends, so that no
 * circuit list is needed: an intent without a mark has not left, whatever the peer says later.
 * Attempts with a mark are never touched; without circuits all of them are listed as unresolved.
 */
static lnkeep_recovery *recover(struct node *node)
{
    lnkeep_recovery *recovery = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_attempts_recover(node->attempts, NULL, NULL, 0,
                                         node->broken ? BROKEN_RECOVER_FLAGS : 0, &recovery, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("recover", status, &err);
    return recovery;
}

/* After a reconnect, channel_reestablish tells both sides which HTLCs the channel holds. */
static size_t receive_held(struct node *node, uint64_t held[WIRE_HELD_MAX])
{
    static uint8_t message[WIRE_BYTES_MAX];
    size_t len, held_len;
    if (channel_receive(node->peer_fd, message, sizeof message, &len) != CHANNEL_OK) {
        _exit(EXIT_START_AGAIN);
    }
    if (!wire_read_held(message, len, held, &held_len)) {
        fprintf(stderr, "node: the peer did not say which HTLCs it holds\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    return held_len;
}

static bool is_held(const uint64_t *held, size_t held_len, uint64_t id)
{
    for (size_t i = 0; i < held_len; i++) {
        if (held[i] == id) {
            return true;
        }
    }
    return false;
}

/* Stores a failure of this node as the result of attempts whose HTLC did not leave. */
static void fail_all(struct node *node, const uint64_t *ids, size_t ids_len)
{
    static lnkeep_op ops[SUBMISSION_MAX];
    static lnkeep_outcome outcomes[SUBMISSION_MAX];
    const lnkeep_attempt_result failure = {
        .kind = LNKEEP_RESULT_FAIL,
        .flags = LNKEEP_RESULT_UNENCRYPTED,
        .failure_code = 0x2002, /* BOLT 4: temporary_node_failure */
    };
    for (size_t i = 0; i < ids_len; i++) {
        ops[i] = result_op(node, ids[i], &failure);
    }
    store_results(node, ops, ids_len, outcomes);
    for (size_t i = 0; i < ids_len; i++) {
        if (outcomes[i].status == LNKEEP_DONE) {
            report_result(node, ids[i], &failure);
        } else {
            report_stored_result(node, ids[i]);
        }
    }
}

/*
 * Ends the attempts that were marked and then, because the node died in between, never sent. Only
 * the peer's word makes that certain; those it holds stay pending, and it answers them again.
 */
static void fail_what_peer_never_got(struct node *node, const lnkeep_recovery *recovery)
{
    static uint64_t held[WIRE_HELD_MAX], gone[SUBMISSION_MAX];
    size_t held_len = receive_held(node, held), gone_len = 0;
    for (size_t i = 0; i < recovery->unresolved_len; i++) {
        if (is_held(held, held_len, recovery->unresolved[i])) {
            continue;
        }
        gone[gone_len++] = recovery->unresolved[i];
        if (gone_len == SUBMISSION_MAX) {
            fail_all(node, gone, gone_len);
            gone_len = 0;
        }
    }
    if (gone_len > 0) {
        fail_all(node, gone, gone_len);
    }
}

static void start_up(struct node *node, const struct node_options *options)
{
    lnkeep_store_report found = LNKEEP_STORE_REPORT_INIT;
    open_store(node, options, &found);
    lnkeep_recovery *recovery = recover(node);
    for (size_t i = 0; i < recovery->failed_len; i++) {
        report_stored_result(node, recovery->failed[i]);
    }
    fail_what_peer_never_got(node, recovery);
    lnkeep_recovery_free(recovery);
    struct report ready = {.kind = REPORT_READY, .a = found.epoch};
    report_send(node, &ready);
}

static void report_stats(struct node *node)
{
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    if (lnkeep_store_stats(node->store, &stats, NULL) != LNKEEP_DONE) {
        return;
    }
    struct report report = {.kind = REPORT_STATS, .a = stats.commits, .b = stats.operations};
    report_send(node, &report);
}

static void tell_time(struct node *node)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t unix_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_tick(node->store, unix_ms, BLOCK_HEIGHT, &err);
    outcome_class("tick", 0, status, &err);
}

/* Step 6 of the recipe: what the client has on its own record needs no full record here. */
static void acknowledge_recorded(struct node *node, uint64_t *acknowledged_below)
{
    uint64_t below = atomic_load(&node->recorded_below);
    if (below <= *acknowledged_below) {
        return;
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status =
        lnkeep_attempts_ack_below(node->attempts, NULL, below, NULL, &err);
    if (outcome_class("acknowledge", below, status, &err) == LNKEEP_CLASS_DONE) {
        *acknowledged_below = below;
    }
}

static void *housekeeper_run(void *argument)
{
    struct node *node = argument;
    uint64_t acknowledged_below = 0;
    const struct timespec pause = {.tv_nsec = HOUSEKEEPING_MS * 1000000L};
    for (unsigned round = 0; !atomic_load(&node->stopping); round++) {
        if (round % 200 == 0) {
            tell_time(node);
        }
        if (round % 20 == 19) {
            acknowledge_recorded(node, &acknowledged_below);
        }
        if (node->broken) {
            broken_drop_outcomes(node);
        }
        report_stats(node);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static pthread_t start(void *(*run)(void *), struct node *node)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, node) != 0) {
        fprintf(stderr, "node: no thread can be started\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    return thread;
}

/* The client ends the orders, then the peer ends the connection; each thread sees its own end. */
static void run_threads(struct node *node)
{
    pthread_t dispatchers[DISPATCHERS];
    pthread_t housekeeper = start(housekeeper_run, node);
    pthread_t answers = start(answers_run, node);
    for (int i = 0; i < DISPATCHERS; i++) {
        dispatchers[i] = start(dispatcher_run, node);
    }
    for (int i = 0; i < DISPATCHERS; i++) {
        pthread_join(dispatchers[i], NULL);
    }
    pthread_join(answers, NULL);
    atomic_store(&node->stopping, true);
    pthread_join(housekeeper, NULL);
}

static void close_store(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("close attempts", lnkeep_attempts_close(&node->attempts, &err), &err);
    outcome_expect("close store", lnkeep_store_close(&node->store, &err), &err);
}

int life_run(const struct node_options *options)
{
    struct node node = {
        .orders_fd = options->orders_fd,
        .peer_fd = options->peer_fd,
        .broken = options->broken,
    };
    start_up(&node, options);
    run_threads(&node);
    report_stats(&node);
    close_store(&node);
    return EXIT_SUCCESS;
}

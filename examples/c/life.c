/*
 * One life of the node, from open to close: resume first, then pay and forward.
 */
#define _XOPEN_SOURCE 700
#include "life.h"

#include "clock.h"
#include "outcome.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAYERS = 8, ANSWERERS = 8, HOUSEKEEPING_MS = 5, BLOCK_HEIGHT = 900000 };

/* What the client is told of: payments, not the attempts' own records. */
enum {
    EVENT_KINDS = 1 << LNKEEP_EVENT_PAYMENT_INITIATED | 1 << LNKEEP_EVENT_PAYMENT_ATTEMPT_SETTLED |
                  1 << LNKEEP_EVENT_PAYMENT_ATTEMPT_FAILED | 1 << LNKEEP_EVENT_PAYMENT_FAILED |
                  1 << LNKEEP_EVENT_PAYMENT_LATE_SETTLE | 1 << LNKEEP_EVENT_PAYMENT_FORCED,
};

static const char CURSOR[] = "client";

static void open_store(struct node *node, const struct node_options *options)
{
    lnkeep_store_report found = LNKEEP_STORE_REPORT_INIT;
    lnkeep_store_options choices = LNKEEP_STORE_OPTIONS_INIT;
    choices.flags = LNKEEP_STORE_EVENT_KINDS;
    choices.event_kinds = EVENT_KINDS;
    /* A store older than the world outside remembers was restored from a copy: its payments may
     * have been sent after the copy was made, so the open is refused. */
    choices.epoch_min = options->epoch_min;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(options->directory, &choices, &node->store, &found, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open store", status, &err);
    node->epoch = found.epoch;
}

static void open_components(struct node *node)
{
    lnkeep_payments_options choices = LNKEEP_PAYMENTS_OPTIONS_INIT;
    choices.flags = LNKEEP_PAYMENTS_CHECK_TOTALS;
    const lnkeep_bytes name = {.ptr = (const uint8_t *)CURSOR, .len = sizeof CURSOR - 1};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status = lnkeep_attempts_open(node->store, NULL, &node->attempts, &err);
    outcome_expect("open attempts", status, &err);
    status = lnkeep_payments_open(node->store, &choices, &node->payments, &err);
    outcome_expect("open payments", status, &err);
    keeper_open(node);
    do {
        status = lnkeep_events_open(node->store, name, 0, &node->events, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open events", status, &err);
}

/* Deadlines of payments are compared with the time that the store was told. */
static void tell_time(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status =
        lnkeep_store_tick(node->store, unix_ns() / 1000000, BLOCK_HEIGHT, &err);
    outcome_class("tick", status, &err);
}

/* Sequence numbers rise: what is at or below this one was begun by an earlier life. */
static uint64_t newest_payment(struct node *node)
{
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.flags = LNKEEP_PAYMENT_QUERY_REVERSED | LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS;
    query.limit = 1;
    lnkeep_payment_page *page = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_payments_list(node->payments, &query, &page, &err);
    outcome_expect("list newest", status, &err);
    uint64_t newest = page->payments_len == 0 ? 0 : page->payments[0].sequence;
    lnkeep_payment_page_free(page);
    return newest;
}

static void start_up(struct node *node, const struct node_options *options)
{
    open_store(node, options);
    open_components(node);
    tell_time(node);
    node->newest_before = newest_payment(node);
    resume_payments(node);
    forwarder_open(node);
    struct report ready = {.kind = REPORT_READY, .a = node->epoch};
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

static void *housekeeper_run(void *argument)
{
    struct node *node = argument;
    const struct timespec pause = {.tv_nsec = HOUSEKEEPING_MS * 1000000L};
    for (unsigned round = 0; !atomic_load(&node->stopping); round++) {
        if (round % 200 == 0) {
            tell_time(node);
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

/* The client ends the orders, then the peer ends the connection; each thread sees its own end. What
 * they left is committed, and the log of events comes last: all that happened is told. */
static void run_threads(struct node *node)
{
    pthread_t payers[PAYERS], answerers[ANSWERERS];
    pthread_t housekeeper = start(housekeeper_run, node);
    pthread_t keeper = start(keeper_run, node);
    pthread_t notices = start(notices_run, node);
    pthread_t forwarder = start(forwarder_run, node);
    for (int i = 0; i < ANSWERERS; i++) {
        answerers[i] = start(answers_run, node);
    }
    for (int i = 0; i < PAYERS; i++) {
        payers[i] = start(payer_run, node);
    }
    for (int i = 0; i < PAYERS; i++) {
        pthread_join(payers[i], NULL);
    }
    for (int i = 0; i < ANSWERERS; i++) {
        pthread_join(answerers[i], NULL);
    }
    keeper_stop(node);
    pthread_join(keeper, NULL);
    pthread_join(forwarder, NULL);
    atomic_store(&node->stopping, true);
    pthread_join(notices, NULL);
    pthread_join(housekeeper, NULL);
}

static void close_store(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_resume_free(node->resumed);
    outcome_expect("close events", lnkeep_events_close(&node->events, &err), &err);
    forwarder_close(node);
    keeper_close(node);
    outcome_expect("close payments", lnkeep_payments_close(&node->payments, &err), &err);
    outcome_expect("close attempts", lnkeep_attempts_close(&node->attempts, &err), &err);
    outcome_expect("close store", lnkeep_store_close(&node->store, &err), &err);
}

int life_run(const struct node_options *options)
{
    struct node node = {
        .orders_fd = options->orders_fd,
        .peer_fd = options->peer_fd,
        .forwards_fd = options->forwards_fd,
        .broken = options->broken,
    };
    start_up(&node, options);
    run_threads(&node);
    report_stats(&node);
    close_store(&node);
    return EXIT_SUCCESS;
}

/*
 * One life of the node: what its threads share, and where each part of the work is.
 *
 *   life.c        opens, recovers, starts the threads, closes
 *   dispatcher.c  an order of the client becomes an HTLC, at most once
 *   answers.c     an answer of the peer becomes a result
 *   report.c      what the client is told
 *   outcome.c     what a node may conclude from a status of lnkeep
 *   broken.c      the negative control: the same node without the waiting
 */
#ifndef LIFE_H
#define LIFE_H

#include <lnkeep.h>
#include <stdatomic.h>
#include <stdbool.h>

struct report;

struct node_options {
    const char *directory;
    uint64_t epoch_min; /* of the store, as the world outside remembers it */
    int orders_fd;
    int peer_fd;
    bool broken;
};

struct node {
    lnkeep_store store;
    lnkeep_attempts attempts;
    int orders_fd;
    int peer_fd;
    bool broken;
    _Atomic uint64_t recorded_below; /* highest order.recorded_below seen */
    atomic_bool stopping;
};

/* Runs until the client has no more orders; returns the exit status. */
int life_run(const struct node_options *options);

/* Threads; the argument is the struct node. */
void *dispatcher_run(void *node);
void *answers_run(void *node);

/* Sends a struct report. Does not return when the client is gone. */
void report_send(struct node *node, const struct report *report);

/* Tells the client that the result of an attempt is durable. */
void report_result(struct node *node, uint64_t id, const lnkeep_attempt_result *result);

/* Tells the client the result of an attempt if it has one; if not, it will be told later. */
void report_stored_result(struct node *node, uint64_t id);

/*
 * Stores results in one commit. Operations whose outcome is DONE or ALREADY are durable; no outcome
 * is UNKNOWN or FATAL, since the process does not survive those.
 */
void store_results(struct node *node, const lnkeep_op *ops, size_t ops_len,
                   lnkeep_outcome *outcomes);

/* The operation that stores the result of an attempt. The result's message is borrowed. */
lnkeep_op result_op(const struct node *node, uint64_t id, const lnkeep_attempt_result *result);

/* Key of an attempt: a node with one router needs only the default namespace. */
lnkeep_attempt_key key_of(uint64_t id);

#endif

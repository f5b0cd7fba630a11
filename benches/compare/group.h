/*
 * Group commit in its plainest form: callers queue a row and sleep; one thread takes all that
 * wait, makes them durable at once, and wakes them: what an engine can do with grouped callers.
 */
#ifndef LNKEEP_BENCH_GROUP_H
#define LNKEEP_BENCH_GROUP_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct group_waiter;

struct group {
    pthread_t writer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct group_waiter *first;
    struct group_waiter **end;
    int closing;
    /* Makes the rows of these ids durable; called by the writer only. */
    void (*commit)(const uint64_t *ids, size_t len);
};

void group_start(struct group *group, void (*commit)(const uint64_t *ids, size_t len));
void group_put(struct group *group, uint64_t id);
void group_stop(struct group *group);

#endif

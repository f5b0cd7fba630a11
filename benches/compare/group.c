#include "group.h"
#include "worker.h"

#include <semaphore.h>

struct group_waiter {
    uint64_t id;
    sem_t durable;
    struct group_waiter *next;
};

/* Takes everything that waits; NULL once the group closes. */
static struct group_waiter *take(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    while (!group->first && !group->closing)
        pthread_cond_wait(&group->changed, &group->lock);
    struct group_waiter *first = group->first;
    group->first = NULL;
    group->end = &group->first;
    pthread_mutex_unlock(&group->lock);
    return first;
}

static void *write_all(void *argument)
{
    struct group *group = argument;
    static _Thread_local uint64_t ids[CALLERS_MAX];
    struct group_waiter *waiting;
    while ((waiting = take(group))) {
        size_t len = 0;
        for (struct group_waiter *one = waiting; one; one = one->next)
            ids[len++] = one->id;
        group->commit(ids, len);
        while (waiting) {
            /* Read before the post: the waiter is on its caller's stack. */
            struct group_waiter *next = waiting->next;
            sem_post(&waiting->durable);
            waiting = next;
        }
    }
    return NULL;
}

void group_start(struct group *group, void (*commit)(const uint64_t *ids, size_t len))
{
    *group = (struct group){.commit = commit};
    group->end = &group->first;
    must(pthread_mutex_init(&group->lock, NULL) == 0, "pthread_mutex_init");
    must(pthread_cond_init(&group->changed, NULL) == 0, "pthread_cond_init");
    must(pthread_create(&group->writer, NULL, write_all, group) == 0, "pthread_create");
}

void group_put(struct group *group, uint64_t id)
{
    struct group_waiter waiter = {.id = id};
    must(sem_init(&waiter.durable, 0, 0) == 0, "sem_init");
    pthread_mutex_lock(&group->lock);
    *group->end = &waiter;
    group->end = &waiter.next;
    pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
    while (sem_wait(&waiter.durable) != 0) {
    }
    sem_destroy(&waiter.durable);
}

void group_stop(struct group *group)
{
    pthread_mutex_lock(&group->lock);
    group->closing = 1;
    pthread_cond_signal(&group->changed);
    pthread_mutex_unlock(&group->lock);
    must(pthread_join(group->writer, NULL) == 0, "pthread_join");
    pthread_cond_destroy(&group->changed);
    pthread_mutex_destroy(&group->lock);
}

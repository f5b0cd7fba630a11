/* Rounds: threads that call until the time is over, and how long each call took. */
#include "worker.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A thousand threads with the usual 8 MiB each would need overcommitted address space. */
#define STACK_BYTES (512 * 1024)

struct caller {
    pthread_t thread;
    unsigned number;
    const struct contestant *contestant;
    pthread_barrier_t *start;
    uint64_t round_ns;
    uint64_t operations;
    struct samples samples;
};

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->len == samples->capacity) {
        samples->capacity = samples->capacity ? 2 * samples->capacity : 1024;
        samples->ns = realloc(samples->ns, samples->capacity * sizeof *samples->ns);
        must(samples->ns != NULL, "realloc");
    }
    samples->ns[samples->len++] = ns;
}

static void *call_until_over(void *argument)
{
    struct caller *caller = argument;
    pthread_barrier_wait(caller->start);
    uint64_t before = now_ns(), deadline = before + caller->round_ns;
    while (before < deadline) {
        caller->contestant->put(caller->number, fresh_ids(1));
        uint64_t after = now_ns();
        samples_add(&caller->samples, after - before);
        caller->operations += after <= deadline;
        before = after;
    }
    return NULL;
}

static void start_callers(struct caller *all, unsigned callers)
{
    pthread_attr_t attributes;
    must(pthread_attr_init(&attributes) == 0, "pthread_attr_init");
    must(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0, "pthread_attr_setstacksize");
    for (unsigned i = 0; i < callers; i++) {
        int answer = pthread_create(&all[i].thread, &attributes, call_until_over, &all[i]);
        must(answer == 0, "pthread_create");
    }
    pthread_attr_destroy(&attributes);
}

/* Moves what one caller did to the round. */
static void gather(struct round *round, const struct caller *caller)
{
    for (size_t i = 0; i < caller->samples.len; i++)
        samples_add(&round->samples, caller->samples.ns[i]);
    round->operations += caller->operations;
    free(caller->samples.ns);
}

struct round run_callers(const struct contestant *contestant, unsigned callers, uint64_t round_ns)
{
    pthread_barrier_t start;
    must(pthread_barrier_init(&start, NULL, callers + 1) == 0, "pthread_barrier_init");
    struct caller *all = calloc(callers, sizeof *all);
    must(all != NULL, "calloc");
    for (unsigned i = 0; i < callers; i++)
        all[i] = (struct caller){
            .number = i, .contestant = contestant, .start = &start, .round_ns = round_ns};
    start_callers(all, callers);

    struct round round = {.length_ns = round_ns};
    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < callers; i++)
        must(pthread_join(all[i].thread, NULL) == 0, "pthread_join");
    for (unsigned i = 0; i < callers; i++)
        gather(&round, &all[i]);
    pthread_barrier_destroy(&start);
    free(all);
    return round;
}

uint64_t scatter(uint64_t number)
{
    uint64_t z = number + UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int ascending(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static uint64_t percentile(const struct samples *sorted, size_t percent)
{
    return sorted->ns[(sorted->len - 1) * percent / 100];
}

void print_round(struct round round)
{
    struct samples *samples = &round.samples;
    must(samples->len > 0, "a round: no call ended");
    qsort(samples->ns, samples->len, sizeof *samples->ns, ascending);
    printf("round %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
           round.operations, round.length_ns, percentile(samples, 50), percentile(samples, 90),
           percentile(samples, 99), percentile(samples, 100));
    free(samples->ns);
}

/*
 * Generated calls: sequences of a seed, on all processors, with the released library or with the
 * one that AddressSanitizer watches. A sequence that ends its process or hangs is found, and the
 * next one goes on.
 */

#define _GNU_SOURCE
#include "ffi.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_WATCHED 1
#endif
#endif

#ifdef IS_WATCHED
#define NAME "ffi_address"
#define PROGRAM "build/ffi/address"
int __lsan_do_recoverable_leak_check(void);
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "detect_leaks=1:strict_string_checks=1:exitcode=99";
}
#else
#define NAME "ffi_calls"
#define PROGRAM "build/ffi/calls"
static int __lsan_do_recoverable_leak_check(void) { return 0; }
#endif

enum { SEQUENCES_PER_CHILD = 64, WATCH_MS = 250, WORKERS_MAX = 64 };

/* So many calls reach every function's success: one that was never reached has no operation worth
 * the name. */
#define REACHES_ALL_CALLS 5000000

/* Shared by all processes. */
struct shared {
    struct tally tallies[OPERATIONS_MAX];
    /* Of each worker: the sequence that runs now, and how many calls were made. */
    uint64_t now[WORKERS_MAX][2];
};

struct context {
    uint64_t seed, sequences;
    const char *control;
    /* This worker's part of what is shared. */
    volatile uint64_t *at;
};

static struct shared *shared;
static struct tally *all_tallies;

void violation_found(enum finding kind, const char *text) { finding(kind, "%s", text); }

static void replay_at(const struct context *context, uint64_t sequence) {
    findings_at(PROGRAM " --seed %llu --sequence %llu%s%s", (unsigned long long)context->seed,
                (unsigned long long)sequence, context->control ? " --control " : "",
                context->control ? context->control : "");
}

static void fill_sequence(uint64_t seed, uint64_t sequence, uint8_t bytes[SEQUENCE_BYTES]) {
    uint64_t state = chance_seed(seed, sequence);
    chance_fill(&state, bytes, SEQUENCE_BYTES);
}

struct stretch {
    const struct context *context;
    uint64_t from, to;
};

/* In a child: the sequences of a stretch. */
static int run_stretch(void *argument) {
    const struct stretch *stretch = argument;
    uint8_t bytes[SEQUENCE_BYTES];
    tallies = calloc(OPERATIONS_MAX, sizeof *tallies);
    if (!tallies) give_up("memory");
    progress = &stretch->context->at[1];
    for (uint64_t sequence = stretch->from; sequence < stretch->to; sequence++) {
        stretch->context->at[0] = sequence;
        replay_at(stretch->context, sequence);
        fill_sequence(stretch->context->seed, sequence, bytes);
        run_sequence(bytes, SEQUENCE_BYTES, CALLS_PER_SEQUENCE);
    }
    if (__lsan_do_recoverable_leak_check()) finding(FOUND_WRONG, "memory was not freed");
    for (size_t i = 0; i < OPERATIONS_MAX; i++) {
        __atomic_fetch_add(&all_tallies[i].calls, tallies[i].calls, __ATOMIC_RELAXED);
        __atomic_fetch_add(&all_tallies[i].done, tallies[i].done, __ATOMIC_RELAXED);
        __atomic_fetch_add(&all_tallies[i].refused, tallies[i].refused, __ATOMIC_RELAXED);
    }
    return 0;
}

/* Waits for a child while it goes on; one whose calls do not return is killed. */
static struct ended watch_child(int process, const struct context *context) {
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
    struct pollfd wanted = {descriptor, POLLIN, 0};
    uint64_t calls = 0, since_us = now_us();
    if (descriptor < 0) give_up("pidfd_open");
    while (poll(&wanted, 1, WATCH_MS) != 1) {
        if (calls != context->at[1]) calls = context->at[1], since_us = now_us();
        if (now_us() - since_us > (uint64_t)HANG_MS * 1000) break;
    }
    close(descriptor);
    return await_child(process, 0);
}

static int run_sequences(uint64_t point, void *argument) {
    struct context *context = argument;
    struct stretch stretch = {context, point * SEQUENCES_PER_CHILD,
                              (point + 1) * SEQUENCES_PER_CHILD};
    char place[PATH_BYTES];
    if (stretch.to > context->sequences) stretch.to = context->sequences;
    context->at = shared->now[worker_index];
    scratch_path(place, sizeof place, "s");
    sequences_start(place);
    while (stretch.from < stretch.to) {
        struct ended ended = watch_child(start_child(run_stretch, &stretch), context);
        if (!ended.hung && !ended.signal && ended.code == 0) return 1;
        replay_at(context, context->at[0]);
        if (ended.code)
            finding(FOUND_SIGNAL, "the sequence ended the program with status %d", ended.code);
        else expect_exit(ended, "the sequence");
        remove_tree(place);
        stretch.from = context->at[0] + 1;
    }
    return 1;
}

/* --- What was reached. */

/* Those of sequences that ended their process included. */
static uint64_t count_calls(void) {
    uint64_t calls = 0;
    for (size_t i = 0; i < WORKERS_MAX; i++) calls += shared->now[i][1];
    return calls;
}

/* Answers how many functions never succeeded; a small sample need not reach all of them. */
static unsigned print_tallies(void) {
    unsigned never = 0;
    int has_to_reach_all = count_calls() >= REACHES_ALL_CALLS;
    printf("%-40s %12s %12s %12s\n", "function", "calls", "done", "refused");
    for (size_t i = 0; i < operations_count(); i++) {
        const char *name = operation_at(i)->name;
        const struct tally *tally = &all_tallies[i];
        if (operation_number(name) != i) continue;
        printf("%-40s %12llu %12llu %12llu\n", name, (unsigned long long)tally->calls,
               (unsigned long long)tally->done, (unsigned long long)tally->refused);
        if (tally->done == 0) {
            never++;
            if (has_to_reach_all) finding(FOUND_WRONG, "%s never succeeded", name);
        }
    }
    return never;
}

static int list_operations(void) {
    for (size_t i = 0; i < operations_count(); i++) {
        if (operation_number(operation_at(i)->name) == i) puts(operation_at(i)->name);
    }
    return 0;
}

/* One sequence in this process, for a debugger; its bytes go to a file where one is named. */
static int replay(struct context *context, uint64_t sequence, const char *file,
                  const char *written) {
    uint8_t bytes[SEQUENCE_BYTES], *read = bytes;
    size_t len = SEQUENCE_BYTES;
    uint64_t calls = 0;
    char place[PATH_BYTES];
    fill_sequence(context->seed, sequence, bytes);
    if (file && !read_whole(file, &read, &len)) give_up(file);
    if (written) write_whole(written, read, len, len);
    progress = &calls;
    tallies = all_tallies;
    replay_at(context, sequence);
    scratch_path(place, sizeof place, "s");
    sequences_start(place);
    traced = 1;
    run_sequence(read, len, CALLS_PER_SEQUENCE);
    printf("%llu calls\n", (unsigned long long)calls);
    return findings_total() != 0;
}

static enum finding plant(const char *control) {
    static const enum finding wanted[PLANTED] = {
        [PLANT_STALE] = FOUND_STATUS,
        [PLANT_STATUS] = FOUND_STATUS,
        [PLANT_OUTPUT] = FOUND_WRONG,
        [PLANT_HANG] = FOUND_HANG,
#ifdef IS_WATCHED
        [PLANT_USE_AFTER_FREE] = FOUND_SIGNAL,
        [PLANT_OVER_READ] = FOUND_SIGNAL,
        [PLANT_LEAK] = FOUND_WRONG,
#endif
    };
    for (int i = 0; i < PLANTED; i++) {
        if (strcmp(planted_names[i], control) == 0 && wanted[i] != FOUND_LOST)
            planted = (enum planted)i;
    }
    if (planted == PLANT_NOTHING) {
        fprintf(stderr, "there is no control %s\n", control);
        exit(64);
    }
    planted_after = 100;
    findings_silent(1);
    return wanted[planted];
}

int main(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--calls", 1}, {"--sequence", 1}, {"--file", 1}, {"--write", 1},
        {"--control", 1}, {"--list", 0},
    };
    options_check(argc, argv, names, sizeof names / sizeof *names);
    if (option_given(argc, argv, "--list")) return list_operations();
    struct context context = {option_seed(argc, argv), 0,
                              option_text(argc, argv, "--control", NULL), NULL};
    uint64_t calls = option_number(argc, argv, "--calls", 100000);
    findings_start();
    context.sequences = (calls + CALLS_PER_SEQUENCE - 1) / CALLS_PER_SEQUENCE;
    uint64_t points = (context.sequences + SEQUENCES_PER_CHILD - 1) / SEQUENCES_PER_CHILD;
    shared = points_kept_memory(points, sizeof *shared);
    all_tallies = shared->tallies;
    scratch_start();
    enum finding wanted = context.control ? plant(context.control) : FOUND_WRONG;
    const char *file = option_text(argc, argv, "--file", NULL);
    if (file || option_given(argc, argv, "--sequence")) {
        findings_silent(0);
        return replay(&context, option_number(argc, argv, "--sequence", 0), file,
                      option_text(argc, argv, "--write", NULL));
    }
    uint64_t began_us = now_us(), began_calls = count_calls();
    run_points(points, run_sequences, &context);
    double took_secs = (double)(now_us() - began_us) / 1e6;
    double per_second = (double)(count_calls() - began_calls) / took_secs;
    if (context.control) {
        return findings_report_control(NAME, context.control, context.seed, count_calls(), wanted);
    }
    unsigned never = print_tallies();
    char details[160];
    snprintf(details, sizeof details,
             "%llu sequences, %.0f calls per second, %u functions never succeeded",
             (unsigned long long)context.sequences, per_second, never);
    return findings_report(NAME, context.seed, count_calls(), details);
}

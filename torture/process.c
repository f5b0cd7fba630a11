/* Children with a time limit, points on all processors, and what is found by any of them. */

#define _GNU_SOURCE
#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PRINTED_MAX = 25, WORKERS_MAX = 64 };

unsigned worker_index;

const char *const finding_names[FINDINGS] = {
    "lost",  "granted twice", "paid twice", "half", "wrong",
    "event", "status",        "signal",     "hang", "reopen",
    "blob",  "number",        "alarm",      "restore", "growth",
};

static struct {
    atomic_uint_fast64_t counts[FINDINGS];
    atomic_uint_fast64_t printed;
} *findings;

/* The same counts in the file of the points, while those run. */
static atomic_uint_fast64_t *counted;
static char replay[512];
static int is_silent;

void findings_start(void) { findings = shared_memory(sizeof *findings); }

void findings_at(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(replay, sizeof replay, format, arguments);
    va_end(arguments);
}

void findings_silent(int silent) { is_silent = silent; }

/* The command is kept, so that the point can be run again when its cause is mended. */
static void keep_failure(void) {
    const char *path = getenv("LNKEEP_TORTURE_FAILURES");
    if (!path) return;
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return;
    dprintf(file, "%s\n", replay);
    close(file);
}

void finding(enum finding kind, const char *format, ...) {
    char text[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    atomic_fetch_add(&findings->counts[kind], 1);
    if (counted) atomic_fetch_add(&counted[kind], 1);
    if (is_silent || atomic_fetch_add(&findings->printed, 1) >= PRINTED_MAX) return;
    /* One write, so that lines of several processes do not mix. */
    dprintf(1, "VIOLATION %s: %s\n    replay: %s\n", finding_names[kind], text, replay);
    keep_failure();
}

uint64_t findings_count(enum finding kind) { return atomic_load(&findings->counts[kind]); }

uint64_t findings_total(void) {
    uint64_t total = 0;
    for (int kind = 0; kind < FINDINGS; kind++) total += findings_count((enum finding)kind);
    return total;
}

static void list_findings(char *text, size_t len) {
    size_t at = 0;
    text[0] = 0;
    for (int kind = 0; kind < FINDINGS; kind++) {
        uint64_t count = findings_count((enum finding)kind);
        if (count == 0 || at >= len) continue;
        at += (size_t)snprintf(text + at, len - at, "%s%s %llu", at ? ", " : "",
                               finding_names[kind], (unsigned long long)count);
    }
}

int findings_report(const char *name, uint64_t seed, uint64_t points, const char *details) {
    char kinds[256];
    list_findings(kinds, sizeof kinds);
    printf("%s: seed %llu, %llu points, %llu violations%s%s%s%s%s\n", name,
           (unsigned long long)seed, (unsigned long long)points,
           (unsigned long long)findings_total(), *kinds ? " (" : "", kinds, *kinds ? ")" : "",
           *details ? "; " : "", details);
    return points == 0 || findings_total() != 0;
}

int findings_report_control(const char *name, const char *control, uint64_t seed, uint64_t points,
                            enum finding wanted) {
    char kinds[256];
    list_findings(kinds, sizeof kinds);
    uint64_t count = findings_count(wanted);
    printf("%s control %s: seed %llu, %llu points, %s (%s)\n", name, control,
           (unsigned long long)seed, (unsigned long long)points, count ? "caught" : "NOT CAUGHT",
           *kinds ? kinds : "nothing was found");
    return count == 0;
}

int start_child(child_function run, void *context) {
    fflush(NULL);
    pid_t process = fork();
    if (process < 0) give_up("fork");
    if (process == 0) {
        struct rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(run(context));
    }
    return process;
}

static struct ended reap(int process) {
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) give_up("waitpid");
    }
    struct ended ended = {0};
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    else ended.code = WEXITSTATUS(status);
    return ended;
}

static void print_file(const char *what, const char *path) {
    char text[1500];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0) close(file);
    if (len <= 0) return;
    text[len] = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        printf("    %s %s\n", what, line);
    }
}

/* A hang may not come again: what each thread waits for is told before the process is killed. */
static void tell_where_it_hangs(int process) {
    static const char *const told[] = {"comm", "stat", "syscall", "stack"};
    char path[300];
    snprintf(path, sizeof path, "/proc/%d/task", process);
    DIR *threads = is_silent ? NULL : opendir(path);
    if (!threads) return;
    printf("process %d hangs:\n", process);
    for (struct dirent *entry; (entry = readdir(threads));) {
        if (entry->d_name[0] == '.') continue;
        for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
            snprintf(path, sizeof path, "/proc/%d/task/%s/%s", process, entry->d_name, told[i]);
            print_file(entry->d_name, path);
        }
    }
    closedir(threads);
}

struct ended await_child(int process, int limit_ms) {
    int descriptor = (int)syscall(SYS_pidfd_open, process, 0);
    if (descriptor < 0) give_up("pidfd_open");
    struct pollfd wanted = {descriptor, POLLIN, 0};
    uint64_t until_us = now_us() + (uint64_t)limit_ms * 1000;
    int ready = 0;
    do {
        uint64_t left_us = until_us > now_us() ? until_us - now_us() : 0;
        ready = poll(&wanted, 1, (int)(left_us / 1000));
    } while (ready < 0 && errno == EINTR);
    close(descriptor);
    if (ready == 1) return reap(process);
    tell_where_it_hangs(process);
    kill(process, SIGKILL);
    struct ended ended = reap(process);
    ended.hung = 1;
    return ended;
}

struct ended run_child(child_function run, void *context, int limit_ms) {
    return await_child(start_child(run, context), limit_ms);
}

int expect_exit(struct ended ended, const char *what) {
    if (ended.hung) finding(FOUND_HANG, "%s did not end", what);
    else if (ended.signal) finding(FOUND_SIGNAL, "%s ended by signal %d", what, ended.signal);
    return !ended.hung && !ended.signal;
}

void expect_done(struct ended ended, const char *what) {
    if (expect_exit(ended, what) && ended.code != 0) {
        finding(FOUND_WRONG, "%s came to no end: it answered %d", what, ended.code);
    }
}

/* In a file, where there is one: a harness that is stopped goes on at its next start. */
struct points {
    uint64_t max, seed;
    atomic_uint_fast64_t next, run;
    atomic_int stopped;
    uint64_t begun[WORKERS_MAX];       /* the point of each process, plus one, until it has ended */
    atomic_uint_fast64_t counts[FINDINGS]; /* what was found before this start */
};

/* Of the run that is to come, when the harness keeps its own counts with the points. */
static struct points *opened;

/*
 * Nothing of an earlier start, or all of it when that was to run as many points of the same seed.
 * What the harness itself keeps follows the points.
 */
static struct points *points_open(uint64_t max, size_t kept_len) {
    const char *path = getenv("LNKEEP_TORTURE_PROGRESS");
    size_t len = sizeof(struct points) + kept_len;
    if (!path) {
        struct points *unkept = shared_memory(len);
        unkept->max = max;
        return unkept;
    }
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || ftruncate(file, (off_t)len) != 0) give_up(path);
    struct points *points = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (points == MAP_FAILED) give_up(path);
    close(file);
    if (points->max != max || points->seed != seed_of_run) memset(points, 0, len);
    points->max = max;
    points->seed = seed_of_run;
    return points;
}

void *points_kept_memory(uint64_t points_max, size_t len) {
    opened = points_open(points_max, len);
    return opened + 1;
}

static void run_one(struct points *points, uint64_t point, point_function run, void *context) {
    points->begun[worker_index] = point + 1;
    if (run(point, context)) atomic_fetch_add(&points->run, 1);
    else atomic_store(&points->stopped, 1);
    points->begun[worker_index] = 0;
}

static void work(struct points *points, point_function run, void *context) {
    if (points->begun[worker_index] != 0) {
        run_one(points, points->begun[worker_index] - 1, run, context);
    }
    while (!atomic_load(&points->stopped)) {
        uint64_t point = atomic_fetch_add(&points->next, 1);
        if (point >= points->max) return;
        run_one(points, point, run, context);
    }
}

/* Whoever stops this harness keeps what it has found. */
static void keep_counts(struct points *points) {
    for (int kind = 0; kind < FINDINGS; kind++) {
        atomic_fetch_add(&findings->counts[kind], atomic_load(&points->counts[kind]));
    }
    counted = points->counts;
}

uint64_t run_points(uint64_t points_max, point_function run, void *context) {
    struct points *points = opened ? opened : points_open(points_max, 0);
    opened = NULL;
    keep_counts(points);
    int processes[WORKERS_MAX];
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned workers = processors < 1 ? 1 : processors > WORKERS_MAX ? WORKERS_MAX
                                                                    : (unsigned)processors;
    fflush(NULL);
    for (unsigned i = 0; i < workers; i++) {
        processes[i] = fork();
        if (processes[i] < 0) give_up("fork");
        if (processes[i] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            worker_index = i;
            work(points, run, context);
            fflush(NULL);
            _exit(0);
        }
    }
    for (unsigned i = 0; i < workers; i++) {
        struct ended ended = reap(processes[i]);
        if (ended.code != 0 || ended.signal != 0) {
            fprintf(stderr, "torture: a process of the harness failed: %d, signal %d\n", ended.code,
                    ended.signal);
            exit(70);
        }
    }
    counted = NULL;
    uint64_t ran = atomic_load(&points->run);
    points->max = 0; /* these are done: whoever runs points next begins anew */
    return ran;
}

/*
 * An hour of mixed load with a kill every half minute. The supervisor holds what was acknowledged, since the
 * store was made; after each kill the next life of the host has to find all of it. The store is kept from run
 * to run, and what is known about it in a file beside it.
 */

#define _GNU_SOURCE
#include "soak.h"

#include "common.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PATH_BYTES = 4096,
    LOOK_US = 10000,
    OPENING_MS = 120000,   /* until a life has found what was acknowledged */
    CALL_MS = 6 * HANG_MS, /* for one call; a disk may have much to do */
    ENDING_MS = 60000,
    CLEAN_EVERY = 6,     /* lives that end by a close and not by a kill */
    OPENING_EVERY = 8,   /* kills that come while the host still opens */
    OPENING_KILL_MS = 200,
    COPY_EVERY = 2, /* kills between the older copy and its return */
};

/* Half as much again as the load needs, or more: it always has the same number of things. */
enum {
    ROWS_MAX = 16000,
    USED_MIB_MAX = 64,
    FILE_MIB_MAX = 192,
    MEMORY_MIB_MAX = 64,
    DESCRIPTORS_MAX = 64,
    /* From a quarter of a life on, when it has warmed up, to its end, however long that takes. */
    MEMORY_MORE_KIB_MAX = 4096,
    DESCRIPTORS_MORE_MAX = 2,
    WARM_CALLS = 1000,
};

#define STATE_MAGIC UINT64_C(0x6c6e6b736f616b31)

/* First, last and greatest value of what must not grow. */
struct measure {
    const char *name;
    uint64_t max, first, last, most;
    unsigned seen;
};

enum { ROWS, USED, FILED, MEMORY, DESCRIPTORS, MEMORY_MORE, DESCRIPTORS_MORE, MEASURES };

static struct measure measures[MEASURES] = {
    [ROWS] = {"rows", ROWS_MAX, 0, 0, 0, 0},
    [USED] = {"KiB used", USED_MIB_MAX * 1024, 0, 0, 0, 0},
    [FILED] = {"KiB of file", FILE_MIB_MAX * 1024, 0, 0, 0, 0},
    [MEMORY] = {"KiB of memory", MEMORY_MIB_MAX * 1024, 0, 0, 0, 0},
    [DESCRIPTORS] = {"descriptors", DESCRIPTORS_MAX, 0, 0, 0, 0},
    [MEMORY_MORE] = {"KiB of memory more within a life", MEMORY_MORE_KIB_MAX, 0, 0, 0, 0},
    [DESCRIPTORS_MORE] = {"descriptors more within a life", DESCRIPTORS_MORE_MAX, 0, 0, 0, 0},
};

static const struct {
    const char *name;
    enum soak_control control;
    enum finding wanted;
} controls[] = {
    {"early", SOAK_EARLY, FOUND_LOST},          {"older", SOAK_OLDER, FOUND_LOST},
    {"hoarder", SOAK_HOARDER, FOUND_GROWTH},    {"leaker", SOAK_LEAKER, FOUND_GROWTH},
    {"twice", SOAK_TWICE, FOUND_GRANTED_TWICE}, {"skipper", SOAK_SKIPPER, FOUND_EVENT},
    {"dripper", SOAK_DRIPPER, FOUND_GROWTH},
};

static volatile sig_atomic_t is_asked_to_end;

static void ask_to_end(int number) {
    (void)number;
    is_asked_to_end = 1;
}

/* --- What must not grow. */

static void measure(unsigned which, uint64_t value) {
    struct measure *of = &measures[which];
    if (of->seen++ == 0) of->first = value;
    of->last = value;
    if (value > of->most) of->most = value;
    if (value <= of->max) return;
    finding(FOUND_GROWTH, "%llu %s; the load needs less than %llu", (unsigned long long)value,
            of->name, (unsigned long long)of->max);
}

static uint64_t memory_kib(int process) {
    char path[64], line[200];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", process);
    FILE *file = fopen(path, "re");
    if (!file) return 0;
    /* What is mapped of files is the store's own size, and is looked at as such. */
    while (fgets(line, sizeof line, file)) sscanf(line, "RssAnon: %llu kB", &kib);
    fclose(file);
    return kib;
}

static uint64_t descriptors(int process) {
    char path[64];
    uint64_t len = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", process);
    DIR *directory = opendir(path);
    if (!directory) return 0;
    while (readdir(directory)) len++;
    closedir(directory);
    return len - 2;
}

/* What a host has, early in its life and at its end; 0 where nobody could tell. */
struct sample {
    uint64_t kib, open_files;
};

static struct sample sample(int process) {
    return (struct sample){memory_kib(process), descriptors(process)};
}

static void measure_more(unsigned which, uint64_t before, uint64_t after) {
    if (before && after) measure(which, after > before ? after - before : 0);
}

static void measure_host(struct sample early, struct sample late) {
    if (late.kib) measure(MEMORY, late.kib);
    if (late.open_files) measure(DESCRIPTORS, late.open_files);
    measure_more(MEMORY_MORE, early.kib, late.kib);
    measure_more(DESCRIPTORS_MORE, early.open_files, late.open_files);
}

static void measure_store(struct soak *soak) {
    uint64_t rows = atomic_exchange(&soak->rows, 0);
    if (rows == 0) return;
    measure(ROWS, rows);
    measure(USED, atomic_load(&soak->used_bytes) / 1024);
    measure(FILED, atomic_load(&soak->file_bytes) / 1024);
}

/* --- The state of all runs, beside the store. */

static uint64_t checksum_of(const struct soak_state *state) {
    return digest_add(DIGEST_START, state, offsetof(struct soak_state, checksum));
}

static void save(struct soak *soak) {
    char path[PATH_BYTES], part[PATH_BYTES];
    snprintf(path, sizeof path, "%s.state", soak->directory);
    snprintf(part, sizeof part, "%s.state.part", soak->directory);
    soak->state.checksum = checksum_of(&soak->state);
    int file = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const uint8_t *bytes = (const uint8_t *)&soak->state;
    ssize_t wrote = 1;
    size_t done = 0;
    while (file >= 0 && done < sizeof soak->state && wrote > 0) {
        wrote = write(file, bytes + done, sizeof soak->state - done);
        if (wrote > 0) done += (size_t)wrote;
    }
    if (file < 0 || done != sizeof soak->state || fsync(file) != 0 || close(file) != 0 ||
        rename(part, path) != 0) {
        give_up(part);
    }
}

/* Why the store of the last run cannot be gone on with; NULL when it can. */
static const char *load(struct soak *soak) {
    char path[PATH_BYTES];
    uint8_t *bytes = NULL;
    size_t len = 0;
    snprintf(path, sizeof path, "%s.state", soak->directory);
    int is_read = read_whole(path, &bytes, &len);
    if (is_read && len == sizeof soak->state) memcpy(&soak->state, bytes, len);
    free(bytes);
    if (!is_read || access(soak->directory, F_OK) != 0) return "there is none of an earlier run";
    int is_sound = len == sizeof soak->state && soak->state.magic == STATE_MAGIC &&
                   soak->state.len == len && soak->state.checksum == checksum_of(&soak->state);
    if (!is_sound) return "the state of the last run is damaged, or another version's";
    if (soak->state.is_in_life) return "the last run found something, or was stopped before its end";
    return NULL;
}

static void begin(struct soak *soak, uint64_t seed, int is_fresh) {
    const char *why = is_fresh ? "as was asked for" : load(soak);
    struct soak_state *state = &soak->state;
    if (why) {
        char path[PATH_BYTES];
        printf("soak: a new store: %s\n", why);
        remove_tree(soak->directory);
        snprintf(path, sizeof path, "%s.state", soak->directory);
        remove(path);
        memset(state, 0, sizeof *state);
        state->magic = STATE_MAGIC;
        state->len = sizeof *state;
        state->seed = seed;
    }
    for (unsigned lane = 0; lane < LANES; lane++) {
        state->lanes[lane].chance = chance_seed(seed, state->lives * LANES + lane);
    }
    state->runs++;
    state->is_in_life = 1;
    save(soak);
}

/* --- One life. */

static uint64_t calls_of(const struct soak *soak) {
    uint64_t calls = 0;
    for (unsigned lane = 0; lane < LANES; lane++) calls += soak->state.lanes[lane].calls;
    return calls;
}

static int has_ended(int process) {
    siginfo_t info = {0};
    if (waitid(P_PID, (id_t)process, &info, WEXITED | WNOHANG | WNOWAIT) != 0) give_up("waitid");
    return info.si_pid == process;
}

/* A call that does not return is found while the host lives. */
static int is_hung(struct soak *soak) {
    uint64_t at_us = now_us();
    for (unsigned lane = 0; lane < LANES; lane++) {
        const struct lane *noted = &soak->state.lanes[lane];
        if (!atomic_load(&noted->is_busy) || noted->since_us + CALL_MS * 1000u > at_us) continue;
        finding(FOUND_HANG, "thread %u has waited for an answer for %d ms", lane, CALL_MS);
        return 1;
    }
    return 0;
}

static void wait_until(struct soak *soak, int process, uint64_t until_us) {
    while (now_us() < until_us && !has_ended(process) && !is_asked_to_end) {
        if (atomic_load(&soak->is_verified) && is_hung(soak)) return;
        if (atomic_load(&soak->has_stopped)) return;
        sleep_us(LOOK_US);
    }
}

static void wait_for_verified(struct soak *soak, int process) {
    uint64_t until_us = now_us() + OPENING_MS * UINT64_C(1000);
    while (!atomic_load(&soak->is_verified) && !has_ended(process)) {
        if (now_us() > until_us) {
            finding(FOUND_HANG, "the host has not opened after %d ms", OPENING_MS);
            return;
        }
        sleep_us(LOOK_US);
    }
}

/* What the host has when all threads have done some work; nothing where its life is too short for that. */
static struct sample sample_warm(struct soak *soak, int process, uint64_t life_us) {
    uint64_t from_us = now_us(), until_calls = calls_of(soak) + WARM_CALLS;
    wait_until(soak, process, from_us + life_us / 4);
    while (calls_of(soak) < until_calls && now_us() < from_us + life_us) {
        if (has_ended(process) || is_asked_to_end || atomic_load(&soak->has_stopped)) break;
        sleep_us(LOOK_US);
    }
    return calls_of(soak) < until_calls ? (struct sample){0} : sample(process);
}

enum ending { END_KILLED, END_KILLED_OPENING, END_CLOSED };

/* Answers whether the host was killed. */
static int end_life(struct soak *soak, int process, enum ending ending) {
    if (ending == END_CLOSED || has_ended(process) || atomic_load(&soak->has_stopped)) {
        atomic_store(&soak->is_to_end, 1);
        struct ended ended = await_child(process, ENDING_MS);
        if (expect_exit(ended, "the host") && ended.code != 0) {
            finding(FOUND_WRONG, "the host gave up, exit status %d", ended.code);
        }
        return 0;
    }
    kill(process, SIGKILL);
    struct ended ended = await_child(process, ENDING_MS);
    /* It may have come to an end of its own before the signal came. */
    if (ended.hung || ended.signal != SIGKILL) expect_done(ended, "the host");
    return 1;
}

static int live(struct soak *soak, enum ending ending, uint64_t life_ms) {
    atomic_store(&soak->is_verified, 0);
    atomic_store(&soak->is_to_end, life_ms == 0);
    int process = start_child(soak_live, soak);
    if (ending == END_KILLED_OPENING) {
        wait_until(soak, process, now_us() + life_ms * 1000);
    } else {
        wait_for_verified(soak, process);
        uint64_t from_us = now_us();
        struct sample early = sample_warm(soak, process, life_ms * 1000);
        wait_until(soak, process, from_us + life_ms * 1000);
        if (life_ms != 0 && !has_ended(process)) measure_host(early, sample(process));
    }
    int is_killed = end_life(soak, process, ending);
    soak->state.lives++;
    measure_store(soak);
    return is_killed;
}

/* --- The control whose store is put back. */

static void copy_file(const char *from, const char *to) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (!read_whole(from, &bytes, &len)) give_up(from);
    write_whole(to, bytes, len, len);
    free(bytes);
}

/* In place, or the store would tell that it was copied. */
static void put_back(struct soak *soak, uint64_t kills) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    snprintf(data, sizeof data, "%s/data.mdb", soak->directory);
    snprintf(copy, sizeof copy, "%s.older", soak->directory);
    if (kills % COPY_EVERY == 1) copy_file(data, copy);
    else if (access(copy, F_OK) == 0) copy_file(copy, data);
}

static void drop_copy(struct soak *soak) {
    char copy[PATH_BYTES];
    snprintf(copy, sizeof copy, "%s.older", soak->directory);
    remove(copy);
}

/* --- A run. */

static uint64_t run(struct soak *soak, uint64_t secs, uint64_t kill_every_ms, uint64_t seed) {
    uint64_t chance = chance_seed(seed, soak->state.lives), kills = 0, number = 0;
    uint64_t until_us = now_us() + secs * 1000000;
    while (now_us() < until_us && findings_total() == 0 && !is_asked_to_end) {
        enum ending ending = END_KILLED;
        uint64_t life_ms = kill_every_ms / 2 + chance_below(&chance, kill_every_ms + 1);
        uint64_t left_ms = (until_us - now_us()) / 1000;
        number++;
        if (number % CLEAN_EVERY == 0) ending = END_CLOSED;
        if (number % OPENING_EVERY == 0) {
            ending = END_KILLED_OPENING;
            life_ms = 1 + chance_below(&chance, OPENING_KILL_MS);
        }
        if (life_ms > left_ms) life_ms = left_ms + 1;
        int is_killed = live(soak, ending, life_ms);
        kills += (uint64_t)is_killed;
        if (is_killed && soak->control == SOAK_OLDER) put_back(soak, kills);
    }
    /* Opened, looked at and closed. */
    if (findings_total() == 0) live(soak, END_CLOSED, 0);
    soak->state.kills += kills;
    return kills;
}

static void print_growth(const struct soak *soak) {
    for (unsigned which = 0; which < MEASURES; which++) {
        const struct measure *of = &measures[which];
        printf("  %s: %llu at first, %llu at last, %llu at most, %llu allowed\n", of->name,
               (unsigned long long)of->first, (unsigned long long)of->last,
               (unsigned long long)of->most, (unsigned long long)of->max);
    }
    const struct soak_state *state = &soak->state;
    printf("  the store has had %llu runs, %llu lives, %llu kills, %llu calls\n",
           (unsigned long long)state->runs, (unsigned long long)state->lives,
           (unsigned long long)state->kills, (unsigned long long)calls_of(soak));
}

static int find_control(const char *name) {
    int len = sizeof controls / sizeof controls[0];
    for (int at = 0; name && at < len; at++) {
        if (strcmp(controls[at].name, name) == 0) return at;
    }
    if (!name) return -1;
    fprintf(stderr, "soak: %s is not a control\n", name);
    exit(64);
}

static void name_directory(struct soak *soak, const char *given, int is_control) {
    /* A control ruins what is kept. */
    if (given && !is_control) {
        snprintf(soak->directory, sizeof soak->directory, "%s", given);
        return;
    }
    scratch_start();
    scratch_path(soak->directory, sizeof soak->directory, "store");
}

/* What was found is there to be looked at when the next run has made a new store. */
static void put_aside(const struct soak *soak) {
    char aside[PATH_BYTES];
    snprintf(aside, sizeof aside, "%s.violation", soak->directory);
    remove_tree(aside);
    if (rename(soak->directory, aside) == 0) printf("soak: the store is kept as %s\n", aside);
}

int main(int argc, char **argv) {
    static const struct option_name names[] = {{"--seed", 1},          {"--secs", 1},
                                               {"--kill-every-ms", 1}, {"--directory", 1},
                                               {"--control", 1},       {"--fresh", 0}};
    char details[300];
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    uint64_t seed = option_seed(argc, argv), secs = option_number(argc, argv, "--secs", 60);
    uint64_t kill_every_ms = option_number(argc, argv, "--kill-every-ms", 30000);
    const char *name = option_text(argc, argv, "--control", NULL);
    int control = find_control(name);
    struct soak *soak = shared_memory(sizeof *soak);
    if (control >= 0) soak->control = controls[control].control;
    findings_silent(control >= 0);
    findings_start();
    findings_at("build/torture/soak --secs %llu --kill-every-ms %llu --seed %llu --fresh",
                (unsigned long long)secs, (unsigned long long)kill_every_ms,
                (unsigned long long)seed);
    name_directory(soak, option_text(argc, argv, "--directory", NULL), control >= 0);
    signal(SIGINT, ask_to_end);
    signal(SIGTERM, ask_to_end);
    begin(soak, seed, option_given(argc, argv, "--fresh"));
    uint64_t calls = calls_of(soak), began_us = now_us();
    uint64_t kills = run(soak, secs, kill_every_ms, seed);
    soak->state.secs += (now_us() - began_us) / 1000000;
    soak->state.is_in_life = findings_total() != 0;
    save(soak);
    drop_copy(soak);
    if (control >= 0) {
        return findings_report_control("soak", name, seed, kills, controls[control].wanted);
    }
    if (findings_total() != 0 && option_given(argc, argv, "--directory")) put_aside(soak);
    print_growth(soak);
    snprintf(details, sizeof details,
             "%llu calls in %llu s; of those that a kill met %llu were made and %llu not",
             (unsigned long long)(calls_of(soak) - calls),
             (unsigned long long)((now_us() - began_us) / 1000000),
             (unsigned long long)atomic_load(&soak->made),
             (unsigned long long)atomic_load(&soak->unmade));
    int answer = findings_report("soak", seed, kills, details);
    if (is_asked_to_end) printf("soak: it was asked to end before its time\n");
    return answer || is_asked_to_end;
}

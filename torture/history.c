/*
 * Linearizability: threads ask for everything about a few attempts and payments at once, their
 * process is killed, another one goes on, and there must be an order that explains all answers.
 */

#define _GNU_SOURCE
#include "history.h"

#include "common.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    HISTORIES = 5, /* of one store */
    KILLS_MAX = LIVES_MAX - 1,
    OPENING_US = 4000,  /* about what an open takes, and the reads after it */
    EARLY_MOMENTS = 40, /* of the clock, whose commits the control takes away */
    MUTATIONS = 4,      /* of one history */
};

struct figures {
    atomic_uint_fast64_t histories, operations, doubtful, groups, crashes, opening_crashes, tried;
    atomic_uint_fast64_t widest, mutated, refused;
};

static struct run {
    uint64_t seed, first, points;
    enum lie lie;
    int is_one;   /* the same store at every point */
    int is_quiet; /* nobody is killed */
    int mutates;
    const char *keep;
    struct figures *figures;
} run;

/* --- One store: its lives and their ends. */

static struct saga *saga_new(uint64_t point) {
    static struct saga *saga;
    static struct history *histories;
    if (!saga) {
        saga = shared_memory(sizeof *saga);
        histories = shared_memory(HISTORIES * sizeof *histories);
    }
    memset(saga, 0, sizeof *saga);
    memset(histories, 0, HISTORIES * sizeof *histories);
    saga->seed = run.seed;
    saga->first = point * HISTORIES;
    saga->histories_len = HISTORIES;
    saga->lie = run.lie;
    saga->histories = histories;
    for (unsigned at = 0; at < HISTORIES; at++) {
        histories[at].number = saga->first + at;
        histories[at].threads = script_threads(run.seed, saga->first + at);
    }
    scratch_path(saga->directory[0], sizeof saga->directory[0], "store");
    scratch_path(saga->directory[1], sizeof saga->directory[1], "other");
    remove_tree(saga->directory[0]);
    remove_tree(saga->directory[1]);
    return saga;
}

/* About how many moments the histories that are left will take. */
static uint64_t moments_left(const struct saga *saga) {
    uint64_t calls = 0;
    for (unsigned at = atomic_load(&saga->at); at < HISTORIES; at++) {
        const struct history *history = &saga->histories[at];
        for (unsigned thread = 0; thread < history->threads; thread++) {
            calls += script_len(run.seed, history->number, thread);
            unsigned begun = atomic_load(&history->next[thread]);
            calls -= begun < calls ? begun : calls;
        }
    }
    return 2 * calls + 1;
}

static void data_path(const struct saga *saga, char *path, size_t len) {
    int wrote = snprintf(path, len, "%s/data.mdb", saga->directory[0]);
    if (wrote < 0 || (size_t)wrote >= len) give_up("a path is too long");
}

/* Waits for a host's end. A stop is looked at: then the file is remembered as it is. */
static struct ended await_host(int process, const struct saga *saga, uint8_t **bytes, size_t *len) {
    char path[4200];
    int status = 0;
    while (run.lie == LIE_EARLY) {
        if (waitpid(process, &status, WUNTRACED) < 0 && errno != EINTR) give_up("waitpid");
        if (!WIFSTOPPED(status)) {
            return (struct ended){.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
                                  .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0};
        }
        data_path(saga, path, sizeof path);
        if (!read_whole(path, bytes, len)) give_up(path);
        kill(process, SIGCONT);
    }
    return await_child(process, 4 * HANG_MS);
}

/* Chooses the moment of a life's end; answers 0 where the parent kills, while the store opens. */
static int choose_end(struct saga *saga, uint64_t *chance, int is_last) {
    saga->kill_at = saga->stop_at = UINT64_MAX;
    saga->delay_us = chance_below(chance, 3) ? chance_below(chance, 150) : 0;
    if (is_last) return 1;
    if (saga->life > 0 && run.lie != LIE_EARLY && chance_below(chance, 3) == 0) return 0;
    uint64_t from = atomic_load(&saga->clock);
    saga->kill_at = from + 1 + chance_below(chance, moments_left(saga));
    if (run.lie == LIE_EARLY) {
        saga->stop_at = saga->kill_at;
        saga->kill_at += EARLY_MOMENTS;
    }
    return 1;
}

static int live(struct saga *saga, uint64_t *chance, int is_last, uint64_t *crash) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    char path[4200];
    int is_patient = choose_end(saga, chance, is_last);
    int process = start_child(host_run, saga);
    if (!is_patient) {
        sleep_us(chance_below(chance, OPENING_US));
        kill(process, SIGKILL);
    }
    struct ended ended = await_host(process, saga, &bytes, &len);
    int was_killed = ended.signal == SIGKILL && !ended.hung;
    if (was_killed) {
        *crash = saga_now(saga);
        atomic_fetch_add(&run.figures->crashes, 1);
        if (!is_patient) atomic_fetch_add(&run.figures->opening_crashes, 1);
    }
    if (was_killed && bytes) {
        data_path(saga, path, sizeof path);
        write_whole(path, bytes, len, len);
    }
    free(bytes);
    if (was_killed && !is_last) return 1;
    int32_t status = atomic_load(&saga->failed_status);
    if (!expect_exit(ended, "a host")) return 0;
    if (ended.code == HOST_NOT_OPENED) {
        finding(FOUND_REOPEN, "open answered %s", lnkeep_status_name(status));
    } else if (ended.code != HOST_DONE) {
        finding(FOUND_STATUS, "a host was told %s", lnkeep_status_name(status));
    }
    return 0;
}

/* --- What they were told. */

static enum finding kind_of(const char *why) {
    if (strstr(why, "event")) return FOUND_EVENT;
    if (strstr(why, "amount")) return FOUND_PAID_TWICE;
    return strstr(why, "group") ? FOUND_HALF : FOUND_WRONG;
}

static void keep(const struct history *history, const uint64_t *crashes,
                 const struct judgement *judgement) {
    char path[600];
    snprintf(path, sizeof path, "%s/history-%llu-%llu.txt", run.keep, (unsigned long long)run.seed,
             (unsigned long long)history->number);
    FILE *file = run.lie == LIE_NONE ? fopen(path, "w") : NULL;
    if (file) {
        history_write(history, crashes, LIVES_MAX, file);
        fclose(file);
    }
    finding(kind_of(judgement->why), "history %llu, key %u: %s; it is judged again by: "
            "build/torture/history --check %s", (unsigned long long)history->number,
            judgement->key, judgement->why, path);
}

static void mutate(struct checker *checker, const struct history *history,
                   const uint64_t *crashes) {
    static struct history changed;
    uint64_t chance = chance_seed(run.seed, history->number);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        memcpy((void *)&changed, (const void *)history, sizeof changed);
        if (!history_mutate(&changed, &chance)) continue;
        atomic_fetch_add(&run.figures->mutated, 1);
        int is_refused = history_judge(checker, &changed, crashes).why != NULL;
        atomic_fetch_add(&run.figures->refused, (unsigned)is_refused);
    }
}

static void judge(const struct history *history, const uint64_t *crashes) {
    static struct checker *checker;
    struct figures *figures = run.figures;
    if (!checker) checker = checker_new();
    struct judgement judgement = history_judge(checker, history, crashes);
    atomic_fetch_add(&figures->histories, 1);
    atomic_fetch_add(&figures->operations, judgement.operations);
    atomic_fetch_add(&figures->doubtful, judgement.doubtful);
    atomic_fetch_add(&figures->groups, judgement.groups_in_doubt);
    atomic_fetch_add(&figures->tried, judgement.tried);
    uint64_t widest = atomic_load(&figures->widest);
    while (judgement.widest > widest &&
           !atomic_compare_exchange_weak(&figures->widest, &widest, judgement.widest)) {}
    if (judgement.why) keep(history, crashes, &judgement);
    else if (run.mutates) mutate(checker, history, crashes);
}

static int point_store(uint64_t point, void *context) {
    (void)context;
    /* Threads never meet twice in the same way, so that one store is tried many times. */
    uint64_t number = run.is_one ? run.first : run.first + point;
    uint64_t chance = chance_seed(run.seed, number);
    uint64_t crashes[LIVES_MAX];
    findings_at("build/torture/history --seed %llu --only %llu", (unsigned long long)run.seed,
                (unsigned long long)(number * HISTORIES));
    struct saga *saga = saga_new(number);
    unsigned kills = run.is_quiet || chance_below(&chance, 8) == 0
                         ? 0
                         : 1 + (unsigned)chance_below(&chance, KILLS_MAX);
    for (unsigned life = 0; life < LIVES_MAX; life++) crashes[life] = UINT64_MAX;
    for (saga->life = 0; live(saga, &chance, saga->life == kills, &crashes[saga->life]);) {
        saga->life++;
    }
    for (unsigned at = 0; at < HISTORIES; at++) judge(&saga->histories[at], crashes);
    return 1;
}

/* --- The program. */

static void describe(char *text, size_t len) {
    const struct figures *figures = run.figures;
    snprintf(text, len,
             "%llu operations, %llu of them in doubt; %llu kills, %llu of them while the store "
             "opened; %llu groups over several keys in doubt; the widest key has %llu calls",
             (unsigned long long)figures->operations, (unsigned long long)figures->doubtful,
             (unsigned long long)figures->crashes, (unsigned long long)figures->opening_crashes,
             (unsigned long long)figures->groups, (unsigned long long)figures->widest);
}

static int check_file(const char *path) {
    static struct history history;
    uint64_t crashes[LIVES_MAX];
    FILE *file = fopen(path, "r");
    if (!file || !history_read(&history, crashes, LIVES_MAX, file)) {
        fprintf(stderr, "history: %s is no history\n", path);
        return 64;
    }
    fclose(file);
    struct judgement judgement = history_judge(checker_new(), &history, crashes);
    printf("history %llu: %s", (unsigned long long)history.number,
           judgement.why ? judgement.why : "right");
    if (judgement.why && judgement.key < KEYS) printf(" (key %u)", judgement.key);
    printf("; %llu states tried\n", (unsigned long long)judgement.tried);
    return judgement.why != NULL;
}

static int test_checker(void) {
    char details[300];
    unsigned wrong = checker_test(run.seed, details, sizeof details);
    printf("history_checker: seed %llu, %u points, %u violations; %s\n",
           (unsigned long long)run.seed, CHECKER_TESTS, wrong, details);
    return wrong != 0;
}

/*
 * An answer that was changed is not always wrong: calls that overlap may have been made in the
 * order that it tells, as where one was told DONE and another ALREADY. Most of them are wrong.
 */
static int report_mutated(uint64_t points) {
    enum { REFUSED_PERCENT_MIN = 97 };
    uint64_t mutated = run.figures->mutated, refused = run.figures->refused;
    int is_blind = mutated == 0 || refused * 100 < mutated * REFUSED_PERCENT_MIN;
    const char *caught = is_blind ? "NOT CAUGHT" : "caught";
    printf("history control mutated: seed %llu, %llu points, %s (%llu changed answers, %llu "
           "refused)\n",
           (unsigned long long)run.seed, (unsigned long long)points, caught,
           (unsigned long long)mutated, (unsigned long long)refused);
    return is_blind;
}

static enum lie lie_of(const char *control) {
    if (strcmp(control, "stale") == 0) return LIE_STALE;
    if (strcmp(control, "apart") == 0) return LIE_APART;
    if (strcmp(control, "split") == 0) return LIE_SPLIT;
    return strcmp(control, "early") == 0 ? LIE_EARLY : LIE_NONE;
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--points", 1}, {"--only", 1}, {"--control", 1},
        {"--keep", 1}, {"--check", 1},  {"--test", 0},
    };
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    const char *control = option_text(argc, argv, "--control", "");
    run.seed = option_seed(argc, argv);
    run.points = option_number(argc, argv, "--points", 600);
    run.keep = option_text(argc, argv, "--keep", "build/torture");
    run.lie = lie_of(control);
    run.mutates = strcmp(control, "mutated") == 0;
    if (*control && !run.mutates && run.lie == LIE_NONE) {
        fprintf(stderr, "history: there is no control %s\n", control);
        exit(64);
    }
    findings_silent(*control != 0);
}

static uint64_t run_histories(uint64_t histories) {
    return HISTORIES * run_points((histories + HISTORIES - 1) / HISTORIES, point_store, NULL);
}

/* What the control breaks has to be the reason: without it, the same histories are right. */
static int is_clean_without(const char *control) {
    enum lie lie = run.lie;
    /* Other numbers of points than the control's own: an equal one would go on with these. */
    uint64_t stores = (run.points + HISTORIES - 1) / HISTORIES;
    run.lie = LIE_NONE;
    run_histories(HISTORIES * (stores == 5 ? 4 : 5));
    run.lie = lie;
    /* A host that is not killed has its answers' commits, however early it was answered. */
    run.is_quiet = 1;
    if (lie == LIE_EARLY) run_histories(HISTORIES);
    run.is_quiet = 0;
    if (findings_total() == 0) return 1;
    printf("history control %s: it found something where nothing was broken\n", control);
    return 0;
}

int main(int argc, char **argv) {
    char details[400];
    read_options(argc, argv);
    if (option_given(argc, argv, "--check")) {
        return check_file(option_text(argc, argv, "--check", ""));
    }
    if (option_given(argc, argv, "--test")) return test_checker();
    findings_start();
    scratch_start();
    run.figures = shared_memory(sizeof *run.figures);
    const char *control = option_text(argc, argv, "--control", NULL);
    run.is_one = option_given(argc, argv, "--only");
    run.first = option_number(argc, argv, "--only", 0) / HISTORIES;
    if (control && !run.mutates && !is_clean_without(control)) return 1;
    uint64_t ran = run_histories(run.points);
    if (run.mutates && findings_total() != 0) {
        printf("history control mutated: what nobody changed is refused\n");
        return 1;
    }
    if (run.mutates) return report_mutated(ran);
    if (control) {
        return findings_report_control("history", control, run.seed, ran, FOUND_WRONG);
    }
    describe(details, sizeof details);
    return findings_report("history", run.seed, ran, details);
}

/*
 * SIGKILL at every system call of a workload, at random moments, and in chains of lives that are
 * killed again while they open the store that the last one left.
 */

#define _GNU_SOURCE
#include "common.h"
#include "life.h"
#include "trace.h"
#include "words.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    STEPS = 260,
    PLACES_MAX = 512,
    ENDS_WANTED = 8, /* runs that ended before their index: the indices shift a little */
    CHAIN_DEPTH = 3,
    OPEN_CALLS = 400, /* about how many system calls an open and the first steps take */
};

/* Who made which call when it was killed. */
struct place {
    char role[16];
    uint64_t number;
    int is_entry;
};

struct shared {
    atomic_int ends;
    atomic_uint_fast64_t killed, dead_opening, cut_offs, found_made;
    atomic_int places_lock;
    unsigned places_len;
    struct place places[PLACES_MAX];
};

/* Controls: what somebody does to the store between the kill and the check. */
enum meddling {
    MEDDLING_NONE,
    MEDDLING_EMPTIES,      /* throws it away */
    MEDDLING_FORGETS,      /* has it forget what was paid */
    MEDDLING_GIVES_UP,     /* gives payments up */
    MEDDLING_ACKNOWLEDGES, /* acknowledges outputs that nobody took */
    MEDDLING_RESOLVES,     /* ends HTLCs */
};

static const struct control_entry {
    const char *name;
    enum control control;
    enum meddling meddling;
    enum finding wanted;
} controls[] = {
    {"early", CONTROL_EARLY, MEDDLING_NONE, FOUND_LOST},
    {"empty", CONTROL_NONE, MEDDLING_EMPTIES, FOUND_GRANTED_TWICE},
    {"apart", CONTROL_APART, MEDDLING_NONE, FOUND_HALF},
    {"forget", CONTROL_NONE, MEDDLING_FORGETS, FOUND_PAID_TWICE},
    {"meddle", CONTROL_NONE, MEDDLING_GIVES_UP, FOUND_LOST},
    {"late", CONTROL_LATE, MEDDLING_NONE, FOUND_PAID_TWICE},
    {"leak", CONTROL_LEAK, MEDDLING_NONE, FOUND_LOST},
    {"split", CONTROL_SPLIT, MEDDLING_NONE, FOUND_HALF},
    {"memory", CONTROL_MEMORY, MEDDLING_NONE, FOUND_LOST},
    {"acknowledge", CONTROL_NONE, MEDDLING_ACKNOWLEDGES, FOUND_LOST},
    {"resolve", CONTROL_NONE, MEDDLING_RESOLVES, FOUND_LOST},
};
enum { CONTROLS = sizeof controls / sizeof controls[0] };

static struct run {
    uint64_t seed, first, stride, duration_us;
    const char *mode; /* before, after, random or chain */
    const struct control_entry *control; /* NULL for none */
    const struct peers_control *peers; /* control of hosts that keep blobs, or have them kept */
    int tells;
    struct script script;
    struct shared *shared;
} run;

struct target {
    uint64_t calls, index;
    int is_entry, process, killed;
    struct place place;
};

static enum trace_answer kill_at(void *context, const struct stop *stop) {
    struct target *target = context;
    /* Threads are stopped one after the other, so one of them may still reach its next call. */
    if (target->killed) return TRACE_GO_ON;
    if (target->process == 0) target->process = stop->thread;
    if (stop->is_entry) *stop->tag = target->calls++ == target->index;
    if (stop->is_entry != target->is_entry || !*stop->tag) return TRACE_GO_ON;
    target->killed = 1;
    target->place.number = stop->number;
    target->place.is_entry = stop->is_entry;
    trace_role(target->process, stop->thread, target->place.role);
    return TRACE_KILL;
}

static void note_place(const struct place *place) {
    struct shared *shared = run.shared;
    while (atomic_exchange(&shared->places_lock, 1)) sleep_us(10);
    unsigned at = 0;
    while (at < shared->places_len && (shared->places[at].number != place->number ||
                                       shared->places[at].is_entry != place->is_entry ||
                                       strcmp(shared->places[at].role, place->role) != 0)) {
        at++;
    }
    if (at == shared->places_len && at < PLACES_MAX) shared->places[shared->places_len++] = *place;
    atomic_store(&shared->places_lock, 0);
}

/* A life that ended by itself ended rightly, unless a finding says more. */
static void check_end(struct ended ended, int was_killed) {
    if (was_killed && ended.signal == SIGKILL) return;
    if (expect_exit(ended, "the host") && ended.code != LIFE_ENDED && ended.code != LIFE_STOPPED) {
        finding(FOUND_STATUS, "the host ended with %d", ended.code);
    }
}

/* Answers whether the life was long enough for the index. */
static int live_until(struct life *life, uint64_t index, int is_entry) {
    struct target target = {.index = index, .is_entry = is_entry};
    struct traced traced = trace_run(life_run, life, kill_at, &target);
    check_end(traced.ended, target.killed);
    /* A call that ends its thread never returns, so that nothing can be killed after it. */
    if (!target.killed) return target.calls > index;
    atomic_fetch_add(&run.shared->killed, 1);
    if (life->ledger->answered == 0) atomic_fetch_add(&run.shared->dead_opening, 1);
    note_place(&target.place);
    if (run.tells) {
        printf("killed %s %s of thread %s, call %llu, after %u answers\n",
               is_entry ? "before" : "after", trace_name(target.place.number), target.place.role,
               (unsigned long long)index, life->ledger->answered);
    }
    return 1;
}

/* Frees a hash that was paid: a sound store, that lost what it was to protect. */
static lnkeep_status forget(lnkeep_payments payments, const uint8_t *hash) {
    lnkeep_status status = lnkeep_payments_delete(payments, hash, LNKEEP_DELETE_FORGET, NULL, NULL);
    if (status == LNKEEP_DONE) return status;
    return lnkeep_payments_delete(payments, hash, LNKEEP_DELETE_TOMBSTONE, NULL, NULL);
}

static enum meddling meddling(void) { return run.control ? run.control->meddling : MEDDLING_NONE; }

static int meddle_with_payments(lnkeep_store store) {
    lnkeep_payments payments;
    if (lnkeep_payments_open(store, NULL, &payments, NULL) != LNKEEP_DONE) return 1;
    for (unsigned payment = 0; payment < PAYMENTS; payment++) {
        uint8_t hash[32];
        payment_hash(payment, hash);
        lnkeep_status status = meddling() == MEDDLING_FORGETS
                                   ? forget(payments, hash)
                                   : lnkeep_payments_fail(payments, hash,
                                                          LNKEEP_PAYMENT_REASON_ERROR, NULL, NULL,
                                                          NULL);
        if (lnkeep_status_class(status) > LNKEEP_CLASS_REFUSED) return 1;
    }
    return lnkeep_payments_close(&payments, NULL) != LNKEEP_DONE;
}

/* Between the kill and the check somebody was at the store. */
static int meddle(void *context) {
    const struct life *life = context;
    lnkeep_store store;
    int failed = 0;
    if (lnkeep_store_open(life->directory, NULL, &store, NULL, NULL) != LNKEEP_DONE) return 0;
    switch (meddling()) {
    case MEDDLING_ACKNOWLEDGES: failed = meddle_with_monitors(store); break;
    case MEDDLING_RESOLVES: failed = meddle_with_resources(store, life->script->is_compat); break;
    default: failed = meddle_with_payments(store); break;
    }
    return failed || lnkeep_store_close(&store, NULL) != LNKEEP_DONE;
}

static void check(struct life *life) {
    expect_done(run_child(life_verify, life, 4 * HANG_MS), "the check");
}

static void verify(struct life *life) {
    int is_meddled = meddling() > MEDDLING_EMPTIES;
    if (meddling() == MEDDLING_EMPTIES) remove_tree(life->directory);
    peers_meddle(run.peers, life);
    if (is_meddled && run_child(meddle, life, HANG_MS).code != 0) give_up("meddling");
    check(life);
    atomic_fetch_add(&run.shared->cut_offs, life->ledger->cut_offs);
    atomic_fetch_add(&run.shared->found_made, life->ledger->found_made);
}

static void say_where(uint64_t index) {
    findings_at("build/torture/kill --%s --seed %llu --only %llu", run.mode,
                (unsigned long long)run.seed, (unsigned long long)index);
}

static struct life new_life(void) {
    enum control control = run.control ? run.control->control
                           : run.peers ? run.peers->control
                                       : CONTROL_NONE;
    return life_new(&run.script, POLICY_NONE, control);
}

static int point_at_call(uint64_t point, void *context) {
    uint64_t index = run.first + point * run.stride;
    int is_entry = *(const int *)context;
    if (atomic_load(&run.shared->ends) >= ENDS_WANTED) return 0;
    say_where(index);
    struct life life = new_life();
    if (!live_until(&life, index, is_entry)) atomic_fetch_add(&run.shared->ends, 1);
    verify(&life);
    return 1;
}

static int point_in_chain(uint64_t point, void *context) {
    const uint64_t *calls = context;
    uint64_t index = run.first + point, chance = chance_seed(run.seed, index);
    say_where(index);
    struct life life = new_life();
    live_until(&life, chance_below(&chance, *calls), (int)chance_below(&chance, 2));
    for (int depth = 0; depth < CHAIN_DEPTH; depth++) {
        live_until(&life, chance_below(&chance, OPEN_CALLS), (int)chance_below(&chance, 2));
    }
    verify(&life);
    return 1;
}

/* Answers whether the host was still running when it was to be killed. */
static int kill_after_us(struct life *life, uint64_t wait_us) {
    int process = start_child(life_run, life);
    sleep_us(wait_us);
    kill(process, SIGKILL);
    struct ended ended = await_child(process, HANG_MS);
    check_end(ended, 1);
    if (ended.signal != SIGKILL) return 0;
    atomic_fetch_add(&run.shared->killed, 1);
    return 1;
}

/* Kills from outside, without a tracer that slows the host down. Every third host dies twice. */
static int point_at_random(uint64_t point, void *context) {
    (void)context;
    uint64_t index = run.first + point, chance = chance_seed(run.seed, index);
    uint64_t longest_us = run.duration_us;
    struct life life;
    say_where(index);
    for (;;) {
        life = new_life();
        if (kill_after_us(&life, chance_below(&chance, longest_us))) break;
        /* It was done before its time was up; the next one dies sooner. */
        longest_us = longest_us * 3 / 4 + 1;
    }
    if (index % 3 == 0) kill_after_us(&life, chance_below(&chance, longest_us));
    verify(&life);
    return 1;
}

/* A whole life that nothing disturbs: how many calls it makes, and how long it takes. */
static uint64_t measure(void) {
    struct target target = {.index = UINT64_MAX};
    struct life life = new_life();
    say_where(0);
    uint64_t calls = trace_run(life_run, &life, kill_at, &target).calls;
    check(&life);
    life = new_life();
    uint64_t start_us = now_us();
    run_child(life_run, &life, 4 * HANG_MS);
    run.duration_us = now_us() - start_us;
    return calls;
}

static uint64_t run_mode(uint64_t points, uint64_t calls) {
    int is_entry = strcmp(run.mode, "before") == 0;
    if (strcmp(run.mode, "random") == 0) return run_points(points, point_at_random, NULL);
    if (strcmp(run.mode, "chain") == 0) return run_points(points, point_in_chain, &calls);
    /* A sample takes every n-th call, beginning where the seed says. */
    if (points != 0 && !run.tells) {
        run.stride = calls / points + 1;
        run.first = run.seed % run.stride;
    }
    uint64_t max = run.tells ? 1 : (calls + calls / 4) / run.stride;
    return run_points(max, point_at_call, &is_entry);
}

static const char *mode_of(int argc, char **argv) {
    static const char *const modes[] = {"--after", "--random", "--chain"};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (option_given(argc, argv, modes[i])) return modes[i] + 2;
    }
    return "before";
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1},   {"--points", 1}, {"--only", 1},  {"--control", 1},
        {"--before", 0}, {"--after", 0},  {"--random", 0}, {"--chain", 0},
    };
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    const char *control = option_text(argc, argv, "--control", "");
    run.mode = mode_of(argc, argv);
    run.seed = option_seed(argc, argv);
    run.first = option_number(argc, argv, "--only", 0);
    run.tells = option_given(argc, argv, "--only");
    run.stride = 1;
    for (size_t i = 0; i < CONTROLS; i++) {
        if (strcmp(controls[i].name, control) == 0) run.control = &controls[i];
    }
    run.peers = peers_control(control);
    if (*control && !run.control && !run.peers) {
        fprintf(stderr, "kill: unknown control %s\n", control);
        exit(64);
    }
    findings_silent(*control != 0 && !run.tells);
}

static void describe(char *text, size_t len, uint64_t calls, int is_traced) {
    int at = snprintf(text, len,
                      "%llu kills, of which %llu cut a resume off after some commits and %llu "
                      "left a commit of monitors that nobody was told of",
                      (unsigned long long)run.shared->killed,
                      (unsigned long long)run.shared->cut_offs,
                      (unsigned long long)run.shared->found_made);
    if (!is_traced) return;
    snprintf(text + at, len - (size_t)at,
             ", %llu before the first answer; at %u different (thread, call); a whole life "
             "makes %llu calls",
             (unsigned long long)run.shared->dead_opening, run.shared->places_len,
             (unsigned long long)calls);
}

int main(int argc, char **argv) {
    char name[32], details[300];
    read_options(argc, argv);
    findings_start();
    scratch_start();
    run.shared = shared_memory(sizeof *run.shared);
    snprintf(name, sizeof name, "kill_%s", run.mode);
    const char *control = option_text(argc, argv, "--control", NULL);
    int is_late = run.control && run.control->control == CONTROL_LATE;
    int is_traced = strcmp(run.mode, "random") != 0;
    if (!trace_is_supported()) {
        printf("SKIPPED: %s: this machine cannot trace system calls\n", name);
        return 77;
    }
    script_make(&run.script, run.seed, STEPS);
    uint64_t calls = measure();
    if (control && !is_late && findings_total() != 0) {
        printf("%s control %s: it found something where nobody was killed\n", name, control);
        return 1;
    }
    uint64_t points = option_number(argc, argv, "--points", 0);
    if (run.tells || (points == 0 && (!is_traced || strcmp(run.mode, "chain") == 0))) points = 1;
    uint64_t ran = run_mode(points, calls);
    if (control) {
        enum finding wanted =
            run.control ? run.control->wanted : (enum finding)run.peers->wanted;
        return findings_report_control(name, control, run.seed, ran, wanted);
    }
    describe(details, sizeof details, calls, is_traced);
    return findings_report(name, run.seed, ran, details);
}

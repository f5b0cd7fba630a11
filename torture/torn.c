/*
 * Every state of the files that a power cut may leave: one life is recorded, and at each of its
 * flushes what was flushed is put together with any part of what was not, the last write torn at
 * its sectors. The next host has to find everything that was acknowledged by then.
 */

#define _GNU_SOURCE
#include "common.h"
#include "torn.h"
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STEPS = 120,
    WHOLE_MAX = 8,        /* pending writes of which every subset is a state */
    RANDOM_SUBSETS = 256, /* of more */
    STATES_PER_LIFE = 2000,
    STATES_MAX = 400000,
};

struct shared {
    uint64_t states, boundaries, listings, bytes, pending_max, beyond;
};

static struct run {
    uint64_t seed, points, life_first, state_only;
    enum control control;
    enum forgets forgets;
    int tells;
    struct shared *shared;
    struct script script;
} run;

/* What this process has recorded. */
static struct {
    uint64_t life; /* plus one */
    struct life host;
    struct log log;
    struct torn_state *states;
    size_t states_len;
} recorded;

static void add_state(struct torn_state state) {
    if (recorded.states_len == STATES_MAX) give_up("too many states");
    state.chance = chance_seed(run.seed, recorded.states_len);
    recorded.states[recorded.states_len++] = state;
}

static void add_states_of(unsigned boundary, unsigned listing, const struct pending *pending) {
    uint64_t chance = chance_seed(run.seed, boundary);
    int is_whole = pending->len <= WHOLE_MAX;
    uint64_t subsets = is_whole ? 1u << pending->len : RANDOM_SUBSETS;
    for (uint64_t i = 0; i < subsets; i++) {
        struct torn_state state = {.boundary = boundary, .listing = listing, .taken = i};
        if (!is_whole) state.taken = chance_next(&chance) & chance_next(&chance);
        /* Nearly everything is as likely as nearly nothing. */
        if (!is_whole && i % 2 == 0) state.taken = ~state.taken;
        add_state(state);
        if (!state_can_tear(&recorded.log, pending, state.taken)) continue;
        state.is_torn = 1;
        add_state(state);
    }
    if (!is_whole) run.shared->beyond++;
}

static void list_states(void) {
    const struct log *log = &recorded.log;
    recorded.states_len = 0;
    for (unsigned boundary = 0; boundary < log->boundaries_len; boundary++) {
        struct pending pending = log_pending(log, boundary, run.forgets);
        unsigned first = pending.durable_listing, names = pending.last_listing - first + 1;
        /* Names that changed earlier had all their states then: one of them is enough now. */
        if (!pending.is_renamed) {
            add_states_of(boundary, first + boundary % names, &pending);
        } else {
            for (unsigned i = 0; i < names; i++) add_states_of(boundary, first + i, &pending);
        }
        if (pending.len > run.shared->pending_max) run.shared->pending_max = pending.len;
    }
    run.shared->states = recorded.states_len;
    run.shared->boundaries = log->boundaries_len;
    run.shared->bytes = log->bytes_len;
}

/* The directory of the store is made anew by the life itself, in one that was there before. */
static void record(uint64_t life) {
    static pid_t owner;
    if (owner == getpid() && recorded.life == life + 1) return;
    owner = getpid();
    if (!recorded.states) recorded.states = malloc(STATES_MAX * sizeof *recorded.states);
    if (!recorded.states) give_up("malloc");
    log_clear(&recorded.log);
    script_make(&run.script, chance_seed(run.seed, life), STEPS);
    recorded.host = life_new(&run.script, POLICY_NONE, run.control);
    scratch_path(recorded.log.root, sizeof recorded.log.root, "root");
    remove_tree(recorded.log.root);
    if (mkdir(recorded.log.root, 0700) != 0) give_up("making a directory");
    snprintf(recorded.host.directory, sizeof recorded.host.directory, "%.4000s/store",
             recorded.log.root);
    log_record_life(&recorded.log, &recorded.host);
    list_states();
    recorded.life = life + 1;
}

static void tell(const struct torn_state *state) {
    const struct log *log = &recorded.log;
    struct pending pending = log_pending(log, state->boundary, run.forgets);
    printf("flush %u of %u, %u answers, listing %u of %u to %u\n", state->boundary,
           log->boundaries_len, log->boundaries[state->boundary].ledger->answered, state->listing,
           pending.durable_listing, pending.last_listing);
    for (unsigned i = 0; i < pending.len; i++) {
        const struct log_record *record = &log->records[pending.records[i]];
        printf("  %s %s of file %u: %llu bytes at %llu\n",
               state->taken >> i & 1 ? "taken" : "lost ",
               record->kind == RECORD_WRITE ? "write" : "length", record->file,
               (unsigned long long)record->len, (unsigned long long)record->offset);
    }
    if (state->is_torn) printf("  the last write taken is torn\n");
}

static int point(uint64_t number, void *context) {
    (void)context;
    uint64_t life = run.life_first + (run.points ? number / STATES_PER_LIFE : 0);
    record(life);
    uint64_t at = number;
    if (run.points) {
        uint64_t of_life = run.points < STATES_PER_LIFE ? run.points : STATES_PER_LIFE;
        at = number % of_life * recorded.states_len / of_life;
    }
    if (run.tells) at = run.state_only;
    if (at >= recorded.states_len) return 0;
    findings_at("build/torture/torn --seed %llu --life %llu --only %llu",
                (unsigned long long)run.seed, (unsigned long long)life, (unsigned long long)at);
    const struct torn_state *state = &recorded.states[at];
    struct ledger *then = recorded.log.boundaries[state->boundary].ledger;
    if (run.tells) tell(state);
    memcpy((void *)recorded.host.ledger, then, sizeof *then);
    state_build(&recorded.log, state, run.forgets);
    expect_done(run_child(life_verify, &recorded.host, 4 * HANG_MS), "the check");
    return 1;
}

/* The files as they are at the end, all of them: the way of making them anew changes nothing. */
static void check_end_state(void) {
    record(run.life_first);
    const struct log *log = &recorded.log;
    struct torn_state last = {.boundary = log->boundaries_len - 1,
                              .listing = log->listings_len - 1,
                              .taken = UINT64_MAX};
    findings_at("build/torture/torn --seed %llu --points 1", (unsigned long long)run.seed);
    memcpy((void *)recorded.host.ledger, log->boundaries[last.boundary].ledger,
           sizeof(struct ledger));
    state_build(log, &last, FORGETS_NOTHING);
    expect_done(run_child(life_verify, &recorded.host, 4 * HANG_MS), "the check");
    run.shared->listings = log->listings_len;
    if (log->flushes == 0 || log->write_flushes == 0 || log->name_flushes == 0) {
        give_up("a life without flushes was recorded");
    }
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--points", 1}, {"--only", 1}, {"--life", 1}, {"--control", 1}};
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    const char *control = option_text(argc, argv, "--control", "");
    run.seed = option_seed(argc, argv);
    run.points = option_number(argc, argv, "--points", 0);
    run.life_first = option_number(argc, argv, "--life", 0);
    run.state_only = option_number(argc, argv, "--only", 0);
    run.tells = option_given(argc, argv, "--only");
    run.forgets = strcmp(control, "flushes") == 0  ? FORGETS_FLUSHES
                  : strcmp(control, "writes") == 0 ? FORGETS_WRITES
                  : strcmp(control, "names") == 0  ? FORGETS_NAMES
                                                   : FORGETS_NOTHING;
    run.control = strcmp(control, "early") == 0 ? CONTROL_EARLY : CONTROL_NONE;
    findings_silent(*control != 0);
}

int main(int argc, char **argv) {
    char details[300];
    read_options(argc, argv);
    findings_start();
    scratch_start();
    run.shared = shared_memory(sizeof *run.shared);
    if (!trace_is_supported()) {
        printf("SKIPPED: torn: this machine cannot trace system calls\n");
        return 77;
    }
    const char *control = option_text(argc, argv, "--control", NULL);
    check_end_state();
    if (control && findings_total() != 0) {
        printf("torn control %s: it found something where nothing was lost\n", control);
        return 1;
    }
    uint64_t points = run.tells ? 1 : run.points ? run.points : recorded.states_len;
    uint64_t ran = run_points(points, point, NULL);
    enum finding wanted = run.forgets == FORGETS_FLUSHES ? FOUND_REOPEN : FOUND_LOST;
    if (control) return findings_report_control("torn", control, run.seed, ran, wanted);
    snprintf(details, sizeof details,
             "a life has %llu states at %llu flushes, of %llu bytes; at most %llu writes waited "
             "for one flush, more than %d of them %llu times",
             (unsigned long long)run.shared->states, (unsigned long long)run.shared->boundaries,
             (unsigned long long)run.shared->bytes, (unsigned long long)run.shared->pending_max,
             WHOLE_MAX, (unsigned long long)run.shared->beyond);
    return findings_report("torn", run.seed, ran, details);
}

/*
 * Every allocation of the library fails, at every index of a life: alone, or with all later ones.
 * And hosts in a memory cgroup that is too small for them, which the kernel ends.
 *
 * Rust ends the process when a small allocation fails, and no caller can be told. That is allowed:
 * it is a crash like any other, and loses nothing. What a peer or a file makes large has to be
 * refused with an answer instead.
 */

#define _GNU_SOURCE
#include "common.h"
#include "life.h"
#include "memory_hook.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    STEPS = 66,
    /* Only what a host, a peer or a file brings is as large as this. */
    LARGE_BYTES = 12288,
    GROUP_MIN_BYTES = 1 << 20,
    GROUP_MAX_BYTES = 512 << 20,
};

struct shared {
    atomic_uint_fast64_t reached, aborted, answered, survived, group_killed, abort_bytes_max;
};

static struct run {
    uint64_t seed, allocations, stride, only, group_bytes;
    /* Allocations below it do not fail, and for want of less a host may be ended. */
    size_t least_bytes, abort_bytes;
    int is_only, only_is_sticky;
    const char *group_root;
    enum control control;
    enum finding sought; /* by the control */
    int said; /* what the present host wrote to standard error */
    struct script script;
    struct shared *shared;
} run;

/* --- One allocation fails, or that one and all later ones. */

static int live(void *context) {
    if (dup2(run.said, 2) < 0) give_up("standard error");
    return life_run(context);
}

/* What a host says is for whoever judges it: a file for each, since points run beside each other. */
static struct ended run_host(child_function host, void *context, int limit_ms) {
    if (run.said > 0) close(run.said);
    run.said = memfd_create("said", MFD_CLOEXEC);
    if (run.said < 0) give_up("memfd_create");
    return run_child(host, context, limit_ms);
}

/*
 * What the allocator ended the host for, in the words of Rust, which goes on allocating to say it; 0 for
 * another end. Another SIGABRT, of an assertion or a broken heap, is a bug.
 */
static size_t ended_for_bytes(struct ended ended) {
    static const char reason[] = "memory allocation of ";
    char text[4096];
    if (ended.hung || ended.signal != SIGABRT) return 0;
    ssize_t len = pread(run.said, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = 0;
    const char *said = strstr(text, reason);
    return said ? strtoull(said + sizeof reason - 1, NULL, 10) : 0;
}

static void note_abort(size_t bytes) {
    atomic_fetch_add(&run.shared->aborted, 1);
    if (bytes >= run.abort_bytes) {
        finding(FOUND_SIGNAL, "the host was ended for want of %zu bytes", bytes);
    }
    if (bytes > atomic_load(&run.shared->abort_bytes_max)) {
        atomic_store(&run.shared->abort_bytes_max, bytes);
    }
}

static void judge_end(struct ended ended, const struct memory_hook *hook) {
    size_t bytes = ended_for_bytes(ended);
    if (hook->failed != 0 && bytes != 0) {
        note_abort(bytes);
        return;
    }
    if (ended.code != LIFE_STOPPED) expect_done(ended, "the host");
    if (!ended.hung && !ended.signal) {
        atomic_fetch_add(ended.code == LIFE_ENDED ? &run.shared->survived
                                                  : &run.shared->answered, 1);
    }
}

static void check(struct life *life) {
    memory_hook->fails_from = memory_hook->fails_until = UINT64_MAX;
    expect_done(run_child(life_verify, life, 4 * HANG_MS), "the check");
}

static struct memory_hook *new_hook(void) {
    struct memory_hook *hook = shared_memory(sizeof *hook);
    hook->least_bytes = run.least_bytes;
    return hook;
}

static void run_allocation(uint64_t index, int is_sticky) {
    struct life life = life_new(&run.script, is_sticky ? POLICY_STOP : POLICY_GO_ON, run.control);
    findings_at("build/torture/memory --seed %llu%s --index %llu%s", (unsigned long long)run.seed,
                run.least_bytes ? " --large" : "", (unsigned long long)index,
                is_sticky ? " --sticky" : "");
    memory_hook = new_hook();
    memory_hook->fails_from = index;
    memory_hook->fails_until = is_sticky ? UINT64_MAX : index + 1;
    struct ended ended = run_host(live, &life, 4 * HANG_MS);
    if (memory_hook->failed != 0) atomic_fetch_add(&run.shared->reached, 1);
    judge_end(ended, memory_hook);
    check(&life);
    shared_memory_free(memory_hook, sizeof *memory_hook);
    memory_hook = NULL;
}

static int point_of_allocation(uint64_t point, void *context) {
    (void)context;
    uint64_t chance = chance_seed(run.seed, point);
    uint64_t index = point / 2 * run.stride + chance_below(&chance, run.stride);
    run_allocation(index, (int)(point % 2));
    return 1;
}

/* How many allocations a life makes that nothing disturbs. */
static uint64_t count_allocations(void) {
    struct life life = life_new(&run.script, POLICY_NONE, run.control);
    memory_hook = new_hook();
    memory_hook->fails_from = memory_hook->fails_until = UINT64_MAX;
    expect_done(run_host(live, &life, 4 * HANG_MS), "a host that nothing disturbs");
    uint64_t made = memory_hook->made;
    check(&life);
    memory_hook = NULL;
    return made;
}

/* A control that is caught without a fault tells nothing about faults. */
static int found_undisturbed(const char *name, const char *control) {
    printf("%s control %s: it found something where nothing failed\n", name, control);
    return 1;
}

/* --- A memory cgroup, of version 1 or 2. */

static int write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return 0;
    int is_written = write(file, text, strlen(text)) == (ssize_t)strlen(text);
    close(file);
    return is_written;
}

struct group {
    char path[256];
};

static int group_make(struct group *group, uint64_t limit_bytes) {
    char path[300], text[32];
    snprintf(group->path, sizeof group->path, "%s/lnkeep-%ld-%u", run.group_root, (long)getpid(),
             worker_index);
    if (mkdir(group->path, 0755) != 0 && errno != EEXIST) return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)limit_bytes);
    snprintf(path, sizeof path, "%s/memory.limit_in_bytes", group->path);
    if (write_text(path, text)) return 1;
    snprintf(path, sizeof path, "%s/memory.max", group->path);
    return write_text(path, text);
}

static void group_remove(const struct group *group) {
    /* The kernel takes a moment to see that its last process is gone. */
    for (int tries = 0; tries < 100 && rmdir(group->path) != 0; tries++) sleep_us(2000);
}

struct grouped {
    struct life *life;
    const struct group *group;
};

static int live_in_group(void *context) {
    struct grouped *grouped = context;
    char path[300], text[32];
    snprintf(path, sizeof path, "%s/cgroup.procs", grouped->group->path);
    snprintf(text, sizeof text, "%ld", (long)getpid());
    if (!write_text(path, text)) give_up(path);
    return live(grouped->life);
}

static int point_in_group(uint64_t point, void *context) {
    (void)context;
    if (run.is_only) point = run.only;
    uint64_t chance = chance_seed(run.seed, point);
    struct life life = life_new(&run.script, POLICY_GO_ON, run.control);
    struct group group;
    findings_at("build/torture/memory --seed %llu --group --index %llu",
                (unsigned long long)run.seed, (unsigned long long)point);
    if (!group_make(&group, run.group_bytes / 2 + chance_below(&chance, run.group_bytes / 8 * 5))) {
        give_up(group.path);
    }
    struct grouped grouped = {&life, &group};
    struct ended ended = run_host(live_in_group, &grouped, 12 * HANG_MS);
    group_remove(&group);
    if (!ended.hung && ended.signal == SIGKILL) {
        atomic_fetch_add(&run.shared->group_killed, 1);
    } else if (ended_for_bytes(ended) != 0) {
        note_abort(0);
    } else {
        if (ended.code != LIFE_STOPPED) expect_done(ended, "the host");
        if (!ended.hung && !ended.signal) atomic_fetch_add(&run.shared->survived, 1);
    }
    expect_done(run_child(life_verify, &life, 4 * HANG_MS), "the check");
    return 1;
}

static int find_group_root(void) {
    static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        struct group group;
        run.group_root = roots[i];
        int is_made = group_make(&group, 64 << 20);
        rmdir(group.path);
        if (is_made) return 1;
    }
    return 0;
}

/* Whether a host lives that may have no more than these bytes. */
static int lives_with(uint64_t bytes) {
    struct life life = life_new(&run.script, POLICY_GO_ON, run.control);
    struct group group;
    if (!group_make(&group, bytes)) give_up(group.path);
    struct grouped grouped = {&life, &group};
    struct ended ended = run_host(live_in_group, &grouped, 12 * HANG_MS);
    group_remove(&group);
    if (ended.hung || ended.signal || ended.code != LIFE_ENDED) return 0;
    expect_done(run_child(life_verify, &life, 4 * HANG_MS), "the check");
    return 1;
}

/* How much a host needs depends on the kernel: what it counts, and what it can take back in time. */
static int find_group_bytes(void) {
    for (run.group_bytes = GROUP_MIN_BYTES; run.group_bytes <= GROUP_MAX_BYTES;
         run.group_bytes += run.group_bytes / 4) {
        if (lives_with(run.group_bytes)) return 1;
    }
    return 0;
}

static int run_groups(const char *control, uint64_t points) {
    char details[200];
    if (!find_group_root()) {
        printf("SKIPPED: memory_group: this machine lets nobody make a memory cgroup\n");
        return 77;
    }
    if (!find_group_bytes()) {
        printf("memory_group: no host lives, however large its cgroup\n");
        return 1;
    }
    if (control && findings_total() != 0) return found_undisturbed("memory_group", control);
    uint64_t ran = run_points(run.is_only ? 1 : points, point_in_group, NULL);
    if (control) return findings_report_control("memory_group", control, run.seed, ran, FOUND_LOST);
    snprintf(details, sizeof details, "%llu KiB suffice; %llu hosts were ended by the kernel, %llu lived",
             (unsigned long long)(run.group_bytes >> 10),
             (unsigned long long)run.shared->group_killed,
             (unsigned long long)run.shared->survived);
    return findings_report("memory_group", run.seed, ran, details);
}

/* --- Options and figures. */

static int run_allocations(const char *control, uint64_t points) {
    char details[300];
    const char *name = run.least_bytes ? "memory_large" : "memory";
    run.allocations = count_allocations();
    if (control && findings_total() != 0) return found_undisturbed(name, control);
    uint64_t pairs = (points + 1) / 2;
    run.stride = points && pairs < run.allocations ? run.allocations / pairs : 1;
    uint64_t ran = 1;
    if (run.is_only) run_allocation(run.only, run.only_is_sticky);
    else ran = run_points(run.allocations / run.stride * 2, point_of_allocation, NULL);
    if (control) return findings_report_control(name, control, run.seed, ran, run.sought);
    const struct shared *shared = run.shared;
    snprintf(details, sizeof details,
             "%llu reached; a life makes %llu allocations; hosts that ended %llu, stopped with an "
             "answer %llu, were ended by the allocator %llu (at most for %llu bytes)",
             (unsigned long long)shared->reached, (unsigned long long)run.allocations,
             (unsigned long long)shared->survived, (unsigned long long)shared->answered,
             (unsigned long long)shared->aborted, (unsigned long long)shared->abort_bytes_max);
    return findings_report(name, run.seed, ran, details);
}

/* Early: acknowledged before the commit. Small: a host may not be ended for want of anything. */
static void choose_control(const char *control) {
    int is_small = control && strcmp(control, "small") == 0;
    run.control = control && strcmp(control, "early") == 0 ? CONTROL_EARLY : CONTROL_NONE;
    run.abort_bytes = is_small ? 1 : LARGE_BYTES;
    run.sought = is_small ? FOUND_SIGNAL : FOUND_LOST;
}

int main(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1},  {"--points", 1}, {"--control", 1},
        {"--index", 1}, {"--sticky", 0}, {"--group", 0},   {"--large", 0},
    };
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    run.seed = option_seed(argc, argv);
    run.is_only = option_given(argc, argv, "--index");
    run.only = option_number(argc, argv, "--index", 0);
    run.only_is_sticky = option_given(argc, argv, "--sticky");
    const char *control = option_text(argc, argv, "--control", NULL);
    choose_control(control);
    run.least_bytes = option_given(argc, argv, "--large") ? LARGE_BYTES : 0;
    findings_silent(control != NULL);
    findings_start();
    scratch_start();
    run.shared = shared_memory(sizeof *run.shared);
    script_make(&run.script, run.seed, STEPS);
    uint64_t points = option_number(argc, argv, "--points", 0);
    if (option_given(argc, argv, "--group")) return run_groups(control, points);
    return run_allocations(control, points);
}

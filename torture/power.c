/*
 * Power cuts: a host works on an ext4 or XFS whose device suddenly takes nothing more, at chosen
 * system calls and at random moments, while it creates, grows, backs up, restores, rewrites and
 * opens again. The next mount replays the journal, and everything that the host was told has to be
 * there.
 */

#define _GNU_SOURCE
#include "common.h"
#include "disk.h"
#include "flush.h"
#include "power.h"
#include "trace.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    STEPS = 120,
    BEFORE_MIN = 20, /* steps that are done before a backup, a restore or a compaction */
    BEFORE_MAX = 90,
    SCRIPT_POINTS = 50, /* that share a workload */
    MOUNT_POINTS = 10,  /* that share the options of the mount */
    DISK_POINTS = 200,  /* after which a process makes a new file system */
    CHAIN_DEPTH = 3,
    OPEN_CALLS = 400, /* about how many system calls an open and the first steps take */
    CREATING_OF = 8,  /* one of so many hosts without a store is cut before its first answer */
    PAGE = 4096,
};

static const char *const ext4_options[] = {"commit=1", "commit=5", "commit=1000",
                                           "commit=5,data=journal", NULL};
static const char *const xfs_options[] = {"", NULL};

/* Where in the life of a host its power goes. */
enum moment {
    MOMENT_CREATING, /* before its first answer, so that nothing was promised yet */
    MOMENT_LIVING,   /* after that */
    MOMENT_OPENING,  /* while it opens what is there, and soon after */
};

/* How long a host is at something. */
struct span {
    uint64_t calls, landmarks, us;
};

struct shared {
    atomic_uint_fast64_t courses[COURSES];
    atomic_uint_fast64_t cuts, creating, ended, chained, written_back, seen, growths, rewritten;
    /* Of a host that nothing disturbs: to its first answer, and from there on. */
    struct span creating_of[COURSES], living_of[COURSES];
};

static struct run {
    uint64_t seed, first;
    const char *type, *control_name;
    const char *const *options;
    enum course course; /* the only one, or COURSES */
    enum control control;
    int empties; /* control: the store is thrown away after the cut */
    int tells;
    struct script script;
    struct shared *shared;
} run;

/* When the power goes, and how far the host had got. */
struct cut {
    struct disk *disk;
    const struct host *host;
    struct ledger *ledger;
    enum moment moment;
    uint64_t calls, index;
    int is_landmark; /* only those calls are counted */
    int is_entry, is_done;
    unsigned at; /* the first step without an answer, at the latest after the cut */
    int was_started;
};

/* What was prepared for a host was answered before it began. */
static int has_answer(const struct host *host) {
    return host->life.ledger->answered != 0 || host->told->grown != 0;
}

static void cut_now(struct cut *cut) {
    disk_cut(cut->disk);
    cut->is_done = 1;
    while (cut->at < STEPS_MAX) {
        int state = cut->ledger->entries[cut->at].state;
        cut->was_started = state == ENTRY_STARTED;
        if (state == ENTRY_FRESH || state == ENTRY_STARTED) break;
        cut->at++;
    }
}

/* Between these a file system has something to lose that no data page shows. */
static int is_landmark(uint64_t number) {
    switch (number) {
    case SYS_fsync:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_mkdirat:
    case SYS_unlinkat:
    case SYS_ftruncate:
    case SYS_fallocate:
#if defined(__x86_64__)
    case SYS_rename:
    case SYS_mkdir:
    case SYS_unlink:
    case SYS_rmdir:
#endif
        return 1;
    default: return 0;
    }
}

static enum trace_answer cut_at(void *context, const struct stop *stop) {
    struct cut *cut = context;
    if (cut->is_landmark && !is_landmark(stop->number)) return TRACE_GO_ON;
    int is_early = cut->moment == MOMENT_LIVING && !has_answer(cut->host);
    if (stop->is_entry && !is_early) *stop->tag = cut->calls++ == cut->index;
    if (cut->is_done || stop->is_entry != cut->is_entry || !*stop->tag) return TRACE_GO_ON;
    if (run.tells) {
        printf("power cut %s %s, call %llu, after %u answers\n",
               stop->is_entry ? "before" : "after", trace_name(stop->number),
               (unsigned long long)cut->index, cut->ledger->answered);
    }
    cut_now(cut);
    return TRACE_GO_ON;
}

/* The kernel may write any page of a file at any time: some do so now, and others do not. */
static void write_back_some(const struct host *host, uint64_t *chance) {
    static const char *const files[COURSES] = {
        [COURSE_LIFE] = "store-0",       [COURSE_BACKUP] = "store-0",    [COURSE_RESTORE] = "restored-0",
        [COURSE_COMPACT] = "store-0",    [COURSE_GROWTH] = "growing-0",
    };
    char path[4400];
    snprintf(path, sizeof path, "%s/%s/data.mdb", host->mount, files[host->course]);
    if (access(path, F_OK) != 0) {
        snprintf(path, sizeof path, "%s/%s/creating/data.mdb", host->mount, files[host->course]);
    }
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return;
    off_t end = lseek(file, 0, SEEK_END);
    if (end > 64 * PAGE) end = 64 * PAGE;
    for (int i = 0; i < 4 && end > 0; i++) {
        off_t from = (off_t)chance_below(chance, (uint64_t)end) / PAGE * PAGE;
        sync_file_range(file, from, (off_t)(1 + chance_below(chance, 4)) * PAGE,
                        SYNC_FILE_RANGE_WRITE);
    }
    close(file);
    atomic_fetch_add(&run.shared->written_back, 1);
}

/* No power, no change: what began after the cut can only be refused, or change nothing. */
static void check_silence(const struct host *host, const struct cut *cut) {
    static struct session session;
    static struct model before;
    struct script until = *host->life.script;
    struct life life = host->life;
    struct expect expect[OPS_MAX];
    char why[300];
    life.script = &until;
    unsigned at = cut->at + (cut->was_started ? 1 : 0);
    if (at < until.steps_len) until.steps_len = at;
    at = session_replay(&session, &life);
    for (; at < host->life.script->steps_len; at++) {
        const struct step *step = &host->life.script->steps[at];
        const struct entry *entry = &host->life.ledger->entries[at];
        if (entry->state != ENTRY_ANSWERED) continue;
        before = session.model;
        model_apply(&session.model, step, entry->left_out, expect);
        if (step->kind == STEP_REOPEN || model_differs(&before, &session.model, why, sizeof why)) {
            finding(FOUND_STATUS, "step %u (kind %u) began after the cut and was answered", at,
                    step->kind);
            return;
        }
    }
}

/*
 * The host of a machine without power does not exist. Here it does: memory that it maps may not
 * come from the disk any more, and that ends it.
 */
static void check_end(struct ended ended, int was_cut) {
    if (was_cut && ended.signal == SIGBUS) return;
    if (!expect_exit(ended, "the host")) return;
    if (ended.code == LIFE_ENDED || ended.code == LIFE_STOPPED) return;
    finding(FOUND_STATUS, "the host ended with %d", ended.code);
}

static int is_still_running(int process) {
    siginfo_t facts = {0};
    return waitid(P_PID, (id_t)process, &facts, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           facts.si_pid == 0;
}

static void cut_at_time(struct host *host, struct cut *cut, uint64_t wait_us, uint64_t *chance) {
    int writes_back = chance_below(chance, 2) == 0;
    int process = start_child(host_run, host);
    uint64_t until_us = now_us() + HANG_MS * 1000;
    while (cut->moment == MOMENT_LIVING && !has_answer(host) && is_still_running(process) &&
           now_us() < until_us) {
        sleep_us(100);
    }
    sleep_us(wait_us);
    if (writes_back) write_back_some(host, chance);
    if (is_still_running(process)) cut_now(cut);
    check_end(await_child(process, HANG_MS), cut->is_done);
}

/* How long a host is where its power is to go. */
static struct span span_of(enum course course, enum moment moment) {
    struct span creating = run.shared->creating_of[course], living = run.shared->living_of[course];
    if (moment == MOMENT_CREATING) return creating;
    if (moment == MOMENT_LIVING) return living;
    struct span all = {creating.calls + living.calls, creating.landmarks + living.landmarks,
                       creating.us + living.us};
    if (all.calls > OPEN_CALLS) all.calls = OPEN_CALLS;
    if (course == COURSE_LIFE) all.us /= 10;
    return all;
}

/* One host, one cut: at a call, or at a time. */
static void live_and_cut(struct host *host, struct disk *disk, uint64_t *chance, enum moment moment) {
    struct cut cut = {.disk = disk, .host = host, .ledger = host->life.ledger, .moment = moment};
    struct span span = span_of(host->course, moment);
    if (chance_below(chance, 2) == 0) {
        cut.is_landmark = chance_below(chance, 3) == 0;
        cut.index = chance_below(chance, (cut.is_landmark ? span.landmarks : span.calls) + 1);
        cut.is_entry = (int)chance_below(chance, 2);
        struct traced traced = trace_run(host_run, host, cut_at, &cut);
        check_end(traced.ended, cut.is_done);
    } else {
        cut_at_time(host, &cut, chance_below(chance, span.us + 1), chance);
    }
    /* It was done before: then what it closed and answered last has to be there. */
    int status_seen = host->life.ledger->status_seen;
    if (!cut.is_done) disk_cut(disk);
    else check_silence(host, &cut);
    atomic_fetch_add(&run.shared->creating, !has_answer(host));
    atomic_fetch_add(&run.shared->ended, !cut.is_done);
    atomic_fetch_add(&run.shared->cuts, 1);
    atomic_fetch_add(&run.shared->seen, status_seen < 0);
}

/* --- Points. */

static struct host host_new(const struct disk *disk, uint64_t index, enum course course,
                            uint64_t *chance) {
    static struct told *told;
    static pid_t owner;
    uint64_t workload = index / SCRIPT_POINTS;
    enum policy policy = chance_below(chance, 3) == 0 ? POLICY_GO_ON : POLICY_STOP;
    script_make(&run.script, chance_seed(run.seed, workload), STEPS);
    struct host host = {.course = course, .mount = disk->mount};
    host.life = life_new(&run.script, policy, run.control);
    snprintf(host.life.directory, sizeof host.life.directory, "%.4000s/store-0", disk->mount);
    host.before = run.script;
    host.before.steps_len = BEFORE_MIN + (unsigned)chance_below(chance, BEFORE_MAX - BEFORE_MIN);
    if (owner != getpid()) told = shared_memory(sizeof *told);
    owner = getpid();
    memset((void *)told, 0, sizeof *told);
    host.told = told;
    return host;
}

static void verify(struct host *host) {
    if (run.empties) remove_tree(host->life.directory);
    expect_done(run_child(host_verify, host, 4 * HANG_MS), "the check");
    if (host->told->is_compacted) atomic_fetch_add(&run.shared->rewritten, 1);
    atomic_fetch_add(&run.shared->growths, host->told->growths);
}

/* The hosts that rely on what a control breaks; without one all of them. */
static int is_used(enum course course) {
    if (run.course != COURSES) return course == run.course;
    int is_of_names = course == COURSE_BACKUP || course == COURSE_RESTORE;
    if (flushes == FLUSH_NO_NAMES) return is_of_names;
    return course == COURSE_LIFE || !*run.control_name;
}

static enum course course_of(uint64_t *chance) {
    static const enum course of_ten[10] = {COURSE_LIFE,    COURSE_LIFE,    COURSE_LIFE,
                                           COURSE_LIFE,    COURSE_LIFE,    COURSE_LIFE,
                                           COURSE_BACKUP,  COURSE_RESTORE, COURSE_COMPACT,
                                           COURSE_GROWTH};
    enum course course = COURSES;
    do course = of_ten[chance_below(chance, 10)];
    while (!is_used(course));
    return course;
}

static struct disk *disk_of_worker(uint64_t index) {
    static struct disk disk;
    static pid_t owner;
    size_t options_len = 0;
    while (run.options[options_len]) options_len++;
    static unsigned used;
    int is_worn = owner == getpid() && used == DISK_POINTS;
    if (is_worn) disk_drop(&disk);
    if (owner != getpid() || is_worn) {
        disk_make(&disk, run.type);
        used = 0;
    }
    owner = getpid();
    used++;
    disk_mount(&disk, run.options[index / MOUNT_POINTS % options_len]);
    disk_empty(&disk);
    return &disk;
}

/* Before the first answer nothing was promised, so that few cuts fall there. */
static enum moment moment_of(const struct host *host, uint64_t *chance) {
    if (has_answer(host)) return chance_below(chance, 3) == 0 ? MOMENT_OPENING : MOMENT_LIVING;
    return chance_below(chance, CREATING_OF) == 0 ? MOMENT_CREATING : MOMENT_LIVING;
}

static int point(uint64_t number, void *context) {
    (void)context;
    uint64_t index = run.first + number, chance = chance_seed(run.seed, index);
    int is_one = run.course != COURSES;
    findings_at("build/torture/power --file-system %s%s%s --seed %llu --only %llu", run.type,
                is_one ? " --course " : "", is_one ? course_names[run.course] : "",
                (unsigned long long)run.seed, (unsigned long long)index);
    struct disk *disk = disk_of_worker(index);
    struct host host = host_new(disk, index, course_of(&chance), &chance);
    if (run.tells) {
        printf("%s, %s, mounted '%s'\n", run.type, course_names[host.course], disk->options);
    }
    if (!host_prepare(&host)) give_up("a host that nothing disturbs did not end well");
    live_and_cut(&host, disk, &chance, moment_of(&host, &chance));
    disk_power_on(disk);
    atomic_fetch_add(&run.shared->courses[host.course], 1);
    /* Others open the store meanwhile, and have their power cut while they do. */
    uint64_t depth = host.course == COURSE_LIFE && chance_below(&chance, 4) == 0
                         ? 1 + chance_below(&chance, CHAIN_DEPTH) : 0;
    for (uint64_t i = 0; i < depth; i++) {
        live_and_cut(&host, disk, &chance, MOMENT_OPENING);
        disk_power_on(disk);
        atomic_fetch_add(&run.shared->chained, 1);
    }
    verify(&host);
    return 1;
}

static struct span *span_now(const struct host *host) {
    struct shared *shared = run.shared;
    return &(has_answer(host) ? shared->living_of : shared->creating_of)[host->course];
}

static enum trace_answer count(void *context, const struct stop *stop) {
    struct span *span = span_now(context);
    span->calls += (uint64_t)stop->is_entry;
    span->landmarks += (uint64_t)(stop->is_entry && is_landmark(stop->number));
    return TRACE_GO_ON;
}

static void take_time(struct host *host) {
    uint64_t before_us = now_us(), until_us = before_us + HANG_MS * 1000;
    int process = start_child(host_run, host);
    while (is_still_running(process) && before_us < until_us) {
        struct span *span = span_now(host);
        sleep_us(100);
        span->us += now_us() - before_us;
        before_us = now_us();
    }
    check_end(await_child(process, 4 * HANG_MS), 0);
}

static void measure_one(struct disk *disk, enum course course, int is_traced) {
    uint64_t chance = run.seed;
    findings_at("build/torture/power --file-system %s --seed %llu --points 1", run.type,
                (unsigned long long)run.seed);
    disk_mount(disk, run.options[0]);
    disk_empty(disk);
    struct host host = host_new(disk, 0, course, &chance);
    host.life.policy = POLICY_NONE;
    if (!host_prepare(&host)) give_up("a host that nothing disturbs did not end well");
    if (is_traced) check_end(trace_run(host_run, &host, count, &host).ended, 0);
    else take_time(&host);
    disk_unmount(disk);
    disk_mount(disk, run.options[0]);
    expect_done(run_child(host_verify, &host, 4 * HANG_MS), "the check");
}

/* Each host without a tracer and with one, where the power stays on: nothing is found. */
static void measure(void) {
    static struct disk disk;
    disk_make(&disk, run.type);
    for (int course = 0; course < COURSES; course++) {
        if (!is_used((enum course)course)) continue;
        measure_one(&disk, (enum course)course, 0);
        measure_one(&disk, (enum course)course, 1);
    }
    disk_drop(&disk);
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1},    {"--points", 1},      {"--only", 1},
        {"--control", 1}, {"--file-system", 1}, {"--course", 1},
    };
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    const char *control = option_text(argc, argv, "--control", "");
    run.control_name = control;
    run.type = option_text(argc, argv, "--file-system", "ext4");
    run.course = COURSES;
    const char *course = option_text(argc, argv, "--course", NULL);
    for (int at = 0; course && at < COURSES; at++) {
        if (strcmp(course_names[at], course) == 0) run.course = (enum course)at;
    }
    if (course && run.course == COURSES) {
        fprintf(stderr, "power: unknown host %s\n", course);
        exit(64);
    }
    run.options = strcmp(run.type, "xfs") == 0 ? xfs_options : ext4_options;
    run.seed = option_seed(argc, argv);
    run.first = option_number(argc, argv, "--only", 0);
    run.tells = option_given(argc, argv, "--only");
    run.control = strcmp(control, "early") == 0 ? CONTROL_EARLY : CONTROL_NONE;
    run.empties = strcmp(control, "empty") == 0;
    flushes = strcmp(control, "flush") == 0   ? FLUSH_NONE
              : strcmp(control, "names") == 0 ? FLUSH_NO_NAMES
                                              : FLUSH_ALL;
    findings_silent(*control != 0);
}

static void describe(char *text, size_t len) {
    const struct shared *shared = run.shared;
    size_t at = (size_t)snprintf(
        text, len,
        "%llu cuts: %llu after the first answer, %llu before it; %llu when the host had ended, %llu while "
        "the next host opened, %llu after some pages were written back; %llu hosts met an error; %llu "
        "maps grown, %llu files rewritten;",
        (unsigned long long)shared->cuts, (unsigned long long)(shared->cuts - shared->creating),
        (unsigned long long)shared->creating, (unsigned long long)shared->ended,
        (unsigned long long)shared->chained, (unsigned long long)shared->written_back,
        (unsigned long long)shared->seen, (unsigned long long)shared->growths,
        (unsigned long long)shared->rewritten);
    for (int course = 0; course < COURSES && at < len; course++) {
        at += (size_t)snprintf(text + at, len - at, "%s %s %llu", course ? "," : "",
                               course_names[course], (unsigned long long)shared->courses[course]);
    }
}

int main(int argc, char **argv) {
    char name[32], label[40], details[600];
    read_options(argc, argv);
    findings_start();
    scratch_start();
    run.shared = shared_memory(sizeof *run.shared);
    snprintf(name, sizeof name, "power_%s", run.type);
    const char *why = trace_is_supported() ? disks_start(run.type) : "it traces no system calls";
    if (why) {
        printf("SKIPPED: %s: on this machine: %s\n", name, why);
        return 77;
    }
    const char *control = option_text(argc, argv, "--control", NULL);
    measure();
    if (control && findings_total() != 0) {
        printf("%s control %s: it found something where the power stayed on\n", name, control);
        return 1;
    }
    uint64_t points = option_number(argc, argv, "--points", 1);
    uint64_t ran = run_points(run.tells ? 1 : points, point, NULL);
    enum finding wanted = run.empties ? FOUND_GRANTED_TWICE : FOUND_LOST;
    if (control) {
        int is_one = run.course != COURSES;
        snprintf(label, sizeof label, "%.20s%s%s", control, is_one ? "_" : "",
                 is_one ? course_names[run.course] : "");
        return findings_report_control(name, label, run.seed, ran, wanted);
    }
    describe(details, sizeof details);
    return findings_report(name, run.seed, ran, details);
}

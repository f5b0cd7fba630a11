/*
 * Every system call that touches a file, at every index, fails with every errno: once, from then
 * on, or after it had been carried out. And writes that write less than they were asked to.
 */

#define _GNU_SOURCE
#include "common.h"
#include "life.h"
#include "trace.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    STEPS = 106,
    NUMBERS_MAX = 512,
    /* Libraries repeat an interrupted call by contract; nothing interrupts it for ever. */
    INTERRUPTS_MAX = 100,
};

enum manner {
    MANNER_ONCE,   /* this call is not made and answers the error */
    MANNER_STICKY, /* this call and every later one of its kind */
    MANNER_LATE,   /* this call is made and answers the error; later ones are not made */
    MANNER_SHORT,  /* this write is made with half of its bytes */
    MANNERS,
};

static const char *const manner_names[MANNERS] = {"once", "sticky", "late", "short"};

static const int errnos[] = {EIO, ENOSPC, EDQUOT, EINTR, ENOMEM, EACCES, ENOLCK, EMFILE};
static const char *const errno_names[] = {"EIO",    "ENOSPC", "EDQUOT", "EINTR",
                                          "ENOMEM", "EACCES", "ENOLCK", "EMFILE"};
enum { ERRNOS = sizeof errnos / sizeof errnos[0] };

static const int numbers[] = {
    SYS_openat,    SYS_read,      SYS_pread64,   SYS_write,      SYS_pwrite64,  SYS_writev,
    SYS_pwritev,   SYS_fdatasync, SYS_fsync,     SYS_ftruncate,  SYS_fallocate, SYS_mmap,
    SYS_munmap,    SYS_mremap,    SYS_madvise,   SYS_lseek,      SYS_fcntl,     SYS_flock,
    SYS_fstat,     SYS_newfstatat, SYS_statx,    SYS_statfs,     SYS_fstatfs,   SYS_renameat,
    SYS_renameat2, SYS_unlinkat,  SYS_mkdirat,   SYS_getdents64, SYS_readlinkat, SYS_fchmod,
    SYS_fchmodat,  SYS_getrandom, SYS_eventfd2,  SYS_clone3,     SYS_close,
#if defined(__x86_64__)
    SYS_open,      SYS_stat,      SYS_lstat,     SYS_rename,     SYS_unlink,    SYS_mkdir,
    SYS_rmdir,     SYS_readlink,  SYS_access,
#endif
};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

/* One fault: the index counts the calls of its kind in the whole life. */
struct fault {
    uint64_t number, index;
    int error; /* index in errnos */
    enum manner manner;
};

struct shared {
    atomic_uint_fast64_t reached, went_on, stopped, internals, cut_offs, asked_poisoned, by_class[8];
};

static struct run {
    uint64_t seed;
    enum control control;
    enum finding sought; /* by the control */
    int excuses_nothing; /* control: those faults alone for which INTERNAL is excused */
    struct script script;
    struct shared *shared;
    struct fault *faults;
    uint64_t faults_len, stride;
} run;

struct injection {
    struct fault fault;
    uint64_t seen, in_a_row;
    int begun;
};

/* Memory that is not a file's and not a thread's stack is the allocator's, and not a file fault. */
static int is_touching_files(const struct stop *stop) {
    if (stop->number != SYS_mmap) return 1;
    return (int)stop->args[4] >= 0 || (stop->args[3] & MAP_STACK) != 0;
}

static int is_write(uint64_t number) {
    return number == SYS_write || number == SYS_pwrite64 || number == SYS_writev ||
           number == SYS_pwritev;
}

/* A closed descriptor is closed whatever close answers, so it can only fail late. */
static int is_possible(uint64_t number, enum manner manner) {
    int changes = is_write(number) || number == SYS_fdatasync || number == SYS_fsync ||
                  number == SYS_ftruncate || number == SYS_fallocate || number == SYS_close ||
                  number == SYS_rename || number == SYS_renameat || number == SYS_renameat2;
    if (number == SYS_close) return manner == MANNER_LATE;
    if (manner == MANNER_SHORT) return is_write(number);
    return manner != MANNER_LATE || changes;
}

static void write_short(const struct stop *stop) {
    uint64_t len = stop->args[2];
    if (len > 1) trace_argument(stop, 2, len / 2);
}

static enum trace_answer inject_at_entry(struct injection *injection, const struct stop *stop) {
    const struct fault *fault = &injection->fault;
    if (stop->number != fault->number || !is_touching_files(stop)) return TRACE_GO_ON;
    uint64_t index = injection->seen++;
    int is_first = index == fault->index;
    int is_later = injection->begun &&
                   (fault->manner == MANNER_STICKY || fault->manner == MANNER_LATE);
    if (!is_first && !is_later) return TRACE_GO_ON;
    injection->begun = 1;
    if (fault->manner == MANNER_SHORT) {
        write_short(stop);
        return TRACE_GO_ON;
    }
    if (errnos[fault->error] == EINTR && injection->in_a_row++ >= INTERRUPTS_MAX) {
        injection->in_a_row = 0;
        return TRACE_GO_ON;
    }
    *stop->tag = 1;
    if ((!is_first || fault->manner != MANNER_LATE) && stop->number != SYS_close) trace_skip(stop);
    return TRACE_GO_ON;
}

static enum trace_answer inject(void *context, const struct stop *stop) {
    struct injection *injection = context;
    if (stop->is_entry) return inject_at_entry(injection, stop);
    if (*stop->tag) trace_result(stop, -errnos[injection->fault.error]);
    return TRACE_GO_ON;
}

static void say_where(const struct fault *fault) {
    findings_at("build/torture/fault --seed %llu --call %s --index %llu --errno %s --manner %s",
                (unsigned long long)run.seed, trace_name(fault->number),
                (unsigned long long)fault->index, errno_names[fault->error],
                manner_names[fault->manner]);
}

/*
 * Rust's standard library asserts that random numbers are to be had and that a directory closes,
 * and lnkeep answers INTERNAL when that does not hold. Whatever else makes it say so is a bug.
 */
static int is_asserted(uint64_t number) {
    return number == SYS_getrandom || number == SYS_close;
}

/*
 * Unknown: the host takes UNKNOWN for "not applied". Heals: its store goes on after a failed commit.
 * Internal: what makes lnkeep answer INTERNAL is taken for a fault like any other.
 */
static void choose_control(const char *control) {
    run.sought = FOUND_LOST;
    if (!control) return;
    if (strcmp(control, "unknown") == 0) {
        run.control = CONTROL_UNKNOWN;
    } else if (strcmp(control, "heals") == 0) {
        run.control = CONTROL_HEALS;
        run.sought = FOUND_STATUS;
    } else if (strcmp(control, "internal") == 0) {
        run.excuses_nothing = 1;
        run.sought = FOUND_STATUS;
    } else {
        fprintf(stderr, "fault: unknown control %s\n", control);
        exit(64);
    }
}

static lnkeep_status run_fault(const struct fault *fault) {
    struct injection injection = {.fault = *fault};
    enum manner manner = injection.fault.manner;
    /* Once: the host goes on as the header says. From then on: it ends without a close. */
    int goes_on = manner == MANNER_ONCE || manner == MANNER_SHORT;
    struct life life = life_new(&run.script, goes_on ? POLICY_GO_ON : POLICY_STOP, run.control);
    life.may_be_internal = is_asserted(fault->number) && !run.excuses_nothing;
    say_where(fault);
    struct traced traced = trace_run(life_run, &life, inject, &injection);
    if (traced.ended.code != LIFE_STOPPED) expect_done(traced.ended, "the host");
    if (!traced.ended.hung && !traced.ended.signal) {
        atomic_fetch_add(traced.ended.code == LIFE_ENDED ? &run.shared->went_on
                                                         : &run.shared->stopped, 1);
    }
    if (injection.begun) atomic_fetch_add(&run.shared->reached, 1);
    atomic_fetch_add(&run.shared->internals, life.ledger->internals);
    lnkeep_class class = lnkeep_status_class(life.ledger->status_seen);
    atomic_fetch_add(&run.shared->by_class[class], 1);
    atomic_fetch_add(&run.shared->asked_poisoned, life.ledger->asked_poisoned);
    expect_done(run_child(life_verify, &life, 4 * HANG_MS), "the check");
    atomic_fetch_add(&run.shared->cut_offs, life.ledger->cut_offs);
    return life.ledger->status_seen;
}

static int point(uint64_t at, void *context) {
    (void)context;
    uint64_t chance = chance_seed(run.seed, at);
    run_fault(&run.faults[at * run.stride + chance_below(&chance, run.stride)]);
    return 1;
}

struct counting {
    uint64_t counts[NUMBERS_MAX];
};

static enum trace_answer count(void *context, const struct stop *stop) {
    struct counting *counting = context;
    if (stop->is_entry && stop->number < NUMBERS_MAX && is_touching_files(stop)) {
        counting->counts[stop->number]++;
    }
    return TRACE_GO_ON;
}

static void add_fault(struct fault fault) {
    static uint64_t room;
    if (run.faults_len == room) {
        room = room ? room * 2 : 1024;
        run.faults = realloc(run.faults, room * sizeof *run.faults);
        if (!run.faults) give_up("memory");
    }
    run.faults[run.faults_len++] = fault;
}

/* Every (system call, index, errno, manner) of a life that nothing disturbs. */
static void enumerate(void) {
    static struct counting counting;
    struct life life = life_new(&run.script, POLICY_NONE, run.control);
    expect_done(trace_run(life_run, &life, count, &counting).ended, "a host that nothing disturbs");
    expect_done(run_child(life_verify, &life, 4 * HANG_MS), "the check");
    for (size_t i = 0; i < NUMBERS; i++) {
        uint64_t number = (uint64_t)numbers[i];
        if (number >= NUMBERS_MAX || (run.excuses_nothing && !is_asserted(number))) continue;
        for (uint64_t index = 0; index < counting.counts[number]; index++) {
            for (int manner = 0; manner < MANNERS; manner++) {
                if (!is_possible(number, (enum manner)manner)) continue;
                /* A short write has no errno. */
                int errors = manner == MANNER_SHORT ? 1 : ERRNOS;
                for (int error = 0; error < errors; error++) {
                    add_fault((struct fault){number, index, error, (enum manner)manner});
                }
            }
        }
    }
}

static int index_of(const char *const *names, int len, const char *name) {
    for (int i = 0; i < len; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    fprintf(stderr, "fault: unknown name %s\n", name);
    exit(64);
}

/* The one fault that a line of findings names. */
static int tell_one(int argc, char **argv) {
    struct fault fault = {.index = option_number(argc, argv, "--index", 0)};
    const char *call = option_text(argc, argv, "--call", "");
    for (size_t i = 0; i < NUMBERS; i++) {
        if (strcmp(trace_name((uint64_t)numbers[i]), call) == 0) {
            fault.number = (uint64_t)numbers[i];
        }
    }
    fault.error = index_of(errno_names, ERRNOS, option_text(argc, argv, "--errno", "EIO"));
    const char *manner = option_text(argc, argv, "--manner", "once");
    fault.manner = (enum manner)index_of(manner_names, MANNERS, manner);
    lnkeep_status status = run_fault(&fault);
    printf("%llu reached; the last answer that was no success: %s\n",
           (unsigned long long)run.shared->reached, lnkeep_status_name(status));
    return findings_total() != 0;
}

static void describe(char *text, size_t len) {
    const struct shared *shared = run.shared;
    size_t at = (size_t)snprintf(
        text, len,
        "%llu of the points met their fault, of %llu that there are; %llu cut a resume off, %llu asked a "
        "poisoned store for a grant; INTERNAL %llu; hosts that ended %llu, stopped %llu;",
        (unsigned long long)shared->reached, (unsigned long long)run.faults_len,
        (unsigned long long)shared->cut_offs, (unsigned long long)shared->asked_poisoned,
        (unsigned long long)shared->internals,
        (unsigned long long)shared->went_on, (unsigned long long)shared->stopped);
    for (unsigned class = 0; class < 6 && at < len; class++) {
        at += (size_t)snprintf(text + at, len - at, " %s %llu",
                               class ? lnkeep_class_name(class) : "undisturbed",
                               (unsigned long long)shared->by_class[class]);
    }
}

int main(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--points", 1}, {"--control", 1}, {"--call", 1},
        {"--index", 1}, {"--errno", 1}, {"--manner", 1},
    };
    char details[400];
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    run.seed = option_seed(argc, argv);
    const char *control = option_text(argc, argv, "--control", NULL);
    choose_control(control);
    findings_silent(control != NULL);
    findings_start();
    scratch_start();
    run.shared = shared_memory(sizeof *run.shared);
    if (!trace_is_supported()) {
        printf("SKIPPED: fault: this machine cannot trace system calls\n");
        return 77;
    }
    script_make(&run.script, run.seed, STEPS);
    if (option_given(argc, argv, "--call")) return tell_one(argc, argv);
    enumerate();
    if (findings_total() != 0) {
        printf("fault: a life without a fault is not right\n");
        return 1;
    }
    uint64_t points = option_number(argc, argv, "--points", 0);
    run.stride = points && points < run.faults_len ? run.faults_len / points : 1;
    uint64_t ran = run_points(run.faults_len / run.stride, point, NULL);
    if (control) return findings_report_control("fault", control, run.seed, ran, run.sought);
    describe(details, sizeof details);
    return findings_report("fault", run.seed, ran, details);
}

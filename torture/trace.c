/* A small ptrace driver: every thread of a child stops at every system call. */

#define _GNU_SOURCE
#include "trace.h"

#include <elf.h>
#include <errno.h>
#include <linux/ptrace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    THREADS_MAX = 64,
    TICKS_MAX = HANG_MS / 1000, /* of one second without a stop */
    CALLS_MAX = 1000000,        /* a child that calls without end hangs too */
};

#if defined(__x86_64__)
typedef struct user_regs_struct registers;
#elif defined(__aarch64__)
typedef struct user_regs_struct registers;
#else
typedef struct {
    long none;
} registers;
#endif

/* By number: <sys/ptrace.h> and <linux/ptrace.h> cannot be included together. */
static long trace_request(long request, int thread, uintptr_t address, void *data) {
    return syscall(SYS_ptrace, request, thread, address, data);
}

static void registers_get(int thread, registers *regs) {
    struct iovec view = {regs, sizeof *regs};
    if (trace_request(PTRACE_GETREGSET, thread, NT_PRSTATUS, &view) != 0) give_up("GETREGSET");
}

static void registers_set(int thread, registers *regs) {
    struct iovec view = {regs, sizeof *regs};
    if (trace_request(PTRACE_SETREGSET, thread, NT_PRSTATUS, &view) != 0) give_up("SETREGSET");
}

void trace_skip(const struct stop *stop) {
#if defined(__x86_64__)
    registers regs;
    registers_get(stop->thread, &regs);
    regs.orig_rax = (unsigned long long)-1;
    registers_set(stop->thread, &regs);
#elif defined(__aarch64__)
    int none = -1;
    struct iovec view = {&none, sizeof none};
    if (trace_request(PTRACE_SETREGSET, stop->thread, NT_ARM_SYSTEM_CALL, &view) != 0) {
        give_up("SETREGSET");
    }
#else
    (void)stop;
#endif
}

void trace_argument(const struct stop *stop, unsigned index, uint64_t value) {
    registers regs;
    registers_get(stop->thread, &regs);
#if defined(__x86_64__)
    unsigned long long *places[6] = {&regs.rdi, &regs.rsi, &regs.rdx,
                                     &regs.r10, &regs.r8,  &regs.r9};
    *places[index] = value;
#elif defined(__aarch64__)
    regs.regs[index] = value;
#else
    (void)index, (void)value;
#endif
    registers_set(stop->thread, &regs);
}

void trace_result(const struct stop *stop, int64_t result) {
    registers regs;
    registers_get(stop->thread, &regs);
#if defined(__x86_64__)
    regs.rax = (unsigned long long)result;
#elif defined(__aarch64__)
    regs.regs[0] = (unsigned long long)result;
#else
    (void)result;
#endif
    registers_set(stop->thread, &regs);
}

void trace_role(int process, int thread, char role[16]) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/comm", process, thread);
    FILE *file = fopen(path, "r");
    size_t len = file ? fread(role, 1, 15, file) : 0;
    if (file) fclose(file);
    while (len > 0 && (role[len - 1] == '\n' || (role[len - 1] >= '0' && role[len - 1] <= '9'))) {
        len--;
    }
    role[len] = 0;
    if (process == thread) strcpy(role, "host");
}

struct thread {
    int id;
    uint64_t number;
    int tag;
};

struct tracer {
    int process;
    trace_hook hook;
    void *hook_context;
    struct thread threads[THREADS_MAX];
    size_t threads_len;
    struct traced traced;
};

static struct thread *thread_of(struct tracer *tracer, int id) {
    for (size_t i = 0; i < tracer->threads_len; i++) {
        if (tracer->threads[i].id == id) return &tracer->threads[i];
    }
    if (tracer->threads_len == THREADS_MAX) tracer->threads_len = 1; /* only old ones are lost */
    struct thread *thread = &tracer->threads[tracer->threads_len++];
    *thread = (struct thread){.id = id};
    return thread;
}

static volatile sig_atomic_t ticks;

static void tick(int signal) {
    (void)signal;
    ticks++;
}

/* A tick interrupts the wait for a stop, because its handler does not restart calls. */
static void start_ticking(void) {
    struct sigaction action = {.sa_handler = tick};
    struct itimerval second = {{1, 0}, {1, 0}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &second, NULL);
}

static enum trace_answer at_call(struct tracer *tracer, int id) {
    struct ptrace_syscall_info info;
    struct thread *thread = thread_of(tracer, id);
    memset(&info, 0, sizeof info);
    if (trace_request(PTRACE_GET_SYSCALL_INFO, id, sizeof info, &info) <= 0) return TRACE_GO_ON;
    struct stop stop = {.thread = id, .tag = &thread->tag};
    if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        stop.is_entry = 1;
        stop.number = thread->number = info.entry.nr;
        for (int i = 0; i < 6; i++) stop.args[i] = info.entry.args[i];
        thread->tag = 0;
        if (++tracer->traced.calls > CALLS_MAX) {
            tracer->traced.ended.hung = 1;
            return TRACE_KILL;
        }
    } else if (info.op == PTRACE_SYSCALL_INFO_EXIT) {
        stop.number = thread->number;
        stop.result = info.exit.rval;
    } else {
        return TRACE_GO_ON;
    }
    return tracer->hook(tracer->hook_context, &stop);
}

/* Deals with one stop of one thread; answers the signal that it gets when it goes on. */
static int at_stop(struct tracer *tracer, int id, int status) {
    int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
        if (at_call(tracer, id) == TRACE_KILL) kill(tracer->process, SIGKILL);
        return 0;
    }
    /* Events of the tracer itself, and the stop in which every new thread begins. */
    if (status >> 16 != 0 || signal == SIGSTOP || signal == SIGTRAP) return 0;
    return signal;
}

static void follow(struct tracer *tracer) {
    int status = 0;
    ticks = 0;
    for (;;) {
        int id = waitpid(-1, &status, __WALL);
        if (id < 0) {
            if (errno != EINTR) give_up("waiting for a traced child");
            if (ticks <= TICKS_MAX) continue;
            tracer->traced.ended.hung = 1;
            kill(tracer->process, SIGKILL);
            continue;
        }
        ticks = 0;
        if (WIFSTOPPED(status)) {
            uintptr_t signal = (uintptr_t)at_stop(tracer, id, status);
            trace_request(PTRACE_SYSCALL, id, 0, (void *)signal);
            continue;
        }
        if (id != tracer->process) continue;
        if (WIFSIGNALED(status)) tracer->traced.ended.signal = WTERMSIG(status);
        else tracer->traced.ended.code = WEXITSTATUS(status);
        return;
    }
}

struct wrapped {
    child_function run;
    void *context;
};

static int begin_traced(void *context) {
    struct wrapped *wrapped = context;
    trace_request(PTRACE_TRACEME, 0, 0, NULL);
    raise(SIGSTOP);
    return wrapped->run(wrapped->context);
}

struct traced trace_run(child_function run, void *context, trace_hook hook, void *hook_context) {
    static int ticking_in;
    struct wrapped wrapped = {run, context};
    static struct tracer tracer;
    int status = 0;
    uintptr_t options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                        PTRACE_O_TRACEVFORK | PTRACE_O_EXITKILL;
    memset(&tracer, 0, sizeof tracer);
    tracer.hook = hook;
    tracer.hook_context = hook_context;
    tracer.process = start_child(begin_traced, &wrapped);
    thread_of(&tracer, tracer.process);
    if (ticking_in != getpid()) start_ticking();
    ticking_in = getpid();
    while (waitpid(tracer.process, &status, __WALL) < 0 && errno == EINTR) {}
    if (!WIFSTOPPED(status)) give_up("a traced child did not stop");
    if (trace_request(PTRACE_SETOPTIONS, tracer.process, 0, (void *)options) != 0) {
        give_up("SETOPTIONS");
    }
    trace_request(PTRACE_SYSCALL, tracer.process, 0, NULL);
    follow(&tracer);
    return tracer.traced;
}

static int support_child(void *context) {
    (void)context;
    getppid();
    return 0;
}

static enum trace_answer support_hook(void *context, const struct stop *stop) {
    int *seen = context;
    if (stop->number == SYS_getppid) (*seen)++;
    return TRACE_GO_ON;
}

int trace_is_supported(void) {
#if !defined(__x86_64__) && !defined(__aarch64__)
    return 0;
#else
    int seen = 0;
    int process = start_child(begin_traced, &(struct wrapped){support_child, NULL});
    int status = 0;
    waitpid(process, &status, __WALL);
    kill(process, SIGKILL);
    waitpid(process, &status, __WALL);
    if (!WIFSIGNALED(status)) return 0;
    trace_run(support_child, NULL, support_hook, &seen);
    return seen == 2; /* its entry and its exit */
#endif
}

const char *trace_name(uint64_t number) {
    static const struct {
        uint64_t number;
        const char *name;
    } names[] = {
#define NAME(call) {SYS_##call, #call}
        NAME(openat),    NAME(close),      NAME(read),       NAME(write),     NAME(pread64),
        NAME(pwrite64),  NAME(writev),     NAME(pwritev),    NAME(fdatasync), NAME(fsync),
        NAME(ftruncate), NAME(fallocate),  NAME(mmap),       NAME(munmap),    NAME(mremap),
        NAME(lseek),     NAME(fcntl),      NAME(fstat),      NAME(newfstatat), NAME(statx),
        NAME(statfs),    NAME(fstatfs),    NAME(renameat2),  NAME(unlinkat),  NAME(mkdirat),
        NAME(getrandom), NAME(madvise),    NAME(eventfd2),   NAME(clone3),    NAME(futex),
        NAME(mprotect),  NAME(brk),        NAME(exit),       NAME(exit_group), NAME(renameat),
        NAME(flock),     NAME(getdents64), NAME(readlinkat), NAME(fchmod),    NAME(fchmodat),
        NAME(prctl),     NAME(sched_yield), NAME(rt_sigprocmask), NAME(clone), NAME(msync),
        NAME(set_robust_list), NAME(rseq), NAME(sigaltstack), NAME(rt_sigaction), NAME(getcwd),
        NAME(sched_getaffinity), NAME(gettid), NAME(getpid), NAME(geteuid), NAME(faccessat),
#if defined(__x86_64__)
        NAME(open),      NAME(stat),       NAME(lstat),      NAME(rename),    NAME(unlink),
        NAME(mkdir),     NAME(rmdir),      NAME(poll),       NAME(readlink),  NAME(access),
#endif
#undef NAME
    };
    static char text[24];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].number == number) return names[i].name;
    }
    snprintf(text, sizeof text, "call %llu", (unsigned long long)number);
    return text;
}

/* Runs a child and stops it at every system call of every thread. Linux on x86_64 and aarch64. */

#ifndef TORTURE_TRACE_H
#define TORTURE_TRACE_H

#include <stdint.h>

#include "common.h"

struct stop {
    int thread;
    int is_entry;
    uint64_t number;  /* of the system call, at its entry and at its exit */
    uint64_t args[6]; /* at the entry */
    int64_t result;   /* at the exit */
    int *tag;         /* 0 at the entry; what is written there comes again at the exit */
};

enum trace_answer { TRACE_GO_ON, TRACE_KILL };

typedef enum trace_answer (*trace_hook)(void *context, const struct stop *stop);

struct traced {
    struct ended ended;
    uint64_t calls; /* entries of system calls, of all threads */
};

/* 0 where this kernel or machine cannot do it. */
int trace_is_supported(void);
/* Runs a function in a child and calls the hook at every stop. TRACE_KILL ends all its threads. */
struct traced trace_run(child_function run, void *context, trace_hook hook, void *hook_context);

/* At an entry: no call is made. At the exit, say what it answered instead. */
void trace_skip(const struct stop *stop);
/* At an entry: changes an argument. */
void trace_argument(const struct stop *stop, unsigned index, uint64_t value);
/* At an exit: what the call answers; an error is negative. */
void trace_result(const struct stop *stop, int64_t result);

/* What a thread calls itself, without the digits of a pool. */
void trace_role(int process, int thread, char role[16]);
/* Name of a system call, or its number as text. */
const char *trace_name(uint64_t number);

#endif

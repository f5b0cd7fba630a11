/* What every harness shares: options, chance, processes with a time limit, scratch, findings. */

#ifndef TORTURE_COMMON_H
#define TORTURE_COMMON_H

#include <stddef.h>
#include <stdint.h>

/* --- Options: `--name value`, or `--name` alone. */

struct option_name {
    const char *name;
    int takes_value;
};

/* Ends the program with a message when argv holds anything that is not in the list. */
void options_check(int argc, char **argv, const struct option_name *names, size_t names_len);
int option_given(int argc, char **argv, const char *name);
uint64_t option_number(int argc, char **argv, const char *name, uint64_t otherwise);
const char *option_text(int argc, char **argv, const char *name, const char *otherwise);
/* --seed, or a fresh one when it is 0; always printed with the results. */
uint64_t option_seed(int argc, char **argv);
/* What option_seed answered last. */
extern uint64_t seed_of_run;

/* --- Chance: splitmix64, so that a seed replays on every machine. */

uint64_t chance_next(uint64_t *state);
/* From 0 up to but without `below`, which is not 0. */
uint64_t chance_below(uint64_t *state, uint64_t below);
/* A seed of its own for each number under one seed. */
uint64_t chance_seed(uint64_t seed, uint64_t number);
void chance_fill(uint64_t *state, void *bytes, size_t len);

#define DIGEST_START 0xcbf29ce484222325u
/* FNV-1a: tells equal from different; nobody attacks it here. */
uint64_t digest_add(uint64_t digest, const void *bytes, size_t len);

/* FIPS 180-4, of at most 55 bytes. */
void sha256(const void *bytes, size_t len, uint8_t digest[32]);

/* --- Memory that a killed process leaves to the others. */

void *shared_memory(size_t len);
void shared_memory_free(void *memory, size_t len);

/* --- Findings: each is a broken promise. Counted over all processes of the harness. */

enum finding {
    FOUND_LOST,          /* acknowledged, and not there */
    FOUND_GRANTED_TWICE, /* a second permission to dispatch one id */
    FOUND_PAID_TWICE,    /* a payment that was paid may be paid again, or more than its amount */
    FOUND_HALF,          /* one of a payment and its attempt's record changed without the other */
    FOUND_WRONG,         /* another value or answer than the right one */
    FOUND_EVENT,         /* a hole, a repeat or a wrong event */
    FOUND_STATUS,        /* a class that promises what does not hold */
    FOUND_SIGNAL,        /* the host was ended by a signal */
    FOUND_HANG,          /* no answer in its time */
    FOUND_REOPEN,        /* the store did not open again */
    FOUND_BLOB,          /* of a peer's blob: it is lost, older than promised, or not whole */
    FOUND_NUMBER,        /* two blobs of ours left under one number, or a number went back */
    FOUND_ALARM,         /* a loss of state that is none, or none where there is one */
    FOUND_RESTORE,       /* what was known to be restorable cannot be restored */
    FOUND_GROWTH,        /* rows, bytes, memory or descriptors beyond what the load needs */
    FINDINGS,
};

extern const char *const finding_names[FINDINGS];

void findings_start(void);
/* The command that replays the present point; a fork inherits it. */
void findings_at(const char *format, ...) __attribute__((format(printf, 1, 2)));
void finding(enum finding kind, const char *format, ...) __attribute__((format(printf, 2, 3)));
uint64_t findings_count(enum finding kind);
uint64_t findings_total(void);
/* Silent findings are counted and not printed: those of a control are wanted. */
void findings_silent(int silent);

/*
 * The closing line: `NAME: seed S, POINTS points, V violations (details)`. With a control, wanted
 * says which finding it has to cause. Answers the exit status.
 */
int findings_report(const char *name, uint64_t seed, uint64_t points, const char *details);
int findings_report_control(const char *name, const char *control, uint64_t seed, uint64_t points,
                            enum finding wanted);

/* Bits of the kinds of event of attempts, payments, monitors and resources, which checks reckon with. */
enum { EVENT_KINDS_ALL = (1 << 15) - 1 };

/* --- Processes. */

enum { HANG_MS = 5000 };

struct ended {
    int code;   /* exit status, when signal is 0 and hung is 0 */
    int signal; /* that ended it */
    int hung;   /* it was still running after the limit, and was killed */
};

typedef int (*child_function)(void *context);

/* Runs a function in a child, which ends with its answer as exit status. */
struct ended run_child(child_function run, void *context, int limit_ms);
/* The same, but the caller kills or waits; answers its process id. */
int start_child(child_function run, void *context);
struct ended await_child(int process, int limit_ms);
/* Counts a signal or a hang as a finding; answers whether it ended by itself. */
int expect_exit(struct ended ended, const char *what);

/* As above, and it did all that it had to: a child that gives up has judged nothing. */
void expect_done(struct ended ended, const char *what);

/* One point of a harness, numbered from 0. Answers 0 when there are no more points. */
typedef int (*point_function)(uint64_t point, void *context);

/* Runs points on as many processes as there are processors; answers how many points were run. */
uint64_t run_points(uint64_t points_max, point_function run, void *context);
/* Zeros that all processes share, for the run of points that comes next; one that resumes finds what
 * the earlier start left there. */
void *points_kept_memory(uint64_t points_max, size_t len);
/* Number of the process that runs points: 0 or above. */
extern unsigned worker_index;

/* --- Files. */

void give_up(const char *what) __attribute__((noreturn));
void sleep_us(uint64_t us);
uint64_t now_us(void);
/* A directory that is removed at the end, in LNKEEP_TORTURE_DIR, else in memory where possible. */
void scratch_start(void);
void scratch_path(char *path, size_t len, const char *name);
void remove_tree(const char *path);
int read_whole(const char *path, uint8_t **bytes, size_t *len);
/* Overwrites a file in place and cuts it there: a new file would be a copy to the store. */
void write_whole(const char *path, const uint8_t *bytes, size_t len, size_t file_bytes);

#endif

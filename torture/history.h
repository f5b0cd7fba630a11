/*
 * Histories: what threads asked of a few attempts and payments, what they were told and when, over
 * the lives of several processes.
 */

#ifndef TORTURE_HISTORY_H
#define TORTURE_HISTORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "checker.h"
#include "lnkeep.h"

/* A key is an attempt of its own, or a payment with its parts and their records. */
enum { ATTEMPT_KEYS = 2, PAYMENT_KEYS = 2, KEYS = ATTEMPT_KEYS + PAYMENT_KEYS, PARTS = 3 };
enum { THREADS_MAX = 8, ACTS_MAX = 4, CALLS_MAX = 480, AMOUNT_MSAT = 12000 };

enum what {
    ASK_INIT,
    ASK_MARK,
    ASK_SETTLE,
    ASK_FAIL,
    ASK_ROLLBACK,
    ASK_ACK,
    ASK_DELETE,
    ASK_FORGET,
    ASK_GET,
    ASK_PAYMENT_INIT,
    ASK_REGISTER,
    ASK_PART_SETTLE,
    ASK_PART_FAIL,
    ASK_PART_FORCE,
    ASK_GIVE_UP,
    ASK_PAYMENT_DELETE,
    ASK_PAYMENT_FORGET,
    ASK_FETCH,
    ASKS,
};

extern const char *const ask_names[ASKS];

/* One operation. The part is 0 for an attempt of its own. */
struct act {
    uint8_t what, key, part, variant;
};

/* What a call was told: its status, and what it read or gave back, as a number. */
struct answer {
    int32_t status;
    uint32_t conflict; /* LNKEEP_OUTCOME_CONFLICT */
    uint64_t event;    /* its number; numbers of one store rise with its commits */
    uint64_t view;     /* see view_of; VIEW_NONE where the call gives none */
};

#define VIEW_NONE UINT64_MAX

enum grouping { GROUP_SINGLE, GROUP_BATCH, GROUP_ATOMIC };

struct call {
    atomic_uint_fast64_t invoked, returned; /* 0: not yet */
    uint8_t thread, life, grouping, acts_len;
    struct act acts[ACTS_MAX];
    struct answer answers[ACTS_MAX];
};

struct history {
    uint64_t number; /* names its keys: no two histories of a store share one */
    unsigned threads;
    atomic_uint calls_len;
    atomic_uint next[THREADS_MAX]; /* of each thread: how much of its script it began */
    struct call calls[CALLS_MAX];
};

/* --- The plain machine: one key. */

enum { MARK_FORCED = 1, MARK_LATE = 2 };

struct record_state {
    uint8_t state, flags, result, request;
};

struct part_state {
    uint8_t state, variant, marks, failure;
};

struct key_state {
    struct record_state records[PARTS];
    struct part_state parts[PARTS];
    uint8_t status, variant, marks, reason, first_reason, is_tombstone;
    uint16_t revision;
};

/* Results as numbers: what a host stores, and what a rollback does. */
enum { RESULT_NONE, RESULT_SETTLE, RESULT_FAIL, RESULT_ROLLBACK = RESULT_FAIL + 2 };
/* Requests of a record as numbers: none was given, or one of two fingerprints, or a part's. */
enum { REQUEST_NONE, REQUEST_FIRST, REQUEST_PART = REQUEST_FIRST + 2 };

uint64_t amount_of(unsigned variant);
uint64_t part_amount_of(unsigned variant);
/* Carries out one operation: what it answers, and what becomes of the key. No event numbers. */
struct answer model_act(struct key_state *state, const struct act *act);
uint64_t view_of_record(const struct record_state *record);
uint64_t view_of_payment(const struct key_state *state);

/* --- Checking. */

struct judgement {
    const char *why; /* NULL: the history is right */
    unsigned key;    /* of which it is wrong */
    uint64_t widest, tried, operations, doubtful, groups_in_doubt;
};

/* crashes[i] is the moment at which life i ended, UINT64_MAX for one that was not killed. */
struct judgement history_judge(struct checker *checker, const struct history *history,
                               const uint64_t *crashes);
/* Answers whether one key's calls alone are linearizable, whatever becomes of groups in doubt. */
enum verdict history_judge_key(struct checker *checker, const struct history *history,
                               const uint64_t *crashes, unsigned key);

void history_write(const struct history *history, const uint64_t *crashes, size_t crashes_len,
                   FILE *file);
/* Answers 0 when the file is not what history_write writes. */
int history_read(struct history *history, uint64_t *crashes, size_t crashes_max, FILE *file);

/* --- The host. */

struct opened {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
};

/* One operation by its own call. */
struct answer history_ask(const struct opened *opened, const struct history *history,
                          const struct act *act);
/* All operations of a call in one submission. */
void history_submit(const struct opened *opened, const struct history *history, struct call *call);

enum lie {
    LIE_NONE,
    LIE_STALE, /* a cache answers reads */
    LIE_APART, /* atomic groups are made one by one */
    LIE_SPLIT, /* half of the threads use a store of their own */
    LIE_EARLY, /* answers come before their commits: a kill takes the last commits along */
};

enum { LIVES_MAX = 4 };

/* What the lives of one store share. */
struct saga {
    uint64_t seed, first; /* the first history's number */
    unsigned histories_len;
    enum lie lie;
    atomic_uint_fast64_t clock;
    atomic_uint at; /* the history that is under way */
    unsigned life;
    uint64_t kill_at, stop_at, delay_us; /* moments of the clock, UINT64_MAX for never */
    atomic_int failed_status;
    char directory[2][4096];
    struct history *histories;
};

/* The next moment of the clock. */
static inline uint64_t saga_now(struct saga *saga) { return atomic_fetch_add(&saga->clock, 1) + 1; }

/* The calls of a thread's script, which follow from the seed. */
unsigned script_len(uint64_t seed, uint64_t number, unsigned thread);
void script_call(uint64_t seed, uint64_t number, unsigned thread, unsigned at, struct call *call);
unsigned script_threads(uint64_t seed, uint64_t number);

enum { HOST_DONE = 0, HOST_NOT_OPENED = 3, HOST_FAILED = 4 };

/* One life: opens the store, reads what is there, goes on with the scripts. For run_child. */
int host_run(void *context);

enum { CHECKER_TESTS = 20000 };

/* Tests the checker itself; answers how many of its judgements were wrong. */
unsigned checker_test(uint64_t seed, char *details, size_t len);
/* Changes one answer of a right history; answers 0 where none can be changed. */
int history_mutate(struct history *history, uint64_t *chance);

#endif

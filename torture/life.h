/*
 * One life of a host: it opens the store, goes on with the workload where the last life ended, and
 * writes what it was told into a ledger that outlives it.
 */

#ifndef TORTURE_LIFE_H
#define TORTURE_LIFE_H

#include "model.h"

enum entry_state {
    ENTRY_FRESH,
    ENTRY_STARTED,  /* the call was made and nobody knows its outcome */
    ENTRY_ANSWERED, /* acknowledged, or refused as the rules say */
    ENTRY_REFUSED,  /* the library said that it is definitely not applied */
    ENTRY_LEFT_OUT, /* it needs an id that was never allocated */
};

struct entry {
    volatile int state;
    unsigned left_out; /* bits of the operations that were refused for want of space */
    uint64_t allocated;
};

/* In memory shared with the other lives. */
struct ledger {
    struct entry entries[STEPS_MAX];
    volatile unsigned grants[SLOTS]; /* how often init answered DONE */
    volatile unsigned lives, answered;
    volatile unsigned internals; /* answers that say that lnkeep met a bug of its own */
    volatile int status_seen; /* of the last call that failed, for the figures */
};

/* What a host does with an answer that is neither DONE, ALREADY nor a refusal of the rules. */
enum policy {
    POLICY_NONE,  /* nothing was injected: such an answer is a finding */
    POLICY_STOP,  /* the host ends without closing the store */
    POLICY_GO_ON, /* as the header says: repeat, or reopen and repeat */
};

/* Hosts that break the rules, to show that the harness sees it. */
enum control {
    CONTROL_NONE,
    CONTROL_EARLY,   /* takes an operation for acknowledged before it calls */
    CONTROL_UNKNOWN, /* takes UNKNOWN for "not applied" */
};

struct life {
    char directory[4096];
    const struct script *script;
    struct ledger *ledger;
    enum policy policy;
    enum control control;
};

enum {
    LIFE_ENDED = 0,
    LIFE_STOPPED = 10, /* could not go on, or did not want to */
};

/* A first life in a new directory, with a ledger of its own for each process that runs points. */
struct life life_new(const struct script *script, enum policy policy, enum control control);
/* For run_child and trace_run: the context is a struct life. */
int life_run(void *context);
/* The same; then everything that was acknowledged is checked and every id asked for again. */
int life_verify(void *context);

/* --- What life.c and verify.c share. */

struct session {
    const struct life *life;
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_events work; /* acknowledges events as the script says */
    lnkeep_store_report report;
    struct model model; /* after everything that was answered */
    uint64_t event_taken;
};

/* What the ledger says happened; answers the first step that is not finished. */
unsigned session_replay(struct session *session, const struct life *life);
lnkeep_status session_open(struct session *session, uint32_t flags);
void session_close(struct session *session);
/* Answers LIFE_ENDED when the step is finished, else LIFE_STOPPED. */
int session_step(struct session *session, unsigned at);

#endif

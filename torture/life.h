/*
 * One life of a host: it opens the store, goes on with the workload where the last life ended, and
 * writes what it was told into a ledger that outlives it.
 */

#ifndef TORTURE_LIFE_H
#define TORTURE_LIFE_H

#include "model.h"

enum { CUT_OFFS_MAX = 12 };

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
    /* Calls whose outcome is or was in doubt, the present one included; how many were applied. */
    volatile unsigned tries, applied_before;
    /* Of a step of several commits: how many each try made that was cut off. */
    unsigned cut_off[CUT_OFFS_MAX];
    volatile unsigned cut_offs;
};

/* In memory shared with the other lives. */
struct ledger {
    struct entry entries[STEPS_MAX];
    volatile unsigned grants[SLOTS]; /* how often init, or a part's registration, answered DONE */
    volatile uint8_t is_paid[PAYMENTS]; /* a settle was acknowledged, and not forgotten since */
    volatile unsigned lives, answered;
    volatile unsigned cut_offs; /* of steps of several commits, after some of them */
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
    CONTROL_APART,   /* changes payments and their attempts' records in transactions of their own */
    CONTROL_LATE,    /* knows no late settle, by which more than the amount may go out */
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

/* --- What the parts of life.c and verify.c share. */

struct session {
    const struct life *life;
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    lnkeep_events work; /* acknowledges events as the script says */
    lnkeep_store_report report;
    struct model model; /* after everything that was answered */
    uint64_t event_taken;
};

/* What a call gave: one outcome per operation, or one for the whole call. */
struct answers {
    lnkeep_outcome outcomes[OPS_MAX];
    lnkeep_payment *view; /* of the payment after a single operation; freed by its reader */
};

/* What the ledger says happened; answers the first step that is not finished. */
unsigned session_replay(struct session *session, const struct life *life);
lnkeep_status session_open(struct session *session, uint32_t flags);
void session_close(struct session *session);
/* Answers LIFE_ENDED when the step is finished, else LIFE_STOPPED. */
int session_step(struct session *session, unsigned at);
/* A step beyond the script, after which nothing is in doubt: it answers as the model says. */
void session_perform(struct session *session, const struct step *step);

/* life_calls.c: makes the call of a step. `wanted` is what the model expects of it. */
void session_call(struct session *session, const struct step *step, unsigned at,
                  const struct expect *wanted, struct answers *answers);
/* life_payments.c: a single operation on a payment by its own call, with the view that it gives. */
void session_call_payment(struct session *session, const struct op *op,
                          const struct expect *wanted, struct answers *answers);
lnkeep_status session_fetch(struct session *session, unsigned payment);
lnkeep_status session_resume(struct session *session, const struct step *step);
/* What a payment of the library says, as the model puts it. Answers its number, or PAYMENTS. */
unsigned read_payment(const struct session *session, const lnkeep_payment *view,
                      struct model *seen);
struct past_event read_event(const struct model *model, const lnkeep_event *event);

/* verify.c: everything that the store holds. */
void session_read(struct session *session, struct model *seen);
/* A step of several commits was cut off: finds out after how many, and notes it. */
void session_find_cut_off(struct session *session, unsigned at);

/* verify_payments.c */
void read_payments(struct session *session, struct model *seen);
/* Payments and the records of their attempts agree, whatever the model says. */
void check_pairs(const struct model *seen);
/* Every payment is asked for again: what was paid is refused, what was done is known. */
void ask_payments_again(struct session *session);

#endif

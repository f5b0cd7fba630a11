/*
 * The workload as data, and a plain model of what a store must answer. One caller at a time, so
 * that the model knows every answer and every event number beforehand.
 */

#ifndef TORTURE_MODEL_H
#define TORTURE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

#include "monitors.h"

enum {
    CHOSEN_SLOTS = 120, /* attempts whose id the host chooses */
    PARTS_FROM = 144,   /* those between get their id from an allocation */
    SLOTS = 264,        /* the last ones are attempts of payments: parts */
    PAYMENTS = 24,
    GENERATIONS = 4, /* idempotency keys that one payment hash may be initiated under */
    OPS_MAX = 6,
    STEPS_MAX = 512,
    EVENTS_MAX = 2048,
    MESSAGE_MAX = 20000,
};

enum op_kind {
    OP_INIT,
    OP_MARK,
    OP_SETTLE,
    OP_FAIL,
    OP_ROLLBACK,
    OP_ACK,
    OP_DELETE,
    OP_FORGET,
    OP_ALLOCATE,
    OP_PAYMENT_INIT, /* this one and the later ones are about payments */
    OP_REGISTER,
    OP_PART_SETTLE,
    OP_PART_FAIL,
    OP_PART_FORCE,
    OP_GIVE_UP,
    OP_PAYMENT_DELETE,
    OP_PAYMENT_FORGET,
    OP_PRUNE,
    OP_DROP_TOMBSTONE,
};

struct op {
    uint8_t kind;
    uint8_t seed; /* of what else the request says */
    uint8_t payment;
    uint16_t slot;
};

enum step_kind {
    STEP_SINGLE, /* these four are made of operations, the others are calls of their own */
    STEP_BATCH,
    STEP_GROUP, /* an atomic one with a commit of monitors behind its operations */
    STEP_ATOMIC,
    STEP_TICK,
    STEP_EVENTS,
    STEP_CLEAN,
    STEP_RECOVER,
    STEP_REOPEN,
    STEP_READ,
    STEP_FETCH,
    STEP_SWEEP,
    STEP_RESUME, /* of several commits: a crash leaves the first ones */
    /* Monitors, with operations of their own. */
    STEP_QUEUE,
    STEP_COMMIT,
    STEP_RACE, /* two commits at once */
    STEP_PURGE,
    STEP_TAKE, /* completions and outputs */
    /* Resources, with operations of their own. */
    STEP_RESOURCES,
    STEP_PROVIDE, /* these two are judged by ledgers of their own, and leave the model alone */
    STEP_CONSUME,
};

/* What is acknowledged as a whole: one call of the library. */
struct step {
    uint8_t kind, ops_len;
    struct op ops[OPS_MAX];
};

struct script {
    unsigned steps_len;
    int is_compat; /* mode of the resources */
    struct step steps[STEPS_MAX];
};

/* The same seed makes the same script. */
void script_make(struct script *script, uint64_t seed, unsigned steps_len);

/* What a caller can see of an attempt's record. State 0 means that there is none. */
struct record {
    uint8_t state, flags, has_request, burned;
    uint8_t result_seed; /* of the result's message */
    uint64_t result_digest;
};

/* What a caller can see of an attempt of a payment. */
struct part {
    uint8_t payment; /* its payment's number plus one; 0 while it belongs to none */
    uint8_t state, marks, seed;
    uint64_t result_digest, note_digest;
    uint64_t result_unix_ns; /* 0 when a resume took the store's own time */
};

/* What a caller can see of a payment, and what stays when it is gone. */
struct payment {
    uint8_t status; /* 0 while there is none */
    uint8_t marks, reason, first_reason, seed, is_tombstone;
    uint64_t sequence, revision, amount_msat;
    uint64_t keys[GENERATIONS]; /* sequence that an idempotency key led to; 0 while it is new */
};

/* Slot and payment are SLOTS and PAYMENTS where an event is about none. */
struct past_event {
    uint8_t kind, state, payment;
    uint8_t part_state, reason, flags; /* these and the amounts only of events of payments */
    uint16_t slot;
    uint64_t amount_msat, remaining_msat, fees_msat;
};

struct model {
    struct record records[SLOTS];
    struct part parts[SLOTS];
    struct payment payments[PAYMENTS];
    uint64_t allocated[PARTS_FROM];
    uint64_t sequence_last; /* of a payment, ever */
    uint64_t cursor_acked;
    struct monitors monitors;
    unsigned events_len;
    struct past_event events[EVENTS_MAX];
};

/* What one operation has to answer. */
struct expect {
    lnkeep_status status;
    int is_conflict; /* a settle that beats a failure */
    uint64_t event_sequence;
};

/*
 * Changes the model as the step does, and says what each operation answers. Operations whose bit is
 * set in left_out were refused for want of space while others of their batch were applied.
 */
void model_apply(struct model *model, const struct step *step, unsigned left_out,
                 struct expect *expect);
/* Where two states of a store differ, in words; answers 0 when they do not. */
int model_differs(const struct model *wanted, const struct model *given, char *why, size_t len);
int model_event_differs(const struct past_event *wanted, const struct past_event *given, char *why,
                        size_t len);
int model_payment_differs(const struct model *wanted, const struct model *given, unsigned payment,
                          char *why, size_t len);
/* Outcomes of a step: one per operation, at least one. */
unsigned step_outcomes(const struct step *step);
/* Operations of an id that no allocation gave are left out. */
int step_is_possible(const struct model *model, const struct step *step);
int op_is_payment(const struct op *op);

/* What a resume makes of the payments that were unfinished, in their order. */
struct resumption {
    unsigned len;
    struct {
        uint8_t payment, outcome;
        uint64_t sequence;
    } payments[PAYMENTS];
};

/*
 * A resume that ends after some commits, as in a crash. Answers how many there were: fewer than
 * asked for means that it was carried out to its end, and only then `made` is whole.
 */
unsigned model_resume(struct model *model, const struct step *step, unsigned commits_max,
                      struct resumption *made);

/* --- Shared by the parts of the model. */

struct expect expect_answer(lnkeep_status status);
int record_is_pending(const struct record *record);
int record_is_final(const struct record *record);
uint64_t model_add_event(struct model *model, struct past_event event);
/* An attempt's record gets its result, and the event of it. */
struct expect model_resolve(struct model *model, const struct op *op, unsigned event);
struct expect model_record_op(struct model *model, const struct op *op);
struct expect model_payment_op(struct model *model, const struct op *op);
struct expect model_part_settle(struct model *model, unsigned payment, unsigned slot,
                                const uint8_t *preimage, uint64_t unix_ns);
/* With a note where it is forced. */
struct expect model_part_fail(struct model *model, unsigned payment, unsigned slot,
                              const lnkeep_payment_failure *failure, const lnkeep_bytes *note);
struct expect model_give_up(struct model *model, unsigned payment, unsigned reason);
struct expect model_prune(struct model *model, unsigned payment);

/* Sums over the attempts of a payment. */
struct sums {
    unsigned in_flight, settled, failed;
    uint64_t remaining_msat, fees_msat;
};
struct sums payment_sums(const struct model *model, unsigned payment);

#endif

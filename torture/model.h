/*
 * The workload as data, and a plain model of what a store must answer. One caller at a time, so
 * that the model knows every answer and every event number beforehand.
 */

#ifndef TORTURE_MODEL_H
#define TORTURE_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

enum {
    CHOSEN_SLOTS = 120, /* attempts whose id the host chooses */
    SLOTS = 144,        /* the others get their id from an allocation */
    OPS_MAX = 6,
    STEPS_MAX = 256,
    EVENTS_MAX = 1024,
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
};

struct op {
    uint8_t kind;
    uint8_t seed; /* of a result's message */
    uint16_t slot;
};

enum step_kind {
    STEP_SINGLE, /* these three are made of operations, the others are calls of their own */
    STEP_BATCH,
    STEP_ATOMIC,
    STEP_TICK,
    STEP_EVENTS,
    STEP_CLEAN,
    STEP_RECOVER,
    STEP_REOPEN,
    STEP_READ,
};

/* What is acknowledged as a whole: one call of the library. */
struct step {
    uint8_t kind, ops_len;
    struct op ops[OPS_MAX];
};

struct script {
    unsigned steps_len;
    struct step steps[STEPS_MAX];
};

/* The same seed makes the same script. */
void script_make(struct script *script, uint64_t seed, unsigned steps_len);

/* What a caller can see of an attempt. State 0 means that there is no record. */
struct record {
    uint8_t state, flags, has_request, burned;
    uint64_t result_digest;
};

struct past_event {
    uint8_t kind, state;
    uint16_t slot;
};

struct model {
    struct record records[SLOTS];
    uint64_t allocated[SLOTS];
    uint64_t cursor_acked;
    unsigned events_len;
    struct past_event events[EVENTS_MAX];
};

/* What one operation has to answer. */
struct expect {
    lnkeep_status status;
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
/* Outcomes of a step: one per operation, at least one. */
unsigned step_outcomes(const struct step *step);
/* Operations of an id that no allocation gave are left out. */
int step_is_possible(const struct model *model, const struct step *step);

/* --- The same attempts in the words of the library. */

lnkeep_attempt_key slot_key(const struct model *model, unsigned slot);
/* The slot of an event; SLOTS when it belongs to none. */
unsigned slot_of(const struct model *model, const uint8_t *subject, uint64_t id);
lnkeep_attempt_request slot_request(const struct model *model, unsigned slot);
/* Text of the external key of an allocation. */
lnkeep_bytes slot_external_key(unsigned slot, char text[16]);
/* The result of an operation; its message lives until the next call. */
lnkeep_attempt_result op_result(const struct op *op);
uint64_t result_digest(const lnkeep_attempt_result *result);
lnkeep_op op_for_library(const struct model *model, const struct op *op, uint64_t component);

#endif

/*
 * Linearizability, one key at a time: is there an order of the calls that agrees with real time, in
 * which a plain machine gives the answers that were given? After Wing and Gong, with what was tried
 * remembered, as Lowe does it.
 */

#ifndef TORTURE_CHECKER_H
#define TORTURE_CHECKER_H

#include <stddef.h>
#include <stdint.h>

enum { CHECKED_MAX = 512, CHECKED_STATE_BYTES = 64 };

/* Whether a call whose outcome nobody knows took effect. */
enum effect {
    EFFECT_KNOWN,  /* it was answered */
    EFFECT_EITHER, /* it was not answered, and took effect once or never */
    EFFECT_NONE,   /* assume that it never did */
    EFFECT_ONCE,   /* assume that it did */
};

struct checked {
    uint64_t invoked, returned; /* moments of one clock, all different */
    enum effect effect;
    const void *call;
};

/*
 * Applies a call to the state. With is_known it answers whether the call answers what it did;
 * without, it only changes the state, and answers 1.
 */
typedef int (*checked_step)(void *state, const void *call, int is_known);

enum verdict {
    VERDICT_YES,
    VERDICT_NO,
    VERDICT_UNDECIDED, /* more than TRIED_MAX states */
};

enum { TRIED_MAX = 1 << 20 };

struct checker;

struct checker *checker_new(void);
void checker_free(struct checker *checker);
/* The state is state_bytes long and starts as zeros; two states are equal if their bytes are. */
enum verdict checker_decide(struct checker *checker, const struct checked *calls, size_t len,
                            checked_step step, size_t state_bytes);
/* How many pairs of a set of calls and a state the last decision met. */
uint64_t checker_tried(const struct checker *checker);

#endif

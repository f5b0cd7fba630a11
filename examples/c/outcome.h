/*
 * What a node may conclude from a status of lnkeep, in one place for all calls that write.
 *
 *   DONE, ALREADY   durable: go on
 *   REFUSED         not applied, and never will be as things are: the caller decides
 *   RETRY           not applied, try the same again: outcome_try_again
 *   UNKNOWN, FATAL  start again: outcome_class ends the process. But for LNKEEP_NOT_DURABLE, which
 *                   only waits for the disk: outcome_try_again, too
 */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <lnkeep.h>
#include <stdbool.h>

enum {
    EXIT_WRONG = 1,          /* of the demo: a number is wrong */
    EXIT_COULD_NOT_RUN = 2,
    EXIT_START_AGAIN = 75,   /* of the node: EX_TEMPFAIL, as supervisors know it */
};

/* Start with {0}; one for each call that is repeated. */
struct patience {
    unsigned tries;
};

/*
 * For the condition of do { call } while (...): true, after a pause, when the same call may succeed
 * now. Gives up after some seconds, and the status stays what it was.
 */
bool outcome_try_again(lnkeep_status status, struct patience *patience);

/*
 * Class of the answer to a call that writes. Does not return for UNKNOWN and FATAL: the process
 * ends, and its supervisor starts the next one. That is the contract of lnkeep ("close and open the
 * store, then repeat the call with the SAME identifier") in its simplest form: the next life
 * recovers and resumes, and the client repeats every order it has no answer to. Nothing false was
 * told to anybody, because answers are given only after DONE or ALREADY.
 */
lnkeep_class outcome_class(const char *what, lnkeep_status status, const lnkeep_error *err);

/* The same for a call that must succeed for the node to go on. */
void outcome_expect(const char *what, lnkeep_status status, const lnkeep_error *err);

/*
 * Whether another thread of this node was faster with the same payment, so that lnkeep refused what
 * this one knew no better: the amount is covered, or the payment or attempt has ended. The rules
 * are lnkeep's, in one transaction, and threads need no lock of their own; whoever was faster goes
 * on.
 */
bool outcome_was_overtaken(lnkeep_status status);

#endif

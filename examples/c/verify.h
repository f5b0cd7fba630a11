/*
 * Compares the store of the dead node with what the world outside saw.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "supervisor.h"
#include "tally.h"

/* False, with the reason printed, if the store cannot be read. Sets run->commit_number. */
bool verify_run(struct run *run, struct tally *tally);

/* Parts of it (verify_attempts.c, verify_payments.c, verify_channels.c): read everything. */
bool verify_attempts(struct run *run, lnkeep_attempts attempts, struct tally *tally);
bool verify_payments(struct run *run, lnkeep_payments payments, struct tally *tally);
bool verify_channels(struct run *run, lnkeep_store store, struct tally *tally);

/* Says why the verifier cannot go on; false, to be returned. */
bool verify_failed(const lnkeep_error *err);

#endif

/*
 * The negative control (--break): the same node, which takes "accepted" for "durable". It shows
 * that the numbers of the demo can be wrong, and so that they mean something when they are right.
 *
 * Same answers as the calls they stand for, only too early. Nothing to start from.
 */
#ifndef BROKEN_H
#define BROKEN_H

#include "life.h"

/* lnkeep notices a host whose HTLCs leave without a mark: recovery then refuses to go by marks and
 * wants the circuits. This host says that there are none. */
enum { BROKEN_RECOVER_FLAGS = LNKEEP_RECOVER_CIRCUITS_COMPLETE };

/* Looks whether the id exists, and if not, says DONE as soon as its init is queued. */
lnkeep_status broken_init(struct node *node, const lnkeep_attempt_request *request,
                          lnkeep_error *err);

/* DONE as soon as the mark is queued: the HTLC leaves before it is durable. */
lnkeep_status broken_mark(struct node *node, const lnkeep_attempt_key *key, lnkeep_error *err);

/* Every outcome DONE as soon as the operations are queued: the peer forgets too early. */
lnkeep_status broken_submit(struct node *node, const lnkeep_op *ops, size_t ops_len,
                            lnkeep_outcome *outcomes, lnkeep_error *err);

/* Drops the outcomes that nobody waited for, so that lnkeep goes on accepting. */
void broken_drop_outcomes(struct node *node);

#endif

/*
 * The negative controls (--break): the same node with one mistake that hosts make. They show that
 * the numbers of the demo can be wrong, and so that they mean something when they are right.
 * Nothing to start from.
 *
 *   early        takes "accepted" for "durable": tells the client, lets HTLCs leave and lets the
 *                peer forget before the commit
 *   new-payment  after a restart, calls what is out failed and begins every order anew, under
 *                another idempotency key, instead of resuming
 *   no-record    registers attempts without LNKEEP_REGISTER_WITH_RECORD and marks nothing, so that
 *                after a restart nobody knows of them
 */
#ifndef BROKEN_H
#define BROKEN_H

#include "life.h"

/* lnkeep notices a host whose HTLCs leave without a mark: recovery then refuses to go by marks and
 * wants the circuits. This host says that there are none. */
enum { BROKEN_RECOVER_FLAGS = LNKEEP_RECOVER_CIRCUITS_COMPLETE };

/* False for a name that is none. */
bool broken_of_name(const char *name, enum broken *broken);
const char *broken_name(enum broken broken);

/* early: looks whether the payment exists, and if not, says DONE as soon as its init is queued,
 * without a payment. new-payment: adds the epoch to the key. */
lnkeep_status broken_init(struct node *node, const lnkeep_payment_init *init,
                          lnkeep_payment **payment, lnkeep_error *err);

/* early: DONE as soon as the mark is queued, and the HTLC leaves. no-record: there is no record. */
lnkeep_status broken_mark(struct node *node, const lnkeep_attempt_key *key, lnkeep_error *err);

/* early: DONE as soon as the result is queued, and the peer forgets it. */
lnkeep_status broken_store_result(struct node *node, const lnkeep_attempt_key *key,
                                  const lnkeep_attempt_result *result, lnkeep_error *err);

/* Waits, too late, for what was queued. */
void broken_wait(struct node *node);
lnkeep_payment *broken_wait_for(struct node *node, const uint8_t payment_hash[32]);

/* no-record: looks through the unfinished payments for one with this attempt. */
bool broken_hash_of(struct node *node, const lnkeep_attempt_key *key, uint8_t payment_hash[32]);

/* new-payment: "the node was restarted, so whatever was out has failed". */
void broken_forget_payments(struct node *node);

#endif

/*
 * The negative controls (--break): the same node with one mistake that hosts make. They show that
 * the numbers of the demo can be wrong, and so that they mean something when they are right.
 * Nothing to start from.
 *
 *   early              takes "accepted" for "durable": tells the client, lets HTLCs leave and lets
 *                      the peer forget before the commit
 *   new-payment        after a restart, calls what is out failed and begins every order anew, under
 *                      another idempotency key, instead of resuming
 *   no-record          registers attempts without LNKEEP_REGISTER_WITH_RECORD and marks nothing, so
 *                      that after a restart nobody knows of them
 *   early-message      sends messages to the peer before the channel is committed
 *   two-commits        stores its view of the channels in one commit and the channels in another,
 *                      and does not carry in the view what is in flight
 *   early-acknowledge  acknowledges notices before the client has them
 *   no-reconcile       after a restart, forwards without telling lnkeep which HTLCs are still out
 *   no-journal         opens the resources without their journal, as a simulation does
 */
#ifndef BROKEN_H
#define BROKEN_H

#include "life.h"

/* Flags of recovery: 0, but for hosts whose HTLCs leave without a mark. lnkeep notices that, and
 * recovery then refuses to go by marks and wants the circuits. This host says: there are none. */
uint32_t broken_recover_flags(const struct node *node);

/* no-journal: flags of the open of resources. */
uint32_t broken_resources_flags(const struct node *node);

/* False for a name that is none. */
bool broken_of_name(const char *name, enum broken *broken);
const char *broken_name(enum broken broken);

/* early: looks whether the payment exists, and if not, says DONE as soon as its init is queued,
 * without a payment. new-payment: adds the epoch to the key. */
lnkeep_status broken_init(struct node *node, const lnkeep_payment_init *init,
                          lnkeep_payment **payment, lnkeep_error *err);

/* Whether the mark is not to be part of the channel's commit. early: it is only queued, and the
 * HTLC leaves. no-record: there is no record. */
bool broken_marks_otherwise(struct node *node, const lnkeep_op *mark);

/* early: DONE as soon as the result is queued, and the peer forgets it. */
lnkeep_status broken_store_result(struct node *node, const lnkeep_attempt_key *key,
                                  const lnkeep_attempt_result *result, lnkeep_error *err);

/* Waits, too late, for what was queued. */
void broken_wait(struct node *node);
lnkeep_payment *broken_wait_for(struct node *node, const uint8_t payment_hash[32]);

/* early, early-message: what leaves does not wait for its commit. */
bool broken_sends_early(const struct node *node);
void broken_send(struct node *node, const uint8_t *message, size_t len);

/* early: lets the peer forget at once. */
void broken_forget(struct node *node, uint64_t htlc_id);

/* two-commits: takes a capture for the next commit of the view, which will cover nothing; then
 * commits the view alone, and takes it out of the commit. */
void broken_capture(struct node *node);
void broken_commit_manager(struct node *node, lnkeep_monitors_commit *commit);

/* early-acknowledge: keeps notices back until the commit that forgets them; then tells them. */
void broken_hold_notice(const struct report *report);
void broken_tell_held(struct node *node);

/* no-record: looks through the unfinished payments for one with this attempt. */
bool broken_hash_of(struct node *node, const lnkeep_attempt_key *key, uint8_t payment_hash[32]);

/* new-payment: "the node was restarted, so whatever was out has failed". */
void broken_forget_payments(struct node *node);

#endif

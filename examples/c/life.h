/*
 * One life of the node: what its threads share, and where each part of the work is.
 *
 *   life.c      opens, starts the threads, closes
 *   resume.c    after every start: recover, ask the peer, resume
 *   payer.c     an order of the client becomes a payment, and a payment parts, until it has ended
 *   dispatch.c  a part becomes an HTLC, at most once
 *   answers.c   an answer of the peer becomes a result, and the result goes to its payment
 *   keeper.c    the channels' commitments: committed first, then the messages leave
 *   forwarder.c an HTLC of others: whether to forward it; forwarder_open.c after every start
 *   notices.c   the log of events, told to the client
 *   report.c    what else the client is told
 *   outcome.c   what a node may conclude from a status of lnkeep
 *   broken*.c   the negative controls: the same node with one mistake
 */
#ifndef LIFE_H
#define LIFE_H

#include "forwards.h"
#include "keeper.h"
#include "orders.h"

#include <lnkeep.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Which mistake the node makes, if any (broken.h). */
enum broken {
    BROKEN_NOT,
    BROKEN_EARLY,
    BROKEN_NEW_PAYMENT,
    BROKEN_NO_RECORD,
    BROKEN_EARLY_MESSAGE,
    BROKEN_TWO_COMMITS,
    BROKEN_EARLY_ACK,
    BROKEN_NO_RECONCILE,
    BROKEN_NO_JOURNAL,
};

/* Of every route in this example: the last one is the receiver. */
enum { ROUTE_HOPS = 3 };

struct node_options {
    const char *directory;
    uint64_t epoch_min; /* of the store, as the world outside remembers it */
    int orders_fd;
    int peer_fd;
    int forwards_fd;
    enum broken broken;
};

struct node {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    lnkeep_monitors monitors;
    lnkeep_events events;
    lnkeep_resources resources;
    struct keeper keeper;
    int orders_fd;
    int peer_fd;
    int forwards_fd;
    enum broken broken;
    uint64_t epoch;                /* of the store: rises with every open */
    _Atomic uint64_t attempts_made; /* in this life */
    uint64_t newest_before;        /* sequence number of the newest payment of earlier lives */
    lnkeep_resume *resumed;        /* payments of earlier lives; the payers go on with them first */
    atomic_size_t resumed_next;
    atomic_bool stopping;
};

/* Runs until the client has no more orders; returns the exit status. */
int life_run(const struct node_options *options);

/* Ends what earlier lives left, as far as that is known, and sets node->resumed. */
void resume_payments(struct node *node);

/* Threads; the argument is the struct node. */
void *payer_run(void *node);
void *answers_run(void *node);
void *notices_run(void *node);
void *forwarder_run(void *node);

/* Opens the resources and brings them in line with the HTLCs that are out. */
void forwarder_open(struct node *node);
void forwarder_close(struct node *node);

/* Sends a report about HTLCs of others, with the state of the resources. */
void forwarder_tell(struct node *node, struct forward_report *report);

/*
 * Does whatever comes next for a payment: sends what remains, gives it up, or tells the client how
 * it ended. Takes over the payment, which is the newest state that the caller knows; NULL is
 * allowed.
 */
void payer_go_on(struct node *node, lnkeep_payment *payment);

/* Registers an attempt of receiver_msat and lets its HTLC leave. The payment as it is then, or NULL
 * when nothing more is to be done with it now. */
lnkeep_payment *dispatch_part(struct node *node, const lnkeep_payment *payment,
                              uint64_t receiver_msat, uint64_t fee_msat);

/* The invoice that a payment pays; lnkeep keeps it. */
struct invoice payer_invoice(const lnkeep_payment *payment);
bool payer_takes_parts(const struct invoice *invoice);

/* Gives a payment up; the payment as it is then, or NULL when it has ended otherwise. */
lnkeep_payment *payer_give_up(struct node *node, const uint8_t payment_hash[32], uint32_t reason);

/* Removes the HTLC of an attempt whose result is stored, and takes the result to its payment if
 * nobody did. The payment as it is then, to be freed; NULL when it did not change. */
lnkeep_payment *answers_conclude(struct node *node, const lnkeep_attempt_key *key);

/* Whether the receiver itself refused: no other route will do. */
bool answers_is_final(const lnkeep_attempt_result *result);

/* A failure as the payment keeps it; the message is borrowed from the attempt. */
lnkeep_payment_failure answers_failure_of(const lnkeep_attempt *attempt);

/* The record of an attempt, to be freed; NULL without one. */
lnkeep_attempt *answers_record(struct node *node, const lnkeep_attempt_key *key);

/* The payment of a hash, to be freed. */
lnkeep_payment *payer_fetch(struct node *node, const uint8_t payment_hash[32]);

/* Sends a struct report. Does not return when the client is gone. */
void report_send(struct node *node, const struct report *report);

/* Tells the client the answer to its order; payment is NULL when it was refused. */
void report_order(struct node *node, const struct order *order, lnkeep_status status,
                  const lnkeep_payment *payment);

/* Tells the client that its payment has ended. */
void report_ended(struct node *node, const lnkeep_payment *payment);

/* Key of an attempt: a node with one router needs only the default namespace. */
lnkeep_attempt_key key_of(uint64_t id);

#endif

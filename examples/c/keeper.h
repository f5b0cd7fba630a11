/*
 * The state of the node's channels, and the one thread that commits it (keeper.c).
 *
 * A thread that changes a channel queues the update and what may leave after it, hands over the
 * operation that belongs to it, and waits. The committer makes all that has come together durable
 * in ONE transaction: updates, the node's own view of the channels (its manager), attempts' marks
 * and payments' settles. Only then messages leave, and in the order of their commitments.
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "monitor.h"

#include <lnkeep.h>
#include <pthread.h>

/* Threads that may wait at once: see PAYERS and ANSWERERS in life.c. */
enum { STEPS_MAX = 32 };

/* What one thread waits for. */
struct step {
    bool has_op;
    lnkeep_op op;           /* of another component, in the same transaction */
    lnkeep_outcome outcome; /* DONE without an op */
    bool is_done;
};

struct keeper {
    pthread_mutex_t lock;   /* around everything below, and around queueing */
    pthread_cond_t queued;  /* something waits for a commit */
    pthread_cond_t durable; /* a commit was made */
    struct monitor monitors[WIRE_CHANNELS];
    struct manager manager; /* as it would be stored now */
    struct step *steps[STEPS_MAX];
    size_t steps_len;
    bool has_entries; /* queued since the last capture */
    bool stopping;
    bool acknowledged; /* notices, since the last commit */
};

/* What a captured commit is made of. */
struct batch {
    lnkeep_capture capture;
    struct step *steps[STEPS_MAX];
    size_t steps_len;
};

struct node;

/* Loads the channels, or makes them, and queues again what the manager knows and they do not. */
void keeper_open(struct node *node);
void keeper_close(struct node *node);

/* After a restart: removes the HTLCs that the peer does not hold; they never left. */
void keeper_drop_unsent(struct node *node, const uint64_t *held, size_t held_len);

/*
 * Adds an HTLC and lets it leave: the commitment, the mark of its attempt and the view of it are
 * one transaction. False when the channel is full: nothing changed. mark is NULL for a node that
 * makes a mistake there.
 */
bool keeper_add_htlc(struct node *node, struct wire_add *add, const lnkeep_op *mark);

/*
 * Removes an HTLC whose result is stored, and lets the peer forget it: the commitment, the
 * payment's settle or failure, and the notice that the client is to get of a settle are one
 * transaction. An HTLC that an earlier life removed is only forgotten once more. conclude is NULL
 * when the payment has the result; its outcome is returned.
 */
lnkeep_outcome keeper_remove_htlc(struct node *node, const struct change *change,
                                  const lnkeep_op *conclude);

/* Ends keeper_run when nothing waits any more. */
void keeper_stop(struct node *node);

/* The committer's thread; the argument is the struct node. */
void *keeper_run(void *node);

/* Parts of it: one commit of all that waits (keeper_commit.c), and what may leave then
 * (keeper_release.c). */
void keeper_commit(struct node *node);
void keeper_release(struct node *node);

/* Queues a change of a channel and notes it in the node's own view; the lock is held. */
void keeper_queue_change(struct node *node, unsigned channel, const struct change *change);

#endif

/*
 * The neighbours: their channels bring HTLCs for others to the node and take them on. They outlive
 * it, know which HTLCs are out, and replay what a dead node had not answered.
 *
 * neighbours.c offers and answers; neighbours_told.c takes what the node tells, and compares what a
 * restart finds with the states of the life before.
 */
#ifndef NEIGHBOURS_H
#define NEIGHBOURS_H

#include "chance.h"
#include "forwards.h"

#include <stddef.h>

enum {
    NEIGHBOURS_QUEUE_MAX = 32,    /* orders that the node has not answered */
    NEIGHBOURS_STATES_MAX = 4096, /* of one life since it last waited for the disk */
};

enum forward_place {
    FORWARD_OFFERED, /* the node has to decide */
    FORWARD_OUT,     /* it left through its outgoing channel */
};

struct neighbours {
    struct chance *chance;
    uint64_t began_us;
    struct transit {
        struct forward htlc;
        enum forward_place place;
        bool given;           /* the offer, to the node that lives now */
        bool told;            /* the answer, the same */
        bool to_replay;       /* the offer of an HTLC that is out comes again in this life */
        bool is_settled;      /* the answer */
        uint64_t due_us;      /* of the answer */
        uint32_t accountable; /* as it left */
    } held[FORWARDS_MAX];
    size_t held_len;
    uint64_t next_offer_us;
    uint64_t ids[FORWARD_CHANNELS]; /* next id of each incoming channel */

    /* What the node that lives now was given and has not answered; it takes them in this order. */
    struct forward_order queue[NEIGHBOURS_QUEUE_MAX];
    size_t queue_len;
    bool has_reconciled; /* in this life: before, nothing else is answered */

    /* States since the newest one that is durable, which is the first. */
    struct forward_state states[NEIGHBOURS_STATES_MAX];
    size_t states_len;
    bool channels_known[FORWARD_CHANNELS]; /* the node said that they are durable */

    uint64_t forwarded, refused; /* decisions */
    uint64_t buckets[5];         /* by LNKEEP_BUCKET_*, of those forwarded */
    uint64_t accountable;        /* went out with the signal */
    uint64_t held_over_a_death;
    uint64_t repeats;        /* replayed, and answered as before */
    uint64_t forgotten;      /* calls that a kill took along, none of them durable */
    uint64_t added, dropped; /* by reconcile */

    /* What must be 0. */
    uint64_t tracked_twice;      /* an HTLC that is out was decided about again */
    uint64_t answered_otherwise; /* a repeat, with another verdict or signal */
    uint64_t mismatched; /* what is pending is not what is out, after a reconcile or a call */
    uint64_t leaked;     /* something is in use though nothing is out */
    uint64_t lost;       /* durable, and gone */
    uint64_t no_prefix;  /* a restart found a state that was never there */
    uint64_t unexpected; /* answers that fit nothing */
};

/* The node died. What its disk holds must be one of the states since the last durable one, or that
 * after the one call which it could not acknowledge any more. */
void neighbours_compare(struct neighbours *neighbours, const struct forward_state *found);

/* The last node closed its store: everything that it told is there. */
void neighbours_closed(struct neighbours *neighbours, const struct forward_state *found);

/* Tells a restarted node which HTLCs are out. False when its socket is closed. */
bool neighbours_reconnect(struct neighbours *neighbours, int fd);

/* Gives the node offers and answers that are due, and new offers while not closing. */
void neighbours_give(struct neighbours *neighbours, int fd, bool closing);

/* Takes what the node tells; true if it had waited for the disk. */
bool neighbours_take(struct neighbours *neighbours, const struct forward_report *report);

void neighbours_node_died(struct neighbours *neighbours);

/* An HTLC left through its outgoing channel: when it ends there, and how (neighbours.c). */
void neighbours_decide_end(struct neighbours *neighbours, struct transit *transit);

#endif

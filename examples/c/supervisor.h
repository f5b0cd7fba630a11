/*
 * The parent: starts the node, carries its messages, kills it at random moments, starts it again.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include "client.h"
#include "life.h"
#include "neighbours.h"
#include "network.h"

#include <signal.h>

struct run_options {
    const char *program; /* path of this program, to start it again as the node */
    const char *directory;
    unsigned kills;
    uint64_t seed;
    enum broken broken;
};

/* What was found on the disk after kills; see inspect.c. All but the first two must be 0. */
struct inspection {
    uint64_t kills;
    uint64_t in_flight;     /* changes that only the view had: the next life makes them again */
    uint64_t uncovered;     /* it had left the node, and the disk does not have it */
    uint64_t disagreements; /* between the channels and the node's view of them */
    uint64_t damaged;       /* channels */
    uint64_t notices_wrong; /* lost, or told before their commit */
};

struct run {
    struct run_options options;
    struct inspection inspection;
    struct messages messages;
    struct ledger ledger;
    struct client client;
    struct network network;
    struct neighbours neighbours;
    struct chance chance;
    uint64_t began_us;
    uint64_t ended_us;
    unsigned kills;
    unsigned kills_while_starting;
    unsigned lives;
    unsigned unplanned_ends; /* lives that ended by themselves to start again */
    uint64_t epoch;          /* highest the store ever told */
    uint64_t commits;        /* as reported; a killed life does not tell its last milliseconds */
    uint64_t operations;     /* in these commits */
    uint64_t commit_number;  /* of the last commit of all, as the store tells in the end */
    bool closed_cleanly;     /* the last node ended by itself with everything resolved */
};

/* Set by a signal handler: end at once. */
extern volatile sig_atomic_t supervisor_interrupted;

/* Runs life after life until all kills were done and every payment has ended. False, with the
 * reason printed, if the demo could not run to its end. */
bool supervisor_run(struct run *run);

#endif

/*
 * The parent: starts the provider and the consumer, and breaks what can break.
 */
#ifndef PEERS_RUN_H
#define PEERS_RUN_H

#include "chance.h"
#include "peers_judge.h"
#include "peers_relay.h"

#include <signal.h>
#include <sys/types.h>

struct peers_options {
    const char *program; /* path of this program, to start it again as one of the two */
    unsigned rounds;
    uint64_t seed;
    enum peers_mistake mistake;
};

struct peers_process {
    pid_t pid; /* 0 while it does not run */
    int control_fd;
};

struct peers_run {
    struct peers_options options;
    struct chance chance;
    struct judge judge;
    struct relay relay;
    struct peers_process provider, consumer;
    unsigned rounds;
    unsigned provider_kills, consumer_kills, drops, directories_lost;
    uint64_t began_us, ended_us;
};

/* Set by a signal handler: end at once. */
extern volatile sig_atomic_t peers_interrupted;

/* Works in the current folder. False, with the reason printed, if the demo could not run to its
 * end. */
bool peers_run(struct peers_run *run);

#endif

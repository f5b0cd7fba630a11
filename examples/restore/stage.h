/*
 * The processes: ten peers, and the node in one of its lives.
 */
#ifndef STAGE_H
#define STAGE_H

#include "restore.h"

#include <signal.h>
#include <sys/types.h>

struct actor {
    pid_t pid; /* 0 while it does not run */
    int control_fd;
};

struct stage {
    const char *program; /* path of this program, to start it again as one of them */
    enum restore_mistake mistake;
    struct restore_start start; /* what each is told */
    struct actor peers[RESTORE_PEERS];
    struct actor node;
};

/* Set by a signal handler: end at once. */
extern volatile sig_atomic_t stage_interrupted;

/* All in the current folder. Every function prints the reason when it answers false: the demo could
 * not run. */
bool stage_start_peers(struct stage *stage);
bool stage_start_node(struct stage *stage, const char *role);

/* As a power cut does, but for the disk. What it said before is still to be heard, to the end. */
void stage_kill_node(struct stage *stage);
bool stage_hear_last(struct stage *stage, struct restore_report *report);

bool stage_order(struct actor *actor, enum restore_order_kind kind, uint32_t value);
bool stage_order_step(struct actor *node, uint32_t version, uint32_t blobs);

/* The next report; false when none comes within a minute. */
bool stage_hear(struct actor *actor, struct restore_report *report);

/* What the peers were sent so far; each is done with what the node sent it, if that is gone. */
bool stage_count(struct stage *stage, struct restore_report counts[RESTORE_PEERS]);

/* Lets every peer close its store, and the node end. */
bool stage_end(struct stage *stage);

/* Whatever still runs. */
void stage_kill_all(struct stage *stage);

#endif

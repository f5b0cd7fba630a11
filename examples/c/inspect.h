/*
 * After each kill: what the dead node left on the disk, beside what had left the node.
 *
 * A process of its own opens the store, tells what is there and ends without closing it, so that
 * the next node finds the store as the killed one left it.
 */
#ifndef INSPECT_H
#define INSPECT_H

#include "forward_state.h"
#include "monitor.h"
#include "supervisor.h"

#include <lnkeep.h>

/* What a store holds about channels, and about HTLCs of others. */
struct found {
    bool has_store; /* a node that dies early has not made one yet */
    bool has_manager;
    uint64_t epoch;
    uint64_t outputs_len, first_output_id, last_output_id; /* notices nobody acknowledged */
    struct found_channel {
        bool is_stored;
        uint32_t damage;
        uint64_t lost_changes; /* the manager knows them, and nobody has them */
        struct monitor monitor;
    } channels[WIRE_CHANNELS];
    struct manager manager;
    struct forward_state forwards;
};

/* Reads it from an open store; false, with the reason printed, when that is not possible. */
bool inspect_read(lnkeep_store store, struct found *found);

/* The same for HTLCs of others. The handle stays open: to close it would write to the store. */
bool inspect_read_forwards(lnkeep_store store, lnkeep_resources *resources,
                           struct forward_state *found);

/* The process: opens the store in a directory and writes what it found to a descriptor. Returns the
 * exit status. */
int inspect_run(const char *directory, uint64_t epoch_min, int fd);

/* The parent: starts that process and counts in run->inspection what must not be. False when it
 * could not be started or ended badly. */
bool inspect_after_kill(struct run *run);

/* Compares what was found with the ledger, the network and the client. */
void inspect_compare(struct run *run, const struct found *found);

#endif

/* What the parts of the harness of a full disk share. */

#ifndef TORTURE_FULL_DISK_H
#define TORTURE_FULL_DISK_H

#include <lnkeep.h>

#include "common.h"

enum { PAYMENTS_PER_CYCLE = 48 };

void expect_status(lnkeep_status given, lnkeep_status wanted, const char *what);

/* Payments with numbers from `first` on, in a store that is open. */
struct paying {
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    uint64_t first;
    int ignores; /* control: takes a refused payment for initiated */
};

/* With free space: some are initiated only, of others attempts are registered. */
void payments_begin(const struct paying *p);
/* New ones are refused, and so are new attempts; everything else goes on. */
void payments_finish_while_full(const struct paying *p);
/* What was acknowledged is there, what was refused is not, and nothing is paid again that was. */
void payments_check(const struct paying *p, int is_full);
/* With free space again: what was refused is done, and all of them go. */
void payments_end(const struct paying *p);

/* One each of what the other components keep, in a store that is open. */
struct parts {
    lnkeep_store store;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    lnkeep_peer_storage peer_storage;
    lnkeep_backup backup;
    uint64_t cycle;
    int ignores;      /* control: takes a blob that waits for written */
    uint64_t *sealed; /* the number of the blob that was sealed, in memory that outlives the host */
};

void parts_open(struct parts *p, const char *when);
/* With free space: a channel, an HTLC, a blob of a peer, and one of ours that is sealed. */
void parts_begin(struct parts *p);
/* New ones are refused or wait; a monitor's update and the manager are written. */
void parts_while_full(struct parts *p);
/* What was durable is there. What waited is lost with the host. */
void parts_check(const struct parts *p, int is_reopened);
/* With free space again: what was refused is done. */
void parts_end(struct parts *p);
/* Waiting is what those answer whose entries wait for the disk. */
void parts_close(struct parts *p, lnkeep_status waiting);

#endif

/* What the guest tells the replay: how far its host had got at each mark of the log. */

#ifndef TORTURE_QEMU_SNAPSHOTS_H
#define TORTURE_QEMU_SNAPSHOTS_H

#include "life.h"

enum {
    SNAPSHOT_BYTES = 320 << 10,
    GUEST_STEPS = 250,
};

/* At mark N of the log, in place N of the disk of snapshots. */
struct snapshot {
    uint64_t life; /* number of the life whose ledger this is */
    struct ledger ledger;
};

_Static_assert(sizeof(struct snapshot) <= SNAPSHOT_BYTES, "a snapshot fits into its place");

#endif

/*
 * What the node keeps of its channels: a commitment number for each, which is the update id of its
 * monitor, and the HTLCs that this commitment covers; and the bytes of all that.
 *
 * Knows nothing of lnkeep: the node writes these bytes, and the parent reads them after a kill.
 * Structures, because both are the same program; a real node has a format that lasts.
 */
#ifndef MONITOR_H
#define MONITOR_H

#include "wire.h"

enum {
    MONITOR_HTLCS_MAX = 483, /* of a channel, as BOLT 2 has it */
    IN_FLIGHT_MAX = 64,
};

enum change_kind { HTLC_ADDED = 1, HTLC_SETTLED, HTLC_FAILED, HTLC_NEVER_LEFT };

/* What one commitment changes: the bytes of a monitor's update, and of the notice of a settle. */
struct change {
    uint64_t kind; /* enum change_kind */
    uint64_t htlc_id;
    uint8_t payment_hash[32];
};

/* A channel's state. Its snapshot is this up to the last HTLC. */
struct monitor {
    uint64_t commitment_number;
    uint64_t htlcs_len;
    uint64_t htlc_ids[MONITOR_HTLCS_MAX];
};

/*
 * The node's own view of its channels, stored in the same commit as they are: the newest commitment
 * of each, and the changes that were not durable when this was written, so that a restarted node
 * can make them again. Its bytes are this up to the last of these changes.
 */
struct manager {
    uint64_t commitment_numbers[WIRE_CHANNELS];
    uint64_t in_flight_len;
    struct in_flight {
        uint64_t channel;
        uint64_t commitment_number;
        struct change change;
    } in_flight[IN_FLIGHT_MAX];
};

/* HTLCs are spread over the channels by their ids. */
unsigned monitor_channel_of(uint64_t htlc_id);

bool monitor_has(const struct monitor *monitor, uint64_t htlc_id);

/* Makes the next commitment. False when the change does not fit this channel's state. */
bool monitor_apply(struct monitor *monitor, const struct change *change);

/* How many bytes of the structure are its snapshot; the same for a manager. */
size_t monitor_bytes(const struct monitor *monitor);
size_t manager_bytes(const struct manager *manager);

/* False when these bytes are none of ours. */
bool monitor_read(struct monitor *monitor, const uint8_t *bytes, size_t len);
bool manager_read(struct manager *manager, const uint8_t *bytes, size_t len);
bool change_read(struct change *change, const uint8_t *bytes, size_t len);

/* The change that a manager holds for one commitment of a channel, or NULL. */
const struct change *manager_find(const struct manager *manager, unsigned channel,
                                  uint64_t commitment_number);

/* Drops what is durable by now. */
void manager_forget(struct manager *manager, unsigned channel, uint64_t commitment_number);

#endif

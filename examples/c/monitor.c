/*
 * A channel's state, change by change.
 */
#include "monitor.h"

#include <string.h>

unsigned monitor_channel_of(uint64_t htlc_id)
{
    return (unsigned)(htlc_id % WIRE_CHANNELS);
}

/* Where an HTLC is; htlcs_len when it is not there. */
static uint64_t place_of(const struct monitor *monitor, uint64_t htlc_id)
{
    uint64_t place = 0;
    while (place < monitor->htlcs_len && monitor->htlc_ids[place] != htlc_id) {
        place++;
    }
    return place;
}

bool monitor_has(const struct monitor *monitor, uint64_t htlc_id)
{
    return place_of(monitor, htlc_id) < monitor->htlcs_len;
}

bool monitor_apply(struct monitor *monitor, const struct change *change)
{
    uint64_t place = place_of(monitor, change->htlc_id);
    const bool is_there = place < monitor->htlcs_len;
    const bool adds = change->kind == HTLC_ADDED;
    if (adds == is_there || (adds && monitor->htlcs_len == MONITOR_HTLCS_MAX)) {
        return false;
    }
    if (adds) {
        monitor->htlc_ids[monitor->htlcs_len++] = change->htlc_id;
    } else {
        monitor->htlc_ids[place] = monitor->htlc_ids[--monitor->htlcs_len];
    }
    monitor->commitment_number++;
    return true;
}

size_t monitor_bytes(const struct monitor *monitor)
{
    return offsetof(struct monitor, htlc_ids) + monitor->htlcs_len * sizeof *monitor->htlc_ids;
}

size_t manager_bytes(const struct manager *manager)
{
    return offsetof(struct manager, in_flight) +
           manager->in_flight_len * sizeof *manager->in_flight;
}

bool monitor_read(struct monitor *monitor, const uint8_t *bytes, size_t len)
{
    if (len < offsetof(struct monitor, htlc_ids) || len > sizeof *monitor) {
        return false;
    }
    memcpy(monitor, bytes, len);
    return monitor->htlcs_len <= MONITOR_HTLCS_MAX && monitor_bytes(monitor) == len;
}

bool manager_read(struct manager *manager, const uint8_t *bytes, size_t len)
{
    if (len < offsetof(struct manager, in_flight) || len > sizeof *manager) {
        return false;
    }
    memcpy(manager, bytes, len);
    return manager->in_flight_len <= IN_FLIGHT_MAX && manager_bytes(manager) == len;
}

bool change_read(struct change *change, const uint8_t *bytes, size_t len)
{
    if (len != sizeof *change) {
        return false;
    }
    memcpy(change, bytes, len);
    return change->kind >= HTLC_ADDED && change->kind <= HTLC_NEVER_LEFT;
}

const struct change *manager_find(const struct manager *manager, unsigned channel,
                                  uint64_t commitment_number)
{
    for (uint64_t i = 0; i < manager->in_flight_len; i++) {
        const struct in_flight *in_flight = &manager->in_flight[i];
        if (in_flight->channel == channel && in_flight->commitment_number == commitment_number) {
            return &in_flight->change;
        }
    }
    return NULL;
}

void manager_forget(struct manager *manager, unsigned channel, uint64_t commitment_number)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < manager->in_flight_len; i++) {
        const struct in_flight *in_flight = &manager->in_flight[i];
        if (in_flight->channel != channel || in_flight->commitment_number > commitment_number) {
            manager->in_flight[kept++] = *in_flight;
        }
    }
    manager->in_flight_len = kept;
}

/*
 * Everything that the resources tell of themselves, but for what depends on the time of asking.
 */
#include "forward_state.h"

#include "views.h"

#include <string.h>

/* An hour is 3.6 seconds in this demo (neighbours.c); a node keeps the default of two weeks, or
 * else nobody would earn a reputation before the demo ends. */
enum { REVENUE_WINDOW_SECS = 3600 };

uint64_t forward_channel(unsigned i)
{
    return (UINT64_C(850000) + i) << 40 | UINT64_C(7) << 16 | 1;
}

static void mix(uint64_t *digest, uint64_t value)
{
    *digest = (*digest ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    *digest ^= *digest >> 29;
}

uint64_t forward_identity(uint64_t incoming, uint64_t outgoing, uint64_t htlc_id,
                          uint64_t incoming_amount_msat)
{
    uint64_t digest = 1;
    mix(&digest, incoming);
    mix(&digest, outgoing);
    mix(&digest, htlc_id);
    mix(&digest, incoming_amount_msat);
    return digest;
}

lnkeep_resources_options forward_options(void)
{
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.revenue_window_secs = REVENUE_WINDOW_SECS;
    return options;
}

static uint64_t averages_of(const lnkeep_resources_channel *channel)
{
    uint64_t digest = 1;
    mix(&digest, (uint64_t)channel->reputation_msat);
    mix(&digest, channel->reputation_updated_unix_secs);
    mix(&digest, (uint64_t)channel->revenue_total_msat);
    mix(&digest, channel->revenue_updated_unix_secs);
    mix(&digest, channel->revenue_start_unix_secs);
    return digest;
}

static void add_channel(struct forward_state *state, const lnkeep_resources_channel *channel)
{
    const lnkeep_allocation *parts = &channel->allocation;
    const uint64_t in_use[] = {
        channel->in_flight_risk_msat,    channel->congestion_used_msat,
        channel->protected_used_msat,    channel->congestion_slots_used,
        channel->protected_slots_used,   channel->general_slots_used,
        channel->pending_outgoing,       channel->pending_incoming,
        channel->outgoing_in_congestion,
    };
    const uint64_t rest[] = {
        channel->channel,         channel->limits.max_in_flight_msat,
        channel->flags,           channel->limits.max_accepted_htlcs,
        parts->slot_msat,         parts->general_liquidity_msat,
        parts->general_slots,     parts->congestion_liquidity_msat,
        parts->congestion_slots,  parts->protected_liquidity_msat,
        parts->protected_slots,   parts->pair_slots,
        averages_of(channel),
    };
    for (size_t i = 0; i < sizeof in_use / sizeof *in_use; i++) {
        state->in_use += in_use[i];
        mix(&state->digest, in_use[i]);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        mix(&state->digest, rest[i]);
    }
    for (unsigned i = 0; i < FORWARD_CHANNELS; i++) {
        if (channel->channel == forward_channel(i)) {
            state->averages[i] = averages_of(channel);
        }
    }
}

static void add_pending(struct forward_state *state, const lnkeep_pending_htlc *htlc)
{
    const uint64_t identity = forward_identity(htlc->incoming, htlc->outgoing, htlc->htlc_id,
                                               htlc->incoming_amount_msat);
    const uint64_t fields[] = {
        identity,     htlc->fee_msat,      htlc->added_unix_secs, htlc->risk_msat,
        htlc->bucket, htlc->general_slots, htlc->flags,
    };
    state->pending++;
    state->pending_sum += identity;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        mix(&state->digest, fields[i]);
    }
}

static void add_pair(struct forward_state *state, const lnkeep_resources_pair *pair)
{
    mix(&state->digest, pair->incoming);
    mix(&state->digest, pair->outgoing);
    mix(&state->digest, pair->used);
    for (unsigned i = 0; i < pair->slots_len; i++) {
        mix(&state->digest, pair->slots[i]);
    }
}

static void add_mark(struct forward_state *state, const lnkeep_resources_mark *mark)
{
    mix(&state->digest, mark->incoming);
    mix(&state->digest, mark->outgoing);
    mix(&state->digest, mark->misused_unix_secs);
}

bool forward_state_read(lnkeep_resources resources, struct forward_state *state,
                        lnkeep_error *err)
{
    lnkeep_resources_snapshot *found = NULL;
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    memset(state, 0, sizeof *state);
    if (lnkeep_resources_take_snapshot(resources, 0, &found, err) != LNKEEP_DONE) {
        return false;
    }
    for (size_t i = 0; i < found->channels_len; i++) {
        add_channel(state, resources_channel_at(found, i));
    }
    for (size_t i = 0; i < found->pending_len; i++) {
        add_pending(state, pending_at(found, i));
    }
    for (size_t i = 0; i < found->pairs_len; i++) {
        add_pair(state, pair_at(found, i));
    }
    for (size_t i = 0; i < found->marks_len; i++) {
        add_mark(state, mark_at(found, i));
    }
    lnkeep_resources_snapshot_free(found);
    if (lnkeep_resources_read_stats(resources, &stats, err) != LNKEEP_DONE) {
        return false;
    }
    state->journal_next = stats.journal_next;
    return true;
}

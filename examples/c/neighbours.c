/*
 * What the neighbours offer and answer.
 */
#define _XOPEN_SOURCE 700
#include "neighbours.h"

#include "channels.h"
#include "clock.h"

#include <string.h>

/* A millisecond here is a second there: else no HTLC would be held for long, and nobody would earn
 * a reputation, within a minute. */
enum { US_PER_SEC = 1000, UNIX_SECS_AT_BEGIN = 1760000000 };

/* Most HTLCs end within seconds; one of so many is held, and on one channel half of them are. */
enum { ANSWER_US_MAX = 12000, SLOW_EVERY = 20, SLOW_US = 150000, SLOW_CHANNEL = 4 };

/* The node's main work is to pay. */
enum { OFFER_EVERY_US = 1500 };

/* Of 10 HTLCs that are out, so many fail; one of so many is replayed meanwhile, and more of them
 * after a death. */
enum { FAIL_OF_TEN = 2, REPLAY_EVERY = 16, REPLAY_AFTER_DEATH_EVERY = 4 };

enum { MSAT_MAX = 16000000, BLOCKS_MIN = 40, BLOCKS_MAX = 140, ACCOUNTABLE_EVERY = 8 };

static uint64_t unix_secs(const struct neighbours *neighbours)
{
    return UNIX_SECS_AT_BEGIN + (now_us() - neighbours->began_us) / US_PER_SEC;
}

static uint64_t below(struct neighbours *neighbours, uint64_t limit)
{
    return chance_below(neighbours->chance, limit);
}

void neighbours_decide_end(struct neighbours *neighbours, struct transit *transit)
{
    const bool jams = transit->htlc.outgoing == forward_channel(SLOW_CHANNEL);
    const bool is_slow = below(neighbours, jams ? 2 : SLOW_EVERY) == 0;
    transit->due_us = now_us() + below(neighbours, ANSWER_US_MAX) + (is_slow ? SLOW_US : 0);
    transit->is_settled = below(neighbours, 10) >= FAIL_OF_TEN;
    transit->to_replay = below(neighbours, REPLAY_EVERY) == 0;
}

/* Some pay what our policy asks for, some more, some nothing. */
static uint64_t fee_of(struct neighbours *neighbours, uint64_t amount_msat)
{
    const uint64_t policy_msat = 1000 + amount_msat / 1000;
    switch (below(neighbours, 16)) {
    case 0:
        return 0;
    case 1:
        return 4 * policy_msat;
    default:
        return policy_msat;
    }
}

static void add_offer(struct neighbours *neighbours)
{
    const unsigned incoming = (unsigned)below(neighbours, FORWARD_CHANNELS);
    const unsigned further = 1 + (unsigned)below(neighbours, FORWARD_CHANNELS - 1);
    const uint64_t amount_msat = 1 + below(neighbours, MSAT_MAX);
    neighbours->held[neighbours->held_len++] = (struct transit){
        .place = FORWARD_OFFERED,
        .htlc = {
            .incoming = forward_channel(incoming),
            .outgoing = forward_channel((incoming + further) % FORWARD_CHANNELS),
            .htlc_id = neighbours->ids[incoming]++,
            .incoming_amount_msat = amount_msat + fee_of(neighbours, amount_msat),
            .outgoing_amount_msat = amount_msat,
            .cltv_expiry = FORWARD_BLOCK_HEIGHT + BLOCKS_MIN +
                           (uint32_t)below(neighbours, BLOCKS_MAX - BLOCKS_MIN),
            .accountable = below(neighbours, ACCOUNTABLE_EVERY) == 0,
        },
    };
}

static bool give(struct neighbours *neighbours, int fd, struct transit *transit,
                 enum forward_order_kind kind)
{
    struct forward_order order = {
        .kind = kind,
        .settled = transit->is_settled,
        .unix_secs = unix_secs(neighbours),
        .htlc = transit->htlc,
    };
    if (neighbours->queue_len == NEIGHBOURS_QUEUE_MAX ||
        channel_try_send(fd, &order, sizeof order) != CHANNEL_OK) {
        return false;
    }
    if (transit->place == FORWARD_OFFERED) {
        transit->htlc.added_unix_secs = order.unix_secs;
    }
    neighbours->queue[neighbours->queue_len++] = order;
    return true;
}

/* False when the node has enough to do. A replay goes before the answer, never behind it. */
static bool give_due(struct neighbours *neighbours, int fd, struct transit *transit)
{
    if (transit->place == FORWARD_OFFERED) {
        transit->given = transit->given || give(neighbours, fd, transit, FORWARD_OFFER);
        return transit->given;
    }
    if (transit->to_replay && !transit->told) {
        transit->to_replay = !give(neighbours, fd, transit, FORWARD_OFFER);
        return !transit->to_replay;
    }
    if (transit->due_us <= now_us() && !transit->told) {
        transit->told = give(neighbours, fd, transit, FORWARD_ANSWER);
        return transit->told;
    }
    return true;
}

void neighbours_give(struct neighbours *neighbours, int fd, bool closing)
{
    const uint64_t now = now_us();
    if (!closing && neighbours->held_len < FORWARDS_MAX && now >= neighbours->next_offer_us) {
        neighbours->next_offer_us = now + OFFER_EVERY_US;
        add_offer(neighbours);
    }
    for (size_t i = 0; i < neighbours->held_len; i++) {
        if (!give_due(neighbours, fd, &neighbours->held[i])) {
            return;
        }
    }
}

bool neighbours_reconnect(struct neighbours *neighbours, int fd)
{
    static struct forward_held message;
    neighbours->queue_len = 0;
    neighbours->has_reconciled = false;
    message.len = 0;
    for (size_t i = 0; i < neighbours->held_len; i++) {
        const struct transit *transit = &neighbours->held[i];
        if (transit->place == FORWARD_OUT) {
            message.htlcs[message.len] = transit->htlc;
            message.htlcs[message.len++].accountable = transit->accountable;
        }
    }
    return channel_try_send(fd, &message, sizeof message) == CHANNEL_OK;
}

void neighbours_node_died(struct neighbours *neighbours)
{
    for (size_t i = 0; i < neighbours->held_len; i++) {
        struct transit *transit = &neighbours->held[i];
        transit->given = transit->told = false;
        transit->to_replay = transit->place == FORWARD_OUT &&
                             below(neighbours, REPLAY_AFTER_DEATH_EVERY) == 0;
        neighbours->held_over_a_death += transit->place == FORWARD_OUT;
    }
}

/*
 * What the node tells about HTLCs of others, beside what the neighbours know.
 */
#include "neighbours.h"

#include <string.h>

/* An add is one entry of the journal, and one more when it spills over into several buckets. */
enum { ENTRIES_OF_A_CALL = 2 };

static uint64_t identity_of(const struct forward *htlc)
{
    return forward_identity(htlc->incoming, htlc->outgoing, htlc->htlc_id,
                            htlc->incoming_amount_msat);
}

static struct transit *find(struct neighbours *neighbours, const struct forward_report *report)
{
    for (size_t i = 0; i < neighbours->held_len; i++) {
        struct transit *transit = &neighbours->held[i];
        if (transit->htlc.incoming == report->channel &&
            transit->htlc.htlc_id == report->htlc_id) {
            return transit;
        }
    }
    return NULL;
}

static void remember(struct neighbours *neighbours, const struct forward_report *report)
{
    if (report->durable) {
        neighbours->states_len = 0;
    }
    if (neighbours->states_len == NEIGHBOURS_STATES_MAX) {
        neighbours->unexpected++;
        neighbours->states_len = 0;
    }
    neighbours->states[neighbours->states_len++] = report->state;
}

/* What is pending is what is out, and nothing else takes up room. */
static void check_pending(struct neighbours *neighbours, const struct forward_state *state)
{
    uint64_t out = 0, sum = 0;
    for (size_t i = 0; i < neighbours->held_len; i++) {
        const struct transit *transit = &neighbours->held[i];
        if (transit->place == FORWARD_OUT) {
            out++;
            sum += identity_of(&transit->htlc);
        }
    }
    neighbours->mismatched += state->pending != out || state->pending_sum != sum;
    neighbours->leaked += out == 0 && state->in_use != 0;
}

static void take_opened(struct neighbours *neighbours, const struct forward_report *report)
{
    if (neighbours->states_len == 0) {
        remember(neighbours, report);
    }
    /* The inspector saw the same disk. */
    neighbours->no_prefix +=
        memcmp(&report->state, &neighbours->states[0], sizeof report->state) != 0;
}

static void take_channel(struct neighbours *neighbours, const struct forward_report *report)
{
    for (unsigned i = 0; i < FORWARD_CHANNELS; i++) {
        if (report->channel == forward_channel(i)) {
            neighbours->lost +=
                neighbours->channels_known[i] && report->status != LNKEEP_ALREADY;
            neighbours->channels_known[i] = true;
        }
    }
    remember(neighbours, report);
}

static void take_reconciled(struct neighbours *neighbours, const struct forward_report *report)
{
    neighbours->has_reconciled = true;
    neighbours->added += report->added;
    neighbours->dropped += report->dropped;
    neighbours->unexpected += report->other;
    remember(neighbours, report);
    check_pending(neighbours, &report->state);
}

static bool is_next(const struct neighbours *neighbours, const struct forward_report *report,
                    enum forward_order_kind kind)
{
    const struct forward_order *next = &neighbours->queue[0];
    return neighbours->queue_len > 0 && next->kind == kind &&
           next->htlc.incoming == report->channel && next->htlc.htlc_id == report->htlc_id;
}

/* The node takes its orders in turn. */
static void take_order(struct neighbours *neighbours, const struct forward_report *report,
                       enum forward_order_kind kind)
{
    if (!is_next(neighbours, report, kind)) {
        neighbours->unexpected++;
        return;
    }
    neighbours->queue_len--;
    memmove(neighbours->queue, neighbours->queue + 1,
            neighbours->queue_len * sizeof *neighbours->queue);
}

static void take_first_decision(struct neighbours *neighbours, struct transit *transit,
                                const struct forward_report *report)
{
    neighbours->unexpected += report->status != LNKEEP_DONE;
    if (report->verdict != LNKEEP_VERDICT_FORWARD) {
        neighbours->refused++;
        *transit = neighbours->held[--neighbours->held_len];
        return;
    }
    transit->place = FORWARD_OUT;
    transit->accountable = report->accountable;
    neighbours->forwarded++;
    neighbours->accountable += report->accountable;
    neighbours->buckets[report->bucket % 5]++;
    neighbours_decide_end(neighbours, transit);
}

/* The HTLC is out: whatever happened to the node, it must not be decided about again. */
static void take_repeat(struct neighbours *neighbours, const struct transit *transit,
                        const struct forward_report *report)
{
    if (report->status != LNKEEP_ALREADY) {
        neighbours->tracked_twice++;
    } else if (report->verdict != LNKEEP_VERDICT_FORWARD ||
               report->accountable != transit->accountable) {
        neighbours->answered_otherwise++;
    } else {
        neighbours->repeats++;
    }
}

static void take_decided(struct neighbours *neighbours, const struct forward_report *report)
{
    struct transit *transit = find(neighbours, report);
    take_order(neighbours, report, FORWARD_OFFER);
    remember(neighbours, report);
    if (transit == NULL) {
        neighbours->unexpected++;
    } else if (transit->place == FORWARD_OFFERED) {
        take_first_decision(neighbours, transit, report);
    } else {
        take_repeat(neighbours, transit, report);
    }
    check_pending(neighbours, &report->state);
}

/* It is still the node's next order: this life or the next one has to resolve it. */
static void take_released(struct neighbours *neighbours, const struct forward_report *report)
{
    struct transit *transit = find(neighbours, report);
    if (transit == NULL || !transit->told || !is_next(neighbours, report, FORWARD_ANSWER)) {
        neighbours->unexpected++;
        return;
    }
    *transit = neighbours->held[--neighbours->held_len];
}

static void take_resolved(struct neighbours *neighbours, const struct forward_report *report)
{
    take_order(neighbours, report, FORWARD_ANSWER);
    neighbours->unexpected += report->status != LNKEEP_DONE;
    remember(neighbours, report);
    check_pending(neighbours, &report->state);
}

bool neighbours_take(struct neighbours *neighbours, const struct forward_report *report)
{
    switch (report->kind) {
    case FORWARD_OPENED:
        take_opened(neighbours, report);
        break;
    case FORWARD_CHANNEL:
        take_channel(neighbours, report);
        break;
    case FORWARD_RECONCILED:
        take_reconciled(neighbours, report);
        break;
    case FORWARD_DECIDED:
        take_decided(neighbours, report);
        break;
    case FORWARD_RELEASED:
        take_released(neighbours, report);
        break;
    case FORWARD_RESOLVED:
        take_resolved(neighbours, report);
        break;
    default:
        neighbours->unexpected++;
        break;
    }
    return report->durable != 0;
}

/* Only a resolution changes averages, of the two channels that it is about. */
static bool averages_fit(const struct forward_state *found, const struct forward_state *before,
                         const struct forward *resolved)
{
    for (unsigned i = 0; i < FORWARD_CHANNELS; i++) {
        const uint64_t id = forward_channel(i);
        const bool may_differ = before->averages[i] == 0 ||
                                (resolved != NULL &&
                                 (resolved->incoming == id || resolved->outgoing == id));
        if (!may_differ && found->averages[i] != before->averages[i]) {
            return false;
        }
    }
    return true;
}

/* Whether a state is that after the call which the node made and could not tell of. */
static bool is_of_next_call(const struct neighbours *neighbours, const struct forward_state *found)
{
    const struct forward_state *before = &neighbours->states[neighbours->states_len - 1];
    const uint64_t entries = found->journal_next - before->journal_next;
    if (!neighbours->has_reconciled) {
        /* Channels and reconciling: many calls, none of which changes an average. */
        return found->journal_next > before->journal_next && averages_fit(found, before, NULL);
    }
    if (neighbours->queue_len == 0 || entries == 0 || entries > ENTRIES_OF_A_CALL) {
        return false;
    }
    const struct forward_order *order = &neighbours->queue[0];
    const uint64_t identity = identity_of(&order->htlc);
    if (order->kind == FORWARD_OFFER) {
        return found->pending == before->pending + 1 &&
               found->pending_sum == before->pending_sum + identity &&
               averages_fit(found, before, NULL);
    }
    return found->pending + 1 == before->pending &&
           found->pending_sum + identity == before->pending_sum &&
           averages_fit(found, before, &order->htlc);
}

void neighbours_compare(struct neighbours *neighbours, const struct forward_state *found)
{
    size_t place = neighbours->states_len;
    while (place > 0 && memcmp(found, &neighbours->states[place - 1], sizeof *found) != 0) {
        place--;
    }
    if (place > 0) {
        neighbours->forgotten += neighbours->states_len - place;
    } else if (neighbours->states_len > 0 && !is_of_next_call(neighbours, found)) {
        const bool is_older = found->journal_next < neighbours->states[0].journal_next;
        neighbours->lost += is_older;
        neighbours->no_prefix += !is_older;
    }
    neighbours->states[0] = *found;
    neighbours->states_len = 1;
}

void neighbours_closed(struct neighbours *neighbours, const struct forward_state *found)
{
    const struct forward_state *last = neighbours->states_len == 0
                                           ? NULL
                                           : &neighbours->states[neighbours->states_len - 1];
    neighbours->lost += last == NULL || memcmp(found, last, sizeof *found) != 0;
    check_pending(neighbours, found);
}

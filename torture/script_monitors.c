/* Makes the part of the workload that is about monitors: first a tour, then chance. */

#include "script.h"

#include "common.h"

enum { QUEUED_BEFORE_COMMIT = 14, RELEASED_BEFORE_TAKE = 24, OUTPUTS_BEFORE_ACKS = 20 };

#define ASK(op, seed, channel) {op, seed, channel, 0}
#define BELOW(op, seed, channel) {op, seed, channel, 1}
#define QUEUE(len, ...) {STEP_QUEUE, len, {__VA_ARGS__}}
#define COMMIT(manner) {STEP_COMMIT, 1, {{manner, 9, 0, 0}}}
#define TAKE {STEP_TAKE, 0, {{0}}}

static const struct step tour[] = {
    /* A channel, its first updates, and what may leave behind them. */
    QUEUE(4, ASK(MONITORS_NEW, 3, 0), ASK(MONITORS_UPDATE, 4, 0), ASK(MONITORS_MESSAGE, 1, 0),
          ASK(MONITORS_EVENT, 2, 0)),
    COMMIT(COMMIT_PLAIN),
    TAKE,
    QUEUE(5, ASK(MONITORS_AGAIN, 0, 0), ASK(MONITORS_OTHER, 0, 0), ASK(MONITORS_GAP, 0, 0),
          ASK(MONITORS_NEW, 9, 0), ASK(MONITORS_ACKNOWLEDGE, 0, 0)),
    /* Several channels, one of them too large for the commit, in one with an attempt. */
    QUEUE(5, ASK(MONITORS_NEW, LARGE_SEED, 1), ASK(MONITORS_NEW, 200, 2),
          ASK(MONITORS_UPDATE, 7, 2), ASK(MONITORS_EVENT, 8, 2), ASK(MONITORS_UPDATE, 9, 0)),
    {STEP_GROUP, 2, {{OP_INIT, 1, 0, CHOSEN_SLOTS - 2}, {OP_MARK, 1, 0, CHOSEN_SLOTS - 2}}},
    /* Snapshots at the tip and below it, one of them large, and what is refused. */
    QUEUE(5, ASK(MONITORS_UPDATE, 10, 1), ASK(MONITORS_UPDATE, 11, 1),
          BELOW(MONITORS_SNAPSHOT, LARGE_SEED, 1), ASK(MONITORS_SNAPSHOT_AHEAD, 0, 1),
          ASK(MONITORS_SNAPSHOT_STALE, 0, 2)),
    COMMIT(COMMIT_LOST),
    COMMIT(COMMIT_LARGE),
    {STEP_RACE, 1, {{0, 13, 0, 0}}},
    /* The end of a channel. */
    QUEUE(5, ASK(MONITORS_UPDATE, 14, 2), ASK(MONITORS_ARCHIVE, 0, 2), ASK(MONITORS_UPDATE, 1, 2),
          ASK(MONITORS_EVENT, 15, 2), ASK(MONITORS_ACKNOWLEDGE, 1, 0)),
    COMMIT(COMMIT_BEHIND),
    {STEP_PURGE, 1, {{0, 0, 2, 0}}},
    TAKE,
};

enum { TOUR_STEPS = sizeof tour / sizeof tour[0] };

static uint8_t dice(struct writing *w, unsigned below) {
    return (uint8_t)chance_below(&w->chance, below);
}

/* Mostly what a host does next with a channel, sometimes what it should not do. */
static uint8_t next_op(struct writing *w, const struct channel *channel) {
    static const uint8_t usual[16] = {
        MONITORS_UPDATE, MONITORS_UPDATE, MONITORS_UPDATE,  MONITORS_UPDATE,
        MONITORS_UPDATE, MONITORS_UPDATE, MONITORS_MESSAGE, MONITORS_MESSAGE,
        MONITORS_EVENT,  MONITORS_EVENT,  MONITORS_EVENT,   MONITORS_SNAPSHOT,
        MONITORS_AGAIN,  MONITORS_OTHER,  MONITORS_GAP,     MONITORS_NEW,
    };
    static const uint8_t seldom[4] = {MONITORS_SNAPSHOT_AHEAD, MONITORS_SNAPSHOT_STALE,
                                      MONITORS_ARCHIVE, MONITORS_UPDATE};
    uint64_t updates = channel->tip - channel->snapshot_id;
    if (channel->stage == 0) return dice(w, 4) ? MONITORS_NEW : usual[dice(w, 16)];
    if (updates >= SNAPSHOT_EVERY_UPDATES && dice(w, 2)) return MONITORS_SNAPSHOT;
    return dice(w, 10) == 0 ? seldom[dice(w, 4)] : usual[dice(w, 16)];
}

static void write_queue(struct writing *w, struct step *step) {
    const struct monitors *monitors = &w->model.monitors;
    step->kind = STEP_QUEUE;
    step->ops_len = (uint8_t)(2 + dice(w, OPS_MAX - 1));
    for (unsigned i = 0; i < step->ops_len; i++) {
        uint8_t channel = dice(w, CHANNELS);
        /* A seed that is not the large one's. */
        step->ops[i] = (struct op){next_op(w, &monitors->projected[channel]),
                                   dice(w, LARGE_SEED), channel, dice(w, 3) == 0};
        int has_many = monitors->outputs_len > OUTPUTS_BEFORE_ACKS;
        if (has_many ? i < 4 : dice(w, 6) == 0 && monitors->outputs_len > 0) {
            step->ops[i].kind = MONITORS_ACKNOWLEDGE;
        }
    }
}

static void write_commit(struct writing *w, struct step *step) {
    static const uint8_t manners[12] = {
        COMMIT_PLAIN,  COMMIT_PLAIN,           COMMIT_PLAIN, COMMIT_PLAIN,   COMMIT_BLIND,
        COMMIT_BEHIND, COMMIT_OLDER,           COMMIT_LOST,  COMMIT_TOO_OLD, COMMIT_TWICE,
        COMMIT_STRANGE, COMMIT_WITHOUT_MANAGER,
    };
    int is_full = w->model.monitors.entries_len > QUEUED_BEFORE_COMMIT;
    step->kind = STEP_COMMIT;
    step->ops_len = 1;
    step->ops[0].kind = is_full ? COMMIT_PLAIN : manners[dice(w, 12)];
    step->ops[0].seed = dice(w, LARGE_SEED);
}

/* Attempts that begin with what the channels say, in one transaction. */
static void write_group(struct writing *w, struct step *step) {
    step->kind = STEP_GROUP;
    step->ops_len = (uint8_t)(1 + dice(w, 3));
    for (unsigned i = 0; i < step->ops_len; i++) {
        unsigned slot = dice(w, 3) ? new_slot(w) : old_slot(w);
        if (is_in_step(step, i, slot)) step->ops_len = (uint8_t)i;
        else step->ops[i] = dice(w, 3) ? (struct op){OP_INIT, dice(w, 255), 0, (uint16_t)slot}
                                       : random_op(w, slot);
    }
}

static unsigned archived_channel(struct writing *w) {
    unsigned from = dice(w, CHANNELS);
    for (unsigned i = 0; i < CHANNELS; i++) {
        unsigned channel = (from + i) % CHANNELS;
        if (w->model.monitors.durable[channel].stage == LNKEEP_STAGE_ARCHIVED) return channel;
    }
    return from;
}

static void write_by_chance(struct writing *w, struct step *step) {
    const struct monitors *monitors = &w->model.monitors;
    uint8_t chosen = dice(w, 100);
    int is_full = monitors->entries_len > QUEUED_BEFORE_COMMIT;
    if (monitors->released_len > RELEASED_BEFORE_TAKE || chosen < 10) {
        step->kind = STEP_TAKE;
    } else if (is_full || chosen < 38) {
        write_commit(w, step);
    } else if (chosen < 46) {
        write_group(w, step);
    } else if (chosen < 54) {
        step->kind = STEP_RACE;
        step->ops_len = 1;
        step->ops[0].seed = dice(w, LARGE_SEED);
    } else if (chosen < 58) {
        step->kind = STEP_PURGE;
        step->ops_len = 1;
        step->ops[0].payment = (uint8_t)archived_channel(w);
    } else {
        write_queue(w, step);
    }
}

/* A number of its own for each commit; a race has two. */
static void number_manager(const struct writing *w, struct step *step) {
    step->ops[OPS_MAX - 1].slot = (uint16_t)(2 * w->script->steps_len + 1);
}

void write_monitors_step(struct writing *w, struct step *step) {
    if (w->monitors_tour_at < TOUR_STEPS) *step = tour[w->monitors_tour_at++];
    else write_by_chance(w, step);
    if (step_is_commit(step)) number_manager(w, step);
}

int write_monitors_end(struct writing *w, struct step *step) {
    if (w->model.monitors.entries_len == 0) return 0;
    *step = (struct step){.kind = STEP_COMMIT, .ops_len = 1};
    number_manager(w, step);
    return 1;
}

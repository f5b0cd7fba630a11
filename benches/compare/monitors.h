/* Checkpoints of channel monitors: what every contestant makes durable, and how its rounds run. */
#ifndef LNKEEP_BENCH_MONITORS_H
#define LNKEEP_BENCH_MONITORS_H

#include "worker.h"

/* Channels of every store; a checkpoint touches some of them. */
#define CHANNELS 1000
#define CHANNEL_ID_BYTES 32
#define MANAGER_BYTES (1024 * 1024)
#define UPDATE_BYTES 1024
/* Snapshot of a channel in the stores of the checkpoints. */
#define SNAPSHOT_BYTES (16 * 1024)

/* The manager, and one update of each of `len` channels. */
struct checkpoint {
    unsigned len;
    /* Numbers of the channels, from 0. */
    unsigned channels[CHANNELS];
    uint8_t ids[CHANNELS][CHANNEL_ID_BYTES];
    uint64_t update_ids[CHANNELS];
    uint8_t updates[CHANNELS][UPDATE_BYTES];
    uint8_t manager[MANAGER_BYTES];
};

/* A node: its channels, and the checkpoint that it makes next. */
struct node {
    /* Durable updates of each channel, and how many of them its snapshot includes. */
    uint64_t tips[CHANNELS], folded[CHANNELS];
    /* The channel that is touched next. */
    unsigned next;
    uint64_t checkpoints;
    struct checkpoint checkpoint;
};

/* Looks random, so that neighbours in time are none in a store. */
void channel_id(unsigned channel, uint8_t id[CHANNEL_ID_BYTES]);

/* `len` bytes that follow from the seed. */
void fill_bytes(uint8_t *bytes, size_t len, uint64_t seed);

/*
 * One checkpoint after the other until the time is over; only `commit` is timed, and the length of the
 * round is the sum of its calls.
 */
struct round checkpoints_round(struct node *node, void (*commit)(const struct checkpoint *),
                               unsigned channels, uint64_t round_ns);

/*
 * Lets `fold` take the updates of each channel that has some into its snapshot, so that every round begins
 * with as few, and then flushes what that left to the disk. Not timed.
 */
void fold_updates(struct node *node, const char *folder,
                  void (*fold)(const unsigned *channels, size_t len));

#endif

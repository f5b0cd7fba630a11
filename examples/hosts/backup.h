/*
 * The adapter between a db_write hook and monitors: one pseudo-channel, whose updates are the
 * transactions of the node's own database.
 *
 * The database numbers its transactions with a 32-bit data_version that wraps, and gives a number
 * again when the node died between the hook's answer and its own commit. An update id may be
 * neither. So the adapter counts its records itself, 64 bits, and each carries its data_version:
 * where several have the same, the last one is what happened.
 */
#ifndef BACKUP_H
#define BACKUP_H

#include "keep.h"

enum {
    CHANNELS = 4,
    ROW_COMMITMENT = 0, /* and one for each channel: the commitments a peer was answered for */
    ROW_STEPS = CHANNELS,
    ROW_STARTS,
    ROWS,
    STATEMENTS_MAX = 8,
};

/* UPDATE rows SET value = `value`, or value + `value`, WHERE row = `row`. */
struct statement {
    uint64_t row, adds, value;
};

/* One transaction of the database. */
struct batch {
    uint32_t data_version;
    size_t len;
    struct statement statements[STATEMENTS_MAX];
};

/* What the database holds. */
struct rows {
    uint32_t data_version;
    uint64_t values[ROWS];
};

enum {
    ROWS_BYTES = 8 * (1 + ROWS),
    BATCH_BYTES_MAX = 8 * (2 + 3 * STATEMENTS_MAX),
};

void rows_apply(struct rows *rows, const struct batch *batch);
void rows_encode(const struct rows *rows, uint8_t bytes[ROWS_BYTES]);
bool rows_decode(struct rows *rows, const uint8_t *bytes, size_t len);
size_t batch_encode(const struct batch *batch, uint8_t bytes[BATCH_BYTES_MAX]);

/* What the records say. */
struct backup {
    bool exists, consistent;
    struct rows rows;   /* after the last transaction */
    struct rows before; /* before it */
    uint64_t last_id, replaced;
};

/* Every record of the pseudo-channel, in order. `first_wins` is the mistake of a replay which takes
 * the first record of a data_version. */
void backup_replay(struct keep *keep, bool first_wins, struct backup *backup);

/* The pseudo-channel's id. */
extern const uint8_t backup_channel[32];

/* Both programs open with the same options. */
extern const lnkeep_monitors_options backup_options;

#endif

/*
 * What the parts of the worker share: one row, what a contestant is, and how a round is measured.
 *
 * Contestants of rows keep the same ones: keys of 24 bytes that rise, values as long as lnkeep's
 * record of a new attempt. Those of payments make the same changes of payments, those of monitors the
 * same checkpoints. A put returns when its row or its change is durable.
 */
#ifndef LNKEEP_BENCH_WORKER_H
#define LNKEEP_BENCH_WORKER_H

#include <stddef.h>
#include <stdint.h>

/* An attempt's key in lnkeep: namespace, then the id big-endian (docs/format.md, attempts). */
#define KEY_BYTES 24
/* Envelope, fixed fields, fingerprint and payment hash of a record in state intent (same place). */
#define VALUE_BYTES (6 + 48 + 32 + 32)
/* Most callers of a round. */
#define CALLERS_MAX 1024
/* Rows of one commit while a store is filled. */
#define FILL_ROWS 1000

/* Nanoseconds in a millisecond. */
#define MS_NS UINT64_C(1000000)

void row_key(uint64_t id, uint8_t key[KEY_BYTES]);
void row_value(uint64_t id, uint8_t value[VALUE_BYTES]);

struct contestant {
    const char *name;
    /*
     * Makes the store and fills it with the ids 1 to rows. `folder` is empty and stays readable. NULL
     * when the store of the contestant before it serves.
     */
    void (*open)(const char *folder, uint64_t rows);
    /* Makes ready for so many callers before a round is timed; NULL when there is nothing to do. */
    void (*prepare)(unsigned callers, uint64_t round_ns);
    /* Puts the row of a fresh id; durable when it returns. NULL when the contestant has rounds. */
    void (*put)(unsigned caller, uint64_t id);
    /* A round of its own, for a contestant whose callers are not threads. */
    struct round (*round)(unsigned callers, uint64_t round_ns);
    /* NULL where open is. */
    void (*close)(void);
};

/* Commits the ids 1 to rows, FILL_ROWS at a time. */
void fill(uint64_t rows, void (*commit)(const uint64_t *ids, size_t len));

/* Ends with the element whose name is NULL. */
extern const struct contestant lnkeep_contestants[];
extern const struct contestant lmdb_contestants[];
extern const struct contestant log_contestants[];
extern const struct contestant flush_contestants[];
extern const struct contestant sqlite_contestants[];
extern const struct contestant payment_contestants[];
extern const struct contestant checkpoint_contestants[];
extern const struct contestant file_contestants[];
extern const struct contestant sqlite_checkpoint_contestants[];
extern const struct contestant load_contestants[];

/* How long calls took, in nanoseconds. */
struct samples {
    uint64_t *ns;
    size_t len;
    size_t capacity;
};

/* Calls that end after the round count as samples and not as operations. */
struct round {
    uint64_t operations;
    uint64_t length_ns;
    struct samples samples;
};

uint64_t now_ns(void);
void samples_add(struct samples *samples, uint64_t ns);

/* Hands out ids that no row has yet; every contestant is one round at a time. */
uint64_t fresh_ids(uint64_t count);

/* Threads put one row after the other until the time is over; each finishes its last one. */
struct round run_callers(const struct contestant *contestant, unsigned callers, uint64_t round_ns);

/* Sorts the samples, prints the round in one line and frees it. */
void print_round(struct round round);

/* Ends the process unless the condition holds: a figure made after a failed call would be a lie. */
void must(int condition, const char *what);

/* `folder`/`name`, to be freed. */
char *path_in(const char *folder, const char *name);

/* One step of the comparison with a million of something. */
struct phase {
    const char *name;
    /* Works on `count` of something and answers a figure; sets `ns` if only a part is to be timed. */
    uint64_t (*run)(uint64_t count, uint64_t *ns);
};

/* Steps that work on one store. */
struct phases {
    /* Ends with the element whose name is NULL. */
    const struct phase *all;
    /* Opens the store below the folder unless it is open. */
    void (*open)(const char *folder);
    /* Closes it if it is open. */
    void (*close)(void);
};

extern const struct phases attempt_phases;
extern const struct phases payment_phases;

/* The same number in every run, looking random. */
uint64_t scatter(uint64_t number);

/* What the file of a store takes on disk. */
uint64_t data_bytes(const char *folder);

#endif

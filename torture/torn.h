/*
 * What a life writes, in the order in which it flushes, and the files that a power cut could leave
 * of it: everything flushed, and any of the rest.
 */

#ifndef TORTURE_TORN_H
#define TORTURE_TORN_H

#include <stddef.h>

#include "life.h"

enum {
    FILES_MAX = 64,
    NAMES_MAX = 16,
    RECORDS_MAX = 20000,
    LISTINGS_MAX = 512,
    BOUNDARIES_MAX = 4000,
    SECTOR = 512,
    PENDING_MAX = 64,
};

enum record_kind {
    RECORD_WRITE,
    RECORD_SIZE,        /* ftruncate, or an allocation beyond the end */
    RECORD_FLUSH,       /* of one file: what was written before `upto` is durable */
    RECORD_FLUSH_WRITE, /* a write through a descriptor that flushes: the record `upto` */
    RECORD_NAMES,       /* a name was made, moved or removed */
    RECORD_FLUSH_NAMES, /* of a directory: all listings so far are durable */
};

struct log_record {
    enum record_kind kind;
    unsigned file, upto; /* of RECORD_NAMES and RECORD_FLUSH_NAMES the listing */
    int is_extending;    /* an allocation shortens nothing */
    uint64_t offset, len;
    size_t bytes_at; /* of the log's bytes */
};

/* A file by its inode, whatever its name is at the moment. */
struct log_file {
    uint64_t inode;
    int is_lock; /* LMDB's lock file: no state depends on what it holds */
};

struct listed_name {
    char path[64]; /* below the scratch directory */
    int is_directory;
    unsigned file;
};

struct listing {
    unsigned names_len;
    struct listed_name names[NAMES_MAX];
};

/* A moment at which the power may go: before a flush, or at the end. */
struct boundary {
    unsigned records_len;
    unsigned file; /* that is flushed */
    struct ledger *ledger; /* as it was then */
};

struct log {
    char root[4096]; /* the directory in which the store's directory is made */
    int process;
    unsigned records_len, files_len, listings_len, boundaries_len;
    struct log_record records[RECORDS_MAX];
    struct log_file files[FILES_MAX];
    struct listing listings[LISTINGS_MAX];
    struct boundary boundaries[BOUNDARIES_MAX];
    uint8_t *bytes;
    size_t bytes_len, bytes_max;
    unsigned name_flushes, write_flushes, flushes;
};

/* One life, from the creation of its store to its end. The store's directory is root/store. */
void log_record_life(struct log *log, struct life *life);
void log_clear(struct log *log);

/* What a cut at a boundary may leave out. */
struct pending {
    unsigned len;
    unsigned records[PENDING_MAX]; /* not flushed, in order */
    unsigned overflow;             /* older ones that are taken for written */
    unsigned durable_listing, last_listing;
    int is_renamed; /* names have changed since the boundary before */
};

/* Disks that forget, for controls. */
enum forgets {
    FORGETS_NOTHING,
    FORGETS_FLUSHES, /* a flush of a file makes nothing durable */
    FORGETS_WRITES,  /* a write that flushes by itself does not */
    FORGETS_NAMES,   /* nor does a flush of a directory */
};

struct pending log_pending(const struct log *log, unsigned boundary, enum forgets forgets);

struct torn_state {
    unsigned boundary, listing;
    uint64_t taken; /* bits of the pending records that reached the disk */
    int is_torn;    /* of the last write taken, only some sectors did */
    uint64_t chance;
};

/* Whether the last write that is taken has sectors that can be torn apart. */
int state_can_tear(const struct log *log, const struct pending *pending, uint64_t taken);
/* Puts the files of the state in place of those that are there. */
void state_build(const struct log *log, const struct torn_state *state, enum forgets forgets);

#endif

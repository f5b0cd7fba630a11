/* Stores of several shapes, ways to damage them, and the reader that judges what is answered. */

#ifndef TORTURE_DAMAGE_H
#define TORTURE_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

#include "common.h"
#include "damage_parts.h"

enum {
    IDS_MAX = 4096,
    KEYS_MAX = 128,
    PAYMENTS_MAX = 1024,
    EVENTS_KEPT_MAX = 16384,
    PATH_BYTES = 4200,
    TABLES = 30, /* of docs/format.md */
    ROWS_KNOWN_MAX = 40, /* of each table */
    KEY_BYTES_MAX = 80,
};

/* --- What a store holds. */

struct known_id {
    lnkeep_attempt_key key;
    lnkeep_status status; /* of get: DONE or DELETED */
    uint64_t digest;      /* of all fields */
};

struct known_payment {
    lnkeep_status fetched;             /* DONE or PAYMENT_NOT_INITIATED */
    lnkeep_status asked, asked_by_key; /* of an init: by its hash alone, then under its key */
    uint64_t digest;                   /* of all fields */
};

/* A row as the engine shows it: where it lies in data.mdb, and what it holds. */
struct known_row {
    uint8_t key[KEY_BYTES_MAX];
    size_t key_len, data_len, key_at, data_at;
    uint64_t digest;
};

/* Some rows of a table, chosen by chance where there are more. */
struct known_table {
    size_t len, rows_len; /* of these; of the table */
    struct known_row rows[ROWS_KNOWN_MAX];
};

extern const char *const table_names[TABLES];

struct truth {
    size_t ids_len, keys_len, payments_len, events_len;
    uint64_t listed, payments_listed, unfinished;
    unsigned request_bytes; /* of each payment */
    lnkeep_attempt_counts counts;
    lnkeep_payment_counts payment_counts;
    struct known_id ids[IDS_MAX]; /* every id that was granted and not forgotten */
    uint64_t keys[KEYS_MAX];      /* ids of allocated keys, in order */
    uint64_t events[EVENTS_KEPT_MAX];
    struct known_payment payments[PAYMENTS_MAX];
    uint64_t bare[IDS_MAX]; /* digests of the rows, read without lnkeep */
    uint64_t bare_hashes[PAYMENTS_MAX];
    struct known_table tables[TABLES];
    struct parts_truth parts;
};

/* --- Shapes. */

enum { SHAPES = 11 };
extern const char *const shape_names[SHAPES];
/* One of the shapes, those that take little time more often than the others. */
unsigned shape_of(uint64_t chance);

/* The files of a store at one moment, up to the last page that holds anything. */
struct image {
    uint8_t *data, *lock, *owner;
    size_t data_len, lock_len, owner_len, file_bytes;
};

/* A store that is damaged again and again, in place: a new file would be a copy. */
struct base {
    char directory[PATH_BYTES];
    struct image now, mid, old; /* now; some commits ago; at the close before the last open */
    struct truth *truth;
};

/* Builds a store of a shape, which ends with a close or without one. */
void base_build(struct base *base, unsigned shape, int is_clean);
void base_restore(const struct base *base, const struct image *image);
/* Key of an allocation of the shapes; text has room for 24 bytes. */
lnkeep_bytes base_external_key(size_t number, char *text);
/* Hash of a payment of the shapes. */
void base_payment_hash(size_t number, uint8_t hash[32]);
size_t page_bytes(void);

/* A store that is open, to be filled or read. */
struct making {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    struct parts parts;
    struct truth *truth;
    unsigned request_bytes; /* of each payment */
    int forgets; /* of payments that were paid and deleted some are forgotten */
};

/* Payments of all fates, in commits of about `batch` operations. */
lnkeep_status base_add_payments(const struct making *m, size_t from, size_t len, size_t batch);
/* Asks for the first `len` payments again: by their hashes alone, or under the keys they had. */
void base_ask_payments(const struct making *m, size_t len, int by_key, lnkeep_status *answers);
/* By its hash alone. */
lnkeep_status base_ask_payment(const struct making *m, size_t number);

/* --- Damage. */

enum damage_kind {
    DAMAGE_BIT,
    DAMAGE_BYTE,
    DAMAGE_HEAD_BYTE, /* in the header or the offsets of a page, where it does most */
    DAMAGE_BRANCH_BYTE, /* in a page that leads to other pages, where it hides rows */
    DAMAGE_META_BYTE, /* in the newer meta page */
    DAMAGE_PAYMENT_BYTE, /* in or beside the hash of a payment: in a row that is about it */
    DAMAGE_ROW_BYTE, /* in a row of a table, each table as often as the others */
    DAMAGE_ROW_BIT,
    DAMAGE_SECTOR_ZERO,
    DAMAGE_SECTOR_RANDOM,
    DAMAGE_SECTOR_OLD, /* as it was before: a write that was torn, or got lost */
    DAMAGE_PAGE_ZERO,
    DAMAGE_PAGE_RANDOM,
    DAMAGE_PAGE_COPY,
    DAMAGE_PAGE_SWAP,
    DAMAGE_PAGE_OLD,
    DAMAGE_TRUNCATE,
    DAMAGE_OWNER_LOCK,
    DAMAGE_LOCK_FILE,
    DAMAGE_LOCKS_OLD, /* owner.lock and lock.mdb as they were at the close before: stale locks */
    DAMAGE_META_BOTH,
    DAMAGE_FILE_OLD,
    DAMAGES,
    /* The newer meta page as it was some commits ago. Not among the others: no file can tell. */
    DAMAGE_META_OLD = DAMAGES,
    DAMAGES_ALL,
};
extern const char *const damage_names[DAMAGES_ALL];

/* Damages the restored store; `turn` counts the damages of this kind. Says in words what it did. */
void damage_apply(const struct base *base, enum damage_kind kind, uint64_t turn, uint64_t chance,
                  char *what, size_t what_len);
/* Makes owner.lock say that data.mdb is as its close left it, as after damage below the file system. */
void damage_hide(const struct base *base);

/* --- Judging. */

enum outcome {
    OUTCOME_HARMLESS, /* everything was answered as before */
    OUTCOME_REFUSED,  /* the open was refused */
    OUTCOME_REPORTED, /* a record, a row or a gap was reported as damaged */
    OUTCOME_RESTORED, /* the open said that the files are older than the directory */
    OUTCOMES,
};
extern const char *const outcome_names[OUTCOMES];

/* Written by the child that opens the damaged store, read by its parent. */
struct verdict {
    volatile unsigned found[FINDINGS];
    volatile int outcome;
    volatile lnkeep_status open_status, check_status;
    volatile size_t checked; /* findings of lnkeep_check before the open */
    volatile unsigned quarantined, mended; /* what could not be read, and was made good */
    volatile int part; /* whose answers are judged; PARTS for attempts and payments */
    volatile unsigned found_in[PARTS + 1];
    volatile int is_structure;  /* lnkeep_check found more than single rows damaged */
    volatile int is_owner_lost; /* of the rows it found, one would say whose the attempts are */
    volatile int was_external;  /* so that they opened as an external router's only */
    volatile int heard_bug;     /* an answer was taken for INTERNAL, as the reading asked for */
    char text[200]; /* of the first finding */
};

struct reading {
    const char *directory;
    uint32_t open_flags;
    const struct truth *truth;
    struct parts_truth *parts; /* the same, for the code that made it */
    struct verdict *verdict;
    /* For a control: the bug_at'th answer of this part is taken for INTERNAL; 0 is none. */
    int bug_part;
    uint64_t bug_at;
};

/* What a reader makes of an answer. Each that is judged passes heard(). */
lnkeep_status heard(lnkeep_status status);
/*
 * The answers by which damage may be told: of the file by an open, of a row by what reads it. No
 * other is a report of damage, least of all INTERNAL, which is a bug that was caught.
 */
int may_refuse(lnkeep_status status);
int may_report(lnkeep_status status);
/* Of any answer but the right one: 0 for a refusal, which the caller judges; else it is dealt with. */
int is_judged(const struct reading *reading, lnkeep_status status, const char *what);
/* Nothing but DONE is right. A restored store may refuse what it does not know. */
int is_done(const struct reading *reading, lnkeep_status status, const char *what);
/* DONE, or what may_report() allows. Both answer whether it was DONE. */
int is_done_or_told(const struct reading *reading, lnkeep_status status, const char *what);
void found(const struct reading *reading, enum finding kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void report_damage(const struct reading *reading);
int is_restored(const struct reading *reading);

/* Fills the truth about payments, by changing them; 0 when they could all be read. */
int learn_payments(const struct making *m);
/* Reads all payments, asks for each again, and has those quarantined that cannot be read. */
void judge_payments(const struct reading *reading, const struct making *m);

/* For run_child: opens the store, reads everything and asks for every id again. */
int read_and_judge(void *context);
/* For run_child: fills the truth of an undamaged store from what is in `directory`. */
struct learning {
    const char *directory;
    struct truth *truth;
};
int read_truth(void *context);
/* The same rows by the engine alone, for the control: a plain LMDB without lnkeep's checks. */
int bare_truth(void *context);
int bare_judge(void *context);

#endif

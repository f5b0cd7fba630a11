/* One sequence of generated calls: where its choices come from, what it holds, and what every call
 * is checked for. */

#ifndef TORTURE_FFI_H
#define TORTURE_FFI_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

#include "common.h"

/* --- What a sequence holds. */

enum handle_kind {
    ON_STORE,
    ON_ATTEMPTS,
    ON_EVENTS,
    ON_PAYMENTS,
    ON_MONITORS,
    ON_RESOURCES,
    ON_PEER_STORAGE,
    ON_BACKUP,
    ON_RECOVERY,
    HANDLE_KINDS,
};

enum {
    HELD_MAX = 6,
    KEPT_MAX = 16,
    BLOBS_MAX = 8,
    NUMBERS_MAX = 4,
    CAPTURES_MAX = 3,
    PLACES = 3,
    NODES = 4,
    CHANNELS = 4,
    SECRETS = 2,
    HASHES = 6,
    KNOWN_PREIMAGES = 4,
    PARTS = 4,
    BLOCKS_MAX = 96,
    WATCHED_MAX = 8,
    PATH_BYTES = 512,
    CALLS_PER_SEQUENCE = 200,
    SEQUENCE_BYTES = 6144,
};

struct held {
    uint64_t bits;
    int is_open;
    uint64_t store; /* bits of the store that it was opened on, 0 for stores and recoveries */
};

/* What a call gave and what is not freed yet. */
struct kept {
    int object;
    void *pointer;
};

/* Bytes that the library made, for decoders to succeed with. */
struct blob {
    uint8_t *bytes;
    size_t len;
    unsigned node;
};

/* The last few numbers that the library gave of one sort. */
struct numbers {
    uint64_t given[NUMBERS_MAX];
    unsigned next;
};

/* An output: unchanged by a call that fails. */
struct watched {
    uint8_t *bytes;
    size_t from, len;
    int is_handle; /* zeroed first */
};

enum target { NO_HANDLE, TARGET_OPEN, TARGET_DEAD, TARGET_UNSURE };

struct turn {
    /* Choices. */
    const uint8_t *at, *end;
    /* The world. */
    char directory[PATH_BYTES];
    struct held held[HANDLE_KINDS][HELD_MAX];
    unsigned held_next[HANDLE_KINDS];
    struct kept kept[KEPT_MAX];
    struct blob blobs[BLOBS_MAX];
    unsigned blobs_next;
    struct numbers ids, attempt_subscriptions, payment_subscriptions, tickets, outputs, events;
    lnkeep_capture captures[CAPTURES_MAX];
    unsigned captures_next;
    uint64_t tips[CHANNELS], now_ms, generation;
    uint32_t height;
    int has_external_manager, is_racing, is_damaged;
    /* In a recipe: every choice is a right one, and all of them are about the same things. */
    int is_steady;
    uint32_t steady;
    /* Attempts that payments have. */
    struct part {
        const uint8_t *hash;
        lnkeep_attempt_key key;
    } parts[PARTS];
    unsigned parts_next;
    /* The present call. */
    /* Where an argument was made wrong, so that the call has to be refused; 0 where none was. */
    int fault;
    /* Whether one may be wrong. */
    int doubts;
    int may_name_other_handles, names_no_store;
    enum target target;
    struct held *target_held;
    struct watched watched[WATCHED_MAX];
    size_t watched_len;
    void *blocks[BLOCKS_MAX];
    size_t blocks_len;
    lnkeep_error *err;
    int err_is_whole;
    int is_over; /* a violation was found: what follows from it is not told */
};

/* --- Operations. */

struct operation {
    const char *name; /* of the exported function */
    void (*run)(struct turn *turn);
};

struct group {
    const struct operation *operations;
    enum handle_kind kind; /* that its sequences need */
    const char *words;
};

enum { GROUPS = 11, OPERATIONS_MAX = 320 };
extern const struct group groups[GROUPS];

extern const struct operation store_operations[], attempts_operations[], payments_operations[];
extern const struct operation events_operations[], monitors_operations[], resources_operations[];
extern const struct operation peer_storage_operations[], backup_operations[], format_operations[];
extern const struct operation recovery_operations[], object_operations[];
extern const size_t store_operations_len, attempts_operations_len, payments_operations_len;
extern const size_t events_operations_len, monitors_operations_len, resources_operations_len;
extern const size_t peer_storage_operations_len, backup_operations_len, format_operations_len;
extern const size_t recovery_operations_len, object_operations_len;

#define OPERATION(name) static void op_##name(struct turn *t)
#define ROW(name) {"lnkeep_" #name, op_##name}
#define TABLE(group)                                                                 \
    const size_t group##_operations_len = sizeof group##_operations / sizeof *group##_operations

/* Choices are made in the order of the arguments, as clang evaluates them; gcc's is another. */
#define CALL(name, ...) call_end(t, "lnkeep_" #name, lnkeep_##name(__VA_ARGS__))

size_t operations_count(void);
/* From 0, in the order of the groups. */
const struct operation *operation_at(size_t number);
size_t operation_number(const char *name);
void run_operation(struct turn *turn, const struct operation *operation);

/* Called through all sequences: calls, those that succeeded, those that were refused. */
struct tally {
    uint64_t calls, done, refused;
};
extern struct tally *tallies;

/* --- Running sequences. */

/* A planted error, for the controls. */
enum planted {
    PLANT_NOTHING,
    PLANT_STALE,          /* a stale handle is taken for an open one */
    PLANT_STATUS,         /* a status that no header names */
    PLANT_OUTPUT,         /* a call that fails writes its output */
    PLANT_USE_AFTER_FREE, /* what was freed is read */
    PLANT_OVER_READ,      /* a byte behind a returned object is read */
    PLANT_LEAK,           /* what a call gave is not freed */
    PLANT_HANG,           /* a call does not return */
    PLANTED,
};
extern enum planted planted;
extern const char *const planted_names[PLANTED];
/* Calls until the planted error. */
extern uint64_t planted_after;

/* Says each call and its answer, to find out what a sequence does. */
extern int traced;

void sequences_start(const char *directory);
void run_sequence(const uint8_t *bytes, size_t len, unsigned calls_max);
/* What the library names no right answer: ends the sequence. Each program does with it what it can.
 */
void violation(struct turn *turn, enum finding kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void violation_found(enum finding kind, const char *text);
extern volatile uint64_t *progress; /* counts calls */

/* --- Choices. */

uint32_t pick(struct turn *turn, uint32_t below);
/* Whether something happens that does so once in so many times. */
int seldom(struct turn *turn, uint32_t of);
uint64_t pick_number(struct turn *turn, const struct numbers *numbers);
void remember(struct numbers *numbers, uint64_t number);
uint64_t pick_amount(struct turn *turn);
uint64_t pick_time_ms(struct turn *turn);
uint32_t pick_height(struct turn *turn);
/* A mask of the known bits, seldom with an unknown one. */
uint32_t pick_flags(struct turn *turn, uint32_t known);
/* A number of first to last, seldom another. */
uint32_t pick_enum(struct turn *turn, uint32_t first, uint32_t last);
uint32_t pick_reserved(struct turn *turn);
lnkeep_attempt_key pick_key(struct turn *turn);
const uint8_t *pick_namespace(struct turn *turn);
/* Each of the following answers bytes that live as long as the program. */
extern uint8_t hashes[HASHES][32], preimages[KNOWN_PREIMAGES][32];
extern uint8_t nodes[NODES][33], channel_ids[CHANNELS][32], secrets[SECRETS][32], sevens[64];
const uint8_t *pick_hash(struct turn *turn);
const uint8_t *pick_preimage(struct turn *turn);
size_t pick_node(struct turn *turn);
size_t pick_channel_id(struct turn *turn);

/* An argument is certainly wrong. */
#define FAULT(turn) ((turn)->fault = __LINE__)

/* --- Arguments. Each lies in a block of its own of exactly its size. */

void *block(struct turn *turn, const void *bytes, size_t len);
uint64_t handle(struct turn *turn, enum handle_kind kind);
/* Bits that are not the call's own handle: of an operation of a batch. */
uint64_t other_handle(struct turn *turn, enum handle_kind kind);
void *input(struct turn *turn, const void *value, size_t len, size_t align, int is_optional);
void *inputs(struct turn *turn, const void *values, size_t count, size_t len, size_t align);
void *sized_input(struct turn *turn, const void *value, size_t len, int is_optional);
void *output(struct turn *turn, size_t len, size_t align, int is_optional);
void *handle_output(struct turn *turn);
void *sized_output(struct turn *turn, size_t len, int is_optional);
/* Written also by a call that fails. */
void *batch_output(struct turn *turn, size_t len, size_t align, int is_optional);
/* A pointer to a handle that is closed: also a stale one. */
uint64_t *handle_to_close(struct turn *turn, enum handle_kind kind);
lnkeep_error *error_output(struct turn *turn);
lnkeep_bytes view_of(struct turn *turn, const void *bytes, size_t len);
lnkeep_bytes view(struct turn *turn);
/* A view of at least one byte, and of not many. */
lnkeep_bytes short_view(struct turn *turn);
/* What the library made, or nearly; node tells for whom. */
lnkeep_bytes pick_blob(struct turn *turn, unsigned *node);
const char *path_of(struct turn *turn, const char *name);
const char *pick_path(struct turn *turn, const char *const *names, uint32_t names_len);

#define IN(value) input(t, &(value), sizeof(value), _Alignof(__typeof__(value)), 0)
#define IN_OPTIONAL(value) input(t, &(value), sizeof(value), _Alignof(__typeof__(value)), 1)
#define IN_ARRAY(values, count) \
    inputs(t, values, count, sizeof *(values), _Alignof(__typeof__(*(values))))
#define IN_BYTES(bytes, len) ((const uint8_t *)input(t, bytes, len, 1, 0))
#define IN_BYTES_OPTIONAL(bytes, len) ((const uint8_t *)input(t, bytes, len, 1, 1))
#define SIZED_IN(value) sized_input(t, &(value), sizeof(value), 0)
#define SIZED_IN_OPTIONAL(value) sized_input(t, &(value), sizeof(value), 1)
/* NULL is allowed, and stands for what costs much. */
#define SIZED_IN_PREFERRED(value) sized_input(t, &(value), sizeof(value), 2)
#define OUT(type) ((type *)output(t, sizeof(type), _Alignof(type), 0))
#define OUT_OPTIONAL(type) ((type *)output(t, sizeof(type), _Alignof(type), 1))
#define OUT_ARRAY(type, count) ((type *)output(t, (count) * sizeof(type), _Alignof(type), 0))
#define OUT_HANDLE(type) ((type *)handle_output(t))
#define SIZED_OUT(type) ((type *)sized_output(t, sizeof(type), 0))
#define SIZED_OUT_OPTIONAL(type) ((type *)sized_output(t, sizeof(type), 1))
#define OUT_BATCH(type, count) ((type *)batch_output(t, (count) * sizeof(type), _Alignof(type), 0))
#define CLOSING(type, kind) ((type *)(void *)handle_to_close(t, kind))
#define ERR error_output(t)
#define STORE ((lnkeep_store){handle(t, ON_STORE)})
#define ATTEMPTS ((lnkeep_attempts){handle(t, ON_ATTEMPTS)})
#define EVENTS ((lnkeep_events){handle(t, ON_EVENTS)})
#define PAYMENTS ((lnkeep_payments){handle(t, ON_PAYMENTS)})
#define MONITORS ((lnkeep_monitors){handle(t, ON_MONITORS)})
#define RESOURCES ((lnkeep_resources){handle(t, ON_RESOURCES)})
#define PEER_STORAGE ((lnkeep_peer_storage){handle(t, ON_PEER_STORAGE)})
#define BACKUP ((lnkeep_backup){handle(t, ON_BACKUP)})
#define RECOVERY ((lnkeep_recovery_session){handle(t, ON_RECOVERY)})

/* --- After the call. */

/* Checks everything that holds for every call; answers the status. */
lnkeep_status call_end(struct turn *turn, const char *name, lnkeep_status status);
/* For functions without a status: whether this one could do what it is for. */
void plain_end(const char *name, int did_something);
/* Whether the outputs may be read. */
int succeeded(const struct turn *turn, lnkeep_status status);
void opened_handle(struct turn *turn, enum handle_kind kind, lnkeep_status status,
                   const void *output);
void closed_handle(struct turn *turn, enum handle_kind kind, lnkeep_status status,
                   const void *copy);
void close_held(struct turn *turn, enum handle_kind kind, struct held *held);
/* As far as the calls so far tell. */
int is_open_by_model(const struct turn *turn, enum handle_kind kind, uint64_t bits);
void check_is_open(struct turn *turn, const char *name, int answered);

/* --- Objects that calls give. */

enum object {
    AN_ATTEMPT,
    AN_ATTEMPT_RESULT,
    AN_ATTEMPT_PAGE,
    A_RECOVERY,
    A_PAYMENT,
    A_PAYMENT_PAGE,
    A_RESUME,
    A_STUCK_LIST,
    SOME_OUTPUTS,
    A_BUF,
    A_MONITOR,
    SOME_NODE_IDS,
    A_PEER_PAGE,
    AN_OPENED,
    SOME_ACTIONS,
    SOME_PEERS,
    A_FOREIGN_LDK,
    A_FOREIGN_CLN,
    A_FOREIGN_LIGHTNING_KMP,
    A_FOREIGN_LND,
    SOME_SHARES,
    SOME_SHARE_RECORDS,
    A_ROSTER,
    A_PROGRESS,
    A_RECOVERED,
    SOME_RECOVERED_HTLCS,
    A_SNAPSHOT,
    A_CHECK_REPORT,
    OBJECTS,
};

/* Reads an object to its last byte, and frees it now or later. NULL is no object. */
void keep(struct turn *turn, enum object object, void *pointer);
void free_object(struct turn *turn, enum object object, void *pointer);
void read_object(struct turn *turn, enum object object, const void *pointer);
/* Keeps a copy of bytes that the library made for a node. */
void remember_blob(struct turn *turn, const uint8_t *bytes, size_t len, unsigned node);
/* Of an output pointer, when the call succeeded. */
#define KEEP(status, object, out) \
    do { \
        if (succeeded(t, status) && (out)) keep(t, object, *(out)); \
    } while (0)

#endif

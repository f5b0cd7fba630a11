/* What holds after every call: a status that the header names, outputs as promised, handles as they
 * are. */

#define _GNU_SOURCE
#include "ffi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_END INT32_MIN

struct answers {
    const char *name;
    int32_t statuses[48];
};

#include "answers.h"

enum { PATTERN = 0xa5, KNOWN_PRESENT = LNKEEP_ERROR_HAS_VALUE | LNKEEP_ERROR_HAS_CHANNEL };

struct tally *tallies;
enum planted planted;
uint64_t planted_after;
volatile uint64_t *progress;

const char *const planted_names[PLANTED] = {
    "nothing", "stale", "status", "output", "use_after_free", "over_read", "leak", "hang",
};

void violation(struct turn *turn, enum finding kind, const char *format, ...) {
    char text[300];
    va_list arguments;
    if (turn->is_over) return;
    turn->is_over = 1;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    violation_found(kind, text);
}

/* What every function may answer, as the header's conventions say. */
static int is_convention(lnkeep_status status) {
    return status == LNKEEP_INVALID_ARGUMENT || status == LNKEEP_BAD_HANDLE ||
           status == LNKEEP_CLOSED || status == LNKEEP_UNSUPPORTED;
}

static int is_named(const char *name, lnkeep_status status) {
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        if (strcmp(answers[i].name, name) != 0) continue;
        for (const int32_t *at = answers[i].statuses; *at != ANSWERS_END; at++) {
            if (*at == status) return 1;
        }
    }
    return 0;
}

/* Nothing fails on this disk, so nothing is undecided and no store is damaged but by this program.
 */
static int is_impossible(const struct turn *turn, lnkeep_status status) {
    if (status == LNKEEP_CORRUPT_STORE || status == LNKEEP_CORRUPT_RECORD) {
        return !turn->is_damaged && !turn->names_no_store;
    }
    return status == LNKEEP_INTERNAL || status == LNKEEP_UNKNOWN || status == LNKEEP_POISONED ||
           status == LNKEEP_FORKED || status == LNKEEP_WRONG_ENGINE;
}

/* What can be said without a handle: of the handle itself, or of the other arguments. */
static int is_of_arguments(lnkeep_status status) {
    return status == LNKEEP_BAD_HANDLE || status == LNKEEP_INVALID_ARGUMENT ||
           status == LNKEEP_UNSUPPORTED || status == LNKEEP_DUPLICATE_ID ||
           status == LNKEEP_TOO_BIG || status == LNKEEP_BAD_UPDATE_ID;
}

static void check_status(struct turn *turn, const char *name, lnkeep_status status) {
    if (!is_named(name, status) && !is_convention(status)) {
        violation(turn, FOUND_STATUS, "%s answered %d (%s), which the header does not name", name,
                  status, lnkeep_status_name(status));
    }
    if (is_impossible(turn, status)) {
        violation(turn, FOUND_STATUS, "%s answered %s without a fault%s%s", name,
                  lnkeep_status_name(status), turn->err ? ": " : "",
                  turn->err ? turn->err->message : "");
    }
    if (turn->fault && status >= 0) {
        violation(turn, FOUND_STATUS, "%s answered %d to a malformed argument, made at line %d",
                  name, status, turn->fault);
    }
    if (turn->target == TARGET_DEAD) {
        int is_right = turn->fault || turn->doubts ? status < 0 : is_of_arguments(status);
        if (!is_right) {
            violation(turn, FOUND_STATUS, "%s answered %d (%s) to a handle that is not open", name,
                      status, lnkeep_status_name(status));
        }
    }
    if (turn->target == TARGET_OPEN && status == LNKEEP_BAD_HANDLE &&
        !turn->may_name_other_handles) {
        violation(turn, FOUND_STATUS, "%s answered BAD_HANDLE to an open handle", name);
    }
    if (turn->target == TARGET_OPEN && status == LNKEEP_CLOSED && turn->target_held->store &&
        is_open_by_model(turn, ON_STORE, turn->target_held->store)) {
        violation(turn, FOUND_STATUS, "%s answered CLOSED while the store is open", name);
    }
}

static void check_error(struct turn *turn, const char *name, lnkeep_status status) {
    const lnkeep_error *err = turn->err;
    if (!err || !turn->err_is_whole) return;
    int is_batch = status == LNKEEP_BATCH && err->status < 0 && err->status != LNKEEP_BATCH;
    if (err->status != (status < 0 ? status : 0) && !is_batch) {
        violation(turn, FOUND_WRONG, "%s answered %d, and err.status is %d", name, status,
                  err->status);
    }
    if (!memchr(err->message, 0, sizeof err->message)) {
        violation(turn, FOUND_WRONG, "%s: err.message does not end", name);
    } else if ((status < 0) != (err->message[0] != 0)) {
        violation(turn, FOUND_WRONG, "%s answered %d with the message \"%s\"", name, status,
                  err->message);
    }
    if (err->present & ~(uint32_t)KNOWN_PRESENT || err->reserved != 0) {
        violation(turn, FOUND_WRONG, "%s: err.present or err.reserved is wrong", name);
    }
}

static void check_outputs(struct turn *turn, const char *name, lnkeep_status status) {
    if (status >= 0) return;
    for (size_t i = 0; i < turn->watched_len; i++) {
        const struct watched *watched = &turn->watched[i];
        int is_pattern = 1, is_zero = 1;
        for (size_t at = watched->from; at < watched->len; at++) {
            is_pattern &= watched->bytes[at] == PATTERN;
            is_zero &= watched->bytes[at] == 0;
        }
        /* Before the handle is zeroed, err is looked at. */
        int is_right = watched->is_handle ? is_zero || (is_pattern && turn->fault) : is_pattern;
        if (!is_right) {
            violation(turn, FOUND_WRONG, "%s answered %d and wrote an output", name, status);
        }
    }
}

static lnkeep_status plant(struct turn *turn, lnkeep_status status) {
    if (planted == PLANT_NOTHING || *progress < planted_after) return status;
    switch (planted) {
    case PLANT_STALE:
        return turn->target == TARGET_DEAD && !turn->fault && !turn->doubts ? LNKEEP_DONE : status;
    case PLANT_STATUS: return status == LNKEEP_DONE ? -5 : status;
    case PLANT_OUTPUT:
        if (status < 0 && turn->watched_len && !turn->watched[0].is_handle) {
            turn->watched[0].bytes[turn->watched[0].len - 1] ^= 1;
        }
        return status;
    case PLANT_HANG:
        for (;;) sleep_us(1000000);
    default: return status;
    }
}

static void count(const char *name, int has_done) {
    struct tally *tally = &tallies[operation_number(name)];
    tally->calls++;
    if (has_done) tally->done++;
    else tally->refused++;
    ++*progress;
}

int traced;

static void trace(const struct turn *turn, const char *name, lnkeep_status status) {
    static const char *const targets[] = {"", "open", "dead", "unsure"};
    if (!traced) return;
    fprintf(stderr, "%s%s = %s %s%s%s\n", turn->is_racing ? "(racing) " : "", name,
            lnkeep_status_name(status), targets[turn->target], turn->fault ? " malformed" : "",
            turn->doubts ? " doubtful" : "");
}

lnkeep_status call_end(struct turn *turn, const char *name, lnkeep_status status) {
    count(name, status >= 0);
    trace(turn, name, status);
    status = plant(turn, status);
    check_status(turn, name, status);
    check_error(turn, name, status);
    check_outputs(turn, name, status);
    return status;
}

void plain_end(const char *name, int did_something) {
    count(name, did_something);
}

int succeeded(const struct turn *turn, lnkeep_status status) {
    return status >= 0 && !turn->fault && !turn->is_over;
}

void opened_handle(struct turn *turn, enum handle_kind kind, lnkeep_status status,
                   const void *output) {
    uint64_t bits;
    if (!succeeded(turn, status) || !output) return;
    memcpy(&bits, output, sizeof bits);
    if (bits == 0) violation(turn, FOUND_WRONG, "a handle that was opened is zero");
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (turn->held[kind][i].bits == bits)
            violation(turn, FOUND_WRONG, "a handle was given twice");
    }
    uint64_t store = kind == ON_STORE || kind == ON_RECOVERY || !turn->target_held
                         ? 0 : turn->target_held->bits;
    struct held *held = &turn->held[kind][turn->held_next[kind]++ % HELD_MAX];
    if (held->is_open) close_held(turn, kind, held);
    *held = (struct held){bits, 1, store};
}

void closed_handle(struct turn *turn, enum handle_kind kind, lnkeep_status status,
                   const void *copy) {
    uint64_t bits = 0;
    /* What waited in memory could not be written, and it is closed all the same. */
    int is_closed_without = status == LNKEEP_NO_SPACE && !turn->fault &&
                            (kind == ON_STORE || kind == ON_RESOURCES || kind == ON_PEER_STORAGE);
    if (!succeeded(turn, status) && !is_closed_without) return;
    if (turn->target_held) turn->target_held->is_open = 0;
    if (copy) memcpy(&bits, copy, sizeof bits);
    if (bits) violation(turn, FOUND_WRONG, "a handle was closed, and its copy is not zero");
}

void check_is_open(struct turn *turn, const char *name, int answered) {
    plain_end(name, answered == 1);
    if (answered != 0 && answered != 1) {
        violation(turn, FOUND_WRONG, "%s answered %d", name, answered);
    }
    if (turn->target == TARGET_DEAD && answered) {
        violation(turn, FOUND_STATUS, "%s: a handle that is not open is open", name);
    }
    int store_is_open = turn->target_held && (!turn->target_held->store ||
                        is_open_by_model(turn, ON_STORE, turn->target_held->store));
    if (turn->target == TARGET_OPEN && store_is_open && !answered) {
        violation(turn, FOUND_STATUS, "%s: an open handle is not open", name);
    }
}

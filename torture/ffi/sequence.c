/* One sequence: bytes choose a few components, open them, and then the calls, one after the other.
 */

#define _GNU_SOURCE
#include "ffi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP(words, kind) {words##_operations, kind, #words}
const struct group groups[GROUPS] = {
    GROUP(store, ON_STORE),           GROUP(attempts, ON_ATTEMPTS),
    GROUP(payments, ON_PAYMENTS),     GROUP(events, ON_EVENTS),
    GROUP(monitors, ON_MONITORS),     GROUP(resources, ON_RESOURCES),
    GROUP(peer_storage, ON_PEER_STORAGE), GROUP(backup, ON_BACKUP),
    GROUP(recovery, ON_RECOVERY),     GROUP(format, HANDLE_KINDS),
    GROUP(object, HANDLE_KINDS),
};

static size_t group_len(size_t group) {
    const size_t *const lengths[GROUPS] = {
        &store_operations_len,        &attempts_operations_len,  &payments_operations_len,
        &events_operations_len,       &monitors_operations_len,  &resources_operations_len,
        &peer_storage_operations_len, &backup_operations_len,    &recovery_operations_len,
        &format_operations_len,       &object_operations_len,
    };
    return *lengths[group];
}

size_t operations_count(void) {
    size_t count = 0;
    for (size_t i = 0; i < GROUPS; i++) count += group_len(i);
    return count;
}

const struct operation *operation_at(size_t number) {
    for (size_t i = 0; i < GROUPS; i++) {
        if (number < group_len(i)) return &groups[i].operations[number];
        number -= group_len(i);
    }
    return NULL;
}

/* The first of this name: an operation that is twice in its group is counted once. */
size_t operation_number(const char *name) {
    static const char *names[OPERATIONS_MAX];
    static size_t names_len;
    enum { BUCKETS = 1024 };
    static uint16_t buckets[BUCKETS];
    size_t at;
    if (names_len == 0) {
        for (size_t i = 0; i < operations_count(); i++) {
            names[i] = operation_at(i)->name;
            at = digest_add(DIGEST_START, names[i], strlen(names[i])) % BUCKETS;
            while (buckets[at] && strcmp(names[buckets[at] - 1], names[i]) != 0)
                at = (at + 1) % BUCKETS;
            if (!buckets[at]) buckets[at] = (uint16_t)(i + 1);
        }
        names_len = operations_count();
    }
    at = digest_add(DIGEST_START, name, strlen(name)) % BUCKETS;
    while (buckets[at] && strcmp(names[buckets[at] - 1], name) != 0) at = (at + 1) % BUCKETS;
    if (!buckets[at]) give_up(name);
    return buckets[at] - 1u;
}

static void forget_call(struct turn *turn) {
    for (size_t i = 0; i < turn->blocks_len; i++) free(turn->blocks[i]);
    turn->blocks_len = turn->watched_len = 0;
    turn->fault = turn->doubts = turn->may_name_other_handles = turn->names_no_store = 0;
    turn->target = NO_HANDLE;
    turn->target_held = NULL;
    turn->err = NULL;
}

void run_operation(struct turn *turn, const struct operation *operation) {
    operation->run(turn);
    forget_call(turn);
}

/* --- Between the calls. */

static int has_open(const struct turn *turn, enum handle_kind kind) {
    for (size_t i = 0; i < HELD_MAX; i++) {
        const struct held *held = &turn->held[kind][i];
        int has_store = !held->store || is_open_by_model(turn, ON_STORE, held->store);
        if (held->is_open && has_store) return 1;
    }
    return 0;
}

/* Every group's first operation opens what the others need. */
static void open_if_closed(struct turn *turn, size_t group) {
    if (groups[group].kind == HANDLE_KINDS || has_open(turn, groups[group].kind)) return;
    if (groups[group].kind != ON_RECOVERY && !has_open(turn, ON_STORE))
        run_operation(turn, groups[0].operations);
    if (group != 0) run_operation(turn, groups[group].operations);
}

/* Flips a byte wherever these bytes stand in a file; answers how often that was. */
static unsigned flip_pattern(const char *path, const uint8_t pattern[32]) {
    uint8_t *bytes;
    size_t len;
    unsigned places = 0;
    if (!read_whole(path, &bytes, &len)) {
        free(bytes);
        return 0;
    }
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    for (uint8_t *at = bytes; (at = memmem(at, len - (size_t)(at - bytes), pattern, 32)) != NULL;
         at += 32) {
        uint8_t flipped = (uint8_t)(*at ^ 0xff);
        places += pwrite(descriptor, &flipped, 1, at - bytes) == 1;
    }
    close(descriptor);
    free(bytes);
    return places;
}

/*
 * Damages records of a store that is closed: the fingerprints of an attempt and the preimages are
 * all of one number, which is found as it is in the file. Then it asks for what only damaged
 * records can be asked for.
 */
static void damage_records(struct turn *turn) {
    static const char *const asked[] = {"lnkeep_attempts_quarantine", "lnkeep_payments_quarantine"};
    char path[PATH_BYTES * 2];
    uint8_t pattern[32];
    snprintf(path, sizeof path, "%s/store-0/data.mdb", turn->directory);
    memset(pattern, (int)(1 + pick(turn, 6)), sizeof pattern);
    if (flip_pattern(path, pattern) == 0) return;
    turn->is_damaged = 1;
    for (size_t group = 1; group <= 2; group++) {
        open_if_closed(turn, group);
        for (uint32_t i = 0; i < 6 && !turn->is_over; i++) {
            /* Each id and hash that the calls like best: which one was hit, nobody knows. */
            turn->is_steady = 1;
            turn->steady = i;
            run_operation(turn, operation_at(operation_number(asked[group - 1])));
        }
    }
    turn->is_steady = 0;
}

static lnkeep_status close_bits(enum handle_kind kind, uint64_t bits, lnkeep_error *err) {
    switch (kind) {
    case ON_STORE: return lnkeep_store_close(&(lnkeep_store){bits}, err);
    case ON_ATTEMPTS: return lnkeep_attempts_close(&(lnkeep_attempts){bits}, err);
    case ON_EVENTS: return lnkeep_events_close(&(lnkeep_events){bits}, err);
    case ON_PAYMENTS: return lnkeep_payments_close(&(lnkeep_payments){bits}, err);
    case ON_MONITORS:
        return lnkeep_monitors_close(&(lnkeep_monitors){bits}, LNKEEP_MONITORS_DISCARD, err);
    case ON_RESOURCES: return lnkeep_resources_close(&(lnkeep_resources){bits}, err);
    case ON_PEER_STORAGE: return lnkeep_peer_storage_close(&(lnkeep_peer_storage){bits}, err);
    case ON_BACKUP: return lnkeep_backup_close(&(lnkeep_backup){bits}, err);
    case ON_RECOVERY: return lnkeep_recovery_close(&(lnkeep_recovery_session){bits}, err);
    default: return LNKEEP_DONE;
    }
}

static const char *kind_words(enum handle_kind kind) {
    size_t group = 0;
    while (groups[group].kind != kind) group++;
    return groups[group].words;
}

void close_held(struct turn *turn, enum handle_kind kind, struct held *held) {
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = close_bits(kind, held->bits, &err);
    held->is_open = 0;
    /* A full map keeps the last blobs or decisions from being written, and is said so. */
    if (status != LNKEEP_DONE && status != LNKEEP_NO_SPACE && !turn->is_racing) {
        violation(turn, FOUND_STATUS, "lnkeep_%s_close beside the calls answered %s: %s",
                  kind_words(kind), lnkeep_status_name(status), err.message);
    }
}

static void close_all(struct turn *turn, enum handle_kind kind) {
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (turn->held[kind][i].is_open) close_held(turn, kind, &turn->held[kind][i]);
    }
}

static void close_everything(struct turn *turn) {
    /* Components before their stores, or after. */
    int stores_first = pick(turn, 2) == 0;
    if (stores_first) close_all(turn, ON_STORE);
    for (int kind = ON_STORE + 1; kind < HANDLE_KINDS; kind++)
        close_all(turn, (enum handle_kind)kind);
    close_all(turn, ON_STORE);
}

static void free_everything(struct turn *turn) {
    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct kept *place = &turn->kept[i];
        if (!place->pointer) continue;
        read_object(turn, (enum object)place->object, place->pointer);
        free_object(turn, (enum object)place->object, place->pointer);
        place->pointer = NULL;
    }
}

static void forget_blobs(struct turn *turn) {
    for (size_t i = 0; i < BLOBS_MAX; i++) free(turn->blobs[i].bytes);
    memset(turn->blobs, 0, sizeof turn->blobs);
}

/* --- Calls on another thread while this one closes what they work on. */

enum { RACE_CALLS = 24, RACE_BYTES = 1024 };

static const struct operation *pick_operation(struct turn *turn, uint32_t mask, size_t *group) {
    uint32_t choice = pick(turn, 8);
    if (choice < 6 && mask) {
        size_t members[GROUPS], count = 0;
        for (size_t i = 0; i < GROUPS; i++) {
            if (mask >> i & 1) members[count++] = i;
        }
        *group = members[pick(turn, (uint32_t)count)];
    } else if (choice == 6) *group = GROUPS - 1;
    else *group = pick(turn, GROUPS);
    return &groups[*group].operations[pick(turn, (uint32_t)group_len(*group))];
}

struct racer {
    struct turn turn;
    uint32_t mask;
};

static void *race(void *context) {
    struct racer *racer = context;
    size_t group;
    for (int i = 0; i < RACE_CALLS && !racer->turn.is_over; i++) {
        run_operation(&racer->turn, pick_operation(&racer->turn, racer->mask, &group));
    }
    free_everything(&racer->turn);
    return NULL;
}

/* What each closed the other does not know: asked of the library, which the other checks judge. */
static void learn_what_is_open(struct turn *turn) {
    for (size_t i = 0; i < HELD_MAX; i++) {
        struct held(*held)[HELD_MAX] = turn->held;
#define STILL(kind, words)  \
    held[kind][i].is_open = \
        held[kind][i].is_open && lnkeep_##words##_is_open((lnkeep_##words){held[kind][i].bits})
        uint64_t bits = held[ON_STORE][i].bits;
        held[ON_STORE][i].is_open =
            held[ON_STORE][i].is_open && lnkeep_store_is_open((lnkeep_store){bits});
        bits = held[ON_RECOVERY][i].bits;
        held[ON_RECOVERY][i].is_open = held[ON_RECOVERY][i].is_open &&
                                       lnkeep_recovery_is_open((lnkeep_recovery_session){bits});
        STILL(ON_ATTEMPTS, attempts);
        STILL(ON_EVENTS, events);
        STILL(ON_PAYMENTS, payments);
        STILL(ON_MONITORS, monitors);
        STILL(ON_RESOURCES, resources);
        STILL(ON_PEER_STORAGE, peer_storage);
        STILL(ON_BACKUP, backup);
#undef STILL
    }
}

/* The handles that the other thread opened, so that they are closed at the end. */
static void take_over(struct turn *turn, const struct turn *from) {
    for (int kind = 0; kind < HANDLE_KINDS; kind++) {
        for (size_t i = 0; i < HELD_MAX; i++) {
            const struct held *theirs = &from->held[kind][i];
            int is_known = 0;
            for (size_t n = 0; n < HELD_MAX; n++)
                is_known |= turn->held[kind][n].bits == theirs->bits;
            if (is_known || !theirs->is_open) continue;
            struct held *held = &turn->held[kind][turn->held_next[kind]++ % HELD_MAX];
            if (held->is_open) close_held(turn, (enum handle_kind)kind, held);
            *held = *theirs;
        }
    }
}

/* The world as it is now, with nothing of this thread's own, and a third of the bytes. */
static struct racer *make_racer(struct turn *turn, uint32_t mask) {
    struct racer *racer = calloc(1, sizeof *racer);
    size_t bytes = (size_t)(turn->end - turn->at) / 3;
    if (!racer) give_up("memory");
    if (bytes > RACE_BYTES) bytes = RACE_BYTES;
    turn->is_racing = 1;
    racer->mask = mask;
    racer->turn = *turn;
    memset(racer->turn.kept, 0, sizeof racer->turn.kept);
    memset(racer->turn.blobs, 0, sizeof racer->turn.blobs);
    racer->turn.end = racer->turn.at + bytes;
    turn->at += bytes;
    return racer;
}

static void run_race(struct turn *turn, uint32_t mask) {
    struct racer *racer = make_racer(turn, mask);
    pthread_t thread;
    size_t group;
    if (pthread_create(&thread, NULL, race, racer) != 0) give_up("a thread");
    for (int i = 0; i < RACE_CALLS / 2 && !turn->is_over; i++) {
        run_operation(turn, pick_operation(turn, mask, &group));
    }
    pthread_join(thread, NULL);
    forget_blobs(&racer->turn);
    take_over(turn, &racer->turn);
    turn->is_racing = 0;
    learn_what_is_open(turn);
    turn->is_over |= racer->turn.is_over;
    turn->is_damaged |= racer->turn.is_damaged;
    free(racer);
}

/* --- Recipes: calls that only make sense one after the other, and would seldom be met by chance.
 */

static const char *const monitors_recipe[] = {
    "queue_new",       "queue_update", "queue_output",  "capture",
    "commit_captured", "take_outputs", "acknowledge",   "queue_update",
    "queue_snapshot",  "load",         "queue_archive", "capture",
    "commit_captured", "completions",  "purge",         NULL};
static const char *const payments_recipe[] = {"init",         "subscribe", "register", "next",
                                              "fail_attempt", "register",  "settle",   "next",
                                              "fail",         "delete",    NULL};
static const char *const attempts_recipe[] = {
    "init", "subscribe", "mark_handed_off", "store_result", "ready", "poll", "ack", "delete", NULL};
static const char *const backup_recipe[] = {
    "set_payload", "set_facts", "set_htlc",     "connected", "reestablish_begun", "tick", "seal",
    "retrieval",   "tick",      "disconnected", NULL};
static const char *const recovery_recipe[] = {
    "add_candidates", "next_peer", "peer_result", "feed",   "read_progress",
    "payload",        "htlcs",     "export",      "resume", NULL};
static const char *const resources_recipe[] = {
    "add_channel", "add", "lookup", "take_snapshot", "resolve", "decisions", NULL};
static const char *const storage_recipe[] = {
    "claims_complete", "report_claim", "store",           "tick",
    "connected",       "export",       "block_connected", NULL};

static const struct recipe {
    size_t group;
    const char *prefix;
    const char *const *steps;
} recipes[] = {
    {1, "lnkeep_attempts_", attempts_recipe},   {2, "lnkeep_payments_", payments_recipe},
    {4, "lnkeep_monitors_", monitors_recipe},   {5, "lnkeep_resources_", resources_recipe},
    {6, "lnkeep_peer_storage_", storage_recipe}, {7, "lnkeep_backup_", backup_recipe},
    {8, "lnkeep_recovery_", recovery_recipe},
};

static void run_recipe(struct turn *turn, uint32_t mask) {
    const struct recipe *recipe = &recipes[pick(turn, sizeof recipes / sizeof *recipes)];
    turn->steady = pick(turn, 16);
    if (!(mask >> recipe->group & 1)) return;
    open_if_closed(turn, recipe->group);
    /* Now and then something else comes between. */
    for (const char *const *step = recipe->steps; *step && !turn->is_over; step++) {
        char name[80];
        size_t group;
        snprintf(name, sizeof name, "%s%s", recipe->prefix, *step);
        turn->is_steady = 1;
        run_operation(turn, operation_at(operation_number(name)));
        turn->is_steady = 0;
        if (seldom(turn, 8)) run_operation(turn, pick_operation(turn, mask, &group));
    }
}

/* --- The whole. */

/*
 * In place of the C library's: a store allocates 22 MiB ahead, and to clear them takes longer than
 * all calls on it. Here no disk gets full; torture/full_disk.c has one that does.
 */
int posix_fallocate(int descriptor, off_t from, off_t len) {
    struct stat facts;
    if (fstat(descriptor, &facts) != 0) return errno;
    if (facts.st_size >= from + len) return 0;
    return ftruncate(descriptor, from + len) == 0 ? 0 : errno;
}

static char scratch[PATH_BYTES];

void sequences_start(const char *directory) {
    snprintf(scratch, sizeof scratch, "%s", directory);
    for (size_t i = 0; i < KNOWN_PREIMAGES; i++) {
        memset(preimages[i], (int)(i + 1), 32);
        sha256(preimages[i], 32, hashes[i]);
    }
    memset(hashes[KNOWN_PREIMAGES], 0xff, 32);
    for (size_t i = 0; i < NODES; i++)
        memset(nodes[i], (int)(2 + i), 33), nodes[i][0] = (uint8_t)(2 + i % 2);
    for (size_t i = 0; i < CHANNELS; i++) memset(channel_ids[i], (int)(0x40 + i), 32);
    for (size_t i = 0; i < SECRETS; i++) memset(secrets[i], (int)(11 + i), 32);
    memset(sevens, 7, sizeof sevens);
    /* So that what is listed once is made before there are threads. */
    operation_number(operation_at(0)->name);
}

static void check_files(struct turn *turn) {
    static const char *const names[] = {"store-0", "store-1", "restored"};
    for (size_t i = 0; i < sizeof names / sizeof *names && !turn->is_over; i++) {
        char path[PATH_BYTES * 2];
        lnkeep_check_report *report = NULL;
        lnkeep_error err = LNKEEP_ERROR_INIT;
        struct stat facts;
        snprintf(path, sizeof path, "%s/%s/data.mdb", turn->directory, names[i]);
        if (stat(path, &facts) != 0) continue;
        *strrchr(path, '/') = 0;
        lnkeep_status status = lnkeep_check(path, &report, &err);
        if (status == LNKEEP_DONE) read_object(turn, A_CHECK_REPORT, report);
        else
            violation(turn, FOUND_REOPEN, "the check of %s answered %s: %s", names[i],
                      lnkeep_status_name(status), err.message);
        lnkeep_check_report_free(report);
    }
}

static void make_place(struct turn *turn) {
    char path[PATH_BYTES * 2];
    snprintf(turn->directory, sizeof turn->directory, "%s", scratch);
    if (mkdir(turn->directory, 0700) != 0) give_up(turn->directory);
    snprintf(path, sizeof path, "%s/a-file", turn->directory);
    write_whole(path, (const uint8_t *)"not a store", 11, 11);
}

/* The lowest descriptor that is free: whatever was opened has been closed when it is the same
 * again. */
static int free_descriptor(void) {
    int descriptor = fcntl(1, F_DUPFD_CLOEXEC, 3);
    if (descriptor >= 0) close(descriptor);
    return descriptor;
}

static void run_calls(struct turn *turn, unsigned calls_max) {
    uint32_t mask = 1 | pick(turn, 256) << 1 | pick(turn, 4) << 9;
    uint64_t until = *progress + calls_max;
    for (size_t i = 0; i < GROUPS; i++) {
        if (mask >> i & 1) open_if_closed(turn, i);
    }
    while (turn->at < turn->end && !turn->is_over && *progress < until) {
        size_t group;
        uint32_t choice = pick(turn, 256);
        if (choice == 255) {
            run_race(turn, mask);
            continue;
        }
        if (choice == 254 && pick(turn, 4) == 0) {
            close_everything(turn);
            damage_records(turn);
            continue;
        }
        if (choice >= 246 && choice < 254) {
            run_recipe(turn, mask);
            continue;
        }
        const struct operation *operation = pick_operation(turn, mask, &group);
        if (choice % 4 != 3) open_if_closed(turn, group);
        run_operation(turn, operation);
    }
}

void run_sequence(const uint8_t *bytes, size_t len, unsigned calls_max) {
    struct turn *turn = calloc(1, sizeof *turn);
    int descriptor = free_descriptor();
    if (!turn) give_up("memory");
    turn->at = bytes;
    turn->end = bytes + len;
    turn->now_ms = 1700000000000u;
    turn->height = 800000;
    make_place(turn);
    run_calls(turn, calls_max);
    close_everything(turn);
    /* They outlive their stores. */
    free_everything(turn);
    check_files(turn);
    if (free_descriptor() != descriptor) violation(turn, FOUND_WRONG, "a descriptor was left open");
    remove_tree(turn->directory);
    forget_blobs(turn);
    free(turn);
}

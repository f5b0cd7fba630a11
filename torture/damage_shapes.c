/* Builds the stores that are damaged, and keeps their files at three moments. */

#define _GNU_SOURCE
#include "damage.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 128, FIRST_ID = 10000, ID_STEP = 7, LIMIT_MS = 120000 };

static const struct shape {
    const char *name;
    unsigned first, second, last; /* attempts registered at each of the three stages */
    unsigned keys, message_bytes;
    int deletes; /* most attempts are deleted again, so that the free list is long */
    unsigned payments[3], request_bytes; /* initiated at each stage; of each payment */
    unsigned parts, parts_len;           /* bits of HAS_PART; channels and peers of each */
    unsigned weight;                     /* how often it is damaged */
} shapes[SHAPES] = {
    {"empty", 0, 0, 0, 0, 0, 0, {0, 0, 0}, 0, 0, 0, 1},
    {"small", 10, 5, 3, 3, 50, 0, {8, 5, 3}, 60, 0, 0, 3},
    {"large", 2400, 500, 100, 60, 90, 0, {400, 120, 40}, 120, 0, 0, 1},
    {"deleted", 2800, 0, 40, 10, 300, 1, {300, 0, 16}, 120, 0, 0, 1},
    {"overflow", 30, 10, 5, 3, 60000, 0, {16, 8, 8}, 8000, 0, 0, 2},
    {"monitors", 4, 2, 2, 2, 40, 0, {4, 2, 2}, 60, HAS_PART(PART_MONITORS), 36, 4},
    {"resources", 4, 2, 2, 2, 40, 0, {4, 2, 2}, 60, HAS_PART(PART_RESOURCES), 24, 4},
    {"peers", 4, 2, 2, 2, 40, 0, {4, 2, 2}, 60, HAS_PART(PART_PEERS), 60, 4},
    {"backup", 4, 2, 2, 2, 40, 0, {4, 2, 2}, 60, HAS_PART(PART_BACKUP), 18, 3},
    {"state lost", 4, 2, 2, 2, 40, 0, {4, 2, 2}, 60, HAS_PART(PART_BACKUP) | HAS_LOST_STATE, 8, 2},
    {"node", 10, 5, 3, 3, 50, 0, {8, 5, 3}, 60, HAS_PART(PARTS) - 1, 9, 4},
};

const char *const shape_names[SHAPES] = {
    "empty",     "small", "large",  "deleted",    "overflow", "monitors",
    "resources", "peers", "backup", "state lost", "node",
};

unsigned shape_of(uint64_t chance) {
    unsigned sum = 0, shape = 0;
    for (unsigned i = 0; i < SHAPES; i++) sum += shapes[i].weight;
    unsigned dice = (unsigned)(chance % sum);
    while (dice >= shapes[shape].weight) dice -= shapes[shape++].weight;
    return shape;
}

size_t page_bytes(void) {
    static size_t bytes;
    if (bytes == 0) bytes = (size_t)sysconf(_SC_PAGESIZE);
    return bytes;
}

lnkeep_bytes base_external_key(size_t number, char *text) {
    int len = snprintf(text, 24, "external key %zu", number);
    return (lnkeep_bytes){(const uint8_t *)text, (size_t)len};
}

/* Shared with the child that builds, which waits while its parent copies the files. */
struct building {
    char directory[PATH_BYTES];
    const struct shape *shape;
    int is_clean;
    atomic_int paused;
    struct making m;
};

static void need(lnkeep_status status, const char *what) {
    if (status == LNKEEP_DONE) return;
    fprintf(stderr, "damage: building: %s answered %s\n", what, lnkeep_status_name(status));
    _exit(70);
}

static void open_base(struct building *b) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_bytes name = {(const uint8_t *)"reader", 6};
    lnkeep_events events;
    options.flags = LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = EVENT_KINDS_ALL;
    need(lnkeep_store_open(b->directory, &options, &b->m.store, NULL, NULL), "open");
    need(lnkeep_attempts_open(b->m.store, NULL, &b->m.attempts, NULL), "attempts");
    need(lnkeep_payments_open(b->m.store, NULL, &b->m.payments, NULL), "payments");
    /* It acknowledges nothing, so that every event stays. */
    need(lnkeep_events_open(b->m.store, name, 0, &events, NULL), "events");
    need(lnkeep_store_tick(b->m.store, 1700000000000u, 800000, NULL), "tick");
}

static lnkeep_attempt_key key_of(size_t number) {
    lnkeep_attempt_key key = {.id = FIRST_ID + ID_STEP * number};
    key.namespace_bytes[15] = number % 5 == 0;
    return key;
}

static lnkeep_op init_op(const struct building *b, size_t number) {
    lnkeep_op op = {.kind = LNKEEP_OP_ATTEMPT_INIT, .component = b->m.attempts.bits};
    lnkeep_attempt_request *request = &op.body.attempt_init;
    request->key = key_of(number);
    request->present = LNKEEP_HAS_FINGERPRINT;
    request->amount_msat = 1000 + number;
    memset(request->fingerprint, (int)number, sizeof request->fingerprint);
    return op;
}

/* What happens to an attempt after it was registered: a third of each. */
static lnkeep_op next_op(const struct building *b, size_t number) {
    static uint8_t message[65536];
    lnkeep_op op = {.component = b->m.attempts.bits};
    if (number % 3 == 0) {
        op.kind = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF;
        op.body.attempt_key = key_of(number);
        return op;
    }
    uint64_t chance = number;
    if (message[0] == 0) chance_fill(&chance, message, sizeof message);
    op.kind = LNKEEP_OP_ATTEMPT_STORE_RESULT;
    op.body.attempt_result.key = key_of(number);
    lnkeep_attempt_result *result = &op.body.attempt_result.result;
    result->kind = number % 3 == 1 ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL;
    if (number % 3 == 1) memset(result->preimage, (int)number | 1, sizeof result->preimage);
    unsigned len = b->shape->message_bytes;
    result->message = (lnkeep_bytes){message + number % 64, len ? len - (unsigned)number % 40 : 0};
    return op;
}

static void submit(struct building *b, const lnkeep_op *ops, size_t len) {
    static lnkeep_outcome outcomes[BATCH];
    if (len > 0) need(lnkeep_submit(b->m.store, ops, len, 0, outcomes, NULL), "submit");
}

/* Registers attempts and carries them on, in commits of at most `batch` operations. */
static void add_attempts(struct building *b, size_t from, size_t len, size_t batch) {
    static lnkeep_op ops[BATCH];
    for (int round = 0; round < 2; round++) {
        size_t filled = 0;
        for (size_t number = from; number < from + len; number++) {
            ops[filled++] = round == 0 ? init_op(b, number) : next_op(b, number);
            if (filled < batch) continue;
            submit(b, ops, filled);
            filled = 0;
        }
        submit(b, ops, filled);
    }
    for (size_t number = from; number < from + len; number++) {
        b->m.truth->ids[b->m.truth->ids_len++].key = key_of(number);
    }
}

static void add_keys(struct building *b, size_t len) {
    uint8_t name_space[16] = {[15] = 9};
    char text[24];
    for (size_t i = 0; i < len; i++) {
        size_t at = b->m.truth->keys_len++;
        lnkeep_bytes key = base_external_key(at, text);
        need(lnkeep_attempts_allocate(b->m.attempts, name_space, key, &b->m.truth->keys[at], NULL),
             "allocate");
    }
}

/* Nearly all that ended: half of them forgotten, half of them with a tombstone. */
static void delete_most(struct building *b) {
    static lnkeep_attempt_key keys[IDS_MAX];
    static lnkeep_outcome outcomes[IDS_MAX];
    struct truth *truth = b->m.truth;
    size_t kept = 0;
    for (uint32_t flags = 0; flags <= LNKEEP_DELETE_FORGET; flags++) {
        size_t len = 0;
        for (size_t number = 0; number < b->shape->first; number++) {
            int mine = number % 3 != 0 && number % 2 == flags && number % 50 != 1;
            if (mine) keys[len++] = key_of(number);
        }
        for (size_t at = 0; at < len; at += BATCH) {
            size_t part = len - at < BATCH ? len - at : BATCH;
            need(lnkeep_attempts_delete(b->m.attempts, keys + at, part, flags, outcomes, NULL),
                 "delete");
        }
    }
    for (size_t number = 0; number < truth->ids_len; number++) {
        /* Attempts of payments come after those of the first stage. */
        int forgotten = number < b->shape->first && number % 3 != 0 && number % 2 == 1 &&
                        number % 50 != 1;
        if (!forgotten) truth->ids[kept++] = truth->ids[number];
    }
    truth->ids_len = kept;
}

static void pause_for_copy(struct building *b) {
    atomic_store(&b->paused, 1);
    while (atomic_load(&b->paused)) sleep_us(200);
}

static void add_payments(struct building *b, unsigned stage, size_t batch) {
    const unsigned *lens = b->shape->payments;
    size_t from = 0;
    for (unsigned before = 0; before < stage; before++) from += lens[before];
    need(base_add_payments(&b->m, from, lens[stage], batch), "payments");
}

static void add_parts(struct building *b, unsigned stage) {
    b->m.parts.store = b->m.store;
    need(parts_fill(&b->m.parts, stage), "parts");
}

static void close_base(struct building *b) {
    need(parts_close(&b->m.parts), "close of parts");
    need(lnkeep_payments_close(&b->m.payments, NULL), "close");
    need(lnkeep_attempts_close(&b->m.attempts, NULL), "close");
    need(lnkeep_store_close(&b->m.store, NULL), "close");
}

static int build(void *context) {
    struct building *b = context;
    const struct shape *shape = b->shape;
    open_base(b);
    add_attempts(b, 0, shape->first, BATCH);
    add_keys(b, shape->keys / 2);
    add_payments(b, 0, BATCH - 8);
    add_parts(b, 0);
    close_base(b);
    pause_for_copy(b);
    open_base(b);
    if (shape->deletes) delete_most(b);
    add_attempts(b, shape->first, shape->second, BATCH);
    add_payments(b, 1, BATCH - 8);
    add_parts(b, 1);
    pause_for_copy(b);
    /* Small commits, so that the pages of the last ones are not the pages of the ones before. */
    add_attempts(b, shape->first + shape->second, shape->last, 3);
    add_payments(b, 2, 3);
    add_parts(b, 2);
    add_keys(b, shape->keys - shape->keys / 2);
    if (b->is_clean) close_base(b);
    return 0;
}

static void file_path(char *path, const char *directory, const char *name) {
    snprintf(path, PATH_BYTES + 16, "%s/%s", directory, name);
}

static void take_image(struct image *image, const char *directory) {
    char path[PATH_BYTES + 16];
    file_path(path, directory, "data.mdb");
    if (!read_whole(path, &image->data, &image->file_bytes)) give_up(path);
    size_t len = image->file_bytes;
    while (len > 0 && image->data[len - 1] == 0) len--;
    image->data_len = (len + page_bytes() - 1) / page_bytes() * page_bytes();
    /* Shared, because a fork copies the page tables of all other memory. */
    uint8_t *shared = shared_memory(image->data_len);
    memcpy(shared, image->data, image->data_len);
    free(image->data);
    image->data = shared;
    file_path(path, directory, "lock.mdb");
    if (!read_whole(path, &image->lock, &image->lock_len)) give_up(path);
    file_path(path, directory, "owner.lock");
    if (!read_whole(path, &image->owner, &image->owner_len)) give_up(path);
}

void base_restore(const struct base *base, const struct image *image) {
    char path[PATH_BYTES + 16];
    file_path(path, base->directory, "data.mdb");
    write_whole(path, image->data, image->data_len, image->file_bytes);
    file_path(path, base->directory, "lock.mdb");
    write_whole(path, image->lock, image->lock_len, image->lock_len);
    file_path(path, base->directory, "owner.lock");
    write_whole(path, image->owner, image->owner_len, image->owner_len);
}

static void wait_for_pause(struct building *b, int process) {
    uint64_t until_us = now_us() + LIMIT_MS * 1000u;
    while (!atomic_load(&b->paused)) {
        if (kill(process, 0) != 0 || now_us() > until_us) give_up("building a store");
        sleep_us(200);
    }
}

static void learn(struct base *base) {
    struct learning learning = {base->directory, base->truth};
    /* The rows first: an open by lnkeep writes. */
    struct ended bare = run_child(bare_truth, &learning, LIMIT_MS);
    struct ended ended = run_child(read_truth, &learning, LIMIT_MS);
    if (bare.code || bare.signal || ended.code || ended.signal) give_up("reading a sound store");
    base_restore(base, &base->now);
}

void base_build(struct base *base, unsigned shape, int is_clean) {
    char name[64];
    struct building *b = shared_memory(sizeof *b);
    snprintf(name, sizeof name, "%s-%s", shapes[shape].name, is_clean ? "clean" : "unclean");
    scratch_path(base->directory, sizeof base->directory, name);
    remove_tree(base->directory);
    base->truth = shared_memory(sizeof *base->truth);
    memcpy(b->directory, base->directory, sizeof b->directory);
    b->shape = &shapes[shape];
    b->m.truth = base->truth;
    b->m.parts.truth = &base->truth->parts;
    base->truth->parts.wanted = b->shape->parts;
    base->truth->parts.len = b->shape->parts_len;
    b->is_clean = is_clean;
    b->m.forgets = b->shape->deletes;
    b->m.request_bytes = base->truth->request_bytes = b->shape->request_bytes;
    int process = start_child(build, b);
    wait_for_pause(b, process);
    take_image(&base->old, base->directory);
    atomic_store(&b->paused, 0);
    wait_for_pause(b, process);
    take_image(&base->mid, base->directory);
    atomic_store(&b->paused, 0);
    struct ended ended = await_child(process, LIMIT_MS);
    if (ended.code || ended.signal || ended.hung) give_up("building a store");
    take_image(&base->now, base->directory);
    learn(base);
}

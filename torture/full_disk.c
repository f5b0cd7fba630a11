/*
 * A small file system is filled to the last block and freed again, many times. While it is full,
 * new intents are refused and nothing else is; nothing is lost, and the store is never poisoned.
 */

#define _GNU_SOURCE
#include "full_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IDS_MAX = 1 << 24,
    INIT_BATCH = 512,
    BATCH = 64,
    FINISHED = 320, /* attempts that go on and end while the disk is full */
    MESSAGE_BYTES = 700,
    RENEW_EVERY = 2, /* cycles: a store never shrinks, and would fill the disk by itself */
    KILL_EVERY = 3,  /* cycles after which the host ends without a close, on the full disk */
    LIMIT_MS = 60000,
};

/* What the host was told of each attempt, in memory that outlives it. */
enum told { TOLD_NOTHING, TOLD_INTENT, TOLD_HANDED_OFF, TOLD_SETTLED, TOLD_FAILED, TOLD_DELETED,
            TOLD_FORGOTTEN };

struct told_all {
    uint64_t next_id, cycles, refused, finished_while_full, opens_while_full, sealed;
    uint8_t told[IDS_MAX], grants[IDS_MAX];
};

static struct run {
    uint64_t seed, cycle;
    int ignores; /* control: dispatches although the answer is NO_SPACE */
    char store_path[4096], ballast_path[4096];
    struct told_all *all;
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    struct parts parts;
} run;

static lnkeep_attempt_key key_of(uint64_t id) { return (lnkeep_attempt_key){.id = id}; }

/* Takes the last block: first in large pieces, then in ever smaller ones. */
static void fill_disk(void) {
    int descriptor = open(run.ballast_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    off_t at = 0;
    if (descriptor < 0) give_up("making the ballast");
    for (off_t piece = 64 << 20; piece >= 1024; piece /= 2) {
        while (posix_fallocate(descriptor, at, piece) == 0) at += piece;
    }
    close(descriptor);
}

static void free_disk(void) {
    if (unlink(run.ballast_path) != 0) give_up("removing the ballast");
}

void expect_status(lnkeep_status given, lnkeep_status wanted, const char *what) {
    if (given == wanted) return;
    finding(FOUND_STATUS, "%s answered %s, not %s", what, lnkeep_status_name(given),
            lnkeep_status_name(wanted));
}

static void open_store(const char *when) {
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_open(run.store_path, NULL, &run.store, NULL, &err);
    if (status == LNKEEP_DONE) {
        status = lnkeep_attempts_open(run.store, NULL, &run.attempts, &err);
    }
    if (status == LNKEEP_DONE) {
        status = lnkeep_payments_open(run.store, NULL, &run.payments, &err);
    }
    if (status == LNKEEP_DONE) {
        run.parts = (struct parts){.store = run.store, .cycle = run.cycle, .ignores = run.ignores,
                                   .sealed = &run.all->sealed};
        parts_open(&run.parts, when);
        return;
    }
    finding(FOUND_REOPEN, "open %s: %s", when, err.message);
    _exit(1);
}

static struct paying paying(void) {
    uint64_t first = 1 + run.cycle * (PAYMENTS_PER_CYCLE + 1);
    return (struct paying){run.attempts, run.payments, first, run.ignores};
}

static void close_store(lnkeep_status waiting) {
    parts_close(&run.parts, waiting);
    expect_status(lnkeep_payments_close(&run.payments, NULL), LNKEEP_DONE, "closing payments");
    expect_status(lnkeep_attempts_close(&run.attempts, NULL), LNKEEP_DONE, "closing attempts");
    expect_status(lnkeep_store_close(&run.store, NULL), LNKEEP_DONE, "close");
}

static void note_grant(uint64_t id) {
    if (id >= IDS_MAX) give_up("too many ids");
    run.all->told[id] = TOLD_INTENT;
    if (++run.all->grants[id] == 2) {
        finding(FOUND_GRANTED_TWICE, "id %llu was granted twice", (unsigned long long)id);
    }
}

static void init_ops(lnkeep_op *ops, uint64_t from, size_t len) {
    memset(ops, 0, len * sizeof *ops);
    for (size_t i = 0; i < len; i++) {
        ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
        ops[i].component = run.attempts.bits;
        ops[i].body.attempt_init.key = key_of(from + i);
    }
}

/* Registers ids until the disk is full. The first id that was refused is next_id afterwards. */
static void init_until_full(void) {
    static lnkeep_op ops[INIT_BATCH];
    static lnkeep_outcome outcomes[INIT_BATCH];
    /* What is too much for many at once may have room for fewer. */
    for (size_t len = INIT_BATCH; len > 0; len /= 2) {
        for (;;) {
            uint64_t from = run.all->next_id;
            init_ops(ops, from, len);
            lnkeep_status status = lnkeep_submit(run.store, ops, len, 0, outcomes, NULL);
            if (status != LNKEEP_DONE) break;
            for (size_t i = 0; i < len; i++) note_grant(from + i);
            run.all->next_id += len;
        }
        for (size_t i = 0; i < len; i++) {
            expect_status(outcomes[i].status, LNKEEP_NO_SPACE, "init on a full disk");
        }
        run.all->refused += len;
    }
    if (run.ignores) note_grant(run.all->next_id);
}

/* Everything that starts something is refused, definitely. */
static void check_refusals(void) {
    lnkeep_attempt_request request = {.key = key_of(run.all->next_id)};
    lnkeep_bytes name = {(const uint8_t *)"a new name", 10};
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    lnkeep_attempt *attempt = NULL;
    uint64_t id;
    expect_status(lnkeep_attempts_init(run.attempts, &request, NULL, NULL), LNKEEP_NO_SPACE,
                  "init on a full disk");
    expect_status(lnkeep_attempts_allocate(run.attempts, NULL, name, &id, NULL), LNKEEP_NO_SPACE,
                  "allocate on a full disk");
    lnkeep_status status = lnkeep_attempts_get(run.attempts, &request.key, &attempt, NULL);
    if (status != LNKEEP_NOT_FOUND) finding(FOUND_STATUS, "a refused init left a record");
    lnkeep_attempt_free(attempt);
    expect_status(lnkeep_store_stats(run.store, &stats, NULL), LNKEEP_DONE, "stats");
    if (!(stats.flags & LNKEEP_STATS_NO_SPACE)) finding(FOUND_STATUS, "the stats hide a full disk");
}

static lnkeep_attempt_result result_of(uint64_t id, int settles) {
    static uint8_t message[MESSAGE_BYTES];
    lnkeep_attempt_result result = {.message = {message, sizeof message}};
    uint64_t chance = id;
    chance_fill(&chance, message, sizeof message);
    result.kind = settles ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL;
    if (settles) memset(result.preimage, (int)id | 1, sizeof result.preimage);
    return result;
}

static lnkeep_status finish_one(uint64_t id) {
    lnkeep_attempt_key key = key_of(id);
    lnkeep_attempt_result result = result_of(id, id % 2 == 0);
    lnkeep_outcome outcome;
    lnkeep_bytes none = {0};
    lnkeep_status status;
    switch (id % 6) {
    case 0:
        status = lnkeep_attempts_mark_handed_off(run.attempts, &key, NULL, NULL);
        if (status == LNKEEP_DONE) run.all->told[id] = TOLD_HANDED_OFF;
        return status;
    case 1:
        status = lnkeep_attempts_fail_pending(run.attempts, &key, 0, none, 0, NULL, NULL);
        if (status == LNKEEP_DONE) run.all->told[id] = TOLD_FAILED;
        return status;
    default: break;
    }
    status = lnkeep_attempts_store_result(run.attempts, &key, &result, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    run.all->told[id] = id % 2 == 0 ? TOLD_SETTLED : TOLD_FAILED;
    if (id % 6 < 4) return lnkeep_attempts_ack(run.attempts, &key, NULL, NULL);
    if (id % 6 == 4) return status;
    status = lnkeep_attempts_delete(run.attempts, &key, 1, 0, &outcome, NULL);
    if (status == LNKEEP_DONE) run.all->told[id] = TOLD_DELETED;
    return status;
}

/* Results, marks, rollbacks, acknowledgements and deletes have the reserve. */
static void finish_while_full(uint64_t first) {
    uint64_t end = first + FINISHED < run.all->next_id ? first + FINISHED : run.all->next_id;
    for (uint64_t id = first; id < end; id++) {
        expect_status(finish_one(id), LNKEEP_DONE, "finishing on a full disk");
        run.all->finished_while_full++;
    }
}

static void check_one(uint64_t id) {
    static const uint8_t states[] = {
        [TOLD_INTENT] = LNKEEP_STATE_INTENT,   [TOLD_HANDED_OFF] = LNKEEP_STATE_HANDED_OFF,
        [TOLD_SETTLED] = LNKEEP_STATE_SETTLED, [TOLD_FAILED] = LNKEEP_STATE_FAILED,
    };
    lnkeep_attempt_key key = key_of(id);
    lnkeep_attempt *attempt = NULL;
    enum told told = run.all->told[id];
    lnkeep_status wanted = told == TOLD_DELETED                           ? LNKEEP_DELETED
                           : told == TOLD_NOTHING || told == TOLD_FORGOTTEN ? LNKEEP_NOT_FOUND
                                                                            : LNKEEP_DONE;
    lnkeep_status status = lnkeep_attempts_get(run.attempts, &key, &attempt, NULL);
    if (status != wanted) {
        finding(FOUND_LOST, "id %llu: %s, not %s", (unsigned long long)id,
                lnkeep_status_name(status), lnkeep_status_name(wanted));
    } else if (status == LNKEEP_DONE && attempt->state != states[told]) {
        finding(FOUND_LOST, "id %llu: state %u, not %u", (unsigned long long)id, attempt->state,
                states[told]);
    } else if (status == LNKEEP_DONE && attempt->result.message.len == MESSAGE_BYTES) {
        lnkeep_attempt_result result = result_of(id, told == TOLD_SETTLED);
        if (memcmp(attempt->result.message.ptr, result.message.ptr, MESSAGE_BYTES) != 0) {
            finding(FOUND_WRONG, "id %llu: another message", (unsigned long long)id);
        }
    }
    lnkeep_attempt_free(attempt);
}

/* The host dies on the full disk, and the next one opens the store there. */
static void reopen_while_full(uint64_t first) {
    open_store("on a full disk");
    run.all->opens_while_full++;
    for (uint64_t id = first; id < run.all->next_id; id++) check_one(id);
    check_refusals();
}

/* Adds what ends an attempt and forgets it; answers how many operations that takes. */
static size_t forget_ops(lnkeep_op *ops, uint64_t id) {
    enum told told = run.all->told[id];
    size_t len = 0;
    memset(ops, 0, 2 * sizeof *ops);
    if (told == TOLD_INTENT || told == TOLD_HANDED_OFF) {
        ops[len].kind = LNKEEP_OP_ATTEMPT_FAIL_PENDING;
        ops[len].flags = LNKEEP_FAIL_FORCED;
        ops[len++].body.attempt_rollback.key = key_of(id);
    }
    if (told != TOLD_NOTHING && told != TOLD_DELETED) {
        ops[len].kind = LNKEEP_OP_ATTEMPT_DELETE;
        ops[len].flags = LNKEEP_DELETE_FORGET;
        ops[len++].body.attempt_key = key_of(id);
    }
    for (size_t i = 0; i < len; i++) ops[i].component = run.attempts.bits;
    return len;
}

/* In steps that free as many pages as they take, so that the file does not grow with the cycles. */
static void finish_cycle(uint64_t first) {
    static lnkeep_op ops[2 * BATCH];
    static lnkeep_outcome outcomes[2 * BATCH];
    for (uint64_t id = first; id < run.all->next_id; id += BATCH) {
        uint64_t end = id + BATCH < run.all->next_id ? id + BATCH : run.all->next_id;
        size_t len = 0;
        for (uint64_t at = id; at < end; at++) len += forget_ops(&ops[len], at);
        lnkeep_status status = lnkeep_submit(run.store, ops, len, 0, outcomes, NULL);
        expect_status(status, LNKEEP_DONE, "ending what is left");
        for (uint64_t at = id; at < end; at++) {
            if (run.all->told[at] != TOLD_DELETED) run.all->told[at] = TOLD_FORGOTTEN;
        }
    }
}

static int cycle_until_full(void *context) {
    uint64_t *first = context;
    int dies = run.cycle % KILL_EVERY == 0;
    open_store("with free space");
    *first = run.all->next_id;
    struct paying p = paying();
    payments_begin(&p);
    parts_begin(&run.parts);
    fill_disk();
    init_until_full();
    check_refusals();
    finish_while_full(*first);
    payments_finish_while_full(&p);
    parts_while_full(&run.parts);
    /* Ends as a crash does: the store is not closed. */
    if (dies) return 0;
    for (uint64_t id = *first; id < run.all->next_id; id++) check_one(id);
    payments_check(&p, 1);
    parts_check(&run.parts, 0);
    close_store(LNKEEP_NO_SPACE);
    return 0;
}

static int cycle_after_full(void *context) {
    uint64_t first = *(uint64_t *)context;
    reopen_while_full(first);
    struct paying p = paying();
    payments_check(&p, 1);
    parts_check(&run.parts, 1);
    free_disk();
    payments_check(&p, 0);
    parts_end(&run.parts);
    lnkeep_attempt_request request = {.key = key_of(run.all->next_id)};
    expect_status(lnkeep_attempts_init(run.attempts, &request, NULL, NULL), LNKEEP_DONE,
                  "the refused init, on a disk with room");
    note_grant(run.all->next_id++);
    for (uint64_t id = first; id < run.all->next_id; id++) check_one(id);
    finish_cycle(first);
    payments_end(&p);
    for (uint64_t id = first; id < run.all->next_id; id++) check_one(id);
    close_store(LNKEEP_DONE);
    return 0;
}

/* A host that gives up was perhaps never on a full disk. */
static int is_done(struct ended ended, const char *what) {
    expect_done(ended, what);
    return !ended.hung && !ended.signal && ended.code == 0;
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--cycles", 1}, {"--directory", 1}, {"--control", 1}};
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    const char *directory = option_text(argc, argv, "--directory", NULL);
    if (!directory) {
        fprintf(stderr, "full_disk: --directory names an empty file system of about 64 MiB\n");
        exit(64);
    }
    snprintf(run.store_path, sizeof run.store_path, "%s/store", directory);
    snprintf(run.ballast_path, sizeof run.ballast_path, "%s/ballast", directory);
    run.seed = option_seed(argc, argv);
    run.ignores = option_given(argc, argv, "--control");
    findings_silent(run.ignores);
}

int main(int argc, char **argv) {
    char details[200];
    read_options(argc, argv);
    findings_start();
    run.all = shared_memory(sizeof *run.all);
    run.all->next_id = 1 + run.seed % 1000;
    uint64_t *first = shared_memory(sizeof *first);
    uint64_t cycles = option_number(argc, argv, "--cycles", 100);
    for (run.cycle = 0; run.cycle < cycles; run.cycle++) {
        if (run.cycle % RENEW_EVERY == 0) remove_tree(run.store_path);
        findings_at("env LNKEEP_TORTURE_SEED=%llu LNKEEP_TORTURE_CYCLES=%llu sh torture/run.sh full_disk",
                    (unsigned long long)run.seed, (unsigned long long)run.cycle + 1);
        if (!is_done(run_child(cycle_until_full, first, LIMIT_MS), "the host")) break;
        if (!is_done(run_child(cycle_after_full, first, LIMIT_MS), "the next host")) break;
    }
    if (run.ignores) {
        const char *control = option_text(argc, argv, "--control", "");
        int silent = findings_count(FOUND_LOST) == 0 || findings_count(FOUND_BLOB) == 0;
        return findings_report_control("full_disk", control, run.seed, run.cycle,
                                       FOUND_GRANTED_TWICE) || silent;
    }
    snprintf(details, sizeof details,
             "%llu inits refused, %llu attempts and %llu payments finished, %llu opens made on a full "
             "disk",
             (unsigned long long)run.all->refused,
             (unsigned long long)run.all->finished_while_full,
             (unsigned long long)run.cycle * PAYMENTS_PER_CYCLE,
             (unsigned long long)run.all->opens_while_full);
    return findings_report("full_disk", run.seed, run.cycle, details);
}

/* Backups, restores, compactions and growth under power cuts: each host, and its check. */

#include "power.h"

#include "common.h"
#include "flush.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STEPS_BETWEEN = 4, /* of the workload, from one backup to the next */
    STEPS_AFTER = 16,  /* a compaction, in the file that it made */
    GROWTH_ROUNDS = 24,
    GROWTH_BATCH = 16,
    GROWTH_MESSAGE_BYTES = 12000,
    GROWTH_MAP_BYTES = 1 << 20,
};

const char *const course_names[COURSES] = {"life", "backup", "restore", "compact", "growth"};

static void path_in(const struct host *host, char *path, size_t len, const char *name,
                    unsigned number) {
    snprintf(path, len, "%s/%s-%u", host->mount, name, number);
}

static int go_on(struct session *session, unsigned from, unsigned to) {
    unsigned len = session->life->script->steps_len;
    for (unsigned at = from; at < to && at < len; at++) {
        if (session_step(session, at) != LIFE_ENDED) return LIFE_STOPPED;
    }
    return LIFE_ENDED;
}

/* A backup holds what was answered before it was begun, from memory or not. */
static void note_backed_up(struct session *session, struct backed_up *noted) {
    const struct ledger *ledger = session->life->ledger;
    unsigned calls = ledger->resources.len;
    noted->provider = ledger->provider;
    noted->consumer = ledger->consumer;
    noted->resources = calls ? ledger->resources.calls[calls - 1].digest : 0;
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        const struct provider_peer *peer = &session->provider.peers[at];
        if (!peer->is_vague) promise_is(&noted->provider.peers[at], provider_newest(peer));
    }
}

static int back_up(struct host *host, struct session *session, unsigned number, unsigned at) {
    char path[4400];
    path_in(host, path, sizeof path, "backup", number);
    host->told->backup_at[number] = at;
    note_backed_up(session, &host->told->backed_up[number]);
    host->told->backups_begun = number + 1;
    lnkeep_status status = lnkeep_store_backup(session->store, path, NULL, NULL);
    host->life.ledger->status_seen = status;
    ledger_note(session->life->ledger, status);
    if (status != LNKEEP_DONE) return 0;
    host->told->backups_done |= 1u << number;
    provider_is_flushed(session);
    return 1;
}

static int run_backup(struct host *host) {
    static struct session session;
    unsigned at = session_replay(&session, &host->life);
    if (session_open(&session, 0) != LNKEEP_DONE) return LIFE_STOPPED;
    for (unsigned i = 0; i < BACKUPS; i++) {
        if (!back_up(host, &session, i, at)) return LIFE_STOPPED;
        if (go_on(&session, at, at + STEPS_BETWEEN) != LIFE_ENDED) return LIFE_STOPPED;
        at += STEPS_BETWEEN;
    }
    return LIFE_STOPPED;
}

static int run_restore(struct host *host) {
    char backup[4400], directory[4400];
    path_in(host, backup, sizeof backup, "backup", 0);
    path_in(host, directory, sizeof directory, "restored", 0);
    lnkeep_status status = lnkeep_store_restore(backup, directory, 0, NULL, NULL);
    ledger_note(host->life.ledger, status);
    if (status == LNKEEP_DONE) host->told->is_restored = 1;
    return LIFE_STOPPED;
}

static int run_compact(struct host *host) {
    static struct session session;
    unsigned at = session_replay(&session, &host->life);
    if (session_open(&session, LNKEEP_STORE_COMPACT) != LNKEEP_DONE) return LIFE_STOPPED;
    host->told->is_compacted = (session.report.flags & LNKEEP_REPORT_COMPACTED) != 0;
    return go_on(&session, at, at + STEPS_AFTER);
}

/* --- Growth: a store of its own, whose records are large and whose map begins small. */

static lnkeep_attempt_result growth_result(uint64_t id) {
    static uint8_t message[GROWTH_MESSAGE_BYTES];
    lnkeep_attempt_result result = {.message = {message, sizeof message}};
    uint64_t chance = id;
    chance_fill(&chance, message, sizeof message);
    result.kind = LNKEEP_RESULT_FAIL;
    return result;
}

static lnkeep_status open_growing(const struct host *host, uint32_t flags, lnkeep_store *store,
                                  lnkeep_attempts *attempts) {
    char directory[4400];
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.map_bytes = GROWTH_MAP_BYTES;
    options.flags = flags;
    path_in(host, directory, sizeof directory, "growing", 0);
    lnkeep_status status = lnkeep_store_open(directory, &options, store, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_attempts_open(*store, NULL, attempts, NULL);
}

static lnkeep_status grow_by(lnkeep_attempts attempts, uint64_t id) {
    lnkeep_attempt_request request = {.key.id = id};
    lnkeep_attempt_result result = growth_result(id);
    lnkeep_status status = lnkeep_attempts_init(attempts, &request, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_attempts_store_result(attempts, &request.key, &result, NULL, NULL);
}

static int run_growth(struct host *host) {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    lnkeep_status status = open_growing(host, 0, &store, &attempts);
    for (uint64_t id = 1; status == LNKEEP_DONE && id <= GROWTH_ROUNDS * GROWTH_BATCH; id++) {
        status = grow_by(attempts, id);
        if (status != LNKEEP_DONE) break;
        host->told->grown = id;
        if (lnkeep_store_stats(store, &stats, NULL) != LNKEEP_DONE) return LIFE_STOPPED;
        host->told->growths = stats.map_growths;
    }
    ledger_note(host->life.ledger, status);
    return LIFE_STOPPED;
}

/* What was answered is there with every byte; the next one may be, and none after it. */
static void check_grown(lnkeep_attempts attempts, uint64_t id, uint64_t grown) {
    lnkeep_attempt_key key = {.id = id};
    lnkeep_attempt_request request = {.key = key};
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(attempts, &key, &attempt, NULL);
    if (id <= grown) {
        lnkeep_attempt_result wanted = growth_result(id);
        int is_whole = status == LNKEEP_DONE && attempt->state == LNKEEP_STATE_FAILED &&
                       attempt->result.message.len == GROWTH_MESSAGE_BYTES &&
                       memcmp(attempt->result.message.ptr, wanted.message.ptr,
                              GROWTH_MESSAGE_BYTES) == 0;
        if (!is_whole) finding(FOUND_LOST, "id %llu of the growing store: %s",
                               (unsigned long long)id, lnkeep_status_name(status));
        if (lnkeep_attempts_init(attempts, &request, NULL, NULL) == LNKEEP_DONE) {
            finding(FOUND_GRANTED_TWICE, "id %llu of the growing store", (unsigned long long)id);
        }
    } else if (id > grown + 1 && status != LNKEEP_NOT_FOUND) {
        finding(FOUND_WRONG, "id %llu of the growing store, never begun: %s",
                (unsigned long long)id, lnkeep_status_name(status));
    }
    lnkeep_attempt_free(attempt);
}

static void check_path(const char *path, const char *what) {
    lnkeep_check_report *report = NULL;
    lnkeep_status status = lnkeep_check(path, &report, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_WRONG, "the check of %s answered %s", what, lnkeep_status_name(status));
    } else if (report->findings_len != 0) {
        finding(FOUND_WRONG, "the check of %s found %zu things, first in table '%s': %s", what,
                report->findings_len, report->findings[0].table, report->findings[0].fault);
    }
    lnkeep_check_report_free(report);
}

static void verify_growth(const struct host *host) {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_status status = open_growing(host, LNKEEP_STORE_VERIFY, &store, &attempts);
    if (status != LNKEEP_DONE) {
        finding(FOUND_REOPEN, "the growing store: %s", lnkeep_status_name(status));
        return;
    }
    for (uint64_t id = 1; id <= host->told->grown + 2; id++) {
        check_grown(attempts, id, host->told->grown);
    }
    if (lnkeep_attempts_close(&attempts, NULL) < 0 ||
        lnkeep_store_close(&store, NULL) != LNKEEP_DONE) {
        finding(FOUND_STATUS, "closing the growing store was refused");
    }
    char directory[4400];
    path_in(host, directory, sizeof directory, "growing", 0);
    check_path(directory, "the growing store");
}

/* --- Backups and what is made of them. */

/* What the model does not know: decisions about forwards, and blobs, as they were at the backup. */
static void check_components(struct session *session, uint64_t wanted) {
    lnkeep_resources_options options = resources_options(session->life->script->is_compat);
    struct htlc_set pending;
    lnkeep_status status =
        lnkeep_resources_open(session->store, &options, &session->resources, NULL, NULL);
    if (status == LNKEEP_DONE && wanted != 0 &&
        resources_digest(session->resources, &pending) != wanted) {
        finding(FOUND_LOST, "a restored store: its resources are not those of the backup");
    }
    if (status == LNKEEP_DONE) status = provider_open(session);
    if (status == LNKEEP_DONE) status = consumer_open(session);
    if (status != LNKEEP_DONE) {
        finding(FOUND_STATUS, "opening what a restored store has: %s", lnkeep_status_name(status));
    }
}

/* A restored store says so, and holds what the backup held: everything before its step. */
static void check_restored(const struct host *host, const char *directory, unsigned number) {
    static struct session session;
    static struct model seen;
    static struct ledger ledger; /* as it was at the backup */
    const struct backed_up *noted = &host->told->backed_up[number];
    struct script held = *host->life.script;
    struct life life = host->life;
    char why[300];
    memcpy(&ledger, (const void *)life.ledger, sizeof ledger);
    ledger.provider = noted->provider;
    ledger.consumer = noted->consumer;
    held.steps_len = host->told->backup_at[number];
    life.script = &held;
    life.ledger = &ledger;
    life.policy = POLICY_NONE;
    snprintf(life.directory, sizeof life.directory, "%s", directory);
    session_replay(&session, &life);
    lnkeep_status status = session_open(&session, LNKEEP_STORE_MUST_EXIST | LNKEEP_STORE_VERIFY);
    if (status != LNKEEP_DONE) {
        finding(FOUND_LOST, "the open of a restored store: %s", lnkeep_status_name(status));
        return;
    }
    if (!(session.report.flags & LNKEEP_REPORT_RESTORED)) {
        finding(FOUND_WRONG, "a restored store that does not say so: flags %u",
                session.report.flags);
    }
    session_read(&session, &seen);
    if (model_differs(&session.model, &seen, why, sizeof why)) {
        finding(FOUND_LOST, "a restored store: %s", why);
    }
    check_components(&session, noted->resources);
    session_close(&session);
    remove_tree(directory);
}

static void restore(const char *backup, const char *directory) {
    lnkeep_status status = lnkeep_store_restore(backup, directory, 0, NULL, NULL);
    if (status == LNKEEP_DONE || status == LNKEEP_TARGET_EXISTS) return;
    finding(FOUND_REOPEN, "restoring a backup: %s", lnkeep_status_name(status));
}

/* The name of a backup that was answered is there; whatever has the name is whole. */
static void verify_backups(const struct host *host) {
    char path[4400], directory[4400];
    for (unsigned i = 0; i < host->told->backups_begun; i++) {
        int is_done = host->told->backups_done >> i & 1;
        path_in(host, path, sizeof path, "backup", i);
        path_in(host, directory, sizeof directory, "from-backup", i);
        if (access(path, F_OK) != 0) {
            if (is_done) finding(FOUND_LOST, "backup %u was answered and is not there", i);
            continue;
        }
        check_path(path, "a backup");
        restore(path, directory);
        check_restored(host, directory, i);
    }
}

/* Without an answer there may be a part of a store, which a repeat makes whole. */
static void verify_restored(const struct host *host) {
    char backup[4400], directory[4400], data[4500];
    path_in(host, backup, sizeof backup, "backup", 0);
    path_in(host, directory, sizeof directory, "restored", 0);
    snprintf(data, sizeof data, "%s/data.mdb", directory);
    if (host->told->is_restored && access(data, F_OK) != 0) {
        finding(FOUND_LOST, "the restore was answered and its store is not there");
    }
    restore(backup, directory);
    check_restored(host, directory, 0);
}

/* --- All of them. */

int host_run(void *context) {
    struct host *host = context;
    switch (host->course) {
    case COURSE_BACKUP: return run_backup(host);
    case COURSE_RESTORE: return run_restore(host);
    case COURSE_COMPACT: return run_compact(host);
    case COURSE_GROWTH: return run_growth(host);
    case COURSE_LIFE:
    case COURSES: break;
    }
    return life_run(&host->life);
}

static int make_backup(void *context) {
    static struct session session;
    struct host *host = context;
    unsigned at = session_replay(&session, &host->life);
    if (session_open(&session, 0) != LNKEEP_DONE) return 1;
    if (!back_up(host, &session, 0, at)) return 1;
    session_close(&session);
    return 0;
}

static int prepare(struct host *host) {
    if (host->course == COURSE_LIFE || host->course == COURSE_GROWTH) return 1;
    struct life first = host->life;
    first.script = &host->before;
    first.policy = POLICY_NONE;
    if (run_child(life_run, &first, 4 * HANG_MS).code != LIFE_ENDED) return 0;
    return host->course != COURSE_RESTORE || run_child(make_backup, host, 4 * HANG_MS).code == 0;
}

/* What is there before is on the disk, so that a control shows what its own host lost. */
int host_prepare(struct host *host) {
    enum flushes chosen = flushes;
    flushes = FLUSH_ALL;
    int is_prepared = prepare(host);
    flushes = chosen;
    return is_prepared;
}

int host_verify(void *context) {
    struct host *host = context;
    if (host->course == COURSE_GROWTH) {
        life_judge(&host->life);
        verify_growth(host);
        return 0;
    }
    if (host->course == COURSE_BACKUP) verify_backups(host);
    if (host->course == COURSE_RESTORE) verify_restored(host);
    return life_verify(&host->life);
}

/* Opens a store that may be damaged, reads everything, asks again for every id that was granted. */

#include "damage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 1000, NEW_IDS = 20, FIRST_NEW_ID = 5000000 };

const char *const outcome_names[OUTCOMES] = {"harmless", "refused", "reported", "restored"};

void found(const struct reading *reading, enum finding kind, const char *format, ...) {
    struct verdict *verdict = reading->verdict;
    va_list arguments;
    va_start(arguments, format);
    if (verdict->text[0] == 0) {
        vsnprintf(verdict->text, sizeof verdict->text, format, arguments);
    }
    va_end(arguments);
    verdict->found[kind]++;
    verdict->found_in[verdict->part]++;
}

/* What this process reads, and how many answers it is from the one that is taken for INTERNAL. */
static struct {
    const struct reading *reading;
    uint64_t left;
} hearing;

static void hear(const struct reading *reading) {
    hearing.reading = reading;
    hearing.left = reading->bug_at;
}

lnkeep_status heard(lnkeep_status status) {
    const struct reading *reading = hearing.reading;
    if (!reading || hearing.left == 0 || reading->verdict->part != reading->bug_part) return status;
    if (--hearing.left > 0) return status;
    reading->verdict->heard_bug = 1;
    return LNKEEP_INTERNAL;
}

int may_refuse(lnkeep_status status) { return status == LNKEEP_CORRUPT_STORE; }

int may_report(lnkeep_status status) { return status == LNKEEP_CORRUPT_RECORD; }

int is_judged(const struct reading *reading, lnkeep_status status, const char *what) {
    if (may_report(status)) {
        report_damage(reading);
        return 1;
    }
    if (lnkeep_status_class(status) <= LNKEEP_CLASS_REFUSED) return 0;
    found(reading, FOUND_STATUS, "%s answered %s", what, lnkeep_status_name(status));
    return 1;
}

int is_done(const struct reading *reading, lnkeep_status status, const char *what) {
    int is_refused = lnkeep_status_class(status) == LNKEEP_CLASS_REFUSED;
    if (status == LNKEEP_DONE || (is_refused && is_restored(reading))) return status == LNKEEP_DONE;
    found(reading, FOUND_STATUS, "%s answered %s", what, lnkeep_status_name(status));
    return 0;
}

int is_done_or_told(const struct reading *reading, lnkeep_status status, const char *what) {
    if (!may_report(status)) return is_done(reading, status, what);
    report_damage(reading);
    return 0;
}

struct host {
    struct making m;
    lnkeep_store_report report;
};

static lnkeep_status open_store(struct host *host, const char *directory, uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = flags | LNKEEP_STORE_EVENT_KINDS | LNKEEP_STORE_MUST_EXIST;
    options.event_kinds = EVENT_KINDS_ALL;
    host->report = (lnkeep_store_report)LNKEEP_STORE_REPORT_INIT;
    return heard(lnkeep_store_open(directory, &options, &host->m.store, &host->report, NULL));
}

/*
 * The row that says whether an external router owns the attempts counts as its mark when it is
 * damaged (src/attempts/mod.rs), so that no local one dispatches beside it: only such a host opens.
 */
static lnkeep_status open_tables(struct host *host, struct verdict *verdict) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    lnkeep_status status =
        heard(lnkeep_attempts_open(host->m.store, &options, &host->m.attempts, NULL));
    if (status == LNKEEP_EXTERNAL_MARKER && verdict && verdict->is_owner_lost) {
        verdict->was_external = 1;
        options.flags = LNKEEP_ATTEMPTS_EXTERNAL;
        status = heard(lnkeep_attempts_open(host->m.store, &options, &host->m.attempts, NULL));
    }
    if (status != LNKEEP_DONE) return status;
    return heard(lnkeep_payments_open(host->m.store, NULL, &host->m.payments, NULL));
}

static lnkeep_status close_host(struct host *host) {
    lnkeep_status status = heard(lnkeep_payments_close(&host->m.payments, NULL));
    if (status == LNKEEP_DONE) status = heard(lnkeep_attempts_close(&host->m.attempts, NULL));
    if (status == LNKEEP_DONE) status = heard(lnkeep_store_close(&host->m.store, NULL));
    return status;
}

static uint64_t digest_of(const lnkeep_attempt *attempt) {
    uint64_t digest = DIGEST_START;
    digest = digest_add(digest, &attempt->key, sizeof attempt->key);
    digest = digest_add(digest, &attempt->state, sizeof attempt->state);
    digest = digest_add(digest, &attempt->flags, sizeof attempt->flags);
    digest = digest_add(digest, &attempt->present, sizeof attempt->present);
    digest = digest_add(digest, &attempt->cltv_expiry, sizeof attempt->cltv_expiry);
    digest = digest_add(digest, &attempt->created_epoch, sizeof attempt->created_epoch);
    digest = digest_add(digest, &attempt->created_unix_ms, sizeof attempt->created_unix_ms);
    digest = digest_add(digest, &attempt->updated_unix_ms, sizeof attempt->updated_unix_ms);
    digest = digest_add(digest, &attempt->amount_msat, sizeof attempt->amount_msat);
    digest = digest_add(digest, &attempt->first_hop_scid, sizeof attempt->first_hop_scid);
    digest = digest_add(digest, attempt->fingerprint, sizeof attempt->fingerprint);
    digest = digest_add(digest, attempt->payment_hash, sizeof attempt->payment_hash);
    const lnkeep_attempt_result *result = &attempt->result;
    digest = digest_add(digest, &result->kind, sizeof result->kind);
    digest = digest_add(digest, &result->flags, sizeof result->flags);
    digest = digest_add(digest, &result->failure_code, sizeof result->failure_code);
    digest = digest_add(digest, result->preimage, sizeof result->preimage);
    return digest_add(digest, result->message.ptr, result->message.len);
}

static struct known_id read_id(const struct host *host, lnkeep_attempt_key key) {
    lnkeep_attempt *attempt = NULL;
    struct known_id known = {.key = key};
    known.status = heard(lnkeep_attempts_get(host->m.attempts, &key, &attempt, NULL));
    if (known.status == LNKEEP_DONE) known.digest = digest_of(attempt);
    lnkeep_attempt_free(attempt);
    return known;
}

/* All pages of a list: readable and unreadable records together. */
static lnkeep_status count_listed(const struct host *host, uint64_t *listed, uint64_t *unreadable) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    query.flags = LNKEEP_QUERY_ALL_NAMESPACES;
    int more = 1;
    *listed = *unreadable = 0;
    while (more) {
        lnkeep_attempt_page *page = NULL;
        lnkeep_status status = heard(lnkeep_attempts_list(host->m.attempts, &query, &page, NULL));
        if (status != LNKEEP_DONE) return status;
        *listed += page->attempts_len + page->unreadable_len;
        *unreadable += page->unreadable_len;
        more = page->has_more != 0;
        query.flags |= LNKEEP_QUERY_AFTER;
        query.after = page->next;
        lnkeep_attempt_page_free(page);
    }
    return LNKEEP_DONE;
}

/* Calls `each` for every event kept, and answers what ended the reading. A cut is told once. */
static lnkeep_status each_event(const struct host *host,
                                void (*each)(void *context, const lnkeep_event *event),
                                void *context, int *is_cut) {
    static lnkeep_event taken[BATCH];
    lnkeep_bytes name = {(const uint8_t *)"reader", 6};
    lnkeep_events events;
    size_t len = 1;
    lnkeep_status status = heard(lnkeep_events_open(host->m.store, name, 0, &events, NULL));
    if (status != LNKEEP_DONE) return status;
    while (status == LNKEEP_DONE && len > 0) {
        status = heard(lnkeep_events_take(events, taken, BATCH, &len, NULL));
        if (status == LNKEEP_TRUNCATED && !*is_cut) {
            *is_cut = 1;
            status = heard(lnkeep_events_take(events, taken, BATCH, &len, NULL));
        }
        for (size_t i = 0; status == LNKEEP_DONE && i < len; i++) each(context, &taken[i]);
    }
    lnkeep_status closed = heard(lnkeep_events_close(&events, NULL));
    return status == LNKEEP_DONE ? closed : status;
}

static uint64_t event_digest(const lnkeep_event *event) {
    return digest_add(DIGEST_START, event, sizeof *event);
}

static void learn_event(void *context, const lnkeep_event *event) {
    struct truth *truth = context;
    if (event->sequence >= EVENTS_KEPT_MAX || event->sequence != truth->events_len + 1) _exit(6);
    truth->events[event->sequence] = event_digest(event);
    truth->events_len = (size_t)event->sequence;
}

int read_truth(void *context) {
    struct learning *learning = context;
    struct truth *truth = learning->truth;
    struct host host = {0};
    uint64_t unreadable = 0;
    int is_cut = 0;
    truth->counts = (lnkeep_attempt_counts)LNKEEP_ATTEMPT_COUNTS_INIT;
    if (open_store(&host, learning->directory, LNKEEP_STORE_VERIFY) != LNKEEP_DONE) return 1;
    if (open_tables(&host, NULL) != LNKEEP_DONE) return 1;
    for (size_t i = 0; i < truth->ids_len; i++) {
        truth->ids[i] = read_id(&host, truth->ids[i].key);
        lnkeep_status status = truth->ids[i].status;
        if (status != LNKEEP_DONE && status != LNKEEP_DELETED) return 2;
    }
    lnkeep_status listed = count_listed(&host, &truth->listed, &unreadable);
    if (listed != LNKEEP_DONE || unreadable != 0) return 3;
    listed = lnkeep_attempts_counts(host.m.attempts, NULL, &truth->counts, NULL);
    if (listed != LNKEEP_DONE) return 4;
    if (each_event(&host, learn_event, truth, &is_cut) != LNKEEP_DONE || is_cut) return 5;
    host.m.truth = truth;
    host.m.request_bytes = truth->request_bytes;
    if (learn_payments(&host.m)) return 7;
    host.m.parts.store = host.m.store;
    host.m.parts.truth = &truth->parts;
    return parts_learn(&host.m.parts) ? 8 : 0;
}

void report_damage(const struct reading *reading) {
    if (reading->verdict->outcome == OUTCOME_HARMLESS) reading->verdict->outcome = OUTCOME_REPORTED;
}

int is_restored(const struct reading *reading) {
    return reading->verdict->outcome == OUTCOME_RESTORED;
}

/* Either what it was, or damaged. A store that reports being restored may lack records. */
static void judge_ids(const struct reading *reading, const struct host *host) {
    for (size_t i = 0; i < reading->truth->ids_len; i++) {
        const struct known_id *known = &reading->truth->ids[i];
        struct known_id now = read_id(host, known->key);
        unsigned long long id = known->key.id;
        if (now.status == known->status && now.digest == known->digest) continue;
        if (now.status != known->status && is_judged(reading, now.status, "an attempt")) continue;
        if (is_restored(reading)) continue;
        if (now.status == known->status) {
            found(reading, FOUND_WRONG, "id %llu: another value", id);
        } else {
            found(reading, FOUND_LOST, "id %llu: %s, not %s", id, lnkeep_status_name(now.status),
                  lnkeep_status_name(known->status));
        }
    }
}

static void judge_list(const struct reading *reading, const struct host *host) {
    uint64_t listed = 0, unreadable = 0;
    lnkeep_status status = count_listed(host, &listed, &unreadable);
    if (unreadable != 0) report_damage(reading);
    if (!is_done(reading, status, "a list of attempts") || is_restored(reading)) return;
    if (listed != reading->truth->listed) {
        found(reading, FOUND_LOST, "%llu records are listed, not %llu", (unsigned long long)listed,
              (unsigned long long)reading->truth->listed);
    }
}

static void judge_counts(const struct reading *reading, const struct host *host) {
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_status status =
        heard(lnkeep_attempts_counts(host->m.attempts, NULL, &counts, NULL));
    if (!is_done_or_told(reading, status, "counts of attempts") || is_restored(reading)) return;
    if (memcmp(&counts, &reading->truth->counts, sizeof counts) == 0) return;
    found(reading, FOUND_WRONG, "counts: intent %llu handed off %llu settled %llu failed %llu",
          (unsigned long long)counts.intent, (unsigned long long)counts.handed_off,
          (unsigned long long)counts.settled, (unsigned long long)counts.failed);
}

/* One reading of all events; the second one is made when others were written after them. */
struct event_reading {
    const struct reading *reading;
    uint64_t last, known, newest; /* number of the last, how many of the known, last of the others */
    uint8_t is_there[NEW_IDS];    /* the new ids' own */
};

static void judge_event(void *context, const lnkeep_event *event) {
    struct event_reading *state = context;
    const struct reading *reading = state->reading;
    const struct truth *truth = reading->truth;
    if (is_restored(reading)) return;
    /* A damaged row is skipped, and its number stays visible as a gap. */
    if (event->sequence > state->last + 1) report_damage(reading);
    int is_known = event->sequence > state->last && event->sequence <= truth->events_len;
    if (!is_known || truth->events[event->sequence] != event_digest(event)) {
        found(reading, FOUND_EVENT, "event %llu is another one",
              (unsigned long long)event->sequence);
    }
    state->last = event->sequence;
    state->known += is_known;
}

/* What was written since has the next numbers, so that a gap shows what is lost before it. */
static void judge_later_event(void *context, const lnkeep_event *event) {
    struct event_reading *state = context;
    uint64_t before = state->reading->truth->events_len;
    if (is_restored(state->reading)) return;
    if (event->sequence <= before) {
        judge_event(context, event);
        return;
    }
    if (state->last < before) report_damage(state->reading);
    uint64_t next = (state->newest ? state->newest : before) + 1;
    if (event->sequence != next) {
        found(state->reading, FOUND_EVENT, "event %llu was written as number %llu",
              (unsigned long long)next, (unsigned long long)event->sequence);
    }
    state->last = state->newest = event->sequence;
    uint64_t id = event->attempt_id;
    if (event->kind == LNKEEP_EVENT_ATTEMPT_INIT && id >= FIRST_NEW_ID &&
        id < FIRST_NEW_ID + NEW_IDS) {
        state->is_there[id - FIRST_NEW_ID] = 1;
    }
}

/* Answers how many of the known events there are. */
static uint64_t judge_events(const struct reading *reading, const struct host *host) {
    struct event_reading state = {.reading = reading};
    int is_cut = 0;
    lnkeep_status status = each_event(host, judge_event, &state, &is_cut);
    is_done(reading, status, "reading events");
    if (is_cut) report_damage(reading);
    return state.known;
}

/* Once more, after `granted` new ids: what is missing at the end is a gap now, or nobody is told. */
static void judge_later_events(const struct reading *reading, const struct host *host,
                               uint64_t known, const uint8_t granted[NEW_IDS]) {
    struct event_reading state = {.reading = reading};
    uint64_t missing = 0, is_any = 0;
    int is_cut = 0;
    lnkeep_status status = each_event(host, judge_later_event, &state, &is_cut);
    if (!is_done(reading, status, "reading events") || is_restored(reading)) return;
    for (size_t i = 0; i < NEW_IDS; i++) {
        missing += granted[i] && !state.is_there[i];
        is_any |= granted[i];
    }
    if (missing != 0) {
        found(reading, FOUND_LOST, "%llu events of new ids are missing",
              (unsigned long long)missing);
    }
    if (state.known != known) {
        found(reading, FOUND_LOST, "%llu events are there, and were %llu",
              (unsigned long long)state.known, (unsigned long long)known);
    }
    /* Where no id was granted, those answers have told of the damage. */
    if (state.last < reading->truth->events_len && is_any) {
        found(reading, FOUND_LOST, "events end at %llu, not %llu, and nothing shows it",
              (unsigned long long)state.last, (unsigned long long)reading->truth->events_len);
    }
}

static void judge_grant(const struct reading *reading, uint64_t id, lnkeep_status given) {
    if (given == LNKEEP_DONE) {
        found(reading, FOUND_GRANTED_TWICE, "id %llu was granted again", (unsigned long long)id);
    }
    if (given == LNKEEP_DONE || given == LNKEEP_ALREADY_EXISTS ||
        given == LNKEEP_FINGERPRINT_MISMATCH || is_judged(reading, given, "an id asked for again") ||
        is_restored(reading)) {
        return;
    }
    found(reading, FOUND_STATUS, "id %llu, asked for again: %s", (unsigned long long)id,
          lnkeep_status_name(given));
}

/* Every id that was granted, and some that never were. */
static void judge_grants(const struct reading *reading, const struct host *host,
                         uint8_t granted[NEW_IDS]) {
    static lnkeep_op ops[BATCH];
    static lnkeep_outcome outcomes[BATCH];
    const struct truth *truth = reading->truth;
    for (size_t at = 0; at < truth->ids_len; at += BATCH) {
        size_t len = truth->ids_len - at < BATCH ? truth->ids_len - at : BATCH;
        memset(ops, 0, sizeof ops);
        for (size_t i = 0; i < len; i++) {
            ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
            ops[i].component = host->m.attempts.bits;
            ops[i].body.attempt_init.key = truth->ids[at + i].key;
        }
        lnkeep_status status = heard(lnkeep_submit(host->m.store, ops, len, 0, outcomes, NULL));
        if (status != LNKEEP_BATCH && !is_done(reading, status, "a submission")) continue;
        for (size_t i = 0; i < len; i++) {
            judge_grant(reading, truth->ids[at + i].key.id, heard(outcomes[i].status));
        }
    }
    for (size_t i = 0; i < NEW_IDS; i++) {
        lnkeep_attempt_request request = {.key.id = FIRST_NEW_ID + i};
        lnkeep_status status = heard(lnkeep_attempts_init(host->m.attempts, &request, NULL, NULL));
        granted[i] = (uint8_t)is_done_or_told(reading, status, "a new id");
    }
}

static void judge_keys(const struct reading *reading, const struct host *host) {
    uint8_t name_space[16] = {[15] = 9};
    char text[24];
    for (size_t i = 0; i < reading->truth->keys_len; i++) {
        uint64_t id = 0, before = reading->truth->keys[i];
        lnkeep_bytes key = base_external_key(i, text);
        lnkeep_status status =
            heard(lnkeep_attempts_allocate(host->m.attempts, name_space, key, &id, NULL));
        if (status == LNKEEP_ALREADY && id == before) continue;
        if (status == LNKEEP_DONE || status == LNKEEP_ALREADY) {
            found(reading, FOUND_GRANTED_TWICE, "key %zu: %s, id %llu, not %llu", i,
                  lnkeep_status_name(status), (unsigned long long)id, (unsigned long long)before);
        } else {
            is_done_or_told(reading, status, "the id of a key");
        }
    }
}

/*
 * The check reads the file as bytes, whatever is in it, and nobody has opened it yet. It has to
 * answer: what it cannot read is a finding.
 */
static void check_file(const struct reading *reading) {
    lnkeep_check_report *report = NULL;
    struct verdict *verdict = reading->verdict;
    uint8_t all[16]; /* namespaces, as the key of the row about all of them */
    memset(all, 0xff, sizeof all);
    verdict->check_status = heard(lnkeep_check(reading->directory, &report, NULL));
    if (verdict->check_status != LNKEEP_DONE) {
        found(reading, FOUND_STATUS, "lnkeep_check answered %s",
              lnkeep_status_name(verdict->check_status));
        return;
    }
    verdict->checked = report->findings_len;
    for (size_t i = 0; i < report->findings_len; i++) {
        const uint8_t *at = (const uint8_t *)report->findings + i * report->stride;
        const lnkeep_finding *one = (const void *)at;
        int is_row = (one->flags & LNKEEP_FINDING_ROW_ONLY) != 0;
        verdict->is_structure |= !is_row;
        verdict->is_owner_lost |= is_row && strcmp(one->table, "namespaces") == 0 &&
                                  one->key.len == sizeof all &&
                                  memcmp(one->key.ptr, all, sizeof all) == 0;
    }
    lnkeep_check_report_free(report);
}

static void judge_all(const struct reading *reading, struct host *host) {
    uint8_t granted[NEW_IDS] = {0};
    judge_ids(reading, host);
    judge_list(reading, host);
    judge_counts(reading, host);
    uint64_t known = judge_events(reading, host);
    host->m.request_bytes = reading->truth->request_bytes;
    judge_payments(reading, &host->m);
    judge_grants(reading, host, granted);
    judge_later_events(reading, host, known, granted);
    judge_keys(reading, host);
    host->m.parts.store = host->m.store;
    host->m.parts.truth = reading->parts;
    parts_judge(reading, &host->m.parts);
}

int read_and_judge(void *context) {
    const struct reading *reading = context;
    struct verdict *verdict = reading->verdict;
    struct host host = {0};
    verdict->part = PARTS;
    hear(reading);
    check_file(reading);
    verdict->open_status = open_store(&host, reading->directory, reading->open_flags);
    verdict->outcome = OUTCOME_REFUSED;
    if (verdict->open_status != LNKEEP_DONE) {
        if (!may_refuse(verdict->open_status)) {
            found(reading, FOUND_STATUS, "the open answered %s",
                  lnkeep_status_name(verdict->open_status));
        }
        return 0;
    }
    int is_old = (host.report.flags & (LNKEEP_REPORT_RESTORED | LNKEEP_REPORT_COPIED)) != 0;
    verdict->outcome = is_old ? OUTCOME_RESTORED : OUTCOME_HARMLESS;
    lnkeep_status status = open_tables(&host, verdict);
    if (verdict->was_external) report_damage(reading);
    if (is_done(reading, status, "the open of attempts and payments")) judge_all(reading, &host);
    is_done(reading, close_host(&host), "a close");
    return 0;
}

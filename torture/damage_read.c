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

struct host {
    struct making m;
    lnkeep_store_report report;
};

static lnkeep_status open_host(struct host *host, const char *directory, uint32_t flags) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = flags | LNKEEP_STORE_EVENT_KINDS | LNKEEP_STORE_MUST_EXIST;
    options.event_kinds = EVENT_KINDS_ALL;
    host->report = (lnkeep_store_report)LNKEEP_STORE_REPORT_INIT;
    lnkeep_status status =
        lnkeep_store_open(directory, &options, &host->m.store, &host->report, NULL);
    if (status != LNKEEP_DONE) return status;
    status = lnkeep_attempts_open(host->m.store, NULL, &host->m.attempts, NULL);
    if (status == LNKEEP_DONE) {
        status = lnkeep_payments_open(host->m.store, NULL, &host->m.payments, NULL);
    }
    if (status == LNKEEP_DONE) return status;
    lnkeep_status closed = lnkeep_store_close(&host->m.store, NULL);
    return closed == LNKEEP_DONE ? status : closed;
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
    known.status = lnkeep_attempts_get(host->m.attempts, &key, &attempt, NULL);
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
        lnkeep_status status = lnkeep_attempts_list(host->m.attempts, &query, &page, NULL);
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

/* Calls `each` for every event kept, and answers what ended the reading. */
static lnkeep_status each_event(const struct host *host,
                                void (*each)(void *context, const lnkeep_event *event),
                                void *context) {
    static lnkeep_event taken[BATCH];
    lnkeep_bytes name = {(const uint8_t *)"reader", 6};
    lnkeep_events events;
    size_t len = 1;
    lnkeep_status status = lnkeep_events_open(host->m.store, name, 0, &events, NULL);
    if (status != LNKEEP_DONE) return status;
    while (status == LNKEEP_DONE && len > 0) {
        status = lnkeep_events_take(events, taken, BATCH, &len, NULL);
        for (size_t i = 0; status == LNKEEP_DONE && i < len; i++) each(context, &taken[i]);
    }
    lnkeep_status closed = lnkeep_events_close(&events, NULL);
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
    truth->counts = (lnkeep_attempt_counts)LNKEEP_ATTEMPT_COUNTS_INIT;
    if (open_host(&host, learning->directory, LNKEEP_STORE_VERIFY) != LNKEEP_DONE) return 1;
    for (size_t i = 0; i < truth->ids_len; i++) {
        truth->ids[i] = read_id(&host, truth->ids[i].key);
        lnkeep_status status = truth->ids[i].status;
        if (status != LNKEEP_DONE && status != LNKEEP_DELETED) return 2;
    }
    lnkeep_status listed = count_listed(&host, &truth->listed, &unreadable);
    if (listed != LNKEEP_DONE || unreadable != 0) return 3;
    listed = lnkeep_attempts_counts(host.m.attempts, NULL, &truth->counts, NULL);
    if (listed != LNKEEP_DONE) return 4;
    if (each_event(&host, learn_event, truth) != LNKEEP_DONE) return 5;
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
        if (is_restored(reading)) continue;
        if (now.status == LNKEEP_CORRUPT_RECORD) {
            report_damage(reading);
        } else if (now.status == known->status) {
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
    if (is_restored(reading)) return;
    if (status != LNKEEP_DONE) {
        found(reading, FOUND_STATUS, "list answered %s", lnkeep_status_name(status));
    } else if (listed != reading->truth->listed) {
        found(reading, FOUND_LOST, "%llu records are listed, not %llu", (unsigned long long)listed,
              (unsigned long long)reading->truth->listed);
    }
}

static void judge_counts(const struct reading *reading, const struct host *host) {
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_status status = lnkeep_attempts_counts(host->m.attempts, NULL, &counts, NULL);
    if (status == LNKEEP_CORRUPT_RECORD) report_damage(reading);
    if (status != LNKEEP_DONE || is_restored(reading)) return;
    if (memcmp(&counts, &reading->truth->counts, sizeof counts) == 0) return;
    found(reading, FOUND_WRONG, "counts: intent %llu handed off %llu settled %llu failed %llu",
          (unsigned long long)counts.intent, (unsigned long long)counts.handed_off,
          (unsigned long long)counts.settled, (unsigned long long)counts.failed);
}

struct event_reading {
    const struct reading *reading;
    uint64_t last;
};

static void judge_event(void *context, const lnkeep_event *event) {
    struct event_reading *state = context;
    const struct reading *reading = state->reading;
    const struct truth *truth = reading->truth;
    /* A damaged row is skipped, and its number stays visible as a gap. */
    if (event->sequence > state->last + 1) report_damage(reading);
    int is_known = event->sequence > state->last && event->sequence <= truth->events_len;
    if (!is_known || truth->events[event->sequence] != event_digest(event)) {
        found(reading, FOUND_EVENT, "event %llu is another one",
              (unsigned long long)event->sequence);
    }
    state->last = event->sequence;
}

static void judge_events(const struct reading *reading, const struct host *host) {
    struct event_reading state = {reading, 0};
    if (is_restored(reading)) return;
    lnkeep_status status = each_event(host, judge_event, &state);
    if (status != LNKEEP_DONE || state.last != reading->truth->events_len) report_damage(reading);
}

/* Every id that was granted, and some that never were. */
static void judge_grants(const struct reading *reading, const struct host *host) {
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
        lnkeep_status status = lnkeep_submit(host->m.store, ops, len, 0, outcomes, NULL);
        if (status != LNKEEP_DONE) report_damage(reading);
        for (size_t i = 0; i < len; i++) {
            if (outcomes[i].status != LNKEEP_DONE) continue;
            found(reading, FOUND_GRANTED_TWICE, "id %llu was granted again",
                  (unsigned long long)truth->ids[at + i].key.id);
        }
    }
    for (uint64_t id = FIRST_NEW_ID; id < FIRST_NEW_ID + NEW_IDS; id++) {
        lnkeep_attempt_request request = {.key.id = id};
        lnkeep_status status = lnkeep_attempts_init(host->m.attempts, &request, NULL, NULL);
        if (status != LNKEEP_DONE) report_damage(reading);
    }
}

static void judge_keys(const struct reading *reading, const struct host *host) {
    uint8_t name_space[16] = {[15] = 9};
    char text[24];
    for (size_t i = 0; i < reading->truth->keys_len; i++) {
        uint64_t id = 0, before = reading->truth->keys[i];
        lnkeep_bytes key = base_external_key(i, text);
        lnkeep_status status =
            lnkeep_attempts_allocate(host->m.attempts, name_space, key, &id, NULL);
        if (status == LNKEEP_ALREADY && id == before) continue;
        if (status == LNKEEP_DONE || status == LNKEEP_ALREADY) {
            found(reading, FOUND_GRANTED_TWICE, "key %zu: %s, id %llu, not %llu", i,
                  lnkeep_status_name(status), (unsigned long long)id, (unsigned long long)before);
        } else {
            report_damage(reading);
        }
    }
}

/* The check reads the file as bytes, whatever is in it, and nobody has opened it yet. */
static void check_file(const struct reading *reading) {
    lnkeep_check_report *report = NULL;
    struct verdict *verdict = reading->verdict;
    verdict->check_status = lnkeep_check(reading->directory, &report, NULL);
    if (verdict->check_status == LNKEEP_DONE) verdict->checked = report->findings_len;
    lnkeep_check_report_free(report);
}

int read_and_judge(void *context) {
    const struct reading *reading = context;
    struct verdict *verdict = reading->verdict;
    struct host host = {0};
    verdict->part = PARTS;
    check_file(reading);
    verdict->open_status = open_host(&host, reading->directory, reading->open_flags);
    verdict->outcome = OUTCOME_REFUSED;
    if (verdict->open_status != LNKEEP_DONE) return 0;
    int is_old = (host.report.flags & (LNKEEP_REPORT_RESTORED | LNKEEP_REPORT_COPIED)) != 0;
    verdict->outcome = is_old ? OUTCOME_RESTORED : OUTCOME_HARMLESS;
    judge_ids(reading, &host);
    judge_list(reading, &host);
    judge_counts(reading, &host);
    judge_events(reading, &host);
    host.m.request_bytes = reading->truth->request_bytes;
    judge_payments(reading, &host.m);
    judge_grants(reading, &host);
    judge_keys(reading, &host);
    host.m.parts.store = host.m.store;
    host.m.parts.truth = reading->parts;
    parts_judge(reading, &host.m.parts);
    lnkeep_status status = lnkeep_payments_close(&host.m.payments, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_attempts_close(&host.m.attempts, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_store_close(&host.m.store, NULL);
    if (status != LNKEEP_DONE) report_damage(reading);
    return 0;
}

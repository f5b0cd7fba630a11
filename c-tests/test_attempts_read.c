/* Reading attempts, waiting for them, deciding about them after a restart, and retention. */

#include "harness.h"

#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_attempts attempts;
static const char *directory;

static void begin(void) {
    directory = h_directory();
    store = h_open(directory);
    attempts = h_attempts(store);
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static void reopen(void) {
    end();
    store = h_open(directory);
    attempts = h_attempts(store);
}

static void mark(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL));
}

static void ack(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    CHECK_DONE(lnkeep_attempts_ack(attempts, &key, NULL, NULL));
}

static void delete_one(uint64_t id, uint32_t flags) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_attempts_delete(attempts, &key, 1, flags, &outcome, NULL));
}

static lnkeep_status result_status(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt_result *result = NULL;
    lnkeep_status status = lnkeep_attempts_result(attempts, &key, &result, NULL);
    CHECK((result != NULL) == (status == LNKEEP_DONE));
    lnkeep_attempt_result_free(result);
    return status;
}

static uint32_t has_result(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    uint32_t has = 9;
    CHECK_DONE(lnkeep_attempts_has_result(attempts, &key, &has, NULL));
    return has;
}

static void results_follow_the_state(void) {
    begin();
    for (uint64_t id = 1; id <= 4; id++) CHECK_DONE(h_init(attempts, id));
    mark(2);
    CHECK_DONE(h_store(attempts, 3, h_settle(1)));
    CHECK_DONE(h_store(attempts, 4, h_settle(1)));
    delete_one(4, 0);
    static const lnkeep_status wanted[] = {LNKEEP_NOT_FOUND, LNKEEP_RESULT_PENDING, LNKEEP_RESULT_PENDING,
                                           LNKEEP_DONE, LNKEEP_DELETED};
    for (uint64_t id = 0; id <= 4; id++) {
        CHECK_STATUS(result_status(id), wanted[id]);
        CHECK_EQUAL(has_result(id), wanted[id] == LNKEEP_DONE);
    }
    end();
}

/* Ids of every page, in order; checks what each page promises. */
static size_t list(lnkeep_attempt_query query, uint64_t *ids, size_t max) {
    size_t len = 0;
    for (unsigned pages = 0; pages < 10000; pages++) {
        lnkeep_attempt_page *page = NULL;
        if (!CHECK_DONE(lnkeep_attempts_list(attempts, &query, &page, NULL))) break;
        CHECK_EQUAL(page->size, sizeof *page);
        CHECK(page->stride >= sizeof(lnkeep_attempt));
        CHECK(page->attempts_len <= (query.limit ? query.limit : 1000));
        CHECK_EQUAL(page->unreadable_len, 0);
        for (size_t i = 0; i < page->attempts_len && len < max; i++) {
            const char *at = (const char *)page->attempts + i * page->stride;
            ids[len++] = ((const lnkeep_attempt *)(const void *)at)->key.id;
        }
        query.flags |= LNKEEP_QUERY_AFTER;
        query.after = page->next;
        uint32_t more = page->has_more;
        lnkeep_attempt_page_free(page);
        if (!more) break;
    }
    return len;
}

static void pages_join_without_a_gap(void) {
    begin();
    static uint64_t ids[3000];
    uint64_t rounds = h_rounds(2500, 1200);
    for (uint64_t id = 1; id <= rounds; id++) CHECK_DONE(h_store(attempts, id, h_fail("x")));
    static const uint32_t limits[] = {0, 1, 7, 999, 1000, 5000};
    for (size_t i = h_is_valgrind() ? 2 : 0; i < H_COUNT(limits); i++) {
        lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
        query.limit = limits[i];
        CHECK_EQUAL(list(query, ids, H_COUNT(ids)), rounds);
        for (uint64_t at = 0; at < rounds; at++) {
            if (!CHECK_EQUAL(ids[at], at + 1)) break;
        }
    }
    end();
}

static void filters_select(void) {
    begin();
    uint64_t ids[20];
    for (uint64_t id = 1; id <= 10; id++) {
        lnkeep_attempt_request request = h_request(id);
        request.cltv_expiry = id == 10 ? 0 : (uint32_t)(100 * id);
        CHECK_DONE(lnkeep_store_tick(store, id < 6 ? 0 : 1000 * id, 0, NULL));
        CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    }
    mark(2);
    CHECK_DONE(h_store(attempts, 3, h_settle(1)));
    CHECK_DONE(h_store(attempts, 4, h_fail("")));
    CHECK_DONE(h_store(attempts, 5, h_fail("")));
    delete_one(5, 0);
    lnkeep_attempt_key elsewhere = h_key_in(1, 50);
    lnkeep_attempt_request request = h_request(50);
    request.key = elsewhere;
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));

    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    CHECK_EQUAL(list(query, ids, 20), 10);
    query.states = 1u << LNKEEP_STATE_SETTLED;
    CHECK_EQUAL(list(query, ids, 20), 1);
    CHECK_EQUAL(ids[0], 3);
    query.states = 1u << LNKEEP_STATE_DELETED;
    CHECK_EQUAL(list(query, ids, 20), 1);
    CHECK_EQUAL(ids[0], 5);
    query.states = 1u << LNKEEP_STATE_INTENT | 1u << LNKEEP_STATE_HANDED_OFF;
    CHECK_EQUAL(list(query, ids, 20), 7);
    query.states = 1u << LNKEEP_STATE_HANDED_OFF | 1u << LNKEEP_STATE_FAILED;
    CHECK_EQUAL(list(query, ids, 20), 2);
    query.states = 0;
    query.created_before_unix_ms = 7000;
    /* Those of unknown time never match. */
    CHECK_EQUAL(list(query, ids, 20), 2);
    CHECK_EQUAL(ids[1], 7);
    query.created_before_unix_ms = 0;
    query.expired_at_height = 300;
    CHECK_EQUAL(list(query, ids, 20), 2);
    CHECK_EQUAL(ids[1], 2);
    query.expired_at_height = UINT32_MAX;
    CHECK_EQUAL(list(query, ids, 20), 6);
    query.expired_at_height = 0;
    query.flags = LNKEEP_QUERY_ALL_NAMESPACES;
    CHECK_EQUAL(list(query, ids, 20), 11);
    query.flags = 0;
    memcpy(query.namespace_bytes, elsewhere.namespace_bytes, 16);
    CHECK_EQUAL(list(query, ids, 20), 1);
    CHECK_EQUAL(ids[0], 50);
    end();
}

static void malformed_queries_are_refused(void) {
    begin();
    lnkeep_attempt_page *page = NULL;
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    query.flags = 4;
    CHECK_STATUS(lnkeep_attempts_list(attempts, &query, &page, NULL), LNKEEP_INVALID_ARGUMENT);
    query.flags = 0;
    query.states = 1;
    CHECK_STATUS(lnkeep_attempts_list(attempts, &query, &page, NULL), LNKEEP_INVALID_ARGUMENT);
    query.states = 1u << 6;
    CHECK_STATUS(lnkeep_attempts_list(attempts, &query, &page, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK(page == NULL);
    end();
}

static void counts_follow_every_change(void) {
    begin();
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_attempt_request request = h_request(9);
    request.key = h_key_in(1, 9);
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    for (uint64_t id = 1; id <= 6; id++) CHECK_DONE(h_init(attempts, id));
    mark(2);
    CHECK_DONE(h_store(attempts, 3, h_settle(1)));
    CHECK_DONE(h_store(attempts, 4, h_fail("")));
    CHECK_DONE(h_store(attempts, 5, h_fail("")));
    delete_one(5, 0);
    CHECK_DONE(h_store(attempts, 6, h_fail("")));
    delete_one(6, LNKEEP_DELETE_FORGET);
    reopen();
    CHECK_DONE(lnkeep_attempts_counts(attempts, h_key(0).namespace_bytes, &counts, NULL));
    CHECK_EQUAL(counts.size, sizeof counts);
    CHECK_EQUAL(counts.intent, 1);
    CHECK_EQUAL(counts.handed_off, 1);
    CHECK_EQUAL(counts.settled, 1);
    CHECK_EQUAL(counts.failed, 1);
    CHECK_EQUAL(counts.deleted, 1);
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.intent, 2);
    end();
}

typedef struct decided {
    lnkeep_status status;
    uint64_t failed[8], unresolved[8];
    size_t failed_len, unresolved_len;
} decided;

static decided recover(const lnkeep_circuit *circuits, size_t len, uint32_t flags) {
    decided found;
    lnkeep_recovery *recovery = NULL;
    memset(&found, 0, sizeof found);
    found.status = lnkeep_attempts_recover(attempts, NULL, circuits, len, flags, &recovery, NULL);
    if (found.status != LNKEEP_DONE) {
        CHECK(recovery == NULL);
        return found;
    }
    CHECK_EQUAL(recovery->size, sizeof *recovery);
    CHECK(recovery->failed_len <= 8 && recovery->unresolved_len <= 8 && recovery->unreadable_len == 0);
    found.failed_len = recovery->failed_len;
    found.unresolved_len = recovery->unresolved_len;
    for (size_t i = 0; i < found.failed_len; i++) found.failed[i] = recovery->failed[i];
    for (size_t i = 0; i < found.unresolved_len; i++) found.unresolved[i] = recovery->unresolved[i];
    lnkeep_recovery_free(recovery);
    return found;
}

/* 1 intent, 2 handed off, 3 settled, 4 intent in another namespace. */
static void make_four(void) {
    lnkeep_attempt_request other = h_request(4);
    other.key = h_key_in(1, 4);
    begin();
    for (uint64_t id = 1; id <= 3; id++) CHECK_DONE(h_init(attempts, id));
    mark(2);
    mark(3);
    CHECK_DONE(h_store(attempts, 3, h_settle(1)));
    CHECK_DONE(lnkeep_attempts_init(attempts, &other, NULL, NULL));
}

static void recovery_leaves_this_epoch_alone(void) {
    make_four();
    decided found = recover(NULL, 0, 0);
    CHECK_EQUAL(found.failed_len, 0);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    found = recover(NULL, 0, LNKEEP_RECOVER_CURRENT_EPOCH);
    CHECK_EQUAL(found.failed_len, 1);
    CHECK_EQUAL(found.failed[0], 1);
    CHECK_EQUAL(found.unresolved_len, 1);
    CHECK_EQUAL(found.unresolved[0], 2);
    end();
}

static void recovery_without_circuits_fails_intents_only(void) {
    make_four();
    reopen();
    decided found = recover(NULL, 0, 0);
    CHECK_EQUAL(found.failed_len, 1);
    CHECK_EQUAL(found.unresolved[0], 2);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_FAILED);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_HANDED_OFF);
    lnkeep_attempt_key other = h_key_in(1, 4);
    lnkeep_attempt *attempt = NULL;
    CHECK_DONE(lnkeep_attempts_get(attempts, &other, &attempt, NULL));
    CHECK(attempt && attempt->state == LNKEEP_STATE_INTENT);
    lnkeep_attempt_free(attempt);
    CHECK_DONE(lnkeep_attempts_recover(attempts, other.namespace_bytes, NULL, 0, 0, NULL, NULL));
    found = recover(NULL, 0, 0);
    CHECK_EQUAL(found.failed_len, 0);
    CHECK_EQUAL(found.unresolved_len, 1);
    end();
}

static void recovery_believes_the_circuits(void) {
    make_four();
    CHECK_DONE(h_init(attempts, 5));
    CHECK_DONE(h_init(attempts, 6));
    CHECK_DONE(h_init(attempts, 7));
    mark(7);
    reopen();
    lnkeep_circuit circuits[] = {{7, LNKEEP_CIRCUIT_HALF_OPEN, 0}, {5, LNKEEP_CIRCUIT_OPEN, 0},
                                 {6, LNKEEP_CIRCUIT_HALF_OPEN, 0}, {2, LNKEEP_CIRCUIT_OPEN, 0},
                                 {999, LNKEEP_CIRCUIT_OPEN, 0}};
    decided found = recover(circuits, H_COUNT(circuits), LNKEEP_RECOVER_CIRCUITS_COMPLETE);
    CHECK_DONE(found.status);
    CHECK_EQUAL(found.failed_len, 2);
    CHECK_EQUAL(found.failed[0], 1);
    CHECK_EQUAL(found.failed[1], 6);
    CHECK_EQUAL(found.unresolved_len, 1);
    CHECK_EQUAL(found.unresolved[0], 7);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_HANDED_OFF);
    CHECK_EQUAL(h_state(attempts, 5), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(h_state(attempts, 7), LNKEEP_STATE_HANDED_OFF);
    end();
}

static void malformed_recoveries_change_nothing(void) {
    make_four();
    reopen();
    lnkeep_circuit circuit = {5, LNKEEP_CIRCUIT_OPEN, 0};
    uint32_t complete = LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    CHECK_STATUS(recover(&circuit, 1, 0).status, LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(recover(NULL, 1, complete).status, LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(recover(&circuit, 1, complete | 4).status, LNKEEP_INVALID_ARGUMENT);
    circuit.state = 3;
    CHECK_STATUS(recover(&circuit, 1, complete).status, LNKEEP_INVALID_ARGUMENT);
    circuit.state = 0;
    CHECK_STATUS(recover(&circuit, 1, complete).status, LNKEEP_INVALID_ARGUMENT);
    circuit.state = LNKEEP_CIRCUIT_OPEN;
    circuit.reserved = 1;
    CHECK_STATUS(recover(&circuit, 1, complete).status, LNKEEP_INVALID_ARGUMENT);
    lnkeep_circuit twice[2] = {{5, LNKEEP_CIRCUIT_OPEN, 0}, {5, LNKEEP_CIRCUIT_HALF_OPEN, 0}};
    CHECK_STATUS(recover(twice, 2, complete).status, LNKEEP_DUPLICATE_ID);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    end();
}

/* A host that does not mark has live HTLCs among its intents: only its circuits tell them apart. */
static void blind_recovery_is_refused(void) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.flags = LNKEEP_ATTEMPTS_UNMARKED_HOST;
    store = h_open(h_directory());
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
    CHECK_DONE(h_init(attempts, 1));
    CHECK_STATUS(recover(NULL, 0, LNKEEP_RECOVER_CURRENT_EPOCH).status, LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    uint32_t flags = LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    CHECK_EQUAL(recover(NULL, 0, flags).failed_len, 1);
    end();
}

/* A host that says it marks and does not is found out by the first network result of an unmarked attempt. */
static void recovery_finds_out_a_host_that_forgets_to_mark(void) {
    begin();
    CHECK_DONE(h_init(attempts, 1));
    CHECK_DONE(h_init(attempts, 2));
    CHECK_DONE(h_store(attempts, 1, h_settle(1)));
    reopen();
    CHECK_STATUS(recover(NULL, 0, 0).status, LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(recover(NULL, 0, LNKEEP_RECOVER_CIRCUITS_COMPLETE).failed_len, 1);
    end();
}

static void open_sweeping(uint64_t acked_secs, uint64_t tombstone_secs, uint64_t tombstones_max) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.acked_retention_secs = acked_secs;
    options.tombstone_retention_secs = tombstone_secs;
    options.tombstones_max = tombstones_max;
    store = h_open(h_directory());
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
}

static uint64_t sweep_all(void) {
    uint64_t sum = 0, handled;
    do {
        handled = 0;
        if (!CHECK_DONE(lnkeep_attempts_sweep(attempts, &handled, NULL))) break;
        sum += handled;
    } while (handled != 0);
    return sum;
}

static void retention_follows_the_time(void) {
    open_sweeping(10, 100, 0);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 0, NULL));
    for (uint64_t id = 1; id <= 3; id++) CHECK_DONE(h_store(attempts, id, h_fail("")));
    ack(1);
    ack(2);
    CHECK_EQUAL(sweep_all(), 0);
    CHECK_DONE(lnkeep_store_tick(store, 1009999, 0, NULL));
    CHECK_EQUAL(sweep_all(), 0);
    CHECK_DONE(lnkeep_store_tick(store, 1010000, 0, NULL));
    CHECK_EQUAL(sweep_all(), 2);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_DELETED);
    CHECK_EQUAL(h_state(attempts, 3), LNKEEP_STATE_FAILED);
    CHECK_STATUS(h_init(attempts, 1), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(lnkeep_store_tick(store, 1110001, 0, NULL));
    CHECK_EQUAL(sweep_all(), 2);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_NOT_FOUND);
    CHECK_DONE(lnkeep_attempts_sweep(attempts, NULL, NULL));
    end();
}

static void without_a_time_nothing_grows_old(void) {
    open_sweeping(1, 1, 0);
    CHECK_DONE(h_store(attempts, 1, h_fail("")));
    ack(1);
    CHECK_EQUAL(sweep_all(), 0);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_FAILED);
    end();
}

static void surplus_tombstones_are_forgotten(void) {
    uint64_t rounds = h_rounds(300, 150);
    open_sweeping(0, 0, 10);
    for (uint64_t id = 1; id <= rounds; id++) {
        CHECK_DONE(h_store(attempts, id, h_fail("")));
        delete_one(id, 0);
    }
    CHECK_EQUAL(sweep_all(), rounds - 10);
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.deleted, 10);
    CHECK_STATUS(h_state(attempts, rounds), LNKEEP_DELETED);
    end();
}

static void the_external_mark_keeps_local_opens_out(void) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    lnkeep_attempts local;
    uint32_t external = 9;
    begin();
    CHECK_DONE(lnkeep_attempts_is_external(attempts, &external, NULL));
    CHECK_EQUAL(external, 0);
    CHECK_STATUS(lnkeep_attempts_disable_external(attempts, NULL), LNKEEP_ALREADY);
    end();
    store = h_open(directory);
    options.flags = LNKEEP_ATTEMPTS_EXTERNAL;
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
    CHECK_DONE(lnkeep_attempts_is_external(attempts, &external, NULL));
    CHECK_EQUAL(external, 1);
    end();
    store = h_open(directory);
    CHECK_STATUS(lnkeep_attempts_open(store, NULL, &local, NULL), LNKEEP_EXTERNAL_MARKER);
    CHECK_EQUAL(local.bits, 0);
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
    CHECK_DONE(h_store(attempts, 1, h_fail("")));
    CHECK_STATUS(lnkeep_attempts_disable_external(attempts, NULL), LNKEEP_ENTRIES_EXIST);
    delete_one(1, 0);
    CHECK_STATUS(lnkeep_attempts_disable_external(attempts, NULL), LNKEEP_ENTRIES_EXIST);
    CHECK_DONE(h_store(attempts, 2, h_fail("")));
    end();
    lnkeep_attempts_options forgetting = options;
    forgetting.tombstones_max = 1;
    store = h_open(directory);
    CHECK_DONE(lnkeep_attempts_open(store, &forgetting, &attempts, NULL));
    delete_one(2, 0);
    CHECK_EQUAL(sweep_all(), 1);
    CHECK_STATUS(lnkeep_attempts_disable_external(attempts, NULL), LNKEEP_ENTRIES_EXIST);
    end();
}

static void the_external_mark_goes_when_all_is_drained(void) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.flags = LNKEEP_ATTEMPTS_EXTERNAL;
    directory = h_directory();
    store = h_open(directory);
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
    CHECK_DONE(h_store(attempts, 1, h_fail("")));
    delete_one(1, LNKEEP_DELETE_FORGET);
    CHECK_DONE(lnkeep_attempts_disable_external(attempts, NULL));
    reopen();
    end();
}

static void equal_options_share_one_instance(void) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    lnkeep_attempts other, same;
    lnkeep_attempt_key key = h_key(1);
    uint64_t subscription, waiters = 0;
    begin();
    CHECK_DONE(lnkeep_attempts_open(store, &options, &same, NULL));
    CHECK(same.bits != attempts.bits);
    CHECK_DONE(lnkeep_attempts_subscribe(same, &key, 0, &subscription, NULL));
    CHECK_DONE(lnkeep_attempts_waiters(attempts, &key, &waiters, NULL));
    CHECK_EQUAL(waiters, 1);
    options.tombstones_max = 1;
    CHECK_STATUS(lnkeep_attempts_open(store, &options, &other, NULL), LNKEEP_ALREADY_OPEN);
    options.tombstones_max = 0;
    options.flags = 4;
    CHECK_STATUS(lnkeep_attempts_open(store, &options, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    options.flags = 0;
    options.reserved = 1;
    CHECK_STATUS(lnkeep_attempts_open(store, &options, &other, NULL), LNKEEP_INVALID_ARGUMENT);
    h_close_attempts(&same);
    CHECK_EQUAL(lnkeep_attempts_is_open(attempts), 1);
    end();
}

static uint32_t classify(lnkeep_attempt_result result, uint32_t decryptor) {
    uint32_t classified = 0;
    CHECK_DONE(lnkeep_attempt_result_classify(&result, decryptor, &classified, NULL));
    return classified;
}

static void results_are_classified(void) {
    lnkeep_attempt_result encrypted = h_fail("blob"), chain = h_fail(""), local = h_fail("");
    chain.flags = LNKEEP_RESULT_RESOLUTION;
    local.flags = LNKEEP_RESULT_UNENCRYPTED;
    local.failure_code = 0x2002;
    CHECK_EQUAL(classify(h_settle(1), LNKEEP_DECRYPTOR_NONE), LNKEEP_CLASSIFIED_SETTLED);
    CHECK_EQUAL(classify(encrypted, LNKEEP_DECRYPTOR_NONE), LNKEEP_CLASSIFIED_ENCRYPTED);
    CHECK_EQUAL(classify(encrypted, LNKEEP_DECRYPTOR_OK), LNKEEP_CLASSIFIED_FORWARDING_FAILURE);
    CHECK_EQUAL(classify(encrypted, LNKEEP_DECRYPTOR_FAILS), LNKEEP_CLASSIFIED_UNREADABLE);
    CHECK_EQUAL(classify(chain, LNKEEP_DECRYPTOR_OK), LNKEEP_CLASSIFIED_ONCHAIN_TIMEOUT);
    CHECK_EQUAL(classify(local, LNKEEP_DECRYPTOR_NONE), LNKEEP_CLASSIFIED_LOCAL_FAILURE);
    local.failure_code = 0;
    CHECK_EQUAL(classify(local, LNKEEP_DECRYPTOR_NONE), LNKEEP_CLASSIFIED_LOCAL_FAILURE_UNDECODABLE);
    encrypted.flags = LNKEEP_RESULT_RESOLUTION;
    CHECK_EQUAL(classify(encrypted, LNKEEP_DECRYPTOR_FAILS), LNKEEP_CLASSIFIED_UNREADABLE);
    uint32_t classified;
    CHECK_STATUS(lnkeep_attempt_result_classify(&chain, 3, &classified, NULL), LNKEEP_INVALID_ARGUMENT);
    chain.kind = 9;
    CHECK_STATUS(lnkeep_attempt_result_classify(&chain, 0, &classified, NULL), LNKEEP_INVALID_ARGUMENT);
}

static void client_bytes_go_above_raw_ids(void) {
    uint64_t id = 0, raw = 0, largest = (UINT64_C(1) << 56) - 1;
    uint8_t client = 0;
    CHECK_DONE(lnkeep_client_id_encode(0xab, largest, &id, NULL));
    CHECK_EQUAL(id, UINT64_C(0xabffffffffffffff));
    CHECK_DONE(lnkeep_client_id_decode(id, &client, &raw, NULL));
    CHECK_EQUAL(client, 0xab);
    CHECK_EQUAL(raw, largest);
    CHECK_STATUS(lnkeep_client_id_encode(0, largest + 1, &id, NULL), LNKEEP_ID_OUT_OF_RANGE);
    CHECK_EQUAL(id, UINT64_C(0xabffffffffffffff));
    CHECK_DONE(lnkeep_client_id_encode(0, 0, &id, NULL));
    CHECK_EQUAL(id, 0);
}

/* Freeing nothing is allowed, so that error paths need no special case. */
static void null_is_freed(void) {
    lnkeep_attempt_free(NULL);
    lnkeep_attempt_result_free(NULL);
    lnkeep_attempt_page_free(NULL);
    lnkeep_recovery_free(NULL);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(results_follow_the_state),
        H_TEST(pages_join_without_a_gap),
        H_TEST(filters_select),
        H_TEST(malformed_queries_are_refused),
        H_TEST(counts_follow_every_change),
        H_TEST(recovery_leaves_this_epoch_alone),
        H_TEST(recovery_without_circuits_fails_intents_only),
        H_TEST(recovery_believes_the_circuits),
        H_TEST(malformed_recoveries_change_nothing),
        H_TEST(blind_recovery_is_refused),
        H_TEST(recovery_finds_out_a_host_that_forgets_to_mark),
        H_TEST(retention_follows_the_time),
        H_TEST(without_a_time_nothing_grows_old),
        H_TEST(surplus_tombstones_are_forgotten),
        H_TEST(the_external_mark_keeps_local_opens_out),
        H_TEST(the_external_mark_goes_when_all_is_drained),
        H_TEST(equal_options_share_one_instance),
        H_TEST(results_are_classified),
        H_TEST(client_bytes_go_above_raw_ids),
        H_TEST(null_is_freed),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

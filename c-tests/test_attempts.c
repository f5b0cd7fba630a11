/* Everything that changes an attempt: each success and each refusal, and that a refusal changes nothing. */

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

static lnkeep_status mark(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    return lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL);
}

static lnkeep_status fail_with(uint64_t id, uint32_t code, uint32_t flags) {
    lnkeep_attempt_key key = h_key(id);
    return lnkeep_attempts_fail_pending(attempts, &key, code, h_text(""), flags, NULL, NULL);
}

static lnkeep_status ack(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    return lnkeep_attempts_ack(attempts, &key, NULL, NULL);
}

/* Status of the one key, as its outcome says; the call itself must agree with it. */
static lnkeep_status delete_one(uint64_t id, uint32_t flags) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_outcome outcome;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    memset(&outcome, 0xaa, sizeof outcome);
    lnkeep_status status = lnkeep_attempts_delete(attempts, &key, 1, flags, &outcome, &err);
    CHECK_STATUS(status, outcome.status < 0 ? LNKEEP_BATCH : LNKEEP_DONE);
    CHECK_STATUS(err.status, outcome.status < 0 ? outcome.status : 0);
    return outcome.status;
}

static lnkeep_attempt *get(uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt *attempt = NULL;
    CHECK_DONE(lnkeep_attempts_get(attempts, &key, &attempt, NULL));
    return attempt;
}

/* An attempt in each state a test may need. */
enum { ABSENT = 1, INTENT, HANDED_OFF, SETTLED, FAILED, DELETED };

static void make_each_state(void) {
    begin();
    for (uint64_t id = INTENT; id <= DELETED; id++) CHECK_DONE(h_init(attempts, id));
    CHECK_DONE(mark(HANDED_OFF));
    CHECK_DONE(h_store(attempts, SETTLED, h_settle(1)));
    CHECK_DONE(h_store(attempts, FAILED, h_fail("reason")));
    CHECK_DONE(h_store(attempts, DELETED, h_settle(1)));
    CHECK_DONE(delete_one(DELETED, 0));
}

static void check_each_state(void) {
    CHECK_STATUS(h_state(attempts, ABSENT), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(h_state(attempts, INTENT), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(h_state(attempts, HANDED_OFF), LNKEEP_STATE_HANDED_OFF);
    CHECK_EQUAL(h_state(attempts, SETTLED), LNKEEP_STATE_SETTLED);
    CHECK_EQUAL(h_state(attempts, FAILED), LNKEEP_STATE_FAILED);
    CHECK_STATUS(h_state(attempts, DELETED), LNKEEP_DELETED);
}

static lnkeep_attempt_request full_request(void) {
    lnkeep_attempt_request request = h_request(7);
    request.key = h_key_in(3, 7);
    request.present = LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH;
    request.cltv_expiry = 800123;
    request.amount_msat = 123456789;
    request.first_hop_scid = UINT64_C(0x0c35000001c80001);
    memset(request.fingerprint, 0x5f, sizeof request.fingerprint);
    memcpy(request.payment_hash, h_hash_of_ones, 32);
    return request;
}

static void init_keeps_every_field(void) {
    begin();
    CHECK_DONE(lnkeep_store_tick(store, 1700000000000, 800000, NULL));
    lnkeep_attempt_request request = full_request();
    lnkeep_outcome outcome;
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, &outcome, NULL));
    CHECK_EQUAL(outcome.status, LNKEEP_DONE);
    CHECK_EQUAL(outcome.flags, LNKEEP_OUTCOME_CHANGED);
    CHECK_EQUAL(outcome.os_errno | outcome.reserved | outcome.value, 0);
    CHECK_STATUS(lnkeep_attempts_init(attempts, &request, &outcome, NULL), LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(outcome.status, LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(outcome.flags, 0);
    reopen();
    lnkeep_attempt *attempt = NULL;
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &request.key, &attempt, NULL))) {
        CHECK(memcmp(&attempt->key, &request.key, sizeof request.key) == 0);
        CHECK_EQUAL(attempt->state, LNKEEP_STATE_INTENT);
        CHECK_EQUAL(attempt->flags, 0);
        CHECK_EQUAL(attempt->present, LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH);
        CHECK_EQUAL(attempt->cltv_expiry, 800123);
        CHECK_EQUAL(attempt->created_epoch, 1);
        CHECK_EQUAL(attempt->created_unix_ms, 1700000000000);
        CHECK_EQUAL(attempt->updated_unix_ms, 1700000000000);
        CHECK_EQUAL(attempt->amount_msat, 123456789);
        CHECK_EQUAL(attempt->first_hop_scid, request.first_hop_scid);
        CHECK(memcmp(attempt->fingerprint, request.fingerprint, 32) == 0);
        CHECK(memcmp(attempt->payment_hash, request.payment_hash, 32) == 0);
        lnkeep_attempt_free(attempt);
    }
    /* The same id in another namespace is another attempt. */
    CHECK_DONE(h_init(attempts, 7));
    end();
}

static void init_is_granted_once_in_every_state(void) {
    make_each_state();
    for (uint64_t id = INTENT; id <= DELETED; id++) CHECK_STATUS(h_init(attempts, id), LNKEEP_ALREADY_EXISTS);
    check_each_state();
    reopen();
    for (uint64_t id = INTENT; id <= DELETED; id++) CHECK_STATUS(h_init(attempts, id), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(h_init(attempts, 0));
    CHECK_DONE(h_init(attempts, UINT64_MAX));
    end();
}

static void another_request_under_the_id_is_a_mismatch(void) {
    begin();
    lnkeep_attempt_request request = full_request(), other = request;
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    other.fingerprint[31] ^= 1;
    CHECK_STATUS(lnkeep_attempts_init(attempts, &other, NULL, NULL), LNKEEP_FINGERPRINT_MISMATCH);
    other = request;
    other.payment_hash[0] ^= 1;
    CHECK_STATUS(lnkeep_attempts_init(attempts, &other, NULL, NULL), LNKEEP_FINGERPRINT_MISMATCH);
    other.present = 0;
    CHECK_STATUS(lnkeep_attempts_init(attempts, &other, NULL, NULL), LNKEEP_ALREADY_EXISTS);
    end();
}

static void mark_follows_the_table(void) {
    make_each_state();
    CHECK_STATUS(mark(ABSENT), LNKEEP_NOT_FOUND);
    CHECK_STATUS(mark(HANDED_OFF), LNKEEP_ALREADY);
    CHECK_STATUS(mark(SETTLED), LNKEEP_NOT_PENDING);
    CHECK_STATUS(mark(FAILED), LNKEEP_NOT_PENDING);
    CHECK_STATUS(mark(DELETED), LNKEEP_DELETED);
    check_each_state();
    CHECK_DONE(mark(INTENT));
    CHECK_EQUAL(h_state(attempts, INTENT), LNKEEP_STATE_HANDED_OFF);
    end();
}

static void results_follow_the_table(void) {
    make_each_state();
    lnkeep_attempt_key failed = h_key(FAILED);
    lnkeep_attempt_result settle = h_settle(2);
    lnkeep_outcome outcome;
    CHECK_STATUS(h_store(attempts, SETTLED, h_settle(1)), LNKEEP_ALREADY);
    CHECK_STATUS(h_store(attempts, SETTLED, h_settle(2)), LNKEEP_CONFLICT);
    CHECK_STATUS(h_store(attempts, SETTLED, h_fail("reason")), LNKEEP_CONFLICT);
    CHECK_STATUS(h_store(attempts, FAILED, h_fail("reason")), LNKEEP_ALREADY);
    CHECK_STATUS(h_store(attempts, FAILED, h_fail("another")), LNKEEP_CONFLICT);
    CHECK_STATUS(h_store(attempts, DELETED, h_settle(1)), LNKEEP_CONFLICT);
    check_each_state();
    CHECK_STATUS(ack(FAILED), LNKEEP_DONE);
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &failed, &settle, &outcome, NULL));
    CHECK_EQUAL(outcome.flags, LNKEEP_OUTCOME_CHANGED | LNKEEP_OUTCOME_CONFLICT);
    CHECK(outcome.event_sequence > 0);
    lnkeep_attempt *attempt = get(FAILED);
    if (attempt) {
        CHECK_EQUAL(attempt->state, LNKEEP_STATE_SETTLED);
        /* The acknowledgement was of the failure, so it does not stand for the settle. */
        CHECK_EQUAL(attempt->flags, LNKEEP_ATTEMPT_CONFLICT);
        lnkeep_attempt_free(attempt);
    }
    CHECK_DONE(h_store(attempts, INTENT, h_settle(1)));
    CHECK_DONE(h_store(attempts, HANDED_OFF, h_fail("")));
    CHECK_DONE(h_store(attempts, ABSENT, h_settle(1)));
    CHECK_EQUAL(h_state(attempts, ABSENT), LNKEEP_STATE_SETTLED);
    end();
}

static void a_wrong_preimage_is_refused(void) {
    begin();
    lnkeep_attempt_request request = full_request();
    lnkeep_attempt_result wrong = h_settle(2), right = h_settle(1);
    lnkeep_outcome outcome = {77, 77, 77, 77, 77, 77};
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    CHECK_STATUS(lnkeep_attempts_store_result(attempts, &request.key, &wrong, &outcome, NULL),
                 LNKEEP_BAD_PREIMAGE);
    /* Outputs are written on success only. */
    CHECK_EQUAL(outcome.status, 77);
    CHECK_EQUAL(outcome.event_sequence, 77);
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &request.key, &right, &outcome, NULL));
    CHECK_STATUS(lnkeep_attempts_store_result(attempts, &request.key, &wrong, NULL, NULL), LNKEEP_BAD_PREIMAGE);
    end();
}

static void check_result_comes_back(uint64_t id, const lnkeep_attempt_result *given) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt_result *result = NULL;
    uint32_t has = 9;
    CHECK_DONE(lnkeep_attempts_has_result(attempts, &key, &has, NULL));
    CHECK_EQUAL(has, 1);
    if (!CHECK_DONE(lnkeep_attempts_result(attempts, &key, &result, NULL))) return;
    CHECK_EQUAL(result->kind, given->kind);
    CHECK_EQUAL(result->flags, given->flags);
    CHECK_EQUAL(result->failure_code, given->failure_code);
    CHECK_EQUAL(result->reserved, 0);
    CHECK(memcmp(result->preimage, given->preimage, 32) == 0);
    if (CHECK_EQUAL(result->message.len, given->message.len) && given->message.len) {
        CHECK(memcmp(result->message.ptr, given->message.ptr, given->message.len) == 0);
    }
    lnkeep_attempt_result_free(result);
}

static void results_come_back_as_stored(void) {
    static uint8_t longest[65536];
    begin();
    for (size_t i = 0; i < sizeof longest; i++) longest[i] = (uint8_t)(i * 31);
    lnkeep_attempt_result results[5] = {h_settle(9), h_fail(""), h_fail("text"), h_fail(""), h_settle(0)};
    results[0].message = h_bytes("\0\xff\0", 3);
    results[1].flags = LNKEEP_RESULT_RESOLUTION;
    results[2].flags = LNKEEP_RESULT_UNENCRYPTED | LNKEEP_RESULT_RESOLUTION;
    results[2].failure_code = 65535;
    results[3].message = h_bytes(longest, 65535);
    for (uint64_t id = 0; id < 5; id++) CHECK_DONE(h_store(attempts, id, results[id]));
    for (uint64_t id = 0; id < 5; id++) check_result_comes_back(id, &results[id]);
    reopen();
    for (uint64_t id = 0; id < 5; id++) check_result_comes_back(id, &results[id]);
    results[3].message.len = 65536;
    CHECK_STATUS(h_store(attempts, 6, results[3]), LNKEEP_TOO_BIG);
    CHECK_STATUS(h_state(attempts, 6), LNKEEP_NOT_FOUND);
    end();
}

static void malformed_results_are_refused(void) {
    make_each_state();
    lnkeep_attempt_result bad[8];
    for (int i = 0; i < 8; i++) bad[i] = h_fail("x");
    bad[0].kind = 0;
    bad[1].kind = 3;
    bad[2].flags = 4;
    bad[3].reserved = 1;
    bad[4].failure_code = 65536;
    bad[5].preimage[0] = 1;
    bad[6] = h_settle(1);
    bad[6].failure_code = 1;
    bad[7].message.ptr = NULL;
    for (int i = 0; i < 8; i++) CHECK_STATUS(h_store(attempts, INTENT, bad[i]), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(fail_with(INTENT, 65536, 0), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(fail_with(INTENT, 0, 2), LNKEEP_INVALID_ARGUMENT);
    check_each_state();
    end();
}

static void fail_pending_follows_the_table(void) {
    static uint8_t message[65536];
    make_each_state();
    lnkeep_attempt_key key = h_key(INTENT);
    CHECK_STATUS(fail_with(ABSENT, 0, 0), LNKEEP_NOT_FOUND);
    CHECK_STATUS(fail_with(HANDED_OFF, 0, 0), LNKEEP_HANDED_OFF);
    CHECK_STATUS(fail_with(SETTLED, 0, LNKEEP_FAIL_FORCED), LNKEEP_NOT_PENDING);
    CHECK_STATUS(fail_with(FAILED, 0, 0), LNKEEP_NOT_PENDING);
    CHECK_STATUS(fail_with(DELETED, 0, 0), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_attempts_fail_pending(attempts, &key, 0, h_bytes(message, 65536), 0, NULL, NULL),
                 LNKEEP_TOO_BIG);
    check_each_state();
    CHECK_DONE(fail_with(INTENT, 0, 0));
    CHECK_DONE(fail_with(HANDED_OFF, 0x400f, LNKEEP_FAIL_FORCED));
    lnkeep_attempt *rolled = get(INTENT), *forced = get(HANDED_OFF);
    if (rolled && forced) {
        CHECK_EQUAL(rolled->state, LNKEEP_STATE_FAILED);
        CHECK_EQUAL(rolled->flags, LNKEEP_ATTEMPT_ROLLED_BACK);
        CHECK_EQUAL(rolled->present, LNKEEP_HAS_RESULT);
        CHECK_EQUAL(rolled->result.failure_code, 0x2002);
        CHECK_EQUAL(rolled->result.flags, LNKEEP_RESULT_UNENCRYPTED);
        CHECK_EQUAL(forced->flags, LNKEEP_ATTEMPT_ROLLED_BACK | LNKEEP_ATTEMPT_FORCED);
        CHECK_EQUAL(forced->result.failure_code, 0x400f);
    }
    lnkeep_attempt_free(rolled);
    lnkeep_attempt_free(forced);
    /* The operator was wrong: the settle still wins. */
    CHECK_DONE(h_store(attempts, HANDED_OFF, h_settle(1)));
    end();
}

static void ack_follows_the_table(void) {
    make_each_state();
    CHECK_STATUS(ack(ABSENT), LNKEEP_NOT_FOUND);
    CHECK_STATUS(ack(INTENT), LNKEEP_RESULT_PENDING);
    CHECK_STATUS(ack(HANDED_OFF), LNKEEP_RESULT_PENDING);
    CHECK_STATUS(ack(DELETED), LNKEEP_ALREADY);
    CHECK_DONE(ack(SETTLED));
    CHECK_STATUS(ack(SETTLED), LNKEEP_ALREADY);
    check_each_state();
    lnkeep_attempt *attempt = get(SETTLED);
    CHECK(attempt && attempt->flags == LNKEEP_ATTEMPT_ACKED);
    lnkeep_attempt_free(attempt);
    end();
}

static void ack_below_acknowledges_what_is_final(void) {
    begin();
    uint64_t acked = 0, rounds = h_rounds(600, 300);
    lnkeep_attempt_key other = h_key_in(1, 1);
    lnkeep_attempt_result settle = h_settle(1);
    for (uint64_t id = 1; id <= rounds; id++) CHECK_DONE(h_store(attempts, id, h_settle(1)));
    CHECK_DONE(lnkeep_attempts_store_result(attempts, &other, &settle, NULL, NULL));
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, rounds, &acked, NULL));
    CHECK_EQUAL(acked, rounds - 1);
    CHECK_STATUS(ack(rounds - 1), LNKEEP_ALREADY);
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, UINT64_MAX, &acked, NULL));
    CHECK_EQUAL(acked, 1);
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, UINT64_MAX, NULL, NULL));
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, other.namespace_bytes, 2, &acked, NULL));
    CHECK_EQUAL(acked, 1);
    end();
}

/* A pending attempt must not hide finished ones from the call after its end. */
static void ack_below_comes_back_to_pending_ones(void) {
    begin();
    uint64_t acked = 0;
    for (uint64_t id = 1; id <= 9; id++) CHECK_DONE(h_init(attempts, id));
    for (uint64_t id = 1; id <= 9; id += 2) CHECK_DONE(h_store(attempts, id, h_fail("")));
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, 10, &acked, NULL));
    CHECK_EQUAL(acked, 5);
    for (uint64_t id = 2; id <= 8; id += 2) CHECK_DONE(h_store(attempts, id, h_fail("")));
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, 10, &acked, NULL));
    CHECK_EQUAL(acked, 4);
    end();
}

/* One stuck HTLC, older than everything else: it must not stop the rest from being acknowledged. */
static void ack_below_goes_past_a_pending_one(void) {
    begin();
    uint64_t acked = 0;
    CHECK_DONE(h_init(attempts, 1));
    for (uint64_t id = 2; id <= 601; id++) CHECK_DONE(h_store(attempts, id, h_fail("")));
    CHECK_DONE(lnkeep_attempts_ack_below(attempts, NULL, 1000, &acked, NULL));
    CHECK_EQUAL(acked, 600);
    CHECK_STATUS(ack(601), LNKEEP_ALREADY);
    end();
}

static void delete_follows_the_table(void) {
    make_each_state();
    lnkeep_attempt_key keys[6];
    lnkeep_outcome outcomes[6];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    static const lnkeep_status wanted[6] = {LNKEEP_NOT_FOUND, LNKEEP_PENDING, LNKEEP_PENDING,
                                            LNKEEP_DONE,      LNKEEP_DONE,    LNKEEP_NOT_FOUND};
    for (uint64_t i = 0; i < 6; i++) keys[i] = h_key(ABSENT + i);
    CHECK_STATUS(lnkeep_attempts_delete(attempts, keys, 6, 0, outcomes, &err), LNKEEP_BATCH);
    CHECK_EQUAL(lnkeep_status_class(err.status), LNKEEP_CLASS_REFUSED);
    for (int i = 0; i < 6; i++) CHECK_STATUS(outcomes[i].status, wanted[i]);
    CHECK_STATUS(h_init(attempts, SETTLED), LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(h_state(attempts, INTENT), LNKEEP_STATE_INTENT);
    CHECK_STATUS(delete_one(FAILED, 0), LNKEEP_NOT_FOUND);
    CHECK_DONE(lnkeep_attempts_delete(attempts, NULL, 0, 0, NULL, NULL));
    end();
}

static void forgetting_frees_the_id(void) {
    make_each_state();
    CHECK_DONE(delete_one(SETTLED, LNKEEP_DELETE_FORGET));
    CHECK_STATUS(h_state(attempts, SETTLED), LNKEEP_NOT_FOUND);
    CHECK_DONE(h_init(attempts, SETTLED));
    end();
}

static void a_refused_delete_deletes_nothing(void) {
    make_each_state();
    static lnkeep_attempt_key keys[1025];
    static lnkeep_outcome outcomes[1025];
    keys[0] = keys[2] = h_key(SETTLED);
    keys[1] = h_key(FAILED);
    CHECK_STATUS(lnkeep_attempts_delete(attempts, keys, 3, 0, outcomes, NULL), LNKEEP_DUPLICATE_ID);
    for (int i = 0; i < 3; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_DUPLICATE_ID);
    CHECK_STATUS(lnkeep_attempts_delete(attempts, keys, 2, 2, outcomes, NULL), LNKEEP_INVALID_ARGUMENT);
    for (int i = 0; i < 2; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_INVALID_ARGUMENT);
    for (uint64_t i = 0; i < 1025; i++) keys[i] = h_key(i);
    CHECK_STATUS(lnkeep_attempts_delete(attempts, keys, 1025, 0, outcomes, NULL), LNKEEP_TOO_BIG);
    check_each_state();
    CHECK_STATUS(lnkeep_attempts_delete(attempts, keys, 1024, 0, outcomes, NULL), LNKEEP_BATCH);
    CHECK_DONE(outcomes[SETTLED].status);
    end();
}

static void clean_keeps_pending_and_named_ones(void) {
    make_each_state();
    uint64_t keep[] = {FAILED}, removed = 0, unreadable = 9;
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, keep, 1, 0, &removed, &unreadable, NULL));
    CHECK_EQUAL(removed, 1);
    CHECK_EQUAL(unreadable, 0);
    CHECK_STATUS(h_state(attempts, SETTLED), LNKEEP_DELETED);
    CHECK_EQUAL(h_state(attempts, FAILED), LNKEEP_STATE_FAILED);
    CHECK_EQUAL(h_state(attempts, HANDED_OFF), LNKEEP_STATE_HANDED_OFF);
    const uint8_t elsewhere[16] = {1};
    CHECK_DONE(lnkeep_attempts_clean(attempts, elsewhere, NULL, 0, 0, &removed, NULL, NULL));
    CHECK_EQUAL(removed, 0);
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, LNKEEP_DELETE_FORGET, NULL, NULL, NULL));
    CHECK_STATUS(h_state(attempts, FAILED), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_attempts_clean(attempts, NULL, NULL, 0, 2, NULL, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    end();
}

static void clean_goes_over_many_steps(void) {
    begin();
    uint64_t removed = 0, rounds = h_rounds(700, 520);
    for (uint64_t id = 1; id <= rounds; id++) CHECK_DONE(h_store(attempts, id, h_fail("")));
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, 0, &removed, NULL, NULL));
    CHECK_EQUAL(removed, rounds);
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.deleted, rounds);
    CHECK_EQUAL(counts.failed, 0);
    end();
}

/* lnd's own rules, chosen at open: results are overwritten and clean removes pending records. */
static void the_compatible_mode_repeats_lnd(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    uint64_t removed = 0;
    options.flags = LNKEEP_STORE_LND_COMPAT;
    store = h_open_with(h_directory(), &options);
    attempts = h_attempts(store);
    CHECK_DONE(h_init(attempts, 1));
    CHECK_DONE(h_store(attempts, 2, h_settle(1)));
    CHECK_DONE(h_store(attempts, 2, h_fail("")));
    CHECK_EQUAL(h_state(attempts, 2), LNKEEP_STATE_FAILED);
    CHECK_DONE(lnkeep_attempts_clean(attempts, NULL, NULL, 0, LNKEEP_DELETE_FORGET, &removed, NULL, NULL));
    CHECK_EQUAL(removed, 2);
    CHECK_DONE(h_init(attempts, 1));
    end();
}

static void allocation_is_repeatable_and_distinct(void) {
    begin();
    char longest[65];
    uint64_t ids[4] = {0}, again = 0;
    const uint8_t other[16] = {1};
    memset(longest, 'k', sizeof longest);
    CHECK_DONE(h_init(attempts, 2));
    CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, h_text("a"), &ids[0], NULL));
    CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, h_text("b"), &ids[1], NULL));
    CHECK_DONE(lnkeep_attempts_allocate(attempts, other, h_text("a"), &ids[2], NULL));
    CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, h_bytes(longest, 64), &ids[3], NULL));
    for (int i = 0; i < 4; i++) {
        CHECK(ids[i] != 0 && ids[i] != 2);
        for (int j = 0; j < i; j++) CHECK(ids[i] != ids[j]);
    }
    reopen();
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_text("a"), &again, NULL), LNKEEP_ALREADY);
    CHECK_EQUAL(again, ids[0]);
    CHECK_STATUS(h_state(attempts, ids[0]), LNKEEP_NOT_FOUND);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_text(""), &again, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_bytes(longest, 65), &again, NULL),
                 LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(again, ids[0]);
    end();
}

static void allocation_by_submit_is_the_same(void) {
    begin();
    uint64_t id = 0;
    lnkeep_outcome outcome;
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_ATTEMPT_ALLOCATE;
    op.component = attempts.bits;
    op.body.attempt_allocate.external_key = h_text("by submit");
    CHECK_DONE(lnkeep_submit(store, &op, 1, 0, &outcome, NULL));
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_text("by submit"), &id, NULL), LNKEEP_ALREADY);
    CHECK_EQUAL(outcome.value, id);
    end();
}

static void all_ones_is_no_namespace_to_write(void) {
    begin();
    uint8_t all[16];
    lnkeep_attempt_request request = h_request(1);
    lnkeep_attempt_result settle = h_settle(1);
    uint64_t id;
    memset(all, 0xff, sizeof all);
    memcpy(request.key.namespace_bytes, all, 16);
    CHECK_STATUS(lnkeep_attempts_init(attempts, &request, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_store_result(attempts, &request.key, &settle, NULL, NULL),
                 LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, all, h_text("k"), &id, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_clean(attempts, all, NULL, 0, 0, NULL, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_ack_below(attempts, all, 9, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_attempts_recover(attempts, all, NULL, 0, 0, NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(init_keeps_every_field),
        H_TEST(init_is_granted_once_in_every_state),
        H_TEST(another_request_under_the_id_is_a_mismatch),
        H_TEST(mark_follows_the_table),
        H_TEST(results_follow_the_table),
        H_TEST(a_wrong_preimage_is_refused),
        H_TEST(results_come_back_as_stored),
        H_TEST(malformed_results_are_refused),
        H_TEST(fail_pending_follows_the_table),
        H_TEST(ack_follows_the_table),
        H_TEST(ack_below_acknowledges_what_is_final),
        H_TEST(ack_below_comes_back_to_pending_ones),
        H_TEST(ack_below_goes_past_a_pending_one),
        H_TEST(delete_follows_the_table),
        H_TEST(forgetting_frees_the_id),
        H_TEST(a_refused_delete_deletes_nothing),
        H_TEST(clean_keeps_pending_and_named_ones),
        H_TEST(clean_goes_over_many_steps),
        H_TEST(the_compatible_mode_repeats_lnd),
        H_TEST(allocation_is_repeatable_and_distinct),
        H_TEST(allocation_by_submit_is_the_same),
        H_TEST(all_ones_is_no_namespace_to_write),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

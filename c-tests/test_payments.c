/* Initiating payments and registering attempts: each success and each refusal, and what each of them keeps. */

#include "payments.h"

#include <stdio.h>
#include <stdlib.h>

static lnkeep_payment_init full_init(void) {
    lnkeep_payment_init init = init_of(7, 123456);
    init.created_unix_ns = 1700000000123456789;
    init.idempotency_key = h_text("order 4711");
    init.payment_request = h_text("lnbc1...");
    init.first_hop_records = h_bytes("\x01\x02\x00\x03", 4);
    init.present =
        LNKEEP_PAYMENT_HAS_INTENT | LNKEEP_PAYMENT_HAS_DESTINATION | LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE;
    init.intent_deadline_unix_ns = 1800000000000000000;
    init.intent_fee_limit_msat = 99;
    memset(init.intent_amp_root_share, 0xa1, sizeof init.intent_amp_root_share);
    memset(init.intent_destination, 0x02, sizeof init.intent_destination);
    init.intent_data = h_text("what a sender needs");
    return init;
}

static void init_keeps_every_field(void) {
    begin();
    lnkeep_payment_init init = full_init();
    CHECK_DONE(lnkeep_store_tick(store, 1700000000999, 800000, NULL));
    CHECK_DONE(init_with(&init));
    CHECK_EQUAL(last.flags, LNKEEP_OUTCOME_CHANGED);
    CHECK_EQUAL(last.value, 0);
    CHECK(last.event_sequence > 0);
    for (int opens = 0; opens < 2; opens++) {
        lnkeep_payment *payment = fetch(7);
        if (!payment) break;
        CHECK(is_same_init(&payment->init, &init));
        CHECK_EQUAL(payment->sequence, 1);
        CHECK_EQUAL(payment->revision, 1);
        CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_INITIATED);
        CHECK_EQUAL(payment->marks | payment->failure_reason | payment->attempts_len, 0);
        CHECK_EQUAL(payment->updated_unix_ms, 1700000000999);
        CHECK_EQUAL(payment->remaining_msat, 123456);
        CHECK_EQUAL(payment->terminal, LNKEEP_PAYMENT_TERMINAL_NONE);
        lnkeep_payment_free(payment);
        reopen();
    }
    end();
}

/* The answer is the view of the same transaction, and either half of it may be left out. */
static void outputs_may_be_left_out(void) {
    begin();
    lnkeep_payment_init init = init_of(1, AMOUNT);
    lnkeep_payment_attempt_request request = request_of(1, AMOUNT, 2);
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    lnkeep_attempt_key key = h_key(1);
    lnkeep_payment *payment = NULL;
    lnkeep_outcome outcome;
    hash hash = hash_of(1);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    CHECK_DONE(lnkeep_payments_init(payments, &init, NULL, NULL, NULL));
    CHECK_DONE(lnkeep_payments_register(payments, hash.bytes, &request, 0, NULL, &outcome, &err));
    CHECK_DONE(lnkeep_payments_fail_attempt(payments, hash.bytes, &key, &failure, h_text(""), 0, &payment,
                                            NULL, &err));
    CHECK_EQUAL(payment->revision, 3);
    CHECK_EQUAL(payment->status, LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_EQUAL(payment->remaining_msat, AMOUNT);
    lnkeep_payment_free(payment);
    lnkeep_payment_free(NULL);
    const struct hash wrong = preimage_of(2), right = preimage_of(1);
    lnkeep_status status =
        lnkeep_payments_settle(payments, hash.bytes, &key, wrong.bytes, 0, 0, NULL, NULL, &err);
    CHECK_STATUS(status, LNKEEP_BAD_PREIMAGE);
    CHECK_EQUAL(err.status, LNKEEP_BAD_PREIMAGE);
    CHECK_DONE(lnkeep_payments_settle(payments, hash.bytes, &key, right.bytes, 0, 0, NULL, NULL, &err));
    CHECK_EQUAL(err.status | err.message[0], 0);
    CHECK_STATUS(lnkeep_payments_fail(payments, hash.bytes, LNKEEP_PAYMENT_REASON_ERROR, NULL, NULL, NULL),
                 LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_DONE(lnkeep_payments_delete(payments, hash.bytes, 0, NULL, NULL));
    end();
}

static void init_follows_the_table(void) {
    begin();
    make_each_status();
    CHECK_STATUS(init_payment(INITIATED, AMOUNT), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(init_payment(INITIATED, AMOUNT + 1), LNKEEP_PAYMENT_EXISTS);
    for (uint64_t number = IN_FLIGHT; number <= HALF_SETTLED; number++) {
        CHECK_STATUS(init_payment(number, AMOUNT), LNKEEP_PAYMENT_IN_FLIGHT);
    }
    CHECK_STATUS(init_payment(SUCCEEDED, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_STATUS(init_payment(TOMBSTONE, AMOUNT), LNKEEP_ALREADY_PAID);
    check_each_status();
    CHECK_DONE(init_payment(ABSENT, AMOUNT));
    reopen();
    CHECK_STATUS(init_payment(ABSENT, AMOUNT), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(init_payment(TOMBSTONE, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_STATUS(init_payment(SUCCEEDED, AMOUNT), LNKEEP_ALREADY_PAID);
    end();
}

static void a_failed_payment_starts_over(void) {
    begin();
    make_each_status();
    lnkeep_payment *before = fetch(FAILED);
    CHECK_DONE(init_payment(FAILED, 77));
    lnkeep_payment *after = fetch(FAILED);
    if (before && after) {
        CHECK(after->sequence > before->sequence);
        CHECK_EQUAL(after->revision, 1);
        CHECK_EQUAL(after->init.amount_msat, 77);
        CHECK_EQUAL(after->attempts_len | after->failure_reason | after->first_failure_reason, 0);
    }
    lnkeep_payment_free(before);
    lnkeep_payment_free(after);
    /* Ids of the old attempts are free again here. */
    CHECK_DONE(register_whole(FAILED, FAILED, 77, 0));
    CHECK_DONE(settle(FAILED, FAILED, 0));
    end();
}

static lnkeep_status init_keyed(uint64_t number, uint64_t amount_msat, const char *key) {
    lnkeep_payment_init init = init_of(number, amount_msat);
    init.idempotency_key = h_text(key);
    return init_with(&init);
}

/* A client that lost the answer asks again, at any time, and never pays twice. */
static void a_repeat_of_a_key_shows_the_first(void) {
    begin();
    static const int wanted[] = {LNKEEP_PAYMENT_STATUS_INITIATED, LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
                                 LNKEEP_PAYMENT_STATUS_FAILED};
    CHECK_DONE(init_keyed(1, AMOUNT, "a"));
    for (int step = 0; step < 3; step++) {
        CHECK_STATUS(init_keyed(1, AMOUNT, "a"), LNKEEP_ALREADY_EXISTS);
        CHECK_EQUAL(status_of(1), wanted[step]);
        if (step == 0) CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
        if (step == 1) CHECK_DONE(fail_attempt(1, 1, 0));
        if (step == 1) CHECK_DONE(give_up(1, LNKEEP_PAYMENT_REASON_CANCELED));
    }
    CHECK_DONE(init_keyed(2, AMOUNT, "b"));
    CHECK_DONE(register_whole(2, 2, AMOUNT, 0));
    CHECK_DONE(settle(2, 2, 0));
    CHECK_STATUS(init_keyed(2, AMOUNT, "b"), LNKEEP_ALREADY_EXISTS);
    reopen();
    CHECK_STATUS(init_keyed(1, AMOUNT, "a"), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(init_keyed(2, AMOUNT, "b"), LNKEEP_ALREADY_EXISTS);
    CHECK_EQUAL(status_of(2), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_EQUAL(counts_now().idempotency_keys, 2);
    end();
}

static void a_key_belongs_to_one_request(void) {
    begin();
    lnkeep_payment_init init = full_init();
    CHECK_DONE(init_with(&init));
    init.amount_msat++;
    CHECK_STATUS(init_with(&init), LNKEEP_FINGERPRINT_MISMATCH);
    init = full_init();
    init.payment_request = h_text("lnbc2...");
    CHECK_STATUS(init_with(&init), LNKEEP_FINGERPRINT_MISMATCH);
    init = full_init();
    memcpy(init.payment_hash, hash_of(8).bytes, 32);
    CHECK_STATUS(init_with(&init), LNKEEP_FINGERPRINT_MISMATCH);
    CHECK_EQUAL(status_of(8), LNKEEP_PAYMENT_NOT_INITIATED);
    /* Another time or deadline is the same order. */
    init = full_init();
    init.created_unix_ns++;
    init.intent_deadline_unix_ns++;
    CHECK_STATUS(init_with(&init), LNKEEP_ALREADY_EXISTS);
    /* The hash is another's business as long as that one may end. */
    CHECK_STATUS(init_keyed(7, 123456, "order 4712"), LNKEEP_PAYMENT_EXISTS);
    CHECK_EQUAL(counts_now().idempotency_keys, 1);
    end();
}

static void a_key_outlives_its_payment(void) {
    begin();
    CHECK_DONE(init_keyed(1, AMOUNT, "failed"));
    CHECK_DONE(give_up(1, LNKEEP_PAYMENT_REASON_ERROR));
    CHECK_DONE(init_keyed(1, AMOUNT, "again"));
    CHECK_STATUS(init_keyed(1, AMOUNT, "failed"), LNKEEP_PAYMENT_ALREADY_FAILED);
    CHECK_STATUS(init_keyed(1, AMOUNT, "again"), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(give_up(1, LNKEEP_PAYMENT_REASON_ERROR));
    CHECK_DONE(delete_payment(1, 0));
    CHECK_STATUS(init_keyed(1, AMOUNT, "again"), LNKEEP_DELETED);
    CHECK_STATUS(init_keyed(1, AMOUNT, "failed"), LNKEEP_DELETED);
    CHECK_DONE(init_keyed(2, AMOUNT, "paid"));
    CHECK_DONE(register_whole(2, 2, AMOUNT, 0));
    CHECK_DONE(settle(2, 2, 0));
    CHECK_DONE(delete_payment(2, 0));
    CHECK_STATUS(init_keyed(2, AMOUNT, "paid"), LNKEEP_ALREADY_PAID);
    CHECK_EQUAL(counts_now().idempotency_keys, 3);
    CHECK_DONE(init_keyed(3, AMOUNT, "forgotten"));
    CHECK_DONE(delete_payment(3, LNKEEP_DELETE_FORGET));
    CHECK_DONE(init_keyed(3, AMOUNT, "forgotten"));
    end();
}

/* The longest that may be, and one byte more. */
static void lengths_are_exact(void) {
    begin();
    static uint8_t room[65536];
    memset(room, 'r', sizeof room);
    for (int more = 1; more >= 0; more--) {
        lnkeep_status wanted = more ? LNKEEP_TOO_BIG : LNKEEP_DONE;
        lnkeep_bytes long_view = h_bytes(room, (size_t)(65535 + more));
        for (uint64_t field = 0; field < 4; field++) {
            lnkeep_payment_init init = init_of(10 + field, AMOUNT);
            init.present = LNKEEP_PAYMENT_HAS_INTENT;
            lnkeep_bytes *views[] = {&init.payment_request, &init.first_hop_records, &init.intent_data,
                                     &init.idempotency_key};
            *views[field] = field == 3 ? h_bytes(room, (size_t)(64 + more)) : long_view;
            CHECK_STATUS(init_with(&init), wanted);
        }
        for (uint64_t field = 0; field < 3; field++) {
            lnkeep_payment_attempt_request request = request_of(10 + field, AMOUNT, 0);
            lnkeep_bytes *views[] = {&request.route, &request.first_hop_records, &request.session_key};
            *views[field] = field == 2 ? h_bytes(room, (size_t)(64 + more)) : long_view;
            CHECK_STATUS(register_with(10 + field, &request, 0), wanted);
        }
    }
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "");
    failure.message = h_bytes(room, 65536);
    CHECK_STATUS(fail_by(10, 10, &failure, "", 0), LNKEEP_TOO_BIG);
    char note[1026];
    memset(note, 'n', sizeof note);
    note[1025] = 0;
    failure.message.len = 65535;
    CHECK_STATUS(fail_by(10, 10, &failure, note, LNKEEP_FAIL_FORCED), LNKEEP_TOO_BIG);
    note[1024] = 0;
    CHECK_DONE(fail_by(10, 10, &failure, note, LNKEEP_FAIL_FORCED));
    CHECK_DONE(fail_by(11, 11, &failure, "", 0));
    end();
}

/* What a sender keeps for itself needs the flag that says so. */
static void intent_fields_need_their_flag(void) {
    begin();
    for (int field = 0; field < 5; field++) {
        lnkeep_payment_init init = init_of(1, AMOUNT);
        if (field == 0) init.intent_deadline_unix_ns = 1;
        if (field == 1) init.intent_fee_limit_msat = 1;
        if (field == 2) init.intent_amp_root_share[31] = 1;
        if (field == 3) init.intent_destination[32] = 1;
        if (field == 4) init.intent_data = h_text("x");
        if (!CHECK_STATUS(init_with(&init), LNKEEP_INVALID_ARGUMENT)) printf("field %d\n", field);
        init.present = LNKEEP_PAYMENT_HAS_DESTINATION | LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE;
        CHECK_STATUS(init_with(&init), LNKEEP_INVALID_ARGUMENT);
    }
    lnkeep_payment_init init = init_of(1, AMOUNT);
    init.present = LNKEEP_PAYMENT_HAS_INTENT;
    CHECK_DONE(init_with(&init));
    lnkeep_payment *payment = fetch(1);
    if (payment) CHECK_EQUAL(payment->init.present, LNKEEP_PAYMENT_HAS_INTENT);
    lnkeep_payment_free(payment);
    end();
}

static void reserved_bytes_of_an_intent_are_zero(void) {
    begin();
    lnkeep_payment_init init = init_of(1, AMOUNT);
    init.intent_reserved[6] = 1;
    CHECK_STATUS(init_with(&init), LNKEEP_INVALID_ARGUMENT);
    init.present = LNKEEP_PAYMENT_HAS_INTENT;
    CHECK_STATUS(init_with(&init), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_NOT_INITIATED);
    end();
}

static lnkeep_payment_attempt_request full_request(void) {
    lnkeep_payment_attempt_request request = part_of(4711, 400, AMOUNT);
    request.key = h_key_in(3, 4711);
    request.fee_msat = 21;
    request.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_HASH | LNKEEP_PAYMENT_ATTEMPT_HAS_AMP |
                       LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT;
    request.hop_count = 20;
    memcpy(request.attempt_hash, h_hash_of_ones, 32);
    memset(request.amp_root_share, 0xc3, 32);
    memset(request.amp_set_id, 0xd4, 32);
    request.amp_child_index = 5;
    request.cltv_expiry = 800144;
    request.first_hop_scid = UINT64_C(0x0c35000001c80001);
    request.first_hop_amount_msat = 430;
    request.sent_unix_ns = 1700000001000000001;
    request.route = h_text("a route in the host's own bytes");
    request.session_key = h_bytes(h_hash_of_twos, 32);
    request.first_hop_records = h_bytes("\x00\xff", 2);
    return request;
}

static void register_keeps_every_field(void) {
    begin();
    lnkeep_payment_attempt_request request = full_request(), blinded = request_of(3, 100, 1);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_DONE(register_with(1, &request, 0));
    CHECK_EQUAL(last.flags, LNKEEP_OUTCOME_CHANGED);
    blinded.present = LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
    blinded.blinded_total_msat = 1;
    CHECK_DONE(register_with(2, &blinded, 0));
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_ALREADY_EXISTS);
    reopen();
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_ALREADY_EXISTS);
    lnkeep_payment *payment = fetch(1), *other = fetch(2);
    if (payment && other) {
        CHECK(is_same_request(&attempt_of(payment, 0)->request, &request));
        CHECK(is_same_request(&attempt_of(other, 0)->request, &blinded));
        CHECK_EQUAL(attempt_of(payment, 0)->state, LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
        CHECK_EQUAL(attempt_of(payment, 0)->marks, 0);
        CHECK_EQUAL(payment->in_flight, 1);
        CHECK_EQUAL(payment->remaining_msat, AMOUNT - 400);
        CHECK_EQUAL(payment->fees_msat, 21);
        CHECK_EQUAL(payment->revision, 2);
    }
    lnkeep_payment_free(payment);
    lnkeep_payment_free(other);
    end();
}

static void register_follows_the_table(void) {
    begin();
    make_each_status();
    static const lnkeep_status wanted[] = {
        LNKEEP_PAYMENT_NOT_INITIATED,   LNKEEP_DONE,
        LNKEEP_VALUE_EXCEEDS,           LNKEEP_DONE,
        LNKEEP_PAYMENT_PENDING_FAILED,  LNKEEP_PAYMENT_PENDING_SETTLED,
        LNKEEP_PAYMENT_ALREADY_SUCCEEDED, LNKEEP_PAYMENT_ALREADY_FAILED,
        LNKEEP_PAYMENT_NOT_INITIATED,
    };
    for (uint64_t number = ABSENT; number <= TOMBSTONE; number++) {
        lnkeep_status answer = wanted[number - ABSENT];
        if (answer != LNKEEP_DONE) CHECK_STATUS(register_whole(number, 100 + number, AMOUNT, 0), answer);
    }
    /* A payment that was given up and has a settled attempt is pending as settled. */
    CHECK_DONE(give_up(HALF_SETTLED, LNKEEP_PAYMENT_REASON_TIMEOUT));
    CHECK_STATUS(register_whole(HALF_SETTLED, 100, AMOUNT, 0), LNKEEP_PAYMENT_PENDING_SETTLED);
    CHECK_DONE(register_whole(INITIATED, 100 + INITIATED, AMOUNT, 0));
    CHECK_DONE(register_whole(RETRYABLE, 100 + RETRYABLE, AMOUNT, 0));
    CHECK_EQUAL(attempt_state(RETRYABLE, RETRYABLE), LNKEEP_PAYMENT_ATTEMPT_FAILED);
    CHECK_EQUAL(attempt_state(RETRYABLE, 100 + RETRYABLE), LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT);
    end();
}

/* Each request has the mistake looked for at its place and every one looked for later. */
static void register_looks_for_mistakes_in_order(void) {
    begin();
    lnkeep_payment_attempt_request request;
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_DONE(register_part(1, 1, 400, AMOUNT));
    request = request_of(1, 2000, 0);
    request.present = LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED | LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    request.hop_count = 0;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_INVALID_ROUTE);
    request.hop_count = 1;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_ATTEMPT_ID_EXISTS);
    CHECK_STATUS(register_with(2, &request, 0), LNKEEP_ATTEMPT_ID_EXISTS);
    request.key.id = 2;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_BLINDED_MISSING_TOTAL);
    request.blinded_total_msat = 5;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_MPP_RECORD_IN_BLINDED);
    request.present = LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_MPP_RECORD_IN_BLINDED);
    request.present = 0;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_MPP_PAYMENT);
    request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_MPP_ADDR_MISMATCH);
    memset(request.mpp_payment_address, 0x5a, 32);
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_MPP_TOTAL_MISMATCH);
    request.mpp_total_msat = AMOUNT;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_VALUE_EXCEEDS);
    request.amount_msat = 601;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_VALUE_EXCEEDS);
    request.amount_msat = UINT64_MAX;
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_VALUE_EXCEEDS);
    request.amount_msat = 600;
    CHECK_DONE(register_with(1, &request, 0));
    end();
}

static void blinded_and_whole_attempts_do_not_mix(void) {
    begin();
    lnkeep_payment_attempt_request blinded = request_of(1, 400, 0), other = request_of(2, 600, 0);
    CHECK_DONE(init_payment(1, AMOUNT));
    blinded.present = LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
    blinded.blinded_total_msat = AMOUNT;
    CHECK_STATUS(register_with(1, &other, 0), LNKEEP_VALUE_MISMATCH);
    CHECK_DONE(register_with(1, &blinded, 0));
    CHECK_STATUS(register_with(1, &other, 0), LNKEEP_MIXED_BLINDED);
    other = part_of(2, 600, AMOUNT);
    CHECK_STATUS(register_with(1, &other, 0), LNKEEP_MIXED_BLINDED);
    other = blinded;
    other.key = h_key(2);
    other.amount_msat = 600;
    other.blinded_total_msat++;
    CHECK_STATUS(register_with(1, &other, 0), LNKEEP_BLINDED_TOTAL_MISMATCH);
    CHECK_DONE(fail_attempt(1, 1, 0));
    /* Only attempts in flight are looked at. */
    CHECK_DONE(register_with(1, &other, 0));
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_DONE(register_whole(2, 3, AMOUNT, 0));
    CHECK_STATUS(register_part(2, 4, AMOUNT, AMOUNT), LNKEEP_NON_MPP_PAYMENT);
    end();
}

static void totals_are_checked_when_asked_for(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.flags = LNKEEP_PAYMENTS_CHECK_TOTALS;
    begin_with(&options);
    lnkeep_payment_attempt_request blinded = request_of(2, 400, 0), amp = part_of(4, 400, AMOUNT);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_STATUS(register_part(1, 1, 400, AMOUNT + 1), LNKEEP_MPP_TOTAL_MISMATCH);
    blinded.present = LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
    blinded.blinded_total_msat = AMOUNT - 1;
    CHECK_STATUS(register_with(1, &blinded, 0), LNKEEP_BLINDED_TOTAL_MISMATCH);
    blinded.blinded_total_msat = AMOUNT;
    CHECK_DONE(register_with(1, &blinded, 0));
    amp.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_AMP;
    CHECK_DONE(register_with(2, &amp, 0));
    amp.key.id = 5;
    amp.amp_set_id[0] = 1;
    CHECK_STATUS(register_with(2, &amp, 0), LNKEEP_MPP_ADDR_MISMATCH);
    amp.amp_set_id[0] = 0;
    CHECK_DONE(register_with(2, &amp, 0));
    end();
    open_with(NULL, NULL);
    CHECK_DONE(init_payment(3, AMOUNT));
    CHECK_DONE(register_part(3, 6, 400, AMOUNT + 1));
    end();
}

/* One transaction for both stores: the record is what lnkeep_attempts_init would have made. */
static void a_record_is_made_with_the_attempt(void) {
    begin();
    lnkeep_payment_attempt_request request = full_request();
    lnkeep_attempt *record = NULL;
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_with(1, &request, LNKEEP_REGISTER_WITH_RECORD));
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &request.key, &record, NULL))) {
        CHECK_EQUAL(record->state, LNKEEP_STATE_INTENT);
        CHECK(record->present & LNKEEP_HAS_FINGERPRINT);
        CHECK(record->present & LNKEEP_HAS_PAYMENT_HASH);
        CHECK(memcmp(record->payment_hash, request.attempt_hash, 32) == 0);
        CHECK_EQUAL(record->amount_msat, 421);
        CHECK_EQUAL(record->cltv_expiry, 800144);
        CHECK_EQUAL(record->first_hop_scid, request.first_hop_scid);
        lnkeep_attempt_free(record);
    }
    lnkeep_payment *payment = fetch(1);
    if (payment) CHECK_EQUAL(attempt_of(payment, 0)->marks, LNKEEP_PAYMENT_MARK_TRACKED);
    lnkeep_payment_free(payment);
    CHECK_STATUS(register_with(1, &request, LNKEEP_REGISTER_WITH_RECORD), LNKEEP_ALREADY_EXISTS);
    /* With and without a record are two requests. */
    CHECK_STATUS(register_with(1, &request, 0), LNKEEP_ATTEMPT_ID_EXISTS);
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_DONE(register_whole(2, 9, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    if (CHECK_DONE(lnkeep_attempts_get(attempts, &(lnkeep_attempt_key){{0}, 9}, &record, NULL))) {
        CHECK(memcmp(record->payment_hash, hash_of(2).bytes, 32) == 0);
        CHECK_EQUAL(record->amount_msat, AMOUNT + 1);
        lnkeep_attempt_free(record);
    }
    end();
}

/* An id that the attempt store knows is refused with both sides untouched, whatever the record says. */
static void an_id_that_is_burned_is_refused(void) {
    begin();
    CHECK_DONE(h_init(attempts, 1));
    CHECK_DONE(h_store(attempts, 2, h_settle(1)));
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t id = 1; id <= 2; id++) {
        CHECK_STATUS(register_whole(1, id, AMOUNT, LNKEEP_REGISTER_WITH_RECORD), LNKEEP_ATTEMPT_ID_EXISTS);
    }
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_DONE(register_whole(1, 3, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    end();
}

/* The payment that owned the id is gone, its record is not. */
static void the_id_of_a_deleted_payment_stays_burned(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 3, AMOUNT, LNKEEP_REGISTER_WITH_RECORD));
    CHECK_DONE(settle(1, 3, 0));
    CHECK_DONE(delete_payment(1, 0));
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_STATUS(register_whole(2, 3, AMOUNT, LNKEEP_REGISTER_WITH_RECORD), LNKEEP_ATTEMPT_ID_EXISTS);
    /* Without a record nothing is asked of the attempt store. */
    CHECK_DONE(register_whole(2, 3, AMOUNT, 0));
    end();
}

static void an_external_router_keeps_its_ids(void) {
    begin();
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    h_close_attempts(&attempts);
    options.flags = LNKEEP_ATTEMPTS_EXTERNAL;
    CHECK_DONE(lnkeep_attempts_open(store, &options, &attempts, NULL));
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_STATUS(register_whole(1, 1, AMOUNT, LNKEEP_REGISTER_WITH_RECORD), LNKEEP_EXTERNAL_MARKER);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    end();
}

/* The namespace that means "all" is nobody's. */
static void the_reserved_namespace_is_refused(void) {
    begin();
    lnkeep_payment_attempt_request request = request_of(1, AMOUNT, 0);
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    hash hash = hash_of(1), preimage = preimage_of(1);
    CHECK_DONE(init_payment(1, AMOUNT));
    memset(request.key.namespace_bytes, 0xff, 16);
    CHECK_STATUS(register_with(1, &request, 0), bad);
    CHECK_STATUS(register_with(1, &request, LNKEEP_REGISTER_WITH_RECORD), bad);
    CHECK_STATUS(lnkeep_payments_settle(payments, hash.bytes, &request.key, preimage.bytes, 0, 0, NULL, NULL,
                                        NULL),
                 bad);
    CHECK_STATUS(lnkeep_payments_fail_attempt(payments, hash.bytes, &request.key, &failure, h_text(""), 0,
                                              NULL, NULL, NULL),
                 bad);
    end();
}

/* Attempts are told by id and namespace, and come in that order. */
static void namespaces_are_apart(void) {
    begin();
    CHECK_DONE(init_payment(1, AMOUNT));
    static const uint8_t spaces[] = {2, 0, 1};
    for (size_t i = 0; i < H_COUNT(spaces); i++) {
        lnkeep_payment_attempt_request request = part_of(5, 100, AMOUNT);
        request.key = h_key_in(spaces[i], 5);
        CHECK_DONE(register_with(1, &request, 0));
    }
    CHECK_DONE(register_part(1, 4, 100, AMOUNT));
    lnkeep_payment *payment = fetch(1);
    if (payment && CHECK_EQUAL(payment->attempts_len, 4)) {
        CHECK_EQUAL(attempt_of(payment, 0)->request.key.id, 4);
        for (size_t i = 1; i < 4; i++) {
            CHECK_EQUAL(attempt_of(payment, i)->request.key.namespace_bytes[15], i - 1);
        }
    }
    lnkeep_payment_free(payment);
    end();
}

static void handles_share_one_instance(void) {
    begin();
    lnkeep_payments second = h_payments(store);
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    lnkeep_payments third = {5};
    CHECK_EQUAL(lnkeep_payments_is_open(second), 1);
    CHECK(second.bits != payments.bits);
    options.finished_max = 3;
    CHECK_STATUS(lnkeep_payments_open(store, &options, &third, NULL), LNKEEP_ALREADY_OPEN);
    CHECK_EQUAL(third.bits, 0);
    h_close_payments(&second);
    CHECK_EQUAL(lnkeep_payments_is_open(second), 0);
    CHECK_DONE(init_payment(1, AMOUNT));
    end();
}

/* Right after a change, too: once the last handle is closed, any options will do. */
static void the_last_close_ends_the_instance(void) {
    begin();
    for (uint64_t round = 1; round <= 20; round++) {
        lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
        options.finished_max = round;
        CHECK_DONE(init_payment(round, AMOUNT));
        h_close_payments(&payments);
        if (!CHECK_DONE(lnkeep_payments_open(store, &options, &payments, NULL))) break;
        CHECK_EQUAL(status_of(round), LNKEEP_PAYMENT_STATUS_INITIATED);
    }
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(init_keeps_every_field),
        H_TEST(outputs_may_be_left_out),
        H_TEST(init_follows_the_table),
        H_TEST(a_failed_payment_starts_over),
        H_TEST(a_repeat_of_a_key_shows_the_first),
        H_TEST(a_key_belongs_to_one_request),
        H_TEST(a_key_outlives_its_payment),
        H_TEST(lengths_are_exact),
        H_TEST(intent_fields_need_their_flag),
        H_TEST(reserved_bytes_of_an_intent_are_zero),
        H_TEST(register_keeps_every_field),
        H_TEST(register_follows_the_table),
        H_TEST(register_looks_for_mistakes_in_order),
        H_TEST(blinded_and_whole_attempts_do_not_mix),
        H_TEST(totals_are_checked_when_asked_for),
        H_TEST(a_record_is_made_with_the_attempt),
        H_TEST(an_id_that_is_burned_is_refused),
        H_TEST(the_id_of_a_deleted_payment_stays_burned),
        H_TEST(an_external_router_keeps_its_ids),
        H_TEST(the_reserved_namespace_is_refused),
        H_TEST(namespaces_are_apart),
        H_TEST(handles_share_one_instance),
        H_TEST(the_last_close_ends_the_instance),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

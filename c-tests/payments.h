/*
 * What the tests of payments share: a store with its payments, payments by number, and checks that every
 * answer must pass: a view that agrees with itself and with a fetch, nothing written by a refusal.
 */

#ifndef LNKEEP_TEST_PAYMENTS_H
#define LNKEEP_TEST_PAYMENTS_H

#include "harness.h"

#include <stdio.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_attempts attempts;
static lnkeep_payments payments;
static const char *directory;
/* Of the last change that was not refused. */
static lnkeep_outcome last;

/* Where no refusal may write. */
#define UNTOUCHED ((lnkeep_payment *)(void *)&store)

typedef struct hash {
    uint8_t bytes[32];
} hash;

/* Payment `number` is paid by the preimage that begins with its number. */
static inline hash preimage_of(uint64_t number) {
    hash preimage;
    memset(&preimage, 0, sizeof preimage);
    memcpy(preimage.bytes, &number, sizeof number);
    return preimage;
}

static inline hash hash_of(uint64_t number) {
    hash preimage = preimage_of(number), made;
    h_sha256(preimage.bytes, sizeof preimage.bytes, made.bytes);
    return made;
}

static inline void open_with(const lnkeep_store_options *options, const lnkeep_payments_options *choices) {
    store = h_open_with(directory, options);
    attempts = h_attempts(store);
    CHECK_DONE(lnkeep_payments_open(store, choices, &payments, NULL));
}

static inline void begin_with(const lnkeep_payments_options *choices) {
    directory = h_directory();
    open_with(NULL, choices);
}

static inline void begin(void) { begin_with(NULL); }

static inline void close_all(void) {
    h_close_payments(&payments);
    h_close_attempts(&attempts);
    h_close(&store);
}

/* Whatever a test did, its rows must agree with each other. */
static inline void end(void) {
    close_all();
    lnkeep_check_report *report = h_check_report(directory);
    if (!report) return;
    if (!CHECK_EQUAL(report->findings_len, 0)) {
        fprintf(stderr, "%s: %s\n", report->findings->table, report->findings->fault);
    }
    lnkeep_check_report_free(report);
}

static inline void reopen(void) {
    close_all();
    open_with(NULL, NULL);
}

static inline const lnkeep_payment_attempt *attempt_of(const lnkeep_payment *payment, size_t index) {
    const char *at = (const char *)payment->attempts + index * payment->attempt_stride;
    return (const lnkeep_payment_attempt *)(const void *)at;
}

static inline const lnkeep_payment *payment_of(const lnkeep_payment_page *page, size_t index) {
    const char *at = (const char *)page->payments + index * page->stride;
    return (const lnkeep_payment *)(const void *)at;
}

static inline int is_zero(const void *bytes, size_t len) {
    unsigned any = 0;
    for (size_t i = 0; i < len; i++) any |= ((const uint8_t *)bytes)[i];
    return any == 0;
}

static inline int is_same_bytes(lnkeep_bytes one, lnkeep_bytes other) {
    return one.len == other.len && (one.len == 0 || memcmp(one.ptr, other.ptr, one.len) == 0);
}

/* A field without its flag is zero; the other way round nothing can be said. */
static inline int check_request(const lnkeep_payment_attempt_request *request) {
    uint32_t has = request->present;
    int held = CHECK_EQUAL(request->size, sizeof *request);
    held &= CHECK(request->hop_count > 0);
    held &= CHECK_EQUAL(has & ~UINT32_C(31), 0);
    if (!(has & LNKEEP_PAYMENT_ATTEMPT_HAS_HASH)) held &= CHECK(is_zero(request->attempt_hash, 32));
    if (!(has & LNKEEP_PAYMENT_ATTEMPT_HAS_MPP)) {
        held &= CHECK(is_zero(request->mpp_payment_address, 32) && request->mpp_total_msat == 0);
    }
    if (!(has & LNKEEP_PAYMENT_ATTEMPT_HAS_AMP)) {
        held &= CHECK(is_zero(request->amp_root_share, 32) && is_zero(request->amp_set_id, 32));
        held &= CHECK_EQUAL(request->amp_child_index, 0);
    }
    if (!(has & LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED)) held &= CHECK_EQUAL(request->blinded_total_msat, 0);
    if (!(has & LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT)) {
        held &= CHECK_EQUAL(request->first_hop_amount_msat, 0);
    }
    return held;
}

static inline int check_attempt(const lnkeep_payment_attempt *attempt) {
    int held = check_request(&attempt->request);
    held &= CHECK_EQUAL(attempt->marks & ~UINT32_C(7), 0);
    if (attempt->state != LNKEEP_PAYMENT_ATTEMPT_SETTLED) {
        held &= CHECK(is_zero(attempt->preimage, 32) && attempt->settled_unix_ns == 0);
        held &= CHECK(!(attempt->marks & LNKEEP_PAYMENT_MARK_LATE_SETTLE));
    }
    if (attempt->state == LNKEEP_PAYMENT_ATTEMPT_FAILED) {
        held &= CHECK(attempt->failure.reason >= 1 && attempt->failure.reason <= 4);
    } else {
        held &= CHECK_EQUAL(attempt->failure.reason | attempt->failure.source_index, 0);
        held &= CHECK_EQUAL(attempt->failure.failed_unix_ns | attempt->failure.message.len, 0);
    }
    if (!(attempt->marks & LNKEEP_PAYMENT_MARK_FORCED)) held &= CHECK_EQUAL(attempt->note.len, 0);
    return held;
}

/* What follows from the attempts, by the function that looks at no store. */
static inline int check_sums(const lnkeep_payment *payment) {
    lnkeep_payment_state state = LNKEEP_PAYMENT_STATE_INIT;
    lnkeep_attempt_sum sums[64];
    size_t len = payment->attempts_len;
    if (len > H_COUNT(sums)) return 1;
    memset(sums, 0, sizeof sums);
    for (size_t i = 0; i < len; i++) {
        sums[i].state = attempt_of(payment, i)->state;
        sums[i].amount_msat = attempt_of(payment, i)->request.amount_msat;
        sums[i].fee_msat = attempt_of(payment, i)->request.fee_msat;
    }
    lnkeep_status status = lnkeep_payment_compute_state(payment->init.amount_msat, sums, len,
                                                        payment->failure_reason, &state, NULL);
    /* A late settle may come after another attempt took its place. */
    if (status == LNKEEP_SENT_EXCEEDS_TOTAL && (payment->marks & LNKEEP_PAYMENT_MARK_LATE_SETTLE)) {
        return CHECK_EQUAL(payment->remaining_msat, 0);
    }
    int held = CHECK_DONE(status);
    held &= CHECK_EQUAL(payment->status, state.status);
    held &= CHECK_EQUAL(payment->in_flight, state.in_flight);
    held &= CHECK_EQUAL(payment->remaining_msat, state.remaining_msat);
    held &= CHECK_EQUAL(payment->fees_msat, state.fees_msat);
    return held;
}

static inline uint32_t wanted_terminal(const lnkeep_payment *payment, uint32_t *index) {
    for (*index = 0; *index < payment->attempts_len; (*index)++) {
        if (attempt_of(payment, *index)->state == LNKEEP_PAYMENT_ATTEMPT_SETTLED) {
            return LNKEEP_PAYMENT_TERMINAL_SETTLED;
        }
    }
    *index = 0;
    return payment->failure_reason ? LNKEEP_PAYMENT_TERMINAL_FAILED : LNKEEP_PAYMENT_TERMINAL_NONE;
}

static inline int is_before(const lnkeep_attempt_key *one, const lnkeep_attempt_key *other) {
    if (one->id != other->id) return one->id < other->id;
    return memcmp(one->namespace_bytes, other->namespace_bytes, 16) < 0;
}

/* What the header says of every payment, attempts included. */
static inline int check_view(const lnkeep_payment *payment) {
    uint32_t index, has = payment->init.present;
    int held = CHECK_EQUAL(payment->size, sizeof *payment);
    held &= CHECK_EQUAL(payment->init.size, sizeof payment->init);
    held &= CHECK(payment->attempt_stride >= sizeof(lnkeep_payment_attempt));
    held &= CHECK_EQUAL(payment->attempt_stride % sizeof(uint64_t), 0);
    held &= CHECK(payment->sequence > 0 && payment->revision > 0);
    held &= CHECK_EQUAL(payment->init.reserved, 0);
    held &= CHECK(is_zero(payment->init.intent_reserved, sizeof payment->init.intent_reserved));
    held &= CHECK(payment->failure_reason <= 6 && payment->first_failure_reason <= 6);
    held &= CHECK_EQUAL(payment->failure_reason == 0, payment->first_failure_reason == 0);
    if (!(has & LNKEEP_PAYMENT_HAS_INTENT)) {
        held &= CHECK_EQUAL(has, 0);
        held &= CHECK_EQUAL(payment->init.intent_deadline_unix_ns | payment->init.intent_fee_limit_msat, 0);
        held &= CHECK_EQUAL(payment->init.intent_data.len, 0);
    }
    if (!(has & LNKEEP_PAYMENT_HAS_DESTINATION)) held &= CHECK(is_zero(payment->init.intent_destination, 33));
    if (!(has & LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE)) {
        held &= CHECK(is_zero(payment->init.intent_amp_root_share, 32));
    }
    for (size_t i = 0; held && i < payment->attempts_len; i++) {
        const lnkeep_payment_attempt *attempt = attempt_of(payment, i);
        held &= check_attempt(attempt);
        if (i > 0) held &= CHECK(is_before(&attempt_of(payment, i - 1)->request.key, &attempt->request.key));
        held &= CHECK_EQUAL(attempt->marks & 6 & ~payment->marks, 0);
    }
    held &= CHECK_EQUAL(payment->marks & ~UINT32_C(6), 0);
    held &= CHECK_EQUAL(payment->terminal, wanted_terminal(payment, &index));
    held &= CHECK_EQUAL(payment->terminal_attempt, index);
    return held && check_sums(payment);
}

static inline int is_same_request(const lnkeep_payment_attempt_request *one,
                                  const lnkeep_payment_attempt_request *other) {
    size_t plain = offsetof(lnkeep_payment_attempt_request, route);
    return memcmp(one, other, plain) == 0 && is_same_bytes(one->route, other->route) &&
           is_same_bytes(one->session_key, other->session_key) &&
           is_same_bytes(one->first_hop_records, other->first_hop_records);
}

static inline int is_same_init(const lnkeep_payment_init *one, const lnkeep_payment_init *other) {
    size_t views = offsetof(lnkeep_payment_init, idempotency_key);
    size_t flags = offsetof(lnkeep_payment_init, present), data = offsetof(lnkeep_payment_init, intent_data);
    return memcmp(one, other, views) == 0 && is_same_bytes(one->idempotency_key, other->idempotency_key) &&
           is_same_bytes(one->payment_request, other->payment_request) &&
           is_same_bytes(one->first_hop_records, other->first_hop_records) &&
           memcmp(&one->present, &other->present, data - flags) == 0 &&
           is_same_bytes(one->intent_data, other->intent_data);
}

static inline int is_same_attempt(const lnkeep_payment_attempt *one, const lnkeep_payment_attempt *other) {
    return is_same_request(&one->request, &other->request) && one->state == other->state &&
           one->marks == other->marks && memcmp(one->preimage, other->preimage, 32) == 0 &&
           one->settled_unix_ns == other->settled_unix_ns && one->failure.reason == other->failure.reason &&
           one->failure.source_index == other->failure.source_index &&
           one->failure.failed_unix_ns == other->failure.failed_unix_ns &&
           is_same_bytes(one->failure.message, other->failure.message) &&
           is_same_bytes(one->note, other->note);
}

static inline int is_same_payment(const lnkeep_payment *one, const lnkeep_payment *other) {
    size_t from = offsetof(lnkeep_payment, sequence), to = offsetof(lnkeep_payment, attempt_stride);
    if (!is_same_init(&one->init, &other->init) || one->attempts_len != other->attempts_len) return 0;
    if (memcmp((const char *)one + from, (const char *)other + from, to - from) != 0) return 0;
    for (size_t i = 0; i < one->attempts_len; i++) {
        if (!is_same_attempt(attempt_of(one, i), attempt_of(other, i))) return 0;
    }
    return 1;
}

/* The payment, NULL after a refusal that nobody expected. */
static inline lnkeep_payment *fetch(uint64_t number) {
    lnkeep_payment *payment = NULL;
    if (!CHECK_DONE(lnkeep_payments_fetch(payments, hash_of(number).bytes, &payment, NULL))) return NULL;
    check_view(payment);
    CHECK(memcmp(payment->init.payment_hash, hash_of(number).bytes, 32) == 0);
    return payment;
}

/* Status of a payment, or of the refusal. */
static inline int status_of(uint64_t number) {
    lnkeep_payment *payment = UNTOUCHED;
    lnkeep_status status = lnkeep_payments_fetch(payments, hash_of(number).bytes, &payment, NULL);
    if (status != LNKEEP_DONE) {
        CHECK(payment == UNTOUCHED);
        return status;
    }
    int found = (int)payment->status;
    lnkeep_payment_free(payment);
    return found;
}

/* State of an attempt of a payment, or LNKEEP_ATTEMPT_NOT_FOUND. */
static inline int attempt_state(uint64_t number, uint64_t id) {
    lnkeep_payment *payment = fetch(number);
    int state = LNKEEP_ATTEMPT_NOT_FOUND;
    for (size_t i = 0; payment && i < payment->attempts_len; i++) {
        const lnkeep_payment_attempt *attempt = attempt_of(payment, i);
        if (attempt->request.key.id == id) state = (int)attempt->state;
    }
    lnkeep_payment_free(payment);
    return state;
}

/*
 * What each change must keep: a refusal writes nothing; otherwise the outcome agrees with the status, and the
 * view is what a fetch gives.
 */
static inline lnkeep_status answered(lnkeep_status status, lnkeep_payment *view,
                                     const lnkeep_outcome *outcome) {
    if (status < 0) {
        CHECK(view == UNTOUCHED);
        CHECK_EQUAL(outcome->status, 77);
        return status;
    }
    last = *outcome;
    CHECK_EQUAL(last.status, status);
    CHECK_EQUAL(last.os_errno | last.reserved, 0);
    CHECK_EQUAL(last.flags & LNKEEP_OUTCOME_CHANGED, status == LNKEEP_DONE);
    if (status > 0) CHECK_EQUAL(last.event_sequence, 0);
    if (!CHECK(view != NULL && view != UNTOUCHED) || !check_view(view)) return status;
    lnkeep_payment *fetched = NULL;
    if (CHECK_DONE(lnkeep_payments_fetch(payments, view->init.payment_hash, &fetched, NULL))) {
        CHECK(is_same_payment(view, fetched));
        lnkeep_payment_free(fetched);
    }
    lnkeep_payment_free(view);
    return status;
}

static inline lnkeep_payment_init init_of(uint64_t number, uint64_t amount_msat) {
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    memcpy(init.payment_hash, hash_of(number).bytes, 32);
    init.amount_msat = amount_msat;
    return init;
}

static inline lnkeep_status init_with(const lnkeep_payment_init *init) {
    lnkeep_payment *view = UNTOUCHED;
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_status status = lnkeep_payments_init(payments, init, &view, &outcome, NULL);
    return answered(status, view, &outcome);
}

static inline lnkeep_status init_payment(uint64_t number, uint64_t amount_msat) {
    lnkeep_payment_init init = init_of(number, amount_msat);
    return init_with(&init);
}

static inline lnkeep_payment_attempt_request request_of(uint64_t id, uint64_t amount_msat,
                                                        uint64_t fee_msat) {
    lnkeep_payment_attempt_request request = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    request.key = h_key(id);
    request.amount_msat = amount_msat;
    request.fee_msat = fee_msat;
    request.hop_count = 1;
    return request;
}

/* A part of a payment of `total_msat`. */
static inline lnkeep_payment_attempt_request part_of(uint64_t id, uint64_t amount_msat, uint64_t total_msat) {
    lnkeep_payment_attempt_request request = request_of(id, amount_msat, 1);
    request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    memset(request.mpp_payment_address, 0x5a, sizeof request.mpp_payment_address);
    request.mpp_total_msat = total_msat;
    return request;
}

static inline lnkeep_status register_with(uint64_t number, const lnkeep_payment_attempt_request *request,
                                          uint32_t flags) {
    lnkeep_payment *view = UNTOUCHED;
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_status status = lnkeep_payments_register(payments, hash_of(number).bytes, request, flags, &view,
                                                    &outcome, NULL);
    return answered(status, view, &outcome);
}

/* The whole amount at once; the id is that of a record too when the flags say so. */
static inline lnkeep_status register_whole(uint64_t number, uint64_t id, uint64_t amount_msat,
                                           uint32_t flags) {
    lnkeep_payment_attempt_request request = request_of(id, amount_msat, 1);
    return register_with(number, &request, flags);
}

static inline lnkeep_status register_part(uint64_t number, uint64_t id, uint64_t amount_msat,
                                          uint64_t total_msat) {
    lnkeep_payment_attempt_request request = part_of(id, amount_msat, total_msat);
    return register_with(number, &request, 0);
}

static inline lnkeep_status settle_by(uint64_t number, uint64_t id, const uint8_t *preimage, uint64_t unix_ns,
                                      uint32_t flags) {
    lnkeep_payment *view = UNTOUCHED;
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_attempt_key key = h_key(id);
    lnkeep_status status = lnkeep_payments_settle(payments, hash_of(number).bytes, &key, preimage, unix_ns,
                                                  flags, &view, &outcome, NULL);
    return answered(status, view, &outcome);
}

static inline lnkeep_status settle(uint64_t number, uint64_t id, uint32_t flags) {
    return settle_by(number, id, preimage_of(number).bytes, 1000, flags);
}

static inline lnkeep_payment_failure failure_of(uint32_t reason, const char *message) {
    lnkeep_payment_failure failure;
    memset(&failure, 0, sizeof failure);
    failure.reason = reason;
    failure.message = h_text(message);
    return failure;
}

static inline lnkeep_status fail_by(uint64_t number, uint64_t id, const lnkeep_payment_failure *failure,
                                    const char *note, uint32_t flags) {
    lnkeep_payment *view = UNTOUCHED;
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_attempt_key key = h_key(id);
    lnkeep_status status = lnkeep_payments_fail_attempt(payments, hash_of(number).bytes, &key, failure,
                                                        h_text(note), flags, &view, &outcome, NULL);
    return answered(status, view, &outcome);
}

static inline lnkeep_status fail_attempt(uint64_t number, uint64_t id, uint32_t flags) {
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "no luck");
    return fail_by(number, id, &failure, "", flags);
}

static inline lnkeep_status give_up(uint64_t number, uint32_t reason) {
    lnkeep_payment *view = UNTOUCHED;
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_status status = lnkeep_payments_fail(payments, hash_of(number).bytes, reason, &view, &outcome,
                                                NULL);
    return answered(status, view, &outcome);
}

static inline lnkeep_status delete_payment(uint64_t number, uint32_t flags) {
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_status status = lnkeep_payments_delete(payments, hash_of(number).bytes, flags, &outcome, NULL);
    CHECK_EQUAL(outcome.status, status < 0 ? 77 : status);
    if (status >= 0) last = outcome;
    return status;
}

static inline lnkeep_payment_counts counts_now(void) {
    lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    CHECK_DONE(lnkeep_payments_counts(payments, &counts, NULL));
    return counts;
}

/* Payments 1 to `count` by as few commits as may be; with a reason they are given up too. */
static inline void init_many(uint64_t count, uint32_t reason) {
    static lnkeep_payment_init inits[500];
    static lnkeep_op ops[1000];
    static lnkeep_outcome outcomes[1000];
    size_t of_each = reason ? 2 : 1, len = 0;
    for (uint64_t number = 1; number <= count; number++) {
        lnkeep_op *op = &ops[len * of_each];
        inits[len] = init_of(number, 1000);
        inits[len].created_unix_ns = number;
        memset(op, 0, of_each * sizeof *op);
        op->kind = LNKEEP_OP_PAYMENT_INIT;
        op->component = payments.bits;
        op->body.payment_init.init = &inits[len++];
        if (reason) {
            op[1].kind = LNKEEP_OP_PAYMENT_FAIL;
            op[1].component = payments.bits;
            memcpy(op[1].body.payment_fail.payment_hash, op->body.payment_init.init->payment_hash, 32);
            op[1].body.payment_fail.reason = reason;
        }
        if (len < H_COUNT(inits) && number < count) continue;
        CHECK_DONE(lnkeep_submit(store, ops, len * of_each, 0, outcomes, NULL));
        len = 0;
    }
}

/* Payments in each status, each of 1,000 msat and with one attempt whose id is the payment's number. */
enum {
    ABSENT = 1,
    INITIATED,
    IN_FLIGHT,
    /* All attempts failed, and another may be tried. */
    RETRYABLE,
    /* Given up while its attempt is in flight. */
    GIVEN_UP,
    /* One of two parts settled, the other one, of id 60, is in flight. */
    HALF_SETTLED,
    SUCCEEDED,
    FAILED,
    /* Succeeded and deleted. */
    TOMBSTONE,
    AMOUNT = 1000
};

static inline void make_each_status(void) {
    for (uint64_t number = INITIATED; number <= TOMBSTONE; number++) {
        CHECK_DONE(init_payment(number, AMOUNT));
        if (number == INITIATED) continue;
        if (number == HALF_SETTLED) CHECK_DONE(register_part(number, number, 400, AMOUNT));
        else CHECK_DONE(register_whole(number, number, AMOUNT, 0));
    }
    CHECK_DONE(fail_attempt(RETRYABLE, RETRYABLE, 0));
    CHECK_DONE(give_up(GIVEN_UP, LNKEEP_PAYMENT_REASON_TIMEOUT));
    CHECK_DONE(register_part(HALF_SETTLED, 60, 600, AMOUNT));
    CHECK_DONE(settle(HALF_SETTLED, HALF_SETTLED, 0));
    CHECK_DONE(settle(SUCCEEDED, SUCCEEDED, 0));
    CHECK_DONE(fail_attempt(FAILED, FAILED, 0));
    CHECK_DONE(give_up(FAILED, LNKEEP_PAYMENT_REASON_NO_ROUTE));
    CHECK_DONE(settle(TOMBSTONE, TOMBSTONE, 0));
    CHECK_DONE(delete_payment(TOMBSTONE, 0));
}

static inline void check_each_status(void) {
    static const int wanted[] = {
        LNKEEP_PAYMENT_NOT_INITIATED,     LNKEEP_PAYMENT_STATUS_INITIATED, LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
        LNKEEP_PAYMENT_STATUS_IN_FLIGHT,  LNKEEP_PAYMENT_STATUS_IN_FLIGHT, LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
        LNKEEP_PAYMENT_STATUS_SUCCEEDED,  LNKEEP_PAYMENT_STATUS_FAILED,    LNKEEP_PAYMENT_NOT_INITIATED,
    };
    static const uint64_t revisions[] = {0, 1, 2, 3, 3, 4, 3, 4, 0};
    for (uint64_t number = ABSENT; number <= TOMBSTONE; number++) {
        CHECK_EQUAL(status_of(number), wanted[number - ABSENT]);
        lnkeep_payment *payment = revisions[number - ABSENT] ? fetch(number) : NULL;
        if (payment) CHECK_EQUAL(payment->revision, revisions[number - ABSENT]);
        lnkeep_payment_free(payment);
    }
}

#endif

/* The decisions about payments that look at no store: every row of their tables. */

#include "payments.h"

#include <stdio.h>

static const uint64_t SOME = 5;

typedef struct allowed_row {
    uint32_t status;
    uint64_t remaining_msat;
    uint32_t flags;
    lnkeep_status can_register, more_status;
    uint32_t more;
    lnkeep_status wait_status;
    uint32_t wait;
} allowed_row;

#define ST(name) LNKEEP_PAYMENT_STATUS_##name
#define DID LNKEEP_PAYMENT_STATE_HAS_SETTLED
#define UP LNKEEP_PAYMENT_STATE_GIVEN_UP
#define WRONG LNKEEP_PAYMENT_INTERNAL
#define P_SETTLED LNKEEP_PAYMENT_PENDING_SETTLED
#define P_FAILED LNKEEP_PAYMENT_PENDING_FAILED
#define A_SUCCEEDED LNKEEP_PAYMENT_ALREADY_SUCCEEDED
#define A_FAILED LNKEEP_PAYMENT_ALREADY_FAILED

/* Every status with something and with nothing left, with every pair of flags. */
static const allowed_row ALLOWED[] = {
    {ST(INITIATED), SOME, 0, 0, 0, 1, 0, 0},
    {ST(INITIATED), SOME, DID, 0, 0, 1, 0, 0},
    {ST(INITIATED), SOME, UP, 0, 0, 1, 0, 0},
    {ST(INITIATED), SOME, DID | UP, 0, 0, 1, 0, 0},
    {ST(INITIATED), 0, 0, 0, WRONG, 0, WRONG, 0},
    {ST(INITIATED), 0, DID, 0, WRONG, 0, WRONG, 0},
    {ST(INITIATED), 0, UP, 0, WRONG, 0, WRONG, 0},
    {ST(INITIATED), 0, DID | UP, 0, WRONG, 0, WRONG, 0},
    {ST(IN_FLIGHT), SOME, 0, 0, 0, 1, 0, 0},
    {ST(IN_FLIGHT), SOME, DID, P_SETTLED, 0, 0, 0, 1},
    {ST(IN_FLIGHT), SOME, UP, P_FAILED, 0, 0, 0, 1},
    {ST(IN_FLIGHT), SOME, DID | UP, P_SETTLED, 0, 0, 0, 1},
    {ST(IN_FLIGHT), 0, 0, 0, 0, 0, 0, 1},
    {ST(IN_FLIGHT), 0, DID, P_SETTLED, 0, 0, 0, 1},
    {ST(IN_FLIGHT), 0, UP, P_FAILED, 0, 0, 0, 1},
    {ST(IN_FLIGHT), 0, DID | UP, P_SETTLED, 0, 0, 0, 1},
    {ST(SUCCEEDED), SOME, 0, A_SUCCEEDED, WRONG, 0, WRONG, 0},
    {ST(SUCCEEDED), SOME, DID, A_SUCCEEDED, WRONG, 0, WRONG, 0},
    {ST(SUCCEEDED), SOME, UP, A_SUCCEEDED, WRONG, 0, WRONG, 0},
    {ST(SUCCEEDED), SOME, DID | UP, A_SUCCEEDED, WRONG, 0, WRONG, 0},
    {ST(SUCCEEDED), 0, 0, A_SUCCEEDED, 0, 0, 0, 0},
    {ST(SUCCEEDED), 0, DID, A_SUCCEEDED, 0, 0, 0, 0},
    {ST(SUCCEEDED), 0, UP, A_SUCCEEDED, 0, 0, 0, 0},
    {ST(SUCCEEDED), 0, DID | UP, A_SUCCEEDED, 0, 0, 0, 0},
    {ST(FAILED), SOME, 0, A_FAILED, 0, 0, 0, 0},
    {ST(FAILED), SOME, DID, A_FAILED, 0, 0, 0, 0},
    {ST(FAILED), SOME, UP, A_FAILED, 0, 0, 0, 0},
    {ST(FAILED), SOME, DID | UP, A_FAILED, 0, 0, 0, 0},
    {ST(FAILED), 0, 0, A_FAILED, 0, 0, WRONG, 0},
    {ST(FAILED), 0, DID, A_FAILED, 0, 0, WRONG, 0},
    {ST(FAILED), 0, UP, A_FAILED, 0, 0, WRONG, 0},
    {ST(FAILED), 0, DID | UP, A_FAILED, 0, 0, WRONG, 0},
};

static void what_is_allowed_follows_the_table(void) {
    static const lnkeep_status inits[] = {LNKEEP_PAYMENT_EXISTS, LNKEEP_PAYMENT_IN_FLIGHT,
                                          LNKEEP_ALREADY_PAID, 0};
    static const lnkeep_status updates[] = {0, 0, A_SUCCEEDED, A_FAILED};
    static const lnkeep_status removes[] = {0, LNKEEP_PAYMENT_IN_FLIGHT, 0, 0};
    for (size_t i = 0; i < H_COUNT(ALLOWED); i++) {
        const allowed_row *row = &ALLOWED[i];
        lnkeep_payment_rules rules;
        memset(&rules, 0xee, sizeof rules);
        rules.size = sizeof rules;
        lnkeep_status status =
            lnkeep_payment_allows(row->status, row->remaining_msat, row->flags, &rules, NULL);
        int held = CHECK_DONE(status);
        held &= CHECK_EQUAL(rules.size, sizeof rules);
        held &= CHECK_STATUS(rules.init, inits[row->status - 1]);
        held &= CHECK_STATUS(rules.update, updates[row->status - 1]);
        held &= CHECK_STATUS(rules.remove, removes[row->status - 1]);
        held &= CHECK_STATUS(rules.can_register, row->can_register);
        held &= CHECK_STATUS(rules.allow_more_status, row->more_status);
        held &= CHECK_EQUAL(rules.allow_more, row->more);
        held &= CHECK_STATUS(rules.need_wait_status, row->wait_status);
        held &= CHECK_EQUAL(rules.need_wait, row->wait);
        if (!held) printf("row %d\n", (int)i);
    }
}

static void strange_numbers_are_refused(void) {
    lnkeep_payment_rules rules = LNKEEP_PAYMENT_RULES_INIT, before = rules;
    static const uint32_t statuses[] = {0, 5, 256, 257, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(statuses); i++) {
        CHECK_STATUS(lnkeep_payment_allows(statuses[i], 1, 0, &rules, NULL), LNKEEP_UNKNOWN_STATUS);
    }
    for (uint32_t flag = 4; flag != 0; flag <<= 1) {
        CHECK_STATUS(lnkeep_payment_allows(ST(FAILED), 1, flag, &rules, NULL), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK(memcmp(&rules, &before, sizeof rules) == 0);
    lnkeep_payment_state state = LNKEEP_PAYMENT_STATE_INIT;
    for (uint32_t number = 0; number < 600; number++) {
        lnkeep_attempt_sum sum = {number, 0, 1, 1};
        lnkeep_status wanted = number >= 1 && number <= 3 ? LNKEEP_DONE : LNKEEP_INVALID_ARGUMENT;
        CHECK_STATUS(lnkeep_payment_compute_state(1, &sum, 1, 0, &state, NULL), wanted);
        wanted = number <= 6 ? LNKEEP_DONE : LNKEEP_INVALID_ARGUMENT;
        CHECK_STATUS(lnkeep_payment_compute_state(1, NULL, 0, number, &state, NULL), wanted);
    }
    lnkeep_attempt_sum reserved = {LNKEEP_PAYMENT_ATTEMPT_FAILED, 1, 1, 1};
    CHECK_STATUS(lnkeep_payment_compute_state(1, &reserved, 1, 0, &state, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_payment_compute_state(1, &reserved, SIZE_MAX / 8, 0, &state, NULL),
                 LNKEEP_INVALID_ARGUMENT);
}

/* The sixteen rows of the status table: which states the attempts have, and whether there is a reason. */
static void the_status_follows_the_attempts(void) {
    static const uint32_t with_reason[] = {ST(FAILED),    ST(FAILED),    ST(SUCCEEDED), ST(SUCCEEDED),
                                           ST(IN_FLIGHT), ST(IN_FLIGHT), ST(IN_FLIGHT), ST(IN_FLIGHT)};
    static const uint32_t without[] = {ST(INITIATED), ST(IN_FLIGHT), ST(SUCCEEDED), ST(SUCCEEDED),
                                       ST(IN_FLIGHT), ST(IN_FLIGHT), ST(IN_FLIGHT), ST(IN_FLIGHT)};
    for (uint32_t row = 0; row < 16; row++) {
        lnkeep_attempt_sum sums[3];
        lnkeep_payment_state state;
        size_t len = 0;
        uint64_t alive = 0;
        memset(sums, 0, sizeof sums);
        memset(&state, 0xee, sizeof state);
        state.size = sizeof state;
        int failed = row & 1, settled = row & 2, in_flight = row & 4, reason = row & 8;
        if (failed) sums[len++].state = LNKEEP_PAYMENT_ATTEMPT_FAILED;
        if (settled) sums[len++].state = LNKEEP_PAYMENT_ATTEMPT_SETTLED;
        if (in_flight) sums[len++].state = LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT;
        for (size_t i = 0; i < len; i++) {
            sums[i].amount_msat = 10;
            sums[i].fee_msat = 2;
            alive += sums[i].state != LNKEEP_PAYMENT_ATTEMPT_FAILED;
        }
        CHECK_DONE(lnkeep_payment_compute_state(100, sums, len, reason ? 3 : 0, &state, NULL));
        CHECK_EQUAL(state.status, reason ? with_reason[row & 7] : without[row & 7]);
        CHECK_EQUAL(state.in_flight, in_flight ? 1 : 0);
        CHECK_EQUAL(state.remaining_msat, 100 - 10 * alive);
        CHECK_EQUAL(state.fees_msat, 2 * alive);
        uint32_t flags = settled ? LNKEEP_PAYMENT_STATE_HAS_SETTLED : reason ? LNKEEP_PAYMENT_STATE_GIVEN_UP : 0;
        CHECK_EQUAL(state.flags, flags);
        CHECK_EQUAL(state.size, sizeof state);
    }
}

static void sums_do_not_wrap(void) {
    lnkeep_payment_state state = LNKEEP_PAYMENT_STATE_INIT;
    lnkeep_attempt_sum sums[2] = {{LNKEEP_PAYMENT_ATTEMPT_SETTLED, 0, UINT64_MAX, UINT64_MAX},
                                  {LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT, 0, 1, 1}};
    CHECK_DONE(lnkeep_payment_compute_state(UINT64_MAX, sums, 1, 0, &state, NULL));
    CHECK_EQUAL(state.remaining_msat, 0);
    CHECK_STATUS(lnkeep_payment_compute_state(UINT64_MAX, sums, 2, 0, &state, NULL),
                 LNKEEP_SENT_EXCEEDS_TOTAL);
    sums[1].amount_msat = 0;
    CHECK_DONE(lnkeep_payment_compute_state(UINT64_MAX, sums, 2, 0, &state, NULL));
    CHECK_EQUAL(state.fees_msat, UINT64_MAX);
    sums[0].amount_msat = 60;
    sums[1].amount_msat = 40;
    CHECK_DONE(lnkeep_payment_compute_state(100, sums, 2, 0, &state, NULL));
    CHECK_STATUS(lnkeep_payment_compute_state(99, sums, 2, 0, &state, NULL), LNKEEP_SENT_EXCEEDS_TOTAL);
    sums[0].state = LNKEEP_PAYMENT_ATTEMPT_FAILED;
    CHECK_DONE(lnkeep_payment_compute_state(99, sums, 2, 0, &state, NULL));
    CHECK_EQUAL(state.remaining_msat, 59);
}

/* Requests of each kind that a sender may have in flight. */
enum { WHOLE, MPP, MPP_OTHER_ADDRESS, MPP_OTHER_TOTAL, BLINDED, BLINDED_OTHER_TOTAL, BOTH, NO_TOTAL, KINDS };

static lnkeep_payment_attempt_request request_of_kind(int kind, uint64_t amount_msat) {
    lnkeep_payment_attempt_request request = request_of(1, amount_msat, 1);
    if (kind == MPP || kind == MPP_OTHER_ADDRESS || kind == MPP_OTHER_TOTAL || kind == BOTH) {
        request.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
        request.mpp_total_msat = kind == MPP_OTHER_TOTAL ? AMOUNT + 1 : AMOUNT;
        memset(request.mpp_payment_address, kind == MPP_OTHER_ADDRESS ? 2 : 1, 32);
    }
    if (kind == BLINDED || kind == BLINDED_OTHER_TOTAL || kind == BOTH || kind == NO_TOTAL) {
        request.present |= LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
        request.blinded_total_msat = kind == NO_TOTAL ? 0 : kind == BLINDED_OTHER_TOTAL ? AMOUNT + 1 : AMOUNT;
    }
    return request;
}

static lnkeep_status verify(int old_kind, size_t in_flight, int new_kind, uint64_t amount_msat,
                            uint32_t flags) {
    lnkeep_payment_attempt_request old = request_of_kind(old_kind, 400);
    lnkeep_payment_attempt_request attempt = request_of_kind(new_kind, amount_msat);
    return lnkeep_payment_verify_attempt(AMOUNT, &old, 1, in_flight, &attempt, flags, NULL);
}

#define ADDR LNKEEP_MPP_ADDR_MISMATCH
#define MTOT LNKEEP_MPP_TOTAL_MISMATCH
#define INBL LNKEEP_MPP_RECORD_IN_BLINDED
#define MIXD LNKEEP_MIXED_BLINDED
#define BTOT LNKEEP_BLINDED_TOTAL_MISMATCH
#define NREC LNKEEP_MPP_PAYMENT
#define NMPP LNKEEP_NON_MPP_PAYMENT
#define MISS LNKEEP_BLINDED_MISSING_TOTAL
#define VALU LNKEEP_VALUE_MISMATCH

/* A new attempt of each kind beside one in flight of each kind that can be in flight. */
static const lnkeep_status BESIDE[6][KINDS] = {
    /* WHOLE */ {VALU, NMPP, NMPP, NMPP, MIXD, MIXD, INBL, MISS},
    /* MPP */ {NREC, 0, ADDR, MTOT, INBL, INBL, INBL, MISS},
    /* other address */ {NREC, ADDR, 0, ADDR, INBL, INBL, INBL, MISS},
    /* other total */ {NREC, MTOT, ADDR, 0, INBL, INBL, INBL, MISS},
    /* BLINDED */ {MIXD, MIXD, MIXD, MIXD, 0, BTOT, INBL, MISS},
    /* other total */ {MIXD, MIXD, MIXD, MIXD, BTOT, 0, INBL, MISS},
};

static void attempts_in_flight_fit_together(void) {
    for (int old = WHOLE; old <= BLINDED_OTHER_TOTAL; old++) {
        for (int attempt = 0; attempt < KINDS; attempt++) {
            if (!CHECK_STATUS(verify(old, 1, attempt, 600, 0), BESIDE[old][attempt])) {
                printf("%d beside %d\n", attempt, old);
            }
        }
    }
    /* Beside a settled one only the sum counts. */
    CHECK_DONE(verify(MPP, 0, BLINDED, 600, 0));
    CHECK_DONE(verify(BLINDED, 0, MPP_OTHER_TOTAL, 600, 0));
    CHECK_STATUS(verify(MPP, 0, WHOLE, 600, 0), VALU);
    CHECK_STATUS(verify(MPP, 0, WHOLE, AMOUNT, 0), LNKEEP_VALUE_EXCEEDS);
    CHECK_STATUS(verify(MPP, 0, BLINDED, 601, 0), LNKEEP_VALUE_EXCEEDS);
}

static void values_are_bounded(void) {
    CHECK_STATUS(verify(MPP, 1, MPP, 601, 0), LNKEEP_VALUE_EXCEEDS);
    CHECK_STATUS(verify(MPP, 1, MPP, UINT64_MAX, 0), LNKEEP_VALUE_EXCEEDS);
    CHECK_DONE(verify(MPP, 1, MPP, 0, 0));
    lnkeep_payment_attempt_request whole = request_of_kind(WHOLE, AMOUNT);
    CHECK_DONE(lnkeep_payment_verify_attempt(AMOUNT, NULL, 0, 0, &whole, 0, NULL));
    whole.amount_msat--;
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, NULL, 0, 0, &whole, 0, NULL), VALU);
    whole.amount_msat += 2;
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, NULL, 0, 0, &whole, 0, NULL), VALU);
    lnkeep_payment_attempt_request many[3];
    for (size_t i = 0; i < 3; i++) many[i] = request_of_kind(MPP, UINT64_C(1) << 63);
    lnkeep_status status = lnkeep_payment_verify_attempt(UINT64_MAX, many, 2, 1, &many[2], 0, NULL);
    CHECK_STATUS(status, LNKEEP_VALUE_EXCEEDS);
}

static void totals_are_compared_when_asked_for(void) {
    uint32_t flag = LNKEEP_PAYMENTS_CHECK_TOTALS;
    CHECK_DONE(verify(MPP_OTHER_TOTAL, 1, MPP_OTHER_TOTAL, 600, 0));
    CHECK_STATUS(verify(MPP_OTHER_TOTAL, 1, MPP_OTHER_TOTAL, 600, flag), MTOT);
    CHECK_STATUS(verify(BLINDED_OTHER_TOTAL, 1, BLINDED_OTHER_TOTAL, 600, flag), BTOT);
    CHECK_DONE(verify(BLINDED, 1, BLINDED, 600, flag));
    lnkeep_payment_attempt_request one = request_of_kind(MPP, 400), other = request_of_kind(MPP, 600);
    one.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_AMP;
    CHECK_DONE(lnkeep_payment_verify_attempt(AMOUNT, &one, 1, 1, &other, 0, NULL));
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &one, 1, 1, &other, flag, NULL), ADDR);
    other.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_AMP;
    CHECK_DONE(lnkeep_payment_verify_attempt(AMOUNT, &one, 1, 1, &other, flag, NULL));
    other.amp_set_id[31] = 1;
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &one, 1, 1, &other, flag, NULL), ADDR);
}

static void malformed_requests_are_refused(void) {
    lnkeep_payment_attempt_request old = request_of_kind(MPP, 400), attempt = request_of_kind(MPP, 600), bad;
    lnkeep_status wrong = LNKEEP_INVALID_ARGUMENT;
    CHECK_DONE(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 1, &attempt, 0, NULL));
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 2, &attempt, 0, NULL), wrong);
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, SIZE_MAX / 8, 1, &attempt, 0, NULL), wrong);
    for (uint32_t flag = 2; flag != 0; flag <<= 1) {
        CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 1, &attempt, flag, NULL), wrong);
    }
    for (uint32_t flag = 32; flag != 0; flag <<= 1) {
        bad = attempt;
        bad.present |= flag;
        CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 1, &bad, 0, NULL), wrong);
        CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &bad, 1, 1, &attempt, 0, NULL), wrong);
    }
    bad = attempt;
    bad.route.len = 3;
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 1, &bad, 0, NULL), wrong);
    bad = attempt;
    bad.size = 4;
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &bad, 1, 1, &attempt, 0, NULL), wrong);
    CHECK_STATUS(lnkeep_payment_verify_attempt(AMOUNT, &old, 1, 1, &bad, 0, NULL), wrong);
}

/* Requests of a program with a longer structure follow each other at that program's distance. */
static void requests_of_another_version_are_stepped_over(void) {
    struct longer {
        lnkeep_payment_attempt_request request;
        uint64_t unknown[3];
    } old[3];
    memset(old, 0, sizeof old);
    for (size_t i = 0; i < 3; i++) {
        old[i].request = request_of_kind(MPP, 300);
        old[i].request.size = sizeof old[0];
    }
    lnkeep_payment_attempt_request attempt = request_of_kind(MPP, 100);
    CHECK_DONE(lnkeep_payment_verify_attempt(AMOUNT, &old[0].request, 3, 3, &attempt, 0, NULL));
    attempt.amount_msat = 101;
    lnkeep_status status = lnkeep_payment_verify_attempt(AMOUNT, &old[0].request, 3, 3, &attempt, 0, NULL);
    CHECK_STATUS(status, LNKEEP_VALUE_EXCEEDS);
    old[2].unknown[2] = 1;
    status = lnkeep_payment_verify_attempt(AMOUNT, &old[0].request, 3, 3, &attempt, 0, NULL);
    CHECK_STATUS(status, LNKEEP_UNSUPPORTED);
}

/* What a store answers is what the functions without a store answer. */
static void a_store_follows_the_same_rules(void) {
    begin();
    make_each_status();
    for (uint64_t number = INITIATED; number <= FAILED; number++) {
        lnkeep_payment *payment = fetch(number);
        lnkeep_payment_rules rules = LNKEEP_PAYMENT_RULES_INIT;
        uint32_t flags = 0;
        if (!payment) continue;
        if (payment->terminal == LNKEEP_PAYMENT_TERMINAL_SETTLED) flags = LNKEEP_PAYMENT_STATE_HAS_SETTLED;
        else if (payment->failure_reason) flags = LNKEEP_PAYMENT_STATE_GIVEN_UP;
        CHECK_DONE(lnkeep_payment_allows(payment->status, payment->remaining_msat, flags, &rules, NULL));
        lnkeep_payment_free(payment);
        lnkeep_status answer = register_whole(number, 200 + number, AMOUNT, 0);
        if (rules.can_register != LNKEEP_DONE) CHECK_STATUS(answer, rules.can_register);
        else CHECK(answer == LNKEEP_DONE || answer == LNKEEP_VALUE_EXCEEDS);
        if (answer == LNKEEP_DONE) continue;
        CHECK_STATUS(init_payment(number, AMOUNT + 1), rules.init);
        if (rules.init != LNKEEP_DONE) CHECK_STATUS(delete_payment(number, 0), rules.remove);
    }
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(what_is_allowed_follows_the_table),
        H_TEST(strange_numbers_are_refused),
        H_TEST(the_status_follows_the_attempts),
        H_TEST(sums_do_not_wrap),
        H_TEST(attempts_in_flight_fit_together),
        H_TEST(values_are_bounded),
        H_TEST(totals_are_compared_when_asked_for),
        H_TEST(malformed_requests_are_refused),
        H_TEST(requests_of_another_version_are_stepped_over),
        H_TEST(a_store_follows_the_same_rules),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Deleting payments, one and many, what stays refused afterwards, and retention step by step. */

#include "payments.h"

#include <stdio.h>
#include <stdlib.h>

static void delete_follows_the_table(void) {
    begin();
    make_each_status();
    static const uint32_t flags[] = {0, LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS};
    for (size_t i = 0; i < H_COUNT(flags); i++) {
        CHECK_STATUS(delete_payment(ABSENT, flags[i]), LNKEEP_PAYMENT_NOT_INITIATED);
        CHECK_STATUS(delete_payment(TOMBSTONE, flags[i]), LNKEEP_PAYMENT_NOT_INITIATED);
        for (uint64_t number = IN_FLIGHT; number <= HALF_SETTLED; number++) {
            CHECK_STATUS(delete_payment(number, flags[i]), LNKEEP_PAYMENT_IN_FLIGHT);
        }
    }
    for (uint64_t number = INITIATED; number <= FAILED; number++) {
        CHECK_STATUS(delete_payment(number, LNKEEP_DELETE_TOMBSTONE), LNKEEP_ENTRIES_EXIST);
    }
    CHECK_STATUS(delete_payment(ABSENT, LNKEEP_DELETE_TOMBSTONE), LNKEEP_ALREADY);
    CHECK_STATUS(delete_payment(INITIATED, LNKEEP_DELETE_FAILED_ATTEMPTS), LNKEEP_ALREADY);
    CHECK_STATUS(delete_payment(SUCCEEDED, LNKEEP_DELETE_FAILED_ATTEMPTS), LNKEEP_ALREADY);
    check_each_status();
    static const uint64_t goes[] = {INITIATED, SUCCEEDED, FAILED};
    for (size_t i = 0; i < H_COUNT(goes); i++) {
        CHECK_DONE(delete_payment(goes[i], 0));
        CHECK(last.flags & LNKEEP_OUTCOME_CHANGED);
        CHECK_STATUS(status_of(goes[i]), LNKEEP_PAYMENT_NOT_INITIATED);
        CHECK_STATUS(register_whole(goes[i], 500, AMOUNT, 0), LNKEEP_PAYMENT_NOT_INITIATED);
        CHECK_STATUS(settle(goes[i], goes[i], 0), LNKEEP_PAYMENT_NOT_INITIATED);
        lnkeep_status wanted = goes[i] == SUCCEEDED ? LNKEEP_ALREADY_PAID : LNKEEP_DONE;
        CHECK_STATUS(init_payment(goes[i], AMOUNT), wanted);
    }
    end();
}

static void only_one_way_of_deleting_at_a_time(void) {
    begin();
    make_each_status();
    static const uint32_t flags[] = {3, 5, 6, 7, 8, UINT32_C(1) << 31, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(flags); i++) {
        CHECK_STATUS(delete_payment(SUCCEEDED, flags[i]), LNKEEP_INVALID_ARGUMENT);
        CHECK_STATUS(delete_payment(TOMBSTONE, flags[i]), LNKEEP_INVALID_ARGUMENT);
    }
    check_each_status();
    end();
}

/* A hash that was paid stays refused until somebody says otherwise, also over a restart. */
static void a_tombstone_stays_until_it_is_forgotten(void) {
    begin();
    make_each_status();
    reopen();
    CHECK_STATUS(init_payment(TOMBSTONE, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_EQUAL(counts_now().tombstones, 1);
    CHECK_DONE(delete_payment(TOMBSTONE, LNKEEP_DELETE_TOMBSTONE));
    CHECK_STATUS(delete_payment(TOMBSTONE, LNKEEP_DELETE_TOMBSTONE), LNKEEP_ALREADY);
    CHECK_EQUAL(counts_now().tombstones, 0);
    CHECK_DONE(init_payment(TOMBSTONE, AMOUNT));
    CHECK_DONE(delete_payment(SUCCEEDED, LNKEEP_DELETE_FORGET));
    CHECK_EQUAL(counts_now().tombstones, 0);
    CHECK_DONE(init_payment(SUCCEEDED, AMOUNT));
    lnkeep_payment *payment = fetch(SUCCEEDED);
    if (payment) CHECK_EQUAL(payment->sequence, 10);
    lnkeep_payment_free(payment);
    end();
}

/* Attempts 1 to `failed` failed, and one more settled. */
static void make_with_failed_attempts(uint64_t number, uint64_t first, uint64_t failed) {
    CHECK_DONE(init_payment(number, AMOUNT));
    for (uint64_t id = first; id < first + failed; id++) {
        CHECK_DONE(register_whole(number, id, AMOUNT, 0));
        CHECK_DONE(fail_attempt(number, id, 0));
    }
    CHECK_DONE(register_whole(number, first + failed, AMOUNT, 0));
    CHECK_DONE(settle(number, first + failed, 0));
}

static void failed_attempts_go_and_the_payment_stays(void) {
    begin();
    make_with_failed_attempts(1, 100, 20);
    lnkeep_payment *before = fetch(1);
    CHECK_DONE(delete_payment(1, LNKEEP_DELETE_FAILED_ATTEMPTS));
    CHECK_EQUAL(last.value, 0);
    lnkeep_payment *after = fetch(1);
    if (before && after && CHECK_EQUAL(after->attempts_len, 1)) {
        CHECK_EQUAL(attempt_of(after, 0)->request.key.id, 120);
        CHECK_EQUAL(after->status, LNKEEP_PAYMENT_STATUS_SUCCEEDED);
        CHECK(after->revision > before->revision);
    }
    lnkeep_payment_free(before);
    lnkeep_payment_free(after);
    CHECK_EQUAL(counts_now().attempts, 1);
    CHECK_STATUS(delete_payment(1, LNKEEP_DELETE_FAILED_ATTEMPTS), LNKEEP_ALREADY);
    CHECK_STATUS(settle(1, 100, 0), LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
    CHECK_STATUS(settle(1, 120, 0), LNKEEP_ALREADY);
    end();
}

static lnkeep_op delete_op(uint64_t number, uint32_t flags) {
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_PAYMENT_DELETE;
    op.flags = flags;
    op.component = payments.bits;
    memcpy(op.body.payment_delete.payment_hash, hash_of(number).bytes, 32);
    return op;
}

/* As an operation it is one bounded step, and the value says how many are left. */
static void an_operation_deletes_failed_attempts_by_steps(void) {
    begin();
    make_with_failed_attempts(1, 100, 40);
    lnkeep_op op = delete_op(1, LNKEEP_DELETE_FAILED_ATTEMPTS);
    lnkeep_outcome outcome;
    uint64_t left = 40;
    unsigned steps = 0;
    do {
        CHECK_DONE(lnkeep_submit(store, &op, 1, 0, &outcome, NULL));
        CHECK(outcome.value < left);
        CHECK_EQUAL(counts_now().attempts, outcome.value + 1);
        left = outcome.value;
        steps++;
    } while (left > 0 && steps < 100);
    CHECK(steps > 1);
    CHECK_EQUAL(left, 0);
    CHECK_DONE(lnkeep_submit(store, &op, 1, 0, &outcome, NULL));
    CHECK_STATUS(outcome.status, LNKEEP_ALREADY);
    end();
}

/* Runs a bulk deletion to its end; answers how many payments it dealt with. */
static uint64_t delete_all(const lnkeep_payment_delete_filter *filter) {
    uint64_t sum = 0, deleted = 99, next = 0;
    uint32_t more = 1;
    for (unsigned calls = 0; more && calls < 1000; calls++) {
        uint64_t after = next;
        lnkeep_status status =
            lnkeep_payments_delete_many(payments, filter, after, &deleted, &next, &more, NULL);
        if (!CHECK_DONE(status)) break;
        CHECK(deleted <= 128 && more <= 1);
        if (more) CHECK(next > after);
        else CHECK_EQUAL(next, 0);
        sum += deleted;
    }
    return sum;
}

static void bulk_deletion_takes_what_is_finished(void) {
    begin();
    make_each_status();
    CHECK_EQUAL(delete_all(NULL), 2);
    CHECK_STATUS(status_of(SUCCEEDED), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(status_of(FAILED), LNKEEP_PAYMENT_NOT_INITIATED);
    for (uint64_t number = INITIATED; number <= HALF_SETTLED; number++) CHECK(status_of(number) > 0);
    CHECK_STATUS(init_payment(SUCCEEDED, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_EQUAL(delete_all(NULL), 0);
    CHECK_DONE(lnkeep_payments_delete_many(payments, NULL, 0, NULL, NULL, NULL, NULL));
    /* What is in flight is never deleted, also when it is asked for. */
    lnkeep_payment_delete_filter filter = LNKEEP_PAYMENT_DELETE_FILTER_INIT;
    filter.statuses = 1 << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    CHECK_EQUAL(delete_all(&filter), 0);
    filter.statuses |= 1 << LNKEEP_PAYMENT_STATUS_INITIATED;
    CHECK_EQUAL(delete_all(&filter), 1);
    CHECK_STATUS(status_of(INITIATED), LNKEEP_PAYMENT_NOT_INITIATED);
    for (uint64_t number = IN_FLIGHT; number <= HALF_SETTLED; number++) CHECK(status_of(number) > 0);
    end();
}

static void bulk_deletion_follows_its_filter(void) {
    begin();
    make_each_status();
    lnkeep_payment_delete_filter filter = LNKEEP_PAYMENT_DELETE_FILTER_INIT;
    static const uint32_t unknown[] = {1, 32, UINT32_C(1) << 31};
    for (size_t i = 0; i < H_COUNT(unknown); i++) {
        filter.statuses = unknown[i];
        lnkeep_status status = lnkeep_payments_delete_many(payments, &filter, 0, NULL, NULL, NULL, NULL);
        CHECK_STATUS(status, LNKEEP_INVALID_ARGUMENT);
    }
    filter.statuses = 0;
    for (uint32_t flag = 4; flag != 0; flag <<= 1) {
        filter.flags = flag;
        lnkeep_status status = lnkeep_payments_delete_many(payments, &filter, 0, NULL, NULL, NULL, NULL);
        CHECK_STATUS(status, LNKEEP_INVALID_ARGUMENT);
    }
    check_each_status();
    filter.flags = LNKEEP_DELETE_FAILED_ATTEMPTS;
    CHECK_EQUAL(delete_all(&filter), 1);
    CHECK_EQUAL(status_of(FAILED), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(attempt_state(FAILED, FAILED), LNKEEP_ATTEMPT_NOT_FOUND);
    filter.flags = LNKEEP_DELETE_FORGET;
    filter.statuses = 1 << LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    CHECK_EQUAL(delete_all(&filter), 1);
    CHECK_EQUAL(status_of(FAILED), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_DONE(init_payment(SUCCEEDED, AMOUNT));
    /* Only those created by then. */
    for (uint64_t number = 21; number <= 23; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        init.created_unix_ns = number;
        CHECK_DONE(init_with(&init));
        CHECK_DONE(give_up(number, LNKEEP_PAYMENT_REASON_ERROR));
    }
    memset(&filter, 0, sizeof filter);
    filter.size = sizeof filter;
    filter.created_to_unix_ns = 22;
    CHECK_EQUAL(delete_all(&filter), 3);
    CHECK_EQUAL(status_of(23), LNKEEP_PAYMENT_STATUS_FAILED);
    end();
}

static void finish(uint64_t number) {
    CHECK_DONE(init_payment(number, AMOUNT));
    if (number % 2) {
        CHECK_DONE(give_up(number, LNKEEP_PAYMENT_REASON_NO_ROUTE));
    } else {
        CHECK_DONE(register_whole(number, number, AMOUNT, 0));
        CHECK_DONE(settle(number, number, 0));
    }
}

/* A crash or an error between two calls loses nothing but the place. */
static void bulk_deletion_goes_by_bounded_steps(void) {
    begin();
    uint64_t count = h_rounds(300, 140), deleted = 0, next = 0;
    uint32_t more = 0;
    for (uint64_t number = 1; number <= count; number++) finish(number);
    CHECK_DONE(lnkeep_payments_delete_many(payments, NULL, 0, &deleted, &next, &more, NULL));
    CHECK_EQUAL(deleted, 128);
    CHECK_EQUAL(more, 1);
    CHECK_EQUAL(next, 128);
    CHECK_EQUAL(counts_now().payments, count - 128);
    reopen();
    CHECK_EQUAL(delete_all(NULL), count - 128);
    CHECK_EQUAL(counts_now().payments, 0);
    CHECK_EQUAL(counts_now().tombstones, count / 2);
    for (uint64_t number = 2; number <= count; number += 2) {
        if (!CHECK_STATUS(init_payment(number, AMOUNT), LNKEEP_ALREADY_PAID)) break;
    }
    end();
}

/* Sweeps until nothing is left; answers how much was dealt with. */
static uint64_t sweep_all(void) {
    uint64_t sum = 0, handled = 1;
    for (unsigned calls = 0; handled > 0 && calls < 1000; calls++) {
        if (!CHECK_DONE(lnkeep_payments_sweep(payments, &handled, NULL))) break;
        sum += handled;
    }
    CHECK_DONE(lnkeep_payments_sweep(payments, NULL, NULL));
    return sum;
}

/* An operation leaves the attempts of what it deleted; sweeps remove them, also after a restart. */
static void leftovers_are_swept(void) {
    begin();
    uint64_t failed = h_rounds(200, 20);
    make_with_failed_attempts(1, 1, failed);
    make_with_failed_attempts(2, 1000, 2);
    lnkeep_op ops[2] = {delete_op(1, 0), delete_op(2, LNKEEP_DELETE_FORGET)};
    lnkeep_outcome outcomes[2];
    CHECK_DONE(lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL));
    for (int i = 0; i < 2; i++) {
        CHECK_EQUAL(outcomes[i].flags, LNKEEP_OUTCOME_CHANGED | LNKEEP_OUTCOME_LEFTOVERS);
        CHECK(outcomes[i].event_sequence > 0);
    }
    CHECK_EQUAL(counts_now().doomed, 2);
    reopen();
    CHECK_EQUAL(counts_now().doomed, 2);
    CHECK_EQUAL(counts_now().attempts, failed + 4);
    /* Rows that mean nothing bar nobody. */
    CHECK_DONE(init_payment(2, AMOUNT));
    CHECK_DONE(register_whole(2, 1000, AMOUNT, 0));
    CHECK(sweep_all() > 0);
    CHECK_EQUAL(counts_now().doomed, 0);
    CHECK_EQUAL(counts_now().attempts, 1);
    CHECK_STATUS(init_payment(1, AMOUNT), LNKEEP_ALREADY_PAID);
    end();
}

static void too_many_finished_payments_go_oldest_first(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.finished_max = 2;
    begin_with(&options);
    CHECK_DONE(init_payment(1, AMOUNT));
    for (uint64_t number = 2; number <= 6; number++) finish(number);
    CHECK_EQUAL(counts_now().payments, 6);
    CHECK_EQUAL(sweep_all(), 3);
    for (uint64_t number = 2; number <= 4; number++) {
        CHECK_STATUS(status_of(number), LNKEEP_PAYMENT_NOT_INITIATED);
    }
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_EQUAL(status_of(5), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(status_of(6), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    CHECK_STATUS(init_payment(4, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_DONE(init_payment(3, AMOUNT));
    end();
}

static void old_finished_payments_go(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.finished_retention_secs = 100;
    begin_with(&options);
    /* Without a time nothing is old. */
    finish(1);
    CHECK_EQUAL(sweep_all(), 0);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 1, NULL));
    finish(2);
    CHECK_DONE(init_payment(3, AMOUNT));
    CHECK_DONE(lnkeep_store_tick(store, 1100000, 1, NULL));
    finish(4);
    CHECK_EQUAL(sweep_all(), 0);
    CHECK_DONE(lnkeep_store_tick(store, 1100001, 1, NULL));
    CHECK_EQUAL(sweep_all(), 1);
    CHECK_STATUS(status_of(2), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(init_payment(2, AMOUNT), LNKEEP_ALREADY_PAID);
    CHECK_EQUAL(status_of(1), LNKEEP_PAYMENT_STATUS_FAILED);
    CHECK_EQUAL(status_of(3), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_EQUAL(status_of(4), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
    end();
}

/* A step of retention looks at a bounded number of payments: the next one must not look at the same ones. */
static void what_is_kept_does_not_bar_what_is_old(void) {
    if (h_is_valgrind()) {
        h_skip("what_is_kept_does_not_bar_what_is_old", "10,001 payments take too long under valgrind");
        return;
    }
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.finished_retention_secs = 100;
    begin_with(&options);
    /* Finished at a time that nobody told, so that they are never old. */
    init_many(10001, LNKEEP_PAYMENT_REASON_NO_ROUTE);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 1, NULL));
    finish(20000);
    CHECK_DONE(lnkeep_store_tick(store, 2000000, 1, NULL));
    sweep_all();
    CHECK_STATUS(status_of(20000), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_EQUAL(counts_now().payments, 10001);
    end();
}

static void a_large_history_goes(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    static uint8_t room[60000];
    options.history_bytes_max = 1 << 20;
    begin_with(&options);
    uint64_t count = h_rounds(150, 60);
    for (uint64_t number = 1; number <= count; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        init.payment_request = h_bytes(room, sizeof room);
        CHECK_DONE(init_with(&init));
        CHECK_DONE(give_up(number, LNKEEP_PAYMENT_REASON_NO_ROUTE));
    }
    CHECK_DONE(init_payment(1000, AMOUNT));
    CHECK(counts_now().history_bytes > options.history_bytes_max);
    CHECK(sweep_all() > 0);
    CHECK(counts_now().history_bytes <= options.history_bytes_max);
    CHECK_EQUAL(status_of(1000), LNKEEP_PAYMENT_STATUS_INITIATED);
    CHECK_STATUS(status_of(1), LNKEEP_PAYMENT_NOT_INITIATED);
    end();
}

/* Tombstones and keys past their time are forgotten; a key lives as long as its payment or tombstone. */
static void old_tombstones_and_keys_go(void) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.tombstone_retention_secs = 100;
    begin_with(&options);
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 1, NULL));
    for (uint64_t number = 1; number <= 3; number++) {
        char key[2] = {(char)('a' + number), 0};
        lnkeep_payment_init init = init_of(number, AMOUNT);
        init.idempotency_key = h_text(key);
        CHECK_DONE(init_with(&init));
        if (number == 2) CHECK_DONE(give_up(number, LNKEEP_PAYMENT_REASON_NO_ROUTE));
        else CHECK_DONE(register_whole(number, number, AMOUNT, 0));
        if (number != 2) CHECK_DONE(settle(number, number, 0));
        if (number < 3) CHECK_DONE(delete_payment(number, 0));
    }
    CHECK_DONE(lnkeep_store_tick(store, 1100000, 1, NULL));
    sweep_all();
    CHECK_EQUAL(counts_now().tombstones, 1);
    CHECK_EQUAL(counts_now().idempotency_keys, 3);
    CHECK_DONE(lnkeep_store_tick(store, 1100001, 1, NULL));
    CHECK(sweep_all() >= 2);
    CHECK(sweep_all() <= 1);
    CHECK_EQUAL(counts_now().tombstones, 0);
    CHECK_EQUAL(counts_now().idempotency_keys, 1);
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_STATUS(init_payment(3, AMOUNT), LNKEEP_ALREADY_PAID);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(delete_follows_the_table),
        H_TEST(only_one_way_of_deleting_at_a_time),
        H_TEST(a_tombstone_stays_until_it_is_forgotten),
        H_TEST(failed_attempts_go_and_the_payment_stays),
        H_TEST(an_operation_deletes_failed_attempts_by_steps),
        H_TEST(bulk_deletion_takes_what_is_finished),
        H_TEST(bulk_deletion_follows_its_filter),
        H_TEST(bulk_deletion_goes_by_bounded_steps),
        H_TEST(leftovers_are_swept),
        H_TEST(too_many_finished_payments_go_oldest_first),
        H_TEST(old_finished_payments_go),
        H_TEST(what_is_kept_does_not_bar_what_is_old),
        H_TEST(a_large_history_goes),
        H_TEST(old_tombstones_and_keys_go),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* A copied store does not know what the other one dispatched: new ids wait for a person. */

#include "harness.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lnkeep_store store;
static lnkeep_attempts attempts;

static uint32_t open_and_report(const char *directory) {
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    CHECK_DONE(lnkeep_store_open(directory, NULL, &store, &report, NULL));
    attempts = h_attempts(store);
    return report.flags;
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

/* Ids 10 and 20 exist, the latter in namespace 1; opens the copy. */
static const char *open_copy(void) {
    const char *original = h_directory();
    lnkeep_attempt_request request = h_request(20);
    request.key = h_key_in(1, 20);
    open_and_report(original);
    CHECK_DONE(h_init(attempts, 10));
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    end();
    const char *copy = h_copy_store(original);
    CHECK_EQUAL(open_and_report(copy) & ~(uint32_t)LNKEEP_REPORT_OVERLAY, LNKEEP_REPORT_COPIED);
    return copy;
}

static lnkeep_status acknowledge(uint64_t floor, uint64_t floor_of_one) {
    lnkeep_id_floor floors[2];
    memset(floors, 0, sizeof floors);
    floors[0].id_floor = floor;
    floors[1].namespace_bytes[15] = 1;
    floors[1].id_floor = floor_of_one;
    return lnkeep_attempts_acknowledge_restore(attempts, floors, floor_of_one ? 2 : 1, NULL);
}

static void new_ids_wait_and_old_ones_go_on(void) {
    const char *copy = open_copy();
    lnkeep_attempt_key key = h_key(10);
    uint64_t id;
    CHECK_STATUS(h_init(attempts, 50), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_text("k"), &id, NULL), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_STATUS(h_init(attempts, 10), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL));
    CHECK_DONE(h_store(attempts, 10, h_settle(1)));
    end();
    /* Waiting does not wear off. */
    CHECK(open_and_report(copy) & LNKEEP_REPORT_COPIED);
    CHECK_STATUS(h_init(attempts, 50), LNKEEP_NOT_ACKNOWLEDGED);
    end();
}

static lnkeep_status init_payment(lnkeep_payments payments, const uint8_t *payment_hash) {
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    memcpy(init.payment_hash, payment_hash, sizeof init.payment_hash);
    init.amount_msat = 10;
    return lnkeep_payments_init(payments, &init, NULL, NULL, NULL);
}

static lnkeep_status register_part(lnkeep_payments payments, uint64_t id) {
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    part.key = h_key(id);
    part.amount_msat = 5;
    part.hop_count = 1;
    part.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    return lnkeep_payments_register(payments, h_hash_of_ones, &part, LNKEEP_REGISTER_WITH_RECORD, NULL, NULL,
                                    NULL);
}

/* The other store may have paid the hash, or sent another part: nothing new until a person says so. */
static void new_payments_wait_and_old_ones_end(void) {
    const char *original = h_directory();
    lnkeep_attempt_key key = h_key(30);
    uint8_t ones[32];
    memset(ones, 1, sizeof ones);
    open_and_report(original);
    lnkeep_payments payments = h_payments(store);
    CHECK_DONE(init_payment(payments, h_hash_of_ones));
    CHECK_DONE(register_part(payments, 30));
    h_close_payments(&payments);
    end();
    CHECK(open_and_report(h_copy_store(original)) & LNKEEP_REPORT_COPIED);
    payments = h_payments(store);
    CHECK_STATUS(init_payment(payments, h_hash_of_twos), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_STATUS(register_part(payments, 31), LNKEEP_NOT_ACKNOWLEDGED);
    /* A repeat is no new one. */
    CHECK_STATUS(register_part(payments, 30), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(acknowledge(100, 0));
    CHECK_STATUS(register_part(payments, 31), LNKEEP_BELOW_FLOOR);
    CHECK_DONE(register_part(payments, 100));
    CHECK_DONE(init_payment(payments, h_hash_of_twos));
    CHECK_DONE(lnkeep_payments_settle(payments, h_hash_of_ones, &key, ones, 0, 0, NULL, NULL, NULL));
    h_close_payments(&payments);
    end();
}

/* A host that has payments alone acknowledges by the same call. */
static void payments_without_attempts_are_acknowledged_too(void) {
    const char *original = h_directory();
    open_and_report(original);
    lnkeep_payments payments = h_payments(store);
    CHECK_DONE(init_payment(payments, h_hash_of_ones));
    h_close_payments(&payments);
    end();
    const char *copy = h_copy_store(original);
    CHECK(open_and_report(copy) & LNKEEP_REPORT_COPIED);
    payments = h_payments(store);
    CHECK_STATUS(init_payment(payments, h_hash_of_ones), LNKEEP_ALREADY_EXISTS);
    CHECK_STATUS(init_payment(payments, h_hash_of_twos), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_DONE(lnkeep_attempts_acknowledge_restore(attempts, NULL, 0, NULL));
    CHECK_DONE(init_payment(payments, h_hash_of_twos));
    h_close_payments(&payments);
    end();
    CHECK(!(open_and_report(copy) & LNKEEP_REPORT_COPIED));
    end();
}

static void floors_bar_what_may_have_been_used(void) {
    const char *copy = open_copy();
    CHECK_STATUS(acknowledge(100, 0), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(h_init(attempts, 500), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_DONE(acknowledge(100, 200));
    CHECK_STATUS(acknowledge(100, 200), LNKEEP_ALREADY);
    CHECK_STATUS(h_init(attempts, 99), LNKEEP_BELOW_FLOOR);
    CHECK_STATUS(h_init(attempts, 10), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(h_init(attempts, 100));
    lnkeep_attempt_request request = h_request(0);
    request.key = h_key_in(1, 199);
    CHECK_STATUS(lnkeep_attempts_init(attempts, &request, NULL, NULL), LNKEEP_BELOW_FLOOR);
    request.key.id = 200;
    CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
    uint64_t id = 0;
    CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, h_text("k"), &id, NULL));
    /* Above every floor: two namespaces may share one switch. */
    CHECK(id >= 200);
    end();
    CHECK(!(open_and_report(copy) & LNKEEP_REPORT_COPIED));
    CHECK_STATUS(h_init(attempts, 98), LNKEEP_BELOW_FLOOR);
    end();
}

static void an_exhausted_allocation_is_out_of_range(void) {
    open_copy();
    uint64_t id = 77;
    CHECK_DONE(acknowledge(UINT64_MAX, UINT64_MAX));
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, h_text("k"), &id, NULL), LNKEEP_ID_OUT_OF_RANGE);
    CHECK_EQUAL(id, 77);
    end();
}

/* The other store may have handed an intent off after the copy was made. */
static void intents_of_the_copy_are_in_doubt(void) {
    const char *copy = open_copy();
    lnkeep_attempt_key key = h_key(10);
    lnkeep_recovery *recovery = NULL;
    CHECK_DONE(acknowledge(100, 100));
    CHECK_DONE(h_init(attempts, 100));
    for (int opens = 0; opens < 2; opens++) {
        if (CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, 0, &recovery, NULL))) {
            CHECK_EQUAL(recovery->unresolved_len, 1);
            CHECK_EQUAL(recovery->unresolved[0], 10);
            /* That of the new life is not in doubt. */
            CHECK_EQUAL(recovery->failed_len, opens);
            lnkeep_recovery_free(recovery);
        }
        lnkeep_status status = lnkeep_attempts_fail_pending(attempts, &key, 0, h_text(""), 0, NULL, NULL);
        CHECK_STATUS(status, LNKEEP_HANDED_OFF);
        CHECK_EQUAL(h_state(attempts, 10), LNKEEP_STATE_INTENT);
        end();
        open_and_report(copy);
    }
    CHECK_DONE(lnkeep_attempts_fail_pending(attempts, &key, 0, h_text(""), LNKEEP_FAIL_FORCED, NULL, NULL));
    end();
}

static void an_own_store_waits_for_no_acknowledgement(void) {
    open_and_report(h_directory());
    lnkeep_id_floor floor;
    uint64_t id = 0;
    memset(&floor, 0, sizeof floor);
    CHECK_STATUS(lnkeep_attempts_acknowledge_restore(attempts, NULL, 0, NULL), LNKEEP_ALREADY);
    CHECK_DONE(h_init(attempts, 1));
    /* A host may raise a floor all the same; it never falls. */
    floor.id_floor = 1000;
    CHECK_DONE(lnkeep_attempts_acknowledge_restore(attempts, &floor, 1, NULL));
    CHECK_STATUS(lnkeep_attempts_acknowledge_restore(attempts, &floor, 1, NULL), LNKEEP_ALREADY);
    floor.id_floor = 500;
    CHECK_STATUS(lnkeep_attempts_acknowledge_restore(attempts, &floor, 1, NULL), LNKEEP_ALREADY);
    CHECK_STATUS(h_init(attempts, 999), LNKEEP_BELOW_FLOOR);
    CHECK_STATUS(h_init(attempts, 1), LNKEEP_ALREADY_EXISTS);
    CHECK_DONE(h_init(attempts, 1000));
    CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, h_text("k"), &id, NULL));
    CHECK(id > 1000);
    memset(floor.namespace_bytes, 0xff, 16);
    CHECK_STATUS(lnkeep_attempts_acknowledge_restore(attempts, &floor, 1, NULL), LNKEEP_INVALID_ARGUMENT);
    end();
}

/* A store that was moved, not copied, is the same one. */
static void a_moved_directory_is_no_copy(void) {
    const char *parent = h_directory(), *from = h_path(parent, "from"), *to = h_path(parent, "to");
    open_and_report(from);
    CHECK_DONE(h_init(attempts, 1));
    end();
    CHECK_EQUAL(rename(from, to), 0);
    CHECK(!(open_and_report(to) & LNKEEP_REPORT_COPIED));
    CHECK_DONE(h_init(attempts, 2));
    end();
}

/* A backup that was put over the live file is an older state under the same path. */
static void a_file_put_back_is_a_copy(void) {
    const char *directory = h_directory(), *file = h_path(directory, "data.mdb");
    uint8_t *bytes;
    size_t len;
    open_and_report(directory);
    end();
    CHECK(h_read_file(file, &bytes, &len));
    open_and_report(directory);
    CHECK_DONE(h_init(attempts, 1));
    end();
    CHECK_EQUAL(unlink(file), 0);
    CHECK(h_write_file(file, bytes, len));
    free(bytes);
    CHECK(open_and_report(directory) & LNKEEP_REPORT_COPIED);
    CHECK_STATUS(h_init(attempts, 1), LNKEEP_NOT_ACKNOWLEDGED);
    end();
}

/* As `cp` over it, or a rollback of the file's own bytes: the same file in an older state. */
static void an_older_state_written_over_the_file_is_restored(void) {
    const char *directory = h_directory(), *file = h_path(directory, "data.mdb");
    uint8_t *bytes;
    size_t len;
    open_and_report(directory);
    CHECK_DONE(h_init(attempts, 10));
    end();
    CHECK(h_read_file(file, &bytes, &len));
    open_and_report(directory);
    CHECK_DONE(h_init(attempts, 11));
    end();
    /* In place, so that the inode stays. */
    CHECK(h_write_file(file, bytes, len));
    free(bytes);
    uint32_t flags = open_and_report(directory);
    CHECK(flags & LNKEEP_REPORT_RESTORED);
    CHECK(!(flags & LNKEEP_REPORT_COPIED));
    CHECK_STATUS(h_init(attempts, 11), LNKEEP_NOT_ACKNOWLEDGED);
    CHECK_STATUS(h_init(attempts, 10), LNKEEP_ALREADY_EXISTS);
    end();
    CHECK(open_and_report(directory) & LNKEEP_REPORT_RESTORED);
    CHECK_DONE(acknowledge(12, 0));
    CHECK_STATUS(h_init(attempts, 11), LNKEEP_BELOW_FLOOR);
    CHECK_DONE(h_init(attempts, 12));
    end();
    CHECK(!(open_and_report(directory) & LNKEEP_REPORT_RESTORED));
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(new_ids_wait_and_old_ones_go_on),
        H_TEST(new_payments_wait_and_old_ones_end),
        H_TEST(payments_without_attempts_are_acknowledged_too),
        H_TEST(floors_bar_what_may_have_been_used),
        H_TEST(an_exhausted_allocation_is_out_of_range),
        H_TEST(intents_of_the_copy_are_in_doubt),
        H_TEST(an_own_store_waits_for_no_acknowledgement),
        H_TEST(a_moved_directory_is_no_copy),
        H_TEST(a_file_put_back_is_a_copy),
        H_TEST(an_older_state_written_over_the_file_is_restored),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

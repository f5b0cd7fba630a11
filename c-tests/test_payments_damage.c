/* One damaged payment bars no other, and is quarantined: nobody knows whether its hash was paid. */

#include "payments.h"

#include <stdio.h>
#include <stdlib.h>

/* What of a payment is damaged; each payment of that number has nothing else wrong. */
enum { HEAD = 1, DETAILS, ATTEMPT, OUTCOME, HASH_ROW, SOUND };

static const uint64_t HEAD_TIME = UINT64_C(0x1badb0021badb002);
static const char DETAILS_TEXT[] = "lnkeep-test: an invoice that is in one row only";
static const char ROUTE_TEXT[] = "lnkeep-test: a route that is in one row only";
static const char MESSAGE_TEXT[] = "lnkeep-test: a failure that is in one row only";

/* Table number of docs/format.md, which enters the checksum. */
static const uint8_t PAYMENT_HASHES = 15;

/* The row that leads from a hash to its payment, as docs/format.md says: found by its checksum and body. */
static size_t damage_hash_row(uint64_t number, uint64_t sequence) {
    static const uint8_t version_and_flags[2] = {1, 0};
    uint8_t row[13];
    row[4] = 1;
    memcpy(row + 5, &sequence, 8);
    uint32_t crc = h_crc32c(0, &PAYMENT_HASHES, 1);
    crc = h_crc32c(crc, version_and_flags, 2);
    crc = h_crc32c(crc, hash_of(number).bytes, 32);
    crc = h_crc32c(crc, row + 4, 9);
    memcpy(row, &crc, 4);
    return h_damage(directory, row, sizeof row);
}

static void make_payments(void) {
    for (uint64_t number = HEAD; number <= SOUND; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        lnkeep_payment_attempt_request request = request_of(number, AMOUNT, 1);
        if (number == HEAD) init.created_unix_ns = HEAD_TIME;
        if (number == DETAILS) init.payment_request = h_text(DETAILS_TEXT);
        if (number == ATTEMPT) request.route = h_text(ROUTE_TEXT);
        CHECK_DONE(init_with(&init));
        CHECK_DONE(register_with(number, &request, 0));
    }
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, MESSAGE_TEXT);
    CHECK_DONE(fail_by(OUTCOME, OUTCOME, &failure, "", 0));
}

static void make_damaged(void) {
    begin();
    make_payments();
    close_all();
    CHECK(h_damage(directory, (const uint8_t *)&HEAD_TIME, 8) > 0);
    CHECK(h_damage(directory, (const uint8_t *)DETAILS_TEXT, sizeof DETAILS_TEXT - 1) > 0);
    CHECK(h_damage(directory, (const uint8_t *)ROUTE_TEXT, sizeof ROUTE_TEXT - 1) > 0);
    CHECK(h_damage(directory, (const uint8_t *)MESSAGE_TEXT, sizeof MESSAGE_TEXT - 1) > 0);
    CHECK(damage_hash_row(HASH_ROW, HASH_ROW) > 0);
    open_with(NULL, NULL);
}

static void every_call_on_a_damaged_payment_says_so(void) {
    make_damaged();
    for (uint64_t number = HEAD; number <= HASH_ROW; number++) {
        lnkeep_status wanted = LNKEEP_CORRUPT_RECORD;
        uint64_t subscription = 77;
        int held = CHECK_STATUS(status_of(number), wanted);
        held &= CHECK_STATUS(init_payment(number, AMOUNT), wanted);
        held &= CHECK_STATUS(register_whole(number, 100, AMOUNT, 0), wanted);
        held &= CHECK_STATUS(settle(number, number, 0), wanted);
        held &= CHECK_STATUS(fail_attempt(number, number, 0), wanted);
        held &= CHECK_STATUS(give_up(number, LNKEEP_PAYMENT_REASON_ERROR), wanted);
        held &= CHECK_STATUS(delete_payment(number, 0), wanted);
        held &= CHECK_STATUS(delete_payment(number, LNKEEP_DELETE_FORGET), wanted);
        held &= CHECK_STATUS(delete_payment(number, LNKEEP_DELETE_FAILED_ATTEMPTS), wanted);
        held &= CHECK_STATUS(delete_payment(number, LNKEEP_DELETE_TOMBSTONE), LNKEEP_ENTRIES_EXIST);
        lnkeep_status status =
            lnkeep_payments_subscribe(payments, hash_of(number).bytes, &subscription, NULL);
        held &= CHECK_STATUS(status, wanted);
        held &= CHECK_EQUAL(subscription, 77);
        if (!held) fprintf(stderr, "payment %d\n", (int)number);
    }
    CHECK_EQUAL(status_of(SOUND), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_DONE(settle(SOUND, SOUND, 0));
    close_all();
}

/* Lists name it, and go on behind it. */
static void lists_name_what_they_cannot_read(void) {
    make_damaged();
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    uint32_t unfinished = 1 << LNKEEP_PAYMENT_STATUS_INITIATED | 1 << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    for (size_t i = 0; i < 4; i++) {
        lnkeep_payment_page *page = NULL;
        query.statuses = i < 2 ? 0 : unfinished;
        query.flags = i % 2 ? LNKEEP_PAYMENT_QUERY_REVERSED : 0;
        if (!CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) continue;
        /* Only the way from the hash to it is damaged, and a list does not go that way. */
        CHECK_EQUAL(page->payments_len, 2);
        CHECK_EQUAL(payment_of(page, 0)->sequence, HASH_ROW);
        CHECK_EQUAL(payment_of(page, 1)->sequence, SOUND);
        if (!CHECK_EQUAL(page->unreadable_len, 4)) continue;
        for (size_t at = 0; at < 4; at++) {
            const lnkeep_payment_unreadable *unreadable = &page->unreadable[at];
            CHECK_EQUAL(unreadable->sequence, at + 1);
            CHECK_EQUAL(unreadable->has_hash, unreadable->sequence != HEAD);
            CHECK_EQUAL(unreadable->reserved, 0);
            hash known = hash_of(unreadable->sequence);
            if (unreadable->has_hash) CHECK(memcmp(unreadable->payment_hash, known.bytes, 32) == 0);
            else CHECK(is_zero(unreadable->payment_hash, 32));
        }
        lnkeep_payment_page_free(page);
    }
    close_all();
}

static void a_resume_goes_on_behind_what_it_cannot_read(void) {
    make_damaged();
    lnkeep_resume *done = NULL;
    lnkeep_stuck_list *list = NULL;
    CHECK_DONE(lnkeep_payments_stuck(payments, NULL, &list, NULL));
    lnkeep_stuck_list_free(list);
    if (CHECK_DONE(lnkeep_payments_resume(payments, NULL, 0, 0, &done, NULL)) &&
        CHECK_EQUAL(done->payments_len, 6)) {
        for (uint64_t number = HEAD; number <= OUTCOME; number++) {
            CHECK_EQUAL(done->payments[number - 1].outcome, LNKEEP_RESUME_UNREADABLE);
            CHECK_EQUAL(done->payments[number - 1].has_hash, number != HEAD);
        }
        CHECK_EQUAL(done->payments[SOUND - 1].outcome, LNKEEP_RESUME_WAITING);
        /* The records of attempts that cannot be read are kept too: their results may be all there is. */
        CHECK_EQUAL(done->keep_len, 6);
        for (size_t i = 0; i < done->keep_len; i++) CHECK_EQUAL(done->keep[i].id, i + 1);
    }
    lnkeep_resume_free(done);
    close_all();
}

static void bulk_calls_leave_damaged_payments_alone(void) {
    begin();
    make_payments();
    for (uint64_t number = HEAD; number <= SOUND; number++) {
        CHECK_DONE(settle(number, number, 0));
    }
    close_all();
    CHECK(h_damage(directory, (const uint8_t *)&HEAD_TIME, 8) > 0);
    CHECK(h_damage(directory, (const uint8_t *)DETAILS_TEXT, sizeof DETAILS_TEXT - 1) > 0);
    open_with(NULL, NULL);
    uint64_t deleted = 99;
    CHECK_DONE(lnkeep_payments_delete_many(payments, NULL, 0, &deleted, NULL, NULL, NULL));
    CHECK_EQUAL(deleted, 4);
    CHECK_STATUS(status_of(HEAD), LNKEEP_CORRUPT_RECORD);
    CHECK_STATUS(status_of(DETAILS), LNKEEP_CORRUPT_RECORD);
    CHECK_STATUS(init_payment(HEAD, AMOUNT), LNKEEP_CORRUPT_RECORD);
    CHECK_EQUAL(counts_now().payments, 2);
    close_all();
}

static lnkeep_status quarantine(uint64_t number) {
    lnkeep_outcome outcome = {77, 0, 0, 0, 0, 0};
    lnkeep_status status = lnkeep_payments_quarantine(payments, hash_of(number).bytes, &outcome, NULL);
    CHECK_EQUAL(outcome.status, status < 0 ? 77 : status);
    if (status >= 0) last = outcome;
    return status;
}

static void quarantine_refuses_the_hash_for_good(void) {
    make_damaged();
    CHECK_STATUS(quarantine(20), LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK_STATUS(quarantine(SOUND), LNKEEP_CONFLICT);
    for (uint64_t number = HEAD; number <= OUTCOME; number++) {
        CHECK_DONE(quarantine(number));
        CHECK(last.flags & LNKEEP_OUTCOME_CHANGED);
        CHECK(last.event_sequence > 0);
        CHECK_STATUS(quarantine(number), LNKEEP_ALREADY);
        CHECK_STATUS(status_of(number), LNKEEP_PAYMENT_NOT_INITIATED);
    }
    for (int opens = 0; opens < 2; opens++) {
        for (uint64_t number = HEAD; number <= OUTCOME; number++) {
            CHECK_STATUS(init_payment(number, AMOUNT), LNKEEP_ALREADY_PAID);
        }
        CHECK_EQUAL(counts_now().payments, 2);
        CHECK_EQUAL(counts_now().unfinished, 2);
        uint64_t handled = 1;
        while (handled > 0 && CHECK_DONE(lnkeep_payments_sweep(payments, &handled, NULL))) {}
        CHECK_EQUAL(counts_now().attempts, 2);
        reopen();
    }
    /* An operator who found out that it was not paid may say so. */
    CHECK_DONE(delete_payment(HEAD, LNKEEP_DELETE_TOMBSTONE));
    CHECK_DONE(init_payment(HEAD, AMOUNT));
    /* With the last damage gone the store is sound again. */
    CHECK_DONE(quarantine(HASH_ROW));
    end();
}

static void a_check_names_every_damaged_row(void) {
    static const char *const tables[] = {"payments", "payment_details", "payment_attempts", "payment_outcomes",
                                         "payment_hashes"};
    make_damaged();
    close_all();
    lnkeep_check_report *report = h_check_report(directory);
    if (!report) return;
    CHECK(!(report->flags & LNKEEP_CHECK_UNUSABLE));
    CHECK_EQUAL(report->findings_len, H_COUNT(tables));
    for (size_t i = 0; i < H_COUNT(tables); i++) {
        const char *at = (const char *)report->findings;
        int found = 0;
        for (size_t row = 0; row < report->findings_len; row++, at += report->stride) {
            const lnkeep_finding *finding = (const lnkeep_finding *)(const void *)at;
            found |= strcmp(finding->table, tables[i]) == 0;
            CHECK(finding->flags & LNKEEP_FINDING_ROW_ONLY);
        }
        if (!CHECK(found)) fprintf(stderr, "%s\n", tables[i]);
    }
    lnkeep_check_report_free(report);
}

/* Age does not end it: nobody knows whether the hash was paid. */
static void retention_keeps_quarantined_hashes(void) {
    make_damaged();
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.tombstone_retention_secs = 1;
    h_close_payments(&payments);
    CHECK_DONE(lnkeep_payments_open(store, &options, &payments, NULL));
    CHECK_DONE(lnkeep_store_tick(store, 1000, 1, NULL));
    CHECK_DONE(quarantine(DETAILS));
    CHECK_DONE(lnkeep_store_tick(store, 1000000, 1, NULL));
    for (int i = 0; i < 10; i++) CHECK_DONE(lnkeep_payments_sweep(payments, NULL, NULL));
    CHECK_STATUS(init_payment(DETAILS, AMOUNT), LNKEEP_ALREADY_PAID);
    close_all();
}

static void a_damaged_row_of_the_hash_is_mended(void) {
    make_damaged();
    CHECK_DONE(quarantine(HASH_ROW));
    CHECK_EQUAL(last.value, HASH_ROW);
    CHECK_EQUAL(last.event_sequence, 0);
    CHECK_EQUAL(status_of(HASH_ROW), LNKEEP_PAYMENT_STATUS_IN_FLIGHT);
    CHECK_STATUS(quarantine(HASH_ROW), LNKEEP_CONFLICT);
    CHECK_DONE(settle(HASH_ROW, HASH_ROW, 0));
    close_all();
}

static void quarantine_is_an_event(void) {
    make_damaged();
    lnkeep_events events;
    lnkeep_event taken[4];
    size_t len = 0;
    CHECK_DONE(lnkeep_store_tick(store, 4321, 800000, NULL));
    CHECK_DONE(lnkeep_events_open(store, h_text("watch"), LNKEEP_EVENTS_FROM_NEWEST, &events, NULL));
    CHECK_DONE(quarantine(ATTEMPT));
    CHECK_DONE(lnkeep_events_take(events, taken, 4, &len, NULL));
    if (CHECK_EQUAL(len, 1)) {
        CHECK_EQUAL(taken[0].sequence, last.event_sequence);
        CHECK_EQUAL(taken[0].kind, LNKEEP_EVENT_PAYMENT_CORRUPT);
        CHECK(memcmp(taken[0].subject, hash_of(ATTEMPT).bytes, 32) == 0);
        CHECK_EQUAL(taken[0].block_height, 800000);
        CHECK_EQUAL(taken[0].unix_ms, 4321);
    }
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    close_all();
}

/* The attempt's record beside a sound payment: it holds up no settle; a failure needs the operator's word. */
static void a_damaged_record_is_no_failure(void) {
    begin();
    lnkeep_payment_attempt_request request = request_of(1, UINT64_C(0x1122334400000000), 0x55667788);
    static const uint64_t amount_and_fee = UINT64_C(0x1122334455667788);
    lnkeep_attempt_request other = h_request(4);
    lnkeep_stuck_list *list = NULL;
    lnkeep_resume *done = NULL;
    for (uint64_t number = 1; number <= 3; number++) {
        request.key = h_key(number);
        CHECK_DONE(init_payment(number, request.amount_msat));
        CHECK_DONE(register_with(number, &request, LNKEEP_REGISTER_WITH_RECORD));
    }
    other.amount_msat = amount_and_fee;
    CHECK_DONE(lnkeep_attempts_init(attempts, &other, NULL, NULL));
    close_all();
    CHECK(h_damage(directory, (const uint8_t *)&amount_and_fee, 8) >= 4);
    open_with(NULL, NULL);
    CHECK_STATUS(h_state(attempts, 1), LNKEEP_CORRUPT_RECORD);
    CHECK_DONE(lnkeep_payments_stuck(payments, NULL, &list, NULL));
    if (list && CHECK_EQUAL(list->found_len, 3)) {
        for (size_t i = 0; i < 3; i++) CHECK_EQUAL(list->found[i].reason, LNKEEP_STUCK_UNREADABLE_RECORD);
    }
    lnkeep_stuck_list_free(list);
    lnkeep_resume_answer ignorance = {h_key(1), LNKEEP_ANSWER_UNKNOWN, 0, {0}, {0, 0, 0, {NULL, 0}}};
    CHECK_DONE(lnkeep_payments_resume(payments, &ignorance, 1, 0, &done, NULL));
    if (done) CHECK_EQUAL(done->payments[0].outcome, LNKEEP_RESUME_WAITING);
    lnkeep_resume_free(done);
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    CHECK_STATUS(fail_by(1, 1, &failure, "", 0), LNKEEP_CORRUPT_RECORD);
    CHECK_DONE(fail_by(1, 1, &failure, "it is gone", LNKEEP_FAIL_FORCED));
    CHECK_DONE(settle(2, 2, 0));
    CHECK_DONE(settle(1, 1, 0));
    request.key = h_key(4);
    CHECK_DONE(init_payment(4, request.amount_msat));
    CHECK_STATUS(register_with(4, &request, LNKEEP_REGISTER_WITH_RECORD), LNKEEP_CORRUPT_RECORD);
    CHECK_EQUAL(status_of(4), LNKEEP_PAYMENT_STATUS_INITIATED);
    close_all();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_call_on_a_damaged_payment_says_so),
        H_TEST(lists_name_what_they_cannot_read),
        H_TEST(a_resume_goes_on_behind_what_it_cannot_read),
        H_TEST(bulk_calls_leave_damaged_payments_alone),
        H_TEST(quarantine_refuses_the_hash_for_good),
        H_TEST(a_check_names_every_damaged_row),
        H_TEST(retention_keeps_quarantined_hashes),
        H_TEST(a_damaged_row_of_the_hash_is_mended),
        H_TEST(quarantine_is_an_event),
        H_TEST(a_damaged_record_is_no_failure),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

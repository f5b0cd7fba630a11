/* Reading payments: one, pages in both directions, filters, numbers of them; what a page promises. */

#include "payments.h"

#include <stdio.h>
#include <stdlib.h>

/* Sequence numbers of a whole list, in the order of the pages; each page's promises are checked. */
typedef struct listing {
    uint64_t sequences[3000];
    size_t len;
    unsigned pages;
} listing;

static listing listed;

static void check_page(const lnkeep_payment_query *query, const lnkeep_payment_page *page) {
    CHECK_EQUAL(page->size, sizeof *page);
    CHECK(page->stride >= sizeof(lnkeep_payment) && page->stride % sizeof(uint64_t) == 0);
    CHECK(page->payments_len <= (query->limit && query->limit < 1000 ? query->limit : 1000));
    CHECK_EQUAL(page->unreadable_len, 0);
    CHECK_EQUAL(page->reserved, 0);
    CHECK(page->has_more <= 1);
    if (!page->has_more) CHECK_EQUAL(page->next, 0);
    for (size_t i = 0; i < page->payments_len; i++) {
        const lnkeep_payment *payment = payment_of(page, i);
        int is_outline = (query->flags & LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS) != 0;
        if (is_outline) CHECK_EQUAL(payment->attempts_len, 0);
        else check_view(payment);
        if (query->statuses) CHECK(query->statuses >> payment->status & 1);
        if (i > 0) CHECK(payment->sequence > payment_of(page, i - 1)->sequence);
    }
}

static void list(lnkeep_payment_query query) {
    listed.len = 0;
    for (listed.pages = 1; listed.pages < 10000; listed.pages++) {
        lnkeep_payment_page *page = NULL;
        if (!CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) return;
        check_page(&query, page);
        for (size_t i = 0; i < page->payments_len && listed.len < H_COUNT(listed.sequences); i++) {
            listed.sequences[listed.len++] = payment_of(page, i)->sequence;
        }
        query.flags |= LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        uint32_t more = page->has_more;
        lnkeep_payment_page_free(page);
        if (!more) return;
    }
}

/* The sequence numbers are those given, 0 ends them. */
static int is_listed(const uint64_t *wanted) {
    size_t len = 0;
    while (wanted[len]) len++;
    int held = CHECK_EQUAL(listed.len, len);
    for (size_t i = 0; held && i < len; i++) held &= CHECK_EQUAL(listed.sequences[i], wanted[i]);
    return held;
}

#define IS_LISTED(...) CHECK(is_listed((const uint64_t[]){__VA_ARGS__, 0}))

static void fetch_follows_the_table(void) {
    begin();
    make_each_status();
    check_each_status();
    lnkeep_payment *payment = UNTOUCHED;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_payments_fetch(payments, hash_of(ABSENT).bytes, &payment, &err);
    CHECK_STATUS(status, LNKEEP_PAYMENT_NOT_INITIATED);
    CHECK(payment == UNTOUCHED && err.message[0] != 0);
    reopen();
    check_each_status();
    end();
}

static void pages_join_without_a_gap(void) {
    begin();
    uint64_t count = h_rounds(2100, 1050);
    static const uint32_t limits[] = {0, 1, 7, 999, 1000, 5000};
    init_many(count, 0);
    for (size_t i = h_is_valgrind() ? 3 : 0; i < H_COUNT(limits); i++) {
        lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
        uint64_t most = limits[i] && limits[i] < 1000 ? limits[i] : 1000;
        query.limit = limits[i];
        list(query);
        CHECK_EQUAL(listed.len, count);
        CHECK_EQUAL(listed.pages, (count + most - 1) / most);
        for (uint64_t at = 0; at < listed.len; at++) {
            if (!CHECK_EQUAL(listed.sequences[at], at + 1)) break;
        }
        /* From the newest: the pages go back, each of them ascends. */
        query.flags = LNKEEP_PAYMENT_QUERY_REVERSED;
        list(query);
        CHECK_EQUAL(listed.len, count);
        CHECK_EQUAL(listed.pages, (count + most - 1) / most);
        for (uint64_t at = 0; at < listed.len; at++) {
            uint64_t of_page = at / most, in_page = at % most;
            uint64_t above = count > (of_page + 1) * most ? count - (of_page + 1) * most : 0;
            if (!CHECK_EQUAL(listed.sequences[at], above + in_page + 1)) break;
        }
    }
    end();
}

static void offsets_are_exclusive(void) {
    begin();
    init_many(5, 0);
    CHECK_DONE(delete_payment(3, 0));
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.flags = LNKEEP_PAYMENT_QUERY_OFFSET;
    query.offset = 2;
    list(query);
    IS_LISTED(4, 5);
    /* The offset of a payment that is gone is a place all the same. */
    query.offset = 3;
    list(query);
    IS_LISTED(4, 5);
    query.offset = 0;
    list(query);
    IS_LISTED(1, 2, 4, 5);
    query.offset = 5;
    list(query);
    CHECK_EQUAL(listed.len, 0);
    query.offset = UINT64_MAX;
    list(query);
    CHECK_EQUAL(listed.len, 0);
    query.flags |= LNKEEP_PAYMENT_QUERY_REVERSED;
    list(query);
    IS_LISTED(1, 2, 4, 5);
    query.offset = 4;
    list(query);
    IS_LISTED(1, 2);
    query.offset = 3;
    list(query);
    IS_LISTED(1, 2);
    for (query.offset = 0; query.offset <= 1; query.offset++) {
        list(query);
        CHECK_EQUAL(listed.len, 0);
    }
    end();
}

static void one_page_says_where_to_go_on(void) {
    begin();
    init_many(5, 0);
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    query.limit = 2;
    if (CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) {
        CHECK_EQUAL(page->has_more, 1);
        CHECK_EQUAL(page->next, 2);
        lnkeep_payment_page_free(page);
    }
    query.flags = LNKEEP_PAYMENT_QUERY_REVERSED;
    if (CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) {
        CHECK_EQUAL(page->has_more, 1);
        CHECK_EQUAL(page->next, 4);
        CHECK_EQUAL(payment_of(page, 0)->sequence, 4);
        CHECK_EQUAL(payment_of(page, 1)->sequence, 5);
        lnkeep_payment_page_free(page);
    }
    /* A page that is exactly full is the last one. */
    query.limit = 5;
    if (CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) {
        CHECK_EQUAL(page->has_more, 0);
        CHECK_EQUAL(page->payments_len, 5);
        lnkeep_payment_page_free(page);
    }
    lnkeep_payment_page_free(NULL);
    end();
}

static void statuses_select(void) {
    begin();
    make_each_status();
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    /* Sequence numbers follow the numbers of the payments from 1 on; the tombstone has none. */
    static const uint64_t statuses[] = {1, 2, 2, 2, 2, 3, 4};
    for (uint32_t mask = 0; mask < 32; mask += 2) {
        uint64_t wanted[8] = {0};
        size_t len = 0;
        for (uint64_t at = 0; at < H_COUNT(statuses); at++) {
            if (mask == 0 || mask >> statuses[at] & 1) wanted[len++] = at + 1;
        }
        for (uint32_t reversed = 0; reversed < 2; reversed++) {
            query.statuses = mask;
            query.flags = reversed ? LNKEEP_PAYMENT_QUERY_REVERSED : 0;
            list(query);
            if (!CHECK(is_listed(wanted))) printf("statuses %u\n", mask);
        }
    }
    query.flags = 0;
    static const uint32_t unknown[] = {1, 32, UINT32_C(1) << 31};
    for (size_t i = 0; i < H_COUNT(unknown); i++) {
        lnkeep_payment_page *page = NULL;
        query.statuses = unknown[i];
        CHECK_STATUS(lnkeep_payments_list(payments, &query, &page, NULL), LNKEEP_INVALID_ARGUMENT);
        CHECK(page == NULL);
    }
    end();
}

/* Bounds are inclusive, and a payment of unknown time was created at 0. */
static void dates_select(void) {
    begin();
    for (uint64_t number = 1; number <= 5; number++) {
        lnkeep_payment_init init = init_of(number, AMOUNT);
        init.created_unix_ns = number == 1 ? 0 : number == 5 ? UINT64_MAX : number * 1000000000;
        CHECK_DONE(init_with(&init));
    }
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.created_from_unix_ns = 3000000000;
    list(query);
    IS_LISTED(3, 4, 5);
    query.created_from_unix_ns = 3000000001;
    list(query);
    IS_LISTED(4, 5);
    query.created_to_unix_ns = 4000000000;
    list(query);
    IS_LISTED(4);
    query.created_to_unix_ns = 3999999999;
    list(query);
    CHECK_EQUAL(listed.len, 0);
    query.created_from_unix_ns = 0;
    list(query);
    IS_LISTED(1, 2, 3);
    query.flags = LNKEEP_PAYMENT_QUERY_REVERSED;
    query.created_from_unix_ns = 1;
    query.limit = 1;
    list(query);
    IS_LISTED(3, 2);
    end();
}

/* Statuses, sums of the request, reasons and marks without reading an attempt. */
static void an_outline_leaves_the_attempts_out(void) {
    begin();
    make_each_status();
    CHECK_DONE(settle(FAILED, FAILED, 0));
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.flags = LNKEEP_PAYMENT_QUERY_WITHOUT_ATTEMPTS;
    list(query);
    IS_LISTED(1, 2, 3, 4, 5, 6, 7);
    lnkeep_payment_page *page = NULL;
    if (!CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) return;
    for (size_t i = 0; i < page->payments_len; i++) {
        const lnkeep_payment *outline = payment_of(page, i);
        lnkeep_payment *whole = fetch(i + INITIATED);
        if (!whole) continue;
        CHECK(is_same_init(&outline->init, &whole->init));
        CHECK_EQUAL(outline->status, whole->status);
        CHECK_EQUAL(outline->marks, whole->marks);
        CHECK_EQUAL(outline->sequence, whole->sequence);
        CHECK_EQUAL(outline->revision, whole->revision);
        CHECK_EQUAL(outline->failure_reason, whole->failure_reason);
        CHECK_EQUAL(outline->first_failure_reason, whole->first_failure_reason);
        CHECK_EQUAL(outline->updated_unix_ms, whole->updated_unix_ms);
        CHECK_EQUAL(outline->attempts_len, 0);
        lnkeep_payment_free(whole);
    }
    lnkeep_payment_page_free(page);
    end();
}

/* A page has what a fetch gives, attempts and bytes included. */
static void a_page_has_whole_payments(void) {
    begin();
    make_each_status();
    lnkeep_payment_init init = init_of(20, AMOUNT);
    lnkeep_payment_attempt_request request = request_of(20, AMOUNT, 3);
    init.payment_request = h_text("an invoice");
    init.idempotency_key = h_text("a key");
    request.route = h_text("a route");
    request.session_key = h_text("a session key");
    CHECK_DONE(init_with(&init));
    CHECK_DONE(register_with(20, &request, LNKEEP_REGISTER_WITH_RECORD));
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    if (CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL)) &&
        CHECK_EQUAL(page->payments_len, 8)) {
        for (size_t i = 0; i < page->payments_len; i++) {
            const lnkeep_payment *listed_one = payment_of(page, i);
            lnkeep_payment *fetched = NULL;
            CHECK_DONE(lnkeep_payments_fetch(payments, listed_one->init.payment_hash, &fetched, NULL));
            CHECK(fetched && is_same_payment(listed_one, fetched));
            lnkeep_payment_free(fetched);
        }
        CHECK(is_same_request(&attempt_of(payment_of(page, 7), 0)->request, &request));
    }
    lnkeep_payment_page_free(page);
    end();
}

/* A page may end early when what it visits does not match: 10,000 rows are one call's work. */
static void a_page_may_be_empty_and_not_the_last(void) {
    if (h_is_valgrind()) {
        h_skip("a_page_may_be_empty_and_not_the_last", "10,001 payments take too long under valgrind");
        return;
    }
    begin();
    init_many(10001, 0);
    CHECK_DONE(register_whole(10001, 1, AMOUNT, 0));
    CHECK_DONE(settle(10001, 1, 0));
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    query.statuses = 1 << LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    if (CHECK_DONE(lnkeep_payments_list(payments, &query, &page, NULL))) {
        CHECK_EQUAL(page->payments_len, 0);
        CHECK_EQUAL(page->has_more, 1);
        CHECK_EQUAL(page->next, 10000);
        lnkeep_payment_page_free(page);
    }
    list(query);
    IS_LISTED(10001);
    CHECK_EQUAL(listed.pages, 2);
    end();
}

/* Large payments end a page before its limit. */
static void a_page_is_bounded_in_bytes(void) {
    begin();
    static uint8_t room[65535];
    uint64_t count = h_rounds(600, 300);
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_init init = init_of(0, AMOUNT);
    init.payment_request = h_bytes(room, sizeof room);
    for (uint64_t number = 1; number <= count; number++) {
        memcpy(init.payment_hash, hash_of(number).bytes, 32);
        CHECK_DONE(lnkeep_payments_init(payments, &init, NULL, NULL, NULL));
    }
    list(query);
    CHECK_EQUAL(listed.len, count);
    CHECK(listed.pages > 1);
    for (uint64_t at = 0; at < listed.len; at++) CHECK_EQUAL(listed.sequences[at], at + 1);
    end();
}

static void counts_follow(void) {
    begin();
    lnkeep_payment_counts counts = counts_now();
    CHECK_EQUAL(counts.payments + counts.unfinished + counts.tombstones + counts.attempts, 0);
    CHECK_EQUAL(counts.idempotency_keys + counts.doomed, 0);
    make_each_status();
    lnkeep_payment_init init = init_of(30, AMOUNT);
    init.idempotency_key = h_text("k");
    CHECK_DONE(init_with(&init));
    for (int opens = 0; opens < 2; opens++) {
        counts = counts_now();
        CHECK_EQUAL(counts.payments, 8);
        CHECK_EQUAL(counts.unfinished, 6);
        CHECK_EQUAL(counts.tombstones, 1);
        CHECK_EQUAL(counts.attempts, 7);
        CHECK_EQUAL(counts.idempotency_keys, 1);
        CHECK_EQUAL(counts.doomed, 0);
        CHECK(counts.history_bytes > 0 && counts.history_bytes % 4096 == 0);
        reopen();
    }
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(fetch_follows_the_table),
        H_TEST(pages_join_without_a_gap),
        H_TEST(offsets_are_exclusive),
        H_TEST(one_page_says_where_to_go_on),
        H_TEST(statuses_select),
        H_TEST(dates_select),
        H_TEST(an_outline_leaves_the_attempts_out),
        H_TEST(a_page_has_whole_payments),
        H_TEST(a_page_may_be_empty_and_not_the_last),
        H_TEST(a_page_is_bounded_in_bytes),
        H_TEST(counts_follow),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Many threads on few payments: never more than the amount, no hash paid twice, every change told once. */

#include "payments.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define THREADS 8
#define PAYMENTS 10

static atomic_uint done, running;
static atomic_int stop;
static atomic_uint granted[PAYMENTS + 1], settled[PAYMENTS + 1];

static void start(pthread_t *threads, unsigned len, void *(*run)(void *)) {
    atomic_store(&running, 0);
    atomic_store(&stop, 0);
    for (uintptr_t i = 0; i < len; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
}

static void join(pthread_t *threads, unsigned len) {
    for (unsigned i = 0; i < len; i++) pthread_join(threads[i], NULL);
}

static void on_threads(unsigned len, void *(*run)(void *)) {
    pthread_t threads[THREADS];
    start(threads, len, run);
    join(threads, len);
}

/* The calls themselves, since what a fetch says right after may be another thread's work. */
static lnkeep_status register_now(uint64_t number, uint64_t id, uint64_t amount_msat, lnkeep_payment **view) {
    lnkeep_payment_attempt_request request = part_of(id, amount_msat, AMOUNT);
    hash hash = hash_of(number);
    return lnkeep_payments_register(payments, hash.bytes, &request, 0, view, NULL, NULL);
}

static lnkeep_status settle_now(uint64_t number, uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    hash hash = hash_of(number), preimage = preimage_of(number);
    return lnkeep_payments_settle(payments, hash.bytes, &key, preimage.bytes, 1, 0, NULL, NULL, NULL);
}

static lnkeep_status fail_now(uint64_t number, uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    hash hash = hash_of(number);
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_MESSAGE, "");
    return lnkeep_payments_fail_attempt(payments, hash.bytes, &key, &failure, h_text(""), 0, NULL, NULL,
                                        NULL);
}

static lnkeep_status init_now(uint64_t number) {
    lnkeep_payment_init init = init_of(number, AMOUNT);
    return lnkeep_payments_init(payments, &init, NULL, NULL, NULL);
}

/* Parts of 70: fourteen of them fit into 1,000, whoever registers them. */
static void *race_register(void *number) {
    uint64_t first = 1000 * ((uint64_t)(uintptr_t)number + 1);
    for (uint64_t id = first; id < first + 10; id++) {
        lnkeep_payment *view = NULL;
        lnkeep_status status = register_now(1, id, 70, &view);
        if (status == LNKEEP_DONE) {
            atomic_fetch_add(&done, 1);
            check_view(view);
            CHECK(view->in_flight * 70 + view->remaining_msat == AMOUNT);
            lnkeep_payment_free(view);
        } else {
            CHECK_STATUS(status, LNKEEP_VALUE_EXCEEDS);
            CHECK(view == NULL);
        }
    }
    return NULL;
}

static void registered_attempts_never_exceed_the_amount(void) {
    for (unsigned round = 0; round < h_rounds(20, 2); round++) {
        begin();
        atomic_store(&done, 0);
        CHECK_DONE(init_payment(1, AMOUNT));
        on_threads(THREADS, race_register);
        CHECK_EQUAL(atomic_load(&done), 14);
        lnkeep_payment *payment = fetch(1);
        if (payment) {
            CHECK_EQUAL(payment->attempts_len, 14);
            CHECK_EQUAL(payment->remaining_msat, 20);
            CHECK_EQUAL(payment->revision, 15);
        }
        lnkeep_payment_free(payment);
        end();
    }
}

/* Half of the threads by calls, the others by groups of two parts, all or none. */
static void *race_groups(void *number) {
    uint64_t thread = (uint64_t)(uintptr_t)number, first = 1000 * (thread + 1);
    hash hash = hash_of(1);
    if (thread % 2) return race_register(number);
    for (uint64_t id = first; id < first + 10; id += 2) {
        lnkeep_payment_attempt_request parts[2] = {part_of(id, 70, AMOUNT), part_of(id + 1, 70, AMOUNT)};
        lnkeep_outcome outcomes[2];
        lnkeep_op ops[2];
        memset(ops, 0, sizeof ops);
        for (int i = 0; i < 2; i++) {
            ops[i].kind = LNKEEP_OP_PAYMENT_REGISTER;
            ops[i].component = payments.bits;
            memcpy(ops[i].body.payment_register.payment_hash, hash.bytes, 32);
            ops[i].body.payment_register.attempt = &parts[i];
        }
        lnkeep_status status = lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL);
        if (status == LNKEEP_DONE) atomic_fetch_add(&done, 2);
        else CHECK(outcomes[0].status == LNKEEP_VALUE_EXCEEDS || outcomes[1].status == LNKEEP_VALUE_EXCEEDS);
    }
    return NULL;
}

static void groups_never_exceed_the_amount(void) {
    for (unsigned round = 0; round < h_rounds(20, 2); round++) {
        begin();
        atomic_store(&done, 0);
        CHECK_DONE(init_payment(1, AMOUNT));
        on_threads(THREADS, race_groups);
        lnkeep_payment *payment = fetch(1);
        if (payment) {
            CHECK_EQUAL(payment->attempts_len, atomic_load(&done));
            CHECK(payment->attempts_len >= 13 && payment->attempts_len <= 14);
        }
        lnkeep_payment_free(payment);
        end();
    }
}

/* Everybody initiates, registers the whole amount, and settles or fails, on ten hashes. */
static void *race_everything(void *number) {
    uint64_t thread = (uint64_t)(uintptr_t)number, id = 1000000 * (thread + 1);
    for (unsigned round = 0; round < h_rounds(40, 4); round++) {
        for (uint64_t payment = 1; payment <= PAYMENTS; payment++) {
            lnkeep_status status = init_now(payment);
            int is_known = status == LNKEEP_ALREADY_EXISTS || status == LNKEEP_PAYMENT_IN_FLIGHT ||
                           status == LNKEEP_ALREADY_PAID;
            CHECK(status == LNKEEP_DONE || is_known);
            if (status == LNKEEP_DONE) atomic_fetch_add(&granted[payment], 1);
            status = register_now(payment, ++id, AMOUNT, NULL);
            if (status != LNKEEP_DONE) {
                CHECK(status == LNKEEP_VALUE_EXCEEDS || status == LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
                continue;
            }
            /* Whoever may send is alone until it ends. */
            if ((id + payment) % 3) {
                CHECK_DONE(fail_now(payment, id));
            } else if (CHECK_DONE(settle_now(payment, id))) {
                atomic_fetch_add(&settled[payment], 1);
            }
        }
    }
    return NULL;
}

static void no_hash_is_paid_twice(void) {
    begin();
    for (uint64_t number = 1; number <= PAYMENTS; number++) {
        atomic_store(&granted[number], 0);
        atomic_store(&settled[number], 0);
    }
    on_threads(THREADS, race_everything);
    unsigned paid = 0;
    for (uint64_t number = 1; number <= PAYMENTS; number++) {
        lnkeep_payment *payment = fetch(number);
        CHECK_EQUAL(atomic_load(&granted[number]), 1);
        CHECK(atomic_load(&settled[number]) <= 1);
        if (payment && atomic_load(&settled[number])) CHECK_EQUAL(payment->remaining_msat, 0);
        lnkeep_payment_free(payment);
        paid += atomic_load(&settled[number]);
    }
    CHECK(paid > 0);
    end();
}

/* One settles, one fails, one forces: one result stands, and a settle at the end of all. */
static uint64_t contested;

static void *race_results(void *number) {
    lnkeep_payment_failure failure = failure_of(LNKEEP_ATTEMPT_FAILURE_UNKNOWN, "");
    for (uint64_t payment = 1; payment <= contested; payment++) {
        lnkeep_attempt_key key = h_key(payment);
        hash hash = hash_of(payment);
        lnkeep_status status;
        switch ((uintptr_t)number % 4) {
        case 0:
            status = settle_now(payment, payment);
            CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY);
            break;
        case 1:
            status = fail_now(payment, payment);
            CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY ||
                  lnkeep_status_class(status) == LNKEEP_CLASS_REFUSED);
            break;
        case 2:
            status = lnkeep_payments_fail(payments, hash.bytes, 1, NULL, NULL, NULL);
            CHECK(status == LNKEEP_DONE || status == LNKEEP_ALREADY ||
                  status == LNKEEP_PAYMENT_ALREADY_SUCCEEDED);
            break;
        default:
            status = lnkeep_payments_fail_attempt(payments, hash.bytes, &key, &failure, h_text("n"),
                                                  LNKEEP_FAIL_FORCED, NULL, NULL, NULL);
            CHECK(status == LNKEEP_DONE || lnkeep_status_class(status) <= LNKEEP_CLASS_REFUSED);
        }
    }
    return NULL;
}

static void a_settle_wins_in_every_order(void) {
    begin();
    contested = h_rounds(60, 6);
    for (uint64_t number = 1; number <= contested; number++) {
        CHECK_DONE(init_payment(number, AMOUNT));
        CHECK_DONE(register_whole(number, number, AMOUNT, number % 2 ? LNKEEP_REGISTER_WITH_RECORD : 0));
    }
    on_threads(THREADS, race_results);
    for (uint64_t number = 1; number <= contested; number++) {
        CHECK_EQUAL(status_of(number), LNKEEP_PAYMENT_STATUS_SUCCEEDED);
        if (number % 2) CHECK_EQUAL(h_state(attempts, number), LNKEEP_STATE_SETTLED);
    }
    end();
}

/* Changes one payment for as long as somebody looks. */
static void *change_all_the_time(void *unused) {
    hash hash = hash_of(1);
    for (uint32_t i = 0; !atomic_load(&stop); i++) {
        CHECK_DONE(lnkeep_payments_fail(payments, hash.bytes, 1 + i % 6, NULL, NULL, NULL));
    }
    return unused;
}

/* Subscribes in the middle of the changes: the views begin somewhere and then rise by one. */
static void *follow(void *unused) {
    hash hash = hash_of(1);
    for (unsigned round = 0; round < h_rounds(150, 8); round++) {
        uint64_t subscription = 0, revision = 0;
        int is_all = round % 2;
        const uint8_t *one = is_all ? NULL : hash.bytes;
        if (!CHECK_DONE(lnkeep_payments_subscribe(payments, one, &subscription, NULL))) break;
        for (unsigned views = 0; views < 4;) {
            lnkeep_payment *view = NULL;
            uint32_t state = 99;
            uint64_t missed = 0;
            CHECK_DONE(lnkeep_payments_next(payments, subscription, &state, &view, &missed, NULL));
            if (state == LNKEEP_NEXT_WAITING) {
                h_sleep_ms(1);
                continue;
            }
            /* A follower that was held up for long has its gap told. */
            if (state == LNKEEP_NEXT_MISSED) {
                if (revision) revision += missed;
                continue;
            }
            if (!CHECK_EQUAL(state, LNKEEP_NEXT_PAYMENT)) break;
            if (revision) CHECK_EQUAL(view->revision, revision + 1);
            revision = view->revision;
            lnkeep_payment_free(view);
            views++;
        }
        CHECK_DONE(lnkeep_payments_unsubscribe(payments, subscription, NULL));
    }
    return unused;
}

static void every_change_is_told_once_to_each(void) {
    begin();
    pthread_t changers[2], followers[4];
    CHECK_DONE(init_payment(1, AMOUNT));
    CHECK_DONE(register_whole(1, 1, AMOUNT, 0));
    start(changers, 2, change_all_the_time);
    for (int i = 0; i < 4; i++) CHECK_EQUAL(pthread_create(&followers[i], NULL, follow, NULL), 0);
    join(followers, 4);
    atomic_store(&stop, 1);
    join(changers, 2);
    end();
}

/* Calls until the handle is gone; every answer must be one that the header names for it. */
static int is_gone(lnkeep_status status) { return status == LNKEEP_CLOSED || status == LNKEEP_BAD_HANDLE; }

static void *call_until_closed(void *number) {
    uint64_t payment = 1 + (uint64_t)(uintptr_t)number * 1000000;
    lnkeep_payments mine = payments;
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.limit = 5;
    atomic_fetch_add(&running, 1);
    for (;; payment++) {
        lnkeep_payment_init init = init_of(payment, AMOUNT);
        lnkeep_payment_attempt_request request = request_of(payment, AMOUNT, 1);
        lnkeep_payment *view = NULL;
        lnkeep_payment_page *page = NULL;
        uint64_t subscription;
        hash hash = hash_of(payment);
        lnkeep_status status = lnkeep_payments_init(mine, &init, &view, NULL, NULL);
        if (is_gone(status) || !CHECK_DONE(status)) break;
        lnkeep_payment_free(view);
        status = lnkeep_payments_subscribe(mine, hash.bytes, &subscription, NULL);
        if (is_gone(status) || !CHECK_DONE(status)) break;
        status = lnkeep_payments_register(mine, hash.bytes, &request, LNKEEP_REGISTER_WITH_RECORD, NULL, NULL,
                                          NULL);
        if (is_gone(status) || !CHECK_DONE(status)) break;
        status = lnkeep_payments_list(mine, &query, &page, NULL);
        if (is_gone(status) || !CHECK_DONE(status)) break;
        lnkeep_payment_page_free(page);
        status = lnkeep_payments_unsubscribe(mine, subscription, NULL);
        if (is_gone(status) || !CHECK_DONE(status)) break;
    }
    return (void *)(uintptr_t)payment;
}

static void payments_close_under_running_calls(void) {
    for (unsigned round = 0; round < h_rounds(20, 3); round++) {
        pthread_t threads[THREADS];
        begin();
        start(threads, THREADS, call_until_closed);
        while (atomic_load(&running) < THREADS) h_sleep_ms(1);
        h_sleep_ms(round % 7);
        lnkeep_payments copy = payments;
        h_close_payments(&copy);
        join(threads, THREADS);
        CHECK_EQUAL(lnkeep_payments_is_open(payments), 0);
        h_close_attempts(&attempts);
        h_close(&store);
    }
}

/* What was answered DONE before the store closed is there after it. */
static void what_was_acknowledged_survives_the_close(void) {
    for (unsigned round = 0; round < h_rounds(10, 2); round++) {
        pthread_t threads[THREADS];
        void *reached[THREADS];
        begin();
        start(threads, THREADS, call_until_closed);
        while (atomic_load(&running) < THREADS) h_sleep_ms(1);
        h_sleep_ms(h_rounds(20, 100));
        lnkeep_store copy = store;
        h_close(&copy);
        for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], &reached[i]);
        h_close_payments(&payments);
        h_close_attempts(&attempts);
        open_with(NULL, NULL);
        for (uint64_t thread = 0; thread < THREADS; thread++) {
            uint64_t refused = (uint64_t)(uintptr_t)reached[thread];
            for (uint64_t number = 1 + thread * 1000000; number < refused; number++) {
                if (!CHECK_EQUAL(status_of(number), LNKEEP_PAYMENT_STATUS_IN_FLIGHT)) break;
                if (!CHECK_EQUAL(h_state(attempts, number), LNKEEP_STATE_INTENT)) break;
            }
        }
        end();
    }
}

static void *open_and_close(void *unused) {
    lnkeep_payments stale = LNKEEP_PAYMENTS_NONE;
    for (unsigned round = 0; round < h_rounds(200, 15); round++) {
        lnkeep_payments mine = h_payments(store);
        lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
        CHECK_EQUAL(lnkeep_payments_is_open(stale), 0);
        CHECK_STATUS(lnkeep_payments_counts(stale, &counts, NULL), LNKEEP_BAD_HANDLE);
        CHECK_DONE(lnkeep_payments_counts(mine, &counts, NULL));
        stale = mine;
        h_close_payments(&mine);
    }
    return unused;
}

static void handles_come_and_go(void) {
    begin();
    on_threads(THREADS, open_and_close);
    end();
}

/* Deletions and sweeps beside senders: nothing in flight is lost. */
static void *delete_all_the_time(void *unused) {
    while (!atomic_load(&stop)) {
        uint64_t handled = 0;
        CHECK_DONE(lnkeep_payments_delete_many(payments, NULL, 0, &handled, NULL, NULL, NULL));
        CHECK_DONE(lnkeep_payments_sweep(payments, &handled, NULL));
    }
    return unused;
}

static void *pay_beside(void *number) {
    uint64_t first = 1 + (uint64_t)(uintptr_t)number * 1000000;
    for (uint64_t payment = first; payment < first + h_rounds(60, 8); payment++) {
        CHECK_DONE(init_now(payment));
        CHECK_DONE(register_now(payment, payment, AMOUNT, NULL));
        CHECK_DONE(settle_now(payment, payment));
        CHECK_STATUS(init_now(payment), LNKEEP_ALREADY_PAID);
    }
    return NULL;
}

static void history_goes_beside_senders(void) {
    begin();
    pthread_t cleaner, senders[4];
    start(&cleaner, 1, delete_all_the_time);
    for (uintptr_t i = 0; i < 4; i++) {
        CHECK_EQUAL(pthread_create(&senders[i], NULL, pay_beside, (void *)i), 0);
    }
    join(senders, 4);
    atomic_store(&stop, 1);
    join(&cleaner, 1);
    CHECK_DONE(lnkeep_payments_delete_many(payments, NULL, 0, NULL, NULL, NULL, NULL));
    CHECK_EQUAL(counts_now().tombstones, 4 * h_rounds(60, 8) - counts_now().payments);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(registered_attempts_never_exceed_the_amount),
        H_TEST(groups_never_exceed_the_amount),
        H_TEST(no_hash_is_paid_twice),
        H_TEST(a_settle_wins_in_every_order),
        H_TEST(every_change_is_told_once_to_each),
        H_TEST(payments_close_under_running_calls),
        H_TEST(what_was_acknowledged_survives_the_close),
        H_TEST(handles_come_and_go),
        H_TEST(history_goes_beside_senders),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

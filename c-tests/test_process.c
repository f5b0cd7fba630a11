/* What other processes, signals and a full disk do to a store. */

#define _GNU_SOURCE
#include "harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lnkeep_store store;
static lnkeep_attempts attempts;

static uint32_t open_and_report(const char *directory) {
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_open(directory, NULL, &store, &report, &err);
    if (!CHECK_DONE(status)) fprintf(stderr, "%s\n", err.message);
    attempts = h_attempts(store);
    return report.flags;
}

static void end(void) {
    h_close_attempts(&attempts);
    h_close(&store);
}

static uint64_t noted(const char *directory);

/* Registers ids and settles the even ones until it is killed, noting each acknowledged id outside the store. */
static int child_writes_for_ever(const char *directory) {
    int notes = open(h_path(directory, "notes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    open_and_report(directory);
    for (uint64_t id = noted(directory) + 1;; id++) {
        lnkeep_status status = h_init(attempts, id);
        if (lnkeep_status_class(status) > LNKEEP_CLASS_ALREADY) return 1;
        if (id % 2 == 0) status = h_store(attempts, id, h_settle(1));
        if (lnkeep_status_class(status) > LNKEEP_CLASS_ALREADY) return 2;
        if (write(notes, &id, sizeof id) != (ssize_t)sizeof id) return 3;
    }
}

static uint64_t noted(const char *directory) {
    uint8_t *bytes;
    size_t len;
    uint64_t last = 0;
    if (!h_read_file(h_path(directory, "notes"), &bytes, &len)) return 0;
    if (len >= sizeof last) memcpy(&last, bytes + len / sizeof last * sizeof last - sizeof last, sizeof last);
    free(bytes);
    return last;
}

static void check_acknowledged(uint64_t last) {
    for (uint64_t id = 1; id <= last; id++) {
        if (!CHECK_EQUAL(h_state(attempts, id), id % 2 ? LNKEEP_STATE_INTENT : LNKEEP_STATE_SETTLED)) break;
        if (!CHECK_STATUS(h_init(attempts, id), LNKEEP_ALREADY_EXISTS)) break;
    }
}

static void what_was_acknowledged_survives_sigkill(void) {
    const char *directory = h_directory();
    uint64_t before = 0;
    for (unsigned round = 0; round < h_rounds(12, 4); round++) {
        pid_t child = h_spawn("child_writes_for_ever", directory);
        /* Until it has written something new, then a little longer, another while each time. */
        for (unsigned waited = 0; noted(directory) <= before && waited < 10000; waited++) h_sleep_ms(1);
        h_sleep_ms(round * 3);
        lnkeep_store second;
        CHECK_STATUS(lnkeep_store_open(directory, NULL, &second, NULL, NULL), LNKEEP_LOCKED);
        kill(child, SIGKILL);
        CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
        uint64_t last = noted(directory);
        CHECK(last > before);
        CHECK(open_and_report(directory) & LNKEEP_REPORT_UNCLEAN);
        check_acknowledged(last);
        before = last;
        end();
        CHECK(!(open_and_report(directory) & LNKEEP_REPORT_UNCLEAN));
        end();
    }
}

static int child_exits_without_closing(const char *directory) {
    open_and_report(directory);
    return h_init(attempts, 1) == LNKEEP_DONE ? 0 : 1;
}

static void an_exit_without_a_close_is_unclean(void) {
    const char *directory = h_directory();
    CHECK_EQUAL(h_run_child("child_exits_without_closing", directory), 0);
    CHECK(open_and_report(directory) & LNKEEP_REPORT_UNCLEAN);
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_INTENT);
    end();
}

/* The intent of a killed dispatcher that never handed its HTLC off is failed, and its client can be told. */
static void recovery_follows_a_kill(void) {
    const char *directory = h_directory();
    CHECK_EQUAL(h_run_child("child_exits_without_closing", directory), 0);
    lnkeep_recovery *recovery = NULL;
    open_and_report(directory);
    if (CHECK_DONE(lnkeep_attempts_recover(attempts, NULL, NULL, 0, 0, &recovery, NULL))) {
        CHECK_EQUAL(recovery->failed_len, 1);
        CHECK_EQUAL(recovery->failed[0], 1);
        lnkeep_recovery_free(recovery);
    }
    CHECK_EQUAL(h_state(attempts, 1), LNKEEP_STATE_FAILED);
    end();
}

/* Signals are the host's: no handler is installed, and the library's threads take none of them. */
static volatile sig_atomic_t handled_by_main;
static pthread_t main_thread;

static void note_signal(int signal) {
    (void)signal;
    handled_by_main = pthread_equal(pthread_self(), main_thread) ? 1 : 2;
}

static void signals_stay_the_hosts(void) {
    struct sigaction before[32], now, ours;
    sigset_t mask_before, mask_now;
    for (int signal = 1; signal < 32; signal++) sigaction(signal, NULL, &before[signal]);
    pthread_sigmask(SIG_SETMASK, NULL, &mask_before);
    open_and_report(h_directory());
    CHECK_DONE(h_init(attempts, 1));
    for (int signal = 1; signal < 32; signal++) {
        sigaction(signal, NULL, &now);
        if (!CHECK(now.sa_handler == before[signal].sa_handler)) fprintf(stderr, "signal %d\n", signal);
    }
    pthread_sigmask(SIG_SETMASK, NULL, &mask_now);
    for (int signal = 1; signal < 32; signal++) {
        CHECK_EQUAL(sigismember(&mask_now, signal), sigismember(&mask_before, signal));
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_handler = note_signal;
    sigaction(SIGUSR1, &ours, NULL);
    main_thread = pthread_self();
    for (int round = 0; round < 20; round++) {
        handled_by_main = 0;
        kill(getpid(), SIGUSR1);
        while (!handled_by_main) h_sleep_ms(1);
        CHECK_EQUAL(handled_by_main, 1);
    }
    sigaction(SIGUSR1, &before[SIGUSR1], NULL);
    end();
}

static lnkeep_op init_op(uint64_t id) {
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_ATTEMPT_INIT;
    op.component = attempts.bits;
    op.body.attempt_init = h_request(id);
    return op;
}

static uint32_t stats_flags(void) {
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    return stats.flags;
}

static void check_full(uint64_t refused) {
    CHECK_STATUS(h_init(attempts, refused), LNKEEP_NO_SPACE);
    CHECK_STATUS(h_state(attempts, refused), LNKEEP_NOT_FOUND);
    CHECK(stats_flags() & LNKEEP_STATS_NO_SPACE);
    /* The HTLCs that are out may end, whatever the disk says. */
    for (uint64_t id = 1; id <= 200; id++) {
        lnkeep_attempt_key key = h_key(id);
        lnkeep_outcome outcome;
        if (!CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL))) return;
        if (!CHECK_DONE(h_store(attempts, id, h_settle(1)))) return;
        if (id % 2) CHECK_DONE(lnkeep_attempts_delete(attempts, &key, 1, 0, &outcome, NULL));
    }
    CHECK_STATUS(h_init(attempts, refused), LNKEEP_NO_SPACE);
}

static void a_full_disk_takes_results_and_heals(void) {
    const char *mounted = h_mount_small("a_full_disk_takes_results_and_heals", 40);
    if (!mounted) return;
    const char *directory = h_path(mounted, "store");
    CHECK(open_and_report(directory) & LNKEEP_REPORT_TMPFS);
    CHECK_DONE(h_init(attempts, 1));
    const char *filler = h_fill_disk(mounted, 0);
    uint64_t refused = h_init_until_full(store, attempts, 2);
    CHECK(refused > 1000);
    check_full(refused);
    /* Nothing was poisoned, and what was acknowledged on the full disk survives a restart on it. */
    end();
    open_and_report(directory);
    CHECK_EQUAL(h_state(attempts, 200), LNKEEP_STATE_SETTLED);
    CHECK_EQUAL(h_state(attempts, refused - 1), LNKEEP_STATE_INTENT);
    CHECK_STATUS(h_init(attempts, refused), LNKEEP_NO_SPACE);
    CHECK_DONE(h_store(attempts, 201, h_fail("")));
    CHECK_EQUAL(unlink(filler), 0);
    CHECK_DONE(h_init(attempts, refused));
    CHECK(!(stats_flags() & LNKEEP_STATS_NO_SPACE));
    end();
    h_unmount(mounted);
}

static int child_opens(const char *directory) {
    lnkeep_status status = lnkeep_store_open(directory, NULL, &store, NULL, NULL);
    if (status == LNKEEP_DONE) h_close(&store);
    return status == LNKEEP_DONE || status == LNKEEP_NO_SPACE ? 0 : 1;
}

/* In a child, because a page of a mapped file that the disk has no room for is a SIGBUS. */
static void a_store_is_not_created_on_a_full_disk(void) {
    const char *mounted = h_mount_small("a_store_is_not_created_on_a_full_disk", 40);
    if (!mounted) return;
    const char *directory = h_path(mounted, "store");
    static const uint64_t left[] = {0, 4096, 8192, 16384, 65536, 262144, 1048576};
    for (size_t i = 0; i < H_COUNT(left); i++) {
        const char *filler = h_fill_disk(mounted, left[i]);
        if (!CHECK_EQUAL(h_run_child("child_opens", directory), 0)) {
            fprintf(stderr, "with %llu bytes free\n", (unsigned long long)left[i]);
        }
        CHECK_EQUAL(unlink(filler), 0);
        open_and_report(directory);
        CHECK_DONE(h_init(attempts, 1));
        end();
        h_remove(directory);
    }
    h_unmount(mounted);
}

#define READERS 200

static volatile sig_atomic_t reading_ends;

/* Holds a thread wherever it is, as a busy machine would. */
static void hold(int signal) {
    (void)signal;
    h_sleep_ms(400);
}

/* Visits every row and finds none. */
static void *read_slowly(void *unused) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    query.states = 1u << LNKEEP_STATE_SETTLED;
    while (!reading_ends) {
        lnkeep_attempt_page *page = NULL;
        lnkeep_status status = lnkeep_attempts_list(attempts, &query, &page, NULL);
        if (status != LNKEEP_BUSY) CHECK_DONE(status);
        lnkeep_attempt_page_free(page);
    }
    return unused;
}

/* Each read that is under way needs a slot in a mapped file: a full disk must not be a SIGBUS. */
static int child_reads_on_a_full_disk(const char *mounted) {
    pthread_t threads[READERS];
    static lnkeep_op ops[100];
    static lnkeep_outcome outcomes[100];
    open_and_report(h_path(mounted, "store"));
    for (uint64_t from = 0; from < 9000; from += 100) {
        for (uint64_t i = 0; i < 100; i++) ops[i] = init_op(from + i);
        CHECK_DONE(lnkeep_submit(store, ops, 100, 0, outcomes, NULL));
    }
    h_fill_disk(mounted, 0);
    signal(SIGUSR1, hold);
    for (int i = 0; i < READERS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, read_slowly, NULL), 0);
        h_sleep_ms(1);
        pthread_kill(threads[i], SIGUSR1);
    }
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    /* Longer apart than a thread is held, or it would never get from where it is held into a read. */
    for (int tries = 0; tries < 30 && stats.readers <= 100; tries++) {
        h_sleep_ms(600);
        for (int i = 0; i < READERS; i++) pthread_kill(threads[i], SIGUSR1);
        CHECK_DONE(lnkeep_store_stats(store, &stats, NULL));
    }
    reading_ends = 1;
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    /* Otherwise this showed nothing; valgrind runs one thread at a time, so that reads seldom overlap. */
    if (!h_is_valgrind()) CHECK(stats.readers > 100);
    end();
    return 0;
}

static void readers_need_no_disk(void) {
    const char *mounted = h_mount_small("readers_need_no_disk", 40);
    if (!mounted) return;
    CHECK_EQUAL(h_run_child("child_reads_on_a_full_disk", mounted), 0);
    h_unmount(mounted);
}

int main(int argc, char **argv) {
    static const h_child children[] = {
        {"child_writes_for_ever", child_writes_for_ever},
        {"child_exits_without_closing", child_exits_without_closing},
        {"child_opens", child_opens},
        {"child_reads_on_a_full_disk", child_reads_on_a_full_disk},
    };
    static const h_test tests[] = {
        H_TEST(what_was_acknowledged_survives_sigkill),
        H_TEST(an_exit_without_a_close_is_unclean),
        H_TEST(recovery_follows_a_kill),
        H_TEST(signals_stay_the_hosts),
        H_TEST(a_full_disk_takes_results_and_heals),
        H_TEST(a_store_is_not_created_on_a_full_disk),
        H_TEST(readers_need_no_disk),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

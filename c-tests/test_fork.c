/* A forked child shares the parent's memory and none of its rights: it is turned away, and harms nobody. */

#define _GNU_SOURCE
#include "calls.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child tells its failures by a pipe, since what it prints and its exit status belong to valgrind too. */
typedef struct report {
    uint32_t calls;
    uint32_t failures;
} report;

static report read_report(int from) {
    report told = {0, 1};
    CHECK(read(from, &told, sizeof told) == (ssize_t)sizeof told);
    close(from);
    return told;
}

static report call_everything(void) {
    report told = {0, 0};
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        fill_arguments();
        world.err = &err;
        lnkeep_status status = CALLS[i].call();
        told.calls++;
        if (status != LNKEEP_FORKED || err.status != LNKEEP_FORKED) {
            fprintf(stderr, "%s in a forked child: %s\n", CALLS[i].name, lnkeep_status_name(status));
            told.failures++;
        }
    }
    if (lnkeep_store_is_open(world.store) || lnkeep_attempts_is_open(world.attempts) ||
        lnkeep_events_is_open(world.events) || lnkeep_payments_is_open(world.payments) ||
        lnkeep_monitors_is_open(world.monitors) || lnkeep_resources_is_open(world.resources) ||
        lnkeep_peer_storage_is_open(world.peer_storage) || lnkeep_backup_is_open(world.backup) ||
        lnkeep_recovery_is_open(world.recovery)) {
        told.failures++;
    }
    /* What says nothing about a store works. */
    if (lnkeep_status_class(LNKEEP_FORKED) != LNKEEP_CLASS_FATAL || lnkeep_abi_version() != LNKEEP_ABI_VERSION ||
        strcmp(lnkeep_status_name(LNKEEP_DONE), "DONE") != 0 || !lnkeep_version()) {
        told.failures++;
    }
    return told;
}

static void a_child_is_turned_away_from_everything(void) {
    make_world();
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        report told = call_everything();
        _exit(write(ends[1], &told, sizeof told) == (ssize_t)sizeof told ? 0 : 1);
    }
    close(ends[1]);
    report told = read_report(ends[0]);
    CHECK_EQUAL(told.calls, H_COUNT(CALLS));
    CHECK_EQUAL(told.failures, 0);
    h_wait(child);
    /* The parent goes on. */
    CHECK_DONE(h_init(world.attempts, 2));
    CHECK_EQUAL(h_state(world.attempts, 1), LNKEEP_STATE_INTENT);
    CHECK_DONE(lnkeep_store_sync(world.store, NULL));
    end_world();
}

/* exit() runs what the host and the C library registered, the library's threads not being there. */
static void a_child_may_exit(void) {
    make_world();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) exit(0);
    int answer = h_wait(child);
    /* Valgrind counts the memory of threads that the child does not have. */
    CHECK(answer == 0 || (h_is_valgrind() && answer == 99));
    for (uint64_t id = 2; id < 20; id++) CHECK_DONE(h_init(world.attempts, id));
    const char *directory = world.directory;
    end_world();
    lnkeep_store store = h_open(directory);
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_EQUAL(h_state(attempts, 19), LNKEEP_STATE_INTENT);
    h_close_attempts(&attempts);
    h_close(&store);
}

static void a_child_may_run_another_program(void) {
    make_world();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        execlp("true", "true", (char *)NULL);
        _exit(127);
    }
    CHECK_EQUAL(h_wait(child), 0);
    CHECK_DONE(h_init(world.attempts, 2));
    end_world();
}

static pid_t idle_child(void) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        for (;;) pause();
    }
    return child;
}

static void end_child(pid_t child) {
    kill(child, SIGKILL);
    h_wait(child);
}

/* Hosts start helpers without exec. One that lives on must not keep the parent out of its own store. */
static void a_living_child_does_not_keep_the_lock(void) {
    make_world();
    const char *directory = world.directory;
    pid_t child = idle_child();
    end_world();
    lnkeep_store store = LNKEEP_STORE_NONE;
    if (CHECK_DONE(lnkeep_store_open(directory, NULL, &store, NULL, NULL))) h_close(&store);
    end_child(child);
}

static void a_child_does_not_take_the_lock_away(void) {
    make_world();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        lnkeep_store copy = world.store;
        /* Refused, so it must close nothing; then every inherited descriptor goes. */
        int refused = lnkeep_store_close(&copy, NULL) == LNKEEP_FORKED;
        for (int descriptor = 3; descriptor < 256; descriptor++) close(descriptor);
        _exit(refused ? 0 : 1);
    }
    int answer = h_wait(child);
    CHECK(answer == 0 || (h_is_valgrind() && answer == 99));
    lnkeep_store second;
    CHECK_STATUS(lnkeep_store_open(world.directory, NULL, &second, NULL, NULL), LNKEEP_LOCKED);
    CHECK_DONE(h_init(world.attempts, 2));
    end_world();
}

/* A grandchild is a child too. */
static void a_grandchild_is_turned_away(void) {
    make_world();
    int ends[2];
    CHECK_EQUAL(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            report told = call_everything();
            _exit(write(ends[1], &told, sizeof told) == (ssize_t)sizeof told ? 0 : 1);
        }
        waitpid(grandchild, NULL, 0);
        _exit(0);
    }
    close(ends[1]);
    CHECK_EQUAL(read_report(ends[0]).failures, 0);
    h_wait(child);
    end_world();
}

/* A process that forks before it ever used the library is an ordinary one, and may. */
static int child_forks_first(const char *directory) {
    pid_t child = fork();
    if (child == 0) {
        lnkeep_store store = h_open(directory);
        lnkeep_attempts attempts = h_attempts(store);
        lnkeep_status status = h_init(attempts, 1);
        h_close_attempts(&attempts);
        h_close(&store);
        _exit(status == LNKEEP_DONE ? 0 : 1);
    }
    if (h_wait(child) != 0) return 1;
    lnkeep_store store = h_open(directory);
    lnkeep_attempts attempts = h_attempts(store);
    int state = h_state(attempts, 1);
    h_close_attempts(&attempts);
    h_close(&store);
    return state == LNKEEP_STATE_INTENT ? 0 : 2;
}

static void forking_before_the_first_call_is_allowed(void) {
    CHECK_EQUAL(h_run_child("child_forks_first", h_directory()), 0);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_forks_first", child_forks_first}};
    static const h_test tests[] = {
        H_TEST(a_child_is_turned_away_from_everything),
        H_TEST(a_child_may_exit),
        H_TEST(a_child_may_run_another_program),
        H_TEST(a_living_child_does_not_keep_the_lock),
        H_TEST(a_child_does_not_take_the_lock_away),
        H_TEST(a_grandchild_is_turned_away),
        H_TEST(forking_before_the_first_call_is_allowed),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

/*
 * Round after round: lets the two talk for a moment, then kills one of them, or breaks the
 * connection, or takes the consumer's directory away.
 */
#define _XOPEN_SOURCE 700
#include "peers_run.h"

#include "channels.h"
#include "clock.h"
#include "outcome.h"
#include "peers_table.h"
#include "place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ROUND_MS_MIN = 2,
    ROUND_MS_MAX = 75,
    LOOK_SECS_MAX = 5,        /* the longest wait for it */
    SETTLE_SECS_MAX = 30,     /* without a break, the newest data comes back within this time */
    SETTLE_SECS_BROKEN_MAX = 1,
    SETTLE_DROP_MS = 150,     /* it comes back on a new connection only; then twice as long */
    END_SECS_MAX = 30,
};

volatile sig_atomic_t peers_interrupted;

/* fork and exec at once: a child of fork alone must not use what its parent has open. */
static bool start(struct peers_run *run, struct peers_process *process, const char *role)
{
    int ends[2];
    if (!channel_pair(ends)) {
        perror("socketpair");
        return false;
    }
    process->pid = fork();
    if (process->pid == 0) {
        char control[16];
        snprintf(control, sizeof control, "%d", ends[1]);
        char *arguments[] = {(char *)run->options.program, (char *)role, control,
                             (char *)peers_mistake_name(run->options.mistake), NULL};
        if (run->options.mistake == PEERS_SOUND || freopen("/dev/null", "w", stderr) != NULL) {
            execv(run->options.program, arguments);
        }
        _exit(EXIT_COULD_NOT_RUN);
    }
    close(ends[1]);
    process->control_fd = ends[0];
    if (process->pid < 0) {
        perror("fork");
        process->pid = 0;
        close(ends[0]);
        return false;
    }
    return true;
}

static bool start_provider(struct peers_run *run)
{
    return start(run, &run->provider, "--provider");
}

static bool start_consumer(struct peers_run *run)
{
    struct peers_start first;
    memcpy(first.secret, run->judge.secret, sizeof first.secret);
    return start(run, &run->consumer, "--consumer") &&
           channel_send(run->consumer.control_fd, &first, sizeof first);
}

/* What the two said so far; also what a dead one said last. */
static void hear(void *argument)
{
    struct peers_run *run = argument;
    const struct peers_process *processes[] = {&run->provider, &run->consumer};
    for (size_t i = 0; i < 2; i++) {
        struct peers_report report;
        size_t len;
        while (processes[i]->pid != 0 &&
               channel_try_receive(processes[i]->control_fd, &report, sizeof report, &len) ==
                   CHANNEL_OK) {
            judge_report(&run->judge, &report);
        }
    }
}

/* Carries messages for a millisecond or less. */
static void carry(struct peers_run *run)
{
    struct pollfd fds[2];
    poll(fds, relay_poll(&run->relay, fds), 1);
    hear(run);
    if (relay_accept(&run->relay)) {
        hear(run);
        judge_connected(&run->judge);
    }
    relay_carry(&run->relay, &run->judge, hear, run);
    hear(run);
    peers_progress(run);
}

static void take_leave(struct peers_run *run, struct peers_process *process)
{
    hear(run);
    close(process->control_fd);
    process->pid = 0;
}

static void kill_process(struct peers_run *run, struct peers_process *process)
{
    int status;
    if (process->pid != 0) {
        kill(process->pid, SIGKILL);
        waitpid(process->pid, &status, 0);
        take_leave(run, process);
    }
}

/* A node that ended by itself could not run. */
static bool both_live(struct peers_run *run)
{
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) {
        return true;
    }
    struct peers_process *ended = pid == run->provider.pid ? &run->provider : &run->consumer;
    fprintf(stderr, "the %s ended by itself: %s %d\n",
            ended == &run->provider ? "provider" : "consumer",
            WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    take_leave(run, ended);
    return false;
}

/* All that is left of the consumer is its secret. */
static bool lose_directory(struct peers_run *run)
{
    if (!place_remove(PEERS_CONSUMER_DIRECTORY)) {
        return false;
    }
    judge_directory_lost(&run->judge);
    run->directories_lost++;
    return true;
}

static bool break_provider(struct peers_run *run)
{
    kill_process(run, &run->provider);
    judge_provider_died(&run->judge);
    run->provider_kills++;
    return start_provider(run);
}

static bool break_consumer(struct peers_run *run, bool loses_directory)
{
    kill_process(run, &run->consumer);
    run->consumer_kills++;
    return (!loses_directory || lose_directory(run)) && start_consumer(run);
}

/* Of 16 rounds, 7 kill the provider, 3 the consumer, 3 take its directory along, 3 only break the
 * connection. A directory is not lost before there is a copy. */
static bool break_something(struct peers_run *run)
{
    const uint64_t drawn = chance_below(&run->chance, 16);
    if (drawn < 7) {
        return break_provider(run);
    }
    if (drawn < 13) {
        return break_consumer(run, drawn < 10 && run->judge.durable != 0);
    }
    relay_drop(&run->relay);
    run->drops++;
    return true;
}

static bool go_on(struct peers_run *run)
{
    if (peers_interrupted) {
        fprintf(stderr, "interrupted\n");
        return false;
    }
    return !run->judge.cannot_judge && both_live(run);
}

static bool has_looked(const struct peers_run *run, uint64_t connections_before, uint64_t began_us)
{
    return (run->judge.connection.looked && run->judge.connections > connections_before) ||
           now_us() - began_us > 1000000 * (uint64_t)LOOK_SECS_MAX;
}

/* Every other round begins only when the consumer has looked at what came back on a new connection,
 * so that the breaks hit every stage also on a slow machine. */
static bool run_round(struct peers_run *run)
{
    const uint64_t began_us = now_us(), connections_before = run->judge.connections;
    const uint64_t spread_us = 1000 * (ROUND_MS_MAX - ROUND_MS_MIN);
    const uint64_t lasts_us = 1000 * ROUND_MS_MIN + chance_below(&run->chance, spread_us);
    const bool waits = chance_below(&run->chance, 2) == 0;
    uint64_t until_us = waits ? UINT64_MAX : began_us + lasts_us;
    while (now_us() < until_us) {
        carry(run);
        if (!go_on(run)) {
            return false;
        }
        if (until_us == UINT64_MAX && has_looked(run, connections_before, began_us)) {
            until_us = now_us() + lasts_us;
        }
    }
    run->rounds++;
    return true;
}

static bool run_rounds(struct peers_run *run)
{
    while (run->rounds < run->options.rounds) {
        if (!run_round(run) || !break_something(run)) {
            return false;
        }
    }
    return true;
}

/* The data does not change any more: the newest is sent, and comes back on the next connection. */
static bool settle(struct peers_run *run)
{
    const bool sound = run->options.mistake == PEERS_SOUND;
    const uint64_t began_us = now_us();
    const uint64_t most_us =
        1000000 * (uint64_t)(sound ? SETTLE_SECS_MAX : SETTLE_SECS_BROKEN_MAX);
    uint64_t dropped_us = began_us, drop_after_us = 1000 * SETTLE_DROP_MS;
    const uint8_t order = 0;
    if (!channel_send(run->consumer.control_fd, &order, sizeof order)) {
        return false;
    }
    while (!run->judge.has_settled) {
        carry(run);
        if (!go_on(run)) {
            return false;
        }
        const uint64_t now = now_us();
        if (now - dropped_us > drop_after_us) {
            relay_drop(&run->relay);
            run->drops++;
            dropped_us = now;
            drop_after_us *= 2;
        }
        if (now - began_us > most_us) {
            fprintf(stderr, "the newest data did not come back within %d seconds\n",
                    (int)(most_us / 1000000));
            return !sound;
        }
    }
    return true;
}

/* Lets it close by itself. */
static bool end(struct peers_run *run, struct peers_process *process, const char *role)
{
    const uint64_t began_us = now_us();
    int status = 0;
    shutdown(process->control_fd, SHUT_WR);
    while (waitpid(process->pid, &status, WNOHANG) == 0) {
        carry(run);
        if (peers_interrupted || now_us() - began_us > 1000000 * (uint64_t)END_SECS_MAX) {
            fprintf(stderr, "the %s does not end\n", role);
            return false;
        }
    }
    take_leave(run, process);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        fprintf(stderr, "the %s could not close its store\n", role);
        return false;
    }
    return true;
}

/* Both have closed: the parent may open the provider's store itself. */
static bool read_disk(struct peers_run *run)
{
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_peer_storage blobs = LNKEEP_PEER_STORAGE_NONE;
    lnkeep_peer_page *page = NULL;
    lnkeep_buf *blob = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool good = lnkeep_store_open(PEERS_PROVIDER_STORE, NULL, &store, NULL, &err) == LNKEEP_DONE &&
                lnkeep_peer_storage_open(store, NULL, &blobs, NULL, &err) == LNKEEP_DONE &&
                lnkeep_peer_storage_list(blobs, NULL, 0, &page, &err) == LNKEEP_DONE &&
                lnkeep_peer_storage_export(blobs, PEERS_CONSUMER_ID, &blob, &err) == LNKEEP_DONE;
    if (good) {
        const lnkeep_bytes bytes = {
            .ptr = blob == NULL ? NULL : blob->ptr,
            .len = blob == NULL ? 0 : blob->len,
        };
        judge_disk(&run->judge, bytes, page->peers_len == 0 ? 0 : page->peers[0].commits);
    } else {
        fprintf(stderr, "the provider's disk: %s\n", err.message);
    }
    lnkeep_buf_free(blob);
    lnkeep_peer_page_free(page);
    if (lnkeep_peer_storage_is_open(blobs)) {
        good = lnkeep_peer_storage_close(&blobs, &err) == LNKEEP_DONE && good;
    }
    return lnkeep_store_close(&store, &err) == LNKEEP_DONE && good;
}

bool peers_run(struct peers_run *run)
{
    if (!relay_open(&run->relay)) {
        perror(PEERS_WIRE_SOCKET);
        return false;
    }
    const bool ran = start_provider(run) && start_consumer(run) && run_rounds(run) &&
                     settle(run) && end(run, &run->consumer, "consumer") &&
                     end(run, &run->provider, "provider") && read_disk(run);
    kill_process(run, &run->consumer);
    kill_process(run, &run->provider);
    relay_close(&run->relay);
    run->ended_us = now_us();
    return ran;
}

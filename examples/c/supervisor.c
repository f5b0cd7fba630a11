/*
 * Life after life of the node: when each is killed, and what the parent does until then.
 */
#define _XOPEN_SOURCE 700
#include "supervisor.h"

#include "broken.h"
#include "channels.h"
#include "clock.h"
#include "inspect.h"
#include "outcome.h"
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    KILL_AFTER_MS_MIN = 5, /* after the node was ready */
    KILL_AFTER_MS_MAX = 90,
    KILL_STARTING_EVERY = 8,   /* one kill of so many hits the node while it opens and recovers */
    KILL_STARTING_MS_MAX = 10, /* after its start */
    KILL_REPORT_MS_MAX = 20,   /* longest wait for the acknowledgement to kill after */
    READY_SECS_MAX = 60,
    RESOLVE_SECS_MAX = 30,     /* without a kill every payment must have ended after so long */
    RESOLVE_SECS_BROKEN_MAX = 5, /* so must those of a node that may never get there */
    UNPLANNED_ENDS_MAX = 5,
};

volatile sig_atomic_t supervisor_interrupted;

/* When the node of one life is to die. */
enum kill_plan {
    KILL_NEVER,
    KILL_STARTING,     /* whatever it does at that moment */
    KILL_ANY_MOMENT,   /* the same, once it is ready */
    KILL_AFTER_REPORT, /* right after it acknowledged something: nothing acknowledged too early
                          has had time to become durable */
};

struct life {
    pid_t pid;
    int orders_fd, peer_fd, forwards_fd;
    enum kill_plan plan;
    uint64_t began_us, ready_us, kill_us; /* 0: not yet known */
    uint64_t commits, operations;
    bool acknowledged; /* something, since kill_us */
    bool ended;        /* closed its sockets */
    bool told_to_end;
    bool killed;
};

/* Becomes the node; returns only if that fails. */
static void exec_node(const struct run *run, int orders_fd, int peer_fd, int forwards_fd)
{
    char orders[16], peer[16], forwards[16], epoch[24];
    snprintf(orders, sizeof orders, "%d", orders_fd);
    snprintf(peer, sizeof peer, "%d", peer_fd);
    snprintf(forwards, sizeof forwards, "%d", forwards_fd);
    snprintf(epoch, sizeof epoch, "%" PRIu64, run->epoch);
    char *arguments[] = {
        (char *)run->options.program, "--node", (char *)run->options.directory, orders, peer,
        forwards, epoch, (char *)broken_name(run->options.broken), NULL,
    };
    if (run->options.broken != BROKEN_NOT && freopen("/dev/null", "w", stderr) == NULL) {
        return; /* else it would print every complaint of lnkeep about its mistake */
    }
    execv(run->options.program, arguments);
    fprintf(stderr, "%s: %s\n", run->options.program, strerror(errno));
}

/* fork and exec at once: a child of fork alone could not use a store that its parent has open. */
static bool start_node(struct run *run, struct life *life)
{
    int orders[2], peer[2], forwards[2];
    if (!channel_pair(orders) || !channel_pair(peer) || !channel_pair(forwards)) {
        perror("socketpair");
        return false;
    }
    life->pid = fork();
    if (life->pid == 0) {
        exec_node(run, orders[1], peer[1], forwards[1]);
        _exit(EXIT_COULD_NOT_RUN);
    }
    close(orders[1]);
    close(peer[1]);
    close(forwards[1]);
    life->orders_fd = orders[0];
    life->peer_fd = peer[0];
    life->forwards_fd = forwards[0];
    if (life->pid < 0) {
        perror("fork");
        return false;
    }
    life->began_us = now_us();
    run->lives++;
    network_reconnect(&run->network, life->peer_fd);
    neighbours_reconnect(&run->neighbours, life->forwards_fd);
    return true;
}

static void plan_kill(struct run *run, struct life *life)
{
    if (run->kills == run->options.kills) {
        life->plan = KILL_NEVER;
    } else if (run->kills % KILL_STARTING_EVERY == KILL_STARTING_EVERY - 1) {
        life->plan = KILL_STARTING;
        life->kill_us = now_us() + chance_below(&run->chance, 1000 * KILL_STARTING_MS_MAX);
    } else {
        life->plan = run->kills % 2 == 0 ? KILL_AFTER_REPORT : KILL_ANY_MOMENT;
    }
}

static void note_ready(struct run *run, struct life *life, uint64_t epoch)
{
    life->ready_us = now_us();
    run->epoch = epoch;
    if (life->plan == KILL_ANY_MOMENT || life->plan == KILL_AFTER_REPORT) {
        const uint64_t spread_us = 1000 * (KILL_AFTER_MS_MAX - KILL_AFTER_MS_MIN);
        life->kill_us = life->ready_us + 1000 * KILL_AFTER_MS_MIN +
                        chance_below(&run->chance, spread_us);
    }
}

static void note_report(struct run *run, struct life *life, const struct report *report)
{
    switch (report->kind) {
    case REPORT_READY:
        note_ready(run, life, report->a);
        break;
    case REPORT_STATS:
        life->commits = report->a;
        life->operations = report->b;
        break;
    default:
        client_note_report(&run->client, report);
        life->acknowledged |= life->kill_us != 0 && now_us() >= life->kill_us;
        break;
    }
}

static bool is_time_to_kill(const struct life *life)
{
    uint64_t now = now_us();
    if (life->plan == KILL_NEVER || life->kill_us == 0 || now < life->kill_us) {
        return false;
    }
    return life->plan != KILL_AFTER_REPORT || life->acknowledged ||
           now >= life->kill_us + 1000 * KILL_REPORT_MS_MAX;
}

static bool is_too_slow(const struct run *run, const struct life *life)
{
    const bool sound = run->options.broken == BROKEN_NOT;
    uint64_t now = now_us();
    uint64_t secs = (now - (life->ready_us == 0 ? life->began_us : life->ready_us)) / 1000000;
    if (life->ready_us == 0) {
        return secs > READY_SECS_MAX;
    }
    return life->plan == KILL_NEVER && secs > (sound ? RESOLVE_SECS_MAX : RESOLVE_SECS_BROKEN_MAX);
}

/* Kills the node if there is a reason to; only the planned kills are counted. */
static bool kill_if_due(struct run *run, struct life *life)
{
    bool planned = is_time_to_kill(life);
    if (!planned && !supervisor_interrupted && !is_too_slow(run, life)) {
        return false;
    }
    kill(life->pid, SIGKILL);
    run->kills += planned;
    run->kills_while_starting += planned && life->ready_us == 0;
    life->killed = true;
    return true;
}

/* Reads reports until none is left, or until the one comes after which the node is to die. */
static void take_reports(struct run *run, struct life *life, bool dead)
{
    struct report report;
    size_t len;
    while (dead || !is_time_to_kill(life)) {
        enum channel_state state =
            channel_try_receive(life->orders_fd, &report, sizeof report, &len);
        if (state != CHANNEL_OK) {
            life->ended |= state == CHANNEL_CLOSED;
            return;
        }
        note_report(run, life, &report);
    }
}

static void take_htlcs(struct run *run, struct life *life)
{
    static uint8_t message[WIRE_BYTES_MAX];
    size_t len;
    while (channel_try_receive(life->peer_fd, message, sizeof message, &len) == CHANNEL_OK) {
        network_take(&run->network, message, len);
    }
}

/* A durable answer counts as acknowledged. */
static void take_forwards(struct run *run, struct life *life, bool dead)
{
    struct forward_report report;
    size_t len;
    while (dead || !is_time_to_kill(life)) {
        if (channel_try_receive(life->forwards_fd, &report, sizeof report, &len) != CHANNEL_OK) {
            return;
        }
        const bool durable = neighbours_take(&run->neighbours, &report);
        life->acknowledged |= durable && life->kill_us != 0 && now_us() >= life->kill_us;
    }
}

/* Nothing is open and nothing is on its way: the node may close. */
static void end_when_resolved(struct run *run, struct life *life)
{
    run->client.closing = true;
    const bool all_forwarded =
        run->neighbours.held_len == 0 && run->neighbours.queue_len == 0;
    if (run->client.open_len == 0 && run->network.held_len == 0 && all_forwarded &&
        !life->told_to_end) {
        shutdown(life->orders_fd, SHUT_WR);
        shutdown(life->peer_fd, SHUT_WR);
        shutdown(life->forwards_fd, SHUT_WR);
        life->told_to_end = true;
    }
}

/* One round of carrying messages; waits at most a millisecond. */
static void carry(struct run *run, struct life *life)
{
    struct pollfd fds[3] = {
        {.fd = life->orders_fd, .events = POLLIN},
        {.fd = life->peer_fd, .events = POLLIN},
        {.fd = life->forwards_fd, .events = POLLIN},
    };
    poll(fds, 3, 1);
    take_reports(run, life, false);
    take_forwards(run, life, false);
    if (is_time_to_kill(life)) {
        return;
    }
    take_htlcs(run, life);
    if (life->ready_us != 0 && !life->told_to_end) {
        client_give_orders(&run->client, life->orders_fd);
        network_answer(&run->network, life->peer_fd);
        neighbours_give(&run->neighbours, life->forwards_fd, run->client.closing);
    }
    if (life->plan == KILL_NEVER && life->ready_us != 0) {
        end_when_resolved(run, life);
    }
}

/* What a dead node had sent is still in the sockets, and it counts: it had left the node. */
static void take_last_words(struct run *run, struct life *life)
{
    take_reports(run, life, true);
    take_htlcs(run, life);
    take_forwards(run, life, true);
    close(life->orders_fd);
    close(life->peer_fd);
    close(life->forwards_fd);
    run->commits += life->commits;
    run->operations += life->operations;
    client_node_died(&run->client);
    network_node_died(&run->network);
    neighbours_node_died(&run->neighbours);
}

/* Carries messages until the node is dead; returns its status as waitpid tells it. */
static int attend(struct run *run, struct life *life)
{
    int status = 0;
    while (!life->ended && !kill_if_due(run, life)) {
        carry(run, life);
        table_progress(run);
    }
    waitpid(life->pid, &status, 0);
    take_last_words(run, life);
    return status;
}

/* A node that ended by itself did so to start again (outcome.h), or it could not run. */
static bool may_go_on(struct run *run, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_START_AGAIN &&
        run->unplanned_ends < UNPLANNED_ENDS_MAX) {
        run->unplanned_ends++;
        return true;
    }
    fprintf(stderr, "the node ended by itself: %s %d\n",
            WIFSIGNALED(status) ? "signal" : "exit status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}

bool supervisor_run(struct run *run)
{
    for (;;) {
        struct life life = {0};
        plan_kill(run, &life);
        if (!start_node(run, &life)) {
            return false;
        }
        int status = attend(run, &life);
        if (supervisor_interrupted) {
            fprintf(stderr, "interrupted\n");
            return false;
        }
        if (life.told_to_end && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            run->closed_cleanly = true;
            return true;
        }
        if (!life.killed && !may_go_on(run, status)) {
            return false;
        }
        if (!inspect_after_kill(run)) {
            return false;
        }
        if (is_too_slow(run, &life)) {
            fprintf(stderr, "a node took too long to %s\n", life.ready_us == 0 ? "start" : "end");
            return life.ready_us != 0;
        }
    }
}

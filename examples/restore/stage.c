/*
 * Starting, ordering and killing of processes.
 */
#define _XOPEN_SOURCE 700
#include "stage.h"

#include "channels.h"
#include "clock.h"
#include "outcome.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAR_SECS_MAX = 60, END_SECS_MAX = 60 };

volatile sig_atomic_t stage_interrupted;

/* fork and exec at once: a child of fork alone must not use what its parent has open. */
static bool start(struct stage *stage, struct actor *actor, const char *role)
{
    int ends[2];
    if (!channel_pair(ends)) {
        perror("socketpair");
        return false;
    }
    actor->pid = fork();
    if (actor->pid == 0) {
        char control[16];
        snprintf(control, sizeof control, "%d", ends[1]);
        char *arguments[] = {(char *)stage->program, (char *)role, control, NULL};
        if (stage->mistake == RESTORE_SOUND || freopen("/dev/null", "w", stderr) != NULL) {
            execv(stage->program, arguments);
        }
        _exit(EXIT_COULD_NOT_RUN);
    }
    close(ends[1]);
    actor->control_fd = ends[0];
    if (actor->pid < 0) {
        perror("fork");
        actor->pid = 0;
        close(ends[0]);
        return false;
    }
    return channel_send(actor->control_fd, &stage->start, sizeof stage->start);
}

static void take_leave(struct actor *actor)
{
    close(actor->control_fd);
    actor->pid = 0;
}

static void kill_actor(struct actor *actor)
{
    if (actor->pid != 0) {
        kill(actor->pid, SIGKILL);
        waitpid(actor->pid, NULL, 0);
        take_leave(actor);
    }
}

static bool send_order(struct actor *actor, const struct restore_order *order)
{
    if (!channel_send(actor->control_fd, order, sizeof *order)) {
        fprintf(stderr, "a process ended by itself\n");
        return false;
    }
    return true;
}

bool stage_order(struct actor *actor, enum restore_order_kind kind, uint32_t value)
{
    return send_order(actor, &(struct restore_order){.kind = kind, .value = value});
}

bool stage_order_step(struct actor *node, uint32_t version, uint32_t blobs)
{
    const struct restore_order order = {
        .kind = RESTORE_ORDER_STEP, .value = version, .blobs = blobs};
    return send_order(node, &order);
}

bool stage_hear(struct actor *actor, struct restore_report *report)
{
    const uint64_t began_us = now_us();
    size_t len;
    while (!stage_interrupted && now_us() - began_us < 1000000 * (uint64_t)HEAR_SECS_MAX) {
        switch (channel_try_receive(actor->control_fd, report, sizeof *report, &len)) {
        case CHANNEL_OK:
            return true;
        case CHANNEL_CLOSED:
            fprintf(stderr, "a process ended by itself\n");
            return false;
        case CHANNEL_WOULD_WAIT:
            poll(&(struct pollfd){.fd = actor->control_fd, .events = POLLIN}, 1, 100);
            break;
        }
    }
    fprintf(stderr, stage_interrupted ? "interrupted\n" : "a process says nothing\n");
    return false;
}

/* One that the node, or its remains, are still connected to is asked again: it may not have read
 * everything. */
static bool count_of(struct stage *stage, struct actor *peer, struct restore_report *counts)
{
    do {
        if (!stage_order(peer, RESTORE_ORDER_COUNT, 0) || !stage_hear(peer, counts)) {
            return false;
        }
    } while (stage->node.pid == 0 && counts->value != 0);
    return true;
}

bool stage_count(struct stage *stage, struct restore_report counts[RESTORE_PEERS])
{
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        if (!count_of(stage, &stage->peers[peer], &counts[peer])) {
            return false;
        }
    }
    return true;
}

bool stage_start_peers(struct stage *stage)
{
    struct restore_report counts[RESTORE_PEERS];
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        stage->start.peer = peer;
        if (!start(stage, &stage->peers[peer], "--peer")) {
            return false;
        }
    }
    return stage_count(stage, counts); /* they answer once they listen */
}

bool stage_start_node(struct stage *stage, const char *role)
{
    return start(stage, &stage->node, role);
}

void stage_kill_node(struct stage *stage)
{
    kill(stage->node.pid, SIGKILL);
    waitpid(stage->node.pid, NULL, 0);
    stage->node.pid = 0;
}

bool stage_hear_last(struct stage *stage, struct restore_report *report)
{
    size_t len;
    const int fd = stage->node.control_fd;
    if (channel_try_receive(fd, report, sizeof *report, &len) == CHANNEL_OK) {
        return true;
    }
    close(fd);
    return false;
}

static bool end(struct actor *actor)
{
    const uint64_t began_us = now_us();
    int status = 0;
    if (actor->pid == 0) {
        return true;
    }
    shutdown(actor->control_fd, SHUT_WR);
    while (waitpid(actor->pid, &status, WNOHANG) == 0) {
        if (stage_interrupted || now_us() - began_us > 1000000 * (uint64_t)END_SECS_MAX) {
            fprintf(stderr, "a process does not end\n");
            return false;
        }
        poll(NULL, 0, 1);
    }
    take_leave(actor);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS) {
        fprintf(stderr, "a process could not close its store\n");
        return false;
    }
    return true;
}

bool stage_end(struct stage *stage)
{
    bool good = end(&stage->node);
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        good = end(&stage->peers[peer]) && good;
    }
    return good;
}

void stage_kill_all(struct stage *stage)
{
    kill_actor(&stage->node);
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        kill_actor(&stage->peers[peer]);
    }
}

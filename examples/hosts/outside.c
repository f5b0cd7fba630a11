/*
 * Lives of a node, from the outside.
 */
#define _XOPEN_SOURCE 700
#include "outside.h"

#include "keep.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KILL_STARTING_EVERY = 4, /* one kill of so many hits the node while it opens */
    KILL_STARTING_US_MAX = 12000,
    AFTER_PACKET_EVERY = 4,  /* and one right after something left */
    KILL_AFTER_US_MIN = 1000, /* after the node said something */
    KILL_AFTER_US_MAX = 80000,
    LAST_LIFE_US = 500000,
    SILENT_MS_MAX = 20000,
};

static bool anything_wrong;

/* When and how one life ends. */
struct fate {
    bool kill, after_packet; /* right after a packet: what left too early is not durable yet */
    uint64_t due_us;         /* 0: not known before the node speaks */
    bool is_due, ended;
};

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void could_not(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(EXIT_COULD_NOT_RUN);
}

bool packet_send(int fd, const struct packet *packet)
{
    for (;;) {
        ssize_t sent = send(fd, packet, sizeof *packet, MSG_NOSIGNAL);
        if (sent >= 0 || errno != EINTR) {
            return sent == (ssize_t)sizeof *packet;
        }
    }
}

bool packet_receive(int fd, struct packet *packet)
{
    for (;;) {
        ssize_t received = recv(fd, packet, sizeof *packet, 0);
        /* A reset tells that the other side left something unread; what it sent comes after it. */
        if (received >= 0 || (errno != EINTR && errno != ECONNRESET)) {
            return received == (ssize_t)sizeof *packet;
        }
    }
}

bool is_node(int argc, char **argv)
{
    return argc == 4 && strcmp(argv[1], "--node") == 0;
}

static void usage(const char *program, const char *const *breaks)
{
    fprintf(stderr, "usage: %s [--kills N] [--seed N] [--break NAME], NAME one of", program);
    for (; *breaks != NULL; breaks++) {
        fprintf(stderr, " %s", *breaks);
    }
    fputc('\n', stderr);
    exit(EXIT_COULD_NOT_RUN);
}

static const char *mistake_of(const char *name, const char *const *breaks)
{
    while (*breaks != NULL && strcmp(*breaks, name) != 0) {
        breaks++;
    }
    return *breaks;
}

void outside_begin(struct outside *outside, int argc, char **argv, const char *const *breaks)
{
    *outside = (struct outside){.program = argv[0], .broken = "", .kills = 60};
    outside->chance.state = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    for (int next = 1; next < argc; next += 2) {
        if (next + 1 == argc) {
            usage(argv[0], breaks);
        } else if (strcmp(argv[next], "--kills") == 0) {
            outside->kills = strtoull(argv[next + 1], NULL, 10);
        } else if (strcmp(argv[next], "--seed") == 0) {
            outside->chance.state = strtoull(argv[next + 1], NULL, 10);
        } else if (strcmp(argv[next], "--break") == 0) {
            outside->broken = mistake_of(argv[next + 1], breaks);
        } else {
            usage(argv[0], breaks);
        }
        if (outside->broken == NULL) {
            usage(argv[0], breaks);
        }
    }
    printf("seed %" PRIu64 "\n", outside->chance.state);
    const char *parent = getenv("TMPDIR");
    snprintf(outside->directory, sizeof outside->directory, "%s/lnkeep-hosts-XXXXXX",
             parent != NULL && *parent != 0 ? parent : "/tmp");
    if (mkdtemp(outside->directory) == NULL) {
        could_not(outside->directory);
    }
}

/* In the child: becomes the node. A child of fork alone may not use what its parent opened. */
static void become_node(const struct outside *outside, int (*pairs)[2])
{
    for (size_t line = 0; line < outside->lines_len; line++) {
        if (fcntl(pairs[line][1], F_DUPFD, FIRST_LINE + (int)line) != FIRST_LINE + (int)line) {
            _exit(EXIT_COULD_NOT_RUN);
        }
    }
    if (*outside->broken != 0 && freopen("/dev/null", "w", stderr) == NULL) {
        _exit(EXIT_COULD_NOT_RUN);
    }
    char *arguments[] = {(char *)outside->program, "--node", (char *)outside->directory,
                         (char *)outside->broken, NULL};
    execv(outside->program, arguments);
    _exit(EXIT_COULD_NOT_RUN);
}

static void start(struct outside *outside, size_t lines_len)
{
    int pairs[LINES_MAX][2];
    outside->lines_len = lines_len;
    for (size_t line = 0; line < lines_len; line++) {
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pairs[line]) != 0) {
            could_not("socketpair");
        }
        fcntl(pairs[line][0], F_SETFD, FD_CLOEXEC);
        fcntl(pairs[line][1], F_SETFD, FD_CLOEXEC);
        outside->lines[line] = pairs[line][0];
    }
    fflush(stdout);
    outside->pid = fork();
    if (outside->pid == 0) {
        become_node(outside, pairs);
    } else if (outside->pid < 0) {
        could_not("fork");
    }
    for (size_t line = 0; line < lines_len; line++) {
        close(pairs[line][1]);
    }
    outside->hears = true;
}

static struct fate fate_of(struct outside *outside, bool kill)
{
    struct fate fate = {.kill = kill, .after_packet = outside->kills_done % AFTER_PACKET_EVERY == 0};
    if (kill && outside->kills_done % KILL_STARTING_EVERY == KILL_STARTING_EVERY - 1) {
        fate.due_us = now_us() + chance_below(&outside->chance, KILL_STARTING_US_MAX);
    }
    return fate;
}

/* The moment is here: with or without a packet that just came. */
static bool is_due(struct outside *outside, struct fate *fate, bool heard)
{
    uint64_t now = now_us();
    if (heard && fate->due_us == 0) {
        const uint64_t spread_us = KILL_AFTER_US_MAX - KILL_AFTER_US_MIN;
        fate->due_us = now + (fate->kill ? KILL_AFTER_US_MIN +
                                               chance_below(&outside->chance, spread_us)
                                         : (uint64_t)LAST_LIFE_US);
    }
    return fate->due_us != 0 && now >= fate->due_us && (heard || !fate->after_packet);
}

/* The end that was planned: a kill, or nothing more to read for the node. */
static void carry_out(struct outside *outside, struct fate *fate)
{
    fate->is_due = true;
    outside->hears = false;
    if (fate->kill) {
        outside->kills_done++;
        kill(outside->pid, SIGKILL);
        return;
    }
    for (size_t line = 0; line < outside->lines_len; line++) {
        shutdown(outside->lines[line], SHUT_WR);
    }
}

/* Waits for packets and hears one of each line; true when every line has ended. */
static bool hear(struct outside *outside, struct fate *fate, outside_heard *heard, void *self)
{
    struct pollfd waits[LINES_MAX];
    size_t open = 0;
    for (size_t line = 0; line < outside->lines_len; line++) {
        waits[line] = (struct pollfd){.fd = outside->lines[line], .events = POLLIN};
        open += outside->lines[line] >= 0;
    }
    if (open == 0) {
        return true;
    }
    bool waits_for_time = !fate->is_due && fate->due_us != 0 && !fate->after_packet;
    int ready = poll(waits, outside->lines_len, waits_for_time ? 1 : SILENT_MS_MAX);
    if (ready == 0 && !waits_for_time) {
        fprintf(stderr, "the node says nothing any more\n");
        kill(outside->pid, SIGKILL);
        exit(EXIT_COULD_NOT_RUN);
    }
    for (size_t line = 0; line < outside->lines_len; line++) {
        struct packet packet;
        if (waits[line].fd < 0 || waits[line].revents == 0) {
            continue;
        }
        if (!packet_receive(waits[line].fd, &packet)) {
            close(waits[line].fd);
            outside->lines[line] = -1;
            continue;
        }
        if (!fate->is_due && is_due(outside, fate, true)) {
            carry_out(outside, fate);
        }
        heard(self, outside, line, &packet);
    }
    return false;
}

void outside_live(struct outside *outside, size_t lines_len, bool kill, outside_heard *heard,
                  void *self)
{
    start(outside, lines_len);
    struct fate fate = fate_of(outside, kill);
    if (fate.due_us != 0) {
        fate.after_packet = false;
    }
    while (!hear(outside, &fate, heard, self)) {
        if (!fate.is_due && is_due(outside, &fate, false)) {
            carry_out(outside, &fate);
        }
    }
    int status = 0;
    if (waitpid(outside->pid, &status, 0) != outside->pid) {
        could_not("waitpid");
    }
    bool as_planned = fate.is_due && (kill || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    outside->ended_by_itself += !as_planned;
}

void outside_say(struct outside *outside, size_t line, const struct packet *packet)
{
    if (outside->hears && outside->lines[line] >= 0) {
        packet_send(outside->lines[line], packet); /* one who just died hears nothing */
    }
}

void outside_row(const char *what, uint64_t wrong)
{
    anything_wrong |= wrong != 0;
    printf("%-48s %8" PRIu64 "%s\n", what, wrong, wrong != 0 ? "  WRONG" : "");
}

void outside_note(const char *what, uint64_t number)
{
    printf("%-48s %8" PRIu64 "\n", what, number);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

int outside_end(struct outside *outside)
{
    nftw(outside->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return anything_wrong ? EXIT_WRONG : EXIT_SUCCESS;
}

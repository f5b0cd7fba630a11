/*
 * Peer storage between two nodes, which are killed again and again.
 *
 * Run without arguments it is the parent (peers_run.c). It starts this program twice again: with
 * --provider, the node that keeps a blob for another (provider.c), and with --consumer, the node
 * whose data that is (consumer.c). They speak BOLT 1 over sockets: init with the feature bit,
 * peer_storage, peer_storage_retrieval, and channel_reestablish as the mark before which a loss
 * must be noticed. What they do with lnkeep.h is what a node engineer would start from; peers.h
 * says where each part is.
 *
 * Exit status: 0 when every number is as it must be, 1 when one is wrong, 2 when the demo could not
 * run.
 */
#define _XOPEN_SOURCE 700
#include "clock.h"
#include "outcome.h"
#include "peers_run.h"
#include "peers_table.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 350, ROUNDS_BROKEN = 40, ROUNDS_MAX = 100000, PATH_BYTES_MAX = 4096 };

static const char USAGE[] =
    "usage: peers [--rounds N] [--seed N] [--dir DIRECTORY] [--break NAME]\n"
    "\n"
    "Kills two nodes that speak peer storage and counts what was lost.\n"
    "\n"
    "  --rounds N       how often something breaks; 350\n"
    "  --seed N         repeat the plan of a run\n"
    "  --dir DIRECTORY  a new or empty directory, which is kept;\n"
    "                   else a temporary one beside this program, which is removed\n"
    "  --break NAME     nodes with one mistake, which must end with 1:\n"
    "                     early-send       the consumer takes init for channel_reestablish\n"
    "                     late-look        the consumer looks at what came back too late\n"
    "                     memory-sequence  the consumer keeps its sequence in memory only\n"
    "                     early-commit     the provider takes accepted for durable\n"
    "                     no-cooldown      the provider writes every blob at once\n";

struct arguments {
    struct peers_options run;
    const char *directory;
    bool rounds_given;
    bool seed_given;
};

static void could_not_run(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_COULD_NOT_RUN);
}

static uint64_t number(const char *name, const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    const uint64_t value = text == NULL ? 0 : strtoull(text, &end, 10);
    if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        could_not_run(name, "needs a number");
    }
    return value;
}

/* Takes one argument and its value. */
static void take_argument(struct arguments *arguments, const char *name, const char *value)
{
    if (strcmp(name, "--rounds") == 0) {
        arguments->run.rounds = (unsigned)number(name, value, ROUNDS_MAX);
        arguments->rounds_given = true;
    } else if (strcmp(name, "--seed") == 0) {
        arguments->run.seed = number(name, value, UINT64_MAX);
        arguments->seed_given = true;
    } else if (strcmp(name, "--dir") == 0 && value != NULL) {
        arguments->directory = value;
    } else if (strcmp(name, "--break") != 0 || value == NULL ||
               !peers_mistake_of_name(value, &arguments->run.mistake) ||
               arguments->run.mistake == PEERS_SOUND) {
        fputs(USAGE, stderr);
        exit(EXIT_COULD_NOT_RUN);
    }
}

static struct arguments read_arguments(int argc, char **argv)
{
    static char path[PATH_BYTES_MAX / 2];
    struct arguments arguments = {0};
    for (int i = 1; i < argc; i += 2) {
        take_argument(&arguments, argv[i], argv[i + 1]);
    }
    if (!arguments.rounds_given) {
        arguments.run.rounds = arguments.run.mistake == PEERS_SOUND ? ROUNDS : ROUNDS_BROKEN;
    }
    if (!arguments.seed_given) {
        arguments.run.seed = unix_ns() / 1000000;
    }
    /* Absolute, because this process leaves the current folder. */
    if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) {
        could_not_run("/proc/self/exe", strerror(errno));
    }
    arguments.run.program = path;
    return arguments;
}

/* Not /tmp, which lies in memory on many machines: a flush would cost nothing there. */
static void make_directory(const struct arguments *arguments, char path[PATH_BYTES_MAX])
{
    if (arguments->directory != NULL) {
        snprintf(path, PATH_BYTES_MAX, "%s", arguments->directory);
        if (mkdir(path, 0700) != 0 && (errno != EEXIST || rmdir(path) != 0 || mkdir(path, 0700))) {
            could_not_run(path, strerror(errno));
        }
        return;
    }
    const char *slash = strrchr(arguments->run.program, '/');
    const int folder = (int)(slash + 1 - arguments->run.program); /* there is one: it is absolute */
    snprintf(path, PATH_BYTES_MAX, "%.*speers.XXXXXX", folder, arguments->run.program);
    if (mkdtemp(path) == NULL) {
        could_not_run(path, strerror(errno));
    }
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

static void interrupt(int signal_number)
{
    (void)signal_number;
    peers_interrupted = 1;
}

/* So that the temporary directory is removed and no process is left behind. */
static void catch_signals(void)
{
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = interrupt};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

static int judge(struct peers_run *run)
{
    peers_table_begin(run);
    const bool ran = peers_run(run);
    peers_progress_end();
    if (!ran) {
        return EXIT_COULD_NOT_RUN;
    }
    return peers_table_print(run) ? EXIT_SUCCESS : EXIT_WRONG;
}

static int run_parent(int argc, char **argv)
{
    static struct peers_run run;
    static char directory[PATH_BYTES_MAX];
    const struct arguments arguments = read_arguments(argc, argv);
    make_directory(&arguments, directory);
    catch_signals();
    run.options = arguments.run;
    run.chance.state = run.options.seed;
    /* A real one is derived from the node's seed alone: it is all that is left after a loss. */
    for (size_t i = 0; i < sizeof run.judge.secret; i++) {
        run.judge.secret[i] = (uint8_t)chance_below(&run.chance, 256);
    }
    /* Names of sockets are short, paths need not be: all three work in this folder. */
    const int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || chdir(directory) != 0) {
        could_not_run(directory, strerror(errno));
    }
    run.began_us = now_us();
    const int status = judge(&run);
    judge_free(&run.judge);
    if (arguments.directory == NULL && fchdir(folder) == 0) {
        nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    close(folder);
    return status;
}

int main(int argc, char **argv)
{
    enum peers_mistake mistake;
    if (argc == 4 && peers_mistake_of_name(argv[3], &mistake)) {
        if (strcmp(argv[1], "--provider") == 0) {
            return provider_run((int)number("control", argv[2], INT32_MAX), mistake);
        }
        if (strcmp(argv[1], "--consumer") == 0) {
            return consumer_run((int)number("control", argv[2], INT32_MAX), mistake);
        }
    }
    return run_parent(argc, argv);
}

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
#include "place.h"
#include "provider.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 350, ROUNDS_BROKEN = 40, ROUNDS_MAX = 100000 };

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

/* Takes one argument and its value. */
static void take_argument(struct arguments *arguments, const char *name, const char *value)
{
    if (strcmp(name, "--rounds") == 0) {
        arguments->run.rounds = (unsigned)place_number(name, value, ROUNDS_MAX);
        arguments->rounds_given = true;
    } else if (strcmp(name, "--seed") == 0) {
        arguments->run.seed = place_number(name, value, UINT64_MAX);
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
    arguments.run.program = place_program();
    return arguments;
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
    static char directory[PLACE_PATH_BYTES_MAX];
    const struct arguments arguments = read_arguments(argc, argv);
    place_make(arguments.directory, "peers", directory);
    place_catch_signals(&peers_interrupted);
    run.options = arguments.run;
    run.chance.state = run.options.seed;
    /* A real one is derived from the node's seed alone: it is all that is left after a loss. */
    for (size_t i = 0; i < sizeof run.judge.secret; i++) {
        run.judge.secret[i] = (uint8_t)chance_below(&run.chance, 256);
    }
    /* Names of sockets are short, paths need not be: all three work in this folder. */
    const int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || chdir(directory) != 0) {
        place_could_not_run(directory, strerror(errno));
    }
    run.began_us = now_us();
    const int status = judge(&run);
    judge_free(&run.judge);
    if (arguments.directory == NULL && fchdir(folder) == 0) {
        place_remove(directory);
    }
    close(folder);
    return status;
}

static void tell_parent(const struct provider *provider, enum peers_report_kind kind,
                        uint64_t at_ms)
{
    const struct peers_report said = {
        .kind = kind, .blob = provider->newest, .at_ms = at_ms, .number = provider->commits};
    peers_report(provider->place->control_fd, &said);
}

static int run_provider(int control_fd, enum peers_mistake mistake)
{
    const struct provider_place place = {
        .socket = PEERS_PROVIDER_SOCKET,
        .store = PEERS_PROVIDER_STORE,
        .client_id = PEERS_CONSUMER_ID,
        .control_fd = control_fd,
        .mistake = mistake,
        .report = tell_parent,
    };
    return provider_run(&place);
}

int main(int argc, char **argv)
{
    enum peers_mistake mistake;
    if (argc == 4 && peers_mistake_of_name(argv[3], &mistake)) {
        if (strcmp(argv[1], "--provider") == 0) {
            return run_provider((int)place_number("control", argv[2], INT32_MAX), mistake);
        }
        if (strcmp(argv[1], "--consumer") == 0) {
            return consumer_run((int)place_number("control", argv[2], INT32_MAX), mistake);
        }
    }
    return run_parent(argc, argv);
}

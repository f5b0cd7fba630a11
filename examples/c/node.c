/*
 * The main job of lnkeep: a small Lightning node that pays invoices, forwards HTLCs of others, and
 * is killed again and again.
 *
 * Run without arguments it is the parent: client, network, receivers and killer (supervisor.c). The
 * parent starts this program again with --node, and that process is the node: life.c opens the
 * store, resume.c ends what the last life left, payer.c makes payments of orders and parts of
 * payments, dispatch.c lets them leave, answers.c takes what became of them, keeper.c commits the
 * channels and releases the messages that depend on them, forwarder.c asks whether to forward what
 * others send, outcome.c says what a node may conclude from each answer of lnkeep. These are what a
 * node engineer would start from; they use nothing but lnkeep.h, and the rest is the world around
 * them: network.c for payments, neighbours.c for HTLCs of others.
 *
 * The parent sees what the node acknowledged, what left it, and what receivers got. After each kill
 * inspect.c looks whether the disk covers it, and when the last node has closed its store, verify.c
 * compares everything. Exit status: 0 when every number is as it must be, 1 when one is wrong,
 * 2 when the demo could not run.
 */
#define _XOPEN_SOURCE 700
#include "broken.h"
#include "clock.h"
#include "inspect.h"
#include "outcome.h"
#include "supervisor.h"
#include "table.h"
#include "verify.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KILLS = 500, KILLS_BROKEN = 20, KILLS_MAX = 100000, PATH_BYTES_MAX = 4096 };

static const char USAGE[] =
    "usage: node [--kills N] [--seed N] [--dir DIRECTORY] [--messages FILE] [--break NAME]\n"
    "\n"
    "Kills a node again and again and counts what was lost or repeated.\n"
    "\n"
    "  --kills N        how often; 500, or the environment's LNKEEP_DEMO_KILLS\n"
    "  --seed N         repeat the plan of a run\n"
    "  --dir DIRECTORY  a new or empty directory for the store, which is kept;\n"
    "                   else a temporary one beside this program, which is removed\n"
    "  --messages FILE  the answers of the network; else examples/c/bolt2-messages.txt\n"
    "  --break NAME     a node with one mistake, which must end with 1:\n"
    "                     early              acknowledges before the commit\n"
    "                     new-payment        begins anew after a restart instead of resuming\n"
    "                     no-record          registers attempts without their record\n"
    "                     early-message      sends a commitment before it is on disk\n"
    "                     two-commits        stores channels and manager apart\n"
    "                     early-acknowledge  acknowledges notices before they are told\n"
    "                     no-reconcile       forwards after a restart without reconciling\n"
    "                     no-journal         keeps forwarding decisions in memory alone\n";

struct arguments {
    struct run_options run;
    const char *directory;
    const char *messages;
    bool kills_given;
    bool broken_given;
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
    uint64_t value = text == NULL ? 0 : strtoull(text, &end, 10);
    if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        could_not_run(name, "needs a number");
    }
    return value;
}

/* Takes one argument and its value. */
static void take_argument(struct arguments *arguments, const char *name, const char *value)
{
    if (strcmp(name, "--kills") == 0) {
        arguments->run.kills = (unsigned)number(name, value, KILLS_MAX);
        arguments->kills_given = true;
    } else if (strcmp(name, "--seed") == 0) {
        arguments->run.seed = number(name, value, UINT64_MAX);
        arguments->seed_given = true;
    } else if (strcmp(name, "--break") == 0 && value != NULL &&
               broken_of_name(value, &arguments->run.broken) &&
               arguments->run.broken != BROKEN_NOT) {
        arguments->broken_given = true;
    } else if (strcmp(name, "--dir") == 0 && value != NULL) {
        arguments->directory = value;
    } else if (strcmp(name, "--messages") == 0 && value != NULL) {
        arguments->messages = value;
    } else {
        fputs(USAGE, stderr);
        exit(EXIT_COULD_NOT_RUN);
    }
}

/* Path of this program also when it was found through PATH. */
static const char *program_path(const char *name)
{
    static char path[PATH_BYTES_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    return len > 0 ? path : name;
}

static struct arguments read_arguments(int argc, char **argv)
{
    struct arguments arguments = {.run.program = program_path(argv[0])};
    for (int i = 1; i < argc; i += 2) {
        take_argument(&arguments, argv[i], argv[i + 1]);
    }
    const char *kills = getenv("LNKEEP_DEMO_KILLS");
    if (!arguments.kills_given && kills != NULL) {
        arguments.run.kills = (unsigned)number("LNKEEP_DEMO_KILLS", kills, KILLS_MAX);
    } else if (!arguments.kills_given) {
        arguments.run.kills = arguments.broken_given ? KILLS_BROKEN : KILLS;
    }
    if (!arguments.seed_given) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        arguments.run.seed = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    }
    return arguments;
}

/* Folder of this program, with a slash at its end; empty for the current folder. */
static void folder_of(const char *program, char folder[PATH_BYTES_MAX])
{
    const char *slash = strrchr(program, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - program) + 1;
    if (len >= PATH_BYTES_MAX / 2) {
        could_not_run(program, "the path is too long");
    }
    memcpy(folder, program, len);
    folder[len] = '\0';
}

/* Not /tmp, which lies in memory on many machines: a flush would cost nothing there. */
static void make_directory(struct arguments *arguments, char path[PATH_BYTES_MAX])
{
    if (arguments->directory != NULL) {
        snprintf(path, PATH_BYTES_MAX, "%s", arguments->directory);
        /* The same invoices are paid in every run: a store that has them already would refuse. */
        if (mkdir(path, 0700) != 0 && (errno != EEXIST || rmdir(path) != 0 || mkdir(path, 0700))) {
            could_not_run(path, strerror(errno));
        }
        return;
    }
    folder_of(arguments->run.program, path);
    strcat(path, "store.XXXXXX");
    if (mkdtemp(path) == NULL) {
        could_not_run(path, strerror(errno));
    }
}

static void remove_directory(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char file[2 * PATH_BYTES_MAX];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        unlink(file); /* fails for . and .. */
    }
    if (directory != NULL) {
        closedir(directory);
    }
    rmdir(path);
}

static bool load_messages(struct run *run, const struct arguments *arguments)
{
    static const char PLACE[] = "examples/c/bolt2-messages.txt";
    if (arguments->messages != NULL) {
        return messages_load(&run->messages, arguments->messages);
    }
    if (access(PLACE, R_OK) == 0) {
        return messages_load(&run->messages, PLACE);
    }
    /* Started from another folder: the program lies in build/demo. */
    char path[PATH_BYTES_MAX];
    folder_of(arguments->run.program, path);
    strcat(strcat(path, "../../"), PLACE);
    return messages_load(&run->messages, path);
}

static void interrupt(int signal_number)
{
    (void)signal_number;
    supervisor_interrupted = 1;
}

/* So that the temporary directory is removed and no node is left behind. */
static void catch_signals(void)
{
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = interrupt};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

static int judge(struct run *run)
{
    struct tally tally;
    bool ran = supervisor_run(run);
    run->ended_us = now_us();
    table_progress_end();
    if (!ran || !verify_run(run, &tally)) {
        return EXIT_COULD_NOT_RUN;
    }
    return table_print(run, &tally) ? EXIT_SUCCESS : EXIT_WRONG;
}

static int run_parent(int argc, char **argv)
{
    static struct run run;
    static char directory[PATH_BYTES_MAX];
    struct arguments arguments = read_arguments(argc, argv);
    if (!load_messages(&run, &arguments)) {
        return EXIT_COULD_NOT_RUN;
    }
    make_directory(&arguments, directory);
    catch_signals();
    run.options = arguments.run;
    run.options.directory = directory;
    run.chance.state = run.options.seed;
    run.client.ledger = run.network.ledger = &run.ledger;
    run.network.messages = &run.messages;
    run.client.chance = run.network.chance = run.neighbours.chance = &run.chance;
    run.began_us = run.neighbours.began_us = now_us();
    table_begin(&run);
    int status = judge(&run);
    ledger_free(&run.ledger);
    if (arguments.directory == NULL) {
        remove_directory(directory);
    }
    return status;
}

/* As exec_node in supervisor.c writes them. */
static int run_node(char **arguments)
{
    struct node_options options = {
        .directory = arguments[0],
        .orders_fd = (int)number("orders", arguments[1], INT32_MAX),
        .peer_fd = (int)number("peer", arguments[2], INT32_MAX),
        .forwards_fd = (int)number("forwards", arguments[3], INT32_MAX),
        .epoch_min = number("epoch", arguments[4], UINT64_MAX),
    };
    if (!broken_of_name(arguments[5], &options.broken)) {
        could_not_run(arguments[5], "no such mistake");
    }
    return life_run(&options);
}

int main(int argc, char **argv)
{
    if (argc == 8 && strcmp(argv[1], "--node") == 0) {
        return run_node(argv + 2);
    }
    if (argc == 5 && strcmp(argv[1], "--inspect") == 0) {
        return inspect_run(argv[2], number("epoch", argv[3], UINT64_MAX),
                           (int)number("found", argv[4], INT32_MAX));
    }
    return run_parent(argc, argv);
}

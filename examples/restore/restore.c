/*
 * A node with nothing but its secret gets its data back from ten peers, three of which lie.
 *
 * Run without arguments it is the parent (round.c). It starts this program again as each of the
 * peers (--peer), as the node whose data they keep (--node), and as that node when it has lost
 * everything (--rescue). restore.h says where each part is.
 *
 * Exit status: 0 when every number is as it must be, 1 when one is wrong, 2 when the demo could not
 * run.
 */
#define _XOPEN_SOURCE 700
#include "restore.h"

#include "clock.h"
#include "outcome.h"
#include "place.h"
#include "round.h"
#include "rows.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUNDS = 20, ROUNDS_BROKEN = 1, ROUNDS_MAX = 10000 };

static const char USAGE[] =
    "usage: restore [--rounds N] [--seed N] [--dir DIRECTORY] [--break NAME]\n"
    "\n"
    "Ten peers keep a node's backup, the node loses all but its secret, three peers lie, and the\n"
    "node recovers; counts what came back.\n"
    "\n"
    "  --rounds N       how often, each time with other data and other liars; 20\n"
    "  --seed N         repeat the plan of a run\n"
    "  --dir DIRECTORY  a new or empty directory, which is kept;\n"
    "                   else a temporary one beside this program, which is removed\n"
    "  --break NAME     one mistake, which must end with 1:\n"
    "                     too-many-liars   one more than shares may be missing\n"
    "                     wrong-secret     the node recovers with another secret\n"
    "                     takes-older      it takes an older state without being asked\n"
    "                     sends-early      it sends a blob before the recovery is over\n"
    "                     answers-early    it answers channel_reestablish before that\n"
    "                     forgets-floor    its new backup is not told which numbers were used\n"
    "                     looks-away       nor is it shown what peers return\n"
    "                     saves-nothing    it does not save its session\n"
    "                     no-htlcs         HTLCs are not told to lnkeep\n"
    "                     no-cipher        what is sent is not sealed\n"
    "                     mixed-payload    a block of what came back is of the version before\n";

struct arguments {
    enum restore_mistake mistake;
    unsigned rounds; /* 0 for what is usual */
    uint64_t seed;
    bool seed_given;
    const char *directory;
};

static const char *const MISTAKES[RESTORE_MISTAKES] = {
    [RESTORE_SOUND] = "nothing",
    [RESTORE_TOO_MANY_LIARS] = "too-many-liars",
    [RESTORE_WRONG_SECRET] = "wrong-secret",
    [RESTORE_TAKES_OLDER] = "takes-older",
    [RESTORE_SENDS_EARLY] = "sends-early",
    [RESTORE_NO_HTLCS] = "no-htlcs",
    [RESTORE_NO_CIPHER] = "no-cipher",
    [RESTORE_ANSWERS_EARLY] = "answers-early",
    [RESTORE_FORGETS_FLOOR] = "forgets-floor",
    [RESTORE_LOOKS_AWAY] = "looks-away",
    [RESTORE_SAVES_NOTHING] = "saves-nothing",
    [RESTORE_MIXED_PAYLOAD] = "mixed-payload",
};

static bool mistake_of_name(const char *name, enum restore_mistake *mistake)
{
    for (size_t i = RESTORE_SOUND + 1; name != NULL && i < RESTORE_MISTAKES; i++) {
        if (strcmp(name, MISTAKES[i]) == 0) {
            *mistake = (enum restore_mistake)i;
            return true;
        }
    }
    return false;
}

static struct arguments read_arguments(int argc, char **argv)
{
    struct arguments arguments = {.seed = unix_ns() / 1000000};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--rounds") == 0) {
            arguments.rounds = (unsigned)place_number(name, value, ROUNDS_MAX);
        } else if (strcmp(name, "--seed") == 0) {
            arguments.seed = place_number(name, value, UINT64_MAX);
        } else if (strcmp(name, "--dir") == 0 && value != NULL) {
            arguments.directory = value;
        } else if (strcmp(name, "--break") != 0 || !mistake_of_name(value, &arguments.mistake)) {
            fputs(USAGE, stderr);
            exit(EXIT_COULD_NOT_RUN);
        }
    }
    if (arguments.rounds == 0) {
        arguments.rounds = arguments.mistake == RESTORE_SOUND ? ROUNDS : ROUNDS_BROKEN;
    }
    return arguments;
}

/* Each in a folder of its own, which is kept when the directory is. */
static bool run_rounds(const struct arguments *arguments, struct stage *stage,
                       struct verdict *verdict)
{
    struct chance chance = {.state = arguments->seed};
    for (unsigned i = 1; i <= arguments->rounds; i++) {
        char folder[32];
        snprintf(folder, sizeof folder, "round-%u", i);
        if (mkdir(folder, 0700) != 0 || chdir(folder) != 0) {
            perror(folder);
            return false;
        }
        const bool ran = round_run(stage, &chance, verdict);
        stage_kill_all(stage);
        if (chdir("..") != 0 || (arguments->directory == NULL && !place_remove(folder)) || !ran) {
            return false;
        }
        printf("round %u of %u: %s\n", i, arguments->rounds,
               verdict->payloads_missing == 0 ? "restored" : "not restored");
        fflush(stdout);
    }
    return true;
}

static bool print_end(const struct arguments *arguments, const struct verdict *verdict,
                      uint64_t began_us)
{
    const bool good = verdict_print(verdict);
    row_of_tenths("seconds", (double)(now_us() - began_us) / 1e6);
    row("seed", arguments->seed);
    if (good) {
        printf("\nEvery number is as it must be: a node with nothing but its secret got back what "
               "it had, and\nno peer learned anything of it.\n");
    } else {
        const bool is_sound = arguments->mistake == RESTORE_SOUND;
        printf("\nA number is wrong; the same plan again: --seed %" PRIu64 "%s%s\n",
               arguments->seed, is_sound ? "" : " --break ",
               is_sound ? "" : MISTAKES[arguments->mistake]);
    }
    return good;
}

static int run_parent(int argc, char **argv)
{
    static char directory[PLACE_PATH_BYTES_MAX];
    static struct verdict verdict;
    const struct arguments arguments = read_arguments(argc, argv);
    struct stage stage = {.program = place_program(), .mistake = arguments.mistake};
    const uint64_t began_us = now_us();
    place_make(arguments.directory, "restore", directory);
    place_catch_signals(&stage_interrupted);
    printf("Ten peers keep a node's backup, the node loses all but its secret, %d of them lie.\n",
           RESTORE_LIARS);
    if (arguments.mistake != RESTORE_SOUND) {
        printf("With a mistake, %s: a number must be wrong.\n", MISTAKES[arguments.mistake]);
    }
    fflush(stdout);
    /* Names of sockets are short, paths need not be: all processes work in one folder. */
    const int folder = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || chdir(directory) != 0) {
        place_could_not_run(directory, strerror(errno));
    }
    const bool ran = run_rounds(&arguments, &stage, &verdict);
    if (arguments.directory == NULL && fchdir(folder) == 0) {
        place_remove(directory);
    }
    close(folder);
    if (!ran) {
        return EXIT_COULD_NOT_RUN;
    }
    return print_end(&arguments, &verdict, began_us) ? EXIT_SUCCESS : EXIT_WRONG;
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        if (strcmp(argv[1], "--peer") == 0) {
            return restore_peer_run((int)place_number("control", argv[2], INT32_MAX));
        }
        if (strcmp(argv[1], "--node") == 0) {
            return restore_node_run((int)place_number("control", argv[2], INT32_MAX));
        }
        if (strcmp(argv[1], "--rescue") == 0) {
            return restore_rescue_run((int)place_number("control", argv[2], INT32_MAX));
        }
    }
    return run_parent(argc, argv);
}

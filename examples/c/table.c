#define _XOPEN_SOURCE 700
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, LOG_EVERY_MS = 5000, NAME_CHARS = 48 };

static uint64_t last_progress_us;

void table_progress(const struct run *run)
{
    bool terminal = isatty(STDOUT_FILENO);
    uint64_t now = now_us();
    uint64_t every_ms = terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS;
    if (last_progress_us == 0) {
        last_progress_us = now;
    }
    if (now - last_progress_us < 1000 * every_ms) {
        return;
    }
    last_progress_us = now;
    const struct client *client = &run->client;
    printf("%s%3" PRIu64 " s  %u of %u kills  %" PRIu64 " attempts: %" PRIu64 " settled, %" PRIu64
           " failed, %" PRIu64 " never left, %zu open%s",
           terminal ? "\r\033[K" : "", (now - run->began_us) / 1000000, run->kills,
           run->options.kills, run->ledger.len, client->settled, client->failed,
           client->failed_here, client->open_len, terminal ? "" : "\n");
    fflush(stdout);
}

void table_progress_end(void)
{
    if (isatty(STDOUT_FILENO)) {
        printf("\r\033[K");
        fflush(stdout);
    }
}

static void row(const char *name, uint64_t number)
{
    printf("%-*s %10" PRIu64 "\n", NAME_CHARS, name, number);
}

/* A number that must be 0. */
static bool zero(const char *name, uint64_t number)
{
    printf("%-*s %10" PRIu64 "   %s\n", NAME_CHARS, name, number,
           number == 0 ? "as it must be" : "WRONG, must be 0");
    return number == 0;
}

static void print_attempts(const struct tally *tally)
{
    row("attempts", tally->attempts);
    row("  dispatched once", tally->dispatched_once);
    row("  never left the node", tally->never_left);
    row("settled", tally->settled);
    row("failed by the network", tally->failed_by_network);
    row("failed in the node, too large to send", tally->failed_validation);
    row("recovered: registered, rolled back", tally->rolled_back);
    row("recovered: handed off, never left", tally->marked_never_left);
    row("recovered: left, answered after a restart", tally->held_over_a_death);
}

static bool print_promises(const struct tally *tally)
{
    /* Not &&: every row is printed. */
    bool good = zero("dispatched twice", tally->dispatched_twice);
    good &= zero("acknowledged and lost", tally->lost);
    good &= zero("rolled back after it left", tally->rolled_back_though_left);
    good &= zero("unresolved", tally->unresolved);
    good &= zero("contradictions", tally->inconsistent);
    return good;
}

static void print_run(const struct run *run)
{
    row("kills", run->kills);
    row("  of these while opening or recovering", run->kills_while_starting);
    row("restarts", run->lives - 1);
    row("  for an unknown outcome", run->unplanned_ends);
    const struct client *client = &run->client;
    row("orders repeated with the same id", client->repeated_done + client->repeated_already);
    row("  registered before: tracked, not dispatched", client->repeated_already);
    row("commits", run->commit_number);
    if (run->commits > 0) {
        printf("%-*s %10.1f\n", NAME_CHARS, "operations per commit",
               (double)run->operations / (double)run->commits);
    }
    printf("%-*s %10.1f\n", NAME_CHARS, "seconds", (double)(run->ended_us - run->began_us) / 1e6);
    row("seed", run->options.seed);
}

bool table_print(const struct run *run, const struct tally *tally)
{
    printf("\n");
    print_attempts(tally);
    bool good = print_promises(tally);
    print_run(run);
    if (good) {
        printf("\nEvery number is as it must be: nothing acknowledged was lost, "
               "nothing left twice.\n");
    } else {
        printf("\nA number is wrong; the same plan again: --seed %" PRIu64 "%s\n",
               run->options.seed, run->options.broken ? " --break" : "");
    }
    return good;
}

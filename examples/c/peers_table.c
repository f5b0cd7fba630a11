/*
 * The numbers, and which of them must be 0.
 */
#define _XOPEN_SOURCE 700
#include "peers_table.h"

#include "clock.h"
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, LOG_EVERY_MS = 5000 };

static uint64_t last_progress_us;

void peers_table_begin(const struct peers_run *run)
{
    printf("Two nodes: one keeps a blob for the other (BOLT 1, peer_storage), %u times something "
           "breaks.\n",
           run->options.rounds);
    if (run->options.mistake != PEERS_SOUND) {
        printf("With a mistake, %s: a number must be wrong.\n",
               peers_mistake_name(run->options.mistake));
    }
    fflush(stdout);
}

void peers_progress(const struct peers_run *run)
{
    const bool terminal = isatty(STDOUT_FILENO);
    const uint64_t now = now_us();
    const uint64_t every_ms = terminal ? TERMINAL_EVERY_MS : LOG_EVERY_MS;
    if (last_progress_us == 0) {
        last_progress_us = now;
    }
    if (now - last_progress_us < 1000 * every_ms) {
        return;
    }
    last_progress_us = now;
    printf("%s%3" PRIu64 " s  %u of %u rounds  %" PRIu64 " blobs sent, %" PRIu64
           " returned  %u directories lost%s",
           terminal ? "\r\033[K" : "", (now - run->began_us) / 1000000, run->rounds,
           run->options.rounds, run->judge.sent, run->judge.returned, run->directories_lost,
           terminal ? "" : "\n");
    fflush(stdout);
}

void peers_progress_end(void)
{
    if (isatty(STDOUT_FILENO)) {
        printf("\r\033[K");
        fflush(stdout);
    }
}

static void print_breaks(const struct peers_run *run)
{
    row("kills of the provider", run->provider_kills);
    row("kills of the consumer", run->consumer_kills);
    row("  with its directory: only the secret is left", run->directories_lost);
    row("connections broken", run->drops);
    row("connections", run->judge.connections);
}

static void print_blobs(const struct judge *judge)
{
    row("blobs sent", judge->sent);
    row("  committed: at once or after the cooldown", judge->committed);
    row("  committed: as the connection ended", judge->committed_at_disconnect);
    row("  deferred: the cooldown was not over", judge->deferred);
    row("blobs returned", judge->returned);
    row("  confirmed by them: what was sent is safe", judge->confirmations);
    row("  state losses noticed from them", judge->alarms - judge->alarms_repeated);
    row("    noticed again: nothing newer was there yet", judge->alarms_repeated);
    row("  data got back from them", judge->recovered);
}

static bool print_promises(const struct judge *judge)
{
    /* Not &&: every row is printed. */
    bool good = zero("returned otherwise than the newest known durable", judge->returned_wrong);
    good &= zero("overwritten before they were returned", judge->overwritten);
    good &= zero("sequence numbers used twice", judge->seqs_wrong);
    good &= zero("state losses not noticed in time", judge->unnoticed);
    good &= zero("false alarms of state loss", judge->false_alarms);
    good &= zero("data got back other than sent, or too old", judge->recovered_wrong);
    good &= zero("commits beyond one per cooldown", judge->commits_beyond);
    good &= zero("called lost, stale or corrupt", judge->strikes);
    good &= zero("the newest data not confirmed in the end", judge->has_settled ? 0 : 1);
    return good;
}

bool peers_table_print(const struct peers_run *run)
{
    printf("\n");
    print_breaks(run);
    print_blobs(&run->judge);
    const bool good = print_promises(&run->judge);
    row_of_tenths("seconds", (double)(run->ended_us - run->began_us) / 1e6);
    row("seed", run->options.seed);
    if (good) {
        printf("\nEvery number is as it must be: no backup was overwritten, no loss went "
               "unnoticed, and\nwhat was lost came back.\n");
    } else {
        const bool sound = run->options.mistake == PEERS_SOUND;
        printf("\nA number is wrong; the same plan again: --seed %" PRIu64 "%s%s\n",
               run->options.seed, sound ? "" : " --break ",
               sound ? "" : peers_mistake_name(run->options.mistake));
    }
    return good;
}

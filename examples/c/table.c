/*
 * Words and columns.
 */
#define _XOPEN_SOURCE 700
#include "table.h"

#include "broken.h"
#include "clock.h"
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { TERMINAL_EVERY_MS = 200, LOG_EVERY_MS = 5000 };

static uint64_t last_progress_us;

void table_begin(const struct run *run)
{
    printf("lnkeep %s: %u kills, seed %" PRIu64 "\n", lnkeep_version(), run->options.kills,
           run->options.seed);
    if (run->options.broken != BROKEN_NOT) {
        printf("The node makes a mistake on purpose: %s. Numbers must be wrong.\n",
               broken_name(run->options.broken));
        return;
    }
    printf("A node pays invoices, in one part or several, and is killed at random moments. Each\n"
           "life recovers, resumes the payments of the last one, and goes on. The client repeats\n"
           "its orders with the same keys; receivers claim the parts of a payment together. For\n"
           "others it forwards HTLCs, and decides about each against jamming.\n");
}

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
    printf("%s%3" PRIu64 " s  %u of %u kills  %" PRIu64 " payments: %" PRIu64 " succeeded, %" PRIu64
           " failed, %zu open; %" PRIu64 " HTLCs sent%s",
           terminal ? "\r\033[K" : "", (now - run->began_us) / 1000000, run->kills,
           run->options.kills, run->ledger.invoices_len, client->succeeded, client->failed,
           client->open_len, run->ledger.attempts_len, terminal ? "" : "\n");
    fflush(stdout);
}

void table_progress_end(void)
{
    if (isatty(STDOUT_FILENO)) {
        printf("\r\033[K");
        fflush(stdout);
    }
}

static void print_payments(const struct tally *tally)
{
    const uint64_t *failed_of = tally->failed_of;
    row("payments", tally->payments);
    row("  succeeded", tally->succeeded);
    row("    in more than one part", tally->succeeded_in_parts);
    row("  failed", tally->failed);
    row("    no route", failed_of[LNKEEP_PAYMENT_REASON_NO_ROUTE]);
    row("    refused by the receiver", failed_of[LNKEEP_PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS]);
    row("    more than the node has", failed_of[LNKEEP_PAYMENT_REASON_INSUFFICIENT_BALANCE]);
    row("    out of time", failed_of[LNKEEP_PAYMENT_REASON_TIMEOUT]);
    row("attempts", tally->attempts);
    row("  dispatched once", tally->dispatched_once);
    row("    settled", tally->settled);
    row("    failed by the network", tally->failed_by_network);
    row("  never left: refused by the channel, or rolled back", tally->failed_unmarked);
    row("  never left: handed off as the node died", tally->marked_never_left);
}

static void print_restarts(const struct run *run, const struct tally *tally)
{
    const struct client *client = &run->client;
    row("kills", run->kills);
    row("  while opening or recovering", run->kills_while_starting);
    row("restarts", run->lives - 1);
    row("  for an unknown outcome", run->unplanned_ends);
    row("payments resumed: sent on", client->sent_on);
    row("payments resumed: waited for their parts", client->waited);
    row("payments resumed: ended", client->ended_by_resume);
    row("HTLCs out over a restart", tally->held_over_a_death);
    row("orders repeated with the same key", client->repeated_done + client->repeated_already);
    row("  known: tracked, not sent again", client->repeated_already);
    row("asked again after the end: answered with it", client->asked_after_end);
    row("paid invoices under another key: refused", client->refused_paid);
    row("failed payments tried again", client->retried);
    row("events", client->last_event);
    row("  told by two lives, same number", client->events_again);
    row("commitments of channels", tally->commitments);
    row("  disks compared with what had left, after kills", run->inspection.kills);
    row("  changes in flight there, made again", run->inspection.in_flight);
    row("settles noticed from the channels", client->last_notice);
    row("  told by two lives, same number", client->notices_again);
}

static void print_forwards(const struct neighbours *neighbours)
{
    const uint64_t *buckets = neighbours->buckets;
    row("HTLCs of others", neighbours->forwarded + neighbours->refused);
    row("  forwarded", neighbours->forwarded);
    row("    general bucket", buckets[LNKEEP_BUCKET_GENERAL]);
    row("    protected bucket, by reputation", buckets[LNKEEP_BUCKET_PROTECTED]);
    row("    several buckets, by reputation", buckets[LNKEEP_BUCKET_SEVERAL]);
    row("    congestion bucket", buckets[LNKEEP_BUCKET_CONGESTION]);
    row("    accountable", neighbours->accountable);
    row("  failed instead: no reputation, or no room", neighbours->refused);
    row("  out over a restart", neighbours->held_over_a_death);
    row("  offered again while out: answered as before", neighbours->repeats);
    row("calls from memory that kills took along", neighbours->forgotten);
    row("  HTLCs that the neighbours had to tell again", neighbours->added);
    row("  HTLCs that had ended meanwhile", neighbours->dropped);
}

static bool print_promised_forwards(const struct neighbours *neighbours)
{
    bool good = zero("HTLCs of others decided twice", neighbours->tracked_twice);
    good &= zero("repeats with another verdict or signal", neighbours->answered_otherwise);
    good &= zero("pending otherwise than the neighbours hold", neighbours->mismatched);
    good &= zero("slots or liquidity taken by nothing", neighbours->leaked);
    good &= zero("decided durably and lost", neighbours->lost);
    good &= zero("reputation or buckets as they never were", neighbours->no_prefix);
    return good;
}

static bool print_promises(const struct run *run, const struct tally *tally)
{
    const struct inspection *inspection = &run->inspection;
    /* Not &&: every row is printed. */
    bool good = zero("paid more than the amount", tally->overpaid);
    good &= zero("paid in part", tally->paid_in_part);
    good &= zero("ended otherwise than receivers know", tally->ended_otherwise);
    good &= zero("dispatched twice", tally->dispatched_twice);
    good &= zero("acknowledged and lost", tally->lost);
    good &= zero("called failed after it left", tally->failed_though_left);
    good &= zero("payments unfinished", tally->unfinished);
    good &= zero("attempts unresolved", tally->unresolved);
    good &= zero("begin or end not told exactly once", tally->events_wrong);
    good &= zero("repeats answered otherwise", tally->repeats_wrong);
    good &= zero("left the node and not on its disk", inspection->uncovered);
    good &= zero("commitment numbers used twice", run->network.numbers_reused);
    good &= zero("channels and the manager disagree", inspection->disagreements);
    good &= zero("channels damaged", inspection->damaged);
    good &= zero("settles not told, or before their commit",
                 inspection->notices_wrong + tally->notices_wrong);
    good &= print_promised_forwards(&run->neighbours);
    good &= zero("contradictions", tally->inconsistent);
    return good;
}

static void print_run(const struct run *run)
{
    row("commits", run->commit_number);
    if (run->commits > 0) {
        row_of_tenths("operations per commit", (double)run->operations / (double)run->commits);
    }
    row_of_tenths("seconds", (double)(run->ended_us - run->began_us) / 1e6);
    row("seed", run->options.seed);
}

bool table_print(const struct run *run, const struct tally *tally)
{
    printf("\n");
    print_payments(tally);
    print_restarts(run, tally);
    print_forwards(&run->neighbours);
    bool good = print_promises(run, tally);
    print_run(run);
    if (good) {
        printf("\nEvery number is as it must be: no hash was paid twice, nothing left twice, "
               "nothing\nacknowledged was lost, and every payment ended.\n");
    } else {
        const bool sound = run->options.broken == BROKEN_NOT;
        printf("\nA number is wrong; the same plan again: --seed %" PRIu64 "%s%s\n",
               run->options.seed, sound ? "" : " --break ",
               sound ? "" : broken_name(run->options.broken));
    }
    return good;
}

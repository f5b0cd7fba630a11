/*
 * The numbers, and which of them must be 0.
 */
#include "verdict.h"

#include "rows.h"

#include <stdio.h>

static void print_story(const struct verdict *verdict)
{
    row("blobs sent", verdict->blobs);
    row("kills of the node, with its directory", verdict->nodes_killed);
    row("  while it sent its newest state", verdict->kills_while_sending);
    row("kills of the node that recovers", verdict->rescues_killed);
    row("peers asked", verdict->asked);
    row("  that only a roster names", verdict->found_in_rosters);
    row("  returned something new", verdict->answers[RESTORE_ANSWER_NEW]);
    row("  returned nothing new", verdict->answers[RESTORE_ANSWER_KNOWN]);
    row("  returned what nobody can read", verdict->answers[RESTORE_ANSWER_UNREADABLE]);
    row("  returned nothing", verdict->answers[RESTORE_ANSWER_NOTHING]);
    row("  could not be reached", verdict->answers[RESTORE_ANSWER_FAILED]);
    row("shares that restore a payload", verdict->data_shares);
    row("shares that there are", verdict->shares);
    row("refused: too few shares of the newest state", verdict->refusals);
    row("  of which were missing, the last time", verdict->shares_missing);
    row("  older state taken, with consent", verdict->older_with_consent);
    row("payload bytes restored", verdict->payload_bytes);
    row("  in recoveries that left nobody out", verdict->final);
    row("HTLCs restored", verdict->htlcs);
    row("  with their preimages", verdict->htlcs_with_preimage);
    row("ms of the longest recovery", verdict->recovery_ms_max);
}

static bool print_promises(const struct verdict *verdict)
{
    /* Not &&: every row is printed. */
    bool good = zero("payloads not restored", verdict->payloads_missing);
    good &= zero("bytes of payloads that differ", verdict->bytes_differing);
    good &= zero("blocks of another generation", verdict->blocks_mixed);
    good &= zero("HTLCs missing", verdict->htlcs_missing);
    good &= zero("HTLCs too many, or other than they were", verdict->htlcs_wrong);
    good &= zero("older states taken unasked", verdict->older_unasked);
    good &= zero("asked for consent without need", verdict->asked_needlessly);
    good &= zero("blobs sent before the recovery was over", verdict->sent_early);
    good &= zero("channel_reestablish sent before that", verdict->reestablished_early);
    good &= zero("losses that a new backup did not notice", verdict->losses_unnoticed);
    good &= zero("sequence numbers used twice, or falling", verdict->seqs_wrong);
    good &= zero("peers asked again for what was saved", verdict->asked_twice);
    good &= zero("secrets in the clear on peers' disks", verdict->plaintexts);
    good &= zero("recovered nodes not safe again", verdict->not_safe_again);
    return good;
}

bool verdict_print(const struct verdict *verdict)
{
    printf("\n");
    row("rounds", verdict->rounds);
    print_story(verdict);
    return print_promises(verdict);
}

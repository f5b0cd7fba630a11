/*
 * Channels, when everything has ended: no HTLC is left in one, every settle was told once, and no
 * HTLC of others takes up room.
 */
#include "verify.h"

#include "inspect.h"

static void count_notices(const struct run *run, struct tally *tally)
{
    for (uint64_t i = 0; i < run->ledger.attempts_len; i++) {
        const struct ledger_attempt *truth = &run->ledger.attempts[i];
        tally->notices_wrong += truth->notices != (truth->answer == WIRE_UPDATE_FULFILL_HTLC);
    }
}

/* What the last node told before it closed is what it left. */
static bool compare_forwards(struct run *run, lnkeep_store store)
{
    lnkeep_resources resources = LNKEEP_RESOURCES_NONE;
    struct forward_state found;
    if (!inspect_read_forwards(store, &resources, &found)) {
        return false;
    }
    neighbours_closed(&run->neighbours, &found);
    return lnkeep_resources_close(&resources, NULL) == LNKEEP_DONE;
}

bool verify_channels(struct run *run, lnkeep_store store, struct tally *tally)
{
    static struct found found;
    found = (struct found){.has_store = true};
    if (!inspect_read(store, &found)) {
        return false;
    }
    inspect_compare(run, &found);
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        tally->commitments += found.channels[channel].monitor.commitment_number;
        tally->unresolved += found.channels[channel].monitor.htlcs_len;
    }
    count_notices(run, tally);
    tally->notices_wrong += run->client.notices_missed + found.outputs_len;
    return compare_forwards(run, store);
}

/*
 * Where a host asks whether to forward an HTLC of others, and when it says that one is over.
 *
 * These hosts begin as any should: LNKEEP_RESOURCES_ONLY_WATCH forwards everything and counts what
 * would have been failed. A host that has seen enough of that leaves the flag out, fails an HTLC
 * whose verdict is LNKEEP_VERDICT_FAIL with temporary_channel_failure, and sets the accountable
 * signal of the others in update_add_htlc as the decision says.
 */
#ifndef FORWARDS_H
#define FORWARDS_H

#include <lnkeep.h>
#include <stddef.h>
#include <stdint.h>

/* An HTLC on its way through the node: channels by the host's own numbers, and its id on the
 * incoming one. */
struct hop {
    uint64_t incoming, outgoing, htlc_id;
};

struct forwards {
    lnkeep_resources resources;
    uint64_t would_fail;
};

/* Opens the resources for channels 0 and up, and brings them in line with the HTLCs that the
 * channels have out: at every start, before anything is forwarded. */
void forwards_open(struct forwards *forwards, lnkeep_store store, uint64_t channels,
                   const struct hop *out, size_t out_len);

/* Asks, BEFORE the HTLC goes out. A crash in between leaves one that nobody holds, and the next
 * start drops it. */
void forwards_ask(struct forwards *forwards, const struct hop *hop);

/* Says that it was settled, AFTER that left through the incoming channel. The other way round a
 * crash in between would let it end, and count, twice. */
void forwards_over(struct forwards *forwards, const struct hop *hop);

/* Ends the process if something else is tracked than these many HTLCs, which are still out. */
void forwards_close(struct forwards *forwards, uint64_t out_len);

#endif

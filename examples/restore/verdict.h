/*
 * What became of the node's data, and of the promises about it.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include "restore.h"

struct verdict {
    unsigned rounds;

    /* What must be 0. */
    uint64_t payloads_missing, bytes_differing, blocks_mixed, htlcs_missing, htlcs_wrong;
    uint64_t older_unasked, asked_needlessly, sent_early, reestablished_early, losses_unnoticed;
    uint64_t seqs_wrong, asked_twice, plaintexts, not_safe_again;

    /* What happened. */
    uint64_t blobs, nodes_killed, kills_while_sending, rescues_killed, older_with_consent;
    uint64_t asked, found_in_rosters, answers[RESTORE_ANSWERS], refusals, shares_missing;
    uint64_t payload_bytes, htlcs, htlcs_with_preimage;
    uint64_t data_shares, shares, final, recovery_ms, recovery_ms_max;
};

/* One story, as far as what came back is judged by it. */
struct truth {
    uint64_t seed;
    unsigned version;      /* the newest one of which enough honest peers hold shares */
    unsigned last_version; /* the newest one that the node had */
    bool is_later_known;   /* an honest peer holds a share of that one, or of one between them */
    bool mixes_payload;    /* the negative control: see RESTORE_MIXED_PAYLOAD */
};

/* Looks at what the node wrote down. */
void verdict_of_payload(struct verdict *verdict, const struct truth *truth, bool has_consent);
void verdict_of_htlcs(struct verdict *verdict, const struct truth *truth);

/* Looks through every file below the current folder's peers, and the saved session, for what only
 * the node may know. */
void verdict_of_disks(struct verdict *verdict, const struct truth *truth);

/* Prints the table. True if every number is as it must be. */
bool verdict_print(const struct verdict *verdict);

#endif

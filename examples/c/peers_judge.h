/*
 * The judge: knows every blob that passed the wire, and says whether what came back is what it must
 * be. It goes by the bytes on the wire, and by what the two told; it has the consumer's secret, and
 * so can look into the blobs.
 */
#ifndef PEERS_JUDGE_H
#define PEERS_JUDGE_H

#include "peers.h"

#include <lnkeep.h>
#include <stddef.h>

struct judged_blob {
    uint64_t name;
    uint64_t seq;
    uint64_t counter;     /* of the data in it */
    unsigned generation;  /* directories that the consumer had lost when it sent it */
    uint8_t sha256[32];
};

/* A connection between the two, as the wire shows it. */
struct judged_connection {
    unsigned generation; /* of the consumer */
    bool began;          /* the provider began channel_reestablish */
    bool returned;       /* it returned a blob: `blob`, counted from 1 */
    size_t blob;
    bool looked;         /* the consumer has looked at it, or at its absence */
    bool alarm;          /* the consumer said that this blob shows a loss */
};

struct judge {
    uint8_t secret[PEERS_SECRET_BYTES];
    struct judged_blob *blobs; /* in the order in which they were sent */
    size_t blobs_len, blobs_capacity;
    struct judged_connection connection;
    unsigned generation;
    uint64_t seq_max; /* of this generation */

    /* Blobs, counted from 1; 0 for none. What comes back is never older than these. */
    size_t durable;   /* newest that the provider called durable */
    size_t accepted;  /* newest that this life of the provider took */
    size_t confirmed; /* newest that came back to the consumer, which counts as acknowledged */

    uint64_t commits_on_disk; /* as the provider last knew them */
    uint64_t commit_ms;       /* of the last one in this life, 0 for none */

    uint64_t sent, committed, committed_at_disconnect, deferred, returned, connections;
    uint64_t confirmations, strikes, alarms, alarms_repeated, recovered, settled;
    unsigned noticed_generation; /* the last directory whose loss was noticed */
    bool has_settled;
    bool cannot_judge; /* the reason was printed */

    /* What must be 0. */
    uint64_t returned_wrong, overwritten, seqs_wrong, unnoticed, false_alarms, commits_beyond;
    uint64_t recovered_wrong;
};

/* A message left one side, whole. */
void judge_from_consumer(struct judge *judge, lnkeep_bytes message);
void judge_from_provider(struct judge *judge, lnkeep_bytes message);

void judge_connected(struct judge *judge);
void judge_provider_died(struct judge *judge);
void judge_directory_lost(struct judge *judge);

void judge_report(struct judge *judge, const struct peers_report *report);

/* What is on the provider's disk in the end, an empty view for nothing, and how often it was
 * written. */
void judge_disk(struct judge *judge, lnkeep_bytes blob, uint64_t commits);

/* The blob of this name that was sent, counted from 1; 0 for none. */
size_t judge_find(const struct judge *judge, uint64_t name);

void judge_free(struct judge *judge);

#endif

/* The components beside attempts and payments, as the stores that are damaged hold them. */

#ifndef TORTURE_DAMAGE_PARTS_H
#define TORTURE_DAMAGE_PARTS_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

enum part { PART_MONITORS, PART_RESOURCES, PART_PEERS, PART_BACKUP, PARTS };
extern const char *const part_names[PARTS];

#define HAS_PART(part) (1u << (part))
/* The backup of this shape ends with a state that was lost and that nobody acknowledged. */
#define HAS_LOST_STATE (1u << PARTS)

/* --- What a sound store answers. */

enum { CHANNELS_MAX = 64, UPDATES_KEPT_MAX = 24, OUTPUTS_MAX = 256 };

struct known_channel {
    uint8_t id[32];
    uint32_t stage; /* LNKEEP_STAGE_*, or 0 when it was purged */
    uint64_t base, tip;
    uint64_t snapshot, updates[UPDATES_KEPT_MAX]; /* digests */
    lnkeep_channel facts;
};

struct known_output {
    uint64_t id, tag, payload;
};

struct monitors_truth {
    size_t channels_len, outputs_len;
    uint64_t made_outputs, managers; /* how many the builder made */
    uint64_t manager, commit_sequence, last_output;
    struct known_channel channels[CHANNELS_MAX];
    struct known_output outputs[OUTPUTS_MAX];
};

enum { RESOURCE_CHANNELS_MAX = 64, HTLCS_MAX = 1024, PAIRS_MAX = 1024, MARKS_MAX = 64 };

struct resources_truth {
    size_t channels_len, pending_len, pairs_len, marks_len;
    size_t made_htlcs;
    uint64_t journal_next;
    lnkeep_resources_channel channels[RESOURCE_CHANNELS_MAX];
    lnkeep_pending_htlc pending[HTLCS_MAX];
    lnkeep_resources_pair pairs[PAIRS_MAX];
    lnkeep_resources_mark marks[MARKS_MAX];
};

enum { STORAGE_PEERS_MAX = 96 };

struct known_peer {
    uint8_t node_id[33];
    unsigned version; /* of its blob */
    uint64_t blob;    /* digest */
    size_t blob_len;
    lnkeep_peer_entry entry;
};

struct peers_truth {
    size_t peers_len;
    struct known_peer peers[STORAGE_PEERS_MAX];
};

enum {
    BACKUP_CLASS = 65531,
    BACKUP_PEERS_MAX = 24,
    BACKUP_MEETS = 6,    /* peers that the next host meets: half of them return what they keep */
    BACKUP_SEALS = 2,    /* blobs that it seals */
    BACKUP_MADE = 1,     /* entropy of the builder; a new instance is known by another one */
    BACKUP_READ = 2,
    SHARES_KNOWN_MAX = 96,
};

struct known_share {
    uint64_t generation, digest;
    uint32_t index;
};

struct backup_truth {
    size_t peers_len, shares_len, due_len;
    uint64_t payload_seed; /* of the newest payload */
    uint64_t concluded[BACKUP_MEETS]; /* state and action of each that is met */
    uint8_t kept[BACKUP_PEERS_MAX][BACKUP_CLASS]; /* what each peer was sent last */
    uint8_t is_kept[BACKUP_PEERS_MAX];
    lnkeep_backup_standing standing;
    lnkeep_backup_peer peers[BACKUP_PEERS_MAX];
    struct known_share shares[SHARES_KNOWN_MAX]; /* of every blob that was sealed */
    uint8_t due[BACKUP_PEERS_MAX][33];           /* whom the first tick of the next host names */
};

struct parts_truth {
    unsigned wanted; /* bits of HAS_PART and HAS_LOST_STATE */
    unsigned len;    /* channels and peers of each part */
    struct monitors_truth monitors;
    struct resources_truth resources;
    struct peers_truth peers;
    struct backup_truth backup;
};

/* --- Handles of a host, and what it does with them. */

struct parts {
    lnkeep_store store;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    lnkeep_peer_storage peers;
    lnkeep_backup backup;
    struct parts_truth *truth;
};

struct reading;

/*
 * Each fills its rows at one of three stages, of which the first and the second begin with an open,
 * and the last makes small commits; learns them from a sound store (0 when all is as it was made);
 * judges what a damaged store answers.
 */
lnkeep_status monitors_fill(struct parts *p, unsigned stage);
int monitors_learn(struct parts *p);
void monitors_judge(const struct reading *reading, struct parts *p);

lnkeep_status resources_fill(struct parts *p, unsigned stage);
int resources_learn(struct parts *p);
void resources_judge(const struct reading *reading, struct parts *p);

lnkeep_status peers_fill(struct parts *p, unsigned stage);
int peers_learn(struct parts *p);
void peers_judge(const struct reading *reading, struct parts *p);

lnkeep_status backup_fill(struct parts *p, unsigned stage);
int backup_learn(struct parts *p);
void backup_judge(const struct reading *reading, struct parts *p);

/* All that the store has, in this order; a part that does not open is left out. */
lnkeep_status parts_fill(struct parts *p, unsigned stage);
lnkeep_status parts_close(struct parts *p);
int parts_learn(struct parts *p);
void parts_judge(const struct reading *reading, struct parts *p);

/* --- Bytes that follow from numbers. */

void part_bytes(uint64_t seed, uint8_t *bytes, size_t len);
uint64_t part_digest(const void *bytes, size_t len);
/* An id of 32 bytes; a node id has a byte before it. */
void part_id(const char *of, size_t number, uint8_t id[32]);
void part_node_id(const char *of, size_t number, uint8_t node_id[33]);

/* What monitors hold, by the numbers of channels, updates, outputs and managers. */
lnkeep_bytes monitors_snapshot(size_t channel, uint64_t update_id);
lnkeep_bytes monitors_update(size_t channel, uint64_t update_id);
lnkeep_bytes monitors_payload(uint64_t tag);
lnkeep_bytes monitors_manager(uint64_t number);
/* With a view of the channels as they are in `now`. */
lnkeep_status monitors_commit(struct parts *p, const struct monitors_truth *now, uint64_t manager);

/* The HTLC of a number, as it was asked for; channels have the numbers from FIRST_CHANNEL on. */
enum { FIRST_CHANNEL = 1000 };
lnkeep_htlc_request resources_request(const struct parts *p, size_t number);
lnkeep_status resources_open_at(struct parts *p, unsigned stage, lnkeep_resources_report *report);
/* The channels, HTLCs, pairs and marks of now; 0 when they do not fit. */
int resources_read(struct parts *p, struct resources_truth *now);

lnkeep_bytes peers_blob(size_t peer, unsigned version);
lnkeep_status peers_tell_claims(struct parts *p, unsigned stage);
/* Whether a peer has a channel after a stage. */
int peers_has_claim(size_t peer, unsigned stage);

enum { PEERS_CLOSED_AT = 800000 };
/* The host's time after the builder ended. */
#define PARTS_NOW_MS UINT64_C(1700100000000)

lnkeep_status backup_open_part(struct parts *p, uint8_t entropy, lnkeep_backup_report *report);
void backup_node_id(size_t peer, uint8_t node_id[33]);
/* Every peer that is met connects; its state and action, and what was not DONE. */
lnkeep_status backup_meet(struct parts *p, size_t peer, uint64_t *concluded);
lnkeep_status backup_tell(struct parts *p, uint64_t now_ms);
lnkeep_status backup_read_peers(struct parts *p, lnkeep_backup_peer *peers, size_t *len);
/* Remembers, or compares, each share of a blob; 0 when one is another than it was. */
int backup_look_at_shares(struct backup_truth *truth, size_t peer, lnkeep_bytes blob,
                          int remembers);

#endif

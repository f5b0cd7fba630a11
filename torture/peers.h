/*
 * Peer storage and backup in the workload. What other nodes hand us is a set of blobs that the disk
 * may hold; what we hand to other nodes lies in memory that outlives the host, as theirs would.
 */

#ifndef TORTURE_PEERS_H
#define TORTURE_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

/* --- The provider: blobs of other nodes. */

enum {
    PROVIDER_PEERS = 6,
    POSSIBLE_MAX = 24,
    PROVIDER_BLOB_MAX = 1500,
    ACCEPTED_BLOB_MAX = 1400,
    WAITING_MAX = 1200, /* bytes that may wait in memory */
    WITH_BLOB_MAX = 5,  /* peers that may have a blob, and their bytes */
    KEPT_BYTES_MAX = 4000,
    RETENTION_BLOCKS = 20,
    FIRST_HEIGHT = 1000,
};

enum provider_call {
    PROVIDER_STORE, /* two blobs in a row */
    PROVIDER_MEET,  /* gone, there again, and a new blob */
    PROVIDER_CLAIM,
    PROVIDER_TICK,
    PROVIDER_SYNC,
    PROVIDER_BLOCK,
    PROVIDER_PRUNE,
    PROVIDER_PRUNE_ALL,
    PROVIDER_READ,
};

/* Why a peer may store: what the host knows of its channels. */
enum claim { CLAIM_NONE, CLAIM_PENDING, CLAIM_OPEN, CLAIM_ALLOWED };

/* What was promised of one peer's blob. Versions rise with the script; 0 is none at all. */
struct promise {
    /* What the disk may hold, in the order in which it came: one of these, whole. */
    volatile uint16_t possible[POSSIBLE_MAX];
    volatile unsigned len;
    volatile uint8_t claim; /* the host has its channels in a database of its own */
    volatile uint32_t closed_at; /* height of a reported end of the last claim; 0 if not durable */
};

struct provider_ledger {
    struct promise peers[PROVIDER_PEERS];
    volatile uint64_t now_ms;
    volatile uint32_t height;
};

/* What the open storage has to answer from: known exactly, for one caller at a time. */
struct provider_peer {
    uint16_t stored, waiting; /* versions, 0 for none */
    uint8_t was_written;      /* since the open, at that time */
    uint8_t is_vague;         /* a failed call may have been a write */
    uint8_t claim;            /* as it was told */
    uint64_t written_ms;
    uint32_t closed_at;
};

struct provider {
    lnkeep_peer_storage storage;
    struct provider_peer peers[PROVIDER_PEERS];
};

/* What a blob that came in has to be answered. */
struct provider_answer {
    lnkeep_status status;
    uint32_t result;
};

void provider_node(unsigned peer, uint8_t node_id[33]);
/* Answers PROVIDER_PEERS for any other node. */
unsigned provider_peer_of(const uint8_t *node_id);
/* The bytes live until the next call. */
lnkeep_bytes provider_blob(unsigned peer, unsigned version);

void promise_may_be(struct promise *promise, unsigned version);
void promise_is(struct promise *promise, unsigned version);
void promise_is_not(struct promise *promise, unsigned version);
/* Which of the possible ones these bytes are, the newest of equal ones; -1 for none of them. */
int promise_find(const struct promise *promise, unsigned peer, const lnkeep_buf *blob);

struct provider_answer provider_expects(const struct provider *provider, unsigned peer,
                                        unsigned version, uint64_t now_ms);
/* The peer after the answer. */
void provider_accepts(struct provider *provider, unsigned at, unsigned version, uint32_t result,
                      uint64_t now_ms);
void provider_wrote(struct provider_peer *peer, uint64_t now_ms);
int provider_is_due(const struct provider_peer *peer, uint64_t now_ms);
int provider_is_due_at_disconnect(const struct provider_peer *peer, uint64_t now_ms);
int provider_is_collectable(const struct provider_peer *peer, uint32_t height);
unsigned provider_newest(const struct provider_peer *peer);

/* --- The consumer: our own blobs at other nodes. */

enum {
    KEEPERS = 8,          /* peers with a channel: they keep shares */
    LIAR = KEEPERS,       /* returns what it likes; it is sent whole payloads only */
    STRANGER = LIAR + 1,  /* holds what we cannot read */
    FOREIGNER = STRANGER + 1, /* holds what a database of ours sealed that is lost */
    BACKUP_PEERS = FOREIGNER + 1,
    BACKUP_BLOB_BYTES = 1024,
    BACKUP_SLOTS = 6,
    SEALED_MAX = 1024,
    PAYLOAD_MAX = 1300,
    HTLCS = 24,
    SHARE_BYTES = 263,       /* of the longest share that a blob of ours takes */
    OBJECT_TAIL_BYTES = 4,   /* after payload and HTLCs in what is cut */
    JOURNAL_ROOM_BYTES = 596, /* for HTLCs in a journal of ours: a roster and its head go along */
    ALL_KEEPERS = (1 << KEEPERS) - 1,
    BACKUP_INTERVAL_MS = 30000,
    BATCH_MS = 5000,
};

enum consumer_call {
    CONSUMER_PAYLOAD,
    CONSUMER_MEET, /* keepers of a mask */
    CONSUMER_LIAR,
    CONSUMER_STRANGER,
    CONSUMER_LOSS, /* the foreigner shows that we lost state */
    CONSUMER_ACKNOWLEDGE,
    CONSUMER_ADOPT,
    CONSUMER_FORGET,
    CONSUMER_READY,
    CONSUMER_HTLC,
};

/* A blob that left for a peer. */
struct kept_blob {
    uint64_t seq, base; /* of a journal: the generation that it is relative to, 0 for none */
    uint16_t payload;
    uint8_t is_journal;
    uint8_t bytes[BACKUP_BLOB_BYTES];
};

/* A peer that keeps our blobs, and what it was promised that we remember. */
struct keeper {
    struct kept_blob slots[BACKUP_SLOTS];
    volatile int held;     /* slot of what it returns, -1 for nothing */
    volatile int incoming; /* slot of what it was sent and did not take yet, -1 for nothing */
    volatile int before;   /* slot of what it held before, which the liar returns */
    volatile uint64_t sent_seq;      /* the last number that left for it */
    volatile uint64_t committed_seq; /* the greatest that it returned, once that is durable */
    volatile uint64_t returned_seq;  /* the greatest that it returned, whatever became of that */
    volatile uint8_t is_protected;   /* what it holds may not be overwritten: enum protection */
};

/* The last two leave it to the next open: the host died, or was not told, what its call did. */
enum protection { NOT_PROTECTED, IS_PROTECTED, PROTECTION_IN_DOUBT, PROTECTION_LIFTED };

/* What a number was used for. */
struct sealed {
    uint64_t seq, digest; /* digest of the blob; 0 while none left */
    uint16_t payload;
    uint32_t htlcs, htlcs_in_doubt; /* bits of those that had been told by then */
};

struct consumer_ledger {
    struct keeper peers[BACKUP_PEERS];
    struct sealed sealed[SEALED_MAX];
    volatile unsigned sealed_len; /* ever */
    volatile uint16_t payload;   /* what the host has to keep now */
    volatile uint16_t secure;    /* a payload that is known to be restorable, or a newer one */
    volatile uint64_t seq_last;  /* the greatest number that left */
    volatile uint64_t adopted_seq, foreign_seq;
    volatile uint8_t is_blocked, is_block_in_doubt;
    volatile uint32_t htlcs; /* bits of those that are pending */
    /* A journal that came back, since the payload goes whole: its keeper goes on to keep one. */
    volatile uint64_t secure_journal;
    uint8_t is_untold;  /* a control: the library is told of no HTLC any more */
    uint8_t is_unheard; /* a control: what peers return is not given to the library */
    volatile uint64_t now_ms;
};

struct consumer {
    lnkeep_backup backup;
    uint8_t instance[16];
    /* Conclusions that a later tick makes durable: the number, and when it was concluded. */
    struct {
        uint64_t seq, concluded_ms;
        uint64_t journal; /* the journal that came back and is complete by itself, 0 for none */
        uint16_t whole; /* the payload that came back whole, 0 for none */
    } returned[BACKUP_PEERS];
    uint32_t htlcs_in_doubt; /* bits of those whose call failed since the open */
    /* What has to be known of a peer: taken over at the open, and what was answered since. */
    struct {
        uint64_t sent_seq, committed_seq;
        uint8_t is_vague; /* a call failed, and may have changed it */
    } peers[BACKUP_PEERS];
};

extern const uint8_t consumer_secret[32];

void consumer_node(unsigned peer, uint8_t node_id[33]);
unsigned consumer_peer_of(const uint8_t *node_id);
/* The bytes live until the next call. */
lnkeep_bytes consumer_payload(unsigned number);
/* Whether it is longer than a blob. */
int consumer_is_cut(unsigned number);
lnkeep_backup_htlc consumer_htlc(unsigned number);
/* Of these HTLCs those that so many bytes tell: the largest first. */
uint32_t consumer_fitting(uint32_t htlcs, unsigned bytes_max);
lnkeep_peer_facts consumer_facts(unsigned peer, uint8_t address[7]);
/* What the foreigner holds: sealed by our secret under a number that this database never used. */
lnkeep_buf *consumer_foreign(const uint8_t instance[16], unsigned peer, uint64_t seq);

struct sealed *consumer_sealed(struct consumer_ledger *ledger, uint64_t seq);
/* NULL for a number that nothing was sealed under, or long ago. */
const struct sealed *consumer_find_sealed(const struct consumer_ledger *ledger, uint64_t seq);
/* Another slot than those in use; the blob is written there before anything points to it. */
int keeper_free_slot(const struct keeper *keeper);
/* Before the first life: nobody holds anything. */
void consumer_begin(struct consumer_ledger *ledger);
void provider_begin(struct provider_ledger *ledger);

/* Returns what was held when the blobs are fed to a recovery. */
struct restored {
    unsigned payload;   /* 0 when nothing can be restored */
    uint64_t seq_floor; /* what numbers may go on above */
    uint64_t htlcs_seq; /* of the journal or the generation that the HTLCs are of, 0 for none */
    uint32_t htlcs;
};
struct restored consumer_restore(const struct consumer_ledger *ledger, int takes_incoming,
                                 uint64_t greatest_seq);

#endif

/*
 * Two nodes that speak BOLT 1's peer storage, and what they tell their parent about it.
 *
 *   provider.c        keeps the blob of a peer: lnkeep_peer_storage_*
 *   consumer.c        has its own data kept by a peer: lnkeep_backup_*
 *   consumer_data.c   that data: a counter and a list of channels
 *   consumer_loss.c   what it does when it learns that it lost its data
 *   peers_common.c    the clock, the names, the reports
 *   frames.c          the messages of both, on a stream socket: lnkeep_wire_* for types 7 and 9
 *
 * These are what a node engineer would start from. The rest is the world around them:
 *
 *   peers.c           options; starts as the parent, or as one of the two
 *   peers_run.c       starts both, kills them, deletes a directory
 *   peers_relay.c     the wire between them, which breaks at times, and which the parent listens to
 *   peers_judge.c     what was sent, and whether what came back is what it must be
 *   peers_table.c     the numbers
 */
#ifndef PEERS_H
#define PEERS_H

#include <stdbool.h>
#include <stdint.h>

enum { PEERS_NODE_ID_BYTES = 33, PEERS_SECRET_BYTES = 32, PEERS_BLOCK_HEIGHT = 900000 };

/* A real connection learns the other end's node id from the handshake of BOLT 8. Here each side
 * knows it. */
extern const uint8_t PEERS_PROVIDER_ID[PEERS_NODE_ID_BYTES];
extern const uint8_t PEERS_CONSUMER_ID[PEERS_NODE_ID_BYTES];

/* Sockets in the directory that all three processes work in. */
#define PEERS_PROVIDER_SOCKET "provider.socket" /* the provider listens */
#define PEERS_WIRE_SOCKET "wire.socket"         /* the parent listens, and carries on to it */

#define PEERS_PROVIDER_STORE "provider"
/* All that the consumer has, and loses at times. */
#define PEERS_CONSUMER_DIRECTORY "consumer"

/* Small, so that in seconds happens what takes days: lnkeep's own are 1,000 ms, 100 ms and 60 s. */
enum {
    PEERS_COOLDOWN_MS = 40,
    PEERS_DISCONNECT_INTERVAL_MS = 1,
    PEERS_RESEND_INTERVAL_MS = 7,
    PEERS_CHANGE_MS = 3, /* the consumer's data is another */
};

/* The negative controls (--break): the same nodes with one mistake that hosts make. */
enum peers_mistake {
    PEERS_SOUND,
    PEERS_EARLY_SEND,    /* the consumer takes init for channel_reestablish: no hold */
    PEERS_LATE_LOOK,     /* the consumer looks at what came back after channel_reestablish */
    PEERS_MEMORY_SEQ,    /* the consumer seals by itself and counts in memory */
    PEERS_EARLY_COMMIT,  /* the provider takes accepted for durable */
    PEERS_NO_COOLDOWN,   /* the provider writes every blob at once */
    PEERS_MISTAKES,
};

/* What the two tell their parent. A blob is named by its first eight bytes, which are random. */
enum peers_report_kind {
    PEERS_REPORT_OPENED,       /* provider; number: blobs written to its disk so far */
    PEERS_REPORT_COMMITTED,    /* provider; blob, at_ms as lnkeep was told */
    PEERS_REPORT_COMMITTED_AT_DISCONNECT, /* the same */
    PEERS_REPORT_DEFERRED,     /* provider; blob */
    PEERS_REPORT_LOOKED,       /* consumer; blob: lnkeep has seen it, or 0: that there is none */
    PEERS_REPORT_CONFIRMED,    /* consumer; blob: came back as it was sent */
    PEERS_REPORT_STRIKE,       /* consumer: it did not */
    PEERS_REPORT_STATE_LOSS,   /* consumer; blob: shows that we lost state */
    PEERS_REPORT_RECOVERED,    /* consumer; blob, number: the counter that it held */
    PEERS_REPORT_SETTLED,      /* consumer; number: the counter of the data that has come back */
};

struct peers_report {
    uint32_t kind; /* enum peers_report_kind */
    uint32_t reserved;
    uint64_t blob;
    uint64_t at_ms;
    uint64_t number;
};

/* What the parent tells the consumer: first this, later one byte: stop changing. */
struct peers_start {
    uint8_t secret[PEERS_SECRET_BYTES]; /* not on the command line, which others can read */
};

/* Milliseconds since 1970, and never back while this process lives. */
uint64_t peers_now_ms(void);

/* The name of a blob in reports. */
uint64_t peers_blob_name(const uint8_t *blob, uint64_t len);

/* Send a report; ends the process when the parent is gone. */
void peers_report(int control_fd, const struct peers_report *report);

/* The consumer's process; the provider's is in provider.h. Returns its exit status. */
int consumer_run(int control_fd, enum peers_mistake mistake);

const char *peers_mistake_name(enum peers_mistake mistake);
bool peers_mistake_of_name(const char *name, enum peers_mistake *mistake);

#endif

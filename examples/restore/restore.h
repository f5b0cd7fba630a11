/*
 * A node's backup at ten peers, and its recovery from nothing.
 *
 *   node.c       has its data kept: lnkeep_backup_*
 *   links.c      its connections, and the time that passes between them
 *   rescue.c     gets the data back with the secret alone: lnkeep_recovery_*
 *   crawl.c      whom it asks, and what it is told
 *   peer.c       keeps blobs, and lies when it is told to (over ../c/provider.c)
 *   data.c       the data: a payload and HTLCs, at each of their versions
 *   world.c      names, addresses, and what public graphs show
 *   files.c      whole files
 *
 * The first four are what a node engineer would start from. The rest is the world around them:
 *
 *   restore.c    options; starts as the parent, or as one of the others
 *   stage.c      starts, orders and kills processes
 *   round.c      one story: keep, kill, delete, lie, recover
 *   verdict.c    whether what came back is what it must be
 *   figures.c    the numbers
 *   ../c         messages on sockets, clocks, columns: what the other demos have, too
 */
#ifndef RESTORE_H
#define RESTORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RESTORE_PEERS = 10,
    RESTORE_VERSIONS = 3, /* of the data, before the node is killed in the next one or after it */
    RESTORE_LIARS = 3,
    RESTORE_SECRET_BYTES = 32,
};

/* What the node that recovers has on its disk, and what the parent looks at. */
#define RESTORE_NODE_DIRECTORY "node"
#define RESTORE_STORE "node/store"
#define RESTORE_SESSION "node/session"
#define RESTORE_PAYLOAD "node/restored-payload"
#define RESTORE_HTLCS "node/restored-htlcs"

/* The negative controls (--break). */
enum restore_mistake {
    RESTORE_SOUND,
    RESTORE_TOO_MANY_LIARS,  /* one more liar than shares may be missing */
    RESTORE_WRONG_SECRET,    /* the node recovers with another secret */
    RESTORE_TAKES_OLDER,     /* it takes an older state unasked; too many liars see to it that there
                                is one */
    RESTORE_SENDS_EARLY,     /* it sends a blob before the recovery is over */
    RESTORE_ANSWERS_EARLY,   /* it answers channel_reestablish before that */
    RESTORE_FORGETS_FLOOR,   /* its new backup is not told which numbers were used */
    RESTORE_LOOKS_AWAY,      /* nor is it shown what peers return */
    RESTORE_SAVES_NOTHING,   /* it does not save its session */
    RESTORE_NO_HTLCS,        /* the node tells lnkeep of no HTLC */
    RESTORE_NO_CIPHER,       /* the node sends its data as it is */
    RESTORE_MIXED_PAYLOAD,   /* the parent puts a block of the version before into what came back */
    RESTORE_MISTAKES,
};

/* How a peer lies. */
enum restore_lie {
    RESTORE_HONEST,
    RESTORE_WITHHOLDS, /* returns nothing */
    RESTORE_OLD,       /* returns the first blob that it was given */
    RESTORE_GARBAGE,   /* returns other bytes */
};

/* What a process is told first. */
struct restore_start {
    uint8_t secret[RESTORE_SECRET_BYTES]; /* not on the command line, which others can read */
    uint64_t seed;     /* of the data, which only the node knows */
    uint64_t clock_ms; /* its clock shows this time */
    uint32_t peer;     /* which one this is, for a peer */
    uint32_t mistake;  /* enum restore_mistake */
};

enum restore_order_kind {
    RESTORE_ORDER_STEP,    /* node; value: version to go to */
    RESTORE_ORDER_LIE,     /* peer; value: enum restore_lie */
    RESTORE_ORDER_COUNT,   /* peer */
    RESTORE_ORDER_GO,      /* the node that recovers; value: 1 when it may go on: with an older
                              state, or to adopt what it found */
};

struct restore_order {
    uint32_t kind;
    uint32_t value;
    uint32_t blobs; /* RESTORE_ORDER_STEP: after so many the node waits to be killed; 0: none */
};

enum restore_report_kind {
    RESTORE_REPORT_SENT,     /* node; peer; number: the blob's sequence number */
    RESTORE_REPORT_ROLE,     /* node; peer; number: enum restore_role */
    RESTORE_REPORT_STEP,     /* node; number: shares that came back; other: shares that restore */
    RESTORE_REPORT_COUNTS,   /* peer; number: blobs it was sent; other: channel_reestablish;
                                value: 1 while the node is connected */
    RESTORE_REPORT_ASKED,    /* the node that recovers, as in all below; peer */
    RESTORE_REPORT_ANSWERED, /* peer; value: enum restore_answer */
    RESTORE_REPORT_REFUSED,  /* value: status of the refusal; number: shares that are missing */
    RESTORE_REPORT_RESTORED, /* number: generation; other: bytes; value: recovery status */
    RESTORE_REPORT_HTLCS,    /* number: how many */
    RESTORE_REPORT_ALARM,    /* number: peers that showed the loss; other: seals not refused then */
    RESTORE_REPORT_ADOPTED,  /* number: where the sequence numbers go on */
    RESTORE_REPORT_SAFE,     /* number: shares that came back; other: shares that restore */
    RESTORE_REPORT_GAVE_UP,  /* nothing more can be done */
};

enum restore_role { RESTORE_ROLE_NONE, RESTORE_ROLE_SHARE, RESTORE_ROLE_JOURNAL };

enum restore_answer {
    RESTORE_ANSWER_NEW,        /* a blob that brought something */
    RESTORE_ANSWER_KNOWN,      /* one that brought nothing new */
    RESTORE_ANSWER_UNREADABLE, /* bytes that do not open */
    RESTORE_ANSWER_NOTHING,
    RESTORE_ANSWER_FAILED,     /* not reached */
    RESTORE_ANSWERS,
};

struct restore_report {
    uint32_t kind;
    uint32_t peer;
    int64_t value;
    uint64_t number;
    uint64_t other;
};

void restore_report(int control_fd, const struct restore_report *report);

/* The processes. Each returns its exit status. */
int restore_peer_run(int control_fd);
int restore_node_run(int control_fd);
int restore_rescue_run(int control_fd);

#endif

/*
 * One life of the node whose data is kept.
 */
#ifndef NODE_H
#define NODE_H

#include "data.h"
#include "frames.h"
#include "restore.h"
#include "world.h"

/* A generation leaves in batches within seconds, a journal at least every 72 seconds, and a minute
 * later where a peer's budget says so: both are through by then. */
enum { NODE_SETTLE_MS = 140000 };

/* A connection to a peer with which the node has a channel. */
struct link {
    int fd;          /* -1 without a connection */
    bool is_greeted; /* the peer's init has come */
    bool has_begun;  /* the peer began channel_reestablish: what it returns, it has returned */
    struct frame_reader reader;
};

struct node {
    lnkeep_store store;
    lnkeep_backup backup;
    int control_fd;
    uint64_t seed;
    unsigned version; /* of its data; 0 for none */
    enum restore_mistake mistake;
    int64_t ahead_ms; /* its clock, before the one of the machine */
    uint64_t tick_ms; /* when lnkeep has something to do */
    bool has_channels; /* it answers channel_reestablish; a node that recovers does not, yet */
    unsigned blobs_left; /* until it waits to be killed; 0: it does not */
    bool looks_away;   /* what peers return is not shown to lnkeep: a mistake */
    unsigned losses;   /* peers that showed that it lost its data */
    struct link links[RESTORE_PEERS];
};

/* The node's clock, which the demo turns on where nothing happens for minutes. */
uint64_t node_now_ms(const struct node *node);
void node_set_clock(struct node *node, uint64_t now_ms);

/* Opens the backup in RESTORE_STORE, and tells lnkeep which peers there are. */
void node_open(struct node *node, const uint8_t *secret);
void node_close(struct node *node);

void node_set_payload(struct node *node, lnkeep_bytes payload);
void node_tell_htlc(struct node *node, const struct data_htlc *htlc);

/* Connects to every peer, and waits until each has returned what it keeps or has begun
 * channel_reestablish. A peer is done with what it was sent on the connection before. */
void node_connect(struct node *node);
void node_disconnect(struct node *node);

/* So much time passes: whatever is due in it is sent. */
void node_pass(struct node *node, uint64_t ms);

/* Sends a peer what it is to keep. */
void node_send(struct node *node, unsigned peer);

/* Tells the parent. */
void node_report(const struct node *node, enum restore_report_kind kind, unsigned peer,
                 int64_t value, uint64_t number, uint64_t other);

/* The same with where the backup stands: shares that came back, and shares that restore it. */
void node_report_standing(const struct node *node, enum restore_report_kind kind);

/* Not optimised away, as memset before the end of a life could be. */
void node_wipe(uint8_t *secret, size_t len);

#endif

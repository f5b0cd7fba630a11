/*
 * What a router with the shape of lnd keeps: one channel for each link, and the circuit map, which
 * is its manager. A forward changes two links and the map; one commit holds all three.
 */
#ifndef CIRCUITS_H
#define CIRCUITS_H

#include "keep.h"

enum { LINKS = 16 };

enum update_kind {
    UPDATE_ADD_IN = 1, /* an HTLC came in here */
    UPDATE_FULFIL_IN,  /* and was fulfilled */
    UPDATE_ADD_OUT,    /* an HTLC went out here */
    UPDATE_FULFIL_OUT,
};

enum { UPDATE_KINDS = 4, UPDATE_BYTES = 16 };

struct link_state {
    uint64_t tip;                 /* update id */
    uint64_t count[UPDATE_KINDS]; /* of each kind, at update_kind - 1 */
};

/* Where the HTLC came from is its place in the map: a peer here has one on its way at a time. */
struct circuit {
    uint64_t add_in; /* 0: none */
    uint64_t link_out, add_out;
};

struct router {
    struct link_state links[LINKS];
    struct circuit circuits[LINKS];
};

enum { SNAPSHOT_BYTES = 8 * UPDATE_KINDS, MANAGER_BYTES = 8 * 4 * LINKS };

/* What the store has. */
struct disk {
    bool exists, consistent;
    bool agree; /* the manager knows exactly the channels' tips */
    struct router router;
};

uint64_t link_count(const struct link_state *link, enum update_kind kind);

/* False when the update cannot be the next one. */
bool link_apply(struct link_state *link, enum update_kind kind, uint64_t number);

size_t update_encode(enum update_kind kind, uint64_t number, uint8_t bytes[UPDATE_BYTES]);
void snapshot_encode(const struct link_state *link, uint8_t bytes[SNAPSHOT_BYTES]);

/* The circuit map, and which tip of each link it belongs to. */
void manager_encode(const struct router *router, uint8_t bytes[MANAGER_BYTES]);

void link_channel_id(uint64_t link, uint8_t channel_id[32]);

/* Reads manager and channels. */
void disk_load(struct keep *keep, struct disk *disk);

/* Forwards that hold together: what went in went out, and the map has what is on its way. */
bool router_balances(const struct router *router);

/* Both programs open with the same options. */
extern const lnkeep_monitors_options router_options;

#endif

/*
 * One life of the provider, as both demos of peer storage have it.
 */
#ifndef PROVIDER_H
#define PROVIDER_H

#include "frames.h"
#include "peers.h"

struct provider;

/* Where a provider works, and for whom. */
struct provider_place {
    const char *socket;       /* it listens there */
    const char *store;        /* directory of its store */
    const uint8_t *client_id; /* whose blob it keeps */
    int control_fd;           /* its parent */
    enum peers_mistake mistake;
    void (*report)(const struct provider *provider, enum peers_report_kind kind, uint64_t at_ms);
    /* The rest may be NULL. */

    /* Every message of the client, but for its init. */
    void (*hear)(const struct provider *provider, lnkeep_bytes message);
    /* What a liar returns in place of the blob that it keeps; nothing at all without bytes. */
    lnkeep_bytes (*lie)(const struct provider *provider, lnkeep_bytes kept);
    /* The parent says something; false: close. */
    bool (*obey)(const struct provider *provider);
};

struct provider {
    const struct provider_place *place;
    lnkeep_store store;
    lnkeep_peer_storage blobs;
    int listen_fd;
    int peer_fd;     /* -1 without a connection */
    bool is_greeted; /* its init has come */
    bool waits;      /* the newest blob is in memory; it is due at due_ms */
    uint64_t due_ms;
    uint64_t newest; /* name of the newest blob */
    uint64_t commits;
    struct frame_reader reader;
};

/* Until its parent is gone, or says so. Returns the exit status. */
int provider_run(const struct provider_place *place);

#endif

/*
 * One life of the provider.
 */
#ifndef PROVIDER_H
#define PROVIDER_H

#include "frames.h"
#include "peers.h"

struct provider {
    lnkeep_store store;
    lnkeep_peer_storage blobs;
    int control_fd;
    int listen_fd;
    int peer_fd;     /* -1 without a connection */
    bool is_greeted; /* its init has come */
    bool waits;      /* the newest blob is in memory; it is due at due_ms */
    uint64_t due_ms;
    uint64_t newest; /* name of the newest blob */
    uint64_t commits;
    enum peers_mistake mistake;
    struct frame_reader reader;
};

#endif

/*
 * One life of the consumer.
 */
#ifndef CONSUMER_H
#define CONSUMER_H

#include "frames.h"
#include "peers.h"

enum {
    CONSUMER_CHANNELS_MAX = 60,
    CONSUMER_DATA_BYTES_MAX = 12 + 17 * CONSUMER_CHANNELS_MAX,
};

/* What the node would need after a loss: a real one puts its static channel backup here. */
struct consumer_channel {
    uint64_t id;
    uint64_t local_msat;
    bool is_closing; /* came back from a peer: to be closed, never to be used again */
};

struct consumer_data {
    uint64_t counter; /* of changes */
    uint32_t channels_len;
    struct consumer_channel channels[CONSUMER_CHANNELS_MAX];
};

struct consumer {
    lnkeep_store store;
    lnkeep_backup backup;
    struct consumer_data data;
    int control_fd;
    int peer_fd;         /* -1 without a connection */
    bool is_greeted;     /* the peer's init has come */
    bool settles;        /* the data does not change any more */
    uint64_t change_ms;  /* when the data changes */
    uint64_t connect_ms; /* when to try again */
    uint64_t tick_ms;    /* when lnkeep has something to do */
    enum peers_mistake mistake;
    uint8_t secret[PEERS_SECRET_BYTES]; /* zero once the backup is open; memory-sequence keeps it */
    uint64_t memory_seq;                /* of memory-sequence */
    lnkeep_bytes late;                  /* of late-look: what came back */
    struct frame_reader reader;
};

/* Bytes of the data, and back. */
size_t consumer_data_write(const struct consumer_data *data, uint8_t *bytes);
bool consumer_data_read(struct consumer_data *data, const uint8_t *bytes, size_t len);

/* From the consumer's directory; an empty start if there is nothing. */
void consumer_data_load(struct consumer_data *data);
void consumer_data_save(const struct consumer_data *data);

/* Another payment, or another channel. */
void consumer_data_change(struct consumer_data *data);

/* What came back is of a state that this node does not have: takes over what it may, before
 * channel_reestablish is answered, and lets lnkeep send again. */
void consumer_recover(struct consumer *consumer, uint64_t blob, const lnkeep_opened *opened);

/* From now on peers are to keep the data as it is now. */
void consumer_set_payload(struct consumer *consumer);

/* Tells the parent about a blob. */
void consumer_report(const struct consumer *consumer, enum peers_report_kind kind, uint64_t blob,
                     uint64_t number);

/* memory-sequence: as lnkeep_backup_seal, with a number that no disk knows. Nothing to start
 * from. */
lnkeep_status consumer_memory_seal(struct consumer *consumer, uint64_t now_ms, lnkeep_buf **blob,
                                   lnkeep_error *err);

#endif

/*
 * An hour of a host that is killed again and again: what its threads were told lies in memory of the
 * supervisor, each thing once, and for each thread the one call that is under way.
 */

#ifndef TORTURE_SOAK_H
#define TORTURE_SOAK_H

#include <lnkeep.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The threads of the host; each has things of its own. */
enum lane_name {
    LANE_ATTEMPTS,                     /* two */
    LANE_PAYMENTS = LANE_ATTEMPTS + 2, /* two */
    LANE_MONITORS = LANE_PAYMENTS + 2,
    LANE_RESOURCES,
    LANE_PROVIDER,
    LANE_CONSUMER,
    LANE_EVENTS,
    LANE_UPKEEP,
    LANES,
};

enum {
    LANES_OF_A_KIND = 2,
    ATTEMPTS = 64,
    PAYMENTS = 48,
    CHANNELS = 8,
    FORWARDS = 64,
    PROVIDED = 6,
    KEEPERS = 3,
    SEALED_BYTES = 4096, /* LNKEEP's second size class */
    THING_BYTES = 192,
};

/* --- What is acknowledged, one structure for each kind of thing. */

enum attempt_stage {
    ATTEMPT_NONE, /* and its id is free, or never was used */
    ATTEMPT_INTENT,
    ATTEMPT_OUT,
    ATTEMPT_ENDED,
    ATTEMPT_ACKED,
    ATTEMPT_BURNED,
};

struct attempt {
    uint64_t id;
    uint32_t stage, seed;
    uint32_t dispatched; /* how often init was answered with the permission */
    uint32_t is_failed;
};

enum payment_stage {
    PAYMENT_NONE,
    PAYMENT_INITIATED,
    PAYMENT_REGISTERED,
    PAYMENT_OUT,
    PAYMENT_PAID,
    PAYMENT_FELL, /* its attempt failed, and nobody gave it up */
    PAYMENT_FAILED,
    PAYMENT_BURNED,  /* paid and deleted; its hash is refused, its attempt's record is there */
    PAYMENT_DELETED, /* its attempt's record is there */
};

struct payment {
    uint64_t number;
    uint32_t stage, is_paid;
};

/* All channels and their manager: one commit changes several. */
struct channels {
    uint64_t tip[CHANNELS], snapshot[CHANNELS]; /* update ids; a tip of 0 is no channel */
    uint64_t round;                             /* of the manager */
    uint64_t output_from, output_to;            /* tags of the durable outputs that wait */
};

struct forward {
    uint64_t id;
    uint32_t is_pending;
    uint32_t is_unsure; /* answered from memory: a crash may take it back */
};

/* Of a peer that keeps its blobs here: numbers of the oldest and the newest one that may be there. */
struct provided {
    uint64_t durable, newest;
};

/* Of a peer that keeps ours. */
struct kept {
    uint64_t seq, payload;
    uint32_t slot; /* which of the two blobs it holds; 0 and seq 0 is none */
    uint32_t reserved;
};

/* --- The state of all runs; it is kept beside the store between them. */

struct lane {
    uint64_t chance, next;
    uint64_t calls, since_us;
    uint64_t event_last; /* the greatest number of an event that an answer named */
    atomic_uint is_busy;
    uint32_t place, len; /* of the thing in this state that the call under way changes */
    uint8_t before[THING_BYTES], after[THING_BYTES];
};

struct soak_state {
    uint64_t magic, len, seed;
    uint64_t runs, lives, kills, calls, secs;
    uint64_t is_in_life; /* a run is under way: what is kept is older than the store */
    struct lane lanes[LANES];
    atomic_uint_fast64_t clock_ms;
    struct attempt attempts[LANES_OF_A_KIND][ATTEMPTS];
    struct payment payments[LANES_OF_A_KIND][PAYMENTS];
    struct channels channels;
    struct forward forwards[FORWARDS];
    struct provided provided[PROVIDED];
    struct kept kept[KEEPERS];
    uint8_t sealed[KEEPERS][2][SEALED_BYTES];
    uint64_t payload, seq_last;
    uint64_t event_acked;
    uint64_t checksum; /* of everything above */
};

/* Hosts that break their promise, and stores that do. */
enum soak_control {
    SOAK_HONEST,
    SOAK_EARLY,   /* takes a call for acknowledged when it makes it */
    SOAK_OLDER,   /* its store is put back to an older copy after a kill */
    SOAK_HOARDER, /* never deletes an attempt */
    SOAK_TWICE,   /* dispatches an attempt that is known already */
    SOAK_LEAKER,  /* frees nothing that it reads */
    SOAK_DRIPPER, /* loses some memory with each step, far less in a life than it may have */
    SOAK_SKIPPER, /* opens its cursor anew, after what it did not acknowledge */
};

/* In shared memory: the state, and what is about this run alone. */
struct soak {
    struct soak_state state;
    enum soak_control control;
    char directory[3500];
    atomic_uint is_verified, is_to_end, has_stopped;
    atomic_uint_fast64_t made, unmade; /* calls that a kill met, by what became of them */
    atomic_uint_fast64_t rows, used_bytes, file_bytes; /* as the last check found them */
};

/* --- The host (soak_host.c). */

struct host {
    struct soak *soak;
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    lnkeep_peer_storage provider;
    lnkeep_backup backup;
    lnkeep_events events;
    uint64_t event_taken;
    uint64_t outputs[64]; /* numbers of those that wait, in order */
    unsigned outputs_len;
};

/* For start_child: a struct soak. Opens, verifies and goes on until it is killed or told to end. */
int soak_live(void *context);

/* A call begins, and ends as it was meant to: then the thing is as `after` says. */
void call_begin(struct host *host, unsigned lane, void *thing, const void *after, size_t len);
void call_end(struct host *host, unsigned lane);
/* Whether a call answered as it has to; a finding if not, and the host stops. */
int call_is(struct host *host, lnkeep_status given, lnkeep_status wanted, const char *call,
            unsigned lane, uint64_t which);
/* begin, the given call, is and end: 1 when all went well. */
#define CALL(host, lane, thing, after, which, wanted, call)                                       \
    (call_begin(host, lane, thing, &(after), sizeof(after)),                                      \
     call_is(host, call, wanted, #call, lane, which) ? (call_end(host, lane), 1) : 0)

/* Answers whether the store holds a thing as it says; if not, why. */
typedef int (*thing_holds)(struct host *host, unsigned lane, const void *thing, char why[200]);
/* What was acknowledged holds, or, of a call under way, what was before it or is after it. */
void thing_verify(struct host *host, unsigned lane, void *thing, size_t len, thing_holds holds);

uint64_t lane_chance(struct host *host, unsigned lane, uint64_t below);
uint64_t soak_now_ms(const struct host *host);
uint32_t soak_height(const struct host *host);
/* Bytes that follow from two numbers; they live until the next call of the thread. */
lnkeep_bytes soak_bytes(uint64_t kind, uint64_t number, size_t len);
int bytes_are(lnkeep_bytes given, lnkeep_bytes wanted);

/* --- What the lanes do (soak_money.c, soak_blobs.c): opening, one step, and the look after an open. */

int money_open(struct host *host);
void attempts_step(struct host *host, unsigned lane);
void payments_step(struct host *host, unsigned lane);
void events_step(struct host *host, unsigned lane);
void money_verify(struct host *host);

int blobs_open(struct host *host);
void monitors_step(struct host *host, unsigned lane);
void resources_step(struct host *host, unsigned lane);
void provider_step(struct host *host, unsigned lane);
void consumer_step(struct host *host, unsigned lane);
/* lnkeep_store_sync: blobs that were accepted before it do not wait any more. */
lnkeep_status provider_sync(struct host *host);
void blobs_verify(struct host *host);

#endif

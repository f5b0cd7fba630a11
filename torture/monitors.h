/*
 * Channel monitors of the workload: what a script may ask of them, and a plain model of their
 * queue and of what is durable. Channels are numbers; their bytes follow from numbers and seeds.
 */

#ifndef TORTURE_MONITORS_H
#define TORTURE_MONITORS_H

#include <stddef.h>
#include <stdint.h>

#include <lnkeep.h>

struct model;
struct op;
struct step;
struct expect;

enum {
    CHANNELS = 12,
    CHANNEL_UPDATES_MAX = 12, /* then a snapshot is demanded */
    SNAPSHOT_EVERY_UPDATES = 5,
    ENTRIES_MAX = 64,
    OUTPUTS_MAX = 64,
    RELEASED_MAX = 192,
    LARGE_SEED = 255,  /* of a snapshot that does not fit into its commit */
    VALUE_BYTES_MAX = 2300000,
    MONITOR_BYTES_MAX = VALUE_BYTES_MAX + 16,
};

/* An operation of STEP_QUEUE; op.payment is the channel. */
enum monitors_op {
    MONITORS_NEW,
    MONITORS_UPDATE,
    MONITORS_SNAPSHOT,
    MONITORS_ARCHIVE,
    MONITORS_MESSAGE, /* a volatile output that tells the peer the channel's tip */
    MONITORS_EVENT,   /* a durable one */
    MONITORS_ACKNOWLEDGE,
    MONITORS_AGAIN, /* the newest update once more */
    MONITORS_OTHER, /* other bytes under the newest id */
    MONITORS_GAP,
    MONITORS_SNAPSHOT_AHEAD,
    MONITORS_SNAPSHOT_STALE,
};

/* op.kind of STEP_COMMIT: how it is made, or what is wrong with it. */
enum commit_manner {
    COMMIT_PLAIN,
    COMMIT_BLIND,   /* without a view */
    COMMIT_BEHIND,  /* an update is queued between capture and serialisation, and stays queued */
    COMMIT_OLDER,   /* an older capture follows, and is stale */
    COMMIT_LARGE,   /* a manager that does not fit into its commit */
    COMMIT_WITHOUT_MANAGER,
    COMMIT_LOST,    /* the manager knows an update that was never queued */
    COMMIT_TOO_OLD, /* the manager does not know the newest update */
    COMMIT_TWICE,   /* the view names a channel twice */
    COMMIT_STRANGE, /* the view names a channel that is not there */
};

struct channel {
    uint8_t stage; /* 0 while there is none; LNKEEP_STAGE_* or STAGE_PURGED */
    uint8_t snapshot_seed;
    uint8_t update_seeds[CHANNEL_UPDATES_MAX]; /* of those after the snapshot */
    uint64_t snapshot_id, tip;
    uint32_t height;
};
enum { STAGE_PURGED = 3 };

struct monitor_entry {
    uint8_t kind, channel, seed;
    uint64_t update_id; /* the tag of an output */
};

/* A durable output that waits for its acknowledgement. */
struct monitor_output {
    uint64_t id, tag;
    uint8_t is_acked; /* in this session; it goes with the next commit */
};

struct monitors {
    /* What a crash leaves. */
    uint64_t commit_sequence, output_last;
    unsigned manager; /* number of the commit that wrote it; 0 while there is none */
    struct channel durable[CHANNELS];
    unsigned outputs_len;
    struct monitor_output outputs[OUTPUTS_MAX];
    /* What it does not. */
    unsigned session;
    struct channel projected[CHANNELS];
    unsigned entries_len, released_len, completed_len;
    struct monitor_entry entries[ENTRIES_MAX];
    struct monitor_output released[RELEASED_MAX]; /* may be taken; id 0 is volatile */
    struct monitor_entry completed[RELEASED_MAX];
};

/* --- Words. */

void channel_id(unsigned channel, uint8_t id[32]);
/* The channel of an id; CHANNELS when it is none. */
unsigned channel_of(const uint8_t id[32]);
/* Bytes of an update or a snapshot, which begin with the seed; they live until the next call. */
lnkeep_bytes monitor_bytes(unsigned kind, unsigned channel, uint64_t update_id, unsigned seed);
/* An output says all in its tag. */
uint64_t output_tag(unsigned channel, uint64_t tip, unsigned seed);
unsigned tag_channel(uint64_t tag);
uint64_t tag_tip(uint64_t tag);
lnkeep_bytes output_bytes(uint64_t tag);
lnkeep_block snapshot_block(uint64_t update_id);

/* What a manager says of each channel. */
struct manager_head {
    uint32_t number, reserved;
    uint64_t captured[CHANNELS]; /* the tip that its commit makes durable; 0 is none */
    uint64_t known[CHANNELS];    /* what it knows beyond that, too */
};
/* Lives until the next call. */
lnkeep_bytes manager_bytes(const struct manager_head *head, int is_large);
/* Whether the bytes are those of a manager, to the last one. */
int manager_read(lnkeep_bytes bytes, struct manager_head *head);

/* --- The model. */

/* Another session began: what was queued is gone. */
void monitors_enter(struct monitors *monitors, unsigned session);
/* What the library has to answer to one operation; what it would queue in `entry`. */
lnkeep_status monitors_look(const struct monitors *monitors, const struct op *op,
                            struct monitor_entry *entry);
/* The same, and does it. */
lnkeep_status monitors_queue(struct monitors *monitors, const struct op *op);
/* The first entries become durable; manager is 0 when the commit has none. */
void monitors_commit(struct monitors *monitors, unsigned entries_len, unsigned manager);
int entry_advances(const struct monitor_entry *entry);
/* What a manager says that is serialised after the first entries were captured. */
void manager_describe(const struct monitors *monitors, unsigned captured, unsigned number,
                      struct manager_head *head);
/* The channel that COMMIT_LOST and COMMIT_TOO_OLD lie about; CHANNELS when there is none. */
unsigned channel_to_lie_about(const struct monitors *monitors);
/* An update that a host makes on its own accord; 0 when no channel takes one. */
int spare_update(const struct monitors *monitors, unsigned seed, struct op *op);

/* Steps of monitors in the model; what they answer is in `expect`. */
void model_monitors(struct model *model, const struct step *step, unsigned left_out,
                    struct expect *expect);
/* Number of the manager that a step's commit writes; that of a second one is the next. */
unsigned step_manager(const struct step *step);
/* Steps that are found out about by reading when they are in doubt, and not repeated if made. */
int step_is_commit(const struct step *step);
/* A step made some of its commits, bits of at most two. Answers 0 if it cannot have. */
int model_commit_in_part(struct model *model, const struct step *step, unsigned made);
int model_monitors_differ(const struct model *wanted, const struct model *given, char *why,
                          size_t len);

#endif

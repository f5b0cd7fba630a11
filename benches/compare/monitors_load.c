/*
 * What a node does at its start: a thousand channels of 1 MiB each, read from lnkeep and, as the least that
 * it can cost, with read(2) from one file that holds the same bytes. Both are in the page cache. A round is
 * one pass over all channels, however long it takes.
 */
#include "lnkeep_store.h"
#include "monitors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADED_BYTES (1024 * 1024)
/* Channels of one commit while the store is filled. */
#define COMMIT_CHANNELS 32

/* Where the bytes of a channel are, and what frees them. */
struct loaded {
    const uint8_t *bytes;
    void *owner;
};

static char *store_folder;
static lnkeep_store store;
static lnkeep_monitors monitors;
static int file;

static const uint8_t *snapshot_of(unsigned channel)
{
    static uint8_t snapshot[LOADED_BYTES];
    static int is_filled;
    if (!is_filled)
        fill_bytes(snapshot, sizeof snapshot, 0);
    is_filled = 1;
    memcpy(snapshot, &channel, sizeof channel);
    return snapshot;
}

/* In the order of the channels, which is the order of the keys: a file is read in its order too. */
static void ordered_id(unsigned channel, uint8_t id[CHANNEL_ID_BYTES])
{
    memset(id, 0, CHANNEL_ID_BYTES);
    id[0] = (uint8_t)(channel >> 8);
    id[1] = (uint8_t)channel;
}

static void open_handles(void)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_report report = LNKEEP_MONITORS_REPORT_INIT;
    keep_must(lnkeep_store_open(store_folder, NULL, &store, NULL, &err), &err);
    keep_must(lnkeep_monitors_open(store, NULL, &monitors, &report, &err), &err);
    must(report.damaged == 0, "the open of the monitors");
}

static void close_handles(void)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_monitors_close(&monitors, 0, &err), &err);
    keep_must(lnkeep_store_close(&store, &err), &err);
}

static void commit_queued(void)
{
    static lnkeep_monitor_completion taken[COMMIT_CHANNELS];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    size_t len = 0;
    keep_must(lnkeep_monitors_capture(monitors, &commit.capture, &err), &err);
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    keep_must(lnkeep_monitors_commit_captured(monitors, &commit, NULL, &err), &err);
    keep_must(lnkeep_monitors_completions(monitors, taken, COMMIT_CHANNELS, &len, &err), &err);
}

static void load_lnkeep(unsigned channel, struct loaded *loaded)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitor *monitor = NULL;
    uint8_t id[CHANNEL_ID_BYTES];
    ordered_id(channel, id);
    keep_must(lnkeep_monitors_load(monitors, id, &monitor, &err), &err);
    must(monitor->snapshot.len == LOADED_BYTES && !monitor->channel.damage, "a load");
    *loaded = (struct loaded){monitor->snapshot.ptr, monitor};
}

static void free_lnkeep(struct loaded *loaded)
{
    lnkeep_monitor_free(loaded->owner);
}

static void load_file(unsigned channel, struct loaded *loaded)
{
    if (channel == 0)
        must(lseek(file, 0, SEEK_SET) == 0, "lseek");
    uint8_t *bytes = malloc(LOADED_BYTES);
    must(bytes != NULL, "malloc");
    must(read(file, bytes, LOADED_BYTES) == LOADED_BYTES, "read");
    *loaded = (struct loaded){bytes, bytes};
}

static void free_file(struct loaded *loaded)
{
    free(loaded->owner);
}

struct source {
    void (*load)(unsigned channel, struct loaded *loaded);
    void (*free)(struct loaded *loaded);
};

static const struct source from_lnkeep = {load_lnkeep, free_lnkeep};
static const struct source from_file = {load_file, free_file};

/* Every channel once; `kept` says that each is freed after the last one, as by a node that keeps them. */
static struct round pass(const struct source *source, int kept)
{
    static struct loaded all[CHANNELS];
    struct round round = {.operations = CHANNELS};
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        struct loaded *loaded = &all[channel];
        uint64_t before = now_ns();
        source->load(channel, loaded);
        if (!kept)
            source->free(loaded);
        uint64_t took = now_ns() - before;
        samples_add(&round.samples, took);
        round.length_ns += took;
    }
    for (unsigned channel = 0; kept && channel < CHANNELS; channel++) {
        must(memcmp(all[channel].bytes, &channel, sizeof channel) == 0, "the bytes of a channel");
        source->free(&all[channel]);
    }
    return round;
}

static struct round kept_lnkeep(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    (void)round_ns;
    return pass(&from_lnkeep, 1);
}

static struct round kept_file(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    (void)round_ns;
    return pass(&from_file, 1);
}

static struct round freed_lnkeep(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    (void)round_ns;
    return pass(&from_lnkeep, 0);
}

static struct round freed_file(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    (void)round_ns;
    return pass(&from_file, 0);
}

static struct round open_once(unsigned callers, uint64_t round_ns)
{
    (void)callers;
    (void)round_ns;
    struct round round = {.operations = 1};
    close_handles();
    uint64_t before = now_ns();
    open_handles();
    round.length_ns = now_ns() - before;
    samples_add(&round.samples, round.length_ns);
    return round;
}

static void open_store(const char *folder, uint64_t rows)
{
    (void)rows;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    store_folder = path_in(folder, "store");
    open_handles();
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        uint8_t id[CHANNEL_ID_BYTES];
        ordered_id(channel, id);
        lnkeep_bytes snapshot = {snapshot_of(channel), LOADED_BYTES};
        keep_must(lnkeep_monitors_queue_new(monitors, id, 0, snapshot, NULL, 0, NULL, &err), &err);
        if (channel % COMMIT_CHANNELS == COMMIT_CHANNELS - 1 || channel == CHANNELS - 1)
            commit_queued();
    }
    pass(&from_lnkeep, 1);
}

static void close_store(void)
{
    close_handles();
    free(store_folder);
}

static void open_file(const char *folder, uint64_t rows)
{
    (void)rows;
    char *path = path_in(folder, "snapshots");
    file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    must(file >= 0, "open of the file");
    free(path);
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        must(write(file, snapshot_of(channel), LOADED_BYTES) == LOADED_BYTES, "write of the file");
    must(fsync(file) == 0, "fsync of the file");
    pass(&from_file, 1);
}

static void close_file(void)
{
    must(close(file) == 0, "close of the file");
}

const struct contestant load_contestants[] = {
    {.name = "load_lnkeep", .open = open_store, .round = kept_lnkeep, .close = close_store},
    {.name = "load_file", .open = open_file, .round = kept_file, .close = close_file},
    {.name = "load_freed_lnkeep", .round = freed_lnkeep},
    {.name = "load_freed_file", .round = freed_file},
    {.name = "open_lnkeep", .round = open_once},
    {0},
};

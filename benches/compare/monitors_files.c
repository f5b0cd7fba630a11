/*
 * Checkpoints as one file per key, as the file system store of LDK writes each: a temporary file, fsync,
 * rename, and fsync of the directory. The manager first, then every update in the directory of its channel.
 */
#include "monitors.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct node node;
static char *root;
static char *directories[CHANNELS];

static void write_file(const char *directory, const char *name, const uint8_t *bytes, size_t len)
{
    static uint64_t counter;
    char temporary[64];
    snprintf(temporary, sizeof temporary, "%s.%" PRIu64 ".tmp", name, counter++);
    char *from = path_in(directory, temporary), *to = path_in(directory, name);
    int fd = open(from, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(fd >= 0, "open of a temporary file");
    must(write(fd, bytes, len) == (ssize_t)len, "write of a temporary file");
    must(fsync(fd) == 0 && close(fd) == 0, "fsync of a temporary file");
    must(rename(from, to) == 0, "rename");
    fd = open(directory, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && fsync(fd) == 0 && close(fd) == 0, "fsync of a directory");
    free(from);
    free(to);
}

static void checkpoint(const struct checkpoint *checkpoint)
{
    write_file(root, "manager", checkpoint->manager, MANAGER_BYTES);
    for (unsigned i = 0; i < checkpoint->len; i++) {
        char name[24];
        snprintf(name, sizeof name, "%" PRIu64, checkpoint->update_ids[i]);
        write_file(directories[checkpoint->channels[i]], name, checkpoint->updates[i], UPDATE_BYTES);
    }
}

static void fold(const unsigned *channels, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned channel = channels[i];
        for (uint64_t id = node.folded[channel] + 1; id <= node.tips[channel]; id++) {
            char name[24];
            snprintf(name, sizeof name, "%" PRIu64, id);
            char *path = path_in(directories[channel], name);
            must(unlink(path) == 0, "unlink of an update");
            free(path);
        }
    }
}

static void open_files(const char *folder, uint64_t rows)
{
    (void)rows;
    root = path_in(folder, "store");
    must(mkdir(root, 0700) == 0, "mkdir");
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        uint8_t id[CHANNEL_ID_BYTES];
        char name[2 * CHANNEL_ID_BYTES + 1];
        channel_id(channel, id);
        for (size_t i = 0; i < CHANNEL_ID_BYTES; i++)
            snprintf(name + 2 * i, 3, "%02x", id[i]);
        directories[channel] = path_in(root, name);
        must(mkdir(directories[channel], 0700) == 0, "mkdir");
    }
}

static void prepare_files(unsigned channels, uint64_t round_ns)
{
    (void)channels;
    (void)round_ns;
    fold_updates(&node, root, fold);
}

static struct round round_files(unsigned channels, uint64_t round_ns)
{
    return checkpoints_round(&node, checkpoint, channels, round_ns);
}

static void close_files(void)
{
    for (unsigned channel = 0; channel < CHANNELS; channel++)
        free(directories[channel]);
    free(root);
}

const struct contestant file_contestants[] = {
    {.name = "checkpoint_files", .open = open_files, .prepare = prepare_files, .round = round_files,
     .close = close_files},
    {0},
};

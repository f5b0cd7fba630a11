/* A bare file: rows appended as they are with one flush for all that wait, and the flush alone. */
#include "group.h"
#include "worker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROW_BYTES (KEY_BYTES + VALUE_BYTES)
#define PAGE_BYTES 4096

static int log_fd, plain_fd, dsync_fd;
static struct group group;

static int open_file(const char *folder, int flags)
{
    char *path = path_in(folder, "file");
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    must(fd >= 0, "open a file");
    free(path);
    return fd;
}

static void append(const uint64_t *ids, size_t len)
{
    static uint8_t rows[CALLERS_MAX * ROW_BYTES];
    for (size_t i = 0; i < len; i++) {
        row_key(ids[i], rows + i * ROW_BYTES);
        row_value(ids[i], rows + i * ROW_BYTES + KEY_BYTES);
    }
    must(write(log_fd, rows, len * ROW_BYTES) == (ssize_t)(len * ROW_BYTES), "append to the log");
    must(fdatasync(log_fd) == 0, "fdatasync of the log");
}

static void log_open(const char *folder, uint64_t rows)
{
    log_fd = open_file(folder, O_APPEND);
    fill(rows, append);
    group_start(&group, append);
}

static void log_put(unsigned caller, uint64_t id)
{
    (void)caller;
    group_put(&group, id);
}

static void log_close(void)
{
    group_stop(&group);
    must(close(log_fd) == 0, "close the log");
}

/* One page in place: the file's length stays, so nothing but the page is flushed. */
static void overwrite(int fd, uint64_t id)
{
    uint8_t page[PAGE_BYTES];
    memset(page, (int)(id & 0xff), sizeof page);
    must(pwrite(fd, page, sizeof page, 0) == PAGE_BYTES, "overwrite a page");
}

static void plain_open(const char *folder, uint64_t rows)
{
    plain_fd = open_file(folder, 0);
    overwrite(plain_fd, rows);
    must(fsync(plain_fd) == 0, "fsync");
}

static void plain_put(unsigned caller, uint64_t id)
{
    (void)caller;
    overwrite(plain_fd, id);
    must(fdatasync(plain_fd) == 0, "fdatasync");
}

static void plain_close(void)
{
    must(close(plain_fd) == 0, "close");
}

static void dsync_open(const char *folder, uint64_t rows)
{
    dsync_fd = open_file(folder, O_DSYNC);
    overwrite(dsync_fd, rows);
}

static void dsync_put(unsigned caller, uint64_t id)
{
    (void)caller;
    overwrite(dsync_fd, id);
}

static void dsync_close(void)
{
    must(close(dsync_fd) == 0, "close");
}

const struct contestant log_contestants[] = {
    {.name = "log", .open = log_open, .put = log_put, .close = log_close},
    {0},
};

const struct contestant flush_contestants[] = {
    {.name = "fdatasync", .open = plain_open, .put = plain_put, .close = plain_close},
    {.name = "o_dsync", .open = dsync_open, .put = dsync_put, .close = dsync_close},
    {0},
};

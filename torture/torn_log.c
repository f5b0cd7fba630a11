/* Records what a traced life does to its files: data, lengths, names and flushes. */

#define _GNU_SOURCE
#include "torn.h"

#include "common.h"
#include "trace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOVS_MAX = 1024 };

/* --- Which file a descriptor of the traced process is. */

static unsigned file_of_inode(struct log *log, uint64_t inode) {
    for (unsigned at = 0; at < log->files_len; at++) {
        if (log->files[at].inode == inode) return at;
    }
    if (log->files_len == FILES_MAX) give_up("too many files");
    log->files[log->files_len].inode = inode;
    return log->files_len++;
}

/* Answers 0 for what is not below the root. */
static int file_of(struct log *log, uint64_t descriptor, unsigned *file, int *is_directory) {
    char link[64], path[4200];
    struct stat facts;
    snprintf(link, sizeof link, "/proc/%d/fd/%d", log->process, (int)descriptor);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (len < 0 || stat(link, &facts) != 0) return 0;
    path[len] = 0;
    if (strncmp(path, log->root, strlen(log->root)) != 0) return 0;
    *is_directory = S_ISDIR(facts.st_mode);
    *file = *is_directory ? 0 : file_of_inode(log, facts.st_ino);
    if (!*is_directory && strstr(path, "/lock.mdb")) log->files[*file].is_lock = 1;
    return 1;
}

/* Position and flags of a descriptor. */
static uint64_t descriptor_fact(const struct log *log, uint64_t descriptor, const char *format) {
    char path[64], line[100];
    unsigned long long value = 0;
    snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", log->process, (int)descriptor);
    FILE *file = fopen(path, "r");
    if (!file) give_up(path);
    while (fgets(line, sizeof line, file) && sscanf(line, format, &value) != 1) {}
    fclose(file);
    return value;
}

/* --- Records. */

static struct log_record *add(struct log *log, enum record_kind kind, unsigned file) {
    if (log->records_len == RECORDS_MAX) give_up("too many records");
    struct log_record *record = &log->records[log->records_len++];
    *record = (struct log_record){.kind = kind, .file = file, .bytes_at = log->bytes_len};
    return record;
}

static unsigned add_boundary(struct log *log, const struct ledger *ledger, unsigned file) {
    if (log->boundaries_len == BOUNDARIES_MAX) give_up("too many flushes");
    struct boundary *boundary = &log->boundaries[log->boundaries_len++];
    boundary->records_len = log->records_len;
    boundary->file = file;
    boundary->ledger = malloc(sizeof *ledger);
    if (!boundary->ledger) give_up("malloc");
    memcpy(boundary->ledger, (const void *)ledger, sizeof *ledger);
    return log->boundaries_len - 1;
}

static void take_bytes(struct log *log, const struct iovec *from, struct log_record *record) {
    if (log->bytes_len + from->iov_len > log->bytes_max) {
        log->bytes_max = (log->bytes_len + from->iov_len) * 2;
        log->bytes = realloc(log->bytes, log->bytes_max);
        if (!log->bytes) give_up("realloc");
    }
    struct iovec to = {log->bytes + log->bytes_len, from->iov_len};
    if (from->iov_len && process_vm_readv(log->process, &to, 1, from, 1, 0) !=
                             (ssize_t)from->iov_len) {
        give_up("reading what is written");
    }
    log->bytes_len += from->iov_len;
    record->len += from->iov_len;
}

static void list_names(const char *root, const char *below, struct log *log,
                       struct listing *listing) {
    char path[4400];
    snprintf(path, sizeof path, "%.4000s/%s", root, below);
    DIR *directory = opendir(path);
    if (!directory) return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        struct stat facts;
        if (entry->d_name[0] == '.') continue;
        if (listing->names_len == NAMES_MAX) give_up("too many names");
        struct listed_name *name = &listing->names[listing->names_len];
        int len = snprintf(name->path, sizeof name->path, "%s%s%.30s", below, *below ? "/" : "",
                           entry->d_name);
        if (len < 0 || (size_t)len >= sizeof name->path) give_up("a name is too long");
        snprintf(path, sizeof path, "%.4000s/%s", root, name->path);
        if (lstat(path, &facts) != 0) continue;
        name->is_directory = S_ISDIR(facts.st_mode);
        name->file = name->is_directory ? 0 : file_of_inode(log, facts.st_ino);
        listing->names_len++;
        if (name->is_directory) list_names(root, name->path, log, listing);
    }
    closedir(directory);
}

/* Directories come before what is in them. */
static void add_listing(struct log *log) {
    struct listing *last = log->listings_len ? &log->listings[log->listings_len - 1] : NULL;
    if (log->listings_len == LISTINGS_MAX) give_up("too many listings");
    struct listing *listing = &log->listings[log->listings_len];
    memset(listing, 0, sizeof *listing);
    list_names(log->root, "", log, listing);
    if (last && memcmp(last, listing, sizeof *listing) == 0) return;
    add(log, RECORD_NAMES, 0)->upto = log->listings_len++;
}

/* --- System calls. */

struct recorder {
    struct log *log;
    const struct ledger *ledger;
};

/* What a thread is in: kept in its tag from the entry to the exit. */
enum { TAG_NONE, TAG_WRITE, TAG_NAMES, TAG_FLUSH_NAMES, TAG_FLUSH };

static void record_write(struct recorder *recorder, const struct stop *stop, unsigned file) {
    static struct iovec iovs[IOVS_MAX];
    struct log *log = recorder->log;
    int is_vector = stop->number == SYS_writev || stop->number == SYS_pwritev;
    int has_offset = stop->number == SYS_pwrite64 || stop->number == SYS_pwritev;
    size_t count = is_vector ? (size_t)stop->args[2] : 1;
    if (count > IOVS_MAX) give_up("too many buffers");
    iovs[0] = (struct iovec){(void *)(uintptr_t)stop->args[1], (size_t)stop->args[2]};
    struct iovec to = {iovs, count * sizeof *iovs};
    struct iovec from = {(void *)(uintptr_t)stop->args[1], count * sizeof *iovs};
    if (is_vector && process_vm_readv(log->process, &to, 1, &from, 1, 0) < 0) {
        give_up("reading the buffers");
    }
    uint64_t flags = descriptor_fact(log, stop->args[0], "flags: %llo");
    struct log_record *record = add(log, RECORD_WRITE, file);
    record->offset = has_offset ? stop->args[3]
                                : descriptor_fact(log, stop->args[0], "pos: %llu");
    for (size_t i = 0; i < count; i++) take_bytes(log, &iovs[i], record);
    if (!(flags & O_DSYNC)) return;
    unsigned at = log->records_len - 1;
    add_boundary(log, recorder->ledger, file);
    add(log, RECORD_FLUSH_WRITE, file)->upto = at;
    log->write_flushes++;
}

static void record_size(struct log *log, const struct stop *stop, unsigned file) {
    int is_allocation = stop->number == SYS_fallocate;
    if (is_allocation && stop->args[1] != 0) give_up("a mode of fallocate that nobody recorded");
    struct log_record *record = add(log, RECORD_SIZE, file);
    record->is_extending = is_allocation;
    record->len = is_allocation ? stop->args[2] + stop->args[3] : stop->args[1];
}

static int changes_names(const struct stop *stop) {
    switch (stop->number) {
    case SYS_openat: return (stop->args[2] & O_CREAT) != 0;
    case SYS_mkdirat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlinkat:
    case SYS_linkat: return 1;
#if defined(__x86_64__)
    case SYS_open: return (stop->args[1] & O_CREAT) != 0;
    case SYS_mkdir:
    case SYS_rename:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_link: return 1;
#endif
    default: return 0;
    }
}

static void enter(struct recorder *recorder, const struct stop *stop) {
    struct log *log = recorder->log;
    unsigned file = 0;
    int is_directory = 0;
    switch (stop->number) {
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
        if (!file_of(log, stop->args[0], &file, &is_directory)) return;
        record_write(recorder, stop, file);
        *stop->tag = TAG_WRITE;
        return;
    case SYS_ftruncate:
    case SYS_fallocate:
        if (file_of(log, stop->args[0], &file, &is_directory)) record_size(log, stop, file);
        return;
    case SYS_fsync:
    case SYS_fdatasync:
        if (!file_of(log, stop->args[0], &file, &is_directory)) return;
        *stop->tag = TAG_FLUSH + (int)add_boundary(log, recorder->ledger, file);
        if (is_directory) *stop->tag = TAG_FLUSH_NAMES;
        return;
    case SYS_mmap: {
        int is_written = (stop->args[2] & PROT_WRITE) && (stop->args[3] & MAP_SHARED) &&
                         !(stop->args[3] & MAP_ANONYMOUS);
        if (!is_written || !file_of(log, stop->args[4], &file, &is_directory)) return;
        if (!log->files[file].is_lock) give_up("a file is written through memory");
        return;
    }
    case SYS_pwritev2:
    case SYS_copy_file_range:
    case SYS_sendfile:
    case SYS_splice: give_up("a call that nobody recorded");
    default: break;
    }
    if (changes_names(stop)) *stop->tag = TAG_NAMES;
}

static void leave(struct recorder *recorder, const struct stop *stop) {
    struct log *log = recorder->log;
    int tag = *stop->tag;
    if (tag == TAG_NONE) return;
    if (tag == TAG_NAMES) {
        add_listing(log);
    } else if (stop->result < 0) {
        give_up("a call failed while it was recorded");
    } else if (tag == TAG_FLUSH_NAMES) {
        add(log, RECORD_FLUSH_NAMES, 0)->upto = log->listings_len - 1;
        log->name_flushes++;
    } else if (tag >= TAG_FLUSH) {
        const struct boundary *boundary = &log->boundaries[tag - TAG_FLUSH];
        add(log, RECORD_FLUSH, boundary->file)->upto = boundary->records_len;
        log->flushes++;
    }
}

static enum trace_answer hook(void *context, const struct stop *stop) {
    struct recorder *recorder = context;
    struct log *log = recorder->log;
    if (log->process == 0) log->process = stop->thread;
    if (stop->is_entry) enter(recorder, stop);
    else leave(recorder, stop);
    return TRACE_GO_ON;
}

void log_record_life(struct log *log, struct life *life) {
    struct recorder recorder = {log, life->ledger};
    add_listing(log);
    struct ended ended = trace_run(life_run, life, hook, &recorder).ended;
    if (!expect_exit(ended, "the host") || ended.code != LIFE_ENDED) {
        give_up("a host that nothing disturbs did not end well");
    }
    add_boundary(log, life->ledger, 0);
}

void log_clear(struct log *log) {
    for (unsigned i = 0; i < log->boundaries_len; i++) free(log->boundaries[i].ledger);
    free(log->bytes);
    memset(log, 0, sizeof *log);
}

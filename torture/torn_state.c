/* The states that a log allows, and the files of one of them. */

#define _GNU_SOURCE
#include "torn.h"

#include "common.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES_MAX = 64 << 20 };

static int is_data(const struct log *log, const struct log_record *record) {
    int is_content = record->kind == RECORD_WRITE || record->kind == RECORD_SIZE;
    return is_content && !log->files[record->file].is_lock;
}

/* Marks what the flushes before the boundary made durable. */
static void mark_durable(const struct log *log, unsigned records_len, enum forgets forgets,
                         uint8_t *durable) {
    memset(durable, 0, records_len);
    for (unsigned at = 0; at < records_len; at++) {
        const struct log_record *flush = &log->records[at];
        if (flush->kind == RECORD_FLUSH_WRITE) durable[flush->upto] = forgets != FORGETS_WRITES;
        if (flush->kind != RECORD_FLUSH || forgets == FORGETS_FLUSHES) continue;
        for (unsigned i = 0; i < flush->upto; i++) {
            const struct log_record *record = &log->records[i];
            if (is_data(log, record) && record->file == flush->file) durable[i] = 1;
        }
    }
}

struct pending log_pending(const struct log *log, unsigned boundary, enum forgets forgets) {
    static uint8_t durable[RECORDS_MAX];
    struct pending pending = {0};
    unsigned records_len = log->boundaries[boundary].records_len;
    mark_durable(log, records_len, forgets, durable);
    unsigned before = boundary ? log->boundaries[boundary - 1].records_len : 0;
    for (unsigned at = 0; at < records_len; at++) {
        const struct log_record *record = &log->records[at];
        int is_flush = record->kind == RECORD_FLUSH_NAMES && forgets != FORGETS_NAMES;
        if (is_flush) pending.durable_listing = record->upto;
        if (record->kind == RECORD_NAMES) {
            pending.last_listing = record->upto;
            pending.is_renamed |= at >= before;
        }
        if (!is_data(log, record) || durable[at]) continue;
        if (pending.len == PENDING_MAX) {
            memmove(pending.records, pending.records + 1, (PENDING_MAX - 1) * sizeof(unsigned));
            pending.overflow++;
            pending.len--;
        }
        pending.records[pending.len++] = at;
    }
    return pending;
}

static unsigned last_taken(const struct log *log, const struct pending *pending, uint64_t taken) {
    for (unsigned i = pending->len; i-- > 0;) {
        if (!(taken >> i & 1)) continue;
        const struct log_record *record = &log->records[pending->records[i]];
        return record->kind == RECORD_WRITE ? pending->records[i] : RECORDS_MAX;
    }
    return RECORDS_MAX;
}

static uint64_t sectors_of(const struct log_record *record) {
    return (record->offset + record->len - 1) / SECTOR - record->offset / SECTOR + 1;
}

int state_can_tear(const struct log *log, const struct pending *pending, uint64_t taken) {
    unsigned last = last_taken(log, pending, taken);
    return last != RECORDS_MAX && log->records[last].len > 0 && sectors_of(&log->records[last]) > 1;
}

/* --- The content of one file. */

struct content {
    uint8_t *bytes;
    size_t len, used; /* everything from `used` on is zero */
};

static void grow(struct content *content, uint64_t len) {
    if (len > FILE_BYTES_MAX) give_up("a file is too long");
    if (len > content->len) content->len = len;
}

static void put(struct content *content, uint64_t offset, const uint8_t *bytes, size_t len) {
    grow(content, offset + len);
    memcpy(content->bytes + offset, bytes, len);
    if (offset + len > content->used) content->used = offset + len;
}

/* Some of the sectors, at least one and not all; in any order, as a disk may write them. */
static void put_torn(struct content *content, const struct log_record *record,
                     const uint8_t *bytes, uint64_t chance) {
    uint64_t sectors = sectors_of(record), first = record->offset / SECTOR, wrote = 0;
    uint64_t is_prefix = chance_below(&chance, 2), kept = 1 + chance_below(&chance, sectors - 1);
    for (uint64_t i = 0; i < sectors; i++) {
        int is_kept = is_prefix ? i < kept : chance_below(&chance, 2) == 0;
        if (i + 1 == sectors && wrote == sectors - 1) is_kept = 0;
        if (i + 1 == sectors && wrote == 0) is_kept = 1;
        if (!is_kept) continue;
        uint64_t from = (first + i) * SECTOR, to = from + SECTOR;
        if (from < record->offset) from = record->offset;
        if (to > record->offset + record->len) to = record->offset + record->len;
        put(content, from, bytes + (from - record->offset), to - from);
        wrote++;
    }
}

static void apply(const struct log *log, const struct log_record *record, struct content *content) {
    if (record->kind == RECORD_WRITE) {
        put(content, record->offset, log->bytes + record->bytes_at, record->len);
    } else if (record->is_extending || record->len > content->len) {
        grow(content, record->len);
    } else {
        if (record->len < content->used) {
            memset(content->bytes + record->len, 0, content->used - record->len);
            content->used = record->len;
        }
        content->len = record->len;
    }
}

static int is_left_out(const struct pending *pending, uint64_t taken, unsigned at) {
    for (unsigned i = 0; i < pending->len; i++) {
        if (pending->records[i] == at) return !(taken >> i & 1);
    }
    return 0;
}

static void make_content(const struct log *log, const struct torn_state *state,
                         const struct pending *pending, unsigned file, struct content *content) {
    unsigned records_len = log->boundaries[state->boundary].records_len;
    unsigned torn = state->is_torn ? last_taken(log, pending, state->taken) : RECORDS_MAX;
    memset(content->bytes, 0, content->used);
    content->len = content->used = 0;
    for (unsigned at = 0; at < records_len; at++) {
        const struct log_record *record = &log->records[at];
        int is_content = record->kind == RECORD_WRITE || record->kind == RECORD_SIZE;
        if (!is_content || record->file != file) continue;
        if (is_left_out(pending, state->taken, at)) continue;
        if (at == torn) {
            put_torn(content, record, log->bytes + record->bytes_at, state->chance);
        } else {
            apply(log, record, content);
        }
    }
}

/* --- The files. */

static void path_below(const struct log *log, char *path, size_t len, const char *name) {
    int wrote = snprintf(path, len, "%s/%s", log->root, name);
    if (wrote < 0 || (size_t)wrote >= len) give_up("a path is too long");
}

/*
 * A store knows its data file by inode and time of birth. So that file is kept aside while
 * everything else is made anew, and gets its content in place.
 */
static void clear_files(const struct log *log, const char *aside) {
    char data[4200], store[4200];
    path_below(log, data, sizeof data, "store/data.mdb");
    path_below(log, store, sizeof store, "store");
    struct stat facts;
    int is_original = 0;
    for (unsigned i = 0; stat(data, &facts) == 0 && i < log->files_len; i++) {
        is_original |= log->files[i].inode == facts.st_ino;
    }
    if (is_original && rename(data, aside) != 0) give_up("keeping the data file aside");
    remove_tree(store);
}

static void make_file(const struct log *log, const struct listed_name *name, const char *aside,
                      const struct content *content) {
    char path[4200];
    struct stat facts;
    path_below(log, path, sizeof path, name->path);
    int is_original = strcmp(name->path, "store/data.mdb") == 0 && stat(aside, &facts) == 0 &&
                      facts.st_ino == log->files[name->file].inode;
    if (is_original && rename(aside, path) != 0) give_up("putting the data file back");
    /* Cut first: what is beyond the content has to be zero. */
    if (is_original && truncate(path, 0) != 0) give_up(path);
    write_whole(path, content->bytes, content->used, content->len);
}

void state_build(const struct log *log, const struct torn_state *state, enum forgets forgets) {
    static struct content content;
    char aside[4200], path[4200];
    if (!content.bytes) content.bytes = calloc(1, FILE_BYTES_MAX);
    if (!content.bytes) give_up("calloc");
    scratch_path(aside, sizeof aside, "aside");
    struct pending pending = log_pending(log, state->boundary, forgets);
    const struct listing *listing = &log->listings[state->listing];
    clear_files(log, aside);
    for (unsigned i = 0; i < listing->names_len; i++) {
        const struct listed_name *name = &listing->names[i];
        path_below(log, path, sizeof path, name->path);
        if (name->is_directory) {
            if (mkdir(path, 0700) != 0) give_up(path);
            continue;
        }
        make_content(log, state, &pending, name->file, &content);
        make_file(log, name, aside, &content);
    }
}

/*
 * Replays a log of dm-log-writes: after every write that flushed, the disk is made as the log says,
 * the file system is mounted, and everything that was marked as answered by then has to be there.
 */

#define _GNU_SOURCE
#include "common.h"
#include "disk.h"
#include "snapshots.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* As drivers/md/dm-log-writes.c writes them, little-endian, each in a sector of its own. */
#define LOG_MAGIC 0x6a736677736872u
enum { LOG_FLUSH = 1, LOG_FUA = 2, LOG_DISCARD = 4, LOG_MARK = 8 };

struct log_super {
    uint64_t magic, version, entries_len;
    uint32_t sector_bytes;
};

struct log_head {
    uint64_t sector, sectors, flags, data_len;
};

struct entry_of_log {
    uint64_t offset, len, flags, data_at; /* bytes */
    uint64_t marks; /* how many marks the log has up to here */
    uint64_t mark;  /* the last of them */
};

static struct run {
    uint64_t seed, first, points;
    const char *type, *base_path, *snapshots_path;
    int log, drops, tells;
    struct entry_of_log *entries;
    uint64_t entries_len, sector_bytes;
    uint64_t *boundaries, boundaries_len, writes, flushes;
    atomic_uint_fast64_t *verified;
} run;

static void read_at(int file, void *bytes, size_t len, uint64_t at, const char *what) {
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(file, (uint8_t *)bytes + done, len - done, (off_t)(at + done));
        if (got <= 0) give_up(what);
        done += (size_t)got;
    }
}

static void read_log(void) {
    struct log_super super;
    read_at(run.log, &super, sizeof super, 0, "the head of the log");
    if (super.magic != LOG_MAGIC || super.version != 1 || super.entries_len == 0) {
        fprintf(stderr, "replay: this is no log of dm-log-writes\n");
        exit(70);
    }
    uint64_t at = run.sector_bytes = super.sector_bytes, marks = 0, mark = 0;
    run.entries = calloc(super.entries_len, sizeof *run.entries);
    run.boundaries = calloc(super.entries_len + 1, sizeof *run.boundaries);
    if (!run.entries || !run.boundaries) give_up("calloc");
    for (run.entries_len = 0; run.entries_len < super.entries_len; run.entries_len++) {
        struct log_head head;
        struct entry_of_log *entry = &run.entries[run.entries_len];
        read_at(run.log, &head, sizeof head, at, "an entry of the log");
        if (head.flags & LOG_MARK) {
            char text[32] = "";
            size_t len = head.data_len < sizeof text ? head.data_len : sizeof text - 1;
            read_at(run.log, text, len, at + sizeof head, "a mark");
            mark = strtoull(text, NULL, 10);
            marks++;
        }
        *entry = (struct entry_of_log){head.sector * run.sector_bytes,
                                       head.sectors * run.sector_bytes, head.flags,
                                       at + run.sector_bytes, marks, mark};
        at += run.sector_bytes;
        if (!(head.flags & (LOG_DISCARD | LOG_MARK))) at += entry->len;
        run.writes += entry->len != 0;
        if (!(head.flags & (LOG_FLUSH | LOG_FUA)) || marks == 0) continue;
        run.boundaries[run.boundaries_len++] = run.entries_len;
        run.flushes++;
    }
    run.boundaries[run.boundaries_len++] = run.entries_len - 1;
}

/* --- The disk, entry by entry. */

static void put_zeros(int image, uint64_t at, uint64_t len) {
    static const uint8_t zeros[1 << 16];
    for (uint64_t done = 0; done < len;) {
        size_t part = len - done < sizeof zeros ? (size_t)(len - done) : sizeof zeros;
        if (pwrite(image, zeros, part, (off_t)(at + done)) != (ssize_t)part) give_up("zeros");
        done += part;
    }
}

static void apply(int image, const struct entry_of_log *entry) {
    static uint8_t bytes[1 << 16];
    if (entry->flags & LOG_MARK) return;
    if (entry->flags & LOG_DISCARD) {
        put_zeros(image, entry->offset, entry->len);
        return;
    }
    for (uint64_t done = 0; done < entry->len;) {
        size_t part = entry->len - done < sizeof bytes ? (size_t)(entry->len - done) : sizeof bytes;
        read_at(run.log, bytes, part, entry->data_at + done, "data of the log");
        off_t at = (off_t)(entry->offset + done);
        if (pwrite(image, bytes, part, at) != (ssize_t)part) give_up("writing an image");
        done += part;
    }
}

static int new_image(void) {
    struct stat facts;
    int base = open(run.base_path, O_RDONLY | O_CLOEXEC);
    int image = memfd_create("image", MFD_CLOEXEC);
    if (base < 0 || image < 0 || fstat(base, &facts) != 0) give_up(run.base_path);
    if (ftruncate(image, facts.st_size) != 0) give_up("ftruncate");
    off_t end = 0;
    for (off_t at = lseek(base, 0, SEEK_DATA); at >= 0; at = lseek(base, end, SEEK_DATA)) {
        static uint8_t bytes[1 << 16];
        end = lseek(base, at, SEEK_HOLE);
        while (at < end) {
            ssize_t got = pread(base, bytes, sizeof bytes, at);
            if (got <= 0 || pwrite(image, bytes, (size_t)got, at) != got) give_up("the image");
            at += got;
        }
    }
    close(base);
    return image;
}

/* A write that a flush had promised: never the boundary's own. */
static uint64_t dropped_before(uint64_t boundary, uint64_t chance) {
    uint64_t from = boundary, writes = 0;
    /* Among the writes since the last answer, without which that answer was not durable. */
    while (from > 0 && writes < 12) writes += run.entries[--from].len != 0;
    for (int tries = 0; tries < 1000; tries++) {
        uint64_t at = from + chance_below(&chance, boundary - from + 1);
        int is_write = run.entries[at].len != 0 && !(run.entries[at].flags & LOG_DISCARD);
        if (is_write && at != boundary) return at;
    }
    return UINT64_MAX;
}

/* As the log says up to the boundary. Without drops an image goes on from one point to the next. */
static int image_at(uint64_t boundary, uint64_t chance) {
    static int image = -1;
    static uint64_t applied;
    static pid_t owner;
    uint64_t dropped = run.drops ? dropped_before(boundary, chance) : UINT64_MAX;
    int is_fresh = owner != getpid() || run.drops || applied > boundary + 1;
    if (is_fresh) {
        if (image >= 0) close(image);
        image = new_image();
        applied = 0;
    }
    owner = getpid();
    for (; applied <= boundary; applied++) {
        if (applied != dropped) apply(image, &run.entries[applied]);
    }
    return image;
}

/* --- Points. */

static void read_snapshot(uint64_t mark, struct life *life, struct script *script,
                          uint64_t *number) {
    static struct snapshot snapshot;
    int file = open(run.snapshots_path, O_RDONLY | O_CLOEXEC);
    if (file < 0) give_up(run.snapshots_path);
    read_at(file, &snapshot, sizeof snapshot, mark * SNAPSHOT_BYTES, "a snapshot");
    close(file);
    *number = snapshot.life;
    script_make(script, chance_seed(run.seed, snapshot.life), GUEST_STEPS);
    memcpy((void *)life->ledger, (const void *)&snapshot.ledger, sizeof snapshot.ledger);
}

/* After the last mark of a life its store is removed. */
static int is_over(const struct life *life) {
    for (unsigned at = 0; at < life->script->steps_len; at++) {
        if (life->ledger->entries[at].state <= ENTRY_STARTED) return 0;
    }
    return 1;
}

static int point(uint64_t number, void *context) {
    static struct disk disk;
    static pid_t owner;
    static struct script script;
    (void)context;
    uint64_t index = run.tells ? run.first : number * run.boundaries_len / run.points;
    uint64_t chance = chance_seed(run.seed, index), life_number = 0;
    if (index >= run.boundaries_len) return 0;
    const struct entry_of_log *entry = &run.entries[run.boundaries[index]];
    findings_at("build/torture/qemu/replay --file-system %s --seed %llu --only %llu",
                run.type, (unsigned long long)run.seed, (unsigned long long)index);
    struct life life = life_new(&script, POLICY_NONE, CONTROL_NONE);
    read_snapshot(entry->mark, &life, &script, &life_number);
    if (is_over(&life)) return 1;
    int image = image_at(run.boundaries[index], chance);
    if (owner != getpid()) {
        disk_make_bare(&disk, run.type, (unsigned long long)lseek(image, 0, SEEK_END));
    }
    owner = getpid();
    disk_fill(&disk, image);
    /* Other points of the same log are mounted at the same time. */
    if (!disk_try_mount(&disk, strcmp(run.type, "xfs") == 0 ? "nouuid" : "")) {
        /* That is what became of the file system without a write, and says nothing about the store. */
        if (!run.drops) finding(FOUND_REOPEN, "the file system cannot be mounted");
        return 1;
    }
    snprintf(life.directory, sizeof life.directory, "%.4000s/store-%llu", disk.mount,
             (unsigned long long)life_number);
    if (run.tells) {
        printf("entry %llu of %llu, after mark %llu\n", (unsigned long long)run.boundaries[index],
               (unsigned long long)run.entries_len, (unsigned long long)entry->mark);
    }
    expect_done(run_child(life_verify, &life, 4 * HANG_MS), "the check");
    disk_unmount(&disk);
    atomic_fetch_add(run.verified, 1);
    return 1;
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--points", 1},  {"--only", 1},      {"--control", 1}, {"--file-system", 1},
        {"--log", 1},  {"--base", 1},    {"--snapshots", 1},
    };
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    run.seed = option_seed(argc, argv);
    run.type = option_text(argc, argv, "--file-system", "ext4");
    run.base_path = option_text(argc, argv, "--base", "build/torture/qemu/base");
    run.snapshots_path = option_text(argc, argv, "--snapshots", "build/torture/qemu/snapshots");
    const char *log = option_text(argc, argv, "--log", "build/torture/qemu/log");
    run.log = open(log, O_RDONLY | O_CLOEXEC);
    if (run.log < 0) give_up(log);
    run.first = option_number(argc, argv, "--only", 0);
    run.tells = option_given(argc, argv, "--only");
    run.drops = option_given(argc, argv, "--control");
    findings_silent(run.drops);
}

int main(int argc, char **argv) {
    char name[32], details[200];
    read_options(argc, argv);
    findings_start();
    scratch_start();
    snprintf(name, sizeof name, "qemu_%s", run.type);
    const char *why = disks_start(run.type);
    if (why) {
        printf("SKIPPED: %s: on this machine: %s\n", name, why);
        return 77;
    }
    read_log();
    run.points = option_number(argc, argv, "--points", 0);
    if (run.points == 0 || run.points > run.boundaries_len) run.points = run.boundaries_len;
    run.verified = shared_memory(sizeof *run.verified);
    run_points(run.tells ? 1 : run.points, point, NULL);
    uint64_t ran = atomic_load(run.verified);
    if (run.drops) {
        const char *control = option_text(argc, argv, "--control", "");
        enum finding wanted = findings_count(FOUND_LOST) ? FOUND_LOST : FOUND_REOPEN;
        return findings_report_control(name, control, run.seed, ran, wanted);
    }
    snprintf(details, sizeof details, "%llu entries, %llu writes, %llu flushes, %llu marks",
             (unsigned long long)run.entries_len, (unsigned long long)run.writes,
             (unsigned long long)run.flushes,
             (unsigned long long)run.entries[run.entries_len - 1].marks);
    return findings_report(name, run.seed, ran, details);
}

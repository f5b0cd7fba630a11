/* The ways in which a store is damaged. */

#define _GNU_SOURCE

#include "damage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR_BYTES = 512, PAGE_HEAD_BYTES = 64, TRIES_MAX = 200 };

const char *const damage_names[DAMAGES_ALL] = {
    "bit",         "byte",          "head byte",   "branch byte", "meta byte",
    "payment byte", "row byte",     "row bit",     "sector zeroed", "sector random", "sector old",
    "page zeroed", "page random",   "page copy",   "page swap",   "page old",    "truncation",
    "owner.lock",  "lock.mdb",      "locks old",   "both metas",  "file old",    "meta old",
};

struct damaging {
    const struct base *base;
    uint64_t chance;
    int descriptor;
    size_t pages;
};

static void put(const struct damaging *d, size_t at, const void *bytes, size_t len) {
    if (pwrite(d->descriptor, bytes, len, (off_t)at) != (ssize_t)len) give_up("damaging a file");
}

static size_t any_page(struct damaging *d) { return (size_t)chance_below(&d->chance, d->pages); }

static void change_byte(struct damaging *d, size_t at, int one_bit, char *what, size_t len) {
    uint8_t bit = (uint8_t)(1u << chance_below(&d->chance, 8));
    uint8_t change = one_bit ? bit : (uint8_t)(1 + chance_below(&d->chance, 255));
    uint8_t byte = d->base->now.data[at] ^ change;
    put(d, at, &byte, 1);
    snprintf(what, len, "byte %zu of page %zu: %02x, not %02x", at % page_bytes(),
             at / page_bytes(), byte, d->base->now.data[at]);
}

static void flip(struct damaging *d, size_t page_bytes_max, int one_bit, char *what, size_t len) {
    size_t page = any_page(d);
    size_t at = page * page_bytes() + (size_t)chance_below(&d->chance, page_bytes_max);
    change_byte(d, at, one_bit, what, len);
}

/* Of LMDB's pages: kind at 10, end of the offsets at 12, beginning of the nodes at 14. */
static unsigned page_field(const struct damaging *d, size_t page, size_t at) {
    const uint8_t *bytes = d->base->now.data + page * page_bytes() + at;
    return bytes[0] | (unsigned)bytes[1] << 8;
}

/* A byte of a branch page: its header, its offsets or its keys. */
static void flip_in_branch(struct damaging *d, char *what, size_t len) {
    size_t page = 0, start = any_page(d);
    for (size_t i = 0; i < d->pages; i++) {
        page = (start + i) % d->pages;
        if (page >= 2 && page_field(d, page, 10) == 1) break;
    }
    size_t lower = page_field(d, page, 12) % page_bytes();
    size_t upper = page_field(d, page, 14) % page_bytes();
    size_t used = lower + (page_bytes() - upper);
    size_t at = (size_t)chance_below(&d->chance, used);
    if (at >= lower) at += upper - lower;
    change_byte(d, page * page_bytes() + at, (int)chance_below(&d->chance, 2), what, len);
}

/* A byte of a row that holds the hash of a payment: of what leads to it, of itself, of an event. */
static void flip_beside_hash(struct damaging *d, char *what, size_t len) {
    enum { AROUND_BYTES = 64, PLACES_MAX = 16 };
    size_t places[PLACES_MAX], places_len = 0, payments = d->base->truth->payments_len;
    const uint8_t *data = d->base->now.data, *end = data + d->base->now.data_len;
    uint8_t hash[32];
    if (payments != 0) base_payment_hash((size_t)chance_below(&d->chance, payments), hash);
    const uint8_t *at = payments ? data : end;
    while (places_len < PLACES_MAX && at < end) {
        at = memmem(at, (size_t)(end - at), hash, sizeof hash);
        if (!at) break;
        places[places_len++] = (size_t)(at - data);
        at++;
    }
    if (places_len == 0) {
        flip(d, page_bytes(), 0, what, len);
        return;
    }
    size_t place = places[chance_below(&d->chance, places_len)];
    size_t byte = place + (size_t)chance_below(&d->chance, AROUND_BYTES);
    change_byte(d, byte < d->base->now.data_len ? byte : place,
                (int)chance_below(&d->chance, 2), what, len);
}

/* A byte of a row: of its value, its key, or the header that says how long these are. */
static void flip_in_row(struct damaging *d, int one_bit, char *what, size_t len) {
    enum { NODE_HEAD_BYTES = 8, HEADS = 4 };
    const struct truth *truth = d->base->truth;
    size_t table = (size_t)chance_below(&d->chance, TABLES);
    while (truth->tables[table].len == 0) table = (table + 1) % TABLES;
    const struct known_table *rows = &truth->tables[table];
    const struct known_row *row = &rows->rows[chance_below(&d->chance, rows->len)];
    size_t at = row->data_at;
    if (row->data_len == 0 || chance_below(&d->chance, HEADS) == 0) {
        at = row->key_at - NODE_HEAD_BYTES;
        at += (size_t)chance_below(&d->chance, NODE_HEAD_BYTES + row->key_len);
    } else {
        at += (size_t)chance_below(&d->chance, row->data_len);
    }
    change_byte(d, at, one_bit, what, len);
    size_t told = strlen(what);
    snprintf(what + told, len - told, ", of %s", table_names[table]);
}

enum { META_USED_BYTES = 152, META_TRANSACTION_AT = 144 };

static size_t newer_meta(const struct damaging *d) {
    uint64_t transactions[2];
    for (size_t page = 0; page < 2; page++) {
        memcpy(&transactions[page], d->base->now.data + page * page_bytes() + META_TRANSACTION_AT,
               sizeof transactions[page]);
    }
    return transactions[1] > transactions[0];
}

static void flip_in_meta(struct damaging *d, char *what, size_t len) {
    size_t at = (size_t)chance_below(&d->chance, META_USED_BYTES);
    int one_bit = (int)chance_below(&d->chance, 2);
    change_byte(d, newer_meta(d) * page_bytes() + at, one_bit, what, len);
}

/* Overwrites a range with zeros or chance. A range that was like that already is no damage. */
static void overwrite(struct damaging *d, size_t unit, int random, char *what, size_t len) {
    static uint8_t bytes[65536];
    size_t at = 0;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        at = (size_t)chance_below(&d->chance, d->pages * page_bytes() / unit) * unit;
        memset(bytes, 0, unit);
        if (random) chance_fill(&d->chance, bytes, unit);
        if (memcmp(bytes, d->base->now.data + at, unit) != 0) break;
    }
    put(d, at, bytes, unit);
    snprintf(what, len, "%zu bytes at %zu %s", unit, at, random ? "random" : "zeroed");
}

static void copy_page(struct damaging *d, int swaps, char *what, size_t len) {
    const uint8_t *data = d->base->now.data;
    size_t bytes = page_bytes(), to = 0, from = 0;
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        to = any_page(d);
        from = any_page(d);
        if (memcmp(data + to * bytes, data + from * bytes, bytes) != 0) break;
    }
    put(d, to * bytes, data + from * bytes, bytes);
    if (swaps) put(d, from * bytes, data + to * bytes, bytes);
    const char *verb = swaps ? "swapped with" : "overwritten by";
    snprintf(what, len, "page %zu %s page %zu", to, verb, from);
}

/* A page or sector as it was some commits ago, or at the close before: a write that got lost. */
static void old_unit(struct damaging *d, size_t bytes, char *what, size_t len) {
    const struct image *images[2] = {&d->base->mid, &d->base->old};
    size_t metas = 2 * page_bytes() / bytes, units = d->pages * page_bytes() / bytes, unit = 0;
    int which = (int)chance_below(&d->chance, 2);
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        /* Not the meta pages: what an old one does is counted by itself. */
        if (units <= metas) break;
        unit = metas + (size_t)chance_below(&d->chance, units - metas);
        if ((unit + 1) * bytes > images[which]->data_len) continue;
        const uint8_t *old = images[which]->data + unit * bytes;
        if (memcmp(old, d->base->now.data + unit * bytes, bytes) == 0) continue;
        put(d, unit * bytes, old, bytes);
        snprintf(what, len, "%zu bytes at %zu of %s", bytes, unit * bytes,
                 which ? "the close before" : "before");
        return;
    }
    snprintf(what, len, "nothing differs: nothing was damaged");
}

static void truncate_at(struct damaging *d, uint64_t turn, char *what, size_t len) {
    /* Every sector in turn: from the end of what is in use down, then again. */
    size_t sectors = d->base->now.data_len / SECTOR_BYTES;
    size_t at = (sectors - (size_t)(turn % (sectors + 1))) * SECTOR_BYTES;
    if (ftruncate(d->descriptor, (off_t)at) != 0) give_up("truncating");
    snprintf(what, len, "data.mdb cut at %zu of %zu", at, d->base->now.data_len);
}

/* Another file of the store becomes garbage of some length. */
static void garbage_in(struct damaging *d, const char *name, size_t bytes_max, char *what,
                       size_t len) {
    static uint8_t garbage[65536];
    char path[PATH_BYTES + 16];
    size_t bytes = (size_t)chance_below(&d->chance, bytes_max + 1);
    chance_fill(&d->chance, garbage, bytes);
    snprintf(path, sizeof path, "%s/%s", d->base->directory, name);
    write_whole(path, garbage, bytes, bytes);
    snprintf(what, len, "%zu bytes of garbage as %s", bytes, name);
}

static void old_locks(struct damaging *d, char *what, size_t len) {
    char path[PATH_BYTES + 16];
    const struct image *old = &d->base->old;
    snprintf(path, sizeof path, "%s/owner.lock", d->base->directory);
    write_whole(path, old->owner, old->owner_len, old->owner_len);
    snprintf(path, sizeof path, "%s/lock.mdb", d->base->directory);
    write_whole(path, old->lock, old->lock_len, old->lock_len);
    snprintf(what, len, "owner.lock and lock.mdb as they were at the close before");
}

static void both_metas(struct damaging *d, char *what, size_t len) {
    size_t at = (size_t)chance_below(&d->chance, META_USED_BYTES);
    uint8_t change = (uint8_t)(1 + chance_below(&d->chance, 255));
    for (size_t page = 0; page < 2; page++) {
        uint8_t byte = d->base->now.data[page * page_bytes() + at] ^ change;
        put(d, page * page_bytes() + at, &byte, 1);
    }
    snprintf(what, len, "byte %zu of both metas changed by %02x", at, change);
}

static void old_metas(struct damaging *d, char *what, size_t len) {
    const struct image *mid = &d->base->mid;
    size_t bytes = page_bytes(), newer = newer_meta(d);
    /* Only the newer one: the older stays, as after a write that got lost. */
    put(d, newer * bytes, mid->data + newer * bytes, bytes);
    snprintf(what, len, "meta page %zu as it was some commits ago", newer);
}

static void old_file(struct damaging *d, char *what, size_t len) {
    const struct image *old = &d->base->old;
    put(d, 0, old->data, old->data_len);
    snprintf(what, len, "data.mdb as it was at the close before, owner.lock as it is");
}

static void apply(struct damaging *d, enum damage_kind kind, uint64_t turn, char *what,
                  size_t len) {
    switch (kind) {
    case DAMAGE_BIT: flip(d, page_bytes(), 1, what, len); break;
    case DAMAGE_BYTE: flip(d, page_bytes(), 0, what, len); break;
    case DAMAGE_HEAD_BYTE: flip(d, PAGE_HEAD_BYTES, 0, what, len); break;
    case DAMAGE_BRANCH_BYTE: flip_in_branch(d, what, len); break;
    case DAMAGE_META_BYTE: flip_in_meta(d, what, len); break;
    case DAMAGE_PAYMENT_BYTE: flip_beside_hash(d, what, len); break;
    case DAMAGE_ROW_BYTE: flip_in_row(d, 0, what, len); break;
    case DAMAGE_ROW_BIT: flip_in_row(d, 1, what, len); break;
    case DAMAGE_SECTOR_OLD: old_unit(d, SECTOR_BYTES, what, len); break;
    case DAMAGE_SECTOR_ZERO: overwrite(d, SECTOR_BYTES, 0, what, len); break;
    case DAMAGE_SECTOR_RANDOM: overwrite(d, SECTOR_BYTES, 1, what, len); break;
    case DAMAGE_PAGE_ZERO: overwrite(d, page_bytes(), 0, what, len); break;
    case DAMAGE_PAGE_RANDOM: overwrite(d, page_bytes(), 1, what, len); break;
    case DAMAGE_PAGE_COPY: copy_page(d, 0, what, len); break;
    case DAMAGE_PAGE_SWAP: copy_page(d, 1, what, len); break;
    case DAMAGE_PAGE_OLD: old_unit(d, page_bytes(), what, len); break;
    case DAMAGE_TRUNCATE: truncate_at(d, turn, what, len); break;
    case DAMAGE_OWNER_LOCK: garbage_in(d, "owner.lock", 64, what, len); break;
    case DAMAGE_LOCK_FILE: garbage_in(d, "lock.mdb", 40000, what, len); break;
    case DAMAGE_LOCKS_OLD: old_locks(d, what, len); break;
    case DAMAGE_META_BOTH: both_metas(d, what, len); break;
    case DAMAGE_FILE_OLD: old_file(d, what, len); break;
    case DAMAGE_META_OLD: old_metas(d, what, len); break;
    case DAMAGES_ALL: break;
    }
}

void damage_apply(const struct base *base, enum damage_kind kind, uint64_t turn, uint64_t chance,
                  char *what, size_t what_len) {
    char path[PATH_BYTES + 16];
    struct damaging d = {.base = base, .chance = chance};
    d.pages = base->now.data_len / page_bytes();
    snprintf(path, sizeof path, "%s/data.mdb", base->directory);
    d.descriptor = open(path, O_RDWR | O_CLOEXEC);
    if (d.descriptor < 0) give_up(path);
    apply(&d, kind, turn, what, what_len);
    close(d.descriptor);
}

static uint32_t crc32c(const uint8_t *bytes, size_t len) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* What a close leaves from byte 32 of owner.lock: length and ctime of data.mdb (docs/format.md). */
void damage_hide(const struct base *base) {
    enum { STAMP_AT = 32, STAMP_BYTES = 28 };
    char path[PATH_BYTES + 16];
    uint8_t stamp[STAMP_BYTES];
    struct stat facts;
    snprintf(path, sizeof path, "%s/data.mdb", base->directory);
    if (stat(path, &facts) != 0) give_up(path);
    uint64_t fields[3] = {(uint64_t)facts.st_size, (uint64_t)facts.st_ctim.tv_sec,
                          (uint64_t)facts.st_ctim.tv_nsec};
    for (size_t i = 0; i < 24; i++) stamp[i] = (uint8_t)(fields[i / 8] >> 8 * (i % 8));
    uint32_t crc = crc32c(stamp, 24);
    for (size_t i = 0; i < 4; i++) stamp[24 + i] = (uint8_t)(crc >> 8 * i);
    snprintf(path, sizeof path, "%s/owner.lock", base->directory);
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0) give_up(path);
    if (pwrite(descriptor, stamp, sizeof stamp, STAMP_AT) != STAMP_BYTES) give_up(path);
    close(descriptor);
}

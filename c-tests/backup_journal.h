/* What the tests of journals share: short forms of what a host tells, and what a journal's bytes say. */

#ifndef LNKEEP_TEST_BACKUP_JOURNAL_H
#define LNKEEP_TEST_BACKUP_JOURNAL_H

#include "backup_cut.h"

static inline int check_err_of_channel(lnkeep_status status) {
    return check_err_with(status, LNKEEP_ERROR_HAS_VALUE | LNKEEP_ERROR_HAS_CHANNEL);
}

/* Bits of an entry's flags. */
enum { INCOMING = 1, WITH_PREIMAGE = 2, REMOVED = 4, WITH_OUTPUT = 8 };

enum { JOURNAL_HEAD_BYTES = 36, ENTRIES_MAX = 256 };

typedef struct entry {
    uint16_t channel;
    uint8_t flags;
    uint64_t htlc_id, amount_msat;
    uint32_t cltv_expiry, output_index;
    const uint8_t *payment_hash, *preimage;
} entry;

/* HTLCs as a journal or a snapshot has them. */
typedef struct htlcs {
    size_t channels_len, entries_len;
    const uint8_t *channels[ENTRIES_MAX], *points[ENTRIES_MAX];
    entry entries[ENTRIES_MAX];
} htlcs;

static inline const uint8_t *read_entry(const uint8_t *at, const uint8_t *end, entry *read) {
    if (end - at < 11) return NULL;
    read->channel = (uint16_t)be(at, 2), read->flags = at[2], read->htlc_id = be(at + 3, 8);
    at += 11;
    if (read->flags & REMOVED) return at;
    ptrdiff_t wanted = 44 + (read->flags & WITH_PREIMAGE ? 32 : 0) + (read->flags & WITH_OUTPUT ? 4 : 0);
    if (end - at < wanted) return NULL;
    read->payment_hash = at, read->amount_msat = be(at + 32, 8), read->cltv_expiry = (uint32_t)be(at + 40, 4);
    at += 44;
    if (read->flags & WITH_PREIMAGE) read->preimage = at, at += 32;
    if (read->flags & WITH_OUTPUT) read->output_index = (uint32_t)be(at, 4), at += 4;
    return at;
}

static inline int read_htlcs(const uint8_t *at, size_t len, htlcs *read) {
    const uint8_t *end = at + len;
    memset(read, 0, sizeof *read);
    if (!CHECK(len >= 4)) return 0;
    size_t channels = be(at, 2);
    at += 2;
    if (!CHECK(channels <= ENTRIES_MAX)) return 0;
    for (; read->channels_len < channels; read->channels_len++) {
        if (!CHECK(end - at >= 33) || !CHECK(!(at[32] & 1) || end - at >= 66)) return 0;
        read->channels[read->channels_len] = at;
        if (at[32] & 1) read->points[read->channels_len] = at + 33;
        at += at[32] & 1 ? 66 : 33;
    }
    if (!CHECK(end - at >= 2)) return 0;
    size_t entries = be(at, 2);
    at += 2;
    if (!CHECK(entries <= ENTRIES_MAX)) return 0;
    for (; read->entries_len < entries; read->entries_len++) {
        at = read_entry(at, end, &read->entries[read->entries_len]);
        if (!CHECK(at != NULL) || !CHECK(read->entries[read->entries_len].channel < channels)) return 0;
    }
    return CHECK(at == end);
}

/* The journal that a peer keeps. */
typedef struct journal {
    contents blob;
    uint64_t base_generation, uncovered_msat;
    uint32_t uncovered;
    htlcs told;
} journal;

static inline journal journal_of(uint32_t number) {
    journal read;
    memset(&read, 0, sizeof read);
    read.blob = contents_of(number);
    lnkeep_bytes content = read.blob.content;
    CHECK(read.blob.opened->kind == KIND_JOURNAL && be(read.blob.opened->set_id, 8) == 0);
    if (!CHECK(content.len >= JOURNAL_HEAD_BYTES)) abort();
    read.base_generation = be(content.ptr + 16, 8);
    read.uncovered = (uint32_t)be(content.ptr + 24, 4), read.uncovered_msat = be(content.ptr + 28, 8);
    CHECK_EQUAL(be(content.ptr, 8) != 0, read.base_generation != 0);
    read_htlcs(content.ptr + JOURNAL_HEAD_BYTES, content.len - JOURNAL_HEAD_BYTES, &read.told);
    return read;
}

static inline void close_journal(journal *read) { close_contents(&read->blob); }

static inline lnkeep_backup_htlc htlc_of(uint8_t channel, uint64_t id, uint64_t amount_msat) {
    lnkeep_backup_htlc htlc = LNKEEP_BACKUP_HTLC_INIT;
    uint8_t preimage[32];
    memset(htlc.channel_id, channel, sizeof htlc.channel_id);
    memset(preimage, (int)id, sizeof preimage);
    h_sha256(preimage, sizeof preimage, htlc.payment_hash);
    htlc.htlc_id = id;
    htlc.amount_msat = amount_msat;
    htlc.cltv_expiry = HEIGHT + 1000;
    htlc.flags = LNKEEP_BACKUP_HTLC_INCOMING;
    return htlc;
}

static inline lnkeep_backup_htlc claimable(uint8_t channel, uint64_t id, uint64_t amount_msat) {
    lnkeep_backup_htlc htlc = htlc_of(channel, id, amount_msat);
    memset(htlc.preimage, (int)id, sizeof htlc.preimage);
    htlc.flags |= LNKEEP_BACKUP_HTLC_HAS_PREIMAGE;
    return htlc;
}

static inline lnkeep_status tell(uint64_t now_ms, lnkeep_backup_htlc htlc) {
    lnkeep_status status = lnkeep_backup_set_htlc(backup, now_ms, &htlc, &err);
    check_err_of_channel(status);
    return status;
}

static inline lnkeep_status force_closed(uint8_t channel) {
    uint8_t channel_id[32];
    memset(channel_id, channel, sizeof channel_id);
    lnkeep_status status = lnkeep_backup_channel_force_closed(backup, channel_id, &err);
    check_err_of_channel(status);
    return status;
}

static inline lnkeep_status block_at(uint32_t height) {
    lnkeep_status status = lnkeep_backup_block_connected(backup, height, &err);
    check_err_of_channel(status);
    return status;
}

static inline lnkeep_status set_point(uint8_t channel, uint8_t byte) {
    uint8_t channel_id[32], point[33];
    memset(channel_id, channel, sizeof channel_id);
    memset(point, byte, sizeof point);
    lnkeep_status status = lnkeep_backup_set_commitment_point(backup, channel_id, point, &err);
    check_err_of_channel(status);
    return status;
}

#endif

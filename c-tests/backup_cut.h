/*
 * What the tests of cut payloads and journals share: facts, peers that keep one blob each, what is in a blob,
 * and the code of the shares, written anew from the format.
 */

#ifndef LNKEEP_TEST_BACKUP_CUT_H
#define LNKEEP_TEST_BACKUP_CUT_H

#include "backup.h"

enum {
    KEPT_MAX = 64,
    SHARES_MAX = 32,
    RECORD_HEAD_BYTES = 52,
    SPREAD_MS = 5000,
    /* Of two records in a blob of 1,024 bytes, beside the longest roster. */
    SLOT_1024_BYTES = 263,
    NO_SHARE = 255
};

enum { KIND_WHOLE = 0, KIND_SHARES = 1, KIND_JOURNAL = 2, FLAG_ROSTER = 1 };

/* What each peer keeps: the last blob that was sent to it, empty for none. */
static struct {
    uint8_t *bytes;
    size_t len;
    uint64_t seq;
} kept[KEPT_MAX];

static inline void drop_kept(void) {
    for (size_t i = 0; i < KEPT_MAX; i++) free(kept[i].bytes);
    memset(kept, 0, sizeof kept);
}

static inline lnkeep_bytes kept_by(uint32_t number) { return h_bytes(kept[number].bytes, kept[number].len); }

static inline uint64_t be(const uint8_t *bytes, size_t len) {
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++) value = value << 8 | bytes[i];
    return value;
}

/* An IPv4 address in a network of its own, as node_announcement has it. */
static inline lnkeep_bytes address_of(uint32_t number) {
    static _Thread_local uint8_t address[7];
    const uint8_t made[7] = {1, 10, (uint8_t)number, 0, 1, 0x26, 0x07};
    memcpy(address, made, sizeof address);
    return h_bytes(address, sizeof address);
}

/* A keeper with nothing against it. */
static inline lnkeep_peer_facts facts_of(uint32_t number) {
    lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
    facts.capacity_sat = 1000000;
    facts.channel_age_secs = 30 * 24 * 3600;
    facts.flags = LNKEEP_PEER_OPEN_CHANNEL | LNKEEP_PEER_ANNOUNCED;
    facts.address = address_of(number);
    return facts;
}

static inline lnkeep_status tell_facts(uint64_t now_ms, uint32_t number, const lnkeep_peer_facts *facts) {
    node_id peer = node(number);
    lnkeep_status status = lnkeep_backup_set_facts(backup, now_ms, peer.bytes, facts, &err);
    check_err(status);
    return status;
}

/* Peers from one number to another, there and with nothing of ours. */
static inline void introduce(uint64_t now_ms, uint32_t from, uint32_t to) {
    for (uint32_t number = from; number <= to; number++) {
        lnkeep_peer_facts facts = facts_of(number);
        CHECK_DONE(tell_facts(now_ms, number, &facts));
        greet(now_ms, number);
    }
}

/* A payload of this length; another seed, other bytes. The caller frees it. */
static inline uint8_t *payload_of(uint64_t seed, size_t len) {
    uint8_t *bytes = (uint8_t *)malloc(len ? len : 1);
    if (!bytes) abort();
    for (size_t at = 0; at < len; at += BLOB_MAX) {
        lnkeep_bytes piece = blob_of(seed + at, len - at < BLOB_MAX ? len - at : BLOB_MAX);
        memcpy(bytes + at, piece.ptr, piece.len);
    }
    return bytes;
}

static inline lnkeep_status set_bytes(const uint8_t *payload, size_t len) {
    lnkeep_status status = lnkeep_backup_set_payload(backup, h_bytes(payload, len), &err);
    check_err(status);
    return status;
}

/* Seals for a peer, which keeps it. Answers the number. */
static inline uint64_t give(uint64_t now_ms, uint32_t number) {
    uint64_t seq = 0;
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_backup_seal(backup, now_ms, peer.bytes, HEIGHT, &blob, &seq, &err);
    check_err(status);
    if (!CHECK_DONE(status) || !CHECK(blob != NULL)) abort();
    free(kept[number].bytes);
    kept[number].bytes = (uint8_t *)malloc(blob->len);
    if (!kept[number].bytes) abort();
    memcpy(kept[number].bytes, blob->ptr, blob->len);
    kept[number].len = blob->len;
    kept[number].seq = seq;
    lnkeep_buf_free(blob);
    return seq;
}

/* Connects a peer anew, which returns what it keeps. */
static inline lnkeep_status meet_again(uint64_t now_ms, uint32_t number) {
    CHECK_DONE(leave(number));
    CHECK_DONE(arrive(now_ms, number));
    return returned(now_ms, number, kept_by(number), NULL);
}

static inline const lnkeep_backup_action *action_at(const lnkeep_backup_actions *actions, size_t i) {
    const char *at = (const char *)actions->actions + i * actions->action_stride;
    return (const lnkeep_backup_action *)(const void *)at;
}

/* Gives every peer that this tick names its blob; answers how many these were. */
static inline size_t give_due(uint64_t now_ms) {
    lnkeep_backup_actions *actions = tick_backup(now_ms);
    size_t given = 0;
    CHECK_EQUAL((uint32_t)actions->failure, 0);
    for (size_t i = 0; i < actions->actions_len; i++) {
        if (action_at(actions, i)->action != LNKEEP_BACKUP_ACTION_SEND) continue;
        give(now_ms, number_of(action_at(actions, i)->node_id));
        given++;
    }
    lnkeep_backup_actions_free(actions);
    return given;
}

/* Batch after batch, until nobody is due; *now_ms is when that is. Answers how many were given. */
static inline size_t give_all(uint64_t *now_ms) {
    size_t given = 0;
    for (int batch = 0; batch < 12; batch++) {
        size_t more = give_due(*now_ms);
        if (!more) return given;
        given += more;
        *now_ms += SPREAD_MS;
    }
    CHECK(!"an end of batches");
    return given;
}

typedef struct share_record {
    uint64_t generation;
    uint8_t data_shares, shares, index;
    size_t share_bytes, object_bytes;
    const uint8_t *object_sha256, *share;
} share_record;

typedef struct roster_peer {
    uint32_t number;
    uint8_t index;
    lnkeep_bytes address;
} roster_peer;

/* What is in a blob. */
typedef struct contents {
    lnkeep_opened *opened;
    lnkeep_bytes content;
    size_t records_len;
    share_record records[2];
    uint64_t roster_generation;
    size_t roster_len;
    roster_peer roster[KEPT_MAX];
} contents;

static inline int read_record(const uint8_t *at, size_t left, share_record *record) {
    if (left < RECORD_HEAD_BYTES) return 0;
    record->generation = be(at, 8);
    record->data_shares = at[8], record->shares = at[9], record->index = at[10];
    record->share_bytes = be(at + 12, 4), record->object_bytes = be(at + 16, 4);
    record->object_sha256 = at + 20, record->share = at + RECORD_HEAD_BYTES;
    size_t k = record->data_shares;
    if (at[11] != 0 || k < 1 || k > record->shares || record->shares > SHARES_MAX) return 0;
    size_t wanted = (record->object_bytes + k - 1) / k;
    if (record->share_bytes != (wanted ? wanted : 1) || record->index >= record->shares) return 0;
    return record->share_bytes <= left - RECORD_HEAD_BYTES;
}

static inline void read_records(contents *found) {
    const uint8_t *at = found->content.ptr, *end = at + found->content.len;
    if (!CHECK(at < end)) return;
    size_t count = *at++;
    CHECK(count == 1 || count == 2);
    for (size_t i = 0; i < count && i < 2; i++) {
        share_record *record = &found->records[i];
        if (!CHECK(read_record(at, (size_t)(end - at), record))) return;
        at = record->share + record->share_bytes;
        found->records_len++;
    }
    CHECK(at == end);
}

static inline void read_roster(contents *found, const uint8_t *at, size_t len) {
    const uint8_t *end = at + len;
    if (!CHECK(len >= 10)) return;
    found->roster_generation = be(at, 8);
    size_t count = be(at + 8, 2);
    if (!CHECK(count <= KEPT_MAX)) return;
    at += 10;
    for (; found->roster_len < count; found->roster_len++) {
        roster_peer *peer = &found->roster[found->roster_len];
        if (!CHECK(end - at >= 35 && end - at >= 35 + at[34])) return;
        peer->number = number_of(at);
        peer->index = at[33];
        peer->address = h_bytes(at + 35, at[34]);
        at += 35 + at[34];
    }
    CHECK(at == end);
}

/* Opens what a peer keeps; the caller frees it with close_contents. */
static inline contents contents_of(uint32_t number) {
    contents found;
    memset(&found, 0, sizeof found);
    node_id peer = node(number);
    lnkeep_status status =
        lnkeep_envelope_open(SECRET, peer.bytes, kept_by(number), &found.opened, &err);
    if (!CHECK_DONE(status)) abort();
    const lnkeep_opened *opened = found.opened;
    CHECK(opened->seq == kept[number].seq && opened->block_height == HEIGHT && opened->reserved == 0);
    found.content = opened->payload;
    if (opened->flags & FLAG_ROSTER) {
        size_t len = opened->payload.len;
        size_t roster = len < 2 ? 0 : be(opened->payload.ptr + len - 2, 2);
        if (CHECK(len >= 2 && roster <= len - 2)) {
            found.content.len = len - 2 - roster;
            read_roster(&found, opened->payload.ptr + found.content.len, roster);
        }
    }
    CHECK_EQUAL(opened->flags & ~(uint32_t)FLAG_ROSTER, 0);
    if (opened->kind == KIND_SHARES) read_records(&found);
    return found;
}

static inline void close_contents(contents *found) { lnkeep_opened_free(found->opened); }

/* GF(2^8) with the polynomial 0x11d. */
static inline uint8_t gf_times(uint8_t one, uint8_t other) {
    unsigned product = 0, power = one;
    for (; other; other >>= 1) {
        if (other & 1) product ^= power;
        power = power << 1 ^ (power & 0x80 ? 0x11d : 0);
    }
    return (uint8_t)product;
}

static inline uint8_t gf_power(uint8_t base, unsigned exponent) {
    uint8_t power = 1;
    while (exponent--) power = gf_times(power, base);
    return power;
}

static inline void add_row(uint8_t *to, const uint8_t *from, size_t len, uint8_t factor) {
    for (size_t i = 0; i < len; i++) to[i] ^= gf_times(factor, from[i]);
}

static inline void scale_row(uint8_t *row, size_t len, uint8_t factor) {
    for (size_t i = 0; i < len; i++) row[i] = gf_times(factor, row[i]);
}

static inline void swap_rows(uint8_t *one, uint8_t *other, size_t len) {
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = one[i];
        one[i] = other[i], other[i] = byte;
    }
}

/*
 * Restores an object from k records. Shares are values of polynomials: row r of V is 1, r, r^2 and so on, so
 * the rows of V that the shares belong to are solved for what the first k values follow from. The caller
 * frees the object; NULL if two shares are one.
 */
static inline uint8_t *restore(const share_record *records) {
    size_t k = records[0].data_shares, len = records[0].share_bytes, width = k + len;
    uint8_t *rows = (uint8_t *)calloc(k, width), *object = (uint8_t *)calloc(k, len);
    if (!rows || !object) abort();
    for (size_t i = 0; i < k; i++) {
        for (size_t c = 0; c < k; c++) rows[i * width + c] = gf_power(records[i].index, (unsigned)c);
        memcpy(rows + i * width + k, records[i].share, len);
    }
    for (size_t c = 0; c < k; c++) {
        size_t pivot = c;
        while (pivot < k && !rows[pivot * width + c]) pivot++;
        if (pivot == k) {
            free(rows), free(object);
            return NULL;
        }
        if (pivot != c) swap_rows(rows + pivot * width, rows + c * width, width);
        scale_row(rows + c * width, width, gf_power(rows[c * width + c], 254));
        for (size_t i = 0; i < k; i++) {
            uint8_t factor = i == c ? 0 : rows[i * width + c];
            if (factor) add_row(rows + i * width, rows + c * width, width, factor);
        }
    }
    for (size_t r = 0; r < k; r++) {
        for (size_t c = 0; c < k; c++) {
            uint8_t factor = gf_power((uint8_t)r, (unsigned)c);
            add_row(object + r * len, rows + c * width + k, len, factor);
        }
    }
    free(rows);
    return object;
}

/* What the library makes of the same shares. */
static inline int library_restores(const share_record *records, const uint8_t *object) {
    lnkeep_stripe_share have[SHARES_MAX];
    lnkeep_buf *made = NULL;
    memset(have, 0, sizeof have);
    size_t k = records[0].data_shares, len = records[0].object_bytes;
    for (size_t i = 0; i < k; i++) {
        have[i].bytes = h_bytes(records[i].share, records[i].share_bytes);
        have[i].index = records[i].index;
    }
    lnkeep_status status = lnkeep_stripe_decode((uint32_t)k, records[0].shares, len, have, k, &made, &err);
    if (!CHECK_DONE(status)) return 0;
    int held = CHECK(made->len == len && memcmp(made->ptr, object, len) == 0);
    lnkeep_buf_free(made);
    return held;
}

/* Whether k records restore this payload, with so many bytes of HTLCs beside it. */
static inline int restores(const share_record *records, const uint8_t *payload, size_t len, size_t snapshot) {
    uint8_t *object = restore(records);
    if (!CHECK(object != NULL)) return 0;
    int held = CHECK_EQUAL(records[0].object_bytes, len + snapshot + 4);
    held = held && CHECK(memcmp(object, payload, len) == 0);
    held = held && CHECK_EQUAL(be(object + len + snapshot, 4), snapshot);
    held = held && library_restores(records, object);
    free(object);
    return held;
}

/* Opened blobs, and the share of one generation in each. */
static struct {
    contents opened[KEPT_MAX];
    size_t opened_len;
    share_record records[KEPT_MAX];
    size_t records_len;
} found;

static inline void collect(uint32_t from, uint32_t to, uint64_t generation) {
    memset(&found, 0, sizeof found);
    for (uint32_t number = from; number <= to; number++) {
        if (!kept[number].len) continue;
        contents *opened = &found.opened[found.opened_len++];
        *opened = contents_of(number);
        for (size_t i = 0; i < opened->records_len; i++) {
            int is_it = opened->records[i].generation == generation;
            if (is_it) found.records[found.records_len++] = opened->records[i];
        }
    }
}

static inline void drop_collected(void) {
    for (size_t i = 0; i < found.opened_len; i++) close_contents(&found.opened[i]);
    memset(&found, 0, sizeof found);
}

/* Every choice of as many shares as are needed, and never twice the same share. */
static inline void check_every_choice_restores(const uint8_t *payload, size_t len) {
    size_t k = found.records[0].data_shares;
    for (size_t i = 0; i < found.records_len; i++) {
        for (size_t j = 0; j < i; j++) CHECK(found.records[i].index != found.records[j].index);
        CHECK(memcmp(found.records[i].object_sha256, found.records[0].object_sha256, 32) == 0);
    }
    unsigned tried = 0, most = h_rounds(1000, 12);
    for (uint32_t choice = 0; choice < UINT32_C(1) << found.records_len && tried < most; choice++) {
        share_record chosen[SHARES_MAX];
        size_t count = 0;
        for (size_t i = 0; i < found.records_len; i++) {
            if (choice >> i & 1 && count < SHARES_MAX) chosen[count++] = found.records[i];
        }
        if (count != k) continue;
        tried++;
        if (!restores(chosen, payload, len, 0)) return;
    }
    CHECK(tried > 0);
}

/* A payload of 1,000 bytes and its tail take 4 slots, so 10 shares when there are peers for them. */
enum { CUT_BYTES = 1000, CUT_NEED = 4, CUT_SHARES = 10 };

/* The peer of a share, 0 for none. */
static inline uint32_t keeper_of(uint32_t index) {
    uint32_t keeper = 0;
    for (uint32_t number = 1; number < KEPT_MAX; number++) {
        lnkeep_backup_peer peer = known_of(number);
        if (peer.state == UINT32_MAX || !(peer.flags & LNKEEP_BACKUP_PEER_HAS_SHARE)) continue;
        if (peer.share_index != index) continue;
        CHECK_EQUAL(keeper, 0);
        keeper = number;
    }
    return keeper;
}

/* Cuts, gives everybody its share, and answers the generation; *now_ms moves on. */
static inline uint64_t cut(uint64_t *now_ms, uint32_t peers, const uint8_t *payload) {
    introduce(*now_ms, 1, peers);
    CHECK_DONE(set_bytes(payload, CUT_BYTES));
    CHECK_EQUAL(give_all(now_ms), peers);
    return standing_now().generation;
}

/* Peers from one to another return what they keep, which is what they were sent last. */
static inline void return_all(uint64_t now_ms, uint32_t from, uint32_t to) {
    for (uint32_t number = from; number <= to; number++) {
        CHECK_CONCLUDED(meet_again(now_ms, number), COMMITTED, NONE);
    }
}

#endif

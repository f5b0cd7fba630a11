/* Operations on formats, without a store: envelopes, shares, rosters, backups of other software. */

#include "operations.h"

#include <stdlib.h>
#include <string.h>

#include "foreign_samples.h"

/* Sealed with the key of 32 bytes of 7; some were made to be refused. */
static const char *const samples[] = {
    LDK,
    CLN,
    KMP,
    LND,
    LDK_BAD,
    CLN_OLD,
    CLN_VERSION,
    CLN_BAD,
    CLN_MANY,
    KMP_9,
    LND_EMPTY,
    LND_BAD,
    LND_V1,
    LDK_KEY_OF_ONES,
    CLN_KEY_OF_32,
    CLN_KEY_OF_64,
    LND_KEY_OF_TWOS,
};

static uint8_t digit(char letter) {
    return (uint8_t)(letter <= '9' ? letter - '0' : letter - 'a' + 10);
}

/* The sample of a software, or any other, or nearly the right one. */
static lnkeep_bytes pick_sample(struct turn *t, size_t of_software) {
    uint32_t choice = pick(t, 64);
    const char *text =
        samples[choice < 32 ? of_software : choice % (sizeof samples / sizeof *samples)];
    lnkeep_bytes made = {NULL, strlen(text) / 2};
    uint8_t *bytes = block(t, NULL, made.len);
    for (size_t i = 0; i < made.len; i++)
        bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
    made.ptr = bytes;
    if (choice % 8 == 7) bytes[pick(t, (uint32_t)made.len)] ^= (uint8_t)(1 + pick(t, 255));
    if (choice % 8 == 6) made.len -= pick(t, (uint32_t)made.len);
    return made;
}

OPERATION(foreign_ldk_key) {
    CALL(foreign_ldk_key, IN_BYTES(sevens, 32), (uint8_t *)output(t, 32, 1, 0), ERR);
}

OPERATION(foreign_lnd_key) {
    CALL(foreign_lnd_key, IN_BYTES(nodes[pick_node(t)], 33), (uint8_t *)output(t, 32, 1, 0), ERR);
}

OPERATION(foreign_cln_key) {
    lnkeep_bytes secret = seldom(t, 4) ? view(t) : view_of(t, sevens, seldom(t, 2) ? 32 : 64);
    CALL(foreign_cln_key, secret, (uint8_t *)output(t, 32, 1, 0), ERR);
}

#define OPENS(name, type, object, sample)                                                     \
    OPERATION(name) {                                                                         \
        type **opened = OUT(type *);                                                          \
        lnkeep_bytes bytes = pick_sample(t, sample);                                          \
        lnkeep_status status = CALL(name, IN_BYTES(sevens, 32), bytes, opened, ERR);          \
        if (status == LNKEEP_DONE && seldom(t, 2)) remember_blob(t, bytes.ptr, bytes.len, 0); \
        KEEP(status, object, opened);                                                         \
    }
OPENS(foreign_ldk_open, lnkeep_foreign_ldk, A_FOREIGN_LDK, 0)
OPENS(foreign_cln_open, lnkeep_foreign_cln, A_FOREIGN_CLN, 1)
OPENS(foreign_lightning_kmp_open, lnkeep_foreign_lightning_kmp, A_FOREIGN_LIGHTNING_KMP, 2)
OPENS(foreign_lnd_open, lnkeep_foreign_lnd, A_FOREIGN_LND, 3)

static void put_number(uint8_t *at, uint64_t number, size_t len) {
    for (size_t i = 0; i < len; i++) at[i] = (uint8_t)(number >> 8 * (len - 1 - i));
}

enum { RECORD_HEAD_BYTES = 52, RECORD_SHARE_BYTES = 40, MADE_BYTES_MAX = 256 };

/* As docs/backup-format.md says: a count, then each record's head and share. */
static size_t make_records(struct turn *t, uint8_t bytes[MADE_BYTES_MAX]) {
    size_t count = 1 + pick(t, 2), len = 1;
    bytes[0] = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        uint8_t *at = bytes + len;
        memset(at, 0, RECORD_HEAD_BYTES + RECORD_SHARE_BYTES);
        put_number(at, 7 - i, 8);
        at[8] = 2, at[9] = 3, at[10] = (uint8_t)pick(t, 3);
        put_number(at + 12, RECORD_SHARE_BYTES, 4);
        put_number(at + 16, 2 * RECORD_SHARE_BYTES, 4);
        memset(at + 20, 9, 32);
        memset(at + RECORD_HEAD_BYTES, 1, RECORD_SHARE_BYTES);
        len += RECORD_HEAD_BYTES + RECORD_SHARE_BYTES;
    }
    return len;
}

/* A journal that is complete by itself: a channel with its point, and an HTLC of it. */
static size_t make_journal(struct turn *t, uint8_t bytes[MADE_BYTES_MAX]) {
    uint8_t *at = bytes + 36;
    memset(bytes, 0, MADE_BYTES_MAX);
    put_number(at, 1, 2);
    memcpy(at + 2, channel_ids[pick_channel_id(t)], 32);
    at[34] = 1;
    memcpy(at + 35, nodes[0], 33);
    put_number(at + 68, 1, 2);
    at += 70;
    put_number(at + 3, pick(t, 6), 8);
    memcpy(at + 11, hashes[0], 32);
    put_number(at + 43, 20000000, 8);
    put_number(at + 51, 800100, 4);
    return (size_t)(at + 55 - bytes);
}

/* What an envelope of this kind holds, nearly always. */
static lnkeep_bytes make_content(struct turn *t, uint32_t kind) {
    uint8_t bytes[MADE_BYTES_MAX];
    size_t len = kind == 1 ? make_records(t, bytes) : make_journal(t, bytes);
    if (seldom(t, 8)) bytes[pick(t, (uint32_t)len)] ^= (uint8_t)(1 + pick(t, 255));
    if (seldom(t, 16)) len -= pick(t, (uint32_t)len);
    return view_of(t, bytes, len);
}

OPERATION(envelope_seal) {
    static const uint32_t classes[] = {1024, 1024, 1024, 4096, 16384, 65531, 0, 1000};
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    unsigned node = (unsigned)pick_node(t), held = 0;
    header.seq = seldom(t, 8) ? pick_amount(t) : 1 + pick(t, 8);
    header.created_unix_secs = pick_time_ms(t) / 1000;
    header.block_height = pick_height(t);
    header.kind = seldom(t, 2) ? pick(t, 4) : 0;
    header.flags = seldom(t, 2) ? pick(t, 4) : 0;
    header.reserved = pick_reserved(t);
    if (header.kind == 1) memset(header.set_id, 8, 16);
    int is_made = (header.kind == 1 || header.kind == 2) && !seldom(t, 4);
    if (is_made) header.flags = 0;
    lnkeep_bytes payload = is_made         ? make_content(t, header.kind)
                           : seldom(t, 2) ? pick_blob(t, &held)
                                          : view(t);
    lnkeep_buf **blob = OUT(lnkeep_buf *);
    const uint8_t *secret = IN_BYTES(secrets[seldom(t, 8)], 32), *peer = IN_BYTES(nodes[node], 33);
    uint32_t size_class = classes[pick(t, 8)];
    lnkeep_status status = CALL(envelope_seal, secret, peer, SIZED_IN(header), payload, size_class,
                                IN_BYTES(sevens, 16), blob, ERR);
    if (succeeded(t, status) && blob) remember_blob(t, (*blob)->ptr, (*blob)->len, node);
    KEEP(status, A_BUF, blob);
}

OPERATION(envelope_open) {
    unsigned node = 0;
    lnkeep_bytes blob = pick_blob(t, &node);
    lnkeep_opened **opened = OUT(lnkeep_opened *);
    const uint8_t *secret = IN_BYTES(secrets[seldom(t, 8)], 32);
    lnkeep_status status =
        CALL(envelope_open, secret, IN_BYTES(nodes[node], 33), blob, opened, ERR);
    if (succeeded(t, status) && opened && *opened) {
        remember_blob(t, (*opened)->payload.ptr, (*opened)->payload.len, node);
    }
    KEEP(status, AN_OPENED, opened);
}

enum { SHARES_MAX = 32 };

/* Encodes, and decodes what is left of the shares: in any order, some twice, some changed. */
OPERATION(stripe_decode) {
    uint32_t data = 1 + pick(t, 4), all = data + pick(t, 4);
    lnkeep_bytes object = view(t);
    lnkeep_shares *made = NULL;
    lnkeep_stripe_share have[SHARES_MAX];
    size_t count = 0;
    lnkeep_status encoded = lnkeep_stripe_encode(data, all, object, &made, NULL);
    if (encoded == LNKEEP_DONE) {
        memset(have, 0, sizeof have);
        for (uint32_t i = 0; i < all; i++) {
            uint32_t at = seldom(t, 16) ? 0 : i;
            if (seldom(t, 8)) continue;
            have[count].bytes = view_of(t, made->shares[at].bytes.ptr, made->shares[at].bytes.len);
            have[count].index = seldom(t, 32) ? pick(t, 40) : at;
            have[count++].reserved = pick_reserved(t);
        }
        lnkeep_shares_free(made);
    }
    if (seldom(t, 32)) data = pick(t, 40);
    lnkeep_buf **restored = OUT(lnkeep_buf *);
    size_t object_bytes = seldom(t, 32) ? pick(t, 70000) : object.len;
    lnkeep_status status =
        CALL(stripe_decode, data, all, object_bytes, IN_ARRAY(have, count), count, restored, ERR);
    KEEP(status, A_BUF, restored);
}

OPERATION(stripe_encode) {
    uint32_t data = seldom(t, 8) ? pick(t, 256) : 1 + pick(t, 32);
    uint32_t all = seldom(t, 8) ? pick(t, 256) : data + pick(t, 4);
    lnkeep_shares **made = OUT(lnkeep_shares *);
    lnkeep_bytes object = view(t);
    lnkeep_status status = CALL(stripe_encode, data, all, object, made, ERR);
    KEEP(status, SOME_SHARES, made);
}

OPERATION(share_records_decode) {
    uint8_t bytes[MADE_BYTES_MAX];
    size_t len = make_records(t, bytes);
    unsigned node = 0;
    if (seldom(t, 4)) bytes[pick(t, (uint32_t)len)] ^= (uint8_t)(1 + pick(t, 255));
    if (seldom(t, 8)) len -= pick(t, (uint32_t)len);
    lnkeep_share_records **records = OUT(lnkeep_share_records *);
    lnkeep_bytes content = seldom(t, 4) ? pick_blob(t, &node) : view_of(t, bytes, len);
    lnkeep_status status = CALL(share_records_decode, content, records, ERR);
    KEEP(status, SOME_SHARE_RECORDS, records);
}

OPERATION(roster_decode) {
    unsigned node = 0;
    lnkeep_bytes payload = pick_blob(t, &node);
    lnkeep_roster **roster = OUT(lnkeep_roster *);
    lnkeep_status status = CALL(roster_decode, pick(t, 4), payload, roster, ERR);
    KEEP(status, A_ROSTER, roster);
}

const struct operation format_operations[] = {
    ROW(foreign_ldk_key),  ROW(foreign_lnd_key),  ROW(foreign_cln_key),
    ROW(foreign_ldk_open), ROW(foreign_cln_open), ROW(foreign_lightning_kmp_open),
    ROW(foreign_lnd_open), ROW(envelope_seal),    ROW(envelope_open),
    ROW(stripe_encode),    ROW(stripe_decode),    ROW(share_records_decode),
    ROW(roster_decode),    ROW(envelope_seal),    ROW(envelope_open),
};
TABLE(format);

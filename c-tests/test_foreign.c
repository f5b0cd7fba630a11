/*
 * Backups of other software: every field of what opens, every fault of what does not, and what a hostile text
 * of the right key costs.
 */

#include "foreign_samples.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t KEY[32] = {7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
                                7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7};
static const uint8_t OTHER_KEY[32] = {8};
static const uint8_t IPV4[] = {1, 127, 0, 0, 1, 0x26, 7};

static lnkeep_error err;
static uint8_t room[4096];

static lnkeep_bytes sample(const char *text) {
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        room[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return h_bytes(room, len);
}

static int is_filled(const uint8_t *bytes, size_t len, uint8_t with) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != with) return 0;
    }
    return 1;
}

static int is_view(lnkeep_bytes view, const void *bytes, size_t len) {
    return view.len == len && (len == 0 ? view.ptr == NULL : memcmp(view.ptr, bytes, len) == 0);
}

/* The four openers under one face: what is opened is freed at once. */
typedef enum kind { LDK_BLOB, CLN_BLOB, KMP_BLOB, LND_FILE, KINDS } kind;

static lnkeep_status open_any(kind which, const uint8_t *key, lnkeep_bytes blob) {
    lnkeep_foreign_ldk *of_ldk = NULL;
    lnkeep_foreign_cln *of_cln = NULL;
    lnkeep_foreign_lightning_kmp *of_kmp = NULL;
    lnkeep_foreign_lnd *of_lnd = NULL;
    lnkeep_status status = LNKEEP_INTERNAL;
    lnkeep_error fresh = LNKEEP_ERROR_INIT;
    err = fresh;
    switch (which) {
    case LDK_BLOB: status = lnkeep_foreign_ldk_open(key, blob, &of_ldk, &err); break;
    case CLN_BLOB: status = lnkeep_foreign_cln_open(key, blob, &of_cln, &err); break;
    case KMP_BLOB: status = lnkeep_foreign_lightning_kmp_open(key, blob, &of_kmp, &err); break;
    case LND_FILE: status = lnkeep_foreign_lnd_open(key, blob, &of_lnd, &err); break;
    case KINDS: break;
    }
    CHECK_EQUAL(of_ldk != NULL || of_cln != NULL || of_kmp != NULL || of_lnd != NULL, status == LNKEEP_DONE);
    lnkeep_foreign_ldk_free(of_ldk);
    lnkeep_foreign_cln_free(of_cln);
    lnkeep_foreign_lightning_kmp_free(of_kmp);
    lnkeep_foreign_lnd_free(of_lnd);
    return status;
}

static int is_fault(kind which, const uint8_t *key, lnkeep_bytes blob, uint64_t fault, int line) {
    int held = h_check_status(open_any(which, key, blob), LNKEEP_BAD_FOREIGN, __FILE__, line, "open");
    held &= h_check_equal(err.present, LNKEEP_ERROR_HAS_VALUE, __FILE__, line, "has a number");
    return held & h_check_equal(err.value, fault, __FILE__, line, "the fault");
}

#define CHECK_FAULT(which, key, blob, fault) \
    is_fault(which, key, blob, LNKEEP_FOREIGN_##fault, __LINE__)

static void keys_are_made_of_what_nodes_have(void) {
    uint8_t ones[64], twos[33], key[32];
    memset(ones, 1, sizeof ones);
    memset(twos, 2, sizeof twos);
    CHECK_DONE(lnkeep_foreign_ldk_key(ones, key, &err));
    CHECK(is_view(sample(LDK_KEY_OF_ONES), key, 32));
    CHECK_DONE(lnkeep_foreign_cln_key(h_bytes(ones, 32), key, &err));
    CHECK(is_view(sample(CLN_KEY_OF_32), key, 32));
    CHECK_DONE(lnkeep_foreign_cln_key(h_bytes(ones, 64), key, &err));
    CHECK(is_view(sample(CLN_KEY_OF_64), key, 32));
    CHECK_DONE(lnkeep_foreign_lnd_key(twos, key, &err));
    CHECK(is_view(sample(LND_KEY_OF_TWOS), key, 32));
    static const size_t wrong[] = {0, 1, 31, 33, 63};
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        memset(key, 0xee, sizeof key);
        lnkeep_bytes secret = h_bytes(ones, wrong[i]);
        CHECK_STATUS(lnkeep_foreign_cln_key(secret, key, &err), LNKEEP_INVALID_ARGUMENT);
        CHECK(is_filled(key, 32, 0xee));
    }
}

static void monitors_of_ldk_come_out(void) {
    lnkeep_foreign_ldk *opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_ldk_open(KEY, sample(LDK), &opened, &err))) return;
    memset(room, 0, sizeof room);
    CHECK_EQUAL(opened->size, sizeof *opened);
    CHECK_EQUAL(opened->monitor_stride, sizeof *opened->monitors);
    CHECK(is_filled(opened->nonce, 4, 0) && !is_filled(opened->nonce, 12, 0) && opened->reserved == 0);
    if (CHECK_EQUAL(opened->monitors_len, 2)) {
        const lnkeep_foreign_monitor *monitors = opened->monitors;
        for (uint8_t i = 0; i < 2; i++) {
            CHECK(is_filled(monitors[i].channel_id, 32, (uint8_t)(3 + i)));
            CHECK(is_filled(monitors[i].counterparty, 33, 2));
            CHECK_EQUAL(monitors[i].min_seen_secret, (UINT64_C(1) << 48) - 3 - i);
            CHECK(is_filled(monitors[i].reserved_bytes, sizeof monitors[i].reserved_bytes, 0));
        }
        CHECK(is_view(monitors[0].monitor, "first", 5) && is_view(monitors[1].monitor, "", 0));
    }
    lnkeep_foreign_ldk_free(opened);
}

static void check_cln_channel(const lnkeep_foreign_cln_channel *channel) {
    CHECK(channel->dbid == 7 && channel->funding_sats == 1000000 && channel->funding_vout == 6);
    CHECK(is_view(channel->address, IPV4, sizeof IPV4) && is_view(channel->channel_type, "\x10", 2));
    CHECK(is_filled(channel->channel_id, 32, 4) && is_filled(channel->funding_txid, 32, 5));
    CHECK(is_filled(channel->node_id, 33, 2) && is_filled(channel->reserved_bytes, 3, 0));
}

static void check_without_records(const lnkeep_foreign_cln_channel *channel) {
    check_cln_channel(channel);
    CHECK_EQUAL(channel->flags | channel->opener | channel->to_self_delay_blocks, 0);
    CHECK_EQUAL(channel->shachain_min_index | channel->shachain.len, 0);
    CHECK(channel->shachain.ptr == NULL && is_filled(channel->htlc_basepoint, 33, 0));
}

static void channels_of_cln_come_out(void) {
    lnkeep_foreign_cln *opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_cln_open(KEY, sample(CLN), &opened, &err))) return;
    memset(room, 0, sizeof room);
    CHECK_EQUAL(opened->size, sizeof *opened);
    CHECK_EQUAL(opened->channel_stride, sizeof *opened->channels);
    CHECK(opened->version == 1 && opened->timestamp_unix_secs == 1700000000);
    CHECK_EQUAL(opened->format, LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS);
    if (CHECK_EQUAL(opened->channels_len, 2)) {
        const lnkeep_foreign_cln_channel *channel = opened->channels;
        check_cln_channel(channel);
        CHECK_EQUAL(channel->flags, LNKEEP_FOREIGN_CLN_HAS_SHACHAIN | LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS |
                                        LNKEEP_FOREIGN_CLN_HAS_OPENER | LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY);
        CHECK_EQUAL(channel->shachain_min_index, 9);
        if (CHECK_EQUAL(channel->shachain.len, 80)) {
            CHECK(channel->shachain.ptr[7] == 8 && is_filled(channel->shachain.ptr + 8, 32, 0xcc));
            CHECK(channel->shachain.ptr[47] == 10 && is_filled(channel->shachain.ptr + 48, 32, 0xdd));
        }
        CHECK(is_filled(channel->revocation_basepoint, 33, 0x31));
        CHECK(is_filled(channel->payment_basepoint, 33, 0x32));
        CHECK(is_filled(channel->htlc_basepoint, 33, 0x33));
        CHECK(is_filled(channel->delayed_payment_basepoint, 33, 0x34));
        CHECK(channel->opener == 1 && channel->to_self_delay_blocks == 300);
        check_without_records(&opened->channels[1]);
    }
    lnkeep_foreign_cln_free(opened);
    opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_cln_open(KEY, sample(CLN_OLD), &opened, &err))) return;
    CHECK_EQUAL(opened->format, LNKEEP_FOREIGN_CLN_CHANNELS);
    if (CHECK_EQUAL(opened->channels_len, 1)) check_without_records(opened->channels);
    lnkeep_foreign_cln_free(opened);
}

static void states_of_lightning_kmp_come_out(void) {
    lnkeep_foreign_lightning_kmp *opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_lightning_kmp_open(KEY, sample(KMP), &opened, &err))) return;
    CHECK_EQUAL(opened->size, sizeof *opened);
    CHECK(opened->version == 5 && opened->reserved == 0 && is_view(opened->payload, "states of all channels", 22));
    lnkeep_foreign_lightning_kmp_free(opened);
}

static void check_lnd_common(const lnkeep_foreign_lnd_channel *channel) {
    CHECK(channel->capacity_sat == 1000000 && channel->short_channel_id == UINT64_C(0x0a00000b00000c));
    CHECK(is_filled(channel->chain_hash, 32, 0x11) && is_filled(channel->funding_txid, 32, 0x12));
    CHECK(is_filled(channel->node_id, 33, 2) && channel->funding_vout == 0x0102);
    CHECK(is_filled(channel->remote_multisig, 33, 0x21) && is_filled(channel->remote_revocation, 33, 0x22));
    CHECK(is_filled(channel->remote_payment, 33, 0x23));
    CHECK(is_filled(channel->remote_delayed_payment, 33, 0x24));
    CHECK(is_filled(channel->remote_htlc, 33, 0x25) && channel->reserved == 0);
    CHECK(channel->local_csv_delay_blocks == 144 && channel->remote_csv_delay_blocks == 720);
    for (uint32_t i = 0; i < 5; i++) {
        CHECK(channel->local_keys[i].family == i && channel->local_keys[i].index == i + 100);
    }
    CHECK(channel->shachain_root_locator.family == 5 && channel->shachain_root_locator.index == 9);
    CHECK_EQUAL(channel->reserved_bytes[0], 0);
}

static void check_taproot(const lnkeep_foreign_lnd_single *single) {
    CHECK(single->version == 6 && single->has_close_tx == 1);
    const lnkeep_foreign_lnd_channel *channel = single->channel;
    if (!CHECK(channel != NULL)) return;
    check_lnd_common(channel);
    CHECK_EQUAL(channel->flags, LNKEEP_FOREIGN_LND_INITIATOR | LNKEEP_FOREIGN_LND_HAS_CLOSE_TX |
                                    LNKEEP_FOREIGN_LND_HAS_COMMIT_HEIGHT |
                                    LNKEEP_FOREIGN_LND_HAS_TAPSCRIPT_ROOT);
    if (CHECK_EQUAL(channel->addresses_len, 2)) {
        CHECK(is_view(channel->addresses[0], IPV4, sizeof IPV4));
        CHECK(channel->addresses[1].len == 38 && channel->addresses[1].ptr[0] == 4);
    }
    CHECK_EQUAL(channel->commit_tx.len, 94);
    CHECK(channel->commit_signature.len == 70 && is_filled(channel->commit_signature.ptr, 70, 0x30));
    CHECK(channel->commit_height == 41 && is_filled(channel->tapscript_root, 32, 0x66));
    CHECK(is_filled(channel->shachain_root, 33, 0) && channel->lease_expiry_height == 0);
}

static void check_lease(const lnkeep_foreign_lnd_single *single) {
    CHECK(single->version == 4 && single->has_close_tx == 0);
    const lnkeep_foreign_lnd_channel *channel = single->channel;
    if (!CHECK(channel != NULL)) return;
    check_lnd_common(channel);
    CHECK_EQUAL(channel->flags, LNKEEP_FOREIGN_LND_INITIATOR | LNKEEP_FOREIGN_LND_HAS_SHACHAIN_ROOT |
                                    LNKEEP_FOREIGN_LND_HAS_LEASE);
    CHECK(is_filled(channel->shachain_root, 33, 3) && channel->lease_expiry_height == 800000);
    CHECK(channel->addresses == NULL && channel->addresses_len == 0 && channel->commit_tx.len == 0);
}

static void channels_of_lnd_come_out_beside_what_does_not_decode(void) {
    lnkeep_foreign_lnd *opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_lnd_open(KEY, sample(LND), &opened, &err))) return;
    memset(room, 0, sizeof room);
    CHECK_EQUAL(opened->size, sizeof *opened);
    CHECK_EQUAL(opened->single_stride, sizeof *opened->singles);
    CHECK(opened->version == 0 && opened->count == 4);
    if (CHECK_EQUAL(opened->singles_len, 3)) {
        check_taproot(&opened->singles[0]);
        CHECK(opened->singles[1].version == 9 && opened->singles[1].channel == NULL);
        CHECK(is_view(opened->singles[1].bytes, "later", 5));
        check_lease(&opened->singles[2]);
    }
    CHECK(is_view(opened->rest, "\0\xff\xff" "rest", 7));
    size_t parts = 5 + opened->rest.len;
    for (size_t i = 0; i < opened->singles_len; i++) parts += 3 + opened->singles[i].bytes.len;
    CHECK_EQUAL(opened->plaintext.len, parts);
    lnkeep_foreign_lnd_free(opened);
    opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_lnd_open(KEY, sample(LND_EMPTY), &opened, &err))) return;
    CHECK(opened->singles == NULL && opened->singles_len == 0 && opened->rest.len == 0);
    lnkeep_foreign_lnd_free(opened);
    opened = NULL;
    if (!CHECK_DONE(lnkeep_foreign_lnd_open(KEY, sample(LND_V1), &opened, &err))) return;
    CHECK(opened->version == 1 && opened->count == UINT32_MAX && opened->singles_len == 0);
    CHECK(is_view(opened->rest, "abc", 3));
    lnkeep_foreign_lnd_free(opened);
}

static void faults_are_told_in_order(void) {
    static const char *const good[KINDS] = {LDK, CLN, KMP, LND};
    static const size_t shortest[KINDS] = {48, 41, 29, 40};
    for (kind which = LDK_BLOB; which < KINDS; which++) {
        lnkeep_bytes blob = sample(good[which]);
        CHECK_DONE(open_any(which, KEY, blob));
        CHECK_FAULT(which, OTHER_KEY, blob, AUTH_FAILED);
        CHECK_FAULT(which, KEY, h_bytes(NULL, 0), TOO_SHORT);
        CHECK_FAULT(which, KEY, h_bytes(room, shortest[which] - 1), TOO_SHORT);
        CHECK_FAULT(which, KEY, h_bytes(room, shortest[which]), AUTH_FAILED);
        CHECK_FAULT(which, KEY, h_bytes(room, blob.len - 1), AUTH_FAILED);
        for (kind other = LDK_BLOB; other < KINDS; other++) {
            if (other != which) CHECK_FAULT(other, KEY, blob, AUTH_FAILED);
        }
    }
    CHECK_FAULT(LDK_BLOB, KEY, sample(LDK_BAD), BAD_PAYLOAD);
    CHECK_FAULT(CLN_BLOB, KEY, sample(CLN_BAD), BAD_PAYLOAD);
    CHECK_FAULT(CLN_BLOB, KEY, sample(CLN_MANY), BAD_PAYLOAD);
    CHECK_FAULT(CLN_BLOB, KEY, sample(CLN_VERSION), BAD_VERSION);
    CHECK_FAULT(KMP_BLOB, KEY, sample(KMP_9), UNKNOWN_VERSION);
    CHECK(strstr(err.message, "version 9") != NULL);
    CHECK_FAULT(LND_FILE, KEY, sample(LND_BAD), BAD_PAYLOAD);
}

/* Every bit counts, but those of lightning-kmp's version, which it does not authenticate. */
static void any_change_is_noticed(void) {
    static const char *const good[KINDS] = {LDK, CLN, KMP, LND};
    for (kind which = LDK_BLOB; which < KINDS; which++) {
        lnkeep_bytes blob = sample(good[which]);
        size_t first = which == KMP_BLOB ? 8 : 0;
        for (size_t i = first; i < blob.len * 8; i += h_rounds(1, 64)) {
            room[i / 8] ^= (uint8_t)(1u << i % 8);
            CHECK_FAULT(which, KEY, blob, AUTH_FAILED);
            room[i / 8] ^= (uint8_t)(1u << i % 8);
        }
    }
}

/* A peer may hold what another program made before lnkeep: it is told, and changes nothing. */
static void a_recovery_tells_whose_a_blob_is(void) {
    static const char *const good[KINDS] = {LDK, CLN, KMP, LND};
    static const uint8_t peer[33] = {2};
    lnkeep_recovery_session session = LNKEEP_RECOVERY_SESSION_NONE;
    CHECK_DONE(lnkeep_recovery_begin(OTHER_KEY, NULL, &session, &err));
    for (int has_keys = 0; has_keys < 2; has_keys++) {
        for (kind which = LDK_BLOB; which < KINDS; which++) {
            lnkeep_fed fed = LNKEEP_FED_INIT;
            CHECK_DONE(lnkeep_recovery_feed(session, peer, sample(good[which]), &fed, &err));
            CHECK_EQUAL(fed.outcome, has_keys ? LNKEEP_FED_FOREIGN : LNKEEP_FED_UNREADABLE);
            if (has_keys) CHECK_EQUAL(fed.fault, LNKEEP_SOFTWARE_LDK + (uint32_t)which);
        }
        lnkeep_foreign_keys keys = LNKEEP_FOREIGN_KEYS_INIT;
        keys.ldk = keys.cln = keys.lightning_kmp = keys.lnd = KEY;
        CHECK_DONE(lnkeep_recovery_set_foreign_keys(session, &keys, &err));
    }
    lnkeep_foreign_keys none = LNKEEP_FOREIGN_KEYS_INIT;
    CHECK_DONE(lnkeep_recovery_set_foreign_keys(session, &none, &err));
    lnkeep_fed fed = LNKEEP_FED_INIT;
    CHECK_DONE(lnkeep_recovery_feed(session, peer, sample(LDK), &fed, &err));
    CHECK_EQUAL(fed.outcome, LNKEEP_FED_UNREADABLE);
    CHECK_DONE(lnkeep_recovery_close(&session, &err));
}

static void mistakes_of_a_caller_are_refused(void) {
    const lnkeep_bytes views[] = {h_bytes(NULL, 1), h_bytes("x", SIZE_MAX), h_bytes("x", SIZE_MAX / 2 + 1)};
    uint8_t key[32];
    for (kind which = LDK_BLOB; which < KINDS; which++) {
        for (size_t i = 0; i < H_COUNT(views); i++) {
            CHECK_STATUS(open_any(which, KEY, views[i]), LNKEEP_INVALID_ARGUMENT);
        }
        CHECK_STATUS(open_any(which, NULL, sample(LDK)), LNKEEP_INVALID_ARGUMENT);
    }
    for (size_t i = 0; i < H_COUNT(views); i++) {
        CHECK_STATUS(lnkeep_foreign_cln_key(views[i], key, &err), LNKEEP_INVALID_ARGUMENT);
    }
    lnkeep_foreign_ldk_free(NULL);
    lnkeep_foreign_cln_free(NULL);
    lnkeep_foreign_lightning_kmp_free(NULL);
    lnkeep_foreign_lnd_free(NULL);
}

/* A key in hexadecimal, or its bytes as numbers, is in no error, and no text either. */
static void no_error_tells_a_key(void) {
    uint8_t key[32], secret[33];
    memset(key, 0xab, sizeof key);
    memset(secret, 0xab, sizeof secret);
    for (kind which = LDK_BLOB; which < KINDS; which++) {
        CHECK_FAULT(which, key, sample(LND), AUTH_FAILED);
        CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "171, 171") == NULL);
    }
    CHECK_STATUS(lnkeep_foreign_cln_key(h_bytes(secret, 33), key, &err), LNKEEP_INVALID_ARGUMENT);
    CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "171, 171") == NULL);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(keys_are_made_of_what_nodes_have),
        H_TEST(monitors_of_ldk_come_out),
        H_TEST(channels_of_cln_come_out),
        H_TEST(states_of_lightning_kmp_come_out),
        H_TEST(channels_of_lnd_come_out_beside_what_does_not_decode),
        H_TEST(faults_are_told_in_order),
        H_TEST(any_change_is_noticed),
        H_TEST(a_recovery_tells_whose_a_blob_is),
        H_TEST(mistakes_of_a_caller_are_refused),
        H_TEST(no_error_tells_a_key),
    };
    const lnkeep_error fresh = LNKEEP_ERROR_INIT;
    err = fresh;
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

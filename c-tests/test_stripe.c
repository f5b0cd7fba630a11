/*
 * The erasure code, records of shares and rosters without a store: what another program made by the words of
 * the format, every choice of enough shares, every fault in its order.
 */

#include "harness.h"

#include <string.h>

static lnkeep_error err = LNKEEP_ERROR_INIT;

/* The matrix of 3 of 5 as the format gives it (FORMAT 5): parity is known without the library. */
static const uint8_t MATRIX[5][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 1}, {15, 8, 6}};

/* Bit by bit, by the polynomial 0x11d. */
static uint8_t product(uint8_t one, uint8_t other) {
    unsigned sum = 0, shifted = one;
    for (int bit = 0; bit < 8; bit++) {
        if (other >> bit & 1) sum ^= shifted;
        shifted = shifted << 1 ^ (shifted & 0x80 ? 0x11d : 0);
    }
    return (uint8_t)sum;
}

static lnkeep_bytes object_of(size_t len) {
    static uint8_t bytes[4096];
    uint32_t state = 1;
    for (size_t i = 0; i < len; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return h_bytes(bytes, len);
}

static lnkeep_shares *encoded(uint32_t data_shares, uint32_t shares, lnkeep_bytes object) {
    lnkeep_shares *made = NULL;
    if (!CHECK_DONE(lnkeep_stripe_encode(data_shares, shares, object, &made, &err))) return NULL;
    CHECK(made->size == sizeof *made && made->share_stride == sizeof(lnkeep_stripe_share));
    CHECK_EQUAL(made->shares_len, shares);
    for (uint32_t i = 0; i < shares; i++) {
        CHECK_EQUAL(made->shares[i].index, i);
        CHECK_EQUAL(made->shares[i].reserved, 0);
    }
    return made;
}

static lnkeep_status restore(uint32_t data_shares, uint32_t shares, size_t object_bytes,
                             const lnkeep_stripe_share *have, size_t len, lnkeep_buf **object) {
    *object = NULL;
    lnkeep_status status =
        lnkeep_stripe_decode(data_shares, shares, object_bytes, have, len, object, &err);
    CHECK_EQUAL(*object != NULL, status == LNKEEP_DONE);
    CHECK_EQUAL(err.status, status);
    return status;
}

static void parity_is_that_of_the_format(void) {
    lnkeep_bytes object = object_of(31);
    lnkeep_shares *made = encoded(3, 5, object);
    if (!made) return;
    for (size_t row = 0; row < 5; row++) {
        lnkeep_bytes share = made->shares[row].bytes;
        if (!CHECK_EQUAL(share.len, 11)) continue;
        for (size_t at = 0; at < share.len; at++) {
            uint8_t sum = 0;
            for (size_t piece = 0; piece < 3; piece++) {
                size_t place = piece * share.len + at;
                uint8_t byte = place < object.len ? object.ptr[place] : 0;
                sum ^= product(MATRIX[row][piece], byte);
            }
            CHECK_EQUAL(share.ptr[at], sum);
        }
    }
    lnkeep_shares_free(made);
    lnkeep_shares_free(NULL);
}

/* Of five shares any three restore, in any order; fewer say how many different ones there are. */
static void every_choice_of_enough_shares_restores(void) {
    static const size_t lens[] = {0, 1, 3, 4, 100};
    for (size_t len = 0; len < H_COUNT(lens); len++) {
        lnkeep_bytes object = object_of(lens[len]);
        lnkeep_shares *made = encoded(3, 5, object);
        for (unsigned choice = 0; made && choice < 32; choice++) {
            lnkeep_stripe_share have[6];
            size_t held = 0;
            for (int i = 4; i >= 0; i--) {
                if (choice >> i & 1) have[held++] = made->shares[i];
            }
            size_t different = held;
            if (held) have[held++] = have[0];
            lnkeep_buf *restored;
            lnkeep_status status = restore(3, 5, object.len, held ? have : NULL, held, &restored);
            if (different < 3) {
                CHECK_STATUS(status, LNKEEP_NOT_ENOUGH_SHARES);
                CHECK(err.present == LNKEEP_ERROR_HAS_VALUE && err.value == different);
            } else if (CHECK_DONE(status) && CHECK_EQUAL(restored->len, object.len)) {
                CHECK(object.len == 0 || memcmp(restored->ptr, object.ptr, object.len) == 0);
            }
            lnkeep_buf_free(restored);
        }
        lnkeep_shares_free(made);
    }
}

static void one_share_of_many_is_the_object(void) {
    lnkeep_bytes object = object_of(2000);
    lnkeep_shares *made = encoded(1, 32, object);
    for (size_t i = 0; made && i < made->shares_len; i++) {
        lnkeep_bytes share = made->shares[i].bytes;
        CHECK(share.len == object.len && memcmp(share.ptr, object.ptr, object.len) == 0);
    }
    lnkeep_shares_free(made);
}

static void mistakes_of_a_caller_are_refused(void) {
    static const uint32_t codes[][2] = {{0, 0}, {0, 1}, {2, 1}, {1, 33}, {33, 33}, {257, 258},
                                        {UINT32_MAX, UINT32_MAX}};
    lnkeep_shares *made = NULL;
    lnkeep_buf *object;
    uint8_t bytes[2] = {1, 2};
    lnkeep_stripe_share share = {h_bytes(bytes, 2), 0, 0};
    for (size_t i = 0; i < H_COUNT(codes); i++) {
        CHECK_STATUS(lnkeep_stripe_encode(codes[i][0], codes[i][1], h_text("x"), &made, &err),
                     LNKEEP_INVALID_ARGUMENT);
        CHECK_STATUS(restore(codes[i][0], codes[i][1], 2, &share, 1, &object), LNKEEP_INVALID_ARGUMENT);
    }
    static const uint32_t indexes[] = {2, 32, 255, 256, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(indexes); i++) {
        share.index = indexes[i];
        CHECK_STATUS(restore(1, 2, 2, &share, 1, &object), LNKEEP_INVALID_ARGUMENT);
    }
    share.index = 1;
    static const size_t lens[] = {0, 1, 3, 2096992};
    for (size_t i = 0; i < H_COUNT(lens); i++) {
        CHECK_STATUS(restore(1, 2, lens[i], &share, 1, &object), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_STATUS(restore(1, 2, 2096993, &share, 1, &object), LNKEEP_TOO_BIG);
    CHECK_STATUS(restore(1, 2, SIZE_MAX, NULL, 0, &object), LNKEEP_TOO_BIG);
    CHECK_STATUS(restore(1, 2, 2, &share, SIZE_MAX / 2, &object), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(restore(1, 2, 2, NULL, 1, &object), LNKEEP_INVALID_ARGUMENT);
    share.reserved = 1;
    CHECK_STATUS(restore(1, 2, 2, &share, 1, &object), LNKEEP_INVALID_ARGUMENT);
    share.reserved = 0, share.bytes = h_bytes(NULL, 2);
    CHECK_STATUS(restore(1, 2, 2, &share, 1, &object), LNKEEP_INVALID_ARGUMENT);
    share.bytes = h_bytes(bytes, 2);
    CHECK_DONE(restore(1, 2, 2, &share, 1, &object));
    lnkeep_buf_free(object);
    static const uint8_t long_object[2096993];
    CHECK_STATUS(lnkeep_stripe_encode(1, 1, h_bytes(long_object, sizeof long_object), &made, &err),
                 LNKEEP_TOO_BIG);
    CHECK(made == NULL);
}

/* One record: generation, 3 of 5, index 4, 0, share length 3, object length 9, hash, "abc". */
static size_t write_record(uint8_t *to, uint8_t generation) {
    static const uint8_t numbers[] = {3, 5, 4, 0, 0, 0, 0, 3, 0, 0, 0, 9};
    memset(to, 0, 7);
    to[7] = generation;
    memcpy(to + 8, numbers, sizeof numbers);
    memset(to + 20, 0xab, 32);
    memcpy(to + 52, "abc", 3);
    return 55;
}

static void check_record(const lnkeep_share_record *record, uint64_t generation) {
    CHECK(record->generation == generation && record->data_shares == 3 && record->shares == 5);
    CHECK(record->index == 4 && record->object_bytes == 9 && record->object_sha256[31] == 0xab);
    CHECK(record->share.len == 3 && memcmp(record->share.ptr, "abc", 3) == 0);
}

/* The payload may go as soon as its records are there. */
static void records_are_read_in_their_order(void) {
    uint8_t payload[111] = {2};
    for (size_t count = 1; count <= 2; count++) {
        payload[0] = (uint8_t)count;
        size_t len = 1 + write_record(payload + 1, 9);
        if (count == 2) len += write_record(payload + len, 8);
        lnkeep_share_records *records = NULL;
        if (!CHECK_DONE(lnkeep_share_records_decode(h_bytes(payload, len), &records, &err))) continue;
        memset(payload, 0, sizeof payload);
        CHECK(records->size == sizeof *records && records->record_stride == sizeof *records->records);
        if (CHECK_EQUAL(records->records_len, count)) {
            check_record(&records->records[0], 9);
            if (count == 2) check_record(&records->records[1], 8);
        }
        lnkeep_share_records_free(records);
    }
    lnkeep_share_records_free(NULL);
}

static void is_no_record(lnkeep_bytes payload, uint64_t fault, int line) {
    lnkeep_share_records *records = NULL;
    lnkeep_status status = lnkeep_share_records_decode(payload, &records, &err);
    h_check_status(status, LNKEEP_BAD_SHARE, __FILE__, line, "decode");
    h_check_equal(err.present, LNKEEP_ERROR_HAS_VALUE, __FILE__, line, "has a number");
    h_check_equal(err.value, fault, __FILE__, line, "the fault");
    CHECK(records == NULL);
}

#define CHECK_NO_RECORD(payload, fault) is_no_record(payload, LNKEEP_SHARE_##fault, __LINE__)

/* One more fault each time, each looked for before those that are there. */
static void faults_of_records_are_told_in_order(void) {
    uint8_t payload[60] = {1};
    size_t len = 1 + write_record(payload + 1, 9);
    CHECK_NO_RECORD(h_bytes(payload, len + 1), TRAILING_BYTES);
    for (size_t cut = 1; cut < len; cut++) CHECK_NO_RECORD(h_bytes(payload, cut), TRUNCATED);
    CHECK_NO_RECORD(h_bytes(NULL, 0), TRUNCATED);
    payload[16] = 4;
    CHECK_NO_RECORD(h_bytes(payload, len - 1), BAD_SHARE_LEN);
    payload[12] = 1;
    CHECK_NO_RECORD(h_bytes(payload, len - 1), BAD_RESERVED);
    payload[11] = 5;
    CHECK_NO_RECORD(h_bytes(payload, len - 1), BAD_PARAMS);
    payload[0] = 3;
    CHECK_NO_RECORD(h_bytes(payload, len - 1), BAD_COUNT);
}

/* "content", then generation 9 and two peers: one with share 0 at an address, one without either. */
static size_t write_roster(uint8_t *to) {
    static const uint8_t head[] = {'c', 'o', 'n', 't', 'e', 'n', 't', 0, 0, 0, 0, 0, 0, 0, 9, 0, 2};
    static const uint8_t first[] = {0, 7, 1, 127, 0, 0, 1, 0x26, 0x07}, second[] = {255, 0};
    uint8_t *at = to;
    memcpy(at, head, sizeof head), at += sizeof head;
    memset(at, 2, 33), at += 33;
    memcpy(at, first, sizeof first), at += sizeof first;
    memset(at, 3, 33), at += 33;
    memcpy(at, second, sizeof second), at += sizeof second;
    *at++ = 0;
    *at = (uint8_t)(at - to - 8);
    return (size_t)(at + 1 - to);
}

static void a_roster_is_parted_from_its_content(void) {
    uint8_t payload[128];
    static const uint32_t both = LNKEEP_ENVELOPE_HAS_ROSTER | LNKEEP_ENVELOPE_HAS_SNAPSHOT;
    for (uint32_t flags = 0; flags <= both; flags++) {
        size_t len = write_roster(payload);
        lnkeep_roster *roster = NULL;
        if (!CHECK_DONE(lnkeep_roster_decode(flags, h_bytes(payload, len), &roster, &err))) continue;
        memset(payload, 0, sizeof payload);
        CHECK(roster->size == sizeof *roster && roster->peer_stride == sizeof *roster->peers);
        CHECK(memcmp(roster->content.ptr, "content", 7) == 0);
        if (!(flags & LNKEEP_ENVELOPE_HAS_ROSTER)) {
            CHECK(roster->content.len == len && roster->generation == 0 && roster->peers_len == 0);
            CHECK(roster->peers == NULL);
        } else if (CHECK(roster->content.len == 7 && roster->generation == 9 && roster->peers_len == 2)) {
            const lnkeep_roster_peer *peers = roster->peers;
            CHECK(peers[0].node_id[32] == 2 && peers[0].index == 0 && peers[0].address.len == 7);
            CHECK(peers[0].address.ptr[1] == 127 && peers[0].reserved_bytes[2] == 0);
            CHECK(peers[1].node_id[0] == 3 && peers[1].index == LNKEEP_ROSTER_NO_SHARE);
            CHECK(peers[1].address.len == 0 && peers[1].address.ptr == NULL);
        }
        lnkeep_roster_free(roster);
    }
    lnkeep_roster_free(NULL);
}

static void is_no_roster(uint32_t flags, lnkeep_bytes payload, uint64_t fault, int line) {
    lnkeep_roster *roster = NULL;
    lnkeep_status status = lnkeep_roster_decode(flags, payload, &roster, &err);
    h_check_status(status, LNKEEP_BAD_SHARE, __FILE__, line, "decode");
    h_check_equal(err.value, fault, __FILE__, line, "the fault");
    CHECK(roster == NULL);
}

#define CHECK_NO_ROSTER(flags, payload, fault) \
    is_no_roster(flags, payload, LNKEEP_ROSTER_##fault, __LINE__)

static void faults_of_rosters_are_told_in_order(void) {
    uint8_t payload[128];
    lnkeep_roster *roster = NULL;
    size_t len = write_roster(payload);
    payload[len - 1] = 0xff, payload[len - 2] = 0xff;
    CHECK_NO_ROSTER(1, h_bytes(payload, len), TRUNCATED);
    len = write_roster(payload);
    payload[16] = 1;
    CHECK_NO_ROSTER(1, h_bytes(payload, len), TRAILING_BYTES);
    payload[16] = 3;
    CHECK_NO_ROSTER(1, h_bytes(payload, len), TRUNCATED);
    payload[50] = 32;
    CHECK_NO_ROSTER(1, h_bytes(payload, len), BAD_INDEX);
    CHECK_NO_ROSTER(5, h_bytes(payload, len), BAD_FLAGS);
    CHECK_NO_ROSTER(0x8000, h_bytes(NULL, 0), BAD_FLAGS);
    CHECK_NO_ROSTER(1, h_bytes(NULL, 0), TRUNCATED);
    CHECK_STATUS(lnkeep_roster_decode(65536, h_text("x"), &roster, &err), LNKEEP_INVALID_ARGUMENT);
    if (CHECK_DONE(lnkeep_roster_decode(0, h_bytes(NULL, 0), &roster, &err))) {
        CHECK(roster->content.ptr == NULL && roster->content.len == 0);
    }
    lnkeep_roster_free(roster);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(parity_is_that_of_the_format),
        H_TEST(every_choice_of_enough_shares_restores),
        H_TEST(one_share_of_many_is_the_object),
        H_TEST(mistakes_of_a_caller_are_refused),
        H_TEST(records_are_read_in_their_order),
        H_TEST(faults_of_records_are_told_in_order),
        H_TEST(a_roster_is_parted_from_its_content),
        H_TEST(faults_of_rosters_are_told_in_order),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

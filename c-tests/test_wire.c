/* The two messages of peer storage and its feature bits: their edges, and every fault in its order. */

#include "harness.h"

#include <stdlib.h>
#include <string.h>

enum { BLOB_MAX = 65531, MESSAGE_MAX = 65535 };

static lnkeep_wire_message decoded;
static lnkeep_error err;

static lnkeep_status decode(const void *bytes, size_t len, uint32_t flags) {
    static const lnkeep_error clean = LNKEEP_ERROR_INIT;
    memset(&decoded, 0x77, sizeof decoded);
    decoded.size = sizeof decoded;
    err = clean;
    return lnkeep_wire_decode(h_bytes(bytes, len), flags, &decoded, &err);
}

/* Refused with this fault; nothing of the output was touched. */
static int is_fault(const void *bytes, size_t len, uint32_t flags, uint64_t fault, int line) {
    int held = h_check_status(decode(bytes, len, flags), LNKEEP_BAD_MESSAGE, __FILE__, line, "decode");
    held &= h_check_status(err.status, LNKEEP_BAD_MESSAGE, __FILE__, line, "err.status");
    held &= h_check_equal(err.present, LNKEEP_ERROR_HAS_VALUE, __FILE__, line, "err.present");
    held &= h_check_equal(err.value, fault, __FILE__, line, "the fault");
    int is_untouched = decoded.kind == 0x77777777 && decoded.reserved == 0x77777777;
    held &= h_check(is_untouched, __FILE__, line, "untouched");
    return held & h_check(err.message[0] != 0, __FILE__, line, "a fact");
}

#define CHECK_FAULT(bytes, len, flags, fault) is_fault(bytes, len, flags, LNKEEP_WIRE_##fault, __LINE__)
#define BOTH_FAULT(bytes, len, fault)                                 \
    do {                                                              \
        CHECK_FAULT(bytes, len, 0, fault);                            \
        CHECK_FAULT(bytes, len, LNKEEP_WIRE_STRICT, fault);           \
    } while (0)

static uint8_t *filled(size_t len, uint8_t byte) {
    uint8_t *bytes = (uint8_t *)malloc(len ? len : 1);
    if (bytes) memset(bytes, byte, len);
    return bytes;
}

/* type, length, blob; and back, where the views lead into the message. */
static void every_length_at_the_edges_goes_around(void) {
    static const size_t lens[] = {0, 1, 2, 255, 256, 1024, 32767, 32768, BLOB_MAX - 1, BLOB_MAX};
    static const uint32_t kinds[] = {LNKEEP_WIRE_PEER_STORAGE, LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL};
    for (size_t i = 0; i < 2 * H_COUNT(lens); i++) {
        size_t len = lens[i / 2];
        uint8_t *blob = filled(len, (uint8_t)i);
        lnkeep_buf *message = NULL;
        CHECK_DONE(lnkeep_wire_encode(kinds[i % 2], h_bytes(blob, len), &message, NULL));
        if (CHECK(message != NULL) && CHECK_EQUAL(message->len, len + 4)) {
            CHECK(message->ptr[0] == 0 && message->ptr[1] == kinds[i % 2]);
            CHECK(message->ptr[2] == len >> 8 && message->ptr[3] == (len & 255));
            CHECK(memcmp(message->ptr + 4, blob, len) == 0);
            for (uint32_t flags = 0; flags <= LNKEEP_WIRE_STRICT; flags++) {
                CHECK_DONE(decode(message->ptr, message->len, flags));
                CHECK_EQUAL(decoded.size, sizeof decoded);
                CHECK_EQUAL(decoded.kind, kinds[i % 2]);
                CHECK_EQUAL(decoded.reserved, 0);
                CHECK_EQUAL(decoded.blob.len, len);
                CHECK(len == 0 || decoded.blob.ptr == message->ptr + 4);
                CHECK_EQUAL(decoded.extension.len, 0);
            }
        }
        lnkeep_buf_free(message);
        free(blob);
    }
}

static void a_blob_beyond_a_message_is_refused(void) {
    uint8_t *blob = filled(MESSAGE_MAX + 1, 3);
    lnkeep_buf *message = NULL;
    lnkeep_buf *const before = message;
    for (size_t len = BLOB_MAX + 1; len <= MESSAGE_MAX + 1; len += 2) {
        CHECK_STATUS(lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, h_bytes(blob, len), &message, NULL),
                     LNKEEP_TOO_BIG);
    }
    static const uint32_t wrong[] = {0, 1, 6, 8, 10, 17, 65535, 65536 + 7, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        CHECK_STATUS(lnkeep_wire_encode(wrong[i], h_text("x"), &message, NULL), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK(message == before);
    free(blob);
}

static void faults_of_the_frame_are_told_in_order(void) {
    uint8_t *long_one = filled(MESSAGE_MAX + 1, 0);
    /* Too long comes before all others. */
    BOTH_FAULT(long_one, MESSAGE_MAX + 1, MESSAGE_TOO_LONG);
    BOTH_FAULT(long_one, MESSAGE_MAX, UNKNOWN_TYPE);
    BOTH_FAULT("", 0, TRUNCATED_TYPE);
    CHECK_FAULT(NULL, 0, 0, TRUNCATED_TYPE);
    BOTH_FAULT("\0", 1, TRUNCATED_TYPE);
    static const uint8_t unknown[][2] = {{0, 0}, {0, 6}, {0, 8}, {0, 10}, {7, 0}, {1, 7}, {255, 255}};
    for (size_t i = 0; i < H_COUNT(unknown); i++) BOTH_FAULT(unknown[i], 2, UNKNOWN_TYPE);
    BOTH_FAULT("\0\7", 2, TRUNCATED_LENGTH);
    BOTH_FAULT("\0\11\0", 3, TRUNCATED_LENGTH);
    BOTH_FAULT("\0\7\0\1", 4, TRUNCATED_BLOB);
    BOTH_FAULT("\0\11\0\3ab", 6, TRUNCATED_BLOB);
    long_one[1] = 9;
    long_one[2] = long_one[3] = 0xff;
    /* Declares more than a message has room for. */
    BOTH_FAULT(long_one, MESSAGE_MAX, TRUNCATED_BLOB);
    long_one[3] = BLOB_MAX & 255;
    CHECK_DONE(decode(long_one, MESSAGE_MAX, LNKEEP_WIRE_STRICT));
    CHECK_EQUAL(decoded.blob.len, BLOB_MAX);
    BOTH_FAULT(long_one, MESSAGE_MAX - 1, TRUNCATED_BLOB);
    free(long_one);
}

typedef struct tail {
    const char *bytes;
    size_t len;
    uint64_t fault;
} tail;

#define TAIL(text, fault) { text, sizeof text - 1, fault }

/* What follows the blob is looked at by a strict decoder alone. */
static void extensions_are_judged_strictly_or_not_at_all(void) {
    static const tail tails[] = {
        TAIL("\1\0", 0),
        TAIL("\1\1x\3\2yz", 0),
        TAIL("\1\0\xfd\0\xfd\0", 0),
        TAIL("\xfd\1\1\0", 0),
        TAIL("\xfe\0\1\0\1\0", 0),
        TAIL("\xff\0\0\0\1\0\0\0\1\0", 0),
        TAIL("\1", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\1\1", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\1\5abcd", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\xfd", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\xfd\1", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\xfe\0\1\0", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\xff\0\0\0\1\0\0\0", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\1\xff\xff\xff\xff\xff\xff\xff\xff\xff", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\xfd\0\1\0", LNKEEP_WIRE_TLV_NON_MINIMAL),
        TAIL("\xfd\0\xfc\0", LNKEEP_WIRE_TLV_NON_MINIMAL),
        TAIL("\xfe\0\0\xff\xff\0", LNKEEP_WIRE_TLV_NON_MINIMAL),
        TAIL("\xff\0\0\0\0\xff\xff\xff\xff\0", LNKEEP_WIRE_TLV_NON_MINIMAL),
        TAIL("\1\xfd\0\1x", LNKEEP_WIRE_TLV_NON_MINIMAL),
        TAIL("\3\0\1\0", LNKEEP_WIRE_TLV_ORDER),
        TAIL("\3\0\3\0", LNKEEP_WIRE_TLV_ORDER),
        /* As soon as the type is read. */
        TAIL("\3\0\1", LNKEEP_WIRE_TLV_ORDER),
        TAIL("\3\0\2\0", LNKEEP_WIRE_TLV_ORDER),
        TAIL("\2\0", LNKEEP_WIRE_TLV_UNKNOWN_EVEN),
        TAIL("\0\0", LNKEEP_WIRE_TLV_UNKNOWN_EVEN),
        TAIL("\1\0\xfd\1\0\1x", LNKEEP_WIRE_TLV_UNKNOWN_EVEN),
        /* Only once its value was found complete. */
        TAIL("\2\1", LNKEEP_WIRE_TLV_TRUNCATED),
        TAIL("\2\0\1", LNKEEP_WIRE_TLV_UNKNOWN_EVEN),
    };
    for (size_t i = 0; i < H_COUNT(tails); i++) {
        uint8_t message[64] = {0, 7, 0, 2, 'h', 'i'};
        memcpy(message + 6, tails[i].bytes, tails[i].len);
        size_t len = 6 + tails[i].len;
        CHECK_DONE(decode(message, len, 0));
        CHECK(decoded.extension.ptr == message + 6);
        CHECK_EQUAL(decoded.extension.len, tails[i].len);
        CHECK_EQUAL(decoded.blob.len, 2);
        if (tails[i].fault) {
            is_fault(message, len, LNKEEP_WIRE_STRICT, tails[i].fault, __LINE__);
        } else {
            CHECK_DONE(decode(message, len, LNKEEP_WIRE_STRICT));
            CHECK_EQUAL(decoded.extension.len, tails[i].len);
        }
    }
}

static void mistakes_of_a_caller_are_refused(void) {
    const lnkeep_bytes message = h_bytes("\0\7\0\0", 4);
    for (uint32_t bit = 1; bit < 32; bit++) {
        CHECK_STATUS(decode(message.ptr, message.len, UINT32_C(1) << bit), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_STATUS(decode(NULL, 4, 0), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(decode("x", SIZE_MAX, 0), LNKEEP_INVALID_ARGUMENT);
    lnkeep_buf *made = NULL;
    CHECK_STATUS(lnkeep_wire_encode(7, h_bytes(NULL, 1), &made, NULL), LNKEEP_INVALID_ARGUMENT);
    uint32_t found = 77;
    CHECK_STATUS(lnkeep_wire_storage_feature(h_bytes(NULL, 1), &found, NULL), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(found, 77);
    /* A caller of another age gets what it has room for. */
    memset(&decoded, 0x77, sizeof decoded);
    decoded.size = offsetof(lnkeep_wire_message, extension);
    CHECK_DONE(lnkeep_wire_decode(message, 0, &decoded, NULL));
    CHECK_EQUAL(decoded.kind, 7);
    CHECK_EQUAL(decoded.extension.len, (size_t)0x7777777777777777);
    decoded.size = 4;
    CHECK_STATUS(lnkeep_wire_decode(message, 0, &decoded, NULL), LNKEEP_INVALID_ARGUMENT);
}

static uint32_t feature_of(const uint8_t *bytes, size_t len) {
    uint32_t found = 77;
    CHECK_DONE(lnkeep_wire_storage_feature(h_bytes(bytes, len), &found, NULL));
    return found;
}

static void bits_42_and_43_offer_storage(void) {
    uint8_t features[40];
    for (size_t bit = 0; bit < 8 * sizeof features; bit++) {
        memset(features, 0, sizeof features);
        features[sizeof features - 1 - bit / 8] = (uint8_t)(1u << bit % 8);
        uint32_t wanted = bit == 42   ? LNKEEP_STORAGE_OFFERED | LNKEEP_STORAGE_REQUIRED
                          : bit == 43 ? LNKEEP_STORAGE_OFFERED
                                      : 0;
        CHECK_EQUAL(feature_of(features, sizeof features), wanted);
        /* All but this one. */
        for (size_t i = 0; i < sizeof features; i++) features[i] = (uint8_t)~features[i];
        wanted = bit == 42 ? LNKEEP_STORAGE_OFFERED : LNKEEP_STORAGE_OFFERED | LNKEEP_STORAGE_REQUIRED;
        CHECK_EQUAL(feature_of(features, sizeof features), wanted);
    }
    static const uint8_t six[] = {8, 0, 0, 0, 0, 0};
    CHECK_EQUAL(feature_of(six, 6), LNKEEP_STORAGE_OFFERED);
    CHECK_EQUAL(feature_of(six, 5), 0);
    CHECK_EQUAL(feature_of(NULL, 0), 0);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_length_at_the_edges_goes_around),
        H_TEST(a_blob_beyond_a_message_is_refused),
        H_TEST(faults_of_the_frame_are_told_in_order),
        H_TEST(extensions_are_judged_strictly_or_not_at_all),
        H_TEST(mistakes_of_a_caller_are_refused),
        H_TEST(bits_42_and_43_offer_storage),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

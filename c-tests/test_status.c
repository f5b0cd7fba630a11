/* Every status and class: its number, its class, its texts; numbers of other versions; versions of the library. */

#include "harness.h"

#include <stdio.h>
#include <string.h>

typedef struct known {
    lnkeep_status number;
    lnkeep_status wanted;
    lnkeep_class class_;
    const char *name;
} known;

#define KNOWN(name, number, class_) { LNKEEP_##name, number, LNKEEP_CLASS_##class_, #name }

/* The numbers are written out: they are the ABI and must never change. */
static const known KNOWN_STATUSES[] = {
    KNOWN(DONE, 0, DONE), KNOWN(ALREADY, 1, ALREADY), KNOWN(ALREADY_EXISTS, 2, ALREADY),
    KNOWN(ALREADY_QUEUED, 3, ALREADY),
    KNOWN(INVALID_ARGUMENT, -1, REFUSED), KNOWN(BAD_HANDLE, -2, REFUSED), KNOWN(CLOSED, -3, REFUSED),
    KNOWN(UNSUPPORTED, -4, REFUSED), KNOWN(NOT_FOUND, -6, REFUSED), KNOWN(RESULT_PENDING, -7, REFUSED),
    KNOWN(CONFLICT, -8, REFUSED), KNOWN(FINGERPRINT_MISMATCH, -9, REFUSED), KNOWN(DELETED, -10, REFUSED),
    KNOWN(CORRUPT_RECORD, -11, REFUSED), KNOWN(NOT_PENDING, -12, REFUSED), KNOWN(ENTRIES_EXIST, -13, REFUSED),
    KNOWN(EXTERNAL_MARKER, -14, REFUSED), KNOWN(DUPLICATE_ID, -15, REFUSED),
    KNOWN(ID_OUT_OF_RANGE, -16, REFUSED), KNOWN(BAD_PREIMAGE, -17, REFUSED), KNOWN(TOO_BIG, -18, REFUSED),
    KNOWN(TRUNCATED, -19, REFUSED), KNOWN(ABORTED, -20, REFUSED), KNOWN(PENDING, -21, REFUSED),
    KNOWN(HANDED_OFF, -22, REFUSED), KNOWN(NOT_ACKNOWLEDGED, -23, REFUSED), KNOWN(BELOW_FLOOR, -24, REFUSED),
    KNOWN(WRONG_MODE, -25, REFUSED), KNOWN(ALREADY_OPEN, -26, REFUSED), KNOWN(UNSAFE_PLACE, -27, REFUSED),
    KNOWN(TARGET_EXISTS, -28, REFUSED),
    KNOWN(PAYMENT_EXISTS, -29, REFUSED), KNOWN(PAYMENT_IN_FLIGHT, -30, REFUSED),
    KNOWN(ALREADY_PAID, -31, REFUSED), KNOWN(PAYMENT_NOT_INITIATED, -32, REFUSED),
    KNOWN(PAYMENT_ALREADY_SUCCEEDED, -33, REFUSED), KNOWN(PAYMENT_ALREADY_FAILED, -34, REFUSED),
    KNOWN(PAYMENT_PENDING_SETTLED, -35, REFUSED), KNOWN(PAYMENT_PENDING_FAILED, -36, REFUSED),
    KNOWN(INVALID_ROUTE, -37, REFUSED), KNOWN(ATTEMPT_ID_EXISTS, -38, REFUSED),
    KNOWN(BLINDED_MISSING_TOTAL, -39, REFUSED), KNOWN(MPP_RECORD_IN_BLINDED, -40, REFUSED),
    KNOWN(MIXED_BLINDED, -41, REFUSED), KNOWN(BLINDED_TOTAL_MISMATCH, -42, REFUSED),
    KNOWN(MPP_PAYMENT, -43, REFUSED), KNOWN(NON_MPP_PAYMENT, -44, REFUSED),
    KNOWN(MPP_ADDR_MISMATCH, -45, REFUSED), KNOWN(MPP_TOTAL_MISMATCH, -46, REFUSED),
    KNOWN(VALUE_MISMATCH, -47, REFUSED), KNOWN(VALUE_EXCEEDS, -48, REFUSED),
    KNOWN(ATTEMPT_NOT_FOUND, -49, REFUSED), KNOWN(ATTEMPT_ALREADY_FAILED, -50, REFUSED),
    KNOWN(ATTEMPT_ALREADY_SETTLED, -51, REFUSED), KNOWN(SENT_EXCEEDS_TOTAL, -52, REFUSED),
    KNOWN(UNKNOWN_STATUS, -53, REFUSED), KNOWN(PAYMENT_INTERNAL, -54, REFUSED),
    KNOWN(BAD_UPDATE_ID, -55, REFUSED), KNOWN(DUPLICATE_CHANNEL, -56, REFUSED),
    KNOWN(UNKNOWN_CHANNEL, -57, REFUSED), KNOWN(CHANNEL_ARCHIVED, -58, REFUSED),
    KNOWN(CHANNEL_DAMAGED, -59, REFUSED), KNOWN(UPDATE_GAP, -60, REFUSED),
    KNOWN(UPDATE_CONFLICT, -61, REFUSED), KNOWN(UPDATE_STALE, -62, REFUSED),
    KNOWN(SNAPSHOT_REQUIRED, -63, REFUSED), KNOWN(SNAPSHOT_AHEAD, -64, REFUSED),
    KNOWN(SNAPSHOT_STALE, -65, REFUSED), KNOWN(MANAGER_REQUIRED, -66, REFUSED),
    KNOWN(MANAGER_BEHIND, -67, REFUSED), KNOWN(LOST_UPDATE, -68, REFUSED),
    KNOWN(MANAGER_AHEAD, -69, REFUSED), KNOWN(STALE_CAPTURE, -70, REFUSED),
    KNOWN(STALE_MANAGER, -71, REFUSED), KNOWN(BAD_TICKET, -72, REFUSED),
    KNOWN(UNKNOWN_OUTPUT, -73, REFUSED), KNOWN(PENDING_OPS, -74, REFUSED),
    KNOWN(NOT_ARCHIVED, -75, REFUSED),
    KNOWN(CHANNEL_LIMITS, -76, REFUSED), KNOWN(CHANNEL_CLOSING, -77, REFUSED),
    KNOWN(OUTGOING_EXCEEDS_INCOMING, -78, REFUSED), KNOWN(EXPIRY_NOT_AFTER_HEIGHT, -79, REFUSED),
    KNOWN(DUPLICATE_HTLC, -80, REFUSED), KNOWN(UNKNOWN_HTLC, -81, REFUSED),
    KNOWN(SLOT_ASSIGNMENT, -82, REFUSED), KNOWN(RESOLVED_BEFORE_ADDED, -83, REFUSED),
    KNOWN(STORAGE_NOT_OFFERED, -84, REFUSED), KNOWN(NO_CLAIM, -85, REFUSED),
    KNOWN(QUOTA_PEERS, -86, REFUSED), KNOWN(QUOTA_TOTAL, -87, REFUSED),
    KNOWN(CLAIMS_INCOMPLETE, -88, REFUSED), KNOWN(STATE_LOSS, -89, REFUSED),
    KNOWN(PEER_UNAVAILABLE, -90, REFUSED), KNOWN(HOLD, -91, REFUSED), KNOWN(UNREADABLE, -92, REFUSED),
    KNOWN(BAD_ENVELOPE, -93, REFUSED), KNOWN(BAD_MESSAGE, -94, REFUSED), KNOWN(NO_PAYLOAD, -95, REFUSED),
    KNOWN(TOO_FEW_PEERS, -96, REFUSED), KNOWN(BAD_SHARE, -97, REFUSED),
    KNOWN(NOT_ENOUGH_SHARES, -98, REFUSED), KNOWN(BAD_FOREIGN, -99, REFUSED),
    KNOWN(BUSY, -100, RETRY), KNOWN(NO_SPACE, -101, RETRY), KNOWN(LOCKED, -102, RETRY),
    KNOWN(QUEUE_FULL, -103, RETRY),
    KNOWN(UNKNOWN, -200, UNKNOWN), KNOWN(INTERNAL, -201, UNKNOWN), KNOWN(BATCH, -202, UNKNOWN),
    KNOWN(NOT_DURABLE, -203, UNKNOWN),
    KNOWN(POISONED, -300, FATAL), KNOWN(FORKED, -301, FATAL), KNOWN(CORRUPT_STORE, -302, FATAL),
    KNOWN(IO, -303, FATAL), KNOWN(FORMAT_TOO_NEW, -304, FATAL), KNOWN(ABI_MISMATCH, -305, FATAL),
    KNOWN(WRONG_ENGINE, -306, FATAL), KNOWN(ROLLED_BACK, -307, FATAL),
};

static int is_known(lnkeep_status number) {
    for (size_t i = 0; i < H_COUNT(KNOWN_STATUSES); i++) {
        if (KNOWN_STATUSES[i].number == number) return 1;
    }
    return 0;
}

static void every_status_has_its_number_class_and_texts(void) {
    for (size_t i = 0; i < H_COUNT(KNOWN_STATUSES); i++) {
        const known *each = &KNOWN_STATUSES[i];
        CHECK_STATUS(each->number, each->wanted);
        CHECK_EQUAL(lnkeep_status_class(each->number), each->class_);
        if (!CHECK(strcmp(lnkeep_status_name(each->number), each->name) == 0)) printf("%s\n", each->name);
        CHECK(strlen(lnkeep_status_message(each->number)) > 10);
    }
}

static void texts_are_distinct(void) {
    for (size_t i = 0; i < H_COUNT(KNOWN_STATUSES); i++) {
        for (size_t j = 0; j < i; j++) {
            lnkeep_status one = KNOWN_STATUSES[i].number, other = KNOWN_STATUSES[j].number;
            CHECK(strcmp(lnkeep_status_name(one), lnkeep_status_name(other)) != 0);
            CHECK(strcmp(lnkeep_status_message(one), lnkeep_status_message(other)) != 0);
        }
    }
}

static void classes_have_numbers_and_names(void) {
    static const char *const names[] = {"DONE", "ALREADY", "REFUSED", "RETRY", "UNKNOWN", "FATAL"};
    static const lnkeep_class classes[] = {LNKEEP_CLASS_DONE,  LNKEEP_CLASS_ALREADY, LNKEEP_CLASS_REFUSED,
                                           LNKEEP_CLASS_RETRY, LNKEEP_CLASS_UNKNOWN, LNKEEP_CLASS_FATAL};
    for (uint32_t i = 0; i < H_COUNT(names); i++) {
        CHECK_EQUAL(classes[i], i);
        CHECK(strcmp(lnkeep_class_name(i), names[i]) == 0);
    }
    CHECK(strcmp(lnkeep_class_name(6), "?") == 0);
    CHECK(strcmp(lnkeep_class_name(UINT32_MAX), "?") == 0);
}

static lnkeep_class class_by_range(lnkeep_status number) {
    if (number == 0) return LNKEEP_CLASS_DONE;
    if (number > 0) return LNKEEP_CLASS_ALREADY;
    if (number > -100) return LNKEEP_CLASS_REFUSED;
    if (number > -200) return LNKEEP_CLASS_RETRY;
    if (number > -300) return LNKEEP_CLASS_UNKNOWN;
    return LNKEEP_CLASS_FATAL;
}

/* A host compiled against this header may meet numbers of a later library. */
static void unknown_numbers_have_a_class_and_no_name(void) {
    for (lnkeep_status number = -1000; number <= 1000; number++) {
        CHECK_EQUAL(lnkeep_status_class(number), class_by_range(number));
        if (is_known(number)) continue;
        CHECK(strcmp(lnkeep_status_name(number), "?") == 0);
        CHECK(strcmp(lnkeep_status_message(number), "?") == 0);
    }
    CHECK_EQUAL(lnkeep_status_class(INT32_MAX), LNKEEP_CLASS_ALREADY);
    CHECK_EQUAL(lnkeep_status_class(INT32_MIN), LNKEEP_CLASS_FATAL);
    CHECK(strcmp(lnkeep_status_name(INT32_MIN), "?") == 0);
}

static void versions_are_told(void) {
    int major, minor, patch;
    CHECK_EQUAL(lnkeep_abi_version(), LNKEEP_ABI_VERSION);
    CHECK(sscanf(lnkeep_version(), "%d.%d.%d", &major, &minor, &patch) == 3);
    CHECK(lnkeep_version() == lnkeep_version());
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_status_has_its_number_class_and_texts),
        H_TEST(texts_are_distinct),
        H_TEST(classes_have_numbers_and_names),
        H_TEST(unknown_numbers_have_a_class_and_no_name),
        H_TEST(versions_are_told),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

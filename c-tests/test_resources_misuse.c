/* Mistakes of a host with resources: unknown flags, numbers that must be 0, structures of other sizes. */

#include "resources.h"

#define BAD LNKEEP_INVALID_ARGUMENT

static void unknown_flags_are_refused(void) {
    begin(2);
    lnkeep_resources_snapshot *before = take_snapshot();
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        lnkeep_htlc_request request = htlc(1, 2, 1, 1000);
        lnkeep_resolve_request over = ended(request, 0, 1);
        lnkeep_live_htlc live;
        memset(&live, 0, sizeof live);
        live.flags = flag;
        if (bit > 1) CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, flag, &decision, NULL, NULL),
                                  BAD);
        if (bit > 0) CHECK_STATUS(lnkeep_resources_resolve(resources, &over, 1, flag, &resolution, NULL),
                                  BAD);
        request.flags = flag, over.flags = flag;
        if (bit > 3) CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, NULL),
                                  BAD);
        if (bit > 0) CHECK_STATUS(lnkeep_resources_resolve(resources, &over, 1, 0, &resolution, NULL), BAD);
        if (bit > 0) CHECK_STATUS(lnkeep_resources_reconcile(resources, &live, 1, NULL, NULL), BAD);
    }
    CHECK(is_unchanged_since(before));
    end();
}

static void reserved_numbers_must_be_zero(void) {
    begin(2);
    lnkeep_resources_snapshot *before = take_snapshot();
    lnkeep_channel_limits limits = limits_of(SLOTS, IN_FLIGHT_MSAT);
    lnkeep_htlc_request request = htlc(1, 2, 1, 1000);
    lnkeep_resolve_request over = ended(request, 0, 1);
    lnkeep_live_htlc live;
    memset(&live, 0, sizeof live);
    limits.reserved = request.reserved = over.reserved = live.reserved = 1;
    CHECK_STATUS(lnkeep_resources_add_channel(resources, 3, &limits, 1, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_resize_channel(resources, 1, &limits, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_resolve(resources, &over, 1, 0, &resolution, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_reconcile(resources, &live, 1, NULL, NULL), BAD);
    request.reserved = 0;
    request.policy_fee_msat = 1;
    CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, NULL), BAD);
    request.policy_fee_msat = 0;
    request.flags = LNKEEP_HTLC_UPGRADE_PRESENT | LNKEEP_HTLC_UPGRADE_ABSENT;
    CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, &decision, NULL, NULL), BAD);
    CHECK(is_unchanged_since(before));
    end();
}

/* Lengths that no memory has, and arrays that are not there. */
static void impossible_arrays_are_refused(void) {
    begin(2);
    lnkeep_resources_snapshot *before = take_snapshot();
    lnkeep_htlc_request request = htlc(1, 2, 1, 1000);
    lnkeep_resolve_request over = ended(request, 0, 1);
    lnkeep_live_htlc live;
    lnkeep_forward_row row = {1, 2, 3, 4, 5};
    memset(&live, 0, sizeof live);
    static const size_t lens[] = {SIZE_MAX, SIZE_MAX / 8};
    for (size_t i = 0; i < H_COUNT(lens); i++) {
        CHECK_STATUS(lnkeep_resources_add(resources, &request, lens[i], 0, &decision, NULL, NULL), BAD);
        CHECK_STATUS(lnkeep_resources_resolve(resources, &over, lens[i], 0, &resolution, NULL), BAD);
        CHECK_STATUS(lnkeep_resources_reconcile(resources, &live, lens[i], NULL, NULL), BAD);
        CHECK_STATUS(lnkeep_resources_import_history(resources, &row, lens[i], NULL, NULL), BAD);
    }
    CHECK_STATUS(lnkeep_resources_add(resources, NULL, 1, 0, &decision, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_add(resources, &request, 1, 0, NULL, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_resolve(resources, &over, 1, 0, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_reconcile(resources, NULL, 1, NULL, NULL), BAD);
    CHECK_STATUS(lnkeep_resources_import_history(resources, NULL, 1, NULL, NULL), BAD);
    CHECK_DONE(lnkeep_resources_add(resources, NULL, 0, 0, NULL, NULL, NULL));
    CHECK(is_unchanged_since(before));
    end();
}

/* A structure with room for a tail, as a host of another version may have. */
typedef union longer {
    size_t size;
    lnkeep_resources_options options;
    uint8_t bytes[512];
} longer;

static lnkeep_status open_with_options(const longer *given) {
    lnkeep_resources opened;
    lnkeep_status status = lnkeep_resources_open(store, &given->options, &opened, NULL, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_resources_close(&opened, NULL));
    return status;
}

static void options_of_other_versions_are_understood(void) {
    static const size_t wrong[] = {0, 1, 7, 65537, SIZE_MAX};
    const size_t known = sizeof(lnkeep_resources_options);
    longer given;
    begin(0);
    memset(&given, 0, sizeof given);
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        given.size = wrong[i];
        CHECK_STATUS(open_with_options(&given), BAD);
    }
    for (given.size = sizeof(size_t); given.size <= sizeof given; given.size += 4) {
        CHECK_DONE(open_with_options(&given));
    }
    for (size_t at = known; at < known + 64; at += 21) {
        given.bytes[at] = 1;
        given.size = known + 64;
        CHECK_STATUS(open_with_options(&given), LNKEEP_UNSUPPORTED);
        /* Beyond its size a structure is not read. */
        given.size = at;
        CHECK_DONE(open_with_options(&given));
        given.bytes[at] = 0;
    }
    end();
}

static lnkeep_status get_report(void *to) {
    lnkeep_resources opened;
    lnkeep_status status =
        lnkeep_resources_open(store, NULL, &opened, (lnkeep_resources_report *)to, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_resources_close(&opened, NULL));
    return status;
}

static lnkeep_status get_reconciled(void *to) {
    return lnkeep_resources_reconcile(resources, NULL, 0, (lnkeep_reconciled *)to, NULL);
}

static lnkeep_status get_imported(void *to) {
    return lnkeep_resources_import_history(resources, NULL, 0, (lnkeep_imported *)to, NULL);
}

static lnkeep_status get_stats(void *to) {
    return lnkeep_resources_read_stats(resources, (lnkeep_resources_stats *)to, NULL);
}

/* What lies beyond the caller's size, and what the library does not know, must stay. */
static void check_output_sizes(lnkeep_status (*call)(void *), size_t known) {
    static const size_t wrong[] = {0, 7, 65537};
    longer given;
    memset(&given, 0xee, sizeof given);
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        given.size = wrong[i];
        CHECK_STATUS(call(&given), BAD);
    }
    for (size_t wanted = 8; wanted <= known + 64; wanted += 8) {
        memset(&given, 0xee, sizeof given);
        given.size = wanted;
        CHECK_DONE(call(&given));
        CHECK_EQUAL(given.size, wanted);
        size_t untouched = wanted < known ? wanted : known;
        for (size_t at = untouched; at < sizeof given; at++) {
            if (!CHECK_EQUAL(given.bytes[at], 0xee)) break;
        }
    }
}

static void outputs_of_other_versions_are_filled(void) {
    begin(0);
    check_output_sizes(get_report, sizeof(lnkeep_resources_report));
    check_output_sizes(get_reconciled, sizeof(lnkeep_reconciled));
    check_output_sizes(get_imported, sizeof(lnkeep_imported));
    check_output_sizes(get_stats, sizeof(lnkeep_resources_stats));
    end();
}

/* An operation of lnkeep_submit is for other components: its handle is of another type there. */
static void the_batch_call_takes_no_resources(void) {
    begin(1);
    lnkeep_op op;
    lnkeep_outcome outcome;
    memset(&op, 0, sizeof op);
    op.kind = LNKEEP_OP_ATTEMPT_INIT;
    op.component = resources.bits;
    op.body.attempt_init = h_request(1);
    CHECK(lnkeep_submit(store, &op, 1, 0, &outcome, NULL) < 0);
    end();
}

/* Neither an error nor a record tells the salt. */
static void the_salt_is_never_told(void) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = LNKEEP_RESOURCES_HAS_ENTROPY;
    options.decisions_kept = 4;
    memcpy(options.entropy, "0123456789abcdefghijklmnopqrstuv", sizeof options.entropy);
    begin_with(&options);
    add_channels(2);
    CHECK_GENERAL(add(htlc(1, 2, 1, 1000)));
    lnkeep_buf *lines = NULL;
    uint64_t last;
    CHECK_DONE(lnkeep_resources_decisions(resources, 0, 9, &lines, &last, NULL));
    if (CHECK(lines != NULL)) {
        char *text = (char *)calloc(lines->len + 1, 1);
        if (text) memcpy(text, lines->ptr, lines->len);
        CHECK(text && strstr(text, "0123456789") == NULL && strstr(text, "303132333435") == NULL);
        free(text);
    }
    lnkeep_buf_free(lines);
    lnkeep_resources second;
    options.decisions_kept = 5;
    CHECK_STATUS(lnkeep_resources_open(store, &options, &second, NULL, &err), LNKEEP_ALREADY_OPEN);
    CHECK(strstr(err.message, "0123") == NULL && strstr(err.message, "3031") == NULL);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(unknown_flags_are_refused),
        H_TEST(reserved_numbers_must_be_zero),
        H_TEST(impossible_arrays_are_refused),
        H_TEST(options_of_other_versions_are_understood),
        H_TEST(outputs_of_other_versions_are_filled),
        H_TEST(the_batch_call_takes_no_resources),
        H_TEST(the_salt_is_never_told),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

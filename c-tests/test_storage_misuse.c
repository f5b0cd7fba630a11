/* Mistakes of a host with peer storage and backups: handles, structures of other sizes, impossible views. */

#include "backup.h"

#define BAD LNKEEP_INVALID_ARGUMENT

static void handles_of_any_bits_are_answered(void) {
    begin_both(1);
    lnkeep_peer_storage crossed = {backup.bits}, forged = {UINT64_MAX}, of_store = {store.bits};
    lnkeep_backup crossed_back = {provider.bits}, forged_back = {UINT64_C(0x123456789abcdef0)};
    CHECK_EQUAL(lnkeep_peer_storage_is_open(provider), 1);
    CHECK_EQUAL(lnkeep_backup_is_open(backup), 1);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(crossed), 0);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(forged), 0);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(of_store), 0);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(LNKEEP_PEER_STORAGE_NONE), 0);
    CHECK_EQUAL(lnkeep_backup_is_open(crossed_back), 0);
    CHECK_EQUAL(lnkeep_backup_is_open(forged_back), 0);
    CHECK_EQUAL(lnkeep_backup_is_open(LNKEEP_BACKUP_NONE), 0);
    CHECK_STATUS(lnkeep_peer_storage_close(&crossed, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_backup_close(&crossed_back, NULL), LNKEEP_BAD_HANDLE);
    CHECK_EQUAL(lnkeep_peer_storage_is_open(provider), 1);
    CHECK_EQUAL(lnkeep_backup_is_open(backup), 1);
    end_both();
}

static void closing_twice_is_harmless(void) {
    begin_both(1);
    lnkeep_peer_storage peer_storage = provider;
    lnkeep_backup consumer = backup;
    CHECK_DONE(close_provider());
    CHECK_DONE(close_backup());
    CHECK_STATUS(lnkeep_peer_storage_close(&peer_storage, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_peer_storage_close(&provider, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_backup_close(&consumer, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_backup_close(&backup, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(keep_text(T0, 1, "x"), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(set_text("x"), LNKEEP_BAD_HANDLE);
    h_close(&own_store);
    h_close(&store);
}

/* A closed store ends both, and their handles are still to be closed. */
static void a_closed_store_is_told(void) {
    begin_both(1);
    CHECK_COMMITTED(keep_text(T0, 1, "x"));
    h_close(&store);
    h_close(&own_store);
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    lnkeep_node_ids *ids = NULL;
    lnkeep_backup_actions *actions = NULL;
    CHECK_STATUS(keep_text(T0, 1, "y"), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_peer_storage_connected(provider, T0, peer.bytes, &blob, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_peer_storage_block_connected(provider, HEIGHT, &ids, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_peer_storage_prune(provider, peer.bytes, &ids, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(set_text("x"), LNKEEP_CLOSED);
    CHECK_STATUS(arrive(T0, 1), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_backup_tick(backup, T0, &actions, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_backup_seal(backup, T0, peer.bytes, HEIGHT, &blob, NULL, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_backup_set_facts(backup, T0, peer.bytes, NULL, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_backup_block_connected(backup, HEIGHT, NULL), LNKEEP_CLOSED);
    CHECK_STATUS(lnkeep_backup_adopt(backup, 1, NULL), LNKEEP_CLOSED);
    CHECK(blob == NULL && ids == NULL && actions == NULL);
    CHECK_DONE(close_provider());
    CHECK_DONE(close_backup());
}

/* Lengths that no memory has, and bytes that are not there. */
static void impossible_views_are_refused(void) {
    begin_both(1);
    const lnkeep_bytes views[] = {h_bytes(NULL, 1), h_bytes("x", SIZE_MAX), h_bytes("x", SIZE_MAX / 2 + 1)};
    node_id peer = node(1);
    CHECK_DONE(arrive(T0, 1));
    lnkeep_opened *opened = NULL;
    for (size_t i = 0; i < H_COUNT(views); i++) {
        CHECK_STATUS(keep(T0, 1, views[i]), BAD);
        CHECK_STATUS(returned(T0, 1, views[i], &opened), BAD);
        CHECK_STATUS(lnkeep_backup_set_payload(backup, views[i], NULL), BAD);
        CHECK_STATUS(lnkeep_envelope_open(SECRET, peer.bytes, views[i], &opened, NULL), BAD);
        lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
        facts.address = views[i];
        CHECK_STATUS(lnkeep_backup_set_facts(backup, T0, peer.bytes, &facts, NULL), BAD);
    }
    CHECK(opened == NULL);
    CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_HOLD);
    CHECK_EQUAL(stats_now().peers | standing_now().payload_bytes, 0);
    end_both();
}

/* A structure with room for a tail, as a host of another version may have. */
typedef union longer {
    size_t size;
    lnkeep_peer_storage_options peer_storage;
    lnkeep_backup_options backup;
    lnkeep_envelope_header header;
    lnkeep_peer_facts facts;
    lnkeep_backup_htlc htlc;
    uint8_t bytes[512];
} longer;

static lnkeep_status give_peer_storage_options(const longer *given) {
    lnkeep_peer_storage opened;
    lnkeep_status status = lnkeep_peer_storage_open(store, &given->peer_storage, &opened, NULL, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_peer_storage_close(&opened, NULL));
    return status;
}

static lnkeep_status give_backup_options(const longer *given) {
    lnkeep_backup opened;
    lnkeep_status status = lnkeep_backup_open(own_store, SECRET, &given->backup, &opened, NULL, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_backup_close(&opened, NULL));
    return status;
}

static lnkeep_status give_header(const longer *given) {
    static const uint8_t entropy[16] = {0};
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_envelope_seal(SECRET, peer.bytes, &given->header, h_text("x"), 1024,
                                                entropy, &blob, NULL);
    lnkeep_buf_free(blob);
    return status;
}

static lnkeep_status give_facts(const longer *given) {
    node_id peer = node(1);
    return lnkeep_backup_set_facts(backup, T0, peer.bytes, &given->facts, NULL);
}

static lnkeep_status give_htlc(const longer *given) {
    return lnkeep_backup_set_htlc(backup, T0, &given->htlc, NULL);
}

static void check_input_sizes(lnkeep_status (*call)(const longer *), size_t known) {
    static const size_t wrong[] = {0, 1, 7, 65537, SIZE_MAX};
    longer given;
    memset(&given, 0, sizeof given);
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        given.size = wrong[i];
        CHECK_STATUS(call(&given), BAD);
    }
    for (given.size = sizeof(size_t); given.size <= sizeof given; given.size += 4) CHECK_DONE(call(&given));
    for (size_t at = known; at < known + 64; at += 21) {
        given.bytes[at] = 1;
        given.size = known + 64;
        CHECK_STATUS(call(&given), LNKEEP_UNSUPPORTED);
        /* Beyond its size a structure is not read. */
        given.size = at;
        CHECK_DONE(call(&given));
        given.bytes[at] = 0;
    }
}

static void inputs_of_other_versions_are_understood(void) {
    begin(0);
    own_directory = h_directory();
    own_store = h_open(own_directory);
    CHECK_DONE(open_backup_with(SECRET, NULL));
    check_input_sizes(give_peer_storage_options, sizeof(lnkeep_peer_storage_options));
    check_input_sizes(give_backup_options, sizeof(lnkeep_backup_options));
    check_input_sizes(give_header, sizeof(lnkeep_envelope_header));
    check_input_sizes(give_facts, sizeof(lnkeep_peer_facts));
    check_input_sizes(give_htlc, sizeof(lnkeep_backup_htlc));
    end_both();
}

static lnkeep_status get_peer_storage_report(void *to) {
    lnkeep_peer_storage opened;
    lnkeep_status status =
        lnkeep_peer_storage_open(store, NULL, &opened, (lnkeep_peer_storage_report *)to, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_peer_storage_close(&opened, NULL));
    return status;
}

static lnkeep_status get_stored(void *to) {
    node_id peer = node(1);
    lnkeep_status status =
        lnkeep_peer_storage_store(provider, T0, peer.bytes, h_text("same"), (lnkeep_stored *)to, NULL);
    return status == LNKEEP_ALREADY ? LNKEEP_DONE : status;
}

static lnkeep_status get_ticked(void *to) {
    return lnkeep_peer_storage_tick(provider, T0, 0, (lnkeep_ticked *)to, NULL, NULL);
}

static lnkeep_status get_stats(void *to) {
    return lnkeep_peer_storage_read_stats(provider, (lnkeep_peer_storage_stats *)to, NULL);
}

static lnkeep_status get_message(void *to) {
    return lnkeep_wire_decode(h_bytes("\0\7\0\0", 4), 0, (lnkeep_wire_message *)to, NULL);
}

static lnkeep_status get_backup_report(void *to) {
    lnkeep_backup opened;
    lnkeep_backup_options options = short_options();
    lnkeep_status status =
        lnkeep_backup_open(own_store, SECRET, &options, &opened, (lnkeep_backup_report *)to, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_backup_close(&opened, NULL));
    return status;
}

static lnkeep_status get_retrieval(void *to) {
    node_id peer = node(1);
    return lnkeep_backup_retrieval(backup, T0, peer.bytes, h_text(""), (lnkeep_concluded *)to, NULL, NULL);
}

static lnkeep_status get_reestablish(void *to) {
    node_id peer = node(1);
    return lnkeep_backup_reestablish_begun(backup, T0, peer.bytes, (lnkeep_concluded *)to, NULL);
}

static lnkeep_status get_standing(void *to) {
    return lnkeep_backup_read_standing(backup, (lnkeep_backup_standing *)to, NULL);
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
    begin_both(1);
    CHECK_COMMITTED(keep_text(T0, 1, "same"));
    check_output_sizes(get_peer_storage_report, sizeof(lnkeep_peer_storage_report));
    check_output_sizes(get_stored, sizeof(lnkeep_stored));
    check_output_sizes(get_ticked, sizeof(lnkeep_ticked));
    check_output_sizes(get_stats, sizeof(lnkeep_peer_storage_stats));
    check_output_sizes(get_message, sizeof(lnkeep_wire_message));
    check_output_sizes(get_backup_report, sizeof(lnkeep_backup_report));
    check_output_sizes(get_retrieval, sizeof(lnkeep_concluded));
    check_output_sizes(get_reestablish, sizeof(lnkeep_concluded));
    check_output_sizes(get_standing, sizeof(lnkeep_backup_standing));
    end_both();
}

/* An operation of lnkeep_submit is for other components: these handles are of another type there. */
static void the_batch_call_takes_neither(void) {
    begin_both(1);
    const uint64_t components[] = {provider.bits, backup.bits};
    for (size_t i = 0; i < H_COUNT(components); i++) {
        lnkeep_outcome outcome;
        lnkeep_op op;
        memset(&op, 0, sizeof op);
        op.kind = LNKEEP_OP_ATTEMPT_INIT;
        op.component = components[i];
        op.body.attempt_init = h_request(1);
        CHECK(lnkeep_submit(i ? own_store : store, &op, 1, 0, &outcome, NULL) < 0);
    }
    end_both();
}

/* A host's secret in hexadecimal, or its first bytes as numbers, is in no error. */
static void no_error_tells_a_secret(void) {
    lnkeep_backup_options options = short_options();
    uint8_t secret[32], blob[200];
    memset(secret, 0xab, sizeof secret);
    memset(blob, 0xcd, sizeof blob);
    begin_both(1);
    CHECK_DONE(close_backup());
    CHECK_STATUS(open_backup_with(secret, &options), LNKEEP_WRONG_MODE);
    CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "171, 171") == NULL);
    CHECK_DONE(open_backup());
    node_id peer = node(1);
    lnkeep_opened *opened = NULL;
    CHECK_STATUS(lnkeep_envelope_open(secret, peer.bytes, h_bytes(blob, sizeof blob), &opened, &err),
                 LNKEEP_BAD_ENVELOPE);
    CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "cdcd") == NULL);
    options.flags = 2;
    memset(options.entropy, 0xab, sizeof options.entropy);
    lnkeep_backup second = {77};
    CHECK_STATUS(lnkeep_backup_open(own_store, secret, &options, &second, NULL, &err), BAD);
    CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "171, 171") == NULL);
    CHECK_EQUAL(second.bits, 0);
    end_both();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(handles_of_any_bits_are_answered),
        H_TEST(closing_twice_is_harmless),
        H_TEST(a_closed_store_is_told),
        H_TEST(impossible_views_are_refused),
        H_TEST(inputs_of_other_versions_are_understood),
        H_TEST(outputs_of_other_versions_are_filled),
        H_TEST(the_batch_call_takes_neither),
        H_TEST(no_error_tells_a_secret),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

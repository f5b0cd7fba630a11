/* Keeping peers' blobs: when they are written, what is refused, what is returned, and what of it is told. */

#include "peer_storage.h"

/* What is later is no time in milliseconds. */
#define LAST_MS ((uint64_t)INT64_MAX)

static const lnkeep_peer_storage_options DEFAULTS = LNKEEP_PEER_STORAGE_OPTIONS_INIT;

static lnkeep_status open_second(const lnkeep_peer_storage_options *options) {
    lnkeep_peer_storage second = {77};
    lnkeep_status status = lnkeep_peer_storage_open(store, options, &second, NULL, &err);
    check_err(status);
    CHECK_EQUAL(second.bits != 0, status == LNKEEP_DONE);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_peer_storage_close(&second, NULL));
    return status;
}

static void options_out_of_range_are_refused(void) {
    begin(0);
    for (uint32_t bit = 5; bit < 32; bit++) {
        lnkeep_peer_storage_options options = DEFAULTS;
        options.flags = UINT32_C(1) << bit;
        CHECK_STATUS(open_second(&options), LNKEEP_INVALID_ARGUMENT);
    }
    static const uint32_t percents[] = {101, 255, 256, 256 + 25, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(percents); i++) {
        lnkeep_peer_storage_options options = DEFAULTS;
        options.without_channel_percent = percents[i];
        CHECK_STATUS(open_second(&options), LNKEEP_INVALID_ARGUMENT);
    }
    lnkeep_peer_storage_options options = DEFAULTS;
    options.blob_bytes_max = BLOB_MAX + 1;
    CHECK_STATUS(open_second(&options), LNKEEP_INVALID_ARGUMENT);
    options.blob_bytes_max = UINT32_MAX;
    CHECK_STATUS(open_second(&options), LNKEEP_INVALID_ARGUMENT);
    options = DEFAULTS;
    options.reserved = 1;
    CHECK_STATUS(open_second(&options), LNKEEP_INVALID_ARGUMENT);
    end();
}

/* Every number of the defaults, said or left out, is the same choice; another one is another. */
static void equal_options_open_the_same(void) {
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    lnkeep_peer_storage_options options = DEFAULTS;
    CHECK_DONE(open_second(NULL));
    CHECK_DONE(open_second(&options));
    options.without_channel_percent = 25, options.cooldown_ms = COOLDOWN_MS;
    options.cooldown_without_channel_ms = SLOW_COOLDOWN_MS, options.disconnect_interval_ms = 100;
    options.total_bytes_max = 256 << 20, options.pending_bytes_max = 64 << 20;
    options.retention_blocks = RETENTION_BLOCKS, options.blob_bytes_max = BLOB_MAX, options.peers_max = 4096;
    CHECK_DONE(open_second(&options));
    options.flags = LNKEEP_PEER_STORAGE_ZEROS_COUNT;
    CHECK_DONE(open_second(&options));
    static const size_t fields[] = {
        offsetof(lnkeep_peer_storage_options, flags), offsetof(lnkeep_peer_storage_options, cooldown_ms),
        offsetof(lnkeep_peer_storage_options, without_channel_percent),
        offsetof(lnkeep_peer_storage_options, cooldown_without_channel_ms),
        offsetof(lnkeep_peer_storage_options, disconnect_interval_ms),
        offsetof(lnkeep_peer_storage_options, total_bytes_max),
        offsetof(lnkeep_peer_storage_options, pending_bytes_max),
        offsetof(lnkeep_peer_storage_options, retention_blocks),
        offsetof(lnkeep_peer_storage_options, blob_bytes_max),
        offsetof(lnkeep_peer_storage_options, peers_max)};
    for (size_t i = 0; i < H_COUNT(fields); i++) {
        lnkeep_peer_storage_options other = DEFAULTS;
        ((uint8_t *)&other)[fields[i]] = 1;
        CHECK_STATUS(open_second(&other), LNKEEP_ALREADY_OPEN);
    }
    /* A second handle is on the same blobs, and outlives the first. */
    lnkeep_peer_storage first = provider;
    CHECK_DONE(open_provider(NULL));
    CHECK_UNCHANGED(keep_text(T0, 1, "a"));
    CHECK_DONE(lnkeep_peer_storage_close(&first, NULL));
    CHECK_SERVES(T0, 1, "a");
    end();
}

/* The first is written at once; what follows within the cooldown replaces what waits. */
static void one_write_per_peer_and_cooldown(void) {
    begin(2);
    CHECK_SERVES(T0, 1, NULL);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "b"), T0 + 1000);
    CHECK_SERVES(T0 + 1, 1, "b");
    CHECK_UNCHANGED(keep_text(T0 + 2, 1, "b"));
    CHECK_DEFERRED(keep_text(T0 + 2, 1, "c"), T0 + 1000);
    CHECK_COMMITTED(keep_text(T0 + 2, 2, "other"));
    CHECK_SERVES(T0 + 3, 1, "c");
    CHECK_NO_PEERS(tick(T0 + 999));
    CHECK(ticked.flags == LNKEEP_TICKED_HAS_NEXT_DUE && ticked.next_due_ms == T0 + 1000);
    CHECK_PEERS(tick(T0 + 1000), 1);
    CHECK_EQUAL(ticked.flags, 0);
    CHECK_SERVES(T0 + 1000, 1, "c");
    CHECK_NO_PEERS(tick(T0 + 1001));
    /* The cooldown counts from the write, not from the blob. */
    CHECK_DEFERRED(keep_text(T0 + 1999, 1, "d"), T0 + 2000);
    CHECK_COMMITTED(keep_text(T0 + 7000, 2, "e"));
    lnkeep_peer_storage_stats stats = stats_now();
    CHECK_EQUAL(stats.commits, 4);
    CHECK_EQUAL(stats.deferred, 3);
    CHECK_EQUAL(stats.unchanged, 1);
    end();
}

/* A blob that is on disk drops what waits, and writes nothing. */
static void what_is_on_disk_is_not_written_again(void) {
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_UNCHANGED(keep_text(T0 + 1, 1, "a"));
    CHECK_UNCHANGED(keep_text(T0 + 90000, 1, "a"));
    CHECK_COMMITTED(keep_text(T0 + 90000, 1, "b"));
    CHECK_DEFERRED(keep_text(T0 + 90001, 1, "c"), T0 + 91000);
    CHECK_EQUAL(stats_now().pending, 1);
    CHECK_UNCHANGED(keep_text(T0 + 90002, 1, "b"));
    CHECK_EQUAL(stats_now().pending | stats_now().pending_bytes, 0);
    CHECK_SERVES(T0 + 90002, 1, "b");
    CHECK_NO_PEERS(tick(T0 + 99000));
    CHECK_EQUAL(stats_now().commits, 2);
    lnkeep_peer_entry entry = entry_of(1);
    CHECK(entry.updates == 3 && entry.commits == 2 && entry.flags == 0);
    CHECK(entry.received_ms == T0 + 90000 && entry.committed_ms == T0 + 90000);
    end();
}

/* Without a channel the time between two writes is the longer one. */
static void peers_without_a_channel_wait_longer(void) {
    begin(0);
    CHECK_DONE(claim(1, LNKEEP_CLAIM_ALLOWED));
    CHECK_DONE(claim(2, LNKEEP_CLAIM_PENDING_CHANNEL));
    for (uint32_t number = 1; number <= 2; number++) {
        CHECK_COMMITTED(keep_text(T0 + number, number, "a"));
        CHECK_DEFERRED(keep_text(T0 + number, number, "b"), T0 + number + SLOW_COOLDOWN_MS);
    }
    CHECK_EQUAL(stats_now().bytes_without_channel, 2);
    CHECK_DONE(claim(2, LNKEEP_CLAIM_OPEN_CHANNEL));
    CHECK_EQUAL(stats_now().bytes_without_channel, 1);
    CHECK_PEERS(tick(T0 + 1002), 2);
    CHECK_NO_PEERS(tick(T0 + SLOW_COOLDOWN_MS));
    CHECK_PEERS(tick(T0 + SLOW_COOLDOWN_MS + 1), 1);
    end();
}

static void an_empty_blob_is_a_blob(void) {
    begin(2);
    CHECK_COMMITTED(keep_text(T0, 1, ""));
    CHECK_COMMITTED(keep(T0, 2, h_bytes(NULL, 0)));
    CHECK_SERVES(T0, 1, "");
    CHECK_EQUAL(stats_now().peers, 2);
    CHECK_EQUAL(stats_now().bytes, 0);
    CHECK_EQUAL(entry_of(1).blob_bytes, 0);
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "x"), T0 + 1000);
    CHECK_UNCHANGED(keep_text(T0 + 2, 1, ""));
    reopen_with(NULL);
    CHECK_EQUAL(report.peers, 2);
    CHECK_SERVES(T0, 1, "");
    CHECK_SERVES(T0, 2, "");
    CHECK_SERVES(T0, 3, NULL);
    end();
}

static void a_disconnection_writes_what_waits(void) {
    begin(2);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_STATUS(gone(T0 + 1, 1), LNKEEP_ALREADY);
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "b"), T0 + 1000);
    /* Its last write was a moment ago. */
    CHECK_STATUS(gone(T0 + 99, 1), LNKEEP_ALREADY);
    CHECK_EQUAL(stats_now().pending, 1);
    CHECK_DONE(gone(T0 + 100, 1));
    CHECK_EQUAL(stats_now().pending, 0);
    CHECK_STATUS(gone(T0 + 101, 1), LNKEEP_ALREADY);
    CHECK_STATUS(gone(T0 + 101, 9), LNKEEP_ALREADY);
    CHECK_SERVES(T0 + 101, 1, "b");
    /* That write, too, begins a cooldown. */
    CHECK_DEFERRED(keep_text(T0 + 1000, 1, "c"), T0 + 1100);
    end();
}

/* A peer takes what it is returned for confirmed: it is written first, unless the last write is that near. */
static void what_is_returned_is_written_first(void) {
    for (uint32_t flags = 0; flags <= LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN;
         flags += LNKEEP_PEER_STORAGE_RETURN_UNWRITTEN) {
        lnkeep_peer_storage_options options = DEFAULTS;
        options.flags = flags;
        begin_with(&options, 1);
        CHECK_COMMITTED(keep_text(T0, 1, "a"));
        CHECK_DEFERRED(keep_text(T0 + 1, 1, "b"), T0 + 1000);
        CHECK_SERVES(T0 + 99, 1, "b");
        CHECK_EQUAL(stats_now().pending, 1);
        CHECK_SERVES(T0 + 100, 1, "b");
        CHECK_EQUAL(stats_now().pending, flags != 0);
        CHECK_EQUAL(stats_now().commits, flags ? 1 : 2);
        CHECK_EQUAL(entry_of(1).flags, flags ? LNKEEP_PEER_PENDING : 0);
        end();
    }
}

static void a_tick_of_all_ignores_cooldowns(void) {
    begin(5);
    for (uint32_t number = 1; number <= 5; number++) {
        CHECK_COMMITTED(keep_text(T0 + number, number, "a"));
    }
    for (uint32_t number = 1; number <= 5; number++) {
        if (number != 3) CHECK_DEFERRED(keep_text(T0 + 10, number, "b"), T0 + 1000 + number);
    }
    CHECK_NO_PEERS(tick(T0 + 11));
    CHECK_EQUAL(ticked.next_due_ms, T0 + 1001);
    CHECK_PEERS(tick(T0 + 1002), 1, 2);
    CHECK_EQUAL(ticked.next_due_ms, T0 + 1004);
    CHECK_PEERS(tick_with(T0 + 1002, LNKEEP_TICK_ALL), 4, 5);
    CHECK_EQUAL(ticked.flags, 0);
    CHECK_NO_PEERS(tick_with(T0 + 1002, LNKEEP_TICK_ALL));
    for (uint32_t bit = 1; bit < 32; bit++) {
        CHECK_STATUS(lnkeep_peer_storage_tick(provider, T0, UINT32_C(1) << bit, NULL, NULL, NULL),
                     LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_DONE(lnkeep_peer_storage_tick(provider, T0, LNKEEP_TICK_ALL, NULL, NULL, NULL));
    end();
}

/* A clock that is put back does not make anything due earlier, and no time is later than the last. */
static void time_never_goes_back(void) {
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DEFERRED(keep_text(T0 - 500000, 1, "b"), T0 + 1000);
    CHECK_EQUAL(entry_of(1).received_ms, T0);
    CHECK_STATUS(keep_text(LAST_MS + 1, 1, "c"), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(keep_text(UINT64_MAX, 1, "c"), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(gone(UINT64_MAX, 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(lnkeep_peer_storage_tick(provider, LAST_MS + 1, 0, NULL, NULL, NULL),
                 LNKEEP_INVALID_ARGUMENT);
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    CHECK_STATUS(lnkeep_peer_storage_connected(provider, UINT64_MAX, peer.bytes, &blob, NULL),
                 LNKEEP_INVALID_ARGUMENT);
    CHECK(blob == NULL);
    CHECK_SERVES(T0, 1, "b");
    /* A connection tells the time, too. */
    CHECK_SERVES(T0 + 1000, 2, NULL);
    CHECK_PEERS(tick(T0), 1);
    CHECK_COMMITTED(keep_text(LAST_MS, 1, "d"));
    end();
}

static void who_has_no_claim_stores_nothing(void) {
    begin(1);
    CHECK_STATUS(keep_text(T0, 2, "a"), LNKEEP_NO_CLAIM);
    CHECK_SERVES(T0, 2, NULL);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DONE(claim(1, LNKEEP_CLAIM_CLOSED_CHANNEL));
    CHECK_STATUS(keep_text(T0 + 9000, 1, "b"), LNKEEP_NO_CLAIM);
    /* It is returned all the same, as long as it is kept. */
    CHECK_SERVES(T0 + 9000, 1, "a");
    CHECK_EQUAL(stats_now().refused_no_claim, 2);
    end();
}

static void what_is_too_long_is_refused(void) {
    begin(1);
    CHECK_COMMITTED(keep(T0, 1, blob_of(1, BLOB_MAX)));
    CHECK_STATUS(keep(T0 + 9000, 1, blob_of(2, BLOB_MAX + 1)), LNKEEP_TOO_BIG);
    lnkeep_bytes wanted = blob_of(1, BLOB_MAX);
    CHECK(serves_bytes(T0 + 9000, 1, &wanted, __FILE__, __LINE__));
    end();
    lnkeep_peer_storage_options options = DEFAULTS;
    options.blob_bytes_max = 3;
    begin_with(&options, 1);
    CHECK_STATUS(keep_text(T0, 1, "four"), LNKEEP_TOO_BIG);
    CHECK_COMMITTED(keep_text(T0, 1, "two"));
    CHECK_EQUAL(stats_now().refused_too_big, 1);
    end();
}

/* Told once per peer: who is refused could fill the log otherwise. */
static void a_full_house_refuses_new_peers(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    lnkeep_events events;
    options.peers_max = 4;
    options.without_channel_percent = 50;
    begin_with(&options, 3);
    CHECK_DONE(lnkeep_events_open(store, h_text("e"), 0, &events, NULL));
    for (uint32_t number = 4; number <= 7; number++) CHECK_DONE(claim(number, LNKEEP_CLAIM_ALLOWED));
    CHECK_COMMITTED(keep_text(T0, 4, "a"));
    CHECK_COMMITTED(keep_text(T0, 5, "a"));
    /* Half of all is for peers with a channel. */
    CHECK_STATUS(keep_text(T0, 6, "a"), LNKEEP_QUOTA_PEERS);
    CHECK_STATUS(keep_text(T0, 6, "a"), LNKEEP_QUOTA_PEERS);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_COMMITTED(keep_text(T0, 2, "a"));
    CHECK_STATUS(keep_text(T0, 3, "a"), LNKEEP_QUOTA_PEERS);
    /* Who has a blob goes on. */
    CHECK_COMMITTED(keep_text(T0 + 1000, 1, "b"));
    CHECK_COMMITTED(keep_text(T0 + SLOW_COOLDOWN_MS, 4, "b"));
    CHECK_EQUAL(stats_now().refused_quota, 3);
    uint32_t told[4];
    CHECK_EQUAL(take_events(events, LNKEEP_EVENT_PEER_BLOB_REFUSED, told, 4), 2);
    CHECK(told[0] == 6 && told[1] == 3);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end();
}

static void a_full_house_refuses_more_bytes(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    options.total_bytes_max = 100;
    begin_with(&options, 2);
    CHECK_DONE(claim(9, LNKEEP_CLAIM_ALLOWED));
    CHECK_COMMITTED(keep(T0, 1, blob_of(1, 60)));
    CHECK_STATUS(keep(T0, 2, blob_of(2, 41)), LNKEEP_QUOTA_TOTAL);
    /* A quarter is what peers without a channel may take. */
    CHECK_STATUS(keep(T0, 9, blob_of(3, 26)), LNKEEP_QUOTA_TOTAL);
    CHECK_COMMITTED(keep(T0, 9, blob_of(3, 25)));
    CHECK_STATUS(keep(T0, 2, blob_of(2, 16)), LNKEEP_QUOTA_TOTAL);
    CHECK_COMMITTED(keep(T0, 2, blob_of(2, 15)));
    /* A peer's own blob gives way to its new one; a refused one does not. */
    CHECK_STATUS(keep(T0 + 5000, 1, blob_of(4, 61)), LNKEEP_QUOTA_TOTAL);
    lnkeep_bytes wanted = blob_of(1, 60);
    CHECK(serves_bytes(T0 + 5000, 1, &wanted, __FILE__, __LINE__));
    CHECK_COMMITTED(keep(T0 + 5000, 1, blob_of(4, 60)));
    /* What waits counts as what is written does. */
    CHECK_DEFERRED(keep(T0 + 5001, 1, blob_of(5, 10)), T0 + 6000);
    CHECK_COMMITTED(keep(T0 + 5001, 2, blob_of(6, 65)));
    CHECK_EQUAL(stats_now().bytes, 100);
    CHECK_EQUAL(stats_now().bytes_without_channel, 25);
    end();
}

static void what_waits_is_bounded(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    options.pending_bytes_max = 10;
    begin_with(&options, 3);
    for (uint32_t number = 1; number <= 3; number++) CHECK_COMMITTED(keep_text(T0, number, "a"));
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "12345678"), T0 + 1000);
    CHECK_STATUS(keep_text(T0 + 1, 2, "123"), LNKEEP_BUSY);
    CHECK_SERVES(T0 + 1, 2, "a");
    CHECK_DEFERRED(keep_text(T0 + 1, 2, "12"), T0 + 1000);
    CHECK_STATUS(keep_text(T0 + 1, 1, "123456789"), LNKEEP_BUSY);
    CHECK_SERVES(T0 + 1, 1, "12345678");
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "shorter"), T0 + 1000);
    CHECK_EQUAL(stats_now().pending_bytes, 9);
    CHECK_PEERS(tick(T0 + 1000), 1, 2);
    CHECK_DEFERRED(keep_text(T0 + 1001, 2, "1234567890"), T0 + 2000);
    end();
}

/* While nothing is offered, nothing is accepted or returned; all of it is still there. */
static void offering_begins_and_ends_without_a_restart(void) {
    begin(1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_DEFERRED(keep_text(T0 + 1, 1, "b"), T0 + 1000);
    CHECK_DONE(lnkeep_peer_storage_set_offered(provider, 0, NULL));
    CHECK_STATUS(keep_text(T0 + 9000, 1, "c"), LNKEEP_STORAGE_NOT_OFFERED);
    CHECK_STATUS(keep_text(T0 + 9000, 2, "c"), LNKEEP_STORAGE_NOT_OFFERED);
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    CHECK_DONE(lnkeep_peer_storage_connected(provider, T0, peer.bytes, &blob, NULL));
    CHECK(blob == NULL);
    CHECK_DONE(lnkeep_peer_storage_export(provider, peer.bytes, &blob, NULL));
    if (CHECK(blob != NULL)) CHECK(blob->len == 1 && blob->ptr[0] == 'b');
    lnkeep_buf_free(blob);
    CHECK_PEERS(tick(T0 + 9000), 1);
    for (uint32_t wrong = 2; wrong; wrong <<= 1) {
        CHECK_STATUS(lnkeep_peer_storage_set_offered(provider, wrong, NULL), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_DONE(lnkeep_peer_storage_set_offered(provider, 1, NULL));
    CHECK_SERVES(T0 + 9000, 1, "b");
    lnkeep_peer_storage_options off = DEFAULTS;
    off.flags = LNKEEP_PEER_STORAGE_OFF;
    reopen_with(&off);
    claim_channels(1);
    CHECK_STATUS(keep_text(T0 + 9000, 1, "c"), LNKEEP_STORAGE_NOT_OFFERED);
    CHECK_EQUAL(stats_now().refused_no_claim, 1);
    CHECK_DONE(lnkeep_peer_storage_set_offered(provider, 1, NULL));
    CHECK_SERVES(T0, 1, "b");
    end();
}

/* Numbers that are meant as they are, also when they are 0. */
static void zeros_count_when_they_are_said_to(void) {
    lnkeep_peer_storage_options options = DEFAULTS;
    options.flags = LNKEEP_PEER_STORAGE_ZEROS_COUNT;
    options.blob_bytes_max = 10, options.peers_max = 10, options.total_bytes_max = 100;
    begin_with(&options, 1);
    CHECK_COMMITTED(keep_text(T0, 1, "a"));
    CHECK_COMMITTED(keep_text(T0, 1, "b"));
    CHECK_DONE(claim(2, LNKEEP_CLAIM_ALLOWED));
    CHECK_STATUS(keep_text(T0, 2, "a"), LNKEEP_QUOTA_PEERS);
    CHECK_DONE(claim(1, LNKEEP_CLAIM_CLOSED_CHANNEL));
    CHECK_PEERS(block(HEIGHT), 1);
    end();
}

/* A message of a peer may be stored as it came. */
static void a_message_is_kept_and_returned(void) {
    begin(1);
    lnkeep_buf *message = NULL, *answer = NULL, *blob = NULL;
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    lnkeep_bytes sent = blob_of(5, BLOB_MAX);
    node_id peer = node(1);
    CHECK_DONE(lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, sent, &message, NULL));
    CHECK_DONE(lnkeep_wire_decode(h_bytes(message->ptr, message->len), 0, &decoded, NULL));
    CHECK_COMMITTED(keep(T0, 1, decoded.blob));
    CHECK_DONE(lnkeep_peer_storage_connected(provider, T0, peer.bytes, &blob, NULL));
    if (CHECK(blob != NULL)) {
        lnkeep_bytes kept = h_bytes(blob->ptr, blob->len);
        CHECK_DONE(lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL, kept, &answer, NULL));
        CHECK(answer->len == message->len && memcmp(answer->ptr + 2, message->ptr + 2, answer->len - 2) == 0);
    }
    lnkeep_buf_free(message);
    lnkeep_buf_free(answer);
    lnkeep_buf_free(blob);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(options_out_of_range_are_refused),
        H_TEST(equal_options_open_the_same),
        H_TEST(one_write_per_peer_and_cooldown),
        H_TEST(what_is_on_disk_is_not_written_again),
        H_TEST(peers_without_a_channel_wait_longer),
        H_TEST(an_empty_blob_is_a_blob),
        H_TEST(a_disconnection_writes_what_waits),
        H_TEST(what_is_returned_is_written_first),
        H_TEST(a_tick_of_all_ignores_cooldowns),
        H_TEST(time_never_goes_back),
        H_TEST(who_has_no_claim_stores_nothing),
        H_TEST(what_is_too_long_is_refused),
        H_TEST(a_full_house_refuses_new_peers),
        H_TEST(a_full_house_refuses_more_bytes),
        H_TEST(what_waits_is_bounded),
        H_TEST(offering_begins_and_ends_without_a_restart),
        H_TEST(zeros_count_when_they_are_said_to),
        H_TEST(a_message_is_kept_and_returned),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

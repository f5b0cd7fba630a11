/* Backups at peers: what is sent when, what follows from what comes back, and what the operator is asked. */

#include "backup.h"

static lnkeep_status open_second(const uint8_t *secret, const lnkeep_backup_options *options) {
    lnkeep_backup second = {77};
    lnkeep_status status = lnkeep_backup_open(own_store, secret, options, &second, NULL, &err);
    check_err(status);
    CHECK_EQUAL(second.bits != 0, status == LNKEEP_DONE);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_backup_close(&second, NULL));
    return status;
}

static void options_out_of_range_are_refused(void) {
    begin_backup();
    lnkeep_backup_options options = short_options();
    for (uint32_t bit = 1; bit < 32; bit++) {
        options.flags = UINT32_C(1) << bit;
        CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    }
    static const uint32_t classes[] = {1, 136, 1023, 1025, 4095, 16385, 65530, 65532, 65536, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(classes); i++) {
        options = short_options();
        options.size_class = classes[i];
        CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    }
    options = short_options();
    options.reserved = 1;
    CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    options = short_options();
    options.entropy[31] = 1;
    CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    for (size_t i = 0; i < H_COUNT(classes); i++) {
        options = short_options();
        options.journal_size_class = classes[i];
        CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    }
    options = short_options();
    options.htlc_profile = 2;
    CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    options = short_options();
    options.peers_max = 10001;
    CHECK_STATUS(open_second(SECRET, &options), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(open_second(NULL, NULL), LNKEEP_INVALID_ARGUMENT);
    end_backup();
}

static void equal_options_open_the_same(void) {
    lnkeep_backup_options options = short_options();
    begin_backup();
    CHECK_DONE(open_second(SECRET, &options));
    options.hold_ms = HOLD_MS, options.resend_interval_ms = RESEND_MS, options.peers_max = 4096;
    options.journal_size_class = 16384, options.journal_interval_ms = 60000, options.journal_keepers = 3;
    options.urgent_msat = 10000000, options.dust_msat = 330000, options.peer_uploads_per_minute = 1;
    options.peer_bytes_per_day = 30000000, options.bytes_per_day = 200000000;
    CHECK_DONE(open_second(SECRET, &options));
    for (int which = 0; which < 14; which++) {
        options = short_options();
        if (which == 0) options.size_class = 0;
        if (which == 1) options.hold_ms = 1;
        if (which == 2) options.resend_interval_ms = 1;
        if (which == 3) options.peers_max = 1;
        if (which == 4) options.flags = LNKEEP_BACKUP_HAS_ENTROPY;
        if (which == 5) options.htlc_profile = LNKEEP_HTLC_PROFILE_ALL_HTLCS;
        if (which == 6) options.journal_size_class = 1024;
        if (which == 7) options.journal_interval_ms = 1;
        if (which == 8) options.urgent_msat = 1;
        if (which == 9) options.dust_msat = 1;
        if (which == 10) options.journal_keepers = 1;
        if (which == 11) options.peer_uploads_per_minute = 2;
        if (which == 12) options.peer_bytes_per_day = 1;
        if (which == 13) options.bytes_per_day = 1;
        CHECK_STATUS(open_second(SECRET, &options), LNKEEP_ALREADY_OPEN);
    }
    /* A second handle has the payload too, and outlives the first. */
    CHECK_DONE(set_text("x"));
    lnkeep_backup first = backup;
    CHECK_DONE(open_backup());
    CHECK_DONE(lnkeep_backup_close(&first, NULL));
    CHECK_EQUAL(standing_now().payload_bytes, 1);
    CHECK_DONE(close_backup());
    CHECK_DONE(open_backup());
    CHECK_EQUAL(standing_now().payload_bytes, 0);
    end_backup();
}

/* Nothing of it is said: neither in an error nor in an answer. */
static void another_secret_is_refused(void) {
    lnkeep_backup_options options = short_options();
    uint8_t nearly[32];
    memcpy(nearly, SECRET, sizeof nearly);
    nearly[31] ^= 1;
    begin_backup();
    lnkeep_status status = open_second(OTHER_SECRET, &options);
    CHECK(status == LNKEEP_WRONG_MODE || status == LNKEEP_ALREADY_OPEN);
    CHECK(strstr(err.message, "0908") == NULL && strstr(err.message, "[9, 8") == NULL);
    CHECK_DONE(close_backup());
    CHECK_STATUS(open_backup_with(nearly, &options), LNKEEP_WRONG_MODE);
    CHECK_STATUS(open_backup_with(OTHER_SECRET, NULL), LNKEEP_WRONG_MODE);
    CHECK(strstr(err.message, "0908") == NULL && strstr(err.message, "[9, 8") == NULL);
    CHECK_DONE(open_backup());
    end_backup();
}

/* Whole up to the blob less its envelope; cut up to 31 slots less the object's tail; not a byte more. */
static void a_payload_must_fit(void) {
    static const uint32_t classes[] = {1024, 4096, 16384, 65531};
    for (size_t i = 0; i < H_COUNT(classes); i++) {
        lnkeep_backup_options options = short_options();
        options.size_class = classes[i];
        begin_backup_with(&options);
        uint64_t whole = 0, most = 0;
        CHECK_DONE(lnkeep_backup_payload_max(classes[i], &whole, &most, &err));
        CHECK_EQUAL(whole, classes[i] - ENVELOPE_BYTES);
        CHECK(most > 7 * whole && most < 31 * whole / 2);
        uint8_t *bytes = (uint8_t *)calloc(1, most + 1);
        if (!bytes) abort();
        bytes[0] = 1;
        CHECK_STATUS(lnkeep_backup_set_payload(backup, h_bytes(bytes, most + 1), &err), LNKEEP_TOO_BIG);
        check_err(LNKEEP_TOO_BIG);
        CHECK_STATUS(lnkeep_backup_set_payload(backup, h_text(""), &err), LNKEEP_INVALID_ARGUMENT);
        CHECK_STATUS(lnkeep_backup_set_payload(backup, h_bytes(NULL, 1), &err), LNKEEP_INVALID_ARGUMENT);
        CHECK_EQUAL(standing_now().payload_bytes, 0);
        /* The first two go to no peer here: cut ones go only to those with facts. */
        const uint64_t cuts[] = {most, whole + 1};
        for (size_t cut = 0; cut < H_COUNT(cuts); cut++) {
            CHECK_DONE(lnkeep_backup_set_payload(backup, h_bytes(bytes, cuts[cut]), &err));
            CHECK_EQUAL(standing_now().payload_bytes, cuts[cut]);
            CHECK(standing_now().needed_peers >= 2);
        }
        CHECK_DONE(lnkeep_backup_set_payload(backup, h_bytes(bytes, whole), &err));
        CHECK_STATUS(lnkeep_backup_set_payload(backup, h_bytes(bytes, most + 1), &err), LNKEEP_TOO_BIG);
        CHECK_EQUAL(standing_now().payload_bytes, whole);
        CHECK_EQUAL(standing_now().needed_peers, 0);
        greet(T0, 1);
        lnkeep_buf_free(sealed(T0, 1, NULL));
        free(bytes);
        end_backup();
    }
}

/* In the order in which they are looked at; none of them uses a number. */
static void each_refusal_of_a_seal(void) {
    begin_backup();
    CHECK_DONE(set_text("x"));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_PEER_UNAVAILABLE);
    CHECK_DONE(arrive_with(T0, 1, 0));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_PEER_UNAVAILABLE);
    /* Who offers nothing and was sent nothing takes no room. */
    CHECK_EQUAL(known_of(1).state, UINT32_MAX);
    CHECK_DONE(arrive(T0, 1));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_HOLD);
    CHECK_CONCLUDED(returned(T0, 1, h_text("not ours"), NULL), UNREADABLE, ALERT_UNREADABLE);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_UNREADABLE);
    CHECK_DONE(lnkeep_backup_acknowledge(backup, NULL));
    CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_CLEAR);
    CHECK_DONE(close_backup());
    CHECK_DONE(open_backup());
    greet(T0, 1);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_NO_PAYLOAD);
    CHECK_DONE(set_text("x"));
    CHECK_STATUS(refused_seal(UINT64_MAX, 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_DONE(leave(1));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_PEER_UNAVAILABLE);
    greet(T0, 1);
    uint64_t seq = 0;
    lnkeep_buf_free(sealed(T0, 1, &seq));
    CHECK_EQUAL(seq, 1);
    CHECK_EQUAL(known_of(1).sent_seq, 1);
    CHECK_DONE(arrive_with(T0, 1, 0));
    CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_UNSUPPORTED);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_PEER_UNAVAILABLE);
    CHECK_EQUAL(standing_now().flags, 0);
    end_backup();
}

/* The whole way: sealed, sent, kept, returned, opened. */
static void a_blob_comes_back(void) {
    begin_both(2);
    CHECK_DONE(set_text("our state"));
    greet(T0, 1);
    uint64_t seq = send_to(T0, 1);
    lnkeep_backup_peer peer = known_of(1);
    CHECK_EQUAL(peer.state, LNKEEP_BACKUP_STATE_SENT);
    CHECK_EQUAL(peer.copy, LNKEEP_COPY_UNCONFIRMED);
    CHECK(peer.sent_seq == seq && peer.committed_seq == 0 && peer.sent_ms == T0);
    CHECK_EQUAL(peer.flags, LNKEEP_BACKUP_PEER_CONNECTED | LNKEEP_BACKUP_PEER_OFFERS);
    CHECK_EQUAL(standing_now().unconfirmed_copies, 1);
    CHECK_DONE(lnkeep_backup_disconnected(backup, node(1).bytes, NULL));
    CHECK_EQUAL(known_of(1).flags, LNKEEP_BACKUP_PEER_OFFERS);
    CHECK_DONE(arrive(T0 + 1000, 1));
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0 + 1000, 1, &opened), COMMITTED, NONE);
    if (CHECK(opened != NULL)) {
        lnkeep_backup_standing standing = standing_now();
        CHECK(opened->created_unix_secs == T0 / 1000 && opened->block_height == HEIGHT);
        CHECK(memcmp(opened->instance, standing.instance, 16) == 0);
        CHECK(standing.confirmed_copies == 1 && standing.next_seq == seq + 1 && standing.flags == 0);
    }
    held_text(opened, "our state", seq);
    CHECK_EQUAL(known_of(1).copy, LNKEEP_COPY_CONFIRMED);
    CHECK_CONCLUDED(begin_reestablish(T0 + 1000, 1), COMMITTED, NONE);
    /* Another payload makes the copy an old one, the first one again makes it good. */
    CHECK_DONE(set_text("other"));
    CHECK_EQUAL(known_of(1).copy, LNKEEP_COPY_NONE);
    CHECK_DONE(set_text("our state"));
    CHECK_EQUAL(known_of(1).copy, LNKEEP_COPY_CONFIRMED);
    end_both();
}

/* Each way in which a peer may fail us, with its strikes. */
static void each_conclusion_about_a_peer(void) {
    begin_both(2);
    lnkeep_events events;
    CHECK_DONE(lnkeep_events_open(own_store, h_text("e"), 0, &events, NULL));
    CHECK_DONE(set_text("one"));
    greet(T0, 1);
    uint64_t first_seq = 0, second_seq = 0;
    lnkeep_buf *first = sealed(T0, 1, &first_seq);
    lnkeep_buf *second = sealed(T0 + 1, 1, &second_seq);
    lnkeep_bytes first_blob = h_bytes(first->ptr, first->len);
    lnkeep_bytes second_blob = h_bytes(second->ptr, second->len);
    CHECK_EQUAL(second_seq, first_seq + 1);
    CHECK(memcmp(first->ptr, second->ptr, 24) != 0);
    CHECK_CONCLUDED(returned(T0 + 2, 1, first_blob, NULL), LAGGING, RESEND);
    CHECK_EQUAL(known_of(1).committed_seq, first_seq);
    CHECK_CONCLUDED(returned(T0 + 3, 1, second_blob, NULL), COMMITTED, NONE);
    CHECK_EQUAL(known_of(1).strikes, 0);
    CHECK_CONCLUDED(returned(T0 + 4, 1, first_blob, NULL), STALE, RESEND);
    CHECK_EQUAL(known_of(1).strikes, 1);
    CHECK_EQUAL(known_of(1).copy, LNKEEP_COPY_NONE);
    uint8_t *changed = (uint8_t *)malloc(second->len);
    if (!changed) abort();
    memcpy(changed, second->ptr, second->len);
    changed[second->len - 1] ^= 1;
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(returned(T0 + RESEND_MS, 1, h_bytes(changed, second->len), &opened), CORRUPT, RESEND);
    CHECK(opened == NULL);
    CHECK_DONE(leave(1));
    CHECK_DONE(arrive(T0 + RESEND_MS, 1));
    CHECK_CONCLUDED(begin_reestablish(T0 + 2 * RESEND_MS, 1), LOST, RESEND);
    lnkeep_backup_peer peer = known_of(1);
    CHECK(peer.strikes == 3 && peer.recent_strikes == 3);
    greet(T0 + 2 * RESEND_MS, 2);
    lnkeep_buf_free(sealed(T0 + 2 * RESEND_MS, 2, NULL));
    CHECK_DONE(leave(2));
    CHECK_EQUAL(known_of(2).state, LNKEEP_BACKUP_STATE_SENT);
    CHECK_DONE(arrive(T0 + 2 * RESEND_MS, 2));
    CHECK_CONCLUDED(begin_reestablish(T0 + 2 * RESEND_MS, 2), UNCONFIRMED, RESEND);
    CHECK_EQUAL(known_of(2).strikes, 0);
    uint32_t told[4];
    size_t strikes = take_events(events, LNKEEP_EVENT_BACKUP_STRIKE, told, 4);
    CHECK(strikes >= 1 && strikes <= 3);
    for (size_t i = 0; i < strikes; i++) CHECK_EQUAL(told[i], 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    free(changed);
    lnkeep_buf_free(first);
    lnkeep_buf_free(second);
    end_both();
}

/* A peer that returns nothing and begins nothing is waited for, and not longer than that. */
static void a_silent_peer_is_waited_for(void) {
    begin_backup();
    CHECK_DONE(set_text("x"));
    CHECK_DONE(arrive(T0, 1));
    lnkeep_backup_actions *actions = tick_backup(T0 + HOLD_MS - 1);
    CHECK(actions->flags == LNKEEP_BACKUP_HAS_NEXT_DUE && actions->next_due_ms == T0 + HOLD_MS);
    CHECK_NO_ACTIONS(actions);
    CHECK_STATUS(refused_seal(T0 + HOLD_MS - 1, 1), LNKEEP_HOLD);
    CHECK_ACTIONS(tick_backup(T0 + HOLD_MS), DO(1, CLEAR, FIRST_SEND_ALLOWED), DO(1, CLEAR, SEND));
    lnkeep_buf_free(sealed(T0 + HOLD_MS, 1, NULL));
    CHECK_NO_ACTIONS(tick_backup(T0 + HOLD_MS + 1));
    /* After a pause what it returned may still wait to be handled: it gets its time anew. */
    CHECK_DONE(leave(1));
    CHECK_DONE(arrive(T0 + HOLD_MS + 1, 1));
    CHECK_NO_ACTIONS(tick_backup(T0 + 3 * HOLD_MS));
    CHECK_ACTIONS(tick_backup(T0 + 4 * HOLD_MS), DO(1, UNCONFIRMED, RESEND));
    /* An empty blob is none: the peer has nothing to return. */
    CHECK_DONE(arrive(T0 + 4 * HOLD_MS, 2));
    CHECK_CONCLUDED(returned(T0 + 4 * HOLD_MS, 2, h_text(""), NULL), CLEAR, FIRST_SEND_ALLOWED);
    end_backup();
}

/* When a tick asks for a blob: another payload, one asked for again, a channel that became usable. */
static void a_tick_says_who_is_due(void) {
    begin_both(3);
    greet(T0, 1);
    greet(T0, 2);
    CHECK_NO_ACTIONS(tick_backup(T0));
    CHECK_DONE(set_text("one"));
    CHECK_ACTIONS(tick_backup(T0), DO(1, CLEAR, SEND), DO(2, CLEAR, SEND));
    send_to(T0, 1);
    CHECK_ACTIONS(tick_backup(T0), DO(2, CLEAR, SEND));
    send_to(T0, 2);
    CHECK_NO_ACTIONS(tick_backup(T0));
    CHECK_DONE(set_text("two"));
    lnkeep_backup_actions *actions = tick_backup(T0 + 1000);
    CHECK(actions->flags == LNKEEP_BACKUP_HAS_NEXT_DUE && actions->next_due_ms == T0 + RESEND_MS);
    CHECK_NO_ACTIONS(actions);
    CHECK_ACTIONS(tick_backup(T0 + RESEND_MS), DO(1, SENT, SEND), DO(2, SENT, SEND));
    send_to(T0 + RESEND_MS, 1);
    CHECK_DONE(leave(2));
    CHECK_NO_ACTIONS(tick_backup(T0 + RESEND_MS));
    node_id one = node(1), nobody = node(9);
    CHECK_DONE(lnkeep_backup_channel_ready(backup, one.bytes, NULL));
    CHECK_DONE(lnkeep_backup_channel_ready(backup, nobody.bytes, NULL));
    CHECK_NO_ACTIONS(tick_backup(T0 + RESEND_MS + 1));
    CHECK_ACTIONS(tick_backup(T0 + 2 * RESEND_MS), DO(1, SENT, SEND));
    send_to(T0 + 2 * RESEND_MS, 1);
    CHECK_DONE(set_text("two"));
    CHECK_NO_ACTIONS(tick_backup(T0 + 9 * RESEND_MS));
    CHECK_STATUS(lnkeep_backup_tick(backup, UINT64_MAX, &actions, NULL), LNKEEP_INVALID_ARGUMENT);
    lnkeep_backup_actions_free(NULL);
    end_both();
}

/* What we cannot read and did not send is kept, through connections, until somebody says otherwise. */
static void what_cannot_be_read_is_not_overwritten(void) {
    begin_both(2);
    lnkeep_events events;
    CHECK_DONE(lnkeep_events_open(own_store, h_text("e"), 0, &events, NULL));
    CHECK_COMMITTED(keep_text(T0, 1, "a backup of other software"));
    CHECK_DONE(set_text("x"));
    CHECK_DONE(arrive(T0, 1));
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0, 1, &opened), UNREADABLE, ALERT_UNREADABLE);
    CHECK(opened == NULL);
    CHECK_NO_ACTIONS(tick_backup(T0));
    CHECK_EQUAL(known_of(1).flags & LNKEEP_BACKUP_PEER_PROTECTED, LNKEEP_BACKUP_PEER_PROTECTED);
    for (int round = 0; round < 2; round++) {
        CHECK_DONE(leave(1));
        CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_UNREADABLE);
        CHECK_DONE(arrive(T0, 1));
        CHECK_CONCLUDED(begin_reestablish(T0, 1), UNREADABLE, ALERT_UNREADABLE);
        CHECK_STATUS(refused_seal(T0, 1), LNKEEP_UNREADABLE);
    }
    /* Others are not concerned. */
    greet(T0, 2);
    send_to(T0, 2);
    CHECK_DONE(lnkeep_backup_acknowledge(backup, NULL));
    CHECK_STATUS(lnkeep_backup_acknowledge(backup, NULL), LNKEEP_ALREADY);
    CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_CLEAR);
    send_to(T0 + COOLDOWN_MS, 1);
    uint32_t told[4];
    CHECK_EQUAL(take_events(events, LNKEEP_EVENT_BACKUP_UNREADABLE, told, 4), 1);
    CHECK_EQUAL(told[0], 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end_both();
}

/* A node without its directory: its peers show what it lost, before it destroys that. */
static void a_lost_directory_is_noticed(void) {
    begin_both(2);
    CHECK_DONE(set_text("all channels"));
    greet(T0, 1);
    uint64_t seq = send_to(T0, 1);
    CHECK_DONE(set_text("all channels and one more"));
    greet(T0, 2);
    uint64_t newest = send_to(T0, 2);
    CHECK(newest > seq);
    end_backup();
    begin_backup();
    lnkeep_events events;
    CHECK_DONE(lnkeep_events_open(own_store, h_text("e"), 0, &events, NULL));
    CHECK_DONE(set_text("nothing"));
    CHECK_DONE(arrive(T0, 1));
    CHECK_DONE(arrive(T0, 2));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_HOLD);
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0, 1, &opened), AHEAD, ALERT_STATE_LOSS);
    held_text(opened, "all channels", seq);
    CHECK_EQUAL(standing_now().flags, LNKEEP_BACKUP_FRESH | LNKEEP_BACKUP_BLOCKED);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_STATE_LOSS);
    CHECK_STATUS(refused_seal(T0, 2), LNKEEP_STATE_LOSS);
    opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0, 2, &opened), AHEAD, ALERT_STATE_LOSS);
    held_text(opened, "all channels and one more", newest);
    CHECK_NO_ACTIONS(tick_backup(T0));
    CHECK_DONE(lnkeep_backup_acknowledge(backup, NULL));
    CHECK_STATUS(lnkeep_backup_acknowledge(backup, NULL), LNKEEP_ALREADY);
    CHECK_EQUAL(standing_now().flags, 0);
    /* Above whatever the lost database may have sent. */
    CHECK(standing_now().next_seq >= newest + (UINT64_C(1) << 20));
    CHECK_ACTIONS(tick_backup(T0), DO(1, CLEAR, SEND), DO(2, CLEAR, SEND));
    send_to(T0 + COOLDOWN_MS, 1);
    CHECK_CONCLUDED(fetch_from(T0 + COOLDOWN_MS, 1, NULL), COMMITTED, NONE);
    uint32_t told[4];
    size_t losses = take_events(events, LNKEEP_EVENT_BACKUP_STATE_LOSS, told, 4);
    CHECK(losses >= 1 && told[0] == 1);
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    end_both();
}

/* LDK keeps 1,024 bytes and has no way to say so. */
static void who_keeps_no_long_blobs_gets_short_ones(void) {
    lnkeep_peer_storage_options options = LNKEEP_PEER_STORAGE_OPTIONS_INIT;
    options.blob_bytes_max = 1024;
    begin_with(&options, 1);
    begin_backup_with(NULL);
    CHECK_DONE(set_text("short enough"));
    greet(T0, 1);
    for (int round = 0; round < 2; round++) {
        lnkeep_buf *blob = sealed(T0, 1, NULL);
        CHECK_EQUAL(blob->len, 65531);
        CHECK_STATUS(keep(T0, 1, h_bytes(blob->ptr, blob->len)), LNKEEP_TOO_BIG);
        lnkeep_buf_free(blob);
        CHECK_DONE(leave(1));
        CHECK_DONE(arrive(T0, 1));
        CHECK_CONCLUDED(begin_reestablish(T0, 1), UNCONFIRMED, RESEND);
    }
    CHECK_EQUAL(known_of(1).size_class, 1024);
    uint64_t seq = send_to(T0, 1);
    CHECK_DONE(leave(1));
    CHECK_DONE(arrive(T0, 1));
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0, 1, &opened), COMMITTED, NONE);
    held_text(opened, "short enough", seq);
    end_both();
}

static void peers_are_forgotten_and_limited(void) {
    lnkeep_backup_options options = short_options();
    options.peers_max = 2;
    begin_backup_with(&options);
    CHECK_DONE(set_text("x"));
    node_id one = node(1);
    CHECK_STATUS(lnkeep_backup_forget(backup, one.bytes, &err), LNKEEP_ALREADY);
    greet(T0, 1);
    greet(T0, 2);
    CHECK_STATUS(arrive(T0, 3), LNKEEP_QUOTA_PEERS);
    CHECK_STATUS(returned(T0, 3, h_text("stranger"), NULL), LNKEEP_QUOTA_PEERS);
    lnkeep_buf_free(sealed(T0, 1, NULL));
    CHECK_STATUS(lnkeep_backup_forget(backup, one.bytes, &err), LNKEEP_CONFLICT);
    CHECK_DONE(leave(1));
    CHECK_STATUS(arrive(T0, 3), LNKEEP_QUOTA_PEERS);
    /* It may return what it was sent. */
    CHECK_STATUS(lnkeep_backup_forget(backup, one.bytes, &err), LNKEEP_CONFLICT);
    /* Who left before anything was sent is not remembered. */
    CHECK_DONE(leave(2));
    CHECK_EQUAL(known_of(2).state, UINT32_MAX);
    CHECK_DONE(arrive(T0, 3));
    CHECK_CONCLUDED(returned(T0, 3, h_text("stranger"), NULL), UNREADABLE, ALERT_UNREADABLE);
    CHECK_DONE(leave(3));
    CHECK_EQUAL(known_of(3).state, LNKEEP_BACKUP_STATE_UNREADABLE);
    node_id stranger = node(3);
    CHECK_DONE(lnkeep_backup_forget(backup, stranger.bytes, &err));
    CHECK_EQUAL(known_of(3).state, UINT32_MAX);
    CHECK_EQUAL(standing_now().peers, 1);
    for (uint32_t wrong = 2; wrong; wrong <<= 1) {
        CHECK_STATUS(arrive_with(T0, 1, wrong), LNKEEP_INVALID_ARGUMENT);
    }
    CHECK_STATUS(arrive(UINT64_MAX, 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(begin_reestablish(UINT64_MAX, 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(returned(UINT64_MAX, 1, h_text("x"), NULL), LNKEEP_INVALID_ARGUMENT);
    end_backup();
}

static void peers_are_listed_in_pages(void) {
    enum { PEERS = 1010 };
    begin_backup();
    for (uint32_t number = 2 * PEERS; number > 0; number -= 2) CHECK_DONE(arrive(T0, number));
    static const size_t limits[] = {0, 17, 1000, 1001, SIZE_MAX};
    for (size_t i = 0; i < H_COUNT(limits); i++) {
        node_id after = node(0);
        uint32_t seen = 0;
        for (size_t len = 1; len;) {
            lnkeep_backup_peers *peers = NULL;
            CHECK_DONE(lnkeep_backup_list(backup, seen ? after.bytes : NULL, limits[i], &peers, &err));
            if (!CHECK(peers != NULL)) return;
            size_t most = limits[i] == 0 || limits[i] > 1000 ? 1000 : limits[i];
            CHECK(peers->peers_len <= most);
            if (peers->peers_len < most) CHECK_EQUAL(seen + peers->peers_len, PEERS);
            for (size_t at = 0; at < peers->peers_len; at++) {
                const char *each = (const char *)peers->peers + at * peers->peer_stride;
                CHECK_EQUAL(number_of((const uint8_t *)each), 2 * ++seen);
                memcpy(after.bytes, each, 33);
            }
            len = peers->peers_len;
            lnkeep_backup_peers_free(peers);
        }
        CHECK_EQUAL(seen, PEERS);
    }
    lnkeep_backup_peers_free(NULL);
    end_backup();
}

/* With given entropy all of it repeats, to the last byte. */
static void given_entropy_repeats(void) {
    lnkeep_backup_options options = short_options();
    lnkeep_buf *blobs[2];
    options.flags = LNKEEP_BACKUP_HAS_ENTROPY;
    options.entropy[0] = 7;
    for (int round = 0; round < 2; round++) {
        begin_backup_with(&options);
        CHECK_DONE(set_text("x"));
        greet(T0, 1);
        blobs[round] = sealed(T0, 1, NULL);
        end_backup();
    }
    CHECK(blobs[0]->len == blobs[1]->len && memcmp(blobs[0]->ptr, blobs[1]->ptr, blobs[0]->len) == 0);
    lnkeep_buf_free(blobs[0]);
    lnkeep_buf_free(blobs[1]);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(options_out_of_range_are_refused),
        H_TEST(equal_options_open_the_same),
        H_TEST(another_secret_is_refused),
        H_TEST(a_payload_must_fit),
        H_TEST(each_refusal_of_a_seal),
        H_TEST(a_blob_comes_back),
        H_TEST(each_conclusion_about_a_peer),
        H_TEST(a_silent_peer_is_waited_for),
        H_TEST(a_tick_says_who_is_due),
        H_TEST(what_cannot_be_read_is_not_overwritten),
        H_TEST(a_lost_directory_is_noticed),
        H_TEST(who_keeps_no_long_blobs_gets_short_ones),
        H_TEST(peers_are_forgotten_and_limited),
        H_TEST(peers_are_listed_in_pages),
        H_TEST(given_entropy_repeats),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/*
 * What the tests of backups share: a store with its backup, a second one whose peer storage is every peer,
 * the two messages between them, and checks that every answer must pass.
 */

#ifndef LNKEEP_TEST_BACKUP_H
#define LNKEEP_TEST_BACKUP_H

#include "peer_storage.h"

static lnkeep_store own_store;
static lnkeep_backup backup;
static const char *own_directory;
/* Of the last open, conclusion. */
static lnkeep_backup_report backup_report;
static lnkeep_concluded concluded;

static const uint8_t SECRET[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const uint8_t OTHER_SECRET[32] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

enum { HOLD_MS = 10000, RESEND_MS = 60000, ENVELOPE_BYTES = 136 };

static inline lnkeep_status open_backup_with(const uint8_t *secret, const lnkeep_backup_options *options) {
    static const lnkeep_backup_report fresh = LNKEEP_BACKUP_REPORT_INIT;
    backup_report = fresh;
    lnkeep_status status = lnkeep_backup_open(own_store, secret, options, &backup, &backup_report, &err);
    check_err(status);
    CHECK_EQUAL(backup.bits != 0, status == LNKEEP_DONE);
    CHECK_EQUAL(lnkeep_backup_is_open(backup), status == LNKEEP_DONE);
    CHECK_EQUAL(backup_report.size, sizeof backup_report);
    CHECK_EQUAL(backup_report.reserved, 0);
    return status;
}

/* The shortest class, so that tests are quick. */
static inline lnkeep_backup_options short_options(void) {
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    options.size_class = 1024;
    return options;
}

static inline lnkeep_status open_backup(void) {
    lnkeep_backup_options options = short_options();
    return open_backup_with(SECRET, &options);
}

static inline lnkeep_status close_backup(void) {
    lnkeep_status status = lnkeep_backup_close(&backup, &err);
    check_err(status);
    CHECK_EQUAL(backup.bits, 0);
    return status;
}

static inline lnkeep_status set_text(const char *text) {
    lnkeep_status status = lnkeep_backup_set_payload(backup, h_text(text), &err);
    check_err(status);
    return status;
}

static inline void begin_backup_with(const lnkeep_backup_options *options) {
    own_directory = h_directory();
    own_store = h_open(own_directory);
    CHECK_DONE(open_backup_with(SECRET, options));
    CHECK_EQUAL(backup_report.peers | backup_report.damaged, 0);
    CHECK_EQUAL(backup_report.flags, LNKEEP_BACKUP_FRESH);
}

static inline void begin_backup(void) {
    lnkeep_backup_options options = short_options();
    begin_backup_with(&options);
}

static inline void end_backup(void) {
    CHECK_DONE(close_backup());
    h_close(&own_store);
    lnkeep_check_report *found = h_check_report(own_directory);
    if (found) CHECK_EQUAL(found->findings_len, 0);
    lnkeep_check_report_free(found);
}

static inline void reopen_backup(void) {
    CHECK_DONE(close_backup());
    h_close(&own_store);
    own_store = h_open(own_directory);
    CHECK_DONE(open_backup());
    CHECK_EQUAL(backup_report.damaged, 0);
}

static inline lnkeep_backup_standing standing_now(void) {
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    CHECK_DONE(lnkeep_backup_read_standing(backup, &standing, &err));
    CHECK(standing.data_shares <= standing.shares && standing.shares <= 32 && standing.placed <= 32);
    CHECK_EQUAL(standing.data_shares != 0, standing.generation != 0);
    CHECK(standing.confirmed_copies + standing.unconfirmed_copies <= standing.peers);
    return standing;
}

/* Of one peer; peer.state is UINT32_MAX when nothing is known of it. */
static inline lnkeep_backup_peer known_of(uint32_t number) {
    node_id before = node(number - 1), peer = node(number);
    lnkeep_backup_peers *peers = NULL;
    lnkeep_backup_peer found;
    memset(&found, 0, sizeof found);
    found.state = UINT32_MAX;
    CHECK_DONE(lnkeep_backup_list(backup, before.bytes, 1, &peers, &err));
    if (!CHECK(peers != NULL)) return found;
    CHECK_EQUAL(peers->size, sizeof *peers);
    CHECK(peers->peer_stride >= sizeof found);
    CHECK_EQUAL(peers->peers != NULL, peers->peers_len != 0);
    if (peers->peers_len && memcmp(peers->peers->node_id, peer.bytes, 33) == 0) found = *peers->peers;
    lnkeep_backup_peers_free(peers);
    CHECK(found.committed_seq <= found.sent_seq && found.recent_strikes <= 3);
    CHECK(found.recent_strikes <= found.strikes && found.reserved == 0 && found.score_ppm <= 1000000);
    if (!(found.flags & LNKEEP_BACKUP_PEER_HAS_SHARE)) CHECK_EQUAL(found.share_index, 0);
    if (!(found.flags & LNKEEP_BACKUP_PEER_HAS_FACTS)) CHECK_EQUAL(found.score_ppm, 0);
    return found;
}

static inline lnkeep_status arrive_with(uint64_t now_ms, uint32_t number, uint32_t offers) {
    node_id peer = node(number);
    lnkeep_status status = lnkeep_backup_connected(backup, now_ms, peer.bytes, offers, &err);
    check_err(status);
    return status;
}

static inline lnkeep_status arrive(uint64_t now_ms, uint32_t number) {
    return arrive_with(now_ms, number, 1);
}

static inline lnkeep_status leave(uint32_t number) {
    node_id peer = node(number);
    return lnkeep_backup_disconnected(backup, peer.bytes, NULL);
}

static inline int check_concluded(lnkeep_status status) {
    int held = check_err(status) & CHECK_EQUAL(concluded.size, sizeof concluded);
    held &= CHECK_EQUAL(concluded.reserved, 0);
    return held & CHECK(concluded.state <= LNKEEP_BACKUP_STATE_UNSUPPORTED);
}

static inline lnkeep_status begin_reestablish(uint64_t now_ms, uint32_t number) {
    static const lnkeep_concluded fresh = LNKEEP_CONCLUDED_INIT;
    node_id peer = node(number);
    concluded = fresh;
    lnkeep_status status = lnkeep_backup_reestablish_begun(backup, now_ms, peer.bytes, &concluded, &err);
    check_concluded(status);
    return status;
}

/* A peer returned these bytes; *opened gets what they held, unless it is NULL. */
static inline lnkeep_status returned(uint64_t now_ms, uint32_t number, lnkeep_bytes blob,
                                     lnkeep_opened **opened) {
    static const lnkeep_concluded fresh = LNKEEP_CONCLUDED_INIT;
    node_id peer = node(number);
    concluded = fresh;
    lnkeep_status status =
        lnkeep_backup_retrieval(backup, now_ms, peer.bytes, blob, &concluded, opened, &err);
    check_concluded(status);
    return status;
}

static inline int concludes(lnkeep_status status, uint32_t state, uint32_t action, const char *file, int line,
                            const char *what) {
    int held = h_check_status(status, LNKEEP_DONE, file, line, what);
    held &= h_check_equal(concluded.state, state, file, line, "state");
    held &= h_check_equal(concluded.action, action, file, line, "action");
    return held & h_check_equal((uint32_t)concluded.failure, 0, file, line, "failure");
}

#define CHECK_CONCLUDED(call, state, action)                                                          \
    concludes(call, LNKEEP_BACKUP_STATE_##state, LNKEEP_BACKUP_ACTION_##action, __FILE__, __LINE__, #call)

/* Seals for a peer; the caller frees it. */
static inline lnkeep_buf *sealed(uint64_t now_ms, uint32_t number, uint64_t *seq) {
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_backup_seal(backup, now_ms, peer.bytes, HEIGHT, &blob, seq, &err);
    check_err(status);
    if (!CHECK_DONE(status) || !CHECK(blob != NULL)) abort();
    CHECK_EQUAL(blob->len, known_of(number).size_class);
    return blob;
}

static inline lnkeep_status refused_seal(uint64_t now_ms, uint32_t number) {
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    uint64_t seq = 77, next = standing_now().next_seq;
    lnkeep_status status = lnkeep_backup_seal(backup, now_ms, peer.bytes, HEIGHT, &blob, &seq, &err);
    check_err(status);
    CHECK(blob == NULL && seq == 77);
    CHECK_EQUAL(standing_now().next_seq, next);
    return status;
}

/* Seals for a peer and has the peer store it, by the two messages of the wire. Answers the number. */
static inline uint64_t send_to(uint64_t now_ms, uint32_t number) {
    uint64_t seq = 0;
    lnkeep_buf *message = NULL, *blob = sealed(now_ms, number, &seq);
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    CHECK_DONE(lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, h_bytes(blob->ptr, blob->len), &message, NULL));
    CHECK_DONE(lnkeep_wire_decode(h_bytes(message->ptr, message->len), LNKEEP_WIRE_STRICT, &decoded, NULL));
    CHECK_EQUAL(decoded.kind, LNKEEP_WIRE_PEER_STORAGE);
    CHECK_DONE(keep(now_ms, number, decoded.blob));
    lnkeep_buf_free(message);
    lnkeep_buf_free(blob);
    CHECK(seq != 0);
    return seq;
}

/* The peer's retrieval, by the wire; an empty view when it sends none. The caller frees *message. */
static inline lnkeep_bytes retrieval_of(uint64_t now_ms, uint32_t number, lnkeep_buf **message) {
    node_id peer = node(number);
    lnkeep_buf *blob = NULL;
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    *message = NULL;
    CHECK_DONE(lnkeep_peer_storage_connected(provider, now_ms, peer.bytes, &blob, NULL));
    if (!blob) return h_bytes(NULL, 0);
    CHECK_DONE(lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL, h_bytes(blob->ptr, blob->len), message,
                                  NULL));
    lnkeep_buf_free(blob);
    CHECK_DONE(lnkeep_wire_decode(h_bytes((*message)->ptr, (*message)->len), 0, &decoded, NULL));
    CHECK_EQUAL(decoded.kind, LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL);
    return decoded.blob;
}

/* The peer returns what it keeps. */
static inline lnkeep_status fetch_from(uint64_t now_ms, uint32_t number, lnkeep_opened **opened) {
    lnkeep_buf *message = NULL;
    lnkeep_bytes blob = retrieval_of(now_ms, number, &message);
    lnkeep_status status = returned(now_ms, number, blob, opened);
    lnkeep_buf_free(message);
    return status;
}

/* Whether an opened blob holds this text under this number; frees it. */
static inline int held_text(lnkeep_opened *opened, const char *text, uint64_t seq) {
    if (!CHECK(opened != NULL)) return 0;
    uint8_t hash[32];
    size_t len = strlen(text);
    h_sha256((const uint8_t *)text, len, hash);
    int held = CHECK(opened->payload.len == len && memcmp(opened->payload.ptr, text, len) == 0);
    held &= CHECK_EQUAL(opened->size, sizeof *opened);
    held &= CHECK_EQUAL(opened->seq, seq);
    held &= CHECK_EQUAL(opened->kind | opened->flags | opened->reserved, 0);
    held &= CHECK(memcmp(opened->payload_sha256, hash, sizeof hash) == 0);
    lnkeep_opened_free(opened);
    return held;
}

static inline lnkeep_backup_actions *tick_backup(uint64_t now_ms) {
    lnkeep_backup_actions *actions = NULL;
    CHECK_DONE(lnkeep_backup_tick(backup, now_ms, &actions, &err));
    if (!CHECK(actions != NULL)) abort();
    CHECK_EQUAL(actions->size, sizeof *actions);
    CHECK(actions->action_stride >= sizeof(lnkeep_backup_action));
    CHECK_EQUAL(actions->actions != NULL, actions->actions_len != 0);
    if (!actions->flags) CHECK_EQUAL(actions->next_due_ms, 0);
    return actions;
}

typedef struct wanted_action {
    uint32_t number, state, action;
} wanted_action;

static inline int are_actions(lnkeep_backup_actions *actions, const wanted_action *wanted, size_t wanted_len,
                              const char *file, int line) {
    int held = h_check_equal(actions->actions_len, wanted_len, file, line, "how many actions");
    for (size_t i = 0; i < actions->actions_len && i < wanted_len; i++) {
        const char *at = (const char *)actions->actions + i * actions->action_stride;
        const lnkeep_backup_action *given = (const lnkeep_backup_action *)(const void *)at;
        held &= h_check_equal(number_of(given->node_id), wanted[i].number, file, line, "which peer");
        held &= h_check_equal(given->state, wanted[i].state, file, line, "its state");
        held &= h_check_equal(given->action, wanted[i].action, file, line, "its action");
    }
    held &= h_check_equal((uint32_t)actions->failure, 0, file, line, "failure");
    lnkeep_backup_actions_free(actions);
    return held;
}

#define DO(number, state, action) { number, LNKEEP_BACKUP_STATE_##state, LNKEEP_BACKUP_ACTION_##action }
#define CHECK_ACTIONS(actions, ...)                                                                   \
    are_actions(actions, (const wanted_action[]){__VA_ARGS__},                                        \
                H_COUNT(((const wanted_action[]){__VA_ARGS__})), __FILE__, __LINE__)
#define CHECK_NO_ACTIONS(actions) are_actions(actions, NULL, 0, __FILE__, __LINE__)

/* Both ends: peers from 1 to a number have a channel at the other one. */
static inline void begin_both(uint32_t peers) {
    begin(peers);
    begin_backup();
}

static inline void end_both(void) {
    end_backup();
    end();
}

/* A peer that connects and has nothing of ours yet. */
static inline void greet(uint64_t now_ms, uint32_t number) {
    CHECK_DONE(arrive(now_ms, number));
    CHECK_CONCLUDED(begin_reestablish(now_ms, number), CLEAR, FIRST_SEND_ALLOWED);
}

#endif

/* The rows of calls.h for peer storage, its messages, envelopes, shares and backups; calls.h alone includes it. */

#ifndef LNKEEP_CALLS_STORAGE_H
#define LNKEEP_CALLS_STORAGE_H

static struct {
    lnkeep_peer_storage peer_storage;
    lnkeep_peer_storage_options peer_storage_options;
    lnkeep_peer_storage_report peer_storage_report;
    lnkeep_stored stored;
    lnkeep_ticked ticked;
    lnkeep_node_ids *ids;
    lnkeep_peer_claims claims;
    lnkeep_peer_page *page;
    lnkeep_peer_storage_stats stats;
    lnkeep_wire_message message;
    lnkeep_backup backup;
    lnkeep_backup_options backup_options;
    lnkeep_backup_report backup_report;
    lnkeep_concluded concluded;
    lnkeep_opened *opened;
    lnkeep_envelope_header header;
    lnkeep_backup_actions *actions;
    lnkeep_backup_peers *peers;
    lnkeep_backup_standing standing;
    lnkeep_stripe_share share;
    lnkeep_shares *shares;
    lnkeep_share_records *records;
    lnkeep_roster *roster;
    lnkeep_foreign_ldk *foreign_ldk;
    lnkeep_foreign_cln *foreign_cln;
    lnkeep_foreign_lightning_kmp *foreign_lightning_kmp;
    lnkeep_foreign_lnd *foreign_lnd;
    lnkeep_peer_facts facts;
    lnkeep_backup_htlc htlc;
    lnkeep_buf *buf;
    uint8_t key[32];
    uint8_t node[33];
    uint8_t channel[32];
    uint8_t secret[32];
    uint8_t entropy[16];
    uint64_t number, other_number;
    uint32_t small;
} storage_arg;

static void fill_storage_arguments(void) {
    static const lnkeep_peer_storage_options options = LNKEEP_PEER_STORAGE_OPTIONS_INIT;
    static const lnkeep_peer_storage_report report = LNKEEP_PEER_STORAGE_REPORT_INIT;
    static const lnkeep_stored stored = LNKEEP_STORED_INIT;
    static const lnkeep_ticked ticked = LNKEEP_TICKED_INIT;
    static const lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
    static const lnkeep_wire_message message = LNKEEP_WIRE_MESSAGE_INIT;
    static const lnkeep_backup_options backup_options = LNKEEP_BACKUP_OPTIONS_INIT;
    static const lnkeep_backup_report backup_report = LNKEEP_BACKUP_REPORT_INIT;
    static const lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    static const lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    static const lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    static const lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
    static const lnkeep_backup_htlc htlc = LNKEEP_BACKUP_HTLC_INIT;
    memset(&storage_arg, 0, sizeof storage_arg);
    storage_arg.peer_storage = world.peer_storage;
    storage_arg.peer_storage_options = options;
    storage_arg.peer_storage_report = report;
    storage_arg.stored = stored;
    storage_arg.ticked = ticked;
    storage_arg.stats = stats;
    storage_arg.message = message;
    storage_arg.backup = world.backup;
    storage_arg.backup_options = backup_options;
    storage_arg.backup_report = backup_report;
    storage_arg.concluded = concluded;
    storage_arg.header = header;
    storage_arg.standing = standing;
    storage_arg.facts = facts;
    storage_arg.facts.flags = LNKEEP_PEER_OPEN_CHANNEL;
    storage_arg.htlc = htlc;
    storage_arg.htlc.amount_msat = 1000000;
    storage_arg.claims.open_channels = 1;
    memset(storage_arg.node, 2, sizeof storage_arg.node);
    memset(storage_arg.claims.node_id, 2, sizeof storage_arg.claims.node_id);
    memset(storage_arg.secret, 7, sizeof storage_arg.secret);
}

#define T world.peer_storage
#define B world.backup
#define NODE(number) ((const uint8_t *)p(number, storage_arg.node))
#define SECRET(number) ((const uint8_t *)p(number, storage_arg.secret))
#define CHANNEL(number) ((const uint8_t *)p(number, storage_arg.channel))
#define X h_text("x")

CALL(peer_storage_open, (S, p(1, &storage_arg.peer_storage_options), p(0, &storage_arg.peer_storage),
                         p(2, &storage_arg.peer_storage_report), ERR))
CALL(peer_storage_close, (p(0, &storage_arg.peer_storage), ERR))
CALL(peer_storage_store, (T, 1, NODE(0), X, p(1, &storage_arg.stored), ERR))
CALL(peer_storage_connected, (T, 1, NODE(1), p(0, &storage_arg.buf), ERR))
CALL(peer_storage_disconnected, (T, 1, NODE(0), ERR))
CALL(peer_storage_tick, (T, 1, 0, p(0, &storage_arg.ticked), p(1, &storage_arg.ids), ERR))
CALL(peer_storage_report_claim, (T, NODE(0), LNKEEP_CLAIM_ALLOWED, 1, ERR))
CALL(peer_storage_claims_complete, (T, p(0, &storage_arg.claims), 1, 1, ERR))
CALL(peer_storage_block_connected, (T, 1, p(0, &storage_arg.ids), ERR))
CALL(peer_storage_prune, (T, storage_arg.node, p(0, &storage_arg.ids), ERR))
CALL(peer_storage_list, (T, NULL, 1, p(0, &storage_arg.page), ERR))
CALL(peer_storage_export, (T, NODE(1), p(0, &storage_arg.buf), ERR))
CALL(peer_storage_set_offered, (T, 1, ERR))
CALL(peer_storage_read_stats, (T, p(0, &storage_arg.stats), ERR))
CALL(wire_encode, (LNKEEP_WIRE_PEER_STORAGE, X, p(0, &storage_arg.buf), ERR))
CALL(wire_decode, (X, 0, p(0, &storage_arg.message), ERR))
CALL(wire_storage_feature, (X, p(0, &storage_arg.small), ERR))
CALL(backup_open, (S, SECRET(1), p(2, &storage_arg.backup_options), p(0, &storage_arg.backup),
                   p(3, &storage_arg.backup_report), ERR))
CALL(backup_close, (p(0, &storage_arg.backup), ERR))
CALL(backup_set_payload, (B, X, ERR))
CALL(backup_connected, (B, 1, NODE(0), 1, ERR))
CALL(backup_disconnected, (B, NODE(0), ERR))
CALL(backup_retrieval, (B, 1, NODE(1), X, p(0, &storage_arg.concluded), p(2, &storage_arg.opened), ERR))
CALL(backup_reestablish_begun, (B, 1, NODE(1), p(0, &storage_arg.concluded), ERR))
CALL(backup_channel_ready, (B, NODE(0), ERR))
CALL(backup_seal, (B, 1, NODE(1), 1, p(0, &storage_arg.buf), p(2, &storage_arg.number), ERR))
CALL(backup_acknowledge, (B, ERR))
CALL(backup_forget, (B, NODE(0), ERR))
CALL(envelope_open, (SECRET(1), NODE(2), X, p(0, &storage_arg.opened), ERR))
CALL(envelope_seal, (SECRET(2), NODE(3), p(0, &storage_arg.header), X, 1024,
                     (const uint8_t *)p(4, storage_arg.entropy), p(1, &storage_arg.buf), ERR))
CALL(stripe_encode, (1, 2, X, p(0, &storage_arg.shares), ERR))
CALL(stripe_decode, (1, 2, 1, p(0, &storage_arg.share), 1, p(1, &storage_arg.buf), ERR))
CALL(share_records_decode, (X, p(0, &storage_arg.records), ERR))
CALL(roster_decode, (0, X, p(0, &storage_arg.roster), ERR))
CALL(foreign_ldk_key, (SECRET(1), (uint8_t *)p(0, storage_arg.key), ERR))
CALL(foreign_ldk_open, (SECRET(1), X, p(0, &storage_arg.foreign_ldk), ERR))
CALL(foreign_cln_key, (h_bytes(storage_arg.secret, 32), (uint8_t *)p(0, storage_arg.key), ERR))
CALL(foreign_cln_open, (SECRET(1), X, p(0, &storage_arg.foreign_cln), ERR))
CALL(foreign_lightning_kmp_open, (SECRET(1), X, p(0, &storage_arg.foreign_lightning_kmp), ERR))
CALL(foreign_lnd_key, (NODE(1), (uint8_t *)p(0, storage_arg.key), ERR))
CALL(foreign_lnd_open, (SECRET(1), X, p(0, &storage_arg.foreign_lnd), ERR))
CALL(backup_set_facts, (B, 1, NODE(0), p(1, &storage_arg.facts), ERR))
CALL(backup_set_htlc, (B, 1, p(0, &storage_arg.htlc), ERR))
CALL(backup_remove_htlc, (B, CHANNEL(0), 0, 1, ERR))
CALL(backup_set_commitment_point, (B, CHANNEL(0), NODE(1), ERR))
CALL(backup_channel_force_closed, (B, CHANNEL(0), ERR))
CALL(backup_channel_resolved, (B, CHANNEL(0), ERR))
CALL(backup_block_connected, (B, 1, ERR))
CALL(backup_adopt, (B, 1, ERR))
CALL(backup_payload_max, (1024, p(0, &storage_arg.number), p(1, &storage_arg.other_number), ERR))
CALL(backup_tick, (B, 1, p(0, &storage_arg.actions), ERR))
CALL(backup_list, (B, NULL, 1, p(0, &storage_arg.peers), ERR))
CALL(backup_read_standing, (B, p(0, &storage_arg.standing), ERR))

#undef T
#undef B
#undef NODE
#undef SECRET
#undef CHANNEL
#undef X

#define STORAGE_ROWS                                                    \
    ROW(peer_storage_open, ON_STORE, 1, 1, 2, 0),                       \
    ROW(peer_storage_close, ON_PEER_STORAGE, 1, 1, 0, 1),               \
    ROW(peer_storage_store, ON_PEER_STORAGE, 1, 0, 1, 0),               \
    ROW(peer_storage_connected, ON_PEER_STORAGE, 2, 1, 0, 0),           \
    ROW(peer_storage_disconnected, ON_PEER_STORAGE, 1, 0, 0, 0),        \
    ROW(peer_storage_tick, ON_PEER_STORAGE, 0, 0, 2, 0),                \
    ROW(peer_storage_report_claim, ON_PEER_STORAGE, 1, 0, 0, 0),        \
    ROW(peer_storage_claims_complete, ON_PEER_STORAGE, 1, 1, 0, 0),     \
    ROW(peer_storage_block_connected, ON_PEER_STORAGE, 0, 0, 1, 0),     \
    ROW(peer_storage_prune, ON_PEER_STORAGE, 0, 0, 1, 0),               \
    ROW(peer_storage_list, ON_PEER_STORAGE, 1, 1, 0, 0),                \
    ROW(peer_storage_export, ON_PEER_STORAGE, 2, 1, 0, 0),              \
    ROW(peer_storage_set_offered, ON_PEER_STORAGE, 0, 0, 0, 0),         \
    ROW(peer_storage_read_stats, ON_PEER_STORAGE, 1, 1, 0, 0),          \
    ROW(wire_encode, ON_NOTHING, 1, 1, 0, 0),                           \
    ROW(wire_decode, ON_NOTHING, 1, 1, 0, 0),                           \
    ROW(wire_storage_feature, ON_NOTHING, 1, 1, 0, 0),                  \
    ROW(backup_open, ON_STORE, 2, 1, 2, 0),                             \
    ROW(backup_close, ON_BACKUP, 1, 1, 0, 1),                           \
    ROW(backup_set_payload, ON_BACKUP, 0, 0, 0, 0),                     \
    ROW(backup_connected, ON_BACKUP, 1, 0, 0, 0),                       \
    ROW(backup_disconnected, ON_BACKUP, 1, 0, 0, 0),                    \
    ROW(backup_retrieval, ON_BACKUP, 2, 1, 1, 0),                       \
    ROW(backup_reestablish_begun, ON_BACKUP, 2, 1, 0, 0),               \
    ROW(backup_channel_ready, ON_BACKUP, 1, 0, 0, 0),                   \
    ROW(backup_seal, ON_BACKUP, 2, 1, 1, 0),                            \
    ROW(backup_acknowledge, ON_BACKUP, 0, 0, 0, 0),                     \
    ROW(backup_forget, ON_BACKUP, 1, 0, 0, 0),                          \
    ROW(envelope_open, ON_NOTHING, 3, 1, 0, 0),                         \
    ROW(envelope_seal, ON_NOTHING, 5, 2, 0, 0),                         \
    ROW(stripe_encode, ON_NOTHING, 1, 1, 0, 0),                         \
    ROW(stripe_decode, ON_NOTHING, 2, 2, 0, 0),                         \
    ROW(share_records_decode, ON_NOTHING, 1, 1, 0, 0),                  \
    ROW(roster_decode, ON_NOTHING, 1, 1, 0, 0),                         \
    ROW(foreign_ldk_key, ON_NOTHING, 2, 0, 0, 0),                       \
    ROW(foreign_ldk_open, ON_NOTHING, 2, 1, 0, 0),                      \
    ROW(foreign_cln_key, ON_NOTHING, 1, 0, 0, 0),                       \
    ROW(foreign_cln_open, ON_NOTHING, 2, 1, 0, 0),                      \
    ROW(foreign_lightning_kmp_open, ON_NOTHING, 2, 1, 0, 0),            \
    ROW(foreign_lnd_key, ON_NOTHING, 2, 0, 0, 0),                       \
    ROW(foreign_lnd_open, ON_NOTHING, 2, 1, 0, 0),                      \
    ROW(backup_set_facts, ON_BACKUP, 1, 0, 1, 0),                       \
    ROW(backup_set_htlc, ON_BACKUP, 1, 1, 0, 0),                        \
    ROW(backup_remove_htlc, ON_BACKUP, 1, 0, 0, 0),                     \
    ROW(backup_set_commitment_point, ON_BACKUP, 2, 0, 0, 0),            \
    ROW(backup_channel_force_closed, ON_BACKUP, 1, 0, 0, 0),            \
    ROW(backup_channel_resolved, ON_BACKUP, 1, 0, 0, 0),                \
    ROW(backup_block_connected, ON_BACKUP, 0, 0, 0, 0),                 \
    ROW(backup_adopt, ON_BACKUP, 0, 0, 0, 0),                           \
    ROW(backup_payload_max, ON_NOTHING, 0, 0, 2, 0),                    \
    ROW(backup_tick, ON_BACKUP, 1, 1, 0, 0),                            \
    ROW(backup_list, ON_BACKUP, 1, 1, 0, 0),                            \
    ROW(backup_read_standing, ON_BACKUP, 1, 1, 0, 0)

/* Opens the world's peer storage, where one peer has a channel and a blob (maybe already), and its backup. */
static inline void open_world_storage(void) {
    fill_storage_arguments();
    CHECK_DONE(lnkeep_peer_storage_open(world.store, NULL, &world.peer_storage, NULL, NULL));
    CHECK_DONE(lnkeep_peer_storage_claims_complete(world.peer_storage, &storage_arg.claims, 1, 1, NULL));
    lnkeep_bytes blob = h_text("blob");
    CHECK(lnkeep_peer_storage_store(world.peer_storage, 1, storage_arg.node, blob, NULL, NULL) >= 0);
    CHECK_DONE(lnkeep_backup_open(world.store, storage_arg.secret, NULL, &world.backup, NULL, NULL));
}

static inline void close_world_storage(void) {
    CHECK_DONE(lnkeep_peer_storage_close(&world.peer_storage, NULL));
    CHECK_DONE(lnkeep_backup_close(&world.backup, NULL));
}

static inline void check_storage_is_open(void) {
    CHECK_EQUAL(lnkeep_peer_storage_is_open(world.peer_storage), 1);
    CHECK_EQUAL(lnkeep_backup_is_open(world.backup), 1);
}

/* One blob, written once; nothing known of a peer that keeps ours. */
static inline void check_storage_untouched(void) {
    lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_buf *blob = NULL;
    check_storage_is_open();
    CHECK_DONE(lnkeep_peer_storage_read_stats(world.peer_storage, &stats, NULL));
    CHECK(stats.peers == 1 && stats.bytes == 4 && stats.commits == 1);
    CHECK_EQUAL(stats.pending | stats.deferred | stats.unchanged | stats.collected | stats.damaged, 0);
    CHECK_EQUAL(stats.refused_no_claim | stats.refused_too_big | stats.refused_quota, 0);
    CHECK_DONE(lnkeep_peer_storage_export(world.peer_storage, storage_arg.node, &blob, NULL));
    if (CHECK(blob != NULL)) CHECK(blob->len == 4 && memcmp(blob->ptr, "blob", 4) == 0);
    lnkeep_buf_free(blob);
    CHECK_DONE(lnkeep_backup_read_standing(world.backup, &standing, NULL));
    CHECK_EQUAL(standing.next_seq, 1);
    CHECK_EQUAL(standing.flags, LNKEEP_BACKUP_FRESH);
    CHECK_EQUAL(standing.peers | standing.payload_bytes, 0);
}

/* Of a handle that was opened beside the world's and closed. */
static inline uint64_t stale_storage_bits(handle_kind on) {
    lnkeep_peer_storage peer_storage;
    lnkeep_backup backup;
    CHECK_DONE(lnkeep_peer_storage_open(world.store, NULL, &peer_storage, NULL, NULL));
    CHECK_DONE(lnkeep_backup_open(world.store, storage_arg.secret, NULL, &backup, NULL, NULL));
    uint64_t bits = on == ON_BACKUP ? backup.bits : peer_storage.bits;
    CHECK_DONE(lnkeep_peer_storage_close(&peer_storage, NULL));
    CHECK_DONE(lnkeep_backup_close(&backup, NULL));
    return bits;
}

#endif

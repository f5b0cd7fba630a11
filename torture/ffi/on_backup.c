/* Operations on backups: peers that come, return and are sent blobs; HTLCs and channels that are
 * told. */

#include "operations.h"

#include <stdlib.h>
#include <string.h>

OPERATION(backup_open) {
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    options.flags = pick_flags(t, LNKEEP_BACKUP_HAS_ENTROPY);
    options.size_class = seldom(t, 8) ? 4096 : 1024;
    if (seldom(t, 32)) options.size_class = pick(t, 70000), t->doubts = 1;
    options.journal_size_class = seldom(t, 8) ? 4096 : 1024;
    options.htlc_profile =
        pick_enum(t, LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY, LNKEEP_HTLC_PROFILE_ALL_HTLCS);
    if (seldom(t, 4)) options.hold_ms = 1 + pick(t, 256);
    if (seldom(t, 2)) options.resend_interval_ms = 1 + pick(t, 256);
    if (seldom(t, 2)) options.journal_interval_ms = 1 + pick(t, 256);
    if (seldom(t, 8)) options.peers_max = 1 + pick(t, 4);
    if (seldom(t, 8)) options.journal_keepers = 1 + pick(t, 3);
    if (options.flags & LNKEEP_BACKUP_HAS_ENTROPY) memset(options.entropy, 4, 32);
    options.reserved = pick_reserved(t);
    const uint8_t *secret = secrets[seldom(t, 8)];
    lnkeep_backup *backup = OUT_HANDLE(lnkeep_backup);
    lnkeep_status status =
        CALL(backup_open, STORE, IN_BYTES(secret, 32), SIZED_IN_PREFERRED(options), backup,
             SIZED_OUT_OPTIONAL(lnkeep_backup_report), ERR);
    opened_handle(t, ON_BACKUP, status, backup);
}

OPERATION(backup_close) {
    lnkeep_backup *copy = CLOSING(lnkeep_backup, ON_BACKUP);
    lnkeep_status status = CALL(backup_close, copy, ERR);
    closed_handle(t, ON_BACKUP, status, copy);
}

OPERATION(backup_is_open) {
    lnkeep_backup backup = BACKUP;
    check_is_open(t, "lnkeep_backup_is_open", lnkeep_backup_is_open(backup));
}

OPERATION(backup_set_payload) { CALL(backup_set_payload, BACKUP, view(t), ERR); }

OPERATION(backup_connected) {
    uint32_t offers = seldom(t, 8) ? pick(t, 3) : 1;
    if (offers > 1) t->doubts = 1;
    CALL(backup_connected, BACKUP, pick_time_ms(t), IN_BYTES(nodes[pick_node(t)], 33), offers, ERR);
}

OPERATION(backup_disconnected) {
    CALL(backup_disconnected, BACKUP, IN_BYTES(nodes[pick_node(t)], 33), ERR);
}

OPERATION(backup_retrieval) {
    unsigned node = (unsigned)pick_node(t);
    lnkeep_bytes blob = seldom(t, 8) ? view(t) : pick_blob(t, &node);
    lnkeep_opened **opened = OUT_OPTIONAL(lnkeep_opened *);
    lnkeep_status status =
        CALL(backup_retrieval, BACKUP, pick_time_ms(t), IN_BYTES(nodes[node], 33), blob,
             SIZED_OUT(lnkeep_concluded), opened, ERR);
    KEEP(status, AN_OPENED, opened);
}

OPERATION(backup_reestablish_begun) {
    CALL(backup_reestablish_begun, BACKUP, pick_time_ms(t), IN_BYTES(nodes[pick_node(t)], 33),
         SIZED_OUT(lnkeep_concluded), ERR);
}

OPERATION(backup_channel_ready) {
    CALL(backup_channel_ready, BACKUP, IN_BYTES(nodes[pick_node(t)], 33), ERR);
}

OPERATION(backup_seal) {
    unsigned node = (unsigned)pick_node(t);
    lnkeep_buf **blob = OUT(lnkeep_buf *);
    lnkeep_status status = CALL(backup_seal, BACKUP, pick_time_ms(t), IN_BYTES(nodes[node], 33),
                                pick_height(t), blob, OUT_OPTIONAL(uint64_t), ERR);
    if (succeeded(t, status) && blob) remember_blob(t, (*blob)->ptr, (*blob)->len, node);
    KEEP(status, A_BUF, blob);
}

OPERATION(backup_acknowledge) { CALL(backup_acknowledge, BACKUP, ERR); }

OPERATION(backup_forget) { CALL(backup_forget, BACKUP, IN_BYTES(nodes[pick_node(t)], 33), ERR); }

OPERATION(backup_set_facts) {
    static const uint8_t address[] = {1, 127, 0, 0, 1, 0x26, 0x07};
    lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
    facts.flags = LNKEEP_PEER_OPEN_CHANNEL | pick_flags(t, 15);
    facts.capacity_sat = pick_amount(t);
    facts.channel_age_secs = pick_time_ms(t);
    if (facts.flags & LNKEEP_PEER_HAS_OPERATOR) facts.operator_label = pick(t, 4);
    facts.software = seldom(t, 2) ? pick(t, 5) : seldom(t, 16) ? 300 : 0;
    facts.latency_ms = pick(t, 256);
    /* None that is malformed: where the structure is cut, or none is given, the library cannot see it. */
    if (seldom(t, 2)) facts.address = seldom(t, 8) ? short_view(t) : view_of(t, address, sizeof address);
    facts.reserved = pick_reserved(t);
    CALL(backup_set_facts, BACKUP, pick_time_ms(t), IN_BYTES(nodes[pick_node(t)], 33),
         SIZED_IN_OPTIONAL(facts), ERR);
}

OPERATION(backup_set_htlc) {
    lnkeep_backup_htlc htlc = LNKEEP_BACKUP_HTLC_INIT;
    size_t secret = pick(t, KNOWN_PREIMAGES);
    memcpy(htlc.channel_id, channel_ids[pick_channel_id(t)], 32);
    htlc.htlc_id = pick(t, 6);
    memcpy(htlc.payment_hash, hashes[secret], 32);
    htlc.amount_msat = seldom(t, 4) ? pick_amount(t) : 20000000;
    htlc.cltv_expiry = seldom(t, 4) ? pick_height(t) : t->height + 500;
    htlc.flags = pick_flags(t, 7);
    if (htlc.flags & LNKEEP_BACKUP_HTLC_HAS_PREIMAGE) memcpy(htlc.preimage, preimages[secret], 32);
    if (htlc.flags & LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX) htlc.output_index = pick(t, 4);
    htlc.reserved = pick_reserved(t);
    CALL(backup_set_htlc, BACKUP, pick_time_ms(t), SIZED_IN(htlc), ERR);
}

OPERATION(backup_remove_htlc) {
    uint32_t incoming = seldom(t, 32) ? 2 : pick(t, 2);
    if (incoming == 2) t->doubts = 1;
    CALL(backup_remove_htlc, BACKUP, IN_BYTES(channel_ids[pick_channel_id(t)], 32), incoming,
         pick(t, 6), ERR);
}

OPERATION(backup_set_commitment_point) {
    const uint8_t *channel = IN_BYTES(channel_ids[pick_channel_id(t)], 32);
    CALL(backup_set_commitment_point, BACKUP, channel, IN_BYTES(nodes[pick_node(t)], 33), ERR);
}

OPERATION(backup_channel_force_closed) {
    CALL(backup_channel_force_closed, BACKUP, IN_BYTES(channel_ids[pick_channel_id(t)], 32), ERR);
}

OPERATION(backup_channel_resolved) {
    CALL(backup_channel_resolved, BACKUP, IN_BYTES(channel_ids[pick_channel_id(t)], 32), ERR);
}

OPERATION(backup_block_connected) { CALL(backup_block_connected, BACKUP, pick_height(t), ERR); }

OPERATION(backup_adopt) {
    uint64_t floor = seldom(t, 8) ? pick_amount(t) : pick(t, 64);
    CALL(backup_adopt, BACKUP, floor, ERR);
}

OPERATION(backup_payload_max) {
    static const uint32_t classes[] = {1024, 4096, 16384, 65531, 0, 1025};
    CALL(backup_payload_max, classes[pick(t, 6)], OUT_OPTIONAL(uint64_t), OUT_OPTIONAL(uint64_t),
         ERR);
}

OPERATION(backup_tick) {
    lnkeep_backup_actions **actions = OUT(lnkeep_backup_actions *);
    lnkeep_status status = CALL(backup_tick, BACKUP, pick_time_ms(t), actions, ERR);
    KEEP(status, SOME_ACTIONS, actions);
}

OPERATION(backup_list) {
    lnkeep_backup_peers **peers = OUT(lnkeep_backup_peers *);
    const uint8_t *after = seldom(t, 2) ? IN_BYTES_OPTIONAL(nodes[pick_node(t)], 33) : NULL;
    lnkeep_status status = CALL(backup_list, BACKUP, after, pick(t, 5), peers, ERR);
    KEEP(status, SOME_PEERS, peers);
}

OPERATION(backup_read_standing) {
    CALL(backup_read_standing, BACKUP, SIZED_OUT(lnkeep_backup_standing), ERR);
}

const struct operation backup_operations[] = {
    ROW(backup_open), ROW(backup_set_payload), ROW(backup_connected), ROW(backup_reestablish_begun),
    ROW(backup_seal), ROW(backup_retrieval), ROW(backup_tick), ROW(backup_disconnected),
    ROW(backup_channel_ready), ROW(backup_acknowledge), ROW(backup_forget), ROW(backup_set_facts),
    ROW(backup_set_htlc), ROW(backup_remove_htlc), ROW(backup_set_commitment_point),
    ROW(backup_channel_force_closed), ROW(backup_channel_resolved), ROW(backup_block_connected),
    ROW(backup_adopt), ROW(backup_payload_max), ROW(backup_list), ROW(backup_read_standing),
    ROW(backup_close), ROW(backup_is_open),
    /* Twice, for they have to meet. */
    ROW(backup_connected), ROW(backup_reestablish_begun), ROW(backup_seal), ROW(backup_retrieval),
    ROW(backup_set_facts),
};
TABLE(backup);

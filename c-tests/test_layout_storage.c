/* Sizes, offsets and numbers of peer storage, its messages, envelopes, shares and backups: they are the ABI. */

#include "layout.h"

static void peer_storage_structures(void) {
#define T lnkeep_peer_storage
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_peer_storage_options
    CHECK_LAYOUT(T, 72, F(size), F(flags), F(without_channel_percent), F(cooldown_ms),
                 F(cooldown_without_channel_ms), F(disconnect_interval_ms), F(total_bytes_max),
                 F(pending_bytes_max), F(retention_blocks), F(blob_bytes_max), F(peers_max), F(reserved));
#undef T
#define T lnkeep_peer_storage_report
    CHECK_LAYOUT(T, 32, F(size), F(peers), F(bytes), F(damaged));
#undef T
#define T lnkeep_stored
    CHECK_LAYOUT(T, 24, F(size), F(result), F(failure), F(due_ms));
#undef T
#define T lnkeep_ticked
    CHECK_LAYOUT(T, 40, F(size), F(committed), F(failed), F(next_due_ms), F(flags), F(failure));
#undef T
#define T lnkeep_node_ids
    CHECK_LAYOUT(T, 24, F(size), F(ids), F(ids_len));
#undef T
#define T lnkeep_peer_claims
    CHECK_LAYOUT(T, 48, F(node_id), F(reserved_bytes), F(open_channels), F(pending_channels), F(flags));
#undef T
}

static void peer_storage_views(void) {
#define T lnkeep_peer_entry
    CHECK_LAYOUT(T, 128, F(node_id), F(reserved_bytes), F(flags), F(sha256), F(blob_bytes), F(open_channels),
                 F(pending_channels), F(closed_at), F(blocks_left), F(reserved), F(received_ms),
                 F(committed_ms), F(updates), F(commits));
#undef T
#define T lnkeep_peer_page
    CHECK_LAYOUT(T, 32, F(size), F(peer_stride), F(peers), F(peers_len));
#undef T
#define T lnkeep_peer_storage_stats
    CHECK_LAYOUT(T, 112, F(size), F(peers), F(bytes), F(bytes_without_channel), F(pending), F(pending_bytes),
                 F(damaged), F(commits), F(deferred), F(unchanged), F(refused_no_claim), F(refused_too_big),
                 F(refused_quota), F(collected));
#undef T
#define T lnkeep_wire_message
    CHECK_LAYOUT(T, 48, F(size), F(kind), F(reserved), F(blob), F(extension));
#undef T
}

static void backup_structures(void) {
#define T lnkeep_backup
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_backup_options
    CHECK_LAYOUT(T, 128, F(size), F(flags), F(size_class), F(hold_ms), F(resend_interval_ms), F(peers_max),
                 F(reserved), F(entropy), F(htlc_profile), F(journal_size_class), F(journal_interval_ms),
                 F(urgent_msat), F(dust_msat), F(journal_keepers), F(peer_uploads_per_minute),
                 F(peer_bytes_per_day), F(bytes_per_day));
#undef T
#define T lnkeep_backup_report
    CHECK_LAYOUT(T, 32, F(size), F(peers), F(damaged), F(flags), F(reserved));
#undef T
#define T lnkeep_concluded
    CHECK_LAYOUT(T, 24, F(size), F(state), F(action), F(failure), F(reserved));
#undef T
#define T lnkeep_opened
    CHECK_LAYOUT(T, 120, F(size), F(payload), F(seq), F(created_unix_secs), F(block_height), F(kind),
                 F(flags), F(reserved), F(instance), F(set_id), F(payload_sha256));
#undef T
#define T lnkeep_envelope_header
    CHECK_LAYOUT(T, 72, F(size), F(seq), F(created_unix_secs), F(block_height), F(kind), F(flags),
                 F(reserved), F(instance), F(set_id));
#undef T
}

static void backup_views(void) {
#define T lnkeep_backup_action
    CHECK_LAYOUT(T, 44, F(node_id), F(reserved_bytes), F(state), F(action));
#undef T
#define T lnkeep_backup_actions
    CHECK_LAYOUT(T, 48, F(size), F(action_stride), F(actions), F(actions_len), F(next_due_ms), F(flags),
                 F(failure));
#undef T
#define T lnkeep_backup_peer
    CHECK_LAYOUT(T, 104, F(node_id), F(reserved_bytes), F(state), F(sent_seq), F(committed_seq), F(strikes),
                 F(recent_strikes), F(flags), F(copy), F(size_class), F(sent_content), F(sent_ms),
                 F(held_content), F(share_index), F(score_ppm), F(reserved));
#undef T
#define T lnkeep_backup_peers
    CHECK_LAYOUT(T, 32, F(size), F(peer_stride), F(peers), F(peers_len));
#undef T
#define T lnkeep_backup_standing
    CHECK_LAYOUT(T, 128, F(size), F(instance), F(next_seq), F(payload_bytes), F(peers), F(confirmed_copies),
                 F(unconfirmed_copies), F(flags), F(needed_peers), F(generation), F(base_generation),
                 F(data_shares), F(shares), F(placed), F(confirmed_shares), F(sent_shares),
                 F(journal_keepers), F(covered_htlcs), F(uncovered_htlcs), F(uncovered_msat));
#undef T
}

static void backup_facts(void) {
#define T lnkeep_peer_facts
    CHECK_LAYOUT(T, 64, F(size), F(capacity_sat), F(channel_age_secs), F(operator_label), F(address),
                 F(flags), F(software), F(latency_ms), F(reserved));
#undef T
#define T lnkeep_backup_htlc
    CHECK_LAYOUT(T, 136, F(size), F(channel_id), F(htlc_id), F(payment_hash), F(amount_msat),
                 F(cltv_expiry), F(flags), F(preimage), F(output_index), F(reserved));
#undef T
}

static void stripe_structures(void) {
#define T lnkeep_stripe_share
    CHECK_LAYOUT(T, 24, F(bytes), F(index), F(reserved));
#undef T
#define T lnkeep_shares
    CHECK_LAYOUT(T, 32, F(size), F(share_stride), F(shares), F(shares_len));
#undef T
#define T lnkeep_share_record
    CHECK_LAYOUT(T, 72, F(generation), F(share), F(object_bytes), F(data_shares), F(shares), F(index),
                 F(object_sha256));
#undef T
#define T lnkeep_share_records
    CHECK_LAYOUT(T, 32, F(size), F(record_stride), F(records), F(records_len));
#undef T
#define T lnkeep_roster_peer
    CHECK_LAYOUT(T, 56, F(node_id), F(reserved_bytes), F(index), F(address));
#undef T
#define T lnkeep_roster
    CHECK_LAYOUT(T, 56, F(size), F(content), F(generation), F(peer_stride), F(peers), F(peers_len));
#undef T
}

static void foreign_structures(void) {
#define T lnkeep_foreign_monitor
    CHECK_LAYOUT(T, 96, F(channel_id), F(counterparty), F(reserved_bytes), F(min_seen_secret), F(monitor));
#undef T
#define T lnkeep_foreign_ldk
    CHECK_LAYOUT(T, 48, F(size), F(monitor_stride), F(monitors), F(monitors_len), F(nonce), F(reserved));
#undef T
#define T lnkeep_foreign_cln_channel
    CHECK_LAYOUT(T, 320, F(dbid), F(funding_sats), F(shachain_min_index), F(address), F(channel_type),
                 F(shachain), F(channel_id), F(funding_txid), F(node_id), F(revocation_basepoint),
                 F(payment_basepoint), F(htlc_basepoint), F(delayed_payment_basepoint), F(reserved_bytes),
                 F(funding_vout), F(opener), F(to_self_delay_blocks), F(flags));
#undef T
#define T lnkeep_foreign_cln
    CHECK_LAYOUT(T, 48, F(size), F(channel_stride), F(channels), F(channels_len), F(version),
                 F(timestamp_unix_secs), F(format));
#undef T
#define T lnkeep_foreign_lightning_kmp
    CHECK_LAYOUT(T, 32, F(size), F(payload), F(version), F(reserved));
#undef T
}

static void foreign_structures_of_lnd(void) {
#define T lnkeep_key_locator
    CHECK_LAYOUT(T, 8, F(family), F(index));
#undef T
#define T lnkeep_foreign_lnd_channel
    CHECK_LAYOUT(T, 472, F(capacity_sat), F(short_channel_id), F(commit_height), F(addresses),
                 F(addresses_len), F(commit_tx), F(commit_signature), F(chain_hash), F(funding_txid),
                 F(tapscript_root), F(node_id), F(remote_multisig), F(remote_revocation), F(remote_payment),
                 F(remote_delayed_payment), F(remote_htlc), F(shachain_root), F(reserved_bytes),
                 F(local_keys), F(shachain_root_locator), F(funding_vout), F(local_csv_delay_blocks),
                 F(remote_csv_delay_blocks), F(lease_expiry_height), F(flags), F(reserved));
#undef T
#define T lnkeep_foreign_lnd_single
    CHECK_LAYOUT(T, 32, F(bytes), F(channel), F(version), F(has_close_tx));
#undef T
#define T lnkeep_foreign_lnd
    CHECK_LAYOUT(T, 72, F(size), F(single_stride), F(singles), F(singles_len), F(plaintext), F(rest),
                 F(version), F(count));
#undef T
}

static const number FOREIGN_NUMBERS[] = {
    N(FOREIGN_TOO_SHORT, 1), N(FOREIGN_AUTH_FAILED, 2), N(FOREIGN_BAD_PAYLOAD, 3),
    N(FOREIGN_BAD_VERSION, 4), N(FOREIGN_UNKNOWN_VERSION, 5), N(FOREIGN_CLN_CHANNELS, 6135),
    N(FOREIGN_CLN_CHANNELS_WITH_TLVS, 6137), N(FOREIGN_CLN_HAS_SHACHAIN, 1),
    N(FOREIGN_CLN_HAS_BASEPOINTS, 2), N(FOREIGN_CLN_HAS_OPENER, 4),
    N(FOREIGN_CLN_HAS_TO_SELF_DELAY, 8), N(FOREIGN_LND_INITIATOR, 1),
    N(FOREIGN_LND_HAS_SHACHAIN_ROOT, 2), N(FOREIGN_LND_HAS_LEASE, 4), N(FOREIGN_LND_HAS_CLOSE_TX, 8),
    N(FOREIGN_LND_HAS_COMMIT_HEIGHT, 16), N(FOREIGN_LND_HAS_TAPSCRIPT_ROOT, 32),
};

static const number STORAGE_NUMBERS[] = {
    N(PEER_STORAGE_OFF, 1), N(PEER_STORAGE_REFUSE_PENDING_CHANNELS, 2), N(PEER_STORAGE_ACCEPT_IN_GRACE, 4),
    N(PEER_STORAGE_ZEROS_COUNT, 8), N(PEER_STORAGE_RETURN_UNWRITTEN, 16), N(STORED_COMMITTED, 1),
    N(STORED_DEFERRED, 2), N(STORED_UNCHANGED, 3),
    N(TICK_ALL, 1), N(TICKED_HAS_NEXT_DUE, 1), N(PEER_ALLOWED, 1), N(PEER_PENDING, 2), N(PEER_DAMAGED, 4),
    N(PEER_HAS_CLOSED_AT, 8), N(CLAIM_PENDING_CHANNEL, 1), N(CLAIM_OPEN_CHANNEL, 2),
    N(CLAIM_CLOSED_CHANNEL, 3), N(CLAIM_FAILED_CHANNEL, 4), N(CLAIM_ALLOWED, 5), N(CLAIM_DISALLOWED, 6),
    N(WIRE_PEER_STORAGE, 7), N(WIRE_PEER_STORAGE_RETRIEVAL, 9), N(WIRE_STRICT, 1), N(STORAGE_OFFERED, 1),
    N(STORAGE_REQUIRED, 2), N(WIRE_MESSAGE_TOO_LONG, 1), N(WIRE_TRUNCATED_TYPE, 2), N(WIRE_UNKNOWN_TYPE, 3),
    N(WIRE_TRUNCATED_LENGTH, 4), N(WIRE_TRUNCATED_BLOB, 5), N(WIRE_TLV_TRUNCATED, 6),
    N(WIRE_TLV_NON_MINIMAL, 7), N(WIRE_TLV_ORDER, 8), N(WIRE_TLV_UNKNOWN_EVEN, 9),
    N(EVENT_PEER_BLOB_CORRUPT, 15), N(EVENT_PEER_BLOB_REFUSED, 16), N(EVENT_PEER_BLOB_COLLECTED, 17),
    N(EVENT_BACKUP_STATE_LOSS, 18), N(EVENT_BACKUP_UNREADABLE, 19), N(EVENT_BACKUP_STRIKE, 20),
};

static const number BACKUP_NUMBERS[] = {
    N(BACKUP_HAS_ENTROPY, 1), N(BACKUP_FRESH, 1), N(BACKUP_BLOCKED, 2), N(BACKUP_STATE_IDLE, 0),
    N(BACKUP_STATE_HOLD, 1), N(BACKUP_STATE_CLEAR, 2), N(BACKUP_STATE_SENT, 3),
    N(BACKUP_STATE_COMMITTED, 4), N(BACKUP_STATE_LAGGING, 5), N(BACKUP_STATE_STALE, 6),
    N(BACKUP_STATE_LOST, 7), N(BACKUP_STATE_CORRUPT, 8), N(BACKUP_STATE_UNCONFIRMED, 9),
    N(BACKUP_STATE_AHEAD, 10), N(BACKUP_STATE_UNREADABLE, 11), N(BACKUP_STATE_UNSUPPORTED, 12),
    N(BACKUP_ACTION_NONE, 0), N(BACKUP_ACTION_FIRST_SEND_ALLOWED, 1), N(BACKUP_ACTION_RESEND, 2),
    N(BACKUP_ACTION_ALERT_UNREADABLE, 3), N(BACKUP_ACTION_ALERT_STATE_LOSS, 4), N(BACKUP_ACTION_SEND, 5),
    N(ENVELOPE_TOO_SHORT, 1), N(ENVELOPE_AUTH_FAILED, 2), N(ENVELOPE_BAD_VERSION, 3),
    N(ENVELOPE_BAD_LENGTH, 4), N(ENVELOPE_BAD_CHECKSUM, 5), N(ENVELOPE_BAD_PADDING, 6),
    N(BACKUP_HAS_NEXT_DUE, 1), N(BACKUP_PEER_PROTECTED, 1), N(BACKUP_PEER_CONNECTED, 2),
    N(BACKUP_CUT, 4), N(BACKUP_PEER_HAS_SHARE, 8), N(BACKUP_PEER_KEEPS_JOURNAL, 16),
    N(BACKUP_PEER_HAS_FACTS, 32), N(CONTENT_NOTHING, 0), N(CONTENT_WHOLE, 1), N(CONTENT_SHARE, 2),
    N(CONTENT_TWO_SHARES, 3), N(CONTENT_JOURNAL, 4), N(CONTENT_ROSTER, 5), N(PEER_OPEN_CHANNEL, 1),
    N(PEER_CLOSING, 2), N(PEER_ANNOUNCED, 4), N(PEER_HAS_OPERATOR, 8), N(BACKUP_HTLC_INCOMING, 1),
    N(BACKUP_HTLC_HAS_PREIMAGE, 2), N(BACKUP_HTLC_HAS_OUTPUT_INDEX, 4), N(HTLC_PROFILE_ONCHAIN_ONLY, 0),
    N(HTLC_PROFILE_ALL_HTLCS, 1), N(BACKUP_PEER_OFFERS, 4), N(COPY_NONE, 0), N(COPY_UNCONFIRMED, 1),
    N(COPY_CONFIRMED, 2),
};

static const number STRIPE_NUMBERS[] = {
    N(ENVELOPE_HAS_ROSTER, 1), N(ENVELOPE_HAS_SNAPSHOT, 2), N(SHARE_TRUNCATED, 1), N(SHARE_BAD_COUNT, 2),
    N(SHARE_BAD_PARAMS, 3), N(SHARE_BAD_RESERVED, 4), N(SHARE_BAD_SHARE_LEN, 5), N(SHARE_TRAILING_BYTES, 6),
    N(ROSTER_BAD_FLAGS, 16), N(ROSTER_TRUNCATED, 17), N(ROSTER_BAD_INDEX, 18), N(ROSTER_TRAILING_BYTES, 19),
    N(OBJECT_TRUNCATED, 32), N(ROSTER_NO_SHARE, 255),
};

static void numbers_keep_their_values(void) {
    check_numbers(STRIPE_NUMBERS, H_COUNT(STRIPE_NUMBERS));
    check_numbers(STORAGE_NUMBERS, H_COUNT(STORAGE_NUMBERS));
    check_numbers(BACKUP_NUMBERS, H_COUNT(BACKUP_NUMBERS));
    check_numbers(FOREIGN_NUMBERS, H_COUNT(FOREIGN_NUMBERS));
}

static void init_macros_set_the_size_and_nothing_else(void) {
    CHECK_INIT(lnkeep_peer_storage_options, LNKEEP_PEER_STORAGE_OPTIONS_INIT);
    CHECK_INIT(lnkeep_peer_storage_report, LNKEEP_PEER_STORAGE_REPORT_INIT);
    CHECK_INIT(lnkeep_stored, LNKEEP_STORED_INIT);
    CHECK_INIT(lnkeep_ticked, LNKEEP_TICKED_INIT);
    CHECK_INIT(lnkeep_node_ids, LNKEEP_NODE_IDS_INIT);
    CHECK_INIT(lnkeep_peer_page, LNKEEP_PEER_PAGE_INIT);
    CHECK_INIT(lnkeep_peer_storage_stats, LNKEEP_PEER_STORAGE_STATS_INIT);
    CHECK_INIT(lnkeep_wire_message, LNKEEP_WIRE_MESSAGE_INIT);
    CHECK_INIT(lnkeep_backup_options, LNKEEP_BACKUP_OPTIONS_INIT);
    CHECK_INIT(lnkeep_backup_report, LNKEEP_BACKUP_REPORT_INIT);
    CHECK_INIT(lnkeep_concluded, LNKEEP_CONCLUDED_INIT);
    CHECK_INIT(lnkeep_opened, LNKEEP_OPENED_INIT);
    CHECK_INIT(lnkeep_envelope_header, LNKEEP_ENVELOPE_HEADER_INIT);
    CHECK_INIT(lnkeep_backup_actions, LNKEEP_BACKUP_ACTIONS_INIT);
    CHECK_INIT(lnkeep_backup_peers, LNKEEP_BACKUP_PEERS_INIT);
    CHECK_INIT(lnkeep_backup_standing, LNKEEP_BACKUP_STANDING_INIT);
    CHECK_INIT(lnkeep_shares, LNKEEP_SHARES_INIT);
    CHECK_INIT(lnkeep_share_records, LNKEEP_SHARE_RECORDS_INIT);
    CHECK_INIT(lnkeep_roster, LNKEEP_ROSTER_INIT);
    CHECK_INIT(lnkeep_peer_facts, LNKEEP_PEER_FACTS_INIT);
    CHECK_INIT(lnkeep_backup_htlc, LNKEEP_BACKUP_HTLC_INIT);
    CHECK_EQUAL(LNKEEP_PEER_STORAGE_NONE.bits | LNKEEP_BACKUP_NONE.bits, 0);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(peer_storage_structures),
        H_TEST(peer_storage_views),
        H_TEST(backup_structures),
        H_TEST(backup_views),
        H_TEST(stripe_structures),
        H_TEST(foreign_structures),
        H_TEST(foreign_structures_of_lnd),
        H_TEST(backup_facts),
        H_TEST(numbers_keep_their_values),
        H_TEST(init_macros_set_the_size_and_nothing_else),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

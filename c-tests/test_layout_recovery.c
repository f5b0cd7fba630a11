/* Sizes, offsets and numbers of recoveries: they are the ABI. */

#include "layout.h"

static void session_structures(void) {
#define T lnkeep_recovery_session
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_recovery_options
    CHECK_LAYOUT(T, 40, F(size), F(deadline_ms), F(answer_ms), F(blob_ms), F(candidates_max), F(reserved));
#undef T
#define T lnkeep_recovery_candidate
    CHECK_LAYOUT(T, 56, F(node_id), F(reserved_bytes), F(is_announced), F(address));
#undef T
#define T lnkeep_recovery_next
    CHECK_LAYOUT(T, 320, F(size), F(kind), F(address_len), F(until_ms), F(node_id), F(reserved_bytes),
                 F(address));
#undef T
#define T lnkeep_fed
    CHECK_LAYOUT(T, 16, F(size), F(outcome), F(fault));
#undef T
#define T lnkeep_foreign_keys
    CHECK_LAYOUT(T, 40, F(size), F(ldk), F(cln), F(lightning_kmp), F(lnd));
#undef T
}

static void views(void) {
#define T lnkeep_recovery_set
    CHECK_LAYOUT(T, 40, F(generation), F(set_id), F(have), F(need), F(shares), F(reserved));
#undef T
#define T lnkeep_recovery_progress
    CHECK_LAYOUT(T, 88, F(size), F(set_stride), F(sets), F(sets_len), F(best_generation),
                 F(newest_seen_generation), F(status), F(flags), F(peers_known), F(peers_asked),
                 F(peers_answered), F(peers_pending), F(peers_unreachable), F(peers_with_blob),
                 F(peers_unreadable), F(blobs));
#undef T
#define T lnkeep_recovered
    CHECK_LAYOUT(T, 72, F(size), F(payload), F(generation), F(created_unix_secs), F(block_height), F(status),
                 F(set_id), F(flags), F(reserved));
#undef T
#define T lnkeep_recovered_point
    CHECK_LAYOUT(T, 72, F(channel_id), F(per_commitment_point), F(reserved_bytes));
#undef T
#define T lnkeep_recovered_htlcs
    CHECK_LAYOUT(T, 104, F(size), F(htlc_stride), F(htlcs), F(htlcs_len), F(point_stride), F(points),
                 F(points_len), F(base_generation), F(journal_seq), F(created_unix_secs), F(uncovered_msat),
                 F(uncovered_count), F(block_height), F(flags), F(reserved));
#undef T
}

static const number NUMBERS[] = {
    N(RECOVERY_NEXT_NONE, 0), N(RECOVERY_NEXT_ASK, 1), N(RECOVERY_NEXT_WAIT, 2),
    N(RECOVERY_PEER_CONNECTED, 0), N(RECOVERY_PEER_FAILED, 1), N(RECOVERY_PEER_NO_STORAGE, 2),
    N(RECOVERY_PEER_NO_BLOB, 3), N(FED_ACCEPTED, 0), N(FED_DUPLICATE, 1), N(FED_OLD, 2),
    N(FED_INCONSISTENT, 3), N(FED_UNREADABLE, 4), N(FED_BAD_SHARE, 5), N(FED_BAD_JOURNAL, 6),
    N(FED_UNKNOWN_KIND, 7), N(RECOVERY_EMPTY, 0), N(RECOVERY_COLLECTING, 1),
    N(RECOVERY_COMPLETE_OLDER, 2), N(RECOVERY_COMPLETE, 3), N(RECOVERY_COMPLETE_FINAL, 4),
    N(RECOVERY_HAS_BEST, 1), N(RECOVERY_HAS_NEWEST, 2), N(RECOVERED_CLOSE_AND_SWEEP_ONLY, 1),
    N(RECOVERED_HTLCS_HAS_BASE, 1), N(RECOVERED_HTLCS_HAS_JOURNAL, 2), N(RECOVERED_HTLCS_NEWEST, 4),
};

static void numbers_keep_their_values(void) {
    check_numbers(NUMBERS, H_COUNT(NUMBERS));
}

static void init_macros_set_the_size_and_nothing_else(void) {
    CHECK_INIT(lnkeep_recovery_options, LNKEEP_RECOVERY_OPTIONS_INIT);
    CHECK_INIT(lnkeep_recovery_next, LNKEEP_RECOVERY_NEXT_INIT);
    CHECK_INIT(lnkeep_fed, LNKEEP_FED_INIT);
    CHECK_INIT(lnkeep_foreign_keys, LNKEEP_FOREIGN_KEYS_INIT);
    CHECK_INIT(lnkeep_recovery_progress, LNKEEP_RECOVERY_PROGRESS_INIT);
    CHECK_INIT(lnkeep_recovered, LNKEEP_RECOVERED_INIT);
    CHECK_INIT(lnkeep_recovered_htlcs, LNKEEP_RECOVERED_HTLCS_INIT);
    CHECK_EQUAL(LNKEEP_RECOVERY_SESSION_NONE.bits, 0);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(session_structures),
        H_TEST(views),
        H_TEST(numbers_keep_their_values),
        H_TEST(init_macros_set_the_size_and_nothing_else),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

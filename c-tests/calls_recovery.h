/* The rows of calls.h for recoveries; calls.h alone includes it. */

#ifndef LNKEEP_CALLS_RECOVERY_H
#define LNKEEP_CALLS_RECOVERY_H

static struct {
    lnkeep_recovery_session session;
    lnkeep_recovery_options options;
    lnkeep_recovery_candidate candidate;
    lnkeep_recovery_next next;
    lnkeep_fed fed;
    lnkeep_foreign_keys foreign;
    lnkeep_recovery_progress *progress;
    lnkeep_recovered *recovered;
    lnkeep_recovered_htlcs *htlcs;
    lnkeep_buf *buf;
    uint64_t number;
    uint8_t node[33];
    uint8_t secret[32];
} recovery_arg;

static void fill_recovery_arguments(void) {
    static const lnkeep_recovery_options options = LNKEEP_RECOVERY_OPTIONS_INIT;
    static const lnkeep_recovery_next next = LNKEEP_RECOVERY_NEXT_INIT;
    static const lnkeep_fed fed = LNKEEP_FED_INIT;
    static const lnkeep_foreign_keys foreign = LNKEEP_FOREIGN_KEYS_INIT;
    memset(&recovery_arg, 0, sizeof recovery_arg);
    recovery_arg.session = world.recovery;
    recovery_arg.options = options;
    recovery_arg.next = next;
    recovery_arg.fed = fed;
    recovery_arg.foreign = foreign;
    memset(recovery_arg.candidate.node_id, 2, sizeof recovery_arg.candidate.node_id);
    memset(recovery_arg.node, 2, sizeof recovery_arg.node);
    memset(recovery_arg.secret, 7, sizeof recovery_arg.secret);
}

#define V world.recovery
#define NODE(number) ((const uint8_t *)p(number, recovery_arg.node))
#define SECRET(number) ((const uint8_t *)p(number, recovery_arg.secret))
#define X h_text("x")

CALL(recovery_begin, (SECRET(1), p(2, &recovery_arg.options), p(0, &recovery_arg.session), ERR))
CALL(recovery_resume, (SECRET(1), p(2, &recovery_arg.options), X, p(0, &recovery_arg.session), ERR))
CALL(recovery_close, (p(0, &recovery_arg.session), ERR))
CALL(recovery_add_candidates, (V, p(0, &recovery_arg.candidate), 1, ERR))
CALL(recovery_next_peer, (V, 1, p(0, &recovery_arg.next), ERR))
CALL(recovery_peer_result, (V, 1, NODE(0), LNKEEP_RECOVERY_PEER_FAILED, ERR))
CALL(recovery_feed, (V, NODE(0), X, p(1, &recovery_arg.fed), ERR))
CALL(recovery_set_foreign_keys, (V, p(0, &recovery_arg.foreign), ERR))
CALL(recovery_export, (V, p(0, &recovery_arg.buf), ERR))
CALL(recovery_finish, (V, 0, p(0, &recovery_arg.number), ERR))
CALL(recovery_read_progress, (V, 1, p(0, &recovery_arg.progress), ERR))
CALL(recovery_payload, (V, 0, p(0, &recovery_arg.recovered), ERR))
CALL(recovery_htlcs, (V, p(0, &recovery_arg.htlcs), ERR))

#undef V
#undef NODE
#undef SECRET
#undef X

#define RECOVERY_ROWS                                         \
    ROW(recovery_begin, ON_NOTHING, 2, 1, 1, 0),              \
    ROW(recovery_resume, ON_NOTHING, 2, 1, 1, 0),             \
    ROW(recovery_close, ON_RECOVERY, 1, 1, 0, 1),             \
    ROW(recovery_add_candidates, ON_RECOVERY, 1, 1, 0, 1),    \
    ROW(recovery_next_peer, ON_RECOVERY, 1, 1, 0, 1),         \
    ROW(recovery_peer_result, ON_RECOVERY, 1, 0, 0, 1),       \
    ROW(recovery_feed, ON_RECOVERY, 1, 0, 1, 1),              \
    ROW(recovery_set_foreign_keys, ON_RECOVERY, 1, 1, 0, 1),  \
    ROW(recovery_export, ON_RECOVERY, 1, 1, 0, 1),            \
    ROW(recovery_finish, ON_RECOVERY, 1, 1, 0, 1),            \
    ROW(recovery_read_progress, ON_RECOVERY, 1, 1, 0, 1),     \
    ROW(recovery_payload, ON_RECOVERY, 1, 1, 0, 1),           \
    ROW(recovery_htlcs, ON_RECOVERY, 1, 1, 0, 1)

/* Begins the world's recovery: no store knows of it, so that a closed one does not end it. */
static inline void begin_world_recovery(void) {
    fill_recovery_arguments();
    CHECK_DONE(lnkeep_recovery_begin(recovery_arg.secret, NULL, &world.recovery, NULL));
}

static inline void end_world_recovery(void) {
    CHECK_DONE(lnkeep_recovery_close(&world.recovery, NULL));
}

/* Nobody is known of and nothing was fed. */
static inline void check_recovery_untouched(void) {
    lnkeep_recovery_progress *progress = NULL;
    CHECK_EQUAL(lnkeep_recovery_is_open(world.recovery), 1);
    CHECK_DONE(lnkeep_recovery_read_progress(world.recovery, 0, &progress, NULL));
    if (CHECK(progress != NULL)) CHECK_EQUAL(progress->peers_known | progress->blobs | progress->status, 0);
    lnkeep_recovery_progress_free(progress);
}

/* Of a handle that was opened beside the world's and closed. */
static inline uint64_t stale_recovery_bits(void) {
    lnkeep_recovery_session session;
    CHECK_DONE(lnkeep_recovery_begin(recovery_arg.secret, NULL, &session, NULL));
    uint64_t bits = session.bits;
    CHECK_DONE(lnkeep_recovery_close(&session, NULL));
    return bits;
}

#endif

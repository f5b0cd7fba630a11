/* Operations on recoveries: whom to ask, what came back, what can be restored of it. */

#include "operations.h"

#include <string.h>

static lnkeep_recovery_options pick_options(struct turn *t) {
    lnkeep_recovery_options options = LNKEEP_RECOVERY_OPTIONS_INIT;
    if (seldom(t, 4)) options.deadline_ms = pick_time_ms(t);
    if (seldom(t, 4)) options.answer_ms = 1 + pick(t, 256);
    if (seldom(t, 4)) options.blob_ms = 1 + pick(t, 256);
    if (seldom(t, 8)) options.candidates_max = pick(t, 20000);
    options.reserved = pick_reserved(t);
    return options;
}

OPERATION(recovery_begin) {
    lnkeep_recovery_options options = pick_options(t);
    lnkeep_recovery_session *session = OUT_HANDLE(lnkeep_recovery_session);
    const uint8_t *secret = secrets[seldom(t, 8)];
    lnkeep_status status =
        CALL(recovery_begin, IN_BYTES(secret, 32), SIZED_IN_OPTIONAL(options), session, ERR);
    opened_handle(t, ON_RECOVERY, status, session);
}

OPERATION(recovery_resume) {
    lnkeep_recovery_options options = pick_options(t);
    unsigned node = 0;
    lnkeep_bytes bytes = pick_blob(t, &node);
    lnkeep_recovery_session *session = OUT_HANDLE(lnkeep_recovery_session);
    const uint8_t *secret = secrets[seldom(t, 8)];
    lnkeep_status status = CALL(recovery_resume, IN_BYTES(secret, 32), SIZED_IN_OPTIONAL(options),
                                bytes, session, ERR);
    opened_handle(t, ON_RECOVERY, status, session);
}

OPERATION(recovery_close) {
    lnkeep_recovery_session *copy = CLOSING(lnkeep_recovery_session, ON_RECOVERY);
    lnkeep_status status = CALL(recovery_close, copy, ERR);
    closed_handle(t, ON_RECOVERY, status, copy);
}

OPERATION(recovery_is_open) {
    lnkeep_recovery_session session = RECOVERY;
    check_is_open(t, "lnkeep_recovery_is_open", lnkeep_recovery_is_open(session));
}

OPERATION(recovery_add_candidates) {
    lnkeep_recovery_candidate candidates[NODES];
    size_t count = pick(t, NODES + 1);
    memset(candidates, 0, sizeof candidates);
    for (size_t i = 0; i < count; i++) {
        memcpy(candidates[i].node_id, nodes[seldom(t, 16) ? 0 : i], 33);
        candidates[i].is_announced = seldom(t, 32) ? 2 : pick(t, 2);
        candidates[i].address = seldom(t, 16) ? view(t) : short_view(t);
        candidates[i].reserved_bytes[0] = (uint8_t)pick_reserved(t);
    }
    CALL(recovery_add_candidates, RECOVERY, IN_ARRAY(candidates, count), count, ERR);
}

OPERATION(recovery_next_peer) {
    CALL(recovery_next_peer, RECOVERY, pick_time_ms(t), SIZED_OUT(lnkeep_recovery_next), ERR);
}

OPERATION(recovery_peer_result) {
    uint32_t result = pick_enum(t, LNKEEP_RECOVERY_PEER_CONNECTED, LNKEEP_RECOVERY_PEER_NO_BLOB);
    CALL(recovery_peer_result, RECOVERY, pick_time_ms(t), IN_BYTES(nodes[pick_node(t)], 33), result,
         ERR);
}

OPERATION(recovery_feed) {
    unsigned node = (unsigned)pick_node(t);
    lnkeep_bytes blob = pick_blob(t, &node);
    CALL(recovery_feed, RECOVERY, IN_BYTES(nodes[node], 33), blob, SIZED_OUT_OPTIONAL(lnkeep_fed),
         ERR);
}

OPERATION(recovery_set_foreign_keys) {
    lnkeep_foreign_keys keys = LNKEEP_FOREIGN_KEYS_INIT;
    uint32_t which = pick(t, 16);
    const uint8_t *key = block(t, sevens, 32);
    if (which & 1) keys.ldk = key;
    if (which & 2) keys.cln = key;
    if (which & 4) keys.lightning_kmp = key;
    if (which & 8) keys.lnd = key;
    CALL(recovery_set_foreign_keys, RECOVERY, SIZED_IN(keys), ERR);
}

OPERATION(recovery_export) {
    lnkeep_buf **bytes = OUT(lnkeep_buf *);
    lnkeep_status status = CALL(recovery_export, RECOVERY, bytes, ERR);
    if (succeeded(t, status) && bytes) remember_blob(t, (*bytes)->ptr, (*bytes)->len, 0);
    KEEP(status, A_BUF, bytes);
}

static uint32_t pick_truth(struct turn *t) {
    uint32_t truth = seldom(t, 32) ? 2 : pick(t, 2);
    if (truth == 2) t->doubts = 1;
    return truth;
}

OPERATION(recovery_finish) { CALL(recovery_finish, RECOVERY, pick_truth(t), OUT(uint64_t), ERR); }

OPERATION(recovery_read_progress) {
    lnkeep_recovery_progress **made = OUT(lnkeep_recovery_progress *);
    lnkeep_status status = CALL(recovery_read_progress, RECOVERY, pick_time_ms(t), made, ERR);
    KEEP(status, A_PROGRESS, made);
}

OPERATION(recovery_payload) {
    lnkeep_recovered **recovered = OUT(lnkeep_recovered *);
    lnkeep_status status = CALL(recovery_payload, RECOVERY, pick_truth(t), recovered, ERR);
    KEEP(status, A_RECOVERED, recovered);
}

OPERATION(recovery_htlcs) {
    lnkeep_recovered_htlcs **found = OUT(lnkeep_recovered_htlcs *);
    lnkeep_status status = CALL(recovery_htlcs, RECOVERY, found, ERR);
    KEEP(status, SOME_RECOVERED_HTLCS, found);
}

const struct operation recovery_operations[] = {
    ROW(recovery_begin),          ROW(recovery_feed),
    ROW(recovery_payload),        ROW(recovery_htlcs),
    ROW(recovery_add_candidates), ROW(recovery_next_peer),
    ROW(recovery_peer_result),    ROW(recovery_set_foreign_keys),
    ROW(recovery_export),         ROW(recovery_resume),
    ROW(recovery_finish),         ROW(recovery_read_progress),
    ROW(recovery_close),          ROW(recovery_is_open),
    ROW(recovery_feed),
};
TABLE(recovery);

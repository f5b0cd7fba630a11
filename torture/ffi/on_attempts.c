/* Operations on attempts: registered, handed off, ended, read, followed, kept in order. */

#include "operations.h"

#include <string.h>

lnkeep_attempt_request make_attempt_request(struct turn *t) {
    lnkeep_attempt_request request;
    memset(&request, 0, sizeof request);
    request.key = pick_key(t);
    request.present = pick_flags(t, LNKEEP_HAS_FINGERPRINT | LNKEEP_HAS_PAYMENT_HASH);
    request.cltv_expiry = pick_height(t);
    request.amount_msat = pick_amount(t);
    request.first_hop_scid = pick(t, 4);
    /* Of one id mostly the same, so that a repeat is one. */
    memset(request.fingerprint, (int)(request.key.id + (seldom(t, 8) ? 1 : 0)), 32);
    memcpy(request.payment_hash, hashes[request.key.id % KNOWN_PREIMAGES], 32);
    return request;
}

lnkeep_attempt_result make_attempt_result(struct turn *t, uint64_t id) {
    lnkeep_attempt_result result;
    memset(&result, 0, sizeof result);
    result.kind = pick_enum(t, LNKEEP_RESULT_SETTLE, LNKEEP_RESULT_FAIL);
    result.flags = pick_flags(t, LNKEEP_RESULT_UNENCRYPTED | LNKEEP_RESULT_RESOLUTION);
    if (result.kind == LNKEEP_RESULT_SETTLE) {
        result.flags &= ~(uint32_t)LNKEEP_RESULT_UNENCRYPTED;
        memcpy(result.preimage, preimages[(id + (seldom(t, 16) ? 1 : 0)) % KNOWN_PREIMAGES], 32);
    } else {
        result.failure_code = result.flags & LNKEEP_RESULT_UNENCRYPTED ? 0x2002 : 0;
        if (seldom(t, 32)) result.failure_code = 70000, t->doubts = 1;
        result.message = view(t);
    }
    result.reserved = pick_reserved(t);
    return result;
}

OPERATION(attempts_open) {
    lnkeep_attempts_options options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    options.flags =
        seldom(t, 6) ? pick_flags(t, LNKEEP_ATTEMPTS_EXTERNAL | LNKEEP_ATTEMPTS_UNMARKED_HOST) : 0;
    if (seldom(t, 4)) options.acked_retention_secs = 1 + pick(t, 64);
    if (seldom(t, 4)) options.tombstone_retention_secs = 1 + pick(t, 64);
    if (seldom(t, 4)) options.tombstones_max = 1 + pick(t, 4);
    if (seldom(t, 4)) options.subscriptions_max = 1 + pick(t, 4);
    options.reserved = pick_reserved(t);
    lnkeep_attempts *attempts = OUT_HANDLE(lnkeep_attempts);
    lnkeep_status status = CALL(attempts_open, STORE, SIZED_IN_OPTIONAL(options), attempts, ERR);
    opened_handle(t, ON_ATTEMPTS, status, attempts);
}

OPERATION(attempts_close) {
    lnkeep_attempts *copy = CLOSING(lnkeep_attempts, ON_ATTEMPTS);
    lnkeep_status status = CALL(attempts_close, copy, ERR);
    closed_handle(t, ON_ATTEMPTS, status, copy);
}

OPERATION(attempts_is_open) {
    lnkeep_attempts attempts = ATTEMPTS;
    check_is_open(t, "lnkeep_attempts_is_open", lnkeep_attempts_is_open(attempts));
}

OPERATION(attempts_init) {
    lnkeep_attempt_request request = make_attempt_request(t);
    CALL(attempts_init, ATTEMPTS, IN(request), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_mark_handed_off) {
    lnkeep_attempt_key key = pick_key(t);
    CALL(attempts_mark_handed_off, ATTEMPTS, IN(key), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_store_result) {
    lnkeep_attempt_key key = pick_key(t);
    lnkeep_attempt_result result = make_attempt_result(t, key.id);
    CALL(attempts_store_result, ATTEMPTS, IN(key), IN(result), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_fail_pending) {
    lnkeep_attempt_key key = pick_key(t);
    lnkeep_bytes message = view(t);
    CALL(attempts_fail_pending, ATTEMPTS, IN(key), seldom(t, 16) ? pick(t, 70000) : 0, message,
         pick_flags(t, LNKEEP_FAIL_FORCED), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_ack) {
    lnkeep_attempt_key key = pick_key(t);
    CALL(attempts_ack, ATTEMPTS, IN(key), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_delete) {
    lnkeep_attempt_key keys[4];
    size_t count = pick(t, 5);
    for (size_t i = 0; i < count; i++) keys[i] = pick_key(t);
    CALL(attempts_delete, ATTEMPTS, IN_ARRAY(keys, count), count,
         pick_flags(t, LNKEEP_DELETE_FORGET), OUT_BATCH(lnkeep_outcome, count), ERR);
}

OPERATION(attempts_quarantine) {
    lnkeep_attempt_key key = pick_key(t);
    CALL(attempts_quarantine, ATTEMPTS, IN(key), OUT_OPTIONAL(lnkeep_outcome), ERR);
}

OPERATION(attempts_allocate) {
    const uint8_t *name_space = pick_namespace(t);
    uint64_t *id = OUT(uint64_t);
    lnkeep_bytes external_key = seldom(t, 8) ? view(t) : short_view(t);
    lnkeep_status status =
        CALL(attempts_allocate, ATTEMPTS, IN_BYTES_OPTIONAL(name_space, 16), external_key, id, ERR);
    if (succeeded(t, status)) remember(&t->ids, *id);
}

OPERATION(attempts_get) {
    lnkeep_attempt_key key = pick_key(t);
    lnkeep_attempt **attempt = OUT(lnkeep_attempt *);
    lnkeep_status status = CALL(attempts_get, ATTEMPTS, IN(key), attempt, ERR);
    KEEP(status, AN_ATTEMPT, attempt);
}

OPERATION(attempts_result) {
    lnkeep_attempt_key key = pick_key(t);
    lnkeep_attempt_result **result = OUT(lnkeep_attempt_result *);
    lnkeep_status status = CALL(attempts_result, ATTEMPTS, IN(key), result, ERR);
    KEEP(status, AN_ATTEMPT_RESULT, result);
}

OPERATION(attempts_has_result) {
    lnkeep_attempt_key key = pick_key(t);
    CALL(attempts_has_result, ATTEMPTS, IN(key), OUT(uint32_t), ERR);
}

OPERATION(attempts_list) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    query.flags = pick_flags(t, LNKEEP_QUERY_ALL_NAMESPACES | LNKEEP_QUERY_AFTER);
    query.states = pick(t, 2) ? 0 : pick(t, 64) & 62;
    query.after = pick_key(t);
    query.created_before_unix_ms = seldom(t, 4) ? pick_time_ms(t) : 0;
    query.expired_at_height = seldom(t, 4) ? pick_height(t) : 0;
    query.limit = pick(t, 2) ? pick(t, 4) : pick(t, 2000);
    lnkeep_attempt_page **page = OUT(lnkeep_attempt_page *);
    lnkeep_status status = CALL(attempts_list, ATTEMPTS, SIZED_IN(query), page, ERR);
    KEEP(status, AN_ATTEMPT_PAGE, page);
}

OPERATION(attempts_counts) {
    CALL(attempts_counts, ATTEMPTS, IN_BYTES_OPTIONAL(pick_namespace(t), 16),
         SIZED_OUT(lnkeep_attempt_counts), ERR);
}

OPERATION(attempts_recover) {
    lnkeep_circuit circuits[4];
    size_t count = pick(t, 5);
    memset(circuits, 0, sizeof circuits);
    for (size_t i = 0; i < count; i++) {
        circuits[i].id = 1 + pick(t, 8);
        circuits[i].state = pick_enum(t, LNKEEP_CIRCUIT_OPEN, LNKEEP_CIRCUIT_HALF_OPEN);
        circuits[i].reserved = pick_reserved(t);
    }
    uint32_t flags = pick_flags(t, LNKEEP_RECOVER_CURRENT_EPOCH | LNKEEP_RECOVER_CIRCUITS_COMPLETE);
    lnkeep_recovery **recovery = OUT_OPTIONAL(lnkeep_recovery *);
    lnkeep_status status =
        CALL(attempts_recover, ATTEMPTS, IN_BYTES_OPTIONAL(pick_namespace(t), 16),
             IN_ARRAY(circuits, count), count, flags, recovery, ERR);
    KEEP(status, A_RECOVERY, recovery);
}

OPERATION(attempts_is_external) { CALL(attempts_is_external, ATTEMPTS, OUT(uint32_t), ERR); }

OPERATION(attempt_result_classify) {
    lnkeep_attempt_result result = make_attempt_result(t, 1);
    CALL(attempt_result_classify, IN(result),
         pick_enum(t, LNKEEP_DECRYPTOR_NONE, LNKEEP_DECRYPTOR_FAILS), OUT(uint32_t), ERR);
}

OPERATION(client_id_encode) {
    uint64_t raw = seldom(t, 8) ? UINT64_MAX : pick(t, 256);
    CALL(client_id_encode, (uint8_t)pick(t, 256), raw, OUT(uint64_t), ERR);
}

OPERATION(client_id_decode) {
    CALL(client_id_decode, pick_number(t, &t->ids), OUT(uint8_t), OUT(uint64_t), ERR);
}

OPERATION(attempts_subscribe) {
    lnkeep_attempt_key key = pick_key(t);
    uint64_t *subscription = OUT(uint64_t);
    lnkeep_status status = CALL(attempts_subscribe, ATTEMPTS, IN(key),
                                pick_flags(t, LNKEEP_SUBSCRIBE_REQUIRE_KNOWN), subscription, ERR);
    if (succeeded(t, status)) remember(&t->attempt_subscriptions, *subscription);
}

OPERATION(attempts_poll) {
    lnkeep_attempt_result **result = OUT(lnkeep_attempt_result *);
    lnkeep_status status = CALL(attempts_poll, ATTEMPTS, pick_number(t, &t->attempt_subscriptions),
                                OUT(uint32_t), result, ERR);
    KEEP(status, AN_ATTEMPT_RESULT, result);
}

OPERATION(attempts_unsubscribe) {
    CALL(attempts_unsubscribe, ATTEMPTS, pick_number(t, &t->attempt_subscriptions), ERR);
}

OPERATION(attempts_unsubscribe_all) { CALL(attempts_unsubscribe_all, ATTEMPTS, ERR); }

OPERATION(attempts_waiters) {
    lnkeep_attempt_key key = pick_key(t);
    CALL(attempts_waiters, ATTEMPTS, IN(key), OUT(uint64_t), ERR);
}

OPERATION(attempts_ready) {
    size_t capacity = pick(t, 6), *len = OUT(size_t);
    uint64_t *subscriptions = OUT_ARRAY(uint64_t, capacity);
    lnkeep_status status = CALL(attempts_ready, ATTEMPTS, subscriptions, capacity, len, ERR);
    if (!succeeded(t, status)) return;
    if (*len > capacity) violation(t, FOUND_WRONG, "more ready than there is room");
    else for (size_t i = 0; i < *len; i++) remember(&t->attempt_subscriptions, subscriptions[i]);
}

OPERATION(attempts_ready_descriptor) { CALL(attempts_ready_descriptor, ATTEMPTS, OUT(int), ERR); }

OPERATION(attempts_ack_below) {
    CALL(attempts_ack_below, ATTEMPTS, IN_BYTES_OPTIONAL(pick_namespace(t), 16), pick(t, 8),
         OUT_OPTIONAL(uint64_t), ERR);
}

OPERATION(attempts_clean) {
    uint64_t ids[4];
    size_t count = pick(t, 5);
    for (size_t i = 0; i < count; i++) ids[i] = 1 + pick(t, 8);
    const uint8_t *name_space = IN_BYTES_OPTIONAL(pick_namespace(t), 16);
    CALL(attempts_clean, ATTEMPTS, name_space, IN_ARRAY(ids, count), count,
         pick_flags(t, LNKEEP_DELETE_FORGET), OUT_OPTIONAL(uint64_t), OUT_OPTIONAL(uint64_t), ERR);
}

OPERATION(attempts_sweep) { CALL(attempts_sweep, ATTEMPTS, OUT_OPTIONAL(uint64_t), ERR); }

OPERATION(attempts_disable_external) { CALL(attempts_disable_external, ATTEMPTS, ERR); }

OPERATION(attempts_acknowledge_restore) {
    lnkeep_id_floor floors[3];
    size_t count = pick(t, 4);
    memset(floors, 0, sizeof floors);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *name_space = pick_namespace(t);
        if (name_space) memcpy(floors[i].namespace_bytes, name_space, 16);
        floors[i].id_floor = seldom(t, 8) ? 7 : pick(t, 3);
    }
    CALL(attempts_acknowledge_restore, ATTEMPTS, IN_ARRAY(floors, count), count, ERR);
}

const struct operation attempts_operations[] = {
    ROW(attempts_open),
    ROW(attempts_init),
    ROW(attempts_mark_handed_off),
    ROW(attempts_store_result),
    ROW(attempts_fail_pending),
    ROW(attempts_ack),
    ROW(attempts_delete),
    ROW(attempts_quarantine),
    ROW(attempts_allocate),
    ROW(attempts_get),
    ROW(attempts_result),
    ROW(attempts_has_result),
    ROW(attempts_list),
    ROW(attempts_counts),
    ROW(attempts_recover),
    ROW(attempts_is_external),
    ROW(attempt_result_classify),
    ROW(client_id_encode),
    ROW(client_id_decode),
    ROW(attempts_subscribe),
    ROW(attempts_poll),
    ROW(attempts_unsubscribe),
    ROW(attempts_unsubscribe_all),
    ROW(attempts_waiters),
    ROW(attempts_ready),
    ROW(attempts_ready_descriptor),
    ROW(attempts_ack_below),
    ROW(attempts_clean),
    ROW(attempts_sweep),
    ROW(attempts_disable_external),
    ROW(attempts_acknowledge_restore),
    ROW(attempts_close),
    ROW(attempts_is_open),
};
TABLE(attempts);

/* Operations on payments: initiated, attempted, ended, read, followed, resumed, deleted; and the
 * pure rules. */

#include "operations.h"

#include <string.h>

const uint8_t *preimage_of(struct turn *t, const uint8_t *hash) {
    for (size_t i = 0; i < KNOWN_PREIMAGES; i++) {
        if (memcmp(hash, hashes[i], 32) == 0 && !seldom(t, 16)) return preimages[i];
    }
    return pick_preimage(t);
}

lnkeep_payment_init make_payment_init(struct turn *t) {
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    memcpy(init.payment_hash, pick_hash(t), 32);
    init.amount_msat = seldom(t, 4) ? pick_amount(t) : 10000;
    init.created_unix_ns = seldom(t, 4) ? pick_time_ms(t) : 0;
    if (seldom(t, 4)) init.idempotency_key = short_view(t);
    if (seldom(t, 4)) init.payment_request = view(t);
    if (seldom(t, 8)) init.first_hop_records = view(t);
    if (seldom(t, 2)) {
        init.present = LNKEEP_PAYMENT_HAS_INTENT | pick_flags(t, 7);
        init.intent_deadline_unix_ns = seldom(t, 4) ? pick_time_ms(t) : 0;
        init.intent_fee_limit_msat = pick_amount(t);
        if (init.present & LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE)
            memset(init.intent_amp_root_share, 5, 32);
        if (init.present & LNKEEP_PAYMENT_HAS_DESTINATION) memset(init.intent_destination, 2, 33);
        init.intent_data = view(t);
    }
    init.reserved = pick_reserved(t);
    return init;
}

lnkeep_payment_attempt_request make_part(struct turn *t) {
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    part.key = pick_key(t);
    part.amount_msat = pick(t, 2) ? 10000 : seldom(t, 4) ? pick_amount(t) : 5000;
    part.fee_msat = seldom(t, 4) ? pick_amount(t) : 10;
    part.present = seldom(t, 3)               ? pick_flags(t, 31)
                   : part.amount_msat == 5000 ? LNKEEP_PAYMENT_ATTEMPT_HAS_MPP
                                              : 0;
    part.hop_count = seldom(t, 16) ? 0 : 1 + pick(t, 3);
    if (part.present & LNKEEP_PAYMENT_ATTEMPT_HAS_HASH) memcpy(part.attempt_hash, pick_hash(t), 32);
    if (part.present & LNKEEP_PAYMENT_ATTEMPT_HAS_MPP) {
        memset(part.mpp_payment_address, seldom(t, 8) ? 4 : 3, 32);
        part.mpp_total_msat = seldom(t, 8) ? 9000 : 10000;
    }
    if (part.present & LNKEEP_PAYMENT_ATTEMPT_HAS_AMP) memset(part.amp_set_id, 6, 32);
    if (part.present & LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED) part.blinded_total_msat = 10000;
    if (part.present & LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT)
        part.first_hop_amount_msat = 10010;
    part.cltv_expiry = pick_height(t);
    part.route = view(t);
    if (seldom(t, 2)) part.session_key = short_view(t);
    if (seldom(t, 8)) part.first_hop_records = view(t);
    return part;
}

lnkeep_payment_failure make_failure(struct turn *t) {
    lnkeep_payment_failure failure;
    memset(&failure, 0, sizeof failure);
    failure.reason = pick_enum(t, LNKEEP_ATTEMPT_FAILURE_UNKNOWN, LNKEEP_ATTEMPT_FAILURE_MESSAGE);
    failure.source_index = pick(t, 3);
    failure.failed_unix_ns = pick_time_ms(t);
    failure.message = view(t);
    return failure;
}

OPERATION(payment_allows) {
    CALL(payment_allows, pick_enum(t, 1, 4), pick_amount(t), pick_flags(t, 3),
         SIZED_OUT(lnkeep_payment_rules), ERR);
}

OPERATION(payment_compute_state) {
    lnkeep_attempt_sum sums[4];
    size_t count = pick(t, 5);
    memset(sums, 0, sizeof sums);
    for (size_t i = 0; i < count; i++) {
        sums[i].state = pick_enum(t, 1, 3);
        sums[i].amount_msat = seldom(t, 3) ? pick_amount(t) : 1000;
        sums[i].fee_msat = seldom(t, 8) ? pick_amount(t) : 10;
    }
    uint64_t amount_msat = pick_amount(t);
    CALL(payment_compute_state, amount_msat, IN_ARRAY(sums, count), count,
         seldom(t, 2) ? pick_enum(t, 1, 6) : 0, SIZED_OUT(lnkeep_payment_state), ERR);
}

OPERATION(payment_verify_attempt) {
    lnkeep_payment_attempt_request alive[3], part = make_part(t);
    size_t count = pick(t, 4),
           in_flight = seldom(t, 16) ? pick(t, 256) : pick(t, (uint32_t)count + 1);
    for (size_t i = 0; i < count; i++) alive[i] = make_part(t);
    if (in_flight > count) FAULT(t);
    CALL(payment_verify_attempt, 10000, IN_ARRAY(alive, count), count, in_flight, SIZED_IN(part),
         pick_flags(t, LNKEEP_PAYMENTS_CHECK_TOTALS), ERR);
}

OPERATION(payments_open) {
    lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    options.flags = seldom(t, 4) ? pick_flags(t, LNKEEP_PAYMENTS_CHECK_TOTALS) : 0;
    if (seldom(t, 4)) options.finished_retention_secs = 1 + pick(t, 64);
    if (seldom(t, 4)) options.finished_max = 1 + pick(t, 4);
    if (seldom(t, 8)) options.history_bytes_max = 1 + pick(t, 4096);
    if (seldom(t, 4)) options.tombstone_retention_secs = 1 + pick(t, 64);
    if (seldom(t, 4)) options.subscriptions_max = 1 + pick(t, 4);
    lnkeep_payments *payments = OUT_HANDLE(lnkeep_payments);
    lnkeep_status status = CALL(payments_open, STORE, SIZED_IN_OPTIONAL(options), payments, ERR);
    opened_handle(t, ON_PAYMENTS, status, payments);
}

OPERATION(payments_close) {
    lnkeep_payments *copy = CLOSING(lnkeep_payments, ON_PAYMENTS);
    lnkeep_status status = CALL(payments_close, copy, ERR);
    closed_handle(t, ON_PAYMENTS, status, copy);
}

OPERATION(payments_is_open) {
    lnkeep_payments payments = PAYMENTS;
    check_is_open(t, "lnkeep_payments_is_open", lnkeep_payments_is_open(payments));
}

OPERATION(payments_init) {
    lnkeep_payment_init init = make_payment_init(t);
    lnkeep_payment **payment = OUT_OPTIONAL(lnkeep_payment *);
    lnkeep_status status =
        CALL(payments_init, PAYMENTS, SIZED_IN(init), payment, OUT_OPTIONAL(lnkeep_outcome), ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_register) {
    lnkeep_payment_attempt_request part = make_part(t);
    const uint8_t *hash = pick_hash(t);
    lnkeep_payment **payment = OUT_OPTIONAL(lnkeep_payment *);
    lnkeep_status status = CALL(payments_register, PAYMENTS, IN_BYTES(hash, 32), SIZED_IN(part),
                                pick_flags(t, LNKEEP_REGISTER_WITH_RECORD), payment,
                                OUT_OPTIONAL(lnkeep_outcome), ERR);
    if (succeeded(t, status)) t->parts[t->parts_next++ % PARTS] = (struct part){hash, part.key};
    KEEP(status, A_PAYMENT, payment);
}

/* Mostly an attempt that a payment has. */
static const uint8_t *pick_part(struct turn *t, lnkeep_attempt_key *key) {
    uint32_t choice = pick(t, 8);
    const struct part *part = &t->parts[choice % PARTS];
    const uint8_t *hash = pick_hash(t);
    *key = pick_key(t);
    if (t->is_steady || choice >= 6 || !part->hash) return hash;
    *key = part->key;
    return part->hash;
}

OPERATION(payments_settle) {
    lnkeep_attempt_key key;
    const uint8_t *hash = pick_part(t, &key), *preimage = preimage_of(t, hash);
    lnkeep_payment **payment = OUT_OPTIONAL(lnkeep_payment *);
    uint32_t flags = pick_flags(t, LNKEEP_RESULT_REFUSE_REPEAT | LNKEEP_RESULT_REFUSE_LATE);
    lnkeep_status status =
        CALL(payments_settle, PAYMENTS, IN_BYTES(hash, 32), IN(key), IN_BYTES(preimage, 32),
             pick_time_ms(t), flags, payment, OUT_OPTIONAL(lnkeep_outcome), ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_fail_attempt) {
    lnkeep_attempt_key key;
    const uint8_t *hash = pick_part(t, &key);
    lnkeep_payment_failure failure = make_failure(t);
    uint32_t flags = pick_flags(t, LNKEEP_FAIL_FORCED | LNKEEP_RESULT_REFUSE_REPEAT);
    lnkeep_bytes note = {NULL, 0};
    if (flags & LNKEEP_FAIL_FORCED || seldom(t, 32)) note = view(t);
    lnkeep_payment **payment = OUT_OPTIONAL(lnkeep_payment *);
    lnkeep_status status =
        CALL(payments_fail_attempt, PAYMENTS, IN_BYTES(hash, 32), IN(key), IN(failure), note, flags,
             payment, OUT_OPTIONAL(lnkeep_outcome), ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_fail) {
    const uint8_t *hash = pick_hash(t);
    lnkeep_payment **payment = OUT_OPTIONAL(lnkeep_payment *);
    lnkeep_status status = CALL(payments_fail, PAYMENTS, IN_BYTES(hash, 32), pick_enum(t, 1, 6),
                                payment, OUT_OPTIONAL(lnkeep_outcome), ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_delete) {
    static const uint32_t ways[] = {0, LNKEEP_DELETE_FORGET, LNKEEP_DELETE_FAILED_ATTEMPTS,
                                    LNKEEP_DELETE_TOMBSTONE};
    uint32_t flags = seldom(t, 16) ? pick_flags(t, 7) : ways[pick(t, 4)];
    if (flags & (flags - 1)) t->doubts = 1;
    CALL(payments_delete, PAYMENTS, IN_BYTES(pick_hash(t), 32), flags, OUT_OPTIONAL(lnkeep_outcome),
         ERR);
}

OPERATION(payments_fetch) {
    lnkeep_payment **payment = OUT(lnkeep_payment *);
    lnkeep_status status = CALL(payments_fetch, PAYMENTS, IN_BYTES(pick_hash(t), 32), payment, ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_list) {
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.flags = pick_flags(t, 7);
    query.statuses = pick(t, 2) ? 0 : pick(t, 32) & 30;
    query.offset = pick(t, 8);
    query.created_to_unix_ns = seldom(t, 4) ? pick_time_ms(t) : 0;
    query.limit = pick(t, 2) ? pick(t, 4) : pick(t, 2000);
    query.reserved = pick_reserved(t);
    lnkeep_payment_page **page = OUT(lnkeep_payment_page *);
    lnkeep_status status = CALL(payments_list, PAYMENTS, SIZED_IN(query), page, ERR);
    KEEP(status, A_PAYMENT_PAGE, page);
}

OPERATION(payments_counts) {
    CALL(payments_counts, PAYMENTS, SIZED_OUT(lnkeep_payment_counts), ERR);
}

OPERATION(payments_subscribe) {
    uint64_t *subscription = OUT(uint64_t);
    lnkeep_status status =
        CALL(payments_subscribe, PAYMENTS, IN_BYTES_OPTIONAL(pick_hash(t), 32), subscription, ERR);
    if (succeeded(t, status)) remember(&t->payment_subscriptions, *subscription);
}

OPERATION(payments_next) {
    lnkeep_payment **payment = OUT(lnkeep_payment *);
    lnkeep_status status = CALL(payments_next, PAYMENTS, pick_number(t, &t->payment_subscriptions),
                                OUT(uint32_t), payment, OUT_OPTIONAL(uint64_t), ERR);
    KEEP(status, A_PAYMENT, payment);
}

OPERATION(payments_unsubscribe) {
    CALL(payments_unsubscribe, PAYMENTS, pick_number(t, &t->payment_subscriptions), ERR);
}

OPERATION(payments_ready) {
    size_t capacity = pick(t, 6), *len = OUT(size_t);
    uint64_t *subscriptions = OUT_ARRAY(uint64_t, capacity);
    lnkeep_status status = CALL(payments_ready, PAYMENTS, subscriptions, capacity, len, ERR);
    if (!succeeded(t, status)) return;
    if (*len > capacity) violation(t, FOUND_WRONG, "more ready than there is room");
    else for (size_t i = 0; i < *len; i++) remember(&t->payment_subscriptions, subscriptions[i]);
}

OPERATION(payments_ready_descriptor) { CALL(payments_ready_descriptor, PAYMENTS, OUT(int), ERR); }

OPERATION(payments_resume) {
    lnkeep_resume_answer answers_given[3];
    size_t count = pick(t, 4);
    memset(answers_given, 0, sizeof answers_given);
    for (size_t i = 0; i < count; i++) {
        answers_given[i].key = pick_key(t);
        answers_given[i].answer = pick_enum(t, LNKEEP_ANSWER_SETTLED, LNKEEP_ANSWER_PENDING);
        answers_given[i].flags = pick_flags(t, LNKEEP_ANSWER_FIRST_HOP_CLOSED);
        if (answers_given[i].answer == LNKEEP_ANSWER_SETTLED)
            memcpy(answers_given[i].preimage, pick_preimage(t), 32);
        uint32_t answer = answers_given[i].answer;
        int is_failure = answer == LNKEEP_ANSWER_FAILED || answer == LNKEEP_ANSWER_FAILED_FINAL;
        if (is_failure) answers_given[i].failure = make_failure(t);
    }
    lnkeep_resume **resume = OUT_OPTIONAL(lnkeep_resume *);
    uint32_t flags = pick_flags(t, LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS | LNKEEP_RESUME_SENDING);
    lnkeep_status status =
        CALL(payments_resume, PAYMENTS, IN_ARRAY(answers_given, count), count, flags, resume, ERR);
    KEEP(status, A_RESUME, resume);
}

OPERATION(payments_stuck) {
    lnkeep_stuck_query query = LNKEEP_STUCK_QUERY_INIT;
    query.after = pick(t, 4);
    query.block_height = pick_height(t);
    query.grace_blocks = pick(t, 64);
    query.untouched_since_unix_ms = seldom(t, 2) ? pick_time_ms(t) : 0;
    lnkeep_stuck_list **list = OUT(lnkeep_stuck_list *);
    lnkeep_status status = CALL(payments_stuck, PAYMENTS, SIZED_IN_OPTIONAL(query), list, ERR);
    KEEP(status, A_STUCK_LIST, list);
}

OPERATION(payments_delete_many) {
    lnkeep_payment_delete_filter filter = LNKEEP_PAYMENT_DELETE_FILTER_INIT;
    filter.flags = pick_flags(t, LNKEEP_DELETE_FORGET | LNKEEP_DELETE_FAILED_ATTEMPTS);
    filter.statuses = pick(t, 2) ? 0 : pick(t, 32) & 30;
    filter.created_to_unix_ns = seldom(t, 4) ? pick_time_ms(t) : 0;
    CALL(payments_delete_many, PAYMENTS, SIZED_IN_OPTIONAL(filter), pick(t, 4),
         OUT_OPTIONAL(uint64_t), OUT_OPTIONAL(uint64_t), OUT_OPTIONAL(uint32_t), ERR);
}

OPERATION(payments_sweep) { CALL(payments_sweep, PAYMENTS, OUT_OPTIONAL(uint64_t), ERR); }

OPERATION(payments_quarantine) {
    CALL(payments_quarantine, PAYMENTS, IN_BYTES(pick_hash(t), 32), OUT_OPTIONAL(lnkeep_outcome),
         ERR);
}

const struct operation payments_operations[] = {
    ROW(payments_open),          ROW(payments_init),         ROW(payments_register),
    ROW(payments_settle),        ROW(payments_fail_attempt), ROW(payments_fail),
    ROW(payments_delete),        ROW(payments_fetch),        ROW(payments_list),
    ROW(payments_counts),        ROW(payments_subscribe),    ROW(payments_next),
    ROW(payments_unsubscribe),   ROW(payments_ready),        ROW(payments_ready_descriptor),
    ROW(payments_resume),        ROW(payments_stuck),        ROW(payments_delete_many),
    ROW(payments_sweep),         ROW(payments_quarantine),   ROW(payments_close),
    ROW(payments_is_open),       ROW(payment_allows),        ROW(payment_compute_state),
    ROW(payment_verify_attempt),
};
TABLE(payments);

/* Reads the payments of a store that may be damaged, and judges what is answered about them. */

#include "damage.h"

#include <string.h>

static uint64_t add_bytes(uint64_t digest, lnkeep_bytes bytes) {
    digest = digest_add(digest, &bytes.len, sizeof bytes.len);
    return digest_add(digest, bytes.ptr, bytes.len);
}

#define ADD(field) digest = digest_add(digest, &(field), sizeof(field))

static uint64_t add_one_part(uint64_t digest, const lnkeep_payment_attempt *part) {
    const lnkeep_payment_attempt_request *request = &part->request;
    ADD(request->key);
    ADD(request->amount_msat);
    ADD(request->fee_msat);
    ADD(request->present);
    ADD(request->hop_count);
    ADD(request->mpp_payment_address);
    ADD(request->mpp_total_msat);
    ADD(request->cltv_expiry);
    digest = add_bytes(digest, request->route);
    digest = add_bytes(digest, request->session_key);
    ADD(part->state);
    ADD(part->marks);
    ADD(part->preimage);
    ADD(part->settled_unix_ns);
    ADD(part->failure.reason);
    ADD(part->failure.source_index);
    ADD(part->failure.failed_unix_ns);
    digest = add_bytes(digest, part->failure.message);
    return add_bytes(digest, part->note);
}

static uint64_t payment_digest(const lnkeep_payment *payment) {
    uint64_t digest = DIGEST_START;
    ADD(payment->init.payment_hash);
    ADD(payment->init.amount_msat);
    ADD(payment->init.created_unix_ns);
    ADD(payment->init.present);
    digest = add_bytes(digest, payment->init.idempotency_key);
    digest = add_bytes(digest, payment->init.payment_request);
    ADD(payment->sequence);
    ADD(payment->revision);
    ADD(payment->status);
    ADD(payment->marks);
    ADD(payment->failure_reason);
    ADD(payment->first_failure_reason);
    ADD(payment->updated_unix_ms);
    ADD(payment->in_flight);
    ADD(payment->remaining_msat);
    ADD(payment->fees_msat);
    for (size_t i = 0; i < payment->attempts_len; i++) {
        const void *at = (const uint8_t *)payment->attempts + i * payment->attempt_stride;
        digest = add_one_part(digest, at);
    }
    return digest;
}

static struct known_payment fetch(const struct making *m, size_t number) {
    struct known_payment known = {0};
    uint8_t hash[32];
    lnkeep_payment *payment = NULL;
    base_payment_hash(number, hash);
    known.fetched = heard(lnkeep_payments_fetch(m->payments, hash, &payment, NULL));
    if (known.fetched == LNKEEP_DONE) known.digest = payment_digest(payment);
    lnkeep_payment_free(payment);
    return known;
}

static lnkeep_status count_listed(const struct making *m, uint32_t statuses, uint64_t *listed,
                                  uint64_t *unreadable) {
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    uint32_t has_more = 1;
    query.statuses = statuses;
    *listed = *unreadable = 0;
    while (has_more) {
        lnkeep_payment_page *page = NULL;
        lnkeep_status status = heard(lnkeep_payments_list(m->payments, &query, &page, NULL));
        if (status != LNKEEP_DONE) return status;
        *listed += page->payments_len + page->unreadable_len;
        *unreadable += page->unreadable_len;
        has_more = page->has_more;
        query.flags = LNKEEP_PAYMENT_QUERY_OFFSET;
        query.offset = page->next;
        lnkeep_payment_page_free(page);
    }
    return LNKEEP_DONE;
}

static const uint32_t UNFINISHED =
    1u << LNKEEP_PAYMENT_STATUS_INITIATED | 1u << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;

int learn_payments(const struct making *m) {
    struct truth *truth = m->truth;
    uint64_t unreadable = 0;
    truth->payment_counts = (lnkeep_payment_counts)LNKEEP_PAYMENT_COUNTS_INIT;
    if (count_listed(m, 0, &truth->payments_listed, &unreadable) != LNKEEP_DONE) return 1;
    if (count_listed(m, UNFINISHED, &truth->unfinished, &unreadable) != LNKEEP_DONE) return 1;
    if (lnkeep_payments_counts(m->payments, &truth->payment_counts, NULL) != LNKEEP_DONE) return 1;
    static lnkeep_status asked[PAYMENTS_MAX], asked_by_key[PAYMENTS_MAX];
    for (size_t number = 0; number < truth->payments_len; number++) {
        truth->payments[number] = fetch(m, number);
    }
    base_ask_payments(m, truth->payments_len, 0, asked);
    base_ask_payments(m, truth->payments_len, 1, asked_by_key);
    for (size_t number = 0; number < truth->payments_len; number++) {
        struct known_payment *known = &truth->payments[number];
        known->asked = asked[number];
        known->asked_by_key = asked_by_key[number];
        int is_gone = known->fetched == LNKEEP_PAYMENT_NOT_INITIATED;
        if (known->fetched != LNKEEP_DONE && !is_gone) return 1;
    }
    return unreadable != 0;
}

/* --- Judging. */

static void judge_fetch(const struct reading *reading, const struct making *m, size_t number) {
    const struct known_payment *known = &reading->truth->payments[number];
    struct known_payment now = fetch(m, number);
    if (now.fetched == known->fetched && now.digest == known->digest) return;
    if (now.fetched != known->fetched && is_judged(reading, now.fetched, "a payment")) return;
    if (is_restored(reading)) return;
    if (now.fetched == known->fetched) {
        found(reading, FOUND_WRONG, "payment %zu: another value", number);
    } else {
        found(reading, FOUND_LOST, "payment %zu: %s, not %s", number,
              lnkeep_status_name(now.fetched), lnkeep_status_name(known->fetched));
    }
}

static void judge_lists(const struct reading *reading, const struct making *m) {
    const struct truth *truth = reading->truth;
    uint64_t all = 0, unfinished = 0, one = 0, two = 0;
    lnkeep_status status = count_listed(m, 0, &all, &one);
    if (status == LNKEEP_DONE) status = count_listed(m, UNFINISHED, &unfinished, &two);
    if (one || two) report_damage(reading);
    int is_listed = is_done(reading, status, "a list of payments");
    if (is_restored(reading)) return;
    if (is_listed && (all != truth->payments_listed || unfinished != truth->unfinished)) {
        found(reading, FOUND_LOST, "%llu payments are listed, %llu unfinished, not %llu and %llu",
              (unsigned long long)all, (unsigned long long)unfinished,
              (unsigned long long)truth->payments_listed, (unsigned long long)truth->unfinished);
    }
    lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    const lnkeep_payment_counts *known = &truth->payment_counts;
    status = heard(lnkeep_payments_counts(m->payments, &counts, NULL));
    if (!is_done(reading, status, "counts of payments")) return;
    if (counts.payments != known->payments || counts.unfinished != known->unfinished ||
        counts.tombstones != known->tombstones || counts.attempts != known->attempts ||
        counts.idempotency_keys != known->idempotency_keys) {
        found(reading, FOUND_WRONG, "another count of payments or their attempts");
    }
}

static void judge_answer(const struct reading *reading, size_t number, lnkeep_status wanted,
                         lnkeep_status given) {
    given = heard(given);
    if (given == wanted) return;
    if (given == LNKEEP_DONE) {
        found(reading, FOUND_PAID_TWICE, "payment %zu may be paid, not %s", number,
              lnkeep_status_name(wanted));
    } else if (!is_judged(reading, given, "a payment asked for again") && !is_restored(reading)) {
        found(reading, FOUND_WRONG, "payment %zu, asked for again: %s, not %s", number,
              lnkeep_status_name(given), lnkeep_status_name(wanted));
    }
}

static void judge_answers(const struct reading *reading, const struct making *m) {
    static lnkeep_status asked[PAYMENTS_MAX], asked_by_key[PAYMENTS_MAX];
    size_t len = reading->truth->payments_len;
    base_ask_payments(m, len, 0, asked);
    base_ask_payments(m, len, 1, asked_by_key);
    for (size_t number = 0; number < len; number++) {
        const struct known_payment *known = &reading->truth->payments[number];
        judge_answer(reading, number, known->asked, asked[number]);
        judge_answer(reading, number, known->asked_by_key, asked_by_key[number]);
    }
}

/* What is quarantined stays refused; where only the way to it was damaged, it is what it was. */
static void judge_quarantine(const struct reading *reading, const struct making *m,
                             size_t number) {
    uint8_t hash[32];
    lnkeep_outcome outcome = {0};
    base_payment_hash(number, hash);
    lnkeep_status status = heard(lnkeep_payments_quarantine(m->payments, hash, &outcome, NULL));
    report_damage(reading);
    if (!is_done(reading, status, "a quarantine")) return;
    if (outcome.value != 0) {
        reading->verdict->mended++;
        judge_fetch(reading, m, number);
        return;
    }
    reading->verdict->quarantined++;
    struct known_payment now = fetch(m, number);
    lnkeep_status asked = heard(base_ask_payment(m, number));
    if (asked == LNKEEP_DONE) {
        found(reading, FOUND_PAID_TWICE, "payment %zu was quarantined and may be paid", number);
    } else if (now.fetched != LNKEEP_PAYMENT_NOT_INITIATED || asked != LNKEEP_ALREADY_PAID) {
        found(reading, FOUND_WRONG, "payment %zu, quarantined: %s, and asked for %s", number,
              lnkeep_status_name(now.fetched), lnkeep_status_name(asked));
    }
}

/* One payment that cannot be read stops no other. */
static void judge_resume(const struct reading *reading, const struct making *m) {
    uint64_t unfinished = 0, unreadable = 0;
    lnkeep_resume *resume = NULL;
    lnkeep_status status = count_listed(m, UNFINISHED, &unfinished, &unreadable);
    if (!is_done(reading, status, "a list of unfinished payments")) return;
    status = heard(lnkeep_payments_resume(m->payments, NULL, 0, 0, &resume, NULL));
    if (is_done(reading, status, "a resume") && resume->payments_len != unfinished) {
        found(reading, FOUND_LOST, "a resume met %zu payments, not %llu", resume->payments_len,
              (unsigned long long)unfinished);
    }
    lnkeep_resume_free(resume);
}

void judge_payments(const struct reading *reading, const struct making *m) {
    static uint8_t is_quarantined[PAYMENTS_MAX];
    const struct truth *truth = reading->truth;
    for (size_t number = 0; number < truth->payments_len; number++) judge_fetch(reading, m, number);
    judge_lists(reading, m);
    judge_answers(reading, m);
    for (size_t number = 0; number < truth->payments_len; number++) {
        lnkeep_status fetched = fetch(m, number).fetched;
        is_quarantined[number] = may_report(fetched);
        is_judged(reading, fetched, "a payment");
        if (is_quarantined[number]) judge_quarantine(reading, m, number);
    }
    for (size_t number = 0; number < truth->payments_len; number++) {
        /* What failed was initiated again by being asked for. */
        int was_started = truth->payments[number].asked == LNKEEP_DONE;
        if (!was_started && !is_quarantined[number]) judge_fetch(reading, m, number);
    }
    judge_resume(reading, m);
}

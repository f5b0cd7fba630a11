/* Payments on a full disk: nothing new is begun, and everything that was begun comes to its end. */

#include "full_disk.h"

#include <string.h>

enum { AMOUNT_MSAT = 90000, FIRST_PART = 500, ROUTE_BYTES = 600, MESSAGE_BYTES = 900 };

/* What becomes of a payment while the disk is full. */
enum fate {
    FATE_SETTLED,
    FATE_FAILED,    /* an intent is rolled back, and the payment is given up */
    FATE_FORCED,    /* handed off, and ended by force */
    FATE_INITIATED, /* its attempt is refused */
    FATE_DELETED,   /* settled and deleted: its hash stays refused */
    FATE_PRUNED,    /* settled in part, and the part that failed is deleted */
    FATES,
};

static enum fate fate_of(uint64_t number) { return (enum fate)(number % FATES); }

static void preimage_of(uint64_t number, uint8_t preimage[32]) {
    memset(preimage, 0x33, 32);
    memcpy(preimage, &number, sizeof number);
}

static void hash_of(uint64_t number, uint8_t hash[32]) {
    uint8_t preimage[32];
    preimage_of(number, preimage);
    sha256(preimage, sizeof preimage, hash);
}

static lnkeep_attempt_key part_key(uint64_t number, unsigned part) {
    lnkeep_attempt_key key = {.id = FIRST_PART + 2 * number + part};
    key.namespace_bytes[15] = 4;
    return key;
}

static lnkeep_status init(const struct paying *p, uint64_t number) {
    lnkeep_payment_init request = LNKEEP_PAYMENT_INIT_INIT;
    hash_of(number, request.payment_hash);
    request.amount_msat = AMOUNT_MSAT;
    return lnkeep_payments_init(p->payments, &request, NULL, NULL, NULL);
}

static lnkeep_status add_part(const struct paying *p, uint64_t number, unsigned part) {
    static const uint8_t route[ROUTE_BYTES] = {1};
    lnkeep_payment_attempt_request request = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    uint8_t hash[32];
    hash_of(number, hash);
    request.key = part_key(number, part);
    request.amount_msat = AMOUNT_MSAT / 2;
    request.hop_count = 2;
    request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    request.mpp_total_msat = AMOUNT_MSAT;
    request.route = (lnkeep_bytes){route, sizeof route};
    return lnkeep_payments_register(p->payments, hash, &request, LNKEEP_REGISTER_WITH_RECORD, NULL,
                                    NULL, NULL);
}

static lnkeep_status settle(const struct paying *p, uint64_t number) {
    lnkeep_attempt_key key = part_key(number, 0);
    uint8_t hash[32], preimage[32];
    hash_of(number, hash);
    preimage_of(number, preimage);
    return lnkeep_payments_settle(p->payments, hash, &key, preimage, number, 0, NULL, NULL, NULL);
}

static lnkeep_status fail(const struct paying *p, uint64_t number, unsigned part, uint32_t flags) {
    static const uint8_t message[MESSAGE_BYTES] = {2};
    lnkeep_attempt_key key = part_key(number, part);
    lnkeep_payment_failure failure = {.reason = LNKEEP_ATTEMPT_FAILURE_MESSAGE};
    lnkeep_bytes note = {message, flags ? 40 : 0};
    uint8_t hash[32];
    hash_of(number, hash);
    failure.message = (lnkeep_bytes){message, sizeof message};
    return lnkeep_payments_fail_attempt(p->payments, hash, &key, &failure, note, flags, NULL, NULL,
                                        NULL);
}

static lnkeep_status give_payment_up(const struct paying *p, uint64_t number) {
    uint8_t hash[32];
    hash_of(number, hash);
    return lnkeep_payments_fail(p->payments, hash, LNKEEP_PAYMENT_REASON_CANCELED, NULL, NULL,
                                NULL);
}

static lnkeep_status delete_with(const struct paying *p, uint64_t number, uint32_t flags) {
    uint8_t hash[32];
    hash_of(number, hash);
    return lnkeep_payments_delete(p->payments, hash, flags, NULL, NULL);
}

void payments_begin(const struct paying *p) {
    for (uint64_t number = p->first; number < p->first + PAYMENTS_PER_CYCLE; number++) {
        enum fate fate = fate_of(number);
        expect_status(init(p, number), LNKEEP_DONE, "a payment's init");
        if (fate != FATE_INITIATED) {
            expect_status(add_part(p, number, 0), LNKEEP_DONE, "registering");
        }
        if (fate != FATE_PRUNED) continue;
        expect_status(add_part(p, number, 1), LNKEEP_DONE, "registering");
    }
}

static void finish_one(const struct paying *p, uint64_t number) {
    lnkeep_attempt_key key = part_key(number, 0);
    switch (fate_of(number)) {
    case FATE_SETTLED: expect_status(settle(p, number), LNKEEP_DONE, "settle, disk full"); break;
    case FATE_FAILED:
        expect_status(fail(p, number, 0, 0), LNKEEP_DONE, "failing, disk full");
        expect_status(give_payment_up(p, number), LNKEEP_DONE, "giving up, disk full");
        break;
    case FATE_FORCED:
        expect_status(lnkeep_attempts_mark_handed_off(p->attempts, &key, NULL, NULL), LNKEEP_DONE,
                      "mark, disk full");
        expect_status(fail(p, number, 0, LNKEEP_FAIL_FORCED), LNKEEP_DONE, "force, disk full");
        break;
    case FATE_INITIATED:
        expect_status(add_part(p, number, 0), LNKEEP_NO_SPACE, "registering, disk full");
        break;
    case FATE_DELETED:
        expect_status(settle(p, number), LNKEEP_DONE, "settle, disk full");
        expect_status(delete_with(p, number, 0), LNKEEP_DONE, "delete, disk full");
        break;
    case FATE_PRUNED:
        expect_status(fail(p, number, 1, 0), LNKEEP_DONE, "failing, disk full");
        expect_status(settle(p, number), LNKEEP_DONE, "settle, disk full");
        expect_status(delete_with(p, number, LNKEEP_DELETE_FAILED_ATTEMPTS), LNKEEP_DONE,
                      "prune, disk full");
        break;
    case FATES: break;
    }
}

void payments_finish_while_full(const struct paying *p) {
    for (uint64_t number = p->first; number < p->first + PAYMENTS_PER_CYCLE; number++) {
        finish_one(p, number);
    }
    uint64_t new_one = p->first + PAYMENTS_PER_CYCLE;
    expect_status(init(p, new_one), LNKEEP_NO_SPACE, "a payment's init, disk full");
}

/* A part and its record tell the same. */
static void check_record(const struct paying *p, uint64_t number, unsigned part, uint32_t state) {
    lnkeep_attempt_key key = part_key(number, part);
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(p->attempts, &key, &attempt, NULL);
    int is_acked = status == LNKEEP_DONE && (attempt->flags & LNKEEP_ATTEMPT_ACKED) != 0;
    if (state == 0 ? status != LNKEEP_NOT_FOUND
                   : status != LNKEEP_DONE || attempt->state != state || !is_acked) {
        finding(FOUND_HALF, "payment %llu, part %u: its record answers %s",
                (unsigned long long)number, part, lnkeep_status_name(status));
    }
    lnkeep_attempt_free(attempt);
}

static void check_one(const struct paying *p, uint64_t number, int is_full) {
    static const struct {
        uint32_t status, record; /* of the payment; of its first part's record */
        size_t parts;
        lnkeep_status init; /* asked for again */
    } wanted[FATES] = {
        [FATE_SETTLED] = {3, LNKEEP_STATE_SETTLED, 1, LNKEEP_ALREADY_PAID},
        [FATE_FAILED] = {4, LNKEEP_STATE_FAILED, 1, LNKEEP_DONE},
        [FATE_FORCED] = {2, LNKEEP_STATE_FAILED, 1, LNKEEP_PAYMENT_IN_FLIGHT},
        [FATE_INITIATED] = {1, 0, 0, LNKEEP_ALREADY_EXISTS},
        [FATE_DELETED] = {0, LNKEEP_STATE_SETTLED, 0, LNKEEP_ALREADY_PAID},
        [FATE_PRUNED] = {3, LNKEEP_STATE_SETTLED, 1, LNKEEP_ALREADY_PAID},
    };
    enum fate fate = fate_of(number);
    uint8_t hash[32];
    lnkeep_payment *payment = NULL;
    hash_of(number, hash);
    lnkeep_status status = lnkeep_payments_fetch(p->payments, hash, &payment, NULL);
    int is_gone = status == LNKEEP_PAYMENT_NOT_INITIATED;
    if (status != LNKEEP_DONE && !is_gone) {
        finding(FOUND_LOST, "payment %llu: %s", (unsigned long long)number,
                lnkeep_status_name(status));
    } else if (wanted[fate].status != (is_gone ? 0 : payment->status) ||
               wanted[fate].parts != (is_gone ? 0 : payment->attempts_len)) {
        finding(FOUND_LOST, "payment %llu: status %u", (unsigned long long)number,
                is_gone ? 0 : payment->status);
    }
    lnkeep_payment_free(payment);
    check_record(p, number, 0, wanted[fate].record);
    if (fate == FATE_PRUNED) check_record(p, number, 1, LNKEEP_STATE_FAILED);
    /* What failed would start over. */
    if (wanted[fate].init == LNKEEP_DONE) return;
    status = init(p, number);
    if (status == (is_full ? LNKEEP_NO_SPACE : wanted[fate].init)) return;
    finding(status == LNKEEP_DONE ? FOUND_PAID_TWICE : FOUND_STATUS,
            "payment %llu, asked for again: %s", (unsigned long long)number,
            lnkeep_status_name(status));
}

/* The control sends what it was refused, and so has to find it. */
static void check_ignored(const struct paying *p) {
    uint8_t hash[32];
    lnkeep_payment *payment = NULL;
    hash_of(p->first + PAYMENTS_PER_CYCLE, hash);
    lnkeep_status status = lnkeep_payments_fetch(p->payments, hash, &payment, NULL);
    lnkeep_payment_free(payment);
    if (status != LNKEEP_DONE) finding(FOUND_LOST, "a payment: %s", lnkeep_status_name(status));
}

void payments_check(const struct paying *p, int is_full) {
    if (p->ignores) check_ignored(p);
    for (uint64_t number = p->first; number < p->first + PAYMENTS_PER_CYCLE; number++) {
        check_one(p, number, is_full);
    }
}

void payments_end(const struct paying *p) {
    for (uint64_t number = p->first; number < p->first + PAYMENTS_PER_CYCLE; number++) {
        enum fate fate = fate_of(number);
        if (fate == FATE_INITIATED) {
            expect_status(add_part(p, number, 0), LNKEEP_DONE, "registering what was refused");
            expect_status(fail(p, number, 0, 0), LNKEEP_DONE, "failing");
        }
        if (fate == FATE_INITIATED || fate == FATE_FORCED) {
            expect_status(give_payment_up(p, number), LNKEEP_DONE, "giving up");
        }
        uint32_t flags = fate == FATE_DELETED ? LNKEEP_DELETE_TOMBSTONE : LNKEEP_DELETE_FORGET;
        expect_status(delete_with(p, number, flags), LNKEEP_DONE, "deleting");
    }
    uint64_t new_one = p->first + PAYMENTS_PER_CYCLE;
    expect_status(init(p, new_one), LNKEEP_DONE, "the refused payment, on a disk with room");
    expect_status(give_payment_up(p, new_one), LNKEEP_DONE, "giving up");
    expect_status(delete_with(p, new_one, 0), LNKEEP_DONE, "deleting");
}

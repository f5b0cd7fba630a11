/* Requests, single calls and commits of many; see payments.h. */
#include "payments.h"

#include <string.h>

/* The host's bytes are opaque to the library: what counts is how many there are. */
static const uint8_t host_bytes[512];
static uint8_t preimage[32];

void tower_open(struct tower *tower, const char *folder, uint32_t flags)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    memset(preimage, PREIMAGE_BYTE, sizeof preimage);
    keep_open(&tower->keep, folder, flags);
    keep_must(lnkeep_payments_open(tower->keep.store, NULL, &tower->payments, &err), &err);
}

void tower_close(struct tower *tower)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_payments_close(&tower->payments, &err), &err);
    keep_close(&tower->keep);
}

void tower_hash(uint64_t payment, uint8_t hash[32])
{
    for (uint64_t word = 0; word < 4; word++) {
        uint64_t bits = scatter(4 * payment + word);
        memcpy(hash + 8 * word, &bits, sizeof bits);
    }
}

static lnkeep_bytes bytes_of(size_t len)
{
    return (lnkeep_bytes){host_bytes, len};
}

static lnkeep_payment_init payment_request(uint64_t payment)
{
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    tower_hash(payment, init.payment_hash);
    init.amount_msat = PAYMENT_MSAT;
    init.created_unix_ns = payment;
    init.payment_request = bytes_of(PAYMENT_REQUEST_BYTES);
    return init;
}

/* All attempts share one hash whose preimage is known, as the children of an AMP set have their own. */
static lnkeep_payment_attempt_request attempt_request(uint64_t attempt, unsigned parts)
{
    lnkeep_payment_attempt_request request = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    request.key.id = attempt;
    request.amount_msat = PAYMENT_MSAT / parts;
    request.fee_msat = 1000;
    request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_HASH | LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    request.hop_count = 4;
    memcpy(request.attempt_hash, keep_settle_hash, sizeof request.attempt_hash);
    request.mpp_total_msat = PAYMENT_MSAT;
    request.cltv_expiry = 900000;
    request.first_hop_scid = UINT64_C(7) << 40;
    request.sent_unix_ns = attempt;
    request.route = bytes_of(ROUTE_BYTES);
    request.session_key = bytes_of(SESSION_KEY_BYTES);
    return request;
}

void tower_init(const struct tower *tower, uint64_t payment)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment_init init = payment_request(payment);
    lnkeep_payment *after = NULL;
    keep_must(lnkeep_payments_init(tower->payments, &init, &after, NULL, &err), &err);
    must(after->status == LNKEEP_PAYMENT_STATUS_INITIATED, "the status after an init");
    lnkeep_payment_free(after);
}

void tower_register(const struct tower *tower, uint64_t payment)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_payment_attempt_request request = attempt_request(payment, 1);
    lnkeep_payment *after = NULL;
    uint8_t hash[32];
    tower_hash(payment, hash);
    keep_must(lnkeep_payments_register(tower->payments, hash, &request, LNKEEP_REGISTER_WITH_RECORD,
                                       &after, NULL, &err), &err);
    must(after->in_flight == 1, "the attempts after a register");
    lnkeep_payment_free(after);
}

void tower_hand_off(const struct tower *tower, uint64_t payment)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_attempt_key key = {.id = payment};
    keep_must(lnkeep_attempts_mark_handed_off(tower->keep.attempts, &key, NULL, &err), &err);
}

void tower_settle(const struct tower *tower, uint64_t payment)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_attempt_key key = {.id = payment};
    lnkeep_payment *after = NULL;
    uint8_t hash[32];
    tower_hash(payment, hash);
    keep_must(lnkeep_payments_settle(tower->payments, hash, &key, preimage, payment, 0, &after, NULL,
                                     &err), &err);
    must(after->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED, "the status after a settle");
    lnkeep_payment_free(after);
}

static lnkeep_op ops[FILL_ROWS];

static void submit(const struct tower *tower, size_t len)
{
    static lnkeep_outcome outcomes[FILL_ROWS];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_submit(tower->keep.store, ops, len, 0, outcomes, &err), &err);
}

void tower_init_all(const struct tower *tower, const uint64_t *payments, size_t len)
{
    static lnkeep_payment_init requests[FILL_ROWS];
    for (size_t i = 0; i < len; i++) {
        requests[i] = payment_request(payments[i]);
        ops[i] = (lnkeep_op){.kind = LNKEEP_OP_PAYMENT_INIT, .component = tower->payments.bits};
        ops[i].body.payment_init.init = &requests[i];
    }
    submit(tower, len);
}

void tower_register_all(const struct tower *tower, const uint64_t *payments, const uint64_t *attempts,
                        size_t len, unsigned parts)
{
    static lnkeep_payment_attempt_request requests[FILL_ROWS];
    for (size_t i = 0; i < len; i++) {
        requests[i] = attempt_request(attempts[i], parts);
        ops[i] = (lnkeep_op){.kind = LNKEEP_OP_PAYMENT_REGISTER,
                             .flags = LNKEEP_REGISTER_WITH_RECORD,
                             .component = tower->payments.bits};
        tower_hash(payments[i], ops[i].body.payment_register.payment_hash);
        ops[i].body.payment_register.attempt = &requests[i];
    }
    submit(tower, len);
}

void tower_hand_off_all(const struct tower *tower, const uint64_t *attempts, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ops[i] = (lnkeep_op){.kind = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF,
                             .component = tower->keep.attempts.bits};
        ops[i].body.attempt_key.id = attempts[i];
    }
    submit(tower, len);
}

void tower_settle_all(const struct tower *tower, const uint64_t *payments, const uint64_t *attempts,
                      size_t len)
{
    for (size_t i = 0; i < len; i++) {
        ops[i] = (lnkeep_op){.kind = LNKEEP_OP_PAYMENT_SETTLE, .component = tower->payments.bits};
        lnkeep_op_payment_settle *settle = &ops[i].body.payment_settle;
        tower_hash(payments[i], settle->payment_hash);
        settle->key.id = attempts[i];
        settle->settled_unix_ns = payments[i];
        memcpy(settle->preimage, preimage, sizeof preimage);
    }
    submit(tower, len);
}

/* Payments in the stores that are damaged: how they are made, and asked for once more. */

#include "damage.h"

#include <stdio.h>
#include <string.h>

enum {
    BATCH = 120,
    FIRST_PART = 1000000,
    AMOUNT_MSAT = 50000,
    ROUNDS = 7,
    FATES = 8,
    KEY_TEXT = 24,
};

/* What becomes of a payment. */
enum fate {
    FATE_PAID,
    FATE_FAILED,
    FATE_IN_FLIGHT, /* in two parts, of which one was handed off */
    FATE_INITIATED,
    FATE_DELETED, /* after it was paid: its hash stays refused */
    FATE_PAID_IN_PART, /* of two parts one failed */
    FATE_FORGOTTEN, /* paid, and forgotten where the shape deletes */
    FATE_AGAIN, /* failed, and initiated again */
};

static enum fate fate_of(size_t number) { return (enum fate)(number % FATES); }

static int is_in_two(size_t number) {
    return fate_of(number) == FATE_IN_FLIGHT || fate_of(number) == FATE_PAID_IN_PART;
}

static void preimage_of(size_t number, uint8_t preimage[32]) {
    memset(preimage, 0x5a, 32);
    memcpy(preimage, &(uint64_t){number}, sizeof(uint64_t));
}

void base_payment_hash(size_t number, uint8_t hash[32]) {
    uint8_t preimage[32];
    preimage_of(number, preimage);
    sha256(preimage, sizeof preimage, hash);
}

static lnkeep_attempt_key part_key(size_t number, unsigned part) {
    lnkeep_attempt_key key = {.id = FIRST_PART + 2 * number + part};
    key.namespace_bytes[15] = 5;
    return key;
}

static int has_key(size_t number) { return number % 2 == 1; }

/* A request; the second one of a payment that starts over has a key of its own. */
static lnkeep_payment_init init_of(const struct making *m, size_t number, int again, char *key) {
    static uint8_t request[8192];
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    uint64_t chance = 1;
    if (request[0] == 0) chance_fill(&chance, request, sizeof request);
    base_payment_hash(number, init.payment_hash);
    init.amount_msat = AMOUNT_MSAT;
    init.created_unix_ns = 1700000000000000000u + number;
    init.payment_request = (lnkeep_bytes){request + number % 64, m->request_bytes};
    if (!has_key(number)) return init;
    int len = snprintf(key, KEY_TEXT, "order %zu.%d", number, again);
    init.idempotency_key = (lnkeep_bytes){(const uint8_t *)key, (size_t)len};
    return init;
}

static lnkeep_payment_attempt_request part_of(size_t number, unsigned part) {
    static uint8_t route[200];
    lnkeep_payment_attempt_request request = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    uint64_t chance = 2;
    if (route[0] == 0) chance_fill(&chance, route, sizeof route);
    request.key = part_key(number, part);
    request.amount_msat = is_in_two(number) ? AMOUNT_MSAT / 2 : AMOUNT_MSAT;
    request.fee_msat = 5 + number % 7;
    request.hop_count = 3;
    request.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
    request.mpp_total_msat = AMOUNT_MSAT;
    request.cltv_expiry = 800100;
    request.route = (lnkeep_bytes){route + number % 32, 100};
    return request;
}

/* The operations of one submission, and what they point to. */
struct filling {
    size_t len;
    lnkeep_op ops[BATCH];
    lnkeep_payment_init inits[BATCH];
    lnkeep_payment_attempt_request parts[BATCH];
    char keys[BATCH][KEY_TEXT];
};

static lnkeep_op *next_op(const struct making *m, struct filling *f, uint32_t kind) {
    lnkeep_op *op = &f->ops[f->len];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    int is_record = kind < LNKEEP_OP_PAYMENT_INIT;
    op->component = is_record ? m->attempts.bits : m->payments.bits;
    return op;
}

static void add_init(const struct making *m, struct filling *f, size_t number, int again) {
    lnkeep_op *op = next_op(m, f, LNKEEP_OP_PAYMENT_INIT);
    f->inits[f->len] = init_of(m, number, again, f->keys[f->len]);
    op->body.payment_init.init = &f->inits[f->len++];
}

static void add_part(const struct making *m, struct filling *f, size_t number, unsigned part) {
    lnkeep_op *op = next_op(m, f, LNKEEP_OP_PAYMENT_REGISTER);
    op->flags = LNKEEP_REGISTER_WITH_RECORD;
    f->parts[f->len] = part_of(number, part);
    base_payment_hash(number, op->body.payment_register.payment_hash);
    op->body.payment_register.attempt = &f->parts[f->len++];
}

static void add_settle(const struct making *m, struct filling *f, size_t number) {
    lnkeep_op *op = next_op(m, f, LNKEEP_OP_PAYMENT_SETTLE);
    base_payment_hash(number, op->body.payment_settle.payment_hash);
    op->body.payment_settle.key = part_key(number, 0);
    preimage_of(number, op->body.payment_settle.preimage);
    f->len++;
}

static void add_failure(const struct making *m, struct filling *f, size_t number, unsigned part) {
    lnkeep_op *op = next_op(m, f, LNKEEP_OP_PAYMENT_FAIL_ATTEMPT);
    base_payment_hash(number, op->body.payment_fail_attempt.payment_hash);
    op->body.payment_fail_attempt.key = part_key(number, part);
    op->body.payment_fail_attempt.failure.reason = LNKEEP_ATTEMPT_FAILURE_INTERNAL;
    f->len++;
}

static void add_end(const struct making *m, struct filling *f, size_t number, uint32_t kind,
                    uint32_t flags) {
    lnkeep_op *op = next_op(m, f, kind);
    op->flags = flags;
    if (kind == LNKEEP_OP_PAYMENT_FAIL) {
        base_payment_hash(number, op->body.payment_fail.payment_hash);
        op->body.payment_fail.reason = LNKEEP_PAYMENT_REASON_TIMEOUT;
    } else {
        base_payment_hash(number, op->body.payment_delete.payment_hash);
    }
    f->len++;
}

static void add_mark(const struct making *m, struct filling *f, size_t number) {
    next_op(m, f, LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF)->body.attempt_key = part_key(number, 0);
    f->len++;
}

/* What happens to a payment in one round, if anything does. */
static void add_round(const struct making *m, struct filling *f, size_t number, unsigned round) {
    enum fate fate = fate_of(number);
    int fails = fate == FATE_FAILED || fate == FATE_AGAIN;
    int is_paid = fate == FATE_PAID || fate == FATE_DELETED || fate == FATE_FORGOTTEN;
    switch (round) {
    case 0: add_init(m, f, number, 0); break;
    case 1:
        if (fate != FATE_INITIATED) add_part(m, f, number, 0);
        break;
    case 2:
        if (is_in_two(number)) add_part(m, f, number, 1);
        break;
    case 3:
        if (is_paid) add_settle(m, f, number);
        if (fails) add_failure(m, f, number, 0);
        if (fate == FATE_IN_FLIGHT) add_mark(m, f, number);
        if (fate == FATE_PAID_IN_PART) add_failure(m, f, number, 1);
        break;
    case 4:
        if (fails) add_end(m, f, number, LNKEEP_OP_PAYMENT_FAIL, 0);
        if (fate == FATE_PAID_IN_PART) add_settle(m, f, number);
        break;
    case 5:
        if (fate == FATE_DELETED) add_end(m, f, number, LNKEEP_OP_PAYMENT_DELETE, 0);
        if (fate == FATE_FORGOTTEN && m->forgets) {
            add_end(m, f, number, LNKEEP_OP_PAYMENT_DELETE, LNKEEP_DELETE_FORGET);
        }
        break;
    default:
        if (fate == FATE_AGAIN) add_init(m, f, number, 1);
        break;
    }
}

static lnkeep_status submit(const struct making *m, struct filling *f) {
    static lnkeep_outcome outcomes[BATCH];
    size_t len = f->len;
    f->len = 0;
    return len ? lnkeep_submit(m->store, f->ops, len, 0, outcomes, NULL) : LNKEEP_DONE;
}

lnkeep_status base_add_payments(const struct making *m, size_t from, size_t len, size_t batch) {
    static struct filling f;
    f.len = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        lnkeep_status status = LNKEEP_DONE;
        for (size_t number = from; number < from + len && status == LNKEEP_DONE; number++) {
            add_round(m, &f, number, round);
            if (f.len >= batch) status = submit(m, &f);
        }
        if (status == LNKEEP_DONE) status = submit(m, &f);
        if (status != LNKEEP_DONE) return status;
    }
    struct truth *truth = m->truth;
    for (size_t number = from; number < from + len; number++) {
        unsigned parts = fate_of(number) == FATE_INITIATED ? 0 : is_in_two(number) ? 2 : 1;
        for (unsigned part = 0; part < parts; part++) {
            truth->ids[truth->ids_len++].key = part_key(number, part);
        }
    }
    truth->payments_len = from + len;
    return LNKEEP_DONE;
}

void base_ask_payments(const struct making *m, size_t len, int by_key, lnkeep_status *answers) {
    static struct filling f;
    static lnkeep_outcome outcomes[BATCH];
    for (size_t from = 0; from < len; from += BATCH) {
        size_t part = len - from < BATCH ? len - from : BATCH;
        f.len = 0;
        for (size_t i = 0; i < part; i++) {
            add_init(m, &f, from + i, fate_of(from + i) == FATE_AGAIN);
            if (!by_key) f.inits[i].idempotency_key = (lnkeep_bytes){0};
        }
        lnkeep_status status = lnkeep_submit(m->store, f.ops, part, 0, outcomes, NULL);
        int is_told = status == LNKEEP_DONE || status == LNKEEP_BATCH;
        for (size_t i = 0; i < part; i++) {
            answers[from + i] = is_told ? outcomes[i].status : status;
        }
    }
}

lnkeep_status base_ask_payment(const struct making *m, size_t number) {
    char key[KEY_TEXT];
    lnkeep_payment_init init = init_of(m, number, 0, key);
    init.idempotency_key = (lnkeep_bytes){0};
    return lnkeep_payments_init(m->payments, &init, NULL, NULL, NULL);
}

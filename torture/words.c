/* The workload in the words of the library. */

#include "common.h"
#include "words.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_ID = 1000 };

lnkeep_attempt_key slot_key(const struct model *model, unsigned slot) {
    lnkeep_attempt_key key = {.id = FIRST_ID + slot};
    if (slot >= PARTS_FROM) {
        key.namespace_bytes[15] = 3;
    } else if (slot >= CHOSEN_SLOTS) {
        key.namespace_bytes[15] = 2;
        key.id = model->allocated[slot];
    } else {
        key.namespace_bytes[15] = slot % 3 == 0;
    }
    return key;
}

unsigned slot_of(const struct model *model, const uint8_t *name_space, uint64_t id) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        lnkeep_attempt_key key = slot_key(model, slot);
        if (key.id == id && memcmp(key.namespace_bytes, name_space, 16) == 0) return slot;
    }
    return SLOTS;
}

lnkeep_attempt_request slot_request(const struct model *model, unsigned slot) {
    /* What else the record of a part says, the library wrote; a request without it is no other. */
    if (slot >= PARTS_FROM) return (lnkeep_attempt_request){.key = slot_key(model, slot)};
    lnkeep_attempt_request request = {
        .key = slot_key(model, slot),
        .present = LNKEEP_HAS_FINGERPRINT | (slot % 2 ? LNKEEP_HAS_PAYMENT_HASH : 0),
        .cltv_expiry = 800000 + slot,
        .amount_msat = 1000 * (slot + 1),
        .first_hop_scid = slot,
    };
    memset(request.fingerprint, (int)slot, sizeof request.fingerprint);
    uint8_t ones[32];
    memset(ones, 1, sizeof ones);
    if (slot % 2) sha256(ones, sizeof ones, request.payment_hash);
    return request;
}

lnkeep_bytes slot_external_key(unsigned slot, char text[16]) {
    int len = snprintf(text, 16, "payment %u", slot);
    return (lnkeep_bytes){(const uint8_t *)text, (size_t)len};
}

lnkeep_bytes seed_message(unsigned seed) {
    /* Among them one that needs overflow pages of the engine. */
    static const unsigned lens[8] = {0, 20, 100, 300, 1000, 3000, 17, MESSAGE_MAX};
    static uint8_t message[MESSAGE_MAX];
    unsigned len = lens[seed % 8];
    uint64_t chance = seed;
    chance_fill(&chance, message, len);
    return (lnkeep_bytes){message, len};
}

lnkeep_attempt_result op_result(const struct op *op) {
    lnkeep_attempt_result result = {.kind = LNKEEP_RESULT_FAIL, .message = seed_message(op->seed)};
    if (op->kind == OP_SETTLE) {
        result.kind = LNKEEP_RESULT_SETTLE;
        if (op->slot >= PARTS_FROM) part_preimage(op->payment, op->slot, result.preimage);
        else memset(result.preimage, 1, sizeof result.preimage);
    }
    if (op->kind == OP_ROLLBACK) {
        result.flags = LNKEEP_RESULT_UNENCRYPTED;
        result.failure_code = 0x2002; /* BOLT 4: temporary_node_failure */
    }
    return result;
}

uint64_t result_digest(const lnkeep_attempt_result *result) {
    uint64_t digest = digest_add(DIGEST_START, &result->kind, sizeof result->kind);
    digest = digest_add(digest, &result->flags, sizeof result->flags);
    digest = digest_add(digest, &result->failure_code, sizeof result->failure_code);
    digest = digest_add(digest, result->preimage, sizeof result->preimage);
    return digest_add(digest, result->message.ptr, result->message.len);
}

/* The words of an operation have to last until the library has read all operations. */
static lnkeep_bytes kept(lnkeep_bytes message, struct op_words *words) {
    memcpy(words->message, message.ptr, message.len);
    return (lnkeep_bytes){words->message, message.len};
}

static void set_record_body(lnkeep_op *out, const struct model *model, const struct op *op,
                            struct op_words *words) {
    lnkeep_attempt_result result = op_result(op);
    switch ((enum op_kind)op->kind) {
    case OP_INIT: out->body.attempt_init = slot_request(model, op->slot); break;
    case OP_SETTLE:
    case OP_FAIL:
        result.message = kept(result.message, words);
        out->body.attempt_result.key = slot_key(model, op->slot);
        out->body.attempt_result.result = result;
        break;
    case OP_ROLLBACK:
        out->body.attempt_rollback.key = slot_key(model, op->slot);
        out->body.attempt_rollback.message = kept(result.message, words);
        break;
    case OP_ALLOCATE:
        out->body.attempt_allocate.namespace_bytes[15] = 2;
        out->body.attempt_allocate.external_key = slot_external_key(op->slot, words->key);
        break;
    default: out->body.attempt_key = slot_key(model, op->slot); break;
    }
}

static void set_fail_body(lnkeep_op_payment_fail_attempt *body, const struct op *op,
                          struct op_words *words) {
    payment_hash(op->payment, body->payment_hash);
    body->key = slot_key(NULL, op->slot);
    body->failure = part_failure(op->slot, op->seed);
    body->failure.message = kept(body->failure.message, words);
    if (op->kind == OP_PART_FORCE) body->note = force_note(op->seed, words->key);
}

static void set_payment_body(lnkeep_op *out, const struct op *op, struct op_words *words) {
    switch ((enum op_kind)op->kind) {
    case OP_PAYMENT_INIT:
        words->init = init_request(op->payment, op->seed, words);
        out->body.payment_init.init = &words->init;
        break;
    case OP_REGISTER:
        words->attempt = part_request(op->payment, op->slot, op->seed, words);
        payment_hash(op->payment, out->body.payment_register.payment_hash);
        out->body.payment_register.attempt = &words->attempt;
        break;
    case OP_PART_SETTLE:
        payment_hash(op->payment, out->body.payment_settle.payment_hash);
        out->body.payment_settle.key = slot_key(NULL, op->slot);
        out->body.payment_settle.settled_unix_ns = settle_unix_ns(op->slot);
        op_preimage(op, out->body.payment_settle.preimage);
        break;
    case OP_PART_FAIL:
    case OP_PART_FORCE: set_fail_body(&out->body.payment_fail_attempt, op, words); break;
    case OP_GIVE_UP:
        payment_hash(op->payment, out->body.payment_fail.payment_hash);
        out->body.payment_fail.reason = give_up_reason(op->seed);
        break;
    default: payment_hash(op->payment, out->body.payment_delete.payment_hash); break;
    }
}

lnkeep_op op_for_library(const struct model *model, const struct op *op, uint64_t attempts,
                         uint64_t payments, struct op_words *words) {
    static const struct {
        uint32_t kind, flags;
    } tags[] = {
        [OP_INIT] = {LNKEEP_OP_ATTEMPT_INIT, 0},
        [OP_MARK] = {LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, 0},
        [OP_SETTLE] = {LNKEEP_OP_ATTEMPT_STORE_RESULT, 0},
        [OP_FAIL] = {LNKEEP_OP_ATTEMPT_STORE_RESULT, 0},
        [OP_ROLLBACK] = {LNKEEP_OP_ATTEMPT_FAIL_PENDING, 0},
        [OP_ACK] = {LNKEEP_OP_ATTEMPT_ACK, 0},
        [OP_DELETE] = {LNKEEP_OP_ATTEMPT_DELETE, 0},
        [OP_FORGET] = {LNKEEP_OP_ATTEMPT_DELETE, LNKEEP_DELETE_FORGET},
        [OP_ALLOCATE] = {LNKEEP_OP_ATTEMPT_ALLOCATE, 0},
        [OP_PAYMENT_INIT] = {LNKEEP_OP_PAYMENT_INIT, 0},
        [OP_REGISTER] = {LNKEEP_OP_PAYMENT_REGISTER, 0},
        [OP_PART_SETTLE] = {LNKEEP_OP_PAYMENT_SETTLE, 0},
        [OP_PART_FAIL] = {LNKEEP_OP_PAYMENT_FAIL_ATTEMPT, 0},
        [OP_PART_FORCE] = {LNKEEP_OP_PAYMENT_FAIL_ATTEMPT, LNKEEP_FAIL_FORCED},
        [OP_GIVE_UP] = {LNKEEP_OP_PAYMENT_FAIL, 0},
        [OP_PAYMENT_DELETE] = {LNKEEP_OP_PAYMENT_DELETE, 0},
        [OP_PAYMENT_FORGET] = {LNKEEP_OP_PAYMENT_DELETE, LNKEEP_DELETE_FORGET},
        [OP_PRUNE] = {LNKEEP_OP_PAYMENT_DELETE, LNKEEP_DELETE_FAILED_ATTEMPTS},
        [OP_DROP_TOMBSTONE] = {LNKEEP_OP_PAYMENT_DELETE, LNKEEP_DELETE_TOMBSTONE},
    };
    lnkeep_op out = {.kind = tags[op->kind].kind, .flags = tags[op->kind].flags};
    out.component = op_is_payment(op) ? payments : attempts;
    if (op->kind == OP_REGISTER && part_is_tracked(op->seed)) {
        out.flags = LNKEEP_REGISTER_WITH_RECORD;
    }
    if (op_is_payment(op)) set_payment_body(&out, op, words);
    else set_record_body(&out, model, op, words);
    return out;
}

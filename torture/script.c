/* Makes the workload, and says the same attempts in the words of the library. */

#include "common.h"
#include "model.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_ID = 1000 };

/* SHA-256 of 32 bytes of 1: the payment hash of attempts that are settled with that preimage. */
static const uint8_t hash_of_ones[32] = {
    0x72, 0xcd, 0x6e, 0x84, 0x22, 0xc4, 0x07, 0xfb, 0x6d, 0x09, 0x86, 0x90, 0xf1, 0x13, 0x0b, 0x7d,
    0xed, 0x7e, 0xc2, 0xf7, 0xf5, 0xe1, 0xd3, 0x0b, 0xd9, 0xd5, 0x21, 0xf0, 0x15, 0x36, 0x37, 0x93,
};

lnkeep_attempt_key slot_key(const struct model *model, unsigned slot) {
    lnkeep_attempt_key key = {.id = FIRST_ID + slot};
    if (slot >= CHOSEN_SLOTS) {
        key.namespace_bytes[15] = 2;
        key.id = model->allocated[slot];
    } else {
        key.namespace_bytes[15] = slot % 3 == 0;
    }
    return key;
}

unsigned slot_of(const struct model *model, const uint8_t *subject, uint64_t id) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        lnkeep_attempt_key key = slot_key(model, slot);
        if (key.id == id && memcmp(key.namespace_bytes, subject, 16) == 0) return slot;
    }
    return SLOTS;
}

lnkeep_attempt_request slot_request(const struct model *model, unsigned slot) {
    lnkeep_attempt_request request = {
        .key = slot_key(model, slot),
        .present = LNKEEP_HAS_FINGERPRINT | (slot % 2 ? LNKEEP_HAS_PAYMENT_HASH : 0),
        .cltv_expiry = 800000 + slot,
        .amount_msat = 1000 * (slot + 1),
        .first_hop_scid = slot,
    };
    memset(request.fingerprint, (int)slot, sizeof request.fingerprint);
    if (slot % 2) memcpy(request.payment_hash, hash_of_ones, sizeof hash_of_ones);
    return request;
}

lnkeep_bytes slot_external_key(unsigned slot, char text[16]) {
    int len = snprintf(text, 16, "payment %u", slot);
    return (lnkeep_bytes){(const uint8_t *)text, (size_t)len};
}

lnkeep_attempt_result op_result(const struct op *op) {
    /* Among them one that needs overflow pages of the engine. */
    static const unsigned lens[8] = {0, 20, 100, 300, 1000, 3000, 17, MESSAGE_MAX};
    static uint8_t message[MESSAGE_MAX];
    unsigned len = lens[op->seed % 8];
    uint64_t chance = op->seed;
    chance_fill(&chance, message, len);
    lnkeep_attempt_result result = {.message = {message, len}};
    result.kind = op->kind == OP_SETTLE ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL;
    if (op->kind == OP_SETTLE) memset(result.preimage, 1, sizeof result.preimage);
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

static void set_result_body(lnkeep_op *out, const struct model *model, const struct op *op) {
    out->body.attempt_result.key = slot_key(model, op->slot);
    out->body.attempt_result.result = op_result(op);
}

lnkeep_op op_for_library(const struct model *model, const struct op *op, uint64_t component) {
    static const uint32_t kinds[] = {
        [OP_INIT] = LNKEEP_OP_ATTEMPT_INIT,
        [OP_MARK] = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF,
        [OP_SETTLE] = LNKEEP_OP_ATTEMPT_STORE_RESULT,
        [OP_FAIL] = LNKEEP_OP_ATTEMPT_STORE_RESULT,
        [OP_ROLLBACK] = LNKEEP_OP_ATTEMPT_FAIL_PENDING,
        [OP_ACK] = LNKEEP_OP_ATTEMPT_ACK,
        [OP_DELETE] = LNKEEP_OP_ATTEMPT_DELETE,
        [OP_FORGET] = LNKEEP_OP_ATTEMPT_DELETE,
        [OP_ALLOCATE] = LNKEEP_OP_ATTEMPT_ALLOCATE,
    };
    static char external_key[16];
    lnkeep_op out = {.kind = kinds[op->kind], .component = component};
    switch ((enum op_kind)op->kind) {
    case OP_INIT: out.body.attempt_init = slot_request(model, op->slot); break;
    case OP_SETTLE:
    case OP_FAIL: set_result_body(&out, model, op); break;
    case OP_ROLLBACK:
        out.body.attempt_rollback.key = slot_key(model, op->slot);
        out.body.attempt_rollback.message = op_result(op).message;
        break;
    case OP_ALLOCATE:
        out.body.attempt_allocate.namespace_bytes[15] = 2;
        out.body.attempt_allocate.external_key = slot_external_key(op->slot, external_key);
        break;
    case OP_FORGET: out.flags = LNKEEP_DELETE_FORGET; /* fall through */
    default: out.body.attempt_key = slot_key(model, op->slot); break;
    }
    return out;
}

/* How far an attempt's life has been written into the script, and whether it was forgotten. */
struct writing {
    struct script *script;
    struct model model;
    uint64_t chance;
    unsigned slots_used, allocated_used;
    uint8_t forgotten[SLOTS];
};

static unsigned new_slot(struct writing *w) {
    unsigned slot = w->slots_used;
    if (slot + 1 < CHOSEN_SLOTS) w->slots_used++;
    return slot;
}

/* A slot that was used before, and whose id may be used again without breaking a promise. */
static unsigned old_slot(struct writing *w) {
    unsigned slot = (unsigned)chance_below(&w->chance, w->slots_used + 1);
    while (w->forgotten[slot]) slot = (slot + 1) % CHOSEN_SLOTS;
    return slot;
}

static struct op random_op(struct writing *w, unsigned slot) {
    /* Mostly what a host does next, sometimes what it should not do. */
    static const uint8_t next[6][4] = {
        {OP_INIT, OP_INIT, OP_INIT, OP_FAIL},      {OP_MARK, OP_MARK, OP_ROLLBACK, OP_SETTLE},
        {OP_SETTLE, OP_FAIL, OP_SETTLE, OP_ROLLBACK}, {OP_ACK, OP_DELETE, OP_FAIL, OP_ACK},
        {OP_ACK, OP_SETTLE, OP_DELETE, OP_FORGET}, {OP_INIT, OP_MARK, OP_ACK, OP_SETTLE},
    };
    uint8_t kind = next[w->model.records[slot].state][chance_below(&w->chance, 4)];
    if (kind == OP_FORGET) w->forgotten[slot] = 1;
    return (struct op){kind, (uint8_t)chance_below(&w->chance, 256), (uint16_t)slot};
}

/* The whole life of one attempt in one call. */
static void write_life(struct writing *w, struct step *step) {
    static const uint8_t kinds[] = {OP_INIT, OP_MARK, OP_FAIL, OP_SETTLE, OP_ACK};
    uint16_t slot = (uint16_t)new_slot(w);
    step->ops_len = (uint8_t)(2 + chance_below(&w->chance, 4));
    for (unsigned i = 0; i < step->ops_len; i++) step->ops[i] = (struct op){kinds[i], 1, slot};
    /* Repeated, an acknowledgement that a settle took back would be given again. */
    if (step->ops_len == 5) step->ops_len = 4;
}

static int is_in_step(const struct step *step, unsigned len, unsigned slot) {
    for (unsigned i = 0; i < len; i++) {
        if (step->ops[i].slot == slot) return 1;
    }
    return 0;
}

/* Different attempts, so that a repeat of the whole call changes nothing. */
static void write_batch(struct writing *w, struct step *step) {
    step->ops_len = (uint8_t)(2 + chance_below(&w->chance, OPS_MAX - 1));
    unsigned slot = old_slot(w);
    for (unsigned i = 0; i < step->ops_len; i++) {
        step->ops[i] = random_op(w, slot);
        slot = i % 2 ? new_slot(w) : (slot + 7) % CHOSEN_SLOTS;
        while (w->forgotten[slot] || is_in_step(step, i + 1, slot)) {
            slot = (slot + 1) % CHOSEN_SLOTS;
        }
    }
}

static void write_single(struct writing *w, struct step *step) {
    uint64_t dice = chance_below(&w->chance, 10);
    step->ops_len = 1;
    if (dice == 0 && w->allocated_used < SLOTS - CHOSEN_SLOTS) {
        uint16_t slot = (uint16_t)(CHOSEN_SLOTS + w->allocated_used++);
        step->ops[0] = (struct op){OP_ALLOCATE, 0, slot};
    } else if (dice <= 2 && w->allocated_used > 0) {
        unsigned slot = CHOSEN_SLOTS + (unsigned)chance_below(&w->chance, w->allocated_used);
        struct op op = random_op(w, slot);
        step->ops[0] = w->forgotten[slot] ? (struct op){OP_ALLOCATE, 0, (uint16_t)slot} : op;
    } else {
        step->ops[0] = random_op(w, dice <= 5 ? new_slot(w) : old_slot(w));
    }
}

static void write_step(struct writing *w, struct step *step) {
    uint64_t dice = chance_below(&w->chance, 100);
    memset(step, 0, sizeof *step);
    step->kind = dice < 58   ? STEP_SINGLE
                 : dice < 76 ? STEP_BATCH
                 : dice < 84 ? STEP_ATOMIC
                 : dice < 87 ? STEP_TICK
                 : dice < 91 ? STEP_EVENTS
                 : dice < 93 ? STEP_CLEAN
                 : dice < 94 ? STEP_RECOVER
                 : dice < 97 ? STEP_REOPEN
                             : STEP_READ;
    switch ((enum step_kind)step->kind) {
    case STEP_SINGLE: write_single(w, step); break;
    case STEP_BATCH:
    case STEP_ATOMIC: dice % 2 ? write_life(w, step) : write_batch(w, step); break;
    case STEP_EVENTS: {
        /* An absolute number: a repeat must not acknowledge more than the first try did. */
        unsigned ahead = 1 + (unsigned)chance_below(&w->chance, 16);
        step->ops[0].slot = (uint16_t)(w->model.cursor_acked + ahead);
        break;
    }
    case STEP_READ: step->ops[0].slot = (uint16_t)old_slot(w); break;
    default: break;
    }
}

void script_make(struct script *script, uint64_t seed, unsigned steps_len) {
    struct writing w = {.script = script, .chance = seed};
    struct expect expect[OPS_MAX];
    if (steps_len > STEPS_MAX) give_up("the script is too long");
    memset(script, 0, sizeof *script);
    for (script->steps_len = 0; script->steps_len < steps_len; script->steps_len++) {
        struct step *step = &script->steps[script->steps_len];
        write_step(&w, step);
        model_apply(&w.model, step, 0, expect);
        for (unsigned i = 0; i < step->ops_len && step->kind <= STEP_ATOMIC; i++) {
            struct op *op = &step->ops[i];
            if (op->kind == OP_ALLOCATE) w.model.allocated[op->slot] = op->slot;
        }
    }
}

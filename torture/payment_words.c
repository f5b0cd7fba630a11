/* The payments of the workload in the words of the library. */

#include "words.h"

#include "common.h"

#include <stdio.h>
#include <string.h>

/* Far from any time that a tick tells, so that no result is the repeat of a resume's by chance. */
#define FIRST_UNIX_NS 2000000000000000000u

enum { SECRET_BYTES = 32, DESTINATION_BYTES = 33, BASE_MSAT = 12000 };

static int is_amp(unsigned payment) { return payment % AMP_EVERY == AMP_EVERY - 1; }

void part_preimage(unsigned payment, unsigned slot, uint8_t preimage[32]) {
    memset(preimage, (int)payment + 1, 32);
    if (is_amp(payment)) memcpy(preimage, &(uint32_t){slot}, sizeof(uint32_t));
}

void part_hash(unsigned payment, unsigned slot, uint8_t hash[32]) {
    uint8_t preimage[32];
    part_preimage(payment, slot, preimage);
    sha256(preimage, sizeof preimage, hash);
}

void payment_hash(unsigned payment, uint8_t hash[32]) {
    /* The identifier of an AMP payment is its set id, which is no hash of anything. */
    if (is_amp(payment)) memset(hash, 0xa0 + (int)payment, 32);
    else part_hash(payment, 0, hash);
}

unsigned payment_of(const uint8_t hash[32]) {
    static uint8_t hashes[PAYMENTS][32];
    static int is_filled;
    for (unsigned payment = 0; !is_filled && payment < PAYMENTS; payment++) {
        payment_hash(payment, hashes[payment]);
    }
    is_filled = 1;
    unsigned payment = 0;
    while (payment < PAYMENTS && memcmp(hash, hashes[payment], 32) != 0) payment++;
    return payment;
}

int init_has_key(unsigned payment) { return payment % 2 == 0; }

unsigned init_generation(unsigned seed) { return seed % GENERATIONS; }

uint64_t init_amount_msat(unsigned payment, unsigned seed) {
    uint64_t base = BASE_MSAT * (uint64_t)(payment + 1);
    return seed & 4 ? 2 * base : base;
}

int init_has_intent(unsigned seed) { return (seed & 32) != 0; }

static lnkeep_bytes filled(uint8_t *at, size_t len, unsigned seed, uint64_t chance) {
    chance_fill(&chance, at, len);
    at[0] = (uint8_t)seed;
    return (lnkeep_bytes){at, len};
}

static lnkeep_bytes text_of(char *text, size_t room, const char *format, unsigned one,
                            unsigned two) {
    int len = snprintf(text, room, format, one, two);
    return (lnkeep_bytes){(const uint8_t *)text, (size_t)len};
}

static void add_intent(lnkeep_payment_init *init, unsigned payment, struct op_words *words) {
    init->present = LNKEEP_PAYMENT_HAS_INTENT | LNKEEP_PAYMENT_HAS_DESTINATION;
    init->intent_fee_limit_msat = 77 + payment;
    memset(init->intent_destination, 2 + (int)payment, DESTINATION_BYTES);
    memset(words->secret, 0x60 + (int)payment, SECRET_BYTES);
    init->intent_data = (lnkeep_bytes){words->secret, SECRET_BYTES};
    if (!is_amp(payment)) return;
    init->present |= LNKEEP_PAYMENT_HAS_AMP_ROOT_SHARE;
    memset(init->intent_amp_root_share, 0x30 + (int)payment, SECRET_BYTES);
}

lnkeep_payment_init init_request(unsigned payment, unsigned seed, struct op_words *words) {
    /* Among them one that needs overflow pages of the engine. */
    static const unsigned lens[4] = {1, 40, 300, 5000};
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    payment_hash(payment, init.payment_hash);
    init.amount_msat = init_amount_msat(payment, seed);
    init.created_unix_ns = FIRST_UNIX_NS + 1000 * payment + seed;
    init.payment_request =
        filled(words->request, lens[seed >> 3 & 3], seed, 1000 + 256 * payment + seed);
    if (init_has_key(payment)) {
        init.idempotency_key = text_of(words->key, sizeof words->key, "payment %u key %u", payment,
                                       init_generation(seed));
    }
    if (payment % 5 == 0) {
        init.first_hop_records =
            text_of(words->records, sizeof words->records, "records %u %u", payment, seed);
    }
    if (init_has_intent(seed)) add_intent(&init, payment, words);
    return init;
}

int part_is_tracked(unsigned seed) { return seed % 8 != 0; }

uint64_t part_amount_msat(unsigned payment, unsigned seed) {
    static const unsigned divisors[4] = {4, 4, 2, 1};
    uint64_t whole = init_amount_msat(payment, seed & 32 ? 4 : 0);
    /* Without a record for parts there is only the whole, or what is refused. */
    if (payment % KINDS_OF_PARTS == 2) return seed & 64 ? whole - 1 : whole;
    return whole / divisors[seed >> 3 & 3];
}

uint64_t part_fee_msat(unsigned slot, unsigned seed) { return 3 * slot + seed % 16; }

static void add_totals(lnkeep_payment_attempt_request *part, unsigned payment) {
    uint64_t total_msat = init_amount_msat(payment, 0);
    if (payment % KINDS_OF_PARTS == 0) {
        part->present |= LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
        memset(part->mpp_payment_address, 0x50 + (int)payment, SECRET_BYTES);
        part->mpp_total_msat = total_msat;
    } else if (payment % KINDS_OF_PARTS == 1) {
        part->present |= LNKEEP_PAYMENT_ATTEMPT_IS_BLINDED;
        part->blinded_total_msat = total_msat;
    }
}

static void add_amp(lnkeep_payment_attempt_request *part, unsigned payment, unsigned slot) {
    part->present |= LNKEEP_PAYMENT_ATTEMPT_HAS_HASH | LNKEEP_PAYMENT_ATTEMPT_HAS_AMP;
    part_hash(payment, slot, part->attempt_hash);
    payment_hash(payment, part->amp_set_id);
    memset(part->amp_root_share, 0x70 + (int)payment, SECRET_BYTES);
    part->amp_child_index = slot;
}

lnkeep_payment_attempt_request part_request(unsigned payment, unsigned slot, unsigned seed,
                                            struct op_words *words) {
    static const unsigned lens[4] = {1, 80, 250, 2500};
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    part.key = slot_key(NULL, slot);
    part.amount_msat = part_amount_msat(payment, seed);
    part.fee_msat = part_fee_msat(slot, seed);
    part.hop_count = 1 + seed % 20;
    part.first_hop_scid = slot;
    part.cltv_expiry = 800000 + slot;
    part.sent_unix_ns = FIRST_UNIX_NS + slot;
    part.route = filled(words->request, lens[(slot + seed) % 4], seed, 9000 + slot);
    memset(words->secret, 0x40 + (int)slot, SECRET_BYTES);
    part.session_key = (lnkeep_bytes){words->secret, SECRET_BYTES};
    if (slot % 5 == 0) {
        part.present |= LNKEEP_PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT;
        part.first_hop_amount_msat = part.amount_msat + 1;
        part.first_hop_records =
            text_of(words->records, sizeof words->records, "records %u %u", slot, seed);
    }
    add_totals(&part, payment);
    if (is_amp(payment)) add_amp(&part, payment, slot);
    return part;
}

void op_preimage(const struct op *op, uint8_t preimage[32]) {
    part_preimage(op->payment, op->slot, preimage);
    if (op->seed % 16 == 15) preimage[31] ^= 1;
}

uint64_t settle_unix_ns(unsigned slot) { return FIRST_UNIX_NS + slot; }

lnkeep_payment_failure part_failure(unsigned slot, unsigned seed) {
    return (lnkeep_payment_failure){
        .reason = LNKEEP_ATTEMPT_FAILURE_UNKNOWN + seed % 4,
        .source_index = seed % 20,
        .failed_unix_ns = FIRST_UNIX_NS + 1000000 + 256 * (uint64_t)slot + seed,
        .message = seed_message(seed),
    };
}

lnkeep_bytes force_note(unsigned seed, char text[48]) {
    return text_of(text, 48, "operator %u: the channel closed at %u", seed, seed * 7);
}

unsigned give_up_reason(unsigned seed) { return LNKEEP_PAYMENT_REASON_TIMEOUT + seed % 6; }

uint64_t settle_digest(const uint8_t preimage[32]) {
    return digest_add(DIGEST_START, preimage, SECRET_BYTES);
}

uint64_t failure_digest(const lnkeep_payment_failure *failure) {
    uint64_t digest = digest_add(DIGEST_START, &failure->reason, sizeof failure->reason);
    digest = digest_add(digest, &failure->source_index, sizeof failure->source_index);
    return digest_add(digest, failure->message.ptr, failure->message.len);
}

uint64_t note_digest(lnkeep_bytes note) {
    return note.len ? digest_add(DIGEST_START, note.ptr, note.len) : 0;
}

static uint64_t resume_dice(unsigned seed, unsigned slot) {
    return chance_seed(seed, slot) >> 8;
}

uint32_t resume_answer(unsigned seed, unsigned slot) {
    static const uint32_t answers[8] = {
        0,
        LNKEEP_ANSWER_PENDING,
        LNKEEP_ANSWER_PENDING,
        LNKEEP_ANSWER_FAILED,
        LNKEEP_ANSWER_FAILED_FINAL,
        LNKEEP_ANSWER_ERROR,
        LNKEEP_ANSWER_UNKNOWN,
        LNKEEP_ANSWER_SETTLED,
    };
    return answers[resume_dice(seed, slot) % 8];
}

int resume_hop_is_closed(unsigned seed, unsigned slot) {
    uint32_t answer = resume_answer(seed, slot);
    if (answer != LNKEEP_ANSWER_PENDING && answer != LNKEEP_ANSWER_UNKNOWN) return 0;
    return resume_dice(seed, slot) / 8 % 3 == 0;
}

uint32_t resume_flags(unsigned seed) {
    return (seed & 1 ? LNKEEP_RESUME_KEEP_FAILED_ATTEMPTS : 0) |
           (seed & 2 ? LNKEEP_RESUME_SENDING : 0);
}

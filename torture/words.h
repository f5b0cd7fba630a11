/* The workload in the words of the library: what follows from numbers and seeds. */

#ifndef TORTURE_WORDS_H
#define TORTURE_WORDS_H

#include "model.h"

lnkeep_attempt_key slot_key(const struct model *model, unsigned slot);
/* The slot of a key; SLOTS when it belongs to none. */
unsigned slot_of(const struct model *model, const uint8_t *name_space, uint64_t id);
lnkeep_attempt_request slot_request(const struct model *model, unsigned slot);
/* Text of the external key of an allocation. */
lnkeep_bytes slot_external_key(unsigned slot, char text[16]);
/* A message that follows from a seed; it lives until the next call. */
lnkeep_bytes seed_message(unsigned seed);
/* The result of an operation; its message lives until the next call. */
lnkeep_attempt_result op_result(const struct op *op);
uint64_t result_digest(const lnkeep_attempt_result *result);

/* What an operation for the library points to. */
struct op_words {
    lnkeep_payment_init init;
    lnkeep_payment_attempt_request attempt;
    char key[48], records[24];
    uint8_t request[6000], secret[64], message[MESSAGE_MAX];
};
lnkeep_op op_for_library(const struct model *model, const struct op *op, uint64_t attempts,
                         uint64_t payments, struct op_words *words);

/* --- Payments. Of three one is sent in parts, one on blinded paths, and one in one piece. */

enum { KINDS_OF_PARTS = 3, AMP_EVERY = 4 };

/* What settles a part of a payment: one preimage for all parts, but in AMP each has its own. */
void part_preimage(unsigned payment, unsigned slot, uint8_t preimage[32]);
/* What a settle in AMP is checked against; of other payments their own hash. */
void part_hash(unsigned payment, unsigned slot, uint8_t hash[32]);
void payment_hash(unsigned payment, uint8_t hash[32]);
/* The payment of a hash; PAYMENTS when it is none. */
unsigned payment_of(const uint8_t hash[32]);

/* Whether the payment is initiated under an idempotency key, and under which of its keys. */
int init_has_key(unsigned payment);
unsigned init_generation(unsigned seed);
uint64_t init_amount_msat(unsigned payment, unsigned seed);
int init_has_intent(unsigned seed);
/* The request, which begins with the seed so that a stored one tells what it was made from. */
lnkeep_payment_init init_request(unsigned payment, unsigned seed, struct op_words *words);

/* Whether the part is registered together with its record in the attempt store. */
int part_is_tracked(unsigned seed);
uint64_t part_amount_msat(unsigned payment, unsigned seed);
uint64_t part_fee_msat(unsigned slot, unsigned seed);
lnkeep_payment_attempt_request part_request(unsigned payment, unsigned slot, unsigned seed,
                                            struct op_words *words);

/* What the host of the script settles with; not always the right one. */
void op_preimage(const struct op *op, uint8_t preimage[32]);
uint64_t settle_unix_ns(unsigned slot);
/* The message lives until the next call. */
lnkeep_payment_failure part_failure(unsigned slot, unsigned seed);
/* Why an operator ended it by force. */
lnkeep_bytes force_note(unsigned seed, char text[48]);
unsigned give_up_reason(unsigned seed);

uint64_t settle_digest(const uint8_t preimage[32]);
uint64_t failure_digest(const lnkeep_payment_failure *failure);
/* 0 where there is no note. */
uint64_t note_digest(lnkeep_bytes note);

/* What the dispatcher says of a part in flight when a resume asks; 0 says nothing. */
uint32_t resume_answer(unsigned seed, unsigned slot);
int resume_hop_is_closed(unsigned seed, unsigned slot);
uint32_t resume_flags(unsigned seed);

#endif

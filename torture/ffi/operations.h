/* Structures that several operations take, made by choice. */

#ifndef TORTURE_FFI_OPERATIONS_H
#define TORTURE_FFI_OPERATIONS_H

#include "ffi.h"

lnkeep_attempt_request make_attempt_request(struct turn *turn);
lnkeep_attempt_result make_attempt_result(struct turn *turn, uint64_t id);
lnkeep_payment_init make_payment_init(struct turn *turn);
lnkeep_payment_attempt_request make_part(struct turn *turn);
lnkeep_payment_failure make_failure(struct turn *turn);
lnkeep_monitors_commit make_commit(struct turn *turn);
/* Mostly the one that hashes to the hash. */
const uint8_t *preimage_of(struct turn *turn, const uint8_t *hash);

#endif

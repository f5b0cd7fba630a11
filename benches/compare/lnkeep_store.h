/* lnkeep through its C ABI, as a host would call it. */
#ifndef LNKEEP_BENCH_LNKEEP_STORE_H
#define LNKEEP_BENCH_LNKEEP_STORE_H

#include "worker.h"

#include <lnkeep.h>

struct keep {
    lnkeep_store store;
    lnkeep_attempts attempts;
};

/* Opens store and attempts; answers LNKEEP_REPORT_*, what the open found. */
uint32_t keep_open(struct keep *keep, const char *folder, uint32_t flags);
void keep_close(struct keep *keep);

/* Every byte of the preimage that settles every attempt, and its SHA-256. */
#define PREIMAGE_BYTE 7
extern const uint8_t keep_settle_hash[32];

/* A request with every optional field, so that its record is the longest an init writes. */
lnkeep_attempt_request keep_request(uint64_t id);

/* One commit with an init for each id. */
void keep_init_all(const struct keep *keep, const uint64_t *ids, size_t len);

/* Ends the process with the message of the library unless the status says that it was done. */
void keep_must(lnkeep_status status, const lnkeep_error *err);

#endif

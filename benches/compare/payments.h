/*
 * Payments through the C ABI, as a host would make them. A payment's id here is a number that its hash
 * follows from; unless it has several attempts, its attempt has the same id.
 */
#ifndef LNKEEP_BENCH_PAYMENTS_H
#define LNKEEP_BENCH_PAYMENTS_H

#include "lnkeep_store.h"

/* A BOLT 11 invoice with a payment secret, a description and a routing hint. */
#define PAYMENT_REQUEST_BYTES 300
/*
 * A route of four hops as lnd writes it: time lock, amount, source and number of hops in 50 bytes, 59
 * for each hop, and 45 for the multi-part record of the last one.
 */
#define ROUTE_BYTES (50 + 4 * 59 + 45)
#define SESSION_KEY_BYTES 32
/* What every payment pays in all its attempts together. */
#define PAYMENT_MSAT UINT64_C(100000000)

struct tower {
    struct keep keep;
    lnkeep_payments payments;
};

void tower_open(struct tower *tower, const char *folder, uint32_t flags);
void tower_close(struct tower *tower);

/* The hash of a payment; hashes lie scattered, as those of invoices do. */
void tower_hash(uint64_t payment, uint8_t hash[32]);

/*
 * One durable change each; the payment after it is taken and freed, as lnd takes it. Registering makes
 * the attempt's record too, and settling acknowledges it.
 */
void tower_init(const struct tower *tower, uint64_t payment);
void tower_register(const struct tower *tower, uint64_t payment);
void tower_hand_off(const struct tower *tower, uint64_t payment);
void tower_settle(const struct tower *tower, uint64_t payment);

/* The same for many in one commit, at most FILL_ROWS; of payments that have so many parts each. */
void tower_init_all(const struct tower *tower, const uint64_t *payments, size_t len);
void tower_register_all(const struct tower *tower, const uint64_t *payments, const uint64_t *attempts,
                        size_t len, unsigned parts);
void tower_hand_off_all(const struct tower *tower, const uint64_t *attempts, size_t len);
void tower_settle_all(const struct tower *tower, const uint64_t *payments, const uint64_t *attempts,
                      size_t len);

#endif

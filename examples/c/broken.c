/*
 * What each mistake looks like in calls of lnkeep.
 */
#include "broken.h"

#include "outcome.h"
#include "views.h"

#include <string.h>

static const char *const NAMES[] = {
    [BROKEN_NOT] = "sound",
    [BROKEN_EARLY] = "early",
    [BROKEN_NEW_PAYMENT] = "new-payment",
    [BROKEN_NO_RECORD] = "no-record",
    [BROKEN_EARLY_MESSAGE] = "early-message",
    [BROKEN_TWO_COMMITS] = "two-commits",
    [BROKEN_EARLY_ACK] = "early-acknowledge",
    [BROKEN_NO_RECONCILE] = "no-reconcile",
    [BROKEN_NO_JOURNAL] = "no-journal",
};

bool broken_of_name(const char *name, enum broken *broken)
{
    for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(name, NAMES[i]) == 0) {
            *broken = (enum broken)i;
            return true;
        }
    }
    return false;
}

const char *broken_name(enum broken broken)
{
    return NAMES[broken];
}

static lnkeep_status init_early(struct node *node, const lnkeep_payment_init *init,
                                lnkeep_payment **payment, lnkeep_error *err)
{
    lnkeep_status status =
        lnkeep_payments_fetch(node->payments, init->payment_hash, payment, err);
    if (status != LNKEEP_PAYMENT_NOT_INITIATED) {
        return status == LNKEEP_DONE ? LNKEEP_ALREADY_EXISTS : status;
    }
    lnkeep_op op = {
        .kind = LNKEEP_OP_PAYMENT_INIT,
        .component = node->payments.bits,
        .body.payment_init = {.init = init},
    };
    return lnkeep_submit_async(node->store, &op, 1, 0, 0, err);
}

static lnkeep_status init_anew(struct node *node, const lnkeep_payment_init *init,
                               lnkeep_payment **payment, lnkeep_error *err)
{
    uint8_t key[sizeof(struct order_key) + sizeof node->epoch];
    lnkeep_payment_init anew = *init;
    memcpy(key, init->idempotency_key.ptr, sizeof(struct order_key));
    memcpy(key + sizeof(struct order_key), &node->epoch, sizeof node->epoch);
    anew.idempotency_key.ptr = key;
    anew.idempotency_key.len = sizeof key;
    return lnkeep_payments_init(node->payments, &anew, payment, NULL, err);
}

lnkeep_status broken_init(struct node *node, const lnkeep_payment_init *init,
                          lnkeep_payment **payment, lnkeep_error *err)
{
    switch (node->broken) {
    case BROKEN_EARLY:
        return init_early(node, init, payment, err);
    case BROKEN_NEW_PAYMENT:
        return init_anew(node, init, payment, err);
    default:
        return lnkeep_payments_init(node->payments, init, payment, NULL, err);
    }
}

uint32_t broken_recover_flags(const struct node *node)
{
    switch (node->broken) {
    case BROKEN_EARLY:
    case BROKEN_NEW_PAYMENT:
    case BROKEN_NO_RECORD:
    case BROKEN_EARLY_MESSAGE:
        return LNKEEP_RECOVER_CIRCUITS_COMPLETE;
    default:
        return 0;
    }
}

uint32_t broken_resources_flags(const struct node *node)
{
    return node->broken == BROKEN_NO_JOURNAL ? LNKEEP_RESOURCES_WITHOUT_JOURNAL : 0;
}

bool broken_marks_otherwise(struct node *node, const lnkeep_op *mark)
{
    if (node->broken == BROKEN_EARLY) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        outcome_class("mark", lnkeep_submit_async(node->store, mark, 1, 0, 0, &err), &err);
    }
    return node->broken == BROKEN_EARLY || node->broken == BROKEN_NO_RECORD;
}

lnkeep_status broken_store_result(struct node *node, const lnkeep_attempt_key *key,
                                  const lnkeep_attempt_result *result, lnkeep_error *err)
{
    lnkeep_op op = {
        .kind = LNKEEP_OP_ATTEMPT_STORE_RESULT,
        .component = node->attempts.bits,
        .body.attempt_result = {.key = *key, .result = *result},
    };
    return lnkeep_submit_async(node->store, &op, 1, 0, 0, err);
}

void broken_wait(struct node *node)
{
    lnkeep_completion dropped[256];
    size_t taken = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("sync", lnkeep_store_sync(node->store, &err), &err);
    do {
        lnkeep_status status =
            lnkeep_completions_take(node->store, dropped, 256, &taken, &err);
        outcome_expect("completions", status, &err);
    } while (taken > 0);
}

lnkeep_payment *broken_wait_for(struct node *node, const uint8_t payment_hash[32])
{
    broken_wait(node);
    return payer_fetch(node, payment_hash);
}

static lnkeep_payment_page *list_unfinished(struct node *node)
{
    lnkeep_payment_page *page = NULL;
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    query.statuses =
        1 << LNKEEP_PAYMENT_STATUS_INITIATED | 1 << LNKEEP_PAYMENT_STATUS_IN_FLIGHT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("list", lnkeep_payments_list(node->payments, &query, &page, &err), &err);
    return page;
}

bool broken_hash_of(struct node *node, const lnkeep_attempt_key *key, uint8_t payment_hash[32])
{
    bool found = false;
    lnkeep_payment_page *page = list_unfinished(node);
    for (size_t i = 0; i < page->payments_len; i++) {
        const lnkeep_payment *payment = payment_at(page, i);
        for (size_t j = 0; j < payment->attempts_len; j++) {
            if (attempt_at(payment, j)->request.key.id == key->id) {
                memcpy(payment_hash, payment->init.payment_hash, 32);
                found = true;
            }
        }
    }
    lnkeep_payment_page_free(page);
    return found;
}

static void force_fail(struct node *node, const uint8_t payment_hash[32],
                       const lnkeep_attempt_key *key)
{
    static const char why[] = "restarted";
    const lnkeep_payment_failure failure = {.reason = LNKEEP_ATTEMPT_FAILURE_INTERNAL};
    const lnkeep_bytes note = {.ptr = (const uint8_t *)why, .len = sizeof why - 1};
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status =
        lnkeep_payments_fail_attempt(node->payments, payment_hash, key, &failure, note,
                                     LNKEEP_FAIL_FORCED, NULL, NULL, &err);
    outcome_class("force", status, &err);
}

void broken_forget_payments(struct node *node)
{
    lnkeep_payment_page *page = list_unfinished(node);
    for (size_t i = 0; i < page->payments_len; i++) {
        const lnkeep_payment *payment = payment_at(page, i);
        for (size_t j = 0; j < payment->attempts_len; j++) {
            if (attempt_at(payment, j)->state == LNKEEP_PAYMENT_ATTEMPT_IN_FLIGHT) {
                force_fail(node, payment->init.payment_hash, &attempt_at(payment, j)->request.key);
            }
        }
        lnkeep_payment_free(payer_give_up(node, payment->init.payment_hash,
                                          LNKEEP_PAYMENT_REASON_ERROR));
    }
    lnkeep_payment_page_free(page);
}

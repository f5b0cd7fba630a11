/*
 * Records of attempts: every HTLC that left has one, with what the network answered, and its
 * payment has acknowledged it.
 */
#include "verify.h"

#include "views.h"

#include <lnkeep.h>
#include <string.h>

static bool is_pending(const lnkeep_attempt *attempt)
{
    return attempt->state == LNKEEP_STATE_INTENT || attempt->state == LNKEEP_STATE_HANDED_OFF;
}

/* Whether the result is, byte by byte, what the network answered. */
static bool is_network_answer(const struct run *run, const struct ledger_attempt *truth,
                              const lnkeep_attempt_result *result)
{
    static const uint8_t nothing[32];
    const struct ledger_invoice *invoice = ledger_invoice(&run->ledger, truth->invoice);
    struct message answer;
    bool settles = truth->answer == WIRE_UPDATE_FULFILL_HTLC;
    if (settles) {
        messages_fulfill(&run->messages, truth->id, invoice->preimage, &answer);
    } else {
        messages_fail(&run->messages, truth->id, truth->failure_code, &answer);
    }
    return truth->answer != 0 &&
           result->kind == (settles ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL) &&
           result->message.len == answer.len &&
           memcmp(result->message.ptr, answer.bytes, answer.len) == 0 &&
           memcmp(result->preimage, settles ? invoice->preimage : nothing, 32) == 0;
}

static void count_failed_here(const lnkeep_attempt *attempt, struct tally *tally)
{
    if (attempt->flags & LNKEEP_ATTEMPT_ROLLED_BACK) {
        tally->failed_unmarked++;
    } else {
        tally->marked_never_left++;
    }
}

/* An attempt whose HTLC never reached the network. */
static void compare_unsent(const lnkeep_attempt *attempt, struct tally *tally)
{
    bool failed_here = attempt->state == LNKEEP_STATE_FAILED &&
                       attempt->result.flags & LNKEEP_RESULT_UNENCRYPTED;
    tally->inconsistent += !failed_here;
    count_failed_here(attempt, tally);
}

static void compare_sent(const struct run *run, const lnkeep_attempt *attempt,
                         struct ledger_attempt *truth, struct tally *tally)
{
    const struct invoice *invoice = &ledger_invoice(&run->ledger, truth->invoice)->order.invoice;
    truth->lost |= memcmp(attempt->payment_hash, invoice->payment_hash, 32) != 0;
    if (attempt->result.flags & LNKEEP_RESULT_UNENCRYPTED) {
        tally->failed_though_left++;
        truth->lost |= truth->confirmed;
        count_failed_here(attempt, tally);
        return;
    }
    if (!is_network_answer(run, truth, &attempt->result)) {
        truth->lost |= truth->confirmed;
        tally->inconsistent++;
    }
    /* A settle that replaced a failure: the failure was told although the HTLC had left. */
    tally->failed_though_left += (attempt->flags & LNKEEP_ATTEMPT_CONFLICT) != 0;
    tally->settled += attempt->state == LNKEEP_STATE_SETTLED;
    tally->failed_by_network += attempt->state == LNKEEP_STATE_FAILED;
}

static void compare(struct run *run, const lnkeep_attempt *attempt, struct tally *tally)
{
    struct ledger_attempt *truth = ledger_attempt(&run->ledger, attempt->key.id);
    tally->attempts++;
    if (truth != NULL) {
        truth->stored = true;
    }
    if (is_pending(attempt)) {
        tally->unresolved++;
        return;
    }
    /* Settling or failing the payment's attempt acknowledges the record in the same transaction. */
    tally->inconsistent += (attempt->flags & LNKEEP_ATTEMPT_ACKED) == 0;
    if (truth == NULL) {
        compare_unsent(attempt, tally);
    } else {
        compare_sent(run, attempt, truth, tally);
    }
}

/* What the ledger alone tells, and what it has that the store has not. */
static void count_ledger(struct run *run, struct tally *tally)
{
    for (uint64_t i = 0; i < run->ledger.attempts_len; i++) {
        const struct ledger_attempt *truth = &run->ledger.attempts[i];
        tally->dispatched_once += truth->dispatched == 1;
        tally->dispatched_twice += truth->dispatched > 1;
        tally->held_over_a_death += truth->held_over_a_death;
        tally->lost += truth->lost || !truth->stored;
    }
}

/* The numbers that lnkeep keeps itself must be the ones counted here. */
static bool compare_counts(lnkeep_attempts attempts, struct tally *tally)
{
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_attempts_counts(attempts, NULL, &counts, &err) != LNKEEP_DONE) {
        return verify_failed(&err);
    }
    uint64_t failed = tally->failed_by_network + tally->failed_unmarked + tally->marked_never_left;
    tally->inconsistent += counts.settled != tally->settled;
    tally->inconsistent += counts.failed != failed;
    tally->inconsistent += counts.deleted != 0;
    return true;
}

bool verify_attempts(struct run *run, lnkeep_attempts attempts, struct tally *tally)
{
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool has_more = true;
    while (has_more) {
        lnkeep_attempt_page *page = NULL;
        if (lnkeep_attempts_list(attempts, &query, &page, &err) != LNKEEP_DONE) {
            return verify_failed(&err);
        }
        for (size_t i = 0; i < page->attempts_len; i++) {
            compare(run, record_at(page, i), tally);
        }
        tally->inconsistent += page->unreadable_len;
        has_more = page->has_more != 0;
        query.flags |= LNKEEP_QUERY_AFTER;
        query.after = page->next;
        lnkeep_attempt_page_free(page);
    }
    count_ledger(run, tally);
    return compare_counts(attempts, tally);
}

#define _XOPEN_SOURCE 700
#include "verify.h"

#include <lnkeep.h>
#include <stdio.h>
#include <string.h>

/* BOLT 4 temporary_channel_failure: the code of a failed validation (dispatcher.c). */
enum { VALIDATION_FAILURE = 0x1007 };

static bool is_pending(const lnkeep_attempt *attempt)
{
    return attempt->state == LNKEEP_STATE_INTENT || attempt->state == LNKEEP_STATE_HANDED_OFF;
}

/* Whether the result is, byte by byte, what the network answered. */
static bool is_network_answer(const struct run *run, uint64_t id,
                              const lnkeep_attempt_result *result)
{
    static const uint8_t no_preimage[32];
    struct message answer;
    messages_answer(&run->messages, id, &answer);
    bool settles = wire_type(answer.bytes, answer.len) == WIRE_UPDATE_FULFILL_HTLC;
    const uint8_t *preimage = settles ? answer.bytes + WIRE_ID_OFFSET + 8 : no_preimage;
    return result->kind == (settles ? LNKEEP_RESULT_SETTLE : LNKEEP_RESULT_FAIL) &&
           result->message.len == answer.len &&
           memcmp(result->message.ptr, answer.bytes, answer.len) == 0 &&
           memcmp(result->preimage, preimage, 32) == 0;
}

static void compare_local(const lnkeep_attempt *attempt, struct entry *entry, struct tally *tally)
{
    tally->rolled_back_though_left += entry->dispatched > 0;
    if (attempt->result.failure_code == VALIDATION_FAILURE) {
        tally->failed_validation++;
    } else if (attempt->flags & LNKEEP_ATTEMPT_ROLLED_BACK) {
        tally->rolled_back++;
    } else {
        tally->marked_never_left++;
    }
}

static void compare_result(const struct run *run, const lnkeep_attempt *attempt,
                           struct entry *entry, struct tally *tally)
{
    const lnkeep_attempt_result *result = &attempt->result;
    bool local = result->flags & LNKEEP_RESULT_UNENCRYPTED;
    if (entry->result_kind != 0) {
        entry->lost |= entry->result_kind != result->kind || entry->result_local != local;
    }
    if (local) {
        compare_local(attempt, entry, tally);
        return;
    }
    if (!is_network_answer(run, attempt->key.id, result)) {
        entry->lost |= entry->result_kind != 0;
        tally->inconsistent++;
    }
    tally->inconsistent += entry->dispatched == 0;
    /* A settle that replaced a failure: the failure was told although the HTLC had left. */
    tally->rolled_back_though_left += (attempt->flags & LNKEEP_ATTEMPT_CONFLICT) != 0;
    tally->settled += result->kind == LNKEEP_RESULT_SETTLE;
    tally->failed_by_network += result->kind == LNKEEP_RESULT_FAIL;
}

static void compare_attempt(struct run *run, const lnkeep_attempt *attempt, struct tally *tally)
{
    struct entry *entry = ledger_find(&run->ledger, attempt->key.id);
    if (entry == NULL) {
        return;
    }
    entry->stored = true;
    const uint8_t *hash = messages_payment_hash(&run->messages, attempt->key.id);
    entry->lost |= memcmp(attempt->payment_hash, hash, 32) != 0;
    if (!is_pending(attempt)) {
        compare_result(run, attempt, entry, tally);
        return;
    }
    entry->lost |= entry->result_kind != 0;
    tally->unresolved++;
}

/* Reads all attempts, page by page. */
static bool compare_store(struct run *run, lnkeep_attempts attempts, struct tally *tally)
{
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    bool has_more = true;
    while (has_more) {
        lnkeep_attempt_page *page = NULL;
        if (lnkeep_attempts_list(attempts, &query, &page, &err) != LNKEEP_DONE) {
            fprintf(stderr, "verifier: %s\n", err.message);
            return false;
        }
        /* A later library may append fields, so the step is the page's own. */
        const char *at = (const char *)page->attempts;
        for (size_t i = 0; i < page->attempts_len; i++, at += page->stride) {
            compare_attempt(run, (const lnkeep_attempt *)(const void *)at, tally);
        }
        tally->inconsistent += page->unreadable_len;
        has_more = page->has_more != 0;
        query.flags |= LNKEEP_QUERY_AFTER;
        query.after = page->next;
        lnkeep_attempt_page_free(page);
    }
    return true;
}

/* What the ledger alone tells, and what it has that the store has not. */
static void count_ledger(struct run *run, struct tally *tally)
{
    tally->attempts = run->ledger.len;
    for (uint64_t i = 0; i < run->ledger.len; i++) {
        struct entry *entry = &run->ledger.entries[i];
        if (!entry->stored) {
            entry->lost |= entry->init_acknowledged;
            tally->unresolved++;
        }
        tally->never_left += entry->dispatched == 0;
        tally->dispatched_once += entry->dispatched == 1;
        tally->dispatched_twice += entry->dispatched > 1;
        tally->held_over_a_death += entry->held_over_a_death;
        tally->lost += entry->lost;
    }
    tally->inconsistent += run->ledger.foreign + run->client.unexpected + run->network.malformed;
}

/* The numbers that lnkeep keeps itself must be the ones counted here. */
static bool compare_counts(lnkeep_attempts attempts, struct tally *tally)
{
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_attempts_counts(attempts, NULL, &counts, &err) != LNKEEP_DONE) {
        fprintf(stderr, "verifier: %s\n", err.message);
        return false;
    }
    uint64_t failed = tally->failed_by_network + tally->failed_validation + tally->rolled_back +
                      tally->marked_never_left;
    tally->inconsistent += counts.settled != tally->settled;
    tally->inconsistent += counts.failed != failed;
    tally->inconsistent += counts.deleted != 0;
    return true;
}

static bool read_commits(struct run *run, lnkeep_store store)
{
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_store_stats(store, &stats, &err) != LNKEEP_DONE) {
        fprintf(stderr, "verifier: %s\n", err.message);
        return false;
    }
    run->commit_number = stats.commit_number;
    return true;
}

static bool open_store(const struct run *run, lnkeep_store *store, lnkeep_attempts *attempts,
                       lnkeep_store_report *found)
{
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_MUST_EXIST;
    options.epoch_min = run->epoch;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_store_open(run->options.directory, &options, store, found, &err) != LNKEEP_DONE ||
        lnkeep_attempts_open(*store, NULL, attempts, &err) != LNKEEP_DONE) {
        fprintf(stderr, "verifier: %s\n", err.message);
        return false;
    }
    return true;
}

bool verify_run(struct run *run, struct tally *tally)
{
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_attempts attempts = LNKEEP_ATTEMPTS_NONE;
    lnkeep_store_report found = LNKEEP_STORE_REPORT_INIT;
    *tally = (struct tally){0};
    bool good = open_store(run, &store, &attempts, &found);
    if (good) {
        /* The last node had no reason not to close the store. */
        bool unclean = found.flags & LNKEEP_REPORT_UNCLEAN;
        tally->inconsistent += !run->closed_cleanly || unclean;
        good = compare_store(run, attempts, tally) && compare_counts(attempts, tally) &&
               read_commits(run, store);
        count_ledger(run, tally);
    }
    lnkeep_status closed_attempts = lnkeep_attempts_close(&attempts, NULL);
    lnkeep_status closed_store = lnkeep_store_close(&store, NULL);
    return good && closed_attempts == LNKEEP_DONE && closed_store == LNKEEP_DONE;
}

/*
 * A million attempts in lnkeep, phase by phase; the same phases with bbolt are in
 * go-bindings/bench. Of the ids 1 to COUNT, every COUNT/100th stays pending, all others settle.
 */
#include "lnkeep_store.h"

#include <stdlib.h>
#include <string.h>

#define UNFINISHED 100
/* Length of update_fulfill_htlc: type, channel, id, preimage (BOLT 2). */
#define FULFILL_BYTES (2 + 32 + 8 + 32)
/* Of ten finished attempts nine are deleted, spread evenly. */
#define KEPT_OF 10

static char *store_folder;
static struct keep keep;
static uint64_t attempts, extra;

static int is_pending(uint64_t id)
{
    return id % (attempts / UNFINISHED) == 0;
}

static void submit(const lnkeep_op *ops, size_t len)
{
    static lnkeep_outcome outcomes[FILL_ROWS];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    keep_must(lnkeep_submit(keep.store, ops, len, 0, outcomes, &err), &err);
}

static lnkeep_op settle_operation(uint64_t id)
{
    static const uint8_t message[FULFILL_BYTES];
    lnkeep_op op = {.kind = LNKEEP_OP_ATTEMPT_STORE_RESULT, .component = keep.attempts.bits};
    op.body.attempt_result.key.id = id;
    lnkeep_attempt_result *result = &op.body.attempt_result.result;
    result->kind = LNKEEP_RESULT_SETTLE;
    memset(result->preimage, PREIMAGE_BYTE, sizeof result->preimage);
    result->message = (lnkeep_bytes){message, sizeof message};
    return op;
}

static void insert_all(const uint64_t *ids, size_t len)
{
    static lnkeep_op ops[FILL_ROWS];
    size_t finished = 0;
    keep_init_all(&keep, ids, len);
    for (size_t i = 0; i < len; i++)
        if (!is_pending(ids[i]))
            ops[finished++] = settle_operation(ids[i]);
    submit(ops, finished);
}

/* Every phase answers its figure and is timed, or times a part of itself and sets `ns`. */

static uint64_t insert(uint64_t count, uint64_t *ns)
{
    (void)ns;
    attempts = extra = count;
    fill(count, insert_all);
    return count;
}

static uint64_t reopen(uint64_t count, uint64_t *ns)
{
    (void)count;
    keep_close(&keep);
    uint64_t before = now_ns();
    keep_open(&keep, store_folder, LNKEEP_STORE_MUST_EXIST);
    *ns = now_ns() - before;
    return 1;
}

/* One durable init, which is settled afterwards so that the number of unfinished ones stays. */
static uint64_t lone_commit(uint64_t count, uint64_t *ns)
{
    (void)count;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_attempt_request request = keep_request(++extra);
    uint64_t before = now_ns();
    keep_must(lnkeep_attempts_init(keep.attempts, &request, NULL, &err), &err);
    *ns = now_ns() - before;
    lnkeep_op settled = settle_operation(extra);
    submit(&settled, 1);
    return 1;
}

static uint64_t get(uint64_t count, uint64_t *ns)
{
    (void)ns;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (uint64_t turn = 0; turn < count; turn++) {
        lnkeep_attempt_key key = {.id = scatter(turn) % attempts + 1};
        lnkeep_attempt *attempt = NULL;
        keep_must(lnkeep_attempts_get(keep.attempts, &key, &attempt, &err), &err);
        must(attempt->amount_msat == 1000 + key.id, "a get: its amount");
        lnkeep_attempt_free(attempt);
    }
    return count;
}

static uint64_t list(uint64_t count, uint64_t *ns)
{
    (void)count;
    (void)ns;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_attempt_page *page = NULL;
    query.states = 1u << LNKEEP_STATE_INTENT | 1u << LNKEEP_STATE_HANDED_OFF;
    keep_must(lnkeep_attempts_list(keep.attempts, &query, &page, &err), &err);
    uint64_t found = page->attempts_len;
    must(found == UNFINISHED && !page->has_more, "a list of the unfinished");
    lnkeep_attempt_page_free(page);
    return found;
}

static uint64_t delete_most(uint64_t count, uint64_t *ns)
{
    (void)count;
    (void)ns;
    static lnkeep_attempt_key keys[FILL_ROWS];
    static lnkeep_outcome outcomes[FILL_ROWS];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    uint64_t deleted = 0;
    size_t len = 0;
    for (uint64_t id = 1; id <= attempts; id++) {
        if (id % KEPT_OF != 0 && !is_pending(id))
            keys[len++].id = id;
        if (len < FILL_ROWS && id < attempts)
            continue;
        /* Forgotten ids leave no row, as a deleted key in the other engine leaves none. */
        keep_must(lnkeep_attempts_delete(keep.attempts, keys, len, LNKEEP_DELETE_FORGET, outcomes,
                                         &err), &err);
        deleted += len;
        len = 0;
    }
    return deleted;
}

/* Of a closed store. */
static uint64_t size_on_disk(uint64_t count, uint64_t *ns)
{
    (void)count;
    keep_close(&keep);
    uint64_t bytes = data_bytes(store_folder);
    keep_open(&keep, store_folder, LNKEEP_STORE_MUST_EXIST);
    *ns = 0;
    return bytes;
}

/* The library keeps the old file when it cannot compact; that would be no figure. */
static uint64_t compact(uint64_t count, uint64_t *ns)
{
    (void)count;
    keep_close(&keep);
    uint64_t before = now_ns();
    uint32_t found = keep_open(&keep, store_folder, LNKEEP_STORE_MUST_EXIST | LNKEEP_STORE_COMPACT);
    *ns = now_ns() - before;
    must(found & LNKEEP_REPORT_COMPACTED, "a compaction");
    return 1;
}

static const struct phase phases[] = {
    {"insert", insert},
    {"open", reopen},
    {"commit", lone_commit},
    {"get", get},
    {"list", list},
    {"delete", delete_most},
    {"size", size_on_disk},
    {"compact", compact},
    {0},
};

static void open_store(const char *folder)
{
    if (store_folder)
        return;
    store_folder = path_in(folder, "million");
    keep_open(&keep, store_folder, 0);
}

static void close_store(void)
{
    if (store_folder)
        keep_close(&keep);
    free(store_folder);
}

const struct phases attempt_phases = {phases, open_store, close_store};

/*
 * Commits one planted error, named by the first argument, against the store in the second. A
 * sanitizer that lets one of them pass sees nothing, and what it did not report proves nothing.
 * `none` commits no error: the reports come from the errors, not from the frame around them.
 */

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lnkeep.h>

typedef struct planted {
    const char *name;
    int (*commit)(lnkeep_attempts attempts);
} planted;

static const uint64_t ATTEMPT_ID = 42;

/* Of this host: read through a pointer that lnkeep handed out and took back. */
static int use_after_free(lnkeep_attempts attempts) {
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_attempt_page *page;
    if (lnkeep_attempts_list(attempts, &query, &page, NULL) != LNKEEP_DONE) return 1;
    const volatile lnkeep_attempt_page *freed = page;
    lnkeep_attempt_page_free(page);
    printf("%zu attempts\n", freed->attempts_len);
    return 0;
}

/* Found where lnkeep copies the message: its length is longer than its buffer. */
static int over_read(lnkeep_attempts attempts) {
    lnkeep_attempt_key key = {.id = ATTEMPT_ID};
    lnkeep_attempt_result result = {.kind = LNKEEP_RESULT_FAIL, .flags = LNKEEP_RESULT_UNENCRYPTED};
    size_t len = 16;
    uint8_t *message = malloc(len);
    if (!message) return 1;
    memset(message, 'x', len);
    result.message = (lnkeep_bytes){message, len + 48};
    lnkeep_status status = lnkeep_attempts_store_result(attempts, &key, &result, NULL, NULL);
    free(message);
    return status == LNKEEP_DONE ? 0 : 1;
}

/* Found only by an instrumented lnkeep: it loads the fields itself, no function of libc does. */
static int short_structure(lnkeep_attempts attempts) {
    lnkeep_attempt_key whole = {.id = ATTEMPT_ID};
    lnkeep_attempt *attempt = NULL;
    void *half = malloc(sizeof whole / 2);
    if (!half) return 1;
    memcpy(half, &whole, sizeof whole / 2);
    lnkeep_status status = lnkeep_attempts_get(attempts, half, &attempt, NULL);
    if (status == LNKEEP_DONE) lnkeep_attempt_free(attempt);
    free(half);
    return 0;
}

/* What lnkeep allocated is never given back. */
static int leak(lnkeep_attempts attempts) {
    lnkeep_attempt_key key = {.id = ATTEMPT_ID};
    lnkeep_attempt *attempt;
    if (lnkeep_attempts_get(attempts, &key, &attempt, NULL) != LNKEEP_DONE) return 1;
    printf("state %u\n", (unsigned)attempt->state);
    return 0;
}

static int signed_overflow(lnkeep_attempts attempts) {
    volatile int sum = INT32_MAX;
    sum += lnkeep_attempts_is_open(attempts);
    printf("%d\n", sum);
    return 0;
}

static void *write_amount(void *request) {
    ((lnkeep_attempt_request *)request)->amount_msat = 1;
    return NULL;
}

/* One thread changes the request while lnkeep reads it for the other: a race in any order. */
static int race(lnkeep_attempts attempts) {
    pthread_t writer;
    lnkeep_attempt_request request = {.key = {.id = ATTEMPT_ID + 1}};
    if (pthread_create(&writer, NULL, write_amount, &request) != 0) return 1;
    lnkeep_status status = lnkeep_attempts_init(attempts, &request, NULL, NULL);
    if (pthread_join(writer, NULL) != 0) return 1;
    return status == LNKEEP_DONE ? 0 : 1;
}

static int none(lnkeep_attempts attempts) {
    lnkeep_attempt_key key = {.id = ATTEMPT_ID};
    lnkeep_attempt *attempt;
    if (lnkeep_attempts_get(attempts, &key, &attempt, NULL) != LNKEEP_DONE) return 1;
    lnkeep_attempt_free(attempt);
    puts("no error");
    return 0;
}

static const planted errors[] = {
    {"none", none},
    {"use-after-free", use_after_free},
    {"over-read", over_read},
    {"short-structure", short_structure},
    {"leak", leak},
    {"signed-overflow", signed_overflow},
    {"race", race},
};

static int run(const char *name, lnkeep_attempts attempts) {
    lnkeep_attempt_request request = {.key = {.id = ATTEMPT_ID}};
    if (lnkeep_attempts_init(attempts, &request, NULL, NULL) != LNKEEP_DONE) return 1;
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].name, name) == 0) return errors[i].commit(attempts);
    return 2;
}

int main(int argc, char **argv) {
    lnkeep_store store;
    lnkeep_attempts attempts;
    if (argc != 3) return 2;
    if (lnkeep_store_open(argv[2], NULL, &store, NULL, NULL) != LNKEEP_DONE) return 3;
    if (lnkeep_attempts_open(store, NULL, &attempts, NULL) != LNKEEP_DONE) return 3;
    int failed = run(argv[1], attempts);
    if (lnkeep_store_close(&store, NULL) != LNKEEP_DONE) return 3;
    return failed;
}

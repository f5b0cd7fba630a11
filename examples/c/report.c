/*
 * What the node tells its client. Callers tell only what lnkeep has answered with DONE or ALREADY,
 * or what they have read from it: that is durable.
 */
#include "channels.h"
#include "life.h"
#include "outcome.h"

#include <unistd.h>

lnkeep_attempt_key key_of(uint64_t id)
{
    lnkeep_attempt_key key = {.id = id};
    return key;
}

void report_send(struct node *node, const struct report *report)
{
    if (!channel_send(node->orders_fd, report, sizeof *report)) {
        /* Nobody is left to hear anything; whatever was acknowledged is on disk. */
        _exit(EXIT_START_AGAIN);
    }
}

void report_result(struct node *node, uint64_t id, const lnkeep_attempt_result *result)
{
    struct report report = {
        .kind = REPORT_RESULT,
        .id = id,
        .result_kind = result->kind,
        .local = (result->flags & LNKEEP_RESULT_UNENCRYPTED) != 0,
    };
    report_send(node, &report);
}

void report_stored_result(struct node *node, uint64_t id)
{
    lnkeep_attempt_key key = key_of(id);
    lnkeep_attempt_result *result = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_attempts_result(node->attempts, &key, &result, &err);
    } while (outcome_try_again(status, &patience));
    if (status == LNKEEP_DONE) {
        report_result(node, id, result);
        lnkeep_attempt_result_free(result);
    } else if (status != LNKEEP_RESULT_PENDING) {
        outcome_class("result", id, status, &err);
    }
}

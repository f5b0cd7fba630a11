#include "broken.h"

lnkeep_status broken_init(struct node *node, const lnkeep_attempt_request *request,
                          lnkeep_error *err)
{
    lnkeep_attempt *known = NULL;
    lnkeep_status status = lnkeep_attempts_get(node->attempts, &request->key, &known, err);
    lnkeep_attempt_free(known);
    if (status != LNKEEP_NOT_FOUND) {
        return status == LNKEEP_DONE ? LNKEEP_ALREADY_EXISTS : status;
    }
    lnkeep_op op = {
        .kind = LNKEEP_OP_ATTEMPT_INIT,
        .component = node->attempts.bits,
        .body.attempt_init = *request,
    };
    return lnkeep_submit_async(node->store, &op, 1, 0, 0, err);
}

lnkeep_status broken_mark(struct node *node, const lnkeep_attempt_key *key, lnkeep_error *err)
{
    lnkeep_op op = {
        .kind = LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF,
        .component = node->attempts.bits,
        .body.attempt_key = *key,
    };
    return lnkeep_submit_async(node->store, &op, 1, 0, 0, err);
}

lnkeep_status broken_submit(struct node *node, const lnkeep_op *ops, size_t ops_len,
                            lnkeep_outcome *outcomes, lnkeep_error *err)
{
    lnkeep_status status = lnkeep_submit_async(node->store, ops, ops_len, 0, 0, err);
    for (size_t i = 0; i < ops_len; i++) {
        outcomes[i] = (lnkeep_outcome){.status = status};
    }
    return status;
}

void broken_drop_outcomes(struct node *node)
{
    lnkeep_completion dropped[256];
    size_t taken;
    do {
        if (lnkeep_completions_take(node->store, dropped, 256, &taken, NULL) != LNKEEP_DONE) {
            return;
        }
    } while (taken > 0);
}

/* Operations on stores: open, close, batches of any component, check, backup, restore; and those on
 * nothing. */

#include "operations.h"

#include <string.h>

static const char *const directories[] = {"store-0", "store-0", "store-1", "restored"};
static const char *const files[] = {"backup-0", "backup-1", "store-0/inside"};
static const char *const sources[] = {"backup-0", "backup-1", "store-0", "store-1", "restored"};
static const char *const targets[] = {"restored", "restored-again", "store-1"};

enum { ALL_STATUSES = 1400 };

static lnkeep_status any_status(struct turn *t) {
    uint32_t choice = pick(t, ALL_STATUSES);
    if (choice == 0) return INT32_MIN;
    if (choice == 1) return INT32_MAX;
    return (lnkeep_status)(choice % 400) - 390;
}

static int is_text(const char *text) { return text && text[0] && strlen(text) < 400; }

OPERATION(status_class) {
    lnkeep_class answered = lnkeep_status_class(any_status(t));
    plain_end("lnkeep_status_class", 1);
    if (answered > LNKEEP_CLASS_FATAL)
        violation(t, FOUND_WRONG, "status_class answered %u", answered);
}

OPERATION(status_name) {
    int is_right = is_text(lnkeep_status_name(any_status(t)));
    plain_end("lnkeep_status_name", is_right);
    if (!is_right) violation(t, FOUND_WRONG, "status_name answered no text");
}

OPERATION(status_message) {
    int is_right = is_text(lnkeep_status_message(any_status(t)));
    plain_end("lnkeep_status_message", is_right);
    if (!is_right) violation(t, FOUND_WRONG, "status_message answered no text");
}

OPERATION(class_name) {
    int is_right = is_text(lnkeep_class_name(pick(t, 8)));
    plain_end("lnkeep_class_name", is_right);
    if (!is_right) violation(t, FOUND_WRONG, "class_name answered no text");
}

OPERATION(abi_version) {
    uint32_t version = lnkeep_abi_version();
    plain_end("lnkeep_abi_version", version == LNKEEP_ABI_VERSION);
    if (version != LNKEEP_ABI_VERSION) violation(t, FOUND_WRONG, "another ABI: %u", version);
}

OPERATION(version) {
    int is_right = is_text(lnkeep_version());
    plain_end("lnkeep_version", is_right);
    if (!is_right) violation(t, FOUND_WRONG, "version answered no text");
}

OPERATION(store_open) {
    /* A file takes what its map may take, so large ones cost more than all the calls on them. */
    static const uint64_t maps_bytes[] = {2u << 20, 1u << 20, 4u << 20, 0, 4096, 1};
    static const uint64_t maps_bytes_max[] = {2u << 20, 1u << 20, 8u << 20, 4u << 20, 1, 0};
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    uint32_t known = LNKEEP_STORE_MUST_EXIST | LNKEEP_STORE_ANY_FILE_SYSTEM | LNKEEP_STORE_CONVERT |
                     LNKEEP_STORE_SEEDED | LNKEEP_STORE_EVENT_KINDS | LNKEEP_STORE_VERIFY;
    if (seldom(t, 8))
        known |= LNKEEP_STORE_LND_COMPAT | LNKEEP_STORE_EXPECT_ID | LNKEEP_STORE_COMPACT;
    options.flags = pick_flags(t, known);
    if (!seldom(t, 8)) options.flags &= ~(uint32_t)LNKEEP_STORE_MUST_EXIST;
    if (seldom(t, 64)) options.abi_version = pick(t, 4);
    if (seldom(t, 32)) options.epoch_min = pick(t, 8);
    options.map_bytes = maps_bytes[seldom(t, 16) ? pick(t, 6) : 0];
    options.map_bytes_max = maps_bytes_max[seldom(t, 16) ? pick(t, 6) : 0];
    if (seldom(t, 16)) options.queue_operations_max = 1 + pick(t, 4);
    options.event_kinds = seldom(t, 16) ? pick(t, 65536) : (1u << 21) - 1;
    if (seldom(t, 16)) options.events_bytes_max = 1 + pick(t, 65536);
    if (seldom(t, 16)) options.events_age_max_secs = 1 + pick(t, 256);
    lnkeep_store *store = OUT_HANDLE(lnkeep_store);
    lnkeep_status status =
        CALL(store_open, pick_path(t, directories, 4), SIZED_IN_PREFERRED(options), store,
             SIZED_OUT_OPTIONAL(lnkeep_store_report), ERR);
    opened_handle(t, ON_STORE, status, store);
}

OPERATION(store_close) {
    lnkeep_store *copy = CLOSING(lnkeep_store, ON_STORE);
    lnkeep_status status = CALL(store_close, copy, ERR);
    closed_handle(t, ON_STORE, status, copy);
}

OPERATION(store_is_open) {
    lnkeep_store store = STORE;
    check_is_open(t, "lnkeep_store_is_open", lnkeep_store_is_open(store));
}

OPERATION(store_tick) { CALL(store_tick, STORE, pick_time_ms(t), pick_height(t), ERR); }

OPERATION(store_sync) { CALL(store_sync, STORE, ERR); }

OPERATION(store_stats) { CALL(store_stats, STORE, SIZED_OUT(lnkeep_stats), ERR); }

static void fill_attempt_operation(struct turn *t, lnkeep_op *op) {
    op->component = other_handle(t, ON_ATTEMPTS);
    lnkeep_attempt_key key = pick_key(t);
    switch (op->kind) {
    case LNKEEP_OP_ATTEMPT_INIT: op->body.attempt_init = make_attempt_request(t); break;
    case LNKEEP_OP_ATTEMPT_STORE_RESULT:
        op->body.attempt_result.key = key;
        op->body.attempt_result.result = make_attempt_result(t, key.id);
        break;
    case LNKEEP_OP_ATTEMPT_FAIL_PENDING:
        op->flags = pick_flags(t, LNKEEP_FAIL_FORCED);
        op->body.attempt_rollback.key = key;
        op->body.attempt_rollback.message = view(t);
        break;
    case LNKEEP_OP_ATTEMPT_ALLOCATE: op->body.attempt_allocate.external_key = short_view(t); break;
    case LNKEEP_OP_ATTEMPT_DELETE:
        op->flags = pick_flags(t, LNKEEP_DELETE_FORGET);
        op->body.attempt_key = key;
        break;
    default: op->body.attempt_key = key; break;
    }
}

static void fill_payment_operation(struct turn *t, lnkeep_op *op) {
    op->component = other_handle(t, ON_PAYMENTS);
    const uint8_t *hash = pick_hash(t);
    /* Each of these bodies begins with the hash, but the first. */
    memcpy(op->body.payment_fail.payment_hash, hash, 32);
    switch (op->kind) {
    case LNKEEP_OP_PAYMENT_INIT: {
        lnkeep_payment_init init = make_payment_init(t);
        op->body.payment_init.init = block(t, &init, sizeof init);
        break;
    }
    case LNKEEP_OP_PAYMENT_REGISTER: {
        lnkeep_payment_attempt_request part = make_part(t);
        op->body.payment_register.attempt = block(t, &part, sizeof part);
        op->flags = pick_flags(t, LNKEEP_REGISTER_WITH_RECORD);
        break;
    }
    case LNKEEP_OP_PAYMENT_SETTLE:
        op->body.payment_settle.key = pick_key(t);
        memcpy(op->body.payment_settle.preimage, preimage_of(t, hash), 32);
        op->flags = pick_flags(t, LNKEEP_RESULT_REFUSE_REPEAT | LNKEEP_RESULT_REFUSE_LATE);
        break;
    case LNKEEP_OP_PAYMENT_FAIL_ATTEMPT:
        op->body.payment_fail_attempt.key = pick_key(t);
        op->body.payment_fail_attempt.failure = make_failure(t);
        op->flags = pick_flags(t, LNKEEP_RESULT_REFUSE_REPEAT);
        break;
    case LNKEEP_OP_PAYMENT_FAIL: op->body.payment_fail.reason = pick_enum(t, 1, 6); break;
    default: op->flags = pick_flags(t, LNKEEP_DELETE_FORGET); break;
    }
}

static lnkeep_op make_operation(struct turn *t) {
    lnkeep_op op;
    memset(&op, 0, sizeof op);
    uint32_t choice = pick(t, 64);
    if (choice < 32) {
        op.kind = LNKEEP_OP_ATTEMPT_INIT + choice % 8;
        fill_attempt_operation(t, &op);
    } else if (choice < 56) {
        op.kind = LNKEEP_OP_PAYMENT_INIT + choice % 6;
        fill_payment_operation(t, &op);
    } else if (choice < 62) {
        lnkeep_monitors_commit commit = make_commit(t);
        op.kind = LNKEEP_OP_MONITORS_COMMIT;
        op.component = other_handle(t, ON_MONITORS);
        op.body.monitors_commit.commit = block(t, &commit, sizeof commit);
    } else {
        op.kind = pick(t, 1024);
        op.component = other_handle(t, ON_STORE);
    }
    if (seldom(t, 128)) op.flags = 1u << pick(t, 32);
    return op;
}

enum { BATCH_MAX = 6 };

static size_t make_batch(struct turn *t, lnkeep_op ops[BATCH_MAX]) {
    size_t count = pick(t, BATCH_MAX + 1);
    for (size_t i = 0; i < count; i++) ops[i] = make_operation(t);
    t->may_name_other_handles = 1;
    /* What is wrong in one operation is its own outcome's to say. */
    if (t->fault) t->fault = 0, t->doubts = 1;
    return count;
}

OPERATION(submit) {
    lnkeep_op ops[BATCH_MAX];
    size_t count = make_batch(t, ops);
    lnkeep_outcome *outcomes = OUT_BATCH(lnkeep_outcome, count);
    lnkeep_status status = CALL(submit, STORE, IN_ARRAY(ops, count), count,
                                pick_flags(t, LNKEEP_SUBMIT_ATOMIC), outcomes, ERR);
    if (!succeeded(t, status)) return;
    for (size_t i = 0; i < count; i++) {
        if (outcomes[i].status < 0)
            violation(t, FOUND_STATUS, "submit is DONE, and an outcome is not");
        if (ops[i].kind == LNKEEP_OP_ATTEMPT_ALLOCATE) remember(&t->ids, outcomes[i].value);
    }
}

OPERATION(submit_async) {
    lnkeep_op ops[BATCH_MAX];
    size_t count = make_batch(t, ops);
    CALL(submit_async, STORE, IN_ARRAY(ops, count), count, pick_flags(t, LNKEEP_SUBMIT_ATOMIC),
         pick(t, 256), ERR);
}

OPERATION(completions_take) {
    size_t capacity = pick(t, 9), *taken = OUT(size_t);
    lnkeep_completion *completions = OUT_ARRAY(lnkeep_completion, capacity);
    lnkeep_status status = CALL(completions_take, STORE, completions, capacity, taken, ERR);
    if (succeeded(t, status) && *taken > capacity)
        violation(t, FOUND_WRONG, "more taken than there is room");
}

OPERATION(completions_descriptor) { CALL(completions_descriptor, STORE, OUT(int), ERR); }

OPERATION(check) {
    lnkeep_check_report **report = OUT(lnkeep_check_report *);
    lnkeep_status status = CALL(check, pick_path(t, sources, 5), report, ERR);
    KEEP(status, A_CHECK_REPORT, report);
}

OPERATION(store_backup) {
    lnkeep_check_report **report = OUT_OPTIONAL(lnkeep_check_report *);
    lnkeep_status status =
        CALL(store_backup, STORE, pick_path(t, files, seldom(t, 32) ? 3 : 2), report, ERR);
    KEEP(status, A_CHECK_REPORT, report);
}

OPERATION(store_restore) {
    lnkeep_check_report **report = OUT_OPTIONAL(lnkeep_check_report *);
    lnkeep_status status = CALL(store_restore, pick_path(t, sources, 5), pick_path(t, targets, 3),
                                pick_flags(t, LNKEEP_STORE_ANY_FILE_SYSTEM), report, ERR);
    KEEP(status, A_CHECK_REPORT, report);
}

const struct operation store_operations[] = {
    ROW(store_open), ROW(status_class), ROW(status_name), ROW(status_message), ROW(class_name),
    ROW(abi_version), ROW(version), ROW(store_close), ROW(store_is_open), ROW(store_tick),
    ROW(store_sync), ROW(store_stats), ROW(submit), ROW(submit_async), ROW(completions_take),
    ROW(completions_descriptor), ROW(check), ROW(store_backup), ROW(store_restore),
};
TABLE(store);

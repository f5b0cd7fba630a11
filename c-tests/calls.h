/*
 * Every exported function as a row of one table, so that a mistake can be tried on all of them: each argument
 * can be replaced by NULL or a misaligned pointer, each handle by a wrong one.
 */

#ifndef LNKEEP_CALLS_H
#define LNKEEP_CALLS_H

#include "harness.h"

#include <string.h>

/* What a call works on. */
typedef enum handle_kind {
    ON_NOTHING,
    ON_STORE,
    ON_ATTEMPTS,
    ON_EVENTS,
    ON_PAYMENTS,
    ON_MONITORS,
    ON_RESOURCES,
    ON_PEER_STORAGE,
    ON_BACKUP,
    ON_RECOVERY,
    KINDS_OF_HANDLE
} handle_kind;

typedef struct call_row {
    const char *name;
    handle_kind on;
    /* Pointers that must not be NULL have the numbers from 0; the first `aligned` of them need alignment. */
    int required;
    int aligned;
    /* Pointers that may be NULL and need alignment follow. */
    int optional;
    lnkeep_status (*call)(void);
    /* Whether a component of a closed store still answers: what it tells is in memory. */
    int works_when_closed;
} call_row;

static struct {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_events events;
    lnkeep_payments payments;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    lnkeep_peer_storage peer_storage;
    lnkeep_backup backup;
    lnkeep_recovery_session recovery;
    const char *directory;
    /* Where nothing is, nor may come to be. */
    const char *target;
    lnkeep_error *err;
    /* The pointer that is replaced, -1 for none, and by what. */
    int bad;
    void *bad_pointer;
} world;

/* What the arguments point to; larger than any of them needs. */
static struct {
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_events events;
    lnkeep_payments payments;
    lnkeep_monitors monitors;
    lnkeep_store_options store_options;
    lnkeep_attempts_options attempts_options;
    lnkeep_stats stats;
    lnkeep_attempt_counts counts;
    lnkeep_attempt_query query;
    lnkeep_attempt_request request;
    lnkeep_attempt_result result;
    lnkeep_attempt_key key;
    lnkeep_outcome outcome;
    lnkeep_op op;
    lnkeep_completion completion;
    lnkeep_event event;
    lnkeep_id_floor floor;
    lnkeep_circuit circuit;
    lnkeep_attempt *attempt;
    lnkeep_attempt_result *owned_result;
    lnkeep_attempt_page *page;
    lnkeep_recovery *recovery;
    lnkeep_check_report *report;
    lnkeep_payments_options payments_options;
    lnkeep_payment_init payment_init;
    lnkeep_payment_attempt_request part;
    lnkeep_payment_failure failure;
    lnkeep_payment_query payment_query;
    lnkeep_payment_counts payment_counts;
    lnkeep_payment_delete_filter filter;
    lnkeep_stuck_query stuck_query;
    lnkeep_payment_rules rules;
    lnkeep_payment_state state;
    lnkeep_attempt_sum sum;
    lnkeep_resume_answer answer;
    lnkeep_payment *payment;
    lnkeep_payment_page *payment_page;
    lnkeep_resume *resume;
    lnkeep_stuck_list *stuck;
    lnkeep_monitors_options monitors_options;
    lnkeep_monitors_report monitors_report;
    lnkeep_monitors_commit commit;
    lnkeep_monitors_committed committed;
    lnkeep_monitors_state monitors_state;
    lnkeep_capture capture;
    lnkeep_block block;
    lnkeep_channel channel;
    lnkeep_monitor_completion monitor_completion;
    lnkeep_outputs *outputs;
    lnkeep_buf *buf;
    lnkeep_monitor *monitor;
    lnkeep_resources resources;
    lnkeep_resources_options resources_options;
    lnkeep_resources_report resources_report;
    lnkeep_channel_limits limits;
    lnkeep_allocation allocation;
    lnkeep_htlc_request htlc;
    lnkeep_decision decision;
    lnkeep_grounds grounds;
    lnkeep_resolve_request resolve;
    lnkeep_resolution resolution;
    lnkeep_live_htlc live;
    lnkeep_reconciled reconciled;
    lnkeep_forward_row row;
    lnkeep_imported imported;
    lnkeep_resources_channel resources_channel;
    lnkeep_resources_snapshot *resources_snapshot;
    lnkeep_resources_stats resources_stats;
    uint8_t hash[32];
    uint8_t preimage[32];
    uint64_t number, other_number;
    size_t len;
    int descriptor;
    uint32_t small;
    uint8_t byte;
} arg;

static void fill_payment_arguments(void) {
    static const lnkeep_payments_options options = LNKEEP_PAYMENTS_OPTIONS_INIT;
    static const lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    static const lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    static const lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    static const lnkeep_payment_counts counts = LNKEEP_PAYMENT_COUNTS_INIT;
    static const lnkeep_payment_delete_filter filter = LNKEEP_PAYMENT_DELETE_FILTER_INIT;
    static const lnkeep_stuck_query stuck_query = LNKEEP_STUCK_QUERY_INIT;
    static const lnkeep_payment_rules rules = LNKEEP_PAYMENT_RULES_INIT;
    static const lnkeep_payment_state state = LNKEEP_PAYMENT_STATE_INIT;
    arg.payments = world.payments;
    arg.payments_options = options;
    arg.payment_init = init;
    arg.part = part;
    arg.payment_query = query;
    arg.payment_counts = counts;
    arg.filter = filter;
    arg.stuck_query = stuck_query;
    arg.rules = rules;
    arg.state = state;
    memcpy(arg.hash, h_hash_of_ones, sizeof arg.hash);
    memset(arg.preimage, 1, sizeof arg.preimage);
    memcpy(arg.payment_init.payment_hash, h_hash_of_twos, sizeof arg.hash);
    arg.payment_init.amount_msat = 5;
    arg.part.key = h_key(7);
    arg.part.amount_msat = 5;
    arg.part.hop_count = 1;
    arg.failure.reason = LNKEEP_ATTEMPT_FAILURE_UNKNOWN;
    arg.sum.state = LNKEEP_PAYMENT_ATTEMPT_FAILED;
    arg.answer.answer = LNKEEP_ANSWER_PENDING;
}

static void fill_monitor_arguments(void) {
    static const lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    static const lnkeep_monitors_report report = LNKEEP_MONITORS_REPORT_INIT;
    static const lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    static const lnkeep_monitors_committed committed = LNKEEP_MONITORS_COMMITTED_INIT;
    static const lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    arg.monitors = world.monitors;
    arg.monitors_options = options;
    arg.monitors_report = report;
    arg.commit = commit;
    arg.committed = committed;
    arg.monitors_state = state;
}

/* An HTLC that the channels of the world would forward, and what came before it. */
static void fill_resource_arguments(void) {
    static const lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    static const lnkeep_resources_report report = LNKEEP_RESOURCES_REPORT_INIT;
    static const lnkeep_reconciled reconciled = LNKEEP_RECONCILED_INIT;
    static const lnkeep_imported imported = LNKEEP_IMPORTED_INIT;
    static const lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    arg.resources = world.resources;
    arg.resources_options = options;
    arg.resources_report = report;
    arg.reconciled = reconciled;
    arg.imported = imported;
    arg.resources_stats = stats;
    arg.limits.max_in_flight_msat = 1000000000;
    arg.limits.max_accepted_htlcs = 50;
    arg.htlc.incoming = arg.live.incoming = arg.row.incoming = arg.resolve.incoming = 1;
    arg.htlc.outgoing = arg.live.outgoing = arg.row.outgoing = arg.resolve.outgoing = 2;
    arg.htlc.incoming_amount_msat = arg.live.incoming_amount_msat = 1000;
    arg.htlc.incoming_cltv_expiry = arg.live.incoming_cltv_expiry = 100;
    arg.row.fee_msat = 1000;
}

static void fill_storage_arguments(void);
static void fill_recovery_arguments(void);

/* Valid arguments: what a mistake is made in must be right in everything else. */
static void fill_arguments(void) {
    static const lnkeep_store_options store_options = LNKEEP_STORE_OPTIONS_INIT;
    static const lnkeep_attempts_options attempts_options = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    static const lnkeep_stats stats = LNKEEP_STATS_INIT;
    static const lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    static const lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    memset(&arg, 0, sizeof arg);
    arg.store_options = store_options;
    arg.attempts_options = attempts_options;
    arg.stats = stats;
    arg.counts = counts;
    arg.query = query;
    arg.store = world.store;
    arg.attempts = world.attempts;
    arg.events = world.events;
    arg.request = h_request(1);
    arg.key = h_key(1);
    arg.result = h_settle(1);
    arg.op.kind = LNKEEP_OP_ATTEMPT_INIT;
    arg.op.component = world.attempts.bits;
    arg.op.body.attempt_init = arg.request;
    arg.circuit.state = LNKEEP_CIRCUIT_OPEN;
    fill_payment_arguments();
    fill_monitor_arguments();
    fill_resource_arguments();
    fill_storage_arguments();
    fill_recovery_arguments();
}

static void *p(int number, void *good) { return number == world.bad ? world.bad_pointer : good; }

static char *path(int number, const char *good) { return (char *)p(number, (void *)(uintptr_t)good); }

#define S world.store
#define A world.attempts
#define E world.events
#define P world.payments
#define M world.monitors
#define R world.resources
#define HASH(number) ((const uint8_t *)p(number, arg.hash))
#define VIEW(number) p(number, &arg.payment), p(number + 1, &arg.outcome)
#define ERR world.err
#define CALL(function, arguments) \
    static lnkeep_status call_##function(void) { return lnkeep_##function arguments; }

CALL(store_open, (path(1, world.directory), p(2, &arg.store_options), p(0, &arg.store), NULL, ERR))
CALL(store_close, (p(0, &arg.store), ERR))
CALL(store_tick, (S, 1, 1, ERR))
CALL(store_sync, (S, ERR))
CALL(store_stats, (S, p(0, &arg.stats), ERR))
CALL(submit, (S, p(0, &arg.op), 1, 0, p(1, &arg.outcome), ERR))
CALL(submit_async, (S, p(0, &arg.op), 1, 0, 1, ERR))
CALL(completions_take, (S, p(0, &arg.completion), 1, p(1, &arg.len), ERR))
CALL(completions_descriptor, (S, p(0, &arg.descriptor), ERR))
CALL(attempts_open, (S, p(1, &arg.attempts_options), p(0, &arg.attempts), ERR))
CALL(attempts_close, (p(0, &arg.attempts), ERR))
CALL(attempts_init, (A, p(0, &arg.request), p(1, &arg.outcome), ERR))
CALL(attempts_mark_handed_off, (A, p(0, &arg.key), p(1, &arg.outcome), ERR))
CALL(attempts_store_result, (A, p(0, &arg.key), p(1, &arg.result), p(2, &arg.outcome), ERR))
CALL(attempts_fail_pending, (A, p(0, &arg.key), 0, h_text("x"), 0, p(1, &arg.outcome), ERR))
CALL(attempts_ack, (A, p(0, &arg.key), p(1, &arg.outcome), ERR))
CALL(attempts_ack_below, (A, NULL, 9, p(0, &arg.number), ERR))
CALL(attempts_delete, (A, p(0, &arg.key), 1, 0, p(1, &arg.outcome), ERR))
CALL(attempts_clean, (A, NULL, p(0, &arg.number), 1, 0, p(1, &arg.number), p(2, &arg.other_number), ERR))
CALL(attempts_quarantine, (A, p(0, &arg.key), p(1, &arg.outcome), ERR))
CALL(attempts_allocate, (A, NULL, h_text("k"), p(0, &arg.number), ERR))
CALL(attempts_sweep, (A, p(0, &arg.number), ERR))
CALL(attempts_disable_external, (A, ERR))
CALL(attempts_acknowledge_restore, (A, p(0, &arg.floor), 1, ERR))
CALL(attempts_get, (A, p(0, &arg.key), p(1, &arg.attempt), ERR))
CALL(attempts_result, (A, p(0, &arg.key), p(1, &arg.owned_result), ERR))
CALL(attempts_has_result, (A, p(0, &arg.key), p(1, &arg.small), ERR))
CALL(attempts_list, (A, p(0, &arg.query), p(1, &arg.page), ERR))
CALL(attempts_counts, (A, NULL, p(0, &arg.counts), ERR))
CALL(attempts_recover, (A, NULL, p(0, &arg.circuit), 1, LNKEEP_RECOVER_CIRCUITS_COMPLETE,
                        p(1, &arg.recovery), ERR))
CALL(attempts_is_external, (A, p(0, &arg.small), ERR))
CALL(attempt_result_classify, (p(0, &arg.result), 0, p(1, &arg.small), ERR))
CALL(client_id_encode, (1, 1, p(0, &arg.number), ERR))
CALL(client_id_decode, (1, p(1, &arg.byte), p(0, &arg.number), ERR))
CALL(attempts_subscribe, (A, p(0, &arg.key), 0, p(1, &arg.number), ERR))
CALL(attempts_poll, (A, 1, p(0, &arg.small), p(1, &arg.owned_result), ERR))
CALL(attempts_unsubscribe, (A, 1, ERR))
CALL(attempts_unsubscribe_all, (A, ERR))
CALL(attempts_waiters, (A, p(0, &arg.key), p(1, &arg.number), ERR))
CALL(attempts_ready, (A, p(0, &arg.number), 1, p(1, &arg.len), ERR))
CALL(attempts_ready_descriptor, (A, p(0, &arg.descriptor), ERR))
CALL(events_open, (S, h_text("other"), 0, p(0, &arg.events), ERR))
CALL(events_close, (p(0, &arg.events), ERR))
CALL(events_take, (E, p(0, &arg.event), 1, p(1, &arg.len), ERR))
CALL(events_ack, (E, 1, ERR))
CALL(events_unregister, (E, ERR))
CALL(events_first_available, (E, p(0, &arg.number), ERR))
CALL(events_descriptor, (E, p(0, &arg.descriptor), ERR))
CALL(check, (path(1, world.directory), p(0, &arg.report), ERR))
CALL(store_backup, (S, path(0, world.target), p(1, &arg.report), ERR))
CALL(store_restore, (path(0, world.directory), path(1, world.target), 0, p(2, &arg.report), ERR))
CALL(payment_allows, (1, 1, 0, p(0, &arg.rules), ERR))
CALL(payment_compute_state, (1, p(0, &arg.sum), 1, 0, p(1, &arg.state), ERR))
CALL(payment_verify_attempt, (10, p(0, &arg.part), 1, 0, p(1, &arg.part), 0, ERR))
CALL(payments_open, (S, p(1, &arg.payments_options), p(0, &arg.payments), ERR))
CALL(payments_close, (p(0, &arg.payments), ERR))
CALL(payments_init, (P, p(0, &arg.payment_init), VIEW(1), ERR))
CALL(payments_register, (P, HASH(1), p(0, &arg.part), 0, VIEW(2), ERR))
CALL(payments_settle, (P, HASH(1), p(0, &arg.key), (const uint8_t *)p(2, arg.preimage), 0, 0, VIEW(3), ERR))
CALL(payments_fail_attempt, (P, HASH(2), p(0, &arg.key), p(1, &arg.failure), h_text(""), 0, VIEW(3), ERR))
CALL(payments_fail, (P, HASH(0), LNKEEP_PAYMENT_REASON_ERROR, VIEW(1), ERR))
CALL(payments_delete, (P, HASH(0), 0, p(1, &arg.outcome), ERR))
CALL(payments_fetch, (P, HASH(1), p(0, &arg.payment), ERR))
CALL(payments_list, (P, p(0, &arg.payment_query), p(1, &arg.payment_page), ERR))
CALL(payments_counts, (P, p(0, &arg.payment_counts), ERR))
CALL(payments_subscribe, (P, NULL, p(0, &arg.number), ERR))
CALL(payments_next, (P, 1, p(0, &arg.small), p(1, &arg.payment), p(2, &arg.number), ERR))
CALL(payments_unsubscribe, (P, 1, ERR))
CALL(payments_ready, (P, p(0, &arg.number), 1, p(1, &arg.len), ERR))
CALL(payments_ready_descriptor, (P, p(0, &arg.descriptor), ERR))
CALL(payments_resume, (P, p(0, &arg.answer), 1, 0, p(1, &arg.resume), ERR))
CALL(payments_stuck, (P, p(1, &arg.stuck_query), p(0, &arg.stuck), ERR))
CALL(payments_delete_many,
     (P, p(0, &arg.filter), 0, p(1, &arg.number), p(2, &arg.other_number), p(3, &arg.small), ERR))
CALL(payments_sweep, (P, p(0, &arg.number), ERR))
CALL(payments_quarantine, (P, HASH(0), p(1, &arg.outcome), ERR))
CALL(monitors_open,
     (S, p(1, &arg.monitors_options), p(0, &arg.monitors), p(2, &arg.monitors_report), ERR))
CALL(monitors_close, (p(0, &arg.monitors), 0, ERR))
CALL(monitors_queue_new, (M, HASH(0), 1, h_text("x"), p(1, &arg.block), 0, p(2, &arg.number), ERR))
CALL(monitors_queue_update, (M, HASH(0), 2, h_text("x"), 0, p(1, &arg.number), ERR))
CALL(monitors_queue_snapshot, (M, HASH(0), 1, h_text("x"), p(1, &arg.block), 0, p(2, &arg.number), ERR))
CALL(monitors_queue_archive, (M, HASH(0), p(1, &arg.number), ERR))
CALL(monitors_queue_output, (M, LNKEEP_OUTPUT_VOLATILE, 1, h_text("x"), p(0, &arg.number), ERR))
CALL(monitors_can_queue, (M, 1, 1, 0, ERR))
CALL(monitors_ticket_is_durable, (M, 1, p(0, &arg.descriptor), ERR))
CALL(monitors_capture, (M, p(0, &arg.capture), ERR))
CALL(monitors_commit_captured, (M, p(0, &arg.commit), p(1, &arg.committed), ERR))
CALL(monitors_check_manager, (M, 1, p(0, &arg.small), ERR))
CALL(monitors_completions, (M, p(0, &arg.monitor_completion), 1, p(1, &arg.len), ERR))
CALL(monitors_take_outputs, (M, 1, p(0, &arg.outputs), ERR))
CALL(monitors_acknowledge, (M, 1, ERR))
CALL(monitors_purge, (M, HASH(0), p(1, &arg.number), ERR))
CALL(monitors_descriptor, (M, p(0, &arg.descriptor), ERR))
CALL(monitors_read_state, (M, p(0, &arg.monitors_state), ERR))
CALL(monitors_load_manager, (M, p(0, &arg.buf), ERR))
CALL(monitors_list, (M, LNKEEP_STAGE_ACTIVE, NULL, p(0, &arg.channel), 1, p(1, &arg.len), ERR))
CALL(monitors_need_snapshot, (M, p(0, &arg.channel), 1, p(1, &arg.len), ERR))
CALL(monitors_load, (M, HASH(1), p(0, &arg.monitor), ERR))
CALL(resources_open,
     (S, p(1, &arg.resources_options), p(0, &arg.resources), p(2, &arg.resources_report), ERR))
CALL(resources_close, (p(0, &arg.resources), ERR))
CALL(resources_add_channel, (R, 3, p(0, &arg.limits), 1, p(1, &arg.allocation), ERR))
CALL(resources_resize_channel, (R, 1, p(0, &arg.limits), p(1, &arg.allocation), ERR))
CALL(resources_remove_channel, (R, 1, p(0, &arg.small), ERR))
CALL(resources_add, (R, p(0, &arg.htlc), 1, 0, p(1, &arg.decision), p(2, &arg.grounds), ERR))
CALL(resources_resolve, (R, p(0, &arg.resolve), 1, 0, p(1, &arg.resolution), ERR))
CALL(resources_reconcile, (R, p(0, &arg.live), 1, p(1, &arg.reconciled), ERR))
CALL(resources_import_history, (R, p(0, &arg.row), 1, p(1, &arg.imported), ERR))
CALL(resources_lookup, (R, 1, 1, p(0, &arg.resources_channel), ERR))
CALL(resources_take_snapshot, (R, 1, p(0, &arg.resources_snapshot), ERR))
CALL(resources_decisions, (R, 0, 1, p(0, &arg.buf), p(1, &arg.number), ERR))
CALL(resources_read_stats, (R, p(0, &arg.resources_stats), ERR))

#include "calls_storage.h"

#include "calls_recovery.h"

#undef S
#undef A
#undef E
#undef P
#undef M
#undef R
#undef HASH
#undef VIEW
#undef ERR

#define ROW(function, on, required, aligned, optional, closed) \
    { "lnkeep_" #function, on, required, aligned, optional, call_##function, closed }

static const call_row CALLS[] = {
    ROW(store_open, ON_NOTHING, 2, 1, 1, 0),
    ROW(store_close, ON_STORE, 1, 1, 0, 0),
    ROW(store_tick, ON_STORE, 0, 0, 0, 0),
    ROW(store_sync, ON_STORE, 0, 0, 0, 0),
    ROW(store_stats, ON_STORE, 1, 1, 0, 0),
    ROW(submit, ON_STORE, 2, 2, 0, 0),
    ROW(submit_async, ON_STORE, 1, 1, 0, 0),
    ROW(completions_take, ON_STORE, 2, 2, 0, 0),
    ROW(completions_descriptor, ON_STORE, 1, 1, 0, 0),
    ROW(attempts_open, ON_STORE, 1, 1, 1, 0),
    ROW(attempts_close, ON_ATTEMPTS, 1, 1, 0, 1),
    ROW(attempts_init, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_mark_handed_off, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_store_result, ON_ATTEMPTS, 2, 2, 1, 0),
    ROW(attempts_fail_pending, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_ack, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_ack_below, ON_ATTEMPTS, 0, 0, 1, 0),
    ROW(attempts_delete, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_clean, ON_ATTEMPTS, 1, 1, 2, 0),
    ROW(attempts_quarantine, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_allocate, ON_ATTEMPTS, 1, 1, 0, 0),
    ROW(attempts_sweep, ON_ATTEMPTS, 0, 0, 1, 0),
    ROW(attempts_disable_external, ON_ATTEMPTS, 0, 0, 0, 0),
    ROW(attempts_acknowledge_restore, ON_ATTEMPTS, 1, 1, 0, 0),
    ROW(attempts_get, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_result, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_has_result, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_list, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_counts, ON_ATTEMPTS, 1, 1, 0, 0),
    ROW(attempts_recover, ON_ATTEMPTS, 1, 1, 1, 0),
    ROW(attempts_is_external, ON_ATTEMPTS, 1, 1, 0, 0),
    ROW(attempt_result_classify, ON_NOTHING, 2, 2, 0, 0),
    ROW(client_id_encode, ON_NOTHING, 1, 1, 0, 0),
    ROW(client_id_decode, ON_NOTHING, 2, 1, 0, 0),
    ROW(attempts_subscribe, ON_ATTEMPTS, 2, 2, 0, 0),
    ROW(attempts_poll, ON_ATTEMPTS, 2, 2, 0, 1),
    ROW(attempts_unsubscribe, ON_ATTEMPTS, 0, 0, 0, 1),
    ROW(attempts_unsubscribe_all, ON_ATTEMPTS, 0, 0, 0, 1),
    ROW(attempts_waiters, ON_ATTEMPTS, 2, 2, 0, 1),
    ROW(attempts_ready, ON_ATTEMPTS, 2, 2, 0, 1),
    ROW(attempts_ready_descriptor, ON_ATTEMPTS, 1, 1, 0, 1),
    ROW(events_open, ON_STORE, 1, 1, 0, 0),
    ROW(events_close, ON_EVENTS, 1, 1, 0, 1),
    ROW(events_take, ON_EVENTS, 2, 2, 0, 0),
    ROW(events_ack, ON_EVENTS, 0, 0, 0, 0),
    ROW(events_unregister, ON_EVENTS, 0, 0, 0, 0),
    ROW(events_first_available, ON_EVENTS, 1, 1, 0, 0),
    ROW(events_descriptor, ON_EVENTS, 1, 1, 0, 1),
    ROW(check, ON_NOTHING, 2, 1, 0, 0),
    ROW(store_backup, ON_STORE, 1, 0, 1, 0),
    ROW(store_restore, ON_NOTHING, 2, 0, 1, 0),
    ROW(payment_allows, ON_NOTHING, 1, 1, 0, 0),
    ROW(payment_compute_state, ON_NOTHING, 2, 2, 0, 0),
    ROW(payment_verify_attempt, ON_NOTHING, 2, 2, 0, 0),
    ROW(payments_open, ON_STORE, 1, 1, 1, 0),
    ROW(payments_close, ON_PAYMENTS, 1, 1, 0, 1),
    ROW(payments_init, ON_PAYMENTS, 1, 1, 2, 0),
    ROW(payments_register, ON_PAYMENTS, 2, 1, 2, 0),
    ROW(payments_settle, ON_PAYMENTS, 3, 1, 2, 0),
    ROW(payments_fail_attempt, ON_PAYMENTS, 3, 2, 2, 0),
    ROW(payments_fail, ON_PAYMENTS, 1, 0, 2, 0),
    ROW(payments_delete, ON_PAYMENTS, 1, 0, 1, 0),
    ROW(payments_fetch, ON_PAYMENTS, 2, 1, 0, 0),
    ROW(payments_list, ON_PAYMENTS, 2, 2, 0, 0),
    ROW(payments_counts, ON_PAYMENTS, 1, 1, 0, 0),
    ROW(payments_subscribe, ON_PAYMENTS, 1, 1, 0, 0),
    ROW(payments_next, ON_PAYMENTS, 2, 2, 1, 1),
    ROW(payments_unsubscribe, ON_PAYMENTS, 0, 0, 0, 1),
    ROW(payments_ready, ON_PAYMENTS, 2, 2, 0, 1),
    ROW(payments_ready_descriptor, ON_PAYMENTS, 1, 1, 0, 1),
    ROW(payments_resume, ON_PAYMENTS, 1, 1, 1, 0),
    ROW(payments_stuck, ON_PAYMENTS, 1, 1, 1, 0),
    ROW(payments_delete_many, ON_PAYMENTS, 0, 0, 4, 0),
    ROW(payments_sweep, ON_PAYMENTS, 0, 0, 1, 0),
    ROW(payments_quarantine, ON_PAYMENTS, 1, 0, 1, 0),
    ROW(monitors_open, ON_STORE, 1, 1, 2, 0),
    ROW(monitors_close, ON_MONITORS, 1, 1, 0, 1),
    ROW(monitors_queue_new, ON_MONITORS, 1, 0, 2, 0),
    ROW(monitors_queue_update, ON_MONITORS, 1, 0, 1, 0),
    ROW(monitors_queue_snapshot, ON_MONITORS, 1, 0, 2, 0),
    ROW(monitors_queue_archive, ON_MONITORS, 1, 0, 1, 0),
    ROW(monitors_queue_output, ON_MONITORS, 0, 0, 1, 0),
    ROW(monitors_can_queue, ON_MONITORS, 0, 0, 0, 0),
    ROW(monitors_ticket_is_durable, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_capture, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_commit_captured, ON_MONITORS, 1, 1, 1, 0),
    ROW(monitors_check_manager, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_completions, ON_MONITORS, 2, 2, 0, 0),
    ROW(monitors_take_outputs, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_acknowledge, ON_MONITORS, 0, 0, 0, 0),
    ROW(monitors_purge, ON_MONITORS, 1, 0, 1, 0),
    ROW(monitors_descriptor, ON_MONITORS, 1, 1, 0, 1),
    ROW(monitors_read_state, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_load_manager, ON_MONITORS, 1, 1, 0, 0),
    ROW(monitors_list, ON_MONITORS, 2, 2, 0, 0),
    ROW(monitors_need_snapshot, ON_MONITORS, 2, 2, 0, 0),
    ROW(monitors_load, ON_MONITORS, 2, 1, 0, 0),
    ROW(resources_open, ON_STORE, 1, 1, 2, 0),
    ROW(resources_close, ON_RESOURCES, 1, 1, 0, 1),
    ROW(resources_add_channel, ON_RESOURCES, 1, 1, 1, 0),
    ROW(resources_resize_channel, ON_RESOURCES, 1, 1, 1, 0),
    ROW(resources_remove_channel, ON_RESOURCES, 0, 0, 1, 0),
    ROW(resources_add, ON_RESOURCES, 2, 2, 1, 0),
    ROW(resources_resolve, ON_RESOURCES, 2, 2, 0, 0),
    ROW(resources_reconcile, ON_RESOURCES, 1, 1, 1, 0),
    ROW(resources_import_history, ON_RESOURCES, 1, 1, 1, 0),
    ROW(resources_lookup, ON_RESOURCES, 1, 1, 0, 0),
    ROW(resources_take_snapshot, ON_RESOURCES, 1, 1, 0, 0),
    ROW(resources_decisions, ON_RESOURCES, 2, 2, 0, 0),
    ROW(resources_read_stats, ON_RESOURCES, 1, 1, 0, 0),
    STORAGE_ROWS,
    RECOVERY_ROWS,
};

/* Functions that cannot fail; the tests that use them are named behind them. */
static const char *const CANNOT_FAIL[] = {
    "lnkeep_status_class", "lnkeep_status_name", "lnkeep_status_message", "lnkeep_class_name", /* test_status */
    "lnkeep_abi_version", "lnkeep_version", /* test_status */
    "lnkeep_store_is_open", "lnkeep_attempts_is_open", "lnkeep_events_is_open", /* test_misuse */
    "lnkeep_attempt_free", "lnkeep_attempt_result_free", "lnkeep_attempt_page_free", /* test_attempts_read */
    "lnkeep_recovery_free", /* test_attempts_read */
    "lnkeep_check_report_free", /* test_check */
    "lnkeep_payments_is_open", /* test_misuse */
    "lnkeep_payment_free", "lnkeep_payment_page_free", /* test_payments_read */
    "lnkeep_resume_free", "lnkeep_stuck_list_free", /* test_payments_resume */
    "lnkeep_monitors_is_open", /* test_misuse */
    "lnkeep_outputs_free", /* test_monitors_outputs */
    "lnkeep_monitor_free", "lnkeep_buf_free", /* test_monitors_read */
    "lnkeep_resources_is_open", /* test_misuse */
    "lnkeep_resources_snapshot_free", /* test_resources_read */
    "lnkeep_peer_storage_is_open", "lnkeep_backup_is_open", /* test_storage_misuse */
    "lnkeep_node_ids_free", "lnkeep_peer_page_free", /* test_peer_storage */
    "lnkeep_backup_actions_free", "lnkeep_backup_peers_free", /* test_backup */
    "lnkeep_opened_free", /* test_envelope */
    "lnkeep_shares_free", "lnkeep_share_records_free", "lnkeep_roster_free", /* test_stripe */
    "lnkeep_foreign_ldk_free", "lnkeep_foreign_cln_free", /* test_foreign */
    "lnkeep_foreign_lightning_kmp_free", "lnkeep_foreign_lnd_free",
    "lnkeep_recovery_is_open", "lnkeep_recovery_progress_free", /* test_recovery */
    "lnkeep_recovered_free", "lnkeep_recovered_htlcs_free", /* test_recovery */
};

/* Opens the world's monitors; a channel under the hash of ones was committed when this is the first time. */
static void open_world_monitors(void) {
    lnkeep_monitors_report report = LNKEEP_MONITORS_REPORT_INIT;
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    CHECK_DONE(lnkeep_monitors_open(world.store, NULL, &world.monitors, &report, NULL));
    if (report.last_close != LNKEEP_LAST_CLOSE_NEW) return;
    CHECK_DONE(lnkeep_monitors_queue_new(world.monitors, h_hash_of_ones, 1, h_text("x"), NULL, 0, NULL,
                                         NULL));
    CHECK_DONE(lnkeep_monitors_capture(world.monitors, &commit.capture, NULL));
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    CHECK_DONE(lnkeep_monitors_commit_captured(world.monitors, &commit, NULL, NULL));
}

/* Opens the world's resources with the channels 1 and 2; they may be known already. */
static void open_world_resources(void) {
    lnkeep_channel_limits limits = {1000000000, 50, 0};
    CHECK_DONE(lnkeep_resources_open(world.store, NULL, &world.resources, NULL, NULL));
    for (uint64_t channel = 1; channel <= 2; channel++) {
        CHECK(lnkeep_resources_add_channel(world.resources, channel, &limits, 1, NULL, NULL) >= 0);
    }
}

/*
 * A store with attempt 1 registered, under the hash of ones a payment of 10 msat and a channel, two channels
 * that may forward, a peer with a blob, a handle of each kind.
 */
static void make_world(void) {
    memset(&world, 0, sizeof world);
    world.directory = h_directory();
    world.target = h_path(h_directory(), "target");
    world.bad = -1;
    world.store = h_open(world.directory);
    world.attempts = h_attempts(world.store);
    world.payments = h_payments(world.store);
    CHECK_DONE(h_init(world.attempts, 1));
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    memcpy(init.payment_hash, h_hash_of_ones, sizeof init.payment_hash);
    init.amount_msat = 10;
    CHECK_DONE(lnkeep_payments_init(world.payments, &init, NULL, NULL, NULL));
    CHECK_DONE(lnkeep_events_open(world.store, h_text("world"), 0, &world.events, NULL));
    open_world_monitors();
    open_world_resources();
    open_world_storage();
    begin_world_recovery();
    fill_arguments();
}

static void end_world(void) {
    CHECK_DONE(lnkeep_events_close(&world.events, NULL));
    CHECK_DONE(lnkeep_monitors_close(&world.monitors, 0, NULL));
    CHECK_DONE(lnkeep_resources_close(&world.resources, NULL));
    close_world_storage();
    end_world_recovery();
    h_close_payments(&world.payments);
    h_close_attempts(&world.attempts);
    h_close(&world.store);
}

#endif

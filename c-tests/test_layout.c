/* Sizes and offsets: they are the ABI. A field that moves, or a hole between two, breaks compiled programs. */

#include "layout.h"

static void store_structures(void) {
#define T lnkeep_store
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_store_options
    CHECK_LAYOUT(T, 120, F(size), F(flags), F(abi_version), F(epoch_min), F(map_bytes_max), F(map_bytes),
                 F(queue_operations_max), F(event_kinds), F(events_bytes_max), F(events_age_max_secs),
                 F(expected_store_id), F(seed));
#undef T
#define T lnkeep_store_report
    CHECK_LAYOUT(T, 48, F(size), F(epoch), F(store_id), F(flags), F(block_height), F(unix_ms));
#undef T
#define T lnkeep_error
    CHECK_LAYOUT(T, 304, F(size), F(status), F(os_errno), F(message), F(value), F(present), F(reserved),
                 F(channel_id));
#undef T
#define T lnkeep_stats
    CHECK_LAYOUT(T, 152, F(size), F(commits), F(operations), F(operations_refused), F(commit_p50_ns),
                 F(commit_p99_ns), F(commit_max_ns), F(queue_depth), F(pages_used), F(page_bytes),
                 F(allocated_bytes), F(map_bytes), F(map_bytes_max), F(readers), F(oldest_read_ns),
                 F(map_growths), F(stale_readers_cleared), F(commit_number), F(flags), F(reserved));
#undef T
}

static void attempt_structures(void) {
#define T lnkeep_attempts
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_attempts_options
    CHECK_LAYOUT(T, 48, F(size), F(flags), F(reserved), F(acked_retention_secs), F(tombstone_retention_secs),
                 F(tombstones_max), F(subscriptions_max));
#undef T
#define T lnkeep_attempt_key
    CHECK_LAYOUT(T, 24, F(namespace_bytes), F(id));
#undef T
#define T lnkeep_attempt_request
    CHECK_LAYOUT(T, 112, F(key), F(present), F(cltv_expiry), F(amount_msat), F(first_hop_scid), F(fingerprint),
                 F(payment_hash));
#undef T
#define T lnkeep_bytes
    CHECK_LAYOUT(T, 16, F(ptr), F(len));
#undef T
#define T lnkeep_attempt_result
    CHECK_LAYOUT(T, 64, F(kind), F(flags), F(failure_code), F(reserved), F(preimage), F(message));
#undef T
#define T lnkeep_attempt
    CHECK_LAYOUT(T, 208, F(key), F(state), F(flags), F(present), F(cltv_expiry), F(created_epoch),
                 F(created_unix_ms), F(updated_unix_ms), F(amount_msat), F(first_hop_scid), F(fingerprint),
                 F(payment_hash), F(result));
#undef T
#define T lnkeep_id_floor
    CHECK_LAYOUT(T, 24, F(namespace_bytes), F(id_floor));
#undef T
}

static void attempt_lists(void) {
#define T lnkeep_attempt_query
    CHECK_LAYOUT(T, 72, F(size), F(flags), F(states), F(namespace_bytes), F(after), F(created_before_unix_ms),
                 F(expired_at_height), F(limit));
#undef T
#define T lnkeep_attempt_page
    CHECK_LAYOUT(T, 80, F(size), F(stride), F(attempts), F(attempts_len), F(unreadable), F(unreadable_len),
                 F(next), F(has_more), F(reserved));
#undef T
#define T lnkeep_attempt_counts
    CHECK_LAYOUT(T, 48, F(size), F(intent), F(handed_off), F(settled), F(failed), F(deleted));
#undef T
#define T lnkeep_circuit
    CHECK_LAYOUT(T, 16, F(id), F(state), F(reserved));
#undef T
#define T lnkeep_recovery
    CHECK_LAYOUT(T, 56, F(size), F(failed), F(failed_len), F(unresolved), F(unresolved_len), F(unreadable),
                 F(unreadable_len));
#undef T
}

static void operations(void) {
#define T lnkeep_op_attempt_result
    CHECK_LAYOUT(T, 88, F(key), F(result));
#undef T
#define T lnkeep_op_attempt_rollback
    CHECK_LAYOUT(T, 48, F(key), F(failure_code), F(reserved), F(message));
#undef T
#define T lnkeep_op_attempt_allocate
    CHECK_LAYOUT(T, 32, F(namespace_bytes), F(external_key));
#undef T
#define T lnkeep_op
    CHECK_LAYOUT(T, 256, F(kind), F(flags), F(component), F(body));
#undef T
#define T lnkeep_outcome
    CHECK_LAYOUT(T, 32, F(status), F(os_errno), F(flags), F(reserved), F(value), F(event_sequence));
#undef T
#define T lnkeep_completion
    CHECK_LAYOUT(T, 48, F(cookie), F(index), F(operations), F(outcome));
#undef T
    CHECK_EQUAL(sizeof(lnkeep_op_body), 240);
}

/* Room for the bodies of later kinds without a new size of lnkeep_op. */
static void every_body_starts_with_the_operation_and_fits(void) {
    CHECK_EQUAL(offsetof(lnkeep_op_body, attempt_init), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, attempt_key), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, attempt_result), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, attempt_rollback), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, attempt_allocate), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_init), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_register), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_settle), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_fail_attempt), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_fail), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, payment_delete), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, monitors_commit), 0);
    CHECK_EQUAL(offsetof(lnkeep_op_body, reserved), 0);
    CHECK_EQUAL(sizeof(((lnkeep_op_body *)0)->reserved), sizeof(lnkeep_op_body));
}

static void payment_requests(void) {
#define T lnkeep_payments
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_payments_options
    CHECK_LAYOUT(T, 56, F(size), F(flags), F(reserved), F(finished_retention_secs), F(finished_max),
                 F(history_bytes_max), F(tombstone_retention_secs), F(subscriptions_max));
#undef T
#define T lnkeep_payment_init
    CHECK_LAYOUT(T, 216, F(size), F(payment_hash), F(amount_msat), F(created_unix_ns), F(idempotency_key),
                 F(payment_request), F(first_hop_records), F(present), F(reserved),
                 F(intent_deadline_unix_ns), F(intent_fee_limit_msat), F(intent_amp_root_share),
                 F(intent_destination), F(intent_reserved), F(intent_data));
#undef T
#define T lnkeep_payment_attempt_request
    CHECK_LAYOUT(T, 280, F(size), F(key), F(amount_msat), F(fee_msat), F(present), F(hop_count),
                 F(attempt_hash), F(mpp_payment_address), F(mpp_total_msat), F(amp_root_share), F(amp_set_id),
                 F(amp_child_index), F(cltv_expiry), F(blinded_total_msat), F(first_hop_scid),
                 F(first_hop_amount_msat), F(sent_unix_ns), F(route), F(session_key), F(first_hop_records));
#undef T
#define T lnkeep_payment_failure
    CHECK_LAYOUT(T, 32, F(reason), F(source_index), F(failed_unix_ns), F(message));
#undef T
}

static void payment_operations(void) {
#define T lnkeep_op_payment_init
    CHECK_LAYOUT(T, 8, F(init));
#undef T
#define T lnkeep_op_payment_register
    CHECK_LAYOUT(T, 40, F(payment_hash), F(attempt));
#undef T
#define T lnkeep_op_payment_settle
    CHECK_LAYOUT(T, 96, F(payment_hash), F(key), F(preimage), F(settled_unix_ns));
#undef T
#define T lnkeep_op_payment_fail_attempt
    CHECK_LAYOUT(T, 104, F(payment_hash), F(key), F(failure), F(note));
#undef T
#define T lnkeep_op_payment_fail
    CHECK_LAYOUT(T, 40, F(payment_hash), F(reason), F(reserved));
#undef T
#define T lnkeep_op_payment_delete
    CHECK_LAYOUT(T, 32, F(payment_hash));
#undef T
}

static void payment_views(void) {
#define T lnkeep_payment_attempt
    CHECK_LAYOUT(T, 376, F(request), F(state), F(marks), F(preimage), F(settled_unix_ns), F(failure),
                 F(note));
#undef T
#define T lnkeep_payment
    CHECK_LAYOUT(T, 320, F(size), F(init), F(sequence), F(revision), F(status), F(marks), F(failure_reason),
                 F(first_failure_reason), F(updated_unix_ms), F(in_flight), F(remaining_msat), F(fees_msat),
                 F(terminal), F(terminal_attempt), F(attempt_stride), F(attempts), F(attempts_len));
#undef T
#define T lnkeep_payment_unreadable
    CHECK_LAYOUT(T, 48, F(sequence), F(has_hash), F(reserved), F(payment_hash));
#undef T
#define T lnkeep_payment_page
    CHECK_LAYOUT(T, 64, F(size), F(stride), F(payments), F(payments_len), F(unreadable), F(unreadable_len),
                 F(next), F(has_more), F(reserved));
#undef T
#define T lnkeep_payment_query
    CHECK_LAYOUT(T, 48, F(size), F(flags), F(statuses), F(offset), F(created_from_unix_ns),
                 F(created_to_unix_ns), F(limit), F(reserved));
#undef T
#define T lnkeep_payment_counts
    CHECK_LAYOUT(T, 64, F(size), F(payments), F(unfinished), F(tombstones), F(attempts), F(idempotency_keys),
                 F(doomed), F(history_bytes));
#undef T
#define T lnkeep_payment_delete_filter
    CHECK_LAYOUT(T, 24, F(size), F(flags), F(statuses), F(created_to_unix_ns));
#undef T
}

static void payment_decisions(void) {
#define T lnkeep_resume_answer
    CHECK_LAYOUT(T, 96, F(key), F(answer), F(flags), F(preimage), F(failure));
#undef T
#define T lnkeep_resumed
    CHECK_LAYOUT(T, 48, F(sequence), F(outcome), F(has_hash), F(payment_hash));
#undef T
#define T lnkeep_resume
    CHECK_LAYOUT(T, 40, F(size), F(keep), F(keep_len), F(payments), F(payments_len));
#undef T
#define T lnkeep_stuck_query
    CHECK_LAYOUT(T, 32, F(size), F(after), F(block_height), F(grace_blocks), F(untouched_since_unix_ms));
#undef T
#define T lnkeep_stuck
    CHECK_LAYOUT(T, 72, F(payment_hash), F(sequence), F(attempt), F(reason), F(cltv_expiry));
#undef T
#define T lnkeep_stuck_list
    CHECK_LAYOUT(T, 40, F(size), F(found), F(found_len), F(next), F(has_more), F(reserved));
#undef T
#define T lnkeep_payment_rules
    CHECK_LAYOUT(T, 40, F(size), F(init), F(update), F(remove), F(can_register), F(allow_more_status),
                 F(allow_more), F(need_wait_status), F(need_wait));
#undef T
#define T lnkeep_attempt_sum
    CHECK_LAYOUT(T, 24, F(state), F(reserved), F(amount_msat), F(fee_msat));
#undef T
#define T lnkeep_payment_state
    CHECK_LAYOUT(T, 40, F(size), F(status), F(flags), F(in_flight), F(remaining_msat), F(fees_msat));
#undef T
}

static void monitor_commits(void) {
#define T lnkeep_monitors
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_monitors_options
    CHECK_LAYOUT(T, 48, F(size), F(flags), F(pending_ops_max), F(pending_bytes_max), F(critical_reserve_ops),
                 F(snapshot_every_updates), F(updates_max), F(snapshot_growth_percent), F(snapshot_age_secs));
#undef T
#define T lnkeep_monitors_report
    CHECK_LAYOUT(T, 40, F(size), F(commit_sequence), F(outputs), F(damaged), F(last_close), F(flags));
#undef T
#define T lnkeep_block
    CHECK_LAYOUT(T, 40, F(hash), F(height), F(reserved));
#undef T
#define T lnkeep_capture
    CHECK_LAYOUT(T, 32, F(epoch), F(number), F(upto_ticket), F(check));
#undef T
#define T lnkeep_channel_tip
    CHECK_LAYOUT(T, 40, F(channel_id), F(update_id));
#undef T
#define T lnkeep_monitors_commit
    CHECK_LAYOUT(T, 88, F(size), F(capture), F(flags), F(reserved), F(manager), F(manager_generation),
                 F(view), F(view_len));
#undef T
#define T lnkeep_monitors_committed
    CHECK_LAYOUT(T, 32, F(size), F(commit_sequence), F(applied), F(need_snapshot));
#undef T
#define T lnkeep_op_monitors_commit
    CHECK_LAYOUT(T, 8, F(commit));
#undef T
}

static void monitor_views(void) {
#define T lnkeep_monitor_completion
    CHECK_LAYOUT(T, 48, F(channel_id), F(update_id), F(kind), F(reserved));
#undef T
#define T lnkeep_output
    CHECK_LAYOUT(T, 32, F(output_id), F(tag), F(payload));
#undef T
#define T lnkeep_outputs
    CHECK_LAYOUT(T, 32, F(size), F(stride), F(outputs), F(outputs_len));
#undef T
#define T lnkeep_monitors_state
    CHECK_LAYOUT(T, 48, F(size), F(commit_sequence), F(pending_operations), F(pending_bytes),
                 F(manager_generation), F(rescan_height), F(flags));
#undef T
#define T lnkeep_buf
    CHECK_LAYOUT(T, 16, F(ptr), F(len));
#undef T
#define T lnkeep_channel
    CHECK_LAYOUT(T, 104, F(channel_id), F(snapshot_update_id), F(latest_update_id), F(snapshot_bytes),
                 F(update_bytes), F(block_hash), F(block_height), F(damage));
#undef T
#define T lnkeep_monitor_update
    CHECK_LAYOUT(T, 24, F(update_id), F(update));
#undef T
#define T lnkeep_monitor
    CHECK_LAYOUT(T, 160, F(size), F(update_stride), F(snapshot), F(updates), F(updates_len), F(stage),
                 F(reserved), F(channel));
#undef T
}

static void resource_decisions(void) {
#define T lnkeep_resources
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_resources_options
    CHECK_LAYOUT(T, 96, F(size), F(flags), F(general_percent),
                 F(congestion_percent), F(reputation_multiplier), F(resolution_period_secs),
                 F(revenue_window_secs), F(default_fee_base_msat), F(default_fee_ppm),
                 F(journal_entries_max), F(decisions_kept), F(reserved), F(entropy));
#undef T
#define T lnkeep_resources_report
    CHECK_LAYOUT(T, 48, F(size), F(channels), F(pending), F(replayed), F(damaged),
                 F(flags), F(reserved));
#undef T
#define T lnkeep_channel_limits
    CHECK_LAYOUT(T, 16, F(max_in_flight_msat), F(max_accepted_htlcs), F(reserved));
#undef T
#define T lnkeep_allocation
    CHECK_LAYOUT(T, 48, F(general_liquidity_msat), F(slot_msat),
                 F(congestion_liquidity_msat), F(protected_liquidity_msat), F(general_slots), F(pair_slots),
                 F(congestion_slots), F(protected_slots));
#undef T
#define T lnkeep_htlc_request
    CHECK_LAYOUT(T, 72, F(incoming), F(outgoing), F(htlc_id), F(incoming_amount_msat),
                 F(outgoing_amount_msat), F(policy_fee_msat), F(unix_secs), F(incoming_cltv_expiry),
                 F(block_height), F(flags), F(reserved));
#undef T
#define T lnkeep_decision
    CHECK_LAYOUT(T, 32, F(status), F(verdict), F(reason), F(bucket), F(flags), F(reserved),
                 F(value));
#undef T
#define T lnkeep_grounds
    CHECK_LAYOUT(T, 120, F(fee_msat), F(charged_fee_msat), F(htlc_risk_msat),
                 F(outgoing_reputation_msat), F(outgoing_in_flight_risk_msat), F(incoming_revenue_msat),
                 F(general_slots_needed), F(congestion_used_msat), F(congestion_liquidity_msat),
                 F(protected_used_msat), F(protected_liquidity_msat), F(pair_slots_free),
                 F(general_slots_used), F(general_slots), F(congestion_slots_used), F(congestion_slots),
                 F(protected_slots_used), F(protected_slots), F(flags));
#undef T
}

static void resource_ends(void) {
#define T lnkeep_resolve_request
    CHECK_LAYOUT(T, 40, F(incoming), F(outgoing), F(htlc_id), F(unix_secs), F(flags),
                 F(reserved));
#undef T
#define T lnkeep_resolution
    CHECK_LAYOUT(T, 24, F(status), F(reserved), F(effective_fee_msat), F(value));
#undef T
#define T lnkeep_live_htlc
    CHECK_LAYOUT(T, 64, F(incoming), F(outgoing), F(htlc_id), F(incoming_amount_msat),
                 F(outgoing_amount_msat), F(added_unix_secs), F(incoming_cltv_expiry), F(block_height),
                 F(flags), F(reserved));
#undef T
#define T lnkeep_reconciled
    CHECK_LAYOUT(T, 48, F(size), F(kept), F(dropped), F(added), F(unknown_channel),
                 F(different));
#undef T
#define T lnkeep_forward_row
    CHECK_LAYOUT(T, 40, F(incoming), F(outgoing), F(fee_msat), F(added_unix_secs),
                 F(settled_unix_secs));
#undef T
#define T lnkeep_imported
    CHECK_LAYOUT(T, 40, F(size), F(channels), F(channels_before), F(rows),
                 F(rows_passed_over));
#undef T
}

static void resource_views(void) {
#define T lnkeep_resources_channel
    CHECK_LAYOUT(T, 184, F(channel), F(limits), F(allocation), F(reputation_msat),
                 F(reputation_updated_unix_secs), F(reputation_now_msat), F(revenue_total_msat),
                 F(revenue_updated_unix_secs), F(revenue_start_unix_secs), F(revenue_now_msat),
                 F(in_flight_risk_msat), F(congestion_used_msat), F(protected_used_msat),
                 F(congestion_slots_used), F(protected_slots_used), F(general_slots_used),
                 F(pending_outgoing), F(pending_incoming), F(outgoing_in_congestion), F(flags),
                 F(reserved));
#undef T
#define T lnkeep_pending_htlc
    CHECK_LAYOUT(T, 72, F(incoming), F(outgoing), F(htlc_id), F(incoming_amount_msat),
                 F(fee_msat), F(added_unix_secs), F(risk_msat), F(bucket), F(general_slots), F(flags),
                 F(reserved));
#undef T
#define T lnkeep_resources_pair
    CHECK_LAYOUT(T, 72, F(incoming), F(outgoing), F(slots), F(slots_len), F(used));
#undef T
#define T lnkeep_resources_mark
    CHECK_LAYOUT(T, 24, F(incoming), F(outgoing), F(misused_unix_secs));
#undef T
#define T lnkeep_resources_snapshot
    CHECK_LAYOUT(T, 104, F(size), F(channel_stride), F(pending_stride),
                 F(pair_stride), F(mark_stride), F(channels), F(channels_len), F(pending), F(pending_len),
                 F(pairs), F(pairs_len), F(marks), F(marks_len));
#undef T
#define T lnkeep_resources_stats
    CHECK_LAYOUT(T, 80, F(size), F(forwarded), F(failed), F(would_fail), F(repeated),
                 F(resolved), F(clock_clamped), F(journal_waiting), F(journal_next),
                 F(journal_durable_below));
#undef T
}

static void events(void) {
#define T lnkeep_events
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_event
    CHECK_LAYOUT(T, 128, F(sequence), F(kind), F(state), F(failure_code), F(block_height), F(unix_ms),
                 F(subject), F(attempt_id), F(amount_msat), F(namespace_bytes), F(attempt_state),
                 F(failure_reason), F(flags), F(reserved), F(remaining_msat), F(fees_msat));
#undef T
    CHECK_EQUAL(sizeof(lnkeep_status), 4);
    CHECK_EQUAL(sizeof(lnkeep_class), 4);
    CHECK((lnkeep_status)-1 < 0);
}

static void maintenance_structures(void) {
#define T lnkeep_finding
    CHECK_LAYOUT(T, 48, F(page), F(table), F(key), F(fault), F(flags), F(reserved));
#undef T
#define T lnkeep_check_report
    CHECK_LAYOUT(T, 112, F(size), F(stride), F(findings), F(findings_len), F(flags),
                 F(block_height), F(unix_ms), F(store_id), F(epoch), F(commit_number), F(rows),
                 F(pages), F(page_bytes), F(file_bytes));
#undef T
}

/* Their values are compiled into programs, as offsets are. */
static void maintenance_flags_keep_their_values(void) {
    CHECK_EQUAL(LNKEEP_FINDING_ROW_ONLY, 1);
    CHECK_EQUAL(LNKEEP_CHECK_LIVE, 1);
    CHECK_EQUAL(LNKEEP_CHECK_ENDED_CLEANLY, 2);
    CHECK_EQUAL(LNKEEP_CHECK_TRUNCATED, 4);
    CHECK_EQUAL(LNKEEP_CHECK_UNUSABLE, 8);
    CHECK_EQUAL(LNKEEP_CHECK_RESTORED, 16);
    CHECK_EQUAL(LNKEEP_CHECK_COPIED, 32);
    CHECK_EQUAL(LNKEEP_STORE_COMPACT, 256);
    CHECK_EQUAL(LNKEEP_REPORT_COMPACTED, 64);
}

static const number PAYMENT_NUMBERS[] = {
    N(PAYMENTS_CHECK_TOTALS, 1),
    N(PAYMENT_HAS_INTENT, 1), N(PAYMENT_HAS_DESTINATION, 2), N(PAYMENT_HAS_AMP_ROOT_SHARE, 4),
    N(PAYMENT_ATTEMPT_HAS_HASH, 1), N(PAYMENT_ATTEMPT_HAS_MPP, 2), N(PAYMENT_ATTEMPT_HAS_AMP, 4),
    N(PAYMENT_ATTEMPT_IS_BLINDED, 8), N(PAYMENT_ATTEMPT_HAS_FIRST_HOP_AMOUNT, 16),
    N(ATTEMPT_FAILURE_UNKNOWN, 1), N(ATTEMPT_FAILURE_UNREADABLE, 2), N(ATTEMPT_FAILURE_INTERNAL, 3),
    N(ATTEMPT_FAILURE_MESSAGE, 4),
    N(PAYMENT_REASON_TIMEOUT, 1), N(PAYMENT_REASON_NO_ROUTE, 2), N(PAYMENT_REASON_ERROR, 3),
    N(PAYMENT_REASON_INCORRECT_PAYMENT_DETAILS, 4), N(PAYMENT_REASON_INSUFFICIENT_BALANCE, 5),
    N(PAYMENT_REASON_CANCELED, 6),
    N(PAYMENT_STATUS_INITIATED, 1), N(PAYMENT_STATUS_IN_FLIGHT, 2), N(PAYMENT_STATUS_SUCCEEDED, 3),
    N(PAYMENT_STATUS_FAILED, 4),
    N(PAYMENT_ATTEMPT_IN_FLIGHT, 1), N(PAYMENT_ATTEMPT_SETTLED, 2), N(PAYMENT_ATTEMPT_FAILED, 3),
    N(PAYMENT_MARK_TRACKED, 1), N(PAYMENT_MARK_LATE_SETTLE, 2), N(PAYMENT_MARK_FORCED, 4),
    N(PAYMENT_TERMINAL_NONE, 0), N(PAYMENT_TERMINAL_SETTLED, 1), N(PAYMENT_TERMINAL_FAILED, 2),
    N(PAYMENT_QUERY_OFFSET, 1), N(PAYMENT_QUERY_REVERSED, 2), N(PAYMENT_QUERY_WITHOUT_ATTEMPTS, 4),
    N(ANSWER_SETTLED, 1), N(ANSWER_FAILED, 2), N(ANSWER_FAILED_FINAL, 3), N(ANSWER_ERROR, 4),
    N(ANSWER_UNKNOWN, 5), N(ANSWER_PENDING, 6), N(ANSWER_FIRST_HOP_CLOSED, 1),
    N(RESUME_DONE, 1), N(RESUME_WAITING, 2), N(RESUME_INTERNAL, 3), N(RESUME_MAY_SEND, 4),
    N(RESUME_UNREADABLE, 5), N(RESUME_KEEP_FAILED_ATTEMPTS, 1), N(RESUME_SENDING, 2),
    N(STUCK_PAST_EXPIRY, 1), N(STUCK_NO_RECORD, 2), N(STUCK_UNREADABLE_RECORD, 3),
    N(STUCK_RESULT_NOT_COLLECTED, 4), N(STUCK_ABANDONED, 5),
    N(PAYMENT_STATE_HAS_SETTLED, 1), N(PAYMENT_STATE_GIVEN_UP, 2),
    N(NEXT_WAITING, 0), N(NEXT_PAYMENT, 1), N(NEXT_MISSED, 2), N(NEXT_CLOSED, 3),
    N(OP_PAYMENT_INIT, 0x201), N(OP_PAYMENT_REGISTER, 0x202), N(OP_PAYMENT_SETTLE, 0x203),
    N(OP_PAYMENT_FAIL_ATTEMPT, 0x204), N(OP_PAYMENT_FAIL, 0x205), N(OP_PAYMENT_DELETE, 0x206),
    N(REGISTER_WITH_RECORD, 1), N(RESULT_REFUSE_REPEAT, 2), N(RESULT_REFUSE_LATE, 4), N(FAIL_FORCED, 1),
    N(DELETE_FORGET, 1), N(DELETE_FAILED_ATTEMPTS, 2), N(DELETE_TOMBSTONE, 4),
    N(OUTCOME_CHANGED, 1), N(OUTCOME_CONFLICT, 2), N(OUTCOME_LEFTOVERS, 4),
    N(EVENT_PAYMENT_INITIATED, 6), N(EVENT_PAYMENT_ATTEMPT_REGISTERED, 7),
    N(EVENT_PAYMENT_ATTEMPT_SETTLED, 8), N(EVENT_PAYMENT_ATTEMPT_FAILED, 9),
    N(EVENT_PAYMENT_FAILED, 10), N(EVENT_PAYMENT_LATE_SETTLE, 11),
    N(EVENT_PAYMENT_FORCED, 12), N(EVENT_PAYMENT_DELETED, 13), N(EVENT_PAYMENT_CORRUPT, 14),
    N(EVENT_TERMINAL, 1), N(EVENT_HAD_LATE_SETTLE, 2),
};

static const number MONITOR_NUMBERS[] = {
    N(ERROR_HAS_VALUE, 1), N(ERROR_HAS_CHANNEL, 2),
    N(MONITORS_EXTERNAL_MANAGER, 1), N(MONITORS_MANAGER_OPTIONAL, 2), N(MONITORS_REPLAYS_NOTHING, 4),
    N(MONITORS_NO_CRITICAL_RESERVE, 8), N(MONITORS_NO_SNAPSHOT_GROWTH, 16),
    N(MONITORS_WITHOUT_COMPLETIONS, 32),
    N(LAST_CLOSE_NEW, 1), N(LAST_CLOSE_CLEAN, 2), N(LAST_CLOSE_UNCLEAN, 3),
    N(MONITORS_MANAGER_MISSING, 1), N(MONITORS_MANAGER_IS_BEHIND, 2), N(MONITORS_MAY_BE_STALE, 4),
    N(MONITORS_CRITICAL, 1), N(MONITORS_DISCARD, 1),
    N(OUTPUT_VOLATILE, 1), N(OUTPUT_DURABLE, 2),
    N(COMMIT_HAS_MANAGER, 1), N(COMMIT_EXTERNAL, 2), N(COMMIT_HAS_GENERATION, 4),
    N(MANAGER_IS_EQUAL, 1), N(MANAGER_IS_AHEAD, 2),
    N(COMPLETION_NEW, 1), N(COMPLETION_UPDATE, 2), N(COMPLETION_SNAPSHOT, 3), N(COMPLETION_ARCHIVE, 4),
    N(STAGE_ACTIVE, 1), N(STAGE_ARCHIVED, 2),
    N(DAMAGE_UPDATE_GAP, 1), N(DAMAGE_ORPHAN_UPDATE, 2), N(DAMAGE_CHECKSUM, 3), N(DAMAGE_MISSING_SNAPSHOT, 4),
    N(MONITORS_HAS_GENERATION, 1), N(MONITORS_HAS_RESCAN_HEIGHT, 2),
    N(OP_MONITORS_COMMIT, 0x301),
};

static const number RESOURCE_NUMBERS[] = {
    N(RESOURCES_COMPAT, 1), N(RESOURCES_CONVERT, 2), N(RESOURCES_ONLY_WATCH, 4),
    N(RESOURCES_WITHOUT_JOURNAL, 8), N(RESOURCES_NO_SPILL_OVER, 16), N(RESOURCES_ZEROS_COUNT, 32),
    N(RESOURCES_HAS_ENTROPY, 64), N(RESOURCES_DIVIDED_ANEW, 1), N(RESOURCES_REMOVED, 1),
    N(RESOURCES_CLOSING, 2), N(HTLC_ACCOUNTABLE, 1), N(HTLC_HAS_POLICY_FEE, 2),
    N(HTLC_UPGRADE_PRESENT, 4), N(HTLC_UPGRADE_ABSENT, 8), N(RESOURCES_DURABLE, 1),
    N(RESOURCES_DRY_RUN, 2), N(VERDICT_FORWARD, 1), N(VERDICT_FAIL, 2), N(REASON_GENERAL, 1),
    N(REASON_REPUTATION, 2), N(REASON_CONGESTION, 3), N(REASON_SEVERAL, 4), N(REASON_NO_REPUTATION, 16),
    N(REASON_NO_ROOM, 17), N(REASON_OUTGOING_IN_CONGESTION, 18), N(REASON_NO_CONGESTION_BUCKET, 19),
    N(REASON_CONGESTION_MISUSED, 20), N(REASON_CONGESTION_FULL, 21), N(REASON_ABOVE_CONGESTION_LIMIT, 22),
    N(REASON_UPGRADE_NOT_ALLOWED, 23), N(REASON_SIGNAL_TAMPERED, 24), N(REASON_RECORDED, 32),
    N(BUCKET_NONE, 0), N(BUCKET_GENERAL, 1), N(BUCKET_CONGESTION, 2), N(BUCKET_PROTECTED, 3),
    N(BUCKET_SEVERAL, 4), N(DECISION_ACCOUNTABLE, 1), N(DECISION_WOULD_FAIL, 2),
    N(GROUNDS_HAS_REPUTATION, 1), N(GROUNDS_OUTGOING_IN_CONGESTION, 2), N(RESOLVE_SETTLED, 1),
    N(RESOURCES_IS_CLOSING, 1), N(PENDING_ACCOUNTABLE, 1), N(PENDING_WOULD_FAIL, 2),
};

static void numbers_of_payments_keep_their_values(void) {
    check_numbers(PAYMENT_NUMBERS, H_COUNT(PAYMENT_NUMBERS));
}

static void numbers_of_monitors_keep_their_values(void) {
    check_numbers(MONITOR_NUMBERS, H_COUNT(MONITOR_NUMBERS));
}

static void numbers_of_resources_keep_their_values(void) {
    check_numbers(RESOURCE_NUMBERS, H_COUNT(RESOURCE_NUMBERS));
}

static void init_macros_of_payments_set_the_size_and_nothing_else(void) {
    CHECK_INIT(lnkeep_payments_options, LNKEEP_PAYMENTS_OPTIONS_INIT);
    CHECK_INIT(lnkeep_payment_init, LNKEEP_PAYMENT_INIT_INIT);
    CHECK_INIT(lnkeep_payment_attempt_request, LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT);
    CHECK_INIT(lnkeep_payment_query, LNKEEP_PAYMENT_QUERY_INIT);
    CHECK_INIT(lnkeep_payment_counts, LNKEEP_PAYMENT_COUNTS_INIT);
    CHECK_INIT(lnkeep_payment_delete_filter, LNKEEP_PAYMENT_DELETE_FILTER_INIT);
    CHECK_INIT(lnkeep_stuck_query, LNKEEP_STUCK_QUERY_INIT);
    CHECK_INIT(lnkeep_payment_rules, LNKEEP_PAYMENT_RULES_INIT);
    CHECK_INIT(lnkeep_payment_state, LNKEEP_PAYMENT_STATE_INIT);
    CHECK_EQUAL(LNKEEP_PAYMENTS_NONE.bits, 0);
}

static void init_macros_of_monitors_set_the_size_and_nothing_else(void) {
    CHECK_INIT(lnkeep_error, LNKEEP_ERROR_INIT);
    CHECK_INIT(lnkeep_monitors_options, LNKEEP_MONITORS_OPTIONS_INIT);
    CHECK_INIT(lnkeep_monitors_report, LNKEEP_MONITORS_REPORT_INIT);
    CHECK_INIT(lnkeep_monitors_commit, LNKEEP_MONITORS_COMMIT_INIT);
    CHECK_INIT(lnkeep_monitors_committed, LNKEEP_MONITORS_COMMITTED_INIT);
    CHECK_INIT(lnkeep_monitors_state, LNKEEP_MONITORS_STATE_INIT);
    CHECK_EQUAL(LNKEEP_MONITORS_NONE.bits, 0);
}

static void init_macros_of_resources_set_the_size_and_nothing_else(void) {
    CHECK_INIT(lnkeep_resources_options, LNKEEP_RESOURCES_OPTIONS_INIT);
    CHECK_INIT(lnkeep_resources_report, LNKEEP_RESOURCES_REPORT_INIT);
    CHECK_INIT(lnkeep_reconciled, LNKEEP_RECONCILED_INIT);
    CHECK_INIT(lnkeep_imported, LNKEEP_IMPORTED_INIT);
    CHECK_INIT(lnkeep_resources_stats, LNKEEP_RESOURCES_STATS_INIT);
    CHECK_EQUAL(LNKEEP_RESOURCES_NONE.bits, 0);
}

static void init_macros_set_the_size_and_nothing_else(void) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_attempts_options attempts = LNKEEP_ATTEMPTS_OPTIONS_INIT;
    lnkeep_attempt_query query = LNKEEP_ATTEMPT_QUERY_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    CHECK_EQUAL(options.size, sizeof options);
    CHECK_EQUAL(options.abi_version, LNKEEP_ABI_VERSION);
    CHECK_EQUAL(options.flags | options.epoch_min | options.map_bytes | options.seed[31], 0);
    CHECK_EQUAL(attempts.size, sizeof attempts);
    CHECK_EQUAL(attempts.flags | attempts.subscriptions_max, 0);
    CHECK_EQUAL(query.size, sizeof query);
    CHECK_EQUAL(query.flags | query.states | query.limit, 0);
    CHECK_EQUAL(err.size, sizeof err);
    CHECK_EQUAL(err.status | err.os_errno | err.message[0], 0);
    CHECK_EQUAL(stats.size, sizeof stats);
    CHECK_EQUAL(counts.size, sizeof counts);
    CHECK_EQUAL(report.size, sizeof report);
    CHECK_EQUAL(LNKEEP_STORE_NONE.bits | LNKEEP_ATTEMPTS_NONE.bits | LNKEEP_EVENTS_NONE.bits, 0);
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(store_structures),
        H_TEST(attempt_structures),
        H_TEST(attempt_lists),
        H_TEST(operations),
        H_TEST(every_body_starts_with_the_operation_and_fits),
        H_TEST(payment_requests),
        H_TEST(payment_operations),
        H_TEST(payment_views),
        H_TEST(payment_decisions),
        H_TEST(numbers_of_payments_keep_their_values),
        H_TEST(init_macros_of_payments_set_the_size_and_nothing_else),
        H_TEST(monitor_commits),
        H_TEST(monitor_views),
        H_TEST(numbers_of_monitors_keep_their_values),
        H_TEST(init_macros_of_monitors_set_the_size_and_nothing_else),
        H_TEST(resource_decisions),
        H_TEST(resource_ends),
        H_TEST(resource_views),
        H_TEST(numbers_of_resources_keep_their_values),
        H_TEST(init_macros_of_resources_set_the_size_and_nothing_else),
        H_TEST(events),
        H_TEST(maintenance_structures),
        H_TEST(maintenance_flags_keep_their_values),
        H_TEST(init_macros_set_the_size_and_nothing_else),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Sizes and offsets: they are the ABI. A field that moves, or a hole between two, breaks compiled programs. */

#include "harness.h"

#include <stdio.h>

typedef struct field {
    const char *name;
    size_t offset;
    size_t size;
} field;

#define FIELD(type, name) { #type "." #name, offsetof(type, name), sizeof(((type *)0)->name) }

/* Every byte belongs to a field: fields follow each other and the last one ends the structure. */
static void check_layout(const char *type, size_t size, size_t wanted, const field *fields, size_t len) {
    size_t end = 0;
    for (size_t i = 0; i < len; i++) {
        if (!CHECK_EQUAL(fields[i].offset, end)) printf("%s follows a hole\n", fields[i].name);
        end = fields[i].offset + fields[i].size;
    }
    if (!CHECK_EQUAL(size, end)) printf("%s ends with a hole\n", type);
    if (!CHECK_EQUAL(size, wanted)) printf("%s has another size than in ABI 1\n", type);
}

#define CHECK_LAYOUT(type, wanted, ...)                                           \
    do {                                                                          \
        static const field fields[] = {__VA_ARGS__};                              \
        check_layout(#type, sizeof(type), wanted, fields, H_COUNT(fields));       \
    } while (0)

#define F(name) FIELD(T, name)

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
    CHECK_LAYOUT(T, 256, F(size), F(status), F(os_errno), F(message));
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
    CHECK_EQUAL(offsetof(lnkeep_op_body, reserved), 0);
    CHECK_EQUAL(sizeof(((lnkeep_op_body *)0)->reserved), sizeof(lnkeep_op_body));
}

static void events(void) {
#define T lnkeep_events
    CHECK_LAYOUT(T, 8, F(bits));
#undef T
#define T lnkeep_event
    CHECK_LAYOUT(T, 80, F(sequence), F(kind), F(state), F(failure_code), F(block_height), F(unix_ms),
                 F(subject), F(attempt_id), F(amount_msat));
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
        H_TEST(events),
        H_TEST(maintenance_structures),
        H_TEST(maintenance_flags_keep_their_values),
        H_TEST(init_macros_set_the_size_and_nothing_else),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

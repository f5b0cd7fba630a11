// The header as a C++17 host meets it: its macros are expressions, its structures have no surprises.

#include "harness.h"

#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

static_assert(std::is_trivially_copyable<lnkeep_store>::value, "handles are passed by value");
static_assert(std::is_standard_layout<lnkeep_op>::value, "structures are those of C");
static_assert(sizeof(lnkeep_op) == 256, "an operation has 256 bytes");
static_assert(LNKEEP_DONE == 0 && LNKEEP_CORRUPT_STORE < -299, "constants are constant expressions");

// Closes itself, as a host in C++ would have it.
class Store {
  public:
    explicit Store(const std::string &directory) {
        const lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
        lnkeep_error err = LNKEEP_ERROR_INIT;
        report_ = LNKEEP_STORE_REPORT_INIT;
        CHECK_DONE(lnkeep_store_open(directory.c_str(), &options, &store_, &report_, &err));
        CHECK_DONE(lnkeep_attempts_open(store_, nullptr, &attempts_, &err));
    }
    Store(const Store &) = delete;
    Store &operator=(const Store &) = delete;
    ~Store() {
        CHECK_DONE(lnkeep_attempts_close(&attempts_, nullptr));
        CHECK_DONE(lnkeep_store_close(&store_, nullptr));
    }
    lnkeep_attempts attempts() const { return attempts_; }
    lnkeep_store store() const { return store_; }
    const lnkeep_store_report &report() const { return report_; }

  private:
    lnkeep_store store_ = LNKEEP_STORE_NONE;
    lnkeep_attempts attempts_ = LNKEEP_ATTEMPTS_NONE;
    lnkeep_store_report report_ = LNKEEP_STORE_REPORT_INIT;
};

void init_macros_are_expressions() {
    CHECK_EQUAL(sizeof(lnkeep_error), (LNKEEP_ERROR_INIT).size);
    CHECK_EQUAL((LNKEEP_STORE_OPTIONS_INIT).abi_version, LNKEEP_ABI_VERSION);
    CHECK_EQUAL((LNKEEP_STORE_OPTIONS_INIT).size, sizeof(lnkeep_store_options));
    CHECK_EQUAL((LNKEEP_ATTEMPTS_OPTIONS_INIT).size, sizeof(lnkeep_attempts_options));
    CHECK_EQUAL((LNKEEP_ATTEMPT_QUERY_INIT).size, sizeof(lnkeep_attempt_query));
    CHECK_EQUAL((LNKEEP_ATTEMPT_COUNTS_INIT).size, sizeof(lnkeep_attempt_counts));
    CHECK_EQUAL((LNKEEP_STATS_INIT).size, sizeof(lnkeep_stats));
    CHECK_EQUAL((LNKEEP_STORE_REPORT_INIT).epoch, 0);
    CHECK_EQUAL((LNKEEP_STORE_NONE).bits | (LNKEEP_ATTEMPTS_NONE).bits | (LNKEEP_EVENTS_NONE).bits, 0);
    CHECK_EQUAL((LNKEEP_PAYMENTS_NONE).bits, 0);
    CHECK_EQUAL((LNKEEP_PAYMENTS_OPTIONS_INIT).size, sizeof(lnkeep_payments_options));
    CHECK_EQUAL((LNKEEP_PAYMENT_INIT_INIT).size, sizeof(lnkeep_payment_init));
    CHECK_EQUAL((LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT).size, sizeof(lnkeep_payment_attempt_request));
    CHECK_EQUAL((LNKEEP_PAYMENT_QUERY_INIT).size, sizeof(lnkeep_payment_query));
    CHECK_EQUAL((LNKEEP_PAYMENT_COUNTS_INIT).size, sizeof(lnkeep_payment_counts));
    CHECK_EQUAL((LNKEEP_PAYMENT_DELETE_FILTER_INIT).size, sizeof(lnkeep_payment_delete_filter));
    CHECK_EQUAL((LNKEEP_STUCK_QUERY_INIT).size, sizeof(lnkeep_stuck_query));
    CHECK_EQUAL((LNKEEP_PAYMENT_RULES_INIT).size, sizeof(lnkeep_payment_rules));
    CHECK_EQUAL((LNKEEP_PAYMENT_STATE_INIT).size, sizeof(lnkeep_payment_state));
    CHECK_EQUAL((LNKEEP_MONITORS_NONE).bits, 0);
    CHECK_EQUAL((LNKEEP_MONITORS_OPTIONS_INIT).size, sizeof(lnkeep_monitors_options));
    CHECK_EQUAL((LNKEEP_MONITORS_REPORT_INIT).size, sizeof(lnkeep_monitors_report));
    CHECK_EQUAL((LNKEEP_MONITORS_COMMIT_INIT).size, sizeof(lnkeep_monitors_commit));
    CHECK_EQUAL((LNKEEP_MONITORS_COMMITTED_INIT).size, sizeof(lnkeep_monitors_committed));
    CHECK_EQUAL((LNKEEP_MONITORS_STATE_INIT).size, sizeof(lnkeep_monitors_state));
    CHECK_EQUAL((LNKEEP_RESOURCES_NONE).bits, 0);
    CHECK_EQUAL((LNKEEP_RESOURCES_OPTIONS_INIT).size, sizeof(lnkeep_resources_options));
    CHECK_EQUAL((LNKEEP_RESOURCES_REPORT_INIT).size, sizeof(lnkeep_resources_report));
    CHECK_EQUAL((LNKEEP_RECONCILED_INIT).size, sizeof(lnkeep_reconciled));
    CHECK_EQUAL((LNKEEP_IMPORTED_INIT).size, sizeof(lnkeep_imported));
    CHECK_EQUAL((LNKEEP_RESOURCES_STATS_INIT).size, sizeof(lnkeep_resources_stats));
    CHECK_EQUAL((LNKEEP_PEER_STORAGE_NONE).bits | (LNKEEP_BACKUP_NONE).bits, 0);
    CHECK_EQUAL((LNKEEP_PEER_STORAGE_OPTIONS_INIT).size, sizeof(lnkeep_peer_storage_options));
    CHECK_EQUAL((LNKEEP_PEER_STORAGE_REPORT_INIT).size, sizeof(lnkeep_peer_storage_report));
    CHECK_EQUAL((LNKEEP_STORED_INIT).size, sizeof(lnkeep_stored));
    CHECK_EQUAL((LNKEEP_TICKED_INIT).size, sizeof(lnkeep_ticked));
    CHECK_EQUAL((LNKEEP_PEER_STORAGE_STATS_INIT).size, sizeof(lnkeep_peer_storage_stats));
    CHECK_EQUAL((LNKEEP_WIRE_MESSAGE_INIT).size, sizeof(lnkeep_wire_message));
    CHECK_EQUAL((LNKEEP_BACKUP_OPTIONS_INIT).size, sizeof(lnkeep_backup_options));
    CHECK_EQUAL((LNKEEP_BACKUP_REPORT_INIT).size, sizeof(lnkeep_backup_report));
    CHECK_EQUAL((LNKEEP_CONCLUDED_INIT).size, sizeof(lnkeep_concluded));
    CHECK_EQUAL((LNKEEP_ENVELOPE_HEADER_INIT).size, sizeof(lnkeep_envelope_header));
    CHECK_EQUAL((LNKEEP_BACKUP_STANDING_INIT).size, sizeof(lnkeep_backup_standing));
    CHECK_EQUAL((LNKEEP_PEER_FACTS_INIT).size, sizeof(lnkeep_peer_facts));
    CHECK_EQUAL((LNKEEP_BACKUP_HTLC_INIT).size, sizeof(lnkeep_backup_htlc));
    auto query = LNKEEP_ATTEMPT_QUERY_INIT;
    query.limit = 3;
    static_assert(std::is_same<decltype(query), lnkeep_attempt_query>::value, "a macro has its structure's type");
}

void an_attempt_lives_and_ends() {
    const std::string directory = h_directory();
    lnkeep_attempt_request request{};
    request.key.id = 42;
    request.present = LNKEEP_HAS_PAYMENT_HASH;
    std::memcpy(request.payment_hash, h_hash_of_ones, sizeof request.payment_hash);
    {
        Store store(directory);
        CHECK(store.report().flags & LNKEEP_REPORT_CREATED);
        lnkeep_outcome outcome{};
        CHECK_DONE(lnkeep_attempts_init(store.attempts(), &request, &outcome, nullptr));
        CHECK_DONE(lnkeep_attempts_mark_handed_off(store.attempts(), &request.key, &outcome, nullptr));
        const lnkeep_attempt_result wrong = h_settle(2), right = h_settle(1);
        CHECK_STATUS(lnkeep_attempts_store_result(store.attempts(), &request.key, &wrong, nullptr, nullptr),
                     LNKEEP_BAD_PREIMAGE);
        CHECK_DONE(lnkeep_attempts_store_result(store.attempts(), &request.key, &right, &outcome, nullptr));
    }
    Store store(directory);
    CHECK_EQUAL(store.report().epoch, 2);
    CHECK_EQUAL(h_state(store.attempts(), 42), LNKEEP_STATE_SETTLED);
}

struct FreePayment {
    void operator()(lnkeep_payment *payment) const { lnkeep_payment_free(payment); }
};

// A payment in two parts, as a host in C++ would have it: views are owned by a pointer that frees them.
void a_payment_lives_and_ends() {
    Store store(h_directory());
    lnkeep_payments payments = LNKEEP_PAYMENTS_NONE;
    CHECK_DONE(lnkeep_payments_open(store.store(), nullptr, &payments, nullptr));
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    std::memcpy(init.payment_hash, h_hash_of_ones, sizeof init.payment_hash);
    init.amount_msat = 1000;
    CHECK_DONE(lnkeep_payments_init(payments, &init, nullptr, nullptr, nullptr));
    const std::string route = "a route";
    const lnkeep_attempt_result settle = h_settle(1);
    for (std::uint64_t id = 1; id <= 2; id++) {
        lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
        part.key = h_key(id);
        part.amount_msat = 500;
        part.hop_count = 1;
        part.present = LNKEEP_PAYMENT_ATTEMPT_HAS_MPP;
        part.mpp_total_msat = init.amount_msat;
        part.route = h_bytes(route.data(), route.size());
        CHECK_DONE(lnkeep_payments_register(payments, init.payment_hash, &part, 0, nullptr, nullptr,
                                            nullptr));
    }
    for (std::uint64_t id = 1; id <= 2; id++) {
        const lnkeep_attempt_key key = h_key(id);
        lnkeep_payment *raw = nullptr;
        CHECK_DONE(lnkeep_payments_settle(payments, init.payment_hash, &key, settle.preimage, 0, 0, &raw,
                                          nullptr, nullptr));
        const std::unique_ptr<lnkeep_payment, FreePayment> payment(raw);
        if (!CHECK(payment != nullptr)) continue;
        CHECK_EQUAL(payment->in_flight, 2 - id);
        CHECK_EQUAL(payment->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED, id == 2);
        CHECK_EQUAL(payment->attempts_len, 2);
        const lnkeep_bytes &kept = payment->attempts[0].request.route;
        CHECK(std::string(reinterpret_cast<const char *>(kept.ptr), kept.len) == route);
    }
    CHECK_DONE(lnkeep_payments_close(&payments, nullptr));
}

template <typename T, void (*release)(T *)> struct Free {
    void operator()(T *owned) const { release(owned); }
};

// A channel, its manager and a message, as a host in C++ would have them: what comes back frees itself.
void a_channel_is_committed_with_its_manager() {
    Store store(h_directory());
    lnkeep_monitors monitors = LNKEEP_MONITORS_NONE;
    CHECK_DONE(lnkeep_monitors_open(store.store(), nullptr, &monitors, nullptr, nullptr));
    const std::vector<std::uint8_t> channel_id(32, 'a');
    const std::string snapshot = "a snapshot", manager = "a manager", message = "channel_ready";
    const auto view = [](const std::string &text) { return h_bytes(text.data(), text.size()); };
    CHECK_DONE(lnkeep_monitors_queue_new(monitors, channel_id.data(), 1, view(snapshot), nullptr, 0, nullptr,
                                         nullptr));
    CHECK_DONE(lnkeep_monitors_queue_output(monitors, LNKEEP_OUTPUT_VOLATILE, 7, view(message), nullptr,
                                            nullptr));
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_monitors_committed committed = LNKEEP_MONITORS_COMMITTED_INIT;
    CHECK_DONE(lnkeep_monitors_capture(monitors, &commit.capture, nullptr));
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit.manager = view(manager);
    CHECK_DONE(lnkeep_monitors_commit_captured(monitors, &commit, &committed, nullptr));
    CHECK_EQUAL(committed.applied, 2);
    lnkeep_outputs *outputs = nullptr;
    lnkeep_monitor *monitor = nullptr;
    lnkeep_buf *buf = nullptr;
    CHECK_DONE(lnkeep_monitors_take_outputs(monitors, 8, &outputs, nullptr));
    CHECK_DONE(lnkeep_monitors_load(monitors, channel_id.data(), &monitor, nullptr));
    CHECK_DONE(lnkeep_monitors_load_manager(monitors, &buf, nullptr));
    const std::unique_ptr<lnkeep_outputs, Free<lnkeep_outputs, lnkeep_outputs_free>> taken(outputs);
    const std::unique_ptr<lnkeep_monitor, Free<lnkeep_monitor, lnkeep_monitor_free>> loaded(monitor);
    const std::unique_ptr<lnkeep_buf, Free<lnkeep_buf, lnkeep_buf_free>> kept(buf);
    const auto text = [](const std::uint8_t *ptr, std::size_t len) {
        return std::string(reinterpret_cast<const char *>(ptr), len);
    };
    if (CHECK(taken != nullptr) && CHECK_EQUAL(taken->outputs_len, 1)) {
        CHECK(text(taken->outputs->payload.ptr, taken->outputs->payload.len) == message);
    }
    if (CHECK(loaded != nullptr)) CHECK(text(loaded->snapshot.ptr, loaded->snapshot.len) == snapshot);
    if (CHECK(kept != nullptr)) CHECK(text(kept->ptr, kept->len) == manager);
    CHECK_DONE(lnkeep_monitors_close(&monitors, 0, nullptr));
}

// HTLCs in a vector, and a snapshot that frees itself.
void a_vector_of_htlcs_is_decided_and_resolved() {
    Store store(h_directory());
    lnkeep_resources resources = LNKEEP_RESOURCES_NONE;
    CHECK_DONE(lnkeep_resources_open(store.store(), nullptr, &resources, nullptr, nullptr));
    const lnkeep_channel_limits limits{1000000000, 483, 0};
    for (std::uint64_t channel = 1; channel <= 2; channel++) {
        CHECK_DONE(lnkeep_resources_add_channel(resources, channel, &limits, 1, nullptr, nullptr));
    }
    std::vector<lnkeep_htlc_request> requests(3);
    std::vector<lnkeep_decision> decisions(requests.size());
    for (std::size_t i = 0; i < requests.size(); i++) {
        requests[i] = lnkeep_htlc_request{};
        requests[i].incoming = 1;
        requests[i].outgoing = 2;
        requests[i].htlc_id = i;
        requests[i].incoming_amount_msat = 1000;
        requests[i].incoming_cltv_expiry = 40;
    }
    CHECK_DONE(lnkeep_resources_add(resources, requests.data(), requests.size(), LNKEEP_RESOURCES_DURABLE,
                                    decisions.data(), nullptr, nullptr));
    for (const auto &decision : decisions) CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FORWARD);
    lnkeep_resources_snapshot *raw = nullptr;
    CHECK_DONE(lnkeep_resources_take_snapshot(resources, 1, &raw, nullptr));
    const std::unique_ptr<lnkeep_resources_snapshot,
                          Free<lnkeep_resources_snapshot, lnkeep_resources_snapshot_free>>
        snapshot(raw);
    if (CHECK(snapshot != nullptr)) CHECK_EQUAL(snapshot->pending_len, requests.size());
    CHECK_DONE(lnkeep_resources_close(&resources, nullptr));
}

// Both ends in one store: sealed, kept, returned and opened, by owners that free themselves.
void a_blob_goes_to_a_peer_and_back() {
    using Buf = std::unique_ptr<lnkeep_buf, Free<lnkeep_buf, lnkeep_buf_free>>;
    using Opened = std::unique_ptr<lnkeep_opened, Free<lnkeep_opened, lnkeep_opened_free>>;
    Store store(h_directory());
    lnkeep_peer_storage provider = LNKEEP_PEER_STORAGE_NONE;
    lnkeep_backup backup = LNKEEP_BACKUP_NONE;
    const std::vector<std::uint8_t> secret(32, 7);
    lnkeep_peer_claims claims{};
    claims.node_id[0] = 2;
    claims.open_channels = 1;
    CHECK_DONE(lnkeep_peer_storage_open(store.store(), nullptr, &provider, nullptr, nullptr));
    CHECK_DONE(lnkeep_peer_storage_claims_complete(provider, &claims, 1, 1, nullptr));
    CHECK_DONE(lnkeep_backup_open(store.store(), secret.data(), nullptr, &backup, nullptr, nullptr));
    CHECK_DONE(lnkeep_backup_set_payload(backup, h_text("state"), nullptr));
    CHECK_DONE(lnkeep_backup_connected(backup, 1, claims.node_id, 1, nullptr));
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    CHECK_DONE(lnkeep_backup_reestablish_begun(backup, 1, claims.node_id, &concluded, nullptr));
    CHECK_EQUAL(concluded.action, LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED);
    lnkeep_buf *raw = nullptr;
    CHECK_DONE(lnkeep_backup_seal(backup, 1, claims.node_id, 1, &raw, nullptr, nullptr));
    const Buf sent(raw);
    if (!CHECK(sent != nullptr)) return;
    CHECK_DONE(lnkeep_peer_storage_store(provider, 1, claims.node_id, h_bytes(sent->ptr, sent->len), nullptr,
                                         nullptr));
    raw = nullptr;
    CHECK_DONE(lnkeep_peer_storage_connected(provider, 1, claims.node_id, &raw, nullptr));
    const Buf kept(raw);
    if (!CHECK(kept != nullptr)) return;
    lnkeep_opened *opened = nullptr;
    CHECK_DONE(lnkeep_backup_retrieval(backup, 1, claims.node_id, h_bytes(kept->ptr, kept->len), &concluded,
                                       &opened, nullptr));
    const Opened held(opened);
    CHECK_EQUAL(concluded.state, LNKEEP_BACKUP_STATE_COMMITTED);
    if (CHECK(held != nullptr)) CHECK(std::memcmp(held->payload.ptr, "state", 5) == 0);
    CHECK_DONE(lnkeep_backup_close(&backup, nullptr));
    CHECK_DONE(lnkeep_peer_storage_close(&provider, nullptr));
}

void a_vector_of_operations_is_one_commit() {
    Store store(h_directory());
    std::vector<lnkeep_op> ops(100);
    std::vector<lnkeep_outcome> outcomes(ops.size());
    for (std::size_t i = 0; i < ops.size(); i++) {
        ops[i] = lnkeep_op{};
        ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
        ops[i].component = store.attempts().bits;
        ops[i].body.attempt_init.key.id = i;
    }
    CHECK_DONE(lnkeep_submit(store.store(), ops.data(), ops.size(), LNKEEP_SUBMIT_ATOMIC, outcomes.data(),
                             nullptr));
    for (const auto &outcome : outcomes) CHECK_DONE(outcome.status);
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    CHECK_DONE(lnkeep_attempts_counts(store.attempts(), nullptr, &counts, nullptr));
    CHECK_EQUAL(counts.intent, ops.size());
}

void standard_threads_may_call() {
    Store store(h_directory());
    std::vector<std::thread> threads;
    std::vector<unsigned> granted(8, 0);
    const unsigned ids = h_rounds(100, 10);
    for (std::size_t i = 0; i < granted.size(); i++) {
        threads.emplace_back([&store, &granted, ids, i] {
            for (unsigned id = 0; id < ids; id++) granted[i] += h_init(store.attempts(), id) == LNKEEP_DONE;
        });
    }
    for (auto &thread : threads) thread.join();
    unsigned sum = 0;
    for (unsigned each : granted) sum += each;
    CHECK_EQUAL(sum, ids);
}

}  // namespace

int main(int argc, char **argv) {
    const h_test tests[] = {
        H_TEST(init_macros_are_expressions),
        H_TEST(an_attempt_lives_and_ends),
        H_TEST(a_payment_lives_and_ends),
        H_TEST(a_channel_is_committed_with_its_manager),
        H_TEST(a_vector_of_htlcs_is_decided_and_resolved),
        H_TEST(a_blob_goes_to_a_peer_and_back),
        H_TEST(a_vector_of_operations_is_one_commit),
        H_TEST(standard_threads_may_call),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), nullptr, 0);
}

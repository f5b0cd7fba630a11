/* Commits of monitors: captures, the manager's view, external managers, and groups with other components. */

#include "monitors.h"

static lnkeep_attempts attempts;
static lnkeep_payments payments;

static void a_capture_is_committed_once_and_never_after_a_later_one(void) {
    begin();
    lnkeep_capture nothing = capture();
    CHECK_EQUAL(nothing.upto_ticket, 0);
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_capture first = capture();
    CHECK_DONE(update('a', 2, "two"));
    lnkeep_capture second = capture(), third = capture();
    CHECK(first.number < second.number && second.number < third.number);
    lnkeep_monitors_commit commit = commit_of(first, "m1");
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.applied, 1);
    CHECK(check_channel('a', 1, "a", ""));
    CHECK_REFUSED(commit_with(&commit), LNKEEP_STALE_CAPTURE, 0, NO_VALUE);
    commit = commit_of(nothing, "m0");
    CHECK_REFUSED(commit_with(&commit), LNKEEP_STALE_CAPTURE, 0, NO_VALUE);
    commit = commit_of(third, "m3");
    CHECK_DONE(commit_with(&commit));
    CHECK(check_channel('a', 1, "a", "two"));
    commit = commit_of(second, "m2");
    CHECK_REFUSED(commit_with(&commit), LNKEEP_STALE_CAPTURE, 0, NO_VALUE);
    CHECK(is_manager("m3"));
    /* A commit of nothing is one all the same: the manager alone. */
    CHECK_DONE(commit_all("m4"));
    CHECK_EQUAL(committed.applied, 0);
    CHECK(is_manager("m4"));
    CHECK_DONE(commit_all(NULL));
    CHECK(is_manager("m4"));
    CHECK_DONE(commit_all(""));
    CHECK(is_manager(""));
    end();
}

static void invented_captures_are_refused(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_capture right = capture(), zero;
    memset(&zero, 0, sizeof zero);
    lnkeep_capture wrong[] = {zero, right, right, right, right, right};
    wrong[1].epoch++;
    wrong[2].number++;
    wrong[3].upto_ticket++;
    wrong[4].check++;
    wrong[5].upto_ticket = 0;
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        lnkeep_monitors_commit commit = commit_of(wrong[i], "m");
        int held = CHECK_REFUSED(commit_with(&commit), LNKEEP_BAD_TICKET, 0, NO_VALUE);
        if (!held) printf("wrong %d\n", (int)i);
    }
    lnkeep_monitors_commit commit = commit_of(right, "m");
    CHECK_DONE(commit_with(&commit));
    right = capture();
    reopen();
    commit = commit_of(right, "m");
    CHECK_REFUSED(commit_with(&commit), LNKEEP_BAD_TICKET, 0, NO_VALUE);
    end();
}

/* A capture of another session of the same open store, and one of another store. */
static void captures_of_other_sessions_are_refused(void) {
    begin();
    lnkeep_capture before = capture();
    CHECK_DONE(close_monitors(0));
    CHECK_DONE(open_monitors(NULL));
    lnkeep_capture now = capture();
    lnkeep_monitors_commit commit = commit_of(before, "m");
    CHECK_REFUSED(commit_with(&commit), LNKEEP_BAD_TICKET, 0, NO_VALUE);
    lnkeep_store other_store = h_open(h_directory());
    lnkeep_monitors other;
    CHECK_DONE(lnkeep_monitors_open(other_store, NULL, &other, NULL, NULL));
    commit = commit_of(now, "m");
    CHECK_STATUS(lnkeep_monitors_commit_captured(other, &commit, NULL, NULL), LNKEEP_BAD_TICKET);
    CHECK_EQUAL(state_of(other).commit_sequence, 0);
    CHECK_DONE(lnkeep_monitors_close(&other, 0, NULL));
    h_close(&other_store);
    CHECK_DONE(commit_with(&commit));
    end();
}

static void what_advances_a_channel_needs_the_manager(void) {
    begin();
    CHECK_DONE(message(1, "a message"));
    CHECK_DONE(commit_all(NULL));
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_REFUSED(commit_all(NULL), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(update('a', 2, "two"));
    CHECK_REFUSED(commit_all(NULL), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_DONE(snapshot('a', 2, "whole"));
    CHECK_DONE(commit_all(NULL));
    CHECK_DONE(archive('a'));
    CHECK_REFUSED(commit_all(NULL), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    CHECK_DONE(commit_all("m"));
    end();
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_MANAGER_OPTIONAL;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(commit_all(NULL));
    CHECK(is_manager(NULL));
    reopen_with(&options);
    CHECK_EQUAL(report.flags, 0);
    CHECK(check_channel('a', 1, "a", ""));
    end();
}

/* Commits everything with a view of these channels. */
static lnkeep_status commit_viewed(const lnkeep_channel_tip *view, size_t len) {
    lnkeep_monitors_commit commit = commit_of(capture(), "manager");
    commit.view = view;
    commit.view_len = len;
    return commit_with(&commit);
}

static lnkeep_status commit_view(char letter, uint64_t update_id) {
    lnkeep_channel_tip tip = tip_of(letter, update_id);
    return commit_viewed(&tip, 1);
}

static void a_manager_that_does_not_know_the_channels_is_refused(void) {
    begin();
    CHECK_DONE(new_channel('a', 5, "a"));
    CHECK_REFUSED(commit_view('b', 5), LNKEEP_UNKNOWN_CHANNEL, 'b', NO_VALUE);
    CHECK_REFUSED(commit_view('a', 4), LNKEEP_MANAGER_BEHIND, 'a', 5);
    CHECK_REFUSED(commit_view('a', 6), LNKEEP_LOST_UPDATE, 'a', 5);
    lnkeep_capture early = capture();
    CHECK_DONE(update('a', 6, "six"));
    CHECK_REFUSED(commit_view('a', 5), LNKEEP_MANAGER_BEHIND, 'a', 6);
    CHECK_REFUSED(commit_view('a', UINT64_MAX), LNKEEP_LOST_UPDATE, 'a', 6);
    /* The manager knows an update that stays queued: it is replayed after a crash. */
    lnkeep_channel_tip tip = tip_of('a', 6);
    lnkeep_monitors_commit commit = commit_of(early, "knows six");
    commit.view = &tip;
    commit.view_len = 1;
    CHECK_DONE(commit_with(&commit));
    CHECK(check_channel('a', 5, "a", ""));
    CHECK_EQUAL(known.pending_operations, 1);
    CHECK_DONE(commit_view('a', 6));
    CHECK(check_channel('a', 5, "a", "six"));
    /* What is durable counts also when nothing is queued. */
    CHECK_REFUSED(commit_view('a', 5), LNKEEP_MANAGER_BEHIND, 'a', 6);
    CHECK_REFUSED(commit_view('a', 7), LNKEEP_LOST_UPDATE, 'a', 6);
    CHECK_DONE(archive('a'));
    CHECK_DONE(commit_view('a', 3));
    CHECK_REFUSED(commit_view('a', 6), LNKEEP_UNKNOWN_CHANNEL, 'a', NO_VALUE);
    end();
}

/* In the order of ids, whatever order the view has. */
static void the_first_channel_that_contradicts_is_named(void) {
    begin();
    for (char letter = 'a'; letter <= 'd'; letter++) CHECK_DONE(new_channel(letter, 5, "x"));
    lnkeep_channel_tip view[] = {tip_of('d', 4), tip_of('c', 9), tip_of('b', 4), tip_of('a', 5)};
    CHECK_REFUSED(commit_viewed(view, 4), LNKEEP_MANAGER_BEHIND, 'b', 5);
    view[2].update_id = 5;
    CHECK_REFUSED(commit_viewed(view, 4), LNKEEP_LOST_UPDATE, 'c', 5);
    view[1].update_id = 5;
    CHECK_REFUSED(commit_viewed(view, 4), LNKEEP_MANAGER_BEHIND, 'd', 5);
    lnkeep_channel_tip twice[] = {tip_of('d', 5), tip_of('a', 5), tip_of('d', 5)};
    CHECK_REFUSED(commit_viewed(twice, 3), LNKEEP_DUPLICATE_ID, 'd', NO_VALUE);
    view[0].update_id = 5;
    CHECK_DONE(commit_viewed(view, 4));
    CHECK_EQUAL(committed.applied, 4);
    end();
}

static void a_manager_that_replays_nothing_must_be_equal(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_REPLAYS_NOTHING;
    begin_with(&options);
    CHECK_DONE(new_channel('a', 5, "a"));
    lnkeep_capture early = capture();
    CHECK_DONE(update('a', 6, "six"));
    lnkeep_channel_tip tip = tip_of('a', 6);
    lnkeep_monitors_commit commit = commit_of(early, "m");
    commit.view = &tip;
    commit.view_len = 1;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_MANAGER_AHEAD, 'a', 5);
    tip.update_id = 5;
    CHECK_DONE(commit_with(&commit));
    CHECK_REFUSED(commit_view('a', 7), LNKEEP_LOST_UPDATE, 'a', 6);
    CHECK_REFUSED(commit_view('a', 5), LNKEEP_MANAGER_BEHIND, 'a', 6);
    CHECK_DONE(commit_view('a', 6));
    end();
}

static lnkeep_status check_manager(uint64_t generation, uint32_t wanted) {
    uint32_t relation = 77;
    lnkeep_status status = lnkeep_monitors_check_manager(monitors, generation, &relation, &err);
    check_err(status);
    CHECK_EQUAL(relation, status == LNKEEP_DONE ? wanted : 77);
    return status;
}

static void an_external_manager_comes_as_a_generation(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_EXTERNAL_MANAGER;
    begin_with(&options);
    CHECK(!(known.flags & LNKEEP_MONITORS_HAS_GENERATION));
    CHECK_DONE(check_manager(0, LNKEEP_MANAGER_IS_EQUAL));
    CHECK_DONE(check_manager(1, LNKEEP_MANAGER_IS_AHEAD));
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_monitors_commit commit = commit_of(capture(), "bytes");
    CHECK_REFUSED(commit_with(&commit), LNKEEP_WRONG_MODE, 0, NO_VALUE);
    commit = commit_of(capture(), NULL);
    CHECK_REFUSED(commit_with(&commit), LNKEEP_WRONG_MODE, 0, NO_VALUE);
    commit.flags = LNKEEP_COMMIT_EXTERNAL;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_MANAGER_REQUIRED, 'a', NO_VALUE);
    commit = generation_of(capture(), 10);
    lnkeep_channel_tip tip = tip_of('a', 0);
    commit.view = &tip;
    commit.view_len = 1;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_MANAGER_BEHIND, 'a', 1);
    tip.update_id = 1;
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(known.manager_generation, 10);
    CHECK(known.flags & LNKEEP_MONITORS_HAS_GENERATION);
    CHECK_DONE(update('a', 2, "two"));
    commit = generation_of(capture(), 9);
    CHECK_REFUSED(commit_with(&commit), LNKEEP_STALE_MANAGER, 0, 10);
    commit = generation_of(capture(), 10);
    CHECK_DONE(commit_with(&commit));
    CHECK_DONE(message(1, "message"));
    commit = commit_of(capture(), NULL);
    commit.flags = LNKEEP_COMMIT_EXTERNAL;
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(known.manager_generation, 10);
    CHECK(is_manager(NULL));
    reopen_with(&options);
    CHECK_EQUAL(report.flags, 0);
    CHECK_EQUAL(known.manager_generation, 10);
    CHECK_REFUSED(check_manager(9, 0), LNKEEP_MANAGER_BEHIND, 0, 10);
    CHECK_DONE(check_manager(10, LNKEEP_MANAGER_IS_EQUAL));
    CHECK_DONE(check_manager(UINT64_MAX, LNKEEP_MANAGER_IS_AHEAD));
    end();
}

static void generations_belong_to_external_managers(void) {
    begin();
    CHECK_REFUSED(check_manager(0, 0), LNKEEP_WRONG_MODE, 0, NO_VALUE);
    lnkeep_monitors_commit commit = generation_of(capture(), 1);
    CHECK_REFUSED(commit_with(&commit), LNKEEP_WRONG_MODE, 0, NO_VALUE);
    /* What contradicts itself is no commit of either kind. */
    commit.flags = LNKEEP_COMMIT_EXTERNAL | LNKEEP_COMMIT_HAS_MANAGER;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    commit.flags = LNKEEP_COMMIT_HAS_GENERATION;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    commit.flags = LNKEEP_COMMIT_HAS_GENERATION | LNKEEP_COMMIT_HAS_MANAGER;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    commit.flags = 0;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    commit = commit_of(capture(), "manager");
    commit.flags = 0;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    commit = commit_of(capture(), "manager");
    commit.view_len = 1;
    CHECK_REFUSED(commit_with(&commit), LNKEEP_INVALID_ARGUMENT, 0, NO_VALUE);
    CHECK_DONE(commit_all("m"));
    CHECK_EQUAL(committed.commit_sequence, 1);
    end();
}

static void a_manager_that_is_too_large_changes_nothing(void) {
    begin();
    CHECK_DONE(new_channel('a', 1, "a"));
    lnkeep_monitors_commit commit = commit_of(capture(), "m");
    commit.manager = h_bytes("x", (UINT64_C(1) << 30) + 1);
    CHECK_REFUSED(commit_with(&commit), LNKEEP_TOO_BIG, 0, NO_VALUE);
    CHECK(is_manager(NULL));
    commit.manager = h_text("m");
    CHECK_DONE(commit_with(&commit));
    end();
}

/* Operations of a submission, and what they point to. */
static lnkeep_op ops[8];
static lnkeep_outcome outcomes[8];
static lnkeep_monitors_commit commits[8];
static size_t ops_len;

static lnkeep_op *add(uint32_t kind, uint64_t component) {
    lnkeep_op *op = &ops[ops_len++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->component = component;
    return op;
}

static lnkeep_op *add_commit(const char *manager) {
    lnkeep_op *op = add(LNKEEP_OP_MONITORS_COMMIT, monitors.bits);
    commits[ops_len - 1] = commit_of(capture(), manager);
    op->body.monitors_commit.commit = &commits[ops_len - 1];
    return op;
}

static void add_attempt(uint64_t id) {
    add(LNKEEP_OP_ATTEMPT_INIT, attempts.bits)->body.attempt_init = h_request(id);
}

static void add_mark(uint64_t id) {
    add(LNKEEP_OP_ATTEMPT_MARK_HANDED_OFF, attempts.bits)->body.attempt_key = h_key(id);
}

static void add_settle(uint8_t preimage_byte) {
    lnkeep_op_payment_settle *settle = &add(LNKEEP_OP_PAYMENT_SETTLE, payments.bits)->body.payment_settle;
    memcpy(settle->payment_hash, h_hash_of_ones, sizeof settle->payment_hash);
    memset(settle->preimage, preimage_byte, sizeof settle->preimage);
    settle->key = h_key(1);
}

static lnkeep_status submit(uint32_t flags) {
    memset(outcomes, 0xee, sizeof outcomes);
    lnkeep_status status = lnkeep_submit(store, ops, ops_len, flags, outcomes, &err);
    ops_len = 0;
    return status;
}

/* A payment of the hash of ones with its attempt 1 in flight, beside the monitors. */
static void begin_with_payment(void) {
    begin();
    attempts = h_attempts(store);
    payments = h_payments(store);
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    memcpy(init.payment_hash, h_hash_of_ones, sizeof init.payment_hash);
    part.amount_msat = init.amount_msat = 10;
    part.hop_count = 1;
    part.key = h_key(1);
    CHECK_DONE(lnkeep_payments_init(payments, &init, NULL, NULL, NULL));
    CHECK_DONE(lnkeep_payments_register(payments, init.payment_hash, &part, LNKEEP_REGISTER_WITH_RECORD, NULL,
                                        NULL, NULL));
    ops_len = 0;
}

static void end_with_payment(void) {
    h_close_payments(&payments);
    h_close_attempts(&attempts);
    end();
}

static int is_settled(void) {
    lnkeep_payment *payment = NULL;
    CHECK_DONE(lnkeep_payments_fetch(payments, h_hash_of_ones, &payment, NULL));
    int settled = payment && payment->status == LNKEEP_PAYMENT_STATUS_SUCCEEDED;
    lnkeep_payment_free(payment);
    return settled;
}

/* The channel's step, the mark of its HTLC and the settle of another one: one transaction. */
static void a_group_with_other_components_is_one_commit(void) {
    begin_with_payment();
    lnkeep_stats before = LNKEEP_STATS_INIT, after = LNKEEP_STATS_INIT;
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(update('a', 2, "two"));
    CHECK_DONE(message(5, "commitment_signed"));
    add_attempt(7);
    add_mark(7);
    add_commit("m1");
    add_settle(1);
    CHECK_DONE(lnkeep_store_stats(store, &before, NULL));
    CHECK_DONE(submit(LNKEEP_SUBMIT_ATOMIC));
    CHECK_DONE(lnkeep_store_stats(store, &after, NULL));
    CHECK_EQUAL(after.commits, before.commits + 1);
    for (int i = 0; i < 4; i++) CHECK_DONE(outcomes[i].status);
    CHECK_EQUAL(outcomes[2].value, 1);
    CHECK_EQUAL(outcomes[2].reserved | outcomes[2].event_sequence, 0);
    known = state_now();
    CHECK_EQUAL(known.pending_operations, 0);
    CHECK(check_channel('a', 1, "a", "two"));
    CHECK(is_manager("m1"));
    CHECK(check_completions("na1 ua2"));
    CHECK(check_outputs("0:5:commitment_signed"));
    CHECK_EQUAL(h_state(attempts, 7), LNKEEP_STATE_HANDED_OFF);
    CHECK_EQUAL(is_settled(), 1);
    end_with_payment();
}

/* Wherever the refusal stands, the queue is as it was, and the same capture goes on. */
static void a_refused_group_leaves_the_queue_alone(void) {
    begin_with_payment();
    CHECK_DONE(new_channel('a', 1, "a"));
    CHECK_DONE(event(5, "an event"));
    lnkeep_monitors_commit commit = commit_of(capture(), "m1");
    for (int at = 0; at < 3; at++) {
        if (at == 0) add_mark(99);
        add_attempt(7);
        add_commit("m1")->body.monitors_commit.commit = &commit;
        if (at == 1) add_mark(99);
        add_mark(7);
        if (at == 2) add_settle(2);
        CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
        unsigned aborted = 0;
        for (int i = 0; i < 4; i++) aborted += outcomes[i].status == LNKEEP_ABORTED;
        CHECK_EQUAL(aborted, 3);
        check_unchanged();
        CHECK(is_absent('a'));
        CHECK(is_manager(NULL));
        CHECK(check_completions(""));
        CHECK(check_outputs(""));
        CHECK_STATUS(h_state(attempts, 7), LNKEEP_NOT_FOUND);
        CHECK_EQUAL(is_settled(), 0);
    }
    CHECK_DONE(commit_with(&commit));
    CHECK_EQUAL(committed.commit_sequence, 1);
    CHECK(check_channel('a', 1, "a", ""));
    CHECK(check_outputs("1:5:an event"));
    end_with_payment();
}

/* A commit that is refused takes the others with it; its number comes with its outcome. */
static void a_refused_commit_aborts_its_group(void) {
    begin_with_payment();
    CHECK_DONE(new_channel('a', 5, "a"));
    lnkeep_channel_tip tip = tip_of('a', 4);
    for (int round = 0; round < 2; round++) {
        add_attempt(7);
        lnkeep_op *op = add_commit("m");
        commits[1].view = &tip;
        commits[1].view_len = 1;
        CHECK(op->body.monitors_commit.commit == &commits[1]);
        add_settle(1);
        CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
        CHECK_STATUS(outcomes[0].status, LNKEEP_ABORTED);
        CHECK_STATUS(outcomes[1].status, LNKEEP_MANAGER_BEHIND);
        CHECK_EQUAL(outcomes[1].value, 5);
        CHECK_STATUS(outcomes[2].status, LNKEEP_ABORTED);
        /* The detail of the call is that of the refusal. */
        CHECK_REFUSED(err.status, LNKEEP_MANAGER_BEHIND, 'a', 5);
        check_unchanged();
    }
    CHECK_STATUS(h_state(attempts, 7), LNKEEP_NOT_FOUND);
    CHECK_EQUAL(is_settled(), 0);
    add_attempt(7);
    add_commit(NULL);
    CHECK_STATUS(submit(0), LNKEEP_BATCH);
    CHECK_DONE(outcomes[0].status);
    CHECK_STATUS(outcomes[1].status, LNKEEP_MANAGER_REQUIRED);
    CHECK_DONE(commit_all("m"));
    end_with_payment();
}

/* One mistake each; none of them reaches the store, and none keeps the right to commit. */
static void malformed_commits_are_refused_one_by_one(void) {
    begin_with_payment();
    lnkeep_store other_store = h_open(h_directory());
    lnkeep_monitors other;
    CHECK_DONE(lnkeep_monitors_open(other_store, NULL, &other, NULL, NULL));
    static const lnkeep_status wanted[] = {
        LNKEEP_INVALID_ARGUMENT, LNKEEP_INVALID_ARGUMENT, LNKEEP_INVALID_ARGUMENT, LNKEEP_INVALID_ARGUMENT,
        LNKEEP_INVALID_ARGUMENT, LNKEEP_INVALID_ARGUMENT, LNKEEP_UNSUPPORTED,      LNKEEP_BAD_HANDLE,
        LNKEEP_BAD_HANDLE,       LNKEEP_INVALID_ARGUMENT, LNKEEP_BAD_TICKET,       LNKEEP_INVALID_ARGUMENT,
    };
    for (size_t i = 0; i < H_COUNT(wanted); i++) {
        struct {
            lnkeep_monitors_commit commit;
            uint64_t tail;
        } longer = {commit_of(capture(), "m"), 1};
        lnkeep_op *op = add_commit("m");
        lnkeep_monitors_commit *commit = &commits[0];
        const void *misaligned = (const char *)commit + 1;
        switch (i) {
        case 0: op->body.monitors_commit.commit = NULL; break;
        case 1: op->flags = 1; break;
        case 2: commit->size = 0; break;
        case 3: commit->flags |= 8; break;
        case 4: commit->reserved = 1; break;
        case 5: op->body.monitors_commit.commit = (const lnkeep_monitors_commit *)misaligned; break;
        case 6: longer.commit.size = sizeof longer, op->body.monitors_commit.commit = &longer.commit; break;
        case 7: op->component = attempts.bits; break;
        case 8: op->component = 0; break;
        case 9: op->component = other.bits; break;
        case 10: commit->capture.check ^= 1; break;
        default: op->kind = LNKEEP_OP_MONITORS_COMMIT + 1, op->component = attempts.bits; break;
        }
        add_attempt(100 + i);
        CHECK_STATUS(submit(i % 2 ? LNKEEP_SUBMIT_ATOMIC : 0), LNKEEP_BATCH);
        if (!CHECK_STATUS(outcomes[0].status, wanted[i])) printf("mistake %d\n", (int)i);
        CHECK_STATUS(outcomes[1].status, i % 2 ? LNKEEP_ABORTED : LNKEEP_DONE);
        check_unchanged();
    }
    CHECK_DONE(lnkeep_monitors_close(&other, 0, NULL));
    h_close(&other_store);
    CHECK_DONE(commit_all("m"));
    end_with_payment();
}

/* Two commits in one submission: the second would wait for the first for ever, so it is a mistake. */
static void one_submission_has_one_commit(void) {
    begin_with_payment();
    CHECK_DONE(new_channel('a', 1, "a"));
    add_commit("m1");
    add_commit("m2");
    CHECK_STATUS(submit(LNKEEP_SUBMIT_ATOMIC), LNKEEP_BATCH);
    CHECK_STATUS(outcomes[0].status, LNKEEP_ABORTED);
    CHECK_STATUS(outcomes[1].status, LNKEEP_INVALID_ARGUMENT);
    check_unchanged();
    add_commit("m1");
    add_commit("m2");
    CHECK_STATUS(submit(0), LNKEEP_BATCH);
    CHECK_DONE(outcomes[0].status);
    CHECK_STATUS(outcomes[1].status, LNKEEP_INVALID_ARGUMENT);
    CHECK(is_manager("m1"));
    known = state_now();
    CHECK_DONE(commit_all("m3"));
    CHECK_EQUAL(committed.commit_sequence, 2);
    end_with_payment();
}

static size_t take(lnkeep_completion *taken, size_t capacity) {
    size_t taken_len = 99;
    CHECK_DONE(lnkeep_completions_take(store, taken, capacity, &taken_len, NULL));
    return taken_len;
}

/* A commit that nobody waits for; everything it points to may go as soon as the call returned. */
static void asynchronous_commits_complete_with_their_cookie(void) {
    begin_with_payment();
    lnkeep_completion taken[4];
    size_t large = 3u << 20;
    uint8_t *bytes = pattern(large, 8);
    CHECK_DONE(new_with('a', 1, h_bytes(bytes, large), NULL, 0));
    lnkeep_channel_tip *view = (lnkeep_channel_tip *)malloc(sizeof *view);
    *view = tip_of('a', 1);
    add_attempt(7);
    add_commit("");
    commits[1].manager = h_bytes(bytes, large);
    commits[1].view = view;
    commits[1].view_len = 1;
    CHECK_DONE(lnkeep_submit_async(store, ops, ops_len, LNKEEP_SUBMIT_ATOMIC, 4711, NULL));
    memset(bytes, 0, large);
    memset(view, 0xee, sizeof *view);
    memset(commits, 0xee, sizeof commits);
    memset(ops, 0xee, sizeof ops);
    ops_len = 0;
    free(view);
    free(bytes);
    CHECK_DONE(lnkeep_store_sync(store, NULL));
    CHECK_EQUAL(take(taken, 4), 2);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK_EQUAL(taken[i].cookie, 4711);
        CHECK_EQUAL(taken[i].index, i);
        CHECK_DONE(taken[i].outcome.status);
    }
    CHECK_EQUAL(taken[1].outcome.value, 1);
    bytes = pattern(large, 8);
    lnkeep_monitor *monitor = load('a');
    if (monitor) CHECK(is_same_bytes(monitor->snapshot, h_bytes(bytes, large)));
    lnkeep_monitor_free(monitor);
    free(bytes);
    CHECK(check_completions("na1"));
    known = state_now();
    CHECK_DONE(commit_all("next"));
    end_with_payment();
}

/* The handle goes while its commit is under way: it is done for the session that follows, or refused. */
static void an_asynchronous_commit_may_outlive_its_session(void) {
    begin_with_payment();
    for (unsigned round = 0; round < h_rounds(24, 6); round++) {
        lnkeep_completion taken[2];
        char letter = (char)('a' + round);
        uint64_t before = known.commit_sequence;
        CHECK_DONE(new_channel(letter, 1, "base"));
        CHECK_DONE(event(round, "an event"));
        add_attempt(100 + round);
        add_commit("manager");
        CHECK_DONE(lnkeep_submit_async(store, ops, ops_len, LNKEEP_SUBMIT_ATOMIC, round, NULL));
        ops_len = 0;
        CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
        CHECK_DONE(open_monitors(NULL));
        CHECK_DONE(lnkeep_store_sync(store, NULL));
        CHECK_EQUAL(take(taken, 2), 2);
        int is_done = taken[1].outcome.status == LNKEEP_DONE;
        if (!is_done) CHECK_STATUS(taken[1].outcome.status, LNKEEP_STALE_CAPTURE);
        CHECK_STATUS(h_state(attempts, 100 + round), is_done ? LNKEEP_STATE_INTENT : LNKEEP_NOT_FOUND);
        CHECK_EQUAL(known.commit_sequence, before + (is_done ? 1 : 0));
        CHECK_EQUAL(known.pending_operations, 0);
        if (is_done) {
            CHECK(check_channel(letter, 1, "base", ""));
            CHECK_STATUS(new_channel(letter, 1, "base"), LNKEEP_DUPLICATE_CHANNEL);
        } else {
            CHECK(is_absent(letter));
        }
        CHECK_EQUAL(report.flags | report.damaged, 0);
        CHECK_DONE(commit_all("manager"));
    }
    end_with_payment();
}

/* The store goes too: what its next open finds is what the operation was, all or nothing. */
static void an_asynchronous_commit_may_outlive_its_store(void) {
    begin_with_payment();
    for (unsigned round = 0; round < h_rounds(12, 4); round++) {
        char letter = (char)('a' + round);
        CHECK_DONE(new_channel(letter, 1, "base"));
        add_attempt(100 + round);
        add_commit("manager");
        CHECK_DONE(lnkeep_submit_async(store, ops, ops_len, LNKEEP_SUBMIT_ATOMIC, round, NULL));
        ops_len = 0;
        if (round % 2) CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
        h_close_payments(&payments);
        h_close_attempts(&attempts);
        h_close(&store);
        if (round % 2 == 0) CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
        check_store();
        open_with(NULL);
        attempts = h_attempts(store);
        payments = h_payments(store);
        int is_done = h_state(attempts, 100 + round) == LNKEEP_STATE_INTENT;
        if (is_done) CHECK(check_channel(letter, 1, "base", ""));
        else CHECK(is_absent(letter));
        CHECK_EQUAL(report.flags | report.damaged, 0);
    }
    end_with_payment();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(a_capture_is_committed_once_and_never_after_a_later_one),
        H_TEST(invented_captures_are_refused),
        H_TEST(captures_of_other_sessions_are_refused),
        H_TEST(what_advances_a_channel_needs_the_manager),
        H_TEST(a_manager_that_does_not_know_the_channels_is_refused),
        H_TEST(the_first_channel_that_contradicts_is_named),
        H_TEST(a_manager_that_replays_nothing_must_be_equal),
        H_TEST(an_external_manager_comes_as_a_generation),
        H_TEST(generations_belong_to_external_managers),
        H_TEST(a_manager_that_is_too_large_changes_nothing),
        H_TEST(a_group_with_other_components_is_one_commit),
        H_TEST(a_refused_group_leaves_the_queue_alone),
        H_TEST(a_refused_commit_aborts_its_group),
        H_TEST(malformed_commits_are_refused_one_by_one),
        H_TEST(one_submission_has_one_commit),
        H_TEST(asynchronous_commits_complete_with_their_cookie),
        H_TEST(an_asynchronous_commit_may_outlive_its_session),
        H_TEST(an_asynchronous_commit_may_outlive_its_store),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

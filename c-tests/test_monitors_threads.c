/* Monitors on many threads: links that queue while one commits, several committers, handles that go. */

#include "monitors.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 8
#define IDS_MAX 512

static atomic_int stop;
static atomic_uint running, sum;
static uint64_t ids;

static void on_threads(unsigned len, void *(*run)(void *)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < len; i++) CHECK_EQUAL(pthread_create(&threads[i], NULL, run, (void *)i), 0);
    for (unsigned i = 0; i < len; i++) pthread_join(threads[i], NULL);
}

/* One commit of everything queued so far; the helpers of one thread do not count here. */
static lnkeep_status commit_now(uint64_t *commit_sequence) {
    lnkeep_capture taken;
    lnkeep_monitors_committed done = LNKEEP_MONITORS_COMMITTED_INIT;
    lnkeep_status status = lnkeep_monitors_capture(monitors, &taken, NULL);
    if (status != LNKEEP_DONE) return status;
    lnkeep_monitors_commit commit = commit_of(taken, "manager");
    status = lnkeep_monitors_commit_captured(monitors, &commit, &done, NULL);
    if (status == LNKEEP_DONE) *commit_sequence = done.commit_sequence;
    return status;
}

/* Ticket of each update, told to those who take before the output of it is queued. */
static _Atomic uint64_t tickets[THREADS][IDS_MAX];

/* A link: each update, and then the message that may leave when it is durable. */
static void *queue_updates_and_messages(void *number) {
    uintptr_t link = (uintptr_t)number;
    channel id = channel_of((char)('a' + link));
    for (uint64_t update_id = 1; update_id <= ids; update_id++) {
        uint64_t ticket = 0, tag = link << 32 | update_id;
        lnkeep_bytes bytes = h_bytes(&tag, sizeof tag);
        uint32_t output_class = update_id % 8 ? LNKEEP_OUTPUT_VOLATILE : LNKEEP_OUTPUT_DURABLE;
        lnkeep_status status;
        do {
            status = lnkeep_monitors_queue_update(monitors, id.id, update_id, bytes, 0, &ticket, NULL);
        } while (status == LNKEEP_QUEUE_FULL);
        if (!CHECK_DONE(status)) break;
        atomic_store(&tickets[link][update_id], ticket);
        do {
            status = lnkeep_monitors_queue_output(monitors, output_class, tag, bytes, &ticket, NULL);
        } while (status == LNKEEP_QUEUE_FULL);
        if (!CHECK_DONE(status)) break;
        CHECK(ticket > atomic_load(&tickets[link][update_id]));
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

static void *commit_for_ever(void *unused) {
    (void)unused;
    uint64_t last = 0, now = 0;
    for (int is_over = 0; !is_over;) {
        is_over = atomic_load(&running) == 0;
        if (!CHECK_DONE(commit_now(&now))) break;
        CHECK(now > last);
        last = now;
    }
    atomic_store(&stop, 1);
    return NULL;
}

/* What one thread took: the last id of each link. */
static uint64_t completed[THREADS], sent[THREADS];

static void take_completions(void) {
    lnkeep_monitor_completion taken[64];
    size_t len = 0;
    CHECK_DONE(lnkeep_monitors_completions(monitors, taken, H_COUNT(taken), &len, NULL));
    for (size_t i = 0; i < len; i++) {
        unsigned link = (unsigned)(taken[i].channel_id[0] - 'a');
        int is_durable = 0;
        if (taken[i].kind == LNKEEP_COMPLETION_NEW) continue;
        CHECK_EQUAL(taken[i].update_id, ++completed[link]);
        uint64_t ticket = atomic_load(&tickets[link][taken[i].update_id]);
        /* The link may not have written its ticket down yet. */
        if (ticket == 0) continue;
        CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, ticket, &is_durable, NULL));
        CHECK_EQUAL(is_durable, 1);
    }
}

static size_t take_messages(void) {
    lnkeep_outputs *outputs = NULL;
    CHECK_DONE(lnkeep_monitors_take_outputs(monitors, 64, &outputs, NULL));
    size_t len = outputs ? outputs->outputs_len : 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t tag = output_at(outputs, i)->tag;
        unsigned link = (unsigned)(tag >> 32);
        int is_durable = 0;
        CHECK_EQUAL(tag & UINT32_MAX, ++sent[link]);
        CHECK_EQUAL(output_at(outputs, i)->output_id != 0, sent[link] % 8 == 0);
        uint64_t ticket = atomic_load(&tickets[link][sent[link]]);
        CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, ticket, &is_durable, NULL));
        CHECK_EQUAL(is_durable, 1);
        /* The update that it depends on can be read. */
        channel id = channel_of((char)('a' + link));
        lnkeep_status status = lnkeep_monitors_queue_update(monitors, id.id, sent[link],
                                                            h_bytes(&tag, sizeof tag), 0, NULL, NULL);
        CHECK_STATUS(status, LNKEEP_ALREADY);
    }
    lnkeep_outputs_free(outputs);
    return len;
}

static void *take_for_ever(void *unused) {
    (void)unused;
    int descriptor = -1;
    CHECK_DONE(lnkeep_monitors_descriptor(monitors, &descriptor, NULL));
    for (int is_over = 0; !is_over;) {
        is_over = atomic_load(&stop);
        if (!is_over && !h_readable(descriptor, 100)) continue;
        do take_completions();
        while (take_messages() > 0);
    }
    for (int i = 0; i < THREADS * 2; i++) take_completions();
    return NULL;
}

static void nothing_leaves_before_it_is_durable(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 256;
    begin_with(&options);
    ids = h_rounds(400, 24);
    unsigned links = 6;
    memset(completed, 0, sizeof completed);
    memset(sent, 0, sizeof sent);
    for (unsigned link = 0; link < links; link++) CHECK_DONE(new_channel((char)('a' + link), 0, "base"));
    CHECK_DONE(commit_all("m"));
    atomic_store(&stop, 0);
    atomic_store(&running, links);
    pthread_t committer, taker;
    CHECK_EQUAL(pthread_create(&committer, NULL, commit_for_ever, NULL), 0);
    CHECK_EQUAL(pthread_create(&taker, NULL, take_for_ever, NULL), 0);
    on_threads(links, queue_updates_and_messages);
    pthread_join(committer, NULL);
    pthread_join(taker, NULL);
    for (unsigned link = 0; link < links; link++) {
        CHECK_EQUAL(completed[link], ids);
        CHECK_EQUAL(sent[link], ids);
    }
    CHECK_EQUAL(state_now().pending_operations, 0);
    reopen_with(&options);
    CHECK_EQUAL(report.outputs, links * (ids / 8));
    for (unsigned link = 0; link < links; link++) {
        lnkeep_monitor *monitor = load((char)('a' + link));
        if (monitor) CHECK_EQUAL(monitor->channel.latest_update_id, ids);
        lnkeep_monitor_free(monitor);
    }
    end();
}

static atomic_uint granted[IDS_MAX];

/* All threads replay the same updates, and all of them commit. */
static void *replay_and_commit(void *number) {
    for (uint64_t update_id = 1; update_id <= ids; update_id++) {
        lnkeep_bytes bytes = h_bytes(&update_id, sizeof update_id);
        lnkeep_status status = lnkeep_monitors_queue_update(monitors, channel_of('a').id, update_id, bytes, 0,
                                                            NULL, NULL);
        if (status == LNKEEP_DONE) atomic_fetch_add(&granted[update_id], 1);
        else CHECK(status == LNKEEP_ALREADY || status == LNKEEP_ALREADY_QUEUED);
        if (update_id % THREADS != (uintptr_t)number) continue;
        uint64_t now = 0;
        status = commit_now(&now);
        if (status == LNKEEP_DONE) atomic_fetch_add(&sum, 1);
        else CHECK_STATUS(status, LNKEEP_STALE_CAPTURE);
    }
    return NULL;
}

static void *create_the_same(void *unused) {
    (void)unused;
    channel id = channel_of('a');
    lnkeep_status status = lnkeep_monitors_queue_new(monitors, id.id, 0, h_text("a"), NULL, 0, NULL, NULL);
    if (status == LNKEEP_DONE) atomic_fetch_add(&sum, 1);
    else CHECK_STATUS(status, LNKEEP_DUPLICATE_CHANNEL);
    return NULL;
}

static void each_update_is_queued_by_one_thread(void) {
    begin();
    ids = h_rounds(400, 40);
    memset(granted, 0, sizeof granted);
    atomic_store(&sum, 0);
    on_threads(THREADS, create_the_same);
    CHECK_EQUAL(atomic_load(&sum), 1);
    atomic_store(&sum, 0);
    on_threads(THREADS, replay_and_commit);
    for (uint64_t update_id = 1; update_id <= ids; update_id++) {
        if (!CHECK_EQUAL(atomic_load(&granted[update_id]), 1)) break;
    }
    CHECK(atomic_load(&sum) > 0);
    CHECK_EQUAL(state_now().commit_sequence, atomic_load(&sum));
    known = state_now();
    last_ticket = ids + 1;
    CHECK_DONE(commit_all("m"));
    lnkeep_monitor *monitor = load('a');
    if (monitor) CHECK_EQUAL(monitor->updates_len, ids);
    lnkeep_monitor_free(monitor);
    end();
}

static lnkeep_attempts attempts;

/* A submission with a commit, beside others and beside plain commits: BUSY, or done, or overtaken. */
static void *submit_commits(void *number) {
    for (uint64_t i = 0; i < ids; i++) {
        uint64_t id = (uintptr_t)number * IDS_MAX + i;
        lnkeep_capture taken;
        lnkeep_op ops[2];
        lnkeep_outcome outcomes[2];
        memset(ops, 0, sizeof ops);
        CHECK_DONE(lnkeep_monitors_queue_output(monitors, 1, id, h_text("x"), NULL, NULL));
        CHECK_DONE(lnkeep_monitors_capture(monitors, &taken, NULL));
        lnkeep_monitors_commit commit = commit_of(taken, "m");
        ops[0].kind = LNKEEP_OP_ATTEMPT_INIT;
        ops[0].component = attempts.bits;
        ops[0].body.attempt_init = h_request(id);
        ops[1].kind = LNKEEP_OP_MONITORS_COMMIT;
        ops[1].component = monitors.bits;
        ops[1].body.monitors_commit.commit = &commit;
        lnkeep_status status = lnkeep_submit(store, ops, 2, LNKEEP_SUBMIT_ATOMIC, outcomes, NULL);
        int state = h_state(attempts, id);
        if (status == LNKEEP_DONE) {
            atomic_fetch_add(&sum, 1);
            CHECK_EQUAL(state, LNKEEP_STATE_INTENT);
        } else {
            CHECK_STATUS(status, LNKEEP_BATCH);
            CHECK_STATUS(outcomes[0].status, LNKEEP_ABORTED);
            CHECK(outcomes[1].status == LNKEEP_BUSY || outcomes[1].status == LNKEEP_STALE_CAPTURE);
            CHECK_STATUS(state, LNKEEP_NOT_FOUND);
        }
    }
    return NULL;
}

static void submitted_commits_exclude_each_other(void) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.pending_ops_max = 100000;
    begin_with(&options);
    attempts = h_attempts(store);
    ids = h_rounds(100, 16);
    atomic_store(&sum, 0);
    on_threads(4, submit_commits);
    CHECK(atomic_load(&sum) > 0);
    known = state_now();
    CHECK_EQUAL(known.commit_sequence, atomic_load(&sum));
    last_ticket = ids * 4;
    CHECK_DONE(commit_all("m"));
    size_t taken = 0;
    for (size_t len = 1; len > 0; taken += len) {
        lnkeep_outputs *outputs = take_outputs(1024);
        len = outputs ? outputs->outputs_len : 0;
        lnkeep_outputs_free(outputs);
    }
    CHECK_EQUAL(taken, ids * 4);
    h_close_attempts(&attempts);
    end();
}

/* Every answer of a call on a handle that another thread may close. */
static int is_of_a_closing_handle(lnkeep_status status) {
    return status == LNKEEP_DONE || status == LNKEEP_BAD_HANDLE || status == LNKEEP_CLOSED ||
           status == LNKEEP_STALE_CAPTURE || status == LNKEEP_BAD_TICKET || status == LNKEEP_QUEUE_FULL;
}

static void *call_until_closed(void *number) {
    lnkeep_status status = LNKEEP_DONE;
    for (uint64_t tag = 0; status != LNKEEP_BAD_HANDLE && tag < 100000; tag++) {
        /* The closing thread is between the end of the session and that of its handle. */
        if (status == LNKEEP_CLOSED) h_sleep_ms(1);
        lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
        lnkeep_outputs *outputs = NULL;
        uint64_t now;
        switch ((tag + (uintptr_t)number) % 4) {
        case 0: status = lnkeep_monitors_queue_output(monitors, 1, tag, h_text("x"), NULL, NULL); break;
        case 1: status = commit_now(&now); break;
        case 2: status = lnkeep_monitors_take_outputs(monitors, 8, &outputs, NULL); break;
        default: status = lnkeep_monitors_read_state(monitors, &state, NULL); break;
        }
        lnkeep_outputs_free(outputs);
        if (!CHECK(is_of_a_closing_handle(status))) fprintf(stderr, "%s\n", lnkeep_status_name(status));
    }
    CHECK_STATUS(status, LNKEEP_BAD_HANDLE);
    return NULL;
}

/* With another handle on the session, and as the last one; the store goes on either way. */
static void a_close_meets_calls_of_other_threads(void) {
    begin();
    for (unsigned round = 0; round < h_rounds(30, 4); round++) {
        lnkeep_monitors other = LNKEEP_MONITORS_NONE;
        pthread_t threads[4];
        if (round % 2) CHECK_DONE(lnkeep_monitors_open(store, NULL, &other, NULL, NULL));
        for (uintptr_t i = 0; i < 4; i++) {
            CHECK_EQUAL(pthread_create(&threads[i], NULL, call_until_closed, (void *)i), 0);
        }
        h_sleep_ms(round % 5);
        lnkeep_monitors closing = monitors;
        CHECK_DONE(lnkeep_monitors_close(&closing, LNKEEP_MONITORS_DISCARD, NULL));
        for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
        CHECK_EQUAL(lnkeep_monitors_is_open(monitors), 0);
        if (round % 2) CHECK_DONE(lnkeep_monitors_close(&other, LNKEEP_MONITORS_DISCARD, NULL));
        CHECK_DONE(open_monitors(NULL));
        CHECK_DONE(message(1, "y"));
        CHECK_DONE(commit_all("m"));
        CHECK_EQUAL(committed.applied, 1);
        CHECK(check_outputs("0:1:y"));
    }
    end();
}

static void *open_and_close(void *unused) {
    (void)unused;
    for (uint64_t i = 0; i < ids; i++) {
        lnkeep_monitors mine;
        uint64_t ticket;
        if (!CHECK_DONE(lnkeep_monitors_open(store, NULL, &mine, NULL, NULL))) break;
        lnkeep_status status = lnkeep_monitors_queue_output(mine, 1, i, h_text("x"), &ticket, NULL);
        CHECK(status == LNKEEP_DONE || status == LNKEEP_QUEUE_FULL);
        CHECK_DONE(lnkeep_monitors_close(&mine, LNKEEP_MONITORS_DISCARD, NULL));
    }
    return NULL;
}

static void sessions_come_and_go_on_many_threads(void) {
    begin();
    CHECK_DONE(close_monitors(0));
    ids = h_rounds(100, 8);
    on_threads(4, open_and_close);
    CHECK_DONE(open_monitors(NULL));
    CHECK_EQUAL(known.pending_operations | known.commit_sequence, 0);
    end();
}

static void *commit_large_snapshots(void *unused) {
    (void)unused;
    size_t large = h_rounds(8u << 20, 3u << 20);
    uint8_t *bytes = pattern(large, 1);
    for (unsigned round = 0; round < h_rounds(6, 2); round++) {
        uint64_t now;
        channel id = channel_of('a');
        lnkeep_bytes whole = h_bytes(bytes, large);
        CHECK_DONE(lnkeep_monitors_queue_snapshot(monitors, id.id, 0, whole, NULL, 0, NULL, NULL));
        CHECK_DONE(commit_now(&now));
    }
    free(bytes);
    atomic_store(&stop, 1);
    return NULL;
}

/* Neither the queue nor another component waits for the end of a commit of many megabytes. */
static void others_go_on_while_a_large_snapshot_is_committed(void) {
    begin();
    attempts = h_attempts(store);
    CHECK_DONE(new_channel('a', 0, "a"));
    CHECK_DONE(commit_all("m"));
    atomic_store(&stop, 0);
    pthread_t committer;
    CHECK_EQUAL(pthread_create(&committer, NULL, commit_large_snapshots, NULL), 0);
    uint64_t id = 0;
    while (!atomic_load(&stop)) {
        CHECK_DONE(h_init(attempts, ++id));
        if (id < 500) CHECK_DONE(lnkeep_monitors_queue_output(monitors, 1, id, h_text("x"), NULL, NULL));
    }
    pthread_join(committer, NULL);
    CHECK(id > 6);
    for (uint64_t each = 1; each <= id; each++) {
        if (!CHECK_EQUAL(h_state(attempts, each), LNKEEP_STATE_INTENT)) break;
    }
    h_close_attempts(&attempts);
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(nothing_leaves_before_it_is_durable),
        H_TEST(each_update_is_queued_by_one_thread),
        H_TEST(submitted_commits_exclude_each_other),
        H_TEST(a_close_meets_calls_of_other_threads),
        H_TEST(sessions_come_and_go_on_many_threads),
        H_TEST(others_go_on_while_a_large_snapshot_is_committed),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

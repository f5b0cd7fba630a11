/* Mistakes of a host: each is answered by a status, changes nothing, prints nothing, and crashes nothing. */

#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs one row on fresh arguments and checks its answer, naming the function when it is another. */
static int check_call(const call_row *row, lnkeep_status wanted, const char *what) {
    fill_arguments();
    if (CHECK_STATUS(row->call(), wanted)) return 1;
    h_check(0, row->name, world.bad, what);
    return 0;
}

/* Two channels, as they were added. */
static void check_resources_untouched(void) {
    lnkeep_resources_stats stats = LNKEEP_RESOURCES_STATS_INIT;
    lnkeep_resources_snapshot *snapshot = NULL;
    CHECK_EQUAL(lnkeep_resources_is_open(world.resources), 1);
    CHECK_DONE(lnkeep_resources_read_stats(world.resources, &stats, NULL));
    CHECK_EQUAL(stats.forwarded | stats.failed | stats.would_fail | stats.repeated | stats.resolved, 0);
    CHECK_EQUAL(stats.journal_next, 2);
    if (!CHECK_DONE(lnkeep_resources_take_snapshot(world.resources, 1, &snapshot, NULL))) return;
    CHECK_EQUAL(snapshot->channels_len, 2);
    CHECK_EQUAL(snapshot->pending_len | snapshot->pairs_len | snapshot->marks_len, 0);
    lnkeep_resources_snapshot_free(snapshot);
}

/* Nothing that was refused may have left a trace. */
static void check_untouched(void) {
    lnkeep_attempt_counts counts = LNKEEP_ATTEMPT_COUNTS_INIT;
    uint64_t waiting = 0;
    lnkeep_attempt_key key = h_key(1);
    CHECK_DONE(lnkeep_attempts_counts(world.attempts, NULL, &counts, NULL));
    CHECK_EQUAL(counts.intent, 1);
    CHECK_EQUAL(counts.handed_off + counts.settled + counts.failed + counts.deleted, 0);
    CHECK_DONE(lnkeep_attempts_waiters(world.attempts, &key, &waiting, NULL));
    CHECK_EQUAL(waiting, 0);
    lnkeep_payment_counts payments = LNKEEP_PAYMENT_COUNTS_INIT;
    lnkeep_payment *payment = NULL;
    CHECK_DONE(lnkeep_payments_counts(world.payments, &payments, NULL));
    CHECK_EQUAL(payments.payments, 1);
    CHECK_EQUAL(payments.attempts + payments.tombstones + payments.idempotency_keys + payments.doomed, 0);
    if (CHECK_DONE(lnkeep_payments_fetch(world.payments, h_hash_of_ones, &payment, NULL))) {
        CHECK_EQUAL(payment->revision, 1);
        lnkeep_payment_free(payment);
    }
    CHECK_EQUAL(lnkeep_store_is_open(world.store), 1);
    CHECK_EQUAL(lnkeep_attempts_is_open(world.attempts), 1);
    CHECK_EQUAL(lnkeep_events_is_open(world.events), 1);
    CHECK_EQUAL(lnkeep_payments_is_open(world.payments), 1);
    CHECK_EQUAL(lnkeep_monitors_is_open(world.monitors), 1);
    lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    CHECK_DONE(lnkeep_monitors_read_state(world.monitors, &state, NULL));
    CHECK_EQUAL(state.commit_sequence, 1);
    CHECK_EQUAL(state.pending_operations | state.pending_bytes, 0);
    check_resources_untouched();
    check_storage_untouched();
    check_recovery_untouched();
    CHECK(access(world.target, F_OK) != 0);
    CHECK(access(h_path(world.target, "data.mdb"), F_OK) != 0);
}

static void every_exported_function_is_in_the_table(void) {
    FILE *list = fopen("tests/exported-symbols.txt", "r");
    if (!list) {
        h_skip("every_exported_function_is_in_the_table", "not run from the root of the repository");
        return;
    }
    char name[128];
    size_t exported = 0;
    while (fgets(name, sizeof name, list)) {
        name[strcspn(name, "\n")] = 0;
        size_t found = 0;
        for (size_t i = 0; i < H_COUNT(CALLS); i++) found += strcmp(CALLS[i].name, name) == 0;
        for (size_t i = 0; i < H_COUNT(CANNOT_FAIL); i++) found += strcmp(CANNOT_FAIL[i], name) == 0;
        if (!CHECK_EQUAL(found, 1)) fprintf(stderr, "%s\n", name);
        exported++;
    }
    fclose(list);
    CHECK_EQUAL(exported, H_COUNT(CALLS) + H_COUNT(CANNOT_FAIL));
}

static void null_is_refused_everywhere(void) {
    make_world();
    world.bad_pointer = NULL;
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        for (world.bad = 0; world.bad < CALLS[i].required; world.bad++) {
            check_call(&CALLS[i], LNKEEP_INVALID_ARGUMENT, "with NULL");
        }
    }
    world.bad = -1;
    check_untouched();
    end_world();
}

static void misaligned_pointers_are_refused_everywhere(void) {
    make_world();
    static uint64_t room[1024];
    world.bad_pointer = (char *)room + 1;
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        int all = CALLS[i].required + CALLS[i].optional;
        for (world.bad = 0; world.bad < all; world.bad++) {
            int is_bytes = world.bad >= CALLS[i].aligned && world.bad < CALLS[i].required;
            if (!is_bytes) check_call(&CALLS[i], LNKEEP_INVALID_ARGUMENT, "misaligned");
        }
    }
    world.bad = -1;
    check_untouched();
    end_world();
}

static void a_malformed_error_is_refused_everywhere(void) {
    make_world();
    static const size_t sizes[] = {0, 8, sizeof(lnkeep_error) - 1};
    static lnkeep_error room[2];
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        for (size_t j = 0; j < H_COUNT(sizes); j++) {
            memset(room, 0x55, sizeof room);
            room[0].size = sizes[j];
            world.err = room;
            check_call(&CALLS[i], LNKEEP_INVALID_ARGUMENT, "with an error of another size");
            CHECK_EQUAL(room[0].status, 0x55555555);
        }
        world.err = (lnkeep_error *)(void *)((char *)room + 1);
        check_call(&CALLS[i], LNKEEP_INVALID_ARGUMENT, "with a misaligned error");
    }
    world.err = NULL;
    check_untouched();
    end_world();
}

/* The bits of the world's handle of a kind. */
static uint64_t *bits_of(handle_kind on) {
    switch (on) {
    case ON_STORE: return &world.store.bits;
    case ON_ATTEMPTS: return &world.attempts.bits;
    case ON_EVENTS: return &world.events.bits;
    case ON_MONITORS: return &world.monitors.bits;
    case ON_RESOURCES: return &world.resources.bits;
    case ON_PEER_STORAGE: return &world.peer_storage.bits;
    case ON_BACKUP: return &world.backup.bits;
    case ON_RECOVERY: return &world.recovery.bits;
    default: return &world.payments.bits;
    }
}

/* Puts the same bits into the handle that a row works on. */
static void check_bad_handle(const call_row *row, uint64_t bits, const char *what) {
    uint64_t right = *bits_of(row->on);
    *bits_of(row->on) = bits;
    check_call(row, LNKEEP_BAD_HANDLE, what);
    *bits_of(row->on) = right;
}

static uint64_t stale_bits(handle_kind on) {
    if (on == ON_RECOVERY) return stale_recovery_bits();
    if (on == ON_PEER_STORAGE || on == ON_BACKUP) return stale_storage_bits(on);
    lnkeep_attempts attempts = h_attempts(world.store);
    lnkeep_payments payments = h_payments(world.store);
    lnkeep_events events;
    lnkeep_monitors monitors;
    lnkeep_resources resources;
    CHECK_DONE(lnkeep_monitors_open(world.store, NULL, &monitors, NULL, NULL));
    CHECK_DONE(lnkeep_resources_open(world.store, NULL, &resources, NULL, NULL));
    uint64_t bits = on == ON_PAYMENTS ? payments.bits : on == ON_MONITORS ? monitors.bits : attempts.bits;
    if (on == ON_RESOURCES) bits = resources.bits;
    h_close_attempts(&attempts);
    h_close_payments(&payments);
    CHECK_DONE(lnkeep_monitors_close(&monitors, 0, NULL));
    CHECK_DONE(lnkeep_resources_close(&resources, NULL));
    if (on != ON_STORE && on != ON_EVENTS) return bits;
    if (on == ON_STORE) {
        lnkeep_store store = h_open(h_directory());
        bits = store.bits;
        h_close(&store);
        return bits;
    }
    CHECK_DONE(lnkeep_events_open(world.store, h_text("stale"), 0, &events, NULL));
    bits = events.bits;
    CHECK_DONE(lnkeep_events_close(&events, NULL));
    return bits;
}

static void wrong_handles_are_refused_everywhere(void) {
    make_world();
    uint64_t stale[KINDS_OF_HANDLE];
    for (int on = ON_STORE; on < KINDS_OF_HANDLE; on++) stale[on] = stale_bits((handle_kind)on);
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        handle_kind on = CALLS[i].on;
        if (on == ON_NOTHING) continue;
        uint64_t right = *bits_of(on);
        check_bad_handle(&CALLS[i], 0, "on a zero handle");
        check_bad_handle(&CALLS[i], stale[on], "on a stale handle");
        check_bad_handle(&CALLS[i], UINT64_MAX, "on a forged handle");
        check_bad_handle(&CALLS[i], 0x123456789abcdef0u, "on a forged handle");
        check_bad_handle(&CALLS[i], right ^ 1, "on another generation");
        check_bad_handle(&CALLS[i], right + (UINT64_C(4000) << 32), "on a slot never used");
        check_bad_handle(&CALLS[i], right | UINT64_C(0xffffff) << 32, "on a slot out of range");
        for (int other = ON_STORE; other < KINDS_OF_HANDLE; other++) {
            uint64_t bits = *bits_of((handle_kind)other);
            if (other != (int)on) check_bad_handle(&CALLS[i], bits, "on another type");
        }
        check_bad_handle(&CALLS[i], right ^ UINT64_C(1) << 56, "with another tag");
    }
    check_untouched();
    end_world();
}

static void is_open_answers_for_any_bits(void) {
    make_world();
    lnkeep_store store = {world.attempts.bits};
    lnkeep_attempts attempts = {world.store.bits};
    lnkeep_events events = {UINT64_MAX};
    lnkeep_payments payments = {world.attempts.bits};
    lnkeep_monitors monitors = {world.payments.bits};
    lnkeep_resources resources = {world.monitors.bits};
    CHECK_EQUAL(lnkeep_resources_is_open(world.resources), 1);
    CHECK_EQUAL(lnkeep_resources_is_open(resources), 0);
    CHECK_EQUAL(lnkeep_resources_is_open(LNKEEP_RESOURCES_NONE), 0);
    CHECK_EQUAL(lnkeep_monitors_is_open(monitors), 0);
    CHECK_EQUAL(lnkeep_monitors_is_open(LNKEEP_MONITORS_NONE), 0);
    CHECK_EQUAL(lnkeep_payments_is_open(payments), 0);
    CHECK_EQUAL(lnkeep_payments_is_open(LNKEEP_PAYMENTS_NONE), 0);
    CHECK_EQUAL(lnkeep_store_is_open(store), 0);
    CHECK_EQUAL(lnkeep_attempts_is_open(attempts), 0);
    CHECK_EQUAL(lnkeep_events_is_open(events), 0);
    CHECK_EQUAL(lnkeep_store_is_open(LNKEEP_STORE_NONE), 0);
    CHECK_EQUAL(lnkeep_attempts_is_open(LNKEEP_ATTEMPTS_NONE), 0);
    CHECK_EQUAL(lnkeep_events_is_open(LNKEEP_EVENTS_NONE), 0);
    end_world();
}

static void closing_twice_is_harmless(void) {
    make_world();
    lnkeep_store store = world.store;
    lnkeep_attempts attempts = world.attempts;
    lnkeep_events events = world.events;
    lnkeep_payments payments = world.payments;
    lnkeep_monitors monitors = world.monitors;
    lnkeep_resources resources = world.resources;
    end_world();
    CHECK_EQUAL(world.store.bits | world.attempts.bits | world.events.bits | world.payments.bits, 0);
    CHECK_EQUAL(world.monitors.bits | world.resources.bits, 0);
    CHECK_STATUS(lnkeep_resources_close(&resources, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_resources_close(&world.resources, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_monitors_close(&monitors, 0, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_monitors_close(&world.monitors, LNKEEP_MONITORS_DISCARD, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_payments_close(&payments, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_payments_close(&world.payments, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_events_close(&events, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_attempts_close(&attempts, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_store_close(&store, NULL), LNKEEP_BAD_HANDLE);
    CHECK_STATUS(lnkeep_store_close(&world.store, NULL), LNKEEP_BAD_HANDLE);
}

static void components_of_a_closed_store_answer_closed(void) {
    make_world();
    lnkeep_store store = world.store;
    h_close(&store);
    for (size_t i = 0; i < H_COUNT(CALLS); i++) {
        const call_row *row = &CALLS[i];
        if (row->works_when_closed || row->on == ON_NOTHING) continue;
        lnkeep_status wanted = row->on == ON_STORE ? LNKEEP_BAD_HANDLE : LNKEEP_CLOSED;
        check_call(row, wanted, "after the store was closed");
    }
    CHECK_EQUAL(lnkeep_attempts_is_open(world.attempts), 1);
    CHECK_EQUAL(lnkeep_payments_is_open(world.payments), 1);
    CHECK_EQUAL(lnkeep_monitors_is_open(world.monitors), 1);
    CHECK_EQUAL(lnkeep_resources_is_open(world.resources), 1);
    check_storage_is_open();
    check_recovery_untouched();
    CHECK_DONE(lnkeep_attempts_unsubscribe_all(world.attempts, NULL));
    CHECK_DONE(lnkeep_events_close(&world.events, NULL));
    CHECK_DONE(lnkeep_monitors_close(&world.monitors, 0, NULL));
    CHECK_DONE(lnkeep_resources_close(&world.resources, NULL));
    close_world_storage();
    end_world_recovery();
    h_close_payments(&world.payments);
    h_close_attempts(&world.attempts);
}

static void check_payment_views(lnkeep_bytes nothing, lnkeep_bytes endless) {
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    for (int view = 0; view < 8; view++) {
        lnkeep_bytes wrong = view % 2 ? nothing : endless;
        fill_arguments();
        arg.payment_init.present = LNKEEP_PAYMENT_HAS_INTENT;
        lnkeep_bytes *of_init[] = {&arg.payment_init.idempotency_key, &arg.payment_init.payment_request,
                                   &arg.payment_init.first_hop_records, &arg.payment_init.intent_data};
        *of_init[view / 2] = wrong;
        CHECK_STATUS(call_payments_init(), bad);
        lnkeep_bytes *of_part[] = {&arg.part.route, &arg.part.session_key, &arg.part.first_hop_records,
                                   &arg.failure.message};
        *of_part[view / 2] = wrong;
        if (view < 6) CHECK_STATUS(call_payments_register(), bad);
        else CHECK_STATUS(call_payments_fail_attempt(), bad);
        arg.failure.message.len = 0;
        CHECK_STATUS(lnkeep_payments_fail_attempt(world.payments, arg.hash, &arg.key, &arg.failure, wrong,
                                                  LNKEEP_FAIL_FORCED, NULL, NULL, NULL),
                     bad);
    }
    fill_arguments();
    CHECK_STATUS(lnkeep_payments_resume(world.payments, &arg.answer, SIZE_MAX / 8, 0, NULL, NULL), bad);
}

static void check_monitor_views(lnkeep_bytes wrong) {
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    fill_arguments();
    lnkeep_monitors monitors = world.monitors;
    const uint8_t *id = h_hash_of_twos;
    CHECK_STATUS(lnkeep_monitors_queue_new(monitors, id, 1, wrong, NULL, 0, NULL, NULL), bad);
    id = h_hash_of_ones;
    CHECK_STATUS(lnkeep_monitors_queue_update(monitors, id, 2, wrong, 0, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_monitors_queue_snapshot(monitors, id, 1, wrong, NULL, 0, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_monitors_queue_output(monitors, LNKEEP_OUTPUT_DURABLE, 1, wrong, NULL, NULL), bad);
    CHECK_DONE(lnkeep_monitors_capture(monitors, &arg.commit.capture, NULL));
    arg.commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    arg.commit.manager = wrong;
    CHECK_STATUS(call_monitors_commit_captured(), bad);
    arg.commit.manager = h_text("");
    arg.commit.view_len = wrong.len;
    CHECK_STATUS(call_monitors_commit_captured(), bad);
    static const uint64_t room[16];
    arg.commit.view = (const lnkeep_channel_tip *)(const void *)((const char *)room + 1);
    arg.commit.view_len = 1;
    CHECK_STATUS(call_monitors_commit_captured(), bad);
}

/* Views of a length without bytes, and lengths that no memory has. */
static void impossible_views_are_refused(void) {
    make_world();
    lnkeep_attempts attempts = world.attempts;
    lnkeep_bytes nothing = h_bytes(NULL, 5), endless = h_bytes("x", SIZE_MAX);
    lnkeep_attempt_key key = h_key(1);
    uint64_t number, misaligned[2] = {0, 0};
    lnkeep_events events;
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    CHECK_STATUS(lnkeep_attempts_fail_pending(attempts, &key, 0, nothing, 0, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_attempts_fail_pending(attempts, &key, 0, endless, 0, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, nothing, &number, NULL), bad);
    CHECK_STATUS(lnkeep_attempts_allocate(attempts, NULL, endless, &number, NULL), bad);
    CHECK_STATUS(lnkeep_events_open(world.store, nothing, 0, &events, NULL), bad);
    CHECK_STATUS(lnkeep_events_open(world.store, endless, 0, &events, NULL), bad);
    CHECK_STATUS(lnkeep_attempts_clean(attempts, NULL, &number, SIZE_MAX / 4, 0, NULL, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_attempts_clean(attempts, NULL, (uint64_t *)(void *)((char *)misaligned + 1), 1, 0, NULL,
                                       NULL, NULL),
                 bad);
    lnkeep_circuit circuit = {1, LNKEEP_CIRCUIT_OPEN, 0};
    CHECK_STATUS(lnkeep_attempts_recover(attempts, NULL, &circuit, SIZE_MAX / 8, LNKEEP_RECOVER_CIRCUITS_COMPLETE,
                                         NULL, NULL),
                 bad);
    lnkeep_outcome outcome;
    CHECK_STATUS(lnkeep_attempts_delete(attempts, &key, SIZE_MAX, 0, &outcome, NULL), LNKEEP_TOO_BIG);
    CHECK_STATUS(lnkeep_submit(world.store, &arg.op, SIZE_MAX, 0, &outcome, NULL), LNKEEP_TOO_BIG);
    CHECK_STATUS(lnkeep_submit_async(world.store, &arg.op, SIZE_MAX, 0, 0, NULL), LNKEEP_TOO_BIG);
    lnkeep_store store;
    CHECK_STATUS(lnkeep_store_open("", NULL, &store, NULL, NULL), bad);
    check_payment_views(nothing, endless);
    check_monitor_views(nothing);
    check_monitor_views(endless);
    check_untouched();
    end_world();
}

static void empty_paths_are_refused(void) {
    make_world();
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_check_report *report = NULL;
    CHECK_STATUS(lnkeep_check("", &report, NULL), bad);
    CHECK_STATUS(lnkeep_store_backup(world.store, "", NULL, NULL), bad);
    CHECK_STATUS(lnkeep_store_restore("", world.target, 0, NULL, NULL), bad);
    CHECK_STATUS(lnkeep_store_restore(world.directory, "", 0, NULL, NULL), bad);
    CHECK(report == NULL);
    check_untouched();
    end_world();
}

static void unknown_flags_are_refused(void) {
    make_world();
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_store store;
    const char *path = h_path(h_directory(), "store");
    for (uint32_t bit = 9; bit < 32; bit++) {
        options.flags = UINT32_C(1) << bit;
        CHECK_STATUS(lnkeep_store_open(path, &options, &store, NULL, NULL), bad);
    }
    CHECK(access(path, F_OK) != 0);
    lnkeep_attempt_request request = h_request(2);
    for (uint32_t bit = 2; bit < 32; bit++) {
        request.present = UINT32_C(1) << bit;
        CHECK_STATUS(lnkeep_attempts_init(world.attempts, &request, NULL, NULL), bad);
    }
    lnkeep_attempt_key key = h_key(1);
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        if (flag == LNKEEP_STORE_ANY_FILE_SYSTEM) continue;
        CHECK_STATUS(lnkeep_store_restore(world.directory, world.target, flag, NULL, NULL), bad);
    }
    for (uint32_t bit = 1; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        uint64_t subscription;
        lnkeep_outcome outcome;
        CHECK_STATUS(lnkeep_attempts_fail_pending(world.attempts, &key, 0, h_text(""), flag, NULL, NULL), bad);
        CHECK_STATUS(lnkeep_attempts_subscribe(world.attempts, &key, flag, &subscription, NULL), bad);
        CHECK_STATUS(lnkeep_attempts_delete(world.attempts, &key, 1, flag, &outcome, NULL), bad);
        CHECK_STATUS(lnkeep_attempts_clean(world.attempts, NULL, NULL, 0, flag, NULL, NULL, NULL), bad);
        CHECK_STATUS(lnkeep_submit(world.store, &arg.op, 1, flag, &outcome, NULL), bad);
        CHECK_STATUS(lnkeep_submit_async(world.store, &arg.op, 1, flag, 0, NULL), bad);
    }
    check_untouched();
    end_world();
}

/* Each call with every flag it does not know, and every reserved number that is not zero. */
static void unknown_flags_of_payments_are_refused(void) {
    make_world();
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_payments other;
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        fill_arguments();
        arg.payments_options.flags = flag;
        lnkeep_status status = lnkeep_payments_open(world.store, &arg.payments_options, &other, NULL);
        if (bit > 0) CHECK_STATUS(status, bad);
        else CHECK_STATUS(status, LNKEEP_ALREADY_OPEN);
        arg.payment_init.present = flag;
        if (bit > 0) CHECK_STATUS(call_payments_init(), bad);
        arg.part.present = flag;
        if (bit > 4) CHECK_STATUS(call_payments_register(), bad);
        arg.part.present = 0;
        if (bit > 0) {
            status = lnkeep_payments_register(world.payments, arg.hash, &arg.part, flag, NULL, NULL, NULL);
            CHECK_STATUS(status, bad);
        }
        if (bit != 1 && bit != 2) {
            status = lnkeep_payments_settle(world.payments, arg.hash, &arg.key, arg.preimage, 0, flag, NULL,
                                            NULL, NULL);
            CHECK_STATUS(status, bad);
        }
        if (bit > 1) {
            status = lnkeep_payments_fail_attempt(world.payments, arg.hash, &arg.key, &arg.failure,
                                                  h_text(""), flag, NULL, NULL, NULL);
            CHECK_STATUS(status, bad);
        }
        if (bit > 2) CHECK_STATUS(lnkeep_payments_delete(world.payments, arg.hash, flag, NULL, NULL), bad);
        arg.payment_query.flags = flag;
        if (bit > 2) CHECK_STATUS(call_payments_list(), bad);
    }
    fill_arguments();
    arg.payments_options.reserved = 1;
    CHECK_STATUS(lnkeep_payments_open(world.store, &arg.payments_options, &other, NULL), bad);
    arg.payment_init.reserved = 1;
    CHECK_STATUS(call_payments_init(), bad);
    arg.payment_query.reserved = 1;
    CHECK_STATUS(call_payments_list(), bad);
    check_untouched();
    end_world();
}

static void unknown_flags_of_monitors_are_refused(void) {
    make_world();
    lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_monitors monitors = world.monitors, other;
    lnkeep_bytes x = h_text("x");
    const uint8_t *id = h_hash_of_ones;
    for (uint32_t bit = 0; bit < 32; bit++) {
        uint32_t flag = UINT32_C(1) << bit;
        fill_arguments();
        arg.monitors_options.flags = flag;
        lnkeep_status status = lnkeep_monitors_open(world.store, &arg.monitors_options, &other, NULL, NULL);
        CHECK_STATUS(status, bit > 5 ? bad : LNKEEP_ALREADY_OPEN);
        CHECK_DONE(lnkeep_monitors_capture(monitors, &arg.commit.capture, NULL));
        arg.commit.flags = flag;
        if (bit > 2) CHECK_STATUS(call_monitors_commit_captured(), bad);
        if (bit == 0) continue;
        other = monitors;
        CHECK_STATUS(lnkeep_monitors_close(&other, flag, NULL), bad);
        CHECK_STATUS(lnkeep_monitors_can_queue(monitors, 1, 1, flag, NULL), bad);
        CHECK_STATUS(lnkeep_monitors_queue_new(monitors, h_hash_of_twos, 1, x, NULL, flag, NULL, NULL), bad);
        CHECK_STATUS(lnkeep_monitors_queue_update(monitors, id, 2, x, flag, NULL, NULL), bad);
        CHECK_STATUS(lnkeep_monitors_queue_snapshot(monitors, id, 1, x, NULL, flag, NULL, NULL), bad);
    }
    fill_arguments();
    arg.block.reserved = 1;
    CHECK_STATUS(call_monitors_queue_snapshot(), bad);
    CHECK_STATUS(lnkeep_monitors_queue_new(monitors, h_hash_of_twos, 1, x, &arg.block, 0, NULL, NULL), bad);
    CHECK_DONE(lnkeep_monitors_capture(monitors, &arg.commit.capture, NULL));
    arg.commit.reserved = 1;
    CHECK_STATUS(call_monitors_commit_captured(), bad);
    check_untouched();
    end_world();
}

/* A structure with room for a tail, as a host of another version may have. */
typedef struct longer {
    union {
        lnkeep_store_options store;
        lnkeep_attempts_options attempts;
        lnkeep_attempt_query query;
        lnkeep_stats stats;
        lnkeep_attempt_counts counts;
        lnkeep_store_report report;
        lnkeep_error err;
        lnkeep_payments_options payments;
        lnkeep_payment_init init;
        lnkeep_payment_attempt_request part;
        lnkeep_payment_query payment_query;
        lnkeep_payment_delete_filter filter;
        lnkeep_stuck_query stuck_query;
        lnkeep_payment_counts payment_counts;
        lnkeep_payment_rules rules;
        lnkeep_payment_state state;
        lnkeep_monitors_options monitors;
        lnkeep_monitors_commit commit;
        uint8_t bytes[512];
    } of;
} longer;

static lnkeep_status open_store(const void *options) {
    lnkeep_store store;
    lnkeep_status status = lnkeep_store_open(h_path(h_directory(), "s"), (const lnkeep_store_options *)options,
                                             &store, NULL, NULL);
    if (status == LNKEEP_DONE) h_close(&store);
    return status;
}

static lnkeep_status open_attempts(const void *options) {
    lnkeep_attempts attempts;
    lnkeep_status status =
        lnkeep_attempts_open(world.store, (const lnkeep_attempts_options *)options, &attempts, NULL);
    if (status == LNKEEP_DONE) h_close_attempts(&attempts);
    return status;
}

static lnkeep_status list(const void *query) {
    lnkeep_attempt_page *page = NULL;
    lnkeep_status status =
        lnkeep_attempts_list(world.attempts, (const lnkeep_attempt_query *)query, &page, NULL);
    lnkeep_attempt_page_free(page);
    return status;
}

static lnkeep_status open_payments(const void *options) {
    lnkeep_payments payments;
    lnkeep_status status =
        lnkeep_payments_open(world.store, (const lnkeep_payments_options *)options, &payments, NULL);
    if (status == LNKEEP_DONE) h_close_payments(&payments);
    return status;
}

/* A payment of its own each time, since a repeat would be another answer. */
static lnkeep_status init_payment(const void *init) {
    longer given = *(const longer *)init;
    static uint64_t number;
    number++;
    if (given.of.init.size >= 40) memcpy(given.of.init.payment_hash, &number, sizeof number);
    lnkeep_status status = lnkeep_payments_init(world.payments, &given.of.init, NULL, NULL, NULL);
    if (status == LNKEEP_DONE) {
        CHECK_DONE(lnkeep_payments_delete(world.payments, given.of.init.payment_hash, 0, NULL, NULL));
    }
    return status;
}

/* The same request again is one: the first one registers it. */
static lnkeep_status register_part(const void *request) {
    lnkeep_status status = lnkeep_payments_register(world.payments, h_hash_of_ones,
                                                    (const lnkeep_payment_attempt_request *)request, 0, NULL,
                                                    NULL, NULL);
    return status == LNKEEP_ALREADY_EXISTS ? LNKEEP_DONE : status;
}

static lnkeep_status list_payments(const void *query) {
    lnkeep_payment_page *page = NULL;
    lnkeep_status status =
        lnkeep_payments_list(world.payments, (const lnkeep_payment_query *)query, &page, NULL);
    lnkeep_payment_page_free(page);
    return status;
}

static lnkeep_status delete_payments(const void *filter) {
    return lnkeep_payments_delete_many(world.payments, (const lnkeep_payment_delete_filter *)filter, 0, NULL,
                                       NULL, NULL, NULL);
}

static lnkeep_status find_stuck(const void *query) {
    lnkeep_stuck_list *list = NULL;
    lnkeep_status status =
        lnkeep_payments_stuck(world.payments, (const lnkeep_stuck_query *)query, &list, NULL);
    lnkeep_stuck_list_free(list);
    return status;
}

/* `least` is the size of the oldest version of the structure that says all it must. */
static void check_input_sizes(lnkeep_status (*call)(const void *), longer filled, size_t known, size_t least) {
    static const size_t wrong[] = {0, 1, 7, 65537, SIZE_MAX};
    size_t *size = (size_t *)(void *)filled.of.bytes;
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        *size = wrong[i];
        CHECK_STATUS(call(&filled), LNKEEP_INVALID_ARGUMENT);
    }
    for (*size = least; *size <= sizeof filled.of.bytes; *size += 4) CHECK_DONE(call(&filled));
    for (size_t at = known; at < known + 64; at += 21) {
        filled.of.bytes[at] = 1;
        *size = known + 64;
        CHECK_STATUS(call(&filled), LNKEEP_UNSUPPORTED);
        /* Beyond its size a structure is not read. */
        *size = at;
        CHECK_DONE(call(&filled));
        filled.of.bytes[at] = 0;
    }
}

static void inputs_of_other_versions_are_understood(void) {
    make_world();
    longer given;
    static const lnkeep_store_options store = LNKEEP_STORE_OPTIONS_INIT;
    memset(&given, 0, sizeof given);
    given.of.store = store;
    check_input_sizes(open_store, given, sizeof store, offsetof(lnkeep_store_options, epoch_min));
    memset(&given, 0, sizeof given);
    check_input_sizes(open_attempts, given, sizeof(lnkeep_attempts_options), sizeof(size_t));
    memset(&given, 0, sizeof given);
    check_input_sizes(list, given, sizeof(lnkeep_attempt_query), sizeof(size_t));
    end_world();
}

static void payment_inputs_of_other_versions_are_understood(void) {
    make_world();
    longer given;
    memset(&given, 0, sizeof given);
    check_input_sizes(open_payments, given, sizeof(lnkeep_payments_options), sizeof(size_t));
    check_input_sizes(list_payments, given, sizeof(lnkeep_payment_query), sizeof(size_t));
    check_input_sizes(delete_payments, given, sizeof(lnkeep_payment_delete_filter), sizeof(size_t));
    check_input_sizes(find_stuck, given, sizeof(lnkeep_stuck_query), sizeof(size_t));
    given.of.init.amount_msat = 1;
    check_input_sizes(init_payment, given, sizeof(lnkeep_payment_init), 48);
    memset(&given, 0, sizeof given);
    fill_arguments();
    given.of.part = arg.part;
    given.of.part.amount_msat = 10;
    check_input_sizes(register_part, given, sizeof(lnkeep_payment_attempt_request),
                      offsetof(lnkeep_payment_attempt_request, attempt_hash));
    end_world();
}

static lnkeep_status open_monitors(const void *options) {
    lnkeep_monitors monitors;
    lnkeep_status status =
        lnkeep_monitors_open(world.store, (const lnkeep_monitors_options *)options, &monitors, NULL, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_monitors_close(&monitors, 0, NULL));
    return status;
}

/* A capture of its own each time, since a repeat would be another answer. */
static lnkeep_status commit_monitors(const void *commit) {
    longer given = *(const longer *)commit;
    CHECK_DONE(lnkeep_monitors_capture(world.monitors, &given.of.commit.capture, NULL));
    return lnkeep_monitors_commit_captured(world.monitors, &given.of.commit, NULL, NULL);
}

static void monitor_inputs_of_other_versions_are_understood(void) {
    make_world();
    longer given;
    memset(&given, 0, sizeof given);
    check_input_sizes(open_monitors, given, sizeof(lnkeep_monitors_options), sizeof(size_t));
    check_input_sizes(commit_monitors, given, sizeof(lnkeep_monitors_commit),
                      offsetof(lnkeep_monitors_commit, flags));
    end_world();
}

/* What lies beyond the caller's size, and what the library does not know, must stay. */
static void check_output_sizes(lnkeep_status (*call)(void *), size_t known) {
    static const size_t wrong[] = {0, 7, 65537};
    longer given;
    size_t *size = (size_t *)(void *)given.of.bytes;
    memset(&given, 0xee, sizeof given);
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        *size = wrong[i];
        CHECK_STATUS(call(&given), LNKEEP_INVALID_ARGUMENT);
    }
    for (size_t wanted = 8; wanted <= known + 64; wanted += 8) {
        memset(&given, 0xee, sizeof given);
        *size = wanted;
        CHECK_DONE(call(&given));
        CHECK_EQUAL(*size, wanted);
        size_t untouched = wanted < known ? wanted : known;
        for (size_t at = untouched; at < sizeof given; at++) {
            if (!CHECK_EQUAL(given.of.bytes[at], 0xee)) break;
        }
    }
}

static lnkeep_status get_stats(void *stats) {
    return lnkeep_store_stats(world.store, (lnkeep_stats *)stats, NULL);
}

static lnkeep_status get_counts(void *counts) {
    return lnkeep_attempts_counts(world.attempts, NULL, (lnkeep_attempt_counts *)counts, NULL);
}

static lnkeep_status get_report(void *report) {
    lnkeep_store store;
    lnkeep_status status = lnkeep_store_open(h_path(h_directory(), "s"), NULL, &store,
                                             (lnkeep_store_report *)report, NULL);
    if (status == LNKEEP_DONE) h_close(&store);
    return status;
}

static lnkeep_status get_payment_counts(void *counts) {
    return lnkeep_payments_counts(world.payments, (lnkeep_payment_counts *)counts, NULL);
}

static lnkeep_status get_rules(void *rules) {
    return lnkeep_payment_allows(LNKEEP_PAYMENT_STATUS_FAILED, 0, 0, (lnkeep_payment_rules *)rules, NULL);
}

static lnkeep_status get_state(void *state) {
    return lnkeep_payment_compute_state(1, NULL, 0, 0, (lnkeep_payment_state *)state, NULL);
}

static lnkeep_status get_monitors_report(void *report) {
    lnkeep_monitors monitors;
    lnkeep_status status =
        lnkeep_monitors_open(world.store, NULL, &monitors, (lnkeep_monitors_report *)report, NULL);
    if (status == LNKEEP_DONE) CHECK_DONE(lnkeep_monitors_close(&monitors, 0, NULL));
    return status;
}

static lnkeep_status get_monitors_state(void *state) {
    return lnkeep_monitors_read_state(world.monitors, (lnkeep_monitors_state *)state, NULL);
}

static lnkeep_status get_committed(void *committed) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    CHECK_DONE(lnkeep_monitors_capture(world.monitors, &commit.capture, NULL));
    return lnkeep_monitors_commit_captured(world.monitors, &commit, (lnkeep_monitors_committed *)committed,
                                           NULL);
}

static void outputs_of_other_versions_are_filled(void) {
    make_world();
    check_output_sizes(get_monitors_report, sizeof(lnkeep_monitors_report));
    check_output_sizes(get_monitors_state, sizeof(lnkeep_monitors_state));
    check_output_sizes(get_committed, sizeof(lnkeep_monitors_committed));
    check_output_sizes(get_stats, sizeof(lnkeep_stats));
    check_output_sizes(get_counts, sizeof(lnkeep_attempt_counts));
    check_output_sizes(get_report, sizeof(lnkeep_store_report));
    check_output_sizes(get_payment_counts, sizeof(lnkeep_payment_counts));
    check_output_sizes(get_rules, sizeof(lnkeep_payment_rules));
    check_output_sizes(get_state, sizeof(lnkeep_payment_state));
    end_world();
}

static void errors_fit_and_end(void) {
    make_world();
    longer room;
    memset(&room, 0xee, sizeof room);
    room.of.err.size = sizeof room;
    lnkeep_attempt_request request = h_request(9);
    request.present = 1u << 30;
    CHECK_STATUS(lnkeep_attempts_init(world.attempts, &request, NULL, &room.of.err), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(room.of.err.status, LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(room.of.err.os_errno, 0);
    CHECK(memchr(room.of.err.message, 0, 240) != NULL && room.of.err.message[0] != 0);
    CHECK_EQUAL(room.of.bytes[sizeof(lnkeep_error)], 0xee);
    /* A long path does not overflow the message. */
    char path[2000];
    memset(path, 'p', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_store store;
    CHECK(lnkeep_store_open(path, NULL, &store, NULL, &err) < 0);
    CHECK(memchr(err.message, 0, 240) != NULL);
    /* Success clears what an earlier call left. */
    CHECK_DONE(lnkeep_store_sync(world.store, &err));
    CHECK_EQUAL(err.status | err.os_errno | err.message[0], 0);
    end_world();
}

static void handles_run_out_and_come_back(void) {
    make_world();
    enum { MOST = 5000 };
    lnkeep_attempts *open = (lnkeep_attempts *)calloc(MOST, sizeof *open);
    size_t len = 0;
    lnkeep_status status = LNKEEP_DONE;
    for (; len < MOST; len++) {
        status = lnkeep_attempts_open(world.store, NULL, &open[len], NULL);
        if (status != LNKEEP_DONE) break;
    }
    CHECK_STATUS(status, LNKEEP_BUSY);
    CHECK(len > 1000);
    lnkeep_store store = {1};
    CHECK_STATUS(lnkeep_store_open(h_directory(), NULL, &store, NULL, NULL), LNKEEP_BUSY);
    CHECK_EQUAL(store.bits, 0);
    while (len > 0) h_close_attempts(&open[--len]);
    CHECK_DONE(lnkeep_attempts_open(world.store, NULL, &open[0], NULL));
    h_close_attempts(&open[0]);
    free(open);
    end_world();
}

/* The store that could not get a handle must not stay locked. */
static void an_open_without_a_handle_leaves_no_lock(void) {
    make_world();
    lnkeep_attempts open[4200];
    size_t len = 0;
    const char *path = h_directory();
    lnkeep_store store;
    while (len < 4200 && lnkeep_attempts_open(world.store, NULL, &open[len], NULL) == LNKEEP_DONE) len++;
    CHECK_STATUS(lnkeep_store_open(path, NULL, &store, NULL, NULL), LNKEEP_BUSY);
    while (len > 0) h_close_attempts(&open[--len]);
    store = h_open(path);
    h_close(&store);
    end_world();
}

static int child_misuses(const char *unused) {
    (void)unused;
    null_is_refused_everywhere();
    misaligned_pointers_are_refused_everywhere();
    wrong_handles_are_refused_everywhere();
    impossible_views_are_refused();
    empty_paths_are_refused();
    unknown_flags_are_refused();
    unknown_flags_of_payments_are_refused();
    unknown_flags_of_monitors_are_refused();
    return 0;
}

/* The output of the process belongs to the host. */
static void the_library_prints_nothing(void) {
    const char *file = h_path(h_directory(), "output");
    int out = dup(1), err = dup(2), to = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    fflush(NULL);
    dup2(to, 1);
    dup2(to, 2);
    int answer = h_run_child("child_misuses", "-");
    dup2(out, 1);
    dup2(err, 2);
    CHECK_EQUAL(answer, 0);
    CHECK_EQUAL(lseek(to, 0, SEEK_END), 0);
    close(to);
    close(out);
    close(err);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_misuses", child_misuses}};
    static const h_test tests[] = {
        H_TEST(every_exported_function_is_in_the_table),
        H_TEST(null_is_refused_everywhere),
        H_TEST(misaligned_pointers_are_refused_everywhere),
        H_TEST(a_malformed_error_is_refused_everywhere),
        H_TEST(wrong_handles_are_refused_everywhere),
        H_TEST(is_open_answers_for_any_bits),
        H_TEST(closing_twice_is_harmless),
        H_TEST(components_of_a_closed_store_answer_closed),
        H_TEST(impossible_views_are_refused),
        H_TEST(empty_paths_are_refused),
        H_TEST(unknown_flags_are_refused),
        H_TEST(unknown_flags_of_payments_are_refused),
        H_TEST(unknown_flags_of_monitors_are_refused),
        H_TEST(inputs_of_other_versions_are_understood),
        H_TEST(payment_inputs_of_other_versions_are_understood),
        H_TEST(monitor_inputs_of_other_versions_are_understood),
        H_TEST(outputs_of_other_versions_are_filled),
        H_TEST(errors_fit_and_end),
        H_TEST(handles_run_out_and_come_back),
        H_TEST(an_open_without_a_handle_leaves_no_lock),
        H_TEST(the_library_prints_nothing),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

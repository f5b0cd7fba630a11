/* Resources over restarts: a close loses nothing, a kill at most the last calls that were not durable. */

#define _GNU_SOURCE
#include "resources.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static lnkeep_resources_options options_of(uint32_t flags) {
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = flags;
    return options;
}

/* HTLCs in each bucket, ends of each kind, a mark of misuse, a channel that closes, another that went. */
static void fill_with_everything(void) {
    lnkeep_htlc_request slow = htlc(1, 2, 2, SLOT_MSAT);
    add_channels(6);
    earn(3, 1000 * RISK_MSAT);
    CHECK_GENERAL(add(htlc(1, 2, 1, 5 * lookup(1).allocation.slot_msat)));
    CHECK_FORWARD(add(slow), CONGESTION, CONGESTION, LNKEEP_DECISION_ACCOUNTABLE);
    CHECK_DONE(settle(slow, 12345));
    CHECK_FORWARD(add(accountable(4, 3, 3, 39 * SLOT_MSAT)), REPUTATION, PROTECTED,
                  LNKEEP_DECISION_ACCOUNTABLE);
    CHECK_DONE(add(accountable(4, 3, 4, 6 * SLOT_MSAT)));
    CHECK_EQUAL(decision.verdict, LNKEEP_VERDICT_FORWARD);
    CHECK_GENERAL(add(htlc(2, 4, 1, 5 * lookup(1).allocation.slot_msat)));
    CHECK_FORWARD(add(htlc(2, 4, 2, 1)), CONGESTION, CONGESTION, LNKEEP_DECISION_ACCOUNTABLE);
    CHECK_GENERAL(add(htlc(5, 5, 9, 1000)));
    for (uint64_t id = 10; id < 60; id++) {
        lnkeep_htlc_request quick = htlc(3, 1 + id % 5, id, SLOT_MSAT);
        quick.unix_secs += id * 1000;
        CHECK_GENERAL(add(quick));
        CHECK_DONE(id % 3 ? settle(quick, id % 120) : fail(quick, id));
    }
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 5, NULL, NULL));
    CHECK_DONE(lnkeep_resources_remove_channel(resources, 6, NULL, NULL));
    CHECK_EQUAL(lookup(5).flags, LNKEEP_RESOURCES_IS_CLOSING);
}

/* What was there is there, to the slot, the second and the millisatoshi. */
static void a_restart_is_exact(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        lnkeep_resources_options options = options_of(mode);
        begin_with(&options);
        fill_with_everything();
        lnkeep_resources_snapshot *before = take_snapshot();
        CHECK_EQUAL(before->pending_len, 6);
        CHECK_EQUAL(before->marks_len, 1);
        CHECK_EQUAL(before->channels_len, 5);
        for (int round = 0; round < 6; round++) {
            /* The resources alone; the store alone, which ends them; both. */
            if (round % 3 != 1) CHECK_DONE(close_resources());
            if (round % 3 != 0) h_close(&store);
            if (round % 3 == 1) CHECK_DONE(close_resources());
            if (round % 3 != 0) store = h_open(directory);
            CHECK_DONE(open_resources(&options));
            CHECK_EQUAL(report.channels, 5);
            CHECK_EQUAL(report.pending, 6);
            CHECK_EQUAL(report.damaged | report.flags, 0);
            lnkeep_resources_snapshot *now = take_snapshot();
            if (now) CHECK(is_same_snapshot(before, now));
            lnkeep_resources_snapshot_free(now);
        }
        CHECK_STATUS(settle(htlc(3, 1 + 59 % 5, 59, 0), 0), LNKEEP_ALREADY);
        CHECK(is_unchanged_since(before));
        CHECK_DONE(fail(htlc(5, 5, 9, 1000), 1));
        end();
    }
}

/* The same calls after a restart in between get the same answers as without one. */
static void decisions_do_not_notice_a_restart(void) {
    for (uint32_t mode = 0; mode < 2; mode++) {
        static lnkeep_decision without[200], with[200];
        lnkeep_resources_options options = options_of(mode | LNKEEP_RESOURCES_HAS_ENTROPY);
        options.entropy[7] = 7;
        lnkeep_resources_snapshot *ends[2];
        for (int restarts = 0; restarts < 2; restarts++) {
            lnkeep_decision *kept = restarts ? with : without;
            begin_with(&options);
            fill_with_everything();
            for (uint64_t id = 100; id < 300; id++) {
                lnkeep_htlc_request request = htlc(1 + id % 4, 1 + id % 3, id, id % 7 * SLOT_MSAT);
                request.flags = id % 2;
                request.unix_secs += id * 1000;
                CHECK_DONE(add(request));
                kept[id - 100] = decision;
                int is_forwarded = decision.verdict == LNKEEP_VERDICT_FORWARD;
                if (is_forwarded && id % 5) CHECK_DONE(settle(request, id % 200));
                if (restarts && id % h_rounds(20, 100) == 0) reopen_with(&options);
            }
            ends[restarts] = take_snapshot();
            end();
        }
        CHECK(memcmp(with, without, sizeof with) == 0);
        /* The resources are closed: what the pairs say of slots was checked while they were open. */
        if (CHECK(ends[0] && ends[1])) CHECK(is_same_snapshot(ends[0], ends[1]));
        lnkeep_resources_snapshot_free(ends[0]);
        lnkeep_resources_snapshot_free(ends[1]);
    }
}

static void nothing_is_kept_without_a_journal(void) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_WITHOUT_JOURNAL);
    begin_with(&options);
    add_channels(2);
    lnkeep_htlc_request request = htlc(1, 2, 1, SLOT_MSAT);
    CHECK_GENERAL(add_with(&request, LNKEEP_RESOURCES_DURABLE));
    lnkeep_resources_stats stats = stats_now();
    CHECK_EQUAL(stats.journal_next | stats.journal_waiting | stats.journal_durable_below, 0);
    reopen_with(NULL);
    CHECK_EQUAL(report.channels | report.pending, 0);
    end();
}

/* Durable alone waits; a sync of the store is a barrier for what did not. */
static void the_store_syncs_the_journal(void) {
    begin(2);
    for (uint64_t id = 0; id < 100; id++) {
        lnkeep_htlc_request request = htlc(1, 2, id, 1000);
        CHECK_GENERAL(add(request));
        CHECK_DONE(settle(request, 1));
        if (id % 10) continue;
        CHECK_DONE(lnkeep_store_sync(store, NULL));
        lnkeep_resources_stats stats = stats_now();
        CHECK_EQUAL(stats.journal_waiting, 0);
        CHECK_EQUAL(stats.journal_next, 2 + 2 * (id + 1));
        CHECK_EQUAL(stats.journal_durable_below, stats.journal_next);
    }
    lnkeep_htlc_request last = htlc(1, 2, 100, 1000);
    CHECK_GENERAL(add_with(&last, LNKEEP_RESOURCES_DURABLE));
    CHECK_EQUAL(stats_now().journal_durable_below, 203);
    lnkeep_resolve_request over = ended(last, 0, 1);
    CHECK_DONE(resolve_with(&over, LNKEEP_RESOURCES_DURABLE));
    CHECK_EQUAL(stats_now().journal_durable_below, 204);
    end();
}

/* What a child acknowledged, told outside the store. */
typedef struct note {
    uint64_t given, durable;
} note;

static note noted(const char *of) {
    uint8_t *bytes;
    size_t len;
    note last = {0, 0};
    if (!h_read_file(h_path(of, "notes"), &bytes, &len)) return last;
    size_t whole = len / sizeof last * sizeof last;
    if (whole) memcpy(&last, bytes + whole - sizeof last, sizeof last);
    free(bytes);
    return last;
}

enum { PENDING = 20 };

/*
 * Adds ids upwards and ends the one 20 before it, for ever; each 50th id is durable. After id n, the ids
 * above n - 20 are pending: what is found after a kill says how far it came.
 */
static int child_forwards_for_ever(const char *of) {
    int notes = open(h_path(of, "notes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    note now = noted(of);
    directory = of;
    store = h_open(of);
    if (open_resources(NULL) != LNKEEP_DONE) return 1;
    for (uint64_t channel = 1; channel <= 8; channel++) {
        if (add_channel_at(channel, 483, IN_FLIGHT_MSAT, START_SECS) < 0) return 2;
    }
    for (uint64_t id = now.given + 1;; id++) {
        lnkeep_htlc_request request = htlc(1, 2 + id % 7, id, 1000);
        lnkeep_htlc_request before = htlc(1, 2 + (id + 1) % 7, id - PENDING, 1000);
        uint32_t flags = id % 50 == 0 ? LNKEEP_RESOURCES_DURABLE : 0;
        lnkeep_status status = add_with(&request, flags);
        if (status < 0 || decision.verdict != LNKEEP_VERDICT_FORWARD) return 3;
        if (id > PENDING) status = settle(before, 1);
        if (status < 0 && status != LNKEEP_UNKNOWN_HTLC) return 4;
        now.given = id;
        if (flags) now.durable = id;
        if (write(notes, &now, sizeof now) != (ssize_t)sizeof now) return 5;
    }
}

/* A prefix of what was acknowledged, and all of what was durable. Answers the last id of it. */
static uint64_t check_prefix(note told) {
    lnkeep_resources_snapshot *snapshot = take_snapshot();
    uint64_t first = UINT64_MAX, last = 0;
    for (size_t i = 0; snapshot && i < snapshot->pending_len; i++) {
        uint64_t id = pending_at(snapshot, i)->htlc_id;
        CHECK_EQUAL(pending_at(snapshot, i)->outgoing, 2 + id % 7);
        if (id < first) first = id;
        if (id > last) last = id;
    }
    if (snapshot) CHECK_EQUAL(last - first + 1, snapshot->pending_len);
    /* At most the end that belongs to the last one is missing. */
    CHECK(last - first + 1 == PENDING || last - first + 1 == PENDING + 1);
    CHECK(last >= told.durable);
    /* The call that was under way when it was killed may be there. */
    CHECK(last <= told.given + 1);
    lnkeep_resources_snapshot_free(snapshot);
    return last;
}

/* So that the next child goes on where the journal ended. */
static void note_again(const char *of, uint64_t last) {
    note now = {last, noted(of).durable};
    CHECK(h_write_file(h_path(of, "notes"), (const uint8_t *)&now, sizeof now));
}

static void a_kill_leaves_a_prefix(void) {
    const char *of = h_directory();
    uint64_t before = 0;
    for (unsigned round = 0; round < h_rounds(12, 3); round++) {
        pid_t child = h_spawn("child_forwards_for_ever", of);
        for (unsigned waited = 0; noted(of).given < before + 60 && waited < 20000; waited++) h_sleep_ms(1);
        h_sleep_ms(round * 5);
        kill(child, SIGKILL);
        CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
        note told = noted(of);
        CHECK(told.given >= before + 60);
        directory = of;
        store = h_open(of);
        CHECK_DONE(open_resources(NULL));
        CHECK_EQUAL(report.damaged | report.flags, 0);
        CHECK(report.replayed > 0);
        uint64_t last = check_prefix(told);
        /* What is repeated after it is answered by what was recorded. */
        lnkeep_htlc_request request = htlc(1, 2 + last % 7, last, 1000);
        CHECK_STATUS(add(request), LNKEEP_ALREADY);
        lnkeep_resources_snapshot *found = take_snapshot();
        reopen_with(NULL);
        CHECK(is_unchanged_since(found));
        /* The end that the killed child would have asked for next. */
        request = htlc(1, 2 + (last + 1) % 7, last - PENDING, 1000);
        CHECK(settle(request, 1) >= 0);
        end();
        note_again(of, last);
        before = last;
    }
}

static int child_adds_durably(const char *of) {
    directory = of;
    store = h_open(of);
    if (open_resources(NULL) != LNKEEP_DONE) return 1;
    add_channels(3);
    lnkeep_htlc_request request = htlc(1, 2, 1, PAIR_MSAT), second = htlc(1, 2, 2, SLOT_MSAT);
    if (add_with(&request, LNKEEP_RESOURCES_DURABLE) != LNKEEP_DONE) return 2;
    if (add_with(&second, LNKEEP_RESOURCES_DURABLE) != LNKEEP_DONE) return 3;
    lnkeep_resolve_request over = ended(second, 0, 91);
    if (resolve_with(&over, LNKEEP_RESOURCES_DURABLE) != LNKEEP_DONE) return 4;
    if (lnkeep_resources_remove_channel(resources, 3, NULL, NULL) != LNKEEP_DONE) return 5;
    kill(getpid(), SIGKILL);
    return 6;
}

static void what_is_durable_survives_a_kill_at_once(void) {
    const char *of = h_directory();
    CHECK_EQUAL(h_run_child("child_adds_durably", of), 256 + SIGKILL);
    directory = of;
    store = h_open(of);
    CHECK_DONE(open_resources(NULL));
    CHECK_EQUAL(report.channels, 2);
    CHECK_EQUAL(report.pending, 1);
    CHECK_EQUAL(lookup(1).general_slots_used, 5);
    CHECK_STATUS(add(htlc(1, 2, 1, PAIR_MSAT)), LNKEEP_ALREADY);
    CHECK_STATUS(fail(htlc(1, 2, 2, SLOT_MSAT), 1), LNKEEP_ALREADY);
    CHECK_FAIL(add(htlc(1, 2, 3, SLOT_MSAT)), CONGESTION_MISUSED);
    end();
}

/* An end before its beginning counts for nothing, and is durable when that was asked for. */
static int child_resolves_early(const char *of) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_COMPAT);
    lnkeep_htlc_request request = htlc(1, 2, 1, PAIR_MSAT);
    lnkeep_resolve_request early = ended(request, LNKEEP_RESOLVE_SETTLED, 0);
    directory = of;
    store = h_open(of);
    if (open_resources(&options) != LNKEEP_DONE) return 1;
    add_channels(2);
    if (add_with(&request, LNKEEP_RESOURCES_DURABLE) != LNKEEP_DONE) return 2;
    early.unix_secs = START_SECS - 1;
    if (resolve_with(&early, LNKEEP_RESOURCES_DURABLE) != LNKEEP_RESOLVED_BEFORE_ADDED) return 3;
    kill(getpid(), SIGKILL);
    return 4;
}

static void an_early_end_is_durable_too(void) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_COMPAT);
    for (unsigned round = 0; round < h_rounds(5, 2); round++) {
        directory = h_directory();
        CHECK_EQUAL(h_run_child("child_resolves_early", directory), 256 + SIGKILL);
        store = h_open(directory);
        CHECK_DONE(open_resources(&options));
        CHECK_EQUAL(report.pending, 0);
        CHECK_EQUAL(lookup(2).reputation_msat | lookup(1).revenue_total_msat | lookup(1).general_slots_used,
                    0);
        end();
    }
}

/* HTLCs stay where they are; shares and risks are those of the new settings. */
static void other_settings_divide_channels_anew(void) {
    lnkeep_resources_options options = options_of(0);
    begin_with(NULL);
    fill_with_everything();
    lnkeep_resources_snapshot *before = take_snapshot();
    options.general_percent = 60;
    options.resolution_period_secs = 180;
    reopen_with(&options);
    CHECK_EQUAL(report.flags, LNKEEP_RESOURCES_DIVIDED_ANEW);
    CHECK_EQUAL(report.pending, 6);
    lnkeep_resources_channel one = lookup(4);
    CHECK_EQUAL(one.allocation.general_slots, 60);
    CHECK_EQUAL(one.allocation.protected_slots, 20);
    CHECK_EQUAL(one.allocation.slot_msat, SLOT_MSAT);
    CHECK_EQUAL(one.protected_used_msat, 40 * SLOT_MSAT);
    lnkeep_pending_htlc found;
    CHECK(find_pending(4, 3, &found));
    CHECK_EQUAL(found.bucket, LNKEEP_BUCKET_PROTECTED);
    /* (60,000 - 180) / 180 * 9,000. */
    CHECK_EQUAL(found.risk_msat, 2991000);
    CHECK_FAIL(add(accountable(4, 3, 77, 40 * SLOT_MSAT)), NO_ROOM);
    reopen_with(&options);
    CHECK_EQUAL(report.flags, 0);
    reopen_with(NULL);
    CHECK_EQUAL(report.flags, LNKEEP_RESOURCES_DIVIDED_ANEW);
    CHECK(is_unchanged_since(before));
    end();
}

/* A number that occurs in the row of one channel alone. */
static const uint64_t MARKED_MSAT = UINT64_C(0x1122334455667788);

static void a_damaged_channel_is_told_and_added_again(void) {
    lnkeep_resources_options options = options_of(0);
    begin(2);
    CHECK_DONE(add_channel_at(3, 100, MARKED_MSAT, START_SECS));
    CHECK_GENERAL(add(htlc(1, 2, 1, SLOT_MSAT)));
    CHECK_GENERAL(add(htlc(1, 3, 2, SLOT_MSAT)));
    CHECK_GENERAL(add(htlc(3, 1, 3, SLOT_MSAT)));
    /* Other settings have every channel written to a row of its own. */
    options.general_percent = 50;
    reopen_with(&options);
    CHECK_DONE(close_resources());
    h_close(&store);
    CHECK(h_damage(directory, (const uint8_t *)&MARKED_MSAT, sizeof MARKED_MSAT) > 0);
    store = h_open(directory);
    CHECK_DONE(open_resources(&options));
    CHECK_EQUAL(report.damaged, 1);
    CHECK_EQUAL(report.channels, 2);
    lnkeep_resources_channel found;
    CHECK_REFUSED(lnkeep_resources_lookup(resources, 3, 1, &found, &err), LNKEEP_UNKNOWN_CHANNEL, 3);
    CHECK_STATUS(add(htlc(1, 2, 1, SLOT_MSAT)), LNKEEP_ALREADY);
    CHECK_DONE(add_channel_at(3, 100, IN_FLIGHT_MSAT, START_SECS));
    lnkeep_live_htlc live[2];
    lnkeep_reconciled done = LNKEEP_RECONCILED_INIT;
    memset(live, 0, sizeof live);
    for (uint64_t id = 1; id <= 2; id++) {
        live[id - 1].incoming = 1, live[id - 1].outgoing = 1 + id, live[id - 1].htlc_id = id;
        live[id - 1].incoming_amount_msat = SLOT_MSAT;
    }
    CHECK_DONE(lnkeep_resources_reconcile(resources, live, 2, &done, &err));
    CHECK_EQUAL(done.kept, 2);
    CHECK_EQUAL(done.dropped | done.added | done.different | done.unknown_channel, 0);
    CHECK_DONE(settle(htlc(1, 3, 2, SLOT_MSAT), 1));
    CHECK_DONE(close_resources());
    h_close(&store);
}

/* The salt is secret, and without it the slots of pairs are unknown: nothing is decided from another one. */
static void damaged_settings_refuse_the_open(void) {
    lnkeep_resources_options options = options_of(LNKEEP_RESOURCES_HAS_ENTROPY);
    memset(options.entropy, 0xa7, sizeof options.entropy);
    begin_with(&options);
    add_channels(2);
    CHECK_DONE(close_resources());
    h_close(&store);
    CHECK(h_damage(directory, options.entropy, sizeof options.entropy) > 0);
    store = h_open(directory);
    CHECK_STATUS(open_resources(&options), LNKEEP_CORRUPT_RECORD);
    CHECK(strstr(err.message, "167") == NULL && strstr(err.message, "a7a7") == NULL);
    CHECK_STATUS(open_resources(NULL), LNKEEP_CORRUPT_RECORD);
    /* The rest of the store goes on. */
    lnkeep_attempts attempts = h_attempts(store);
    CHECK_DONE(h_init(attempts, 1));
    h_close_attempts(&attempts);
    h_close(&store);
}

int main(int argc, char **argv) {
    static const h_child children[] = {
        {"child_forwards_for_ever", child_forwards_for_ever},
        {"child_adds_durably", child_adds_durably},
        {"child_resolves_early", child_resolves_early},
    };
    static const h_test tests[] = {
        H_TEST(a_restart_is_exact),
        H_TEST(decisions_do_not_notice_a_restart),
        H_TEST(nothing_is_kept_without_a_journal),
        H_TEST(the_store_syncs_the_journal),
        H_TEST(a_kill_leaves_a_prefix),
        H_TEST(what_is_durable_survives_a_kill_at_once),
        H_TEST(an_early_end_is_durable_too),
        H_TEST(other_settings_divide_channels_anew),
        H_TEST(a_damaged_channel_is_told_and_added_again),
        H_TEST(damaged_settings_refuse_the_open),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

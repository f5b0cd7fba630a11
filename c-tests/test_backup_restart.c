/*
 * Backups over restarts: no number is used twice, what was sent is known before it is on its way, and what is
 * protected or blocked stays so until an operator lifts it.
 */

#define _GNU_SOURCE
#include "backup.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void what_is_known_survives(void) {
    begin_both(3);
    CHECK_DONE(set_text("one"));
    for (uint32_t number = 1; number <= 3; number++) greet(T0, number);
    uint64_t first = send_to(T0, 1);
    send_to(T0, 2);
    CHECK_CONCLUDED(fetch_from(T0 + 1, 1, NULL), COMMITTED, NONE);
    lnkeep_backup_standing before = standing_now();
    reopen_backup();
    lnkeep_backup_standing after = standing_now();
    CHECK(memcmp(before.instance, after.instance, sizeof before.instance) == 0);
    CHECK_EQUAL(after.next_seq, before.next_seq);
    CHECK_EQUAL(after.flags | after.payload_bytes, 0);
    /* Who was sent nothing is not remembered; all count as disconnected. */
    CHECK_EQUAL(backup_report.peers, 2);
    lnkeep_backup_peer one = known_of(1), two = known_of(2);
    CHECK(one.sent_seq == first && one.sent_ms == T0 && one.flags == 0);
    CHECK(two.state == LNKEEP_BACKUP_STATE_SENT && two.committed_seq == 0 && two.flags == 0);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_PEER_UNAVAILABLE);
    /* The payload is told again, and is known to be there already. */
    CHECK_DONE(set_text("one"));
    CHECK_DONE(arrive(T0 + 2, 1));
    CHECK_CONCLUDED(fetch_from(T0 + 2, 1, NULL), COMMITTED, NONE);
    CHECK_EQUAL(standing_now().confirmed_copies, 1);
    CHECK_NO_ACTIONS(tick_backup(T0 + 2));
    end_both();
}

/* Every number is greater than all before it, over all peers and restarts. */
static void numbers_never_repeat_over_reopens(void) {
    begin_both(2);
    uint64_t last = 0;
    for (unsigned round = 0; round < h_rounds(6, 3); round++) {
        CHECK_DONE(set_text("x"));
        for (uint32_t number = 1; number <= 2; number++) {
            CHECK_DONE(arrive(T0 + round, number));
            CHECK(fetch_from(T0 + round, number, NULL) == LNKEEP_DONE);
            CHECK(concluded.state != LNKEEP_BACKUP_STATE_AHEAD);
            for (int i = 0; i < 2; i++) {
                uint64_t seq = send_to(T0 + round, number);
                CHECK(seq > last);
                last = seq;
            }
        }
        if (round % 2) {
            CHECK_DONE(close_backup());
            CHECK_DONE(open_backup());
        } else {
            reopen_backup();
        }
    }
    CHECK_EQUAL(standing_now().flags, 0);
    end_both();
}

/* What a child got from a seal, written the moment it got it. */
typedef struct note {
    uint64_t seq;
    uint8_t blob[1024];
} note;

static size_t last_note(const char *of, note *last) {
    uint8_t *bytes;
    size_t len;
    memset(last, 0, sizeof *last);
    if (!h_read_file(h_path(of, "notes"), &bytes, &len)) return 0;
    size_t whole = len / sizeof *last;
    if (whole) memcpy(last, bytes + (whole - 1) * sizeof *last, sizeof *last);
    free(bytes);
    return whole;
}

static int child_seals_for_ever(const char *of) {
    int out = open(h_path(of, "notes"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    note before, now;
    last_note(of, &before);
    own_directory = of;
    own_store = h_open(of);
    if (open_backup() != LNKEEP_DONE) return 1;
    if (set_text("x") != LNKEEP_DONE || arrive(T0, 1) != LNKEEP_DONE) return 2;
    if (begin_reestablish(T0, 1) != LNKEEP_DONE) return 3;
    node_id peer = node(1);
    for (uint64_t i = 0;; i++) {
        lnkeep_buf *blob = NULL;
        if (lnkeep_backup_seal(backup, T0 + i, peer.bytes, HEIGHT, &blob, &now.seq, NULL) < 0) return 4;
        if (now.seq <= before.seq || blob->len != sizeof now.blob) return 5;
        memcpy(now.blob, blob->ptr, sizeof now.blob);
        lnkeep_buf_free(blob);
        if (write(out, &now, sizeof now) != (ssize_t)sizeof now) return 6;
        before = now;
    }
}

/* The peer returns the last blob that the killed process had in hand: it is one of ours, not a lost state. */
static void a_number_is_durable_before_its_blob_is_out(void) {
    const char *of = h_directory();
    size_t notes = 0;
    for (unsigned round = 0; round < h_rounds(6, 2); round++) {
        note last;
        pid_t child = h_spawn("child_seals_for_ever", of);
        for (unsigned waited = 0; last_note(of, &last) < notes + 20 && waited < 20000; waited++) {
            h_sleep_ms(2);
        }
        h_sleep_ms(round);
        kill(child, SIGKILL);
        CHECK_EQUAL(h_wait(child), 256 + SIGKILL);
        size_t count = last_note(of, &last);
        CHECK(count >= notes + 20);
        notes = count;
        own_directory = of;
        own_store = h_open(of);
        CHECK_DONE(open_backup());
        CHECK(backup_report.peers == 1 && backup_report.damaged == 0 && backup_report.flags == 0);
        lnkeep_backup_peer peer = known_of(1);
        CHECK(peer.sent_seq >= last.seq && standing_now().next_seq == peer.sent_seq + 1);
        CHECK_DONE(arrive(T0, 1));
        lnkeep_opened *opened = NULL;
        CHECK_DONE(returned(T0, 1, h_bytes(last.blob, sizeof last.blob), &opened));
        /* The process may have died with a later one in hand. */
        CHECK_EQUAL(concluded.state,
                    peer.sent_seq == last.seq ? LNKEEP_BACKUP_STATE_COMMITTED : LNKEEP_BACKUP_STATE_LAGGING);
        held_text(opened, "x", last.seq);
        end_backup();
    }
}

static int child_is_alarmed(const char *of) {
    own_directory = of;
    own_store = h_open(of);
    if (open_backup() != LNKEEP_DONE || arrive(T0, 1) != LNKEEP_DONE) return 1;
    if (returned(T0, 1, h_text("not ours"), NULL) != LNKEEP_DONE) return 2;
    if (concluded.action != LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE || concluded.failure != 0) return 3;
    kill(getpid(), SIGKILL);
    return 4;
}

/* Killed right after the answer: nothing of it may be forgotten. */
static void what_is_protected_stays_so(void) {
    const char *of = h_directory();
    CHECK_EQUAL(h_run_child("child_is_alarmed", of), 256 + SIGKILL);
    own_directory = of;
    own_store = h_open(of);
    CHECK_DONE(open_backup());
    for (int round = 0; round < 3; round++) {
        CHECK_DONE(set_text("x"));
        CHECK_EQUAL(known_of(1).state, LNKEEP_BACKUP_STATE_UNREADABLE);
        CHECK_EQUAL(known_of(1).flags, LNKEEP_BACKUP_PEER_PROTECTED);
        CHECK_DONE(arrive(T0, 1));
        CHECK_CONCLUDED(begin_reestablish(T0, 1), UNREADABLE, ALERT_UNREADABLE);
        CHECK_STATUS(refused_seal(T0, 1), LNKEEP_UNREADABLE);
        reopen_backup();
        CHECK_EQUAL(backup_report.peers, 1);
    }
    CHECK_DONE(lnkeep_backup_acknowledge(backup, &err));
    reopen_backup();
    CHECK_DONE(set_text("x"));
    greet(T0, 1);
    lnkeep_buf_free(sealed(T0, 1, NULL));
    end_backup();
}

static int child_lost_its_state(const char *of) {
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    static const uint8_t entropy[16] = {0};
    node_id peer = node(1);
    lnkeep_buf *blob = NULL;
    header.seq = 1000;
    lnkeep_bytes lost = h_text("lost");
    if (lnkeep_envelope_seal(SECRET, peer.bytes, &header, lost, 1024, entropy, &blob, NULL) < 0) return 1;
    own_directory = of;
    own_store = h_open(of);
    if (open_backup() != LNKEEP_DONE || arrive(T0, 1) != LNKEEP_DONE) return 2;
    if (returned(T0, 1, h_bytes(blob->ptr, blob->len), NULL) != LNKEEP_DONE) return 3;
    if (concluded.action != LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS || concluded.failure != 0) return 4;
    kill(getpid(), SIGKILL);
    return 5;
}

static void what_is_blocked_stays_so(void) {
    const char *of = h_directory();
    CHECK_EQUAL(h_run_child("child_lost_its_state", of), 256 + SIGKILL);
    own_directory = of;
    own_store = h_open(of);
    CHECK_DONE(open_backup());
    for (int round = 0; round < 3; round++) {
        CHECK_EQUAL(backup_report.flags, LNKEEP_BACKUP_FRESH | LNKEEP_BACKUP_BLOCKED);
        CHECK_DONE(set_text("x"));
        CHECK_DONE(arrive(T0, 1));
        CHECK_DONE(begin_reestablish(T0, 1));
        CHECK_DONE(arrive(T0, 2));
        CHECK_DONE(begin_reestablish(T0, 2));
        CHECK_STATUS(refused_seal(T0, 1), LNKEEP_STATE_LOSS);
        CHECK_STATUS(refused_seal(T0, 2), LNKEEP_STATE_LOSS);
        reopen_backup();
    }
    CHECK_DONE(lnkeep_backup_acknowledge(backup, &err));
    CHECK_EQUAL(standing_now().flags, 0);
    uint64_t next = standing_now().next_seq;
    CHECK(next > 1000 + (UINT64_C(1) << 20) - 1);
    reopen_backup();
    CHECK_EQUAL(backup_report.flags, 0);
    CHECK_EQUAL(standing_now().next_seq, next);
    CHECK_DONE(set_text("x"));
    greet(T0, 1);
    lnkeep_buf_free(sealed(T0, 1, NULL));
    end_backup();
}

/* Another secret makes other blobs: what peers hold would all look foreign. */
static void another_secret_does_not_open_it(void) {
    lnkeep_backup_options options = short_options();
    begin_both(1);
    CHECK_DONE(set_text("x"));
    greet(T0, 1);
    send_to(T0, 1);
    CHECK_DONE(close_backup());
    h_close(&own_store);
    own_store = h_open(own_directory);
    CHECK_STATUS(open_backup_with(OTHER_SECRET, &options), LNKEEP_WRONG_MODE);
    CHECK_DONE(open_backup());
    CHECK_EQUAL(backup_report.peers, 1);
    CHECK_DONE(arrive(T0, 1));
    CHECK_CONCLUDED(fetch_from(T0, 1, NULL), COMMITTED, NONE);
    end_both();
}

/* A peer's row that cannot be read: its blob is not overwritten before it returned an authentic one. */
static void a_damaged_row_protects_its_peer(void) {
    begin_both(2);
    CHECK_DONE(set_text("x"));
    for (uint32_t number = 1; number <= 2; number++) {
        greet(T0, number);
        send_to(T0, number);
    }
    CHECK_DONE(close_backup());
    h_close(&own_store);
    /* The payload's hash is in both peers' rows, and in the one that tells what peers are sent. */
    uint8_t hash[32];
    h_sha256((const uint8_t *)"x", 1, hash);
    CHECK(h_damage(own_directory, hash, sizeof hash) > 0);
    own_store = h_open(own_directory);
    CHECK_DONE(open_backup());
    CHECK_EQUAL(backup_report.damaged, 3);
    CHECK_DONE(set_text("x"));
    CHECK_DONE(arrive(T0, 1));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_HOLD);
    CHECK_DONE(begin_reestablish(T0, 1));
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_UNREADABLE);
    CHECK_DONE(leave(1));
    CHECK_DONE(arrive(T0, 1));
    CHECK_DONE(fetch_from(T0, 1, NULL));
    CHECK(concluded.state == LNKEEP_BACKUP_STATE_LAGGING || concluded.state == LNKEEP_BACKUP_STATE_COMMITTED);
    send_to(T0 + COOLDOWN_MS, 1);
    CHECK_DONE(close_backup());
    h_close(&own_store);
    end();
}

/* The store of a directory that holds a restored copy: the number of the first blob that it seals. */
static uint64_t first_of_restored(const char *copy) {
    const char *directory = h_directory();
    CHECK_DONE(lnkeep_store_restore(copy, directory, 0, NULL, &err));
    own_store = h_open(directory);
    CHECK_DONE(open_backup());
    CHECK_DONE(set_text("restored"));
    /* A peer that the copy knows nothing of. */
    greet(T0 + RESEND_MS, 2);
    uint64_t seq = send_to(T0 + RESEND_MS, 2);
    CHECK_DONE(close_backup());
    h_close(&own_store);
    return seq;
}

/*
 * A node that was restored, lost again, and restored once more from the same copy sealed other bytes under
 * the numbers of the first time: the jump was a constant. A simulated node met it, and its recovery took the
 * first restore's blobs for the newest.
 */
static void two_restores_of_one_copy_share_no_number(void) {
    char copy[4200];
    begin_both(2);
    CHECK_DONE(set_text("one"));
    greet(T0, 1);
    uint64_t last = send_to(T0, 1);
    snprintf(copy, sizeof copy, "%s/copy", h_directory());
    CHECK_DONE(lnkeep_store_backup(own_store, copy, NULL, &err));
    end_backup();
    end();
    begin(2);
    uint64_t first = first_of_restored(copy);
    end();
    begin(2);
    uint64_t second = first_of_restored(copy);
    end();
    CHECK(first >= last + (UINT64_C(1) << 32) && second >= last + (UINT64_C(1) << 32));
    uint64_t apart = first > second ? first - second : second - first;
    CHECK(apart >= 1024);
}

int main(int argc, char **argv) {
    static const h_child children[] = {{"child_seals_for_ever", child_seals_for_ever},
                                       {"child_is_alarmed", child_is_alarmed},
                                       {"child_lost_its_state", child_lost_its_state}};
    static const h_test tests[] = {
        H_TEST(what_is_known_survives),
        H_TEST(numbers_never_repeat_over_reopens),
        H_TEST(a_number_is_durable_before_its_blob_is_out),
        H_TEST(what_is_protected_stays_so),
        H_TEST(what_is_blocked_stays_so),
        H_TEST(another_secret_does_not_open_it),
        H_TEST(a_damaged_row_protects_its_peer),
        H_TEST(two_restores_of_one_copy_share_no_number),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), children, H_COUNT(children));
}

/* After a recovery: numbers go on above the former database's, and what peers keep of it is no alarm. */

#include "backup.h"

static lnkeep_status adopt(uint64_t seq_floor) {
    lnkeep_status status = lnkeep_backup_adopt(backup, seq_floor, &err);
    check_err(status);
    return status;
}

/* Two peers keep what a database sent that is gone; answers the number of the last blob. */
static uint64_t lose_a_database(void) {
    begin_both(3);
    CHECK_DONE(set_text("one"));
    greet(T0, 1);
    greet(T0, 2);
    send_to(T0, 1);
    uint64_t last = send_to(T0, 2);
    end_backup();
    return last;
}

static void what_was_adopted_is_no_alarm(void) {
    uint64_t last = lose_a_database();
    begin_backup();
    CHECK_DONE(set_text("recovered"));
    CHECK_DONE(adopt(last));
    CHECK_STATUS(adopt(last), LNKEEP_ALREADY);
    CHECK_STATUS(adopt(1), LNKEEP_ALREADY);
    CHECK(standing_now().next_seq > last && standing_now().flags == 0);
    CHECK_DONE(arrive(T0, 1));
    lnkeep_opened *opened = NULL;
    CHECK_CONCLUDED(fetch_from(T0, 1, &opened), CLEAR, FIRST_SEND_ALLOWED);
    held_text(opened, "one", last - 1);
    CHECK_EQUAL(known_of(1).committed_seq | known_of(1).strikes, 0);
    CHECK_ACTIONS(tick_backup(T0), DO(1, CLEAR, SEND));
    uint64_t seq = send_to(T0 + COOLDOWN_MS, 1);
    CHECK(seq > last);
    CHECK_CONCLUDED(fetch_from(T0 + COOLDOWN_MS, 1, &opened), COMMITTED, NONE);
    held_text(opened, "recovered", seq);
    /* A restart forgets nothing of it. */
    reopen_backup();
    CHECK_EQUAL(backup_report.flags, 0);
    CHECK(standing_now().next_seq > seq);
    CHECK_STATUS(adopt(last), LNKEEP_ALREADY);
    CHECK_DONE(arrive(T0, 2));
    CHECK_CONCLUDED(fetch_from(T0, 2, NULL), CLEAR, FIRST_SEND_ALLOWED);
    CHECK_EQUAL(standing_now().flags, 0);
    end_both();
}

/* What the recovery did not see may be newer than what it gave: that is an alarm as before. */
static void what_lies_above_is_an_alarm(void) {
    uint64_t last = lose_a_database();
    begin_backup();
    CHECK_DONE(set_text("recovered"));
    CHECK_DONE(adopt(last - 1));
    CHECK_DONE(arrive(T0, 1));
    CHECK_CONCLUDED(fetch_from(T0, 1, NULL), CLEAR, FIRST_SEND_ALLOWED);
    CHECK_DONE(arrive(T0, 2));
    CHECK_CONCLUDED(fetch_from(T0, 2, NULL), AHEAD, ALERT_STATE_LOSS);
    CHECK_EQUAL(standing_now().flags, LNKEEP_BACKUP_BLOCKED);
    CHECK_STATUS(refused_seal(T0, 1), LNKEEP_STATE_LOSS);
    /* Adopted after another look, sending goes on, also to the one that had raised the alarm. */
    CHECK_DONE(adopt(last));
    CHECK_EQUAL(standing_now().flags, 0);
    CHECK_EQUAL(known_of(2).state, LNKEEP_BACKUP_STATE_CLEAR);
    CHECK(send_to(T0 + COOLDOWN_MS, 1) > last);
    CHECK(send_to(T0 + COOLDOWN_MS, 2) > last);
    reopen_backup();
    CHECK_EQUAL(backup_report.flags, 0);
    end_both();
}

/* Two databases that were shown nothing begin at one floor: the later one's numbers are greater all the same. */
static void numbers_go_on_at_the_clock(void) {
    const uint64_t floor = 1 << 20;
    uint64_t seq[2];
    for (uint64_t i = 0; i < 2; i++) {
        begin_both(1);
        CHECK_DONE(set_text("x"));
        CHECK_DONE(adopt(floor));
        CHECK(standing_now().next_seq > floor);
        greet(T0 + i, 1);
        seq[i] = send_to(T0 + i, 1);
        CHECK_EQUAL(standing_now().next_seq, seq[i] + 1);
        end_both();
    }
    CHECK_EQUAL(seq[0], (uint64_t)T0 << 14);
    CHECK_EQUAL(seq[1], (uint64_t)(T0 + 1) << 14);
}

/* Our own blobs are never taken for those of the former database, whatever was adopted. */
static void what_we_sent_is_ours(void) {
    uint64_t last = lose_a_database();
    begin_backup();
    CHECK_DONE(set_text("recovered"));
    CHECK_DONE(adopt(last));
    greet(T0, 3);
    send_to(T0, 3);
    CHECK_DONE(leave(3));
    CHECK_DONE(arrive(T0, 3));
    CHECK_CONCLUDED(fetch_from(T0, 3, NULL), COMMITTED, NONE);
    uint64_t next = standing_now().next_seq;
    CHECK_DONE(adopt(next + 1000));
    CHECK(standing_now().next_seq > next + 1000);
    CHECK_DONE(leave(3));
    CHECK_DONE(arrive(T0, 3));
    CHECK_CONCLUDED(fetch_from(T0, 3, NULL), COMMITTED, NONE);
    CHECK_EQUAL(known_of(3).copy, LNKEEP_COPY_CONFIRMED);
    end_both();
}

/* Nothing below the numbers that were used is given again, however low the floor. */
static void a_low_floor_lowers_nothing(void) {
    begin_both(1);
    CHECK_DONE(set_text("x"));
    greet(T0, 1);
    uint64_t first = send_to(T0, 1);
    CHECK_STATUS(adopt(0), LNKEEP_ALREADY);
    CHECK(send_to(T0 + COOLDOWN_MS, 1) > first);
    end_both();
    begin_both(1);
    CHECK_DONE(adopt(0));
    CHECK_EQUAL(standing_now().flags, 0);
    CHECK_EQUAL(standing_now().next_seq, 1);
    CHECK_STATUS(adopt(0), LNKEEP_ALREADY);
    end_both();
}

/* A floor that no recovery gives would leave no numbers. */
static void an_absurd_floor_is_refused(void) {
    begin_both(1);
    CHECK_STATUS(adopt(UINT64_MAX), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(adopt((UINT64_C(1) << 63) + 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_EQUAL(standing_now().next_seq, 1);
    CHECK_EQUAL(standing_now().flags, LNKEEP_BACKUP_FRESH);
    CHECK_DONE(adopt(UINT64_C(1) << 63));
    CHECK_DONE(set_text("x"));
    greet(T0, 1);
    CHECK_EQUAL(send_to(T0, 1), (UINT64_C(1) << 63) + 1);
    end_both();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(what_was_adopted_is_no_alarm),
        H_TEST(what_lies_above_is_an_alarm),
        H_TEST(numbers_go_on_at_the_clock),
        H_TEST(what_we_sent_is_ours),
        H_TEST(a_low_floor_lowers_nothing),
        H_TEST(an_absurd_floor_is_refused),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

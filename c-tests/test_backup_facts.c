/* What a host tells of its peers: who is chosen to keep a share, who is not, and who is replaced. */

#include "backup_cut.h"

enum { LEN = CUT_BYTES, SHARES = CUT_SHARES, PEERS = 12 };

static void facts_are_checked(void) {
    lnkeep_backup_options options = short_options();
    options.peers_max = 2;
    begin_backup_with(&options);
    lnkeep_peer_facts good = facts_of(1), facts = good;
    for (uint32_t bit = 4; bit < 32; bit++) {
        facts.flags = UINT32_C(1) << bit;
        CHECK_STATUS(tell_facts(T0, 1, &facts), LNKEEP_INVALID_ARGUMENT);
    }
    facts = good, facts.reserved = 1;
    CHECK_STATUS(tell_facts(T0, 1, &facts), LNKEEP_INVALID_ARGUMENT);
    facts = good, facts.software = 256;
    CHECK_STATUS(tell_facts(T0, 1, &facts), LNKEEP_INVALID_ARGUMENT);
    facts = good, facts.address = h_bytes(NULL, 1);
    CHECK_STATUS(tell_facts(T0, 1, &facts), LNKEEP_INVALID_ARGUMENT);
    facts = good, facts.size = 7;
    CHECK_STATUS(tell_facts(T0, 1, &facts), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(tell_facts(UINT64_MAX, 1, &good), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(tell_facts(T0, 1, NULL), LNKEEP_DONE);
    CHECK_EQUAL(standing_now().peers, 0);
    CHECK_DONE(tell_facts(T0, 1, &good));
    CHECK_EQUAL(known_of(1).flags, LNKEEP_BACKUP_PEER_HAS_FACTS);
    CHECK(known_of(1).score_ppm > 0);
    CHECK_DONE(tell_facts(T0, 2, &good));
    CHECK_STATUS(tell_facts(T0, 3, &good), LNKEEP_QUOTA_PEERS);
    CHECK_DONE(tell_facts(T0, 2, NULL));
    CHECK_EQUAL(known_of(2).state, UINT32_MAX);
    facts = facts_of(3);
    CHECK_DONE(tell_facts(T0, 3, &facts));
    CHECK_DONE(tell_facts(T0, 3, &facts));
    end_backup();
}

/* More of what makes a keeper good gives a better score. */
static void better_facts_score_higher(void) {
    begin_backup();
    lnkeep_peer_facts facts = facts_of(1);
    CHECK_DONE(tell_facts(T0, 1, &facts));
    facts.channel_age_secs = 24 * 3600;
    CHECK_DONE(tell_facts(T0, 2, &facts));
    facts = facts_of(3), facts.capacity_sat = 64000000;
    CHECK_DONE(tell_facts(T0, 3, &facts));
    CHECK(known_of(2).score_ppm < known_of(1).score_ppm);
    CHECK(known_of(1).score_ppm < known_of(3).score_ppm);
    facts = facts_of(3);
    CHECK_DONE(tell_facts(T0, 3, &facts));
    CHECK_EQUAL(known_of(1).score_ppm, known_of(3).score_ppm);
    end_backup();
}

static void who_has_no_facts_keeps_no_share(void) {
    begin_backup();
    uint8_t *payload = payload_of(9, LEN);
    uint64_t now_ms = T0;
    introduce(now_ms, 1, SHARES);
    greet(now_ms, 11);
    CHECK_DONE(set_bytes(payload, LEN));
    CHECK_STATUS(refused_seal(now_ms, 11), LNKEEP_NO_PAYLOAD);
    CHECK_EQUAL(give_all(&now_ms), SHARES);
    CHECK_EQUAL(known_of(11).flags, LNKEEP_BACKUP_PEER_CONNECTED | LNKEEP_BACKUP_PEER_OFFERS);
    CHECK_EQUAL(known_of(11).sent_seq, 0);
    /* A payload that fits goes to it as well. */
    CHECK_DONE(set_text("fits"));
    CHECK_ACTIONS(tick_backup(now_ms), DO(11, CLEAR, SEND));
    give(now_ms, 11);
    CHECK_EQUAL(known_of(11).sent_content, LNKEEP_CONTENT_WHOLE);
    free(payload);
    drop_kept();
    end_backup();
}

/* Who closes its channel, or has none any more, loses its share to another; everybody else stays. */
static void places_move_with_facts(void) {
    begin_backup();
    uint8_t *payload = payload_of(10, LEN);
    uint64_t now_ms = T0, generation = cut(&now_ms, PEERS, payload);
    return_all(now_ms, 1, PEERS);
    uint32_t before[SHARES];
    for (uint32_t index = 0; index < SHARES; index++) before[index] = keeper_of(index);
    lnkeep_peer_facts facts = facts_of(before[3]);
    facts.flags |= LNKEEP_PEER_CLOSING;
    CHECK_DONE(tell_facts(now_ms, before[3], &facts));
    CHECK_DONE(tell_facts(now_ms, before[6], NULL));
    now_ms += RESEND_MS;
    CHECK(give_all(&now_ms) >= 2);
    for (uint32_t index = 0; index < SHARES; index++) {
        uint32_t keeper = keeper_of(index);
        int has_moved = index == 3 || index == 6;
        CHECK(keeper != 0 && (keeper != before[index]) == has_moved);
        if (has_moved) CHECK_EQUAL(known_of(keeper).sent_content, LNKEEP_CONTENT_SHARE);
    }
    CHECK_EQUAL(standing_now().placed, SHARES);
    CHECK_EQUAL(standing_now().generation, generation);
    CHECK_EQUAL(known_of(before[6]).flags & LNKEEP_BACKUP_PEER_HAS_FACTS, 0);
    free(payload);
    drop_kept();
    end_backup();
}

/* No two of one operator, while there are others; the best keepers come first. */
static void shares_lie_apart(void) {
    begin_backup();
    uint8_t *payload = payload_of(11, LEN);
    introduce(T0, 1, PEERS);
    for (uint32_t number = 1; number <= 2; number++) {
        lnkeep_peer_facts facts = facts_of(number);
        facts.flags |= LNKEEP_PEER_HAS_OPERATOR;
        facts.operator_label = 0;
        CHECK_DONE(tell_facts(T0, number, &facts));
    }
    lnkeep_peer_facts young = facts_of(3);
    young.channel_age_secs = 0;
    CHECK_DONE(tell_facts(T0, 3, &young));
    CHECK_DONE(set_bytes(payload, LEN));
    uint32_t of_operator = 0;
    for (uint32_t number = 1; number <= PEERS; number++) {
        int has_share = (known_of(number).flags & LNKEEP_BACKUP_PEER_HAS_SHARE) != 0;
        of_operator += number <= 2 && has_share;
        if (number > 2) CHECK_EQUAL(has_share, number != 3);
    }
    CHECK_EQUAL(of_operator, 1);
    free(payload);
    end_backup();
}

/* Three strikes, and a spare peer takes the place. */
static void who_fails_three_times_is_replaced(void) {
    begin_backup();
    uint8_t *payload = payload_of(17, LEN);
    uint64_t now_ms = T0, generation = cut(&now_ms, PEERS, payload);
    return_all(now_ms, 1, PEERS);
    uint32_t bad = keeper_of(5);
    for (uint32_t strikes = 1; strikes <= 3; strikes++) {
        CHECK_NO_ACTIONS(tick_backup(now_ms));
        CHECK_EQUAL(keeper_of(5), bad);
        CHECK_DONE(leave(bad));
        CHECK_DONE(arrive(now_ms, bad));
        CHECK_CONCLUDED(begin_reestablish(now_ms, bad), LOST, RESEND);
        CHECK_EQUAL(known_of(bad).recent_strikes, strikes);
    }
    now_ms += RESEND_MS;
    CHECK(give_all(&now_ms) >= 1);
    uint32_t spare = keeper_of(5);
    CHECK(spare != 0 && spare != bad);
    CHECK_EQUAL(known_of(spare).sent_content, LNKEEP_CONTENT_SHARE);
    CHECK_EQUAL(known_of(bad).flags & LNKEEP_BACKUP_PEER_HAS_SHARE, 0);
    CHECK(standing_now().placed == SHARES && standing_now().generation == generation);
    free(payload);
    drop_kept();
    end_backup();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(facts_are_checked),
        H_TEST(better_facts_score_higher),
        H_TEST(who_has_no_facts_keeps_no_share),
        H_TEST(places_move_with_facts),
        H_TEST(shares_lie_apart),
        H_TEST(who_fails_three_times_is_replaced),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

/* Payloads longer than a blob: who keeps which share, what each blob carries, what is never overwritten. */

#include "backup_cut.h"

enum { LEN = CUT_BYTES, NEED = CUT_NEED, SHARES = CUT_SHARES, BATCH = SHARES - NEED, PEERS = 12 };

static void check_restorable(uint64_t generation, size_t shares, const uint8_t *payload, size_t len) {
    collect(1, PEERS, generation);
    if (CHECK_EQUAL(found.records_len, shares)) check_every_choice_restores(payload, len);
    drop_collected();
}

static void limits_are_told(void) {
    static const struct {
        uint32_t size_class;
        uint64_t whole, roster;
    } known[] = {{1024, 888, 256}, {4096, 3960, 1024}, {16384, 16248, 2048}, {65531, 65395, 4096}};
    for (size_t i = 0; i < H_COUNT(known); i++) {
        uint64_t whole = 0, cut = 0;
        uint64_t slot = (known[i].whole - 1 - known[i].roster) / 2 - RECORD_HEAD_BYTES;
        CHECK_DONE(lnkeep_backup_payload_max(known[i].size_class, &whole, &cut, &err));
        check_err(LNKEEP_DONE);
        CHECK_EQUAL(whole, known[i].whole);
        CHECK_EQUAL(cut, 31 * slot - 4);
        CHECK_DONE(lnkeep_backup_payload_max(known[i].size_class, NULL, &cut, NULL));
        CHECK_DONE(lnkeep_backup_payload_max(known[i].size_class, &whole, NULL, NULL));
        CHECK_DONE(lnkeep_backup_payload_max(known[i].size_class, NULL, NULL, NULL));
    }
    static const uint32_t wrong[] = {0, 1, 1023, 1025, 65530, 65532, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(wrong); i++) {
        uint64_t whole = 77, cut = 77;
        CHECK_STATUS(lnkeep_backup_payload_max(wrong[i], &whole, &cut, &err), LNKEEP_INVALID_ARGUMENT);
        check_err(LNKEEP_INVALID_ARGUMENT);
        CHECK(whole == 77 && cut == 77);
    }
}

static void check_blob_of_a_keeper(uint32_t number, uint64_t generation) {
    lnkeep_backup_peer peer = known_of(number);
    contents blob = contents_of(number);
    CHECK_EQUAL(blob.opened->kind, KIND_SHARES);
    CHECK_EQUAL(blob.opened->flags, FLAG_ROSTER);
    CHECK_EQUAL(blob.records_len, 1);
    const share_record *record = &blob.records[0];
    CHECK(record->generation == generation && record->index == peer.share_index);
    CHECK(record->data_shares == NEED && record->shares == SHARES && record->object_bytes == LEN + 4);
    CHECK(peer.sent_content == LNKEEP_CONTENT_SHARE && peer.held_content == LNKEEP_CONTENT_NOTHING);
    CHECK_EQUAL(peer.copy, LNKEEP_COPY_UNCONFIRMED);
    /* Keepers first, in the order of their shares, and nobody twice. */
    CHECK(blob.roster_generation == generation && blob.roster_len >= SHARES);
    for (size_t i = 0; i < blob.roster_len; i++) {
        const roster_peer *other = &blob.roster[i];
        lnkeep_bytes address = address_of(other->number);
        CHECK_EQUAL(other->index, i < SHARES ? i : NO_SHARE);
        if (i < SHARES) CHECK_EQUAL(keeper_of(other->index), other->number);
        CHECK(other->address.len == address.len && memcmp(other->address.ptr, address.ptr, 7) == 0);
        for (size_t j = 0; j < i; j++) CHECK(blob.roster[j].number != other->number);
    }
    close_contents(&blob);
}

/* Ten of twelve keep a share each; the others are told whom to ask. */
static void a_long_payload_is_cut(void) {
    begin_backup();
    uint8_t *payload = payload_of(1, LEN);
    introduce(T0, 1, PEERS);
    CHECK_NO_ACTIONS(tick_backup(T0));
    CHECK_DONE(set_bytes(payload, LEN));
    lnkeep_backup_standing standing = standing_now();
    CHECK_EQUAL(standing.flags, LNKEEP_BACKUP_FRESH | LNKEEP_BACKUP_CUT);
    CHECK(standing.payload_bytes == LEN && standing.placed == SHARES && standing.needed_peers == 0);
    CHECK_EQUAL(standing.generation | standing.base_generation | standing.sent_shares, 0);
    /* As many shares at once as may be missing, and the two rosters. */
    CHECK_EQUAL(give_due(T0), BATCH + 2);
    uint64_t first = standing_now().generation;
    CHECK_EQUAL(first, 1);
    CHECK_EQUAL(standing_now().sent_shares, BATCH);
    lnkeep_backup_actions *actions = tick_backup(T0 + 1);
    CHECK(actions->flags == LNKEEP_BACKUP_HAS_NEXT_DUE && actions->next_due_ms == T0 + SPREAD_MS);
    CHECK_NO_ACTIONS(actions);
    CHECK_EQUAL(give_due(T0 + SPREAD_MS), SHARES - BATCH);
    CHECK_NO_ACTIONS(tick_backup(T0 + 2 * SPREAD_MS));
    standing = standing_now();
    CHECK(standing.data_shares == NEED && standing.shares == SHARES && standing.sent_shares == SHARES);
    CHECK(standing.generation == first && standing.flags == LNKEEP_BACKUP_CUT);
    CHECK_EQUAL(standing.next_seq, 1 + PEERS);
    CHECK_EQUAL(standing.unconfirmed_copies, SHARES);
    uint32_t without = 0;
    uint8_t set_id[16] = {0};
    for (uint32_t number = 1; number <= PEERS; number++) {
        contents blob = contents_of(number);
        if (known_of(number).flags & LNKEEP_BACKUP_PEER_HAS_SHARE) {
            check_blob_of_a_keeper(number, first);
            CHECK(memcmp(blob.opened->set_id, set_id, 16) == 0 || number == 1 || without == number - 1);
            memcpy(set_id, blob.opened->set_id, 16);
        } else {
            without++;
            CHECK(blob.opened->kind == KIND_WHOLE && blob.content.len == 0 && blob.roster_len >= SHARES);
            CHECK_EQUAL(known_of(number).sent_content, LNKEEP_CONTENT_ROSTER);
            CHECK_EQUAL(known_of(number).copy, LNKEEP_COPY_NONE);
        }
        CHECK_EQUAL(kept[number].len, 1024);
        close_contents(&blob);
    }
    CHECK_EQUAL(without, PEERS - SHARES);
    CHECK(be(set_id, 8) != 0);
    check_restorable(first, SHARES, payload, LEN);
    free(payload);
    drop_kept();
    end_backup();
}

/* What came back counts; one more than is needed makes it what later blobs carry along. */
static void shares_are_confirmed_by_return(void) {
    begin_backup();
    uint8_t *payload = payload_of(2, LEN);
    uint64_t now_ms = T0, generation = cut(&now_ms, SHARES, payload);
    for (uint32_t number = 1; number <= SHARES; number++) {
        CHECK_EQUAL(standing_now().base_generation, number > NEED + 1 ? generation : 0);
        CHECK_EQUAL(known_of(number).copy, LNKEEP_COPY_UNCONFIRMED);
        CHECK_CONCLUDED(meet_again(now_ms, number), COMMITTED, NONE);
        lnkeep_backup_peer peer = known_of(number);
        CHECK(peer.copy == LNKEEP_COPY_CONFIRMED && peer.held_content == LNKEEP_CONTENT_SHARE);
        CHECK(standing_now().confirmed_shares == number && standing_now().confirmed_copies == number);
        CHECK_NO_ACTIONS(tick_backup(now_ms));
    }
    CHECK_EQUAL(standing_now().generation, generation);
    /* Returned again, it is the same share; lost, it is one less, and its keeper is due. */
    return_all(now_ms, 1, 1);
    CHECK_EQUAL(standing_now().confirmed_shares, SHARES);
    CHECK_DONE(leave(2));
    CHECK_DONE(arrive(now_ms, 2));
    CHECK_CONCLUDED(begin_reestablish(now_ms, 2), LOST, RESEND);
    CHECK_EQUAL(standing_now().confirmed_shares, SHARES - 1);
    CHECK_EQUAL(known_of(2).held_content, LNKEEP_CONTENT_NOTHING);
    CHECK_ACTIONS(tick_backup(now_ms + RESEND_MS), DO(2, LOST, SEND));
    give(now_ms + RESEND_MS, 2);
    CHECK_EQUAL(standing_now().generation, generation);
    check_restorable(generation, SHARES, payload, LEN);
    free(payload);
    drop_kept();
    end_backup();
}

/* Until enough of the new one came back, every blob carries a share of the old one too. */
static void two_shares_travel_until_the_new_one_is_safe(void) {
    begin_backup();
    uint8_t *before = payload_of(3, LEN), *after = payload_of(4, LEN);
    uint64_t now_ms = T0, old = cut(&now_ms, SHARES, before);
    return_all(now_ms, 1, SHARES);
    now_ms += 2 * RESEND_MS;
    CHECK_DONE(set_bytes(after, LEN));
    CHECK_EQUAL(standing_now().confirmed_copies, 0);
    CHECK_EQUAL(give_due(now_ms), BATCH);
    uint64_t new = standing_now().generation;
    CHECK(new > old && standing_now().base_generation == old);
    /* In the middle both are there: the old one with everybody. */
    check_restorable(old, SHARES, before, LEN);
    check_restorable(new, BATCH, after, LEN);
    CHECK_EQUAL(give_due(now_ms + SPREAD_MS), SHARES - BATCH);
    check_restorable(old, SHARES, before, LEN);
    check_restorable(new, SHARES, after, LEN);
    for (uint32_t number = 1; number <= SHARES; number++) {
        contents blob = contents_of(number);
        CHECK(blob.records_len == 2 && blob.records[0].generation == new);
        CHECK_EQUAL(blob.records[1].generation, old);
        CHECK_EQUAL(blob.records[1].index, known_of(number).share_index);
        CHECK_EQUAL(known_of(number).sent_content, LNKEEP_CONTENT_TWO_SHARES);
        close_contents(&blob);
    }
    now_ms += 2 * SPREAD_MS;
    return_all(now_ms, 1, NEED);
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().base_generation, old);
    CHECK_EQUAL(known_of(1).held_content, LNKEEP_CONTENT_TWO_SHARES);
    return_all(now_ms, NEED + 1, NEED + 1);
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().base_generation, new);
    /* From then on one is enough. */
    node_id one = node(1);
    CHECK_DONE(lnkeep_backup_channel_ready(backup, one.bytes, NULL));
    CHECK_ACTIONS(tick_backup(now_ms + RESEND_MS), DO(1, COMMITTED, SEND));
    give(now_ms + RESEND_MS, 1);
    CHECK_EQUAL(known_of(1).sent_content, LNKEEP_CONTENT_SHARE);
    CHECK_EQUAL(standing_now().generation, new);
    check_restorable(new, SHARES, after, LEN);
    free(before);
    free(after);
    drop_kept();
    end_backup();
}

/* Peers that a restart found: told of again, and they return what they keep. */
static void find_again(uint64_t now_ms, uint32_t from, uint32_t to) {
    for (uint32_t number = from; number <= to; number++) {
        lnkeep_peer_facts facts = facts_of(number);
        CHECK_DONE(tell_facts(now_ms, number, &facts));
        CHECK_DONE(arrive(now_ms, number));
        CHECK_CONCLUDED(returned(now_ms, number, kept_by(number), NULL), COMMITTED, NONE);
    }
}

/* Just as many shares as are needed came back before a restart with another payload: they go along. */
static void what_was_restorable_survives_a_restart(void) {
    begin_backup();
    uint8_t *before = payload_of(5, LEN), *after = payload_of(6, LEN);
    uint64_t now_ms = T0, old = cut(&now_ms, SHARES, before);
    return_all(now_ms, 1, NEED);
    reopen_backup();
    CHECK_DONE(set_bytes(after, LEN));
    now_ms += RESEND_MS;
    find_again(now_ms, 1, NEED);
    for (uint32_t number = NEED + 1; number <= SHARES; number++) {
        lnkeep_peer_facts facts = facts_of(number);
        CHECK_DONE(tell_facts(now_ms, number, &facts));
        CHECK_DONE(arrive(now_ms, number));
        CHECK_CONCLUDED(begin_reestablish(now_ms, number), UNCONFIRMED, RESEND);
    }
    CHECK_EQUAL(give_all(&now_ms), SHARES);
    CHECK_EQUAL(standing_now().base_generation, old);
    check_restorable(old, SHARES, before, LEN);
    check_restorable(standing_now().generation, SHARES, after, LEN);
    free(before);
    free(after);
    drop_kept();
    end_backup();
}

/* The last whole copy of what is known to be restorable waits until enough shares of something newer came. */
static void the_last_copy_is_not_overwritten(void) {
    begin_backup();
    uint8_t *payload = payload_of(16, LEN);
    uint64_t now_ms = T0;
    CHECK_DONE(set_text("fits"));
    introduce(now_ms, 1, SHARES);
    give(now_ms, 1);
    return_all(now_ms, 1, 1);
    CHECK_DONE(set_bytes(payload, LEN));
    CHECK_STATUS(refused_seal(now_ms, 1), LNKEEP_CONFLICT);
    now_ms += RESEND_MS;
    CHECK_EQUAL(give_all(&now_ms), SHARES - 1);
    /* Sent is not returned. */
    return_all(now_ms, 2, NEED);
    CHECK_STATUS(refused_seal(now_ms, 1), LNKEEP_CONFLICT);
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    contents last = contents_of(1);
    CHECK(last.content.len == 4 && memcmp(last.content.ptr, "fits", 4) == 0);
    close_contents(&last);
    return_all(now_ms, NEED + 1, NEED + 1);
    CHECK_ACTIONS(tick_backup(now_ms), DO(1, COMMITTED, SEND));
    give(now_ms, 1);
    check_restorable(standing_now().generation, SHARES, payload, LEN);
    free(payload);
    drop_kept();
    end_backup();
}

static void too_few_peers_are_told(void) {
    begin_backup();
    uint8_t *payload = payload_of(7, LEN);
    CHECK_DONE(set_bytes(payload, LEN));
    CHECK_EQUAL(standing_now().needed_peers, NEED + 1);
    uint64_t now_ms = T0;
    introduce(now_ms, 1, NEED);
    lnkeep_backup_actions_free(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().needed_peers, NEED + 1);
    CHECK_EQUAL(standing_now().flags & LNKEEP_BACKUP_CUT, 0);
    CHECK_EQUAL(standing_now().placed, 0);
    introduce(now_ms, NEED + 1, NEED + 1);
    /* One share may be missing, so one leaves at a time. */
    CHECK_EQUAL(give_all(&now_ms), NEED + 1);
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.needed_peers == 0 && standing.data_shares == NEED && standing.shares == NEED + 1);
    CHECK_EQUAL(standing.flags, LNKEEP_BACKUP_CUT);
    check_restorable(standing.generation, NEED + 1, payload, LEN);
    /* Without two of them it cannot be kept; what lies there stays. */
    lnkeep_peer_facts facts = facts_of(1);
    facts.flags |= LNKEEP_PEER_CLOSING;
    CHECK_DONE(tell_facts(now_ms, 1, &facts));
    node_id two = node(2);
    CHECK_DONE(lnkeep_backup_channel_ready(backup, two.bytes, NULL));
    now_ms += RESEND_MS;
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().needed_peers, NEED + 1);
    CHECK_STATUS(refused_seal(now_ms, 2), LNKEEP_TOO_FEW_PEERS);
    lnkeep_buf *blob = NULL;
    lnkeep_status refused = lnkeep_backup_seal(backup, now_ms, two.bytes, HEIGHT, &blob, NULL, &err);
    CHECK_STATUS(refused, LNKEEP_TOO_FEW_PEERS);
    CHECK(blob == NULL && err.present == LNKEEP_ERROR_HAS_VALUE && err.value == NEED + 1);
    /* With them again nobody has to be sent anything but what was asked for. */
    facts = facts_of(1);
    CHECK_DONE(tell_facts(now_ms, 1, &facts));
    CHECK_ACTIONS(tick_backup(now_ms), DO(2, SENT, SEND));
    CHECK_EQUAL(standing_now().generation, standing.generation);
    CHECK_EQUAL(standing_now().needed_peers, 0);
    free(payload);
    drop_kept();
    end_backup();
}

/* A payload that cannot be kept destroys no copy of one that is. */
static void copies_outlive_a_payload_that_cannot_be_kept(void) {
    begin_backup();
    uint8_t *payload = payload_of(8, LEN);
    uint64_t now_ms = T0;
    CHECK_DONE(set_text("fits"));
    introduce(now_ms, 1, 3);
    CHECK_EQUAL(give_all(&now_ms), 3);
    return_all(now_ms, 1, 3);
    CHECK_DONE(set_bytes(payload, LEN));
    CHECK_EQUAL(standing_now().needed_peers, NEED + 1);
    for (int round = 1; round <= 3; round++) {
        CHECK_NO_ACTIONS(tick_backup(now_ms + (uint64_t)round * RESEND_MS));
    }
    CHECK_DONE(set_text("fits"));
    CHECK_EQUAL(standing_now().confirmed_copies, 3);
    free(payload);
    drop_kept();
    end_backup();
}

/* After a restart everybody has its place and what it has is known: nothing is sent again. */
static void a_restart_changes_no_share(void) {
    begin_backup();
    uint8_t *payload = payload_of(12, LEN), *other = payload_of(13, LEN);
    uint64_t now_ms = T0, generation = cut(&now_ms, PEERS, payload);
    return_all(now_ms, 1, PEERS);
    /* What came back so soon after it was sent is written when its time has come. */
    now_ms += RESEND_MS;
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    uint32_t before[SHARES];
    for (uint32_t index = 0; index < SHARES; index++) before[index] = keeper_of(index);
    reopen_backup();
    CHECK_DONE(set_bytes(payload, LEN));
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.generation == generation && standing.base_generation == generation);
    CHECK(standing.flags == LNKEEP_BACKUP_CUT && standing.placed == SHARES);
    CHECK(standing.confirmed_shares == SHARES && standing.sent_shares == SHARES);
    now_ms += RESEND_MS;
    for (uint32_t number = 1; number <= PEERS; number++) {
        CHECK_DONE(arrive(now_ms, number));
        CHECK_CONCLUDED(returned(now_ms, number, kept_by(number), NULL), COMMITTED, NONE);
        CHECK_EQUAL(known_of(number).flags & LNKEEP_BACKUP_PEER_HAS_FACTS, 0);
    }
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    for (uint32_t index = 0; index < SHARES; index++) CHECK_EQUAL(keeper_of(index), before[index]);
    /* With another payload what was there goes along, out of the store. */
    reopen_backup();
    CHECK_DONE(set_bytes(other, LEN));
    find_again(now_ms, 1, PEERS);
    now_ms += RESEND_MS;
    CHECK_EQUAL(give_all(&now_ms), SHARES);
    for (uint32_t index = 0; index < SHARES; index++) CHECK_EQUAL(keeper_of(index), before[index]);
    check_restorable(generation, SHARES, payload, LEN);
    check_restorable(standing_now().generation, SHARES, other, LEN);
    free(payload);
    free(other);
    drop_kept();
    end_backup();
}

/* A payload that fits again goes whole to everybody. */
static void a_payload_that_fits_again_goes_whole(void) {
    begin_backup();
    uint8_t *payload = payload_of(14, LEN);
    uint64_t now_ms = T0, generation = cut(&now_ms, PEERS, payload);
    return_all(now_ms, 1, PEERS);
    CHECK_DONE(set_text("fits"));
    CHECK_EQUAL(standing_now().flags & LNKEEP_BACKUP_CUT, 0);
    now_ms += RESEND_MS;
    CHECK_EQUAL(give_all(&now_ms), PEERS);
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.data_shares == 1 && standing.shares == 1 && standing.generation > generation);
    for (uint32_t number = 1; number <= PEERS; number++) {
        contents blob = contents_of(number);
        CHECK(blob.opened->kind == KIND_WHOLE && blob.content.len == 4 && blob.roster_len >= PEERS - 1);
        CHECK(memcmp(blob.content.ptr, "fits", 4) == 0 && be(blob.opened->set_id, 8) == 0);
        for (size_t i = 0; i < blob.roster_len; i++) CHECK_EQUAL(blob.roster[i].index, NO_SHARE);
        lnkeep_backup_peer peer = known_of(number);
        CHECK(peer.sent_content == LNKEEP_CONTENT_WHOLE && !(peer.flags & LNKEEP_BACKUP_PEER_HAS_SHARE));
        close_contents(&blob);
    }
    return_all(now_ms, 1, PEERS);
    CHECK_EQUAL(standing_now().confirmed_copies, PEERS);
    free(payload);
    drop_kept();
    end_backup();
}

/* Over the longest blobs: 200,000 bytes in 7 of 18. */
static void long_blobs_carry_long_shares(void) {
    enum { LONG = 200000, LONG_NEED = 7, LONG_SHARES = 18 };
    begin_backup_with(NULL);
    uint8_t *payload = payload_of(15, LONG);
    uint64_t now_ms = T0;
    introduce(now_ms, 1, LONG_SHARES);
    CHECK_DONE(set_bytes(payload, LONG));
    CHECK_EQUAL(give_all(&now_ms), LONG_SHARES);
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.data_shares == LONG_NEED && standing.shares == LONG_SHARES);
    collect(1, LONG_SHARES, standing.generation);
    CHECK_EQUAL(found.records_len, LONG_SHARES);
    /* Data alone, parity alone, both. */
    static const size_t from[] = {0, LONG_SHARES - LONG_NEED, 3};
    for (size_t i = 0; i < h_rounds(3, 1); i++) restores(found.records + from[i], payload, LONG, 0);
    for (size_t i = 0; i < found.opened_len; i++) CHECK_EQUAL(kept[i + 1].len, 65531);
    drop_collected();
    free(payload);
    drop_kept();
    end_backup();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(limits_are_told),
        H_TEST(a_long_payload_is_cut),
        H_TEST(shares_are_confirmed_by_return),
        H_TEST(two_shares_travel_until_the_new_one_is_safe),
        H_TEST(what_was_restorable_survives_a_restart),
        H_TEST(the_last_copy_is_not_overwritten),
        H_TEST(too_few_peers_are_told),
        H_TEST(copies_outlive_a_payload_that_cannot_be_kept),
        H_TEST(a_restart_changes_no_share),
        H_TEST(a_payload_that_fits_again_goes_whole),
        H_TEST(long_blobs_carry_long_shares),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

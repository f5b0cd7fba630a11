/* Journals of HTLCs: what they tell, when they go and to whom, and what they have no room for. */

#include "backup_journal.h"

static lnkeep_status removed(uint8_t channel, uint32_t incoming, uint64_t id) {
    uint8_t channel_id[32];
    memset(channel_id, channel, sizeof channel_id);
    lnkeep_status status = lnkeep_backup_remove_htlc(backup, channel_id, incoming, id, &err);
    check_err_of_channel(status);
    return status;
}

static lnkeep_status resolved(uint8_t channel) {
    uint8_t channel_id[32];
    memset(channel_id, channel, sizeof channel_id);
    lnkeep_status status = lnkeep_backup_channel_resolved(backup, channel_id, &err);
    check_err_of_channel(status);
    return status;
}

enum { PEERS = 6, KEEPERS = 3, INTERVAL_MS = 60000, URGENT_DISTANCE_MS = 5000, NEAR_BLOCKS = 144 };

#define URGENT_MSAT UINT64_C(10000000)

static lnkeep_backup_options journal_options(void) {
    lnkeep_backup_options options = short_options();
    options.htlc_profile = LNKEEP_HTLC_PROFILE_ALL_HTLCS;
    options.journal_size_class = 1024;
    options.peer_uploads_per_minute = 10;
    return options;
}

/* Six peers that keep a short payload; returns when they got it, and returned it. */
static uint64_t begin_journals(const lnkeep_backup_options *options) {
    uint64_t now_ms = T0;
    begin_backup_with(options);
    CHECK_DONE(set_text("state"));
    introduce(now_ms, 1, PEERS);
    CHECK_EQUAL(give_all(&now_ms), PEERS);
    for (uint32_t number = 1; number <= PEERS; number++) {
        CHECK_CONCLUDED(meet_again(now_ms, number), COMMITTED, NONE);
    }
    CHECK_NO_ACTIONS(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().journal_keepers, 0);
    return now_ms;
}

static void end_journals(void) {
    drop_kept();
    end_backup();
}

/* A keeper of journals, 0 when nobody is. */
static uint32_t a_keeper(void) {
    for (uint32_t number = 1; number < KEPT_MAX; number++) {
        lnkeep_backup_peer peer = known_of(number);
        if (peer.state != UINT32_MAX && peer.flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL) return number;
    }
    return 0;
}

/* Ticks whenever one is due, until journals go; *now_ms is then. Answers how many went. */
static size_t next_journals(uint64_t *now_ms) {
    for (int ticks = 0; ticks < 32; ticks++) {
        lnkeep_backup_actions *actions = tick_backup(*now_ms);
        uint64_t next_ms = actions->next_due_ms;
        size_t given = 0;
        for (size_t i = 0; i < actions->actions_len; i++) {
            uint32_t number = number_of(action_at(actions, i)->node_id);
            CHECK_EQUAL(action_at(actions, i)->action, LNKEEP_BACKUP_ACTION_SEND);
            CHECK(known_of(number).flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL);
            give(*now_ms, number);
            given++;
        }
        int has_next = actions->flags == LNKEEP_BACKUP_HAS_NEXT_DUE;
        lnkeep_backup_actions_free(actions);
        if (given) return given;
        if (!CHECK(has_next && next_ms > *now_ms)) return 0;
        *now_ms = next_ms;
    }
    return 0;
}

static void mistakes_are_told(void) {
    begin_backup();
    lnkeep_backup_htlc htlc = htlc_of(1, 1, 1000000);
    for (uint32_t bit = 3; bit < 32; bit++) {
        htlc.flags = UINT32_C(1) << bit;
        CHECK_STATUS(tell(T0, htlc), LNKEEP_INVALID_ARGUMENT);
    }
    htlc = htlc_of(1, 1, 1000000), htlc.reserved = 1;
    CHECK_STATUS(tell(T0, htlc), LNKEEP_INVALID_ARGUMENT);
    htlc = htlc_of(1, 1, 1000000), htlc.size = 0;
    CHECK_STATUS(tell(T0, htlc), LNKEEP_INVALID_ARGUMENT);
    /* A preimage of another hash; nothing of it is in the error. */
    htlc = claimable(1, 0xab, 1000000), htlc.payment_hash[0] ^= 1;
    CHECK_STATUS(tell(T0, htlc), LNKEEP_INVALID_ARGUMENT);
    CHECK(strstr(err.message, "abab") == NULL && strstr(err.message, "171, 171") == NULL);
    CHECK_STATUS(tell(UINT64_MAX, htlc_of(1, 1, 1)), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(removed(1, 2, 1), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(removed(1, 1, 1), LNKEEP_ALREADY);
    CHECK_STATUS(resolved(1), LNKEEP_ALREADY);
    CHECK_DONE(tell(T0, htlc_of(1, 1, 1000000)));
    CHECK_DONE(tell(T0, htlc_of(1, 1, 1000000)));
    CHECK_STATUS(removed(1, 0, 1), LNKEEP_ALREADY);
    CHECK_DONE(removed(1, 1, 1));
    CHECK_STATUS(removed(1, 1, 1), LNKEEP_ALREADY);
    CHECK_DONE(set_point(2, 3));
    CHECK_DONE(resolved(2));
    CHECK_DONE(force_closed(3));
    CHECK_DONE(force_closed(3));
    CHECK_DONE(resolved(3));
    CHECK_STATUS(resolved(3), LNKEEP_ALREADY);
    CHECK_DONE(block_at(0));
    CHECK_DONE(block_at(UINT32_MAX));
    end_backup();
}

/* All that is told of an HTLC is in the journal of every keeper, and the others keep the payload. */
static void a_journal_tells_the_htlcs(void) {
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options);
    lnkeep_backup_htlc plain = htlc_of(2, 7, 5000000), known = claimable(1, 9, 2000000);
    plain.flags = 0;
    known.flags |= LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX;
    known.output_index = 3;
    CHECK_DONE(tell(now_ms, plain));
    CHECK_DONE(tell(now_ms, known));
    CHECK_DONE(set_point(2, 0x55));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_EQUAL(standing_now().journal_keepers, KEEPERS);
    CHECK_EQUAL(standing_now().covered_htlcs, 2);
    uint32_t keepers = 0;
    for (uint32_t number = 1; number <= PEERS; number++) {
        lnkeep_backup_peer peer = known_of(number);
        if (!(peer.flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL)) {
            CHECK(peer.sent_content == LNKEEP_CONTENT_WHOLE && peer.copy == LNKEEP_COPY_CONFIRMED);
            continue;
        }
        keepers++;
        CHECK(peer.sent_content == LNKEEP_CONTENT_JOURNAL && peer.copy == LNKEEP_COPY_NONE);
        journal read = journal_of(number);
        const htlcs *told = &read.told;
        CHECK_EQUAL(read.base_generation | read.uncovered | read.uncovered_msat, 0);
        CHECK_EQUAL(kept[number].len, 1024);
        CHECK(read.blob.roster_len >= PEERS - 1);
        if (CHECK(told->channels_len == 2 && told->entries_len == 2)) {
            const entry *one = &told->entries[0], *two = &told->entries[1];
            CHECK(told->channels[0][0] == 1 && told->channels[1][0] == 2 && !told->points[0]);
            CHECK(told->points[1] && told->points[1][0] == 0x55 && told->points[1][32] == 0x55);
            CHECK_EQUAL(one->flags, INCOMING | WITH_PREIMAGE | WITH_OUTPUT);
            CHECK(one->htlc_id == 9 && one->amount_msat == 2000000 && one->output_index == 3);
            CHECK(memcmp(one->payment_hash, known.payment_hash, 32) == 0);
            CHECK(memcmp(one->preimage, known.preimage, 32) == 0);
            CHECK(two->flags == 0 && two->htlc_id == 7 && two->amount_msat == 5000000);
            CHECK(two->channel == 1 && two->cltv_expiry == HEIGHT + 1000);
        }
        close_journal(&read);
        CHECK_CONCLUDED(meet_again(now_ms, number), COMMITTED, NONE);
        CHECK_EQUAL(known_of(number).held_content, LNKEEP_CONTENT_JOURNAL);
    }
    CHECK_EQUAL(keepers, KEEPERS);
    CHECK_EQUAL(standing_now().confirmed_copies, PEERS - KEEPERS);
    end_journals();
}

/* What is removed, and what a resolved channel had, is in the next journal no more. */
static void what_is_over_is_told_no_more(void) {
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options);
    for (uint8_t channel = 1; channel <= 3; channel++) {
        CHECK_DONE(tell(now_ms, htlc_of(channel, 1, 1000000)));
        CHECK_DONE(tell(now_ms, htlc_of(channel, 2, 1000000)));
    }
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_EQUAL(standing_now().covered_htlcs, 6);
    CHECK_DONE(removed(1, 1, 2));
    CHECK_DONE(resolved(3));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    journal read = journal_of(a_keeper());
    CHECK(read.told.channels_len == 2 && read.told.entries_len == 3);
    CHECK(read.told.entries[0].htlc_id == 1 && read.told.entries[0].channel == 0);
    close_journal(&read);
    CHECK_DONE(resolved(1));
    CHECK_DONE(resolved(2));
    /* The cadence goes on with nothing to tell. */
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    read = journal_of(a_keeper());
    CHECK(read.told.channels_len == 0 && read.told.entries_len == 0);
    close_journal(&read);
    end_journals();
}

/* Without a choice only HTLCs of channels that were closed by force are told. */
static void the_profile_says_which_htlcs_are_told(void) {
    lnkeep_backup_options options = journal_options();
    options.htlc_profile = LNKEEP_HTLC_PROFILE_ONCHAIN_ONLY;
    uint64_t now_ms = begin_journals(&options);
    CHECK_DONE(tell(now_ms, claimable(1, 1, 2 * URGENT_MSAT)));
    CHECK_DONE(tell(now_ms, claimable(2, 2, 2 * URGENT_MSAT)));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    journal read = journal_of(a_keeper());
    CHECK_EQUAL(read.told.entries_len, 0);
    close_journal(&read);
    CHECK_EQUAL(standing_now().covered_htlcs, 0);
    CHECK_NO_ACTIONS(tick_backup(now_ms + 1));
    CHECK_DONE(force_closed(2));
    CHECK_EQUAL(give_due(now_ms + 2), KEEPERS);
    read = journal_of(a_keeper());
    if (CHECK(read.told.channels_len == 1 && read.told.entries_len == 1)) {
        CHECK(read.told.channels[0][0] == 2 && read.told.entries[0].htlc_id == 2);
    }
    close_journal(&read);
    CHECK_EQUAL(standing_now().covered_htlcs, 1);
    end_journals();
}

/* At their time, whether or not anything changed, and all keepers together. */
static void journals_keep_their_cadence(void) {
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options);
    CHECK_NO_ACTIONS(tick_backup(now_ms + 10 * INTERVAL_MS));
    now_ms += 10 * INTERVAL_MS;
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
    uint64_t began_ms = now_ms;
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_EQUAL(now_ms, began_ms);
    unsigned differ = 0, rounds = h_rounds(40, 8);
    for (unsigned round = 0; round < rounds; round++) {
        uint64_t before_ms = now_ms;
        if (round % 3 == 0) CHECK_DONE(tell(now_ms, htlc_of(1, round + 2, 1000000)));
        CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
        CHECK(now_ms - before_ms >= INTERVAL_MS * 8 / 10 && now_ms - before_ms <= INTERVAL_MS * 12 / 10);
        differ += now_ms - before_ms != INTERVAL_MS;
        CHECK_NO_ACTIONS(tick_backup(now_ms));
    }
    CHECK(differ > 0);
    end_journals();
}

/* Tells one HTLC a second after journals went, and says whether they go again at once. */
static int is_urgent(uint64_t *now_ms, lnkeep_backup_htlc htlc) {
    CHECK_EQUAL(next_journals(now_ms), KEEPERS);
    *now_ms += 1000;
    CHECK_DONE(tell(*now_ms, htlc));
    size_t given = give_due(*now_ms);
    CHECK(given == 0 || given == KEEPERS);
    return given != 0;
}

static void what_cannot_wait_does_not(void) {
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options);
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 2 * URGENT_MSAT)));
    CHECK(!is_urgent(&now_ms, htlc_of(1, 2, 2 * URGENT_MSAT)));
    CHECK(!is_urgent(&now_ms, claimable(1, 3, URGENT_MSAT - 1)));
    lnkeep_backup_htlc outgoing = claimable(1, 4, 2 * URGENT_MSAT);
    outgoing.flags &= ~(uint32_t)LNKEEP_BACKUP_HTLC_INCOMING;
    CHECK(!is_urgent(&now_ms, outgoing));
    CHECK(is_urgent(&now_ms, claimable(1, 2, 2 * URGENT_MSAT)));
    CHECK(!is_urgent(&now_ms, claimable(1, 2, 2 * URGENT_MSAT)));
    CHECK(is_urgent(&now_ms, claimable(1, 5, URGENT_MSAT)));
    /* The next one keeps its distance. */
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_DONE(tell(now_ms, claimable(1, 6, URGENT_MSAT)));
    CHECK_EQUAL(give_due(now_ms + 1), KEEPERS);
    CHECK_DONE(tell(now_ms, claimable(1, 7, URGENT_MSAT)));
    lnkeep_backup_actions *actions = tick_backup(now_ms + URGENT_DISTANCE_MS);
    CHECK_EQUAL(actions->next_due_ms, now_ms + 1 + URGENT_DISTANCE_MS);
    CHECK_NO_ACTIONS(actions);
    CHECK_EQUAL(give_due(now_ms + 1 + URGENT_DISTANCE_MS), KEEPERS);
    /* Blocks that bring an expiry near. */
    now_ms += URGENT_DISTANCE_MS;
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_DONE(block_at(HEIGHT));
    lnkeep_backup_htlc near = htlc_of(1, 8, URGENT_MSAT);
    near.cltv_expiry = HEIGHT + NEAR_BLOCKS + 1;
    CHECK_DONE(tell(now_ms, near));
    CHECK_NO_ACTIONS(tick_backup(now_ms + URGENT_DISTANCE_MS));
    CHECK_DONE(block_at(HEIGHT + 1));
    CHECK_EQUAL(give_due(now_ms + URGENT_DISTANCE_MS), KEEPERS);
    /* Once told it is as safe as it gets. */
    CHECK_DONE(block_at(HEIGHT + 2));
    CHECK_NO_ACTIONS(tick_backup(now_ms + 2 * URGENT_DISTANCE_MS));
    CHECK_DONE(force_closed(1));
    CHECK_EQUAL(give_due(now_ms + 2 * URGENT_DISTANCE_MS), KEEPERS);
    end_journals();
}

/* A day's bytes come in evenly, an eighth of them may go at once. */
static void budgets_make_journals_wait(void) {
    enum { UPLOAD_BYTES = 1024 + 38, EIGHTH_OF_DAY_MS = 3 * 3600 * 1000 };
    for (int of_all = 0; of_all < 2; of_all++) {
        lnkeep_backup_options options = journal_options();
        options.journal_keepers = 1;
        uint64_t *bytes = of_all ? &options.bytes_per_day : &options.peer_bytes_per_day;
        *bytes = 8 * UPLOAD_BYTES;
        uint64_t now_ms = begin_journals(&options);
        CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
        CHECK_EQUAL(next_journals(&now_ms), 1);
        CHECK_NO_ACTIONS(tick_backup(now_ms + 2 * INTERVAL_MS));
        /* Urgent ones count as well. */
        CHECK_DONE(tell(now_ms, claimable(1, 2, URGENT_MSAT)));
        CHECK_NO_ACTIONS(tick_backup(now_ms + EIGHTH_OF_DAY_MS - 1));
        CHECK_EQUAL(give_due(now_ms + EIGHTH_OF_DAY_MS), 1);
        journal read = journal_of(a_keeper());
        CHECK_EQUAL(read.told.entries_len, 2);
        close_journal(&read);
        end_journals();
    }
    /* Two at once, then one a minute. */
    lnkeep_backup_options options = journal_options();
    options.journal_keepers = 1, options.peer_uploads_per_minute = 1, options.journal_interval_ms = 1000;
    uint64_t now_ms = begin_journals(&options);
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
    CHECK_EQUAL(give_due(now_ms), 1);
    CHECK_EQUAL(give_due(now_ms + 2000), 1);
    CHECK_NO_ACTIONS(tick_backup(now_ms + 4000));
    CHECK_NO_ACTIONS(tick_backup(now_ms + 59999));
    CHECK_EQUAL(give_due(now_ms + 60000), 1);
    CHECK_NO_ACTIONS(tick_backup(now_ms + 62000));
    end_journals();
}

/* What has no room is counted; the most valuable come first, and dust not at all. */
static void what_has_no_room_is_counted(void) {
    enum { ROOM = 888 - 256 - JOURNAL_HEAD_BYTES - 4 - 33, ENTRY = 55, FIT = ROOM / ENTRY, MORE = 5 };
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options), left_msat = 0;
    for (uint32_t i = 0; i < FIT + MORE; i++) {
        uint64_t amount_msat = 330000 + i;
        if (i < MORE) left_msat += amount_msat;
        CHECK_DONE(tell(now_ms, htlc_of(1, 100 - i, amount_msat)));
    }
    for (uint32_t i = 0; i < 3; i++) CHECK_DONE(tell(now_ms, htlc_of(1, 200 + i, 329999)));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    journal read = journal_of(a_keeper());
    CHECK(read.uncovered == MORE && read.uncovered_msat == left_msat && read.told.entries_len == FIT);
    for (size_t i = 0; i < read.told.entries_len; i++) {
        CHECK(read.told.entries[i].amount_msat >= 330000 + MORE);
    }
    close_journal(&read);
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.covered_htlcs == FIT && standing.uncovered_htlcs == MORE);
    CHECK_EQUAL(standing.uncovered_msat, left_msat);
    /* Longer blobs have room for all. */
    end_journals();
    options.journal_size_class = 4096;
    now_ms = begin_journals(&options);
    for (uint32_t i = 0; i < FIT + MORE; i++) CHECK_DONE(tell(now_ms, htlc_of(1, 100 - i, 330000 + i)));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_EQUAL(kept[a_keeper()].len, 4096);
    CHECK(standing_now().covered_htlcs == FIT + MORE && standing_now().uncovered_htlcs == 0);
    end_journals();
}

/* Two peers at least keep the payload while it goes whole; and keepers are peers with facts. */
static void keepers_are_few_and_known(void) {
    lnkeep_backup_options options = journal_options();
    options.journal_keepers = 100;
    uint64_t now_ms = begin_journals(&options);
    greet(now_ms, PEERS + 1);
    give(now_ms, PEERS + 1);
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
    CHECK_EQUAL(next_journals(&now_ms), PEERS - 2);
    CHECK_EQUAL(standing_now().journal_keepers, PEERS - 2);
    CHECK_EQUAL(known_of(PEERS + 1).flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL, 0);
    CHECK_EQUAL(known_of(PEERS + 1).sent_content, LNKEEP_CONTENT_WHOLE);
    /* Without its channel a keeper is replaced, and is sent the payload again. */
    uint32_t gone_keeper = a_keeper();
    lnkeep_peer_facts facts = facts_of(gone_keeper);
    facts.flags |= LNKEEP_PEER_CLOSING;
    CHECK_DONE(tell_facts(now_ms, gone_keeper, &facts));
    now_ms += RESEND_MS;
    CHECK(give_due(now_ms) >= 1);
    CHECK_EQUAL(known_of(gone_keeper).flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL, 0);
    CHECK_EQUAL(known_of(gone_keeper).sent_content, LNKEEP_CONTENT_WHOLE);
    CHECK_EQUAL(standing_now().journal_keepers, PEERS - 3);
    end_journals();
}

/* With a cut payload HTLCs go along as they are; once that is safe, journals tell the difference to it. */
static void journals_are_relative_to_what_is_safe(void) {
    enum { LEN = 900, NEED = 4, SHARES = 10, SNAPSHOT = 4 + 33 + 2 * 55 };
    lnkeep_backup_options options = journal_options();
    begin_backup_with(&options);
    uint8_t *payload = payload_of(1, LEN);
    uint64_t now_ms = T0;
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
    CHECK_DONE(tell(now_ms, htlc_of(1, 2, 2000000)));
    introduce(now_ms, 1, SHARES + 2);
    CHECK_DONE(set_bytes(payload, LEN));
    CHECK(give_due(now_ms) > 0);
    CHECK(give_due(now_ms + SPREAD_MS) > 0);
    now_ms += SPREAD_MS;
    lnkeep_backup_standing standing = standing_now();
    CHECK(standing.sent_shares == SHARES && standing.journal_keepers == 2);
    uint32_t keeper = a_keeper();
    journal read = journal_of(keeper);
    CHECK(read.base_generation == 0 && read.told.entries_len == 2);
    close_journal(&read);
    contents blobs[NEED];
    share_record records[NEED];
    size_t len = 0;
    for (uint32_t number = 1; number <= SHARES + 2; number++) {
        if (known_of(number).flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL) continue;
        if (len < NEED) blobs[len] = contents_of(number), records[len] = blobs[len].records[0], len++;
        CHECK_CONCLUDED(meet_again(now_ms, number), COMMITTED, NONE);
    }
    CHECK_EQUAL(len, NEED);
    restores(records, payload, LEN, SNAPSHOT);
    uint8_t *object = restore(records);
    htlcs snapshot;
    if (object && read_htlcs(object + LEN, SNAPSHOT, &snapshot)) {
        CHECK(snapshot.channels_len == 1 && snapshot.entries_len == 2);
        CHECK_EQUAL(snapshot.entries[1].amount_msat, 2000000);
    }
    free(object);
    for (size_t i = 0; i < len; i++) close_contents(&blobs[i]);
    lnkeep_backup_actions_free(tick_backup(now_ms));
    CHECK_EQUAL(standing_now().base_generation, standing.generation);
    CHECK_EQUAL(next_journals(&now_ms), 2);
    read = journal_of(keeper);
    CHECK_EQUAL(read.base_generation, standing.generation);
    CHECK_EQUAL(read.told.entries_len, 0);
    close_journal(&read);
    CHECK_DONE(tell(now_ms, claimable(2, 3, 3000000)));
    CHECK_DONE(removed(1, 1, 1));
    CHECK_EQUAL(next_journals(&now_ms), 2);
    read = journal_of(keeper);
    if (CHECK(read.told.channels_len == 2 && read.told.entries_len == 2)) {
        CHECK(read.told.entries[0].flags == (INCOMING | REMOVED) && read.told.entries[0].htlc_id == 1);
        CHECK(read.told.entries[1].flags == (INCOMING | WITH_PREIMAGE));
        CHECK_EQUAL(read.told.entries[1].htlc_id, 3);
    }
    close_journal(&read);
    CHECK_EQUAL(standing_now().generation, standing.generation);
    free(payload);
    end_journals();
}

/* HTLCs are in memory alone: told again, they are in the next journal. */
static void a_restart_forgets_htlcs_and_not_peers(void) {
    lnkeep_backup_options options = journal_options();
    uint64_t now_ms = begin_journals(&options);
    CHECK_DONE(tell(now_ms, htlc_of(1, 1, 1000000)));
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    CHECK_DONE(close_backup());
    h_close(&own_store);
    own_store = h_open(own_directory);
    CHECK_DONE(open_backup_with(SECRET, &options));
    CHECK(standing_now().journal_keepers == 0 && standing_now().covered_htlcs == 0);
    CHECK_DONE(set_text("state"));
    CHECK_DONE(tell(now_ms, htlc_of(1, 2, 1000000)));
    uint32_t with_journal = 0;
    for (uint32_t number = 1; number <= PEERS; number++) {
        lnkeep_peer_facts facts = facts_of(number);
        CHECK_DONE(tell_facts(now_ms, number, &facts));
        CHECK_DONE(arrive(now_ms, number));
        CHECK_CONCLUDED(returned(now_ms, number, kept_by(number), NULL), COMMITTED, NONE);
        with_journal += known_of(number).held_content == LNKEEP_CONTENT_JOURNAL;
    }
    CHECK_EQUAL(with_journal, KEEPERS);
    now_ms += RESEND_MS;
    CHECK_EQUAL(next_journals(&now_ms), KEEPERS);
    journal read = journal_of(a_keeper());
    CHECK(read.told.entries_len == 1 && read.told.entries[0].htlc_id == 2);
    close_journal(&read);
    end_journals();
}

/* A count has two bytes: what is beyond them is refused, and what is known stays. */
static void there_may_be_too_many(void) {
    if (h_is_valgrind()) {
        h_skip("there_may_be_too_many", "200,000 calls take too long under valgrind");
        return;
    }
    begin_backup();
    lnkeep_backup_htlc htlc = htlc_of(1, 0, 1000000);
    for (htlc.htlc_id = 0; htlc.htlc_id < 65535; htlc.htlc_id++) {
        if (lnkeep_backup_set_htlc(backup, T0, &htlc, NULL) != LNKEEP_DONE) break;
    }
    CHECK_EQUAL(htlc.htlc_id, 65535);
    CHECK_STATUS(tell(T0, htlc), LNKEEP_BUSY);
    CHECK_DONE(removed(1, 1, 9));
    CHECK_DONE(tell(T0, htlc));
    CHECK_DONE(resolved(1));
    uint8_t channel_id[32] = {0}, point[33] = {2};
    uint32_t closed = 0, pointed = 0;
    for (; closed < 65535; closed++) {
        memcpy(channel_id, &closed, sizeof closed);
        if (lnkeep_backup_channel_force_closed(backup, channel_id, NULL) != LNKEEP_DONE) break;
    }
    for (; pointed < 65535; pointed++) {
        memcpy(channel_id, &pointed, sizeof pointed);
        if (lnkeep_backup_set_commitment_point(backup, channel_id, point, NULL) != LNKEEP_DONE) break;
    }
    CHECK(closed == 65535 && pointed == 65535);
    CHECK_STATUS(set_point(0xff, 2), LNKEEP_BUSY);
    CHECK_STATUS(force_closed(0xff), LNKEEP_BUSY);
    end_backup();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(mistakes_are_told),
        H_TEST(a_journal_tells_the_htlcs),
        H_TEST(what_is_over_is_told_no_more),
        H_TEST(the_profile_says_which_htlcs_are_told),
        H_TEST(journals_keep_their_cadence),
        H_TEST(what_cannot_wait_does_not),
        H_TEST(budgets_make_journals_wait),
        H_TEST(what_has_no_room_is_counted),
        H_TEST(keepers_are_few_and_known),
        H_TEST(journals_are_relative_to_what_is_safe),
        H_TEST(a_restart_forgets_htlcs_and_not_peers),
        H_TEST(there_may_be_too_many),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

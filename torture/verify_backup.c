/* What a backup knows after an open, and whether what peers hold restores what it has to. */

#include "common.h"
#include "life.h"

#include <string.h>

static struct consumer_ledger *ledger_of(const struct session *session) {
    return &session->life->ledger->consumer;
}

/* That we lost state stays until it is acknowledged; where nobody knows, the store says it. */
static void check_block(struct session *session, uint32_t flags) {
    struct consumer_ledger *ledger = ledger_of(session);
    int is_blocked = (flags & LNKEEP_BACKUP_BLOCKED) != 0;
    if (!ledger->is_block_in_doubt && is_blocked != ledger->is_blocked) {
        finding(FOUND_ALARM, "after an open sending is stopped %d, not %d", is_blocked,
                ledger->is_blocked);
    }
    ledger->is_blocked = (uint8_t)is_blocked;
    ledger->is_block_in_doubt = 0;
}

static void check_protection(struct session *session, unsigned peer,
                             const lnkeep_backup_peer *known) {
    struct keeper *keeper = &ledger_of(session)->peers[peer];
    int is_protected = (known->flags & LNKEEP_BACKUP_PEER_PROTECTED) != 0;
    if (keeper->is_protected <= IS_PROTECTED && is_protected != keeper->is_protected) {
        finding(FOUND_ALARM, "after an open peer %u is protected %d, not %u", peer, is_protected,
                keeper->is_protected);
    }
    keeper->is_protected = is_protected ? IS_PROTECTED : 0;
}

static void check_numbers(struct session *session, const lnkeep_backup_standing *standing) {
    const struct consumer_ledger *ledger = ledger_of(session);
    if (standing->next_seq <= ledger->seq_last) {
        finding(FOUND_NUMBER, "the next number is %llu after %llu left",
                (unsigned long long)standing->next_seq, (unsigned long long)ledger->seq_last);
    }
    if (standing->next_seq <= ledger->adopted_seq) {
        finding(FOUND_NUMBER, "the next number is %llu after %llu was adopted",
                (unsigned long long)standing->next_seq, (unsigned long long)ledger->adopted_seq);
    }
}

/* What a host tells after each open. */
static lnkeep_status tell_again(struct session *session) {
    const struct consumer_ledger *ledger = ledger_of(session);
    lnkeep_backup backup = session->consumer.backup;
    lnkeep_status status = LNKEEP_DONE;
    for (unsigned peer = 0; peer < KEEPERS && status == LNKEEP_DONE; peer++) {
        uint8_t node_id[33], address[7];
        lnkeep_peer_facts facts = consumer_facts(peer, address);
        consumer_node(peer, node_id);
        status = lnkeep_backup_set_facts(backup, ledger->now_ms, node_id, &facts, NULL);
    }
    for (unsigned number = 0; number < HTLCS && status == LNKEEP_DONE; number++) {
        lnkeep_backup_htlc htlc = consumer_htlc(number);
        if (!(ledger->htlcs >> number & 1) || ledger->is_untold) continue;
        status = lnkeep_backup_set_htlc(backup, ledger->now_ms, &htlc, NULL);
    }
    if (status != LNKEEP_DONE || !ledger->payload) return status;
    return lnkeep_backup_set_payload(backup, consumer_payload(ledger->payload), NULL);
}

lnkeep_status consumer_open(struct session *session) {
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    lnkeep_backup_report report = LNKEEP_BACKUP_REPORT_INIT;
    options.size_class = BACKUP_BLOB_BYTES;
    options.journal_size_class = BACKUP_BLOB_BYTES;
    options.htlc_profile = LNKEEP_HTLC_PROFILE_ALL_HTLCS;
    options.resend_interval_ms = BACKUP_INTERVAL_MS;
    memset(&session->consumer, 0, sizeof session->consumer);
    lnkeep_status status = lnkeep_backup_open(session->store, consumer_secret, &options,
                                              &session->consumer.backup, &report, NULL);
    if (status != LNKEEP_DONE) return status;
    lnkeep_backup_standing standing;
    status = consumer_standing(session, &standing);
    if (status != LNKEEP_DONE) return status;
    memcpy(session->consumer.instance, standing.instance, sizeof standing.instance);
    if (report.damaged != 0) finding(FOUND_WRONG, "the open of the backup found damage");
    check_block(session, report.flags);
    check_numbers(session, &standing);
    for (unsigned peer = 0; peer < BACKUP_PEERS; peer++) {
        lnkeep_backup_peer known;
        status = consumer_known(session, peer, &known);
        if (status != LNKEEP_DONE) return status;
        consumer_check_known(session, peer, &known);
        consumer_take_known(session, peer, &known);
        check_protection(session, peer, &known);
    }
    consumer_check(session);
    status = tell_again(session);
    return session_judge(session, status, LNKEEP_DONE, "what is told after an open", 0);
}

static void check_world(struct session *session, int takes_incoming) {
    const struct consumer_ledger *ledger = ledger_of(session);
    struct restored restored = consumer_restore(ledger, takes_incoming, 0);
    if (restored.payload < ledger->secure) {
        finding(FOUND_RESTORE, "peers restore payload %u, known to be restorable was %u",
                restored.payload, ledger->secure);
    }
    if (restored.htlcs_seq < ledger->secure_journal) {
        finding(FOUND_RESTORE, "peers restore HTLCs of number %llu, %llu had come back",
                (unsigned long long)restored.htlcs_seq, (unsigned long long)ledger->secure_journal);
    }
}

void consumer_check(struct session *session) {
    check_world(session, 0);
    check_world(session, 1);
}

/*
 * A payload that goes whole has keepers of journals beside it. When everybody has come back several
 * times, further apart than journals are, they hold the HTLCs: more are told than there is room for.
 */
static void check_journals(struct session *session, unsigned at) {
    enum { APART = 20, ROUNDS = 3, TOLD_FROM = 6, TOLD_TO = 16 };
    static const struct step acknowledge = {STEP_CONSUME, 1, {{CONSUMER_ACKNOWLEDGE, 0, 0, 0}}};
    static const struct step payload = {STEP_CONSUME, 1, {{CONSUMER_PAYLOAD, 2, 0, 0}}};
    static const struct step meet = {STEP_CONSUME, 1, {{CONSUMER_MEET, 2, 0, ALL_KEEPERS}}};
    const struct consumer_ledger *ledger = ledger_of(session);
    while (consumer_is_cut(at + 1)) at++;
    lnkeep_status status = LNKEEP_DONE;
    if (ledger->is_blocked) status = session_consume(session, &acknowledge, at);
    if (status == LNKEEP_DONE) status = session_consume(session, &payload, at);
    for (unsigned i = TOLD_FROM; i < TOLD_TO && status == LNKEEP_DONE; i++) {
        struct step told = {STEP_CONSUME, 1, {{CONSUMER_HTLC, (uint8_t)i, 0, 1}}};
        status = session_consume(session, &told, at);
    }
    for (unsigned i = 1; i <= ROUNDS && status == LNKEEP_DONE; i++) {
        status = session_consume(session, &meet, at + i * APART);
    }
    if (status != LNKEEP_DONE) return;
    uint32_t restored = consumer_restore(ledger, 0, 0).htlcs;
    uint32_t wanted = consumer_fitting(ledger->htlcs, JOURNAL_ROOM_BYTES);
    if (restored == wanted) return;
    finding(FOUND_RESTORE, "everybody came back, and HTLCs %x are restored, not %x of %x", restored,
            wanted, ledger->htlcs);
}

/* After a restart every peer connects; what is ours and what we know of is no loss of state. */
void consumer_meet_all(struct session *session, unsigned at) {
    struct step meet = {STEP_CONSUME, 1, {{CONSUMER_MEET, 2, 0, ALL_KEEPERS}}};
    struct step liar = {STEP_CONSUME, 1, {{CONSUMER_LIAR, 0, 0, 0}}};
    session_consume(session, &meet, at);
    consumer_check(session);
    session_consume(session, &liar, at + 1);
    session_consume(session, &meet, at + 10);
    consumer_check(session);
    check_journals(session, at + 11);
    consumer_check(session);
}

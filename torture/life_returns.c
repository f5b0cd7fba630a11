/* What a host concludes from what a peer returns, and what is promised with each conclusion. */

#include "life.h"

#include "common.h"

#include <string.h>

static struct consumer_ledger *ledger_of(const struct session *session) {
    return &session->life->ledger->consumer;
}

void consumer_check_failure(const struct session *session, int32_t failure, const char *call) {
    ledger_note(session->life->ledger, failure);
    if (failure == 0 || session->life->policy != POLICY_NONE) return;
    finding(FOUND_STATUS, "%s could not write: %s", call, lnkeep_status_name(failure));
}

struct conclusion {
    uint32_t state, action;
};

static struct conclusion nothing_came(const lnkeep_backup_peer *known) {
    if (known->committed_seq) {
        return (struct conclusion){LNKEEP_BACKUP_STATE_LOST, LNKEEP_BACKUP_ACTION_RESEND};
    }
    if (known->sent_seq) {
        return (struct conclusion){LNKEEP_BACKUP_STATE_UNCONFIRMED, LNKEEP_BACKUP_ACTION_RESEND};
    }
    if (known->flags & LNKEEP_BACKUP_PEER_PROTECTED) {
        return (struct conclusion){LNKEEP_BACKUP_STATE_UNREADABLE,
                                   LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE};
    }
    return (struct conclusion){LNKEEP_BACKUP_STATE_CLEAR,
                               LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED};
}

/* The table of the rules once more: what follows from a return, by what is known before it. */
static struct conclusion conclusion_of(const lnkeep_backup_peer *known, enum returns returns,
                                       uint64_t seq, int is_adopted) {
    if (returns == RETURNS_NOTHING || is_adopted) return nothing_came(known);
    if (returns == RETURNS_GARBAGE) {
        return known->sent_seq
                   ? (struct conclusion){LNKEEP_BACKUP_STATE_CORRUPT, LNKEEP_BACKUP_ACTION_RESEND}
                   : (struct conclusion){LNKEEP_BACKUP_STATE_UNREADABLE,
                                         LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE};
    }
    if (returns == RETURNS_FOREIGN) {
        return (struct conclusion){LNKEEP_BACKUP_STATE_AHEAD,
                                   LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS};
    }
    if (seq == known->sent_seq) {
        return (struct conclusion){LNKEEP_BACKUP_STATE_COMMITTED, LNKEEP_BACKUP_ACTION_NONE};
    }
    uint32_t state = seq < known->committed_seq ? LNKEEP_BACKUP_STATE_STALE
                                                : LNKEEP_BACKUP_STATE_LAGGING;
    return (struct conclusion){state, LNKEEP_BACKUP_ACTION_RESEND};
}

static int is_alarm(uint32_t action) {
    return action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS ||
           action == LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE;
}

static void check_conclusion(unsigned peer, enum returns returns, uint64_t seq,
                             struct conclusion wanted, const lnkeep_concluded *given) {
    if (given->state == wanted.state && given->action == wanted.action) return;
    int is_about_alarm = is_alarm(given->action) || is_alarm(wanted.action) ||
                         wanted.state == LNKEEP_BACKUP_STATE_STALE;
    finding(is_about_alarm ? FOUND_ALARM : FOUND_WRONG,
            "peer %u returned (%u) number %llu: state %u action %u, not state %u action %u", peer,
            returns, (unsigned long long)seq, given->state, given->action, wanted.state,
            wanted.action);
}

/* What was promised by an answer is known after every crash since. */
void consumer_check_known(const struct session *session, unsigned peer,
                          const lnkeep_backup_peer *known) {
    const struct keeper *keeper = &ledger_of(session)->peers[peer];
    if (known->sent_seq < keeper->sent_seq) {
        finding(FOUND_NUMBER, "peer %u was sent number %llu, known is %llu", peer,
                (unsigned long long)keeper->sent_seq, (unsigned long long)known->sent_seq);
    }
    if (known->committed_seq < keeper->committed_seq) {
        finding(FOUND_ALARM, "peer %u had returned number %llu, known is %llu", peer,
                (unsigned long long)keeper->committed_seq,
                (unsigned long long)known->committed_seq);
    }
}

void consumer_take_known(struct session *session, unsigned peer, const lnkeep_backup_peer *known) {
    const struct consumer_ledger *ledger = ledger_of(session);
    const struct keeper *keeper = &ledger->peers[peer];
    const struct sealed *sealed = consumer_find_sealed(ledger, known->sent_seq);
    /* A host that died in a seal was not given its blob: nobody has one of that number. */
    if (known->sent_seq > keeper->sent_seq && (!sealed || sealed->digest != 0)) {
        finding(FOUND_NUMBER, "peer %u was sent number %llu, known is %llu, which did not leave for it",
                peer, (unsigned long long)keeper->sent_seq, (unsigned long long)known->sent_seq);
    }
    if (known->committed_seq > keeper->returned_seq) {
        finding(FOUND_ALARM, "peer %u is known to have returned number %llu, it was %llu", peer,
                (unsigned long long)known->committed_seq, (unsigned long long)keeper->returned_seq);
    }
    session->consumer.peers[peer].sent_seq = known->sent_seq;
    session->consumer.peers[peer].committed_seq = known->committed_seq;
    session->consumer.peers[peer].is_vague = 0;
}

/* Between two opens what is known changes by answers alone; it is those that a return is judged by. */
static void expect_known(struct session *session, unsigned peer, lnkeep_backup_peer *known) {
    const struct keeper *keeper = &ledger_of(session)->peers[peer];
    if (session->consumer.peers[peer].is_vague) consumer_take_known(session, peer, known);
    uint64_t sent_seq = session->consumer.peers[peer].sent_seq;
    uint64_t committed_seq = session->consumer.peers[peer].committed_seq;
    if (known->sent_seq != sent_seq) {
        finding(FOUND_NUMBER, "peer %u was sent number %llu since the open, known is %llu", peer,
                (unsigned long long)sent_seq, (unsigned long long)known->sent_seq);
    }
    if (known->committed_seq != committed_seq) {
        finding(FOUND_ALARM, "peer %u returned number %llu since the open, known is %llu", peer,
                (unsigned long long)committed_seq, (unsigned long long)known->committed_seq);
    }
    known->sent_seq = sent_seq;
    known->committed_seq = committed_seq;
    if (keeper->is_protected > IS_PROTECTED) return;
    known->flags &= ~(uint32_t)LNKEEP_BACKUP_PEER_PROTECTED;
    if (keeper->is_protected) known->flags |= LNKEEP_BACKUP_PEER_PROTECTED;
}

/* What the peer hands over: the bytes live in its memory, or in *foreign. */
static lnkeep_bytes blob_of(struct session *session, unsigned peer, enum returns returns,
                            uint64_t foreign_seq, const uint8_t *instance, lnkeep_buf **foreign) {
    static uint8_t garbage[BACKUP_BLOB_BYTES];
    const struct keeper *keeper = &ledger_of(session)->peers[peer];
    int slot = returns == RETURNS_BEFORE ? keeper->before : keeper->held;
    if (returns == RETURNS_FOREIGN) {
        *foreign = consumer_foreign(instance, peer, foreign_seq);
        return (lnkeep_bytes){(*foreign)->ptr, (*foreign)->len};
    }
    memset(garbage, 0x77 + (int)peer, sizeof garbage);
    if (returns == RETURNS_GARBAGE) return (lnkeep_bytes){garbage, sizeof garbage};
    return (lnkeep_bytes){keeper->slots[slot].bytes, BACKUP_BLOB_BYTES};
}

static void note_alarm(struct session *session, unsigned peer, uint64_t seq,
                       const lnkeep_concluded *given) {
    struct consumer_ledger *ledger = ledger_of(session);
    if (given->failure != 0) return;
    if (given->action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS) {
        if (ledger->foreign_seq < seq) ledger->foreign_seq = seq;
        ledger->is_blocked = 1;
        ledger->is_block_in_doubt = 0;
    } else if (given->action == LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE) {
        ledger->peers[peer].is_protected = IS_PROTECTED;
    }
}

/* A number that is not below those that came back before counts, whether it is the last one sent or not. */
static void note_returned(struct session *session, unsigned peer, uint64_t seq, uint64_t now_ms,
                          uint32_t state) {
    int is_committed = state == LNKEEP_BACKUP_STATE_COMMITTED;
    if (!is_committed && state != LNKEEP_BACKUP_STATE_LAGGING) return;
    session->consumer.peers[peer].committed_seq = seq;
    session->consumer.returned[peer].seq = seq;
    session->consumer.returned[peer].concluded_ms = now_ms;
    lnkeep_backup_peer known;
    const struct keeper *keeper = &ledger_of(session)->peers[peer];
    if (!is_committed || consumer_known(session, peer, &known) != LNKEEP_DONE) return;
    session->consumer.returned[peer].whole = 0;
    const struct kept_blob *held = &keeper->slots[keeper->held];
    int stays = held->is_journal && !held->base && !consumer_is_cut(ledger_of(session)->payload);
    session->consumer.returned[peer].journal = stays ? held->seq : 0;
    if (known.held_content == LNKEEP_CONTENT_WHOLE) {
        session->consumer.returned[peer].whole = keeper->slots[keeper->held].payload;
    }
}

/* The peer was greeted; now it returns what it returns, or begins channel_reestablish without. */

/* Before the call: if the host dies in it, nobody knows whether its alarm is durable. */
static void expect_alarm(struct consumer_ledger *ledger, unsigned peer, uint32_t action) {
    struct keeper *keeper = &ledger->peers[peer];
    int is_loss = action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS;
    int is_unreadable = action == LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE;
    if (is_loss && !ledger->is_blocked) ledger->is_block_in_doubt = 1;
    if (is_unreadable && keeper->is_protected == NOT_PROTECTED) {
        keeper->is_protected = PROTECTION_IN_DOUBT;
    }
}

/* What comes back, and the number of the blob. */
struct return_made {
    enum returns returns;
    int is_ours; /* as we sealed it for this peer */
    uint64_t seq;
};

static struct return_made return_of(const struct keeper *keeper, const struct meeting *met) {
    int slot = met->returns == RETURNS_BEFORE ? keeper->before : keeper->held;
    int is_ours = met->returns == RETURNS_HELD || met->returns == RETURNS_BEFORE;
    if (is_ours && slot < 0) return (struct return_made){RETURNS_NOTHING, 0, 0};
    uint64_t seq = is_ours ? keeper->slots[slot].seq : met->foreign_seq;
    return (struct return_made){met->returns, is_ours, seq};
}

static lnkeep_status call_return(struct session *session, const struct meeting *met,
                                 struct return_made made, uint64_t now_ms, lnkeep_concluded *given,
                                 lnkeep_opened **opened) {
    uint8_t node_id[33];
    lnkeep_buf *foreign = NULL;
    lnkeep_backup backup = session->consumer.backup;
    consumer_node(met->peer, node_id);
    if (made.returns == RETURNS_NOTHING) {
        return lnkeep_backup_reestablish_begun(backup, now_ms, node_id, given, NULL);
    }
    lnkeep_bytes blob =
        blob_of(session, met->peer, made.returns, made.seq, met->instance, &foreign);
    lnkeep_status status =
        lnkeep_backup_retrieval(backup, now_ms, node_id, blob, given, opened, NULL);
    lnkeep_buf_free(foreign);
    return status;
}

lnkeep_status consumer_conclude(struct session *session, const struct meeting *met,
                                uint64_t now_ms) {
    lnkeep_concluded given = LNKEEP_CONCLUDED_INIT;
    lnkeep_opened *opened = NULL;
    lnkeep_backup_peer known;
    struct consumer_ledger *ledger = ledger_of(session);
    struct return_made made = return_of(&ledger->peers[met->peer], met);
    lnkeep_status status = consumer_known(session, met->peer, &known);
    if (status != LNKEEP_DONE) return status;
    consumer_check_known(session, met->peer, &known);
    expect_known(session, met->peer, &known);
    int is_adopted = made.returns == RETURNS_FOREIGN && made.seq <= ledger->adopted_seq &&
                     memcmp(met->instance, session->consumer.instance, 16) != 0;
    struct conclusion wanted = conclusion_of(&known, made.returns, made.seq, is_adopted);
    expect_alarm(ledger, met->peer, wanted.action);
    struct keeper *keeper = &ledger->peers[met->peer];
    if (made.is_ours && keeper->returned_seq < made.seq) keeper->returned_seq = made.seq;
    if (made.is_ours && ledger->is_unheard) {
        note_returned(session, met->peer, made.seq, now_ms, wanted.state);
        return LNKEEP_DONE;
    }
    status = call_return(session, met, made, now_ms, &given, &opened);
    if (lnkeep_status_class(status) >= LNKEEP_CLASS_RETRY) {
        session->consumer.peers[met->peer].is_vague = 1;
    }
    if (status == LNKEEP_DONE) {
        check_conclusion(met->peer, made.returns, made.seq, wanted, &given);
        consumer_check_failure(session, given.failure, "a conclusion");
        if (made.is_ours && (!opened || opened->seq != made.seq)) {
            finding(FOUND_RESTORE, "a blob of ours for peer %u does not open", met->peer);
        }
        note_alarm(session, met->peer, made.seq, &given);
        if (made.is_ours) note_returned(session, met->peer, made.seq, now_ms, given.state);
    }
    lnkeep_opened_free(opened);
    return session_judge(session, status, LNKEEP_DONE, "retrieval", met->peer);
}

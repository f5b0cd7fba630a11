/* Judges what the backup of a damaged store answers: no number twice, no lost state forgotten. */

#include "damage.h"

#include <string.h>

enum { HEIGHT = 800001 };

struct judging {
    const struct reading *reading;
    const struct backup_truth *truth;
    struct parts *p;
    lnkeep_backup_report report;
    lnkeep_backup_standing standing;
};

/* The row of the database is lost: another instance, and everything waits for an operator. */
static int is_anew(const struct judging *j) {
    return memcmp(j->standing.instance, j->truth->standing.instance, 16) != 0;
}

static void judge_standing(struct judging *j) {
    const lnkeep_backup_standing *was = &j->truth->standing;
    j->standing = (lnkeep_backup_standing)LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_status status = heard(lnkeep_backup_read_standing(j->p->backup, &j->standing, NULL));
    if (status != LNKEEP_DONE) {
        found(j->reading, FOUND_STATUS, "the standing: %s", lnkeep_status_name(status));
        return;
    }
    if (j->standing.next_seq < was->next_seq) {
        found(j->reading, FOUND_GRANTED_TWICE, "blob %llu is given again, %llu is next",
              (unsigned long long)j->standing.next_seq, (unsigned long long)was->next_seq);
    }
    if (is_restored(j->reading)) return;
    int is_blocked = (j->standing.flags & LNKEEP_BACKUP_BLOCKED) != 0;
    if ((was->flags & LNKEEP_BACKUP_BLOCKED) && !is_blocked) {
        found(j->reading, FOUND_LOST, "that state was lost is forgotten");
    }
    if (is_anew(j) && !is_blocked) {
        found(j->reading, FOUND_LOST, "another instance, and nothing waits for an operator");
    }
    if (j->report.damaged) report_damage(j->reading);
    else if (memcmp(&j->standing, was, sizeof *was) != 0) {
        found(j->reading, FOUND_WRONG, "the standing is another one");
    }
}

static void judge_peer(struct judging *j, const lnkeep_backup_peer *was,
                       const lnkeep_backup_peer *now) {
    if (memcmp(was, now, sizeof *was) == 0) return;
    /* One whose row is damaged counts as protected, and as sent every number so far. */
    int is_protected = (now->flags & LNKEEP_BACKUP_PEER_PROTECTED) != 0;
    if (j->report.damaged && is_protected && now->sent_seq >= was->sent_seq) return;
    /* Shares of a generation that is not known any more are no share. */
    lnkeep_backup_peer same = *now;
    same.copy = was->copy;
    same.share_index = was->share_index;
    same.flags = was->flags;
    uint32_t shown = LNKEEP_BACKUP_PEER_HAS_SHARE;
    int is_same = memcmp(was, &same, sizeof same) == 0 &&
                  (now->flags | shown) == (was->flags | shown);
    if (j->report.damaged && is_same) return;
    found(j->reading, FOUND_WRONG, "a peer is known otherwise: state %u, sent %llu, not %u, %llu",
          now->state, (unsigned long long)now->sent_seq, was->state,
          (unsigned long long)was->sent_seq);
}

static void judge_peers(struct judging *j) {
    lnkeep_backup_peer peers[BACKUP_PEERS_MAX];
    size_t len = 0;
    lnkeep_status status = heard(backup_read_peers(j->p, peers, &len));
    if (!is_done(j->reading, status, "a list of the backup's peers")) return;
    for (size_t i = 0; i < j->truth->peers_len; i++) {
        const lnkeep_backup_peer *was = &j->truth->peers[i];
        size_t n = 0;
        while (n < len && memcmp(peers[n].node_id, was->node_id, sizeof was->node_id) != 0) n++;
        /* A row whose key was hit is one of another peer, and so is told as damaged. */
        if (n < len) judge_peer(j, was, &peers[n]);
        else if (j->report.damaged == 0) found(j->reading, FOUND_LOST, "a peer is forgotten");
    }
    if (len != j->truth->peers_len && j->report.damaged == 0) {
        found(j->reading, FOUND_WRONG, "%zu peers are known, not %zu", len, j->truth->peers_len);
    }
}

/* Those that return what they keep are known; only a lost row makes it a state that was lost. */
static void judge_meetings(struct judging *j) {
    for (size_t peer = 0; peer < BACKUP_MEETS; peer++) {
        uint64_t concluded = 0;
        lnkeep_status status = heard(backup_meet(j->p, peer, &concluded));
        if (is_done(j->reading, status, "meeting a peer") &&
            concluded != j->truth->concluded[peer]) {
            uint32_t action = (uint32_t)concluded;
            uint32_t before = (uint32_t)j->truth->concluded[peer];
            int was_loss = before == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS;
            int is_loss = action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS;
            if (j->report.damaged == 0 || (is_loss && !was_loss && !is_anew(j))) {
                found(j->reading, FOUND_WRONG, "peer %zu returns: state %llu, action %u", peer,
                      (unsigned long long)(concluded >> 32), action);
            }
        }
    }
}

/* A blob that may leave has a number that none had, and shares of what they say. */
static void judge_seal(struct judging *j, const uint8_t node_id[33], lnkeep_status wanted) {
    lnkeep_buf *blob = NULL;
    uint64_t seq = 0;
    size_t peer = 0;
    uint8_t one[33];
    for (backup_node_id(0, one); memcmp(one, node_id, 33) != 0; backup_node_id(++peer, one)) {
        if (peer > BACKUP_PEERS_MAX) return;
    }
    lnkeep_status status =
        heard(lnkeep_backup_seal(j->p->backup, PARTS_NOW_MS, node_id, HEIGHT, &blob, &seq, NULL));
    if (status == LNKEEP_DONE) {
        lnkeep_bytes bytes = {blob->ptr, blob->len};
        struct backup_truth *known = &j->p->truth->backup;
        if (seq < j->truth->standing.next_seq) {
            found(j->reading, FOUND_GRANTED_TWICE, "blob %llu was given before",
                  (unsigned long long)seq);
        }
        if (!backup_look_at_shares(known, peer, bytes, 0)) {
            found(j->reading, FOUND_WRONG, "blob %llu holds other shares", (unsigned long long)seq);
        }
        if (wanted != LNKEEP_DONE) {
            found(j->reading, FOUND_LOST, "a blob leaves in spite of %s",
                  lnkeep_status_name(wanted));
        }
    } else if (lnkeep_status_class(status) > LNKEEP_CLASS_REFUSED ||
               (status != wanted && j->report.damaged == 0)) {
        found(j->reading, FOUND_STATUS, "a blob: %s, not %s", lnkeep_status_name(status),
              lnkeep_status_name(wanted));
    }
    lnkeep_buf_free(blob);
}

/* Whatever else is damaged, what it keeps is not overwritten. */
static void judge_stranger(struct judging *j, const uint8_t node_id[33]) {
    int is_blocked = (j->standing.flags & LNKEEP_BACKUP_BLOCKED) != 0;
    lnkeep_status status =
        heard(lnkeep_backup_connected(j->p->backup, PARTS_NOW_MS, node_id, 1, NULL));
    if (!is_done(j->reading, status, "a stranger's connection")) return;
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    status = heard(lnkeep_backup_reestablish_begun(j->p->backup, PARTS_NOW_MS, node_id, &concluded,
                                                   NULL));
    if (is_done(j->reading, status, "a stranger's channel_reestablish")) {
        judge_seal(j, node_id, is_blocked ? LNKEEP_STATE_LOSS : LNKEEP_UNREADABLE);
    }
}

static void judge_due(struct judging *j) {
    lnkeep_backup_actions *actions = NULL;
    uint8_t stranger[33], due[BACKUP_SEALS][33];
    size_t sends = 0, is_other = 0;
    backup_node_id(j->truth->peers_len - 1, stranger);
    lnkeep_status status =
        heard(lnkeep_backup_tick(j->p->backup, PARTS_NOW_MS, &actions, NULL));
    for (size_t i = 0; status == LNKEEP_DONE && i < actions->actions_len; i++) {
        const uint8_t *at = (const uint8_t *)actions->actions + i * actions->action_stride;
        const lnkeep_backup_action *action = (const void *)at;
        if (action->action != LNKEEP_BACKUP_ACTION_SEND) continue;
        if (memcmp(action->node_id, stranger, sizeof stranger) == 0) {
            found(j->reading, FOUND_LOST, "what nobody can read is to be overwritten");
        }
        is_other |= sends >= j->truth->due_len ||
                    memcmp(j->truth->due[sends], action->node_id, sizeof stranger) != 0;
        if (sends < BACKUP_SEALS) memcpy(due[sends], action->node_id, sizeof stranger);
        sends++;
    }
    lnkeep_backup_actions_free(actions);
    if (!is_done(j->reading, status, "a tick of the backup")) return;
    if ((is_other || sends != j->truth->due_len) && j->report.damaged == 0) {
        found(j->reading, FOUND_WRONG, "other peers are due than were");
    }
    for (size_t i = 0; i < sends && i < BACKUP_SEALS; i++) judge_seal(j, due[i], LNKEEP_DONE);
    int is_blocked = (j->standing.flags & LNKEEP_BACKUP_BLOCKED) != 0;
    if (sends > 0 && is_blocked) {
        found(j->reading, FOUND_LOST, "blobs leave although state was lost");
    }
    uint8_t first[33];
    backup_node_id(0, first);
    if (is_blocked) judge_seal(j, first, LNKEEP_STATE_LOSS);
    judge_stranger(j, stranger);
}

void backup_judge(const struct reading *reading, struct parts *p) {
    struct judging j = {.reading = reading, .truth = &reading->truth->parts.backup, .p = p};
    j.report = (lnkeep_backup_report)LNKEEP_BACKUP_REPORT_INIT;
    lnkeep_status status = heard(backup_open_part(p, BACKUP_READ, &j.report));
    if (!is_done(reading, status, "the open of the backup")) return;
    judge_standing(&j);
    if (is_restored(reading)) return;
    judge_peers(&j);
    status = heard(backup_tell(p, PARTS_NOW_MS));
    if (!is_done(reading, status, "facts and a payload")) return;
    judge_meetings(&j);
    judge_due(&j);
}

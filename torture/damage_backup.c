/* The backup in the stores that are damaged: generations, shares, and state that was lost. */

#include "damage.h"

#include <string.h>

enum {
    PAYLOAD_BYTES = 150000, /* cut: 5 shares of 13 */
    WHOLE_BYTES = 3000,
    SPREAD_MS = 5000,
    RESEND_MS = 60000,
    BATCHES_MAX = 16,
    HEIGHT = 800000,
    LOST_NUMBERS = 1000,
};

#define FIRST_MS UINT64_C(1700000000000)
#define STAGE_MS UINT64_C(10000000)

static const uint8_t secret[32] = {11, 22, 33, 44, 55, 66, 77, 88, 99};

void backup_node_id(size_t peer, uint8_t node_id[33]) { part_node_id("keeper", peer, node_id); }

lnkeep_status backup_open_part(struct parts *p, uint8_t entropy, lnkeep_backup_report *report) {
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    options.flags = LNKEEP_BACKUP_HAS_ENTROPY;
    memset(options.entropy, entropy, sizeof options.entropy);
    return lnkeep_backup_open(p->store, secret, &options, &p->backup, report, NULL);
}

/* One more than keepers: a stranger, which holds what cannot be read. */
static size_t keepers(const struct parts *p) { return p->truth->backup.peers_len - 1; }

static lnkeep_status set_payload(struct parts *p) {
    static uint8_t bytes[PAYLOAD_BYTES];
    uint64_t seed = p->truth->backup.payload_seed;
    int is_whole = (p->truth->wanted & HAS_LOST_STATE) != 0;
    lnkeep_bytes payload = {bytes, is_whole ? WHOLE_BYTES : PAYLOAD_BYTES - seed};
    part_bytes((uint64_t)6 << 40 | seed, bytes, payload.len);
    return lnkeep_backup_set_payload(p->backup, payload, NULL);
}

/* What a host tells after each open: facts of the keepers, and the payload. */
lnkeep_status backup_tell(struct parts *p, uint64_t now_ms) {
    for (size_t peer = 0; peer < keepers(p); peer++) {
        uint8_t node_id[33], address[7] = {1, 10, (uint8_t)peer, 0, 1, 0x26, 0x07};
        lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
        backup_node_id(peer, node_id);
        facts.capacity_sat = 1000000;
        facts.channel_age_secs = 30 * 24 * 3600;
        facts.flags = LNKEEP_PEER_OPEN_CHANNEL | LNKEEP_PEER_ANNOUNCED;
        facts.address = (lnkeep_bytes){address, sizeof address};
        lnkeep_status status = lnkeep_backup_set_facts(p->backup, now_ms, node_id, &facts, NULL);
        if (status != LNKEEP_DONE) return status;
    }
    return set_payload(p);
}

/* A peer connects, and returns what it keeps, or nothing. */
static lnkeep_status greet(struct parts *p, size_t peer, uint64_t now_ms, int returns,
                           lnkeep_concluded *concluded) {
    const struct backup_truth *truth = &p->truth->backup;
    uint8_t node_id[33];
    backup_node_id(peer, node_id);
    lnkeep_bytes blob = {truth->kept[peer], truth->is_kept[peer] ? BACKUP_CLASS : 0};
    lnkeep_status status = lnkeep_backup_connected(p->backup, now_ms, node_id, 1, NULL);
    if (status != LNKEEP_DONE) return status;
    if (!returns) {
        return lnkeep_backup_reestablish_begun(p->backup, now_ms, node_id, concluded, NULL);
    }
    return lnkeep_backup_retrieval(p->backup, now_ms, node_id, blob, concluded, NULL, NULL);
}

lnkeep_status backup_meet(struct parts *p, size_t peer, uint64_t *concluded) {
    lnkeep_concluded found = LNKEEP_CONCLUDED_INIT;
    lnkeep_status status = greet(p, peer, PARTS_NOW_MS, peer % 2 == 0, &found);
    *concluded = (uint64_t)found.state << 32 | found.action;
    return status;
}

int backup_look_at_shares(struct backup_truth *truth, size_t peer, lnkeep_bytes blob,
                          int remembers) {
    uint8_t node_id[33];
    lnkeep_opened *opened = NULL;
    lnkeep_roster *roster = NULL;
    lnkeep_share_records *records = NULL;
    backup_node_id(peer, node_id);
    if (lnkeep_envelope_open(secret, node_id, blob, &opened, NULL) != LNKEEP_DONE) return 0;
    int is_right = 1, has_shares = opened->kind == 1;
    lnkeep_status status = lnkeep_roster_decode(opened->flags, opened->payload, &roster, NULL);
    if (status == LNKEEP_DONE && has_shares) {
        status = lnkeep_share_records_decode(roster->content, &records, NULL);
    }
    for (size_t i = 0; status == LNKEEP_DONE && has_shares && i < records->records_len; i++) {
        const uint8_t *at = (const uint8_t *)records->records + i * records->record_stride;
        const lnkeep_share_record *record = (const void *)at;
        uint64_t digest = part_digest(record->share.ptr, record->share.len);
        digest = digest_add(digest, record->object_sha256, sizeof record->object_sha256);
        size_t n = 0;
        while (n < truth->shares_len && (truth->shares[n].generation != record->generation ||
                                         truth->shares[n].index != record->index)) {
            n++;
        }
        if (n < truth->shares_len) is_right &= truth->shares[n].digest == digest;
        else if (!remembers) continue;
        else if (n == SHARES_KNOWN_MAX) is_right = 0;
        else {
            truth->shares[n] = (struct known_share){record->generation, digest, record->index};
            truth->shares_len++;
        }
    }
    lnkeep_share_records_free(records);
    lnkeep_roster_free(roster);
    lnkeep_opened_free(opened);
    return is_right && status == LNKEEP_DONE;
}

static size_t keeper_of(const struct parts *p, const uint8_t node_id[33]) {
    size_t peer = 0;
    uint8_t one[33];
    for (; peer < keepers(p); peer++) {
        backup_node_id(peer, one);
        if (memcmp(one, node_id, sizeof one) == 0) break;
    }
    return peer;
}

static lnkeep_status seal(struct parts *p, const uint8_t node_id[33], uint64_t now_ms) {
    struct backup_truth *truth = &p->truth->backup;
    lnkeep_buf *blob = NULL;
    size_t peer = keeper_of(p, node_id);
    lnkeep_status status =
        lnkeep_backup_seal(p->backup, now_ms, node_id, HEIGHT, &blob, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    memcpy(truth->kept[peer], blob->ptr, blob->len);
    truth->is_kept[peer] = 1;
    lnkeep_bytes bytes = {blob->ptr, blob->len};
    int is_right = backup_look_at_shares(truth, peer, bytes, 1);
    lnkeep_buf_free(blob);
    return is_right ? LNKEEP_DONE : LNKEEP_CONFLICT;
}

/* Seals for those that a tick names, `max` at most, and says how many these were. */
static lnkeep_status seal_due(struct parts *p, uint64_t now_ms, size_t max, size_t *sealed) {
    lnkeep_backup_actions *actions = NULL;
    lnkeep_status status = lnkeep_backup_tick(p->backup, now_ms, &actions, NULL);
    *sealed = 0;
    for (size_t i = 0; status == LNKEEP_DONE && i < actions->actions_len && *sealed < max; i++) {
        const uint8_t *at = (const uint8_t *)actions->actions + i * actions->action_stride;
        const lnkeep_backup_action *action = (const void *)at;
        if (action->action != LNKEEP_BACKUP_ACTION_SEND) continue;
        status = seal(p, action->node_id, now_ms);
        ++*sealed;
    }
    lnkeep_backup_actions_free(actions);
    return status;
}

static lnkeep_status everybody_returns(struct parts *p, uint64_t now_ms) {
    lnkeep_status status = LNKEEP_DONE;
    for (size_t peer = 0; peer < keepers(p) && status == LNKEEP_DONE; peer++) {
        lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
        uint8_t node_id[33];
        backup_node_id(peer, node_id);
        status = lnkeep_backup_disconnected(p->backup, node_id, NULL);
        if (status == LNKEEP_DONE) {
            status = greet(p, peer, now_ms, p->truth->backup.is_kept[peer], &concluded);
        }
    }
    return status;
}

/* A new payload goes to all keepers, batch after batch, and comes back. */
static lnkeep_status back_up(struct parts *p, uint64_t now_ms) {
    size_t sealed = 1;
    lnkeep_status status = LNKEEP_DONE;
    for (int batch = 0; batch < BATCHES_MAX && sealed > 0 && status == LNKEEP_DONE; batch++) {
        status = seal_due(p, now_ms, BACKUP_PEERS_MAX, &sealed);
        now_ms += SPREAD_MS;
    }
    if (status == LNKEEP_DONE) status = everybody_returns(p, now_ms + RESEND_MS);
    return status == LNKEEP_DONE ? seal_due(p, now_ms + RESEND_MS, 0, &sealed) : status;
}

static lnkeep_status meet_stranger(struct parts *p, uint64_t now_ms) {
    uint8_t node_id[33], garbage[600];
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    backup_node_id(keepers(p), node_id);
    part_bytes(7, garbage, sizeof garbage);
    lnkeep_bytes blob = {garbage, sizeof garbage};
    lnkeep_status status = lnkeep_backup_connected(p->backup, now_ms, node_id, 1, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_backup_retrieval(p->backup, now_ms, node_id, blob, &concluded, NULL, NULL);
}

/* A peer returns a blob of ours that this store never sealed. */
static lnkeep_status lose_state(struct parts *p, uint64_t now_ms) {
    uint8_t node_id[33], entropy[16] = {1};
    lnkeep_buf *blob = NULL;
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_status status = lnkeep_backup_read_standing(p->backup, &standing, NULL);
    header.seq = standing.next_seq + LOST_NUMBERS;
    memcpy(header.instance, standing.instance, sizeof header.instance);
    backup_node_id(1, node_id);
    lnkeep_bytes payload = {entropy, sizeof entropy};
    if (status == LNKEEP_DONE) {
        status = lnkeep_envelope_seal(secret, node_id, &header, payload, BACKUP_CLASS, entropy,
                                      &blob, NULL);
    }
    if (status != LNKEEP_DONE) return status;
    lnkeep_bytes bytes = {blob->ptr, blob->len};
    status = lnkeep_backup_retrieval(p->backup, now_ms, node_id, bytes, &concluded, NULL, NULL);
    lnkeep_buf_free(blob);
    int is_told = concluded.action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS;
    return status == LNKEEP_DONE && !is_told ? LNKEEP_CONFLICT : status;
}

lnkeep_status backup_fill(struct parts *p, unsigned stage) {
    struct backup_truth *truth = &p->truth->backup;
    uint64_t now_ms = FIRST_MS + stage * STAGE_MS;
    size_t sealed = 0;
    lnkeep_status status = LNKEEP_DONE;
    if (stage == 0) {
        truth->peers_len = p->truth->len < BACKUP_PEERS_MAX ? p->truth->len : BACKUP_PEERS_MAX;
    }
    truth->payload_seed = stage + 1;
    if (stage < 2) status = backup_open_part(p, BACKUP_MADE, NULL);
    if (status == LNKEEP_DONE) status = backup_tell(p, now_ms);
    if (status == LNKEEP_DONE && stage == 0) status = meet_stranger(p, now_ms);
    if (status == LNKEEP_DONE) status = everybody_returns(p, now_ms);
    if (status == LNKEEP_DONE && stage < 2) return back_up(p, now_ms + RESEND_MS);
    /* Of the last payload a few blobs leave, so that the generation before is the base. */
    if (status == LNKEEP_DONE) status = seal_due(p, now_ms + RESEND_MS, 3, &sealed);
    if (status == LNKEEP_DONE && sealed == 0) return LNKEEP_CONFLICT;
    int loses = (p->truth->wanted & HAS_LOST_STATE) != 0;
    return status == LNKEEP_DONE && loses ? lose_state(p, now_ms + RESEND_MS + 1) : status;
}

lnkeep_status backup_read_peers(struct parts *p, lnkeep_backup_peer *peers, size_t *len) {
    lnkeep_backup_peers *page = NULL;
    lnkeep_status status = lnkeep_backup_list(p->backup, NULL, 0, &page, NULL);
    *len = 0;
    if (status != LNKEEP_DONE) return status;
    for (; *len < page->peers_len && *len < BACKUP_PEERS_MAX; ++*len) {
        const uint8_t *at = (const uint8_t *)page->peers + *len * page->peer_stride;
        memcpy(&peers[*len], at, sizeof *peers);
    }
    lnkeep_backup_peers_free(page);
    return status;
}

static int learn_due(struct parts *p) {
    struct backup_truth *truth = &p->truth->backup;
    lnkeep_backup_actions *actions = NULL;
    if (backup_tell(p, PARTS_NOW_MS) != LNKEEP_DONE) return 1;
    for (size_t peer = 0; peer < BACKUP_MEETS; peer++) {
        if (backup_meet(p, peer, &truth->concluded[peer]) != LNKEEP_DONE) return 1;
    }
    if (lnkeep_backup_tick(p->backup, PARTS_NOW_MS, &actions, NULL) != LNKEEP_DONE) return 1;
    for (size_t i = 0; i < actions->actions_len && truth->due_len < BACKUP_PEERS_MAX; i++) {
        const uint8_t *at = (const uint8_t *)actions->actions + i * actions->action_stride;
        const lnkeep_backup_action *action = (const void *)at;
        if (action->action != LNKEEP_BACKUP_ACTION_SEND) continue;
        memcpy(truth->due[truth->due_len++], action->node_id, sizeof action->node_id);
    }
    lnkeep_backup_actions_free(actions);
    int loses = (p->truth->wanted & HAS_LOST_STATE) != 0;
    return (truth->due_len == 0) != loses;
}

int backup_learn(struct parts *p) {
    struct backup_truth *truth = &p->truth->backup;
    lnkeep_backup_report report = LNKEEP_BACKUP_REPORT_INIT;
    size_t peers_len = 0;
    int loses = (p->truth->wanted & HAS_LOST_STATE) != 0;
    if (backup_open_part(p, BACKUP_READ, &report) != LNKEEP_DONE) return 1;
    if (report.damaged != 0 || report.flags != (loses ? LNKEEP_BACKUP_BLOCKED : 0u)) return 2;
    truth->standing = (lnkeep_backup_standing)LNKEEP_BACKUP_STANDING_INIT;
    if (lnkeep_backup_read_standing(p->backup, &truth->standing, NULL) != LNKEEP_DONE) return 3;
    if (backup_read_peers(p, truth->peers, &peers_len) != LNKEEP_DONE) return 4;
    if (peers_len != truth->peers_len) return 5;
    if (!loses && (truth->standing.base_generation == 0 || truth->shares_len == 0)) return 6;
    return learn_due(p) ? 7 : 0;
}

/*
 * The host as a consumer: it seals its own data for peers, which keep what they were sent and
 * return it. The peers lie in memory that outlives the host.
 */

#include "life.h"

#include "common.h"

#include <string.h>

enum { ROUNDS_MAX = 6, JUMP_BEYOND = 5000, SEQUENCE_JUMP = 1 << 20 };

static struct consumer_ledger *ledger_of(const struct session *session) {
    return &session->life->ledger->consumer;
}

static uint64_t tell_time(struct session *session, unsigned at, unsigned offset_ms) {
    struct consumer_ledger *ledger = ledger_of(session);
    uint64_t now_ms = step_ms(at, offset_ms);
    if (ledger->now_ms < now_ms) ledger->now_ms = now_ms;
    return ledger->now_ms;
}

lnkeep_status consumer_known(struct session *session, unsigned peer, lnkeep_backup_peer *known) {
    lnkeep_backup_peers *page = NULL;
    *known = (lnkeep_backup_peer){.sent_seq = 0};
    lnkeep_status status = lnkeep_backup_list(session->consumer.backup, NULL, 0, &page, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < page->peers_len; i++) {
        const void *place = (const uint8_t *)page->peers + i * page->peer_stride;
        const lnkeep_backup_peer *entry = place;
        if (consumer_peer_of(entry->node_id) == peer) *known = *entry;
    }
    lnkeep_backup_peers_free(page);
    return session_judge(session, status, LNKEEP_DONE, "list", peer);
}

lnkeep_status consumer_standing(struct session *session, lnkeep_backup_standing *standing) {
    *standing = (lnkeep_backup_standing)LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_status status =
        lnkeep_backup_read_standing(session->consumer.backup, standing, NULL);
    return session_judge(session, status, LNKEEP_DONE, "read_standing", BACKUP_PEERS);
}

/* What the library calls restorable, durably: peers that keep what they returned restore it. */
static void note_secure(struct session *session, unsigned payload) {
    struct consumer_ledger *ledger = ledger_of(session);
    if (ledger->secure < payload) ledger->secure = (uint16_t)payload;
}

static void note_base(struct session *session) {
    lnkeep_backup_standing standing;
    lnkeep_status status = consumer_standing(session, &standing);
    if (status != LNKEEP_DONE || standing.base_generation == 0) return;
    note_secure(session, consumer_sealed(ledger_of(session), standing.base_generation)->payload);
}

/* A tick that comes a whole interval after a conclusion has made it durable, if not before. */
static void note_durable(struct session *session, uint64_t now_ms) {
    for (unsigned peer = 0; peer < BACKUP_PEERS; peer++) {
        uint64_t seq = session->consumer.returned[peer].seq;
        uint64_t from_ms = session->consumer.returned[peer].concluded_ms + BACKUP_INTERVAL_MS;
        if (seq == 0 || now_ms < from_ms) continue;
        struct keeper *keeper = &ledger_of(session)->peers[peer];
        if (keeper->committed_seq < seq) keeper->committed_seq = seq;
        if (peer < KEEPERS) {
            uint64_t journal = session->consumer.returned[peer].journal;
            struct consumer_ledger *ledger = ledger_of(session);
            note_secure(session, session->consumer.returned[peer].whole);
            if (ledger->secure_journal < journal) ledger->secure_journal = journal;
        }
        session->consumer.returned[peer].seq = 0;
    }
}

/* What is in a blob: a peer could not tell, who has the secret can. */
static void look_into(struct kept_blob *kept, unsigned peer) {
    enum { BASE_AT = 16, BASE_END = 24 };
    uint8_t node_id[33];
    lnkeep_opened *opened = NULL;
    lnkeep_bytes blob = {kept->bytes, BACKUP_BLOB_BYTES};
    consumer_node(peer, node_id);
    kept->is_journal = 0;
    kept->base = 0;
    lnkeep_status status =
        lnkeep_envelope_open(consumer_secret, node_id, blob, &opened, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_RESTORE, "the blob for peer %u: %s", peer, lnkeep_status_name(status));
    } else if (opened->kind == 2 && opened->payload.len >= BASE_END) {
        kept->is_journal = 1;
        for (unsigned i = BASE_AT; i < BASE_END; i++) {
            kept->base = kept->base << 8 | opened->payload.ptr[i];
        }
    }
    lnkeep_opened_free(opened);
}

/* The peer keeps what it was sent from here on, or takes it later. */
static void hand_over(struct consumer_ledger *ledger, unsigned peer, const uint8_t *bytes,
                      uint64_t seq, int is_delayed) {
    struct keeper *keeper = &ledger->peers[peer];
    int slot = keeper_free_slot(keeper);
    keeper->slots[slot].seq = seq;
    keeper->slots[slot].payload = ledger->payload;
    memcpy(keeper->slots[slot].bytes, bytes, BACKUP_BLOB_BYTES);
    look_into(&keeper->slots[slot], peer);
    if (is_delayed) {
        keeper->incoming = slot;
        return;
    }
    keeper->before = keeper->held;
    keeper->held = slot;
    keeper->incoming = -1;
}

static void note_left(struct session *session, unsigned peer, uint64_t seq, const lnkeep_buf *blob,
                      int is_delayed) {
    struct consumer_ledger *ledger = ledger_of(session);
    struct keeper *keeper = &ledger->peers[peer];
    struct sealed *sealed = consumer_sealed(ledger, seq);
    uint64_t digest = digest_add(DIGEST_START, blob->ptr, blob->len);
    if (seq <= ledger->seq_last || sealed->digest != 0) {
        finding(FOUND_NUMBER, "a blob for peer %u has number %llu; %llu had left already", peer,
                (unsigned long long)seq, (unsigned long long)ledger->seq_last);
    }
    if (blob->len != BACKUP_BLOB_BYTES) finding(FOUND_WRONG, "a blob of %zu bytes", blob->len);
    keeper->sent_seq = seq;
    session->consumer.peers[peer].sent_seq = seq;
    ledger->seq_last = seq;
    sealed->digest = digest;
    hand_over(ledger, peer, blob->ptr, seq, is_delayed);
}

/* The host of this control hands a blob out under the next number, and then has it counted. */
static void send_too_early(struct session *session, unsigned peer, uint64_t seq) {
    lnkeep_buf *blob = consumer_foreign(session->consumer.instance, peer, seq);
    struct consumer_ledger *ledger = ledger_of(session);
    hand_over(ledger, peer, blob->ptr, seq, 0);
    lnkeep_buf_free(blob);
}

static lnkeep_status seal_for(struct session *session, unsigned peer, uint64_t now_ms, unsigned at,
                              int is_delayed, lnkeep_status wanted) {
    uint8_t node_id[33];
    uint64_t seq = 0;
    lnkeep_buf *blob = NULL;
    struct consumer_ledger *ledger = ledger_of(session);
    lnkeep_backup_standing standing;
    lnkeep_status status = consumer_standing(session, &standing);
    if (status != LNKEEP_DONE) return status;
    uint64_t next_seq = standing.next_seq;
    /* Whatever becomes of the call, the number may be a generation's from here on. */
    struct sealed *sealed = consumer_sealed(ledger, next_seq);
    if (sealed->digest == 0) {
        sealed->payload = ledger->payload;
        sealed->htlcs = ledger->htlcs;
        sealed->htlcs_in_doubt = session->consumer.htlcs_in_doubt;
    }
    consumer_node(peer, node_id);
    int is_unsealed = session->life->control == CONTROL_UNSEALED && wanted == LNKEEP_DONE;
    if (is_unsealed) send_too_early(session, peer, next_seq);
    status = lnkeep_backup_seal(session->consumer.backup, now_ms, node_id, FIRST_HEIGHT + at, &blob,
                                &seq, NULL);
    if (status == LNKEEP_DONE) {
        if (wanted == LNKEEP_STATE_LOSS || wanted == LNKEEP_UNREADABLE) {
            finding(FOUND_ALARM, "a blob for peer %u was sealed, not answered %s", peer,
                    lnkeep_status_name(wanted));
        }
        note_left(session, peer, seq, blob, is_delayed && !is_unsealed);
        note_base(session);
    } else if (lnkeep_status_class(status) >= LNKEEP_CLASS_RETRY) {
        session->consumer.peers[peer].is_vague = 1;
    }
    lnkeep_buf_free(blob);
    return session_judge(session, status, wanted, "seal", peer);
}

/* One tick, and a blob for each peer that it names; *named is how many these were. */
static lnkeep_status tick_once(struct session *session, const struct op *op, unsigned at,
                               uint64_t now_ms, unsigned *named) {
    lnkeep_backup_actions *found = NULL;
    lnkeep_status status = lnkeep_backup_tick(session->consumer.backup, now_ms, &found, NULL);
    if (status != LNKEEP_DONE) return session_judge(session, status, LNKEEP_DONE, "tick", 0);
    consumer_check_failure(session, found->failure, "a tick");
    if (found->failure == 0) {
        note_durable(session, now_ms);
        note_base(session);
    }
    *named = 0;
    for (size_t i = 0; i < found->actions_len && status == LNKEEP_DONE; i++) {
        const void *place = (const uint8_t *)found->actions + i * found->action_stride;
        const lnkeep_backup_action *action = place;
        unsigned peer = consumer_peer_of(action->node_id);
        if (action->action != LNKEEP_BACKUP_ACTION_SEND || peer == BACKUP_PEERS) continue;
        struct consumer_ledger *ledger = ledger_of(session);
        if (ledger->peers[peer].is_protected == IS_PROTECTED || ledger->is_blocked) {
            finding(FOUND_ALARM, "peer %u is to be sent to: protected %u, blocked %u", peer,
                    ledger->peers[peer].is_protected, ledger->is_blocked);
        }
        int is_delayed = (op->seed + 5 * peer) % 3 == 1 && peer < KEEPERS;
        status = seal_for(session, peer, now_ms, at, is_delayed, LNKEEP_DONE);
        (*named)++;
    }
    lnkeep_backup_actions_free(found);
    return status;
}

/* Batch after batch, until nobody is due. */
static lnkeep_status tick_and_send(struct session *session, const struct op *op, unsigned at,
                                   unsigned offset_ms) {
    unsigned named = 1;
    lnkeep_status status = LNKEEP_DONE;
    for (unsigned round = 0; round < ROUNDS_MAX && named && status == LNKEEP_DONE; round++) {
        uint64_t now_ms = tell_time(session, at, offset_ms);
        status = tick_once(session, op, at, now_ms, &named);
        ledger_of(session)->now_ms += named ? BATCH_MS : 0;
    }
    return status;
}

/* --- Connections. */

static lnkeep_status greet(struct session *session, unsigned peer, uint64_t now_ms) {
    uint8_t node_id[33];
    lnkeep_backup backup = session->consumer.backup;
    consumer_node(peer, node_id);
    lnkeep_status status = lnkeep_backup_disconnected(backup, node_id, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_backup_connected(backup, now_ms, node_id, 1, NULL);
    return session_judge(session, status, LNKEEP_DONE, "connected", peer);
}

static lnkeep_status meet(struct session *session, struct meeting met, uint64_t now_ms) {
    lnkeep_status status = greet(session, met.peer, now_ms);
    return status == LNKEEP_DONE ? consumer_conclude(session, &met, now_ms) : status;
}

/* While it was away, a keeper took what it was sent, or lost it with what it had not written. */
static void settle_incoming(struct keeper *keeper, int is_dropped) {
    int slot = keeper->incoming;
    if (slot < 0) return;
    if (!is_dropped) {
        keeper->before = keeper->held;
        keeper->held = slot;
    }
    keeper->incoming = -1;
}

static lnkeep_status meet_liar(struct session *session, unsigned choice, uint64_t now_ms) {
    static const uint8_t what[] = {RETURNS_HELD,    RETURNS_HELD,    RETURNS_BEFORE, RETURNS_HELD,
                                   RETURNS_GARBAGE, RETURNS_NOTHING, RETURNS_HELD,   RETURNS_HELD};
    struct meeting met = {.peer = LIAR, .returns = (enum returns)what[choice % sizeof what]};
    return meet(session, met, now_ms);
}

static lnkeep_status call_meet(struct session *session, const struct op *op, unsigned at) {
    lnkeep_status status = LNKEEP_DONE;
    for (unsigned peer = 0; peer < KEEPERS && status == LNKEEP_DONE; peer++) {
        struct keeper *keeper = &ledger_of(session)->peers[peer];
        if (!(op->slot >> peer & 1)) continue;
        settle_incoming(keeper, op->seed % 4 != 2 && (op->seed + 3 * peer) % 4 == 0);
        struct meeting met = {.peer = peer, .returns = RETURNS_HELD};
        status = meet(session, met, tell_time(session, at, 0));
    }
    if (status == LNKEEP_DONE && op->payment % 2) {
        status = meet_liar(session, op->payment / 2u, tell_time(session, at, 0));
    }
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

static lnkeep_status call_liar(struct session *session, const struct op *op, unsigned at) {
    lnkeep_status status = meet_liar(session, op->seed, tell_time(session, at, 0));
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

/* Who holds what we cannot read is not sent to, whoever asks for it. */
static lnkeep_status call_stranger(struct session *session, const struct op *op, unsigned at) {
    const struct consumer_ledger *ledger = ledger_of(session);
    struct meeting met = {.peer = STRANGER, .returns = RETURNS_GARBAGE};
    uint64_t now_ms = tell_time(session, at, 0);
    lnkeep_status status = meet(session, met, now_ms);
    if (status == LNKEEP_DONE && ledger->peers[STRANGER].is_protected == IS_PROTECTED) {
        lnkeep_status wanted = ledger->is_blocked ? LNKEEP_STATE_LOSS : LNKEEP_UNREADABLE;
        status = seal_for(session, STRANGER, now_ms, at, 0, wanted);
    }
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

static lnkeep_status call_loss(struct session *session, const struct op *op, unsigned at) {
    static const uint8_t other_instance[16] = {0x0f, 0x0e};
    const struct consumer_ledger *ledger = ledger_of(session);
    struct meeting met = {.peer = FOREIGNER, .returns = RETURNS_FOREIGN};
    uint64_t now_ms = tell_time(session, at, 0);
    lnkeep_backup_standing standing;
    lnkeep_status status = consumer_standing(session, &standing);
    met.instance = op->seed % 2 ? other_instance : session->consumer.instance;
    met.foreign_seq = op->seed % 2 ? 7000u + op->seed : standing.next_seq + JUMP_BEYOND;
    if (status == LNKEEP_DONE) status = meet(session, met, now_ms);
    if (status == LNKEEP_DONE && ledger->is_blocked && ledger->payload) {
        status = seal_for(session, 0, now_ms, at, 0, LNKEEP_STATE_LOSS);
    }
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

/* --- What the operator allows. */

/* Answers whether it was in doubt before that sending is stopped. */
static int begin_lifting(struct consumer_ledger *ledger) {
    int was_in_doubt = ledger->is_block_in_doubt;
    if (ledger->is_blocked) ledger->is_block_in_doubt = 1;
    for (unsigned peer = 0; peer < BACKUP_PEERS; peer++) {
        struct keeper *keeper = &ledger->peers[peer];
        if (keeper->is_protected == IS_PROTECTED) keeper->is_protected = PROTECTION_LIFTED;
    }
    return was_in_doubt;
}

static void end_lifting(struct consumer_ledger *ledger, lnkeep_status status, int was_in_doubt) {
    int is_done = status >= LNKEEP_DONE;
    if (lnkeep_status_class(status) == LNKEEP_CLASS_UNKNOWN) return;
    if (is_done) ledger->is_blocked = 0;
    ledger->is_block_in_doubt = (uint8_t)(!is_done && was_in_doubt);
    for (unsigned peer = 0; peer < BACKUP_PEERS; peer++) {
        struct keeper *keeper = &ledger->peers[peer];
        if (is_done) keeper->is_protected = NOT_PROTECTED;
        else if (keeper->is_protected == PROTECTION_LIFTED) keeper->is_protected = IS_PROTECTED;
    }
}

/* Numbers go on far above any that was seen. */
static void check_next_seq(struct session *session, uint64_t least) {
    lnkeep_backup_standing standing;
    if (consumer_standing(session, &standing) != LNKEEP_DONE || standing.next_seq >= least) return;
    finding(FOUND_NUMBER, "the next number is %llu, at least %llu is right",
            (unsigned long long)standing.next_seq, (unsigned long long)least);
}

static lnkeep_status call_acknowledge(struct session *session, const struct op *op, unsigned at) {
    struct consumer_ledger *ledger = ledger_of(session);
    int was_blocked = ledger->is_blocked;
    tell_time(session, at, 0);
    int was_in_doubt = begin_lifting(ledger);
    lnkeep_status status = lnkeep_backup_acknowledge(session->consumer.backup, NULL);
    end_lifting(ledger, status, was_in_doubt);
    if (status == LNKEEP_DONE && was_blocked) {
        check_next_seq(session, ledger->foreign_seq + SEQUENCE_JUMP);
    }
    lnkeep_status wanted = status == LNKEEP_ALREADY ? status : LNKEEP_DONE;
    status = session_judge(session, status, wanted, "acknowledge", FOREIGNER);
    return status < LNKEEP_DONE ? status : tick_and_send(session, op, at, 100);
}

static lnkeep_status call_adopt(struct session *session, const struct op *op, unsigned at) {
    struct consumer_ledger *ledger = ledger_of(session);
    uint64_t greatest_seq = ledger->seq_last;
    if (greatest_seq < ledger->foreign_seq) greatest_seq = ledger->foreign_seq;
    if (greatest_seq == 0) return LNKEEP_DONE;
    struct restored restored = consumer_restore(ledger, 0, greatest_seq);
    tell_time(session, at, 0);
    int was_in_doubt = begin_lifting(ledger);
    lnkeep_status status =
        lnkeep_backup_adopt(session->consumer.backup, restored.seq_floor, NULL);
    end_lifting(ledger, status, was_in_doubt);
    if (status >= LNKEEP_DONE) {
        ledger->adopted_seq = restored.seq_floor;
        check_next_seq(session, restored.seq_floor + 1);
    }
    lnkeep_status wanted = status == LNKEEP_ALREADY ? status : LNKEEP_DONE;
    status = session_judge(session, status, wanted, "adopt", FOREIGNER);
    return status < LNKEEP_DONE ? status : tick_and_send(session, op, at, 100);
}

static lnkeep_status call_forget(struct session *session, unsigned at) {
    uint8_t node_id[33];
    struct keeper *stranger = &ledger_of(session)->peers[STRANGER];
    tell_time(session, at, 0);
    consumer_node(STRANGER, node_id);
    lnkeep_status status =
        lnkeep_backup_disconnected(session->consumer.backup, node_id, NULL);
    if (status != LNKEEP_DONE) return session_judge(session, status, LNKEEP_DONE, "forget", 0);
    lnkeep_backup_peer known;
    status = consumer_known(session, STRANGER, &known);
    if (status != LNKEEP_DONE) return status;
    int was_sent = known.sent_seq != 0;
    int was_protected = stranger->is_protected;
    if (was_protected && !was_sent) stranger->is_protected = PROTECTION_IN_DOUBT;
    status = lnkeep_backup_forget(session->consumer.backup, node_id, NULL);
    int is_in_doubt = lnkeep_status_class(status) == LNKEEP_CLASS_UNKNOWN;
    if (status >= LNKEEP_DONE) stranger->is_protected = NOT_PROTECTED;
    else if (!is_in_doubt) stranger->is_protected = (uint8_t)was_protected;
    lnkeep_status wanted = was_sent                   ? LNKEEP_CONFLICT
                           : status == LNKEEP_ALREADY ? status
                                                      : LNKEEP_DONE;
    status = session_judge(session, status, wanted, "forget", STRANGER);
    return status < LNKEEP_DONE ? status : LNKEEP_DONE;
}

static lnkeep_status call_htlc(struct session *session, const struct op *op, unsigned at) {
    struct consumer_ledger *ledger = ledger_of(session);
    unsigned number = op->seed % HTLCS;
    lnkeep_backup_htlc htlc = consumer_htlc(number);
    lnkeep_backup backup = session->consumer.backup;
    lnkeep_status status = LNKEEP_DONE, wanted = LNKEEP_DONE;
    uint64_t now_ms = tell_time(session, at, 0);
    if (op->slot) {
        ledger->htlcs |= 1u << number;
        if (!ledger->is_untold) status = lnkeep_backup_set_htlc(backup, now_ms, &htlc, NULL);
    } else {
        wanted = ledger->htlcs >> number & 1 ? LNKEEP_DONE : LNKEEP_ALREADY;
        ledger->htlcs &= ~(1u << number);
        status = lnkeep_backup_remove_htlc(backup, htlc.channel_id, 1, htlc.htlc_id, NULL);
        /* The call before may have been the one that removed it. */
        if (status == LNKEEP_ALREADY) wanted = status;
    }
    if (status < LNKEEP_DONE) session->consumer.htlcs_in_doubt |= 1u << number;
    status = session_judge(session, status, wanted, "an HTLC", number);
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

static lnkeep_status call_ready(struct session *session, const struct op *op, unsigned at) {
    uint8_t node_id[33];
    unsigned peer = op->payment % KEEPERS;
    consumer_node(peer, node_id);
    lnkeep_status status = lnkeep_backup_channel_ready(session->consumer.backup, node_id, NULL);
    status = session_judge(session, status, LNKEEP_DONE, "channel_ready", peer);
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

static lnkeep_status call_payload(struct session *session, const struct op *op, unsigned at) {
    struct consumer_ledger *ledger = ledger_of(session);
    if (ledger->payload < at + 1) ledger->payload = (uint16_t)(at + 1);
    /* Whoever keeps journals may be given a share in their place. */
    if (consumer_is_cut(ledger->payload)) {
        ledger->secure_journal = 0;
        for (unsigned i = 0; i < KEEPERS; i++) session->consumer.returned[i].journal = 0;
    }
    lnkeep_status status = lnkeep_backup_set_payload(session->consumer.backup,
                                                     consumer_payload(ledger->payload), NULL);
    status = session_judge(session, status, LNKEEP_DONE, "set_payload", 0);
    return status == LNKEEP_DONE ? tick_and_send(session, op, at, 100) : status;
}

lnkeep_status session_consume(struct session *session, const struct step *step, unsigned at) {
    const struct op *op = &step->ops[0];
    switch ((enum consumer_call)op->kind) {
    case CONSUMER_PAYLOAD: return call_payload(session, op, at);
    case CONSUMER_MEET: return call_meet(session, op, at);
    case CONSUMER_LIAR: return call_liar(session, op, at);
    case CONSUMER_STRANGER: return call_stranger(session, op, at);
    case CONSUMER_LOSS: return call_loss(session, op, at);
    case CONSUMER_ACKNOWLEDGE: return call_acknowledge(session, op, at);
    case CONSUMER_ADOPT: return call_adopt(session, op, at);
    case CONSUMER_FORGET: return call_forget(session, at);
    case CONSUMER_READY: return call_ready(session, op, at);
    case CONSUMER_HTLC: return call_htlc(session, op, at);
    }
    return LNKEEP_DONE;
}

/*
 * The host as a provider of peer storage: the calls that a step of the script makes. What is
 * promised is noted before a call as possible, and after its answer as certain, so that whenever
 * the host dies the ledger says what the disk may hold.
 */

#include "life.h"

#include "common.h"

#include <string.h>

enum { FIRST_MS = 1000000, STEP_MS = 7000, CALLS_MAX = 8 };

uint64_t step_ms(unsigned at, unsigned offset_ms) {
    return FIRST_MS + (uint64_t)at * STEP_MS + offset_ms;
}

static struct provider_ledger *ledger_of(const struct session *session) {
    return &session->life->ledger->provider;
}

/* The host's time never goes back, whichever life tells it. */
static uint64_t tell_time(struct session *session, unsigned at, unsigned offset_ms) {
    struct provider_ledger *ledger = ledger_of(session);
    uint64_t now_ms = step_ms(at, offset_ms);
    if (ledger->now_ms < now_ms) ledger->now_ms = now_ms;
    return ledger->now_ms;
}

lnkeep_status session_judge(const struct session *session, lnkeep_status given,
                            lnkeep_status wanted, const char *call, unsigned peer) {
    if (given == wanted) return LNKEEP_DONE;
    ledger_note(session->life->ledger, given);
    int is_excused = session->life->policy != POLICY_NONE &&
                     lnkeep_status_class(given) >= LNKEEP_CLASS_RETRY;
    if (is_excused) return given;
    finding(FOUND_WRONG, "%s for peer %u answered %s, not %s", call, peer,
            lnkeep_status_name(given), lnkeep_status_name(wanted));
    return LNKEEP_DONE;
}

static int may_fail(const struct session *session) {
    return session->life->policy != POLICY_NONE;
}

/* A write of what waits was tried and did not happen: it is tried again a cooldown later. */
static void note_failed_write(struct session *session, unsigned at, const char *call) {
    struct provider_peer *peer = &session->provider.peers[at];
    if (!may_fail(session)) finding(FOUND_WRONG, "%s did not write the blob of peer %u", call, at);
    peer->is_vague = 1;
}

static void note_write(struct session *session, unsigned at, uint64_t now_ms) {
    struct provider_peer *peer = &session->provider.peers[at];
    provider_wrote(peer, now_ms);
    promise_is(&ledger_of(session)->peers[at], peer->stored);
}

/* Every handle went or everything was synced: what waited is on the disk. */
void provider_is_flushed(struct session *session) {
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        if (session->provider.peers[at].waiting) {
            note_write(session, at, ledger_of(session)->now_ms);
        }
    }
}

static int fits_expectation(const struct session *session, unsigned at,
                            struct provider_answer wanted, lnkeep_status status,
                            const lnkeep_stored *stored) {
    if (status == wanted.status && stored->result == wanted.result) return 1;
    int was_due = wanted.result == LNKEEP_STORED_COMMITTED;
    int is_deferred = status == LNKEEP_DONE && stored->result == LNKEEP_STORED_DEFERRED;
    if (may_fail(session) && was_due && is_deferred && stored->failure != 0) return 1;
    /* Nobody knows whether a failed call before counts as a write. */
    return session->provider.peers[at].is_vague && status >= LNKEEP_DONE;
}

static void note_stored(struct session *session, unsigned at, unsigned version, uint64_t now_ms,
                        const lnkeep_stored *stored) {
    struct provider_peer *peer = &session->provider.peers[at];
    struct promise *promise = &ledger_of(session)->peers[at];
    provider_accepts(&session->provider, at, version, stored->result, now_ms);
    if (stored->failure != 0) peer->is_vague = 1;
    if (stored->result == LNKEEP_STORED_COMMITTED) promise_is(promise, version);
    int is_trusted = session->life->control == CONTROL_DEFERRED;
    if (is_trusted && stored->result == LNKEEP_STORED_DEFERRED) promise_is(promise, version);
}

/* A blob comes in. A refusal changes nothing, and its bytes never lie on the disk. */
static lnkeep_status store_blob(struct session *session, unsigned at, unsigned version,
                                uint64_t now_ms) {
    uint8_t node_id[33];
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    struct provider_peer *peer = &session->provider.peers[at];
    struct promise *promise = &ledger_of(session)->peers[at];
    struct provider_answer wanted = provider_expects(&session->provider, at, version, now_ms);
    int is_known = peer->stored == version || peer->waiting == version;
    provider_node(at, node_id);
    if (!is_known) promise_may_be(promise, version);
    lnkeep_status status = lnkeep_peer_storage_store(session->provider.storage, now_ms, node_id,
                                                     provider_blob(at, version), &stored, NULL);
    lnkeep_class class = lnkeep_status_class(status);
    if (class <= LNKEEP_CLASS_ALREADY) {
        if (!fits_expectation(session, at, wanted, status, &stored)) {
            finding(FOUND_WRONG, "a blob of peer %u: %s %u, not %s %u", at,
                    lnkeep_status_name(status), stored.result, lnkeep_status_name(wanted.status),
                    wanted.result);
        }
        note_stored(session, at, version, now_ms, &stored);
        return LNKEEP_DONE;
    }
    int is_in_doubt = class == LNKEEP_CLASS_UNKNOWN && session->life->control != CONTROL_UNKNOWN;
    if (!is_known && !is_in_doubt) promise_is_not(promise, version);
    if (status != wanted.status) peer->is_vague = 1;
    return session_judge(session, status, wanted.status, "store", at);
}

/* What list says of one peer; *is_listed is 0 when it says nothing. */
static lnkeep_peer_entry entry_of(struct session *session, unsigned at, int *is_listed) {
    lnkeep_peer_page *page = NULL;
    lnkeep_peer_entry found = {.flags = 0};
    *is_listed = 0;
    lnkeep_status status =
        lnkeep_peer_storage_list(session->provider.storage, NULL, 0, &page, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < page->peers_len; i++) {
        const void *place = (const uint8_t *)page->peers + i * page->peer_stride;
        const lnkeep_peer_entry *entry = place;
        if (provider_peer_of(entry->node_id) != at) continue;
        found = *entry;
        *is_listed = 1;
    }
    lnkeep_peer_page_free(page);
    return found;
}

/* A peer that is returned a blob takes it for confirmed: it was written first, if that was due. */
static void note_returned(struct session *session, unsigned at, uint64_t now_ms,
                          const lnkeep_buf *blob) {
    struct provider_peer *peer = &session->provider.peers[at];
    unsigned newest = provider_newest(peer);
    lnkeep_bytes wanted = provider_blob(at, newest);
    int is_right = !newest ? !blob
                           : blob && blob->len == wanted.len &&
                                 (blob->len == 0 || memcmp(blob->ptr, wanted.ptr, blob->len) == 0);
    if (!is_right) finding(FOUND_BLOB, "peer %u was returned another blob than %u", at, newest);
    int was_due = provider_is_due_at_disconnect(peer, now_ms), is_listed = 0;
    if (!peer->waiting) return;
    if (!was_due && !peer->is_vague) return;
    lnkeep_peer_entry entry = entry_of(session, at, &is_listed);
    if (!is_listed) peer->is_vague = 1;
    if (!is_listed) return;
    if (!(entry.flags & LNKEEP_PEER_PENDING)) note_write(session, at, now_ms);
    else if (was_due) note_failed_write(session, at, "connected");
}

static lnkeep_status call_connected(struct session *session, unsigned at, uint64_t now_ms) {
    uint8_t node_id[33];
    lnkeep_buf *blob = NULL;
    provider_node(at, node_id);
    lnkeep_status status =
        lnkeep_peer_storage_connected(session->provider.storage, now_ms, node_id, &blob, NULL);
    if (status == LNKEEP_DONE) note_returned(session, at, now_ms, blob);
    lnkeep_buf_free(blob);
    return session_judge(session, status, LNKEEP_DONE, "connected", at);
}

static lnkeep_status call_disconnected(struct session *session, unsigned at, uint64_t now_ms) {
    uint8_t node_id[33];
    struct provider_peer *peer = &session->provider.peers[at];
    int is_due = provider_is_due_at_disconnect(peer, now_ms), is_vague = peer->is_vague;
    provider_node(at, node_id);
    lnkeep_status status =
        lnkeep_peer_storage_disconnected(session->provider.storage, now_ms, node_id, NULL);
    if (status == LNKEEP_DONE && peer->waiting) note_write(session, at, now_ms);
    if (is_vague && status >= LNKEEP_DONE) return LNKEEP_DONE;
    if (lnkeep_status_class(status) >= LNKEEP_CLASS_RETRY) peer->is_vague = 1;
    lnkeep_status wanted = is_due ? LNKEEP_DONE : LNKEEP_ALREADY;
    return session_judge(session, status, wanted, "disconnected", at);
}

static int is_among(const lnkeep_node_ids *ids, unsigned at) {
    for (size_t i = 0; ids && i < ids->ids_len; i++) {
        if (provider_peer_of(ids->ids + 33 * i) == at) return 1;
    }
    return 0;
}

static lnkeep_status call_tick(struct session *session, uint64_t now_ms, uint32_t flags) {
    lnkeep_ticked ticked = LNKEEP_TICKED_INIT;
    lnkeep_node_ids *committed = NULL;
    lnkeep_status status = lnkeep_peer_storage_tick(session->provider.storage, now_ms, flags,
                                                    &ticked, &committed, NULL);
    for (unsigned at = 0; at < PROVIDER_PEERS && status == LNKEEP_DONE; at++) {
        struct provider_peer *peer = &session->provider.peers[at];
        int is_due = peer->waiting && (flags & LNKEEP_TICK_ALL || provider_is_due(peer, now_ms));
        int was_written = is_among(committed, at);
        if (was_written && !is_due && !peer->is_vague) {
            finding(FOUND_WRONG, "a tick wrote the blob of peer %u, which was not due", at);
        }
        if (was_written && peer->waiting) note_write(session, at, now_ms);
        else if (is_due && !peer->is_vague) note_failed_write(session, at, "a tick");
    }
    if (status == LNKEEP_DONE && ticked.failed != 0 && !may_fail(session)) {
        finding(FOUND_STATUS, "a tick failed for %llu peers: %s",
                (unsigned long long)ticked.failed, lnkeep_status_name(ticked.failure));
    }
    lnkeep_node_ids_free(committed);
    return session_judge(session, status, LNKEEP_DONE, "tick", PROVIDER_PEERS);
}

void provider_is_synced(struct session *session, lnkeep_status status) {
    if (status == LNKEEP_DONE) provider_is_flushed(session);
    for (unsigned at = 0; at < PROVIDER_PEERS && status != LNKEEP_DONE; at++) {
        session->provider.peers[at].is_vague = 1;
    }
}

static lnkeep_status call_sync(struct session *session) {
    lnkeep_status status = lnkeep_store_sync(session->store, NULL);
    provider_is_synced(session, status);
    return session_judge(session, status, LNKEEP_DONE, "sync", PROVIDER_PEERS);
}

/* The calls that lead from what was told to what the host knows; answers how many there are. */
static unsigned changes_between(unsigned told, unsigned known, uint32_t changes[2]) {
    static const uint32_t begins[] = {0, LNKEEP_CLAIM_PENDING_CHANNEL, LNKEEP_CLAIM_OPEN_CHANNEL,
                                      LNKEEP_CLAIM_ALLOWED};
    static const uint32_t ends[] = {0, LNKEEP_CLAIM_FAILED_CHANNEL, LNKEEP_CLAIM_CLOSED_CHANNEL,
                                    LNKEEP_CLAIM_DISALLOWED};
    unsigned len = 0;
    int is_opened = told == CLAIM_PENDING && known == CLAIM_OPEN;
    if (told == known) return 0;
    if (told != CLAIM_NONE && !is_opened) changes[len++] = ends[told];
    if (known != CLAIM_NONE) changes[len++] = begins[known];
    return len;
}

static lnkeep_status report_claim(struct session *session, unsigned at, unsigned known) {
    uint32_t changes[2];
    uint8_t node_id[33];
    struct provider_peer *peer = &session->provider.peers[at];
    struct promise *promise = &ledger_of(session)->peers[at];
    unsigned len = changes_between(peer->claim, known, changes);
    provider_node(at, node_id);
    promise->claim = (uint8_t)known;
    for (unsigned i = 0; i < len; i++) {
        uint32_t height = ledger_of(session)->height;
        int is_end = i + 1 < len || known == CLAIM_NONE;
        promise->closed_at = 0;
        lnkeep_status status = lnkeep_peer_storage_report_claim(session->provider.storage, node_id,
                                                                changes[i], height, NULL);
        if (status != LNKEEP_DONE) {
            return session_judge(session, status, LNKEEP_DONE, "report_claim", at);
        }
        peer->claim = (uint8_t)(is_end ? CLAIM_NONE : known);
        peer->closed_at = is_end && provider_newest(peer) ? height : 0;
        if (peer->stored) promise->closed_at = peer->closed_at;
    }
    return LNKEEP_DONE;
}

static void note_removed(struct session *session, unsigned at) {
    struct provider_peer *peer = &session->provider.peers[at];
    struct promise *promise = &ledger_of(session)->peers[at];
    promise->closed_at = 0;
    promise_is(promise, 0);
    *peer = (struct provider_peer){.claim = peer->claim};
}

/* What a call removed: exactly those that it had to, and nothing before its time. */
static void note_removals(struct session *session, unsigned wanted, const lnkeep_node_ids *ids,
                          const char *call) {
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        int was_removed = is_among(ids, at), is_wanted = wanted >> at & 1;
        if (was_removed && !is_wanted) {
            finding(FOUND_BLOB, "%s removed the blob of peer %u, which has to stay", call, at);
        }
        if (was_removed) note_removed(session, at);
        else if (is_wanted) promise_is_not(&ledger_of(session)->peers[at], 0);
        if (!was_removed && is_wanted && !may_fail(session)) {
            finding(FOUND_WRONG, "%s did not remove the blob of peer %u", call, at);
        }
    }
}

static lnkeep_status call_removing(struct session *session, const struct op *op) {
    uint8_t node_id[33];
    lnkeep_node_ids *ids = NULL;
    lnkeep_status status;
    unsigned wanted = 0, height = ledger_of(session)->height;
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        const struct provider_peer *peer = &session->provider.peers[at];
        int is_wanted = op->kind == PROVIDER_BLOCK   ? provider_is_collectable(peer, height)
                        : op->kind == PROVIDER_PRUNE ? at == op->payment && provider_newest(peer)
                                                     : provider_newest(peer) && !peer->claim;
        if (!is_wanted) continue;
        wanted |= 1u << at;
        promise_may_be(&ledger_of(session)->peers[at], 0);
    }
    lnkeep_peer_storage storage = session->provider.storage;
    provider_node(op->payment, node_id);
    if (op->kind == PROVIDER_BLOCK) {
        status = lnkeep_peer_storage_block_connected(storage, height, &ids, NULL);
    } else {
        const uint8_t *whose = op->kind == PROVIDER_PRUNE ? node_id : NULL;
        status = lnkeep_peer_storage_prune(storage, whose, &ids, NULL);
    }
    int is_in_doubt = lnkeep_status_class(status) == LNKEEP_CLASS_UNKNOWN;
    if (status == LNKEEP_DONE) note_removals(session, wanted, ids, "block or prune");
    for (unsigned at = 0; at < PROVIDER_PEERS && status != LNKEEP_DONE && !is_in_doubt; at++) {
        if (wanted >> at & 1) promise_is_not(&ledger_of(session)->peers[at], 0);
    }
    lnkeep_node_ids_free(ids);
    return session_judge(session, status, LNKEEP_DONE, "block or prune", op->payment);
}

/* Gone, there again, returned what is kept, and sent something new, as one peer does. */
static lnkeep_status call_meet(struct session *session, const struct op *op, unsigned at) {
    unsigned version = 2 * at + 2;
    lnkeep_status status = call_disconnected(session, op->payment, tell_time(session, at, 0));
    if (status == LNKEEP_DONE) {
        status = call_connected(session, op->payment, tell_time(session, at, 200));
    }
    if (status != LNKEEP_DONE || op->seed % 3 == 0) return status;
    return store_blob(session, op->payment, version, tell_time(session, at, 400));
}

/* Two blobs in a row; then the peer goes, a timer fires, or it is there anew. */
static lnkeep_status call_store(struct session *session, const struct op *op, unsigned at) {
    static const uint16_t apart_ms[] = {300, 50, 1200, 700};
    unsigned version = 2 * at + 1, peer = op->payment;
    lnkeep_status status = store_blob(session, peer, version, tell_time(session, at, 0));
    if (status != LNKEEP_DONE || op->seed % 8 == 7) return status;
    unsigned later_ms = apart_ms[op->seed % 4];
    unsigned next = op->seed % 8 == 6 ? version : version + 1;
    status = store_blob(session, peer, next, tell_time(session, at, later_ms));
    if (status != LNKEEP_DONE) return status;
    uint64_t last_ms = tell_time(session, at, later_ms + 900);
    switch (op->seed / 16 % 6) {
    case 0: return call_disconnected(session, peer, last_ms);
    case 1: return call_tick(session, last_ms, 0);
    case 2: return call_connected(session, peer, last_ms);
    case 3: return store_blob(session, peer, version, last_ms);
    default: return LNKEEP_DONE;
    }
}

/* The last handle writes what waits, as a sync does. */
static lnkeep_status call_close(struct session *session) {
    lnkeep_status status = lnkeep_peer_storage_close(&session->provider.storage, NULL);
    if (status == LNKEEP_DONE) provider_is_flushed(session);
    status = session_judge(session, status, LNKEEP_DONE, "close", PROVIDER_PEERS);
    return status == LNKEEP_DONE ? provider_open(session) : status;
}

lnkeep_status session_provide(struct session *session, const struct step *step, unsigned at) {
    const struct op *op = &step->ops[0];
    struct provider_ledger *ledger = ledger_of(session);
    uint64_t now_ms = tell_time(session, at, 0);
    if (ledger->height < FIRST_HEIGHT + at) ledger->height = FIRST_HEIGHT + at;
    switch ((enum provider_call)op->kind) {
    case PROVIDER_STORE: return call_store(session, op, at);
    case PROVIDER_MEET: return call_meet(session, op, at);
    case PROVIDER_CLAIM: return report_claim(session, op->payment, op->seed % 4);
    case PROVIDER_TICK: return call_tick(session, now_ms, op->seed % 4 ? 0 : LNKEEP_TICK_ALL);
    case PROVIDER_SYNC: return op->seed % 2 ? call_sync(session) : call_close(session);
    case PROVIDER_BLOCK:
    case PROVIDER_PRUNE:
    case PROVIDER_PRUNE_ALL: return call_removing(session, op);
    case PROVIDER_READ: return provider_check(session);
    }
    return LNKEEP_DONE;
}

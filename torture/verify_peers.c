/* What peer storage holds after an open: of each peer a blob that was promised, or a newer one. */

#include "common.h"
#include "life.h"

#include <string.h>

static struct provider_ledger *ledger_of(const struct session *session) {
    return &session->life->ledger->provider;
}

/* What is exported has to be one of those that the disk may hold: from here on it is that one. */
static lnkeep_status read_blob(struct session *session, unsigned at) {
    struct promise *promise = &ledger_of(session)->peers[at];
    uint8_t node_id[33];
    lnkeep_buf *blob = NULL;
    provider_node(at, node_id);
    lnkeep_status status =
        lnkeep_peer_storage_export(session->provider.storage, node_id, &blob, NULL);
    if (status == LNKEEP_DONE) {
        int version = promise_find(promise, at, blob);
        if (version < 0) {
            finding(FOUND_BLOB, "peer %u: %zu bytes are none of the %u blobs that may be kept", at,
                    blob ? blob->len : 0, promise->len);
            version = 0;
        }
        promise_is(promise, (unsigned)version);
        session->provider.peers[at].stored = (uint16_t)version;
    } else if (lnkeep_status_class(status) == LNKEEP_CLASS_REFUSED) {
        finding(FOUND_BLOB, "peer %u: export answered %s", at, lnkeep_status_name(status));
    }
    lnkeep_buf_free(blob);
    return session_judge(session, status, LNKEEP_DONE, "export", at);
}

/* The list, its sums and the figures agree with each blob. */
static void check_entry(struct session *session, unsigned at, const lnkeep_peer_entry *entry) {
    const struct provider_peer *peer = &session->provider.peers[at];
    lnkeep_bytes wanted = provider_blob(at, provider_newest(peer));
    int is_waiting = (entry->flags & LNKEEP_PEER_PENDING) != 0;
    int is_ended = (entry->flags & LNKEEP_PEER_HAS_CLOSED_AT) != 0;
    uint32_t closed_at = is_ended ? entry->closed_at : 0;
    uint8_t hash[32];
    int is_right = entry->blob_bytes == wanted.len && !(entry->flags & LNKEEP_PEER_DAMAGED);
    if (wanted.len <= 55) {
        sha256(wanted.ptr, wanted.len, hash);
        is_right &= memcmp(hash, entry->sha256, sizeof hash) == 0;
    }
    if (!is_right) finding(FOUND_BLOB, "peer %u: its record is of another blob", at);
    if (!peer->is_vague && is_waiting != (peer->waiting != 0)) {
        finding(FOUND_WRONG, "peer %u: its blob waits %d, not %d", at, is_waiting,
                peer->waiting != 0);
    }
    if (closed_at != peer->closed_at) {
        finding(FOUND_WRONG, "peer %u: the last claim ended at %u, not %u", at, closed_at,
                peer->closed_at);
    }
}

lnkeep_status provider_check(struct session *session) {
    lnkeep_peer_storage_stats stats = LNKEEP_PEER_STORAGE_STATS_INIT;
    lnkeep_peer_page *page = NULL;
    lnkeep_peer_storage storage = session->provider.storage;
    unsigned peers = 0, listed = 0;
    uint64_t bytes = 0;
    lnkeep_status status = lnkeep_peer_storage_list(storage, NULL, 0, &page, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < page->peers_len; i++) {
        const void *place = (const uint8_t *)page->peers + i * page->peer_stride;
        const lnkeep_peer_entry *entry = place;
        unsigned at = provider_peer_of(entry->node_id);
        if (at < PROVIDER_PEERS) check_entry(session, at, entry);
        listed++;
        bytes += entry->blob_bytes;
    }
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        peers += provider_newest(&session->provider.peers[at]) != 0;
    }
    lnkeep_peer_page_free(page);
    if (status == LNKEEP_DONE) status = lnkeep_peer_storage_read_stats(storage, &stats, NULL);
    status = session_judge(session, status, LNKEEP_DONE, "list", PROVIDER_PEERS);
    if (status != LNKEEP_DONE) return status;
    if (listed != peers || stats.peers != peers || stats.bytes != bytes || stats.damaged != 0) {
        finding(FOUND_BLOB, "%u peers are listed and %llu counted, with %llu of %llu bytes; not %u",
                listed, (unsigned long long)stats.peers, (unsigned long long)stats.bytes,
                (unsigned long long)bytes, peers);
    }
    return status;
}

/* The heights at which claims ended, as the open storage has them now. */
static lnkeep_status take_ends(struct session *session) {
    lnkeep_peer_page *page = NULL;
    lnkeep_status status =
        lnkeep_peer_storage_list(session->provider.storage, NULL, 0, &page, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < page->peers_len; i++) {
        const void *place = (const uint8_t *)page->peers + i * page->peer_stride;
        const lnkeep_peer_entry *entry = place;
        unsigned at = provider_peer_of(entry->node_id);
        if (at == PROVIDER_PEERS) continue;
        struct provider_peer *peer = &session->provider.peers[at];
        struct promise *promise = &ledger_of(session)->peers[at];
        int is_ended = (entry->flags & LNKEEP_PEER_HAS_CLOSED_AT) != 0;
        peer->closed_at = is_ended ? entry->closed_at : 0;
        if (is_ended != (peer->claim == CLAIM_NONE)) {
            finding(FOUND_WRONG, "peer %u, claim %u: an end of claims %d", at, peer->claim,
                    is_ended);
        }
        if (peer->claim == CLAIM_NONE && promise->closed_at &&
            peer->closed_at != promise->closed_at) {
            finding(FOUND_BLOB, "peer %u: the last claim ended at %u, which was reported as %u", at,
                    peer->closed_at, promise->closed_at);
        }
        promise->closed_at = peer->closed_at;
    }
    lnkeep_peer_page_free(page);
    return session_judge(session, status, LNKEEP_DONE, "list", PROVIDER_PEERS);
}

static lnkeep_status tell_claims(struct session *session) {
    lnkeep_peer_claims claims[PROVIDER_PEERS];
    size_t len = 0;
    memset(claims, 0, sizeof claims);
    for (unsigned at = 0; at < PROVIDER_PEERS; at++) {
        unsigned claim = ledger_of(session)->peers[at].claim;
        session->provider.peers[at].claim = (uint8_t)claim;
        if (claim == CLAIM_NONE) continue;
        provider_node(at, claims[len].node_id);
        claims[len].open_channels = claim == CLAIM_OPEN;
        claims[len].pending_channels = claim == CLAIM_PENDING;
        claims[len].flags = claim == CLAIM_ALLOWED ? LNKEEP_PEER_ALLOWED : 0;
        len++;
    }
    return lnkeep_peer_storage_claims_complete(session->provider.storage, claims, len,
                                               ledger_of(session)->height, NULL);
}

lnkeep_status provider_open(struct session *session) {
    struct provider *provider = &session->provider;
    lnkeep_peer_storage_options options = LNKEEP_PEER_STORAGE_OPTIONS_INIT;
    lnkeep_peer_storage_report report = LNKEEP_PEER_STORAGE_REPORT_INIT;
    options.peers_max = WITH_BLOB_MAX;
    options.total_bytes_max = KEPT_BYTES_MAX;
    options.without_channel_percent = 50;
    options.blob_bytes_max = ACCEPTED_BLOB_MAX;
    options.pending_bytes_max = WAITING_MAX;
    options.retention_blocks = RETENTION_BLOCKS;
    memset(provider, 0, sizeof *provider);
    lnkeep_status status =
        lnkeep_peer_storage_open(session->store, &options, &provider->storage, &report, NULL);
    if (status != LNKEEP_DONE) return status;
    if (report.damaged != 0) finding(FOUND_BLOB, "the open of peer storage found damage");
    /* Before all claims are told everybody would look unclaimed. */
    uint32_t height = ledger_of(session)->height;
    status = lnkeep_peer_storage_block_connected(provider->storage, height, NULL, NULL);
    status = session_judge(session, status, LNKEEP_CLAIMS_INCOMPLETE, "block", PROVIDER_PEERS);
    for (unsigned at = 0; at < PROVIDER_PEERS && status == LNKEEP_DONE; at++) {
        status = read_blob(session, at);
    }
    if (status == LNKEEP_DONE) status = tell_claims(session);
    if (status == LNKEEP_DONE) status = take_ends(session);
    return status == LNKEEP_DONE ? provider_check(session) : status;
}

/* What a host does with its peers after a restart: each is returned what it was promised. */
void provider_meet_all(struct session *session, unsigned at) {
    for (unsigned peer = 0; peer < PROVIDER_PEERS; peer++) {
        struct step meet = {STEP_PROVIDE, 1, {{PROVIDER_MEET, 1, (uint8_t)peer, 0}}};
        session_provide(session, &meet, at + peer);
    }
    struct step sync = {STEP_PROVIDE, 1, {{PROVIDER_SYNC, 1, 0, 0}}};
    session_provide(session, &sync, at + PROVIDER_PEERS);
    provider_check(session);
}

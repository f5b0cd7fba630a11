/* What a provider of peer storage has to answer, plainly, and what it promised of each blob. */

#include "peers.h"

#include "common.h"

#include <string.h>

enum { COOLDOWN_MS = 1000, COOLDOWN_WITHOUT_MS = 60000, DISCONNECT_MS = 100, SHARE_PERCENT = 50 };

void provider_node(unsigned peer, uint8_t node_id[33]) {
    memset(node_id, 0xb0 + (int)peer, 33);
    node_id[0] = 2;
}

unsigned provider_peer_of(const uint8_t *node_id) {
    uint8_t known[33];
    unsigned peer = 0;
    for (; peer < PROVIDER_PEERS; peer++) {
        provider_node(peer, known);
        if (memcmp(node_id, known, sizeof known) == 0) break;
    }
    return peer;
}

static size_t blob_len(unsigned peer, unsigned version) {
    static const uint16_t lens[] = {40, 300, 55, 900, 0, 300, 1500, 700};
    return version ? lens[chance_seed(peer, version) % (sizeof lens / sizeof lens[0])] : 0;
}

lnkeep_bytes provider_blob(unsigned peer, unsigned version) {
    static uint8_t bytes[PROVIDER_BLOB_MAX];
    uint64_t chance = chance_seed(peer + 100, version);
    size_t len = blob_len(peer, version);
    chance_fill(&chance, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

void provider_begin(struct provider_ledger *ledger) {
    for (unsigned peer = 0; peer < PROVIDER_PEERS; peer++) ledger->peers[peer].len = 1;
}

void promise_may_be(struct promise *promise, unsigned version) {
    if (promise->len == POSSIBLE_MAX) give_up("a blob may be one of too many");
    promise->possible[promise->len] = (uint16_t)version;
    promise->len++;
}

/* In an order in which a kill between two lines leaves the version among the possible ones. */
void promise_is(struct promise *promise, unsigned version) {
    promise_may_be(promise, version);
    promise->possible[0] = (uint16_t)version;
    promise->len = 1;
}

void promise_is_not(struct promise *promise, unsigned version) {
    unsigned last = promise->len - 1;
    if (promise->len > 1 && promise->possible[last] == version) promise->len = last;
}

int promise_find(const struct promise *promise, unsigned peer, const lnkeep_buf *blob) {
    for (unsigned i = promise->len; i-- > 0;) {
        unsigned version = promise->possible[i];
        if (!blob != !version) continue;
        if (!blob) return 0;
        lnkeep_bytes wanted = provider_blob(peer, version);
        if (blob->len != wanted.len) continue;
        if (blob->len == 0 || memcmp(blob->ptr, wanted.ptr, blob->len) == 0) return (int)version;
    }
    return -1;
}

unsigned provider_newest(const struct provider_peer *peer) {
    return peer->waiting ? peer->waiting : peer->stored;
}

static int has_channel(const struct provider_peer *peer) { return peer->claim == CLAIM_OPEN; }

static uint64_t due_ms(const struct provider_peer *peer) {
    uint64_t cooldown_ms = has_channel(peer) ? COOLDOWN_MS : COOLDOWN_WITHOUT_MS;
    return peer->was_written ? peer->written_ms + cooldown_ms : 0;
}

int provider_is_due(const struct provider_peer *peer, uint64_t now_ms) {
    return peer->waiting && now_ms >= due_ms(peer);
}

int provider_is_due_at_disconnect(const struct provider_peer *peer, uint64_t now_ms) {
    uint64_t longer_ms = has_channel(peer) ? 0 : COOLDOWN_WITHOUT_MS - COOLDOWN_MS;
    uint64_t from_ms = peer->was_written ? peer->written_ms + DISCONNECT_MS + longer_ms : 0;
    return peer->waiting && now_ms >= from_ms;
}

int provider_is_collectable(const struct provider_peer *peer, uint32_t height) {
    int is_over = peer->closed_at && height >= peer->closed_at + RETENTION_BLOCKS;
    return provider_newest(peer) && peer->claim == CLAIM_NONE && is_over;
}

struct held {
    uint64_t peers, peers_without, bytes, bytes_without, waiting_bytes;
};

static struct held sum_up(const struct provider *provider, unsigned but) {
    struct held sums = {0};
    for (unsigned i = 0; i < PROVIDER_PEERS; i++) {
        const struct provider_peer *peer = &provider->peers[i];
        if (i == but || !provider_newest(peer)) continue;
        uint64_t bytes = blob_len(i, provider_newest(peer));
        sums.peers++;
        sums.bytes += bytes;
        sums.peers_without += !has_channel(peer);
        sums.bytes_without += has_channel(peer) ? 0 : bytes;
        sums.waiting_bytes += peer->waiting ? blob_len(i, peer->waiting) : 0;
    }
    return sums;
}

static lnkeep_status refusal(const struct provider *provider, unsigned at, uint64_t bytes) {
    const struct provider_peer *peer = &provider->peers[at];
    struct held others = sum_up(provider, at);
    unsigned newest = provider_newest(peer);
    int is_without = !has_channel(peer), grows = !newest || bytes > blob_len(at, newest);
    if (peer->claim == CLAIM_NONE) return LNKEEP_NO_CLAIM;
    if (bytes > ACCEPTED_BLOB_MAX) return LNKEEP_TOO_BIG;
    if (!newest && others.peers >= WITH_BLOB_MAX) return LNKEEP_QUOTA_PEERS;
    if (!newest && is_without && others.peers_without >= WITH_BLOB_MAX * SHARE_PERCENT / 100) {
        return LNKEEP_QUOTA_PEERS;
    }
    if (others.bytes + bytes > KEPT_BYTES_MAX) return LNKEEP_QUOTA_TOTAL;
    uint64_t share = KEPT_BYTES_MAX * SHARE_PERCENT / 100;
    if (grows && is_without && others.bytes_without + bytes > share) return LNKEEP_QUOTA_TOTAL;
    return LNKEEP_DONE;
}

static int are_equal(unsigned peer, unsigned one, unsigned other) {
    int are_empty = one && other && blob_len(peer, one) == 0 && blob_len(peer, other) == 0;
    return one == other || are_empty;
}

struct provider_answer provider_expects(const struct provider *provider, unsigned at,
                                        unsigned version, uint64_t now_ms) {
    const struct provider_peer *peer = &provider->peers[at];
    uint64_t bytes = blob_len(at, version);
    struct provider_answer answer = {refusal(provider, at, bytes), 0};
    if (answer.status != LNKEEP_DONE) return answer;
    int is_due = now_ms >= due_ms(peer);
    int is_stored = peer->stored && are_equal(at, peer->stored, version);
    int waits = !is_due && peer->waiting && are_equal(at, peer->waiting, version);
    if (is_stored || waits) {
        return (struct provider_answer){LNKEEP_ALREADY, LNKEEP_STORED_UNCHANGED};
    }
    if (is_due) return (struct provider_answer){LNKEEP_DONE, LNKEEP_STORED_COMMITTED};
    uint64_t after = sum_up(provider, at).waiting_bytes + bytes;
    if (bytes && after > WAITING_MAX) return (struct provider_answer){LNKEEP_BUSY, 0};
    return (struct provider_answer){LNKEEP_DONE, LNKEEP_STORED_DEFERRED};
}

void provider_wrote(struct provider_peer *peer, uint64_t now_ms) {
    peer->stored = peer->waiting;
    peer->waiting = 0;
    peer->was_written = 1;
    peer->written_ms = now_ms;
    peer->is_vague = 0;
}

void provider_accepts(struct provider *provider, unsigned at, unsigned version, uint32_t result,
                      uint64_t now_ms) {
    struct provider_peer *peer = &provider->peers[at];
    if (result == LNKEEP_STORED_UNCHANGED) {
        if (peer->stored && are_equal(at, peer->stored, version)) peer->waiting = 0;
        return;
    }
    peer->waiting = (uint16_t)version;
    if (result == LNKEEP_STORED_COMMITTED) provider_wrote(peer, now_ms);
}

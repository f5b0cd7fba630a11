/* Peer storage in the stores that are damaged: blobs of other nodes, and the answers about them. */

#include "damage.h"

#include <string.h>

enum {
    BLOB_BYTES_MAX = 65531,
    LONG_EVERY = 11, /* so many peers apart, a blob is as long as a message allows */
    SHORT_BYTES = 2500,
    RETENTION_BLOCKS = 2016,
    PAGE = 20,
};

#define FIRST_MS UINT64_C(1700000000000)
#define STAGE_MS UINT64_C(600000)
#define COOLDOWN_MS UINT64_C(61000)

lnkeep_bytes peers_blob(size_t peer, unsigned version) {
    static uint8_t bytes[BLOB_BYTES_MAX];
    size_t len = peer % LONG_EVERY == 4 ? BLOB_BYTES_MAX : (peer * 97 + version * 31) % SHORT_BYTES;
    if (peer == 7) len = 0;
    part_bytes((uint64_t)5 << 40 | peer << 8 | version, bytes, len);
    return (lnkeep_bytes){bytes, len};
}

/* One in five loses its channel at the second stage: its blob stays for a while. */
int peers_has_claim(size_t peer, unsigned stage) { return stage == 0 || peer % 5 != 3; }

lnkeep_status peers_tell_claims(struct parts *p, unsigned stage) {
    const struct peers_truth *truth = &p->truth->peers;
    lnkeep_peer_claims claims[STORAGE_PEERS_MAX];
    size_t len = 0;
    memset(claims, 0, sizeof claims);
    for (size_t peer = 0; peer < truth->peers_len; peer++) {
        if (!peers_has_claim(peer, stage)) continue;
        memcpy(claims[len].node_id, truth->peers[peer].node_id, sizeof claims[len].node_id);
        claims[len++].open_channels = 1;
    }
    /* Where the mark of an end is lost, the retention begins anew at this height. */
    uint32_t height = stage < 2 ? PEERS_CLOSED_AT - 10 : PEERS_CLOSED_AT + STORAGE_PEERS_MAX;
    return lnkeep_peer_storage_claims_complete(p->peers, claims, len, height, NULL);
}

static lnkeep_status store(struct parts *p, size_t peer, uint64_t now_ms) {
    struct known_peer *known = &p->truth->peers.peers[peer];
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    lnkeep_bytes blob = peers_blob(peer, ++known->version);
    known->blob = part_digest(blob.ptr, blob.len);
    known->blob_len = blob.len;
    lnkeep_status status =
        lnkeep_peer_storage_store(p->peers, now_ms, known->node_id, blob, &stored, NULL);
    return status == LNKEEP_ALREADY ? LNKEEP_DONE : status;
}

lnkeep_status peers_fill(struct parts *p, unsigned stage) {
    struct peers_truth *truth = &p->truth->peers;
    uint64_t now_ms = FIRST_MS + stage * STAGE_MS;
    lnkeep_status status = LNKEEP_DONE;
    if (stage == 0) {
        for (; truth->peers_len < p->truth->len; truth->peers_len++) {
            part_node_id("peer", truth->peers_len, truth->peers[truth->peers_len].node_id);
        }
    }
    if (stage < 2) status = lnkeep_peer_storage_open(p->store, NULL, &p->peers, NULL, NULL);
    if (status == LNKEEP_DONE && stage < 2) status = peers_tell_claims(p, 0);
    for (size_t peer = 0; peer < truth->peers_len && status == LNKEEP_DONE; peer++) {
        /* The last stage changes a few, each in a commit of its own. */
        int changes = stage == 0 || (stage == 1 ? peer % 2 == 0 : peer % 4 == 0);
        if (changes && (stage < 2 || peers_has_claim(peer, stage))) {
            status = store(p, peer, now_ms + (stage == 2 ? COOLDOWN_MS : 0));
        }
        if (stage != 1 || peers_has_claim(peer, 1) || status != LNKEEP_DONE) continue;
        status = lnkeep_peer_storage_report_claim(p->peers, truth->peers[peer].node_id,
                                                  LNKEEP_CLAIM_CLOSED_CHANNEL,
                                                  PEERS_CLOSED_AT + (uint32_t)peer, NULL);
    }
    return status;
}

/* --- Reading. */

/* Calls `each` for every peer that is listed. */
static lnkeep_status each_listed(struct parts *p,
                                 void (*each)(void *context, const lnkeep_peer_entry *entry),
                                 void *context) {
    uint8_t after[33];
    size_t len = PAGE;
    for (int is_first = 1; len == PAGE; is_first = 0) {
        lnkeep_peer_page *page = NULL;
        lnkeep_status status =
            lnkeep_peer_storage_list(p->peers, is_first ? NULL : after, PAGE, &page, NULL);
        if (status != LNKEEP_DONE) return status;
        len = page->peers_len;
        for (size_t i = 0; i < len; i++) {
            const uint8_t *at = (const uint8_t *)page->peers + i * page->peer_stride;
            const lnkeep_peer_entry *entry = (const void *)at;
            memcpy(after, entry->node_id, sizeof after);
            each(context, entry);
        }
        lnkeep_peer_page_free(page);
    }
    return LNKEEP_DONE;
}

static size_t number_of(const struct peers_truth *truth, const uint8_t node_id[33]) {
    size_t peer = 0;
    while (peer < truth->peers_len && memcmp(truth->peers[peer].node_id, node_id, 33) != 0) peer++;
    return peer;
}

static void learn_entry(void *context, const lnkeep_peer_entry *entry) {
    struct peers_truth *truth = context;
    size_t peer = number_of(truth, entry->node_id);
    if (peer < truth->peers_len) truth->peers[peer].entry = *entry;
}

/* The blob that a peer is returned; NULL is also the answer where nothing is kept. */
static lnkeep_status returned(struct parts *p, size_t peer, lnkeep_buf **blob) {
    const uint8_t *node_id = p->truth->peers.peers[peer].node_id;
    *blob = NULL;
    return lnkeep_peer_storage_connected(p->peers, PARTS_NOW_MS, node_id, blob, NULL);
}

int peers_learn(struct parts *p) {
    struct peers_truth *truth = &p->truth->peers;
    lnkeep_peer_storage_report report = LNKEEP_PEER_STORAGE_REPORT_INIT;
    if (lnkeep_peer_storage_open(p->store, NULL, &p->peers, &report, NULL) != LNKEEP_DONE) return 1;
    if (report.damaged != 0 || report.peers != truth->peers_len) return 2;
    if (each_listed(p, learn_entry, truth) != LNKEEP_DONE) return 3;
    for (size_t peer = 0; peer < truth->peers_len; peer++) {
        struct known_peer *known = &truth->peers[peer];
        lnkeep_buf *blob = NULL;
        lnkeep_bytes wanted = peers_blob(peer, known->version);
        if (returned(p, peer, &blob) != LNKEEP_DONE || !blob) return 4;
        int is_right = blob->len == wanted.len && memcmp(blob->ptr, wanted.ptr, wanted.len) == 0;
        int is_closed = (known->entry.flags & LNKEEP_PEER_HAS_CLOSED_AT) != 0;
        lnkeep_buf_free(blob);
        if (!is_right || known->entry.blob_bytes != known->blob_len) return 5;
        if (is_closed != !peers_has_claim(peer, 2)) return 6;
    }
    return 0;
}

/* --- Judging. */

struct judging {
    const struct reading *reading;
    const struct peers_truth *truth;
    struct parts *p;
    lnkeep_peer_storage_report report;
    int is_listed[STORAGE_PEERS_MAX], is_damaged[STORAGE_PEERS_MAX];
};

static void judge_entry(void *context, const lnkeep_peer_entry *entry) {
    struct judging *j = context;
    size_t peer = number_of(j->truth, entry->node_id);
    if (peer == j->truth->peers_len) {
        if (j->report.damaged) report_damage(j->reading);
        else found(j->reading, FOUND_WRONG, "a peer is listed that never stored anything");
        return;
    }
    const lnkeep_peer_entry *was = &j->truth->peers[peer].entry;
    j->is_listed[peer] = 1;
    if (memcmp(entry, was, sizeof *entry) == 0) return;
    if (j->report.damaged == 0 && !(entry->flags & LNKEEP_PEER_DAMAGED)) {
        found(j->reading, FOUND_WRONG, "peer %zu has another record", peer);
        return;
    }
    report_damage(j->reading);
    if (entry->flags & LNKEEP_PEER_DAMAGED) return;
    /* Its record was made anew: counts and times are gone, and the collection begins anew. */
    int is_anew = entry->updates == 0 && entry->commits == 0 && entry->committed_ms == 0 &&
                  !(entry->flags & LNKEEP_PEER_HAS_CLOSED_AT);
    if (!is_anew || memcmp(entry->sha256, was->sha256, sizeof was->sha256) != 0 ||
        entry->blob_bytes != was->blob_bytes) {
        found(j->reading, FOUND_WRONG, "peer %zu has a record of another blob", peer);
    }
}

static void judge_blob(struct judging *j, size_t peer) {
    const struct known_peer *known = &j->truth->peers[peer];
    lnkeep_buf *blob = NULL;
    lnkeep_status status = heard(returned(j->p, peer, &blob));
    if (may_report(status)) {
        report_damage(j->reading);
        j->is_damaged[peer] = 1;
    } else if (status != LNKEEP_DONE) {
        found(j->reading, FOUND_STATUS, "peer %zu is returned %s", peer,
              lnkeep_status_name(status));
    } else if (!blob) {
        found(j->reading, FOUND_LOST, "peer %zu is told that nothing is kept", peer);
    } else if (blob->len != known->blob_len || part_digest(blob->ptr, blob->len) != known->blob) {
        found(j->reading, FOUND_WRONG, "peer %zu is returned another blob", peer);
    }
    lnkeep_buf_free(blob);
}

/* A blob of the peer heals it, also an equal one; who has no channel left gets no second chance. */
static void judge_healing(struct judging *j, size_t peer) {
    const struct known_peer *known = &j->truth->peers[peer];
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    lnkeep_status wanted = peers_has_claim(peer, 2) ? LNKEEP_DONE : LNKEEP_NO_CLAIM;
    lnkeep_status status =
        heard(lnkeep_peer_storage_store(j->p->peers, PARTS_NOW_MS + 1, known->node_id,
                                        peers_blob(peer, known->version), &stored, NULL));
    if (status != wanted) {
        found(j->reading, FOUND_WRONG, "peer %zu, damaged, stores again: %s", peer,
              lnkeep_status_name(status));
    }
    if (status != LNKEEP_DONE) return;
    j->reading->verdict->mended++;
    j->is_damaged[peer] = 0;
    judge_blob(j, peer);
}

static void judge_collected(struct judging *j, const lnkeep_node_ids *collected, uint32_t height) {
    for (size_t i = 0; i < collected->ids_len; i++) {
        size_t peer = number_of(j->truth, collected->ids + 33 * i);
        if (peer == j->truth->peers_len) continue;
        uint32_t closed_at = j->truth->peers[peer].entry.closed_at;
        int is_due = !peers_has_claim(peer, 2) && closed_at + RETENTION_BLOCKS <= height;
        if (is_due) continue;
        found(j->reading, FOUND_LOST, "the blob of peer %zu is removed too early", peer);
    }
}

static void judge_collection(struct judging *j) {
    uint32_t height = PEERS_CLOSED_AT + RETENTION_BLOCKS + (uint32_t)j->truth->peers_len / 2;
    lnkeep_node_ids *collected = NULL;
    lnkeep_status status = heard(peers_tell_claims(j->p, 2));
    for (size_t peer = 0; status == LNKEEP_DONE && peer < j->truth->peers_len; peer++) {
        if (j->is_damaged[peer]) judge_healing(j, peer);
    }
    if (status == LNKEEP_DONE) {
        status =
            heard(lnkeep_peer_storage_block_connected(j->p->peers, height, &collected, NULL));
    }
    if (is_done(j->reading, status, "claims and a block")) judge_collected(j, collected, height);
    lnkeep_node_ids_free(collected);
}

void peers_judge(const struct reading *reading, struct parts *p) {
    struct judging j = {.reading = reading, .truth = &reading->truth->parts.peers, .p = p};
    j.report = (lnkeep_peer_storage_report)LNKEEP_PEER_STORAGE_REPORT_INIT;
    lnkeep_status status =
        heard(lnkeep_peer_storage_open(p->store, NULL, &p->peers, &j.report, NULL));
    if (!is_done(reading, status, "the open of peer storage")) return;
    if (is_restored(reading)) return;
    if (j.report.damaged) report_damage(reading);
    is_done(reading, heard(each_listed(p, judge_entry, &j)), "a list of peers");
    for (size_t peer = 0; peer < j.truth->peers_len; peer++) {
        if (!j.is_listed[peer]) found(reading, FOUND_LOST, "peer %zu is not listed", peer);
        judge_blob(&j, peer);
    }
    judge_collection(&j);
}

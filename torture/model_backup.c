/* Our own blobs at other nodes: what these hold, under which numbers it left, and what restores. */

#include "peers.h"

#include "common.h"

#include <string.h>

enum { PAYLOADS_IN_TURN = 80, WHOLE_PAYLOADS = 30 };

const uint8_t consumer_secret[32] = {7, 1, 7, 2, 7, 3};

void consumer_node(unsigned peer, uint8_t node_id[33]) {
    memset(node_id, 0x10 + (int)peer, 33);
    node_id[0] = 3;
}

unsigned consumer_peer_of(const uint8_t *node_id) {
    uint8_t known[33];
    unsigned peer = 0;
    for (; peer < BACKUP_PEERS; peer++) {
        consumer_node(peer, known);
        if (memcmp(node_id, known, sizeof known) == 0) break;
    }
    return peer;
}

/* Some in a row go whole to everybody, more in a row are cut into 4 or 5 of 8 shares. */
lnkeep_bytes consumer_payload(unsigned number) {
    static const uint16_t lens[2][4] = {{200, 600, 880, 300}, {950, 1040, 1250, 1000}};
    static uint8_t bytes[PAYLOAD_MAX];
    uint64_t chance = chance_seed(number, 3);
    int is_cut = number % PAYLOADS_IN_TURN >= WHOLE_PAYLOADS;
    size_t len = lens[is_cut][chance_below(&chance, 4)];
    chance_fill(&chance, bytes, len);
    bytes[0] = (uint8_t)number;
    bytes[1] = (uint8_t)(number >> 8);
    return (lnkeep_bytes){bytes, len};
}

lnkeep_backup_htlc consumer_htlc(unsigned number) {
    lnkeep_backup_htlc htlc = LNKEEP_BACKUP_HTLC_INIT;
    uint8_t preimage[32];
    memset(htlc.channel_id, 0x20 + (int)(number % 3), sizeof htlc.channel_id);
    memset(preimage, (int)number + 1, sizeof preimage);
    sha256(preimage, sizeof preimage, htlc.payment_hash);
    htlc.htlc_id = number;
    htlc.amount_msat = 20000000 + number;
    htlc.cltv_expiry = FIRST_HEIGHT + 5000 + number;
    htlc.flags = LNKEEP_BACKUP_HTLC_INCOMING;
    if (number % 2) {
        htlc.flags |= LNKEEP_BACKUP_HTLC_HAS_PREIMAGE;
        memcpy(htlc.preimage, preimage, sizeof preimage);
    }
    return htlc;
}

lnkeep_peer_facts consumer_facts(unsigned peer, uint8_t address[7]) {
    lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
    const uint8_t descriptor[7] = {1, 10, (uint8_t)peer, 0, 1, 0x26, 0x07};
    memcpy(address, descriptor, sizeof descriptor);
    facts.capacity_sat = 1000000;
    facts.channel_age_secs = 30 * 24 * 3600;
    facts.flags = LNKEEP_PEER_OPEN_CHANNEL | LNKEEP_PEER_ANNOUNCED;
    facts.address = (lnkeep_bytes){address, sizeof descriptor};
    return facts;
}

lnkeep_buf *consumer_foreign(const uint8_t instance[16], unsigned peer, uint64_t seq) {
    static const uint8_t entropy[16] = {9};
    uint8_t node_id[33], content[40];
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    lnkeep_buf *blob = NULL;
    consumer_node(peer, node_id);
    memset(content, 0x44, sizeof content);
    header.seq = seq;
    header.created_unix_secs = 1700000000;
    header.block_height = FIRST_HEIGHT;
    memcpy(header.instance, instance, sizeof header.instance);
    lnkeep_bytes payload = {content, sizeof content};
    lnkeep_status status = lnkeep_envelope_seal(consumer_secret, node_id, &header, payload,
                                                BACKUP_BLOB_BYTES, entropy, &blob, NULL);
    if (status != LNKEEP_DONE) give_up("sealing what a lost database would have sealed");
    return blob;
}

void consumer_begin(struct consumer_ledger *ledger) {
    for (unsigned peer = 0; peer < BACKUP_PEERS; peer++) {
        struct keeper *keeper = &ledger->peers[peer];
        keeper->held = keeper->incoming = keeper->before = -1;
    }
}

struct sealed *consumer_sealed(struct consumer_ledger *ledger, uint64_t seq) {
    for (unsigned i = 0; i < SEALED_MAX; i++) {
        if (ledger->sealed[i].seq == seq) return &ledger->sealed[i];
    }
    /* The oldest one goes: no peer holds anything of it any more. */
    struct sealed *sealed = &ledger->sealed[ledger->sealed_len % SEALED_MAX];
    *sealed = (struct sealed){.seq = seq};
    ledger->sealed_len++;
    return sealed;
}

int keeper_free_slot(const struct keeper *keeper) {
    int slot = 0;
    while (slot == keeper->held || slot == keeper->incoming || slot == keeper->before) slot++;
    return slot;
}

static void feed(lnkeep_recovery_session session, unsigned peer, lnkeep_bytes blob) {
    uint8_t node_id[33];
    lnkeep_fed fed = LNKEEP_FED_INIT;
    consumer_node(peer, node_id);
    if (lnkeep_recovery_feed(session, node_id, blob, &fed, NULL) != LNKEEP_DONE) {
        finding(FOUND_RESTORE, "a recovery refused the blob of peer %u", peer);
    }
}

/* HTLCs come out as they were told, or not at all. */
static void check_htlcs(lnkeep_recovery_session session) {
    lnkeep_recovered_htlcs *found = NULL;
    lnkeep_status status = lnkeep_recovery_htlcs(session, &found, NULL);
    for (size_t i = 0; status == LNKEEP_DONE && i < found->htlcs_len; i++) {
        const void *place = (const uint8_t *)found->htlcs + i * found->htlc_stride;
        const lnkeep_backup_htlc *htlc = place;
        lnkeep_backup_htlc told = consumer_htlc((unsigned)(htlc->htlc_id % HTLCS));
        if (htlc->htlc_id < HTLCS && memcmp(htlc, &told, sizeof told) == 0) continue;
        finding(FOUND_RESTORE, "HTLC %llu was restored other than it was told",
                (unsigned long long)htlc->htlc_id);
    }
    lnkeep_recovered_htlcs_free(found);
}

static unsigned payload_of(const struct consumer_ledger *ledger, const lnkeep_recovered *found) {
    lnkeep_bytes bytes = found->payload;
    unsigned number = bytes.len < 2 ? 0 : bytes.ptr[0] + 256u * bytes.ptr[1];
    lnkeep_bytes wanted = consumer_payload(number);
    unsigned known = 0;
    for (unsigned i = 0; i < SEALED_MAX && !known; i++) {
        if (ledger->sealed[i].seq == found->generation) known = ledger->sealed[i].payload;
    }
    if (bytes.len != wanted.len || memcmp(bytes.ptr, wanted.ptr, bytes.len) != 0) {
        finding(FOUND_RESTORE, "what was restored is no payload of ours: %zu bytes", bytes.len);
    } else if (known != number) {
        finding(FOUND_RESTORE, "generation %llu restores payload %u, not %u",
                (unsigned long long)found->generation, number, known);
    }
    return number;
}

/* A node that has its secret only, and asks every keeper. The liar adds what it likes. */
struct restored consumer_restore(const struct consumer_ledger *ledger, int takes_incoming,
                                 uint64_t greatest_seq) {
    lnkeep_recovery_session session = LNKEEP_RECOVERY_SESSION_NONE;
    struct restored restored = {0};
    lnkeep_recovered *found = NULL;
    uint8_t garbage[100];
    if (lnkeep_recovery_begin(consumer_secret, NULL, &session, NULL) != LNKEEP_DONE) {
        give_up("beginning a recovery");
    }
    memset(garbage, 0x5a, sizeof garbage);
    feed(session, LIAR, (lnkeep_bytes){garbage, sizeof garbage});
    for (unsigned peer = 0; peer <= LIAR; peer++) {
        const struct keeper *keeper = &ledger->peers[peer];
        int is_newer = takes_incoming && keeper->incoming >= 0;
        int slot = is_newer ? keeper->incoming : keeper->held;
        if (slot < 0) continue;
        feed(session, peer, (lnkeep_bytes){keeper->slots[slot].bytes, BACKUP_BLOB_BYTES});
    }
    lnkeep_status status = lnkeep_recovery_payload(session, 1, &found, NULL);
    if (status == LNKEEP_DONE) restored.payload = payload_of(ledger, found);
    else if (status != LNKEEP_NOT_ENOUGH_SHARES) {
        finding(FOUND_RESTORE, "the payload of a recovery: %s", lnkeep_status_name(status));
    }
    lnkeep_recovered_free(found);
    check_htlcs(session);
    if (greatest_seq) {
        uint8_t node_of_nobody[16] = {0xee};
        lnkeep_buf *foreign = consumer_foreign(node_of_nobody, FOREIGNER, greatest_seq);
        feed(session, FOREIGNER, (lnkeep_bytes){foreign->ptr, foreign->len});
        lnkeep_buf_free(foreign);
    }
    status = lnkeep_recovery_finish(session, 1, &restored.seq_floor, NULL);
    if (status != LNKEEP_DONE || restored.seq_floor < greatest_seq) {
        finding(FOUND_RESTORE, "finishing a recovery: %s, numbers above %llu",
                lnkeep_status_name(status), (unsigned long long)restored.seq_floor);
    }
    if (lnkeep_recovery_close(&session, NULL) != LNKEEP_DONE) {
        finding(FOUND_RESTORE, "closing a recovery was refused");
    }
    return restored;
}

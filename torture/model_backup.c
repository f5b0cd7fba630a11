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
int consumer_is_cut(unsigned number) { return number % PAYLOADS_IN_TURN >= WHOLE_PAYLOADS; }

/* Beside one of 1,060 bytes there is room for some HTLCs. */
lnkeep_bytes consumer_payload(unsigned number) {
    static const uint16_t lens[2][4] = {{200, 600, 880, 300}, {950, 1060, 1250, 1000}};
    static uint8_t bytes[PAYLOAD_MAX];
    uint64_t chance = chance_seed(number, 3);
    size_t len = lens[consumer_is_cut(number)][chance_below(&chance, 4)];
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

uint32_t consumer_fitting(uint32_t htlcs, unsigned bytes_max) {
    enum { COUNTS_BYTES = 4, ROW_BYTES = 33, ENTRY_BYTES = 55, PREIMAGE_BYTES = 32, CHANNELS = 3 };
    unsigned bytes = COUNTS_BYTES, rows = 0;
    uint32_t fitting = 0;
    for (unsigned number = HTLCS; number-- > 0;) {
        unsigned row = 1u << number % CHANNELS;
        unsigned more = ENTRY_BYTES + (number % 2 ? PREIMAGE_BYTES : 0) + (rows & row ? 0 : ROW_BYTES);
        if (!(htlcs >> number & 1) || bytes + more > bytes_max) continue;
        bytes += more;
        rows |= row;
        fitting |= 1u << number;
    }
    return fitting;
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

/* --- HTLCs come out as they were told when the newest state of them was sealed that peers hold. */

const struct sealed *consumer_find_sealed(const struct consumer_ledger *ledger, uint64_t seq) {
    for (unsigned i = 0; i < SEALED_MAX; i++) {
        if (ledger->sealed[i].seq == seq) return &ledger->sealed[i];
    }
    return NULL;
}

/* A cut generation tells all HTLCs of its time or, if there is no room for all, none. */
static uint32_t beside_payload(const struct sealed *sealed) {
    size_t bytes = consumer_payload(sealed->payload).len + OBJECT_TAIL_BYTES;
    size_t room = (bytes + SHARE_BYTES - 1) / SHARE_BYTES * SHARE_BYTES - bytes;
    if (!consumer_is_cut(sealed->payload) || sealed->htlcs_in_doubt) return 0;
    return consumer_fitting(sealed->htlcs, (unsigned)room) == sealed->htlcs ? sealed->htlcs : 0;
}

/* The bits of what came out. */
static uint32_t read_htlcs(const lnkeep_recovered_htlcs *found) {
    uint32_t htlcs = 0;
    for (size_t i = 0; i < found->htlcs_len; i++) {
        const void *place = (const uint8_t *)found->htlcs + i * found->htlc_stride;
        const lnkeep_backup_htlc *htlc = place;
        lnkeep_backup_htlc told = consumer_htlc((unsigned)(htlc->htlc_id % HTLCS));
        int is_told = htlc->htlc_id < HTLCS && memcmp(htlc, &told, sizeof told) == 0;
        if (is_told) htlcs |= 1u << htlc->htlc_id;
        if (is_told) continue;
        finding(FOUND_RESTORE, "HTLC %llu was restored other than it was told",
                (unsigned long long)htlc->htlc_id);
    }
    return htlcs;
}

/* What a journal leaves out it counts; alone, it leaves out what has no room, and nothing else. */
static void check_told(const struct sealed *sealed, const lnkeep_recovered_htlcs *found,
                       uint32_t htlcs) {
    int has_journal = (found->flags & LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL) != 0;
    int has_base = (found->flags & LNKEEP_RECOVERED_HTLCS_HAS_BASE) != 0;
    uint32_t doubt = sealed->htlcs_in_doubt, told = sealed->htlcs, missing = told & ~htlcs & ~doubt;
    uint32_t wanted = !has_journal ? beside_payload(sealed)
                      : has_base   ? 0
                                   : consumer_fitting(told, JOURNAL_ROOM_BYTES);
    unsigned left_out = has_journal ? found->uncovered_count : 0;
    int is_counted = (!has_journal && !htlcs) || doubt ||
                     (unsigned)__builtin_popcount(missing) == left_out;
    if (!(htlcs & ~told & ~doubt) && is_counted && (doubt || !(wanted & ~htlcs))) return;
    finding(FOUND_RESTORE, "number %llu restores HTLCs %x, and %u had no room; told were %x",
            (unsigned long long)sealed->seq, htlcs, left_out, told);
}

static void check_htlcs(const struct consumer_ledger *ledger, lnkeep_recovery_session session,
                        uint64_t least_seq, struct restored *restored) {
    lnkeep_recovered_htlcs *found = NULL;
    lnkeep_status status = lnkeep_recovery_htlcs(session, &found, NULL);
    if (status == LNKEEP_DONE) {
        int has_journal = (found->flags & LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL) != 0;
        restored->htlcs_seq = has_journal ? found->journal_seq : found->base_generation;
        restored->htlcs = read_htlcs(found);
        const struct sealed *sealed = consumer_find_sealed(ledger, restored->htlcs_seq);
        if (sealed) check_told(sealed, found, restored->htlcs);
        else finding(FOUND_RESTORE, "HTLCs of a number that was never sealed");
    } else if (status != LNKEEP_NOT_FOUND && status != LNKEEP_NOT_ENOUGH_SHARES) {
        finding(FOUND_RESTORE, "the HTLCs of a recovery: %s", lnkeep_status_name(status));
    }
    if (restored->htlcs_seq < least_seq) {
        finding(FOUND_RESTORE, "HTLCs of number %llu are restored (%s), peers hold %llu",
                (unsigned long long)restored->htlcs_seq, lnkeep_status_name(status),
                (unsigned long long)least_seq);
    }
    lnkeep_recovered_htlcs_free(found);
}

/* What a keeper returns, NULL for nothing. */
static const struct kept_blob *returned_by(const struct keeper *keeper, int takes_incoming) {
    int is_newer = takes_incoming && keeper->incoming >= 0;
    int slot = is_newer ? keeper->incoming : keeper->held;
    return slot < 0 ? NULL : &keeper->slots[slot];
}

/* The newest state of HTLCs that peers hold: a journal, or what lies beside the restored payload. */
static uint64_t newest_htlcs(const struct consumer_ledger *ledger, int takes_incoming,
                             uint64_t generation) {
    const struct sealed *sealed = generation ? consumer_find_sealed(ledger, generation) : NULL;
    uint64_t newest = sealed && beside_payload(sealed) ? generation : 0;
    for (unsigned peer = 0; peer <= LIAR; peer++) {
        const struct kept_blob *blob = returned_by(&ledger->peers[peer], takes_incoming);
        int is_usable = blob && blob->is_journal && (!blob->base || blob->base == generation);
        if (is_usable && blob->seq > newest) newest = blob->seq;
    }
    return newest;
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
        const struct kept_blob *blob = returned_by(&ledger->peers[peer], takes_incoming);
        if (blob) feed(session, peer, (lnkeep_bytes){blob->bytes, BACKUP_BLOB_BYTES});
    }
    lnkeep_status status = lnkeep_recovery_payload(session, 1, &found, NULL);
    if (status == LNKEEP_DONE) restored.payload = payload_of(ledger, found);
    else if (status != LNKEEP_NOT_ENOUGH_SHARES) {
        finding(FOUND_RESTORE, "the payload of a recovery: %s", lnkeep_status_name(status));
    }
    uint64_t generation = found ? found->generation : 0;
    lnkeep_recovered_free(found);
    check_htlcs(ledger, session, newest_htlcs(ledger, takes_incoming, generation), &restored);
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

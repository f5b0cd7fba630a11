/* What the components of the stores that are damaged share: bytes, their order, their opens. */

#include "damage.h"

#include <stdio.h>
#include <string.h>

const char *const part_names[PARTS] = {"monitors", "resources", "peer storage", "backup"};

void part_bytes(uint64_t seed, uint8_t *bytes, size_t len) {
    uint64_t state = chance_seed(0x6c6e6b656570, seed);
    chance_fill(&state, bytes, len);
}

uint64_t part_digest(const void *bytes, size_t len) {
    uint64_t digest = digest_add(DIGEST_START, &len, sizeof len);
    const uint8_t *at = bytes;
    for (; len >= sizeof(uint64_t); at += sizeof(uint64_t), len -= sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        digest = (digest ^ word) * 0x100000001b3u;
        digest ^= digest >> 29;
    }
    return digest_add(digest, at, len);
}

void part_id(const char *of, size_t number, uint8_t id[32]) {
    char text[48];
    int len = snprintf(text, sizeof text, "%s %zu", of, number);
    sha256(text, (size_t)len, id);
}

void part_node_id(const char *of, size_t number, uint8_t node_id[33]) {
    node_id[0] = (uint8_t)(2 + number % 2);
    part_id(of, number, node_id + 1);
}

static const struct {
    lnkeep_status (*fill)(struct parts *p, unsigned stage);
    int (*learn)(struct parts *p);
    void (*judge)(const struct reading *reading, struct parts *p);
} each[PARTS] = {
    {monitors_fill, monitors_learn, monitors_judge},
    {resources_fill, resources_learn, resources_judge},
    {peers_fill, peers_learn, peers_judge},
    {backup_fill, backup_learn, backup_judge},
};

static int has(const struct parts *p, int part) { return (p->truth->wanted & HAS_PART(part)) != 0; }

lnkeep_status parts_fill(struct parts *p, unsigned stage) {
    lnkeep_status status = LNKEEP_DONE;
    for (int part = 0; part < PARTS && status == LNKEEP_DONE; part++) {
        if (has(p, part)) status = each[part].fill(p, stage);
    }
    return status == LNKEEP_DONE ? lnkeep_store_sync(p->store, NULL) : status;
}

lnkeep_status parts_close(struct parts *p) {
    lnkeep_status status = LNKEEP_DONE, one = LNKEEP_DONE;
    if (p->monitors.bits) {
        status = lnkeep_monitors_close(&p->monitors, LNKEEP_MONITORS_DISCARD, NULL);
    }
    if (p->resources.bits) one = lnkeep_resources_close(&p->resources, NULL);
    if (one != LNKEEP_DONE) status = one;
    if (p->peers.bits) one = lnkeep_peer_storage_close(&p->peers, NULL);
    if (one != LNKEEP_DONE) status = one;
    if (p->backup.bits) one = lnkeep_backup_close(&p->backup, NULL);
    return one != LNKEEP_DONE ? one : status;
}

int parts_learn(struct parts *p) {
    for (int part = 0; part < PARTS; part++) {
        if (!has(p, part)) continue;
        int failed = each[part].learn(p);
        if (failed == 0) continue;
        fprintf(stderr, "damage: %s of a sound store: %d\n", part_names[part], failed);
        return 1;
    }
    return 0;
}

void parts_judge(const struct reading *reading, struct parts *p) {
    for (int part = 0; part < PARTS; part++) {
        if (!has(p, part)) continue;
        reading->verdict->part = part;
        each[part].judge(reading, p);
    }
    reading->verdict->part = PARTS;
    is_done(reading, heard(parts_close(p)), "the close of the components");
}

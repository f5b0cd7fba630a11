/* Hosts, stores and peers that break a promise about blobs, which the harness has to catch. */

#include "life.h"

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct peers_control controls[] = {
    {"deferred", CONTROL_DEFERRED, FOUND_BLOB, 0, 0, 0, 0},
    {"unsealed", CONTROL_UNSEALED, FOUND_ALARM, 0, 0, 0, 0},
    {"older", CONTROL_OLDER, FOUND_BLOB, 0, 0, 0, 0},
    {"rollback", CONTROL_OLDER, FOUND_ALARM, 0, 0, 0, 0},
    {"lossy", CONTROL_NONE, FOUND_RESTORE, 1, 0, 0, 0},
    {"untold", CONTROL_NONE, FOUND_RESTORE, 0, 1, 0, 0},
    {"stripped", CONTROL_NONE, FOUND_RESTORE, 0, 0, 1, 0},
    {"unheard", CONTROL_NONE, FOUND_ALARM, 0, 0, 0, 1},
};

const struct peers_control *peers_control(const char *name) {
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        if (strcmp(controls[i].name, name) == 0) return &controls[i];
    }
    return NULL;
}

static void copy_file(const char *from, const char *to) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (read_whole(from, &bytes, &len)) write_whole(to, bytes, len, len);
    free(bytes);
}

enum { PATH_BYTES = 4200 };

static void paths_of(const struct life *life, char *data, char *copy) {
    snprintf(data, PATH_BYTES, "%s/data.mdb", life->directory);
    snprintf(copy, PATH_BYTES, "%s-older", life->directory);
}

void life_drop_copy(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    remove(copy);
}

void life_keep_copy(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    copy_file(data, copy);
}

/* In place, or the store would tell that it was copied. */
static void put_back(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    copy_file(copy, data);
    remove(copy);
}

/* Peers that had returned what they keep lose it all the same. */
static void lose(struct life *life) {
    struct consumer_ledger *ledger = &life->ledger->consumer;
    for (unsigned peer = 0; peer <= LIAR; peer++) {
        ledger->peers[peer].held = ledger->peers[peer].incoming = -1;
    }
}

/* A journal that says of no HTLC anything, under the number of the one that was there. */
static void strip(struct kept_blob *kept, unsigned peer) {
    enum { JOURNAL_HEAD_BYTES = 36, COUNTS_BYTES = 4 };
    static const uint8_t nothing[JOURNAL_HEAD_BYTES + COUNTS_BYTES], entropy[16] = {5};
    uint8_t node_id[33];
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    lnkeep_opened *opened = NULL;
    lnkeep_buf *blob = NULL;
    lnkeep_bytes bytes = {kept->bytes, BACKUP_BLOB_BYTES}, payload = {nothing, sizeof nothing};
    consumer_node(peer, node_id);
    if (lnkeep_envelope_open(consumer_secret, node_id, bytes, &opened, NULL) != LNKEEP_DONE) return;
    header.seq = opened->seq;
    header.created_unix_secs = opened->created_unix_secs;
    header.block_height = opened->block_height;
    header.kind = opened->kind;
    memcpy(header.instance, opened->instance, sizeof header.instance);
    lnkeep_status status = lnkeep_envelope_seal(consumer_secret, node_id, &header, payload,
                                                BACKUP_BLOB_BYTES, entropy, &blob, NULL);
    if (status != LNKEEP_DONE) give_up("sealing a journal without HTLCs");
    memcpy(kept->bytes, blob->ptr, BACKUP_BLOB_BYTES);
    lnkeep_buf_free(blob);
    lnkeep_opened_free(opened);
}

/* In a process of its own: the library is not used on both sides of a fork. */
static int strip_all(void *context) {
    struct life *life = context;
    for (unsigned peer = 0; peer < KEEPERS; peer++) {
        for (unsigned slot = 0; slot < BACKUP_SLOTS; slot++) {
            struct kept_blob *kept = &life->ledger->consumer.peers[peer].slots[slot];
            if (kept->is_journal) strip(kept, peer);
        }
    }
    return 0;
}

void peers_meddle(const struct peers_control *control, struct life *life) {
    if (!control) return;
    if (control->control == CONTROL_OLDER) put_back(life);
    if (control->peers_lose) lose(life);
    if (control->is_untold) life->ledger->consumer.is_untold = 1;
    if (control->is_unheard) life->ledger->consumer.is_unheard = 1;
    if (control->are_stripped && run_child(strip_all, life, HANG_MS).code != 0) {
        give_up("stripping journals");
    }
}

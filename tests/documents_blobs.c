/* Blobs as the library makes them, for the Python of docs/backup-format.md: run it in an empty folder.
 *
 * DB1 what is written is what a host would send: a payload that goes whole, then a longer one in shares, with
 * journals of HTLCs beside it. Nothing comes back, so one peer has to keep the whole payload. `whole` and
 * `cut` are the payloads, PAYLOAD-PEER the blobs. The entropy is fixed: a failure can be repeated. */
#include <lnkeep.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PEERS = 14, HTLCS = 3, WHOLE_BYTES = 5000, CUT_BYTES = 80000 };

static const uint8_t secret[32] = {7};
static lnkeep_error err = LNKEEP_ERROR_INIT;
static lnkeep_backup backup;
static uint64_t now_ms = 1800000000000;

static void must(lnkeep_status status, const char *what) {
    if (status == LNKEEP_DONE) return;
    fprintf(stderr, "%s: %s\n", what, err.message);
    exit(1);
}

static void write_file(const char *name, const uint8_t *bytes, size_t len) {
    FILE *file = fopen(name, "wb");
    if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0) {
        perror(name);
        exit(1);
    }
}

static void name_peer(uint8_t peer[33], int number) {
    memset(peer, number, 33);
    peer[0] = 2;
}

static void meet_peers(void) {
    for (int i = 0; i < PEERS; i++) {
        const uint8_t address[7] = {1, (uint8_t)(10 + i), 1, 1, 1, 0x26, 0x07};
        uint8_t peer[33];
        lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
        lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
        name_peer(peer, i);
        facts.capacity_sat = 1000000;
        facts.channel_age_secs = 5000000;
        facts.address = (lnkeep_bytes){.ptr = address, .len = sizeof address};
        facts.flags = LNKEEP_PEER_OPEN_CHANNEL | LNKEEP_PEER_ANNOUNCED;
        must(lnkeep_backup_set_facts(backup, now_ms, peer, &facts, &err), "facts");
        must(lnkeep_backup_connected(backup, now_ms, peer, 1, &err), "connected");
        must(lnkeep_backup_reestablish_begun(backup, now_ms, peer, &concluded, &err), "reestablish");
    }
}

/* Sets a payload and sends what is due for a while. */
static void keep(const char *name, uint8_t *payload, size_t len) {
    for (size_t i = 0; i < len; i++) payload[i] = (uint8_t)(i * 7 + i / 251);
    must(lnkeep_backup_set_payload(backup, (lnkeep_bytes){.ptr = payload, .len = len}, &err), "payload");
    write_file(name, payload, len);
    for (int round = 0; round < 8; round++, now_ms += 5000) {
        lnkeep_backup_actions *found = NULL;
        must(lnkeep_backup_tick(backup, now_ms, &found, &err), "tick");
        for (size_t i = 0; i < found->actions_len; i++) {
            const uint8_t *peer = found->actions[i].node_id;
            char path[100];
            lnkeep_buf *blob = NULL;
            if (found->actions[i].action != LNKEEP_BACKUP_ACTION_SEND) continue;
            lnkeep_status sealed = lnkeep_backup_seal(backup, now_ms, peer, 800000, &blob, NULL, &err);
            if (sealed == LNKEEP_CONFLICT) continue;
            must(sealed, "seal");
            int at = snprintf(path, sizeof path, "%s-", name);
            for (int b = 0; b < 33; b++) at += snprintf(path + at, sizeof path - (size_t)at, "%02x", peer[b]);
            write_file(path, blob->ptr, blob->len);
            lnkeep_buf_free(blob);
        }
        lnkeep_backup_actions_free(found);
    }
    now_ms += 60000;
}

static void tell_htlcs(void) {
    lnkeep_backup_htlc htlc = LNKEEP_BACKUP_HTLC_INIT;
    memset(htlc.channel_id, 9, sizeof htlc.channel_id);
    htlc.amount_msat = 5000000;
    htlc.cltv_expiry = 800100;
    for (int i = 0; i < HTLCS; i++) {
        htlc.htlc_id = (uint64_t)i;
        must(lnkeep_backup_set_htlc(backup, now_ms, &htlc, &err), "htlc");
    }
    must(lnkeep_backup_channel_force_closed(backup, htlc.channel_id, &err), "force-closed");
}

int main(void) {
    static uint8_t payload[CUT_BYTES];
    lnkeep_store store;
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    options.flags = LNKEEP_BACKUP_HAS_ENTROPY;
    must(lnkeep_store_open("store", NULL, &store, NULL, &err), "store");
    must(lnkeep_backup_open(store, secret, &options, &backup, NULL, &err), "backup");
    meet_peers();
    keep("whole", payload, WHOLE_BYTES);
    tell_htlcs();
    keep("cut", payload, CUT_BYTES);
    must(lnkeep_store_close(&store, &err), "close");
    return 0;
}

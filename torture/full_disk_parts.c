/*
 * Monitors, resources, blobs and cursors on a full disk: what is promised to go on goes on, what is new is
 * refused or waits, and what was durable before is there after.
 */

#include "full_disk.h"

#include <string.h>

enum { HOUR_MS = 3600000, HOLD_MS = 10000, BLOB_BYTES = 30000, SECS = 1700000000, UPDATE_BYTES = 300 };

static const uint8_t secret[32] = {1, 2, 3};
static const uint8_t node_id[33] = {2, 5};

/* Numbers of HTLCs and blobs: one before the disk is full, one while it is. */
enum { BEFORE_FULL, WHILE_FULL };

static void channel_of(const struct parts *p, unsigned which, uint8_t channel[32]) {
    memset(channel, 0x44, 32);
    memcpy(channel, &p->cycle, sizeof p->cycle);
    channel[31] = (uint8_t)which;
}

static lnkeep_bytes manager_of(const struct parts *p, unsigned which) {
    static uint8_t manager[UPDATE_BYTES];
    memset(manager, (int)which + 1, sizeof manager);
    memcpy(manager, &p->cycle, sizeof p->cycle);
    return (lnkeep_bytes){manager, sizeof manager};
}

static lnkeep_bytes blob_of(const struct parts *p, unsigned which) {
    static uint8_t blob[BLOB_BYTES];
    uint64_t chance = 2 * p->cycle + which + 1;
    chance_fill(&chance, blob, sizeof blob);
    return (lnkeep_bytes){blob, sizeof blob};
}

static uint64_t now_ms(const struct parts *p, unsigned hours) {
    return (uint64_t)SECS * 1000 + (p->cycle * 8 + hours) * HOUR_MS;
}

void parts_open(struct parts *p, const char *when) {
    lnkeep_store store = p->store;
    lnkeep_status statuses[] = {
        lnkeep_monitors_open(store, NULL, &p->monitors, NULL, NULL),
        lnkeep_resources_open(store, NULL, &p->resources, NULL, NULL),
        lnkeep_peer_storage_open(store, NULL, &p->peer_storage, NULL, NULL),
        lnkeep_backup_open(store, secret, NULL, &p->backup, NULL, NULL),
    };
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        expect_status(statuses[i], LNKEEP_DONE, when);
    }
}

static lnkeep_status commit(const struct parts *p, unsigned which) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_status status = lnkeep_monitors_capture(p->monitors, &commit.capture, NULL);
    if (status != LNKEEP_DONE) return status;
    commit.manager = manager_of(p, which);
    commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    return lnkeep_monitors_commit_captured(p->monitors, &commit, NULL, NULL);
}

static lnkeep_status queue_new(const struct parts *p, unsigned which) {
    uint8_t channel[32];
    channel_of(p, which, channel);
    return lnkeep_monitors_queue_new(p->monitors, channel, 1, manager_of(p, which), NULL, 0, NULL, NULL);
}

static lnkeep_status add_htlc(const struct parts *p, unsigned which, uint32_t flags) {
    lnkeep_htlc_request request = {
        .incoming = 11, .outgoing = 12, .htlc_id = 2 * p->cycle + which,
        .incoming_amount_msat = 1000, .outgoing_amount_msat = 900,
        .unix_secs = SECS, .incoming_cltv_expiry = 800100, .block_height = 800000,
    };
    lnkeep_decision decision;
    return lnkeep_resources_add(p->resources, &request, 1, flags, &decision, NULL, NULL);
}

static lnkeep_status store_blob(const struct parts *p, unsigned which, lnkeep_stored *stored) {
    return lnkeep_peer_storage_store(p->peer_storage, now_ms(p, which), node_id, blob_of(p, which),
                                     stored, NULL);
}

/* Claims are told again after each start. */
static void report_claim(const struct parts *p) {
    lnkeep_status status = lnkeep_peer_storage_report_claim(p->peer_storage, node_id,
                                                            LNKEEP_CLAIM_OPEN_CHANNEL, 800000, NULL);
    if (status != LNKEEP_ALREADY) expect_status(status, LNKEEP_DONE, "a claim");
}

/* A tick after the time that the peer has to return what it holds. */
static void begin_backup(const struct parts *p) {
    lnkeep_backup_actions *actions = NULL;
    expect_status(lnkeep_backup_set_payload(p->backup, manager_of(p, BEFORE_FULL), NULL), LNKEEP_DONE,
                  "a payload");
    expect_status(lnkeep_backup_connected(p->backup, now_ms(p, 0), node_id, 1, NULL), LNKEEP_DONE,
                  "a connection");
    expect_status(lnkeep_backup_channel_ready(p->backup, node_id, NULL), LNKEEP_DONE, "a channel");
    expect_status(lnkeep_backup_tick(p->backup, now_ms(p, 0) + HOLD_MS, &actions, NULL), LNKEEP_DONE,
                  "a tick");
    lnkeep_backup_actions_free(actions);
}

static lnkeep_status seal(const struct parts *p, unsigned hours, uint64_t *seq) {
    lnkeep_buf *blob = NULL;
    lnkeep_status status =
        lnkeep_backup_seal(p->backup, now_ms(p, hours), node_id, 800000, &blob, seq, NULL);
    lnkeep_buf_free(blob);
    return status;
}

static void begin_resources(const struct parts *p) {
    lnkeep_channel_limits limits = {.max_in_flight_msat = 1000000000, .max_accepted_htlcs = 483};
    for (uint64_t channel = 11; channel <= 12; channel++) {
        lnkeep_status status =
            lnkeep_resources_add_channel(p->resources, channel, &limits, SECS, NULL, NULL);
        if (status != LNKEEP_ALREADY) expect_status(status, LNKEEP_DONE, "adding a channel");
    }
    expect_status(add_htlc(p, BEFORE_FULL, LNKEEP_RESOURCES_DURABLE), LNKEEP_DONE, "an HTLC");
}

void parts_begin(struct parts *p) {
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    expect_status(queue_new(p, BEFORE_FULL), LNKEEP_DONE, "a new channel");
    expect_status(commit(p, BEFORE_FULL), LNKEEP_DONE, "its commit");
    begin_resources(p);
    report_claim(p);
    expect_status(store_blob(p, BEFORE_FULL, &stored), LNKEEP_DONE, "a peer's blob");
    if (stored.result != LNKEEP_STORED_COMMITTED) finding(FOUND_STATUS, "a blob waits for nothing");
    begin_backup(p);
    expect_status(seal(p, 1, p->sealed), LNKEEP_DONE, "a seal");
}

/* A new channel and a snapshot can wait; an update and its manager cannot. */
static void monitors_while_full(const struct parts *p) {
    uint8_t channel[32];
    channel_of(p, BEFORE_FULL, channel);
    expect_status(queue_new(p, WHILE_FULL), LNKEEP_NO_SPACE, "a new channel, disk full");
    expect_status(lnkeep_monitors_queue_snapshot(p->monitors, channel, 1, manager_of(p, BEFORE_FULL),
                                                 NULL, 0, NULL, NULL),
                  LNKEEP_NO_SPACE, "a snapshot, disk full");
    expect_status(lnkeep_monitors_queue_update(p->monitors, channel, 2, manager_of(p, WHILE_FULL), 0,
                                               NULL, NULL),
                  LNKEEP_DONE, "an update, disk full");
    expect_status(commit(p, WHILE_FULL), LNKEEP_DONE, "a commit, disk full");
}

static void refusals_while_full(const struct parts *p) {
    lnkeep_bytes name = {(const uint8_t *)"new", 3};
    lnkeep_events events;
    uint64_t seq;
    expect_status(lnkeep_events_open(p->store, name, 0, &events, NULL), LNKEEP_NO_SPACE,
                  "a new cursor, disk full");
    expect_status(seal(p, 2, &seq), LNKEEP_NO_SPACE, "a seal, disk full");
}

void parts_while_full(struct parts *p) {
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    monitors_while_full(p);
    expect_status(add_htlc(p, WHILE_FULL, LNKEEP_RESOURCES_DURABLE), LNKEEP_NOT_DURABLE,
                  "an HTLC, disk full");
    expect_status(store_blob(p, WHILE_FULL, &stored), LNKEEP_DONE, "a peer's blob, disk full");
    if (stored.result != LNKEEP_STORED_DEFERRED || stored.failure != LNKEEP_NO_SPACE) {
        finding(FOUND_STATUS, "a blob on a full disk: result %u, %s", stored.result,
                lnkeep_status_name(stored.failure));
    }
    refusals_while_full(p);
}

static void check_monitor(const struct parts *p) {
    uint8_t channel[32];
    lnkeep_monitor *monitor = NULL;
    lnkeep_buf *manager = NULL;
    channel_of(p, BEFORE_FULL, channel);
    lnkeep_status status = lnkeep_monitors_load(p->monitors, channel, &monitor, NULL);
    if (status != LNKEEP_DONE || monitor->updates_len != 1) {
        finding(FOUND_LOST, "a monitor's update: %s", lnkeep_status_name(status));
    }
    lnkeep_monitor_free(monitor);
    status = lnkeep_monitors_load_manager(p->monitors, &manager, NULL);
    lnkeep_bytes wanted = manager_of(p, WHILE_FULL);
    if (status != LNKEEP_DONE || manager->len != wanted.len ||
        memcmp(manager->ptr, wanted.ptr, wanted.len) != 0) {
        finding(FOUND_LOST, "the manager: %s", lnkeep_status_name(status));
    }
    lnkeep_buf_free(manager);
}

static int is_blob(const struct parts *p, const lnkeep_buf *blob, unsigned which) {
    lnkeep_bytes wanted = blob_of(p, which);
    return blob && blob->len == wanted.len &&
           memcmp(blob->ptr, wanted.ptr, wanted.len) == 0;
}

static void check_blob(const struct parts *p, unsigned which) {
    lnkeep_buf *blob = NULL;
    lnkeep_status status = lnkeep_peer_storage_export(p->peer_storage, node_id, &blob, NULL);
    if (status != LNKEEP_DONE || !is_blob(p, blob, which)) {
        finding(FOUND_BLOB, "a peer's blob: %s, not number %u", lnkeep_status_name(status), which);
    }
    lnkeep_buf_free(blob);
}

void parts_check(const struct parts *p, int is_reopened) {
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    check_monitor(p);
    check_blob(p, is_reopened && !p->ignores ? BEFORE_FULL : WHILE_FULL);
    if (add_htlc(p, BEFORE_FULL, 0) != LNKEEP_ALREADY) finding(FOUND_LOST, "an HTLC is decided anew");
    lnkeep_status status = lnkeep_backup_read_standing(p->backup, &standing, NULL);
    if (status != LNKEEP_DONE || standing.next_seq <= *p->sealed) {
        finding(FOUND_NUMBER, "a blob's number would be given again");
    }
}

/* What was refused or waited is done, on a disk with room. */
void parts_end(struct parts *p) {
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    expect_status(queue_new(p, WHILE_FULL), LNKEEP_DONE, "the refused channel, with room");
    expect_status(commit(p, WHILE_FULL), LNKEEP_DONE, "its commit, with room");
    lnkeep_status status = add_htlc(p, WHILE_FULL, LNKEEP_RESOURCES_DURABLE);
    if (status != LNKEEP_ALREADY) expect_status(status, LNKEEP_DONE, "the HTLC, with room");
    report_claim(p);
    expect_status(store_blob(p, WHILE_FULL, &stored), LNKEEP_DONE, "the blob, with room");
    if (stored.result != LNKEEP_STORED_COMMITTED) finding(FOUND_STATUS, "the blob waits, with room");
    check_blob(p, WHILE_FULL);
}

void parts_close(struct parts *p, lnkeep_status waiting) {
    expect_status(lnkeep_backup_close(&p->backup, NULL), LNKEEP_DONE, "closing backup");
    expect_status(lnkeep_peer_storage_close(&p->peer_storage, NULL), waiting, "closing peer storage");
    expect_status(lnkeep_resources_close(&p->resources, NULL), waiting, "closing resources");
    expect_status(lnkeep_monitors_close(&p->monitors, 0, NULL), LNKEEP_DONE, "closing monitors");
}

/*
 * The node whose data is kept by ten peers, until it is killed.
 *
 * What matters for a real node: lnkeep is told facts of every peer that there is a channel with,
 * the payload, and every HTLC as it comes, changes and goes; it is told all of that again after
 * each start, for it keeps none of it.
 */
#define _XOPEN_SOURCE 700
#include "node.h"

#include "channels.h"
#include "outcome.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void node_wipe(uint8_t *secret, size_t len)
{
    volatile uint8_t *at = secret;
    while (len-- > 0) {
        *at++ = 0;
    }
}

void node_report(const struct node *node, enum restore_report_kind kind, unsigned peer,
                 int64_t value, uint64_t number, uint64_t other)
{
    const struct restore_report report = {
        .kind = kind, .peer = peer, .value = value, .number = number, .other = other};
    restore_report(node->control_fd, &report);
}

static void tell_facts(struct node *node, unsigned peer)
{
    uint8_t node_id[WORLD_NODE_ID_BYTES], address[WORLD_ADDRESS_BYTES];
    lnkeep_peer_facts facts = LNKEEP_PEER_FACTS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    world_address(peer, address);
    facts.capacity_sat = 1000000 * (uint64_t)(1 + peer);
    facts.channel_age_secs = 86400 * (uint64_t)(30 + peer);
    facts.address = (lnkeep_bytes){.ptr = address, .len = sizeof address};
    facts.flags = LNKEEP_PEER_OPEN_CHANNEL;
    if (world_is_announced(peer)) {
        facts.flags |= LNKEEP_PEER_ANNOUNCED;
    }
    const lnkeep_status status =
        lnkeep_backup_set_facts(node->backup, node_now_ms(node), node_id, &facts, &err);
    outcome_expect("set facts", status, &err);
}

void node_open(struct node *node, const uint8_t *secret)
{
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    /* Also HTLCs of channels that are still open: a peer may close them while we are gone. */
    options.htlc_profile = LNKEEP_HTLC_PROFILE_ALL_HTLCS;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(RESTORE_STORE, NULL, &node->store, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open store", status, &err);
    do {
        status =
            lnkeep_backup_open(node->store, secret, &options, &node->backup, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open backup", status, &err);
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        node->links[peer].fd = -1;
        tell_facts(node, peer);
    }
    status = lnkeep_backup_block_connected(node->backup, WORLD_BLOCK_HEIGHT, &err);
    outcome_expect("block", status, &err);
}

void node_close(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    node_disconnect(node);
    outcome_expect("close backup", lnkeep_backup_close(&node->backup, &err), &err);
    outcome_expect("close store", lnkeep_store_close(&node->store, &err), &err);
}

void node_set_payload(struct node *node, lnkeep_bytes payload)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_backup_set_payload(node->backup, payload, &err);
    outcome_expect("set payload", status, &err);
    node->tick_ms = 0;
}

void node_tell_htlc(struct node *node, const struct data_htlc *htlc)
{
    lnkeep_backup_htlc told = LNKEEP_BACKUP_HTLC_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    data_channel_id(htlc->channel, told.channel_id);
    told.htlc_id = htlc->id;
    memcpy(told.payment_hash, htlc->payment_hash, sizeof told.payment_hash);
    told.amount_msat = htlc->amount_msat;
    told.cltv_expiry = htlc->cltv_expiry;
    told.flags = htlc->is_incoming ? LNKEEP_BACKUP_HTLC_INCOMING : 0;
    if (htlc->has_preimage) {
        told.flags |= LNKEEP_BACKUP_HTLC_HAS_PREIMAGE;
        memcpy(told.preimage, htlc->preimage, sizeof told.preimage);
    }
    const lnkeep_status status =
        lnkeep_backup_set_htlc(node->backup, node_now_ms(node), &told, &err);
    outcome_expect("set htlc", status, &err);
}

static void forget_htlc(struct node *node, const struct data_htlc *htlc)
{
    uint8_t channel_id[DATA_CHANNEL_ID_BYTES];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    data_channel_id(htlc->channel, channel_id);
    const lnkeep_status status = lnkeep_backup_remove_htlc(node->backup, channel_id,
                                                           htlc->is_incoming, htlc->id, &err);
    outcome_expect("remove htlc", status, &err);
}

/* Tells what changed since the version before. */
static void change_htlcs(struct node *node)
{
    for (unsigned i = 0; i < DATA_HTLCS_MAX; i++) {
        struct data_htlc before, now;
        const bool was_there = data_htlc(node->seed, i, node->version - 1, &before);
        const bool is_there = data_htlc(node->seed, i, node->version, &now);
        if (is_there && (!was_there || memcmp(&before, &now, sizeof now) != 0)) {
            node_tell_htlc(node, &now);
        } else if (was_there && !is_there) {
            forget_htlc(node, &now);
        }
    }
}

static void report_roles(const struct node *node)
{
    lnkeep_backup_peers *page = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_backup_list(node->backup, NULL, 0, &page, &err);
    outcome_expect("list", status, &err);
    for (size_t i = 0; i < page->peers_len; i++) {
        const lnkeep_backup_peer *peer =
            (const void *)((const char *)page->peers + i * page->peer_stride);
        enum restore_role role = RESTORE_ROLE_NONE;
        if (peer->flags & LNKEEP_BACKUP_PEER_HAS_SHARE) {
            role = RESTORE_ROLE_SHARE;
        } else if (peer->flags & LNKEEP_BACKUP_PEER_KEEPS_JOURNAL) {
            role = RESTORE_ROLE_JOURNAL;
        }
        node_report(node, RESTORE_REPORT_ROLE, world_peer_of(peer->node_id), 0, role, 0);
    }
    lnkeep_backup_peers_free(page);
}

void node_report_standing(const struct node *node, enum restore_report_kind kind)
{
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_backup_read_standing(node->backup, &standing, &err);
    outcome_expect("standing", status, &err);
    node_report(node, kind, 0, standing.shares, standing.confirmed_shares, standing.data_shares);
}

/* Goes to the next version of its data, and lets it be kept: peers confirm a blob only by returning
 * it, on the next connection. */
static void step(struct node *node, unsigned version)
{
    static uint8_t payload[DATA_PAYLOAD_BYTES_MAX];
    node->version = version;
    if (node->mistake != RESTORE_NO_HTLCS) {
        change_htlcs(node);
    }
    const size_t len = data_payload(node->seed, version, payload);
    node_set_payload(node, (lnkeep_bytes){.ptr = payload, .len = len});
    for (unsigned i = 0; i < 2; i++) {
        node_pass(node, NODE_SETTLE_MS);
        node_disconnect(node);
        node_connect(node);
    }
    report_roles(node);
    node_report_standing(node, RESTORE_REPORT_STEP);
}

int restore_node_run(int control_fd)
{
    static struct node node;
    struct restore_start start;
    struct restore_order order;
    size_t len;
    node.control_fd = control_fd;
    node.has_channels = true;
    if (channel_receive(control_fd, &start, sizeof start, &len) != CHANNEL_OK ||
        (mkdir(RESTORE_NODE_DIRECTORY, 0700) != 0 && errno != EEXIST)) {
        return EXIT_COULD_NOT_RUN;
    }
    node.seed = start.seed;
    node.mistake = (enum restore_mistake)start.mistake;
    node_set_clock(&node, start.clock_ms);
    node_open(&node, start.secret);
    node_wipe(start.secret, sizeof start.secret);
    node_connect(&node);
    while (channel_receive(control_fd, &order, sizeof order, &len) == CHANNEL_OK) {
        node.blobs_left = order.blobs;
        step(&node, order.value);
    }
    node_close(&node);
    return EXIT_SUCCESS;
}

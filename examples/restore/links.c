/*
 * The node's connections, all in one thread.
 *
 * What matters for a real node is the order on each connection: init; what the peer returns, which
 * lnkeep looks at; channel_reestablish; and only then blobs of ours.
 */
#define _XOPEN_SOURCE 700
#include "node.h"

#include "clock.h"
#include "outcome.h"
#include "peers.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { CONNECT_SECS_MAX = 30, TICK_MS_MIN = 100, COMMITMENT_NUMBER = 1 };

uint64_t node_now_ms(const struct node *node)
{
    return (uint64_t)((int64_t)peers_now_ms() + node->ahead_ms);
}

void node_set_clock(struct node *node, uint64_t now_ms)
{
    node->ahead_ms = (int64_t)now_ms - (int64_t)peers_now_ms();
}

static void end_link(struct node *node, unsigned peer)
{
    struct link *link = &node->links[peer];
    uint8_t node_id[WORLD_NODE_ID_BYTES];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    close(link->fd);
    link->fd = -1;
    if (link->is_greeted) {
        const lnkeep_status status = lnkeep_backup_disconnected(node->backup, node_id, &err);
        outcome_expect("disconnected", status, &err);
    }
    link->is_greeted = link->has_begun = false;
}

static void send_message(struct node *node, unsigned peer, lnkeep_bytes message)
{
    if (!frame_send(node->links[peer].fd, message)) {
        end_link(node, peer);
    }
}

static void take_init(struct node *node, unsigned peer, lnkeep_bytes message)
{
    uint8_t node_id[WORLD_NODE_ID_BYTES];
    lnkeep_bytes features;
    uint32_t found = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    if (!frame_read_init(message, &features)) {
        end_link(node, peer);
        return;
    }
    outcome_expect("features", lnkeep_wire_storage_feature(features, &found, &err), &err);
    const uint32_t offers = (found & LNKEEP_STORAGE_OFFERED) != 0;
    const lnkeep_status status =
        lnkeep_backup_connected(node->backup, node_now_ms(node), node_id, offers, &err);
    outcome_expect("connected", status, &err);
    node->links[peer].is_greeted = true;
}

/* Whether what came back is what was sent, lnkeep knows. That it shows a loss, the node has to know
 * before it answers channel_reestablish. */
static void take_blob(struct node *node, unsigned peer, lnkeep_bytes message)
{
    uint8_t node_id[WORLD_NODE_ID_BYTES];
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    if (node->looks_away) {
        return;
    }
    if (lnkeep_wire_decode(message, 0, &decoded, &err) != LNKEEP_DONE) {
        return;
    }
    const lnkeep_status status =
        lnkeep_backup_retrieval(node->backup, node_now_ms(node), node_id, decoded.blob,
                                &concluded, NULL, &err);
    outcome_expect("retrieval", status, &err);
    node->losses += concluded.action == LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS;
}

static void take_reestablish(struct node *node, unsigned peer)
{
    uint8_t node_id[WORLD_NODE_ID_BYTES], reestablish[FRAME_REESTABLISH_BYTES];
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    const lnkeep_status status = lnkeep_backup_reestablish_begun(
        node->backup, node_now_ms(node), node_id, &concluded, &err);
    outcome_expect("reestablish", status, &err);
    node->links[peer].has_begun = true;
    if (node->has_channels) {
        frame_write_reestablish(reestablish, COMMITMENT_NUMBER);
        send_message(node, peer, (lnkeep_bytes){.ptr = reestablish, .len = sizeof reestablish});
    }
}

static void take_messages(struct node *node, unsigned peer)
{
    struct link *link = &node->links[peer];
    lnkeep_bytes message;
    while (link->fd >= 0) {
        switch (frame_read(link->fd, &link->reader, &message)) {
        case FRAME_PARTIAL:
            return;
        case FRAME_GONE:
            end_link(node, peer);
            return;
        case FRAME_WHOLE:
            break;
        }
        if (!link->is_greeted) {
            take_init(node, peer, message);
        } else if (frame_type(message) == LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL) {
            take_blob(node, peer, message);
        } else if (frame_type(message) == FRAME_CHANNEL_REESTABLISH) {
            take_reestablish(node, peer);
        }
    }
}

static void begin_link(struct node *node, unsigned peer)
{
    struct link *link = &node->links[peer];
    uint8_t address[WORLD_ADDRESS_BYTES], init[FRAME_INIT_BYTES];
    char socket[WORLD_SOCKET_BYTES];
    world_address(peer, address);
    world_socket(address, sizeof address, socket);
    link->fd = frame_connect(socket);
    link->reader.len = 0;
    if (link->fd >= 0) {
        frame_write_init(init, false);
        send_message(node, peer, (lnkeep_bytes){.ptr = init, .len = sizeof init});
    }
}

void node_connect(struct node *node)
{
    const uint64_t began_us = now_us();
    for (unsigned waiting = RESTORE_PEERS; waiting > 0;) {
        struct pollfd fds[RESTORE_PEERS];
        waiting = 0;
        for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
            if (node->links[peer].fd < 0) {
                begin_link(node, peer);
            }
            take_messages(node, peer);
            waiting += !node->links[peer].has_begun;
            fds[peer] = (struct pollfd){.fd = node->links[peer].fd, .events = POLLIN};
        }
        if (now_us() - began_us > 1000000 * (uint64_t)CONNECT_SECS_MAX) {
            fprintf(stderr, "node: %u peers do not answer\n", waiting);
            _exit(EXIT_COULD_NOT_RUN);
        }
        poll(fds, RESTORE_PEERS, waiting == 0 ? 0 : 1);
    }
    node->tick_ms = 0;
}

void node_disconnect(struct node *node)
{
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        if (node->links[peer].fd >= 0) {
            end_link(node, peer);
        }
    }
}

/* Not for a node to start from: what a host does that does not encrypt. */
static lnkeep_bytes bare_payload(const struct node *node)
{
    static uint8_t payload[DATA_PAYLOAD_BYTES_MAX];
    const size_t len = data_payload(node->seed, node->version, payload);
    return (lnkeep_bytes){.ptr = payload, .len = len < 60000 ? len : 60000};
}

void node_send(struct node *node, unsigned peer)
{
    uint8_t node_id[WORLD_NODE_ID_BYTES];
    lnkeep_buf *blob = NULL, *message = NULL;
    uint64_t seq = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    world_node_id(peer, node_id);
    lnkeep_status status = lnkeep_backup_seal(node->backup, node_now_ms(node), node_id,
                                              WORLD_BLOCK_HEIGHT, &blob, &seq, &err);
    if (outcome_class("seal", status, &err) != LNKEEP_CLASS_DONE) {
        return; /* nothing was sealed; a tick asks again */
    }
    const bool is_bare = node->mistake == RESTORE_NO_CIPHER;
    const lnkeep_bytes sealed = {.ptr = blob->ptr, .len = blob->len};
    status = lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, is_bare ? bare_payload(node) : sealed,
                                &message, &err);
    outcome_expect("encode", status, &err);
    /* Its number is on disk: whether it arrives or not, no other blob gets it. */
    send_message(node, peer, (lnkeep_bytes){.ptr = message->ptr, .len = message->len});
    lnkeep_buf_free(message);
    lnkeep_buf_free(blob);
    node_report(node, RESTORE_REPORT_SENT, peer, 0, seq, 0);
    if (node->blobs_left > 0 && --node->blobs_left == 0) {
        for (;;) {
            pause(); /* so that a run can be repeated: the kill comes from outside */
        }
    }
}

static void tick(struct node *node)
{
    lnkeep_backup_actions *actions = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status =
        lnkeep_backup_tick(node->backup, node_now_ms(node), &actions, &err);
    outcome_expect("tick", status, &err);
    for (size_t i = 0; i < actions->actions_len; i++) {
        /* By the stride: a later lnkeep may have longer ones. */
        const lnkeep_backup_action *action = (const void *)((const char *)actions->actions +
                                                            i * actions->action_stride);
        const unsigned peer = world_peer_of(action->node_id);
        if (action->action == LNKEEP_BACKUP_ACTION_SEND && peer < RESTORE_PEERS &&
            node->links[peer].fd >= 0) {
            node_send(node, peer);
        }
    }
    const bool has_next = (actions->flags & LNKEEP_BACKUP_HAS_NEXT_DUE) != 0;
    const uint64_t soonest_ms = node_now_ms(node) + TICK_MS_MIN;
    node->tick_ms = has_next ? actions->next_due_ms : UINT64_MAX;
    node->tick_ms = node->tick_ms < soonest_ms ? soonest_ms : node->tick_ms;
    lnkeep_backup_actions_free(actions);
}

/* Every peer has returned what it keeps, so nothing is awaited that real time would have to pass
 * for: the clock is turned on to what is due next. */
void node_pass(struct node *node, uint64_t ms)
{
    const uint64_t until_ms = node_now_ms(node) + ms;
    while (node_now_ms(node) < until_ms) {
        for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
            take_messages(node, peer);
        }
        if (node_now_ms(node) >= node->tick_ms) {
            tick(node);
        } else {
            node_set_clock(node, node->tick_ms < until_ms ? node->tick_ms : until_ms);
        }
    }
}

/* Operations on peer storage, and on the messages of BOLT 1 that it exchanges. */

#include "operations.h"

#include <string.h>

OPERATION(peer_storage_open) {
    lnkeep_peer_storage_options options = LNKEEP_PEER_STORAGE_OPTIONS_INIT;
    options.flags =
        seldom(t, 4) ? pick_flags(t, 31) & ~(uint32_t)LNKEEP_PEER_STORAGE_ZEROS_COUNT : 0;
    if (seldom(t, 8)) options.without_channel_percent = pick(t, 120);
    if (seldom(t, 4)) options.cooldown_ms = pick(t, 256);
    if (seldom(t, 8)) options.total_bytes_max = pick(t, 4096);
    if (seldom(t, 8)) options.pending_bytes_max = pick(t, 4096);
    if (seldom(t, 8)) options.retention_blocks = 1 + pick(t, 8);
    if (seldom(t, 8)) options.blob_bytes_max = 1 + pick(t, 4096);
    if (seldom(t, 8)) options.peers_max = 1 + pick(t, 3);
    options.reserved = pick_reserved(t);
    lnkeep_peer_storage *opened = OUT_HANDLE(lnkeep_peer_storage);
    lnkeep_status status = CALL(peer_storage_open, STORE, SIZED_IN_OPTIONAL(options), opened,
                                SIZED_OUT_OPTIONAL(lnkeep_peer_storage_report), ERR);
    opened_handle(t, ON_PEER_STORAGE, status, opened);
}

OPERATION(peer_storage_close) {
    lnkeep_peer_storage *copy = CLOSING(lnkeep_peer_storage, ON_PEER_STORAGE);
    lnkeep_status status = CALL(peer_storage_close, copy, ERR);
    closed_handle(t, ON_PEER_STORAGE, status, copy);
}

OPERATION(peer_storage_is_open) {
    lnkeep_peer_storage opened = PEER_STORAGE;
    check_is_open(t, "lnkeep_peer_storage_is_open", lnkeep_peer_storage_is_open(opened));
}

OPERATION(peer_storage_store) {
    unsigned node = 0;
    size_t peer = pick_node(t);
    lnkeep_bytes blob = seldom(t, 4) ? pick_blob(t, &node) : view(t);
    CALL(peer_storage_store, PEER_STORAGE, pick_time_ms(t), IN_BYTES(nodes[peer], 33), blob,
         SIZED_OUT_OPTIONAL(lnkeep_stored), ERR);
}

OPERATION(peer_storage_connected) {
    lnkeep_buf **blob = OUT(lnkeep_buf *);
    lnkeep_status status = CALL(peer_storage_connected, PEER_STORAGE, pick_time_ms(t),
                                IN_BYTES(nodes[pick_node(t)], 33), blob, ERR);
    KEEP(status, A_BUF, blob);
}

OPERATION(peer_storage_disconnected) {
    CALL(peer_storage_disconnected, PEER_STORAGE, pick_time_ms(t),
         IN_BYTES(nodes[pick_node(t)], 33), ERR);
}

OPERATION(peer_storage_tick) {
    lnkeep_node_ids **committed = OUT_OPTIONAL(lnkeep_node_ids *);
    lnkeep_status status =
        CALL(peer_storage_tick, PEER_STORAGE, pick_time_ms(t), pick_flags(t, LNKEEP_TICK_ALL),
             SIZED_OUT_OPTIONAL(lnkeep_ticked), committed, ERR);
    KEEP(status, SOME_NODE_IDS, committed);
}

OPERATION(peer_storage_report_claim) {
    uint32_t change = pick_enum(t, LNKEEP_CLAIM_PENDING_CHANNEL, LNKEEP_CLAIM_DISALLOWED);
    CALL(peer_storage_report_claim, PEER_STORAGE, IN_BYTES(nodes[pick_node(t)], 33), change,
         pick_height(t), ERR);
}

OPERATION(peer_storage_claims_complete) {
    lnkeep_peer_claims claims[NODES];
    size_t count = pick(t, NODES + 1);
    memset(claims, 0, sizeof claims);
    for (size_t i = 0; i < count; i++) {
        memcpy(claims[i].node_id, nodes[seldom(t, 16) ? 0 : i], 33);
        claims[i].open_channels = pick(t, 3);
        claims[i].pending_channels = seldom(t, 4);
        claims[i].flags = pick_flags(t, LNKEEP_PEER_ALLOWED);
        claims[i].reserved_bytes[1] = (uint8_t)pick_reserved(t);
    }
    CALL(peer_storage_claims_complete, PEER_STORAGE, IN_ARRAY(claims, count), count, pick_height(t),
         ERR);
}

OPERATION(peer_storage_block_connected) {
    lnkeep_node_ids **collected = OUT_OPTIONAL(lnkeep_node_ids *);
    lnkeep_status status =
        CALL(peer_storage_block_connected, PEER_STORAGE, pick_height(t), collected, ERR);
    KEEP(status, SOME_NODE_IDS, collected);
}

OPERATION(peer_storage_prune) {
    lnkeep_node_ids **pruned = OUT_OPTIONAL(lnkeep_node_ids *);
    lnkeep_status status = CALL(peer_storage_prune, PEER_STORAGE,
                                IN_BYTES_OPTIONAL(nodes[pick_node(t)], 33), pruned, ERR);
    KEEP(status, SOME_NODE_IDS, pruned);
}

OPERATION(peer_storage_list) {
    lnkeep_peer_page **page = OUT(lnkeep_peer_page *);
    const uint8_t *after = seldom(t, 2) ? IN_BYTES_OPTIONAL(nodes[pick_node(t)], 33) : NULL;
    lnkeep_status status = CALL(peer_storage_list, PEER_STORAGE, after, pick(t, 5), page, ERR);
    KEEP(status, A_PEER_PAGE, page);
}

OPERATION(peer_storage_export) {
    lnkeep_buf **blob = OUT(lnkeep_buf *);
    lnkeep_status status =
        CALL(peer_storage_export, PEER_STORAGE, IN_BYTES(nodes[pick_node(t)], 33), blob, ERR);
    KEEP(status, A_BUF, blob);
}

OPERATION(peer_storage_set_offered) {
    uint32_t is_offered = seldom(t, 16) ? 2 : seldom(t, 4) ? 0 : 1;
    if (is_offered == 2) t->doubts = 1;
    CALL(peer_storage_set_offered, PEER_STORAGE, is_offered, ERR);
}

OPERATION(peer_storage_read_stats) {
    CALL(peer_storage_read_stats, PEER_STORAGE, SIZED_OUT(lnkeep_peer_storage_stats), ERR);
}

OPERATION(wire_encode) {
    unsigned node = 0;
    lnkeep_bytes blob = seldom(t, 2) ? pick_blob(t, &node) : view(t);
    lnkeep_buf **message = OUT(lnkeep_buf *);
    uint32_t kind = seldom(t, 16)  ? pick(t, 12)
                    : seldom(t, 2) ? LNKEEP_WIRE_PEER_STORAGE
                                   : LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL;
    lnkeep_status status = CALL(wire_encode, kind, blob, message, ERR);
    if (succeeded(t, status) && message) remember_blob(t, (*message)->ptr, (*message)->len, node);
    KEEP(status, A_BUF, message);
}

OPERATION(wire_decode) {
    unsigned node = 0;
    lnkeep_bytes message = pick_blob(t, &node);
    lnkeep_wire_message *decoded = SIZED_OUT(lnkeep_wire_message);
    lnkeep_status status =
        CALL(wire_decode, message, pick_flags(t, LNKEEP_WIRE_STRICT), decoded, ERR);
    /* The view leads into the message, as long as there is room for it in the caller's structure.
     */
    if (succeeded(t, status) && decoded && decoded->size >= sizeof *decoded) {
        int is_inside = decoded->blob.len + decoded->extension.len <= message.len;
        if (!is_inside) violation(t, FOUND_WRONG, "a view of a message is longer than the message");
        else remember_blob(t, decoded->blob.ptr, decoded->blob.len, node);
    }
}

OPERATION(wire_storage_feature) {
    CALL(wire_storage_feature, view(t), OUT(uint32_t), ERR);
}

const struct operation peer_storage_operations[] = {
    ROW(peer_storage_open), ROW(peer_storage_claims_complete), ROW(peer_storage_report_claim),
    ROW(peer_storage_store), ROW(peer_storage_connected), ROW(peer_storage_disconnected),
    ROW(peer_storage_tick), ROW(peer_storage_block_connected), ROW(peer_storage_prune),
    ROW(peer_storage_list), ROW(peer_storage_export), ROW(peer_storage_set_offered),
    ROW(peer_storage_read_stats), ROW(wire_encode), ROW(wire_decode), ROW(wire_storage_feature),
    ROW(peer_storage_close), ROW(peer_storage_is_open), ROW(peer_storage_store),
};
TABLE(peer_storage);

/*
 * A peer that keeps the node's blob, and from some day on may lie. All that is honest about it is
 * ../c/provider.c.
 */
#define _XOPEN_SOURCE 700
#include "channels.h"
#include "outcome.h"
#include "provider.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
    enum restore_lie lie;
    uint8_t first[FRAME_BYTES_MAX]; /* the first blob that it was ever given */
    size_t first_len;
    uint64_t blobs, reestablished; /* messages that it was sent */
} peer;

void restore_report(int control_fd, const struct restore_report *report)
{
    if (!channel_send(control_fd, report, sizeof *report)) {
        _exit(EXIT_COULD_NOT_RUN);
    }
}

/* The parent hears only what it asks for. */
static void say_nothing(const struct provider *provider, enum peers_report_kind kind,
                        uint64_t at_ms)
{
    (void)provider;
    (void)kind;
    (void)at_ms;
}

static void hear(const struct provider *provider, lnkeep_bytes message)
{
    (void)provider;
    peer.reestablished += frame_type(message) == FRAME_CHANNEL_REESTABLISH;
    if (frame_type(message) != LNKEEP_WIRE_PEER_STORAGE) {
        return;
    }
    peer.blobs++;
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    if (peer.first_len == 0 && lnkeep_wire_decode(message, 0, &decoded, NULL) == LNKEEP_DONE) {
        memcpy(peer.first, decoded.blob.ptr, decoded.blob.len);
        peer.first_len = decoded.blob.len;
    }
}

static lnkeep_bytes lie(const struct provider *provider, lnkeep_bytes kept)
{
    static uint8_t garbage[FRAME_BYTES_MAX];
    (void)provider;
    switch (peer.lie) {
    case RESTORE_WITHHOLDS:
        return (lnkeep_bytes){.ptr = NULL, .len = 0};
    case RESTORE_OLD:
        return (lnkeep_bytes){.ptr = peer.first, .len = peer.first_len};
    case RESTORE_GARBAGE:
        for (size_t i = 0; i < kept.len; i++) {
            garbage[i] = (uint8_t)(kept.ptr[i] * 3 + i);
        }
        return (lnkeep_bytes){.ptr = garbage, .len = kept.len};
    default:
        return kept;
    }
}

static void report_counts(const struct provider *provider)
{
    const struct restore_report counts = {
        .kind = RESTORE_REPORT_COUNTS,
        .value = provider->peer_fd >= 0,
        .number = peer.blobs,
        .other = peer.reestablished,
    };
    restore_report(provider->place->control_fd, &counts);
}

static bool obey(const struct provider *provider)
{
    struct restore_order order;
    size_t len;
    if (channel_receive(provider->place->control_fd, &order, sizeof order, &len) != CHANNEL_OK) {
        return false;
    }
    if (order.kind == RESTORE_ORDER_LIE) {
        peer.lie = (enum restore_lie)order.value;
    }
    report_counts(provider);
    return true;
}

int restore_peer_run(int control_fd)
{
    struct restore_start start;
    size_t len;
    if (channel_receive(control_fd, &start, sizeof start, &len) != CHANNEL_OK) {
        return EXIT_COULD_NOT_RUN;
    }
    char socket[WORLD_SOCKET_BYTES], store[WORLD_SOCKET_BYTES];
    uint8_t address[WORLD_ADDRESS_BYTES];
    world_address(start.peer, address);
    world_socket(address, sizeof address, socket);
    snprintf(store, sizeof store, "peer-%u", start.peer);
    const struct provider_place place = {
        .socket = socket,
        .store = store,
        .client_id = WORLD_NODE_ID,
        .control_fd = control_fd,
        .report = say_nothing,
        .hear = hear,
        .lie = lie,
        .obey = obey,
    };
    return provider_run(&place);
}

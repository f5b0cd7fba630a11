#define _XOPEN_SOURCE 700
#include "network.h"

#include "channels.h"

#include <string.h>

/* A real network takes a second; the demo has a minute. */
enum { ANSWER_US_MAX = 20000 };

static struct htlc *find(struct network *network, uint64_t id)
{
    for (size_t i = 0; i < network->held_len; i++) {
        if (network->held[i].id == id) {
            return &network->held[i];
        }
    }
    return NULL;
}

static uint64_t due(struct network *network)
{
    return now_us() + chance_below(network->chance, ANSWER_US_MAX);
}

static void take_add(struct network *network, const struct wire_add *add)
{
    struct entry *entry = ledger_find(network->ledger, add->id);
    if (entry == NULL) {
        return;
    }
    entry->dispatched++;
    const uint8_t *hash = messages_payment_hash(network->messages, add->id);
    if (memcmp(hash, add->payment_hash, 32) != 0) {
        network->malformed++;
    }
    if (find(network, add->id) == NULL && network->held_len < WIRE_HELD_MAX) {
        network->held[network->held_len++] =
            (struct htlc){.id = add->id, .due_us = due(network)};
    }
}

void network_take(struct network *network, const uint8_t *message, size_t len)
{
    struct wire_add add;
    uint64_t id;
    if (wire_read_add(message, len, &add)) {
        take_add(network, &add);
    } else if (wire_read_forget(message, len, &id)) {
        struct htlc *htlc = find(network, id);
        if (htlc != NULL) {
            *htlc = network->held[--network->held_len];
        }
    } else {
        network->malformed++;
    }
}

void network_answer(struct network *network, int fd)
{
    uint64_t now = now_us();
    for (size_t i = 0; i < network->held_len; i++) {
        struct htlc *htlc = &network->held[i];
        if (htlc->answered || htlc->due_us > now) {
            continue;
        }
        struct message answer;
        messages_answer(network->messages, htlc->id, &answer);
        if (channel_try_send(fd, answer.bytes, answer.len) != CHANNEL_OK) {
            return;
        }
        htlc->answered = true;
    }
}

bool network_reconnect(struct network *network, int fd)
{
    static uint8_t message[WIRE_HELD_BYTES_MAX];
    static uint64_t ids[WIRE_HELD_MAX];
    for (size_t i = 0; i < network->held_len; i++) {
        ids[i] = network->held[i].id;
    }
    size_t len = wire_write_held(message, ids, network->held_len);
    return channel_try_send(fd, message, len) == CHANNEL_OK;
}

void network_node_died(struct network *network)
{
    for (size_t i = 0; i < network->held_len; i++) {
        struct htlc *htlc = &network->held[i];
        htlc->answered = false;
        htlc->due_us = due(network);
        ledger_find(network->ledger, htlc->id)->held_over_a_death = true;
    }
}

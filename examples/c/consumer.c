/*
 * The node that has its data kept by a peer, until it is killed or its parent is done.
 *
 * What matters for a real node: what comes back is looked at before channel_reestablish is
 * answered, so that a node that lost its data learns of it in time; nothing is sent before that,
 * which lnkeep sees to; a blob leaves at once after it was sealed; and a timer is armed for the
 * next tick.
 */
#define _XOPEN_SOURCE 700
#include "consumer.h"

#include "channels.h"
#include "outcome.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_AGAIN_MS = 4, COMMITMENT_NUMBER = 1 };

void consumer_report(const struct consumer *consumer, enum peers_report_kind kind, uint64_t blob,
                     uint64_t number)
{
    const struct peers_report report = {.kind = kind, .blob = blob, .number = number};
    peers_report(consumer->control_fd, &report);
}

void consumer_set_payload(struct consumer *consumer)
{
    uint8_t bytes[CONSUMER_DATA_BYTES_MAX];
    const lnkeep_bytes payload = {
        .ptr = bytes,
        .len = consumer_data_write(&consumer->data, bytes),
    };
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_backup_set_payload(consumer->backup, payload, &err);
    outcome_expect("set payload", status, &err);
    consumer->tick_ms = 0;
}

/* Not optimised away, as memset before the end of a life could be. */
static void wipe(uint8_t *secret, size_t len)
{
    volatile uint8_t *at = secret;
    while (len-- > 0) {
        *at++ = 0;
    }
}

static void open_backup(struct consumer *consumer)
{
    lnkeep_backup_options options = LNKEEP_BACKUP_OPTIONS_INIT;
    options.resend_interval_ms = PEERS_RESEND_INTERVAL_MS;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(PEERS_CONSUMER_DIRECTORY "/store", NULL, &consumer->store, NULL,
                                   &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open store", status, &err);
    do {
        status = lnkeep_backup_open(consumer->store, consumer->secret, &options, &consumer->backup,
                                    NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open backup", status, &err);
    if (consumer->mistake != PEERS_MEMORY_SEQ) {
        wipe(consumer->secret, sizeof consumer->secret);
    }
}

static void end_connection(struct consumer *consumer)
{
    close(consumer->peer_fd);
    consumer->peer_fd = -1;
    consumer->connect_ms = peers_now_ms() + CONNECT_AGAIN_MS;
    consumer->late.len = 0;
    if (consumer->is_greeted) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        outcome_expect("disconnected",
                       lnkeep_backup_disconnected(consumer->backup, PEERS_PROVIDER_ID, &err), &err);
    }
    consumer->is_greeted = false;
}

static void send_message(struct consumer *consumer, const uint8_t *message, size_t len)
{
    const lnkeep_bytes bytes = {.ptr = message, .len = len};
    if (consumer->peer_fd >= 0 && !frame_send(consumer->peer_fd, bytes)) {
        end_connection(consumer);
    }
}

static void send_blob(struct consumer *consumer)
{
    lnkeep_buf *blob = NULL, *message = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const uint64_t now_ms = peers_now_ms();
    lnkeep_status status =
        consumer->mistake == PEERS_MEMORY_SEQ
            ? consumer_memory_seal(consumer, now_ms, &blob, &err)
            : lnkeep_backup_seal(consumer->backup, now_ms, PEERS_PROVIDER_ID, PEERS_BLOCK_HEIGHT,
                                 &blob, NULL, &err);
    if (outcome_class("seal", status, &err) != LNKEEP_CLASS_DONE) {
        return; /* nothing was sealed; a tick asks again */
    }
    const lnkeep_bytes bytes = {.ptr = blob->ptr, .len = blob->len};
    status = lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, bytes, &message, &err);
    outcome_expect("encode", status, &err);
    /* Its number is on disk: whether it arrives or not, no other blob gets it. */
    send_message(consumer, message->ptr, message->len);
    lnkeep_buf_free(message);
    lnkeep_buf_free(blob);
}

/* What follows from what the peer returned, or from its silence. */
static void conclude(struct consumer *consumer, const lnkeep_concluded *concluded, uint64_t blob,
                     const lnkeep_opened *opened)
{
    const bool is_new = blob != 0 && concluded->state == LNKEEP_BACKUP_STATE_COMMITTED;
    const bool is_older = blob != 0 && concluded->state == LNKEEP_BACKUP_STATE_LAGGING;
    switch (concluded->action) {
    case LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS:
        consumer_recover(consumer, blob, opened);
        break;
    case LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE:
        fprintf(stderr, "consumer: the peer returned what nobody here can read\n");
        _exit(EXIT_COULD_NOT_RUN);
    default: /* to be sent, or sent again: a tick says when */
        break;
    }
    if (is_new || is_older) {
        consumer_report(consumer, PEERS_REPORT_CONFIRMED, blob, 0);
    } else if (concluded->state == LNKEEP_BACKUP_STATE_LOST ||
               concluded->state == LNKEEP_BACKUP_STATE_STALE ||
               concluded->state == LNKEEP_BACKUP_STATE_CORRUPT) {
        consumer_report(consumer, PEERS_REPORT_STRIKE, blob, concluded->state);
    }
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("standing", lnkeep_backup_read_standing(consumer->backup, &standing, &err),
                   &err);
    if (consumer->settles && standing.confirmed_copies > 0) {
        consumer_report(consumer, PEERS_REPORT_SETTLED, blob, consumer->data.counter);
    }
    consumer->tick_ms = 0;
}

static void take_blob(struct consumer *consumer, lnkeep_bytes message)
{
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_opened *opened = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_wire_decode(message, 0, &decoded, &err) != LNKEEP_DONE) {
        return;
    }
    const lnkeep_status status =
        lnkeep_backup_retrieval(consumer->backup, peers_now_ms(), PEERS_PROVIDER_ID, decoded.blob,
                                &concluded, &opened, &err);
    outcome_expect("retrieval", status, &err);
    const uint64_t blob = peers_blob_name(decoded.blob.ptr, decoded.blob.len);
    consumer_report(consumer, PEERS_REPORT_LOOKED, blob, 0);
    conclude(consumer, &concluded, blob, opened);
    lnkeep_opened_free(opened); /* the payload is zeroized */
}

static void begin_reestablish(struct consumer *consumer)
{
    lnkeep_concluded concluded = LNKEEP_CONCLUDED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_backup_reestablish_begun(
        consumer->backup, peers_now_ms(), PEERS_PROVIDER_ID, &concluded, &err);
    outcome_expect("reestablish", status, &err);
    conclude(consumer, &concluded, 0, NULL);
}

/* The peer begins with channel_reestablish, so that this node can wait for what comes before it. If
 * both waited, nobody would begin: a node whose peer may wait too sets itself a time (hold_ms). */
static void take_reestablish(struct consumer *consumer)
{
    uint8_t reestablish[FRAME_REESTABLISH_BYTES];
    frame_write_reestablish(reestablish, COMMITMENT_NUMBER);
    if (consumer->mistake != PEERS_LATE_LOOK) {
        begin_reestablish(consumer);
    }
    consumer_report(consumer, PEERS_REPORT_LOOKED, 0, 0);
    send_message(consumer, reestablish, sizeof reestablish);
    if (consumer->mistake == PEERS_LATE_LOOK && consumer->peer_fd >= 0) {
        if (consumer->late.len > 0) {
            take_blob(consumer, consumer->late);
        }
        begin_reestablish(consumer);
    }
    if (consumer->peer_fd < 0) {
        return;
    }
    /* A peer whose channel was not open yet may have refused what it was sent. */
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("channel ready",
                   lnkeep_backup_channel_ready(consumer->backup, PEERS_PROVIDER_ID, &err), &err);
    consumer->tick_ms = 0;
}

static void tick(struct consumer *consumer)
{
    lnkeep_backup_actions *actions = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const uint64_t now_ms = peers_now_ms();
    const lnkeep_status status = lnkeep_backup_tick(consumer->backup, now_ms, &actions, &err);
    outcome_expect("tick", status, &err);
    for (size_t i = 0; i < actions->actions_len; i++) {
        /* By the stride: a later lnkeep may have longer ones. There is one peer here; a node with
         * more looks at node_id. */
        const lnkeep_backup_action *action = (const void *)((const char *)actions->actions +
                                                            i * actions->action_stride);
        if (action->action == LNKEEP_BACKUP_ACTION_SEND) {
            send_blob(consumer);
        }
    }
    const bool has_next = (actions->flags & LNKEEP_BACKUP_HAS_NEXT_DUE) != 0;
    consumer->tick_ms = has_next ? actions->next_due_ms : UINT64_MAX;
    lnkeep_backup_actions_free(actions);
}

static void take_init(struct consumer *consumer, lnkeep_bytes message)
{
    lnkeep_bytes features;
    uint32_t found = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (!frame_read_init(message, &features)) {
        end_connection(consumer);
        return;
    }
    outcome_expect("features", lnkeep_wire_storage_feature(features, &found, &err), &err);
    const uint32_t offers = (found & LNKEEP_STORAGE_OFFERED) != 0;
    const lnkeep_status status = lnkeep_backup_connected(consumer->backup, peers_now_ms(),
                                                         PEERS_PROVIDER_ID, offers, &err);
    outcome_expect("connected", status, &err);
    consumer->is_greeted = true;
    consumer->tick_ms = 0;
    if (consumer->mistake == PEERS_EARLY_SEND) {
        begin_reestablish(consumer); /* it has not begun */
        tick(consumer);
    }
}

static void take_message(struct consumer *consumer, lnkeep_bytes message)
{
    if (!consumer->is_greeted) {
        take_init(consumer, message);
        return;
    }
    switch (frame_type(message)) {
    case LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL:
        if (consumer->mistake == PEERS_LATE_LOOK) {
            static uint8_t copy[FRAME_BYTES_MAX];
            memcpy(copy, message.ptr, message.len);
            consumer->late = (lnkeep_bytes){.ptr = copy, .len = message.len};
        } else {
            take_blob(consumer, message);
        }
        break;
    case FRAME_CHANNEL_REESTABLISH:
        take_reestablish(consumer);
        break;
    default:
        break;
    }
}

static void take_messages(struct consumer *consumer)
{
    lnkeep_bytes message;
    while (consumer->peer_fd >= 0) {
        switch (frame_read(consumer->peer_fd, &consumer->reader, &message)) {
        case FRAME_PARTIAL:
            return;
        case FRAME_GONE:
            end_connection(consumer);
            return;
        case FRAME_WHOLE:
            take_message(consumer, message);
            break;
        }
    }
}

static void connect_to_peer(struct consumer *consumer)
{
    consumer->peer_fd = frame_connect(PEERS_WIRE_SOCKET);
    consumer->connect_ms = peers_now_ms() + CONNECT_AGAIN_MS;
    if (consumer->peer_fd < 0) {
        return;
    }
    consumer->reader.len = 0;
    uint8_t init[FRAME_INIT_BYTES];
    frame_write_init(init, false);
    send_message(consumer, init, sizeof init);
}

/* Whatever is due by now. */
static void do_due(struct consumer *consumer)
{
    const uint64_t now_ms = peers_now_ms();
    if (!consumer->settles && now_ms >= consumer->change_ms) {
        consumer->change_ms = now_ms + PEERS_CHANGE_MS;
        consumer_data_change(&consumer->data);
        consumer_data_save(&consumer->data);
        consumer_set_payload(consumer);
    }
    if (consumer->peer_fd < 0 && now_ms >= consumer->connect_ms) {
        connect_to_peer(consumer);
    }
    if (now_ms >= consumer->tick_ms) {
        tick(consumer);
    }
}

static int wait_ms(const struct consumer *consumer)
{
    uint64_t due_ms = consumer->tick_ms;
    if (!consumer->settles && consumer->change_ms < due_ms) {
        due_ms = consumer->change_ms;
    }
    if (consumer->peer_fd < 0 && consumer->connect_ms < due_ms) {
        due_ms = consumer->connect_ms;
    }
    const uint64_t now_ms = peers_now_ms();
    if (due_ms <= now_ms) {
        return 0;
    }
    return due_ms - now_ms > INT32_MAX ? -1 : (int)(due_ms - now_ms);
}

static void run(struct consumer *consumer)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = consumer->control_fd, .events = POLLIN},
            {.fd = consumer->peer_fd, .events = POLLIN}, /* ignored when -1 */
        };
        poll(fds, 2, wait_ms(consumer));
        uint8_t order;
        size_t len;
        switch (channel_try_receive(consumer->control_fd, &order, sizeof order, &len)) {
        case CHANNEL_OK:
            consumer->settles = true;
            break;
        case CHANNEL_CLOSED:
            return;
        case CHANNEL_WOULD_WAIT:
            break;
        }
        take_messages(consumer);
        do_due(consumer);
    }
}

int consumer_run(int control_fd, enum peers_mistake mistake)
{
    static struct consumer consumer;
    struct peers_start start;
    size_t len;
    consumer.control_fd = control_fd;
    consumer.peer_fd = -1;
    consumer.mistake = mistake;
    if (channel_receive(control_fd, &start, sizeof start, &len) != CHANNEL_OK ||
        len != sizeof start) {
        return EXIT_COULD_NOT_RUN;
    }
    memcpy(consumer.secret, start.secret, sizeof consumer.secret);
    wipe(start.secret, sizeof start.secret);
    if (mkdir(PEERS_CONSUMER_DIRECTORY, 0700) != 0 && errno != EEXIST) {
        perror(PEERS_CONSUMER_DIRECTORY);
        return EXIT_COULD_NOT_RUN;
    }
    open_backup(&consumer);
    consumer_data_load(&consumer.data);
    consumer_set_payload(&consumer);
    run(&consumer);
    if (consumer.peer_fd >= 0) {
        end_connection(&consumer);
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("close backup", lnkeep_backup_close(&consumer.backup, &err), &err);
    outcome_expect("close store", lnkeep_store_close(&consumer.store, &err), &err);
    return EXIT_SUCCESS;
}

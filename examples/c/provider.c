/*
 * The node that keeps the blob of a peer, until it is killed or its parent is done.
 *
 * One connection at a time, in one thread. What matters for a real node: the claims are reported
 * before anything is accepted; the blob is returned after init and before channel_reestablish, and
 * before anything that the peer says is handled; a timer is armed for blobs that wait; and what
 * waits is written when the peer goes.
 */
#define _XOPEN_SOURCE 700
#include "provider.h"

#include "outcome.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void pause_ms(unsigned ms)
{
    const struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&pause, NULL);
}

static void report(const struct provider *provider, enum peers_report_kind kind, uint64_t at_ms)
{
    provider->place->report(provider, kind, at_ms);
}

/* How often lnkeep wrote a blob of the peer, as its disk says. */
static uint64_t count_commits(const struct provider *provider)
{
    lnkeep_peer_page *page = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_peer_storage_list(provider->blobs, NULL, 0, &page, &err);
    outcome_expect("list blobs", status, &err);
    const uint64_t commits = page->peers_len == 0 ? 0 : page->peers[0].commits;
    lnkeep_peer_page_free(page);
    return commits;
}

static void open_blobs(struct provider *provider)
{
    lnkeep_peer_storage_options options = LNKEEP_PEER_STORAGE_OPTIONS_INIT;
    options.cooldown_ms = PEERS_COOLDOWN_MS;
    options.disconnect_interval_ms = PEERS_DISCONNECT_INTERVAL_MS;
    if (provider->place->mistake == PEERS_NO_COOLDOWN) {
        options.cooldown_ms = 1;
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(provider->place->store, NULL, &provider->store, NULL, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("open store", status, &err);
    status = lnkeep_peer_storage_open(provider->store, &options, &provider->blobs, NULL, &err);
    outcome_expect("open peer storage", status, &err);
    /* Claims are not stored: the node knows its channels, and says so after every start. Before
     * that nothing is accepted, and nothing collected. */
    lnkeep_peer_claims claims = {.open_channels = 1};
    memcpy(claims.node_id, provider->place->client_id, sizeof claims.node_id);
    status =
        lnkeep_peer_storage_claims_complete(provider->blobs, &claims, 1, PEERS_BLOCK_HEIGHT, &err);
    outcome_expect("report claims", status, &err);
    provider->commits = count_commits(provider);
    report(provider, PEERS_REPORT_OPENED, peers_now_ms());
}

/* What the peer sent last is durable. */
static void note_commit(struct provider *provider, enum peers_report_kind kind, uint64_t at_ms)
{
    provider->waits = false;
    provider->commits++;
    report(provider, kind, at_ms);
}

static void end_connection(struct provider *provider)
{
    close(provider->peer_fd);
    provider->peer_fd = -1;
    if (!provider->is_greeted) {
        return;
    }
    provider->is_greeted = false;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    /* The peer takes what comes back for confirmed. lnkeep writes what waits before it returns it,
     * but not a moment after the last write; so the next connection is taken after that moment. */
    const unsigned tries_max = PEERS_DISCONNECT_INTERVAL_MS + 2;
    for (unsigned tries = 0; tries < tries_max && provider->waits; tries++) {
        const uint64_t now_ms = peers_now_ms();
        const lnkeep_status status = lnkeep_peer_storage_disconnected(
            provider->blobs, now_ms, provider->place->client_id, &err);
        if (outcome_class("disconnected", status, &err) == LNKEEP_CLASS_DONE) {
            note_commit(provider, PEERS_REPORT_COMMITTED_AT_DISCONNECT, now_ms);
        } else {
            pause_ms(1);
        }
    }
}

static void send_message(struct provider *provider, const uint8_t *message, size_t len)
{
    const lnkeep_bytes bytes = {.ptr = message, .len = len};
    if (!frame_send(provider->peer_fd, bytes)) {
        end_connection(provider);
    }
}

/* The blob leaves before anything else that depends on channels. */
static void return_blob(struct provider *provider)
{
    lnkeep_buf *blob = NULL, *message = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_peer_storage_connected(provider->blobs, peers_now_ms(),
                                                         provider->place->client_id, &blob, &err);
    /* LNKEEP_CORRUPT_RECORD: a blob that fails its check is not returned. The connection goes on:
     * the peer will send a new one. */
    if (outcome_class("connected", status, &err) != LNKEEP_CLASS_DONE || blob == NULL) {
        return;
    }
    lnkeep_bytes bytes = {.ptr = blob->ptr, .len = blob->len};
    if (provider->place->lie != NULL) {
        bytes = provider->place->lie(provider, bytes);
    }
    if (bytes.ptr != NULL) {
        status = lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL, bytes, &message, &err);
        outcome_expect("encode", status, &err);
        send_message(provider, message->ptr, message->len);
    }
    lnkeep_buf_free(message); /* each buffer belongs to whoever received it */
    lnkeep_buf_free(blob);
}

static void take_init(struct provider *provider, lnkeep_bytes message)
{
    lnkeep_bytes features;
    if (!frame_read_init(message, &features)) {
        end_connection(provider); /* BOLT 1: init comes first */
        return;
    }
    provider->is_greeted = true;
    return_blob(provider);
    uint8_t reestablish[FRAME_REESTABLISH_BYTES];
    frame_write_reestablish(reestablish, 1);
    if (provider->peer_fd >= 0) {
        send_message(provider, reestablish, sizeof reestablish);
    }
}

static void take_blob(struct provider *provider, lnkeep_bytes message)
{
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    lnkeep_stored stored = LNKEEP_STORED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_wire_decode(message, 0, &decoded, &err) != LNKEEP_DONE) {
        return; /* an odd message: no reason to disconnect */
    }
    const uint64_t now_ms = peers_now_ms();
    const lnkeep_status status = lnkeep_peer_storage_store(
        provider->blobs, now_ms, provider->place->client_id, decoded.blob, &stored, &err);
    /* What is refused (no claim, too long, a quota) is silence to the peer. */
    if (outcome_class("store", status, &err) != LNKEEP_CLASS_DONE) {
        return;
    }
    provider->newest = peers_blob_name(decoded.blob.ptr, decoded.blob.len);
    if (stored.result == LNKEEP_STORED_COMMITTED) {
        note_commit(provider, PEERS_REPORT_COMMITTED, now_ms);
    } else {
        provider->waits = true;
        provider->due_ms = stored.due_ms;
        report(provider, PEERS_REPORT_DEFERRED, now_ms);
    }
    if (provider->place->mistake == PEERS_EARLY_COMMIT && provider->waits) {
        report(provider, PEERS_REPORT_COMMITTED, now_ms); /* LNKEEP_DONE alone does not say so */
    }
}

static void take_messages(struct provider *provider)
{
    while (provider->peer_fd >= 0) {
        lnkeep_bytes message;
        switch (frame_read(provider->peer_fd, &provider->reader, &message)) {
        case FRAME_PARTIAL:
            return;
        case FRAME_GONE:
            end_connection(provider);
            return;
        case FRAME_WHOLE:
            break;
        }
        if (!provider->is_greeted) {
            take_init(provider, message);
            continue;
        }
        if (provider->place->hear != NULL) {
            provider->place->hear(provider, message);
        }
        if (frame_type(message) == LNKEEP_WIRE_PEER_STORAGE) {
            take_blob(provider, message);
        }
        if (provider->waits && peers_now_ms() >= provider->due_ms) {
            return; /* a peer that never pauses does not keep its blobs from being written */
        }
    }
}

static void accept_connection(struct provider *provider)
{
    provider->peer_fd = frame_accept(provider->listen_fd);
    if (provider->peer_fd < 0) {
        return;
    }
    provider->reader.len = 0;
    uint8_t init[FRAME_INIT_BYTES];
    frame_write_init(init, true);
    send_message(provider, init, sizeof init);
}

static void tick(struct provider *provider)
{
    const uint64_t now_ms = peers_now_ms();
    if (!provider->waits || now_ms < provider->due_ms) {
        return;
    }
    lnkeep_ticked ticked = LNKEEP_TICKED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status =
        lnkeep_peer_storage_tick(provider->blobs, now_ms, 0, &ticked, NULL, &err);
    outcome_expect("tick", status, &err);
    if (ticked.committed > 0) {
        note_commit(provider, PEERS_REPORT_COMMITTED, now_ms);
    }
    provider->waits = (ticked.flags & LNKEEP_TICKED_HAS_NEXT_DUE) != 0;
    provider->due_ms = ticked.next_due_ms;
}

/* Until something happens, or a blob is due. */
static int wait_ms(const struct provider *provider)
{
    if (!provider->waits) {
        return -1;
    }
    const uint64_t now_ms = peers_now_ms();
    return provider->due_ms <= now_ms ? 0 : (int)(provider->due_ms - now_ms);
}

static void serve(struct provider *provider)
{
    for (;;) {
        struct pollfd fds[2] = {
            {.fd = provider->place->control_fd, .events = POLLIN},
            {.fd = provider->peer_fd >= 0 ? provider->peer_fd : provider->listen_fd,
             .events = POLLIN},
        };
        poll(fds, 2, wait_ms(provider));
        if (fds[0].revents != 0 &&
            (provider->place->obey == NULL || !provider->place->obey(provider))) {
            return; /* a parent that says nothing has closed its end */
        }
        tick(provider);
        if (provider->peer_fd >= 0) {
            take_messages(provider);
        } else if (fds[1].revents != 0) {
            accept_connection(provider);
        }
    }
}

int provider_run(const struct provider_place *place)
{
    static struct provider provider;
    provider.place = place;
    provider.peer_fd = -1;
    open_blobs(&provider);
    provider.listen_fd = frame_listen(place->socket);
    if (provider.listen_fd < 0) {
        perror(place->socket);
        return EXIT_COULD_NOT_RUN;
    }
    serve(&provider);
    if (provider.peer_fd >= 0) {
        close(provider.peer_fd);
    }
    close(provider.listen_fd);
    lnkeep_error err = LNKEEP_ERROR_INIT;
    /* The last handle writes what waits. */
    outcome_expect("close peer storage", lnkeep_peer_storage_close(&provider.blobs, &err), &err);
    outcome_expect("close store", lnkeep_store_close(&provider.store, &err), &err);
    return EXIT_SUCCESS;
}

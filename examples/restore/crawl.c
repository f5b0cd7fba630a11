/*
 * Whom a node asks that has nothing but its secret.
 *
 * What matters for a real node: on each connection it waits for what the peer returns, and answers
 * no channel_reestablish; it reports whatever came of a peer; and it sends no blob to anybody.
 */
#define _XOPEN_SOURCE 700
#include "crawl.h"

#include "clock.h"
#include "files.h"
#include "outcome.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { ANSWER_SECS_MAX = 10 };

static void save_session(struct crawl *crawl)
{
    lnkeep_buf *saved = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("export", lnkeep_recovery_export(crawl->session, &saved, &err), &err);
    files_write(RESTORE_SESSION, saved->ptr, saved->len);
    lnkeep_buf_free(saved);
}

/* The neighbours of our node in the public graph, which anybody has. */
static void add_neighbours(struct crawl *crawl)
{
    lnkeep_recovery_candidate candidates[WORLD_NEIGHBOURS] = {0};
    uint8_t addresses[WORLD_NEIGHBOURS][WORLD_ADDRESS_BYTES];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (unsigned i = 0; i < WORLD_NEIGHBOURS; i++) {
        const unsigned peer = world_is_announced(i) ? i : RESTORE_PEERS;
        world_node_id(peer, candidates[i].node_id);
        world_address(peer, addresses[i]);
        candidates[i].is_announced = 1;
        candidates[i].address = (lnkeep_bytes){addresses[i], sizeof addresses[i]};
    }
    const lnkeep_status status = lnkeep_recovery_add_candidates(crawl->session, candidates,
                                                                WORLD_NEIGHBOURS, &err);
    outcome_expect("add candidates", status, &err);
}

void crawl_open(struct crawl *crawl)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    size_t len = 0;
    uint8_t *saved = files_read(RESTORE_SESSION, &len);
    const lnkeep_bytes bytes = {.ptr = saved, .len = len};
    if (saved != NULL) {
        const lnkeep_status status =
            lnkeep_recovery_resume(crawl->secret, NULL, bytes, &crawl->session, &err);
        outcome_expect("resume", status, &err);
    } else {
        const lnkeep_status status =
            lnkeep_recovery_begin(crawl->secret, NULL, &crawl->session, &err);
        outcome_expect("begin", status, &err);
        add_neighbours(crawl);
    }
    free(saved);
}

void crawl_close(struct crawl *crawl)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    outcome_expect("close recovery", lnkeep_recovery_close(&crawl->session, &err), &err);
}

static enum restore_answer feed(struct crawl *crawl, const uint8_t *node_id, lnkeep_bytes message)
{
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    lnkeep_fed fed = LNKEEP_FED_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_wire_decode(message, 0, &decoded, &err) != LNKEEP_DONE) {
        return RESTORE_ANSWER_UNREADABLE;
    }
    const lnkeep_status status =
        lnkeep_recovery_feed(crawl->session, node_id, decoded.blob, &fed, &err);
    outcome_expect("feed", status, &err);
    switch (fed.outcome) {
    case LNKEEP_FED_ACCEPTED:
        return RESTORE_ANSWER_NEW;
    case LNKEEP_FED_DUPLICATE:
    case LNKEEP_FED_OLD:
        return RESTORE_ANSWER_KNOWN;
    default:
        return RESTORE_ANSWER_UNREADABLE;
    }
}

static void tell(struct crawl *crawl, const uint8_t *node_id, uint32_t result)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_recovery_peer_result(
        crawl->session, node_now_ms(crawl->node), node_id, result, &err);
    outcome_expect("peer result", status, &err);
}

/* What the peer has to say; every message until its blob, or the mark that there is none. */
static enum restore_answer listen_to(struct crawl *crawl, const uint8_t *node_id, int fd)
{
    const uint64_t began_us = now_us();
    while (now_us() - began_us < 1000000 * (uint64_t)ANSWER_SECS_MAX) {
        lnkeep_bytes message;
        const enum frame_state state = frame_read(fd, &crawl->reader, &message);
        if (state == FRAME_GONE) {
            tell(crawl, node_id, LNKEEP_RECOVERY_PEER_FAILED);
            return RESTORE_ANSWER_FAILED;
        }
        if (state == FRAME_PARTIAL) {
            poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 1);
        } else if (frame_type(message) == LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL) {
            return feed(crawl, node_id, message);
        } else if (frame_type(message) == FRAME_CHANNEL_REESTABLISH) {
            break;
        }
    }
    tell(crawl, node_id, LNKEEP_RECOVERY_PEER_NO_BLOB);
    return RESTORE_ANSWER_NOTHING;
}

/* The negative control: a host whose new backup leaves before the old one is restored. */
static void send_early(struct crawl *crawl, const uint8_t *node_id, int fd)
{
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    const uint8_t entropy[16] = {0};
    lnkeep_buf *blob = NULL, *message = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    header.seq = 1;
    const lnkeep_bytes payload = {.ptr = node_id, .len = WORLD_NODE_ID_BYTES};
    lnkeep_status status = lnkeep_envelope_seal(crawl->secret, node_id, &header, payload, 65531,
                                                entropy, &blob, &err);
    outcome_expect("seal", status, &err);
    const lnkeep_bytes bytes = {.ptr = blob->ptr, .len = blob->len};
    status = lnkeep_wire_encode(LNKEEP_WIRE_PEER_STORAGE, bytes, &message, &err);
    outcome_expect("encode", status, &err);
    frame_send(fd, (lnkeep_bytes){.ptr = message->ptr, .len = message->len});
    lnkeep_buf_free(message);
    lnkeep_buf_free(blob);
}

static enum restore_answer ask(struct crawl *crawl, const lnkeep_recovery_next *next)
{
    uint8_t init[FRAME_INIT_BYTES], reestablish[FRAME_REESTABLISH_BYTES];
    char socket[WORLD_SOCKET_BYTES];
    const bool has_address = world_socket(next->address, next->address_len, socket);
    const int fd = has_address ? frame_connect(socket) : -1;
    if (fd < 0) {
        tell(crawl, next->node_id, LNKEEP_RECOVERY_PEER_FAILED);
        return RESTORE_ANSWER_FAILED;
    }
    tell(crawl, next->node_id, LNKEEP_RECOVERY_PEER_CONNECTED);
    crawl->reader.len = 0;
    frame_write_init(init, false);
    frame_send(fd, (lnkeep_bytes){.ptr = init, .len = sizeof init});
    const enum restore_answer answer = listen_to(crawl, next->node_id, fd);
    if (crawl->node->mistake == RESTORE_SENDS_EARLY) {
        send_early(crawl, next->node_id, fd);
    } else if (crawl->node->mistake == RESTORE_ANSWERS_EARLY) {
        frame_write_reestablish(reestablish, 1);
        frame_send(fd, (lnkeep_bytes){.ptr = reestablish, .len = sizeof reestablish});
    }
    close(fd);
    return answer;
}

static void ask_and_tell(struct crawl *crawl, const lnkeep_recovery_next *next)
{
    const unsigned peer = world_peer_of(next->node_id);
    node_report(crawl->node, RESTORE_REPORT_ASKED, peer, 0, 0, 0);
    const enum restore_answer answer = ask(crawl, next);
    if (crawl->node->mistake != RESTORE_SAVES_NOTHING) {
        save_session(crawl);
    }
    node_report(crawl->node, RESTORE_REPORT_ANSWERED, peer, answer, 0, 0);
}

void crawl_run(struct crawl *crawl)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    for (;;) {
        lnkeep_recovery_next next = LNKEEP_RECOVERY_NEXT_INIT;
        const lnkeep_status status = lnkeep_recovery_next_peer(
            crawl->session, node_now_ms(crawl->node), &next, &err);
        outcome_expect("next peer", status, &err);
        if (next.kind == LNKEEP_RECOVERY_NEXT_NONE) {
            return;
        }
        if (next.kind == LNKEEP_RECOVERY_NEXT_ASK) {
            ask_and_tell(crawl, &next);
        } else {
            /* Whoever could not be reached rests for minutes. */
            node_set_clock(crawl->node, next.until_ms);
        }
    }
}

/*
 * A node with the shape of lnd: a thread for each link, and one that commits for all of them.
 *
 * A link changes its state, queues what it changed and stages what its peer is to be told; it never
 * writes and never sends. The committer owns capture, serialise and commit, and then sends what was
 * staged: all links that took a step meanwhile share one flush. A step and a capture exclude each
 * other, so that the manager is exactly what is committed with it. Nothing that takes time happens
 * under that lock.
 */
#define _XOPEN_SOURCE 700
#include "lnd.h"

#include "forwards.h"
#include "outside.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    STEP_ENTRIES = 4, /* two updates and two outputs */
    STEP_BYTES = 2 * UPDATE_BYTES + 2 * sizeof(struct packet),
    ENCODING_NS = 1000 * 1000, /* of the mistake `order`: a manager of many channels takes so long */
};

struct node {
    struct keep keep;
    struct forwards forwards;
    pthread_mutex_t lock; /* everything below, and the order of the queue */
    pthread_cond_t work, room;
    bool has_work, ends;
    struct router router;
    uint64_t steps, commits, waits;
    bool releases_early;    /* the mistake: a link sends instead of staging */
    bool serialises_before; /* the mistake: the manager is serialised before the capture */
};

/* A thread of one link. */
struct link_thread {
    struct node *node;
    uint64_t link;
    pthread_t thread;
};

static void queue_update(struct node *node, uint64_t link, enum update_kind kind, uint64_t number)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    uint8_t channel_id[32], bytes[UPDATE_BYTES];
    struct link_state *state = &node->router.links[link];
    link_channel_id(link, channel_id);
    size_t len = update_encode(kind, number, bytes);
    /* Queued first: a state that could not be queued must not be gone on from. */
    must(lnkeep_monitors_queue_update(node->keep.monitors, channel_id, state->tip + 1,
                                      bytes_of(bytes, len), 0, NULL, &err),
         &err, "queue_update");
    if (!link_apply(state, kind, number)) {
        fprintf(stderr, "link %llu: an update out of turn\n", (unsigned long long)link);
        exit(EXIT_COULD_NOT_RUN);
    }
}

static void queue_output(struct node *node, uint32_t output_class, uint64_t line,
                         const struct packet *packet)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    must(lnkeep_monitors_queue_output(node->keep.monitors, output_class, line,
                                      bytes_of((const uint8_t *)packet, sizeof *packet), NULL,
                                      &err),
         &err, "queue_output");
}

static void send_to(struct node *node, uint64_t line, const struct packet *packet)
{
    packet_send(FIRST_LINE + (int)line, packet);
    if (packet->kind == LND_FULFIL) {
        /* The place of a settled ForwardHtlcEvent: the peer that it came from has been told. */
        forwards_over(&node->forwards, &(struct hop){line, packet->b, packet->a});
    }
}

/* A message for the peer of a link: in lnd this is where Peer.SendMessage stood. */
static void stage(struct node *node, uint64_t link, const struct packet *packet)
{
    if (node->releases_early) {
        send_to(node, link, packet);
        return;
    }
    queue_output(node, LNKEEP_OUTPUT_VOLATILE, link, packet);
}

/* An HTLC came in: both links and the circuit map change, or nothing does. */
static void add(struct node *node, uint64_t link, const struct packet *packet)
{
    uint64_t number = packet->a, link_out = packet->b;
    struct circuit *circuit = &node->router.circuits[link];
    if (link_out >= LINKS || link_out == link || circuit->add_in != 0 ||
        number != link_count(&node->router.links[link], UPDATE_ADD_IN) + 1) {
        return; /* one that is known, or out of turn */
    }
    /* Here lnd asks its HTLC interceptor: the HTLC is locked in, and no circuit is open yet. */
    forwards_ask(&node->forwards, &(struct hop){link, link_out, number});
    uint64_t add_out = link_count(&node->router.links[link_out], UPDATE_ADD_OUT) + 1;
    queue_update(node, link, UPDATE_ADD_IN, number);
    queue_update(node, link_out, UPDATE_ADD_OUT, add_out);
    *circuit = (struct circuit){number, link_out, add_out};
    stage(node, link, &(struct packet){.kind = LND_REVOKE, .a = number});
    stage(node, link_out, &(struct packet){.kind = LND_ADD, .a = add_out});
    node->steps++;
}

static uint64_t circuit_of(const struct node *node, uint64_t link_out, uint64_t add_out)
{
    uint64_t link = 0;
    while (link < LINKS && (node->router.circuits[link].add_in == 0 ||
                            node->router.circuits[link].link_out != link_out ||
                            node->router.circuits[link].add_out != add_out)) {
        link++;
    }
    return link;
}

/* The peer knows the preimage. It is durable on the link that it came in by in the same commit in
 * which the link that it came back on forgets it. The event comes back until it is acknowledged. */
static void fulfil(struct node *node, uint64_t link_out, uint64_t add_out)
{
    uint64_t link = circuit_of(node, link_out, add_out);
    if (link == LINKS) {
        return; /* done before: the peer says it again after a reconnect */
    }
    struct circuit *circuit = &node->router.circuits[link];
    uint64_t number = circuit->add_in;
    queue_update(node, link_out, UPDATE_FULFIL_OUT, add_out);
    queue_update(node, link, UPDATE_FULFIL_IN, number);
    *circuit = (struct circuit){0};
    stage(node, link, &(struct packet){.kind = LND_FULFIL, .a = number, .b = link_out});
    queue_output(node, LNKEEP_OUTPUT_DURABLE, EVENTS_LINE,
                 &(struct packet){.kind = LND_EVENT, .a = link, .b = number});
    node->steps++;
}

/* Before the state changes: a step that was begun must find room for all of its entries. */
static void await_room(struct node *node)
{
    for (;;) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        lnkeep_status status = lnkeep_monitors_can_queue(node->keep.monitors, STEP_ENTRIES,
                                                         STEP_BYTES, 0, &err);
        if (status != LNKEEP_QUEUE_FULL) {
            must(status, &err, "can_queue");
            return;
        }
        node->waits++;
        pthread_cond_wait(&node->room, &node->lock);
    }
}

static void *link_main(void *self)
{
    struct link_thread *thread = self;
    struct node *node = thread->node;
    struct packet packet;
    while (packet_receive(FIRST_LINE + (int)thread->link, &packet)) {
        pthread_mutex_lock(&node->lock);
        await_room(node);
        if (packet.kind == LND_ADD) {
            add(node, thread->link, &packet);
        } else if (packet.kind == LND_FULFIL) {
            fulfil(node, thread->link, packet.a);
        }
        node->has_work = true;
        pthread_cond_signal(&node->work);
        pthread_mutex_unlock(&node->lock);
    }
    return NULL;
}

/* It need not come again. */
static void acknowledge(struct node *node, uint64_t output_id)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_monitors_acknowledge(node->keep.monitors, output_id, &err);
    if (status != LNKEEP_UNKNOWN_OUTPUT) { /* else it was acknowledged before */
        must(status, &err, "acknowledge");
    }
}

/* What follows from an event is durable at who follows them, who says so. */
static void *acknowledgements_main(void *self)
{
    struct packet packet;
    while (packet_receive(FIRST_LINE + EVENTS_LINE, &packet)) {
        acknowledge(self, packet.a);
    }
    return NULL;
}

static void leave(void *self, const lnkeep_output *output)
{
    struct node *node = self;
    struct packet packet;
    if (output->payload.len != sizeof packet) {
        /* A damage of the disk took it: who follows events has to compare with the channels. */
        fprintf(stderr, "event %llu is damaged\n", (unsigned long long)output->output_id);
        acknowledge(node, output->output_id);
        return;
    }
    memcpy(&packet, output->payload.ptr, sizeof packet);
    if (output->output_id != 0) {
        packet.c = output->output_id;
    }
    send_to(node, output->tag, &packet);
}

/* Links that want a snapshot; those for which there is no room will be asked for again. */
static void queue_snapshots(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_channel wanting[LINKS];
    size_t len = 0;
    must(lnkeep_monitors_need_snapshot(node->keep.monitors, wanting, LINKS, &len, &err), &err,
         "need_snapshot");
    for (size_t place = 0; place < len; place++) {
        uint8_t bytes[SNAPSHOT_BYTES];
        const struct link_state *link = &node->router.links[wanting[place].channel_id[0] - 1];
        snapshot_encode(link, bytes);
        lnkeep_status status = lnkeep_monitors_queue_snapshot(
            node->keep.monitors, wanting[place].channel_id, link->tip,
            bytes_of(bytes, sizeof bytes), NULL, 0, NULL, &err);
        if (status != LNKEEP_QUEUE_FULL) {
            must(status, &err, "queue_snapshot");
        }
    }
}

/* One commit: everything that was queued, with the manager of that moment. */
struct checkpoint {
    lnkeep_monitors_commit commit;
    lnkeep_channel_tip view[LINKS];
    uint8_t manager[MANAGER_BYTES];
};

static void serialise(const struct node *node, struct checkpoint *checkpoint)
{
    manager_encode(&node->router, checkpoint->manager);
    for (uint64_t link = 0; link < LINKS; link++) {
        link_channel_id(link, checkpoint->view[link].channel_id);
        checkpoint->view[link].update_id = node->router.links[link].tip;
    }
}

/* Under the lock: captures, then serialises. */
static void take_checkpoint(struct node *node, struct checkpoint *checkpoint)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_commit *commit = &checkpoint->commit;
    *commit = (lnkeep_monitors_commit)LNKEEP_MONITORS_COMMIT_INIT;
    commit->flags = LNKEEP_COMMIT_HAS_MANAGER;
    commit->manager = bytes_of(checkpoint->manager, MANAGER_BYTES);
    if (node->serialises_before) {
        serialise(node, checkpoint);
        pthread_mutex_unlock(&node->lock);
        nanosleep(&(struct timespec){.tv_nsec = ENCODING_NS}, NULL);
        pthread_mutex_lock(&node->lock);
        must(lnkeep_monitors_capture(node->keep.monitors, &commit->capture, &err), &err, "capture");
        return; /* without a view, for the library would refuse it: MANAGER_BEHIND */
    }
    must(lnkeep_monitors_capture(node->keep.monitors, &commit->capture, &err), &err, "capture");
    serialise(node, checkpoint);
    commit->view = checkpoint->view;
    commit->view_len = LINKS;
}

/* With the lock held, which it gives up while it writes and sends. */
static void commit_once(struct node *node)
{
    struct checkpoint checkpoint;
    lnkeep_monitors_committed committed;
    node->has_work = false;
    take_checkpoint(node, &checkpoint);
    pthread_mutex_unlock(&node->lock);
    keep_commit(&node->keep, &checkpoint.commit, &committed);
    keep_release(&node->keep, leave, node);
    pthread_mutex_lock(&node->lock);
    node->commits++;
    pthread_cond_broadcast(&node->room);
    if (committed.need_snapshot != 0) {
        queue_snapshots(node);
    }
}

static void *committer_main(void *self)
{
    struct node *node = self;
    pthread_mutex_lock(&node->lock);
    for (;;) {
        while (!node->has_work && !node->ends) {
            pthread_cond_wait(&node->work, &node->lock);
        }
        if (!node->has_work) {
            break;
        }
        commit_once(node);
    }
    commit_once(node); /* snapshots that the last one asked for, acknowledgements */
    pthread_mutex_unlock(&node->lock);
    return NULL;
}

/* The first start: every link's channel and the empty map in one commit. */
static void create(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    for (uint64_t link = 0; link < LINKS; link++) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        uint8_t channel_id[32], bytes[SNAPSHOT_BYTES];
        link_channel_id(link, channel_id);
        snapshot_encode(&node->router.links[link], bytes);
        must(lnkeep_monitors_queue_new(node->keep.monitors, channel_id, 0,
                                       bytes_of(bytes, sizeof bytes), NULL, 0, NULL, &err),
             &err, "queue_new");
    }
    commit_once(node);
    pthread_mutex_unlock(&node->lock);
}

/* The HTLCs that are out, as the circuit map has them. */
static size_t open_circuits(const struct node *node, struct hop out[LINKS])
{
    size_t len = 0;
    for (uint64_t link = 0; link < LINKS; link++) {
        const struct circuit *circuit = &node->router.circuits[link];
        if (circuit->add_in != 0) {
            out[len++] = (struct hop){link, circuit->link_out, circuit->add_in};
        }
    }
    return len;
}

/* What the last life left: events that nobody acknowledged, and what peers are told anew. */
static void reestablish(struct node *node)
{
    keep_release(&node->keep, leave, node);
    for (uint64_t link = 0; link < LINKS; link++) {
        const struct link_state *state = &node->router.links[link];
        packet_send(FIRST_LINE + (int)link,
                    &(struct packet){.kind = LND_REESTABLISH,
                                     .a = link_count(state, UPDATE_ADD_IN),
                                     .b = link_count(state, UPDATE_FULFIL_IN),
                                     .c = link_count(state, UPDATE_ADD_OUT)});
    }
    for (uint64_t link = 0; link < LINKS; link++) {
        const struct circuit *circuit = &node->router.circuits[link];
        if (circuit->add_in != 0) {
            packet_send(FIRST_LINE + (int)circuit->link_out,
                        &(struct packet){.kind = LND_ADD, .a = circuit->add_out});
        }
    }
}

static void recover(struct node *node)
{
    struct disk disk;
    struct hop out[LINKS];
    disk_load(&node->keep, &disk);
    if (disk.exists && !(disk.consistent && disk.agree)) {
        fprintf(stderr, "the circuit map and the channels do not fit together: halt\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    node->router = disk.router;
    if (!disk.exists) {
        create(node);
    }
    forwards_open(&node->forwards, node->keep.store, LINKS, out, open_circuits(node, out));
    reestablish(node);
}

static void start_thread(pthread_t *thread, void *(*main)(void *), void *self)
{
    if (pthread_create(thread, NULL, main, self) != 0) {
        fprintf(stderr, "no thread\n");
        exit(EXIT_COULD_NOT_RUN);
    }
}

static void run(struct node *node)
{
    struct link_thread links[LINKS];
    pthread_t committer, acknowledgements;
    start_thread(&committer, committer_main, node);
    start_thread(&acknowledgements, acknowledgements_main, node);
    for (uint64_t link = 0; link < LINKS; link++) {
        links[link] = (struct link_thread){.node = node, .link = link};
        start_thread(&links[link].thread, link_main, &links[link]);
    }
    for (uint64_t link = 0; link < LINKS; link++) {
        pthread_join(links[link].thread, NULL);
    }
    pthread_join(acknowledgements, NULL);
    pthread_mutex_lock(&node->lock);
    node->ends = true;
    pthread_cond_signal(&node->work);
    pthread_mutex_unlock(&node->lock);
    pthread_join(committer, NULL);
}

int lnd_node(const char *directory, const char *broken)
{
    static struct node node = {.lock = PTHREAD_MUTEX_INITIALIZER,
                               .work = PTHREAD_COND_INITIALIZER,
                               .room = PTHREAD_COND_INITIALIZER};
    struct hop out[LINKS];
    char store[512];
    node.releases_early = strcmp(broken, "early") == 0;
    node.serialises_before = strcmp(broken, "order") == 0;
    snprintf(store, sizeof store, "%s/store", directory);
    keep_open(&node.keep, store, &router_options);
    recover(&node);
    run(&node);
    packet_send(FIRST_LINE + EVENTS_LINE, &(struct packet){.kind = LND_STATS,
                                                           .a = node.steps,
                                                           .b = node.commits,
                                                           .c = node.waits});
    forwards_close(&node.forwards, open_circuits(&node, out));
    keep_close(&node.keep);
    return EXIT_SUCCESS;
}

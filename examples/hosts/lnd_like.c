/*
 * The world around a node with the shape of lnd: a peer at each link, one who follows its events,
 * kills at random moments, and after each a look at the disk.
 *
 * Checked after every kill: whatever a peer was told is on disk; manager and channels are of one
 * moment; what came in went out, and what is on its way has its circuit; every forward has its
 * event, delivered or waiting, and no event tells what did not happen.
 */
#define _XOPEN_SOURCE 700
#include "lnd.h"
#include "outside.h"

#include <stdio.h>
#include <string.h>

/* What the peer of one link knows, and one who follows its events. */
struct peer {
    uint64_t revoked, fulfilled; /* of its own HTLCs, the highest number */
    uint64_t offered;            /* the highest HTLC that the node offered it */
    uint64_t delivered;          /* events, which come in the order of the HTLCs */
};

struct world {
    struct peer peers[LINKS];
    uint64_t forwards, redelivered, steps, commits, waits;
    uint64_t forgotten, told_and_lost, disagree, unbalanced, damaged, events_lost, events_untrue;
    uint64_t not_grouped;
};

static void say_next(struct world *world, struct outside *outside, size_t link)
{
    const struct peer *peer = &world->peers[link];
    if (peer->fulfilled == peer->revoked) {
        uint64_t step = 1 + chance_below(&outside->chance, LINKS - 1);
        struct packet add = {
            .kind = LND_ADD, .a = peer->revoked + 1, .b = (link + step) % LINKS};
        outside_say(outside, link, &add);
    }
}

static void heard_reestablish(struct world *world, struct outside *outside, size_t link,
                              const struct packet *packet)
{
    struct peer *peer = &world->peers[link];
    if (packet->a < peer->revoked || packet->b < peer->fulfilled || packet->c < peer->offered) {
        world->forgotten++;
        return;
    }
    /* What it shows beyond what is known here are the messages that did not arrive. */
    peer->revoked = packet->a;
    world->forwards += packet->b - peer->fulfilled;
    peer->fulfilled = packet->b;
    say_next(world, outside, link);
}

static void heard_event(struct world *world, struct outside *outside, const struct packet *packet)
{
    struct peer *peer = &world->peers[packet->a];
    struct packet ack = {.kind = LND_ACK, .a = packet->c};
    world->redelivered += packet->b <= peer->delivered;
    world->events_lost += packet->b > peer->delivered + 1;
    if (packet->b > peer->delivered) {
        peer->delivered = packet->b;
    }
    outside_say(outside, EVENTS_LINE, &ack);
}

static void heard(void *self, struct outside *outside, size_t line, const struct packet *packet)
{
    struct world *world = self;
    struct peer *peer = line < LINKS ? &world->peers[line] : NULL;
    switch ((enum lnd_kind)packet->kind) {
    case LND_REESTABLISH:
        heard_reestablish(world, outside, line, packet);
        break;
    case LND_REVOKE:
        peer->revoked = packet->a;
        break;
    case LND_ADD: {
        struct packet fulfil = {.kind = LND_FULFIL, .a = packet->a};
        peer->offered = packet->a > peer->offered ? packet->a : peer->offered;
        outside_say(outside, line, &fulfil);
        break;
    }
    case LND_FULFIL:
        peer->fulfilled = packet->a;
        world->forwards++;
        say_next(world, outside, line);
        break;
    case LND_EVENT:
        heard_event(world, outside, packet);
        break;
    case LND_STATS:
        world->steps = packet->a;
        world->commits = packet->b;
        world->waits = packet->c;
        break;
    case LND_ACK:
        break;
    }
}

/* Events that wait in the store, after those that were delivered. */
struct waiting {
    uint64_t upto[LINKS];
};

static void note_waiting(void *self, const lnkeep_output *output)
{
    struct waiting *waiting = self;
    struct packet packet;
    if (output->payload.len != sizeof packet) {
        return; /* damaged: it will be missing */
    }
    memcpy(&packet, output->payload.ptr, sizeof packet);
    waiting->upto[packet.a] += packet.b == waiting->upto[packet.a] + 1;
}

static void compare(struct world *world, const struct disk *disk, const struct waiting *waiting)
{
    world->damaged += !disk->consistent;
    world->disagree += disk->exists && !disk->agree;
    world->unbalanced += disk->exists && !router_balances(&disk->router);
    for (size_t link = 0; link < LINKS; link++) {
        const struct peer *peer = &world->peers[link];
        const struct link_state *state = &disk->router.links[link];
        uint64_t fulfilled = link_count(state, UPDATE_FULFIL_IN);
        world->told_and_lost += peer->revoked > link_count(state, UPDATE_ADD_IN);
        world->told_and_lost += peer->fulfilled > fulfilled;
        world->told_and_lost += peer->offered > link_count(state, UPDATE_ADD_OUT);
        world->events_lost += waiting->upto[link] < fulfilled;
        world->events_untrue += waiting->upto[link] > fulfilled;
    }
}

/* Nobody has the store open now. */
static void look_at_disk(struct world *world, const struct outside *outside)
{
    char path[512];
    struct keep keep;
    struct disk disk;
    struct waiting waiting;
    snprintf(path, sizeof path, "%s/store", outside->directory);
    keep_open(&keep, path, &router_options);
    disk_load(&keep, &disk);
    for (size_t link = 0; link < LINKS; link++) {
        waiting.upto[link] = world->peers[link].delivered;
    }
    keep_release(&keep, note_waiting, &waiting);
    keep_close(&keep);
    compare(world, &disk, &waiting);
}

static bool is_wrong(const struct world *world, const struct outside *outside)
{
    return world->forgotten + world->told_and_lost + world->disagree + world->unbalanced +
               world->damaged + world->events_lost + world->events_untrue +
               outside->ended_by_itself !=
           0;
}

static void report(struct world *world, const struct outside *outside)
{
    outside_note("kills", outside->kills_done);
    outside_note("HTLCs forwarded", world->forwards);
    outside_note("events delivered again", world->redelivered);
    outside_note("steps of links in the last life", world->steps);
    outside_note("commits for them", world->commits);
    outside_note("waits for room in the queue", world->waits);
    outside_row("told to a peer and not on disk", world->told_and_lost);
    outside_row("told to a peer and forgotten after the restart", world->forgotten);
    outside_row("manager and channels of different moments", world->disagree);
    outside_row("forwards that do not balance", world->unbalanced);
    outside_row("damaged", world->damaged);
    outside_row("forwards without their event", world->events_lost);
    outside_row("events without their forward", world->events_untrue);
    outside_row("lives that ended by themselves", outside->ended_by_itself);
    outside_row("links did not share their commits", world->not_grouped);
}

int main(int argc, char **argv)
{
    static const char *const breaks[] = {"early", "order", NULL};
    static struct world world;
    struct outside outside;
    if (is_node(argc, argv)) {
        return lnd_node(argv[2], argv[3]);
    }
    outside_begin(&outside, argc, argv, breaks);
    while (outside.kills_done < outside.kills && !is_wrong(&world, &outside)) {
        outside_live(&outside, LND_LINES, true, heard, &world);
        look_at_disk(&world, &outside);
    }
    if (!is_wrong(&world, &outside)) {
        outside_live(&outside, LND_LINES, false, heard, &world);
        look_at_disk(&world, &outside);
        world.not_grouped = world.steps <= world.commits;
    }
    report(&world, &outside);
    return outside_end(&outside);
}

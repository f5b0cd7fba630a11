/*
 * The world around a node with the shape of CLN: peers that send commitments, kills at random
 * moments, and after each a look at the disk.
 *
 * Checked after every kill: whatever a peer was answered is in the backup and in the database; the
 * database equals its backup, or is exactly one transaction behind it; no record contradicts
 * another. After some kills the database is deleted and the node goes on from the backup.
 */
#define _XOPEN_SOURCE 700
#include "cln.h"
#include "outside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOSE_DATABASE_EVERY = 3 }; /* kills */

struct world {
    uint64_t answered[CHANNELS]; /* the highest commitment whose revocation a peer has */
    bool database_lost;          /* deleted; a node that died early did not restore it */
    uint64_t answers, one_ahead, restored, replaced, wraps;
    uint64_t forgotten, not_in_backup, not_in_database, differ, contradict;
};

static void say_next(struct outside *outside, const struct world *world, uint64_t channel)
{
    struct packet commit = {.kind = CLN_COMMIT, .a = channel, .b = world->answered[channel] + 1};
    outside_say(outside, 0, &commit);
}

static void heard(void *self, struct outside *outside, size_t line, const struct packet *packet)
{
    struct world *world = self;
    (void)line;
    uint64_t *answered = &world->answered[packet->a];
    if (packet->kind == CLN_REESTABLISH && packet->b < *answered) {
        world->forgotten++; /* it would sign, and lose, a state that it revoked */
        return;
    }
    /* What a reestablish shows beyond it is the answer that did not arrive. */
    *answered = packet->b;
    world->answers += packet->kind == CLN_REVOKE;
    say_next(outside, world, packet->a);
}

static uint64_t sum_of_commitments(const struct rows *rows)
{
    uint64_t sum = 0;
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        sum += rows->values[ROW_COMMITMENT + channel];
    }
    return sum;
}

static bool equal(const struct rows *one, const struct rows *other)
{
    return one->data_version == other->data_version &&
           memcmp(one->values, other->values, sizeof one->values) == 0;
}

static void compare(struct world *world, const struct backup *backup, const struct rows *database)
{
    bool behind = database->data_version == backup->before.data_version &&
                  database->data_version != backup->rows.data_version;
    world->one_ahead += behind;
    world->differ += !equal(database, behind ? &backup->before : &backup->rows);
    world->differ += backup->rows.values[ROW_STEPS] != sum_of_commitments(&backup->rows);
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        uint64_t answered = world->answered[channel];
        world->not_in_backup += answered > backup->rows.values[ROW_COMMITMENT + channel];
        world->not_in_database += answered > database->values[ROW_COMMITMENT + channel];
    }
    world->wraps += backup->rows.data_version < UINT32_MAX / 2;
}

/* Nobody has the store open now. */
static void look_at_disk(struct world *world, struct outside *outside)
{
    char path[512];
    struct keep keep;
    struct backup backup;
    struct rows database;
    snprintf(path, sizeof path, "%s/store", outside->directory);
    keep_open(&keep, path, &backup_options);
    backup_replay(&keep, false, &backup);
    keep_close(&keep);
    world->contradict += !backup.consistent || keep.report.damaged != 0;
    if (!backup.exists) {
        for (size_t channel = 0; channel < CHANNELS; channel++) {
            world->not_in_backup += world->answered[channel] != 0;
        }
        return;
    }
    world->replaced += backup.replaced;
    if (!database_read(outside->directory, &database)) {
        world->differ += !world->database_lost;
        return;
    }
    compare(world, &backup, &database);
    world->database_lost = false;
    if (outside->kills_done % LOSE_DATABASE_EVERY == 0) {
        snprintf(path, sizeof path, "%s/database", outside->directory);
        world->database_lost = unlink(path) == 0;
        world->restored++;
    }
}

static bool is_wrong(const struct world *world, const struct outside *outside)
{
    return world->forgotten + world->not_in_backup + world->not_in_database + world->differ +
               world->contradict + outside->ended_by_itself !=
           0;
}

static void report(const struct world *world, const struct outside *outside)
{
    outside_note("kills", outside->kills_done);
    outside_note("commitments answered", world->answers);
    outside_note("kills with the backup one transaction ahead", world->one_ahead);
    outside_note("databases lost and restored from the backup", world->restored);
    outside_note("records replaced by a later one, as seen", world->replaced);
    outside_note("looks after the data_version wrapped", world->wraps);
    outside_row("answered and not in the backup", world->not_in_backup);
    outside_row("answered and not in the database", world->not_in_database);
    outside_row("answered and forgotten after the restart", world->forgotten);
    outside_row("database and backup differ", world->differ);
    outside_row("records that contradict each other", world->contradict);
    outside_row("lives that ended by themselves", outside->ended_by_itself);
}

int main(int argc, char **argv)
{
    static const char *const breaks[] = {"early", "first-wins", NULL};
    struct world world = {0};
    struct outside outside;
    if (is_node(argc, argv)) {
        return cln_node(argv[2], argv[3]);
    }
    outside_begin(&outside, argc, argv, breaks);
    while (outside.kills_done < outside.kills && !is_wrong(&world, &outside)) {
        outside_live(&outside, 1, true, heard, &world);
        look_at_disk(&world, &outside);
    }
    if (!is_wrong(&world, &outside)) {
        outside_live(&outside, 1, false, heard, &world);
        look_at_disk(&world, &outside);
    }
    report(&world, &outside);
    return outside_end(&outside);
}

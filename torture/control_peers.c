/* Hosts, stores and peers that break a promise about blobs, which the harness has to catch. */

#include "life.h"

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct peers_control controls[] = {
    {"deferred", CONTROL_DEFERRED, FOUND_BLOB, 0},
    {"unsealed", CONTROL_UNSEALED, FOUND_ALARM, 0},
    {"older", CONTROL_OLDER, FOUND_BLOB, 0},
    {"rollback", CONTROL_OLDER, FOUND_ALARM, 0},
    {"lossy", CONTROL_NONE, FOUND_RESTORE, 1},
};

const struct peers_control *peers_control(const char *name) {
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        if (strcmp(controls[i].name, name) == 0) return &controls[i];
    }
    return NULL;
}

static void copy_file(const char *from, const char *to) {
    uint8_t *bytes = NULL;
    size_t len = 0;
    if (read_whole(from, &bytes, &len)) write_whole(to, bytes, len, len);
    free(bytes);
}

enum { PATH_BYTES = 4200 };

static void paths_of(const struct life *life, char *data, char *copy) {
    snprintf(data, PATH_BYTES, "%s/data.mdb", life->directory);
    snprintf(copy, PATH_BYTES, "%s-older", life->directory);
}

void life_drop_copy(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    remove(copy);
}

void life_keep_copy(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    copy_file(data, copy);
}

/* In place, or the store would tell that it was copied. */
static void put_back(const struct life *life) {
    char data[PATH_BYTES], copy[PATH_BYTES];
    paths_of(life, data, copy);
    copy_file(copy, data);
    remove(copy);
}

/* Peers that had returned what they keep lose it all the same. */
static void lose(struct life *life) {
    struct consumer_ledger *ledger = &life->ledger->consumer;
    for (unsigned peer = 0; peer <= LIAR; peer++) {
        ledger->peers[peer].held = ledger->peers[peer].incoming = -1;
    }
}

void peers_meddle(const struct peers_control *control, struct life *life) {
    if (!control) return;
    if (control->control == CONTROL_OLDER) put_back(life);
    if (control->peers_lose) lose(life);
}

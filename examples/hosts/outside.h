/*
 * The world around a node: it starts the node again and again as another process, speaks with it,
 * kills it, and remembers what came out of it.
 */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include <sys/types.h>

#include "../c/chance.h"
#include "packet.h"

enum { LINES_MAX = 32 };

struct outside {
    const char *program;
    char directory[256];
    const char *broken; /* the mistake that the node makes on purpose, "" for none */
    uint64_t kills;
    uint64_t kills_done, ended_by_itself;
    struct chance chance;
    pid_t pid;
    int lines[LINES_MAX]; /* to the node */
    size_t lines_len;
    bool hears; /* what is sent to the node now may arrive */
};

/* One packet that came out of the node. */
typedef void outside_heard(void *self, struct outside *outside, size_t line,
                           const struct packet *packet);

/* Reads --kills N, --seed N and --break NAME; `breaks` ends with NULL. Makes the directory. */
void outside_begin(struct outside *outside, int argc, char **argv, const char *const *breaks);

/* One life of the node with so many lines to it, from its start to its end. `kill` decides how it
 * ends. Everything that it sent before its end was heard when this returns. */
void outside_live(struct outside *outside, size_t lines_len, bool kill, outside_heard *heard,
                  void *self);

/* Speaks to the node. */
void outside_say(struct outside *outside, size_t line, const struct packet *packet);

/* A line of the report; what is not 0 is wrong. */
void outside_row(const char *what, uint64_t wrong);
void outside_note(const char *what, uint64_t number);

/* Removes the directory; answers the exit status of the program. */
int outside_end(struct outside *outside);

/* In the node: the first line's descriptor, the others follow. */
enum { FIRST_LINE = 100 };

/* Whether this process is the node. */
bool is_node(int argc, char **argv);

#endif

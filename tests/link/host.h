/* A host that links lnkeep and something else that might get into its way: a neighbour. */

#ifndef LINK_HOST_H
#define LINK_HOST_H

#include <stdint.h>

/* Each function ends the program when something is not as it should be. */
typedef struct neighbour {
    void (*begin)(const char *folder);
    /* Called between two calls of lnkeep. */
    void (*step)(uint64_t number);
    void (*end)(void);
} neighbour;

extern const neighbour lmdb_neighbour;
extern const neighbour rust_neighbour;

void require(int held, const char *file, int line, const char *what);
#define REQUIRE(condition) require((condition) ? 1 : 0, __FILE__, __LINE__, #condition)

/* While 1, this thread cannot read a clock; Rust's standard library panics where it wants to. */
extern _Thread_local int clock_fails;

#endif

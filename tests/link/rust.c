/* The host's own Rust: other.rs, a staticlib that brings the standard library a second time. */

#include "host.h"

/* Keeps a number in a map of the standard library; answers how many there are. */
extern uint64_t other_insert(uint64_t number);
/* Panics, catches it, and answers 1 if it did. */
extern int other_catches_a_panic(void);
/* Adds up the numbers on a thread of its own. */
extern uint64_t other_sum(void);

static uint64_t inserted, sum;

static void begin(const char *folder) {
    (void)folder;
    REQUIRE(other_catches_a_panic() == 1);
}

static void step(uint64_t number) {
    sum += number;
    REQUIRE(other_insert(number) == ++inserted);
}

static void end(void) {
    REQUIRE(other_catches_a_panic() == 1);
    REQUIRE(inserted > 0 && other_sum() == sum);
}

const neighbour rust_neighbour = {begin, step, end};

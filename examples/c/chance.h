/*
 * Random numbers from a seed. The seed repeats the plan of a run (when to kill, how
 * long the network takes); what the machine does in between it cannot repeat.
 */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>

struct chance {
    uint64_t state;
};

/* SplitMix64. */
static inline uint64_t chance_below(struct chance *chance, uint64_t limit)
{
    uint64_t mixed = chance->state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % limit;
}

#endif

/* The library's allocations, and no others: its archive is linked with these names for malloc and so on. */

#ifndef TORTURE_MEMORY_HOOK_H
#define TORTURE_MEMORY_HOOK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* In memory shared with the parent, which sets it before a host starts. */
struct memory_hook {
    size_t least_bytes;         /* smaller allocations are not counted and do not fail */
    atomic_uint_fast64_t made;  /* allocations so far, the failed ones included */
    uint64_t fails_from;        /* index of the first one that fails */
    uint64_t fails_until;       /* index after the last one that fails */
    atomic_uint_fast64_t failed;
};

extern struct memory_hook *memory_hook;

#endif

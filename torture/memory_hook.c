/* Allocators that fail when they are told to. The names stand for the C library's in the archive. */

#define _GNU_SOURCE
#include "memory_hook.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memory_hook *memory_hook;

void *torture_malloc(size_t bytes);
void *torture_calloc(size_t count, size_t bytes);
void *torture_realloc(void *old, size_t bytes);
int torture_posix_memalign(void **made, size_t alignment, size_t bytes);
char *torture_strdup(const char *text);

static int is_failing(size_t bytes) {
    if (!memory_hook || bytes < memory_hook->least_bytes) return 0;
    uint64_t index = atomic_fetch_add(&memory_hook->made, 1);
    if (index < memory_hook->fails_from || index >= memory_hook->fails_until) return 0;
    atomic_fetch_add(&memory_hook->failed, 1);
    errno = ENOMEM;
    return 1;
}

void *torture_malloc(size_t bytes) { return is_failing(bytes) ? NULL : malloc(bytes); }

void *torture_calloc(size_t count, size_t bytes) {
    return is_failing(count * bytes) ? NULL : calloc(count, bytes);
}

void *torture_realloc(void *old, size_t bytes) {
    return is_failing(bytes) ? NULL : realloc(old, bytes);
}

int torture_posix_memalign(void **made, size_t alignment, size_t bytes) {
    return is_failing(bytes) ? ENOMEM : posix_memalign(made, alignment, bytes);
}

char *torture_strdup(const char *text) {
    return is_failing(strlen(text) + 1) ? NULL : strdup(text);
}

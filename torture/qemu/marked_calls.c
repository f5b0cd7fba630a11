/* The library's calls that change a file or flush it, each after what is to be said before it. */

#define _GNU_SOURCE
#include "marked_calls.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void nothing(void) {}

void (*before_call)(void) = nothing;

#define MARKED(type, name, parameters, arguments) \
    type torture_##name parameters;               \
    type torture_##name parameters {              \
        before_call();                            \
        return name arguments;                    \
    }

MARKED(ssize_t, write, (int file, const void *bytes, size_t len), (file, bytes, len))
MARKED(ssize_t, writev, (int file, const struct iovec *parts, int count), (file, parts, count))
MARKED(ssize_t, pwrite, (int file, const void *bytes, size_t len, off_t at), (file, bytes, len, at))
MARKED(ssize_t, pwrite64,
       (int file, const void *bytes, size_t len, off64_t at),
       (file, bytes, len, at))
MARKED(int, fdatasync, (int file), (file))
MARKED(int, fsync, (int file), (file))
MARKED(int, msync, (void *start, size_t len, int flags), (start, len, flags))
MARKED(int, ftruncate, (int file, off_t len), (file, len))
MARKED(int, ftruncate64, (int file, off64_t len), (file, len))
MARKED(int, posix_fallocate, (int file, off_t at, off_t len), (file, at, len))
MARKED(int, rename, (const char *old, const char *new), (old, new))
MARKED(int, renameat2,
       (int from, const char *old, int to, const char *new, unsigned flags),
       (from, old, to, new, flags))
MARKED(int, unlink, (const char *path), (path))
MARKED(int, mkdir, (const char *path, mode_t mode), (path, mode))

/*
 * The C library's flushing calls, defined here so that the library's calls end here too. Unless a
 * control says otherwise each makes the system call that it is named after. LMDB writes its meta
 * pages through a descriptor that flushes by itself, so opening one is among them.
 */

#define _GNU_SOURCE
#include "flush.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum flushes flushes = FLUSH_ALL;

static int is_directory(int descriptor) {
    struct stat facts;
    return fstat(descriptor, &facts) == 0 && S_ISDIR(facts.st_mode);
}

/* The library flushes a directory and then the file that was named in it, and ext4 and XFS make the name
   durable with either: what breaks the promise leaves out both. */
static int is_of_a_name(int descriptor) {
    static _Thread_local int is_after_directory;
    int is_directory_now = is_directory(descriptor), was_directory = is_after_directory;
    is_after_directory = is_directory_now;
    return is_directory_now || was_directory;
}

static int is_left_out(int descriptor) {
    return flushes == FLUSH_NONE || (flushes == FLUSH_NO_NAMES && is_of_a_name(descriptor));
}

int fsync(int descriptor) {
    return is_left_out(descriptor) ? 0 : (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
    return is_left_out(descriptor) ? 0 : (int)syscall(SYS_fdatasync, descriptor);
}

int msync(void *address, size_t len, int flags) {
    return flushes == FLUSH_NONE ? 0 : (int)syscall(SYS_msync, address, len, flags);
}

static int open_at(int directory, const char *path, int flags, mode_t mode) {
    if (flushes == FLUSH_NONE) flags &= ~(O_DSYNC | O_SYNC);
    return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...) {                                                   \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;             \
        va_end(arguments);                                                                         \
        return open_at(AT_FDCWD, path, flags, mode);                                               \
    }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name)                                                                              \
    int name(int directory, const char *path, int flags, ...) {                                    \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;             \
        va_end(arguments);                                                                         \
        return open_at(directory, path, flags, mode);                                              \
    }
OPEN_AT(openat)
OPEN_AT(openat64)

/*
 * A disk that fails or is full at will: the program that includes this, once, takes the place of the two
 * system calls by which the library reaches the disk. It defines _GNU_SOURCE before its first include.
 */

#ifndef FAILING_DISK_H
#define FAILING_DISK_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int flush_fails, disk_is_full;

int fdatasync(int descriptor) {
    if (atomic_load(&flush_fails)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, descriptor);
}

int posix_fallocate(int descriptor, off_t from, off_t len) {
    if (atomic_load(&disk_is_full)) return ENOSPC;
    return syscall(SYS_fallocate, descriptor, 0, from, len) == 0 ? 0 : errno;
}

#endif

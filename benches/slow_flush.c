/*
 * Preloaded into a bench: sleeps LNKEEP_FLUSH_DELAY_US after each flush, so that one machine also shows
 * what a slower disk would. A flush is fsync, fdatasync, and a write to a descriptor opened with O_DSYNC
 * (LMDB writes its meta page that way). Calls that fail are not delayed.
 *
 * System calls are made directly: looking the real functions up would write before main on some systems.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct timespec delay;

__attribute__((constructor)) static void read_delay(void)
{
    const char *text = getenv("LNKEEP_FLUSH_DELAY_US");
    long us = text ? strtol(text, NULL, 10) : 0;
    delay.tv_sec = us / 1000000;
    delay.tv_nsec = us % 1000000 * 1000;
}

/* Passes a call's answer through, after the delay if it succeeded. */
static long flushed(long answer)
{
    if (answer < 0 || (delay.tv_sec == 0 && delay.tv_nsec == 0))
        return answer;
    struct timespec rest = delay;
    int saved = errno;
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
    }
    errno = saved;
    return answer;
}

static long written(int fd, long answer)
{
    int saved = errno;
    long flags = answer < 0 ? -1 : syscall(SYS_fcntl, fd, F_GETFL);
    errno = saved;
    return flags >= 0 && (flags & O_DSYNC) ? flushed(answer) : answer;
}

int fsync(int fd)
{
    return (int)flushed(syscall(SYS_fsync, fd));
}

int fdatasync(int fd)
{
    return (int)flushed(syscall(SYS_fdatasync, fd));
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    return written(fd, syscall(SYS_write, fd, bytes, len));
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t at)
{
    return written(fd, syscall(SYS_pwrite64, fd, bytes, len, at));
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t at)
{
    return pwrite(fd, bytes, len, at);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return written(fd, syscall(SYS_writev, fd, parts, count));
}

/* The kernel takes the offset in two halves and ignores the second one on 64-bit machines. */
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return written(fd, syscall(SYS_pwritev, fd, parts, count, at, 0L));
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off_t at)
{
    return pwritev(fd, parts, count, at);
}

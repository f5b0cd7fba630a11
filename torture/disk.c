/* Loop devices over memory without a name, mounts, and the shutdown call of ext4 and XFS. */

#define _GNU_SOURCE
#include "disk.h"

#include "common.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* EXT4_IOC_SHUTDOWN is XFS_IOC_GOINGDOWN. Without the log: as if the power went. */
#define IOC_SHUTDOWN _IOR('X', 125, uint32_t)
enum {
    SHUTDOWN_WITHOUT_LOG = 2,
    EXT4_BYTES = 256 << 20, /* mostly a hole */
    XFS_BYTES = 384 << 20, /* mkfs.xfs makes none below 300 MiB */
    TRIES_MAX = 2000,      /* of a millisecond */
    WORKERS_MAX = 64,
};

/* The tracer's ticks would interrupt a mount, or a copy, half way. */
static void hold_ticks(int is_held) {
    sigset_t ticks;
    sigemptyset(&ticks);
    sigaddset(&ticks, SIGALRM);
    sigprocmask(is_held ? SIG_BLOCK : SIG_UNBLOCK, &ticks, NULL);
}

/* Answers the exit status of a program whose words nobody reads. */
static int run_program(const char *const *words) {
    int status = 0;
    fflush(NULL);
    pid_t process = fork();
    if (process < 0) give_up("fork");
    if (process == 0) {
        int nowhere = open("/dev/null", O_RDWR);
        dup2(nowhere, 0);
        dup2(nowhere, 1);
        dup2(nowhere, 2);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    while (waitpid(process, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/* Another process may take the free device first. */
static int attach(struct disk *disk) {
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    if (control < 0) return 0;
    disk->loop = -1;
    for (int tries = 0; disk->loop < 0 && tries < 50; tries++) {
        struct loop_config config = {.fd = (uint32_t)disk->image, .block_size = 512};
        config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) break;
        snprintf(disk->device, sizeof disk->device, "/dev/loop%d", number);
        /* Where no daemon makes the nodes of new devices. */
        if (access(disk->device, F_OK) != 0) {
            mknod(disk->device, S_IFBLK | 0600, makedev(7, (unsigned)number));
        }
        disk->loop = open(disk->device, O_RDWR | O_CLOEXEC);
        if (disk->loop >= 0 && ioctl(disk->loop, LOOP_CONFIGURE, &config) != 0) {
            close(disk->loop);
            disk->loop = -1;
            sleep_us(1000);
        }
    }
    close(control);
    return disk->loop >= 0;
}

static int format(const struct disk *disk) {
    const char *const ext4[] = {"mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0",
                                "-E", "lazy_journal_init=0", disk->device, NULL};
    const char *const xfs[] = {"mkfs.xfs", "-q", "-f", disk->device, NULL};
    return run_program(strcmp(disk->type, "xfs") == 0 ? xfs : ext4) == 0;
}

static const char *try_make(struct disk *disk, const char *type, uint64_t bytes) {
    hold_ticks(1);
    *disk = (struct disk){.type = type, .image = -1, .loop = -1, .root = -1};
    scratch_path(disk->mount, sizeof disk->mount, type);
    disk->image = memfd_create("disk", MFD_CLOEXEC);
    if (disk->image < 0 || ftruncate(disk->image, (off_t)bytes) != 0) return "it gives no memory for it";
    if (!attach(disk)) return "it gives no loop device";
    if (mkdir(disk->mount, 0700) != 0 && errno != EEXIST) return "no directory to mount it on";
    hold_ticks(0);
    return NULL;
}

static const char *try_make_formatted(struct disk *disk, const char *type) {
    const char *why = try_make(disk, type, strcmp(type, "xfs") == 0 ? XFS_BYTES : EXT4_BYTES);
    if (why) return why;
    return format(disk) ? NULL : "mkfs of it is missing or failed";
}

void disk_make(struct disk *disk, const char *type) {
    const char *why = try_make_formatted(disk, type);
    if (why) give_up(why);
}

void disk_make_bare(struct disk *disk, const char *type, unsigned long long bytes) {
    const char *why = try_make(disk, type, bytes);
    if (why) give_up(why);
}

/* Holes stay holes. */
static void copy_image(int from, int to) {
    off_t bytes = lseek(from, 0, SEEK_END), end = 0;
    hold_ticks(1);
    if (ftruncate(to, 0) != 0 || ftruncate(to, bytes) != 0) give_up("ftruncate");
    for (off_t at = lseek(from, 0, SEEK_DATA); at >= 0; at = lseek(from, end, SEEK_DATA)) {
        end = lseek(from, at, SEEK_HOLE);
        for (off_t into = at; at < end; into = at) {
            if (copy_file_range(from, &at, to, &into, (size_t)(end - at), 0) <= 0) {
                give_up("copying an image");
            }
        }
    }
    hold_ticks(0);
}

void disk_fill(struct disk *disk, int from) {
    /* What the loop device keeps in memory is of the content before. */
    if (ioctl(disk->loop, BLKFLSBUF, 0) != 0) give_up("BLKFLSBUF");
    copy_image(from, disk->image);
}

void disk_power_on(struct disk *disk) {
    const char *options = disk->options;
    int kept = memfd_create("kept", MFD_CLOEXEC);
    if (kept < 0) give_up("memfd_create");
    copy_image(disk->image, kept);
    disk_unmount(disk);
    disk_fill(disk, kept);
    close(kept);
    disk_mount(disk, options);
}

void disk_drop(struct disk *disk) {
    if (disk->options) disk_unmount(disk);
    if (disk->loop >= 0) close(disk->loop);
    if (disk->image >= 0) close(disk->image);
    rmdir(disk->mount);
    *disk = (struct disk){.image = -1, .loop = -1, .root = -1};
}

int disk_try_mount(struct disk *disk, const char *options) {
    hold_ticks(1);
    int result = mount(disk->device, disk->mount, disk->type, MS_NOSUID | MS_NODEV, options);
    hold_ticks(0);
    if (result != 0) return 0;
    disk->root = open(disk->mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (disk->root < 0) give_up("opening a mount");
    disk->options = options;
    return 1;
}

void disk_mount(struct disk *disk, const char *options) {
    if (disk->options && strcmp(disk->options, options) == 0) return;
    if (disk->options) disk_unmount(disk);
    if (!disk_try_mount(disk, options)) give_up("mounting, which replays the journal");
}

void disk_unmount(struct disk *disk) {
    if (disk->root >= 0) close(disk->root);
    disk->root = -1;
    /* The last descriptor of a process that was killed may take a moment to go. */
    for (int tries = 0; umount2(disk->mount, 0) != 0; tries++) {
        if (errno != EBUSY || tries == TRIES_MAX) give_up("umount");
        sleep_us(1000);
    }
    disk->options = NULL;
}

void disk_empty(const struct disk *disk) {
    char path[4400];
    DIR *directory = opendir(disk->mount);
    if (!directory) give_up("reading a mount");
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, "lost+found") == 0) continue;
        snprintf(path, sizeof path, "%s/%s", disk->mount, entry->d_name);
        remove_tree(path);
    }
    closedir(directory);
    /* Or a cut brings back what was removed. */
    if (syncfs(disk->root) != 0) give_up("syncfs");
}

void disk_cut(struct disk *disk) {
    uint32_t how = SHUTDOWN_WITHOUT_LOG;
    if (ioctl(disk->root, IOC_SHUTDOWN, &how) != 0) give_up("the shutdown call");
}

/* A cut that leaves the disk writable would make every zero of the harness worthless. */
static int cut_is_one(struct disk *disk) {
    char path[4400];
    snprintf(path, sizeof path, "%s/after", disk->mount);
    uint32_t how = SHUTDOWN_WITHOUT_LOG;
    if (ioctl(disk->root, IOC_SHUTDOWN, &how) != 0) return 0;
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor >= 0) close(descriptor);
    return descriptor < 0;
}

static pid_t owner;

/* A directory that something is mounted on cannot be removed. */
static void disks_end(void) {
    static const char *const types[] = {"ext4", "xfs"};
    char path[4096];
    if (getpid() != owner) return;
    for (worker_index = 0; worker_index < WORKERS_MAX; worker_index++) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            scratch_path(path, sizeof path, types[i]);
            umount2(path, MNT_DETACH);
        }
    }
}

static void end_early(int signal) {
    exit(128 + signal);
}

const char *disks_start(const char *type) {
    struct disk disk;
    owner = getpid();
    atexit(disks_end);
    signal(SIGINT, end_early);
    signal(SIGTERM, end_early);
    if (geteuid() != 0) return "mounting takes root";
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return "it gives no mount namespace";
    }
    const char *why = try_make_formatted(&disk, type);
    if (!why && !disk_try_mount(&disk, "")) why = "it does not mount this file system";
    if (!why && !cut_is_one(&disk)) why = "its shutdown call does not cut";
    disk_drop(&disk);
    return why;
}

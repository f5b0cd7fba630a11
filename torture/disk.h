/*
 * File systems on loop devices whose power is cut: what was not flushed is gone, and the next mount
 * replays the journal. Linux, as root. The images lie in memory that has no name, and the mounts in
 * a mount namespace of the harness, so that nothing stays when it ends, however that ends.
 */

#ifndef TORTURE_DISK_H
#define TORTURE_DISK_H

struct disk {
    const char *type;    /* ext4 or xfs */
    const char *options; /* of the mount that is there, or NULL */
    int image, loop;
    int root; /* the directory of the mount, open for the cut; -1 while none is there */
    char device[32], mount[4096];
};

/* A mount namespace of its own. Why this machine cannot cut power, or NULL when it can. */
const char *disks_start(const char *type);
/* A new, empty file system, which is not mounted. */
void disk_make(struct disk *disk, const char *type);
/* The same without a file system, for disk_fill. */
void disk_make_bare(struct disk *disk, const char *type, unsigned long long bytes);
/* Gives an unmounted disk the content of a file. */
void disk_fill(struct disk *disk, int from);
void disk_drop(struct disk *disk);
/* Answers whether it could be mounted. */
int disk_try_mount(struct disk *disk, const char *options);
/* Mounts it, with these options, unless it is mounted with them. */
void disk_mount(struct disk *disk, const char *options);
void disk_unmount(struct disk *disk);
void disk_empty(const struct disk *disk);
/* From here on nothing reaches the device, and what was not flushed is lost. */
void disk_cut(struct disk *disk);
/*
 * Mounts what the device held after the cut. An unmount may still write: ext4 then leaves metadata
 * that its journal does not know, which a machine without power cannot.
 */
void disk_power_on(struct disk *disk);

#endif

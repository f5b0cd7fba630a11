/*
 * The first and only program of a virtual machine: hosts live on a file system whose every write
 * and flush dm-log-writes records. A mark in the record says so after each answer, and before each
 * call of the library that changes a file or flushes it if the ledger changed since.
 */

#define _GNU_SOURCE
#include "common.h"
#include "life.h"
#include "marked_calls.h"
#include "snapshots.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/random.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { MODULES_MAX = 64, WAIT_MS = 20000, MISC_MAJOR = 10 };

static struct {
    char type[16];
    unsigned long long seed, lives;
    int mapper, snapshots;
    uint64_t marks;
    /* Marks are made by any thread of the library. */
    pthread_mutex_t marking;
    uint64_t life;
    const struct ledger *ledger; /* NULL between lives */
} guest = {.marking = PTHREAD_MUTEX_INITIALIZER};

/* Each module as soon as those that it needs are there. */
static void load_modules(void) {
    char names[MODULES_MAX][80];
    unsigned len = 0, loaded = 1;
    DIR *directory = opendir("/modules");
    if (!directory) give_up("/modules");
    for (struct dirent *entry; (entry = readdir(directory)) != NULL && len < MODULES_MAX;) {
        if (entry->d_name[0] != '.') snprintf(names[len++], 80, "/modules/%.60s", entry->d_name);
    }
    closedir(directory);
    while (loaded > 0) {
        loaded = 0;
        for (unsigned i = 0; i < len; i++) {
            int file = *names[i] ? open(names[i], O_RDONLY | O_CLOEXEC) : -1;
            if (file < 0) continue;
            int is_there = syscall(SYS_finit_module, file, "", 0) == 0 || errno == EEXIST;
            close(file);
            if (!is_there) continue;
            names[i][0] = 0;
            loaded++;
        }
    }
}

static int open_disk(const char *path, int flags) {
    int disk = -1;
    for (int waited = 0; waited < WAIT_MS; waited += 10) {
        disk = open(path, flags | O_CLOEXEC);
        if (disk >= 0) return disk;
        sleep_us(10000);
    }
    give_up(path);
}

/* --- Device mapper, by its own calls. */

union request {
    struct dm_ioctl head;
    uint8_t bytes[4096];
};

static void prepare(union request *request) {
    memset(request, 0, sizeof *request);
    request->head.version[0] = DM_VERSION_MAJOR;
    request->head.data_size = sizeof *request;
    request->head.data_start = sizeof request->head;
    strcpy(request->head.name, "logged");
}

static void call(unsigned long number, union request *request, const char *what) {
    if (ioctl(guest.mapper, number, request) != 0) give_up(what);
}

static void open_mapper(void) {
    unsigned minor = 0;
    char line[80];
    FILE *file = fopen("/proc/misc", "r");
    while (file && fgets(line, sizeof line, file)) {
        char name[64];
        unsigned number = 0;
        if (sscanf(line, "%u %63s", &number, name) == 2 && strcmp(name, "device-mapper") == 0) {
            minor = number;
        }
    }
    if (file) fclose(file);
    mkdir("/dev/mapper", 0700);
    mknod("/dev/mapper/control", S_IFCHR | 0600, makedev(MISC_MAJOR, minor));
    guest.mapper = open_disk("/dev/mapper/control", O_RDWR);
}

static void map_logged(void) {
    static union request request;
    uint64_t bytes = 0;
    int data = open_disk("/dev/vda", O_RDONLY);
    if (ioctl(data, BLKGETSIZE64, &bytes) != 0) give_up("the length of the disk");
    close(data);
    open_mapper();
    prepare(&request);
    call(DM_DEV_CREATE, &request, "making the mapped device");
    prepare(&request);
    request.head.target_count = 1;
    struct dm_target_spec spec = {.length = bytes / 512, .next = 512};
    strcpy(spec.target_type, "log-writes");
    memcpy(request.bytes + request.head.data_start, &spec, sizeof spec);
    strcpy((char *)request.bytes + request.head.data_start + sizeof spec, "/dev/vda /dev/vdb");
    call(DM_TABLE_LOAD, &request, "loading the table: is dm-log-writes there?");
    prepare(&request);
    call(DM_DEV_SUSPEND, &request, "starting the mapped device");
}

/*
 * Puts into the log how far the host has got, unless the last mark says so; the ledger is kept apart.
 * A thread that goes on meanwhile changes no file before its own mark, which waits for this one.
 */
static void mark_changes(void) {
    static union request request;
    static union place {
        struct snapshot snapshot;
        uint8_t bytes[SNAPSHOT_BYTES];
    } place, last;
    struct dm_target_msg message = {0};
    if (!guest.ledger) return;
    place.snapshot.life = guest.life;
    memcpy(&place.snapshot.ledger, (const void *)guest.ledger, sizeof *guest.ledger);
    if (guest.marks > 0 && memcmp(&place, &last, sizeof place) == 0) return;
    last = place;
    off_t at = (off_t)guest.marks * SNAPSHOT_BYTES;
    if (pwrite(guest.snapshots, &place, sizeof place, at) != sizeof place) give_up("a snapshot");
    prepare(&request);
    memcpy(request.bytes + request.head.data_start, &message, sizeof message);
    snprintf((char *)request.bytes + request.head.data_start + sizeof message, 64, "mark %llu",
             (unsigned long long)guest.marks);
    call(DM_TARGET_MSG, &request, "a mark");
    guest.marks++;
}

static void mark(void) {
    pthread_mutex_lock(&guest.marking);
    mark_changes();
    pthread_mutex_unlock(&guest.marking);
}

static void mark_life(uint64_t number, const struct ledger *ledger) {
    pthread_mutex_lock(&guest.marking);
    guest.life = number;
    guest.ledger = ledger;
    pthread_mutex_unlock(&guest.marking);
}

/* --- Lives. */

static void live(uint64_t number) {
    static struct session session;
    static struct script script;
    script_make(&script, chance_seed(guest.seed, number), GUEST_STEPS);
    struct life life = life_new(&script, POLICY_NONE, CONTROL_NONE);
    snprintf(life.directory, sizeof life.directory, "/mnt/store-%llu", (unsigned long long)number);
    mark_life(number, life.ledger);
    mark();
    unsigned at = session_replay(&session, &life);
    lnkeep_status status = session_open(&session, 0);
    if (status != LNKEEP_DONE) {
        finding(FOUND_REOPEN, "open answered %s", lnkeep_status_name(status));
        return;
    }
    for (; at < script.steps_len; at++) {
        if (session_step(&session, at) != LIFE_ENDED) finding(FOUND_STATUS, "step %u", at);
        mark();
    }
    session_close(&session);
    mark();
    mark_life(number, NULL);
    printf("life %llu: %u answers\n", (unsigned long long)number, life.ledger->answered);
    fflush(stdout);
    /* The next life begins in a file system with room. */
    remove_tree(life.directory);
}

/* A machine without devices has no chance of its own, and would wait for some. */
static void give_chance(void) {
    /* struct rand_pool_info, whose last member has no length. */
    struct {
        int entropy_bits, len;
        uint8_t bytes[64];
    } pool = {.entropy_bits = 512, .len = 64};
    uint64_t chance = guest.seed;
    chance_fill(&chance, pool.bytes, sizeof pool.bytes);
    int device = open_disk("/dev/urandom", O_RDWR);
    if (ioctl(device, RNDADDENTROPY, &pool) != 0) give_up("RNDADDENTROPY");
    close(device);
}

static void read_command_line(void) {
    char line[1024] = "";
    FILE *file = fopen("/proc/cmdline", "r");
    if (!file || !fgets(line, sizeof line, file)) give_up("/proc/cmdline");
    fclose(file);
    const char *at = strstr(line, "torture=");
    if (!at || sscanf(at, "torture=%15[a-z0-9],%llu,%llu", guest.type, &guest.seed,
                      &guest.lives) != 3) {
        give_up("torture=TYPE,SEED,LIVES");
    }
}

static void run(void) {
    mkdir("/mnt", 0700);
    read_command_line();
    give_chance();
    load_modules();
    guest.snapshots = open_disk("/dev/vdc", O_RDWR);
    map_logged();
    close(open_disk("/dev/dm-0", O_RDONLY));
    if (mount("/dev/dm-0", "/mnt", guest.type, 0, "") != 0) give_up("mounting the logged device");
    before_call = mark;
    for (uint64_t number = 0; number < guest.lives; number++) live(number);
    if (fsync(guest.snapshots) != 0) give_up("flushing the snapshots");
    if (umount2("/mnt", 0) != 0) give_up("umount");
    static union request request;
    prepare(&request);
    call(DM_DEV_REMOVE, &request, "ending the log");
    printf("GUEST ENDED: %llu marks, %llu violations\n", (unsigned long long)guest.marks,
           (unsigned long long)findings_total());
}

static int run_in_child(void *context) {
    (void)context;
    run();
    fflush(NULL);
    return 0;
}

int main(void) {
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/tmp", 0700);
    mount("none", "/dev", "devtmpfs", 0, "");
    mount("none", "/proc", "proc", 0, "");
    mount("none", "/sys", "sysfs", 0, "");
    int console = open("/dev/console", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(console, i);
    findings_start();
    scratch_start();
    run_child(run_in_child, NULL, 60 * 60 * 1000);
    fflush(NULL);
    sync();
    reboot(RB_POWER_OFF);
    return 1;
}

/* Options, chance, shared memory and files of all harnesses. */

#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void give_up(const char *what) {
    fprintf(stderr, "torture: %s: %s\n", what, strerror(errno));
    exit(70);
}

void options_check(int argc, char **argv, const struct option_name *names, size_t names_len) {
    for (int i = 1; i < argc; i++) {
        size_t at = 0;
        while (at < names_len && strcmp(names[at].name, argv[i]) != 0) at++;
        int known = at < names_len && (!names[at].takes_value || i + 1 < argc);
        if (!known) {
            fprintf(stderr, "%s: unknown or incomplete option %s\n", argv[0], argv[i]);
            exit(64);
        }
        i += names[at].takes_value;
    }
}

static int option_at(int argc, char **argv, const char *name) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) return i;
    }
    return 0;
}

int option_given(int argc, char **argv, const char *name) {
    return option_at(argc, argv, name) != 0;
}

const char *option_text(int argc, char **argv, const char *name, const char *otherwise) {
    int at = option_at(argc, argv, name);
    return at ? argv[at + 1] : otherwise;
}

uint64_t option_number(int argc, char **argv, const char *name, uint64_t otherwise) {
    const char *text = option_text(argc, argv, name, NULL);
    char *end = NULL;
    if (!text) return otherwise;
    uint64_t number = strtoull(text, &end, 0);
    if (*text == 0 || *end != 0) {
        fprintf(stderr, "%s: %s is not a number\n", name, text);
        exit(64);
    }
    return number;
}

uint64_t seed_of_run;

uint64_t option_seed(int argc, char **argv) {
    uint64_t seed = option_number(argc, argv, "--seed", 1);
    if (seed == 0 && getrandom(&seed, sizeof seed, 0) != sizeof seed) give_up("getrandom");
    seed_of_run = seed;
    return seed;
}

uint64_t chance_next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t chance_below(uint64_t *state, uint64_t below) { return chance_next(state) % below; }

uint64_t chance_seed(uint64_t seed, uint64_t number) {
    uint64_t state = seed ^ (number + 1) * 0xd1342543de82ef95u;
    return chance_next(&state);
}

void chance_fill(uint64_t *state, void *bytes, size_t len) {
    uint8_t *at = bytes;
    for (size_t done = 0; done < len;) {
        uint64_t drawn = chance_next(state);
        size_t part = len - done < sizeof drawn ? len - done : sizeof drawn;
        memcpy(at + done, &drawn, part);
        done += part;
    }
}

uint64_t digest_add(uint64_t digest, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) digest = (digest ^ at[i]) * 0x100000001b3u;
    return digest;
}

void *shared_memory(size_t len) {
    void *memory = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) give_up("shared memory");
    return memory;
}

void shared_memory_free(void *memory, size_t len) {
    if (munmap(memory, len) != 0) give_up("munmap");
}

void sleep_us(uint64_t us) {
    struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

uint64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

static char scratch[4096];
static pid_t scratch_owner;

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place) {
    (void)facts, (void)kind, (void)place;
    return remove(path);
}

void remove_tree(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

static void remove_scratch(void) {
    if (getpid() == scratch_owner) remove_tree(scratch);
}

/* A killed process loses nothing that it gave to the kernel, so memory serves as well as a disk. */
void scratch_start(void) {
    const char *base = getenv("LNKEEP_TORTURE_DIR");
    if (!base || !*base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(scratch, sizeof scratch, "%s/lnkeep-torture-XXXXXX", base);
    if (!mkdtemp(scratch)) give_up("making a scratch directory");
    scratch_owner = getpid();
    atexit(remove_scratch);
}

void scratch_path(char *path, size_t len, const char *name) {
    int wrote = snprintf(path, len, "%s/%s-%u", scratch, name, worker_index);
    if (wrote < 0 || (size_t)wrote >= len) give_up("a path is too long");
}

int read_whole(const char *path, uint8_t **bytes, size_t *len) {
    struct stat facts;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *bytes = NULL;
    *len = 0;
    if (descriptor < 0) return 0;
    if (fstat(descriptor, &facts) == 0 && (*bytes = malloc((size_t)facts.st_size + 1)) != NULL) {
        ssize_t got = 1;
        while (*len < (size_t)facts.st_size && got > 0) {
            got = read(descriptor, *bytes + *len, (size_t)facts.st_size - *len);
            if (got > 0) *len += (size_t)got;
        }
    }
    close(descriptor);
    return *bytes != NULL && *len == (size_t)facts.st_size;
}

void write_whole(const char *path, const uint8_t *bytes, size_t len, size_t file_bytes) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) give_up(path);
    for (size_t done = 0; done < len;) {
        ssize_t wrote = pwrite(descriptor, bytes + done, len - done, (off_t)done);
        if (wrote <= 0) give_up(path);
        done += (size_t)wrote;
    }
    if (ftruncate(descriptor, (off_t)file_bytes) != 0) give_up(path);
    close(descriptor);
}

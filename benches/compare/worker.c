/*
 * The contestants that C programs can call, driven over standard input and output so that a driver
 * can interleave their rounds with those of other processes:
 *
 *   worker FOLDER SET ROWS   fills every contestant of a set (rows, payments, none) with ROWS rows, or
 *                            of monitors and monitors_load with 1,000 channels,
 *                            prints `versions TEXT; TEXT` and `ready NAME...`
 *   round NAME CALLERS MS    prints `round OPERATIONS LENGTH_NS P50_NS P90_NS P99_NS MAX_NS`; CALLERS
 *                            are the channels of a checkpoint of monitors
 *   phase NAME COUNT         a million attempts (million.c) or payments (payments_million.c),
 *                            prints `phase NS VALUE`
 */
#include "worker.h"

#include "lmdb_names.h"

#include <errno.h>
#include <inttypes.h>
#include <lnkeep.h>
#ifdef BENCH_SQLITE
#include <sqlite3.h>
#endif
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct contestant *const rows_groups[] = {
    lnkeep_contestants,
    lmdb_contestants,
    log_contestants,
    flush_contestants,
#ifdef BENCH_SQLITE
    sqlite_contestants,
#endif
    NULL,
};
static const struct contestant *const payments_groups[] = {
    payment_contestants,
    flush_contestants,
    NULL,
};
static const struct contestant *const monitors_groups[] = {
    checkpoint_contestants,
    file_contestants,
    flush_contestants,
#ifdef BENCH_SQLITE
    sqlite_checkpoint_contestants,
#endif
    NULL,
};
static const struct contestant *const load_groups[] = {load_contestants, NULL};
static const struct contestant *const no_groups[] = {NULL};

/* What a worker can be started for. */
static const struct {
    const char *name;
    const struct contestant *const *groups;
} sets[] = {
    {"rows", rows_groups},         {"payments", payments_groups}, {"monitors", monitors_groups},
    {"monitors_load", load_groups}, {"none", no_groups},
};

/* The groups of the set this worker was started for. */
static const struct contestant *const *groups;

static const struct phases *const all_phases[] = {&attempt_phases, &payment_phases};
#define ALL_PHASES (sizeof all_phases / sizeof all_phases[0])

static _Atomic uint64_t last_id;

uint64_t fresh_ids(uint64_t count)
{
    return atomic_fetch_add(&last_id, count) + 1;
}

void row_key(uint64_t id, uint8_t key[KEY_BYTES])
{
    memset(key, 0, KEY_BYTES - 8);
    for (int byte = 0; byte < 8; byte++)
        key[KEY_BYTES - 1 - byte] = (uint8_t)(id >> (8 * byte));
}

void row_value(uint64_t id, uint8_t value[VALUE_BYTES])
{
    memset(value, (int)(id & 0xff), VALUE_BYTES);
}

void must(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "worker: %s failed, errno %d: %s\n", what, errno, strerror(errno));
    exit(1);
}

char *path_in(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    must(path != NULL, "malloc");
    snprintf(path, size, "%s/%s", folder, name);
    return path;
}

uint64_t data_bytes(const char *folder)
{
    struct stat file;
    char *path = path_in(folder, "data.mdb");
    must(stat(path, &file) == 0, "stat of data.mdb");
    free(path);
    return (uint64_t)file.st_blocks * 512;
}

void fill(uint64_t rows, void (*commit)(const uint64_t *ids, size_t len))
{
    uint64_t ids[FILL_ROWS], id = 1;
    while (id <= rows) {
        size_t len = 0;
        while (len < FILL_ROWS && id <= rows)
            ids[len++] = id++;
        commit(ids, len);
    }
}

static const struct contestant *find(const char *name)
{
    for (size_t group = 0; groups[group]; group++)
        for (const struct contestant *one = groups[group]; one->name; one++)
            if (strcmp(one->name, name) == 0)
                return one;
    fprintf(stderr, "worker: there is no contestant %s\n", name);
    exit(1);
}

static void open_all(const char *folder, uint64_t rows)
{
    for (size_t group = 0; groups[group]; group++)
        for (const struct contestant *one = groups[group]; one->name; one++) {
            if (!one->open)
                continue;
            char *own = path_in(folder, one->name);
            must(mkdir(own, 0700) == 0, "mkdir");
            one->open(own, rows);
            free(own);
        }
    printf("ready");
    for (size_t group = 0; groups[group]; group++)
        for (const struct contestant *one = groups[group]; one->name; one++)
            printf(" %s", one->name);
    printf("\n");
}

static void close_all(void)
{
    for (size_t group = 0; groups[group]; group++)
        for (const struct contestant *one = groups[group]; one->name; one++)
            if (one->close)
                one->close();
}

static void run_round(const char *name, unsigned callers, uint64_t round_ms)
{
    const struct contestant *contestant = find(name);
    uint64_t round_ns = round_ms * MS_NS;
    if (contestant->prepare)
        contestant->prepare(callers, round_ns);
    print_round(contestant->round ? contestant->round(callers, round_ns)
                                  : run_callers(contestant, callers, round_ns));
}

static int has_phase(const struct phases *phases, const char *name, const struct phase **found)
{
    for (*found = phases->all; (*found)->name; (*found)++)
        if (strcmp((*found)->name, name) == 0)
            return 1;
    return 0;
}

static void run_phase(const char *folder, const char *name, uint64_t count)
{
    for (size_t i = 0; i < ALL_PHASES; i++) {
        const struct phase *phase;
        if (!has_phase(all_phases[i], name, &phase))
            continue;
        all_phases[i]->open(folder);
        uint64_t before = now_ns(), part_ns = UINT64_MAX;
        uint64_t figure = phase->run(count, &part_ns);
        uint64_t all_ns = now_ns() - before;
        printf("phase %" PRIu64 " %" PRIu64 "\n", part_ns == UINT64_MAX ? all_ns : part_ns, figure);
        return;
    }
    fprintf(stderr, "worker: there is no phase %s\n", name);
    exit(1);
}

static void choose_set(const char *set)
{
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++)
        if (strcmp(set, sets[i].name) == 0)
            groups = sets[i].groups;
    must(groups != NULL, "the choice of a set");
}

static void print_versions(void)
{
    printf("versions lnkeep %s; %s", lnkeep_version(), lnkeep_mdb_version(NULL, NULL, NULL));
#ifdef BENCH_SQLITE
    printf("; SQLite %s", sqlite3_libversion());
#endif
    printf("\n");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: worker FOLDER SET ROWS\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    choose_set(argv[2]);
    print_versions();
    uint64_t rows = strtoull(argv[3], NULL, 10);
    atomic_store(&last_id, rows);
    open_all(argv[1], rows);

    char line[256], name[64];
    while (fgets(line, sizeof line, stdin)) {
        unsigned callers;
        uint64_t number;
        if (sscanf(line, "round %63s %u %" SCNu64, name, &callers, &number) == 3) {
            must(callers >= 1 && callers <= CALLERS_MAX, "a round: number of callers");
            run_round(name, callers, number);
        } else if (sscanf(line, "phase %63s %" SCNu64, name, &number) == 2) {
            run_phase(argv[1], name, number);
        } else {
            fprintf(stderr, "worker: what is %s", line);
            return 2;
        }
    }
    for (size_t i = 0; i < ALL_PHASES; i++)
        all_phases[i]->close();
    close_all();
    return 0;
}

/*
 * Loads the library of the first argument, uses it on a thread with the store of the second, and
 * unloads it, again and again. Nothing of it may stay behind, and a thread that used it may end
 * after it was unloaded.
 */

#define _DEFAULT_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lnkeep.h>

enum { ROUNDS = 10 };

static struct {
    __typeof__(lnkeep_store_open) *store_open;
    __typeof__(lnkeep_store_close) *store_close;
    __typeof__(lnkeep_attempts_open) *attempts_open;
    __typeof__(lnkeep_attempts_close) *attempts_close;
    __typeof__(lnkeep_attempts_init) *attempts_init;
    __typeof__(lnkeep_abi_version) *abi_version;
} lib;

static const char *store_path;
static sem_t used, unloaded;

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

/* ISO C has no cast from an object's pointer to a function's. */
static void find(void *library, const char *name, void *function, size_t len) {
    void *symbol = dlsym(library, name);
    REQUIRE(symbol && len == sizeof symbol);
    memcpy(function, &symbol, len);
}

#define FIND(library, member) find(library, "lnkeep_" #member, &lib.member, sizeof lib.member)

static void *load(const char *path, int scope) {
    void *library = dlopen(path, RTLD_NOW | scope);
    if (!library) fprintf(stderr, "%s\n", dlerror());
    REQUIRE(library);
    FIND(library, store_open);
    FIND(library, store_close);
    FIND(library, attempts_open);
    FIND(library, attempts_close);
    FIND(library, attempts_init);
    FIND(library, abi_version);
    return library;
}

/* Attempts registered while the library was loaded the last times are still known. */
static void use(uint64_t last) {
    lnkeep_store store;
    lnkeep_attempts attempts;
    REQUIRE(lib.abi_version() == LNKEEP_ABI_VERSION);
    REQUIRE(lib.store_open(store_path, NULL, &store, NULL, NULL) == LNKEEP_DONE);
    REQUIRE(lib.attempts_open(store, NULL, &attempts, NULL) == LNKEEP_DONE);
    for (uint64_t id = 0; id <= last; id++) {
        lnkeep_attempt_request request = {.key = {.id = id}};
        lnkeep_status wanted = id == last ? LNKEEP_DONE : LNKEEP_ALREADY_EXISTS;
        REQUIRE(lib.attempts_init(attempts, &request, NULL, NULL) == wanted);
    }
    REQUIRE(lib.attempts_close(&attempts, NULL) == LNKEEP_DONE);
    REQUIRE(lib.store_close(&store, NULL) == LNKEEP_DONE);
}

static void *use_and_end(void *round) {
    use(*(const uint64_t *)round);
    return NULL;
}

static void *use_and_outlive_it(void *round) {
    use(*(const uint64_t *)round);
    sem_post(&used);
    sem_wait(&unloaded);
    return NULL;
}

static unsigned entries(const char *folder) {
    unsigned count = 0;
    DIR *directory = opendir(folder);
    REQUIRE(directory);
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static int is_mapped(const char *name) {
    char line[4096];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    REQUIRE(maps);
    while (fgets(line, sizeof line, maps)) found |= strstr(line, name) != NULL;
    fclose(maps);
    return found;
}

static void unload_after_the_thread(const char *path, uint64_t round) {
    pthread_t thread;
    void *library = load(path, RTLD_LOCAL);
    REQUIRE(is_mapped(path));
    REQUIRE(pthread_create(&thread, NULL, use_and_end, &round) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
    REQUIRE(dlclose(library) == 0);
    REQUIRE(!is_mapped(path));
}

static void unload_before_the_thread(const char *path, uint64_t round) {
    pthread_t thread;
    void *library = load(path, RTLD_GLOBAL);
    REQUIRE(pthread_create(&thread, NULL, use_and_outlive_it, &round) == 0);
    sem_wait(&used);
    REQUIRE(dlclose(library) == 0);
    sem_post(&unloaded);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv) {
    char path[4096];
    REQUIRE(argc == 3 && realpath(argv[1], path));
    store_path = argv[2];
    REQUIRE(sem_init(&used, 0, 0) == 0 && sem_init(&unloaded, 0, 0) == 0);
    unsigned descriptors = entries("/proc/self/fd");
    for (uint64_t round = 0; round < 2 * ROUNDS; round += 2) {
        unload_after_the_thread(path, round);
        unload_before_the_thread(path, round + 1);
        REQUIRE(entries("/proc/self/task") == 3); /* ".", ".." and this thread */
        REQUIRE(entries("/proc/self/fd") == descriptors);
    }
    puts("nothing stayed behind");
    return 0;
}

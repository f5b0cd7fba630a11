/*
 * libFuzzer's entry: an input is a sequence of calls. A violation ends the program, so that
 * libFuzzer keeps the input.
 *
 *   LNKEEP_FFI_COUNTS=FILE    where the calls of each function are written at the end
 *   LNKEEP_FFI_CALLS=N        the program ends itself after so many
 *   LNKEEP_FFI_CONTROL=NAME   an error that is planted
 */

#define _GNU_SOURCE
#include "ffi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

static uint64_t calls_made, calls_wanted;

void violation_found(enum finding kind, const char *text) {
    fprintf(stderr, "VIOLATION %s: %s\n", finding_names[kind], text);
    abort();
}

static void write_counts(void) {
    const char *path = getenv("LNKEEP_FFI_COUNTS");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    for (size_t i = 0; i < operations_count(); i++) {
        const char *name = operation_at(i)->name;
        if (operation_number(name) != i) continue;
        fprintf(file, "%s %llu %llu %llu\n", name, (unsigned long long)tallies[i].calls,
                (unsigned long long)tallies[i].done, (unsigned long long)tallies[i].refused);
    }
    fclose(file);
}

static char directory[PATH_BYTES];

static void remove_directory(void) { remove_tree(directory); }

/* A control: which error is planted, and after how many calls. */
static void plant(const char *text) {
    for (int i = 0; i < PLANTED; i++) {
        if (strcmp(planted_names[i], text) == 0) planted = (enum planted)i;
    }
    if (planted == PLANT_NOTHING) give_up("there is no such control");
    planted_after = 100;
}

const char *__asan_default_options(void);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

const char *__asan_default_options(void) {
    return "detect_leaks=1:strict_string_checks=1:exitcode=99";
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    const char *base = getenv("LNKEEP_TORTURE_DIR"), *control = getenv("LNKEEP_FFI_CONTROL");
    if (!base || !*base) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(directory, sizeof directory - 16, "%s/lnkeep-ffi-XXXXXX", base);
    if (!mkdtemp(directory)) give_up("making a scratch directory");
    tallies = calloc(OPERATIONS_MAX, sizeof *tallies);
    if (!tallies) give_up("memory");
    progress = &calls_made;
    if (control && *control) plant(control);
    const char *wanted = getenv("LNKEEP_FFI_CALLS");
    calls_wanted = wanted && *wanted ? strtoull(wanted, NULL, 10) : UINT64_MAX;
    char place[PATH_BYTES];
    snprintf(place, sizeof place, "%s/s", directory);
    sequences_start(place);
    atexit(remove_directory);
    atexit(write_counts);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len) {
    run_sequence(bytes, len, CALLS_PER_SEQUENCE);
    if (calls_made < calls_wanted) return 0;
    /* An exit in the midst of a run counts as an error. */
    write_counts();
    remove_directory();
    _Exit(0);
}

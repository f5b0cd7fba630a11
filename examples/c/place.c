/*
 * What every demo's parent does before and after it is one.
 */
#define _XOPEN_SOURCE 700
#include "place.h"

#include "outcome.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void place_could_not_run(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_COULD_NOT_RUN);
}

uint64_t place_number(const char *name, const char *text, uint64_t max)
{
    char *end;
    errno = 0;
    const uint64_t value = text == NULL ? 0 : strtoull(text, &end, 10);
    if (text == NULL || *text < '0' || *text > '9' || *end != '\0' || errno != 0 || value > max) {
        place_could_not_run(name, "needs a number");
    }
    return value;
}

const char *place_program(void)
{
    static char path[PLACE_PATH_BYTES_MAX / 2];
    if (readlink("/proc/self/exe", path, sizeof path - 1) <= 0) {
        place_could_not_run("/proc/self/exe", strerror(errno));
    }
    return path;
}

/* Not /tmp, which lies in memory on many machines: a flush would cost nothing there. */
void place_make(const char *given, const char *name, char path[PLACE_PATH_BYTES_MAX])
{
    if (given != NULL) {
        snprintf(path, PLACE_PATH_BYTES_MAX, "%s", given);
        if (mkdir(path, 0700) != 0 && (errno != EEXIST || rmdir(path) != 0 || mkdir(path, 0700))) {
            place_could_not_run(path, strerror(errno));
        }
        return;
    }
    const char *program = place_program();
    const int folder = (int)(strrchr(program, '/') + 1 - program); /* it is absolute */
    snprintf(path, PLACE_PATH_BYTES_MAX, "%.*s%s.XXXXXX", folder, program, name);
    if (mkdtemp(path) == NULL) {
        place_could_not_run(path, strerror(errno));
    }
}

static int remove_entry(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    (void)stat;
    (void)kind;
    (void)place;
    return remove(path);
}

bool place_remove(const char *path)
{
    if (nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        perror(path);
        return false;
    }
    return true;
}

static volatile sig_atomic_t *flag;

static void interrupt(int signal_number)
{
    (void)signal_number;
    *flag = 1;
}

void place_catch_signals(volatile sig_atomic_t *interrupted)
{
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action = {.sa_handler = interrupt};
    flag = interrupted;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        sigaction(signals[i], &action, NULL);
    }
}

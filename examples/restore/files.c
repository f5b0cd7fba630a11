/*
 * Reading and writing of whole files.
 */
#define _XOPEN_SOURCE 700
#include "files.h"

#include "outcome.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 128 };

uint8_t *files_read(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    const long end = ftell(file);
    uint8_t *bytes = malloc(end > 0 ? (size_t)end : 1);
    rewind(file);
    *len = bytes == NULL || end <= 0 ? 0 : fread(bytes, 1, (size_t)end, file);
    fclose(file);
    return bytes;
}

void files_write(const char *path, const void *bytes, size_t len)
{
    char part[PATH_BYTES_MAX];
    snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "wb");
    /* Without fsync: the demo kills processes, not machines. */
    bool good = file != NULL && fwrite(bytes, 1, len, file) == len;
    good = file != NULL && fclose(file) == 0 && good;
    if (!good || rename(part, path) != 0) {
        perror(path);
        _exit(EXIT_COULD_NOT_RUN);
    }
}

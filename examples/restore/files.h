/*
 * Whole files.
 */
#ifndef FILES_H
#define FILES_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of a file, to be freed; NULL when there is none. */
uint8_t *files_read(const char *path, size_t *len);

/* Writes a file that is there whole, or not at all. Ends the process when it cannot. */
void files_write(const char *path, const void *bytes, size_t len);

#endif

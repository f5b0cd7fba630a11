/*
 * A line of a table: what it counts, and how often.
 */
#ifndef ROWS_H
#define ROWS_H

#include <stdbool.h>
#include <stdint.h>

enum { NAME_CHARS = 54 };

void row(const char *name, uint64_t number);

/* A number that must be 0. Whether it is. */
bool zero(const char *name, uint64_t number);

/* A number that is no count. */
void row_of_tenths(const char *name, double number);

#endif

/*
 * Columns, as both demos print them.
 */
#include "rows.h"

#include <inttypes.h>
#include <stdio.h>

void row(const char *name, uint64_t number)
{
    printf("%-*s %10" PRIu64 "\n", NAME_CHARS, name, number);
}

bool zero(const char *name, uint64_t number)
{
    printf("%-*s %10" PRIu64 "   %s\n", NAME_CHARS, name, number,
           number == 0 ? "as it must be" : "WRONG, must be 0");
    return number == 0;
}

void row_of_tenths(const char *name, double number)
{
    printf("%-*s %10.1f\n", NAME_CHARS, name, number);
}

/*
 * What people see: what is about to happen, a line while it does, a table at its end.
 */
#ifndef TABLE_H
#define TABLE_H

#include "supervisor.h"
#include "tally.h"

/* Says what the demo is. */
void table_begin(const struct run *run);

/* Cheap; prints a line when it is time to. */
void table_progress(const struct run *run);

/* Ends the line of progress. */
void table_progress_end(void);

/* Prints the table. True if every number is as it must be. */
bool table_print(const struct run *run, const struct tally *tally);

#endif

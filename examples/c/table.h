/*
 * What people see: a line while the demo runs, a table at its end.
 */
#ifndef TABLE_H
#define TABLE_H

#include "ledger.h"
#include "supervisor.h"

/* Cheap; prints a line when it is time to. */
void table_progress(const struct run *run);

/* Ends the line of progress. */
void table_progress_end(void);

/* Prints the table. True if every number is as it must be. */
bool table_print(const struct run *run, const struct tally *tally);

#endif

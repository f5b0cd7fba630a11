/*
 * What people see: what is about to happen, a line while it does, a table at its end.
 */
#ifndef PEERS_TABLE_H
#define PEERS_TABLE_H

#include "peers_run.h"

void peers_table_begin(const struct peers_run *run);

/* Cheap; prints a line when it is time to. */
void peers_progress(const struct peers_run *run);
void peers_progress_end(void);

/* Prints the table. True if every number is as it must be. */
bool peers_table_print(const struct peers_run *run);

#endif

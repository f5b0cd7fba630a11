/*
 * Compares the store of the dead node with what the world outside saw.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "supervisor.h"

/* False, with the reason printed, if the store cannot be read. Sets run->commits exactly. */
bool verify_run(struct run *run, struct tally *tally);

#endif

/*
 * The store of a host and its monitors: opening, committing, and what to do when that fails.
 */
#ifndef KEEP_H
#define KEEP_H

#include <lnkeep.h>

#include "packet.h"

enum { EXIT_WRONG = 1, EXIT_COULD_NOT_RUN = 2 };

struct keep {
    lnkeep_store store;
    lnkeep_monitors monitors;
    lnkeep_monitors_report report;
};

/* Opens or creates the store in a directory. */
void keep_open(struct keep *keep, const char *directory, const lnkeep_monitors_options *options);

/* Closes it; nothing may be queued. */
void keep_close(struct keep *keep);

/* Returns only when everything up to the capture is on disk. */
void keep_commit(struct keep *keep, const lnkeep_monitors_commit *commit,
                 lnkeep_monitors_committed *committed);

/* Takes what may leave, and gives it to `leave` one after the other. */
void keep_release(struct keep *keep, void (*leave)(void *self, const lnkeep_output *output),
                  void *self);

/* Ends the process unless the call is done: what is not understood is not gone on with. */
void must(lnkeep_status status, const lnkeep_error *err, const char *what);

/* A value of `len` bytes. */
static inline lnkeep_bytes bytes_of(const uint8_t *first, size_t len)
{
    return (lnkeep_bytes){.ptr = first, .len = len};
}

#endif

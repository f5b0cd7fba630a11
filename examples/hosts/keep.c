/*
 * What every host does with its monitors, whatever its shape.
 */
#define _XOPEN_SOURCE 700
#include "keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { OUTPUTS_AT_ONCE = 256, RETRY_PAUSE_NS = 1000 * 1000 };

void must(lnkeep_status status, const lnkeep_error *err, const char *what)
{
    if (status != LNKEEP_DONE) {
        fprintf(stderr, "%s: %s: %s\n", what, lnkeep_status_name(status), err->message);
        exit(EXIT_COULD_NOT_RUN);
    }
}

void keep_open(struct keep *keep, const char *directory, const lnkeep_monitors_options *options)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_store_options store_options = LNKEEP_STORE_OPTIONS_INIT;
    *keep = (struct keep){.report = LNKEEP_MONITORS_REPORT_INIT};
    must(lnkeep_store_open(directory, &store_options, &keep->store, NULL, &err), &err, "open");
    must(lnkeep_monitors_open(keep->store, options, &keep->monitors, &keep->report, &err), &err,
         "open of the monitors");
}

void keep_close(struct keep *keep)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    must(lnkeep_monitors_close(&keep->monitors, 0, &err), &err, "close of the monitors");
    must(lnkeep_store_close(&keep->store, &err), &err, "close");
}

void keep_commit(struct keep *keep, const lnkeep_monitors_commit *commit,
                 lnkeep_monitors_committed *committed)
{
    for (;;) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        *committed = (lnkeep_monitors_committed)LNKEEP_MONITORS_COMMITTED_INIT;
        lnkeep_status status =
            lnkeep_monitors_commit_captured(keep->monitors, commit, committed, &err);
        if (lnkeep_status_class(status) != LNKEEP_CLASS_RETRY) {
            /* UNKNOWN too ends the process: only an open tells what is on disk. */
            must(status, &err, "commit");
            return;
        }
        /* A full disk. Nothing was applied, nothing leaves, and the capture is still good. */
        fprintf(stderr, "commit: %s\n", err.message);
        nanosleep(&(struct timespec){.tv_nsec = RETRY_PAUSE_NS}, NULL);
    }
}

void keep_release(struct keep *keep, void (*leave)(void *self, const lnkeep_output *output),
                  void *self)
{
    for (;;) {
        lnkeep_error err = LNKEEP_ERROR_INIT;
        lnkeep_outputs *taken = NULL;
        must(lnkeep_monitors_take_outputs(keep->monitors, OUTPUTS_AT_ONCE, &taken, &err), &err,
             "take_outputs");
        const uint8_t *next = (const uint8_t *)taken->outputs;
        size_t taken_len = taken->outputs_len;
        for (size_t place = 0; place < taken_len; place++, next += taken->stride) {
            leave(self, (const lnkeep_output *)(const void *)next);
        }
        lnkeep_outputs_free(taken);
        if (taken_len == 0) {
            return;
        }
    }
}

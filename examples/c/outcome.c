/*
 * How long a node is patient, and where it ends.
 */
#define _XOPEN_SOURCE 700
#include "outcome.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* About 5 seconds in all: 1, 2, 4 ... ms, at most 50 at once. */
enum { TRIES_MAX = 105, PAUSE_MS_MAX = 50 };

static void pause_ms(unsigned ms)
{
    struct timespec pause = {.tv_nsec = (long)ms * 1000000};
    nanosleep(&pause, NULL);
}

bool outcome_try_again(lnkeep_status status, struct patience *patience)
{
    const bool waits =
        lnkeep_status_class(status) == LNKEEP_CLASS_RETRY || status == LNKEEP_NOT_DURABLE;
    if (!waits || patience->tries == TRIES_MAX) {
        return false;
    }
    unsigned ms = patience->tries < 6 ? 1u << patience->tries : PAUSE_MS_MAX;
    patience->tries++;
    pause_ms(ms);
    return true;
}

/* The message of lnkeep never holds a key or a preimage, so it may go to a log. */
static void complain(const char *what, lnkeep_status status, const lnkeep_error *err)
{
    fprintf(stderr, "node: %s: %s: %s\n", what, lnkeep_status_name(status), err->message);
}

lnkeep_class outcome_class(const char *what, lnkeep_status status, const lnkeep_error *err)
{
    lnkeep_class class = lnkeep_status_class(status);
    if (class == LNKEEP_CLASS_UNKNOWN || class == LNKEEP_CLASS_FATAL) {
        complain(what, status, err);
        /* Not exit(): other threads are inside calls, and nothing is left that a handler at exit
         * could save. What lnkeep acknowledged is on disk. */
        _exit(EXIT_START_AGAIN);
    }
    if (class == LNKEEP_CLASS_REFUSED || class == LNKEEP_CLASS_RETRY) {
        complain(what, status, err);
    }
    return class;
}

void outcome_expect(const char *what, lnkeep_status status, const lnkeep_error *err)
{
    lnkeep_class class = outcome_class(what, status, err);
    if (class != LNKEEP_CLASS_DONE && class != LNKEEP_CLASS_ALREADY) {
        _exit(EXIT_COULD_NOT_RUN);
    }
}

bool outcome_was_overtaken(lnkeep_status status)
{
    switch (status) {
    case LNKEEP_VALUE_EXCEEDS:
    case LNKEEP_PAYMENT_PENDING_SETTLED:
    case LNKEEP_PAYMENT_PENDING_FAILED:
    case LNKEEP_PAYMENT_ALREADY_SUCCEEDED:
    case LNKEEP_PAYMENT_ALREADY_FAILED:
    case LNKEEP_ATTEMPT_ALREADY_SETTLED:
    case LNKEEP_ATTEMPT_ALREADY_FAILED:
        return true;
    default:
        return false;
    }
}

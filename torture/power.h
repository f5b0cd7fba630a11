/* The hosts whose power is cut, and what has to be there afterwards. */

#ifndef TORTURE_POWER_H
#define TORTURE_POWER_H

#include "life.h"

enum { BACKUPS = 3 };

enum course {
    COURSE_LIFE,    /* the workload, the creation of the store included */
    COURSE_BACKUP,  /* backups of the running store to the same file system */
    COURSE_RESTORE, /* a store is made of a backup */
    COURSE_COMPACT, /* the workload goes on in a store that this open rewrites */
    COURSE_GROWTH,  /* file and map grow under large records */
    COURSES,
};

extern const char *const course_names[COURSES];

/* What a backup has to hold beside what the model knows. */
struct backed_up {
    struct provider_ledger provider;
    struct consumer_ledger consumer;
    uint64_t resources; /* digest of them, 0 if it is not known */
};

/* What these hosts were told, in memory that outlives them. */
struct told {
    struct backed_up backed_up[BACKUPS];
    volatile unsigned backups_begun, backups_done;
    volatile unsigned backup_at[BACKUPS]; /* the first step that the backup does not hold */
    volatile int is_restored, is_compacted;
    volatile uint64_t grown, growths;
};

struct host {
    struct life life;
    enum course course;
    const char *mount;
    struct script before; /* what was done, undisturbed, before the power may go */
    struct told *told;
};

/* What has to be there before the power may go; answers whether it is. */
int host_prepare(struct host *host);
/* For run_child and trace_run: the context is a struct host. */
int host_run(void *context);
/* After the cut, in a process of its own: everything that this host was told. */
int host_verify(void *context);

#endif

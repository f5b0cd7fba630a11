/*
 * The crawl: asks one peer after the other for what it keeps, as lnkeep says whom, and saves the
 * session after each answer.
 */
#ifndef CRAWL_H
#define CRAWL_H

#include "node.h"

struct crawl {
    lnkeep_recovery_session session;
    struct node *node; /* its clock, and its parent; it has no store yet */
    const uint8_t *secret;
    struct frame_reader reader;
};

/* Goes on with the session that an earlier life saved, or begins one with the peers that the public
 * graph shows. */
void crawl_open(struct crawl *crawl);
void crawl_close(struct crawl *crawl);

/* Until there is nobody left to ask. */
void crawl_run(struct crawl *crawl);

#endif

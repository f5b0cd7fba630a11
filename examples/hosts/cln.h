/*
 * A host with the shape of CLN, and the world around it.
 */
#ifndef CLN_H
#define CLN_H

#include "backup.h"

enum cln_kind {
    CLN_REESTABLISH = 1, /* from the node: channel a, commitment b */
    CLN_COMMIT,          /* to the node: channel a, commitment b */
    CLN_REVOKE,          /* from the node: the answer to it */
};

/* The node: returns when its peers are gone. */
int cln_node(const char *directory, const char *broken);

/* The node's own database: false when there is none. */
bool database_read(const char *directory, struct rows *rows);

/* Replaces it, durably. */
void database_write(const char *directory, const struct rows *rows);

#endif

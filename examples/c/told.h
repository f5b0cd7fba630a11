/*
 * What the node told the client, beside what it told before.
 */
#ifndef TOLD_H
#define TOLD_H

#include "client.h"

/* Each takes the order in question, or NULL when the client waits for none; true when the order is
 * answered and need not be given again. */
bool told_order(struct client *client, struct ledger_invoice *entry, struct open_order *open,
                const struct report *report);
bool told_end(struct client *client, struct ledger_invoice *entry, const struct report *report);

void told_resumed(struct client *client, const struct report *report);

/* Deals with an event of the log once, however often it is told. */
void told_event(struct client *client, const struct report *report);

/* The same for a notice that an HTLC was settled. */
void told_notice(struct client *client, const struct report *report);

#endif

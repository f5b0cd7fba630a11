/*
 * The client: wants payments made, and gives every order again, with the SAME id, to a restarted
 * node until it knows the result. In lnd's words a router beside the node, here in the parent.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "channels.h"
#include "ledger.h"
#include "messages.h"

enum { CLIENT_OPEN_MAX = 128 };

struct client {
    struct ledger *ledger;
    const struct messages *messages;
    struct open_order {
        uint64_t id;
        bool given; /* to the node that lives now */
    } open[CLIENT_OPEN_MAX];
    size_t open_len;
    bool closing; /* no new orders */
    uint64_t settled, failed, failed_here;
    uint64_t repeated_already; /* orders given again that the node knew */
    uint64_t repeated_done;    /* orders given again that had never been registered */
    uint64_t unexpected;       /* orders refused, or known although they were given once */
};

/* Gives the node what it has not been given in this life, and new orders while there is room. */
void client_give_orders(struct client *client, int fd);

/* Takes a REPORT_INIT or a REPORT_RESULT. */
void client_note_report(struct client *client, const struct report *report);

/* The node died: everything without a result is given again. */
void client_node_died(struct client *client);

#endif

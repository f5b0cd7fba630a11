/*
 * The client: has invoices paid, and gives every order again, with the SAME key, to a restarted
 * node until it knows how the payment ended. Impatient as people are, it sends some orders twice at
 * once, asks for finished payments once more, and tries failed ones again. What it is told goes
 * into the ledger, and must never contradict what it was told before.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include "chance.h"
#include "ledger.h"

enum { CLIENT_OPEN_MAX = 96 };

/* What the client expects of an order. */
enum purpose {
    PURPOSE_PAY,       /* a payment, to its end */
    PURPOSE_SAME_KEY,  /* it has ended: the answer must be that end */
    PURPOSE_OTHER_KEY, /* it was paid: another request must be refused */
};

struct client {
    struct ledger *ledger;
    struct chance *chance;
    struct open_order {
        uint64_t invoice;
        struct order_key key;
        enum purpose purpose;
        bool given; /* to the node that lives now */
        bool given_before;
    } open[CLIENT_OPEN_MAX];
    size_t open_len;
    bool closing;   /* no new orders */
    uint64_t lives; /* of the node, ended ones */
    uint64_t succeeded, failed;
    uint64_t repeated_already; /* orders given again that the node knew */
    uint64_t repeated_done;    /* orders given again that had never been registered */
    uint64_t asked_after_end;  /* with the same key, and answered with the end */
    uint64_t refused_paid;     /* with another key, and refused because it was paid */
    uint64_t retried;          /* failed, and initiated again with another key */
    uint64_t sent_on, waited, ended_by_resume; /* payments, in all restarts */
    uint64_t last_event;    /* number of the last one dealt with: what a consumer keeps */
    uint64_t events_again;  /* told by two lives, under the same number */
    uint64_t events_missed; /* numbers that never came */
    uint64_t last_notice;   /* number of the last notice of a settled HTLC */
    uint64_t notices_again, notices_missed;
    uint64_t late_settles;  /* after the failure had been told */
    uint64_t unexpected;    /* answers that fit nothing */
};

/* Gives the node what it has not been given in this life, and new orders while there is room. */
void client_give_orders(struct client *client, int fd);

/* Takes a report that is about payments or HTLCs. */
void client_note_report(struct client *client, const struct report *report);

/* The node died: everything without an answer is given again. */
void client_node_died(struct client *client);

#endif

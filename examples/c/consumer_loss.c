/*
 * What a node does when a peer returns a state of it that it does not have: it lost its data.
 *
 * This happens before it answers channel_reestablish. A real node shows its operator what was
 * found, waits for the answer, and asks its peers to close the channels that came back (BOLT 2,
 * option_data_loss_protect): what a peer returned may be older than what was last signed, so a
 * channel must never go on from it.
 */
#define _XOPEN_SOURCE 700
#include "consumer.h"

#include "outcome.h"

#include <stdio.h>
#include <unistd.h>

/* The same blob may come back again, until the peer has a newer one: it is not taken over twice. */
static void take_over(struct consumer *consumer, const struct consumer_data *found)
{
    if (found->counter < consumer->data.counter) {
        return;
    }
    consumer->data = *found;
    for (uint32_t i = 0; i < found->channels_len; i++) {
        consumer->data.channels[i].is_closing = true;
    }
    consumer_data_save(&consumer->data);
}

void consumer_recover(struct consumer *consumer, uint64_t blob, const lnkeep_opened *opened)
{
    consumer_report(consumer, PEERS_REPORT_STATE_LOSS, blob, 0);
    struct consumer_data found;
    if (opened == NULL || !consumer_data_read(&found, opened->payload.ptr, opened->payload.len)) {
        fprintf(stderr, "consumer: what came back is not of this program\n");
        _exit(EXIT_COULD_NOT_RUN);
    }
    take_over(consumer, &found);
    consumer_set_payload(consumer);
    consumer_report(consumer, PEERS_REPORT_RECOVERED, blob, found.counter);
    /* Only now: until the operator has seen it, lnkeep sends nothing to anybody. */
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_backup_acknowledge(consumer->backup, &err);
    } while (outcome_try_again(status, &patience));
    outcome_expect("acknowledge", status, &err);
}

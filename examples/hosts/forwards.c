/*
 * The calls themselves. None of them waits for the disk but those of the start.
 */
#define _XOPEN_SOURCE 700
#include "forwards.h"

#include "keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* HTLCs of these examples have no amounts of their own. */
enum {
    INCOMING_MSAT = 1002000,
    OUTGOING_MSAT = 1000000,
    BLOCK_HEIGHT = 900000,
    CLTV_EXPIRY = BLOCK_HEIGHT + 80,
    HOPS_MAX = 64,
};

static const lnkeep_channel_limits LIMITS = {
    .max_in_flight_msat = 1000000000,
    .max_accepted_htlcs = 483,
};

static uint64_t unix_secs(void)
{
    return (uint64_t)time(NULL);
}

/* An ALREADY is as good as a DONE: the same was said before. */
static void must_hold(lnkeep_status status, const lnkeep_error *err, const char *what)
{
    if (lnkeep_status_class(status) != LNKEEP_CLASS_ALREADY) {
        must(status, err, what);
    }
}

static void expect_tracked(const struct forwards *forwards, uint64_t out_len)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_resources_snapshot *found = NULL;
    must(lnkeep_resources_take_snapshot(forwards->resources, unix_secs(), &found, &err), &err,
         "take_snapshot");
    const size_t tracked = found->pending_len;
    lnkeep_resources_snapshot_free(found);
    if (tracked != out_len) {
        fprintf(stderr, "%zu HTLCs are tracked, and %" PRIu64 " are out\n", tracked, out_len);
        exit(EXIT_COULD_NOT_RUN);
    }
}

static void reconcile(struct forwards *forwards, const struct hop *out, size_t out_len)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_live_htlc live[HOPS_MAX] = {{0}};
    for (size_t place = 0; place < out_len && place < HOPS_MAX; place++) {
        live[place] = (lnkeep_live_htlc){
            .incoming = out[place].incoming,
            .outgoing = out[place].outgoing,
            .htlc_id = out[place].htlc_id,
            .incoming_amount_msat = INCOMING_MSAT,
            .outgoing_amount_msat = OUTGOING_MSAT,
            .added_unix_secs = unix_secs(),
            .incoming_cltv_expiry = CLTV_EXPIRY,
            .block_height = BLOCK_HEIGHT,
        };
    }
    must(lnkeep_resources_reconcile(forwards->resources, live, out_len, NULL, &err), &err,
         "reconcile");
    expect_tracked(forwards, out_len);
}

void forwards_open(struct forwards *forwards, lnkeep_store store, uint64_t channels,
                   const struct hop *out, size_t out_len)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_resources_options options = LNKEEP_RESOURCES_OPTIONS_INIT;
    options.flags = LNKEEP_RESOURCES_ONLY_WATCH;
    *forwards = (struct forwards){0};
    must(lnkeep_resources_open(store, &options, &forwards->resources, NULL, &err), &err,
         "open of the resources");
    for (uint64_t channel = 0; channel < channels; channel++) {
        must_hold(lnkeep_resources_add_channel(forwards->resources, channel, &LIMITS, unix_secs(),
                                               NULL, &err),
                  &err, "add_channel");
    }
    if (out_len > HOPS_MAX) {
        fprintf(stderr, "more HTLCs are out than this example has channels for\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    reconcile(forwards, out, out_len);
}

void forwards_ask(struct forwards *forwards, const struct hop *hop)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_htlc_request request = {
        .incoming = hop->incoming,
        .outgoing = hop->outgoing,
        .htlc_id = hop->htlc_id,
        .incoming_amount_msat = INCOMING_MSAT,
        .outgoing_amount_msat = OUTGOING_MSAT,
        .unix_secs = unix_secs(),
        .incoming_cltv_expiry = CLTV_EXPIRY,
        .block_height = BLOCK_HEIGHT,
    };
    lnkeep_decision decision;
    must_hold(lnkeep_resources_add(forwards->resources, &request, 1, 0, &decision, NULL, &err),
              &err, "add");
    forwards->would_fail += (decision.flags & LNKEEP_DECISION_WOULD_FAIL) != 0;
}

void forwards_over(struct forwards *forwards, const struct hop *hop)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_resolve_request request = {
        .incoming = hop->incoming,
        .outgoing = hop->outgoing,
        .htlc_id = hop->htlc_id,
        .unix_secs = unix_secs(),
        .flags = LNKEEP_RESOLVE_SETTLED,
    };
    lnkeep_resolution resolution;
    must_hold(lnkeep_resources_resolve(forwards->resources, &request, 1, 0, &resolution, &err),
              &err, "resolve");
}

void forwards_close(struct forwards *forwards, uint64_t out_len)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    expect_tracked(forwards, out_len);
    must(lnkeep_resources_close(&forwards->resources, &err), &err, "close of the resources");
}

/*
 * Opens the store as any host would, and has everything in it compared.
 */
#define _XOPEN_SOURCE 700
#include "verify.h"

#include <lnkeep.h>
#include <stdio.h>

bool verify_failed(const lnkeep_error *err)
{
    fprintf(stderr, "verifier: %s\n", err->message);
    return false;
}

static bool read_commits(struct run *run, lnkeep_store store)
{
    lnkeep_stats stats = LNKEEP_STATS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_store_stats(store, &stats, &err) != LNKEEP_DONE) {
        return verify_failed(&err);
    }
    run->commit_number = stats.commit_number;
    return true;
}

static bool verify_store(struct run *run, lnkeep_store store, struct tally *tally)
{
    lnkeep_attempts attempts = LNKEEP_ATTEMPTS_NONE;
    lnkeep_payments payments = LNKEEP_PAYMENTS_NONE;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_attempts_open(store, NULL, &attempts, &err) != LNKEEP_DONE ||
        lnkeep_payments_open(store, NULL, &payments, &err) != LNKEEP_DONE) {
        return verify_failed(&err);
    }
    bool good = verify_attempts(run, attempts, tally) && verify_payments(run, payments, tally) &&
                verify_channels(run, store, tally) && read_commits(run, store);
    lnkeep_status closed_attempts = lnkeep_attempts_close(&attempts, NULL);
    lnkeep_status closed_payments = lnkeep_payments_close(&payments, NULL);
    return good && closed_attempts == LNKEEP_DONE && closed_payments == LNKEEP_DONE;
}

bool verify_run(struct run *run, struct tally *tally)
{
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_store_report found = LNKEEP_STORE_REPORT_INIT;
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    *tally = (struct tally){0};
    options.flags = LNKEEP_STORE_MUST_EXIST;
    options.epoch_min = run->epoch;
    if (lnkeep_store_open(run->options.directory, &options, &store, &found, &err) != LNKEEP_DONE) {
        return verify_failed(&err);
    }
    /* The last node had no reason not to close the store. */
    bool unclean = found.flags & LNKEEP_REPORT_UNCLEAN;
    tally->inconsistent += !run->closed_cleanly || unclean;
    bool good = verify_store(run, store, tally);
    tally->inconsistent +=
        run->client.unexpected + run->network.malformed + run->neighbours.unexpected;
    tally->events_wrong += run->client.events_missed;
    tally->failed_though_left += run->client.late_settles;
    return lnkeep_store_close(&store, NULL) == LNKEEP_DONE && good;
}

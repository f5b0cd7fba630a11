/*
 * Into the lists that lnkeep returns. A later library may append fields to an entry, so the step
 * from one to the next is the list's own and not sizeof.
 */
#ifndef VIEWS_H
#define VIEWS_H

#include <lnkeep.h>

static inline const lnkeep_payment_attempt *attempt_at(const lnkeep_payment *payment, size_t i)
{
    return (const void *)((const char *)payment->attempts + i * payment->attempt_stride);
}

static inline const lnkeep_payment *payment_at(const lnkeep_payment_page *page, size_t i)
{
    return (const void *)((const char *)page->payments + i * page->stride);
}

static inline const lnkeep_attempt *record_at(const lnkeep_attempt_page *page, size_t i)
{
    return (const void *)((const char *)page->attempts + i * page->stride);
}

static inline const lnkeep_output *output_at(const lnkeep_outputs *outputs, size_t i)
{
    return (const void *)((const char *)outputs->outputs + i * outputs->stride);
}

static inline const lnkeep_monitor_update *update_at(const lnkeep_monitor *monitor, size_t i)
{
    return (const void *)((const char *)monitor->updates + i * monitor->update_stride);
}

static inline const lnkeep_resources_channel *
resources_channel_at(const lnkeep_resources_snapshot *snapshot, size_t i)
{
    return (const void *)((const char *)snapshot->channels + i * snapshot->channel_stride);
}

static inline const lnkeep_pending_htlc *pending_at(const lnkeep_resources_snapshot *snapshot,
                                                    size_t i)
{
    return (const void *)((const char *)snapshot->pending + i * snapshot->pending_stride);
}

static inline const lnkeep_resources_pair *pair_at(const lnkeep_resources_snapshot *snapshot,
                                                   size_t i)
{
    return (const void *)((const char *)snapshot->pairs + i * snapshot->pair_stride);
}

static inline const lnkeep_resources_mark *mark_at(const lnkeep_resources_snapshot *snapshot,
                                                   size_t i)
{
    return (const void *)((const char *)snapshot->marks + i * snapshot->mark_stride);
}

#endif

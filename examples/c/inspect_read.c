/*
 * Opens the store as the killed node left it, and reads its channels.
 */
#include "inspect.h"

#include "outcome.h"
#include "views.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUTS_MAX = 256 };

static bool failed(const lnkeep_error *err)
{
    fprintf(stderr, "inspector: %s\n", err->message);
    return false;
}

/* False when its bytes are not what a node writes. */
static bool rebuild(const lnkeep_monitor *stored, struct monitor *monitor)
{
    bool good = monitor_read(monitor, stored->snapshot.ptr, stored->snapshot.len);
    for (size_t i = 0; i < stored->updates_len && good; i++) {
        const lnkeep_monitor_update *update = update_at(stored, i);
        struct change change;
        good = change_read(&change, update->update.ptr, update->update.len) &&
               monitor_apply(monitor, &change) && monitor->commitment_number == update->update_id;
    }
    return good && monitor->commitment_number == stored->channel.latest_update_id;
}

static bool read_channel(lnkeep_monitors monitors, unsigned channel, struct found *found)
{
    struct found_channel *into = &found->channels[channel];
    uint8_t channel_id[WIRE_CHANNEL_ID_BYTES];
    wire_channel_id(channel, channel_id);
    lnkeep_monitor *stored = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_monitors_load(monitors, channel_id, &stored, &err);
    if (status == LNKEEP_UNKNOWN_CHANNEL) {
        return true;
    }
    if (status != LNKEEP_DONE) {
        return failed(&err);
    }
    into->is_stored = true;
    into->damage = stored->channel.damage;
    if (into->damage == 0 && !rebuild(stored, &into->monitor)) {
        into->damage = LNKEEP_DAMAGE_CHECKSUM;
    }
    lnkeep_monitor_free(stored);
    const uint64_t newest = found->manager.commitment_numbers[channel];
    for (uint64_t number = into->monitor.commitment_number + 1; number <= newest; number++) {
        into->lost_changes += manager_find(&found->manager, channel, number) == NULL;
    }
    return true;
}

static bool read_manager(lnkeep_monitors monitors, struct found *found)
{
    lnkeep_buf *bytes = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_monitors_load_manager(monitors, &bytes, &err) != LNKEEP_DONE) {
        return failed(&err);
    }
    if (bytes != NULL && !manager_read(&found->manager, bytes->ptr, bytes->len)) {
        fprintf(stderr, "inspector: a manager of %zu bytes\n", bytes->len);
        return false;
    }
    found->has_manager = bytes != NULL;
    lnkeep_buf_free(bytes);
    return true;
}

static bool read_outputs(lnkeep_monitors monitors, struct found *found)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    size_t len;
    do {
        lnkeep_outputs *outputs = NULL;
        if (lnkeep_monitors_take_outputs(monitors, OUTPUTS_MAX, &outputs, &err) != LNKEEP_DONE) {
            return failed(&err);
        }
        len = outputs->outputs_len;
        for (size_t i = 0; i < len; i++) {
            found->last_output_id = output_at(outputs, i)->output_id;
            found->first_output_id +=
                found->outputs_len++ == 0 ? found->last_output_id : 0;
        }
        lnkeep_outputs_free(outputs);
    } while (len > 0);
    return true;
}

bool inspect_read(lnkeep_store store, struct found *found)
{
    lnkeep_monitors monitors = LNKEEP_MONITORS_NONE;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (lnkeep_monitors_open(store, NULL, &monitors, NULL, &err) != LNKEEP_DONE) {
        return failed(&err);
    }
    bool good = read_manager(monitors, found) && read_outputs(monitors, found);
    for (unsigned channel = 0; channel < WIRE_CHANNELS && good; channel++) {
        good = read_channel(monitors, channel, found);
    }
    return lnkeep_monitors_close(&monitors, 0, NULL) == LNKEEP_DONE && good;
}

bool inspect_read_forwards(lnkeep_store store, lnkeep_resources *resources,
                           struct forward_state *found)
{
    const lnkeep_resources_options options = forward_options();
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status = lnkeep_resources_open(store, &options, resources, NULL, &err);
    return (status == LNKEEP_DONE && forward_state_read(*resources, found, &err)) || failed(&err);
}

static bool write_all(int fd, const void *bytes, size_t len)
{
    for (size_t written = 0; written < len;) {
        ssize_t more = write(fd, (const char *)bytes + written, len - written);
        if (more <= 0) {
            return false;
        }
        written += (size_t)more;
    }
    return true;
}

int inspect_run(const char *directory, uint64_t epoch_min, int fd)
{
    static struct found found;
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_store_report report = LNKEEP_STORE_REPORT_INIT;
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_MUST_EXIST;
    options.epoch_min = epoch_min;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    struct patience patience = {0};
    lnkeep_status status;
    do {
        status = lnkeep_store_open(directory, &options, &store, &report, &err);
    } while (outcome_try_again(status, &patience));
    if (status != LNKEEP_DONE && status != LNKEEP_NOT_FOUND) {
        failed(&err);
        return EXIT_COULD_NOT_RUN;
    }
    found.has_store = status == LNKEEP_DONE;
    found.epoch = report.epoch;
    lnkeep_resources resources = LNKEEP_RESOURCES_NONE;
    if (found.has_store && !(inspect_read(store, &found) &&
                             inspect_read_forwards(store, &resources, &found.forwards))) {
        return EXIT_COULD_NOT_RUN;
    }
    /* Not closed: _exit leaves the store as a kill does. */
    _exit(write_all(fd, &found, sizeof found) ? 0 : EXIT_COULD_NOT_RUN);
}

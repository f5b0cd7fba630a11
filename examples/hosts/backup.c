/*
 * Records of transactions, and what a replay makes of them.
 */
#include "backup.h"

#include <string.h>

const uint8_t backup_channel[32] = "the database, as one channel";

/* There is no manager beside the database: none comes with a commit. Each commit is waited for, so
 * that nobody needs completions. The few rows here would ask for a snapshot at every few records, so
 * that bytes do not count; a real database is larger. */
const lnkeep_monitors_options backup_options = {
    .size = sizeof(lnkeep_monitors_options),
    .flags = LNKEEP_MONITORS_MANAGER_OPTIONAL | LNKEEP_MONITORS_WITHOUT_COMPLETIONS |
             LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH,
    .snapshot_every_updates = 400,
};

void rows_apply(struct rows *rows, const struct batch *batch)
{
    for (size_t place = 0; place < batch->len; place++) {
        const struct statement *one = &batch->statements[place];
        uint64_t *value = &rows->values[one->row];
        *value = one->adds != 0 ? *value + one->value : one->value;
    }
    rows->data_version = batch->data_version;
}

void rows_encode(const struct rows *rows, uint8_t bytes[ROWS_BYTES])
{
    size_t at = put_u64(bytes, 0, rows->data_version);
    for (size_t row = 0; row < ROWS; row++) {
        at = put_u64(bytes, at, rows->values[row]);
    }
}

bool rows_decode(struct rows *rows, const uint8_t *bytes, size_t len)
{
    if (len != ROWS_BYTES) {
        return false;
    }
    rows->data_version = (uint32_t)get_u64(bytes);
    for (size_t row = 0; row < ROWS; row++) {
        rows->values[row] = get_u64(bytes + 8 * (1 + row));
    }
    return true;
}

size_t batch_encode(const struct batch *batch, uint8_t bytes[BATCH_BYTES_MAX])
{
    size_t at = put_u64(bytes, 0, batch->data_version);
    at = put_u64(bytes, at, batch->len);
    for (size_t place = 0; place < batch->len; place++) {
        at = put_u64(bytes, at, batch->statements[place].row);
        at = put_u64(bytes, at, batch->statements[place].adds);
        at = put_u64(bytes, at, batch->statements[place].value);
    }
    return at;
}

static bool batch_decode(struct batch *batch, lnkeep_bytes bytes)
{
    if (bytes.len < 16) {
        return false;
    }
    *batch = (struct batch){.data_version = (uint32_t)get_u64(bytes.ptr)};
    batch->len = (size_t)get_u64(bytes.ptr + 8);
    if (batch->len > STATEMENTS_MAX || bytes.len != 16 + 24 * batch->len) {
        return false;
    }
    for (size_t place = 0; place < batch->len; place++) {
        const uint8_t *from = bytes.ptr + 16 + 24 * place;
        batch->statements[place] =
            (struct statement){get_u64(from), get_u64(from + 8), get_u64(from + 16)};
        if (batch->statements[place].row >= ROWS) {
            return false;
        }
    }
    return true;
}

/* One record after the others. `last` is the latest one, which the next may replace: it is not in
 * `before` yet. */
static bool follow(struct backup *backup, struct batch *last, bool *has_last, bool first_wins,
                   const struct batch *next)
{
    if (*has_last && next->data_version == last->data_version) {
        backup->replaced++;
        if (!first_wins) {
            *last = *next;
        }
        return true;
    }
    if (*has_last) {
        rows_apply(&backup->before, last);
    }
    *last = *next;
    *has_last = true;
    return next->data_version == (uint32_t)(backup->before.data_version + 1);
}

static void replay(const lnkeep_monitor *monitor, bool first_wins, struct backup *backup)
{
    struct batch last = {0}, next = {0};
    bool has_last = false;
    backup->consistent = monitor->channel.damage == 0 &&
                         rows_decode(&backup->before, monitor->snapshot.ptr, monitor->snapshot.len);
    const uint8_t *update = (const uint8_t *)monitor->updates;
    for (size_t place = 0; place < monitor->updates_len; place++) {
        const lnkeep_monitor_update *record = (const lnkeep_monitor_update *)(const void *)update;
        backup->consistent = backup->consistent && batch_decode(&next, record->update) &&
                             follow(backup, &last, &has_last, first_wins, &next);
        update += monitor->update_stride;
    }
    backup->rows = backup->before;
    if (backup->consistent && has_last) {
        rows_apply(&backup->rows, &last);
    }
    backup->last_id = monitor->channel.latest_update_id;
}

void backup_replay(struct keep *keep, bool first_wins, struct backup *backup)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitor *monitor = NULL;
    *backup = (struct backup){.consistent = true};
    lnkeep_status status = lnkeep_monitors_load(keep->monitors, backup_channel, &monitor, &err);
    if (status == LNKEEP_UNKNOWN_CHANNEL) {
        return; /* nothing was ever committed */
    }
    must(status, &err, "load");
    backup->exists = true;
    replay(monitor, first_wins, backup);
    lnkeep_monitor_free(monitor);
}

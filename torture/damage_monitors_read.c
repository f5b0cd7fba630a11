/* Judges what monitors of a damaged store answer: no channel is missing, none is another one. */

#include "damage.h"

#include <string.h>

enum { PAGE = 16, TAKEN_MAX = 64, PAST_TIP = 100, NEW_TAG = 1000000 };

struct judging {
    const struct reading *reading;
    const struct monitors_truth *truth;
    struct parts *p;
    struct monitors_truth *now; /* goes on with what is done here */
    lnkeep_monitors_report report;
    uint32_t damage[CHANNELS_MAX]; /* as listed or loaded */
    uint32_t listed_as[CHANNELS_MAX]; /* LNKEEP_STAGE_*, 0 when it is not listed */
    uint8_t is_listed_short[CHANNELS_MAX]; /* archived, with fewer bytes of updates than it has */
};

/* An archived channel takes nothing, so nothing mends it, unless the row that says so is lost. */
static int is_to_mend(const struct judging *j, size_t number) {
    return j->damage[number] && j->truth->channels[number].stage != 0 &&
           j->listed_as[number] == LNKEEP_STAGE_ACTIVE;
}

static size_t number_of(const struct judging *j, const uint8_t id[32]) {
    size_t number = 0;
    while (number < j->truth->channels_len && memcmp(j->truth->channels[number].id, id, 32) != 0) {
        number++;
    }
    return number;
}

static void judge_listed(struct judging *j, const lnkeep_channel *listed, uint32_t stage) {
    size_t number = number_of(j, listed->channel_id);
    if (listed->damage) report_damage(j->reading);
    if (number == j->truth->channels_len || j->truth->channels[number].stage == 0) {
        /* A row whose key was hit is the row of another channel, which nobody made. */
        if (!listed->damage) found(j->reading, FOUND_WRONG, "a channel that is none is listed");
        return;
    }
    const struct known_channel *known = &j->truth->channels[number];
    j->listed_as[number] = stage;
    j->damage[number] = listed->damage;
    if (listed->damage) return;
    lnkeep_channel facts = known->facts;
    /* An archived channel is looked at when it is loaded: the list counts what can be read. */
    if (stage == LNKEEP_STAGE_ARCHIVED && listed->update_bytes < facts.update_bytes) {
        j->is_listed_short[number] = 1;
        facts.update_bytes = listed->update_bytes;
    }
    if (stage != known->stage || memcmp(listed, &facts, sizeof *listed) != 0) {
        found(j->reading, FOUND_WRONG, "channel %zu is listed with other facts", number);
    }
}

static void judge_list(struct judging *j) {
    static const uint32_t stages[] = {LNKEEP_STAGE_ACTIVE, LNKEEP_STAGE_ARCHIVED};
    lnkeep_channel listed[PAGE];
    for (size_t i = 0; i < 2; i++) {
        uint8_t after[32];
        size_t len = PAGE;
        for (int is_first = 1; len == PAGE; is_first = 0) {
            lnkeep_status status = heard(lnkeep_monitors_list(
                j->p->monitors, stages[i], is_first ? NULL : after, listed, PAGE, &len, NULL));
            if (status != LNKEEP_DONE) {
                found(j->reading, FOUND_STATUS, "listing channels: %s", lnkeep_status_name(status));
                return;
            }
            for (size_t at = 0; at < len; at++) judge_listed(j, &listed[at], stages[i]);
            if (len > 0) memcpy(after, listed[len - 1].channel_id, sizeof after);
        }
    }
    for (size_t number = 0; number < j->truth->channels_len; number++) {
        if (j->truth->channels[number].stage == 0 || j->listed_as[number]) continue;
        found(j->reading, FOUND_LOST, "channel %zu is not listed", number);
    }
}

/*
 * Whole, or named as damaged. Then the updates that are left are its own; the snapshot is what is
 * left of it, whatever its checksums say, for people who try to save it (docs/monitors.md).
 */
static void judge_loaded(struct judging *j, size_t number, const lnkeep_monitor *monitor) {
    const struct known_channel *known = &j->truth->channels[number];
    uint32_t damage = monitor->channel.damage;
    uint64_t expected = known->base + 1;
    if (damage) {
        report_damage(j->reading);
        j->damage[number] = damage;
    } else if (monitor->stage != known->stage || monitor->updates_len != known->tip - known->base ||
               monitor->snapshot.ptr == NULL) {
        found(j->reading, FOUND_WRONG, "channel %zu: another state than the last one", number);
        return;
    }
    if (!damage && j->is_listed_short[number]) {
        found(j->reading, FOUND_WRONG, "channel %zu: the list lacks updates that are there", number);
    }
    lnkeep_bytes snapshot = monitor->snapshot;
    if (!damage && part_digest(snapshot.ptr, snapshot.len) != known->snapshot) {
        found(j->reading, FOUND_WRONG, "channel %zu: another snapshot", number);
    }
    for (size_t i = 0; i < monitor->updates_len; i++) {
        const uint8_t *at = (const uint8_t *)monitor->updates + i * monitor->update_stride;
        const lnkeep_monitor_update *one = (const void *)at;
        uint64_t id = one->update_id;
        int is_there = id > known->base && id <= known->tip;
        if ((!damage && id != expected++) || !is_there ||
            part_digest(one->update.ptr, one->update.len) != known->updates[id - known->base - 1]) {
            found(j->reading, FOUND_WRONG, "channel %zu: another update %llu", number,
                  (unsigned long long)id);
        }
    }
}

static void judge_loads(struct judging *j) {
    for (size_t number = 0; number < j->truth->channels_len; number++) {
        const struct known_channel *known = &j->truth->channels[number];
        lnkeep_monitor *monitor = NULL;
        lnkeep_status status =
            heard(lnkeep_monitors_load(j->p->monitors, known->id, &monitor, NULL));
        int is_purged = known->stage == 0;
        if (status == LNKEEP_DONE && !is_purged) {
            judge_loaded(j, number, monitor);
        } else if (status == LNKEEP_DONE && monitor->channel.damage == 0) {
            found(j->reading, FOUND_WRONG, "channel %zu was purged and is there", number);
        } else if (status == LNKEEP_UNKNOWN_CHANNEL && !is_purged) {
            found(j->reading, FOUND_LOST, "channel %zu is not known", number);
        } else if (status != LNKEEP_DONE && status != LNKEEP_UNKNOWN_CHANNEL) {
            found(j->reading, FOUND_STATUS, "loading a channel: %s", lnkeep_status_name(status));
        }
        lnkeep_monitor_free(monitor);
    }
}

/* The manager of the last commit, or one that is known not to be. */
static void judge_manager(struct judging *j) {
    lnkeep_buf *manager = NULL;
    lnkeep_status status = heard(lnkeep_monitors_load_manager(j->p->monitors, &manager, NULL));
    uint32_t flags = LNKEEP_MONITORS_MANAGER_MISSING | LNKEEP_MONITORS_MANAGER_IS_BEHIND;
    flags &= j->report.flags;
    if (flags) report_damage(j->reading);
    if (!is_done_or_told(j->reading, status, "the manager")) {
        lnkeep_buf_free(manager);
        return;
    }
    if (!manager && !flags) {
        found(j->reading, FOUND_LOST, "there is no manager");
    } else if (manager && part_digest(manager->ptr, manager->len) != j->truth->manager &&
               !(flags & LNKEEP_MONITORS_MANAGER_IS_BEHIND)) {
        found(j->reading, FOUND_WRONG, "another manager, and nothing says that it is behind");
    }
    lnkeep_buf_free(manager);
}

static void judge_output(struct judging *j, const lnkeep_output *output, size_t *next) {
    const struct monitors_truth *truth = j->truth;
    if (output->payload.len == 0) report_damage(j->reading);
    while (*next < truth->outputs_len && truth->outputs[*next].id < output->output_id) {
        found(j->reading, FOUND_LOST, "output %llu does not come back",
              (unsigned long long)truth->outputs[(*next)++].id);
    }
    const struct known_output *known = &truth->outputs[*next];
    if (*next == truth->outputs_len || known->id != output->output_id) {
        /* One whose key was hit has another number and no bytes. */
        if (output->payload.len == 0) return;
        found(j->reading, FOUND_WRONG, "output %llu was never given, or acknowledged",
              (unsigned long long)output->output_id);
        return;
    }
    (*next)++;
    if (output->payload.len == 0) return;
    if (output->tag != known->tag ||
        part_digest(output->payload.ptr, output->payload.len) != known->payload) {
        found(j->reading, FOUND_WRONG, "output %llu is another one",
              (unsigned long long)output->output_id);
    }
}

static void judge_outputs(struct judging *j) {
    size_t next = 0, taken = 1;
    while (taken > 0) {
        lnkeep_outputs *outputs = NULL;
        lnkeep_status status =
            heard(lnkeep_monitors_take_outputs(j->p->monitors, TAKEN_MAX, &outputs, NULL));
        if (status != LNKEEP_DONE) {
            found(j->reading, FOUND_STATUS, "outputs: %s", lnkeep_status_name(status));
            return;
        }
        taken = outputs->outputs_len;
        for (size_t i = 0; i < taken; i++) {
            const uint8_t *at = (const uint8_t *)outputs->outputs + i * outputs->stride;
            judge_output(j, (const void *)at, &next);
        }
        lnkeep_outputs_free(outputs);
    }
    if (next < j->truth->outputs_len) {
        found(j->reading, FOUND_LOST, "%zu outputs do not come back",
              j->truth->outputs_len - next);
    }
}

static void expect(struct judging *j, size_t number, lnkeep_status given, lnkeep_status wanted,
                   const char *what) {
    given = heard(given);
    if (given == wanted) return;
    enum finding kind = given == LNKEEP_DONE ? FOUND_GRANTED_TWICE : FOUND_WRONG;
    found(j->reading, kind, "channel %zu, %s: %s, not %s", number, what, lnkeep_status_name(given),
          lnkeep_status_name(wanted));
}

/* What the session says to a replay, to another history, to a channel that is opened once more. */
static void judge_repeats(struct judging *j) {
    for (size_t number = 0; number < j->truth->channels_len; number++) {
        const struct known_channel *known = &j->truth->channels[number];
        lnkeep_bytes other = {(const uint8_t *)"other", 5};
        lnkeep_monitors monitors = j->p->monitors;
        lnkeep_status again = lnkeep_monitors_queue_new(monitors, known->id, known->tip, other,
                                                        NULL, 0, NULL, NULL);
        /* The row of a purged channel is all that is left of it: its damage is told, no more. */
        if (known->stage != 0 || again != LNKEEP_DONE || j->report.damaged == 0) {
            expect(j, number, again, LNKEEP_DUPLICATE_CHANNEL, "opened once more");
        }
        if (known->stage != LNKEEP_STAGE_ACTIVE) continue;
        uint64_t after = known->tip + (j->damage[number] ? 1 : 2);
        lnkeep_status next = lnkeep_monitors_queue_update(monitors, known->id, after, other, 0,
                                                          NULL, NULL);
        expect(j, number, next, j->damage[number] ? LNKEEP_CHANNEL_DAMAGED : LNKEEP_UPDATE_GAP,
               "an update after the tip");
        if (j->damage[number] || known->tip == known->base) continue;
        expect(j, number,
               lnkeep_monitors_queue_update(monitors, known->id, known->tip, other, 0, NULL, NULL),
               LNKEEP_UPDATE_CONFLICT, "other bytes for its tip");
        expect(j, number,
               lnkeep_monitors_queue_update(monitors, known->id, known->tip,
                                            monitors_update(number, known->tip), 0, NULL, NULL),
               LNKEEP_ALREADY, "its tip once more");
    }
}

/* A snapshot past the tip mends a channel; every other one takes an update. */
static int queue_mending(struct judging *j) {
    struct known_channel *channels = j->now->channels;
    for (size_t number = 0; number < j->truth->channels_len; number++) {
        struct known_channel *channel = &channels[number];
        lnkeep_status status = LNKEEP_DONE;
        if (is_to_mend(j, number)) {
            channel->stage = LNKEEP_STAGE_ACTIVE;
            channel->base = channel->tip += PAST_TIP;
            lnkeep_bytes bytes = monitors_snapshot(number, channel->tip);
            status = lnkeep_monitors_queue_snapshot(j->p->monitors, channel->id, channel->tip,
                                                    bytes, NULL, 0, NULL, NULL);
        } else if (channel->stage == LNKEEP_STAGE_ACTIVE) {
            channel->tip++;
            lnkeep_bytes bytes = monitors_update(number, channel->tip);
            status = lnkeep_monitors_queue_update(j->p->monitors, channel->id, channel->tip, bytes,
                                                  0, NULL, NULL);
        }
        status = heard(status);
        if (status == LNKEEP_DONE) continue;
        found(j->reading, FOUND_STATUS, "channel %zu does not go on: %s", number,
              lnkeep_status_name(status));
        return 0;
    }
    lnkeep_status status =
        heard(lnkeep_monitors_queue_output(j->p->monitors, LNKEEP_OUTPUT_DURABLE, NEW_TAG,
                                           monitors_payload(NEW_TAG), NULL, NULL));
    return is_done(j->reading, status, "an output");
}

static void judge_mended(struct judging *j) {
    const struct known_channel *channels = j->now->channels;
    for (size_t number = 0; number < j->truth->channels_len; number++) {
        const struct known_channel *channel = &channels[number];
        if (!is_to_mend(j, number)) continue;
        lnkeep_monitor *monitor = NULL;
        lnkeep_bytes wanted = monitors_snapshot(number, channel->tip);
        lnkeep_status status =
            heard(lnkeep_monitors_load(j->p->monitors, channel->id, &monitor, NULL));
        int is_mended = status == LNKEEP_DONE && monitor->channel.damage == 0 &&
                        monitor->updates_len == 0 && monitor->snapshot.len == wanted.len &&
                        memcmp(monitor->snapshot.ptr, wanted.ptr, wanted.len) == 0;
        if (!is_mended) found(j->reading, FOUND_WRONG, "channel %zu: no snapshot mends it", number);
        else j->reading->verdict->mended++;
        lnkeep_monitor_free(monitor);
    }
}

static void judge_new_output(struct judging *j) {
    lnkeep_outputs *outputs = NULL;
    lnkeep_status status =
        heard(lnkeep_monitors_take_outputs(j->p->monitors, 1, &outputs, NULL));
    if (!is_done(j->reading, status, "taking outputs")) return;
    const lnkeep_output *output = outputs->outputs;
    if (outputs->outputs_len == 0 || output->tag != NEW_TAG) {
        found(j->reading, FOUND_WRONG, "the output of a commit does not come");
    } else if (output->output_id <= j->truth->made_outputs) {
        found(j->reading, FOUND_GRANTED_TWICE, "output %llu was given before",
              (unsigned long long)output->output_id);
    }
    lnkeep_outputs_free(outputs);
}

static void judge_commit(struct judging *j) {
    if (!queue_mending(j)) return;
    lnkeep_status status = heard(monitors_commit(j->p, j->now, j->truth->managers + 1));
    if (!is_done(j->reading, status, "a commit of monitors")) return;
    judge_mended(j);
    judge_new_output(j);
}

void monitors_judge(const struct reading *reading, struct parts *p) {
    static struct monitors_truth now;
    struct judging j = {.reading = reading, .truth = &reading->truth->parts.monitors, .p = p};
    now = *j.truth;
    j.now = &now;
    j.report = (lnkeep_monitors_report)LNKEEP_MONITORS_REPORT_INIT;
    lnkeep_status status =
        heard(lnkeep_monitors_open(p->store, NULL, &p->monitors, &j.report, NULL));
    if (!is_done(reading, status, "the open of monitors")) return;
    if (is_restored(reading)) {
        /* Everything fits together and is old, which has to be told. */
        if (!(j.report.flags & LNKEEP_MONITORS_MAY_BE_STALE)) {
            found(reading, FOUND_WRONG, "old channels that nothing calls stale");
        }
        return;
    }
    if (j.report.damaged) report_damage(reading);
    judge_list(&j);
    judge_loads(&j);
    judge_manager(&j);
    judge_outputs(&j);
    judge_repeats(&j);
    judge_commit(&j);
}

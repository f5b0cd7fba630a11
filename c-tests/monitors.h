/*
 * What the tests of monitors share: a store with its monitors, channels by letter, and checks that every
 * answer must pass: a refusal changes nothing and says what it is about, a commit does what it says.
 */

#ifndef LNKEEP_TEST_MONITORS_H
#define LNKEEP_TEST_MONITORS_H

#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lnkeep_store store;
static lnkeep_monitors monitors;
static const char *directory;
/* Of the last open, commit, call. */
static lnkeep_monitors_report report;
static lnkeep_monitors_committed committed;
static lnkeep_error err = LNKEEP_ERROR_INIT;
/* The last ticket given, and where the session stood after the last call that changed it. */
static uint64_t last_ticket;
static lnkeep_monitors_state known;

/* Where no refusal may write. */
#define UNTOUCHED UINT64_C(0x7777777777777777)

/* The id of a channel is one letter 32 times, or a number at its end. */
typedef struct channel {
    uint8_t id[32];
} channel;

static inline channel channel_of(char letter) {
    channel made;
    memset(made.id, letter, sizeof made.id);
    return made;
}

static inline channel numbered(uint32_t number) {
    channel made = channel_of(0);
    for (int i = 0; i < 4; i++) made.id[28 + i] = (uint8_t)(number >> (24 - 8 * i));
    return made;
}

static inline int is_channel(const uint8_t *id, char letter) {
    return memcmp(id, channel_of(letter).id, 32) == 0;
}

static inline int is_zero(const void *bytes, size_t len) {
    unsigned any = 0;
    for (size_t i = 0; i < len; i++) any |= ((const uint8_t *)bytes)[i];
    return any == 0;
}

static inline int is_same_bytes(lnkeep_bytes one, lnkeep_bytes other) {
    return one.len == other.len && (one.len == 0 || memcmp(one.ptr, other.ptr, one.len) == 0);
}

static inline int is_text(lnkeep_bytes bytes, const char *text) { return is_same_bytes(bytes, h_text(text)); }

/* Bytes of a pattern that no other length or seed gives, so that a chunk in a wrong place is seen. */
static inline uint8_t *pattern(size_t len, uint32_t seed) {
    uint8_t *bytes = (uint8_t *)malloc(len + 1);
    uint32_t state = seed * 2654435761u + (uint32_t)len;
    for (size_t i = 0; bytes && i < len; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
    return bytes;
}

static inline lnkeep_monitors_state state_of(lnkeep_monitors of) {
    lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    CHECK_DONE(lnkeep_monitors_read_state(of, &state, NULL));
    CHECK_EQUAL(state.flags & ~UINT32_C(3), 0);
    if (!(state.flags & LNKEEP_MONITORS_HAS_GENERATION)) CHECK_EQUAL(state.manager_generation, 0);
    if (!(state.flags & LNKEEP_MONITORS_HAS_RESCAN_HEIGHT)) CHECK_EQUAL(state.rescan_height, 0);
    return state;
}

static inline lnkeep_monitors_state state_now(void) { return state_of(monitors); }

/* What the header says of every lnkeep_error. */
static inline int check_err(lnkeep_status status) {
    int held = CHECK_EQUAL(err.size, sizeof err);
    held &= CHECK_STATUS(err.status, status < 0 ? status : 0);
    held &= CHECK_EQUAL(err.message[0] != 0, status < 0);
    held &= CHECK(memchr(err.message, 0, sizeof err.message) != NULL);
    held &= CHECK_EQUAL(err.present & ~UINT32_C(3), 0);
    held &= CHECK_EQUAL(err.reserved, 0);
    if (!(err.present & LNKEEP_ERROR_HAS_VALUE)) held &= CHECK_EQUAL(err.value, 0);
    if (!(err.present & LNKEEP_ERROR_HAS_CHANNEL)) held &= CHECK(is_zero(err.channel_id, 32));
    if (status >= 0) held &= CHECK_EQUAL(err.present, 0);
    return held;
}

/* Whether a call was refused with this status, and named this channel and number; 0 and NO_VALUE for none. */
#define NO_VALUE UINT64_MAX

static inline int refused(lnkeep_status status, lnkeep_status wanted, char letter, uint64_t value,
                          const char *file, int line, const char *what) {
    int names = (err.present & LNKEEP_ERROR_HAS_CHANNEL) != 0;
    int counts = (err.present & LNKEEP_ERROR_HAS_VALUE) != 0;
    int held = h_check_status(status, wanted, file, line, what);
    held &= h_check(names == (letter != 0), file, line, letter ? "names a channel" : "names no channel");
    if (names && letter) held &= h_check(is_channel(err.channel_id, letter), file, line, "names the channel");
    held &= h_check(counts == (value != NO_VALUE), file, line, counts ? "has no number" : "has a number");
    if (counts) held &= h_check_equal(err.value, value, file, line, "the number of the refusal");
    return held;
}

#define CHECK_REFUSED(call, wanted, letter, value) \
    refused(call, wanted, letter, value, __FILE__, __LINE__, #call)

/* What was not done left everything as it was. */
static inline void check_unchanged(void) {
    lnkeep_monitors_state now = state_now();
    CHECK(memcmp(&now, &known, sizeof now) == 0);
}

/* What each call on the queue must keep. */
static inline lnkeep_status queued(lnkeep_status status, uint64_t ticket) {
    check_err(status);
    if (status != LNKEEP_DONE) {
        CHECK_EQUAL(ticket, UNTOUCHED);
        if (status != LNKEEP_CLOSED && status != LNKEEP_BAD_HANDLE && status != LNKEEP_POISONED) {
            check_unchanged();
        }
        return status;
    }
    int is_durable = 7;
    lnkeep_monitors_state now = state_now();
    CHECK(ticket > last_ticket);
    CHECK_EQUAL(now.pending_operations, known.pending_operations + 1);
    CHECK_EQUAL(now.commit_sequence, known.commit_sequence);
    CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, ticket, &is_durable, NULL));
    CHECK_EQUAL(is_durable, 0);
    known = now;
    last_ticket = ticket;
    return status;
}

static inline lnkeep_block block_of(uint32_t height) {
    lnkeep_block block;
    memset(&block, 0, sizeof block);
    memset(block.hash, (int)(height % 251), sizeof block.hash);
    block.height = height;
    return block;
}

static inline lnkeep_status new_with(char letter, uint64_t update_id, lnkeep_bytes snapshot,
                                     const lnkeep_block *block, uint32_t flags) {
    uint64_t ticket = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_queue_new(monitors, channel_of(letter).id, update_id, snapshot,
                                                     block, flags, &ticket, &err);
    return queued(status, ticket);
}

static inline lnkeep_status new_channel(char letter, uint64_t update_id, const char *snapshot) {
    return new_with(letter, update_id, h_text(snapshot), NULL, 0);
}

static inline lnkeep_status update_with(char letter, uint64_t update_id, lnkeep_bytes bytes, uint32_t flags) {
    uint64_t ticket = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_queue_update(monitors, channel_of(letter).id, update_id, bytes,
                                                        flags, &ticket, &err);
    return queued(status, ticket);
}

static inline lnkeep_status update(char letter, uint64_t update_id, const char *bytes) {
    return update_with(letter, update_id, h_text(bytes), 0);
}

static inline lnkeep_status snapshot_with(char letter, uint64_t update_id, lnkeep_bytes bytes,
                                          const lnkeep_block *block, uint32_t flags) {
    uint64_t ticket = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_queue_snapshot(monitors, channel_of(letter).id, update_id, bytes,
                                                          block, flags, &ticket, &err);
    return queued(status, ticket);
}

static inline lnkeep_status snapshot(char letter, uint64_t update_id, const char *bytes) {
    return snapshot_with(letter, update_id, h_text(bytes), NULL, 0);
}

static inline lnkeep_status archive(char letter) {
    uint64_t ticket = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_queue_archive(monitors, channel_of(letter).id, &ticket, &err);
    return queued(status, ticket);
}

static inline lnkeep_status output_with(uint32_t output_class, uint64_t tag, lnkeep_bytes payload) {
    uint64_t ticket = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_queue_output(monitors, output_class, tag, payload, &ticket, &err);
    return queued(status, ticket);
}

static inline lnkeep_status message(uint64_t tag, const char *payload) {
    return output_with(LNKEEP_OUTPUT_VOLATILE, tag, h_text(payload));
}

static inline lnkeep_status event(uint64_t tag, const char *payload) {
    return output_with(LNKEEP_OUTPUT_DURABLE, tag, h_text(payload));
}

static inline lnkeep_capture capture(void) {
    lnkeep_capture taken;
    memset(&taken, 0, sizeof taken);
    CHECK_DONE(lnkeep_monitors_capture(monitors, &taken, &err));
    CHECK_EQUAL(taken.upto_ticket, last_ticket);
    return taken;
}

static inline lnkeep_monitors_commit commit_of(lnkeep_capture taken, const char *manager) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    commit.capture = taken;
    if (manager) {
        commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
        commit.manager = h_text(manager);
    }
    return commit;
}

/* A commit of the external manager's generation. */
static inline lnkeep_monitors_commit generation_of(lnkeep_capture taken, uint64_t generation) {
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    commit.capture = taken;
    commit.flags = LNKEEP_COMMIT_EXTERNAL | LNKEEP_COMMIT_HAS_GENERATION;
    commit.manager_generation = generation;
    return commit;
}

/* What each commit must keep: a refusal changes nothing, a commit does what it says. */
static inline lnkeep_status commit_with(const lnkeep_monitors_commit *commit) {
    static const lnkeep_monitors_committed fresh = LNKEEP_MONITORS_COMMITTED_INIT;
    committed = fresh;
    committed.applied = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_commit_captured(monitors, commit, &committed, &err);
    check_err(status);
    CHECK_EQUAL(committed.size, sizeof committed);
    if (status != LNKEEP_DONE) {
        CHECK_EQUAL(committed.applied, UNTOUCHED);
        if (lnkeep_status_class(status) <= LNKEEP_CLASS_RETRY) check_unchanged();
        return status;
    }
    lnkeep_monitors_state now = state_now();
    CHECK_EQUAL(committed.commit_sequence, known.commit_sequence + 1);
    CHECK_EQUAL(now.commit_sequence, committed.commit_sequence);
    CHECK_EQUAL(now.pending_operations, known.pending_operations - committed.applied);
    known = now;
    int is_durable = 7;
    if (commit->capture.upto_ticket > 0) {
        uint64_t upto = commit->capture.upto_ticket;
        CHECK_DONE(lnkeep_monitors_ticket_is_durable(monitors, upto, &is_durable, NULL));
        CHECK_EQUAL(is_durable, 1);
    }
    return status;
}

/* Makes everything queued durable, with a manager. */
static inline lnkeep_status commit_all(const char *manager) {
    lnkeep_monitors_commit commit = commit_of(capture(), manager);
    return commit_with(&commit);
}

static inline lnkeep_channel_tip tip_of(char letter, uint64_t update_id) {
    lnkeep_channel_tip tip;
    memcpy(tip.channel_id, channel_of(letter).id, sizeof tip.channel_id);
    tip.update_id = update_id;
    return tip;
}

static inline lnkeep_status open_monitors(const lnkeep_monitors_options *options) {
    static const lnkeep_monitors_report fresh = LNKEEP_MONITORS_REPORT_INIT;
    report = fresh;
    monitors.bits = UNTOUCHED;
    lnkeep_status status = lnkeep_monitors_open(store, options, &monitors, &report, &err);
    check_err(status);
    if (status != LNKEEP_DONE) {
        CHECK_EQUAL(monitors.bits, 0);
        return status;
    }
    CHECK_EQUAL(lnkeep_monitors_is_open(monitors), 1);
    CHECK_EQUAL(report.flags & ~UINT32_C(7), 0);
    CHECK(report.last_close >= LNKEEP_LAST_CLOSE_NEW && report.last_close <= LNKEEP_LAST_CLOSE_UNCLEAN);
    known = state_now();
    last_ticket = 0;
    return status;
}

static inline void open_with(const lnkeep_monitors_options *options) {
    store = h_open(directory);
    lnkeep_status status = open_monitors(options);
    if (!CHECK_DONE(status)) fprintf(stderr, "%s\n", err.message);
}

static inline void begin_with(const lnkeep_monitors_options *options) {
    directory = h_directory();
    open_with(options);
    CHECK_EQUAL(report.last_close, LNKEEP_LAST_CLOSE_NEW);
    CHECK_EQUAL(report.commit_sequence | report.outputs | report.damaged | report.flags, 0);
}

static inline void begin(void) { begin_with(NULL); }

static inline lnkeep_status close_monitors(uint32_t flags) {
    lnkeep_monitors before = monitors;
    lnkeep_status status = lnkeep_monitors_close(&monitors, flags, &err);
    check_err(status);
    CHECK_EQUAL(monitors.bits, status == LNKEEP_DONE ? 0 : before.bits);
    CHECK_EQUAL(lnkeep_monitors_is_open(before), status != LNKEEP_DONE && status != LNKEEP_BAD_HANDLE);
    return status;
}

/* What is queued is dropped. */
static inline void close_all(void) {
    CHECK_DONE(close_monitors(LNKEEP_MONITORS_DISCARD));
    h_close(&store);
}

/* The closed store is in order, whatever the test did. */
static inline void check_store(void) {
    lnkeep_check_report *found = h_check_report(directory);
    if (!found) return;
    if (!CHECK_EQUAL(found->findings_len, 0)) {
        fprintf(stderr, "%s: %s\n", found->findings->table, found->findings->fault);
    }
    lnkeep_check_report_free(found);
}

static inline void end(void) {
    close_all();
    check_store();
}

static inline void reopen_with(const lnkeep_monitors_options *options) {
    close_all();
    check_store();
    open_with(options);
}

static inline void reopen(void) { reopen_with(NULL); }

static inline const lnkeep_monitor_update *update_at(const lnkeep_monitor *monitor, size_t index) {
    const char *at = (const char *)monitor->updates + index * monitor->update_stride;
    return (const lnkeep_monitor_update *)(const void *)at;
}

static inline const lnkeep_output *output_at(const lnkeep_outputs *outputs, size_t index) {
    const char *at = (const char *)outputs->outputs + index * outputs->stride;
    return (const lnkeep_output *)(const void *)at;
}

/* What the header says of every monitor; of one without damage also what follows from its facts. */
static inline void check_monitor(const lnkeep_monitor *monitor) {
    uint64_t bytes = 0;
    CHECK_EQUAL(monitor->size, sizeof *monitor);
    CHECK(monitor->update_stride >= sizeof(lnkeep_monitor_update) && monitor->update_stride % 8 == 0);
    CHECK_EQUAL(monitor->reserved, 0);
    CHECK(monitor->stage == LNKEEP_STAGE_ACTIVE || monitor->stage == LNKEEP_STAGE_ARCHIVED);
    CHECK_EQUAL(monitor->updates == NULL, monitor->updates_len == 0);
    CHECK_EQUAL(monitor->snapshot.ptr == NULL, monitor->snapshot.len == 0);
    for (size_t i = 0; i < monitor->updates_len; i++) bytes += update_at(monitor, i)->update.len;
    if (monitor->channel.damage) return;
    for (size_t i = 0; i < monitor->updates_len; i++) {
        CHECK_EQUAL(update_at(monitor, i)->update_id, monitor->channel.snapshot_update_id + 1 + i);
    }
    CHECK_EQUAL(monitor->channel.latest_update_id,
                monitor->channel.snapshot_update_id + monitor->updates_len);
    CHECK_EQUAL(monitor->channel.snapshot_bytes, monitor->snapshot.len);
    CHECK_EQUAL(monitor->channel.update_bytes, bytes);
}

/* The durable channel, NULL after a refusal that nobody expected. Freed by the caller. */
static inline lnkeep_monitor *load(char letter) {
    lnkeep_monitor *monitor = NULL;
    if (!CHECK_DONE(lnkeep_monitors_load(monitors, channel_of(letter).id, &monitor, &err))) return NULL;
    check_monitor(monitor);
    CHECK(is_channel(monitor->channel.channel_id, letter));
    return monitor;
}

/*
 * A durable channel is this snapshot at this id, with these updates in order: "b,c" for two, "" for none.
 */
static inline int check_channel(char letter, uint64_t snapshot_id, const char *snapshot,
                                const char *updates) {
    char found[512] = "";
    lnkeep_monitor *monitor = load(letter);
    if (!monitor) return 0;
    for (size_t i = 0; i < monitor->updates_len; i++) {
        lnkeep_bytes bytes = update_at(monitor, i)->update;
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%.*s", i ? "," : "", (int)bytes.len,
                 (const char *)bytes.ptr);
    }
    int held = CHECK(is_text(monitor->snapshot, snapshot));
    held &= CHECK_EQUAL(monitor->channel.snapshot_update_id, snapshot_id);
    held &= CHECK(strcmp(found, updates) == 0);
    held &= CHECK_EQUAL(monitor->channel.damage, 0);
    if (!held) fprintf(stderr, "channel %c at %d with %s\n", letter, (int)snapshot_id, found);
    lnkeep_monitor_free(monitor);
    return held;
}

/* Nothing of the channel is durable. */
static inline int is_absent(char letter) {
    lnkeep_monitor *untouched = (lnkeep_monitor *)(void *)&store, *monitor = untouched;
    lnkeep_status status = lnkeep_monitors_load(monitors, channel_of(letter).id, &monitor, &err);
    int held = CHECK_STATUS(status, LNKEEP_UNKNOWN_CHANNEL) && CHECK(monitor == untouched);
    return held && check_err(status) && CHECK_REFUSED(status, LNKEEP_UNKNOWN_CHANNEL, letter, NO_VALUE);
}

/* The durable manager is this text; NULL for none. */
static inline int is_manager(const char *text) {
    lnkeep_buf *manager = (lnkeep_buf *)(void *)&store;
    if (!CHECK_DONE(lnkeep_monitors_load_manager(monitors, &manager, &err))) return 0;
    check_err(LNKEEP_DONE);
    if (!text) return CHECK(manager == NULL);
    if (!CHECK(manager != NULL)) return 0;
    int held = CHECK_EQUAL(manager->ptr == NULL, manager->len == 0);
    held &= CHECK(is_text(h_bytes(manager->ptr, manager->len), text));
    lnkeep_buf_free(manager);
    return held;
}

/* Takes at most so many outputs; freed by the caller. */
static inline lnkeep_outputs *take_outputs(size_t max) {
    lnkeep_outputs *outputs = NULL;
    if (!CHECK_DONE(lnkeep_monitors_take_outputs(monitors, max, &outputs, &err))) return NULL;
    check_err(LNKEEP_DONE);
    if (!CHECK(outputs != NULL)) return NULL;
    CHECK_EQUAL(outputs->size, sizeof *outputs);
    CHECK(outputs->stride >= sizeof(lnkeep_output) && outputs->stride % 8 == 0);
    CHECK_EQUAL(outputs->outputs == NULL, outputs->outputs_len == 0);
    CHECK(outputs->outputs_len <= max);
    return outputs;
}

/* Takes all of them: "1:7:text 0:8:other" for number, tag and bytes of each. */
static inline int check_outputs(const char *wanted) {
    char found[1024] = "";
    lnkeep_outputs *outputs = take_outputs(1024);
    for (size_t i = 0; outputs && i < outputs->outputs_len; i++) {
        const lnkeep_output *output = output_at(outputs, i);
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%d:%d:%.*s", i ? " " : "", (int)output->output_id,
                 (int)output->tag, (int)output->payload.len, (const char *)output->payload.ptr);
    }
    lnkeep_outputs_free(outputs);
    int held = CHECK(strcmp(found, wanted) == 0);
    if (!held) fprintf(stderr, "outputs: %s, not %s\n", found, wanted);
    return held;
}

/* Takes all of them: "na1 ua2 sa2 aa0" for kind, letter and id of each. */
static inline int check_completions(const char *wanted) {
    static const char kinds[] = "?nusa";
    static lnkeep_monitor_completion taken[256];
    char found[1024] = "";
    size_t len = 77;
    CHECK_DONE(lnkeep_monitors_completions(monitors, taken, H_COUNT(taken), &len, &err));
    for (size_t i = 0; i < len; i++) {
        size_t used = strlen(found);
        CHECK_EQUAL(taken[i].reserved, 0);
        if (!CHECK(taken[i].kind >= 1 && taken[i].kind <= 4)) break;
        snprintf(found + used, sizeof found - used, "%s%c%c%d", i ? " " : "", kinds[taken[i].kind],
                 taken[i].channel_id[0], (int)taken[i].update_id);
    }
    int held = CHECK(strcmp(found, wanted) == 0);
    if (!held) fprintf(stderr, "completions: %s, not %s\n", found, wanted);
    return held;
}

#endif

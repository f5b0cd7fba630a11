/* What a host does with its monitors: it queues, commits with its manager, and lets outputs go. */

#include "life.h"

#include "common.h"

#include <string.h>

enum { TAKEN_MAX = 64 };

/* What leaves tells the peer how far the channel has got. */
static void tell_peer(struct session *session, uint64_t tag) {
    volatile uint64_t *known = &session->life->ledger->peer_knows[tag_channel(tag)];
    if (tag_tip(tag) > *known) *known = tag_tip(tag);
}

static int is_same(lnkeep_bytes one, lnkeep_bytes two) {
    return one.len == two.len && memcmp(one.ptr, two.ptr, one.len) == 0;
}

static const lnkeep_output *output_at(const lnkeep_outputs *outputs, size_t index) {
    const void *at = (const char *)outputs->outputs + index * outputs->stride;
    return at;
}

/* Sends an output, and keeps a durable one in mind. */
static void let_go(struct session *session, const lnkeep_output *output) {
    if (!is_same(output->payload, output_bytes(output->tag))) {
        finding(FOUND_WRONG, "output %llu with tag %llx has other bytes",
                (unsigned long long)output->output_id, (unsigned long long)output->tag);
        return;
    }
    tell_peer(session, output->tag);
    if (output->output_id == 0) return;
    if (session->outputs_len == OUTPUTS_MAX) give_up("too many outputs wait");
    session->outputs[session->outputs_len++] =
        (struct monitor_output){output->output_id, output->tag, 0};
}

/* Those of earlier sessions come first, and nothing else can be there yet. */
static lnkeep_status take_earlier_outputs(struct session *session) {
    lnkeep_status status = LNKEEP_DONE;
    size_t len = 1;
    session->outputs_len = 0;
    while (status == LNKEEP_DONE && len > 0) {
        lnkeep_outputs *outputs = NULL;
        status = lnkeep_monitors_take_outputs(session->monitors, TAKEN_MAX, &outputs, NULL);
        len = status == LNKEEP_DONE ? outputs->outputs_len : 0;
        for (size_t i = 0; i < len; i++) let_go(session, output_at(outputs, i));
        lnkeep_outputs_free(outputs);
    }
    return status;
}

lnkeep_status session_open_monitors(struct session *session) {
    lnkeep_monitors_options options = LNKEEP_MONITORS_OPTIONS_INIT;
    options.flags = LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH;
    options.updates_max = CHANNEL_UPDATES_MAX;
    options.snapshot_every_updates = SNAPSHOT_EVERY_UPDATES;
    session->monitors_report = (lnkeep_monitors_report)LNKEEP_MONITORS_REPORT_INIT;
    session->number = ++session->life->ledger->sessions;
    lnkeep_status status = lnkeep_monitors_open(session->store, &options, &session->monitors,
                                                &session->monitors_report, NULL);
    return status == LNKEEP_DONE ? take_earlier_outputs(session) : status;
}

void session_close_monitors(struct session *session) {
    lnkeep_monitors_state state = LNKEEP_MONITORS_STATE_INIT;
    session->is_closed_clean = 0;
    if (session->monitors.bits == 0) return;
    lnkeep_status known = lnkeep_monitors_read_state(session->monitors, &state, NULL);
    lnkeep_status status = lnkeep_monitors_close(&session->monitors, 0, NULL);
    ledger_note(session->life->ledger, status);
    int is_due = known == LNKEEP_DONE && state.pending_operations != 0;
    session->is_closed_clean = status == LNKEEP_DONE;
    if (is_due && status == LNKEEP_DONE) {
        finding(FOUND_STATUS, "monitors closed with %llu entries queued",
                (unsigned long long)state.pending_operations);
    }
    if (status == LNKEEP_DONE) return;
    int is_told = status == LNKEEP_PENDING_OPS ? is_due : session->life->policy != POLICY_NONE;
    if (!is_told) finding(FOUND_STATUS, "closing monitors: %s", lnkeep_status_name(status));
    status = lnkeep_monitors_close(&session->monitors, LNKEEP_MONITORS_DISCARD, NULL);
    if (status != LNKEEP_DONE) {
        finding(FOUND_STATUS, "discarding monitors: %s", lnkeep_status_name(status));
    }
}

lnkeep_status call_monitors_op(struct session *session, const struct monitors *monitors,
                               const struct op *op) {
    struct monitor_entry entry;
    uint8_t id[32];
    channel_id(op->payment, id);
    monitors_look(monitors, op, &entry);
    lnkeep_monitors of = session->monitors;
    lnkeep_block block = snapshot_block(entry.update_id);
    lnkeep_bytes bytes;
    switch ((enum monitors_op)op->kind) {
    case MONITORS_NEW:
        bytes = monitor_bytes(op->kind, op->payment, entry.update_id, entry.seed);
        return lnkeep_monitors_queue_new(of, id, entry.update_id, bytes, &block, 0, NULL, NULL);
    case MONITORS_UPDATE:
    case MONITORS_AGAIN:
    case MONITORS_OTHER:
    case MONITORS_GAP:
        bytes = monitor_bytes(MONITORS_UPDATE, op->payment, entry.update_id, entry.seed);
        return lnkeep_monitors_queue_update(of, id, entry.update_id, bytes, 0, NULL, NULL);
    case MONITORS_SNAPSHOT:
    case MONITORS_SNAPSHOT_AHEAD:
    case MONITORS_SNAPSHOT_STALE:
        bytes = monitor_bytes(MONITORS_SNAPSHOT, op->payment, entry.update_id, entry.seed);
        return lnkeep_monitors_queue_snapshot(of, id, entry.update_id, bytes, &block, 0, NULL,
                                              NULL);
    case MONITORS_ARCHIVE: return lnkeep_monitors_queue_archive(of, id, NULL, NULL);
    case MONITORS_MESSAGE:
    case MONITORS_EVENT: break;
    case MONITORS_ACKNOWLEDGE: return lnkeep_monitors_acknowledge(of, entry.update_id, NULL);
    }
    uint32_t class =
        op->kind == MONITORS_EVENT ? LNKEEP_OUTPUT_DURABLE : LNKEEP_OUTPUT_VOLATILE;
    bytes = output_bytes(entry.update_id);
    if (session->life->control == CONTROL_LEAK) tell_peer(session, entry.update_id);
    return lnkeep_monitors_queue_output(of, class, entry.update_id, bytes, NULL, NULL);
}

/* What is refused for want of space is left out: the host gives it up. */
static void call_queue(struct session *session, const struct step *step,
                       struct answers *answers) {
    static struct monitors monitors;
    monitors = session->model.monitors;
    for (unsigned i = 0; i < step->ops_len; i++) {
        lnkeep_status status = call_monitors_op(session, &monitors, &step->ops[i]);
        answers->outcomes[i].status = status;
        if (lnkeep_status_class(status) < LNKEEP_CLASS_RETRY) {
            monitors_queue(&monitors, &step->ops[i]);
        }
    }
}

/* Channels that the manager knows of, and how far. */
static void add_view(const struct manager_head *head, struct commit_words *words) {
    words->commit.view = words->view;
    for (unsigned channel = 0; channel < CHANNELS; channel++) {
        if (head->known[channel] == 0) continue;
        lnkeep_channel_tip *tip = &words->view[words->commit.view_len++];
        channel_id(channel, tip->channel_id);
        tip->update_id = head->known[channel];
    }
}

lnkeep_status commit_prepare(struct session *session, const struct monitors *monitors,
                             unsigned number, int is_large, struct commit_words *words) {
    struct manager_head head;
    words->commit = (lnkeep_monitors_commit)LNKEEP_MONITORS_COMMIT_INIT;
    words->commit.flags = LNKEEP_COMMIT_HAS_MANAGER;
    manager_describe(monitors, monitors->entries_len, number, &head);
    words->commit.manager = manager_bytes(&head, is_large);
    add_view(&head, words);
    return lnkeep_monitors_capture(session->monitors, &words->commit.capture, NULL);
}

/* The manager is serialised after one more update, which stays queued. */
static lnkeep_status go_on_behind(struct session *session, struct monitors *monitors,
                                  const struct step *step, struct commit_words *words) {
    unsigned captured = monitors->entries_len;
    struct manager_head head;
    struct op spare;
    if (!spare_update(monitors, step->ops[0].seed, &spare)) return LNKEEP_DONE;
    lnkeep_status status = call_monitors_op(session, monitors, &spare);
    monitors_queue(monitors, &spare);
    manager_describe(monitors, captured, step_manager(step), &head);
    words->commit.manager = manager_bytes(&head, 0);
    words->commit.view_len = 0;
    add_view(&head, words);
    return status;
}

/* What is wrong with a commit on purpose. */
static void spoil(const struct monitors *monitors, unsigned manner, struct commit_words *words) {
    unsigned channel = channel_to_lie_about(monitors);
    lnkeep_monitors_commit *commit = &words->commit;
    int can_lie = channel < CHANNELS;
    switch ((enum commit_manner)manner) {
    case COMMIT_BLIND: commit->view_len = 0; break;
    case COMMIT_WITHOUT_MANAGER:
        commit->flags = 0;
        commit->manager = (lnkeep_bytes){0};
        break;
    case COMMIT_LOST: if (can_lie) words->view[0].update_id++; break;
    case COMMIT_TOO_OLD: if (can_lie) words->view[0].update_id--; break;
    case COMMIT_TWICE:
        if (can_lie) words->view[commit->view_len++] = words->view[0];
        break;
    case COMMIT_STRANGE:
        memset(words->view[commit->view_len].channel_id, 1, 32);
        words->view[commit->view_len++].update_id = 1;
        break;
    default: break;
    }
}

/* Acknowledged outputs go with a commit. */
void forget_acknowledged(struct session *session) {
    const struct monitors *monitors = &session->model.monitors;
    unsigned kept = 0;
    for (unsigned i = 0; i < session->outputs_len; i++) {
        int is_acked = 0;
        for (unsigned n = 0; n < monitors->outputs_len; n++) {
            is_acked |= monitors->outputs[n].id == session->outputs[i].id &&
                        monitors->outputs[n].is_acked;
        }
        if (!is_acked) session->outputs[kept++] = session->outputs[i];
    }
    session->outputs_len = kept;
}

/* Control: the channels first, with the manager that is there already; then the manager. */
static lnkeep_status commit_apart(struct session *session, struct commit_words *words) {
    lnkeep_monitors_commit first = words->commit;
    lnkeep_buf *before = NULL;
    lnkeep_status status = lnkeep_monitors_load_manager(session->monitors, &before, NULL);
    first.view_len = 0;
    if (before) first.manager = (lnkeep_bytes){before->ptr, before->len};
    if (status == LNKEEP_DONE) {
        status = lnkeep_monitors_commit_captured(session->monitors, &first, NULL, NULL);
    }
    lnkeep_buf_free(before);
    if (status != LNKEEP_DONE) return status;
    words->commit.view_len = 0;
    forget_acknowledged(session);
    status = lnkeep_monitors_capture(session->monitors, &words->commit.capture, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_monitors_commit_captured(session->monitors, &words->commit, NULL, NULL);
}

static void check_committed(const struct monitors *before, const struct monitors *after,
                            unsigned captured, const lnkeep_monitors_committed *committed) {
    uint64_t needing = 0;
    for (unsigned i = 0; i < CHANNELS; i++) {
        const struct channel *channel = &after->durable[i];
        needing += channel->stage == LNKEEP_STAGE_ACTIVE &&
                   channel->tip - channel->snapshot_id >= SNAPSHOT_EVERY_UPDATES;
    }
    if (committed->commit_sequence == before->commit_sequence + 1 &&
        committed->applied == captured && committed->need_snapshot == needing) {
        return;
    }
    finding(FOUND_WRONG, "commit %llu applied %llu, %llu want a snapshot; not %llu, %u, %llu",
            (unsigned long long)committed->commit_sequence, (unsigned long long)committed->applied,
            (unsigned long long)committed->need_snapshot,
            (unsigned long long)before->commit_sequence + 1, captured,
            (unsigned long long)needing);
}

/* A capture from before a later one's commit is good for nothing. */
static void check_stale(struct session *session, const lnkeep_monitors_commit *older) {
    lnkeep_status status = lnkeep_monitors_commit_captured(session->monitors, older, NULL, NULL);
    int is_ended = session->life->policy != POLICY_NONE &&
                   lnkeep_status_class(status) == LNKEEP_CLASS_FATAL;
    if (status == LNKEEP_STALE_CAPTURE || is_ended) return;
    finding(FOUND_WRONG, "an older capture was answered %s", lnkeep_status_name(status));
}

static lnkeep_status call_commit(struct session *session, const struct step *step,
                                 struct entry *entry) {
    static struct monitors monitors, after;
    static struct commit_words words;
    lnkeep_monitors_committed committed = LNKEEP_MONITORS_COMMITTED_INIT;
    unsigned manner = step->ops[0].kind, captured = session->model.monitors.entries_len;
    struct model *model = &session->model;
    monitors = model->monitors;
    lnkeep_status status =
        commit_prepare(session, &monitors, step_manager(step), manner == COMMIT_LARGE, &words);
    lnkeep_monitors_commit older = words.commit;
    if (status == LNKEEP_DONE && manner == COMMIT_OLDER) {
        status = lnkeep_monitors_capture(session->monitors, &words.commit.capture, NULL);
    }
    if (status == LNKEEP_DONE && manner == COMMIT_BEHIND) {
        status = go_on_behind(session, &monitors, step, &words);
    }
    if (status != LNKEEP_DONE) return status;
    spoil(&monitors, manner, &words);
    int may_split = manner < COMMIT_WITHOUT_MANAGER && manner != COMMIT_BEHIND;
    if (session->life->control == CONTROL_SPLIT && may_split) {
        return commit_apart(session, &words);
    }
    status = lnkeep_monitors_commit_captured(session->monitors, &words.commit, &committed, NULL);
    if (status != LNKEEP_DONE) return status;
    entry->made = 1;
    /* The host of this control has made more commits than its script says. */
    if (session->life->control == CONTROL_SPLIT) {
        committed.commit_sequence = model->monitors.commit_sequence + 1;
    }
    after = model->monitors;
    if (manner == COMMIT_BEHIND) after = monitors;
    monitors_commit(&after, captured, 1);
    check_committed(&model->monitors, &after, captured, &committed);
    if (manner == COMMIT_OLDER) check_stale(session, &older);
    forget_acknowledged(session);
    return status;
}

static lnkeep_status call_purge(struct session *session, const struct step *step,
                                struct entry *entry) {
    uint64_t number = 0, wanted = session->model.monitors.commit_sequence + 1;
    uint8_t id[32];
    channel_id(step->ops[0].payment, id);
    lnkeep_status status = lnkeep_monitors_purge(session->monitors, id, &number, NULL);
    if (status == LNKEEP_DONE) entry->made = 1;
    int is_apart = session->life->control == CONTROL_SPLIT;
    if (status == LNKEEP_DONE && number != wanted && !is_apart) {
        finding(FOUND_WRONG, "a purge is commit %llu, not %llu", (unsigned long long)number,
                (unsigned long long)wanted);
    }
    return status;
}

static lnkeep_status take_outputs(struct session *session) {
    const struct monitors *monitors = &session->model.monitors;
    unsigned taken = 0;
    size_t len = 1;
    while (len > 0) {
        lnkeep_outputs *outputs = NULL;
        lnkeep_status status =
            lnkeep_monitors_take_outputs(session->monitors, TAKEN_MAX, &outputs, NULL);
        if (status != LNKEEP_DONE) return status;
        len = outputs->outputs_len;
        for (size_t i = 0; i < len; i++, taken++) {
            const lnkeep_output *output = output_at(outputs, i);
            const struct monitor_output *wanted = &monitors->released[taken];
            if (taken >= monitors->released_len || output->output_id != wanted->id ||
                output->tag != wanted->tag) {
                finding(FOUND_WRONG, "output %llu with tag %llx comes in place %u",
                        (unsigned long long)output->output_id, (unsigned long long)output->tag,
                        taken);
            }
            let_go(session, output);
        }
        lnkeep_outputs_free(outputs);
    }
    if (taken != monitors->released_len) {
        finding(FOUND_LOST, "%u outputs may leave, not %u", taken, monitors->released_len);
    }
    return LNKEEP_DONE;
}

static int is_completion_of(const lnkeep_monitor_completion *given,
                            const struct monitor_entry *wanted) {
    static const uint32_t kinds[] = {
        [MONITORS_NEW] = LNKEEP_COMPLETION_NEW,
        [MONITORS_UPDATE] = LNKEEP_COMPLETION_UPDATE,
        [MONITORS_SNAPSHOT] = LNKEEP_COMPLETION_SNAPSHOT,
        [MONITORS_ARCHIVE] = LNKEEP_COMPLETION_ARCHIVE,
    };
    return given->kind == kinds[wanted->kind] && given->update_id == wanted->update_id &&
           channel_of(given->channel_id) == wanted->channel;
}

static lnkeep_status take_completions(struct session *session) {
    const struct monitors *monitors = &session->model.monitors;
    lnkeep_monitor_completion taken[RELEASED_MAX + 1];
    size_t len = 0;
    lnkeep_status status =
        lnkeep_monitors_completions(session->monitors, taken, RELEASED_MAX + 1, &len, NULL);
    if (status != LNKEEP_DONE) return status;
    int is_same_len = len == monitors->completed_len;
    for (size_t i = 0; is_same_len && i < len; i++) {
        if (!is_completion_of(&taken[i], &monitors->completed[i])) {
            finding(FOUND_WRONG, "completion %zu is of another entry", i);
        }
    }
    if (!is_same_len) finding(FOUND_LOST, "%zu entries completed, not %u", len,
                              monitors->completed_len);
    return LNKEEP_DONE;
}

static lnkeep_status call_take(struct session *session) {
    lnkeep_status status = take_completions(session);
    return status == LNKEEP_DONE ? take_outputs(session) : status;
}

void session_call_monitors(struct session *session, const struct step *step, struct entry *entry,
                           struct answers *answers) {
    lnkeep_outcome *first = &answers->outcomes[0];
    switch ((enum step_kind)step->kind) {
    case STEP_GROUP: session_group(session, step, entry, answers); break;
    case STEP_QUEUE: call_queue(session, step, answers); break;
    case STEP_COMMIT: first->status = call_commit(session, step, entry); break;
    case STEP_RACE:
        first->status = session_race(session, step, entry, &answers->left_out);
        if (first->status == LNKEEP_DONE) forget_acknowledged(session);
        break;
    case STEP_PURGE: first->status = call_purge(session, step, entry); break;
    case STEP_TAKE: first->status = call_take(session); break;
    default: break;
    }
}

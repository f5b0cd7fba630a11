/* What calls give: read to the last byte, kept for a while, freed once. */

#define _GNU_SOURCE
#include "ffi.h"

#include <stdlib.h>
#include <string.h>

/* Where everything read goes, so that no read is left out. */
static volatile uint64_t sink;

static void read_bytes(struct turn *t, const void *bytes, size_t len) {
    const volatile uint8_t *at = bytes;
    uint64_t sum = 0;
    if (len && !bytes) {
        violation(t, FOUND_WRONG, "an object has %zu bytes at NULL", len);
        return;
    }
    if (planted == PLANT_OVER_READ && *progress >= planted_after && len) len++;
    for (size_t i = 0; i < len; i++) sum += at[i];
    sink += sum;
}

static void read_view(struct turn *t, lnkeep_bytes bytes) { read_bytes(t, bytes.ptr, bytes.len); }

/* An array: NULL when it is empty, and of elements that are as long as this program knows them. */
static int check_array(struct turn *t, const void *first, size_t len, size_t stride, size_t known) {
    if (len == 0 && first) violation(t, FOUND_WRONG, "an empty array is not NULL");
    if (len && (!first || stride < known))
        violation(t, FOUND_WRONG, "an array is at NULL, or too dense");
    return len && first && stride >= known;
}

static const void *element(const void *first, size_t stride, size_t index) {
    return (const uint8_t *)first + stride * index;
}

static void read_result(struct turn *t, const lnkeep_attempt_result *result) {
    read_bytes(t, result, sizeof *result);
    read_view(t, result->message);
}

static void read_attempt(struct turn *t, const lnkeep_attempt *attempt) {
    read_bytes(t, attempt, sizeof *attempt);
    read_result(t, &attempt->result);
}

static void read_attempt_page(struct turn *t, const lnkeep_attempt_page *page) {
    read_bytes(t, page, sizeof *page);
    if (check_array(t, page->attempts, page->attempts_len, page->stride, sizeof(lnkeep_attempt))) {
        for (size_t i = 0; i < page->attempts_len; i++) {
            read_attempt(t, element(page->attempts, page->stride, i));
        }
    }
    read_bytes(t, page->unreadable, page->unreadable_len * sizeof *page->unreadable);
}

static void read_recovery(struct turn *t, const lnkeep_recovery *recovery) {
    read_bytes(t, recovery->failed, recovery->failed_len * sizeof(uint64_t));
    read_bytes(t, recovery->unresolved, recovery->unresolved_len * sizeof(uint64_t));
    read_bytes(t, recovery->unreadable, recovery->unreadable_len * sizeof(uint64_t));
}

static void read_payment(struct turn *t, const lnkeep_payment *payment) {
    read_bytes(t, payment, sizeof *payment);
    read_view(t, payment->init.idempotency_key);
    read_view(t, payment->init.payment_request);
    read_view(t, payment->init.first_hop_records);
    read_view(t, payment->init.intent_data);
    if (!check_array(t, payment->attempts, payment->attempts_len, payment->attempt_stride,
                     sizeof(lnkeep_payment_attempt))) {
        return;
    }
    for (size_t i = 0; i < payment->attempts_len; i++) {
        const lnkeep_payment_attempt *attempt =
            element(payment->attempts, payment->attempt_stride, i);
        read_bytes(t, attempt, sizeof *attempt);
        read_view(t, attempt->request.route);
        read_view(t, attempt->request.session_key);
        read_view(t, attempt->request.first_hop_records);
        read_view(t, attempt->failure.message);
        read_view(t, attempt->note);
    }
}

static void read_payment_page(struct turn *t, const lnkeep_payment_page *page) {
    read_bytes(t, page, sizeof *page);
    if (check_array(t, page->payments, page->payments_len, page->stride, sizeof(lnkeep_payment))) {
        for (size_t i = 0; i < page->payments_len; i++) {
            read_payment(t, element(page->payments, page->stride, i));
        }
    }
    read_bytes(t, page->unreadable, page->unreadable_len * sizeof *page->unreadable);
}

static void read_resume(struct turn *t, const lnkeep_resume *resume) {
    read_bytes(t, resume->keep, resume->keep_len * sizeof *resume->keep);
    read_bytes(t, resume->payments, resume->payments_len * sizeof *resume->payments);
}

static void read_stuck(struct turn *t, const lnkeep_stuck_list *list) {
    read_bytes(t, list, sizeof *list);
    read_bytes(t, list->found, list->found_len * sizeof *list->found);
}

static void read_outputs(struct turn *t, const lnkeep_outputs *outputs) {
    if (!check_array(t, outputs->outputs, outputs->outputs_len, outputs->stride,
                     sizeof(lnkeep_output))) {
        return;
    }
    for (size_t i = 0; i < outputs->outputs_len; i++) {
        const lnkeep_output *one = element(outputs->outputs, outputs->stride, i);
        read_view(t, one->payload);
        if (one->output_id) remember(&t->outputs, one->output_id);
    }
}

static void read_buf(struct turn *t, const lnkeep_buf *buf) { read_bytes(t, buf->ptr, buf->len); }

static void read_monitor(struct turn *t, const lnkeep_monitor *monitor) {
    read_bytes(t, monitor, sizeof *monitor);
    read_view(t, monitor->snapshot);
    if (!check_array(t, monitor->updates, monitor->updates_len, monitor->update_stride,
                     sizeof(lnkeep_monitor_update))) {
        return;
    }
    for (size_t i = 0; i < monitor->updates_len; i++) {
        const lnkeep_monitor_update *update = element(monitor->updates, monitor->update_stride, i);
        read_view(t, update->update);
    }
}

static void read_node_ids(struct turn *t, const lnkeep_node_ids *ids) {
    read_bytes(t, ids->ids, ids->ids_len * 33);
}

static void read_array(struct turn *t, const void *first, size_t len, size_t stride, size_t known) {
    if (check_array(t, first, len, stride, known)) read_bytes(t, first, (len - 1) * stride + known);
}

static void read_peer_page(struct turn *t, const lnkeep_peer_page *page) {
    read_array(t, page->peers, page->peers_len, page->peer_stride, sizeof *page->peers);
}

static void read_opened(struct turn *t, const lnkeep_opened *opened) {
    read_bytes(t, opened, sizeof *opened);
    read_view(t, opened->payload);
}

static void read_actions(struct turn *t, const lnkeep_backup_actions *actions) {
    read_bytes(t, actions, sizeof *actions);
    read_array(t, actions->actions, actions->actions_len, actions->action_stride,
               sizeof *actions->actions);
}

static void read_peers(struct turn *t, const lnkeep_backup_peers *peers) {
    read_array(t, peers->peers, peers->peers_len, peers->peer_stride, sizeof *peers->peers);
}

static void read_ldk(struct turn *t, const lnkeep_foreign_ldk *opened) {
    read_bytes(t, opened, sizeof *opened);
    read_array(t, opened->monitors, opened->monitors_len, opened->monitor_stride,
               sizeof *opened->monitors);
    for (size_t i = 0; i < opened->monitors_len; i++) {
        const lnkeep_foreign_monitor *one = element(opened->monitors, opened->monitor_stride, i);
        read_view(t, one->monitor);
    }
}

static void read_cln(struct turn *t, const lnkeep_foreign_cln *opened) {
    read_bytes(t, opened, sizeof *opened);
    read_array(t, opened->channels, opened->channels_len, opened->channel_stride,
               sizeof *opened->channels);
    for (size_t i = 0; i < opened->channels_len; i++) {
        const lnkeep_foreign_cln_channel *one =
            element(opened->channels, opened->channel_stride, i);
        read_view(t, one->address);
        read_view(t, one->channel_type);
        read_view(t, one->shachain);
    }
}

static void read_kmp(struct turn *t, const lnkeep_foreign_lightning_kmp *opened) {
    read_bytes(t, opened, sizeof *opened);
    read_view(t, opened->payload);
}

static void read_lnd(struct turn *t, const lnkeep_foreign_lnd *opened) {
    read_bytes(t, opened, sizeof *opened);
    read_view(t, opened->plaintext);
    read_view(t, opened->rest);
    read_array(t, opened->singles, opened->singles_len, opened->single_stride,
               sizeof *opened->singles);
    for (size_t i = 0; i < opened->singles_len; i++) {
        const lnkeep_foreign_lnd_single *one = element(opened->singles, opened->single_stride, i);
        read_view(t, one->bytes);
        if (!one->channel) continue;
        read_bytes(t, one->channel, sizeof *one->channel);
        for (size_t n = 0; n < one->channel->addresses_len; n++)
            read_view(t, one->channel->addresses[n]);
        read_view(t, one->channel->commit_tx);
        read_view(t, one->channel->commit_signature);
    }
}

static void read_shares(struct turn *t, const lnkeep_shares *shares) {
    read_array(t, shares->shares, shares->shares_len, shares->share_stride, sizeof *shares->shares);
    for (size_t i = 0; i < shares->shares_len; i++) {
        const lnkeep_stripe_share *share = element(shares->shares, shares->share_stride, i);
        read_view(t, share->bytes);
    }
}

static void read_records(struct turn *t, const lnkeep_share_records *records) {
    read_array(t, records->records, records->records_len, records->record_stride,
               sizeof *records->records);
    for (size_t i = 0; i < records->records_len; i++) {
        const lnkeep_share_record *record = element(records->records, records->record_stride, i);
        read_view(t, record->share);
    }
}

static void read_roster(struct turn *t, const lnkeep_roster *roster) {
    read_bytes(t, roster, sizeof *roster);
    read_view(t, roster->content);
    read_array(t, roster->peers, roster->peers_len, roster->peer_stride, sizeof *roster->peers);
    for (size_t i = 0; i < roster->peers_len; i++) {
        const lnkeep_roster_peer *peer = element(roster->peers, roster->peer_stride, i);
        read_view(t, peer->address);
    }
}

static void read_progress(struct turn *t, const lnkeep_recovery_progress *progress_made) {
    read_bytes(t, progress_made, sizeof *progress_made);
    read_array(t, progress_made->sets, progress_made->sets_len, progress_made->set_stride,
               sizeof *progress_made->sets);
}

static void read_recovered(struct turn *t, const lnkeep_recovered *recovered) {
    read_bytes(t, recovered, sizeof *recovered);
    read_view(t, recovered->payload);
}

static void read_recovered_htlcs(struct turn *t, const lnkeep_recovered_htlcs *found) {
    read_bytes(t, found, sizeof *found);
    read_array(t, found->htlcs, found->htlcs_len, found->htlc_stride, sizeof *found->htlcs);
    read_array(t, found->points, found->points_len, found->point_stride, sizeof *found->points);
}

static void read_snapshot(struct turn *t, const lnkeep_resources_snapshot *taken) {
    read_bytes(t, taken, sizeof *taken);
    read_array(t, taken->channels, taken->channels_len, taken->channel_stride,
               sizeof *taken->channels);
    read_array(t, taken->pending, taken->pending_len, taken->pending_stride,
               sizeof *taken->pending);
    read_array(t, taken->pairs, taken->pairs_len, taken->pair_stride, sizeof *taken->pairs);
    read_array(t, taken->marks, taken->marks_len, taken->mark_stride, sizeof *taken->marks);
}

static void read_report(struct turn *t, const lnkeep_check_report *report) {
    read_bytes(t, report, sizeof *report);
    if (!check_array(t, report->findings, report->findings_len, report->stride,
                     sizeof(lnkeep_finding))) {
        return;
    }
    for (size_t i = 0; i < report->findings_len; i++) {
        const lnkeep_finding *one = element(report->findings, report->stride, i);
        read_bytes(t, one->table, strlen(one->table) + 1);
        read_view(t, one->key);
        read_bytes(t, one->fault, strlen(one->fault) + 1);
        if (!t->is_damaged && !t->names_no_store) {
            violation(t, FOUND_WRONG, "a check found on page %llu of %s: %s",
                      (unsigned long long)one->page, one->table, one->fault);
        }
    }
}

/* Object, its type, its words in the names of functions, how it is read. */
#define ALL_OBJECTS(X)                                                                   \
    X(AN_ATTEMPT, lnkeep_attempt, attempt, read_attempt)                                 \
    X(AN_ATTEMPT_RESULT, lnkeep_attempt_result, attempt_result, read_result)             \
    X(AN_ATTEMPT_PAGE, lnkeep_attempt_page, attempt_page, read_attempt_page)             \
    X(A_RECOVERY, lnkeep_recovery, recovery, read_recovery)                              \
    X(A_PAYMENT, lnkeep_payment, payment, read_payment)                                  \
    X(A_PAYMENT_PAGE, lnkeep_payment_page, payment_page, read_payment_page)              \
    X(A_RESUME, lnkeep_resume, resume, read_resume)                                      \
    X(A_STUCK_LIST, lnkeep_stuck_list, stuck_list, read_stuck)                           \
    X(SOME_OUTPUTS, lnkeep_outputs, outputs, read_outputs)                               \
    X(A_BUF, lnkeep_buf, buf, read_buf)                                                  \
    X(A_MONITOR, lnkeep_monitor, monitor, read_monitor)                                  \
    X(SOME_NODE_IDS, lnkeep_node_ids, node_ids, read_node_ids)                           \
    X(A_PEER_PAGE, lnkeep_peer_page, peer_page, read_peer_page)                          \
    X(AN_OPENED, lnkeep_opened, opened, read_opened)                                     \
    X(SOME_ACTIONS, lnkeep_backup_actions, backup_actions, read_actions)                 \
    X(SOME_PEERS, lnkeep_backup_peers, backup_peers, read_peers)                         \
    X(A_FOREIGN_LDK, lnkeep_foreign_ldk, foreign_ldk, read_ldk)                          \
    X(A_FOREIGN_CLN, lnkeep_foreign_cln, foreign_cln, read_cln)                          \
    X(A_FOREIGN_LIGHTNING_KMP, lnkeep_foreign_lightning_kmp, foreign_lightning_kmp, read_kmp) \
    X(A_FOREIGN_LND, lnkeep_foreign_lnd, foreign_lnd, read_lnd)                          \
    X(SOME_SHARES, lnkeep_shares, shares, read_shares)                                   \
    X(SOME_SHARE_RECORDS, lnkeep_share_records, share_records, read_records)             \
    X(A_ROSTER, lnkeep_roster, roster, read_roster)                                      \
    X(A_PROGRESS, lnkeep_recovery_progress, recovery_progress, read_progress)            \
    X(A_RECOVERED, lnkeep_recovered, recovered, read_recovered)                          \
    X(SOME_RECOVERED_HTLCS, lnkeep_recovered_htlcs, recovered_htlcs, read_recovered_htlcs) \
    X(A_SNAPSHOT, lnkeep_resources_snapshot, resources_snapshot, read_snapshot)          \
    X(A_CHECK_REPORT, lnkeep_check_report, check_report, read_report)

void read_object(struct turn *turn, enum object object, const void *pointer) {
    switch (object) {
#define READ(which, type, words, read) \
    case which: read(turn, (const type *)pointer); break;
        ALL_OBJECTS(READ)
    default: break;
    }
}

void free_object(struct turn *turn, enum object object, void *pointer) {
    if (planted == PLANT_LEAK && *progress >= planted_after) return;
    switch (object) {
#define FREE(which, type, words, read)                              \
    case which:                                                     \
        lnkeep_##words##_free((type *)pointer);                     \
        plain_end("lnkeep_" #words "_free", pointer != NULL); \
        break;
        ALL_OBJECTS(FREE)
    default: break;
    }
    if (planted == PLANT_USE_AFTER_FREE && *progress >= planted_after && pointer) {
        read_bytes(turn, pointer, 8);
    }
}

void keep(struct turn *turn, enum object object, void *pointer) {
    if (!pointer) return;
    read_object(turn, object, pointer);
    uint32_t choice = pick(turn, 64);
    struct kept *place = &turn->kept[choice % KEPT_MAX];
    /* A report on what is no store is read while that is known. */
    if (choice < 48 || place->pointer || turn->names_no_store) {
        free_object(turn, object, pointer);
        return;
    }
    place->object = (int)object;
    place->pointer = pointer;
}

/* The oldest place that holds such an object: it has outlived calls, and maybe its store. */
static void free_kept(struct turn *turn, enum object object) {
    for (size_t i = 0; i < KEPT_MAX; i++) {
        struct kept *place = &turn->kept[i];
        if (!place->pointer || place->object != (int)object) continue;
        read_object(turn, object, place->pointer);
        free_object(turn, object, place->pointer);
        place->pointer = NULL;
        return;
    }
    free_object(turn, object, NULL);
}

#define FREE_OPERATION(which, type, words, read) \
    OPERATION(words##_free) { free_kept(t, which); }
ALL_OBJECTS(FREE_OPERATION)

#define FREE_ROW(which, type, words, read) ROW(words##_free),
const struct operation object_operations[] = {ALL_OBJECTS(FREE_ROW)};
TABLE(object);

void remember_blob(struct turn *turn, const uint8_t *bytes, size_t len, unsigned node) {
    struct blob *blob = &turn->blobs[turn->blobs_next++ % BLOBS_MAX];
    if (len > 70000) return;
    free(blob->bytes);
    blob->bytes = malloc(len ? len : 1);
    if (!blob->bytes) give_up("memory");
    if (len) memcpy(blob->bytes, bytes, len);
    blob->len = len;
    blob->node = node;
}

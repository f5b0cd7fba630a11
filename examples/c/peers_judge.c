/*
 * What may come back, and what may be concluded from it.
 */
#define _XOPEN_SOURCE 700
#include "peers_judge.h"

#include "consumer.h"
#include "frames.h"
#include "sha256.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t judge_find(const struct judge *judge, uint64_t name)
{
    for (size_t i = judge->blobs_len; i > 0; i--) {
        if (judge->blobs[i - 1].name == name) {
            return i;
        }
    }
    return 0;
}

/* The blob of a message; NULL for any other message. */
static const uint8_t *blob_of(struct judge *judge, lnkeep_bytes message, unsigned type,
                              size_t *len)
{
    lnkeep_wire_message decoded = LNKEEP_WIRE_MESSAGE_INIT;
    if (frame_type(message) != type) {
        return NULL;
    }
    if (lnkeep_wire_decode(message, LNKEEP_WIRE_STRICT, &decoded, NULL) != LNKEEP_DONE) {
        fprintf(stderr, "a message of type %u that nobody can read was sent\n", type);
        judge->cannot_judge = true;
        return NULL;
    }
    *len = decoded.blob.len;
    return decoded.blob.ptr;
}

/* NULL when it cannot be judged any more. */
static struct judged_blob *add_blob(struct judge *judge)
{
    if (judge->blobs_len == judge->blobs_capacity) {
        const size_t capacity = judge->blobs_capacity == 0 ? 256 : 2 * judge->blobs_capacity;
        void *grown = realloc(judge->blobs, capacity * sizeof *judge->blobs);
        if (grown == NULL) {
            perror("realloc");
            judge->cannot_judge = true;
            return NULL;
        }
        judge->blobs = grown;
        judge->blobs_capacity = capacity;
    }
    struct judged_blob *blob = &judge->blobs[judge->blobs_len++];
    *blob = (struct judged_blob){0};
    return blob;
}

/* Numbers rise while the consumer has its directory. A new directory begins anew, but once a blob
 * came back, above that one. */
static void judge_seq(struct judge *judge, uint64_t seq)
{
    if (judge->connection.generation != judge->generation) {
        return; /* the last words of a consumer whose directory is gone */
    }
    const uint64_t safe = judge->durable == 0 ? 0 : judge->blobs[judge->durable - 1].seq;
    const uint64_t floor = judge->seq_max > safe ? judge->seq_max : safe;
    judge->seqs_wrong += seq <= floor;
    judge->seq_max = seq > judge->seq_max ? seq : judge->seq_max;
}

static void judge_sent(struct judge *judge, const uint8_t *bytes, size_t len)
{
    const lnkeep_bytes sealed = {.ptr = bytes, .len = len};
    lnkeep_opened *opened = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    judge->sent++;
    judge->overwritten += !judge->connection.looked;
    const lnkeep_status status =
        lnkeep_envelope_open(judge->secret, PEERS_PROVIDER_ID, sealed, &opened, &err);
    struct consumer_data data;
    if (status != LNKEEP_DONE ||
        !consumer_data_read(&data, opened->payload.ptr, opened->payload.len)) {
        fprintf(stderr, "a blob that nobody can open was sent: %s\n", err.message);
        lnkeep_opened_free(opened);
        judge->cannot_judge = true;
        return;
    }
    struct judged_blob *blob = add_blob(judge);
    if (blob == NULL) {
        lnkeep_opened_free(opened);
        return;
    }
    blob->name = peers_blob_name(bytes, len);
    blob->seq = opened->seq;
    blob->counter = data.counter;
    blob->generation = judge->connection.generation;
    sha256(bytes, len, blob->sha256);
    lnkeep_opened_free(opened);
    judge_seq(judge, blob->seq);
}

/* What came back is a blob that was sent, as it was sent, and none that is older than what must
 * be there. Its number, 0 when it is wrong. */
static size_t judge_blob(struct judge *judge, const uint8_t *bytes, size_t len)
{
    const size_t least = judge->accepted > judge->durable ? judge->accepted : judge->durable;
    const size_t found = judge_find(judge, peers_blob_name(bytes, len));
    uint8_t digest[32];
    sha256(bytes, len, digest);
    const bool right = found != 0 && found >= least &&
                       memcmp(judge->blobs[found - 1].sha256, digest, sizeof digest) == 0;
    judge->returned_wrong += !right;
    return found;
}

void judge_from_provider(struct judge *judge, lnkeep_bytes message)
{
    struct judged_connection *connection = &judge->connection;
    size_t len;
    const uint8_t *bytes = blob_of(judge, message, LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL, &len);
    if (bytes != NULL) {
        const size_t found = judge_blob(judge, bytes, len);
        judge->returned++;
        /* BOLT 1: before channel_reestablish; and once. */
        judge->returned_wrong += connection->began || connection->returned;
        connection->returned = true;
        connection->blob = found;
    } else if (frame_type(message) == FRAME_CHANNEL_REESTABLISH) {
        judge->returned_wrong += !connection->returned && judge->durable != 0;
        connection->began = true;
    }
}

/* The consumer goes on with its channels. If what came back is of a directory that it does not have
 * any more, it must have noticed by now. */
static void judge_goes_on(struct judge *judge)
{
    const struct judged_connection *connection = &judge->connection;
    if (connection->blob != 0 && !connection->alarm &&
        judge->blobs[connection->blob - 1].generation < connection->generation) {
        judge->unnoticed++;
    }
}

void judge_from_consumer(struct judge *judge, lnkeep_bytes message)
{
    size_t len;
    const uint8_t *bytes = blob_of(judge, message, LNKEEP_WIRE_PEER_STORAGE, &len);
    if (bytes != NULL) {
        judge_sent(judge, bytes, len);
    } else if (frame_type(message) == FRAME_CHANNEL_REESTABLISH) {
        judge_goes_on(judge);
    }
}

void judge_connected(struct judge *judge)
{
    judge->connection = (struct judged_connection){.generation = judge->generation};
    judge->connections++;
}

void judge_provider_died(struct judge *judge)
{
    judge->accepted = 0;
    judge->commit_ms = 0;
}

void judge_directory_lost(struct judge *judge)
{
    judge->generation++;
    judge->seq_max = 0;
}

/* Whatever a kill kept from being told is on the disk: at most the write that it fell into. */
static void judge_opened(struct judge *judge, const struct peers_report *report)
{
    if (report->number > judge->commits_on_disk + 1) {
        judge->commits_beyond += report->number - judge->commits_on_disk - 1;
    }
    judge->commits_on_disk = report->number;
}

static void judge_commit(struct judge *judge, const struct peers_report *report)
{
    const bool at_disconnect = report->kind == PEERS_REPORT_COMMITTED_AT_DISCONNECT;
    const uint64_t least_ms = at_disconnect ? PEERS_DISCONNECT_INTERVAL_MS : PEERS_COOLDOWN_MS;
    if (judge->commit_ms != 0 && report->at_ms < judge->commit_ms + least_ms) {
        judge->commits_beyond++;
    }
    judge->commit_ms = report->at_ms;
    judge->commits_on_disk = report->number;
    judge->committed += !at_disconnect;
    judge->committed_at_disconnect += at_disconnect;
    const size_t found = judge_find(judge, report->blob);
    judge->durable = found > judge->durable ? found : judge->durable;
    judge->accepted = found > judge->accepted ? found : judge->accepted;
}

static void judge_alarm(struct judge *judge, const struct peers_report *report)
{
    const size_t found = judge_find(judge, report->blob);
    judge->alarms++;
    if (found == 0 || judge->blobs[found - 1].generation == judge->generation) {
        judge->false_alarms++;
        return;
    }
    judge->alarms_repeated += judge->noticed_generation == judge->generation;
    judge->noticed_generation = judge->generation;
    judge->connection.alarm = judge->connection.blob == found;
}

static void judge_recovered(struct judge *judge, const struct peers_report *report)
{
    const size_t found = judge_find(judge, report->blob);
    judge->recovered++;
    judge->recovered_wrong += found == 0 || found < judge->confirmed ||
                              judge->blobs[found - 1].counter != report->number;
}

void judge_report(struct judge *judge, const struct peers_report *report)
{
    const size_t found = judge_find(judge, report->blob);
    switch ((enum peers_report_kind)report->kind) {
    case PEERS_REPORT_OPENED:
        judge_opened(judge, report);
        break;
    case PEERS_REPORT_COMMITTED:
    case PEERS_REPORT_COMMITTED_AT_DISCONNECT:
        judge_commit(judge, report);
        break;
    case PEERS_REPORT_DEFERRED:
        judge->deferred++;
        judge->accepted = found > judge->accepted ? found : judge->accepted;
        break;
    case PEERS_REPORT_LOOKED:
        judge->connection.looked = true;
        break;
    case PEERS_REPORT_CONFIRMED:
        judge->confirmations++;
        judge->confirmed = found > judge->confirmed ? found : judge->confirmed;
        break;
    case PEERS_REPORT_STRIKE:
        judge->strikes++;
        break;
    case PEERS_REPORT_STATE_LOSS:
        judge_alarm(judge, report);
        break;
    case PEERS_REPORT_RECOVERED:
        judge_recovered(judge, report);
        break;
    case PEERS_REPORT_SETTLED:
        judge->has_settled = true;
        judge->settled = report->number;
        break;
    }
}

/* The consumer, too, has all that it was ever told is safe. */
static bool has_what_is_safe(const struct judge *judge)
{
    return !judge->has_settled || judge->confirmed == 0 ||
           judge->settled >= judge->blobs[judge->confirmed - 1].counter;
}

void judge_disk(struct judge *judge, lnkeep_bytes blob, uint64_t commits)
{
    const struct peers_report opened = {.kind = PEERS_REPORT_OPENED, .number = commits};
    judge_opened(judge, &opened);
    if (blob.len > 0) {
        judge_blob(judge, blob.ptr, blob.len);
    } else {
        judge->returned_wrong += judge->durable != 0;
    }
    judge->unnoticed += judge->noticed_generation != judge->generation;
    judge->recovered_wrong += !has_what_is_safe(judge);
}

void judge_free(struct judge *judge)
{
    free(judge->blobs);
    judge->blobs = NULL;
}

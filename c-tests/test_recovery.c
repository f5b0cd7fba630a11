/*
 * A node that has only its secret: shares of peers become the payload again, liars change nothing, the crawl
 * asks one at a time, and a saved session goes on.
 */

#include "peer_storage.h"

#include <pthread.h>

enum { ANSWER_MS = 60000, BLOB_MS = 10000, REST_MS = 60000, JUMP = 1 << 20, CLASS = 1024 };

static const uint8_t SECRET[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const uint8_t OTHER_SECRET[32] = {9, 8, 7, 6, 5, 4, 3, 2, 1};

static lnkeep_recovery_session session;
static lnkeep_fed fed;

static lnkeep_status answer(lnkeep_status status) {
    check_err(status);
    return status;
}

static lnkeep_status begin_recovery(void) {
    return answer(lnkeep_recovery_begin(SECRET, NULL, &session, &err));
}

static lnkeep_status end_recovery(void) {
    lnkeep_status status = answer(lnkeep_recovery_close(&session, &err));
    CHECK_EQUAL(session.bits, 0);
    return status;
}

/* Seals what a peer keeps. */
static lnkeep_buf *sealed(uint32_t peer_number, uint32_t kind, uint32_t flags, uint64_t seq,
                          lnkeep_bytes content) {
    static const uint8_t entropy[16] = {3};
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    node_id peer = node(peer_number);
    lnkeep_buf *blob = NULL;
    header.kind = kind;
    header.flags = flags;
    header.seq = seq;
    header.created_unix_secs = 1700000000 + seq;
    header.block_height = (uint32_t)(HEIGHT + seq);
    if (kind == 1) memset(header.set_id, 0x5e, sizeof header.set_id);
    CHECK_DONE(lnkeep_envelope_seal(SECRET, peer.bytes, &header, content, CLASS, entropy, &blob, &err));
    return blob;
}

/* Feeds a blob and frees it. */
static uint32_t feed_owned(uint32_t peer_number, lnkeep_buf *blob) {
    static const lnkeep_fed fresh = LNKEEP_FED_INIT;
    node_id peer = node(peer_number);
    fed = fresh;
    if (!CHECK(blob != NULL)) return UINT32_MAX;
    lnkeep_bytes view = h_bytes(blob->ptr, blob->len);
    CHECK_DONE(answer(lnkeep_recovery_feed(session, peer.bytes, view, &fed, &err)));
    CHECK_EQUAL(fed.size, sizeof fed);
    lnkeep_buf_free(blob);
    return fed.outcome;
}

/* The hash of some bytes, as an envelope of them tells it. */
static void hash_of(lnkeep_bytes bytes, uint8_t *hash) {
    node_id peer = node(999);
    lnkeep_buf *blob = sealed(999, 0, 0, 1, bytes);
    lnkeep_opened *opened = NULL;
    lnkeep_bytes view = h_bytes(blob->ptr, blob->len);
    CHECK_DONE(lnkeep_envelope_open(SECRET, peer.bytes, view, &opened, NULL));
    memcpy(hash, opened->payload_sha256, 32);
    lnkeep_opened_free(opened);
    lnkeep_buf_free(blob);
}

static size_t put_number(uint8_t *to, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) to[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
    return bytes;
}

/* One of the two halves that a text was cut into, sealed for a peer: two of three shares restore it. */
static lnkeep_buf *half(uint32_t peer, uint64_t seq, uint64_t generation, uint8_t index, const char *text) {
    uint8_t object[256] = {0}, content[512];
    size_t object_len = strlen(text);
    memcpy(object, text, object_len);
    /* No HTLCs are with it. */
    object_len += put_number(object + object_len, 0, 4);
    size_t share_len = (object_len + 1) / 2, at = 0;
    at += put_number(content + at, 1, 1);
    at += put_number(content + at, generation, 8);
    at += put_number(content + at, 2, 1);
    at += put_number(content + at, 3, 1);
    at += put_number(content + at, index, 1);
    at += put_number(content + at, 0, 1);
    at += put_number(content + at, share_len, 4);
    at += put_number(content + at, object_len, 4);
    hash_of(h_bytes(object, object_len), content + at);
    at += 32;
    memcpy(content + at, object + index * share_len, share_len);
    return sealed(peer, 1, 0, seq, h_bytes(content, at + share_len));
}

static lnkeep_recovery_progress progress_at(uint64_t now_ms, lnkeep_recovery_set *first) {
    lnkeep_recovery_progress *found = NULL, copy = LNKEEP_RECOVERY_PROGRESS_INIT;
    CHECK_DONE(answer(lnkeep_recovery_read_progress(session, now_ms, &found, &err)));
    if (!CHECK(found != NULL)) return copy;
    copy = *found;
    CHECK_EQUAL(copy.size, sizeof copy);
    CHECK_EQUAL(copy.set_stride, sizeof *first);
    CHECK_EQUAL(copy.sets != NULL, copy.sets_len > 0);
    if (first && copy.sets_len > 0) *first = copy.sets[0];
    lnkeep_recovery_progress_free(found);
    copy.sets = NULL;
    return copy;
}

/* Whether the payload is a text of a generation. */
static int gives(uint32_t accepts_older, const char *text, uint64_t generation, uint32_t status, int line) {
    lnkeep_recovered *found = NULL;
    lnkeep_status answered = answer(lnkeep_recovery_payload(session, accepts_older, &found, &err));
    if (!h_check_status(answered, LNKEEP_DONE, __FILE__, line, "payload") || !found) return 0;
    int held = found->payload.len == strlen(text) &&
               memcmp(found->payload.ptr, text, found->payload.len) == 0;
    held = h_check(held, __FILE__, line, text);
    held &= h_check_equal(found->generation, generation, __FILE__, line, "generation");
    held &= h_check_equal(found->status, status, __FILE__, line, "status");
    held &= h_check_equal(found->flags, LNKEEP_RECOVERED_CLOSE_AND_SWEEP_ONLY, __FILE__, line, "flags");
    lnkeep_recovered_free(found);
    return held;
}

#define CHECK_GIVES(accepts_older, text, generation, status) \
    gives(accepts_older, text, generation, LNKEEP_RECOVERY_##status, __LINE__)

static lnkeep_status refused_payload(uint32_t accepts_older) {
    lnkeep_recovered *found = NULL;
    lnkeep_status status = answer(lnkeep_recovery_payload(session, accepts_older, &found, &err));
    CHECK(found == NULL);
    return status;
}

static void nothing_gives_nothing(void) {
    CHECK_DONE(begin_recovery());
    CHECK_EQUAL(lnkeep_recovery_is_open(session), 1);
    lnkeep_recovery_progress progress = progress_at(0, NULL);
    CHECK_EQUAL(progress.status, LNKEEP_RECOVERY_EMPTY);
    CHECK_EQUAL(progress.sets_len | progress.flags | progress.peers_known | progress.blobs, 0);
    CHECK_STATUS(refused_payload(1), LNKEEP_NOT_ENOUGH_SHARES);
    CHECK_EQUAL(err.value, 1);
    lnkeep_recovered_htlcs *htlcs = NULL;
    CHECK_STATUS(answer(lnkeep_recovery_htlcs(session, &htlcs, &err)), LNKEEP_NOT_ENOUGH_SHARES);
    uint64_t floor = 7;
    CHECK_STATUS(answer(lnkeep_recovery_finish(session, 0, &floor, &err)), LNKEEP_NOT_ENOUGH_SHARES);
    CHECK_EQUAL(floor, 7);
    CHECK_DONE(answer(lnkeep_recovery_finish(session, 1, &floor, &err)));
    CHECK_EQUAL(floor, JUMP);
    lnkeep_recovery_next next = LNKEEP_RECOVERY_NEXT_INIT;
    CHECK_DONE(answer(lnkeep_recovery_next_peer(session, 0, &next, &err)));
    CHECK_EQUAL(next.kind, LNKEEP_RECOVERY_NEXT_NONE);
    lnkeep_recovery_progress_free(NULL);
    lnkeep_recovered_free(NULL);
    lnkeep_recovered_htlcs_free(NULL);
    CHECK_DONE(end_recovery());
    CHECK_EQUAL(lnkeep_recovery_is_open(session), 0);
}

static void halves_become_the_payload_again(void) {
    CHECK_DONE(begin_recovery());
    CHECK_EQUAL(feed_owned(1, half(1, 21, 20, 0, "what was lost")), LNKEEP_FED_ACCEPTED);
    CHECK_EQUAL(feed_owned(1, half(1, 21, 20, 0, "what was lost")), LNKEEP_FED_DUPLICATE);
    lnkeep_recovery_set set = {0};
    lnkeep_recovery_progress progress = progress_at(0, &set);
    CHECK_EQUAL(progress.status, LNKEEP_RECOVERY_COLLECTING);
    CHECK_EQUAL(progress.flags, LNKEEP_RECOVERY_HAS_NEWEST);
    CHECK(set.generation == 20 && set.have == 1 && set.need == 2 && set.shares == 3);
    CHECK_STATUS(refused_payload(1), LNKEEP_NOT_ENOUGH_SHARES);
    CHECK_EQUAL(feed_owned(2, half(2, 22, 20, 1, "what was lost")), LNKEEP_FED_ACCEPTED);
    CHECK_GIVES(0, "what was lost", 20, COMPLETE_FINAL);
    progress = progress_at(0, &set);
    CHECK(progress.best_generation == 20 && progress.newest_seen_generation == 20 && set.have == 2);
    CHECK_EQUAL(progress.flags, LNKEEP_RECOVERY_HAS_BEST | LNKEEP_RECOVERY_HAS_NEWEST);
    CHECK(progress.peers_with_blob == 2 && progress.peers_answered == 2 && progress.blobs == 2);
    uint64_t floor = 0;
    CHECK_DONE(answer(lnkeep_recovery_finish(session, 0, &floor, &err)));
    CHECK_EQUAL(floor, 22 + JUMP);
    CHECK_DONE(end_recovery());
}

static void an_older_generation_needs_consent(void) {
    CHECK_DONE(begin_recovery());
    CHECK_EQUAL(feed_owned(1, half(1, 11, 10, 0, "older")), LNKEEP_FED_ACCEPTED);
    CHECK_EQUAL(feed_owned(2, half(2, 12, 10, 1, "older")), LNKEEP_FED_ACCEPTED);
    CHECK_EQUAL(feed_owned(3, half(3, 21, 20, 0, "newer")), LNKEEP_FED_ACCEPTED);
    CHECK_STATUS(refused_payload(0), LNKEEP_NOT_ENOUGH_SHARES);
    CHECK_EQUAL(err.value, 1);
    CHECK_GIVES(1, "older", 10, COMPLETE_OLDER);
    CHECK_EQUAL(feed_owned(4, half(4, 9, 8, 0, "oldest")), LNKEEP_FED_OLD);
    CHECK_EQUAL(feed_owned(4, half(4, 22, 20, 1, "newer")), LNKEEP_FED_ACCEPTED);
    CHECK_GIVES(0, "newer", 20, COMPLETE_FINAL);
    CHECK_DONE(end_recovery());
}

static void liars_change_nothing(void) {
    CHECK_DONE(begin_recovery());
    lnkeep_buf *blob = sealed(1, 0, 0, 5, h_text("x"));
    node_id other = node(2);
    lnkeep_fed said = LNKEEP_FED_INIT;
    CHECK_DONE(lnkeep_recovery_feed(session, other.bytes, h_bytes(blob->ptr, blob->len), &said, &err));
    CHECK(said.outcome == LNKEEP_FED_UNREADABLE && said.fault == LNKEEP_ENVELOPE_AUTH_FAILED);
    CHECK_DONE(lnkeep_recovery_feed(session, other.bytes, h_bytes(blob->ptr, 100), &said, &err));
    CHECK(said.outcome == LNKEEP_FED_UNREADABLE && said.fault == LNKEEP_ENVELOPE_TOO_SHORT);
    CHECK_DONE(lnkeep_recovery_feed(session, other.bytes, h_bytes(NULL, 0), NULL, &err));
    lnkeep_buf_free(blob);
    CHECK_EQUAL(feed_owned(1, sealed(1, 1, 0, 5, h_text("\3"))), LNKEEP_FED_BAD_SHARE);
    CHECK_EQUAL(fed.fault, 2);
    CHECK_EQUAL(feed_owned(1, sealed(1, 2, 0, 5, h_text("x"))), LNKEEP_FED_BAD_JOURNAL);
    CHECK_EQUAL(feed_owned(1, sealed(1, 77, 0, 6, h_text("x"))), LNKEEP_FED_UNKNOWN_KIND);
    CHECK_EQUAL(fed.fault, 77);
    lnkeep_recovery_progress progress = progress_at(0, NULL);
    CHECK_EQUAL(progress.blobs | progress.sets_len, 0);
    CHECK(progress.peers_unreadable == 1 && progress.peers_with_blob == 1);
    CHECK_EQUAL(feed_owned(1, half(1, 21, 20, 0, "one")), LNKEEP_FED_ACCEPTED);
    CHECK_EQUAL(feed_owned(3, half(3, 22, 20, 1, "another")), LNKEEP_FED_INCONSISTENT);
    uint8_t *endless = malloc(BLOB_MAX + 1);
    memset(endless, 0, BLOB_MAX + 1);
    lnkeep_bytes longer = h_bytes(endless, BLOB_MAX + 1);
    CHECK_STATUS(answer(lnkeep_recovery_feed(session, other.bytes, longer, NULL, &err)), LNKEEP_TOO_BIG);
    free(endless);
    CHECK_DONE(end_recovery());
}

static lnkeep_recovery_next next_at(uint64_t now_ms) {
    lnkeep_recovery_next next = LNKEEP_RECOVERY_NEXT_INIT;
    CHECK_DONE(answer(lnkeep_recovery_next_peer(session, now_ms, &next, &err)));
    return next;
}

static void report_of(uint64_t now_ms, uint32_t number, uint32_t result) {
    node_id peer = node(number);
    CHECK_DONE(answer(lnkeep_recovery_peer_result(session, now_ms, peer.bytes, result, &err)));
}

static lnkeep_recovery_candidate candidate(uint32_t number, uint32_t is_announced) {
    static const uint8_t address[7] = {1, 127, 0, 0, 1, 0x26, 0x07};
    lnkeep_recovery_candidate made;
    node_id peer = node(number);
    memset(&made, 0, sizeof made);
    memcpy(made.node_id, peer.bytes, sizeof made.node_id);
    made.is_announced = is_announced;
    made.address = h_bytes(address, sizeof address);
    return made;
}

static void one_peer_is_asked_at_a_time(void) {
    CHECK_DONE(begin_recovery());
    lnkeep_recovery_candidate given[2] = {candidate(1, 0), candidate(2, 1)};
    CHECK_DONE(answer(lnkeep_recovery_add_candidates(session, given, 2, &err)));
    lnkeep_recovery_next next = next_at(1000);
    CHECK_EQUAL(next.kind, LNKEEP_RECOVERY_NEXT_ASK);
    CHECK_EQUAL(number_of(next.node_id), 2);
    CHECK(next.address_len == 7 && next.address[1] == 127 && next.address[7] == 0);
    next = next_at(1000);
    CHECK(next.kind == LNKEEP_RECOVERY_NEXT_WAIT && next.until_ms == 1000 + ANSWER_MS);
    CHECK_EQUAL(next.address_len, 0);
    report_of(2000, 2, LNKEEP_RECOVERY_PEER_CONNECTED);
    CHECK_EQUAL(next_at(2000).until_ms, 2000 + BLOB_MS);
    CHECK_EQUAL(progress_at(2000, NULL).peers_pending, 1);
    report_of(3000, 2, LNKEEP_RECOVERY_PEER_NO_BLOB);
    CHECK_EQUAL(number_of(next_at(3000).node_id), 1);
    report_of(3000, 1, LNKEEP_RECOVERY_PEER_FAILED);
    next = next_at(0);
    CHECK(next.kind == LNKEEP_RECOVERY_NEXT_WAIT && next.until_ms == 3000 + REST_MS);
    uint64_t now_ms = next.until_ms;
    int asked = 1;
    while ((next = next_at(now_ms)).kind != LNKEEP_RECOVERY_NEXT_NONE && asked < 100) {
        if (next.kind == LNKEEP_RECOVERY_NEXT_WAIT) now_ms = next.until_ms;
        asked += next.kind == LNKEEP_RECOVERY_NEXT_ASK;
    }
    CHECK_EQUAL(asked, 8);
    lnkeep_recovery_progress progress = progress_at(now_ms, NULL);
    CHECK(progress.peers_known == 2 && progress.peers_asked == 2 && progress.peers_answered == 1);
    CHECK(progress.peers_unreachable == 1 && progress.peers_pending == 0);
    CHECK_DONE(end_recovery());
}

static void a_time_makes_complete_final(void) {
    lnkeep_recovery_options options = LNKEEP_RECOVERY_OPTIONS_INIT;
    options.deadline_ms = T0;
    CHECK_DONE(answer(lnkeep_recovery_begin(SECRET, &options, &session, &err)));
    lnkeep_recovery_candidate given = candidate(9, 1);
    CHECK_DONE(answer(lnkeep_recovery_add_candidates(session, &given, 1, &err)));
    CHECK_EQUAL(feed_owned(1, sealed(1, 0, 0, 5, h_text("whole"))), LNKEEP_FED_ACCEPTED);
    CHECK_EQUAL(progress_at(T0 - 1, NULL).status, LNKEEP_RECOVERY_COMPLETE);
    CHECK_GIVES(0, "whole", 5, COMPLETE);
    CHECK_EQUAL(progress_at(T0, NULL).status, LNKEEP_RECOVERY_COMPLETE_FINAL);
    CHECK_EQUAL(next_at(T0).kind, LNKEEP_RECOVERY_NEXT_NONE);
    CHECK_DONE(end_recovery());
}

static lnkeep_status resume_with(const uint8_t *secret, lnkeep_bytes bytes) {
    lnkeep_status status = answer(lnkeep_recovery_resume(secret, NULL, bytes, &session, &err));
    CHECK_EQUAL(session.bits != 0, status == LNKEEP_DONE);
    return status;
}

static void a_saved_session_goes_on(void) {
    CHECK_DONE(begin_recovery());
    lnkeep_recovery_candidate given = candidate(7, 1);
    CHECK_DONE(answer(lnkeep_recovery_add_candidates(session, &given, 1, &err)));
    CHECK_EQUAL(next_at(1000).kind, LNKEEP_RECOVERY_NEXT_ASK);
    CHECK_EQUAL(feed_owned(1, half(1, 21, 20, 0, "saved")), LNKEEP_FED_ACCEPTED);
    lnkeep_buf *saved = NULL;
    CHECK_DONE(answer(lnkeep_recovery_export(session, &saved, &err)));
    CHECK_DONE(end_recovery());
    lnkeep_bytes bytes = h_bytes(saved->ptr, saved->len);
    CHECK_DONE(resume_with(SECRET, bytes));
    CHECK_EQUAL(next_at(1000).until_ms, 1000 + ANSWER_MS);
    CHECK_EQUAL(feed_owned(2, half(2, 22, 20, 1, "saved")), LNKEEP_FED_ACCEPTED);
    CHECK_GIVES(0, "saved", 20, COMPLETE);
    CHECK_DONE(end_recovery());
    CHECK_STATUS(resume_with(OTHER_SECRET, bytes), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(resume_with(SECRET, h_bytes(saved->ptr, saved->len - 1)), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(resume_with(SECRET, h_bytes(NULL, 0)), LNKEEP_INVALID_ARGUMENT);
    uint8_t *changed = malloc(saved->len);
    memcpy(changed, saved->ptr, saved->len);
    for (size_t at = 0; at < saved->len; at += saved->len / 40 + 1) {
        changed[at] ^= 1;
        lnkeep_status status = resume_with(SECRET, h_bytes(changed, saved->len));
        CHECK(status == LNKEEP_INVALID_ARGUMENT || status == LNKEEP_UNSUPPORTED);
        changed[at] ^= 1;
    }
    CHECK_DONE(resume_with(SECRET, h_bytes(changed, saved->len)));
    CHECK_DONE(end_recovery());
    free(changed);
    lnkeep_buf_free(saved);
}

/* A journal that is complete by itself: one incoming HTLC with its preimage, one outgoing with its output. */
static size_t journal(uint8_t *to) {
    static const uint8_t preimage[32] = {0x77};
    size_t at = 16;
    memset(to, 0, 16);
    at += put_number(to + at, 0, 8);
    at += put_number(to + at, 3, 4);
    at += put_number(to + at, 12345, 8);
    at += put_number(to + at, 1, 2);
    memset(to + at, 0xcc, 32);
    at += 32;
    at += put_number(to + at, 1, 1);
    memset(to + at, 2, 33);
    at += 33;
    at += put_number(to + at, 2, 2);
    for (uint64_t i = 0; i < 2; i++) {
        at += put_number(to + at, 0, 2);
        at += put_number(to + at, i == 0 ? 8 : 1 | 2, 1);
        at += put_number(to + at, 40 + i, 8);
        if (i == 1) hash_of(h_bytes(preimage, 32), to + at);
        else memset(to + at, 0xab, 32);
        at += 32;
        at += put_number(to + at, 1000000 + i, 8);
        at += put_number(to + at, 800100 + i, 4);
        if (i == 1) memcpy(to + at, preimage, 32);
        at += i == 1 ? 32 : put_number(to + at, 6, 4);
    }
    return at;
}

static void htlcs_come_back(void) {
    CHECK_DONE(begin_recovery());
    uint8_t content[512];
    size_t len = journal(content);
    CHECK_EQUAL(feed_owned(1, sealed(1, 2, 0, 30, h_bytes(content, len))), LNKEEP_FED_ACCEPTED);
    lnkeep_recovered_htlcs *found = NULL;
    CHECK_DONE(answer(lnkeep_recovery_htlcs(session, &found, &err)));
    if (!CHECK(found != NULL)) return;
    CHECK(found->size == sizeof *found && found->htlc_stride == sizeof *found->htlcs);
    CHECK_EQUAL(found->point_stride, sizeof *found->points);
    CHECK_EQUAL(found->flags, LNKEEP_RECOVERED_HTLCS_HAS_JOURNAL | LNKEEP_RECOVERED_HTLCS_NEWEST);
    CHECK(found->journal_seq == 30 && found->base_generation == 0);
    CHECK(found->uncovered_count == 3 && found->uncovered_msat == 12345);
    CHECK(found->created_unix_secs == 1700000030 && found->block_height == HEIGHT + 30);
    if (CHECK(found->htlcs_len == 2 && found->points_len == 1)) {
        uint32_t both = 0;
        for (size_t i = 0; i < 2; i++) {
            const lnkeep_backup_htlc *htlc = &found->htlcs[i];
            int is_incoming = (htlc->flags & LNKEEP_BACKUP_HTLC_INCOMING) != 0;
            both |= htlc->flags;
            CHECK_EQUAL(htlc->htlc_id, is_incoming ? 41 : 40);
            CHECK_EQUAL(htlc->amount_msat, is_incoming ? 1000001 : 1000000);
            CHECK_EQUAL(htlc->cltv_expiry, is_incoming ? 800101 : 800100);
            CHECK_EQUAL(htlc->preimage[0], is_incoming ? 0x77 : 0);
            CHECK_EQUAL(htlc->output_index, is_incoming ? 0 : 6);
            CHECK(htlc->size == sizeof *htlc && htlc->channel_id[31] == 0xcc);
        }
        CHECK_EQUAL(both, LNKEEP_BACKUP_HTLC_INCOMING | LNKEEP_BACKUP_HTLC_HAS_PREIMAGE |
                              LNKEEP_BACKUP_HTLC_HAS_OUTPUT_INDEX);
        CHECK_EQUAL(found->points[0].channel_id[0], 0xcc);
        CHECK_EQUAL(found->points[0].per_commitment_point[32], 2);
    }
    lnkeep_recovered_htlcs_free(found);
    CHECK_DONE(end_recovery());
    CHECK_DONE(begin_recovery());
    CHECK_EQUAL(feed_owned(1, sealed(1, 0, 0, 5, h_text("no htlcs"))), LNKEEP_FED_ACCEPTED);
    CHECK_STATUS(answer(lnkeep_recovery_htlcs(session, &found, &err)), LNKEEP_NOT_FOUND);
    CHECK_DONE(end_recovery());
}

static void mistakes_are_refused(void) {
    const lnkeep_status bad = LNKEEP_INVALID_ARGUMENT;
    lnkeep_recovery_options options = LNKEEP_RECOVERY_OPTIONS_INIT;
    options.reserved = 1;
    CHECK_STATUS(lnkeep_recovery_begin(SECRET, &options, &session, NULL), bad);
    options.reserved = 0;
    options.candidates_max = 10001;
    CHECK_STATUS(lnkeep_recovery_begin(SECRET, &options, &session, NULL), bad);
    options.candidates_max = 1;
    options.size = 3;
    CHECK_STATUS(lnkeep_recovery_begin(SECRET, &options, &session, NULL), bad);
    options.size = sizeof options;
    CHECK_DONE(lnkeep_recovery_begin(SECRET, &options, &session, NULL));
    lnkeep_recovery_candidate given[2] = {candidate(1, 1), candidate(2, 1)};
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, 2, NULL), LNKEEP_TOO_BIG);
    given[0].is_announced = 2;
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, 1, NULL), bad);
    given[0] = candidate(1, 1);
    given[0].reserved_bytes[2] = 1;
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, 1, NULL), bad);
    given[0] = candidate(1, 1);
    given[0].address = h_bytes(blob_of(1, 256).ptr, 256);
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, 1, NULL), bad);
    given[0].address = h_bytes(NULL, 1);
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, 1, NULL), bad);
    CHECK_STATUS(lnkeep_recovery_add_candidates(session, given, SIZE_MAX, NULL), bad);
    CHECK_DONE(lnkeep_recovery_add_candidates(session, NULL, 0, NULL));
    node_id peer = node(1);
    CHECK_STATUS(lnkeep_recovery_peer_result(session, 1, peer.bytes, 4, NULL), bad);
    CHECK_STATUS(lnkeep_recovery_feed(session, peer.bytes, h_bytes("x", SIZE_MAX), NULL, NULL), bad);
    lnkeep_recovery_next next = LNKEEP_RECOVERY_NEXT_INIT;
    next.size = 7;
    CHECK_STATUS(lnkeep_recovery_next_peer(session, 1, &next, NULL), bad);
    uint64_t floor = 0;
    CHECK_STATUS(lnkeep_recovery_finish(session, 2, &floor, NULL), bad);
    CHECK_STATUS(refused_payload(2), bad);
    CHECK_EQUAL(progress_at(0, NULL).peers_known, 0);
    CHECK_DONE(end_recovery());
    CHECK_STATUS(end_recovery(), LNKEEP_BAD_HANDLE);
}

static void *feed_some(void *from) {
    node_id peer = node((uint32_t)(uintptr_t)from);
    for (uint64_t seq = 1; seq <= 20; seq++) {
        static const uint8_t entropy[16] = {4};
        lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
        lnkeep_recovery_progress *progress = NULL;
        lnkeep_buf *blob = NULL;
        header.seq = seq * 100 + (uint64_t)(uintptr_t)from;
        if (lnkeep_envelope_seal(SECRET, peer.bytes, &header, h_text("x"), CLASS, entropy, &blob, NULL)) break;
        lnkeep_bytes view = h_bytes(blob->ptr, blob->len);
        lnkeep_status status = lnkeep_recovery_feed(session, peer.bytes, view, NULL, NULL);
        if (status == LNKEEP_DONE) status = lnkeep_recovery_read_progress(session, seq, &progress, NULL);
        lnkeep_recovery_progress_free(progress);
        lnkeep_buf_free(blob);
        if (status != LNKEEP_DONE) break;
        if (seq == 20) return from;
    }
    return NULL;
}

static void threads_share_a_session(void) {
    enum { THREADS = 4 };
    CHECK_DONE(begin_recovery());
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        CHECK_EQUAL(pthread_create(&threads[i], NULL, feed_some, (void *)(i + 1)), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *ended = NULL;
        pthread_join(threads[i], &ended);
        CHECK(ended != NULL);
    }
    lnkeep_recovery_progress progress = progress_at(0, NULL);
    /* Sixteen of each peer are kept. */
    CHECK(progress.peers_with_blob == THREADS && progress.blobs == 16 * THREADS);
    CHECK_GIVES(0, "x", 2000 + THREADS, COMPLETE_FINAL);
    CHECK_DONE(end_recovery());
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(nothing_gives_nothing),
        H_TEST(halves_become_the_payload_again),
        H_TEST(an_older_generation_needs_consent),
        H_TEST(liars_change_nothing),
        H_TEST(one_peer_is_asked_at_a_time),
        H_TEST(a_time_makes_complete_final),
        H_TEST(a_saved_session_goes_on),
        H_TEST(htlcs_come_back),
        H_TEST(mistakes_are_refused),
        H_TEST(threads_share_a_session),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}

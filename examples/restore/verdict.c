/*
 * Comparing what came back, and what lies on disks, with the data that the node had.
 */
#define _XOPEN_SOURCE 700
#include "verdict.h"

#include "data.h"
#include "files.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

static uint64_t count_differing(const uint8_t *one, size_t one_len, const uint8_t *other,
                                size_t other_len)
{
    const size_t shorter = one_len < other_len ? one_len : other_len;
    uint64_t differing = (one_len > other_len ? one_len : other_len) - shorter;
    for (size_t i = 0; i < shorter; i++) {
        differing += one[i] != other[i];
    }
    return differing;
}

void verdict_of_payload(struct verdict *verdict, const struct truth *truth, bool has_consent)
{
    static uint8_t expected[DATA_PAYLOAD_BYTES_MAX];
    size_t len = 0;
    uint8_t *found = files_read(RESTORE_PAYLOAD, &len);
    if (found == NULL || len < 2 * DATA_BLOCK_BYTES) {
        verdict->payloads_missing++;
        free(found);
        return;
    }
    const unsigned version = data_version_of(found);
    if (truth->mixes_payload) {
        data_payload(truth->seed, version - 1, expected);
        memcpy(found + DATA_BLOCK_BYTES, expected + DATA_BLOCK_BYTES, DATA_BLOCK_BYTES);
    }
    /* Version 0, which no payload has, stands for a first block that is none. */
    const size_t expected_len = data_payload(truth->seed, version, expected);
    verdict->bytes_differing += count_differing(found, len, expected, expected_len);
    for (size_t at = 0; at + DATA_BLOCK_BYTES <= len; at += DATA_BLOCK_BYTES) {
        verdict->blocks_mixed += data_version_of(found + at) != version;
    }
    const bool is_late = truth->is_later_known && version < truth->last_version && !has_consent;
    verdict->older_unasked += version < truth->version || is_late;
    verdict->payload_bytes += len;
    free(found);
}

/* Whether it is as the node knew it, in the newest version that counts or in a later one. */
static bool is_right(const struct truth *truth, const struct data_htlc *found)
{
    for (unsigned version = truth->version; version <= truth->last_version; version++) {
        struct data_htlc known;
        if (found->id < DATA_HTLCS_MAX &&
            data_htlc(truth->seed, (unsigned)found->id, version, &known) &&
            memcmp(found, &known, sizeof known) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether it was in flight all the time. */
static bool must_be_there(const struct truth *truth, unsigned i)
{
    for (unsigned version = truth->version; version <= truth->last_version; version++) {
        struct data_htlc known;
        if (!data_htlc(truth->seed, i, version, &known)) {
            return false;
        }
    }
    return true;
}

void verdict_of_htlcs(struct verdict *verdict, const struct truth *truth)
{
    bool is_there[DATA_HTLCS_MAX] = {false};
    size_t len = 0;
    uint8_t *bytes = files_read(RESTORE_HTLCS, &len);
    for (size_t at = 0; bytes != NULL && at + sizeof(struct data_htlc) <= len;
         at += sizeof(struct data_htlc)) {
        struct data_htlc found;
        memcpy(&found, bytes + at, sizeof found);
        const bool is_known = found.id < DATA_HTLCS_MAX;
        const bool is_repeated = is_known && is_there[found.id];
        verdict->htlcs_wrong += is_repeated || !is_right(truth, &found);
        verdict->htlcs++;
        verdict->htlcs_with_preimage += found.has_preimage;
        if (is_known) {
            is_there[found.id] = true;
        }
    }
    for (unsigned i = 0; i < DATA_HTLCS_MAX; i++) {
        verdict->htlcs_missing += must_be_there(truth, i) && !is_there[i];
    }
    free(bytes);
}

/* nftw has no argument to hand through. */
static struct {
    const struct truth *truth;
    uint64_t found;
} search;

/* Both are looked for by their first eight bytes: a store's pages may part longer ones. */
static uint64_t count_in(const uint8_t *bytes, size_t len)
{
    enum { PROBE_BYTES = 8, PROBES = DATA_HTLCS_MAX + 1 };
    uint8_t probes[PROBES][32] = {{0}};
    static bool begins[1 << 16]; /* by two bytes, so that few places are looked at closer */
    uint64_t count = 0;
    memset(begins, 0, sizeof begins);
    memcpy(probes[DATA_HTLCS_MAX], DATA_MARK, PROBE_BYTES);
    for (unsigned i = 0; i < PROBES; i++) {
        if (i < DATA_HTLCS_MAX) {
            data_preimage(search.truth->seed, i, probes[i]);
        }
        begins[probes[i][0] << 8 | probes[i][1]] = true;
    }
    for (size_t at = 0; at + PROBE_BYTES <= len; at++) {
        const bool may_begin = begins[bytes[at] << 8 | bytes[at + 1]];
        for (unsigned i = 0; may_begin && i < PROBES; i++) {
            count += memcmp(bytes + at, probes[i], PROBE_BYTES) == 0;
        }
    }
    return count;
}

/* What the node has on its own disk is the node's, but for the session, which it may take along. */
static int search_file(const char *path, const struct stat *stat, int kind, struct FTW *place)
{
    size_t len = 0;
    (void)stat;
    (void)place;
    const bool is_searched =
        strncmp(path, "./peer-", 7) == 0 || strcmp(path, "./" RESTORE_SESSION) == 0;
    uint8_t *bytes = kind == FTW_F && is_searched ? files_read(path, &len) : NULL;
    search.found += bytes == NULL ? 0 : count_in(bytes, len);
    free(bytes);
    return 0;
}

void verdict_of_disks(struct verdict *verdict, const struct truth *truth)
{
    search.truth = truth;
    search.found = 0;
    nftw(".", search_file, 8, FTW_PHYS);
    verdict->plaintexts += search.found;
}

/*
 * Reads the rows of attempts by the engine alone, without lnkeep's checks: the control that shows
 * what the same damages do to a plain LMDB. The archive of lnkeep carries LMDB under these names.
 */

#include "damage.h"

#include <string.h>
#include <sys/types.h>

typedef struct MDB_env MDB_env;
typedef struct MDB_txn MDB_txn;
typedef unsigned MDB_dbi;
typedef struct MDB_val {
    size_t mv_size;
    void *mv_data;
} MDB_val;

enum { MDB_RDONLY = 0x20000, MDB_NOLOCK = 0x400000, MDB_NOTFOUND = -30798 };

int lnkeep_mdb_env_create(MDB_env **env);
int lnkeep_mdb_env_set_maxdbs(MDB_env *env, MDB_dbi dbs);
int lnkeep_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mode_t mode);
int lnkeep_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int lnkeep_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi);
int lnkeep_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data);

struct bare {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi attempts, payment_hashes;
};

static int bare_open(struct bare *bare, const char *directory) {
    int error = lnkeep_mdb_env_create(&bare->env);
    if (error == 0) error = lnkeep_mdb_env_set_maxdbs(bare->env, 16);
    if (error == 0) {
        error = lnkeep_mdb_env_open(bare->env, directory, MDB_RDONLY | MDB_NOLOCK, 0600);
    }
    if (error == 0) error = lnkeep_mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &bare->txn);
    if (error == 0) error = lnkeep_mdb_dbi_open(bare->txn, "attempts", 0, &bare->attempts);
    if (error != 0) return error;
    return lnkeep_mdb_dbi_open(bare->txn, "payment_hashes", 0, &bare->payment_hashes);
}

static int bare_get_hash(const struct bare *bare, size_t payment, MDB_val *row) {
    uint8_t hash[32];
    MDB_val view = {sizeof hash, hash};
    base_payment_hash(payment, hash);
    return lnkeep_mdb_get(bare->txn, bare->payment_hashes, &view, row);
}

/* Key of the table: namespace, then the id with its highest byte first (docs/format.md). */
static int bare_get(const struct bare *bare, const lnkeep_attempt_key *key, MDB_val *row) {
    uint8_t bytes[24];
    MDB_val view = {sizeof bytes, bytes};
    memcpy(bytes, key->namespace_bytes, 16);
    for (int i = 0; i < 8; i++) bytes[16 + i] = (uint8_t)(key->id >> (56 - 8 * i));
    return lnkeep_mdb_get(bare->txn, bare->attempts, &view, row);
}

int bare_truth(void *context) {
    struct learning *learning = context;
    struct bare bare;
    MDB_val row;
    if (bare_open(&bare, learning->directory) != 0) return 1;
    for (size_t i = 0; i < learning->truth->ids_len; i++) {
        if (bare_get(&bare, &learning->truth->ids[i].key, &row) != 0) return 2;
        learning->truth->bare[i] = digest_add(DIGEST_START, row.mv_data, row.mv_size);
    }
    for (size_t i = 0; i < learning->truth->payments_len; i++) {
        /* A payment that was forgotten has no row. */
        int is_there = bare_get_hash(&bare, i, &row) == 0;
        uint64_t digest = is_there ? digest_add(DIGEST_START, row.mv_data, row.mv_size) : 0;
        learning->truth->bare_hashes[i] = digest;
    }
    return 0;
}

int bare_judge(void *context) {
    const struct reading *reading = context;
    struct verdict *verdict = reading->verdict;
    struct bare bare;
    MDB_val row;
    verdict->outcome = OUTCOME_REFUSED;
    if (bare_open(&bare, reading->directory) != 0) return 0;
    verdict->outcome = OUTCOME_HARMLESS;
    for (size_t i = 0; i < reading->truth->ids_len; i++) {
        int error = bare_get(&bare, &reading->truth->ids[i].key, &row);
        if (error == MDB_NOTFOUND) verdict->found[FOUND_LOST]++;
        else if (error != 0) verdict->outcome = OUTCOME_REPORTED;
        else if (digest_add(DIGEST_START, row.mv_data, row.mv_size) != reading->truth->bare[i]) {
            verdict->found[FOUND_WRONG]++;
        }
    }
    for (size_t i = 0; i < reading->truth->payments_len; i++) {
        if (reading->truth->bare_hashes[i] == 0) continue;
        int error = bare_get_hash(&bare, i, &row);
        if (error == MDB_NOTFOUND) verdict->found[FOUND_PAID_TWICE]++;
        else if (error != 0) verdict->outcome = OUTCOME_REPORTED;
    }
    return 0;
}

/*
 * Reads rows by the engine alone, without lnkeep's checks: to find where rows lie, and for the
 * control that shows what the same damages do to a plain LMDB. The archive of lnkeep carries LMDB
 * under these names.
 */

#include "damage.h"

#include <stdio.h>
#include <string.h>
#include <sys/types.h>

typedef struct MDB_env MDB_env;
typedef struct MDB_txn MDB_txn;
typedef struct MDB_cursor MDB_cursor;
typedef unsigned MDB_dbi;
typedef struct MDB_val {
    size_t mv_size;
    void *mv_data;
} MDB_val;

enum { MDB_RDONLY = 0x20000, MDB_NOLOCK = 0x400000, MDB_NOTFOUND = -30798, MDB_NEXT = 8 };

int lnkeep_mdb_env_create(MDB_env **env);
int lnkeep_mdb_env_set_maxdbs(MDB_env *env, MDB_dbi dbs);
int lnkeep_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mode_t mode);
int lnkeep_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **txn);
int lnkeep_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned flags, MDB_dbi *dbi);
int lnkeep_mdb_get(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data);
int lnkeep_mdb_cursor_open(MDB_txn *txn, MDB_dbi dbi, MDB_cursor **cursor);
int lnkeep_mdb_cursor_get(MDB_cursor *cursor, MDB_val *key, MDB_val *data, int operation);

/* In the order of docs/format.md. */
const char *const table_names[TABLES] = {
    "meta",
    "events",
    "event_cursors",
    "namespaces",
    "attempts",
    "attempts_pending",
    "attempts_retained",
    "attempt_keys",
    "blobs",
    "blob_chunks",
    "payments",
    "payment_details",
    "payment_attempts",
    "payment_outcomes",
    "payment_attempt_ids",
    "payment_hashes",
    "payment_keys",
    "payments_unfinished",
    "payments_doomed",
    "monitors_state",
    "monitors",
    "monitor_updates",
    "monitor_outputs",
    "resources_state",
    "resources_channels",
    "resources_journal",
    "peer_blobs",
    "peer_records",
    "backup_state",
    "backup_peers",
};

struct bare {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi attempts, payment_hashes;
};

static int bare_open(struct bare *bare, const char *directory) {
    int error = lnkeep_mdb_env_create(&bare->env);
    if (error == 0) error = lnkeep_mdb_env_set_maxdbs(bare->env, TABLES + 2);
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

/* Where data.mdb is mapped: rows are found in the file by their addresses. */
static const uint8_t *map_of(const char *directory) {
    char line[PATH_BYTES + 200], path[PATH_BYTES + 16];
    const uint8_t *found = NULL;
    snprintf(path, sizeof path, "%s/data.mdb", directory);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && !found && fgets(line, sizeof line, maps)) {
        unsigned long long start = 0, offset = 1;
        int matched = sscanf(line, "%llx-%*x %*s %llx", &start, &offset);
        if (matched != 2 || offset != 0 || !strstr(line, path)) continue;
        found = (const uint8_t *)(uintptr_t)start;
    }
    if (maps) fclose(maps);
    return found;
}

/* Each row of a table has the same chance to be one of those that are known. */
static int learn_table(const struct bare *bare, const char *name, const uint8_t *map,
                       struct known_table *table) {
    MDB_dbi dbi;
    MDB_cursor *cursor;
    MDB_val key, data;
    uint64_t chance = 1;
    int error = lnkeep_mdb_dbi_open(bare->txn, name, 0, &dbi);
    if (error == 0) error = lnkeep_mdb_cursor_open(bare->txn, dbi, &cursor);
    if (error != 0) return error;
    while ((error = lnkeep_mdb_cursor_get(cursor, &key, &data, MDB_NEXT)) == 0) {
        size_t place = table->rows_len++;
        if (place >= ROWS_KNOWN_MAX) place = (size_t)chance_below(&chance, place + 1);
        if (place >= ROWS_KNOWN_MAX) continue;
        struct known_row *row = &table->rows[place];
        if (key.mv_size > KEY_BYTES_MAX) return MDB_NOTFOUND;
        row->key_len = key.mv_size;
        memcpy(row->key, key.mv_data, key.mv_size);
        row->key_at = (size_t)((const uint8_t *)key.mv_data - map);
        row->data_at = (size_t)((const uint8_t *)data.mv_data - map);
        row->data_len = data.mv_size;
        row->digest = part_digest(data.mv_data, data.mv_size);
    }
    table->len = table->rows_len < ROWS_KNOWN_MAX ? table->rows_len : ROWS_KNOWN_MAX;
    return error == MDB_NOTFOUND ? 0 : error;
}

int bare_truth(void *context) {
    struct learning *learning = context;
    struct truth *truth = learning->truth;
    struct bare bare;
    MDB_val row;
    if (bare_open(&bare, learning->directory) != 0) return 1;
    for (size_t i = 0; i < truth->ids_len; i++) {
        if (bare_get(&bare, &truth->ids[i].key, &row) != 0) return 2;
        truth->bare[i] = digest_add(DIGEST_START, row.mv_data, row.mv_size);
    }
    for (size_t i = 0; i < truth->payments_len; i++) {
        /* A payment that was forgotten has no row. */
        int is_there = bare_get_hash(&bare, i, &row) == 0;
        truth->bare_hashes[i] = is_there ? digest_add(DIGEST_START, row.mv_data, row.mv_size) : 0;
    }
    const uint8_t *map = map_of(learning->directory);
    if (!map) return 3;
    for (int table = 0; table < TABLES; table++) {
        if (learn_table(&bare, table_names[table], map, &truth->tables[table]) != 0) return 4;
    }
    return 0;
}

/* Whose rows a table's are, as parts are judged. */
static int part_of_table(int table) {
    static const struct {
        const char *prefix;
        int part;
    } owners[] = {
        {"monitor", PART_MONITORS}, {"resources", PART_RESOURCES},
        {"peer_", PART_PEERS},      {"backup", PART_BACKUP},
    };
    for (size_t i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        if (strncmp(table_names[table], owners[i].prefix, strlen(owners[i].prefix)) == 0) {
            return owners[i].part;
        }
    }
    return PARTS;
}

static void judge_rows(const struct reading *reading, const struct bare *bare) {
    for (int table = 0; table < TABLES; table++) {
        const struct known_table *known = &reading->truth->tables[table];
        MDB_dbi dbi;
        if (part_of_table(table) == PARTS || known->len == 0) continue;
        reading->verdict->part = part_of_table(table);
        if (lnkeep_mdb_dbi_open(bare->txn, table_names[table], 0, &dbi) != 0) continue;
        for (size_t i = 0; i < known->len; i++) {
            const struct known_row *was = &known->rows[i];
            uint8_t bytes[KEY_BYTES_MAX];
            MDB_val key = {was->key_len, bytes}, now;
            memcpy(bytes, was->key, was->key_len);
            int error = lnkeep_mdb_get(bare->txn, dbi, &key, &now);
            if (error == MDB_NOTFOUND) {
                found(reading, FOUND_LOST, "a row of %s is missing", table_names[table]);
            } else if (error == 0 && part_digest(now.mv_data, now.mv_size) != was->digest) {
                found(reading, FOUND_WRONG, "a row of %s is another one", table_names[table]);
            }
        }
    }
    reading->verdict->part = PARTS;
}

int bare_judge(void *context) {
    const struct reading *reading = context;
    struct verdict *verdict = reading->verdict;
    struct bare bare;
    MDB_val row;
    verdict->outcome = OUTCOME_REFUSED;
    verdict->part = PARTS;
    if (bare_open(&bare, reading->directory) != 0) return 0;
    verdict->outcome = OUTCOME_HARMLESS;
    judge_rows(reading, &bare);
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

/* Bare LMDB: one commit per row, in turn through LMDB's own lock; and grouped by one writer. */
#include "group.h"
#include "lmdb_names.h"
#include "worker.h"

#define MAP_BYTES ((size_t)8 << 30)

struct bare {
    MDB_env *env;
    MDB_dbi rows;
};

static struct bare alone, grouped;
static struct group group;

static void commit(const struct bare *bare, const uint64_t *ids, size_t len)
{
    MDB_txn *txn;
    must(lnkeep_mdb_txn_begin(bare->env, NULL, 0, &txn) == 0, "mdb_txn_begin");
    for (size_t i = 0; i < len; i++) {
        uint8_t key[KEY_BYTES], value[VALUE_BYTES];
        row_key(ids[i], key);
        row_value(ids[i], value);
        MDB_val k = {sizeof key, key}, v = {sizeof value, value};
        must(lnkeep_mdb_put(txn, bare->rows, &k, &v, 0) == 0, "mdb_put");
    }
    must(lnkeep_mdb_txn_commit(txn) == 0, "mdb_txn_commit");
}

static void commit_alone(const uint64_t *ids, size_t len)
{
    commit(&alone, ids, len);
}

static void commit_grouped(const uint64_t *ids, size_t len)
{
    commit(&grouped, ids, len);
}

static void open_bare(struct bare *bare, const char *folder)
{
    MDB_txn *txn;
    must(lnkeep_mdb_env_create(&bare->env) == 0, "mdb_env_create");
    must(lnkeep_mdb_env_set_mapsize(bare->env, MAP_BYTES) == 0, "mdb_env_set_mapsize");
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    must(lnkeep_mdb_env_open(bare->env, folder, flags, 0600) == 0, "mdb_env_open");
    must(lnkeep_mdb_txn_begin(bare->env, NULL, 0, &txn) == 0, "mdb_txn_begin");
    must(lnkeep_mdb_dbi_open(txn, NULL, 0, &bare->rows) == 0, "mdb_dbi_open");
    must(lnkeep_mdb_txn_commit(txn) == 0, "mdb_txn_commit");
}

static void alone_open(const char *folder, uint64_t rows)
{
    open_bare(&alone, folder);
    fill(rows, commit_alone);
}

static void alone_put(unsigned caller, uint64_t id)
{
    (void)caller;
    commit_alone(&id, 1);
}

static void alone_close(void)
{
    lnkeep_mdb_env_close(alone.env);
}

static void grouped_open(const char *folder, uint64_t rows)
{
    open_bare(&grouped, folder);
    fill(rows, commit_grouped);
    group_start(&group, commit_grouped);
}

static void grouped_put(unsigned caller, uint64_t id)
{
    (void)caller;
    group_put(&group, id);
}

static void grouped_close(void)
{
    group_stop(&group);
    lnkeep_mdb_env_close(grouped.env);
}

const struct contestant lmdb_contestants[] = {
    {.name = "lmdb", .open = alone_open, .put = alone_put, .close = alone_close},
    {.name = "lmdb_grouped", .open = grouped_open, .put = grouped_put, .close = grouped_close},
    {0},
};

/*
 * The functions of LMDB that the contestants call. liblnkeep.a carries its LMDB under prefixed
 * names, so bare LMDB here is the very engine that lnkeep runs on, and no other LMDB need be
 * installed. LMDB's own lmdb.h documents them under their names without the prefix.
 */
#ifndef LNKEEP_BENCH_LMDB_NAMES_H
#define LNKEEP_BENCH_LMDB_NAMES_H

#include <stddef.h>

typedef struct MDB_env MDB_env;
typedef struct MDB_txn MDB_txn;
typedef unsigned int MDB_dbi;

typedef struct MDB_val {
    size_t mv_size;
    void *mv_data;
} MDB_val;

/* As lnkeep opens it: reader slots belong to transactions, and the file is not read ahead. */
#define MDB_NOTLS 0x200000u
#define MDB_NORDAHEAD 0x800000u

char *lnkeep_mdb_version(int *major, int *minor, int *patch);
int lnkeep_mdb_env_create(MDB_env **env);
int lnkeep_mdb_env_set_mapsize(MDB_env *env, size_t size);
int lnkeep_mdb_env_open(MDB_env *env, const char *path, unsigned int flags, unsigned int mode);
void lnkeep_mdb_env_close(MDB_env *env);
int lnkeep_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags, MDB_txn **txn);
int lnkeep_mdb_txn_commit(MDB_txn *txn);
int lnkeep_mdb_dbi_open(MDB_txn *txn, const char *name, unsigned int flags, MDB_dbi *dbi);
int lnkeep_mdb_put(MDB_txn *txn, MDB_dbi dbi, MDB_val *key, MDB_val *data, unsigned int flags);

#endif

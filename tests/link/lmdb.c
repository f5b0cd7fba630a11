/* The host's own LMDB, under its usual names, on a file of its own. */

#define _GNU_SOURCE
#include "host.h"

#include <stdio.h>
#include <sys/stat.h>

#include <lmdb.h>

static MDB_env *env;
static MDB_dbi table;
static uint64_t stored;

static void begin(const char *folder) {
    char path[4096];
    int major, minor, patch;
    snprintf(path, sizeof path, "%s/own", folder);
    mdb_version(&major, &minor, &patch);
    REQUIRE(major == MDB_VERSION_MAJOR && minor == MDB_VERSION_MINOR && patch == MDB_VERSION_PATCH);
    REQUIRE(mkdir(path, 0700) == 0);
    REQUIRE(mdb_env_create(&env) == MDB_SUCCESS);
    REQUIRE(mdb_env_open(env, path, 0, 0600) == MDB_SUCCESS);
}

static void step(uint64_t number) {
    MDB_txn *txn;
    MDB_val key = {sizeof number, &number}, value = {sizeof number, &number};
    REQUIRE(mdb_txn_begin(env, NULL, 0, &txn) == MDB_SUCCESS);
    REQUIRE(mdb_dbi_open(txn, NULL, 0, &table) == MDB_SUCCESS);
    REQUIRE(mdb_put(txn, table, &key, &value, MDB_NOOVERWRITE) == MDB_SUCCESS);
    REQUIRE(mdb_txn_commit(txn) == MDB_SUCCESS);
    stored++;
}

static void end(void) {
    MDB_txn *txn;
    MDB_stat facts;
    REQUIRE(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == MDB_SUCCESS);
    REQUIRE(mdb_stat(txn, table, &facts) == MDB_SUCCESS);
    REQUIRE(stored > 0 && facts.ms_entries == stored);
    mdb_txn_abort(txn);
    mdb_env_close(env);
}

const neighbour lmdb_neighbour = {begin, step, end};

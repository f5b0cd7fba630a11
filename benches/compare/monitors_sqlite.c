/* Checkpoints in SQLite, WAL with synchronous=FULL: the manager and every update in one transaction. */
#include "monitors.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static struct node node;
static char *own_folder;
static sqlite3 *db;
static sqlite3_stmt *put_manager, *put_update, *delete_updates;

static void execute(const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "worker: %s: %s\n", sql, message);
        exit(1);
    }
}

static sqlite3_stmt *statement(const char *sql)
{
    sqlite3_stmt *prepared = NULL;
    must(sqlite3_prepare_v2(db, sql, -1, &prepared, NULL) == SQLITE_OK, sql);
    return prepared;
}

static void run(sqlite3_stmt *prepared)
{
    must(sqlite3_step(prepared) == SQLITE_DONE, sqlite3_sql(prepared));
    must(sqlite3_reset(prepared) == SQLITE_OK, "sqlite3_reset");
}

static void checkpoint(const struct checkpoint *checkpoint)
{
    execute("BEGIN IMMEDIATE");
    sqlite3_bind_blob(put_manager, 1, checkpoint->manager, MANAGER_BYTES, SQLITE_STATIC);
    run(put_manager);
    for (unsigned i = 0; i < checkpoint->len; i++) {
        sqlite3_bind_blob(put_update, 1, checkpoint->ids[i], CHANNEL_ID_BYTES, SQLITE_STATIC);
        sqlite3_bind_int64(put_update, 2, (sqlite3_int64)checkpoint->update_ids[i]);
        sqlite3_bind_blob(put_update, 3, checkpoint->updates[i], UPDATE_BYTES, SQLITE_STATIC);
        run(put_update);
    }
    execute("COMMIT");
}

static void fold(const unsigned *channels, size_t len)
{
    execute("BEGIN IMMEDIATE");
    for (size_t i = 0; i < len; i++) {
        uint8_t id[CHANNEL_ID_BYTES];
        channel_id(channels[i], id);
        sqlite3_bind_blob(delete_updates, 1, id, sizeof id, SQLITE_STATIC);
        run(delete_updates);
    }
    execute("COMMIT");
}

static void open_sqlite(const char *folder, uint64_t rows)
{
    (void)rows;
    own_folder = path_in(folder, "");
    char *path = path_in(folder, "monitors.db");
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    must(sqlite3_open_v2(path, &db, flags, NULL) == SQLITE_OK, "sqlite3_open_v2");
    free(path);
    execute("PRAGMA journal_mode = WAL");
    execute("PRAGMA synchronous = FULL");
    execute("CREATE TABLE manager (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL)");
    execute("CREATE TABLE updates (channel BLOB, update_id INTEGER, bytes BLOB NOT NULL,"
            " PRIMARY KEY (channel, update_id)) WITHOUT ROWID");
    put_manager = statement("REPLACE INTO manager VALUES (1, ?)");
    put_update = statement("INSERT INTO updates VALUES (?, ?, ?)");
    delete_updates = statement("DELETE FROM updates WHERE channel = ?");
}

static void prepare_sqlite(unsigned channels, uint64_t round_ns)
{
    (void)channels;
    (void)round_ns;
    fold_updates(&node, own_folder, fold);
}

static struct round round_sqlite(unsigned channels, uint64_t round_ns)
{
    return checkpoints_round(&node, checkpoint, channels, round_ns);
}

static void close_sqlite(void)
{
    sqlite3_finalize(put_manager);
    sqlite3_finalize(put_update);
    sqlite3_finalize(delete_updates);
    must(sqlite3_close(db) == SQLITE_OK, "sqlite3_close");
    free(own_folder);
}

const struct contestant sqlite_checkpoint_contestants[] = {
    {.name = "checkpoint_sqlite", .open = open_sqlite, .prepare = prepare_sqlite,
     .round = round_sqlite, .close = close_sqlite},
    {0},
};

/*
 * SQLite, WAL with synchronous=FULL, which flushes the log at every commit: one transaction for
 * each row on a connection of each thread, and one writer that puts all rows that wait into one.
 */
#include "group.h"
#include "worker.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

/* Longer than any round: a caller waits for its turn and never gives up. */
#define BUSY_MS 600000

struct connection {
    sqlite3 *db;
    sqlite3_stmt *insert;
};

static struct connection callers_own[CALLERS_MAX], writer;
static unsigned callers_open;
static char *path;
static struct group group;

static void execute(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK) {
        fprintf(stderr, "worker: %s: %s\n", sql, message);
        exit(1);
    }
}

static void connect_to(struct connection *connection, const char *file)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    must(sqlite3_open_v2(file, &connection->db, flags, NULL) == SQLITE_OK, "sqlite3_open_v2");
    must(sqlite3_busy_timeout(connection->db, BUSY_MS) == SQLITE_OK, "sqlite3_busy_timeout");
    execute(connection->db, "PRAGMA journal_mode = WAL");
    execute(connection->db, "PRAGMA synchronous = FULL");
    execute(connection->db, "CREATE TABLE IF NOT EXISTS attempts"
                            " (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID");
    const char *insert = "INSERT INTO attempts VALUES (?, ?)";
    int answer = sqlite3_prepare_v2(connection->db, insert, -1, &connection->insert, NULL);
    must(answer == SQLITE_OK, "sqlite3_prepare_v2");
}

static void disconnect(struct connection *connection)
{
    sqlite3_finalize(connection->insert);
    must(sqlite3_close(connection->db) == SQLITE_OK, "sqlite3_close");
}

static void put_row(const struct connection *connection, uint64_t id)
{
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
    row_key(id, key);
    row_value(id, value);
    sqlite3_bind_blob(connection->insert, 1, key, sizeof key, SQLITE_STATIC);
    sqlite3_bind_blob(connection->insert, 2, value, sizeof value, SQLITE_STATIC);
    must(sqlite3_step(connection->insert) == SQLITE_DONE, "INSERT");
    must(sqlite3_reset(connection->insert) == SQLITE_OK, "sqlite3_reset");
}

static void commit(const uint64_t *ids, size_t len)
{
    execute(writer.db, "BEGIN IMMEDIATE");
    for (size_t i = 0; i < len; i++)
        put_row(&writer, ids[i]);
    execute(writer.db, "COMMIT");
}

static void alone_open(const char *folder, uint64_t rows)
{
    path = path_in(folder, "rows.db");
    connect_to(&writer, path);
    fill(rows, commit);
    disconnect(&writer);
}

static void alone_prepare(unsigned callers, uint64_t round_ns)
{
    (void)round_ns;
    while (callers_open < callers)
        connect_to(&callers_own[callers_open++], path);
}

static void alone_put(unsigned caller, uint64_t id)
{
    put_row(&callers_own[caller], id);
}

static void alone_close(void)
{
    while (callers_open > 0)
        disconnect(&callers_own[--callers_open]);
    free(path);
}

static void grouped_open(const char *folder, uint64_t rows)
{
    char *file = path_in(folder, "rows.db");
    connect_to(&writer, file);
    free(file);
    fill(rows, commit);
    group_start(&group, commit);
}

static void grouped_put(unsigned caller, uint64_t id)
{
    (void)caller;
    group_put(&group, id);
}

static void grouped_close(void)
{
    group_stop(&group);
    disconnect(&writer);
}

const struct contestant sqlite_contestants[] = {
    {.name = "sqlite", .open = alone_open, .prepare = alone_prepare, .put = alone_put,
     .close = alone_close},
    {.name = "sqlite_grouped", .open = grouped_open, .put = grouped_put, .close = grouped_close},
    {0},
};

/*
 * A node with the shape of CLN: one thread, one event at a time, one commit for each.
 *
 * What an event changes is a batch of statements against the node's own database. The hook db_write
 * gets data_version and batch before the database commits, and answers "continue" only when its
 * record is durable; then the database commits, and only then do the bytes for the peers leave. So
 * the backup is the database, or exactly one transaction ahead of it.
 *
 * The messages are volatile outputs. A durable one would be wrong here: it would come back after a
 * crash between the two commits, and tell of a transaction which the database never made.
 */
#define _XOPEN_SOURCE 700
#include "cln.h"

#include "forwards.h"
#include "outside.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Near the end of its 32 bits, so that it wraps while the example runs. */
enum { DATA_VERSION_BEFORE_WRAP = 60 };

struct node {
    const char *directory;
    struct keep keep;
    struct forwards forwards;
    struct rows rows;    /* the database, as it is in memory */
    struct batch batch;  /* what the present event changes */
    uint64_t last_id;    /* the adapter's own counter */
    uint64_t snapshots_wanted;
    bool releases_early; /* the mistake: bytes leave before the commit */
    bool first_wins;     /* the mistake: a replay that takes the first record of a data_version */
};

static void path_of(const char *directory, const char *name, char path[512])
{
    snprintf(path, 512, "%s/%s", directory, name);
}

bool database_read(const char *directory, struct rows *rows)
{
    char path[512];
    uint8_t bytes[ROWS_BYTES];
    path_of(directory, "database", path);
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    return rows_decode(rows, bytes, len);
}

static void give_up(const char *what)
{
    perror(what);
    exit(EXIT_COULD_NOT_RUN);
}

void database_write(const char *directory, const struct rows *rows)
{
    char path[512], part[512];
    uint8_t bytes[ROWS_BYTES];
    path_of(directory, "database", path);
    path_of(directory, "database.part", part);
    rows_encode(rows, bytes);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || fsync(fd) != 0 ||
        close(fd) != 0 || rename(part, path) != 0) {
        give_up(path);
    }
    fd = open(directory, O_RDONLY | O_DIRECTORY);
    if (fd < 0 || fsync(fd) != 0 || close(fd) != 0) {
        give_up(directory);
    }
}

static void change(struct node *node, uint64_t row, bool adds, uint64_t value)
{
    node->batch.statements[node->batch.len++] = (struct statement){row, adds, value};
}

static void send_now(void *self, const lnkeep_output *output)
{
    (void)self;
    struct packet packet;
    memcpy(&packet, output->payload.ptr, sizeof packet);
    packet_send(FIRST_LINE, &packet);
}

/* What the peer gets once this event is committed. */
static void stage(struct node *node, const struct packet *packet)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    if (node->releases_early) {
        packet_send(FIRST_LINE, packet);
        return;
    }
    lnkeep_bytes payload = bytes_of((const uint8_t *)packet, sizeof *packet);
    must(lnkeep_monitors_queue_output(node->keep.monitors, LNKEEP_OUTPUT_VOLATILE, packet->a,
                                      payload, NULL, &err),
         &err, "queue_output");
}

/* Between two events the database has made every transaction of the backup: none will be replaced,
 * so that a snapshot may include them all. */
static void queue_snapshot(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    uint8_t bytes[ROWS_BYTES];
    rows_encode(&node->rows, bytes);
    must(lnkeep_monitors_queue_snapshot(node->keep.monitors, backup_channel, node->last_id,
                                        bytes_of(bytes, sizeof bytes), NULL, 0, NULL, &err),
         &err, "queue_snapshot");
}

/* The hook: when it returns, the answer is "continue". */
static void db_write(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitors_commit commit = LNKEEP_MONITORS_COMMIT_INIT;
    lnkeep_monitors_committed committed;
    uint8_t bytes[BATCH_BYTES_MAX];
    size_t len = batch_encode(&node->batch, bytes);
    must(lnkeep_monitors_queue_update(node->keep.monitors, backup_channel, node->last_id + 1,
                                      bytes_of(bytes, len), 0, NULL, &err),
         &err, "queue_update");
    node->last_id++;
    must(lnkeep_monitors_capture(node->keep.monitors, &commit.capture, &err), &err, "capture");
    keep_commit(&node->keep, &commit, &committed);
    node->snapshots_wanted = committed.need_snapshot;
}

static void event_begin(struct node *node)
{
    if (node->snapshots_wanted != 0) {
        queue_snapshot(node);
    }
    node->batch = (struct batch){.data_version = (uint32_t)(node->rows.data_version + 1)};
}

/* db_commit_transaction: the hook, the database's own commit, and back to the poll loop, the only
 * place where bytes leave. */
static void event_end(struct node *node)
{
    db_write(node);
    rows_apply(&node->rows, &node->batch);
    database_write(node->directory, &node->rows);
    keep_release(&node->keep, send_now, node);
}

/* Of this example: a commitment with an odd number adds an HTLC, which goes out through the next
 * channel, and the one after it settles that HTLC. */
static struct hop hop_of(uint64_t channel, uint64_t number)
{
    return (struct hop){channel, (channel + 1) % CHANNELS, (number + 1) / 2};
}

/* The HTLCs that are out, as listhtlcs tells them. */
static size_t list_htlcs(const struct node *node, struct hop out[CHANNELS])
{
    size_t len = 0;
    for (uint64_t channel = 0; channel < CHANNELS; channel++) {
        uint64_t number = node->rows.values[ROW_COMMITMENT + channel];
        if (number % 2 != 0) {
            out[len++] = hop_of(channel, number);
        }
    }
    return len;
}

/* The hook of that name, before its answer is "continue". CLN calls it again after a restart for
 * what was not forwarded. */
static void htlc_accepted(struct node *node, uint64_t channel, uint64_t number)
{
    struct hop hop = hop_of(channel, number);
    forwards_ask(&node->forwards, &hop);
}

/* The notification of that name: the HTLC was settled, and its peer has been told. */
static void forward_event(struct node *node, uint64_t channel, uint64_t number)
{
    struct hop hop = hop_of(channel, number - 1);
    forwards_over(&node->forwards, &hop);
}

static void commitment_signed(struct node *node, uint64_t channel, uint64_t number)
{
    struct packet revoke = {.kind = CLN_REVOKE, .a = channel, .b = number};
    if (channel >= CHANNELS || number != node->rows.values[ROW_COMMITMENT + channel] + 1) {
        return; /* a peer that is ahead of us or behind: it reconnects */
    }
    if (number % 2 != 0) {
        htlc_accepted(node, channel, number);
    }
    event_begin(node);
    change(node, ROW_COMMITMENT + channel, false, number);
    change(node, ROW_STEPS, true, 1);
    stage(node, &revoke);
    event_end(node);
    if (number % 2 == 0) {
        forward_event(node, channel, number);
    }
}

/* The first record goes onto a snapshot of the empty database. */
static void create(struct node *node)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    uint8_t bytes[ROWS_BYTES];
    node->rows = (struct rows){.data_version = UINT32_MAX - DATA_VERSION_BEFORE_WRAP};
    database_write(node->directory, &node->rows);
    rows_encode(&node->rows, bytes);
    must(lnkeep_monitors_queue_new(node->keep.monitors, backup_channel, 0,
                                   bytes_of(bytes, sizeof bytes), NULL, 0, NULL, &err),
         &err, "queue_new");
}

/* Compares the database with its backup, as every start must. */
static void recover(struct node *node)
{
    struct backup backup;
    backup_replay(&node->keep, node->first_wins, &backup);
    bool has_database = database_read(node->directory, &node->rows);
    if (!backup.exists) {
        create(node);
        return;
    }
    if (!backup.consistent) {
        fprintf(stderr, "the backup contradicts itself\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    if (!has_database) {
        /* The disk of the database is lost, and this backup is all there is. */
        node->rows = backup.rows;
        database_write(node->directory, &node->rows);
    }
    uint32_t ahead = backup.rows.data_version - node->rows.data_version;
    if (ahead > 1) {
        fprintf(stderr, "the database is an older copy, or newer than its backup: halt\n");
        exit(EXIT_COULD_NOT_RUN);
    }
    node->last_id = backup.last_id;
}

/* A transaction of its own, as a start of CLN makes several: after a crash between the hook's answer
 * and the database's commit it has the data_version of the one that was lost, and other contents. */
static void note_start(struct node *node)
{
    event_begin(node);
    change(node, ROW_STARTS, true, 1);
    event_end(node);
    for (uint64_t channel = 0; channel < CHANNELS; channel++) {
        uint64_t number = node->rows.values[ROW_COMMITMENT + channel];
        struct packet packet = {.kind = CLN_REESTABLISH, .a = channel, .b = number};
        packet_send(FIRST_LINE, &packet); /* it depends on nothing that is not durable */
    }
}

int cln_node(const char *directory, const char *broken)
{
    struct node node = {.directory = directory};
    struct packet packet;
    struct hop out[CHANNELS];
    char store[512];
    node.releases_early = strcmp(broken, "early") == 0;
    node.first_wins = strcmp(broken, "first-wins") == 0;
    path_of(directory, "store", store);
    keep_open(&node.keep, store, &backup_options);
    recover(&node);
    forwards_open(&node.forwards, node.keep.store, CHANNELS, out, list_htlcs(&node, out));
    note_start(&node);
    struct pollfd peers = {.fd = FIRST_LINE, .events = POLLIN};
    while (poll(&peers, 1, -1) == 1 && packet_receive(FIRST_LINE, &packet)) {
        if (packet.kind == CLN_COMMIT) {
            commitment_signed(&node, packet.a, packet.b);
        }
    }
    forwards_close(&node.forwards, list_htlcs(&node, out));
    keep_close(&node.keep);
    return EXIT_SUCCESS;
}

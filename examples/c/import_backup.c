/*
 * Opens a backup that other software made, and prints what is in it:
 *
 *     import_backup ldk|cln|lightning-kmp|lnd KEYFILE BLOBFILE
 *
 * KEYFILE holds 32 bytes, or for Core Lightning 64, as they are or in hexadecimal; `-` is standard input. A
 * key never stands on a command line, where every user of the machine could read it. Which key that is, and
 * what can be done with what is printed: docs/import.md. No secret is printed, only how many there are.
 *
 * Exit status: 0 when it opened, 1 when it did not, 2 for a mistake on the command line or with a file.
 */
#include <lnkeep.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXIT_OPENED = 0,
    EXIT_CLOSED = 1,
    EXIT_MISTAKE = 2,
    /* Longer than any key in hexadecimal, with spaces around it. */
    KEY_FILE_BYTES_MAX = 256,
    /* lnd's file grows with the channels: room for a hundred thousand. */
    BLOB_FILE_BYTES_MAX = 64 << 20,
};

struct file {
    uint8_t *bytes;
    size_t len;
};

/* The compiler must not drop it, as it may a memset before free. */
static void wipe(void *bytes, size_t len)
{
    volatile uint8_t *at = bytes;
    while (len-- > 0) {
        *at++ = 0;
    }
}

static void release(struct file *file)
{
    if (file->bytes != NULL) {
        wipe(file->bytes, file->len);
        free(file->bytes);
    }
    *file = (struct file){0};
}

/* A whole file of at most `most` bytes. Its buffer does not grow: no copy of a key is left behind. */
static bool read_file(const char *name, size_t most, struct file *file)
{
    bool is_input = strcmp(name, "-") == 0;
    FILE *stream = is_input ? stdin : fopen(name, "rb");
    if (stream == NULL) {
        fprintf(stderr, "%s: cannot be opened\n", name);
        return false;
    }
    setvbuf(stream, NULL, _IONBF, 0);
    file->bytes = malloc(most + 1);
    file->len = file->bytes == NULL ? 0 : fread(file->bytes, 1, most + 1, stream);
    bool good = file->bytes != NULL && !ferror(stream) && file->len <= most;
    if (!good) {
        fprintf(stderr, "%s: cannot be read, or is longer than %zu bytes\n", name, most);
        release(file);
    }
    if (!is_input) {
        fclose(stream);
    }
    return good;
}

static int digit_of(uint8_t character)
{
    const char *digits = "0123456789abcdef";
    const char *found = character == 0 ? NULL : strchr(digits, tolower(character));
    return found == NULL ? -1 : (int)(found - digits);
}

/* In place: hexadecimal takes twice the bytes. False when it is something else. */
static bool decode_hex(struct file *file)
{
    size_t len = file->len;
    while (len > 0 && isspace(file->bytes[len - 1])) {
        len--;
    }
    if (len != 64 && len != 66 && len != 128) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (digit_of(file->bytes[i]) < 0) {
            return false;
        }
    }
    for (size_t i = 0; i < len / 2; i++) {
        file->bytes[i] =
            (uint8_t)(digit_of(file->bytes[2 * i]) << 4 | digit_of(file->bytes[2 * i + 1]));
    }
    wipe(file->bytes + len / 2, file->len - len / 2);
    file->len = len / 2;
    return true;
}

static void print_hex(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        printf("%02x", bytes[i]);
    }
}

static void print_named(const char *name, const uint8_t *bytes, size_t len)
{
    printf("    %s ", name);
    print_hex(bytes, len);
    printf("\n");
}

/* A transaction's id is shown in the order opposite to the chain's. */
static void print_outpoint(const uint8_t txid[32], uint32_t vout)
{
    printf("    funding ");
    for (int i = 31; i >= 0; i--) {
        printf("%02x", txid[i]);
    }
    printf(":%" PRIu32 "\n", vout);
}

/* A name may hold anything: only what cannot move the cursor of a terminal is printed as it is. */
static void print_name(const uint8_t *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        putchar(name[i] > ' ' && name[i] < 0x7f ? name[i] : '?');
    }
}

static void print_address(lnkeep_bytes address)
{
    const uint8_t *at = address.ptr;
    size_t len = address.len;
    unsigned port = len >= 3 ? (unsigned)at[len - 2] << 8 | at[len - 1] : 0;
    printf("    address ");
    if (len == 7 && at[0] == 1) {
        printf("%u.%u.%u.%u:%u\n", at[1], at[2], at[3], at[4], port);
    } else if (len == 19 && at[0] == 2) {
        printf("[");
        for (int i = 1; i < 17; i += 2) {
            printf("%s%x", i == 1 ? "" : ":", (unsigned)at[i] << 8 | at[i + 1]);
        }
        printf("]:%u\n", port);
    } else if (len >= 4 && at[0] == 5) {
        print_name(at + 2, len - 4);
        printf(":%u\n", port);
    } else {
        printf("of type %u: ", len > 0 ? at[0] : 0);
        print_hex(at, len);
        printf("\n");
    }
}

static void print_ldk(const lnkeep_foreign_ldk *opened)
{
    printf("LDK peer storage: %zu channels\n", opened->monitors_len);
    for (size_t i = 0; i < opened->monitors_len; i++) {
        const lnkeep_foreign_monitor *monitor = &opened->monitors[i];
        printf("channel %zu\n", i + 1);
        print_named("channel_id", monitor->channel_id, 32);
        print_named("counterparty", monitor->counterparty, 33);
        printf("    last revoked commitment %" PRIu64 "\n", monitor->min_seen_secret);
        printf("    monitor of %zu bytes\n", monitor->monitor.len);
    }
}

static void print_cln_channel(const lnkeep_foreign_cln_channel *channel)
{
    printf("channel %" PRIu64 "\n", channel->dbid);
    print_named("channel_id", channel->channel_id, 32);
    print_named("counterparty", channel->node_id, 33);
    print_address(channel->address);
    print_outpoint(channel->funding_txid, channel->funding_vout);
    printf("    capacity %" PRIu64 " sat\n", channel->funding_sats);
    print_named("channel type", channel->channel_type.ptr, channel->channel_type.len);
    if (channel->flags & LNKEEP_FOREIGN_CLN_HAS_OPENER) {
        printf("    opened by %s\n", channel->opener == 0 ? "us" : "the counterparty");
    }
    if (channel->flags & LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS) {
        print_named("payment basepoint", channel->payment_basepoint, 33);
    }
    if (channel->flags & LNKEEP_FOREIGN_CLN_HAS_SHACHAIN) {
        printf("    secrets of revoked commitments: %zu, down to %" PRIu64 "\n",
               channel->shachain.len / 40, channel->shachain_min_index);
    }
    if (channel->flags & LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY) {
        printf("    delay of the counterparty %" PRIu32 " blocks\n", channel->to_self_delay_blocks);
    }
}

static void print_cln(const lnkeep_foreign_cln *opened)
{
    printf("Core Lightning static channel backup: %zu channels, written at %" PRIu32
           ", message %" PRIu32 ", version %" PRIu64 "\n",
           opened->channels_len, opened->timestamp_unix_secs, opened->format, opened->version);
    for (size_t i = 0; i < opened->channels_len; i++) {
        print_cln_channel(&opened->channels[i]);
    }
}

static void print_kmp(const lnkeep_foreign_lightning_kmp *opened)
{
    printf("lightning-kmp channel states: version %" PRIu32 ", %zu bytes\n", opened->version,
           opened->payload.len);
}

static void print_lnd_channel(const lnkeep_foreign_lnd_channel *channel)
{
    const uint64_t place = channel->short_channel_id;
    print_named("counterparty", channel->node_id, 33);
    for (size_t i = 0; i < channel->addresses_len; i++) {
        print_address(channel->addresses[i]);
    }
    print_outpoint(channel->funding_txid, channel->funding_vout);
    printf("    short channel id %" PRIu64 "x%" PRIu64 "x%" PRIu64 "\n", place >> 40,
           place >> 16 & 0xffffff, place & 0xffff);
    printf("    capacity %" PRIu64 " sat\n", channel->capacity_sat);
    printf("    opened by %s\n",
           channel->flags & LNKEEP_FOREIGN_LND_INITIATOR ? "us" : "the counterparty");
    printf("    our payment key: family %" PRIu32 ", index %" PRIu32 "\n",
           channel->local_keys[2].family, channel->local_keys[2].index);
    printf("    delays: ours %" PRIu32 ", the counterparty's %" PRIu32 " blocks\n",
           channel->local_csv_delay_blocks, channel->remote_csv_delay_blocks);
    if (channel->flags & LNKEEP_FOREIGN_LND_HAS_LEASE) {
        printf("    leased until block %" PRIu32 "\n", channel->lease_expiry_height);
    }
    if (channel->flags & LNKEEP_FOREIGN_LND_HAS_CLOSE_TX) {
        printf("    a commitment of %zu bytes to publish, which loses all if it is not the latest\n",
               channel->commit_tx.len);
    }
}

static void print_lnd(const lnkeep_foreign_lnd *opened)
{
    printf("lnd channel.backup: version %" PRIu32 ", %" PRIu32 " channels\n", opened->version,
           opened->count);
    for (size_t i = 0; i < opened->singles_len; i++) {
        const lnkeep_foreign_lnd_single *single = &opened->singles[i];
        printf("channel %zu, version %" PRIu32 "\n", i + 1, single->version);
        if (single->channel != NULL) {
            print_lnd_channel(single->channel);
        } else {
            printf("    not decoded: %zu bytes\n", single->bytes.len);
        }
    }
    if (opened->singles_len < opened->count || opened->rest.len > 0) {
        printf("%zu of %" PRIu32 " channels found, %zu bytes left\n", opened->singles_len,
               opened->count, opened->rest.len);
    }
}

/* What LNKEEP_BAD_FOREIGN says, and what may be done about it. */
static void explain(const lnkeep_error *err)
{
    static const char *const advice[] = {
        [LNKEEP_FOREIGN_TOO_SHORT] = "the file is not a backup of this software, or was cut",
        [LNKEEP_FOREIGN_AUTH_FAILED] = "try another key, or another of the four kinds of backup",
        [LNKEEP_FOREIGN_BAD_PAYLOAD] = "the key is right; a newer version may have written it",
        [LNKEEP_FOREIGN_BAD_VERSION] = "the key is right; a newer version wrote it",
        [LNKEEP_FOREIGN_UNKNOWN_VERSION] = "the key is right; another version wrote it",
    };
    fprintf(stderr, "%s\n", err->message);
    if (err->status == LNKEEP_BAD_FOREIGN && err->value < sizeof advice / sizeof advice[0] &&
        advice[err->value] != NULL) {
        fprintf(stderr, "%s\n", advice[err->value]);
    }
}

static lnkeep_status import_ldk(const struct file *key, lnkeep_bytes blob, lnkeep_error *err)
{
    uint8_t made[32];
    lnkeep_foreign_ldk *opened = NULL;
    /* What was given may be the key itself or the seed that it is made of: the tag tells which. */
    lnkeep_status status = lnkeep_foreign_ldk_open(key->bytes, blob, &opened, err);
    if (status == LNKEEP_BAD_FOREIGN && err->value == LNKEEP_FOREIGN_AUTH_FAILED) {
        status = lnkeep_foreign_ldk_key(key->bytes, made, err);
        if (status == LNKEEP_DONE) {
            status = lnkeep_foreign_ldk_open(made, blob, &opened, err);
        }
        wipe(made, sizeof made);
    }
    if (status == LNKEEP_DONE) {
        print_ldk(opened);
    }
    lnkeep_foreign_ldk_free(opened);
    return status;
}

static lnkeep_status import_cln(const struct file *key, lnkeep_bytes blob, lnkeep_error *err)
{
    uint8_t made[32];
    lnkeep_foreign_cln *opened = NULL;
    const lnkeep_bytes secret = {key->bytes, key->len};
    lnkeep_status status = lnkeep_foreign_cln_key(secret, made, err);
    if (status == LNKEEP_DONE) {
        status = lnkeep_foreign_cln_open(made, blob, &opened, err);
    }
    wipe(made, sizeof made);
    if (status == LNKEEP_BAD_FOREIGN && err->value == LNKEEP_FOREIGN_AUTH_FAILED && key->len == 32) {
        status = lnkeep_foreign_cln_open(key->bytes, blob, &opened, err);
    }
    if (status == LNKEEP_DONE) {
        print_cln(opened);
    }
    lnkeep_foreign_cln_free(opened);
    return status;
}

static lnkeep_status import_kmp(const struct file *key, lnkeep_bytes blob, lnkeep_error *err)
{
    lnkeep_foreign_lightning_kmp *opened = NULL;
    lnkeep_status status = lnkeep_foreign_lightning_kmp_open(key->bytes, blob, &opened, err);
    if (status == LNKEEP_DONE) {
        print_kmp(opened);
    }
    lnkeep_foreign_lightning_kmp_free(opened);
    return status;
}

static lnkeep_status import_lnd(const struct file *key, lnkeep_bytes blob, lnkeep_error *err)
{
    uint8_t made[32];
    lnkeep_foreign_lnd *opened = NULL;
    lnkeep_status status = LNKEEP_DONE;
    if (key->len == 33) {
        status = lnkeep_foreign_lnd_key(key->bytes, made, err);
    } else {
        memcpy(made, key->bytes, sizeof made);
    }
    if (status == LNKEEP_DONE) {
        status = lnkeep_foreign_lnd_open(made, blob, &opened, err);
    }
    wipe(made, sizeof made);
    if (status == LNKEEP_DONE) {
        print_lnd(opened);
    }
    lnkeep_foreign_lnd_free(opened);
    return status;
}

/* A kind of backup, what opens it, and how many bytes its key may have. */
struct kind {
    const char *name;
    lnkeep_status (*import)(const struct file *key, lnkeep_bytes blob, lnkeep_error *err);
    size_t key_bytes[2];
};

static const struct kind kinds[] = {
    {"ldk", import_ldk, {32, 32}},
    {"cln", import_cln, {32, 64}},
    {"lightning-kmp", import_kmp, {32, 32}},
    {"lnd", import_lnd, {32, 33}},
};

static const struct kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

static bool read_key(const char *name, const struct kind *kind, struct file *key)
{
    if (!read_file(name, KEY_FILE_BYTES_MAX, key)) {
        return false;
    }
    /* 64 hexadecimal digits are a key of 32 bytes; 64 other bytes are a seed. */
    decode_hex(key);
    if (key->len != kind->key_bytes[0] && key->len != kind->key_bytes[1]) {
        fprintf(stderr, "%s: %zu bytes, and not a key of %zu or %zu, plain or in hexadecimal\n", name,
                key->len, kind->key_bytes[0], kind->key_bytes[1]);
        release(key);
        return false;
    }
    return true;
}

static int import(const struct kind *kind, const char *key_name, const char *blob_name)
{
    struct file key = {0}, blob = {0};
    if (!read_key(key_name, kind, &key)) {
        return EXIT_MISTAKE;
    }
    if (!read_file(blob_name, BLOB_FILE_BYTES_MAX, &blob)) {
        release(&key);
        return EXIT_MISTAKE;
    }
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = kind->import(&key, (lnkeep_bytes){blob.bytes, blob.len}, &err);
    release(&key);
    release(&blob);
    if (status != LNKEEP_DONE) {
        explain(&err);
        return EXIT_CLOSED;
    }
    if (fflush(stdout) != 0) {
        perror("standard output");
        return EXIT_MISTAKE;
    }
    return EXIT_OPENED;
}

int main(int argc, char **argv)
{
    const struct kind *kind = argc == 4 ? kind_of(argv[1]) : NULL;
    if (kind == NULL || (strcmp(argv[2], "-") == 0 && strcmp(argv[3], "-") == 0)) {
        fprintf(stderr, "usage: import_backup ldk|cln|lightning-kmp|lnd KEYFILE BLOBFILE\n"
                        "KEYFILE holds the key, plain or in hexadecimal; one of the files may be -\n");
        return EXIT_MISTAKE;
    }
    return import(kind, argv[2], argv[3]);
}

/*
 * The consumer's own data: what it keeps on its disk, and has its peers keep in case that is lost.
 */
#define _XOPEN_SOURCE 700
#include "consumer.h"

#include "outcome.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DATA_FILE PEERS_CONSUMER_DIRECTORY "/channels"
#define DATA_PART PEERS_CONSUMER_DIRECTORY "/channels.part"

enum { CHANGES_PER_CHANNEL = 40, CHANNEL_BYTES = 17, HEAD_BYTES = 12 };

static uint8_t *put(uint8_t *at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        *at++ = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    }
    return at;
}

static uint64_t get(const uint8_t **at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++) {
        number = number << 8 | *(*at)++;
    }
    return number;
}

size_t consumer_data_write(const struct consumer_data *data, uint8_t *bytes)
{
    uint8_t *at = put(bytes, data->counter, 8);
    at = put(at, data->channels_len, 4);
    for (uint32_t i = 0; i < data->channels_len; i++) {
        at = put(at, data->channels[i].id, 8);
        at = put(at, data->channels[i].local_msat, 8);
        at = put(at, data->channels[i].is_closing, 1);
    }
    return (size_t)(at - bytes);
}

bool consumer_data_read(struct consumer_data *data, const uint8_t *bytes, size_t len)
{
    if (len < HEAD_BYTES) {
        return false;
    }
    const uint8_t *at = bytes;
    struct consumer_data read = {.counter = get(&at, 8)};
    read.channels_len = (uint32_t)get(&at, 4);
    if (read.channels_len > CONSUMER_CHANNELS_MAX ||
        len != HEAD_BYTES + (size_t)CHANNEL_BYTES * read.channels_len) {
        return false;
    }
    for (uint32_t i = 0; i < read.channels_len; i++) {
        read.channels[i].id = get(&at, 8);
        read.channels[i].local_msat = get(&at, 8);
        read.channels[i].is_closing = get(&at, 1) != 0;
    }
    *data = read;
    return true;
}

void consumer_data_load(struct consumer_data *data)
{
    uint8_t bytes[CONSUMER_DATA_BYTES_MAX];
    *data = (struct consumer_data){0};
    FILE *file = fopen(DATA_FILE, "rb");
    if (file == NULL) {
        return; /* the first start, or all is lost: what peers return will tell which */
    }
    const size_t len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (!consumer_data_read(data, bytes, len)) {
        fprintf(stderr, "consumer: %s cannot be read\n", DATA_FILE);
        _exit(EXIT_COULD_NOT_RUN);
    }
}

void consumer_data_save(const struct consumer_data *data)
{
    uint8_t bytes[CONSUMER_DATA_BYTES_MAX];
    const size_t len = consumer_data_write(data, bytes);
    FILE *file = fopen(DATA_PART, "wb");
    /* Without fsync: the demo kills processes, not machines. A real node's channels are in its
     * database, or in lnkeep's monitors. */
    bool good = file != NULL && fwrite(bytes, 1, len, file) == len;
    good = file != NULL && fclose(file) == 0 && good;
    if (!good || rename(DATA_PART, DATA_FILE) != 0) {
        perror(DATA_FILE);
        _exit(EXIT_COULD_NOT_RUN);
    }
}

void consumer_data_change(struct consumer_data *data)
{
    data->counter++;
    if (data->channels_len == 0 || data->counter % CHANGES_PER_CHANNEL == 0) {
        if (data->channels_len == CONSUMER_CHANNELS_MAX) {
            memmove(data->channels, data->channels + 1,
                    (CONSUMER_CHANNELS_MAX - 1) * sizeof *data->channels);
            data->channels_len--; /* the oldest one was closed */
        }
        data->channels[data->channels_len++] =
            (struct consumer_channel){.id = data->counter, .local_msat = 1000000};
    }
    struct consumer_channel *channel = &data->channels[data->counter % data->channels_len];
    if (!channel->is_closing) {
        channel->local_msat += data->counter;
    }
}

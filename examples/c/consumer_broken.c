/*
 * The negative control memory-sequence (peers.h). Nothing to start from.
 */
#define _XOPEN_SOURCE 700
#include "consumer.h"

#include "clock.h"

#include <string.h>

lnkeep_status consumer_memory_seal(struct consumer *consumer, uint64_t now_ms, lnkeep_buf **blob,
                                   lnkeep_error *err)
{
    lnkeep_backup_standing standing = LNKEEP_BACKUP_STANDING_INIT;
    const lnkeep_status status = lnkeep_backup_read_standing(consumer->backup, &standing, err);
    if (status != LNKEEP_DONE) {
        return status;
    }
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    header.seq = ++consumer->memory_seq;
    header.created_unix_secs = now_ms / 1000;
    header.block_height = PEERS_BLOCK_HEIGHT;
    memcpy(header.instance, standing.instance, sizeof header.instance);
    uint8_t bytes[CONSUMER_DATA_BYTES_MAX], entropy[16] = {0};
    const uint64_t drawn = now_us();
    memcpy(entropy, &drawn, sizeof drawn);
    const lnkeep_bytes payload = {
        .ptr = bytes,
        .len = consumer_data_write(&consumer->data, bytes),
    };
    return lnkeep_envelope_seal(consumer->secret, PEERS_PROVIDER_ID, &header, payload, 65531,
                                entropy, blob, err);
}

/*
 * What the provider, the consumer and their parent have in common.
 */
#define _XOPEN_SOURCE 700
#include "peers.h"

#include "channels.h"
#include "clock.h"
#include "outcome.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Opaque to lnkeep: any 33 bytes. */
const uint8_t PEERS_PROVIDER_ID[PEERS_NODE_ID_BYTES] = "\x02" "the provider of the lnkeep demo";
const uint8_t PEERS_CONSUMER_ID[PEERS_NODE_ID_BYTES] = "\x03" "the consumer of the lnkeep demo";

static const char *const MISTAKES[PEERS_MISTAKES] = {
    [PEERS_SOUND] = "nothing",
    [PEERS_EARLY_SEND] = "early-send",
    [PEERS_LATE_LOOK] = "late-look",
    [PEERS_MEMORY_SEQ] = "memory-sequence",
    [PEERS_EARLY_COMMIT] = "early-commit",
    [PEERS_NO_COOLDOWN] = "no-cooldown",
};

const char *peers_mistake_name(enum peers_mistake mistake)
{
    return MISTAKES[mistake];
}

bool peers_mistake_of_name(const char *name, enum peers_mistake *mistake)
{
    for (size_t i = 0; i < PEERS_MISTAKES; i++) {
        if (strcmp(name, MISTAKES[i]) == 0) {
            *mistake = (enum peers_mistake)i;
            return true;
        }
    }
    return false;
}

uint64_t peers_now_ms(void)
{
    static uint64_t began_unix_ms, began_us;
    if (began_unix_ms == 0) {
        began_unix_ms = unix_ns() / 1000000;
        began_us = now_us();
    }
    return began_unix_ms + (now_us() - began_us) / 1000;
}

uint64_t peers_blob_name(const uint8_t *blob, uint64_t len)
{
    uint64_t name = 0;
    for (uint64_t i = 0; i < 8 && i < len; i++) {
        name = name << 8 | blob[i];
    }
    return name;
}

void peers_report(int control_fd, const struct peers_report *report)
{
    if (!channel_send(control_fd, report, sizeof *report)) {
        _exit(EXIT_COULD_NOT_RUN);
    }
}

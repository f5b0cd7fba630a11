/*
 * Reads the answers, and checks that their preimages are the ones of the rule stated in the file.
 */
#include "messages.h"

#include "monitor.h"
#include "sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Longest line: the word, a hash, a message in hex. */
enum { LINE_BYTES_MAX = 16 + 64 + 2 * WIRE_ANSWER_BYTES_MAX };

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads hex up to a space or the end of the line; false if it is malformed or too long. */
static bool read_hex(const char **text, uint8_t *bytes, size_t capacity, size_t *len)
{
    const char *at = *text + strspn(*text, " ");
    for (*len = 0; hex_digit(at[0]) >= 0; at += 2, (*len)++) {
        if (hex_digit(at[1]) < 0 || *len == capacity) {
            return false;
        }
        bytes[*len] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
    }
    *text = at;
    return *at == ' ' || *at == '\n' || *at == '\0';
}

static bool read_message(const char *text, unsigned type, struct message *message)
{
    struct wire_answer answer;
    return read_hex(&text, message->bytes, sizeof message->bytes, &message->len) &&
           wire_read_answer(message->bytes, message->len, &answer) && answer.type == type;
}

static bool read_fulfill(struct messages *messages, const char *text)
{
    uint8_t hash[32], stated_hash[32], preimage[32];
    size_t number = messages->fulfills_len, len;
    if (number == MESSAGES_FULFILLS || !read_hex(&text, stated_hash, 32, &len) || len != 32) {
        return false;
    }
    struct message *fulfill = &messages->fulfills[messages->fulfills_len++];
    if (!read_message(text, WIRE_UPDATE_FULFILL_HTLC, fulfill)) {
        return false;
    }
    messages_preimage(number, preimage);
    sha256(preimage, sizeof preimage, hash);
    return memcmp(hash, stated_hash, 32) == 0 &&
           memcmp(fulfill->bytes + WIRE_PREIMAGE_OFFSET, preimage, 32) == 0;
}

static bool read_fail(struct messages *messages, const char *text)
{
    size_t at = messages->fails_len;
    if (at == MESSAGES_FAILS_MAX) {
        return false;
    }
    messages->fails_len++;
    return read_message(text, WIRE_UPDATE_FAIL_HTLC, &messages->fails[at]);
}

static bool read_line(struct messages *messages, const char *line)
{
    if (line[0] == '#' || line[0] == '\n') {
        return true;
    }
    if (strncmp(line, "fulfill ", 8) == 0) {
        return read_fulfill(messages, line + 8);
    }
    return strncmp(line, "fail ", 5) == 0 && read_fail(messages, line + 5);
}

static bool read_lines(struct messages *messages, FILE *file, const char *path)
{
    static char line[LINE_BYTES_MAX];
    for (unsigned number = 1; fgets(line, sizeof line, file) != NULL; number++) {
        if (!read_line(messages, line)) {
            fprintf(stderr, "%s:%u: not a message of BOLT 2 in the form stated above it\n", path,
                    number);
            return false;
        }
    }
    if (messages->fulfills_len != MESSAGES_FULFILLS || messages->fails_len == 0) {
        fprintf(stderr, "%s: needs %d fulfills and at least one fail\n", path, MESSAGES_FULFILLS);
        return false;
    }
    return true;
}

bool messages_load(struct messages *messages, const char *path)
{
    memset(messages, 0, sizeof *messages);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        fprintf(stderr, "%s: %s; name the file with --messages\n", path, strerror(errno));
        return false;
    }
    bool good = read_lines(messages, file, path);
    fclose(file);
    return good;
}

void messages_preimage(uint64_t number, uint8_t preimage[32])
{
    char text[64];
    int len = snprintf(text, sizeof text, "lnkeep demo preimage %" PRIu64, number);
    sha256(text, (size_t)len, preimage);
}

void messages_fulfill(const struct messages *messages, uint64_t id, const uint8_t preimage[32],
                      struct message *answer)
{
    *answer = messages->fulfills[id % messages->fulfills_len];
    wire_set_channel(answer->bytes, monitor_channel_of(id));
    wire_set_id(answer->bytes, id);
    wire_set_preimage(answer->bytes, preimage);
}

void messages_fail(const struct messages *messages, uint64_t id, unsigned failure_code,
                   struct message *answer)
{
    *answer = messages->fails[id % messages->fails_len];
    wire_set_channel(answer->bytes, monitor_channel_of(id));
    wire_set_id(answer->bytes, id);
    wire_set_failure_code(answer->bytes, failure_code);
}

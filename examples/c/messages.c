#include "messages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Longest line: the word, a hash, a message in hex. */
enum { LINE_BYTES_MAX = 16 + 64 + 2 * WIRE_ANSWER_BYTES_MAX };

/* Of 10 HTLCs, this many settle. */
enum { SETTLES_OF_TEN = 7 };

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
    size_t at = messages->fulfills_len, len;
    if (at == MESSAGES_FULFILLS || !read_hex(&text, messages->payment_hashes[at], 32, &len) ||
        len != 32) {
        return false;
    }
    messages->fulfills_len++;
    return read_message(text, WIRE_UPDATE_FULFILL_HTLC, &messages->fulfills[at]);
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

const uint8_t *messages_payment_hash(const struct messages *messages, uint64_t id)
{
    return messages->payment_hashes[id % MESSAGES_FULFILLS];
}

void messages_answer(const struct messages *messages, uint64_t id, struct message *answer)
{
    /* Spreads neighbouring ids, as settles and failures come mixed. */
    uint64_t mixed = (id * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
    *answer = mixed % 10 < SETTLES_OF_TEN ? messages->fulfills[id % MESSAGES_FULFILLS]
                                          : messages->fails[id % messages->fails_len];
    wire_set_id(answer->bytes, id);
}

/*
 * What the tests of the ABI share: every byte of a structure belongs to a field, numbers keep their values,
 * macros set the size and nothing else.
 */

#ifndef LNKEEP_TEST_LAYOUT_H
#define LNKEEP_TEST_LAYOUT_H

#include "harness.h"

#include <stdio.h>

typedef struct field {
    const char *name;
    size_t offset;
    size_t size;
} field;

#define FIELD(type, name) { #type "." #name, offsetof(type, name), sizeof(((type *)0)->name) }

/* Every byte belongs to a field: fields follow each other and the last one ends the structure. */
static inline void check_layout(const char *type, size_t size, size_t wanted, const field *fields,
                                size_t len) {
    size_t end = 0;
    for (size_t i = 0; i < len; i++) {
        if (!CHECK_EQUAL(fields[i].offset, end)) printf("%s follows a hole\n", fields[i].name);
        end = fields[i].offset + fields[i].size;
    }
    if (!CHECK_EQUAL(size, end)) printf("%s ends with a hole\n", type);
    if (!CHECK_EQUAL(size, wanted)) printf("%s has another size than in ABI 1\n", type);
}

#define CHECK_LAYOUT(type, wanted, ...)                                           \
    do {                                                                          \
        static const field fields[] = {__VA_ARGS__};                              \
        check_layout(#type, sizeof(type), wanted, fields, H_COUNT(fields));       \
    } while (0)

#define F(name) FIELD(T, name)

typedef struct number {
    const char *name;
    uint64_t value, wanted;
} number;

#define N(name, wanted) { #name, LNKEEP_##name, wanted }

static inline void check_numbers(const number *numbers, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (!CHECK_EQUAL(numbers[i].value, numbers[i].wanted)) printf("%s\n", numbers[i].name);
    }
}

#define CHECK_INIT(type, macro)                                                                   \
    do {                                                                                          \
        type started = macro;                                                                     \
        const unsigned char *bytes = (const unsigned char *)&started;                             \
        CHECK_EQUAL(started.size, sizeof started);                                                \
        for (size_t i = sizeof started.size; i < sizeof started; i++) CHECK_EQUAL(bytes[i], 0);   \
    } while (0)

#endif

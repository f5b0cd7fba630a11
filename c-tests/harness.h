/* What the test programs share: checks, temporary directories, children, short forms of the library's calls. */

#ifndef LNKEEP_HARNESS_H
#define LNKEEP_HARNESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lnkeep.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One test: prints `ok NAME`, `not ok NAME`, or nothing but SKIPPED when it called h_skip. */
typedef struct h_test {
    const char *name;
    void (*run)(void);
} h_test;

/* What a child process runs instead of the tests; its answer is the exit status. */
typedef struct h_child {
    const char *name;
    int (*run)(const char *argument);
} h_child;

#define H_TEST(name) { #name, name }
#define H_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Runs the tests, or the child that argv names. Children may be NULL. */
int h_main(int argc, char **argv, const h_test *tests, size_t tests_len, const h_child *children,
           size_t children_len);

/* Each answers whether it held, so that a test may stop early. Safe from any thread. */
int h_check(int held, const char *file, int line, const char *what);
int h_check_equal(uint64_t given, uint64_t wanted, const char *file, int line, const char *what);
int h_check_status(lnkeep_status given, lnkeep_status wanted, const char *file, int line, const char *what);

#define CHECK(condition) h_check((condition) ? 1 : 0, __FILE__, __LINE__, #condition)
#define CHECK_EQUAL(given, wanted) \
    h_check_equal((uint64_t)(given), (uint64_t)(wanted), __FILE__, __LINE__, #given " == " #wanted)
#define CHECK_STATUS(call, wanted) h_check_status((call), (wanted), __FILE__, __LINE__, #call)
#define CHECK_DONE(call) CHECK_STATUS(call, LNKEEP_DONE)

/* Loud, because what did not run was not tested. */
void h_skip(const char *what, const char *why);

/* Under valgrind: fewer rounds of the same. */
int h_is_valgrind(void);
unsigned h_rounds(unsigned plain, unsigned valgrind);
void h_sleep_ms(unsigned ms);

/* Paths live until the end; the directories are removed then. */
const char *h_directory(void);
const char *h_path(const char *directory, const char *name);
void h_remove(const char *path);
int h_read_file(const char *path, uint8_t **bytes, size_t *len);
int h_write_file(const char *path, const uint8_t *bytes, size_t len);
/* Copies the data file of a closed store to a new directory, as `cp` does. */
const char *h_copy_store(const char *directory);
/* Flips a byte of every place where the pattern occurs in a closed store; answers how many there were. */
size_t h_damage(const char *directory, const uint8_t *pattern, size_t len);

/* A small file system of its own, or NULL, which is said loudly as a skipped test. */
const char *h_mount_small(const char *test, unsigned megabytes);
void h_unmount(const char *mounted);
/* Takes all space but `left` bytes; answers the file that does. */
const char *h_fill_disk(const char *mounted, uint64_t left);

/* CRC-32C of what went before and of these bytes; 0 to begin. */
uint32_t h_crc32c(uint32_t crc, const uint8_t *bytes, size_t len);
/* Payment hash of a preimage: SHA-256 of at most 55 bytes, which is one block. */
void h_sha256(const uint8_t *bytes, size_t len, uint8_t hash[32]);

/* Starts this program again as a child. It is a new process, not a fork of this one's library. */
pid_t h_spawn(const char *child, const char *argument);
/* Exit status, or 256 plus the signal that ended it. */
int h_wait(pid_t child);
int h_run_child(const char *child, const char *argument);

/* 1 when readable within the time. */
int h_readable(int descriptor, int timeout_ms);

lnkeep_store h_open(const char *directory);
lnkeep_store h_open_with(const char *directory, const lnkeep_store_options *options);
/* Checks a store or a backup; NULL when that could not be done. */
lnkeep_check_report *h_check_report(const char *path);
/* Whether a report keeps what the header says of every report. */
int h_is_well_formed(const lnkeep_check_report *report);
lnkeep_attempts h_attempts(lnkeep_store store);
lnkeep_payments h_payments(lnkeep_store store);
void h_close(lnkeep_store *store);
void h_close_attempts(lnkeep_attempts *attempts);
void h_close_payments(lnkeep_payments *payments);

lnkeep_bytes h_bytes(const void *bytes, size_t len);
lnkeep_bytes h_text(const char *text);
lnkeep_attempt_key h_key(uint64_t id);
lnkeep_attempt_key h_key_in(uint8_t name_space, uint64_t id);
lnkeep_attempt_request h_request(uint64_t id);
lnkeep_attempt_result h_settle(uint8_t preimage_byte);
lnkeep_attempt_result h_fail(const char *reason);
lnkeep_status h_init(lnkeep_attempts attempts, uint64_t id);
lnkeep_status h_store(lnkeep_attempts attempts, uint64_t id, lnkeep_attempt_result result);
/* Registers ids upwards until the disk is full; answers the first one refused. */
uint64_t h_init_until_full(lnkeep_store store, lnkeep_attempts attempts, uint64_t from);
/*
 * Rows of every kind, 8 attempts a round: each state, acknowledged ones, tombstones, allocations, a
 * cursor, in the namespaces 0 to 2 by the remainder of the id.
 */
void h_fill(lnkeep_store store, lnkeep_attempts attempts, unsigned rounds);
/* State of a record, or the status of the refusal. */
int h_state(lnkeep_attempts attempts, uint64_t id);

/* SHA-256 of 32 bytes of 1, and of 32 bytes of 2. */
extern const uint8_t h_hash_of_ones[32];
extern const uint8_t h_hash_of_twos[32];

#ifdef __cplusplus
}
#endif

#endif

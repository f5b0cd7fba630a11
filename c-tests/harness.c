#define _GNU_SOURCE
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATHS_MAX 2048

static struct {
    const char *program;
    char self[4096];
    unsigned passed, failed, skipped;
    int test_failed, test_skipped;
    char *paths[PATHS_MAX];
    size_t paths_len;
    const char *directories[PATHS_MAX];
    size_t directories_len;
} h;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

const uint8_t h_hash_of_ones[32] = {
    0x72, 0xcd, 0x6e, 0x84, 0x22, 0xc4, 0x07, 0xfb, 0x6d, 0x09, 0x86, 0x90, 0xf1, 0x13, 0x0b, 0x7d,
    0xed, 0x7e, 0xc2, 0xf7, 0xf5, 0xe1, 0xd3, 0x0b, 0xd9, 0xd5, 0x21, 0xf0, 0x15, 0x36, 0x37, 0x93,
};
const uint8_t h_hash_of_twos[32] = {
    0x75, 0x87, 0x7b, 0xb4, 0x1d, 0x39, 0x3b, 0x5f, 0xb8, 0x45, 0x5c, 0xe6, 0x0e, 0xcd, 0x8d, 0xda,
    0x00, 0x1d, 0x06, 0x31, 0x64, 0x96, 0xb1, 0x4d, 0xfa, 0x7f, 0x89, 0x56, 0x56, 0xee, 0xca, 0x4a,
};

static void failed(const char *file, int line) {
    h.test_failed = 1;
    fprintf(stderr, "%s:%d: ", file, line);
}

int h_check(int held, const char *file, int line, const char *what) {
    if (held) return 1;
    pthread_mutex_lock(&lock);
    failed(file, line);
    fprintf(stderr, "does not hold: %s\n", what);
    pthread_mutex_unlock(&lock);
    return 0;
}

int h_check_equal(uint64_t given, uint64_t wanted, const char *file, int line, const char *what) {
    if (given == wanted) return 1;
    pthread_mutex_lock(&lock);
    failed(file, line);
    fprintf(stderr, "%s: %lld, not %lld\n", what, (long long)given, (long long)wanted);
    pthread_mutex_unlock(&lock);
    return 0;
}

int h_check_status(lnkeep_status given, lnkeep_status wanted, const char *file, int line, const char *what) {
    if (given == wanted) return 1;
    pthread_mutex_lock(&lock);
    failed(file, line);
    fprintf(stderr, "%s: answered %s (%d), not %s (%d)\n", what, lnkeep_status_name(given), given,
            lnkeep_status_name(wanted), wanted);
    pthread_mutex_unlock(&lock);
    return 0;
}

void h_skip(const char *what, const char *why) {
    h.test_skipped = 1;
    printf("SKIPPED: %s: %s\n", what, why);
}

int h_is_valgrind(void) {
    const char *set = getenv("LNKEEP_VALGRIND");
    return set && strcmp(set, "1") == 0;
}

unsigned h_rounds(unsigned plain, unsigned valgrind) { return h_is_valgrind() ? valgrind : plain; }

void h_sleep_ms(unsigned ms) {
    struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&time, &time) != 0 && errno == EINTR) {}
}

static void give_up(const char *what) {
    fprintf(stderr, "harness: %s: %s\n", what, strerror(errno));
    exit(70);
}

/* Keeps a string until the end of the program. */
static const char *keep(char *path) {
    if (!path) give_up("memory");
    pthread_mutex_lock(&lock);
    if (h.paths_len == PATHS_MAX) give_up("too many paths");
    h.paths[h.paths_len++] = path;
    pthread_mutex_unlock(&lock);
    return path;
}

const char *h_path(const char *directory, const char *name) {
    size_t len = strlen(directory) + strlen(name) + 2;
    char *path = (char *)malloc(len);
    if (path) snprintf(path, len, "%s/%s", directory, name);
    return keep(path);
}

const char *h_directory(void) {
    const char *base = getenv("TMPDIR");
    const char *path = h_path(base && *base ? base : "/tmp", "lnkeep-test-XXXXXX");
    if (!mkdtemp((char *)(uintptr_t)path)) give_up("mkdtemp");
    pthread_mutex_lock(&lock);
    h.directories[h.directories_len++] = path;
    pthread_mutex_unlock(&lock);
    return path;
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place) {
    (void)facts, (void)kind, (void)place;
    return remove(path);
}

void h_remove(const char *path) { nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT); }

static void remove_directories(void) {
    for (size_t i = 0; i < h.directories_len; i++) h_remove(h.directories[i]);
    for (size_t i = 0; i < h.paths_len; i++) free(h.paths[i]);
}

int h_read_file(const char *path, uint8_t **bytes, size_t *len) {
    struct stat facts;
    FILE *file = fopen(path, "rb");
    *bytes = NULL;
    *len = 0;
    if (!file) return 0;
    if (fstat(fileno(file), &facts) == 0) {
        *bytes = (uint8_t *)malloc((size_t)facts.st_size + 1);
        if (*bytes) *len = fread(*bytes, 1, (size_t)facts.st_size, file);
    }
    fclose(file);
    return *bytes != NULL && *len == (size_t)facts.st_size;
}

int h_write_file(const char *path, const uint8_t *bytes, size_t len) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0) return 0;
    size_t done = 0;
    while (done < len) {
        ssize_t wrote = write(descriptor, bytes + done, len - done);
        if (wrote <= 0) break;
        done += (size_t)wrote;
    }
    return close(descriptor) == 0 && done == len;
}

const char *h_copy_store(const char *directory) {
    const char *copy = h_directory();
    uint8_t *bytes;
    size_t len;
    CHECK(h_read_file(h_path(directory, "data.mdb"), &bytes, &len));
    CHECK(h_write_file(h_path(copy, "data.mdb"), bytes, len));
    free(bytes);
    return copy;
}

size_t h_damage(const char *directory, const uint8_t *pattern, size_t len) {
    const char *path = h_path(directory, "data.mdb");
    uint8_t *bytes;
    size_t size, places = 0;
    if (!CHECK(h_read_file(path, &bytes, &size))) return 0;
    /* In place: a new file would be a copy, and the store would say so. */
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    uint8_t *at = bytes;
    while ((at = (uint8_t *)memmem(at, size - (size_t)(at - bytes), pattern, len)) != NULL) {
        uint8_t flipped = (uint8_t)(*at ^ 0xff);
        CHECK(pwrite(descriptor, &flipped, 1, at - bytes) == 1);
        places++;
        at += len;
    }
    close(descriptor);
    free(bytes);
    return places;
}

static uint64_t free_bytes(const char *path) {
    struct statvfs facts;
    return statvfs(path, &facts) == 0 ? (uint64_t)facts.f_bavail * facts.f_frsize : 0;
}

const char *h_fill_disk(const char *mounted, uint64_t left) {
    const char *filler = h_path(mounted, "filler");
    int descriptor = open(filler, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    uint64_t room = free_bytes(mounted);
    if (room > left) CHECK_EQUAL(posix_fallocate(descriptor, 0, (off_t)(room - left)), 0);
    close(descriptor);
    return filler;
}

const char *h_mount_small(const char *test, unsigned megabytes) {
    const char *path = h_directory();
    char options[64], why[128];
    snprintf(options, sizeof options, "size=%um,mode=0700", megabytes);
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0) return path;
    snprintf(why, sizeof why, "a file system of its own cannot be mounted: %s", strerror(errno));
    h_skip(test, why);
    return NULL;
}

void h_unmount(const char *mounted) { CHECK_EQUAL(umount(mounted), 0); }

uint32_t h_crc32c(uint32_t crc, const uint8_t *bytes, size_t len) {
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
    }
    return ~crc;
}

static uint32_t rotated(uint32_t word, unsigned by) { return word >> by | word << (32 - by); }

static const uint32_t SHA256_CONSTANTS[64] = {
    0x428a2f98u, 0x71374491u, 0xb5c0fbcfu, 0xe9b5dba5u, 0x3956c25bu, 0x59f111f1u, 0x923f82a4u, 0xab1c5ed5u,
    0xd807aa98u, 0x12835b01u, 0x243185beu, 0x550c7dc3u, 0x72be5d74u, 0x80deb1feu, 0x9bdc06a7u, 0xc19bf174u,
    0xe49b69c1u, 0xefbe4786u, 0x0fc19dc6u, 0x240ca1ccu, 0x2de92c6fu, 0x4a7484aau, 0x5cb0a9dcu, 0x76f988dau,
    0x983e5152u, 0xa831c66du, 0xb00327c8u, 0xbf597fc7u, 0xc6e00bf3u, 0xd5a79147u, 0x06ca6351u, 0x14292967u,
    0x27b70a85u, 0x2e1b2138u, 0x4d2c6dfcu, 0x53380d13u, 0x650a7354u, 0x766a0abbu, 0x81c2c92eu, 0x92722c85u,
    0xa2bfe8a1u, 0xa81a664bu, 0xc24b8b70u, 0xc76c51a3u, 0xd192e819u, 0xd6990624u, 0xf40e3585u, 0x106aa070u,
    0x19a4c116u, 0x1e376c08u, 0x2748774cu, 0x34b0bcb5u, 0x391c0cb3u, 0x4ed8aa4au, 0x5b9cca4fu, 0x682e6ff3u,
    0x748f82eeu, 0x78a5636fu, 0x84c87814u, 0x8cc70208u, 0x90befffau, 0xa4506cebu, 0xbef9a3f7u, 0xc67178f2u,
};

/* One block (FIPS 180-4); the first 16 words are the message's, the others are made of them. */
static void sha256_block(uint32_t state[8], uint32_t w[64]) {
    uint32_t s[8];
    memcpy(s, state, sizeof s);
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ a >> 3) + w[i - 7] +
               (rotated(b, 17) ^ rotated(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 64; i++) {
        uint32_t one = s[7] + (rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25)) +
                       ((s[4] & s[5]) ^ (~s[4] & s[6])) + SHA256_CONSTANTS[i] + w[i];
        uint32_t two = (rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22)) +
                       ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++) state[i] += s[i];
}

void h_sha256(const uint8_t *bytes, size_t len, uint8_t hash[32]) {
    uint32_t w[64] = {0}, state[8] = {
        0x6a09e667u, 0xbb67ae85u, 0x3c6ef372u, 0xa54ff53au, 0x510e527fu, 0x9b05688cu, 0x1f83d9abu, 0x5be0cd19u,
    };
    uint8_t block[64] = {0};
    if (!CHECK(len <= 55)) return;
    if (len > 0) memcpy(block, bytes, len);
    block[len] = 0x80;
    block[62] = (uint8_t)(len >> 5);
    block[63] = (uint8_t)(len << 3);
    for (int i = 0; i < 64; i++) w[i / 4] = w[i / 4] << 8 | block[i];
    sha256_block(state, w);
    for (int i = 0; i < 32; i++) hash[i] = (uint8_t)(state[i / 4] >> (24 - i % 4 * 8));
}

pid_t h_spawn(const char *child, const char *argument) {
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) {
        execl(h.self, h.self, "child", child, argument, (char *)NULL);
        _exit(71);
    }
    if (process < 0) give_up("fork");
    return process;
}

int h_wait(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int h_run_child(const char *child, const char *argument) { return h_wait(h_spawn(child, argument)); }

int h_readable(int descriptor, int timeout_ms) {
    struct pollfd wanted = {descriptor, POLLIN, 0};
    return poll(&wanted, 1, timeout_ms) == 1 && (wanted.revents & POLLIN) != 0;
}

lnkeep_store h_open_with(const char *directory, const lnkeep_store_options *options) {
    lnkeep_store store = LNKEEP_STORE_NONE;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_store_open(directory, options, &store, NULL, &err);
    if (!CHECK_DONE(status)) fprintf(stderr, "%s\n", err.message);
    return store;
}

lnkeep_store h_open(const char *directory) { return h_open_with(directory, NULL); }

lnkeep_attempts h_attempts(lnkeep_store store) {
    lnkeep_attempts attempts = LNKEEP_ATTEMPTS_NONE;
    CHECK_DONE(lnkeep_attempts_open(store, NULL, &attempts, NULL));
    return attempts;
}

/* Reads every byte a finding leads to, so that valgrind sees one that is not there. */
static int is_well_formed_finding(const lnkeep_finding *finding) {
    unsigned sum = 0;
    if (!CHECK(finding->table != NULL && finding->fault != NULL)) return 0;
    for (size_t i = 0; i < finding->key.len; i++) sum += finding->key.ptr[i];
    int held = CHECK(sum <= finding->key.len * 255);
    held &= CHECK(strlen(finding->table) <= 32 && strlen(finding->fault) > 3);
    held &= CHECK(strchr(finding->fault, '\n') == NULL);
    held &= CHECK_EQUAL(finding->flags & ~(uint32_t)LNKEEP_FINDING_ROW_ONLY, 0);
    held &= CHECK_EQUAL(finding->reserved, 0);
    return held;
}

int h_is_well_formed(const lnkeep_check_report *report) {
    const uint8_t *at = (const uint8_t *)report->findings;
    int held = CHECK_EQUAL(report->size, sizeof *report), unusable = 0;
    held &= CHECK(report->stride >= sizeof *report->findings);
    held &= CHECK(report->findings_len <= 1000);
    for (size_t i = 0; held && i < report->findings_len; i++, at += report->stride) {
        const lnkeep_finding *finding = (const lnkeep_finding *)(const void *)at;
        held &= is_well_formed_finding(finding);
        if (!(finding->flags & LNKEEP_FINDING_ROW_ONLY)) unusable = 1;
    }
    int truncated = (report->flags & LNKEEP_CHECK_TRUNCATED) != 0;
    held &= CHECK_EQUAL(report->flags & ~UINT32_C(63), 0);
    held &= CHECK(!truncated || report->findings_len == 1000);
    held &= CHECK(!unusable || (report->flags & LNKEEP_CHECK_UNUSABLE));
    held &= CHECK(unusable || truncated || !(report->flags & LNKEEP_CHECK_UNUSABLE));
    return held;
}

lnkeep_check_report *h_check_report(const char *path) {
    lnkeep_check_report *report = NULL;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_status status = lnkeep_check(path, &report, &err);
    if (!CHECK_DONE(status) || !CHECK(report != NULL)) {
        fprintf(stderr, "%s: %s\n", path, err.message);
        return NULL;
    }
    h_is_well_formed(report);
    return report;
}

lnkeep_payments h_payments(lnkeep_store store) {
    lnkeep_payments payments = LNKEEP_PAYMENTS_NONE;
    CHECK_DONE(lnkeep_payments_open(store, NULL, &payments, NULL));
    return payments;
}

void h_close(lnkeep_store *store) { CHECK_DONE(lnkeep_store_close(store, NULL)); }

void h_close_attempts(lnkeep_attempts *attempts) { CHECK_DONE(lnkeep_attempts_close(attempts, NULL)); }

void h_close_payments(lnkeep_payments *payments) { CHECK_DONE(lnkeep_payments_close(payments, NULL)); }

lnkeep_bytes h_bytes(const void *bytes, size_t len) {
    lnkeep_bytes view;
    view.ptr = (const uint8_t *)bytes;
    view.len = len;
    return view;
}

lnkeep_bytes h_text(const char *text) { return h_bytes(text, strlen(text)); }

lnkeep_attempt_key h_key_in(uint8_t name_space, uint64_t id) {
    lnkeep_attempt_key key;
    memset(&key, 0, sizeof key);
    key.namespace_bytes[15] = name_space;
    key.id = id;
    return key;
}

lnkeep_attempt_key h_key(uint64_t id) { return h_key_in(0, id); }

lnkeep_attempt_request h_request(uint64_t id) {
    lnkeep_attempt_request request;
    memset(&request, 0, sizeof request);
    request.key = h_key(id);
    return request;
}

lnkeep_attempt_result h_settle(uint8_t preimage_byte) {
    lnkeep_attempt_result result;
    memset(&result, 0, sizeof result);
    result.kind = LNKEEP_RESULT_SETTLE;
    memset(result.preimage, preimage_byte, sizeof result.preimage);
    return result;
}

lnkeep_attempt_result h_fail(const char *reason) {
    lnkeep_attempt_result result;
    memset(&result, 0, sizeof result);
    result.kind = LNKEEP_RESULT_FAIL;
    result.message = h_text(reason);
    return result;
}

lnkeep_status h_init(lnkeep_attempts attempts, uint64_t id) {
    lnkeep_attempt_request request = h_request(id);
    return lnkeep_attempts_init(attempts, &request, NULL, NULL);
}

lnkeep_status h_store(lnkeep_attempts attempts, uint64_t id, lnkeep_attempt_result result) {
    lnkeep_attempt_key key = h_key(id);
    return lnkeep_attempts_store_result(attempts, &key, &result, NULL, NULL);
}

uint64_t h_init_until_full(lnkeep_store store, lnkeep_attempts attempts, uint64_t from) {
    static lnkeep_op ops[64];
    static lnkeep_outcome outcomes[64];
    uint64_t id = from;
    /* What is too much for many at once may have room for fewer. */
    for (size_t len = 64; len > 0; len /= 2) {
        lnkeep_status status = LNKEEP_DONE;
        while (status == LNKEEP_DONE && id < from + 1000000) {
            memset(ops, 0, sizeof ops);
            for (size_t i = 0; i < len; i++) {
                ops[i].kind = LNKEEP_OP_ATTEMPT_INIT;
                ops[i].component = attempts.bits;
                ops[i].body.attempt_init = h_request(id + i);
            }
            status = lnkeep_submit(store, ops, len, 0, outcomes, NULL);
            if (status == LNKEEP_DONE) id += len;
        }
        for (size_t i = 0; i < len; i++) CHECK_STATUS(outcomes[i].status, LNKEEP_NO_SPACE);
    }
    return id;
}

void h_fill(lnkeep_store store, lnkeep_attempts attempts, unsigned rounds) {
    static uint8_t message[9000];
    lnkeep_events events;
    for (uint64_t id = 1; id <= rounds * 8; id++) {
        lnkeep_attempt_key key = h_key_in((uint8_t)(id % 3), id);
        lnkeep_attempt_request request = h_request(id);
        lnkeep_attempt_result result = h_fail("reason");
        lnkeep_outcome outcome;
        uint64_t allocated;
        request.key = key;
        if (id % 64 == 5) result.message = h_bytes(message, sizeof message);
        CHECK_DONE(lnkeep_attempts_init(attempts, &request, NULL, NULL));
        if (id % 8 == 0) continue;
        CHECK_DONE(lnkeep_attempts_mark_handed_off(attempts, &key, NULL, NULL));
        if (id % 8 == 1) continue;
        if (id % 8 < 4) result = h_settle(1);
        CHECK_DONE(lnkeep_attempts_store_result(attempts, &key, &result, NULL, NULL));
        if (id % 8 < 6) CHECK_DONE(lnkeep_attempts_ack(attempts, &key, NULL, NULL));
        if (id % 8 != 7) continue;
        CHECK_DONE(lnkeep_attempts_delete(attempts, &key, 1, 0, &outcome, NULL));
        lnkeep_bytes name = h_bytes(&id, sizeof id);
        CHECK_DONE(lnkeep_attempts_allocate(attempts, NULL, name, &allocated, NULL));
    }
    CHECK_DONE(lnkeep_events_open(store, h_text("cursor"), 0, &events, NULL));
    CHECK_DONE(lnkeep_events_ack(events, 3, NULL));
    CHECK_DONE(lnkeep_events_close(&events, NULL));
}

int h_state(lnkeep_attempts attempts, uint64_t id) {
    lnkeep_attempt_key key = h_key(id);
    lnkeep_attempt *attempt = NULL;
    lnkeep_status status = lnkeep_attempts_get(attempts, &key, &attempt, NULL);
    if (status != LNKEEP_DONE) return status;
    int state = (int)attempt->state;
    lnkeep_attempt_free(attempt);
    return state;
}

static void run(const h_test *test) {
    h.test_failed = h.test_skipped = 0;
    test->run();
    if (h.test_failed) {
        h.failed++;
        printf("not ok %s\n", test->name);
    } else if (h.test_skipped) {
        h.skipped++;
    } else {
        h.passed++;
        printf("ok %s\n", test->name);
    }
    fflush(stdout);
}

static int run_child(const char *name, const char *argument, const h_child *children, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (strcmp(children[i].name, name) != 0) continue;
        int answer = children[i].run(argument);
        remove_directories();
        return h.test_failed ? 72 : answer;
    }
    return 73;
}

static void learn_own_name(const char *given) {
    ssize_t len = readlink("/proc/self/exe", h.self, sizeof h.self - 1);
    /* Under valgrind it may name the tool; the name the program was started by is good enough then. */
    if (len <= 0 || h_is_valgrind()) snprintf(h.self, sizeof h.self, "%s", given);
    const char *slash = strrchr(given, '/');
    h.program = slash ? slash + 1 : given;
}

/* The program's name without what run.sh appends for the way it was linked. */
static int name_len(void) {
    const char *dot = strchr(h.program, '.');
    return (int)(dot ? (size_t)(dot - h.program) : strlen(h.program));
}

int h_main(int argc, char **argv, const h_test *tests, size_t tests_len, const h_child *children,
           size_t children_len) {
    learn_own_name(argv[0]);
    if (argc == 4 && strcmp(argv[1], "child") == 0) return run_child(argv[2], argv[3], children, children_len);
    for (size_t i = 0; i < tests_len; i++) {
        /* A name on the command line runs that test alone. */
        if (argc == 2 && strcmp(argv[1], tests[i].name) != 0) continue;
        run(&tests[i]);
    }
    remove_directories();
    printf("%.*s: %u passed, %u failed, %u skipped\n", name_len(), h.program, h.passed, h.failed, h.skipped);
    return h.failed ? 1 : 0;
}

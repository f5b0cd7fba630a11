/* The search for an order of calls: depth first over a list of moments; what was tried is known. */

#include "checker.h"

#include "common.h"

#include <stdlib.h>
#include <string.h>

enum { WORDS = CHECKED_MAX / 64, SLOTS_FIRST = 1 << 12, NODES_MAX = 2 * CHECKED_MAX + 2 };

/* The calls that have their place in the order, and the state after them. */
struct tried {
    uint64_t calls[WORDS];
    uint8_t state[CHECKED_STATE_BYTES];
};

/* A moment: the beginning of a call, or its end. */
struct node {
    uint64_t at;
    unsigned call, previous, next;
    unsigned other; /* of a beginning: the node of its end; of an end: 0 */
};

struct placed {
    unsigned node;
    int is_skipped; /* the call was taken for one that never took effect */
    uint8_t state_before[CHECKED_STATE_BYTES];
};

struct checker {
    struct tried *slots;
    uint8_t *is_used;
    size_t slots_len, used;
    struct tried now;
    struct node nodes[NODES_MAX];
    struct placed placed[CHECKED_MAX];
    unsigned placed_len;
};

struct checker *checker_new(void) {
    struct checker *checker = calloc(1, sizeof *checker);
    if (!checker) give_up("memory for the checker");
    checker->slots_len = SLOTS_FIRST;
    checker->slots = malloc(SLOTS_FIRST * sizeof *checker->slots);
    checker->is_used = calloc(SLOTS_FIRST, 1);
    if (!checker->slots || !checker->is_used) give_up("memory for the checker");
    return checker;
}

void checker_free(struct checker *checker) {
    free(checker->slots);
    free(checker->is_used);
    free(checker);
}

uint64_t checker_tried(const struct checker *checker) { return checker->used; }

static size_t slot_for(const struct tried *slots, const uint8_t *is_used, size_t len,
                       const struct tried *wanted) {
    uint64_t digest = DIGEST_START;
    for (size_t i = 0; i < sizeof *wanted / sizeof(uint64_t); i++) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)wanted + i * sizeof word, sizeof word);
        digest = (digest ^ word) * 0x9e3779b97f4a7c15u;
        digest ^= digest >> 29;
    }
    size_t at = digest & (len - 1);
    while (is_used[at] && memcmp(&slots[at], wanted, sizeof *wanted) != 0) {
        at = (at + 1) & (len - 1);
    }
    return at;
}

static void grow(struct checker *checker) {
    size_t len = checker->slots_len * 2;
    struct tried *slots = malloc(len * sizeof *slots);
    uint8_t *is_used = calloc(len, 1);
    if (!slots || !is_used) give_up("memory for the checker");
    for (size_t i = 0; i < checker->slots_len; i++) {
        if (!checker->is_used[i]) continue;
        size_t at = slot_for(slots, is_used, len, &checker->slots[i]);
        slots[at] = checker->slots[i];
        is_used[at] = 1;
    }
    free(checker->slots);
    free(checker->is_used);
    checker->slots = slots;
    checker->is_used = is_used;
    checker->slots_len = len;
}

/* Answers whether it is the first time. */
static int remember(struct checker *checker) {
    if (checker->used * 2 >= checker->slots_len) grow(checker);
    size_t at = slot_for(checker->slots, checker->is_used, checker->slots_len, &checker->now);
    if (checker->is_used[at]) return 0;
    checker->slots[at] = checker->now;
    checker->is_used[at] = 1;
    checker->used++;
    return 1;
}

static int by_moment(const void *one, const void *two) {
    uint64_t first = ((const struct node *)one)->at, second = ((const struct node *)two)->at;
    return first < second ? -1 : first > second;
}

/* Node 0 is the head; a circle, so that the last one's next is 0. */
static unsigned link_nodes(struct checker *checker, const struct checked *calls, size_t calls_len) {
    struct node *nodes = checker->nodes;
    unsigned ends[CHECKED_MAX], len = 1;
    for (unsigned i = 0; i < calls_len; i++) {
        if (calls[i].effect == EFFECT_NONE) continue;
        nodes[len++] = (struct node){.at = calls[i].invoked, .call = i, .other = 1};
        nodes[len++] = (struct node){.at = calls[i].returned, .call = i};
    }
    qsort(nodes + 1, len - 1, sizeof *nodes, by_moment);
    nodes[0] = (struct node){.previous = len - 1, .next = len > 1};
    for (unsigned at = len - 1; at > 0; at--) {
        nodes[at].previous = at - 1;
        nodes[at].next = at + 1 < len ? at + 1 : 0;
        if (nodes[at].other) nodes[at].other = ends[nodes[at].call];
        else ends[nodes[at].call] = at;
    }
    return len;
}

static void unlink_node(struct node *nodes, unsigned at) {
    nodes[nodes[at].previous].next = nodes[at].next;
    nodes[nodes[at].next].previous = nodes[at].previous;
}

static void relink_node(struct node *nodes, unsigned at) {
    nodes[nodes[at].previous].next = at;
    nodes[nodes[at].next].previous = at;
}

/* Gives a call its place, if its answer fits and this was not tried before. */
static int place(struct checker *checker, const struct checked *calls, unsigned at, int is_skipped,
                 checked_step step) {
    struct node *node = &checker->nodes[at];
    const struct checked *call = &calls[node->call];
    struct placed *placed = &checker->placed[checker->placed_len];
    memcpy(placed->state_before, checker->now.state, sizeof placed->state_before);
    int fits = is_skipped || step(checker->now.state, call->call, call->effect == EFFECT_KNOWN);
    checker->now.calls[node->call / 64] |= 1ull << (node->call % 64);
    if (fits && remember(checker)) {
        placed->node = at;
        placed->is_skipped = is_skipped;
        checker->placed_len++;
        unlink_node(checker->nodes, at);
        unlink_node(checker->nodes, node->other);
        return 1;
    }
    checker->now.calls[node->call / 64] &= ~(1ull << (node->call % 64));
    memcpy(checker->now.state, placed->state_before, sizeof placed->state_before);
    return 0;
}

/* Takes the last call's place away; answers its node. */
static unsigned take_back(struct checker *checker, int *was_skipped) {
    const struct placed *placed = &checker->placed[--checker->placed_len];
    const struct node *node = &checker->nodes[placed->node];
    relink_node(checker->nodes, node->other);
    relink_node(checker->nodes, placed->node);
    checker->now.calls[node->call / 64] &= ~(1ull << (node->call % 64));
    memcpy(checker->now.state, placed->state_before, sizeof placed->state_before);
    *was_skipped = placed->is_skipped;
    return placed->node;
}

enum verdict checker_decide(struct checker *checker, const struct checked *calls, size_t len,
                            checked_step step, size_t state_bytes) {
    if (len > CHECKED_MAX || state_bytes > CHECKED_STATE_BYTES) give_up("a history is too long");
    memset(&checker->now, 0, sizeof checker->now);
    memset(checker->is_used, 0, checker->slots_len);
    checker->used = checker->placed_len = 0;
    link_nodes(checker, calls, len);
    unsigned at = checker->nodes[0].next;
    int is_skip_due = 0; /* the call at hand was tried as one that took effect */
    while (checker->nodes[0].next != 0) {
        if (checker->used > TRIED_MAX) return VERDICT_UNDECIDED;
        const struct node *node = &checker->nodes[at];
        /* Who comes to an end, or to the list's, left a call without a place that needs one. */
        if (at == 0 || !node->other) {
            if (checker->placed_len == 0) return VERDICT_NO;
            int was_skipped;
            at = take_back(checker, &was_skipped);
            is_skip_due = !was_skipped;
            if (was_skipped) at = checker->nodes[at].next;
            continue;
        }
        int may_skip = calls[node->call].effect == EFFECT_EITHER;
        int is_placed = !is_skip_due && place(checker, calls, at, 0, step);
        if (!is_placed && may_skip) is_placed = place(checker, calls, at, 1, step);
        is_skip_due = 0;
        at = is_placed ? checker->nodes[0].next : node->next;
    }
    return VERDICT_YES;
}

/* What the threads of a history ask for, from its seed. */

#include "history.h"

#include "common.h"

#include <string.h>

struct weight {
    enum what what;
    unsigned weight;
};

static const struct weight for_attempts[] = {
    {ASK_INIT, 20}, {ASK_MARK, 12}, {ASK_SETTLE, 9}, {ASK_FAIL, 12},  {ASK_ROLLBACK, 10},
    {ASK_ACK, 10},  {ASK_DELETE, 7}, {ASK_FORGET, 5}, {ASK_GET, 15},
};

static const struct weight for_payments[] = {
    {ASK_PAYMENT_INIT, 12},  {ASK_REGISTER, 22},      {ASK_PART_SETTLE, 7}, {ASK_PART_FAIL, 11},
    {ASK_PART_FORCE, 4},     {ASK_GIVE_UP, 5},        {ASK_FETCH, 12},      {ASK_MARK, 7},
    {ASK_PAYMENT_DELETE, 3}, {ASK_PAYMENT_FORGET, 4}, {ASK_SETTLE, 2},      {ASK_FAIL, 3},
    {ASK_ROLLBACK, 2},       {ASK_ACK, 3},            {ASK_DELETE, 2},      {ASK_FORGET, 2},
    {ASK_GET, 4},
};

static uint8_t choose(const struct weight *weights, size_t len, uint64_t *chance) {
    unsigned sum = 0;
    for (size_t i = 0; i < len; i++) sum += weights[i].weight;
    uint64_t left = chance_below(chance, sum);
    size_t at = 0;
    while (left >= weights[at].weight) left -= weights[at++].weight;
    return (uint8_t)weights[at].what;
}

static int is_read(uint8_t what) { return what == ASK_GET || what == ASK_FETCH; }

static struct act choose_act(uint64_t *chance) {
    struct act act = {.key = (uint8_t)chance_below(chance, KEYS)};
    if (act.key < ATTEMPT_KEYS) {
        act.what = choose(for_attempts, sizeof for_attempts / sizeof *for_attempts, chance);
    } else {
        act.what = choose(for_payments, sizeof for_payments / sizeof *for_payments, chance);
        act.part = (uint8_t)chance_below(chance, PARTS);
    }
    /* The second of two requests is the rarer one, so that most of them meet. */
    act.variant = chance_below(chance, 4) == 0;
    return act;
}

unsigned script_threads(uint64_t seed, uint64_t number) {
    uint64_t chance = chance_seed(seed, number);
    return 4 + (unsigned)chance_below(&chance, THREADS_MAX - 3);
}

/* From 40 to 160 calls of a history, with its groups some 50 to 200 operations. */
unsigned script_len(uint64_t seed, uint64_t number, unsigned thread) {
    uint64_t chance = chance_seed(chance_seed(seed, number), 1000);
    unsigned threads = script_threads(seed, number);
    unsigned calls = 40 + (unsigned)chance_below(&chance, 121);
    return calls / threads + (thread < calls % threads);
}

void script_call(uint64_t seed, uint64_t number, unsigned thread, unsigned at, struct call *call) {
    uint64_t chance = chance_seed(chance_seed(seed, number), 2000 + 1000 * (thread + 1) + at);
    unsigned dice = (unsigned)chance_below(&chance, 100);
    call->thread = (uint8_t)thread;
    call->grouping = dice < 78 ? GROUP_SINGLE : dice < 88 ? GROUP_BATCH : GROUP_ATOMIC;
    call->acts_len = 1;
    if (call->grouping != GROUP_SINGLE) {
        call->acts_len = (uint8_t)(2 + chance_below(&chance, ACTS_MAX - 1));
    }
    for (unsigned act = 0; act < call->acts_len; act++) {
        do call->acts[act] = choose_act(&chance);
        while (call->grouping != GROUP_SINGLE && is_read(call->acts[act].what));
    }
}

/*
 * The checker itself: histories of which is known whether they are right, small ones by chance that
 * a search without any cleverness decides too, and right ones of which an answer is changed.
 */

#include "history.h"

#include "common.h"

#include <string.h>

enum { ROWS_MAX = 6, CRASH = 50, NO_ANSWER = 0 };

/* One operation, or one more of the row before when it begins at 0. */
struct row {
    unsigned from, to;
    struct act act;
    int32_t status;
    uint64_t view;
    uint32_t conflict;
    uint64_t event;
    enum grouping grouping;
};

struct known {
    const char *name;
    int is_right;
    struct row rows[ROWS_MAX];
};

#define ID(asked) {.what = asked}
#define ID_OTHER(asked) {.what = asked, .key = 1}
#define PAY(asked, number) {.what = asked, .key = ATTEMPT_KEYS, .part = number}
#define SEEN(state, result) ((state) | (uint64_t)(result) << 8 | (uint64_t)REQUEST_FIRST << 16)

#define INTENT SEEN(LNKEEP_STATE_INTENT, RESULT_NONE)
#define HANDED_OFF SEEN(LNKEEP_STATE_HANDED_OFF, RESULT_NONE)
#define SETTLED SEEN(LNKEEP_STATE_SETTLED, RESULT_SETTLE)

#define ONE(from, to, act, status) {from, to, act, status, VIEW_NONE, 0, 0, GROUP_BATCH}
#define ALL(from, to, act, status) {from, to, act, status, VIEW_NONE, 0, 0, GROUP_ATOMIC}
#define MORE(act, status) {0, 0, act, status, VIEW_NONE, 0, 0, GROUP_BATCH}
#define SEES(from, to, view) {from, to, ID(ASK_GET), LNKEEP_DONE, view, 0, 0, GROUP_SINGLE}
#define MISSES(from, to) {from, to, ID(ASK_GET), LNKEEP_NOT_FOUND, VIEW_NONE, 0, 0, GROUP_SINGLE}
#define NUMBERED(from, to, act, event) \
    {from, to, act, LNKEEP_DONE, VIEW_NONE, 0, event, GROUP_BATCH}

/* What is in doubt (to is NO_ANSWER) was cut off at CRASH. */
static const struct known knowns[] = {
    {"one grant", 1, {ONE(1, 2, ID(ASK_INIT), LNKEEP_DONE)}},
    {"two grants one after the other", 0,
     {ONE(1, 2, ID(ASK_INIT), LNKEEP_DONE), ONE(3, 4, ID(ASK_INIT), LNKEEP_DONE)}},
    {"two grants at once", 0,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), ONE(2, 3, ID(ASK_INIT), LNKEEP_DONE)}},
    {"a grant and a refusal at once", 1,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), ONE(2, 3, ID(ASK_INIT), LNKEEP_ALREADY_EXISTS)}},
    {"the later of two gets it", 1,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_ALREADY_EXISTS), ONE(2, 3, ID(ASK_INIT), LNKEEP_DONE)}},
    {"refused before anybody asked", 0,
     {ONE(1, 2, ID(ASK_INIT), LNKEEP_ALREADY_EXISTS), ONE(3, 4, ID(ASK_INIT), LNKEEP_DONE)}},
    {"seen while it is made", 1, {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), SEES(2, 3, INTENT)}},
    {"not seen while it is made", 1, {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), MISSES(2, 3)}},
    {"not seen after it was made", 0, {ONE(1, 2, ID(ASK_INIT), LNKEEP_DONE), MISSES(3, 4)}},
    {"seen and then not", 0,
     {ONE(1, 6, ID(ASK_INIT), LNKEEP_DONE), SEES(2, 3, INTENT), MISSES(4, 5)}},
    {"not seen and then seen", 1,
     {ONE(1, 6, ID(ASK_INIT), LNKEEP_DONE), MISSES(2, 3), SEES(4, 5, INTENT)}},
    {"cut off and there", 1,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), SEES(61, 62, INTENT)}},
    {"cut off and not there", 1, {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), MISSES(61, 62)}},
    {"cut off and there much later", 0,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), MISSES(61, 62), SEES(63, 64, INTENT)}},
    {"cut off, seen, and lost", 0,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), SEES(2, 3, INTENT), MISSES(61, 62)}},
    {"acknowledged and lost", 0, {ONE(1, 2, ID(ASK_INIT), LNKEEP_DONE), MISSES(61, 62)}},
    {"cut off and repeated in vain", 1,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), ONE(61, 62, ID(ASK_INIT), LNKEEP_ALREADY_EXISTS)}},
    {"cut off and repeated", 1,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), ONE(61, 62, ID(ASK_INIT), LNKEEP_DONE)}},
    {"cut off, seen, and granted again", 0,
     {ONE(1, NO_ANSWER, ID(ASK_INIT), 0), SEES(2, 3, INTENT),
      ONE(61, 62, ID(ASK_INIT), LNKEEP_DONE)}},
    {"marked before it was made", 0,
     {ONE(1, 2, ID(ASK_MARK), LNKEEP_DONE), ONE(3, 4, ID(ASK_INIT), LNKEEP_DONE)}},
    {"marked while it is made", 1,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), ONE(2, 3, ID(ASK_MARK), LNKEEP_DONE)}},
    {"failed after it settled", 0,
     {ONE(1, 2, ID(ASK_SETTLE), LNKEEP_DONE), ONE(3, 4, ID(ASK_FAIL), LNKEEP_DONE)}},
    {"settled after it failed", 1,
     {ONE(1, 2, ID(ASK_FAIL), LNKEEP_DONE),
      {3, 4, ID(ASK_SETTLE), LNKEEP_DONE, VIEW_NONE, 1, 0, GROUP_BATCH}}},
    {"settled after it failed, and nobody was told", 0,
     {ONE(1, 2, ID(ASK_FAIL), LNKEEP_DONE), ONE(3, 4, ID(ASK_SETTLE), LNKEEP_DONE)}},
    {"rolled back and then marked", 0,
     {ONE(1, 2, ID(ASK_INIT), LNKEEP_DONE), ONE(3, 4, ID(ASK_ROLLBACK), LNKEEP_DONE),
      ONE(5, 6, ID(ASK_MARK), LNKEEP_DONE)}},
    {"the id of a tombstone", 0,
     {ONE(1, 2, ID(ASK_FAIL), LNKEEP_DONE), ONE(3, 4, ID(ASK_DELETE), LNKEEP_DONE),
      ONE(5, 6, ID(ASK_INIT), LNKEEP_DONE)}},
    {"the id of a forgotten one", 1,
     {ONE(1, 2, ID(ASK_FAIL), LNKEEP_DONE), ONE(3, 4, ID(ASK_FORGET), LNKEEP_DONE),
      ONE(5, 6, ID(ASK_INIT), LNKEEP_DONE)}},
    {"a batch is seen whole", 1,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), MORE(ID(ASK_MARK), LNKEEP_DONE),
      SEES(2, 3, HANDED_OFF)}},
    {"a batch is seen half", 0,
     {ONE(1, 4, ID(ASK_INIT), LNKEEP_DONE), MORE(ID(ASK_MARK), LNKEEP_DONE), SEES(2, 3, INTENT)}},
    {"a batch against its order", 0,
     {ONE(1, 4, ID(ASK_MARK), LNKEEP_DONE), MORE(ID(ASK_INIT), LNKEEP_DONE)}},
    {"a refused group leaves nothing", 1,
     {ALL(1, 2, ID(ASK_INIT), LNKEEP_ABORTED), MORE(ID_OTHER(ASK_MARK), LNKEEP_NOT_FOUND),
      MISSES(3, 4)}},
    {"a refused group leaves something", 0,
     {ALL(1, 2, ID(ASK_INIT), LNKEEP_ABORTED), MORE(ID_OTHER(ASK_MARK), LNKEEP_NOT_FOUND),
      SEES(3, 4, INTENT)}},
    {"a group that nothing refuses", 0,
     {ONE(1, 2, ID_OTHER(ASK_INIT), LNKEEP_DONE), ALL(3, 4, ID(ASK_INIT), LNKEEP_ABORTED),
      MORE(ID_OTHER(ASK_MARK), LNKEEP_NOT_FOUND)}},
    {"a group cut off, and all of it there", 1,
     {ALL(1, NO_ANSWER, ID(ASK_INIT), 0), MORE(ID_OTHER(ASK_INIT), 0), SEES(61, 62, INTENT),
      {63, 64, ID_OTHER(ASK_GET), LNKEEP_DONE, INTENT, 0, 0, GROUP_SINGLE}}},
    {"a group cut off, and none of it there", 1,
     {ALL(1, NO_ANSWER, ID(ASK_INIT), 0), MORE(ID_OTHER(ASK_INIT), 0), MISSES(61, 62),
      {63, 64, ID_OTHER(ASK_GET), LNKEEP_NOT_FOUND, VIEW_NONE, 0, 0, GROUP_SINGLE}}},
    {"a group cut off, and half of it there", 0,
     {ALL(1, NO_ANSWER, ID(ASK_INIT), 0), MORE(ID_OTHER(ASK_INIT), 0), SEES(61, 62, INTENT),
      {63, 64, ID_OTHER(ASK_GET), LNKEEP_NOT_FOUND, VIEW_NONE, 0, 0, GROUP_SINGLE}}},
    {"two parts of the amount, and no third", 1,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE),
      ONE(3, 6, PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      ONE(4, 8, PAY(ASK_REGISTER, 1), LNKEEP_VALUE_EXCEEDS),
      ONE(5, 7, PAY(ASK_REGISTER, 2), LNKEEP_DONE)}},
    {"more than the amount", 0,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE),
      ONE(3, 6, PAY(ASK_REGISTER, 0), LNKEEP_DONE), ONE(4, 8, PAY(ASK_REGISTER, 1), LNKEEP_DONE),
      ONE(5, 7, PAY(ASK_REGISTER, 2), LNKEEP_DONE)}},
    {"paid and initiated again", 0,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE), MORE(PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      MORE(PAY(ASK_PART_SETTLE, 0), LNKEEP_DONE),
      ONE(3, 4, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE)}},
    {"paid, deleted and refused", 1,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE), MORE(PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      MORE(PAY(ASK_PART_SETTLE, 0), LNKEEP_DONE),
      ONE(3, 4, PAY(ASK_PAYMENT_DELETE, 0), LNKEEP_DONE),
      ONE(5, 6, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_ALREADY_PAID)}},
    {"paid, deleted and initiated again", 0,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE), MORE(PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      MORE(PAY(ASK_PART_SETTLE, 0), LNKEEP_DONE),
      ONE(3, 4, PAY(ASK_PAYMENT_DELETE, 0), LNKEEP_DONE),
      ONE(5, 6, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE)}},
    {"a part settles its record", 1,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE), MORE(PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      ONE(3, 4, PAY(ASK_PART_SETTLE, 0), LNKEEP_DONE), ONE(5, 6, PAY(ASK_ACK, 0), LNKEEP_ALREADY)}},
    {"a part settles without its record", 0,
     {ONE(1, 2, PAY(ASK_PAYMENT_INIT, 0), LNKEEP_DONE), MORE(PAY(ASK_REGISTER, 0), LNKEEP_DONE),
      ONE(3, 4, PAY(ASK_PART_SETTLE, 0), LNKEEP_DONE),
      ONE(5, 6, PAY(ASK_ACK, 0), LNKEEP_RESULT_PENDING)}},
    {"events in the order of calls", 1,
     {NUMBERED(1, 2, ID(ASK_INIT), 7), NUMBERED(3, 4, ID(ASK_MARK), 8)}},
    {"events against the order of calls", 0,
     {NUMBERED(1, 2, ID(ASK_INIT), 8), NUMBERED(3, 4, ID(ASK_MARK), 7)}},
    {"one event number twice", 0,
     {NUMBERED(1, 4, ID(ASK_INIT), 7), NUMBERED(2, 3, ID_OTHER(ASK_INIT), 7)}},
};

static void add_row(struct history *history, const struct row *row) {
    unsigned at = atomic_load(&history->calls_len);
    if (row->from != 0) {
        struct call *call = &history->calls[at++];
        atomic_store(&history->calls_len, at);
        atomic_store(&call->invoked, row->from);
        atomic_store(&call->returned, row->to);
        call->life = row->from > CRASH;
        call->grouping = (uint8_t)row->grouping;
    }
    struct call *call = &history->calls[at - 1];
    call->acts[call->acts_len] = row->act;
    call->answers[call->acts_len++] = (struct answer){
        .status = row->status,
        .conflict = row->conflict,
        .event = row->event,
        .view = row->view,
    };
}

static unsigned judge_knowns(struct checker *checker) {
    static struct history history;
    static const uint64_t crashes[LIVES_MAX] = {CRASH, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    unsigned wrong = 0;
    for (size_t at = 0; at < sizeof knowns / sizeof *knowns; at++) {
        memset((void *)&history, 0, sizeof history);
        const struct known *known = &knowns[at];
        for (unsigned row = 0; row < ROWS_MAX; row++) {
            int is_row = known->rows[row].from != 0 || known->rows[row].grouping != GROUP_SINGLE;
            if (is_row) add_row(&history, &known->rows[row]);
        }
        struct judgement judgement = history_judge(checker, &history, crashes);
        if ((judgement.why == NULL) == known->is_right) continue;
        wrong++;
        printf("VIOLATION wrong: \"%s\" was judged %s\n", known->name,
               judgement.why ? judgement.why : "right");
    }
    return wrong;
}

/* --- Small histories by chance. */

enum { SMALL_CALLS = 7 };

/* Without a list, without memory: every call that no other has to come before is tried. */
static int is_explained(const struct call *calls, unsigned len, unsigned placed,
                        const struct key_state *state) {
    if (placed + 1 == 1u << len) return 1;
    for (unsigned at = 0; at < len; at++) {
        int may_be_next = !(placed >> at & 1);
        for (unsigned other = 0; other < len && may_be_next; other++) {
            uint64_t end = atomic_load(&calls[other].returned);
            uint64_t returned = end ? end : UINT64_MAX;
            may_be_next = placed >> other & 1 || returned > atomic_load(&calls[at].invoked);
        }
        if (!may_be_next) continue;
        struct key_state after = *state;
        struct answer right = model_act(&after, &calls[at].acts[0]);
        const struct answer *given = &calls[at].answers[0];
        int is_doubtful = atomic_load(&calls[at].returned) == 0;
        int fits = is_doubtful || (right.status == given->status && right.view == given->view &&
                                   right.conflict == given->conflict);
        if (fits && is_explained(calls, len, placed | 1u << at, &after)) return 1;
        if (is_doubtful && is_explained(calls, len, placed | 1u << at, state)) return 1;
    }
    return 0;
}

/* Calls that took effect one after the other, in intervals that overlap; the last may be cut. */
static void make_small(struct history *history, uint64_t *chance) {
    static const uint8_t asks[] = {
        ASK_INIT, ASK_MARK, ASK_FAIL, ASK_ROLLBACK, ASK_GET, ASK_FORGET, ASK_ACK,
    };
    static const uint8_t payment_asks[] = {
        ASK_PAYMENT_INIT, ASK_REGISTER,    ASK_PART_FAIL,      ASK_GIVE_UP,
        ASK_FETCH,        ASK_PART_SETTLE, ASK_PAYMENT_FORGET,
    };
    struct key_state state = {0};
    int is_payment = (int)chance_below(chance, 2);
    memset((void *)history, 0, sizeof *history);
    for (unsigned at = 0; at < SMALL_CALLS; at++) {
        struct call *call = &history->calls[at];
        uint64_t moment = 10 + 5 * at;
        call->acts_len = 1;
        call->acts[0].what = (is_payment ? payment_asks : asks)[chance_below(chance, 7)];
        call->acts[0].key = is_payment ? ATTEMPT_KEYS : 0;
        call->acts[0].part = is_payment ? (uint8_t)chance_below(chance, PARTS) : 0;
        /* Moments of different calls differ: theirs are equal modulo 8 only to themselves. */
        atomic_store(&call->invoked, (moment - chance_below(chance, 10)) * 8 + at);
        atomic_store(&call->returned, (moment + 1 + chance_below(chance, 10)) * 8 + at);
        int is_cut_off = at + 2 > SMALL_CALLS && chance_below(chance, 2);
        int is_applied = !is_cut_off || chance_below(chance, 2);
        if (is_applied) call->answers[0] = model_act(&state, &call->acts[0]);
        if (is_cut_off) atomic_store(&call->returned, 0);
    }
    atomic_store(&history->calls_len, SMALL_CALLS);
}

struct small_figures {
    unsigned right, wrong_answers, disagreements;
};

static struct small_figures judge_small(struct checker *checker, uint64_t seed) {
    static struct history history;
    struct small_figures figures = {0};
    uint64_t crashes[LIVES_MAX] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (unsigned at = 0; at < CHECKER_TESTS; at++) {
        uint64_t chance = chance_seed(seed, at);
        const struct key_state empty = {0};
        make_small(&history, &chance);
        int is_changed = at % 2 && history_mutate(&history, &chance);
        int is_right = is_explained(history.calls, SMALL_CALLS, 0, &empty);
        unsigned key = history.calls[0].acts[0].key;
        int is_judged_right =
            history_judge_key(checker, &history, crashes, key) == VERDICT_YES;
        figures.right += (unsigned)is_right;
        figures.wrong_answers += (unsigned)!is_right;
        int is_wrong = is_right != is_judged_right || (!is_changed && !is_right);
        if (!is_wrong) continue;
        if (figures.disagreements++ < 5) {
            printf("VIOLATION wrong: small history %u was judged %s\n    replay: "
                   "build/torture/history --test --seed %llu\n",
                   at, is_judged_right ? "right" : "wrong", (unsigned long long)seed);
        }
    }
    return figures;
}

/* --- Changed answers. */

static const int32_t other_statuses[] = {
    LNKEEP_DONE,        LNKEEP_ALREADY,     LNKEEP_ALREADY_EXISTS, LNKEEP_NOT_FOUND,
    LNKEEP_CONFLICT,    LNKEEP_NOT_PENDING, LNKEEP_DELETED,        LNKEEP_RESULT_PENDING,
    LNKEEP_ALREADY_PAID,
};

int history_mutate(struct history *history, uint64_t *chance) {
    unsigned len = atomic_load(&history->calls_len);
    unsigned from = len ? (unsigned)chance_below(chance, len) : 0;
    for (unsigned i = 0; i < len; i++) {
        struct call *call = &history->calls[(from + i) % len];
        if (atomic_load(&call->invoked) == 0 || atomic_load(&call->returned) == 0) continue;
        struct answer *answer = &call->answers[chance_below(chance, call->acts_len)];
        /* What was aborted with its group says nothing of its own. */
        if (answer->status == LNKEEP_ABORTED) continue;
        if (answer->view != VIEW_NONE && chance_below(chance, 2)) {
            answer->view ^= 1;
            return 1;
        }
        int32_t before = answer->status;
        while (answer->status == before) {
            size_t others = sizeof other_statuses / sizeof *other_statuses;
            answer->status = other_statuses[chance_below(chance, others)];
        }
        return 1;
    }
    return 0;
}

unsigned checker_test(uint64_t seed, char *details, size_t len) {
    struct checker *checker = checker_new();
    unsigned wrong = judge_knowns(checker);
    struct small_figures small = judge_small(checker, seed);
    snprintf(details, len,
             "%zu known histories; %u small ones by chance, %u right and %u wrong ones, each "
             "decided twice",
             sizeof knowns / sizeof *knowns, (unsigned)CHECKER_TESTS, small.right,
             small.wrong_answers);
    /* A test without wrong histories could not tell a checker that lets everything pass. */
    int is_vacuous = small.wrong_answers < CHECKER_TESTS / 10;
    checker_free(checker);
    return wrong + small.disagreements + (unsigned)is_vacuous;
}

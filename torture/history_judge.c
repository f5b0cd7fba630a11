/* Is a history right? Each key alone; groups over several keys all or none; events in real time. */

#include "history.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { IN_DOUBT_MAX = 10 };

/* One key's operations of one call: they share a commit, and so one place in the order. */
struct piece {
    const struct call *call;
    unsigned key;
};

struct pieces {
    struct piece pieces[CHECKED_MAX];
    struct checked checked[CHECKED_MAX];
    size_t len;
};

static int answers_fit(const struct call *call, unsigned at, const struct answer *right) {
    const struct answer *given = &call->answers[at];
    if (given->status != right->status || given->conflict != right->conflict) return 0;
    /* Only calls of their own give back the payment. */
    int is_read = call->acts[at].what == ASK_GET || call->acts[at].what == ASK_FETCH;
    return (call->grouping != GROUP_SINGLE && !is_read) || given->view == right->view;
}

/* Where an atomic group was refused; acts_len when it was not. */
static unsigned refused_at(const struct call *call) {
    for (unsigned at = 0; at < call->acts_len; at++) {
        int32_t status = call->answers[at].status;
        if (status < 0 && status != LNKEEP_ABORTED) return at;
    }
    return call->acts_len;
}

/* An atomic group of which the answers are known. */
static int step_atomic(struct key_state *state, const struct piece *piece) {
    const struct call *call = piece->call;
    unsigned refused = refused_at(call);
    struct key_state tried = *state;
    for (unsigned at = 0; at < call->acts_len && at <= refused; at++) {
        if (call->acts[at].key != piece->key) continue;
        struct answer right = model_act(&tried, &call->acts[at]);
        int is_refused = right.status < 0;
        if (is_refused != (at == refused)) return 0;
        if ((refused == call->acts_len || is_refused) && !answers_fit(call, at, &right)) return 0;
    }
    for (unsigned at = 0; refused < call->acts_len && at < call->acts_len; at++) {
        if (at != refused && call->answers[at].status != LNKEEP_ABORTED) return 0;
    }
    if (refused == call->acts_len) *state = tried;
    return 1;
}

/* A group that is refused has no effect anywhere, which is the choice that leaves it out. */
static int apply_atomic(struct key_state *state, const struct piece *piece) {
    struct key_state tried = *state;
    for (unsigned at = 0; at < piece->call->acts_len; at++) {
        if (piece->call->acts[at].key != piece->key) continue;
        if (model_act(&tried, &piece->call->acts[at]).status < 0) return 0;
    }
    *state = tried;
    return 1;
}

static int step(void *state, const void *call, int is_known) {
    const struct piece *piece = call;
    if (piece->call->grouping == GROUP_ATOMIC) {
        return is_known ? step_atomic(state, piece) : apply_atomic(state, piece);
    }
    for (unsigned at = 0; at < piece->call->acts_len; at++) {
        if (piece->call->acts[at].key != piece->key) continue;
        struct answer right = model_act(state, &piece->call->acts[at]);
        if (is_known && !answers_fit(piece->call, at, &right)) return 0;
    }
    return 1;
}

static int touches(const struct call *call, unsigned key) {
    for (unsigned at = 0; at < call->acts_len; at++) {
        if (call->acts[at].key == key) return 1;
    }
    return 0;
}

static unsigned keys_touched(const struct call *call) {
    unsigned count = 0;
    for (unsigned key = 0; key < KEYS; key++) count += touches(call, key);
    return count;
}

static int is_made(const struct call *call) { return atomic_load(&call->invoked) != 0; }

static int is_doubtful(const struct call *call) { return atomic_load(&call->returned) == 0; }

/* What was under way when its process was killed took effect before the end, or never. */
static uint64_t end_of(const struct call *call, const uint64_t *crashes) {
    return is_doubtful(call) ? crashes[call->life] : atomic_load(&call->returned);
}

static void collect(struct pieces *pieces, const struct history *history, const uint64_t *crashes,
                    unsigned key) {
    pieces->len = 0;
    unsigned len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        if (!is_made(call) || !touches(call, key)) continue;
        pieces->pieces[pieces->len] = (struct piece){call, key};
        pieces->checked[pieces->len] = (struct checked){
            .invoked = atomic_load(&call->invoked),
            .returned = end_of(call, crashes),
            .effect = is_doubtful(call) ? EFFECT_EITHER : EFFECT_KNOWN,
            .call = &pieces->pieces[pieces->len],
        };
        pieces->len++;
    }
}

enum verdict history_judge_key(struct checker *checker, const struct history *history,
                               const uint64_t *crashes, unsigned key) {
    static struct pieces pieces;
    collect(&pieces, history, crashes, key);
    return checker_decide(checker, pieces.checked, pieces.len, step, sizeof(struct key_state));
}

/* Groups over several keys that nobody was told the outcome of. */
static unsigned groups_in_doubt(const struct history *history, const struct call **groups) {
    unsigned found = 0, len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        int is_group = call->grouping == GROUP_ATOMIC && keys_touched(call) > 1;
        if (!is_made(call) || !is_doubtful(call) || !is_group) continue;
        if (found < IN_DOUBT_MAX) groups[found] = call;
        found++;
    }
    return found;
}

/* One choice for all keys: a group took effect in each of them or in none. */
static enum verdict decide_with(struct checker *checker, struct pieces *all, unsigned choice,
                                const struct call **groups, unsigned groups_len) {
    for (unsigned key = 0; key < KEYS; key++) {
        struct pieces *pieces = &all[key];
        for (size_t at = 0; at < pieces->len; at++) {
            for (unsigned group = 0; group < groups_len; group++) {
                if (pieces->pieces[at].call != groups[group]) continue;
                pieces->checked[at].effect = choice >> group & 1 ? EFFECT_ONCE : EFFECT_NONE;
            }
        }
        enum verdict verdict = checker_decide(checker, pieces->checked, pieces->len, step,
                                              sizeof(struct key_state));
        if (verdict != VERDICT_YES) return verdict;
    }
    return VERDICT_YES;
}

static const char *judge_groups(struct checker *checker, const struct history *history,
                                const uint64_t *crashes, struct judgement *judgement) {
    static struct pieces all[KEYS];
    const struct call *groups[IN_DOUBT_MAX];
    unsigned len = groups_in_doubt(history, groups);
    judgement->groups_in_doubt = len;
    if (len == 0) return NULL;
    if (len > IN_DOUBT_MAX) return "too many groups are in doubt";
    for (unsigned key = 0; key < KEYS; key++) collect(&all[key], history, crashes, key);
    for (unsigned choice = 0; choice < 1u << len; choice++) {
        enum verdict verdict = decide_with(checker, all, choice, groups, len);
        if (verdict == VERDICT_UNDECIDED) return "too many states";
        if (verdict == VERDICT_YES) return NULL;
    }
    return "a group took effect in one key and not in another";
}

struct numbered {
    uint64_t invoked, returned, first, last;
};

static int by_number(const void *one, const void *two) {
    uint64_t first = ((const struct numbered *)one)->first;
    uint64_t second = ((const struct numbered *)two)->first;
    return first < second ? -1 : first > second;
}

static size_t number_calls(const struct history *history, struct numbered *numbered) {
    size_t found = 0;
    unsigned len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        struct numbered one = {atomic_load(&call->invoked), atomic_load(&call->returned), 0, 0};
        if (one.invoked == 0 || one.returned == 0) continue;
        for (unsigned act = 0; act < call->acts_len; act++) {
            uint64_t event = call->answers[act].event;
            if (event == 0) continue;
            if (one.first == 0) one.first = event;
            one.last = event;
        }
        if (one.first != 0) numbered[found++] = one;
    }
    return found;
}

/* Events are numbered in the order of their commits, which has to agree with real time. */
static const char *judge_events(const struct history *history) {
    static struct numbered numbered[CALLS_MAX];
    size_t len = number_calls(history, numbered);
    qsort(numbered, len, sizeof *numbered, by_number);
    uint64_t latest = 0;
    for (size_t at = 0; at < len; at++) {
        if (at > 0 && numbered[at].first <= numbered[at - 1].last) return "an event number twice";
        if (numbered[at].returned < latest) return "an event number against real time";
        if (numbered[at].invoked > latest) latest = numbered[at].invoked;
    }
    return NULL;
}

/* Written apart from the machine: what a view says to be out is never more than the amount. */
static const char *judge_amounts(const struct history *history) {
    unsigned len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        for (unsigned act = 0; act < call->acts_len && !is_doubtful(call); act++) {
            uint64_t view = call->answers[act].view, out_msat = 0;
            if (call->acts[act].key < ATTEMPT_KEYS || call->acts[act].what < ASK_PAYMENT_INIT ||
                view == VIEW_NONE) {
                continue;
            }
            for (unsigned part = 0; part < PARTS; part++) {
                unsigned seen = (unsigned)(view >> (8 * part)) & 0xff, state = seen >> 6;
                int is_out = state != 0 && state != LNKEEP_PAYMENT_ATTEMPT_FAILED;
                if (is_out) out_msat += part_amount_of(seen >> 5 & 1);
            }
            int is_late = view >> 42 & 1;
            if (!is_late && out_msat > amount_of(view >> 40 & 1)) {
                return "more than its amount is out";
            }
        }
    }
    return NULL;
}

static void count(const struct history *history, struct judgement *judgement) {
    unsigned len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        if (!is_made(call)) continue;
        judgement->operations += call->acts_len;
        if (is_doubtful(call)) judgement->doubtful += call->acts_len;
    }
}

struct judgement history_judge(struct checker *checker, const struct history *history,
                               const uint64_t *crashes) {
    static struct pieces pieces;
    struct judgement judgement = {0};
    count(history, &judgement);
    for (unsigned key = 0; key < KEYS; key++) {
        collect(&pieces, history, crashes, key);
        if (pieces.len > judgement.widest) judgement.widest = pieces.len;
        enum verdict verdict = checker_decide(checker, pieces.checked, pieces.len, step,
                                              sizeof(struct key_state));
        judgement.tried += checker_tried(checker);
        judgement.key = key;
        if (verdict == VERDICT_YES) continue;
        judgement.why = verdict == VERDICT_NO ? "no order of the calls explains the answers"
                                              : "too many states";
        return judgement;
    }
    judgement.key = KEYS;
    judgement.why = judge_groups(checker, history, crashes, &judgement);
    if (!judgement.why) judgement.why = judge_events(history);
    if (!judgement.why) judgement.why = judge_amounts(history);
    return judgement;
}

/* --- Files. */

static const char groupings[] = "sba";

void history_write(const struct history *history, const uint64_t *crashes, size_t crashes_len,
                   FILE *file) {
    unsigned len = atomic_load(&history->calls_len);
    fprintf(file, "history %" PRIu64 "\n", history->number);
    for (size_t life = 0; life < crashes_len; life++) {
        fprintf(file, "crash %" PRIu64 "\n", crashes[life]);
    }
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        if (!is_made(call)) continue;
        fprintf(file, "call %" PRIu64 " %" PRIu64 " %u %u %c %u\n",
                (uint64_t)atomic_load(&call->invoked), (uint64_t)atomic_load(&call->returned),
                call->thread, call->life, groupings[call->grouping], call->acts_len);
        for (unsigned act = 0; act < call->acts_len; act++) {
            const struct act *asked = &call->acts[act];
            const struct answer *told = &call->answers[act];
            fprintf(file, "  %s %u %u %u = %d %u %" PRIu64 " %" PRIx64 " %s\n",
                    ask_names[asked->what], asked->key, asked->part, asked->variant, told->status,
                    told->conflict, told->event, told->view, lnkeep_status_name(told->status));
        }
    }
}

static int read_act(struct call *call, unsigned at, FILE *file) {
    char name[16], status_name[40];
    struct act *asked = &call->acts[at];
    struct answer *told = &call->answers[at];
    unsigned key, part, variant, what = 0;
    if (fscanf(file, " %15s %u %u %u = %d %u %" SCNu64 " %" SCNx64 " %39s", name, &key, &part,
               &variant, &told->status, &told->conflict, &told->event, &told->view,
               status_name) != 9) {
        return 0;
    }
    while (what < ASKS && strcmp(ask_names[what], name) != 0) what++;
    *asked = (struct act){(uint8_t)what, (uint8_t)key, (uint8_t)part, (uint8_t)variant};
    return what < ASKS && key < KEYS && part < PARTS;
}

static int read_call(struct history *history, FILE *file) {
    uint64_t invoked, returned;
    unsigned thread, life, acts_len, at = atomic_load(&history->calls_len);
    char grouping;
    if (at == CALLS_MAX) return 0;
    struct call *call = &history->calls[at];
    if (fscanf(file, " %" SCNu64 " %" SCNu64 " %u %u %c %u", &invoked, &returned, &thread, &life,
               &grouping, &acts_len) != 6) {
        return 0;
    }
    const char *found = strchr(groupings, grouping);
    if (!found || !*found || acts_len > ACTS_MAX || life >= LIVES_MAX) return 0;
    atomic_store(&call->invoked, invoked);
    atomic_store(&call->returned, returned);
    call->thread = (uint8_t)thread;
    call->life = (uint8_t)life;
    call->grouping = (uint8_t)(found - groupings);
    call->acts_len = (uint8_t)acts_len;
    for (unsigned act = 0; act < acts_len; act++) {
        if (!read_act(call, act, file)) return 0;
    }
    atomic_store(&history->calls_len, at + 1);
    return 1;
}

int history_read(struct history *history, uint64_t *crashes, size_t crashes_max, FILE *file) {
    char word[16];
    size_t crashes_len = 0;
    if (fscanf(file, " history %" SCNu64, &history->number) != 1) return 0;
    for (size_t i = 0; i < crashes_max; i++) crashes[i] = UINT64_MAX;
    while (fscanf(file, " %15s", word) == 1) {
        if (strcmp(word, "crash") == 0 && crashes_len < crashes_max) {
            if (fscanf(file, " %" SCNu64, &crashes[crashes_len++]) != 1) return 0;
        } else if (strcmp(word, "call") != 0 || !read_call(history, file)) {
            return 0;
        }
    }
    return 1;
}

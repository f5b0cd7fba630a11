/* The host whose threads make a history: every call is noted before it is made, and after. */

#define _GNU_SOURCE
#include "history.h"

#include "common.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELD_MAX = 6 };

struct host {
    struct saga *saga;
    unsigned life;
    struct opened stores[2];
    struct history *history;
    atomic_int failed;
    pthread_mutex_t cache_lock;
    struct answer cache[KEYS][PARTS][2];
    unsigned cache_left[KEYS][PARTS][2]; /* answers that the cache still gives: a liar's */
};

struct worker {
    struct host *host;
    unsigned thread;
    pthread_t id;
};

/* --- Liars, which the checker has to catch. */

/* Answers a read from what an earlier one was told, a few times. */
static int answer_stale(struct host *host, const struct act *act, struct answer *answer,
                        int is_after) {
    int which = act->what == ASK_FETCH;
    struct answer *cached = &host->cache[act->key][act->part][which];
    unsigned *left = &host->cache_left[act->key][act->part][which];
    int is_given = 0;
    pthread_mutex_lock(&host->cache_lock);
    if (is_after) {
        *cached = *answer;
        *left = HELD_MAX;
    } else if (*left > 0) {
        --*left;
        *answer = *cached;
        is_given = 1;
    }
    pthread_mutex_unlock(&host->cache_lock);
    return is_given;
}

/* Operation by operation, in transactions of their own, and told as if they were one. */
static void submit_apart(const struct opened *opened, const struct history *history,
                         struct call *call) {
    unsigned refused = call->acts_len;
    for (unsigned at = 0; at < call->acts_len; at++) {
        call->answers[at] = (struct answer){.status = LNKEEP_ABORTED, .view = VIEW_NONE};
        if (refused < call->acts_len) continue;
        call->answers[at] = history_ask(opened, history, &call->acts[at]);
        if (call->answers[at].status < 0) refused = at;
    }
    for (unsigned at = 0; at < refused && refused < call->acts_len; at++) {
        call->answers[at] = (struct answer){.status = LNKEEP_ABORTED, .view = VIEW_NONE};
    }
}

/* --- A thread. */

/* The process ends itself, or stops to be looked at, at a moment that the parent chose. */
static uint64_t now(struct saga *saga) {
    uint64_t moment = saga_now(saga);
    int is_end = moment == saga->kill_at;
    if (!is_end && moment != saga->stop_at) return moment;
    uint64_t until_us = now_us() + saga->delay_us;
    /* The other threads go on meanwhile, so that they die anywhere inside their calls. */
    while (now_us() < until_us) {}
    kill(getpid(), is_end ? SIGKILL : SIGSTOP);
    return moment;
}

static void carry_out(struct host *host, const struct opened *opened, struct call *call) {
    const struct history *history = host->history;
    const struct act *act = &call->acts[0];
    int is_read = act->what == ASK_GET || act->what == ASK_FETCH;
    int lies = host->saga->lie == LIE_STALE && is_read;
    if (call->grouping != GROUP_SINGLE) {
        int is_apart = host->saga->lie == LIE_APART && call->grouping == GROUP_ATOMIC;
        if (is_apart) submit_apart(opened, history, call);
        else history_submit(opened, history, call);
        return;
    }
    if (lies && answer_stale(host, act, &call->answers[0], 0)) return;
    call->answers[0] = history_ask(opened, history, act);
    if (lies) answer_stale(host, act, &call->answers[0], 1);
}

static void make_call(struct host *host, const struct call *wanted) {
    unsigned at = atomic_fetch_add(&host->history->calls_len, 1);
    if (at >= CALLS_MAX) {
        atomic_store(&host->failed, LNKEEP_TOO_BIG);
        return;
    }
    struct call *call = &host->history->calls[at];
    const struct opened *opened = &host->stores[host->saga->lie == LIE_SPLIT && wanted->thread % 2];
    call->thread = wanted->thread;
    call->life = (uint8_t)host->life;
    call->grouping = wanted->grouping;
    call->acts_len = wanted->acts_len;
    memcpy(call->acts, wanted->acts, sizeof call->acts);
    atomic_store(&call->invoked, now(host->saga));
    carry_out(host, opened, call);
    atomic_store(&call->returned, now(host->saga));
    for (unsigned act = 0; act < call->acts_len; act++) {
        lnkeep_class class = lnkeep_status_class(call->answers[act].status);
        /* Nothing is injected, so that nothing but the rules may refuse. */
        int is_ruled = class <= LNKEEP_CLASS_REFUSED;
        if (!is_ruled) atomic_store(&host->failed, call->answers[act].status);
    }
}

/* What the last life was asked and did not answer is asked again, as a host does; half of it. */
static void repeat_doubtful(struct host *host, unsigned thread) {
    struct history *history = host->history;
    unsigned len = atomic_load(&history->calls_len);
    for (unsigned at = 0; at < len && at < CALLS_MAX; at++) {
        const struct call *call = &history->calls[at];
        int is_doubtful = atomic_load(&call->invoked) != 0 && atomic_load(&call->returned) == 0;
        int is_mine = call->thread == thread && call->life + 1u == host->life;
        if (is_doubtful && is_mine && (at + history->number) % 2 == 0) make_call(host, call);
    }
}

static void *work(void *context) {
    const struct worker *worker = context;
    struct host *host = worker->host;
    struct history *history = host->history;
    uint64_t seed = host->saga->seed;
    unsigned len = script_len(seed, history->number, worker->thread);
    repeat_doubtful(host, worker->thread);
    while (atomic_load(&host->failed) == 0) {
        struct call call = {0};
        unsigned at = atomic_fetch_add(&history->next[worker->thread], 1);
        if (at >= len) break;
        script_call(seed, history->number, worker->thread, at, &call);
        make_call(host, &call);
    }
    return NULL;
}

/* Reads every record and payment of a history, as calls of it. */
static void read_all(struct host *host, struct history *history) {
    host->history = history;
    for (unsigned key = 0; key < KEYS; key++) {
        int is_payment = key >= ATTEMPT_KEYS;
        struct call call = {.acts_len = 1};
        call.acts[0].what = ASK_FETCH;
        call.acts[0].key = (uint8_t)key;
        if (is_payment) make_call(host, &call);
        for (unsigned part = 0; part < (is_payment ? PARTS : 1u); part++) {
            call.acts[0].what = ASK_GET;
            call.acts[0].part = (uint8_t)part;
            make_call(host, &call);
        }
    }
}

static void run_history(struct host *host, struct history *history) {
    struct worker workers[THREADS_MAX];
    host->history = history;
    memset(host->cache_left, 0, sizeof host->cache_left);
    for (unsigned thread = 0; thread < history->threads; thread++) {
        workers[thread] = (struct worker){.host = host, .thread = thread};
        if (pthread_create(&workers[thread].id, NULL, work, &workers[thread]) != 0) {
            give_up("making a thread");
        }
    }
    for (unsigned thread = 0; thread < history->threads; thread++) {
        pthread_join(workers[thread].id, NULL);
    }
    read_all(host, history);
}

/* --- A life. */

static lnkeep_status open_store(struct opened *opened, const char *directory) {
    lnkeep_store_options options = LNKEEP_STORE_OPTIONS_INIT;
    options.flags = LNKEEP_STORE_EVENT_KINDS;
    options.event_kinds = EVENT_KINDS_ALL;
    lnkeep_status status = lnkeep_store_open(directory, &options, &opened->store, NULL, NULL);
    if (status != LNKEEP_DONE) return status;
    status = lnkeep_attempts_open(opened->store, NULL, &opened->attempts, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_payments_open(opened->store, NULL, &opened->payments, NULL);
}

static lnkeep_status close_store(struct opened *opened) {
    lnkeep_status attempts = lnkeep_attempts_close(&opened->attempts, NULL);
    lnkeep_status payments = lnkeep_payments_close(&opened->payments, NULL);
    lnkeep_status store = lnkeep_store_close(&opened->store, NULL);
    return attempts != LNKEEP_DONE ? attempts : payments != LNKEEP_DONE ? payments : store;
}

int host_run(void *context) {
    static struct host host;
    struct saga *saga = context;
    unsigned stores = saga->lie == LIE_SPLIT ? 2 : 1;
    host.saga = saga;
    host.life = saga->life;
    pthread_mutex_init(&host.cache_lock, NULL);
    for (unsigned at = 0; at < stores; at++) {
        lnkeep_status status = open_store(&host.stores[at], saga->directory[at]);
        atomic_store(&saga->failed_status, status);
        if (status != LNKEEP_DONE) return HOST_NOT_OPENED;
    }
    unsigned begun = atomic_load(&saga->at) + 1;
    for (unsigned at = 0; host.life > 0 && at < begun; at++) {
        if (at < saga->histories_len) read_all(&host, &saga->histories[at]);
    }
    for (unsigned at = begun - 1; at < saga->histories_len; at++) {
        atomic_store(&saga->at, at);
        run_history(&host, &saga->histories[at]);
        if (atomic_load(&host.failed) != 0) break;
    }
    atomic_store(&saga->failed_status, atomic_load(&host.failed));
    if (atomic_load(&host.failed) != 0) return HOST_FAILED;
    for (unsigned at = 0; at < stores; at++) {
        lnkeep_status status = close_store(&host.stores[at]);
        atomic_store(&saga->failed_status, status);
        if (status != LNKEEP_DONE) return HOST_FAILED;
    }
    return HOST_DONE;
}

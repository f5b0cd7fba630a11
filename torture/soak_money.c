/* Threads of the soak that move money: attempts, payments with their attempts, and who reads events. */

#include "soak.h"

#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_TAKEN = 256,
    PAYMENTS_LISTED = 32,
    AMOUNT_MSAT = 100000,
    BYTES_MESSAGE = 1000, /* kinds of bytes */
    BYTES_PREIMAGE = 2000,
};

/* --- What answers say of events. */

static _Thread_local lnkeep_outcome answered;

/* Numbers rise, whosever change it is, and what an answer names is there after every crash. */
static void note_event(struct host *host, unsigned lane) {
    struct lane *noted = &host->soak->state.lanes[lane];
    uint64_t sequence = answered.event_sequence;
    if (sequence > noted->event_last) {
        noted->event_last = sequence;
        return;
    }
    finding(FOUND_EVENT, "thread %u: an answer names event %llu, the one before named %llu", lane,
            (unsigned long long)sequence, (unsigned long long)noted->event_last);
    atomic_store(&host->soak->has_stopped, 1);
}

/* As CALL, of a change that has an event: the call gives its outcome in `answered`. */
#define CHANGE(host, lane, thing, after, which, call)                                             \
    (answered = (lnkeep_outcome){0},                                                              \
     CALL(host, lane, thing, after, which, LNKEEP_DONE, call) ? (note_event(host, lane), 1) : 0)

/* --- Attempts. */

static struct attempt *attempt_of(struct host *host, unsigned lane, unsigned slot) {
    return &host->soak->state.attempts[lane - LANE_ATTEMPTS][slot];
}

/* Attempts of payments live in namespaces of their own. */
static lnkeep_attempt_key key_of(unsigned lane, uint64_t id) {
    lnkeep_attempt_key key = {.id = id};
    key.namespace_bytes[0] = 0x50;
    key.namespace_bytes[15] = (uint8_t)lane;
    return key;
}

/* Now and then one that needs overflow pages of the engine. */
static lnkeep_attempt_result result_of(unsigned lane, const struct attempt *attempt) {
    lnkeep_attempt_result result = {.kind = LNKEEP_RESULT_SETTLE};
    if (attempt->is_failed) result.kind = LNKEEP_RESULT_FAIL;
    else memcpy(result.preimage, soak_bytes(BYTES_PREIMAGE + lane, attempt->id, 32).ptr, 32);
    size_t len = attempt->seed % 16 == 0 ? 3000 : attempt->seed % 60;
    result.message = soak_bytes(BYTES_MESSAGE + lane, attempt->id, len);
    return result;
}

/* The HTLC leaves. Only who was answered DONE may do that, and that is one for each id. */
static void dispatch(struct host *host, struct attempt *attempt) {
    if (++attempt->dispatched <= 1) return;
    finding(FOUND_GRANTED_TWICE, "attempt %llu was dispatched %u times",
            (unsigned long long)attempt->id, attempt->dispatched);
    atomic_store(&host->soak->has_stopped, 1);
}

static void start_attempt(struct host *host, unsigned lane, struct attempt *attempt) {
    uint64_t id = ++host->soak->state.lanes[lane].next;
    struct attempt after = {.id = id, .stage = ATTEMPT_INTENT};
    lnkeep_attempt_request request = {.key = key_of(lane, id), .amount_msat = id};
    after.seed = (uint32_t)lane_chance(host, lane, 1u << 30);
    /* Whoever is killed here was told nothing, and dispatches nothing. */
    int is_mine = CHANGE(host, lane, attempt, after, id,
                         lnkeep_attempts_init(host->attempts, &request, &answered, NULL));
    if (is_mine) dispatch(host, attempt);
}

/* An id that is known, and one that is burned, is asked for again: nobody is granted it. */
static void ask_again(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_request request = {.key = key_of(lane, attempt->id), .amount_msat = attempt->id};
    struct attempt after = *attempt;
    int is_known = CALL(host, lane, attempt, after, attempt->id, LNKEEP_ALREADY_EXISTS,
                        lnkeep_attempts_init(host->attempts, &request, NULL, NULL));
    if (is_known && host->soak->control == SOAK_TWICE) dispatch(host, attempt);
}

static void mark(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    struct attempt after = *attempt;
    after.stage = ATTEMPT_OUT;
    (void)CHANGE(host, lane, attempt, after, key.id,
                 lnkeep_attempts_mark_handed_off(host->attempts, &key, &answered, NULL));
}

static void roll_back(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    struct attempt after = *attempt;
    after.stage = ATTEMPT_ENDED;
    after.is_failed = 1;
    lnkeep_bytes message = result_of(lane, &after).message;
    (void)CHANGE(host, lane, attempt, after, key.id,
                 lnkeep_attempts_fail_pending(host->attempts, &key, 0x2002, message, 0, &answered,
                                              NULL));
}

static void end(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    struct attempt after = *attempt;
    after.stage = ATTEMPT_ENDED;
    after.is_failed = lane_chance(host, lane, 3) == 0;
    lnkeep_attempt_result result = result_of(lane, &after);
    (void)CHANGE(host, lane, attempt, after, key.id,
                 lnkeep_attempts_store_result(host->attempts, &key, &result, &answered, NULL));
}

static void acknowledge(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    struct attempt after = *attempt;
    after.stage = ATTEMPT_ACKED;
    (void)CALL(host, lane, attempt, after, key.id, LNKEEP_DONE,
               lnkeep_attempts_ack(host->attempts, &key, NULL, NULL));
}

static lnkeep_status delete_record(struct host *host, const lnkeep_attempt_key *key,
                                   uint32_t flags) {
    lnkeep_status status = lnkeep_attempts_delete(host->attempts, key, 1, flags, &answered, NULL);
    return status == LNKEEP_BATCH ? answered.status : status;
}

/* Ids only rise here, so that most may be forgotten; some stay burned, up to their greatest number. */
static void delete_attempt(struct host *host, unsigned lane, struct attempt *attempt) {
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    struct attempt after = *attempt;
    int is_burned = lane_chance(host, lane, 8) == 0;
    if (host->soak->control == SOAK_HOARDER) {
        start_attempt(host, lane, attempt);
        return;
    }
    after.stage = is_burned ? ATTEMPT_BURNED : ATTEMPT_NONE;
    (void)CHANGE(host, lane, attempt, after, key.id,
                 delete_record(host, &key, is_burned ? 0 : LNKEEP_DELETE_FORGET));
}

void attempts_step(struct host *host, unsigned lane) {
    struct attempt *attempt = attempt_of(host, lane, (unsigned)lane_chance(host, lane, ATTEMPTS));
    unsigned choice = (unsigned)lane_chance(host, lane, 8);
    if (attempt->stage != ATTEMPT_NONE && choice == 0) {
        ask_again(host, lane, attempt);
        return;
    }
    switch ((enum attempt_stage)attempt->stage) {
    case ATTEMPT_NONE:
    case ATTEMPT_BURNED: start_attempt(host, lane, attempt); break;
    case ATTEMPT_INTENT:
        if (attempt->dispatched == 0 || choice == 1) roll_back(host, lane, attempt);
        else mark(host, lane, attempt);
        break;
    case ATTEMPT_OUT: end(host, lane, attempt); break;
    case ATTEMPT_ENDED: acknowledge(host, lane, attempt); break;
    case ATTEMPT_ACKED: delete_attempt(host, lane, attempt); break;
    }
}

static int result_differs(unsigned lane, const struct attempt *attempt,
                          const lnkeep_attempt_result *given) {
    lnkeep_attempt_result wanted = result_of(lane, attempt);
    return given->kind != wanted.kind || memcmp(given->preimage, wanted.preimage, 32) != 0 ||
           !bytes_are(given->message, wanted.message);
}

static int attempt_holds(struct host *host, unsigned lane, const void *thing, char why[200]) {
    static const uint32_t states[] = {
        [ATTEMPT_INTENT] = LNKEEP_STATE_INTENT,
        [ATTEMPT_OUT] = LNKEEP_STATE_HANDED_OFF,
    };
    const struct attempt *attempt = thing;
    lnkeep_attempt_key key = key_of(lane, attempt->id);
    lnkeep_attempt *found = NULL;
    if (attempt->id == 0) return 1;
    lnkeep_status wanted = attempt->stage == ATTEMPT_NONE     ? LNKEEP_NOT_FOUND
                           : attempt->stage == ATTEMPT_BURNED ? LNKEEP_DELETED
                                                              : LNKEEP_DONE;
    lnkeep_status status = lnkeep_attempts_get(host->attempts, &key, &found, NULL);
    int holds = status == wanted;
    if (holds && found) {
        uint32_t is_ended = attempt->stage >= ATTEMPT_ENDED;
        uint32_t ended = attempt->is_failed ? LNKEEP_STATE_FAILED : LNKEEP_STATE_SETTLED;
        uint32_t is_acked = (found->flags & LNKEEP_ATTEMPT_ACKED) != 0;
        holds = found->state == (is_ended ? ended : states[attempt->stage]) &&
                is_acked == (attempt->stage == ATTEMPT_ACKED) && found->amount_msat == attempt->id;
        if (holds && is_ended) holds = !result_differs(lane, attempt, &found->result);
    }
    if (!holds) {
        snprintf(why, 200, "attempt %llu at stage %u: %s, state %u, flags %u",
                 (unsigned long long)key.id, attempt->stage, lnkeep_status_name(status),
                 found ? found->state : 0, found ? found->flags : 0);
    }
    lnkeep_attempt_free(found);
    return holds;
}

/* --- Payments. */

static struct payment *payment_of(struct host *host, unsigned lane, unsigned slot) {
    return &host->soak->state.payments[lane - LANE_PAYMENTS][slot];
}

struct payment_words {
    uint8_t preimage[32], hash[32];
    lnkeep_attempt_key key;
};

static struct payment_words words_of(unsigned lane, uint64_t number) {
    struct payment_words words = {.key = key_of(lane, number)};
    memcpy(words.preimage, soak_bytes(BYTES_PREIMAGE + lane, number, 32).ptr, 32);
    sha256(words.preimage, sizeof words.preimage, words.hash);
    return words;
}

static lnkeep_status initiate(struct host *host, unsigned lane, uint64_t number) {
    struct payment_words words = words_of(lane, number);
    lnkeep_payment_init init = LNKEEP_PAYMENT_INIT_INIT;
    char text[40];
    int len = snprintf(text, sizeof text, "payment %u of thread %u", (unsigned)number, lane);
    memcpy(init.payment_hash, words.hash, sizeof init.payment_hash);
    init.amount_msat = AMOUNT_MSAT + number;
    init.payment_request = (lnkeep_bytes){(const uint8_t *)text, (size_t)len};
    return lnkeep_payments_init(host->payments, &init, NULL, &answered, NULL);
}

static lnkeep_status enroll(struct host *host, unsigned lane, uint64_t number) {
    struct payment_words words = words_of(lane, number);
    lnkeep_payment_attempt_request part = LNKEEP_PAYMENT_ATTEMPT_REQUEST_INIT;
    part.key = words.key;
    part.amount_msat = AMOUNT_MSAT + number;
    part.hop_count = 1 + (uint32_t)(number % 20);
    part.cltv_expiry = 800000;
    part.route = soak_bytes(BYTES_MESSAGE + lane, number, number % 16 == 0 ? 2500 : 120);
    return lnkeep_payments_register(host->payments, words.hash, &part, LNKEEP_REGISTER_WITH_RECORD,
                                    NULL, &answered, NULL);
}

static lnkeep_status settle(struct host *host, const struct payment_words *words) {
    return lnkeep_payments_settle(host->payments, words->hash, &words->key, words->preimage, 0, 0,
                                  NULL, &answered, NULL);
}

static lnkeep_status fail_part(struct host *host, const struct payment_words *words) {
    lnkeep_payment_failure failure = {.reason = LNKEEP_ATTEMPT_FAILURE_INTERNAL};
    return lnkeep_payments_fail_attempt(host->payments, words->hash, &words->key, &failure,
                                        (lnkeep_bytes){0}, 0, NULL, &answered, NULL);
}

/* The next stage of a payment, and the call that leads there. */
static lnkeep_status go_on(struct host *host, unsigned lane, struct payment *after) {
    struct payment_words words = words_of(lane, after->number);
    uint32_t stage = after->stage;
    uint32_t forget = after->is_paid ? 0 : LNKEEP_DELETE_FORGET;
    switch (stage) {
    case PAYMENT_INITIATED: return initiate(host, lane, after->number);
    case PAYMENT_REGISTERED: return enroll(host, lane, after->number);
    case PAYMENT_OUT:
        return lnkeep_attempts_mark_handed_off(host->attempts, &words.key, &answered, NULL);
    case PAYMENT_PAID: return settle(host, &words);
    case PAYMENT_FELL: return fail_part(host, &words);
    case PAYMENT_FAILED:
        return lnkeep_payments_fail(host->payments, words.hash, LNKEEP_PAYMENT_REASON_NO_ROUTE, NULL,
                                    &answered, NULL);
    case PAYMENT_BURNED:
        return lnkeep_payments_delete(host->payments, words.hash, 0, &answered, NULL);
    case PAYMENT_DELETED:
        forget = after->is_paid ? LNKEEP_DELETE_TOMBSTONE : LNKEEP_DELETE_FORGET;
        return lnkeep_payments_delete(host->payments, words.hash, forget, &answered, NULL);
    default:
        return delete_record(host, &words.key, LNKEEP_DELETE_FORGET);
    }
}

static uint32_t next_stage(struct host *host, unsigned lane, const struct payment *payment) {
    switch ((enum payment_stage)payment->stage) {
    case PAYMENT_NONE: return PAYMENT_INITIATED;
    case PAYMENT_INITIATED: return PAYMENT_REGISTERED;
    case PAYMENT_REGISTERED: return lane_chance(host, lane, 3) ? PAYMENT_OUT : PAYMENT_FELL;
    case PAYMENT_OUT: return PAYMENT_PAID;
    case PAYMENT_PAID: return PAYMENT_BURNED;
    case PAYMENT_FELL: return PAYMENT_FAILED;
    case PAYMENT_FAILED:
    case PAYMENT_BURNED: return PAYMENT_DELETED;
    case PAYMENT_DELETED: break;
    }
    return PAYMENT_NONE;
}

/* What was paid is not paid again, nor what is on its way. */
static void pay_again(struct host *host, unsigned lane, struct payment *payment) {
    lnkeep_status wanted = LNKEEP_ALREADY_EXISTS;
    struct payment after = *payment;
    int is_paid = payment->stage == PAYMENT_PAID || payment->stage == PAYMENT_BURNED;
    if (is_paid) wanted = LNKEEP_ALREADY_PAID;
    else if (payment->stage != PAYMENT_INITIATED) wanted = LNKEEP_PAYMENT_IN_FLIGHT;
    (void)CALL(host, lane, payment, after, after.number, wanted,
               initiate(host, lane, after.number));
}

static void list_payments(struct host *host, unsigned lane) {
    lnkeep_payment_query query = LNKEEP_PAYMENT_QUERY_INIT;
    lnkeep_payment_page *page = NULL;
    query.limit = PAYMENTS_LISTED;
    query.flags = LNKEEP_PAYMENT_QUERY_REVERSED;
    lnkeep_status status = lnkeep_payments_list(host->payments, &query, &page, NULL);
    if (!call_is(host, status, LNKEEP_DONE, "payments_list", lane, 0)) return;
    if (host->soak->control != SOAK_LEAKER) lnkeep_payment_page_free(page);
}

static void drip(void) {
    enum { DRIP_BYTES = 8192 };
    static _Thread_local void *volatile lost;
    lost = malloc(DRIP_BYTES);
    if (lost) memset(lost, 1, DRIP_BYTES);
}

void payments_step(struct host *host, unsigned lane) {
    struct payment *payment = payment_of(host, lane, (unsigned)lane_chance(host, lane, PAYMENTS));
    unsigned choice = (unsigned)lane_chance(host, lane, 8);
    int is_known = payment->stage != PAYMENT_NONE && payment->stage != PAYMENT_DELETED &&
                   payment->stage != PAYMENT_FAILED && payment->stage != PAYMENT_FELL;
    if (host->soak->control == SOAK_DRIPPER) drip();
    if (choice == 0 && is_known) {
        pay_again(host, lane, payment);
        return;
    }
    if (choice == 1 || host->soak->control == SOAK_LEAKER) list_payments(host, lane);
    struct payment after = *payment;
    after.stage = next_stage(host, lane, payment);
    if (after.stage == PAYMENT_INITIATED) {
        after = (struct payment){.number = ++host->soak->state.lanes[lane].next,
                                 .stage = PAYMENT_INITIATED};
    }
    if (after.stage == PAYMENT_PAID) after.is_paid = 1;
    if (after.stage == PAYMENT_DELETED && after.is_paid) {
        /* A tombstone went: its payment was deleted before. */
        (void)CALL(host, lane, payment, after, after.number, LNKEEP_DONE,
                   go_on(host, lane, &after));
        return;
    }
    (void)CHANGE(host, lane, payment, after, after.number, go_on(host, lane, &after));
}

static int payment_status_holds(const struct payment *payment, const lnkeep_payment *found,
                                const struct payment_words *words) {
    static const uint32_t statuses[] = {
        [PAYMENT_INITIATED] = LNKEEP_PAYMENT_STATUS_INITIATED,
        [PAYMENT_REGISTERED] = LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
        [PAYMENT_OUT] = LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
        [PAYMENT_PAID] = LNKEEP_PAYMENT_STATUS_SUCCEEDED,
        [PAYMENT_FELL] = LNKEEP_PAYMENT_STATUS_IN_FLIGHT,
        [PAYMENT_FAILED] = LNKEEP_PAYMENT_STATUS_FAILED,
    };
    size_t parts = payment->stage == PAYMENT_INITIATED ? 0 : 1;
    if (found->status != statuses[payment->stage] || found->attempts_len != parts ||
        found->init.amount_msat != AMOUNT_MSAT + payment->number) {
        return 0;
    }
    return payment->stage != PAYMENT_PAID ||
           memcmp(found->attempts[0].preimage, words->preimage, 32) == 0;
}

/* The state of the record in the attempt store that goes with each stage; 0 is none. */
static int record_holds(struct host *host, const struct payment *payment,
                        const struct payment_words *words, char why[200]) {
    lnkeep_attempt *found = NULL;
    uint32_t wanted = 0;
    switch ((enum payment_stage)payment->stage) {
    case PAYMENT_NONE:
    case PAYMENT_INITIATED: break;
    case PAYMENT_REGISTERED: wanted = LNKEEP_STATE_INTENT; break;
    case PAYMENT_OUT: wanted = LNKEEP_STATE_HANDED_OFF; break;
    default: wanted = payment->is_paid ? LNKEEP_STATE_SETTLED : LNKEEP_STATE_FAILED; break;
    }
    lnkeep_status status = lnkeep_attempts_get(host->attempts, &words->key, &found, NULL);
    int is_acked = found && (found->flags & LNKEEP_ATTEMPT_ACKED);
    int holds = wanted ? found && found->state == wanted : status == LNKEEP_NOT_FOUND;
    if (wanted >= LNKEEP_STATE_SETTLED) holds = holds && is_acked;
    if (!holds) {
        snprintf(why, 200, "payment %llu at stage %u: its record answers %s, state %u",
                 (unsigned long long)payment->number, payment->stage, lnkeep_status_name(status),
                 found ? found->state : 0);
    }
    lnkeep_attempt_free(found);
    return holds;
}

static int payment_holds(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const struct payment *payment = thing;
    struct payment_words words = words_of(lane, payment->number);
    lnkeep_payment *found = NULL;
    if (payment->number == 0) return 1;
    int is_gone = payment->stage == PAYMENT_NONE || payment->stage >= PAYMENT_BURNED;
    lnkeep_status status = lnkeep_payments_fetch(host->payments, words.hash, &found, NULL);
    int holds = is_gone ? status == LNKEEP_PAYMENT_NOT_INITIATED
                        : status == LNKEEP_DONE && payment_status_holds(payment, found, &words);
    if (!holds) {
        snprintf(why, 200, "payment %llu at stage %u: %s, status %u, %u attempts",
                 (unsigned long long)payment->number, payment->stage, lnkeep_status_name(status),
                 found ? found->status : 0, found ? (unsigned)found->attempts_len : 0);
    }
    lnkeep_payment_free(found);
    return holds && record_holds(host, payment, &words, why);
}

/* --- Events: none is missing, none comes twice, and what was acknowledged does not come again. */

static unsigned take_events(struct host *host, unsigned lane, uint64_t *first) {
    lnkeep_event taken[EVENTS_TAKEN];
    size_t len = 0;
    lnkeep_status status = lnkeep_events_take(host->events, taken, EVENTS_TAKEN, &len, NULL);
    *first = 0;
    if (!call_is(host, status, LNKEEP_DONE, "events_take", lane, host->event_taken)) return 0;
    for (size_t at = 0; at < len; at++) {
        int is_next = taken[at].sequence == host->event_taken + 1;
        if (!is_next && host->event_taken != 0) {
            finding(FOUND_EVENT, "event %llu comes after %llu",
                    (unsigned long long)taken[at].sequence, (unsigned long long)host->event_taken);
            atomic_store(&host->soak->has_stopped, 1);
        }
        host->event_taken = taken[at].sequence;
    }
    if (len > 0) *first = taken[0].sequence;
    return (unsigned)len;
}

void events_step(struct host *host, unsigned lane) {
    uint64_t first, *acked = &host->soak->state.event_acked;
    if (take_events(host, lane, &first) == 0) return;
    uint64_t after = host->event_taken;
    (void)CALL(host, lane, acked, after, after, LNKEEP_DONE,
               lnkeep_events_ack(host->events, after, NULL));
}

static uint64_t first_event;

static int events_hold(struct host *host, unsigned lane, const void *thing, char why[200]) {
    const uint64_t *acked = thing;
    (void)host;
    (void)lane;
    if (first_event == 0 || first_event == *acked + 1) return 1;
    snprintf(why, 200, "event %llu was acknowledged, and %llu comes",
             (unsigned long long)*acked, (unsigned long long)first_event);
    return 0;
}

/* All that waits, as far as what answers named; what is taken here is acknowledged with what follows. */
static void verify_events(struct host *host, unsigned lane) {
    const struct soak_state *state = &host->soak->state;
    uint64_t *acked = &host->soak->state.event_acked, named = 0, first;
    take_events(host, lane, &first_event);
    if (first_event) while (take_events(host, lane, &first)) continue;
    thing_verify(host, lane, acked, sizeof *acked, events_hold);
    if (host->event_taken < *acked) host->event_taken = *acked;
    for (unsigned of = 0; of < LANES; of++) {
        if (named < state->lanes[of].event_last) named = state->lanes[of].event_last;
    }
    if (host->event_taken >= named) return;
    finding(FOUND_EVENT, "event %llu was named by an answer, the last that comes is %llu",
            (unsigned long long)named, (unsigned long long)host->event_taken);
    atomic_store(&host->soak->has_stopped, 1);
}

/* --- Opening. */

static lnkeep_status open_events(struct host *host) {
    lnkeep_bytes name = {(const uint8_t *)"soak", 4};
    lnkeep_status status = lnkeep_events_open(host->store, name, 0, &host->events, NULL);
    if (status != LNKEEP_DONE || host->soak->control != SOAK_SKIPPER) return status;
    status = lnkeep_events_unregister(host->events, NULL);
    if (status == LNKEEP_DONE) status = lnkeep_events_close(&host->events, NULL);
    if (status != LNKEEP_DONE) return status;
    return lnkeep_events_open(host->store, name, LNKEEP_EVENTS_FROM_NEWEST, &host->events, NULL);
}

int money_open(struct host *host) {
    lnkeep_status status = lnkeep_payments_open(host->store, NULL, &host->payments, NULL);
    if (status == LNKEEP_DONE) status = open_events(host);
    if (status != LNKEEP_DONE) finding(FOUND_REOPEN, "money: %s", lnkeep_status_name(status));
    return status == LNKEEP_DONE;
}

void money_verify(struct host *host) {
    for (unsigned lane = 0; lane < LANES_OF_A_KIND; lane++) {
        for (unsigned slot = 0; slot < ATTEMPTS; slot++) {
            struct attempt *attempt = attempt_of(host, LANE_ATTEMPTS + lane, slot);
            thing_verify(host, LANE_ATTEMPTS + lane, attempt, sizeof *attempt, attempt_holds);
        }
        for (unsigned slot = 0; slot < PAYMENTS; slot++) {
            struct payment *payment = payment_of(host, LANE_PAYMENTS + lane, slot);
            thing_verify(host, LANE_PAYMENTS + lane, payment, sizeof *payment, payment_holds);
        }
    }
    verify_events(host, LANE_EVENTS);
}

/*
 * One round, from the first blob to the first one after the recovery.
 */
#define _XOPEN_SOURCE 700
#include "round.h"

#include "clock.h"
#include "data.h"
#include "peers.h"
#include "place.h"
#include "world.h"

#include <inttypes.h>
#include <lnkeep.h>
#include <stdio.h>
#include <string.h>

enum { DAY_MS = 86400000, ANSWERS_BEFORE_KILL_MIN = 3, ANSWERS_BEFORE_KILL_MAX = 8 };

struct round {
    struct stage *stage;
    struct chance *chance;
    struct verdict *verdict;
    struct truth truth;
    enum restore_role roles[RESTORE_PEERS];
    enum restore_lie lies[RESTORE_PEERS];
    struct restore_report kept[RESTORE_PEERS]; /* sent to each until the last version was safe */
    struct restore_report left[RESTORE_PEERS]; /* sent to each until the node died */
    unsigned data_shares, shares, honest_keepers;
    uint64_t seq_max;
    unsigned asked[RESTORE_PEERS + 1]; /* how often; the last one stands for strangers */
    uint64_t kill_after; /* answers, until the node that recovers is killed; 0: not again */
    uint64_t began_us;   /* the recovery */
    bool has_consent, is_over;
};

/* What the node says, in whatever life. */
static void note(struct round *round, const struct restore_report *report)
{
    struct verdict *verdict = round->verdict;
    const unsigned peer = report->peer < RESTORE_PEERS ? report->peer : RESTORE_PEERS;
    switch (report->kind) {
    case RESTORE_REPORT_SENT:
        verdict->blobs++;
        verdict->seqs_wrong += report->number <= round->seq_max;
        round->seq_max = report->number;
        break;
    case RESTORE_REPORT_ROLE:
        if (peer < RESTORE_PEERS) {
            round->roles[peer] = (enum restore_role)report->number;
        }
        break;
    case RESTORE_REPORT_STEP:
        round->data_shares = (unsigned)report->other;
        round->shares = (unsigned)report->value;
        break;
    case RESTORE_REPORT_ASKED:
        verdict->found_in_rosters +=
            peer < RESTORE_PEERS && !world_is_announced(peer) && round->asked[peer] == 0;
        round->asked[peer]++;
        verdict->asked++;
        break;
    case RESTORE_REPORT_ANSWERED:
        verdict->answers[report->value % RESTORE_ANSWERS]++;
        break;
    default:
        break;
    }
}

/* Hears the node until it says this. */
static bool wait_for(struct round *round, enum restore_report_kind kind,
                     struct restore_report *report)
{
    do {
        if (!stage_hear(&round->stage->node, report)) {
            return false;
        }
        note(round, report);
    } while (report->kind != (uint32_t)kind);
    return true;
}

/* The node goes through its versions, each of which is kept and confirmed. */
static bool keep(struct round *round)
{
    struct restore_report report;
    for (unsigned version = 1; version <= RESTORE_VERSIONS; version++) {
        if (!stage_order_step(&round->stage->node, version, 0) ||
            !wait_for(round, RESTORE_REPORT_STEP, &report)) {
            return false;
        }
    }
    round->truth.version = round->truth.last_version = RESTORE_VERSIONS;
    return stage_count(round->stage, round->kept);
}

/* Of the next version some blobs leave. */
static bool keep_a_part(struct round *round)
{
    struct restore_report report;
    const unsigned blobs = 1 + (unsigned)chance_below(round->chance, RESTORE_PEERS);
    if (!stage_order_step(&round->stage->node, RESTORE_VERSIONS + 1, blobs)) {
        return false;
    }
    for (unsigned left = blobs; left > 0; left--) {
        if (!wait_for(round, RESTORE_REPORT_SENT, &report)) {
            return false;
        }
    }
    round->truth.last_version = RESTORE_VERSIONS + 1;
    round->verdict->kills_while_sending++;
    return true;
}

/* All that is left of the node is its secret. */
static bool lose_node(struct round *round)
{
    struct restore_report report;
    stage_kill_node(round->stage);
    while (stage_hear_last(round->stage, &report)) {
        note(round, &report);
    }
    round->verdict->nodes_killed++;
    return place_remove(RESTORE_NODE_DIRECTORY) && stage_count(round->stage, round->left);
}

static unsigned draw_peer(struct round *round)
{
    return (unsigned)chance_below(round->chance, RESTORE_PEERS);
}

/* Whether this one may lie: with all that keep journals, the HTLCs would be those of the last
 * payload, which is no promise that is broken. */
static bool may_lie(const struct round *round, unsigned liar)
{
    unsigned journals = 0, others_honest = 0;
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        const bool keeps_journal = round->roles[peer] == RESTORE_ROLE_JOURNAL;
        journals += keeps_journal;
        others_honest += keeps_journal && peer != liar && round->lies[peer] == RESTORE_HONEST;
    }
    return round->lies[liar] == RESTORE_HONEST && (journals == 0 || others_honest > 0);
}

static bool make_liar(struct round *round, unsigned peer, enum restore_lie lie)
{
    struct restore_report report;
    round->lies[peer] = lie;
    return stage_order(&round->stage->peers[peer], RESTORE_ORDER_LIE, lie) &&
           stage_hear(&round->stage->peers[peer], &report);
}

/* One of each kind. */
static bool make_liars(struct round *round)
{
    const enum restore_lie kinds[RESTORE_LIARS] = {
        RESTORE_WITHHOLDS, RESTORE_OLD, RESTORE_GARBAGE};
    for (unsigned i = 0; i < RESTORE_LIARS; i++) {
        unsigned peer = draw_peer(round);
        while (!may_lie(round, peer)) {
            peer = draw_peer(round);
        }
        if (!make_liar(round, peer, kinds[i])) {
            return false;
        }
    }
    return true;
}

/* One more of those that keep shares than may be missing; all return what was once true. */
static bool make_too_many_liars(struct round *round)
{
    unsigned left = round->shares - round->data_shares + 1;
    for (unsigned peer = 0; peer < RESTORE_PEERS && left > 0; peer++) {
        if (round->roles[peer] == RESTORE_ROLE_SHARE) {
            left--;
            if (!make_liar(round, peer, RESTORE_OLD)) {
                return false;
            }
        }
    }
    return true;
}

static bool corrupt(struct round *round)
{
    const enum restore_mistake mistake = round->stage->mistake;
    const bool are_many = mistake == RESTORE_TOO_MANY_LIARS || mistake == RESTORE_TAKES_OLDER;
    return are_many ? make_too_many_liars(round) : make_liars(round);
}

/* How many honest peers hold a share of the version during which the node died. */
static void find_truth(struct round *round)
{
    unsigned honest_shares = 0;
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        const bool is_honest_keeper =
            round->roles[peer] == RESTORE_ROLE_SHARE && round->lies[peer] == RESTORE_HONEST;
        round->honest_keepers += is_honest_keeper;
        honest_shares +=
            is_honest_keeper && round->left[peer].number > round->kept[peer].number;
    }
    struct truth *truth = &round->truth;
    truth->is_later_known = truth->last_version > truth->version && honest_shares > 0;
    if (honest_shares >= round->data_shares) {
        truth->version = truth->last_version;
    }
}

/* The operator: allows an older state only where the newest is lost. */
static bool decide(struct round *round, const struct restore_report *report)
{
    round->verdict->refusals++;
    round->verdict->shares_missing = report->number;
    const bool allows_older = round->truth.version < round->truth.last_version;
    round->verdict->asked_needlessly +=
        !allows_older && round->honest_keepers >= round->data_shares;
    round->verdict->older_with_consent += allows_older;
    round->has_consent = allows_older;
    printf("the newest state cannot be restored (%s), %" PRIu64 " shares of it are missing: %s\n",
           lnkeep_status_name((lnkeep_status)report->value), report->number,
           allows_older ? "the operator accepts an older one" : "no older one is accepted");
    return stage_order(&round->stage->node, RESTORE_ORDER_GO, allows_older);
}

/* Nothing may have reached a peer from the node that recovers. */
static bool judge_silence(struct round *round, const struct restore_report *report)
{
    struct restore_report now[RESTORE_PEERS];
    struct verdict *verdict = round->verdict;
    verdict->losses_unnoticed += report->number == 0 || report->other != 0;
    if (!stage_count(round->stage, now)) {
        return false;
    }
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        verdict->sent_early += now[peer].number - round->left[peer].number;
        verdict->reestablished_early += now[peer].other - round->left[peer].other;
    }
    return true;
}

static void judge_restored(struct round *round, const struct restore_report *report)
{
    struct verdict *verdict = round->verdict;
    const uint64_t took_ms = (now_us() - round->began_us) / 1000;
    verdict->recovery_ms += took_ms;
    verdict->recovery_ms_max =
        took_ms > verdict->recovery_ms_max ? took_ms : verdict->recovery_ms_max;
    verdict->final += report->value == LNKEEP_RECOVERY_COMPLETE_FINAL;
    verdict->data_shares = round->data_shares;
    verdict->shares = round->shares;
}

/* In the middle of its recovery: what it saved is all that it goes on with. */
static bool kill_rescue(struct round *round)
{
    struct restore_report report;
    stage_kill_node(round->stage);
    while (stage_hear_last(round->stage, &report)) {
        note(round, &report);
    }
    round->verdict->rescues_killed++;
    return stage_start_node(round->stage, "--rescue");
}

/* What the node says that recovers, and what it waits for. */
static bool follow(struct round *round, const struct restore_report *report)
{
    note(round, report);
    switch (report->kind) {
    case RESTORE_REPORT_ANSWERED:
        return round->kill_after == 0 || --round->kill_after > 0 || kill_rescue(round);
    case RESTORE_REPORT_REFUSED:
        return decide(round, report);
    case RESTORE_REPORT_RESTORED:
        judge_restored(round, report);
        return true;
    case RESTORE_REPORT_ALARM:
        return judge_silence(round, report) &&
               stage_order(&round->stage->node, RESTORE_ORDER_GO, 1);
    case RESTORE_REPORT_SAFE:
        /* As many as restore it, and one more: lnkeep's own measure. */
        round->verdict->not_safe_again += report->number <= report->other;
        round->is_over = true;
        return true;
    case RESTORE_REPORT_GAVE_UP:
        round->is_over = true;
        return true;
    default:
        return true;
    }
}

static bool recover(struct round *round)
{
    struct restore_report report;
    round->stage->start.clock_ms += DAY_MS;
    const uint64_t spread = ANSWERS_BEFORE_KILL_MAX - ANSWERS_BEFORE_KILL_MIN + 1;
    round->kill_after = ANSWERS_BEFORE_KILL_MIN + chance_below(round->chance, spread);
    round->began_us = now_us();
    if (!stage_start_node(round->stage, "--rescue")) {
        return false;
    }
    while (!round->is_over) {
        if (!stage_hear(&round->stage->node, &report) || !follow(round, &report)) {
            return false;
        }
    }
    return true;
}

/* The answer that the kill fell into may not have been saved. */
static void judge_asking(struct round *round)
{
    uint64_t again = 0;
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        again += round->asked[peer] > 1 ? round->asked[peer] - 1 : 0;
    }
    round->verdict->asked_twice += again > 1 ? again - 1 : 0;
}

static void judge(struct round *round)
{
    round->truth.mixes_payload = round->stage->mistake == RESTORE_MIXED_PAYLOAD;
    verdict_of_payload(round->verdict, &round->truth, round->has_consent);
    verdict_of_htlcs(round->verdict, &round->truth);
    verdict_of_disks(round->verdict, &round->truth);
    judge_asking(round);
    round->verdict->rounds++;
}

static void draw_node(struct round *round)
{
    struct restore_start *start = &round->stage->start;
    start->seed = round->truth.seed = chance_below(round->chance, UINT64_MAX);
    start->mistake = round->stage->mistake;
    start->clock_ms = peers_now_ms();
    /* A real one is derived from the node's seed alone: it is all that is left after a loss. */
    for (size_t i = 0; i < sizeof start->secret; i++) {
        start->secret[i] = (uint8_t)chance_below(round->chance, 256);
    }
}

bool round_run(struct stage *stage, struct chance *chance, struct verdict *verdict)
{
    struct round round = {.stage = stage, .chance = chance, .verdict = verdict};
    draw_node(&round);
    const bool dies_while_sending =
        stage->mistake == RESTORE_SOUND && chance_below(chance, 2) == 0;
    const bool ran = stage_start_peers(stage) && stage_start_node(stage, "--node") &&
                     keep(&round) && (!dies_while_sending || keep_a_part(&round)) &&
                     lose_node(&round) && corrupt(&round);
    if (!ran) {
        return false;
    }
    find_truth(&round);
    if (!recover(&round) || !stage_end(stage)) {
        return false;
    }
    judge(&round);
    return true;
}


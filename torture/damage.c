/*
 * Damages stores in many ways and opens them. No damage may end the host, hide or change a record,
 * or have an id granted again: the open is refused, the record says that it is damaged, or the
 * answer is right.
 *
 * Four ways to open: `verify`, with LNKEEP_STORE_VERIFY after a clean close; `unclean`, after an end
 * without a close; `written`, after a clean close and without VERIFY, where the file shows that
 * somebody wrote to it; `trusting`, where it does not, as after damage below the file system. The
 * last one is the documented weak case: where more than single rows is damaged it promises nothing,
 * and such a point is not counted as one, but printed apart.
 */

#define _GNU_SOURCE
#include "damage.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum way { WAY_VERIFY, WAY_UNCLEAN, WAY_WRITTEN, WAY_TRUSTING, WAYS };

static const char *const way_names[WAYS] = {"verify", "unclean", "written", "trusting"};

enum control { CONTROL_NONE, CONTROL_OLDER, CONTROL_BARE, CONTROL_STILL, CONTROL_INTERNAL };

struct tally {
    atomic_uint_fast64_t outcomes[WAYS][DAMAGES_ALL][OUTCOMES];
    atomic_uint_fast64_t unpromised, unpromised_found[FINDINGS]; /* points where nothing can fail */
    atomic_uint_fast64_t late_refusals; /* of these: opens that answered CORRUPT_STORE after a write */
    atomic_uint_fast64_t bugs, bugs_missed; /* of the control: answers taken for INTERNAL */
    atomic_uint_fast64_t quarantined, mended;
    atomic_uint_fast64_t found_in[PARTS + 1];
};

static struct run {
    uint64_t seed, first;
    int tells, only_way, only_kind, only_shape;
    enum control control;
    struct tally *tally;
    struct base bases[SHAPES][2]; /* of this process, built when needed */
} run;

/* One case: everything follows from its number and the seed. */
struct point {
    unsigned shape;
    enum way way;
    enum damage_kind kind;
    uint64_t turn, chance;
};

static struct point point_of(uint64_t number) {
    struct point point;
    point.kind = run.only_kind >= 0 ? (enum damage_kind)run.only_kind
                                    : (enum damage_kind)(number % DAMAGES);
    point.turn = number / DAMAGES;
    point.chance = chance_seed(run.seed, number);
    /* One that trusts and one that need not are a twentieth each; the others share the rest. */
    uint64_t dice = chance_below(&point.chance, 20);
    point.way = dice < 11 ? WAY_VERIFY : WAY_UNCLEAN;
    if (dice < 2) point.way = dice == 0 ? WAY_TRUSTING : WAY_WRITTEN;
    if (run.only_way >= 0) point.way = (enum way)run.only_way;
    point.shape = shape_of(chance_next(&point.chance));
    if (run.only_shape >= 0) point.shape = (unsigned)run.only_shape;
    return point;
}

static struct base *base_of(const struct point *point) {
    int is_clean = point->way != WAY_UNCLEAN;
    struct base *base = &run.bases[point->shape][is_clean];
    if (!base->truth) base_build(base, point->shape, is_clean);
    return base;
}

/* What of data.mdb may be damaged; beyond it there is only space that no page uses. */
struct front {
    uint8_t *bytes;
    size_t room, len;
    off_t file_bytes;
};

static void read_front(const struct base *base, struct front *front) {
    char path[PATH_BYTES + 16];
    struct stat facts;
    if (front->room < base->now.data_len) {
        front->room = base->now.data_len;
        front->bytes = realloc(front->bytes, front->room);
    }
    snprintf(path, sizeof path, "%s/data.mdb", base->directory);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &facts) != 0) give_up(path);
    ssize_t got = pread(descriptor, front->bytes, base->now.data_len, 0);
    if (got < 0) give_up(path);
    close(descriptor);
    front->len = (size_t)got;
    front->file_bytes = facts.st_size;
}

/* A refusal for damage promises that nothing was written. */
static int is_untouched(const struct base *base, const struct front *before) {
    static struct front after;
    read_front(base, &after);
    return after.len == before->len && after.file_bytes == before->file_bytes &&
           memcmp(after.bytes, before->bytes, after.len) == 0;
}

static struct verdict *new_verdict(void) {
    static struct verdict *verdict;
    static uint64_t owner;
    if (owner != worker_index + 1u) verdict = shared_memory(sizeof *verdict);
    owner = worker_index + 1u;
    memset(verdict, 0, sizeof *verdict);
    verdict->outcome = OUTCOME_REFUSED;
    return verdict;
}

/*
 * What docs/durability.md says that no open can promise anything about. An open that trusts may meet
 * the damage after it committed its epoch. lnkeep_check has to find what is wrong all the same.
 */
static int is_unpromised(const struct point *point, const struct verdict *verdict) {
    int is_weak = point->kind == DAMAGE_META_OLD ||
                  (point->way == WAY_TRUSTING && verdict->is_structure);
    return is_weak && verdict->check_status == LNKEEP_DONE && run.control == CONTROL_NONE;
}

static void report_finding(const struct point *point, const struct verdict *verdict,
                           enum finding kind, const char *what, const char *text) {
    if (run.tells) printf("found: %s: %s\n", finding_names[kind], text);
    if (is_unpromised(point, verdict)) {
        atomic_fetch_add(&run.tally->unpromised_found[kind], 1);
        return;
    }
    finding(kind, "%s store opened %s, %s, %s: %s", shape_names[point->shape],
            way_names[point->way], damage_names[point->kind], what, text);
}

/* Whatever ends the host, makes it lie or is refused has to be found by lnkeep_check. */
static int is_check_blind(const struct point *point, struct ended ended,
                          const struct verdict *verdict, int is_bad) {
    int is_in_data = point->kind != DAMAGE_OWNER_LOCK && point->kind != DAMAGE_LOCK_FILE &&
                     point->kind != DAMAGE_META_OLD && run.control == CONTROL_NONE;
    int saw_nothing = verdict->check_status == LNKEEP_DONE && verdict->checked == 0;
    int is_damage = is_bad || ended.signal || verdict->outcome == OUTCOME_REPORTED ||
                    verdict->open_status != LNKEEP_DONE;
    return is_in_data && saw_nothing && is_damage && verdict->outcome != OUTCOME_RESTORED;
}

/* Answers whether everything was as it should be. */
static int judge_end(const struct point *point, struct ended ended, const struct verdict *verdict,
                     const char *what) {
    char text[64];
    snprintf(text, sizeof text, "signal %d", ended.signal);
    if (ended.hung) report_finding(point, verdict, FOUND_HANG, what, "no answer");
    else if (ended.signal) report_finding(point, verdict, FOUND_SIGNAL, what, text);
    int is_bad = ended.hung || ended.signal;
    for (int kind = 0; kind < FINDINGS; kind++) {
        if (!verdict->found[kind]) continue;
        report_finding(point, verdict, (enum finding)kind, what, verdict->text);
        is_bad = 1;
    }
    if (is_check_blind(point, ended, verdict, is_bad)) {
        finding(FOUND_WRONG, "%s store opened %s, %s, %s: lnkeep_check found nothing",
                shape_names[point->shape], way_names[point->way], damage_names[point->kind], what);
        is_bad = 1;
    }
    if (is_bad) return 0;
    if (ended.code != 0) give_up("a child that judges a store");
    atomic_fetch_add(&run.tally->outcomes[point->way][point->kind][verdict->outcome], 1);
    atomic_fetch_add(&run.tally->quarantined, verdict->quarantined);
    atomic_fetch_add(&run.tally->mended, verdict->mended);
    return 1;
}

static void tell(const struct point *point, const struct verdict *verdict, int is_good,
                 const char *what) {
    printf("%s store, %s, opened %s: %s; check answered %s with %zu findings, open %s; %s\n",
           shape_names[point->shape], damage_names[point->kind], way_names[point->way], what,
           lnkeep_status_name(verdict->check_status), verdict->checked,
           lnkeep_status_name(verdict->open_status),
           is_good ? outcome_names[verdict->outcome] : "wrong");
}

/* The engine says on stderr why it ends the process; only one who looks at one case wants that. */
static int judge(void *context) {
    if (!run.tells && !freopen("/dev/null", "w", stderr)) give_up("/dev/null");
    return run.control == CONTROL_BARE ? bare_judge(context) : read_and_judge(context);
}

/* Where nothing is damaged, nothing is found: else the findings of the others would say little. */
static void judge_stillness(const struct point *point, const struct verdict *verdict) {
    if (verdict->outcome == OUTCOME_HARMLESS && verdict->checked == 0) return;
    finding(FOUND_WRONG, "%s store opened %s, not damaged: %s, %zu findings",
            shape_names[point->shape], way_names[point->way], outcome_names[verdict->outcome],
            verdict->checked);
}

/* For the control: an answer of a part that the store has, of the first ones more often. */
static void choose_bug(const struct point *point, struct reading *reading) {
    uint64_t chance = chance_seed(point->chance, 1);
    int part = (int)chance_below(&chance, PARTS + 1);
    int has = part < PARTS && (reading->parts->wanted & HAS_PART(part)) != 0;
    reading->bug_part = has ? part : PARTS;
    reading->bug_at = 1 + chance_below(&chance, UINT64_C(1) << chance_below(&chance, 11));
}

/* Nobody may take INTERNAL for damage, or for anything else that is allowed. */
static void judge_bug(const struct point *point, struct ended ended,
                      const struct verdict *verdict) {
    if (!verdict->heard_bug || ended.signal || ended.hung) return;
    unsigned all = 0;
    for (int kind = 0; kind < FINDINGS; kind++) all += verdict->found[kind];
    atomic_fetch_add(&run.tally->bugs, 1);
    if (all != 0) return;
    atomic_fetch_add(&run.tally->bugs_missed, 1);
    fprintf(stderr, "INTERNAL was taken for an answer: %s store opened %s, %s\n",
            shape_names[point->shape], way_names[point->way], damage_names[point->kind]);
}

static int run_point(uint64_t index, void *context) {
    (void)context;
    uint64_t number = run.first + index;
    struct point point = point_of(number);
    const struct base *base = base_of(&point);
    char what[160] = "";
    findings_at("build/torture/damage --seed %llu --only %llu%s%s%s", (unsigned long long)run.seed,
                (unsigned long long)number, run.only_kind >= 0 ? " --kind '" : "",
                run.only_kind >= 0 ? damage_names[run.only_kind] : "",
                run.only_kind >= 0 ? "'" : "");
    base_restore(base, run.control == CONTROL_OLDER ? &base->old : &base->now);
    if (run.control == CONTROL_OLDER) {
        snprintf(what, sizeof what, "the directory as it was at the close before");
    } else if (run.control == CONTROL_STILL) {
        snprintf(what, sizeof what, "nothing was damaged");
    } else {
        damage_apply(base, point.kind, point.turn, point.chance, what, sizeof what);
    }
    /* Where owner.lock itself is the damage, it stays as it is. */
    int is_lock = point.kind == DAMAGE_OWNER_LOCK || point.kind == DAMAGE_LOCKS_OLD;
    if (point.way == WAY_TRUSTING && !is_lock) damage_hide(base);
    struct verdict *verdict = new_verdict();
    struct reading reading = {.directory = base->directory, .truth = base->truth};
    reading.parts = &base->truth->parts;
    reading.verdict = verdict;
    reading.open_flags = point.way == WAY_VERIFY ? LNKEEP_STORE_VERIFY : 0;
    if (run.control == CONTROL_INTERNAL) choose_bug(&point, &reading);
    static struct front damaged;
    read_front(base, &damaged);
    struct ended ended = run_child(judge, &reading, HANG_MS);
    if (verdict->open_status == LNKEEP_CORRUPT_STORE && !is_untouched(base, &damaged)) {
        if (is_unpromised(&point, verdict)) atomic_fetch_add(&run.tally->late_refusals, 1);
        report_finding(&point, verdict, FOUND_WRONG, what, "a refused open wrote to the file");
    }
    int is_good = judge_end(&point, ended, verdict, what);
    for (int part = 0; part <= PARTS; part++) {
        atomic_fetch_add(&run.tally->found_in[part], verdict->found_in[part]);
    }
    if (run.control == CONTROL_STILL) judge_stillness(&point, verdict);
    judge_bug(&point, ended, verdict);
    if (is_unpromised(&point, verdict)) atomic_fetch_add(&run.tally->unpromised, 1);
    if (run.tells) tell(&point, verdict, is_good, what);
    return 1;
}

static int index_of(const char *const *names, int len, const char *name) {
    if (!name) return -1;
    for (int i = 0; i < len; i++) {
        if (strcmp(names[i], name) == 0) return i;
    }
    fprintf(stderr, "damage: %s is not one of:", name);
    for (int i = 0; i < len; i++) fprintf(stderr, " '%s'", names[i]);
    fprintf(stderr, "\n");
    exit(64);
}

static void read_options(int argc, char **argv) {
    static const struct option_name names[] = {
        {"--seed", 1}, {"--count", 1}, {"--only", 1}, {"--control", 1},
        {"--way", 1},  {"--kind", 1},  {"--shape", 1},
    };
    static const char *const controls[] = {"none", "older", "bare", "still", "internal"};
    options_check(argc, argv, names, sizeof names / sizeof names[0]);
    run.seed = option_seed(argc, argv);
    run.first = option_number(argc, argv, "--only", 0);
    run.tells = option_given(argc, argv, "--only");
    run.only_way = index_of(way_names, WAYS, option_text(argc, argv, "--way", NULL));
    run.only_kind = index_of(damage_names, DAMAGES_ALL, option_text(argc, argv, "--kind", NULL));
    run.only_shape = index_of(shape_names, SHAPES, option_text(argc, argv, "--shape", NULL));
    run.control = (enum control)index_of(controls, 5, option_text(argc, argv, "--control", "none"));
    findings_silent(run.control != CONTROL_NONE && run.control != CONTROL_STILL);
}

static void print_table(void) {
    printf("%-14s", "damage");
    for (int way = 0; way < WAYS; way++) {
        printf("%9s: ref. rep. rest. none", way_names[way]);
    }
    printf("\n");
    for (int kind = 0; kind < DAMAGES_ALL; kind++) {
        printf("%-14s", damage_names[kind]);
        for (int way = 0; way < WAYS; way++) {
            static const int order[OUTCOMES] = {OUTCOME_REFUSED, OUTCOME_REPORTED,
                                                OUTCOME_RESTORED, OUTCOME_HARMLESS};
            printf("%9s ", "");
            for (int i = 0; i < OUTCOMES; i++) {
                printf(" %4llu",
                       (unsigned long long)run.tally->outcomes[way][kind][order[i]]);
            }
        }
        printf("\n");
    }
}

static void print_found(const char *title, const atomic_uint_fast64_t *found) {
    printf("%s:", title);
    int any = 0;
    for (int kind = 0; kind < FINDINGS; kind++) {
        if (found[kind] == 0) continue;
        printf(" %s %llu", finding_names[kind], (unsigned long long)found[kind]);
        any = 1;
    }
    printf("%s\n", any ? "" : " nothing");
}

/* A control has to be caught in every component. */
static int is_a_part_silent(void) {
    int is_silent = 0;
    for (int part = 0; part < PARTS; part++) {
        uint64_t count = run.tally->found_in[part];
        printf("found in %s: %llu\n", part_names[part], (unsigned long long)count);
        is_silent |= count == 0;
    }
    return is_silent;
}

/* Answers the exit status of a control that wants findings. */
static int report_control(uint64_t ran) {
    uint64_t seed = run.seed;
    int silent = is_a_part_silent();
    switch (run.control) {
    case CONTROL_OLDER:
        silent |= findings_count(FOUND_PAID_TWICE) == 0;
        return findings_report_control("damage", "older", seed, ran, FOUND_GRANTED_TWICE) || silent;
    case CONTROL_BARE:
        silent |= findings_count(FOUND_LOST) == 0 || findings_count(FOUND_PAID_TWICE) == 0;
        return findings_report_control("damage", "bare", seed, ran, FOUND_SIGNAL) || silent;
    default:
        silent |= run.tally->found_in[PARTS] == 0 || run.tally->bugs_missed != 0;
        printf("%llu answers were taken for INTERNAL, %llu of them unnoticed\n",
               (unsigned long long)run.tally->bugs, (unsigned long long)run.tally->bugs_missed);
        return findings_report_control("damage", "internal", seed, ran, FOUND_STATUS) || silent;
    }
}

int main(int argc, char **argv) {
    read_options(argc, argv);
    findings_start();
    scratch_start();
    uint64_t count = run.tells ? 1 : option_number(argc, argv, "--count", 5000);
    run.tally = points_kept_memory(count, sizeof *run.tally);
    uint64_t ran = run_points(count, run_point, NULL);
    if (run.control == CONTROL_STILL) return findings_report("damage_still", run.seed, ran, "");
    if (run.control != CONTROL_NONE) return report_control(ran);
    if (run.tells) return findings_total() != 0;
    print_table();
    char details[100];
    snprintf(details, sizeof details, "%llu more, of which nothing is promised: found",
             (unsigned long long)run.tally->unpromised);
    print_found(details, run.tally->unpromised_found);
    printf("of these, opens that were refused after their first commit: %llu\n",
           (unsigned long long)run.tally->late_refusals);
    snprintf(details, sizeof details, "%llu payments quarantined, %llu records mended",
             (unsigned long long)run.tally->quarantined, (unsigned long long)run.tally->mended);
    return findings_report("damage", run.seed, ran - run.tally->unpromised, details);
}

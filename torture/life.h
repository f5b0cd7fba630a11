/*
 * One life of a host: it opens the store, goes on with the workload where the last life ended, and
 * writes what it was told into a ledger that outlives it.
 */

#ifndef TORTURE_LIFE_H
#define TORTURE_LIFE_H

#include "model.h"
#include "resources.h"
#include "peers.h"

enum { CUT_OFFS_MAX = 12 };

enum entry_state {
    ENTRY_FRESH,
    ENTRY_STARTED,  /* the call was made and nobody knows its outcome */
    ENTRY_ANSWERED, /* acknowledged, or refused as the rules say */
    ENTRY_REFUSED,  /* the library said that it is definitely not applied */
    ENTRY_LEFT_OUT, /* it needs an id that was never allocated */
    ENTRY_MADE,     /* nobody was answered, and it was found made */
};

struct entry {
    volatile int state;
    unsigned left_out; /* bits of the operations that were refused for want of space */
    uint64_t allocated;
    /* Calls whose outcome is or was in doubt, the present one included; how many were applied. */
    volatile unsigned tries, applied_before;
    /* Of a step of several commits: how many each try made that was cut off. */
    unsigned cut_off[CUT_OFFS_MAX];
    volatile unsigned cut_offs;
    /* Monitors: which opening of the store the last try fell into, and those of the cut-offs. */
    volatile unsigned session;
    unsigned cut_off_sessions[CUT_OFFS_MAX];
    /* Bits of the step's commits that were answered DONE, and of those that were refused. */
    volatile unsigned made, unmade;
};

/* In memory shared with the other lives. */
struct ledger {
    struct entry entries[STEPS_MAX + 1]; /* the last one is of steps beyond the script */
    volatile unsigned grants[SLOTS]; /* how often init, or a part's registration, answered DONE */
    volatile uint8_t is_paid[PAYMENTS]; /* a settle was acknowledged, and not forgotten since */
    volatile unsigned lives, answered;
    volatile unsigned cut_offs; /* of steps of several commits, after some of them */
    volatile unsigned found_made; /* commits of monitors that nobody was answered for */
    volatile unsigned internals; /* answers that say that lnkeep met a bug of its own */
    volatile unsigned asked_poisoned; /* stores whose commit had failed were asked for a grant */
    volatile int status_seen; /* of the last call that failed, for the figures */
    volatile unsigned sessions; /* openings of the store */
    volatile uint64_t peer_knows[CHANNELS]; /* the newest update that an output told a peer of */
    struct resources_log resources;
    struct provider_ledger provider;
    struct consumer_ledger consumer;
};

/* What a host does with an answer that is neither DONE, ALREADY nor a refusal of the rules. */
enum policy {
    POLICY_NONE,  /* nothing was injected: such an answer is a finding */
    POLICY_STOP,  /* the host ends without closing the store */
    POLICY_GO_ON, /* as the header says: repeat, or reopen and repeat */
};

/* Hosts that break the rules, to show that the harness sees it. */
enum control {
    CONTROL_NONE,
    CONTROL_EARLY,   /* takes an operation for acknowledged before it calls */
    CONTROL_UNKNOWN, /* takes UNKNOWN for "not applied" */
    CONTROL_HEALS,   /* its store goes on after a commit that failed */
    CONTROL_APART,   /* changes payments and their attempts' records in transactions of their own */
    CONTROL_LATE,    /* knows no late settle, by which more than the amount may go out */
    CONTROL_LEAK,    /* sends what depends on a commit before the commit */
    CONTROL_SPLIT,   /* stores channels and their manager in commits of their own */
    CONTROL_MEMORY,   /* takes a decision from memory for durable */
    CONTROL_DEFERRED, /* takes a peer's blob for durable that waits in memory */
    CONTROL_UNSEALED,   /* hands a blob of ours to a peer before its number is durable */
    CONTROL_OLDER,   /* is put back to an older copy of its store after the kill */
};

struct life {
    char directory[4096];
    const struct script *script;
    struct ledger *ledger;
    enum policy policy;
    enum control control;
    int may_be_internal; /* INTERNAL is the right answer to what is injected */
};

enum {
    LIFE_ENDED = 0,
    LIFE_STOPPED = 10, /* could not go on, or did not want to */
};

/* A first life in a new directory, with a ledger of its own for each process that runs points. */
struct life life_new(const struct script *script, enum policy policy, enum control control);
/* For run_child and trace_run: the context is a struct life. */
int life_run(void *context);
/* What the hosts of a life were answered that is a finding wherever it comes. */
void life_judge(const struct life *life);
/* As life_run; then life_judge, and everything that was acknowledged is checked and every id asked for again. */
int life_verify(void *context);

/* --- What the parts of life.c and verify.c share. */

struct session {
    const struct life *life;
    lnkeep_store store;
    lnkeep_attempts attempts;
    lnkeep_payments payments;
    lnkeep_events work; /* acknowledges events as the script says */
    lnkeep_store_report report;
    struct model model; /* after everything that was answered */
    uint64_t event_taken;
    lnkeep_monitors monitors;
    lnkeep_monitors_report monitors_report;
    unsigned number; /* of this opening of the store */
    int is_poisoned;    /* a commit has failed: the close says so too */
    int is_closed_clean; /* the last close left nothing in the queue */
    /* Durable outputs that this opening gave, and that no commit has removed. */
    unsigned outputs_len;
    struct monitor_output outputs[OUTPUTS_MAX];
    lnkeep_resources resources;
    int is_reconciled;
    struct provider provider;
    struct consumer consumer;
};

/* What a call gave: one outcome per operation, or one for the whole call. */
struct answers {
    lnkeep_outcome outcomes[OPS_MAX];
    lnkeep_payment *view; /* of the payment after a single operation; freed by its reader */
    unsigned left_out;    /* of a race: the first commit came too late */
};

/* What the ledger says happened; answers the first step that is not finished. */
unsigned session_replay(struct session *session, const struct life *life);
lnkeep_status session_open(struct session *session, uint32_t flags);
void session_close(struct session *session);
/* Counts an answer that says that lnkeep met a bug of its own. */
void ledger_note(struct ledger *ledger, lnkeep_status status);
/* Answers LIFE_ENDED when the step is finished, else LIFE_STOPPED. */
int session_step(struct session *session, unsigned at);
/* A step beyond the script, after which nothing is in doubt: it answers as the model says. */
void session_perform(struct session *session, const struct step *step);

/* life_calls.c: makes the call of a step. `wanted` is what the model expects of it. */
void session_call(struct session *session, const struct step *step, unsigned at,
                  const struct expect *wanted, struct answers *answers);
/* life_payments.c: a single operation on a payment by its own call, with the view that it gives. */
void session_call_payment(struct session *session, const struct op *op,
                          const struct expect *wanted, struct answers *answers);
lnkeep_status session_fetch(struct session *session, unsigned payment);
lnkeep_status session_resume(struct session *session, const struct step *step);
/* What a payment of the library says, as the model puts it. Answers its number, or PAYMENTS. */
unsigned read_payment(const struct session *session, const lnkeep_payment *view,
                      struct model *seen);
struct past_event read_event(const struct model *model, const lnkeep_event *event);

/* life_monitors.c */
lnkeep_status session_open_monitors(struct session *session);
void session_close_monitors(struct session *session);
void session_call_monitors(struct session *session, const struct step *step, struct entry *entry,
                           struct answers *answers);
/* A commit was made: what was acknowledged went with it. */
void forget_acknowledged(struct session *session);
/* life_commits.c: two commits at once, and one in a group. */
lnkeep_status session_race(struct session *session, const struct step *step, struct entry *entry,
                           unsigned *left_out);
void session_group(struct session *session, const struct step *step, struct entry *entry,
                   struct answers *answers);
/* A commit of everything queued, as the model knows it; its bytes live until the next one. */
struct commit_words {
    lnkeep_monitors_commit commit;
    lnkeep_channel_tip view[CHANNELS + 1];
};
lnkeep_status commit_prepare(struct session *session, const struct monitors *monitors,
                             unsigned number, int is_large, struct commit_words *words);
/* An operation of STEP_QUEUE is asked for. */
lnkeep_status call_monitors_op(struct session *session, const struct monitors *monitors,
                               const struct op *op);

/* life_resources.c */
lnkeep_status session_open_resources(struct session *session);
void session_close_resources(struct session *session);
lnkeep_status session_call_resources(struct session *session, const struct step *step, unsigned at);

/* verify_monitors.c */
void read_monitors(struct session *session, struct model *seen);
/* A step that commits monitors is in doubt: finds out whether it was made, and notes it. */
void session_find_commit(struct session *session, unsigned at);
/* What an open must say of monitors after a clean close, and after any end. */
void check_monitors_report(struct session *session, int was_closed);
/* Updates are offered again, and those that are missing: ids neither skipped nor repeated. */
void ask_monitors_again(struct session *session);

/* For controls, behind the host's back: 0 when it was done. */
int meddle_with_monitors(lnkeep_store store);
int meddle_with_resources(lnkeep_store store, int is_compat);

/* verify_resources.c: what was called, and what each opening found, from the ledger. */
void judge_resources(const struct life *life);
/* The newest calls once more, with the same identifiers. */
void ask_resources_again(struct session *session);
/* Of a step at a place of the script. */
uint64_t step_ms(unsigned at, unsigned offset_ms);
/* LNKEEP_DONE, or a failure that a fault excuses; any other answer is a finding. */
lnkeep_status session_judge(const struct session *session, lnkeep_status given,
                            lnkeep_status wanted, const char *call, unsigned peer);

/* life_peers.c and verify_peers.c: blobs of other nodes. */
lnkeep_status session_provide(struct session *session, const struct step *step, unsigned at);
lnkeep_status provider_open(struct session *session);
void provider_is_flushed(struct session *session);
/* The store was synced, by whomever: what waits was written, or nobody knows. */
void provider_is_synced(struct session *session, lnkeep_status status);
lnkeep_status provider_check(struct session *session);
void provider_meet_all(struct session *session, unsigned at);

/* life_backup.c and verify_backup.c: our own blobs at other nodes. */
lnkeep_status session_consume(struct session *session, const struct step *step, unsigned at);
lnkeep_status consumer_open(struct session *session);
lnkeep_status consumer_known(struct session *session, unsigned peer, lnkeep_backup_peer *known);
lnkeep_status consumer_standing(struct session *session, lnkeep_backup_standing *standing);
/* What was promised of a peer is known after every crash since. */
void consumer_check_known(const struct session *session, unsigned peer,
                          const lnkeep_backup_peer *known);
/* What an open knows of a peer is what has to be known from here on. */
void consumer_take_known(struct session *session, unsigned peer, const lnkeep_backup_peer *known);
/* What a peer hands back at a connection. */
enum returns { RETURNS_HELD, RETURNS_BEFORE, RETURNS_GARBAGE, RETURNS_NOTHING, RETURNS_FOREIGN };
struct meeting {
    unsigned peer;
    enum returns returns;
    uint64_t foreign_seq; /* these two with RETURNS_FOREIGN: who sealed it, and as which number */
    const uint8_t *instance;
};
/* life_returns.c: the peer was greeted, and returns something or begins channel_reestablish. */
lnkeep_status consumer_conclude(struct session *session, const struct meeting *met,
                                uint64_t now_ms);
void consumer_check_failure(const struct session *session, int32_t failure, const char *call);
/* What peers hold is enough for what was known to be restorable. */
void consumer_check(struct session *session);
void consumer_meet_all(struct session *session, unsigned at);

/* control_peers.c: who breaks a promise about blobs, and what has to be found then. */
struct peers_control {
    const char *name;
    enum control control;
    unsigned wanted; /* enum finding */
    int peers_lose;
    int is_untold, are_stripped; /* HTLCs: to the library, and in the journals that peers hold */
    int is_unheard;
};
const struct peers_control *peers_control(const char *name);
/* The store as it is now, for a host that is put back to it. */
void life_keep_copy(const struct life *life);
void life_drop_copy(const struct life *life);
/* Between the kill and the check. */
void peers_meddle(const struct peers_control *control, struct life *life);

/* verify.c: everything that the store holds. */
void session_read(struct session *session, struct model *seen);
/* A step of several commits was cut off: finds out after how many, and notes it. */
void session_find_cut_off(struct session *session, unsigned at);

/* verify_payments.c */
void read_payments(struct session *session, struct model *seen);
/* Payments and the records of their attempts agree, whatever the model says. */
void check_pairs(const struct model *seen);
/* Every payment is asked for again: what was paid is refused, what was done is known. */
void ask_payments_again(struct session *session);

#endif

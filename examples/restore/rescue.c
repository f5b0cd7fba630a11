/*
 * The node that has lost everything but its secret.
 *
 *   1. it asks its peers (crawl.c), and answers none of their channel_reestablish;
 *   2. it takes the payload and the HTLCs. An older state than the newest known of it takes only
 *      when its operator says so;
 *   3. it puts them where they are safe. A real node then asks its peers to close the channels
 *      (BOLT 2, option_data_loss_protect) and sweeps: what came back may be older than what was
 *      last signed, so a channel must never go on from it;
 *   4. it tells its new, empty backup: lnkeep_backup_adopt. Before that lnkeep sends nothing, for
 *      that would overwrite what peers still keep;
 *   5. it has its data kept again.
 */
#define _XOPEN_SOURCE 700
#include "crawl.h"

#include "channels.h"
#include "files.h"
#include "outcome.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct rescue {
    struct node node;
    struct crawl crawl;
    lnkeep_recovered *payload;
    lnkeep_recovered_htlcs *htlcs;
};

/* What the parent, here as the operator, says. */
static bool may_go_on(const struct rescue *rescue)
{
    struct restore_order order;
    size_t len;
    return channel_receive(rescue->node.control_fd, &order, sizeof order, &len) == CHANNEL_OK &&
           order.kind == RESTORE_ORDER_GO && order.value == 1;
}

static bool take_payload(struct rescue *rescue, bool *accepts_older)
{
    const lnkeep_recovery_session session = rescue->crawl.session;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    *accepts_older = rescue->node.mistake == RESTORE_TAKES_OLDER;
    lnkeep_status status =
        lnkeep_recovery_payload(session, *accepts_older, &rescue->payload, &err);
    if (status == LNKEEP_NOT_ENOUGH_SHARES) {
        node_report(&rescue->node, RESTORE_REPORT_REFUSED, 0, status, err.value, 0);
        if (!may_go_on(rescue)) {
            return false;
        }
        *accepts_older = true;
        status = lnkeep_recovery_payload(session, 1, &rescue->payload, &err);
    }
    if (status == LNKEEP_NOT_ENOUGH_SHARES) {
        return false;
    }
    outcome_expect("payload", status, &err);
    files_write(RESTORE_PAYLOAD, rescue->payload->payload.ptr, rescue->payload->payload.len);
    node_report(&rescue->node, RESTORE_REPORT_RESTORED, 0, rescue->payload->status,
                rescue->payload->generation, rescue->payload->payload.len);
    return true;
}

static struct data_htlc htlc_of(const lnkeep_backup_htlc *found)
{
    struct data_htlc htlc = {
        .id = found->htlc_id,
        .amount_msat = found->amount_msat,
        .cltv_expiry = found->cltv_expiry,
        .channel = (uint8_t)data_channel_of(found->channel_id),
        .is_incoming = (found->flags & LNKEEP_BACKUP_HTLC_INCOMING) != 0,
        .has_preimage = (found->flags & LNKEEP_BACKUP_HTLC_HAS_PREIMAGE) != 0,
    };
    memcpy(htlc.payment_hash, found->payment_hash, sizeof htlc.payment_hash);
    memcpy(htlc.preimage, found->preimage, sizeof htlc.preimage);
    return htlc;
}

static const lnkeep_backup_htlc *htlc_at(const lnkeep_recovered_htlcs *htlcs, size_t i)
{
    return (const void *)((const char *)htlcs->htlcs + i * htlcs->htlc_stride);
}

static void take_htlcs(struct rescue *rescue)
{
    enum { FOUND_MAX = 2 * DATA_HTLCS_MAX }; /* more would be too many, and is judged so */
    static struct data_htlc found[FOUND_MAX];
    lnkeep_error err = LNKEEP_ERROR_INIT;
    const lnkeep_status status =
        lnkeep_recovery_htlcs(rescue->crawl.session, &rescue->htlcs, &err);
    size_t len = 0;
    if (status != LNKEEP_NOT_FOUND) {
        outcome_expect("htlcs", status, &err);
        len = rescue->htlcs->htlcs_len < FOUND_MAX ? rescue->htlcs->htlcs_len : FOUND_MAX;
    }
    for (size_t i = 0; i < len; i++) {
        found[i] = htlc_of(htlc_at(rescue->htlcs, i));
    }
    files_write(RESTORE_HTLCS, found, len * sizeof *found);
    node_report(&rescue->node, RESTORE_REPORT_HTLCS, 0, 0, len, 0);
}

/* A backup that is new, and peers that hold what it never sent: it must not send anything yet. */
static void try_to_send(struct rescue *rescue)
{
    struct node *node = &rescue->node;
    uint64_t sealed = 0;
    node_connect(node);
    for (unsigned peer = 0; peer < RESTORE_PEERS; peer++) {
        uint8_t node_id[WORLD_NODE_ID_BYTES];
        lnkeep_buf *blob = NULL;
        world_node_id(peer, node_id);
        const lnkeep_status status = lnkeep_backup_seal(
            node->backup, node_now_ms(node), node_id, WORLD_BLOCK_HEIGHT, &blob, NULL, NULL);
        sealed += status == LNKEEP_DONE;
        lnkeep_buf_free(blob);
    }
    node_report(node, RESTORE_REPORT_ALARM, 0, 0, node->losses, sealed);
}

static void begin_anew(struct rescue *rescue, uint64_t seq_floor)
{
    struct node *node = &rescue->node;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    node_open(node, rescue->crawl.secret);
    node_set_payload(node, rescue->payload->payload);
    for (size_t i = 0; rescue->htlcs != NULL && i < rescue->htlcs->htlcs_len; i++) {
        const struct data_htlc htlc = htlc_of(htlc_at(rescue->htlcs, i));
        node_tell_htlc(node, &htlc);
    }
    try_to_send(rescue);
    if (!may_go_on(rescue)) {
        _Exit(EXIT_COULD_NOT_RUN);
    }
    if (node->mistake == RESTORE_FORGETS_FLOOR || node->mistake == RESTORE_LOOKS_AWAY) {
        seq_floor = 1;
    }
    outcome_expect("adopt", lnkeep_backup_adopt(node->backup, seq_floor, &err), &err);
    node_report(node, RESTORE_REPORT_ADOPTED, 0, 0, seq_floor, 0);
    node->has_channels = true;
    for (unsigned i = 0; i < 2; i++) {
        node_disconnect(node);
        node_connect(node);
        node_pass(node, NODE_SETTLE_MS);
    }
    node_disconnect(node);
    node_connect(node);
    node_report_standing(node, RESTORE_REPORT_SAFE);
    node_close(node);
}

static void recover(struct rescue *rescue)
{
    bool accepts_older = false;
    uint64_t seq_floor = 0;
    lnkeep_error err = LNKEEP_ERROR_INIT;
    crawl_open(&rescue->crawl);
    crawl_run(&rescue->crawl);
    if (!take_payload(rescue, &accepts_older)) {
        node_report(&rescue->node, RESTORE_REPORT_GAVE_UP, 0, 0, 0, 0);
        crawl_close(&rescue->crawl);
        return;
    }
    take_htlcs(rescue);
    const lnkeep_status status =
        lnkeep_recovery_finish(rescue->crawl.session, accepts_older, &seq_floor, &err);
    outcome_expect("finish", status, &err);
    crawl_close(&rescue->crawl);
    begin_anew(rescue, seq_floor);
    lnkeep_recovered_free(rescue->payload); /* zeroized */
    lnkeep_recovered_htlcs_free(rescue->htlcs);
}

int restore_rescue_run(int control_fd)
{
    static struct rescue rescue;
    struct restore_start start;
    size_t len;
    if (channel_receive(control_fd, &start, sizeof start, &len) != CHANNEL_OK ||
        (mkdir(RESTORE_NODE_DIRECTORY, 0700) != 0 && errno != EEXIST)) {
        return EXIT_COULD_NOT_RUN;
    }
    rescue.node.control_fd = control_fd;
    rescue.node.mistake = (enum restore_mistake)start.mistake;
    node_set_clock(&rescue.node, start.clock_ms);
    rescue.node.looks_away = rescue.node.mistake == RESTORE_LOOKS_AWAY;
    if (rescue.node.mistake == RESTORE_WRONG_SECRET) {
        start.secret[0] ^= 1;
    }
    rescue.crawl.node = &rescue.node;
    rescue.crawl.secret = start.secret;
    recover(&rescue);
    node_wipe(start.secret, sizeof start.secret);
    return EXIT_SUCCESS;
}

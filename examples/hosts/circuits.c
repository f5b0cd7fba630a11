/*
 * Links, circuits, and how they are stored.
 */
#include "circuits.h"

#include <string.h>

/* The map replays nothing: manager and channels must be equal, which the view of each commit lets
 * the library check. The committer waits for its commit, so that nobody needs completions. The queue
 * holds the steps of twelve links, so that the others meet a full one. Snapshots here are small; by
 * bytes one would be asked for at every few updates. */
const lnkeep_monitors_options router_options = {
    .size = sizeof(lnkeep_monitors_options),
    .flags = LNKEEP_MONITORS_REPLAYS_NOTHING | LNKEEP_MONITORS_WITHOUT_COMPLETIONS |
             LNKEEP_MONITORS_NO_SNAPSHOT_GROWTH,
    .pending_ops_max = 48,
};

uint64_t link_count(const struct link_state *link, enum update_kind kind)
{
    return link->count[kind - 1];
}

bool link_apply(struct link_state *link, enum update_kind kind, uint64_t number)
{
    if (kind < UPDATE_ADD_IN || kind > UPDATE_FULFIL_OUT) {
        return false;
    }
    bool is_add = kind == UPDATE_ADD_IN || kind == UPDATE_ADD_OUT;
    uint64_t adds = link_count(link, kind == UPDATE_FULFIL_IN ? UPDATE_ADD_IN : UPDATE_ADD_OUT);
    link->tip++;
    link->count[kind - 1]++;
    return is_add ? number == link->count[kind - 1]
                  : number <= adds && link->count[kind - 1] <= adds;
}

size_t update_encode(enum update_kind kind, uint64_t number, uint8_t bytes[UPDATE_BYTES])
{
    return put_u64(bytes, put_u64(bytes, 0, kind), number);
}

void snapshot_encode(const struct link_state *link, uint8_t bytes[SNAPSHOT_BYTES])
{
    size_t at = 0;
    for (size_t kind = 0; kind < UPDATE_KINDS; kind++) {
        at = put_u64(bytes, at, link->count[kind]);
    }
}

void manager_encode(const struct router *router, uint8_t bytes[MANAGER_BYTES])
{
    size_t at = 0;
    for (size_t link = 0; link < LINKS; link++) {
        at = put_u64(bytes, at, router->links[link].tip);
        at = put_u64(bytes, at, router->circuits[link].add_in);
        at = put_u64(bytes, at, router->circuits[link].link_out);
        at = put_u64(bytes, at, router->circuits[link].add_out);
    }
}

void link_channel_id(uint64_t link, uint8_t channel_id[32])
{
    memset(channel_id, (int)link + 1, 32);
}

static bool replay(const lnkeep_monitor *monitor, struct link_state *link)
{
    if (monitor->channel.damage != 0 || monitor->snapshot.len != SNAPSHOT_BYTES) {
        return false;
    }
    *link = (struct link_state){.tip = monitor->channel.snapshot_update_id};
    for (size_t kind = 0; kind < UPDATE_KINDS; kind++) {
        link->count[kind] = get_u64(monitor->snapshot.ptr + 8 * kind);
    }
    bool consistent = true;
    const uint8_t *next = (const uint8_t *)monitor->updates;
    for (size_t place = 0; place < monitor->updates_len; place++, next += monitor->update_stride) {
        const lnkeep_monitor_update *one = (const lnkeep_monitor_update *)(const void *)next;
        const uint8_t *bytes = one->update.ptr;
        consistent = consistent && one->update.len == UPDATE_BYTES &&
                     link_apply(link, (enum update_kind)get_u64(bytes), get_u64(bytes + 8)) &&
                     one->update_id == link->tip;
    }
    return consistent && link->tip == monitor->channel.latest_update_id;
}

static bool load_link(struct keep *keep, uint64_t link, struct link_state *state)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_monitor *monitor = NULL;
    uint8_t channel_id[32];
    link_channel_id(link, channel_id);
    lnkeep_status status = lnkeep_monitors_load(keep->monitors, channel_id, &monitor, &err);
    if (status == LNKEEP_UNKNOWN_CHANNEL) {
        return false;
    }
    must(status, &err, "load");
    bool consistent = replay(monitor, state);
    lnkeep_monitor_free(monitor);
    return consistent;
}

static void decode_manager(const lnkeep_buf *manager, struct disk *disk)
{
    disk->agree = true;
    for (size_t link = 0; link < LINKS; link++) {
        const uint8_t *from = manager->ptr + 32 * link;
        disk->agree = disk->agree && get_u64(from) == disk->router.links[link].tip;
        disk->router.circuits[link] =
            (struct circuit){get_u64(from + 8), get_u64(from + 16), get_u64(from + 24)};
        disk->consistent = disk->consistent && disk->router.circuits[link].link_out < LINKS;
    }
}

void disk_load(struct keep *keep, struct disk *disk)
{
    lnkeep_error err = LNKEEP_ERROR_INIT;
    lnkeep_buf *manager = NULL;
    *disk = (struct disk){0};
    must(lnkeep_monitors_load_manager(keep->monitors, &manager, &err), &err, "load_manager");
    /* The links were made with the first manager, in one commit. */
    disk->exists = manager != NULL;
    disk->consistent = keep->report.damaged == 0 && keep->report.flags == 0;
    for (uint64_t link = 0; disk->exists && link < LINKS; link++) {
        bool loaded = load_link(keep, link, &disk->router.links[link]);
        disk->consistent = disk->consistent && loaded;
    }
    if (disk->exists && manager->len == MANAGER_BYTES) {
        decode_manager(manager, disk);
    } else if (disk->exists) {
        disk->consistent = false;
    }
    lnkeep_buf_free(manager);
}

bool router_balances(const struct router *router)
{
    uint64_t sum[UPDATE_KINDS] = {0}, open = 0;
    bool balances = true;
    for (size_t place = 0; place < LINKS; place++) {
        const struct link_state *link = &router->links[place];
        const struct circuit *circuit = &router->circuits[place];
        for (size_t kind = 0; kind < UPDATE_KINDS; kind++) {
            sum[kind] += link->count[kind];
        }
        bool on_its_way = link_count(link, UPDATE_ADD_IN) != link_count(link, UPDATE_FULFIL_IN);
        open += on_its_way;
        uint64_t expected = on_its_way ? link_count(link, UPDATE_ADD_IN) : 0;
        balances = balances && circuit->add_in == expected &&
                   circuit->add_out <=
                       link_count(&router->links[circuit->link_out], UPDATE_ADD_OUT);
    }
    return balances && sum[0] == sum[2] && sum[1] == sum[3] && sum[0] - sum[1] == open;
}

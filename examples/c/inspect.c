/*
 * The rules of what may have left a node: nothing that the disk does not cover.
 */
#define _XOPEN_SOURCE 700
#include "inspect.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Becomes the inspector; returns only if that fails. */
static void exec_inspector(const struct run *run, int fd)
{
    char number[16], epoch[24];
    snprintf(number, sizeof number, "%d", fd);
    snprintf(epoch, sizeof epoch, "%" PRIu64, run->epoch);
    char *arguments[] = {
        (char *)run->options.program, "--inspect", (char *)run->options.directory, epoch, number,
        NULL,
    };
    execv(run->options.program, arguments);
    perror(run->options.program);
}

static bool read_all(int fd, void *bytes, size_t len)
{
    size_t had = 0;
    while (had < len) {
        ssize_t more = read(fd, (char *)bytes + had, len - had);
        if (more < 0 && errno == EINTR) {
            continue;
        }
        if (more <= 0) {
            return false;
        }
        had += (size_t)more;
    }
    return true;
}

/* Runs the inspector to its end. */
static bool ask(const struct run *run, struct found *found)
{
    int ends[2], status = -1;
    if (pipe(ends) != 0) {
        perror("pipe");
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        exec_inspector(run, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    bool good = pid > 0 && read_all(ends[0], found, sizeof *found);
    close(ends[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return good && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* What must be covered, of one channel. */
static void compare_channel(struct run *run, const struct found *found, unsigned channel)
{
    struct inspection *inspection = &run->inspection;
    const struct found_channel *stored = &found->channels[channel];
    const struct monitor *monitor = &stored->monitor;
    const uint64_t known = found->manager.commitment_numbers[channel];
    inspection->damaged += stored->damage != 0;
    inspection->uncovered += run->network.commitment_numbers[channel] > monitor->commitment_number;
    inspection->disagreements += stored->is_stored != found->has_manager;
    inspection->disagreements += monitor->commitment_number > known || stored->lost_changes > 0;
    inspection->in_flight +=
        known > monitor->commitment_number ? known - monitor->commitment_number : 0;
    for (uint64_t i = 0; i < monitor->htlcs_len; i++) {
        const struct ledger_attempt *attempt =
            ledger_attempt(&run->ledger, monitor->htlc_ids[i]);
        bool forgotten = attempt != NULL && attempt->confirmed;
        bool told = attempt != NULL && attempt->notices > 0;
        inspection->uncovered += forgotten;
        inspection->notices_wrong += told;
    }
}

/* An HTLC that the network has not answered cannot have been removed. */
static void compare_held(struct run *run, const struct found *found)
{
    for (size_t i = 0; i < run->network.held_len; i++) {
        const struct htlc *htlc = &run->network.held[i];
        const struct found_channel *stored = &found->channels[monitor_channel_of(htlc->id)];
        run->inspection.uncovered +=
            htlc->place != HTLC_ANSWERED && !monitor_has(&stored->monitor, htlc->id);
    }
}

/* Notices are acknowledged in their order, after they were told: what is left begins at the latest
 * with the first one that the client does not have. */
static void compare_outputs(struct run *run, const struct found *found)
{
    const uint64_t gaps = found->outputs_len == 0 ? 0
                                                  : found->last_output_id - found->first_output_id +
                                                        1 - found->outputs_len;
    bool too_late = found->outputs_len > 0 && found->first_output_id > run->client.last_notice + 1;
    bool too_early = found->outputs_len > 0 && found->last_output_id < run->client.last_notice;
    run->inspection.notices_wrong += gaps + too_late + too_early;
}

void inspect_compare(struct run *run, const struct found *found)
{
    for (unsigned channel = 0; channel < WIRE_CHANNELS; channel++) {
        compare_channel(run, found, channel);
    }
    compare_held(run, found);
    compare_outputs(run, found);
}

bool inspect_after_kill(struct run *run)
{
    static struct found found;
    if (!ask(run, &found)) {
        fprintf(stderr, "the store of the killed node could not be inspected\n");
        return false;
    }
    run->inspection.kills++;
    run->epoch = found.has_store ? found.epoch : run->epoch;
    inspect_compare(run, &found);
    if (found.has_store) {
        neighbours_compare(&run->neighbours, &found.forwards);
    }
    return true;
}

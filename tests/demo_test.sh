#!/bin/sh
# The demo in small must report the right numbers, and its negative controls must be caught: each is
# a node with one mistake, which has to fail with 1, "a number is wrong", and in the row that the
# mistake is about. Any other failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
export LNKEEP_DEMO_KILLS="${LNKEEP_DEMO_KILLS:-10}"

# Usage: breaks NAME ROW
# A mistake shows in its row only if a kill falls into the right moment, so a run that met none is
# repeated.
breaks() {
    for run in 1 2 3 4 5; do
        status=0
        table=$(timeout 600 build/demo/node --break "$1") || status=$?
        printf '%s\n' "$table"
        echo "run $run: exit status $status, expected 1; expected as WRONG: $2"
        [ "$status" -le 1 ] || return 1
        ! printf '%s\n' "$table" | grep -q "^$2  .*WRONG" || break
    done
    [ "$status" -eq 1 ] && printf '%s\n' "$table" | grep -q "^$2  .*WRONG"
}

if [ -x build/demo/node ]; then
    check demo_survives_kills timeout 600 build/demo/node || true
    check demo_that_acknowledges_before_the_commit_fails \
        breaks early 'acknowledged and lost' || true
    check demo_that_begins_anew_instead_of_resuming_fails \
        breaks new-payment 'paid more than the amount' || true
    check demo_that_registers_without_the_record_fails \
        breaks no-record 'paid more than the amount' || true
    check demo_that_sends_before_the_channel_is_committed_fails \
        breaks early-message 'left the node and not on its disk' || true
    check demo_that_stores_channels_and_manager_apart_fails \
        breaks two-commits 'channels and the manager disagree' || true
    check demo_that_acknowledges_notices_before_they_are_told_fails \
        breaks early-acknowledge 'settles not told, or before their commit' || true
    check demo_that_forwards_without_reconciling_fails \
        breaks no-reconcile 'pending otherwise than the neighbours hold' || true
    check demo_that_keeps_decisions_in_memory_fails \
        breaks no-journal 'decided durably and lost' || true
else
    not_ok 'build/demo/node does not exist: examples/c/node.c has no main() at the start of a line'
fi
finish demo

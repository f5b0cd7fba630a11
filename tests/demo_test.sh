#!/bin/sh
# The demo in small must report the right numbers, and its negative controls must be caught: each is
# a node with one mistake, which has to fail with 1, "a number is wrong", and in the row that the
# mistake is about. Any other failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
export LNKEEP_DEMO_KILLS="${LNKEEP_DEMO_KILLS:-10}"

# Usage: breaks NAME ROW
breaks() {
    status=0
    table=$(timeout 600 build/demo/node --break "$1") || status=$?
    printf '%s\n' "$table"
    echo "exit status $status, expected 1; expected as WRONG: $2"
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
else
    not_ok 'build/demo/node does not exist: examples/c/node.c has no main() at the start of a line'
fi
finish demo

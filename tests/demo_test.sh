#!/bin/sh
# The demo in small must report the right numbers, and its negative control must be caught:
# a node that acknowledges before the commit (--break) has to fail with 1, "a number is wrong".
# Any other failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
export LNKEEP_DEMO_KILLS="${LNKEEP_DEMO_KILLS:-10}"

breaks() {
    status=0
    timeout 600 build/demo/node --break || status=$?
    echo "exit status $status, expected 1"
    [ "$status" -eq 1 ]
}

if [ -x build/demo/node ]; then
    check demo_survives_kills timeout 600 build/demo/node || true
    check demo_that_breaks_the_promise_fails breaks || true
else
    not_ok 'build/demo/node does not exist: examples/c/node.c has no main() at the start of a line'
fi
finish demo

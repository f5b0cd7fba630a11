#!/bin/sh
# Runs the runners of `make test`, given as two arguments: the runners of two lanes, for small machines have two
# cores and few runners use both. Shows what a runner printed when it has ended, and at the end what failed.
set -eu
cd "$(dirname "$0")/.."
logs=$(mktemp -d)
lanes=
# shellcheck disable=SC2086 # the ids are words
trap 'kill $lanes 2> /dev/null || true; rm -rf "$logs"' EXIT
trap 'exit 1' INT TERM

# Usage: lane RUNNER...
lane() {
    for runner in "$@"; do
        began=$(date +%s) status=0
        make --no-print-directory "$runner" > "$logs/$runner" 2>&1 || status=$?
        if [ "$status" -ne 0 ]; then echo "$runner" >> "$logs/failed"; fi
        {
            printf '\n== %s\n' "$runner"
            cat "$logs/$runner"
            echo "$runner took $(($(date +%s) - began)) s"
        } > "$logs/shown-$runner"
        # Whole, although the other lane may end a runner in the same moment.
        flock "$logs" cat "$logs/shown-$runner"
    done
}

: > "$logs/failed"
for runners in "$@"; do
    # shellcheck disable=SC2086 # the runners are words
    lane $runners &
    lanes="$lanes $!"
done
for lane in $lanes; do wait "$lane" || echo "a lane of runners" >> "$logs/failed"; done
lanes=
if [ -s "$logs/failed" ]; then
    printf '\nFAILED: %s\n' "$(tr '\n' ' ' < "$logs/failed")"
    exit 1
fi
printf '\nevery runner passed; what was skipped is marked SKIPPED above\n'

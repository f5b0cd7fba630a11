#!/bin/sh
# Peer storage between two nodes, in small: it must report the right numbers, of breaks that met
# something, and each of its negative controls must make the number wrong that it is about, with
# exit status 1. Any other failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
program=build/demo/peers

# Rows that show that the zeros below them are of something.
survives() {
    table=$(timeout 300 "$program" --rounds 50) || return 1
    printf '%s\n' "$table"
    for row in 'kills of the provider' 'kills of the consumer' 'connections broken' 'blobs sent' \
        'committed: at once or after the cooldown' 'deferred: the cooldown was not over' \
        'confirmed by them: what was sent is safe' 'state losses noticed from them'; do
        printf '%s\n' "$table" | grep -qE "^ *$row +[1-9]" || { echo "nothing: $row"; return 1; }
    done
}

is_wrong() { printf '%s\n' "$table" | grep -q "^$1  .*WRONG"; }

# Usage: breaks NAME ROW [ANOTHER-ROW]
# A mistake shows in its row only if a break falls into the right moment, so a run that met none is
# repeated.
breaks() {
    for run in 1 2 3 4 5; do
        status=0
        table=$(timeout 300 "$program" --rounds 20 --break "$1") || status=$?
        printf '%s\n' "$table"
        echo "run $run: exit status $status, expected 1; expected as WRONG: $2, ${3:-$2}"
        [ "$status" -le 1 ] || return 1
        ! { is_wrong "$2" && is_wrong "${3:-$2}"; } || break
    done
    [ "$status" -eq 1 ] && is_wrong "$2" && is_wrong "${3:-$2}"
}

kept_directory_is_not_used_again() {
    folder=$(mktemp -d)
    status=0
    timeout 300 "$program" --rounds 1 --dir "$folder/peers" &&
        { timeout 300 "$program" --rounds 1 --dir "$folder/peers" || status=$?; }
    rm -rf "$folder"
    echo "exit status $status, expected 2"
    [ "$status" -eq 2 ]
}

if [ -x "$program" ]; then
    check peers_survive_kills survives || true
    check consumer_that_sends_on_connect_fails \
        breaks early-send 'overwritten before they were returned' || true
    check consumer_that_looks_after_channel_reestablish_fails \
        breaks late-look 'state losses not noticed in time' || true
    check consumer_that_counts_in_memory_fails \
        breaks memory-sequence 'sequence numbers used twice' 'false alarms of state loss' || true
    check provider_that_acknowledges_before_the_commit_fails \
        breaks early-commit 'returned otherwise than the newest known durable' || true
    check provider_without_cooldown_fails \
        breaks no-cooldown 'commits beyond one per cooldown' || true
    check kept_directory_is_not_used_again kept_directory_is_not_used_again || true
else
    not_ok 'build/demo/peers does not exist: examples/c/peers.c has no main() at the start of a line'
fi
finish peers-demo

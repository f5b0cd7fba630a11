#!/bin/sh
# A node that has lost everything and ten peers, in small: it must report the right numbers, of
# rounds in which something happened, and each of its negative controls must make the numbers wrong
# that it is about, with exit status 1. Any other failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
program=build/demo/restore
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Rows that show that the zeros below them are of something. The seed is of a plan in which the node
# dies while it sends, and its newest state is lost.
recovers() {
    table=$(timeout 120 "$program" --rounds 2 --seed 11) || return 1
    printf '%s\n' "$table"
    for row in 'kills of the node, with its directory' 'while it sent its newest state' \
        'kills of the node that recovers' 'that only a roster names' 'returned something new' \
        'returned what nobody can read' 'returned nothing' 'could not be reached' \
        'refused: too few shares of the newest state' 'older state taken, with consent' \
        'payload bytes restored' 'HTLCs restored' 'with their preimages'; do
        printf '%s\n' "$table" | grep -qE "^ *$row +[1-9]" || { echo "nothing: $row"; return 1; }
    done
}

# Usage: begin_control NAME. Several at once: most of a round is waiting for disks.
begin_control() {
    {
        status=0
        timeout 120 "$program" --break "$1" > "$folder/$1" 2>&1 || status=$?
        echo "exit status $status, expected 1" >> "$folder/$1"
    } &
}

# Usage: is_caught NAME ROW... The table of a control that has run.
is_caught() {
    control=$1
    shift
    cat "$folder/$control"
    grep -q '^exit status 1,' "$folder/$control" || return 1
    for row in "$@"; do
        grep -q "^$row  .*WRONG" "$folder/$control" || { echo "expected as WRONG: $row"; return 1; }
    done
}

says_that_it_cannot() {
    is_caught "$1" 'payloads not restored' &&
        grep -q '^the newest state cannot be restored (NOT_ENOUGH_SHARES)' "$folder/$1"
}

kept_directory_is_not_used_again() {
    status=0
    timeout 120 "$program" --rounds 1 --dir "$folder/kept" &&
        { timeout 120 "$program" --rounds 1 --dir "$folder/kept" || status=$?; }
    echo "exit status $status, expected 2"
    [ "$status" -eq 2 ]
}

if [ -x "$program" ]; then
    check node_without_anything_recovers recovers || true
    for group in 'too-many-liars wrong-secret takes-older' 'sends-early answers-early forgets-floor' \
        'looks-away saves-nothing no-htlcs' 'no-cipher mixed-payload'; do
        for control in $group; do
            begin_control "$control"
        done
        wait
    done
    check too_many_liars_are_told_of says_that_it_cannot too-many-liars || true
    check another_secret_restores_nothing says_that_it_cannot wrong-secret || true
    check node_that_takes_an_older_state_unasked_fails \
        is_caught takes-older 'older states taken unasked' || true
    check node_that_sends_before_it_recovered_fails \
        is_caught sends-early 'blobs sent before the recovery was over' || true
    check node_that_reestablishes_before_it_recovered_fails \
        is_caught answers-early 'channel_reestablish sent before that' || true
    check backup_that_is_not_told_of_used_numbers_is_not_safe \
        is_caught forgets-floor 'recovered nodes not safe again' || true
    check backup_that_is_not_shown_what_came_back_repeats_numbers \
        is_caught looks-away 'losses that a new backup did not notice' \
        'sequence numbers used twice, or falling' || true
    check node_that_does_not_save_its_session_asks_again \
        is_caught saves-nothing 'peers asked again for what was saved' || true
    check htlcs_that_are_not_told_are_missed is_caught no-htlcs 'HTLCs missing' || true
    check data_without_a_cipher_is_found \
        is_caught no-cipher "secrets in the clear on peers' disks" || true
    check mixture_of_two_generations_is_found is_caught mixed-payload \
        'bytes of payloads that differ' 'blocks of another generation' || true
    check kept_directory_is_not_used_again kept_directory_is_not_used_again || true
else
    not_ok 'build/demo/restore does not exist: make build/demo/restore'
fi
finish restore-demo

#!/bin/sh
# Hosts that are not LDK must come through kills, and what they do wrong on purpose must be caught:
# with exit status 1, "a number is wrong", and in the row that the mistake is about. Any other
# failure would show only that it did not run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
KILLS="${LNKEEP_HOSTS_KILLS:-60}"
hosts=examples/hosts

# Usage: builds PROGRAM FILE...
builds() {
    program=$1
    shift
    mkdir -p build/hosts
    # shellcheck disable=SC2046 # the libraries are separate words
    ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -g -Iinclude -pthread \
        -o "build/hosts/$program" "$@" $hosts/keep.c $hosts/forwards.c $hosts/outside.c \
        build/lib/liblnkeep.a $(cat build/lib/native-libs)
}

# Usage: survives PROGRAM
survives() {
    table=$(timeout 300 "build/hosts/$1" --kills "$KILLS") || { printf '%s\n' "$table"; return 1; }
    printf '%s\n' "$table"
    printf '%s\n' "$table" | grep -q "^kills  *$KILLS\$"
}

# Usage: breaks PROGRAM MISTAKE ROW
# A mistake shows only if a kill falls into the right moment, so a run that met none is repeated.
breaks() {
    for run in 1 2 3 4 5 6 7 8 9 10; do
        status=0
        table=$(timeout 300 "build/hosts/$1" --kills "$KILLS" --break "$2") || status=$?
        printf '%s\n' "$table"
        echo "run $run: exit status $status, expected 1; expected as WRONG: $3"
        [ "$status" -eq 0 ] || break
    done
    [ "$status" -eq 1 ] && printf '%s\n' "$table" | grep -q "^$3  .*WRONG"
}

if check cln_like_builds builds cln-like $hosts/cln_like.c $hosts/cln_node.c $hosts/backup.c; then
    check cln_like_survives_kills survives cln-like || true
    check cln_like_that_sends_before_the_commit_fails \
        breaks cln-like early 'answered and not in the [a-z]*' || true
    check cln_like_that_replays_the_first_record_of_a_data_version_fails \
        breaks cln-like first-wins 'database and backup differ' || true
fi
if check lnd_like_builds builds lnd-like $hosts/lnd_like.c $hosts/lnd_node.c $hosts/circuits.c; then
    check lnd_like_survives_kills survives lnd-like || true
    check lnd_like_whose_links_send_instead_of_staging_fails \
        breaks lnd-like early 'told to a peer and not on disk' || true
    check lnd_like_that_captures_after_serialising_fails \
        breaks lnd-like order 'manager and channels of different moments' || true
fi
finish hosts

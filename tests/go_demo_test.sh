#!/bin/sh
# The Go demo in small: it must report the right numbers, and each of its negative controls must
# make the number wrong that it is about, with exit status 1. Any other failure would show
# only that the demo did not run. Its modules come from the module proxy: where that is out of
# reach, the demo is skipped; a program that does not compile fails.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
export LNKEEP_DEMO_KILLS="${LNKEEP_DEMO_KILLS:-20}"
root=$PWD
program=$root/build/demo/go-node

skip_all() {
    skip go-demo "$1"
    finish go-demo
    exit
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

status=0
sh examples/go/build.sh > "$folder/build" 2>&1 || status=$?
case $status in
0) ok build ;;
3) cat "$folder/build" && skip_all "$(tail -n 1 "$folder/build")" ;;
*) cat "$folder/build" && not_ok build && finish go-demo ;;
esac

# Go does not notice a changed archive; a changed flag it does.
hash=$(sha256sum build/lib/liblnkeep.a | cut -c 1-8)
export CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$hash"

in_module() (cd examples/go && "$@")

# Usage: breaks STEP NUMBER. The control ends with 1 and finds the number wrong.
breaks() {
    status=0
    timeout 300 "$program" --break "$1" > "$folder/control" 2>&1 || status=$?
    cat "$folder/control"
    echo "exit status $status, expected 1; and expected to be wrong: $2"
    [ "$status" -eq 1 ] && grep -qE "^$2 +[0-9]+   WRONG" "$folder/control"
}

kept_store_is_not_used_again() {
    timeout 300 "$program" --kills 0 --dir "$folder/store"
    status=0
    timeout 300 "$program" --kills 0 --dir "$folder/store" || status=$?
    echo "exit status $status, expected 2"
    [ "$status" -eq 2 ]
}

races() {
    in_module go build -race -tags lnkeep_tree -o "$folder/race" ./node
    # Exit status 66 of a node, as of any program with a race, ends the demo with 2.
    timeout 300 "$folder/race" --kills 5
}

# The program as a user builds it: no tag, the library installed and found by pkg-config. Go does
# not notice that pkg-config answers another place, so that it is always the same, and in a flag.
prefix=$root/build/go-demo
installed_library() (
    CGO_CFLAGS="-O2 -g -DLNKEEP_PREFIX_HASH=$(echo "$prefix" | cksum | cut -d " " -f 1)"
    # -o: the archive that everything else is tested with, also when a source is newer.
    make --no-print-directory -o build/lib/liblnkeep.a install "PREFIX=$prefix"
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    in_module go build -o "$folder/installed" ./node
    LD_LIBRARY_PATH="$prefix/lib" timeout 300 "$folder/installed" --kills 3
)

check vet in_module go vet -tags lnkeep_tree ./... || true
check go_test in_module go test -count=1 -timeout 120s -tags lnkeep_tree ./... || true
check demo_survives_kills timeout 600 "$program" || true
check init_acknowledged_too_early_is_found breaks init 'acknowledged and lost' || true
check attempt_dispatched_again_is_found breaks already 'attempts dispatched twice' || true
check htlc_before_its_mark_is_found breaks mark 'rolled back after it left' || true
check message_before_its_commit_is_found breaks mark 'left the node and not on its disk' || true
check channel_and_manager_apart_are_found breaks apart 'channel and manager disagree' || true
check notice_acknowledged_too_early_is_found \
    breaks notice 'settles not told, or before their commit' || true
check result_confirmed_too_early_is_found breaks result 'rolled back after it left' || true
check payment_made_anew_is_found breaks anew 'hashes paid twice' || true
check repeat_without_a_key_is_found breaks key 'repeats answered otherwise than the first' || true
check restart_without_reconciling_is_found \
    breaks reconcile 'pending otherwise than the neighbours hold' || true
check decisions_in_memory_alone_are_found breaks journal 'decided durably and lost' || true
check kept_store_is_not_used_again kept_store_is_not_used_again || true
check races races || true
if have pkg-config; then
    check installed_library installed_library || true
else
    skip installed_library 'pkg-config is not installed'
fi
finish go-demo

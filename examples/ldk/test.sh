#!/bin/sh
# The LDK host: LDK's tests of Persist and KVStore on it, its own tests, and two nodes through SIGKILLs with
# their controls. Which of LDK's tests run, and why the others do not: ldk-tests.txt.
#
# The crates come from the registry. Exit status 3 says, after a line with the reason, that this machine
# has no Rust or cannot reach it.
set -eu
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
. "$root/tests/report.sh"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$root/build/ldk}"
work=$CARGO_TARGET_DIR/test-ldk

cannot() {
    echo "NOTHING OF THE LDK HOST WAS TESTED: $1" >&2
    skip ldk "$1"
    finish ldk || true
    exit 3
}

have cargo || cannot 'cargo is not installed'
have cc || cannot 'no C compiler is installed'
mkdir -p "$work"

# What a network says that does not give the crates. Everything else, such as a checksum that differs or a
# lock file that does not fit, is a mistake of the tree.
unreachable='failed to download|download of .* failed|spurious network error|Could not resolve host|'
unreachable=$unreachable'Could not connect|[Cc]onnection (refused|reset|timed out)|Timeout was reached|'
unreachable=$unreachable'failed to get .* as a dependency|Unable to update registry|SSL connect error|'
unreachable=$unreachable'offline mode \(--offline\)'

fetch_crates() {
    status=0
    timeout 900 cargo fetch --locked > "$work/fetch.log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        cat "$work/fetch.log"
        if [ "$status" -eq 124 ] || grep -qE "$unreachable" "$work/fetch.log"; then
            cannot 'the crates cannot be fetched'
        fi
        not_ok 'the lock file fits'
        finish ldk || true
        exit 1
    fi
}

source_of() {
    cargo metadata --format-version 1 --offline --locked --filter-platform "$host" |
        grep -oE '"manifest_path":"[^"]*/'"$1"'-[0-9][^/"]*/Cargo.toml"' |
        sed 's/^"manifest_path":"//; s|/Cargo.toml"$||' | head -n 1
}

# Names of the tests in the files, and of the functions that such a file has in store for tests.
names_in() {
    awk '/#\[(tokio::)?test\]/ { test = 1 }
         test && match($0, /fn [a-z_0-9]+\(/) { print substr($0, RSTART + 3, RLENGTH - 4); test = 0 }' "$@"
    sed -n 's/^pub(crate) fn \(do_[a-z_0-9]*\).*/\1/p' "$@"
}

every_test_of_the_release_is_listed() {
    persister=$(source_of lightning-persister) lightning=$(source_of lightning)
    names_in "$persister/src/test_utils.rs" "$persister/src/fs_store.rs" \
        "$lightning/src/chain/chainmonitor.rs" "$lightning/src/util/persist.rs" |
        sort > "$work/released"
    awk '/^(run|port|skip) / { print $2 }' ldk-tests.txt | sort | diff "$work/released" -
}

every_listed_test_ran() {
    awk '/^(run|port) / { print $3 }' ldk-tests.txt | sort -u > "$work/wanted"
    comm -23 "$work/wanted" "$work/passed" | sed 's/$/ did not pass/' > "$work/missing"
    cat "$work/missing"
    [ ! -s "$work/missing" ]
}

readme_names_the_release() {
    grep -q "lightning $(cargo pkgid --offline --locked lightning | sed 's/.*[#@]//')" README.md
}

# Usage: run_tests TARGET. Adds what the test program reports.
run_tests() {
    log=$work/$1.log status=0
    timeout 300 cargo test --locked --test "$1" -- --test-threads 2 --show-output > "$log" 2>&1 || status=$?
    names=$(sed -n 's/^test \([a-z_0-9]*\) \.\.\. ok$/\1/p' "$log")
    for name in $names; do
        ok "$1::$name"
        echo "$1::$name" >> "$work/passed"
    done
    if [ "$status" -ne 0 ]; then
        cat "$log"
        bad=$(sed -n 's/^test \([a-z_0-9]*\) .*FAILED$/\1/p' "$log")
        # A program that does not build, hangs or aborts counts as one.
        for name in ${bad:-did_not_end_well}; do not_ok "$1::$name"; done
    elif [ -z "$names" ]; then
        not_ok "$1: no test ran"
    fi
}

fetch_crates
host=$(rustc -vV | sed -n 's/^host: //p')
: > "$work/passed"

check every_test_of_the_release_is_listed every_test_of_the_release_is_listed || true
check readme_names_the_release readme_names_the_release || true
check rustfmt cargo fmt --check || true
if check builds timeout 1800 cargo test --locked --no-run; then
    for target in store persist line peer_backups kills; do run_tests "$target"; done
    sort -o "$work/passed" "$work/passed"
    check every_listed_test_ran every_listed_test_ran || true
    sed -n 's/^\(kept: .*\)/  \1/p' "$work/kills.log"
fi

awk '$1 == "skip" { name = $2; $1 = $2 = ""; print name ":" $0 }' ldk-tests.txt > "$work/skipped"
while IFS=: read -r name reason; do skip "LDK's $name" "${reason#  }"; done < "$work/skipped"
finish ldk

#!/bin/sh
# The simulation must show what it claims, and must notice a guard that does not guard: judged by
# the guarantees, `none` has to fail with status 1 and for its revenue, not for another reason.
set -eu
cd "$(dirname "$0")/../.."
. tests/report.sh
cargo build --quiet --release --locked --example jamming
jamming="${CARGO_TARGET_DIR:-target}/release/examples/jamming"
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT

# Usage: status_of EXPECTED ARGUMENT... Prints what the simulation said.
status_of() {
    expected=$1
    shift
    status=0
    timeout 300 "$jamming" "$@" > "$files/said" 2>&1 || status=$?
    cat "$files/said"
    echo "exit status $status, expected $expected"
    [ "$status" -eq "$expected" ]
}

strict_holds() {
    status_of 0 --quick --seed 1 --out "$files/report.html" --json "$files/summary.json" &&
        grep -q 'every guarantee of strict holds' "$files/said"
}

# What it names must be what is wrong with no guard at all.
none_is_caught() {
    status_of 1 --quick --seed 1 --guard none &&
        grep -q '^BROKEN: slow-jam: none keeps' "$files/said" &&
        grep -q '^BROKEN: fast-jam: none keeps' "$files/said" &&
        grep -q '^BROKEN: liquidity-capture: none keeps' "$files/said"
}

the_same_seed_gives_the_same_figures() {
    status_of 0 --attack slow-jam --seed 3 --json "$files/one.json" &&
        status_of 0 --attack slow-jam --seed 3 --json "$files/two.json" &&
        cmp "$files/one.json" "$files/two.json"
}

another_seed_gives_others() {
    status_of 0 --attack slow-jam --seed 4 --json "$files/other.json" &&
        ! cmp -s "$files/one.json" "$files/other.json"
}

# Nothing is fetched, nothing runs: a report can be mailed and kept.
report_is_self_contained() {
    grep -q '<svg' "$files/report.html" &&
        grep -q 'prefers-color-scheme: dark' "$files/report.html" &&
        ! grep -Eq 'https?://|<script|<link|<img|@import|url\(' "$files/report.html"
}

summary_has_every_run() {
    [ "$(grep -c '"guard":' "$files/summary.json")" -eq 12 ]
}

graph_is_read() {
    status_of 0 --graph examples/jamming/graph.json --target hub --attack liquidity-capture &&
        grep -q '9 nodes, 12 channels' "$files/said"
}

wrong_input_is_refused() {
    printf '{"sim_network":[{"scid":1}]}' > "$files/wrong.json"
    status_of 2 --graph "$files/wrong.json" && grep -q 'capacity_msat is missing' "$files/said" &&
        status_of 2 --graph examples/jamming/graph.json --target nobody &&
        status_of 2 --attack nothing && status_of 2 --seed one && status_of 2 --unknown 1
}

check strict_holds strict_holds || true
check none_is_caught none_is_caught || true
check report_is_self_contained report_is_self_contained || true
check summary_has_every_run summary_has_every_run || true
check the_same_seed_gives_the_same_figures the_same_seed_gives_the_same_figures || true
check another_seed_gives_others another_seed_gives_others || true
check graph_is_read graph_is_read || true
check wrong_input_is_refused wrong_input_is_refused || true
finish jamming

#!/bin/sh
# Comparisons at the disk's own flush and with time added to each flush, then what does not depend
# on the flush. `sh benches/run.sh callers` runs only the benches named:
#
#   callers    rows made durable by 1 to 1,000 callers: lnkeep, bbolt, bare LMDB, a log file, SQLite
#   payments   payments registered and settled by 1 and 16 callers: lnkeep, and bbolt as lnd uses it
#   monitors   checkpoints of channels and a manager: lnkeep, a file per key as LDK, SQLite; warm loads
#   million    a million attempts in lnkeep and in bbolt
#   payments_million   a million payments in both: start, pages, fetches, memory
#   attempts   Rust API and C ABI beside the same rows put by hand in bare LMDB
#   files      check, backup, compaction; an init while 50 MiB are staged or committed
#   resources  HTLC decisions beside a port of the reference's structure; restores, memory
#   peers      peers' blobs: 10,000 peers, a flood, attempts beside them; seals and envelopes
#   stripe     the erasure code over 1 MB, beside another implementation of it
#   memory     what lnkeep holds in memory with a million attempts
#   calls      single calls under criterion, to compare two builds; runs only when named
#
# LNKEEP_BENCH_ROUNDS, LNKEEP_BENCH_ROUND_MS  how long (7 rounds of 300 ms)
# LNKEEP_BENCH_DELAY_US                       what is added to a flush (1000)
# LNKEEP_BENCH_DIR                            where stores are made: the disk to measure
# LNKEEP_BENCH_ATTEMPTS                       how many a million are; 100,000 if there is one round
#
# How to read it: docs/benchmarks.md.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
out=$PWD/build/bench
module=go-bindings/bench
rounds=${LNKEEP_BENCH_ROUNDS:-7}
round_ms=${LNKEEP_BENCH_ROUND_MS:-300}
delay_us=${LNKEEP_BENCH_DELAY_US:-1000}
if [ "$rounds" -gt 1 ]; then attempts=1000000; else attempts=100000; fi
attempts=${LNKEEP_BENCH_ATTEMPTS:-$attempts}
export LNKEEP_BENCH_ROUNDS="$rounds" LNKEEP_BENCH_ROUND_MS="$round_ms"
export LNKEEP_BENCH_ATTEMPTS="$attempts"
strict='-std=c11 -O2 -g -Wall -Wextra -Wpedantic -Werror'

mkdir -p "$out"
rm -rf "${out:?}"/*
folder=$(mktemp -d "${LNKEEP_BENCH_DIR:-$out}/stores.XXXXXX")
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM

has_sqlite() { pkg-config --exists sqlite3 2> /dev/null; }

# shellcheck disable=SC2086 # the flags are words
c() { ${CC:-gcc} $strict "$@"; }

shim_builds() { c -fPIC -shared -o "$out/slow_flush.so" benches/slow_flush.c; }

# Bare LMDB is the one inside liblnkeep.a: benches/compare/lmdb_names.h.
# shellcheck disable=SC2046,SC2086
c_worker_builds() {
    sources=$(ls benches/compare/*.c) sqlite=
    if has_sqlite; then
        sqlite="-DBENCH_SQLITE $(pkg-config --cflags --libs sqlite3)"
    else
        sources=$(echo "$sources" | grep -v 'sqlite\.c$')
    fi
    c -D_GNU_SOURCE -Iinclude -pthread -o "$out/c-worker" $sources build/lib/liblnkeep.a \
        $(cat build/lib/native-libs) $sqlite
}

driver_builds() (cd "$module" && go test . && go build -o "$out/driver" .)

bbolt_is_there() (cd "$module" && go mod download go.etcd.io/bbolt golang.org/x/sys)

bbolt_is_slowed() {
    source=$(cd "$module" && go list -m -f '{{.Dir}}' go.etcd.io/bbolt)
    sh benches/slow_bbolt.sh "$source" "$out/bbolt"
}

# Twice: with bbolt as it was released, and with the copy that sleeps.
go_workers_build() (
    # Go does not notice a changed archive; a changed flag it does.
    hash=$(sha256sum build/lib/liblnkeep.a | cut -c 1-8)
    export CGO_ENABLED=1 CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$hash"
    cd "$module"
    go build -tags lnkeep_tree -o "$out/go-worker" ./worker
    cp go.mod "$out/slow.mod"
    cp go.sum "$out/slow.sum"
    go mod edit -replace "go.etcd.io/bbolt=$out/bbolt" "$out/slow.mod"
    go build -modfile "$out/slow.mod" -tags lnkeep_tree -o "$out/go-slow-worker" ./worker
)

# Builds what the comparison needs. Without SQLite or bbolt the rest is compared.
build_comparison() {
    check shim_builds shim_builds || return 1
    check c_worker_builds c_worker_builds || return 1
    check driver_builds driver_builds || return 1
    has_sqlite || skip sqlite 'pkg-config does not find sqlite3'
    if ! bbolt_is_there; then
        skip 'bbolt and the Go package' 'go.etcd.io/bbolt could not be fetched'
        return 0
    fi
    check bbolt_is_slowed bbolt_is_slowed || return 1
    check go_workers_build go_workers_build || return 1
}

# Usage: compare TABLES
compare() {
    printf '\n== %s\n' "$1"
    if ! have go; then
        skip "$1" 'go is not installed: it drives the comparison, and bbolt is written in it'
        return 0
    fi
    build_comparison || return 0
    set -- -tables "$1"
    if [ -x "$out/go-slow-worker" ]; then
        set -- "$@" -go-worker "$out/go-worker" -go-slow-worker "$out/go-slow-worker"
    fi
    if "$out/driver" "$@" -folder "$folder" -c-worker "$out/c-worker" -shim "$out/slow_flush.so" \
        -rounds "$rounds" -length "${round_ms}ms" -added-us "$delay_us" -attempts "$attempts" \
        -html "$out/report.html"; then
        ok "$2"
    else
        not_ok "$2"
    fi
    rm -rf "${folder:?}"/*
}

# Usage: rust NAME TITLE BENCH [VARIABLE=VALUE...]
rust() {
    name=$1 title=$2 bench=$3
    shift 3
    printf '\n== %s\n' "$title"
    if env "$@" cargo bench --quiet --locked --bench "$bench"; then
        ok "$name"
    else
        not_ok "$name"
    fi
}

[ $# -gt 0 ] || set -- callers payments monitors million payments_million attempts files resources peers stripe memory
tables=
for bench in "$@"; do
    case $bench in
    callers | payments | monitors | million | payments_million) tables=${tables:+$tables,}$bench ;;
    attempts | files | resources | peers | stripe | memory | calls) ;;
    *) echo "there is no bench $bench" >&2; exit 2 ;;
    esac
done
if [ -n "$tables" ]; then compare "$tables"; fi
for bench in "$@"; do
    case $bench in
    attempts)
        rust attempts attempts attempts
        [ -e "$out/slow_flush.so" ] || check shim_builds shim_builds
        rust attempts_slow "attempts, $delay_us us added to each flush" attempts \
            "LNKEEP_FLUSH_DELAY_US=$delay_us" "LD_PRELOAD=$out/slow_flush.so"
        ;;
    files) rust files files files ;;
    resources)
        rust resources resources resources
        [ -e "$out/slow_flush.so" ] || check shim_builds shim_builds
        rust resources_slow "resources, $delay_us us added to each flush" resources \
            "LNKEEP_FLUSH_DELAY_US=$delay_us" "LD_PRELOAD=$out/slow_flush.so"
        ;;
    peers)
        rust peers peers peers
        [ -e "$out/slow_flush.so" ] || check shim_builds shim_builds
        rust peers_slow "peers, $delay_us us added to each flush" peers \
            "LNKEEP_FLUSH_DELAY_US=$delay_us" "LD_PRELOAD=$out/slow_flush.so"
        ;;
    stripe) rust stripe stripe stripe ;;
    memory) rust memory "memory" million ;;
    calls) rust calls calls calls ;;
    esac
done
finish bench

#!/bin/sh
# Fuzzes everything that reads a peer's bytes: the targets of torture/fuzz, guided by coverage; then every
# decoder of the library alone, from a corpus: the targets of torture/fuzz/decoders. libFuzzer
# comes with clang; rustc, also a stable one, instruments what it compiles. Two builds: `plain` for targets
# without unsafe code, `address` with AddressSanitizer for the ciphers (see tests/sanitizers_test.sh).
#
# A fuzzer that sees nothing passes everything, so two errors are planted that must be found, and each
# target must find its way from an empty corpus first. LNKEEP_FUZZ_SECS: seconds per target after that, 60
# by default, and a tenth of it per decoder. Arguments limit the targets: sh tests/fuzz_test.sh wire htlcs
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
. tests/fuzz_decoders.sh

SECS=${LNKEEP_FUZZ_SECS:-60}
# Every target finds twice as many inputs, or more, within its first runs; without guidance it is one or two.
FIRST_RUNS=8000
INPUTS_MIN=20
OUT=$PWD/build/fuzz
VECTORS=$PWD/tests/vectors/peer_storage
mkdir -p "$OUT"
work=$(mktemp -d)
children=
# shellcheck disable=SC2086 # the ids are words
trap 'kill $children 2> /dev/null || true; rm -rf "$work"' EXIT

nothing_ran() {
    skip 'every fuzz target' "$1"
    finish fuzz
    exit
}

check every_decoder_has_a_target decoders_are_listed || true
have rustc && have cargo || nothing_ran 'Rust is not installed'
have clang || nothing_ran 'clang is not installed: it brings libFuzzer'
HOST=$(rustc -vV | sed -n 's/^host: //p')
runtimes=$(clang -print-runtime-dir)
for LIBFUZZER in "$runtimes/libclang_rt.fuzzer-${HOST%%-*}.a" "$runtimes/libclang_rt.fuzzer.a" \
    "$(clang -print-resource-dir)/lib/linux/libclang_rt.fuzzer-${HOST%%-*}.a"; do
    if [ -e "$LIBFUZZER" ]; then break; fi
done
[ -e "$LIBFUZZER" ] || nothing_ran "clang came without libFuzzer (Debian: libclang-rt-dev): no $LIBFUZZER"

# Usage: build CRATE WAY FLAG... --target keeps the flags off procedural macros.
build() {
    flags='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4'
    flags="$flags -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
    flags="$flags -Cllvm-args=-sanitizer-coverage-pc-table"
    flags="$flags -Cllvm-args=-sanitizer-coverage-trace-compares"
    flags="$flags -Clink-arg=$LIBFUZZER -Clink-arg=-lstdc++"
    crate=$1 way=$2
    shift 2
    (cd "$crate" && env RUSTC_BOOTSTRAP=1 "RUSTFLAGS=$flags $*" \
        cargo build --release --locked --target "$HOST" --target-dir "$OUT/$way")
}

program() { echo "$OUT/$1/$HOST/release/lnkeep-fuzz"; }

# Usage: run_target NAME WAY LOG FLAG... The environment is the targets' way to be told which one runs.
run_target() {
    run_name=$1 run_way=$2 run_log=$3
    shift 3
    LNKEEP_FUZZ_TARGET=$run_name ASAN_OPTIONS=detect_leaks=1 \
        "$(program "$run_way")" -print_final_stats=1 -print_pcs=0 -print_funcs=0 -timeout=20 \
        -rss_limit_mb=1536 -malloc_limit_mb=64 "-artifact_prefix=$OUT/$run_name-" "$@" > "$run_log" 2>&1
}

# Usage: statistic NAME LOG
statistic() { sed -n "s/^stat::$1: *\([0-9]*\)$/\1/p" "$2" | tail -n 1; }

# Usage: finds NAME WAY WORDS. The planted error ends the run, in these words.
finds() {
    status=0
    run_target "$1" "$2" "$work/$1.log" -max_total_time=40 || status=$?
    [ "$status" -ne 0 ] && grep -q "$3" "$work/$1.log" && return
    echo "exit status $status, expected a crash and: $3"
    tail -n 5 "$work/$1.log"
    return 1
}

# Usage: write_seeds. Messages, feature vectors and blobs of the vectors as files.
write_seeds() {
    for target in wire envelope consumer provider; do mkdir -p "$work/seeds/$target"; done
    # An escape for printf of every two digits; a blob's first byte tells the target to take it as it is.
    escapes='
    function digit(hex, at) { return index("0123456789abcdef", substr(hex, at, 1)) - 1 }
    function escapes(hex,  out, at) {
        for (at = 1; at < length(hex); at += 2)
            out = out sprintf("\\%03o", 16 * digit(hex, at) + digit(hex, at + 1))
        return out
    }
    BEGIN { FS = "\"" }
    { for (at = 2; at + 2 <= NF; at += 2) if ($at == member) print prefix escapes($(at + 2)) }'
    seeds_of wire msg '' wire_decode.jsonl wire_encode.jsonl
    seeds_of wire features '' features.jsonl
    seeds_of envelope blob '\\000' envelope.jsonl
}

# Usage: seeds_of TARGET MEMBER PREFIX FILE...
seeds_of() {
    target=$1 member=$2 prefix=$3 number=0
    shift 3
    for file in "$@"; do
        [ -e "$VECTORS/$file" ] || continue
        LC_ALL=C awk -v "member=$member" -v "prefix=$prefix" "$escapes" \
            "$VECTORS/$file" > "$work/escapes"
        while IFS= read -r line; do
            number=$((number + 1))
            # shellcheck disable=SC2059 # the escapes are the format
            printf "$line" > "$work/seeds/$target/$member-$number"
        done < "$work/escapes"
    done
}

# Usage: fuzz NAME WAY. From nothing first, then from the vectors and what was found.
fuzz() {
    mkdir -p "$work/corpus/$1"
    status=0
    run_target "$1" "$2" "$work/$1.first" -max_len=1024 "-runs=$FIRST_RUNS" -max_total_time=60 \
        "$work/corpus/$1" || status=$?
    if [ "$status" -eq 0 ]; then
        run_target "$1" "$2" "$work/$1.log" -max_len=2048 "-max_total_time=$SECS" \
            "$work/corpus/$1" "$work/seeds/$1" || status=$?
    else
        cp "$work/$1.first" "$work/$1.log"
    fi
    cp "$work/$1.log" "$OUT/$1.log"
    echo "$status" > "$work/$1.status"
}

# Usage: report NAME WAY
report() {
    status=$(cat "$work/$1.status" 2> /dev/null || echo 'no status')
    units=$(statistic number_of_executed_units "$work/$1.log")
    inputs=$(statistic new_units_added "$work/$1.first")
    if [ "$status" != 0 ]; then
        grep -E 'panicked|ERROR|^  ?left|^ right|Base64|^assertion|Test unit' -A 1 "$work/$1.log" | head -n 30
        echo "repeat it: LNKEEP_FUZZ_TARGET=$1 $(program "$2") FILE; the log: $OUT/$1.log"
        not_ok "$1: status $status"
    elif [ "${units:-0}" -eq 0 ]; then
        not_ok "$1: no input was tried"
    elif [ "${inputs:-0}" -lt "$INPUTS_MIN" ]; then
        not_ok "$1: found ${inputs:-0} inputs from an empty corpus, expected $INPUTS_MIN: it is not guided"
    else
        covered=$(sed -n 's/^#[0-9]*.*DONE *cov: \([0-9]*\) .*/\1/p' "$work/$1.log" | tail -n 1)
        ok "$1 ($units inputs in $SECS s, $covered places reached, $inputs ways found from nothing)"
    fi
}

# Usage: pair NAME NAME. Two at a time, one for each core of a small machine.
pair() {
    for name in "$@"; do
        fuzz "$name" "$(way_of "$name")" &
        children="$children $!"
    done
    wait
    children=
    for name in "$@"; do report "$name" "$(way_of "$name")"; done
}

way_of() { if [ "$1" = envelope ]; then echo "$CIPHERS"; else echo plain; fi; }

check rustfmt sh -c 'cd torture/fuzz && cargo fmt --check' || true
check builds build torture/fuzz plain || { finish fuzz || true; exit 1; }
CIPHERS=plain
if [ -e "$(rustc --print sysroot)/lib/rustlib/$HOST/lib/librustc-stable_rt.asan.a" ]; then
    check builds_with_address_sanitizer build torture/fuzz address -Zsanitizer=address && CIPHERS=address
else
    skip 'address sanitizer' 'this Rust toolchain has no librustc-stable_rt.asan.a'
fi

check a_planted_panic_is_found finds control-panic plain 'the planted panic' || true
if [ "$CIPHERS" = address ]; then
    check a_planted_over_read_is_found finds control-memory address \
        'AddressSanitizer: heap-buffer-overflow' || true
fi
write_seeds
decoders= others=
for name in ${*:-wire envelope consumer provider $(decoder_targets)}; do
    if [ -d "torture/fuzz/decoders/corpus/$name" ]; then
        decoders="$decoders $name"
    else
        others="$others $name"
    fi
done
# shellcheck disable=SC2086 # the targets are words
set -- $others
while [ $# -gt 1 ]; do
    pair "$1" "$2"
    shift 2
done
if [ $# -eq 1 ]; then pair "$1"; fi
if [ -n "$decoders" ]; then fuzz_decoders "$decoders"; fi
finish fuzz

# Sourced by tests/fuzz_test.sh: the targets of torture/fuzz/decoders, one for each decoder of the library.
# decoders.txt says which target reads what, corpus/ has a few inputs for each; the rows of the golden store
# and the vectors are more. An error is planted for each target, and must be found from the corpus.

DECODERS=torture/fuzz/decoders
DECODER_SECS=$((${LNKEEP_FUZZ_SECS:-60} / 10))
if [ "$DECODER_SECS" -lt 1 ]; then DECODER_SECS=1; fi
# A planted error is a matter of a second or two; another process may have the processor.
PLANT_SECS=60

# File and name of everything in src that is called as decoders are; tests are no decoders.
decoders_in_source() {
    find src -name '*.rs' ! -path '*/tests/*' ! -name tests.rs ! -path 'src/ffi/*' | LC_ALL=C sort |
        while IFS= read -r file; do
            awk -v "file=$file" -v 'names=decode|parse|from_bytes|from_words|split|read|open' '
                BEGIN { opens = "^ *(pub(\\([a-z]+\\))? )?(const )?fn (" names ")(_[a-z0-9_]*)?[<(]" }
                /^mod tests \{/ { exit }
                /^impl/ { type = $0; sub(/ *\{.*$/, "", type); sub(/^.* for /, "", type)
                    sub(/^impl(<[^>]*>)? */, "", type); sub(/<.*$/, "", type); type = type "::" }
                /^}/ { type = "" }
                $0 ~ opens {
                    name = $0
                    sub(/^.*fn /, "", name)
                    sub(/[<(].*$/, "", name)
                    print file, type name
                }' "$file"
        done | LC_ALL=C sort -u
}

# decoders.txt lists each of them, nothing else, and targets that there are; `-` for what reads no format.
decoders_are_listed() {
    decoders_in_source > "$work/decoders"
    [ -s "$work/decoders" ] || { echo 'no decoder was found in src'; return 1; }
    grep -v '^#' "$DECODERS/decoders.txt" | awk '{ print $1, $2 }' | LC_ALL=C sort -u > "$work/listed"
    if ! diff "$work/decoders" "$work/listed" > "$work/difference"; then
        sed -n -e 's/^</without a target in decoders.txt:/p' -e 's/^>/listed, and not in src:/p' \
            "$work/difference"
        return 1
    fi
    grep -v '^#' "$DECODERS/decoders.txt" | awk '{ print $3 }' | LC_ALL=C sort -u > "$work/named"
    for named in $(cat "$work/named"); do
        case $named in
            - | wire | envelope | consumer | provider) ;;
            *) [ -d "$DECODERS/corpus/$named" ] || { echo "$named has no corpus"; return 1; } ;;
        esac
    done
}

decoder_targets() { (cd "$DECODERS/corpus" && ls); }

# Usage: run_decoder NAME LOG FLAG... Each has a copy of the golden store of its own, which it may change.
run_decoder() {
    run_name=$1 run_log=$2
    shift 2
    mkdir -p "$work/decoders-seeds/$run_name" "$work/decoders-found/$run_name"
    cp "$work/golden.mdb" "$work/$run_name.mdb"
    LNKEEP_FUZZ_STORE=$work/$run_name.mdb LNKEEP_FUZZ_TARGET=$run_name "$DECODER_PROGRAM" \
        -print_final_stats=1 -print_pcs=0 -print_funcs=0 -timeout=20 -max_len=2048 \
        -rss_limit_mb=1536 -malloc_limit_mb=64 "-artifact_prefix=$OUT/$run_name-" "$@" \
        "$work/decoders-found/$run_name" "$DECODERS/corpus/$run_name" "$work/decoders-seeds/$run_name" \
        > "$run_log" 2>&1
}

decoder_seeds() {
    LNKEEP_FUZZ_STORE=$work/golden.mdb LNKEEP_FUZZ_SEEDS=$work/decoders-seeds \
        LNKEEP_FUZZ_VECTORS=$VECTORS LNKEEP_FUZZ_TARGET=seeds "$DECODER_PROGRAM" -runs=0
}

# Usage: decoder_and_plant NAME. The planted error first, in a folder of its own.
decoder_and_plant() {
    status=0
    LNKEEP_FUZZ_PLANT=$1 run_decoder "$1" "$work/$1.plant" "-max_total_time=$PLANT_SECS" || status=$?
    if [ "$status" -eq 0 ]; then
        echo missed > "$work/$1.planted"
    else
        # A time limit that a busy machine breaks finds nothing.
        grep -E -m 1 'panicked at|libFuzzer: deadly signal|out-of-memory \(malloc' "$work/$1.plant" > "$work/$1.planted" || true
    fi
    rm -rf "$work/decoders-found/$1"
    status=0
    run_decoder "$1" "$work/$1.log" "-max_total_time=$DECODER_SECS" || status=$?
    cp "$work/$1.log" "$OUT/$1.log"
    echo "$status" > "$work/$1.status"
}

# Usage: report_decoder NAME
report_decoder() {
    planted=$(cat "$work/$1.planted" 2> /dev/null || true)
    status=$(cat "$work/$1.status" 2> /dev/null || echo 'no status')
    units=$(statistic number_of_executed_units "$work/$1.log")
    if [ -z "$planted" ] || [ "$planted" = missed ]; then
        tail -n 3 "$work/$1.plant"
        not_ok "$1: its planted error was not found in $PLANT_SECS s"
    elif [ "$status" != 0 ]; then
        grep -E 'panicked|ERROR|^  ?left|^ right|Base64|Test unit' -A 1 "$work/$1.log" | head -n 30
        echo "repeat it: LNKEEP_FUZZ_TARGET=$1 $DECODER_PROGRAM FILE; the log: $OUT/$1.log"
        not_ok "$1: status $status"
    elif [ "${units:-0}" -eq 0 ]; then
        not_ok "$1: no input was tried"
    else
        ok "$1 ($units inputs in $DECODER_SECS s, its planted error found)"
    fi
}

# Usage: fuzz_decoders 'NAME...'. Two at a time.
fuzz_decoders() {
    check decoders_rustfmt sh -c "cd $DECODERS && cargo fmt --check" || true
    check decoders_build build "$DECODERS" plain || return 0
    DECODER_PROGRAM=$OUT/plain/$HOST/release/lnkeep-fuzz-decoders
    gunzip -c tests/golden/format-1/data.mdb.gz > "$work/golden.mdb"
    check decoders_have_seeds decoder_seeds || return 0
    # shellcheck disable=SC2086 # the targets are words
    set -- $1
    while [ $# -gt 0 ]; do
        both=$1
        shift
        if [ $# -gt 0 ]; then both="$both $1" && shift; fi
        for name in $both; do
            decoder_and_plant "$name" &
            children="$children $!"
        done
        wait
        children=
        for name in $both; do report_decoder "$name"; done
    done
}

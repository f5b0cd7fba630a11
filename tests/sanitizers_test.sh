#!/bin/sh
# The programs of c-tests under sanitizers, three ways that see different errors:
#   gcc    address and undefined behaviour in the host's C, beside the archive as it is released
#   clang  address in the host's C, in Rust and in LMDB's C, all instrumented; the unit tests too
#   thread races, in those programs that start threads, all instrumented by clang and rustc
# Each way must first report the errors planted in tests/sanitizers/control.c: one that sees nothing
# proves nothing. RUSTC_BOOTSTRAP lets any rustc take -Zsanitizer: no other toolchain is needed.
# Arguments limit the ways: sh tests/sanitizers_test.sh gcc; the way `archive` only builds clang's library.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

OUT=$PWD/build/sanitizers
RUST_TARGET=$(rustc -vV | sed -n 's/^host: //p')
RUST_OUT=target/sanitizers
RUST_RUNTIMES=$(rustc --print sysroot)/lib/rustlib/$RUST_TARGET/lib
FOUND=99
NATIVE=$(cat build/lib/native-libs)
mkdir -p "$OUT"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# What cannot be had is answered, as malloc answers it: a test asks for more than there is.
export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1:exitcode=$FOUND"
export UBSAN_OPTIONS="print_stacktrace=1:exitcode=$FOUND"
export TSAN_OPTIONS="suppressions=$PWD/tests/sanitizers/thread.supp:exitcode=$FOUND"

# Usage: can_build COMPILER FLAG... Whether an empty program with these flags links and starts.
can_build() {
    have "$1" || return 1
    echo 'int main(void) { return 0; }' > "$folder/empty.c"
    "$@" "$folder/empty.c" -o "$folder/empty" > "$folder/empty.log" 2>&1 && "$folder/empty"
}

# Usage: add_counts PASSED FAILED SKIPPED
add_counts() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }

# Usage: add_run NAME STATUS LOG LINE. Adds the counts of another runner: the three numbers of LINE.
add_run() {
    counts=$(sed -n "s/^$4\$/\\1 \\2 \\3/p" "$3" | tail -n 1) before=$failed
    # shellcheck disable=SC2086 # three numbers
    add_counts ${counts:-0 0 0}
    case $2:$counts in
    0:[1-9]*)
        echo "ok $1 (passed, failed, skipped: $counts)"
        return
        ;;
    esac
    cat "$3"
    # It counted its failed tests; a crash is not among them.
    if [ "$failed" -eq "$before" ]; then failed=$((failed + 1)); fi
    echo "not ok $1: see $3"
}

# Usage: c_programs WAY CC CXX LIBRARY_FOLDER FLAGS PROGRAM... Runs c-tests and adds their counts.
# LNKEEP_VALGRIND: fewer rounds, and what a forked child lost with its threads may count as leaked.
c_programs() {
    way=$1 cc=$2 cxx=$3 library=$4 flags=$5 log=$OUT/$1.log status=0
    shift 5
    env CC="$cc" CXX="$cxx" LNKEEP_C_LIB="$library" LNKEEP_C_FLAGS="$flags" \
        LNKEEP_C_OUT="$OUT/$way" LNKEEP_C_WAYS=static LNKEEP_VALGRIND=1 \
        sh c-tests/run.sh "$@" > "$log" 2>&1 || status=$?
    grep '^SKIPPED' "$log" || true
    add_run "${way}_c_tests" "$status" "$log" \
        'c: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped'
}

# Usage: build_control WAY LIBRARY_FOLDER COMPILER FLAGS
build_control() {
    # shellcheck disable=SC2046,SC2086 # flags and libraries are words
    check "$1_control_builds" "$3" -std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -g -pthread \
        -Iinclude $4 tests/sanitizers/control.c "$2/liblnkeep.a" $(cat "$2/native-libs") \
        -o "$folder/$1"
}

# Usage: answers WAY STATUS ERROR WORDS. What the control program ends with and prints.
answers() {
    status=0
    timeout 60 "$folder/$1" "$3" "$(mktemp -d "$folder/store.XXXXXX")/store" \
        > "$folder/report" 2>&1 || status=$?
    [ "$status" -eq "$2" ] && grep -q "$4" "$folder/report" && return
    echo "exit status $status, expected $2 and: $4"
    cat "$folder/report"
    return 1
}

# Usage: control WAY ERROR WORDS. The planted error is reported, in these words.
control() { check "$1_reports_$2" answers "$1" "$FOUND" "$2" "$3" || true; }

# What every address sanitizer has to see.
address_controls() {
    check "$1_reports_nothing_without_an_error" answers "$1" 0 none '^no error$' || true
    control "$1" use-after-free 'AddressSanitizer: heap-use-after-free'
    control "$1" over-read 'AddressSanitizer: heap-buffer-overflow'
    control "$1" leak 'LeakSanitizer: detected memory leaks'
}

gcc_way() {
    flags='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
    # shellcheck disable=SC2086 # the flags are words
    if ! can_build gcc $flags; then
        skip 'gcc sanitizers' 'gcc or its sanitizers are not installed'
        return
    fi
    build_control gcc build/lib gcc "$flags" || return 0
    address_controls gcc
    control gcc signed-overflow 'runtime error: signed integer overflow'
    c_programs gcc gcc g++ "$PWD/build/lib" "$flags"
}

# What counts the places reached, in the words of rustc and of clang: the archive with AddressSanitizer is
# also the subject of torture/ffi, which is guided by them. Nobody reads them elsewhere.
RUST_COUNTERS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table'
C_COUNTERS=-fsanitize-coverage=inline-8bit-counters,pc-table

# Usage: instrumented SANITIZER CARGO_ARGUMENT... Cargo, with Rust and LMDB's C instrumented.
# --target keeps the flags off build scripts; without LTO reports name the functions of the source.
instrumented() {
    sanitizer=$1 rustflags="-Zsanitizer=$1 ${counters_rust:-}"
    shift
    # The standard library comes without instrumentation, and this one has to be told that it may.
    if [ "$sanitizer" = thread ]; then
        rustflags="$rustflags -Cunsafe-allow-abi-mismatch=sanitizer"
    fi
    variable=$(echo "$RUST_TARGET" | tr - _)
    c_flags="-fsanitize=$sanitizer -fno-omit-frame-pointer -g ${counters_c:-}"
    # shellcheck disable=SC2086 # the arguments of the tests are words
    env RUSTC_BOOTSTRAP=1 "RUSTFLAGS=$rustflags" CARGO_PROFILE_RELEASE_LTO=off \
        "CC_$variable=clang" "CFLAGS_$variable=$c_flags" \
        cargo "$@" --release --locked --lib --target "$RUST_TARGET" \
        --target-dir "$RUST_OUT/$sanitizer" ${test_arguments:-}
}

# Usage: build_archive SANITIZER RUNTIME. One runtime must serve both compilers: rustc's, the newer.
build_archive() {
    lib=$OUT/lib-$1
    mkdir -p "$lib"
    if [ "$1" = address ]; then counters_rust=$RUST_COUNTERS counters_c=$C_COUNTERS; fi
    check "archive_builds_with_$1_sanitizer" \
        instrumented "$1" rustc --crate-type staticlib || return 1
    counters_rust='' counters_c=''
    cp "$RUST_OUT/$1/$RUST_TARGET/release/liblnkeep.a" "$lib/liblnkeep.a"
    echo "-Wl,--whole-archive $2 -Wl,--no-whole-archive -Wl,--export-dynamic $NATIVE" \
        > "$lib/native-libs"
}

# Usage: is_instrumented MEMBER SYMBOL. The archive's members of this name refer to the runtime.
is_instrumented() {
    LC_ALL=C readelf -Ws "$lib/liblnkeep.a" 2> /dev/null | awk -v member="$1" -v symbol="$2" '
        /^File: / { here = index($0, member) > 0 }
        here && $7 == "UND" && $8 == symbol { found = 1 }
        END { exit !found }'
}

# Usage: unit_tests SANITIZER. The unit tests of the crate, instrumented; not the long walks of pure state
# machines, which are safe Rust without a file, and run as they are in tests/rust_test.sh.
unit_tests() {
    log=$OUT/unit-tests.log status=0
    test_arguments='-- --skip monitors::tests::explorer'
    for pure in stripe share roster object choose diversity score uptime htlcs journal budget rules; do
        test_arguments="$test_arguments --skip backup::tests::$pure"
    done
    for pure in core model refinement session controls; do
        test_arguments="$test_arguments --skip resources::tests::$pure"
    done
    test_arguments="$test_arguments --skip recovery::tests"
    # Compiling them is most of the time; reports name functions all the same.
    (
        export CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0
        instrumented "$1" test
    ) > "$log" 2>&1 || status=$?
    test_arguments=
    sed -n 's/^test \(.*\) \.\.\. ignored\(, \)\{0,1\}\(.*\)/SKIPPED: \1: \3/p' "$log"
    add_run "unit_tests_with_$1_sanitizer" "$status" "$log" \
        'test result: .* \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored;.*'
}

# Usage: can_instrument SANITIZER RUNTIME FLAGS. Skips loudly what is not installed.
can_instrument() {
    if [ ! -e "$2" ]; then
        skip "$1 sanitizer" "this Rust toolchain has no ${2##*/}"
        return 1
    fi
    # shellcheck disable=SC2086 # the flags are words
    if ! can_build clang $3 "-Wl,--whole-archive,$2,--no-whole-archive" $NATIVE; then
        skip "$1 sanitizer" 'clang is not installed, or its programs do not run with this runtime'
        return 1
    fi
}

# Only the archive with AddressSanitizer, for torture/ffi.
archive_way() {
    runtime=$RUST_RUNTIMES/librustc-stable_rt.asan.a
    flags='-fsanitize=address -fno-sanitize-link-runtime -fno-omit-frame-pointer'
    can_instrument address "$runtime" "$flags" || return 1
    build_archive address "$runtime"
}

clang_way() {
    archive_way || return 0
    check lmdb_is_instrumented is_instrumented mdb.o __asan_report_load8 || true
    check rust_is_instrumented is_instrumented .lnkeep. __asan_report_load8 || true
    build_control clang "$lib" clang "$flags" || return 0
    address_controls clang
    # A load of our own: only an instrumented Rust sees it.
    control clang short-structure 'AddressSanitizer: heap-buffer-overflow'
    c_programs clang clang clang++ "$lib" "$flags"
    unit_tests address
}

thread_way() {
    if ! have llvm-symbolizer; then
        skip 'thread sanitizer' 'llvm-symbolizer is not installed: suppressions name functions'
        return 0
    fi
    runtime=$RUST_RUNTIMES/librustc-stable_rt.tsan.a
    flags='-fsanitize=thread -fno-sanitize-link-runtime -fno-omit-frame-pointer'
    can_instrument thread "$runtime" "$flags" || return 0
    build_archive thread "$runtime" || return 0
    check lmdb_is_instrumented_for_races is_instrumented mdb.o __tsan_read8 || true
    check rust_is_instrumented_for_races is_instrumented .lnkeep. __tsan_read8 || true
    build_control thread "$lib" clang "$flags" || return 0
    check thread_reports_nothing_without_an_error answers thread 0 none '^no error$' || true
    control thread race 'ThreadSanitizer: data race'
    c_programs thread clang clang++ "$lib" "$flags" \
        test_threads test_subscriptions test_submit test_events
}

for way in ${*:-gcc clang thread}; do
    case $way in
    gcc) gcc_way ;;
    clang) clang_way ;;
    thread) thread_way ;;
    archive) archive_way || true ;;
    *) not_ok "there is no way $way" ;;
    esac
done
finish sanitizers

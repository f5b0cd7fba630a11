#!/bin/sh
# Which lines of src/ the tests come by: Rust's tests in one instrumented build, the programs of c-tests
# against an instrumented shared library in another. A line counts if either came by it; tests are not
# counted. Prints sums by folder, lists the other lines in build/coverage/uncovered, and fails below
# LNKEEP_COVERAGE_MIN percent, 95 unless set.
#
# Control: a run of no test at all must come by almost nothing.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

OUT=$PWD/build/coverage
PROFILES=$OUT/profiles
TARGET=${CARGO_TARGET_DIR:-target}/coverage
case $TARGET in /*) ;; *) TARGET=$PWD/$TARGET ;; esac
MIN_PERCENT=${LNKEEP_COVERAGE_MIN:-95}
NOTHING_MAX_PERCENT=1
# The others look at files of the repository, and come by nothing of the library.
TESTS='conformance events model monitors_shared payments_model payments_race
    recovery_availability resource_traces stripe_parity'

# The LLVM of rustc, or an older one that reads the same profiles; its tools carry a number in Debian.
find_tools() {
    newest=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
    rust_tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
    if [ -x "$rust_tools/llvm-cov" ]; then
        PROFDATA=$rust_tools/llvm-profdata COV=$rust_tools/llvm-cov
        return
    fi
    version=$newest
    while [ "$version" -ge 19 ]; do
        if have "llvm-cov-$version" && have "llvm-profdata-$version"; then
            PROFDATA=llvm-profdata-$version COV=llvm-cov-$version
            return
        fi
        version=$((version - 1))
    done
    return 1
}

if ! find_tools; then
    skip coverage "no llvm-profdata and llvm-cov between 19 and $newest, LLVM's version of rustc"
    finish coverage
    exit
fi

# Only the crate itself is instrumented: cargo calls this instead of rustc for what is no dependency.
rm -rf "$PROFILES"
mkdir -p "$OUT/lib" "$PROFILES"
printf '#!/bin/sh\nexec "$@" -Cinstrument-coverage\n' > "$OUT/rustc"
chmod +x "$OUT/rustc"

# Usage: instrumented COMMAND ARGUMENT... Cargo; overflow is checked, as in what is released.
instrumented() {
    command=$1
    shift
    env RUSTC_WORKSPACE_WRAPPER="$OUT/rustc" CARGO_TARGET_DIR="$TARGET" CARGO_INCREMENTAL=0 \
        CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 \
        cargo "$command" --locked --config 'profile.dev.package."*".opt-level=3' "$@"
}

# The shared library as a host has it: without the hooks that the tests of Rust turn on.
build_library() {
    instrumented rustc --lib --crate-type cdylib || return 1
    rm -f "$OUT/lib/"*
    cp "$TARGET/debug/liblnkeep.so" "$OUT/lib/liblnkeep.so"
    name=$(readelf -d "$OUT/lib/liblnkeep.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
    ln -s liblnkeep.so "$OUT/lib/$name"
    sh tests/native_libs.sh > "$OUT/lib/native-libs"
}

# The test programs' paths, one a line, in $OUT/programs.
build_tests() {
    names=
    for name in $TESTS; do names="$names --test $name"; done
    # shellcheck disable=SC2086 # names of tests are words
    instrumented test --no-run --lib $names > "$OUT/build.log" 2>&1 || { cat "$OUT/build.log"; return 1; }
    sed -n 's/^  *Executable .* (\(.*\))$/\1/p' "$OUT/build.log" > "$OUT/programs"
    [ "$(wc -l < "$OUT/programs")" -eq $(($(echo "$TESTS" | wc -w) + 1)) ]
}

# A profile is shared by the processes of one program, and the pool of four files keeps them from waiting.
rust_tests() {
    while read -r program; do
        env LLVM_PROFILE_FILE="$PROFILES/rust-%4m.profraw" "$program" --quiet < /dev/null || return 1
    done < "$OUT/programs"
}

c_tests() {
    env LLVM_PROFILE_FILE="$PROFILES/c-%4m.profraw" LNKEEP_C_LIB="$OUT/lib" LNKEEP_C_OUT="$OUT/c-tests" \
        LNKEEP_C_WAYS=shared LNKEEP_VALGRIND=1 sh c-tests/run.sh
}

no_tests() {
    env LLVM_PROFILE_FILE="$PROFILES/none-%4m.profraw" "$(head -n 1 "$OUT/programs")" --list
}

# Usage: lines NAME PROGRAM... What the profiles of this name say of each line of src/, as lcov. Each build
# by itself: LLVM takes a function of one name for the same in both, and it is not.
lines() {
    name=$1 objects=
    shift
    for program in "$@"; do objects="$objects -object $program"; done
    "$PROFDATA" merge -sparse "$PROFILES/$name"-*.profraw -o "$OUT/$name.profdata" || return 1
    # shellcheck disable=SC2086 # paths of build folders are words
    "$COV" export -format=lcov -instr-profile "$OUT/$name.profdata" ${objects#* -object} "$PWD/src" \
        > "$OUT/$name.lcov" 2> "$OUT/$name.errors"
}

# Usage: sums LCOV... Sums by folder, and the total in the last line; other lines into $OUT/uncovered.
sums() {
    cat "$@" | awk -v root="$PWD/" -v uncovered="$OUT/uncovered" '
        # A module of tests inside a file ends with it, or with a brace in the first column.
        function read_tests(name,    path, text, number, inside, armed) {
            path = root name
            while ((getline text < path) > 0) {
                number++
                if (armed && text ~ /^mod .*\{$/) inside = 1
                armed = text == "#[cfg(test)]"
                if (inside) is_test[name, number] = 1
                if (text == "}") inside = 0
            }
            close(path)
        }
        /^SF:/ {
            file = substr($0, 4)
            sub(/^.*\/src\//, "src/", file)
            if (!(file in seen)) { seen[file] = 1; read_tests(file) }
        }
        /^DA:/ && file !~ /\/tests(\/|\.rs$)/ {
            split(substr($0, 4), part, ",")
            if ((file, part[1]) in is_test) next
            if (part[2] > hits[file, part[1]] || !((file, part[1]) in hits)) {
                hits[file, part[1]] = part[2]
            }
            if (part[1] > last[file]) last[file] = part[1] + 0
        }
        function row(name, covered, lines) {
            return sprintf("%-20s %7d %8d %8.2f", name, lines, covered, lines ? 100 * covered / lines : 0)
        }
        END {
            printf "" > uncovered
            for (file in last) {
                folder = file
                if (match(file, /^src\/[^\/]*\//)) folder = substr(file, 1, RLENGTH - 1)
                for (line = 1; line <= last[file]; line++) {
                    if (!((file, line) in hits)) continue
                    lines[folder]++; all++
                    if (hits[file, line] + 0 > 0) { covered[folder]++; hit++ }
                    else print file ":" line > uncovered
                }
            }
            for (folder in lines) print row(folder, covered[folder], lines[folder]) | "sort"
            close("sort")
            print row("together", hit, all)
        }'
}

# Usage: is_between LOW PERCENT HIGH
is_between() { awk -v low="$1" -v here="$2" -v high="$3" 'BEGIN { exit !(low <= here && here <= high) }'; }

report() {
    # shellcheck disable=SC2046 # paths of build folders are words
    check rust_profiles_read lines rust $(cat "$OUT/programs") || return 0
    check c_profiles_read lines c "$OUT/lib/liblnkeep.so" || return 0
    check none_profiles_read lines none "$(head -n 1 "$OUT/programs")" || return 0
    none=$(sums "$OUT/none.lcov" | tail -n 1 | awk '{ print $NF }')
    check "control_no_test_comes_by_$none" is_between 0 "$none" "$NOTHING_MAX_PERCENT" || true
    printf '%-20s %7s %8s %8s\n' folder lines covered percent
    sums "$OUT/rust.lcov" "$OUT/c.lcov" | tee "$OUT/sums"
    sort -t: -k1,1 -k2,2n "$OUT/uncovered" -o "$OUT/uncovered"
    echo "$(wc -l < "$OUT/uncovered") lines that no test comes by: build/coverage/uncovered"
    total=$(tail -n 1 "$OUT/sums" | awk '{ print $NF }')
    check "at_least_$MIN_PERCENT" is_between "$MIN_PERCENT" "$total" 100 || true
}

if check library_builds build_library && check tests_build build_tests; then
    check rust_tests rust_tests || true
    check c_tests c_tests || true
    check no_tests no_tests || true
    report
fi
finish coverage

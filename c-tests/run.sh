#!/bin/sh
# Builds every program of this folder against include/lnkeep.h and runs it linked statically and
# dynamically, and under valgrind: statically alone, for both ways run the same code, at twenty times
# the time. LNKEEP_C_WAYS names other ways, valgrind-shared too; arguments name programs:
#   LNKEEP_C_WAYS=static sh c-tests/run.sh test_misuse
# LNKEEP_C_LIB names another folder with the library, LNKEEP_C_OUT another one for the programs,
# LNKEEP_C_FLAGS more flags for compiling and linking: tests/sanitizers_test.sh sets them. LNKEEP_C_JOBS
# programs run at a time, 2 unless it is set.
#
# A program prints `ok NAME` or `not ok NAME` for each test, `SKIPPED: WHAT: WHY` for what it left
# out, then `PROGRAM: N passed, N failed, N skipped`. LNKEEP_VALGRIND=1 tells it to do fewer rounds.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

WAYS=${LNKEEP_C_WAYS:-static shared valgrind-static}
SECONDS_MAX=${LNKEEP_C_SECONDS:-300}
JOBS=${LNKEEP_C_JOBS:-2}
OUT=${LNKEEP_C_OUT:-build/c-tests}
LIB=${LNKEEP_C_LIB:-$PWD/build/lib}
WARN="-Wall -Wextra -Wpedantic -Werror -O1 -g -pthread -Iinclude -Ic-tests"
WARN="$WARN ${LNKEEP_C_FLAGS:-}"
NATIVE=$(cat "$LIB/native-libs")
mkdir -p "$OUT"
rm -rf "${OUT:?}"/*

# shellcheck disable=SC2086 # the flags are words
c() { ${CC:-gcc} -std=c11 $WARN "$@"; }
# shellcheck disable=SC2086
cxx() { ${CXX:-g++} -std=c++17 $WARN "$@"; }

# The header alone, included twice, in both languages.
header_compiles() {
    printf '#include <lnkeep.h>\n#include <lnkeep.h>\nint main(void) { return 0; }\n' > "$OUT/only.c"
    check header_is_c11 c -fsyntax-only "$OUT/only.c" || true
    cp "$OUT/only.c" "$OUT/only.cpp"
    check header_is_cxx17 cxx -fsyntax-only "$OUT/only.cpp" || true
}

# The harness is an archive, so that a program which does without it links too.
build_harness() {
    [ -e c-tests/harness.c ] || return 0
    check harness_compiles c -c c-tests/harness.c -o "$OUT/harness.o" || return 1
    ar rcs "$OUT/libharness.a" "$OUT/harness.o"
}

# Usage: wanted KIND. Whether some way runs the programs linked so.
wanted() { case " $WAYS " in *" $1 "* | *" valgrind-$1 "*) ;; *) return 1 ;; esac }

# Usage: link COMPILER SOURCE NAME
link() {
    harness=
    if [ -e "$OUT/libharness.a" ]; then harness=$OUT/libharness.a; fi
    if wanted static; then
        # shellcheck disable=SC2086
        check "$3_links_static" "$1" "$2" $harness "$LIB/liblnkeep.a" $NATIVE \
            -o "$OUT/$3.static" || true
    fi
    if wanted shared; then
        # shellcheck disable=SC2086
        check "$3_links_shared" "$1" "$2" $harness "-L$LIB" -llnkeep "-Wl,-rpath,$LIB" \
            -o "$OUT/$3.shared" || true
    fi
}

# Usage: count WORD FILE. The number before WORD in the program's closing line, 0 without one.
count() {
    number=$(sed -n "s/^[A-Za-z0-9_.-]*: .*\b\([0-9][0-9]*\) $1.*/\1/p" "$2" | tail -n 1)
    echo "${number:-0}"
}

# Usage: run WAY NAME COMMAND... Adds the program's own counts to ours.
run() {
    way=$1 name=$2 log=$OUT/$2.$1.log status=0
    shift 2
    timeout "$SECONDS_MAX" "$@" > "$log" 2>&1 < /dev/null || status=$?
    good=$(count passed "$log") bad=$(count failed "$log") left=$(count skipped "$log")
    passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
    grep '^SKIPPED' "$log" || true
    if [ "$bad" -eq 0 ] && [ "$status" -eq 0 ] && [ $((good + left)) -gt 0 ]; then
        echo "ok $name $way ($good tests, $left skipped)"
        return
    fi
    cat "$log"
    echo "see $log; run by hand: $*"
    case $status in
    0) why='it ran no test' ;;
    99) why='valgrind or a sanitizer found an error or a leak' ;;
    124) why="it was still running after $SECONDS_MAX seconds" ;;
    *) why="exit status $status" ;;
    esac
    # The program counted its failed tests; a crash or a leak is not among them.
    if [ "$bad" -eq 0 ]; then failed=$((failed + 1)); fi
    echo "not ok $name $way ($bad failed, $why)"
}

# Usage: run_ways NAME
run_ways() {
    for way in $WAYS; do
        program=$OUT/$1.${way#valgrind-}
        [ -x "$program" ] || continue # its link has failed and was counted
        case $way in
        valgrind-*)
            if ! have valgrind; then
                skip "$1 $way" 'valgrind is not installed'
                continue
            fi
            run "$way" "$1" env LNKEEP_VALGRIND=1 valgrind --quiet --error-exitcode=99 \
                --leak-check=full --errors-for-leak-kinds=definite,indirect,possible \
                --suppressions=c-tests/valgrind.supp --child-silent-after-fork=yes \
                --track-fds=no --fair-sched=try "$program"
            ;;
        *) run "$way" "$1" "$program" ;;
        esac
    done
}

# Usage: sources NAME... The programs of these names, or all.
sources() {
    for source in c-tests/*.c c-tests/*.cpp; do
        name=$(basename "${source%.*}")
        if [ ! -e "$source" ] || [ "$name" = harness ]; then continue; fi
        case " ${*:-$name} " in *" $name "*) echo "$source" ;; esac
    done
}

# Usage: worker NUMBER SOURCE... Links and runs those programs that no other worker took, and leaves
# its counts.
worker() {
    number=$1
    shift
    for source in "$@"; do
        name=$(basename "${source%.*}")
        mkdir "$OUT/$name.taken" 2> /dev/null || continue
        {
            case $source in *.cpp) link cxx "$source" "$name" ;; *) link c "$source" "$name" ;; esac
            before=$failed
            run_ways "$name"
            # Each static one is as large as the library: what failed is kept, to be run by hand.
            if [ "$failed" -eq "$before" ]; then rm -f "$OUT/$name.static" "$OUT/$name.shared"; fi
        } > "$OUT/$name.told" 2>&1
        cat "$OUT/$name.told"
    done
    echo "$passed $failed $skipped" > "$OUT/worker.$number"
}

header_compiles
if build_harness; then
    # shellcheck disable=SC2046 # names of sources have no spaces
    set -- $(sources "$@")
    if [ $# -eq 0 ]; then not_ok "no program was found in c-tests"; fi
    number=0
    while [ "$number" -lt "$JOBS" ]; do
        number=$((number + 1))
        (passed=0 failed=0 skipped=0 && worker "$number" "$@") &
    done
    wait
    while [ "$number" -gt 0 ]; do
        if read -r good bad left < "$OUT/worker.$number"; then
            passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left))
        else
            not_ok "worker $number of the C programs came to no end"
        fi
        number=$((number - 1))
    done
fi
finish c

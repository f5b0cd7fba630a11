#!/bin/sh
# Builds the fault harnesses against include/lnkeep.h and the static archive, and runs them, each
# with controls: hosts or stores that break a promise, which the harness has to catch. Arguments
# name harnesses (the files of torture/run), none means all but those that take a machine of their own.
#
#   --sample   a few points of each
#   --whole    the greatest numbers of points, for a night
#   --resume   goes on where the last run stopped: what ended is not run again, what did not goes on
#   --replay   only the points that were violations in earlier runs
#   --recorded runs nothing: the sums of torture/record.tsv
#
#   LNKEEP_TORTURE_SEED=N    seed of every harness, 1 if unset, 0 for a fresh one that is printed
#   LNKEEP_TORTURE_DIR=DIR   where stores are made; in memory if unset
#   LNKEEP_TORTURE_RECORD=1  adds what ran to torture/record.tsv
#   LNKEEP_TORTURE_KILLS and so on: numbers of points, named in torture/run
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

ALONE='soak qemu' # by name only: these take an hour, or a machine of their own
is_sample=0 is_whole=0 is_resumed=0 is_replay=0 is_recorded=0
while [ $# -gt 0 ]; do
    case $1 in
    --sample) is_sample=1 ;;
    --whole) is_whole=1 ;;
    --resume) is_resumed=1 ;;
    --replay) is_replay=1 ;;
    --recorded) is_recorded=1 ;;
    -*)
        echo "torture: $1 is not an option" >&2
        exit 64
        ;;
    *) break ;;
    esac
    shift
done
if [ "$is_recorded" -eq 1 ]; then
    printf '| harness | runs | points | violations |\n|---|---|---|---|\n'
    awk -F '\t' 'function grouped(number) {
            while (match(number, /^[0-9]+[0-9][0-9][0-9](,|$)/)) {
                at = index(number, ",") ? index(number, ",") - 4 : length(number) - 3
                number = substr(number, 1, at) "," substr(number, at + 1)
            }
            return number
        }
        !/^#/ { runs[$2]++; points[$2] += $4; violations[$2] += $5 }
        END {
            for (name in runs) {
                printf "| %s | %d | %s | %d |\n", name, runs[name], grouped(sprintf("%d", points[name])),
                    violations[name]
            }
        }' torture/record.tsv | LC_ALL=C sort
    exit
fi
# The files that make a run what it is, as they are in no commit.
uncommitted() { git status --porcelain -uno -- src include torture Cargo.lock | grep -v ' torture/record.tsv$'; }
if [ "${LNKEEP_TORTURE_RECORD:-0}" = 1 ] && [ -n "$(uncommitted)" ]; then
    echo 'torture: what is recorded is of a commit, and the tree differs from it' >&2
    exit 64
fi
if [ "$(uname -s)" != Linux ]; then
    skip torture 'the harnesses need ptrace, loop devices and the files of Linux'
    finish torture
    exit
fi
SEED=${LNKEEP_TORTURE_SEED:-1}
OUT=build/torture
RESULTS=$OUT/results.tsv
NATIVE=$(cat build/lib/native-libs)
SHARED_PARTS='torture/common.c torture/process.c torture/sha256.c'
LIFE_PARTS='torture/model.c torture/model_payments.c torture/model_resume.c
    torture/words.c torture/payment_words.c torture/script.c torture/script_payments.c
    torture/life.c torture/life_calls.c torture/life_payments.c
    torture/verify.c torture/verify_payments.c torture/trace.c
    torture/monitors_words.c torture/model_monitors.c torture/script_monitors.c
    torture/life_monitors.c torture/life_commits.c torture/verify_monitors.c
    torture/resources_calls.c torture/script_resources.c torture/life_resources.c
    torture/verify_resources.c
    torture/model_peers.c torture/model_backup.c torture/script_peers.c torture/life_peers.c
    torture/life_backup.c torture/life_returns.c torture/verify_peers.c torture/verify_backup.c
    torture/control_peers.c'
FULL_DISK_PARTS='torture/full_disk_payments.c torture/full_disk_parts.c'
mkdir -p "$OUT"
trap 'exit 1' INT TERM # so that what is set for the exit is done

# Every violation is kept here with the command that replays it, until --replay finds it mended.
export LNKEEP_TORTURE_FAILURES="$OUT/failures.txt"

# Usage: size NAME SAMPLE OTHERWISE [WHOLE]. Sets $NAME, unless LNKEEP_TORTURE_NAME says another number.
size() {
    if [ "$is_sample" -eq 1 ]; then otherwise=$2
    elif [ "$is_whole" -eq 1 ]; then otherwise=${4:-$3}
    else otherwise=$3
    fi
    eval "$1=\${LNKEEP_TORTURE_$1:-$otherwise}"
}

# Usage: build NAME PARTS [ARCHIVE]
build() {
    # shellcheck disable=SC2086 # the parts and the libraries are words
    check "$1_builds" ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -g -pthread \
        -Iinclude -Itorture "torture/$1.c" $2 $SHARED_PARTS "${3:-build/lib/liblnkeep.a}" $NATIVE \
        -o "$OUT/$1"
}

# Usage: hook ARCHIVE FUNCTION... A copy of the archive that calls torture_FUNCTION in its place.
hook() {
    hooked=$1
    shift
    renamed=
    for function in "$@"; do renamed="$renamed --redefine-sym $function=torture_$function"; done
    # shellcheck disable=SC2086 # the arguments are words
    objcopy $renamed build/lib/liblnkeep.a "$hooked"
}

# Usage: note NAME COMMAND... One row of the table that ends the run, from the closing lines of a log.
note() {
    figures='seed ([0-9]+), ([0-9]+) points, '
    sed -n -E "s/^([a-z0-9_]+): $figures([0-9]+) violations.*/\1\t\2\t\3\t\4/p
        s/^([a-z0-9_]+) control ([a-z0-9_]+): $figures(caught|NOT CAUGHT).*/\1 (\2)\t\3\t\4\t\5/p" "$log" |
        sed "s|\$|\t$(($(date +%s) - began))\t$*|" > "$OUT/noted"
    cat "$OUT/noted" >> "$RESULTS"
    record < "$OUT/noted"
}

# Cumulative counts: what ran at which commit, with which seed, without what is a control.
record() {
    [ "${LNKEEP_TORTURE_RECORD:-0}" = 1 ] || return 0
    commit=$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)
    awk -F '\t' -v "commit=$commit" '$1 !~ /\(|_calm|_still|_checker/ {
        printf "%s\t%s\t%s\t%s\t%s\n", commit, $1, $2, $3, $4 }' >> torture/record.tsv
}

# Usage: run NAME COMMAND... Shows what the harness prints; its last lines hold the figures.
run() {
    run_name=$1 status=0 began=$(date +%s)
    shift
    log=$OUT/$run_name.log
    if [ "$is_resumed" -eq 1 ] && grep -qF "	$* --seed $SEED	ok" "$RESULTS" 2> /dev/null; then
        ok "$run_name (in an earlier run)"
        return
    fi
    LNKEEP_TORTURE_PROGRESS=$OUT/$run_name.progress
    export LNKEEP_TORTURE_PROGRESS
    if [ "$is_resumed" -eq 0 ]; then rm -f "$LNKEEP_TORTURE_PROGRESS"; fi
    "$@" --seed "$SEED" > "$log" 2> "$log.errors" || status=$?
    grep -v '^SKIPPED' "$log" || true
    case $status in
    0) ok "$run_name" ;;
    77) skip "$run_name" "$(sed -n 's/^SKIPPED: [^:]*: //p' "$log")" ;;
    *) tail -n 5 "$log.errors"; not_ok "$run_name (exit status $status)" ;;
    esac
    if [ "$status" -eq 0 ]; then note "$* --seed $SEED	ok"; else note "$* --seed $SEED	failed"; fi
    rm -f "$LNKEEP_TORTURE_PROGRESS"
}

# The points of a seed are the same in every sample. Besides, some that none had.
run_fresh() {
    [ "$is_sample" -eq 1 ] || return 0
    fixed=$SEED
    SEED=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    run "$@"
    SEED=$fixed
}

# A program that holds another library than today's would judge that one.
is_older() { [ -e "$1" ] && [ "$1" -ot build/lib/liblnkeep.a ]; }

# What was found earlier, once more. What is found again is kept again.
replay() {
    kept=$OUT/replayed.txt
    if [ ! -s "$LNKEEP_TORTURE_FAILURES" ]; then
        ok 'no violation is kept'
        return 0
    fi
    sort -u "$LNKEEP_TORTURE_FAILURES" > "$kept"
    rm -f "$LNKEEP_TORTURE_FAILURES"
    while IFS= read -r command; do
        # shellcheck disable=SC2086 # the command is made of words
        if is_older "${command%% *}"; then not_ok "$command: its program is older than the library"
        elif check "$command" $command < /dev/null; then continue
        fi
        echo "$command" >> "$LNKEEP_TORTURE_FAILURES"
    done < "$kept"
}

table() {
    [ -s "$RESULTS" ] || return 0
    printf '\n'
    { printf 'harness\tseed\tpoints\tviolations\tseconds\n' && cat "$RESULTS"; } |
        awk -F '\t' '{ printf "%-34s %20s %9s %11s %7s\n", $1, $2, $3, $4, $5 }'
}

harnesses=
for file in torture/run/*.sh; do
    # shellcheck source=/dev/null # each defines run_NAME
    . "$file"
    name=$(basename "$file" .sh)
    case " $ALONE " in
    *" $name "*) ;;
    *) harnesses="$harnesses $name" ;;
    esac
done
if [ "$is_replay" -eq 1 ]; then
    replay
    finish torture
    exit
fi
# What ran with another library says nothing about this one.
LIBRARY=$(cksum < build/lib/liblnkeep.a)
if [ "$is_resumed" -eq 1 ] && [ "$LIBRARY" != "$(cat "$OUT/library" 2> /dev/null)" ]; then
    echo 'torture: the last run was of another library: everything anew'
    is_resumed=0
fi
if [ "$is_resumed" -eq 0 ]; then rm -f "$RESULTS"; fi
echo "$LIBRARY" > "$OUT/library"
for harness in ${*:-$harnesses}; do
    printf '\n== %s\n' "$harness"
    if [ -e "torture/run/$harness.sh" ]; then "run_$harness"; else not_ok "$harness is not a harness"; fi
done
# They run by name only, and would be found not to compile on the day that they are needed.
if [ $# -eq 0 ]; then
    build soak "$SOAK_PARTS" || true
    qemu_builds || true
fi
table
finish torture

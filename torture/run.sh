#!/bin/sh
# Builds the fault harnesses against include/lnkeep.h and the static archive, and runs them, each
# with controls: hosts or stores that break a promise, which the harness has to catch. Arguments
# name harnesses (kill fault full_disk damage), none means all; --sample takes a few points of each.
#
#   LNKEEP_TORTURE_SEED=N    seed of every harness, 1 if unset, 0 for a fresh one that is printed
#   LNKEEP_TORTURE_DIR=DIR   where stores are made; in memory if unset
#   LNKEEP_TORTURE_KILLS, _RANDOM_KILLS, _CHAINS, _FAULTS, _CYCLES, _DAMAGES   numbers of points;
#                            0 kills and 0 faults mean every one
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

# Usage: set_sizes KILLS RANDOM_KILLS CHAINS FAULTS CYCLES DAMAGES CONTROLS
set_sizes() {
    KILLS=${LNKEEP_TORTURE_KILLS:-$1}
    RANDOM_KILLS=${LNKEEP_TORTURE_RANDOM_KILLS:-$2}
    CHAINS=${LNKEEP_TORTURE_CHAINS:-$3}
    FAULTS=${LNKEEP_TORTURE_FAULTS:-$4}
    CYCLES=${LNKEEP_TORTURE_CYCLES:-$5}
    DAMAGES=${LNKEEP_TORTURE_DAMAGES:-$6}
    CONTROLS=$7
}

if [ "${1:-}" = --sample ]; then
    shift
    set_sizes 100 80 20 400 2 600 40
else
    set_sizes 0 1000 200 0 100 5000 200
fi
HARNESSES=${*:-kill fault full_disk damage}
if [ "$(uname -s)" != Linux ]; then
    skip torture 'the harnesses need ptrace, loop devices and the files of Linux'
    finish torture
    exit
fi
SEED=${LNKEEP_TORTURE_SEED:-1}
OUT=build/torture
NATIVE=$(cat build/lib/native-libs)
SHARED_PARTS='torture/common.c torture/process.c torture/sha256.c'
LIFE_PARTS='torture/model.c torture/model_payments.c torture/model_resume.c
    torture/words.c torture/payment_words.c torture/script.c torture/script_payments.c
    torture/life.c torture/life_calls.c torture/life_payments.c
    torture/verify.c torture/verify_payments.c torture/trace.c'
DAMAGE_PARTS='torture/damage_shapes.c torture/damage_kinds.c torture/damage_read.c
    torture/damage_payments.c torture/damage_payments_read.c torture/damage_bare.c'
FULL_DISK_PARTS='torture/full_disk_payments.c'
mkdir -p "$OUT"
trap 'exit 1' INT TERM # so that what is set for the exit is done

# Usage: build NAME PARTS
build() {
    # shellcheck disable=SC2086 # the parts and the libraries are words
    check "$1_builds" ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -O2 -g -pthread \
        -Iinclude -Itorture "torture/$1.c" $2 $SHARED_PARTS build/lib/liblnkeep.a $NATIVE \
        -o "$OUT/$1"
}

# Usage: run NAME COMMAND... Shows what the harness prints; its last lines hold the figures.
run() {
    run_name=$1 status=0
    shift
    log=$OUT/$run_name.log
    "$@" --seed "$SEED" > "$log" 2> "$log.errors" || status=$?
    grep -v '^SKIPPED' "$log" || true
    case $status in
    0) ok "$run_name" ;;
    77) skip "$run_name" "$(sed -n 's/^SKIPPED: [^:]*: //p' "$log")" ;;
    *) tail -n 5 "$log.errors"; not_ok "$run_name (exit status $status)" ;;
    esac
}

run_kill() {
    build kill "$LIFE_PARTS" || return 0
    run kill_before "$OUT/kill" --before --points "$KILLS"
    run kill_after "$OUT/kill" --after --points "$KILLS"
    run kill_random "$OUT/kill" --random --points "$RANDOM_KILLS"
    run kill_chain "$OUT/kill" --chain --points "$CHAINS"
    run kill_before_control_early "$OUT/kill" --before --control early --points "$CONTROLS"
    run kill_after_control_empty "$OUT/kill" --after --control empty --points "$CONTROLS"
    # Seldom does a kill fall between two calls that belong together, so this one takes more points.
    run kill_before_control_apart "$OUT/kill" --before --control apart --points "$((CONTROLS * 4))"
    run kill_after_control_forget "$OUT/kill" --after --control forget --points "$CONTROLS"
    run kill_after_control_meddle "$OUT/kill" --after --control meddle --points "$CONTROLS"
    run kill_after_control_late "$OUT/kill" --after --control late --points "$CONTROLS"
    run kill_random_control_early "$OUT/kill" --random --control early --points "$CONTROLS"
    run kill_chain_control_early "$OUT/kill" --chain --control early --points "$CONTROLS"
}

run_fault() {
    build fault "$LIFE_PARTS" || return 0
    run fault "$OUT/fault" --points "$FAULTS"
    # UNKNOWN is seldom in fact applied, so this control takes more points than the others.
    run fault_control_unknown "$OUT/fault" --control unknown --points "$((CONTROLS * 10))"
}

# Usage: on_small_disk NAME COMMAND... With a new ext4 of 96 MiB on a loop device.
on_small_disk() {
    place=${LNKEEP_TORTURE_DIR:-/dev/shm}
    if [ ! -w "$place" ]; then place=${TMPDIR:-/tmp}; fi
    disk=$(mktemp -d "$place/lnkeep-disk-XXXXXX")
    trap 'umount "$disk/mount" 2>/dev/null || true; rm -rf "$disk"' EXIT
    mkdir "$disk/mount"
    truncate -s 96M "$disk/image"
    # No blocks for root alone: what is full is full for everybody.
    if ! mkfs.ext4 -q -m 0 "$disk/image" || ! mount -o loop "$disk/image" "$disk/mount"; then
        skip "$1" 'this machine gives no loop device'
    else
        run "$@" --directory "$disk/mount"
        umount "$disk/mount"
    fi
    rm -rf "$disk"
    trap - EXIT
}

run_full_disk() {
    build full_disk "$FULL_DISK_PARTS" || return 0
    if [ "$(id -u)" -ne 0 ] || ! have mkfs.ext4; then
        skip full_disk 'mounting a small ext4 takes root and mkfs.ext4'
        return 0
    fi
    on_small_disk full_disk "$OUT/full_disk" --cycles "$CYCLES"
    on_small_disk full_disk_control_ignore "$OUT/full_disk" --control ignore --cycles 2
}

run_damage() {
    build damage "$DAMAGE_PARTS" || return 0
    run damage "$OUT/damage" --count "$DAMAGES"
    run damage_control_older "$OUT/damage" --control older --count "$CONTROLS"
    run damage_control_bare "$OUT/damage" --control bare --count "$((CONTROLS * 10))"
}

for harness in $HARNESSES; do
    printf '\n== %s\n' "$harness"
    case $harness in
    kill | fault | full_disk | damage) "run_$harness" ;;
    *) not_ok "$harness is not a harness" ;;
    esac
done
finish torture

# shellcheck shell=sh
# Every system call answering every error.

size FAULTS 100 3000 0 # 0 is every one

run_fault() {
    build fault "$LIFE_PARTS" || return 0
    run fault "$OUT/fault" --points "$FAULTS"
    # UNKNOWN is seldom in fact applied, so this control takes more points than the others.
    run fault_control_unknown "$OUT/fault" --control unknown --points "$((CONTROLS * 10))"
    run fault_control_heals "$OUT/fault" --control heals --points "$CONTROLS"
    run fault_control_internal "$OUT/fault" --control internal --points "$CONTROLS"
}

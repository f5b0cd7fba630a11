# shellcheck shell=sh
# A flush that does not return, and readers beside it.

size STALLS 40 500 2000

run_stall() {
    build stall '' || return 0
    run stall "$OUT/stall" --points "$STALLS"
    run stall_control_waits "$OUT/stall" --control waits --points 4
}

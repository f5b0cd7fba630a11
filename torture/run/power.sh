# shellcheck shell=sh
# Power cuts on ext4 and XFS.

size POWER 60 900 10000
size POWER_XFS 30 400 5000
size POWER_CONTROLS 16 40 100

POWER_PARTS='torture/disk.c torture/flush.c torture/power_hosts.c'

# Usage: run_power_on TYPE POINTS
run_power_on() {
    run "power_$1" "$OUT/power" --file-system "$1" --points "$2"
    for control in flush names early empty; do
        run "power_$1_control_$control" "$OUT/power" --file-system "$1" --control "$control" \
            --points "$POWER_CONTROLS"
    done
    # Of hosts that the controls above leave out.
    for course in compact growth; do
        run "power_$1_control_flush_$course" "$OUT/power" --file-system "$1" --control flush \
            --course "$course" --points "$POWER_CONTROLS"
    done
}

run_power() {
    build power "$POWER_PARTS $LIFE_PARTS" || return 0
    run_power_on ext4 "$POWER"
    run_power_on xfs "$POWER_XFS"
}

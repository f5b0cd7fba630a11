# shellcheck shell=sh
# Writes that were not flushed, lost in every combination, and the last one torn.

size TORN 150 2000 20000

run_torn() {
    build torn "torture/torn_log.c torture/torn_state.c $LIFE_PARTS" || return 0
    run torn "$OUT/torn" --points "$TORN"
    for control in flushes writes names early; do
        run "torn_control_$control" "$OUT/torn" --control "$control" --points 24
    done
}

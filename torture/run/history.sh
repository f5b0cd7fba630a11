# shellcheck shell=sh
# Linearizability of attempts and payments, from histories that threads made and kills interrupted.

size HISTORIES 600 20000 100000
size HISTORY_CONTROLS 100 500
HISTORY_PARTS='torture/history_host.c torture/history_ask.c torture/history_judge.c
    torture/history_model.c torture/history_script.c torture/history_test.c torture/checker.c'

run_history() {
    build history "$HISTORY_PARTS" || return 0
    run history_checker "$OUT/history" --test
    run history "$OUT/history" --points "$HISTORIES"
    run history_control_mutated "$OUT/history" --control mutated --points "$HISTORY_CONTROLS"
    run history_control_early "$OUT/history" --control early --points "$HISTORY_CONTROLS"
    run history_control_stale "$OUT/history" --control stale --points "$HISTORY_CONTROLS"
    run history_control_apart "$OUT/history" --control apart --points "$HISTORY_CONTROLS"
    run history_control_split "$OUT/history" --control split --points "$HISTORY_CONTROLS"
}

# shellcheck shell=sh
# SIGKILL: at every system call, at random moments, and again while the next host opens.

size KILLS 90 0 # before a call; 0 is every call
size KILLS_AFTER 90 2050 0
size RANDOM_KILLS 150 1500 10000
size CHAINS 6 200 1000
size CONTROLS 40 60 200

run_kill() {
    build kill "$LIFE_PARTS" || return 0
    run kill_before "$OUT/kill" --before --points "$KILLS"
    run kill_after "$OUT/kill" --after --points "$KILLS_AFTER"
    run kill_random "$OUT/kill" --random --points "$RANDOM_KILLS"
    run kill_chain "$OUT/kill" --chain --points "$CHAINS"
    run_fresh kill_before_fresh "$OUT/kill" --before --points "$KILLS"
    run_fresh kill_random_fresh "$OUT/kill" --random --points "$RANDOM_KILLS"
    run kill_before_control_early "$OUT/kill" --before --control early --points "$CONTROLS"
    run kill_after_control_empty "$OUT/kill" --after --control empty --points "$CONTROLS"
    # Seldom does a kill fall between two calls that belong together, so this one takes more points.
    run kill_before_control_apart "$OUT/kill" --before --control apart --points "$((CONTROLS * 8))"
    run kill_after_control_forget "$OUT/kill" --after --control forget --points "$CONTROLS"
    run kill_after_control_meddle "$OUT/kill" --after --control meddle --points "$CONTROLS"
    run kill_after_control_leak "$OUT/kill" --after --control leak --points "$((CONTROLS / 2))"
    # As seldom does one fall between the commit of channels and that of their manager.
    run kill_after_control_split "$OUT/kill" --after --control split --points "$((CONTROLS * 3))"
    run kill_after_control_memory "$OUT/kill" --after --control memory --points "$CONTROLS"
    run kill_after_control_acknowledge "$OUT/kill" --after --control acknowledge \
        --points "$((CONTROLS / 2))"
    run kill_after_control_resolve "$OUT/kill" --after --control resolve \
        --points "$((CONTROLS / 2))"
    run kill_after_control_late "$OUT/kill" --after --control late --points "$CONTROLS"
    # Blobs of peers, and our own at peers.
    for control in deferred unsealed older rollback lossy untold stripped unheard; do
        run "kill_before_control_$control" "$OUT/kill" --before --control "$control" --points "$CONTROLS"
    done
    run kill_random_control_early "$OUT/kill" --random --control early --points "$CONTROLS"
    run kill_chain_control_early "$OUT/kill" --chain --control early --points "$CONTROLS"
}

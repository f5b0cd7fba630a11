# shellcheck shell=sh
# An hour of mixed load with a kill every 30 s; the store is kept, and the next run goes on with it.

size SOAK_SECS 60 3600
size SOAK_KILL_MS 1000 30000
size SOAK_CONTROL_SECS 120 120 # at most: each ends when it is caught

SOAK_PARTS='torture/soak_host.c torture/soak_money.c torture/soak_blobs.c'

run_soak() {
    build soak "$SOAK_PARTS" || return 0
    # First, since without them the hour would mean nothing.
    for control in early older twice leaker dripper hoarder skipper; do
        run "soak_control_$control" "$OUT/soak" --control "$control" --kill-every-ms 1000 \
            --secs "$SOAK_CONTROL_SECS"
    done
    run soak "$OUT/soak" --directory "$OUT/soak-store" --kill-every-ms "$SOAK_KILL_MS" --secs "$SOAK_SECS"
}

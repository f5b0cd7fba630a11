# shellcheck shell=sh
# One seed, one node life: a disk that crashes, tears and rots, a clock and peers, all made up.

size LIVES 600 10000 100000
size LIFE_CONTROLS 60 300
size LIFE_TWICE 40 1000

run_node_life() {
    if ! command -v cargo > /dev/null 2>&1; then
        skip node_life 'cargo is not there to build it'
        return 0
    fi
    # As the Rust tests are built, so that what they built is used again.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
        check node_life_builds cargo build --release --locked --example node_life || return 0
    lives=${CARGO_TARGET_DIR:-target}/release/examples/node_life
    run node_life "$lives" --points "$LIVES"
    run node_life_twice "$lives" --points "$LIFE_TWICE" --twice
    run node_life_calm "$lives" --points "$LIFE_TWICE" --calm
    for control in lies meta rollback early hasty permitless unreconciled dropper trusting; do
        run "node_life_control_$control" "$lives" --control "$control" --points "$LIFE_CONTROLS"
    done
    # With nothing that happens to the disk these find nothing. The others break their promise all the same.
    for control in lies meta rollback early unreconciled trusting; do
        run "node_life_calm_$control" "$lives" --control "$control" --calm --points 20
    done
}

# shellcheck shell=sh
# Threads under shuttle: lnkeep's own source in every order that chance finds. Needs Rust.

size SCHEDULES 20000 300000 1000000 # over all subjects
size SCHEDULE_CONTROLS 20000 20000 # a control ends where it is caught

# What the build script puts inside lnkeep's modules, cargo fmt does not find by itself.
schedules_build() {
    (cd torture/schedules && cargo fmt --all --check &&
        rustfmt --check --edition 2024 src/*.rs src/subjects/*.rs &&
        cargo build --release --locked --target-dir "../../$OUT/schedules")
}

run_schedules() {
    if ! have cargo; then
        skip schedules 'Rust is not installed'
        return 0
    fi
    check schedules_builds schedules_build || return 0
    schedules=$OUT/schedules/release/lnkeep-schedules
    # The longer a schedule of a subject takes, the fewer it gets.
    run schedules_handle "$schedules" --subject handle --points "$((SCHEDULES / 5))"
    run schedules_wake "$schedules" --subject wake --points "$((SCHEDULES * 3 / 10))"
    run schedules_events "$schedules" --subject events --points "$((SCHEDULES / 5))"
    run schedules_queue "$schedules" --subject queue --points "$((SCHEDULES / 5))"
    run schedules_journal "$schedules" --subject journal --points "$((SCHEDULES / 10))"
    run schedules_controls "$schedules" --controls --points "$SCHEDULE_CONTROLS"
}

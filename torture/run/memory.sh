# shellcheck shell=sh
# No memory: every allocation of the library fails, and hosts in a cgroup too small for them.

size ALLOCATIONS 150 1500 0 # 0 is every one, alone and with all later ones
size MEMORY_GROUPS 20 100 500

run_memory() {
    hook "$OUT/memory.a" malloc calloc realloc posix_memalign strdup
    build memory "torture/memory_hook.c $LIFE_PARTS" "$OUT/memory.a" || return 0
    run memory "$OUT/memory" --points "$ALLOCATIONS"
    run memory_control_early "$OUT/memory" --control early --points 60
    # Every large one, which are few.
    run memory_large "$OUT/memory" --large
    run memory_large_control_small "$OUT/memory" --control small --points 20
    # A store in memory would count as the host's.
    memory_place=${LNKEEP_TORTURE_DIR:-}
    export LNKEEP_TORTURE_DIR="${TMPDIR:-/tmp}"
    run memory_group "$OUT/memory" --group --points "$MEMORY_GROUPS"
    run memory_group_control_early "$OUT/memory" --group --control early --points 20
    if [ -n "$memory_place" ]; then LNKEEP_TORTURE_DIR=$memory_place; else unset LNKEEP_TORTURE_DIR; fi
}

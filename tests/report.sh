# Sourced by the runners: counts results, and ends with the line that people and machines read.

passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok $1"; }

not_ok() { failed=$((failed + 1)); echo "not ok $1"; }

# Usage: skip WHAT WHY. Loud, because what did not run was not tested.
skip() { skipped=$((skipped + 1)); echo "SKIPPED: $1: $2"; }

# Usage: check NAME COMMAND... Passes if the command does; shows its output only if it fails.
check() {
    check_name=$1
    shift
    if check_output=$("$@" 2>&1); then
        ok "$check_name"
    else
        printf '%s\n' "$check_output"
        not_ok "$check_name"
        return 1
    fi
}

# Usage: finish NAME. Fails if anything failed, or if nothing was tried.
finish() {
    echo "$1: $passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
}

have() { command -v "$1" >/dev/null 2>&1; }

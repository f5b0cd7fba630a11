#!/bin/sh
# Every Rust test, documentation examples included; adds up the counts of all test programs.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
mkdir -p build
log=build/rust-test.log
{ cargo test --release --locked --no-fail-fast 2>&1 || echo "cargo test failed: status $?"; } | tee "$log"

# Usage: total WORD
total() {
    sed -n "s/^test result: .* \([0-9][0-9]*\) $1;.*/\1/p" "$log" | awk '{ sum += $1 } END { print sum + 0 }'
}
passed=$(total passed) failed=$(total failed) skipped=$(total ignored)
sed -n 's/^test \(.*\) \.\.\. ignored\(, \)\{0,1\}\(.*\)/SKIPPED: \1: \3/p' "$log"
# A program that does not build or crashes has no counts.
if [ "$failed" -eq 0 ] && grep -q '^cargo test failed' "$log"; then not_ok 'cargo test'; fi
finish rust

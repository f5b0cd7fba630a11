#!/bin/sh
# A control: the library with one check of handles undone, in a copy of its source. A stale handle is then
# taken for the handle that has its slot now, and the generated calls have to find that.
#   sh torture/ffi/undone.sh --calls N --seed N
set -eu
cd "$(dirname "$0")/../.."

NATIVE=$(cat build/lib/native-libs)
TARGET=$PWD/target/undone
CHECKED='slot.open.load(Ordering::SeqCst) == bits'
UNDONE='slot.open.load(Ordering::SeqCst) != 0'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the manifest names has to be there.
cp -R Cargo.toml Cargo.lock README.md src benches examples torture "$work/"
if [ "$(grep -cF "$CHECKED" "$work/src/ffi/handle.rs")" -ne 1 ]; then
    echo 'undone: src/ffi/handle.rs has no such check' >&2
    exit 1
fi
sed -i "s/$CHECKED/$UNDONE/" "$work/src/ffi/handle.rs"
(cd "$work" && env CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_DEBUG=0 \
    cargo build --release --locked --lib --target-dir "$TARGET") > "$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
}
compiler=gcc
if command -v clang > /dev/null 2>&1; then compiler=clang; fi
parts=$(find torture/ffi -name '*.c' ! -name fuzz.c | LC_ALL=C sort)
# shellcheck disable=SC2086 # the files and libraries are words
$compiler -std=c11 -O1 -g -pthread -Iinclude -Itorture -Itorture/ffi -Ic-tests -Ibuild/ffi $parts \
    torture/common.c torture/process.c torture/sha256.c "$TARGET/release/liblnkeep.a" $NATIVE -o "$work/calls"
unset LNKEEP_TORTURE_PROGRESS LNKEEP_TORTURE_FAILURES
status=0
"$work/calls" "$@" > "$work/found" || status=$?
line=$(grep '^ffi_calls: ' "$work/found")
figures=$(echo "$line" | sed 's/^ffi_calls: \(seed [0-9]*, [0-9]* points\), .*/\1/')
violations=$(echo "$line" | sed 's/.* points, \([0-9]*\) violations.*/\1/')
if [ "$status" -ne 0 ] && [ "$violations" -gt 0 ] && grep -q 'handle that is not open' "$work/found"; then
    echo "ffi_calls control undone: $figures, caught ($violations violations)"
    exit
fi
echo "ffi_calls control undone: $figures, NOT CAUGHT"
exit 1

#!/bin/sh
# Usage: archive.sh IN OUT. Copies the static archive with a prefix before every global name but the
# ABI's: lnkeep_ for LMDB's, in_lnkeep_ for Rust's. A host with its own LMDB or another Rust library
# then neither fails to link nor silently shares one copy with us.
set -eu
names=$(mktemp)
trap 'rm -f "$names"' EXIT

# readelf, because nm may hand Rust's objects to a linker plugin of another LLVM and see nothing.
LC_ALL=C readelf -Ws "$1" | awk '
    ($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" && $8 !~ /^lnkeep_/ {
        print $8, ($8 ~ /^_?mdb_/ ? "lnkeep_" : "in_lnkeep_") $8
    }' | sort -u > "$names"
if ! grep -q '^mdb_env_open ' "$names"; then
    echo "archive.sh: $1 holds no LMDB: its names were not found" >&2
    exit 1
fi
objcopy --redefine-syms="$names" "$1" "$2"

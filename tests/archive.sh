#!/bin/sh
# Usage: archive.sh IN OUT. Copies the static archive with LMDB's global names prefixed by lnkeep_,
# so that a host with its own LMDB neither fails to link nor silently shares one copy with us.
set -eu
names=$(mktemp)
trap 'rm -f "$names"' EXIT

# Every global of a member that defines an mdb_ name: the whole of LMDB, whatever it is called.
# readelf, because nm may hand Rust's objects to a linker plugin of another LLVM and see nothing.
LC_ALL=C readelf -Ws "$1" | awk '
    /^File: / { member = $2 }
    ($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" {
        members[++count] = member
        symbols[count] = $8
        if ($8 ~ /^mdb_/) lmdb[member] = 1
    }
    END {
        for (i = 1; i <= count; i++)
            if (members[i] in lmdb) print symbols[i], "lnkeep_" symbols[i]
    }' | sort -u > "$names"
if ! grep -q '^mdb_env_open ' "$names"; then
    echo "archive.sh: $1 holds no LMDB: its names were not found" >&2
    exit 1
fi
objcopy --redefine-syms="$names" "$1" "$2"

#!/bin/sh
# One process with lnkeep and what might get into its way: another LMDB, another Rust library, the
# dynamic loader. Archive and shared library, in either order on the linker's line. What the two
# libraries export is the business of symbols_test.sh; here a host runs with them (tests/link).
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

LIB=$PWD/build/lib
NATIVE=$(cat "$LIB/native-libs")
WARN='-std=c11 -Wall -Wextra -Wpedantic -Werror -O1 -g -pthread -Iinclude'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# How many lines a panic prints is checked.
unset RUST_BACKTRACE

# shellcheck disable=SC2086 # the flags are words
c() { ${CC:-gcc} $WARN "$@"; }

# The sources that the library's own copy is built from.
lmdb_sources() {
    target=$(rustc -vV | sed -n 's/^host: //p')
    package=$(cargo metadata --format-version 1 --locked --filter-platform "$target" |
        tr ',' '\n' | sed -n 's|.*"manifest_path":"\(.*/lmdb-rkv-sys-[^/]*\)/Cargo.toml".*|\1|p')
    echo "$package/lmdb/libraries/liblmdb"
}

# Of another version, so that each of the two can be told which one it runs on.
build_lmdb() {
    mkdir "$folder/lmdb" || return 1
    cp "$1"/*.[ch] "$folder/lmdb"
    sed 's/\(define MDB_VERSION_PATCH\).*/\1 99/' "$1/lmdb.h" > "$folder/lmdb/lmdb.h"
    for part in mdb midl; do
        ${CC:-gcc} -O2 -g -w -fPIC -pthread -c "$folder/lmdb/$part.c" -o "$folder/lmdb/$part.o"
    done
    ar rcs "$folder/liblmdb.a" "$folder/lmdb/mdb.o" "$folder/lmdb/midl.o"
    ${CC:-gcc} -shared -pthread -o "$folder/liblmdb.so" "$folder/lmdb/mdb.o" "$folder/lmdb/midl.o"
    c "-I$folder/lmdb" -c tests/link/lmdb.c -o "$folder/lmdb.o"
    c -DWITH_LMDB -c tests/link/host.c -o "$folder/host-lmdb.o"
}

# Usage: rust_archive NAME RUSTC_ARGUMENT...
rust_archive() {
    archive=$folder/lib$1.a
    shift
    rustc --edition 2024 --crate-type staticlib --crate-name other -O "$@" tests/link/other.rs \
        -o "$archive"
}

# Usage: answers STATUS NAME WORDS PANICS. How the host ends, what it prints, and that no panic but
# those of the other library is told to the world.
answers() {
    status=0
    timeout 120 env "LD_LIBRARY_PATH=$LIB:$folder" "$folder/$2" \
        "$(mktemp -d "$folder/run.XXXXXX")" > "$folder/out" 2>&1 || status=$?
    told=$(grep -c 'panicked at tests/link/other.rs' "$folder/out" || true)
    all=$(grep -c 'panicked at' "$folder/out" || true)
    [ "$status $told $all" = "$1 $4 $4" ] && grep -q "$3" "$folder/out" && return
    echo "exit status $status, expected $1, with: $3; $all panics told, expected $4"
    cat "$folder/out"
    return 1
}

# Usage: works NAME PANICS LINKED...
works() {
    name=$1 panics=$2
    shift 2
    # shellcheck disable=SC2086
    check "${name}_links" c "$@" "$folder/clock.o" $NATIVE -o "$folder/$name" || return 0
    check "${name}_works" answers 0 "$name" '^all of it works$' "$panics" || true
}

# The archive as it would be without its prefix: the linker takes the host's LMDB for both.
link_without_prefix() {
    LC_ALL=C readelf -Ws "$LIB/liblnkeep.a" |
        sed -n 's/.* lnkeep_\(_*mdb_[a-z0-9_]*\)$/lnkeep_\1 \1/p' | sort -u > "$folder/names"
    [ -s "$folder/names" ]
    objcopy --redefine-syms="$folder/names" "$LIB/liblnkeep.a" "$folder/plain.a"
    # shellcheck disable=SC2086
    c "$folder/host-lmdb.o" "$folder/lmdb.o" "$folder/clock.o" "$folder/liblmdb.a" \
        "$folder/plain.a" $NATIVE -o "$folder/swapped"
}

beside_lmdb() {
    host="$folder/host-lmdb.o $folder/lmdb.o"
    # shellcheck disable=SC2086
    {
        works archive_before_lmdb 0 $host "$LIB/liblnkeep.a" "$folder/liblmdb.a"
        works archive_after_lmdb 0 $host "$folder/liblmdb.a" "$LIB/liblnkeep.a"
        works archive_beside_shared_lmdb 0 $host "$folder/liblmdb.so" "$LIB/liblnkeep.a"
        works shared_beside_shared_lmdb 0 $host "$folder/liblmdb.so" "$LIB/liblnkeep.so"
        # The loader would let the host's exported names replace a library's.
        works shared_beside_exported_lmdb 0 -rdynamic $host "$folder/liblmdb.a" "$LIB/liblnkeep.so"
    }
    if check swapped_lmdb_links link_without_prefix; then
        check swapped_lmdb_is_refused answers 1 swapped '^open: WRONG_ENGINE' 0 || true
    fi
}

# Usage: beside_rust NAME. The other library is folder/libNAME.a.
beside_rust() {
    host="$folder/host-rust.o $folder/rust.o" other=$folder/lib$1.a
    # shellcheck disable=SC2086
    {
        works "archive_before_$1" 2 $host "$LIB/liblnkeep.a" "$other"
        works "archive_after_$1" 2 $host "$other" "$LIB/liblnkeep.a"
        works "shared_beside_$1" 2 -rdynamic $host "$other" "$LIB/liblnkeep.so"
    }
}

beside_both() {
    host="$folder/host-both.o $folder/lmdb.o $folder/rust.o"
    neighbours="$folder/liblmdb.a $folder/librust.a"
    # shellcheck disable=SC2086
    {
        works archive_beside_both 2 $host $neighbours "$LIB/liblnkeep.a"
        works shared_beside_both 2 -rdynamic $host $neighbours "$LIB/liblnkeep.so"
    }
}

loads_and_unloads() {
    timeout 120 "$folder/loaded" "$LIB/liblnkeep.so" "$folder/loaded-store"
}

have_lmdb=no have_rust=no
check clock_builds c -c tests/link/clock.c -o "$folder/clock.o" || { finish link; exit 1; }
if sources=$(lmdb_sources) && [ -e "$sources/mdb.c" ]; then
    if check lmdb_builds build_lmdb "$sources"; then have_lmdb=yes; fi
else
    skip 'beside another LMDB' "cargo did not name LMDB's sources"
fi
if check rust_builds rust_archive rust &&
    check rust_host_builds c -DWITH_RUST -c tests/link/host.c -o "$folder/host-rust.o" &&
    check rust_neighbour_builds c -c tests/link/rust.c -o "$folder/rust.o"; then
    have_rust=yes
fi
if [ $have_lmdb = yes ]; then beside_lmdb; fi
if [ $have_rust = yes ]; then
    beside_rust rust
    # Its standard library shares no object with ours, like that of another compiler.
    if check rust_of_its_own_builds rust_archive rust_of_its_own -C lto=fat; then
        beside_rust rust_of_its_own
    fi
fi
if [ $have_lmdb$have_rust = yesyes ]; then
    check host_of_both_builds c -DWITH_LMDB -DWITH_RUST -c tests/link/host.c \
        -o "$folder/host-both.o" && beside_both
fi
if check loader_builds c tests/link/loaded.c -ldl -o "$folder/loaded"; then
    check shared_loads_and_unloads loads_and_unloads || true
fi
finish link

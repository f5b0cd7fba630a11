#!/bin/sh
# The functions the header declares = the symbols the shared library exports = the committed list,
# and the installed archive defines the same functions and nothing of LMDB under its own name.
# LNKEEP_WRITE_SYMBOLS=1 rewrites the list from the header.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
LIST=tests/exported-symbols.txt
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Without comments; a name before a parenthesis is a declaration.
${CC:-gcc} -E -P include/lnkeep.h | grep -oE '\blnkeep_[a-z0-9_]+ *\(' | tr -d ' (' |
    LC_ALL=C sort -u > "$folder/header"
if [ "${LNKEEP_WRITE_SYMBOLS:-}" = 1 ]; then
    cp "$folder/header" "$LIST"
    echo "wrote $LIST: $(wc -l < "$LIST") functions"
    exit 0
fi

check make_install make --no-print-directory install "DESTDIR=$folder" PREFIX=/usr LIBDIR=/usr/lib ||
    { finish symbols; exit 1; }
lib=$folder/usr/lib
nm -D --defined-only "$lib/liblnkeep.so" | awk '{ print $NF }' | LC_ALL=C sort -u > "$folder/shared"
# readelf, because nm may hand Rust's objects to a linker plugin of another LLVM and see nothing.
LC_ALL=C readelf -Ws "$lib/liblnkeep.a" | awk '
    $5 == "GLOBAL" || $5 == "WEAK" { print ($7 == "UND" ? "needs" : "defines"), $8 }' |
    LC_ALL=C sort -u > "$folder/archive"
sed -n 's/^defines \(lnkeep_.*\)/\1/p' "$folder/archive" | grep -v '^lnkeep_mdb_' > "$folder/static" || true

no_symbol() { ! grep -E "$1" "$2"; }
holds() { grep -q "$1" "$2"; }

check header_declares_functions holds . "$folder/header" || true
check shared_library_exports_the_header diff "$folder/header" "$folder/shared" || true
check archive_defines_the_header diff "$folder/header" "$folder/static" || true
check committed_list_is_the_header diff "$LIST" "$folder/header" ||
    echo "if the change of the ABI is wanted: make header, and a line in CHANGELOG.md"
check archive_names_nothing_of_lmdb no_symbol ' _?mdb_' "$folder/archive" || true
check archive_holds_its_own_lmdb holds '^defines lnkeep_mdb_env_open$' "$folder/archive" || true
finish symbols

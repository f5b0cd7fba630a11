#!/bin/sh
# The functions the header declares = the symbols the shared library exports = the committed list,
# and the installed archive defines the same functions and nothing of LMDB under its own name.
# What is installed is hardened: tables of addresses that are read-only before the host's first line runs, no
# stack that can be executed, no code that has to be written to when it is loaded.
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

segments() { LC_ALL=C readelf -lW "$1"; }
dynamic() { LC_ALL=C readelf -dW "$1"; }
# Name and flags of each segment that is mapped, one a line: `LOAD RE`, `GNU_STACK RW`.
flags() {
    segments "$1" |
        awk '$1 ~ /^(LOAD|GNU_STACK)$/ { all = ""; for (i = 7; i < NF; i++) all = all $i; print $1, all }'
}
has_relro() { segments "$1" | grep GNU_RELRO; }
binds_at_load() { dynamic "$1" | grep '(FLAGS).*BIND_NOW'; }
needs_no_written_code() { dynamic "$1" | grep SONAME && ! dynamic "$1" | grep TEXTREL; }
has_a_plain_stack() { flags "$1" | grep '^GNU_STACK RW$'; }
maps_no_code_writable() { flags "$1" | grep '^LOAD RE$' && ! flags "$1" | grep 'W.*E'; }
# One object without the note, or with an executable one, gives the host's program an executable stack.
asks_for_no_executable_stack() {
    LC_ALL=C readelf -SW "$1" | awk '
        function judge() { if (file == "" || !noted) { print "no note:", file; bad = 1 } }
        /^File: / { if (files++) judge(); file = $2; noted = 0 }
        /\.note\.GNU-stack/ { noted = 1; if ($(NF - 3) ~ /X/) { print "executable:", file; bad = 1 } }
        END { judge(); exit bad }'
}

# What lacks all of it, or these checks would find nothing.
cat > "$folder/soft.c" <<'C'
int number;
int *address = &number;
__asm__(".text\n.balign 8\n.quad number\n");
C
echo '.text' > "$folder/soft.s"
make_soft() {
    ${CC:-gcc} -shared -fPIC "-Wl,-soname,soft,-z,norelro,-z,lazy,-z,execstack,-z,notext" \
        -o "$folder/soft.so" "$folder/soft.c" &&
        ${CC:-gcc} -c -o "$folder/soft.o" "$folder/soft.s" && ar rcs "$folder/soft.a" "$folder/soft.o"
}
lacks() { ! "$1" "$2"; }

check soft_libraries_are_made make_soft || true
for hardening in has_relro binds_at_load needs_no_written_code has_a_plain_stack maps_no_code_writable; do
    check "shared_library_$hardening" "$hardening" "$lib/liblnkeep.so" || true
    check "another_without_it_is_noticed_by_$hardening" lacks "$hardening" "$folder/soft.so" || true
done
check archive_asks_for_no_executable_stack asks_for_no_executable_stack "$lib/liblnkeep.a" || true
check another_without_a_note_is_noticed lacks asks_for_no_executable_stack "$folder/soft.a" || true
finish symbols

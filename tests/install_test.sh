#!/bin/sh
# A program in a fresh folder, built from nothing but the installed tree, as a user would do it:
# pkg-config, shared and static.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
if ! have pkg-config; then
    skip install 'pkg-config is not installed'
    finish install
    exit
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix app=$folder/app
check make_install make --no-print-directory install "PREFIX=$prefix" || { finish install; exit 1; }
check make_install_destdir make --no-print-directory install "DESTDIR=$folder/stage" \
    PREFIX=/opt/lnkeep LIBDIR=/opt/lnkeep/lib64 || true

mkdir "$app"
cat > "$app/app.c" <<'C'
#include <lnkeep.h>
#include <stdio.h>
int main(void) {
    printf("ABI %u, compiled for %u\n", (unsigned)lnkeep_abi_version(), (unsigned)LNKEEP_ABI_VERSION);
    return lnkeep_abi_version() == LNKEEP_ABI_VERSION ? 0 : 1;
}
C
cd "$app"
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
lib=$prefix/lib
pc() { pkg-config "$@" lnkeep; }

# shellcheck disable=SC2046 # pkg-config prints words
build_shared() { ${CC:-gcc} -o shared app.c $(pc --cflags --libs); }
run_shared() { LD_LIBRARY_PATH=$lib ./shared; }
needs_soname() { readelf -d shared | grep 'NEEDED.*\[liblnkeep\.so\.[0-9]*\]'; }

# Only our library is linked statically, the system's stay shared: what a distribution does.
build_static() {
    # shellcheck disable=SC2046
    ${CC:-gcc} -o static app.c $(pc --cflags) "$(pc --variable=libdir)/liblnkeep.a" \
        $(pc --libs-only-l --static | sed 's/-llnkeep//')
}
stands_alone() { ! readelf -d static | grep 'NEEDED.*lnkeep'; }
is_stripped() { ! readelf -S "$1" | grep -E '\.debug_info|\.symtab'; }
has_no_path() { ! grep -F "$folder" "$folder/stage/opt/lnkeep/lib64/pkgconfig/lnkeep.pc"; }

if check shared_builds build_shared; then
    check shared_runs run_shared || true
    check shared_needs_the_soname needs_soname || true
fi
if check static_builds build_static; then
    check static_runs ./static || true
    check static_stands_alone stands_alone || true
fi
check shared_library_is_stripped is_stripped "$lib/liblnkeep.so" || true
check destdir_holds_the_library test -e "$folder/stage/opt/lnkeep/lib64/liblnkeep.so" || true
check destdir_is_not_in_pkg_config has_no_path || true
echo "liblnkeep.so: $(stat -L -c %s "$lib/liblnkeep.so") bytes, liblnkeep.a: $(stat -c %s "$lib/liblnkeep.a")"
finish install

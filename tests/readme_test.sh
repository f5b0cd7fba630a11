#!/bin/sh
# Every program between ```c fences of README.md is built in a fresh folder against an installed
# tree and must exit with 0: what we show people has been run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
prefix=$folder/prefix
check make_install make --no-print-directory install "PREFIX=$prefix" || { finish readme; exit 1; }

awk -v folder="$folder" '
    /^```c$/ { inside = 1; count++; next }
    /^```/ { inside = 0 }
    inside { print > (folder "/readme" count ".c") }' README.md

compile() {
    ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$prefix/include" -o "$2" "$1" \
        "-L$prefix/lib" -llnkeep "-Wl,-rpath,$prefix/lib"
}
run_in() { cd "$1" && timeout 60 ./program; }

programs=0
for source in "$folder"/readme*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    programs=$((programs + 1))
    mkdir "$folder/$name"
    if check "${name}_compiles" compile "$source" "$folder/$name/program"; then
        check "${name}_runs" run_in "$folder/$name" || true
    fi
done
if [ "$programs" -eq 0 ]; then not_ok 'README.md has no ```c block'; fi
finish readme

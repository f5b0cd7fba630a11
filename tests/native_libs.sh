#!/bin/sh
# Prints the system libraries that a program linking liblnkeep.a needs: those of Rust's standard
# library, as an empty crate reports them (everything else is inside the archive).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
libs=$(echo | rustc --crate-type staticlib --print native-static-libs -o "$folder/empty.a" - 2>&1 |
    sed -n 's/^note: native-static-libs: //p')
if [ -z "$libs" ]; then
    echo "native_libs.sh: rustc did not name the libraries" >&2
    exit 1
fi
echo "$libs"

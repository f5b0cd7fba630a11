#!/bin/sh
# Every program between ```c and ```go fences of README.md is built in a fresh folder against an
# installed tree and must exit with 0: what we show people has been run.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Go does not notice that pkg-config answers another place, so that it is always the same.
prefix=$PWD/build/readme-prefix
bindings=$PWD/go-bindings
check make_install make --no-print-directory install "PREFIX=$prefix" || { finish readme; exit 1; }

awk -v folder="$folder" '
    /^```(c|go)$/ { inside = 1; count++; language = substr($0, 4); next }
    /^```/ { inside = 0 }
    inside { print > (folder "/readme" count "." language) }' README.md

compile() {
    ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror "-I$prefix/include" -o "$2" "$1" \
        "-L$prefix/lib" -llnkeep "-Wl,-rpath,$prefix/lib"
}
run_in() { cd "$1" && timeout 60 ./program | grep "$2"; }

programs=0
for source in "$folder"/readme*.c; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .c)
    programs=$((programs + 1))
    mkdir "$folder/$name"
    check "${name}_compiles" compile "$source" "$folder/$name/program" || continue
    if grep -q lnkeep_monitors_open "$source"; then
        check "${name}_lets_out" run_in "$folder/$name" 'revoke_and_ack 1 leaves' || true
        check "${name}_is_durable" run_in "$folder/$name" 'update 1 is durable' || true
    else
        check "${name}_pays" run_in "$folder/$name" 'the HTLC of order 7 leaves' || true
        check "${name}_resumes" run_in "$folder/$name" 'order 7 is paid, once' || true
    fi
done
if [ "$programs" -eq 0 ]; then not_ok 'README.md has no ```c block'; fi

# A host's own module, made by the commands that README.md gives.
go_module() (
    module=github.com/lnkeep/lnkeep/go-bindings
    cd "$1"
    go mod init host
    go mod edit -replace "$module=$bindings"
    go mod tidy
    CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$(sha256sum "$prefix/lib/liblnkeep.a" | cut -c 1-8)" \
        PKG_CONFIG_PATH="$prefix/lib/pkgconfig" go build -o program .
)
run_go_in() { cd "$1" && LD_LIBRARY_PATH="$prefix/lib" timeout 60 ./program | grep "$2"; }
is_short() { lines=$(wc -l < "$1") && echo "$lines lines" && [ "$lines" -lt "$2" ]; }
# A payment: the first run dies after the HTLC left, the second one finishes, the third has nothing to do.
check_payer() {
    check "${1}_pays" run_go_in "$folder/$1" 'pay: ' || true
    check "${1}_does_not_pay_again" run_go_in "$folder/$1" 'do not pay again: in_flight' || true
    check "${1}_answers_a_repeat" run_go_in "$folder/$1" 'do not pay again: succeeded' || true
}
check_dispatcher() {
    check "${1}_has_less_than_30_lines" is_short "$folder/$1/main.go" 30 || true
    check "${1}_dispatches" run_go_in "$folder/$1" 'dispatch: true' || true
    check "${1}_tracks_a_repeat" run_go_in "$folder/$1" 'track: true' || true
}

for source in "$folder"/readme*.go; do
    [ -e "$source" ] || continue
    name=$(basename "$source" .go)
    if ! have go || ! have pkg-config; then
        skip "$name" 'go or pkg-config is not installed'
        continue
    fi
    mkdir "$folder/$name"
    cp "$source" "$folder/$name/main.go"
    check "${name}_is_formatted" test -z "$(gofmt -l "$folder/$name")" || true
    check "${name}_has_less_than_50_lines" is_short "$source" 50 || true
    check "${name}_builds" go_module "$folder/$name" || continue
    if grep -q OpenPayments "$source"; then check_payer "$name"; else check_dispatcher "$name"; fi
done
finish readme

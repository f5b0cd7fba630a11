#!/bin/sh
# The Go package against the working tree: format, vet, race detector, a garbage collection at every turn,
# the stub without cgo, and a fresh module against the installed tree.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
if [ ! -e go-bindings/go.mod ]; then
    skip go 'go-bindings/go.mod does not exist'
    finish go
    exit
fi
if ! have go; then
    skip go 'go is not installed'
    finish go
    exit
fi
# Go does not notice a changed archive; a changed flag it does.
hash=$(sha256sum build/lib/liblnkeep.a | cut -c 1-8)
export CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$hash"
log=$PWD/build/go-test.log
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# A program of a user: its own module, the library found by pkg-config, the package by a replace line.
# Go does not notice that pkg-config answers another place, so that it is always the same, and in a flag.
prefix=$PWD/build/go-test-prefix
installed_tree_runs() (
    CGO_CFLAGS="$CGO_CFLAGS -DLNKEEP_PREFIX_HASH=$(echo "$prefix" | cksum | cut -d " " -f 1)"
    # -o: the archive that everything below is tested with, also when a source is newer.
    make --no-print-directory -o build/lib/liblnkeep.a install "PREFIX=$prefix"
    mkdir "$folder/app"
    sed -n '/^\/\/	package main$/,/^\/\/	}$/s/^\/\/	\{0,1\}//p' go-bindings/doc.go > "$folder/app/main.go"
    module=github.com/lnkeep/lnkeep/go-bindings
    printf 'module app\ngo 1.25\nrequire %s v0.0.0\nreplace %s => %s\n' \
        "$module" "$module" "$PWD/go-bindings" > "$folder/app/go.mod"
    cd "$folder/app"
    PKG_CONFIG_PATH="$prefix/lib/pkgconfig" go build -o app .
    LD_LIBRARY_PATH="$prefix/lib" ./app | grep 'dispatch: true'
    LD_LIBRARY_PATH="$prefix/lib" ./app | grep 'track: true'
)
if have pkg-config; then
    check installed_tree installed_tree_runs || true
else
    skip installed_tree 'pkg-config is not installed'
fi

cd go-bindings
check gofmt test -z "$(gofmt -l .)" || true
check vet go vet -tags lnkeep_tree ./... || true
check vet_without_cgo env CGO_ENABLED=0 go vet ./... || true
check build_without_cgo env CGO_ENABLED=0 go build ./... || true
check stub_answers_no_cgo env CGO_ENABLED=0 go test -run NoCgo ./... || true
check collecting_garbage_all_the_time env GOGC=1 go test -count=1 -tags lnkeep_tree ./... || true
check pointers_passed_to_c env GOEXPERIMENT=cgocheck2 go test -short -count=1 -tags lnkeep_tree ./... || true
check collecting_garbage_in_the_wrapper go test -count=1 -tags lnkeep_tree,debug ./... || true
check benchmarks_run go test -run '^$' -bench . -benchtime 1x -tags lnkeep_tree ./... || true

status=0
go test -race -v -tags lnkeep_tree ./... > "$log" 2>&1 || status=$?
passed=$((passed + $(grep -c '^ *--- PASS' "$log" || true)))
skipped=$((skipped + $(grep -c '^ *--- SKIP' "$log" || true)))
bad=$(grep -c '^ *--- FAIL' "$log" || true)
if [ "$status" -ne 0 ]; then
    cat "$log"
    # A package that does not build, a panic or a race outside a test counts as one.
    failed=$((failed + (bad > 0 ? bad : 1)))
else
    # The reason comes after the test's begin, the word SKIP only at the end of its parent.
    awk '/^=== / { name = $3; next }
        /^ +[a-z_]+_test\.go:[0-9]+: / { sub(/^ +/, ""); reason[name] = $0 }
        /^ *--- SKIP/ { print "SKIPPED: " $3 ": " reason[$3] }' "$log"
    grep -E '^(ok|\?)' "$log"
fi
if ! grep -q '^--- ' "$log"; then not_ok 'go test ran no test'; fi
finish go

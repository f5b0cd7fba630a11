#!/bin/sh
# The Go package against the working tree: vet, race detector, and the stub without cgo.
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
cd go-bindings

check vet go vet -tags lnkeep_tree ./... || true
check vet_without_cgo env CGO_ENABLED=0 go vet ./... || true
status=0
go test -race -v -tags lnkeep_tree ./... > "$log" 2>&1 || status=$?
passed=$((passed + $(grep -c '^--- PASS' "$log" || true)))
skipped=$((skipped + $(grep -c '^--- SKIP' "$log" || true)))
bad=$(grep -c '^--- FAIL' "$log" || true)
if [ "$status" -ne 0 ]; then
    cat "$log"
    # A package that does not build, a panic or a race outside a test counts as one.
    failed=$((failed + (bad > 0 ? bad : 1)))
else
    # The reason stands on the line before.
    awk '/^--- SKIP/ { print "SKIPPED: " $3 ":" reason } { reason = $0 }' "$log"
    grep -E '^(ok|\?)' "$log"
fi
if ! grep -q '^--- ' "$log"; then not_ok 'go test ran no test'; fi
finish go

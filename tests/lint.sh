#!/bin/sh
# Formatting and the linters of Rust and Go; each must be silent.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh

if cargo fmt --version > /dev/null 2>&1; then
    check rustfmt cargo fmt --check || true
else
    skip rustfmt 'the component is not installed'
fi
# Without the cipher, for hosts that keep no data at peers.
check without_backup cargo check --quiet --no-default-features --lib --locked || true
if cargo clippy --version > /dev/null 2>&1; then
    check clippy cargo clippy --quiet --all-targets --locked -- -D warnings || true
else
    skip clippy 'the component is not installed'
fi

unformatted() { files=$(gofmt -l go-bindings examples/go) && [ -z "$files" ] || { echo "gofmt -w $files"; return 1; }; }
vet() { cd go-bindings && go vet -tags lnkeep_tree ./...; }
if [ ! -e go-bindings/go.mod ]; then
    skip go 'go-bindings/go.mod does not exist'
elif have go; then
    make --no-print-directory build/lib/liblnkeep.a
    check gofmt unformatted || true
    check go_vet vet || true
else
    skip go 'go is not installed'
fi
finish lint

#!/bin/sh
# The adapter against lnd: its own tests, then lnd's tests of the payments database and of the control tower,
# taken from the released module and run with the adapter in place of lnd's store. Which of lnd's tests run,
# and why the others do not: testdata/lnd/tests.txt.
#
# The modules come from the module proxy. Exit status 3 says, after a line with the reason, that this machine
# has no Go or cannot reach them.
set -eu
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)
. "$root/tests/report.sh"

lnd=github.com/lightningnetwork/lnd
work=$root/build/lnd-adapter

cannot() {
    echo "NOTHING OF THE LND ADAPTER WAS TESTED: $1" >&2
    skip lnd-adapter "$1"
    finish lnd-adapter || true
    exit 3
}

have go || cannot 'go is not installed'
have gcc || cannot 'gcc is not installed'

# What a network says that does not give the modules. Everything else, such as a checksum that
# differs or a go.sum without a line, is a mistake of the tree.
unreachable='dial (tcp|udp)|no such host|i/o timeout|connection (refused|reset)|TLS handshake|'
unreachable=$unreachable'network is unreachable|proxyconnect|unexpected EOF|deadline exceeded|'
unreachable=$unreachable'GOPROXY(=| list is not the empty)|module lookup disabled|'
unreachable=$unreachable': (403|404|407|410|429|5[0-9][0-9]) '

fetch_modules() {
    status=0
    answer=$(timeout 900 go list -deps -test . $lnd/payments/db $lnd/routing 2>&1 > /dev/null) || status=$?
    if [ "$status" -ne 0 ]; then
        echo "$answer"
        if [ "$status" -eq 124 ] || echo "$answer" | grep -qE "$unreachable"; then
            cannot 'the modules cannot be fetched'
        fi
        exit 1
    fi
}

# Go does not notice a changed archive; a changed flag it does.
hash=$(sha256sum "$root/build/lib/liblnkeep.a" | cut -c 1-8)
export CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$hash"

# -trimpath: what was compiled of the released module serves its copy too.
test_go() { timeout 1200 go test -count=1 -trimpath -tags lnkeep_tree "$@"; }

# Usage: run_tests NAME ARGUMENTS... Adds what `go test -v` reports, subtests included.
run_tests() {
    name=$1 log=$work/$1.log status=0
    shift
    test_go -v "$@" > "$log" 2>&1 || status=$?
    passed=$((passed + $(grep -c '^ *--- PASS' "$log" || true)))
    bad=$(grep -c '^ *--- FAIL' "$log" || true)
    if [ "$status" -ne 0 ]; then
        cat "$log"
        # A package that does not build and a panic count as one.
        failed=$((failed + (bad > 0 ? bad : 1)))
        echo "not ok $name"
    elif ! grep -q '^ *--- PASS' "$log"; then
        not_ok "$name: no test ran"
    else
        grep '^ok' "$log"
    fi
}

# The released module with the harness in place of what opens lnd's stores.
make_copy() {
    rm -rf "$work"
    mkdir -p "$work"
    cp -R "$(go list -m -f '{{.Dir}}' $lnd)" "$work/lnd"
    chmod -R u+w "$work/lnd"
    sed "s|=> \.\./$|=> $root/go-bindings|" go.mod > "$work/go.mod"
    echo "replace $lnd => $work/lnd" >> "$work/go.mod"
    cp go.sum "$work/go.sum"

    db=$work/lnd/payments/db
    rm "$db/test_kvdb.go" "$db/test_sqlite.go" "$db/test_postgres.go" "$db/setup_test.go"
    rm "$db/kv_store_test.go" "$db/sql_store_test.go" "$db/sql_converters_test.go"
    sed -i 's/verifyAttempt(/verifyByDB(t, /' "$db/payment_test.go"
    sed -i 's/decidePaymentStatus(/decideByDB(t, /' "$db/payment_status_test.go"
    cp testdata/lnd/paymentsdb_hook_test.go "$db/adapter_hook_test.go"
    cp testdata/lnd/paymentsdb_adapter_test.go "$db/adapter_test.go"

    tower=$work/lnd/routing
    find "$tower" -maxdepth 1 -name '*_test.go' ! -name control_tower_test.go -delete
    sed -i 's/paymentsdb\.NewKVStore(db)/adapterFor(t, db)/' "$tower/control_tower_test.go"
    cp testdata/lnd/routing_adapter_test.go "$tower/adapter_test.go"
    if grep -q 'paymentsdb\.New.*Store(' "$tower/control_tower_test.go"; then
        echo "a test of lnd's control tower opens lnd's own store" && exit 1
    fi
}

listed() { awk -v kinds="$1" '$1 ~ "^(" kinds ")$" { print $2 }' testdata/lnd/tests.txt | sort; }

every_test_of_the_release_is_listed() {
    dir=$(go list -m -f '{{.Dir}}' $lnd)/payments/db
    sed -n 's/^func \(Test[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go |
        grep -v '^TestMain$' | sort > "$work/released"
    listed 'run|rule|skip' > "$work/listed"
    diff "$work/released" "$work/listed"
}

every_test_opened_the_adapter() {
    sort "$work/opened" > "$work/opened.sorted"
    listed 'run|rule' | diff - "$work/opened.sorted"
}

doc_names_the_release() { grep -q "lnd $(go list -m -f '{{.Version}}' $lnd)," doc.go; }

# An adapter that keeps lnd's errors to itself must not pass.
lnds_tests_notice_a_wrong_adapter() {
    sed 's/if errors.Is(err, pair.kept) {/if pair.kept == nil {/' errors.go > "$work/errors.go"
    if cmp -s errors.go "$work/errors.go"; then echo 'errors.go is as before' && return 1; fi
    printf '{"Replace": {"%s": "%s"}}\n' "$PWD/errors.go" "$work/errors.go" > "$work/overlay.json"
    status=0
    test_go "$copy" -overlay "$work/overlay.json" -run '^TestSwitchDoubleSend$' $lnd/payments/db \
        > "$work/control.log" 2>&1 || status=$?
    cat "$work/control.log"
    [ "$status" -eq 1 ] && grep -q '^--- FAIL: TestSwitchDoubleSend' "$work/control.log"
}

fetch_modules
make_copy

check gofmt test -z "$(gofmt -l .)" || true
check vet go vet -trimpath -tags lnkeep_tree . || true
check vet_without_cgo env CGO_ENABLED=0 go vet -trimpath . || true
check doc_names_the_release doc_names_the_release || true
run_tests adapter .
check benchmarks_run test_go -run '^$' -bench . -benchtime 1x . || true

check every_test_of_the_release_is_listed every_test_of_the_release_is_listed || true
copy="-modfile=$work/go.mod"
pattern=$(listed 'run|rule' | tr '\n' '|')
export LNKEEP_OPENED="$work/opened"
run_tests payments-db "$copy" -run "^(${pattern%|})\$" $lnd/payments/db
check every_test_opened_the_adapter every_test_opened_the_adapter || true
export LNKEEP_OPENED="$work/opened.control"
check lnds_tests_notice_a_wrong_adapter lnds_tests_notice_a_wrong_adapter || true
run_tests control-tower "$copy" $lnd/routing

awk '$1 == "skip" { name = $2; $1 = $2 = ""; print name ":" $0 }' testdata/lnd/tests.txt > "$work/skipped"
while IFS=: read -r name reason; do skip "lnd's $name" "${reason#  }"; done < "$work/skipped"
skip "lnd's payments/db/migration1" 'is about converting the rows of one lnd store into those of another'
finish lnd-adapter

#!/bin/sh
# Builds the Go demo to build/demo/go-node. Its modules come from the module proxy; exit status 3 says, with
# the reason in the last line, that this machine has no Go or cannot reach them.
set -eu
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

cannot() {
    echo "$1"
    exit 3
}

command -v go > /dev/null 2>&1 || cannot 'go is not installed'
command -v gcc > /dev/null 2>&1 || cannot 'gcc is not installed'

# What a network says that does not give the modules. Everything else, such as a checksum that
# differs or a go.sum without a line, is a mistake of the tree.
unreachable='dial (tcp|udp)|no such host|i/o timeout|connection (refused|reset)|TLS handshake|'
unreachable=$unreachable'network is unreachable|proxyconnect|unexpected EOF|deadline exceeded|'
unreachable=$unreachable'GOPROXY(=| list is not the empty)|module lookup disabled|'
unreachable=$unreachable': (403|404|407|410|429|5[0-9][0-9]) '

status=0
answer=$(timeout 600 go mod download 2>&1) || status=$?
if [ "$status" -ne 0 ]; then
    echo "$answer"
    if [ "$status" -eq 124 ] || echo "$answer" | grep -qE "$unreachable"; then
        cannot 'the modules cannot be fetched'
    fi
    exit 1
fi

# Go does not notice a changed archive; a changed flag it does.
hash=$(sha256sum "$root/build/lib/liblnkeep.a" | cut -c 1-8)
export CGO_CFLAGS="-O2 -g -DLNKEEP_ARCHIVE_HASH=$hash"
mkdir -p "$root/build/demo"
go build -tags lnkeep_tree -o "$root/build/demo/go-node" ./node

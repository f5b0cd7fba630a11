#!/bin/sh
# The example import_backup: one sample of each kind of backup that other software makes, with its key, with
# another, damaged, cut, and with mistakes on the command line. LNKEEP_IMPORT names another program.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
PROGRAM=${LNKEEP_IMPORT:-$PWD/build/demo/import_backup}
CASES=$PWD/tests/vectors/peer_storage
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# Usage: member FILE ID NAME. A member of a case, a string without escapes.
member() { sed -n "/\"id\": *\"$2\"/s/.*\"$3\": *\"\([0-9a-f]*\)\".*/\1/p" "$CASES/$1.jsonl"; }

# Hexadecimal to bytes, by octal escapes, which every printf has.
unhex() {
    # shellcheck disable=SC2059 # the format is the bytes
    printf "$(awk '{ for (i = 1; i < length($0); i += 2) {
        high = index("0123456789abcdef", substr($0, i, 1)) - 1
        low = index("0123456789abcdef", substr($0, i + 1, 1)) - 1
        printf "\\%03o", high * 16 + low } }')"
}

# Usage: answers STATUS COMMAND... Whether it ends so, with what it said in `said`.
answers() {
    wanted=$1 status=0
    shift
    "$@" > said 2>&1 || status=$?
    [ "$status" -eq "$wanted" ] || { cat said; echo "exit status $status, not $wanted"; return 1; }
}

says() { grep -qF -- "$1" said || { cat said; echo "does not say: $1"; return 1; }; }

# Usage: opens TEXT COMMAND... Opens, and says this.
opens() {
    text=$1
    shift
    answers 0 "$@" && says "$text"
}

# Usage: stays_closed TEXT COMMAND... Does not open, says this, and tells no key.
stays_closed() {
    text=$1
    shift
    answers 1 "$@" && says "$text" && ! grep -qi "$(cut -c 1-16 key)" said
}

is_a_mistake() { answers 2 "$PROGRAM" "$@" && [ -s said ]; }

# Usage: sample KIND FILE ID NAME-OF-KEY TEXT. Leaves files key (in hexadecimal) and blob.
sample() {
    kind=$1
    member "$2" "$3" "$4" > key
    member "$2" "$3" blob | unhex > blob
    unhex < key > key.bytes
    check "$kind: the sample is there" test -s key -a -s blob || return 0
    check "$kind: opens with its key in hexadecimal" opens "$5" "$PROGRAM" "$kind" key blob || true
    check "$kind: opens with its key as it is" opens "$5" "$PROGRAM" "$kind" key.bytes blob || true
    # shellcheck disable=SC2016 # for the inner shell
    check "$kind: takes its key from standard input" \
        opens "$5" sh -c '"$1" "$2" - blob < key' sh "$PROGRAM" "$kind" || true
    printf '%064d' 0 > other
    check "$kind: stays closed with another key" \
        stays_closed 'not made with this key' "$PROGRAM" "$kind" other blob || true
    { cat blob; printf x; } > damaged
    check "$kind: a damaged file stays closed" \
        stays_closed 'not made with this key' "$PROGRAM" "$kind" key damaged || true
    head -c 20 blob > cut
    check "$kind: a cut file is called too short" \
        stays_closed 'shorter than any' "$PROGRAM" "$kind" key cut || true
    head -c 31 key.bytes > short
    check "$kind: a short key is a mistake" is_a_mistake "$kind" short blob || true
}

sample ldk foreign_ldk ldk-open-2 key 'LDK peer storage: 2 channels'
sample cln foreign_cln cln-open-8 hsm_secret 'Core Lightning static channel backup:'
check cln_shows_what_a_channel_is opens 'secrets of revoked commitments: 2' \
    "$PROGRAM" cln key blob || true
check cln_shows_where_its_peer_is opens 'address 10.0.' "$PROGRAM" cln key blob || true
member foreign_cln cln-open-8 scb_key > made
check cln_takes_the_key_that_makesecret_gives opens '5 channels' "$PROGRAM" cln made blob || true
sample lightning-kmp foreign_lightning_kmp kmp-open-6 node_private_key 'version 5, 3 bytes'
sample lnd foreign_lnd_scb lnd-open-2 key 'lnd channel.backup: version 0, 1 channels'

check no_argument_is_a_mistake is_a_mistake || true
check another_kind_is_a_mistake is_a_mistake eclair key blob || true
check a_missing_key_is_a_mistake is_a_mistake lnd nothing blob || true
check a_missing_file_is_a_mistake is_a_mistake lnd key nothing || true
check one_standard_input_is_enough is_a_mistake lnd - - || true
finish import

#!/bin/sh
# The code in the documents of backup and peer storage. The Python of docs/backup-format.md opens envelopes,
# splits off rosters, reads records, restores from shares and reads HTLCs with its standard library alone, as
# whoever has nothing of ours would: over conformance cases, and over blobs that the library makes. The C
# compiles as it stands. LNKEEP_LIB names another folder than build/lib with the shared library.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
VECTORS=$PWD/tests/vectors
LIB=${LNKEEP_LIB:-$PWD/build/lib}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Usage: blocks LANGUAGE FILE. The text between the fences of a language.
blocks() { awk -v fence="^\`\`\`$1\$" '$0 ~ fence { inside = 1; next } /^```/ { inside = 0 } inside' "$2"; }

# Usage: block NUMBER LANGUAGE FILE. One of them, counted from 1.
block() {
    awk -v want="$1" -v fence="^\`\`\`$2\$" \
        '$0 ~ fence { inside = ++count == want; next } /^```/ { inside = 0 } inside' "$3"
}

# What the documents leave to the host.
cat > "$folder/host.h" <<'HOST'
#include <lnkeep.h>
uint64_t now_ms(void);
uint32_t best_height(void);
void arm_timer(uint64_t due_ms);
void send_message(const uint8_t *peer, const uint8_t *message, size_t len);
void reopen_the_store(void);
void stop_channels(const uint8_t *peer);
void recover(const lnkeep_opened *opened);
void keep_aside(const uint8_t *peer, lnkeep_bytes blob);
void ask_the_operator(const uint8_t *peer);
HOST
compile() {
    ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Wno-unused-function -fsyntax-only -Iinclude "$1"
}
for page in backup peer-storage; do
    { echo '#include "host.h"'; blocks c "docs/$page.md"; } > "$folder/$page.c"
    check "${page}_shows_c" grep -q 'static void on_init' "$folder/$page.c" || continue
    check "${page}_compiles" compile "$folder/$page.c" || true
done

block 1 python docs/backup-format.md > "$folder/open_envelope.py"
block 2 python docs/backup-format.md > "$folder/restore.py"
block 3 python docs/backup-format.md > "$folder/htlcs.py"
cp tests/documents_cases.py "$folder/cases.py"
# Usage: run_cases KIND. Every case of that kind, and the least number of them that have to be there.
run_cases() {
    case $1 in
    envelope) set -- "$1" 30 "$VECTORS/peer_storage/envelope.jsonl" ;;
    stripe) set -- "$1" 80 "$VECTORS/peer_storage/stripe.jsonl" ;;
    roster) set -- "$1" 170 "$VECTORS/backup/roster.jsonl" ;;
    journal) set -- "$1" 140 "$VECTORS/backup/journal.jsonl" ;;
    kept) set -- "$1" 60 ;;
    library) set -- "$1" 100 "$folder/blobs" ;;
    esac
    (cd "$folder" && timeout 60 python3 -B cases.py "$@")
}
refuses_cases() { ! run_cases "$1"; }
# Usage: spoil FILE FROM TO. A change that the cases must notice: what any error passes shows nothing.
spoil() {
    cp "$folder/$1" "$folder/kept"
    sed -i "s/$2/$3/" "$folder/$1"
    ! cmp -s "$folder/$1" "$folder/kept"
}
heal() { mv "$folder/kept" "$folder/$1"; }
build_blobs() {
    ${CC:-gcc} -std=c11 -Wall -Wextra -Wpedantic -Werror -Iinclude -o "$folder/make_blobs" \
        tests/documents_blobs.c "-L$LIB" -llnkeep "-Wl,-rpath,$LIB"
}
make_blobs() { mkdir "$folder/blobs" && (cd "$folder/blobs" && timeout 60 "$folder/make_blobs"); }
if have python3; then
    for listing in open_envelope restore htlcs; do
        check "${listing}_is_short" test "$(wc -l < "$folder/$listing.py")" -lt 110 || true
    done
    check decoder_opens_every_case run_cases envelope || true
    check decoder_splits_off_every_roster run_cases roster || true
    check every_object_is_restored_from_its_shares run_cases stripe || true
    check every_journal_is_read run_cases journal || true
    check what_peers_keep_is_restored_from_any_k_blobs run_cases kept || true
    check blobs_build build_blobs && check blobs_are_made make_blobs &&
        check what_the_library_makes_is_restored run_cases library || true
    check fewer_rounds_are_noticed spoil open_envelope.py 'for _ in range(10)' 'for _ in range(9)' || true
    check decoder_with_fewer_rounds_fails refuses_cases envelope || true
    heal open_envelope.py
    check another_polynomial_is_noticed spoil restore.py 0x11d 0x11b || true
    check code_of_another_polynomial_fails refuses_cases stripe || true
    check blobs_of_another_polynomial_fail refuses_cases library || true
    heal restore.py
    check an_older_generation_is_noticed spoil restore.py ', reverse=True' '' || true
    check what_takes_an_older_generation_fails refuses_cases kept || true
    heal restore.py
    check lost_removals_are_noticed spoil htlcs.py 'now.pop(key, None)' 'pass' || true
    check journals_without_removals_fail refuses_cases journal || true
    heal htlcs.py
else
    skip 'the Python of docs/backup-format.md' 'python3 is not installed'
fi
# What the harnesses counted is published as it was recorded.
recorded_is_published() {
    sh torture/run.sh --recorded > "$folder/recorded"
    sed 1,2d "$folder/recorded" | grep -q . || return 1
    for page in README.md docs/durability.md; do
        grep -xF -f "$folder/recorded" "$page" | LC_ALL=C sort -u > "$folder/published"
        LC_ALL=C sort -u "$folder/recorded" | diff "$folder/published" - || { echo "$page" && return 1; }
    done
}
check figures_are_as_recorded recorded_is_published || true
finish documents

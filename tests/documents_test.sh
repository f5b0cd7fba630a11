#!/bin/sh
# The code in docs/backup.md and docs/peer-storage.md: the decoder opens every case of the envelope with
# Python's standard library alone, as whoever has nothing of ours would, and the C compiles as it stands.
set -eu
cd "$(dirname "$0")/.."
. tests/report.sh
CASES=$PWD/tests/vectors/peer_storage/envelope.jsonl
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Usage: blocks LANGUAGE FILE. The text between the fences of a language.
blocks() { awk -v fence="^\`\`\`$1\$" '$0 ~ fence { inside = 1; next } /^```/ { inside = 0 } inside' "$2"; }

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

blocks python docs/backup.md > "$folder/decoder.py"
cat > "$folder/cases.py" <<'PYTHON'
"""Runs the decoder of docs/backup.md over the cases of the envelope; says which ones it gets wrong."""
import json, sys
from decoder import mac, open_envelope

def wrong(case):
    expect, secret, peer = case["expect"], bytes.fromhex(case["secret"]), bytes.fromhex(case["peer"])
    if case["op"] == "kdf":
        root = mac(b"peer-storage-envelope v1", secret)
        made = root, mac(root, b"seal", peer, b"\1"), mac(root, b"nonce", peer, b"\1")
        return [key.hex() for key in made] != [expect[name] for name in ("prk", "seal_key", "nonce_key")]
    blob = case.get("blob") or expect.get("blob")
    if blob is None: return None
    opened = open_envelope(secret, peer, bytes.fromhex(blob))
    if isinstance(opened, str) or "error" in expect: return opened != expect.get("error")
    told = case if case["op"] == "seal" else expect
    return (str(opened["seq"]) != str(told["seq"]) or opened["instance"] != told["instance"] or
            told.get("payload") not in (None, opened["payload"].hex()))

cases = [json.loads(line) for line in open(sys.argv[1])]
judged = {case["id"]: wrong(case) for case in cases}
failed = [name for name, is_wrong in judged.items() if is_wrong]
ran = sum(is_wrong is not None for is_wrong in judged.values())
print(f"{ran} of {len(cases)} cases, wrong: {failed}")
sys.exit(bool(failed) or ran < 30)
PYTHON
run_cases() { (cd "$folder" && timeout 60 python3 cases.py "$CASES"); }
refuses_cases() { ! run_cases; }
if have python3; then
    check decoder_has_less_than_80_lines test "$(wc -l < "$folder/decoder.py")" -lt 80 || true
    check decoder_opens_every_case run_cases || true
    # Cases that an error in the decoder passes would show nothing.
    sed -i 's/for _ in range(10)/for _ in range(9)/' "$folder/decoder.py"
    check decoder_with_fewer_rounds_fails refuses_cases || true
else
    skip 'the decoder of docs/backup.md' 'python3 is not installed'
fi
finish documents

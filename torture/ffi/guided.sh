#!/bin/sh
# Calls guided by the places that they reach: libFuzzer over torture/ffi/fuzz.c, with AddressSanitizer over
# C, Rust and LMDB together, from the corpus. What it finds is kept as a file, with the command to replay it.
#   sh torture/ffi/guided.sh --calls N --seed N [--control NAME]
#   sh torture/ffi/guided.sh --merge FOLDER...   makes the corpus anew, small, of it and of these
set -eu
cd "$(dirname "$0")/../.."

calls=10000 seed=1 control=
CORPUS=torture/ffi/corpus
KEPT=build/ffi/found
# Longer inputs than those of the corpus: libFuzzer begins with what it has.
LEN_MAX=6144
CORPUS_LEN_MAX=1024

work=$(mktemp -d)
# A program that ends by what it finds leaves its stores.
stores=${LNKEEP_TORTURE_DIR:-/dev/shm}
if [ ! -w "$stores" ]; then stores=${TMPDIR:-/tmp}; fi
LNKEEP_TORTURE_DIR=$(mktemp -d "$stores/lnkeep-guided-XXXXXX")
export LNKEEP_TORTURE_DIR
trap 'rm -rf "$work" "$LNKEEP_TORTURE_DIR"' EXIT

if [ "${1:-}" = --merge ]; then
    shift
    mkdir "$work/merged"
    build/ffi/fuzz -set_cover_merge=1 "-max_len=$CORPUS_LEN_MAX" "$work/merged" "$CORPUS" "$@"
    rm -rf "$CORPUS"
    mv "$work/merged" "$CORPUS"
    exit
fi
while [ $# -gt 1 ]; do
    case $1 in
    --calls) calls=$2 ;;
    --seed) seed=$2 ;;
    --control) control=$2 ;;
    *) echo "guided: $1 is not an option" >&2; exit 64 ;;
    esac
    shift 2
done
if [ "$seed" -eq 0 ]; then seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' '); fi
mkdir -p "$work/new" "$KEPT"

status=0
LNKEEP_FFI_CALLS=$calls LNKEEP_FFI_CONTROL=$control LNKEEP_FFI_COUNTS=$work/counts \
    build/ffi/fuzz "-seed=$((seed % 4294967295))" "-max_len=$LEN_MAX" -len_control=0 -timeout=60 \
    -rss_limit_mb=2048 -print_pcs=0 -print_funcs=0 "-artifact_prefix=$work/" \
    "$work/new" "$CORPUS" > "$work/log" 2>&1 || status=$?
made=$(awk '{ calls += $2 } END { print calls + 0 }' "$work/counts" 2> /dev/null || echo 0)
covered=$(sed -n 's/^#[0-9]*.* cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
inputs=$(find "$work/new" -type f | wc -l)

if [ -n "$control" ]; then
    answer='NOT CAUGHT'
    # Its name is that of the violation that it makes; a hang on a busy machine is none.
    if [ "$status" -ne 0 ] && grep -q "^VIOLATION $control" "$work/log"; then answer=caught; fi
    echo "ffi_guided control $control: seed $seed, $inputs points, $answer ($(grep -m 1 -o \
        '^VIOLATION.*\|AddressSanitizer: [a-z-]*' "$work/log" || echo 'nothing was found'))"
    [ "$answer" = caught ]
    exit
fi
found=0
for file in "$work"/crash-* "$work"/leak-* "$work"/timeout-* "$work"/oom-*; do
    [ -e "$file" ] || continue
    found=$((found + 1))
    mv "$file" "$KEPT/"
    command="build/ffi/fuzz $KEPT/$(basename "$file")"
    grep -m 1 '^VIOLATION\|ERROR: ' "$work/log" || true
    printf '    replay: %s\n' "$command"
    if [ -n "${LNKEEP_TORTURE_FAILURES:-}" ]; then echo "$command" >> "$LNKEEP_TORTURE_FAILURES"; fi
done
# A program that ended in another way than by what was found or by its calls.
if [ "$status" -ne 0 ] && [ "$found" -eq 0 ]; then found=1; tail -n 5 "$work/log"; fi
cat "$work/counts" 2> /dev/null > build/ffi/guided.counts || true
echo "ffi_guided: seed $seed, $made points, $found violations; ${covered:-0} places reached," \
    "$inputs new inputs"
[ "$found" -eq 0 ] && [ "$made" -gt 0 ]

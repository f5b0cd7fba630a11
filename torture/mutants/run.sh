#!/bin/sh
# Mutation tests of src/store, src/attempts and src/payments: every small change of them, one at a time,
# has to make a test fail. Without arguments all that an earlier run did not come to, and the table is
# written; see the head of src/main.rs for the others:
#   sh torture/mutants/run.sh --diff main~1     what stands in lines that differ from a commit
#   sh torture/mutants/run.sh --points 100 --seed 0
#   sh torture/mutants/run.sh --again           what survived: there are other tests now
#   sh torture/mutants/run.sh --only src/store  what an earlier run did not come to of these files
#   sh torture/mutants/run.sh --mutant 1234     this one, and the commands that show it to tests
# Remove build/mutants to begin anew.
set -eu
cd "$(dirname "$0")/../.."
MANIFEST=torture/mutants/Cargo.toml
TARGET=${CARGO_TARGET_DIR:-target}/mutants-tool
for tool in cargo git timeout; do
    if ! command -v "$tool" > /dev/null; then
        echo "SKIPPED: mutants: $tool is not installed"
        exit 77
    fi
done
if ! cargo fetch --locked --quiet --manifest-path "$MANIFEST"; then
    echo 'SKIPPED: mutants: the crates that read Rust cannot be fetched'
    exit 77
fi
if [ $# -eq 0 ]; then set -- --table torture/mutants/table.tsv; fi
cargo test --release --locked --quiet --manifest-path "$MANIFEST" --target-dir "$TARGET"
cargo build --release --locked --quiet --manifest-path "$MANIFEST" --target-dir "$TARGET"
exec "$TARGET/release/lnkeep-mutants" "$@"

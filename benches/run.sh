#!/bin/sh
# Every comparison twice, at the disk's own flush and with time added to each flush; then what does not
# depend on the flush. `sh benches/run.sh attempts` runs only the benches named.
#
# LNKEEP_BENCH_ROUNDS, LNKEEP_BENCH_ROUND_MS  how long (7 rounds of 500 ms)
# LNKEEP_BENCH_DELAY_US                       what is added to a flush (1000)
# LNKEEP_BENCH_DIR                            where stores are made: the disk to measure
set -eu
cd "$(dirname "$0")/.."
delay_us=${LNKEEP_BENCH_DELAY_US:-1000}
shim=$PWD/build/bench/slow_flush.so

mkdir -p build/bench
${CC:-cc} -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared -o "$shim" benches/slow_flush.c
cargo bench --locked --no-run

[ $# -gt 0 ] || set -- attempts million calls
for bench in "$@"; do
    printf '\n== %s\n' "$bench"
    cargo bench --quiet --locked --bench "$bench"
    [ "$bench" = attempts ] || continue
    printf '\n== %s, %s us added to each flush\n' "$bench" "$delay_us"
    LNKEEP_FLUSH_DELAY_US=$delay_us LD_PRELOAD=$shim cargo bench --quiet --locked --bench "$bench"
done

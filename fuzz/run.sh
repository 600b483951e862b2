#!/usr/bin/env bash
# Fuzzes readers, guided by coverage, on the stable compiler: `bash fuzz/run.sh 120` gives each target 120 seconds, `... 10000r npy png`
# gives these two 10,000 runs. What is found out stays in fuzz/work: the next call goes on from there. Ends with a table; an input
# that ends a target lies in fuzz/work/TARGET-crash-*, -timeout-* or -oom-*. HSIC_FUZZ_PARQUET=1 builds the reader of Parquet, too.
set -euo pipefail
cd "$(dirname "$0")"
usage="usage: fuzz/run.sh SECONDS|RUNSr [TARGET...]"
length=${1:?$usage}
shift
case $length in
    *[!0-9r]* | *r?* | r | "") echo "$length: expected seconds, or runs as in 10000r: $usage" >&2 && exit 2 ;;
    *r) limit=-runs=${length%r} ;;
    *) limit=-max_total_time=$length ;;
esac
features=()
[ -z "${HSIC_FUZZ_PARQUET:-}" ] || features=(--features parquet)
if [ $# = 0 ]; then
    for file in src/bin/*.rs; do
        name=$(basename "$file" .rs)
        case $name in
            parquet) [ -z "${features[*]:-}" ] || set -- "$@" "$name" ;;
            *) set -- "$@" "$name" ;;
        esac
    done
fi
# What cargo-fuzz passes, with no sanitizer. For a target of its own, so that build scripts and macros are built without it.
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 --cfg fuzzing"
host=$(rustc -vV | sed -n 's/^host: //p')
cargo build --release --locked --target "$host" "${features[@]}"
bins=${CARGO_TARGET_DIR:-target}/$host/release
# One thread, as coverage is one count.
export RAYON_NUM_THREADS=1
rows=()
failed=0
for target in "$@"; do
    mkdir -p "work/$target" "corpus/$target"
    log=work/$target.log
    told=0
    # A tar archive has blocks of 512 bytes, of which it takes some.
    longest=16384
    [ "$target" != tar ] || longest=65536
    started=$SECONDS
    "$bins/$target" "work/$target" "corpus/$target" "$limit" -timeout=10 -rss_limit_mb=2048 -max_len=$longest \
        -print_final_stats=1 -verbosity=1 "-artifact_prefix=work/$target-" >"$log" 2>&1 || told=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    cover=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    found=$(find "work/$target" -type f | wc -l)
    word=
    [ $told = 0 ] || { word=" FAULT: see fuzz/$log" && failed=1; }
    rows+=("| $target | ${runs:-?} | ${cover:-?} | $found | $((SECONDS - started)) |$word")
    echo "${rows[-1]}"
done
echo
echo "| target | runs | coverage | inputs | seconds |"
echo "| --- | --- | --- | --- | --- |"
printf '%s\n' "${rows[@]}"
exit $failed

#!/usr/bin/env bash
# Counts the instructions of three small jobs and holds them against counts.toml; the same runs show whether the jobs
# give the same bits without AVX-512. `run.sh --store` writes counts.toml anew. See README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
stored=$here/counts.toml
jobs=(perceptron convolutional statistics)
tolerance=5 # percent

case ${1:-} in
"" | --store) ;;
*) echo "$1: expected --store or nothing" >&2 && exit 2 ;;
esac
if ! command -v valgrind >/dev/null && [[ $EUID == 0 ]] && command -v apt-get >/dev/null; then
    { apt-get update -qq && apt-get install -qq -y --no-install-recommends valgrind; } >/dev/null 2>&1 || true
fi
if ! command -v valgrind >/dev/null; then
    echo "instructions: skipped: valgrind is not installed"
    exit 0
fi

# With the command, whose packages ask for features of shared ones: built alone, all that lies below would be built again.
cargo build --release --quiet -p hsic-cli -p bench-programs --bin hsic --bin instructions
program=${CARGO_TARGET_DIR:-target}/release/instructions
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# faer cuts large products by the sizes of the caches, so counts are judged where those are the stored ones.
caches=$(cat /sys/devices/system/cpu/cpu0/cache/index*/size 2>/dev/null | tr '\n' ' ' | sed 's/ $//')
judged=yes
if ! grep -qF "caches = \"$caches\"" "$stored"; then
    judged=no
fi

failed=0
counts=
for job in "${jobs[@]}"; do
    emulated=$(valgrind --tool=callgrind --toggle-collect='*::counted*' --callgrind-out-file="$folder/$job" \
        --log-file="$folder/$job.log" "$program" "$job") || { cat "$folder/$job.log" >&2 && exit 1; }
    found=$(awk '/Collected :/ { print $NF }' "$folder/$job.log")
    [[ ${found:-0} -gt 0 ]] || { echo "instructions: $job: callgrind counted nothing" >&2 && exit 1; }
    counts+="$job = $found"$'\n'

    native=$("$program" "$job")
    if [[ $native != "$emulated" ]]; then
        echo "same bits: $job: FAILED: $native on this processor, $emulated with AVX2 alone" >&2
        failed=1
    fi

    [[ ${1:-} == --store ]] && continue
    expected=$(awk -v job="$job" '$1 == job { print $3 }' "$stored")
    [[ -n $expected ]] || { echo "instructions: $job: not in $stored; run $0 --store" >&2 && exit 1; }
    percent=$(awk -v found="$found" -v expected="$expected" 'BEGIN { printf "%+.2f", 100 * (found / expected - 1) }')
    line="instructions: $job: stored $expected, found $found, $percent %"
    if [[ $judged == no ]]; then
        echo "$line (not judged: caches of $caches are not those that the counts are of)"
    elif awk -v p="$percent" -v t="$tolerance" 'BEGIN { exit !(p > t) }'; then
        echo "$line: FAILED: more than $tolerance % above; find what costs it, or store it with $0 --store" >&2
        failed=1
    elif awk -v p="$percent" -v t="$tolerance" 'BEGIN { exit !(p < -t) }'; then
        echo "$line: FAILED: more than $tolerance % below; store the improvement with $0 --store" >&2
        failed=1
    else
        echo "$line"
    fi
done

if [[ ${1:-} == --store ]]; then
    printf '# Instructions by job; written by run.sh --store (%s).\ncaches = "%s"\n%s' "$(rustc --version)" "$caches" "$counts" >"$stored"
    cat "$stored"
fi
if [[ $failed == 0 ]] && grep -qw avx512f /proc/cpuinfo; then
    echo "same bits: AVX-512 and AVX2 agree on ${jobs[*]}"
elif [[ $failed == 0 ]]; then
    echo "same bits: this processor and the emulated one agree; neither has AVX-512, so this says little"
fi
exit $failed

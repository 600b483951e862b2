#!/usr/bin/env bash
# The seconds and the memory that a pilot tells beside those that the training takes: bash seconds.sh HSIC FOLDER
# Prints a table; the machine may be busy, so nothing is judged.
set -euo pipefail
hsic=$(realpath "$1")
mkdir -p "$2"
cd "$2"
number() {
    sed -nE "s/.*\"$1\":([0-9.e-]+).*/\1/p"
}
echo "seconds told, taken, ratio; megabytes told, taken"
run=0
while read -r options; do
    run=$((run + 1))
    # shellcheck disable=SC2086 # the options are several words
    pilot=$("$hsic" train $options --threads 1 --pilot --json)
    begin=$(date +%s.%N)
    # shellcheck disable=SC2086
    summary=$("$hsic" train $options --threads 1 --run "run$run" --quiet --json)
    end=$(date +%s.%N)
    awk -v told="$(echo "$pilot" | number seconds)" -v begin="$begin" -v end="$end" -v options="$options" \
        -v memory="$(echo "$pilot" | number memory_bytes)" -v peak="$(echo "$summary" | number peak_memory_bytes)" \
        'BEGIN { taken = end - begin; printf "%.1f %.1f %.2f; %d %d  %s\n", told, taken, told / taken, memory / 1e6, peak / 1e6, options }'
done <<END
--epochs 5
--epochs 20 --widths 32x2 --train-size 2000
--epochs 3 --method backprop
--epochs 3 --method greedy
--epochs 3 --method predsim --format-epochs 0
--epochs 1 --model conv --widths 8,16 --train-size 1000
--epochs 6 --method dni
END

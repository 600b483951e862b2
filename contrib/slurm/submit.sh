#!/bin/sh
# Carries out a wave as a Slurm job array, and waits for it: sh waves.sh 'sh contrib/slurm/submit.sh' hsic compare OPTIONS...
#
# Memory, threads and time are those of the largest training of the plan: twice the seconds, five minutes at the least, and
# half as much memory again. SBATCH_OPTIONS has more for sbatch (--partition=..., --account=...).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# The largest number under a key of the plan.
largest() {
    sed -nE "s/.*\"$1\":([0-9.]+).*/\1/p" "$2" | sort -g | tail -n 1
}
threads=$(largest threads "$1")
memory=$(largest memory "$1")
seconds=$(largest seconds "$1")
minutes=$(awk "BEGIN { m = 2 * ${seconds:-3600} / 60; if (m < 5) m = 5; printf \"%d\", m + 1 }")
megabytes=$(awk "BEGIN { printf \"%d\", 1.5 * ${memory:-1e9} / 1048576 + 64 }")
# shellcheck disable=SC2086 # the options are several words
exec sbatch --wait --array="1-$2" --cpus-per-task="$threads" --mem="${megabytes}M" --time="$minutes" ${SBATCH_OPTIONS:-} \
    "$here/array.sbatch" "$(dirname "$here")/job.sh" "$1"

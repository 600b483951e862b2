#!/usr/bin/env bash
# Time of a step on one process and on two, of one thread each, in turns: bash steps.sh HSIC_MPI FOLDER
# Prints each and the medians; the machine may be busy, so nothing is judged.
set -euo pipefail
engine=$(realpath "$1")
mkdir -p "$2"
cd "$2"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
options="--train-size 25600 --test-size 100 --widths 256x6 --batch-size 256 --epochs 2 --format-epochs 0 --threads 1"
echo "+ mpirun -n 1|2 hsic-mpi train $options"
for round in 1 2 3 4 5; do
    for processes in 1 2; do
        rm -rf run
        # shellcheck disable=SC2086 # the options are several words
        mpirun --oversubscribe --mca mpi_yield_when_idle 1 -n $processes "$engine" train $options --quiet --json --run run \
            | sed -nE 's/.*"milliseconds_per_step":([0-9.]+).*/\1/p' >> "times$processes"
    done
    echo "round $round: $(tail -n 1 times1) ms on one process, $(tail -n 1 times2) ms on two"
done
median() {
    sort -g "$1" | sed -n 3p
}
awk -v one="$(median times1)" -v two="$(median times2)" \
    'BEGIN { printf "median step: %.2f ms on one process, %.2f ms on two, %.2f times as fast\n", one, two, one / two }'

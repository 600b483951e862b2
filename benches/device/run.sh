#!/usr/bin/env bash
# What a device does, in under eight minutes: `run.sh [--device cuda]` in the folder that prepare.sh made, with the `lib` folders of
# PyTorch and its CUDA libraries in LD_LIBRARY_PATH. `--device cpu` is the dry run: the same commands on less. Convolutions
# and steps of PyTorch itself need a python3 with that PyTorch, and an epoch of CIFAR-10 needs it in $HSIC_DATA/cifar10; the script
# says what it goes without.
set -euo pipefail
cd "$(dirname "$0")"
device=cuda
[ "${1:-}" = --device ] && device=$2
results=${RESULTS:-$PWD/results}
rm -rf "$results" && mkdir -p "$results"
limit=${LIMIT:-480}
began=$SECONDS
# Runs a part, unless time is up; a part that fails is told of and the others go on.
failed=0
part() {
    local name=$1 left=$((limit - SECONDS + began)) start=$SECONDS
    shift
    if [ "$left" -lt 15 ]; then
        echo "== $name: left out, no time" && failed=1 && return
    fi
    echo "== $name: $*"
    timeout "$left" "$@" > "$results/$name.log" 2>&1 || { echo "== $name failed:" && tail -5 "$results/$name.log" && failed=1; }
    cat "$results/$name.log" | tail -30
    echo "== $name: $((SECONDS - start)) s"
}
# Milliseconds of a step of a training with these options, by the program's own summary.
step() {
    local name=$1
    shift
    part "$name" ./hsic-torch train --device "$device" --threads "$(nproc)" --quiet --json --format-epochs 0 --run "$results/$name" "$@"
    [ -f "$results/$name/summary.json" ] &&
        sed -n "s/.*\"milliseconds_per_step\":\([0-9.]*\).*/$name \1 ms a step/p" "$results/$name/summary.json" | tee -a "$results/steps.txt"
    rm -rf "$results/$name"
}
if command -v nvidia-smi > /dev/null; then part gpu nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv; fi

# 1. Correctness: blocks, objectives, steps and sessions beside the CPU's.
part agreement env HSIC_DEVICE="$device" OMP_NUM_THREADS=1 ./agreement --test-threads 1

# 2. A step of VGG8b on images of 3 x 32 x 32 that are made here, by the rule and by back-propagation.
if [ "$device" = cpu ]; then
    rows=64 batches="32" model="--model vgg --widths 16,32p,32p" epochs=1
else
    rows=20480 batches="256 512 1024" model="--model vgg8b" epochs=1
fi
python3 - "$rows" "$results/images.npz" << 'P' || { echo "== no NumPy: steps of convolutions are left out" && rows=0; }
import sys
import numpy as np
rows, path = int(sys.argv[1]), sys.argv[2]
draw = np.random.default_rng(1)
labels = np.arange(rows + 64) % 10
means = draw.integers(0, 200, (10, 3, 32, 32))
images = (means[labels] + draw.integers(0, 56, (rows + 64, 3, 32, 32))).astype(np.uint8)
np.savez(path, x_train=images[:rows], y_train=labels[:rows], x_test=images[rows:], y_test=labels[rows:])
P
if [ "$rows" -gt 0 ]; then
    for batch in $batches; do
        for method in hsic-local backprop; do
            for precision in f32 tf32; do
                flags=(--report-steps 10)
                [ "$precision" = tf32 ] && flags+=(--tf32)
                [ "$method" = hsic-local ] && flags+=(--feature pool:4)
                [ "$device" = cpu ] && [ "$precision" = tf32 ] && continue
                step "step-$method-$batch-$precision" --dataset "$results/images.npz" $model --method "$method" \
                    --batch-size "$batch" --epochs "$epochs" "${flags[@]}"
            done
        done
    done
fi

# 3. A step of the recipe, on those images.
if [ "$rows" -gt 0 ]; then
    size=$([ "$device" = cpu ] && echo 32 || echo 1000)
    widths=$([ "$device" = cpu ] && echo 8,16 || echo 64,256,256)
    for method in backprop hsic; do
        step "step-recipe-$method" --dataset "$results/images.npz" --recipe airbench --widths "$widths" --method "$method" \
            --batch-size "$size" --epochs 1 --report-steps 10
    done
fi

# 4. A step of the paper's network, on digits that come with the program.
size=$([ "$device" = cpu ] && echo 1024 || echo 20480)
step step-mlp --train-size "$size" --test-size 256 --widths 256x6 --batch-size 256 --epochs 2

# 5. The six convolutions of VGG8b and a step of back-propagation, by PyTorch itself.
if python3 -c "import torch" 2> /dev/null; then
    part rival python3 rival.py "$device"
else
    echo "== no PyTorch for python3: its convolutions and its step are left out"
fi

# 6. Launches and waits, by NVIDIA's profiler, where it is there.
if [ "$device" != cpu ] && command -v nsys > /dev/null; then
    part launches nsys profile --stats=true --force-overwrite=true -o "$results/launches" ./hsic-torch train --device "$device" \
        --train-size 20480 --test-size 256 --widths 256x6 --batch-size 256 --epochs 1 --format-epochs 0 --quiet --run "$results/nsys"
else
    echo "== no nsys: launches and waits are not counted by the driver (the tests count the program's own waits)"
fi

# 7. An epoch of CIFAR-10.
if [ "$device" != cpu ] && [ -d "${HSIC_DATA:-}/cifar10" ]; then
    part epoch ./hsic-torch train --device "$device" --dataset cifar10 --model vgg8b --method hsic-local --feature pool:4 --epochs 2 \
        --format-epochs 0 --run "$results/cifar10"
else
    echo "== no CIFAR-10 in HSIC_DATA/cifar10 (or a dry run): its epoch is left out"
fi
echo "== $((SECONDS - began)) s in all on $device; $([ "$failed" = 0 ] && echo every part passed || echo some parts did not pass)"
exit "$failed"

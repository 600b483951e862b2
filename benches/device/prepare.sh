#!/usr/bin/env bash
# Puts what run.sh needs into a folder, to be carried to a machine with a GPU, where there need be no compiler: `prepare.sh FOLDER`.
# LIBTORCH is the `torch` folder of the PyTorch version that is there, of which no device is needed here.
set -euo pipefail
cd "$(dirname "$0")/../.."
to=${1:?expected a folder}
mkdir -p "$to"
cargo build --release --manifest-path engines/Cargo.toml -p hsic-torch
# The tests that compare blocks, objectives and steps with the CPU's, as a program.
tests=$(cargo test --release --manifest-path engines/Cargo.toml -p hsic-torch --lib --no-run --message-format json |
    sed -n 's/.*"executable":"\([^"]*hsic_torch[^"]*\)".*/\1/p' | tail -1)
cp "${CARGO_TARGET_DIR:-engines/target}/release/hsic-torch" "$to/"
cp "$tests" "$to/agreement"
strip "$to/hsic-torch" "$to/agreement"
cp benches/device/run.sh benches/device/rival.py "$to/"
ls -l "$to"

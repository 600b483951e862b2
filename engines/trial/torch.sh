#!/usr/bin/env bash
# Trainings on libtorch's processors: lints, tests, the size of the program, and the dry run of the script for a machine with a GPU.
# Blocks over processes are among the tests where there is an Open MPI, which it installs from Debian if it runs as root.
# Takes PyTorch's wheel and the two of CUDA's that it needs without a GPU from PyPI (0.6 GB, 1.1 GB unpacked), and prints what
# it runs. `torch.sh 2.11` does so with the older libtorch. Where LIBTORCH names one that is there, nothing is fetched.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARGO_INCREMENTAL=0 OMP_NUM_THREADS=1
. .ci/part
version=${1:-2.13}
case $version in
    2.13) torch=2.13.0 tch=0.26.0 ;;
    2.11) torch=2.11.0 tch=0.24.0 ;;
    *) echo "$version: expected 2.11 or 2.13" >&2 && exit 2 ;;
esac
if [ -z "${LIBTORCH:-}" ]; then
    part python3 -m venv "$work/venv"
    part "$work/venv/bin/pip" download -q --no-deps --dest "$work" "torch==$torch"
    part python3 -m zipfile -e "$work"/torch-*.whl "$work/unpacked"
    # What libtorch itself is linked with: the runtime and the profiler's library, of the CUDA that the wheel names.
    cuda=$(sed -n 's/^cuda.*= .\([0-9.]*\).$/\1/p' "$work/unpacked/torch/version.py")
    case $cuda in
        13.*) suffix= ;;
        *) suffix=-cu12 ;;
    esac
    part "$work/venv/bin/pip" download -q --no-deps --dest "$work/cuda" "nvidia-cuda-runtime$suffix==$cuda.*" "nvidia-cuda-cupti$suffix==$cuda.*"
    for wheel in "$work"/cuda/*.whl; do python3 -m zipfile -e "$wheel" "$work/unpacked"; done
    rm "$work"/*.whl "$work"/cuda/*.whl
    export LIBTORCH=$work/unpacked/torch
fi
export LD_LIBRARY_PATH=$LIBTORCH/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
engines=$PWD/engines/Cargo.toml
kept=$(mktemp) && cp engines/Cargo.lock "$kept"
trap 'cp "$kept" engines/Cargo.lock' EXIT
part cargo update --manifest-path "$engines" tch --precise "$tch"
if ! command -v mpicc > /dev/null && [ "$(id -u)" = 0 ]; then
    part apt-get update -qq
    DEBIAN_FRONTEND=noninteractive part apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 libopenmpi-dev openmpi-bin libclang-dev
fi
features=()
if command -v mpicc > /dev/null; then features=(--features mpi); else echo "== no Open MPI: blocks over processes are left out"; fi
part cargo clippy --manifest-path "$engines" -p hsic-torch "${features[@]}" --all-targets -- -D warnings
part cargo test --manifest-path "$engines" -p hsic-torch "${features[@]}"
part bash benches/device/prepare.sh "$work/bundle"
size=$(stat -c %s "$work/bundle/hsic-torch")
echo "== hsic-torch has $size bytes"
[ "$size" -lt 20000000 ]
part bash "$work/bundle/run.sh" --device cpu
rm -r "$work"

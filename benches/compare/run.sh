#!/usr/bin/env bash
# Builds the engine, makes a virtual environment for PyTorch, runs the comparison. Arguments go to compare.py; after
# `run.sh convolution` to convolution.py. PYTHON=/path/to/python (with torch installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-target}
script=compare.py example=step
if [[ ${1:-} == convolution ]]; then
    script=convolution.py example=convolution
    shift
fi

if [[ -z ${PYTHON:-} ]]; then
    venv=$target/compare-venv
    if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$venv/installed.txt"
    fi
    PYTHON=$venv/bin/python
fi

ours=yes
for argument in "$@"; do
    case $argument in --without-ours | --help | -h) ours=no ;; esac
done
if [[ $ours == yes ]]; then
    cargo build --release -p hsic-bottleneck --example "$example"
    set -- --ours "$target/release/examples/$example" "$@"
fi
exec "$PYTHON" "$here/$script" --python "$PYTHON" "$@"

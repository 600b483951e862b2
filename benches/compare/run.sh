#!/usr/bin/env bash
# Builds the engine, makes a virtual environment for PyTorch, runs the comparison. Arguments go to compare.py; after
# `run.sh convolution` to convolution.py, after `run.sh recipe` to recipe.py. PYTHON=/path/to/python (with torch installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of compare
script=compare.py example=step
if [[ ${1:-} == convolution ]]; then
    script=convolution.py example=convolution
    shift
elif [[ ${1:-} == recipe ]]; then
    script=recipe.py example=recipe
    shift
fi
if wants_ours "$@"; then
    build -p bench-programs --bin "$example"
    set -- --ours "$target/release/$example" "$@"
fi
exec "$PYTHON" "$here/$script" --python "$PYTHON" "$@"

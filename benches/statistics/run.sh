#!/usr/bin/env bash
# Builds `hsic` and the example `permutation`, makes a virtual environment with NumPy and hyppo, runs the comparison.
# Arguments go to independence.py. PYTHON=/path/to/python (with NumPy and hyppo installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of statistics
build -p hsic-cli
build -p bench-programs --bin permutation
exec "$PYTHON" "$here/independence.py" --python "$PYTHON" \
    --ours "$target/release/permutation" --hsic "$target/release/hsic" "$@"

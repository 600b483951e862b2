#!/usr/bin/env bash
# Builds `hsic`, makes a virtual environment with scikit-learn, runs the comparison. Arguments go to tables.py.
# PYTHON=/path/to/python (with scikit-learn installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of tables
build -p hsic-cli
# Each job has one thread, ours and the rivals' alike.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$PYTHON" "$here/tables.py" --hsic "$target/release/hsic" "$@"

#!/usr/bin/env bash
# Builds `hsic`, makes a virtual environment with scikit-learn, prints R2 on two tables: README.md.
# Arguments go to regression.py. PYTHON=/path/to/python (with scikit-learn installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of regression
build -p hsic-cli
exec "$PYTHON" "$here/regression.py" --hsic "$target/release/hsic" "$@"

#!/usr/bin/env bash
# Builds `hsic`, makes the virtual environment with PyTorch of benches/compare, runs the comparison. Arguments go to
# start.py; HSIC_DATA names the folder that holds mnist/. PYTHON=/path/to/python (with torch installed) skips the virtual
# environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of compare
build -p hsic-cli
exec "$PYTHON" "$here/start.py" --python "$PYTHON" --hsic "$target/release/hsic" "$@"

#!/usr/bin/env bash
# Builds the command, makes a virtual environment for matplotlib, measures. Arguments go to batch.py.
# PYTHON=/path/to/python skips the virtual environment (without matplotlib there: tables, but no figure).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of batch
for argument in "$@"; do
    case $argument in --help | -h) exec "$PYTHON" "$here/batch.py" --help ;; esac
done
build -p hsic-cli
exec "$PYTHON" "$here/batch.py" --hsic "$target/release/hsic" --output "$target/batch" "$@"

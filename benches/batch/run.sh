#!/usr/bin/env bash
# Builds the command, makes a virtual environment for matplotlib, measures. Arguments go to batch.py.
# PYTHON=/path/to/python skips the virtual environment (without matplotlib there: tables, but no figure).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
target=${CARGO_TARGET_DIR:-target}

if [[ -z ${PYTHON:-} ]]; then
    venv=$target/batch-venv
    if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
        python3 -m venv "$venv"
        "$venv/bin/python" -m pip install --quiet -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$venv/installed.txt"
    fi
    PYTHON=$venv/bin/python
fi

for argument in "$@"; do
    case $argument in --help | -h) exec "$PYTHON" "$here/batch.py" --help ;; esac
done
cargo build --release -p hsic-cli
exec "$PYTHON" "$here/batch.py" --hsic "$target/release/hsic" --output "$target/batch" "$@"

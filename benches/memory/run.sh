#!/usr/bin/env bash
# Builds the engine, makes the virtual environment of benches/compare, measures peak memory. Arguments go to memory.py.
# PYTHON=/path/to/python (with torch installed) skips the virtual environment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../prepare.sh"
environment_of compare
options=(--without-ours)
if wants_ours "$@"; then
    build -p bench-programs --bin step
    options=(--ours "$target/release/step")
    for argument in "$@"; do
        if [[ $argument == --accuracy ]]; then
            build -p hsic-cli
            options+=(--hsic "$target/release/hsic")
        fi
    done
fi
exec "$PYTHON" "$here/memory.py" --python "$PYTHON" "${options[@]}" "$@"

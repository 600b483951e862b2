#!/usr/bin/env bash
# Runs the tests of convolutions under valgrind's memcheck, which tells reads and writes outside of what was allocated, and branches
# on what was never written. `run.sh NAME...` runs other tests of hsic-nn, by parts of their names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v valgrind >/dev/null; then
    echo "memcheck: skipped: valgrind is not installed"
    exit 0
fi
# The usual tests, which are optimised and have debug assertions. Valgrind knows no AVX-512 and says so to the program, which then
# takes the tiles of AVX2.
program=$(cargo test -p hsic-nn --lib --no-run --message-format=json |
    python3 -c 'import json, sys
for line in sys.stdin:
    if program := json.loads(line).get("executable"):
        print(program)')
if [[ $# == 0 ]]; then set -- network::convolution network::conv::; fi
started=$SECONDS
valgrind --error-exitcode=9 --leak-check=no --num-callers=20 "$program" --test-threads 1 "$@"
echo "memcheck: $((SECONDS - started)) s"

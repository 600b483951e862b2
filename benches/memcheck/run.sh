#!/usr/bin/env bash
# Runs the tests of convolutions and of products under valgrind's memcheck, which tells reads and writes outside of what was
# allocated, and branches on what was never written. `run.sh NAME...` runs other tests of hsic and hsic-nn, by parts of their names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! command -v valgrind >/dev/null; then
    echo "memcheck: skipped: valgrind is not installed"
    exit 0
fi
# The usual tests, which are optimised and have debug assertions. Valgrind knows no AVX-512 and says so to the program, which then
# takes the tiles of AVX2.
for package in hsic hsic-nn; do
    program=$(cargo test -p "$package" --lib --no-run --message-format=json |
        python3 -c 'import json, sys
for line in sys.stdin:
    if program := json.loads(line).get("executable"):
        print(program)')
    parts=("$@")
    if [[ $# == 0 && $package == hsic ]]; then parts=(product); fi
    if [[ $# == 0 && $package == hsic-nn ]]; then parts=(network::convolution network::conv::); fi
    started=$SECONDS
    valgrind --error-exitcode=9 --leak-check=no --num-callers=20 "$program" --test-threads 1 "${parts[@]}"
    echo "memcheck: $package $((SECONDS - started)) s"
done

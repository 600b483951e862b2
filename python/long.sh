#!/usr/bin/env bash
# What takes too long for .ci/run: the package with PyTorch, JAX and matplotlib beside it, all of scikit-learn's checks of the
# estimators with their defaults, and the wheel, with its size and an import on each Python that is there.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_INCREMENTAL=0
target=${CARGO_TARGET_DIR:-$PWD/target}
cargo build --release
venv=$target/python-venv
# Makes the environment, beside whose packages the others are put.
bash python/test.sh --collect-only > /dev/null
"$venv/bin/python" -m pip install --quiet matplotlib jax torch || echo "PyTorch, JAX and matplotlib could not be had"
HSIC_LONG=1 bash python/test.sh
rm -rf "$target/python-wheel"
CARGO_TARGET_DIR=$target "$venv/bin/maturin" build --quiet --release --strip --locked -m python/Cargo.toml -o "$target/python-wheel"
wheel=$(echo "$target"/python-wheel/*.whl)
bytes=$(stat -c %s "$wheel")
echo "$(basename "$wheel"): $bytes bytes"
[ "$bytes" -lt 15000000 ]
for python in python3.10 python3.11 python3.12 python3.13 python3.14; do
    "$python" -c "" 2>/dev/null || continue
    "$python" -m venv --clear "$target/python-import"
    "$target/python-import/bin/python" -m pip install --quiet "$wheel"
    "$target/python-import/bin/python" -c "
import sys, hsic, numpy
run = hsic.train('digits', widths='16', epochs=1, train_size=200, test_size=50, batch_size=50, progress=False)
print(sys.version.split()[0], 'NumPy', numpy.__version__, run)"
done

#!/usr/bin/env bash
# Installs the package into a virtual environment of its own, as a user does, and tests it there: stubs, types, doctests, tests.
# Skipped, with a word, where there is no Python 3.10 or newer, or the tests' packages cannot be had. Arguments go to pytest.
# PYTHON=/path/to/python3 chooses the interpreter; HSIC_WRITE_STUBS=1 writes the stubs anew; HSIC_LONG=1 asks for the tests that
# take a minute. Tests of PyTorch, JAX and matplotlib run where the environment has them:
# target/python-venv/bin/python -m pip install torch jax matplotlib.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
skip() {
    echo "the Python package was not tested: $1"
    exit 0
}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    skip "$python is no Python 3.10 or newer"
mkdir -p "${CARGO_TARGET_DIR:-../target}"
target=$(cd "${CARGO_TARGET_DIR:-../target}" && pwd)
venv=$target/python-venv
if ! cmp -s requirements-test.txt "$venv/installed.txt"; then
    "$python" -m venv "$venv" || skip "$python makes no virtual environment"
    "$venv/bin/python" -m pip install --quiet -r requirements-test.txt ||
        skip "the packages of python/requirements-test.txt could not be installed"
    cp requirements-test.txt "$venv/installed.txt"
fi
export PATH=$venv/bin:$PATH
# The command, beside whose files and bits those of the package are held where it has been built.
[ -x "$target/release/hsic" ] && export HSIC_COMMAND=${HSIC_COMMAND:-$target/release/hsic}
start=$SECONDS
cargo fmt --check
# Stubs come from the signatures in Rust, out of the library that is built here; what is installed has them.
stubs=$target/python-stubs
rm -rf "$stubs"
maturin generate-stubs --quiet --profile release --locked -o "$stubs"
python stubs.py "$stubs" python/hsic/_hsic.pyi
python -m pip install --quiet --no-build-isolation --no-deps --force-reinstall .
echo "built and installed in $((SECONDS - start)) s"

# Types are checked beside the tests, outside this folder, whose `python/hsic` has no compiled part.
types() {
    cd "$target"
    python -m mypy --config-file "$OLDPWD/pyproject.toml" --cache-dir "$target/mypy" -p hsic && python -m mypy.stubtest hsic._hsic
}
(types > "$target/python-types.log" 2>&1) &
checked=$!
told=0
python -m pytest "$@" || told=$?
wait "$checked" || told=$?
cat "$target/python-types.log"
echo "the Python package took $((SECONDS - start)) s"
exit "$told"

"""The package itself: what it loads, what it says where Rust is missing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hsic
from hsic import _hsic

HERE = Path(__file__).resolve().parent.parent


def run(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=60, **options)


def test_importing_loads_numpy_alone():
    script = "import sys, hsic; print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'jax', 'pandas', 'scipy', 'sklearn'}))"
    assert run(sys.executable, "-c", script).stdout == "[]\n"
    # Nor parts of NumPy that it does not load itself, which take longer than all of this package.
    script = """import sys, numpy; before = set(sys.modules); import hsic
print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - {'hsic'} - set(sys.stdlib_module_names)))"""
    assert run(sys.executable, "-c", script).stdout == "[]\n"
    missing = run(sys.executable, "-c", "import sys; sys.modules['torch'] = None; import hsic; hsic.torch")
    assert "ModuleNotFoundError: import of torch halted" in missing.stderr


def test_names_of_rust_are_those_that_python_types():
    from hsic._statistics import Estimator, Kernel

    assert set(_hsic.kernels()) == set(Kernel.__args__) and set(_hsic.estimators()) == set(Estimator.__args__)
    with pytest.raises(AttributeError, match="module 'hsic' has no attribute 'tset'"):
        hsic.tset
    manifest = (HERE / "Cargo.toml").read_text()
    assert f'\nversion = "{hsic.__version__}"\n' in manifest


@pytest.mark.skipif(os.name != "posix", reason="a program that is a script")
@pytest.mark.parametrize(
    ("cargo", "words"),
    [
        (None, "there is no Rust (cargo is not found): expected Rust 1.95 or newer; get it from https://rustup.rs"),
        ("echo cargo 1.80.1", "Rust is too old (cargo 1.80.1): expected Rust 1.95 or newer"),
        ("exit 1", "`cargo --version` fails: expected Rust 1.95 or newer"),
    ],
)
def test_the_first_line_says_that_rust_is_missing(tmp_path, cargo, words):
    if cargo:
        (tmp_path / "cargo").write_text(f"#!/bin/sh\n{cargo}\n")
        (tmp_path / "cargo").chmod(0o755)
    environment = {**os.environ, "PATH": str(tmp_path)}
    environment.pop("CARGO", None)
    script = "import build_backend; build_backend.get_requires_for_build_wheel()"
    told = run(sys.executable, "-c", script, cwd=HERE, env=environment)
    assert told.returncode == 1 and words in told.stderr.splitlines()[0], told.stderr

"""Builds the package by maturin, after a look at the Rust that is there: what pip shows begins with what is missing."""

import os
import re
import shutil
import subprocess

RUST = (1, 95)


def _check_rust() -> None:
    wanted = ".".join(map(str, RUST))
    remedy = "get it from https://rustup.rs (`rustup update` renews what is there), then run this command again"
    cargo = os.environ.get("CARGO", "cargo")
    if shutil.which(cargo) is None:
        raise SystemExit(f"hsic is compiled while it is installed, and there is no Rust ({cargo} is not found): expected "
                         f"Rust {wanted} or newer; {remedy}")
    asked = subprocess.run([cargo, "--version"], capture_output=True, text=True)
    found = re.match(r"cargo (\d+)\.(\d+)", asked.stdout)
    if asked.returncode != 0 or found is None:
        raise SystemExit(f"hsic is compiled while it is installed, and `{cargo} --version` fails: expected Rust {wanted} or "
                         f"newer; {remedy}\n{asked.stderr}")
    if (int(found[1]), int(found[2])) < RUST:
        raise SystemExit(f"hsic is compiled while it is installed, and Rust is too old ({asked.stdout.strip()}): expected "
                         f"Rust {wanted} or newer; {remedy}")


def get_requires_for_build_wheel(config_settings=None):
    _check_rust()
    return []


get_requires_for_build_editable = get_requires_for_build_wheel


def get_requires_for_build_sdist(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(folder, config_settings=None):
    import maturin

    _check_rust()
    return maturin.prepare_metadata_for_build_wheel(folder, config_settings)


def prepare_metadata_for_build_editable(folder, config_settings=None):
    import maturin

    _check_rust()
    return maturin.prepare_metadata_for_build_editable(folder, config_settings)


def build_wheel(folder, config_settings=None, metadata_directory=None):
    import maturin

    _check_rust()
    return maturin.build_wheel(folder, config_settings, metadata_directory)


def build_editable(folder, config_settings=None, metadata_directory=None):
    import maturin

    _check_rust()
    return maturin.build_editable(folder, config_settings, metadata_directory)


def build_sdist(folder, config_settings=None):
    import maturin

    return maturin.build_sdist(folder, config_settings)
